/*
 * media_copy.c - a machine that moves to another process takes its disks' contents along: see media.h. Which disks,
 * says media_meet.c.
 *
 * Disks are read and written on their drivers' threads. A MiB is a word of the driver's bits (block_track()).
 * Invariant 1: what comes with a copy is written where it differs only, so a differencing image gets no more.
 */
#include <assert.h>
#include <string.h>

#include "main/vmproc/media_int.h"
#include "rt/status.h"

#define MAP_BYTES   (64u << 20)
#define FLUSH_BYTES (64u << 20)
#define PAGES       (MEDIA_CHUNK_BYTES / MEDIA_PAGE_BYTES)
#define BIT_PAGES   (BLOCK_TRACK_BYTES / MEDIA_PAGE_BYTES)
static_assert(64 * BLOCK_TRACK_BYTES == MEDIA_CHUNK_BYTES, "a word is a chunk");

/* ---- the source ---- */

struct track_call {
    struct medium *m;
    bool on;
};

static void track(void *ctx)
{
    struct track_call *c = ctx;

    c->m->copied = block_track(c->m->block, c->on) && c->on;
}

bool media_copy_begin(struct media *all, const uint8_t *copied, unsigned count, GError **error)
{
    for (unsigned n = 0; n < count && n < all->list->len; n++) {
        struct medium *m = all->list->pdata[n];
        struct track_call c = {m, true};

        if (!copied[n])
            continue;
        if (m->kind == DEVICE_DVD || (m->flags & (VD_READ_ONLY | VD_SHAREABLE)) || m->block->read_only ||
            m->key_store != NULL || m->block->size_bytes > MEDIA_COPY_MAX_BYTES) {
            g_set_error(error, MEDIA_ERROR, 0, "The disk '%s' cannot be copied; both sides must have the same file",
                        vd_path(m->vd));
            return false;
        }
        block_call(m->block, track, &c);
        if (!m->copied) {
            g_set_error(error, MEDIA_ERROR, 0, "There is not enough memory to copy the disk '%s'", vd_path(m->vd));
            return false;
        }
    }
    return true;
}

void media_copy_end(struct media *all)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        struct track_call c = {all->list->pdata[n], false};
        if (c.m->copied)
            block_call(c.m->block, track, &c);
    }
}

uint64_t media_copy_chunks(struct media *all, unsigned n)
{
    const struct medium *m = all->list->pdata[n];

    return m->copied ? (m->block->size_bytes + MEDIA_CHUNK_BYTES - 1) / MEDIA_CHUNK_BYTES : 0;
}

uint64_t media_copy_changed_bytes(struct media *all)
{
    uint64_t bits = 0;

    for (unsigned n = 0; n < all->list->len; n++)
        if (((struct medium *)all->list->pdata[n])->copied)
            bits += block_tracked_count(((struct medium *)all->list->pdata[n])->block);
    return bits * BLOCK_TRACK_BYTES;
}

uint64_t media_copy_next(struct media *all, unsigned n, uint64_t chunk)
{
    const struct medium *m = all->list->pdata[n];

    return m->copied ? block_tracked_next(m->block, chunk) : UINT64_MAX;
}

struct read_call {
    struct medium *m;
    struct media_chunk *chunk;
    bool all;
    int status;
};

static size_t bytes_at(const struct medium *m, uint64_t at)
{
    return (size_t)MIN(MEDIA_CHUNK_BYTES, m->block->size_bytes - at);
}

/* A run of chunks that read zeros is told as such; how many. */
static uint64_t zero_run(struct read_call *c, uint64_t at)
{
    const uint64_t left = c->m->block->size_bytes - at, asked = MIN(left, MAP_BYTES);
    struct vd_extent e;

    c->status = vd_map(c->m->vd, at, asked, &e);
    if (c->status != 0 || e.kind != VD_ZERO)
        return 0;
    return e.bytes == left ? (left + MEDIA_CHUNK_BYTES - 1) / MEDIA_CHUNK_BYTES : e.bytes / MEDIA_CHUNK_BYTES;
}

/* The runs of pages whose bits are set. */
static int read_pages(struct medium *m, uint64_t at, const uint64_t *pages, uint8_t *buf)
{
    const size_t bytes = bytes_at(m, at);
    int rc = 0;

    memset(buf, 0, MEDIA_CHUNK_BYTES);
    for (unsigned first = 0, end; rc == 0 && first < PAGES; first = end + 1) {
        for (; first < PAGES && !(pages[first / 64] >> (first % 64) & 1); first++)
            ;
        for (end = first; end < PAGES && (pages[end / 64] >> (end % 64) & 1); end++)
            ;
        const size_t from = first * MEDIA_PAGE_BYTES, to = MIN(end * MEDIA_PAGE_BYTES, bytes);
        if (from < to)
            rc = vd_read(m->vd, at + from, buf + from, to - from);
    }
    return rc;
}

