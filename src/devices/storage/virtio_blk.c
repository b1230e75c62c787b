/*
 * virtio_blk.c - a virtio block device: one disk.
 *
 * Source: VIRTIO 1.1 [V] 5.2. Transitional: modern registers and legacy ports. Several queues, all served in the order
 * of their bells; flush, discard, write zeroes, a write cache that can be turned off. Left out: topology, geometry
 * (both zero: the guest chooses), lifetime and secure erase. Locks: every callback, also the completions, runs under
 * the device lock. Invariant 1: a chain the device took is given back exactly once, with its status byte written.
 */
#include "devices/virtio/virtio_pci.h"

#include <string.h>

#define TRANSFERS    64u
#define SECTOR_BYTES 512u
#define HEADER_BYTES 16u
#define ID_BYTES     20u
#define RANGE_BYTES  16u
#define SEGMENTS_MAX (VIRTQ_SIZE_MAX - 2)
#define SECTORS_MAX  (1u << 22) /* of a discard: 2 GiB */

/* [V 5.2.3] */
#define F_SEG_MAX      (UINT64_C(1) << 2)
#define F_RO           (UINT64_C(1) << 5)
#define F_BLK_SIZE     (UINT64_C(1) << 6)
#define F_FLUSH        (UINT64_C(1) << 9)
#define F_CONFIG_WCE   (UINT64_C(1) << 11)
#define F_MQ           (UINT64_C(1) << 12)
#define F_DISCARD      (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)
/* [V 5.2.6] */
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
#define STATUS_LATER 0xff /* not one of them: the request is on its way */
#define WCE_OFF      32u

struct virtio_blk {
    struct virtio v; /* first */
    struct disk_pool pool;
    struct pdm_block *block;
    uint64_t sectors;
    bool write_cache;
    struct virtq_chain chain; /* the one being looked at */
};

struct request {
    uint32_t type;
    uint64_t sector;
};

/* ---- the end of a request ---- */

/* @in_bytes of data were written before the status byte, the last of the writable part. */
static void finish(struct pdm_dev *dev, unsigned queue, uint16_t head, const struct disk_run *status_at,
                   uint32_t in_bytes, uint8_t status)
{
    pdm_mem_write(dev, status_at->gpa, &status, 1); /* inv 1 */
    virtio_done(dev, queue, head, in_bytes + 1);
}

/* Where the status byte goes is kept as the transfer's list: it has no other. */
static void done(struct pdm_dev *dev, struct disk_io *io, int status)
{
    struct virtio_blk *s = pdm_state(dev);
    const struct disk_run at = {io->list_gpa, 1};
    const uint32_t in = io->op == PDM_BLOCK_READ && status == 0 ? (uint32_t)io->bytes : 0;

    if (status == DISK_PARKED)
        virtq_later(&s->v.queue[io->unit], (uint16_t)io->tag);
    else
        finish(dev, io->unit, (uint16_t)io->tag, &at, in, status ? S_IOERR : S_OK);
}

/* ---- requests: each returns a status, or STATUS_LATER ---- */

static uint8_t start(struct pdm_dev *dev, struct disk_io *io)
{
    struct virtio_blk *s = pdm_state(dev);

    io->done = done;
    return disk_io_start(dev, &s->pool, io, s->block) ? S_IOERR : STATUS_LATER;
}

static bool inside(const struct virtio_blk *s, uint64_t sector, uint64_t bytes)
{
    return sector <= s->sectors && bytes <= (s->sectors - sector) * SECTOR_BYTES;
}

static uint8_t refuse(struct virtio_blk *s, struct disk_io *io, uint8_t status)
{
    disk_io_put(&s->pool, io);
    return status;
}

static uint8_t read_write(struct pdm_dev *dev, const struct request *r, struct disk_io *io)
{
    struct virtio_blk *s = pdm_state(dev);
    const bool write = r->type == T_OUT;
    const uint64_t bytes = write ? s->chain.out_bytes - HEADER_BYTES : s->chain.in_bytes - 1;

    if (bytes % SECTOR_BYTES || !inside(s, r->sector, bytes) || (write && (!s->block || s->block->read_only)))
        return refuse(s, io, S_IOERR);
    if (bytes == 0)
        return refuse(s, io, S_OK);
    io->op = write ? PDM_BLOCK_WRITE : PDM_BLOCK_READ;
    io->offset_bytes = r->sector * SECTOR_BYTES;
    io->bytes = bytes;
    io->durable = write && !s->write_cache;
    virtq_slice(&s->chain, write, write ? HEADER_BYTES : 0, bytes, io);
    return start(dev, io);
}

static uint8_t flush(struct pdm_dev *dev, const struct request *r, struct disk_io *io)
{
    (void)r;
    io->op = PDM_BLOCK_FLUSH;
    return start(dev, io);
}

