/*
 * disk_io.c - transfers between media and guest memory: see disk_io.h.
 *
 * A step the driver can do at once moves straight between the file and guest memory. One that takes its time goes
 * through the transfer's buffer: the guest may reset the controller meanwhile and use its memory for something else.
 */
#include "devices/storage/disk_io.h"

#include <string.h>

#define HOST_PAGE 4096 /* what transfers past the host's cache ask for */
#define NO_MEDIUM (-1) /* any failure: controllers tell apart only 0 and not 0 */

void disk_pool_init(struct pdm_dev *dev, struct disk_pool *p, unsigned count, void (*pump)(struct pdm_dev *dev))
{
    *p = (struct disk_pool){.ios = g_new0(struct disk_io, count), .count = count, .pump = pump};
    for (unsigned i = 0; i < count; i++)
        p->ios[i].buf = g_aligned_alloc(1, DISK_IO_STEP, HOST_PAGE); /* pages the host gives only when touched */
    pdm_stat(dev, &p->bytes_read, "ReadBytes", "bytes");
    pdm_stat(dev, &p->bytes_written, "WrittenBytes", "bytes");
    pdm_stat(dev, &p->flushes, "Flushes", "times");
}

void disk_pool_fini(struct disk_pool *p)
{
    for (unsigned i = 0; i < p->count; i++)
        g_aligned_free(p->ios[i].buf);
    g_free(p->ios);
    *p = (struct disk_pool){};
}

void disk_pool_suspend(struct disk_pool *p)
{
    p->suspended = true;
}

void disk_pool_resume(struct disk_pool *p)
{
    p->suspended = false;
}

bool disk_pool_busy(const struct disk_pool *p)
{
    return p->in_use > 0;
}

void disk_pool_drop(struct disk_pool *p, unsigned unit)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->ios[i].used && (unit == DISK_ALL || p->ios[i].unit == unit))
            p->ios[i].dropped = true;
}

/* The lowest free one: its buffer is the likeliest to be in the host's cache. */
struct disk_io *disk_io_get(struct disk_pool *p)
{
    if (p->suspended || p->in_use == p->count)
        return NULL;
    for (unsigned i = 0; i < p->count; i++) {
        struct disk_io *io = &p->ios[i];

        if (io->used)
            continue;
        memset(io, 0, offsetof(struct disk_io, runs));
        io->run_count = io->run = io->run_off = 0;
        io->started = io->dropped = io->narrow = io->direct = false;
        io->pool = p;
        io->used = true;
        p->in_use++;
        return io;
    }
    return NULL;
}

void disk_io_put(struct disk_pool *p, struct disk_io *io)
{
    io->used = false;
    p->in_use--;
}

bool disk_io_run(struct disk_io *io, uint64_t gpa, uint32_t bytes)
{
    if (io->run_count == DISK_IO_RUNS)
        return false;
    io->runs[io->run_count++] = (struct disk_run){gpa, bytes};
    return true;
}

/* ---- bytes ---- */

static void copy(struct pdm_dev *dev, uint64_t gpa, void *buf, size_t bytes, bool to_guest)
{
    if (to_guest)
        pdm_mem_write(dev, gpa, buf, bytes);
    else
        pdm_mem_read(dev, gpa, buf, bytes);
}

size_t disk_runs_copy(struct pdm_dev *dev, const struct disk_run *runs, unsigned count, uint64_t off, void *buf,
                      size_t bytes, bool to_guest)
{
    size_t done = 0;

    for (unsigned i = 0; i < count && done < bytes; i++) {
        size_t n;

        if (off >= runs[i].bytes) {
            off -= runs[i].bytes;
            continue;
        }
        n = MIN(bytes - done, runs[i].bytes - off);
        copy(dev, runs[i].gpa + off, (uint8_t *)buf + done, n, to_guest);
        done += n;
        off = 0;
    }
    return done;
}

void disk_io_trim(struct disk_io *io, uint64_t bytes)
{
    while (bytes && io->run < io->run_count) {
        const uint64_t n = MIN(bytes, io->runs[io->run].bytes - io->run_off);

        io->run_off += (uint32_t)n;
        bytes -= n;
        if (io->run_off == io->runs[io->run].bytes) {
            io->run++;
            io->run_off = 0;
        }
    }
}

/* Whether there is a run to use. */
static bool refill(struct pdm_dev *dev, struct disk_io *io)
{
    if (io->run == io->run_count) {
        io->run = io->run_count = 0;
        if (io->more)
            io->more(dev, io);
    }
    return io->run_count > 0;
}

