/*
 * i82078_data.c - the floppy controller's commands that move data: READ, WRITE, VERIFY, FORMAT, READ ID.
 *
 * Source: Intel 82078 data sheet, section 6.1 (data transfer commands), table 6-6 (result C/H/R/N), 5.1 (status).
 * A command works on a run of sectors: from the one named to EOT, and with MT on from side 0 through side 1. The run
 * is contiguous in the image, so it is one request. A run ends by terminal count, or at its end with "end of cylinder".
 * Every disk has 512-byte sectors numbered from 1; asking for anything else finds no data.
 * An empty drive answers at once with a missing address mark, where the real one would wait for an index hole for ever.
 */
#include <string.h>

#include "devices/storage/i82078_int.h"

enum { P_UNIT = 1, P_C, P_H, P_R, P_N, P_EOT, P_GAP, P_DTL };
#define MULTI_TRACK 0x80
#define SKIP        0x20

static struct fdc_drive *drive_of(struct i82078 *c)
{
    return &c->drive[c->unit];
}

/* ---- the end of a command ---- */

static void finish(struct i82078 *c, uint8_t st0, uint8_t cyl, uint8_t head, uint8_t sector)
{
    uint8_t size = c->fifo[P_N];

    c->fifo[0] = (uint8_t)(st0 | c->unit | c->head << 2);
    c->fifo[1] = c->st1;
    c->fifo[2] = c->st2;
    c->fifo[3] = cyl;
    c->fifo[4] = head;
    c->fifo[5] = sector;
    c->fifo[6] = size;
    c->buf_pos = c->buf_len = 0;
    fdc_result(c, 7, true);
}

static void fail(struct i82078 *c, uint8_t st1, uint8_t st2)
{
    c->st1 = st1;
    c->st2 |= st2;
    finish(c, ST0_ABNORMAL, c->fifo[P_C], c->fifo[P_H], c->fifo[P_R]);
}

/* Table 6-6: the sector after the last of @done ones. c->head becomes the side the run ended on. */
static void finish_after(struct i82078 *c, uint8_t st0, uint32_t done)
{
    bool multi = c->fifo[0] & MULTI_TRACK;
    uint8_t eot = c->fifo[P_EOT], cyl = c->fifo[P_C], head = c->fifo[P_H];
    uint32_t next = c->fifo[P_R] + done;

    if (multi && head == 0 && next > (uint32_t)eot + 1) { /* something of side 1 was moved */
        next -= eot;
        head = 1;
        c->head = 1;
    }
    if (next > eot) {
        next = 1;
        if (multi) {
            cyl = (uint8_t)(cyl + (head == 1));
            head ^= 1;
        } else {
            cyl++;
        }
    }
    finish(c, st0, cyl, head, (uint8_t)next);
}

/* ---- starting ---- */

/* Takes the drive and side; moves the head there first with implied seek. False: the command has failed. */
static bool select_disk(struct i82078 *c)
{
    struct fdc_drive *d;

    c->unit = c->fifo[P_UNIT] & 3;
    c->head = c->fifo[P_UNIT] >> 2 & 1;
    c->st1 = c->st2 = 0;
    d = drive_of(c);
    if (!d->present || d->format.cylinders == 0 || !(d->format.rates & 1u << c->rate) || c->head >= d->format.heads ||
        d->cylinder >= d->format.cylinders) {
        fail(c, ST1_MISSING_MARK, 0);
        return false;
    }
    return true;
}

static void request(struct i82078 *c, enum fdc_io_op op, uint64_t sector, uint32_t bytes)
{
    c->io =
        (struct fdc_io){.op = (uint8_t)op, .drive = c->unit, .offset_bytes = sector * FDC_SECTOR_BYTES, .bytes = bytes};
    c->io_serial++;
    c->phase = FDC_MEDIA;
}

