/*
 * iem_smc_test.c - code that changes, and string instructions.
 */
#include "iem_test.h"

/* ---- self-modifying code (11.6) ---- */

static void test_smc_ahead(void)
{
    /* mov byte [rip+1], 7; mov al, 1: the second one's immediate is changed just before it runs */
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xc6, 0x05, 0x01, 0x00, 0x00, 0x00, 0x07, 0xb0, 0x01), ==, ISA_DONE);
    g_assert_cmpuint(g[X86_RAX] & 0xff, ==, 7);
}

static void test_smc_loop(void)
{
    /* mov ecx, 10; l: add eax, 1; inc byte [rip-7]; dec ecx; jnz l: adds 1, 2 ... 10 */
    fresh(X86_MODE_64);
    g_assert_cmpint(
        ISA_RUN(t, 0xb9, 0x0a, 0, 0, 0, 0x83, 0xc0, 0x01, 0xfe, 0x05, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x75, 0xf3),
        ==, ISA_DONE);
    g_assert_cmpuint(g[X86_RAX], ==, 55);
}

/* Stores by others: what pgm is told invalidates too. */
static void test_smc_external(void)
{
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xb0, 0x01), ==, ISA_DONE);
    poke(t->code_gla + 1, 0x55, 1);
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmpuint(g[X86_RAX], ==, 0x55);
}

/* LOCKed operations reach watched pages too. */
static void test_smc_lock(void)
{
    /* lock inc byte [rip+1]; mov al, 1 */
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xf0, 0xfe, 0x05, 0x01, 0, 0, 0, 0xb0, 0x01), ==, ISA_DONE);
    g_assert_cmpuint(g[X86_RAX] & 0xff, ==, 2);
}

/* ---- strings ---- */

/* REP MOVSB into a missing page: registers say what is left, and it can be resumed (vol. 2 REP). */
static void test_rep_fault(void)
{
    fresh(X86_MODE_64);
    for (unsigned n = 0; n < 32; n++)
        poke(ISA_DATA + n, n, 1);
    unmap(ISA_DATA + 0x2000);
    g[X86_RSI] = ISA_DATA;
    g[X86_RDI] = ISA_DATA + 0x1ff0;
    g[X86_RCX] = 32;
    g_assert_cmpint(ISA_RUN(t, 0xf3, 0xa4), ==, PF);
    g_assert_cmpuint(g[X86_RCX], ==, 16);
    g_assert_cmphex(g[X86_RSI], ==, ISA_DATA + 16);
    g_assert_cmphex(g[X86_RDI], ==, ISA_DATA + 0x2000);
    g_assert_cmphex(isa_frame(t, 1), ==, t->code);
    map(ISA_DATA + 0x2000);
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmpuint(g[X86_RCX], ==, 0);
    g_assert_cmpuint(peek(ISA_DATA + 0x200f, 1), ==, 31);
}

/* Overlap upwards by one byte fills with the first byte, as the CPU's own order of iterations does. */
static void test_rep_overlap(void)
{
    fresh(X86_MODE_64);
    poke(ISA_DATA, 0xab, 1);
    poke(ISA_DATA + 1, 0, 8);
    g[X86_RSI] = ISA_DATA;
    g[X86_RDI] = ISA_DATA + 1;
    g[X86_RCX] = 8;
    g_assert_cmpint(ISA_RUN(t, 0xf3, 0xa4), ==, ISA_DONE);
    g_assert_cmphex(peek(ISA_DATA + 1, 8), ==, 0xabababababababab);
}

/* Every width, in and over a page, aligned or not: what C does with the same memory; RCX, RSI, RDI to the end. */
static void test_rep_runs(void)
{
    static const struct {
        uint32_t from, to, count;
    } cases[] = {{0, 0x1000, 16}, {8, 0x1ff0, 2},   {8, 0x1ff0, 9},    {0xff0, 0x2000, 300}, {3, 0x1005, 40},
                 {0, 0x1000, 0},  {0x40, 0x50, 64}, {0x10, 0x1ff8, 1}, {0, 0x1000, 4096}};
    uint8_t want[0x10000];

    for (unsigned n = 0; n < G_N_ELEMENTS(cases) * 8; n++) {
        unsigned shift = n % 4, bytes = 1u << shift, run = cases[n / 8].count << shift;
        bool movs = n & 4;
        const uint8_t code[] = {shift == 1 ? 0x66 : 0x90, 0xf3, shift == 3 ? 0x48 : 0x40,
                                (uint8_t)((movs ? 0xa4 : 0xaa) | (shift > 0))};

        fresh(X86_MODE_64);
        for (unsigned k = 0; k < sizeof want; k++)
            t->ram[ISA_DATA + k] = want[k] = (uint8_t)(k * 7 + k / 256);
        for (unsigned k = 0; k < run; k++)
            want[cases[n / 8].to + k] =
                movs ? want[cases[n / 8].from + k] : (uint8_t)(0x8877665544332211 >> 8 * (k % bytes));
        g[X86_RSI] = ISA_DATA + cases[n / 8].from;
        g[X86_RDI] = ISA_DATA + cases[n / 8].to;
        g[X86_RCX] = cases[n / 8].count;
        g[X86_RAX] = 0x8877665544332211;
        for (unsigned pass = 0; pass < 2; pass++, g[X86_RDI] -= pass < 2 ? run : 0) {
            g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
            g_assert_cmphex(g[X86_RDI], ==, ISA_DATA + cases[n / 8].to + run);
            g_assert_cmphex(g[X86_RCX], ==, 0);
            g_assert_cmphex(g[X86_RSI], ==, ISA_DATA + cases[n / 8].from + (movs ? run : 0));
            g_assert_cmpmem(t->ram + ISA_DATA, sizeof want, want, sizeof want);
            if (movs)
                break;
            g[X86_RCX] = cases[n / 8].count;
        }
    }
}

