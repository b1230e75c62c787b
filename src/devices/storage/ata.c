/*
 * ata.c - the task file of an ATA or ATAPI device: registers, reset, and the data phases every command shares.
 *
 * Source: ATA/ATAPI-6 (T13/1410D), sections 7 (registers), 9 (protocols: 9.2 software reset, 9.5 PIO data-in, 9.6 PIO
 * data-out, 9.7 DMA, 9.8 PACKET).
 * No time passes inside a device: between two DRQ blocks of one buffer BSY is never seen. A guest cannot tell it from
 * a fast drive.
 * Left out: overlapped commands, tagged queueing, CFA, security and host protected area.
 * Invariants: see ata.h.
 */
#include <string.h>

#include "devices/storage/ata_int.h"

const struct ssm_field ata_fields[] = {
    SSM_U8S(struct ata, feature),
    SSM_U8S(struct ata, count),
    SSM_U8S(struct ata, lba_low),
    SSM_U8S(struct ata, lba_mid),
    SSM_U8S(struct ata, lba_high),
    SSM_U8(struct ata, device),
    SSM_U8(struct ata, control),
    SSM_U8(struct ata, status),
    SSM_U8(struct ata, error),
    SSM_BOOL(struct ata, intrq),
    SSM_U8(struct ata, multiple),
    SSM_U8(struct ata, heads),
    SSM_U8(struct ata, sectors_per_track),
    SSM_U8(struct ata, transfer_mode),
    SSM_BOOL(struct ata, write_cache),
    SSM_BOOL(struct ata, lookahead),
    SSM_BOOL(struct ata, smart),
    SSM_BOOL(struct ata, standby),
    SSM_BOOL(struct ata, sleeping),
    SSM_U8(struct ata, command),
    SSM_U8(struct ata, phase),
    SSM_BOOL(struct ata, media),
    SSM_BOOL(struct ata, dma),
    SSM_BOOL(struct ata, lba48),
    SSM_BOOL(struct ata, verify),
    SSM_BOOL(struct ata, durable),
    SSM_BOOL(struct ata, single),
    SSM_U64(struct ata, lba),
    SSM_U32(struct ata, todo),
    SSM_U32(struct ata, block_bytes),
    SSM_U32(struct ata, buf_pos),
    SSM_U32(struct ata, drq_end),
    SSM_U32(struct ata, buf_end),
    SSM_U32(struct ata, trim_pos),
    SSM_U8(struct ata, failed_tag),
    SSM_U8(struct ata, failed_error),
    SSM_U64(struct ata, failed_lba),
    SSM_U8(struct ata, io.op),
    SSM_U64(struct ata, io.offset_bytes),
    SSM_U32(struct ata, io.bytes),
    SSM_U8S(struct ata, packet),
    SSM_U8(struct ata, sense.key),
    SSM_U8(struct ata, sense.asc),
    SSM_U8(struct ata, sense.ascq),
    SSM_U8(struct ata, attention.key),
    SSM_U8(struct ata, attention.asc),
    SSM_U8(struct ata, attention.ascq),
    SSM_BOOL(struct ata, locked),
    SSM_BOOL(struct ata, media_event),
    SSM_BOOL(struct ata, tray_open),
    SSM_U32(struct ata, cd_sector_bytes),
    SSM_U8S(struct ata, buf),
    SSM_END,
};

bool ata_check(const struct ata *d)
{
    bool waiting = d->phase == ATA_MEDIA;

    return d->phase < ATA_PHASES && d->io.op < ATA_IO_OPS && (d->io.op != ATA_IO_NONE) == waiting && /* inv 3 */
           d->buf_pos <= d->drq_end && d->drq_end <= d->buf_end && d->buf_end <= ATA_BUF_BYTES &&    /* inv 1 */
           (d->io.bytes <= ATA_BUF_BYTES || d->io.op == ATA_IO_DISCARD) && d->multiple <= ATA_MULTIPLE_MAX &&
           d->heads >= 1 && d->sectors_per_track >= 1 && (d->multiple & (d->multiple - 1)) == 0;
}

/* ---- the end of a command ---- */

void ata_complete(struct ata *d, bool quiet)
{
    d->phase = ATA_IDLE;
    d->status = ATA_DRDY | ATA_DSC;
    d->error = 0;
    if (d->id.kind == ATA_KIND_CDROM && d->command == 0xa0)
        atapi_end(d);
    if (!quiet)
        d->intrq = true;
}

void ata_fail(struct ata *d, uint8_t error)
{
    d->phase = ATA_IDLE;
    d->io.op = ATA_IO_NONE;
    d->status = ATA_DRDY | ATA_DSC | ATA_ERR;
    d->error = error;
    d->intrq = true;
}

