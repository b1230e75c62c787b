/*
 * xcpt.c - exceptions and interrupts: leaving a handler, and entering the guest's.
 *
 * iem_raise*() unwinds to iem_run(), which calls iem_deliver(). A fault on the way into the guest's handler unwinds
 * there too and comes back to iem_deliver() with c->trpm->delivering still set: that is where double and triple faults
 * are settled (table 6-5). rip is taken back by the length of iem->op once only: after a fault op is iem_no_op.
 *
 *            iem_raise ----longjmp----> iem_run: unwound() --> iem_deliver() --> handler entered
 *                ^                                                 |
 *                +---- fault while delivering (delivering set) <---+
 *
 * Sources: SDM vol. 3 chapter 6 (6.12 protected mode, 6.13 error codes, 6.14 64-bit, table 6-5), 17.3.1.1 (RF), 20.1.4
 *   (real mode), 20.2-20.3 (V86, VME); vol. 2 INT n.
 * Left out: RF in the image pushed when a REP instruction is interrupted between iterations.
 * Invariant 1: RIP, CS, SS, RSP, flags change after the last access that can fault.
 */
#include "vmm/iem/seg_int.h"

#include <string.h>

#define DR7_GD     (1u << 13)
#define DR6_BD     (1u << 13)
#define FL_CLEARED ((uint64_t)(CPUM_FL_TF | CPUM_FL_VM | CPUM_FL_RF | CPUM_FL_NT)) /* on every entry through a gate */

/* ---- leaving a handler ---- */

static _Noreturn void leave(struct vcpu *c, unsigned vector, enum trpm_kind kind, bool has_error, uint32_t error)
{
    struct iem *iem = c->iem;

    if (kind == TRPM_FAULT)
        c->ctx.rip -= iem->op->i.len;
    c->trpm->raised =
        (struct trpm_event){.vector = (uint8_t)vector, .kind = (uint8_t)kind, .has_error = has_error, .error = error};
    longjmp(*iem->unwind, IEM_UNWIND_EVENT);
}

void iem_freeze(struct vcpu *c)
{
    c->ctx.rip -= c->iem->op->i.len;
    c->ctx.activity = CPUM_HALTED;
    longjmp(*c->iem->unwind, IEM_UNWIND_FREEZE);
}

void iem_raise(struct vcpu *c, unsigned vector)
{
    leave(c, vector, TRPM_FAULT, false, 0);
}

void iem_raise_error(struct vcpu *c, unsigned vector, uint32_t error)
{
    leave(c, vector, TRPM_FAULT, true, error);
}

void iem_raise_pf(struct vcpu *c, uint64_t gla, uint32_t error)
{
    c->ctx.cr2 = gla;
    leave(c, XCPT_PF, TRPM_FAULT, true, error);
}

void iem_raise_trap(struct vcpu *c, unsigned vector, enum trpm_kind kind)
{
    leave(c, vector, kind, false, 0);
}

/* ---- what kind of event it is ---- */

/* INT n, INT3, INTO: the gate's DPL counts. INT1 is as from outside. */
static bool by_software(const struct trpm_event *e)
{
    return e->kind == TRPM_SOFT_INT || (e->kind == TRPM_TRAP && e->vector != XCPT_DB);
}

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE };

/* Table 6-5. Only exceptions the CPU found itself are anything but benign. */
static enum severity severity(const struct trpm_event *e)
{
    if (e->kind != TRPM_FAULT)
        return BENIGN;
    switch (e->vector) {
    case XCPT_DE:
    case XCPT_TS:
    case XCPT_NP:
    case XCPT_SS:
    case XCPT_GP: return CONTRIBUTORY;
    case XCPT_PF: return PAGE_FAULT;
    case XCPT_DF: return DOUBLE;
    default: return BENIGN;
    }
}

