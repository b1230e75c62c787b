/*
 * extra.c - see extra.h.
 */
#include "main/vmproc/extra.h"

#include <errno.h>
#include <string.h>

#include "main/settings/machine.h"
#include "vmm/cfgm/cfgm.h"

#define EXTRA_ERROR (g_quark_from_static_string("extra"))
#define PREFIX      "VBoxInternal/EM/"
#define STRING      "string:"
#define KEYS_MAX    32u

static bool number(const char *text, uint64_t *ret)
{
    char *end;

    if (!g_ascii_isdigit(*text))
        return false;
    errno = 0;
    *ret = g_ascii_strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    return errno == 0 && *end == '\0';
}

bool extra_to_cfgm(const GPtrArray *list, struct cfgm_node *root, GError **error)
{
    unsigned keys = 0;

    for (unsigned n = 0; n < list->len; n++) {
        const struct settings_property *p = list->pdata[n];
        if (!g_str_has_prefix(p->name, PREFIX) || p->value == NULL || *p->value == '\0')
            continue;
        const char *key = p->name + strlen(PREFIX);
        if (*key == '\0' || strchr(key, '/') != NULL || ++keys > KEYS_MAX) {
            g_set_error(error, EXTRA_ERROR, 0,
                        "ExtraDataItem/@name '%s': after " PREFIX " comes the name of one key, of %u at most", p->name,
                        KEYS_MAX);
            return false;
        }
        uint64_t val;
        if (number(p->value, &val))
            cfgm_set_integer(cfgm_insert(root, "EM"), key, val);
        else
            cfgm_set_string(cfgm_insert(root, "EM"), key,
                            g_str_has_prefix(p->value, STRING) ? p->value + strlen(STRING) : p->value);
    }
    return true;
}
