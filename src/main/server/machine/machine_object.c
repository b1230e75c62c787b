/*
 * machine_object.c - IMachine: its methods' table, and the small ones.
 */
#include <string.h>

#include "main/server/machine/machine.h"

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    const char *rest;
    struct part *p = part_find(user, peer, node, &rest);

    return p != NULL && rest == NULL ? p : NULL;
}

static void list(void *user, GPtrArray *nodes)
{
    struct service *s = user;

    for (unsigned k = 0; k < s->machines->len; k++) {
        const struct machine *m = s->machines->pdata[k];
        char node[API_UUID_SIZE];
        api_node_from_uuid(m->id, node);
        if (m->registered)
            g_ptr_array_add(nodes, g_strdup(node));
    }
}

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    *ret = g_variant_new("(@a{sv})", machine_describe(call->object));
    return true;
}

static bool lock_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *session, *type;

    (void)ret;
    g_variant_get(call->args, "(&o&s)", &session, &type);
    if (api_enum_value("LockType", type) < 0)
        return api_fail(error, E_INVALIDARG, "Invalid LockType: '%s'", type);
    return session_lock(session_of(p->service, call->peer), p->machine, type, error);
}

static bool boot_position(guint32 position, GError **error)
{
    return (position >= 1 && position <= 4) ||
           api_fail(error, E_INVALIDARG, "Invalid boot position: %u (must be in range [1, 4])", position);
}

static bool get_boot_order(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 position;

    g_variant_get(call->args, "(u)", &position);
    if (!boot_position(position, error))
        return false;
    enum settings_device d = p->s != NULL ? p->s->hardware.boot_order[position - 1] : DEVICE_NONE;
    *ret = g_variant_new("(s)", d == DEVICE_NONE ? "Null" : settings_device_names[d]);
    return true;
}

static bool set_boot_order(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 position;
    const char *type;

    (void)ret;
    g_variant_get(call->args, "(u&s)", &position, &type);
    int d = g_ascii_strcasecmp(type, "Null") == 0 ? DEVICE_NONE : settings_enum_find(settings_device_names, type);
    if (!boot_position(position, error))
        return false;
    if (d < 0)
        return api_fail(error, E_INVALIDARG, "Invalid boot device: '%s'", type);
    if (!part_change(p, 0, error))
        return false;
    p->s->hardware.boot_order[position - 1] = (enum settings_device)d;
    return true;
}

/* ---- extra data: needs no lock, is written at once ---- */

static bool get_extra_data(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *key;

    (void)error;
    g_variant_get(call->args, "(&s)", &key);
    const char *val = p->machine->settings != NULL ? settings_property_get(p->machine->settings->extra_data, key) : "";
    *ret = g_variant_new("(s)", val != NULL ? val : "");
    return true;
}

static bool set_extra_data(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    const char *key, *val;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &key, &val);
    if (m->settings == NULL)
        return api_fail(error, E_ACCESSDENIED, "The machine '%s' is inaccessible: %s", m->path, m->access_error);
    if (*key == '\0')
        return api_fail(error, E_INVALIDARG, "The key cannot be empty");
    g_autofree char *before = g_strdup(settings_property_get(m->settings->extra_data, key));
    settings_property_set(m->settings->extra_data, key, val);
    if (m->registered && !machine_save(m, error)) {
        settings_property_set(m->settings->extra_data, key, before);
        return false;
    }
    for (unsigned k = 0; k < p->service->sessions->len; k++) { /* copies must not bring the old value back */
        struct session *one = p->service->sessions->pdata[k];
        if (one->machine == m && one->copy != NULL)
            settings_property_set(one->copy->extra_data, key, val);
    }
    service_emit(p->service, "ExtraDataChanged", g_variant_new("(sss)", m->id, key, val));
    return true;
}

static bool get_extra_data_keys(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; p->machine->settings != NULL && k < p->machine->settings->extra_data->len; k++)
        g_variant_builder_add(&b, "s",
                              ((const struct settings_property *)p->machine->settings->extra_data->pdata[k])->name);
    *ret = g_variant_new("(as)", &b);
    return true;
}

const struct bus_method machine_methods[] = {
    {"Describe", describe},
    {"LockMachine", lock_machine},
    {"LaunchVMProcess", machine_launch},
    {"SaveSettings", machine_save_settings},
    {"DiscardSettings", machine_discard_settings},
    {"Unregister", machine_unregister},
    {"DeleteConfig", machine_delete_config},
    {"GetBootOrder", get_boot_order},
    {"SetBootOrder", set_boot_order},
    {"GetExtraData", get_extra_data},
    {"SetExtraData", set_extra_data},
    {"GetExtraDataKeys", get_extra_data_keys},
    {"AddStorageController", storage_add_controller},
    {"RemoveStorageController", storage_remove_controller},
    {"GetStorageControllers", storage_get_controllers},
    {"AttachDevice", storage_attach},
    {"AttachHostDrive", storage_attach_host},
    {"DetachDevice", storage_detach},
    {"MountMedium", storage_mount},
    {"SetDeviceFlags", storage_flags},
    {"AddUSBController", list_add_usb},
    {"RemoveUSBController", list_remove_usb},
    {"CreateSharedFolder", list_add_folder},
    {"RemoveSharedFolder", list_remove_folder},
    {"DiscardSavedState", machine_discard_state},
    {"AdoptSavedState", machine_adopt_state},
    {"SaveState", machine_save_state},
    {"PowerDown", machine_power_down},
    {"TakeSnapshot", snapshot_take},
    {"DeleteSnapshot", snapshot_delete},
    {"RestoreSnapshot", snapshot_restore},
    {"FindSnapshot", snapshot_find},
    {"CloneTo", machine_clone_to},
    {"MoveTo", machine_move_to},
    {"QueryLogFilename", machine_query_log},
    {"ReadLog", machine_read_log},
    {"SetCPUIDLeaf", machine_set_cpuid},
    {"RemoveCPUIDLeaf", machine_remove_cpuid},
    {"RemoveAllCPUIDLeaves", machine_remove_cpuids},
    {"HotPlugCPU", machine_plug_cpu},
    {"HotUnplugCPU", machine_unplug_cpu},
    {"AttachHostPCIDevice", machine_attach_pci},
    {"DetachHostPCIDevice", machine_detach_pci},
    {"SetRecordingOption", machine_set_recording},
    {"RenameUSBController", list_rename_usb},
    {"GetGuestProperty", guest_property_get},
    {"SetGuestProperty", guest_property_set},
    {"DeleteGuestProperty", guest_property_delete},
    {"EnumerateGuestProperties", guest_property_enumerate},
    {"CreateTransientSharedFolder", list_add_transient_folder},
    {"RemoveTransientSharedFolder", list_remove_transient_folder},
    {NULL, NULL},
};

const struct bus_interface machine_interface = {.info = (GDBusInterfaceInfo *)&api_imachine_interface,
                                                .methods = machine_methods,
                                                .properties = machine_properties};
const struct bus_class machine_class = {.folder = API_ROOT "/machine",
                                        .interfaces =
                                            BUS_INTERFACES(&machine_interface, &audio_interface, &vrde_interface,
                                                           &bandwidth_control_interface, &usb_filters_interface),
                                        .find = find,
                                        .list = list};
