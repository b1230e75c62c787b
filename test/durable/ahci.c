/* ahci.c - AHCI: the commands of IDE, and queued writes with and without FUA. */
#include "durable.h"

#include "devices/storage/ahci_bench.h"

static struct bench bench;

static struct rig *begin(struct rig_media **ret_medium)
{
    bench = bench_new();
    *ret_medium = bench.disk;
    return bench.r;
}

static bool over(void)
{
    return !bench_pget(&bench, 0, PX_CI) && !bench_pget(&bench, 0, PX_SACT);
}

static void recover(void)
{
    bench_restart(&bench, 0);
}

static bool one_by_one(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    const bool data = c->effects & DURABLE_WRITES;
    uint8_t fis[20];

    bench_ata_fis(fis, (uint8_t)c->code, data ? sector : 0, data ? sectors : 0);
    fis[3] = (uint8_t)c->flags; /* features */
    return !(bench_run(&bench, 0, fis, data ? 0x40 : 0, data ? sectors * 512 : 0) & IS_TFE);
}

static bool queued(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    uint8_t fis[20];
    bool well;

    bench_queued_fis(fis, (uint8_t)c->code, sector, sectors, 5);
    fis[7] |= (uint8_t)c->flags;
    bench_put_command(&bench, 0, 5, fis, 0x40, sectors * 512, DATA_GPA);
    bench_pset(&bench, 0, PX_SACT, 1u << 5);
    bench_pset(&bench, 0, PX_CI, 1u << 5);
    for (unsigned i = 0; i < 200 && !over() && !(bench_pget(&bench, 0, PX_IS) & IS_TFE); i++)
        rig_step_ns(bench.r, 1000);
    well = !(bench_pget(&bench, 0, PX_IS) & IS_TFE);
    g_assert_true(!well || over());
    bench_pset(&bench, 0, PX_IS, UINT32_MAX);
    return well;
}

const struct durable_guest durable_ahci = {
    .name = "ahci",
    .data_gpa = DATA_GPA,
    .begin = begin,
    .over = over,
    .recover = recover,
    .commands = {{"WRITE DMA EXT", DURABLE_WRITES, 0x35, 0, one_by_one},
                 {"WRITE DMA FUA EXT", DURABLE_WRITES | DURABLE_SYNCS, 0x3d, 0, one_by_one},
                 {"WRITE FPDMA QUEUED", DURABLE_WRITES, 0x61, 0, queued},
                 {"WRITE FPDMA QUEUED FUA", DURABLE_WRITES | DURABLE_SYNCS, 0x61, 0x80, queued},
                 {"FLUSH CACHE", DURABLE_SYNCS, 0xe7, 0, one_by_one},
                 {"FLUSH CACHE EXT", DURABLE_SYNCS, 0xea, 0, one_by_one},
                 {"SET FEATURES 82h", DURABLE_SYNCS | DURABLE_CACHE_OFF, 0xef, 0x82, one_by_one},
                 {"SET FEATURES 02h", DURABLE_CACHE_ON, 0xef, 0x02, one_by_one}},
};
