/*
 * vga_draw_text.c - text modes: characters in plane 0, attributes in plane 1, fonts in plane 2.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Alphanumeric Modes", sequencer character map select,
 * attribute mode control, cursor registers [IBM]; FreeVGA [FV].
 */
#include <glib.h>

#include "devices/gfx/vga_draw.h"

#define AR10_LINE_CHARS 0x04 /* C0h-DFh repeat their eighth dot in the ninth */
#define AR10_BLINK      0x08
#define CURSOR_OFF      0x20

/* Offset in plane 2 of the font an attribute selects [IBM, character map select] */
static uint32_t font(const struct vga *v, uint8_t attr)
{
    static const uint16_t at[8] = {0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000};
    const uint8_t sr3 = v->sr[VGA_SR_CHARMAP];
    const unsigned a = (sr3 >> 2 & 3) | (sr3 >> 5 & 1) << 2;
    const unsigned b = (sr3 & 3) | (sr3 >> 4 & 1) << 2;

    return at[attr & 8 ? a : b];
}

static bool cursor_here(const struct vga_line *l, uint32_t counter)
{
    const uint8_t *cr = l->v->cr;
    const uint32_t at = (uint32_t)(cr[VGA_CR_CURSOR_HI] << 8 | cr[VGA_CR_CURSOR_LO]) + (cr[VGA_CR_CURSOR_END] >> 5 & 3);

    return l->cursor_on && !(cr[VGA_CR_CURSOR_START] & CURSOR_OFF) && (counter & 0xffff) == (at & 0xffff) &&
           l->row_scan >= (cr[VGA_CR_CURSOR_START] & 0x1fu) && l->row_scan <= (cr[VGA_CR_CURSOR_END] & 0x1fu);
}

/* The character's dots in this line, ninth one included; bit 8 is the leftmost */
static unsigned glyph(const struct vga_line *l, uint8_t ch, uint8_t attr)
{
    const struct vga *v = l->v;
    const uint32_t at = (font(v, attr) + ch * 32u + (l->row_scan & 31)) & VGA_PLANE_MASK;
    unsigned dots = (unsigned)v->vram[4 * at + 2] << 1;

    if (v->ar[VGA_AR_MODE] & AR10_LINE_CHARS && ch >= 0xc0 && ch <= 0xdf)
        dots |= dots >> 1 & 1;
    if ((attr & 0x77) == 0x01 && l->row_scan == (v->cr[VGA_CR_UNDERLINE] & 0x1fu))
        dots = 0x1ff;
    return dots;
}

void vga_line_text(struct vga_line *l)
{
    const struct vga *v = l->v;
    const bool blink = v->ar[VGA_AR_MODE] & AR10_BLINK;
    const unsigned width = vga_char_dots(v);
    uint8_t *out = l->dots;

    for (unsigned x = 0; x < l->chars; x++, out += width) {
        const uint8_t *cell = vga_fetch(v, l->counter + x, l->row_scan);
        const uint8_t attr = cell[1];
        const uint8_t fg = l->ac[attr & 0xf];
        const uint8_t bg = l->ac[attr >> 4 & (blink ? 7 : 15)];
        unsigned dots = glyph(l, cell[0], attr);

        if (blink && attr & 0x80 && l->blink_off)
            dots = 0;
        if (cursor_here(l, l->counter + x))
            dots = 0x1ff;
        for (unsigned i = 0; i < width; i++)
            out[i] = dots >> (8 - i) & 1 ? fg : bg;
    }
}

/* ---- characters as text ---- */

/* Code page 437 as firmware fonts draw it */
static const uint16_t cp437_low[32] = {
    ' ',    0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9,
    0x2642, 0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7,
    0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
};
static const uint16_t cp437_high[129] = {
    0x2302, 0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
    0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff,
    0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1,
    0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593,
    0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
    0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560,
    0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518,
    0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5,
    0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264,
    0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, ' ',
};

static gunichar to_unicode(uint8_t ch)
{
    if (ch < 32)
        return cp437_low[ch];
    return ch < 127 ? ch : cp437_high[ch - 127];
}

char *vga_text(const struct vga *v)
{
    const unsigned columns = v->cr[VGA_CR_HDISP] + 1u;
    const unsigned rows = vga_vdisp(v) / ((v->cr[VGA_CR_MAXSCAN] & 0x1fu) + 1);
    uint32_t counter = (uint32_t)(v->cr[VGA_CR_START_HI] << 8 | v->cr[VGA_CR_START_LO]);
    GString *text;

    if (!vga_is_text(v))
        return NULL;
    text = g_string_new(NULL);
    for (unsigned y = 0; y < rows; y++, counter += v->cr[VGA_CR_OFFSET] * 2u) {
        const gsize line = text->len;

        for (unsigned x = 0; x < columns; x++)
            g_string_append_unichar(text, to_unicode(vga_fetch(v, counter + x, 0)[0]));
        while (text->len > line && text->str[text->len - 1] == ' ')
            g_string_truncate(text, text->len - 1);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
