/*
 * ata.h - one ATA disk or ATAPI drive: task file registers, commands, data phases. No bus, no host, no clock.
 *
 * The owner (ide.c) passes register accesses in, and after each call looks at three outputs:
 *   intrq          the interrupt line
 *   io             a request for the medium, while io.op != ATA_IO_NONE; answered with ata_io_done()
 *   ata_dma_want() bytes waiting to be moved by the bus master; answered with ata_dma_moved()
 *
 * Life of a command:
 *
 *   IDLE --command--> MEDIA <--io--> (DRQ_IN | DRQ_OUT | DMA_IN | DMA_OUT) --> IDLE
 *     PACKET: IDLE --> PACKET --12 bytes--> as above or straight to IDLE
 *
 * Invariant 1: buf_pos <= drq_end <= buf_end <= ATA_BUF_BYTES.
 * Invariant 2: BSY is set exactly in phases MEDIA, DMA_IN, DMA_OUT and while SRST is held.
 * Invariant 3: in MEDIA, and only there, io.op is not NONE.
 */
#ifndef DEVICES_STORAGE_ATA_H
#define DEVICES_STORAGE_ATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/ssm/field.h"

#define ATA_SECTOR_BYTES 512u
#define ATA_CD_BYTES     2048u
#define ATA_BUF_BYTES    65536u
#define ATA_NO_TAG       0x80u /* the bit that says "not a queued command" in log 10h */

/* Status register (ATA/ATAPI-6, 7.15) and error register (7.9). */
enum { ATA_BSY = 0x80, ATA_DRDY = 0x40, ATA_DF = 0x20, ATA_DSC = 0x10, ATA_DRQ = 0x08, ATA_ERR = 0x01 };
enum { ATA_UNC = 0x40, ATA_IDNF = 0x10, ATA_ABRT = 0x04 };
/* Device control register (7.8). */
enum { ATA_HOB = 0x80, ATA_SRST = 0x04, ATA_NIEN = 0x02 };
/* Device register: LBA mode and device select (7.7). */
enum { ATA_LBA = 0x40, ATA_DEV = 0x10 };
/* Command block registers by offset. */
enum ata_reg { ATA_DATA, ATA_FEATURE, ATA_COUNT, ATA_LBA_LOW, ATA_LBA_MID, ATA_LBA_HIGH, ATA_DEVICE, ATA_COMMAND };

enum ata_kind { ATA_KIND_NONE, ATA_KIND_DISK, ATA_KIND_CDROM };
enum ata_phase { ATA_IDLE, ATA_MEDIA, ATA_DRQ_IN, ATA_DRQ_OUT, ATA_DMA_IN, ATA_DMA_OUT, ATA_PACKET, ATA_PHASES };
enum ata_io_op { ATA_IO_NONE, ATA_IO_READ, ATA_IO_WRITE, ATA_IO_FLUSH, ATA_IO_DISCARD, ATA_IO_PACKET, ATA_IO_OPS };

struct ata_identity {
    enum ata_kind kind;
    bool slave;
    bool sata; /* on a serial link: queued commands, logs; the bus's owner runs the queued ones */
    bool trim, non_rotational;
    char serial[21], firmware[9], model[41];
};

struct ata_io {
    uint8_t op;
    uint64_t offset_bytes;
    uint32_t bytes; /* at buf[0] */
};

/* A SCSI sense triple (SPC-2, 7.20). */
struct ata_sense {
    uint8_t key, asc, ascq;
};

struct ata {
    /* wiring, not saved */
    struct ata_identity id;
    uint64_t sectors; /* of 512 bytes; of 2048 for CD-ROM; 0 = no medium */
    bool read_only;
    uint32_t io_serial;  /* counts requests: tells answers to dropped ones apart */
    bool host, host_all; /* a drive of the host's: it takes packets itself, those that only read or any */
    struct {
        uint32_t moved; /* bytes, of ATA_IO_PACKET */
        struct ata_sense sense;
    } answer; /* of the host's drive to the last request */

    /* registers; [0] what was written last, [1] what was there before (HOB) */
    uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2];
    uint8_t device, control, status, error;
    bool intrq;

    /* settings the guest makes */
    uint8_t multiple; /* sectors per DRQ block of the MULTIPLE commands; 0 = off */
    uint8_t heads, sectors_per_track;
    uint8_t transfer_mode; /* SET FEATURES 03h */
    bool write_cache, lookahead, smart, standby, sleeping;

    /* the command under way */
    uint8_t command, phase;
    bool media;                               /* it moves sectors */
    bool dma, lba48, verify, durable, single; /* durable: sync before saying done; single: looking for the bad sector */
    uint64_t lba;                             /* next sector for the medium */
    uint32_t todo;                            /* sectors the medium has still to give or take */
    uint32_t block_bytes;                     /* of a DRQ block */
    uint32_t buf_pos, drq_end, buf_end;
    uint32_t trim_pos; /* next entry of DATA SET MANAGEMENT in buf */
    struct ata_io io;

    /* the queued command that failed last, for log 10h; tag ATA_NO_TAG: none */
    uint8_t failed_tag, failed_error;
    uint64_t failed_lba;

    /* ATAPI */
    uint8_t packet[12];
    struct ata_sense sense, attention;   /* attention: key 0 = none pending */
    bool locked, media_event, tray_open; /* tray_open: the guest ejected the disc; it is gone until the next one */
    uint32_t cd_sector_bytes;            /* what READ CD delivers per sector */

    uint8_t buf[ATA_BUF_BYTES];
};

extern const struct ssm_field ata_fields[];
/** ata_check() - whether a loaded state keeps the invariants above. */
bool ata_check(const struct ata *d);

/** ata_medium() - the medium's size in its own sectors; 0 = none. With @changed a CD-ROM raises UNIT ATTENTION. */
void ata_medium(struct ata *d, uint64_t sectors, bool read_only, bool changed);
/** ata_reset() - power-on or RESET- (@hard), or SRST. Drops the request under way. */
void ata_reset(struct ata *d, bool hard);

uint8_t ata_read(struct ata *d, enum ata_reg reg);
/** ata_status() - the alternate status register: reading it clears nothing. */
uint8_t ata_status(const struct ata *d);
void ata_write(struct ata *d, enum ata_reg reg, uint8_t val);
void ata_write_control(struct ata *d, uint8_t val);
/** The data register: moves what the DRQ block has left, at most @bytes; returns the bytes moved. */
size_t ata_data_in(struct ata *d, void *to, size_t bytes);
size_t ata_data_out(struct ata *d, const void *from, size_t bytes);

/** ata_io_done() - the request in io is done; @status 0 or negative. For reads the data is in buf. */
void ata_io_done(struct ata *d, int status);
/** ata_dma_want() - where the bus master's next bytes are (@ret_to_host: device to memory); 0 = none now. */
uint32_t ata_dma_want(struct ata *d, uint8_t **ret_bytes, bool *ret_to_host);
void ata_dma_moved(struct ata *d, uint32_t bytes);
/** atapi_host_to_drive() - for ATA_IO_PACKET: the data in buf goes to the drive, otherwise it comes from it. */
bool atapi_host_to_drive(const struct ata *d);

#endif
