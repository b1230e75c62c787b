/*
 * em_raw_test.c - a vCPU thread whose guest is in a jail looks up when it is asked to, and ends when the jail is
 * killed.
 */
#include <signal.h>
#include <string.h>

#include "harness.h"
#include "vmm/em/em.h"
#include "vmm/raw/raw.h"

#define WAIT_US 2000000 /* how long it may take */
#define THREADS 32u

static struct isa *begin(void)
{
    struct isa *t = isa_new();
    g_autoptr(GError) error = NULL;

    isa_native(t, &error);
    g_assert_no_error(error);
    isa_mode(t, X86_MODE_64);
    isa_user(t);
    t->c->ctx.rflags |= CPUM_FL_IF;
    return t;
}

static gpointer ask(gpointer user)
{
    struct isa *t = user;

    while (raw_stats(t->c)->enters == 0)
        g_usleep(1000);
    g_usleep(20000);
    em_post(t->c, FF_REQUEST);
    return NULL;
}

/* Loops that never end by themselves: jmp $, and a REP that would take years. */
static void test_request(void)
{
    static const uint8_t codes[][12] = {{0xeb, 0xfe},
                                        {0x48, 0xc7, 0xc1, 0xff, 0xff, 0xff, 0xff, 0x31, 0xf6, 0xf3, 0xac}};

    for (unsigned n = 0; n < G_N_ELEMENTS(codes); n++) {
        struct isa *t = begin();
        GThread *other;
        gint64 since;

        isa_load(t, codes[n], sizeof codes[n]);
        t->c->ctx.rip = t->code;
        other = g_thread_new("ask", ask, t);
        since = g_get_monotonic_time();
        g_assert_cmpint(em_run(t->c), ==, EM_EXIT_REQUEST);
        g_assert_cmpint(g_get_monotonic_time() - since, <, WAIT_US);
        g_thread_join(other);
        isa_free(t);
    }
}

static gpointer stop_and_ask(gpointer user)
{
    struct isa *t = user;
    pid_t threads[THREADS];

    while (raw_stats(t->c)->enters == 0)
        g_usleep(1000);
    g_usleep(20000);
    for (unsigned n = 0; n < raw_threads(t->c, threads, G_N_ELEMENTS(threads)); n++)
        kill(threads[n], SIGSTOP);
    g_usleep(20000);
    em_post(t->c, FF_REQUEST);
    return NULL;
}

/* Its jails are stopped from outside: they are asked to look up all the same. */
static void test_stopped(void)
{
    struct isa *t = begin();
    GThread *other = g_thread_new("stop", stop_and_ask, t);
    gint64 since = g_get_monotonic_time();

    isa_load(t, (const uint8_t[]){0xeb, 0xfe}, 2);
    t->c->ctx.rip = t->code;
    g_assert_cmpint(em_run(t->c), ==, EM_EXIT_REQUEST);
    g_assert_cmpint(g_get_monotonic_time() - since, <, WAIT_US);
    g_thread_join(other);
    isa_free(t);
}

static gpointer kill_jails(gpointer user)
{
    struct isa *t = user;
    pid_t threads[THREADS];

    while (raw_stats(t->c)->enters == 0)
        g_usleep(1000);
    g_usleep(20000);
    for (unsigned n = 0; n < raw_threads(t->c, threads, G_N_ELEMENTS(threads)); n += 2)
        kill(threads[n], SIGKILL);
    return NULL;
}

/* Its jail is killed from outside: the machine ends with that reason. */
static void test_lost(void)
{
    struct isa *t = begin();
    GThread *other = g_thread_new("kill", kill_jails, t);

    isa_load(t, (const uint8_t[]){0xeb, 0xfe}, 2);
    t->c->ctx.rip = t->code;
    g_assert_cmpint(em_run(t->c), ==, EM_EXIT_FATAL);
    g_assert_nonnull(strstr(em_fatal_text(t->c), "raw mode"));
    g_thread_join(other);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/em/raw/request", test_request);
    g_test_add_func("/em/raw/stopped", test_stopped);
    g_test_add_func("/em/raw/lost", test_lost);
    return g_test_run();
}
