/*
 * step_int.h - how the instructions of a block follow each other, and what specialised handlers are made of.
 *
 * A step executes its instruction and calls iem_step_next() as its last act, which the compiler turns into a jump: the
 * block runs from handler to handler without coming back. The next step is found by a tree of comparisons and only the
 * rare ones through op->step: where the host may not predict indirect jumps (IBRS, retpolines) each of them costs as
 * much as ten instructions (-fno-jump-tables keeps the tree a tree). A taken jump returns to the run loop, with the
 * next block in hand if the jump has been linked. The arithmetic flags travel as an argument, raw (flags_int.h).
 *
 * A specialised step knows its operands' kinds, width and way of addressing. It does the plain case: RAM behind a valid
 * translation. Whatever else turns up (a TLB miss, a page border, a device, a watched page) it hands to
 * iem_step_general() before anything has changed, which runs op->fn. So no step but that one can fault.
 *
 * Invariant 1: while a block runs, ctx.rip holds the address of its first byte and ctx.rflags stale arithmetic flags;
 *   only iem_step_general() makes both true, for op->fn, and whoever leaves the block. Debug registers and alignment
 *   checks are off: the run loop and op selection (c->mode.key) see to that.
 * Invariant 2: a link stays inside one linear page, so that the target is mapped as long as the block itself is; its
 *   code generation is looked at each time.
 * Without the compiler's tail calls (-O0) a block takes at most as many stack frames as it has instructions.
 */
#ifndef VMM_IEM_STEP_INT_H
#define VMM_IEM_STEP_INT_H

#include "vmm/iem/cache_int.h"
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

/** The instruction through op->fn. */
iem_step_fn iem_step_general;
/** Behind a block's last instruction; the other one where everything must be looked at before going on. */
iem_step_fn iem_step_over, iem_step_over_system;
/** A jump that is not linked: op->imm is the way. */
iem_step_fn iem_step_unlinked;
/** The next instruction: its step, the commonest ones by direct jumps. (fast.c) */
iem_step_fn iem_step_next;
/** What @op runs in a block. */
void iem_step_set(struct iem_op *op, iem_step_fn *step);
/** A specialised step for the form of op->i, whose other fields it fills in; NULL: there is none. (fast.c) */
iem_step_fn *iem_fast_select(const struct vcpu *c, struct iem_op *op);
/** Of jumps, calls and stack instructions. (fast_flow.c) */
iem_step_fn *iem_flow_select(const struct vcpu *c, struct iem_op *op);
iem_step_fn iem_jmp, iem_jcc, iem_jmp_r;
iem_step_fn iem_push8_r, iem_push8_i, iem_pop8_r, iem_call8, iem_ret8;
iem_step_fn iem_push4_r, iem_push4_i, iem_pop4_r, iem_call4, iem_ret4;

#define IEM_STEP(name)         struct iem_next name(struct vcpu *c, const struct iem_op *op, uint64_t fl)
#define IEM_NEXT(c, op, fl)    return iem_step_next(c, (op) + 1, fl)
#define IEM_GENERAL(c, op, fl) return iem_step_general(c, op, fl)

/* Registers by number: 0-15 general, 16 RIP (the block's first byte, inv 1), 17 always 0. */
enum { IEM_R_RIP = 16, IEM_R_ZERO = 17 };
_Static_assert(offsetof(struct vcpu, ctx) == 0 && offsetof(struct cpum_ctx, gpr) == 0, "registers first");
_Static_assert(offsetof(struct cpum_ctx, rip) == 8 * IEM_R_RIP, "RIP behind the registers");
_Static_assert(offsetof(struct cpum_ctx, zero) == 8 * IEM_R_ZERO, "zero behind RIP");

IEM_INLINE uint64_t *iem_reg(struct vcpu *c, unsigned n)
{
    return (uint64_t *)(void *)c + n;
}

/* ---- addresses: 64 bits base + displacement; 64 bits all there is; 32 bits flat ---- */

IEM_INLINE uint64_t iem_ea_base(struct vcpu *c, const struct iem_op *op)
{
    return *iem_reg(c, op->base) + (uint64_t)(int64_t)op->disp;
}

IEM_INLINE uint64_t iem_ea_full(struct vcpu *c, const struct iem_op *op)
{
    return iem_ea_base(c, op) + *iem_reg(c, op->index) * op->scale +
           *(const uint64_t *)(const void *)((const char *)c + op->segbase);
}

IEM_INLINE uint64_t iem_ea_flat(struct vcpu *c, const struct iem_op *op)
{
    return (uint32_t)(iem_ea_base(c, op) + *iem_reg(c, op->index) * op->scale);
}

/* RAM at @gla by a valid translation. An access over two pages looks for its last byte's page where only the first
 * one's can be. */
IEM_INLINE bool iem_hit(struct vcpu *c, uint64_t gla, unsigned bytes, enum pgm_access acc, uint8_t **ret)
{
    const uint64_t in_page = PGM_PAGE_BYTES - 1;
    const struct pgm_tlb_entry *e = &c->mode.tlb[(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];

    if (__builtin_expect(e->tag[acc] != (((gla + bytes - 1) & ~in_page) | c->mmu.gen), 0))
        return false;
    *ret = (uint8_t *)(uintptr_t)(gla + (uint64_t)e->addend);
    return true;
}

IEM_INLINE bool iem_is_plain_reg(const struct x86_operand *o)
{
    return o->kind == X86_OP_GPR && o->reg < X86_AH;
}

/* ---- leaving a block ---- */

/** Inv 1 ends: EFLAGS as the guest sees them. */
IEM_INLINE void iem_put_flags(struct vcpu *c, uint64_t fl)
{
    c->ctx.rflags = iem_fl_merge(c->ctx.rflags, fl);
}

/** The jump op->imm is taken. */
IEM_INLINE struct iem_next iem_take(struct vcpu *c, const struct iem_op *op, uint64_t fl)
{
    struct iem_block *b = op->link;

    if (__builtin_expect(b == NULL || atomic_load_explicit(b->gen, memory_order_acquire) != b->generation, 0))
        return iem_step_unlinked(c, op, fl);
    c->ctx.rip += op->imm;
    c->stat_insns += op->before + 1u;
    return (struct iem_next){b, fl};
}

/** A jump to @target, which has been checked. */
IEM_INLINE struct iem_next iem_leave_to(struct vcpu *c, const struct iem_op *op, uint64_t fl, uint64_t target)
{
    c->ctx.rip = target;
    c->stat_insns += op->before + 1u;
    return (struct iem_next){NULL, fl};
}

#endif
