/*
 * task.c - hardware task switch: 16- and 32-bit TSS, by JMP, CALL, interrupt and IRET.
 *
 * Order as in SDM 7.3: checks of the new TSS, old state saved, new state loaded (from here on faults belong to the new
 * task), then its segments checked one by one.
 *
 * Sources: SDM vol. 3 7.2 (TSS, figures 7-2 and 7-10), 7.3 (steps, table 7-1), 7.4 (link, busy, NT), 17.3.1.5 (T bit).
 * Left out: limit check of the old TSS (the manual has none).
 * Invariant 1: before commit() nothing of the processor's state changes; after it iem->op is iem_no_op, so that a fault
 *   reports the new task's first instruction.
 */
#include "vmm/iem/seg_int.h"

enum {
    TSS16_BYTES = 0x2c,
    TSS32_BYTES = 0x68,
    TSS32_CR3 = 0x1c,
    TSS32_STATE = 0x20,
    TSS16_STATE = 0x0e,
    TSS32_T = 0x64
};
enum { DB_TASK = 0x80 };
#define DR6_BT     (1u << 15)
#define DR7_LOCALS 0x155u /* L0-L3, LE */

/* Registers in TSS order: EIP EFLAGS EAX ECX EDX EBX ESP EBP ESI EDI ES CS SS DS FS GS LDT; a 16-bit TSS lacks FS, GS.
 */
enum { N_GPR = 8 };
static const uint8_t sregs32[] = {X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS};
static const uint8_t sregs16[] = {X86_ES, X86_CS, X86_SS, X86_DS};

struct task {
    uint16_t sel;
    struct cpum_seg tss;
    bool wide;
    uint32_t cr3, eip, eflags, gpr[N_GPR];
    uint16_t sreg[X86_SREG_COUNT], ldt;
    bool trap;
};

static bool is_wide(const struct cpum_seg *tss)
{
    return tss->attr & 8;
}

/* Selector and descriptor of the new TSS. IRET's complaints are #TS, the others' #GP. */
static void check_tss(struct vcpu *c, uint16_t sel, enum iem_task_cause cause, struct task *t)
{
    unsigned vector = cause == IEM_TASK_IRET ? XCPT_TS : XCPT_GP;
    unsigned want = cause == IEM_TASK_IRET ? SEG_TSS_BUSY : 0;
    uint64_t d;

    if (selm_null(sel) || (sel & SEG_TI))
        iem_raise_sel(c, vector, sel);
    d = iem_desc_get(c, sel, vector);
    if ((desc_type(d) & ~(8u | SEG_TSS_BUSY)) != SEG_T_TSS16 || (desc_type(d) & SEG_TSS_BUSY) != want)
        iem_raise_sel(c, vector, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, sel);
    t->sel = sel;
    t->tss = selm_seg(sel, d);
    t->wide = is_wide(&t->tss);
    if (t->tss.limit < (t->wide ? TSS32_BYTES : TSS16_BYTES) - 1)
        iem_raise_sel(c, XCPT_TS, sel);
}

static void read_new(struct vcpu *c, struct task *t)
{
    const unsigned n = t->wide ? 4 : 2, count = t->wide ? G_N_ELEMENTS(sregs32) : G_N_ELEMENTS(sregs16);
    const uint8_t *order = t->wide ? sregs32 : sregs16;
    uint64_t at = t->tss.base + (t->wide ? TSS32_STATE : TSS16_STATE);

    t->eip = (uint32_t)iem_sys_rd(c, at, n);
    t->eflags = (uint32_t)iem_sys_rd(c, at + n, n);
    at += 2 * n;
    for (unsigned i = 0; i < N_GPR; i++, at += n)
        t->gpr[i] = (uint32_t)iem_sys_rd(c, at, n);
    for (unsigned i = 0; i < count; i++, at += n)
        t->sreg[order[i]] = (uint16_t)iem_sys_rd(c, at, 2);
    t->ldt = (uint16_t)iem_sys_rd(c, at, 2);
    if (t->wide) {
        t->cr3 = (uint32_t)iem_sys_rd(c, t->tss.base + TSS32_CR3, 4);
        t->trap = iem_sys_rd(c, t->tss.base + TSS32_T, 2) & 1;
    }
}

static void save_old(struct vcpu *c, enum iem_task_cause cause)
{
    const struct cpum_ctx *x = &c->ctx;
    bool wide = is_wide(&x->tr);
    const unsigned n = wide ? 4 : 2, count = wide ? G_N_ELEMENTS(sregs32) : G_N_ELEMENTS(sregs16);
    const uint8_t *order = wide ? sregs32 : sregs16;
    uint64_t at = x->tr.base + (wide ? TSS32_STATE : TSS16_STATE), image = x->rflags;

    if (cause == IEM_TASK_IRET)
        image &= ~(uint64_t)CPUM_FL_NT;
    if (cause == IEM_TASK_INT && c->trpm->current.kind == TRPM_FAULT)
        image |= CPUM_FL_RF;
    iem_sys_wr(c, at, x->rip, n);
    iem_sys_wr(c, at + n, image, n);
    at += 2 * n;
    for (unsigned i = 0; i < N_GPR; i++, at += n)
        iem_sys_wr(c, at, x->gpr[i], n);
    for (unsigned i = 0; i < count; i++, at += n)
        iem_sys_wr(c, at, x->seg[order[i]].sel, 2);
}