void ata_signature(struct ata *d)
{
    bool packet = d->id.kind == ATA_KIND_CDROM;

    d->count[0] = d->lba_low[0] = 0x01;
    d->lba_mid[0] = packet ? 0x14 : 0x00;
    d->lba_high[0] = packet ? 0xeb : 0x00;
    d->count[1] = d->lba_low[1] = d->lba_mid[1] = d->lba_high[1] = 0;
    d->device = (uint8_t)(d->device & ATA_DEV);
}

/* ---- data ---- */

/* The next DRQ block of what is in, or goes into, buf[buf_pos .. buf_end). */
static void open_block(struct ata *d, bool announce)
{
    uint32_t left = d->buf_end - d->buf_pos;
    uint32_t block = d->command == 0xa0 ? atapi_block(d, left) : d->block_bytes;

    d->drq_end = d->buf_pos + (block < left ? block : left);
    d->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (announce)
        d->intrq = true;
}

void ata_send(struct ata *d, uint32_t bytes)
{
    d->buf_pos = d->drq_end = 0;
    d->buf_end = bytes;
    d->phase = d->dma ? ATA_DMA_IN : ATA_DRQ_IN;
    if (d->dma)
        d->status = ATA_BSY | ATA_DRDY;
    else
        open_block(d, true);
}

void ata_receive(struct ata *d, uint32_t bytes, bool announce)
{
    d->buf_pos = d->drq_end = 0;
    d->buf_end = bytes;
    d->phase = d->dma ? ATA_DMA_OUT : ATA_DRQ_OUT;
    if (d->dma)
        d->status = ATA_BSY | ATA_DRDY;
    else
        open_block(d, announce);
}

void ata_request(struct ata *d, enum ata_io_op op, uint64_t offset_bytes, uint32_t bytes)
{
    d->io = (struct ata_io){.op = (uint8_t)op, .offset_bytes = offset_bytes, .bytes = bytes};
    d->io_serial++;
    d->phase = ATA_MEDIA;
    d->status = ATA_BSY | ATA_DRDY;
}

static void buffer_done(struct ata *d)
{
    if (d->id.kind == ATA_KIND_CDROM)
        atapi_buffer_done(d);
    else
        ata_disk_buffer_done(d);
}

/* buf_pos moved; at the end of a block comes the next one, at the end of the buffer the command goes on. */
static void advance(struct ata *d)
{
    if (d->buf_pos < d->drq_end)
        return;
    if (d->buf_pos < d->buf_end)
        open_block(d, true);
    else
        buffer_done(d);
}

size_t ata_data_in(struct ata *d, void *to, size_t bytes)
{
    if (d->phase != ATA_DRQ_IN)
        return 0;
    if (bytes > d->drq_end - d->buf_pos)
        bytes = d->drq_end - d->buf_pos;
    memcpy(to, d->buf + d->buf_pos, bytes);
    d->buf_pos += (uint32_t)bytes;
    advance(d);
    return bytes;
}

static size_t packet_out(struct ata *d, const void *from, size_t bytes)
{
    if (bytes > sizeof(d->packet) - d->buf_pos)
        bytes = sizeof(d->packet) - d->buf_pos;
    memcpy(d->packet + d->buf_pos, from, bytes);
    d->buf_pos += (uint32_t)bytes;
    if (d->buf_pos == sizeof(d->packet))
        atapi_packet(d);
    return bytes;
}

size_t ata_data_out(struct ata *d, const void *from, size_t bytes)
{
    if (d->phase == ATA_PACKET)
        return packet_out(d, from, bytes);
    if (d->phase != ATA_DRQ_OUT)
        return 0;
    if (bytes > d->drq_end - d->buf_pos)
        bytes = d->drq_end - d->buf_pos;
    memcpy(d->buf + d->buf_pos, from, bytes);
    d->buf_pos += (uint32_t)bytes;
    advance(d);
    return bytes;
}

uint32_t ata_dma_want(struct ata *d, uint8_t **ret_bytes, bool *ret_to_host)
{
    if (d->phase != ATA_DMA_IN && d->phase != ATA_DMA_OUT)
        return 0;
    *ret_bytes = d->buf + d->buf_pos;
    *ret_to_host = d->phase == ATA_DMA_IN;
    return d->buf_end - d->buf_pos;
}

void ata_dma_moved(struct ata *d, uint32_t bytes)
{
    uint32_t left = d->buf_end - d->buf_pos;

    d->buf_pos += bytes < left ? bytes : left;
    d->drq_end = d->buf_pos;
    if (d->buf_pos == d->buf_end)
        buffer_done(d);
}

void ata_io_done(struct ata *d, int status)
{
    uint8_t op = d->io.op;

    if (d->phase != ATA_MEDIA)
        return;
    d->io.op = ATA_IO_NONE;
    d->phase = ATA_IDLE;
    if (d->id.kind == ATA_KIND_CDROM)
        atapi_io_done(d, op, status);
    else
        ata_disk_io_done(d, op, status);
}