static void shut_down(struct vcpu *c)
{
    c->trpm->delivering = false;
    c->iem->end_block = true;
    c->ctx.activity = CPUM_SHUTDOWN;
    cpum_note(c, CPUM_EVENT_SHUTDOWN, 0, 0);
    if (c->outside && c->outside->triple_fault)
        c->outside->triple_fault(c->outside_user, c->id);
}

/* @second happened while @first was being delivered. Return: false = shutdown. */
static bool combine(const struct trpm_event *first, struct trpm_event *second)
{
    enum severity was = severity(first), is = severity(second);

    if (was == BENIGN || is == BENIGN || (was == CONTRIBUTORY && is == PAGE_FAULT))
        return true;
    if (was == DOUBLE)
        return false;
    *second = (struct trpm_event){.vector = XCPT_DF, .kind = TRPM_FAULT, .has_error = true};
    return true;
}

/* The flags image to push: RF is set for faults, but not for a code breakpoint, and for everything that comes between
 * the iterations of a REP (17.3.1.1). */
static uint64_t flags_image(const struct vcpu *c, const struct trpm_event *e)
{
    bool breakpoint = e->vector == XCPT_DB && !(c->ctx.dr[6] & DR6_BD);

    if (e->kind == TRPM_FAULT ? e->vector != XCPT_DF && !breakpoint : c->iem->mid_rep)
        return c->ctx.rflags | CPUM_FL_RF;
    return c->ctx.rflags;
}

/* ---- real mode, and V86 interrupts redirected to the program's own vectors ---- */

/* @table: linear address of the 4-byte vectors. */
static void enter_by_vector(struct vcpu *c, unsigned vector, uint64_t table, uint64_t image)
{
    uint64_t sp = c->mode.stack_bytes == 2 ? (uint16_t)c->ctx.gpr[X86_RSP] : (uint32_t)c->ctx.gpr[X86_RSP];
    uint32_t target = (uint32_t)iem_sys_rd(c, table + 4 * vector, 4);

    iem_push_at(c, &sp, (uint16_t)image, 2);
    iem_push_at(c, &sp, c->ctx.seg[X86_CS].sel, 2);
    iem_push_at(c, &sp, (uint16_t)c->ctx.rip, 2);
    iem_set_rsp(c, sp);
    iem_load_sreg(c, X86_CS, (uint16_t)(target >> 16));
    c->ctx.rip = (uint16_t)target;
}

static void deliver_real(struct vcpu *c, const struct trpm_event *e)
{
    if (4u * e->vector + 3 > c->ctx.idtr.limit)
        iem_raise_error(c, XCPT_GP, 8u * e->vector + 2);
    enter_by_vector(c, e->vector, c->ctx.idtr.base, c->ctx.rflags);
    c->ctx.rflags &= ~(uint64_t)(CPUM_FL_IF | CPUM_FL_TF | CPUM_FL_AC | CPUM_FL_RF);
}

/* Table 20-2: the redirection bitmap is the 32 bytes below the I/O bitmap of the TSS. */
static bool vme_redirects(struct vcpu *c, unsigned vector)
{
    enum { TSS_IO_BASE = 102 };
    const struct cpum_seg *tr = &c->ctx.tr;
    uint32_t off;

    if (!(tr->attr & 8) || tr->limit < TSS_IO_BASE + 1)
        iem_gp0(c);
    off = (uint32_t)iem_sys_rd(c, tr->base + TSS_IO_BASE, 2) - 32 + vector / 8;
    if (off > tr->limit)
        iem_gp0(c);
    return !(iem_sys_rd(c, tr->base + off, 1) >> (vector % 8) & 1);
}

