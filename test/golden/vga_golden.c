/*
 * vga_golden.c - what the VGA shows in each kind of mode, as hashes of pictures that were looked at.
 *
 * Every picture is painted through ports and the memory window as a program would, so addressing on the way in and
 * on the way out must agree. With --out DIR as the last arguments the pictures are written there to be looked at.
 */
#include <glib.h>
#include <string.h>

#include "devices/gfx/vga_draw.h"
#include "drivers/display/png.h"
#include "vga_modes.h"

#define VRAM_BYTES (4u << 20)

static const char *out_dir;

struct screen {
    struct vga vga;
    uint8_t *vram;
    void (*plot)(struct screen *s, unsigned x, unsigned y, unsigned colour);
    unsigned width, height, colours;
    uint64_t now_ns;
};

/* ---- a program's hands ---- */

static void out(struct screen *s, uint16_t port, unsigned val)
{
    vga_port_write(&s->vga, port, (uint8_t)val);
}

static void indexed(struct screen *s, uint16_t port, unsigned index, unsigned val)
{
    out(s, port, index);
    out(s, (uint16_t)(port + 1), val);
}

static void poke(struct screen *s, uint32_t gpa, unsigned val)
{
    vga_mem_write(&s->vga, gpa - VGA_WINDOW_GPA, (uint8_t)val);
}

static void attribute(struct screen *s, unsigned index, unsigned val)
{
    (void)vga_port_read(&s->vga, 0x3da, 0);
    out(s, 0x3c0, index);
    out(s, 0x3c0, val);
    out(s, 0x3c0, 0x20);
}

/* The 64 colours of an EGA monitor, then 192 shades for the 256-colour modes */
static void palette(struct screen *s)
{
    out(s, 0x3c8, 0);
    for (unsigned i = 0; i < 256; i++) {
        const unsigned level = i & 0x3f;

        out(s, 0x3c9, i < 64 ? (i & 4) / 4 * 0x2a + (i & 32) / 32 * 0x15 : i & 0x40 ? level : 0);
        out(s, 0x3c9, i < 64 ? (i & 2) / 2 * 0x2a + (i & 16) / 16 * 0x15 : i & 0x80 ? level : 0);
        out(s, 0x3c9, i < 64 ? (i & 1) * 0x2a + (i & 8) / 8 * 0x15 : 63 - level);
    }
}

static void set_mode(struct screen *s, const struct vga_mode *m)
{
    out(s, 0x3c2, m->misc);
    for (unsigned i = 0; i < 5; i++)
        indexed(s, 0x3c4, i, m->sr[i]);
    indexed(s, 0x3d4, 0x11, 0); /* unlocks CR0-CR7 */
    for (unsigned i = 0; i < 25; i++)
        indexed(s, 0x3d4, i, m->cr[i]);
    for (unsigned i = 0; i < 9; i++)
        indexed(s, 0x3ce, i, m->gr[i]);
    (void)vga_port_read(&s->vga, 0x3da, 0);
    for (unsigned i = 0; i < 21; i++) {
        out(s, 0x3c0, i);
        out(s, 0x3c0, m->ar[i]);
    }
    out(s, 0x3c0, 0x20);
    palette(s);
}

static void screen_init(struct screen *s)
{
    *s = (struct screen){.vram = g_malloc0(VRAM_BYTES)};
    vga_init(&s->vga, s->vram, VRAM_BYTES);
}

static void check(struct screen *s, const char *name, unsigned width, unsigned height, const char *hash)
{
    const struct vga_picture p = vga_picture(&s->vga);
    struct pdm_frame f = {.width = p.width, .height = p.height, .stride_bytes = p.width * 4};
    g_autofree char *path = out_dir ? g_strdup_printf("%s/%s.png", out_dir, name) : NULL;
    g_autofree char *got = NULL;

    g_assert_cmpuint(p.width, ==, width);
    g_assert_cmpuint(p.height, ==, height);
    g_assert_false(p.blank);
    f.pixels = g_malloc0((size_t)f.stride_bytes * f.height);
    vga_draw(&s->vga, s->now_ns, f.pixels, p.width);
    if (path)
        g_assert_true(png_write_frame(&f, path, NULL));
    got = png_frame_hash(&f);
    g_free(f.pixels);
    if (strncmp(got, hash, strlen(hash)) || !*hash)
        g_test_message("%s: %.16s, expected %s", name, got, hash);
    if (strncmp(got, hash, strlen(hash)) || !*hash)
        g_test_fail();
}

