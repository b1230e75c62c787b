/*
 * fat.c - see fat.h.
 *
 * Source: Microsoft "FAT: General Overview of On-Disk Format" 1.03. Floppies have the layout of their size that DOS
 * knows; everything else is one hard disk volume. Left out: FAT32, partitions.
 */
#include "storage/fat.h"

#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"

#define SECTOR          512u
#define RESERVED        1u
#define FATS            2u
#define DIR_ENTRY_BYTES 32u
#define FAT12_MAX       4084u /* clusters */
#define FAT16_MAX       65524u
#define MAX_SPC         64u /* sectors a cluster: 32 KiB */
#define CHUNK_BYTES     (1u << 20)

struct layout {
    uint32_t sectors;
    uint8_t per_cluster;
    uint16_t root_entries;
    uint8_t media;
    uint16_t per_track, heads;
    uint32_t fat_sectors; /* of one */
    bool fat16;
};

static const struct layout floppies[] = {
    {.sectors = 640, .per_cluster = 2, .root_entries = 112, .media = 0xff, .per_track = 8, .heads = 2},
    {.sectors = 720, .per_cluster = 2, .root_entries = 112, .media = 0xfd, .per_track = 9, .heads = 2},
    {.sectors = 1440, .per_cluster = 2, .root_entries = 112, .media = 0xf9, .per_track = 9, .heads = 2},
    {.sectors = 2400, .per_cluster = 1, .root_entries = 224, .media = 0xf9, .per_track = 15, .heads = 2},
    {.sectors = 2880, .per_cluster = 1, .root_entries = 224, .media = 0xf0, .per_track = 18, .heads = 2},
    {.sectors = 5760, .per_cluster = 2, .root_entries = 240, .media = 0xf0, .per_track = 36, .heads = 2},
};

static uint32_t root_sectors(const struct layout *l)
{
    return (l->root_entries * DIR_ENTRY_BYTES + SECTOR - 1) / SECTOR;
}

static uint32_t system_sectors(const struct layout *l)
{
    return RESERVED + FATS * l->fat_sectors + root_sectors(l);
}

/* The smallest FAT that has an entry for each cluster it leaves room for. Return: clusters. */
static uint32_t fit_fat(struct layout *l)
{
    uint32_t clusters = 0, needed = 1;

    do {
        l->fat_sectors = needed;
        clusters = (l->sectors - MIN(system_sectors(l), l->sectors)) / l->per_cluster;
        l->fat16 = clusters > FAT12_MAX;
        needed = ((clusters + 2) * (l->fat16 ? 4 : 3) / 2 + SECTOR) / SECTOR;
    } while (needed > l->fat_sectors);
    return clusters;
}

static bool choose(const struct vd *vd, struct layout *l, GError **error)
{
    const uint64_t sectors = vd_size_bytes(vd) / SECTOR;

    for (size_t k = 0; k < G_N_ELEMENTS(floppies); k++)
        if (floppies[k].sectors == sectors) {
            *l = floppies[k];
            fit_fat(l);
            return true;
        }
    *l = (struct layout){.sectors = (uint32_t)MIN(sectors, UINT32_MAX),
                         .per_cluster = 1,
                         .root_entries = 512,
                         .media = 0xf8,
                         .per_track = 63,
                         .heads = 16};
    while (l->per_cluster <= MAX_SPC && sectors <= UINT32_MAX && sectors > 64) {
        if (fit_fat(l) <= FAT16_MAX)
            return true;
        l->per_cluster = (uint8_t)(l->per_cluster * 2);
    }
    return vd_refuse(vd_path(vd), VERR_VD_INVALID_SIZE, error, "a FAT file system has 33 KB to 2 GB");
}

static void boot_sector(const struct layout *l, uint8_t to[SECTOR])
{
    static const uint8_t stop[] = {0xfa, 0xf4, 0xeb, 0xfd}; /* cli; hlt; jump back */
    const bool small = l->sectors <= UINT16_MAX;

    memset(to, 0, SECTOR);
    memcpy(to, "\xeb\x3c\x90RINGBOX ", 11);
    put_le16(to + 11, SECTOR);
    to[13] = l->per_cluster;
    put_le16(to + 14, RESERVED);
    to[16] = FATS;
    put_le16(to + 17, l->root_entries);
    put_le16(to + 19, small ? (uint16_t)l->sectors : 0);
    to[21] = l->media;
    put_le16(to + 22, (uint16_t)l->fat_sectors);
    put_le16(to + 24, l->per_track);
    put_le16(to + 26, l->heads);
    put_le32(to + 32, small ? 0 : l->sectors);
    to[36] = l->media == 0xf8 ? 0x80 : 0;
    to[38] = 0x29;
    put_le32(to + 39, g_random_int());
    memcpy(to + 43, "NO NAME    ", 11);
    memcpy(to + 54, l->fat16 ? "FAT16   " : "FAT12   ", 8);
    memcpy(to + 62, stop, sizeof stop);
    put_le16(to + 510, 0xaa55);
}

static int put_zeros(struct vd *vd, uint64_t from, uint64_t end)
{
    g_autofree uint8_t *zeros = g_malloc0(CHUNK_BYTES);
    int rc = 0;

    for (; rc == 0 && from < end; from += CHUNK_BYTES)
        rc = vd_write(vd, from, zeros, (size_t)MIN(CHUNK_BYTES, end - from));
    return rc;
}

bool fat_format(struct vd *vd, bool quick, GError **error)
{
    struct layout l;
    uint8_t boot[SECTOR];

    if (!choose(vd, &l, error))
        return false;
    const uint8_t first[4] = {l.media, 0xff, 0xff, l.fat16 ? 0xff : 0};
    int rc = put_zeros(vd, SECTOR, quick ? (uint64_t)system_sectors(&l) * SECTOR : vd_size_bytes(vd));
    for (uint32_t k = 0; rc == 0 && k < FATS; k++)
        rc = vd_write(vd, (uint64_t)(RESERVED + k * l.fat_sectors) * SECTOR, first, sizeof first);
    boot_sector(&l, boot);
    if (rc == 0)
        rc = vd_write(vd, 0, boot, SECTOR);
    if (rc == 0)
        rc = vd_flush(vd);
    if (rc != 0)
        fio_error(error, rc, "Cannot format '%s'", vd_path(vd));
    return rc == 0;
}
