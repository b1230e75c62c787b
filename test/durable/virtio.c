/* virtio.c - virtio-blk: FLUSH and the writeback field; virtio-scsi. */
#include "guest.h"

#include "devices/storage/virtio_test.c"

#define FLUSH_AND_WCE (1u << 9 | 1u << 11) /* VIRTIO_BLK_F_FLUSH, _CONFIG_WCE */

static struct bench bench;
static unsigned queue;

static bool over(void)
{
    uint16_t index;

    rig_mem_read(bench.r, QUEUE_GPA(queue) + 0x2002, &index, 2);
    return index != bench.used[queue];
}

static struct rig *blk_begin(struct rig_media **ret_medium)
{
    bench = blk_new();
    queue = 0;
    init(&bench, FLUSH_AND_WCE, 1);
    *ret_medium = bench.m;
    return bench.r;
}

static bool blk_io(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    return request(&bench, c->code, sector, c->effects & DURABLE_WRITES ? sectors * 512 : 0, false) == 0;
}

static bool writeback(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    (void)sector;
    (void)sectors;
    put(&bench, 0x2000 + 32, c->flags, 1);
    return get(&bench, 0x2000 + 32, 1) == c->flags;
}

const struct durable_guest durable_virtio_blk = {
    .name = "virtio-blk",
    .data_gpa = BUF_GPA,
    .begin = blk_begin,
    .over = over,
    .commands = {{"OUT", DURABLE_WRITES, 1, 0, blk_io},
                 {"FLUSH", DURABLE_SYNCS, 4, 0, blk_io},
                 {"writeback 0", DURABLE_CACHE_OFF, 0, 0, writeback},
                 {"writeback 1", DURABLE_CACHE_ON, 0, 1, writeback}},
};

static struct rig *scsi_begin(struct rig_media **ret_medium)
{
    struct rig_media *disc;

    bench = scsi_new(&disc);
    queue = 2;
    command(&bench, 0, ready, 6, 0, false); /* takes the unit attention */
    *ret_medium = bench.m;
    return bench.r;
}

static bool scsi_io(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    uint8_t cdb[DURABLE_CDB_BYTES];
    const uint32_t bytes = durable_cdb(bench.r, BUF_GPA, c, sector, sectors, cdb);
    const struct answer a = command(&bench, 0, cdb, sizeof(cdb), bytes, false);

    return a.status == 0 && a.response == 0;
}

const struct durable_guest durable_virtio_scsi = {
    .name = "virtio-scsi",
    .data_gpa = BUF_GPA,
    .begin = scsi_begin,
    .over = over,
    .commands = {DURABLE_SCSI_COMMANDS(scsi_io)},
};
