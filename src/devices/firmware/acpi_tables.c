/*
 * acpi_tables.c - the machine's ACPI tables.
 *
 * One blob holds all tables; pointers in it are offsets until the firmware runs the loader script, which adds addresses
 * and sums. The DSDT is dsdt.asl compiled; what differs between machines are the values of three names in it, patched
 * here. Sources: ACPI specification 2.0c, chapter 5; QEMU documentation, table loader; 82371AB (PIIX4) data sheet 3.5
 * for the PM ports. Left out: S3 and S4 (the DSDT has no _S3 and _S4), MCFG and SRAT (nothing to tell).
 */
#include "devices/firmware/acpi_tables.h"

#include <stddef.h>
#include <string.h>

#include "devices/firmware/acpi_layout.h"
#include "devices/firmware/dsdt_aml.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"

enum { SCI_IRQ = 9, SMI_CMD = 0xb2, CMD_ACPI_ENABLE = 0xf1, CMD_ACPI_DISABLE = 0xf0, CENTURY_CMOS = 0x32 };
enum { PM_DEFAULT_BASE = 0x4000, PM1_CNT = 4, PM_TIMER = 8, PM_GPE0 = 0x0c };
enum { RESET_PORT = 0xcf9, RESET_VALUE = 6, SPACE_MEMORY = 0, SPACE_IO = 1 };
enum { FADT_WBINVD = 1 << 0, FADT_PROC_C1 = 1 << 2, FADT_FIX_RTC = 1 << 6, FADT_RESET_REG = 1 << 10 };
enum { BOOT_LEGACY = 1, BOOT_8042 = 2, MADT_PCAT = 1, LAPIC_ENABLED = 1, NO_LATENCY = 0xfff };
enum { OVERRIDE_EDGE_CONFORMS = 0, OVERRIDE_LEVEL_HIGH = 0x0d };
#define LAPIC_GPA     0xfee00000u
#define IOAPIC_GPA    0xfec00000u
#define HPET_GPA      0xfed00000u
#define HPET_BLOCK_ID 0x8086a201u

/* ---- the blob and its script ---- */

static struct loader_entry *script_add(struct acpi_blobs *b, uint32_t command)
{
    g_byte_array_set_size(b->loader, b->loader->len + (guint)sizeof(struct loader_entry));

    struct loader_entry *e = (struct loader_entry *)(b->loader->data + b->loader->len - sizeof(*e));

    memset(e, 0, sizeof(*e));
    e->command = command;
    return e;
}

static void script_alloc(struct acpi_blobs *b, const char *file, uint32_t align, uint8_t zone)
{
    struct loader_entry *e = script_add(b, LOADER_ALLOCATE);

    g_strlcpy(e->alloc.file, file, LOADER_NAME_BYTES);
    e->alloc.align = align;
    e->alloc.zone = zone;
}

static void script_pointer(struct acpi_blobs *b, const char *dest, size_t offset, unsigned size)
{
    struct loader_entry *e = script_add(b, LOADER_ADD_POINTER);

    g_strlcpy(e->pointer.dest, dest, LOADER_NAME_BYTES);
    g_strlcpy(e->pointer.src, TABLES_FILE, LOADER_NAME_BYTES);
    e->pointer.offset = (uint32_t)offset;
    e->pointer.size = (uint8_t)size;
}

static void script_checksum(struct acpi_blobs *b, const char *file, size_t offset, size_t start, size_t length)
{
    struct loader_entry *e = script_add(b, LOADER_ADD_CHECKSUM);

    g_strlcpy(e->checksum.file, file, LOADER_NAME_BYTES);
    e->checksum.offset = (uint32_t)offset;
    e->checksum.start = (uint32_t)start;
    e->checksum.length = (uint32_t)length;
}

static void fill_header(struct acpi_header *h, const char *signature, uint8_t revision, size_t length)
{
    memcpy(h->signature, signature, 4);
    h->length = (uint32_t)length;
    h->revision = revision;
    memcpy(h->oem_id, "VBOX  ", 6);
    memcpy(h->oem_table_id, "VBOX", 4);
    memcpy(h->oem_table_id + 4, signature, 4);
    h->oem_revision = 1;
    memcpy(h->creator_id, "ASL ", 4);
    h->creator_revision = 0x61;
}

/* Appends a finished table whose sum firmware is to make; Return: its offset. */
static size_t append_table(struct acpi_blobs *b, const void *table, size_t bytes)
{
    const size_t at = b->tables->len;

    g_byte_array_append(b->tables, table, (guint)bytes);
    script_checksum(b, TABLES_FILE, at + offsetof(struct acpi_header, checksum), at, bytes);
    return at;
}

/* ---- tables ---- */

static size_t add_facs(struct acpi_blobs *b)
{
    const struct acpi_facs facs = {.signature = "FACS", .length = sizeof(facs), .version = 1};

    g_byte_array_append(b->tables, (const guint8 *)&facs, sizeof(facs));
    return b->tables->len - sizeof(facs);
}

