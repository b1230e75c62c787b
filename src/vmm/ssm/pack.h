/*
 * pack.h - one chunk of memory, packed: which of its pages are not zero, and those pages, compressed if that saves a
 * quarter.
 */
#ifndef VMM_SSM_PACK_H
#define VMM_SSM_PACK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/ssm/memory.h"

#define PACK_PAGE_BYTES  4096u
#define PACK_CHUNK_PAGES (SSM_CHUNK_BYTES / PACK_PAGE_BYTES)
#define PACK_VERSION     2u /* of the units */

enum pack_coding { PACK_PLAIN, PACK_ZSTD };
struct pack_head {
    uint32_t coding;
    uint32_t pages;                          /* bits in present */
    uint64_t present[PACK_CHUNK_PAGES / 64]; /* bit n % 64 of word n / 64: page n */
};
static_assert(sizeof(struct pack_head) == 40, "no padding");
#define PACK_MAX_BYTES (sizeof(struct pack_head) + (size_t)SSM_CHUNK_BYTES)

/** One thread's tools. */
struct packer;
struct packer *packer_try_new(void); /* NULL: there is no memory for it */
struct packer *packer_new(void);     /* or the process ends */
void packer_free(struct packer *p);
/**
 * pack_chunk() - packs the pages of @chunk whose bits are set in @candidates and that are not zero.
 * Return: bytes at @to (PACK_MAX_BYTES of room), 0 = all zeros.
 */
size_t pack_chunk(struct packer *p, const uint8_t *chunk, const uint64_t *candidates, uint8_t *to);
/** unpack_chunk() - the pages into @chunk, others left alone; false = the bytes are no packed chunk. */
bool unpack_chunk(struct packer *p, const uint8_t *from, size_t bytes, uint8_t *chunk);

#endif
