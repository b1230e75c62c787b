/*
 * vga_mem.c - the VGA's memory pipeline: what a byte read or written at A0000h-BFFFFh does to the four planes.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem": sequencer and graphics controller
 * [IBM]; FreeVGA [FV].
 *
 * Address of a host byte -> plane offset [IBM, memory mode; graphics miscellaneous]:
 *   chain 4    A0-A1 choose the plane, plane address bits 0-1 come from A14-A15
 *   odd/even   A0 chooses odd or even planes, plane address bit 0 comes from A16 (128 KiB map) or the page bit
 *   planar     plane address = A0-A15
 * Every read loads the latches.
 */
#include "devices/gfx/vga.h"

#define SR4_SEQUENTIAL   0x04 /* odd/even off */
#define SR4_CHAIN4       0x08
#define GR5_ODD_EVEN     0x10
#define GR5_READ_COMPARE 0x08
#define GR6_CHAIN        0x02
#define MISC_RAM         0x02
#define MISC_LOW_PAGE    0x20

/* The window the map select field opens; returns false for bytes outside it, else the offset within */
static bool window(const struct vga *v, uint32_t off, uint32_t *ret_addr)
{
    static const struct {
        uint32_t base, len;
    } map[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    const unsigned m = v->gr[VGA_GR_MISC] >> 2 & 3;

    if (!(v->misc & MISC_RAM) || off < map[m].base || off - map[m].base >= map[m].len)
        return false;
    *ret_addr = off - map[m].base;
    return true;
}

static uint32_t even_address(const struct vga *v, uint32_t addr)
{
    const bool whole = !(v->gr[VGA_GR_MISC] >> 2 & 3); /* 128 KiB map */
    const uint32_t bit0 = whole ? addr >> 16 & 1 : !(v->misc & MISC_LOW_PAGE);

    return (addr & ~1u) | bit0;
}

/* The display interface's planar modes may be larger than 64 KiB per plane: their bank comes on top (inv 1) */
static uint8_t *cell(struct vga *v, uint32_t plane_off)
{
    if (!vbe_on(v))
        return v->vram + 4 * (plane_off & VGA_PLANE_MASK);
    plane_off += (uint32_t)v->vbe.reg[VBE_BANK] << 16;
    return v->vram + 4 * (plane_off & (v->vram_bytes / 4 - 1));
}

static uint32_t plane_offset(const struct vga *v, uint32_t addr)
{
    if (v->sr[VGA_SR_MEMORY] & SR4_CHAIN4)
        return (addr & 0xfffc) | (addr >> 14 & 3);
    return v->gr[VGA_GR_MISC] & GR6_CHAIN ? even_address(v, addr) : addr;
}

/* The bank window of the linear modes */
static uint8_t *bank(struct vga *v, uint32_t addr)
{
    const uint64_t at = ((uint64_t)v->vbe.reg[VBE_BANK] << 16) + (addr & 0xffff);

    return at < v->vram_bytes ? v->vram + at : NULL;
}

/* ---- read ---- */

static uint8_t compare(const struct vga *v)
{
    uint8_t hit = 0xff;

    for (unsigned p = 0; p < 4; p++)
        if (v->gr[VGA_GR_DONT_CARE] >> p & 1)
            hit &= (uint8_t) ~(v->latch[p] ^ (v->gr[VGA_GR_COMPARE] >> p & 1 ? 0xff : 0x00));
    return hit;
}

uint8_t vga_mem_read(struct vga *v, uint32_t off)
{
    uint32_t addr;
    const uint8_t *c;
    unsigned plane = v->gr[VGA_GR_READ_MAP];

    if (!window(v, off, &addr))
        return 0xff;
    if (vbe_linear(v)) {
        c = bank(v, addr);
        return c ? *c : 0xff;
    }
    c = cell(v, plane_offset(v, addr));
    for (unsigned p = 0; p < 4; p++)
        v->latch[p] = c[p];
    if (v->gr[VGA_GR_MODE] & GR5_READ_COMPARE)
        return compare(v);
    if (v->sr[VGA_SR_MEMORY] & SR4_CHAIN4)
        plane = addr & 3;
    else if (v->gr[VGA_GR_MODE] & GR5_ODD_EVEN)
        plane = (plane & 2) | (addr & 1);
    return v->latch[plane];
}

/* ---- write ---- */

static uint8_t spread(unsigned bits, unsigned plane)
{
    return bits >> plane & 1 ? 0xff : 0x00;
}

static uint8_t rotate(const struct vga *v, uint8_t val)
{
    const unsigned n = v->gr[VGA_GR_ROTATE] & 7;

    return (uint8_t)(val >> n | val << (8 - n));
}

/* Logical function with the latch, then the bit mask [IBM, data rotate; bit mask] */
static uint8_t combine(const struct vga *v, uint8_t val, uint8_t latch, uint8_t mask)
{
    switch (v->gr[VGA_GR_ROTATE] >> 3 & 3) {
    case 1: val &= latch; break;
    case 2: val |= latch; break;
    case 3: val ^= latch; break;
    default: break;
    }
    return (uint8_t)((val & mask) | (latch & ~mask));
}

/* What write mode 0-3 puts into @plane [IBM, graphics mode register] */
static uint8_t plane_data(const struct vga *v, uint8_t val, unsigned plane)
{
    const uint8_t mask = v->gr[VGA_GR_BITMASK];
    const uint8_t latch = v->latch[plane];
    const unsigned set = v->gr[VGA_GR_SET_RESET];

    switch (v->gr[VGA_GR_MODE] & 3) {
    case 0: {
        const bool forced = v->gr[VGA_GR_ENABLE_SR] >> plane & 1;

        return combine(v, forced ? spread(set, plane) : rotate(v, val), latch, mask);
    }
    case 1: return latch;
    case 2: return combine(v, spread(val, plane), latch, mask);
    default: return combine(v, spread(set, plane), latch, mask & rotate(v, val));
    }
}

void vga_mem_write(struct vga *v, uint32_t off, uint8_t val)
{
    unsigned planes = v->sr[VGA_SR_MAPMASK];
    uint32_t addr;
    uint8_t *c;

    if (!window(v, off, &addr))
        return;
    if (vbe_linear(v)) {
        c = bank(v, addr);
        if (c)
            *c = val;
        return;
    }
    if (v->sr[VGA_SR_MEMORY] & SR4_CHAIN4)
        planes &= 1u << (addr & 3);
    else if (!(v->sr[VGA_SR_MEMORY] & SR4_SEQUENTIAL))
        planes &= addr & 1 ? 0x0a : 0x05;
    c = cell(v, plane_offset(v, addr));
    for (unsigned p = 0; p < 4; p++)
        if (planes >> p & 1)
            c[p] = plane_data(v, val, p);
}
