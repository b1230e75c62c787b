/*
 * cfgm.c - the configuration tree: nodes and values.
 *
 * Invariant 1: children and values are sorted by strcmp() of their names and unique.
 */
#include "vmm/cfgm/cfgm.h"

#include <string.h>

#include "vmm/cfgm/cfgm_int.h"

static void value_free(void *p)
{
    struct cfgm_value *v = p;

    g_free(v->name);
    g_free(v->data);
    g_free(v);
}

static struct cfgm_node *node_new(struct cfgm_node *parent, const char *name, size_t name_bytes)
{
    struct cfgm_node *node = g_new0(struct cfgm_node, 1);

    node->name = g_strndup(name, name_bytes);
    node->parent = parent;
    node->children = g_ptr_array_new();
    node->values = g_ptr_array_new_with_free_func(value_free);
    return node;
}

struct cfgm_node *cfgm_new(void)
{
    return node_new(NULL, "", 0);
}

void cfgm_free(struct cfgm_node *node)
{
    if (!node)
        return;
    if (node->parent)
        g_ptr_array_remove(node->parent->children, node);
    while (node->children->len)
        cfgm_free(g_ptr_array_index(node->children, node->children->len - 1));
    g_ptr_array_unref(node->children);
    g_ptr_array_unref(node->values);
    g_free(node->name);
    g_free(node);
}

/* The child called name[0..bytes), or NULL with *ret_at = where it would stand (inv 1). */
static struct cfgm_node *child_at(const struct cfgm_node *node, const char *name, size_t bytes, unsigned *ret_at)
{
    unsigned i;

    for (i = 0; i < node->children->len; i++) {
        struct cfgm_node *c = g_ptr_array_index(node->children, i);
        int order = strncmp(c->name, name, bytes);

        if (order == 0 && c->name[bytes])
            order = 1;
        if (order == 0)
            return c;
        if (order > 0)
            break;
    }
    if (ret_at)
        *ret_at = i;
    return NULL;
}

static struct cfgm_node *walk(struct cfgm_node *node, const char *path, bool make)
{
    while (node) {
        struct cfgm_node *child;
        unsigned at;
        size_t bytes;

        path += strspn(path, "/");
        if (!*path)
            return node;
        bytes = strcspn(path, "/");
        child = child_at(node, path, bytes, &at);
        if (!child && make) {
            child = node_new(node, path, bytes);
            g_ptr_array_insert(node->children, (int)at, child);
        }
        node = child;
        path += bytes;
    }
    return NULL;
}

struct cfgm_node *cfgm_insert(struct cfgm_node *node, const char *path)
{
    return walk(node, path, true);
}

struct cfgm_node *cfgm_child(struct cfgm_node *node, const char *path)
{
    return walk(node, path, false);
}

struct cfgm_node *cfgm_first(struct cfgm_node *node)
{
    return node && node->children->len ? g_ptr_array_index(node->children, 0) : NULL;
}

struct cfgm_node *cfgm_next(struct cfgm_node *node)
{
    unsigned at;

    if (!node->parent || !g_ptr_array_find(node->parent->children, node, &at))
        return NULL;
    return at + 1 < node->parent->children->len ? g_ptr_array_index(node->parent->children, at + 1) : NULL;
}

const char *cfgm_name(const struct cfgm_node *node)
{
    return node->name;
}

char *cfgm_path(const struct cfgm_node *node)
{
    GString *s = g_string_new("/");

    for (; node && node->parent; node = node->parent) {
        g_string_prepend(s, node->name);
        g_string_prepend_c(s, '/');
    }
    return g_string_free(s, FALSE);
}

/* ---- values ---- */

const struct cfgm_value *cfgm_find(const struct cfgm_node *node, const char *key)
{
    for (unsigned i = 0; node && i < node->values->len; i++) {
        const struct cfgm_value *v = g_ptr_array_index(node->values, i);

        if (!strcmp(v->name, key))
            return v;
    }
    return NULL;
}

static void set(struct cfgm_node *node, const char *key, enum cfgm_type type, uint64_t integer, const void *data,
                size_t bytes)
{
    struct cfgm_value *v = g_new0(struct cfgm_value, 1);
    unsigned at = 0;

    while (at < node->values->len) {
        const struct cfgm_value *have = g_ptr_array_index(node->values, at);
        const int order = strcmp(have->name, key);

        if (order == 0)
            g_ptr_array_remove_index(node->values, at);
        if (order >= 0)
            break;
        at++;
    }
    v->name = g_strdup(key);
    v->type = type;
    v->integer = integer;
    v->data = g_memdup2(data, bytes);
    v->bytes = bytes;
    g_ptr_array_insert(node->values, (int)at, v);
}

void cfgm_set_integer(struct cfgm_node *node, const char *key, uint64_t val)
{
    set(node, key, CFGM_INTEGER, val, NULL, 0);
}

void cfgm_set_string(struct cfgm_node *node, const char *key, const char *val)
{
    set(node, key, CFGM_STRING, 0, val, strlen(val) + 1);
}

void cfgm_set_bytes(struct cfgm_node *node, const char *key, const void *val, size_t bytes)
{
    set(node, key, CFGM_BYTES, 0, val, bytes);
}

bool cfgm_has(const struct cfgm_node *node, const char *key)
{
    return cfgm_find(node, key) != NULL;
}

uint64_t cfgm_integer(const struct cfgm_node *node, const char *key, uint64_t def)
{
    const struct cfgm_value *v = cfgm_find(node, key);

    return v && v->type == CFGM_INTEGER ? v->integer : def;
}

const char *cfgm_string(const struct cfgm_node *node, const char *key, const char *def)
{
    const struct cfgm_value *v = cfgm_find(node, key);

    return v && v->type == CFGM_STRING ? v->data : def;
}

const uint8_t *cfgm_bytes(const struct cfgm_node *node, const char *key, size_t *ret_bytes)
{
    const struct cfgm_value *v = cfgm_find(node, key);
    const bool ok = v && v->type == CFGM_BYTES;

    *ret_bytes = ok ? v->bytes : 0;
    return ok ? v->data : NULL;
}
