/* block_int.h - the block driver's own: block.c has the queue and its thread, late.c the requests beside it. */
#ifndef DRIVERS_BLOCK_BLOCK_INT_H
#define DRIVERS_BLOCK_BLOCK_INT_H

#include "drivers/block/block.h"
#include "drivers/block/cache.h"

#define HOST_PAGE 4096u

struct late;

/* Somebody waits for it. */
struct block_wait {
    void (*fn)(void *ctx);
    void *ctx;
    bool looks, done;
};

struct block {
    struct pdm_block pub; /* first: a struct pdm_block is one of ours */
    struct vd *vd;
    struct block_up up;
    GThread *thread;
    GMutex use;  /* held by whoever uses vd; taken before lock, or tried */
    GMutex lock; /* guards everything below */
    GCond changed;
    struct pdm_block_req *head, *tail;
    struct pdm_block_req *again; /* late writes that failed: before the queue, and not late */
    bool busy, stop, resume;
    bool at_disk;              /* busy, and the request is not carried out yet */
    gint64 write_now_us;       /* no write on the caller's thread before that time; guarded by use */
    struct late *late;         /* what is with aio */
    struct block_cache *cache; /* NULL: the host has one */
    struct block_wait *call;   /* NULL: none waits */
    uint64_t *changes;         /* atomic bits (block_track()); NULL: nobody asks */
    uint64_t change_bits, change_count;
    /* the driver's thread alone: */
    enum block_more (*step)(void *ctx);
    void *step_ctx;
    gint64 step_us;      /* not before that time */
    unsigned since_step; /* requests */
};

/**
 * late_start() - waits for what @req must not pass; carries it out beside the queue, or at once, if it can be, or puts
 * it back at the queue's head; on the driver's thread. False = it is still to be done.
 */
bool late_start(struct block *b, struct pdm_block_req *req);
/** late_wait() - for all that is under way, before anything that moves data to other places, syncs, or ends. Lock held.
 */
void late_wait(struct block *b);

/** track_note() - the request has changed the disk, perhaps; before it is told done and before the disk is read again.
 */
void track_note(struct block *b, const struct pdm_block_req *req);

#endif
