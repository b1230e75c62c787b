/*
 * vmdk_compact.c - gives back a VMDK's grains of zeros, and the places that belong to no grain any more.
 *
 * Sparse extents: grains of zeros lose their entries, in both copies of the tables; then the last grains move into the
 * gaps from the front, and the file is cut. A batch of grains is copied and synced before its entries name the new
 * places, and those are synced before the next batch, so the only copy of anything is never overwritten: gaps lie
 * before all grains that still move. Flat extents: zeros become holes. Left out: differencing images (a grain of zeros
 * hides the parent's data), compressed ones.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define BATCH       4096u /* grains, usually of 64 KiB */
#define FIRST_BYTES (4u << 10)
#define CHUNK_BYTES (64u << 10)

/* Where a grain lies; sectors. */
struct place {
    uint32_t at, grain;
};

/* What does not move; bytes. */
struct fixed {
    uint64_t at, end;
};

struct compact {
    struct vd *vd;
    const struct vd_progress *progress;
    struct vmdk_extent *e;
    uint64_t done, all; /* steps */
    struct place *place;
    uint32_t count;
    GArray *fixed; /* struct fixed, sorted, merged */
    uint8_t *buf;  /* a grain */
};

static int step(struct compact *c)
{
    return vd_keep_going(c->progress, MIN(++c->done, c->all), c->all) ? 0 : VERR_CANCELLED;
}

