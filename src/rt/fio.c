/*
 * fio.c - whole transfers and atomic replacement over a table of file operations.
 *
 * Source: POSIX.1-2017 pread, pwrite, rename; fsync(2): after an error the page cache may already have dropped the
 * data, so a second fsync that succeeds proves nothing.
 * Invariant 1: fio_atomic_replace() leaves a complete file under @path at every instant: the new file is written and
 * synced under a name of its own, then renamed over; only then the directory is synced.
 * Invariant 2: an interrupted or short transfer is continued at most RETRIES times without progress.
 */
#include "rt/fio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"

#define RETRIES 64

int fio_open(const struct fio *io, const char *path, int flags, unsigned mode, int *ret_fd)
{
    int fd = -EINTR;

    for (int i = 0; i < RETRIES && fd == -EINTR; i++)
        fd = io->open(io->ctx, path, flags | O_CLOEXEC, mode);
    if (fd < 0)
        return status_from_errno(fd);
    *ret_fd = fd;
    return 0;
}

void fio_close(const struct fio *io, int fd)
{
    if (fd >= 0)
        io->close(io->ctx, fd);
}

/* Reads until @bytes or the end of the file; *@ret_done says how far it came. */
static int read_upto(const struct fio *io, int fd, uint8_t *buf, size_t bytes, uint64_t off_bytes, size_t *ret_done)
{
    size_t done = 0;
    int stuck = 0;

    while (done < bytes) {
        int64_t n = io->pread(io->ctx, fd, buf + done, bytes - done, off_bytes + done);

        if (n == 0)
            break;
        if (n > 0) {
            done += (size_t)n;
            stuck = 0;
        } else if ((n != -EINTR && n != -EAGAIN) || ++stuck == RETRIES) {
            return status_from_errno((int)n);
        }
    }
    *ret_done = done;
    return 0;
}

int fio_read(const struct fio *io, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    size_t done = 0;
    int rc = read_upto(io, fd, buf, bytes, off_bytes, &done);

    return rc == 0 && done < bytes ? VERR_EOF : rc;
}

int fio_read_some(const struct fio *io, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    size_t done = 0;
    int rc = read_upto(io, fd, buf, bytes, off_bytes, &done);

    if (rc == 0)
        memset((uint8_t *)buf + done, 0, bytes - done);
    return rc;
}

size_t fio_pieces_bytes(const struct iovec *iov, unsigned n)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < n; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

unsigned fio_pieces_cut(const struct iovec *iov, unsigned n, size_t off, size_t bytes, struct iovec *to)
{
    unsigned made = 0;

    for (unsigned i = 0; i < n && bytes; i++) {
        size_t here;

        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        here = MIN(bytes, iov[i].iov_len - off);
        to[made++] = (struct iovec){(uint8_t *)iov[i].iov_base + off, here};
        bytes -= here;
        off = 0;
    }
    return made;
}

int fio_readv_now(const struct fio *io, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes)
{
    if (io->preadv_now) /* errors and the end are found again by whoever may wait */
        return io->preadv_now(io->ctx, fd, iov, n, off_bytes) == (int64_t)fio_pieces_bytes(iov, n) ? 0 : VERR_TRY_AGAIN;
    for (unsigned i = 0; i < n; off_bytes += iov[i++].iov_len)
        if (fio_read(io, fd, iov[i].iov_base, iov[i].iov_len, off_bytes))
            return VERR_TRY_AGAIN;
    return 0;
}

int fio_write(const struct fio *io, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    const uint8_t *p = buf;
    size_t done = 0;
    int stuck = 0;

    while (done < bytes) {
        int64_t n = io->pwrite(io->ctx, fd, p + done, bytes - done, off_bytes + done);

        if (n > 0) {
            done += (size_t)n;
            stuck = 0;
        } else if ((n != -EINTR && n != -EAGAIN && n != 0) || ++stuck == RETRIES) {
            return n ? status_from_errno((int)n) : VERR_WRITE_ERROR;
        }
    }
    return 0;
}

