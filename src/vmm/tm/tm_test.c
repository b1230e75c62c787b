/* tm_test.c - clocks and timers on stepped time; the thread and the host's TSC with real time, whose length is only
 * compared, never assumed. */
#include "vmm/tm/tm.h"

#include <string.h>

#define US     UINT64_C(1000)
#define MS     UINT64_C(1000000)
#define NS_SEC UINT64_C(1000000000)

struct rec {
    struct tm_machine *tm;
    struct tm_timer *timer;
    GString *trace;
    const char *name;
    uint64_t fired_at, again_ns;
    unsigned count;
    bool free_self;
};

static void expired(void *arg)
{
    struct rec *r = arg;

    r->fired_at = tm_now_ns(r->tm, TM_VIRTUAL_SYNC);
    r->count++;
    if (r->trace)
        g_string_append(r->trace, r->name);
    if (r->again_ns)
        tm_timer_at(r->timer, r->fired_at + r->again_ns);
    if (r->free_self)
        tm_timer_free(r->timer);
}

static void rec_init(struct rec *r, struct tm_machine *tm, const char *name, GString *trace)
{
    *r = (struct rec){.tm = tm, .name = name, .trace = trace};
    r->timer = tm_timer_new(tm, TM_VIRTUAL_SYNC, name, expired, r);
}

static void test_order(void)
{
    struct tm_machine *tm = tm_new_stepped(1);
    g_autoptr(GString) trace = g_string_new(NULL);
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    static const uint64_t when[] = {30, 10, 20, 10, TM_NEVER};
    struct rec r[5];

    for (int i = 0; i < 5; i++)
        rec_init(&r[i], tm, names[i], trace);
    for (int i = 0; i < 5; i++)
        tm_timer_at(r[i].timer, when[i]);
    tm_step_ns(tm, 100); /* still paused */
    g_assert_cmpstr(trace->str, ==, "");
    tm_resume(tm);
    tm_step_ns(tm, 9);
    g_assert_cmpstr(trace->str, ==, "");
    tm_step_ns(tm, 1);
    g_assert_cmpstr(trace->str, ==, "bd");
    tm_timer_at(r[2].timer, TM_NEVER);
    g_assert_cmpuint(tm_timer_when_ns(r[2].timer), ==, TM_NEVER);
    tm_step_ns(tm, 100);
    g_assert_cmpstr(trace->str, ==, "bda");
    g_assert_cmpuint(r[0].fired_at, ==, 30);
    g_assert_cmpuint(tm_now_ns(tm, TM_VIRTUAL_SYNC), ==, 110);
    tm_timer_at(r[4].timer, 5); /* the past */
    tm_step_ns(tm, 0);
    g_assert_cmpstr(trace->str, ==, "bdae");
    for (int i = 0; i < 5; i++)
        tm_timer_free(r[i].timer);
    tm_free(tm);
}

/* Many timers in random order come out sorted. */
static void test_heap(void)
{
    struct tm_machine *tm = tm_new_stepped(1);
    static struct rec r[500];
    GRand *rng = g_rand_new_with_seed(3);
    uint64_t when[500];

    tm_resume(tm);
    for (int i = 0; i < 500; i++)
        rec_init(&r[i], tm, "x", NULL);
    for (int i = 0; i < 5000; i++) {
        int k = g_rand_int_range(rng, 0, 500);
        when[k] = (uint64_t)g_rand_int_range(rng, 1, 1000000);
        tm_timer_at(r[k].timer, g_rand_int_range(rng, 0, 5) ? when[k] : TM_NEVER);
        when[k] = tm_timer_when_ns(r[k].timer);
    }
    for (int i = 0; i < 500; i++)
        when[i] = tm_timer_when_ns(r[i].timer);
    tm_step_ns(tm, 1000000);
    for (int i = 0; i < 500; i++) {
        g_assert_cmpuint(r[i].count, ==, when[i] != TM_NEVER);
        if (when[i] != TM_NEVER)
            g_assert_cmpuint(r[i].fired_at, ==, when[i]);
        tm_timer_free(r[i].timer);
    }
    g_rand_free(rng);
    tm_free(tm);
}

static void test_periodic_and_free(void)
{
    struct tm_machine *tm = tm_new_stepped(1);
    struct rec r;

    tm_resume(tm);
    rec_init(&r, tm, "tick", NULL);
    r.again_ns = MS;
    tm_timer_at(r.timer, MS);
    tm_step_ns(tm, 1000 * MS);
    g_assert_cmpuint(r.count, ==, 1000);
    r.free_self = true;
    tm_step_ns(tm, 10 * MS);
    g_assert_cmpuint(r.count, ==, 1001);
    tm_free(tm);
}

