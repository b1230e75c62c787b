/*
 * fio_direct.c - the kernel's file operations, past the host's cache.
 *
 * Source: open(2), O_DIRECT: memory, offset and length must be multiples of what the file system asks for; the kernel
 * answers EINVAL if they are not. Memory that lies wrong is copied; other transfers, the few bytes of an image's
 * tables, go through the cache: the flag is taken off the descriptor meanwhile. The kernel keeps both ways coherent, as
 * long as no two transfers of the same page go both ways at once: that is the caller's to see to.
 * Where a file system knows no O_DIRECT everything goes through the cache.
 * Threads: any; what another thread transfers while the flag is off goes through the cache, too.
 */
#include "rt/fio_direct.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ALIGN        4096u
#define SECTOR_BYTES 512u
#define BOUNCE_BYTES (1u << 20)
#define TRIES        64 /* another thread may set the flag again meanwhile */

static unsigned refused; /* atomic */

bool fio_direct_set(int fd, bool direct)
{
    const int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

unsigned fio_direct_refused(void)
{
    return __atomic_load_n(&refused, __ATOMIC_RELAXED);
}

static int direct_open(void *ctx, const char *path, int flags, unsigned mode)
{
    const struct fio *below = fio_system();
    const int fd = below->open(below->ctx, path, flags, mode);

    (void)ctx;
    if (fd >= 0 && !fio_direct_set(fd, true))
        __atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
    return fd;
}

static int64_t transfer(int fd, uint8_t *buf, size_t bytes, uint64_t off_bytes, bool write)
{
    const ssize_t n = write ? pwrite(fd, buf, bytes, (off_t)off_bytes) : pread(fd, buf, bytes, (off_t)off_bytes);

    return n < 0 ? -errno : n;
}

/* From or to memory the kernel takes; as much as fits into it. */
static int64_t bounce(int fd, uint8_t *buf, size_t bytes, uint64_t off_bytes, bool write)
{
    const size_t most = MIN(bytes, BOUNCE_BYTES);
    uint8_t *whole = g_aligned_alloc(most / SECTOR_BYTES, SECTOR_BYTES, ALIGN);
    int64_t n;

    if (write)
        memcpy(whole, buf, most);
    n = transfer(fd, whole, most, off_bytes, write);
    if (!write && n > 0)
        memcpy(buf, whole, (size_t)n);
    g_aligned_free(whole);
    return n;
}

static int64_t cached(int fd, uint8_t *buf, size_t bytes, uint64_t off_bytes, bool write)
{
    int64_t n = -EINVAL;

    for (int i = 0; i < TRIES && n == -EINVAL; i++) {
        fio_direct_set(fd, false);
        n = transfer(fd, buf, bytes, off_bytes, write);
    }
    fio_direct_set(fd, true);
    return n;
}

static int64_t move(int fd, uint8_t *buf, size_t bytes, uint64_t off_bytes, bool write)
{
    int64_t n = transfer(fd, buf, bytes, off_bytes, write);

    if (n == -EINVAL && (off_bytes | bytes) % SECTOR_BYTES == 0 && (uintptr_t)buf % ALIGN)
        n = bounce(fd, buf, bytes, off_bytes, write);
    return n == -EINVAL ? cached(fd, buf, bytes, off_bytes, write) : n;
}

static int64_t direct_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    (void)ctx;
    return move(fd, buf, bytes, off_bytes, false);
}

static int64_t direct_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    (void)ctx;
    return move(fd, (uint8_t *)(uintptr_t)buf, bytes, off_bytes, true);
}

/* It always waits for the disk. */
static int64_t direct_preadv_now(void *ctx, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes)
{
    (void)ctx, (void)fd, (void)iov, (void)n, (void)off_bytes;
    return -EAGAIN;
}

const struct fio *fio_direct(void)
{
    static struct fio table;
    static gsize made;

    if (g_once_init_enter(&made)) {
        table = *fio_system();
        table.open = direct_open;
        table.pread = direct_pread;
        table.preadv_now = direct_preadv_now;
        table.pwrite = direct_pwrite;
        table.pwritev = NULL;
        g_once_init_leave(&made, 1);
    }
    return &table;
}
