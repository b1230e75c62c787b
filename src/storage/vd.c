/*
 * vd.c - opening, locking and bounds of virtual disks; the formats do the rest.
 *
 * Symbolic links are followed when opening (disks by /dev/disk/by-id are links) and never when creating.
 * Left out: chains of differencing images, caches, filters. A format's read may later return VERR_VD_BLOCK_FREE for
 * "ask the parent" without a change of this interface.
 */
#include "storage/vd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "storage/format.h"

#define COPY_BYTES (1u << 20)

static const struct format_row {
    const char *name;
    const struct vd_format *format;
} formats[] = {
#define FORMAT(name, descriptor) {name, &descriptor},
#include "storage/formats.def"
#undef FORMAT
};

static const struct format_row *find_format(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (g_ascii_strcasecmp(formats[i].name, name) == 0)
            return &formats[i];
    fio_error(error, VERR_NOT_SUPPORTED, "Disk image format '%s' is not known; use VDI, RAW or ISO", name);
    return NULL;
}

void vd_downgrade(struct vd *vd, const char *fmt, ...)
{
    va_list ap;

    vd->read_only = true;
    if (vd->ro_reason)
        return;
    va_start(ap, fmt);
    vd->ro_reason = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

bool vd_all_zero(const uint8_t *p, size_t bytes)
{
    return bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0);
}

static bool open_and_lock(struct vd *vd, struct fio_stat *ret_stat, GError **error)
{
    int rc = fio_open(vd->io, vd->path, vd->read_only ? O_RDONLY : O_RDWR, 0, &vd->fd);

    if (rc) {
        fio_error(error, rc, "Cannot open disk image '%s'%s", vd->path, vd->read_only ? "" : " for writing");
        return false;
    }
    rc = fio_stat(vd->io, vd->fd, ret_stat);
    if (rc == 0 && !ret_stat->regular && !ret_stat->block_device)
        rc = VERR_NOT_A_FILE;
    if (rc) {
        fio_error(error, rc, "Cannot use '%s' as a disk image", vd->path);
        return false;
    }
    rc = fio_lock(vd->io, vd->fd, vd->read_only ? FIO_LOCK_SHARED : FIO_LOCK_EXCLUSIVE);
    if (rc == VERR_SHARING_VIOLATION) {
        fio_error(error, rc, "Disk image '%s' is in use; stop the machine or program that uses it", vd->path);
        return false;
    }
    if (rc) {
        fio_error(error, rc, "Cannot lock disk image '%s'", vd->path);
        return false;
    }
    return true;
}

struct vd *vd_open(const struct fio *io, const char *format, const char *path, unsigned flags, GError **error)
{
    const struct format_row *row = find_format(format, error);
    struct fio_stat st = {};
    struct vd *vd;

    if (!row)
        return NULL;
    vd = g_new0(struct vd, 1);
    vd->io = io;
    vd->format = row->format;
    vd->format_name = row->name;
    vd->path = g_strdup(path);
    vd->fd = -1;
    vd->read_only = (flags & VD_READ_ONLY) || row->format->read_only;
    if (!open_and_lock(vd, &st, error) || !row->format->open(vd, st.size_bytes, error)) {
        vd_close(vd);
        return NULL;
    }
    return vd;
}

void vd_close(struct vd *vd)
{
    if (!vd)
        return;
    vd->format->close(vd);
    fio_close(vd->io, vd->fd);
    g_free(vd->path);
    g_free(vd->ro_reason);
    g_free(vd);
}

static bool in_range(const struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    return off_bytes <= vd->size_bytes && bytes <= vd->size_bytes - off_bytes;
}

int vd_read(struct vd *vd, uint64_t off_bytes, void *buf, size_t bytes)
{
    if (!in_range(vd, off_bytes, bytes))
        return VERR_OUT_OF_RANGE;
    return bytes ? vd->format->read(vd, off_bytes, buf, bytes) : 0;
}

int vd_write(struct vd *vd, uint64_t off_bytes, const void *buf, size_t bytes)
{
    if (!in_range(vd, off_bytes, bytes))
        return VERR_OUT_OF_RANGE;
    if (vd->read_only)
        return VERR_VD_IMAGE_READ_ONLY;
    return bytes ? vd->format->write(vd, off_bytes, buf, bytes) : 0;
}

int vd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    if (!in_range(vd, off_bytes, bytes))
        return VERR_OUT_OF_RANGE;
    if (vd->read_only)
        return VERR_VD_IMAGE_READ_ONLY;
    return bytes ? vd->format->discard(vd, off_bytes, bytes) : 0;
}

