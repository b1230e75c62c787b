/*
 * bit.c - BT, BTS, BTR, BTC with bit strings in memory; BSF, BSR, LZCNT, TZCNT.
 *
 * Sources: SDM vol. 2 by instruction and figure 3-2 (bit offset in memory); AMD APM vol. 3 (BSF/BSR of 0 keep the
 * destination).
 */
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

enum bit_action { BIT_TEST, BIT_SET, BIT_RESET, BIT_FLIP };

static inline uint64_t changed(uint64_t val, uint64_t bit, enum bit_action a)
{
    switch (a) {
    case BIT_SET: return val | bit;
    case BIT_RESET: return val & ~bit;
    case BIT_FLIP: return val ^ bit;
    default: return val;
    }
}

/* Atomic on the one operand-sized unit the CPU would lock. */
static uint64_t change_locked(void *p, uint64_t bit, unsigned bytes, enum bit_action a)
{
    uint64_t fl = 0, old;

    do {
        old = iem_host_load(p, bytes);
        switch (bytes) {
        case 2: {
            uint16_t w = (uint16_t)old;
            fl = __atomic_compare_exchange_n((uint16_t *)p, &w, (uint16_t)changed(old, bit, a), false, __ATOMIC_SEQ_CST,
                                             __ATOMIC_SEQ_CST);
            break;
        }
        case 4: {
            uint32_t d = (uint32_t)old;
            fl = __atomic_compare_exchange_n((uint32_t *)p, &d, (uint32_t)changed(old, bit, a), false, __ATOMIC_SEQ_CST,
                                             __ATOMIC_SEQ_CST);
            break;
        }
        default: {
            uint64_t q = old;
            fl = __atomic_compare_exchange_n((uint64_t *)p, &q, changed(old, bit, a), false, __ATOMIC_SEQ_CST,
                                             __ATOMIC_SEQ_CST);
        }
        }
    } while (!fl);
    return old;
}

static void set_cf(struct vcpu *c, bool cf)
{
    c->ctx.rflags = (c->ctx.rflags & ~(uint64_t)CPUM_FL_CF) | cf;
}

/* A register bit offset reaches beyond the operand: signed, in whole operands from the address. */
static uint64_t bit_string_ea(const struct vcpu *c, const struct iem_op *op, uint64_t raw, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    int64_t offset = (int64_t)(raw << shift) >> shift;
    uint64_t ea = iem_ea_inl(c, &op->i);

    if (op->i.op[1].kind == X86_OP_GPR)
        ea += (uint64_t)((offset >> (bytes == 8 ? 6 : bytes == 4 ? 5 : 4)) * (int64_t)bytes);
    return iem_wrap(ea, op->i.addrsize);
}

IEM_INLINE void bit_op(struct vcpu *c, const struct iem_op *op, enum bit_action a)
{
    const struct x86_operand *d = &op->i.op[0];
    uint64_t raw = iem_operand(c, op, 1), bit = 1ull << (raw & (8u * d->bytes - 1)), old, ea;
    struct iem_map m;

    if (d->kind == X86_OP_GPR) {
        old = iem_gpr(c, d->reg, d->bytes);
        if (a != BIT_TEST)
            iem_set_gpr(c, d->reg, changed(old, bit, a), d->bytes);
        set_cf(c, (old & bit) != 0);
        return;
    }
    ea = bit_string_ea(c, op, raw, d->bytes);
    if (a == BIT_TEST) {
        set_cf(c, (iem_rd_inl(c, op->i.seg, ea, d->bytes) & bit) != 0);
        return;
    }
    iem_map(c, op->i.seg, ea, d->bytes, &m);
    if (op->i.lock) {
        old = change_locked(m.p, bit, d->bytes, a);
    } else {
        old = iem_host_load(m.p, d->bytes);
        iem_host_store(m.p, changed(old, bit, a), d->bytes);
    }
    iem_commit(c, &m);
    set_cf(c, (old & bit) != 0);
}

void iem_BT(struct vcpu *c, const struct iem_op *op)
{
    bit_op(c, op, BIT_TEST);
}

void iem_BTS(struct vcpu *c, const struct iem_op *op)
{
    bit_op(c, op, BIT_SET);
}

void iem_BTR(struct vcpu *c, const struct iem_op *op)
{
    bit_op(c, op, BIT_RESET);
}

void iem_BTC(struct vcpu *c, const struct iem_op *op)
{
    bit_op(c, op, BIT_FLIP);
}

/* ---- scans ---- */

static void set_zf(struct vcpu *c, bool zf)
{
    iem_set_arith(c, zf ? CPUM_FL_ZF : 0, CPUM_FL_ZF);
}

void iem_BSF(struct vcpu *c, const struct iem_op *op)
{
    uint64_t src = iem_operand(c, op, 1);

    if (src)
        iem_set_gpr(c, op->i.op[0].reg, (unsigned)__builtin_ctzll(src), op->i.op[0].bytes);
    set_zf(c, src == 0);
}

void iem_BSR(struct vcpu *c, const struct iem_op *op)
{
    uint64_t src = iem_operand(c, op, 1);

    if (src)
        iem_set_gpr(c, op->i.op[0].reg, 63u - (unsigned)__builtin_clzll(src), op->i.op[0].bytes);
    set_zf(c, src == 0);
}

static void store_count(struct vcpu *c, const struct iem_op *op, unsigned count, bool zero_source)
{
    iem_set_gpr(c, op->i.op[0].reg, count, op->i.op[0].bytes);
    set_cf(c, zero_source);
    set_zf(c, count == 0);
}

void iem_LZCNT(struct vcpu *c, const struct iem_op *op)
{
    uint64_t src = iem_operand(c, op, 1);
    unsigned bits = 8u * op->i.op[0].bytes;

    store_count(c, op, src ? bits - 64 + (unsigned)__builtin_clzll(src) : bits, src == 0);
}

void iem_TZCNT(struct vcpu *c, const struct iem_op *op)
{
    uint64_t src = iem_operand(c, op, 1);

    store_count(c, op, src ? (unsigned)__builtin_ctzll(src) : 8u * op->i.op[0].bytes, src == 0);
}
