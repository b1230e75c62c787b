/*
 * step.c - the steps that are not specialised: one instruction by its general handler, and the ways out of a block.
 */
#include "vmm/iem/step_int.h"

struct iem_next iem_step_general(struct vcpu *c, const struct iem_op *op, uint64_t fl)
{
    struct iem *iem = c->iem;
    uint64_t start = c->ctx.rip;

    iem_put_flags(c, fl);
    iem->op = op;
    c->ctx.rip = start + op->end;
    op->fn(c, op);
    fl = iem_raw_flags(c->ctx.rflags);
    if (iem->end_block != IEM_GO_ON) {
        c->stat_insns += op->before + 1u;
        return (struct iem_next){NULL, fl};
    }
    c->ctx.rip = start;
    IEM_NEXT(c, op, fl);
}

/* 64-bit jumps may leave the canonical range: the general handler raises what is to be raised. */
struct iem_next iem_step_unlinked(struct vcpu *c, const struct iem_op *op, uint64_t fl)
{
    uint64_t target = c->ctx.rip + op->imm;

    if (c->mode.code64 && !iem_canonical(target))
        IEM_GENERAL(c, op, fl);
    c->iem->unlinked = op->before;
    return iem_leave_to(c, op, fl, target);
}

/* Not an instruction: op->before counts all of the block. */
struct iem_next iem_step_over(struct vcpu *c, const struct iem_op *op, uint64_t fl)
{
    struct iem_block *b = op->link;

    c->ctx.rip += op->imm;
    c->stat_insns += op->before;
    if (b != NULL && atomic_load_explicit(b->gen, memory_order_acquire) == b->generation)
        return (struct iem_next){b, fl};
    c->iem->unlinked = op->before;
    return (struct iem_next){NULL, fl};
}

struct iem_next iem_step_over_system(struct vcpu *c, const struct iem_op *op, uint64_t fl)
{
    c->ctx.rip += op->imm;
    c->stat_insns += op->before;
    c->iem->end_block = IEM_END;
    return (struct iem_next){NULL, fl};
}
