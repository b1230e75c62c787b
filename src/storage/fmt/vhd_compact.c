/*
 * vhd_compact.c - gives back a dynamic VHD's blocks of zeros, and the places that belong to no block any more.
 *
 * Blocks of zeros lose their entries; then the last blocks move into the gaps from the front, and the file is cut. A
 * batch of blocks is copied and synced before their entries name the new places, and those are synced before the file
 * is cut. Every gap lies before all blocks that still move or have moved, so the only copy of anything is never
 * overwritten. The footer is written at the new end and synced before the file is cut there.
 * Left out: differencing images (a block of zeros hides the parent's data).
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vhd_int.h"

#define CHUNK_BYTES (1u << 20)
#define FIRST_BYTES (4u << 10)
#define BATCH       128u /* blocks, usually of 2 MiB */

struct place {
    uint64_t at; /* of the block's bitmap in the file */
    uint32_t block;
};

struct compact {
    struct vd *vd;
    struct vhd *v;
    const struct vd_progress *progress;
    uint64_t stride, done, all; /* steps */
    struct place *place;        /* of all blocks, by place */
    uint32_t count;
    uint8_t *buf;
    struct place moved[BATCH]; /* copied there, not yet named */
    unsigned n_moved;
};

static int step(struct compact *c)
{
    return vd_keep_going(c->progress, ++c->done, c->all) ? 0 : VERR_CANCELLED;
}

/* *@ret: nothing but zeros can be read there; data shows early, and little of it is read then. */
static int is_zero(struct compact *c, uint32_t b, bool *ret)
{
    const uint64_t from = (uint64_t)b * c->v->h.block_bytes, end = MIN(from + c->v->h.block_bytes, c->vd->size_bytes);
    int rc = 0;

    *ret = true;
    for (uint64_t at = from, n; rc == 0 && *ret && at < end; at += n) {
        n = MIN(at == from ? FIRST_BYTES : CHUNK_BYTES, end - at);
        rc = image_read(c->vd, at, c->buf, (size_t)n);
        *ret = rc == 0 && vd_all_zero(c->buf, (size_t)n);
    }
    return rc;
}

