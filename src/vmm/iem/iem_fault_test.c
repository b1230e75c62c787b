/*
 * iem_fault_test.c - exceptions in the middle of an instruction, and code that cannot be fetched.
 */
#include <string.h>

#include "iem_test.h"

/* ---- faults change nothing (6.5: faults are restartable) ---- */

static void test_fault_rmw(void)
{
    fresh(X86_MODE_64);
    unmap(ISA_DATA);
    g[X86_RSI] = t->data;
    g[X86_RAX] = 5;
    t->c->ctx.rflags |= CPUM_FL_CF | CPUM_FL_ZF;
    g_assert_cmpint(ISA_RUN(t, 0x48, 0x01, 0x06), ==, PF); /* add [rsi], rax */
    g_assert_cmphex(t->c->ctx.cr2, ==, ISA_DATA);
    g_assert_cmphex(isa_frame(t, 0), ==, PGM_PF_W);
    g_assert_cmphex(isa_frame(t, 1), ==, t->code);
    g_assert_cmphex(isa_frame(t, 3) & CPUM_FL_ARITH, ==, CPUM_FL_CF | CPUM_FL_ZF);
    g_assert_true(isa_frame(t, 3) & CPUM_FL_RF);
    g_assert_cmpuint(g[X86_RAX], ==, 5);
}

static void test_fault_xchg(void)
{
    fresh(X86_MODE_64);
    unmap(ISA_DATA);
    g[X86_RSI] = t->data;
    g[X86_RBX] = 77;
    g_assert_cmpint(ISA_RUN(t, 0x48, 0x87, 0x1e), ==, PF); /* xchg [rsi], rbx */
    g_assert_cmpuint(g[X86_RBX], ==, 77);
}

static void test_fault_pop(void)
{
    fresh(X86_MODE_64);
    unmap(ISA_DATA);
    g[X86_RSI] = t->data;
    g_assert_cmpint(ISA_RUN(t, 0x8f, 0x06), ==, PF); /* pop [rsi] */
    g_assert_cmphex(isa_frame(t, 4), ==, t->stack);
}

static void test_fault_split_store(void)
{
    fresh(X86_MODE_64);
    unmap(ISA_DATA + 0x1000);
    poke(ISA_DATA + 0xff8, 0x1111111111111111, 8);
    g[X86_RSI] = ISA_DATA + 0xffc;
    g_assert_cmpint(ISA_RUN(t, 0x48, 0x89, 0x06), ==, PF); /* mov [rsi], rax */
    g_assert_cmphex(t->c->ctx.cr2, ==, ISA_DATA + 0x1000);
    g_assert_cmphex(peek(ISA_DATA + 0xff8, 8), ==, 0x1111111111111111);
}

static void test_split_access(void)
{
    fresh(X86_MODE_64);
    g[X86_RSI] = ISA_DATA + 0xffd;
    g[X86_RAX] = 0x1122334455667788;
    g_assert_cmpint(ISA_RUN(t, 0x48, 0x89, 0x06, 0x48, 0x8b, 0x1e, 0x48, 0xff, 0x06), ==, ISA_DONE);
    g_assert_cmphex(g[X86_RBX], ==, 0x1122334455667788);
    g_assert_cmphex(peek(ISA_DATA + 0xffd, 8), ==, 0x1122334455667789); /* inc qword [rsi] through the bounce buffer */
}

static void test_divide(void)
{
    fresh(X86_MODE_64);
    g[X86_RAX] = 1;
    g[X86_RDX] = 2;
    g_assert_cmpint(ISA_RUN(t, 0x48, 0xf7, 0xf3), ==, DE); /* div rbx: by 0 */
    fresh(X86_MODE_64);
    g[X86_RAX] = 0x80000000;
    g[X86_RDX] = 0xffffffff;
    g[X86_RBX] = 0xffffffff;
    g_assert_cmpint(ISA_RUN(t, 0xf7, 0xfb), ==, DE); /* idiv ebx: -2^31 / -1 */
    g_assert_cmphex(g[X86_RAX], ==, 0x80000000);
}

/* Non-canonical addresses: #GP, or #SS for stack accesses (vol. 1 3.3.7.1). */
static void test_canonical(void)
{
    fresh(X86_MODE_64);
    g[X86_RSI] = 1ull << 47;
    g_assert_cmpint(ISA_RUN(t, 0x48, 0x8b, 0x06), ==, GP);
    fresh(X86_MODE_64);
    g[X86_RBP] = 1ull << 47;
    g_assert_cmpint(ISA_RUN(t, 0x48, 0x8b, 0x45, 0x00), ==, SS);
    fresh(X86_MODE_64);
    g[X86_RAX] = 1ull << 63;
    g_assert_cmpint(ISA_RUN(t, 0xff, 0xe0), ==, GP); /* jmp rax */
    g_assert_cmphex(isa_frame(t, 1), ==, t->code);
}

/* ---- code fetch ---- */

/* An instruction over the end of a page: #PF at the second page, restartable (4.7, I bit only with NX or SMEP). */
static void test_fetch_crossing(void)
{
    static const uint8_t mov[] = {0xb8, 0x78, 0x56, 0x34, 0x12}; /* mov eax, 12345678h */

    fresh(X86_MODE_64);
    t->code = t->code_gla = ISA_DATA + 0xffe;
    isa_load(t, mov, sizeof mov);
    unmap(ISA_DATA + 0x1000);
    g_assert_cmpint(isa_go(t), ==, PF);
    g_assert_cmphex(t->c->ctx.cr2, ==, ISA_DATA + 0x1000);
    g_assert_cmphex(isa_frame(t, 0), ==, PGM_PF_I);
    g_assert_cmphex(isa_frame(t, 1), ==, t->code);
    map(ISA_DATA + 0x1000);
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmphex(g[X86_RAX], ==, 0x12345678);
    poke(ISA_DATA + 0x1000, 0x99, 1); /* a byte of it on the second page */
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmphex(g[X86_RAX], ==, 0x12349978);
}

static void test_no_execute(void)
{
    fresh(X86_MODE_64);
    t->code = t->code_gla = ISA_DATA + 0x2000;
    poke(ISA_PT + 8 * 2, (1ull << 63) | (ISA_DATA + 0x2000) | 7, 8);
    g_assert_cmpint(ISA_RUN(t, 0x90), ==, PF);
    g_assert_cmphex(isa_frame(t, 0), ==, PGM_PF_I | PGM_PF_P);
}

static void test_too_long(void)
{
    uint8_t code[16];

    fresh(X86_MODE_64);
    memset(code, 0x66, sizeof code);
    code[15] = 0x90;
    g_assert_cmpint(isa_run(t, code, 16), ==, GP);
    fresh(X86_MODE_64);
    g_assert_cmpint(isa_run(t, code + 1, 15), ==, ISA_DONE);
}

static void test_undefined(void)
{
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0x0f, 0x0b), ==, UD);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code);
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xf0, 0x01, 0xd8), ==, UD); /* lock add eax, ebx */
}

const struct iem_case iem_fault_cases[] = {
    {"fault/read-modify-write", test_fault_rmw},
    {"fault/xchg", test_fault_xchg},
    {"fault/pop", test_fault_pop},
    {"fault/split-store", test_fault_split_store},
    {"fault/divide", test_divide},
    {"fault/canonical", test_canonical},
    {"memory/split", test_split_access},
    {"fetch/crossing", test_fetch_crossing},
    {"fetch/no-execute", test_no_execute},
    {"fetch/too-long", test_too_long},
    {"fetch/undefined", test_undefined},
    {NULL, NULL},
};