static void test_string_one(void)
{
    fresh(X86_MODE_64);
    poke(ISA_DATA, 0x1122334455667788, 8);
    g[X86_RSI] = ISA_DATA;
    g[X86_RDI] = ISA_DATA + 0x1000;
    g[X86_RAX] = 0xaaaaaaaaaaaaaaaa;
    /* lodsb; stosw; lodsd; stosq; movsb; movsw; std; lodsb; stosb; cld */
    g_assert_cmpint(ISA_RUN(t, 0xac, 0x66, 0xab, 0xad, 0x48, 0xab, 0xa4, 0x66, 0xa5, 0xfd, 0xac, 0xaa, 0xfc), ==,
                    ISA_DONE);
    g_assert_cmphex(peek(ISA_DATA + 0x1000, 2), ==, 0xaa88);
    g_assert_cmphex(peek(ISA_DATA + 0x1002, 8), ==, 0x44556677 - 0x0); /* bytes 1 to 4, zero-extended */
    g_assert_cmphex(peek(ISA_DATA + 0x100a, 3), ==, 0x112233);
    g_assert_cmphex(g[X86_RSI], ==, ISA_DATA + 7);
    g_assert_cmphex(g[X86_RDI], ==, ISA_DATA + 0x100c);
    g_assert_cmphex(t->c->ctx.rflags & CPUM_FL_DF, ==, 0);
}

static void test_rep_backwards(void)
{
    fresh(X86_MODE_64);
    poke(ISA_DATA, 0x0807060504030201, 8);
    g[X86_RSI] = ISA_DATA + 7;
    g[X86_RDI] = ISA_DATA + 9;
    g[X86_RCX] = 8;
    t->c->ctx.rflags |= CPUM_FL_DF;
    g_assert_cmpint(ISA_RUN(t, 0xf3, 0xa4), ==, ISA_DONE);
    g_assert_cmphex(peek(ISA_DATA + 2, 8), ==, 0x0807060504030201);
}

static void test_repne_scas(void)
{
    fresh(X86_MODE_64);
    poke(ISA_DATA, 0x0000646362610000 | 0x3030, 8);
    g[X86_RDI] = ISA_DATA;
    g[X86_RAX] = 'c';
    g[X86_RCX] = 100;
    g_assert_cmpint(ISA_RUN(t, 0xf2, 0xae), ==, ISA_DONE);
    g_assert_cmphex(g[X86_RDI], ==, ISA_DATA + 5);
    g_assert_cmpuint(g[X86_RCX], ==, 95);
    g_assert_true(FLAGS & CPUM_FL_ZF);
}

/* An interrupt in the middle of a long REP: delivered with what is left to do, then it goes on. */
static void test_rep_interrupt(void)
{
    fresh(X86_MODE_64);
    g[X86_RDI] = ISA_DATA;
    g[X86_RCX] = 0x10000;
    t->c->ctx.rflags |= CPUM_FL_IF;
    isa_load(t, (const uint8_t[]){0xf3, 0xaa}, 2);
    t->irq = 0x40;
    ff_set(&t->c->ff, FF_INTR);
    g_assert_cmpint(isa_go(t), ==, 0x40);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code);
    g_assert_cmpuint(g[X86_RCX], ==, 0x10000);
}

const struct iem_case iem_smc_cases[] = {
    {"smc/ahead", test_smc_ahead},
    {"smc/loop", test_smc_loop},
    {"smc/external", test_smc_external},
    {"smc/lock", test_smc_lock},
    {"string/fault", test_rep_fault},
    {"string/overlap", test_rep_overlap},
    {"rep/runs", test_rep_runs},
    {"string/one", test_string_one},
    {"string/backwards", test_rep_backwards},
    {"string/scan", test_repne_scas},
    {"string/interrupt", test_rep_interrupt},
    {NULL, NULL},
};
