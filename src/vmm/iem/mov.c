/*
 * mov.c - data movement, conversions, conditional moves, flag instructions, and instructions that do nothing.
 *
 * Sources: SDM vol. 2 by instruction.
 */
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

void iem_MOV(struct vcpu *c, const struct iem_op *op)
{
    iem_set_operand(c, op, 0, iem_operand(c, op, 1));
}

void iem_MOVNTI(struct vcpu *c, const struct iem_op *op)
{
    iem_set_operand(c, op, 0, iem_operand(c, op, 1));
}

void iem_MOVZX(struct vcpu *c, const struct iem_op *op)
{
    iem_set_operand(c, op, 0, iem_operand(c, op, 1));
}

static uint64_t sign_extend(uint64_t val, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (uint64_t)((int64_t)(val << shift) >> shift);
}

void iem_MOVSX(struct vcpu *c, const struct iem_op *op)
{
    iem_set_operand(c, op, 0, sign_extend(iem_operand(c, op, 1), op->i.op[1].bytes));
}

void iem_MOVSXD(struct vcpu *c, const struct iem_op *op)
{
    iem_set_operand(c, op, 0, sign_extend(iem_operand(c, op, 1), op->i.op[1].bytes));
}

static uint64_t swap_bytes(uint64_t val, unsigned bytes)
{
    return __builtin_bswap64(val) >> (64 - 8 * bytes);
}

void iem_MOVBE(struct vcpu *c, const struct iem_op *op)
{
    iem_set_operand(c, op, 0, swap_bytes(iem_operand(c, op, 1), op->i.op[0].bytes));
}

/* 16-bit BSWAP is undefined; every CPU since the 486 gives 0. */
void iem_BSWAP(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *d = &op->i.op[0];

    iem_set_gpr(c, d->reg, d->bytes == 2 ? 0 : swap_bytes(iem_gpr(c, d->reg, d->bytes), d->bytes), d->bytes);
}

void iem_LEA(struct vcpu *c, const struct iem_op *op)
{
    iem_set_gpr(c, op->i.op[0].reg, iem_ea_inl(c, &op->i), op->i.op[0].bytes);
}

static uint64_t exchange(void *p, uint64_t val, unsigned bytes)
{
    switch (bytes) {
    case 1: return __atomic_exchange_n((uint8_t *)p, (uint8_t)val, __ATOMIC_SEQ_CST);
    case 2: return __atomic_exchange_n((uint16_t *)p, (uint16_t)val, __ATOMIC_SEQ_CST);
    case 4: return __atomic_exchange_n((uint32_t *)p, (uint32_t)val, __ATOMIC_SEQ_CST);
    default: return __atomic_exchange_n((uint64_t *)p, val, __ATOMIC_SEQ_CST);
    }
}

/* With memory always locked, prefix or not (SDM vol. 3 8.1.2.1). */
void iem_XCHG(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *a = &op->i.op[0], *b = &op->i.op[1];
    uint64_t old, val;
    struct iem_map m;

    if (a->kind == X86_OP_MEM) {
        iem_map(c, op->i.seg, iem_ea_inl(c, &op->i), a->bytes, &m);
        old = exchange(m.p, iem_gpr(c, b->reg, b->bytes), a->bytes);
        iem_commit(c, &m);
        iem_set_gpr(c, b->reg, old, b->bytes);
        return;
    }
    old = iem_gpr(c, a->reg, a->bytes);
    val = iem_gpr(c, b->reg, b->bytes);
    iem_set_gpr(c, a->reg, val, a->bytes);
    iem_set_gpr(c, b->reg, old, b->bytes);
}

void iem_XLAT(struct vcpu *c, const struct iem_op *op)
{
    unsigned seg = op->i.seg_override == X86_SREG_NONE ? X86_DS : op->i.seg_override;
    uint64_t off = iem_wrap(c->ctx.gpr[X86_RBX] + (uint8_t)c->ctx.gpr[X86_RAX], op->i.addrsize);

    iem_set_gpr(c, X86_RAX, iem_rd8(c, seg, off), 1);
}

/* The source is read whatever the condition; a 32-bit destination loses its upper half whatever the condition. */
void iem_CMOVcc(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *d = &op->i.op[0];
    uint64_t src = iem_operand(c, op, 1);

    iem_set_gpr(c, d->reg, iem_cond(c->ctx.rflags, op->i.cond) ? src : iem_gpr(c, d->reg, d->bytes), d->bytes);
}

void iem_SETcc(struct vcpu *c, const struct iem_op *op)
{
    iem_set_operand(c, op, 0, iem_cond(c->ctx.rflags, op->i.cond));
}

/* CBW, CWDE, CDQE: the lower half of the accumulator extended. */
void iem_CBW(struct vcpu *c, const struct iem_op *op)
{
    iem_set_gpr(c, X86_RAX, sign_extend(c->ctx.gpr[X86_RAX], op->i.opsize / 2u), op->i.opsize);
}

/* CWD, CDQ, CQO: rDX filled with the accumulator's sign. */
void iem_CWD(struct vcpu *c, const struct iem_op *op)
{
    iem_set_gpr(c, X86_RDX, sign_extend(c->ctx.gpr[X86_RAX], op->i.opsize) >> 63 ? ~0ull : 0, op->i.opsize);
}

/* ---- flags ---- */

#define LOW_FLAGS ((uint64_t)(CPUM_FL_SF | CPUM_FL_ZF | CPUM_FL_AF | CPUM_FL_PF | CPUM_FL_CF))

void iem_LAHF(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_set_gpr(c, X86_AH, (c->ctx.rflags & LOW_FLAGS) | CPUM_FL_1, 1);
}

void iem_SAHF(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_set_arith(c, iem_gpr(c, X86_AH, 1), LOW_FLAGS);
}

void iem_CLC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    c->ctx.rflags &= ~(uint64_t)CPUM_FL_CF;
}

void iem_STC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    c->ctx.rflags |= CPUM_FL_CF;
}

void iem_CMC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    c->ctx.rflags ^= CPUM_FL_CF;
}

void iem_CLD(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    c->ctx.rflags &= ~(uint64_t)CPUM_FL_DF;
}

void iem_STD(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    c->ctx.rflags |= CPUM_FL_DF;
}

/* ---- nothing ---- */

void iem_NOP(struct vcpu *c, const struct iem_op *op)
{
    (void)c;
    (void)op;
}

void iem_PREFETCH(struct vcpu *c, const struct iem_op *op)
{
    (void)c;
    (void)op;
}

void iem_PAUSE(struct vcpu *c, const struct iem_op *op)
{
    (void)c;
    (void)op;
}
