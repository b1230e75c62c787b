/*
 * fw_content.c - what the firmware configuration device tells about this machine.
 *
 * Source: QEMU documentation, docs/specs/fw_cfg (item numbers); SeaBIOS src/fw/paravirt.c and OVMF's QemuFwCfg users
 * for the files' names and layouts. ACPI tables name the ports of the power management function, which firmware itself
 * chooses: they are patched when the tables are selected, after firmware has set the function up.
 */
#include "devices/firmware/fw_content.h"

#include <string.h>

#include "devices/firmware/acpi_tables.h"
#include "devices/firmware/smbios.h"

enum { PM_BASE_REG = 0x40, PM_BASE_MASK = 0xffc0 };
#define PM_ID 0x71138086u
enum { E820_RAM = 1, FW_ID_TRADITIONAL = 1, FW_ID_DMA = 2, UUID_BYTES = 16 };
#define ACPI_FILE "etc/acpi/tables"

const struct pdm_cfg_key fw_content_config[] = {
    {.name = "BootOrder", .type = PDM_CFG_STR}, /* OpenFirmware paths, one a line */
    {.name = "BootMenu", .type = PDM_CFG_BOOL},
    {.name = "BootMenuWaitMs", .type = PDM_CFG_U64, .max = 0xffff, .def = 2500},
    {.name = "IoApic", .type = PDM_CFG_BOOL, .def = true},
    {.name = "Hpet", .type = PDM_CFG_BOOL},
    {.name = "Acpi", .type = PDM_CFG_BOOL, .def = true},
    {.name = "UartMask", .type = PDM_CFG_U64, .max = 0xf},     /* bit n: COM(n+1) is there */
    {.name = "ParallelMask", .type = PDM_CFG_U64, .max = 0x3}, /* bit n: LPT(n+1) */
    {.name = "Floppy", .type = PDM_CFG_BOOL},
    {.name = "UUID", .type = PDM_CFG_BYTES},
    {.name = "DmiBIOSVendor", .type = PDM_CFG_STR, .def_str = "innotek GmbH"},
    {.name = "DmiBIOSVersion", .type = PDM_CFG_STR, .def_str = "VirtualBox"},
    {.name = "DmiBIOSReleaseDate", .type = PDM_CFG_STR, .def_str = "12/01/2006"},
    {.name = "DmiSystemVendor", .type = PDM_CFG_STR, .def_str = "innotek GmbH"},
    {.name = "DmiSystemProduct", .type = PDM_CFG_STR, .def_str = "VirtualBox"},
    {.name = "DmiSystemVersion", .type = PDM_CFG_STR, .def_str = "1.2"},
    {.name = "DmiSystemSerial", .type = PDM_CFG_STR, .def_str = "0"},
    {.name = "DmiSystemFamily", .type = PDM_CFG_STR, .def_str = "Virtual Machine"},
    {.name = "DmiSystemSKU", .type = PDM_CFG_STR},
    {.name = "DmiBoardVendor", .type = PDM_CFG_STR, .def_str = "Oracle Corporation"},
    {.name = "DmiBoardProduct", .type = PDM_CFG_STR, .def_str = "VirtualBox"},
    {.name = "DmiBoardVersion", .type = PDM_CFG_STR, .def_str = "1.2"},
    {.name = "DmiBoardSerial", .type = PDM_CFG_STR, .def_str = "0"},
    {.name = "DmiChassisVendor", .type = PDM_CFG_STR, .def_str = "Oracle Corporation"},
    {.name = "DmiChassisVersion", .type = PDM_CFG_STR},
    {.name = "DmiChassisSerial", .type = PDM_CFG_STR},
    {.name = "DmiOEMVBoxVer", .type = PDM_CFG_STR, .def_str = "vboxVer_7.1.0"},
    {.name = "DmiOEMVBoxRev", .type = PDM_CFG_STR, .def_str = "vboxRev_164728"},
    PDM_CFG_END,
};

struct e820_entry {
    uint64_t gpa, bytes;
    uint32_t type;
} __attribute__((packed));

static void add_memory(struct pdm_dev *dev, struct fw_items *items)
{
    struct e820_entry map[2] = {{.type = GUINT32_TO_LE(E820_RAM)}, {.type = GUINT32_TO_LE(E820_RAM)}};
    uint64_t low_bytes, high_bytes;

    pdm_ram_sizes(dev, &low_bytes, &high_bytes);
    map[0].bytes = GUINT64_TO_LE(low_bytes);
    map[1].gpa = GUINT64_TO_LE(UINT64_C(1) << 32);
    map[1].bytes = GUINT64_TO_LE(high_bytes);
    fw_items_add_le(items, FW_RAM_SIZE, low_bytes + high_bytes, 8);
    fw_items_add_file(items, "etc/e820", map, sizeof(map[0]) * (high_bytes ? 2 : 1));
}

static void add_processors(struct pdm_dev *dev, struct fw_items *items)
{
    const unsigned cpus = pdm_cpu_count(dev);

    fw_items_add_le(items, FW_NB_CPUS, cpus, 2);
    fw_items_add_le(items, FW_MAX_CPUS, cpus, 2);
    fw_items_add_le(items, FW_IRQ0_OVERRIDE, 1, 4);
}

