/*
 * acpi_tables_test.c - runs the loader script as firmware does, then checks every table by the ACPI specification and
 * lets ACPICA's own tools read them.
 */
#include "devices/firmware/acpi_tables.h"

#include <glib/gstdio.h>
#include <string.h>

#include "devices/firmware/acpi_layout.h"

#define BASE 0x7ff00000u

static const struct acpi_machine full = {
    .cpus = 4, .low_ram_bytes = 0x80000000, .ioapic = true, .hpet = true, .floppy = true, .uarts = 1, .parallels = 1};

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

static GByteArray *file_of(struct acpi_blobs *b, const char *name)
{
    return strcmp(name, "etc/acpi/rsdp") == 0 ? b->rsdp : b->tables;
}

static void run_entry(struct acpi_blobs *b, const struct loader_entry *e)
{
    uint64_t v = 0;
    GByteArray *f;

    if (e->command == LOADER_ADD_POINTER) {
        f = file_of(b, e->pointer.dest);
        g_assert_cmpuint(e->pointer.offset + e->pointer.size, <=, f->len);
        memcpy(&v, f->data + e->pointer.offset, e->pointer.size);
        g_assert_cmpuint(v, <, b->tables->len);
        v += BASE;
        memcpy(f->data + e->pointer.offset, &v, e->pointer.size);
    } else if (e->command == LOADER_ADD_CHECKSUM) {
        f = file_of(b, e->checksum.file);
        g_assert_cmpuint(e->checksum.start + e->checksum.length, <=, f->len);
        f->data[e->checksum.offset] =
            (uint8_t)(f->data[e->checksum.offset] - sum(f->data + e->checksum.start, e->checksum.length));
    } else {
        g_assert_cmpuint(e->command, ==, LOADER_ALLOCATE);
    }
}

static void run_script(struct acpi_blobs *b)
{
    const struct loader_entry *e = (const struct loader_entry *)b->loader->data;

    g_assert_cmpuint(b->loader->len % sizeof(*e), ==, 0);
    for (size_t i = 0; i < b->loader->len / sizeof(*e); i++)
        run_entry(b, &e[i]);
}

static const void *at(const struct acpi_blobs *b, uint64_t gpa)
{
    g_assert_cmpuint(gpa, >=, BASE);
    g_assert_cmpuint(gpa - BASE, <, b->tables->len);
    return b->tables->data + (gpa - BASE);
}

static const struct acpi_header *table(const struct acpi_blobs *b, const char *signature)
{
    const struct acpi_rsdp *rsdp = (const struct acpi_rsdp *)b->rsdp->data;
    const struct acpi_header *xsdt = at(b, rsdp->xsdt);
    uint64_t gpa;

    for (size_t i = 0; i < (xsdt->length - sizeof(*xsdt)) / 8; i++) {
        const struct acpi_header *h;

        memcpy(&gpa, (const uint8_t *)(xsdt + 1) + i * sizeof(gpa), sizeof(gpa));
        h = at(b, gpa);
        if (memcmp(h->signature, signature, 4) == 0)
            return h;
    }
    return NULL;
}

/* ACPI 5.2.5.3, 5.2.6: sums are zero; identity strings. */
static void test_sums(void)
{
    static const char *const names[] = {"FACP", "APIC", "HPET"};
    const struct acpi_rsdp *rsdp;
    struct acpi_blobs b;

    acpi_build(&full, &b);
    acpi_set_pm_base(b.tables->data, b.tables->len, 0x600);
    run_script(&b);
    rsdp = (const struct acpi_rsdp *)b.rsdp->data;
    g_assert_cmpuint(sum((const uint8_t *)rsdp, 20), ==, 0);
    g_assert_cmpuint(sum((const uint8_t *)rsdp, 36), ==, 0);
    g_assert_cmpuint(sum(at(&b, rsdp->rsdt), ((const struct acpi_header *)at(&b, rsdp->rsdt))->length), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        const struct acpi_header *h = table(&b, names[i]);

        g_assert_nonnull(h);
        g_assert_cmpuint(sum((const uint8_t *)h, h->length), ==, 0);
        g_assert_cmpint(memcmp(h->oem_id, "VBOX  ", 6), ==, 0);
        g_assert_cmpint(memcmp(h->oem_table_id, "VBOX", 4), ==, 0);
        g_assert_cmpint(memcmp(h->oem_table_id + 4, names[i], 4), ==, 0);
    }
    acpi_blobs_fini(&b);
}

