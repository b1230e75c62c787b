/*
 * natnetwork.c - INATNetwork: networks of several machines behind one address translation, as they are kept.
 *
 * Left out: the translation itself; Start says so.
 */
#include <string.h>

#include "main/server/kept.h"

#define N struct settings_nat_network

static void *make(void)
{
    return settings_nat_network_new();
}

static void init(void *item)
{
    N *n = item;

    n->network = g_strdup("10.0.2.0/24");
    g_free(n->ipv6_prefix);
    n->ipv6_prefix = g_strdup("");
    n->enabled = true;
    n->dhcp = true;
}

const struct kept_kind nat_network_kind = {.folder = API_ROOT "/natnetwork",
                                           .signal = "NATNetwork",
                                           .what = "NAT network",
                                           .list_offset = offsetof(struct settings_global, nat_networks),
                                           .name_offset = offsetof(N, name),
                                           .make = make,
                                           .init = init};

static N *network_of(const struct bus_call *call)
{
    return ((const struct part *)call->object)->base;
}

static bool changed(struct bus_call *call, GError **error)
{
    struct part *p = call->object;
    g_autofree char *name = g_strdup(network_of(call)->name);

    if (!part_changed(p, error))
        return false;
    kept_tell(p->service, &nat_network_kind, name, true);
    return true;
}

static bool set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    return field_set(call, row, val, error) && changed(call, error);
}

/* The translation's own address: the network's second. */
static GVariant *get_gateway(const struct bus_call *call, const struct bus_property *row)
{
    const N *n = network_of(call);
    uint32_t network = 0, mask = 0;

    (void)row;
    bool ok = n->network != NULL && address_cidr(n->network, &network, &mask);
    return g_variant_new_take_string(ok ? address_ipv4_text(network + 1) : g_strdup(""));
}

/* "name:tcp:[host]:port:[guest]:port" */
static GVariant *get_rules(const struct bus_call *call, const struct bus_property *row)
{
    const N *n = network_of(call);
    const GPtrArray *list = row->data != NULL ? n->forwards6 : n->forwards4;
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_forward *f = list->pdata[k];
        g_autofree char *proto = g_ascii_strdown(field_word_to_api("NATProtocol", settings_proto_names[f->proto]), -1);
        g_autofree char *text =
            g_strdup_printf("%s:%s:[%s]:%u:[%s]:%u", f->name, proto, f->host_ip != NULL ? f->host_ip : "", f->host_port,
                            f->guest_ip != NULL ? f->guest_ip : "", f->guest_port);
        g_variant_builder_add(&b, "s", text);
    }
    return g_variant_builder_end(&b);
}

static GVariant *get_mappings(const struct bus_call *call, const struct bus_property *row)
{
    const GPtrArray *list = network_of(call)->loopbacks;
    GVariantBuilder b;

    (void)row;
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_loopback *l = list->pdata[k];
        g_autofree char *text = g_strdup_printf("%s=%u", l->address, l->offset);
        g_variant_builder_add(&b, "s", text);
    }
    return g_variant_builder_end(&b);
}

/* ---- methods ---- */

static const struct bus_interface interface;

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    return root_describe(call, &interface, ret);
}

static bool check_rule(bool ipv6, const char *host, const char *guest, guint16 host_port, guint16 guest_port,
                       GError **error)
{
    bool (*valid)(const char *text) = ipv6 ? address_is_ipv6 : address_is_ipv4;

    if ((*host != '\0' && !valid(host)) || !valid(guest))
        return api_fail(error, E_INVALIDARG, "Invalid address in the port forwarding rule: '%s' or '%s'", host, guest);
    return (host_port != 0 && guest_port != 0) ||
           api_fail(error, E_INVALIDARG, "Invalid port in the port forwarding rule: 0");
}

static bool add_rule(struct bus_call *call, GVariant **ret, GError **error)
{
    N *n = network_of(call);
    const char *name, *protocol, *host, *guest;
    guint16 host_port, guest_port;
    gboolean ipv6;

    (void)ret;
    g_variant_get(call->args, "(b&s&s&sq&sq)", &ipv6, &name, &protocol, &host, &host_port, &guest, &guest_port);
    int proto = field_api_to_word("NATProtocol", settings_proto_names, protocol);
    GPtrArray *list = ipv6 ? n->forwards6 : n->forwards4;
    if (proto < 0 || *name == '\0')
        return api_fail(error, E_INVALIDARG, "Invalid port forwarding rule '%s' for protocol '%s'", name, protocol);
    if (!check_rule(ipv6, host, guest, host_port, guest_port, error))
        return false;
    for (unsigned k = 0; k < list->len; k++)
        if (g_strcmp0(((const struct settings_forward *)list->pdata[k])->name, name) == 0)
            return api_fail(error, E_INVALIDARG, "A NAT rule of this name already exists");
    struct settings_forward *f = settings_forward_new();
    g_free(f->name);
    f->name = g_strdup(name);
    f->proto = (enum settings_proto)proto;
    f->host_ip = *host != '\0' ? g_strdup(host) : NULL;
    f->host_port = host_port;
    f->guest_ip = g_strdup(guest);
    f->guest_port = guest_port;
    g_ptr_array_add(list, f);
    return changed(call, error);
}

