/*
 * loop.h - an event loop of one thread over epoll: descriptors, timers, and calls posted by other threads.
 *
 * Everything but loop_post() and loop_quit() belongs to the loop's thread (or to whoever sets up before loop_run()).
 * Callbacks may add, change and remove any watch, their own included. They must not block.
 */
#ifndef RT_LOOP_H
#define RT_LOOP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_watch;

enum loop_events { LOOP_IN = 1, LOOP_OUT = 2, LOOP_HUP = 4 /* hang-up or error; reported without being asked for */ };
#define LOOP_POSTS_MAX 4096u /* calls waiting at a time */

typedef void (*loop_fd_fn)(void *user, int fd, unsigned events);
typedef void (*loop_fn)(void *user);

struct loop *loop_new(GError **error);
/** Frees what is still watched; posts not yet run are dropped. Accepts NULL. */
void loop_free(struct loop *l);

/** loop_add() - @events of enum loop_events, level triggered. @fd stays the caller's. */
struct loop_watch *loop_add(struct loop *l, int fd, unsigned events, loop_fd_fn fn, void *user, GError **error);
/** loop_modify() - @events 0: keep, but report nothing but LOOP_HUP. */
bool loop_modify(struct loop_watch *w, unsigned events);
/** loop_remove() - before closing the descriptor. The callback is not called again. Accepts NULL. */
void loop_remove(struct loop_watch *w);

/** A timer is a watch of its own; stopped when made. */
struct loop_watch *loop_timer_new(struct loop *l, loop_fn fn, void *user, GError **error);
/** loop_timer_at() - fires once at CLOCK_MONOTONIC @when_ns (past: at once); UINT64_MAX stops it. */
void loop_timer_at(struct loop_watch *timer, uint64_t when_ns);

/** loop_post() - any thread: @fn runs on the loop's thread. Return: false if LOOP_POSTS_MAX wait already. */
bool loop_post(struct loop *l, loop_fn fn, void *user);
/** loop_run() - until loop_quit(). Return: 0, or a negative status if waiting itself failed. */
int loop_run(struct loop *l);
/** loop_turn() - one round; waits at most @timeout_ms (-1 = for ever). Return: as loop_run(). */
int loop_turn(struct loop *l, int timeout_ms);
/** Any thread. */
void loop_quit(struct loop *l);

uint64_t loop_now_ns(void); /* CLOCK_MONOTONIC */

#endif