int vd_sync(struct vd *vd)
{
    int rc;

    if (vd->sync_failed)
        return vd->sync_failed; /* inv 1 */
    rc = fio_sync(vd->io, vd->fd);
    vd->sync_failed = rc;
    return rc;
}

int vd_flush(struct vd *vd)
{
    return vd->read_only ? 0 : vd_sync(vd);
}

uint64_t vd_size_bytes(const struct vd *vd)
{
    return vd->size_bytes;
}

bool vd_read_only(const struct vd *vd)
{
    return vd->read_only;
}

const char *vd_read_only_reason(const struct vd *vd)
{
    return vd->ro_reason;
}

bool vd_uuid(const struct vd *vd, uint8_t ret[VD_UUID_BYTES])
{
    if (vd->has_uuid)
        memcpy(ret, vd->uuid, VD_UUID_BYTES);
    return vd->has_uuid;
}

const char *vd_format(const struct vd *vd)
{
    return vd->format_name;
}

const char *vd_path(const struct vd *vd)
{
    return vd->path;
}

const char *vd_probe(const struct fio *io, const char *path, GError **error)
{
    g_autofree uint8_t *head = g_malloc(VD_PROBE_BYTES);
    int fd = -1;
    int rc = fio_open(io, path, O_RDONLY, 0, &fd);

    if (rc == 0)
        rc = fio_read_some(io, fd, head, VD_PROBE_BYTES, 0);
    fio_close(io, fd);
    if (rc) {
        fio_error(error, rc, "Cannot read '%s'", path);
        return NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (formats[i].format->probe(head))
            return formats[i].name;
    return NULL; /* not reached: raw takes anything */
}

bool vd_create(const struct fio *io, const struct vd_create *args, GError **error)
{
    const struct format_row *row = find_format(args->format, error);
    g_autofree char *dir = g_path_get_dirname(args->path);
    int fd = -1;
    bool ok;
    int rc;

    if (!row)
        return false;
    if (!row->format->create || args->size_bytes == 0 || args->size_bytes % VD_SECTOR_BYTES) {
        fio_error(error, row->format->create ? VERR_VD_INVALID_SIZE : VERR_NOT_SUPPORTED,
                  "Cannot create a %s image of %" G_GUINT64_FORMAT " bytes", row->name, args->size_bytes);
        return false;
    }
    rc = fio_open(io, args->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
    if (rc) {
        fio_error(error, rc, "Cannot create disk image '%s'", args->path);
        return false;
    }
    ok = row->format->create(io, fd, args, error);
    if (ok) {
        rc = fio_sync(io, fd);
        if (rc == 0)
            rc = status_from_errno(io->dir_sync(io->ctx, dir));
        if (rc)
            fio_error(error, rc, "Cannot make disk image '%s' durable", args->path);
        ok = rc == 0;
    }
    fio_close(io, fd);
    if (!ok)
        io->unlink(io->ctx, args->path);
    return ok;
}

/* Copies all data of @raw into @to; holes of the file are not even read. */
static int copy_all(struct vd *raw, struct vd *to)
{
    g_autofree uint8_t *buf = g_malloc(COPY_BYTES);
    uint64_t at = 0;
    int rc = 0;

    while (rc == 0 && at < raw->size_bytes) {
        int64_t data = raw->io->next_data(raw->io->ctx, raw->fd, at);
        size_t n;

        if (data == -ENXIO)
            break; /* only a hole is left */
        if (data > (int64_t)at)
            at = (uint64_t)data / COPY_BYTES * COPY_BYTES;
        n = (size_t)MIN((uint64_t)COPY_BYTES, raw->size_bytes - at);
        rc = vd_read(raw, at, buf, n);
        if (rc == 0 && !vd_all_zero(buf, n))
            rc = vd_write(to, at, buf, n);
        at += n;
    }
    return rc ? rc : vd_flush(to);
}

bool vd_convert_from_raw(const struct fio *io, const char *raw_path, const char *vdi_path, GError **error)
{
    struct vd *raw = vd_open(io, "RAW", raw_path, VD_READ_ONLY, error);
    struct vd_create args = {.format = "VDI", .path = vdi_path};
    struct vd *to = NULL;
    bool made;
    int rc;

    if (!raw)
        return false;
    args.size_bytes = raw->size_bytes;
    made = vd_create(io, &args, error);
    if (made)
        to = vd_open(io, "VDI", vdi_path, 0, error);
    if (to) {
        rc = copy_all(raw, to);
        if (rc)
            fio_error(error, rc, "Cannot copy '%s' to '%s'", raw_path, vdi_path);
        vd_close(to);
        to = rc ? NULL : to;
    }
    vd_close(raw);
    if (made && !to)
        io->unlink(io->ctx, vdi_path);
    return to != NULL;
}
