/*
 * tm.h - the machine's clocks, timers and time stamp counters.
 *
 *   TM_VIRTUAL       nanoseconds the machine has run; stands still while it is paused.
 *   TM_VIRTUAL_SYNC  what devices live by: as TM_VIRTUAL, but it never passes the deadline of a timer that has not run
 * yet. When timers run late it lags, and then catches up at a bounded rate; it never jumps. TM_REAL          the host's
 * CLOCK_MONOTONIC, never paused.
 *
 * A new machine is paused at time 0. Stepped machines (tests) have no thread: time and timers move in tm_step_ns()
 * only.
 *
 * Threads: everything from any thread, unless said otherwise. Timer callbacks run without TM's lock, one at a time, on
 * TM's thread or in tm_poll(); they may arm, stop, make and free any timer, their own included.
 */
#ifndef VMM_TM_TM_H
#define VMM_TM_TM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define TM_NEVER    UINT64_MAX
#define TM_CPUS_MAX 64u

struct tm_machine;
struct tm_timer;

enum tm_clock { TM_VIRTUAL, TM_VIRTUAL_SYNC, TM_REAL, TM_CLOCKS };

/** tm_new() - @utc_offset_ms: what the machine's wall clock is ahead of the host's. Measures the TSC: some 20 ms. */
struct tm_machine *tm_new(unsigned cpus, int64_t utc_offset_ms, GError **error);
/** tm_new_stepped() - time only moves by tm_step_ns(); the TSC runs at 1 GHz, UTC starts at 2000-01-01. */
struct tm_machine *tm_new_stepped(unsigned cpus);
/** tm_free() - every timer must be free. Accepts NULL. */
void tm_free(struct tm_machine *tm);

/** tm_pause() - when it returns, no callback of a virtual clock runs any more. Not from a timer callback. */
void tm_pause(struct tm_machine *tm);
void tm_resume(struct tm_machine *tm);
bool tm_paused(struct tm_machine *tm);

/* ---- clocks ---- */
uint64_t tm_now_ns(struct tm_machine *tm, enum tm_clock clock);
/** tm_utc_ns() - wall clock, nanoseconds since 1970-01-01 UTC, offset applied; behind by the lag of TM_VIRTUAL_SYNC. */
int64_t tm_utc_ns(struct tm_machine *tm);
/** tm_lag_ns() - how far TM_VIRTUAL_SYNC is behind and will catch up. */
uint64_t tm_lag_ns(struct tm_machine *tm);
/** tm_set_ns() - both virtual clocks of a paused machine: after loading a saved state, before timers are armed. */
void tm_set_ns(struct tm_machine *tm, uint64_t now_ns);

/* ---- timers: one shot, absolute ---- */

/** tm_timer_new() - stopped. @name is copied. */
struct tm_timer *tm_timer_new(struct tm_machine *tm, enum tm_clock clock, const char *name, void (*expired)(void *arg),
                              void *arg);
/** tm_timer_free() - when it returns the callback does not run any more (inside its own callback: it will not again).
 */
void tm_timer_free(struct tm_timer *t);
/** tm_timer_at() - @when_ns of its clock; past = as soon as possible; TM_NEVER stops it. Equal times fire in order. */
void tm_timer_at(struct tm_timer *t, uint64_t when_ns);
uint64_t tm_timer_when_ns(struct tm_timer *t);
/** tm_poll() - runs overdue timers now (a few), on this thread, which holds no lock of a device. Cheap if none is. */
void tm_poll(struct tm_machine *tm);

/* ---- time stamp counters: invariant, one offset per vCPU, all 0 at the start, stopped with the machine ---- */
uint64_t tm_tsc(struct tm_machine *tm, unsigned cpu);
void tm_tsc_set(struct tm_machine *tm, unsigned cpu, uint64_t val);
/** Guest TSC = host's TSC less what stands there, while it runs; NULL: the host's TSC is not used. */
const _Atomic uint64_t *tm_tsc_offset(const struct tm_machine *tm, unsigned cpu);
uint64_t tm_tsc_hz(const struct tm_machine *tm);

/* ---- tests: stepped machines only ---- */

/** tm_step_ns() - moves time on, stopping at every deadline to run the timer. Nothing happens while paused. */
void tm_step_ns(struct tm_machine *tm, uint64_t ns);
/** tm_skip_ns() - moves time on as a busy host would: timers become overdue and wait for tm_poll() or tm_step_ns(). */
void tm_skip_ns(struct tm_machine *tm, uint64_t ns);

/** "info clocks", "info timers". */
void tm_info_clocks(struct tm_machine *tm, GString *out);
void tm_info_timers(struct tm_machine *tm, bool active_only, GString *out);
struct stam;
struct info;
/** tm_register() - clocks and timers into the machine's registries, which go before @tm does. */
void tm_register(struct tm_machine *tm, struct stam *stam, struct info *info);

#endif
