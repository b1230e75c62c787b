/*
 * link_test.c - indirect jumps and calls that expect a target: the same, others in turn, changed code, another page at
 * the same address, none at all.
 */
#include "harness.h"

#include "vmm/rem/segment.h"

#define FUNCTIONS 6u
#define FUNCTION  (ISA_DATA + 0x1100) /* + 1000h each: mov eax, n; ret */
#define POINTERS  (ISA_DATA + 0x10000)
#define COUNT     64u

/* l: call [rsi + rbx * 8]; add rdx, rax; inc ebx; dec ecx; jnz l */
static const uint8_t calls[] = {0xff, 0x14, 0xde, 0x48, 0x01, 0xc2, 0xff, 0xc3, 0xff, 0xc9, 0x75, 0xf4};

static uint64_t *reg(struct isa *t, unsigned n)
{
    return &t->c->ctx.gpr[n];
}

static uint64_t *pte(struct isa *t, uint64_t gla)
{
    return (uint64_t *)(void *)(t->ram + ISA_PT) + ((gla - ISA_DATA) >> 12);
}

static uint64_t function(unsigned n)
{
    return FUNCTION + 0x1000 * (uint64_t)n;
}

static void put_function(struct isa *t, unsigned n, uint8_t value)
{
    const uint8_t code[] = {0xb8, value, 0, 0, 0, 0xc3};

    pgm_phys_write(t->pgm, function(n), code, sizeof code);
}

static struct isa *fresh(void)
{
    struct isa *t = isa_new();

    isa_faults();
    isa_recompile(t, 0);
    isa_mode(t, X86_MODE_64);
    for (unsigned n = 0; n < FUNCTIONS; n++)
        put_function(t, n, (uint8_t)(n + 1));
    return t;
}

/* Calls function which(k) for k = 0, 1, ... and checks the sum. */
static void run(struct isa *t, unsigned (*which)(unsigned k), const uint8_t value[FUNCTIONS])
{
    uint64_t sum = 0;

    for (unsigned k = 0; k < COUNT; k++) {
        uint64_t to = function(which(k));
        memcpy(t->ram + POINTERS + 8 * (size_t)k, &to, 8);
        sum += value[which(k)];
    }
    *reg(t, X86_RSI) = POINTERS;
    *reg(t, X86_RBX) = *reg(t, X86_RDX) = 0;
    *reg(t, X86_RCX) = COUNT;
    g_assert_cmpint(isa_run(t, calls, sizeof calls), ==, ISA_DONE);
    g_assert_cmpuint(*reg(t, X86_RDX), ==, sum);
    g_assert_cmpuint(*reg(t, X86_RSP), ==, t->stack);
}

/* Calls what the first pointer leads to. */
static int call_first(struct isa *t, uint64_t to)
{
    memcpy(t->ram + POINTERS, &to, 8);
    *reg(t, X86_RSI) = POINTERS;
    *reg(t, X86_RBX) = 0;
    *reg(t, X86_RCX) = 1;
    return isa_go(t);
}

static unsigned always(unsigned k)
{
    (void)k;
    return 2;
}

static unsigned in_turn(unsigned k)
{
    return k % FUNCTIONS;
}

static unsigned two(unsigned k)
{
    return k % 7 == 3;
}

static const uint8_t values[FUNCTIONS] = {1, 2, 3, 4, 5, 6};

/* Once a target is known C code is not needed again, whether the jump expects it or not. */
static void test_targets(void)
{
    static unsigned (*const orders[])(unsigned k) = {always, in_turn, two, always};

    for (unsigned n = 0; n < G_N_ELEMENTS(orders); n++) {
        struct isa *t = fresh();
        for (unsigned k = 0; k < 3; k++)
            run(t, orders[n], values);
        uint64_t slow = rem_stats(t->c)->slow;
        run(t, orders[n], values);
        g_assert_cmpuint(rem_stats(t->c)->slow, ==, slow + 1); /* HLT */
        isa_free(t);
    }
}

/*
 * Targets that are asked for often are found by translated code itself; where that takes more memory than it may,
 * all are forgotten now and then, and nothing else changes.
 */
static void test_room(void)
{
    struct isa *t = fresh();
    struct rem *r = t->c->rem;
    uint64_t enters;

    for (unsigned k = 0; k < 3; k++)
        run(t, in_turn, values);
    g_assert_cmpuint(r->parts, ==, 0); /* not yet often */
    for (unsigned k = 0; k < 20; k++)
        run(t, in_turn, values);
    g_assert_cmpuint(r->parts, >=, FUNCTIONS - 1); /* and one is expected */
    enters = r->stats.enters;
    run(t, in_turn, values);
    g_assert_cmpuint(r->stats.enters - enters, <, 5);
    g_assert_cmpuint(r->stats.targets_forgotten, ==, 0);
    r->parts_max = 2;
    put_function(t, 0, 1); /* another page's code is made, and may be what is forgotten next */
    for (unsigned k = 0; k < 60; k++) {
        const uint8_t changed[FUNCTIONS] = {1, 2, 3, (uint8_t)(10 + k), 5, 6};
        put_function(t, 3, changed[3]);
        run(t, in_turn, changed);
        if (r->stats.targets_forgotten != 0)
            g_assert_cmpuint(r->parts, <=, 2);
    }
    g_assert_cmpuint(r->stats.targets_forgotten, >, 1);
    isa_free(t);
}

