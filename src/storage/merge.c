/*
 * merge.c - the merge engine: a boundary that moves over the disk; below it the target holds what it has to.
 *
 * Forward: copying what the target shows into the target changes nothing anybody can see, whenever it stops. A guest's
 * write into the target makes the range its own, so there is nothing to keep in step.
 * Backward: the images above the target still show their own data whatever the target holds, so it can be overwritten
 * in any order. If the guest writes the topmost of them, its writes below the boundary go to the target, too, and so
 * do its flushes: when the boundary reaches the end, the chain with and without the merged images show the same.
 * Then the image above learns its new parent, in one step (vd_set_parent()).
 *
 * Invariant 1: the target's modification UUID does not change (VD_KEEP_MODIFY): to its children it is the same disk.
 * Invariant 2: no link is changed before the target is flushed.
 * Invariant 3: when it is over, however it ended, the images below the disk's last one are only read again, and locked
 * as such.
 */
#include "storage/merge.h"

#include <string.h>

#include "rt/status.h"
#include "storage/format.h"

#define CHUNK_BYTES (1u << 20)

struct vd_merge {
    struct vd *disk;   /* the last image */
    struct vd *target; /* forward: the upper end; backward: the lower */
    struct vd *upper;  /* where looking for data begins: the topmost merged image */
    struct vd *below;  /* where it ends: the image below the merged ones, NULL for none */
    struct vd *child;  /* backward: the image above the merged ones, NULL when they reach to the end */
    bool forward;
    uint64_t at, size_bytes; /* the boundary */
    uint64_t room_bytes;
    uint8_t *buf;
};

static struct vd *image_at(struct vd *disk, size_t number)
{
    for (size_t i = vd_depth(disk) - 1; i > number; i--)
        disk = disk->parent;
    return disk;
}

/* What the merged images hold of the run; VD_FREE: nothing. */
static int find(const struct vd_merge *m, uint64_t at, uint64_t bytes, struct vd_extent *ret)
{
    for (struct vd *vd = m->upper; vd != m->below; vd = vd->parent) {
        int rc;

        if (at >= vd->size_bytes) /* hides what is further down with zeros */
            return vd_extent_plain(ret, bytes, m->below ? VD_ZERO : VD_FREE);
        rc = image_map(vd, at, MIN(bytes, vd->size_bytes - at), ret);
        if (rc)
            return rc;
        bytes = ret->bytes;
        if (ret->kind != VD_FREE)
            return 0;
    }
    return vd_extent_plain(ret, bytes, VD_FREE);
}

/*
 * The next run from the boundary on: @ret->kind VD_FREE = nothing to do for it. Forward, runs that have to be copied
 * are whole units of the target.
 */
static int next_run(const struct vd_merge *m, uint64_t at, struct vd_extent *ret)
{
    uint64_t want = MIN(CHUNK_BYTES, m->size_bytes - at), unit = m->target->unit_bytes;
    int rc;

    if (!m->forward)
        return find(m, at, want, ret);
    rc = image_map(m->target, at, want, ret);
    if (rc)
        return rc;
    if (ret->kind != VD_FREE)
        return vd_extent_plain(ret, ret->bytes, VD_FREE);
    rc = find(m, at, ret->bytes, ret);
    if (rc == 0 && ret->kind != VD_FREE && unit)
        ret->bytes = MIN((at + ret->bytes + unit - 1) / unit * unit, m->size_bytes) - at;
    return rc;
}

static int copy_forward(struct vd_merge *m, uint64_t at, uint64_t bytes)
{
    uint64_t unit = m->target->unit_bytes ? m->target->unit_bytes : 1, first = at / unit * unit;

    bytes += at - first;
    while (bytes) {
        size_t n = (size_t)MIN(bytes, MAX(CHUNK_BYTES, unit));
        int rc = chain_read(m->target, first, m->buf, n);

        if (rc == 0)
            rc = image_write(m->target, first, m->buf, n);
        if (rc)
            return rc;
        first += n;
        bytes -= n;
    }
    return 0;
}

