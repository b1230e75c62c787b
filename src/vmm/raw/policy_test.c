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

static uint64_t now_ns(const struct raw *r)
{
    (void)r;
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

/*
 * What stops a program: a page it did not have, which its kernel makes; one it had, but its jail has not; an
 * instruction that traps in there alone.
 */
enum stop { CALL, NEW_PAGE, OLD_PAGE, SURPRISE };

struct program {
    uint64_t computes_ns, kernel_ns; /* between two traps, natively; in the guest's kernel */
    unsigned slowness;               /* tenths: of translated code */
    enum stop stop;
};

static void vcpu_works(uint64_t ns)
{
    host.now_ns += ns;
    host.spent_ns += ns;
}

static uint64_t costs_ns(const struct program *p)
{
    return COST_NS + (p->stop == NEW_PAGE || p->stop == OLD_PAGE ? MAP_NS : 0);
}

/* Two thirds of a trap's costs are the thread's, the rest the jail's. */
static void one_inside(struct raw *r, const struct program *p, uint64_t root)
{
    const uint64_t costs = costs_ns(p);

    raw_policy_visit(r, root);
    vcpu_works(costs * 2 / 3);
    host.used_ns += p->computes_ns + costs / 3;
    host.now_ns += p->computes_ns + costs / 3;
    raw_policy_stay(r, root, JAIL, p->computes_ns + costs / 3);
    if (p->stop == OLD_PAGE)
        raw_policy_filled(r);
    if (p->stop == CALL || p->stop == NEW_PAGE)
        raw_policy_shown(r);
    raw_policy_visited(r);
    if (p->stop != OLD_PAGE)
        vcpu_works(p->kernel_ns);
}

static void one_outside(struct raw *r, const struct program *p, uint64_t root)
{
    vcpu_works(p->computes_ns * p->slowness / 10 + p->kernel_ns);
    r->c->stat_xcpts += p->stop == NEW_PAGE;
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
    const uint64_t costs = inside ? costs_ns(p) : 0;

    return (unsigned)(wall_ns / (p->computes_ns * (inside ? 10 : p->slowness) / 10 + p->kernel_ns + costs));
}

/* One that is clearly better off on one side is there nearly all of its time; no other loses much. */
static void test_better_side(void)
{
    static const struct program programs[] = {
        {1000 * US, 1 * US, 13, CALL},     {1000 * US, 1 * US, 50, CALL},
        {100 * US, 1 * US, 20, CALL},      {100 * US, 300 * US, 30, CALL},
        {30 * US, 1 * US, 30, CALL},       {10 * US, 1 * US, 20, CALL},
        {1 * US, 1 * US, 30, CALL},        {1 * US, 0, 12, CALL},
        {5 * US, 10 * US, 17, NEW_PAGE},   {25 * US, 5 * US, 19, NEW_PAGE},
        {50 * US, 10 * US, 18, NEW_PAGE},  {2 * US, 10 * US, 20, NEW_PAGE},
        {400 * US, 10 * US, 12, NEW_PAGE},
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(programs); n++) {
        const struct program *p = &programs[n];
        const unsigned best = MAX(alone_on(p, false, 8000 * MS), alone_on(p, true, 8000 * MS));
        struct raw *r = begin();
        unsigned traps;

        live(r, p, ROOT, 500 * MS); /* to settle */
        traps = live(r, p, ROOT, 8000 * MS);
        g_test_message("program %u: %u of %u; admitted %u times", n, traps, best, (unsigned)r->stats.admitted);
        g_assert_cmpuint(traps, >=, best - best / 20);
        end(r);
    }
}

/* The kernel makes page after page: outside each trap is counted with the page it would need inside. */
static void test_new_pages(void)
{
    static const struct program makes = {25 * US, 5 * US, 19, NEW_PAGE}, calls = {25 * US, 5 * US, 19, CALL};
    struct raw *r = begin();

    live(r, &makes, ROOT, 1000 * MS);
    g_assert_cmpuint(r->stats.admitted, ==, 0);
    live(r, &calls, ROOT, 20 * MS);
    g_assert_cmpuint(r->stats.admitted, ==, 1);
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

/* A loop comes in after 5 ms of processor time and stays; a busy host and a sleeping guest do not count. */
static void test_enter(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, CALL};
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
    static const struct program loop = {1000 * US, 1 * US, 20, CALL};
    struct raw *r = begin();

    for (unsigned n = 0; n < 100; n++) {
        one_outside(r, &loop, ROOT);
        one_outside(r, &loop, OTHER);
    }
    g_assert_cmpuint(r->stats.admitted, ==, 0);
    end(r);
}

/*
 * One that computes outside and traps inside is sent out within milliseconds, each time for longer, and for much longer
 * if nothing of that is seen outside; one that computed inside for a while comes back as soon as it computes again.
 */
static void test_pauses(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, CALL};
    static const struct {
        struct program traps;
        unsigned doubles;
    } cases[] = {{{1 * US, 1 * US, 20, CALL}, 1}, {{1 * US, 1 * US, 20, SURPRISE}, 5}};

    for (unsigned k = 0; k < G_N_ELEMENTS(cases); k++) {
        struct raw *r = begin();

        until(r, &loop, true);
        for (unsigned n = 0; n < 10; n++) {
            const uint64_t pause_ns = 5 * MS << MIN(n, cases[k].doubles);

            g_assert_cmpuint(until(r, &cases[k].traps, false), <=, 5 * MS);
            g_assert_cmpuint(until(r, &loop, true) - pause_ns, <=, 10 * MS);
        }
        live(r, &loop, ROOT, 1000 * MS); /* forgiven */
        until(r, &cases[k].traps, false);
        g_assert_cmpuint(until(r, &loop, true), <=, 8 * MS);
        end(r);
    }
}

