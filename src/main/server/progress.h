/*
 * progress.h - what takes its time, as clients watch it (IProgress).
 */
#ifndef MAIN_SERVER_PROGRESS_H
#define MAIN_SERVER_PROGRESS_H

#include "main/bus/bus.h"

struct service;

struct progress;
struct progress *progress_new(struct service *s, struct bus_peer *peer, const char *description);
char *progress_path(const struct progress *p); /* g_free */
void progress_percent(struct progress *p, unsigned percent);
/** progress_tell() - the same from any thread. false: a client wants it stopped (progress_allow_cancel()). */
bool progress_tell(struct progress *p, unsigned percent);
/** @error NULL: done. Taken. */
void progress_end(struct progress *p, GError *error);
bool progress_ended(const struct progress *p);
/** progress_allow_cancel() - the work stops where progress_tell() says so, and leaves nothing half done. */
void progress_allow_cancel(struct progress *p);
void progress_peer_gone(struct service *s, struct bus_peer *peer);
void progress_free(struct progress *p);
/** progress_thread() - @work runs on a thread of its own, @done in the main one, before the progress ends. */
typedef bool (*progress_work_fn)(void *data, GError **error);
typedef bool (*progress_done_fn)(void *data, bool ok, GError **error);
void progress_thread(struct progress *p, progress_work_fn work, progress_done_fn done, void *data);
GVariant *progress_reply(struct progress *p); /* "(o)" */

#endif
