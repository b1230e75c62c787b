/*
 * far.c - JMP and CALL far: direct, through call gates (16, 32, 64 bits), TSSs and task gates; and RETF.
 *
 * Sources: SDM vol. 2 CALL, JMP, RET (pseudo-code and exceptions in its order), vol. 3 5.8 (call gates), APM vol. 3.
 * Invariant 1: CS, SS, RSP, RIP change after the last access that can fault.
 */
#include "vmm/iem/seg_int.h"

static uint64_t mask_off(uint64_t off, unsigned opsize)
{
    return opsize == 8 ? off : opsize == 4 ? (uint32_t)off : (uint16_t)off;
}

/* ---- real and V86 mode ---- */

static void transfer_real(struct vcpu *c, uint16_t sel, uint64_t off)
{
    /* The limit is not reloaded in real mode; V86 mode always has 64 KiB. */
    if (off > c->ctx.seg[X86_CS].limit)
        iem_gp0(c);
    iem_load_sreg(c, X86_CS, sel);
    c->ctx.rip = off;
}

static void call_real(struct vcpu *c, uint16_t sel, uint64_t off, unsigned opsize)
{
    uint64_t sp = c->mode.stack_bytes == 2 ? (uint16_t)c->ctx.gpr[X86_RSP] : (uint32_t)c->ctx.gpr[X86_RSP];

    if (off > c->ctx.seg[X86_CS].limit)
        iem_gp0(c);
    iem_push_at(c, &sp, c->ctx.seg[X86_CS].sel, opsize);
    iem_push_at(c, &sp, c->ctx.rip, opsize);
    iem_set_rsp(c, sp);
    transfer_real(c, sel, off);
}

/* ---- protected mode, no gate ---- */

/* @d is code. CS of a direct transfer keeps the CPL. */
static void check_direct_cs(struct vcpu *c, uint16_t sel, uint64_t *d)
{
    bool bad;

    if (desc_is_conforming(*d))
        bad = desc_dpl(*d) > c->ctx.cpl;
    else
        bad = (sel & SEG_RPL) > c->ctx.cpl || desc_dpl(*d) != c->ctx.cpl;
    bad |= c->mode.long_mode && (desc_attr(*d) & CPUM_SEG_L) && (desc_attr(*d) & CPUM_SEG_D);
    if (bad)
        iem_raise_sel(c, XCPT_GP, sel);
    if (!desc_present(*d))
        iem_raise_sel(c, XCPT_NP, sel);
    iem_desc_accessed(c, sel, d);
}

/* Pushes CS:RIP on the current stack; RSP is stored by the caller through @ret. */
static void push_return(struct vcpu *c, unsigned bytes, struct iem_frame *ret)
{
    iem_frame_here(c, ret);
    ret->error = 0;
    iem_frame_push(c, ret, c->ctx.seg[X86_CS].sel, bytes);
    iem_frame_push(c, ret, c->ctx.rip, bytes);
}

static void enter(struct vcpu *c, uint16_t sel, uint64_t d, uint64_t off, unsigned cpl)
{
    iem_load_cs(c, sel, d, cpl);
    c->ctx.rip = off;
    iem_mode_changed(c);
}

/* ---- call gates ---- */

static void fetch_call_gate(struct vcpu *c, uint16_t sel, uint64_t d, struct selm_gate *ret)
{
    uint64_t high = c->mode.long_mode ? iem_desc_get_high(c, sel, XCPT_GP) : 0;

    selm_gate_decode(ret, d, high, c->mode.long_mode);
    ret->ist = 0;
    if (ret->dpl < c->ctx.cpl || ret->dpl < (sel & SEG_RPL))
        iem_raise_sel(c, XCPT_GP, sel);
    if (!ret->present)
        iem_raise_sel(c, XCPT_NP, sel);
}

/* The gate's code segment. @call: inner levels allowed. */
static uint64_t check_gate_cs(struct vcpu *c, const struct selm_gate *g, bool call)
{
    uint64_t d;
    bool bad;

    if (selm_null(g->sel))
        iem_gp0(c);
    d = iem_desc_get(c, g->sel, XCPT_GP);
    bad = !desc_is_code(d) || desc_dpl(d) > c->ctx.cpl;
    bad |= !call && !desc_is_conforming(d) && desc_dpl(d) != c->ctx.cpl;
    bad |= c->mode.long_mode && (desc_attr(d) & (CPUM_SEG_L | CPUM_SEG_D)) != CPUM_SEG_L;
    if (bad)
        iem_raise_sel(c, XCPT_GP, g->sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, g->sel);
    iem_desc_accessed(c, g->sel, &d);
    return d;
}