/* What the upper image shows, into the target; chain_write() completes units from the target's own parents. */
static int copy_backward(struct vd_merge *m, struct vd *from, uint64_t at, uint64_t bytes)
{
    while (bytes) {
        size_t n = (size_t)MIN(bytes, CHUNK_BYTES);
        int rc = chain_read(from, at, m->buf, n);

        if (rc == 0)
            rc = chain_write(m->target, at, m->buf, n);
        if (rc)
            return rc;
        at += n;
        bytes -= n;
    }
    return 0;
}

int vd_merge_step(struct vd_merge *m, uint64_t bytes, bool *ret_done)
{
    uint64_t stop = MIN(m->size_bytes, m->at + MAX(bytes, 1));
    int rc = 0;

    while (rc == 0 && m->at < stop) {
        struct vd_extent e;

        rc = next_run(m, m->at, &e);
        if (rc == 0 && e.kind != VD_FREE)
            rc = m->forward ? copy_forward(m, m->at, e.bytes) : copy_backward(m, m->upper, m->at, e.bytes);
        if (rc == 0)
            m->at += e.bytes;
    }
    if (m->at >= m->size_bytes && rc == 0)
        rc = image_flush(m->target);
    *ret_done = rc == 0 && m->at >= m->size_bytes;
    return rc;
}

/* ---- the guest goes on ---- */

/* Backward with the guest writing a merged image: the part of the range that lies below the boundary; 0 = none. */
static uint64_t mirrored(const struct vd_merge *m, uint64_t at, uint64_t bytes)
{
    if (m->forward || m->child || at >= m->at)
        return 0;
    return MIN(bytes, m->at - at);
}

int merge_mirror_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    uint64_t n = mirrored(vd->merge, off_bytes, bytes);

    return n ? chain_write(vd->merge->target, off_bytes, buf, n) : 0;
}

int merge_mirror_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    uint64_t n = mirrored(vd->merge, off_bytes, bytes);

    return n ? copy_backward(vd->merge, vd, off_bytes, n) : 0;
}

int merge_mirror_flush(struct vd *vd)
{
    return mirrored(vd->merge, 0, 1) ? image_flush(vd->merge->target) : 0;
}

/* ---- starting ---- */

/* The image exchanges its read-only opening for one that writes; pointers to it stay good. */
static bool make_writable(struct vd *vd, GError **error)
{
    unsigned flags = (vd->flags & ~(unsigned)VD_READ_ONLY) | VD_KEEP_MODIFY | VD_ALONE;
    struct vd *w, swap;
    bool ok;

    if (!vd->read_only)
        return true;
    image_lock(vd, FIO_LOCK_NONE);
    w = image_open(vd->io, vd->format_name, vd->path, flags, error);
    ok = w && !w->read_only;
    if (w && !ok)
        vd_refuse(vd->path, VERR_VD_IMAGE_READ_ONLY, error, "it cannot be merged into: %s",
                  w->ro_reason ? w->ro_reason : "its format is only read");
    if (ok) {
        w->parent = vd->parent;
        swap = *vd;
        *vd = *w;
        *w = swap;
    }
    image_close(w);
    if (!ok)
        image_lock(vd, FIO_LOCK_SHARED);
    return ok;
}

/* How much of a run that is written takes new room in the target. */
static int room_of_run(const struct vd_merge *m, uint64_t at, uint64_t bytes, uint64_t *sum)
{
    uint64_t unit = m->target->unit_bytes ? m->target->unit_bytes : 1;

    while (bytes) {
        struct vd_extent e;
        int rc;

        if (at >= m->target->size_bytes) { /* will be enlarged */
            *sum += bytes;
            return 0;
        }
        rc = image_map(m->target, at, MIN(bytes, m->target->size_bytes - at), &e);
        if (rc == 0 && e.kind == VD_DATA && m->target->format->holes)
            rc = m->target->format->holes(m->target, at, e.bytes, &e);
        if (rc)
            return rc;
        if (e.kind != VD_DATA)
            *sum += (at % unit + e.bytes + unit - 1) / unit * unit;
        at += e.bytes;
        bytes -= e.bytes;
    }
    return 0;
}