static int drop_zeros(struct compact *c)
{
    int rc = 0;

    for (uint32_t b = 0; rc == 0 && b < c->v->h.entries; b++) {
        bool zero = false;

        if (c->v->bat[b] != VHD_FREE)
            rc = is_zero(c, b, &zero);
        if (rc == 0 && zero) {
            c->v->bat[b] = VHD_FREE;
            rc = vhd_put_entry(c->vd, b);
        }
        rc = rc ? rc : step(c);
    }
    return rc ? rc : vd_sync(c->vd);
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static void sort_places(struct compact *c)
{
    c->count = 0;
    for (uint32_t b = 0; b < c->v->h.entries; b++)
        if (c->v->bat[b] != VHD_FREE)
            c->place[c->count++] = (struct place){c->v->bat[b] * 512ull, b};
    qsort(c->place, c->count, sizeof(struct place), by_place);
}

/* The end of what else lies in [@at, @at + @bytes): header, table; @at: nothing does. */
static uint64_t past_others(const struct compact *c, uint64_t at, uint64_t bytes)
{
    const struct {
        uint64_t at, bytes;
    } others[] = {
        {0, VHD_FOOTER_BYTES}, {c->v->f.header_at, VHD_HEADER_BYTES}, {c->v->h.bat_at, 4ull * c->v->h.entries}};

    for (size_t k = 0; k < G_N_ELEMENTS(others); k++)
        if (at < others[k].at + others[k].bytes && others[k].at < at + bytes)
            return align_up(others[k].at + others[k].bytes, 512);
    return at;
}

/* The copies are there: the entries may say so. */
static int commit(struct compact *c)
{
    int rc = c->n_moved ? vd_sync(c->vd) : 0;

    if (rc || c->n_moved == 0)
        return rc;
    for (unsigned k = 0; rc == 0 && k < c->n_moved; k++) {
        c->v->bat[c->moved[k].block] = (uint32_t)(c->moved[k].at / 512);
        rc = vhd_put_entry(c->vd, c->moved[k].block);
    }
    rc = rc ? rc : vd_sync(c->vd);
    if (rc)
        vd_downgrade(c->vd, "a block table entry could not be written");
    c->n_moved = 0;
    return rc;
}

static int move_block(struct compact *c, const struct place *p, uint64_t to)
{
    int rc = 0;

    for (uint64_t off = 0; rc == 0 && off < c->stride; off += CHUNK_BYTES) {
        const size_t n = (size_t)MIN(CHUNK_BYTES, c->stride - off);

        rc = fio_read(c->vd->io, c->vd->fd, c->buf, n, p->at + off);
        rc = rc ? rc : fio_write(c->vd->io, c->vd->fd, c->buf, n, to + off);
    }
    if (rc)
        return rc;
    fio_hasten(c->vd->io, c->vd->fd, to, c->stride);
    c->moved[c->n_moved++] = (struct place){to, p->block};
    return c->n_moved == BATCH ? commit(c) : 0;
}

/* Gaps from the front get the last blocks. @from: where blocks begin. */
static int fill_gaps(struct compact *c, uint64_t from)
{
    uint64_t at = from;
    int rc = 0;

    for (uint32_t next = 0; rc == 0 && next < c->count;) {
        const uint64_t past = past_others(c, at, c->stride);

        if (past != at) {
            at = past;
        } else if (c->place[next].at < at + c->stride) {
            at = MAX(at, c->place[next].at + c->stride);
            next++;
        } else {
            rc = move_block(c, &c->place[--c->count], at);
            at += c->stride;
        }
        rc = rc ? rc : step(c);
    }
    return rc ? rc : commit(c);
}

/* The end of everything that is used. */
static uint64_t used_end(const struct compact *c)
{
    uint64_t end = MAX(c->v->f.header_at + VHD_HEADER_BYTES, align_up(c->v->h.bat_at + 4ull * c->v->h.entries, 512));

    for (uint32_t b = 0; b < c->v->h.entries; b++)
        if (c->v->bat[b] != VHD_FREE)
            end = MAX(end, c->v->bat[b] * 512ull + c->stride);
    return end;
}

static int cut(struct compact *c)
{
    const uint64_t end = used_end(c);
    int rc;

    if (end >= c->v->end_bytes)
        return 0;
    c->v->end_bytes = end;
    rc = vhd_put_footer(c->vd);
    rc = rc ? rc : vd_sync(c->vd);
    rc = rc ? rc : fio_truncate(c->vd->io, c->vd->fd, end + VHD_FOOTER_BYTES);
    if (rc == 0)
        c->v->stale_bytes = end + VHD_FOOTER_BYTES;
    return rc ? rc : vd_sync(c->vd);
}

static int compact(struct compact *c)
{
    int rc = vhd_flush(c->vd);

    if (rc)
        return rc;
    sort_places(c);
    const uint64_t from = c->count ? c->place[0].at : 0;
    c->all = (uint64_t)c->v->h.entries + 2ull * c->count;
    rc = drop_zeros(c);
    sort_places(c);
    rc = rc ? rc : fill_gaps(c, MAX(from, VHD_FOOTER_BYTES));
    vhd_forget_bitmaps(c->vd);
    return rc ? rc : cut(c);
}

bool vhd_compact(struct vd *vd, const struct vd_progress *progress, GError **error)
{
    struct vhd *v = vd->priv;
    struct compact c = {.vd = vd, .v = v, .progress = progress, .buf = g_try_malloc(CHUNK_BYTES)};
    int rc;

    if (v->f.type != VHD_DYNAMIC) {
        g_free(c.buf);
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "only dynamic VHD images can be compacted; clone it");
    }
    c.stride = v->bitmap_bytes + (uint64_t)v->h.block_bytes;
    c.place = g_try_new(struct place, v->h.entries);
    rc = c.place && c.buf ? compact(&c) : VERR_NO_MEMORY;
    g_free(c.place);
    g_free(c.buf);
    if (rc)
        fio_error(error, rc, "Cannot compact '%s'; its contents are unchanged", vd->path);
    return rc == 0;
}
