/*
 * settings.c - reads a machine settings file into struct settings.
 *
 * Sources: the settings format as described in doc/settings.md. Layout by version: StorageControllers stand beside
 * Hardware up to 1.16 and inside it since 1.17; since 1.20 processor, chipset and clock stand under Platform. Both
 * places are looked at, whatever the version says, so that hand-made files work.
 * Left out here: snapshots, networks, USB, audio, remote display: read by others or not at all when a machine starts.
 */
#include "main/settings/settings.h"

#include <stdio.h>
#include <string.h>

#include "main/settings/xml.h"

#define MAX_CONTROLLERS 32u
#define MAX_ATTACHMENTS 256u
#define MAX_MEDIA       4096u

static const char *const device_names[] = {"None", "Floppy", "DVD", "HardDisk", "Network", NULL};
static const char *const uart_modes[] = {"Disconnected", "RawFile", "HostPipe", "HostDevice", "TCP", NULL};

static void attachment_clear(void *p)
{
    struct settings_attachment *a = p;

    g_free(a->image_uuid);
    g_free(a->host_drive);
}

static void controller_clear(void *p)
{
    struct settings_controller *c = p;

    g_free(c->name);
    g_free(c->type);
    g_array_unref(c->attachments);
}

static void medium_clear(void *p)
{
    struct settings_medium *m = p;

    g_free(m->uuid);
    g_free(m->location);
    g_free(m->format);
    g_free(m->parent_uuid);
    g_free(m->type);
}

static struct settings *settings_new(const char *path)
{
    struct settings *s = g_new0(struct settings, 1);

    s->file = g_canonicalize_filename(path, NULL);
    s->folder = g_path_get_dirname(s->file);
    s->cpus = 1;
    s->ram_mib = 128;
    s->vram_mib = 8;
    s->pae = true;
    s->long_mode = true;
    s->acpi = true;
    s->display_controller = g_strdup("VBoxVGA");
    s->boot_order[0] = DEVICE_FLOPPY;
    s->boot_order[1] = DEVICE_DVD;
    s->boot_order[2] = DEVICE_HARD_DISK;
    s->controllers = g_array_new(FALSE, TRUE, sizeof(struct settings_controller));
    g_array_set_clear_func(s->controllers, controller_clear);
    s->media = g_array_new(FALSE, TRUE, sizeof(struct settings_medium));
    g_array_set_clear_func(s->media, medium_clear);
    s->extra_data = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return s;
}

void settings_free(struct settings *s)
{
    if (s == NULL)
        return;
    for (unsigned k = 0; k < G_N_ELEMENTS(s->uart); k++) {
        g_free(s->uart[k].path);
        g_free(s->uart[k].type);
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(s->lpt); k++)
        g_free(s->lpt[k].path);
    g_free(s->file);
    g_free(s->folder);
    g_free(s->uuid);
    g_free(s->name);
    g_free(s->os_type);
    g_free(s->state_file);
    g_free(s->cpu_profile);
    g_free(s->display_controller);
    g_array_unref(s->controllers);
    g_array_unref(s->media);
    g_hash_table_unref(s->extra_data);
    g_free(s);
}

const struct settings_medium *settings_find_medium(const struct settings *s, const char *uuid)
{
    for (unsigned k = 0; k < s->media->len; k++) {
        const struct settings_medium *m = &g_array_index(s->media, struct settings_medium, k);
        if (strcmp(m->uuid, uuid) == 0)
            return m;
    }
    return NULL;
}

/* An element that only says enabled="..." */
static bool flag(const struct xml_node *parent, const char *child, const char *attr, bool *val, GError **error)
{
    const struct xml_node *n = xml_child(parent, child);

    return n == NULL || xml_bool(n, attr, val, error);
}