/* Parameters go from the old stack to the new one in order, at most 31. */
static void copy_params(struct vcpu *c, struct iem_frame *f, unsigned count, unsigned bytes)
{
    uint64_t sp = c->ctx.gpr[X86_RSP];

    for (unsigned i = count; i-- > 0;) {
        uint64_t off = sp + (uint64_t)i * bytes;

        off = c->mode.stack_bytes == 2 ? (uint16_t)off : (uint32_t)off;
        iem_frame_push(c, f, iem_rd(c, X86_SS, off, bytes), bytes);
    }
}

static void call_gate(struct vcpu *c, uint16_t sel, uint64_t gate)
{
    struct iem_frame f;
    struct selm_gate g;
    unsigned bytes, cpl;
    uint64_t d;

    fetch_call_gate(c, sel, gate, &g);
    d = check_gate_cs(c, &g, true);
    bytes = c->mode.long_mode ? 8 : g.type & 8 ? 4 : 2;
    cpl = desc_is_conforming(d) ? c->ctx.cpl : desc_dpl(d);
    if (cpl < c->ctx.cpl) {
        iem_frame_inner(c, &f, cpl);
        iem_check_target(c, d, g.off);
        iem_frame_push(c, &f, c->ctx.seg[X86_SS].sel, bytes);
        iem_frame_push(c, &f, c->ctx.gpr[X86_RSP], bytes);
        copy_params(c, &f, g.params, bytes);
    } else {
        iem_frame_here(c, &f);
        iem_check_target(c, d, g.off);
        if (c->mode.long_mode && f.width != 8) { /* from compatibility mode to a 64-bit segment */
            f.width = 8;
            f.sp = c->ctx.gpr[X86_RSP];
        }
    }
    iem_frame_push(c, &f, c->ctx.seg[X86_CS].sel, bytes);
    iem_frame_push(c, &f, c->ctx.rip, bytes);
    iem_frame_load(c, &f);
    enter(c, g.sel, d, g.off, cpl);
}

static void jump_gate(struct vcpu *c, uint16_t sel, uint64_t gate)
{
    struct selm_gate g;
    uint64_t d;

    fetch_call_gate(c, sel, gate, &g);
    d = check_gate_cs(c, &g, false);
    iem_check_target(c, d, g.off);
    enter(c, g.sel, d, g.off, c->ctx.cpl);
}

/* ---- tasks ---- */

static void check_task_access(struct vcpu *c, uint16_t sel, uint64_t d)
{
    if (desc_dpl(d) < c->ctx.cpl || desc_dpl(d) < (sel & SEG_RPL))
        iem_raise_sel(c, XCPT_GP, sel);
}

static void to_task(struct vcpu *c, uint16_t sel, uint64_t d, enum iem_task_cause cause)
{
    uint16_t tss = sel;

    check_task_access(c, sel, d);
    if (desc_type(d) == SEG_T_TASK) {
        if (!desc_present(d))
            iem_raise_sel(c, XCPT_NP, sel);
        tss = (uint16_t)(d >> 16);
    }
    iem_task_switch(c, tss, cause, false, 0);
}

/* A system descriptor as the target of a far transfer. */
static void by_system(struct vcpu *c, uint16_t sel, uint64_t d, bool call)
{
    switch (desc_type(d)) {
    case SEG_T_CALL16:
        if (c->mode.long_mode)
            break;
        __attribute__((fallthrough));
    case SEG_T_CALL32:
        if (call)
            call_gate(c, sel, d);
        else
            jump_gate(c, sel, d);
        return;
    case SEG_T_TASK:
    case SEG_T_TSS16:
    case SEG_T_TSS32:
        if (c->mode.long_mode)
            break;
        to_task(c, sel, d, call ? IEM_TASK_CALL : IEM_TASK_JUMP);
        return;
    default: break;
    }
    iem_raise_sel(c, XCPT_GP, sel);
}

void iem_far_jump(struct vcpu *c, uint16_t sel, uint64_t off, unsigned opsize)
{
    uint64_t d;

    off = mask_off(off, opsize);
    if (!c->mode.pe || c->mode.v86) {
        transfer_real(c, sel, off);
        return;
    }
    if (selm_null(sel))
        iem_gp0(c);
    d = iem_desc_get(c, sel, XCPT_GP);
    if (!desc_is_code(d)) {
        if (desc_attr(d) & CPUM_SEG_S)
            iem_raise_sel(c, XCPT_GP, sel);
        by_system(c, sel, d, false);
        return;
    }
    check_direct_cs(c, sel, &d);
    iem_check_target(c, d, off);
    enter(c, sel, d, off, c->ctx.cpl);
}

