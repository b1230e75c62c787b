/* buslogic.c - BusLogic, with mailboxes of 32 bits; its commands have 10 bytes here, so WRITE (10) alone. */
#include "guest.h"

#include "devices/storage/pci_buslogic_test.c"

static struct bench bench;

static struct rig *begin(struct rig_media **ret_medium)
{
    bench = bench_new(false);
    run(&bench, 0, 0, ready, 3, 0); /* takes the unit attention */
    *ret_medium = bench.m;
    return bench.r;
}

static bool over(void)
{
    uint8_t code;

    rig_mem_read(bench.r, BOX_GPA + (BOXES + bench.in) * 8 + 7, &code, 1);
    return code != 0;
}

static bool io(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    uint8_t cdb[DURABLE_CDB_BYTES];
    const uint32_t bytes = durable_cdb(bench.r, BUF_GPA, c, sector, sectors, cdb);

    return run(&bench, 0, 0, cdb, bytes ? 2 : 3, bytes) == 0x010000;
}

const struct durable_guest durable_buslogic = {
    .name = "buslogic",
    .data_gpa = BUF_GPA,
    .begin = begin,
    .over = over,
    .commands = {{"WRITE (10)", DURABLE_WRITES, 0x2a, 0, io},
                 {"WRITE (10) FUA", DURABLE_WRITES | DURABLE_SYNCS, 0x2a, 8, io},
                 {"SYNCHRONIZE CACHE (10)", DURABLE_SYNCS, 0x35, 0, io},
                 {"MODE SELECT WCE 0", DURABLE_SYNCS | DURABLE_CACHE_OFF, 0x15, 0, io},
                 {"MODE SELECT WCE 1", DURABLE_CACHE_ON, 0x15, 4, io}},
};
