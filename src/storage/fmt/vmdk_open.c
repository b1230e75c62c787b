/*
 * vmdk_open.c - opening VMDKs: the descriptor, then the extents it names.
 *
 * Extents are opened beside the descriptor, without following links, when the whole descriptor was found good.
 */
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define MAX_DESCRIPTOR_BYTES (1u << 20)

static struct vmdk_extent *earlier_file(struct vmdk *v, const char *path)
{
    for (unsigned i = 0; i < v->n; i++)
        if (v->extents[i].own_fd && strcmp(v->extents[i].path, path) == 0)
            return &v->extents[i];
    return NULL;
}

static bool open_extent_file(struct vd *vd, struct vmdk_extent *e, const char *name, struct fio_stat *ret_stat,
                             GError **error)
{
    g_autofree char *dir = g_path_get_dirname(vd->path);
    struct vmdk *v = vd->priv;
    struct vmdk_extent *same;
    int rc = 0;

    e->path = *name == '/' ? g_strdup(name) : g_build_filename(dir, name, NULL);
    same = earlier_file(v, e->path);
    if (same) {
        e->fd = same->fd;
        e->shared_fd = true;
    } else {
        rc = fio_open(vd->io, e->path, (vd->read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW, 0, &e->fd);
        e->own_fd = rc == 0;
        if (rc == 0)
            rc =
                vd->flags & VD_LOOK ? 0 : fio_lock(vd->io, e->fd, vd->read_only ? FIO_LOCK_SHARED : FIO_LOCK_EXCLUSIVE);
    }
    if (rc == 0)
        rc = fio_stat(vd->io, e->fd, ret_stat);
    if (rc == 0 && !ret_stat->regular && !(ret_stat->block_device && (vd->flags & VD_RAW_DEVICES)))
        rc = VERR_NOT_A_FILE;
    if (rc)
        fio_error(error, rc, "Cannot use extent '%s' of disk image '%s'", e->path, vd->path);
    return rc == 0;
}

static bool open_sparse_extent(struct vd *vd, struct vmdk_extent *e, uint64_t file_bytes, GError **error)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    int rc = fio_read_some(vd->io, e->fd, raw, sizeof(raw), 0);

    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", e->path);
        return false;
    }
    return vmdk_header_parse(e->path, raw, &e->h, error) && vmdk_sparse_open(vd, e, file_bytes, error);
}

static bool open_extent(struct vd *vd, struct vmdk_extent *e, const struct vmdk_line *line, GError **error)
{
    struct fio_stat st;

    if (line->kind == VMDK_ZERO)
        return true;
    if (!open_extent_file(vd, e, line->name, &st, error))
        return false;
    if (line->kind == VMDK_SPARSE)
        return open_sparse_extent(vd, e, st.size_bytes, error);
    e->flat_at = line->offset_sectors * 512;
    if (e->flat_at > st.size_bytes || e->bytes > st.size_bytes - e->flat_at)
        return vd_refuse(e->path, VERR_VD_VMDK_INVALID_FORMAT, error, "it is smaller than its descriptor says");
    return true;
}

/* The header's own file is the one extent of an image with an embedded descriptor. */
static bool open_own_extent(struct vd *vd, struct vmdk_extent *e, const struct vmdk_header *h, uint64_t file_bytes,
                            GError **error)
{
    struct vmdk *v = vd->priv;
    const struct vmdk_line *line = &g_array_index(v->d.lines, struct vmdk_line, 0);

    if (v->d.lines->len != 1 || line->kind != VMDK_SPARSE)
        return vd_refuse(vd->path, VERR_VD_VMDK_INVALID_FORMAT, error,
                         "its embedded descriptor names other extents than this file");
    e->fd = vd->fd;
    e->path = g_strdup(vd->path);
    e->h = *h;
    if (!vd->read_only && h->gd_at == VMDK_GD_AT_END && file_bytes <= h->overhead_bytes) {
        e->gts = vmdk_gts(h);
        e->gd = g_malloc0(4ull * e->gts);
        e->tables = tcache_new(vd->io, e->fd, (uint32_t)vmdk_gt_bytes(h), 1);
        v->stream = vmdk_stream_new(vd, e);
        return true;
    }
    return vmdk_sparse_open(vd, e, file_bytes, error);
}

