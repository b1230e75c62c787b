/*
 * vga_draw_gfx.c - graphics modes: the VGA's own, eight dots per memory fetch, and those of the display interface.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, graphics mode register (shift register modes), attribute
 * mode control [IBM]; Bochs VBE display interface [BX].
 * One fetch gives a byte of each plane, shifted out as eight 4-bit values [IBM]:
 *   planar      bit 7-i of planes 0-3                              (modes 0Dh-12h, mode 6)
 *   interleaved two bits of plane 0 and two of plane 2, four times; then planes 1 and 3   (modes 4, 5)
 *   256 colours the two halves of each plane's byte in turn; the attribute controller joins pairs   (mode 13h, X)
 */
#include "devices/gfx/vga_draw.h"

#define GR5_INTERLEAVE 0x20
#define GR5_SHIFT256   0x40
#define AR10_8BIT      0x40

static void shift_planar(const uint8_t *b, uint8_t *nibble)
{
    for (unsigned i = 0; i < 8; i++)
        nibble[i] = (uint8_t)((b[0] >> (7 - i) & 1) | (b[1] >> (7 - i) & 1) << 1 | (b[2] >> (7 - i) & 1) << 2 |
                              (b[3] >> (7 - i) & 1) << 3);
}

static void shift_interleaved(const uint8_t *b, uint8_t *nibble)
{
    for (unsigned i = 0; i < 8; i++) {
        const unsigned down = 6 - 2 * (i & 3);
        const unsigned odd = i >> 2;

        nibble[i] = (uint8_t)((b[odd] >> down & 3) | (b[2 + odd] >> down & 3) << 2);
    }
}

static void shift_256(const uint8_t *b, uint8_t *nibble)
{
    for (unsigned i = 0; i < 8; i++)
        nibble[i] = i & 1 ? b[i >> 1] & 0xf : b[i >> 1] >> 4;
}

void vga_line_gfx(struct vga_line *l)
{
    const struct vga *v = l->v;
    const uint8_t mode = v->gr[VGA_GR_MODE];
    const bool pairs = v->ar[VGA_AR_MODE] & AR10_8BIT;
    uint8_t *out = l->dots;
    uint8_t nibble[8];

    for (unsigned x = 0; x < l->chars; x++, out += 8) {
        const uint8_t *b = vga_fetch(v, l->counter + x, l->row_scan);

        if (mode & GR5_SHIFT256)
            shift_256(b, nibble);
        else if (mode & GR5_INTERLEAVE)
            shift_interleaved(b, nibble);
        else
            shift_planar(b, nibble);
        for (unsigned i = 0; i < 8; i++)
            out[i] =
                pairs ? (uint8_t)((l->ac[nibble[i & 6]] & 0xf) << 4 | (l->ac[nibble[i | 1]] & 0xf)) : l->ac[nibble[i]];
    }
}

/* ---- display interface ---- */

static uint32_t rgb_of(unsigned bpp, const uint8_t *p)
{
    const unsigned w = p[0] | (unsigned)p[1] << 8;
    uint32_t r = w >> (bpp == 15 ? 10 : 11) & 31;
    uint32_t g = bpp == 15 ? w >> 5 & 31 : w >> 5 & 63;
    uint32_t b = w & 31;

    if (bpp > 16)
        return (uint32_t)p[2] << 16 | w;
    r = r << 3 | r >> 2;
    g = bpp == 15 ? g << 3 | g >> 2 : g << 2 | g >> 4;
    b = b << 3 | b >> 2;
    return r << 16 | g << 8 | b;
}

static void vbe_line_packed(const struct vga *v, const uint32_t *rgb, const uint8_t *p, uint32_t *out)
{
    const unsigned bpp = v->vbe.reg[VBE_BPP];
    const unsigned step = (bpp + 7) / 8;

    for (unsigned x = 0; x < v->vbe.reg[VBE_XRES]; x++, p += step)
        out[x] = bpp == 8 ? rgb[*p] : rgb_of(bpp, p);
}

static void vbe_line_planar(const struct vga_line *l, const uint32_t *rgb, unsigned y, uint32_t *out)
{
    const struct vga *v = l->v;
    const uint32_t row = y * (v->vbe.reg[VBE_VIRT_WIDTH] / 8u);

    for (unsigned x = 0; x < v->vbe.reg[VBE_XRES]; x++) {
        const unsigned at = x + v->vbe.reg[VBE_X_OFFSET];
        const uint8_t *b = v->vram + ((4 * (row + at / 8)) & (v->vram_bytes - 1)); /* vga.h inv 1 */
        unsigned colour = 0;

        for (unsigned p = 0; p < 4; p++)
            colour |= (b[p] >> (7 - (at & 7)) & 1u) << p;
        out[x] = rgb[l->ac[colour]];
    }
}

size_t vga_vbe_line_off(const struct vga *v, unsigned i)
{
    return (size_t)(i + v->vbe.reg[VBE_Y_OFFSET]) * vbe_line_bytes(v) +
           v->vbe.reg[VBE_X_OFFSET] * ((v->vbe.reg[VBE_BPP] + 7u) / 8);
}

void vga_draw_vbe(const struct vga_line *l, const uint32_t *rgb, unsigned i, uint32_t *out)
{
    const struct vga *v = l->v;

    if (v->vbe.reg[VBE_BPP] == 4)
        vbe_line_planar(l, rgb, i + v->vbe.reg[VBE_Y_OFFSET], out);
    else /* inside the memory by vga.h inv 2 */
        vbe_line_packed(v, rgb, v->vram + vga_vbe_line_off(v, i), out);
}
