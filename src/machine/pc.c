/*
 * pc.c - the standard PC as tables; see pc.h.
 *
 * A row of `devices` is one device instance and when it exists; rows of `keys` are configuration values that do not
 * come from the settings. What does come from them is set in the functions below, one per device that has any.
 * Slots, ports and lines are VirtualBox's (doc/machine.md).
 */
#include "machine/pc.h"

#include <string.h>

#include "vmm/cfgm/cfgm.h"

#define MIB (UINT64_C(1) << 20)

static bool always(const struct pc_settings *s, unsigned instance)
{
    (void)s;
    (void)instance;
    return true;
}

static bool with_bios(const struct pc_settings *s, unsigned instance)
{
    (void)instance;
    return !s->efi;
}

static bool with_efi(const struct pc_settings *s, unsigned instance)
{
    (void)instance;
    return s->efi;
}

static bool with_uart(const struct pc_settings *s, unsigned instance)
{
    return s->uart[instance].enabled;
}

static bool with_lpt(const struct pc_settings *s, unsigned instance)
{
    return s->lpt[instance].enabled;
}

static bool with_hpet(const struct pc_settings *s, unsigned instance)
{
    (void)instance;
    return s->hpet;
}

static bool with_ioapic(const struct pc_settings *s, unsigned instance)
{
    (void)instance;
    return s->ioapic;
}

static bool with_acpi(const struct pc_settings *s, unsigned instance)
{
    (void)instance;
    return s->acpi && !s->efi;
}

/* OVMF looks for power management only where PIIX4 has it, as function 3 of the ISA bridge's slot. */
static bool with_efi_acpi(const struct pc_settings *s, unsigned instance)
{
    (void)instance;
    return s->acpi && s->efi;
}

static bool with_floppy(const struct pc_settings *s, unsigned instance)
{
    (void)instance;
    return s->storage[PC_FLOPPY].exists;
}

/* ---- configuration that comes from the settings ---- */

static void add_uart(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    cfgm_set_integer(config, "IOBase", s->uart[n].io_base);
    cfgm_set_integer(config, "IRQ", s->uart[n].irq);
    cfgm_set_string(config, "UartType", s->uart[n].type);
}

static void add_lpt(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    cfgm_set_integer(config, "IOBase", s->lpt[n].io_base);
    cfgm_set_integer(config, "IRQ", s->lpt[n].irq);
}

static void add_rtc(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    static const char *const names[] = {"NONE", "FLOPPY", "DVD", "IDE", "LAN"};

    (void)n;
    cfgm_set_integer(config, "UseUTC", s->rtc_utc);
    cfgm_set_aside(config, "UseUTC"); /* a saved clock goes on as it is */
    cfgm_set_integer(config, "FloppyTypes", (s->floppy[0] ? 0x40u : 0u) | (s->floppy[1] ? 0x04u : 0u));
    for (unsigned k = 0, used = 0; k < 4 && used < 3; k++) {
        char key[] = "BootDevice0";
        if (s->boot_order[k] == PC_BOOT_NONE)
            continue;
        key[10] = (char)('0' + used++);
        cfgm_set_string(config, key, names[s->boot_order[k]]);
    }
}

static void add_vga(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    uint64_t bytes = MIB;

    (void)n;
    while (bytes < s->vram_mib * MIB && bytes < 256 * MIB) /* a BAR's size is a power of two */
        bytes <<= 1;
    cfgm_set_integer(config, "VRamSize", bytes);
}

static void add_ide(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    static const char *const kinds[] = {"None", "HardDisk", "DVD"};

    (void)n;
    cfgm_set_string(config, "Type", s->ide_type);
    for (unsigned k = 0; k < 4; k++) {
        char key[] = "Drive0";
        key[5] = (char)('0' + k);
        cfgm_set_string(config, key, kinds[s->ide[k]]);
    }
}

static void add_floppy(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    (void)n;
    cfgm_set_string(config, "Drive0", s->floppy[0] ? "Floppy" : "None");
    cfgm_set_string(config, "Drive1", s->floppy[1] ? "Floppy" : "None");
}

/*
 * Controllers whose ports are told by letters. @path, @end: before and after the port's number in a disk in
 * OpenFirmware's words, as SeaBIOS and OVMF spell it. @apart: each port is a PCI function and an instance of its own,
 * without letters. @from_one: ports are counted from 1 there.
 */