/* Replaces the value of "Name (@name, 0xC0DE....)"; iasl emits NameOp, the name, a DWordPrefix, the value. */
static void patch_name(uint8_t *aml, size_t bytes, const char *name, uint32_t val)
{
    for (size_t i = 0; i + 10 <= bytes; i++)
        if (aml[i] == 0x08 && memcmp(aml + i + 1, name, 4) == 0 && aml[i + 5] == 0x0c) {
            memcpy(aml + i + 6, &val, sizeof(val));
            return;
        }
    g_assert_not_reached(); /* dsdt.asl and this file disagree */
}

static size_t add_dsdt(struct acpi_blobs *b, const struct acpi_machine *m)
{
    const size_t at = append_table(b, dsdt_aml_code, sizeof(dsdt_aml_code));
    uint8_t *aml = b->tables->data + at;
    const uint32_t present =
        (m->uarts & 15u) | (m->parallels & 3u) << 4 | (uint32_t)m->floppy << 6 | (uint32_t)m->hpet << 7;

    ((struct acpi_header *)aml)->checksum = 0;
    patch_name(aml, sizeof(dsdt_aml_code), "CPUN", m->cpus);
    patch_name(aml, sizeof(dsdt_aml_code), "MEMT", (uint32_t)m->low_ram_bytes);
    patch_name(aml, sizeof(dsdt_aml_code), "PRES", present);
    return at;
}

static struct acpi_address io_address(uint8_t bits, uint16_t port)
{
    return (struct acpi_address){.space = SPACE_IO, .bits = bits, .address = port};
}

static void fill_pm_ports(struct acpi_fadt *f, uint16_t base)
{
    f->pm1a_evt = base;
    f->pm1a_cnt = base + PM1_CNT;
    f->pm_timer = base + PM_TIMER;
    f->gpe0 = base + PM_GPE0;
    f->x_pm1a_evt = io_address(32, base);
    f->x_pm1a_cnt = io_address(16, (uint16_t)(base + PM1_CNT));
    f->x_pm_timer = io_address(32, (uint16_t)(base + PM_TIMER));
    f->x_gpe0 = io_address(32, (uint16_t)(base + PM_GPE0));
}

void acpi_set_pm_base(uint8_t *tables, size_t bytes, uint16_t base)
{
    for (size_t at = sizeof(struct acpi_facs); at + sizeof(struct acpi_fadt) <= bytes;) {
        struct acpi_header *h = (struct acpi_header *)(tables + at);

        if (memcmp(h->signature, "FACP", 4) == 0) {
            fill_pm_ports((struct acpi_fadt *)h, base);
            return;
        }
        at += h->length;
    }
}

static size_t add_fadt(struct acpi_blobs *b, size_t facs, size_t dsdt)
{
    struct acpi_fadt f = {
        .facs = (uint32_t)facs,
        .dsdt = (uint32_t)dsdt,
        .pm_profile = 1, /* desktop */
        .sci_irq = SCI_IRQ,
        .smi_cmd = SMI_CMD,
        .acpi_enable = CMD_ACPI_ENABLE,
        .acpi_disable = CMD_ACPI_DISABLE,
        .pm1_evt_len = 4,
        .pm1_cnt_len = 2,
        .pm_timer_len = 4,
        .gpe0_len = 4,
        .c2_latency = NO_LATENCY,
        .c3_latency = NO_LATENCY,
        .century = CENTURY_CMOS,
        .boot_arch = BOOT_LEGACY | BOOT_8042,
        .flags = FADT_WBINVD | FADT_PROC_C1 | FADT_FIX_RTC | FADT_RESET_REG,
        .reset_reg = {.space = SPACE_IO, .bits = 8, .access = 1, .address = RESET_PORT},
        .reset_value = RESET_VALUE,
        .x_dsdt = dsdt,
    };
    const size_t at = b->tables->len;

    fill_header(&f.header, "FACP", 3, sizeof(f));
    fill_pm_ports(&f, PM_DEFAULT_BASE);
    g_byte_array_append(b->tables, (const guint8 *)&f, sizeof(f));
    script_pointer(b, TABLES_FILE, at + offsetof(struct acpi_fadt, facs), 4);
    script_pointer(b, TABLES_FILE, at + offsetof(struct acpi_fadt, dsdt), 4);
    script_pointer(b, TABLES_FILE, at + offsetof(struct acpi_fadt, x_dsdt), 8);
    script_checksum(b, TABLES_FILE, at + offsetof(struct acpi_header, checksum), at, sizeof(f));
    return at;
}

static void madt_interrupts(GByteArray *t)
{
    /* The timer's line is pin 2; the lines PCI interrupts are routed to, and the SCI, are level triggered. */
    static const struct {
        uint8_t source, gsi;
        uint16_t flags;
    } rows[] = {
        {0, 2, OVERRIDE_EDGE_CONFORMS}, {5, 5, OVERRIDE_LEVEL_HIGH},   {9, 9, OVERRIDE_LEVEL_HIGH},
        {10, 10, OVERRIDE_LEVEL_HIGH},  {11, 11, OVERRIDE_LEVEL_HIGH},
    };
    const struct acpi_madt_ioapic ioapic = {.type = 1, .length = sizeof(ioapic), .gpa = IOAPIC_GPA};

    g_byte_array_append(t, (const guint8 *)&ioapic, sizeof(ioapic));
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct acpi_madt_override o = {
            .type = 2, .length = sizeof(o), .source = rows[i].source, .gsi = rows[i].gsi, .flags = rows[i].flags};

        g_byte_array_append(t, (const guint8 *)&o, sizeof(o));
    }
}

