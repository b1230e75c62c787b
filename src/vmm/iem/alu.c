/*
 * alu.c - ADD to CMP, TEST, INC, DEC, NEG, NOT, XADD, CMPXCHG and its wide forms.
 *
 * Sources: SDM vol. 2 by instruction; vol. 3 8.1.2 (LOCK).
 * Invariant 1: the memory operand is committed before flags and registers change.
 * Invariant 2: LOCK on RAM is the host's own atomic instruction on the guest's own byte.
 */
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

static inline void map_operand(struct vcpu *c, const struct iem_op *op, unsigned n, struct iem_map *m)
{
    iem_map(c, op->i.seg, iem_ea_inl(c, &op->i), op->i.op[n].bytes, m);
}

/* dst = dst OP src. */
IEM_INLINE void binary(struct vcpu *c, const struct iem_op *op, iem_alu_fn *f, iem_lock_fn *locked)
{
    const struct x86_operand *d = &op->i.op[0];
    uint64_t fl = c->ctx.rflags, src = iem_operand(c, op, 1);
    struct iem_map m;

    if (d->kind == X86_OP_GPR) {
        iem_set_gpr(c, d->reg, f(iem_gpr(c, d->reg, d->bytes), src, d->bytes, &fl), d->bytes);
        c->ctx.rflags = fl;
        return;
    }
    map_operand(c, op, 0, &m);
    if (op->i.lock)
        locked(m.p, src, d->bytes, &fl);
    else
        iem_host_store(m.p, f(iem_host_load(m.p, d->bytes), src, d->bytes, &fl), d->bytes);
    iem_commit(c, &m);
    c->ctx.rflags = fl;
}

void iem_ADD(struct vcpu *c, const struct iem_op *op)
{
    binary(c, op, iem_alu_add, iem_lock_add);
}

void iem_OR(struct vcpu *c, const struct iem_op *op)
{
    binary(c, op, iem_alu_or, iem_lock_or);
}

void iem_ADC(struct vcpu *c, const struct iem_op *op)
{
    binary(c, op, iem_alu_adc, iem_lock_adc);
}

void iem_SBB(struct vcpu *c, const struct iem_op *op)
{
    binary(c, op, iem_alu_sbb, iem_lock_sbb);
}

void iem_AND(struct vcpu *c, const struct iem_op *op)
{
    binary(c, op, iem_alu_and, iem_lock_and);
}

void iem_SUB(struct vcpu *c, const struct iem_op *op)
{
    binary(c, op, iem_alu_sub, iem_lock_sub);
}

void iem_XOR(struct vcpu *c, const struct iem_op *op)
{
    binary(c, op, iem_alu_xor, iem_lock_xor);
}

void iem_CMP(struct vcpu *c, const struct iem_op *op)
{
    uint64_t a = iem_operand(c, op, 0), b = iem_operand(c, op, 1);

    iem_alu_cmp(a, b, op->i.op[0].bytes, &c->ctx.rflags);
}

void iem_TEST(struct vcpu *c, const struct iem_op *op)
{
    uint64_t a = iem_operand(c, op, 0), b = iem_operand(c, op, 1);

    iem_alu_test(a, b, op->i.op[0].bytes, &c->ctx.rflags);
}

