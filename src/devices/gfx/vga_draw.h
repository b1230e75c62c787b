/*
 * vga_draw.h - the picture the VGA shows, on demand.
 *
 * The picture has the size of the monitor's: dots across and scan lines down, so 80 x 25 text is 720 x 400 and
 * mode 13h is 640 x 400.
 */
#ifndef DEVICES_GFX_VGA_DRAW_H
#define DEVICES_GFX_VGA_DRAW_H

#include "devices/gfx/vga.h"

#define VGA_LINE_CHARS 257u /* as many as CR1 can name, and one for panning */

struct vga_picture {
    uint32_t width, height;
    bool blank;
};

struct vga_picture vga_picture(const struct vga *v);
/** vga_draw() - fills vga_picture() pixels of XRGB8888; @now_ns decides what blinks. */
void vga_draw(const struct vga *v, uint64_t now_ns, uint32_t *pixels, size_t stride_pixels);
/** vga_draw_linear() - the lines of a packed-pixel mode (vbe_linear()) that lie in pages of video memory whose bit is
 * set in @dirty; @ret_first and @ret_lines: the band they are in. */
void vga_draw_linear(const struct vga *v, const uint64_t *dirty, uint32_t *pixels, size_t stride_pixels,
                     uint32_t *ret_first, uint32_t *ret_lines);
/** vga_blink_phase() - pictures of one phase blink alike. */
uint64_t vga_blink_phase(uint64_t now_ns);
/** vga_text() - the characters of a text mode as UTF-8 lines, NULL otherwise. g_free. */
char *vga_text(const struct vga *v);

/* ---- between vga_draw.c and the line painters ---- */

/** One scan line to be painted: DAC indexes, one per dot. */
struct vga_line {
    const struct vga *v;
    uint8_t ac[16];    /* attribute controller: 4-bit colour -> DAC index */
    bool blink_off;    /* blinking characters are dark in this frame */
    bool cursor_on;    /* the cursor shows in this frame */
    uint32_t counter;  /* CRTC memory counter of the first character */
    unsigned row_scan; /* line within the character row */
    unsigned chars;    /* characters to paint, at most VGA_LINE_CHARS */
    uint8_t dots[VGA_LINE_CHARS * 9];
};
void vga_line_text(struct vga_line *l);
void vga_line_gfx(struct vga_line *l);
/** The four planes' bytes the CRTC fetches for @counter in line @row_scan. */
const uint8_t *vga_fetch(const struct vga *v, uint32_t counter, unsigned row_scan);
/** vga_draw_vbe() - line @i of a mode of the display interface; @rgb: the DAC's 256 colours. */
void vga_draw_vbe(const struct vga_line *l, const uint32_t *rgb, unsigned i, uint32_t *out);
/** Where line @i of a packed-pixel mode begins in video memory. */
size_t vga_vbe_line_off(const struct vga *v, unsigned i);

#endif
