/*
 * partitions.h - the partitions of a disk: MBR with logical partitions, or GPT.
 *
 * The disk is hostile: sectors of 512 bytes, PARTITIONS_MAX entries, nothing beyond the end, no overlaps.
 */
#ifndef STORAGE_PARTITIONS_H
#define STORAGE_PARTITIONS_H

#include "storage/vd.h"

#define PARTITIONS_MAX 128

struct partition {
    unsigned number; /* as Linux numbers them: logical ones from 5 */
    uint8_t type;    /* MBR's; 0 on a GPT disk */
    uint64_t first_sector, sectors;
    uint8_t first_chs[3], last_chs[3]; /* MBR's: head, sector and high cylinder bits, cylinder */
    uint64_t table_sector;             /* logical: where its own table stands; 0 = none */
};

struct partitions {
    bool gpt;
    uint64_t backup_sector;               /* GPT: everything from here on belongs to the table's copy */
    unsigned count;                       /* the extended partition is none of them */
    struct partition all[PARTITIONS_MAX]; /* by first sector */
};

/** partitions_read() - VERR_INVALID_PARAMETER: there is no table, or it contradicts itself. */
bool partitions_read(struct vd *disk, struct partitions *ret, GError **error);
/** partitions_numbers() - "1,5,6" as a person names partitions; false: it is no such list. */
bool partitions_numbers(const char *text, unsigned ret[PARTITIONS_MAX], unsigned *ret_count);
/** partition_cylinder() - of one of the CHS triples. */
static inline unsigned partition_cylinder(const uint8_t chs[3])
{
    return chs[2] | (unsigned)(chs[1] & 0xc0) << 2;
}

#endif
