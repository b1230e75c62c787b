/*
 * bulk_test.c - long REP MOVS and REP STOS over ends of pages, beside the host's own on a copy of the memory; pages
 * that are missing, code, or want an interrupt first.
 */
#include "harness.h"

#include "vmm/rem/rem_int.h"

#define WINDOW (8u * CSAM_PAGE_BYTES)
#define CASES  3000u

static struct isa *fresh(enum x86_mode mode)
{
    struct isa *t = isa_new();

    isa_faults();
    isa_recompile(t, 0);
    isa_mode(t, mode);
    return t;
}

static uint64_t *reg(struct isa *t, unsigned n)
{
    return &t->c->ctx.gpr[n];
}

static uint64_t *pte(struct isa *t, unsigned page)
{
    return (uint64_t *)(void *)(t->ram + ISA_PT) + page;
}

struct what {
    bool movs;
    unsigned width; /* log2 of an element's bytes */
    uint64_t from, to, count, value;
};

static unsigned code_of(const struct what *w, uint8_t code[4])
{
    unsigned n = 0;

    if (w->width == 1)
        code[n++] = 0x66;
    code[n++] = 0xf3;
    if (w->width == 3)
        code[n++] = 0x48;
    code[n++] = (uint8_t)((w->movs ? 0xa4 : 0xaa) | (w->width != 0));
    return n;
}

static void put_registers(struct isa *t, const struct what *w)
{
    *reg(t, X86_RSI) = ISA_DATA + w->from;
    *reg(t, X86_RDI) = ISA_DATA + w->to;
    *reg(t, X86_RCX) = w->count;
    *reg(t, X86_RAX) = w->value;
}

#define HOST(insn, ...) __asm__ volatile(insn : "+D"(to), "+S"(from), "+c"(count) : "a"(w->value) : "memory")
static void on_host(const struct what *w, uint8_t *memory)
{
    uint8_t *from = memory + w->from, *to = memory + w->to;
    uint64_t count = w->count;

    switch (w->width * 2 + w->movs) {
    case 0: HOST("rep stosb"); break;
    case 1: HOST("rep movsb"); break;
    case 2: HOST("rep stosw"); break;
    case 3: HOST("rep movsw"); break;
    case 4: HOST("rep stosl"); break;
    case 5: HOST("rep movsl"); break;
    case 6: HOST("rep stosq"); break;
    default: HOST("rep movsq"); break;
    }
}

static struct what random_case(GRand *random, unsigned widths)
{
    struct what w = {.movs = g_rand_boolean(random), .width = (unsigned)g_rand_int_range(random, 0, (int)widths)};
    uint64_t bytes;

    w.value = (uint64_t)g_rand_int(random) << 32 | g_rand_int(random);
    w.from = (uint64_t)g_rand_int_range(random, 0, WINDOW / 2);
    w.to = g_rand_boolean(random) ? (uint64_t)g_rand_int_range(random, 0, WINDOW / 2)
                                  : w.from + (uint64_t)g_rand_int_range(random, 0, 70); /* reads what it writes */
    bytes = (uint64_t)g_rand_int_range(random, 0, (int)(WINDOW - MAX(w.from, w.to)));
    w.count = bytes >> w.width;
    return w;
}

static void random_copies(enum x86_mode mode)
{
    struct isa *t = fresh(mode);
    GRand *random = g_rand_new_with_seed(20 + (unsigned)mode);
    g_autofree uint8_t *expect = g_malloc(WINDOW);
    uint8_t code[4];

    for (unsigned n = 0; n < CASES; n++) {
        struct what w = random_case(random, mode == X86_MODE_64 ? 4 : 3);
        for (unsigned k = 0; k < WINDOW; k++)
            t->ram[ISA_DATA + k] = (uint8_t)(k * 7 + (k >> 8) + n);
        memcpy(expect, t->ram + ISA_DATA, WINDOW);
        on_host(&w, expect);
        put_registers(t, &w);
        g_assert_cmpint(isa_run(t, code, code_of(&w, code)), ==, ISA_DONE);
        g_assert_cmpmem(t->ram + ISA_DATA, WINDOW, expect, WINDOW);
        g_assert_cmphex(*reg(t, X86_RDI), ==, ISA_DATA + w.to + (w.count << w.width));
        g_assert_cmphex(*reg(t, X86_RSI), ==, ISA_DATA + w.from + (w.movs ? w.count << w.width : 0));
        g_assert_cmpuint(*reg(t, X86_RCX), ==, 0);
    }
    g_assert_cmpuint(rem_stats(t->c)->bulks, >, CASES);
    g_rand_free(random);
    isa_free(t);
}

