/* scsi_bus_int.h - between scsi_bus.c (tasks, units) and scsi_cd.c (DVD drives). */
#ifndef DEVICES_STORAGE_SCSI_BUS_INT_H
#define DEVICES_STORAGE_SCSI_BUS_INT_H

#include "devices/storage/scsi_bus.h"

/** The task is done: reports it and frees it. */
void scsi_task_end(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t);

struct scsi_drive *scsi_cd_drives(unsigned units);
void scsi_cd_new(struct scsi_bus *bus, unsigned unit);
void scsi_cd_free(struct scsi_bus *bus);
void scsi_cd_reset(struct scsi_bus *bus, unsigned unit);
void scsi_cd_connect(struct scsi_bus *bus, unsigned unit, bool changed);
void scsi_cd_loaded(struct scsi_bus *bus, unsigned unit);
bool scsi_cd_busy(const struct scsi_bus *bus);
void scsi_cd_run(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t);
/** The drive forgets the task, which is running or waiting. */
void scsi_cd_drop(struct scsi_bus *bus, struct scsi_task *t);

#endif
