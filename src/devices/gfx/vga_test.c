/*
 * vga_test.c - VGA registers and memory pipeline, and the display interface, by the books.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem" [IBM]; FreeVGA [FV]; Bochs VBE display
 * interface [BX].
 */
#include "devices/gfx/vga.h"
#include "devices/gfx/vga_draw.h"

#include <glib.h>
#include <string.h>

#define VRAM_BYTES (1u << 20)

static uint8_t vram[VRAM_BYTES];

static void fresh(struct vga *v)
{
    memset(vram, 0, sizeof vram);
    vga_init(v, vram, sizeof vram);
    vga_port_write(v, 0x3c2, 0x63); /* colour ports, memory on, low page */
}

static unsigned in(struct vga *v, unsigned port)
{
    return vga_port_read(v, (uint16_t)port, 0);
}

static void out(struct vga *v, unsigned port, unsigned val)
{
    vga_port_write(v, (uint16_t)port, (uint8_t)val);
}

static void indexed(struct vga *v, unsigned port, unsigned index, unsigned val)
{
    out(v, port, index);
    out(v, port + 1, val);
}

static unsigned indexed_in(struct vga *v, unsigned port, unsigned index)
{
    out(v, port, index);
    return in(v, port + 1);
}

/* ---- registers ---- */

/* Every register reads back what exists of it [IBM] */
static void test_readback(void)
{
    static const struct {
        uint16_t port;
        uint8_t index, mask;
    } rows[] = {
        {0x3c4, 0, 0x03},    {0x3c4, 1, 0x3d}, {0x3c4, 2, 0x0f}, {0x3c4, 3, 0x3f},    {0x3c4, 4, 0x0e},
        {0x3ce, 0, 0x0f},    {0x3ce, 3, 0x1f}, {0x3ce, 4, 0x03}, {0x3ce, 5, 0x7b},    {0x3ce, 6, 0x0f},
        {0x3ce, 8, 0xff},    {0x3d4, 0, 0xff}, {0x3d4, 9, 0xff}, {0x3d4, 0x17, 0xff}, {0x3d4, 0x18, 0xff},
        {0x3d4, 0x19, 0x00}, {0x3c4, 5, 0x00}, {0x3ce, 9, 0x00},
    };
    struct vga v;

    fresh(&v);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        indexed(&v, rows[i].port, rows[i].index, 0xff);
        g_assert_cmphex(indexed_in(&v, rows[i].port, rows[i].index), ==, rows[i].mask);
        g_assert_cmphex(in(&v, rows[i].port), ==, rows[i].index);
        indexed(&v, rows[i].port, rows[i].index, 0);
        g_assert_cmphex(indexed_in(&v, rows[i].port, rows[i].index), ==, 0);
    }
    out(&v, 0x3c2, 0xa7);
    g_assert_cmphex(in(&v, 0x3cc), ==, 0xa7);
    out(&v, 0x3c6, 0x5a);
    g_assert_cmphex(in(&v, 0x3c6), ==, 0x5a);
    out(&v, 0x3da, 0xff);
    g_assert_cmphex(in(&v, 0x3ca), ==, 0x0b);
}

/* [IBM, miscellaneous output bit 0]: CRTC and status at 3Bxh or 3Dxh, never both */
static void test_colour_mono(void)
{
    struct vga v;

    fresh(&v);
    out(&v, 0x3b4, 5);
    g_assert_cmphex(in(&v, 0x3b4), ==, 0xff);
    out(&v, 0x3d4, 5);
    g_assert_cmphex(in(&v, 0x3d4), ==, 5);
    out(&v, 0x3c2, 0x62);
    g_assert_cmphex(in(&v, 0x3b4), ==, 5);
    g_assert_cmphex(in(&v, 0x3d4), ==, 0xff);
    g_assert_cmphex(in(&v, 0x3ba) & ~9u, ==, 0);
    g_assert_cmphex(in(&v, 0x3da), ==, 0xff);
}

/* [IBM, vertical retrace end bit 7]: CR0-CR7 locked, but for CR7 bit 4 */
static void test_protect(void)
{
    struct vga v;

    fresh(&v);
    indexed(&v, 0x3d4, 0x07, 0x21);
    indexed(&v, 0x3d4, 0x00, 0x5f);
    indexed(&v, 0x3d4, 0x11, 0x80);
    indexed(&v, 0x3d4, 0x00, 0x11);
    indexed(&v, 0x3d4, 0x07, 0xff);
    indexed(&v, 0x3d4, 0x08, 0x07);
    g_assert_cmphex(indexed_in(&v, 0x3d4, 0), ==, 0x5f);
    g_assert_cmphex(indexed_in(&v, 0x3d4, 7), ==, 0x31);
    g_assert_cmphex(indexed_in(&v, 0x3d4, 8), ==, 0x07);
}

