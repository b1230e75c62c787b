/*
 * hardware_map.c - tables of a machine's hardware, in the order in which the file has it.
 *
 * Versions: up to 1.19 everything stands in Hardware; since 1.20 processor, chipset and clock stand in Platform, what
 * only x86 has in Platform/x86, and BIOS has become part of Firmware. Both layouts are made of the same rows. Layouts
 * that differ by more than the place of an element are changed in layout.c before reading and after writing.
 */
#include "main/settings/hardware.h"

#include <string.h>

#include "main/settings/map_rows.h"

/* ---- processor ---- */

#define T struct settings_cpu_id
const struct map_type map_cpu_id = {ITEM_TYPE(cpu_id), .attrs = ATTRS(U32("id", id, 0, .flags = ATTR_REQUIRED))};
#undef T

#define T struct settings_cpuid_leaf
const struct map_type map_cpuid_leaf = {
    ITEM_TYPE(cpuid_leaf),
    .attrs = ATTRS(U32("id", leaf, 0, .flags = ATTR_REQUIRED), U32("subleaf", subleaf, 0, .since = 16),
                   U32("eax", eax, 0, .flags = ATTR_ALWAYS), U32("ebx", ebx, 0, .flags = ATTR_ALWAYS),
                   U32("ecx", ecx, 0, .flags = ATTR_ALWAYS), U32("edx", edx, 0, .flags = ATTR_ALWAYS))};
#undef T

#define T struct settings_cpu
#define CPU_COMMON                                                                                                     \
    U32("count", count, 1, .min = 1, .max = 64),                                                                       \
        U32("executionCap", execution_cap, 100, .since = 11, .min = 1, .max = 100),                                    \
        U32("CpuIdPortabilityLevel", portability_level, 0, .since = 15), STR("CpuProfile", profile, .since = 16),      \
        BOOL("hotplug", hotplug, false, .since = 10)
#define CPU_TREE ONE("CpuTree", WITH_ELEMS(LIST("Cpu", plugged, &map_cpu_id)), .since = 10)
#define CPU_FLAGS                                                                                                      \
    ENABLED("HardwareVirtEx", hw_virt, true), ENABLED("HardwareVirtExNestedPaging", nested_paging, true),              \
        ENABLED("HardwareVirtExVPID", vpid, true), ENABLED("HardwareVirtExUX", unrestricted, true),                    \
        ONE("PAE", WITH_ATTRS(BOOL("enabled", pae, true, .old_def = false, .old_until = 8, .flags = ATTR_ALWAYS))),    \
        ONE("IBPBOn", WITH_ATTRS(BOOL("vmexit", ibpb_exit, false), BOOL("vmentry", ibpb_entry, false)), .since = 16),  \
        ENABLED("SpecCtrl", spec_ctrl, false, .since = 16),                                                            \
        ENABLED("SpecCtrlByHost", spec_ctrl_by_host, false, .since = 16),                                              \
        ONE("L1DFlushOn",                                                                                              \
            WITH_ATTRS(BOOL("scheduling", l1d_flush_sched, true), BOOL("vmentry", l1d_flush_entry, false)),            \
            .since = 16),                                                                                              \
        ONE("MDSClearOn",                                                                                              \
            WITH_ATTRS(BOOL("scheduling", mds_clear_sched, true), BOOL("vmentry", mds_clear_entry, false)),            \
            .since = 16),                                                                                              \
        ENABLED("NestedHWVirt", nested_hw_virt, false, .since = 17),                                                   \
        ENABLED("HardwareVirtExVirtVmsaveVmload", vmsave_vmload, true, .since = 18),                                   \
        ONE("LongMode", WITH_ATTRS(ENUM("enabled", long_mode, long_mode, LONG_MODE_LEGACY)), .since = 14),             \
        ENABLED("TripleFaultReset", triple_fault_reset, false), ENABLED("X2APIC", x2apic, false, .since = 16),         \
        ENABLED("APIC", apic, true, .since = 16), ENABLED("SyntheticCpu", synthetic, false),                           \
        ONE("HardwareVirtExLargePages", WITH_ATTRS(BOOL("enabled", large_pages, false, .flags = ATTR_ALWAYS))),        \
        ENABLED("HardwareVirtForce", hw_virt_force, false, .since = 9),                                                \
        ENABLED("HardwareVirtExUseNativeApi", native_api, false, .since = 17),                                         \
        ONE("CpuIdTree", WITH_ELEMS(LIST("CpuIdLeaf", leaves, &map_cpuid_leaf)))

