/*
 * disks.h - the source's disks on their way: all of them first, then what the guest has changed, as often as it takes.
 *
 *     struct disks_out *d = disks_out_new(media, link, copied, count, &error);   // as the target has answered
 *     disks_out_all(d, &error);           // while the guest runs
 *     disks_out_changed(d, &error);       // ... again, until disks_out_left_us() is little; the last time it stands
 *     disks_out_free(d);                  // what changes is noted no more
 *
 * Each of the two ends when the target says that its disks have it (LINK_SYNCED). Thread: the teleport's own.
 */
#ifndef MAIN_VMPROC_TELEPORT_DISKS_H
#define MAIN_VMPROC_TELEPORT_DISKS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct media;
struct link;

struct disks_out;
/** disks_out_new() - @copied: a byte for each medium, 1 = its contents go along. */
struct disks_out *disks_out_new(struct media *media, struct link *link, const uint8_t *copied, unsigned count,
                                GError **error);
/** disks_out_free() - NULL is fine. */
void disks_out_free(struct disks_out *d);
/** disks_out_watch() - @go_on is asked between two pieces; false with @error ends it. */
void disks_out_watch(struct disks_out *d, bool (*go_on)(void *user, GError **error), void *user);
bool disks_out_all(struct disks_out *d, GError **error);
bool disks_out_changed(struct disks_out *d, GError **error);
/** disks_out_left_us() - how long it would take to send what has changed since. */
double disks_out_left_us(const struct disks_out *d);
/** Of all disks that are copied, and what of it was looked at or sent, in bytes; the second grows in every round. */
uint64_t disks_out_bytes(const struct disks_out *d);
uint64_t disks_out_done_bytes(const struct disks_out *d);

#endif
