/*
 * vga_draw.c - the CRTC's walk over the screen, and the colours: attribute controller and DAC.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem" [IBM]; FreeVGA [FV].
 * Left out: the border (overscan), counting by two or four (CR17 bit 3, CR14 bit 5), changes in the middle of a frame.
 *
 * Per scan line: memory counter + row scan -> vga_fetch() -> painter (text or graphics) -> 4-bit colours -> ac[] ->
 * DAC index -> rgb[]. After the last line of a row the counter moves on by twice the offset register; after the line
 * compare's line both start again from 0 (split screen).
 */
#include "devices/gfx/vga_draw.h"

#include <string.h>

#define FRAME_NS        14268000u /* one field at 70 Hz; blinking only needs it roughly */
#define CURSOR_FRAMES   8         /* [IBM]: the cursor blinks every 16 frames, half of them on */
#define TEXT_FRAMES     16
#define SR1_HALF_CLOCK  0x08
#define SR1_SCREEN_OFF  0x20
#define AR_PAS          0x20
#define AR10_PAN_COMPAT 0x20
#define AR10_BITS45     0x80
#define CR14_DWORD      0x40
#define CR17_ROW_BIT13  0x01 /* 0: row scan bit 0 is address bit 13 */
#define CR17_ROW_BIT14  0x02
#define CR17_HALF_LINES 0x04
#define CR17_WRAP15     0x20
#define CR17_BYTE       0x40
#define CR17_RUN        0x80
#define CR9_DOUBLE      0x80
#define DIRTY_PAGE      4096u

static unsigned line_scale(const struct vga *v)
{
    return v->cr[VGA_CR_MODE] & CR17_HALF_LINES ? 2 : 1;
}

static unsigned dot_scale(const struct vga *v)
{
    return v->sr[VGA_SR_CLOCK] & SR1_HALF_CLOCK ? 2 : 1;
}

/* Graphics have no ninth dot */
static unsigned dots_per_char(const struct vga *v)
{
    return vga_is_text(v) ? vga_char_dots(v) : 8;
}

struct vga_picture vga_picture(const struct vga *v)
{
    struct vga_picture p = {.blank = !(v->ar_index & AR_PAS) || v->sr[VGA_SR_CLOCK] & SR1_SCREEN_OFF};

    if (vbe_on(v)) {
        p.width = v->vbe.reg[VBE_XRES];
        p.height = v->vbe.reg[VBE_YRES];
        return p;
    }
    p.width = (v->cr[VGA_CR_HDISP] + 1u) * dots_per_char(v) * dot_scale(v);
    p.height = vga_vdisp(v) * line_scale(v);
    p.blank = p.blank || !(v->cr[VGA_CR_MODE] & CR17_RUN);
    return p;
}

/* ---- addresses ---- */

/* Counter -> plane offset [IBM, CRTC mode control, underline location] */
const uint8_t *vga_fetch(const struct vga *v, uint32_t counter, unsigned row_scan)
{
    const uint8_t mode = v->cr[VGA_CR_MODE];
    uint32_t a = counter & 0xffff;

    if (v->cr[VGA_CR_UNDERLINE] & CR14_DWORD)
        a = a << 2 | (a >> 12 & 3);
    else if (!(mode & CR17_BYTE))
        a = a << 1 | (a >> (mode & CR17_WRAP15 ? 15 : 13) & 1);
    if (!(mode & CR17_ROW_BIT13))
        a = (a & ~0x2000u) | (row_scan & 1) << 13;
    if (!(mode & CR17_ROW_BIT14))
        a = (a & ~0x4000u) | (row_scan & 2) << 13;
    return v->vram + 4 * (a & VGA_PLANE_MASK);
}

/* ---- colours ---- */

static void load_ac(const struct vga *v, uint8_t ac[16])
{
    const uint8_t select = v->ar[VGA_AR_SELECT];

    for (unsigned i = 0; i < 16; i++) {
        uint8_t c = v->ar[i & v->ar[VGA_AR_PLANES] & 0xf] & 0x3f;

        if (v->ar[VGA_AR_MODE] & AR10_BITS45)
            c = (uint8_t)((c & 0x0f) | (select & 3) << 4);
        ac[i] = (uint8_t)(c | (select & 0x0c) << 4);
    }
}

static uint32_t expand(uint8_t c, bool wide)
{
    return wide ? c : (uint32_t)((c & 0x3f) << 2 | (c & 0x3f) >> 4);
}

static void load_rgb(const struct vga *v, uint32_t rgb[256])
{
    const bool wide = vbe_on(v) && v->vbe.reg[VBE_ENABLE] & VBE_8BIT_DAC;

    for (unsigned i = 0; i < 256; i++) {
        const uint8_t *c = &v->dac[(i & v->dac_mask) * 3];

        rgb[i] = expand(c[0], wide) << 16 | expand(c[1], wide) << 8 | expand(c[2], wide);
    }
}

/* ---- the walk ---- */

/* Dots the screen moves left [IBM, horizontal pel panning]: 9-dot characters count from 8 */
static unsigned pan_dots(const struct vga *v)
{
    const unsigned pan = v->ar[VGA_AR_PAN];

    if (dots_per_char(v) == 9)
        return pan >= 8 ? 0 : pan + 1;
    return v->gr[VGA_GR_MODE] & 0x40 ? pan & 6 : pan & 7;
}

