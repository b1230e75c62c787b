/*
 * vhd.c - VHD images, fixed, dynamic and differencing: opening, and reading through table and bitmaps; vhd_write.c
 * writes.
 *
 * A table entry names the sector of a block: a bitmap of its sectors, then the data. A sector whose bit is clear is not
 * in this image: the parent's, or zeros. New blocks go to the end of the data, over the footer, which moves behind
 * them; until it is there the copy at the beginning of the file counts.
 *
 * Left out: modification UUIDs (the format has none: a base that was written to is not noticed), saved states.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vhd_int.h"

#define CACHED_BITMAPS 4096
#define LOST_BLOCKS    1024 /* entries without blocks a crash can leave */

/* ---- opening ---- */

/* The footer at the end counts; if a crash took it, the copy at the beginning. */
static bool read_footer(struct vd *vd, uint64_t file_bytes, GError **error)
{
    uint8_t raw[VHD_FOOTER_BYTES] = {};
    struct vhd *v = vd->priv;
    int rc = 0;

    v->end_bytes = file_bytes - MIN(file_bytes, VHD_FOOTER_BYTES);
    v->stale_bytes = file_bytes;
    if (file_bytes >= VHD_FOOTER_BYTES)
        rc = fio_read(vd->io, vd->fd, raw, sizeof(raw), v->end_bytes);
    if (rc == 0 && !vhd_footer_valid(raw)) {
        rc = fio_read_some(vd->io, vd->fd, raw, sizeof(raw), 0);
        v->end_bytes = align_up(file_bytes, 512);
        if (rc == 0 && vhd_footer_valid(raw) && be32(raw + 60) == VHD_FIXED)
            return vd_refuse(vd->path, VERR_VD_VHD_INVALID_HEADER, error, "it is cut off");
    }
    if (rc) {
        fio_error(error, rc, "Cannot read the footer of '%s'", vd->path);
        return false;
    }
    return vhd_footer_parse(vd->path, raw, &v->f, error);
}

static bool read_header(struct vd *vd, uint64_t file_bytes, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHD_HEADER_BYTES);
    struct vhd *v = vd->priv;
    int rc;

    if (v->f.header_at % 512 || v->f.header_at > file_bytes || VHD_HEADER_BYTES > file_bytes - v->f.header_at)
        return vd_refuse(vd->path, VERR_VD_VHD_INVALID_HEADER, error, "its dynamic header lies beyond its end");
    rc = fio_read(vd->io, vd->fd, raw, VHD_HEADER_BYTES, v->f.header_at);
    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", vd->path);
        return false;
    }
    return vhd_header_parse(vd->path, raw, v->f.size_bytes, file_bytes, &v->h, error);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Blocks that overlap, or lie beyond the end of the file: told, or with no report a reason not to write. */
static int survey(struct vd *vd, uint64_t file_bytes, struct vd_report *r)
{
    struct vhd *v = vd->priv;
    uint64_t stride = v->bitmap_bytes + v->h.block_bytes;
    g_autofree uint32_t *sorted = g_try_malloc_n(v->h.entries, sizeof(uint32_t));
    uint32_t n = 0;

    if (!sorted)
        return VERR_NO_MEMORY;
    for (uint32_t b = 0; b < v->h.entries; b++)
        if (v->bat[b] != VHD_FREE)
            sorted[n++] = v->bat[b];
    qsort(sorted, n, sizeof(uint32_t), by_number);
    for (uint32_t i = 0; i < n; i++) {
        bool overlap = i > 0 && (sorted[i] - sorted[i - 1]) * 512ull < stride;

        if (!overlap && sorted[i] * 512ull < file_bytes + LOST_BLOCKS * stride)
            continue;
        if (r)
            vd_report_add(r, &r->errors, "the block at sector %u %s", sorted[i],
                          overlap ? "overlaps another one" : "lies beyond the end of the file");
        else
            vd_downgrade(vd, "the block at sector %u is damaged", sorted[i]);
    }
    return 0;
}

/*
 * An entry may have reached the disk and its block not (it shows zeros, or the parent): the data ends behind it all the
 * same. Where the footer is not at the end of the data, it is put there.
 */
static int find_end(struct vd *vd, uint64_t file_bytes)
{
    struct vhd *v = vd->priv;
    uint64_t stride = v->bitmap_bytes + v->h.block_bytes, most = file_bytes + (LOST_BLOCKS + 1) * stride;
    bool moved = v->end_bytes + VHD_FOOTER_BYTES != file_bytes;

    for (uint32_t b = 0; b < v->h.entries; b++) {
        uint64_t end = v->bat[b] * 512ull + stride;

        if (v->bat[b] == VHD_FREE || end <= v->end_bytes || end > most)
            continue;
        v->end_bytes = end;
        moved = true;
    }
    v->stale_bytes = MAX(v->stale_bytes, moved ? v->end_bytes + VHD_FOOTER_BYTES : 0);
    return moved && !vd->read_only ? vhd_put_footer(vd) : 0;
}

static bool load_table(struct vd *vd, uint64_t file_bytes, GError **error)
{
    struct vhd *v = vd->priv;
    int rc = VERR_NO_MEMORY;

    v->bat = g_try_malloc_n(v->h.entries, sizeof(uint32_t));
    if (v->bat)
        rc = fio_read(vd->io, vd->fd, v->bat, 4ull * v->h.entries, v->h.bat_at);
    for (uint32_t b = 0; rc == 0 && b < v->h.entries; b++)
        v->bat[b] = GUINT32_FROM_BE(v->bat[b]);
    if (rc == 0 && !vd->read_only)
        rc = survey(vd, file_bytes, NULL);
    if (rc == 0)
        rc = find_end(vd, file_bytes);
    if (rc)
        fio_error(error, rc, "Cannot read the block table of '%s'", vd->path);
    return rc == 0;
}