static const struct {
    const char *name;
    int slot;
    const char *path, *end;
    bool apart, from_one;
} controllers[PC_STORAGES] = {
    [PC_AHCI] = {"ahci", 13, "/pci@i0cf8/pci8086,2922@d/drive@", "/disk@0\n", false, false},
    [PC_VIRTIO_SCSI] = {"virtio-scsi", 15, "/pci@i0cf8/scsi@f/channel@0/disk@", ",0\n", false, false},
    [PC_LSILOGIC] = {"lsilogicscsi", 20, "/pci@i0cf8/scsi@14/channel@0/disk@", ",0\n", false, false},
    [PC_LSILOGIC_SAS] = {"lsilogicsas", 22, "/pci@i0cf8/scsi@16/channel@0/disk@", ",0\n", false, false},
    [PC_BUSLOGIC] = {"buslogic", 21, "/pci@i0cf8/scsi@15/channel@0/disk@", ",0\n", false, false},
    [PC_NVME] = {"nvme", 14, "/pci@i0cf8/pci8086,5845@e/namespace@", ",0\n", .from_one = true},
    [PC_VIRTIO_BLK] = {"virtio-blk", 23, "/pci@i0cf8/scsi@17,", "/disk@0,0\n", .apart = true},
};

static struct cfgm_node *add_function(struct cfgm_node *root, enum pc_storage which, unsigned instance)
{
    g_autofree char *path = g_strdup_printf("Devices/%s/%u", controllers[which].name, instance);
    struct cfgm_node *node = cfgm_insert(root, path);

    cfgm_set_integer(node, "Trusted", 1);
    cfgm_set_integer(node, "PCIBusNo", 0);
    cfgm_set_integer(node, "PCIDeviceNo", (uint64_t)controllers[which].slot);
    cfgm_set_integer(node, "PCIFunctionNo", instance);
    return cfgm_insert(node, "Config");
}

static void add_controller(struct cfgm_node *root, const struct pc_settings *s, enum pc_storage which)
{
    const struct pc_storage_settings *st = &s->storage[which];
    struct cfgm_node *config;

    if (controllers[which].apart) {
        for (unsigned port = 0, n = 0; port < st->ports; port++)
            if (st->drives[port] != '-')
                add_function(root, which, n++);
        return;
    }
    config = add_function(root, which, 0);
    cfgm_set_integer(config, "PortCount", st->ports);
    cfgm_set_string(config, "Drives", st->drives);
}

static void set_uuid(struct cfgm_node *config, const char *text)
{
    uint8_t bytes[16] = {0};
    unsigned n = 0;

    for (; *text != '\0' && n < 32; text++) {
        int digit = g_ascii_xdigit_value(*text);
        if (digit < 0)
            continue;
        bytes[n / 2] = (uint8_t)(bytes[n / 2] << 4 | digit);
        n++;
    }
    cfgm_set_bytes(config, "UUID", bytes, sizeof bytes);
}

static void add_paths(GString *out, const struct pc_settings *s, enum pc_storage which, enum pc_drive want)
{
    const struct pc_storage_settings *st = &s->storage[which];
    const bool apart = controllers[which].apart;

    for (unsigned port = 0, n = 0; controllers[which].name && st->exists && port < st->ports; port++) {
        const unsigned number = apart ? n : port + controllers[which].from_one;

        if (st->drives[port] == '-')
            continue;
        n++;
        if ((st->drives[port] == 'D') != (want == PC_DRIVE_DVD))
            continue;
        if (apart && number == 0) /* function 0 is not named */
            g_string_append_printf(out, "%.*s%s", (int)strlen(controllers[which].path) - 1, controllers[which].path,
                                   controllers[which].end);
        else
            g_string_append_printf(out, "%s%x%s", controllers[which].path, number, controllers[which].end);
    }
}

/* OpenFirmware paths for SeaBIOS and OVMF, in boot order. */
static char *boot_paths(const struct pc_settings *s)
{
    GString *out = g_string_new(NULL);

    for (unsigned k = 0; k < 4; k++) {
        enum pc_drive want = s->boot_order[k] == PC_BOOT_DVD ? PC_DRIVE_DVD : PC_DRIVE_DISK;
        if (s->boot_order[k] == PC_BOOT_FLOPPY && s->storage[PC_FLOPPY].exists)
            g_string_append(out, "/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n");
        if (s->boot_order[k] != PC_BOOT_DVD && s->boot_order[k] != PC_BOOT_DISK)
            continue;
        for (unsigned d = 0; d < 4; d++)
            if (s->ide[d] == want)
                g_string_append_printf(out, "/pci@i0cf8/ide@1,1/drive@%u/disk@%u\n", d / 2, d % 2);
        for (unsigned c = 0; c < PC_STORAGES; c++)
            add_paths(out, s, c, want);
    }
    return g_string_free(out, FALSE);
}

static void add_fw_cfg(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    unsigned uarts = 0, lpts = 0;
    g_autofree char *order = boot_paths(s);

    (void)n;
    for (unsigned k = 0; k < 4; k++)
        uarts |= s->uart[k].enabled ? 1u << k : 0u;
    for (unsigned k = 0; k < 2; k++)
        lpts |= s->lpt[k].enabled ? 1u << k : 0u;
    cfgm_set_integer(config, "UartMask", uarts);
    cfgm_set_integer(config, "ParallelMask", lpts);
    cfgm_set_integer(config, "Floppy", s->storage[PC_FLOPPY].exists);
    cfgm_set_integer(config, "IoApic", s->ioapic);
    cfgm_set_integer(config, "Hpet", s->hpet);
    cfgm_set_integer(config, "Acpi", s->acpi);
    cfgm_set_string(config, "BootOrder", order);
    set_uuid(config, s->uuid);
    cfgm_set_aside(config, "UUID"); /* the guest has read it */
}