static bool parse_cpu(struct settings *s, const struct xml_node *cpu, GError **error)
{
    if (cpu == NULL)
        return true;
    const struct xml_node *mode = xml_child(cpu, "LongMode");
    s->long_mode_set |= mode != NULL;
    return xml_u32(cpu, "count", 1, 32, &s->cpus, error) && xml_str(cpu, "CpuProfile", false, &s->cpu_profile, error) &&
           flag(cpu, "PAE", "enabled", &s->pae, error) &&
           (mode == NULL || xml_bool(mode, "enabled", &s->long_mode, error)) &&
           flag(cpu, "X2APIC", "enabled", &s->x2apic, error) &&
           flag(cpu, "TripleFaultReset", "enabled", &s->triple_fault_reset, error);
}

static bool parse_firmware(struct settings *s, const struct xml_node *hw, GError **error)
{
    static const char *const types[] = {"BIOS", "EFI", "EFI32", "EFI64", "EFIDUAL", NULL};
    const struct xml_node *fw = xml_child(hw, "Firmware");
    const struct xml_node *bios = xml_child(hw, "BIOS");
    int type = 0;

    if (bios == NULL)
        bios = fw;
    if (fw != NULL && !xml_enum(fw, "type", types, &type, error))
        return false;
    s->efi = type != 0;
    if (type == 2) {
        xml_fail(fw, error, "Firmware/@type is EFI32; only 64-bit EFI firmware is available. Use EFI64 or BIOS");
        return false;
    }
    const struct xml_node *offset = xml_child(bios, "TimeOffset");
    return flag(bios, "ACPI", "enabled", &s->acpi, error) && flag(bios, "IOAPIC", "enabled", &s->ioapic, error) &&
           (offset == NULL || xml_i64(offset, "value", &s->time_offset_ms, error));
}

static bool parse_board(struct settings *s, const struct xml_node *p, GError **error)
{
    static const char *const chipsets[] = {"PIIX3", "ICH9", NULL};
    static const char *const clocks[] = {"local", "UTC", NULL};
    const struct xml_node *chipset = xml_child(p, "Chipset"), *rtc = xml_child(p, "RTC");
    int kind = 0, clock = s->rtc_utc;

    if (chipset != NULL && !xml_enum(chipset, "type", chipsets, &kind, error))
        return false;
    if (kind != 0) {
        xml_fail(chipset, error, "Chipset/@type is ICH9; this machine type is not available. Use PIIX3");
        return false;
    }
    if (rtc != NULL && !xml_enum(rtc, "localOrUTC", clocks, &clock, error))
        return false;
    s->rtc_utc = clock != 0;
    return flag(p, "HPET", "enabled", &s->hpet, error);
}

static bool parse_boot(struct settings *s, const struct xml_node *boot, GError **error)
{
    for (const struct xml_node *o = xml_child(boot, "Order"); o != NULL; o = xml_next(o, "Order")) {
        uint32_t position = 1;
        int device = DEVICE_NONE;
        if (!xml_u32(o, "position", 1, 4, &position, error) || !xml_enum(o, "device", device_names, &device, error))
            return false;
        s->boot_order[position - 1] = (enum settings_device)device;
    }
    return true;
}

static bool parse_uart_port(struct settings *s, const struct xml_node *p, GError **error)
{
    static const char *const types[] = {"16450", "16550A", "16750", NULL};
    uint32_t slot = 0;
    int mode = UART_DISCONNECTED, type = 1;

    if (!xml_u32(p, "slot", 0, 3, &slot, error))
        return false;
    struct settings_uart *u = &s->uart[slot];
    u->io_base = 0x3f8;
    u->irq = 4;
    const char *base = "IOBase";
    g_autofree char *new_name = NULL;
    if (!xml_str(p, "IOAddress", false, &new_name, error))
        return false;
    if (new_name != NULL)
        base = "IOAddress";
    if (!xml_bool(p, "enabled", &u->enabled, error) || !xml_u32(p, base, 0x100, 0xfff8, &u->io_base, error) ||
        !xml_u32(p, "IRQ", 1, 15, &u->irq, error) || !xml_enum(p, "hostMode", uart_modes, &mode, error) ||
        !xml_str(p, "path", false, &u->path, error) || !xml_bool(p, "server", &u->server, error) ||
        !xml_enum(p, "uartType", types, &type, error))
        return false;
    u->mode = (enum settings_uart_mode)mode;
    u->type = g_strdup(types[type]);
    if (u->enabled && u->mode != UART_DISCONNECTED && (u->path == NULL || *u->path == '\0')) {
        xml_fail(p, error, "Port %u has host mode %s but no path", slot + 1, uart_modes[mode]);
        return false;
    }
    return true;
}

