/*
 * tcache.h - tables of an image's metadata (grain tables, second-level tables, bitmaps) in memory: the most used ones.
 *
 * Contents are as in the file. Changed tables stay until tcache_write() has put them there; the caller keeps their
 * number below the number of slots.
 */
#ifndef STORAGE_TCACHE_H
#define STORAGE_TCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "rt/fio.h"

struct tcache;

/** tcache_new() - tables of @table_bytes each, at most @slots of them; @fd is borrowed. */
struct tcache *tcache_new(const struct fio *io, int fd, uint32_t table_bytes, unsigned slots);
void tcache_free(struct tcache *t);
/** tcache_get() - the table at file offset @at, good until the next call; what lies beyond the file's end is zeros. */
int tcache_get(struct tcache *t, uint64_t at, uint8_t **ret);
/** tcache_has() - tcache_get() of it reads no file. */
bool tcache_has(struct tcache *t, uint64_t at);
/** tcache_new_table() - like tcache_get() of a table of zeros, without reading the file. */
int tcache_new_table(struct tcache *t, uint64_t at, uint8_t **ret);
/** tcache_dirty() - the table at @at, just got, was changed in memory only. */
void tcache_dirty(struct tcache *t, uint64_t at);
unsigned tcache_dirty_count(const struct tcache *t);
/** tcache_write() - changed tables to the file, and to @copy_of(ctx, at) where that is not 0. NULL = no copies. */
int tcache_write(struct tcache *t, uint64_t (*copy_of)(void *ctx, uint64_t at), void *ctx);

#endif
