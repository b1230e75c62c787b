/*
 * chain.c - differencing chains: opening, reading through all images, copy on write into the last.
 *
 * Reading walks from the last image down until one holds the range. So that depth costs nothing, the last image keeps
 * an index: per granule of the disk the first image that holds any of it, found when first asked for. Granules are
 * forgotten when the last image changes there. Nothing recurses: depth is bounded by VD_MAX_DEPTH alone.
 *
 * Invariant 1: the index names image k for a granule only if all images above k hold nothing of it.
 */
#include "storage/chain.h"

#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"

#define GRANULE_BYTES (64u << 10)

struct chain_index {
    struct vd **images; /* last image first */
    size_t n;
    uint32_t granule_bytes;
    uint64_t granules;
    uint16_t *first; /* per granule: 1 + number of the image; 0 = not known */
};

void chain_index_free(struct vd *vd)
{
    if (!vd->index)
        return;
    g_free(vd->index->images);
    g_free(vd->index->first);
    g_clear_pointer(&vd->index, g_free);
}

size_t vd_depth(struct vd *vd)
{
    size_t n = 0;

    for (; vd; vd = vd->parent)
        n++;
    return n;
}

void chain_reindex(struct vd *vd)
{
    struct chain_index *x = g_new0(struct chain_index, 1);

    chain_index_free(vd);
    x->n = vd_depth(vd);
    x->images = g_new(struct vd *, x->n);
    for (size_t i = 0; i < x->n; i++, vd = vd->parent)
        x->images[i] = vd;
    x->granule_bytes = GRANULE_BYTES;
    while (x->images[0]->size_bytes / x->granule_bytes > (64u << 20))
        x->granule_bytes *= 2;
    x->granules = x->images[0]->size_bytes / x->granule_bytes + 1;
    x->first = g_try_malloc0_n(x->granules, sizeof(*x->first)); /* without it reading is slower, not wrong */
    x->images[0]->index = x;
}

void chain_forget(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct chain_index *x = vd->index;
    uint64_t first, last;

    if (!x || !x->first || bytes == 0)
        return;
    first = off_bytes / x->granule_bytes;
    last = MIN((off_bytes + bytes - 1) / x->granule_bytes, x->granules - 1);
    memset(x->first + first, 0, (last - first + 1) * sizeof(*x->first));
}

/*
 * Which image holds the run at @off_bytes: *@ret_owner, counted from @start; the run's kind and length are in @ret.
 * VD_FREE: none of them.
 */
static int locate(struct vd *start, uint64_t off_bytes, uint64_t bytes, struct vd **ret_owner, struct vd_extent *ret)
{
    for (struct vd *vd = start; vd; vd = vd->parent) {
        int rc;

        if (off_bytes >= vd->size_bytes)
            break; /* the child was made larger: zeros */
        rc = image_map(vd, off_bytes, MIN(bytes, vd->size_bytes - off_bytes), ret);
        if (rc)
            return rc;
        *ret_owner = vd;
        bytes = MIN(bytes, ret->bytes);
        ret->bytes = bytes;
        if (ret->kind != VD_FREE)
            return 0;
    }
    *ret_owner = NULL;
    return vd_extent_plain(ret, bytes, VD_FREE);
}

static size_t index_of(const struct chain_index *x, const struct vd *owner)
{
    size_t i = 0;

    while (i < x->n && x->images[i] != owner)
        i++;
    return owner ? i : x->n - 1; /* held by none: the base says so quickest */
}

/* The image to start at for @off_bytes, by the index; looks the whole granule up when it is not known yet. */
static struct vd *start_of(struct vd *vd, uint64_t off_bytes)
{
    struct chain_index *x = vd->index;
    uint64_t granule = x ? off_bytes / x->granule_bytes : 0, at, want;
    struct vd_extent e;
    struct vd *owner;

    if (!x || !x->first)
        return vd;
    if (x->first[granule])
        return x->images[x->first[granule] - 1];
    at = granule * x->granule_bytes;
    want = MIN(x->granule_bytes, vd->size_bytes - at);
    if (locate(vd, at, want, &owner, &e) || e.bytes < want)
        return vd;
    x->first[granule] = (uint16_t)(1 + index_of(x, owner)); /* inv 1 */
    return x->images[x->first[granule] - 1];
}

int chain_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct vd *owner;
    int rc = locate(vd, off_bytes, bytes, &owner, ret);

    if (rc == 0 && ret->kind == VD_FREE)
        ret->kind = VD_ZERO;
    if (rc == 0 && ret->kind == VD_DATA && owner->format->holes)
        rc = owner->format->holes(owner, off_bytes, ret->bytes, ret);
    return rc;
}

