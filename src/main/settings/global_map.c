/* global_map.c - tables of the global settings. Numbers of networks are written
 * as 1 and 0 where others have true and false. */
#include "main/settings/global.h"
#include "main/settings/map_rows.h"

#define T struct settings_machine_entry
const struct map_type map_machine_entry = {
    ITEM_TYPE(machine_entry),
    .attrs = ATTRS(UUID("uuid", uuid, .flags = ATTR_REQUIRED), STR("src", path, .flags = ATTR_REQUIRED))};
#undef T

/* ---- DHCP ---- */

#define T struct settings_dhcp_option
const struct map_type map_dhcp_option = {
    ITEM_TYPE(dhcp_option), .attrs = ATTRS(U32("name", code, 0, .flags = ATTR_REQUIRED, .max = 255),
                                           STR("value", value, .flags = ATTR_ALWAYS), U32("encoding", encoding, 0))};
#undef T

#define OPTION_ATTRS(f)                                                                                                \
    U32("secMinLeaseTime", f.min_lease_s, 0), U32("secDefaultLeaseTime", f.default_lease_s, 0),                        \
        U32("secMaxLeaseTime", f.max_lease_s, 0), STR("forcedOptions", f.forced),                                      \
        STR("suppressedOptions", f.suppressed)
#define OPTION_LIST(f) LIST("Option", f.options, &map_dhcp_option)

#define T struct settings_dhcp_condition
const struct map_type map_dhcp_condition = {ITEM_TYPE(dhcp_condition),
                                            .attrs = ATTRS(BIT("inclusive", inclusive, false, .flags = ATTR_ALWAYS),
                                                           U32("type", type, 0, .flags = ATTR_REQUIRED),
                                                           STR("value", value, .flags = ATTR_REQUIRED))};
#undef T

#define T struct settings_dhcp_group
const struct map_type map_dhcp_group = {
    ITEM_TYPE(dhcp_group), .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED), OPTION_ATTRS(options)),
    .elems = ELEMS(OPTION_LIST(options), LIST("Condition", conditions, &map_dhcp_condition))};
#undef T

#define T struct settings_dhcp_config
static bool of_machine(const void *s)
{
    return ((const T *)s)->machine != NULL;
}

const struct map_type map_dhcp_config = {ITEM_TYPE(dhcp_config),
                                         .attrs = ATTRS(STR("MACAddress", mac), STR("vm-name", machine),
                                                        U32("slot", slot, 0, .when = of_machine),
                                                        STR("fixedAddress", fixed_address), OPTION_ATTRS(options)),
                                         .elems = ELEMS(OPTION_LIST(options))};
#undef T

#define T struct settings_dhcp_server
const struct map_type map_dhcp_server = {
    ITEM_TYPE(dhcp_server),
    .attrs =
        ATTRS(STR("networkName", network, .flags = ATTR_REQUIRED), STR("IPAddress", address, .flags = ATTR_REQUIRED),
              STR("networkMask", mask, .flags = ATTR_REQUIRED), STR("lowerIP", lower, .flags = ATTR_REQUIRED),
              STR("upperIP", upper, .flags = ATTR_REQUIRED), BIT("enabled", enabled, false, .flags = ATTR_REQUIRED)),
    .elems = ELEMS(ONE("Options", (&(const struct map_type){.attrs = ATTRS(OPTION_ATTRS(options)),
                                                            .elems = ELEMS(OPTION_LIST(options))})),
                   LIST("Group", groups, &map_dhcp_group), LIST("Config", configs, &map_dhcp_config))};
#undef T

/* ---- other networks ---- */

#define T struct settings_loopback
const struct map_type map_loopback = {
    ITEM_TYPE(loopback),
    .attrs = ATTRS(STR("address", address, .flags = ATTR_REQUIRED), U32("offset", offset, 0, .flags = ATTR_ALWAYS))};
#undef T

#define T struct settings_nat_network
const struct map_type map_nat_network = {
    ITEM_TYPE(nat_network),
    .attrs = ATTRS(STR("networkName", name, .flags = ATTR_REQUIRED), STR("network", network),
                   BIT("ipv6", ipv6, false, .flags = ATTR_ALWAYS), STR("ipv6prefix", ipv6_prefix, .flags = ATTR_ALWAYS),
                   BIT("advertiseDefaultIPv6Route", default_ipv6_route, false, .flags = ATTR_ALWAYS),
                   BIT("needDhcp", dhcp, false, .flags = ATTR_ALWAYS),
                   BIT("enabled", enabled, true, .flags = ATTR_ALWAYS), U32("loopback6", loopback6, 0)),
    .elems = ELEMS(ONE("PortForwarding4", WITH_ELEMS(LIST("Forwarding", forwards4, &map_forward))),
                   ONE("PortForwarding6", WITH_ELEMS(LIST("Forwarding", forwards6, &map_forward))),
                   ONE("Mappings", WITH_ELEMS(LIST("Loopback4", loopbacks, &map_loopback))))};
#undef T

#define T struct settings_host_only_network
const struct map_type map_host_only_network = {
    ITEM_TYPE(host_only_network),
    .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED), STR("mask", mask), STR("ipLower", lower),
                   STR("ipUpper", upper), STR("id", id), BOOL("enabled", enabled, false, .flags = ATTR_ALWAYS))};
#undef T

