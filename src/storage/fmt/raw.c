/*
 * raw.c - the file is the disk: hard disk and floppy images, block devices, ISO images.
 *
 * Left out: raw CD images with 2352-byte sectors. A disk's file must be a multiple of 512 bytes; an optical image of
 * any length is read as if zeros followed up to the next 2048-byte sector.
 */
#include <errno.h>
#include <string.h>

#include "rt/status.h"
#include "storage/format.h"

#define OPTICAL_SECTOR_BYTES 2048

static bool raw_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    (void)head;
    (void)tail;
    return true;
}

/* ISO 9660 (ECMA-119 section 8.1) or UDF (ECMA-167 2/9.1) volume recognition in sector 16. */
static bool iso_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    const uint8_t *id = head + 16 * OPTICAL_SECTOR_BYTES + 1;

    (void)tail;
    return memcmp(id, "CD001", 5) == 0 || memcmp(id, "BEA01", 5) == 0;
}

static bool raw_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    if (file_bytes == 0 || file_bytes % VD_SECTOR_BYTES || file_bytes > INT64_MAX) {
        fio_error(error, VERR_VD_INVALID_SIZE,
                  "'%s' is no raw disk image: its size of %" G_GUINT64_FORMAT " bytes is not a multiple of 512",
                  vd->path, file_bytes);
        return false;
    }
    vd->size_bytes = file_bytes;
    return true;
}

static bool iso_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    if (file_bytes == 0 || file_bytes > INT64_MAX / 2) {
        fio_error(error, VERR_VD_INVALID_SIZE, "'%s' is no optical disc image: it is empty", vd->path);
        return false;
    }
    vd->size_bytes = (file_bytes + OPTICAL_SECTOR_BYTES - 1) / OPTICAL_SECTOR_BYTES * OPTICAL_SECTOR_BYTES;
    return true;
}

static void raw_close(struct vd *vd)
{
    (void)vd;
}

static int raw_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    return vd_extent_data(ret, bytes, vd->fd, off_bytes);
}

static int raw_holes(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    int64_t data = vd->io->next_data(vd->io->ctx, vd->fd, off_bytes), hole;

    if (data == -ENXIO)
        return vd_extent_plain(ret, bytes, VD_ZERO);
    if (data > (int64_t)off_bytes)
        return vd_extent_plain(ret, MIN(bytes, (uint64_t)data - off_bytes), VD_ZERO);
    hole = vd->io->next_hole(vd->io->ctx, vd->fd, off_bytes);
    if (hole > (int64_t)off_bytes)
        bytes = MIN(bytes, (uint64_t)hole - off_bytes);
    return raw_map(vd, off_bytes, bytes, ret);
}

static int raw_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    return fio_read(vd->io, vd->fd, buf, bytes, off_bytes);
}

static int iso_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    return fio_read_some(vd->io, vd->fd, buf, bytes, off_bytes);
}

static int raw_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    return fio_write(vd->io, vd->fd, buf, bytes, off_bytes);
}

static int raw_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    int rc = fio_punch(vd->io, vd->fd, off_bytes, bytes);

    return rc == VERR_NOT_SUPPORTED ? 0 : rc; /* discarding is a hint */
}

static bool raw_resize(struct vd *vd, uint64_t size_bytes, GError **error)
{
    int rc = fio_truncate(vd->io, vd->fd, size_bytes);

    if (rc == 0)
        rc = vd_sync(vd);
    if (rc) {
        fio_error(error, rc, "Cannot resize '%s'", vd->path);
        return false;
    }
    vd->size_bytes = size_bytes;
    return true;
}

static bool raw_create(const struct fio *io, int fd, const struct vd_create *args, GError **error)
{
    int rc = args->fixed ? status_from_errno(io->fallocate(io->ctx, fd, 0, 0, args->size_bytes)) : VERR_NOT_SUPPORTED;

    if (rc == VERR_NOT_SUPPORTED)
        rc = fio_truncate(io, fd, args->size_bytes);
    if (rc)
        fio_error(error, rc, "Cannot create disk image '%s'", args->path);
    return rc == 0;
}

const struct vd_format raw_format = {
    .quick = vd_always_quick,
    .probe = raw_probe,
    .open = raw_open,
    .close = raw_close,
    .map = raw_map,
    .holes = raw_holes,
    .read = raw_read,
    .resize = raw_resize,
    .write = raw_write,
    .discard = raw_discard,
    .create = raw_create,
};

const struct vd_format iso_format = {
    .quick = vd_always_quick,
    .read_only = true,
    .probe = iso_probe,
    .open = iso_open,
    .close = raw_close,
    .map = raw_map,
    .read = iso_read,
};