static bool remove_rule(struct bus_call *call, GVariant **ret, GError **error)
{
    N *n = network_of(call);
    const char *name;
    gboolean ipv6;

    (void)ret;
    g_variant_get(call->args, "(b&s)", &ipv6, &name);
    GPtrArray *list = ipv6 ? n->forwards6 : n->forwards4;
    for (unsigned k = 0; k < list->len; k++) {
        if (g_strcmp0(((const struct settings_forward *)list->pdata[k])->name, name) != 0)
            continue;
        g_ptr_array_remove_index(list, k);
        return changed(call, error);
    }
    return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a NAT rule named '%s'", name);
}

/* An offset of 0 removes the mapping. */
static bool add_mapping(struct bus_call *call, GVariant **ret, GError **error)
{
    N *n = network_of(call);
    const char *address;
    gint32 offset;

    (void)ret;
    g_variant_get(call->args, "(&si)", &address, &offset);
    if (!address_is_ipv4(address) || offset < 0)
        return api_fail(error, E_INVALIDARG, "Invalid loopback mapping '%s=%d'", address, offset);
    for (unsigned k = n->loopbacks->len; k-- > 0;)
        if (g_strcmp0(((const struct settings_loopback *)n->loopbacks->pdata[k])->address, address) == 0)
            g_ptr_array_remove_index(n->loopbacks, k);
    if (offset > 0) {
        struct settings_loopback *l = settings_loopback_new();
        g_free(l->address);
        l->address = g_strdup(address);
        l->offset = (uint32_t)offset;
        g_ptr_array_add(n->loopbacks, l);
    }
    return changed(call, error);
}

static bool start(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return api_fail(error, VBOX_E_NOT_SUPPORTED, "The NAT network '%s' is not available: there is no NAT service",
                    network_of(call)->name);
}

static bool stop(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The NAT network '%s' is not running", network_of(call)->name);
}

#define ROW(name_, ...)                                                                                                \
    {                                                                                                                  \
        .name = (name_), .get = field_get, .set = set, .data = &(const struct field)                                   \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
static const struct bus_property properties[] = {
    {"NetworkName", field_get, NULL, &(const struct field){.kind = FIELD_STR, .offset = offsetof(N, name)}},
    ROW("Enabled", .kind = FIELD_BOOL, .offset = offsetof(N, enabled)),
    ROW("Network", .kind = FIELD_STR, .offset = offsetof(N, network), .valid = address_is_cidr, .what = "network"),
    {"Gateway", get_gateway, NULL, NULL},
    ROW("IPv6Enabled", .kind = FIELD_BOOL, .offset = offsetof(N, ipv6)),
    ROW("IPv6Prefix", .kind = FIELD_STR, .offset = offsetof(N, ipv6_prefix), .valid = address_is_ipv6_prefix,
        .what = "IPv6 prefix"),
    ROW("AdvertiseDefaultIPv6RouteEnabled", .kind = FIELD_BOOL, .offset = offsetof(N, default_ipv6_route)),
    ROW("NeedDhcpServer", .kind = FIELD_BOOL, .offset = offsetof(N, dhcp)),
    ROW("LoopbackIp6", .kind = FIELD_U32, .offset = offsetof(N, loopback6)),
    {"PortForwardRules4", get_rules, NULL, NULL},
    {"PortForwardRules6", get_rules, NULL, GINT_TO_POINTER(1)},
    {"LocalMappings", get_mappings, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct bus_method methods[] = {{"Describe", describe},
                                            {"AddPortForwardRule", add_rule},
                                            {"RemovePortForwardRule", remove_rule},
                                            {"AddLocalMapping", add_mapping},
                                            {"Start", start},
                                            {"Stop", stop},
                                            {NULL, NULL}};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_inatnetwork_interface, .methods = methods, .properties = properties};

KEPT_CLASS(nat_network_class, nat_network_kind, API_ROOT "/natnetwork", &interface);
