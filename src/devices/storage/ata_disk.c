/*
 * ata_disk.c - the commands of an ATA hard disk.
 *
 * Source: ATA/ATAPI-6 (T13/1410D) section 8, one row per command; FUA commands from ATA/ATAPI-7 4.x; INITIALIZE DEVICE
 * PARAMETERS, RECALIBRATE, SEEK and the sector forms of VERIFY from ATA-3, where systems of that time still use them.
 * Media errors: a chunk that cannot be read is read again sector by sector, so everything before the bad sector
 * arrives and the registers name the bad one (UNC). Write and flush errors are ABRT, as the standard gives
 * no better word for a failing host.
 */
#include <string.h>

#include "devices/storage/ata_int.h"

enum {
    F_EXT = 0x01, /* 48-bit registers */
    F_DMA = ATA_FLAG_DMA,
    F_MULTI = 0x04, /* DRQ blocks of d->multiple sectors */
    F_WRITE = 0x08,
    F_VERIFY = 0x10,
    F_FUA = 0x20,
};

struct row {
    uint8_t first, last; /* opcodes */
    void (*run)(struct ata *d, unsigned flags);
    uint8_t flags;
};

/* ---- addresses ---- */

/* The sector the registers name; false = no such sector in this geometry. */
static bool get_lba(const struct ata *d, bool ext, uint64_t *ret)
{
    uint32_t low = d->lba_low[0], mid = d->lba_mid[0], high = d->lba_high[0], top = d->device & 0x0f;
    uint32_t cylinder = high << 8 | mid;

    if (ext) {
        *ret = (uint64_t)d->lba_high[1] << 40 | (uint64_t)d->lba_mid[1] << 32 | (uint64_t)d->lba_low[1] << 24 |
               high << 16 | mid << 8 | low;
        return (d->device & ATA_LBA) != 0;
    }
    if (d->device & ATA_LBA) {
        *ret = top << 24 | high << 16 | mid << 8 | low;
        return true;
    }
    *ret = ((uint64_t)cylinder * d->heads + top) * d->sectors_per_track + low - 1;
    return low >= 1 && low <= d->sectors_per_track && top < d->heads;
}

static void put_lba(struct ata *d, uint64_t lba, bool ext)
{
    if (!ext && !(d->device & ATA_LBA)) {
        uint64_t track = lba / d->sectors_per_track, cylinder = track / d->heads;

        d->lba_low[0] = (uint8_t)(lba % d->sectors_per_track + 1);
        d->device = (uint8_t)((d->device & 0xf0) | (track % d->heads));
        d->lba_mid[0] = (uint8_t)cylinder;
        d->lba_high[0] = (uint8_t)(cylinder >> 8);
        return;
    }
    d->lba_low[0] = (uint8_t)lba;
    d->lba_mid[0] = (uint8_t)(lba >> 8);
    d->lba_high[0] = (uint8_t)(lba >> 16);
    if (ext) {
        d->lba_low[1] = (uint8_t)(lba >> 24);
        d->lba_mid[1] = (uint8_t)(lba >> 32);
        d->lba_high[1] = (uint8_t)(lba >> 40);
    } else {
        d->device = (uint8_t)((d->device & 0xf0) | (lba >> 24 & 0x0f));
    }
}

static uint32_t get_count(const struct ata *d, bool ext)
{
    uint32_t n = ext ? (uint32_t)d->count[1] << 8 | d->count[0] : d->count[0];

    return n ? n : ext ? 65536 : 256;
}

static void fail_at(struct ata *d, uint64_t lba, uint8_t error)
{
    put_lba(d, lba, d->lba48);
    ata_fail(d, error);
}

/* ---- reading and writing sectors ---- */

static void refill(struct ata *d)
{
    uint32_t most = d->single ? 1 : ATA_BUF_SECTORS;
    uint32_t n = d->todo < most ? d->todo : most;

    ata_request(d, ATA_IO_READ, d->lba * ATA_SECTOR_BYTES, n * ATA_SECTOR_BYTES);
}

static void accept(struct ata *d, bool announce)
{
    uint32_t n = d->todo < ATA_BUF_SECTORS ? d->todo : ATA_BUF_SECTORS;

    ata_receive(d, n * ATA_SECTOR_BYTES, announce);
}