static const struct map_type cpu_inline = {.attrs = ATTRS(CPU_COMMON), .elems = ELEMS(CPU_FLAGS, CPU_TREE)};
static const struct map_type cpu_common = {.attrs = ATTRS(CPU_COMMON), .elems = ELEMS(CPU_TREE)};
static const struct map_type cpu_x86 = {.elems = ELEMS(CPU_FLAGS)};
#undef T

/* ---- firmware ---- */

#define T struct settings_firmware
static bool has_logo(const void *s)
{
    const T *f = s;

    return !f->logo_fade_in || !f->logo_fade_out || f->logo_time_ms != 0 || f->logo_image != NULL;
}

#define FIRMWARE_TYPE ENUM("type", type, firmware_type, FIRMWARE_BIOS)
#define FIRMWARE_REST                                                                                                  \
    ENABLED("ACPI", acpi, true), ENABLED("IOAPIC", ioapic, false),                                                     \
        ONE("APIC", WITH_ATTRS(ENUM("mode", apic_mode, apic_mode, APIC_APIC)), .since = 16),                           \
        ONE("Logo", WITH_ATTRS(BOOL("fadeIn", logo_fade_in, true, .when = has_logo),                                   \
                               BOOL("fadeOut", logo_fade_out, true, .when = has_logo),                                 \
                               U32("displayTime", logo_time_ms, 0, .when = has_logo), STR("imagePath", logo_image))),  \
        ONE("BootMenu", WITH_ATTRS(ENUM("mode", boot_menu, boot_menu, BOOT_MENU_MESSAGE))),                            \
        ONE("TimeOffset", WITH_ATTRS(I64("value", time_offset_ms))), ENABLED("PXEDebug", pxe_debug, false),            \
        ONE("NVRAM",                                                                                                   \
            WITH_ATTRS(STR("path", nvram_path), STR("keyId", nvram_key_id, .since = 19),                               \
                       STR("keyStore", nvram_key_store, .since = 19)),                                                 \
            .since = 18),                                                                                              \
        ENABLED("SmbiosUuidLittleEndian", smbios_uuid_le, false), ENABLED("AutoSerialNumGen", auto_serial, false)

static const struct map_type firmware_type = {.attrs = ATTRS(FIRMWARE_TYPE)};
static const struct map_type firmware_bios = {.elems = ELEMS(FIRMWARE_REST)};
static const struct map_type firmware_all = {.attrs = ATTRS(FIRMWARE_TYPE), .elems = ELEMS(FIRMWARE_REST)};
#undef T

/* ---- remote display, USB, lines, audio ---- */

#define T struct settings_vrde
static const struct map_type map_vrde = {
    .attrs = ATTRS(BOOL("enabled", enabled, false, .old_def = true, .old_until = 15),
                   ENUM("authType", auth, auth, AUTH_NULL), U32("authTimeout", auth_timeout_ms, 5000),
                   BOOL("allowMultiConnection", multi_connection, false),
                   BOOL("reuseSingleConnection", reuse_connection, false),
                   STR("authLibrary", auth_library, .since = 11), STR("VRDEExtPack", ext_pack, .since = 11)),
    .elems =
        ELEMS(ONE("VRDEProperties", WITH_ELEMS(LIST("Property", properties, &map_property, .flags = ELEM_SORTED))))};
#undef T

#define T struct settings_usb_controller
const struct map_type map_usb_controller = {
    ITEM_TYPE(usb_controller), .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED),
                                              ENUM("type", type, usb_type, USB_OHCI, .flags = ATTR_REQUIRED))};
#undef T

#define T struct settings_usb_filter
const struct map_type map_usb_filter = {
    ITEM_TYPE(usb_filter),
    .attrs = ATTRS(STR("name", name, .flags = ATTR_ALWAYS), BOOL("active", active, false, .flags = ATTR_ALWAYS),
                   STR("vendorId", vendor_id), STR("productId", product_id), STR("revision", revision),
                   STR("manufacturer", manufacturer), STR("product", product), STR("serialNumber", serial_number),
                   STR("port", port), ENUM("action", action, filter_action, FILTER_NONE), STR("remote", remote),
                   U32("maskedInterfaces", masked_interfaces, 0))};
#undef T

