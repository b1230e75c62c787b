/*
 * cfgm_check.c - a node against its schema.
 */
#include "vmm/cfgm/cfgm.h"

#include <inttypes.h>
#include <string.h>

#include "vmm/cfgm/cfgm_int.h"

static const char *const type_names[] = {
    [CFGM_INTEGER] = "an integer", [CFGM_STRING] = "a string", [CFGM_BYTES] = "bytes"};

static bool matches(const char *pattern, const char *name)
{
    const size_t bytes = strlen(pattern);

    if (bytes && pattern[bytes - 1] == '*')
        return !strncmp(pattern, name, bytes - 1);
    return !strcmp(pattern, name);
}

static bool refuse(const struct cfgm_node *node, const char *key, enum cfgm_error code, GError **error, const char *why)
{
    g_autofree char *path = cfgm_path(node);

    g_set_error(error, CFGM_ERROR, (int)code, "Configuration key \"%s%s\" %s", path, key, why);
    return false;
}

static char *known_keys(const struct cfgm_key *keys)
{
    GString *s = g_string_new("is not known; known here: ");

    if (!keys || !keys->name)
        g_string_append(s, "none");
    for (const struct cfgm_key *k = keys; k && k->name; k++)
        g_string_append_printf(s, "%s%s", k == keys ? "" : ", ", k->name);
    return g_string_free(s, FALSE);
}

static bool check_value(const struct cfgm_node *node, const struct cfgm_value *v, const struct cfgm_key *keys,
                        GError **error)
{
    const struct cfgm_key *k = keys;
    g_autofree char *why = NULL;

    while (k && k->name && !matches(k->name, v->name))
        k++;
    if (!k || !k->name) {
        why = known_keys(keys);
        return refuse(node, v->name, CFGM_UNKNOWN_KEY, error, why);
    }
    if (v->type != k->type) {
        why = g_strdup_printf("is %s; it must be %s", type_names[v->type], type_names[k->type]);
        return refuse(node, v->name, CFGM_WRONG_TYPE, error, why);
    }
    if (v->type == CFGM_INTEGER && (k->min || k->max) && (v->integer < k->min || v->integer > k->max)) {
        why =
            g_strdup_printf("is %" PRIu64 "; it must be between %" PRIu64 " and %" PRIu64, v->integer, k->min, k->max);
        return refuse(node, v->name, CFGM_OUT_OF_RANGE, error, why);
    }
    return true;
}

static bool check_child(const struct cfgm_node *child, const char *const *children, GError **error)
{
    g_autofree char *path = NULL;

    for (; *children; children++)
        if (matches(*children, child->name))
            return true;
    path = cfgm_path(child);
    g_set_error(error, CFGM_ERROR, CFGM_UNKNOWN_NODE, "Configuration node \"%s\" is not known", path);
    return false;
}

bool cfgm_validate(const struct cfgm_node *node, const struct cfgm_key *keys, const char *const *children,
                   GError **error)
{
    for (unsigned i = 0; node && i < node->values->len; i++)
        if (!check_value(node, g_ptr_array_index(node->values, i), keys, error))
            return false;
    for (unsigned i = 0; node && children && i < node->children->len; i++)
        if (!check_child(g_ptr_array_index(node->children, i), children, error))
            return false;
    for (const struct cfgm_key *k = keys; k && k->name; k++)
        if (k->required && !cfgm_find(node, k->name))
            return refuse(node, k->name, CFGM_MISSING, error, "is missing");
    return true;
}