void iem_far_call(struct vcpu *c, uint16_t sel, uint64_t off, unsigned opsize)
{
    struct iem_frame f;
    uint64_t d;

    off = mask_off(off, opsize);
    if (!c->mode.pe || c->mode.v86) {
        call_real(c, sel, off, opsize);
        return;
    }
    if (selm_null(sel))
        iem_gp0(c);
    d = iem_desc_get(c, sel, XCPT_GP);
    if (!desc_is_code(d)) {
        if (desc_attr(d) & CPUM_SEG_S)
            iem_raise_sel(c, XCPT_GP, sel);
        by_system(c, sel, d, true);
        return;
    }
    check_direct_cs(c, sel, &d);
    push_return(c, opsize, &f);
    iem_check_target(c, d, off);
    iem_frame_load(c, &f);
    enter(c, sel, d, off, c->ctx.cpl);
}

/* Direct form: pointer in the instruction; indirect: offset, then selector, in memory. */
static void far_operand(struct vcpu *c, const struct iem_op *op, uint16_t *ret_sel, uint64_t *ret_off)
{
    uint64_t ea;

    if (op->i.op[0].kind == X86_OP_FAR) {
        *ret_off = op->i.imm[0];
        *ret_sel = (uint16_t)op->i.imm[1];
        return;
    }
    ea = iem_ea(c, &op->i);
    *ret_off = iem_rd(c, op->i.seg, ea, op->i.opsize);
    ea += op->i.opsize;
    *ret_sel = iem_rd16(c, op->i.seg, mask_off(ea, op->i.addrsize));
}

void iem_JMPF(struct vcpu *c, const struct iem_op *op)
{
    uint16_t sel;
    uint64_t off;

    far_operand(c, op, &sel, &off);
    iem_far_jump(c, sel, off, op->i.opsize);
}

void iem_CALLF(struct vcpu *c, const struct iem_op *op)
{
    uint16_t sel;
    uint64_t off;

    far_operand(c, op, &sel, &off);
    iem_far_call(c, sel, off, op->i.opsize);
}

/* ---- RETF ---- */

static uint64_t sp_wrap(uint64_t sp, unsigned width)
{
    return width == 8 ? sp : width == 4 ? (uint32_t)sp : (uint16_t)sp;
}

static void retf_outer(struct vcpu *c, uint16_t sel, uint64_t rip, uint64_t sp, const struct iem_op *op)
{
    unsigned bytes = op->i.opsize, extra = op->i.nops ? (uint16_t)op->i.imm[0] : 0, cpl = sel & SEG_RPL;
    bool to64;
    uint64_t d = iem_check_return_cs(c, sel), new_sp, ss_desc = 0;
    struct cpum_seg ss;
    uint16_t ss_sel;

    to64 = c->mode.long_mode && (desc_attr(d) & CPUM_SEG_L);
    new_sp = iem_pop_at(c, &sp, bytes);
    ss_sel = (uint16_t)iem_pop_at(c, &sp, bytes);
    if (selm_null(ss_sel) && to64 && cpl != 3) {
        ss = selm_seg_null(ss_sel);
    } else {
        ss_desc = iem_check_ss(c, ss_sel, cpl, XCPT_GP);
        ss = selm_seg(ss_sel, ss_desc);
    }
    iem_check_target(c, d, rip);
    iem_load_cs(c, sel, d, cpl);
    c->ctx.rip = rip;
    c->ctx.seg[X86_SS] = ss;
    iem_drop_segs(c);
    iem_mode_changed(c);
    iem_set_rsp(c, sp_wrap(new_sp + extra, c->mode.stack_bytes));
}

void iem_RETF(struct vcpu *c, const struct iem_op *op)
{
    unsigned bytes = op->i.opsize, extra = op->i.nops ? (uint16_t)op->i.imm[0] : 0;
    uint64_t sp = sp_wrap(c->ctx.gpr[X86_RSP], c->mode.stack_bytes), rip, d;
    uint16_t sel;

    rip = iem_pop_at(c, &sp, bytes);
    sel = (uint16_t)iem_pop_at(c, &sp, bytes);
    sp = sp_wrap(sp + extra, c->mode.stack_bytes);
    if (!c->mode.pe || c->mode.v86) {
        if (rip > c->ctx.seg[X86_CS].limit)
            iem_gp0(c);
        iem_set_rsp(c, sp);
        transfer_real(c, sel, rip);
        return;
    }
    if ((sel & SEG_RPL) > c->ctx.cpl) {
        retf_outer(c, sel, rip, sp, op);
        return;
    }
    d = iem_check_return_cs(c, sel);
    iem_check_target(c, d, rip);
    iem_set_rsp(c, sp);
    enter(c, sel, d, rip, c->ctx.cpl);
}
