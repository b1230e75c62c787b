/*
 * iem_test.c - the interpreter on hand-picked cases: what the comparison with the host cannot show.
 *
 * Numbers in brackets are sections of SDM vol. 3 unless said otherwise.
 */
#include <string.h>

#include "harness.h"

enum { DE = 0, DB = 1, BP = 3, OF = 4, BR = 5, UD = 6, SS = 12, GP = 13, PF = 14, AC = 17 };

static struct isa *t;
static uint64_t *g; /* the general registers */

static void fresh(enum x86_mode mode)
{
    isa_mode(t, mode);
    g = t->c->ctx.gpr;
}

static void poke(uint64_t gpa, uint64_t val, unsigned bytes)
{
    pgm_phys_write(t->pgm, gpa, &val, bytes);
}

static uint64_t peek(uint64_t gpa, unsigned bytes)
{
    uint64_t val = 0;

    pgm_phys_read(t->pgm, gpa, &val, bytes);
    return val;
}

/* Takes a 4 KiB page of the data area away. */
static void unmap(uint64_t gla)
{
    poke(ISA_PT + 8 * ((gla - ISA_DATA) >> 12), 0, 8);
    pgm_mmu_invlpg(&t->c->mmu, gla);
}

static void map(uint64_t gla)
{
    poke(ISA_PT + 8 * ((gla - ISA_DATA) >> 12), gla | 7, 8);
    pgm_mmu_invlpg(&t->c->mmu, gla);
}

#define FLAGS (t->c->ctx.rflags & CPUM_FL_ARITH)

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

/* ---- debug (17.3) ---- */

static void test_single_step(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.rflags |= CPUM_FL_TF;
    g_assert_cmpint(ISA_RUN(t, 0x90, 0x90), ==, DB);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 1);
    g_assert_true(t->c->ctx.dr[6] & 0x4000);
}

static void test_code_breakpoint(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.dr[0] = t->code + 1;
    t->c->ctx.dr[7] = 0x402;
    g_assert_cmpint(ISA_RUN(t, 0x90, 0x90), ==, DB);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 1);
    g_assert_true(t->c->ctx.dr[6] & 1);
    fresh(X86_MODE_64);
    t->c->ctx.dr[0] = t->code;
    t->c->ctx.dr[7] = 0x402;
    t->c->ctx.rflags |= CPUM_FL_RF; /* resume: not again */
    g_assert_cmpint(ISA_RUN(t, 0x90, 0x90), ==, ISA_DONE);
    g_assert_false(t->c->ctx.rflags & CPUM_FL_RF);
}

static void test_data_breakpoint(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.dr[1] = ISA_DATA + 4;
    t->c->ctx.dr[7] = 0x408 | 0xdull << 20; /* write, 4 bytes */
    g[X86_RSI] = ISA_DATA;
    g_assert_cmpint(ISA_RUN(t, 0x8b, 0x46, 0x04, 0x89, 0x46, 0x06, 0x90), ==, DB); /* reads do not hit */
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 6);
    g_assert_true(t->c->ctx.dr[6] & 2);
}

/* ---- interrupts ---- */

/* STI holds interrupts off for one more instruction (6.8.3). */
static void test_sti_shadow(void)
{
    fresh(X86_MODE_64);
    isa_load(t, (const uint8_t[]){0xfb, 0x90, 0x90}, 3);
    t->irq = 0x41;
    ff_set(&t->c->ff, FF_INTR);
    g_assert_cmpint(isa_go(t), ==, 0x41);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 2);
}

/* An interrupt that came while IF was 0, in the middle of running code. */
static void test_sti_pending(void)
{
    fresh(X86_MODE_64);
    g[X86_RAX] = 0x44;
    g_assert_cmpint(ISA_RUN(t, 0xfa, 0xe6, 0xf1, 0x90, 0xfb, 0x90, 0x90), ==, 0x44); /* cli; out f1h; nop; sti; nop */
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 6);
    g_assert_cmphex(isa_frame(t, 2) & CPUM_FL_IF, !=, 0);
}

