/*
 * raw32_test.c - 32-bit user code in a jail, under a 64-bit kernel and under one with PAE: results, segments, system
 * calls, exceptions, and what must not run there. Data instructions are compared with the host CPU by test/isa/
 * host_compare --engine raw.
 */
#include <string.h>

#include "harness.h"
#include "vmm/raw/raw.h"

enum { VECTOR_DE = 0, VECTOR_BP = 3, VECTOR_OF = 4, VECTOR_BR = 5, VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_PF = 14 };
#define PDPT       0x5000u
#define TSS        0x9000u
#define USER_CS    0x73u /* as Linux's for i386: not the host's */
#define USER_DS    0x7bu
#define TLS        0x33u
#define CODE32     0xc0fbu
#define DATA32     0xc0f3u
#define PRESENT    1u
#define LINUX_CALL 0x80

static struct isa *native(void)
{
    struct isa *t = isa_new();
    g_autoptr(GError) error = NULL;

    isa_native(t, &error);
    g_assert_no_error(error);
    return t;
}

static void user(struct isa *t)
{
    struct cpum_ctx *x = &t->c->ctx;

    for (unsigned n = 0; n < X86_SREG_COUNT; n++)
        x->seg[n] = (struct cpum_seg){.sel = USER_DS, .attr = DATA32, .limit = UINT32_MAX};
    x->seg[X86_CS] = (struct cpum_seg){.sel = USER_CS, .attr = CODE32, .limit = UINT32_MAX};
    x->seg[X86_FS] = (struct cpum_seg){.attr = CPUM_SEG_UNUSABLE};
    x->seg[X86_GS] = (struct cpum_seg){.sel = TLS, .attr = DATA32, .limit = UINT32_MAX, .base = ISA_DATA + 0x1000};
    x->cpl = 3;
    x->rflags = CPUM_FL_1 | CPUM_FL_IF;
    x->gpr[X86_RSP] = t->stack;
    cpum_mode_update(t->c);
}

/* 32-bit code of a 64-bit kernel. */
static void compatible(struct isa *t)
{
    isa_mode(t, X86_MODE_64);
    user(t);
}

/* The kernel is 32-bit, too, with PAE: the same tables one level further down. */
static void pae(struct isa *t)
{
    struct cpum_ctx *x = &t->c->ctx;
    const uint64_t pointer = ISA_PD | PRESENT;
    const uint32_t ss0 = 0x10;

    isa_mode(t, X86_MODE_32);
    memset(t->ram + PDPT, 0, 32);
    memcpy(t->ram + PDPT, &pointer, sizeof pointer);
    memcpy(t->ram + TSS + 8, &ss0, sizeof ss0);
    x->cr3 = PDPT;
    x->cr0 |= CPUM_CR0_PG | CPUM_CR0_WP;
    x->efer = CPUM_EFER_NXE;
    g_assert_true(cpum_loaded(t->c));
    pgm_mmu_flush(&t->c->mmu, true);
    user(t);
}

static void (*const kernels[])(struct isa *t) = {compatible, pae};

static uint64_t enters(const struct isa *t)
{
    return raw_stats(t->c)->enters;
}

/* mov ecx, 1000000; xor eax, eax; 1: add eax, ecx; dec ecx (as 64-bit code: a prefix); jnz 1 */
static void test_loop(void)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kernels); k++) {
        struct isa *t = native();

        kernels[k](t);
        g_assert_cmpint(ISA_RUN(t, 0xb9, 0x40, 0x42, 0x0f, 0x00, 0x31, 0xc0, 0x01, 0xc8, 0x49, 0x75, 0xfb), ==,
                        VECTOR_GP);
        g_assert_cmphex((uint32_t)t->c->ctx.gpr[X86_RAX], ==, (uint32_t)(500000ull * 1000001));
        g_assert_cmpuint(enters(t), >, 0);
        g_assert_cmpuint(enters(t), <, 20);
        isa_free(t);
    }
}

