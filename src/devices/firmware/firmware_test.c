/*
 * firmware_test.c - fw_cfg, the firmware images, the flash and SMBIOS.
 *
 * Sources: QEMU documentation, docs/specs/fw_cfg; Intel 28F128J3A data sheet; DMTF DSP0134 2.5.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "devices/firmware/cfi_flash.h"
#include "devices/firmware/smbios.h"
#include "devices/registry.h"
#include "vmm/pdm/rig.h"

/* ---- fw_cfg ---- */

static void select_item(struct rig *r, uint16_t key)
{
    rig_out(r, 0x510, key, 2);
}

static void read_data(struct rig *r, void *buf, size_t bytes)
{
    rig_ins(r, 0x511, buf, 1, bytes);
}

/* Looks a file up in the directory (big-endian entries of 64 bytes); Return: its key, 0 = none. */
static uint16_t find_file(struct rig *r, const char *name, uint32_t *ret_bytes)
{
    uint8_t count[4], e[64];

    select_item(r, 0x19);
    read_data(r, count, sizeof(count));
    for (unsigned i = 0; i < count[3]; i++) {
        read_data(r, e, sizeof(e));
        if (strcmp((const char *)e + 8, name) == 0) {
            *ret_bytes = (uint32_t)e[0] << 24 | (uint32_t)e[1] << 16 | (uint32_t)e[2] << 8 | e[3];
            return (uint16_t)(e[4] << 8 | e[5]);
        }
    }
    return 0;
}

static void test_items(void)
{
    struct rig *r = rig_new(&fw_cfg_device, "BootOrder=/x");
    uint8_t buf[16];
    uint32_t size = 0;

    select_item(r, 0);
    read_data(r, buf, 5);
    g_assert_cmpint(memcmp(buf, "QEMU", 5), ==, 0); /* past the end: zeros */
    select_item(r, 1);
    g_assert_cmpuint(rig_in(r, 0x511, 1), ==, 3);
    select_item(r, 5);
    g_assert_cmpuint(rig_in(r, 0x511, 1), ==, 1);
    select_item(r, 0x7777);
    g_assert_cmpuint(rig_in(r, 0x511, 1), ==, 0);
    select_item(r, find_file(r, "bootorder", &size));
    g_assert_cmpuint(size, ==, 3);
    read_data(r, buf, 3);
    g_assert_cmpstr((const char *)buf, ==, "/x");
    g_assert_cmpuint(find_file(r, "etc/acpi/tables", &size), !=, 0);
    g_assert_cmpuint(find_file(r, "etc/table-loader", &size), !=, 0);
    g_assert_cmpuint(size % 128, ==, 0);
    rig_free(r);
}

static void put_be(uint8_t *p, uint64_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        p[i] = (uint8_t)(val >> 8 * (size - 1 - i));
}

/* The request {control, length, address}, big-endian, at an address written big-endian to 514h. */
static uint32_t dma(struct rig *r, uint32_t control, uint32_t bytes, uint64_t gpa)
{
    uint8_t request[16], result[4];

    put_be(request, control, 4);
    put_be(request + 4, bytes, 4);
    put_be(request + 8, gpa, 8);
    rig_mem_write(r, 0x1000, request, sizeof(request));
    rig_out(r, 0x514, 0, 4);
    rig_out(r, 0x518, GUINT32_SWAP_LE_BE(0x1000u), 4);
    rig_mem_read(r, 0x1000, result, sizeof(result));
    return (uint32_t)result[0] << 24 | (uint32_t)result[1] << 16 | (uint32_t)result[2] << 8 | result[3];
}

static void test_dma(void)
{
    struct rig *r = rig_new(&fw_cfg_device, NULL);
    char buf[8] = "xxxxxxx";

    g_assert_cmphex(rig_in(r, 0x514, 4), ==, 0x554d4551);
    g_assert_cmphex(rig_in(r, 0x518, 4), ==, 0x47464320);
    g_assert_cmpuint(dma(r, 0x0000000a, 6, 0x2000), ==, 0);
    rig_mem_read(r, 0x2000, buf, 8);
    g_assert_cmpint(memcmp(buf, "QEMU\0\0", 6), ==, 0);
    g_assert_cmpuint(dma(r, 0x0000000c, 2, 0), ==, 0); /* select and skip */
    g_assert_cmpuint(dma(r, 2, 2, 0x2000), ==, 0);
    rig_mem_read(r, 0x2000, buf, 2);
    g_assert_cmpint(memcmp(buf, "MU", 2), ==, 0);
    g_assert_cmpuint(dma(r, 0x10, 4, 0x2000), ==, 1);          /* writing is refused */
    g_assert_cmpuint(dma(r, 0x0a, 0xffffffff, 0x2000), ==, 1); /* so is a length without bound */
    rig_free(r);
}