/* PUSHF, reads of control and segment registers, SWAPGS, time stamps. */
static void test_system_reads(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.cr2 = 0x123456789a;
    t->c->ctx.seg[X86_GS].base = 0x1111;
    t->c->ctx.kernel_gs_base = 0x2222;
    t->c->ctx.tsc_aux = 77;
    g[X86_RBX] = 0x7fffffffffffffff;
    g[X86_R13] = ~0ull;
    /* sti; nop; add rbx,1; pushf; pop r8; cli; stc; pushf; pop r9; mov r10,cr2; mov r13d,ss; mov edi,cs; swapgs; rdtscp
     */
    g_assert_cmpint(ISA_RUN(t, 0xfb, 0x90, 0x48, 0x83, 0xc3, 0x01, 0x9c, 0x41, 0x58, 0xfa, 0xf9, 0x9c, 0x41, 0x59, 0x41,
                            0x0f, 0x20, 0xd2, 0x41, 0x8c, 0xd5, 0x8c, 0xcf, 0x0f, 0x01, 0xf8, 0x0f, 0x01, 0xf9),
                    ==, ISA_DONE);
    g_assert_cmphex(g[X86_R8], ==, CPUM_FL_1 | CPUM_FL_OF | CPUM_FL_SF | CPUM_FL_AF | CPUM_FL_PF | CPUM_FL_IF);
    g_assert_cmphex(g[X86_R9], ==, CPUM_FL_1 | CPUM_FL_OF | CPUM_FL_SF | CPUM_FL_AF | CPUM_FL_PF | CPUM_FL_CF);
    g_assert_cmphex(g[X86_R10], ==, 0x123456789a);
    g_assert_cmphex(g[X86_R13], ==, t->c->ctx.seg[X86_SS].sel);
    g_assert_cmphex(g[X86_RDI], ==, t->c->ctx.seg[X86_CS].sel);
    g_assert_cmphex(t->c->ctx.seg[X86_GS].base, ==, 0x2222);
    g_assert_cmphex(t->c->ctx.kernel_gs_base, ==, 0x1111);
    g_assert_cmpuint(g[X86_RCX], ==, 77);
}

/* PUSH of a misaligned operand, often enough to be translated in its second form. */
static void test_push_misaligned(void)
{
    fresh(X86_MODE_64);
    poke(ISA_DATA + 4, 0x1122334455667788, 8);
    g[X86_RSI] = ISA_DATA;
    g[X86_RCX] = 5;
    for (unsigned pass = 0; pass < 3; pass++) {
        g[X86_RCX] = 5;
        g_assert_cmpint(ISA_RUN(t, 0xff, 0x76, 0x04, 0x8f, 0xc0, 0xff, 0xc9, 0x75, 0xf7), ==, ISA_DONE);
        g_assert_cmphex(g[X86_RAX], ==, 0x1122334455667788);
        g_assert_cmphex(g[X86_RSP], ==, t->stack);
    }
}

static void test_halt_wakes(void)
{
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xfb), ==, ISA_DONE); /* sti; hlt */
    g_assert_cmpint(t->c->ctx.activity, ==, CPUM_HALTED);
    t->irq = 0x42;
    ff_set(&t->c->ff, FF_INTR);
    g_assert_cmpint(iem_run(t->c, 100), ==, IEM_EXIT_HALT);
    g_assert_cmphex(t->c->ctx.rip, ==, ISA_HANDLERS + 16 * 0x42 + 1);
}

/* x87 errors with CR0.NE = 0 (vol. 1 8.7.2): FERR# at the next waiting instruction, which waits for the interrupt; with
 * IGNNE# it runs, and the error stays; FERR# goes with the error. */
static void fail_division(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.cr0 &= ~(uint64_t)CPUM_CR0_NE;
    t->ferr = t->ignne = false;
    poke(ISA_DATA, 0x037b, 2); /* ZE is not masked */
    g[X86_RSI] = t->data;
    /* fninit; fldcw [rsi]; fld1; fldz; fdivp; fwait */
    isa_load(t, (const uint8_t[]){0xdb, 0xe3, 0xd9, 0x2e, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b}, 11);
    t->c->ctx.rip = t->code;
}

static void test_x87_irq(void)
{
    fail_division();
    t->c->ctx.rflags |= CPUM_FL_IF;
    g_assert_cmpint(isa_go(t), ==, ISA_FERR_VECTOR);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 10);
    g_assert_true(t->ferr);
    t->ignne = true;
    /* fwait; fld1; fnstsw ax; mov ebx, eax; fld dword [-1], which faults */
    unmap(ISA_DATA + 0x1000);
    g[X86_RSI] = ISA_DATA + 0x1000;
    g_assert_cmpint(ISA_RUN(t, 0x9b, 0xd9, 0xe8, 0xdf, 0xe0, 0x89, 0xc3, 0xd9, 0x06), ==, PF);
    map(ISA_DATA + 0x1000);
    g_assert_cmphex(g[X86_RBX] & 0x84, ==, 0x84); /* ES, ZE */
    g_assert_true(t->ferr);
    /* fnstsw ax; mov ebx, eax; fnclex; fnstsw ax; fwait */
    g_assert_cmpint(ISA_RUN(t, 0xdf, 0xe0, 0x89, 0xc3, 0xdb, 0xe2, 0xdf, 0xe0, 0x9b), ==, ISA_DONE);
    g_assert_cmphex(g[X86_RBX] & 0x84, ==, 0x84);
    g_assert_cmphex(g[X86_RAX] & 0x84, ==, 0);
    g_assert_false(t->ferr);
    t->ignne = false;
}