size_t disk_io_move(struct pdm_dev *dev, struct disk_io *io, void *buf, size_t bytes, bool to_guest)
{
    size_t done = 0;

    while (done < bytes) {
        struct disk_run *r;
        size_t n;

        if (!refill(dev, io))
            break;
        r = &io->runs[io->run];
        n = MIN(bytes - done, r->bytes - io->run_off);
        copy(dev, r->gpa + io->run_off, (uint8_t *)buf + done, n, to_guest);
        done += n;
        io->run_off += (uint32_t)n;
        if (io->run_off == r->bytes) {
            io->run++;
            io->run_off = 0;
        }
    }
    return done;
}

/* ---- straight to and from guest memory ---- */

struct pieces {
    struct iovec iov[PDM_BLOCK_PIECES];
    unsigned n;
    size_t bytes;
};

/* Adds guest memory to the list as far as it is RAM; false = it ends here. */
static bool gather(struct pdm_dev *dev, struct pieces *p, uint64_t gpa, size_t bytes, bool to_guest)
{
    while (bytes) {
        struct iovec *last = p->iov + p->n - 1;
        void *hva;
        const size_t n = pdm_mem_direct(dev, gpa, bytes, to_guest, &hva);

        if (n && p->n && (uint8_t *)last->iov_base + last->iov_len == hva)
            last->iov_len += n;
        else if (n && p->n < PDM_BLOCK_PIECES)
            p->iov[p->n++] = (struct iovec){hva, n};
        else
            return false;
        p->bytes += n;
        gpa += n;
        bytes -= n;
    }
    return true;
}

/* The memory of the runs at hand, @most bytes of it. */
static void gather_runs(struct pdm_dev *dev, const struct disk_io *io, size_t most, struct pieces *ret)
{
    uint32_t off = io->run_off;

    ret->n = 0;
    ret->bytes = 0;
    for (unsigned i = io->run; i < io->run_count && ret->bytes < most; i++, off = 0) {
        const size_t n = MIN(most - ret->bytes, io->runs[i].bytes - off);

        if (!gather(dev, ret, io->runs[i].gpa + off, n, io->op == PDM_BLOCK_READ))
            break;
    }
}

/* Tells whoever watches guest memory that the next @bytes of the runs were stored to. */
static void stored(struct pdm_dev *dev, const struct disk_io *io, size_t bytes)
{
    uint32_t off = io->run_off;

    for (unsigned i = io->run; i < io->run_count && bytes; i++, off = 0) {
        const size_t n = MIN(bytes, io->runs[i].bytes - off);

        pdm_mem_stored(dev, io->runs[i].gpa + off, n);
        bytes -= n;
    }
}

/*
 * The next step without a copy, if the driver can do it now; false = nothing happened, but to the memory of a read.
 * Less than a step of the buffer's is not worth it, but at the end: a list that is too short is found there (inv 2).
 */
static bool step_direct(struct pdm_dev *dev, struct disk_io *io)
{
    const size_t left = (size_t)MIN(io->bytes - io->moved, DISK_IO_DIRECT);
    const bool plain = !io->quiet && !io->zeros && !io->narrow && io->block->now;
    struct pieces p;
    bool done;

    if (!plain || !refill(dev, io))
        return false;
    gather_runs(dev, io, left, &p);
    if (p.bytes < left) {
        const size_t odd = p.bytes % io->block->sector_bytes;

        if (p.bytes < DISK_IO_STEP || odd >= p.iov[p.n - 1].iov_len)
            return false;
        p.iov[p.n - 1].iov_len -= odd;
        p.bytes -= odd;
    }
    io->req = (struct pdm_block_req){
        .op = io->op, .offset_bytes = io->offset_bytes + io->moved, .bytes = p.bytes, .iov = p.iov, .iov_count = p.n};
    done = pdm_block_now(io->block, &io->req);
    io->req.iov = NULL;
    if (io->op == PDM_BLOCK_READ)
        stored(dev, io, p.bytes);
    if (done) {
        disk_io_trim(io, p.bytes);
        io->step_bytes = p.bytes;
    }
    return done;
}

/* ---- steps ---- */

static void answered(struct pdm_dev *dev, struct pdm_block_req *req);

/* True = carried out already. */
static bool submit(struct disk_io *io, enum pdm_block_op op, uint64_t offset_bytes, size_t bytes)
{
    io->req = (struct pdm_block_req){
        .op = op, .offset_bytes = offset_bytes, .buf = io->buf, .bytes = bytes, .done = answered, .user = io};
    return pdm_block_start(io->block, &io->req);
}

