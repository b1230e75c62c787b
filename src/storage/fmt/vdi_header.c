/*
 * vdi_header.c - VDI headers: versions 0.1 and 1.1 in, 1.1 with logical geometry ("1 plus") out.
 *
 * Source: the VDI layout, field by field, in doc/storage.md.
 * Every field is hostile: sizes meet limits and each other before anything is allocated or read.
 * Undo images (type 3, never used in practice) are differencing images under another number.
 */
#include "storage/fmt/vdi_int.h"

#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"

#define INFO_TEXT        "<<< Ringbox Virtual Disk Image >>>\n"
#define PREHEADER_BYTES  72
#define OLD_HEADER_BYTES 348
#define HEADER_MIN_BYTES 384
#define HEADER_OUR_BYTES 400
#define ALIGN_BYTES      (1u << 20)
#define FLAG_ZERO_EXPAND 1u

static void read_fields_old(const uint8_t *raw, struct vdi_header *h)
{
    h->type = le32(raw + 72);
    h->disk_bytes = le64(raw + 352);
    h->block_bytes = le32(raw + 360);
    h->blocks = le32(raw + 364);
    h->blocks_used = le32(raw + 368);
    vd_uuid_swap(h->ids.image, raw + 372);
    vd_uuid_swap(h->ids.modify, raw + 388);
    vd_uuid_swap(h->ids.parent, raw + 404);
    h->map_at = PREHEADER_BYTES + OLD_HEADER_BYTES;
    h->data_at = h->map_at + 4ull * h->blocks;
}

static void read_fields(const uint8_t *raw, struct vdi_header *h)
{
    h->type = le32(raw + 0x4c);
    h->map_at = le32(raw + 0x154);
    h->data_at = le32(raw + 0x158);
    h->disk_bytes = le64(raw + 0x170);
    h->block_bytes = le32(raw + 0x178);
    h->extra_bytes = le32(raw + 0x17c);
    h->blocks = le32(raw + 0x180);
    h->blocks_used = le32(raw + VDI_AT_BLOCKS_USED);
    vd_uuid_swap(h->ids.image, raw + 0x188);
    vd_uuid_swap(h->ids.modify, raw + VDI_AT_UUID_MODIFY);
    vd_uuid_swap(h->ids.parent, raw + 0x1a8);
    vd_uuid_swap(h->ids.parent_modify, raw + 0x1b8);
}

/* What is wrong with the numbers, or NULL. All sums are of values limited before. */
static const char *find_fault(const struct vdi_header *h, uint64_t file_bytes)
{
    if (h->disk_bytes == 0 || h->disk_bytes % VD_SECTOR_BYTES || h->disk_bytes > INT64_MAX)
        return "the disk size is zero, odd or too large";
    if (!power_of_two(h->block_bytes) || h->block_bytes < VDI_MIN_BLOCK || h->block_bytes > VDI_MAX_BLOCK)
        return "the block size is not a power of two between 4 KiB and 64 MiB";
    if (h->extra_bytes && (!power_of_two(h->extra_bytes) || h->extra_bytes > h->block_bytes))
        return "the size of the extra data of a block is impossible";
    if (h->blocks == 0 || h->blocks > VDI_MAX_BLOCKS)
        return "the number of blocks is zero or too large";
    if ((uint64_t)h->blocks * h->block_bytes < h->disk_bytes)
        return "there are too few blocks for the size of the disk";
    if (h->blocks_used > h->blocks)
        return "more blocks are allocated than there are";
    if (h->map_at + 4ull * h->blocks > file_bytes)
        return "the block map ends beyond the end of the file";
    if (h->data_at < h->map_at + 4ull * h->blocks)
        return "the data begins inside the block map";
    if (vd_all_zero(h->ids.image, VD_UUID_BYTES))
        return "the image has no UUID";
    if ((h->type == VDI_DIFF || h->type == VDI_UNDO) && vd_all_zero(h->ids.parent, VD_UUID_BYTES))
        return "it is a differencing image that names no parent";
    return NULL;
}