#define T struct settings_uart
static void uart_slot(void *item, unsigned slot)
{
    static const struct {
        uint32_t io_base, irq;
    } lines[SETTINGS_UARTS] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};
    T *u = item;

    u->io_base = lines[slot].io_base;
    u->irq = lines[slot].irq;
}

static bool has_server(const void *s)
{
    const T *u = s;

    return u->mode == UART_TCP || u->mode == UART_HOST_PIPE;
}

static bool has_path(const void *s)
{
    const T *u = s;

    return u->mode != UART_DISCONNECTED;
}

static char *check_uart(const void *item)
{
    const T *u = item;

    return u->enabled && u->mode != UART_DISCONNECTED && u->path == NULL
               ? g_strdup_printf("The serial port has host mode %s but no path", settings_uart_mode_names[u->mode])
               : NULL;
}

static unsigned uart_need(const void *item)
{
    return ((const T *)item)->mode == UART_TCP ? 15 : 0;
}

static const struct map_type map_uart = {
    .size = sizeof(T),
    .item = true,
    .kept = offsetof(T, kept),
    .slot = "slot",
    .slot_init = uart_slot,
    .check = check_uart,
    .need = uart_need,
    .attrs = ATTRS(
        BOOL("enabled", enabled, false, .flags = ATTR_ALWAYS),
        HEX("IOBase", io_base, 0x3f8, .until = 19, .flags = ATTR_ALWAYS, .min = 0x100, .max = 0xfff8),
        HEX("IOAddress", io_base, 0x3f8, .since = 20, .flags = ATTR_ALWAYS | ATTR_MOVED, .min = 0x100, .max = 0xfff8),
        U32("IRQ", irq, 4, .flags = ATTR_ALWAYS, .min = 1, .max = 15),
        BOOL("server", server, false, .when = has_server), STR("path", path, .when = has_path),
        ENUM("hostMode", mode, uart_mode, UART_DISCONNECTED, .flags = ATTR_ALWAYS),
        ENUM("uartType", type, uart_type, UART_16550A, .since = 17))};
#undef T

#define T struct settings_lpt
static void lpt_slot(void *item, unsigned slot)
{
    T *l = item;

    l->io_base = slot == 0 ? 0x378 : 0x278;
    l->irq = slot == 0 ? 7 : 5;
}

static const struct map_type map_lpt = {
    .size = sizeof(T),
    .item = true,
    .kept = offsetof(T, kept),
    .slot = "slot",
    .slot_init = lpt_slot,
    .attrs = ATTRS(BOOL("enabled", enabled, false, .flags = ATTR_ALWAYS),
                   HEX("IOBase", io_base, 0x378, .flags = ATTR_ALWAYS, .min = 0x100, .max = 0xfff8),
                   U32("IRQ", irq, 7, .flags = ATTR_ALWAYS, .min = 1, .max = 15), STR("path", path))};
#undef T

#define T struct settings_audio
static const struct map_type map_audio = {
    .attrs = ATTRS(ENUM("controller", controller, audio_controller, AUDIO_AC97),
                   ENUM("codec", codec, audio_codec, CODEC_NONE), BOOL("useDefault", use_default, false, .since = 19),
                   ENUM("driver", driver, audio_driver, AUDIO_NULL, .flags = ATTR_ALWAYS),
                   BOOL("enabled", enabled, false, .old_def = true, .old_until = 15, .until = 15, .flags = ATTR_ALWAYS),
                   BOOL("enabled", enabled, false, .old_def = true, .old_until = 15, .since = 16, .flags = ATTR_MOVED),
                   BOOL("enabledIn", in, false, .old_def = true, .old_until = 16),
                   BOOL("enabledOut", out, false, .old_def = true, .old_until = 16)),
    .elems = ELEMS(LIST("Property", properties, &map_property, .since = 15))};
#undef T

/* ---- small lists ---- */

#define T struct settings_shared_folder
const struct map_type map_shared_folder = {
    ITEM_TYPE(shared_folder),
    .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED), STR("hostPath", host_path, .flags = ATTR_REQUIRED),
                   BOOL("writable", writable, false, .old_def = true, .old_until = 6, .flags = ATTR_ALWAYS),
                   BOOL("autoMount", auto_mount, false, .flags = ATTR_ALWAYS),
                   STR("autoMountPoint", auto_mount_point, .since = 17),
                   ENUM("symlinkPolicy", symlinks, symlinks, SYMLINKS_NONE, .since = 20))};
#undef T

