/*
 * properties.c - methods that write and read one named property of a part: adapters' and the remote display's.
 */
#include "main/server/machine/machine.h"

bool part_property_set(struct bus_call *call, GPtrArray *list, GError **error)
{
    struct part *p = call->object;
    const char *key, *val;

    g_variant_get(call->args, "(&s&s)", &key, &val);
    if (!part_change(p, PART_ANY, error))
        return false;
    settings_property_set(list, key, val);
    return part_changed(p, error);
}

bool part_property_get(const struct bus_call *call, const GPtrArray *list, GVariant **ret)
{
    const char *key, *val;

    g_variant_get(call->args, "(&s)", &key);
    val = list != NULL ? settings_property_get(list, key) : NULL;
    *ret = g_variant_new("(s)", val != NULL ? val : "");
    return true;
}