/* [V 5.2.6.2]: one range at a time is what the registers promise. */
static uint8_t range(struct pdm_dev *dev, const struct request *r, struct disk_io *io)
{
    struct virtio_blk *s = pdm_state(dev);
    uint8_t raw[RANGE_BYTES];
    uint64_t sector;
    uint32_t sectors, flags;

    if (s->chain.out_bytes != HEADER_BYTES + RANGE_BYTES)
        return refuse(s, io, S_UNSUPP);
    virtq_read(dev, &s->chain, HEADER_BYTES, raw, sizeof(raw));
    memcpy(&sector, raw, 8);
    memcpy(&sectors, raw + 8, 4);
    memcpy(&flags, raw + 12, 4);
    if ((flags & ~1u) || (r->type == T_DISCARD && flags))
        return refuse(s, io, S_UNSUPP);
    if (!s->block || s->block->read_only || sectors > SECTORS_MAX ||
        !inside(s, sector, (uint64_t)sectors * SECTOR_BYTES))
        return refuse(s, io, S_IOERR);
    if (sectors == 0)
        return refuse(s, io, S_OK);
    io->op = r->type == T_DISCARD ? PDM_BLOCK_DISCARD : PDM_BLOCK_WRITE;
    io->zeros = true;
    io->durable = r->type == T_WRITE_ZEROES && !s->write_cache;
    io->offset_bytes = sector * SECTOR_BYTES;
    io->bytes = (uint64_t)sectors * SECTOR_BYTES;
    return start(dev, io);
}

static uint8_t get_id(struct pdm_dev *dev, const struct request *r, struct disk_io *io)
{
    struct virtio_blk *s = pdm_state(dev);
    char id[ID_BYTES + 1] = {0};

    (void)r;
    if (s->chain.in_bytes < ID_BYTES + 1)
        return refuse(s, io, S_IOERR);
    g_strlcpy(id, s->block && *s->block->serial ? s->block->serial : "VB00000000-00000001", sizeof(id));
    virtq_write(dev, &s->chain, 0, id, ID_BYTES);
    return refuse(s, io, S_OK);
}

static const struct {
    uint32_t type;
    uint64_t needs; /* features */
    uint8_t (*run)(struct pdm_dev *dev, const struct request *r, struct disk_io *io);
} rows[] = {{T_IN, 0, read_write}, {T_OUT, 0, read_write},        {T_FLUSH, 0, flush},
            {T_GET_ID, 0, get_id}, {T_DISCARD, F_DISCARD, range}, {T_WRITE_ZEROES, F_WRITE_ZEROES, range}};

/* The last byte of the writable part; false = there is none, and no way to answer. */
static bool status_place(const struct virtq_chain *c, struct disk_run *ret)
{
    const struct disk_run *r = c->run + c->out_count;

    for (unsigned i = c->in_count; i-- > 0;)
        if (r[i].bytes) {
            *ret = (struct disk_run){r[i].gpa + r[i].bytes - 1, 1};
            return true;
        }
    return false;
}

static void begin(struct pdm_dev *dev, unsigned queue, struct disk_io *io)
{
    struct virtio_blk *s = pdm_state(dev);
    struct disk_run at;
    uint8_t header[HEADER_BYTES], status = S_UNSUPP;
    struct request r;
    bool found = false;

    if (!status_place(&s->chain, &at) || virtq_read(dev, &s->chain, 0, header, sizeof(header)) < sizeof(header)) {
        disk_io_put(&s->pool, io);
        virtio_broken(dev, "a block request has no header or no status");
        return;
    }
    memcpy(&r.type, header, 4);
    memcpy(&r.sector, header + 8, 8);
    io->unit = queue;
    io->tag = s->chain.head;
    io->list_gpa = at.gpa;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows) && !found; i++)
        if (rows[i].type == r.type && (s->v.offered & rows[i].needs) == rows[i].needs) {
            found = true;
            status = rows[i].run(dev, &r, io);
        }
    if (!found)
        disk_io_put(&s->pool, io);
    if (status != STATUS_LATER)
        finish(dev, queue, s->chain.head, &at, r.type == T_GET_ID && status == S_OK ? ID_BYTES : 0, status);
}

static void work(struct pdm_dev *dev, unsigned queue)
{
    struct virtio_blk *s = pdm_state(dev);

    for (unsigned n = 0; n < VIRTQ_SIZE_MAX; n++) { /* no more than the queue can hold at once */
        struct disk_io *io = disk_io_get(&s->pool);

        if (!io)
            return;
        if (!virtio_next(dev, queue, &s->chain)) {
            disk_io_put(&s->pool, io);
            return;
        }
        begin(dev, queue, io);
    }
}

/* ---- registers ---- */