static void screen_fini(struct screen *s)
{
    g_free(s->vram);
}

/* ---- text ---- */

/* A 5 x 7 alphabet, rows from the top, bit 4 leftmost */
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
static const uint8_t shapes[][7] = {
    {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}, {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e},
    {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e}, {0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e},
    {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f}, {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10},
    {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f}, {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11},
    {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}, {0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c},
    {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11}, {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f},
    {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11}, {0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11},
    {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}, {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10},
    {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d}, {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11},
    {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}, {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04},
    {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}, {0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04},
    {0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11}, {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11},
    {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04}, {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f},
    {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}, {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e},
    {0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f}, {0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e},
    {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}, {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e},
    {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}, {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08},
    {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}, {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c},
};
#define CH_LINE  0xc4 /* horizontal line: joins its neighbours over the ninth dot */
#define CH_BLOCK 0xdb
#define CH_HALF  0xb1 /* shade outside C0h-DFh: does not join */

static void load_glyph(struct screen *s, uint32_t gpa, unsigned ch, unsigned row, unsigned dots)
{
    poke(s, gpa + ch * 32 + row, dots);
}

/* Loads the alphabet into plane 2, as firmware does: planar, sequential, window at A0000h [IBM, character generator] */
static void load_font(struct screen *s, uint32_t at, bool inverse)
{
    const uint32_t gpa = 0xa0000 + at;

    indexed(s, 0x3c4, 2, 0x04);
    indexed(s, 0x3c4, 4, 0x07);
    indexed(s, 0x3ce, 5, 0x00);
    indexed(s, 0x3ce, 6, 0x04);
    for (unsigned i = 0; letters[i]; i++)
        for (unsigned row = 0; row < 16; row++) {
            const unsigned dots = row >= 2 && row < 16 ? shapes[i][(row - 2) / 2] << 2 : 0;

            load_glyph(s, gpa, (unsigned char)letters[i], row, inverse ? ~dots : dots);
        }
    for (unsigned row = 0; row < 16; row++) {
        load_glyph(s, gpa, CH_LINE, row, row == 7 || row == 8 ? 0xff : 0);
        load_glyph(s, gpa, CH_BLOCK, row, 0xff);
        load_glyph(s, gpa, CH_HALF, row, row & 1 ? 0xaa : 0x55);
    }
    indexed(s, 0x3c4, 2, 0x03);
    indexed(s, 0x3c4, 4, 0x02);
    indexed(s, 0x3ce, 5, 0x10);
    indexed(s, 0x3ce, 6, 0x0e);
}

static void put_text(struct screen *s, unsigned cell, const char *text, unsigned attr)
{
    for (unsigned i = 0; text[i]; i++) {
        poke(s, 0xb8000 + 2 * (cell + i), (unsigned char)text[i]);
        poke(s, 0xb8001 + 2 * (cell + i), attr);
    }
}

static void text_screen(struct screen *s, const struct vga_mode *m, unsigned columns)
{
    screen_init(s);
    set_mode(s, m);
    load_font(s, 0, false);
    for (unsigned i = 0; i < columns * 60; i++)
        put_text(s, i, " ", 0x07);
    put_text(s, 0, "RINGBOX VGA", 0x0f);
    for (unsigned a = 0; a < 128; a++) { /* every foreground on every background but the blinking ones */
        const char cell[] = {(char)('A' + a % 26), 0};

        put_text(s, (2 + a / 16) * columns + a % 16, cell, a);
    }
    put_text(s, 11 * columns, "\xc4\xc4\xc4\xdb\xdb\xdb\xb1\xb1\xb1", 0x0e);
    put_text(s, 12 * columns, "BLINK", 0x9c);
    put_text(s, 13 * columns, "UNDERLINE", 0x01);
    put_text(s, 24 * columns + columns - 6, "CORNER", 0x1f);
    indexed(s, 0x3d4, 0x0e, 0);
    indexed(s, 0x3d4, 0x0f, 14); /* cursor behind the title */
}

