/*
 * parallels.c - Parallels expandable images (.hds, .hdd) for reading: one table of 32-bit block places.
 *
 * Source: QEMU docs/interop/parallels.txt. Left out: DiskDescriptor.xml bundles, dirty bitmaps.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"

#define HEADER_BYTES 64
#define MAX_ENTRIES  (8u << 20)
#define MAX_TRACKS   (64u << 11) /* 64 MiB in sectors */

struct parallels {
    uint32_t *bat; /* host byte order */
    uint32_t entries;
    uint64_t block_bytes, multiplier, file_bytes; /* multiplier: sectors per unit of an entry */
};

static bool is_old(const uint8_t *raw)
{
    return memcmp(raw, "WithoutFreeSpace", 16) == 0;
}

static bool is_ext(const uint8_t *raw)
{
    return memcmp(raw, "WithouFreSpacExt", 16) == 0;
}

static const char *header_fault(const uint8_t *raw, const struct parallels *p, uint64_t size)
{
    if (le32(raw + 16) != 2)
        return "its version is not 2";
    if (p->block_bytes == 0 || le32(raw + 28) > MAX_TRACKS)
        return "its block size is zero or too large";
    if (size == 0 || size > INT64_MAX)
        return "the disk size is zero or too large";
    if (p->entries == 0 || p->entries > MAX_ENTRIES || (size - 1) / p->block_bytes >= p->entries)
        return "its table does not fit its size";
    if (HEADER_BYTES + 4ull * p->entries > p->file_bytes)
        return "its table lies beyond its end";
    return NULL;
}

static bool load(struct vd *vd, struct parallels *p, GError **error)
{
    int rc;

    p->bat = g_try_malloc_n(p->entries, sizeof(uint32_t));
    rc = p->bat ? fio_read(vd->io, vd->fd, p->bat, 4ull * p->entries, HEADER_BYTES) : VERR_NO_MEMORY;
    for (uint32_t i = 0; rc == 0 && i < p->entries; i++)
        p->bat[i] = GUINT32_FROM_LE(p->bat[i]);
    if (rc)
        fio_error(error, rc, "Cannot read the table of '%s'", vd->path);
    return rc == 0;
}

static bool parallels_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    uint8_t raw[HEADER_BYTES];
    struct parallels *p = g_new0(struct parallels, 1);
    int rc = fio_read_some(vd->io, vd->fd, raw, sizeof(raw), 0);
    uint64_t sectors;
    const char *fault;

    vd->priv = p;
    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", vd->path);
        return false;
    }
    p->file_bytes = file_bytes;
    p->entries = le32(raw + 32);
    p->block_bytes = le32(raw + 28) * 512ull;
    p->multiplier = is_ext(raw) ? le32(raw + 28) : 1;
    sectors = is_ext(raw) ? le64(raw + 36) : le32(raw + 36);
    if (!is_old(raw) && !is_ext(raw))
        fault = "it is not a Parallels image";
    else
        fault = header_fault(raw, p, sectors > INT64_MAX / 512 ? UINT64_MAX : sectors * 512);
    if (fault)
        return vd_refuse(vd->path, VERR_VD_PARALLELS_INVALID_HEADER, error, "%s", fault);
    vd->size_bytes = sectors * 512;
    return load(vd, p, error);
}

static void parallels_close(struct vd *vd)
{
    struct parallels *p = vd->priv;

    if (!p)
        return;
    g_free(p->bat);
    g_clear_pointer(&vd->priv, g_free);
}

static bool parallels_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    (void)tail;
    return is_old(head) || is_ext(head);
}

static int parallels_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct parallels *p = vd->priv;
    uint64_t off = off_bytes % p->block_bytes, at;
    uint32_t entry = p->bat[off_bytes / p->block_bytes];

    bytes = MIN(bytes, p->block_bytes - off);
    if (entry == 0)
        return vd_extent_plain(ret, bytes, VD_FREE);
    at = entry * p->multiplier * 512;
    if (at >= p->file_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    return vd_extent_data(ret, bytes, vd->fd, at + off);
}

const struct vd_format parallels_format = {
    .read_only = true,
    .probe = parallels_probe,
    .open = parallels_open,
    .close = parallels_close,
    .map = parallels_map,
};
