/*
 * pci_vga_test.c - the VGA on its bus: identities, BARs, the BIOS image, legacy ranges, display port, saved state.
 *
 * Sources: PCI local bus specification 3.0, 6.2 and 6.3 (configuration header, ROM); Bochs VBE display interface.
 */
#include <glib.h>
#include <string.h>

#include "devices/registry.h"
#include "vmm/pdm/rig.h"

#define LFB  0xe0000000u
#define MMIO 0xfebf0000u
#define ROM  0xfebe0000u

static void map_bars(struct rig *r)
{
    rig_cfg_write(r, 2, 0, 0x10, LFB, 4);
    rig_cfg_write(r, 2, 0, 0x18, MMIO, 4);
    rig_cfg_write(r, 2, 0, 0x04, 3, 2);
}

/* Default identity: what SeaBIOS's VGA BIOS, OVMF and Linux look for */
static void test_identity(void)
{
    struct rig *r = rig_new(&pci_vga_device, "VRamSize=3000000");

    g_assert_cmphex(rig_cfg_read(r, 2, 0, 0, 4), ==, 0x11111234);
    g_assert_cmphex(rig_cfg_read(r, 2, 0, 0x0a, 2), ==, 0x0300);
    rig_cfg_write(r, 2, 0, 0x10, 0xffffffff, 4);
    g_assert_cmphex(rig_cfg_read(r, 2, 0, 0x10, 4), ==, 0xffc00008); /* 4 MiB, prefetchable */
    rig_cfg_write(r, 2, 0, 0x18, 0xffffffff, 4);
    g_assert_cmphex(rig_cfg_read(r, 2, 0, 0x18, 4), ==, 0xfffff000);
    rig_free(r);
    r = rig_new(&pci_vga_device, "Identity=vbox");
    g_assert_cmphex(rig_cfg_read(r, 2, 0, 0, 4), ==, 0xbeef80ee);
    rig_cfg_write(r, 2, 0, 0x18, 0xffffffff, 4);
    g_assert_cmphex(rig_cfg_read(r, 2, 0, 0x18, 4), ==, 0);
    rig_free(r);
}

/* The image's ids are the function's, and its bytes add up to 0 [PCI 6.3.1] */
static void check_rom(const char *config, unsigned vendor, unsigned device)
{
    struct rig *r = rig_new(&pci_vga_device, config);
    unsigned pcir, len;
    uint8_t sum = 0;

    rig_cfg_write(r, 2, 0, 0x30, ROM | 1, 4);
    rig_cfg_write(r, 2, 0, 0x04, 2, 2);
    g_assert_cmphex(rig_mmio_read(r, ROM, 2), ==, 0xaa55);
    pcir = (unsigned)rig_mmio_read(r, ROM + 0x18, 2);
    g_assert_cmphex(rig_mmio_read(r, ROM + pcir, 4), ==, 0x52494350);
    g_assert_cmphex(rig_mmio_read(r, ROM + pcir + 4, 2), ==, vendor);
    g_assert_cmphex(rig_mmio_read(r, ROM + pcir + 6, 2), ==, device);
    len = (unsigned)rig_mmio_read(r, ROM + 2, 1) * 512;
    for (unsigned i = 0; i < len; i++)
        sum = (uint8_t)(sum + rig_mmio_read(r, ROM + i, 1));
    g_assert_cmphex(sum, ==, 0);
    rig_free(r);
}

