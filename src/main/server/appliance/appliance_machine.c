/*
 * appliance_machine.c - the settings an imported machine gets: from the settings file in the appliance if it has one,
 * else from its virtual hardware; the description's values win.
 */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/server/appliance/appliance.h"
#include "main/server/machine/machine.h"
#include "main/server/virtualbox/virtualbox.h"

static const struct {
    const char *type, *bus, *name;
} controllers[] = {{"HardDiskControllerIDE", "IDE", "IDE Controller"},
                   {"HardDiskControllerSATA", "SATA", "SATA Controller"},
                   {"HardDiskControllerSCSI", "SCSI", "SCSI Controller"},
                   {"HardDiskControllerSAS", "SAS", "SAS Controller"},
                   {"HardDiskControllerVirtioSCSI", "VirtioSCSI", "VirtioSCSI Controller"}};

static int controller_row(const char *type)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(controllers); k++)
        if (strcmp(controllers[k].type, type) == 0)
            return (int)k;
    return -1;
}

static struct settings_controller *controller_on(const struct settings_machine *s, const char *bus)
{
    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        struct settings_controller *c = s->hardware.controllers->pdata[k];
        if (strcmp(controller_rule_of(c->type)->bus, bus) == 0)
            return c;
    }
    return NULL;
}

static struct settings_controller *need_controller(struct settings_machine *s, const struct description *d)
{
    int row = controller_row(d->type);
    const char *bus = row >= 0 ? controllers[row].bus : "IDE";
    struct settings_controller *c = controller_on(s, bus);

    if (c != NULL)
        return c;
    const struct controller_rule *rule = controller_rule_for_bus(bus);
    int type = field_api_to_word("StorageControllerType", settings_controller_type_names,
                                 strcmp(d->value, "AHCI") == 0 ? "IntelAhci" : d->value);
    c = settings_controller_new();
    g_free(c->name);
    c->name = g_strdup(row >= 0 ? controllers[row].name : "IDE Controller");
    c->type = type >= 0 ? (enum settings_controller_type)type : rule->type;
    c->port_count = rule->default_ports;
    c->bootable = true;
    g_ptr_array_add(s->hardware.controllers, c);
    return c;
}

/* ---- a machine from its virtual hardware ---- */

static void take_adapter(struct settings_machine *s, const struct description *d)
{
    const char *slot_text = strstr(d->extra, "slot="), *type_text = strstr(d->extra, "type=");
    unsigned slot = slot_text != NULL ? (unsigned)strtoul(slot_text + 5, NULL, 10) : 0;
    const char *name = api_enum_name("NetworkAdapterType", atoi(d->value));
    int chip = name != NULL ? field_api_to_word("NetworkAdapterType", settings_nic_type_names, name) : -1;
    int attachment = type_text != NULL ? settings_enum_find(settings_attach_names, type_text + 5) : -1;

    if (slot >= SETTINGS_ADAPTERS)
        return;
    struct settings_adapter *a = &s->hardware.adapter[slot];
    a->enabled = true;
    a->cable = true;
    a->type = chip >= 0 ? (enum settings_nic_type)chip : a->type;
    a->attachment = attachment >= 0 ? (enum settings_attach)attachment : ATTACH_NAT;
}

static void take_hardware(struct settings_machine *s, const GPtrArray *list)
{
    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++)
        s->hardware.adapter[k].enabled = false;
    for (unsigned k = 0; k < list->len; k++) {
        const struct description *d = list->pdata[k];
        if (!d->enabled)
            continue;
        if (strcmp(d->type, "NetworkAdapter") == 0)
            take_adapter(s, d);
        else if (strcmp(d->type, "SoundCard") == 0)
            s->hardware.audio.enabled = true;
        else if (controller_row(d->type) >= 0)
            need_controller(s, d);
        else if (strcmp(d->type, "USBController") == 0 && s->hardware.usb_controllers->len == 0) {
            struct settings_usb_controller *usb = settings_usb_controller_new();
            g_free(usb->name);
            usb->name = g_strdup("OHCI");
            usb->type = USB_OHCI;
            g_ptr_array_add(s->hardware.usb_controllers, usb);
        }
    }
}

static struct settings_machine *from_hardware(const char *path, const char *braced, const GPtrArray *list)
{
    const struct guest_type *type = guest_type_find(description_value(list, "OS"));
    struct settings_machine *s = settings_machine_new(fio_system(), path, braced, description_value(list, "Name"),
                                                      type != NULL ? type->id : "Other");

    virtualbox_apply_type(s, type != NULL ? type : guest_type_find("Other"));
    take_hardware(s, list);
    return s;
}

/* ---- a machine from the settings in the appliance ---- */

