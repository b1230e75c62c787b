/*
 * netif.c - IHost's network interfaces, IHostNetworkInterface. Read anew for every question.
 *
 * Source: getifaddrs(3), sysfs.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>

#include "main/server/host/host.h"

struct netif {
    char name[IF_NAMESIZE];
    char address[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN], address6[INET6_ADDRSTRLEN], mac[18];
    unsigned prefix6;
    bool up;
};

static struct netif *netif_named(GPtrArray *all, const char *name)
{
    for (unsigned k = 0; k < all->len; k++)
        if (strcmp(((struct netif *)all->pdata[k])->name, name) == 0)
            return all->pdata[k];
    struct netif *n = g_new0(struct netif, 1);
    g_strlcpy(n->name, name, sizeof n->name);
    g_strlcpy(n->address, "0.0.0.0", sizeof n->address);
    g_strlcpy(n->mask, "0.0.0.0", sizeof n->mask);
    g_strlcpy(n->mac, "00:00:00:00:00:00", sizeof n->mac);
    g_ptr_array_add(all, n);
    return n;
}

static unsigned prefix_bits(const struct sockaddr *mask)
{
    const struct sockaddr_in6 *m = (const struct sockaddr_in6 *)mask;
    unsigned bits = 0;

    for (unsigned k = 0; m != NULL && k < 16; k++)
        bits += (unsigned)__builtin_popcount(m->sin6_addr.s6_addr[k]);
    return bits;
}

static void take_address(struct netif *n, const struct ifaddrs *a)
{
    if (a->ifa_addr == NULL)
        return;
    if (a->ifa_addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)a->ifa_addr)->sin_addr, n->address, sizeof n->address);
        if (a->ifa_netmask != NULL)
            inet_ntop(AF_INET, &((const struct sockaddr_in *)a->ifa_netmask)->sin_addr, n->mask, sizeof n->mask);
    } else if (a->ifa_addr->sa_family == AF_INET6 && n->address6[0] == '\0') {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a->ifa_addr)->sin6_addr, n->address6, sizeof n->address6);
        n->prefix6 = prefix_bits(a->ifa_netmask);
    } else if (a->ifa_addr->sa_family == AF_PACKET) {
        const unsigned char *m = ((const struct sockaddr_ll *)a->ifa_addr)->sll_addr;
        g_snprintf(n->mac, sizeof n->mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    }
}

/* VirtualBox's GUID of an interface: its name, then its MAC address, in fixed places. */
static char *netif_guid(const struct netif *n)
{
    unsigned char b[16] = {0};
    unsigned m[6] = {0};

    memcpy(b, n->name, strnlen(n->name, 8));
    if (sscanf(n->mac, "%02x:%02x:%02x:%02x:%02x:%02x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == 6)
        for (unsigned k = 0; k < 6; k++)
            b[10 + k] = (unsigned char)m[k];
    return g_strdup_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[3], b[2], b[1],
                           b[0], b[5], b[4], b[7], b[6], 0x80, 0, b[10], b[11], b[12], b[13], b[14], b[15]);
}

static GVariant *netif_describe(const struct netif *n)
{
    g_autofree char *wireless = g_strdup_printf("/sys/class/net/%s/wireless", n->name);
    g_autofree char *network = g_strconcat("HostInterfaceNetworking-", n->name, NULL);
    g_autofree char *guid = netif_guid(n);
    bool host_only = g_str_has_prefix(n->name, "vboxnet");
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert(&d, "Name", "s", n->name);
    g_variant_dict_insert(&d, "Id", "s", guid);
    g_variant_dict_insert(&d, "DHCPEnabled", "b", FALSE);
    g_variant_dict_insert(&d, "IPAddress", "s", n->address);
    g_variant_dict_insert(&d, "NetworkMask", "s", n->mask);
    g_variant_dict_insert(&d, "IPV6Address", "s", n->address6);
    g_variant_dict_insert(&d, "IPV6NetworkMaskPrefixLength", "u", n->prefix6);
    g_variant_dict_insert(&d, "HardwareAddress", "s", n->mac);
    g_variant_dict_insert(&d, "MediumType", "s", "Ethernet");
    g_variant_dict_insert(&d, "Wireless", "b", g_file_test(wireless, G_FILE_TEST_IS_DIR));
    g_variant_dict_insert(&d, "Status", "s", n->up ? "Up" : "Down");
    g_variant_dict_insert(&d, "NetworkName", "s", network);
    g_variant_dict_insert(&d, "InterfaceType", "s", host_only ? "HostOnly" : "Bridged");
    return g_variant_dict_end(&d);
}

/* aa{sv}, or NULL: the host does not say. */
static GVariant *interfaces(void)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    struct ifaddrs *first = NULL;
    GVariantBuilder b;

    if (getifaddrs(&first) != 0)
        return NULL;
    for (const struct ifaddrs *a = first; a != NULL; a = a->ifa_next) {
        if ((a->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        struct netif *n = netif_named(all, a->ifa_name);
        n->up = (a->ifa_flags & IFF_UP) != 0;
        take_address(n, a);
    }
    freeifaddrs(first);
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < all->len; k++)
        g_variant_builder_add_value(&b, netif_describe(all->pdata[k]));
    return g_variant_builder_end(&b);
}

bool host_get_interfaces(struct bus_call *call, GVariant **ret, GError **error)
{
    GVariant *list = interfaces();

    (void)call;
    if (list == NULL)
        return api_fail(error, VBOX_E_HOST_ERROR, "Could not list the network interfaces");
    *ret = g_variant_new_tuple(&list, 1);
    return true;
}

/* ---- IHostNetworkInterface ---- */

/* The one whose @key is @text, or NULL. */
static GVariant *pick(const char *key, const char *text)
{
    GVariant *list = interfaces();

    return list != NULL ? values_pick(list, key, text) : NULL;
}

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    g_autofree char *name = api_node_unescape(node);

    (void)peer;
    return values_found(user, pick("Name", name));
}

