/*
 * segask.c - instructions that ask about selectors (LAR LSL VERR VERW ARPL) and those that load LDTR and TR.
 *
 * Sources: SDM vol. 2 by instruction; table 3-54 (types LAR accepts), table 3-64 (types LSL accepts).
 * Invariant 1: the asking instructions never fault on the selector, only on their own memory operand and on paging.
 */
#include "vmm/iem/seg_int.h"

/* System types that LAR and LSL accept, legacy and long mode, as bit sets over the type. */
#define LAR_LEGACY                                                                                                     \
    (1u << SEG_T_TSS16 | 1u << SEG_T_LDT | 1u << SEG_T_TSS16_BUSY | 1u << SEG_T_CALL16 | 1u << SEG_T_TASK |            \
     1u << SEG_T_TSS32 | 1u << SEG_T_TSS32_BUSY | 1u << SEG_T_CALL32)
#define LAR_LONG   (1u << SEG_T_LDT | 1u << SEG_T_TSS32 | 1u << SEG_T_TSS32_BUSY | 1u << SEG_T_CALL32)
#define LSL_LEGACY (LAR_LEGACY & ~(1u << SEG_T_CALL16 | 1u << SEG_T_TASK | 1u << SEG_T_CALL32))
#define LSL_LONG   (LAR_LONG & ~(1u << SEG_T_CALL32))

static void set_zf(struct vcpu *c, bool zf)
{
    c->ctx.rflags = zf ? c->ctx.rflags | CPUM_FL_ZF : c->ctx.rflags & ~(uint64_t)CPUM_FL_ZF;
}

static uint16_t sel_operand(struct vcpu *c, const struct iem_op *op, unsigned n)
{
    if (op->i.op[n].kind == X86_OP_MEM)
        return iem_rd16(c, op->i.seg, iem_ea(c, &op->i));
    return (uint16_t)c->ctx.gpr[op->i.op[n].reg];
}

/* The descriptor if @sel names one this CPL and RPL may see. */
static bool visible(struct vcpu *c, uint16_t sel, uint32_t sys_types, uint64_t *ret)
{
    uint64_t gla, d;
    unsigned level = MAX(c->ctx.cpl, sel & SEG_RPL);

    if (selm_null(sel) || !selm_desc_gla(c, sel, 8, &gla))
        return false;
    d = iem_sys_rd(c, gla, 8);
    if (!(desc_attr(d) & CPUM_SEG_S)) {
        if (!(sys_types >> desc_type(d) & 1))
            return false;
        if (c->mode.long_mode && !selm_desc_gla(c, sel, 16, &gla))
            return false;
    }
    if (!desc_is_conforming(d) && level > desc_dpl(d))
        return false;
    *ret = d;
    return true;
}

void iem_LAR(struct vcpu *c, const struct iem_op *op)
{
    uint16_t sel = sel_operand(c, op, 1);
    uint64_t d;

    if (!visible(c, sel, c->mode.long_mode ? LAR_LONG : LAR_LEGACY, &d)) {
        set_zf(c, false);
        return;
    }
    set_zf(c, true);
    iem_set_gpr(c, op->i.op[0].reg, (d >> 32) & 0x00f0ff00, op->i.opsize);
}

void iem_LSL(struct vcpu *c, const struct iem_op *op)
{
    uint16_t sel = sel_operand(c, op, 1);
    uint64_t d;

    if (!visible(c, sel, c->mode.long_mode ? LSL_LONG : LSL_LEGACY, &d)) {
        set_zf(c, false);
        return;
    }
    set_zf(c, true);
    iem_set_gpr(c, op->i.op[0].reg, desc_limit(d), op->i.opsize);
}

void iem_VERR(struct vcpu *c, const struct iem_op *op)
{
    uint64_t d;
    bool ok = visible(c, sel_operand(c, op, 0), 0, &d);

    set_zf(c, ok && (!desc_is_code(d) || (desc_attr(d) & CPUM_SEG_WR)));
}

void iem_VERW(struct vcpu *c, const struct iem_op *op)
{
    uint64_t d;
    bool ok = visible(c, sel_operand(c, op, 0), 0, &d);

    set_zf(c, ok && desc_is_writable(d));
}

void iem_ARPL(struct vcpu *c, const struct iem_op *op)
{
    uint64_t dst = iem_operand(c, op, 0), src = iem_operand(c, op, 1);

    if ((dst & SEG_RPL) >= (src & SEG_RPL)) {
        set_zf(c, false);
        return;
    }
    iem_set_operand(c, op, 0, (dst & ~(uint64_t)SEG_RPL) | (src & SEG_RPL));
    set_zf(c, true);
}

/* ---- LDTR, TR ---- */

static void umip(struct vcpu *c)
{
    if ((c->ctx.cr4 & CPUM_CR4_UMIP) && c->ctx.cpl > 0)
        iem_gp0(c);
}

/* To memory always 16 bits, to a register the operand size. */
static void store_sel(struct vcpu *c, const struct iem_op *op, uint16_t sel)
{
    if (op->i.op[0].kind == X86_OP_MEM)
        iem_wr(c, op->i.seg, iem_ea(c, &op->i), sel, 2);
    else
        iem_set_gpr(c, op->i.op[0].reg, sel, op->i.opsize);
}

void iem_SLDT(struct vcpu *c, const struct iem_op *op)
{
    umip(c);
    store_sel(c, op, c->ctx.ldtr.sel);
}

void iem_STR(struct vcpu *c, const struct iem_op *op)
{
    umip(c);
    store_sel(c, op, c->ctx.tr.sel);
}

static void check_canonical_base(struct vcpu *c, uint64_t base, uint16_t sel)
{
    if (!cpum_canonical(base))
        iem_raise_sel(c, XCPT_GP, sel);
}

void iem_LLDT(struct vcpu *c, const struct iem_op *op)
{
    uint16_t sel = sel_operand(c, op, 0);
    struct cpum_seg s;
    uint64_t d;

    if (selm_null(sel)) {
        c->ctx.ldtr = selm_seg_null(sel);
        return;
    }
    if (sel & SEG_TI)
        iem_raise_sel(c, XCPT_GP, sel);
    d = iem_desc_get(c, sel, XCPT_GP);
    if (desc_type(d) != SEG_T_LDT)
        iem_raise_sel(c, XCPT_GP, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, sel);
    s = iem_seg_make_sys(c, sel, d, XCPT_GP);
    check_canonical_base(c, s.base, sel);
    c->ctx.ldtr = s;
}

void iem_LTR(struct vcpu *c, const struct iem_op *op)
{
    uint16_t sel = sel_operand(c, op, 0);
    struct cpum_seg s;
    uint64_t d;

    if (selm_null(sel))
        iem_gp0(c);
    if (sel & SEG_TI)
        iem_raise_sel(c, XCPT_GP, sel);
    d = iem_desc_get(c, sel, XCPT_GP);
    if (desc_type(d) != SEG_T_TSS32 && (desc_type(d) != SEG_T_TSS16 || c->mode.long_mode))
        iem_raise_sel(c, XCPT_GP, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, sel);
    s = iem_seg_make_sys(c, sel, d, XCPT_GP);
    check_canonical_base(c, s.base, sel);
    iem_tss_busy(c, sel, true);
    s.attr |= SEG_TSS_BUSY;
    c->ctx.tr = s;
}
