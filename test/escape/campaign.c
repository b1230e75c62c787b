/*
 * campaign.c - random tries at getting out of a jail (doc/raw.md): jail_escapes [--tries N] [--seed N].
 *
 * After each batch the picture from outside has to be what it was before, and the count of system calls that got
 * through still 0; in one batch of eight, system calls are watched as well. A batch that fails is run again with a look
 * after each try, to find the one. Between batches pages change their rights. At the end: how the tries ended.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "generate.h"

#define BATCH     4096u
#define LONG_US   300  /* what does not end by itself is kicked then */
#define WATCHED   8u   /* one batch in so many */
#define SHOW_EACH 100u /* batches */

static struct rig rig;
static uint64_t ends[8], lost, fetched;

static void kick(int signal)
{
    (void)signal;
    jail_kick(rig.jail);
}

static void kick_in(long us)
{
    const struct itimerval t = {.it_value = {.tv_usec = us}};

    setitimer(ITIMER_REAL, &t, NULL);
}

/* The places outside code and data show different pages, or none, with different rights; never written and executed. */
static void change_maps(struct rng *g)
{
    static const unsigned rights[] = {0, JAIL_READ, JAIL_READ | JAIL_WRITE, JAIL_READ | JAIL_EXEC};
    struct jail_map maps[4];

    for (unsigned n = 0; n < G_N_ELEMENTS(maps); n++)
        maps[n] = (struct jail_map){RIG_READ_ONLY + (1 + n) * JAIL_PAGE_BYTES, JAIL_PAGE_BYTES,
                                    (2 + rng_below(g, 2)) * JAIL_PAGE_BYTES, rights[rng_below(g, 4)]};
    g_assert_cmpint(jail_map(rig.jail, maps, G_N_ELEMENTS(maps)), ==, G_N_ELEMENTS(maps));
}

/* Return: false: a system call got through. */
static bool one(const struct try *t, bool watched)
{
    unsigned executed = 0, how;
    struct jail_trap trap = {0};
    enum jail_end end;

    rig_code(&rig, t->code, t->size, t->bits);
    *jail_regs(rig.jail) = t->regs;
    kick_in(LONG_US);
    end = watched ? rig_run_watched(&rig, &trap, &executed) : rig_run(&rig, &trap);
    how = payload_end(&rig, t->size, end, &trap);
    if (how == 0)
        lost++;
    else
        ends[__builtin_ctz(how)]++;
    fetched += how == SEGV && trap.address == jail_regs(rig.jail)->rip;
    return executed == 0 && how != 0 && rig_code_intact(&rig);
}

/* A kick that came between two runs would be seen as a signal. */
static void drain(void)
{
    struct jail_trap t;

    kick_in(0);
    do
        rig_code(&rig, NULL, 0, 64);
    while (rig_run(&rig, &t) == JAIL_KICKED);
}

static char *look(void)
{
    drain();
    return rig_picture(&rig);
}

static void show(const struct try *t)
{
    const uint64_t *words = (const uint64_t *)(const void *)&t->regs;

    printf("%u-bit code:", t->bits);
    for (unsigned n = 0; n < t->size; n++)
        printf(" %02x", t->code[n]);
    printf("\nregisters (struct user_regs_struct):");
    for (unsigned n = 0; n < sizeof t->regs / sizeof *words; n++)
        printf(" %" G_GINT64_MODIFIER "x", words[n]);
    printf("\n");
}

/* Runs @g's batch. @each: look after every try and tell which. Return: what has changed, NULL = nothing. */
static char *batch(struct rng g, bool watched, bool each)
{
    g_autofree char *before = look();
    bool fine = true;

    for (unsigned n = 0; n < BATCH && fine; n++) {
        struct try t;

        generate(&g, jail_stub(rig.jail), &t);
        fine = one(&t, watched) && rig_executed(&rig) == 0;
        if (each || !fine) {
            g_autofree char *now = look(), *what = rig_difference(before, now);
            fine = fine && what == NULL;
        }
        if (!fine)
            show(&t);
    }
    g_autofree char *after = look();
    if (!fine)
        return g_strdup_printf("a system call got through, the code has changed, or the jail was lost\n%s",
                               rig_difference(before, after));
    return rig_difference(before, after);
}

static void summary(uint64_t tries, double seconds)
{
    static const char *const names[] = {"ran through", "system call refused", "fault", "invalid opcode", "arithmetic",
                                        "trap",        "alignment",           "kicked"};

    printf("%" G_GUINT64_FORMAT " tries, %.0f s, %.1f us each:", tries, seconds, seconds * 1e6 / (double)tries);
    for (unsigned n = 0; n < G_N_ELEMENTS(names); n++)
        printf(" %s %" G_GUINT64_FORMAT ",", names[n], ends[n]);
    printf(" jails lost %" G_GUINT64_FORMAT "; faults of the fetch %" G_GUINT64_FORMAT "\n", lost, fetched);
    fflush(stdout);
}

static bool run(uint64_t tries, uint64_t seed)
{
    const gint64 since = g_get_monotonic_time();
    struct rng g = {seed};

    for (uint64_t n = 0; n * BATCH < tries; n++) {
        const bool watched = n % WATCHED == 0;
        g_autofree char *what = NULL;

        change_maps(&g);
        what = batch(g, watched, false);
        if (what != NULL) {
            printf("batch %" G_GUINT64_FORMAT " of seed %" G_GUINT64_FORMAT ": %s\nagain, looking after each:\n", n,
                   seed, what);
            g_autofree char *again = batch(g, watched, true);
            printf("%s\n", again != NULL ? again : "not this time");
            return false;
        }
        g.state = rng_next(&g) | 1;
        if (n % SHOW_EACH == SHOW_EACH - 1)
            summary((n + 1) * BATCH, (double)(g_get_monotonic_time() - since) / 1e6);
    }
    summary((tries + BATCH - 1) / BATCH * BATCH, (double)(g_get_monotonic_time() - since) / 1e6);
    return true;
}

int main(int argc, char **argv)
{
    gint64 tries = 100000, seed = 0;
    const GOptionEntry options[] = {
        {"tries", 0, 0, G_OPTION_ARG_INT64, &tries, "how many (rounded up to batches)", "N"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "0: another one each time", "N"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- random tries at getting out of a jail");
    g_autoptr(GError) error = NULL;
    bool held;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "jail_escapes: %s\n", error->message);
        return 2;
    }
    if (seed == 0)
        seed = g_get_real_time();
    printf("seed %" G_GINT64_FORMAT "\n", seed);
    rig_begin(&rig);
    if (rig.counter < 0)
        printf("no tracepoint here: system calls are only watched\n");
    signal(SIGALRM, kick);
    held = run((uint64_t)tries, (uint64_t)seed);
    rig_end(&rig);
    return held ? 0 : 1;
}