static bool parse_ports(struct settings *s, const struct xml_node *hw, GError **error)
{
    const struct xml_node *uart = xml_child(hw, "UART"), *lpt = xml_child(hw, "LPT");

    for (const struct xml_node *p = xml_child(uart, "Port"); p != NULL; p = xml_next(p, "Port"))
        if (!parse_uart_port(s, p, error))
            return false;
    for (const struct xml_node *p = xml_child(lpt, "Port"); p != NULL; p = xml_next(p, "Port")) {
        uint32_t slot = 0;
        if (!xml_u32(p, "slot", 0, 1, &slot, error))
            return false;
        struct settings_lpt *l = &s->lpt[slot];
        l->io_base = 0x378;
        l->irq = 7;
        if (!xml_bool(p, "enabled", &l->enabled, error) || !xml_u32(p, "IOBase", 0x100, 0xfff8, &l->io_base, error) ||
            !xml_u32(p, "IRQ", 1, 15, &l->irq, error) || !xml_str(p, "path", false, &l->path, error))
            return false;
    }
    return true;
}

static bool parse_attachment(struct settings_controller *c, const struct xml_node *n, GError **error)
{
    struct settings_attachment a = {.line = xml_line(n)};
    const struct xml_node *image = xml_child(n, "Image"), *drive = xml_child(n, "HostDrive");
    int kind = DEVICE_HARD_DISK;

    if (!xml_enum(n, "type", device_names, &kind, error) || !xml_u32(n, "port", 0, 255, &a.port, error) ||
        !xml_u32(n, "device", 0, 1, &a.device, error) ||
        (image != NULL && !xml_uuid(image, "uuid", true, &a.image_uuid, error)) ||
        (drive != NULL && !xml_str(drive, "src", true, &a.host_drive, error))) {
        attachment_clear(&a);
        return false;
    }
    a.kind = (enum settings_device)kind;
    for (unsigned k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *o = &g_array_index(c->attachments, struct settings_attachment, k);
        if (o->port == a.port && o->device == a.device) {
            xml_fail(n, error, "Port %u, device %u of controller '%s' is already taken (line %u)", a.port, a.device,
                     c->name, o->line);
            attachment_clear(&a);
            return false;
        }
    }
    if (a.kind == DEVICE_HARD_DISK && a.image_uuid == NULL) {
        xml_fail(n, error, "A hard disk is attached to '%s' without an image", c->name);
        attachment_clear(&a);
        return false;
    }
    g_array_append_val(c->attachments, a);
    return true;
}

static bool parse_controller(struct settings *s, const struct xml_node *n, GError **error)
{
    struct settings_controller c = {.line = xml_line(n),
                                    .attachments = g_array_new(FALSE, TRUE, sizeof(struct settings_attachment))};

    g_array_set_clear_func(c.attachments, attachment_clear);
    bool ok = xml_str(n, "name", true, &c.name, error) && xml_str(n, "type", true, &c.type, error);
    for (const struct xml_node *d = xml_child(n, "AttachedDevice"); ok && d != NULL;
         d = xml_next(d, "AttachedDevice")) {
        if (c.attachments->len >= MAX_ATTACHMENTS) {
            xml_fail(d, error, "Controller '%s' has more than %u devices", c.name, MAX_ATTACHMENTS);
            ok = false;
        } else {
            ok = parse_attachment(&c, d, error);
        }
    }
    if (ok && s->controllers->len >= MAX_CONTROLLERS) {
        xml_fail(n, error, "More than %u storage controllers", MAX_CONTROLLERS);
        ok = false;
    }
    if (ok)
        g_array_append_val(s->controllers, c);
    else
        controller_clear(&c);
    return ok;
}

