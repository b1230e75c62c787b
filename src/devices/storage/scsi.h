/*
 * scsi.h - SCSI disks as command sets: a command block in, what is to be done with data and medium out.
 *
 * A unit knows no bus, no host, no clock. Its owner (scsi_bus.c) gives it a command and does what it says:
 *
 *   scsi_disk_start() --> SCSI_DONE       status and sense say how it ended
 *                     |-> SCSI_REPLY      reply[0 .. reply_bytes) goes to the initiator, then it is done
 *                     |-> SCSI_PARAMS     params_bytes come from the initiator, then scsi_disk_params()
 *                     `-> SCSI_TRANSFER   op, offset, bytes for the medium, then scsi_disk_moved()
 *
 * Invariant 1: a transfer lies inside the medium, and a write comes only when it may be written.
 * Invariant 2: reply_bytes <= SCSI_REPLY_BYTES, cleared before it is filled; params_bytes <= SCSI_PARAMS_BYTES.
 */
#ifndef DEVICES_STORAGE_SCSI_H
#define DEVICES_STORAGE_SCSI_H

#include "devices/storage/ata.h"
#include "vmm/pdm/ifs.h"

#define SCSI_CDB_BYTES    32u
#define SCSI_REPLY_BYTES  512u
#define SCSI_PARAMS_BYTES 4096u
#define SCSI_SENSE_BYTES  18u
#define SCSI_SECTOR_BYTES 512u

/* SAM-3, 5.3.1 */
enum scsi_status {
    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
    SCSI_BUSY = 0x08,
    SCSI_TASK_SET_FULL = 0x28,
};
enum scsi_next { SCSI_DONE, SCSI_REPLY, SCSI_PARAMS, SCSI_TRANSFER };
enum scsi_kind { SCSI_NONE, SCSI_DISK, SCSI_CD };

struct scsi_unit {
    /* wiring, not saved */
    enum scsi_kind kind;
    struct pdm_block *block;
    bool hotplug;
    uint64_t sectors; /* of 512 bytes */
    char serial[32], product[17];
    uint8_t wwn[8];
    struct ata *cd; /* a CD drive: the packet commands are atapi.c's */

    /* what the guest has made of it */
    struct ata_sense sense, attention; /* attention: key 0 = none */
    bool write_cache, locked, tray_open, media_event, stopped;
};

struct scsi_cmd {
    uint8_t cdb[SCSI_CDB_BYTES];
    /* the answer */
    uint8_t status; /* enum scsi_status */
    struct ata_sense sense;
    uint8_t reply[SCSI_REPLY_BYTES];
    uint32_t reply_bytes, params_bytes;
    /* for the medium */
    enum pdm_block_op op;
    uint64_t offset_bytes, bytes;
    bool durable, quiet, zeros;
    /* ranges of UNMAP still to come */
    uint8_t params[SCSI_PARAMS_BYTES];
    uint32_t range, range_end;
};

extern const struct ssm_field scsi_unit_fields[];

void scsi_unit_reset(struct scsi_unit *u);
enum scsi_next scsi_disk_start(struct scsi_unit *u, struct scsi_cmd *c);
/** scsi_disk_params() - params[0 .. @bytes) came; @bytes may be less than was wanted. */
enum scsi_next scsi_disk_params(struct scsi_unit *u, struct scsi_cmd *c, uint32_t bytes);
/** scsi_disk_moved() - the transfer ended; @status: 0, or at @lba something failed. */
enum scsi_next scsi_disk_moved(struct scsi_unit *u, struct scsi_cmd *c, int status, uint64_t lba);
/** scsi_nobody() - a command for a unit that is not there: only INQUIRY and REPORT LUNS have an answer. */
enum scsi_next scsi_nobody(struct scsi_cmd *c);
/** scsi_sense() - sense data in fixed format (SPC-3, 4.5.3). */
void scsi_sense(const struct ata_sense *s, uint8_t ret[SCSI_SENSE_BYTES]);
/** scsi_cdb_bytes() - the length its operation code gives a command (SPC-3, 4.3.4). */
unsigned scsi_cdb_bytes(uint8_t opcode);

#endif