static size_t add_madt(struct acpi_blobs *b, const struct acpi_machine *m)
{
    const struct acpi_madt head = {.lapic_gpa = LAPIC_GPA, .flags = MADT_PCAT};
    const struct acpi_madt_nmi nmi = {.type = 4, .length = sizeof(nmi), .processor = 0xff, .lint = 1};
    g_autoptr(GByteArray) t = g_byte_array_new();

    g_byte_array_append(t, (const guint8 *)&head, sizeof(head));
    for (unsigned i = 0; i < m->cpus && i < ACPI_MAX_CPUS; i++) {
        const struct acpi_madt_lapic lapic = {
            .length = sizeof(lapic), .processor = (uint8_t)i, .apic_id = (uint8_t)i, .flags = LAPIC_ENABLED};

        g_byte_array_append(t, (const guint8 *)&lapic, sizeof(lapic));
    }
    madt_interrupts(t);
    g_byte_array_append(t, (const guint8 *)&nmi, sizeof(nmi));
    fill_header((struct acpi_header *)t->data, "APIC", 2, t->len);
    return append_table(b, t->data, t->len);
}

static size_t add_hpet(struct acpi_blobs *b)
{
    struct acpi_hpet h = {.block_id = HPET_BLOCK_ID,
                          .address = {.space = SPACE_MEMORY, .bits = 64, .address = HPET_GPA},
                          .min_tick = 128};

    fill_header(&h.header, "HPET", 1, sizeof(h));
    return append_table(b, &h, sizeof(h));
}

/* RSDT (@width 4) or XSDT (8): a header and the addresses of the tables. */
static size_t add_root(struct acpi_blobs *b, const char *signature, unsigned width, const size_t *tables,
                       unsigned count)
{
    g_autoptr(GByteArray) t = g_byte_array_new();
    const size_t at = b->tables->len;

    g_byte_array_set_size(t, sizeof(struct acpi_header));
    memset(t->data, 0, t->len);
    for (unsigned i = 0; i < count; i++) {
        const uint64_t address = tables[i];

        script_pointer(b, TABLES_FILE, at + t->len, width);
        g_byte_array_append(t, (const guint8 *)&address, width);
    }
    fill_header((struct acpi_header *)t->data, signature, 1, t->len);
    return append_table(b, t->data, t->len);
}

static void add_rsdp(struct acpi_blobs *b, size_t rsdt, size_t xsdt)
{
    const struct acpi_rsdp rsdp = {.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
                                   .oem_id = {'V', 'B', 'O', 'X', ' ', ' '},
                                   .revision = 2,
                                   .rsdt = (uint32_t)rsdt,
                                   .length = sizeof(rsdp),
                                   .xsdt = xsdt};

    g_byte_array_append(b->rsdp, (const guint8 *)&rsdp, sizeof(rsdp));
    script_pointer(b, RSDP_FILE, offsetof(struct acpi_rsdp, rsdt), 4);
    script_pointer(b, RSDP_FILE, offsetof(struct acpi_rsdp, xsdt), 8);
    script_checksum(b, RSDP_FILE, offsetof(struct acpi_rsdp, checksum), 0, offsetof(struct acpi_rsdp, length));
    script_checksum(b, RSDP_FILE, offsetof(struct acpi_rsdp, extended_checksum), 0, sizeof(rsdp));
}

void acpi_build(const struct acpi_machine *m, struct acpi_blobs *ret)
{
    size_t facs, dsdt, list[3], rsdt;
    unsigned count = 0;

    ret->tables = g_byte_array_new();
    ret->rsdp = g_byte_array_new();
    ret->loader = g_byte_array_new();
    script_alloc(ret, RSDP_FILE, 16, LOADER_ZONE_FSEG);
    script_alloc(ret, TABLES_FILE, 64, LOADER_ZONE_HIGH); /* FACS comes first and wants 64 [ACPI 5.2.9] */
    facs = add_facs(ret);
    dsdt = add_dsdt(ret, m);
    list[count++] = add_fadt(ret, facs, dsdt);
    if (m->ioapic)
        list[count++] = add_madt(ret, m);
    if (m->hpet)
        list[count++] = add_hpet(ret);
    rsdt = add_root(ret, "RSDT", 4, list, count);
    add_rsdp(ret, rsdt, add_root(ret, "XSDT", 8, list, count));
}

void acpi_blobs_fini(struct acpi_blobs *b)
{
    g_clear_pointer(&b->tables, g_byte_array_unref);
    g_clear_pointer(&b->rsdp, g_byte_array_unref);
    g_clear_pointer(&b->loader, g_byte_array_unref);
}
