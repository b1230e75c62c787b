/*
 * vmdk.c - VMDK images: a descriptor and the extents it names, each a part of the disk.
 *
 * monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat, vmfs and streamOptimized; fullDevice and
 * partitionedDevice with VD_RAW_DEVICES.
 * Files: vmdk_open.c, vmdk_create.c; vmdk_descriptor.c and vmdk_header.c what they read and write; vmdk_sparse.c and
 * vmdk_stream.c grains; vmdk_parent.c, vmdk_resize.c, vmdk_compact.c; vmdk_host.c host devices.
 * The first write of an opening gives the image a new CID and modification UUID, in place: their length is fixed.
 * Left out: ESX sparse extents ("COWD", "SESPARSE"), splitting of differencing images.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

/* ---- requests ---- */

static struct vmdk_extent *extent_at(struct vmdk *v, uint64_t off_bytes)
{
    unsigned low = 0, high = v->n - 1;

    while (low < high) {
        unsigned mid = (low + high + 1) / 2;

        if (v->extents[mid].first_bytes <= off_bytes)
            low = mid;
        else
            high = mid - 1;
    }
    return &v->extents[low];
}

static int vmdk_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct vmdk_extent *e = extent_at(vd->priv, off_bytes);
    uint64_t off = off_bytes - e->first_bytes;

    bytes = MIN(bytes, e->bytes - off);
    switch (e->kind) {
    case VMDK_ZERO: return vd_extent_plain(ret, bytes, VD_ZERO);
    case VMDK_FLAT: return vd_extent_data(ret, bytes, e->fd, e->flat_at + off);
    case VMDK_SPARSE: return vmdk_sparse_map(vd, e, off, bytes, ret);
    }
    return VERR_VD_IMAGE_CORRUPTED;
}

static int vmdk_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        struct vmdk_extent *e = extent_at(vd->priv, off_bytes);
        struct vd_extent x;

        rc = vmdk_map(vd, off_bytes, bytes, &x);
        if (rc)
            break;
        if (x.kind != VD_DATA)
            memset(buf, 0, x.bytes);
        else if (x.fd >= 0)
            rc = fio_read_some(vd->io, x.fd, buf, x.bytes, x.at);
        else
            rc = vmdk_grain_read(vd, e, off_bytes - e->first_bytes, buf, x.bytes);
        off_bytes += x.bytes;
        buf += x.bytes;
        bytes -= x.bytes;
    }
    return rc;
}

/* In place; @which as in struct vd_ids. */
static int put_uuid(struct vd *vd, unsigned which, const uint8_t u[VD_UUID_BYTES])
{
    const struct vmdk *v = vd->priv;
    char text[VMDK_UUID_CHARS + 1];

    g_snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
               u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    return v->d.uuid_at[which]
               ? fio_write(vd->io, vd->fd, text, VMDK_UUID_CHARS, v->descriptor_at + v->d.uuid_at[which])
               : 0;
}

static int vmdk_set_ids(struct vd *vd, const struct vd_ids *ids)
{
    const struct vmdk *v = vd->priv;
    const struct {
        unsigned which;
        const uint8_t *now, *then;
    } rows[] = {{VMDK_ID_IMAGE, vd->ids.image, ids->image},
                {VMDK_ID_PARENT, vd->ids.parent, ids->parent},
                {VMDK_ID_PARENT_MODIFY, vd->ids.parent_modify, ids->parent_modify}};
    int rc = v->stream ? VERR_NOT_SUPPORTED : vmdk_flush(vd);

    for (size_t k = 0; rc == 0 && k < G_N_ELEMENTS(rows); k++) {
        if (memcmp(rows[k].now, rows[k].then, VD_UUID_BYTES) == 0)
            continue;
        rc = v->d.uuid_at[rows[k].which] ? put_uuid(vd, rows[k].which, rows[k].then) : VERR_NOT_SUPPORTED;
    }
    return rc ? rc : vd_sync(vd);
}

static bool vmdk_quick(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct vmdk *v = vd->priv;
    bool quick = !v->stream;

    while (quick && bytes) {
        struct vmdk_extent *e = extent_at(v, off_bytes);
        const uint64_t off = off_bytes - e->first_bytes, n = MIN(bytes, e->bytes - off);

        quick = e->kind != VMDK_SPARSE || vmdk_sparse_quick(e, off, n);
        off_bytes += n;
        bytes -= n;
    }
    return quick;
}

