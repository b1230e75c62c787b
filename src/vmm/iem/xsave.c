/*
 * xsave.c - FXSAVE, FXRSTOR, the XSAVE family and MXCSR.
 *
 * ctx.fpu.area holds the state in the standard XSAVE layout without pointers (FOP, FIP, FDP, selectors live in
 * ctx.fop ...). x87 registers that live in the host's FPU are brought there by iem_fpu_sync() before the area is read
 * or changed.
 *
 * Sources: SDM vol. 1 10.5 (FXSAVE), chapter 13 (XSAVE; 13.6 init and XINUSE, 13.7-13.10 instructions); vol. 2 tables
 *   3-46, 3-49 (three formats).
 * Left out: XSAVES, XRSTORS (not shown: #UD); XSAVEOPT's "modified" optimisation.
 * Invariant 1: everything is read and checked before the first register changes; the store is proven before it begins.
 */
#include "vmm/iem/seg_int.h"

#include <string.h>

enum {
    OFF_FOP = 6,
    OFF_FIP = 8,
    OFF_FDP = 16,
    OFF_MXCSR = 24,
    OFF_ST = 32,
    OFF_XMM = 160,
    OFF_XMM_END = 416,
    OFF_XMM8 = 288,
    FX_BYTES = 512,
    OFF_HEADER = 512,
    OFF_YMM = 576,
    YMM_BYTES = 256,
};
enum { COMP_X87 = 1, COMP_SSE = 2, COMP_AVX = 4 };
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASK    0xffffu
#define COMPACT       (1ull << 63)

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static void check_ts_em(struct vcpu *c)
{
    if (c->ctx.cr0 & (CPUM_CR0_TS | CPUM_CR0_EM))
        iem_raise(c, XCPT_NM);
}

static unsigned xmm_bytes(const struct vcpu *c)
{
    return (c->mode.code64 ? OFF_XMM_END : OFF_XMM8) - OFF_XMM;
}

/* ---- x87 part: bytes 0-23 and the registers ---- */

static void x87_image(const struct vcpu *c, const struct iem_op *op, uint8_t *img)
{
    const struct cpum_ctx *x = &c->ctx;
    bool wide = c->mode.code64 && op->i.opsize == 8;

    memcpy(img, x->fpu.area, OFF_FOP);
    memcpy(img + OFF_FOP, &x->fop, 2);
    memcpy(img + OFF_FIP, &x->fip, 8);
    memcpy(img + OFF_FDP, &x->fdp, 8);
    if (!wide) { /* 32-bit offsets and selectors */
        memcpy(img + OFF_FIP + 4, (uint16_t[]){x->fcs, 0}, 4);
        memcpy(img + OFF_FDP + 4, (uint16_t[]){x->fds, 0}, 4);
    }
    memcpy(img + OFF_ST, x->fpu.area + OFF_ST, OFF_XMM - OFF_ST);
}

static void x87_load(struct vcpu *c, const struct iem_op *op, const uint8_t *img)
{
    struct cpum_ctx *x = &c->ctx;
    bool wide = c->mode.code64 && op->i.opsize == 8;

    memcpy(x->fpu.area, img, OFF_FOP);
    x->fpu.area[5] = 0;
    iem_fpu_summary(x->fpu.area);
    memcpy(&x->fop, img + OFF_FOP, 2);
    x->fop &= 0x7ff;
    x->fip = wide ? get64(img + OFF_FIP) : get32(img + OFF_FIP);
    x->fdp = wide ? get64(img + OFF_FDP) : get32(img + OFF_FDP);
    x->fcs = wide ? 0 : (uint16_t)get32(img + OFF_FIP + 4);
    x->fds = wide ? 0 : (uint16_t)get32(img + OFF_FDP + 4);
    memcpy(x->fpu.area + OFF_ST, img + OFF_ST, OFF_XMM - OFF_ST);
}

