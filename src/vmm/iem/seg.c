/*
 * seg.c - descriptors and segment registers: fetching, checking, loading, and the instructions that ask about them.
 *
 * Sources: SDM vol. 3 3.4 (registers, descriptors), 5.5-5.8 (privilege), vol. 2 MOV, LDS.., LAR, LSL, VERR, ARPL, LLDT,
 *   LTR; vol. 3 20.1 (real mode addresses), 8.2.5 of APM vol. 2 (null selectors in 64-bit mode).
 * Big real mode: a segment loaded in real mode gets a new base only; limit and attributes survive.
 * Invariant 1: nothing is loaded before the last check of the same instruction has passed.
 */
#include "vmm/iem/seg_int.h"

enum { ATTR_V86 = 0xf3 /* present, DPL 3, data, writable, accessed */, ATTR_REAL = 0x93 };

/* ---- error codes ---- */

uint32_t iem_ext(const struct vcpu *c)
{
    const struct iem *iem = c->iem;

    if (!iem->delivering || iem->current.kind == IEM_EVENT_SOFT_INT)
        return 0;
    return !(iem->current.kind == IEM_EVENT_TRAP && iem->current.vector != XCPT_DB); /* INT3, INTO are software's */
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

bool iem_desc_gla(const struct vcpu *c, uint16_t sel, unsigned bytes, uint64_t *ret)
{
    const struct cpum_ctx *x = &c->ctx;
    uint32_t off = sel & SEG_INDEX;

    if (sel & SEG_TI) {
        if ((x->ldtr.attr & CPUM_SEG_UNUSABLE) || off + bytes - 1 > x->ldtr.limit)
            return false;
        *ret = x->ldtr.base + off;
        return true;
    }
    *ret = x->gdtr.base + off;
    return off + bytes - 1 <= x->gdtr.limit;
}

uint64_t iem_desc_get(struct vcpu *c, uint16_t sel, unsigned vector)
{
    uint64_t gla;

    if (!iem_desc_gla(c, sel, 8, &gla))
        iem_raise_sel(c, vector, sel);
    return iem_sys_rd(c, gla, 8);
}

uint64_t iem_desc_get_high(struct vcpu *c, uint16_t sel, unsigned vector)
{
    uint64_t gla, high;

    if (!iem_desc_gla(c, sel, 16, &gla))
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

    if ((*d & accessed) || !iem_desc_gla(c, sel, 8, &gla))
        return;
    *d |= accessed;
    iem_sys_wr(c, gla + 5, (uint8_t)(*d >> 40), 1);
}

void iem_tss_busy(struct vcpu *c, uint16_t sel, bool busy)
{
    uint64_t gla, type;

    if (!iem_desc_gla(c, sel, 8, &gla))
        return;
    type = iem_sys_rd(c, gla + 5, 1);
    iem_sys_wr(c, gla + 5, busy ? type | SEG_TSS_BUSY : type & ~(uint64_t)SEG_TSS_BUSY, 1);
}

struct cpum_seg iem_seg_make(uint16_t sel, uint64_t d)
{
    return (struct cpum_seg){.sel = sel, .attr = desc_attr(d), .limit = desc_limit(d), .base = desc_base(d)};
}

struct cpum_seg iem_seg_null(uint16_t sel)
{
    return (struct cpum_seg){.sel = sel, .attr = CPUM_SEG_UNUSABLE};
}

struct cpum_seg iem_seg_v86(uint16_t sel)
{
    return (struct cpum_seg){.sel = sel, .attr = ATTR_V86, .limit = 0xffff, .base = (uint64_t)sel << 4};
}

struct cpum_seg iem_seg_make_sys(struct vcpu *c, uint16_t sel, uint64_t d, unsigned vector)
{
    struct cpum_seg s = iem_seg_make(sel, d);

    if (c->mode.long_mode)
        s.base |= iem_desc_get_high(c, sel, vector) << 32;
    return s;
}

void iem_gate_decode(struct iem_gate *ret, uint64_t lo, uint64_t hi, bool wide)
{
    *ret = (struct iem_gate){.sel = (uint16_t)(lo >> 16),
                             .off = (lo & 0xffff) | (lo >> 32 & 0xffff0000),
                             .type = (uint8_t)desc_type(lo),
                             .dpl = (uint8_t)desc_dpl(lo),
                             .ist = wide ? lo >> 32 & 7 : 0,
                             .params = wide ? 0 : lo >> 32 & 0x1f,
                             .present = desc_present(lo)};
    if (wide)
        ret->off |= hi << 32;
    else if (!(ret->type & 8)) /* 16-bit gate: the upper half of the offset does not exist */
        ret->off &= 0xffff;
}

/* ---- for far transfers ---- */

uint64_t iem_check_return_cs(struct vcpu *c, uint16_t sel)
{
    unsigned rpl = sel & SEG_RPL;
    uint64_t d;

    if (iem_sel_null(sel))
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

    if (iem_sel_null(sel))
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
    c->ctx.seg[X86_CS] = iem_seg_make((uint16_t)((sel & ~SEG_RPL) | cpl), d);
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
        *s = iem_seg_null(0);
    }
}

/* ---- MOV, POP, LDS ... ---- */

static void load_real(struct vcpu *c, unsigned sreg, uint16_t sel)
{
    struct cpum_seg *s = &c->ctx.seg[sreg];

    if (c->mode.v86) {
        *s = iem_seg_v86(sel);
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

    if (iem_sel_null(sel)) {
        if (!c->mode.code64 || c->ctx.cpl == 3 || (sel & SEG_RPL) != c->ctx.cpl)
            iem_gp0(c);
        c->ctx.seg[X86_SS] = iem_seg_null(sel);
        return;
    }
    d = iem_check_ss(c, sel, c->ctx.cpl, XCPT_GP);
    c->ctx.seg[X86_SS] = iem_seg_make(sel, d);
}

static void load_data(struct vcpu *c, unsigned sreg, uint16_t sel)
{
    unsigned rpl = sel & SEG_RPL;
    uint64_t d;

    if (iem_sel_null(sel)) {
        c->ctx.seg[sreg] = iem_seg_null(sel);
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
    c->ctx.seg[sreg] = iem_seg_make(sel, d);
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