static void test_pause(void)
{
    struct tm_machine *tm = tm_new_stepped(2);
    struct rec r;

    rec_init(&r, tm, "x", NULL);
    tm_set_ns(tm, 5 * NS_SEC); /* a loaded state */
    tm_tsc_set(tm, 1, 777);
    g_assert_cmpuint(tm_tsc(tm, 1), ==, 777);
    tm_resume(tm);
    tm_timer_at(r.timer, 5 * NS_SEC + 100);
    tm_step_ns(tm, 50);
    tm_pause(tm);
    g_assert_true(tm_paused(tm));
    g_assert_cmpuint(tm_tsc(tm, 0), ==, 50);
    tm_step_ns(tm, NS_SEC);
    tm_poll(tm);
    g_assert_cmpuint(r.count, ==, 0);
    g_assert_cmpuint(tm_now_ns(tm, TM_VIRTUAL), ==, 5 * NS_SEC + 50);
    tm_resume(tm);
    tm_step_ns(tm, 50);
    g_assert_cmpuint(r.count, ==, 1);
    g_assert_cmpuint(tm_tsc(tm, 0), ==, 100);
    g_assert_cmpuint(tm_tsc(tm, 1), ==, 877);
    g_assert_cmpuint(tm_tsc(tm, 99), ==, 0);
    tm_timer_free(r.timer);
    tm_free(tm);
}

/* The host was away for @away: no tick is lost, the clock never jumps, and it is back after a bounded time. */
static void test_catch_up(void)
{
    static const uint64_t aways[] = {100 * US, 5 * MS, 100 * MS, 2 * NS_SEC, 40 * NS_SEC};

    for (size_t i = 0; i < G_N_ELEMENTS(aways); i++) {
        struct tm_machine *tm = tm_new_stepped(1);
        struct rec r;
        uint64_t last = 0, sum = 0;

        tm_resume(tm);
        rec_init(&r, tm, "tick", NULL);
        r.again_ns = MS;
        tm_timer_at(r.timer, MS);
        tm_step_ns(tm, MS / 2);
        tm_skip_ns(tm, aways[i]);
        g_assert_cmpuint(tm_now_ns(tm, TM_VIRTUAL_SYNC), ==, MIN(MS, MS / 2 + aways[i]));
        while (tm_lag_ns(tm) != 0 || sum == 0) {
            uint64_t now;
            last = tm_now_ns(tm, TM_VIRTUAL_SYNC);
            tm_step_ns(tm, MS);
            sum += MS;
            now = tm_now_ns(tm, TM_VIRTUAL_SYNC);
            g_assert_cmpuint(now, >=, last);
            g_assert_cmpuint(now - last, <=, 5 * MS);
            g_assert_cmpuint(sum, <, 2 * aways[i] + 100 * MS);
        }
        g_assert_cmpuint(tm_now_ns(tm, TM_VIRTUAL_SYNC), ==, tm_now_ns(tm, TM_VIRTUAL));
        g_assert_cmpuint(r.count, ==, tm_now_ns(tm, TM_VIRTUAL) / MS);
        tm_timer_free(r.timer);
        tm_free(tm);
    }
}

/* More than a minute: given up, the clock stays behind and goes on at normal speed. */
static void test_give_up(void)
{
    struct tm_machine *tm = tm_new_stepped(1);
    struct rec r;
    int64_t utc;

    tm_resume(tm);
    rec_init(&r, tm, "tick", NULL);
    tm_timer_at(r.timer, NS_SEC);
    tm_skip_ns(tm, 100 * NS_SEC);
    tm_step_ns(tm, 0);
    g_assert_cmpuint(tm_lag_ns(tm), ==, 0);
    g_assert_cmpuint(tm_now_ns(tm, TM_VIRTUAL_SYNC), ==, NS_SEC);
    utc = tm_utc_ns(tm);
    tm_step_ns(tm, 5);
    g_assert_cmpuint(tm_now_ns(tm, TM_VIRTUAL_SYNC), ==, NS_SEC + 5);
    g_assert_cmpint(tm_utc_ns(tm), ==, utc + 5);
    g_assert_cmpint(utc / (int64_t)NS_SEC, ==, 946684800 + 100);
    tm_timer_free(r.timer);
    tm_free(tm);
}

static void test_info(void)
{
    struct tm_machine *tm = tm_new_stepped(2);
    g_autoptr(GString) out = g_string_new(NULL);
    struct rec r;

    rec_init(&r, tm, "pit", NULL);
    tm_info_timers(tm, true, out);
    g_assert_cmpstr(out->str, ==, "");
    tm_info_timers(tm, false, out);
    tm_info_clocks(tm, out);
    g_assert_nonnull(strstr(out->str, "pit"));
    g_assert_nonnull(strstr(out->str, "paused"));
    tm_timer_free(r.timer);
    tm_free(tm);
}

/* ---- the thread ---- */

