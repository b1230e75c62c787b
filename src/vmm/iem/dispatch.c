/*
 * dispatch.c - which function runs a decoded instruction.
 *
 * A form the guest's CPU does not have raises #UD for good, since CPUID does not change. What depends on the machine's
 * state (CPL, mode, CR0, CR4, XCR0) is tested when the instruction runs, by a guard that then calls the real handler;
 * so a decoded block depends on nothing but the kind of code.
 *
 * Sources: SDM vol. 2 2.4-2.8 (exception classes), vol. 3 2.5 (CR0.EM, TS; CR4.OSFXSR, OSXSAVE), table 13-1.
 */
#include "vmm/iem/step_int.h"

#define H_C(name)    iem_##name
#define H_HOST(name) iem_host_insn
static iem_fn *const handlers[X86_MNEM_COUNT] = {
#define M(name, engine) [X86_##name] = H_##engine(name),
#include "x86/mnem.def"
#undef M
};

#define XCR0_SSE_AVX 6u

static void undefined(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_ud(c);
}

/* ---- guards ---- */

static inline void go_on(struct vcpu *c, const struct iem_op *op)
{
    handlers[op->i.mnem](c, op);
}

static bool no_prot(const struct vcpu *c)
{
    return !c->mode.pe || c->mode.v86;
}

/* CPL0, PROT: #UD comes before #GP. */
static void guard_rules(struct vcpu *c, const struct iem_op *op)
{
    if ((op->i.row->rules & X86_RULE_PROT) && no_prot(c))
        iem_ud(c);
    if ((op->i.row->rules & X86_RULE_CPL0) && c->ctx.cpl != 0)
        iem_gp0(c);
    go_on(c, op);
}

static void guard_x87(struct vcpu *c, const struct iem_op *op)
{
    if (c->ctx.cr0 & (CPUM_CR0_EM | CPUM_CR0_TS))
        iem_raise(c, XCPT_NM);
    go_on(c, op);
}

static void guard_mmx(struct vcpu *c, const struct iem_op *op)
{
    if (c->ctx.cr0 & CPUM_CR0_EM)
        iem_ud(c);
    if (c->ctx.cr0 & CPUM_CR0_TS)
        iem_raise(c, XCPT_NM);
    go_on(c, op);
}

static void guard_sse(struct vcpu *c, const struct iem_op *op)
{
    if ((c->ctx.cr0 & CPUM_CR0_EM) || !(c->ctx.cr4 & CPUM_CR4_OSFXSR))
        iem_ud(c);
    if (c->ctx.cr0 & CPUM_CR0_TS)
        iem_raise(c, XCPT_NM);
    go_on(c, op);
}

static void guard_avx(struct vcpu *c, const struct iem_op *op)
{
    if (no_prot(c) || !(c->ctx.cr4 & CPUM_CR4_OSXSAVE) || (c->ctx.xcr0 & XCR0_SSE_AVX) != XCR0_SSE_AVX)
        iem_ud(c);
    if (c->ctx.cr0 & CPUM_CR0_TS)
        iem_raise(c, XCPT_NM);
    go_on(c, op);
}

static bool has_operand(const struct x86_insn *i, enum x86_opkind kind)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == kind)
            return true;
    return false;
}

static iem_fn *guard_of(const struct x86_insn *i)
{
    uint32_t rules = i->row->rules;

    if (rules & X86_RULE_VEX)
        return guard_avx;
    if (i->mnem == X86_SYSRET)
        return NULL; /* looks for itself: on Intel's CPUs #UD outside 64-bit mode comes first */
    if (rules & (X86_RULE_CPL0 | X86_RULE_PROT))
        return guard_rules;
    if (i->row->rules & X86_RULE_X87)
        return guard_x87;
    if (has_operand(i, X86_OP_VEC) || i->mnem == X86_LDMXCSR || i->mnem == X86_STMXCSR)
        return guard_sse;
    if (has_operand(i, X86_OP_MM) || i->mnem == X86_EMMS)
        return guard_mmx;
    return NULL;
}

static iem_fn *handler_of(struct vcpu *c, struct iem_op *op)
{
    iem_fn *fn;

    if (op->i.feature != X86_FEAT_NONE && !cpum_has(c, op->i.feature)) {
        if (!(op->i.row->rules & X86_RULE_OLDER))
            return undefined;
        x86_insn_older(&op->i);
    }
    if (x86_mnem_engine(op->i.mnem) == X86_BY_HOST && !iem_thunk_make(c, op))
        return undefined;
    if (op->i.mnem == X86_XCHG && op->i.opcode == 0x90 && op->i.pp == 0xf3 && !cpum_is_amd(c))
        return handlers[X86_PAUSE]; /* F3 REX.B 90: PAUSE on Intel's CPUs, XCHG on AMD's (measured) */
    fn = guard_of(&op->i);
    return fn ? fn : handlers[op->i.mnem];
}

void iem_select(struct vcpu *c, struct iem_op *op)
{
    iem_step_fn *step = NULL;

    op->thunk = NULL;
    op->fn = handler_of(c, op);
    if (op->fn == handlers[op->i.mnem])
        step = iem_fast_select(c, op);
    iem_step_set(op, step ? step : iem_step_general);
}
