/*
 * values.c - objects that only say something: their properties are the entries of a dictionary made for the call.
 */
#include <string.h>

#include "main/server/objects.h"

void *values_found(struct service *s, GVariant *dict)
{
    g_clear_pointer(&s->values, g_variant_unref);
    s->values = dict;
    return dict;
}

GVariant *values_pick(GVariant *list, const char *key, const char *text)
{
    g_autoptr(GVariant) all = g_variant_ref_sink(list);

    for (gsize k = 0; k < g_variant_n_children(all); k++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(all, k);
        const char *is;
        if (g_variant_lookup(dict, key, "&s", &is) && g_ascii_strcasecmp(is, text) == 0)
            return g_steal_pointer(&dict);
    }
    return NULL;
}

GVariant *values_get(const struct bus_call *call, const struct bus_property *row)
{
    return g_variant_lookup_value(call->object, row->name, NULL);
}