/* ---- images ---- */

static void test_missing_bios(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(rig_try(&pcbios_device, "BiosRom=/nonexistent.bin", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent.bin"));
}

static void test_bios_places(void)
{
    struct rig *r;
    size_t top = 0, low = 0;
    const uint8_t *legacy;

    r = rig_new(&pcbios_device, NULL);
    legacy = rig_rom(r, 0xe0000, &low);
    g_assert_cmpuint(low, ==, 0x20000);
    g_assert_nonnull(rig_rom(r, 0xfffc0000, &top));
    g_assert_cmpuint(top, ==, 0x40000);
    g_assert_cmpint(memcmp(legacy, rig_rom(r, 0xfffc0000, &top) + 0x20000, low), ==, 0);
    g_assert_cmphex(legacy[0x1fff0], ==, 0xea); /* the reset vector is a far jump */
    rig_free(r);
}

/* ---- flash ---- */

/* Data sheet 4.0: program clears bits, erase sets a block, status after each; the probe EDK II makes. */
static void test_flash_commands(void)
{
    g_autofree uint8_t *bytes = g_malloc(2 * CFI_FLASH_BLOCK_BYTES);
    struct cfi_flash c = {.bytes = bytes, .size = 2 * CFI_FLASH_BLOCK_BYTES};

    memset(bytes, 0x5a, c.size);
    cfi_flash_reset(&c);
    cfi_flash_write(&c, 0, 0x50, 1);
    g_assert_cmphex(cfi_flash_read(&c, 0, 1), ==, 0x5a);
    cfi_flash_write(&c, 0, 0x70, 1);
    g_assert_cmphex(cfi_flash_read(&c, 0, 1), ==, 0x00);
    cfi_flash_write(&c, 0, 0x10, 1);
    cfi_flash_write(&c, 3, 0x0f, 1);
    g_assert_cmphex(cfi_flash_read(&c, 3, 1), ==, 0x80);
    cfi_flash_write(&c, 0, 0xff, 1);
    g_assert_cmphex(cfi_flash_read(&c, 3, 1), ==, 0x0a);
    g_assert_true(c.dirty);
    cfi_flash_write(&c, CFI_FLASH_BLOCK_BYTES + 8, 0x20, 1);
    cfi_flash_write(&c, CFI_FLASH_BLOCK_BYTES + 8, 0xd0, 1);
    cfi_flash_write(&c, 0, 0xff, 1);
    g_assert_cmphex(cfi_flash_read(&c, CFI_FLASH_BLOCK_BYTES, 8), ==, UINT64_MAX);
    g_assert_cmphex(cfi_flash_read(&c, 0, 1), ==, 0x5a);
    cfi_flash_write(&c, 0, 0x20, 1);
    cfi_flash_write(&c, 0, 0x00, 1);
    g_assert_cmphex(cfi_flash_read(&c, 0, 1) & 0x30, ==, 0x30);
    cfi_flash_write(&c, UINT64_MAX, 0x10, 8);
}

static void wait_for_byte(const char *path, size_t off, uint8_t val)
{
    for (unsigned ms = 0;; ms++) {
        g_autofree char *now = NULL;
        gsize size;

        if (g_file_get_contents(path, &now, &size, NULL) && off < size && (uint8_t)now[off] == val)
            return;
        g_assert_cmpuint(ms, <, 20000);
        g_usleep(1000);
    }
}

/* Variables written are in the file as soon as the firmware is back to reading, and at the latest when the machine
 * stops; a file of another size is refused. */
static void test_flash_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("flash-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "nvram", NULL);
    g_autofree char *config = g_strdup_printf("NvramPath=%s", path);
    g_autofree char *kept = NULL;
    g_autoptr(GError) error = NULL;
    const uint64_t base = UINT64_C(0x100000000) - 3653632 - 540672;
    struct rig *r;

    r = rig_new(&efi_flash_device, config);
    g_assert_cmphex(rig_mmio_read(r, base, 8), ==, 0);
    rig_mmio_write(r, base + 0x28, 0x10, 1);
    rig_mmio_write(r, base + 0x28, 0x00, 1);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS)); /* it may have more to say */
    rig_mmio_write(r, base + 0x28, 0xff, 1);
    wait_for_byte(path, 0x28, 0);
    rig_mmio_write(r, base + 0x30, 0x10, 1);
    rig_mmio_write(r, base + 0x30, 0x12, 1);
    pdm_power_off(rig_pdm(r));
    g_assert_true(g_file_get_contents(path, &kept, NULL, NULL));
    g_assert_cmphex(kept[0x30] & ~0x12, ==, 0);
    g_clear_pointer(&kept, g_free);
    rig_free(r);
    g_assert_true(g_file_get_contents(path, &kept, NULL, NULL));
    g_assert_cmphex(kept[0x28], ==, 0);
    g_assert_true(g_file_set_contents(path, kept, 4096, NULL));
    g_assert_null(rig_try(&efi_flash_device, config, &error));
    g_assert_nonnull(strstr(error->message, path));
    g_remove(path);
    g_rmdir(dir);
}

