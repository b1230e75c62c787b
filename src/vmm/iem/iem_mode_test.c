/*
 * iem_mode_test.c - what is special in real mode, in 32-bit code and at privilege 3.
 */
#include "iem_test.h"

/* ---- real mode (20.1) ---- */

static void test_real_limit(void)
{
    fresh(X86_MODE_16);
    g[X86_RBX] = 0xffff;
    g_assert_cmpint(ISA_RUN(t, 0x8b, 0x07), ==, GP); /* mov ax, [bx]: a word over the limit */
    fresh(X86_MODE_16);
    g[X86_RBX] = 0xffff;
    g_assert_cmpint(ISA_RUN(t, 0x8a, 0x07), ==, ISA_DONE); /* a byte fits */
    fresh(X86_MODE_16);
    g[X86_RBX] = 0x10000;
    g_assert_cmpint(ISA_RUN(t, 0x67, 0x8a, 0x03), ==, GP); /* mov al, [ebx] */
}

static void test_real_wrap(void)
{
    fresh(X86_MODE_16);
    poke(0x30010, 0x5a, 1);
    g[X86_RBX] = 0x8000;
    g[X86_RSI] = 0x8010;
    g_assert_cmpint(ISA_RUN(t, 0x8a, 0x00), ==, ISA_DONE); /* mov al, [bx+si] wraps to 10h */
    g_assert_cmphex(g[X86_RAX], ==, 0x5a);
    fresh(X86_MODE_16);
    g[X86_RSP] = 0x12340000; /* SP = 0: push wraps, ESP's upper half stays */
    g_assert_cmpint(ISA_RUN(t, 0x50), ==, ISA_DONE);
    g_assert_cmphex(g[X86_RSP], ==, 0x1234fffe);
}

/* The handler of #UD begins with what raises it: that goes on for ever, but not within one call. */
static void test_real_faults(void)
{
    fresh(X86_MODE_16);
    poke(t->c->ctx.idtr.base + 4 * UD, 0x20000100, 4);
    poke(0x20100, 0x0b0f, 2); /* ud2 */
    t->c->ctx.rip = 0x100;
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_BUDGET);
    g_assert_cmphex(t->c->ctx.rip, ==, 0x100);
    g_assert_cmpuint(t->c->stat_xcpts, >, 900);
}

/* A near jump in 16-bit code wraps at 64 KiB. */
static void test_real_jump_wrap(void)
{
    fresh(X86_MODE_16);
    poke(0x20000 + 0x80, 0xf4, 1);
    g_assert_cmpint(ISA_RUN(t, 0xe9, 0x7d, 0xff), ==, ISA_DONE); /* 103h - 83h */
    g_assert_cmphex(t->c->ctx.rip, ==, 0x81);
    fresh(X86_MODE_16);
    poke(0x20000 + 0x10, 0xf4, 1);
    g_assert_cmpint(ISA_RUN(t, 0xe9, 0x0d, 0xff), ==, ISA_DONE); /* 103h - f3h */
    g_assert_cmphex(t->c->ctx.rip, ==, 0x11);
}

/* LOOP counts with CX, or with ECX under 67h. */
static void test_real_loop(void)
{
    fresh(X86_MODE_16);
    g[X86_RCX] = 0x10003;
    g_assert_cmpint(ISA_RUN(t, 0x40, 0xe2, 0xfd), ==, ISA_DONE); /* l: inc ax; loop l */
    g_assert_cmpuint(g[X86_RAX], ==, 3);
    g_assert_cmphex(g[X86_RCX], ==, 0x10000);
}

/* ---- 32-bit code ---- */

static void test_pusha(void)
{
    fresh(X86_MODE_32);
    for (unsigned n = 0; n < 8; n++)
        if (n != X86_RSP)
            g[n] = 0x1000 + n;
    g_assert_cmpint(ISA_RUN(t, 0x60, 0x31, 0xc0, 0x31, 0xff, 0x61), ==, ISA_DONE);
    for (unsigned n = 0; n < 8; n++)
        g_assert_cmphex(g[n], ==, n == X86_RSP ? t->stack : 0x1000 + n);
    g_assert_cmphex(peek(t->stack - 20, 4), ==, t->stack); /* ESP as it was */
}

static void test_code_limit(void)
{
    fresh(X86_MODE_32);
    t->c->ctx.seg[X86_CS].limit = (uint32_t)t->code + 2;
    cpum_mode_update(t->c);
    g_assert_cmpint(ISA_RUN(t, 0x40, 0x40, 0x89, 0xc3), ==, GP); /* the third reaches over it */
    g_assert_cmpuint(g[X86_RAX], ==, 2);
}

static void test_expand_down(void)
{
    fresh(X86_MODE_32);
    t->c->ctx.seg[X86_DS].attr |= CPUM_SEG_DC;
    t->c->ctx.seg[X86_DS].limit = 0xfff;
    cpum_mode_update(t->c);
    g[X86_RSI] = 0xfff;
    g_assert_cmpint(ISA_RUN(t, 0x8a, 0x06), ==, GP);
    fresh(X86_MODE_32);
    t->c->ctx.seg[X86_DS].attr |= CPUM_SEG_DC;
    t->c->ctx.seg[X86_DS].limit = 0xfff;
    cpum_mode_update(t->c);
    g[X86_RSI] = 0x1000;
    g_assert_cmpint(ISA_RUN(t, 0x8a, 0x06), ==, ISA_DONE);
}

