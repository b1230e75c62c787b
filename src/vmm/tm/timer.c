/*
 * timer.c - timers: a heap per clock, one timerfd, one thread; delivery.
 *
 * The timerfd stands at the earliest deadline or before it: arming a later timer costs no system call, the thread sets
 * the exact time when it has nothing to run. An idle machine without timers has no wake-ups.
 * Invariant 1: busy names the timer whose callback runs; the delivering thread touches nothing of that timer after the
 *   callback, so it may free itself.
 * Invariant 2: one thread delivers at a time (delivering), so callbacks never overlap.
 */
#include "vmm/tm/tm_int.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "rt/log.h"
#include "rt/status.h"

#define NOT_ARMED   G_MAXUINT
#define POLL_TIMERS 16u
#define TURN_TIMERS 256u /* then the thread looks whether it has to quit */

/* ---- the heap ---- */

static bool before(const struct tm_timer *a, const struct tm_timer *b)
{
    return a->when_ns != b->when_ns ? a->when_ns < b->when_ns : a->order < b->order;
}

static void put(struct tm_heap *h, guint at, struct tm_timer *t)
{
    h->timer[at] = t;
    t->at = at;
}

static void sift_up(struct tm_heap *h, guint at, struct tm_timer *t)
{
    while (at > 0 && before(t, h->timer[(at - 1) / 2])) {
        put(h, at, h->timer[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(h, at, t);
}

static void sift_down(struct tm_heap *h, guint at, struct tm_timer *t)
{
    for (guint child; (child = 2 * at + 1) < h->count; at = child) {
        if (child + 1 < h->count && before(h->timer[child + 1], h->timer[child]))
            child++;
        if (!before(h->timer[child], t))
            break;
        put(h, at, h->timer[child]);
    }
    put(h, at, t);
}

/* There is room for every timer that exists; see tm_timer_new(). */
static void heap_add(struct tm_heap *h, struct tm_timer *t)
{
    sift_up(h, h->count++, t);
}

static void heap_remove(struct tm_heap *h, struct tm_timer *t)
{
    guint at = t->at;
    struct tm_timer *last;

    if (at == NOT_ARMED)
        return;
    t->at = NOT_ARMED;
    last = h->timer[--h->count];
    if (last == t)
        return;
    if (at > 0 && before(last, h->timer[(at - 1) / 2]))
        sift_up(h, at, last);
    else
        sift_down(h, at, last);
}

struct tm_timer *tm_heap_first(const struct tm_heap *h)
{
    return h->count ? h->timer[0] : NULL;
}

/* ---- timers ---- */

struct tm_timer *tm_timer_new(struct tm_machine *tm, enum tm_clock clock, const char *name, void (*expired)(void *arg),
                              void *arg)
{
    struct tm_timer *t = g_new0(struct tm_timer, 1);
    struct tm_heap *h = &tm->heap[clock];

    *t = (struct tm_timer){.tm = tm,
                           .name = g_strdup(name),
                           .clock = clock,
                           .expired = expired,
                           .arg = arg,
                           .when_ns = TM_NEVER,
                           .at = NOT_ARMED};
    g_mutex_lock(&tm->lock);
    g_ptr_array_add(tm->timers, t);
    if (tm->timers->len > h->room) {
        h->room = tm->timers->len * 2;
        h->timer = g_renew(struct tm_timer *, h->timer, h->room);
    }
    g_mutex_unlock(&tm->lock);
    return t;
}

void tm_timer_free(struct tm_timer *t)
{
    struct tm_machine *tm;

    if (t == NULL)
        return;
    tm = t->tm;
    g_mutex_lock(&tm->lock);
    heap_remove(&tm->heap[t->clock], t);
    g_ptr_array_remove_fast(tm->timers, t);
    while (tm->busy == t && tm->busy_thread != g_thread_self())
        g_cond_wait(&tm->idle, &tm->lock);
    heap_remove(&tm->heap[t->clock], t); /* its callback may have armed it once more */
    if (tm->busy == t)
        tm->busy = NULL; /* inv 1 */
    g_mutex_unlock(&tm->lock);
    g_free(t->name);
    g_free(t);
}

void tm_timer_at(struct tm_timer *t, uint64_t when_ns)
{
    struct tm_machine *tm = t->tm;
    struct tm_heap *h = &tm->heap[t->clock];

    g_mutex_lock(&tm->lock);
    if (t->clock == TM_VIRTUAL_SYNC)
        tm_sync_update(tm); /* a clock held back by this timer is let go only from here on */
    heap_remove(h, t);
    t->when_ns = when_ns;
    if (when_ns != TM_NEVER) {
        t->order = tm->orders++;
        heap_add(h, t);
        if (t->at == 0)
            tm_rearm(tm, false);
    }
    g_mutex_unlock(&tm->lock);
}

uint64_t tm_timer_when_ns(struct tm_timer *t)
{
    uint64_t when;

    g_mutex_lock(&t->tm->lock);
    when = t->at == NOT_ARMED ? TM_NEVER : t->when_ns;
    g_mutex_unlock(&t->tm->lock);
    return when;
}

/* ---- when ---- */

uint64_t tm_next_host_ns(struct tm_machine *tm)
{
    uint64_t next = TM_NEVER;

    for (unsigned c = 0; c < TM_CLOCKS; c++) {
        const struct tm_timer *t = tm_heap_first(&tm->heap[c]);
        if (t)
            next = MIN(next, tm_host_deadline_ns(tm, (enum tm_clock)c, t->when_ns));
    }
    return next;
}

static void set_fd(struct tm_machine *tm, uint64_t host_ns)
{
    struct itimerspec its = {0};

    if (host_ns != TM_NEVER) {
        its.it_value.tv_sec = (time_t)(host_ns / NS_SEC);
        its.it_value.tv_nsec = (long)(host_ns % NS_SEC) | (host_ns == 0); /* all zero would disarm */
    }
    timerfd_settime(tm->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
    atomic_store_explicit(&tm->armed_ns, host_ns, memory_order_relaxed);
}

void tm_rearm(struct tm_machine *tm, bool exactly)
{
    uint64_t next = tm_next_host_ns(tm), armed = atomic_load_explicit(&tm->armed_ns, memory_order_relaxed);

    if (tm->stepped)
        atomic_store_explicit(&tm->armed_ns, next, memory_order_relaxed);
    else if (next < armed || (exactly && next != armed))
        set_fd(tm, next);
}

/* ---- delivery ---- */

/* The next timer that is due, out of its heap. Lock held. */
static struct tm_timer *take_due(struct tm_machine *tm)
{
    for (unsigned c = 0; c < TM_CLOCKS; c++) {
        struct tm_timer *t = tm_heap_first(&tm->heap[c]);
        if (t == NULL || (c != TM_REAL && !tm->running) || t->when_ns > tm_clock_ns(tm, (enum tm_clock)c))
            continue;
        heap_remove(&tm->heap[c], t);
        t->fired++;
        tm->fired++;
        return t;
    }
    return NULL;
}

/* Lock held on entry and exit. */
static void call(struct tm_machine *tm, struct tm_timer *t)
{
    bool gave_up = tm->gave_up;
    uint64_t total = tm->given_up_ns;

    tm->busy = t;
    tm->busy_thread = g_thread_self();
    tm->gave_up = false;
    g_mutex_unlock(&tm->lock);
    if (gave_up)
        log_rel("TM: Giving up catch-up attempt at a 60 000 000 000 ns lag; new total: %llu ns",
                (unsigned long long)total);
    t->expired(t->arg);
    g_mutex_lock(&tm->lock);
    tm->busy = NULL;
    g_cond_broadcast(&tm->idle);
}

unsigned tm_deliver(struct tm_machine *tm, unsigned most)
{
    unsigned n = 0;
    struct tm_timer *t;

    if (tm->delivering) /* inv 2 */
        return 0;
    tm->delivering = true;
    while (n < most && !tm->quit && (t = take_due(tm)) != NULL) {
        call(tm, t);
        n++;
    }
    tm->delivering = false;
    return n;
}

void tm_poll(struct tm_machine *tm)
{
    uint64_t armed = atomic_load_explicit(&tm->armed_ns, memory_order_relaxed);

    if (armed == TM_NEVER || armed > tm_host_ns(tm))
        return;
    g_mutex_lock(&tm->lock);
    if (tm_deliver(tm, POLL_TIMERS) != 0)
        tm_rearm(tm, false);
    g_mutex_unlock(&tm->lock);
}

static gpointer timer_thread(gpointer user)
{
    struct tm_machine *tm = user;
    uint64_t count;
    ssize_t n;

    g_mutex_lock(&tm->lock);
    while (!tm->quit) {
        if (tm_deliver(tm, TURN_TIMERS) == TURN_TIMERS)
            continue;
        tm_rearm(tm, true);
        g_mutex_unlock(&tm->lock);
        n = read(tm->timer_fd, &count, sizeof(count)); /* interrupted: looks again */
        (void)n;
        g_mutex_lock(&tm->lock);
    }
    g_mutex_unlock(&tm->lock);
    return NULL;
}

bool tm_timers_start(struct tm_machine *tm, GError **error)
{
    tm->timers = g_ptr_array_new();
    tm->timer_fd = -1;
    atomic_store(&tm->armed_ns, TM_NEVER);
    if (tm->stepped)
        return true;
    tm->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (tm->timer_fd < 0) {
        g_set_error(error, STATUS_ERROR, VERR_TOO_MANY_OPEN_FILES, "cannot make a timer for the machine's clocks");
        return false;
    }
    tm->thread = g_thread_try_new("timer", timer_thread, tm, error);
    return tm->thread != NULL;
}

void tm_timers_stop(struct tm_machine *tm)
{
    if (tm->thread) {
        g_mutex_lock(&tm->lock);
        tm->quit = true;
        set_fd(tm, 1);
        g_mutex_unlock(&tm->lock);
        g_thread_join(tm->thread);
    }
    if (tm->timer_fd >= 0)
        close(tm->timer_fd);
    for (unsigned c = 0; c < TM_CLOCKS; c++)
        g_free(tm->heap[c].timer);
    g_ptr_array_unref(tm->timers);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0((*(struct tm_timer *const *)a)->name, (*(struct tm_timer *const *)b)->name);
}

void tm_info_timers(struct tm_machine *tm, bool active_only, GString *out)
{
    static const char *const clocks[] = {"virtual", "sync", "real"};

    g_mutex_lock(&tm->lock);
    g_ptr_array_sort(tm->timers, by_name);
    for (guint i = 0; i < tm->timers->len; i++) {
        const struct tm_timer *t = g_ptr_array_index(tm->timers, i);
        if (t->at != NOT_ARMED)
            g_string_append_printf(out, "%-8s %20" G_GUINT64_FORMAT " ns  %10" G_GUINT64_FORMAT " times  %s\n",
                                   clocks[t->clock], t->when_ns, t->fired, t->name);
        else if (!active_only)
            g_string_append_printf(out, "%-8s %20s     %10" G_GUINT64_FORMAT " times  %s\n", clocks[t->clock],
                                   "stopped", t->fired, t->name);
    }
    g_mutex_unlock(&tm->lock);
}