/* What is expected changes, and later it is another page's code at the same address. */
static void test_changes(void)
{
    const uint8_t changed[FUNCTIONS] = {1, 2, 77, 4, 5, 6}, mapped[FUNCTIONS] = {1, 2, 5, 4, 5, 6};
    struct isa *t = fresh();

    run(t, always, values);
    run(t, always, values);
    put_function(t, 2, 77);
    run(t, always, changed);
    run(t, always, changed);
    *pte(t, function(2)) = *pte(t, function(4)); /* the same place in the page */
    pgm_mmu_flush(&t->c->mmu, true);
    run(t, always, mapped);
    run(t, always, mapped);
    *pte(t, function(2)) = 0;
    pgm_mmu_flush(&t->c->mmu, true);
    g_assert_cmpint(call_first(t, function(2)), ==, 14);
    g_assert_cmphex(t->c->ctx.cr2, ==, function(2));
    isa_free(t);
}

/* An address nobody has code at, for which an empty X entry could be taken for that of the expected place. */
static void test_empty(void)
{
    struct isa *t = fresh();
    uint64_t key, to;

    run(t, always, values);
    run(t, always, values);
    g_assert_true(rem_key(t->c, function(2), &key));
    const struct rem_page *page = rem_page_find(t->c->rem, function(2) & ~UINT64_C(0xfff), key);
    g_assert_nonnull(page);
    to = (uint64_t)(uintptr_t)(page->entry + (function(2) & 0xfff)) / 4;
    g_assert_cmpint(call_first(t, to), ==, 6); /* no memory there: ff ff ff */
    g_assert_cmphex(isa_frame(t, 0), ==, to);
    isa_free(t);
}

/* What makes an address non-canonical, whatever of it the tables look at. */
static const uint64_t wrong[] = {
    UINT64_C(1) << 47,  UINT64_C(1) << 48, UINT64_C(1) << 50, UINT64_C(1) << 61,
    UINT64_C(1) << 62,  UINT64_C(1) << 63, UINT64_C(3) << 62, UINT64_C(0x7fff) << 47,
    UINT64_C(-1) << 48, UINT64_C(5) << 61, UINT64_C(3) << 46, UINT64_C(1) << 62 | UINT64_C(1) << 46,
};

/* #GP is the call's own: nothing has been pushed. The call expects its target, or has stopped to. */
static void test_not_canonical(void)
{
    static unsigned (*const orders[])(unsigned k) = {always, in_turn};

    for (unsigned k = 0; k < G_N_ELEMENTS(orders); k++) {
        struct isa *t = fresh();
        for (unsigned n = 0; n < G_N_ELEMENTS(wrong); n++) {
            run(t, orders[k], values);
            run(t, orders[k], values);
            g_assert_cmpint(call_first(t, function(2) ^ wrong[n]), ==, 13);
            g_assert_cmphex(isa_frame(t, 1), ==, t->code);
            *reg(t, X86_RSP) = t->stack;
        }
        isa_free(t);
    }
}

/* The same of JMP and of RET: here: lea rdx, [here]; push rax; ret or jmp rax. It comes back by jmp rdx. */
static void test_not_canonical_jumps(void)
{
    static const uint8_t jump[] = {0x48, 0x8d, 0x15, 0x02, 0, 0, 0, 0xff, 0xe0}, back[] = {0xff, 0xe2};
    static const uint8_t ret[] = {0x48, 0x8d, 0x15, 0x02, 0, 0, 0, 0x50, 0xc3};
    struct isa *t = fresh();

    pgm_phys_write(t->pgm, function(0), back, sizeof back);
    for (unsigned k = 0; k < 2; k++)
        for (unsigned n = 0; n < G_N_ELEMENTS(wrong); n++) {
            const uint8_t *code = k == 0 ? jump : ret;
            *reg(t, X86_RAX) = function(0);
            for (unsigned times = 0; times < 4; times++)
                g_assert_cmpint(isa_run(t, code, sizeof jump), ==, ISA_DONE);
            *reg(t, X86_RAX) = function(0) ^ wrong[n];
            g_assert_cmpint(isa_go(t), ==, 13);
            g_assert_cmphex(isa_frame(t, 1), ==, t->code + (k == 0 ? 7 : 8));
            *reg(t, X86_RSP) = t->stack;
        }
    isa_free(t);
}

/* Addresses that differ in bit 46 alone share an entry of X: the same page at both, or another one. */
static void test_bit_46(void)
{
    const uint64_t other = UINT64_C(1) << 46;
    struct isa *t = fresh();
    uint64_t *pml4 = (uint64_t *)(void *)(t->ram + t->c->ctx.cr3);

    pml4[other >> 39] = pml4[0];
    for (unsigned n = 0; n < 8; n++) {
        run(t, always, values);
        g_assert_cmpint(call_first(t, function(2) ^ other), ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, 3);
        g_assert_cmpint(call_first(t, function(4)), ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, 5);
    }
    pml4[other >> 39] = 0;
    pgm_mmu_flush(&t->c->mmu, true);
    run(t, always, values);
    g_assert_cmpint(call_first(t, function(2) ^ other), ==, 14);
    g_assert_cmphex(t->c->ctx.cr2, ==, function(2) ^ other);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rem/link/targets", test_targets);
    g_test_add_func("/rem/link/room", test_room);
    g_test_add_func("/rem/link/changes", test_changes);
    g_test_add_func("/rem/link/empty", test_empty);
    g_test_add_func("/rem/link/not-canonical", test_not_canonical);
    g_test_add_func("/rem/link/not-canonical-jumps", test_not_canonical_jumps);
    g_test_add_func("/rem/link/bit-46", test_bit_46);
    return g_test_run();
}