static void test_write_protect(void)
{
    fresh(X86_MODE_32);
    t->c->ctx.seg[X86_ES].attr &= ~(uint32_t)CPUM_SEG_WR;
    cpum_mode_update(t->c);
    g[X86_RDI] = t->data;
    g_assert_cmpint(ISA_RUN(t, 0xaa), ==, GP); /* stosb */
    fresh(X86_MODE_32);
    g[X86_RDI] = t->data;
    g_assert_cmpint(ISA_RUN(t, 0x2e, 0x88, 0x07), ==, GP); /* mov cs:[edi], al */
}

struct bcd_case {
    uint8_t op, imm;
    uint16_t ax, flags, want_ax, want_flags;
};

/* Vol. 2 examples and edges. */
static void test_bcd(void)
{
    static const struct bcd_case cases[] = {
        {0x27, 0, 0xae, 0, 0x14, CPUM_FL_CF | CPUM_FL_AF | CPUM_FL_PF},              /* daa: 79 + 35 */
        {0x27, 0, 0x9a, 0, 0x00, CPUM_FL_CF | CPUM_FL_AF | CPUM_FL_ZF | CPUM_FL_PF}, /* carry out */
        {0x2f, 0, 0xee, CPUM_FL_CF | CPUM_FL_AF, 0x88,
         CPUM_FL_CF | CPUM_FL_AF | CPUM_FL_SF | CPUM_FL_PF}, /* das: 35 - 47 */
        {0x2f, 0, 0x05, CPUM_FL_AF, 0xff, CPUM_FL_CF | CPUM_FL_AF | CPUM_FL_SF | CPUM_FL_PF},
        {0xd4, 10, 0x003f, 0, 0x0603, CPUM_FL_PF},
        {0xd5, 10, 0x0603, 0, 0x003f, CPUM_FL_PF},
    };

    for (size_t n = 0; n < G_N_ELEMENTS(cases); n++) {
        const uint8_t code[2] = {cases[n].op, cases[n].imm};

        fresh(X86_MODE_32);
        g[X86_RAX] = cases[n].ax;
        t->c->ctx.rflags |= cases[n].flags;
        g_assert_cmpint(isa_run(t, code, cases[n].op >= 0xd4 ? 2 : 1), ==, ISA_DONE);
        g_assert_cmphex(g[X86_RAX], ==, cases[n].want_ax);
        g_assert_cmphex(FLAGS & ~(uint64_t)CPUM_FL_OF, ==, cases[n].want_flags);
    }
    fresh(X86_MODE_32);
    g_assert_cmpint(ISA_RUN(t, 0xd4, 0x00), ==, DE); /* aam 0 */
    fresh(X86_MODE_32);
    g[X86_RAX] = 0x010f;
    g_assert_cmpint(ISA_RUN(t, 0x37), ==, ISA_DONE); /* aaa */
    g_assert_cmphex(g[X86_RAX], ==, 0x0205);
}

static void test_bound(void)
{
    fresh(X86_MODE_32);
    poke(t->data_gla, 0x0000000afffffffb, 8); /* -5 .. 10 */
    g[X86_RSI] = t->data;
    g[X86_RAX] = 0xfffffffb;
    g_assert_cmpint(ISA_RUN(t, 0x62, 0x06), ==, ISA_DONE);
    fresh(X86_MODE_32);
    g[X86_RSI] = t->data;
    g[X86_RAX] = 11;
    g_assert_cmpint(ISA_RUN(t, 0x62, 0x06), ==, BR);
}

/* ---- user mode ---- */

static void test_user_popf(void)
{
    fresh(X86_MODE_64);
    isa_user(t);
    t->c->ctx.rflags |= CPUM_FL_IF;
    isa_load(t, (const uint8_t[]){0x6a, 0x00, 0x9d, 0x9c, 0x58}, 5); /* push 0; popf; pushf; pop rax */
    g_assert_cmpint(isa_go(t), ==, GP);                              /* the HLT at the end */
    g_assert_true(g[X86_RAX] & CPUM_FL_IF);                          /* IF unchanged: CPL > IOPL */
}

static void test_alignment_check(void)
{
    fresh(X86_MODE_64);
    isa_user(t);
    t->c->ctx.cr0 |= CPUM_CR0_AM;
    t->c->ctx.rflags |= CPUM_FL_AC;
    cpum_mode_update(t->c);
    g[X86_RSI] = ISA_DATA + 2;
    g_assert_cmpint(ISA_RUN(t, 0x8b, 0x06), ==, AC);
    g_assert_cmphex(isa_frame(t, 0), ==, 0);
}

const struct iem_case iem_mode_cases[] = {
    {"real/limit", test_real_limit},
    {"real/wrap", test_real_wrap},
    {"real/faults", test_real_faults},
    {"real/jump", test_real_jump_wrap},
    {"real/loop", test_real_loop},
    {"prot/pusha", test_pusha},
    {"prot/code-limit", test_code_limit},
    {"prot/expand-down", test_expand_down},
    {"prot/write-protect", test_write_protect},
    {"prot/bcd", test_bcd},
    {"prot/bound", test_bound},
    {"user/popf", test_user_popf},
    {"user/alignment", test_alignment_check},
    {NULL, NULL},
};
