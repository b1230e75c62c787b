/*
 * vhdx.c - VHDX images, fixed and dynamic, for reading.
 *
 * Source: Microsoft [MS-VHDX] v20160714. Of the two headers the valid one with the higher sequence number counts.
 * Left out: images with a log to replay (closed badly: open and close them once where they come from), differencing.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"

#define KIB64          (64u << 10)
#define MIB            (1u << 20)
#define HEADER_BYTES   4096
#define MAX_ITEMS      2047
#define MAX_BAT_BYTES  (64u << 20)
#define STATE_MASK     7u
#define STATE_ZERO     2u
#define STATE_UNMAPPED 3u
#define STATE_PRESENT  6u

/* GUIDs as they lie in the file */
static const uint8_t guid_bat[16] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
                                     0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t guid_metadata[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                          0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t guid_parameters[16] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                            0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
static const uint8_t guid_size[16] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                      0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
static const uint8_t guid_sector[16] = {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47,
                                        0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f};

struct region {
    uint64_t at;
    uint32_t bytes;
};

struct vhdx {
    uint64_t *bat; /* host byte order */
    uint64_t entries, ratio, file_bytes;
    uint32_t block_bytes, sector_bytes, flags;
};

/* CRC-32C (Castagnoli, reflected), of data with the four bytes at 4 taken as zero. */
static uint32_t crc32c(const uint8_t *p, size_t bytes)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < bytes; i++) {
        crc ^= i >= 4 && i < 8 ? 0 : p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}

static bool refuse(struct vd *vd, GError **error, const char *why)
{
    return vd_refuse(vd->path, VERR_VD_GEN_INVALID_HEADER, error, "%s", why);
}

static bool read_at(struct vd *vd, void *buf, size_t bytes, uint64_t at, GError **error)
{
    int rc = fio_read(vd->io, vd->fd, buf, bytes, at);

    if (rc)
        fio_error(error, rc, "Cannot read the metadata of '%s'", vd->path);
    return rc == 0;
}

static bool check_headers(struct vd *vd, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(HEADER_BYTES), *best = g_malloc(HEADER_BYTES);
    bool found = false;

    for (unsigned i = 1; i <= 2; i++) {
        if (!read_at(vd, raw, HEADER_BYTES, i * KIB64, error))
            return false;
        if (memcmp(raw, "head", 4) != 0 || le32(raw + 4) != crc32c(raw, HEADER_BYTES))
            continue;
        if (!found || le64(raw + 8) > le64(best + 8))
            memcpy(best, raw, HEADER_BYTES);
        found = true;
    }
    if (!found)
        return refuse(vd, error, "both its headers are damaged");
    if (le16(best + 66) != 1)
        return refuse(vd, error, "its version is not 1");
    if (!vd_all_zero(best + 48, 16))
        return refuse(vd, error, "it was not closed properly and has a log to replay; open it once where it was made");
    return true;
}

static bool find_regions(struct vd *vd, struct region *bat, struct region *metadata, GError **error)
{
    struct vhdx *v = vd->priv;
    g_autofree uint8_t *raw = g_malloc(KIB64);
    uint32_t n;

    if (!read_at(vd, raw, KIB64, 3 * KIB64, error))
        return false;
    n = le32(raw + 8);
    if (memcmp(raw, "regi", 4) != 0 || le32(raw + 4) != crc32c(raw, KIB64) || n > MAX_ITEMS)
        return refuse(vd, error, "its region table is damaged");
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *e = raw + 16 + 32 * i;
        struct region r = {le64(e + 16), le32(e + 24)};

        if (r.at > v->file_bytes || r.bytes > v->file_bytes - r.at)
            return refuse(vd, error, "a region lies beyond its end");
        if (memcmp(e, guid_bat, 16) == 0)
            *bat = r;
        else if (memcmp(e, guid_metadata, 16) == 0)
            *metadata = r;
        else if (le32(e + 28) & 1)
            return refuse(vd, error, "it needs a region that is not known");
    }
    if (bat->bytes == 0 || metadata->bytes < KIB64)
        return refuse(vd, error, "its block table or metadata is missing");
    return true;
}

/* Copies the item's first @bytes to @to. */
static bool take_item(struct vd *vd, const struct region *m, const uint8_t *e, void *to, size_t bytes, GError **error)
{
    uint32_t at = le32(e + 16);

    if (le32(e + 20) < bytes || at < KIB64 || at > m->bytes - bytes)
        return refuse(vd, error, "a metadata item is damaged");
    return read_at(vd, to, bytes, m->at + at, error);
}