/* Code that is changed and run by turns stops at each: that is enough after a few of them. */
static void test_in_vain(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, CALL}, changes = {1 * US, 0, 20, SURPRISE};
    static const struct program asks = {200 * US, 0, 20, SURPRISE}, calls = {1 * US, 0, 20, CALL};
    struct raw *r = begin();

    until(r, &loop, true);
    live(r, &asks, ROOT, 100 * MS);
    g_assert_true(is_in(r, ROOT));
    live(r, &changes, ROOT, MS / 2);
    g_assert_false(is_in(r, ROOT));
    until(r, &loop, true);
    live(r, &calls, ROOT, MS / 2);
    g_assert_true(is_in(r, ROOT));
    end(r);
}

/* Another program in the same address space has nothing to do with what this one did. */
static void test_forget(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, CALL}, traps = {1 * US, 1 * US, 20, SURPRISE};
    struct raw *r = begin();

    for (unsigned n = 0; n < 5; n++) {
        until(r, &loop, true);
        until(r, &traps, false);
    }
    raw_policy_forget(r, ROOT);
    g_assert_cmpuint(until(r, &loop, true), <=, 10 * MS);
    raw_policy_forget(r, ROOT);
    g_assert_false(is_in(r, ROOT));
    end(r);
}

/* Pages that it had before it came are paid for once: it may take its time with them. */
static void test_old_pages(void)
{
    static const struct program loop = {1000 * US, 1 * US, 20, CALL}, warms_up = {64 * US, 0, 20, OLD_PAGE};
    struct raw *r = begin();

    until(r, &loop, true);
    live(r, &warms_up, ROOT, 100 * MS);
    g_assert_true(is_in(r, ROOT));
    end(r);
}

/* Code that is not translated yet makes the run loop ask as well: no traps, while nothing went through the kernel. */
static void test_cold_code(void)
{
    static const struct program cold = {2 * US, 0, 50, CALL};
    struct raw *r = begin();

    r->c->ctx.rip = 0x1000; /* not where RCX points to, as behind a system call */
    g_assert_cmpuint(until(r, &cold, true), <=, 6 * MS);
    end(r);
}

/* The clock of the processor time is not read at each ask, and yet nothing else's time counts. */
static void test_short(void)
{
    static const struct program calls = {1 * US, 1 * US, 10, CALL};
    struct raw *r = begin();

    one_outside(r, &calls, ROOT);
    for (unsigned n = 0; n < 100; n++) {
        host.now_ns += 50 * US; /* somebody else's */
        one_outside(r, &calls, ROOT);
        one_outside(r, &calls, ROOT);
    }
    for (unsigned n = 0; n < RAW_POLICIES; n++)
        if (r->policy[n].root == ROOT)
            g_assert_cmpuint(r->policy[n].busy_ns, ==, 400 * US);
    end(r);
}

/* Tests take every program at once and keep it. */
static void test_whenever_possible(void)
{
    static const struct program calls = {1 * US, 1 * US, 20, NEW_PAGE};
    struct raw *r = begin();

    r->will = RAW_WHENEVER_POSSIBLE;
    g_assert_true(raw_policy_enter(r, ROOT));
    for (unsigned n = 0; n < 1000; n++) {
        host.used_ns += calls.computes_ns;
        g_assert_true(raw_policy_stay(r, ROOT, JAIL, calls.computes_ns));
    }
    end(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/raw/policy/enter", test_enter);
    g_test_add_func("/raw/policy/shared", test_shared);
    g_test_add_func("/raw/policy/pauses", test_pauses);
    g_test_add_func("/raw/policy/in-vain", test_in_vain);
    g_test_add_func("/raw/policy/forget", test_forget);
    g_test_add_func("/raw/policy/new-pages", test_new_pages);
    g_test_add_func("/raw/policy/old-pages", test_old_pages);
    g_test_add_func("/raw/policy/cold-code", test_cold_code);
    g_test_add_func("/raw/policy/short", test_short);
    g_test_add_func("/raw/policy/better-side", test_better_side);
    g_test_add_func("/raw/policy/whenever-possible", test_whenever_possible);
    return g_test_run();
}
