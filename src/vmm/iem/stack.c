/*
 * stack.c - PUSH, POP, MOV of segment registers, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE, and the stack accesses
 * everybody else uses.
 *
 * The width of the stack pointer is the stack segment's (c->mode.stack_bytes), the width of what is pushed the
 * operand's. PUSH SP pushes the old value (286 and later); POP to memory computes its address with the new pointer.
 *
 * Sources: SDM vol. 2 by instruction; vol. 1 6.2; vol. 3 20.2.7, 20.3.3 (V86 and VME).
 * Left out: CR4.PVI for POPF (it has no effect on PUSHF and POPF, SDM 20.4).
 * Invariant 1: rSP changes after the last access that can fault.
 */
#include "vmm/iem/mem_int.h"

static inline uint64_t sp_now(const struct vcpu *c)
{
    return iem_wrap(c->ctx.gpr[X86_RSP], c->mode.stack_bytes);
}

void iem_set_rsp(struct vcpu *c, uint64_t sp)
{
    iem_set_gpr(c, X86_RSP, sp, c->mode.stack_bytes);
}

void iem_push_at(struct vcpu *c, uint64_t *sp, uint64_t val, unsigned bytes)
{
    uint64_t new = iem_wrap(*sp - bytes, c->mode.stack_bytes);

    iem_wr_inl(c, X86_SS, new, val, bytes);
    *sp = new;
}

uint64_t iem_pop_at(struct vcpu *c, uint64_t *sp, unsigned bytes)
{
    uint64_t val = iem_rd_inl(c, X86_SS, iem_wrap(*sp, c->mode.stack_bytes), bytes);

    *sp = iem_wrap(*sp + bytes, c->mode.stack_bytes);
    return val;
}

void iem_push(struct vcpu *c, uint64_t val, unsigned bytes)
{
    uint64_t sp = sp_now(c);

    iem_push_at(c, &sp, val, bytes);
    iem_set_rsp(c, sp);
}

uint64_t iem_pop(struct vcpu *c, unsigned bytes)
{
    uint64_t sp = sp_now(c), val = iem_pop_at(c, &sp, bytes);

    iem_set_rsp(c, sp);
    return val;
}

void iem_PUSH(struct vcpu *c, const struct iem_op *op)
{
    iem_push(c, iem_operand(c, op, 0), op->i.opsize);
}

void iem_POP(struct vcpu *c, const struct iem_op *op)
{
    uint64_t old = c->ctx.gpr[X86_RSP], sp = sp_now(c), off;
    uint64_t val = iem_pop_at(c, &sp, op->i.opsize);

    if (op->i.op[0].kind == X86_OP_GPR) {
        iem_set_rsp(c, sp); /* POP rSP: the popped value wins */
        iem_set_gpr(c, op->i.op[0].reg, val, op->i.opsize);
        return;
    }
    iem_set_rsp(c, sp);
    off = iem_ea_inl(c, &op->i);
    sp = c->ctx.gpr[X86_RSP];
    c->ctx.gpr[X86_RSP] = old; /* inv 1 */
    iem_wr_inl(c, op->i.seg, off, val, op->i.opsize);
    c->ctx.gpr[X86_RSP] = sp;
}

/* A 32-bit push stores the selector only and leaves the upper half of its slot alone. */
void iem_PUSH_SREG(struct vcpu *c, const struct iem_op *op)
{
    uint64_t sp = iem_wrap(sp_now(c) - op->i.opsize, c->mode.stack_bytes);

    iem_wr_inl(c, X86_SS, sp, c->ctx.seg[op->i.op[0].reg].sel, op->i.opsize == 4 ? 2 : op->i.opsize);
    iem_set_rsp(c, sp);
}

/* A load of SS holds off interrupts and debug traps for one instruction, so that rSP can follow (SDM vol. 3 6.8.3). */
static void shadow_ss(struct vcpu *c, unsigned sreg)
{
    if (sreg != X86_SS)
        return;
    c->ctx.shadow_rip = c->ctx.rip;
    c->ctx.shadow_is_ss = 1;
    ff_set(&c->ff, FF_SHADOW);
    c->iem->end_block = true;
}

void iem_POP_SREG(struct vcpu *c, const struct iem_op *op)
{
    unsigned width = c->mode.stack_bytes;
    uint64_t sp = sp_now(c), val = iem_pop_at(c, &sp, op->i.opsize);

    iem_load_sreg(c, op->i.op[0].reg, (uint16_t)val);
    iem_set_gpr(c, X86_RSP, sp, width);
    shadow_ss(c, op->i.op[0].reg);
}

/* From a segment register: 16 bits to memory, zero-extended to a register. CS cannot be loaded. */
void iem_MOV_SREG(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *d = &op->i.op[0];

    if (d->kind != X86_OP_SREG) {
        iem_set_operand(c, op, 0, c->ctx.seg[op->i.op[1].reg].sel);
        return;
    }
    if (d->reg == X86_CS)
        iem_ud(c);
    iem_load_sreg(c, d->reg, (uint16_t)iem_operand(c, op, 1));
    shadow_ss(c, d->reg);
}

void iem_PUSHA(struct vcpu *c, const struct iem_op *op)
{
    uint64_t sp = sp_now(c), old = c->ctx.gpr[X86_RSP];

    for (unsigned reg = X86_RAX; reg <= X86_RDI; reg++)
        iem_push_at(c, &sp, reg == X86_RSP ? old : c->ctx.gpr[reg], op->i.opsize);
    iem_set_rsp(c, sp);
}