static int count_room(struct vd_merge *m)
{
    int rc = 0;

    for (uint64_t at = 0; rc == 0 && at < m->size_bytes;) {
        struct vd_extent e;

        rc = next_run(m, at, &e);
        if (rc == 0 && e.kind == VD_DATA)
            rc = room_of_run(m, at, e.bytes, &m->room_bytes);
        at += rc ? 0 : e.bytes;
    }
    return rc;
}

static bool check_room(struct vd_merge *m, GError **error)
{
    int64_t room = m->target->format->remote ? INT64_MAX : m->target->io->room(m->target->io->ctx, m->target->fd);
    int rc = room < 0 ? status_from_errno((int)room) : count_room(m);

    if (rc) {
        fio_error(error, rc, "Cannot find out how much room merging into '%s' needs", m->target->path);
        return false;
    }
    if (m->room_bytes > (uint64_t)room)
        return vd_refuse(m->target->path, VERR_DISK_FULL, error,
                         "merging into it may need %" G_GUINT64_FORMAT " bytes, and there are %" G_GUINT64_FORMAT
                         "; make room first",
                         m->room_bytes, (uint64_t)room);
    return true;
}

static struct vd_merge *plan(struct vd *disk, size_t from, size_t to)
{
    struct vd_merge *m = g_new0(struct vd_merge, 1);
    size_t last = vd_depth(disk) - 1;

    m->disk = disk;
    m->forward = to > from;
    m->target = image_at(disk, to);
    m->upper = m->forward ? m->target->parent : image_at(disk, from);
    m->below = m->forward ? image_at(disk, from)->parent : m->target;
    m->child = !m->forward && from < last ? image_at(disk, from + 1) : NULL;
    m->size_bytes = m->forward ? m->target->size_bytes : m->upper->size_bytes;
    m->buf = g_try_malloc(MAX(CHUNK_BYTES, m->target->unit_bytes));
    return m;
}

/* A block that is copied in part would be completed with zeros, which are not the cipher text of zeros. */
static bool same_units(struct vd *vd)
{
    for (; vd->parent; vd = vd->parent)
        if (vd->parent->unit_bytes != vd->unit_bytes)
            return false;
    return true;
}

static void drop(struct vd_merge *m)
{
    g_free(m->buf);
    g_free(m);
}

static bool enlarge_target(struct vd_merge *m, GError **error)
{
    struct vd *t = m->target;

    if (m->forward || t->size_bytes >= m->size_bytes)
        return true;
    if (!t->format->resize)
        return vd_refuse(t->path, VERR_NOT_SUPPORTED, error, "it is smaller than what is merged into it");
    return t->format->resize(t, m->size_bytes, error);
}

struct vd_merge *vd_merge_start(struct vd *disk, size_t from, size_t to, GError **error)
{
    size_t n = vd_depth(disk);
    struct vd_merge *m;

    if (from == to || from >= n || to >= n || (from == 0 && to == 0)) {
        fio_error(error, VERR_INVALID_PARAMETER, "There are no images %zu and %zu to merge in a chain of %zu", from, to,
                  n);
        return NULL;
    }
    if (disk->merge || disk->read_only) {
        vd_refuse(disk->path, disk->merge ? VERR_INVALID_STATE : VERR_VD_IMAGE_READ_ONLY, error,
                  disk->merge ? "a merge is going on" : "it must be open for writing to merge its images");
        return NULL;
    }
    m = plan(disk, from, to);
    if (!m->target->format->write || (m->forward ? m->target
                                      : m->child ? m->child
                                                 : disk)
                                             ->format->set_parent == NULL) {
        vd_refuse(m->target->path, VERR_NOT_SUPPORTED, error, "images of this format cannot be merged into");
        drop(m);
        return NULL;
    }
    if ((disk->crypt || disk->locked) && !same_units(disk)) {
        vd_refuse(disk->path, VERR_NOT_SUPPORTED, error,
                  "encrypted images with blocks of different sizes cannot be merged");
        drop(m);
        return NULL;
    }
    if (!m->buf)
        vd_refuse(m->target->path, VERR_NO_MEMORY, error, "merging needs room for one of its blocks");
    if (!m->buf || !check_room(m, error) || !make_writable(m->target, error) ||
        (m->child && !make_writable(m->child, error)) || !enlarge_target(m, error)) {
        drop(m);
        return NULL;
    }
    disk->merge = m;
    return m;
}

