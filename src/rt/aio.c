/*
 * aio.c - see aio.h.
 *
 * Source: io_uring(7), io_uring_register(2) "restrictions". One thread waits for the ring's answers. What the ring
 * did not do whole (the end of the file, a signal, an error) is done again the plain way, which finds out why.
 * Locks: lock guards the submission side and the count.
 */
#include "rt/aio.h"

#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rt/fio.h"

#define THREADS 8

struct aio {
    GThreadPool *pool; /* NULL: there is a ring */
    struct io_uring ring;
    GThread *reaper;
    GMutex lock;
    GCond changed;
    unsigned under_way;
};

static void plain(struct aio_op *op)
{
    const struct fio *io = op->io ? op->io : fio_system();

    op->status = op->write ? fio_write(io, op->fd, op->buf, op->bytes, op->off_bytes)
                           : fio_read_some(io, op->fd, op->buf, op->bytes, op->off_bytes);
}

static void end(struct aio *aio, struct aio_op *op)
{
    op->done(op);
    g_mutex_lock(&aio->lock);
    aio->under_way--; /* after done(): inv 1 */
    g_cond_broadcast(&aio->changed);
    g_mutex_unlock(&aio->lock);
}

static void pool_work(gpointer data, gpointer user)
{
    plain(data);
    end(user, data);
}

/* ---- the ring ---- */

/* Answers until the one that is nobody's: aio_free()'s. */
static gpointer reap(gpointer user)
{
    struct aio *aio = user;

    for (;;) {
        struct io_uring_cqe *cqe;
        struct aio_op *op;
        int n;

        if (io_uring_wait_cqe(&aio->ring, &cqe) < 0)
            continue; /* a signal */
        op = io_uring_cqe_get_data(cqe);
        n = cqe->res;
        io_uring_cqe_seen(&aio->ring, cqe);
        if (!op)
            return NULL;
        op->status = 0;
        if (n < 0 || (size_t)n < op->bytes)
            plain(op);
        end(aio, op);
    }
}

/* By system call: Debian 12's liburing has both calls in its header, but not in its library. */
static bool restrict_ring(const struct io_uring *ring)
{
    struct io_uring_restriction only[] = {{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ},
                                          {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE},
                                          {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP}};

    return syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, only, G_N_ELEMENTS(only)) == 0 &&
           syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0;
}

static bool open_ring(struct aio *aio)
{
    if (io_uring_queue_init(AIO_DEPTH, &aio->ring, IORING_SETUP_R_DISABLED) < 0)
        return false;
    if (restrict_ring(&aio->ring)) {
        aio->reaper = g_thread_try_new("aio", reap, aio, NULL);
        if (aio->reaper)
            return true;
    }
    io_uring_queue_exit(&aio->ring);
    return false;
}

/* Lock held. There are at most AIO_DEPTH, so there is an entry; NULL: the reaper's end. */
static void put(struct aio *aio, struct aio_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&aio->ring);

    if (op && op->write)
        io_uring_prep_write(sqe, op->fd, op->buf, (unsigned)op->bytes, op->off_bytes);
    else if (op)
        io_uring_prep_read(sqe, op->fd, op->buf, (unsigned)op->bytes, op->off_bytes);
    else
        io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, op);
    while (io_uring_submit(&aio->ring) < 1)
        g_usleep(100); /* a signal, or the kernel is short of memory: io_uring_enter(2) knows no lasting refusal here */
}

/* ---- life ---- */

struct aio *aio_new(enum aio_kind kind)
{
    struct aio *aio = g_new0(struct aio, 1);

    g_mutex_init(&aio->lock);
    g_cond_init(&aio->changed);
    if (kind == AIO_THREADS || !open_ring(aio)) {
        if (kind == AIO_RING) {
            g_mutex_clear(&aio->lock);
            g_cond_clear(&aio->changed);
            g_free(aio);
            return NULL;
        }
        aio->pool = g_thread_pool_new(pool_work, aio, THREADS, FALSE, NULL);
    }
    return aio;
}

void aio_free(struct aio *aio)
{
    if (!aio)
        return;
    g_mutex_lock(&aio->lock);
    while (aio->under_way)
        g_cond_wait(&aio->changed, &aio->lock);
    if (!aio->pool)
        put(aio, NULL);
    g_mutex_unlock(&aio->lock);
    if (aio->pool) {
        g_thread_pool_free(aio->pool, FALSE, TRUE);
    } else {
        g_thread_join(aio->reaper);
        io_uring_queue_exit(&aio->ring);
    }
    g_mutex_clear(&aio->lock);
    g_cond_clear(&aio->changed);
    g_free(aio);
}

enum aio_kind aio_kind_of(const struct aio *aio)
{
    return aio->pool ? AIO_THREADS : AIO_RING;
}

void aio_start(struct aio *aio, struct aio_op *op)
{
    g_mutex_lock(&aio->lock);
    while (aio->under_way == AIO_DEPTH)
        g_cond_wait(&aio->changed, &aio->lock);
    aio->under_way++;
    if (aio->pool)
        g_thread_pool_push(aio->pool, op, NULL);
    else
        put(aio, op);
    g_mutex_unlock(&aio->lock);
}
