/*
 * vdi_header.c - VDI headers: versions 0.1 and 1.1 in, 1.1 with logical geometry ("1 plus") out.
 *
 * Source: the VDI layout, field by field, in doc/storage.md.
 * Every field is hostile: sizes meet limits and each other before anything is allocated or read.
 * Left out: undo images (never used in practice) and, for now, differencing images: both are refused by name.
 */
#include "storage/fmt/vdi_int.h"

#include <string.h>
#include <sys/random.h>

#include "rt/status.h"

#define INFO_TEXT        "<<< Ringbox Virtual Disk Image >>>\n"
#define PREHEADER_BYTES  72
#define OLD_HEADER_BYTES 348
#define HEADER_MIN_BYTES 384
#define HEADER_OUR_BYTES 400
#define ALIGN_BYTES      (1u << 20)
#define MAX_BLOCKS       (8u << 20) /* a map of 32 MiB; 8 TiB with blocks of 1 MiB */
#define MIN_BLOCK_BYTES  4096u
#define MAX_BLOCK_BYTES  (64u << 20)
#define FLAG_ZERO_EXPAND 1u

static uint32_t get32(const uint8_t *raw, unsigned at)
{
    uint32_t v;

    memcpy(&v, raw + at, sizeof(v));
    return GUINT32_FROM_LE(v);
}

static uint64_t get64(const uint8_t *raw, unsigned at)
{
    uint64_t v;

    memcpy(&v, raw + at, sizeof(v));
    return GUINT64_FROM_LE(v);
}

static void put32(uint8_t *raw, unsigned at, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(raw + at, &v, sizeof(v));
}

static void put64(uint8_t *raw, unsigned at, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(raw + at, &v, sizeof(v));
}

static uint64_t align_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) / to * to;
}

void vdi_uuid_swap(uint8_t to[VD_UUID_BYTES], const uint8_t from[VD_UUID_BYTES])
{
    static const uint8_t order[VD_UUID_BYTES] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t out[VD_UUID_BYTES];

    for (unsigned i = 0; i < VD_UUID_BYTES; i++)
        out[i] = from[order[i]];
    memcpy(to, out, sizeof(out));
}

void vdi_uuid_random(uint8_t ret[VD_UUID_BYTES])
{
    if (getrandom(ret, VD_UUID_BYTES, 0) != VD_UUID_BYTES)
        for (unsigned i = 0; i < VD_UUID_BYTES; i++)
            ret[i] = (uint8_t)g_random_int();
    ret[6] = (ret[6] & 0x0f) | 0x40; /* RFC 4122 section 4.4 */
    ret[8] = (ret[8] & 0x3f) | 0x80;
}

static void read_fields_old(const uint8_t *raw, struct vdi_header *h)
{
    h->type = get32(raw, 72);
    h->disk_bytes = get64(raw, 352);
    h->block_bytes = get32(raw, 360);
    h->blocks = get32(raw, 364);
    h->blocks_used = get32(raw, 368);
    memcpy(h->uuid_create, raw + 372, VD_UUID_BYTES);
    memcpy(h->uuid_modify, raw + 388, VD_UUID_BYTES);
    h->map_at = PREHEADER_BYTES + OLD_HEADER_BYTES;
    h->data_at = h->map_at + 4ull * h->blocks;
}

static void read_fields(const uint8_t *raw, struct vdi_header *h)
{
    h->type = get32(raw, 0x4c);
    h->map_at = get32(raw, 0x154);
    h->data_at = get32(raw, 0x158);
    h->disk_bytes = get64(raw, 0x170);
    h->block_bytes = get32(raw, 0x178);
    h->extra_bytes = get32(raw, 0x17c);
    h->blocks = get32(raw, 0x180);
    h->blocks_used = get32(raw, VDI_AT_BLOCKS_USED);
    memcpy(h->uuid_create, raw + 0x188, VD_UUID_BYTES);
    memcpy(h->uuid_modify, raw + VDI_AT_UUID_MODIFY, VD_UUID_BYTES);
}

static bool power_of_two(uint32_t v)
{
    return v && !(v & (v - 1));
}

/* What is wrong with the numbers, or NULL. All sums are of values limited before. */
static const char *find_fault(const struct vdi_header *h, uint64_t file_bytes)
{
    if (h->disk_bytes == 0 || h->disk_bytes % VD_SECTOR_BYTES || h->disk_bytes > INT64_MAX)
        return "the disk size is zero, odd or too large";
    if (!power_of_two(h->block_bytes) || h->block_bytes < MIN_BLOCK_BYTES || h->block_bytes > MAX_BLOCK_BYTES)
        return "the block size is not a power of two between 4 KiB and 64 MiB";
    if (h->extra_bytes && (!power_of_two(h->extra_bytes) || h->extra_bytes > h->block_bytes))
        return "the size of the extra data of a block is impossible";
    if (h->blocks == 0 || h->blocks > MAX_BLOCKS)
        return "the number of blocks is zero or too large";
    if ((uint64_t)h->blocks * h->block_bytes < h->disk_bytes)
        return "there are too few blocks for the size of the disk";
    if (h->blocks_used > h->blocks)
        return "more blocks are allocated than there are";
    if (h->map_at + 4ull * h->blocks > file_bytes)
        return "the block map ends beyond the end of the file";
    if (h->data_at < h->map_at + 4ull * h->blocks)
        return "the data begins inside the block map";
    if (vd_all_zero(h->uuid_create, VD_UUID_BYTES))
        return "the image has no UUID";
    return NULL;
}