/* A folder that is gone is said once, not at every change; the machine runs on and stops. */
static void test_flash_unwritable(void)
{
    const uint64_t base = UINT64_C(0x100000000) - 3653632 - 540672;
    const char *first;
    struct rig *r;

    if (!g_file_test("/usr/share/OVMF/OVMF_CODE_4M.fd", G_FILE_TEST_EXISTS)) {
        g_test_fail_printf("package ovmf is not installed");
        return;
    }
    r = rig_new(&efi_flash_device, "NvramPath=/no/such/folder/nvram");
    for (unsigned i = 0; i < 3; i++) {
        rig_mmio_write(r, base + i, 0x10, 1);
        rig_mmio_write(r, base + i, 0x00, 1);
        rig_mmio_write(r, base + i, 0xff, 1);
        pdm_suspend(rig_pdm(r)); /* waits for the file */
        pdm_resume(rig_pdm(r));
    }
    first = strstr(rig_log(r), "not saved: Cannot write '/no/such/folder/nvram'");
    g_assert_nonnull(first);
    g_assert_null(strstr(first + 1, "not saved"));
    rig_free(r);
}

/* ---- SMBIOS ---- */

static void build(GByteArray **ret_tables, GByteArray **ret_anchor)
{
    struct smbios_machine m = {.cpus = 2, .ram_bytes = UINT64_C(2) << 30};

    for (unsigned i = 0; i < SMBIOS_STRINGS; i++)
        m.strings[i] = i == SMBIOS_SYSTEM_SKU ? "" : "text";
    m.strings[SMBIOS_SYSTEM_VENDOR] = "innotek GmbH";
    m.strings[SMBIOS_SYSTEM_PRODUCT] = "VirtualBox";
    memset(m.uuid, 0x11, sizeof(m.uuid));
    smbios_build(&m, ret_tables, ret_anchor);
}

/* 2.1.1, 3.1.2: lengths and counts of the entry point are those of the structures; strings end in two zeros. */
static void test_smbios_walk(void)
{
    g_autoptr(GByteArray) tables = NULL, anchor = NULL;
    unsigned count = 0;
    size_t at = 0;
    uint8_t type = 0;

    build(&tables, &anchor);
    while (at < tables->len) {
        type = tables->data[at];
        at += tables->data[at + 1];
        while (tables->data[at] || tables->data[at + 1])
            at++;
        at += 2;
        count++;
    }
    g_assert_cmpuint(at, ==, tables->len);
    g_assert_cmpuint(type, ==, 127);
    g_assert_cmpuint(anchor->len, ==, 31);
    g_assert_cmpuint(anchor->data[0x16] | anchor->data[0x17] << 8, ==, tables->len);
    g_assert_cmpuint(anchor->data[0x1c] | anchor->data[0x1d] << 8, ==, count);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fw_cfg/items", test_items);
    g_test_add_func("/fw_cfg/dma", test_dma);
    g_test_add_func("/bios/missing", test_missing_bios);
    g_test_add_func("/bios/places", test_bios_places);
    g_test_add_func("/flash/commands", test_flash_commands);
    g_test_add_func("/flash/file", test_flash_file);
    g_test_add_func("/flash/unwritable", test_flash_unwritable);
    g_test_add_func("/smbios/walk", test_smbios_walk);
    return g_test_run();
}