/* INT n in V86 mode. Return: true if it went to the program's own vector; false: through the IDT. */
static bool deliver_v86_soft(struct vcpu *c, const struct trpm_event *e)
{
    bool iopl3 = (c->ctx.rflags & CPUM_FL_IOPL) == CPUM_FL_IOPL;
    uint64_t image = c->ctx.rflags, clear = CPUM_FL_TF | CPUM_FL_RF;

    if (!(c->ctx.cr4 & CPUM_CR4_VME) || !vme_redirects(c, e->vector)) {
        if (!iopl3)
            iem_gp0(c);
        return false;
    }
    if (!iopl3) {
        image = (image | CPUM_FL_IOPL) & ~(uint64_t)CPUM_FL_IF;
        image |= image & CPUM_FL_VIF ? CPUM_FL_IF : 0;
        clear |= CPUM_FL_VIF;
    } else {
        clear |= CPUM_FL_IF;
    }
    enter_by_vector(c, e->vector, 0, image);
    c->ctx.rflags &= ~clear;
    return true;
}

/* ---- protected mode ---- */

static _Noreturn void raise_idt(struct vcpu *c, unsigned xcpt, unsigned vector)
{
    iem_raise_error(c, xcpt, vector << 3 | 2 | iem_ext(c));
}

static void fetch_gate(struct vcpu *c, const struct trpm_event *e, struct selm_gate *ret)
{
    unsigned bytes = c->mode.long_mode ? 16 : 8;
    uint64_t gla = c->ctx.idtr.base + (uint64_t)bytes * e->vector, lo, hi = 0;
    uint32_t types = c->mode.long_mode ? 1u << SEG_T_INT32 | 1u << SEG_T_TRAP32
                                       : 1u << SEG_T_TASK | 1u << SEG_T_INT16 | 1u << SEG_T_TRAP16 | 1u << SEG_T_INT32 |
                                             1u << SEG_T_TRAP32;

    if (bytes * e->vector + bytes - 1 > c->ctx.idtr.limit)
        raise_idt(c, XCPT_GP, e->vector);
    lo = iem_sys_rd(c, gla, 8);
    if (c->mode.long_mode)
        hi = iem_sys_rd(c, gla + 8, 8);
    selm_gate_decode(ret, lo, hi, c->mode.long_mode);
    if (!(types >> ret->type & 1) || (by_software(e) && ret->dpl < c->ctx.cpl))
        raise_idt(c, XCPT_GP, e->vector);
    if (!ret->present)
        raise_idt(c, XCPT_NP, e->vector);
}

/* The handler's code segment; #GP or #NP with its selector. */
static uint64_t check_handler_cs(struct vcpu *c, const struct selm_gate *g)
{
    uint64_t d;
    bool bad;

    if (selm_null(g->sel))
        iem_raise_error(c, XCPT_GP, iem_ext(c));
    d = iem_desc_get(c, g->sel, XCPT_GP);
    bad = !desc_is_code(d) || desc_dpl(d) > c->ctx.cpl;
    bad |= c->mode.v86 && (desc_dpl(d) != 0 || desc_is_conforming(d));
    bad |= c->mode.long_mode && (desc_attr(d) & (CPUM_SEG_L | CPUM_SEG_D)) != CPUM_SEG_L;
    if (bad)
        iem_raise_sel(c, XCPT_GP, g->sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, g->sel);
    iem_desc_accessed(c, g->sel, &d);
    return d;
}

static void choose_frame(struct vcpu *c, const struct selm_gate *g, unsigned cpl, struct iem_frame *ret)
{
    if (g->ist)
        iem_frame_ist(c, ret, g->ist, cpl);
    else if (cpl != c->ctx.cpl)
        iem_frame_inner(c, ret, cpl);
    else
        iem_frame_here(c, ret);
    if (c->mode.long_mode) {
        if (!g->ist && cpl == c->ctx.cpl)
            ret->sp = c->ctx.gpr[X86_RSP]; /* also from compatibility mode */
        ret->width = 8;
        ret->sp &= ~15ull; /* 6.14.2 */
    }
}

