/*
 * bcd.c - decimal adjustment: DAA, DAS, AAA, AAS, AAM, AAD, and SALC.
 *
 * Sources: SDM vol. 2 by instruction. Undefined flags stay, except SF ZF PF of DAA, DAS, AAM, AAD, which are defined.
 */
#include "vmm/iem/flags_int.h"
#include "vmm/iem/mem_int.h"

static void set_szp(struct vcpu *c, uint8_t val)
{
    uint64_t fl = c->ctx.rflags;

    iem_alu_test(val, val, 1, &fl);
    iem_set_arith(c, fl, CPUM_FL_SF | CPUM_FL_ZF | CPUM_FL_PF);
}

static void set_ca(struct vcpu *c, bool cf, bool af)
{
    iem_set_arith(c, (cf ? CPUM_FL_CF : 0) | (af ? CPUM_FL_AF : 0), CPUM_FL_CF | CPUM_FL_AF);
}

/* DAA and DAS differ in the sign of the correction. */
static void decimal_adjust(struct vcpu *c, int sign)
{
    uint8_t old = (uint8_t)c->ctx.gpr[X86_RAX], al = old;
    bool cf = (c->ctx.rflags & CPUM_FL_CF) != 0, af = (c->ctx.rflags & CPUM_FL_AF) != 0;
    bool low = (old & 15) > 9 || af, high = old > 0x99 || cf;

    if (low)
        al = (uint8_t)(al + 6 * sign);
    if (high)
        al = (uint8_t)(al + 0x60 * sign);
    if (low && sign < 0 && !high)
        high = old < 6; /* the borrow of the first step stays in CF */
    iem_set_gpr(c, X86_RAX, al, 1);
    set_ca(c, high, low);
    set_szp(c, al);
}

void iem_DAA(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    decimal_adjust(c, 1);
}

void iem_DAS(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    decimal_adjust(c, -1);
}

static void ascii_adjust(struct vcpu *c, int step)
{
    uint16_t ax = (uint16_t)c->ctx.gpr[X86_RAX];
    bool adjust = (ax & 15) > 9 || (c->ctx.rflags & CPUM_FL_AF);

    if (adjust)
        ax = (uint16_t)(ax + step);
    iem_set_gpr(c, X86_RAX, ax & 0xff0f, 2);
    set_ca(c, adjust, adjust);
}

void iem_AAA(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    ascii_adjust(c, 0x106);
}

void iem_AAS(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    ascii_adjust(c, -0x106);
}

/* The base is the last operand: an immediate, 10 as the assembler writes it. */
static uint8_t base_of(const struct iem_op *op)
{
    return (uint8_t)op->i.imm[0];
}

void iem_AAM(struct vcpu *c, const struct iem_op *op)
{
    uint8_t al = (uint8_t)c->ctx.gpr[X86_RAX], base = base_of(op);

    if (base == 0)
        iem_raise(c, XCPT_DE);
    iem_set_gpr(c, X86_RAX, (unsigned)(al / base) << 8 | al % base, 2);
    set_szp(c, al % base);
}

void iem_AAD(struct vcpu *c, const struct iem_op *op)
{
    uint16_t ax = (uint16_t)c->ctx.gpr[X86_RAX];
    uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * base_of(op));

    iem_set_gpr(c, X86_RAX, al, 2);
    set_szp(c, al);
}

void iem_SALC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    iem_set_gpr(c, X86_RAX, c->ctx.rflags & CPUM_FL_CF ? 0xff : 0, 1);
}
