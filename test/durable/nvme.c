/* nvme.c - NVMe: Flush, Write with FUA, and Set Features: Volatile Write Cache. */
#include "guest.h"

#include "devices/storage/pci_nvme_test.c"

static struct bench bench;

static struct rig *begin(struct rig_media **ret_medium)
{
    bench = bench_new();
    enable(&bench);
    *ret_medium = bench.m;
    return bench.r;
}

/* 4.6: the phase tag of the next entry, of either queue. */
static bool over(void)
{
    for (unsigned q = 0; q < 2; q++) {
        uint32_t e[4];

        rig_mem_read(bench.r, CQ_GPA(q) + 16u * bench.head[q], e, sizeof(e));
        if ((e[3] >> 16 & 1) == bench.phase[q])
            return true;
    }
    return false;
}

static bool io(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    struct command command = {.opcode = (uint8_t)c->code, .nsid = 1};
    uint64_t list[8];

    if (c->effects & DURABLE_WRITES) {
        for (unsigned i = 0; i < G_N_ELEMENTS(list); i++)
            list[i] = BUF_GPA + 4096 * (i + 1);
        rig_mem_write(bench.r, LIST_GPA, list, sizeof(list));
        command.prp1 = BUF_GPA;
        command.prp2 = sectors > 16 ? LIST_GPA : BUF_GPA + 4096;
        command.d10 = sector;
        command.d12 = (sectors - 1) | c->flags << 30;
    }
    return run(&bench, 1, &command) == 0;
}

static bool cache(const struct durable_command *c, unsigned sector, unsigned sectors)
{
    const struct command command = {.opcode = 0x09, .d10 = 6, .d11 = c->flags};

    (void)sector;
    (void)sectors;
    return run(&bench, 0, &command) == 0;
}

const struct durable_guest durable_nvme = {
    .name = "nvme",
    .data_gpa = BUF_GPA,
    .begin = begin,
    .over = over,
    .commands = {{"Write", DURABLE_WRITES, 0x01, 0, io},
                 {"Write FUA", DURABLE_WRITES | DURABLE_SYNCS, 0x01, 1, io},
                 {"Flush", DURABLE_SYNCS, 0x00, 0, io},
                 {"Volatile Write Cache off", DURABLE_CACHE_OFF, 0, 0, cache},
                 {"Volatile Write Cache on", DURABLE_CACHE_ON, 0, 1, cache}},
};