/* Reads from @vd and those below it; the index, if @vd has one, says where to begin. */
int chain_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        struct vd *start = start_of(vd, off_bytes), *owner;
        uint64_t n = bytes;
        struct vd_extent e;

        if (start != vd)
            n = MIN(n, vd->index->granule_bytes - off_bytes % vd->index->granule_bytes);
        rc = locate(start, off_bytes, n, &owner, &e);
        if (rc)
            break;
        if (e.kind != VD_DATA)
            memset(buf, 0, e.bytes);
        else if (e.fd >= 0)
            rc = fio_read_some(owner->io, e.fd, buf, e.bytes, e.at);
        else
            rc = image_read(owner, off_bytes, buf, e.bytes);
        off_bytes += e.bytes;
        buf += e.bytes;
        bytes -= e.bytes;
    }
    return rc;
}

/* Whether looking up where data lies reads no file, in any image. */
static bool quick(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    while (vd && bytes && vd->format->quick && vd->format->quick(vd, off_bytes, bytes))
        vd = vd->parent;
    return !vd;
}

int chain_read_now(struct vd *vd, uint64_t off_bytes, const struct iovec *iov, unsigned n)
{
    const size_t bytes = fio_pieces_bytes(iov, n);
    struct iovec part[FIO_PIECES];
    int rc = quick(vd, off_bytes, bytes) ? 0 : VERR_TRY_AGAIN;

    for (size_t done = 0; rc == 0 && done < bytes;) {
        struct vd *owner;
        struct vd_extent e;
        unsigned parts;

        rc = locate(vd, off_bytes + done, bytes - done, &owner, &e);
        if (rc)
            return VERR_TRY_AGAIN; /* whoever may wait reports it */
        parts = fio_pieces_cut(iov, n, done, e.bytes, part);
        if (e.kind == VD_DATA)
            rc = fio_readv_now(owner->io, e.fd, part, parts, e.at);
        for (unsigned i = 0; e.kind != VD_DATA && i < parts; i++)
            memset(part[i].iov_base, 0, part[i].iov_len);
        done += e.bytes;
    }
    return rc;
}

bool chain_place(struct vd *vd, uint64_t off_bytes, size_t bytes, struct vd_place *ret)
{
    struct vd_extent e;
    struct vd *owner;

    if (!quick(vd, off_bytes, bytes) || locate(vd, off_bytes, bytes, &owner, &e) || e.kind != VD_DATA ||
        e.bytes < bytes || e.fd < 0)
        return false;
    *ret = (struct vd_place){owner->io, e.fd, e.at};
    return true;
}

/* A write of less than a unit: where the unit is free, what the parents show completes it. */
static int write_part(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    uint64_t unit = off_bytes / vd->unit_bytes * vd->unit_bytes;
    size_t whole = (size_t)MIN(vd->unit_bytes, vd->size_bytes - unit);
    g_autofree uint8_t *full = NULL;
    struct vd_extent e;
    int rc = image_map(vd, off_bytes, 1, &e);

    if (rc)
        return rc;
    if (e.kind == VD_DATA || bytes == whole)
        return image_write(vd, off_bytes, buf, bytes);
    full = g_try_malloc(whole);
    if (!full)
        return VERR_NO_MEMORY;
    rc = chain_read(vd, unit, full, whole);
    if (rc)
        return rc;
    memcpy(full + (off_bytes - unit), buf, bytes);
    return image_write(vd, unit, full, whole);
}

int chain_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    uint32_t unit = vd->unit_bytes;
    uint64_t first = unit ? off_bytes / unit * unit : off_bytes;
    uint64_t changed = MIN(unit ? align_up(off_bytes + bytes, unit) : off_bytes + bytes, vd->size_bytes) - first;
    int rc = 0;

    if (unit == 0)
        rc = image_write(vd, off_bytes, buf, bytes);
    while (unit && rc == 0 && bytes) {
        uint64_t in_unit = off_bytes % unit;
        size_t n = (size_t)MIN(bytes, unit - in_unit);

        if (in_unit == 0 && bytes >= unit) {
            n = bytes / unit * unit; /* whole units need no parent */
            rc = image_write(vd, off_bytes, buf, n);
        } else {
            rc = write_part(vd, off_bytes, buf, n);
        }
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    chain_forget(vd, first, changed); /* last: completing a unit looks its granules up */
    return rc;
}

/* ---- opening ---- */

static bool join(struct vd *vd, struct vd *parent, GError **error)
{
    const char *fault;

    if (!vd->diff)
        return vd_refuse(vd->path, VERR_VD_UUID_MISMATCH, error, "it is complete in itself and has no parent '%s'",
                         parent->path);
    fault = vd->format->parent_fault ? vd->format->parent_fault(vd, parent) : image_uuid_fault(vd, parent);
    if (fault)
        return vd_refuse(vd->path, VERR_VD_UUID_MISMATCH, error, "it cannot be opened on '%s': %s", parent->path,
                         fault);
    vd->parent = parent;
    return true;
}

