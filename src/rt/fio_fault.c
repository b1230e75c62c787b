/*
 * fio_fault.c - a table of file operations whose call N fails: for tests that walk N from 1 until nothing fails.
 */
#include "rt/fio_shim.h"

#include <errno.h>

/* Counts one call; true = this one fails. */
static bool trips(struct fio_fault *f)
{
    bool hit;

    f->calls++;
    hit = f->fail_at != 0 && (f->for_ever ? f->calls >= f->fail_at : f->calls == f->fail_at);
    f->hit |= hit;
    return hit;
}

static int fault_open(void *ctx, const char *path, int flags, unsigned mode)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->open(f->below->ctx, path, flags, mode);
}

static int fault_close(void *ctx, int fd)
{
    struct fio_fault *f = ctx;

    return f->below->close(f->below->ctx, fd);
}

static int64_t fault_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->pread(f->below->ctx, fd, buf, bytes, off_bytes);
}

static int64_t fault_preadv_now(void *ctx, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes)
{
    struct fio_fault *f = ctx;

    return trips(f) || fio_readv_now(f->below, fd, iov, n, off_bytes) ? -f->err : (int64_t)fio_pieces_bytes(iov, n);
}

static int64_t fault_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    struct fio_fault *f = ctx;

    if (!trips(f))
        return f->below->pwrite(f->below->ctx, fd, buf, bytes, off_bytes);
    if (f->short_write && bytes > 1)
        return f->below->pwrite(f->below->ctx, fd, buf, bytes / 2, off_bytes);
    return -f->err;
}

static int fault_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->ftruncate(f->below->ctx, fd, size_bytes);
}

static int fault_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->fallocate(f->below->ctx, fd, mode, off_bytes, bytes);
}

static int fault_fdatasync(void *ctx, int fd)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->fdatasync(f->below->ctx, fd);
}

static int fault_fsync(void *ctx, int fd)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->fsync(f->below->ctx, fd);
}

static int fault_rename(void *ctx, const char *from, const char *to)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->rename(f->below->ctx, from, to);
}

static int fault_link(void *ctx, const char *from, const char *to)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->link(f->below->ctx, from, to);
}

static int fault_unlink(void *ctx, const char *path)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->unlink(f->below->ctx, path);
}

static int fault_dir_sync(void *ctx, const char *dir)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->dir_sync(f->below->ctx, dir);
}

static int fault_lock(void *ctx, int fd, enum fio_lock kind)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->lock(f->below->ctx, fd, kind);
}

static int fault_stat(void *ctx, int fd, struct fio_stat *ret)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->stat(f->below->ctx, fd, ret);
}

static int64_t fault_next_data(void *ctx, int fd, uint64_t off_bytes)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->next_data(f->below->ctx, fd, off_bytes);
}

static int64_t fault_next_hole(void *ctx, int fd, uint64_t off_bytes)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->next_hole(f->below->ctx, fd, off_bytes);
}

static int64_t fault_room(void *ctx, int fd)
{
    struct fio_fault *f = ctx;

    return trips(f) ? -f->err : f->below->room(f->below->ctx, fd);
}

void fio_fault_init(struct fio_fault *f, const struct fio *below)
{
    *f = (struct fio_fault){
        .below = below,
        .err = EIO,
        .io = {.ctx = f,
               .open = fault_open,
               .close = fault_close,
               .pread = fault_pread,
               .preadv_now = fault_preadv_now,
               .pwrite = fault_pwrite,
               .ftruncate = fault_ftruncate,
               .fallocate = fault_fallocate,
               .fdatasync = fault_fdatasync,
               .fsync = fault_fsync,
               .rename = fault_rename,
               .link = fault_link,
               .unlink = fault_unlink,
               .dir_sync = fault_dir_sync,
               .lock = fault_lock,
               .stat = fault_stat,
               .next_data = fault_next_data,
               .next_hole = fault_next_hole,
               .room = fault_room},
    };
}
