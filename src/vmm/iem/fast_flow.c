/*
 * fast_flow.c - specialised steps for near jumps, calls, returns, PUSH and POP: in 64-bit mode and in flat 32-bit code
 * with a 32-bit stack.
 *
 * A target is checked before anything is pushed. In flat 32-bit code every target is inside the limit.
 */
#include "vmm/iem/step_int.h"

IEM_STEP(iem_jmp)
{
    return iem_take(c, op, fl);
}

IEM_STEP(iem_jcc)
{
    if (iem_raw_test(fl, (uint32_t)op->disp))
        return iem_take(c, op, fl);
    IEM_NEXT(c, op, fl);
}

/* A register's value as a target: RIP has this width. */
IEM_STEP(iem_jmp_r)
{
    uint64_t target = *iem_reg(c, op->dst);

    if (c->mode.code64 && !iem_canonical(target))
        IEM_GENERAL(c, op, fl);
    return iem_leave_to(c, op, fl, target);
}

/* S: width of the stack and of what is pushed, T the same as a type. */
#define STACK(S, T)                                                                                                    \
    IEM_STEP(iem_push##S##_r)                                                                                          \
    {                                                                                                                  \
        T sp = (T)(*iem_reg(c, X86_RSP) - S);                                                                          \
        uint8_t *p;                                                                                                    \
                                                                                                                       \
        if (!iem_hit(c, sp, S, PGM_WRITE, &p))                                                                         \
            IEM_GENERAL(c, op, fl);                                                                                    \
        iem_host_store(p, *iem_reg(c, op->dst), S);                                                                    \
        *iem_reg(c, X86_RSP) = sp;                                                                                     \
        IEM_NEXT(c, op, fl);                                                                                           \
    }                                                                                                                  \
    IEM_STEP(iem_push##S##_i)                                                                                          \
    {                                                                                                                  \
        T sp = (T)(*iem_reg(c, X86_RSP) - S);                                                                          \
        uint8_t *p;                                                                                                    \
                                                                                                                       \
        if (!iem_hit(c, sp, S, PGM_WRITE, &p))                                                                         \
            IEM_GENERAL(c, op, fl);                                                                                    \
        iem_host_store(p, op->imm, S);                                                                                 \
        *iem_reg(c, X86_RSP) = sp;                                                                                     \
        IEM_NEXT(c, op, fl);                                                                                           \
    }                                                                                                                  \
    IEM_STEP(iem_pop##S##_r)                                                                                           \
    {                                                                                                                  \
        T sp = (T)*iem_reg(c, X86_RSP);                                                                                \
        uint8_t *p;                                                                                                    \
                                                                                                                       \
        if (!iem_hit(c, sp, S, PGM_READ, &p))                                                                          \
            IEM_GENERAL(c, op, fl);                                                                                    \
        *iem_reg(c, X86_RSP) = (T)(sp + S);                                                                            \
        *iem_reg(c, op->dst) = iem_host_load(p, S);                                                                    \
        IEM_NEXT(c, op, fl);                                                                                           \
    }                                                                                                                  \
    IEM_STEP(iem_call##S)                                                                                              \
    {                                                                                                                  \
        T sp = (T)(*iem_reg(c, X86_RSP) - S);                                                                          \
        uint8_t *p;                                                                                                    \
                                                                                                                       \
        if ((S == 8 && !iem_canonical(c->ctx.rip + op->imm)) || !iem_hit(c, sp, S, PGM_WRITE, &p))                     \
            IEM_GENERAL(c, op, fl);                                                                                    \
        iem_host_store(p, c->ctx.rip + op->end, S);                                                                    \
        *iem_reg(c, X86_RSP) = sp;                                                                                     \
        return iem_take(c, op, fl);                                                                                    \
    }                                                                                                                  \
    IEM_STEP(iem_ret##S)                                                                                               \
    {                                                                                                                  \
        T sp = (T)*iem_reg(c, X86_RSP);                                                                                \
        uint64_t target;                                                                                               \
        uint8_t *p;                                                                                                    \
                                                                                                                       \
        if (!iem_hit(c, sp, S, PGM_READ, &p))                                                                          \
            IEM_GENERAL(c, op, fl);                                                                                    \
        target = iem_host_load(p, S);                                                                                  \
        if (S == 8 && !iem_canonical(target))                                                                          \
            IEM_GENERAL(c, op, fl);                                                                                    \
        *iem_reg(c, X86_RSP) = (T)(sp + S);                                                                            \
        return iem_leave_to(c, op, fl, target);                                                                        \
    }
STACK(8, uint64_t)
STACK(4, uint32_t)

/* ---- choice ---- */

static iem_step_fn *select_push(const struct x86_insn *i, bool wide)
{
    if (iem_is_plain_reg(&i->op[0]))
        return wide ? iem_push8_r : iem_push4_r;
    return i->op[0].kind == X86_OP_IMM && i->op[0].reg == 0 ? (wide ? iem_push8_i : iem_push4_i) : NULL;
}

iem_step_fn *iem_flow_select(const struct vcpu *c, struct iem_op *op)
{
    const struct x86_insn *i = &op->i;
    bool wide = c->mode.code64, rel = i->op[0].kind == X86_OP_REL;

    if (i->opsize != (wide ? 8 : 4) || !c->mode.flat || c->mode.align_check || c->mode.stack_bytes != i->opsize)
        return NULL;
    op->dst = i->op[0].reg;
    op->disp = (int32_t)iem_raw_test_of(i->cond);
    op->imm = rel ? op->end + i->imm[0] : i->imm[0];
    switch (i->mnem) {
    case X86_Jcc: return iem_jcc;
    case X86_JMP: return rel ? iem_jmp : iem_is_plain_reg(&i->op[0]) ? iem_jmp_r : NULL;
    case X86_CALL: return rel ? (wide ? iem_call8 : iem_call4) : NULL;
    case X86_RET: return i->nops == 0 ? (wide ? iem_ret8 : iem_ret4) : NULL;
    case X86_PUSH: return select_push(i, wide);
    default: return iem_is_plain_reg(&i->op[0]) ? (wide ? iem_pop8_r : iem_pop4_r) : NULL;
    }
}