static bool read_metadata(struct vd *vd, const struct region *m, GError **error)
{
    struct vhdx *v = vd->priv;
    g_autofree uint8_t *raw = g_malloc(KIB64);
    uint8_t parameters[8] = {}, size[8] = {}, sector[4] = {};
    uint16_t n;
    bool ok = true;

    if (!read_at(vd, raw, KIB64, m->at, error))
        return false;
    n = le16(raw + 10);
    if (memcmp(raw, "metadata", 8) != 0 || n > MAX_ITEMS)
        return refuse(vd, error, "its metadata table is damaged");
    for (uint16_t i = 0; ok && i < n; i++) {
        const uint8_t *e = raw + 32 + 32 * i;

        if (memcmp(e, guid_parameters, 16) == 0)
            ok = take_item(vd, m, e, parameters, sizeof(parameters), error);
        else if (memcmp(e, guid_size, 16) == 0)
            ok = take_item(vd, m, e, size, sizeof(size), error);
        else if (memcmp(e, guid_sector, 16) == 0)
            ok = take_item(vd, m, e, sector, sizeof(sector), error);
    }
    v->block_bytes = le32(parameters);
    v->flags = le32(parameters + 4);
    vd->size_bytes = le64(size);
    v->sector_bytes = le32(sector);
    return ok;
}

static const char *metadata_fault(const struct vd *vd, const struct vhdx *v)
{
    if (v->flags & 2)
        return "it holds only the differences to another image; convert it where it was made";
    if (!power_of_two(v->block_bytes) || v->block_bytes < MIB || v->block_bytes > 256 * MIB)
        return "its block size is not a power of two between 1 and 256 MiB";
    if (v->sector_bytes != 512 && v->sector_bytes != 4096)
        return "its sector size is neither 512 nor 4096";
    if (vd->size_bytes == 0 || vd->size_bytes % v->sector_bytes || vd->size_bytes > (64ull << 40))
        return "the disk size is zero, odd or larger than 64 TiB";
    return NULL;
}

/* An entry per block, and after each "ratio" of them one for a bitmap. */
static bool load_bat(struct vd *vd, const struct region *r, GError **error)
{
    struct vhdx *v = vd->priv;
    uint64_t blocks = (vd->size_bytes + v->block_bytes - 1) / v->block_bytes, bytes;

    v->ratio = ((uint64_t)v->sector_bytes << 23) / v->block_bytes;
    v->entries = blocks + (blocks - 1) / v->ratio;
    bytes = 8 * v->entries;
    if (bytes > r->bytes || bytes > MAX_BAT_BYTES)
        return refuse(vd, error, "its block table is too small for its size, or too large");
    v->bat = g_try_malloc(bytes);
    if (!v->bat)
        return refuse(vd, error, "its block table is too large for the memory");
    if (!read_at(vd, v->bat, bytes, r->at, error))
        return false;
    for (uint64_t i = 0; i < v->entries; i++)
        v->bat[i] = GUINT64_FROM_LE(v->bat[i]);
    return true;
}

static bool vhdx_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    struct region bat = {}, metadata = {};
    struct vhdx *v = g_new0(struct vhdx, 1);
    uint8_t signature[8] = {};
    const char *fault;

    vd->priv = v;
    v->file_bytes = file_bytes;
    if (fio_read_some(vd->io, vd->fd, signature, 8, 0) || memcmp(signature, "vhdxfile", 8) != 0)
        return refuse(vd, error, "it is not in VHDX format");
    if (!check_headers(vd, error) || !find_regions(vd, &bat, &metadata, error) || !read_metadata(vd, &metadata, error))
        return false;
    fault = metadata_fault(vd, v);
    if (fault)
        return refuse(vd, error, fault);
    vd->unit_bytes = v->block_bytes;
    return load_bat(vd, &bat, error);
}

static void vhdx_close(struct vd *vd)
{
    struct vhdx *v = vd->priv;

    if (!v)
        return;
    g_free(v->bat);
    g_clear_pointer(&vd->priv, g_free);
}

static bool vhdx_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    (void)tail;
    return memcmp(head, "vhdxfile", 8) == 0;
}

static int vhdx_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct vhdx *v = vd->priv;
    uint64_t block = off_bytes / v->block_bytes, off = off_bytes % v->block_bytes;
    uint64_t entry = v->bat[block + block / v->ratio], at = entry >> 20 << 20;
    unsigned state = entry & STATE_MASK;

    bytes = MIN(bytes, v->block_bytes - off);
    if (state == STATE_ZERO || state == STATE_UNMAPPED)
        return vd_extent_plain(ret, bytes, VD_ZERO);
    if (state != STATE_PRESENT)
        return state <= 1 ? vd_extent_plain(ret, bytes, VD_FREE) : VERR_VD_IMAGE_CORRUPTED;
    if (at < MIB || at >= v->file_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    return vd_extent_data(ret, bytes, vd->fd, at + off);
}

const struct vd_format vhdx_format = {
    .read_only = true,
    .probe = vhdx_probe,
    .open = vhdx_open,
    .close = vhdx_close,
    .map = vhdx_map,
};
