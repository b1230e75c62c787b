/*
 * judge_test.c - pages that become other code again and again; time is stepped.
 */
#include <string.h>

#include "harness.h"
#include "vmm/pgm/pgm.h"
#include "vmm/raw/raw_int.h"

#define SECOND UINT64_C(1000000000)

static uint64_t clock_ns;

static uint64_t now_ns(const struct raw *r)
{
    (void)r;
    return clock_ns;
}

static uint64_t spent_ns(void)
{
    return clock_ns;
}

static struct isa *begin(void)
{
    static const struct raw_times times = {now_ns, spent_ns, jail_used_ns};
    struct isa *t = isa_new();
    g_autoptr(GError) error = NULL;

    isa_native(t, &error);
    g_assert_no_error(error);
    isa_mode(t, X86_MODE_64);
    isa_user(t);
    clock_ns = SECOND;
    t->c->raw->times = &times;
    t->c->raw->will = RAW_WHEN_IT_PAYS;
    return t;
}

/* The page has other code, and is asked for. Return: it may run. */
static bool becomes(struct isa *t, uint8_t code)
{
    _Atomic uint32_t *gen;
    uint32_t seen;

    pgm_phys_write(t->pgm, ISA_CODE, &code, 1);
    return raw_judge(t->c->raw, ISA_CODE, ISA_CODE, ISA_CODE, &gen, &seen);
}

/* One that never settles is left to the recompiler; a place where now and then another program is loaded is not. */
static void test_turns(void)
{
    struct isa *t = begin();
    unsigned turns = 0;

    while (turns < 100 && becomes(t, (uint8_t)(0x90 + turns % 8)))
        turns++;
    g_assert_cmpuint(turns, >=, 3);
    g_assert_cmpuint(turns, <=, 10);
    g_assert_true(raw_judged_unfit(t->c->raw, ISA_CODE));
    clock_ns += SECOND;
    g_assert_false(raw_judged_unfit(t->c->raw, ISA_CODE));
    for (unsigned n = 0; n < 100; n++) {
        g_assert_true(becomes(t, (uint8_t)(0x90 + n % 8)));
        clock_ns += SECOND;
    }
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/raw/judge/turns", test_turns);
    return g_test_run();
}
