/*
 * partitions.c - see partitions.h.
 *
 * Source: UEFI specification 2.9, chapter 5 (GPT and the MBR as it has it); the chain of logical partitions as DOS
 * makes it: each has a table of its own, whose second entry leads on, counted from the extended partition's start.
 * Left out: checksums of the GPT, its copy at the end, sectors of 4,096 bytes.
 */
#include "storage/partitions.h"

#include <stdlib.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"

#define SECTOR          512u
#define AT_ENTRIES      0x1be
#define ENTRY_BYTES     16u
#define TYPE_PROTECTIVE 0xee
#define FIRST_LOGICAL   5u
#define GPT_ENTRY_MIN   128u
#define GPT_ENTRIES_MAX (4u << 20) /* bytes */

static bool refuse(struct vd *disk, GError **error, const char *what)
{
    return vd_refuse(disk->path, VERR_INVALID_PARAMETER, error, "%s", what);
}

static bool read_sector(struct vd *disk, uint64_t sector, uint8_t buf[SECTOR], GError **error)
{
    int rc = sector < disk->size_bytes / SECTOR ? vd_read(disk, sector * SECTOR, buf, SECTOR) : VERR_OUT_OF_RANGE;

    if (rc != 0)
        fio_error(error, rc, "Cannot read sector %" G_GUINT64_FORMAT " of '%s'", sector, disk->path);
    return rc == 0;
}

static bool is_table(const uint8_t buf[SECTOR])
{
    return buf[510] == 0x55 && buf[511] == 0xaa;
}

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool add(struct vd *disk, struct partitions *all, const struct partition *one, GError **error)
{
    const uint64_t end = disk->size_bytes / SECTOR;

    if (all->count == PARTITIONS_MAX)
        return refuse(disk, error, "it has too many partitions");
    if (one->first_sector == 0 || one->sectors == 0 || one->first_sector >= end ||
        one->sectors > end - one->first_sector)
        return refuse(disk, error, "a partition lies outside of the disk");
    all->all[all->count++] = *one;
    return true;
}

/* ---- MBR ---- */

static struct partition entry(const uint8_t *p, unsigned number, uint64_t base)
{
    struct partition one = {
        .number = number, .type = p[4], .first_sector = base + le32(p + 8), .sectors = le32(p + 12)};

    memcpy(one.first_chs, p + 1, sizeof one.first_chs);
    memcpy(one.last_chs, p + 5, sizeof one.last_chs);
    return one;
}

static bool read_logical(struct vd *disk, struct partitions *all, uint64_t extended, GError **error)
{
    uint64_t at = extended;
    uint8_t buf[SECTOR];

    for (unsigned number = FIRST_LOGICAL; number < FIRST_LOGICAL + PARTITIONS_MAX; number++) {
        if (!read_sector(disk, at, buf, error))
            return false;
        if (!is_table(buf))
            return refuse(disk, error, "a logical partition has no table");
        const uint8_t *first = buf + AT_ENTRIES, *next = first + ENTRY_BYTES;
        struct partition one = entry(first, number, at);
        one.table_sector = at;
        if (one.type != 0 && !add(disk, all, &one, error))
            return false;
        if (next[4] == 0)
            return true;
        if (!is_extended(next[4]) || le32(next + 8) == 0)
            return refuse(disk, error, "the chain of logical partitions is broken");
        at = extended + le32(next + 8);
    }
    return refuse(disk, error, "the chain of logical partitions does not end");
}

static bool read_mbr(struct vd *disk, const uint8_t mbr[SECTOR], struct partitions *all, GError **error)
{
    uint64_t extended = 0;

    for (unsigned k = 0; k < 4; k++) {
        const struct partition one = entry(mbr + AT_ENTRIES + k * ENTRY_BYTES, k + 1, 0);
        if (is_extended(one.type) && extended != 0)
            return refuse(disk, error, "it has two extended partitions");
        if (is_extended(one.type))
            extended = one.first_sector;
        else if (one.type != 0 && !add(disk, all, &one, error))
            return false;
    }
    return extended == 0 || read_logical(disk, all, extended, error);
}

/* ---- GPT ---- */

static bool read_gpt(struct vd *disk, struct partitions *all, GError **error)
{
    uint8_t head[SECTOR];

    if (!read_sector(disk, 1, head, error))
        return false;
    const uint32_t count = le32(head + 80), size = le32(head + 84);
    const uint64_t at = le64(head + 72), last = le64(head + 48);
    if (memcmp(head, "EFI PART", 8) != 0 || size < GPT_ENTRY_MIN || count > GPT_ENTRIES_MAX / size ||
        at > disk->size_bytes / SECTOR || last >= disk->size_bytes / SECTOR)
        return refuse(disk, error, "its GPT header is damaged");
    g_autofree uint8_t *table = g_malloc((size_t)count * size);
    int rc = vd_read(disk, at * SECTOR, table, (size_t)count * size);
    if (rc != 0) {
        fio_error(error, rc, "Cannot read the partition table of '%s'", disk->path);
        return false;
    }
    all->gpt = true;
    all->backup_sector = last + 1;
    for (uint32_t k = 0; k < count; k++) {
        const uint8_t *p = table + (size_t)k * size;
        const struct partition one = {
            .number = k + 1, .first_sector = le64(p + 32), .sectors = le64(p + 40) - le64(p + 32) + 1};
        if (!vd_all_zero(p, VD_UUID_BYTES) && !add(disk, all, &one, error))
            return false;
    }
    return true;
}

/* ---- both ---- */

static int by_start(const void *a, const void *b)
{
    const struct partition *one = a, *other = b;

    return one->first_sector < other->first_sector ? -1 : one->first_sector > other->first_sector;
}

bool partitions_read(struct vd *disk, struct partitions *ret, GError **error)
{
    uint8_t mbr[SECTOR];

    *ret = (struct partitions){0};
    if (!read_sector(disk, 0, mbr, error))
        return false;
    if (!is_table(mbr))
        return refuse(disk, error, "it has no partition table");
    if (!(mbr[AT_ENTRIES + 4] == TYPE_PROTECTIVE ? read_gpt(disk, ret, error) : read_mbr(disk, mbr, ret, error)))
        return false;
    qsort(ret->all, ret->count, sizeof ret->all[0], by_start);
    for (unsigned k = 1; k < ret->count; k++)
        if (ret->all[k].first_sector < ret->all[k - 1].first_sector + ret->all[k - 1].sectors)
            return refuse(disk, error, "two of its partitions overlap");
    return true;
}

bool partitions_numbers(const char *text, unsigned ret[PARTITIONS_MAX], unsigned *ret_count)
{
    g_auto(GStrv) words = g_strsplit(text, ",", PARTITIONS_MAX + 1);
    guint64 number;

    *ret_count = g_strv_length(words);
    if (*ret_count == 0 || *ret_count > PARTITIONS_MAX)
        return false;
    for (unsigned k = 0; k < *ret_count; k++) {
        if (!g_ascii_string_to_unsigned(words[k], 10, 1, PARTITIONS_MAX + 4, &number, NULL))
            return false;
        ret[k] = (unsigned)number;
    }
    return true;
}