/* ACPI 5.2.8: the FADT names the ports given, FACS is 64-byte aligned, the DSDT's own sum is right. */
static void test_fadt(void)
{
    const struct acpi_fadt *f;
    const struct acpi_header *dsdt;
    struct acpi_blobs b;

    acpi_build(&full, &b);
    acpi_set_pm_base(b.tables->data, b.tables->len, 0xb000);
    run_script(&b);
    f = (const struct acpi_fadt *)table(&b, "FACP");
    g_assert_cmphex(f->pm1a_evt, ==, 0xb000);
    g_assert_cmphex(f->pm_timer, ==, 0xb008);
    g_assert_cmphex(f->x_gpe0.address, ==, 0xb00c);
    g_assert_cmpuint(f->facs % 64, ==, 0);
    g_assert_cmpuint(f->x_dsdt, ==, f->dsdt);
    g_assert_cmpuint(f->century, ==, 0x32);
    dsdt = at(&b, f->dsdt);
    g_assert_cmpuint(sum((const uint8_t *)dsdt, dsdt->length), ==, 0);
    acpi_blobs_fini(&b);
}

/* ACPI 5.2.10.4: a local APIC for each processor, the IOAPIC, IRQ 0 on pin 2. */
static void test_madt(void)
{
    unsigned seen[5] = {0};
    const struct acpi_header *h;
    struct acpi_blobs b;

    acpi_build(&full, &b);
    run_script(&b);
    h = table(&b, "APIC");
    for (size_t off = sizeof(struct acpi_madt); off < h->length;) {
        const uint8_t *e = (const uint8_t *)h + off;

        g_assert_cmpuint(e[0], <, 5);
        g_assert_cmpuint(e[1], >=, 6);
        seen[e[0]]++;
        if (e[0] == 2 && e[3] == 0)
            g_assert_cmpuint(e[4], ==, 2);
        off += e[1];
    }
    g_assert_cmpuint(seen[0], ==, 4);
    g_assert_cmpuint(seen[1], ==, 1);
    g_assert_cmpuint(seen[2], ==, 5);
    g_assert_cmpuint(seen[4], ==, 1);
    acpi_blobs_fini(&b);
}

static void test_absent(void)
{
    const struct acpi_machine bare = {.cpus = 1, .low_ram_bytes = 64 << 20};
    struct acpi_blobs b;

    acpi_build(&bare, &b);
    run_script(&b);
    g_assert_nonnull(table(&b, "FACP"));
    g_assert_null(table(&b, "APIC"));
    g_assert_null(table(&b, "HPET"));
    acpi_blobs_fini(&b);
}

static char *run_tool(const char *const *argv)
{
    char *out = NULL;
    g_autofree char *err = NULL;
    int status = 0;
    g_autoptr(GError) error = NULL;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error);
    g_assert_no_error(error);
    g_assert_true(g_spawn_check_wait_status(status, NULL));
    return out;
}

/* ACPICA's interpreter loads the DSDT and evaluates what an operating system will. */
static void test_acpiexec(void)
{
    static const struct {
        const char *command, *expect;
    } runs[] = {
        {"evaluate \\_S5", "Contains 4 Elements"},
        {"evaluate \\_SB.PCI0._PRT", "Contains 116 Elements"},
        {"evaluate \\_SB.PCI0._CRS", "Buffer"},
        {"evaluate \\_SB.C003._STA", "000000000000000F"},
        {"evaluate \\_SB.C004._STA", "0000000000000000"},
        {"evaluate \\_SB.PCI0.ISA.COM1._STA", "000000000000000F"},
        {"evaluate \\_SB.PCI0.ISA.COM2._STA", "0000000000000000"},
        {"evaluate \\_SB.PCI0.ISA.HPET._STA", "000000000000000F"},
        {"evaluate \\_SB.LNKA._PRS", "Buffer"},
    };
    g_autofree char *tool = g_find_program_in_path("acpiexec");
    g_autofree char *dir = g_dir_make_tmp("acpi-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "dsdt.aml", NULL);
    const struct acpi_header *dsdt;
    struct acpi_blobs b;

    if (!tool)
        g_error("acpiexec is not installed: package acpica-tools");
    acpi_build(&full, &b);
    run_script(&b);
    dsdt = at(&b, ((const struct acpi_fadt *)table(&b, "FACP"))->dsdt);
    g_assert_true(g_file_set_contents(path, (const char *)dsdt, dsdt->length, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(runs); i++) {
        const char *argv[] = {tool, "-b", runs[i].command, path, NULL};
        g_autofree char *out = run_tool(argv);

        if (!strstr(out, runs[i].expect))
            g_error("acpiexec %s: no '%s' in:\n%s", runs[i].command, runs[i].expect, out);
    }
    g_remove(path);
    g_rmdir(dir);
    acpi_blobs_fini(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi/sums", test_sums);
    g_test_add_func("/acpi/fadt", test_fadt);
    g_test_add_func("/acpi/madt", test_madt);
    g_test_add_func("/acpi/absent", test_absent);
    g_test_add_func("/acpi/acpiexec", test_acpiexec);
    return g_test_run();
}