static void test_text80(void)
{
    struct screen s;

    text_screen(&s, &mode_03h, 80);
    check(&s, "text80", 720, 400, "01c908310627d9c3");
    s.now_ns = 16 * 14268000ull; /* the other half of both blinks: cursor on, characters off */
    check(&s, "text80-blink", 720, 400, "8e8d9b1a7585bb89");
    g_autofree char *text = vga_text(&s.vga);
    g_assert_true(g_str_has_prefix(text, "RINGBOX VGA\n\nABCDEFGHIJKLMNOP\n"));
    g_assert_nonnull(strstr(text, "───███▒▒▒\nBLINK\n"));
    screen_fini(&s);
}

static void test_text_variants(void)
{
    struct screen s;

    text_screen(&s, &mode_03h, 80);
    attribute(&s, 0x10, 0x04); /* bright backgrounds, no blinking [IBM, attribute mode control] */
    indexed(&s, 0x3c4, 1, 0x01);
    attribute(&s, 0x13, 0x00);
    indexed(&s, 0x3d4, 0x14, 0x0f); /* underline in line 15 */
    check(&s, "text80-8dot-bright", 640, 400, "7297eeef7a3ee3ca");
    screen_fini(&s);

    text_screen(&s, &mode_03h, 80);
    load_font(&s, 0x4000, true);
    indexed(&s, 0x3c4, 3, 0x04); /* characters with attribute bit 3 from the second font */
    check(&s, "text80-two-fonts", 720, 400, "d8e369bfecbf4b80");
    screen_fini(&s);

    text_screen(&s, &mode_01h, 40);
    check(&s, "text40", 720, 400, "621c8dddcb642cff");
    screen_fini(&s);
}

/* Smooth scrolling above, a still status area below [IBM, line compare; preset row scan; pel panning] */
static void test_text_split(void)
{
    struct screen s;

    text_screen(&s, &mode_03h, 80);
    indexed(&s, 0x3d4, 0x0c, 0);
    indexed(&s, 0x3d4, 0x0d, 160); /* starts with row 2 */
    indexed(&s, 0x3d4, 0x08, 5);
    attribute(&s, 0x13, 3);
    attribute(&s, 0x10, 0x2c);      /* the lower part does not pan */
    indexed(&s, 0x3d4, 0x18, 0x2b); /* line 299 */
    indexed(&s, 0x3d4, 0x07, 0x1f);
    indexed(&s, 0x3d4, 0x09, 0x0f);
    check(&s, "text80-split", 720, 400, "d1c594add293c020");
    screen_fini(&s);
}

/* ---- graphics ---- */

/* A frame, both diagonals, a circle, colour bars: mistakes of addressing or order cannot hide */
static void paint(struct screen *s)
{
    const int w = (int)s->width, h = (int)s->height;

    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const int dx = (2 * x - w) * h / w, dy = 2 * y - h;
            const int r = dx * dx + dy * dy, limit = h * h / 4;
            unsigned c = 0;

            if (x == 0 || y == 0 || x == w - 1 || y == h - 1)
                c = s->colours - 1;
            else if (x * h / w == y || (w - 1 - x) * h / w == y)
                c = s->colours / 2;
            else if (r < limit && r > limit * 9 / 10)
                c = s->colours / 4 ? s->colours / 4 : 1;
            else if (y > h * 3 / 4 && y < h * 7 / 8)
                c = (unsigned)x * s->colours / (unsigned)w;
            if (c)
                s->plot(s, (unsigned)x, (unsigned)y, c);
        }
}