static void add_boot(struct pdm_dev *dev, struct fw_items *items)
{
    const char *order = pdm_cfg_str(dev, "BootOrder");
    const uint16_t wait_ms = GUINT16_TO_LE((uint16_t)pdm_cfg_u64(dev, "BootMenuWaitMs"));

    fw_items_add_le(items, FW_NOGRAPHIC, 0, 2);
    fw_items_add_le(items, FW_BOOT_MENU, pdm_cfg_bool(dev, "BootMenu"), 2);
    if (pdm_cfg_bool(dev, "BootMenu"))
        fw_items_add_file(items, "etc/boot-menu-wait", &wait_ms, sizeof(wait_ms));
    if (*order)
        fw_items_add_file(items, "bootorder", order, strlen(order) + 1);
}

static void add_acpi(struct pdm_dev *dev, struct fw_items *items)
{
    /* One byte per sleep state; bit 7: there is one. Only soft off: no S3, no S4. */
    static const uint8_t states[6] = {0x80, 0, 0, 1, 2, 0x80};
    struct acpi_machine m = {
        .cpus = pdm_cpu_count(dev),
        .ioapic = pdm_cfg_bool(dev, "IoApic"),
        .hpet = pdm_cfg_bool(dev, "Hpet"),
        .floppy = pdm_cfg_bool(dev, "Floppy"),
        .uarts = (uint8_t)pdm_cfg_u64(dev, "UartMask"),
        .parallels = (uint8_t)pdm_cfg_u64(dev, "ParallelMask"),
    };
    struct acpi_blobs blobs;
    uint64_t high_bytes;

    if (!pdm_cfg_bool(dev, "Acpi"))
        return;
    pdm_ram_sizes(dev, &m.low_ram_bytes, &high_bytes);
    acpi_build(&m, &blobs);
    fw_items_add_file(items, ACPI_FILE, blobs.tables->data, blobs.tables->len);
    fw_items_add_file(items, "etc/acpi/rsdp", blobs.rsdp->data, blobs.rsdp->len);
    fw_items_add_file(items, "etc/table-loader", blobs.loader->data, blobs.loader->len);
    fw_items_add_file(items, "etc/system-states", states, sizeof(states));
    acpi_blobs_fini(&blobs);
}

static bool add_smbios(struct pdm_dev *dev, struct fw_items *items, const uint8_t uuid[UUID_BYTES])
{
    struct smbios_machine m = {.cpus = pdm_cpu_count(dev)};
    g_autoptr(GByteArray) tables = NULL, anchor = NULL;
    uint64_t low_bytes, high_bytes;

    memcpy(m.uuid, uuid, sizeof(m.uuid));
    pdm_ram_sizes(dev, &low_bytes, &high_bytes);
    m.ram_bytes = low_bytes + high_bytes;
    for (unsigned i = 0; i < SMBIOS_STRINGS; i++)
        m.strings[i] = pdm_cfg_str(dev, smbios_string_keys[i]);
    smbios_build(&m, &tables, &anchor);
    fw_items_add_file(items, "etc/smbios/smbios-tables", tables->data, tables->len);
    fw_items_add_file(items, "etc/smbios/smbios-anchor", anchor->data, anchor->len);
    return true;
}

bool fw_content_make(struct pdm_dev *dev, struct fw_items *items, GError **error)
{
    uint8_t uuid[UUID_BYTES] = {0};
    size_t uuid_bytes;
    const uint8_t *configured = pdm_cfg_bytes(dev, "UUID", &uuid_bytes);

    if (configured && uuid_bytes && uuid_bytes != sizeof(uuid)) {
        g_set_error(error, PDM_ERROR, 0, "qemu-fw-cfg: UUID has %zu bytes, a machine's has 16", uuid_bytes);
        return false;
    }
    if (configured && uuid_bytes)
        memcpy(uuid, configured, sizeof(uuid));
    fw_items_add(items, FW_SIGNATURE, "QEMU", 4);
    fw_items_add_le(items, FW_ID, FW_ID_TRADITIONAL | FW_ID_DMA, 4);
    fw_items_add(items, FW_UUID, uuid, sizeof(uuid));
    add_memory(dev, items);
    add_processors(dev, items);
    add_boot(dev, items);
    add_acpi(dev, items);
    return add_smbios(dev, items, uuid);
}

/* Where power management may be: VirtualBox's slot, and PIIX4's own function. */
static const uint8_t pm_devfns[] = {7 << 3, 1 << 3 | 3};

void fw_content_selected(struct pdm_dev *dev, struct fw_items *items, uint16_t key)
{
    struct fw_item *item = fw_items_find(items, key);

    if (!item || strcmp(item->name, ACPI_FILE) != 0)
        return;
    for (unsigned i = 0; i < G_N_ELEMENTS(pm_devfns); i++)
        if (pdm_pci_bus_read(dev, 0, pm_devfns[i], 0, 4) == PM_ID) {
            const uint32_t base = pdm_pci_bus_read(dev, 0, pm_devfns[i], PM_BASE_REG, 4) & PM_BASE_MASK;

            acpi_set_pm_base(item->bytes->data, item->bytes->len, (uint16_t)base);
        }
}