#define T struct settings_cloud_network
const struct map_type map_cloud_network = {
    ITEM_TYPE(cloud_network),
    .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED), STR("provider", provider), STR("profile", profile),
                   STR("id", id), BOOL("enabled", enabled, false, .flags = ATTR_ALWAYS))};
#undef T

#define T struct settings_usb_source
const struct map_type map_usb_source = {ITEM_TYPE(usb_source),
                                        .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED),
                                                       STR("backend", backend, .flags = ATTR_REQUIRED),
                                                       STR("address", address, .flags = ATTR_REQUIRED)),
                                        .elems = ELEMS(LIST("Property", properties, &map_property))};
#undef T

/* ---- the whole ---- */

#define T struct settings_updates
static bool ever_checked(const void *s)
{
    const T *u = s;

    return u->enabled || u->host_enabled || u->url != NULL || u->last_check != NULL || u->check_count != 0 ||
           u->channel != 1 || u->check_every_s != 86400;
}

static const struct map_type map_updates = {
    .attrs = ATTRS(BOOL("enabled", enabled, false, .when = ever_checked)),
    .elems = ELEMS(ONE("Host", WITH_ATTRS(BOOL("enabled", host_enabled, false, .when = ever_checked),
                                          U32("channel", channel, 1, .when = ever_checked),
                                          U32("checkFreqSec", check_every_s, 86400, .when = ever_checked),
                                          STR("repoUrl", url), STR("lastCheckDate", last_check),
                                          U32("checkCount", check_count, 0, .when = ever_checked))))};
#undef T

#define T struct settings_system
static const struct map_type map_system = {
    .attrs = ATTRS(STR("defaultMachineFolder", machine_folder), STR("defaultHardDiskFolder", hard_disk_folder),
                   STR("LoggingLevel", logging_level), STR("defaultHardDiskFormat", hard_disk_format),
                   STR("remoteDisplayAuthLibrary", vrde_auth_library, .until = 10),
                   STR("VRDEAuthLibrary", vrde_auth_library, .since = 11, .flags = ATTR_MOVED),
                   STR("webServiceAuthLibrary", web_auth_library), STR("defaultVRDEExtPack", vrde_ext_pack),
                   STR("defaultCryptoExtPack", crypto_ext_pack),
                   U32("LogHistoryCount", log_history, 3, .flags = ATTR_ALWAYS),
                   STR("autostartDatabasePath", autostart_path), STR("defaultFrontend", frontend),
                   STR("proxyUrl", proxy_url), ENUM("proxyMode", proxy, proxy, PROXY_SYSTEM, .flags = ATTR_ALWAYS),
                   BOOL("exclusiveHwVirt", exclusive_hw_virt, true, .until = 19, .flags = ATTR_ALWAYS),
                   STR("LanguageId", language))};
static const struct map_type map_platform_properties = {
    .attrs = ATTRS(BOOL("exclusiveHwVirt", exclusive_hw_virt, true, .flags = ATTR_ALWAYS))};
#undef T

#define T struct settings_global
/* Before 4.0 this word was the default; it still means the default. */
static void global_loaded(void *item, unsigned version)
{
    T *g = item;

    (void)version;
    if (g_strcmp0(g->system.machine_folder, "Machines") == 0)
        g_clear_pointer(&g->system.machine_folder, g_free);
}

const struct map_type map_global = {
    .size = sizeof(T),
    .item = true,
    .kept = offsetof(T, kept),
    .loaded = global_loaded,
    .elems = ELEMS(
        ONE("ExtraData", WITH_ELEMS(LIST("ExtraDataItem", extra_data, &map_property, .flags = ELEM_SORTED)),
            .flags = ELEM_ALWAYS),
        ONE("MachineRegistry", WITH_ELEMS(LIST("MachineEntry", machines, &map_machine_entry)), .flags = ELEM_ALWAYS),
        PART("MediaRegistry", media, &map_media),
        ONE("NetserviceRegistry",
            WITH_ELEMS(ONE("DHCPServers", WITH_ELEMS(LIST("DHCPServer", dhcp_servers, &map_dhcp_server)),
                           .flags = ELEM_ALWAYS),
                       ONE("NATNetworks", WITH_ELEMS(LIST("NATNetwork", nat_networks, &map_nat_network)), .since = 14),
                       ONE("HostOnlyNetworks",
                           WITH_ELEMS(LIST("HostOnlyNetwork", host_only_networks, &map_host_only_network)),
                           .since = 19),
                       ONE("CloudNetworks", WITH_ELEMS(LIST("CloudNetwork", cloud_networks, &map_cloud_network)),
                           .since = 18)),
            .flags = ELEM_ALWAYS),
        ONE("SharedFolders", WITH_ELEMS(LIST("SharedFolder", shared_folders, &map_shared_folder)), .since = 21),
        PART("Updates", updates, &map_updates), PART("SystemProperties", system, &map_system, .flags = ELEM_ALWAYS),
        PART("PlatformProperties", system, &map_platform_properties, .since = 20, .flags = ELEM_MOVED),
        ONE("USBDeviceFilters", WITH_ELEMS(LIST("DeviceFilter", usb_filters, &map_usb_filter)), .flags = ELEM_ALWAYS),
        ONE("USBDeviceSources", WITH_ELEMS(LIST("USBDeviceSource", usb_sources, &map_usb_source)), .since = 16))};
#undef T
