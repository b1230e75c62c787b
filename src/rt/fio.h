/*
 * fio.h - durable file I/O: every byte that must survive a power cut goes through this table.
 *
 * A struct fio is one table of file operations. fio_system() is the kernel's; fio_shim.h has tables that fail call N,
 * and that forget what was not synced. Nothing else in the program writes a durable file.
 *
 * Several threads may pread at once. Table calls are raw: they return -errno, may be interrupted and may transfer less
 * than asked. The functions below them deal with that. A failed fdatasync or fsync means the data may be lost: it is
 * reported, never retried.
 */
#ifndef RT_FIO_H
#define RT_FIO_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct fio_stat {
    bool regular, block_device;
    uint64_t size_bytes;
    uint64_t used_bytes; /* allocated on the host */
};

/* What an open file may do while we have it; see fio_lock(). */
enum fio_lock { FIO_LOCK_SHARED, FIO_LOCK_EXCLUSIVE, FIO_LOCK_NONE };

struct fio {
    void *ctx;
    bool kernel; /* descriptors are the kernel's: whoever has one may read and write the file */
    int (*open)(void *ctx, const char *path, int flags, unsigned mode); /* fd or -errno */
    int (*close)(void *ctx, int fd);
    int64_t (*pread)(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes);
    /* -EAGAIN = not in memory. May be NULL: nothing ever waits. */
    int64_t (*preadv_now)(void *ctx, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes);
    int64_t (*pwrite)(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes);
    int64_t (*pwritev)(void *ctx, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes); /* may be NULL */
    int (*ftruncate)(void *ctx, int fd, uint64_t size_bytes);
    int (*fallocate)(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes);
    int (*fdatasync)(void *ctx, int fd);
    int (*fsync)(void *ctx, int fd);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*link)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*dir_sync)(void *ctx, const char *dir);
    int (*lock)(void *ctx, int fd, enum fio_lock kind); /* -EAGAIN = somebody else has it */
    int (*stat)(void *ctx, int fd, struct fio_stat *ret);
    int64_t (*next_data)(void *ctx, int fd, uint64_t off_bytes); /* SEEK_DATA; -ENXIO = only holes left */
    int64_t (*next_hole)(void *ctx, int fd, uint64_t off_bytes); /* SEEK_HOLE; the end of the file is one */
    int64_t (*room)(void *ctx, int fd);                          /* bytes the file's file system can still take */
    void (*hasten)(void *ctx, int fd, uint64_t off_bytes, uint64_t bytes); /* may be NULL */
};

/** fio_system() - the kernel's own calls. */
const struct fio *fio_system(void);

/* ---- whole transfers: 0 or a negative VERR_* ---- */

int fio_open(const struct fio *io, const char *path, int flags, unsigned mode, int *ret_fd);
/** fio_close() - also accepts fd < 0. */
void fio_close(const struct fio *io, int fd);
/** fio_read() - exactly @bytes; VERR_EOF when the file ends before that. */
int fio_read(const struct fio *io, int fd, void *buf, size_t bytes, uint64_t off_bytes);
/** fio_read_some() - as much as the file has; the rest of @buf is zeroed. */
int fio_read_some(const struct fio *io, int fd, void *buf, size_t bytes, uint64_t off_bytes);
/** fio_readv_now() - whole pieces of memory, @n <= FIO_PIECES of them, without waiting for the disk: VERR_TRY_AGAIN
 * when it would have to (then some bytes may have come). */
int fio_readv_now(const struct fio *io, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes);
int fio_write(const struct fio *io, int fd, const void *buf, size_t bytes, uint64_t off_bytes);
/** fio_writev() - the same of pieces of memory, @n <= FIO_PIECES of them. */
int fio_writev(const struct fio *io, int fd, const struct iovec *iov, unsigned n, uint64_t off_bytes);
#define FIO_PIECES 256u
/** fio_pieces_bytes() - how long all pieces are together. */
size_t fio_pieces_bytes(const struct iovec *iov, unsigned n);
/** fio_pieces_cut() - the pieces of [@off, @off + @bytes) of them, @n at most, into @to; returns how many. */
unsigned fio_pieces_cut(const struct iovec *iov, unsigned n, size_t off, size_t bytes, struct iovec *to);
int fio_truncate(const struct fio *io, int fd, uint64_t size_bytes);
/** fio_punch() - makes the range read zero and gives its space back; VERR_NOT_SUPPORTED where the host cannot. */
int fio_punch(const struct fio *io, int fd, uint64_t off_bytes, uint64_t bytes);
/** fio_sync() - everything written to @fd is on stable storage when this returns 0. */
int fio_sync(const struct fio *io, int fd);
/** fio_hasten() - the range should begin to go to stable storage now: a later sync has less to wait for. */
void fio_hasten(const struct fio *io, int fd, uint64_t off_bytes, uint64_t bytes);
int fio_stat(const struct fio *io, int fd, struct fio_stat *ret);

/**
 * fio_lock() - locks the open file for as long as it is open (OFD lock; dies with the process).
 *
 * SHARED goes together with other readers, EXCLUSIVE with nobody. The byte ranges of QEMU's image locking are taken
 * too, so qemu-img and qemu-io refuse an image in use and are refused in turn. VERR_SHARING_VIOLATION = taken.
 * NONE gives all of it back.
 */
int fio_lock(const struct fio *io, int fd, enum fio_lock kind);

/* ---- replacing a file ---- */

enum fio_replace_flags { FIO_KEEP_PREVIOUS = 1 /* the old file stays as <path>-prev */ };
/**
 * fio_atomic_replace() - @path holds the old bytes or the new ones at every instant, also over a power cut.
 *
 * On failure the old file is untouched. The new file has mode 0600.
 */
bool fio_atomic_replace(const struct fio *io, const char *path, const void *bytes, size_t size, unsigned flags,
                        GError **error);

/** fio_error() - sets @error to "<text>: <what the status means> (<VERR name>)" with the status as its code. */
void fio_error(GError **error, int status, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

#endif