static void test_rom(void)
{
    g_autoptr(GError) error = NULL;

    check_rom(NULL, 0x1234, 0x1111);
    check_rom("Identity=vbox", 0x80ee, 0xbeef);
    g_assert_null(rig_try(&pci_vga_device, "BiosRom=/nonexistent/vgabios.bin", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/vgabios.bin"));
    g_assert_nonnull(strstr(error->message, "package seabios"));
    g_clear_error(&error);
    g_assert_null(rig_try(&pci_vga_device, "BiosRom=/etc/passwd", &error));
    g_assert_nonnull(strstr(error->message, "no VGA BIOS"));
    g_clear_error(&error);
    g_assert_null(rig_try(&pci_vga_device, "Identity=cga", &error));
    g_assert_nonnull(strstr(error->message, "bochs or vbox"));
}

/* One memory behind window, bank and linear frame buffer; registers behind ports and BAR 2 */
static void test_ways_in(void)
{
    struct rig *r = rig_new(&pci_vga_device, NULL);
    static const uint16_t mode[][2] = {{4, 0}, {1, 640}, {2, 480}, {3, 32}, {4, 0x41}};

    map_bars(r);
    rig_out(r, 0x3c2, 0x63, 1);
    rig_out(r, 0x3ce, 0x0506, 2); /* index and data in one word */
    g_assert_cmphex(rig_in(r, 0x3cf, 1), ==, 0x05);
    for (unsigned i = 0; i < G_N_ELEMENTS(mode); i++) {
        rig_out(r, 0x1ce, mode[i][0], 2);
        rig_out(r, i & 1 ? 0x1cf : 0x1d0, mode[i][1], 2); /* both data ports */
    }
    g_assert_cmpuint(rig_in(r, 0x1cf, 2), ==, 0x41);
    g_assert_cmphex(rig_in(r, 0x1cf, 4), ==, 16 << 20); /* a double word is the memory size */
    g_assert_cmpuint(rig_mmio_read(r, MMIO + 0x500 + 2 * 1, 2), ==, 640);
    g_assert_cmphex(rig_mmio_read(r, MMIO + 0x500, 2), ==, 0xb0c5);
    rig_mmio_write(r, LFB + 0x20004, 0x11223344, 4);
    rig_mmio_write(r, MMIO + 0x50a, 2, 2); /* bank 2 */
    g_assert_cmphex(rig_mmio_read(r, 0xa0004, 4), ==, 0x11223344);
    rig_mmio_write(r, 0xa0005, 0x55, 1);
    g_assert_cmphex(rig_mmio_read(r, LFB + 0x20004, 4), ==, 0x11225544);
    rig_mmio_write(r, MMIO + 0x40e, 0x0608, 2); /* 3CEh, 3CFh: index 8, data 6 */
    g_assert_cmphex(rig_in(r, 0x3cf, 1), ==, 0x06);
    rig_free(r);
}

static void render(struct rig *r, struct pdm_frame *f)
{
    pci_vga_device.display_port->render(rig_dev(r), f);
}

static void update(struct rig *r, struct pdm_frame *f, struct pdm_band *band)
{
    pdm_display_update(rig_pdm(r), f, band);
}

/* Saved in the middle of a mode: the same picture afterwards */
static void test_save(void)
{
    struct rig *r = rig_new(&pci_vga_device, "VRamSize=1048576");
    static const uint16_t mode[][2] = {{1, 320}, {2, 200}, {3, 16}, {4, 0x41}, {6, 400}, {8, 8}};
    struct pdm_frame before = {}, after = {};

    map_bars(r);
    rig_out(r, 0x3c0, 0x20, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(mode); i++) {
        rig_out(r, 0x1ce, mode[i][0], 2);
        rig_out(r, 0x1cf, mode[i][1], 2);
    }
    for (unsigned i = 0; i < 2000; i++)
        rig_mmio_write(r, LFB + 2 * i, i * 0x9e37 & 0xffff, 2);
    render(r, &before);
    g_assert_cmpuint(before.width, ==, 320);
    g_assert_cmphex(before.pixels[0], !=, 0);
    g_assert_null(pci_vga_device.display_port->text(rig_dev(r)));
    g_assert_true(rig_save_load(r, NULL));
    render(r, &after);
    g_assert_cmpmem(after.pixels, (size_t)after.stride_bytes * after.height, before.pixels,
                    (size_t)before.stride_bytes * before.height);
    rig_reset(r);
    render(r, &after);
    g_assert_true(after.blank);
    pdm_frame_fini(&before);
    pdm_frame_fini(&after);
    rig_free(r);
}

/* Only the lines in pages that were written are drawn; any register makes all of them. Mode: 1024 bytes a line. */
static void test_update(void)
{
    struct rig *r = rig_new(&pci_vga_device, NULL);
    static const uint16_t mode[][2] = {{1, 256}, {2, 64}, {3, 32}, {4, 0x41}};
    const struct {
        uint32_t at, first, lines;
    } writes[] = {{0, 0, 4}, {4096, 4, 4}, {8191, 4, 4}, {63 * 1024, 60, 4}, {64 * 1024, 0, 0}};
    struct pdm_frame f = {}, whole = {};
    struct pdm_band band;

    map_bars(r);
    rig_out(r, 0x3c0, 0x20, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(mode); i++) {
        rig_out(r, 0x1ce, mode[i][0], 2);
        rig_out(r, 0x1cf, mode[i][1], 2);
    }
    update(r, &f, &band);
    g_assert_cmpuint(band.lines, ==, 64);
    update(r, &f, &band);
    g_assert_cmpuint(band.lines, ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++) {
        rig_mmio_write(r, LFB + writes[i].at, 0xc0 + i, 1);
        update(r, &f, &band);
        g_assert_cmpuint(band.lines, ==, writes[i].lines);
        g_assert_cmpuint(band.first, ==, writes[i].first);
    }
    rig_mmio_write(r, LFB + 5 * 1024, 1, 1); /* two pages: the band holds what lies between */
    rig_mmio_write(r, LFB + 17 * 1024, 2, 1);
    update(r, &f, &band);
    g_assert_cmpuint(band.first, ==, 4);
    g_assert_cmpuint(band.lines, ==, 16);
    render(r, &whole);
    g_assert_cmpmem(f.pixels, (size_t)f.stride_bytes * f.height, whole.pixels, (size_t)f.stride_bytes * f.height);
    rig_mmio_write(r, 0xa0000, 3, 1); /* through the window */
    update(r, &f, &band);
    g_assert_cmpuint(band.lines, ==, 64);
    rig_out(r, 0x1ce, 9, 2);
    rig_out(r, 0x1cf, 1, 2); /* panned */
    update(r, &f, &band);
    g_assert_cmpuint(band.lines, ==, 64);
    pdm_frame_fini(&f);
    pdm_frame_fini(&whole);
    rig_free(r);
}

/* A text screen is drawn when it changes or blinks */
static void test_update_text(void)
{
    struct rig *r = rig_new(&pci_vga_device, NULL);
    struct pdm_frame f = {};
    struct pdm_band band;

    rig_out(r, 0x3c0, 0x20, 1);
    update(r, &f, &band);
    g_assert_cmpuint(band.lines, ==, f.height);
    update(r, &f, &band);
    g_assert_cmpuint(band.lines, ==, 0);
    rig_step_ns(r, 250000000);
    update(r, &f, &band);
    g_assert_cmpuint(band.lines, ==, f.height);
    pdm_frame_fini(&f);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-vga/identity", test_identity);
    g_test_add_func("/pci-vga/rom", test_rom);
    g_test_add_func("/pci-vga/ways-in", test_ways_in);
    g_test_add_func("/pci-vga/save", test_save);
    g_test_add_func("/pci-vga/update", test_update);
    g_test_add_func("/pci-vga/update-text", test_update_text);
    return g_test_run();
}