static void finish_transfer(struct ata *d, bool quiet)
{
    put_lba(d, d->lba - 1, d->lba48);
    d->count[0] = d->count[1] = 0;
    ata_complete(d, quiet);
}

static void cmd_transfer(struct ata *d, unsigned flags)
{
    bool ext = flags & F_EXT;
    uint32_t n = get_count(d, ext);
    uint64_t lba;

    d->lba48 = ext;
    if ((flags & F_MULTI) && d->multiple == 0) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    if (!get_lba(d, ext, &lba) || lba >= d->sectors || n > d->sectors - lba) {
        ata_fail(d, ATA_IDNF);
        return;
    }
    if ((flags & F_WRITE) && d->read_only) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->lba = lba;
    d->todo = n;
    d->media = true;
    d->standby = false;
    d->dma = flags & F_DMA;
    d->verify = flags & F_VERIFY;
    d->durable = (flags & F_WRITE) && ((flags & F_FUA) || !d->write_cache);
    d->block_bytes = (flags & F_MULTI ? d->multiple : 1u) * ATA_SECTOR_BYTES;
    if (flags & F_WRITE)
        accept(d, false);
    else
        refill(d);
}

static void read_done(struct ata *d, int status)
{
    uint32_t n = d->io.bytes / ATA_SECTOR_BYTES;

    if (status && n > 1) {
        d->single = true; /* which one is it? */
        refill(d);
        return;
    }
    if (status) {
        fail_at(d, d->lba, ATA_UNC);
        return;
    }
    d->lba += n;
    d->todo -= n < d->todo ? n : d->todo;
    if (!d->verify)
        ata_send(d, n * ATA_SECTOR_BYTES);
    else if (d->todo)
        refill(d);
    else
        finish_transfer(d, false);
}

static void write_done(struct ata *d, int status)
{
    uint32_t n = d->io.bytes / ATA_SECTOR_BYTES;

    if (status) {
        fail_at(d, d->lba, ATA_ABRT);
        return;
    }
    d->lba += n;
    d->todo -= n < d->todo ? n : d->todo;
    if (d->todo)
        accept(d, true);
    else if (d->durable)
        ata_request(d, ATA_IO_FLUSH, 0, 0);
    else
        finish_transfer(d, false);
}

void ata_disk_io_done(struct ata *d, uint8_t op, int status)
{
    if (op == ATA_IO_READ)
        read_done(d, status);
    else if (op == ATA_IO_WRITE)
        write_done(d, status);
    else if (status)
        ata_fail(d, ATA_ABRT);
    else if (op == ATA_IO_DISCARD)
        ata_trim_next(d);
    else if (d->media)
        finish_transfer(d, false);
    else
        ata_complete(d, false);
}

void ata_disk_buffer_done(struct ata *d)
{
    bool out = d->phase == ATA_DRQ_OUT || d->phase == ATA_DMA_OUT;

    if (d->command == ATA_CMD_DSM)
        ata_trim_next(d);
    else if (!d->media)
        ata_complete(d, !out); /* IDENTIFY and the like; WRITE BUFFER */
    else if (out)
        ata_request(d, ATA_IO_WRITE, d->lba * ATA_SECTOR_BYTES, d->buf_end);
    else if (d->todo)
        refill(d);
    else
        finish_transfer(d, !d->dma);
}

/* ---- the other commands ---- */

static void cmd_flush(struct ata *d, unsigned flags)
{
    d->lba48 = flags & F_EXT;
    ata_request(d, ATA_IO_FLUSH, 0, 0);
}

static void cmd_ok(struct ata *d, unsigned flags)
{
    (void)flags;
    ata_complete(d, false);
}

/* 8.50-8.53: what is cached is written before the disk spins down. */
void ata_cmd_standby(struct ata *d, unsigned flags)
{
    d->standby = true;
    cmd_flush(d, flags);
}

void ata_cmd_sleep(struct ata *d, unsigned flags)
{
    d->sleeping = d->standby = true; /* until a reset (8.49) */
    cmd_flush(d, flags);
}

void ata_cmd_idle(struct ata *d, unsigned flags)
{
    d->standby = false;
    cmd_ok(d, flags);
}

