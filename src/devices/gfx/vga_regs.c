/*
 * vga_regs.c - the register file of the VGA: sequencer, CRTC, graphics and attribute controllers, DAC, status.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem" [IBM]; the FreeVGA project's register
 * descriptions [FV].
 * Status 1 (3DAh) is computed from the time and the programmed CRTC timing, so a guest that waits for retrace sees
 * lines and frames of the right length.
 * Left out: the vertical interrupt (no PC wires it; CR11 bits 4-5 read back), light pen, the diagnostic bits 4-5 of
 * status 1, the effect of 3C3h bit 0.
 */
#include "devices/gfx/vga.h"

#include <string.h>

/* Bits that exist; the others read 0 [IBM; FV] */
static const uint8_t sr_mask[VGA_SR_COUNT] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t gr_mask[VGA_GR_COUNT] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint8_t ar_mask[VGA_AR_COUNT] = {
    [0x00] = 0x3f,        0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
    [VGA_AR_MODE] = 0xef, 0xff, 0x3f, 0x0f, 0x0f,
};
#define CR_PROTECT      0x80 /* CR11: CR0-CR7 are read-only */
#define CR7_COMPARE8    0x10 /* the one bit of them that stays writable */
#define AR_PAS          0x20 /* attribute index: palette address source */
#define MISC_COLOUR     0x01
#define ST1_NO_DISPLAY  0x01
#define ST1_VRETRACE    0x08
#define SENSE_THRESHOLD 0x4e

/* ---- status ---- */

static unsigned at_least(unsigned v, unsigned min)
{
    return v < min ? min : v;
}

/* Where the beam is: line and character within the frame that runs at @now_ns */
static uint8_t status1(const struct vga *v, uint64_t now_ns)
{
    static const uint32_t dot_hz[4] = {25175000, 28322000, 25175000, 25175000};
    const uint8_t ovf = v->cr[VGA_CR_OVERFLOW];
    const unsigned vtotal = at_least((v->cr[VGA_CR_VTOTAL] | (ovf & 0x01u) << 8 | (ovf & 0x20u) << 4) + 2, 100);
    const unsigned sync = v->cr[VGA_CR_VSYNC_START] | (ovf & 0x04u) << 6 | (ovf & 0x80u) << 2;
    const unsigned sync_lines = at_least((v->cr[VGA_CR_VSYNC_END] - sync) & 0x0f, 1);
    const unsigned htotal = at_least(v->cr[VGA_CR_HTOTAL] + 5u, 20);
    const unsigned clock_dots = vga_char_dots(v) * (v->sr[VGA_SR_CLOCK] & 8 ? 2 : 1);
    const uint64_t char_hz = dot_hz[v->misc >> 2 & 3] / clock_dots;
    const uint64_t frame_chars = (uint64_t)vtotal * htotal;
    const uint64_t chars = now_ns / 1000000000u * char_hz + now_ns % 1000000000u * char_hz / 1000000000u;
    const uint64_t at = chars % frame_chars;
    const unsigned line = (unsigned)(at / htotal);
    uint8_t st = 0;

    if (line >= vga_vdisp(v) || at % htotal > v->cr[VGA_CR_HDISP])
        st |= ST1_NO_DISPLAY;
    if (line >= sync && line - sync < sync_lines)
        st |= ST1_VRETRACE | ST1_NO_DISPLAY;
    return st;
}

/* The comparator behind switch sense: a monitor loads the DAC's outputs, bright colour pulls the bit low [IBM] */
static uint8_t status0(const struct vga *v)
{
    return v->dac[0] + v->dac[1] + v->dac[2] >= SENSE_THRESHOLD ? 0x00 : 0x10;
}

/* ---- DAC ---- */

static uint8_t dac_data_read(struct vga *v)
{
    const uint8_t val = v->dac[v->dac_read * 3 + v->dac_part];

    if (++v->dac_part == 3) {
        v->dac_part = 0;
        v->dac_read++;
    }
    return val;
}

static void dac_data_write(struct vga *v, uint8_t val)
{
    const bool wide = vbe_on(v) && v->vbe.reg[VBE_ENABLE] & VBE_8BIT_DAC;

    v->dac_latch[v->dac_part] = wide ? val : val & 0x3f;
    if (++v->dac_part == 3) {
        memcpy(&v->dac[v->dac_write * 3], v->dac_latch, 3);
        v->dac_part = 0;
        v->dac_write++;
    }
}

/* ---- attribute controller ---- */

static void attr_write(struct vga *v, uint8_t val)
{
    const unsigned i = v->ar_index & 0x1f;

    v->ar_data = !v->ar_data;
    if (v->ar_data) {
        v->ar_index = val & (AR_PAS | 0x1f);
        return;
    }
    if (i < 16 && v->ar_index & AR_PAS)
        return; /* the palette is busy with the screen [IBM] */
    if (i < VGA_AR_COUNT)
        v->ar[i] = val & ar_mask[i];
}

