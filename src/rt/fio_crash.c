/*
 * fio_crash.c - a file system in memory that can be found again as after a power cut.
 *
 * Model ("the worst file system"): a file's contents are what was last synced plus any subset of the 512-byte sectors
 * written since, and any subset of its size changes. Names are journalled: they survive as a prefix of the order they
 * were changed in, at least up to the last dir_sync; a file's own fsync does not make its name durable.
 * Left out: locks (always granted), permissions, holes (next_data says everything is data).
 * Invariant 1: replaying with seed 1 gives exactly the live contents.
 */
#include "rt/fio_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define SECTOR_BYTES 512
#define FD_BASE      1000 /* no mix-up with the kernel's descriptors */

struct pending {
    uint64_t off_bytes;
    GBytes *data; /* NULL = the size becomes off_bytes */
};

struct inode {
    unsigned refs;
    GByteArray *live, *durable;
    GArray *pending; /* struct pending, in order */
};

struct name_op {
    char *path;
    struct inode *inode; /* NULL = the name goes away */
};

struct fio_crash {
    struct fio io;
    GHashTable *names;         /* path -> struct inode, as the program sees it */
    GHashTable *durable_names; /* as the disk has it */
    GArray *name_ops;          /* struct name_op, since dir_sync */
    GPtrArray *handles;        /* fd - FD_BASE -> struct inode or NULL */
};

static void pending_clear(void *p)
{
    struct pending *op = p;

    g_clear_pointer(&op->data, g_bytes_unref);
}

static struct inode *inode_new(void)
{
    struct inode *n = g_new0(struct inode, 1);

    n->refs = 1;
    n->live = g_byte_array_new();
    n->durable = g_byte_array_new();
    n->pending = g_array_new(FALSE, FALSE, sizeof(struct pending));
    g_array_set_clear_func(n->pending, pending_clear);
    return n;
}

static struct inode *inode_ref(struct inode *n)
{
    n->refs++;
    return n;
}

static void inode_unref(void *p)
{
    struct inode *n = p;

    if (!n || --n->refs)
        return;
    g_byte_array_unref(n->live);
    g_byte_array_unref(n->durable);
    g_array_unref(n->pending);
    g_free(n);
}

static void resize(GByteArray *a, uint64_t size_bytes)
{
    guint old = a->len;

    g_byte_array_set_size(a, (guint)size_bytes);
    if (size_bytes > old)
        memset(a->data + old, 0, size_bytes - old);
}

static void put(GByteArray *a, uint64_t off_bytes, const uint8_t *p, size_t bytes)
{
    if (off_bytes + bytes > a->len)
        resize(a, off_bytes + bytes);
    memcpy(a->data + off_bytes, p, bytes);
}

static void name_op_clear(void *p)
{
    struct name_op *op = p;

    g_clear_pointer(&op->path, g_free);
    g_clear_pointer(&op->inode, inode_unref);
}

static void name_apply(GHashTable *names, const struct name_op *op)
{
    if (op->inode)
        g_hash_table_replace(names, g_strdup(op->path), inode_ref(op->inode));
    else
        g_hash_table_remove(names, op->path);
}

static void name_change(struct fio_crash *c, const char *path, struct inode *inode)
{
    struct name_op op = {g_strdup(path), inode ? inode_ref(inode) : NULL};

    name_apply(c->names, &op);
    g_array_append_val(c->name_ops, op);
}

static struct inode *handle(struct fio_crash *c, int fd)
{
    return fd >= FD_BASE && fd - FD_BASE < (int)c->handles->len ? c->handles->pdata[fd - FD_BASE] : NULL;
}

static int crash_open(void *ctx, const char *path, int flags, unsigned mode)
{
    struct fio_crash *c = ctx;
    struct inode *n = g_hash_table_lookup(c->names, path);

    (void)mode;
    if (n && (flags & O_EXCL))
        return -EEXIST;
    if (!n && !(flags & O_CREAT))
        return -ENOENT;
    if (!n) {
        n = inode_new();
        name_change(c, path, n);
        inode_unref(n);
    }
    g_ptr_array_add(c->handles, inode_ref(n));
    return FD_BASE + (int)c->handles->len - 1;
}

static int crash_close(void *ctx, int fd)
{
    struct fio_crash *c = ctx;

    if (!handle(c, fd))
        return -EBADF;
    inode_unref(c->handles->pdata[fd - FD_BASE]);
    c->handles->pdata[fd - FD_BASE] = NULL;
    return 0;
}

