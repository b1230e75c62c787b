/*
 * iem_test.c - the interpreter on hand-picked cases: what the comparison with the host cannot show. The run loop's own
 * are here.
 */
#include "iem_test.h"

struct isa *t;
uint64_t *g;

void fresh(enum x86_mode mode)
{
    isa_mode(t, mode);
    g = t->c->ctx.gpr;
}

void poke(uint64_t gpa, uint64_t val, unsigned bytes)
{
    pgm_phys_write(t->pgm, gpa, &val, bytes);
}

uint64_t peek(uint64_t gpa, unsigned bytes)
{
    uint64_t val = 0;

    pgm_phys_read(t->pgm, gpa, &val, bytes);
    return val;
}

void unmap(uint64_t gla)
{
    poke(ISA_PT + 8 * ((gla - ISA_DATA) >> 12), 0, 8);
    pgm_mmu_invlpg(&t->c->mmu, gla);
}

void map(uint64_t gla)
{
    poke(ISA_PT + 8 * ((gla - ISA_DATA) >> 12), gla | 7, 8);
    pgm_mmu_invlpg(&t->c->mmu, gla);
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

static const struct iem_case run_cases[] = {
    {"run/budget", test_budget},
    {"run/break", test_debugger_break},
    {"run/step", test_step},
    {"run/debug-access", test_debug_access},
    {"run/cache", test_cache_recycled},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    const struct iem_case *const tables[] = {iem_fault_cases, iem_smc_cases, iem_mode_cases, iem_event_cases,
                                             run_cases};
    int rc;

    g_test_init(&argc, &argv, NULL);
    t = isa_new();
    for (size_t n = 0; n < G_N_ELEMENTS(tables); n++)
        for (const struct iem_case *c = tables[n]; c->name; c++) {
            g_autofree char *path = g_strconcat("/iem/", c->name, NULL);

            g_test_add_func(path, c->run);
        }
    rc = g_test_run();
    isa_free(t);
    return rc;
}