/* ---- what lies where ---- */

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_start(const void *a, const void *b)
{
    const struct fixed *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static void add_fixed(struct compact *c, uint64_t at, uint64_t bytes)
{
    const struct fixed f = {at, at + bytes};

    g_array_append_val(c->fixed, f);
}

static void note_tables(struct compact *c, const uint32_t *gd, uint64_t gd_at)
{
    add_fixed(c, gd_at, align_up(4ull * c->e->gts, VD_SECTOR_BYTES));
    for (uint32_t i = 0; i < c->e->gts; i++)
        add_fixed(c, gd[i] * 512ull, vmdk_gt_bytes(&c->e->h));
}

static void find_fixed(struct compact *c)
{
    struct vmdk_extent *e = c->e;
    guint n = 1;

    add_fixed(c, 0, VMDK_HEADER_BYTES);
    if (!e->own_fd) {
        const struct vmdk *v = c->vd->priv;

        add_fixed(c, v->descriptor_at, MAX(e->h.descriptor_bytes, VMDK_EMBEDDED_BYTES));
    }
    note_tables(c, e->gd, e->h.gd_at);
    if (e->rgd)
        note_tables(c, e->rgd, e->h.rgd_at);
    g_array_sort(c->fixed, by_start);
    for (guint i = 1; i < c->fixed->len; i++) {
        struct fixed *last = &g_array_index(c->fixed, struct fixed, n - 1);
        const struct fixed f = g_array_index(c->fixed, struct fixed, i);

        if (f.at <= last->end)
            last->end = MAX(last->end, f.end);
        else
            g_array_index(c->fixed, struct fixed, n++) = f;
    }
    g_array_set_size(c->fixed, n);
}

/* The end of what does not move in [@at, @at + @bytes); @at: nothing of it lies there. */
static uint64_t past_fixed(const struct compact *c, uint64_t at, uint64_t bytes)
{
    for (guint i = 0; i < c->fixed->len; i++) {
        const struct fixed *f = &g_array_index(c->fixed, struct fixed, i);

        if (at < f->end && f->at < at + bytes)
            return f->end;
    }
    return at;
}

/* *@ret: nothing but zeros can be read there; data shows early, and little of it is read then. */
static int is_zero(struct compact *c, uint64_t grain, bool *ret)
{
    const uint64_t at = grain * c->e->h.grain_bytes, bytes = MIN(c->e->h.grain_bytes, c->e->bytes - at);
    int rc = 0;

    *ret = true;
    for (uint64_t done = 0, n; rc == 0 && *ret && done < bytes; done += n) {
        n = MIN(done == 0 ? FIRST_BYTES : bytes, bytes - done);
        rc = image_read(c->vd, c->e->first_bytes + at + done, c->buf, (size_t)n);
        *ret = rc == 0 && vd_all_zero(c->buf, (size_t)n);
    }
    return rc;
}

/* What was noted of entries goes to the file; where it does not, what is in memory is not what a later one finds. */
static int write_tables(struct compact *c)
{
    const int rc = vmdk_tables_write(c->e);

    if (rc)
        vd_downgrade(c->vd, "grain tables could not be written");
    return rc;
}

/* Grains of zeros lose their entries; the others' places. */
static int drop_zeros(struct compact *c)
{
    const uint64_t grains = (c->e->bytes + c->e->h.grain_bytes - 1) / c->e->h.grain_bytes;
    int rc = 0, written;

    for (uint64_t g = 0; rc == 0 && g < grains; g++) {
        bool zero = false;
        uint32_t entry;

        rc = vmdk_grain_entry(c->e, g, &entry);
        if (rc == 0 && entry > VMDK_ZERO_ENTRY)
            rc = is_zero(c, g, &zero);
        if (rc == 0 && zero)
            rc = vmdk_grain_note(c->e, g, 0);
        else if (rc == 0 && entry > VMDK_ZERO_ENTRY)
            c->place[c->count++] = (struct place){entry, (uint32_t)g};
        rc = rc ? rc : step(c);
    }
    qsort(c->place, c->count, sizeof(struct place), by_place);
    written = write_tables(c); /* of a part, too, if it ends here */
    rc = rc ? rc : written;
    return rc ? rc : vmdk_extent_sync(c->vd, c->e);
}

/* Two grains in one place, or one among the tables: nothing may move. */
static int find_damage(const struct compact *c)
{
    const uint64_t bytes = c->e->h.grain_bytes;

    for (uint32_t i = 0; i < c->count; i++) {
        const uint64_t at = c->place[i].at * 512ull;

        if (past_fixed(c, at, bytes) != at || (i + 1 < c->count && c->place[i + 1].at * 512ull < at + bytes))
            return VERR_VD_IMAGE_CORRUPTED;
    }
    return 0;
}

/* ---- moving ---- */

struct batch {
    struct place to[BATCH];
    unsigned n;
};

static int copy_grain(struct compact *c, const struct place *from, uint64_t to)
{
    const size_t n = (size_t)c->e->h.grain_bytes;
    const int rc = fio_read_some(c->vd->io, c->e->fd, c->buf, n, from->at * 512ull);

    return rc ? rc : fio_write(c->vd->io, c->e->fd, c->buf, n, to);
}

/* The copies are there: the entries may say so. */
static int commit(struct compact *c, struct batch *b)
{
    int rc = b->n ? vmdk_extent_sync(c->vd, c->e) : 0;

    if (rc || b->n == 0)
        return rc;
    for (unsigned i = 0; rc == 0 && i < b->n; i++)
        rc = vmdk_grain_note(c->e, b->to[i].grain, b->to[i].at);
    b->n = 0;
    if (rc)
        vd_downgrade(c->vd, "a grain table entry could not be written");
    rc = rc ? rc : write_tables(c);
    return rc ? rc : vmdk_extent_sync(c->vd, c->e);
}

/* Gaps from the front get the last grains; *@ret_end: of all grains. */
static int fill_gaps(struct compact *c, uint64_t *ret_end)
{
    const uint64_t bytes = c->e->h.grain_bytes;
    uint32_t next = 0, left = c->count;
    uint64_t at = c->e->h.overhead_bytes;
    g_autofree struct batch *b = g_try_new0(struct batch, 1);
    int rc = b ? 0 : VERR_NO_MEMORY;

    while (rc == 0 && next < left) {
        const uint64_t past = past_fixed(c, at, bytes);

        if (past != at) {
            at = past;
        } else if (c->place[next].at * 512ull < at + bytes) {
            at = MAX(at, c->place[next].at * 512ull + bytes);
            next++;
        } else {
            const struct place *last = &c->place[--left];

            rc = copy_grain(c, last, at);
            b->to[b->n++] = (struct place){(uint32_t)(at / 512), last->grain};
            at += bytes;
            if (rc == 0 && b->n == BATCH)
                rc = commit(c, b);
        }
        rc = rc ? rc : step(c);
    }
    *ret_end = at;
    return rc ? rc : commit(c, b);
}

static int cut(struct compact *c, uint64_t end)
{
    struct vmdk_extent *e = c->e;
    int rc;

    end = MAX(end, g_array_index(c->fixed, struct fixed, c->fixed->len - 1).end);
    end = MAX(end, e->h.overhead_bytes);
    if (end >= e->end_bytes)
        return 0;
    rc = fio_truncate(c->vd->io, e->fd, end);
    if (rc)
        return rc;
    e->end_bytes = align_up(end, e->h.grain_bytes);
    e->stale_bytes = end;
    return vmdk_extent_sync(c->vd, e);
}

static int compact_sparse(struct compact *c)
{
    const uint64_t grains = c->e->bytes / c->e->h.grain_bytes + 1;
    uint64_t end = 0;
    int rc;

    c->count = 0;
    c->done = 0;
    c->all = 3 * grains;
    c->place = g_try_new(struct place, grains);
    c->buf = g_try_malloc(c->e->h.grain_bytes);
    c->fixed = g_array_new(FALSE, FALSE, sizeof(struct fixed));
    rc = c->place && c->buf ? 0 : VERR_NO_MEMORY;
    if (rc == 0) {
        find_fixed(c);
        rc = drop_zeros(c);
    }
    rc = rc ? rc : find_damage(c);
    rc = rc ? rc : fill_gaps(c, &end);
    rc = rc ? rc : cut(c, end);
    g_array_unref(c->fixed);
    g_clear_pointer(&c->buf, g_free);
    g_clear_pointer(&c->place, g_free);
    return rc;
}

static int compact_flat(struct compact *c)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK_BYTES);
    int rc = 0;

    c->done = 0;
    c->all = c->e->bytes / CHUNK_BYTES + 1;
    for (uint64_t at = 0; rc == 0 && at < c->e->bytes; at += CHUNK_BYTES) {
        const size_t n = (size_t)MIN(CHUNK_BYTES, c->e->bytes - at);

        rc = fio_read_some(c->vd->io, c->e->fd, buf, n, c->e->flat_at + at);
        if (rc == 0 && vd_all_zero(buf, n))
            rc = fio_punch(c->vd->io, c->e->fd, c->e->flat_at + at, n);
        rc = rc ? rc : step(c);
    }
    return rc;
}

bool vmdk_compact(struct vd *vd, const struct vd_progress *progress, GError **error)
{
    struct vmdk *v = vd->priv;
    int rc = 0;

    if (vd->diff || v->stream)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error,
                         "a differencing or streamOptimized VMDK cannot be compacted; clone it");
    for (unsigned i = 0; rc == 0 && i < v->n; i++) {
        struct compact c = {.vd = vd, .progress = progress, .e = &v->extents[i]};

        if (c.e->kind == VMDK_SPARSE)
            rc = compact_sparse(&c);
        else if (c.e->kind == VMDK_FLAT)
            rc = compact_flat(&c);
    }
    if (rc)
        fio_error(error, rc, "Cannot compact '%s'; its contents are unchanged", vd->path);
    return rc == 0;
}