/* ---- reset and registers ---- */

static void drop_command(struct ata *d)
{
    d->phase = ATA_IDLE;
    d->io = (struct ata_io){.op = ATA_IO_NONE};
    d->buf_pos = d->drq_end = d->buf_end = 0;
    d->dma = d->lba48 = d->verify = d->durable = d->single = d->media = false;
    d->todo = d->trim_pos = 0;
    d->intrq = false;
}

void ata_reset(struct ata *d, bool hard)
{
    uint16_t cylinders;

    drop_command(d);
    d->sleeping = d->standby = false;
    d->device = 0;
    ata_signature(d);
    d->error = 0x01; /* diagnostic code: passed */
    d->status = d->id.kind == ATA_KIND_CDROM ? 0 : ATA_DRDY | ATA_DSC;
    if (hard) {
        d->control = 0;
        d->feature[0] = d->feature[1] = 0;
        d->command = 0;
        d->multiple = 0;
        d->transfer_mode = 0x08;
        d->write_cache = d->lookahead = true;
        d->smart = false;
        d->failed_tag = ATA_NO_TAG;
    }
    ata_default_geometry(d, &cylinders, &d->heads, &d->sectors_per_track);
    if (d->id.kind == ATA_KIND_CDROM && hard)
        atapi_reset(d);
}

void ata_medium(struct ata *d, uint64_t sectors, bool read_only, bool changed)
{
    d->sectors = sectors;
    d->read_only = read_only;
    if (!changed || d->id.kind != ATA_KIND_CDROM)
        return;
    d->tray_open = false;
    d->media_event = true;
    if (sectors)
        d->attention = (struct ata_sense){0x06, 0x28, 0x00}; /* not ready to ready change */
}

uint8_t ata_status(const struct ata *d)
{
    return d->control & ATA_SRST ? (uint8_t)ATA_BSY : d->status;
}

uint8_t ata_read(struct ata *d, enum ata_reg reg)
{
    unsigned hob = d->control & ATA_HOB ? 1 : 0;

    switch (reg) {
    case ATA_DATA: break;
    case ATA_FEATURE: return d->error;
    case ATA_COUNT: return d->count[hob];
    case ATA_LBA_LOW: return d->lba_low[hob];
    case ATA_LBA_MID: return d->lba_mid[hob];
    case ATA_LBA_HIGH: return d->lba_high[hob];
    case ATA_DEVICE: return d->device | 0xa0; /* obsolete bits read one */
    case ATA_COMMAND: d->intrq = false; return ata_status(d);
    }
    return 0xff;
}

static void push(uint8_t reg[2], uint8_t val)
{
    reg[1] = reg[0];
    reg[0] = val;
}

static bool busy(const struct ata *d)
{
    return (ata_status(d) & (ATA_BSY | ATA_DRQ)) != 0;
}

static void start(struct ata *d, uint8_t command)
{
    if (d->id.kind == ATA_KIND_NONE || (d->control & ATA_SRST))
        return;
    if (command == 0x08 && d->id.kind == ATA_KIND_CDROM) { /* DEVICE RESET is heeded at any time (8.7) */
        uint8_t select = d->device & ATA_DEV;

        ata_reset(d, false);
        d->device = select;
        d->command = command;
        return;
    }
    if (busy(d) || d->sleeping)
        return;
    drop_command(d);
    d->command = command;
    if (d->id.kind == ATA_KIND_CDROM)
        atapi_command(d);
    else
        ata_disk_command(d);
}

void ata_write(struct ata *d, enum ata_reg reg, uint8_t val)
{
    d->control &= (uint8_t)~ATA_HOB; /* 7.8: any write to the command block clears HOB */
    if (reg == ATA_COMMAND) {
        start(d, val);
        return;
    }
    if (busy(d)) { /* 7.1: no effect but on the selection while BSY or DRQ is one */
        if (reg == ATA_DEVICE)
            d->device = (uint8_t)((d->device & ~ATA_DEV) | (val & ATA_DEV));
        return;
    }
    switch (reg) {
    case ATA_FEATURE: push(d->feature, val); break;
    case ATA_COUNT: push(d->count, val); break;
    case ATA_LBA_LOW: push(d->lba_low, val); break;
    case ATA_LBA_MID: push(d->lba_mid, val); break;
    case ATA_LBA_HIGH: push(d->lba_high, val); break;
    case ATA_DEVICE: d->device = val & (ATA_LBA | ATA_DEV | 0x0f); break;
    default: break;
    }
}

void ata_write_control(struct ata *d, uint8_t val)
{
    bool was = d->control & ATA_SRST;

    d->control = val & (ATA_HOB | ATA_SRST | ATA_NIEN);
    if (!was && (val & ATA_SRST)) {
        drop_command(d);
        d->error = 0;
    } else if (was && !(val & ATA_SRST)) {
        ata_reset(d, false);
    }
}
