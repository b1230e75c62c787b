/*
 * vmdk_resize.c - larger VMDKs: of one sparse file, or of a descriptor and one flat file.
 *
 * Sparse: new directories, the tables they lack and a new descriptor go to the end of the file and are synced; then the
 * header's sector names them, in one piece: the switch. Tables that were there stay where they are.
 * Flat: the file of the data grows first, which nobody sees; then a new descriptor takes the old one's name in one
 * step. Left out, and said so: smaller ones, split and streamOptimized ones, host devices.
 */
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define MAX_BYTES (UINT32_MAX * 512ull)

/* ---- sparse ---- */

/* A directory of @h and the tables that are new in it, at @at; *@ret: its entries. */
static int put_directory(struct vd *vd, const struct vmdk_extent *e, const struct vmdk_header *h, const uint32_t *old,
                         uint64_t at, uint32_t **ret)
{
    const uint32_t gts = vmdk_gts(h);
    const uint64_t gd_bytes = align_up(4ull * gts, 512), gt_bytes = vmdk_gt_bytes(h);
    const uint64_t all = gd_bytes + (gts - e->gts) * gt_bytes;
    g_autofree uint8_t *raw = g_try_malloc0(all);
    uint32_t *gd = g_try_new(uint32_t, gts);
    int rc = raw && gd ? 0 : VERR_NO_MEMORY;

    for (uint32_t i = 0; rc == 0 && i < gts; i++) {
        gd[i] = i < e->gts ? old[i] : (uint32_t)((at + gd_bytes + (i - e->gts) * gt_bytes) / 512);
        put_le32(raw + 4 * i, gd[i]);
    }
    rc = rc ? rc : fio_write(vd->io, e->fd, raw, all, at);
    if (rc)
        g_free(gd);
    else
        *ret = gd;
    return rc;
}

/* Entries behind the disk's old end: an image made by others might have some, and they would show. */
static int tail_is_free(struct vmdk_extent *e)
{
    const uint64_t end = (uint64_t)e->gts * e->h.gt_entries;
    int rc = 0;

    for (uint64_t g = (e->bytes + e->h.grain_bytes - 1) / e->h.grain_bytes; rc == 0 && g < end; g++) {
        uint32_t entry;

        rc = vmdk_grain_entry(e, g, &entry);
        if (rc == 0 && entry)
            rc = VERR_VD_IMAGE_CORRUPTED;
    }
    return rc;
}

/* What the descriptor is to say: as now. */
static struct vmdk_descriptor as_now(const struct vd *vd)
{
    struct vmdk_descriptor d = ((const struct vmdk *)vd->priv)->d;

    d.ids = vd->ids;
    return d;
}

static int grow_sparse(struct vd *vd, uint64_t size_bytes)
{
    struct vmdk *v = vd->priv;
    const struct vmdk_descriptor d = as_now(vd);
    struct vmdk_extent *e = &v->extents[0];
    struct vmdk_header h = e->h;
    uint32_t *gd = NULL, *rgd = NULL;
    uint64_t each;
    int rc = vd->format->flush(vd);

    h.capacity_bytes = size_bytes;
    each = align_up(4ull * vmdk_gts(&h), 512) + (vmdk_gts(&h) - e->gts) * vmdk_gt_bytes(&h);
    rc = rc ? rc : tail_is_free(e);
    if (rc == 0 && (e->end_bytes + 2 * each) / 512 > UINT32_MAX)
        rc = VERR_FILE_TOO_BIG;
    if (rc == 0) {
        h.gd_at = e->end_bytes;
        h.rgd_at = e->rgd ? h.gd_at + each : 0;
        e->end_bytes = align_up(h.gd_at + 2 * each, h.grain_bytes);
        e->stale_bytes = MAX(e->stale_bytes, e->end_bytes);
        rc = put_directory(vd, e, &h, e->gd, h.gd_at, &gd);
    }
    if (rc == 0 && e->rgd)
        rc = put_directory(vd, e, &h, e->rgd, h.rgd_at, &rgd);
    if (rc == 0)
        rc = vmdk_put_descriptor(vd, &d, size_bytes, &h);
    if (rc) {
        g_free(gd);
        g_free(rgd);
        return rc;
    }
    g_free(e->gd);
    g_free(e->rgd);
    e->gd = gd;
    e->rgd = rgd;
    e->h = h;
    e->gts = vmdk_gts(&h);
    e->bytes = size_bytes;
    return 0;
}

