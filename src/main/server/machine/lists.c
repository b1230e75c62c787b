/*
 * lists.c - what small lists below a machine have in common: their items are found by name.
 */
#include <assert.h>
#include <string.h>

#include "main/server/machine/machine.h"

static_assert(offsetof(struct settings_usb_controller, name) == 0 &&
                  offsetof(struct settings_shared_folder, name) == 0 &&
                  offsetof(struct settings_bandwidth_group, name) == 0 &&
                  offsetof(struct settings_forward, name) == 0 && offsetof(struct settings_property, name) == 0,
              "items are looked at as if they were properties");

bool list_taken(const char *what, const char *name, GError **error)
{
    return api_fail(error, VBOX_E_OBJECT_IN_USE, "%s named '%s' already exists", what, name);
}

bool list_missing(const char *what, const char *name, GError **error)
{
    return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a %s named '%s'", what, name);
}

static GPtrArray *list_at(const struct part *p, size_t list_offset)
{
    return *(GPtrArray **)((char *)p->s + list_offset);
}

bool list_remove_named(struct bus_call *call, size_t list_offset, unsigned when, const char *what, GError **error)
{
    struct part *p = call->object;
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    if (!part_change(p, when, error))
        return false;
    GPtrArray *list = list_at(p, list_offset);
    guint n = LIST_FIND(list, settings_property, name);
    if (n == G_MAXUINT)
        return list_missing(what, name, error);
    g_ptr_array_remove_index(list, n);
    return true;
}

struct part *list_item(struct service *s, struct bus_peer *peer, const char *node, size_t list_offset)
{
    const char *rest;
    struct part *p = part_find(s, peer, node, &rest);

    if (p == NULL || rest == NULL || p->s == NULL)
        return NULL;
    g_autofree char *name = api_node_unescape(rest);
    GPtrArray *list = list_at(p, list_offset);
    guint n = LIST_FIND(list, settings_property, name);
    if (n == G_MAXUINT)
        return NULL;
    p->base = list->pdata[n];
    return p;
}

GVariant *list_describe(struct part *p, const struct bus_interface *interface, const GPtrArray *list)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < list->len; k++) {
        struct part one = *p;
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        one.base = list->pdata[k];
        bus_describe(p->service->bus, interface, &one, "", &d);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    return g_variant_builder_end(&b);
}