/* [V 5.2.4] */
static void config(struct pdm_dev *dev, uint8_t c[VIRTIO_CONFIG_MAX])
{
    const struct virtio_blk *s = pdm_state(dev);
    const uint32_t segments = SEGMENTS_MAX, sector = SECTOR_BYTES, most = SECTORS_MAX, one = 1;
    const uint16_t queues = (uint16_t)s->v.queues;

    memcpy(c, &s->sectors, 8);
    memcpy(c + 12, &segments, 4);
    memcpy(c + 20, &sector, 4);
    c[WCE_OFF] = s->write_cache;
    memcpy(c + 34, &queues, 2);
    memcpy(c + 36, &most, 4); /* discard: sectors, segments, alignment */
    memcpy(c + 40, &one, 4);
    memcpy(c + 44, &one, 4);
    memcpy(c + 48, &most, 4); /* write zeroes */
    memcpy(c + 52, &one, 4);
}

static void config_written(struct pdm_dev *dev, unsigned off, uint8_t val)
{
    struct virtio_blk *s = pdm_state(dev);

    if (off == WCE_OFF && virtio_has(&s->v, F_CONFIG_WCE))
        s->write_cache = val & 1;
}

static void reset_requests(struct pdm_dev *dev)
{
    struct virtio_blk *s = pdm_state(dev);

    disk_pool_drop(&s->pool, DISK_ALL);
    s->write_cache = true;
}

static const struct virtio_ops ops = {
    .work = work, .reset = reset_requests, .config = config, .config_written = config_written};

/* ---- life ---- */

static void connect(struct pdm_dev *dev)
{
    struct virtio_blk *s = pdm_state(dev);

    s->block = pdm_lun_block(dev, 0);
    s->sectors = s->block ? s->block->size_bytes / SECTOR_BYTES : 0;
}

static void blk_media_changed(struct pdm_dev *dev, unsigned lun)
{
    struct virtio_blk *s = pdm_state(dev);

    if (lun)
        return;
    disk_pool_drop(&s->pool, DISK_ALL);
    for (unsigned i = 0; i < s->v.queues; i++)
        virtq_forget(&s->v.queue[i]);
    connect(dev);
    virtio_config_changed(dev); /* the capacity */
    virtio_work_all(dev);
}

static bool blk_construct(struct pdm_dev *dev, GError **error)
{
    struct virtio_blk *s = pdm_state(dev);

    connect(dev);
    disk_pool_init(dev, &s->pool, TRANSFERS, virtio_work_all);
    s->v.ops = &ops;
    s->v.type = 2;
    s->v.legacy = true;
    s->v.class_base = 0x01;
    s->v.class_sub = 0x00;
    s->v.slot = 23;
    s->v.queues = (unsigned)pdm_cfg_u64(dev, "Queues");
    s->v.config_bytes = 60;
    s->v.offered = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_CONFIG_WCE | F_WRITE_ZEROES | (s->v.queues > 1 ? F_MQ : 0) |
                   (s->block && s->block->read_only ? F_RO : 0) | (s->block && s->block->discard ? F_DISCARD : 0);
    return virtio_pci_construct(dev, error);
}

static void blk_destruct(struct pdm_dev *dev)
{
    disk_pool_fini(&((struct virtio_blk *)pdm_state(dev))->pool);
}

static void blk_suspend(struct pdm_dev *dev)
{
    disk_pool_suspend(&((struct virtio_blk *)pdm_state(dev))->pool);
}

static void blk_resume(struct pdm_dev *dev)
{
    disk_pool_resume(&((struct virtio_blk *)pdm_state(dev))->pool);
    virtio_work_all(dev);
}

static bool blk_busy(struct pdm_dev *dev)
{
    return disk_pool_busy(&((struct virtio_blk *)pdm_state(dev))->pool);
}

static const struct ssm_field blk_fields[] = {
    SSM_STRUCT(struct virtio_blk, v, virtio_fields),
    SSM_BOOL(struct virtio_blk, write_cache),
    SSM_END,
};

static bool blk_check(void *state)
{
    struct virtio_blk *s = state;

    disk_pool_drop(&s->pool, DISK_ALL);
    return virtio_check(&s->v);
}

static const struct ssm_desc blk_state = {.version = 1, .oldest = 1, .fields = blk_fields, .check = blk_check};

static const struct pdm_cfg_key blk_config[] = {
    {.name = "Queues", .type = PDM_CFG_U64, .min = 1, .max = VIRTIO_QUEUES_MAX, .def = 4}, PDM_CFG_END};

const struct pdm_devreg virtio_blk_device = {
    .name = "virtio-blk",
    .desc = "virtio block device",
    .max_instances = 8,
    .state_size = sizeof(struct virtio_blk),
    .config = blk_config,
    .state = &blk_state,
    .construct = blk_construct,
    .destruct = blk_destruct,
    .reset = virtio_pci_reset,
    .drive = virtio_pci_drive,
    .suspend = blk_suspend,
    .resume = blk_resume,
    .busy = blk_busy,
    .media_changed = blk_media_changed,
};
