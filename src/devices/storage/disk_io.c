/*
 * disk_io.c - transfers between media and guest memory: see disk_io.h.
 *
 * The buffer is a copy by design: what the guest changes while a request is on its way can harm nobody, and what
 * watches guest memory (caches of translated code) sees every store.
 */
#include "devices/storage/disk_io.h"

#include <string.h>

#define NO_MEDIUM (-1) /* any failure: controllers tell apart only 0 and not 0 */

void disk_pool_init(struct pdm_dev *dev, struct disk_pool *p, unsigned count, void (*pump)(struct pdm_dev *dev))
{
    *p = (struct disk_pool){.ios = g_new0(struct disk_io, count), .count = count, .pump = pump};
    for (unsigned i = 0; i < count; i++)
        p->ios[i].buf = g_malloc(DISK_IO_STEP); /* pages the host gives only when touched */
    pdm_stat(dev, &p->bytes_read, "ReadBytes", "bytes");
    pdm_stat(dev, &p->bytes_written, "WrittenBytes", "bytes");
    pdm_stat(dev, &p->flushes, "Flushes", "times");
}

void disk_pool_fini(struct disk_pool *p)
{
    for (unsigned i = 0; i < p->count; i++)
        g_free(p->ios[i].buf);
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
        io->started = io->dropped = io->narrow = false;
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

size_t disk_io_move(struct pdm_dev *dev, struct disk_io *io, void *buf, size_t bytes, bool to_guest)
{
    size_t done = 0;

    while (done < bytes) {
        struct disk_run *r;
        size_t n;

        if (io->run == io->run_count) {
            io->run = io->run_count = 0;
            if (io->more)
                io->more(dev, io);
            if (io->run_count == 0)
                break;
        }
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
    if (op == PDM_BLOCK_READ && !io->quiet && disk_io_move(dev, io, io->buf, io->step_bytes, true) < io->step_bytes)
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
