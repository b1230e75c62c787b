/*
 * host.h - shared by the files that make up IHost.
 */
#ifndef MAIN_SERVER_HOST_HOST_H
#define MAIN_SERVER_HOST_HOST_H

#include "main/server/objects.h"

/* hostonlyif.c */
bool host_create_interface(struct bus_call *call, GVariant **ret, GError **error);
bool host_remove_interface(struct bus_call *call, GVariant **ret, GError **error);
bool netif_static_ip(struct bus_call *call, GVariant **ret, GError **error);
bool netif_static_ip6(struct bus_call *call, GVariant **ret, GError **error);
bool netif_dynamic_ip(struct bus_call *call, GVariant **ret, GError **error);

/* usb_filters.c: lists of filters, a machine's (machine/usb_filters.c) and the host's */
struct settings_usb_filter;
GVariant *usb_filter_values(struct settings_usb_filter *f, bool global);
/** Whether a dictionary's entries can be a filter's. */
bool usb_filter_check(GVariant *dict, GError **error);
void usb_filter_apply(struct settings_usb_filter *f, GVariant *dict);
/** @args: position, and what the filter is to be. */
bool usb_filters_insert(GPtrArray *list, GVariant *args, bool global, GError **error);
bool usb_filters_modify(GPtrArray *list, GVariant *args, GError **error);
bool usb_filters_remove(GPtrArray *list, GVariant *args, GError **error);
bool usb_filters_host_get(struct bus_call *call, GVariant **ret, GError **error);
bool usb_filters_host_insert(struct bus_call *call, GVariant **ret, GError **error);
bool usb_filters_host_modify(struct bus_call *call, GVariant **ret, GError **error);
bool usb_filters_host_remove(struct bus_call *call, GVariant **ret, GError **error);

bool usb_sources_add(struct bus_call *call, GVariant **ret, GError **error);
bool usb_sources_remove(struct bus_call *call, GVariant **ret, GError **error);

/* netif.c */
bool host_get_interfaces(struct bus_call *call, GVariant **ret, GError **error);
bool host_find_interface_id(struct bus_call *call, GVariant **ret, GError **error);
bool host_find_interface(struct bus_call *call, GVariant **ret, GError **error);

/* update_agent.c */
extern const struct bus_interface update_agent_interface;

/* host_names.c */
GVariant *host_name_servers(const struct bus_call *call, const struct bus_property *row);
GVariant *host_search_strings(const struct bus_call *call, const struct bus_property *row);
GVariant *host_domain_name(const struct bus_call *call, const struct bus_property *row);

/* host.c */
/** Whether there is the processor that is the call's first argument. */
bool host_cpu_exists(struct bus_call *call, GError **error);

/* host_cpuid.c */
bool host_get_cpuids(struct bus_call *call, GVariant **ret, GError **error);
bool host_get_cpuid(struct bus_call *call, GVariant **ret, GError **error);

/* host_drives.c */
bool host_get_drives(struct bus_call *call, GVariant **ret, GError **error);
bool host_find_dvd(struct bus_call *call, GVariant **ret, GError **error);
bool host_find_floppy(struct bus_call *call, GVariant **ret, GError **error);

/* host_devices.c: what sysfs says; texts: g_free */
char *sys_text(const char *folder, const char *name);
guint64 sys_number(const char *folder, const char *name, int base);
/** Names in a folder, sorted. */
GPtrArray *sys_names(const char *folder);
/** A name-based identifier, so that the same device has the same one tomorrow; g_free */
char *sys_id(const char *path);
bool host_get_video_inputs(struct bus_call *call, GVariant **ret, GError **error);
bool host_find_usb_id(struct bus_call *call, GVariant **ret, GError **error);
bool host_find_usb_address(struct bus_call *call, GVariant **ret, GError **error);
bool host_get_usb_devices(struct bus_call *call, GVariant **ret, GError **error);

#endif
