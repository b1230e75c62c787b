/*
 * vd.c - virtual disks: opening and closing images, bounds, and what a format leaves to everybody.
 *
 * Symbolic links are followed when opening (disks by /dev/disk/by-id are links) and never when creating (create.c).
 */
#include "storage/vd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "storage/create.h"
#include "storage/crypt_int.h"
#include "storage/format.h"

/* What a person can do about an image that does not open. */
static const char *remedy(int status)
{
    switch (status) {
    case VERR_FILE_NOT_FOUND:
    case VERR_PATH_NOT_FOUND: return "; correct its location in the settings, or detach it";
    case VERR_WRITE_PROTECT:
    case VERR_ACCESS_DENIED: return "; make the file and its folder writable for this user";
    default: return "";
    }
}

static bool open_and_lock(struct vd *vd, struct fio_stat *ret_stat, GError **error)
{
    int rc = fio_open(vd->io, vd->path, vd->read_only ? O_RDONLY : O_RDWR, 0, &vd->fd);

    if (rc) {
        fio_error(error, rc, "Cannot open disk image '%s'%s%s", vd->path, vd->read_only ? "" : " for writing",
                  remedy(rc));
        return false;
    }
    rc = fio_stat(vd->io, vd->fd, ret_stat);
    if (rc == 0 && !ret_stat->regular && !ret_stat->block_device)
        rc = VERR_NOT_A_FILE;
    if (rc) {
        fio_error(error, rc, "Cannot use '%s' as a disk image", vd->path);
        return false;
    }
    if (vd->flags & VD_LOOK)
        return true;
    rc = fio_lock(vd->io, vd->fd, vd->read_only || (vd->flags & VD_SHAREABLE) ? FIO_LOCK_SHARED : FIO_LOCK_EXCLUSIVE);
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

struct vd *image_open(const struct fio *io, const char *format, const char *path, unsigned flags, GError **error)
{
    const struct format_row *row = format_find(format, error);
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
    vd->flags = flags;
    vd->read_only = (flags & VD_READ_ONLY) || row->format->read_only;
    if ((!row->format->remote && !open_and_lock(vd, &st, error)) || !row->format->open(vd, st.size_bytes, error)) {
        image_close(vd);
        return NULL;
    }
    vd->opened = true;
    return vd;
}

void image_close(struct vd *vd)
{
    if (!vd)
        return;
    vd->format->close(vd);
    fio_close(vd->io, vd->fd);
    chain_index_free(vd);
    crypt_free(vd->crypt);
    g_free(vd->path);
    g_free(vd->ro_reason);
    g_free(vd->hint);
    g_free(vd);
}

struct vd *vd_open(const struct fio *io, const char *format, const char *path, unsigned flags, GError **error)
{
    struct vd *vd = image_open(io, format, path, flags, error);

    if (!vd || !vd->diff || (flags & VD_ALONE))
        return vd;
    vd_refuse(path, VERR_VD_UUID_MISMATCH, error,
              "it holds only the differences to another image; open it together with its parent");
    image_close(vd);
    return NULL;
}

void vd_close(struct vd *vd)
{
    while (vd) {
        struct vd *parent = vd->parent;

        image_close(vd);
        vd = parent;
    }
}

/* ---- one image ---- */

int image_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    return vd->format->map(vd, off_bytes, bytes, ret);
}

int image_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    int rc = 0;

    if (vd->format->read)
        return vd->format->read(vd, off_bytes, buf, bytes);
    while (rc == 0 && bytes) {
        struct vd_extent e;

        rc = vd->format->map(vd, off_bytes, bytes, &e);
        if (rc)
            break;
        if (e.kind == VD_DATA)
            rc = fio_read_some(vd->io, e.fd, buf, e.bytes, e.at);
        else
            memset(buf, 0, e.bytes);
        off_bytes += e.bytes;
        buf += e.bytes;
        bytes -= e.bytes;
    }
    return rc;
}

int image_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    return vd->format->write(vd, off_bytes, buf, bytes);
}

int image_lock(struct vd *vd, enum fio_lock kind)
{
    int rc = fio_lock(vd->io, vd->fd, kind);

    if (rc == 0 && vd->format->lock)
        rc = vd->format->lock(vd, kind);
    return rc;
}

int image_flush(struct vd *vd)
{
    if (vd->read_only)
        return vd->sync_failed;
    return vd->format->flush ? vd->format->flush(vd) : vd_sync(vd);
}

/* ---- the disk ---- */

static bool in_range(const struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    return off_bytes <= vd->size_bytes && bytes <= vd->size_bytes - off_bytes;
}