/* Number of the run's first sector in the image, and how many there are; 0 = the command has failed. */
static uint32_t find_run(struct i82078 *c, uint64_t *ret_first)
{
    struct fdc_drive *d = drive_of(c);
    uint8_t cyl = c->fifo[P_C], r = c->fifo[P_R], eot = c->fifo[P_EOT];
    uint32_t last = eot < d->format.sectors ? eot : d->format.sectors;
    uint32_t n;

    if ((c->config & 0x40) && cyl < d->format.cylinders)
        d->cylinder = cyl; /* implied seek */
    c->eot = eot;
    *ret_first = ((uint64_t)d->cylinder * d->format.heads + c->head) * d->format.sectors + r - 1;
    if (cyl != d->cylinder) {
        fail(c, ST1_NO_DATA, ST2_WRONG_CYLINDER);
        return 0;
    }
    if (c->fifo[P_H] != c->head || c->fifo[P_N] != 2 || r < 1 || r > d->format.sectors) {
        fail(c, ST1_NO_DATA, 0);
        return 0;
    }
    n = r <= last ? last - r + 1 : 1; /* EOT before R: the one sector is moved all the same */
    if ((c->fifo[0] & MULTI_TRACK) && c->head == 0 && d->format.heads == 2 && eot == d->format.sectors)
        n += eot;
    if ((*ret_first + n) * FDC_SECTOR_BYTES > d->size_bytes) {
        uint64_t there = d->size_bytes / FDC_SECTOR_BYTES;

        n = *ret_first < there ? (uint32_t)(there - *ret_first) : 0;
        if (n == 0)
            fail(c, ST1_NO_DATA, 0);
    }
    return n;
}

static void read_run(struct i82078 *c, uint32_t most)
{
    uint64_t first;
    uint32_t n;

    if (!select_disk(c))
        return;
    n = find_run(c, &first);
    if (n)
        request(c, FDC_IO_READ, first, (n < most ? n : most) * FDC_SECTOR_BYTES);
}

void fdc_read_data(struct i82078 *c)
{
    read_run(c, FDC_BUF_BYTES / FDC_SECTOR_BYTES);
}

/* No sector has a deleted mark: with SK all are skipped, without the first one ends the command with CM. */
void fdc_read_deleted(struct i82078 *c)
{
    if (c->fifo[0] & SKIP) {
        if (select_disk(c))
            fail(c, ST1_NO_DATA, 0);
        return;
    }
    read_run(c, 1);
    if (c->phase == FDC_MEDIA)
        c->st2 = ST2_CONTROL_MARK;
}

/* 6.1.4: EOT sectors from the index hole on, whatever R says. */
void fdc_read_track(struct i82078 *c)
{
    c->fifo[P_R] = 1;
    c->fifo[0] &= (uint8_t)~MULTI_TRACK;
    read_run(c, FDC_BUF_BYTES / FDC_SECTOR_BYTES);
}

/* 6.1.5: reads without moving data; with EC the number of sectors is in DTL's place. */
void fdc_verify(struct i82078 *c)
{
    uint32_t count = c->fifo[P_UNIT] & 0x80 ? c->fifo[P_DTL] : FDC_BUF_BYTES / FDC_SECTOR_BYTES;

    read_run(c, count ? count : FDC_BUF_BYTES / FDC_SECTOR_BYTES);
}

void fdc_write_data(struct i82078 *c)
{
    uint64_t first;
    uint32_t n;

    if (!select_disk(c))
        return;
    if (drive_of(c)->read_only) {
        fail(c, ST1_PROTECTED, 0);
        return;
    }
    n = find_run(c, &first);
    if (n == 0)
        return;
    if (n > FDC_BUF_BYTES / FDC_SECTOR_BYTES)
        n = FDC_BUF_BYTES / FDC_SECTOR_BYTES;
    c->buf_pos = 0;
    c->buf_len = n * FDC_SECTOR_BYTES;
    c->phase = FDC_DATA_OUT;
}

/* 6.1.6: four bytes (C, H, R, N) for each sector; an image can hold only a track of its own format. */
void fdc_format_track(struct i82078 *c)
{
    if (!select_disk(c))
        return;
    if (drive_of(c)->read_only) {
        fail(c, ST1_PROTECTED, 0);
        return;
    }
    if (c->fifo[2] != 2 || c->fifo[3] != drive_of(c)->format.sectors) {
        fail(c, ST1_NO_DATA, 0);
        return;
    }
    c->buf_pos = 0;
    c->buf_len = c->fifo[3] * 4u;
    c->phase = FDC_DATA_OUT;
}

