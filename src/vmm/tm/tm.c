/*
 * tm.c - TM's object, and stepping it in tests.
 */
#include "vmm/tm/tm.h"

#include "rt/status.h"
#include "vmm/info/info.h"
#include "vmm/stam/stam.h"
#include "vmm/tm/tm_int.h"

#define NS_MS 1000000

/* A timer that always arms itself for now would keep a step from ending. */
#define STEP_TIMERS_MAX 1000000u

static struct tm_machine *make(unsigned cpus, bool stepped)
{
    struct tm_machine *tm = g_new0(struct tm_machine, 1);

    g_mutex_init(&tm->lock);
    g_cond_init(&tm->idle);
    tm->cpus = MIN(cpus, TM_CPUS_MAX);
    tm->stepped = stepped;
    tm_tsc_init(tm);
    return tm;
}

struct tm_machine *tm_new(unsigned cpus, int64_t utc_offset_ms, GError **error)
{
    struct tm_machine *tm;

    if (utc_offset_ms > INT64_MAX / 4 / NS_MS || utc_offset_ms < -(INT64_MAX / 4 / NS_MS)) {
        g_set_error(error, STATUS_ERROR, VERR_OUT_OF_RANGE, "time offset of %" G_GINT64_FORMAT " ms is out of range",
                    utc_offset_ms);
        return NULL;
    }
    tm = make(cpus, false);
    tm->utc_offset_ns = utc_offset_ms * NS_MS;
    if (tm_timers_start(tm, error))
        return tm;
    tm_free(tm);
    return NULL;
}

struct tm_machine *tm_new_stepped(unsigned cpus)
{
    struct tm_machine *tm = make(cpus, true);

    tm_timers_start(tm, NULL);
    return tm;
}

void tm_free(struct tm_machine *tm)
{
    if (tm == NULL)
        return;
    tm_timers_stop(tm);
    g_cond_clear(&tm->idle);
    g_mutex_clear(&tm->lock);
    g_free(tm);
}

void tm_skip_ns(struct tm_machine *tm, uint64_t ns)
{
    g_return_if_fail(tm->stepped);
    g_mutex_lock(&tm->lock);
    if (tm->running)
        tm->step_ns += ns;
    g_mutex_unlock(&tm->lock);
}

void tm_step_ns(struct tm_machine *tm, uint64_t ns)
{
    uint64_t until;
    unsigned ran = 0;

    g_return_if_fail(tm->stepped);
    g_mutex_lock(&tm->lock);
    until = tm->step_ns + (tm->running ? ns : 0);
    while (ran < STEP_TIMERS_MAX) {
        uint64_t next;
        ran += tm_deliver(tm, 1);
        next = tm_next_host_ns(tm);
        if (next > until || !tm->running)
            break;
        tm->step_ns = MAX(tm->step_ns, next);
    }
    if (tm->running)
        tm->step_ns = MAX(tm->step_ns, until);
    tm_rearm(tm, true);
    g_mutex_unlock(&tm->lock);
}

/* ---- registries ---- */

static void info_clocks(void *user, const char *args, GString *out)
{
    (void)args;
    tm_info_clocks(user, out);
}

static void info_timers(void *user, const char *args, GString *out)
{
    (void)args;
    tm_info_timers(user, false, out);
}

static void info_active_timers(void *user, const char *args, GString *out)
{
    (void)args;
    tm_info_timers(user, true, out);
}

void tm_register(struct tm_machine *tm, struct stam *stam, struct info *info)
{
    stam_add(stam, "/TM/Timers/Fired", STAM_COUNTER, &tm->fired, "times", "Callbacks of timers of all clocks");
    stam_add(stam, "/TM/VirtualSync/GivenUp", STAM_U64, &tm->given_up_ns, "ns", "Lag that is not caught up with");
    stam_add(stam, "/TM/TSC/Frequency", STAM_U64, &tm->tsc_hz, "Hz", "Of the guest's time stamp counters");
    info_add(info, "clocks", "the machine's clocks and time stamp counters", info_clocks, tm);
    info_add(info, "timers", "all timers", info_timers, tm);
    info_add(info, "activetimers", "armed timers", info_active_timers, tm);
}