static void push_frame(struct vcpu *c, const struct trpm_event *e, struct iem_frame *f, unsigned bytes, bool outer)
{
    const struct cpum_ctx *x = &c->ctx;

    if (c->mode.v86) {
        static const uint8_t order[] = {X86_GS, X86_FS, X86_DS, X86_ES};

        for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
            iem_frame_push(c, f, x->seg[order[i]].sel, bytes);
    }
    if (outer) {
        iem_frame_push(c, f, x->seg[X86_SS].sel, bytes);
        iem_frame_push(c, f, x->gpr[X86_RSP], bytes);
    }
    iem_frame_push(c, f, flags_image(c, e), bytes);
    iem_frame_push(c, f, x->seg[X86_CS].sel, bytes);
    iem_frame_push(c, f, x->rip, bytes);
    if (e->has_error)
        iem_frame_push(c, f, e->error, bytes);
}

static void deliver_gate(struct vcpu *c, const struct trpm_event *e, const struct selm_gate *g)
{
    uint64_t d = check_handler_cs(c, g);
    unsigned cpl = desc_is_conforming(d) ? c->ctx.cpl : desc_dpl(d);
    unsigned bytes = c->mode.long_mode ? 8 : g->type & 8 ? 4 : 2;
    bool outer = c->mode.long_mode || cpl != c->ctx.cpl;
    struct iem_frame f;

    choose_frame(c, g, cpl, &f);
    iem_check_target(c, d, g->off);
    push_frame(c, e, &f, bytes, outer);
    /* nothing faults from here on */
    if (c->mode.v86) {
        static const uint8_t data[] = {X86_ES, X86_DS, X86_FS, X86_GS};

        for (unsigned i = 0; i < G_N_ELEMENTS(data); i++)
            c->ctx.seg[data[i]] = selm_seg_null(0);
    }
    iem_frame_load(c, &f);
    iem_load_cs(c, g->sel, d, cpl);
    c->ctx.rip = g->off;
    c->ctx.rflags &= ~FL_CLEARED;
    if (!(g->type & 1)) /* interrupt gate */
        c->ctx.rflags &= ~(uint64_t)CPUM_FL_IF;
}

static void deliver_protected(struct vcpu *c, const struct trpm_event *e)
{
    struct selm_gate g;

    if (c->mode.v86 && e->kind == TRPM_SOFT_INT && deliver_v86_soft(c, e))
        return;
    fetch_gate(c, e, &g);
    if (g.type == SEG_T_TASK)
        iem_task_switch(c, g.sel, IEM_TASK_INT, e->has_error, e->error);
    else
        deliver_gate(c, e, &g);
}

void iem_deliver(struct vcpu *c, const struct trpm_event *event)
{
    static const uint8_t notes[] = {
        [TRPM_FAULT] = CPUM_EVENT_FAULT, [TRPM_TRAP] = CPUM_EVENT_TRAP, [TRPM_SOFT_INT] = CPUM_EVENT_INT,
        [TRPM_IRQ] = CPUM_EVENT_IRQ,     [TRPM_NMI] = CPUM_EVENT_NMI,   [TRPM_ICEBP] = CPUM_EVENT_TRAP};
    struct iem *iem = c->iem;
    struct trpm_event e = *event;

    if (c->trpm->delivering && !combine(&c->trpm->current, &e)) {
        shut_down(c);
        return;
    }
    c->trpm->delivering = true;
    c->trpm->current = e;
    cpum_note(c, notes[e.kind], e.vector, e.error);
    if (e.kind == TRPM_FAULT)
        iem->op = &iem_no_op; /* its length has been taken back */
    if (e.kind == TRPM_NMI)
        c->ctx.nmi_blocked = 1;
    if (c->mode.pe)
        deliver_protected(c, &e);
    else
        deliver_real(c, &e);
    if (e.vector == XCPT_DB && e.kind != TRPM_SOFT_INT && e.kind != TRPM_IRQ)
        c->ctx.dr[7] &= ~(uint64_t)DR7_GD;
    c->trpm->delivering = false;
    iem->mid_rep = false;
    iem->op = &iem_no_op;
    iem_mode_changed(c);
}