static bool open_dynamic(struct vd *vd, uint64_t file_bytes, GError **error)
{
    struct vhd *v = vd->priv;

    if (!read_header(vd, file_bytes, error))
        return false;
    v->bitmap_bytes = vhd_bitmap_bytes(v->h.block_bytes);
    v->bitmaps = tcache_new(vd->io, vd->fd, v->bitmap_bytes, CACHED_BITMAPS);
    vd->diff = v->f.type == VHD_DIFF;
    vd->unit_bytes = vd->diff ? 512 : v->h.block_bytes;
    memcpy(vd->ids.parent, v->h.parent, VD_UUID_BYTES);
    vd->hint = g_strdup(v->h.parent_name);
    if (vd->diff && vd_all_zero(v->h.parent, VD_UUID_BYTES))
        return vd_refuse(vd->path, VERR_VD_VHD_INVALID_HEADER, error,
                         "it is a differencing image that names no parent");
    return load_table(vd, file_bytes, error);
}

static bool vhd_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    struct vhd *v = g_new0(struct vhd, 1);

    vd->priv = v;
    v->new_blocks = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    if (!read_footer(vd, file_bytes, error))
        return false;
    vd->size_bytes = v->f.size_bytes;
    memcpy(vd->ids.image, v->f.uuid, VD_UUID_BYTES);
    vd->has_uuid = !vd_all_zero(v->f.uuid, VD_UUID_BYTES);
    if (v->f.type != VHD_FIXED)
        return open_dynamic(vd, file_bytes, error);
    if (v->f.size_bytes > v->end_bytes)
        return vd_refuse(vd->path, VERR_VD_VHD_INVALID_HEADER, error, "it is smaller than its footer says");
    return true;
}

static void vhd_close(struct vd *vd)
{
    struct vhd *v = vd->priv;

    if (!v)
        return;
    if (v->bitmaps && !vd->read_only && (v->new_blocks->len || tcache_dirty_count(v->bitmaps)))
        vhd_flush(vd);
    tcache_free(v->bitmaps);
    g_array_unref(v->new_blocks);
    g_free(v->bat);
    g_free(v->h.parent_name);
    g_clear_pointer(&vd->priv, g_free);
}

static bool vhd_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    return memcmp(head, "conectix", 8) == 0 || vhd_footer_valid(tail);
}

/* ---- looking up ---- */

/* The run of sectors from @sector on with the same bit; at most @most. */
static uint64_t bit_run(const uint8_t *bitmap, uint64_t sector, uint64_t most)
{
    bool bit = vhd_bit(bitmap, sector);
    uint64_t n = 1;

    while (n < most) {
        uint64_t s = sector + n;

        if (s % 8 == 0 && n + 8 <= most && bitmap[s / 8] == (bit ? 0xff : 0))
            n += 8;
        else if (vhd_bit(bitmap, s) == bit)
            n++;
        else
            break;
    }
    return n;
}

static int vhd_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct vhd *v = vd->priv;
    uint64_t off, sector, n;
    uint8_t *bitmap;
    uint32_t b;
    int rc;

    if (v->f.type == VHD_FIXED)
        return vd_extent_data(ret, bytes, vd->fd, off_bytes);
    b = (uint32_t)(off_bytes / v->h.block_bytes);
    off = off_bytes % v->h.block_bytes;
    bytes = MIN(bytes, v->h.block_bytes - off);
    if (v->bat[b] == VHD_FREE)
        return vd_extent_plain(ret, bytes, VD_FREE);
    if (v->bat[b] * 512ull >= v->end_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    rc = tcache_get(v->bitmaps, v->bat[b] * 512ull, &bitmap);
    if (rc)
        return rc;
    sector = off / 512;
    n = bit_run(bitmap, sector, (off + bytes + 511) / 512 - sector) * 512 - off % 512;
    n = MIN(n, bytes);
    return vhd_bit(bitmap, sector) ? vd_extent_data(ret, n, vd->fd, vhd_block_at(v, v->bat[b]) + off)
                                   : vd_extent_plain(ret, n, VD_FREE);
}

static bool vhd_quick(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct vhd *v = vd->priv;

    if (v->f.type == VHD_FIXED)
        return true;
    for (uint64_t b = off_bytes / v->h.block_bytes; b <= (off_bytes + bytes - 1) / v->h.block_bytes; b++)
        if (v->bat[b] != VHD_FREE && !tcache_has(v->bitmaps, v->bat[b] * 512ull))
            return false;
    return true;
}

void vhd_forget_bitmaps(struct vd *vd)
{
    struct vhd *v = vd->priv;

    tcache_free(v->bitmaps);
    v->bitmaps = tcache_new(vd->io, vd->fd, v->bitmap_bytes, CACHED_BITMAPS);
}

static bool vhd_check(struct vd *vd, struct vd_report *report, GError **error)
{
    struct vhd *v = vd->priv;
    int rc = v->f.type == VHD_FIXED ? 0 : survey(vd, v->end_bytes, report);

    if (rc)
        fio_error(error, rc, "Cannot check '%s'", vd->path);
    return rc == 0;
}

const struct vd_format vhd_format = {
    .probe = vhd_probe,
    .open = vhd_open,
    .close = vhd_close,
    .map = vhd_map,
    .quick = vhd_quick,
    .write = vhd_write,
    .discard = vhd_discard,
    .flush = vhd_flush,
    .create = vhd_create,
    .resize = vhd_resize,
    .compact = vhd_compact,
    .check = vhd_check,
    .set_parent = vhd_set_parent,
    .set_ids = vhd_set_ids,
};
