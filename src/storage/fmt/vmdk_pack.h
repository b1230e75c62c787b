/*
 * vmdk_pack.h - grains are packed by several threads and come back in the order they were given in.
 *
 * One caller fills the next grain, queues it, and takes those that are packed. What comes out does not depend on the
 * number of threads (deflate has no state from grain to grain).
 */
#ifndef STORAGE_FMT_VMDK_PACK_H
#define STORAGE_FMT_VMDK_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmdk_grain {
    uint64_t number;
    uint8_t *packed; /* behind the room for a head */
    size_t bytes;    /* packed; 0: nothing but zeros */
    int status;      /* VERR_NO_MEMORY */
};

struct vmdk_pack;
/** vmdk_pack_new() - @head_bytes: room before the packed data. @tail_bytes: behind it. As many threads as processors.
 */
struct vmdk_pack *vmdk_pack_new(size_t grain_bytes, size_t head_bytes, size_t tail_bytes);
void vmdk_pack_free(struct vmdk_pack *p);
/** vmdk_pack_plain() - where the next grain is filled in: zeros at first. Only when vmdk_pack_full() is false. */
uint8_t *vmdk_pack_plain(struct vmdk_pack *p);
void vmdk_pack_queue(struct vmdk_pack *p, uint64_t number);
/** vmdk_pack_full() - the oldest has to be taken before the next is filled. */
bool vmdk_pack_full(const struct vmdk_pack *p);
/** vmdk_pack_take() - the oldest of those queued; NULL: there is none, or (without @wait) it is not packed yet. */
struct vmdk_grain *vmdk_pack_take(struct vmdk_pack *p, bool wait);
/** vmdk_pack_done() - what was taken is not needed any more. */
void vmdk_pack_done(struct vmdk_pack *p);

#endif
