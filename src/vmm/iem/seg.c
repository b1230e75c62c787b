/*
 * seg.c - descriptors and segment registers: fetching, checking, loading, and the instructions that ask about them.
 *
 * Sources: SDM vol. 3 3.4 (registers, descriptors), 5.5-5.8 (privilege), vol. 2 MOV, LDS.., LAR, LSL, VERR, ARPL, LLDT,
 *   LTR; vol. 3 20.1 (real mode addresses), 8.2.5 of APM vol. 2 (null selectors in 64-bit mode).
 * Big real mode: a segment loaded in real mode gets a new base only; limit and attributes survive.
 * Invariant 1: nothing is loaded before the last check of the same instruction has passed.
 */
#include "vmm/iem/seg_int.h"

enum { ATTR_REAL = 0x93 /* present, data, writable, accessed */ };

/* ---- error codes ---- */

uint32_t iem_ext(const struct vcpu *c)
{
    if (!c->trpm->delivering || c->trpm->current.kind == TRPM_SOFT_INT)
        return 0;
    return !(c->trpm->current.kind == TRPM_TRAP && c->trpm->current.vector != XCPT_DB); /* INT3, INTO are software's */
}

uint32_t iem_sel_error(const struct vcpu *c, uint16_t sel)
{
    return (sel & ~SEG_RPL) | iem_ext(c);
}

void iem_raise_sel(struct vcpu *c, unsigned vector, uint16_t sel)
{
    iem_raise_error(c, vector, iem_sel_error(c, sel));
}

/* ---- tables ---- */

uint64_t iem_desc_get(struct vcpu *c, uint16_t sel, unsigned vector)
{
    uint64_t gla;

    if (!selm_desc_gla(c, sel, 8, &gla))
        iem_raise_sel(c, vector, sel);
    return iem_sys_rd(c, gla, 8);
}

uint64_t iem_desc_get_high(struct vcpu *c, uint16_t sel, unsigned vector)
{
    uint64_t gla, high;

    if (!selm_desc_gla(c, sel, 16, &gla))
        iem_raise_sel(c, vector, sel);
    high = iem_sys_rd(c, gla + 8, 8);
    if (high >> 40 & SEG_T_MASK) /* must be 0: it would be a type if read as a descriptor */
        iem_raise_sel(c, vector, sel);
    return high;
}

void iem_desc_accessed(struct vcpu *c, uint16_t sel, uint64_t *d)
{
    const uint64_t accessed = 1ull << 40;
    uint64_t gla;

    if ((*d & accessed) || !selm_desc_gla(c, sel, 8, &gla))
        return;
    *d |= accessed;
    iem_sys_wr(c, gla + 5, (uint8_t)(*d >> 40), 1);
}

void iem_tss_busy(struct vcpu *c, uint16_t sel, bool busy)
{
    uint64_t gla, type;

    if (!selm_desc_gla(c, sel, 8, &gla))
        return;
    type = iem_sys_rd(c, gla + 5, 1);
    iem_sys_wr(c, gla + 5, busy ? type | SEG_TSS_BUSY : type & ~(uint64_t)SEG_TSS_BUSY, 1);
}

struct cpum_seg iem_seg_make_sys(struct vcpu *c, uint16_t sel, uint64_t d, unsigned vector)
{
    struct cpum_seg s = selm_seg(sel, d);

    if (c->mode.long_mode)
        s.base |= iem_desc_get_high(c, sel, vector) << 32;
    return s;
}

/* ---- for far transfers ---- */

