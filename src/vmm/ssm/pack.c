/*
 * pack.c - packs and unpacks a chunk of memory.
 *
 * Packed bytes are hostile: the number of pages must be that of the bits, and zstd is given exactly the room they take.
 * Source: RFC 8878 (zstd). Left out: dictionaries, and pages that would become little smaller: a machine stands still
 * while it is saved, and a disk takes a page in less time than a processor needs to save a part of it.
 */
#include "vmm/ssm/pack.h"

#include <string.h>
#include <zstd.h>

#define ZSTD_LEVEL   (-1) /* twice as fast as 1, for some percent */
#define WORTH_PART   4u   /* one part of so many must be saved */
#define SAMPLE_PAGES 16u  /* of a chunk with many pages: whether it packs at all is seen from these */

struct packer {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
    uint8_t *plain; /* a chunk's pages side by side */
};

struct packer *packer_try_new(void)
{
    struct packer *p = g_new0(struct packer, 1);

    p->pack = ZSTD_createCCtx();
    p->unpack = ZSTD_createDCtx();
    p->plain = g_try_malloc(SSM_CHUNK_BYTES);
    if (!p->pack || !p->unpack || !p->plain)
        g_clear_pointer(&p, packer_free);
    return p;
}

struct packer *packer_new(void)
{
    struct packer *p = packer_try_new();

    if (!p)
        g_error("No memory to unpack memory with");
    return p;
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->pack);
    ZSTD_freeDCtx(p->unpack);
    g_free(p->plain);
    g_free(p);
}

static bool bit(const uint64_t *bits, unsigned n)
{
    return bits[n / 64] >> (n % 64) & 1;
}

static bool page_is_zero(const uint8_t *page)
{
    return page[0] == 0 && !memcmp(page, page + 1, PACK_PAGE_BYTES - 1);
}

static void find_pages(const uint8_t *chunk, const uint64_t *candidates, struct pack_head *h)
{
    for (unsigned n = 0; n < PACK_CHUNK_PAGES; n++)
        if (bit(candidates, n) && !page_is_zero(chunk + (size_t)n * PACK_PAGE_BYTES)) {
            h->present[n / 64] |= UINT64_C(1) << (n % 64);
            h->pages++;
        }
}

/* Every @step-th of the pages, side by side; bytes. */
static size_t gather(uint8_t *to, const uint8_t *chunk, const struct pack_head *h, unsigned step)
{
    uint8_t *at = to;
    unsigned seen = 0;

    for (unsigned n = 0; n < PACK_CHUNK_PAGES; n++)
        if (bit(h->present, n) && seen++ % step == 0) {
            memcpy(at, chunk + (size_t)n * PACK_PAGE_BYTES, PACK_PAGE_BYTES);
            at += PACK_PAGE_BYTES;
        }
    return (size_t)(at - to);
}

/* Bytes at @to, 0 = it is not worth it. */
static size_t squeeze(struct packer *p, uint8_t *to, const uint8_t *pages, size_t plain)
{
    const size_t size = ZSTD_compressCCtx(p->pack, to, plain - plain / WORTH_PART, pages, plain, ZSTD_LEVEL);

    return ZSTD_isError(size) ? 0 : size;
}

/* What is packed already, or encrypted, would take most of a save's time for nothing. */
static bool may_pack(struct packer *p, const uint8_t *chunk, const struct pack_head *h, uint8_t *scratch)
{
    if (h->pages < 4 * SAMPLE_PAGES)
        return true;
    return squeeze(p, scratch, p->plain, gather(p->plain, chunk, h, h->pages / SAMPLE_PAGES | 1)) != 0;
}

size_t pack_chunk(struct packer *p, const uint8_t *chunk, const uint64_t *candidates, uint8_t *to)
{
    struct pack_head h = {.coding = PACK_ZSTD};
    uint8_t *payload = to + sizeof(h);
    size_t size = 0;

    find_pages(chunk, candidates, &h);
    if (!h.pages)
        return 0;
    if (may_pack(p, chunk, &h, payload)) {
        const bool whole = h.pages == PACK_CHUNK_PAGES;
        const size_t plain = whole ? SSM_CHUNK_BYTES : gather(p->plain, chunk, &h, 1);

        size = squeeze(p, payload, whole ? chunk : p->plain, plain);
    }
    if (size == 0) {
        h.coding = PACK_PLAIN;
        size = gather(payload, chunk, &h, 1);
    }
    memcpy(to, &h, sizeof(h));
    return sizeof(h) + size;
}

static bool head_ok(const struct pack_head *h, size_t bytes)
{
    unsigned pages = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(h->present); i++)
        pages += (unsigned)__builtin_popcountll(h->present[i]);
    return pages && pages == h->pages &&
           (h->coding == PACK_ZSTD || (h->coding == PACK_PLAIN && bytes == (size_t)pages * PACK_PAGE_BYTES));
}

bool unpack_chunk(struct packer *p, const uint8_t *from, size_t bytes, uint8_t *chunk)
{
    struct pack_head h;
    const uint8_t *pages;

    if (bytes < sizeof(h))
        return false;
    memcpy(&h, from, sizeof(h));
    pages = from + sizeof(h);
    bytes -= sizeof(h);
    if (!head_ok(&h, bytes))
        return false;
    if (h.coding == PACK_ZSTD) {
        const size_t plain = (size_t)h.pages * PACK_PAGE_BYTES;

        if (ZSTD_decompressDCtx(p->unpack, p->plain, plain, pages, bytes) != plain)
            return false;
        pages = p->plain;
    }
    for (unsigned n = 0; n < PACK_CHUNK_PAGES; n++)
        if (bit(h.present, n)) {
            memcpy(chunk + (size_t)n * PACK_PAGE_BYTES, pages, PACK_PAGE_BYTES);
            pages += PACK_PAGE_BYTES;
        }
    return true;
}
