/*
 * vhd.c - VHD images, fixed, dynamic and differencing: reading and writing through table and bitmaps.
 *
 * A table entry names the sector of a block: a bitmap of its sectors, then the data. A sector whose bit is clear is not
 * in this image: the parent's, or zeros. New blocks go to the end of the data, over the footer, which moves behind
 * them; until it is there the copy at the beginning of the file counts.
 *
 * Order of writes. Without a parent a new block's bitmap is all ones and the rules of vdi.c hold: data, bitmap, footer,
 * table entry, no barrier, because beyond the old end there are zeros (inv 1). In all other cases (a parent, or bits
 * that are clear in an old block) bits and table entries stay in memory until vhd_commit() has synced the data; a new
 * block of a child has a bitmap of zeros in the file until then. A discarded block is punched out and its place not
 * used again. Left out: modification UUIDs (the format has none: a base that was written to is not noticed), saved
 * states. Invariant 1: data of a block whose entry may reach the disk first lies beyond stale_bytes.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vhd_int.h"

#define CACHED_BITMAPS 4096
#define COMMIT_DIRTY   1024 /* changed bitmaps in memory */
#define COMMIT_BLOCKS  256
#define CHUNK_BYTES    (64u << 10)
#define LOST_BLOCKS    1024 /* entries without blocks a crash can leave */

static uint64_t block_at(const struct vhd *v, uint32_t entry)
{
    return entry * 512ull + v->bitmap_bytes;
}

static bool bit_of(const uint8_t *bitmap, uint64_t sector)
{
    return bitmap[sector / 8] & 0x80u >> sector % 8;
}

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
    bool bit = bit_of(bitmap, sector);
    uint64_t n = 1;

    while (n < most) {
        uint64_t s = sector + n;

        if (s % 8 == 0 && n + 8 <= most && bitmap[s / 8] == (bit ? 0xff : 0))
            n += 8;
        else if (bit_of(bitmap, s) == bit)
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
    return bit_of(bitmap, sector) ? vd_extent_data(ret, n, vd->fd, block_at(v, v->bat[b]) + off)
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

/* ---- writing ---- */

int vhd_put_footer(struct vd *vd)
{
    struct vhd *v = vd->priv;
    uint8_t raw[VHD_FOOTER_BYTES];
    int rc;

    vhd_footer_build(&v->f, raw);
    rc = fio_write(vd->io, vd->fd, raw, sizeof(raw), v->end_bytes);
    if (rc == 0)
        rc = vd_sync(vd);
    if (rc == 0 && v->f.type != VHD_FIXED)
        rc = fio_write(vd->io, vd->fd, raw, sizeof(raw), 0);
    return rc;
}

int vhd_put_entry(struct vd *vd, uint32_t b)
{
    struct vhd *v = vd->priv;
    uint8_t raw[4];

    put_be32(raw, v->bat[b]);
    return fio_write(vd->io, vd->fd, raw, sizeof(raw), v->h.bat_at + 4ull * b);
}

/* Changed bits and entries to the file, after their data. Not yet synced themselves. */
static int vhd_commit(struct vd *vd)
{
    struct vhd *v = vd->priv;
    int rc;

    if (v->f.type == VHD_FIXED || (v->new_blocks->len == 0 && tcache_dirty_count(v->bitmaps) == 0))
        return 0;
    rc = vd_sync(vd);
    if (rc == 0)
        rc = tcache_write(v->bitmaps, NULL, NULL);
    for (guint i = 0; rc == 0 && i < v->new_blocks->len; i++)
        rc = vhd_put_entry(vd, g_array_index(v->new_blocks, uint32_t, i));
    if (rc == 0)
        g_array_set_size(v->new_blocks, 0);
    return rc;
}

int vhd_flush(struct vd *vd)
{
    int rc = vhd_commit(vd);

    return rc ? rc : vd_sync(vd);
}

static int write_fill(struct vd *vd, uint64_t at, uint64_t bytes, uint8_t value)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK_BYTES);
    int rc = 0;

    memset(buf, value, CHUNK_BYTES);
    for (uint64_t done = 0; rc == 0 && done < bytes; done += CHUNK_BYTES)
        rc = fio_write(vd->io, vd->fd, buf, MIN(CHUNK_BYTES, bytes - done), at + done);
    return rc;
}

/* Bitmap, room for the data (zeros) and the footer behind it. */
static int lay_out_block(struct vd *vd, uint64_t at, uint64_t end)
{
    struct vhd *v = vd->priv;
    uint8_t raw[VHD_FOOTER_BYTES];
    int rc = write_fill(vd, at, v->bitmap_bytes, vd->diff ? 0 : 0xff);

    vhd_footer_build(&v->f, raw);
    return rc ? rc : fio_write(vd->io, vd->fd, raw, sizeof(raw), end);
}

