/*
 * virtualbox_networks.c - IVirtualBox's methods about networks that are kept in the global settings.
 */
#include "main/server/kept.h"
#include "main/server/virtualbox/virtualbox.h"

#define METHODS(kind, create, remove, find, all)                                                                       \
    bool create(struct bus_call *call, GVariant **ret, GError **error)                                                 \
    {                                                                                                                  \
        return kept_create(call, &kind, ret, error);                                                                   \
    }                                                                                                                  \
    bool remove(struct bus_call *call, GVariant **ret, GError **error)                                                 \
    {                                                                                                                  \
        (void)ret;                                                                                                     \
        return kept_remove(call, &kind, error);                                                                        \
    }                                                                                                                  \
    bool find(struct bus_call *call, GVariant **ret, GError **error)                                                   \
    {                                                                                                                  \
        return kept_lookup(call, &kind, ret, error);                                                                   \
    }                                                                                                                  \
    bool all(struct bus_call *call, GVariant **ret, GError **error)                                                    \
    {                                                                                                                  \
        (void)error;                                                                                                   \
        return kept_all(call, &kind, ret);                                                                             \
    }

METHODS(nat_network_kind, virtualbox_create_nat, virtualbox_remove_nat, virtualbox_find_nat, virtualbox_all_nat)
METHODS(dhcp_kind, virtualbox_create_dhcp, virtualbox_remove_dhcp, virtualbox_find_dhcp, virtualbox_all_dhcp)
METHODS(host_only_kind, virtualbox_create_host_only, virtualbox_remove_host_only, virtualbox_find_host_only,
        virtualbox_all_host_only)

static void add_internal(GPtrArray *names, const struct settings_machine *s)
{
    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++) {
        const struct settings_adapter *a = &s->hardware.adapter[k];
        if (a->attachment == ATTACH_INTERNAL && a->internal_network != NULL &&
            !g_ptr_array_find_with_equal_func(names, a->internal_network, g_str_equal, NULL))
            g_ptr_array_add(names, a->internal_network);
    }
}

bool virtualbox_internal_networks(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->object;
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    (void)error;
    for (unsigned k = 0; k < s->machines->len; k++) {
        const struct machine *m = s->machines->pdata[k];
        if (m->registered && m->settings != NULL)
            add_internal(names, m->settings);
    }
    GVariant *list = g_variant_new_strv((const char *const *)names->pdata, (gssize)names->len);
    *ret = g_variant_new_tuple(&list, 1);
    return true;
}