static void add_flash(struct cfgm_node *config, const struct pc_settings *s, unsigned n)
{
    (void)n;
    cfgm_set_string(config, "NvramPath", s->nvram_path);
    cfgm_set_aside(config, "NvramPath");
}

/* ---- the board ---- */

static const struct {
    const char *name;
    unsigned instance;
    bool (*exists)(const struct pc_settings *s, unsigned instance);
    void (*config)(struct cfgm_node *config, const struct pc_settings *s, unsigned instance);
    int slot, func; /* PCI, -1 = not a PCI function */
} devices[] = {
    /* what others refer to comes first */
    {"i8259", 0, always, NULL, -1, -1},
    {"ioapic", 0, with_ioapic, NULL, -1, -1},
    {"apic", 0, always, NULL, -1, -1},
    {"8237A", 0, always, NULL, -1, -1},
    {"i440fx", 0, always, NULL, 0, 0},
    {"piix3", 0, always, NULL, 1, 0},
    {"port92", 0, always, NULL, -1, -1},
    {"i8254", 0, always, NULL, -1, -1},
    {"mc146818", 0, always, add_rtc, -1, -1},
    {"hpet", 0, with_hpet, NULL, -1, -1},
    {"acpi", 0, with_acpi, NULL, 7, 0},
    {"acpi", 0, with_efi_acpi, NULL, 1, 3},
    {"pcbios", 0, with_bios, NULL, -1, -1},
    {"flash", 0, with_efi, add_flash, -1, -1},
    {"qemu-fw-cfg", 0, always, add_fw_cfg, -1, -1},
    {"vga", 0, always, add_vga, 2, 0},
    {"pckbd", 0, always, NULL, -1, -1},
    {"serial", 0, with_uart, add_uart, -1, -1},
    {"serial", 1, with_uart, add_uart, -1, -1},
    {"serial", 2, with_uart, add_uart, -1, -1},
    {"serial", 3, with_uart, add_uart, -1, -1},
    {"parallel", 0, with_lpt, add_lpt, -1, -1},
    {"parallel", 1, with_lpt, add_lpt, -1, -1},
    {"debugcon", 0, always, NULL, -1, -1},
    {"piix3ide", 0, always, add_ide, 1, 1},
    {"i82078", 0, with_floppy, add_floppy, -1, -1},
};

static void add_device(struct cfgm_node *root, const struct pc_settings *s, unsigned row)
{
    g_autofree char *path = g_strdup_printf("Devices/%s/%u", devices[row].name, devices[row].instance);
    struct cfgm_node *node = cfgm_insert(root, path);

    cfgm_set_integer(node, "Trusted", 1);
    cfgm_set_integer(node, "Priority", row + 1);
    if (devices[row].slot >= 0) {
        cfgm_set_integer(node, "PCIBusNo", 0);
        cfgm_set_integer(node, "PCIDeviceNo", (uint64_t)devices[row].slot);
        cfgm_set_integer(node, "PCIFunctionNo", (uint64_t)devices[row].func);
    }
    struct cfgm_node *config = cfgm_insert(node, "Config");
    if (devices[row].config != NULL)
        devices[row].config(config, s, devices[row].instance);
}

struct cfgm_node *pc_build(const struct pc_settings *s)
{
    struct cfgm_node *root = cfgm_new();

    cfgm_set_string(root, "Name", s->name);
    cfgm_set_string(root, "UUID", s->uuid);
    cfgm_set_aside(root, "Name"); /* a state may go to another machine that is made alike */
    cfgm_set_aside(root, "UUID");
    cfgm_set_integer(root, "NumCPUs", s->cpus);
    cfgm_set_integer(root, "RamSize", s->ram_mib * MIB);
    cfgm_set_integer(root, "UTCOffset", (uint64_t)s->time_offset_ms);
    cfgm_set_integer(root, "EnablePAE", s->pae);
    cfgm_set_integer(root, "EnableLongMode", s->long_mode);
    cfgm_set_integer(root, "TripleFaultReset", s->triple_fault_reset);
    cfgm_set_integer(root, "RawMode", s->raw_mode);
    cfgm_set_aside(root, "RawMode"); /* how it runs, not what the guest sees */
    if (s->cpu_profile != NULL)
        cfgm_set_string(root, "CpuProfile", s->cpu_profile);
    for (unsigned row = 0; row < G_N_ELEMENTS(devices); row++)
        if (devices[row].exists(s, devices[row].instance))
            add_device(root, s, row);
    for (unsigned c = 0; c < PC_STORAGES; c++)
        if (controllers[c].name && s->storage[c].exists)
            add_controller(root, s, c);
    return root;
}
