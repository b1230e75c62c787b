/*
 * atapi_host.c - packet commands for a drive of the host's: which of them go to the drive itself, and with how much
 * data.
 *
 * Without pass-through only those that cannot change a disc or the drive's firmware; what the drive is (INQUIRY, mode
 * pages, features) stays ours then. READ(10) and READ(12) of any length are atapi.c's, whose pieces the driver reads. A
 * command that is not in the table is refused: nobody knows how much data it moves. Sense data comes with the failed
 * command, so REQUEST SENSE never goes there.
 *
 * Source: MMC-3 section 5 (commands, where each says its length), SPC-2.
 * Left out: commands with more than ATA_BUF_BYTES of data, vendors' commands, GET PERFORMANCE, 16-byte packets.
 */
#include "devices/storage/ata_int.h"

enum { ALL = 1 /* only with pass-through */, OUT = 2, RAW_SECTORS = 4 /* as many bytes as the drive has for each */ };

static const struct row {
    uint8_t opcode, flags;
    uint8_t at, width; /* the length in the packet; width 0: it is always @unit bytes */
    uint16_t unit;     /* bytes */
} rows[] = {
    {0x00, 0, 0, 0, 0},              /* TEST UNIT READY */
    {0x04, ALL | OUT, 0, 0, 12},     /* FORMAT UNIT */
    {0x12, ALL, 4, 1, 1},            /* INQUIRY */
    {0x15, ALL | OUT, 4, 1, 1},      /* MODE SELECT(6) */
    {0x1a, ALL, 4, 1, 1},            /* MODE SENSE(6) */
    {0x1b, 0, 0, 0, 0},              /* START STOP UNIT: the tray */
    {0x1e, 0, 0, 0, 0},              /* PREVENT ALLOW MEDIUM REMOVAL */
    {0x23, 0, 7, 2, 1},              /* READ FORMAT CAPACITIES */
    {0x25, 0, 0, 0, 8},              /* READ CAPACITY */
    {0x2a, ALL | OUT, 7, 2, 2048},   /* WRITE(10) */
    {0x2b, 0, 0, 0, 0},              /* SEEK */
    {0x35, ALL, 0, 0, 0},            /* SYNCHRONIZE CACHE */
    {0x42, 0, 7, 2, 1},              /* READ SUB-CHANNEL */
    {0x43, 0, 7, 2, 1},              /* READ TOC/PMA/ATIP */
    {0x44, 0, 7, 2, 1},              /* READ HEADER */
    {0x45, 0, 0, 0, 0},              /* PLAY AUDIO(10) */
    {0x46, ALL, 7, 2, 1},            /* GET CONFIGURATION */
    {0x47, 0, 0, 0, 0},              /* PLAY AUDIO MSF */
    {0x4a, 0, 7, 2, 1},              /* GET EVENT STATUS NOTIFICATION */
    {0x4b, 0, 0, 0, 0},              /* PAUSE/RESUME */
    {0x4e, 0, 0, 0, 0},              /* STOP PLAY/SCAN */
    {0x51, 0, 7, 2, 1},              /* READ DISC INFORMATION */
    {0x52, 0, 7, 2, 1},              /* READ TRACK INFORMATION */
    {0x53, ALL, 0, 0, 0},            /* RESERVE TRACK */
    {0x54, ALL | OUT, 7, 2, 8},      /* SEND OPC INFORMATION */
    {0x55, ALL | OUT, 7, 2, 1},      /* MODE SELECT(10) */
    {0x5a, ALL, 7, 2, 1},            /* MODE SENSE(10) */
    {0x5b, ALL, 0, 0, 0},            /* CLOSE TRACK/SESSION */
    {0x5c, ALL, 7, 2, 1},            /* READ BUFFER CAPACITY */
    {0x5d, ALL | OUT, 6, 3, 1},      /* SEND CUE SHEET */
    {0xa1, ALL, 0, 0, 0},            /* BLANK */
    {0xa3, ALL | OUT, 8, 2, 1},      /* SEND KEY */
    {0xa4, ALL, 8, 2, 1},            /* REPORT KEY */
    {0xa5, 0, 0, 0, 0},              /* PLAY AUDIO(12) */
    {0xa6, ALL, 0, 0, 0},            /* LOAD/UNLOAD MEDIUM */
    {0xaa, ALL | OUT, 6, 4, 2048},   /* WRITE(12) */
    {0xad, 0, 8, 2, 1},              /* READ DISC STRUCTURE */
    {0xb6, ALL | OUT, 9, 2, 1},      /* SET STREAMING */
    {0xbb, 0, 0, 0, 0},              /* SET CD SPEED */
    {0xbd, 0, 8, 2, 1},              /* MECHANISM STATUS */
    {0xbe, RAW_SECTORS, 6, 3, 2352}, /* READ CD */
    {0xbf, ALL | OUT, 8, 2, 1},      /* SEND DISC STRUCTURE */
};

static const struct row *row_of(const struct ata *d)
{
    for (unsigned i = 0; d->host && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].opcode == d->packet[0])
            return rows[i].flags & ALL && !d->host_all ? NULL : &rows[i];
    return NULL;
}

/* Bytes of data the command moves at most. */
static uint64_t data_bytes(const struct ata *d, const struct row *r)
{
    uint64_t n = 0;

    if (r->width == 0)
        return r->unit;
    for (unsigned i = 0; i < r->width; i++)
        n = n << 8 | d->packet[r->at + i];
    return n * r->unit;
}

bool atapi_host_to_drive(const struct ata *d)
{
    const struct row *r = row_of(d);

    return r && r->flags & OUT;
}

bool atapi_host_packet(struct ata *d)
{
    const struct row *r = row_of(d);
    const uint64_t bytes = r ? data_bytes(d, r) : 0;

    if (!r)
        return false;
    if (bytes > ATA_BUF_BYTES) {
        atapi_check(d, ATAPI_INVALID_FIELD);
        return true;
    }
    d->todo = r->flags & OUT && bytes;
    if (d->todo)
        ata_receive(d, (uint32_t)bytes, false);
    else
        ata_request(d, ATA_IO_PACKET, 0, r->flags & RAW_SECTORS && bytes ? ATA_BUF_BYTES : (uint32_t)bytes);
    return true;
}

bool atapi_host_buffer_done(struct ata *d)
{
    if (!d->host || !d->todo)
        return false;
    d->todo = 0;
    ata_request(d, ATA_IO_PACKET, 0, d->buf_end);
    return true;
}

/* The guest's lock is what an eject by the host asks for. */
static void note_lock(struct ata *d)
{
    if (d->packet[0] == 0x1e)
        d->locked = d->packet[4] & 0x01;
}

void atapi_host_io_done(struct ata *d, int status)
{
    const bool to_drive = atapi_host_to_drive(d);

    if (status) {
        atapi_check(d, d->answer.sense.key ? d->answer.sense : (struct ata_sense){0x04, 0x3e, 0x01}); /* unit failure */
        return;
    }
    note_lock(d);
    d->buf_end = d->buf_pos = d->drq_end = 0;
    atapi_reply(d, to_drive ? 0 : d->answer.moved, ATA_BUF_BYTES);
}
