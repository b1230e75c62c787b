/*
 * machine.h - shared by the files that make up IMachine.
 */
#ifndef MAIN_SERVER_MACHINE_MACHINE_H
#define MAIN_SERVER_MACHINE_MACHINE_H

#include "main/server/objects.h"

extern const struct bus_property machine_properties[]; /* machine_fields.c */
extern const struct bus_method machine_methods[];      /* machine_object.c */
bool machine_set_groups(struct settings_machine *s, const char *const *names, GError **error);

/* machine_file.c: methods about the file and the registry */
bool machine_save_settings(struct bus_call *call, GVariant **ret, GError **error);
bool machine_discard_settings(struct bus_call *call, GVariant **ret, GError **error);
bool machine_unregister(struct bus_call *call, GVariant **ret, GError **error);
bool machine_delete_config(struct bus_call *call, GVariant **ret, GError **error);

/* machine_run.c */
bool machine_launch(struct bus_call *call, GVariant **ret, GError **error);
bool machine_save_state(struct bus_call *call, GVariant **ret, GError **error);
bool machine_power_down(struct bus_call *call, GVariant **ret, GError **error);
bool machine_discard_state(struct bus_call *call, GVariant **ret, GError **error);
bool machine_adopt_state(struct bus_call *call, GVariant **ret, GError **error);

/* storage_methods.c */
bool storage_add_controller(struct bus_call *call, GVariant **ret, GError **error);
bool storage_remove_controller(struct bus_call *call, GVariant **ret, GError **error);
bool storage_get_controllers(struct bus_call *call, GVariant **ret, GError **error);
bool storage_attach(struct bus_call *call, GVariant **ret, GError **error);
bool storage_attach_host(struct bus_call *call, GVariant **ret, GError **error);
bool storage_detach(struct bus_call *call, GVariant **ret, GError **error);
bool storage_mount(struct bus_call *call, GVariant **ret, GError **error);
bool storage_flags(struct bus_call *call, GVariant **ret, GError **error);

/* machine_parts.c: processors, devices of the host, recording */
bool machine_set_cpuid(struct bus_call *call, GVariant **ret, GError **error);
bool machine_remove_cpuid(struct bus_call *call, GVariant **ret, GError **error);
bool machine_remove_cpuids(struct bus_call *call, GVariant **ret, GError **error);
bool machine_plug_cpu(struct bus_call *call, GVariant **ret, GError **error);
bool machine_unplug_cpu(struct bus_call *call, GVariant **ret, GError **error);
bool machine_attach_pci(struct bus_call *call, GVariant **ret, GError **error);
bool machine_detach_pci(struct bus_call *call, GVariant **ret, GError **error);
bool machine_set_recording(struct bus_call *call, GVariant **ret, GError **error);
GVariant *machine_describe_cpuids(const GPtrArray *leaves);
GVariant *machine_describe_screens(const GPtrArray *screens, const char *settings_path);
GVariant *machine_describe_pci(const GPtrArray *devices);

/* usb_filters.c */
GVariant *usb_filters_describe(const GPtrArray *list, bool global);

/* guest_properties.c */
bool guest_property_get(struct bus_call *call, GVariant **ret, GError **error);
bool guest_property_set(struct bus_call *call, GVariant **ret, GError **error);
bool guest_property_delete(struct bus_call *call, GVariant **ret, GError **error);
bool guest_property_enumerate(struct bus_call *call, GVariant **ret, GError **error);

/* snapshot_take.c, snapshot_delete.c, snapshot_restore.c, snapshot.c */
bool snapshot_take(struct bus_call *call, GVariant **ret, GError **error);
bool snapshot_delete(struct bus_call *call, GVariant **ret, GError **error);
bool snapshot_restore(struct bus_call *call, GVariant **ret, GError **error);
bool snapshot_find(struct bus_call *call, GVariant **ret, GError **error);

/* virtualbox_machines.c */
struct machine *machine_from_path(struct service *s, const char *object_path, struct bus_peer *peer);

/* clone.c, machine_file.c */
bool machine_clone_to(struct bus_call *call, GVariant **ret, GError **error);
bool machine_move_to(struct bus_call *call, GVariant **ret, GError **error);

/* logs.c */
bool machine_query_log(struct bus_call *call, GVariant **ret, GError **error);
bool machine_read_log(struct bus_call *call, GVariant **ret, GError **error);

/* lists.c: small lists below a machine; @list_offset: in struct settings_machine */
bool list_taken(const char *what, const char *name, GError **error);
bool list_missing(const char *what, const char *name, GError **error);
/** Removes the item called by the call's only argument. */
bool list_remove_named(struct bus_call *call, size_t list_offset, unsigned when, const char *what, GError **error);
/** What a class's find answers for MACHINE_NAME: the part is the item. */
struct part *list_item(struct service *s, struct bus_peer *peer, const char *node, size_t list_offset);
GVariant *list_describe(struct part *p, const struct bus_interface *interface, const GPtrArray *list);

/* usb_controllers.c, shared_folders.c */
bool list_add_usb(struct bus_call *call, GVariant **ret, GError **error);
bool list_remove_usb(struct bus_call *call, GVariant **ret, GError **error);
bool list_rename_usb(struct bus_call *call, GVariant **ret, GError **error);
bool list_add_folder(struct bus_call *call, GVariant **ret, GError **error);
bool list_remove_folder(struct bus_call *call, GVariant **ret, GError **error);
bool list_add_transient_folder(struct bus_call *call, GVariant **ret, GError **error);
bool list_remove_transient_folder(struct bus_call *call, GVariant **ret, GError **error);

/* properties.c: methods with (key, value) and (key); @list: of settings properties, NULL if there is none to read */
bool part_property_set(struct bus_call *call, GPtrArray *list, GError **error);
bool part_property_get(const struct bus_call *call, const GPtrArray *list, GVariant **ret);

/* nat_engine.c, attachments.c */
GVariant *nat_redirects(const GPtrArray *list);
GVariant *attachments_describe(const struct part *p);

/* interfaces of the machine's object beside IMachine */
extern const struct bus_interface bandwidth_control_interface, usb_filters_interface;

/* Finds an item by its name member in a list of settings items; G_MAXUINT: none. */
#define LIST_FIND(list_, type_, name_)                                                                                 \
    ({                                                                                                                 \
        guint found_ = G_MAXUINT;                                                                                      \
        for (guint k_ = 0; k_ < (list_)->len && found_ == G_MAXUINT; k_++)                                             \
            if (g_strcmp0(((const struct type_ *)(list_)->pdata[k_])->name, (name_)) == 0)                             \
                found_ = k_;                                                                                           \
        found_;                                                                                                        \
    })

#endif
