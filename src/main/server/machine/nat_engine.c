/*
 * nat_engine.c - INATEngine: a network adapter's NAT, and the ports of the host that lead into its guest.
 */
#include <string.h>

#include "main/server/machine/machine.h"

#define A      struct settings_adapter
#define NAT(m) nat.m

static bool add(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name, *protocol, *host_ip, *guest_ip;
    guint16 host_port, guest_port;

    (void)ret;
    g_variant_get(call->args, "(&s&s&sq&sq)", &name, &protocol, &host_ip, &host_port, &guest_ip, &guest_port);
    int proto = field_api_to_word("NATProtocol", settings_proto_names, protocol);
    if (proto < 0)
        return api_fail(error, E_INVALIDARG, "Invalid protocol '%s' (must be TCP or UDP)", protocol);
    struct settings_adapter *a = p->base;
    if (!part_change(p, PART_ANY, error))
        return false;
    g_autofree char *made = g_strdup_printf("%s%u-%s-%u", field_word_to_api("NATProtocol", settings_proto_names[proto]),
                                            host_port, guest_ip, guest_port);
    if (*name == '\0')
        name = made;
    for (unsigned k = 0; k < a->nat.forwards->len; k++) {
        const struct settings_forward *f = a->nat.forwards->pdata[k];
        if (g_strcmp0(f->name, name) == 0)
            return api_fail(error, E_INVALIDARG, "A NAT rule of this name already exists");
        if ((int)f->proto == proto && f->host_port == host_port &&
            g_strcmp0(f->host_ip != NULL ? f->host_ip : "", host_ip) == 0)
            return api_fail(error, E_INVALIDARG, "A NAT rule for this host port and this host IP already exists");
    }
    struct settings_forward *f = settings_forward_new();
    g_free(f->name);
    f->name = g_strdup(name);
    f->proto = (enum settings_proto)proto;
    f->host_ip = *host_ip != '\0' ? g_strdup(host_ip) : NULL;
    f->host_port = host_port;
    f->guest_ip = *guest_ip != '\0' ? g_strdup(guest_ip) : NULL;
    f->guest_port = guest_port;
    g_ptr_array_add(a->nat.forwards, f);
    return part_changed(p, error);
}

static bool drop(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    struct settings_adapter *a = p->base;
    if (!part_change(p, PART_ANY, error))
        return false;
    guint n = LIST_FIND(a->nat.forwards, settings_forward, name);
    if (n == G_MAXUINT)
        return list_missing("NAT rule", name, error);
    g_ptr_array_remove_index(a->nat.forwards, n);
    return part_changed(p, error);
}

GVariant *nat_redirects(const GPtrArray *list)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_forward *f = list->pdata[k];
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Name", "s", f->name);
        g_variant_dict_insert(&d, "Protocol", "s", field_word_to_api("NATProtocol", settings_proto_names[f->proto]));
        g_variant_dict_insert(&d, "HostIP", "s", f->host_ip != NULL ? f->host_ip : "");
        g_variant_dict_insert(&d, "HostPort", "u", f->host_port);
        g_variant_dict_insert(&d, "GuestIP", "s", f->guest_ip != NULL ? f->guest_ip : "");
        g_variant_dict_insert(&d, "GuestPort", "u", f->guest_port);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    return g_variant_builder_end(&b);
}

static bool redirects(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    GVariant *list = nat_redirects(((const A *)p->base)->nat.forwards);

    (void)error;
    *ret = g_variant_new_tuple(&list, 1);
    return true;
}

static const struct bus_method methods[] = {
    {"AddRedirect", add}, {"RemoveRedirect", drop}, {"GetRedirects", redirects}, {NULL, NULL}};
static const struct bus_property properties[] = {
    FIELD_T("Network", A, NAT(network), NULL),
    FIELD_T("HostIP", A, NAT(bind_ip), NULL),
    FIELD_B("ForwardBroadcast", A, NAT(forward_broadcast)),
    FIELD_B("LocalhostReachable", A, NAT(localhost_reachable)),
    FIELD_B("DNSPassDomain", A, NAT(dns_pass_domain)),
    FIELD_B("DNSProxy", A, NAT(dns_proxy)),
    FIELD_B("DNSUseHostResolver", A, NAT(dns_host_resolver)),
    FIELD_T("TFTPPrefix", A, NAT(tftp_prefix), NULL),
    FIELD_T("TFTPBootFile", A, NAT(tftp_boot_file), NULL),
    FIELD_T("TFTPNextServer", A, NAT(tftp_next_server), NULL),
    FIELD_B("AliasLog", A, NAT(alias_log)),
    FIELD_B("AliasProxyOnly", A, NAT(alias_proxy_only)),
    FIELD_B("AliasSamePorts", A, NAT(alias_same_ports)),
    FIELD_U("Mtu", A, NAT(mtu), 0, 0, "", ""),
    FIELD_U("SockSnd", A, NAT(sock_snd_kib), 0, 0, "", ""),
    FIELD_U("SockRcv", A, NAT(sock_rcv_kib), 0, 0, "", ""),
    FIELD_U("TcpWndSnd", A, NAT(tcp_snd_kib), 0, 0, "", ""),
    FIELD_U("TcpWndRcv", A, NAT(tcp_rcv_kib), 0, 0, "", ""),
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface nat_engine_interface = {
    .info = (GDBusInterfaceInfo *)&api_inatengine_interface, .methods = methods, .properties = properties};