/* [IBM, attribute address register]: one port, index and data in turn; status 1 resets; palette locked by bit 5 */
static void test_attribute(void)
{
    struct vga v;

    fresh(&v);
    (void)in(&v, 0x3da);
    out(&v, 0x3c0, 0x03);
    out(&v, 0x3c0, 0x3a);
    g_assert_cmphex(in(&v, 0x3c1), ==, 0x3a);
    out(&v, 0x3c0, 0x23); /* index 3, screen on */
    out(&v, 0x3c0, 0x15);
    g_assert_cmphex(in(&v, 0x3c1), ==, 0x3a);
    g_assert_cmphex(in(&v, 0x3c0), ==, 0x23);
    out(&v, 0x3c0, 0x30); /* mode control is not locked */
    out(&v, 0x3c0, 0xff);
    g_assert_cmphex(in(&v, 0x3c1), ==, 0xef);
    out(&v, 0x3c0, 0x11);
    (void)in(&v, 0x3da); /* half way through: the flip-flop starts over */
    out(&v, 0x3c0, 0x14);
    out(&v, 0x3c0, 0x0f);
    g_assert_cmphex(in(&v, 0x3c1), ==, 0x0f);
}

/* [IBM, DAC]: three components per colour, address moves on; 18 bits; state register */
static void test_dac(void)
{
    struct vga v;

    fresh(&v);
    out(&v, 0x3c8, 0xff);
    for (unsigned i = 1; i <= 6; i++)
        out(&v, 0x3c9, 0xc0 + i);
    g_assert_cmphex(in(&v, 0x3c7), ==, 0);
    g_assert_cmphex(in(&v, 0x3c8), ==, 1);
    out(&v, 0x3c7, 0xff);
    g_assert_cmphex(in(&v, 0x3c7), ==, 3);
    for (unsigned i = 1; i <= 6; i++)
        g_assert_cmphex(in(&v, 0x3c9), ==, i);
    out(&v, 0x3c8, 5); /* two components alone change nothing */
    out(&v, 0x3c9, 0x11);
    out(&v, 0x3c9, 0x22);
    out(&v, 0x3c7, 5);
    g_assert_cmphex(in(&v, 0x3c9), ==, 0);
}

static void set_text_timing(struct vga *v)
{
    static const uint8_t cr[][2] = {{0x00, 0x5f}, {0x01, 0x4f}, {0x06, 0xbf}, {0x07, 0x1f},
                                    {0x10, 0x9c}, {0x11, 0x0e}, {0x12, 0x8f}};

    out(v, 0x3c2, 0x67);
    for (unsigned i = 0; i < G_N_ELEMENTS(cr); i++)
        indexed(v, 0x3d4, cr[i][0], cr[i][1]);
}

/* [IBM, input status 1]: 449 lines of 100 characters of 9 dots at 28.322 MHz: 70 Hz; retrace lines 412 and 413 */
static void test_status(void)
{
    const uint64_t line_ns = 900ull * 1000000000u / 28322000u;
    struct vga v;
    unsigned frames = 0;
    uint8_t last = 0;

    fresh(&v);
    set_text_timing(&v);
    g_assert_cmphex(vga_port_read(&v, 0x3da, 100), ==, 0);
    g_assert_cmphex(vga_port_read(&v, 0x3da, line_ns - 1000), ==, 1);        /* beside the line */
    g_assert_cmphex(vga_port_read(&v, 0x3da, 405 * line_ns), ==, 1);         /* below the picture */
    g_assert_cmphex(vga_port_read(&v, 0x3da, 412 * line_ns + 20000), ==, 9); /* retrace */
    g_assert_cmphex(vga_port_read(&v, 0x3da, 415 * line_ns), ==, 1);
    for (uint64_t t = 0; t < 1000000000u; t += 20000) {
        const uint8_t now = vga_port_read(&v, 0x3da, t) & 8;

        frames += now && !last;
        last = now;
    }
    g_assert_cmpuint(frames, ==, 70);
}

/* ---- memory ---- */

