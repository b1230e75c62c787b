/*
 * clock.c - the virtual clock, and the virtual-sync clock that waits for its timers.
 *
 * Virtual-sync = virtual - given up - lag. The lag is what late timers cost:
 *   - a read that finds the first deadline passed gets that deadline; what is above it becomes lag;
 *   - while there is lag the clock runs faster, by the percentage of catch_up[], until there is none;
 *   - more than 60 s of lag is given up: the clock goes on at normal speed, that much behind for ever, and the log says
 * so. Invariant 1: virtual-sync never goes back and never passes the first armed deadline. Invariant 2: between two
 * reads it advances at most 5 times as much as virtual.
 */
#include "vmm/tm/tm_int.h"

#include <time.h>

#include "rt/log.h"

#define GIVE_UP_NS    (60 * NS_SEC)
#define STEPPED_UTC_S INT64_C(946684800) /* 2000-01-01 */

static const struct {
    uint64_t lag_ns;
    unsigned percent;
} catch_up[] = {
    /* the lag from which on; the last row that fits */
    {0, 5},           {1000000, 10},    {8000000, 25},     {30000000, 75},
    {175000000, 100}, {500000000, 200}, {3 * NS_SEC, 300}, {30 * NS_SEC, 400},
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t tm_host_ns(const struct tm_machine *tm)
{
    return tm->stepped ? tm->step_ns : clock_ns(CLOCK_MONOTONIC);
}

uint64_t tm_virtual_ns(const struct tm_machine *tm)
{
    return tm->running ? tm_host_ns(tm) - tm->base_ns : tm->paused_ns;
}

/* Of the last update. */
static uint64_t lag_ns(const struct tm_machine *tm)
{
    return tm->sync_at_ns - tm->given_up_ns - tm->sync_ns;
}

static unsigned catch_up_percent(uint64_t lag)
{
    unsigned i = G_N_ELEMENTS(catch_up) - 1;

    if (lag == 0)
        return 0;
    while (catch_up[i].lag_ns > lag)
        i--;
    return catch_up[i].percent;
}

/* A while of catching up; the divisions keep hours of it from overflowing. */
static uint64_t part_of(uint64_t ns, unsigned percent)
{
    return ns / 100 * percent + ns % 100 * percent / 100;
}

uint64_t tm_sync_update(struct tm_machine *tm)
{
    uint64_t now = tm_virtual_ns(tm), passed, lag, sync;
    const struct tm_timer *first = tm_heap_first(&tm->heap[TM_VIRTUAL_SYNC]);

    if (now <= tm->sync_at_ns)
        return tm->sync_ns;
    passed = now - tm->sync_at_ns;
    lag = lag_ns(tm);
    sync = tm->sync_ns + passed + MIN(lag, part_of(passed, catch_up_percent(lag))); /* inv 2 */
    if (first && sync > first->when_ns)
        sync = MAX(first->when_ns, tm->sync_ns); /* inv 1 */
    tm->sync_at_ns = now;
    tm->sync_ns = sync;
    lag = lag_ns(tm);
    if (lag > GIVE_UP_NS) {
        tm->given_up_ns += lag;
        tm->gave_up = true;
    }
    return sync;
}

uint64_t tm_clock_ns(struct tm_machine *tm, enum tm_clock clock)
{
    switch (clock) {
    case TM_VIRTUAL: return tm_virtual_ns(tm);
    case TM_VIRTUAL_SYNC: return tm_sync_update(tm);
    default: return tm_host_ns(tm);
    }
}

uint64_t tm_host_deadline_ns(struct tm_machine *tm, enum tm_clock clock, uint64_t when_ns)
{
    uint64_t now, left, host = tm_host_ns(tm);
    unsigned percent = 0;

    if (clock != TM_REAL && !tm->running)
        return TM_NEVER;
    now = tm_clock_ns(tm, clock);
    if (when_ns <= now)
        return host;
    left = when_ns - now;
    if (clock == TM_VIRTUAL_SYNC)
        percent = catch_up_percent(lag_ns(tm));
    if (percent) /* rounded up: at that time it is due */
        left = left / (100 + percent) * 100 + (left % (100 + percent) * 100 + 99 + percent) / (100 + percent);
    return left > TM_NEVER - 1 - host ? TM_NEVER - 1 : host + left;
}

uint64_t tm_now_ns(struct tm_machine *tm, enum tm_clock clock)
{
    uint64_t now;

    if (clock == TM_REAL && !tm->stepped)
        return clock_ns(CLOCK_MONOTONIC);
    g_mutex_lock(&tm->lock);
    now = tm_clock_ns(tm, clock);
    g_mutex_unlock(&tm->lock);
    return now;
}

uint64_t tm_lag_ns(struct tm_machine *tm)
{
    uint64_t lag;

    g_mutex_lock(&tm->lock);
    tm_sync_update(tm);
    lag = lag_ns(tm);
    g_mutex_unlock(&tm->lock);
    return lag;
}

int64_t tm_utc_ns(struct tm_machine *tm)
{
    int64_t host;

    g_mutex_lock(&tm->lock);
    tm_sync_update(tm);
    host = tm->stepped ? STEPPED_UTC_S * (int64_t)NS_SEC + (int64_t)tm->step_ns : (int64_t)clock_ns(CLOCK_REALTIME);
    host += tm->utc_offset_ns - (int64_t)lag_ns(tm);
    g_mutex_unlock(&tm->lock);
    return host;
}

void tm_set_ns(struct tm_machine *tm, uint64_t now_ns)
{
    g_mutex_lock(&tm->lock);
    if (!tm->running) {
        tm->paused_ns = tm->sync_at_ns = tm->sync_ns = now_ns;
        tm->given_up_ns = 0;
    }
    g_mutex_unlock(&tm->lock);
}

bool tm_paused(struct tm_machine *tm)
{
    bool running;

    g_mutex_lock(&tm->lock);
    running = tm->running;
    g_mutex_unlock(&tm->lock);
    return !running;
}

void tm_pause(struct tm_machine *tm)
{
    g_mutex_lock(&tm->lock);
    if (tm->running) {
        tm_sync_update(tm);
        tm->paused_ns = tm->sync_at_ns = MAX(tm_virtual_ns(tm), tm->sync_at_ns);
        tm->running = false;
        tm_tsc_stop(tm);
    }
    while (tm->busy && tm->busy->clock != TM_REAL && tm->busy_thread != g_thread_self())
        g_cond_wait(&tm->idle, &tm->lock);
    g_mutex_unlock(&tm->lock);
}

void tm_resume(struct tm_machine *tm)
{
    g_mutex_lock(&tm->lock);
    if (!tm->running) {
        tm->base_ns = tm_host_ns(tm) - tm->paused_ns;
        tm->running = true;
        tm_tsc_start(tm);
        tm_rearm(tm, false);
    }
    g_mutex_unlock(&tm->lock);
}

void tm_info_clocks(struct tm_machine *tm, GString *out)
{
    g_mutex_lock(&tm->lock);
    g_string_append_printf(out, "Real:          %20" G_GUINT64_FORMAT " ns\n", tm_host_ns(tm));
    g_string_append_printf(out, "Virtual:       %20" G_GUINT64_FORMAT " ns%s\n", tm_virtual_ns(tm),
                           tm->running ? "" : "  paused");
    g_string_append_printf(out,
                           "Virtual sync:  %20" G_GUINT64_FORMAT " ns  lag %" G_GUINT64_FORMAT
                           " ns, catching up by %u %%, given up %" G_GUINT64_FORMAT " ns\n",
                           tm_sync_update(tm), lag_ns(tm), catch_up_percent(lag_ns(tm)), tm->given_up_ns);
    g_mutex_unlock(&tm->lock);
    for (unsigned i = 0; i < tm->cpus; i++)
        g_string_append_printf(out, "TSC of VCpu %-2u %20" G_GUINT64_FORMAT "  %" G_GUINT64_FORMAT " Hz\n", i,
                               tm_tsc(tm, i), tm->tsc_hz);
}