/* dst = OP dst. LOCKed, the host repeats a compare-and-swap until nobody came between. */
static bool swap_if(void *p, uint64_t old, uint64_t val, unsigned bytes)
{
    uint8_t b = (uint8_t)old;
    uint16_t w = (uint16_t)old;
    uint32_t d = (uint32_t)old;

    switch (bytes) {
    case 1:
        return __atomic_compare_exchange_n((uint8_t *)p, &b, (uint8_t)val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_compare_exchange_n((uint16_t *)p, &w, (uint16_t)val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    case 4:
        return __atomic_compare_exchange_n((uint32_t *)p, &d, (uint32_t)val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    default: return __atomic_compare_exchange_n((uint64_t *)p, &old, val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
}

IEM_INLINE void unary(struct vcpu *c, const struct iem_op *op, iem_alu_fn *f)
{
    const struct x86_operand *d = &op->i.op[0];
    uint64_t fl = c->ctx.rflags, old, val;
    struct iem_map m;

    if (d->kind == X86_OP_GPR) {
        iem_set_gpr(c, d->reg, f(iem_gpr(c, d->reg, d->bytes), 0, d->bytes, &fl), d->bytes);
        c->ctx.rflags = fl;
        return;
    }
    map_operand(c, op, 0, &m);
    if (!op->i.lock) {
        iem_host_store(m.p, f(iem_host_load(m.p, d->bytes), 0, d->bytes, &fl), d->bytes);
    } else {
        do {
            fl = c->ctx.rflags;
            old = iem_host_load(m.p, d->bytes);
            val = f(old, 0, d->bytes, &fl);
        } while (!swap_if(m.p, old, val, d->bytes));
    }
    iem_commit(c, &m);
    c->ctx.rflags = fl;
}

void iem_INC(struct vcpu *c, const struct iem_op *op)
{
    unary(c, op, iem_alu_inc);
}

void iem_DEC(struct vcpu *c, const struct iem_op *op)
{
    unary(c, op, iem_alu_dec);
}

void iem_NEG(struct vcpu *c, const struct iem_op *op)
{
    unary(c, op, iem_alu_neg);
}

void iem_NOT(struct vcpu *c, const struct iem_op *op)
{
    unary(c, op, iem_alu_not);
}

/* ---- exchange forms ---- */

static uint64_t fetch_add(void *p, uint64_t val, unsigned bytes)
{
    switch (bytes) {
    case 1: return __atomic_fetch_add((uint8_t *)p, (uint8_t)val, __ATOMIC_SEQ_CST);
    case 2: return __atomic_fetch_add((uint16_t *)p, (uint16_t)val, __ATOMIC_SEQ_CST);
    case 4: return __atomic_fetch_add((uint32_t *)p, (uint32_t)val, __ATOMIC_SEQ_CST);
    default: return __atomic_fetch_add((uint64_t *)p, val, __ATOMIC_SEQ_CST);
    }
}

void iem_XADD(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *d = &op->i.op[0], *s = &op->i.op[1];
    uint64_t src = iem_gpr(c, s->reg, s->bytes), fl = c->ctx.rflags, old, sum;
    struct iem_map m;

    if (d->kind == X86_OP_GPR) {
        old = iem_gpr(c, d->reg, d->bytes);
        sum = iem_alu_add(old, src, d->bytes, &fl);
        iem_set_gpr(c, s->reg, old, s->bytes);
        iem_set_gpr(c, d->reg, sum, d->bytes); /* the same register twice: the sum stays */
        c->ctx.rflags = fl;
        return;
    }
    map_operand(c, op, 0, &m);
    old = op->i.lock ? fetch_add(m.p, src, d->bytes) : iem_host_load(m.p, d->bytes);
    sum = iem_alu_add(old, src, d->bytes, &fl);
    if (!op->i.lock)
        iem_host_store(m.p, sum, d->bytes);
    iem_commit(c, &m);
    iem_set_gpr(c, s->reg, old, s->bytes);
    c->ctx.rflags = fl;
}

/* The comparison that decides also gives the flags. */
static bool accumulator_equals(struct vcpu *c, uint64_t val, unsigned bytes, uint64_t *fl)
{
    iem_alu_cmp(iem_gpr(c, X86_RAX, bytes), val, bytes, fl);
    return (*fl & CPUM_FL_ZF) != 0;
}

static void cmpxchg_reg(struct vcpu *c, const struct x86_operand *d, const struct x86_operand *s)
{
    uint64_t old = iem_gpr(c, d->reg, d->bytes);

    if (accumulator_equals(c, old, d->bytes, &c->ctx.rflags))
        iem_set_gpr(c, d->reg, iem_gpr(c, s->reg, s->bytes), d->bytes);
    else
        iem_set_gpr(c, X86_RAX, old, d->bytes);
}

void iem_CMPXCHG(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *d = &op->i.op[0], *s = &op->i.op[1];
    uint64_t fl = c->ctx.rflags, old, val = iem_gpr(c, s->reg, s->bytes);
    struct iem_map m;
    bool equal;

    if (d->kind == X86_OP_GPR) {
        cmpxchg_reg(c, d, s);
        return;
    }
    map_operand(c, op, 0, &m);
    do {
        fl = c->ctx.rflags;
        old = iem_host_load(m.p, d->bytes);
        equal = accumulator_equals(c, old, d->bytes, &fl);
        if (!op->i.lock && equal)
            iem_host_store(m.p, val, d->bytes);
    } while (op->i.lock && !swap_if(m.p, old, equal ? val : old, d->bytes));
    iem_commit(c, &m);
    if (!equal)
        iem_set_gpr(c, X86_RAX, old, d->bytes);
    c->ctx.rflags = fl;
}

static void set_zf(struct vcpu *c, bool zf)
{
    c->ctx.rflags = (c->ctx.rflags & ~(uint64_t)CPUM_FL_ZF) | (zf ? CPUM_FL_ZF : 0);
}

void iem_CMPXCHG8B(struct vcpu *c, const struct iem_op *op)
{
    uint64_t want = (uint32_t)c->ctx.gpr[X86_RAX] | c->ctx.gpr[X86_RDX] << 32;
    uint64_t val = (uint32_t)c->ctx.gpr[X86_RBX] | c->ctx.gpr[X86_RCX] << 32;
    uint64_t old = want;
    struct iem_map m;
    bool equal;

    iem_map(c, op->i.seg, iem_ea_inl(c, &op->i), 8, &m);
    equal = __atomic_compare_exchange_n((uint64_t *)m.p, &old, val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    iem_commit(c, &m);
    if (!equal) {
        iem_set_gpr(c, X86_RAX, old, 4);
        iem_set_gpr(c, X86_RDX, old >> 32, 4);
    }
    set_zf(c, equal);
}

void iem_CMPXCHG16B(struct vcpu *c, const struct iem_op *op)
{
    uint64_t off = iem_ea_inl(c, &op->i), lo = c->ctx.gpr[X86_RAX], hi = c->ctx.gpr[X86_RDX];
    struct iem_map m;
    bool equal;

    if (iem_gla(c, op->i.seg, off, 16, PGM_WRITE) & 15)
        iem_gp0(c);
    iem_map(c, op->i.seg, off, 16, &m);
    if (m.direct) {
        __asm__ volatile("lock; cmpxchg16b %[m]\n\tsete %[z]"
                         : [m] "+m"(*(unsigned __int128 *)m.p), [z] "=q"(equal), "+a"(lo), "+d"(hi)
                         : "b"(c->ctx.gpr[X86_RBX]), "c"(c->ctx.gpr[X86_RCX])
                         : "cc", "memory");
    } else { /* the bounce buffer need not be aligned */
        equal = iem_host_load(m.p, 8) == lo && iem_host_load((uint8_t *)m.p + 8, 8) == hi;
        lo = iem_host_load(m.p, 8);
        hi = iem_host_load((uint8_t *)m.p + 8, 8);
        if (equal) {
            iem_host_store(m.p, c->ctx.gpr[X86_RBX], 8);
            iem_host_store((uint8_t *)m.p + 8, c->ctx.gpr[X86_RCX], 8);
        }
    }
    iem_commit(c, &m);
    if (!equal) {
        c->ctx.gpr[X86_RAX] = lo;
        c->ctx.gpr[X86_RDX] = hi;
    }
    set_zf(c, equal);
}
