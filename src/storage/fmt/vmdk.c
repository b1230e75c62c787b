/*
 * vmdk.c - VMDK images: a descriptor and the extents it names, each a part of the disk.
 *
 * monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat, vmfs and streamOptimized; fullDevice and
 * partitionedDevice with VD_RAW_DEVICES. Extents are opened beside the descriptor, without following links, when the
 * whole descriptor was found good.
 * The first write of an opening gives the image a new CID and modification UUID, in place: their length is fixed.
 * Left out: ESX sparse extents ("COWD", "SESPARSE"), splitting of differencing images.
 */
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define MAX_DESCRIPTOR_BYTES (1u << 20)

/* ---- opening ---- */

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

static bool vmdk_open(struct vd *vd, uint64_t file_bytes, GError **error)
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

static int vmdk_flush(struct vd *vd);

static void vmdk_close(struct vd *vd)
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

static int vmdk_lock(struct vd *vd, enum fio_lock kind)
{
    struct vmdk *v = vd->priv;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < v->n; i++)
        if (v->extents[i].own_fd)
            rc = fio_lock(vd->io, v->extents[i].fd, kind);
    return rc;
}

static bool vmdk_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    static const char text[] = "# Disk DescriptorFile";

    (void)tail;
    return le32(head) == VMDK_SIGNATURE || memcmp(head, text, sizeof(text) - 1) == 0;
}

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

static int vmdk_flush(struct vd *vd)
{
    struct vmdk *v = vd->priv;
    int rc = v->stream ? vmdk_stream_finish(vd, v->stream) : 0;

    for (unsigned i = 0; rc == 0 && i < v->n; i++) {
        struct vmdk_extent *e = &v->extents[i];

        if (e->kind == VMDK_SPARSE && !v->stream)
            rc = vmdk_sparse_commit(vd, e);
        if (rc == 0 && e->own_fd && vd->sync_failed == 0)
            rc = vd->sync_failed = fio_sync(vd->io, e->fd);
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

/* ---- parents ---- */

static const char *vmdk_parent_fault(struct vd *vd, struct vd *parent)
{
    struct vmdk *v = vd->priv;

    if (!vd_all_zero(vd->ids.parent, VD_UUID_BYTES)) {
        if (!parent->has_uuid || memcmp(vd->ids.parent, parent->ids.image, VD_UUID_BYTES) != 0)
            return "its parent has another UUID";
        if (!vd_all_zero(vd->ids.parent_modify, VD_UUID_BYTES) &&
            memcmp(vd->ids.parent_modify, parent->ids.modify, VD_UUID_BYTES) != 0)
            return "its parent was changed after it was made; its contents fit no longer";
        return NULL;
    }
    if (parent->format != vd->format)
        return "it has no UUID of its parent to compare";
    return v->d.parent_cid == ((struct vmdk *)parent->priv)->d.cid
               ? NULL
               : "its parent's content ID has changed; its contents fit no longer";
}

/*
 * A new descriptor goes to the end of the file and is synced; then the header points there. Both copies are complete
 * whenever they are looked at.
 */
static int move_descriptor(struct vd *vd, const char *text)
{
    struct vmdk *v = vd->priv;
    struct vmdk_extent *e = &v->extents[0];
    g_autofree uint8_t *raw = g_malloc0(VMDK_EMBEDDED_BYTES);
    uint8_t header[VMDK_HEADER_BYTES];
    uint64_t at = e->end_bytes;
    size_t n = strlen(text);
    int rc;

    if (n >= VMDK_EMBEDDED_BYTES)
        return VERR_TOO_MUCH_DATA;
    memcpy(raw, text, n);
    rc = fio_write(vd->io, vd->fd, raw, VMDK_EMBEDDED_BYTES, at);
    if (rc == 0)
        rc = vd_sync(vd);
    e->end_bytes = align_up(at + VMDK_EMBEDDED_BYTES, e->h.grain_bytes);
    e->stale_bytes = MAX(e->stale_bytes, e->end_bytes);
    if (rc == 0)
        rc = fio_read(vd->io, vd->fd, header, sizeof(header), 0);
    if (rc)
        return rc;
    put_le64(header + 28, at / 512);
    put_le64(header + 36, VMDK_EMBEDDED_BYTES / 512);
    rc = fio_write(vd->io, vd->fd, header, sizeof(header), 0);
    if (rc == 0)
        v->descriptor_at = at;
    return rc ? rc : vd_sync(vd);
}

static bool vmdk_set_parent(struct vd *vd, struct vd *parent, GError **error)
{
    struct vmdk *v = vd->priv;
    struct vmdk_descriptor d = {.cid = v->d.cid, .parent_cid = VMDK_NO_PARENT, .ids = vd->ids};
    g_autofree char *name = g_path_get_basename(vd->path), *hint = NULL, *lines = NULL, *text = NULL;
    int rc;

    if (!v->embedded || v->stream || (v->extents[0].h.flags & VMDK_FLAG_COMPRESSED))
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "only monolithicSparse images can change their parent");
    memset(d.ids.parent, 0, VD_UUID_BYTES);
    memset(d.ids.parent_modify, 0, VD_UUID_BYTES);
    if (parent) {
        d.ids.parent[0] = 0;
        memcpy(d.ids.parent, parent->ids.image, VD_UUID_BYTES);
        memcpy(d.ids.parent_modify, parent->ids.modify, VD_UUID_BYTES);
        d.parent_cid = parent->format == vd->format ? ((struct vmdk *)parent->priv)->d.cid : 0;
        d.hint = hint = g_path_get_basename(parent->path);
    }
    lines = g_strdup_printf("RW %" G_GUINT64_FORMAT " SPARSE \"%s\"", vd->size_bytes / 512, name);
    text = vmdk_descriptor_build("monolithicSparse", lines, vd->size_bytes, &d);
    rc = vmdk_flush(vd);
    if (rc == 0)
        rc = move_descriptor(vd, text);
    if (rc) {
        fio_error(error, rc, "Cannot change the parent of '%s'", vd->path);
        return false;
    }
    vmdk_descriptor_fini(&v->d);
    g_clear_pointer(&vd->hint, g_free);
    vd->diff = parent != NULL;
    return read_descriptor(vd, v->descriptor_at, VMDK_EMBEDDED_BYTES, error);
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
    .read = vmdk_read,
    .touch = touch,
    .write = vmdk_write,
    .discard = vmdk_discard,
    .flush = vmdk_flush,
    .lock = vmdk_lock,
    .create = vmdk_create,
    .file = vmdk_file,
    .uncreate = vmdk_uncreate,
    .check = vmdk_check,
    .set_parent = vmdk_set_parent,
    .set_ids = vmdk_set_ids,
    .parent_fault = vmdk_parent_fault,
};
