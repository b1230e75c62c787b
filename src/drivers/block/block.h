/*
 * block.h - a disk image behind struct pdm_block: one thread per medium works off a queue.
 *
 * Locks: submit() only appends to the queue. complete() and host_error() are called on the driver's thread with no
 *        lock of the driver held; complete() takes the device's lock and calls req->done().
 * Invariant 1: requests are done in the order they were submitted, so a FLUSH covers everything before it; only reads,
 *              and writes past the host's cache, may finish later than what follows them and does not meet them. A
 *              FLUSH waits for those. What is done by now() has none before it.
 * Invariant 2: after block_free() returned no callback comes any more.
 */
#ifndef DRIVERS_BLOCK_BLOCK_H
#define DRIVERS_BLOCK_BLOCK_H

#include <glib.h>

#include "rt/aio.h"
#include "storage/vd.h"
#include "vmm/pdm/ifs.h"

struct block_up {
    void *ctx;
    void (*complete)(void *ctx, struct pdm_block_req *req);
    /**
     * The host cannot do it now (disk full, file too big, a write past its cache that failed): true = keep the request
     * until block_resume() and try again, false = tell the guest. @id is one of VirtualBox's, e.g. "DrvVD_DISKFULL".
     * NULL = always tell the guest.
     */
    bool (*host_error)(void *ctx, const char *id, const char *text);
    /** A kept request was tried again meanwhile and went through: what host_error() told is over. May be NULL. */
    void (*host_well)(void *ctx);
    struct aio *aio; /* what has to wait for the disk goes on beside other requests; NULL: one by one */
    bool past_cache; /* the disk's files are fio_direct.h's: writes wait for the disk, too; reads have cache.h */
    bool shared;     /* somebody else may write to the disk */
    bool optical;    /* 2048-byte sectors */
    bool removable;
    bool ignore_flush; /* the user's explicit wish: FLUSH says yes without syncing */
};

/** block_new() - @vd is borrowed and must outlive the driver; nobody else may use it meanwhile. */
struct pdm_block *block_new(struct vd *vd, const struct block_up *up, GError **error);
/** block_free() - works off what is queued (a kept request fails with its error), then stops. NULL is fine. */
void block_free(struct pdm_block *b);
/** block_resume() - the machine goes on: kept requests are tried again. */
void block_resume(struct pdm_block *b);
/**
 * block_call() - @fn(@ctx) on the driver's thread, between two requests (or while one waits for the host), and waits
 * for it: what has to be done with the disk by its one caller. Callers take turns.
 */
void block_call(struct pdm_block *b, void (*fn)(void *ctx), void *ctx);
/** block_look() - the same for an @fn that only reads from the disk. */
void block_look(struct pdm_block *b, void (*fn)(void *ctx), void *ctx);
/**
 * block_set_disk() - the same disk, opened again, or NULL: closed for now, requests fail. From inside block_call()
 * only, while the machine stands still.
 */
void block_set_disk(struct pdm_block *b, struct vd *vd);
/* What a step of the background wants: no more, the next one soon, or when the host may have changed (half a second).
 */
enum block_more { BLOCK_DONE, BLOCK_MORE, BLOCK_LATER };
/**
 * block_background() - @step(@ctx) on the driver's thread, a little at a time, whenever the guest leaves time for it
 * and after some requests anyway; until it is done. From inside block_call() only.
 */
void block_background(struct pdm_block *b, enum block_more (*step)(void *ctx), void *ctx);

/* ---- which parts of the disk the guest changes ---- */

#define BLOCK_TRACK_BYTES (16u << 10)
/**
 * block_track() - from now on there is a bit for each BLOCK_TRACK_BYTES of the disk that requests write or discard;
 * false: there is no memory for them. @on false: no more. From inside block_call() only.
 */
bool block_track(struct pdm_block *b, bool on);
/**
 * block_tracked() - a word of these bits (the MiB of that number), which are cleared. From inside block_call()
 * or block_look() only: what it reads from the disk then is what it is told no more, unless it changes again.
 */
uint64_t block_tracked(struct pdm_block *b, uint64_t word);
/** block_tracked_next() - the first word from @word on that has a bit set now, UINT64_MAX: none; who has it tracked. */
uint64_t block_tracked_next(struct pdm_block *b, uint64_t word);
/** block_tracked_count() - bits that are set now; any thread. */
uint64_t block_tracked_count(struct pdm_block *b);

/** block_idle() - nothing queued or in work. */
bool block_idle(struct pdm_block *b);

#endif