static void plot_cga4(struct screen *s, unsigned x, unsigned y, unsigned c)
{
    const uint32_t gpa = 0xb8000 + (y & 1) * 0x2000 + y / 2 * 80 + x / 4;
    const unsigned old = vga_mem_read(&s->vga, gpa - VGA_WINDOW_GPA);

    poke(s, gpa, old | c << (6 - 2 * (x & 3)));
}

static void plot_cga2(struct screen *s, unsigned x, unsigned y, unsigned c)
{
    const uint32_t gpa = 0xb8000 + (y & 1) * 0x2000 + y / 2 * 80 + x / 8;
    const unsigned old = vga_mem_read(&s->vga, gpa - VGA_WINDOW_GPA);

    poke(s, gpa, old | c << (7 - (x & 7)));
}

/* Write mode 2 through the bit mask */
static void plot_planar(struct screen *s, unsigned x, unsigned y, unsigned c)
{
    const uint32_t off = y * (s->width / 8) + x / 8;

    indexed(s, 0x3ce, 5, 2);
    indexed(s, 0x3ce, 8, 0x80u >> (x & 7));
    (void)vga_mem_read(&s->vga, off);
    vga_mem_write(&s->vga, off, (uint8_t)c);
}

static void plot_13h(struct screen *s, unsigned x, unsigned y, unsigned c)
{
    poke(s, 0xa0000 + y * 320 + x, c);
}

static void plot_x(struct screen *s, unsigned x, unsigned y, unsigned c)
{
    indexed(s, 0x3c4, 2, 1u << (x & 3));
    poke(s, 0xa0000 + y * 80 + x / 4, c);
}

struct gfx_case {
    const char *name;
    const struct vga_mode *mode;
    unsigned width, height, colours, dots, lines;
    void (*plot)(struct screen *s, unsigned x, unsigned y, unsigned colour);
    const char *hash;
};
static const struct gfx_case gfx_cases[] = {
    {"mode04", &mode_04h, 320, 200, 4, 640, 400, plot_cga4, "1a7968326a0e3dcd"},
    {"mode06", &mode_06h, 640, 200, 2, 640, 400, plot_cga2, "c2b91a825c2165c1"},
    {"mode0d", &mode_0dh, 320, 200, 16, 640, 400, plot_planar, "119ea1aec4640bfc"},
    {"mode12", &mode_12h, 640, 480, 16, 640, 480, plot_planar, "380a6e16ff8bd384"},
    {"mode13", &mode_13h, 320, 200, 256, 640, 400, plot_13h, "f75332d685181389"},
};

static void test_gfx(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(gfx_cases); i++) {
        const struct gfx_case *t = &gfx_cases[i];
        struct screen s;

        screen_init(&s);
        set_mode(&s, t->mode);
        s.plot = t->plot;
        s.width = t->width;
        s.height = t->height;
        s.colours = t->colours;
        paint(&s);
        check(&s, t->name, t->dots, t->lines, t->hash);
        screen_fini(&s);
    }
}

/* Mode X: 320 x 240 unchained, on its second page, panned by three pixels, 256 pixels wide view of the memory */
static void test_mode_x(void)
{
    struct screen s;

    screen_init(&s);
    set_mode(&s, &mode_13h);
    indexed(&s, 0x3c4, 4, 0x06); /* no chain 4 */
    out(&s, 0x3c2, 0xe3);
    static const uint8_t crtc[][2] = {{0x11, 0x0c}, {0x06, 0x0d}, {0x07, 0x3e}, {0x09, 0x41},
                                      {0x10, 0xea}, {0x11, 0xac}, {0x12, 0xdf}, {0x14, 0x00},
                                      {0x15, 0xe7}, {0x16, 0x06}, {0x17, 0xe3}};
    for (unsigned i = 0; i < G_N_ELEMENTS(crtc); i++)
        indexed(&s, 0x3d4, crtc[i][0], crtc[i][1]);
    s.plot = plot_x;
    s.width = 320;
    s.height = 240;
    s.colours = 256;
    paint(&s);
    check(&s, "mode-x", 640, 480, "fc0002ca466d2fb2");
    indexed(&s, 0x3d4, 0x0c, 0x06); /* start address 1600: 20 lines further */
    indexed(&s, 0x3d4, 0x0d, 0x40);
    attribute(&s, 0x13, 6);
    check(&s, "mode-x-panned", 640, 480, "052dddeda3ee3bc7");
    screen_fini(&s);
}