static void emit(const struct vga_line *l, unsigned pan, const uint32_t *rgb, uint32_t *out)
{
    const unsigned width = (l->v->cr[VGA_CR_HDISP] + 1u) * dots_per_char(l->v);
    const unsigned scale = dot_scale(l->v);

    for (unsigned x = 0; x < width; x++)
        for (unsigned i = 0; i < scale; i++)
            *out++ = rgb[l->dots[x + pan]];
}

/* Moves row and counter on by one scan line */
struct walk {
    uint32_t base; /* counter at the start of the row */
    unsigned row_scan;
    bool again; /* the second of two equal lines comes next */
};

static void walk_on(const struct vga *v, struct walk *w)
{
    if (v->cr[VGA_CR_MAXSCAN] & CR9_DOUBLE) {
        w->again = !w->again;
        if (w->again)
            return;
    }
    if (w->row_scan == (v->cr[VGA_CR_MAXSCAN] & 0x1f)) {
        w->row_scan = 0;
        w->base += v->cr[VGA_CR_OFFSET] * 2u;
    } else {
        w->row_scan = (w->row_scan + 1) & 0x1f;
    }
}

static void draw_lines(struct vga_line *l, const uint32_t *rgb, uint32_t *pixels, size_t stride_pixels)
{
    const struct vga *v = l->v;
    const unsigned height = vga_vdisp(v) * line_scale(v);
    unsigned pan = pan_dots(v);
    unsigned byte_pan = v->cr[VGA_CR_PRESET] >> 5 & 3;
    struct walk w = {.base = (uint32_t)(v->cr[VGA_CR_START_HI] << 8 | v->cr[VGA_CR_START_LO]),
                     .row_scan = v->cr[VGA_CR_PRESET] & 0x1f};

    l->chars = v->cr[VGA_CR_HDISP] + 2u;
    for (unsigned y = 0; y < height; y++) {
        l->counter = w.base + byte_pan;
        l->row_scan = w.row_scan;
        if (vga_is_text(v))
            vga_line_text(l);
        else
            vga_line_gfx(l);
        emit(l, pan, rgb, pixels + y * stride_pixels);
        if (y / line_scale(v) != vga_line_compare(v)) {
            walk_on(v, &w);
            continue;
        }
        w = (struct walk){};
        if (v->ar[VGA_AR_MODE] & AR10_PAN_COMPAT) /* the lower part does not pan [IBM] */
            pan = byte_pan = 0;
    }
}

static void draw_blank(const struct vga_picture *p, uint32_t *pixels, size_t stride_pixels)
{
    for (uint32_t y = 0; y < p->height; y++)
        memset(pixels + y * stride_pixels, 0, p->width * sizeof *pixels);
}

void vga_draw(const struct vga *v, uint64_t now_ns, uint32_t *pixels, size_t stride_pixels)
{
    const struct vga_picture p = vga_picture(v);
    const uint64_t frame = now_ns / FRAME_NS;
    struct vga_line l = {.v = v, .blink_off = frame / TEXT_FRAMES & 1, .cursor_on = !(frame / CURSOR_FRAMES & 1)};
    uint32_t rgb[256];

    if (p.blank) {
        draw_blank(&p, pixels, stride_pixels);
        return;
    }
    load_ac(v, l.ac);
    load_rgb(v, rgb);
    if (!vbe_on(v))
        draw_lines(&l, rgb, pixels, stride_pixels);
    for (uint32_t y = 0; vbe_on(v) && y < p.height; y++)
        vga_draw_vbe(&l, rgb, y, pixels + y * stride_pixels);
}

/* ---- only what changed ---- */

uint64_t vga_blink_phase(uint64_t now_ns)
{
    return now_ns / FRAME_NS / CURSOR_FRAMES;
}

/* Whether a page of [off, off + bytes) has its bit set. */
static bool any_dirty(const uint64_t *dirty, size_t off, size_t bytes)
{
    for (size_t page = off / DIRTY_PAGE; page <= (off + bytes - 1) / DIRTY_PAGE; page++)
        if (dirty[page / 64] >> (page % 64) & 1)
            return true;
    return false;
}

void vga_draw_linear(const struct vga *v, const uint64_t *dirty, uint32_t *pixels, size_t stride_pixels,
                     uint32_t *ret_first, uint32_t *ret_lines)
{
    const size_t bytes = v->vbe.reg[VBE_XRES] * ((v->vbe.reg[VBE_BPP] + 7u) / 8);
    struct vga_line l = {.v = v};
    uint32_t rgb[256];

    load_rgb(v, rgb);
    *ret_first = *ret_lines = 0;
    for (uint32_t y = 0; y < v->vbe.reg[VBE_YRES]; y++) {
        if (!any_dirty(dirty, vga_vbe_line_off(v, y), bytes))
            continue;
        vga_draw_vbe(&l, rgb, y, pixels + y * stride_pixels);
        if (*ret_lines == 0)
            *ret_first = y;
        *ret_lines = y + 1 - *ret_first;
    }
}