static void test_x87_freeze(void)
{
    fail_division(); /* interrupts are off */
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_HALT);
    g_assert_cmphex(t->c->ctx.rip, ==, t->code + 10);
    g_assert_true(t->ferr);
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_HALT);
    t->irq = -1;
    g_assert_cmpint(ISA_RUN(t, 0xdb, 0xe3), ==, ISA_DONE); /* fninit does not wait */
    t->irq = -1;
}

static void test_software(void)
{
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xcc), ==, BP);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 1);
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xcd, 0x55), ==, 0x55);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 2);
    fresh(X86_MODE_32);
    t->c->ctx.rflags |= CPUM_FL_OF;
    g_assert_cmpint(ISA_RUN(t, 0xce), ==, OF);
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xf1), ==, DB);
}

/* ---- the run loop ---- */

static void test_budget(void)
{
    uint64_t before;

    fresh(X86_MODE_64);
    isa_load(t, (const uint8_t[]){0xeb, 0xfe}, 2);
    t->c->ctx.rip = t->code;
    before = t->c->stat_insns;
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_BUDGET);
    g_assert_cmpuint(t->c->stat_insns - before, ==, 1000);
    ff_set(&t->c->ff, FF_REQUEST);
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_FF);
}

static void test_debugger_break(void)
{
    fresh(X86_MODE_64);
    isa_load(t, (const uint8_t[]){0x90, 0x90, 0x90}, 3);
    t->c->ctx.rip = t->code;
    g_assert_true(iem_break_add(t->c, t->code + 2));
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_BREAK);
    g_assert_cmphex(t->c->ctx.rip, ==, t->code + 2);
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_HALT);
    iem_break_remove(t->c, t->code + 2);
}

static void test_step(void)
{
    fresh(X86_MODE_64);
    isa_load(t, (const uint8_t[]){0xff, 0xc0, 0xff, 0xc0}, 4);
    t->c->ctx.rip = t->code;
    g_assert_cmpint(iem_step(t->c), ==, IEM_EXIT_BUDGET);
    g_assert_cmphex(t->c->ctx.rip, ==, t->code + 2);
    g_assert_cmpuint(g[X86_RAX], ==, 1);
}

static void test_debug_access(void)
{
    uint32_t val = 0x11223344, back = 0;

    fresh(X86_MODE_64);
    g_assert_true(iem_debug_write(t->c, ISA_DATA + 0xffe, &val, 4));
    g_assert_true(iem_debug_read(t->c, ISA_DATA + 0xffe, &back, 4));
    g_assert_cmphex(back, ==, val);
    g_assert_false(iem_debug_read(t->c, 1ull << 40, &back, 4));
}

/* Many distinct blocks: the cache is recycled as a whole and code still runs. */
static void test_cache_recycled(void)
{
    fresh(X86_MODE_64);
    for (unsigned n = 0; n < 60000; n++) {
        const uint8_t code[] = {0xb8, (uint8_t)n, (uint8_t)(n >> 8), 0, 0, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
                                0x90, 0x90};

        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmpuint(g[X86_RAX], ==, n);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
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
        {"real/limit", test_real_limit},
        {"real/wrap", test_real_wrap},
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
        {"debug/step", test_single_step},
        {"debug/code", test_code_breakpoint},
        {"debug/data", test_data_breakpoint},
        {"event/sti", test_sti_shadow},
        {"event/sti-pending", test_sti_pending},
        {"system/reads", test_system_reads},
        {"memory/push-misaligned", test_push_misaligned},
        {"event/halt", test_halt_wakes},
        {"event/software", test_software},
        {"x87/irq", test_x87_irq},
        {"x87/freeze", test_x87_freeze},
        {"run/budget", test_budget},
        {"run/break", test_debugger_break},
        {"run/step", test_step},
        {"run/debug-access", test_debug_access},
        {"run/cache", test_cache_recycled},
    };
    int rc;

    g_test_init(&argc, &argv, NULL);
    t = isa_new();
    for (size_t n = 0; n < G_N_ELEMENTS(tests); n++) {
        g_autofree char *path = g_strconcat("/iem/", tests[n].name, NULL);

        g_test_add_func(path, tests[n].run);
    }
    rc = g_test_run();
    isa_free(t);
    return rc;
}
