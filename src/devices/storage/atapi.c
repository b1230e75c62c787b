/*
 * atapi.c - an ATAPI CD/DVD-ROM drive: the packet protocol, sense data, reading.
 *
 * Source: ATA/ATAPI-6 section 9.8 (PACKET), 8.23; SFF-8020i section 9 (interrupt reason, byte count), MMC-2 section 6
 * for the commands, SPC-2 7.20 for sense data.
 * Left out: audio, writing, MODE SELECT, CSS. READ CD delivers mode 1 sectors: user data, or all 2352 bytes with the
 * error correction bytes as zeros.
 */
#include <string.h>

#include "devices/storage/ata_int.h"

#define CD_RAW_BYTES 2352u

enum { REASON_COD = 0x01, REASON_IO = 0x02 };
enum { NEEDS_DISC = 1, IGNORES_ATTENTION = 2 };

struct row {
    uint8_t opcode, flags;
    void (*run)(struct ata *d);
};

void atapi_reset(struct ata *d)
{
    d->sense = (struct ata_sense){};
    d->attention = (struct ata_sense){0x06, 0x29, 0x00}; /* power on or reset occurred */
    d->locked = d->media_event = d->tray_open = false;
}

/* ---- protocol ---- */

void atapi_end(struct ata *d)
{
    d->count[0] = REASON_IO | REASON_COD;
}

void atapi_check(struct ata *d, struct ata_sense sense)
{
    d->sense = sense;
    ata_fail(d, (uint8_t)(sense.key << 4 | ATA_ABRT));
    atapi_end(d);
}

uint32_t atapi_block(struct ata *d, uint32_t left_bytes)
{
    uint32_t n = left_bytes < d->block_bytes ? left_bytes : d->block_bytes;

    d->count[0] = REASON_IO;
    d->lba_mid[0] = (uint8_t)n;
    d->lba_high[0] = (uint8_t)(n >> 8);
    return n;
}

void atapi_reply(struct ata *d, uint32_t bytes, uint32_t limit_bytes)
{
    if (bytes > limit_bytes)
        bytes = limit_bytes;
    if (bytes)
        ata_send(d, bytes);
    else
        ata_complete(d, false);
}

static void start_packet(struct ata *d)
{
    uint32_t limit = (uint32_t)d->lba_high[0] << 8 | d->lba_mid[0];

    if (d->feature[0] & 0x02) { /* overlap */
        ata_fail(d, ATA_ABRT);
        return;
    }
    /* SFF-8020i 9.3: FFFFh counts as FFFEh, odd ones are rounded down; 0 asks for nothing, take it as the most */
    limit &= 0xfffe;
    d->block_bytes = limit ? limit : 0xfffe;
    d->dma = d->feature[0] & 0x01;
    d->phase = ATA_PACKET;
    d->buf_pos = d->drq_end = d->buf_end = 0;
    d->count[0] = REASON_COD;
    d->status = ATA_DRDY | ATA_DRQ;
}

static void identify_packet(struct ata *d)
{
    ata_identify(d);
    d->block_bytes = ATA_SECTOR_BYTES;
    ata_send(d, ATA_SECTOR_BYTES);
}

void atapi_command(struct ata *d)
{
    switch (d->command) {
    case 0xa0: start_packet(d); break;
    case 0xa1: identify_packet(d); break;
    case 0x90: ata_cmd_diagnostic(d, 0); break;
    case 0xef: ata_cmd_set_features(d, 0); break;
    case 0xe0: ata_cmd_standby(d, 0); break;
    case 0xe1: ata_cmd_idle(d, 0); break;
    case 0xe5: ata_cmd_check_power(d, 0); break;
    case 0xe6: ata_cmd_sleep(d, 0); break;
    case 0x20: /* 8.27, 8.15: packet devices answer READ SECTORS and IDENTIFY DEVICE with their signature */
    case 0x21:
    case 0xec:
        ata_signature(d);
        ata_fail(d, ATA_ABRT);
        break;
    default: ata_fail(d, ATA_ABRT); break;
    }
}

/* ---- reading ---- */

