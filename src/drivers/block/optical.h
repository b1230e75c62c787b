/*
 * optical.h - an optical drive of the host's as a medium: reads, and packet commands for the drive itself.
 *
 *     struct optical *o = optical_open("/dev/sr0", false, &error);     // or optical_new() over other commands
 *     pdm_attach_block(pdm, "ahci", 0, 1, optical_block(o), &error);
 *     ...
 *     optical_free(o);           // after it was detached; the drive is not left locked
 *
 * Threads: each drive has one, on which requests end; commands wait for the drive there.
 */
#ifndef DRIVERS_BLOCK_OPTICAL_H
#define DRIVERS_BLOCK_OPTICAL_H

#include <glib.h>

#include "vmm/pdm/ifs.h"

/* What carries commands to a drive. */
struct optical_io {
    void *ctx;
    /** One command with @bytes at @buf; fills in moved and sense. 0, or VERR_*: it failed, or did not get there. */
    int (*command)(void *ctx, struct pdm_block_packet *p, void *buf, size_t bytes);
    void (*close)(void *ctx);
};

struct optical;
/** optical_new() - @io is closed by optical_free(), or at once if the drive does not even answer. */
struct optical *optical_new(const struct optical_io *io, const char *name, enum pdm_packets packets, GError **error);
struct pdm_block *optical_block(struct optical *o);
/** optical_complete() - who is told that a request is done instead of PDM; for tests. */
void optical_complete(struct optical *o, void (*complete)(void *ctx, struct pdm_block_req *req), void *ctx);
void optical_free(struct optical *o);

/** optical_open() - the drive behind a device file, by SG_IO. @all: with pass-through, so also for writing. */
struct optical *optical_open(const char *path, bool all, GError **error);
/** optical_sg() - SG_IO to the drive at @path; false: it is none, is not there, or may not be used. */
bool optical_sg(const char *path, bool writes, struct optical_io *ret, GError **error);

#endif
