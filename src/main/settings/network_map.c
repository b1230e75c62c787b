/* network_map.c - table of network adapters. Versions: DisabledModes and NAT's details since 1.10. */
#include "main/settings/hardware.h"
#include "main/settings/map_rows.h"

#define T struct settings_forward
const struct map_type map_forward = {
    ITEM_TYPE(forward), .attrs = ATTRS(STR("name", name, .flags = ATTR_ALWAYS),
                                       ENUM("proto", proto, proto, PROTO_TCP, .flags = ATTR_ALWAYS),
                                       STR("hostip", host_ip), U32("hostport", host_port, 0, .max = 65535),
                                       STR("guestip", guest_ip), U32("guestport", guest_port, 0, .max = 65535))};
#undef T

#define T struct settings_nat
static const struct map_type map_nat = {
    .attrs =
        ATTRS(STR("network", network), STR("hostip", bind_ip, .since = 10), U32("mtu", mtu, 0, .since = 10),
              U32("sockrcv", sock_rcv_kib, 0, .since = 10), U32("socksnd", sock_snd_kib, 0, .since = 10),
              U32("tcprcv", tcp_rcv_kib, 0, .since = 10), U32("tcpsnd", tcp_snd_kib, 0, .since = 10),
              BOOL("localhost-reachable", localhost_reachable, false, .old_def = true, .old_until = 18, .since = 19),
              BOOL("forward-broadcast", forward_broadcast, false, .since = 20)),
    .elems = ELEMS(ONE("DNS",
                       WITH_ATTRS(BOOL("pass-domain", dns_pass_domain, true), BOOL("use-proxy", dns_proxy, false),
                                  BOOL("use-host-resolver", dns_host_resolver, false)),
                       .since = 10),
                   ONE("Alias",
                       WITH_ATTRS(BOOL("logging", alias_log, false), BOOL("proxy-only", alias_proxy_only, false),
                                  BOOL("use-same-ports", alias_same_ports, false)),
                       .since = 10),
                   ONE("TFTP",
                       WITH_ATTRS(STR("prefix", tftp_prefix), STR("boot-file", tftp_boot_file),
                                  STR("next-server", tftp_next_server)),
                       .since = 10),
                   LIST("Forwarding", forwards, &map_forward, .since = 10))};
#undef T

#define T       struct settings_adapter
#define NAME(f) WITH_ATTRS(STR("name", f))
/* One way of attaching: as the adapter's own child it is the active one, inside DisabledModes it is remembered. */
#define MODES(HOW)                                                                                                     \
    PART("NAT", nat, &map_nat, HOW(attachment, ATTACH_NAT)),                                                           \
        ONE("BridgedInterface", NAME(bridged_if), HOW(attachment, ATTACH_BRIDGED)),                                    \
        ONE("InternalNetwork", NAME(internal_network), HOW(attachment, ATTACH_INTERNAL)),                              \
        ONE("HostOnlyInterface", NAME(host_only_if), HOW(attachment, ATTACH_HOST_ONLY)),                               \
        ONE("GenericInterface",                                                                                        \
            (&(const struct map_type){.attrs = ATTRS(STR("driver", generic_driver)),                                   \
                                      .elems = ELEMS(LIST("Property", generic_properties, &map_property))}),           \
            HOW(attachment, ATTACH_GENERIC), .since = 12),                                                             \
        ONE("NATNetwork", NAME(nat_network), HOW(attachment, ATTACH_NAT_NETWORK), .since = 14),                        \
        ONE("CloudNetwork", NAME(cloud_network), HOW(attachment, ATTACH_CLOUD), .since = 18),                          \
        ONE("HostOnlyNetwork", NAME(host_only_network), HOW(attachment, ATTACH_HOST_ONLY_NETWORK), .since = 19),       \
        ONE("VDE", WITH_ATTRS(STR("network", vde_network)), HOW(attachment, ATTACH_VDE))

const struct map_type map_adapter = {
    .size = sizeof(T),
    .item = true,
    .kept = offsetof(T, kept),
    .slot = "slot",
    .attrs = ATTRS(BOOL("enabled", enabled, false), STR("MACAddress", mac),
                   BOOL("cable", cable, true, .old_def = false, .old_until = 15), U32("speed", speed_kbps, 0),
                   U32("bootPriority", boot_priority, 0, .since = 10), BOOL("trace", trace, false),
                   STR("tracefile", trace_file), STR("bandwidthGroup", bandwidth_group, .since = 12),
                   ENUM("promiscuousModePolicy", promisc, promisc, PROMISC_DENY, .since = 12),
                   ENUM("type", type, nic_type, NIC_AM79C973, .old_def = NIC_AM79C970A, .old_until = 15)),
    .elems = ELEMS(ONE("DisabledModes", WITH_ELEMS(MODES(SPARE)), .since = 10), MODES(CHOSEN))};
#undef T
