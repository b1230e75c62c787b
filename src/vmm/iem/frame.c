/*
 * frame.c - the stack an interrupt, exception or far call is about to push on, before it becomes the current one.
 *
 * Sources: SDM vol. 2 INT n and CALL (stack switch through the TSS, its faults), vol. 3 6.14.2-6.14.5 (64-bit frames,
 *   IST), figures 7-2, 7-10, 7-11 (TSS layouts).
 * Invariant 1: registers change in iem_frame_load() only.
 */
#include "vmm/iem/seg_int.h"

enum { TSS16_SP0 = 2, TSS32_ESP0 = 4, TSS64_RSP0 = 4, TSS64_IST1 = 36 };

static uint64_t wrap(uint64_t sp, unsigned width)
{
    return width == 8 ? sp : width == 4 ? (uint32_t)sp : (uint16_t)sp;
}

void iem_frame_here(struct vcpu *c, struct iem_frame *ret)
{
    *ret = (struct iem_frame){.ss = c->ctx.seg[X86_SS],
                              .sp = wrap(c->ctx.gpr[X86_RSP], c->mode.stack_bytes),
                              .width = c->mode.stack_bytes,
                              .cpl = c->ctx.cpl,
                              .error = iem_ext(c)};
}

/* @bytes at @off in the current TSS; beyond its limit #TS(TSS). */
static uint64_t tss_read(struct vcpu *c, uint32_t off, unsigned bytes)
{
    const struct cpum_seg *tr = &c->ctx.tr;

    if (off + bytes - 1 > tr->limit)
        iem_raise_sel(c, XCPT_TS, tr->sel);
    return iem_sys_rd(c, tr->base + off, bytes);
}

static void frame64(struct vcpu *c, struct iem_frame *ret, uint64_t rsp, unsigned cpl)
{
    *ret = (struct iem_frame){
        .ss = selm_seg_null((uint16_t)cpl), .sp = rsp, .width = 8, .cpl = (uint8_t)cpl, .error = iem_ext(c)};
    if (!cpum_canonical(rsp))
        iem_raise_error(c, XCPT_SS, iem_ext(c));
}

void iem_frame_ist(struct vcpu *c, struct iem_frame *ret, unsigned ist, unsigned cpl)
{
    frame64(c, ret, tss_read(c, TSS64_IST1 + 8 * (ist - 1), 8), cpl);
    if (cpl == c->ctx.cpl)
        ret->ss = c->ctx.seg[X86_SS];
}

void iem_frame_inner(struct vcpu *c, struct iem_frame *ret, unsigned cpl)
{
    bool tss32 = c->ctx.tr.attr & 8;
    uint64_t sp, d;
    uint16_t ss;

    if (c->mode.long_mode) {
        frame64(c, ret, tss_read(c, TSS64_RSP0 + 8 * cpl, 8), cpl);
        return;
    }
    if (tss32) {
        sp = tss_read(c, TSS32_ESP0 + 8 * cpl, 4);
        ss = (uint16_t)tss_read(c, TSS32_ESP0 + 8 * cpl + 4, 2);
    } else {
        sp = tss_read(c, TSS16_SP0 + 4 * cpl, 2);
        ss = (uint16_t)tss_read(c, TSS16_SP0 + 4 * cpl + 2, 2);
    }
    d = iem_check_ss(c, ss, cpl, XCPT_TS);
    *ret = (struct iem_frame){.ss = selm_seg(ss, d),
                              .width = desc_attr(d) & CPUM_SEG_D ? 4 : 2,
                              .cpl = (uint8_t)cpl,
                              .error = iem_sel_error(c, ss)};
    ret->sp = wrap(sp, ret->width);
}

/* The limit of an expand-up or expand-down stack segment. */
static bool fits(const struct cpum_seg *ss, uint64_t off, unsigned bytes)
{
    uint64_t last = off + bytes - 1;

    if (ss->attr & CPUM_SEG_DC)
        return off > ss->limit && last <= (ss->attr & CPUM_SEG_D ? 0xffffffffull : 0xffffull);
    return last <= ss->limit;
}

void iem_frame_push(struct vcpu *c, struct iem_frame *f, uint64_t val, unsigned bytes)
{
    uint64_t sp = wrap(f->sp - bytes, f->width);
    uint64_t gla = sp;

    if (f->width == 8) {
        if (!cpum_canonical(sp) || !cpum_canonical(sp + bytes - 1))
            iem_raise_error(c, XCPT_SS, f->error);
    } else {
        if (!fits(&f->ss, sp, bytes))
            iem_raise_error(c, XCPT_SS, f->error);
        gla = (uint32_t)(f->ss.base + sp);
    }
    iem_cpl_wr(c, f->cpl, gla, val, bytes);
    f->sp = sp;
}

void iem_frame_load(struct vcpu *c, const struct iem_frame *f)
{
    c->ctx.seg[X86_SS] = f->ss;
    iem_set_gpr(c, X86_RSP, f->sp, f->width);
}
