/* ide.c - IDE: FLUSH CACHE (EXT), WRITE DMA FUA EXT, and SET FEATURES 82h, which turns the write cache off. */
#include "guest.h"

#include "devices/storage/pci_ide_test.c"

static struct bench bench;

static struct rig *begin(struct rig_media **ret_medium)
{
    bench = bench_new(0);
    *ret_medium = bench.m;
    return bench.r;
}

static bool over(void)
{
    return !(in(&bench, CTL) & BSY);
}

static bool ended_well(void)
{
    return !(settle(&bench) & ERR);
}

static bool transfer(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    bool well;

    put_prd(&bench, 0, DATA_GPA, sectors * 512, true);
    rig_out(bench.r, BM + 4, PRD_GPA, 4);
    if (c->code == 0xca)
        command28(&bench, (uint8_t)c->code, sector, sectors);
    else
        command48(&bench, (uint8_t)c->code, sector, sectors);
    out(&bench, BM, 0x01);
    well = ended_well();
    out(&bench, BM, 0);
    return well;
}

static bool no_data(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    (void)sector;
    (void)sectors;
    out(&bench, CMD + 1, c->flags);
    command28(&bench, (uint8_t)c->code, 0, 0);
    return ended_well();
}

const struct durable_guest durable_ide = {
    .name = "ide",
    .data_gpa = DATA_GPA,
    .begin = begin,
    .over = over,
    .commands = {{"WRITE DMA", DURABLE_WRITES, 0xca, 0, transfer},
                 {"WRITE DMA EXT", DURABLE_WRITES, 0x35, 0, transfer},
                 {"WRITE DMA FUA EXT", DURABLE_WRITES | DURABLE_SYNCS, 0x3d, 0, transfer},
                 {"FLUSH CACHE", DURABLE_SYNCS, 0xe7, 0, no_data},
                 {"FLUSH CACHE EXT", DURABLE_SYNCS, 0xea, 0, no_data},
                 {"SET FEATURES 82h", DURABLE_SYNCS | DURABLE_CACHE_OFF, 0xef, 0x82, no_data},
                 {"SET FEATURES 02h", DURABLE_CACHE_ON, 0xef, 0x02, no_data}},
};