void iem_POPA(struct vcpu *c, const struct iem_op *op)
{
    uint64_t sp = sp_now(c), val[8];

    for (unsigned n = 0; n < 8; n++)
        val[n] = iem_pop_at(c, &sp, op->i.opsize);
    iem_set_rsp(c, sp);
    for (unsigned n = 0; n < 8; n++)
        if (n != 7 - X86_RSP)
            iem_set_gpr(c, X86_RDI - n, val[n], op->i.opsize);
}

/* ---- PUSHF, POPF ---- */

#define FL_POPPED                                                                                                      \
    ((uint64_t)(CPUM_FL_ARITH | CPUM_FL_TF | CPUM_FL_IF | CPUM_FL_DF | CPUM_FL_IOPL | CPUM_FL_NT | CPUM_FL_AC |        \
                CPUM_FL_ID))

static unsigned iopl(const struct vcpu *c)
{
    return (unsigned)(c->ctx.rflags >> 12) & 3;
}

/* V86 with IOPL < 3: only 16-bit forms, only with VME, on the virtual interrupt flag. */
static bool v86_virtual(struct vcpu *c, unsigned opsize)
{
    if (!c->mode.v86 || iopl(c) == 3)
        return false;
    if (!(c->ctx.cr4 & CPUM_CR4_VME) || opsize != 2)
        iem_gp0(c);
    return true;
}

void iem_PUSHF(struct vcpu *c, const struct iem_op *op)
{
    uint64_t image = c->ctx.rflags & ~(uint64_t)(CPUM_FL_RF | CPUM_FL_VM);

    if (v86_virtual(c, op->i.opsize)) {
        image = (image | CPUM_FL_IOPL) & ~(uint64_t)CPUM_FL_IF;
        image |= image & CPUM_FL_VIF ? CPUM_FL_IF : 0;
    }
    iem_push(c, image, op->i.opsize);
}

/* VME: IF goes to VIF; #GP if that would let in a pending interrupt, or on TF. */
static uint64_t popf_v86(struct vcpu *c, uint64_t image, uint64_t *mask)
{
    if ((image & CPUM_FL_TF) || ((image & CPUM_FL_IF) && (c->ctx.rflags & CPUM_FL_VIP)))
        iem_gp0(c);
    *mask = (*mask & ~(uint64_t)(CPUM_FL_IF | CPUM_FL_IOPL)) | CPUM_FL_VIF;
    return (image & ~(uint64_t)CPUM_FL_VIF) | (image & CPUM_FL_IF ? CPUM_FL_VIF : 0);
}

static void popf_store(struct vcpu *c, uint64_t image, uint64_t mask)
{
    uint64_t old = c->ctx.rflags;

    c->ctx.rflags = (((old & ~mask) | (image & mask)) & ~(uint64_t)CPUM_FL_RF) | CPUM_FL_1;
    if ((old ^ c->ctx.rflags) & CPUM_FL_AC)
        iem_mode_changed(c);
    c->iem->end_block = true; /* IF or TF may let something in */
}

void iem_POPF(struct vcpu *c, const struct iem_op *op)
{
    bool virtual = v86_virtual(c, op->i.opsize);
    uint64_t sp = sp_now(c), image = iem_pop_at(c, &sp, op->i.opsize);
    uint64_t mask = FL_POPPED & cpum_flags_exist(c) & (op->i.opsize == 2 ? 0xffff : ~0ull);

    if (virtual)
        image = popf_v86(c, image, &mask);
    else if (c->mode.v86 || c->ctx.cpl > 0)
        mask &= ~(uint64_t)CPUM_FL_IOPL;
    if (!virtual && c->mode.pe && c->ctx.cpl > iopl(c))
        mask &= ~(uint64_t)CPUM_FL_IF;
    iem_set_rsp(c, sp);
    popf_store(c, image, mask);
}

/* ---- ENTER, LEAVE ---- */

void iem_ENTER(struct vcpu *c, const struct iem_op *op)
{
    unsigned level = (unsigned)op->i.imm[1] & 31, bytes = op->i.opsize;
    uint64_t sp = sp_now(c), bp = c->ctx.gpr[X86_RBP], frame, link;

    iem_push_at(c, &sp, bp, bytes);
    frame = sp;
    for (unsigned n = 1; n < level; n++) {
        bp = iem_wrap(bp - bytes, c->mode.stack_bytes);
        link = iem_rd_inl(c, X86_SS, bp, bytes);
        iem_push_at(c, &sp, link, bytes);
    }
    if (level)
        iem_push_at(c, &sp, frame, bytes);
    sp = iem_wrap(sp - (uint16_t)op->i.imm[0], c->mode.stack_bytes);
    iem_probe_write(c, X86_SS, sp, bytes, IEM_ALIGN_AC); /* the new top must be writable: #SS or #PF here, not later */
    iem_set_gpr(c, X86_RBP, frame, bytes);
    iem_set_rsp(c, sp);
}

void iem_LEAVE(struct vcpu *c, const struct iem_op *op)
{
    uint64_t sp = iem_wrap(c->ctx.gpr[X86_RBP], c->mode.stack_bytes);
    uint64_t val = iem_pop_at(c, &sp, op->i.opsize);

    iem_set_rsp(c, sp);
    iem_set_gpr(c, X86_RBP, val, op->i.opsize);
}