static bool parse_version(const uint8_t *raw, const char *path, struct vdi_header *h, GError **error)
{
    uint32_t version = le32(raw + 0x44);

    if (le32(raw + 0x40) != VDI_SIGNATURE)
        return vd_refuse(path, VERR_VD_VDI_INVALID_SIGNATURE, error, "it is not in VDI format");
    if (version == 0x00000001) {
        h->old = true;
        read_fields_old(raw, h);
        return true;
    }
    if (version != 0x00010001)
        return vd_refuse(path, VERR_VD_VDI_UNSUPPORTED_VERSION, error, "its version is neither 1.1 nor 0.1");
    if (le32(raw + 0x48) < HEADER_MIN_BYTES)
        return vd_refuse(path, VERR_VD_VDI_INVALID_HEADER, error, "the header is too short");
    if (le32(raw + 0x50) & ~FLAG_ZERO_EXPAND)
        return vd_refuse(path, VERR_VD_VDI_INVALID_HEADER, error, "the header has unknown flags");
    read_fields(raw, h);
    if (h->map_at % VD_SECTOR_BYTES || h->map_at < PREHEADER_BYTES + (uint64_t)le32(raw + 0x48))
        return vd_refuse(path, VERR_VD_VDI_INVALID_HEADER, error, "the block map is not where it can be");
    return true;
}

bool vdi_header_parse(const uint8_t raw[VDI_HEADER_BYTES], uint64_t file_bytes, const char *path,
                      struct vdi_header *ret, GError **error)
{
    struct vdi_header h = {};
    const char *fault;

    if (!parse_version(raw, path, &h, error))
        return false;
    if (h.type < VDI_DYNAMIC || h.type > VDI_DIFF)
        return vd_refuse(path, VERR_VD_VDI_INVALID_HEADER, error, "the image type is unknown");
    fault = find_fault(&h, file_bytes);
    if (fault)
        return vd_refuse(path, VERR_VD_VDI_INVALID_HEADER, error, "%s", fault);
    *ret = h;
    return true;
}

bool vdi_header_init(struct vdi_header *h, uint64_t disk_bytes, uint32_t block_bytes, enum vdi_type type)
{
    uint64_t blocks = disk_bytes / block_bytes + (disk_bytes % block_bytes != 0);
    uint64_t align = MIN(ALIGN_BYTES, block_bytes);

    if (blocks == 0 || blocks > VDI_MAX_BLOCKS || !power_of_two(block_bytes) || block_bytes < VDI_MIN_BLOCK ||
        block_bytes > VDI_MAX_BLOCK)
        return false;
    *h = (struct vdi_header){.type = type,
                             .map_at = align,
                             .disk_bytes = disk_bytes,
                             .block_bytes = block_bytes,
                             .blocks = (uint32_t)blocks,
                             .blocks_used = type == VDI_FIXED ? (uint32_t)blocks : 0};
    h->data_at = align_up(h->map_at + 4 * blocks, align);
    return true;
}

void vdi_header_build(const struct vdi_header *h, uint8_t raw[VDI_HEADER_BYTES])
{
    memset(raw, 0, VDI_HEADER_BYTES);
    memcpy(raw, INFO_TEXT, sizeof(INFO_TEXT) - 1);
    put_le32(raw + 0x40, VDI_SIGNATURE);
    put_le32(raw + 0x44, 0x00010001);
    put_le32(raw + 0x48, HEADER_OUR_BYTES);
    put_le32(raw + 0x168, VD_SECTOR_BYTES); /* physical geometry: not calculated */
    vdi_header_patch(h, raw);
    put_le32(raw + 0x1d4, VD_SECTOR_BYTES); /* logical geometry: not calculated */
}

void vdi_header_patch(const struct vdi_header *h, uint8_t raw[VD_SECTOR_BYTES])
{
    put_le32(raw + 0x4c, h->type);
    put_le32(raw + 0x154, (uint32_t)h->map_at);
    put_le32(raw + 0x158, (uint32_t)h->data_at);
    put_le64(raw + 0x170, h->disk_bytes);
    put_le32(raw + 0x178, h->block_bytes);
    put_le32(raw + 0x17c, h->extra_bytes);
    put_le32(raw + 0x180, h->blocks);
    put_le32(raw + VDI_AT_BLOCKS_USED, h->blocks_used);
    vd_uuid_swap(raw + 0x188, h->ids.image);
    vd_uuid_swap(raw + VDI_AT_UUID_MODIFY, h->ids.modify);
    vd_uuid_swap(raw + 0x1a8, h->ids.parent);
    vd_uuid_swap(raw + 0x1b8, h->ids.parent_modify);
}
