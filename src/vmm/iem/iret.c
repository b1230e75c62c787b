/*
 * iret.c - IRET in all its forms: real mode, V86 (with VME), to the same and to outer levels, to V86, 64-bit, nested
 * task.
 *
 * Sources: SDM vol. 2 IRET/IRETD/IRETQ; vol. 3 6.7.1 (NMI unblocking), 20.2.3 (to V86), 20.3 (VME).
 * Invariant 1: registers change after the last access that can fault; NMIs are unblocked even if IRET faults (6.7.1),
 *   which is done first.
 */
#include "vmm/iem/seg_int.h"

#define FL_ALWAYS ((uint64_t)(CPUM_FL_ARITH | CPUM_FL_TF | CPUM_FL_DF | CPUM_FL_NT))
#define FL_WIDE   ((uint64_t)(CPUM_FL_RF | CPUM_FL_AC | CPUM_FL_ID)) /* 32- and 64-bit operand size */

struct popped {
    uint64_t rip, flags, sp;
    uint16_t cs;
};

static uint64_t sp_wrap(uint64_t sp, unsigned width)
{
    return width == 8 ? sp : width == 4 ? (uint32_t)sp : (uint16_t)sp;
}

static unsigned iopl(const struct vcpu *c)
{
    return (unsigned)(c->ctx.rflags >> 12) & 3;
}

static void pop_three(struct vcpu *c, unsigned bytes, struct popped *ret)
{
    ret->sp = sp_wrap(c->ctx.gpr[X86_RSP], c->mode.stack_bytes);
    ret->rip = iem_pop_at(c, &ret->sp, bytes);
    ret->cs = (uint16_t)iem_pop_at(c, &ret->sp, bytes);
    ret->flags = iem_pop_at(c, &ret->sp, bytes);
}

static void put_flags(struct vcpu *c, uint64_t image, uint64_t mask)
{
    mask &= cpum_flags_exist(c);
    c->ctx.rflags = (c->ctx.rflags & ~mask) | (image & mask) | CPUM_FL_1;
}

static void iret_real(struct vcpu *c, unsigned bytes)
{
    uint64_t mask = FL_ALWAYS | CPUM_FL_IF | CPUM_FL_IOPL | (bytes == 2 ? 0 : FL_WIDE);
    struct popped p;

    pop_three(c, bytes, &p);
    if (p.rip > c->ctx.seg[X86_CS].limit)
        iem_gp0(c);
    iem_set_rsp(c, p.sp);
    iem_load_sreg(c, X86_CS, p.cs);
    c->ctx.rip = p.rip;
    put_flags(c, p.flags, mask);
}

static void iret_v86(struct vcpu *c, unsigned bytes)
{
    uint64_t mask = FL_ALWAYS | CPUM_FL_IF | (bytes == 2 ? 0 : FL_WIDE);
    bool vme = iopl(c) < 3;
    struct popped p;

    if (vme && (!(c->ctx.cr4 & CPUM_CR4_VME) || bytes != 2))
        iem_gp0(c);
    pop_three(c, bytes, &p);
    if (p.rip > c->ctx.seg[X86_CS].limit)
        iem_gp0(c);
    if (vme) {
        if ((p.flags & CPUM_FL_TF) || ((p.flags & CPUM_FL_IF) && (c->ctx.rflags & CPUM_FL_VIP)))
            iem_gp0(c);
        mask = (mask & ~(uint64_t)CPUM_FL_IF) | CPUM_FL_VIF;
        p.flags = (p.flags & ~(uint64_t)CPUM_FL_VIF) | (p.flags & CPUM_FL_IF ? CPUM_FL_VIF : 0);
    }
    iem_set_rsp(c, p.sp);
    iem_load_sreg(c, X86_CS, p.cs);
    c->ctx.rip = p.rip;
    put_flags(c, p.flags, mask);
}

