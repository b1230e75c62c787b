/*
 * host.h - shared by the files that make up IHost.
 */
#ifndef MAIN_SERVER_HOST_HOST_H
#define MAIN_SERVER_HOST_HOST_H

#include "main/server/objects.h"

/* hostonlyif.c */
bool host_create_interface(struct bus_call *call, GVariant **ret, GError **error);
bool host_remove_interface(struct bus_call *call, GVariant **ret, GError **error);
bool host_static_ip(struct bus_call *call, GVariant **ret, GError **error);
bool host_static_ip6(struct bus_call *call, GVariant **ret, GError **error);
bool host_dynamic_ip(struct bus_call *call, GVariant **ret, GError **error);

/* usb_filters.c */
bool usb_filters_host_get(struct bus_call *call, GVariant **ret, GError **error);
bool usb_filters_host_insert(struct bus_call *call, GVariant **ret, GError **error);
bool usb_filters_host_modify(struct bus_call *call, GVariant **ret, GError **error);
bool usb_filters_host_remove(struct bus_call *call, GVariant **ret, GError **error);

bool usb_sources_add(struct bus_call *call, GVariant **ret, GError **error);
bool usb_sources_remove(struct bus_call *call, GVariant **ret, GError **error);

/* netif.c */
bool host_get_interfaces(struct bus_call *call, GVariant **ret, GError **error);

/* host_devices.c */
bool host_get_drives(struct bus_call *call, GVariant **ret, GError **error);
bool host_get_video_inputs(struct bus_call *call, GVariant **ret, GError **error);
bool host_get_usb_devices(struct bus_call *call, GVariant **ret, GError **error);
bool host_get_cpuids(struct bus_call *call, GVariant **ret, GError **error);

#endif