/* ---- flat ---- */

/* The data's file at its new size, zeros behind the old end. */
static int grow_data(struct vd *vd, const struct vmdk_extent *e, uint64_t size_bytes)
{
    const struct fio *io = vd->io;
    int rc = fio_truncate(io, e->fd, e->bytes); /* what the file had more is not the disk's */

    if (rc)
        return rc;
    rc = status_from_errno(io->fallocate(io->ctx, e->fd, 0, e->bytes, size_bytes - e->bytes));
    if (rc == VERR_NOT_SUPPORTED)
        rc = fio_truncate(io, e->fd, size_bytes);
    rc = rc ? rc : vmdk_extent_sync(vd, e);
    if (rc)
        (void)fio_truncate(io, e->fd, e->bytes);
    return rc;
}

/* The new file under the old name is the image's now. */
static int reopen(struct vd *vd)
{
    int fd = -1, rc = fio_open(vd->io, vd->path, O_RDWR | O_NOFOLLOW, 0, &fd);

    if (rc == 0)
        rc = fio_lock(vd->io, fd, FIO_LOCK_EXCLUSIVE);
    if (rc) {
        fio_close(vd->io, fd);
        return rc;
    }
    fio_close(vd->io, vd->fd);
    vd->fd = fd;
    return 0;
}

static int grow_flat(struct vd *vd, uint64_t size_bytes)
{
    struct vmdk *v = vd->priv;
    const struct vmdk_descriptor d = as_now(vd);
    struct vmdk_extent *e = &v->extents[0];
    const bool esx = strcmp(d.create_type, "vmfs") == 0;
    g_autofree char *name = g_path_get_basename(e->path), *lines = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;
    int rc = vd->format->flush(vd);

    lines = g_strdup_printf("RW %" G_GUINT64_FORMAT " %s \"%s\"%s", size_bytes / 512, esx ? "VMFS" : "FLAT", name,
                            esx ? "" : " 0");
    text = vmdk_descriptor_build(d.create_type, lines, size_bytes, &d);
    rc = rc ? rc : grow_data(vd, e, size_bytes);
    if (rc == 0 && !fio_atomic_replace(vd->io, vd->path, text, strlen(text), 0, &error))
        rc = error->code;
    rc = rc ? rc : reopen(vd);
    if (rc == 0)
        e->bytes = size_bytes;
    return rc;
}

/* ---- both ---- */

static const char *cannot(const struct vd *vd, uint64_t size_bytes)
{
    const struct vmdk *v = vd->priv;
    const struct vmdk_extent *e = &v->extents[0];

    if (size_bytes < vd->size_bytes)
        return "a VMDK can only become larger; clone it into a smaller disk";
    if (size_bytes > MAX_BYTES)
        return "a VMDK cannot be that large; 2 TiB is the most";
    if (v->n == 1 && v->embedded && !v->stream && !(e->h.flags & VMDK_FLAG_COMPRESSED))
        return NULL;
    if (v->n == 1 && e->kind == VMDK_FLAT && e->own_fd && e->flat_at == 0 &&
        (g_strcmp0(v->d.create_type, "monolithicFlat") == 0 || g_strcmp0(v->d.create_type, "vmfs") == 0))
        return NULL;
    return "only VMDKs of one sparse or one flat file can be resized; clone it";
}

bool vmdk_resize(struct vd *vd, uint64_t size_bytes, GError **error)
{
    const struct vmdk *v = vd->priv;
    const char *why = cannot(vd, size_bytes);
    int rc;

    if (why)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "%s", why);
    rc = v->embedded ? grow_sparse(vd, size_bytes) : grow_flat(vd, size_bytes);
    if (rc) {
        fio_error(error, rc, "Cannot resize '%s'", vd->path);
        return false;
    }
    vd->size_bytes = size_bytes;
    return vmdk_take_descriptor(vd, error);
}
