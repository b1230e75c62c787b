/*
 * vga.h - an IBM VGA with a Bochs display interface as a pure state machine: registers, memory pipeline, picture.
 *
 * The owner provides the video memory and passes the time in. Video memory holds the four planes interleaved: byte
 * @off of plane @p is vram[4 * off + p]; in the linear modes of the display interface it is simply the frame buffer.
 *
 * Invariant 1: vram_bytes is a power of two >= VGA_VRAM_MIN; every access is masked with it or checked against it.
 * Invariant 2: vbe.* geometry never reaches beyond vram_bytes: see vbe_fit().
 */
#ifndef DEVICES_GFX_VGA_H
#define DEVICES_GFX_VGA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VGA_VRAM_MIN   0x40000u /* 4 planes of 64 KiB */
#define VGA_PLANE_MASK 0xffffu
#define VGA_WINDOW_GPA 0xa0000u
#define VGA_WINDOW_LEN 0x20000u

enum { VGA_SR_RESET, VGA_SR_CLOCK, VGA_SR_MAPMASK, VGA_SR_CHARMAP, VGA_SR_MEMORY, VGA_SR_COUNT };
enum {
    VGA_GR_SET_RESET,
    VGA_GR_ENABLE_SR,
    VGA_GR_COMPARE,
    VGA_GR_ROTATE,
    VGA_GR_READ_MAP,
    VGA_GR_MODE,
    VGA_GR_MISC,
    VGA_GR_DONT_CARE,
    VGA_GR_BITMASK,
    VGA_GR_COUNT
};
enum {
    VGA_CR_HTOTAL = 0x00,
    VGA_CR_HDISP = 0x01,
    VGA_CR_VTOTAL = 0x06,
    VGA_CR_OVERFLOW = 0x07,
    VGA_CR_PRESET = 0x08,
    VGA_CR_MAXSCAN = 0x09,
    VGA_CR_CURSOR_START = 0x0a,
    VGA_CR_CURSOR_END = 0x0b,
    VGA_CR_START_HI = 0x0c,
    VGA_CR_START_LO = 0x0d,
    VGA_CR_CURSOR_HI = 0x0e,
    VGA_CR_CURSOR_LO = 0x0f,
    VGA_CR_VSYNC_START = 0x10,
    VGA_CR_VSYNC_END = 0x11,
    VGA_CR_VDISP = 0x12,
    VGA_CR_OFFSET = 0x13,
    VGA_CR_UNDERLINE = 0x14,
    VGA_CR_MODE = 0x17,
    VGA_CR_COMPARE = 0x18,
    VGA_CR_COUNT = 0x19,
};
enum {
    VGA_AR_MODE = 0x10,
    VGA_AR_OVERSCAN = 0x11,
    VGA_AR_PLANES = 0x12,
    VGA_AR_PAN = 0x13,
    VGA_AR_SELECT = 0x14,
    VGA_AR_COUNT = 0x15,
};

/* Bochs display interface */
enum {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRT_WIDTH,
    VBE_VIRT_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_MEMORY_64K,
    VBE_COUNT
};
enum { VBE_ENABLED = 0x01, VBE_GETCAPS = 0x02, VBE_8BIT_DAC = 0x20, VBE_LFB = 0x40, VBE_NOCLEAR = 0x80 };

struct vbe {
    uint16_t index;
    uint16_t reg[VBE_COUNT];
};

struct vga {
    uint8_t *vram; /* wiring; never saved with the registers */
    uint32_t vram_bytes;

    uint8_t misc, feature, enable; /* 3C2h/3CCh, 3DAh/3CAh, 3C3h */
    uint8_t sr_index, sr[VGA_SR_COUNT];
    uint8_t gr_index, gr[VGA_GR_COUNT];
    uint8_t cr_index, cr[VGA_CR_COUNT];
    uint8_t ar_index, ar[VGA_AR_COUNT]; /* ar_index bit 5: the palette drives the screen */
    bool ar_data;                       /* the next write to 3C0h is data */
    uint8_t dac_mask, dac_read, dac_write, dac_part;
    bool dac_reading;
    uint8_t dac[256 * 3]; /* as written: 6 or 8 bits */
    uint8_t dac_latch[3]; /* components wait here for the third */
    uint8_t latch[4];
    struct vbe vbe;
};

/* vga_regs.c */
void vga_init(struct vga *v, uint8_t *vram, uint32_t vram_bytes);
void vga_reset(struct vga *v);
/** vga_port_read() - @port 3B0h-3DFh; ports of the other colour scheme and unknown ones read FFh. */
uint8_t vga_port_read(struct vga *v, uint16_t port, uint64_t now_ns);
void vga_port_write(struct vga *v, uint16_t port, uint8_t val);
bool vga_check(const struct vga *v);

/* vga_mem.c: @off from A0000h, below VGA_WINDOW_LEN */
uint8_t vga_mem_read(struct vga *v, uint32_t off);
void vga_mem_write(struct vga *v, uint32_t off, uint8_t val);

/* vbe.c */
void vbe_reset(struct vga *v);
uint16_t vbe_read(const struct vga *v, unsigned reg);
void vbe_write(struct vga *v, unsigned reg, uint16_t val);
/** vbe_linear() - the display interface shows a packed-pixel mode; the window at A0000h is its bank. */
bool vbe_linear(const struct vga *v);
static inline bool vbe_on(const struct vga *v)
{
    return v->vbe.reg[VBE_ENABLE] & VBE_ENABLED;
}
uint32_t vbe_line_bytes(const struct vga *v);
/** vbe_fit() - brings virtual width and offsets inside the memory (inv 2); also after a load. */
void vbe_fit(struct vga *v);

/* Fields that are spread over several CRTC registers */
static inline unsigned vga_vdisp(const struct vga *v)
{
    return (v->cr[VGA_CR_VDISP] | (v->cr[VGA_CR_OVERFLOW] & 0x02u) << 7 | (v->cr[VGA_CR_OVERFLOW] & 0x40u) << 3) + 1;
}
static inline unsigned vga_line_compare(const struct vga *v)
{
    return v->cr[VGA_CR_COMPARE] | (v->cr[VGA_CR_OVERFLOW] & 0x10u) << 4 | (v->cr[VGA_CR_MAXSCAN] & 0x40u) << 3;
}
static inline bool vga_is_text(const struct vga *v)
{
    return !vbe_on(v) && !(v->gr[VGA_GR_MISC] & 1);
}
/** Dots per character clock; 9 only in text modes' clocking. */
static inline unsigned vga_char_dots(const struct vga *v)
{
    return v->sr[VGA_SR_CLOCK] & 1 ? 8 : 9;
}

#endif