/* First write of this opening: new CID and modification UUID (children made before notice). */
static int touch(struct vd *vd)
{
    struct vmdk *v = vd->priv;
    char text[12];
    int rc = 0;

    if (v->touched || v->stream || (vd->flags & VD_KEEP_MODIFY))
        return 0;
    vd_uuid_random(vd->ids.modify);
    do
        v->d.cid = g_random_int();
    while (v->d.cid == VMDK_NO_PARENT);
    g_snprintf(text, sizeof(text), "%08x", v->d.cid);
    if (v->d.cid_at)
        rc = fio_write(vd->io, vd->fd, text, 8, v->descriptor_at + v->d.cid_at);
    if (rc == 0)
        rc = put_uuid(vd, VMDK_ID_MODIFY, vd->ids.modify);
    v->touched = rc == 0;
    return rc;
}

static int vmdk_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    struct vmdk *v = vd->priv;
    int rc = touch(vd);

    if (v->stream)
        return rc ? rc : vmdk_stream_write(vd, v->stream, off_bytes, buf, bytes);
    while (rc == 0 && bytes) {
        struct vmdk_extent *e = extent_at(v, off_bytes);
        uint64_t off = off_bytes - e->first_bytes;
        size_t n = (size_t)MIN(bytes, e->bytes - off);

        if (e->kind == VMDK_FLAT)
            rc = fio_write(vd->io, e->fd, buf, n, e->flat_at + off);
        else if (e->kind == VMDK_SPARSE)
            rc = vmdk_sparse_write(vd, e, off, buf, n);
        else
            rc = vd_all_zero(buf, n) ? 0 : VERR_WRITE_PROTECT;
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

static int vmdk_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct vmdk *v = vd->priv;
    int rc = touch(vd);

    while (rc == 0 && bytes && !v->stream) {
        struct vmdk_extent *e = extent_at(v, off_bytes);
        uint64_t off = off_bytes - e->first_bytes, n = MIN(bytes, e->bytes - off);

        if (e->kind == VMDK_FLAT)
            rc = fio_punch(vd->io, e->fd, e->flat_at + off, n);
        else if (e->kind == VMDK_SPARSE)
            rc = vmdk_sparse_discard(vd, e, off, n);
        if (rc == VERR_NOT_SUPPORTED)
            rc = 0; /* discarding is a hint */
        off_bytes += n;
        bytes -= n;
    }
    return rc;
}

int vmdk_flush(struct vd *vd)
{
    struct vmdk *v = vd->priv;
    int rc = v->stream ? vmdk_stream_finish(vd, v->stream) : 0;

    for (unsigned i = 0; rc == 0 && i < v->n; i++) {
        struct vmdk_extent *e = &v->extents[i];

        if (e->kind == VMDK_SPARSE && !v->stream)
            rc = vmdk_sparse_commit(vd, e);
        if (rc == 0 && e->own_fd)
            rc = vmdk_extent_sync(vd, e);
    }
    return rc ? rc : vd_sync(vd);
}

static bool vmdk_check(struct vd *vd, struct vd_report *report, GError **error)
{
    struct vmdk *v = vd->priv;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < v->n; i++)
        if (v->extents[i].kind == VMDK_SPARSE)
            rc = vmdk_sparse_check(vd, &v->extents[i], report);
    if (rc)
        fio_error(error, rc, "Cannot check '%s'", vd->path);
    return rc == 0;
}

static const char *vmdk_file(const struct vd *vd, unsigned *at)
{
    const struct vmdk *v = vd->priv;

    for (; *at < v->n; ++*at)
        if (v->extents[*at].own_fd)
            return v->extents[(*at)++].path;
    return NULL;
}

const struct vd_format vmdk_format = {
    .probe = vmdk_probe,
    .open = vmdk_open,
    .close = vmdk_close,
    .map = vmdk_map,
    .quick = vmdk_quick,
    .read = vmdk_read,
    .touch = touch,
    .write = vmdk_write,
    .discard = vmdk_discard,
    .flush = vmdk_flush,
    .lock = vmdk_lock,
    .create = vmdk_create,
    .file = vmdk_file,
    .uncreate = vmdk_uncreate,
    .resize = vmdk_resize,
    .compact = vmdk_compact,
    .check = vmdk_check,
    .set_parent = vmdk_set_parent,
    .set_ids = vmdk_set_ids,
    .parent_fault = vmdk_parent_fault,
};