static void commit(struct vcpu *c, const struct task *t, enum iem_task_cause cause)
{
    struct cpum_ctx *x = &c->ctx;
    const uint32_t high = t->wide ? 0 : 0xffff0000;

    c->iem->op = &iem_no_op; /* inv 1 */
    x->tr = t->tss;
    x->tr.attr |= SEG_TSS_BUSY;
    x->cr0 |= CPUM_CR0_TS;
    x->rip = t->eip;
    x->rflags = (t->eflags & cpum_flags_exist(c)) | CPUM_FL_1;
    if (cause == IEM_TASK_CALL || cause == IEM_TASK_INT)
        x->rflags |= CPUM_FL_NT;
    for (unsigned i = 0; i < N_GPR; i++)
        x->gpr[i] = t->gpr[i] | high;
    x->dr[7] &= ~(uint64_t)DR7_LOCALS;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        x->seg[i] = selm_seg_null(t->sreg[i]);
    x->ldtr = selm_seg_null(t->ldt);
    x->cpl = x->rflags & CPUM_FL_VM ? 3 : t->sreg[X86_CS] & SEG_RPL;
    if (t->wide && (x->cr0 & CPUM_CR0_PG) && !cpum_cr3_write(c, t->cr3))
        iem_raise_sel(c, XCPT_GP, t->sel);
    iem_mode_changed(c);
}

/* ---- the new task's segments: complaints are #TS unless it is only absence ---- */

static void load_ldt(struct vcpu *c, uint16_t sel)
{
    uint64_t d;

    if (selm_null(sel))
        return;
    if (sel & SEG_TI)
        iem_raise_sel(c, XCPT_TS, sel);
    d = iem_desc_get(c, sel, XCPT_TS);
    if (desc_type(d) != SEG_T_LDT || !desc_present(d))
        iem_raise_sel(c, XCPT_TS, sel);
    c->ctx.ldtr = selm_seg(sel, d);
}

static void load_code(struct vcpu *c, uint16_t sel)
{
    unsigned rpl = sel & SEG_RPL;
    uint64_t d;

    if (selm_null(sel))
        iem_raise_sel(c, XCPT_TS, sel);
    d = iem_desc_get(c, sel, XCPT_TS);
    if (!desc_is_code(d) || (desc_is_conforming(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl))
        iem_raise_sel(c, XCPT_TS, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, sel);
    iem_desc_accessed(c, sel, &d);
    c->ctx.seg[X86_CS] = selm_seg(sel, d);
}

static void load_data(struct vcpu *c, unsigned sreg, uint16_t sel)
{
    unsigned level = MAX(c->ctx.cpl, sel & SEG_RPL);
    uint64_t d;

    if (selm_null(sel))
        return;
    d = iem_desc_get(c, sel, XCPT_TS);
    if (!(desc_attr(d) & CPUM_SEG_S) || (desc_is_code(d) && !(desc_attr(d) & CPUM_SEG_WR)))
        iem_raise_sel(c, XCPT_TS, sel);
    if (!desc_is_conforming(d) && level > desc_dpl(d))
        iem_raise_sel(c, XCPT_TS, sel);
    if (!desc_present(d))
        iem_raise_sel(c, XCPT_NP, sel);
    iem_desc_accessed(c, sel, &d);
    c->ctx.seg[sreg] = selm_seg(sel, d);
}

static void load_segments(struct vcpu *c, const struct task *t)
{
    static const uint8_t data[] = {X86_DS, X86_ES, X86_FS, X86_GS};

    load_ldt(c, t->ldt);
    if (c->ctx.rflags & CPUM_FL_VM) {
        for (unsigned i = 0; i < X86_SREG_COUNT; i++)
            c->ctx.seg[i] = selm_seg_v86(t->sreg[i]);
        return;
    }
    load_code(c, t->sreg[X86_CS]);
    c->ctx.seg[X86_SS] = selm_seg(t->sreg[X86_SS], iem_check_ss(c, t->sreg[X86_SS], c->ctx.cpl, XCPT_TS));
    cpum_mode_update(c); /* a fault from here on is delivered on the new stack */
    for (unsigned i = 0; i < G_N_ELEMENTS(data); i++)
        load_data(c, data[i], t->sreg[data[i]]);
}

static void push_error(struct vcpu *c, bool wide, uint32_t error)
{
    struct iem_frame f;

    iem_frame_here(c, &f);
    iem_frame_push(c, &f, error, wide ? 4 : 2);
    iem_frame_load(c, &f);
}

void iem_task_switch(struct vcpu *c, uint16_t tss_sel, enum iem_task_cause cause, bool has_error, uint32_t error)
{
    const uint16_t old_sel = c->ctx.tr.sel;
    struct task t = {};

    check_tss(c, tss_sel, cause, &t);
    read_new(c, &t);
    save_old(c, cause);
    if (cause == IEM_TASK_JUMP || cause == IEM_TASK_IRET)
        iem_tss_busy(c, old_sel, false);
    else
        iem_sys_wr(c, t.tss.base, old_sel, 2);
    if (cause != IEM_TASK_IRET)
        iem_tss_busy(c, t.sel, true);
    commit(c, &t, cause);
    load_segments(c, &t);
    iem_mode_changed(c);
    if (has_error)
        push_error(c, t.wide, error);
    if (c->ctx.rip > c->ctx.seg[X86_CS].limit)
        iem_raise_error(c, XCPT_GP, iem_ext(c));
    if (t.trap) {
        c->ctx.dr[6] |= DR6_BT;
        c->ctx.pending_db |= DB_TASK;
        ff_set(&c->ff, FF_TRAP);
    }
}