static void count_up(void *arg)
{
    g_atomic_int_inc((gint *)arg);
}

static gpointer arm_and_free(gpointer user)
{
    gint fired = 0;

    for (int i = 0; i < 2000; i++) {
        struct tm_timer *t = tm_timer_new(user, (enum tm_clock)(i % TM_CLOCKS), "t", count_up, &fired);
        tm_timer_at(t, i % 3 ? 0 : tm_now_ns(user, (enum tm_clock)(i % TM_CLOCKS)) + 1000);
        if (i % 2)
            tm_poll(user);
        tm_timer_free(t);
    }
    return NULL;
}

static void test_thread(void)
{
    struct tm_machine *tm = tm_new(4, 0, NULL);
    gint fired = 0;
    struct tm_timer *t = tm_timer_new(tm, TM_VIRTUAL_SYNC, "t", count_up, &fired);
    GThread *th[3];
    uint64_t tsc;

    g_assert_cmpuint(tm_tsc_hz(tm), >, 100000000);
    g_assert_cmpuint(tm_tsc(tm, 0), ==, 0);
    tm_timer_at(t, MS);
    tm_resume(tm);
    while (g_atomic_int_get(&fired) == 0)
        g_usleep(100);
    g_assert_cmpuint(tm_now_ns(tm, TM_VIRTUAL_SYNC), >=, MS);
    for (int i = 0; i < 3; i++)
        th[i] = g_thread_new("arm", arm_and_free, tm);
    for (int i = 0; i < 50; i++) {
        tm_pause(tm);
        tsc = tm_tsc(tm, 3);
        g_assert_cmpuint(tm_tsc(tm, 3), ==, tsc);
        tm_resume(tm);
    }
    for (int i = 0; i < 3; i++)
        g_thread_join(th[i]);
    g_assert_cmpint(g_atomic_int_get(&fired), ==, 1);
    tm_timer_free(t);
    tm_free(tm);
}

static uint64_t mono_ns(void)
{
    return (uint64_t)g_get_monotonic_time() * US;
}

/* The guest's TSC goes at the frequency it is told, by the host's clock, and is the same on all vCPUs. */
static void test_tsc_rate(void)
{
    struct tm_machine *tm = tm_new(2, 0, NULL);
    uint64_t before_ns, from_ns, to_ns, after_ns, from, to, other;
    double least, most, seconds;

    tm_resume(tm);
    before_ns = mono_ns();
    from = tm_tsc(tm, 0);
    from_ns = mono_ns();
    g_usleep(200000);
    to_ns = mono_ns();
    to = tm_tsc(tm, 0);
    other = tm_tsc(tm, 1);
    g_assert_cmpuint(other, >=, to);
    g_assert_cmpuint(tm_tsc(tm, 0), >=, other);
    after_ns = mono_ns();
    seconds = (double)(to - from) / (double)tm_tsc_hz(tm);
    least = (double)(to_ns - from_ns) / NS_SEC;
    most = (double)(after_ns - before_ns) / NS_SEC;
    g_assert_cmpfloat(seconds, >, least * 0.998);
    g_assert_cmpfloat(seconds, <, most * 1.002);
    tm_free(tm);
}

/* Freed while its callback may be running, again and again. */
static void test_free_race(void)
{
    struct tm_machine *tm = tm_new(1, 0, NULL);

    tm_resume(tm);
    for (int i = 0; i < 3000; i++) {
        gint *fired = g_new0(gint, 1);
        struct tm_timer *t = tm_timer_new(tm, TM_REAL, "t", count_up, fired);
        tm_timer_at(t, 0);
        if (i % 4)
            g_thread_yield();
        tm_timer_free(t);
        g_free(fired);
    }
    tm_free(tm);
}

static void test_offset(void)
{
    g_autoptr(GError) error = NULL;
    struct tm_machine *tm = tm_new(1, INT64_C(-86400000), NULL);
    int64_t host_ns = g_get_real_time() * 1000;

    g_assert_cmpint(tm_utc_ns(tm), <, host_ns - INT64_C(86399000000000) + 1);
    tm_free(tm);
    g_assert_null(tm_new(1, INT64_MAX, &error));
    g_assert_nonnull(error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tm/order", test_order);
    g_test_add_func("/tm/heap", test_heap);
    g_test_add_func("/tm/periodic-and-free", test_periodic_and_free);
    g_test_add_func("/tm/pause", test_pause);
    g_test_add_func("/tm/catch-up", test_catch_up);
    g_test_add_func("/tm/give-up", test_give_up);
    g_test_add_func("/tm/info", test_info);
    g_test_add_func("/tm/thread", test_thread);
    g_test_add_func("/tm/tsc-rate", test_tsc_rate);
    g_test_add_func("/tm/free-race", test_free_race);
    g_test_add_func("/tm/offset", test_offset);
    return g_test_run();
}
