/*
 * policy_test.c - when a program is let in and sent out; time is stepped.
 *
 * A program is played: it computes for some time natively, s times as long outside, then traps; the guest's kernel
 * takes what it takes; inside a trap costs more, and more still if a page has to be mapped.
 */
#include "vmm/raw/raw_int.h"

#define US      UINT64_C(1000)
#define MS      UINT64_C(1000000)
#define ROOT    UINT64_C(0x1234000)
#define OTHER   UINT64_C(0x5678000)
#define COST_NS (16 * US)
#define MAP_NS  (12 * US)

static const char a_jail;
#define JAIL ((const struct jail *)(const void *)&a_jail)

static struct {
    uint64_t now_ns, spent_ns, used_ns;
} host;

static uint64_t now_ns(void)
{
    return host.now_ns;
}

static uint64_t spent_ns(void)
{
    return host.spent_ns;
}

static uint64_t used_ns(const struct jail *j)
{
    g_assert_true(j == JAIL);
    return host.used_ns;
}

static struct raw *begin(void)
{
    static const struct raw_times times = {now_ns, spent_ns, used_ns};
    struct raw *r = g_new0(struct raw, 1);

    r->c = g_new0(struct vcpu, 1);
    r->times = &times;
    r->cost_ns = COST_NS;
    r->map_ns = MAP_NS;
    host.now_ns = host.spent_ns = host.used_ns = 1000 * MS;
    return r;
}

static void end(struct raw *r)
{
    g_free(r->c);
    g_free(r);
}

struct program {
    uint64_t computes_ns, kernel_ns; /* between two traps, natively; in the guest's kernel */
    unsigned slowness;               /* tenths: of translated code */
    bool fills;                      /* each trap is for a new page */
};

static void vcpu_works(uint64_t ns)
{
    host.now_ns += ns;
    host.spent_ns += ns;
}

/* Half of a trap's costs are the jail's, half the thread's. */
static void one_inside(struct raw *r, const struct program *p, uint64_t root)
{
    const uint64_t costs = COST_NS + (p->fills ? MAP_NS : 0);
    const uint64_t ran_ns = p->computes_ns + COST_NS / 2;

    host.used_ns += p->computes_ns + costs / 2;
    host.now_ns += p->computes_ns + costs / 2;
    if (!raw_policy_stay(r, root, JAIL, ran_ns))
        return;
    vcpu_works(p->kernel_ns + costs / 2);
    if (p->fills && raw_policy_enter(r, root))
        raw_policy_filled(r, root);
}

static void one_outside(struct raw *r, const struct program *p, uint64_t root)
{
    vcpu_works(p->computes_ns * p->slowness / 10 + p->kernel_ns);
    r->c->stat_xcpts += p->fills;
    raw_policy_enter(r, root);
}

static bool is_in(struct raw *r, uint64_t root)
{
    for (unsigned n = 0; n < RAW_POLICIES; n++)
        if (r->policy[n].root == root)
            return r->policy[n].in;
    return false;
}

/* @wall_ns of the program's life. Return: how many traps it came to. */
static unsigned live(struct raw *r, const struct program *p, uint64_t root, uint64_t wall_ns)
{
    const uint64_t until = host.now_ns + wall_ns;
    unsigned traps = 0;

    for (; host.now_ns < until; traps++)
        if (is_in(r, root))
            one_inside(r, p, root);
        else
            one_outside(r, p, root);
    return traps;
}

/* The traps it would come to if it stayed on one side. */
static unsigned alone_on(const struct program *p, bool inside, uint64_t wall_ns)
{
    const uint64_t costs = inside ? COST_NS + (p->fills ? MAP_NS : 0) : 0;

    return (unsigned)(wall_ns / (p->computes_ns * (inside ? 10 : p->slowness) / 10 + p->kernel_ns + costs));
}

/* Whatever a program is like: in the long run it gets on nearly as fast as on its better side. */
static void test_better_side(void)
{
    static const struct program programs[] = {
        {1000 * US, 1 * US, 13, false}, {1000 * US, 1 * US, 50, false},  {100 * US, 1 * US, 13, false},
        {100 * US, 1 * US, 20, false},  {100 * US, 300 * US, 30, false}, {30 * US, 1 * US, 13, false},
        {30 * US, 1 * US, 30, false},   {10 * US, 1 * US, 20, false},    {1 * US, 1 * US, 30, false},
        {1 * US, 0, 12, false},         {30 * US, 10 * US, 17, true},    {100 * US, 10 * US, 17, true},
        {50 * US, 10 * US, 30, true},   {2 * US, 10 * US, 20, true},     {400 * US, 10 * US, 12, true},
        {40 * US, 10 * US, 11, true},
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(programs); n++) {
        const struct program *p = &programs[n];
        const unsigned best = MAX(alone_on(p, false, 4000 * MS), alone_on(p, true, 4000 * MS));
        struct raw *r = begin();
        unsigned traps;

        live(r, p, ROOT, 200 * MS); /* to settle */
        traps = live(r, p, ROOT, 4000 * MS);
        g_test_message("program %u: %u of %u; admitted %u times", n, traps, best, (unsigned)r->stats.admitted);
        g_assert_cmpuint(traps, >=, best - best / 7);
        end(r);
    }
}

