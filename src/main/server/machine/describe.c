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

static GVariant *forwards(const GPtrArray *list)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_forward *f = list->pdata[k];
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Name", "s", f->name);
        g_variant_dict_insert(&d, "Protocol", "s", field_word_to_api("NATProtocol", settings_proto_names[f->proto]));
        g_variant_dict_insert(&d, "HostIP", "s", f->host_ip != NULL ? f->host_ip : "");
        g_variant_dict_insert(&d, "HostPort", "u", f->host_port);
        g_variant_dict_insert(&d, "GuestIP", "s", f->guest_ip != NULL ? f->guest_ip : "");
        g_variant_dict_insert(&d, "GuestPort", "u", f->guest_port);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
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
        g_variant_dict_insert_value(&dict, "GenericProperties", properties(a->generic_properties));
        g_variant_dict_insert_value(&dict, "Forwards", forwards(a->nat.forwards));
        g_variant_builder_add_value(&list, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&list);
}

static GVariant *controllers(struct part *p)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < p->s->hardware.controllers->len; k++) {
        struct part one = *p;
        GVariantDict dict;
        g_variant_dict_init(&dict, NULL);
        one.base = p->s->hardware.controllers->pdata[k];
        bus_describe(p->service->bus, &controller_interface, &one, "", &dict);
        g_variant_builder_add_value(&list, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&list);
}

static void describe_medium(struct service *s, const struct settings_attachment *a, GVariantDict *d)
{
    char id[API_UUID_SIZE] = "";
    const struct medium *m =
        a->image_uuid != NULL && api_uuid_parse(a->image_uuid, id) ? medium_find(s, id, a->kind) : NULL;

    g_variant_dict_insert(d, "Medium", "s", id);
    g_variant_dict_insert(d, "Location", "s", m != NULL ? m->location : a->host_drive != NULL ? a->host_drive : "");
    g_variant_dict_insert(d, "HostDrive", "b", a->host_drive != NULL);
}

static GVariant *attachments(struct part *p)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < p->s->hardware.controllers->len; k++) {
        const struct settings_controller *c = p->s->hardware.controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++) {
            const struct settings_attachment *a = c->attachments->pdata[n];
            GVariantDict d;
            g_variant_dict_init(&d, NULL);
            g_variant_dict_insert(&d, "Controller", "s", c->name);
            g_variant_dict_insert(&d, "Port", "i", (gint32)a->port);
            g_variant_dict_insert(&d, "Device", "i", (gint32)a->device);
            g_variant_dict_insert(&d, "Type", "s", settings_device_names[a->kind]);
            g_variant_dict_insert(&d, "Passthrough", "b", a->passthrough);
            g_variant_dict_insert(&d, "TemporaryEject", "b", a->temp_eject);
            g_variant_dict_insert(&d, "IsEjected", "b", FALSE);
            g_variant_dict_insert(&d, "NonRotational", "b", a->non_rotational);
            g_variant_dict_insert(&d, "Discard", "b", a->discard);
            g_variant_dict_insert(&d, "HotPluggable", "b", a->hotpluggable);
            g_variant_dict_insert(&d, "BandwidthGroup", "s", a->bandwidth_group != NULL ? a->bandwidth_group : "");
            describe_medium(p->service, a, &d);
            g_variant_builder_add_value(&list, g_variant_dict_end(&d));
        }
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

static GVariant *usb_controllers(const GPtrArray *list)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_usb_controller *c = list->pdata[k];
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Name", "s", c->name);
        g_variant_dict_insert(&d, "Type", "s", settings_usb_type_names[c->type]);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
    return g_variant_builder_end(&b);
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

static GVariant *bandwidth_groups(const GPtrArray *list)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_bandwidth_group *g = list->pdata[k];
        GVariantDict d;
        g_variant_dict_init(&d, NULL);
        g_variant_dict_insert(&d, "Name", "s", g->name);
        g_variant_dict_insert(&d, "Type", "s", settings_bandwidth_names[g->type]);
        g_variant_dict_insert(&d, "MaxBytesPerSec", "x", (gint64)g->max_bytes_per_s);
        g_variant_builder_add_value(&b, g_variant_dict_end(&d));
    }
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
    if (p->s == NULL)
        return g_variant_dict_end(&d);
    struct settings_hardware *h = &p->s->hardware;
    g_variant_dict_insert(&d, "OSTypeDescription", "s", guest_type_description(p->s->os_type));
    g_variant_dict_insert_value(&d, "BootOrder", boot_order(p->s));
    g_variant_dict_insert_value(&d, "StorageControllers", controllers(p));
    g_variant_dict_insert_value(&d, "MediumAttachments", attachments(p));
    g_variant_dict_insert_value(&d, "NetworkAdapters", adapters(p));
    g_variant_dict_insert_value(&d, "SerialPorts",
                                slots(p, &serial_interface, (char *)h->uart, sizeof h->uart[0], SETTINGS_UARTS));
    g_variant_dict_insert_value(&d, "ParallelPorts",
                                slots(p, &parallel_interface, (char *)h->lpt, sizeof h->lpt[0], SETTINGS_LPTS));
    g_variant_dict_insert_value(&d, "USBControllers", usb_controllers(h->usb_controllers));
    g_variant_dict_insert_value(&d, "CPUIDLeaves", machine_describe_cpuids(h->cpu.leaves));
    g_variant_dict_insert_value(&d, "RecordingScreens", machine_describe_screens(p->s->recording.screens));
    g_variant_dict_insert_value(&d, "HostPCIDevices", machine_describe_pci(h->pci_devices));
    g_variant_dict_insert_value(&d, "USBDeviceFilters", usb_filters_describe(h->usb_filters, false));
    g_variant_dict_insert_value(&d, "SharedFolders", shared_folders(p));
    g_variant_dict_insert_value(&d, "BandwidthGroups", bandwidth_groups(h->bandwidth_groups));
    g_variant_dict_insert_value(&d, "VRDEProperties", properties(h->vrde.properties));
    g_variant_dict_insert_value(&d, "Snapshots", snapshots(p->s));
    g_variant_dict_insert_value(&d, "ExtraData", properties(p->s->extra_data));
    return g_variant_dict_end(&d);
}