static bool open_extents(struct vd *vd, const struct vmdk_header *h, uint64_t file_bytes, GError **error)
{
    struct vmdk *v = vd->priv;
    uint64_t at = 0;

    v->extents = g_new0(struct vmdk_extent, v->d.lines->len);
    for (unsigned i = 0; i < v->d.lines->len; i++) {
        const struct vmdk_line *line = &g_array_index(v->d.lines, struct vmdk_line, i);
        struct vmdk_extent *e = &v->extents[i];
        bool ok;

        e->kind = line->kind;
        e->fd = -1;
        e->first_bytes = at;
        e->bytes = line->sectors * 512;
        if (e->bytes > INT64_MAX - at)
            return vd_refuse(vd->path, VERR_VD_INVALID_SIZE, error, "its extents are too large together");
        ok = h ? open_own_extent(vd, e, h, file_bytes, error) : open_extent(vd, e, line, error);
        v->n = i + 1; /* to be closed, opened or not */
        if (!ok)
            return false;
        at += e->bytes;
        if (e->kind == VMDK_SPARSE)
            vd->unit_bytes = MAX(vd->unit_bytes, (uint32_t)e->h.grain_bytes);
    }
    vd->size_bytes = at;
    return true;
}

/* Reads the text at @at and what it says about identity and parent. */
static bool read_descriptor(struct vd *vd, uint64_t at, uint64_t bytes, GError **error)
{
    struct vmdk *v = vd->priv;
    g_autofree char *text = NULL;
    int rc;

    if (bytes > MAX_DESCRIPTOR_BYTES)
        return vd_refuse(vd->path, VERR_VD_VMDK_INVALID_HEADER, error, "it is not in VMDK format");
    text = g_malloc0(bytes + 1);
    rc = fio_read_some(vd->io, vd->fd, text, bytes, at);
    if (rc) {
        fio_error(error, rc, "Cannot read the descriptor of '%s'", vd->path);
        return false;
    }
    if (!vmdk_descriptor_parse(vd->path, text, bytes, vd->flags & VD_RAW_DEVICES, &v->d, error))
        return false;
    v->descriptor_at = at;
    vd->ids = v->d.ids;
    vd->has_uuid = v->d.has_uuid;
    vd->hint = g_strdup(v->d.hint);
    vd->diff = v->d.parent_cid != VMDK_NO_PARENT || !vd_all_zero(vd->ids.parent, VD_UUID_BYTES);
    return true;
}

bool vmdk_take_descriptor(struct vd *vd, GError **error)
{
    struct vmdk *v = vd->priv;
    uint64_t bytes = VMDK_EMBEDDED_BYTES;
    struct fio_stat st;

    if (!v->embedded)
        bytes = fio_stat(vd->io, vd->fd, &st) ? 0 : st.size_bytes;
    vmdk_descriptor_fini(&v->d);
    g_clear_pointer(&vd->hint, g_free);
    return read_descriptor(vd, v->descriptor_at, bytes, error);
}

bool vmdk_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    struct vmdk_header h;
    int rc = fio_read_some(vd->io, vd->fd, raw, sizeof(raw), 0);

    vd->priv = g_new0(struct vmdk, 1);
    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", vd->path);
        return false;
    }
    if (le32(raw) != VMDK_SIGNATURE)
        return read_descriptor(vd, 0, file_bytes, error) && open_extents(vd, NULL, file_bytes, error);
    if (!vmdk_header_parse(vd->path, raw, &h, error))
        return false;
    if (h.descriptor_at == 0 || h.descriptor_bytes == 0)
        return vd_refuse(vd->path, VERR_VD_VMDK_INVALID_FORMAT, error,
                         "it is one of several extents; open the image by its descriptor");
    ((struct vmdk *)vd->priv)->embedded = true;
    return read_descriptor(vd, h.descriptor_at, h.descriptor_bytes, error) && open_extents(vd, &h, file_bytes, error);
}

void vmdk_close(struct vd *vd)
{
    struct vmdk *v = vd->priv;

    if (!v)
        return;
    if (v->uncommitted && !vd->read_only)
        vmdk_flush(vd);
    vmdk_stream_free(v->stream);
    for (unsigned i = 0; i < v->n; i++) {
        struct vmdk_extent *e = &v->extents[i];

        if (e->own_fd)
            fio_close(vd->io, e->fd);
        tcache_free(e->tables);
        g_free(e->path);
        g_free(e->gd);
        g_free(e->rgd);
        g_free(e->grain);
    }
    g_free(v->extents);
    vmdk_descriptor_fini(&v->d);
    g_clear_pointer(&vd->priv, g_free);
}

int vmdk_lock(struct vd *vd, enum fio_lock kind)
{
    struct vmdk *v = vd->priv;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < v->n; i++)
        if (v->extents[i].own_fd)
            rc = fio_lock(vd->io, v->extents[i].fd, kind);
    return rc;
}

bool vmdk_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    static const char text[] = "# Disk DescriptorFile";

    (void)tail;
    return le32(head) == VMDK_SIGNATURE || memcmp(head, text, sizeof(text) - 1) == 0;
}
