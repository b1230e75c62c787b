/*
 * aio.h - reads and writes of files that go on while their caller does something else, many at once.
 *
 *     struct aio *aio = aio_new(AIO_BEST);
 *     op = (struct aio_op){.fd = fd, .buf = buf, .bytes = n, .off_bytes = at, .done = done, .ctx = me};
 *     aio_start(aio, &op);                  // done(&op) comes on a thread of aio's, perhaps before this returns
 *
 * The kernel's ring (io_uring) does them without a thread each; where there is none, or it is forbidden, as in many
 * containers, threads do. A ring is made before the process confines itself and can read and write open files, no more:
 * it is restricted to that by the kernel for good, so it is no way round a system call filter.
 *
 * Writes are worth it only past the host's cache (fio_direct.h): into it pwrite copies at once, and a ring would hand
 * that over to a kernel thread first.
 * Threads: aio_start() from any; it may wait while AIO_DEPTH are under way. done() itself starts none.
 * Invariant 1: done() is called exactly once per start, and none comes after aio_free() returned.
 */
#ifndef RT_AIO_H
#define RT_AIO_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "rt/fio.h"

#define AIO_DEPTH 64u

enum aio_kind { AIO_BEST, AIO_RING, AIO_THREADS };

struct aio_op {
    const struct fio *io; /* does again what the kernel did not do whole; NULL: fio_system() */
    int fd;
    bool write;
    void *buf;
    size_t bytes;
    uint64_t off_bytes;
    int status; /* in done(): 0 or a negative VERR_*; read behind the file's end: zeros */
    void (*done)(struct aio_op *op);
    void *ctx; /* the caller's */
};

struct aio;
/** aio_new() - AIO_RING: NULL when the kernel does not give one; the others always succeed. */
struct aio *aio_new(enum aio_kind kind);
/** aio_free() - waits for what is under way. NULL is fine. */
void aio_free(struct aio *aio);
/** aio_kind_of() - AIO_RING or AIO_THREADS. */
enum aio_kind aio_kind_of(const struct aio *aio);
void aio_start(struct aio *aio, struct aio_op *op);

#endif
