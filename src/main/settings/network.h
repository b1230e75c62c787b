/*
 * network.h - network adapters of a machine.
 *
 * An adapter remembers the settings of every way of attaching it; `attachment` says which one is used.
 */
#ifndef MAIN_SETTINGS_NETWORK_H
#define MAIN_SETTINGS_NETWORK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "main/settings/enums.h"

struct kept;

struct settings_forward {
    char *name;
    enum settings_proto proto;
    char *host_ip;
    uint32_t host_port;
    char *guest_ip;
    uint32_t guest_port;
    struct kept *kept;
};

struct settings_nat {
    char *network; /* CIDR; NULL = 10.0.(2 + slot).0/24 */
    char *bind_ip;
    uint32_t mtu, sock_rcv_kib, sock_snd_kib, tcp_rcv_kib, tcp_snd_kib; /* 0 = default */
    bool localhost_reachable, forward_broadcast;
    bool dns_pass_domain, dns_proxy, dns_host_resolver;
    bool alias_log, alias_proxy_only, alias_same_ports;
    char *tftp_prefix, *tftp_boot_file, *tftp_next_server;
    GPtrArray *forwards; /* settings_forward */
};

struct settings_adapter {
    bool enabled;
    enum settings_nic_type type;
    char *mac; /* 12 upper-case hexadecimal digits; NULL = none yet */
    bool cable;
    uint32_t speed_kbps; /* reported; 0 = the device's own */
    enum settings_promisc promisc;
    bool trace;
    char *trace_file;
    uint32_t boot_priority;
    char *bandwidth_group;
    enum settings_attach attachment;
    struct settings_nat nat;
    char *bridged_if, *internal_network, *host_only_if, *host_only_network, *nat_network, *cloud_network, *vde_network;
    char *generic_driver;
    GPtrArray *generic_properties; /* settings_property */
    struct kept *kept;
};

#endif