/* @key: the member that is the argument; @called: how the error calls it. */
static bool find_by(struct bus_call *call, const char *key, const char *called, GVariant **ret, GError **error)
{
    const char *wanted, *name = "";

    g_variant_get(call->args, "(&s)", &wanted);
    g_autoptr(GVariant) found = pick(key, wanted);
    if (found == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND,
                        "The host network interface with the given %s could not be found: '%s'", called, wanted);
    g_variant_lookup(found, "Name", "&s", &name);
    g_autofree char *node = api_node_escape(name);
    g_autofree char *path = g_strconcat(API_ROOT "/hostif/", node, NULL);
    *ret = g_variant_new("(o)", path);
    return true;
}

bool host_find_interface(struct bus_call *call, GVariant **ret, GError **error)
{
    return find_by(call, "Name", "name", ret, error);
}

bool host_find_interface_id(struct bus_call *call, GVariant **ret, GError **error)
{
    return find_by(call, "Id", "GUID", ret, error);
}

static const struct bus_method methods[] = {{"EnableStaticIPConfig", netif_static_ip},
                                            {"EnableStaticIPConfigV6", netif_static_ip6},
                                            {"EnableDynamicIPConfig", netif_dynamic_ip},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {VALUE("Name"),
                                                 VALUE("Id"),
                                                 VALUE("DHCPEnabled"),
                                                 VALUE("IPAddress"),
                                                 VALUE("NetworkMask"),
                                                 VALUE("IPV6Address"),
                                                 VALUE("IPV6NetworkMaskPrefixLength"),
                                                 VALUE("HardwareAddress"),
                                                 VALUE("MediumType"),
                                                 VALUE("Wireless"),
                                                 VALUE("Status"),
                                                 VALUE("NetworkName"),
                                                 VALUE("InterfaceType"),
                                                 {NULL, NULL, NULL, NULL}};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_ihost_network_interface_interface, .methods = methods, .properties = properties};
const struct bus_class netif_class = {
    .folder = API_ROOT "/hostif", .interfaces = BUS_INTERFACES(&interface), .find = find};