static void test_64(void)
{
    random_copies(X86_MODE_64);
}

static void test_32(void)
{
    random_copies(X86_MODE_32);
}

/* Bytes go by whole pages, however many there are: the interpreter runs nothing. */
static void test_alone(void)
{
    struct isa *t = fresh(X86_MODE_64);
    struct what w = {.movs = true, .from = 5, .to = 2 * CSAM_PAGE_BYTES + 77, .count = 5 * CSAM_PAGE_BYTES};
    uint8_t code[4];

    put_registers(t, &w);
    g_assert_cmpint(isa_run(t, code, code_of(&w, code)), ==, ISA_DONE);
    g_assert_cmpuint(rem_stats(t->c)->bulks, ==, 11); /* five ends of pages on either side */
    g_assert_cmpuint(t->c->rem->slow_by[X86_MOVS], ==, 0);
    isa_free(t);
}

/* The fourth page of the destination is missing: everything in front of it is there, and registers say so. */
static void test_fault(void)
{
    for (unsigned width = 0; width < 4; width++) {
        struct isa *t = fresh(X86_MODE_64);
        struct what w = {.movs = true, .width = width, .from = 0x10000, .to = 0x20 - (width ? 1u : 0), .count = 0x4000};
        uint64_t done = (3 * CSAM_PAGE_BYTES - w.to) >> width;
        uint8_t code[4];

        *pte(t, 3) = 0;
        memset(t->ram + ISA_DATA, 0, 3 * CSAM_PAGE_BYTES);
        memset(t->ram + ISA_DATA + w.from, 0x5a, 4 * CSAM_PAGE_BYTES);
        put_registers(t, &w);
        g_assert_cmpint(isa_run(t, code, code_of(&w, code)), ==, 14);
        g_assert_cmphex(t->c->ctx.cr2, ==, ISA_DATA + 3 * CSAM_PAGE_BYTES);
        g_assert_cmphex(isa_frame(t, 1), ==, t->code);
        g_assert_cmphex(*reg(t, X86_RDI), ==, ISA_DATA + w.to + (done << width));
        g_assert_cmphex(*reg(t, X86_RSI), ==, ISA_DATA + w.from + (done << width));
        g_assert_cmpuint(*reg(t, X86_RCX), ==, w.count - done);
        g_assert_cmphex(t->ram[ISA_DATA + w.to + (done << width) - 1], ==, 0x5a);
        isa_free(t);
    }
}

/* mov ecx, 3000h; rep movsb; mov al, 1; hlt: the copy brings other code to where this stands, which runs next time. */
static void test_over_code(void)
{
    static const uint8_t code[] = {0xb9, 0x00, 0x30, 0x00, 0x00, 0xf3, 0xa4, 0xb0, 0x01, 0xf4};
    struct isa *t = fresh(X86_MODE_64);
    uint8_t *from = t->ram + ISA_DATA + 0x10000;

    t->code = ISA_DATA + 0x1200;
    pgm_phys_write(t->pgm, t->code, code, sizeof code);
    for (unsigned n = 1; n < 4; n++) {
        memcpy(from, t->ram + ISA_DATA, 0x3000);
        from[0x1200 + 8] = (uint8_t)(n + 1);
        *reg(t, X86_RSI) = ISA_DATA + 0x10000;
        *reg(t, X86_RDI) = ISA_DATA;
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmphex(*reg(t, X86_RAX) & 0xff, ==, n + 1); /* seen at once */
        g_assert_cmpuint(*reg(t, X86_RCX), ==, 0);
    }
    isa_free(t);
}

/* A non-canonical pointer is no other page's. */
static void test_not_canonical(void)
{
    struct isa *t = fresh(X86_MODE_64);
    struct what w = {.movs = true, .from = 0, .to = CSAM_PAGE_BYTES / 2, .count = 2 * CSAM_PAGE_BYTES};
    uint8_t code[4];

    put_registers(t, &w);
    g_assert_cmpint(isa_run(t, code, code_of(&w, code)), ==, ISA_DONE);
    put_registers(t, &w);
    *reg(t, X86_RSI) |= UINT64_C(1) << 52;
    g_assert_cmpint(isa_run(t, code, code_of(&w, code)), ==, 13);
    g_assert_cmpuint(*reg(t, X86_RCX), ==, w.count);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rem/bulk/64", test_64);
    g_test_add_func("/rem/bulk/32", test_32);
    g_test_add_func("/rem/bulk/alone", test_alone);
    g_test_add_func("/rem/bulk/fault", test_fault);
    g_test_add_func("/rem/bulk/code", test_over_code);
    g_test_add_func("/rem/bulk/not-canonical", test_not_canonical);
    return g_test_run();
}
