/*
 * fio_system.c - the table of file operations that is the kernel's.
 *
 * Source: open(2), pwrite(2), fallocate(2), fcntl(2) "Open file description locks"; QEMU's documented image locking:
 * a reader-lock on byte 100+p says "I use permission p", on 200+p "I let nobody else use p"; p: 0 consistent read,
 * 1 write, 3 resize.
 * Our own lock is one byte at 2^62, beyond any image.
 */
#include "rt/fio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define OWN_LOCK_BYTE   (INT64_C(1) << 62)
#define QEMU_USES       100
#define QEMU_UNSHARED   200
#define QEMU_PERM_READ  0
#define QEMU_PERM_WRITE 1
#define QEMU_PERM_SIZE  3

static int sys_open(void *ctx, const char *path, int flags, unsigned mode)
{
    int fd = open(path, flags, (mode_t)mode);

    (void)ctx;
    return fd < 0 ? -errno : fd;
}

static int sys_close(void *ctx, int fd)
{
    (void)ctx;
    return close(fd) ? -errno : 0;
}

static int64_t sys_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    ssize_t n = pread(fd, buf, bytes, (off_t)off_bytes);

    (void)ctx;
    return n < 0 ? -errno : n;
}

static int64_t sys_preadv_now(void *ctx, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes)
{
    ssize_t got = preadv2(fd, iov, (int)n, (off_t)off_bytes, RWF_NOWAIT);

    (void)ctx;
    return got < 0 ? -errno : got;
}

static int64_t sys_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    ssize_t n = pwrite(fd, buf, bytes, (off_t)off_bytes);

    (void)ctx;
    return n < 0 ? -errno : n;
}

static int64_t sys_pwritev(void *ctx, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes)
{
    ssize_t done = pwritev(fd, iov, (int)n, (off_t)off_bytes);

    (void)ctx;
    return done < 0 ? -errno : done;
}

static int sys_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    (void)ctx;
    return ftruncate(fd, (off_t)size_bytes) ? -errno : 0;
}

static int sys_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
{
    (void)ctx;
    return fallocate(fd, mode, (off_t)off_bytes, (off_t)bytes) ? -errno : 0;
}

static int sys_fdatasync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd) ? -errno : 0;
}

static int sys_fsync(void *ctx, int fd)
{
    (void)ctx;
    return fsync(fd) ? -errno : 0;
}

static void sys_hasten(void *ctx, int fd, uint64_t off_bytes, uint64_t bytes)
{
    (void)ctx;
    (void)sync_file_range(fd, (off_t)off_bytes, (off_t)bytes, SYNC_FILE_RANGE_WRITE); /* errors are the sync's */
}

static int sys_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) ? -errno : 0;
}

static int sys_link(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return link(from, to) ? -errno : 0;
}

static int sys_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) ? -errno : 0;
}

static int sys_dir_sync(void *ctx, const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    (void)ctx;
    if (fd < 0)
        return -errno;
    rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

static int unlock_all(int fd)
{
    struct flock lk = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_SETLK, &lk) ? -errno : 0;
}

static int lock_byte(int fd, short type, int64_t byte)
{
    struct flock lk = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lk) ? -errno : 0;
}

/* Whether another open file description has any lock on the byte. */
static bool byte_taken(int fd, int64_t byte)
{
    struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};

    return fcntl(fd, F_OFD_GETLK, &lk) == 0 && lk.l_type != F_UNLCK;
}