static bool parse_controllers(struct settings *s, const struct xml_node *machine, GError **error)
{
    const struct xml_node *list = xml_find(machine, "Hardware/StorageControllers");

    if (list == NULL)
        list = xml_child(machine, "StorageControllers");
    for (const struct xml_node *n = xml_child(list, "StorageController"); n != NULL;
         n = xml_next(n, "StorageController"))
        if (!parse_controller(s, n, error))
            return false;
    return true;
}

/* Adds one medium of the registry; @parent is the enclosing differencing parent, or NULL. */
static bool parse_medium(struct settings *s, const struct xml_node *n, enum settings_device kind, const char *parent,
                         GError **error)
{
    struct settings_medium m = {.kind = kind};
    g_autofree char *location = NULL;

    if (s->media->len >= MAX_MEDIA) {
        xml_fail(n, error, "More than %u media are registered", MAX_MEDIA);
        return false;
    }
    if (!xml_uuid(n, "uuid", true, &m.uuid, error) || !xml_str(n, "location", true, &location, error) ||
        !xml_str(n, "format", false, &m.format, error) || !xml_str(n, "type", false, &m.type, error)) {
        medium_clear(&m);
        return false;
    }
    if (settings_find_medium(s, m.uuid) != NULL) {
        xml_fail(n, error, "Medium %s is registered twice", m.uuid);
        medium_clear(&m);
        return false;
    }
    m.location = g_canonicalize_filename(location, s->folder);
    m.parent_uuid = g_strdup(parent);
    if (m.format == NULL)
        m.format = g_strdup(kind == DEVICE_HARD_DISK ? "VDI" : "RAW");
    g_array_append_val(s->media, m);
    return true;
}

/* The tree of differencing images, walked without recursion: its depth comes from the file. */
static bool parse_disk_tree(struct settings *s, const struct xml_node *list, GError **error)
{
    g_autoptr(GPtrArray) open = g_ptr_array_new(); /* siblings still to visit */
    g_autoptr(GPtrArray) parents = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(open, xml_child(list, "HardDisk"));
    g_ptr_array_add(parents, NULL);
    while (open->len > 0) {
        struct xml_node *n = open->pdata[open->len - 1];
        if (n == NULL) {
            g_ptr_array_set_size(open, (int)open->len - 1);
            g_ptr_array_set_size(parents, (int)parents->len - 1);
            continue;
        }
        open->pdata[open->len - 1] = xml_next(n, "HardDisk");
        if (!parse_medium(s, n, DEVICE_HARD_DISK, parents->pdata[parents->len - 1], error))
            return false;
        g_ptr_array_add(open, xml_child(n, "HardDisk"));
        g_ptr_array_add(parents, g_strdup(g_array_index(s->media, struct settings_medium, s->media->len - 1).uuid));
    }
    return true;
}

static bool parse_media(struct settings *s, const struct xml_node *machine, GError **error)
{
    static const struct {
        const char *list;
        enum settings_device kind;
    } images[] = {{"DVDImages", DEVICE_DVD}, {"FloppyImages", DEVICE_FLOPPY}};
    const struct xml_node *registry = xml_child(machine, "MediaRegistry");

    if (!parse_disk_tree(s, xml_child(registry, "HardDisks"), error))
        return false;
    for (unsigned k = 0; k < G_N_ELEMENTS(images); k++) {
        const struct xml_node *list = xml_child(registry, images[k].list);
        for (const struct xml_node *n = xml_child(list, "Image"); n != NULL; n = xml_next(n, "Image"))
            if (!parse_medium(s, n, images[k].kind, NULL, error))
                return false;
    }
    return true;
}

