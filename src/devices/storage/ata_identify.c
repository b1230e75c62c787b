/*
 * ata_identify.c - IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data.
 *
 * Source: ATA/ATAPI-6 sections 8.15 (table 26) and 8.16 (table 29).
 */
#include <string.h>

#include "devices/storage/ata_int.h"

#define LBA28_MAX UINT64_C(0x0fffffff)

struct word {
    uint8_t index;
    uint16_t val;
};

/* Words that are the same for every disk. */
static const struct word disk_words[] = {
    {0, 0x0040}, /* fixed disk */
    {20, 3},     /* buffer type, size in sectors: retired, still printed by old tools */
    {21, 512},    {22, 4},      {47, 0x8000 | ATA_MULTIPLE_MAX},
    {48, 0x0001},               /* 32-bit data port */
    {49, 0x0f00},               /* IORDY, can be disabled; LBA; DMA */
    {50, 0x4000}, {51, 0x0200}, /* PIO and DMA timing modes of old */
    {52, 0x0200}, {53, 0x0007}, /* words 54-58, 64-70, 88 are valid */
    {64, 0x0003},               /* PIO modes 3, 4 */
    {65, 120},    {66, 120},    {67, 120},
    {68, 120},    /* cycle times, ns */
    {80, 0x007e}, /* ATA-1 to ATA/ATAPI-6 */
    {82, 0x7069}, /* NOP, READ and WRITE BUFFER, look-ahead, write cache, power management, SMART */
    {83, 0x7400}, /* FLUSH EXT, FLUSH, 48-bit */
    {84, 0x4040}, /* WRITE FUA EXT */
    {86, 0x3400}, {87, 0x4040},
};

/* What a disk on a serial link says differently (ACS-2, 7.16). */
static const struct word sata_words[] = {
    {75, 31},                   /* queue depth - 1 */
    {76, 0x010e},               /* queued commands; 1.5, 3, 6 Gb/s */
    {80, 0x01fe},               /* up to ATA8-ACS */
    {84, 0x4060}, {87, 0x4060}, /* WRITE FUA EXT, logs */
    {93, 0},
};

static const struct word sata_cdrom_words[] = {{76, 0x000e}, {93, 0}};

static const struct word cdrom_words[] = {
    {0, 0x85c0}, /* ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    {48, 0x0001}, {49, 0x0f00}, {53, 0x0006}, {64, 0x0003}, {65, 120},
    {66, 120},    {67, 120},    {68, 120},    {71, 30}, /* ns to bus release, and to BSY clear after SERVICE */
    {72, 30},     {80, 0x007e}, {82, 0x4210},           /* NOP, DEVICE RESET, PACKET */
    {83, 0x4000}, {84, 0x4000}, {85, 0x4210}, {87, 0x4000},
};

static void put(struct ata *d, unsigned index, uint64_t val)
{
    d->buf[index * 2] = (uint8_t)val;
    d->buf[index * 2 + 1] = (uint8_t)(val >> 8);
}

/* ATA strings: two characters to a word, the first in the high byte, padded with blanks (8.15.13). */
static void put_string(struct ata *d, unsigned index, unsigned words, const char *text)
{
    bool end = false;

    for (unsigned i = 0; i < words * 2; i++) {
        end |= text[i] == '\0';
        d->buf[index * 2 + (i ^ 1)] = end ? ' ' : (uint8_t)text[i];
    }
}

static void put_words(struct ata *d, const struct word *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        put(d, w[i].index, w[i].val);
}

void ata_default_geometry(const struct ata *d, uint16_t *ret_cylinders, uint8_t *ret_heads, uint8_t *ret_sectors)
{
    uint64_t cylinders = d->sectors / (16 * 63);

    *ret_cylinders = (uint16_t)(cylinders > 16383 ? 16383 : cylinders ? cylinders : 1);
    *ret_heads = 16;
    *ret_sectors = 63;
}

/* Transfer modes: what there is, and in the high byte the one that is set. */
static void put_modes(struct ata *d)
{
    unsigned mode = d->transfer_mode & 7;

    put(d, 63, 0x0007u | ((d->transfer_mode & 0xf8) == 0x20 ? 0x100u << mode : 0));
    put(d, 88, 0x003fu | ((d->transfer_mode & 0xf8) == 0x40 ? 0x100u << mode : 0));
    put(d, 93, d->id.slave ? 0x6b00 : 0x600b); /* 80-wire cable, selected by jumper, diagnostics passed */
}

static void put_geometry(struct ata *d)
{
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint64_t now, capacity;

    ata_default_geometry(d, &cylinders, &heads, &sectors);
    put(d, 1, cylinders);
    put(d, 3, heads);
    put(d, 6, sectors);
    now = d->sectors / ((uint64_t)d->heads * d->sectors_per_track);
    now = now > 65535 ? 65535 : now;
    capacity = now * d->heads * d->sectors_per_track;
    put(d, 54, now);
    put(d, 55, d->heads);
    put(d, 56, d->sectors_per_track);
    put(d, 57, capacity);
    put(d, 58, capacity >> 16);
}

static void put_sum(struct ata *d)
{
    uint8_t sum = 0;

    d->buf[510] = 0xa5;
    for (unsigned i = 0; i < 511; i++)
        sum = (uint8_t)(sum + d->buf[i]);
    d->buf[511] = (uint8_t)-sum;
}

void ata_identify(struct ata *d)
{
    uint64_t lba28 = d->sectors > LBA28_MAX ? LBA28_MAX : d->sectors;

    memset(d->buf, 0, ATA_SECTOR_BYTES);
    put_string(d, 10, 10, d->id.serial);
    put_string(d, 23, 4, d->id.firmware);
    put_string(d, 27, 20, d->id.model);
    put_modes(d);
    if (d->id.kind == ATA_KIND_CDROM) {
        put_words(d, cdrom_words, sizeof(cdrom_words) / sizeof(cdrom_words[0]));
        if (d->id.sata)
            put_words(d, sata_cdrom_words, sizeof(sata_cdrom_words) / sizeof(sata_cdrom_words[0]));
        put_sum(d);
        return;
    }
    put_words(d, disk_words, sizeof(disk_words) / sizeof(disk_words[0]));
    if (d->id.sata)
        put_words(d, sata_words, sizeof(sata_words) / sizeof(sata_words[0]));
    if (d->id.trim) {
        put(d, 105, 64); /* blocks of ranges at once */
        put(d, 169, 1);
    }
    if (d->id.non_rotational)
        put(d, 217, 1);
    put_geometry(d);
    put(d, 59, d->multiple ? 0x100u | d->multiple : 0);
    put(d, 60, lba28);
    put(d, 61, lba28 >> 16);
    put(d, 85, 0x7008u | d->smart | (d->write_cache ? 0x20u : 0) | (d->lookahead ? 0x40u : 0));
    for (unsigned i = 0; i < 4; i++)
        put(d, 100 + i, d->sectors >> (16 * i));
    put_sum(d);
}