static int sys_lock(void *ctx, int fd, enum fio_lock kind)
{
    static const int ours_exclusive[] = {QEMU_USES + QEMU_PERM_READ, QEMU_USES + QEMU_PERM_WRITE,
                                         QEMU_USES + QEMU_PERM_SIZE, QEMU_UNSHARED + QEMU_PERM_WRITE,
                                         QEMU_UNSHARED + QEMU_PERM_SIZE};
    static const int theirs_exclusive[] = {QEMU_USES + QEMU_PERM_WRITE, QEMU_USES + QEMU_PERM_SIZE,
                                           QEMU_UNSHARED + QEMU_PERM_WRITE, QEMU_UNSHARED + QEMU_PERM_READ};
    static const int ours_shared[] = {QEMU_USES + QEMU_PERM_READ, QEMU_UNSHARED + QEMU_PERM_WRITE,
                                      QEMU_UNSHARED + QEMU_PERM_SIZE};
    static const int theirs_shared[] = {QEMU_USES + QEMU_PERM_WRITE, QEMU_UNSHARED + QEMU_PERM_READ};
    bool exclusive = kind == FIO_LOCK_EXCLUSIVE;
    const int *ours = exclusive ? ours_exclusive : ours_shared;
    const int *theirs = exclusive ? theirs_exclusive : theirs_shared;
    size_t n_ours = exclusive ? G_N_ELEMENTS(ours_exclusive) : G_N_ELEMENTS(ours_shared);
    size_t n_theirs = exclusive ? G_N_ELEMENTS(theirs_exclusive) : G_N_ELEMENTS(theirs_shared);
    int rc;

    (void)ctx;
    if (kind == FIO_LOCK_NONE)
        return unlock_all(fd);
    rc = lock_byte(fd, exclusive ? F_WRLCK : F_RDLCK, OWN_LOCK_BYTE);
    if (!exclusive) /* what an exclusive lock of before had of it */
        for (int perm = QEMU_PERM_WRITE; rc == 0 && perm <= QEMU_PERM_SIZE; perm++)
            rc = lock_byte(fd, F_UNLCK, QEMU_USES + perm);
    for (size_t i = 0; rc == 0 && i < n_ours; i++)
        rc = lock_byte(fd, F_RDLCK, ours[i]);
    for (size_t i = 0; rc == 0 && i < n_theirs; i++)
        if (byte_taken(fd, theirs[i]))
            rc = -EAGAIN;
    return rc;
}

static int sys_stat(void *ctx, int fd, struct fio_stat *ret)
{
    struct stat st;

    (void)ctx;
    if (fstat(fd, &st))
        return -errno;
    *ret = (struct fio_stat){.regular = S_ISREG(st.st_mode),
                             .block_device = S_ISBLK(st.st_mode),
                             .size_bytes = (uint64_t)st.st_size,
                             .used_bytes = (uint64_t)st.st_blocks * 512};
    if (ret->block_device) {
        off_t end = lseek(fd, 0, SEEK_END);

        if (end < 0)
            return -errno;
        ret->size_bytes = (uint64_t)end;
    }
    return 0;
}

static int64_t sys_next_data(void *ctx, int fd, uint64_t off_bytes)
{
    off_t at = lseek(fd, (off_t)off_bytes, SEEK_DATA);

    (void)ctx;
    return at < 0 ? -errno : at;
}

static int64_t sys_next_hole(void *ctx, int fd, uint64_t off_bytes)
{
    off_t at = lseek(fd, (off_t)off_bytes, SEEK_HOLE);

    (void)ctx;
    return at < 0 ? -errno : at;
}

static int64_t sys_room(void *ctx, int fd)
{
    struct statvfs fs;
    uint64_t bytes;

    (void)ctx;
    if (fstatvfs(fd, &fs))
        return -errno;
    if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &bytes) || bytes > INT64_MAX)
        return INT64_MAX;
    return (int64_t)bytes;
}

const struct fio *fio_system(void)
{
    static const struct fio system = {
        .kernel = true,
        .open = sys_open,
        .close = sys_close,
        .pread = sys_pread,
        .preadv_now = sys_preadv_now,
        .pwrite = sys_pwrite,
        .pwritev = sys_pwritev,
        .ftruncate = sys_ftruncate,
        .fallocate = sys_fallocate,
        .fdatasync = sys_fdatasync,
        .fsync = sys_fsync,
        .rename = sys_rename,
        .link = sys_link,
        .unlink = sys_unlink,
        .dir_sync = sys_dir_sync,
        .lock = sys_lock,
        .stat = sys_stat,
        .next_data = sys_next_data,
        .next_hole = sys_next_hole,
        .room = sys_room,
        .hasten = sys_hasten,
    };

    return &system;
}
