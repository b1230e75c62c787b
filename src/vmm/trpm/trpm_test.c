/*
 * trpm_test.c - injected events: when they are taken, and what is said about them.
 */
#include <string.h>

#include "harness.h"
#include "vmm/trpm/trpm.h"

enum { NOP = 0x90, STI = 0xfb };

static struct isa *t;

static void fresh(void)
{
    t = isa_new();
    isa_mode(t, X86_MODE_64);
}

static void test_exception(void)
{
    const struct trpm_event gp = {.vector = 13, .kind = TRPM_FAULT, .has_error = true, .error = 0x1234};

    fresh();
    g_assert_true(trpm_inject(t->c, &gp));
    g_assert_false(trpm_inject(t->c, &gp)); /* one waits already */
    g_assert_cmpint(ISA_RUN(t, NOP), ==, 13);
    g_assert_cmphex(isa_frame(t, 0), ==, 0x1234);
    g_assert_cmphex(isa_frame(t, 1), ==, ISA_CODE); /* before the first instruction */
    g_assert_true(trpm_inject(t->c, &gp));
    isa_free(t);
}

static void test_interrupt(void)
{
    const struct trpm_event irq = {.vector = 0x40, .kind = TRPM_IRQ};
    g_autoptr(GString) out = g_string_new(NULL);

    fresh();
    g_assert_true(trpm_inject(t->c, &irq));
    g_assert_cmpint(ISA_RUN(t, NOP, NOP), ==, ISA_DONE); /* IF = 0 */
    trpm_info(t->c, out);
    g_assert_nonnull(strstr(out->str, "injected: vector 40, interrupt\n"));
    g_assert_cmpint(ISA_RUN(t, STI, NOP, NOP), ==, 0x40);
    g_assert_cmphex(isa_frame(t, 0), ==, ISA_CODE + 2); /* behind the shadow of STI */
    isa_free(t);
}

static void test_nmi(void)
{
    const struct trpm_event nmi = {.vector = 2, .kind = TRPM_NMI};

    fresh();
    t->c->ctx.nmi_blocked = 1;
    g_assert_true(trpm_inject(t->c, &nmi));
    g_assert_cmpint(ISA_RUN(t, NOP), ==, ISA_DONE);
    t->c->ctx.nmi_blocked = 0;
    g_assert_cmpint(ISA_RUN(t, NOP), ==, 2);
    g_assert_true(t->c->ctx.nmi_blocked);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trpm/exception", test_exception);
    g_test_add_func("/trpm/interrupt", test_interrupt);
    g_test_add_func("/trpm/nmi", test_nmi);
    return g_test_run();
}
