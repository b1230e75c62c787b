/*
 * durable.h - a controller as durable_test.c sees it: commands of a guest's driver that write, and that make durable.
 *
 * One file per controller, on top of the driver that the controller's own test has.
 */
#ifndef TEST_DURABLE_DURABLE_H
#define TEST_DURABLE_DURABLE_H

#include "vmm/pdm/rig.h"

enum durable_effect {
    DURABLE_WRITES = 1,    /* what lies at data_gpa, to the sectors */
    DURABLE_SYNCS = 2,     /* when it ended well, all writes that ended before it are on stable storage, and its own */
    DURABLE_CACHE_OFF = 4, /* if it ends well: from now on every write is as if it had DURABLE_SYNCS */
    DURABLE_CACHE_ON = 8,
};

struct durable_command {
    const char *name;
    unsigned effects, code, flags; /* the last two are the controller's */
    /** Carries it out; true = the guest is told that it ended well. */
    bool (*run)(const struct durable_command *c, unsigned sector, unsigned sectors);
};

#define DURABLE_COMMANDS 10u
struct durable_guest {
    const char *name;
    uint64_t data_gpa;
    /** The machine, with a disk whose write cache is on. */
    struct rig *(*begin)(struct rig_media **ret_medium);
    bool (*over)(void);    /* the guest can see that the last command is over */
    void (*recover)(void); /* after an error; NULL: nothing to do */
    struct durable_command commands[DURABLE_COMMANDS];
};

extern const struct durable_guest durable_ide, durable_ahci, durable_nvme, durable_virtio_blk, durable_virtio_scsi,
    durable_lsilogic, durable_lsisas, durable_buslogic;

/* SCSI, for three of them: WRITE 10/12/16 (with FUA: flags 8), SYNCHRONIZE CACHE 10/16, MODE SELECT of the caching
 * page. */
#define DURABLE_CDB_BYTES 16u
#define DURABLE_SCSI_COMMANDS(run)                                                                                     \
    {"WRITE (10)", DURABLE_WRITES, 0x2a, 0, run}, {"WRITE (12)", DURABLE_WRITES, 0xaa, 0, run},                        \
        {"WRITE (16)", DURABLE_WRITES, 0x8a, 0, run},                                                                  \
        {"WRITE (10) FUA", DURABLE_WRITES | DURABLE_SYNCS, 0x2a, 8, run},                                              \
        {"WRITE (16) FUA", DURABLE_WRITES | DURABLE_SYNCS, 0x8a, 8, run},                                              \
        {"SYNCHRONIZE CACHE (10)", DURABLE_SYNCS, 0x35, 0, run},                                                       \
        {"SYNCHRONIZE CACHE (16)", DURABLE_SYNCS, 0x91, 0, run},                                                       \
        {"MODE SELECT WCE 0", DURABLE_SYNCS | DURABLE_CACHE_OFF, 0x15, 0, run},                                        \
        {"MODE SELECT WCE 1", DURABLE_CACHE_ON, 0x15, 4, run},
/** durable_cdb() - the command block; returns the bytes that go out, and puts those of MODE SELECT at @data_gpa. */
uint32_t durable_cdb(struct rig *r, uint64_t data_gpa, const struct durable_command *c, unsigned sector,
                     unsigned sectors, uint8_t ret_cdb[DURABLE_CDB_BYTES]);

#endif