int vd_read(struct vd *vd, uint64_t off_bytes, void *buf, size_t bytes)
{
    if (!in_range(vd, off_bytes, bytes))
        return VERR_OUT_OF_RANGE;
    if (bytes == 0)
        return 0;
    if (vd->locked)
        return VERR_VD_DEK_MISSING;
    if (vd->crypt)
        return crypt_read(vd, off_bytes, buf, bytes);
    return vd->parent ? chain_read(vd, off_bytes, buf, bytes) : image_read(vd, off_bytes, buf, bytes);
}

int vd_read_now(struct vd *vd, uint64_t off_bytes, const struct iovec *iov, unsigned n)
{
    if (n > FIO_PIECES || !in_range(vd, off_bytes, fio_pieces_bytes(iov, n)) || vd->crypt || vd->locked)
        return VERR_TRY_AGAIN;
    return chain_read_now(vd, off_bytes, iov, n);
}

bool vd_place(struct vd *vd, uint64_t off_bytes, size_t bytes, struct vd_place *ret)
{
    return bytes && in_range(vd, off_bytes, bytes) && !vd->crypt && !vd->locked &&
           chain_place(vd, off_bytes, bytes, ret);
}

int vd_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    int rc;

    if (!in_range(vd, off_bytes, bytes) || bytes == 0)
        return VERR_OUT_OF_RANGE;
    rc = chain_map(vd, off_bytes, bytes, ret);
    if (rc == 0 && (vd->crypt || vd->locked))
        ret->fd = -1; /* what lies there is cipher text */
    return rc;
}

/* Why @vd cannot be written to in the range, or 0. */
static int may_change(const struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    if (!in_range(vd, off_bytes, bytes))
        return VERR_OUT_OF_RANGE;
    if (vd->locked)
        return VERR_VD_DEK_MISSING;
    return vd->read_only || !vd->format->write ? VERR_VD_IMAGE_READ_ONLY : 0;
}

int vd_place_over(struct vd *vd, uint64_t off_bytes, size_t bytes, struct vd_place *ret)
{
    struct vd_extent e;

    if (bytes == 0 || may_change(vd, off_bytes, bytes) || vd->crypt || vd->merge ||
        image_map(vd, off_bytes, bytes, &e) || e.kind != VD_DATA || e.bytes < bytes || e.fd < 0 ||
        (vd->format->touch && vd->format->touch(vd)))
        return VERR_TRY_AGAIN; /* errors are vd_write()'s */
    *ret = (struct vd_place){vd->io, e.fd, e.at};
    return 0;
}

int vd_write_over(struct vd *vd, uint64_t off_bytes, const struct iovec *iov, unsigned n)
{
    const size_t bytes = fio_pieces_bytes(iov, n);
    struct vd_place p = {};
    int rc = VERR_TRY_AGAIN;

    if (n <= FIO_PIECES && vd->format->quick && vd->format->quick(vd, off_bytes, bytes))
        rc = vd_place_over(vd, off_bytes, bytes, &p);
    return rc ? rc : fio_writev(p.io, p.fd, iov, n, p.at);
}

int vd_write(struct vd *vd, uint64_t off_bytes, const void *buf, size_t bytes)
{
    int rc = may_change(vd, off_bytes, bytes);

    if (rc || bytes == 0)
        return rc;
    return vd->crypt ? crypt_write(vd, off_bytes, buf, bytes) : vd_write_plain(vd, off_bytes, buf, bytes);
}

int vd_write_plain(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    int rc = vd->parent ? chain_write(vd, off_bytes, buf, bytes) : image_write(vd, off_bytes, buf, bytes);

    if (rc == 0 && vd->merge)
        rc = merge_mirror_write(vd, off_bytes, buf, bytes);
    return rc;
}

int vd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    int rc = may_change(vd, off_bytes, bytes);

    if (rc || bytes == 0 || !vd->format->discard || (vd->crypt && vd->unit_bytes == 0))
        return rc; /* a hole in a raw image is no cipher text */
    chain_forget(vd, off_bytes, bytes);
    rc = vd->format->discard(vd, off_bytes, bytes);
    if (rc == 0 && vd->merge)
        rc = merge_mirror_discard(vd, off_bytes, bytes);
    return rc;
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
    int rc = image_flush(vd);

    if (rc == 0 && vd->merge)
        rc = merge_mirror_flush(vd);
    return rc;
}

/* ---- facts ---- */

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
        memcpy(ret, vd->ids.image, VD_UUID_BYTES);
    return vd->has_uuid;
}

const struct vd_ids *vd_ids(const struct vd *vd)
{
    return &vd->ids;
}

const char *vd_parent_hint(const struct vd *vd)
{
    return vd->hint;
}

struct vd *vd_parent(struct vd *vd)
{
    return vd->parent;
}

const char *vd_format(const struct vd *vd)
{
    return vd->format_name;
}

const char *vd_path(const struct vd *vd)
{
    return vd->path;
}