/* ---- CRTC ---- */

static void crtc_write(struct vga *v, uint8_t val)
{
    const unsigned i = v->cr_index;

    if (i >= VGA_CR_COUNT)
        return;
    if (i <= VGA_CR_OVERFLOW && v->cr[VGA_CR_VSYNC_END] & CR_PROTECT) {
        if (i == VGA_CR_OVERFLOW)
            v->cr[i] = (uint8_t)((v->cr[i] & ~CR7_COMPARE8) | (val & CR7_COMPARE8));
        return;
    }
    v->cr[i] = val;
}

/* ---- ports ---- */

/* CRTC and status 1 stand at 3Bxh or 3Dxh; folds the active ones to 3Dxh, the others to 0 */
static uint16_t fold(const struct vga *v, uint16_t port)
{
    const bool mono = port < 0x3c0;

    if (port >= 0x3c0 && port < 0x3d0)
        return port;
    if (mono == ((v->misc & MISC_COLOUR) != 0))
        return 0;
    return (uint16_t)(0x3d0 | (port & 0xf));
}

uint8_t vga_port_read(struct vga *v, uint16_t port, uint64_t now_ns)
{
    switch (fold(v, port)) {
    case 0x3c0: return v->ar_index;
    case 0x3c1: return (v->ar_index & 0x1f) < VGA_AR_COUNT ? v->ar[v->ar_index & 0x1f] : 0;
    case 0x3c2: return status0(v);
    case 0x3c3: return v->enable;
    case 0x3c4: return v->sr_index;
    case 0x3c5: return v->sr_index < VGA_SR_COUNT ? v->sr[v->sr_index] : 0;
    case 0x3c6: return v->dac_mask;
    case 0x3c7: return v->dac_reading ? 3 : 0;
    case 0x3c8: return v->dac_write;
    case 0x3c9: return dac_data_read(v);
    case 0x3ca: return v->feature;
    case 0x3cc: return v->misc;
    case 0x3ce: return v->gr_index;
    case 0x3cf: return v->gr_index < VGA_GR_COUNT ? v->gr[v->gr_index] : 0;
    case 0x3d4: return v->cr_index;
    case 0x3d5: return v->cr_index < VGA_CR_COUNT ? v->cr[v->cr_index] : 0;
    case 0x3da:
        v->ar_data = false; /* reading status 1 resets the flip-flop [IBM] */
        return status1(v, now_ns);
    default: return 0xff;
    }
}

void vga_port_write(struct vga *v, uint16_t port, uint8_t val)
{
    switch (fold(v, port)) {
    case 0x3c0: attr_write(v, val); break;
    case 0x3c2: v->misc = val; break;
    case 0x3c3: v->enable = val & 1; break;
    case 0x3c4: v->sr_index = val & 7; break;
    case 0x3c5:
        if (v->sr_index < VGA_SR_COUNT)
            v->sr[v->sr_index] = val & sr_mask[v->sr_index];
        break;
    case 0x3c6: v->dac_mask = val; break;
    case 0x3c7:
        v->dac_read = val;
        v->dac_part = 0;
        v->dac_reading = true;
        break;
    case 0x3c8:
        v->dac_write = val;
        v->dac_part = 0;
        v->dac_reading = false;
        break;
    case 0x3c9: dac_data_write(v, val); break;
    case 0x3ce: v->gr_index = val & 0x0f; break;
    case 0x3cf:
        if (v->gr_index < VGA_GR_COUNT)
            v->gr[v->gr_index] = val & gr_mask[v->gr_index];
        break;
    case 0x3d4: v->cr_index = val & 0x3f; break;
    case 0x3d5: crtc_write(v, val); break;
    case 0x3da: v->feature = val & 0x0b; break;
    default: break;
    }
}

/* ---- life ---- */

void vga_reset(struct vga *v)
{
    struct vga fresh = {.vram = v->vram, .vram_bytes = v->vram_bytes};

    *v = fresh;
    v->misc = MISC_COLOUR; /* firmware looks for the CRTC at 3D4h first */
    v->enable = 1;
    v->dac_mask = 0xff;
    v->gr[VGA_GR_BITMASK] = 0xff;
    vbe_reset(v);
}

void vga_init(struct vga *v, uint8_t *vram, uint32_t vram_bytes)
{
    v->vram = vram;
    v->vram_bytes = vram_bytes;
    vga_reset(v);
}

static bool within(const uint8_t *reg, const uint8_t *mask, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (reg[i] & ~mask[i])
            return false;
    return true;
}

bool vga_check(const struct vga *v)
{
    return within(v->sr, sr_mask, VGA_SR_COUNT) && within(v->gr, gr_mask, VGA_GR_COUNT) &&
           within(v->ar, ar_mask, VGA_AR_COUNT) && v->sr_index <= 7 && v->gr_index <= 0x0f && v->cr_index <= 0x3f &&
           v->ar_index <= 0x3f && v->dac_part < 3;
}
