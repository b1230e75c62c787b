/*
 * trpm_test.c - injected events: when they are taken, and what is said about them.
 */
#include <string.h>

#include "harness.h"
#include "vmm/ssm/ssm.h"
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

static bool load(const void *p, size_t bytes)
{
    g_autoptr(GError) error = NULL;
    struct ssm_reader r;

    ssm_reader_init(&r, p, bytes);
    trpm_load(t->c, &r);
    return ssm_reader_finish(&r, "cpum", &error);
}

/* A saved state keeps what is injected; what nobody could have injected refuses it. */
static void test_state(void)
{
    static const uint64_t impossible[] = {1, 1ull << 63 | 6 << 8, 1ull << 63 | 32, 3ull << 62, 1ull << 63 | 2 << 16};
    const struct trpm_event gp = {.vector = 13, .kind = TRPM_FAULT, .has_error = true, .error = 0xfedc1234};
    const uint64_t none = 0;
    struct ssm_writer w;

    fresh();
    g_assert_true(trpm_inject(t->c, &gp));
    ssm_writer_init(&w);
    trpm_save(t->c, &w);
    isa_free(t);
    fresh();
    g_assert_true(load(w.data, w.len));
    g_assert_cmpint(ISA_RUN(t, NOP), ==, 13);
    g_assert_cmphex(isa_frame(t, 0), ==, 0xfedc1234);
    for (size_t n = 0; n < G_N_ELEMENTS(impossible); n++)
        g_assert_false(load(&impossible[n], 8));
    g_assert_true(trpm_inject(t->c, &gp));
    g_assert_true(load(&none, 8));
    g_assert_cmpint(ISA_RUN(t, NOP), ==, ISA_DONE);
    ssm_writer_fini(&w);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trpm/exception", test_exception);
    g_test_add_func("/trpm/interrupt", test_interrupt);
    g_test_add_func("/trpm/nmi", test_nmi);
    g_test_add_func("/trpm/state", test_state);
    return g_test_run();
}
