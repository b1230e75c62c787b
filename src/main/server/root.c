/*
 * root.c - what the objects there is one of have in common: IVirtualBox, IHost, ISystemProperties and the rest.
 */
#include <string.h>

#include "main/server/objects.h"

void *root_find(void *user, const char *node, const char *name)
{
    return strcmp(node, name) == 0 ? user : NULL;
}

bool root_describe(struct bus_call *call, const struct bus_interface *interface, GVariant **ret)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    bus_describe(call->bus, interface, call->object, "", &dict);
    *ret = g_variant_new("(@a{sv})", g_variant_dict_end(&dict));
    return true;
}