static void read_chunk(void *ctx)
{
    struct read_call *c = ctx;
    struct media_chunk *k = c->chunk;
    const uint64_t at = k->number * MEDIA_CHUNK_BYTES;
    const uint64_t bits = block_tracked(c->m->block, k->number) | (c->all ? UINT64_MAX : 0);

    memset(k->pages, 0, sizeof k->pages);
    k->zeros = c->all ? zero_run(c, at) : 0;
    for (uint64_t n = 1; n < k->zeros; n++)
        block_tracked(c->m->block, k->number + n);
    for (unsigned n = 0; n < PAGES; n++)
        k->pages[n / 64] |= (bits >> (n / BIT_PAGES) & 1) << (n % 64);
    if (c->status == 0 && k->zeros == 0 && bits != 0)
        c->status = read_pages(c->m, at, k->pages, k->bytes);
}

bool media_copy_read(struct media *all, unsigned n, bool everything, struct media_chunk *chunk, GError **error)
{
    struct read_call c = {.m = all->list->pdata[n], .chunk = chunk, .all = everything};

    block_look(c.m->block, read_chunk, &c);
    if (c.status != 0)
        fio_error(error, c.status, "Cannot read the disk '%s'", vd_path(c.m->vd));
    return c.status == 0;
}

/* ---- the target ---- */

struct write_call {
    struct medium *m;
    const struct media_chunk *chunk;
    uint8_t *have;
    int status;
};

/* inv 1: runs of pages that are told and differ. */
static int write_pages(struct medium *m, uint64_t at, const uint64_t *pages, const uint8_t *want, uint8_t *have)
{
    const size_t bytes = bytes_at(m, at);
    size_t run = 0, end = 0;
    int rc = vd_read(m->vd, at, have, bytes);

    for (size_t from = 0; rc == 0 && from < bytes; from += MEDIA_PAGE_BYTES) {
        const size_t n = from / MEDIA_PAGE_BYTES, size = MIN(MEDIA_PAGE_BYTES, bytes - from);
        const bool differs = (pages[n / 64] >> (n % 64) & 1) && memcmp(have + from, want + from, size) != 0;

        if (differs && end != from) {
            rc = run < end ? vd_write(m->vd, at + run, want + run, end - run) : 0;
            run = from;
        }
        end = differs ? from + size : end;
        m->unflushed_bytes += differs ? size : 0;
    }
    return rc == 0 && run < end ? vd_write(m->vd, at + run, want + run, end - run) : rc;
}

static int write_zeros(struct write_call *c, uint64_t at, uint64_t bytes)
{
    static const uint8_t zeros[MEDIA_CHUNK_BYTES];
    static const uint64_t every[PAGES / 64] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    int rc = 0;

    for (uint64_t end = at + bytes; rc == 0 && at < end;) {
        struct vd_extent e;

        rc = vd_map(c->m->vd, at, end - at, &e);
        const uint64_t whole = rc == 0 && e.kind == VD_ZERO ? e.bytes / MEDIA_CHUNK_BYTES * MEDIA_CHUNK_BYTES : 0;
        if (rc == 0 && whole == 0)
            rc = write_pages(c->m, at, every, zeros, c->have);
        at += whole != 0 ? whole : bytes_at(c->m, at);
    }
    return rc;
}

static void write_chunk(void *ctx)
{
    struct write_call *c = ctx;
    const struct media_chunk *k = c->chunk;
    const uint64_t at = k->number * MEDIA_CHUNK_BYTES, left = c->m->block->size_bytes - at;

    c->status = k->zeros != 0 ? write_zeros(c, at, MIN(left, k->zeros * MEDIA_CHUNK_BYTES))
                              : write_pages(c->m, at, k->pages, k->bytes, c->have);
    if (c->status == 0 && c->m->unflushed_bytes >= FLUSH_BYTES) { /* the last one is to find little */
        c->status = vd_flush(c->m->vd);
        c->m->unflushed_bytes = 0;
    }
}

bool media_copy_write(struct media *all, unsigned n, const struct media_chunk *chunk, GError **error)
{
    struct medium *m = all->met != NULL && n < all->list->len ? all->met[n] : NULL;
    const uint64_t chunks =
        m != NULL && m->copied ? (m->block->size_bytes + MEDIA_CHUNK_BYTES - 1) / MEDIA_CHUNK_BYTES : 0;

    if (chunk->number >= chunks || chunk->zeros > MIN(chunks - chunk->number, MEDIA_ZEROS_MAX)) {
        g_set_error(error, MEDIA_ERROR, 0, "A piece of a disk lies beyond the end");
        return false;
    }
    g_autofree uint8_t *have = g_malloc(MEDIA_CHUNK_BYTES);
    struct write_call c = {.m = m, .chunk = chunk, .have = have};
    block_call(m->block, write_chunk, &c);
    if (c.status != 0)
        fio_error(error, c.status, "Cannot write the disk '%s'", vd_path(m->vd));
    return c.status == 0;
}

static void flush(void *ctx)
{
    struct write_call *c = ctx;

    c->status = vd_flush(c->m->vd);
    c->m->unflushed_bytes = 0;
}

bool media_copy_flush(struct media *all, GError **error)
{
    for (unsigned n = 0; n < all->list->len; n++) {
        struct write_call c = {.m = all->list->pdata[n]};

        if (c.m->copied)
            block_call(c.m->block, flush, &c);
        if (c.status != 0) {
            fio_error(error, c.status, "Cannot flush the disk '%s'", vd_path(c.m->vd));
            return false;
        }
    }
    return true;
}
