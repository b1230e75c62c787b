/*
 * host_test.c - instructions the host executes for the guest: what depends on how they are handed over.
 *
 * Their results are compared with the host by test/isa/host_compare; here is what broke once, spelled out.
 */
#include <string.h>

#include "harness.h"

enum { MF = 16, PF = 14, XM = 19 };
enum { MXCSR_UM = 0x800, FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160 };

static struct isa *t;

static void fresh(void)
{
    isa_mode(t, X86_MODE_64);
    t->c->ctx.gpr[X86_RSI] = t->data;
}

static void poke(unsigned at, const void *bytes, size_t size)
{
    memcpy(t->ram + t->data_gla + at, bytes, size);
}

static uint64_t peek(unsigned at)
{
    uint64_t v;

    memcpy(&v, t->ram + t->data_gla + at, 8);
    return v;
}

/* VEX.vvvv is 1111 here, and must stay so though RAX moves to another register: else it is an undefined instruction. */
static void test_vvvv(void)
{
    const double two = 2.5;

    fresh();
    poke(0, &two, 8);
    g_assert_cmpint(ISA_RUN(t, 0xc5, 0xfb, 0x2c, 0x06), ==, ISA_DONE); /* vcvttsd2si eax, [rsi] */
    g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, 2);
    t->c->ctx.gpr[X86_RAX] = 0x10;
    g_assert_cmpint(ISA_RUN(t, 0xc4, 0xe3, 0x7b, 0xf0, 0xc0, 4), ==, ISA_DONE); /* rorx eax, eax, 4 */
    g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, 1);
}

/* Registers keep their place when FNSAVE sets TOP to 0: what was pushed first is in R7, now ST(7). */
static void test_fnsave_top(void)
{
    fresh();
    g_assert_cmpint(ISA_RUN(t, 0xdb, 0xe3, /* fninit */ 0xd9, 0xe8, /* fld1 */ 0xd9, 0xee, /* fldz */ 0xdd,
                            0x36, /* fnsave [rsi] */
                            0x0f, 0xae, 0x86, 0x00, 0x02, 0, 0) /* fxsave [rsi + 200h] */,
                    ==, ISA_DONE);
    g_assert_cmphex(peek(0x200 + FX_ST + 16 * 7), ==, 1ull << 63); /* 1.0 */
    g_assert_cmphex(peek(0x200 + FX_ST + 16 * 6), ==, 0);
}

/* Stack underflow, unmasked: FSTP stores nothing and touches no memory, and traps at the next waiting instruction. */
static void test_store_nothing(void)
{
    const uint16_t unmasked = 0x37e;
    const uint64_t before = 0x1122334455667788;

    fresh();
    poke(0, &unmasked, 2);
    poke(8, &before, 8);
    g_assert_cmpint(ISA_RUN(t, 0xdb, 0xe3, /* fninit */ 0xd9, 0x2e, /* fldcw [rsi] */ 0xdd, 0x5e,
                            8, /* fstp q [rsi+8] */
                            0xd9, 0xd0) /* fnop */,
                    ==, MF);
    g_assert_cmphex(peek(8), ==, before);
    fresh();
    g_assert_cmpint(ISA_RUN(t, 0xdb, 0xe3, 0xd9, 0x2e, 0xdd, 0x1c, 0x25, 0, 0, 0, 0x50) /* fstp q [50000000h] */, ==,
                    ISA_DONE); /* no page is there */
}

/* Tiny and exact: masked nothing is reported, unmasked it is an underflow (SDM vol. 1 4.9.1.5), not inexact. */
static void test_exact_underflow(void)
{
    static const uint32_t least = 0x00800000, half = 0x3f000000;
    struct cpum_ctx *x = &t->c->ctx;
    uint32_t mxcsr;

    for (unsigned unmasked = 0; unmasked < 2; unmasked++) {
        fresh();
        memcpy(x->fpu.area + FX_XMM, &least, 4);
        memcpy(x->fpu.area + FX_XMM + 16, &half, 4);
        mxcsr = unmasked ? 0x1f80 & ~MXCSR_UM : 0x1f80;
        memcpy(x->fpu.area + FX_MXCSR, &mxcsr, 4);
        g_assert_cmpint(ISA_RUN(t, 0xf3, 0x0f, 0x59, 0xc1) /* mulss xmm0, xmm1 */, ==, unmasked ? XM : ISA_DONE);
        memcpy(&mxcsr, x->fpu.area + FX_MXCSR, 4);
        g_assert_cmphex(mxcsr & 0x3f, ==, unmasked ? 0x10 : 0);
    }
}

/* REP CMPS that faults shows the flags of before (SDM vol. 2 REP): it is restarted with them. */
static void test_rep_flags(void)
{
    struct cpum_ctx *x = &t->c->ctx;

    fresh();
    memset(t->ram + ISA_PT + 8, 0, 8); /* the second page of data is not there */
    pgm_mmu_flush(&t->c->mmu, true);
    x->gpr[X86_RSI] = x->gpr[X86_RDI] = t->data + 0xffc;
    x->gpr[X86_RCX] = 8;
    x->rflags |= CPUM_FL_CF | CPUM_FL_SF;
    g_assert_cmpint(ISA_RUN(t, 0xf3, 0xa6), ==, PF);
    g_assert_cmphex(x->gpr[X86_RCX], ==, 4);
    g_assert_cmphex(isa_frame(t, 3) & CPUM_FL_ARITH, ==, CPUM_FL_CF | CPUM_FL_SF);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    t = isa_new();
    g_test_add_func("/iem/host/vvvv", test_vvvv);
    g_test_add_func("/iem/host/fnsave-top", test_fnsave_top);
    g_test_add_func("/iem/host/store-nothing", test_store_nothing);
    g_test_add_func("/iem/host/exact-underflow", test_exact_underflow);
    g_test_add_func("/iem/host/rep-flags", test_rep_flags);
    status = g_test_run();
    isa_free(t);
    return status;
}
