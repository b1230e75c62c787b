/*
 * recrypt.c - see recrypt.h.
 *
 * A copy is the image's file byte by byte, but what is the disk's: that is read with one key and written with the
 * other. So headers, maps, UUIDs and links stay, and the format is not asked to write anything. The image is opened for
 * writing once before: what is left of a crash, or of discarded blocks, is tidied up then and does not get into the
 * copy. Left out: overwriting the old file's place on the host; the copy takes its name, the host frees it. Invariant
 * 1: an image's file is not written, only replaced, by a copy that was synced.
 */
#include "storage/recrypt.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>

#include "rt/status.h"
#include "storage/crypt_int.h"
#include "storage/format.h"

#define SUFFIX   ".recrypt"
#define BUFFER   ((size_t)1 << 20)
#define RUNS_MAX ((size_t)1 << 24) /* of an image; 24 bytes each */

struct run {
    uint64_t at, off_bytes, bytes; /* in the file, on the disk */
};

struct vd_recrypt {
    const struct fio *io;
    size_t n;
    struct vd_link *images; /* paths are owned */
    struct vd **vd;
    struct sector_cipher *from, *to; /* NULL: plain text */
    const struct vd_progress *progress;
    uint64_t done_bytes, all_bytes;
    uint8_t *buf;
};

static char *copy_path(const char *path)
{
    return g_strconcat(path, SUFFIX, NULL);
}

static void release(struct vd_recrypt *r)
{
    for (size_t k = 0; k < r->n; k++) {
        image_close(r->vd[k]);
        g_free((char *)r->images[k].path);
    }
    sector_cipher_free(r->from);
    sector_cipher_free(r->to);
    g_free(r->images);
    g_free(r->vd);
    g_free(r->buf);
    g_free(r);
}

/* ---- where the disk lies in the file ---- */

static bool add_run(struct vd *vd, GArray *runs, uint64_t off_bytes, const struct vd_extent *e, GError **error)
{
    struct run *last = runs->len ? &g_array_index(runs, struct run, runs->len - 1) : NULL;
    const struct run next = {e->at, off_bytes, e->bytes};

    if (e->fd != vd->fd)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error,
                         "images that are packed, or lie in several files, are not encrypted or decrypted; clone it "
                         "into one of another kind first");
    if (last && last->at + last->bytes == e->at && last->off_bytes + last->bytes == off_bytes)
        last->bytes += e->bytes;
    else if (runs->len < RUNS_MAX)
        g_array_append_val(runs, next);
    else
        return vd_refuse(vd->path, VERR_NO_MEMORY, error, "it lies in too many pieces; compact it first");
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct run *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

/* All runs of data, by their place in the file; two that overlap are damage. */
static GArray *find_runs(struct vd *vd, GError **error)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(struct run));
    struct vd_extent e;

    for (uint64_t at = 0; at < vd->size_bytes; at += e.bytes) {
        int rc = image_map(vd, at, vd->size_bytes - at, &e);

        if (rc) {
            fio_error(error, rc, "Cannot read the map of '%s'", vd->path);
            return NULL;
        }
        if (e.kind == VD_DATA && !add_run(vd, runs, at, &e, error))
            return NULL;
    }
    g_array_sort(runs, by_place);
    for (guint k = 1; k < runs->len; k++) {
        const struct run *a = &g_array_index(runs, struct run, k - 1);

        if (a->at + a->bytes > a[1].at) {
            vd_refuse(vd->path, VERR_VD_IMAGE_CORRUPTED, error, "two parts of the disk lie in one place");
            return NULL;
        }
    }
    return g_steal_pointer(&runs);
}

/* ---- copying ---- */

/* Moves [@at, @at + @bytes) of the file; @run: the disk's data, or NULL. */
static int copy_piece(struct vd_recrypt *r, struct vd *vd, int fd, uint64_t at, size_t bytes, const struct run *run)
{
    int rc = fio_read_some(r->io, vd->fd, r->buf, bytes, at);
    uint64_t sector = run ? (run->off_bytes + (at - run->at)) / VD_SECTOR_BYTES : 0;

    if (rc == 0 && run && r->from)
        rc = sector_cipher_apply(r->from, false, sector, r->buf, r->buf, bytes);
    if (rc == 0 && run && r->to)
        rc = sector_cipher_apply(r->to, true, sector, r->buf, r->buf, bytes);
    if (rc == 0 && !vd_all_zero(r->buf, bytes))
        rc = fio_write(r->io, fd, r->buf, bytes, at);
    return rc;
}

static int copy_range(struct vd_recrypt *r, struct vd *vd, int fd, uint64_t at, uint64_t bytes, const struct run *run)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        size_t n = (size_t)MIN(bytes, BUFFER);

        rc = copy_piece(r, vd, fd, at, n, run);
        at += n;
        bytes -= n;
        r->done_bytes += n;
        if (rc == 0 && !vd_keep_going(r->progress, r->done_bytes, r->all_bytes))
            rc = VERR_CANCELLED;
    }
    return rc;
}

/* The whole file into the new, empty @fd, and synced. */
static int copy_file(struct vd_recrypt *r, struct vd *vd, int fd, const GArray *runs)
{
    struct fio_stat st;
    uint64_t at = 0;
    int rc = fio_stat(r->io, vd->fd, &st);

    for (guint k = 0; rc == 0 && k < runs->len; k++) {
        const struct run *run = &g_array_index(runs, struct run, k);

        rc = copy_range(r, vd, fd, at, run->at - at, NULL);
        if (rc == 0)
            rc = copy_range(r, vd, fd, run->at, run->bytes, run);
        at = run->at + run->bytes;
    }
    if (rc == 0 && st.size_bytes > at)
        rc = copy_range(r, vd, fd, at, st.size_bytes - at, NULL);
    if (rc == 0)
        rc = fio_truncate(r->io, fd, MAX(at, st.size_bytes));
    if (rc == 0)
        rc = status_from_errno(r->io->fsync(r->io->ctx, fd));
    return rc;
}