/* Its disks come from the description; drives stay, empty. */
static void drop_media(struct settings_machine *s)
{
    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *c = s->hardware.controllers->pdata[k];
        for (unsigned n = c->attachments->len; n-- > 0;) {
            struct settings_attachment *a = c->attachments->pdata[n];
            if (a->kind == DEVICE_HARD_DISK)
                g_ptr_array_remove_index(c->attachments, n);
            else
                g_clear_pointer(&a->image_uuid, g_free);
        }
    }
    g_ptr_array_set_size(s->media.disks, 0);
    g_ptr_array_set_size(s->media.dvds, 0);
    g_ptr_array_set_size(s->media.floppies, 0);
    g_ptr_array_set_size(s->snapshots, 0);
    g_clear_pointer(&s->current_snapshot, g_free);
    g_clear_pointer(&s->state_file, g_free);
    s->aborted = false;
}

/* The text goes through the settings reader like any other file. */
static struct settings_machine *from_settings(const char *text, const char *path, const char *braced, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, "-import", NULL);

    if (!g_file_set_contents(temporary, text, -1, error))
        return NULL;
    struct settings_machine *s = settings_machine_load(fio_system(), temporary, error);
    g_unlink(temporary);
    if (s == NULL)
        return NULL;
    drop_media(s);
    g_free(s->uuid);
    s->uuid = g_strdup(braced);
    /* a file of its own, not the one that was read */
    struct settings_machine *fresh = settings_machine_new(fio_system(), path, braced, s->name, s->os_type);
    struct settings_file read = s->file;
    s->file = fresh->file;
    fresh->file = read;
    settings_machine_free(fresh);
    return s;
}

static void replace(char **at, const char *text)
{
    g_free(*at);
    *at = *text != '\0' ? g_strdup(text) : NULL;
}

static void take_macs(struct settings_machine *s, const char *const *options)
{
    bool all = g_strv_contains(options, "KeepAllMACs"), nat = g_strv_contains(options, "KeepNATMACs");

    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++) {
        struct settings_adapter *a = &s->hardware.adapter[k];
        if (!a->enabled || (a->mac != NULL && (all || (nat && a->attachment == ATTACH_NAT))))
            continue;
        g_free(a->mac);
        a->mac = g_strdup_printf("080027%06X", g_random_int() & 0xffffff);
    }
}

struct settings_machine *appliance_machine(const struct appliance *a, unsigned n, const char *const *options,
                                           GError **error)
{
    const struct ovf_system *system = a->ovf->systems->pdata[n];
    const GPtrArray *list = a->systems->pdata[n];
    const char *path = description_value(list, "SettingsFile"), *group = description_value(list, "PrimaryGroup");
    g_autofree char *id = g_uuid_string_random();
    g_autofree char *braced = g_strdup_printf("{%s}", id);
    const char *groups[] = {group, NULL};
    struct settings_machine *s = system->machine_text != NULL ? from_settings(system->machine_text, path, braced, error)
                                                              : from_hardware(path, braced, list);

    if (s == NULL) {
        api_wrap(error, VBOX_E_FILE_ERROR);
        return NULL;
    }
    const struct guest_type *type = guest_type_find(description_value(list, "OS"));
    replace(&s->name, description_value(list, "Name"));
    replace(&s->os_type, type != NULL ? type->id : "Other");
    replace(&s->description, description_value(list, "Description"));
    s->hardware.cpu.count = (uint32_t)CLAMP(atoi(description_value(list, "CPU")), 1, 64);
    s->hardware.ram_mib = (uint32_t)CLAMP(atoi(description_value(list, "Memory")), 4, 2097152);
    take_macs(s, options);
    if (*group != '\0' && strcmp(group, "/") != 0 && !machine_set_groups(s, groups, error)) {
        settings_machine_free(s);
        return NULL;
    }
    return s;
}

bool appliance_attach(struct settings_machine *s, const GPtrArray *system, const struct description *disk,
                      const struct medium *m, GError **error)
{
    const char *at = strstr(disk->extra, "controller="), *port_at = strstr(disk->extra, "port=");
    unsigned index = at != NULL ? (unsigned)strtoul(at + strlen("controller="), NULL, 10) : G_MAXUINT;
    unsigned port = port_at != NULL ? (unsigned)strtoul(port_at + strlen("port="), NULL, 10) : 0;
    const struct description *d = index < system->len ? system->pdata[index] : NULL;
    char braced[40];

    if (d == NULL || controller_row(d->type) < 0)
        return api_fail(error, E_INVALIDARG, "Hard disk '%s' is on a controller that is not there (%s)", disk->original,
                        disk->extra);
    struct settings_controller *c = need_controller(s, d);
    const struct controller_rule *rule = controller_rule_of(c->type);
    struct settings_attachment *a = settings_attachment_new();
    a->kind = DEVICE_HARD_DISK;
    a->port = port / rule->devices;
    a->device = port % rule->devices;
    if (a->port >= rule->max_ports || attachment_find(c, a->port, a->device) != NULL) {
        settings_attachment_free(a);
        return api_fail(error, E_INVALIDARG, "Port %u of the controller '%s' is in use or not there", port, c->name);
    }
    c->port_count = MAX(c->port_count, a->port + 1);
    a->hotpluggable = c->type == CONTROLLER_AHCI;
    a->image_uuid = g_strdup(medium_id_braced(m, braced));
    g_ptr_array_add(c->attachments, a);
    return true;
}
