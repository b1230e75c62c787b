/*
 * shift.c - shifts and rotates, single and double.
 *
 * Sources: SDM vol. 2 SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD.
 * Left out: the unmasked counts of the 8086 (every CPU profile is a 386 or later, which masks to 5 or 6 bits).
 * Invariant 1: a count of 0 after masking changes nothing, not even flags, but the operand is still written (and
 * faults).
 */
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

static inline unsigned masked(uint64_t count, unsigned bytes)
{
    return (unsigned)count & (bytes == 8 ? 63 : 31);
}

IEM_INLINE void shift(struct vcpu *c, const struct iem_op *op, iem_alu_fn *f)
{
    const struct x86_operand *d = &op->i.op[0];
    unsigned count = masked(iem_operand(c, op, 1), d->bytes);
    uint64_t fl = c->ctx.rflags;
    struct iem_map m;

    if (d->kind == X86_OP_GPR) {
        uint64_t val = iem_gpr(c, d->reg, d->bytes);

        if (count)
            val = f(val, count, d->bytes, &fl);
        iem_set_gpr(c, d->reg, val, d->bytes); /* 32 bits: clears the upper half even by 0 */
        c->ctx.rflags = fl;
        return;
    }
    iem_map(c, op->i.seg, iem_ea_inl(c, &op->i), d->bytes, &m);
    if (!count)
        return;
    iem_host_store(m.p, f(iem_host_load(m.p, d->bytes), count, d->bytes, &fl), d->bytes);
    iem_commit(c, &m);
    c->ctx.rflags = fl;
}

void iem_SHL(struct vcpu *c, const struct iem_op *op)
{
    shift(c, op, iem_alu_shl);
}

void iem_SHR(struct vcpu *c, const struct iem_op *op)
{
    shift(c, op, iem_alu_shr);
}

void iem_SAR(struct vcpu *c, const struct iem_op *op)
{
    shift(c, op, iem_alu_sar);
}

void iem_ROL(struct vcpu *c, const struct iem_op *op)
{
    shift(c, op, iem_alu_rol);
}

void iem_ROR(struct vcpu *c, const struct iem_op *op)
{
    shift(c, op, iem_alu_ror);
}

void iem_RCL(struct vcpu *c, const struct iem_op *op)
{
    shift(c, op, iem_alu_rcl);
}

void iem_RCR(struct vcpu *c, const struct iem_op *op)
{
    shift(c, op, iem_alu_rcr);
}

/* ---- SHLD, SHRD ---- */

typedef uint64_t double_fn(uint64_t a, uint64_t b, unsigned count, unsigned bytes, uint64_t *fl);

#define DOUBLE_CASE(T, insn)                                                                                           \
    {                                                                                                                  \
        T r = (T)a, s = (T)b;                                                                                          \
        uint16_t ax;                                                                                                   \
        __asm__(insn " %%cl, %[s], %[r]" IEM_GET_FLAGS                                                                 \
                : "=&a"(ax), [r] "+&r"(r)                                                                              \
                : [s] "r"(s), "c"((uint8_t)count)                                                                      \
                : "cc");                                                                                               \
        *fl = iem_fl_merge(*fl, ax);                                                                                   \
        return r;                                                                                                      \
    }

static uint64_t shld(uint64_t a, uint64_t b, unsigned count, unsigned bytes, uint64_t *fl)
{
    switch (bytes) {
    case 2: DOUBLE_CASE(uint16_t, "shldw")
    case 4: DOUBLE_CASE(uint32_t, "shldl")
    default: DOUBLE_CASE(uint64_t, "shldq")
    }
}

static uint64_t shrd(uint64_t a, uint64_t b, unsigned count, unsigned bytes, uint64_t *fl)
{
    switch (bytes) {
    case 2: DOUBLE_CASE(uint16_t, "shrdw")
    case 4: DOUBLE_CASE(uint32_t, "shrdl")
    default: DOUBLE_CASE(uint64_t, "shrdq")
    }
}

static void shift_double(struct vcpu *c, const struct iem_op *op, double_fn *f)
{
    const struct x86_operand *d = &op->i.op[0];
    unsigned count = masked(iem_operand(c, op, 2), d->bytes);
    uint64_t fl = c->ctx.rflags, src = iem_gpr(c, op->i.op[1].reg, d->bytes), val;
    struct iem_map m;

    if (d->kind == X86_OP_GPR) {
        val = iem_gpr(c, d->reg, d->bytes);
        iem_set_gpr(c, d->reg, count ? f(val, src, count, d->bytes, &fl) : val, d->bytes);
        c->ctx.rflags = fl;
        return;
    }
    iem_map(c, op->i.seg, iem_ea_inl(c, &op->i), d->bytes, &m);
    if (!count)
        return;
    iem_host_store(m.p, f(iem_host_load(m.p, d->bytes), src, count, d->bytes, &fl), d->bytes);
    iem_commit(c, &m);
    c->ctx.rflags = fl;
}

void iem_SHLD(struct vcpu *c, const struct iem_op *op)
{
    shift_double(c, op, shld);
}

void iem_SHRD(struct vcpu *c, const struct iem_op *op)
{
    shift_double(c, op, shrd);
}
