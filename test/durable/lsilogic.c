/* lsilogic.c - LSI Logic, SCSI and SAS. */
#include "guest.h"

#include "devices/storage/pci_lsilogic_test.c"

static struct bench bench;

static struct rig *begin_with(const struct pdm_devreg *reg, struct rig_media **ret_medium)
{
    bench = bench_of(reg);
    command(&bench, 0, ready, 6, 0, 0); /* takes the unit attention */
    *ret_medium = bench.m;
    return bench.r;
}

static struct rig *scsi_begin(struct rig_media **ret_medium)
{
    return begin_with(&pci_lsilogic_device, ret_medium);
}

static struct rig *sas_begin(struct rig_media **ret_medium)
{
    return begin_with(&pci_lsisas_device, ret_medium);
}

static bool over(void)
{
    return get(&bench, STATUS) & 8;
}

static bool io(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    uint8_t cdb[DURABLE_CDB_BYTES];
    const uint32_t bytes = durable_cdb(bench.r, BUF_GPA, c, sector, sectors, cdb);

    return command(&bench, 0, cdb, sizeof(cdb), bytes ? 1 : 0, bytes) == 0;
}

const struct durable_guest durable_lsilogic = {
    .name = "lsilogic",
    .data_gpa = BUF_GPA,
    .begin = scsi_begin,
    .over = over,
    .commands = {DURABLE_SCSI_COMMANDS(io)},
};

const struct durable_guest durable_lsisas = {
    .name = "lsilogic-sas",
    .data_gpa = BUF_GPA,
    .begin = sas_begin,
    .over = over,
    .commands = {DURABLE_SCSI_COMMANDS(io)},
};