/* From CPL 0 to a V86 task: six more words on the stack. */
static void iret_to_v86(struct vcpu *c, struct popped *p)
{
    static const uint8_t order[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    const uint64_t mask = FL_ALWAYS | FL_WIDE | CPUM_FL_IF | CPUM_FL_IOPL | CPUM_FL_VM | CPUM_FL_VIF | CPUM_FL_VIP;
    uint16_t sel[G_N_ELEMENTS(order)], ss;
    uint64_t esp = iem_pop_at(c, &p->sp, 4);

    ss = (uint16_t)iem_pop_at(c, &p->sp, 4);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
        sel[i] = (uint16_t)iem_pop_at(c, &p->sp, 4);
    if (p->rip > 0xffff)
        iem_gp0(c);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
        c->ctx.seg[order[i]] = selm_seg_v86(sel[i]);
    c->ctx.seg[X86_SS] = selm_seg_v86(ss);
    c->ctx.seg[X86_CS] = selm_seg_v86(p->cs);
    c->ctx.gpr[X86_RSP] = (uint32_t)esp;
    c->ctx.rip = p->rip;
    c->ctx.cpl = 3;
    put_flags(c, p->flags, mask);
    iem_mode_changed(c);
}

static uint64_t flags_mask(const struct vcpu *c, unsigned bytes)
{
    uint64_t mask = FL_ALWAYS | (bytes == 2 ? 0 : FL_WIDE);

    if (c->ctx.cpl <= iopl(c))
        mask |= CPUM_FL_IF;
    if (c->ctx.cpl == 0)
        mask |= CPUM_FL_IOPL | (bytes == 2 ? 0 : CPUM_FL_VIF | CPUM_FL_VIP);
    return mask;
}

/* SS:rSP of the frame, checked; null SS is fine when 64-bit code below CPL 3 is returned to. */
static void check_outer_ss(struct vcpu *c, uint16_t sel, unsigned cpl, uint64_t cs_desc, struct cpum_seg *ret)
{
    bool to64 = c->mode.long_mode && (desc_attr(cs_desc) & CPUM_SEG_L);

    if (selm_null(sel) && to64 && cpl != 3) {
        if ((sel & SEG_RPL) != cpl)
            iem_raise_sel(c, XCPT_GP, sel);
        *ret = selm_seg_null(sel);
        return;
    }
    *ret = selm_seg(sel, iem_check_ss(c, sel, cpl, XCPT_GP));
}

static void iret_protected(struct vcpu *c, unsigned bytes)
{
    bool with_ss = c->mode.code64;
    uint64_t d, mask, new_sp = 0;
    struct cpum_seg ss = {};
    struct popped p;
    unsigned cpl;

    pop_three(c, bytes, &p);
    if ((p.flags & CPUM_FL_VM) && c->ctx.cpl == 0 && bytes == 4 && !c->mode.long_mode) {
        iret_to_v86(c, &p);
        return;
    }
    d = iem_check_return_cs(c, p.cs);
    cpl = p.cs & SEG_RPL;
    with_ss |= cpl != c->ctx.cpl;
    if (with_ss) {
        new_sp = iem_pop_at(c, &p.sp, bytes);
        check_outer_ss(c, (uint16_t)iem_pop_at(c, &p.sp, bytes), cpl, d, &ss);
    }
    iem_check_target(c, d, p.rip);
    mask = flags_mask(c, bytes);
    bool outer = cpl != c->ctx.cpl;
    iem_load_cs(c, p.cs, d, cpl);
    c->ctx.rip = p.rip;
    put_flags(c, p.flags, mask);
    if (with_ss)
        c->ctx.seg[X86_SS] = ss;
    if (outer)
        iem_drop_segs(c);
    if (!with_ss)
        iem_set_rsp(c, p.sp); /* with the old stack's width */
    iem_mode_changed(c);
    if (with_ss)
        iem_set_rsp(c, sp_wrap(new_sp, c->mode.stack_bytes));
}

/* NT: back to the task named by the link field of the current TSS. */
static void iret_task(struct vcpu *c)
{
    uint16_t link;

    if (c->mode.long_mode)
        iem_gp0(c);
    link = (uint16_t)iem_sys_rd(c, c->ctx.tr.base, 2);
    if (link & SEG_TI)
        iem_raise_sel(c, XCPT_TS, link);
    iem_task_switch(c, link, IEM_TASK_IRET, false, 0);
}

void iem_IRET(struct vcpu *c, const struct iem_op *op)
{
    unsigned bytes = op->i.opsize;

    c->ctx.nmi_blocked = 0;
    if (!c->mode.pe)
        iret_real(c, bytes);
    else if (c->mode.v86)
        iret_v86(c, bytes);
    else if (c->ctx.rflags & CPUM_FL_NT)
        iret_task(c);
    else
        iret_protected(c, bytes);
    iem_mode_changed(c);
}
