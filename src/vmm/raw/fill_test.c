/*
 * fill_test.c - which pages a jail gets: those the program had, more each time, and nothing that would have to be
 * marked.
 */
#include <string.h>

#include "harness.h"
#include "vmm/raw/raw_int.h"

enum { VECTOR_GP = 13 };
#define PTE_A    0x20u
#define PTE_D    0x40u
#define PAGE     4096u
#define USER_PTE (7u | UINT64_C(1) << 63) /* not executable: that would be code */

static struct isa *begin(void)
{
    struct isa *t = isa_new();
    g_autoptr(GError) error = NULL;

    isa_native(t, &error);
    g_assert_no_error(error);
    isa_mode(t, X86_MODE_64);
    return t;
}

static void user(struct isa *t)
{
    isa_user(t);
    t->c->ctx.rflags = CPUM_FL_1 | CPUM_FL_IF;
    t->c->ctx.gpr[X86_RSP] = t->stack;
}

static uint64_t pte(const struct isa *t, unsigned n)
{
    uint64_t val;

    memcpy(&val, t->ram + ISA_PT + 8 * n, 8);
    return val;
}

static void set_pte(struct isa *t, unsigned n, uint64_t val)
{
    memcpy(t->ram + ISA_PT + 8 * n, &val, 8);
}

/* 512 pages of the test's data, each with its number in it. @apart: none behind its neighbour in memory. */
static void make_region(struct isa *t, bool apart, uint64_t bits)
{
    for (unsigned n = 0; n < 512; n++) {
        const unsigned there = apart ? n ^ 1 : n;

        t->ram[ISA_DATA + there * PAGE] = (uint8_t)n;
        set_pte(t, n, (ISA_DATA + there * PAGE) | USER_PTE | bits);
    }
    pgm_mmu_flush(&t->c->mmu, true);
}

/* Touches all of them from the first. Return: page faults of the jail. */
static uint64_t go_through(struct isa *t)
{
    const uint64_t faults = raw_stats(t->c)->faults;

    user(t);
    t->c->ctx.gpr[X86_RDI] = ISA_DATA;
    t->c->ctx.gpr[X86_RDX] = 0;
    /* mov ecx, 512; 1: movzx eax, byte [rdi]; add edx, eax; add rdi, 4096; dec ecx; jnz 1 */
    g_assert_cmpint(ISA_RUN(t, 0xb9, 0, 2, 0, 0, 0x0f, 0xb6, 0x07, 0x01, 0xc2, 0x48, 0x81, 0xc7, 0, 0x10, 0, 0, 0xff,
                            0xc9, 0x75, 0xf0),
                    ==, VECTOR_GP);
    g_assert_cmpuint(t->c->ctx.gpr[X86_RDX], ==, 2 * (255 * 256 / 2));
    return raw_stats(t->c)->faults - faults;
}

/* Pages the program has touched before come together, in the end all of them; others one by one, and marked. */
static void test_pages_it_had(void)
{
    struct isa *t = begin();

    make_region(t, false, PTE_A | PTE_D);
    g_assert_cmpuint(go_through(t), <=, 14); /* a few blocks, all of it, and the code */
    for (unsigned n = 0; n < 512; n++)
        g_assert_cmphex(pte(t, n) & (PTE_A | PTE_D), ==, PTE_A | PTE_D);
    g_assert_cmpuint(go_through(t), <=, 4);
    make_region(t, true, PTE_A | PTE_D);
    g_assert_cmpuint(go_through(t), <=, 512 / 16 + 4); /* mappings of one page each */
    make_region(t, false, 0);
    g_assert_cmpuint(go_through(t), >=, 512);
    for (unsigned n = 0; n < 512; n++)
        g_assert_cmphex(pte(t, n) & (PTE_A | PTE_D), ==, PTE_A);
    isa_free(t);
}

/* Nearly all pages are others: it is another program, and what the one before had shown does not count. */
static void test_another_program(void)
{
    struct isa *t = begin();
    struct raw_policy *p = &t->c->raw->policy[0];

    make_region(t, false, PTE_A | PTE_D);
    go_through(t);
    while (p->root != raw_root(t->c) && p < &t->c->raw->policy[RAW_POLICIES - 1])
        p++;
    *p = (struct raw_policy){.root = raw_root(t->c), .back_off = 3};
    make_region(t, false, PTE_A | PTE_D);
    go_through(t);
    g_assert_cmpuint(p->back_off, ==, 3);
    for (unsigned n = 0; n < 512; n++)
        set_pte(t, n, 0);
    pgm_mmu_flush(&t->c->mmu, true);
    user(t);
    g_assert_cmpint(ISA_RUN(t, 0x90), ==, VECTOR_GP);
    g_assert_cmpuint(p->back_off, ==, 0);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/raw/fill/had", test_pages_it_had);
    g_test_add_func("/raw/fill/another-program", test_another_program);
    return g_test_run();
}
