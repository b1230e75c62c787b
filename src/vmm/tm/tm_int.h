/*
 * tm_int.h - inside TM.
 *
 * Host time is CLOCK_MONOTONIC, or the stepped count. While running, virtual = host - base.
 */
#ifndef VMM_TM_TM_INT_H
#define VMM_TM_TM_INT_H

#include <stdatomic.h>

#include "vmm/tm/tm.h"

#define NS_SEC UINT64_C(1000000000)

struct tm_timer {
    struct tm_machine *tm;
    char *name;
    enum tm_clock clock;
    void (*expired)(void *arg);
    void *arg;
    uint64_t when_ns, order; /* order of arming decides between equal times */
    guint at;                /* in the heap; NOT_ARMED */
    uint64_t fired;
};

struct tm_heap {
    struct tm_timer **timer;
    guint count, room;
};

struct tm_machine {
    GMutex lock;
    GCond idle; /* a callback came back */

    /* clocks */
    bool stepped, running;
    uint64_t step_ns;             /* host time of a stepped machine */
    uint64_t base_ns;             /* running: host time of virtual 0 */
    uint64_t paused_ns;           /* not running: virtual */
    uint64_t sync_at_ns, sync_ns; /* virtual when sync was last brought up to date; sync then */
    uint64_t given_up_ns;         /* lag nobody tries to catch up with any more */
    bool gave_up;                 /* to be logged */
    int64_t utc_offset_ns;

    /* timers */
    struct tm_heap heap[TM_CLOCKS];
    GPtrArray *timers;
    uint64_t orders, fired;
    struct tm_timer *busy; /* whose callback runs, on ... */
    GThread *busy_thread;
    bool delivering;
    _Atomic uint64_t armed_ns; /* host time the timerfd is set to */
    int timer_fd;
    GThread *thread;
    bool quit;

    /* TSC */
    unsigned cpus;
    bool native_tsc;
    uint64_t tsc_hz;
    _Atomic bool tsc_running;
    _Atomic uint64_t tsc_stopped_at;
    _Atomic uint64_t tsc_offset[TM_CPUS_MAX]; /* guest = host - offset */
};

/* clock.c; the caller holds the lock */
uint64_t tm_host_ns(const struct tm_machine *tm);
uint64_t tm_virtual_ns(const struct tm_machine *tm);
uint64_t tm_sync_update(struct tm_machine *tm);
uint64_t tm_clock_ns(struct tm_machine *tm, enum tm_clock clock);
/** Host time at which @clock will show @when_ns, as far as is known now; TM_NEVER if it stands. */
uint64_t tm_host_deadline_ns(struct tm_machine *tm, enum tm_clock clock, uint64_t when_ns);

/* timer.c */
struct tm_timer *tm_heap_first(const struct tm_heap *h);
bool tm_timers_start(struct tm_machine *tm, GError **error);
void tm_timers_stop(struct tm_machine *tm);
/** Runs what is due; the lock is held on entry and exit, not during callbacks. Return: how many ran. */
unsigned tm_deliver(struct tm_machine *tm, unsigned most);
/** After the first deadline may have moved; the caller holds the lock. */
void tm_rearm(struct tm_machine *tm, bool exactly);
uint64_t tm_next_host_ns(struct tm_machine *tm);

/* tsc.c */
void tm_tsc_init(struct tm_machine *tm);
void tm_tsc_stop(struct tm_machine *tm);
void tm_tsc_start(struct tm_machine *tm);

#endif