static int64_t crash_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    struct inode *n = handle(ctx, fd);

    if (!n)
        return -EBADF;
    if (off_bytes >= n->live->len)
        return 0;
    bytes = MIN(bytes, n->live->len - off_bytes);
    memcpy(buf, n->live->data + off_bytes, bytes);
    return (int64_t)bytes;
}

static int64_t crash_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    struct inode *n = handle(ctx, fd);
    struct pending op = {off_bytes, NULL};

    if (!n)
        return -EBADF;
    if (off_bytes + bytes > G_MAXINT32)
        return -EFBIG;
    put(n->live, off_bytes, buf, bytes);
    op.data = g_bytes_new(buf, bytes);
    g_array_append_val(n->pending, op);
    return (int64_t)bytes;
}

static int crash_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    struct inode *n = handle(ctx, fd);
    struct pending op = {size_bytes, NULL};

    if (!n)
        return -EBADF;
    if (size_bytes > G_MAXINT32)
        return -EFBIG;
    resize(n->live, size_bytes);
    g_array_append_val(n->pending, op);
    return 0;
}

static int crash_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
{
    struct inode *n = handle(ctx, fd);
    g_autofree uint8_t *zeros = NULL;

    if (!n)
        return -EBADF;
    if (!(mode & FALLOC_FL_PUNCH_HOLE))
        return off_bytes + bytes > n->live->len ? crash_ftruncate(ctx, fd, off_bytes + bytes) : 0;
    if (off_bytes >= n->live->len)
        return 0;
    bytes = MIN(bytes, n->live->len - off_bytes);
    zeros = g_malloc0(bytes);
    return crash_pwrite(ctx, fd, zeros, bytes, off_bytes) < 0 ? -EIO : 0;
}

static int crash_sync(void *ctx, int fd)
{
    struct inode *n = handle(ctx, fd);

    if (!n)
        return -EBADF;
    g_byte_array_set_size(n->durable, 0);
    g_byte_array_append(n->durable, n->live->data, n->live->len);
    g_array_set_size(n->pending, 0);
    return 0;
}

static int crash_rename(void *ctx, const char *from, const char *to)
{
    struct fio_crash *c = ctx;
    struct inode *n = g_hash_table_lookup(c->names, from);

    if (!n)
        return -ENOENT;
    if (g_hash_table_lookup(c->names, to) == n)
        return 0;
    inode_ref(n);
    name_change(c, to, n);
    name_change(c, from, NULL);
    inode_unref(n);
    return 0;
}

static int crash_link(void *ctx, const char *from, const char *to)
{
    struct fio_crash *c = ctx;
    struct inode *n = g_hash_table_lookup(c->names, from);

    if (!n)
        return -ENOENT;
    if (g_hash_table_contains(c->names, to))
        return -EEXIST;
    name_change(c, to, n);
    return 0;
}

static int crash_unlink(void *ctx, const char *path)
{
    struct fio_crash *c = ctx;

    if (!g_hash_table_contains(c->names, path))
        return -ENOENT;
    name_change(c, path, NULL);
    return 0;
}

static int crash_dir_sync(void *ctx, const char *dir)
{
    struct fio_crash *c = ctx;

    (void)dir; /* one directory is all there is */
    for (guint i = 0; i < c->name_ops->len; i++)
        name_apply(c->durable_names, &g_array_index(c->name_ops, struct name_op, i));
    g_array_set_size(c->name_ops, 0);
    return 0;
}

static int crash_lock(void *ctx, int fd, enum fio_lock kind)
{
    (void)kind;
    return handle(ctx, fd) ? 0 : -EBADF;
}

static int crash_stat(void *ctx, int fd, struct fio_stat *ret)
{
    struct inode *n = handle(ctx, fd);

    if (!n)
        return -EBADF;
    *ret = (struct fio_stat){.regular = true, .size_bytes = n->live->len, .used_bytes = n->live->len};
    return 0;
}

static int64_t crash_next_data(void *ctx, int fd, uint64_t off_bytes)
{
    struct inode *n = handle(ctx, fd);

    if (!n)
        return -EBADF;
    return off_bytes < n->live->len ? (int64_t)off_bytes : -ENXIO;
}

static int64_t crash_next_hole(void *ctx, int fd, uint64_t off_bytes)
{
    struct inode *n = handle(ctx, fd);

    if (!n)
        return -EBADF;
    return off_bytes < n->live->len ? (int64_t)n->live->len : -ENXIO;
}

static int64_t crash_room(void *ctx, int fd)
{
    return handle(ctx, fd) ? INT64_MAX : -EBADF;
}

