/*
 * vmdk_header.c - the header of a hosted sparse extent.
 *
 * Source: VMware "Virtual Disk Format 1.1", Hosted Sparse Extent Header and Stream-Optimized Compressed Sparse Extents.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define SECTOR         512u
#define MAX_SECTORS    (INT64_MAX / SECTOR)
#define MAX_GTS        (1u << 20) /* 32 TiB in grains of 64 KiB */
#define MAX_GRAIN      (8u << 20)
#define MAX_GT_ENTRIES 4096u
#define KNOWN_FLAGS    0x30007u

static const char *find_fault(const struct vmdk_header *h, uint64_t capacity, uint64_t grain)
{
    if (capacity == 0 || capacity > MAX_SECTORS)
        return "its capacity is zero or too large";
    if (!power_of_two(grain) || grain < 8 || grain > MAX_GRAIN / SECTOR)
        return "its grain size is not a power of two between 4 KiB and 8 MiB";
    if (!power_of_two(h->gt_entries) || h->gt_entries > MAX_GT_ENTRIES)
        return "the size of its grain tables is impossible";
    if (capacity / (grain * h->gt_entries) >= MAX_GTS)
        return "it has too many grain tables";
    if ((h->flags & VMDK_FLAG_COMPRESSED) && (h->compress != 1 || !(h->flags & VMDK_FLAG_MARKERS)))
        return "its kind of compression is not known";
    return NULL;
}

/* A number of sectors as bytes; what cannot be becomes UINT64_MAX. */
static uint64_t at_sector(uint64_t sectors)
{
    return sectors > MAX_SECTORS ? UINT64_MAX : sectors * SECTOR;
}

bool vmdk_header_parse(const char *path, const uint8_t raw[VMDK_HEADER_BYTES], struct vmdk_header *ret, GError **error)
{
    uint64_t capacity = le64(raw + 12), grain = le64(raw + 20);
    struct vmdk_header h = {.version = le32(raw + 4),
                            .flags = le32(raw + 8),
                            .gt_entries = le32(raw + 44),
                            .descriptor_at = at_sector(le64(raw + 28)),
                            .descriptor_bytes = at_sector(le64(raw + 36)),
                            .rgd_at = at_sector(le64(raw + 48)),
                            .gd_at = at_sector(le64(raw + 56)),
                            .overhead_bytes = at_sector(le64(raw + 64)),
                            .compress = le16(raw + 77)};
    const char *fault;

    if (le32(raw) != VMDK_SIGNATURE)
        return vd_refuse(path, VERR_VD_VMDK_INVALID_HEADER, error, "it is not a sparse VMDK extent");
    if (h.version < 1 || h.version > 3)
        return vd_refuse(path, VERR_VD_VMDK_UNSUPPORTED_VERSION, error, "its version is none of 1, 2, 3");
    if (h.flags & ~KNOWN_FLAGS)
        return vd_refuse(path, VERR_VD_VMDK_INVALID_HEADER, error, "its header has unknown flags");
    if ((h.flags & VMDK_FLAG_NEWLINES) && memcmp(raw + 73, "\n \r\n", 4) != 0)
        return vd_refuse(path, VERR_VD_VMDK_INVALID_HEADER, error,
                         "line ends were converted; transfer it again as a binary file");
    fault = find_fault(&h, capacity, grain);
    if (fault)
        return vd_refuse(path, VERR_VD_VMDK_INVALID_HEADER, error, "%s", fault);
    h.capacity_bytes = capacity * SECTOR;
    h.grain_bytes = grain * SECTOR;
    *ret = h;
    return true;
}

void vmdk_header_build(const struct vmdk_header *h, uint8_t raw[VMDK_HEADER_BYTES])
{
    memset(raw, 0, VMDK_HEADER_BYTES);
    put_le32(raw, VMDK_SIGNATURE);
    put_le32(raw + 4, h->version);
    put_le32(raw + 8, h->flags);
    put_le64(raw + 12, h->capacity_bytes / SECTOR);
    put_le64(raw + 20, h->grain_bytes / SECTOR);
    put_le64(raw + 28, h->descriptor_at / SECTOR);
    put_le64(raw + 36, h->descriptor_bytes / SECTOR);
    put_le32(raw + 44, h->gt_entries);
    put_le64(raw + 48, h->rgd_at / SECTOR);
    put_le64(raw + 56, h->gd_at == VMDK_GD_AT_END ? UINT64_MAX : h->gd_at / SECTOR);
    put_le64(raw + 64, h->overhead_bytes / SECTOR);
    memcpy(raw + 73, "\n \r\n", 4);
    put_le16(raw + 77, h->compress);
}

void vmdk_header_plan(struct vmdk_header *h, uint64_t bytes, uint32_t grain_bytes, bool embedded)
{
    uint64_t at = SECTOR, gd_bytes;

    *h = (struct vmdk_header){.version = 1,
                              .flags = VMDK_FLAG_NEWLINES | VMDK_FLAG_RGD,
                              .gt_entries = VMDK_GT_ENTRIES,
                              .capacity_bytes = bytes,
                              .grain_bytes = grain_bytes};
    if (embedded) {
        h->descriptor_at = at;
        h->descriptor_bytes = VMDK_EMBEDDED_BYTES;
        at += VMDK_EMBEDDED_BYTES;
    }
    gd_bytes = align_up(4ull * vmdk_gts(h), SECTOR);
    h->rgd_at = at;
    at += gd_bytes + vmdk_gts(h) * vmdk_gt_bytes(h);
    h->gd_at = at;
    at += gd_bytes + vmdk_gts(h) * vmdk_gt_bytes(h);
    h->overhead_bytes = align_up(at, grain_bytes);
}