struct write_case {
    const char *what;
    uint8_t gr[9], mapmask, val;
    uint8_t want[4];
};
/* The latches hold 0f 33 55 ff; what one write leaves in the four planes [IBM, graphics mode register] */
static const struct write_case write_cases[] = {
    {"mode 0", {0, 0, 0, 0, 0, 0, 5, 0, 0xff}, 0xf, 0xa5, {0xa5, 0xa5, 0xa5, 0xa5}},
    {"map mask", {0, 0, 0, 0, 0, 0, 5, 0, 0xff}, 0x5, 0xa5, {0xa5, 0x33, 0xa5, 0xff}},
    {"rotate", {0, 0, 0, 3, 0, 0, 5, 0, 0xff}, 0xf, 0x81, {0x30, 0x30, 0x30, 0x30}},
    {"and", {0, 0, 0, 0x08, 0, 0, 5, 0, 0xff}, 0xf, 0xa5, {0x05, 0x21, 0x05, 0xa5}},
    {"or", {0, 0, 0, 0x10, 0, 0, 5, 0, 0xff}, 0xf, 0xa5, {0xaf, 0xb7, 0xf5, 0xff}},
    {"xor", {0, 0, 0, 0x18, 0, 0, 5, 0, 0xff}, 0xf, 0xa5, {0xaa, 0x96, 0xf0, 0x5a}},
    {"bit mask", {0, 0, 0, 0, 0, 0, 5, 0, 0x0f}, 0xf, 0xa5, {0x05, 0x35, 0x55, 0xf5}},
    {"set/reset", {0x9, 0xb, 0, 0, 0, 0, 5, 0, 0xff}, 0xf, 0xa5, {0xff, 0x00, 0xa5, 0xff}},
    {"mode 1", {0, 0, 0, 0, 0, 1, 5, 0, 0x00}, 0xf, 0xa5, {0x0f, 0x33, 0x55, 0xff}},
    {"mode 2", {0, 0, 0, 0, 0, 2, 5, 0, 0xf0}, 0xf, 0x06, {0x0f, 0xf3, 0xf5, 0x0f}},
    {"mode 3", {0x5, 0, 0, 0, 0, 3, 5, 0, 0x3c}, 0xf, 0xf0, {0x3f, 0x03, 0x75, 0xcf}},
};

static void test_write_modes(void)
{
    static const uint8_t latches[4] = {0x0f, 0x33, 0x55, 0xff};

    for (unsigned i = 0; i < G_N_ELEMENTS(write_cases); i++) {
        const struct write_case *t = &write_cases[i];
        struct vga v;

        fresh(&v);
        memcpy(vram + 4 * 0x123, latches, 4);
        indexed(&v, 0x3c4, 4, 0x06);
        indexed(&v, 0x3c4, 2, t->mapmask);
        for (unsigned g = 0; g < 9; g++)
            indexed(&v, 0x3ce, g, t->gr[g]);
        (void)vga_mem_read(&v, 0x123);
        vga_mem_write(&v, 0x123, t->val);
        g_test_message("%s", t->what);
        g_assert_cmpmem(vram + 4 * 0x123, 4, t->want, 4);
    }
}

/* [IBM, read map select; colour compare; colour don't care] */
static void test_read_modes(void)
{
    struct vga v;

    fresh(&v);
    memcpy(vram + 4 * 7, (const uint8_t[]){0x0f, 0x33, 0x55, 0xff}, 4);
    indexed(&v, 0x3c4, 4, 0x06);
    indexed(&v, 0x3ce, 6, 0x05);
    for (unsigned p = 0; p < 4; p++) {
        indexed(&v, 0x3ce, 4, p);
        g_assert_cmphex(vga_mem_read(&v, 7), ==, vram[4 * 7 + p]);
    }
    indexed(&v, 0x3ce, 5, 0x08);
    indexed(&v, 0x3ce, 7, 0x0f);
    indexed(&v, 0x3ce, 2, 0x0b); /* planes 3, 1, 0 set, plane 2 clear */
    g_assert_cmphex(vga_mem_read(&v, 7), ==, 0x02);
    indexed(&v, 0x3ce, 7, 0x09); /* only planes 3 and 0 count */
    g_assert_cmphex(vga_mem_read(&v, 7), ==, 0x0f);
    indexed(&v, 0x3ce, 7, 0x00);
    g_assert_cmphex(vga_mem_read(&v, 7), ==, 0xff);
}