uint64_t iem_check_return_cs(struct vcpu *c, uint16_t sel)
{
    unsigned rpl = sel & SEG_RPL;
    uint64_t d;

    if (selm_null(sel))
        iem_gp0(c);
    d = iem_desc_get(c, sel, XCPT_GP);
    if (!desc_is_code(d) || rpl < c->ctx.cpl)
        iem_raise_sel(c, XCPT_GP, sel);
    if (desc_is_conforming(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl)
        iem_raise_sel(c, XCPT_GP, sel);
    if (c->mode.long_mode && (desc_attr(d) & CPUM_SEG_L) && (desc_attr(d) & CPUM_SEG_D))
        iem_raise_sel(c, XCPT_GP, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, sel);
    iem_desc_accessed(c, sel, &d);
    return d;
}

uint64_t iem_check_ss(struct vcpu *c, uint16_t sel, unsigned cpl, unsigned vector)
{
    uint64_t d;

    if (selm_null(sel))
        iem_raise_error(c, vector, iem_ext(c));
    d = iem_desc_get(c, sel, vector);
    if ((sel & SEG_RPL) != cpl || !desc_is_writable(d) || desc_dpl(d) != cpl)
        iem_raise_sel(c, vector, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_SS, sel);
    iem_desc_accessed(c, sel, &d);
    return d;
}

void iem_check_target(struct vcpu *c, uint64_t cs_desc, uint64_t off)
{
    bool to64 = c->mode.long_mode && (desc_attr(cs_desc) & CPUM_SEG_L);

    if (to64 ? !cpum_canonical(off) : off > desc_limit(cs_desc))
        iem_raise_error(c, XCPT_GP, iem_ext(c));
}

void iem_load_cs(struct vcpu *c, uint16_t sel, uint64_t d, unsigned cpl)
{
    c->ctx.seg[X86_CS] = selm_seg((uint16_t)((sel & ~SEG_RPL) | cpl), d);
    c->ctx.cpl = (uint8_t)cpl;
}

void iem_drop_segs(struct vcpu *c)
{
    static const uint8_t data[] = {X86_ES, X86_FS, X86_GS, X86_DS};

    for (unsigned i = 0; i < G_N_ELEMENTS(data); i++) {
        struct cpum_seg *s = &c->ctx.seg[data[i]];
        bool conforming = (s->attr & (CPUM_SEG_CODE | CPUM_SEG_DC)) == (CPUM_SEG_CODE | CPUM_SEG_DC);

        if ((s->attr & CPUM_SEG_UNUSABLE) || conforming || (s->attr & CPUM_SEG_DPL) >> 5 >= c->ctx.cpl)
            continue;
        *s = selm_seg_null(0);
    }
}

/* ---- MOV, POP, LDS ... ---- */

static void load_real(struct vcpu *c, unsigned sreg, uint16_t sel)
{
    struct cpum_seg *s = &c->ctx.seg[sreg];

    if (c->mode.v86) {
        *s = selm_seg_v86(sel);
        return;
    }
    if (s->attr & CPUM_SEG_UNUSABLE) { /* null from protected mode: becomes an ordinary one */
        s->attr = ATTR_REAL;
        s->limit = 0xffff;
    }
    s->sel = sel;
    s->base = (uint64_t)sel << 4;
}

static void load_ss(struct vcpu *c, uint16_t sel)
{
    uint64_t d;

    if (selm_null(sel)) {
        if (!c->mode.code64 || c->ctx.cpl == 3 || (sel & SEG_RPL) != c->ctx.cpl)
            iem_gp0(c);
        c->ctx.seg[X86_SS] = selm_seg_null(sel);
        return;
    }
    d = iem_check_ss(c, sel, c->ctx.cpl, XCPT_GP);
    c->ctx.seg[X86_SS] = selm_seg(sel, d);
}

static void load_data(struct vcpu *c, unsigned sreg, uint16_t sel)
{
    unsigned rpl = sel & SEG_RPL;
    uint64_t d;

    if (selm_null(sel)) {
        c->ctx.seg[sreg] = selm_seg_null(sel);
        return;
    }
    d = iem_desc_get(c, sel, XCPT_GP);
    if (!(desc_attr(d) & CPUM_SEG_S) || (desc_is_code(d) && !(desc_attr(d) & CPUM_SEG_WR)))
        iem_raise_sel(c, XCPT_GP, sel);
    if (!desc_is_conforming(d) && (rpl > desc_dpl(d) || c->ctx.cpl > desc_dpl(d)))
        iem_raise_sel(c, XCPT_GP, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, sel);
    iem_desc_accessed(c, sel, &d);
    c->ctx.seg[sreg] = selm_seg(sel, d);
}

void iem_load_sreg(struct vcpu *c, unsigned sreg, uint16_t sel)
{
    if (!c->mode.pe || c->mode.v86)
        load_real(c, sreg, sel);
    else if (sreg == X86_SS)
        load_ss(c, sel);
    else
        load_data(c, sreg, sel);
    iem_mode_changed(c);
}

void iem_mode_changed(struct vcpu *c)
{
    cpum_mode_update(c);
    c->iem->end_block = true;
}

static void load_far_pointer(struct vcpu *c, const struct iem_op *op, unsigned sreg)
{
    unsigned bytes = op->i.opsize;
    uint64_t ea = iem_ea(c, &op->i);
    uint64_t off = iem_rd(c, op->i.seg, ea, bytes);
    uint64_t next = ea + bytes;
    uint16_t sel;

    if (op->i.addrsize != 8)
        next = op->i.addrsize == 4 ? (uint32_t)next : (uint16_t)next;
    sel = iem_rd16(c, op->i.seg, next);
    iem_load_sreg(c, sreg, sel);
    iem_set_gpr(c, op->i.op[0].reg, off, bytes);
}

#define LOAD_FAR(NAME, sreg)                                                                                           \
    void iem_##NAME(struct vcpu *c, const struct iem_op *op)                                                           \
    {                                                                                                                  \
        load_far_pointer(c, op, sreg);                                                                                 \
    }
LOAD_FAR(LES, X86_ES)
LOAD_FAR(LDS, X86_DS)
LOAD_FAR(LSS, X86_SS)
LOAD_FAR(LFS, X86_FS)
LOAD_FAR(LGS, X86_GS)