static bool refuse(GError **error, int status, const char *path, const char *why)
{
    fio_error(error, status, "Disk image '%s': %s", path, why);
    return false;
}

static bool parse_version(const uint8_t *raw, const char *path, struct vdi_header *h, GError **error)
{
    uint32_t version = get32(raw, 0x44);

    if (get32(raw, 0x40) != VDI_SIGNATURE)
        return refuse(error, VERR_VD_VDI_INVALID_SIGNATURE, path, "it is not in VDI format");
    if (version == 0x00000001) {
        h->old = true;
        read_fields_old(raw, h);
        return true;
    }
    if (version != 0x00010001)
        return refuse(error, VERR_VD_VDI_UNSUPPORTED_VERSION, path, "its version is neither 1.1 nor 0.1");
    if (get32(raw, 0x48) < HEADER_MIN_BYTES)
        return refuse(error, VERR_VD_VDI_INVALID_HEADER, path, "the header is too short");
    if (get32(raw, 0x50) & ~FLAG_ZERO_EXPAND)
        return refuse(error, VERR_VD_VDI_INVALID_HEADER, path, "the header has unknown flags");
    read_fields(raw, h);
    if (h->map_at % VD_SECTOR_BYTES || h->map_at < PREHEADER_BYTES + (uint64_t)get32(raw, 0x48))
        return refuse(error, VERR_VD_VDI_INVALID_HEADER, path, "the block map is not where it can be");
    return true;
}

bool vdi_header_parse(const uint8_t raw[VDI_HEADER_BYTES], uint64_t file_bytes, const char *path,
                      struct vdi_header *ret, GError **error)
{
    struct vdi_header h = {};
    const char *fault;

    if (!parse_version(raw, path, &h, error))
        return false;
    if (h.type == VDI_DIFF || h.type == VDI_UNDO)
        return refuse(error, VERR_NOT_SUPPORTED, path,
                      "it holds only the differences to another image; differencing images cannot be opened yet");
    if (h.type != VDI_DYNAMIC && h.type != VDI_FIXED)
        return refuse(error, VERR_VD_VDI_INVALID_HEADER, path, "the image type is unknown");
    fault = find_fault(&h, file_bytes);
    if (fault)
        return refuse(error, VERR_VD_VDI_INVALID_HEADER, path, fault);
    *ret = h;
    return true;
}

bool vdi_header_init(struct vdi_header *h, uint64_t disk_bytes, bool fixed)
{
    uint64_t blocks = disk_bytes / VDI_BLOCK_BYTES + (disk_bytes % VDI_BLOCK_BYTES != 0);

    if (blocks == 0 || blocks > MAX_BLOCKS)
        return false;
    *h = (struct vdi_header){.type = fixed ? VDI_FIXED : VDI_DYNAMIC,
                             .map_at = ALIGN_BYTES,
                             .disk_bytes = disk_bytes,
                             .block_bytes = VDI_BLOCK_BYTES,
                             .blocks = (uint32_t)blocks,
                             .blocks_used = fixed ? (uint32_t)blocks : 0};
    h->data_at = align_up(h->map_at + 4 * blocks, ALIGN_BYTES);
    return true;
}

void vdi_header_build(const struct vdi_header *h, uint8_t raw[VDI_HEADER_BYTES])
{
    memset(raw, 0, VDI_HEADER_BYTES);
    memcpy(raw, INFO_TEXT, sizeof(INFO_TEXT) - 1);
    put32(raw, 0x40, VDI_SIGNATURE);
    put32(raw, 0x44, 0x00010001);
    put32(raw, 0x48, HEADER_OUR_BYTES);
    put32(raw, 0x4c, h->type);
    put32(raw, 0x154, (uint32_t)h->map_at);
    put32(raw, 0x158, (uint32_t)h->data_at);
    put32(raw, 0x168, VD_SECTOR_BYTES); /* physical geometry: not calculated */
    put64(raw, 0x170, h->disk_bytes);
    put32(raw, 0x178, h->block_bytes);
    put32(raw, 0x17c, h->extra_bytes);
    put32(raw, 0x180, h->blocks);
    put32(raw, VDI_AT_BLOCKS_USED, h->blocks_used);
    memcpy(raw + 0x188, h->uuid_create, VD_UUID_BYTES);
    memcpy(raw + VDI_AT_UUID_MODIFY, h->uuid_modify, VD_UUID_BYTES);
    put32(raw, 0x1d4, VD_SECTOR_BYTES); /* logical geometry: not calculated */
}
