/*
 * describe.c - IMachine.Describe: everything about a machine in one answer.
 *
 * One call instead of fifty: showvminfo, lists and windows read this. Keys are the property names of the interfaces.
 */
#include <string.h>

#include "main/server/machine/machine.h"

static GVariant *slots(struct part *p, const struct bus_interface *interface, char *first, size_t size, unsigned count)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < count; k++) {
        GVariantDict dict;
        g_variant_dict_init(&dict, NULL);
        struct part one = *p;
        one.slot = k;
        one.base = first + k * size;
        bus_describe(p->service->bus, interface, &one, "", &dict);
        g_variant_builder_add_value(&list, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&list);
}

static GVariant *properties(const GPtrArray *list)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a{ss}"));
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_property *one = list->pdata[k];
        g_variant_builder_add(&b, "{ss}", one->name, one->value != NULL ? one->value : "");
    }
    return g_variant_builder_end(&b);
}

static GVariant *adapters(struct part *p)
{
    unsigned count = p->s->hardware.chipset == CHIPSET_ICH9 ? SETTINGS_ADAPTERS : 8;
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < count; k++) {
        const struct settings_adapter *a = &p->s->hardware.adapter[k];
        struct part one = *p;
        GVariantDict dict;
        g_variant_dict_init(&dict, NULL);
        one.slot = k;
        one.base = &p->s->hardware.adapter[k];
        bus_describe(p->service->bus, &adapter_interface, &one, "", &dict);
        bus_describe(p->service->bus, &nat_engine_interface, &one, "NATEngine", &dict);
        g_variant_dict_insert_value(&dict, "GenericProperties", properties(a->generic_properties));
        g_variant_dict_insert_value(&dict, "NATEngineRedirects", nat_redirects(a->nat.forwards));
        g_variant_builder_add_value(&list, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&list);
}

static GVariant *boot_order(const struct settings_machine *s)
{
    const char *names[5] = {NULL};

    for (unsigned k = 0; k < 4; k++)
        names[k] = s->hardware.boot_order[k] == DEVICE_NONE ? "Null" : settings_device_names[s->hardware.boot_order[k]];
    return g_variant_new_strv(names, -1);
}

static void add_folders(GVariantBuilder *b, const GPtrArray *list, bool transient)
{
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_shared_folder *f = list->pdata[k];
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Name", "s", f->name);
        g_variant_dict_insert(&d, "HostPath", "s", f->host_path);
        g_variant_dict_insert(&d, "Writable", "b", f->writable);
        g_variant_dict_insert(&d, "AutoMount", "b", f->auto_mount);
        g_variant_dict_insert(&d, "AutoMountPoint", "s", f->auto_mount_point != NULL ? f->auto_mount_point : "");
        g_variant_dict_insert(&d, "Transient", "b", transient);
        g_variant_builder_add_value(b, g_variant_dict_end(&d));
    }
}

static GVariant *shared_folders(const struct part *p)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    add_folders(&b, p->s->hardware.shared_folders, false);
    add_folders(&b, p->machine->transient_folders, true);
    return g_variant_builder_end(&b);
}

static GVariant *snapshots(const struct settings_machine *s)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < s->snapshots->len; k++) {
        const struct settings_snapshot *one = s->snapshots->pdata[k];
        char id[API_UUID_SIZE] = "";
        GVariantDict d;
        api_uuid_parse(one->uuid, id);
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Depth", "u", one->depth);
        g_variant_dict_insert(&d, "Id", "s", id);
        g_variant_dict_insert(&d, "Name", "s", one->name);
        g_variant_dict_insert(&d, "Description", "s", one->description != NULL ? one->description : "");
        g_variant_dict_insert(&d, "TimeStamp", "x", (gint64)one->time_s * 1000);
        g_variant_dict_insert(&d, "Online", "b", one->state_file != NULL);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    return g_variant_builder_end(&b);
}

GVariant *machine_describe(struct part *p)
{
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    bus_describe(p->service->bus, &machine_interface, p, "", &d);
    bus_describe(p->service->bus, &audio_interface, p, "Audio", &d);
    bus_describe(p->service->bus, &vrde_interface, p, "VRDE", &d);
    if (p->s == NULL)
        return g_variant_dict_end(&d);
    struct settings_hardware *h = &p->s->hardware;
    g_variant_dict_insert(&d, "OSTypeDescription", "s", guest_type_description(p->s->os_type));
    g_variant_dict_insert_value(&d, "BootOrder", boot_order(p->s));
    g_variant_dict_insert_value(&d, "StorageControllers", list_describe(p, &controller_interface, h->controllers));
    g_variant_dict_insert_value(&d, "MediumAttachments", attachments_describe(p));
    g_variant_dict_insert_value(&d, "NetworkAdapters", adapters(p));
    g_variant_dict_insert_value(&d, "SerialPorts",
                                slots(p, &serial_interface, (char *)h->uart, sizeof h->uart[0], SETTINGS_UARTS));
    g_variant_dict_insert_value(&d, "ParallelPorts",
                                slots(p, &parallel_interface, (char *)h->lpt, sizeof h->lpt[0], SETTINGS_LPTS));
    g_variant_dict_insert_value(&d, "USBControllers", list_describe(p, &usb_controller_interface, h->usb_controllers));
    g_variant_dict_insert_value(&d, "CPUIDLeaves", machine_describe_cpuids(h->cpu.leaves));
    g_variant_dict_insert_value(&d, "RecordingScreens",
                                machine_describe_screens(p->s->recording.screens, p->machine->path));
    g_variant_dict_insert_value(&d, "HostPCIDevices", machine_describe_pci(h->pci_devices));
    g_variant_dict_insert_value(&d, "USBDeviceFilters", usb_filters_describe(h->usb_filters, false));
    g_variant_dict_insert_value(&d, "SharedFolders", shared_folders(p));
    g_variant_dict_insert_value(&d, "BandwidthGroups",
                                list_describe(p, &bandwidth_group_interface, h->bandwidth_groups));
    g_variant_dict_insert_value(&d, "VRDEProperties", properties(h->vrde.properties));
    g_variant_dict_insert_value(&d, "Snapshots", snapshots(p->s));
    g_variant_dict_insert_value(&d, "ExtraData", properties(p->s->extra_data));
    return g_variant_dict_end(&d);
}
