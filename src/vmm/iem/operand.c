/*
 * operand.c - any operand's value, by its kind.
 */
#include "vmm/iem/mem_int.h"

uint64_t iem_operand(struct vcpu *c, const struct iem_op *op, unsigned n)
{
    const struct x86_operand *o = &op->i.op[n];

    switch (o->kind) {
    case X86_OP_GPR: return iem_gpr(c, o->reg, o->bytes);
    case X86_OP_IMM: return op->i.imm[o->reg];
    case X86_OP_MEM: return iem_rd_inl(c, op->i.seg, iem_ea_inl(c, &op->i), o->bytes);
    case X86_OP_SREG: return c->ctx.seg[o->reg].sel;
    default: iem_ud(c);
    }
}

void iem_set_operand(struct vcpu *c, const struct iem_op *op, unsigned n, uint64_t val)
{
    const struct x86_operand *o = &op->i.op[n];

    switch (o->kind) {
    case X86_OP_GPR: iem_set_gpr(c, o->reg, val, o->bytes); break;
    case X86_OP_MEM: iem_wr_inl(c, op->i.seg, iem_ea_inl(c, &op->i), val, o->bytes); break;
    case X86_OP_SREG: iem_load_sreg(c, o->reg, (uint16_t)val); break;
    default: iem_ud(c);
    }
}
