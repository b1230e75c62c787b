/*
 * global.h - the settings of one user (VirtualBox.xml): registry of machines and media, networks, properties.
 *
 * Works as machine.h does. A directory without the file gives settings_global_new().
 */
#ifndef MAIN_SETTINGS_GLOBAL_H
#define MAIN_SETTINGS_GLOBAL_H

#include "main/settings/file.h"
#include "main/settings/hardware.h"

struct settings_machine_entry {
    char *uuid; /* "{...}", lower case */
    char *path; /* absolute, or relative to the configuration directory */
    struct kept *kept;
};

struct settings_dhcp_option {
    uint32_t code; /* RFC 2132 */
    uint32_t encoding;
    char *value;
    struct kept *kept;
};
struct settings_dhcp_options {
    uint32_t min_lease_s, default_lease_s, max_lease_s; /* 0 = default */
    char *forced, *suppressed;                          /* option numbers, separated by blanks */
    GPtrArray *options;                                 /* settings_dhcp_option */
};
struct settings_dhcp_condition {
    bool inclusive;
    uint32_t type;
    char *value;
    struct kept *kept;
};
struct settings_dhcp_group {
    char *name;
    struct settings_dhcp_options options;
    GPtrArray *conditions; /* settings_dhcp_condition */
    struct kept *kept;
};
struct settings_dhcp_config { /* for one network card */
    char *mac;                /* or */
    char *machine;            /* name or uuid, and */
    uint32_t slot;
    char *fixed_address;
    struct settings_dhcp_options options;
    struct kept *kept;
};
struct settings_dhcp_server {
    char *network, *address, *mask, *lower, *upper;
    bool enabled;
    struct settings_dhcp_options options;
    GPtrArray *groups;  /* settings_dhcp_group */
    GPtrArray *configs; /* settings_dhcp_config */
    struct kept *kept;
};

struct settings_loopback {
    char *address;
    uint32_t offset;
    struct kept *kept;
};
struct settings_nat_network {
    char *name, *network;
    bool ipv6;
    char *ipv6_prefix;
    bool default_ipv6_route, dhcp, enabled;
    uint32_t loopback6;
    GPtrArray *forwards4, *forwards6; /* settings_forward */
    GPtrArray *loopbacks;             /* settings_loopback */
    struct kept *kept;
};
struct settings_host_only_network {
    char *name, *mask, *lower, *upper, *id;
    bool enabled;
    struct kept *kept;
};
struct settings_cloud_network {
    char *name, *provider, *profile, *id;
    bool enabled;
    struct kept *kept;
};
struct settings_usb_source {
    char *name, *backend, *address;
    GPtrArray *properties; /* settings_property */
    struct kept *kept;
};

struct settings_system {
    char *machine_folder; /* NULL = $HOME/VirtualBox VMs */
    char *hard_disk_folder, *logging_level, *hard_disk_format, *vrde_auth_library, *web_auth_library, *vrde_ext_pack;
    char *crypto_ext_pack, *autostart_path, *frontend, *proxy_url, *language;
    enum settings_proxy proxy;
    uint32_t log_history;
    bool exclusive_hw_virt;
};
struct settings_updates {
    bool enabled, host_enabled;
    uint32_t channel, check_every_s, check_count;
    char *url, *last_check;
};

struct settings_global {
    struct settings_file file;
    GPtrArray *extra_data; /* settings_property */
    GPtrArray *machines;   /* settings_machine_entry */
    struct settings_media media;
    GPtrArray *dhcp_servers;       /* settings_dhcp_server */
    GPtrArray *nat_networks;       /* settings_nat_network */
    GPtrArray *host_only_networks; /* settings_host_only_network */
    GPtrArray *cloud_networks;     /* settings_cloud_network */
    GPtrArray *shared_folders;     /* settings_shared_folder; for every machine, 1.21 */
    struct settings_updates updates;
    struct settings_system system;
    GPtrArray *usb_filters; /* settings_usb_filter */
    GPtrArray *usb_sources; /* settings_usb_source */
    struct kept *kept;
};

/** settings_global_new() - what a new user has: nothing registered, the DHCP server of vboxnet0. */
struct settings_global *settings_global_new(const struct fio *io, const char *path);
struct settings_global *settings_global_load(const struct fio *io, const char *path, GError **error);
bool settings_global_save(struct settings_global *g, GError **error);
struct settings_global *settings_global_copy(const struct settings_global *g);
bool settings_global_equal(const struct settings_global *a, const struct settings_global *b);
bool settings_global_check(const struct settings_global *g, GError **error);
char *settings_global_text(const struct settings_global *g);
void settings_global_free(struct settings_global *g);

#endif
