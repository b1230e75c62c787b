/*
 * em_test.c - a vCPU thread that halts and is woken: by interrupts that come at any moment, and by requests.
 */
#include "vmm/em/em.h"

#include <string.h>

#include "harness.h"

#define VECTOR   0x40
#define ROUNDS   3000u
#define SPAM_MAX 200
#define WAIT_US  5000000

/* An interrupt controller that may say "look" when there is nothing, as a masked or withdrawn interrupt does. */
struct rig {
    struct isa *t;
    struct cpum_outside outside;
    gint pending, taken;
};

static int pending(void *user, unsigned cpu)
{
    (void)cpu;
    return g_atomic_int_get(&((struct rig *)user)->pending) ? VECTOR : -1;
}

static int acknowledge(void *user, unsigned cpu)
{
    struct rig *r = user;

    (void)cpu;
    if (!g_atomic_int_compare_and_exchange(&r->pending, 1, 0))
        return -1;
    g_atomic_int_inc(&r->taken);
    return VECTOR;
}

/* Interrupts on; halts for ever, and so does the handler, after switching them on again: sti; hlt; jmp */
static void rig_init(struct rig *r)
{
    static const uint8_t loop[] = {0xfb, 0xf4, 0xeb, 0xfd};

    *r = (struct rig){.t = isa_new()};
    isa_mode(r->t, X86_MODE_64);
    isa_load(r->t, loop, sizeof loop);
    memcpy(r->t->ram + ISA_HANDLERS + 16 * VECTOR, loop, sizeof loop);
    r->outside = *r->t->c->outside;
    r->outside.interrupt_pending = pending;
    r->outside.interrupt_acknowledge = acknowledge;
    r->t->c->outside = &r->outside;
    r->t->c->outside_user = r;
    r->t->c->ctx.rip = r->t->code;
}

static gpointer run(gpointer user)
{
    struct rig *r = user;

    g_assert_cmpint(em_run(r->t->c), ==, EM_EXIT_REQUEST);
    return NULL;
}

static bool taken_in_time(struct rig *r, gint count)
{
    gint64 end = g_get_monotonic_time() + WAIT_US;

    while (g_atomic_int_get(&r->taken) != count)
        if (g_get_monotonic_time() > end)
            return false;
    return true;
}

/*
 * "Look again" is posted without pause while there is nothing, then once more when there is something: whatever the
 * flag's state was when the vCPU went to sleep, the last post reaches it.
 */
static void test_no_lost_wake_up(void)
{
    struct rig r;
    GThread *thread;

    em_rescue_init();
    rig_init(&r);
    thread = g_thread_new("vcpu", run, &r);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (gint32 n = g_test_rand_int_range(1, SPAM_MAX); n > 0; n--)
            em_post(r.t->c, FF_INTR);
        g_atomic_int_set(&r.pending, 1);
        em_post(r.t->c, FF_INTR);
        if (!taken_in_time(&r, (gint)round + 1))
            g_error("round %u: the vCPU sleeps on", round);
    }
    em_post(r.t->c, FF_REQUEST);
    g_thread_join(thread);
    g_assert_cmpuint(r.t->c->stat_halted.count, >, ROUNDS / 2);
    isa_free(r.t);
}

/* Interrupts off: only requests wake, and interrupts that come meanwhile cost nothing but a look. */
static void test_masked(void)
{
    static const uint8_t halt[] = {0xfa, 0xf4}; /* cli; hlt */
    struct rig r;
    GThread *thread;

    rig_init(&r);
    isa_load(r.t, halt, sizeof halt);
    g_atomic_int_set(&r.pending, 1);
    thread = g_thread_new("vcpu", run, &r);
    for (unsigned n = 0; n < 100; n++) {
        em_post(r.t->c, FF_INTR);
        g_usleep(100);
    }
    g_assert_cmpint(g_atomic_int_get(&r.taken), ==, 0);
    em_post(r.t->c, FF_REQUEST);
    g_thread_join(thread);
    g_assert_cmpint(r.t->c->ctx.activity, ==, CPUM_HALTED); /* it sleeps on when it is let go */
    isa_free(r.t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/em/no-lost-wake-up", test_no_lost_wake_up);
    g_test_add_func("/em/masked", test_masked);
    return g_test_run();
}