static void refill(struct ata *d)
{
    uint32_t most = ATA_BUF_BYTES / CD_RAW_BYTES;
    uint32_t n = d->todo < most ? d->todo : most;

    ata_request(d, ATA_IO_READ, d->lba * ATA_CD_BYTES, n * ATA_CD_BYTES);
}

void atapi_msf(uint8_t ret[3], uint32_t lba)
{
    lba += 150;
    ret[0] = (uint8_t)(lba / (75 * 60));
    ret[1] = (uint8_t)(lba / 75 % 60);
    ret[2] = (uint8_t)(lba % 75);
}

static uint8_t bcd(uint8_t v)
{
    return (uint8_t)(v / 10 << 4 | v % 10);
}

/* Makes 2352-byte sectors of the @n user data blocks in buf, from the last to the first, in place. */
static void widen(struct ata *d, uint32_t n)
{
    static const uint8_t sync[12] = {0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0};
    uint8_t msf[3];

    while (n-- > 0) {
        uint8_t *raw = d->buf + n * CD_RAW_BYTES;

        memmove(raw + 16, d->buf + n * ATA_CD_BYTES, ATA_CD_BYTES);
        memcpy(raw, sync, sizeof(sync));
        atapi_msf(msf, (uint32_t)(d->lba + n));
        for (unsigned i = 0; i < 3; i++)
            raw[12 + i] = bcd(msf[i]);
        raw[15] = 0x01; /* mode 1 */
        memset(raw + 16 + ATA_CD_BYTES, 0, CD_RAW_BYTES - 16 - ATA_CD_BYTES);
    }
}

void atapi_io_done(struct ata *d, uint8_t op, int status)
{
    uint32_t n = d->io.bytes / ATA_CD_BYTES;

    if (op == ATA_IO_PACKET || (d->host && status)) {
        atapi_host_io_done(d, status);
        return;
    }
    if (!d->media) { /* a flush: nothing to flush */
        ata_complete(d, false);
        return;
    }
    if (status) {
        atapi_check(d, (struct ata_sense){0x03, 0x11, 0x00}); /* medium error, unrecovered read error */
        return;
    }
    if (d->cd_sector_bytes == CD_RAW_BYTES)
        widen(d, n);
    d->lba += n;
    d->todo -= n < d->todo ? n : d->todo;
    ata_send(d, n * (d->cd_sector_bytes == CD_RAW_BYTES ? CD_RAW_BYTES : ATA_CD_BYTES));
}

void atapi_buffer_done(struct ata *d)
{
    if (d->media && d->todo)
        refill(d);
    else if (!atapi_host_buffer_done(d))
        ata_complete(d, d->command != 0xa0); /* a packet command ends with an interrupt of its own (9.8) */
}

static void read_sectors(struct ata *d, uint32_t lba, uint32_t count, uint32_t sector_bytes)
{
    if (!d->host && (lba > d->sectors || count > d->sectors - lba || (count && lba == d->sectors))) {
        atapi_check(d, ATAPI_LBA_OUT_OF_RANGE);
        return;
    }
    if (count == 0 || sector_bytes == 0) {
        ata_complete(d, false);
        return;
    }
    d->media = true;
    d->lba = lba;
    d->todo = count;
    d->cd_sector_bytes = sector_bytes;
    refill(d);
}

static void read_10(struct ata *d)
{
    read_sectors(d, atapi_be32(d->packet + 2), atapi_be16(d->packet + 7), ATA_CD_BYTES);
}

static void read_12(struct ata *d)
{
    read_sectors(d, atapi_be32(d->packet + 2), atapi_be32(d->packet + 6), ATA_CD_BYTES);
}

/* MMC-2 6.1.15: byte 9 says which parts of the sector are wanted. */
static void read_cd(struct ata *d)
{
    uint32_t count = atapi_be32(d->packet + 5) & 0xffffff;

    switch (d->packet[9] & 0xf8) {
    case 0x00: read_sectors(d, atapi_be32(d->packet + 2), count, 0); break;
    case 0x10: read_sectors(d, atapi_be32(d->packet + 2), count, ATA_CD_BYTES); break;
    case 0xf8: read_sectors(d, atapi_be32(d->packet + 2), count, CD_RAW_BYTES); break;
    default: atapi_check(d, ATAPI_INVALID_FIELD); break;
    }
}