uint64_t vd_merge_room_bytes(const struct vd_merge *m)
{
    return m->room_bytes;
}

unsigned vd_merge_permille(const struct vd_merge *m)
{
    return (unsigned)((double)m->at * 1000 / (double)m->size_bytes);
}

/* ---- finishing ---- */

/* Images that were written while they were merged into are only read from now on, and others may read them (inv 3). */
static void only_read(struct vd *disk)
{
    for (struct vd *vd = disk->parent; vd; vd = vd->parent)
        if (!vd->read_only && image_flush(vd) == 0 && image_lock(vd, FIO_LOCK_SHARED) == 0) {
            vd->read_only = true;
            vd->flags |= VD_READ_ONLY;
        }
}

static void end(struct vd_merge *m)
{
    m->disk->merge = NULL;
    only_read(m->disk);
    drop(m);
}

void vd_merge_cancel(struct vd_merge *m)
{
    if (m)
        end(m);
}

/* Closes the images from @first down to, not including, @end. */
static void close_run(struct vd *first, struct vd *end)
{
    while (first != end) {
        struct vd *parent = first->parent;

        image_close(first);
        first = parent;
    }
}

static bool relink(struct vd_merge *m, GError **error)
{
    struct vd *target = m->target, swap, *merged;

    if (m->forward) {
        if (!vd_set_parent(target, m->below, error))
            return false;
        merged = target->parent;
        target->parent = m->below;
        close_run(merged, m->below);
        return true;
    }
    if (m->child) {
        if (!vd_set_parent(m->child, target, error))
            return false;
        m->child->parent = target;
        close_run(m->upper, target);
        return true;
    }
    /* the disk's last image goes: the disk's pointer takes over the target's opening, and the guest writes that one */
    target->flags &= ~(unsigned)VD_KEEP_MODIFY;
    merged = m->disk->parent;
    chain_index_free(m->disk);
    swap = *m->disk;
    *m->disk = *target;
    *target = swap; /* the merged image's opening, in the place of the target's */
    if (merged == target)
        merged = NULL;
    for (struct vd *vd = merged; vd && vd != target;) {
        struct vd *parent = vd->parent;

        image_close(vd);
        vd = parent;
    }
    image_close(target);
    return true;
}

bool vd_merge_finish(struct vd_merge *m, GError **error)
{
    struct vd *disk = m->disk;
    int rc = m->at < m->size_bytes ? VERR_INVALID_STATE : image_flush(m->target); /* inv 2 */
    bool ok = rc == 0;

    if (!ok)
        fio_error(error, rc, "Cannot finish merging into '%s'", m->target->path);
    disk->merge = NULL;
    ok = ok && relink(m, error);
    if (ok) {
        chain_index_free(disk);
        if (disk->parent)
            chain_reindex(disk);
    }
    end(m);
    return ok;
}

bool vd_merge_run(struct vd *disk, size_t from, size_t to, const struct vd_progress *progress, GError **error)
{
    struct vd_merge *m = vd_merge_start(disk, from, to, error);
    bool done = false;
    int rc = 0;

    if (!m)
        return false;
    while (rc == 0 && !done) {
        rc = vd_merge_step(m, 16 * CHUNK_BYTES, &done);
        if (rc == 0 && !vd_keep_going(progress, m->at, m->size_bytes))
            rc = VERR_CANCELLED;
    }
    if (rc == 0)
        return vd_merge_finish(m, error);
    fio_error(error, rc, "Merging into '%s' was not completed; the disk is unchanged", m->target->path);
    vd_merge_cancel(m);
    return false;
}