/* GS has a base, which is used and stays; the null FS faults. */
static void test_segments(void)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kernels); k++) {
        struct isa *t = native();

        kernels[k](t);
        memcpy(t->ram + ISA_DATA + 0x1010, "\x78\x56\x34\x12", 4);
        /* mov eax, gs:[10h]; mov gs:[14h], eax; mov ebx, fs:[0] */
        g_assert_cmpint(ISA_RUN(t, 0x65, 0xa1, 0x10, 0, 0, 0, 0x65, 0xa3, 0x14, 0, 0, 0, 0x64, 0x8b, 0x1d, 0, 0, 0, 0),
                        ==, VECTOR_GP);
        g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, 0x12345678);
        g_assert_cmpmem(t->ram + ISA_DATA + 0x1014, 4, "\x78\x56\x34\x12", 4);
        g_assert_cmphex(t->c->ctx.seg[X86_GS].base, ==, ISA_DATA + 0x1000);
        g_assert_cmphex(t->c->ctx.seg[X86_GS].sel, ==, TLS);
        g_assert_cmpuint(enters(t), >, 0);
        isa_free(t);
    }
}

/* A segment that is not the whole address space does not run natively, and its limit counts. */
static void test_limits(void)
{
    static const enum x86_sreg segments[] = {X86_GS, X86_DS, X86_SS};
    /* mov eax, [100000h] by that segment */
    static const uint8_t codes[][7] = {
        {0x65, 0x8b, 0x05, 0, 0, 0x20, 0}, {0x8b, 0x05, 0, 0, 0x20, 0, 0x90}, {0x36, 0x8b, 0x05, 0, 0, 0x20, 0}};

    for (unsigned n = 0; n < G_N_ELEMENTS(segments); n++) {
        struct isa *t = native();

        compatible(t);
        t->c->ctx.seg[segments[n]].base = 0;
        t->c->ctx.seg[segments[n]].limit = 0x1fffff;
        cpum_mode_update(t->c);
        g_assert_cmpint(isa_run(t, codes[n], 7), ==, segments[n] == X86_SS ? 12 : VECTOR_GP);
        g_assert_cmphex(isa_frame(t, 1), ==, t->code);
        g_assert_cmpuint(enters(t), ==, 0);
        isa_free(t);
    }
}

/* Vector and place, from the frame of the 64-bit kernel. */
static void test_exceptions(void)
{
    static const struct {
        uint8_t code[8];
        uint8_t size, at;
        int vector;
    } rows[] = {
        {{0xb8, 20, 0, 0, 0, 0xcd, 0x80}, 7, 7, LINUX_CALL}, /* mov eax, 20; int 80h: behind it */
        {{0x31, 0xc9, 0xf7, 0xf1}, 4, 2, VECTOR_DE},
        {{0x90, 0xd4, 0x00}, 3, 1, VECTOR_DE}, /* aam 0 */
        {{0x90, 0xcc}, 2, 2, VECTOR_BP},
        {{0xcd, 0x03}, 2, 2, VECTOR_BP},
        {{0xcd, 0x04}, 2, 2, VECTOR_OF},
        {{0xb0, 0x7f, 0x04, 0x01, 0xce}, 5, 5, VECTOR_OF}, /* mov al, 127; add al, 1; into */
        {{0x6a, 0x00, 0x6a, 0x00, 0x40, 0x62, 0x04, 0x24},
         8,
         5,
         VECTOR_BR}, /* push 0; push 0; inc eax; bound eax, [esp] */
        {{0x90, 0x0f, 0x0b}, 3, 1, VECTOR_UD},
        {{0x90, 0xfa}, 2, 1, VECTOR_GP},
        {{0x90, 0xcd, 0x40}, 3, 3, 0x40},
    };
    struct isa *t = native();

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        compatible(t);
        t->c->ctx.gpr[X86_RAX] = 0;
        g_assert_cmpint(isa_run(t, rows[n].code, rows[n].size), ==, rows[n].vector);
        g_assert_cmphex(isa_frame(t, rows[n].vector == VECTOR_GP ? 1 : 0), ==, t->code + rows[n].at);
        if (rows[n].vector == LINUX_CALL)
            g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, 20);
    }
    g_assert_cmpuint(enters(t), >=, G_N_ELEMENTS(rows) - 2);
    isa_free(t);
}

