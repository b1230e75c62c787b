/*
 * cache.h - what a disk was last read from or written to it, in memory: for disks whose files are opened past the
 * host's cache (fio_direct.h).
 *
 * Whole pages of 4 KiB; a bounded number of them, the one not asked for the longest gives way (a clock with one hand).
 * Requests of more than CACHE_STREAM pass by: a guest that reads its disk through pushes nothing out. It is written
 * through: a write is kept here only when the disk has it, and nothing here is dirty, ever.
 *
 * Locks: any thread; its own lock, taken last.
 * Invariant 1: a page shows what the disk shows, or is not here. The caller's part: block_cache_drop() before a write
 *              or discard of a range begins, block_cache_put() when a read or a write of it ended well, and no two
 *              requests that meet, one of them a write, between these two.
 */
#ifndef DRIVERS_BLOCK_CACHE_H
#define DRIVERS_BLOCK_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CACHE_PAGE   4096u
#define CACHE_PAGES  4096u /* 16 MiB */
#define CACHE_STREAM (64u << 10)

struct block_cache;

struct block_cache *block_cache_new(void);
/** block_cache_free() and all others take NULL: no cache, nothing is ever here. */
void block_cache_free(struct block_cache *c);
/** block_cache_read() - true: all of the range was here and is in the pieces of memory. */
bool block_cache_read(struct block_cache *c, uint64_t off_bytes, const struct iovec *iov, unsigned n);
/** block_cache_put() - keeps the whole pages of the range. */
void block_cache_put(struct block_cache *c, uint64_t off_bytes, const void *buf, size_t bytes);
/** block_cache_drop() - every page that touches the range goes. */
void block_cache_drop(struct block_cache *c, uint64_t off_bytes, uint64_t bytes);
void block_cache_drop_all(struct block_cache *c);
/** block_cache_hits() - reads that were answered from here. */
uint64_t block_cache_hits(struct block_cache *c);

#endif
