/*
 * rig_time.c - the rig's clock: it moves in rig_step_ns() and nowhere else.
 */
#include "vmm/pdm/rig_int.h"

/* So many expiries without the clock moving are an endless loop. */
#define EXPIRIES_MAX 1000000u

static uint64_t host_now(void *user)
{
    return ((struct rig *)user)->now_ns;
}

static int64_t host_utc(void *user)
{
    const struct rig *r = user;

    return r->utc_ns + (int64_t)r->now_ns;
}

static void *host_timer_new(void *user, const char *name, void (*expired)(void *arg), void *arg)
{
    struct rig *r = user;
    struct rig_timer *t = g_new0(struct rig_timer, 1);

    (void)name;
    *t = (struct rig_timer){.rig = r, .expired = expired, .arg = arg, .when_ns = PDM_NEVER};
    g_ptr_array_add(r->timers, t);
    return t;
}

static void host_timer_free(void *user, void *timer)
{
    g_ptr_array_remove(((struct rig *)user)->timers, timer);
    g_free(timer);
}

static void host_timer_at(void *user, void *timer, uint64_t when_ns)
{
    struct rig_timer *t = timer;

    if (t->when_ns == when_ns && when_ns != PDM_NEVER)
        return;
    t->when_ns = when_ns;
    t->armed = ++((struct rig *)user)->armed;
}

static uint64_t host_tsc(void *user, unsigned cpu)
{
    (void)cpu;
    return ((struct rig *)user)->now_ns; /* RIG_TSC_HZ: one tick per ns */
}

static uint64_t host_tsc_hz(void *user)
{
    (void)user;
    return RIG_TSC_HZ;
}

static struct rig_timer *first_due(struct rig *r, uint64_t until_ns)
{
    struct rig_timer *best = NULL;

    for (unsigned i = 0; i < r->timers->len; i++) {
        struct rig_timer *t = g_ptr_array_index(r->timers, i);

        if (t->when_ns == PDM_NEVER || t->when_ns > until_ns)
            continue;
        if (!best || t->when_ns < best->when_ns || (t->when_ns == best->when_ns && t->armed < best->armed))
            best = t;
    }
    return best;
}

void rig_step_ns(struct rig *r, uint64_t ns)
{
    const uint64_t until_ns = r->now_ns + ns;
    struct rig_timer *t;
    unsigned expiries = 0;
    bool more;

    do {
        more = rig_drivers_run(r);
        t = first_due(r, until_ns);
        if (!t)
            continue;
        if (t->when_ns > r->now_ns) {
            r->now_ns = t->when_ns;
            expiries = 0;
        }
        if (++expiries > EXPIRIES_MAX)
            g_error("rig: timers expire for ever at %" G_GUINT64_FORMAT " ns", r->now_ns);
        t->when_ns = PDM_NEVER;
        t->expired(t->arg);
    } while (t || more);
    r->now_ns = until_ns;
}

uint64_t rig_now_ns(struct rig *r)
{
    return r->now_ns;
}

uint64_t rig_next_timer_ns(struct rig *r)
{
    const struct rig_timer *t = first_due(r, PDM_NEVER - 1);

    return t ? t->when_ns : PDM_NEVER;
}

void rig_time_host(struct pdm_host *host)
{
    host->now_ns = host_now;
    host->utc_ns = host_utc;
    host->timer_new = host_timer_new;
    host->timer_free = host_timer_free;
    host->timer_at = host_timer_at;
    host->tsc = host_tsc;
    host->tsc_hz = host_tsc_hz;
}
