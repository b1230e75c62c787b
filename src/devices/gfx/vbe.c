/*
 * vbe.c - the Bochs display interface: sixteen-bit registers for packed-pixel modes and a linear frame buffer.
 *
 * Source: Bochs, VBE display interface documentation, ids B0C0h-B0C5h [BX], as firmware and guests use it.
 * Register AAh... of VirtualBox's host-guest interface are not offered: its ids are refused, so guests fall back.
 * Left out: bit depths other than 4, 8, 15, 16, 24, 32; register 7 (virtual height) follows from the memory size.
 *
 * Invariant 2 of vga.h is kept by vbe_fit(), called after every change of geometry.
 */
#include "devices/gfx/vga.h"

#include <string.h>

#define VBE_ID_OLDEST 0xb0c0
#define VBE_ID_NEWEST 0xb0c5
#define VBE_MAX_XRES  16384
#define VBE_MAX_YRES  4096 /* as much as a frame can hold */
#define VBE_MAX_BPP   32

bool vbe_linear(const struct vga *v)
{
    return vbe_on(v) && v->vbe.reg[VBE_BPP] != 4;
}

static unsigned pixel_bits(const struct vga *v)
{
    const unsigned bpp = v->vbe.reg[VBE_BPP];

    return bpp == 15 ? 16 : bpp;
}

static uint32_t bytes_per_line(const struct vga *v, uint32_t width)
{
    return width * pixel_bits(v) / 8; /* of all planes together for 4 bits */
}

uint32_t vbe_line_bytes(const struct vga *v)
{
    return bytes_per_line(v, v->vbe.reg[VBE_VIRT_WIDTH]);
}

static bool known_bpp(unsigned bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static bool mode_fits(const struct vga *v)
{
    const uint16_t *r = v->vbe.reg;

    return r[VBE_XRES] >= 8 && r[VBE_YRES] && r[VBE_XRES] <= VBE_MAX_XRES && r[VBE_YRES] <= VBE_MAX_YRES &&
           known_bpp(r[VBE_BPP]) && (uint64_t)bytes_per_line(v, r[VBE_XRES]) * r[VBE_YRES] <= v->vram_bytes;
}

void vbe_fit(struct vga *v)
{
    uint16_t *r = v->vbe.reg;
    uint32_t rows;

    if (!mode_fits(v)) {
        r[VBE_ENABLE] &= (uint16_t)~VBE_ENABLED;
        return;
    }
    r[VBE_VIRT_WIDTH] &= (uint16_t)~7; /* every line starts on a whole byte */
    if (r[VBE_VIRT_WIDTH] < r[VBE_XRES])
        r[VBE_VIRT_WIDTH] = r[VBE_XRES];
    if ((uint64_t)vbe_line_bytes(v) * r[VBE_YRES] > v->vram_bytes)
        r[VBE_VIRT_WIDTH] = r[VBE_XRES];
    rows = vbe_line_bytes(v) ? v->vram_bytes / vbe_line_bytes(v) : 0;
    r[VBE_VIRT_HEIGHT] = (uint16_t)(rows > 0xffff ? 0xffff : rows);
    if (r[VBE_X_OFFSET] > r[VBE_VIRT_WIDTH] - r[VBE_XRES])
        r[VBE_X_OFFSET] = (uint16_t)(r[VBE_VIRT_WIDTH] - r[VBE_XRES]);
    if (r[VBE_Y_OFFSET] > r[VBE_VIRT_HEIGHT] - r[VBE_YRES])
        r[VBE_Y_OFFSET] = (uint16_t)(r[VBE_VIRT_HEIGHT] - r[VBE_YRES]);
}

uint16_t vbe_read(const struct vga *v, unsigned reg)
{
    const bool caps = v->vbe.reg[VBE_ENABLE] & VBE_GETCAPS;

    switch (reg) {
    case VBE_XRES: return caps ? VBE_MAX_XRES : v->vbe.reg[reg];
    case VBE_YRES: return caps ? VBE_MAX_YRES : v->vbe.reg[reg];
    case VBE_BPP: return caps ? VBE_MAX_BPP : v->vbe.reg[reg];
    case VBE_MEMORY_64K: return (uint16_t)(v->vram_bytes >> 16);
    default: return reg < VBE_COUNT ? v->vbe.reg[reg] : 0;
    }
}

static void clear_screen(struct vga *v)
{
    memset(v->vram, 0, (size_t)vbe_line_bytes(v) * v->vbe.reg[VBE_YRES]);
}

/* Six-bit palette values are kept as they are when the DAC changes width, as the part does */
static void enable_write(struct vga *v, uint16_t val)
{
    uint16_t *r = v->vbe.reg;
    const bool was_on = vbe_on(v);

    r[VBE_ENABLE] = val & (VBE_ENABLED | VBE_GETCAPS | VBE_8BIT_DAC | VBE_LFB | VBE_NOCLEAR);
    if (!(val & VBE_ENABLED)) {
        r[VBE_BANK] = 0;
        return;
    }
    if (was_on)
        return;
    r[VBE_VIRT_WIDTH] = r[VBE_XRES];
    r[VBE_X_OFFSET] = r[VBE_Y_OFFSET] = r[VBE_BANK] = 0;
    vbe_fit(v);
    if (vbe_on(v) && !(val & VBE_NOCLEAR))
        clear_screen(v);
}

void vbe_write(struct vga *v, unsigned reg, uint16_t val)
{
    uint16_t *r = v->vbe.reg;

    switch (reg) {
    case VBE_ID:
        if (val >= VBE_ID_OLDEST && val <= VBE_ID_NEWEST)
            r[VBE_ID] = val;
        break;
    case VBE_XRES:
    case VBE_YRES:
    case VBE_BPP: /* fixed while a mode is shown [BX] */
        if (!vbe_on(v))
            r[reg] = reg == VBE_BPP && val == 0 ? 8 : val;
        break;
    case VBE_ENABLE: enable_write(v, val); break;
    case VBE_BANK: r[VBE_BANK] = val; break;
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        r[reg] = val;
        if (vbe_on(v))
            vbe_fit(v);
        break;
    default: break;
    }
}

void vbe_reset(struct vga *v)
{
    memset(&v->vbe, 0, sizeof v->vbe);
    v->vbe.reg[VBE_ID] = VBE_ID_NEWEST;
    v->vbe.reg[VBE_BPP] = 8;
}
