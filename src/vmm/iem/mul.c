/*
 * mul.c - MUL, IMUL, DIV, IDIV.
 *
 * CF and OF of a product say whether its upper half matters; the other flags are undefined and stay. Quotients are
 * taken from magnitudes after the overflow test, so that the host never raises its own #DE; their flags stay.
 *
 * Sources: SDM vol. 2 MUL, IMUL, DIV, IDIV.
 */
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

static int64_t sign_extend(uint64_t val, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (int64_t)(val << shift) >> shift;
}

static uint64_t low_part(uint64_t val, unsigned bytes)
{
    return bytes == 8 ? val : val & ((1ull << 8 * bytes) - 1);
}

static void set_overflow(struct vcpu *c, bool overflow)
{
    c->ctx.rflags &= ~(uint64_t)(CPUM_FL_CF | CPUM_FL_OF);
    c->ctx.rflags |= overflow ? CPUM_FL_CF | CPUM_FL_OF : 0;
}

/* AX, or rDX:rAX: where products go to and dividends come from. */
static void store_pair(struct vcpu *c, uint64_t lo, uint64_t hi, unsigned bytes)
{
    if (bytes == 1) {
        iem_set_gpr(c, X86_RAX, low_part(lo, 1) | hi << 8, 2);
        return;
    }
    iem_set_gpr(c, X86_RAX, lo, bytes);
    iem_set_gpr(c, X86_RDX, hi, bytes);
}

/* The operand the program wrote: some encodings list rAX before it. */
static unsigned last_operand(const struct iem_op *op)
{
    return op->i.nops - 1u;
}

void iem_MUL(struct vcpu *c, const struct iem_op *op)
{
    unsigned n = last_operand(op), bytes = op->i.op[n].bytes;
    u128 r = (u128)iem_operand(c, op, n) * iem_gpr(c, X86_RAX, bytes);
    uint64_t hi = low_part((uint64_t)(r >> 8 * bytes), bytes);

    store_pair(c, (uint64_t)r, hi, bytes);
    set_overflow(c, hi != 0);
}

static void imul_one(struct vcpu *c, const struct iem_op *op, unsigned n)
{
    unsigned bytes = op->i.op[n].bytes;
    s128 r = (s128)sign_extend(iem_operand(c, op, n), bytes) * sign_extend(iem_gpr(c, X86_RAX, bytes), bytes);

    store_pair(c, (uint64_t)r, low_part((uint64_t)(r >> 8 * bytes), bytes), bytes);
    set_overflow(c, r != sign_extend((uint64_t)r, bytes));
}

/* One explicit operand: rDX:rAX. Two: dst *= src. Three: dst = src * imm. */
void iem_IMUL(struct vcpu *c, const struct iem_op *op)
{
    const struct x86_operand *d = &op->i.op[0];
    uint64_t a, b;
    s128 r;

    if (op->i.nops == 1 || !(d->flags & X86_OPF_WRITE) || (d->flags & X86_OPF_IMPLICIT)) {
        imul_one(c, op, last_operand(op));
        return;
    }
    a = op->i.nops == 3 ? iem_operand(c, op, 2) : iem_gpr(c, d->reg, d->bytes);
    b = iem_operand(c, op, 1);
    r = (s128)sign_extend(a, d->bytes) * sign_extend(b, d->bytes);
    iem_set_gpr(c, d->reg, (uint64_t)r, d->bytes);
    set_overflow(c, r != sign_extend((uint64_t)r, d->bytes));
}

static u128 dividend(const struct vcpu *c, unsigned bytes)
{
    if (bytes == 1)
        return (uint16_t)c->ctx.gpr[X86_RAX];
    return (u128)iem_gpr(c, X86_RDX, bytes) << 8 * bytes | iem_gpr(c, X86_RAX, bytes);
}

/* Precondition: hi < divisor, so the quotient fits; one host division instead of a library call. */
static uint64_t divide(u128 n, uint64_t divisor, uint64_t *ret_rest)
{
    uint64_t lo = (uint64_t)n, hi = (uint64_t)(n >> 64);

    __asm__("divq %[d]" : "+a"(lo), "+d"(hi) : [d] "r"(divisor) : "cc");
    *ret_rest = hi;
    return lo;
}

void iem_DIV(struct vcpu *c, const struct iem_op *op)
{
    unsigned n = last_operand(op), bytes = op->i.op[n].bytes;
    uint64_t divisor = iem_operand(c, op, n), quotient, rest;
    u128 num = dividend(c, bytes);

    if ((num >> 8 * bytes) >= divisor) /* also: divisor 0 */
        iem_raise(c, XCPT_DE);
    quotient = divide(num, divisor, &rest);
    store_pair(c, quotient, rest, bytes);
}

void iem_IDIV(struct vcpu *c, const struct iem_op *op)
{
    unsigned n = last_operand(op), bytes = op->i.op[n].bytes, shift = 128 - 16 * bytes;
    int64_t divisor = sign_extend(iem_operand(c, op, n), bytes);
    s128 num = (s128)(dividend(c, bytes) << shift) >> shift;
    bool neg = num < 0, neg_quotient = neg != (divisor < 0);
    u128 mag = neg ? -(u128)num : (u128)num;
    uint64_t div_mag = divisor < 0 ? -(uint64_t)divisor : (uint64_t)divisor, quotient, rest;
    uint64_t max = (1ull << (8 * bytes - 1)) - !neg_quotient;

    if (div_mag == 0 || (mag >> 64) >= div_mag)
        iem_raise(c, XCPT_DE);
    quotient = divide(mag, div_mag, &rest);
    if (quotient > max)
        iem_raise(c, XCPT_DE);
    quotient = neg_quotient ? -quotient : quotient;
    rest = neg ? -rest : rest;
    store_pair(c, quotient, low_part(rest, bytes), bytes);
}
