/*
 * virtualbox.h - shared by the files that make up IVirtualBox.
 */
#ifndef MAIN_SERVER_VIRTUALBOX_VIRTUALBOX_H
#define MAIN_SERVER_VIRTUALBOX_VIRTUALBOX_H

#include "main/server/objects.h"

/* virtualbox_machines.c */
bool virtualbox_create_machine(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_open_machine(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_register_machine(struct bus_call *call, GVariant **ret, GError **error);

/* supported.c */
/** The names of the enumeration that is the row's data. */
GVariant *supported_get(const struct bus_call *call, const struct bus_property *row);
bool bus_max_devices(struct bus_call *call, GVariant **ret, GError **error);
bool bus_min_ports(struct bus_call *call, GVariant **ret, GError **error);
bool bus_max_ports(struct bus_call *call, GVariant **ret, GError **error);
bool bus_max_instances(struct bus_call *call, GVariant **ret, GError **error);
bool bus_devices(struct bus_call *call, GVariant **ret, GError **error);
bool bus_controllers(struct bus_call *call, GVariant **ret, GError **error);
bool controller_bus(struct bus_call *call, GVariant **ret, GError **error);
bool controller_io_cache(struct bus_call *call, GVariant **ret, GError **error);
bool controller_hotplug(struct bus_call *call, GVariant **ret, GError **error);
bool usb_max_instances(struct bus_call *call, GVariant **ret, GError **error);

/* events.c */
extern const struct bus_interface event_source_interface;

/* guest_types.c */
bool virtualbox_get_guest_type(struct bus_call *call, GVariant **ret, GError **error);

/* virtualbox_media.c */
bool virtualbox_get_media(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_open_medium(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_create_medium(struct bus_call *call, GVariant **ret, GError **error);

/* virtualbox_networks.c */
bool virtualbox_create_nat(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_remove_nat(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_find_nat(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_all_nat(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_create_dhcp(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_remove_dhcp(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_find_dhcp(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_all_dhcp(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_create_host_only(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_remove_host_only(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_find_host_only(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_all_host_only(struct bus_call *call, GVariant **ret, GError **error);
bool virtualbox_internal_networks(struct bus_call *call, GVariant **ret, GError **error);

/** A machine whose settings are complete: saved if it never was, and registered. */
bool virtualbox_add_machine(struct machine *m, GError **error);
/** What the guest OS type recommends. */
void virtualbox_apply_type(struct settings_machine *s, const struct guest_type *t);

/* appliance.c */
bool virtualbox_create_appliance(struct bus_call *call, GVariant **ret, GError **error);

#endif
