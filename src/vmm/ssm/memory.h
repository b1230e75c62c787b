/*
 * memory.h - guest memory in a saved state: one unit per chunk of 1 MiB, instance = number of the chunk, ascending.
 *
 * Saving: all processors pack, the caller writes. A chunk of zeros has no unit, and what the memory file has no pages
 * for is not even looked at.
 * Loading: ssm_fill_unit() notes where each chunk's unit is; then the machine may run at once: whoever needs a chunk
 * that is not there yet fetches it first (ssm_fill_need()). Threads fill the memory from its start once the machine
 * runs.
 */
#ifndef VMM_SSM_MEMORY_H
#define VMM_SSM_MEMORY_H

#include "vmm/ssm/file.h"

#define SSM_CHUNK_BYTES UINT64_C(0x100000)

/** ssm_out_memory() - @bytes (whole chunks) as units called @name; @fd: the memory's file, -1 = it has none. */
bool ssm_out_memory(struct ssm_out *out, const char *name, const void *memory, uint64_t bytes, int fd, GError **error);

/** The piece of the memory's file that was found last; zeroed before the first chunk. */
struct ssm_data {
    int64_t from, to;
};
/**
 * ssm_chunk_present() - sets the bits of the pages of chunk @chunk that the memory's file @fd has at all (-1: all).
 * Reading one it has not would make the host allocate it. @bits: 256. @d: one for all chunks, which ascend.
 */
void ssm_chunk_present(int fd, uint64_t chunk, struct ssm_data *d, uint64_t *bits);

struct ssm_fill;
/** ssm_fill_new() - for @bytes (whole chunks) at @base, which read zero now. */
struct ssm_fill *ssm_fill_new(void *base, uint64_t bytes);
/** ssm_fill_unit() - takes note of a unit written by ssm_out_memory(), payload not read. */
bool ssm_fill_unit(struct ssm_fill *f, const struct ssm_unit *unit, GError **error);
/**
 * ssm_fill_start() - from here on chunks are fetched when they are needed; @in belongs to @f.
 * @done: from any thread when all is there, or the first chunk could not be read (@why; it reads zero then).
 */
void ssm_fill_start(struct ssm_fill *f, struct ssm_in *in, void (*done)(void *user, const char *why), void *user);
/** ssm_fill_rest() - begins to fetch what nobody has needed yet; again is fine. The thread that starts and waits. */
void ssm_fill_rest(struct ssm_fill *f);
/** ssm_fill_need() - the chunk with byte @off is there when this returns. Any thread. */
void ssm_fill_need(struct ssm_fill *f, uint64_t off);
/** ssm_fill_wait() - until everything is there. */
void ssm_fill_wait(struct ssm_fill *f);
/** ssm_fill_finish() - after done() without @why: gives back all but what ssm_fill_need() looks at. */
void ssm_fill_finish(struct ssm_fill *f);
/** ssm_fill_free() - ends the filling, done or not; NULL is fine. Nobody may be in ssm_fill_need(). */
void ssm_fill_free(struct ssm_fill *f);

#endif
