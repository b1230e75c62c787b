/*
 * dhcp.c - IDHCPServer: address servers of internal and host-only networks, as they are kept.
 *
 * Left out: the server itself; Start says so.
 * Source of the option numbers' meaning: RFC 2132; they are kept as they are given.
 */
#include "main/server/network/dhcp_int.h"

#include <string.h>

static void *make(void)
{
    return settings_dhcp_server_new();
}

static void init(void *item)
{
    D *d = item;
    char **texts[] = {&d->address, &d->mask, &d->lower, &d->upper};

    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++) {
        g_free(*texts[k]);
        *texts[k] = g_strdup("0.0.0.0");
    }
}

const struct kept_kind dhcp_kind = {.folder = API_ROOT "/dhcpserver",
                                    .signal = "DHCPServer",
                                    .what = "DHCP server",
                                    .list_offset = offsetof(struct settings_global, dhcp_servers),
                                    .name_offset = offsetof(D, network),
                                    .make = make,
                                    .init = init};

D *dhcp_of(const struct bus_call *call)
{
    return ((const struct part *)call->object)->base;
}

bool dhcp_changed(struct bus_call *call, GError **error)
{
    struct part *p = call->object;
    g_autofree char *name = g_strdup(dhcp_of(call)->network);

    if (!part_changed(p, error))
        return false;
    kept_tell(p->service, &dhcp_kind, name, true);
    return true;
}

static bool set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    return field_set(call, row, val, error) && dhcp_changed(call, error);
}

static bool set_configuration(struct bus_call *call, GVariant **ret, GError **error)
{
    D *d = dhcp_of(call);
    char **at[] = {&d->address, &d->mask, &d->lower, &d->upper};
    const char *text[4];

    (void)ret;
    g_variant_get(call->args, "(&s&s&s&s)", &text[0], &text[1], &text[2], &text[3]);
    for (unsigned k = 0; k < 4; k++)
        if (!address_is_ipv4(text[k]))
            return api_fail(error, E_INVALIDARG, "Invalid address '%s'", text[k]);
    uint32_t lower = address_ipv4(text[2]), upper = address_ipv4(text[3]), mask = address_ipv4(text[1]);
    if (lower > upper || ((lower ^ upper) & mask) != 0 || ((lower ^ address_ipv4(text[0])) & mask) != 0)
        return api_fail(error, E_INVALIDARG, "The addresses %s to %s are no range in the network of %s", text[2],
                        text[3], text[0]);
    for (unsigned k = 0; k < 4; k++) {
        g_free(*at[k]);
        *at[k] = g_strdup(text[k]);
    }
    return dhcp_changed(call, error);
}

static bool start(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return api_fail(error, VBOX_E_NOT_SUPPORTED,
                    "The DHCP server of the network '%s' is not available: there is no "
                    "DHCP service",
                    dhcp_of(call)->network);
}

static bool stop(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The DHCP server of the network '%s' is not running",
                    dhcp_of(call)->network);
}

static bool find_lease(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *mac;

    (void)ret;
    g_variant_get(call->args, "(&s)", &mac);
    return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a lease of '%s' in the network '%s'", mac,
                    dhcp_of(call)->network);
}

static const struct bus_interface interface;

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    return root_describe(call, &interface, ret);
}

#define ROW(name_, ...)                                                                                                \
    {                                                                                                                  \
        .name = (name_), .get = field_get, .set = set, .data = &(const struct field)                                   \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define ADDRESS(name, member)                                                                                          \
    ROW(name, .kind = FIELD_STR, .offset = offsetof(D, member), .valid = address_is_ipv4, .what = "address")
static const struct bus_property properties[] = {
    {"NetworkName", field_get, NULL, &(const struct field){.kind = FIELD_STR, .offset = offsetof(D, network)}},
    ROW("Enabled", .kind = FIELD_BOOL, .offset = offsetof(D, enabled)),
    ADDRESS("IPAddress", address),
    ADDRESS("NetworkMask", mask),
    ADDRESS("LowerIP", lower),
    ADDRESS("UpperIP", upper),
    {"Configs", dhcp_get_configs, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct bus_method methods[] = {{"Describe", describe},
                                            {"SetConfiguration", set_configuration},
                                            {"SetOption", dhcp_set_option},
                                            {"RemoveAllOptions", dhcp_remove_all_options},
                                            {"SetOptionPolicy", dhcp_set_policy},
                                            {"SetLeaseTimes", dhcp_set_lease_times},
                                            {"SetFixedAddress", dhcp_set_fixed_address},
                                            {"SetCondition", dhcp_set_condition},
                                            {"RemoveConfig", dhcp_remove_config},
                                            {"Start", start},
                                            {"Stop", stop},
                                            {"FindLeaseByMAC", find_lease},
                                            {NULL, NULL}};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_idhcpserver_interface, .methods = methods, .properties = properties};

KEPT_CLASS(dhcp_class, dhcp_kind, API_ROOT "/dhcpserver", &interface);