#define T struct settings_bandwidth_group
static unsigned bandwidth_need(const void *item)
{
    return ((const T *)item)->max_bytes_per_s % (1 << 20) != 0 ? 13 : 0;
}

const struct map_type map_bandwidth_group = {
    ITEM_TYPE(bandwidth_group), .need = bandwidth_need,
    .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED),
                   ENUM("type", type, bandwidth, BANDWIDTH_DISK, .flags = ATTR_ALWAYS),
                   MIB("maxMbPerSec", max_bytes_per_s, .until = 12, .flags = ATTR_ALWAYS),
                   U64("maxBytesPerSec", max_bytes_per_s, .since = 13, .flags = ATTR_ALWAYS | ATTR_MOVED))};
#undef T

#define T struct settings_pci_device
const struct map_type map_pci_device = {ITEM_TYPE(pci_device),
                                        .attrs = ATTRS(U32("host", host, 0, .flags = ATTR_ALWAYS),
                                                       U32("guest", guest, 0, .flags = ATTR_ALWAYS),
                                                       STR("name", name, .flags = ATTR_ALWAYS))};
#undef T

#define T struct settings_guest_property
const struct map_type map_guest_property = {
    ITEM_TYPE(guest_property),
    .attrs = ATTRS(STR("name", name, .flags = ATTR_REQUIRED), STR("value", value, .flags = ATTR_ALWAYS),
                   U64("timestamp", timestamp_ns, .flags = ATTR_ALWAYS), STR("flags", flags, .flags = ATTR_ALWAYS))};
#undef T

/* ---- the whole ---- */

#define T enum settings_device
static void boot_slot(void *item, unsigned slot)
{
    static const T order[] = {DEVICE_FLOPPY, DEVICE_DVD, DEVICE_HARD_DISK, DEVICE_NONE};

    *(T *)item = order[slot];
}

static const struct map_type boot_order = {
    .size = sizeof(T),
    .slot = "position",
    .slot_init = boot_slot,
    .attrs = (const struct map_attr[]){
        {.name = "device", .kind = MAP_ENUM, .names = settings_device_names, .flags = ATTR_ALWAYS}, {.name = NULL}}};
#undef T

#define T struct settings_hardware
static unsigned hardware_need(const void *item);

/* Up to 1.19 a part of Hardware, then of Platform. */
#define RTC(...)     ONE("RTC", WITH_ATTRS(ENUM("localOrUTC", clock, clock, CLOCK_LOCAL)), __VA_ARGS__)
#define CHIPSET(...) ONE("Chipset", WITH_ATTRS(ENUM("type", chipset, chipset, CHIPSET_PIIX3)), __VA_ARGS__)
#define IOMMU(...)   ONE("Iommu", WITH_ATTRS(ENUM("type", iommu, iommu, IOMMU_NONE)), __VA_ARGS__)
#define HPET(...)    ENABLED("HPET", cpu.hpet, false, __VA_ARGS__)