/* [IBM, memory mode; graphics miscellaneous]: where a host byte goes */
static void test_addressing(void)
{
    static const struct {
        uint8_t sr4, gr6, misc;
        uint32_t off;
        int plane; /* -1: nowhere; the map mask is 0Fh, so planar writes reach all and are seen in plane 0 */
        uint32_t plane_off;
    } rows[] = {
        {0x06, 0x05, 0x63, 0x1234, 0, 0x1234},                                          /* planar, 64 KiB at A0000h */
        {0x06, 0x05, 0x63, 0x10000, -1, 0},                                             /* beyond it */
        {0x06, 0x01, 0x63, 0x1ffff, 0, 0xffff},                                         /* 128 KiB wraps at 64 KiB */
        {0x06, 0x09, 0x63, 0x10010, 0, 0x0010},                                         /* B0000h */
        {0x06, 0x0d, 0x63, 0x10010, -1, 0},     {0x06, 0x0d, 0x63, 0x18010, 0, 0x0010}, /* B8000h */
        {0x06, 0x05, 0x61, 0x1234, -1, 0},                                              /* memory off */
        {0x02, 0x0e, 0x63, 0x18004, 0, 0x0004},                                         /* odd/even: even byte */
        {0x02, 0x0e, 0x63, 0x18005, 1, 0x0004},                                         /* odd byte, same address */
        {0x02, 0x0e, 0x43, 0x18005, 1, 0x0005},                                         /* the other page */
        {0x0e, 0x05, 0x63, 0x0007, 3, 0x0004},                                          /* chain 4 */
        {0x0e, 0x05, 0x63, 0xc004, 0, 0xc007}, /* A14-A15 become plane address bits 0-1 */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const uint32_t at = 4 * rows[i].plane_off + (unsigned)(rows[i].plane < 0 ? 0 : rows[i].plane);
        struct vga v;

        fresh(&v);
        out(&v, 0x3c2, rows[i].misc);
        indexed(&v, 0x3c4, 2, 0x0f);
        indexed(&v, 0x3c4, 4, rows[i].sr4);
        indexed(&v, 0x3ce, 6, rows[i].gr6);
        indexed(&v, 0x3ce, 5, rows[i].sr4 & 4 ? 0 : 0x10);
        vga_mem_write(&v, rows[i].off, 0xa5);
        g_test_message("row %u", i);
        g_assert_cmphex(vram[at], ==, rows[i].plane < 0 ? 0 : 0xa5);
        g_assert_cmphex(vga_mem_read(&v, rows[i].off), ==, rows[i].plane < 0 ? 0xff : 0xa5);
    }
}

/* ---- display interface ---- */

static void vbe_mode(struct vga *v, unsigned width, unsigned height, unsigned bpp, unsigned flags)
{
    vbe_write(v, VBE_ENABLE, 0);
    vbe_write(v, VBE_XRES, (uint16_t)width);
    vbe_write(v, VBE_YRES, (uint16_t)height);
    vbe_write(v, VBE_BPP, (uint16_t)bpp);
    vbe_write(v, VBE_ENABLE, (uint16_t)(VBE_ENABLED | flags));
}

/* [BX]: identification, capabilities, memory size */
static void test_vbe_identify(void)
{
    struct vga v;

    fresh(&v);
    g_assert_cmphex(vbe_read(&v, VBE_ID), ==, 0xb0c5);
    for (unsigned id = 0xb0c0; id <= 0xb0c5; id++) {
        vbe_write(&v, VBE_ID, (uint16_t)id);
        g_assert_cmphex(vbe_read(&v, VBE_ID), ==, id);
    }
    vbe_write(&v, VBE_ID, 0xbe01); /* VirtualBox's host-guest interface is not offered */
    g_assert_cmphex(vbe_read(&v, VBE_ID), ==, 0xb0c5);
    vbe_write(&v, VBE_ENABLE, VBE_GETCAPS);
    g_assert_cmpuint(vbe_read(&v, VBE_XRES), ==, 16384);
    g_assert_cmpuint(vbe_read(&v, VBE_BPP), ==, 32);
    g_assert_cmpuint(vbe_read(&v, VBE_MEMORY_64K), ==, VRAM_BYTES >> 16);
    g_assert_cmpuint(vbe_read(&v, 0x1234), ==, 0);
}

