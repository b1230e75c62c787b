/*
 * i82078.h - the 82078 floppy disk controller and the drives on its cable, without bus, host or clock.
 *
 * The owner (isa_fdc.c) passes register accesses in with the time, and after each call looks at the outputs: the
 * interrupt pin, DREQ, a request for a medium (io) and when it wants to be called next.
 *
 *   COMMAND --all bytes--> [MEDIA <-> DATA_IN | DATA_OUT] --> RESULT --all read--> COMMAND
 *                     \--> SEEK (in the background) --> COMMAND, interrupt
 *
 * Invariant 1: fifo_pos <= fifo_len <= FDC_FIFO_BYTES, whatever the guest writes (a command's length is from a table).
 * Invariant 2: buf_pos <= buf_len <= FDC_BUF_BYTES.
 * Invariant 3: in MEDIA, and only there, io.op is not NONE.
 */
#ifndef DEVICES_STORAGE_I82078_H
#define DEVICES_STORAGE_I82078_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/ssm/field.h"

#define FDC_DRIVES       4u
#define FDC_FIFO_BYTES   16u
#define FDC_SECTOR_BYTES 512u
#define FDC_BUF_BYTES    (72u * FDC_SECTOR_BYTES) /* a cylinder of a 2.88 MB disk */
#define FDC_NEVER        UINT64_MAX

/* Main status register (data sheet 2.1.6). */
enum { FDC_RQM = 0x80, FDC_DIO = 0x40, FDC_NONDMA = 0x20, FDC_BUSY = 0x10 };
/* Digital output register (2.1.3). */
enum { FDC_DOR_RUN = 0x04, FDC_DOR_GATE = 0x08 };
/* Register offsets from 3f0h. */
enum fdc_reg { FDC_SRA, FDC_SRB, FDC_DOR, FDC_TDR, FDC_MSR, FDC_FIFO, FDC_DIR = 7 };

enum fdc_phase { FDC_COMMAND, FDC_MEDIA, FDC_DATA_IN, FDC_DATA_OUT, FDC_RESULT, FDC_PHASES };
enum fdc_io_op { FDC_IO_NONE, FDC_IO_READ, FDC_IO_WRITE, FDC_IO_OPS };

struct fdc_format {
    uint8_t cylinders, heads, sectors; /* 0 cylinders = no disk */
    uint8_t rates;                     /* bit n: readable at data rate code n */
};

struct fdc_drive {
    /* wiring, not saved */
    bool present, read_only;
    struct fdc_format format;
    uint64_t size_bytes;
    /* saved */
    uint8_t cylinder; /* where the head is */
    bool changed;     /* DSKCHG: until the head steps with a disk in */
};

struct fdc_io {
    uint8_t op, drive;
    uint64_t offset_bytes;
    uint32_t bytes;
};

struct i82078 {
    struct fdc_drive drive[FDC_DRIVES];
    uint64_t now_ns;    /* of the access under way */
    uint32_t io_serial; /* counts requests: tells answers to dropped ones apart */

    uint8_t dor, tdr, rate;
    uint8_t specify[2], config, pretrk, perpendicular, eot;
    bool lock;

    uint8_t phase;
    uint8_t fifo[FDC_FIFO_BYTES];
    uint8_t fifo_pos, fifo_len; /* command: bytes so far and in all; result: bytes read and in all */
    bool pending;               /* interrupt that a result or SENSE INTERRUPT STATUS takes back */
    uint8_t sense_left;         /* drives whose reset interrupt was not sensed yet */
    uint8_t seeking, seek_done; /* bit per drive */
    uint8_t seek_to[FDC_DRIVES], seek_st0[FDC_DRIVES];
    uint64_t event_ns; /* end of the seek or reset under way */
    bool resetting;

    /* data transfer */
    uint8_t unit, head, sector, st1, st2; /* sector: the one the first byte of buf belongs to */
    uint32_t buf_pos, buf_len;
    struct fdc_io io;
    uint8_t buf[FDC_BUF_BYTES];
};

extern const struct ssm_field i82078_fields[];
bool i82078_check(const struct i82078 *c);

/** i82078_insert() - a disk of @size_bytes is in the drive now; 0 = none. @changed: it was exchanged. */
void i82078_insert(struct i82078 *c, unsigned drive, uint64_t size_bytes, bool read_only, bool changed);
void i82078_reset(struct i82078 *c);
uint8_t i82078_read(struct i82078 *c, enum fdc_reg reg);
void i82078_write(struct i82078 *c, enum fdc_reg reg, uint8_t val, uint64_t now_ns);

bool i82078_pin(const struct i82078 *c);
bool i82078_dreq(const struct i82078 *c);
uint64_t i82078_next_ns(const struct i82078 *c);
void i82078_expire(struct i82078 *c, uint64_t now_ns);
/** i82078_io_done() - the request in io is done; for reads the data is in buf. */
void i82078_io_done(struct i82078 *c, int status);
/** DMA: bytes waiting for the host (DATA_IN) or wanted from it (DATA_OUT) at *@ret. */
uint32_t i82078_dma(struct i82078 *c, uint8_t **ret);
/** @tc: the DMA controller's terminal count came with the last byte. */
void i82078_dma_moved(struct i82078 *c, uint32_t bytes, bool tc);

#endif