const struct map_type map_hardware = {
    .need = hardware_need,
    .attrs = ATTRS(STR("version", version, .def_text = "2"), UUID("uuid", uuid, .since = 9)),
    .elems = ELEMS(
        PART("CPU", cpu, &cpu_inline, .until = 19),
        ONE("Memory",
            WITH_ATTRS(U32("RAMSize", ram_mib, 128, .flags = ATTR_REQUIRED, .min = 4, .max = 2097152),
                       BOOL("PageFusion", page_fusion, false, .since = 10)),
            .flags = ELEM_REQUIRED),
        ONE("HID",
            WITH_ATTRS(ENUM("Pointing", pointing, pointing, POINTING_PS2),
                       ENUM("Keyboard", keyboard, keyboard, KEYBOARD_PS2)),
            .since = 10),
        HPET(.since = 10, .until = 19), CHIPSET(.since = 11, .until = 19), IOMMU(.since = 19, .until = 19),
        ONE("Paravirt",
            WITH_ATTRS(
                ENUM("provider", paravirt, paravirt, PARAVIRT_DEFAULT, .old_def = PARAVIRT_LEGACY, .old_until = 15),
                STR("debug", paravirt_debug, .since = 16)),
            .since = 15),
        ONE("Boot", WITH_ELEMS(SLOTS("Order", boot_order, &boot_order, 1, .flags = ELEM_ALL_SLOTS))),
        ONE("Display",
            WITH_ATTRS(ENUM("controller", graphics, graphics, GRAPHICS_VBOXVGA, .since = 14),
                       U32("VRAMSize", vram_mib, 8, .max = 256), U32("monitorCount", monitors, 1, .min = 1, .max = 64),
                       BOOL("accelerate3D", accelerate_3d, false),
                       BOOL("accelerate2DVideo", accelerate_2d, false, .since = 8))),
        PART("RemoteDisplay", vrde, &map_vrde),
        PART("Firmware", firmware, &firmware_all, .since = 20, .flags = ELEM_MOVED), /* read in every version */
        PART("Firmware", firmware, &firmware_type, .since = 9, .until = 19, .flags = ELEM_SAME),
        PART("BIOS", firmware, &firmware_bios, .until = 19, .flags = ELEM_SAME),
        ONE("TrustedPlatformModule", WITH_ALL(ENUM("type", tpm, tpm, TPM_NONE), STR("location", tpm_location)),
            .since = 19),
        ONE("USB", WITH_ELEMS(ONE("Controllers", WITH_ELEMS(LIST("Controller", usb_controllers, &map_usb_controller))),
                              ONE("DeviceFilters", WITH_ELEMS(LIST("DeviceFilter", usb_filters, &map_usb_filter))))),
        ONE("Network", WITH_ELEMS(SLOTS("Adapter", adapter, &map_adapter, 0))),
        ONE("UART", WITH_ELEMS(SLOTS("Port", uart, &map_uart, 0))),
        ONE("LPT", WITH_ELEMS(SLOTS("Port", lpt, &map_lpt, 0))),
        PART("AudioAdapter", audio, &map_audio, .flags = ELEM_ALWAYS), RTC(.since = 10, .until = 19),
        ONE("SharedFolders", WITH_ELEMS(LIST("SharedFolder", shared_folders, &map_shared_folder))),
        ONE("Clipboard",
            WITH_ATTRS(ENUM("mode", clipboard, sharing, SHARING_DISABLED),
                       BOOL("fileTransfersEnabled", clipboard_files, false)),
            .flags = ELEM_ALWAYS),
        ONE("DragAndDrop", WITH_ATTRS(ENUM("mode", drag_and_drop, sharing, SHARING_DISABLED))),
        ONE("IO",
            WITH_ELEMS(ONE("IoCache", WITH_ATTRS(BOOL("enabled", io_cache, true), U32("size", io_cache_mib, 5))),
                       ONE("BandwidthGroups",
                           WITH_ELEMS(LIST("BandwidthGroup", bandwidth_groups, &map_bandwidth_group)), .since = 11)),
            .since = 10),
        ONE("HostPci", WITH_ELEMS(ONE("Devices", WITH_ELEMS(LIST("Device", pci_devices, &map_pci_device)))),
            .since = 12),
        ONE("EmulatedUSB", WITH_ELEMS(ENABLED("CardReader", card_reader, false)), .since = 12),
        ONE("Frontend", WITH_ELEMS(ONE("Default", WITH_ATTRS(STR("type", frontend)))), .since = 14),
        ONE("Guest", WITH_ATTRS(U32("memoryBalloonSize", balloon_mib, 0))),
        ONE("GuestProperties", WITH_ELEMS(LIST("GuestProperty", guest_properties, &map_guest_property))),
        ONE("StorageControllers", WITH_ELEMS(LIST("StorageController", controllers, &map_controller)), .since = 17,
            .flags = ELEM_MOVED | ELEM_SAME))};

static const struct map_type platform_x86 = {.elems = ELEMS(HPET(), PART("CPU", cpu, &cpu_x86))};
const struct map_type map_platform = {.attrs = ATTRS(ENUM("architecture", arch, arch, ARCH_X86, .flags = ATTR_ALWAYS)),
                                      .elems = ELEMS(RTC(), CHIPSET(), IOMMU(),
                                                     PART("CPU", cpu, &cpu_common, .flags = ELEM_ALWAYS),
                                                     ONE("x86", &platform_x86))};

/* ---- versions, where no row says it ---- */

/* Before 1.14: OHCI, then EHCI, under these names. */
static unsigned usb_need(const T *h)
{
    unsigned need = 0;
    int last = -1;

    for (guint k = 0; k < h->usb_controllers->len; k++) {
        const struct settings_usb_controller *c = h->usb_controllers->pdata[k];
        bool plain = c->kept == NULL && g_strcmp0(c->name, settings_usb_type_names[c->type]) == 0;
        if ((int)c->type <= last || !plain)
            need = MAX(need, 14);
        if (c->type == USB_XHCI)
            need = 15;
        last = (int)c->type;
    }
    return need;
}