/* No image twice, by UUID: a loop would show no end. */
static bool all_different(struct vd *vd, GError **error)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);

    for (; vd; vd = vd->parent)
        if (vd->has_uuid && !g_hash_table_add(seen, g_bytes_new(vd->ids.image, VD_UUID_BYTES)))
            return vd_refuse(vd->path, VERR_VD_UUID_MISMATCH, error, "its UUID occurs twice in the chain");
    return true;
}

struct vd *vd_open_chain(const struct fio *io, const struct vd_link *links, size_t n, unsigned flags, GError **error)
{
    struct vd *top = NULL;

    if (n == 0 || n > VD_MAX_DEPTH) {
        fio_error(error, VERR_INVALID_PARAMETER, "A chain of %zu images cannot be opened; %d is the most", n,
                  VD_MAX_DEPTH);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned f = i + 1 < n ? (flags & ~(unsigned)VD_KEEP_MODIFY) | VD_READ_ONLY : flags;
        struct vd *vd = image_open(io, links[i].format, links[i].path, f, error);
        bool ok = vd != NULL;

        if (ok && i > 0)
            ok = join(vd, top, error);
        else if (ok && vd->diff)
            ok = vd_refuse(vd->path, VERR_VD_UUID_MISMATCH, error, "it needs a parent, but stands first in the chain");
        if (!ok) {
            if (vd)
                vd->parent = NULL;
            image_close(vd);
            vd_close(top);
            return NULL;
        }
        top = vd;
    }
    if (!all_different(top, error)) {
        vd_close(top);
        return NULL;
    }
    if (n > 1)
        chain_reindex(top);
    return top;
}

/* ---- a new last image ---- */

static bool may_push(struct vd *disk, GError **error)
{
    if (disk->merge)
        return vd_refuse(disk->path, VERR_INVALID_STATE, error, "its images are being merged");
    if (disk->read_only)
        return vd_refuse(disk->path, VERR_VD_IMAGE_READ_ONLY, error, "it is not open for writing");
    if (vd_depth(disk) >= VD_MAX_DEPTH)
        return vd_refuse(disk->path, VERR_INVALID_PARAMETER, error, "a chain has %d images at most", VD_MAX_DEPTH);
    return true;
}

/* @top takes the disk's pointer; what was there moves to @top's. */
static void change_places(struct vd *disk, struct vd *top)
{
    struct vd below = *disk;

    *disk = *top;
    *top = below;
    disk->parent = top;
    disk->crypt = g_steal_pointer(&top->crypt);
    disk->locked = top->locked;
    top->read_only = true;
    top->flags |= VD_READ_ONLY;
    chain_index_free(top);
    chain_reindex(disk);
}

bool vd_push(struct vd *disk, const struct vd_link *link, GError **error)
{
    struct vd *top;
    bool ok;
    int rc;

    if (!may_push(disk, error))
        return false;
    rc = image_flush(disk);
    if (rc) {
        fio_error(error, rc, "Cannot flush disk image '%s'", disk->path);
        return false;
    }
    top = image_open(disk->io, link->format, link->path, disk->flags & ~(unsigned)VD_KEEP_MODIFY, error);
    ok = top && join(top, disk, error);
    if (ok && top->read_only)
        ok = vd_refuse(top->path, VERR_VD_IMAGE_READ_ONLY, error, "it cannot be written: %s",
                       top->ro_reason ? top->ro_reason : "its format is only read");
    if (ok && (disk->crypt || disk->locked) && top->unit_bytes != disk->unit_bytes)
        ok =
            vd_refuse(top->path, VERR_NOT_SUPPORTED, error, "its blocks have another size than its encrypted parent's");
    rc = ok ? image_lock(disk, FIO_LOCK_SHARED) : 0;
    if (rc) {
        fio_error(error, rc, "Cannot lock disk image '%s'", disk->path);
        ok = false;
    }
    if (!ok) {
        image_close(top);
        return false;
    }
    change_places(disk, top);
    return true;
}

bool vd_pop(struct vd *disk, GError **error)
{
    struct vd *below = disk->parent, top;
    int rc = below ? image_lock(below, FIO_LOCK_EXCLUSIVE) : VERR_INVALID_STATE;

    if (rc) {
        fio_error(error, rc, "Cannot go on with disk image '%s' without its last child", disk->path);
        return false;
    }
    chain_index_free(disk);
    top = *disk;
    *disk = *below;
    *below = top;
    disk->crypt = g_steal_pointer(&below->crypt);
    disk->locked = below->locked;
    disk->read_only = false;
    disk->flags &= ~(unsigned)VD_READ_ONLY;
    below->parent = NULL;
    image_close(below);
    if (disk->parent)
        chain_reindex(disk);
    return true;
}