void ata_cmd_check_power(struct ata *d, unsigned flags)
{
    d->count[0] = d->standby ? 0x00 : 0xff;
    cmd_ok(d, flags);
}

static void cmd_seek(struct ata *d, unsigned flags)
{
    uint64_t lba;

    (void)flags;
    if (get_lba(d, false, &lba) && lba < d->sectors)
        ata_complete(d, false);
    else
        ata_fail(d, ATA_IDNF);
}

static void send_block(struct ata *d)
{
    d->block_bytes = ATA_SECTOR_BYTES;
    ata_send(d, ATA_SECTOR_BYTES);
}

static void cmd_identify(struct ata *d, unsigned flags)
{
    (void)flags;
    ata_identify(d);
    send_block(d);
}

static void cmd_read_buffer(struct ata *d, unsigned flags)
{
    (void)flags;
    send_block(d);
}

static void cmd_write_buffer(struct ata *d, unsigned flags)
{
    (void)flags;
    d->block_bytes = ATA_SECTOR_BYTES;
    ata_receive(d, ATA_SECTOR_BYTES, false);
}

static void cmd_set_multiple(struct ata *d, unsigned flags)
{
    uint8_t n = d->count[0];

    (void)flags;
    if (n > ATA_MULTIPLE_MAX || (n & (n - 1))) {
        d->multiple = 0; /* 8.39: what was set is gone, too */
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->multiple = n;
    ata_complete(d, false);
}

static void cmd_init_parameters(struct ata *d, unsigned flags)
{
    (void)flags;
    if (d->count[0] == 0) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->sectors_per_track = d->count[0];
    d->heads = (uint8_t)((d->device & 0x0f) + 1);
    ata_complete(d, false);
}

static void cmd_native_max(struct ata *d, unsigned flags)
{
    bool ext = flags & F_EXT;
    uint64_t last = d->sectors - 1;

    d->device |= ATA_LBA;
    put_lba(d, !ext && last > 0x0ffffffe ? 0x0ffffffe : last, ext);
    ata_complete(d, false);
}

/* SET FEATURES 03h: which transfer modes we have, by the high bits of the sector count. */
static bool mode_known(uint8_t mode)
{
    static const struct {
        uint8_t type, max;
    } modes[] = {{0x00, 1}, {0x08, 4}, {0x20, 2}, {0x40, 5}}; /* PIO default, PIO flow control, MWDMA, UDMA */

    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if ((mode & 0xf8) == modes[i].type)
            return (mode & 0x07) <= modes[i].max;
    return false;
}

void ata_cmd_set_features(struct ata *d, unsigned flags)
{
    bool ok = true;

    switch (d->feature[0]) {
    case 0x02: d->write_cache = true; break;
    case 0x03:
        ok = mode_known(d->count[0]);
        if (ok)
            d->transfer_mode = d->count[0];
        break;
    case 0x55: d->lookahead = false; break;
    case 0xaa: d->lookahead = true; break;
    case 0x66: break; /* keep settings over a software reset: they are kept */
    case 0xcc: break;
    case 0x82:
        d->write_cache = false;
        cmd_flush(d, flags);
        return;
    default: ok = false; break;
    }
    if (ok)
        ata_complete(d, false);
    else
        ata_fail(d, ATA_ABRT);
}

/* 8.41: structure version and checksum; no attribute is reported. */
static void smart_data(struct ata *d)
{
    uint8_t sum = 0;

    memset(d->buf, 0, ATA_SECTOR_BYTES);
    d->buf[0] = 0x10;
    d->buf[368] = 0x02; /* SMART capability: attributes saved by command */
    for (unsigned i = 0; i < ATA_SECTOR_BYTES - 1; i++)
        sum = (uint8_t)(sum + d->buf[i]);
    d->buf[ATA_SECTOR_BYTES - 1] = (uint8_t)-sum;
    send_block(d);
}

static void cmd_smart(struct ata *d, unsigned flags)
{
    uint8_t what = d->feature[0];

    (void)flags;
    if (d->lba_mid[0] != 0x4f || d->lba_high[0] != 0xc2 || (!d->smart && what != 0xd8)) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    switch (what) {
    case 0xd0: smart_data(d); return;
    case 0xd2: break; /* attribute autosave */
    case 0xd8: d->smart = true; break;
    case 0xd9: d->smart = false; break;
    case 0xda: break; /* status: the registers keep 4f c2: no threshold exceeded */
    default: ata_fail(d, ATA_ABRT); return;
    }
    ata_complete(d, false);
}

void ata_cmd_diagnostic(struct ata *d, unsigned flags)
{
    uint16_t cylinders;

    (void)flags;
    d->device = 0;
    ata_signature(d);
    ata_default_geometry(d, &cylinders, &d->heads, &d->sectors_per_track);
    ata_complete(d, false);
    d->error = 0x01;
}

static const struct row rows[] = {
    {ATA_CMD_DSM, ATA_CMD_DSM, ata_cmd_dsm, 0},
    {0x10, 0x1f, cmd_ok, 0}, /* RECALIBRATE */
    {0x20, 0x21, cmd_transfer, 0},
    {0x24, 0x24, cmd_transfer, F_EXT},
    {0x25, 0x25, cmd_transfer, F_EXT | F_DMA},
    {0x27, 0x27, cmd_native_max, F_EXT},
    {0x29, 0x29, cmd_transfer, F_EXT | F_MULTI},
    {0x2f, 0x2f, ata_cmd_read_log, 0},
    {0x30, 0x31, cmd_transfer, F_WRITE},
    {0x34, 0x34, cmd_transfer, F_WRITE | F_EXT},
    {0x35, 0x35, cmd_transfer, F_WRITE | F_EXT | F_DMA},
    {0x39, 0x39, cmd_transfer, F_WRITE | F_EXT | F_MULTI},
    {0x3c, 0x3c, cmd_transfer, F_WRITE | F_FUA}, /* WRITE VERIFY */
    {0x3d, 0x3d, cmd_transfer, F_WRITE | F_EXT | F_DMA | F_FUA},
    {0x40, 0x41, cmd_transfer, F_VERIFY},
    {0x42, 0x42, cmd_transfer, F_VERIFY | F_EXT},
    {0x47, 0x47, ata_cmd_read_log, ATA_FLAG_DMA},
    {0x70, 0x7f, cmd_seek, 0},
    {0x90, 0x90, ata_cmd_diagnostic, 0},
    {0x91, 0x91, cmd_init_parameters, 0},
    {0x94, 0x94, ata_cmd_standby, 0},
    {0x95, 0x95, ata_cmd_idle, 0},
    {0x96, 0x96, ata_cmd_standby, 0},
    {0x97, 0x97, ata_cmd_idle, 0},
    {0x98, 0x98, ata_cmd_check_power, 0},
    {0x99, 0x99, ata_cmd_sleep, 0},
    {0xb0, 0xb0, cmd_smart, 0},
    {0xc4, 0xc4, cmd_transfer, F_MULTI},
    {0xc5, 0xc5, cmd_transfer, F_WRITE | F_MULTI},
    {0xc6, 0xc6, cmd_set_multiple, 0},
    {0xc8, 0xc9, cmd_transfer, F_DMA},
    {0xca, 0xcb, cmd_transfer, F_WRITE | F_DMA},
    {0xce, 0xce, cmd_transfer, F_WRITE | F_EXT | F_MULTI | F_FUA},
    {0xe0, 0xe0, ata_cmd_standby, 0},
    {0xe1, 0xe1, ata_cmd_idle, 0},
    {0xe2, 0xe2, ata_cmd_standby, 0},
    {0xe3, 0xe3, ata_cmd_idle, 0},
    {0xe4, 0xe4, cmd_read_buffer, 0},
    {0xe5, 0xe5, ata_cmd_check_power, 0},
    {0xe6, 0xe6, ata_cmd_sleep, 0},
    {0xe7, 0xe7, cmd_flush, 0},
    {0xe8, 0xe8, cmd_write_buffer, 0},
    {0xea, 0xea, cmd_flush, F_EXT},
    {0xec, 0xec, cmd_identify, 0},
    {0xef, 0xef, ata_cmd_set_features, 0},
    {0xf8, 0xf8, cmd_native_max, 0},
};

void ata_disk_command(struct ata *d)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (d->command < rows[i].first || d->command > rows[i].last)
            continue;
        rows[i].run(d, rows[i].flags);
        return;
    }
    ata_fail(d, ATA_ABRT); /* also NOP (00h), which always ends so (8.24) */
}