static void x87_init(struct vcpu *c)
{
    memset(c->ctx.fpu.area, 0, OFF_MXCSR);
    memcpy(c->ctx.fpu.area, &(uint16_t){0x37f}, 2);
    memset(c->ctx.fpu.area + OFF_ST, 0, OFF_XMM - OFF_ST);
    c->ctx.fip = c->ctx.fdp = 0;
    c->ctx.fcs = c->ctx.fds = c->ctx.fop = 0;
}

/* ---- FXSAVE, FXRSTOR ---- */

static uint64_t aligned_ea(struct vcpu *c, const struct iem_op *op, unsigned bytes, enum pgm_access acc)
{
    uint64_t ea = iem_ea(c, &op->i);
    unsigned align = bytes == FX_BYTES ? 16 : 64;

    if (iem_gla(c, op->i.seg, ea, bytes, acc) & (align - 1))
        iem_gp0(c);
    return ea;
}

void iem_FXSAVE(struct vcpu *c, const struct iem_op *op)
{
    uint8_t img[OFF_XMM_END];
    uint64_t ea;

    check_ts_em(c);
    ea = aligned_ea(c, op, FX_BYTES, PGM_WRITE);
    iem_fpu_sync(c);
    memset(img, 0, sizeof(img));
    x87_image(c, op, img);
    memcpy(img + OFF_MXCSR, c->ctx.fpu.area + OFF_MXCSR, 4);
    memcpy(img + OFF_MXCSR + 4, &(uint32_t){MXCSR_MASK}, 4);
    memcpy(img + OFF_XMM, c->ctx.fpu.area + OFF_XMM, OFF_XMM_END - OFF_XMM);
    iem_wr_bytes(c, op->i.seg, ea, img, OFF_XMM + xmm_bytes(c), IEM_ALIGN_ANY);
}

void iem_FXRSTOR(struct vcpu *c, const struct iem_op *op)
{
    uint8_t img[FX_BYTES];
    uint64_t ea;

    check_ts_em(c);
    ea = aligned_ea(c, op, FX_BYTES, PGM_READ);
    iem_rd_bytes(c, op->i.seg, ea, img, FX_BYTES, IEM_ALIGN_ANY);
    if (get32(img + OFF_MXCSR) & ~MXCSR_MASK)
        iem_gp0(c);
    iem_fpu_sync(c);
    x87_load(c, op, img);
    memcpy(c->ctx.fpu.area + OFF_MXCSR, img + OFF_MXCSR, 4);
    memcpy(c->ctx.fpu.area + OFF_XMM, img + OFF_XMM, xmm_bytes(c));
}

/* ---- XSAVE ---- */

static void check_xsave(struct vcpu *c)
{
    if (!(c->ctx.cr4 & CPUM_CR4_OSXSAVE))
        iem_ud(c);
    if (c->ctx.cr0 & CPUM_CR0_TS)
        iem_raise(c, XCPT_NM);
}

static uint64_t requested(const struct vcpu *c)
{
    return c->ctx.xcr0 & (c->ctx.gpr[X86_RDX] << 32 | (uint32_t)c->ctx.gpr[X86_RAX]);
}

static bool all_zero(const uint8_t *p, size_t bytes)
{
    return bytes == 0 || (p[0] == 0 && !memcmp(p, p + 1, bytes - 1));
}

/* 13.6: components not in their initial configuration. */
static uint64_t in_use(const struct vcpu *c)
{
    static const uint8_t init[OFF_FOP] = {0x7f, 0x03};
    const struct cpum_ctx *x = &c->ctx;
    const uint8_t *a = x->fpu.area;
    uint64_t used = 0;

    if (memcmp(a, init, 5) || x->fop || x->fip || x->fdp || x->fcs || x->fds || !all_zero(a + OFF_ST, OFF_XMM - OFF_ST))
        used |= COMP_X87;
    if (!all_zero(a + OFF_XMM, OFF_XMM_END - OFF_XMM))
        used |= COMP_SSE;
    if (!all_zero(a + OFF_YMM, YMM_BYTES))
        used |= COMP_AVX;
    return used;
}