void fdc_read_id(struct i82078 *c)
{
    c->fifo[P_C] = c->drive[c->fifo[P_UNIT] & 3].cylinder;
    c->fifo[P_H] = c->fifo[P_UNIT] >> 2 & 1;
    c->fifo[P_R] = 1;
    c->fifo[P_N] = 2;
    if (!select_disk(c))
        return;
    c->sector = (uint8_t)(c->sector % drive_of(c)->format.sectors + 1); /* the disk has turned a little */
    finish(c, 0, c->fifo[P_C], c->head, c->sector);
}

/* ---- data ---- */

static bool is(const struct i82078 *c, uint8_t code)
{
    return (c->fifo[0] & 0x1f) == code;
}

/* The host has sent all there is: @bytes of buf count, the rest of the last sector is zeros. */
static void write_run(struct i82078 *c, uint32_t bytes)
{
    struct fdc_drive *d = drive_of(c);
    uint64_t track = (uint64_t)d->cylinder * d->format.heads + c->head;
    uint32_t whole = (bytes + FDC_SECTOR_BYTES - 1) / FDC_SECTOR_BYTES * FDC_SECTOR_BYTES;

    if (is(c, 0x0d)) {
        whole = d->format.sectors * FDC_SECTOR_BYTES;
        memset(c->buf, c->fifo[5], whole);
        request(c, FDC_IO_WRITE, track * d->format.sectors, whole);
        return;
    }
    memset(c->buf + bytes, 0, whole - bytes);
    request(c, FDC_IO_WRITE, track * d->format.sectors + c->fifo[P_R] - 1, whole);
}

void fdc_buffer_done(struct i82078 *c)
{
    if (c->phase == FDC_DATA_OUT) {
        c->st1 = is(c, 0x0d) ? 0 : ST1_END; /* no terminal count came */
        write_run(c, c->buf_len);
    } else {
        uint32_t done = c->buf_len / FDC_SECTOR_BYTES;

        c->st1 = c->st2 & ST2_CONTROL_MARK ? 0 : ST1_END;
        finish_after(c, c->st1 ? ST0_ABNORMAL : 0, done);
    }
}

void i82078_dma_moved(struct i82078 *c, uint32_t bytes, bool tc)
{
    uint32_t left = c->buf_len - c->buf_pos;

    if (c->phase != FDC_DATA_IN && c->phase != FDC_DATA_OUT)
        return;
    c->buf_pos += bytes < left ? bytes : left;
    if (!tc) {
        if (c->buf_pos == c->buf_len)
            fdc_buffer_done(c);
        return;
    }
    c->st1 = 0;
    if (c->phase == FDC_DATA_OUT && c->buf_pos)
        write_run(c, c->buf_pos);
    else
        finish_after(c, 0, (c->buf_pos + FDC_SECTOR_BYTES - 1) / FDC_SECTOR_BYTES);
}

static void read_done(struct i82078 *c)
{
    if (is(c, 0x16)) {
        c->st1 = c->fifo[P_UNIT] & 0x80 ? 0 : ST1_END;
        finish_after(c, c->st1 ? ST0_ABNORMAL : 0, c->io.bytes / FDC_SECTOR_BYTES);
        return;
    }
    c->buf_pos = 0;
    c->buf_len = c->io.bytes;
    c->phase = FDC_DATA_IN;
}

void i82078_io_done(struct i82078 *c, int status)
{
    uint8_t op = c->io.op;

    if (c->phase != FDC_MEDIA)
        return;
    c->io.op = FDC_IO_NONE;
    if (status)
        fail(c, ST1_DATA_ERROR, op == FDC_IO_READ ? 0x20 : 0); /* CRC error, in the data field when reading */
    else if (op == FDC_IO_READ)
        read_done(c);
    else if (is(c, 0x0d))
        finish(c, 0, drive_of(c)->cylinder, c->head, 1);
    else
        finish_after(c, c->st1 ? ST0_ABNORMAL : 0, c->io.bytes / FDC_SECTOR_BYTES);
}
