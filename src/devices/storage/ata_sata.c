/*
 * ata_sata.c - commands that disks of the serial age have: TRIM, and the logs.
 *
 * Source: ACS-2 (T13/2015-D) 7.10 DATA SET MANAGEMENT, 7.30 READ LOG EXT; Serial ATA 2.6, 13.7 (queued error log).
 */
#include <string.h>

#include "devices/storage/ata_int.h"

static uint32_t count_of(const struct ata *d)
{
    uint32_t n = (uint32_t)d->count[1] << 8 | d->count[0];

    return n ? n : 65536;
}

/* ---- DATA SET MANAGEMENT: TRIM (ACS-2, 7.10) ---- */

#define CMD_DSM     0x06
#define TRIM_BLOCKS 64u /* identify word 105 */
#define TRIM_ENTRY  8u  /* 48 bits of address, 16 of count */

static uint64_t get48(const uint8_t *p)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 6; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* The next range; entries of zero sectors are padding. */
void ata_trim_next(struct ata *d)
{
    while (d->trim_pos + TRIM_ENTRY <= d->buf_end) {
        const uint8_t *entry = d->buf + d->trim_pos;
        uint32_t n = (uint32_t)entry[7] << 8 | entry[6];
        uint64_t lba = get48(entry);

        d->trim_pos += TRIM_ENTRY;
        if (n == 0)
            continue;
        if (lba >= d->sectors || n > d->sectors - lba) {
            ata_fail(d, ATA_ABRT | ATA_IDNF);
            return;
        }
        ata_request(d, ATA_IO_DISCARD, lba * ATA_SECTOR_BYTES, n * ATA_SECTOR_BYTES);
        return;
    }
    ata_complete(d, false);
}

void ata_cmd_dsm(struct ata *d, unsigned flags)
{
    uint32_t n = count_of(d);

    (void)flags;
    if (!d->id.trim || d->read_only || !(d->feature[0] & 0x01) || n > TRIM_BLOCKS) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->dma = true;
    ata_receive(d, n * ATA_SECTOR_BYTES, false);
}

/* READ LOG EXT (ACS-2, 7.30): the directory, and what failed of the queued commands (SATA 2.6, 13.7). */
void ata_cmd_read_log(struct ata *d, unsigned flags)
{
    uint8_t log = d->lba_low[0], sum = 0;

    if (!d->id.sata || (log != 0x00 && log != 0x10) || count_of(d) != 1) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    memset(d->buf, 0, ATA_SECTOR_BYTES);
    if (log == 0x00) {
        d->buf[0] = 1;    /* version */
        d->buf[0x20] = 1; /* pages of log 10h */
    } else {
        d->buf[0] = d->failed_tag;
        d->buf[2] = ATA_DRDY | ATA_DSC | ATA_ERR;
        d->buf[3] = d->failed_error;
        d->buf[7] = ATA_LBA;
        for (unsigned i = 0; i < 6; i++)
            d->buf[i < 3 ? 4 + i : 5 + i] = (uint8_t)(d->failed_lba >> 8 * i);
        for (unsigned i = 0; i < ATA_SECTOR_BYTES - 1; i++)
            sum = (uint8_t)(sum + d->buf[i]);
        d->buf[ATA_SECTOR_BYTES - 1] = (uint8_t)-sum;
    }
    d->dma = flags & ATA_FLAG_DMA;
    d->block_bytes = ATA_SECTOR_BYTES;
    ata_send(d, ATA_SECTOR_BYTES);
}
