/* fio_memory.c - see fio_memory.h. */
#include "rt/fio_memory.h"

#include <errno.h>
#include <string.h>

#define THE_FILE  3 /* the descriptor */
#define BYTES_MAX (UINT64_C(1) << 31)

static int memory_open(void *ctx, const char *path, int flags, unsigned mode)
{
    (void)ctx, (void)path, (void)flags, (void)mode;
    return THE_FILE;
}

static int nothing_fd(void *ctx, int fd)
{
    (void)ctx, (void)fd;
    return 0;
}

static int nothing_name(void *ctx, const char *name)
{
    (void)ctx, (void)name;
    return 0;
}

static int nothing_names(void *ctx, const char *from, const char *to)
{
    (void)ctx, (void)from, (void)to;
    return 0;
}

static int nothing_lock(void *ctx, int fd, enum fio_lock kind)
{
    (void)ctx, (void)fd, (void)kind;
    return 0;
}

static int64_t memory_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    const struct fio_memory *m = ctx;
    const size_t n = off_bytes < m->size ? MIN(bytes, m->size - off_bytes) : 0;

    (void)fd;
    if (n != 0)
        memcpy(buf, m->data + off_bytes, n);
    return (int64_t)n;
}

static int memory_truncate(void *ctx, int fd, uint64_t size_bytes)
{
    struct fio_memory *m = ctx;

    (void)fd;
    if (size_bytes > BYTES_MAX)
        return -EFBIG;
    if (size_bytes > m->room) {
        const size_t room = MAX(size_bytes, m->room + m->room / 2);
        uint8_t *more = g_try_realloc(m->data, room);

        if (!more)
            return -ENOMEM;
        m->data = more;
        m->room = room;
    }
    if (size_bytes > m->size)
        memset(m->data + m->size, 0, size_bytes - m->size);
    m->size = size_bytes;
    return 0;
}

static int64_t memory_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    struct fio_memory *m = ctx;

    if (off_bytes > BYTES_MAX || bytes > BYTES_MAX - off_bytes)
        return -EFBIG;
    const int rc = off_bytes + bytes > m->size ? memory_truncate(ctx, fd, off_bytes + bytes) : 0;
    if (rc != 0)
        return rc;
    if (bytes != 0)
        memcpy(m->data + off_bytes, buf, bytes);
    return (int64_t)bytes;
}

static int memory_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
{
    (void)ctx, (void)fd, (void)mode, (void)off_bytes, (void)bytes;
    return -EOPNOTSUPP;
}

static int memory_stat(void *ctx, int fd, struct fio_stat *ret)
{
    const struct fio_memory *m = ctx;

    (void)fd;
    *ret = (struct fio_stat){.regular = true, .size_bytes = m->size, .used_bytes = m->size};
    return 0;
}

static int64_t memory_next_data(void *ctx, int fd, uint64_t off_bytes)
{
    const struct fio_memory *m = ctx;

    (void)fd;
    return off_bytes < m->size ? (int64_t)off_bytes : -ENXIO;
}

static int64_t memory_next_hole(void *ctx, int fd, uint64_t off_bytes)
{
    const struct fio_memory *m = ctx;

    (void)fd;
    return off_bytes < m->size ? (int64_t)m->size : -ENXIO;
}

static int64_t memory_room(void *ctx, int fd)
{
    (void)ctx, (void)fd;
    return (int64_t)BYTES_MAX;
}

void fio_memory_init(struct fio_memory *m, const void *bytes, size_t size)
{
    *m = (struct fio_memory){.io = {.ctx = m,
                                    .open = memory_open,
                                    .close = nothing_fd,
                                    .pread = memory_pread,
                                    .pwrite = memory_pwrite,
                                    .ftruncate = memory_truncate,
                                    .fallocate = memory_fallocate,
                                    .fdatasync = nothing_fd,
                                    .fsync = nothing_fd,
                                    .rename = nothing_names,
                                    .link = nothing_names,
                                    .unlink = nothing_name,
                                    .dir_sync = nothing_name,
                                    .lock = nothing_lock,
                                    .stat = memory_stat,
                                    .next_data = memory_next_data,
                                    .next_hole = memory_next_hole,
                                    .room = memory_room}};
    if (size != 0)
        *m = (struct fio_memory){.io = m->io, .data = g_memdup2(bytes, size), .size = size, .room = size};
}

GBytes *fio_memory_fini(struct fio_memory *m)
{
    const size_t size = m->size;

    m->size = m->room = 0;
    return g_bytes_new_take(g_steal_pointer(&m->data), size);
}