/* ---- display interface ---- */

static void plot_vbe(struct screen *s, unsigned x, unsigned y, unsigned c)
{
    const unsigned bpp = s->vga.vbe.reg[VBE_BPP];
    const unsigned step = (bpp + 7) / 8;
    uint8_t *p = s->vram + y * vbe_line_bytes(&s->vga) + x * step;
    const uint32_t colour = bpp == 8    ? c
                            : bpp == 15 ? c << 10 | (31 - c) << 5 | 8 /* red to green, a little blue */
                            : bpp == 16 ? c << 11 | (31 - c) << 6 | 8
                                        : c * 0x00a05003 % 0x1000000;

    for (unsigned i = 0; i < step; i++)
        p[i] = (uint8_t)(colour >> 8 * i);
}

static void vbe_mode(struct screen *s, unsigned width, unsigned height, unsigned bpp)
{
    vbe_write(&s->vga, VBE_ENABLE, 0);
    vbe_write(&s->vga, VBE_XRES, (uint16_t)width);
    vbe_write(&s->vga, VBE_YRES, (uint16_t)height);
    vbe_write(&s->vga, VBE_BPP, (uint16_t)bpp);
    vbe_write(&s->vga, VBE_ENABLE, VBE_ENABLED | VBE_LFB);
    g_assert_true(vbe_on(&s->vga));
    s->width = width;
    s->height = height;
}

static void test_vbe(void)
{
    static const struct {
        unsigned bpp, colours;
        const char *name, *hash;
    } rows[] = {{8, 256, "vbe8", "6b2ef2c53d9ce500"},
                {15, 32, "vbe15", "fb6ae188f5932637"},
                {16, 32, "vbe16", "5327eb14afe21afc"},
                {24, 256, "vbe24", "8270f30a43bb8dcd"},
                {32, 256, "vbe32", "8270f30a43bb8dcd"}};
    struct screen s;

    screen_init(&s);
    set_mode(&s, &mode_13h);
    s.plot = plot_vbe;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        s.colours = rows[i].colours;
        vbe_mode(&s, 400, 300, rows[i].bpp);
        paint(&s);
        check(&s, rows[i].name, 400, 300, rows[i].hash);
    }
    vbe_mode(&s, 400, 300, 32); /* virtual width 640, the view moved into the middle of it */
    vbe_write(&s.vga, VBE_VIRT_WIDTH, 640);
    s.width = 640;
    s.height = 480;
    paint(&s);
    vbe_write(&s.vga, VBE_X_OFFSET, 240);
    vbe_write(&s.vga, VBE_Y_OFFSET, 180);
    check(&s, "vbe32-offset", 400, 300, "45bec2caae646912");
    screen_fini(&s);
}

static void test_vbe_planar(void)
{
    struct screen s;

    screen_init(&s);
    set_mode(&s, &mode_12h);
    vbe_mode(&s, 800, 600, 4);
    s.plot = plot_planar;
    s.colours = 16;
    paint(&s);
    check(&s, "vbe4", 800, 600, "166fd6563fdb58d4");
    screen_fini(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (argc == 3 && !strcmp(argv[1], "--out"))
        out_dir = argv[2];
    g_test_add_func("/vga-golden/text80", test_text80);
    g_test_add_func("/vga-golden/text-variants", test_text_variants);
    g_test_add_func("/vga-golden/text-split", test_text_split);
    g_test_add_func("/vga-golden/gfx", test_gfx);
    g_test_add_func("/vga-golden/mode-x", test_mode_x);
    g_test_add_func("/vga-golden/vbe", test_vbe);
    g_test_add_func("/vga-golden/vbe-planar", test_vbe_planar);
    return g_test_run();
}
