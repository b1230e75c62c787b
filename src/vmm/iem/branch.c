/*
 * branch.c - near jumps, calls, returns, loops; software interrupts as events; BOUND; UDn.
 *
 * A target is checked before anything is pushed or changed. Near branches are 64 bits wide in 64-bit mode whatever
 * the prefixes (Intel's rule).
 *
 * Sources: SDM vol. 2 by instruction; vol. 1 6.3.
 * Invariant 1: every taken branch sets end_block, so that a block may go on behind a branch that was not taken.
 */
#include "vmm/iem/branch_int.h"
#include "vmm/iem/flags_int.h"

void iem_jump(struct vcpu *c, uint64_t target, unsigned opsize)
{
    iem_go_to(c, iem_checked_target(c, target, opsize));
}

/* Relative operand: from behind the instruction. Else a register or memory. */
static uint64_t target_of(struct vcpu *c, const struct iem_op *op)
{
    return op->i.op[0].kind == X86_OP_REL ? c->ctx.rip + op->i.imm[0] : iem_operand(c, op, 0);
}

void iem_JMP(struct vcpu *c, const struct iem_op *op)
{
    iem_jump(c, target_of(c, op), op->i.opsize);
}

void iem_CALL(struct vcpu *c, const struct iem_op *op)
{
    uint64_t target = iem_checked_target(c, target_of(c, op), op->i.opsize);

    iem_push(c, c->ctx.rip, op->i.opsize);
    iem_go_to(c, target);
}

void iem_RET(struct vcpu *c, const struct iem_op *op)
{
    uint64_t sp = iem_wrap(c->ctx.gpr[X86_RSP], c->mode.stack_bytes);
    uint64_t target = iem_checked_target(c, iem_pop_at(c, &sp, op->i.opsize), op->i.opsize);

    if (op->i.nops)
        sp += (uint16_t)op->i.imm[0];
    iem_set_rsp(c, sp);
    iem_go_to(c, target);
}

void iem_Jcc(struct vcpu *c, const struct iem_op *op)
{
    if (iem_cond(c->ctx.rflags, op->i.cond))
        iem_jump(c, c->ctx.rip + op->i.imm[0], op->i.opsize);
}

void iem_JCXZ(struct vcpu *c, const struct iem_op *op)
{
    if (iem_gpr(c, X86_RCX, op->i.addrsize) == 0)
        iem_jump(c, c->ctx.rip + op->i.imm[0], op->i.opsize);
}

/* The counter changes only if the jump does not fault. */
IEM_INLINE void loop_while(struct vcpu *c, const struct iem_op *op, bool condition)
{
    uint64_t count = iem_wrap(c->ctx.gpr[X86_RCX] - 1, op->i.addrsize);

    if (count != 0 && condition)
        iem_jump(c, c->ctx.rip + op->i.imm[0], op->i.opsize);
    iem_set_gpr(c, X86_RCX, count, op->i.addrsize);
}

void iem_LOOP(struct vcpu *c, const struct iem_op *op)
{
    loop_while(c, op, true);
}

void iem_LOOPE(struct vcpu *c, const struct iem_op *op)
{
    loop_while(c, op, (c->ctx.rflags & CPUM_FL_ZF) != 0);
}

void iem_LOOPNE(struct vcpu *c, const struct iem_op *op)
{
    loop_while(c, op, !(c->ctx.rflags & CPUM_FL_ZF));
}

/* ---- interrupts by instruction ---- */

void iem_INT(struct vcpu *c, const struct iem_op *op)
{
    iem_raise_trap(c, (uint8_t)op->i.imm[0], TRPM_SOFT_INT);
}

void iem_INT3(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_raise_trap(c, XCPT_BP, TRPM_TRAP);
}

void iem_INT1(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_raise_trap(c, XCPT_DB, TRPM_ICEBP);
}

void iem_INTO(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (c->ctx.rflags & CPUM_FL_OF)
        iem_raise_trap(c, XCPT_OF, TRPM_TRAP);
}

void iem_BOUND(struct vcpu *c, const struct iem_op *op)
{
    unsigned bytes = op->i.opsize, shift = 64 - 8 * bytes;
    uint64_t off = iem_ea_inl(c, &op->i);
    int64_t index = (int64_t)(iem_gpr(c, op->i.op[0].reg, bytes) << shift) >> shift;
    int64_t low = (int64_t)(iem_rd(c, op->i.seg, off, bytes) << shift) >> shift;
    int64_t high;

    if (index < low)
        iem_raise(c, XCPT_BR);
    high = (int64_t)(iem_rd(c, op->i.seg, iem_wrap(off + bytes, op->i.addrsize), bytes) << shift) >> shift;
    if (index > high)
        iem_raise(c, XCPT_BR);
}

void iem_UD0(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_ud(c);
}

void iem_UD1(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_ud(c);
}

void iem_UD2(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_ud(c);
}