static int sync_folder(const struct fio *io, const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);

    return status_from_errno(io->dir_sync(io->ctx, folder));
}

static bool copy_image(struct vd_recrypt *r, struct vd *vd, GError **error)
{
    g_autoptr(GArray) runs = find_runs(vd, error);
    g_autofree char *path = copy_path(vd->path);
    int fd, rc;

    if (!runs)
        return false;
    r->io->unlink(r->io->ctx, path); /* of one that was cut off */
    rc = fio_open(r->io, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
    if (rc == 0) {
        rc = copy_file(r, vd, fd, runs);
        fio_close(r->io, fd);
        rc = rc ? rc : sync_folder(r->io, path);
    }
    if (rc)
        fio_error(error, rc, "Cannot write '%s'; the disk stays as it is", path);
    return rc == 0;
}

/* ---- beginning ---- */

/* Opening for writing tidies up; then it is only read, and locked so that nobody writes. */
static bool open_image(struct vd_recrypt *r, size_t k, GError **error)
{
    const struct vd_link *i = &r->images[k];
    struct vd *vd = image_open(r->io, i->format, i->path, VD_ALONE | VD_KEEP_MODIFY, error);
    bool ok = vd && !vd->read_only && !vd->format->remote;

    if (vd && !ok)
        vd_refuse(i->path, VERR_VD_IMAGE_READ_ONLY, error, "it cannot be encrypted or decrypted: %s",
                  vd->ro_reason ? vd->ro_reason : "images of this kind are only read, or have no file");
    image_close(vd);
    if (ok)
        r->vd[k] = image_open(r->io, i->format, i->path, VD_ALONE | VD_READ_ONLY, error);
    return r->vd[k] != NULL;
}

static bool check_room(struct vd_recrypt *r, GError **error)
{
    for (size_t k = 0; k < r->n; k++) {
        struct fio_stat st;
        int rc = fio_stat(r->io, r->vd[k]->fd, &st);

        if (rc) {
            fio_error(error, rc, "Cannot find out the size of '%s'", r->images[k].path);
            return false;
        }
        r->all_bytes += st.size_bytes;
    }
    for (size_t k = 0; k < r->n; k++) {
        int64_t room = r->io->room(r->io->ctx, r->vd[k]->fd);

        if (room >= 0 && r->all_bytes > (uint64_t)room)
            return vd_refuse(r->images[k].path, VERR_DISK_FULL, error,
                             "the new contents may need %" G_GUINT64_FORMAT
                             " bytes beside the old, and there are %" G_GINT64_FORMAT "; make room first",
                             r->all_bytes, room);
    }
    return true;
}

/* *@ret stays NULL for plain text. */
static bool make_cipher(const struct vd_lock *lock, struct sector_cipher **ret, GError **error)
{
    struct disk_key key;

    if (!lock->store)
        return true;
    if (!keystore_open(lock->store, lock->password, &key, error))
        return false;
    *ret = sector_cipher_new(&key);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!*ret)
        fio_error(error, VERR_GENERAL_FAILURE, "The cryptographic library refuses its key");
    return *ret != NULL;
}

struct vd_recrypt *vd_recrypt(const struct fio *io, const struct vd_link *images, size_t n, const struct vd_lock *from,
                              const struct vd_lock *to, const struct vd_progress *progress, GError **error)
{
    struct vd_recrypt *r = g_new0(struct vd_recrypt, 1);
    bool ok = true;

    *r = (struct vd_recrypt){.io = io, .n = n, .progress = progress, .buf = g_malloc(BUFFER)};
    r->images = g_new0(struct vd_link, n);
    r->vd = g_new0(struct vd *, n);
    for (size_t k = 0; k < n; k++)
        r->images[k] = (struct vd_link){images[k].format, g_strdup(images[k].path)};
    ok = make_cipher(from, &r->from, error) && make_cipher(to, &r->to, error);
    for (size_t k = 0; ok && k < n; k++)
        ok = open_image(r, k, error);
    if (!ok || !check_room(r, error)) {
        release(r);
        return NULL;
    }
    for (size_t k = 0; ok && k < n; k++)
        ok = copy_image(r, r->vd[k], error);
    if (ok)
        return r;
    vd_recrypt_abandon(r);
    return NULL;
}

/* ---- ending ---- */

bool vd_recrypt_finish(const struct fio *io, const struct vd_link *images, size_t n, bool keep, GError **error)
{
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < n; k++) {
        g_autofree char *path = copy_path(images[k].path);
        int err = keep ? io->rename(io->ctx, path, images[k].path) : io->unlink(io->ctx, path);

        rc = err == -ENOENT ? 0 : status_from_errno(err);
        if (rc == 0)
            rc = sync_folder(io, images[k].path);
        if (rc)
            fio_error(error, rc,
                      keep ? "Cannot replace '%s' by what was made for it" : "Cannot remove what was made for '%s'",
                      images[k].path);
    }
    return rc == 0;
}

bool vd_recrypt_commit(struct vd_recrypt *r, GError **error)
{
    bool ok = vd_recrypt_finish(r->io, r->images, r->n, true, error);

    release(r);
    return ok;
}

void vd_recrypt_abandon(struct vd_recrypt *r)
{
    if (!r)
        return;
    vd_recrypt_finish(r->io, r->images, r->n, false, NULL);
    release(r);
}