/* ---- the drive ---- */

static void test_unit_ready(struct ata *d)
{
    ata_complete(d, false);
}

static void request_sense(struct ata *d)
{
    struct ata_sense s = d->sense;

    if (s.key == 0 && d->attention.key) {
        s = d->attention;
        d->attention = (struct ata_sense){};
    }
    memset(d->buf, 0, 18);
    d->buf[0] = 0x70;
    d->buf[2] = s.key;
    d->buf[7] = 10;
    d->buf[12] = s.asc;
    d->buf[13] = s.ascq;
    d->sense = (struct ata_sense){};
    atapi_reply(d, 18, d->packet[4]);
}

static void read_capacity(struct ata *d)
{
    atapi_put32(d->buf, (uint32_t)(d->sectors - 1));
    atapi_put32(d->buf + 4, ATA_CD_BYTES);
    atapi_reply(d, 8, 8);
}

static void seek(struct ata *d)
{
    if (atapi_be32(d->packet + 2) < d->sectors)
        ata_complete(d, false);
    else
        atapi_check(d, ATAPI_LBA_OUT_OF_RANGE);
}

static void prevent_removal(struct ata *d)
{
    d->locked = d->packet[4] & 0x01;
    ata_complete(d, false);
}

/* MMC-2 6.1.37: LoEj moves the tray. A disc the guest ejected is gone until the host inserts one. */
static void start_stop(struct ata *d)
{
    bool load = d->packet[4] & 0x01;

    if (!(d->packet[4] & 0x02)) {
        ata_complete(d, false);
        return;
    }
    if (!load && d->locked) {
        atapi_check(d, (struct ata_sense){0x05, 0x53, 0x02}); /* medium removal prevented */
        return;
    }
    if (!load) {
        d->tray_open = true;
        d->sectors = 0;
    } else {
        d->tray_open = false;
    }
    ata_complete(d, false);
}

static const struct row rows[] = {
    {0x00, NEEDS_DISC, test_unit_ready},
    {0x03, IGNORES_ATTENTION, request_sense},
    {0x12, IGNORES_ATTENTION, atapi_inquiry},
    {0x1a, 0, atapi_mode_sense},
    {0x1b, 0, start_stop},
    {0x1e, 0, prevent_removal},
    {0x25, NEEDS_DISC, read_capacity},
    {0x28, NEEDS_DISC, read_10},
    {0x2b, NEEDS_DISC, seek},
    {0x43, NEEDS_DISC, atapi_read_toc},
    {0x46, IGNORES_ATTENTION, atapi_get_configuration},
    {0x4a, IGNORES_ATTENTION, atapi_event_status},
    {0x51, NEEDS_DISC, atapi_disc_information},
    {0x52, NEEDS_DISC, atapi_track_information},
    {0x5a, 0, atapi_mode_sense},
    {0xa8, NEEDS_DISC, read_12},
    {0xbb, 0, test_unit_ready}, /* SET CD SPEED: any speed will do */
    {0xbd, 0, atapi_mechanism_status},
    {0xbe, NEEDS_DISC, read_cd},
};

void atapi_packet(struct ata *d)
{
    d->phase = ATA_IDLE;
    d->buf_pos = d->drq_end = d->buf_end = 0;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].opcode != d->packet[0])
            continue;
        if (d->attention.key && !(rows[i].flags & IGNORES_ATTENTION)) {
            struct ata_sense attention = d->attention;

            d->attention = (struct ata_sense){};
            atapi_check(d, attention);
            return;
        }
        if (!d->host && (rows[i].flags & NEEDS_DISC) && d->sectors == 0) {
            atapi_check(d, ATAPI_NOT_READY_NO_MEDIUM(d));
            return;
        }
        if (d->packet[0] != 0x03)
            d->sense = (struct ata_sense){};
        if (!atapi_host_packet(d))
            rows[i].run(d);
        return;
    }
    if (atapi_host_packet(d))
        return;
    atapi_check(d, (struct ata_sense){0x05, 0x20, 0x00}); /* invalid command operation code */
}