static unsigned save_bytes(uint64_t comps)
{
    return comps & COMP_AVX ? OFF_YMM + YMM_BYTES : OFF_YMM;
}

/* Writes the components @comps, and MXCSR if @with_mxcsr; the whole area is proven writable. */
static void store_components(struct vcpu *c, const struct iem_op *op, uint64_t ea, uint64_t comps, bool with_mxcsr)
{
    const uint8_t *a = c->ctx.fpu.area;
    unsigned seg = op->i.seg;
    uint8_t img[OFF_XMM];

    if (comps & COMP_X87) {
        x87_image(c, op, img);
        iem_wr_bytes(c, seg, ea, img, OFF_MXCSR, IEM_ALIGN_ANY);
        iem_wr_bytes(c, seg, ea + OFF_ST, img + OFF_ST, OFF_XMM - OFF_ST, IEM_ALIGN_ANY);
    }
    if (with_mxcsr) {
        uint32_t pair[2] = {get32(a + OFF_MXCSR), MXCSR_MASK};

        iem_wr_bytes(c, seg, ea + OFF_MXCSR, pair, sizeof(pair), IEM_ALIGN_ANY);
    }
    if (comps & COMP_SSE)
        iem_wr_bytes(c, seg, ea + OFF_XMM, a + OFF_XMM, xmm_bytes(c), IEM_ALIGN_ANY);
    if (comps & COMP_AVX)
        iem_wr_bytes(c, seg, ea + OFF_YMM, a + OFF_YMM, c->mode.code64 ? YMM_BYTES : YMM_BYTES / 2, IEM_ALIGN_ANY);
}

/* Standard form; @skip_init: components in initial state are not written (XSAVEOPT). */
static void xsave(struct vcpu *c, const struct iem_op *op, bool skip_init)
{
    uint64_t rfbm, ea, used, bv;

    check_xsave(c);
    rfbm = requested(c);
    ea = aligned_ea(c, op, save_bytes(rfbm), PGM_WRITE);
    iem_probe_write(c, op->i.seg, ea, save_bytes(rfbm), IEM_ALIGN_ANY);
    bv = iem_rd64(c, op->i.seg, ea + OFF_HEADER);
    iem_fpu_sync(c);
    used = in_use(c);
    store_components(c, op, ea, skip_init ? rfbm & used : rfbm, rfbm & (COMP_SSE | COMP_AVX));
    iem_wr(c, op->i.seg, ea + OFF_HEADER, (bv & ~rfbm) | (rfbm & used), 8);
}

void iem_XSAVE(struct vcpu *c, const struct iem_op *op)
{
    xsave(c, op, false);
}

void iem_XSAVEOPT(struct vcpu *c, const struct iem_op *op)
{
    xsave(c, op, true);
}

/* 13.10: compacted; with components 0-2 only the layout is the standard one. */
void iem_XSAVEC(struct vcpu *c, const struct iem_op *op)
{
    uint64_t rfbm, ea, used, header[2];

    check_xsave(c);
    rfbm = requested(c);
    ea = aligned_ea(c, op, save_bytes(rfbm), PGM_WRITE);
    iem_probe_write(c, op->i.seg, ea, save_bytes(rfbm), IEM_ALIGN_ANY);
    iem_fpu_sync(c);
    used = in_use(c) & rfbm;
    if ((rfbm & COMP_SSE) && get32(c->ctx.fpu.area + OFF_MXCSR) != MXCSR_DEFAULT)
        used |= COMP_SSE;
    store_components(c, op, ea, used, used & COMP_SSE);
    header[0] = used;
    header[1] = rfbm | COMPACT;
    iem_wr_bytes(c, op->i.seg, ea + OFF_HEADER, header, sizeof(header), IEM_ALIGN_ANY);
}