static bool parse_extra_data(struct settings *s, const struct xml_node *machine, GError **error)
{
    const struct xml_node *list = xml_child(machine, "ExtraData");

    for (const struct xml_node *n = xml_child(list, "ExtraDataItem"); n != NULL; n = xml_next(n, "ExtraDataItem")) {
        g_autofree char *name = NULL, *value = NULL;
        if (!xml_str(n, "name", true, &name, error) || !xml_str(n, "value", true, &value, error))
            return false;
        g_hash_table_replace(s->extra_data, g_steal_pointer(&name), g_steal_pointer(&value));
    }
    return true;
}

static bool parse_hardware(struct settings *s, const struct xml_node *machine, GError **error)
{
    const struct xml_node *hw = xml_child(machine, "Hardware"), *platform = xml_child(hw, "Platform");

    if (hw == NULL) {
        xml_fail(machine, error, "The Hardware element is missing");
        return false;
    }
    if (platform == NULL)
        platform = xml_child(machine, "Platform");
    const struct xml_node *memory = xml_child(hw, "Memory"), *display = xml_child(hw, "Display");
    if (memory == NULL) {
        xml_fail(hw, error, "The Memory element is missing");
        return false;
    }
    return xml_u32(memory, "RAMSize", 4, 2097152, &s->ram_mib, error) &&
           (display == NULL || (xml_u32(display, "VRAMSize", 1, 256, &s->vram_mib, error) &&
                                xml_str(display, "controller", false, &s->display_controller, error))) &&
           parse_cpu(s, xml_child(hw, "CPU"), error) && parse_cpu(s, xml_child(platform, "CPU"), error) &&
           parse_cpu(s, xml_find(platform, "x86/CPU"), error) && parse_firmware(s, hw, error) &&
           parse_board(s, hw, error) && parse_board(s, platform, error) &&
           parse_board(s, xml_child(platform, "x86"), error) && parse_boot(s, xml_child(hw, "Boot"), error) &&
           parse_ports(s, hw, error);
}

static bool parse_root(struct settings *s, const struct xml_node *root, GError **error)
{
    const struct xml_node *machine = xml_child(root, "Machine");
    g_autofree char *version = NULL;
    unsigned major = 0, minor = 0;

    if (strcmp(xml_name(root), "VirtualBox") != 0) {
        xml_fail(root, error, "The root element is '%s'; a settings file has 'VirtualBox'", xml_name(root));
        return false;
    }
    if (!xml_str(root, "version", true, &version, error))
        return false;
    if (sscanf(version, "%3u.%3u", &major, &minor) != 2 || major != 1 || minor < 7) {
        xml_fail(root, error, "Cannot handle settings version '%s'", version);
        return false;
    }
    if (machine == NULL) {
        xml_fail(root, error, "%s",
                 xml_child(root, "Global") != NULL ? "This is the global settings file, not a machine's"
                 : xml_child(root, "MachineEncrypted") != NULL
                     ? "The machine's settings are encrypted; decrypt them first"
                     : "The Machine element is missing");
        return false;
    }
    return xml_uuid(machine, "uuid", true, &s->uuid, error) && xml_str(machine, "name", true, &s->name, error) &&
           xml_str(machine, "OSType", false, &s->os_type, error) &&
           xml_str(machine, "stateFile", false, &s->state_file, error) && parse_hardware(s, machine, error) &&
           parse_media(s, machine, error) && parse_controllers(s, machine, error) &&
           parse_extra_data(s, machine, error);
}

struct settings *settings_load(const char *path, GError **error)
{
    struct xml_doc *doc = xml_load(path, error);

    if (doc == NULL)
        return NULL;
    struct settings *s = settings_new(path);
    if (!parse_root(s, xml_root(doc), error)) {
        settings_free(s);
        s = NULL;
    }
    xml_free(doc);
    return s;
}