struct fio_crash *fio_crash_new(void)
{
    struct fio_crash *c = g_new0(struct fio_crash, 1);

    c->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, inode_unref);
    c->durable_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, inode_unref);
    c->name_ops = g_array_new(FALSE, FALSE, sizeof(struct name_op));
    g_array_set_clear_func(c->name_ops, name_op_clear);
    c->handles = g_ptr_array_new_with_free_func(inode_unref);
    c->io = (struct fio){.ctx = c,
                         .open = crash_open,
                         .close = crash_close,
                         .pread = crash_pread,
                         .pwrite = crash_pwrite,
                         .ftruncate = crash_ftruncate,
                         .fallocate = crash_fallocate,
                         .fdatasync = crash_sync,
                         .fsync = crash_sync,
                         .rename = crash_rename,
                         .link = crash_link,
                         .unlink = crash_unlink,
                         .dir_sync = crash_dir_sync,
                         .lock = crash_lock,
                         .stat = crash_stat,
                         .next_data = crash_next_data,
                         .next_hole = crash_next_hole,
                         .room = crash_room};
    return c;
}

void fio_crash_free(struct fio_crash *c)
{
    if (!c)
        return;
    g_ptr_array_unref(c->handles);
    g_array_unref(c->name_ops);
    g_hash_table_unref(c->names);
    g_hash_table_unref(c->durable_names);
    g_free(c);
}

const struct fio *fio_crash_io(struct fio_crash *c)
{
    return &c->io;
}

/* xorshift64*: the same seed gives the same crash on every host. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Seed 0 loses, seed 1 keeps; otherwise a coin whose bias belongs to the seed, so some crashes lose little, some much.
 */
static bool survives(uint64_t seed, uint64_t *state)
{
    if (seed <= 1)
        return seed == 1;
    return (next_random(state) >> 32) % 8 < 1 + seed % 7;
}

static void replay_write(GByteArray *disk, const struct pending *op, uint64_t seed, uint64_t *state)
{
    size_t bytes = 0;
    const uint8_t *p = g_bytes_get_data(op->data, &bytes);

    for (size_t done = 0; done < bytes;) {
        uint64_t at = op->off_bytes + done;
        size_t n = MIN(bytes - done, SECTOR_BYTES - at % SECTOR_BYTES);

        if (survives(seed, state))
            put(disk, at, p + done, n);
        done += n;
    }
}

static struct inode *replay_inode(struct inode *from, uint64_t seed, uint64_t *state)
{
    struct inode *n = inode_new();

    g_byte_array_append(n->durable, from->durable->data, from->durable->len);
    for (guint i = 0; i < from->pending->len; i++) {
        const struct pending *op = &g_array_index(from->pending, struct pending, i);

        if (op->data)
            replay_write(n->durable, op, seed, state);
        else if (survives(seed, state))
            resize(n->durable, op->off_bytes);
    }
    g_byte_array_append(n->live, n->durable->data, n->durable->len);
    return n;
}

struct fio_crash *fio_crash_replay(const struct fio_crash *c, uint64_t seed)
{
    struct fio_crash *after = fio_crash_new();
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, inode_unref);
    g_autoptr(GHashTable) twins = g_hash_table_new_full(NULL, NULL, NULL, inode_unref); /* old inode -> new */
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    GHashTableIter it;
    void *path, *inode;

    g_hash_table_iter_init(&it, c->durable_names);
    while (g_hash_table_iter_next(&it, &path, &inode))
        g_hash_table_replace(names, g_strdup(path), inode_ref(inode));
    for (guint i = 0; i < c->name_ops->len && survives(seed, &state); i++)
        name_apply(names, &g_array_index(c->name_ops, struct name_op, i));

    g_hash_table_iter_init(&it, names);
    while (g_hash_table_iter_next(&it, &path, &inode)) {
        struct inode *twin = g_hash_table_lookup(twins, inode);

        if (!twin) {
            twin = replay_inode(inode, seed, &state);
            g_hash_table_insert(twins, inode, twin);
        }
        name_change(after, path, twin);
    }
    crash_dir_sync(after, "/");
    return after;
}

GBytes *fio_crash_bytes(const struct fio_crash *c, const char *path)
{
    struct inode *n = g_hash_table_lookup(c->names, path);

    return n ? g_bytes_new(n->live->data, n->live->len) : NULL;
}

size_t fio_crash_unsynced(const struct fio_crash *c, const char *path)
{
    struct inode *n = g_hash_table_lookup(c->names, path);

    return n ? n->pending->len : 0;
}