static int alloc_block(struct vd *vd, uint32_t b, uint64_t off, const uint8_t *buf, size_t bytes)
{
    struct vhd *v = vd->priv;
    uint64_t at = v->end_bytes, data = at + v->bitmap_bytes, end = data + v->h.block_bytes;
    bool stale = data < v->stale_bytes;
    uint8_t *bitmap;
    int rc = 0;

    if (end / 512 >= VHD_FREE)
        return VERR_FILE_TOO_BIG;
    v->stale_bytes = MAX(v->stale_bytes, end + VHD_FOOTER_BYTES); /* until it is done */
    if (stale && !vd->diff)
        rc = write_fill(vd, data, v->h.block_bytes, 0);
    if (rc == 0 && bytes)
        rc = fio_write(vd->io, vd->fd, buf, bytes, data + off);
    if (rc == 0)
        rc = lay_out_block(vd, at, end);
    if (rc == 0 && stale && !vd->diff)
        rc = vd_sync(vd);
    if (rc)
        return rc;
    rc = tcache_new_table(v->bitmaps, at, &bitmap);
    if (rc)
        return rc;
    memset(bitmap, vd->diff ? 0 : 0xff, v->bitmap_bytes);
    v->end_bytes = end;
    v->stale_bytes = stale ? v->stale_bytes : end + VHD_FOOTER_BYTES;
    v->bat[b] = (uint32_t)(at / 512);
    if (vd->diff) {
        g_array_append_val(v->new_blocks, b);
        return 0;
    }
    rc = vhd_put_entry(vd, b);
    if (rc) {
        v->bat[b] = VHD_FREE;
        vd_downgrade(vd, "a block table entry could not be written");
    }
    return rc;
}

/* Data into an old block; the bits of its sectors. A partial sector whose bit is clear is completed with zeros. */
static int write_sectors(struct vd *vd, uint32_t b, uint64_t off, const uint8_t *buf, size_t bytes)
{
    struct vhd *v = vd->priv;
    uint64_t first = off / 512, last = (off + bytes - 1) / 512, at = block_at(v, v->bat[b]);
    bool changed = false;
    uint8_t *bitmap;
    int rc = tcache_get(v->bitmaps, v->bat[b] * 512ull, &bitmap);

    if (rc == 0 && off % 512 && !bit_of(bitmap, first))
        rc = write_fill(vd, at + first * 512, 512, 0);
    if (rc == 0 && (off + bytes) % 512 && !bit_of(bitmap, last))
        rc = write_fill(vd, at + last * 512, 512, 0);
    if (rc == 0)
        rc = fio_write(vd->io, vd->fd, buf, bytes, at + off);
    for (uint64_t s = first; rc == 0 && s <= last; s++) {
        changed |= !bit_of(bitmap, s);
        bitmap[s / 8] |= (uint8_t)(0x80u >> s % 8);
    }
    if (rc == 0 && changed)
        tcache_dirty(v->bitmaps, v->bat[b] * 512ull);
    return rc;
}

static int write_block(struct vd *vd, uint32_t b, uint64_t off, const uint8_t *buf, size_t bytes)
{
    struct vhd *v = vd->priv;
    int rc = 0;

    if (v->bat[b] != VHD_FREE)
        return write_sectors(vd, b, off, buf, bytes);
    if (!vd->diff)
        return vd_all_zero(buf, bytes) ? 0 : alloc_block(vd, b, off, buf, bytes);
    rc = alloc_block(vd, b, 0, NULL, 0);
    return rc ? rc : write_sectors(vd, b, off, buf, bytes);
}

static int vhd_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    struct vhd *v = vd->priv;
    int rc = 0;

    if (v->f.type == VHD_FIXED)
        return fio_write(vd->io, vd->fd, buf, bytes, off_bytes);
    while (rc == 0 && bytes) {
        uint64_t off = off_bytes % v->h.block_bytes;
        size_t n = (size_t)MIN(bytes, v->h.block_bytes - off);

        rc = write_block(vd, (uint32_t)(off_bytes / v->h.block_bytes), off, buf, n);
        if (rc == 0 && (v->new_blocks->len >= COMMIT_BLOCKS || tcache_dirty_count(v->bitmaps) >= COMMIT_DIRTY))
            rc = vhd_commit(vd);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

static int vhd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct vhd *v = vd->priv;
    uint64_t first, end;
    int rc = 0;

    if (v->f.type != VHD_DYNAMIC)
        return 0;        /* a child's free sector would show the parent's data */
    rc = vhd_commit(vd); /* bits of the blocks that go */
    first = (off_bytes + v->h.block_bytes - 1) / v->h.block_bytes;
    end = off_bytes + bytes == vd->size_bytes ? v->h.entries : (off_bytes + bytes) / v->h.block_bytes;
    for (uint64_t b = first; rc == 0 && b < end; b++) {
        uint64_t at = v->bat[b] * 512ull;

        if (v->bat[b] == VHD_FREE)
            continue;
        v->bat[b] = VHD_FREE;
        rc = vhd_put_entry(vd, (uint32_t)b);
        if (rc)
            vd_downgrade(vd, "a block table entry could not be written");
        else
            rc = fio_punch(vd->io, vd->fd, at + v->bitmap_bytes, v->h.block_bytes);
        if (rc == VERR_NOT_SUPPORTED)
            rc = 0;
    }
    return rc;
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