static unsigned vrde_need(const struct settings_vrde *v)
{
    static const struct {
        const char *name;
        unsigned since; /* with an attribute of its own */
    } old[] = {{"TCP/Ports", 7}, {"TCP/Address", 7}, {"VideoChannel/Enabled", 10}, {"VideoChannel/Quality", 10}};
    unsigned need = 0, seen = 0;

    for (guint k = 0; k < v->properties->len; k++) {
        const struct settings_property *p = v->properties->pdata[k];
        unsigned n = 0;
        while (n < G_N_ELEMENTS(old) && g_strcmp0(p->name, old[n].name) != 0)
            n++;
        bool expressible = n < G_N_ELEMENTS(old) && p->kept == NULL && !(seen >> n & 1);
        need = MAX(need, expressible ? old[n].since : 11);
        seen |= 1u << n;
    }
    return need;
}

/* Before 1.9: one DVD drive, as secondary master of the IDE controller, and at most one floppy drive. */
static bool dvd_is_plain(const struct settings_controller *c, const struct settings_attachment *a)
{
    bool ide = c->type == CONTROLLER_PIIX3 || c->type == CONTROLLER_PIIX4 || c->type == CONTROLLER_ICH6;

    return ide && a->port == 1 && a->device == 0;
}

static bool floppy_is_plain(const struct settings_controller *c)
{
    return strcmp(c->name, "Floppy Controller") == 0 && c->port_count == 1 && c->kept == NULL &&
           c->attachments->len == 1 &&
           ((struct settings_attachment *)c->attachments->pdata[0])->kind == DEVICE_FLOPPY &&
           ((struct settings_attachment *)c->attachments->pdata[0])->port == 0 &&
           ((struct settings_attachment *)c->attachments->pdata[0])->device == 0;
}

static unsigned drives_need(const T *h)
{
    unsigned dvds = 0, floppies = 0, odd = 0;

    for (guint k = 0; k < h->controllers->len; k++) {
        const struct settings_controller *c = h->controllers->pdata[k];
        odd += c->type == CONTROLLER_I82078 && !floppy_is_plain(c);
        for (guint n = 0; n < c->attachments->len; n++) {
            const struct settings_attachment *a = c->attachments->pdata[n];
            dvds += a->kind == DEVICE_DVD;
            floppies += a->kind == DEVICE_FLOPPY;
            odd += a->kind == DEVICE_DVD && !dvd_is_plain(c, a);
            odd += a->kind == DEVICE_FLOPPY && c->type != CONTROLLER_I82078;
        }
    }
    return dvds != 1 || floppies > 1 || odd > 0 ? 9 : 0;
}

static unsigned controllers_need(const T *h)
{
    enum { IDE, SATA, SCSI, BUS, SAS, FLOPPY, USB, NVME, VIRTIO, VIRTIO_BLK, KINDS };
    static const unsigned bus[] = {
        [CONTROLLER_PIIX3] = IDE,        [CONTROLLER_PIIX4] = IDE,          [CONTROLLER_ICH6] = IDE,
        [CONTROLLER_AHCI] = SATA,        [CONTROLLER_LSILOGIC] = SCSI,      [CONTROLLER_BUSLOGIC] = BUS,
        [CONTROLLER_LSILOGIC_SAS] = SAS, [CONTROLLER_I82078] = FLOPPY,      [CONTROLLER_USB] = USB,
        [CONTROLLER_NVME] = NVME,        [CONTROLLER_VIRTIO_SCSI] = VIRTIO, [CONTROLLER_VIRTIO_BLK] = VIRTIO_BLK};
    unsigned count[KINDS] = {0};

    for (guint k = 0; k < h->controllers->len; k++)
        if (++count[bus[((struct settings_controller *)h->controllers->pdata[k])->type]] > 1)
            return 11;
    return 0;
}

static unsigned hardware_need(const void *item)
{
    static const unsigned audio[] = {[AUDIO_HDA] = 11, [AUDIO_VIRTIO] = 20};
    const T *h = item;
    unsigned need = MAX(usb_need(h), vrde_need(&h->vrde));

    need = MAX(need, audio[h->audio.controller]);
    need = MAX(need, drives_need(h));
    if (h->graphics == GRAPHICS_QEMU_RAMFB || h->arch != ARCH_X86)
        need = MAX(need, 20);
    return MAX(need, controllers_need(h));
}
#undef T
