/*
 * optical.c - see optical.h.
 *
 * A request for sectors becomes READ(10) commands; the size is what the drive said last, and is only a hint: discs come
 * and go, and the drive knows. Nothing is ever written but by packets.
 *
 * Source: MMC-3 6.12 (PREVENT ALLOW), 6.17 (READ(10)), 6.21 (READ CAPACITY).
 * Invariant 1: requests end in the order they came.
 */
#include "drivers/block/optical.h"

#include <string.h>

#include "rt/fio.h"
#include "rt/status.h"

#define SECTOR_BYTES 2048u
#define SECTORS_EACH 32u

struct optical {
    struct pdm_block block;
    struct optical_io io;
    GThread *thread;
    GAsyncQueue *queue; /* struct pdm_block_req; &end: no more */
    void (*complete)(void *ctx, struct pdm_block_req *req);
    void *ctx;
    bool locked; /* by the guest */
};

static struct pdm_block_req end;

static uint32_t be32_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32_at(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The sectors of one READ(10). */
static int read_some(struct optical *o, uint32_t lba, uint32_t sectors, uint8_t *buf, struct pdm_block_packet *p)
{
    *p = (struct pdm_block_packet){.cdb = {0x28}};
    put_be32_at(p->cdb + 2, lba);
    p->cdb[8] = (uint8_t)sectors;
    int rc = o->io.command(o->io.ctx, p, buf, (size_t)sectors * SECTOR_BYTES);
    return rc == 0 && p->moved < (size_t)sectors * SECTOR_BYTES ? VERR_READ_ERROR : rc;
}

static int read_sectors(struct optical *o, const struct pdm_block_req *req)
{
    struct pdm_block_packet own, *p = req->packet ? req->packet : &own;
    uint64_t lba = req->offset_bytes / SECTOR_BYTES;
    size_t left = req->bytes / SECTOR_BYTES;
    uint8_t *buf = req->buf;
    int rc = 0;

    if (req->offset_bytes % SECTOR_BYTES || req->bytes % SECTOR_BYTES || lba + left > UINT32_MAX)
        return VERR_OUT_OF_RANGE;
    while (rc == 0 && left > 0) {
        const uint32_t n = (uint32_t)MIN(left, SECTORS_EACH);

        rc = read_some(o, (uint32_t)lba, n, buf, p);
        lba += n;
        left -= n;
        buf += (size_t)n * SECTOR_BYTES;
    }
    return rc;
}

static int run(struct optical *o, struct pdm_block_req *req)
{
    int rc;

    switch (req->op) {
    case PDM_BLOCK_READ: return read_sectors(o, req);
    case PDM_BLOCK_FLUSH: return 0;
    case PDM_BLOCK_PACKET:
        rc = o->io.command(o->io.ctx, req->packet, req->buf, req->bytes);
        if (rc == 0 && req->packet->cdb[0] == 0x1e)
            o->locked = req->packet->cdb[4] & 1;
        return rc;
    default: return VERR_WRITE_PROTECT;
    }
}

static gpointer work(gpointer user)
{
    struct optical *o = user;
    struct pdm_block_req *req;

    while ((req = g_async_queue_pop(o->queue)) != &end) {
        req->status = run(o, req);
        if (o->complete)
            o->complete(o->ctx, req);
        else
            pdm_block_done(&o->block, req);
    }
    return NULL;
}

static void submit(struct pdm_block *b, struct pdm_block_req *req)
{
    g_async_queue_push(((struct optical *)b->drv)->queue, req);
}

static uint64_t size_of(struct optical *o)
{
    struct pdm_block_packet p = {.cdb = {0x25}};
    uint8_t raw[8] = {0};

    if (o->io.command(o->io.ctx, &p, raw, sizeof(raw)) != 0 || p.moved < sizeof(raw))
        return 0; /* no disc */
    return ((uint64_t)be32_at(raw) + 1) * SECTOR_BYTES;
}

/* A CD or DVD drive answers INQUIRY, disc or not. */
static bool is_optical(const struct optical_io *io, const char *name, GError **error)
{
    struct pdm_block_packet p = {.cdb = {0x12, 0, 0, 0, 36}};
    uint8_t raw[36] = {0};
    const int rc = io->command(io->ctx, &p, raw, sizeof(raw));

    if (rc != 0) {
        fio_error(error, rc, "The host drive '%s' does not answer", name);
        return false;
    }
    if ((raw[0] & 0x1f) == 5)
        return true;
    g_set_error(error, STATUS_ERROR, VERR_NOT_SUPPORTED, "The host drive '%s' is not a CD or DVD drive", name);
    return false;
}

struct optical *optical_new(const struct optical_io *io, const char *name, enum pdm_packets packets, GError **error)
{
    struct optical *o;

    if (!is_optical(io, name, error)) {
        io->close(io->ctx);
        return NULL;
    }
    o = g_new0(struct optical, 1);
    o->io = *io;
    o->queue = g_async_queue_new();
    o->block = (struct pdm_block){.drv = o,
                                  .size_bytes = size_of(o),
                                  .sector_bytes = SECTOR_BYTES,
                                  .read_only = true,
                                  .removable = true,
                                  .packets = packets,
                                  .submit = submit};
    o->thread = g_thread_new("optical", work, o);
    return o;
}

struct pdm_block *optical_block(struct optical *o)
{
    return &o->block;
}

void optical_complete(struct optical *o, void (*complete)(void *ctx, struct pdm_block_req *req), void *ctx)
{
    o->complete = complete;
    o->ctx = ctx;
}

void optical_free(struct optical *o)
{
    struct pdm_block_packet unlock = {.cdb = {0x1e}};

    if (!o)
        return;
    g_async_queue_push(o->queue, &end);
    g_thread_join(o->thread);
    if (o->locked)
        o->io.command(o->io.ctx, &unlock, NULL, 0);
    o->io.close(o->io.ctx);
    g_async_queue_unref(o->queue);
    g_free(o);
}