/* A loop comes in after 5 ms of processor time and stays; a busy host and a sleeping guest do not count. */
static void test_enter(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, false};
    struct raw *r = begin();

    one_outside(r, &loop, ROOT);
    host.now_ns += 1000 * MS;
    one_outside(r, &loop, ROOT);
    g_assert_false(is_in(r, ROOT));
    live(r, &loop, ROOT, 6 * MS);
    g_assert_true(is_in(r, ROOT));
    live(r, &loop, ROOT, 1000 * MS);
    g_assert_true(is_in(r, ROOT));
    g_assert_cmpuint(r->stats.expelled, ==, 0);
    end(r);
}

/* Time between two asks belongs to nobody if another address space asked in between. */
static void test_shared(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, false};
    struct raw *r = begin();

    for (unsigned n = 0; n < 100; n++) {
        one_outside(r, &loop, ROOT);
        one_outside(r, &loop, OTHER);
    }
    g_assert_cmpuint(r->stats.admitted, ==, 0);
    end(r);
}

/* Return: how long it lived until it was in, or was not. */
static uint64_t until(struct raw *r, const struct program *p, bool in)
{
    const uint64_t since = host.now_ns;

    while (is_in(r, ROOT) != in)
        live(r, p, ROOT, MS / 4);
    return host.now_ns - since;
}

/* One that computes outside and makes system calls inside is sent out within milliseconds, each time for longer. */
static void test_pauses(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, false}, calls = {1 * US, 1 * US, 20, false};
    struct raw *r = begin();

    until(r, &loop, true);
    for (unsigned n = 0; n < 10; n++) {
        const uint64_t pause_ns = 20 * MS << MIN(n, 7);

        g_assert_cmpuint(until(r, &calls, false), <=, 5 * MS);
        g_assert_cmpuint(until(r, &loop, true) - pause_ns, <=, 10 * MS);
    }
    live(r, &loop, ROOT, 1000 * MS); /* forgiven */
    until(r, &calls, false);
    g_assert_cmpuint(until(r, &loop, true), <=, 30 * MS);
    end(r);
}

/* New pages alone: out within a millisecond if it does nothing else; the pause does not get longer. */
static void test_haste(void)
{
    static const struct program touches = {2 * US, 10 * US, 20, true}, loop = {1000 * US, 1 * US, 20, false};
    struct raw *r = begin();

    for (unsigned n = 0; n < 5; n++) {
        live(r, &loop, ROOT, 40 * MS);
        g_assert_true(is_in(r, ROOT));
        live(r, &touches, ROOT, 2 * MS);
        g_assert_false(is_in(r, ROOT));
        g_assert_cmpuint(r->stats.expelled, ==, n + 1);
    }
    end(r);
}

/* Sent out because it got on slower than before; it turns out that the program itself had changed. */
static void test_comes_back(void)
{
    static const struct program before = {100 * US, 1 * US, 11, true}, after = {150 * US, 100 * US, 20, true};
    struct raw *r = begin();

    live(r, &before, ROOT, 7 * MS);
    g_assert_true(is_in(r, ROOT));
    live(r, &after, ROOT, 20 * MS);
    g_assert_cmpuint(r->stats.expelled, <=, 1);
    live(r, &after, ROOT, 20 * MS);
    g_assert_true(is_in(r, ROOT));
    live(r, &after, ROOT, 1000 * MS);
    g_assert_true(is_in(r, ROOT));
    g_assert_cmpuint(r->stats.expelled, <=, 1);
    end(r);
}

/* Tests take every program at once and keep it. */
static void test_whenever_possible(void)
{
    static const struct program calls = {1 * US, 1 * US, 20, true};
    struct raw *r = begin();

    r->will = RAW_WHENEVER_POSSIBLE;
    g_assert_true(raw_policy_enter(r, ROOT));
    for (unsigned n = 0; n < 1000; n++) {
        host.used_ns += calls.computes_ns;
        g_assert_true(raw_policy_stay(r, ROOT, JAIL, calls.computes_ns));
        g_assert_true(raw_policy_filled(r, ROOT));
    }
    end(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/raw/policy/enter", test_enter);
    g_test_add_func("/raw/policy/shared", test_shared);
    g_test_add_func("/raw/policy/pauses", test_pauses);
    g_test_add_func("/raw/policy/haste", test_haste);
    g_test_add_func("/raw/policy/comes-back", test_comes_back);
    g_test_add_func("/raw/policy/better-side", test_better_side);
    g_test_add_func("/raw/policy/whenever-possible", test_whenever_possible);
    return g_test_run();
}
