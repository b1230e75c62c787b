/*
 * scsi_bus.h - SCSI units behind a host adapter: commands go in as tasks, each comes back once through done().
 *
 *     struct scsi_task *t = scsi_task_get(bus);   // NULL: come back from pump()
 *     memcpy(t->cmd.cdb, ...); t->unit = ...; disk_io_run(t->io, ...); t->data_bytes = ...; t->to_guest = ...
 *     scsi_task_run(dev, bus, t);                 // done() now or later, then the task is free again
 *
 * Letters say what is on the ports (the adapter's Drives key): H hard disk, h one that may come and go, D DVD drive, -
 * nothing; without any, what hangs on the LUNs decides. Each unit has LUN 0 only.
 * Suspending as with disk_io.h: done() with parked set; the adapter runs the command anew after resuming or loading.
 * Locks: all under the device's lock.
 * Invariant 1: done() is called exactly once per task that was run and not dropped.
 * Invariant 2: a DVD drive has one task at a time, the others wait in order.
 */
#ifndef DEVICES_STORAGE_SCSI_BUS_H
#define DEVICES_STORAGE_SCSI_BUS_H

#include "devices/storage/disk_io.h"
#include "devices/storage/scsi.h"

#define SCSI_TASKS 64u

struct scsi_task {
    /* the adapter's, zeroed by get */
    unsigned unit, lun;
    bool to_guest;
    uint64_t data_bytes; /* of the memory in io's runs */
    uint64_t tag, where; /* what it likes */
    unsigned queue;
    struct disk_io *io;
    struct scsi_cmd cmd;
    /* the answer, besides cmd.status and cmd.sense */
    uint64_t moved;
    bool overrun; /* the command had more data than the memory; what was moved is not the whole */
    bool parked;
    bool nobody; /* no such unit */
    bool used;
    struct scsi_bus *bus;
    struct scsi_task *next; /* of a DVD drive's queue */
};

struct scsi_drive; /* what a DVD drive needs besides its unit */

struct scsi_bus {
    struct scsi_unit *unit;
    struct scsi_drive *drive;
    unsigned units;
    struct scsi_task *task;
    struct disk_pool pool;
    void (*done)(struct pdm_dev *dev, struct scsi_task *t);
};

struct scsi_bus_ops {
    void (*done)(struct pdm_dev *dev, struct scsi_task *t);
    void (*pump)(struct pdm_dev *dev);
};

/** scsi_bus_init() - bus->unit has @units elements, which are the adapter's; @letters may be empty. */
bool scsi_bus_init(struct pdm_dev *dev, struct scsi_bus *bus, unsigned units, const char *letters,
                   const struct scsi_bus_ops *ops, GError **error);
void scsi_bus_fini(struct scsi_bus *bus);
void scsi_bus_reset(struct pdm_dev *dev, struct scsi_bus *bus);
void scsi_bus_suspend(struct scsi_bus *bus);
void scsi_bus_resume(struct scsi_bus *bus);
bool scsi_bus_busy(const struct scsi_bus *bus);
/** scsi_bus_loaded() - the units' fields came from a saved state; from the device's check(). */
void scsi_bus_loaded(struct scsi_bus *bus);
enum scsi_change { SCSI_SAME, SCSI_CAME, SCSI_WENT, SCSI_OTHER_MEDIUM };
enum scsi_change scsi_bus_media_changed(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit);

struct scsi_task *scsi_task_get(struct scsi_bus *bus);
void scsi_task_put(struct scsi_bus *bus, struct scsi_task *t);
void scsi_task_run(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t);
/** scsi_task_drop() - forgets a task that was run: no done(), and its memory is not touched any more. */
void scsi_task_drop(struct scsi_bus *bus, struct scsi_task *t);
/** scsi_bus_drop() - forgets the tasks of @unit (DISK_ALL: all); task management and resets. */
void scsi_bus_drop(struct scsi_bus *bus, unsigned unit);

#endif