#define STEP_DONE     101 /* carried out already */
#define DISK_ALL_DONE 100

/* The next step of a transfer that has bytes to go: 0 = it is with the driver, STEP_DONE, or why there is none. */
static int step(struct pdm_dev *dev, struct disk_io *io)
{
    io->direct = step_direct(dev, io);
    if (io->direct)
        return STEP_DONE;
    io->step_bytes = (size_t)MIN(io->bytes - io->moved, io->narrow ? io->block->sector_bytes : DISK_IO_STEP);
    if (io->op == PDM_BLOCK_WRITE && io->zeros)
        memset(io->buf, 0, io->step_bytes);
    else if (io->op == PDM_BLOCK_WRITE && disk_io_move(dev, io, io->buf, io->step_bytes, false) < io->step_bytes)
        return DISK_SHORT; /* inv 2 */
    return submit(io, io->op, io->offset_bytes + io->moved, io->step_bytes) ? STEP_DONE : 0;
}

/* What follows a step: as step() says of the next one; DISK_ALL_DONE, or why the transfer ends. */
static int follow(struct pdm_dev *dev, struct disk_io *io)
{
    const enum pdm_block_op op = io->req.op;
    struct disk_pool *p = io->pool;

    if (io->req.status && op == PDM_BLOCK_READ && io->step_bytes > io->block->sector_bytes && !io->dropped &&
        !p->suspended) {
        io->narrow = true;
        return step(dev, io);
    }
    if (io->req.status)
        return io->req.status;
    if (op == PDM_BLOCK_FLUSH || op == PDM_BLOCK_DISCARD)
        return DISK_ALL_DONE;
    if (io->dropped)
        return DISK_PARKED;
    if (op == PDM_BLOCK_READ && !io->quiet && !io->direct &&
        disk_io_move(dev, io, io->buf, io->step_bytes, true) < io->step_bytes)
        return DISK_SHORT;
    io->moved += io->step_bytes;
    p->bytes_read += op == PDM_BLOCK_READ ? io->step_bytes : 0;
    p->bytes_written += op == PDM_BLOCK_WRITE ? io->step_bytes : 0;
    if (io->moved == io->bytes && !io->durable)
        return DISK_ALL_DONE;
    if (p->suspended)
        return DISK_PARKED;
    if (io->moved < io->bytes)
        return step(dev, io);
    p->flushes++;
    return submit(io, PDM_BLOCK_FLUSH, 0, 0) ? STEP_DONE : 0;
}

/* After a step: 0 = the next one is with the driver; DISK_ALL_DONE, or why the transfer ends. */
static int advance(struct pdm_dev *dev, struct disk_io *io)
{
    int status = STEP_DONE;

    while (status == STEP_DONE)
        status = follow(dev, io);
    return status;
}

static void finish(struct pdm_dev *dev, struct disk_io *io, int status)
{
    if (!io->dropped)
        io->done(dev, io, status == DISK_ALL_DONE ? 0 : status); /* inv 1 */
    disk_io_put(io->pool, io);
}

static void answered(struct pdm_dev *dev, struct pdm_block_req *req)
{
    struct disk_io *io = req->user;
    struct disk_pool *p = io->pool;
    const int status = advance(dev, io);

    if (status == 0)
        return;
    finish(dev, io, status);
    p->pump(dev);
}

int disk_io_start(struct pdm_dev *dev, struct disk_pool *p, struct disk_io *io, struct pdm_block *block)
{
    int status = block ? 0 : NO_MEDIUM;

    io->block = block;
    io->started = true;
    if (status == 0 && (io->op == PDM_BLOCK_READ || io->op == PDM_BLOCK_WRITE)) {
        status = step(dev, io);
    } else if (status == 0) {
        p->flushes += io->op == PDM_BLOCK_FLUSH;
        status = submit(io, io->op, io->offset_bytes, io->bytes) ? STEP_DONE : 0;
    }
    if (status == STEP_DONE) {
        status = advance(dev, io);
        if (status)
            finish(dev, io, status);
        return 0;
    }
    if (status)
        disk_io_put(p, io);
    return status;
}

/* ---- for chips ---- */

void disk_mem_read(void *dev, uint64_t gpa, void *buf, size_t bytes)
{
    pdm_mem_read(dev, gpa, buf, bytes);
}

void disk_mem_write(void *dev, uint64_t gpa, const void *buf, size_t bytes)
{
    pdm_mem_write(dev, gpa, buf, bytes);
}

void disk_guest_error(void *dev, const char *what)
{
    pdm_guest_error(dev, "%s", what);
}