/* Geometry never leaves the memory, whatever is written (vga.h inv 2) */
static void test_vbe_geometry(void)
{
    struct vga v;

    fresh(&v);
    vbe_mode(&v, 640, 480, 16, VBE_LFB);
    g_assert_true(vbe_on(&v));
    g_assert_cmpuint(vbe_read(&v, VBE_VIRT_WIDTH), ==, 640);
    g_assert_cmpuint(vbe_read(&v, VBE_VIRT_HEIGHT), ==, VRAM_BYTES / 1280);
    vbe_write(&v, VBE_XRES, 800); /* fixed while on */
    g_assert_cmpuint(vbe_read(&v, VBE_XRES), ==, 640);
    vbe_write(&v, VBE_VIRT_WIDTH, 0xffff);
    g_assert_cmpuint(vbe_read(&v, VBE_VIRT_WIDTH), ==, 640);
    vbe_write(&v, VBE_VIRT_WIDTH, 1000);
    g_assert_cmpuint(vbe_read(&v, VBE_VIRT_WIDTH), ==, 1000);
    vbe_write(&v, VBE_X_OFFSET, 0xffff);
    vbe_write(&v, VBE_Y_OFFSET, 0xffff);
    g_assert_cmpuint(vbe_read(&v, VBE_X_OFFSET), ==, 360);
    g_assert_cmpuint(vbe_read(&v, VBE_Y_OFFSET), ==, VRAM_BYTES / 2000 - 480);
    vbe_mode(&v, 1024, 768, 32, VBE_LFB); /* 3 MiB in 1 MiB */
    g_assert_false(vbe_on(&v));
    vbe_mode(&v, 640, 480, 17, VBE_LFB);
    g_assert_false(vbe_on(&v));
    vbe_mode(&v, 0, 480, 8, VBE_LFB);
    g_assert_false(vbe_on(&v));
}

/* [BX]: bank window, clearing, 8-bit DAC */
static void test_vbe_memory(void)
{
    struct vga v;

    fresh(&v);
    indexed(&v, 0x3ce, 6, 0x05);
    memset(vram, 0x77, 1024 * 768);
    vbe_mode(&v, 320, 200, 8, VBE_NOCLEAR);
    g_assert_cmphex(vram[0], ==, 0x77);
    vbe_write(&v, VBE_BANK, 2);
    vga_mem_write(&v, 0x10, 0xa5);
    g_assert_cmphex(vram[0x20010], ==, 0xa5);
    g_assert_cmphex(vga_mem_read(&v, 0x10), ==, 0xa5);
    vbe_write(&v, VBE_BANK, 0xffff);
    vga_mem_write(&v, 0x10, 0xa5);
    g_assert_cmphex(vga_mem_read(&v, 0x10), ==, 0xff);
    vbe_mode(&v, 320, 200, 8, VBE_8BIT_DAC);
    g_assert_cmphex(vram[320 * 200 - 1], ==, 0);
    g_assert_cmphex(vram[320 * 200], ==, 0x77);
    out(&v, 0x3c8, 1);
    for (unsigned i = 0; i < 3; i++)
        out(&v, 0x3c9, 0xf0 + i);
    out(&v, 0x3c7, 1);
    g_assert_cmphex(in(&v, 0x3c9), ==, 0xf0);
}

/* The screen is off without the palette address source, and with sequencer bit 5 [IBM] */
static void test_blank(void)
{
    struct vga v;

    fresh(&v);
    set_text_timing(&v);
    indexed(&v, 0x3d4, 0x17, 0xa3);
    g_assert_true(vga_picture(&v).blank);
    out(&v, 0x3c0, 0x20);
    g_assert_false(vga_picture(&v).blank);
    indexed(&v, 0x3c4, 1, 0x20);
    g_assert_true(vga_picture(&v).blank);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vga/readback", test_readback);
    g_test_add_func("/vga/colour-mono", test_colour_mono);
    g_test_add_func("/vga/protect", test_protect);
    g_test_add_func("/vga/attribute", test_attribute);
    g_test_add_func("/vga/dac", test_dac);
    g_test_add_func("/vga/status", test_status);
    g_test_add_func("/vga/write-modes", test_write_modes);
    g_test_add_func("/vga/read-modes", test_read_modes);
    g_test_add_func("/vga/addressing", test_addressing);
    g_test_add_func("/vbe/identify", test_vbe_identify);
    g_test_add_func("/vbe/geometry", test_vbe_geometry);
    g_test_add_func("/vbe/memory", test_vbe_memory);
    g_test_add_func("/vga/blank", test_blank);
    return g_test_run();
}
