/*
 * vhd_write.c - writing dynamic and differencing VHD images: new blocks, bits, entries, the footer.
 *
 * Order of writes. Without a parent a new block's bitmap is all ones and the rules of vdi.c hold: data, bitmap, footer,
 * table entry, no barrier, because beyond the old end there are zeros (inv 1). In all other cases (a parent, or bits
 * that are clear in an old block) bits and table entries stay in memory until vhd_commit() has synced the data; a new
 * block of a child has a bitmap of zeros in the file until then. A discarded block is punched out and its place not
 * used again. Invariant 1: data of a block whose entry may reach the disk first lies beyond stale_bytes.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vhd_int.h"

#define COMMIT_DIRTY  1024 /* changed bitmaps in memory */
#define COMMIT_BLOCKS 256
#define CHUNK_BYTES   (64u << 10)

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
    uint64_t first = off / 512, last = (off + bytes - 1) / 512, at = vhd_block_at(v, v->bat[b]);
    bool changed = false;
    uint8_t *bitmap;
    int rc = tcache_get(v->bitmaps, v->bat[b] * 512ull, &bitmap);

    if (rc == 0 && off % 512 && !vhd_bit(bitmap, first))
        rc = write_fill(vd, at + first * 512, 512, 0);
    if (rc == 0 && (off + bytes) % 512 && !vhd_bit(bitmap, last))
        rc = write_fill(vd, at + last * 512, 512, 0);
    if (rc == 0)
        rc = fio_write(vd->io, vd->fd, buf, bytes, at + off);
    for (uint64_t s = first; rc == 0 && s <= last; s++) {
        changed |= !vhd_bit(bitmap, s);
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

int vhd_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
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

int vhd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
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