/* Each has the guest's answer; on the host it would be the host's, or none. */
static void test_refused(void)
{
    static const struct {
        const char *name;
        uint8_t code[8];
        uint8_t size;
    } rows[] = {
        {"mov eax, cs", {0x8c, 0xc8}, 2},
        {"push ds; pop eax", {0x1e, 0x58}, 2},
        {"push gs; pop eax", {0x0f, 0xa8, 0x58}, 3},
        {"pushf; pop eax", {0x9c, 0x58}, 2},
        {"mov ds, ecx", {0x8e, 0xd9}, 2},
        {"push ecx; pop es", {0x51, 0x07}, 2},
        {"les eax, [edi]", {0xc4, 0x07}, 2},
        {"lgs eax, [edi]", {0x0f, 0xb5, 0x07}, 3},
        {"lar", {0x0f, 0x02, 0xc1}, 3},
        {"sidt", {0x0f, 0x01, 0x0f}, 3},
        {"sysenter", {0x0f, 0x34}, 2},
        {"syscall", {0x0f, 0x05}, 2},
        {"into", {0xb0, 0x7f, 0x04, 0x01, 0xce}, 5},
        {"push cs; push edi; retf", {0x0e, 0x57, 0xcb}, 3},
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        struct isa *pair[] = {native(), isa_new()};
        int how[2];

        for (unsigned k = 0; k < 2; k++) {
            compatible(pair[k]);
            pair[k]->c->ctx.gpr[X86_RDI] = ISA_DATA;
            pair[k]->c->ctx.gpr[X86_RCX] = 0x23;
            how[k] = isa_run(pair[k], rows[n].code, rows[n].size);
        }
        g_test_message("%s", rows[n].name);
        g_assert_cmpint(how[0], ==, how[1]);
        g_assert_cmpmem(pair[0]->c->ctx.gpr, sizeof pair[0]->c->ctx.gpr, pair[1]->c->ctx.gpr,
                        sizeof pair[1]->c->ctx.gpr);
        g_assert_cmpmem(pair[0]->ram + ISA_DATA, 16, pair[1]->ram + ISA_DATA, 16);
        g_assert_cmpuint(raw_stats(pair[0]->c)->refused, ==, 1);
        isa_free(pair[0]);
        isa_free(pair[1]);
    }
}

/* Bytes that are nothing in 64-bit code and PUSH DS in 32-bit code: a page is judged for each. */
static void test_both_kinds(void)
{
    static const uint8_t code[] = {0xf4, 0x1e, 0x58, 0xf4}; /* hlt; push ds; pop eax; hlt */
    struct isa *t = native();

    isa_mode(t, X86_MODE_64);
    isa_user(t);
    t->c->ctx.rflags |= CPUM_FL_IF;
    g_assert_cmpint(isa_run(t, code, sizeof code), ==, VECTOR_GP);
    g_assert_cmpuint(enters(t), >, 0);
    g_assert_cmpuint(raw_stats(t->c)->refused, ==, 0);
    user(t);
    t->code += 1;
    g_assert_cmpint(isa_go(t), ==, VECTOR_GP);
    g_assert_cmphex(t->c->ctx.gpr[X86_RAX], ==, USER_DS);
    g_assert_cmpuint(raw_stats(t->c)->refused, ==, 1);
    isa_free(t);
}

/* The instruction that follows INT 4 is not the one that traps (64-bit code). */
static void test_int4_of_64(void)
{
    struct isa *t = native();

    isa_mode(t, X86_MODE_64);
    isa_user(t);
    t->c->ctx.rflags |= CPUM_FL_IF;
    g_assert_cmpint(ISA_RUN(t, 0x90, 0xcd, 0x04, 0x0f, 0x0b), ==, VECTOR_OF);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 3);
    isa_free(t);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*fn)(void);
    } tests[] = {
        {"/raw32/loop", test_loop},        {"/raw32/segments", test_segments},
        {"/raw32/limits", test_limits},    {"/raw32/exceptions", test_exceptions},
        {"/raw32/refused", test_refused},  {"/raw32/both-kinds", test_both_kinds},
        {"/raw32/int-4", test_int4_of_64},
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned n = 0; n < G_N_ELEMENTS(tests); n++)
        g_test_add_func(tests[n].path, tests[n].fn);
    return g_test_run();
}
