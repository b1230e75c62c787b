/*
 * branch_int.h - taking a near branch.
 */
#ifndef VMM_IEM_BRANCH_INT_H
#define VMM_IEM_BRANCH_INT_H

#include "vmm/iem/cache_int.h"
#include "vmm/iem/mem_int.h"

/** The target as RIP will hold it; #GP(0) if the CPU would refuse it. */
static inline uint64_t iem_checked_target(struct vcpu *c, uint64_t target, unsigned opsize)
{
    if (c->mode.code64) {
        target = opsize == 2 ? (uint16_t)target : target;
        if (!iem_canonical(target))
            iem_gp0(c);
        return target;
    }
    target = iem_wrap(target, opsize);
    if (target > c->ctx.seg[X86_CS].limit)
        iem_gp0(c);
    return target;
}

/** A taken branch ends the block; a block may go on behind a branch that was not taken. */
static inline void iem_go_to(struct vcpu *c, uint64_t target)
{
    c->ctx.rip = target;
    c->iem->end_block = IEM_END_JUMP;
}

#endif