int fio_writev(const struct fio *io, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes)
{
    const size_t bytes = fio_pieces_bytes(iov, n);
    g_autofree uint8_t *whole = NULL;
    size_t at = 0;

    if (io->pwritev && io->pwritev(io->ctx, fd, iov, n, off_bytes) == (int64_t)bytes)
        return 0;
    whole = g_try_malloc(bytes); /* in one piece: a sector that two pieces share is written once */
    if (!whole)
        return VERR_NO_MEMORY;
    for (unsigned i = 0; i < n; at += iov[i++].iov_len)
        if (iov[i].iov_len)
            memcpy(whole + at, iov[i].iov_base, iov[i].iov_len);
    return fio_write(io, fd, whole, bytes, off_bytes);
}

int fio_truncate(const struct fio *io, int fd, uint64_t size_bytes)
{
    int rc = -EINTR;

    for (int i = 0; i < RETRIES && rc == -EINTR; i++)
        rc = io->ftruncate(io->ctx, fd, size_bytes);
    return status_from_errno(rc);
}

int fio_punch(const struct fio *io, int fd, uint64_t off_bytes, uint64_t bytes)
{
    int rc = -EINTR;

    for (int i = 0; i < RETRIES && rc == -EINTR; i++)
        rc = io->fallocate(io->ctx, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off_bytes, bytes);
    return status_from_errno(rc);
}

void fio_hasten(const struct fio *io, int fd, uint64_t off_bytes, uint64_t bytes)
{
    if (io->hasten)
        io->hasten(io->ctx, fd, off_bytes, bytes);
}

int fio_sync(const struct fio *io, int fd)
{
    int rc = -EINTR; /* nothing was tried yet in that case; any other error is final */

    for (int i = 0; i < RETRIES && rc == -EINTR; i++)
        rc = io->fdatasync(io->ctx, fd);
    return status_from_errno(rc);
}

int fio_stat(const struct fio *io, int fd, struct fio_stat *ret)
{
    return status_from_errno(io->stat(io->ctx, fd, ret));
}

int fio_lock(const struct fio *io, int fd, enum fio_lock kind)
{
    int rc = io->lock(io->ctx, fd, kind);

    return rc == -EAGAIN || rc == -EACCES ? VERR_SHARING_VIOLATION : status_from_errno(rc);
}

void fio_error(GError **error, int status, const char *fmt, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(error, STATUS_ERROR, status, "%s: %s (%s)", what, status_text(status), status_name(status));
}

/* Writes and syncs @tmp; it must not exist. */
static int write_new(const struct fio *io, const char *tmp, const void *bytes, size_t size)
{
    int fd = -1;
    int rc = fio_open(io, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);

    if (rc)
        return rc;
    rc = fio_write(io, fd, bytes, size, 0);
    if (rc == 0)
        rc = status_from_errno(io->fsync(io->ctx, fd));
    fio_close(io, fd);
    return rc;
}

/* A second name for the live file, put over the old second name in one step. */
static int keep_previous(const struct fio *io, const char *path)
{
    g_autofree char *tmp = g_strdup_printf("%s-prev.tmp", path);
    g_autofree char *prev = g_strdup_printf("%s-prev", path);
    int rc;

    io->unlink(io->ctx, tmp);
    rc = io->link(io->ctx, path, tmp);
    if (rc == -ENOENT)
        return 0; /* no live file yet */
    if (rc == 0)
        rc = io->rename(io->ctx, tmp, prev);
    io->unlink(io->ctx, tmp); /* after a failure, or when both names were already one file and rename did nothing */
    return status_from_errno(rc);
}

bool fio_atomic_replace(const struct fio *io, const char *path, const void *bytes, size_t size, unsigned flags,
                        GError **error)
{
    g_autofree char *tmp = g_strdup_printf("%s.tmp", path);
    g_autofree char *dir = g_path_get_dirname(path);
    int rc;

    io->unlink(io->ctx, tmp); /* left by a crash */
    rc = write_new(io, tmp, bytes, size);
    if (rc == 0 && (flags & FIO_KEEP_PREVIOUS))
        rc = keep_previous(io, path);
    if (rc == 0)
        rc = status_from_errno(io->rename(io->ctx, tmp, path));
    if (rc) {
        io->unlink(io->ctx, tmp);
        fio_error(error, rc, "Cannot write '%s'; the old file is unchanged", path);
        return false;
    }
    rc = status_from_errno(io->dir_sync(io->ctx, dir));
    if (rc) {
        fio_error(error, rc, "Cannot make the new '%s' durable", path);
        return false;
    }
    return true;
}