/* ---- XRSTOR ---- */

/* 13.8: what a header must look like; false = #GP(0). */
static bool header_ok(const struct vcpu *c, const uint8_t *header)
{
    uint64_t bv = get64(header), comp = get64(header + 8);

    if (bv & ~c->ctx.xcr0)
        return false;
    if (!(comp & COMPACT))
        return all_zero(header + 8, 16);
    return !((comp & ~COMPACT) & ~c->ctx.xcr0) && !(bv & ~comp) && all_zero(header + 16, 48);
}

static void load_or_zero(uint8_t *dst, const uint8_t *src, size_t bytes, bool load)
{
    if (load)
        memcpy(dst, src, bytes);
    else
        memset(dst, 0, bytes);
}

void iem_XRSTOR(struct vcpu *c, const struct iem_op *op)
{
    uint8_t img[CPUM_XSAVE_BYTES], *a = c->ctx.fpu.area;
    uint64_t rfbm, ea, bv;
    uint32_t mxcsr;
    bool compact;

    check_xsave(c);
    rfbm = requested(c);
    ea = aligned_ea(c, op, save_bytes(rfbm), PGM_READ);
    iem_rd_bytes(c, op->i.seg, ea, img, save_bytes(rfbm), IEM_ALIGN_ANY);
    if (!header_ok(c, img + OFF_HEADER))
        iem_gp0(c);
    bv = get64(img + OFF_HEADER);
    compact = get64(img + OFF_HEADER + 8) & COMPACT;
    mxcsr = compact && !(bv & COMP_SSE) ? MXCSR_DEFAULT : get32(img + OFF_MXCSR);
    if ((rfbm & (COMP_SSE | (compact ? 0 : COMP_AVX))) && (mxcsr & ~MXCSR_MASK))
        iem_gp0(c);
    iem_fpu_sync(c);
    if (rfbm & bv & COMP_X87)
        x87_load(c, op, img);
    else if (rfbm & COMP_X87)
        x87_init(c);
    if (rfbm & (COMP_SSE | (compact ? 0 : COMP_AVX)))
        memcpy(a + OFF_MXCSR, &mxcsr, 4);
    if (rfbm & COMP_SSE)
        load_or_zero(a + OFF_XMM, img + OFF_XMM, xmm_bytes(c), bv & COMP_SSE);
    if (rfbm & COMP_AVX)
        load_or_zero(a + OFF_YMM, img + OFF_YMM, c->mode.code64 ? YMM_BYTES : YMM_BYTES / 2, bv & COMP_AVX);
}

void iem_XSAVES(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_ud(c); /* no profile shows it */
}

void iem_XRSTORS(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_ud(c);
}

/* ---- MXCSR; EM, TS, OSFXSR, XCR0 are the dispatcher's guards ---- */

static void load_mxcsr(struct vcpu *c, const struct iem_op *op)
{
    uint32_t val = iem_rd32(c, op->i.seg, iem_ea(c, &op->i));

    if (val & ~MXCSR_MASK)
        iem_gp0(c);
    iem_fpu_sync(c);
    memcpy(c->ctx.fpu.area + OFF_MXCSR, &val, 4);
}

static void store_mxcsr(struct vcpu *c, const struct iem_op *op)
{
    iem_fpu_sync(c);
    iem_wr(c, op->i.seg, iem_ea(c, &op->i), get32(c->ctx.fpu.area + OFF_MXCSR), 4);
}

void iem_LDMXCSR(struct vcpu *c, const struct iem_op *op)
{
    load_mxcsr(c, op);
}

void iem_STMXCSR(struct vcpu *c, const struct iem_op *op)
{
    store_mxcsr(c, op);
}

void iem_VLDMXCSR(struct vcpu *c, const struct iem_op *op)
{
    load_mxcsr(c, op);
}

void iem_VSTMXCSR(struct vcpu *c, const struct iem_op *op)
{
    store_mxcsr(c, op);
}
