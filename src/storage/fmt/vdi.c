/*
 * vdi.c - VDI images, fixed, dynamic and differencing: reading and writing through the block map.
 *
 * A map entry names the slot in the data area that holds a block of the disk.
 *
 * Order of writes when a block gets a slot. Without a parent: data and file size, count in the header, map entry, with
 * no barrier between them, and none is needed while inv 1 holds: a map entry that became durable before its data shows
 * zeros, which is what the block showed before. Where it does not hold, the whole slot is written and synced first.
 * With a parent a free block shows the parent's data, so the entry must not come before its own: entries stay in memory
 * until a flush (or COMMIT_BLOCKS new blocks) has synced the data.
 *
 * Files: vdi_header.c the header; vdi_map.c the map in the file; vdi_slots.c freed slots, surveys, compacting;
 * vdi_resize.c sizes and parents; vdi_create.c new images.
 * Invariant 1: a slot that the map entry may reach the disk before its data holds nothing but zeros on the disk: it
 *              lies beyond stale_end, or it was punched and synced (clean).
 * Invariant 2: the only copy of a flushed block is never overwritten or cut off before a copy is synced and mapped.
 * Invariant 3: no two map entries name the same slot in an image open for writing.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vdi_int.h"

#define CHUNK_BYTES   (64u << 10)
#define COMMIT_BLOCKS 256   /* new blocks of a differencing image a killed process may lose */
#define SPARE_SLOTS   16384 /* what a resize moves at most: a map of 32 MiB over slots of 4 KiB, and more */
#define PACK_AT_ONCE  64    /* slots moved when opening and closing; compacting moves all */
#define WHOLE_PART    16    /* a first write of one part of so many of a block: the rest will come */

/* First write of this opening: children made from here on must see that the image changed. */
static int touch(struct vd *vd)
{
    struct vdi *v = vd->priv;
    uint8_t raw[VD_UUID_BYTES];
    int rc;

    if (v->touched || (vd->flags & VD_KEEP_MODIFY))
        return 0;
    vd_uuid_random(v->h.ids.modify);
    vd_uuid_swap(raw, v->h.ids.modify);
    rc = fio_write(vd->io, vd->fd, raw, VD_UUID_BYTES, VDI_AT_UUID_MODIFY);
    v->touched = rc == 0;
    memcpy(vd->ids.modify, v->h.ids.modify, VD_UUID_BYTES);
    return rc;
}

static int write_zeros(struct vd *vd, uint64_t at, uint64_t bytes)
{
    static const uint8_t zeros[CHUNK_BYTES];
    int rc = 0;

    for (uint64_t done = 0; rc == 0 && done < bytes; done += CHUNK_BYTES)
        rc = fio_write(vd->io, vd->fd, zeros, MIN(CHUNK_BYTES, bytes - done), at + done);
    return rc;
}

/*
 * A new slot that is going to be filled gets its place on the host's disk in one piece, which costs less than page by
 * page. It reads zero as a hole does (inv 1). Others stay sparse, and a host that cannot is asked for nothing.
 */
static void reserve_slot(struct vd *vd, uint32_t slot, uint32_t bytes)
{
    struct vdi *v = vd->priv;
    const uint64_t end = vdi_slot_end(v, slot);

    if (v->file_end < end && bytes >= v->h.block_bytes / WHOLE_PART &&
        vd->io->fallocate(vd->io->ctx, vd->fd, 0, v->file_end, end - v->file_end) == 0)
        v->file_end = end;
}

/* The slot's contents are complete in the file, and on the disk where inv 1 asks for it. */
static int fill_slot(struct vd *vd, uint32_t slot, bool stale, uint32_t off, const uint8_t *buf, uint32_t bytes)
{
    struct vdi *v = vd->priv;
    uint64_t at = vdi_slot_at(v, slot);
    int rc = 0;

    reserve_slot(vd, slot, bytes);
    if (stale)
        rc = write_zeros(vd, at, off);
    if (rc == 0)
        rc = fio_write(vd->io, vd->fd, buf, bytes, at + off);
    if (rc == 0 && stale)
        rc = write_zeros(vd, at + off + bytes, v->h.block_bytes - off - bytes);
    if (rc == 0 && v->file_end < vdi_slot_end(v, slot)) {
        rc = fio_truncate(vd->io, vd->fd, vdi_slot_end(v, slot));
        if (rc == 0)
            v->file_end = vdi_slot_end(v, slot);
    }
    if (rc == 0 && stale && !vd->diff)
        rc = vd_sync(vd);
    return rc;
}

static int block_alloc(struct vd *vd, uint32_t block, uint32_t off, const uint8_t *buf, uint32_t bytes)
{
    struct vdi *v = vd->priv;
    bool stale;
    uint32_t slot;
    int rc = vdi_take_slot(vd, &slot, &stale);

    if (rc)
        return rc;
    rc = fill_slot(vd, slot, stale, off, buf, bytes);
    if (rc == 0 && !vd->diff && slot >= v->h.blocks_used)
        rc = vdi_put_used(vd);
    if (rc) { /* some of it may be there; the next user of the slot fills all of it */
        g_array_append_val(v->stale, slot);
        return rc;
    }
    rc = vdi_put_entry(vd, block, slot);
    if (rc) /* the slot stays taken: the entry may have reached the file (inv 3) */
        vd_downgrade(vd, "a block map entry could not be written");
    else if (vd->diff && ++v->uncommitted >= COMMIT_BLOCKS)
        rc = vdi_commit(vd);
    return rc;
}

static int block_write(struct vd *vd, uint32_t block, uint32_t off, const uint8_t *buf, uint32_t bytes)
{
    struct vdi *v = vd->priv;
    uint32_t entry = v->map[block];

    if (vdi_allocated(entry))
        return fio_write(vd->io, vd->fd, buf, bytes, vdi_slot_at(v, entry) + off);
    if (!vd_all_zero(buf, bytes))
        return block_alloc(vd, block, off, buf, bytes);
    return vd->diff && entry == VDI_FREE ? vdi_put_entry(vd, block, VDI_ZERO) : 0;
}

static int vdi_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    struct vdi *v = vd->priv;
    int rc = touch(vd);

    while (rc == 0 && bytes) {
        uint32_t off = (uint32_t)(off_bytes % v->h.block_bytes);
        uint32_t n = (uint32_t)MIN(bytes, v->h.block_bytes - off);

        rc = block_write(vd, (uint32_t)(off_bytes / v->h.block_bytes), off, buf, n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

static enum vd_extent_kind kind_of(uint32_t entry)
{
    if (vdi_allocated(entry))
        return VD_DATA;
    return entry == VDI_ZERO ? VD_ZERO : VD_FREE;
}

/* Runs go over neighbouring blocks: of one kind, and for data in neighbouring slots. */
static int vdi_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct vdi *v = vd->priv;
    uint32_t block = (uint32_t)(off_bytes / v->h.block_bytes), entry = v->map[block];
    uint64_t off = off_bytes % v->h.block_bytes, n = v->h.block_bytes - off;
    enum vd_extent_kind kind = kind_of(entry);

    if (kind == VD_DATA && entry >= v->slots)
        return VERR_VD_IMAGE_CORRUPTED;
    for (uint32_t b = block + 1; n < bytes && b < v->h.blocks; b++) {
        bool goes_on = kind == VD_DATA
                           ? v->map[b] == entry + (b - block) && v->h.extra_bytes == 0 && v->map[b] < v->slots
                           : kind_of(v->map[b]) == kind;

        if (!goes_on)
            break;
        n += v->h.block_bytes;
    }
    n = MIN(n, bytes);
    return kind == VD_DATA ? vd_extent_data(ret, n, vd->fd, vdi_slot_at(v, entry) + off)
                           : vd_extent_plain(ret, n, kind);
}

static int vdi_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes)
{
    struct vdi *v = vd->priv;
    uint64_t first = off_bytes / v->h.block_bytes + (off_bytes % v->h.block_bytes != 0);
    uint64_t end = (off_bytes + bytes) / v->h.block_bytes;
    int rc = touch(vd);

    if (off_bytes + bytes == vd->size_bytes)
        end = v->h.blocks; /* the last block may reach beyond the disk */
    for (uint64_t b = first; rc == 0 && v->h.type != VDI_FIXED && b < MIN(end, v->h.blocks); b++) {
        uint32_t slot = v->map[b];

        if (slot == VDI_ZERO || (slot == VDI_FREE && !vd->diff))
            continue;
        rc = vdi_put_entry(vd, (uint32_t)b, VDI_ZERO);
        if (rc)
            vd_downgrade(vd, "a block map entry could not be written");
        else if (vdi_allocated(slot))
            rc = vdi_free_slot(vd, slot);
    }
    return rc;
}

/* ---- opening ---- */

static void take_header(struct vd *vd, const struct vdi *v)
{
    vd->size_bytes = v->h.disk_bytes;
    vd->unit_bytes = v->h.block_bytes;
    vd->diff = v->h.type == VDI_DIFF || v->h.type == VDI_UNDO;
    vd->has_uuid = true;
    vd->ids = v->h.ids;
    if (v->h.old)
        vd_downgrade(vd, "images of version 0.1 are only read");
}

/* A resize that was cut short leaves blocks in slots beyond their number. */
static uint32_t h_slots(const struct vdi_header *h, uint64_t file_bytes)
{
    uint64_t in_file = file_bytes > h->data_at ? (file_bytes - h->data_at) / (h->block_bytes + h->extra_bytes) : 0;

    return (uint32_t)CLAMP(in_file, h->blocks, h->blocks + SPARE_SLOTS);
}

static bool survey(struct vd *vd, GError **error)
{
    struct vdi *v = vd->priv;
    int rc = vdi_survey(vd, NULL);

    if (rc == 0 && !vd->read_only && v->stale->len)
        rc = vdi_pack(vd, PACK_AT_ONCE);
    if (rc == 0 && !vd->read_only && v->h.blocks_used != v->used)
        rc = vdi_put_used(vd);
    if (rc)
        fio_error(error, rc, "Cannot restore the order of the blocks of '%s'", vd->path);
    return rc == 0;
}

static bool vdi_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VDI_HEADER_BYTES);
    struct vdi *v = g_new0(struct vdi, 1);
    int rc = fio_read_some(vd->io, vd->fd, raw, VDI_HEADER_BYTES, 0);

    vd->priv = v;
    v->clean = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    v->stale = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    v->pending = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", vd->path);
        return false;
    }
    if (!vdi_header_parse(raw, file_bytes, vd->path, &v->h, error))
        return false;
    v->file_end = file_bytes;
    v->slots = h_slots(&v->h, file_bytes);
    take_header(vd, v);
    return vdi_load_map(vd, error) && survey(vd, error);
}

static void vdi_close(struct vd *vd)
{
    struct vdi *v = vd->priv;

    if (!v)
        return;
    if (v->map && !vd->read_only && (v->uncommitted || v->clean->len || v->stale->len || v->pending->len)) {
        if (vdi_flush(vd) == 0)
            vdi_pack(vd, PACK_AT_ONCE); /* tidiness; nothing is lost when it fails */
    }
    g_array_unref(v->clean);
    g_array_unref(v->stale);
    g_array_unref(v->pending);
    g_free(v->dirty);
    g_free(v->map);
    g_clear_pointer(&vd->priv, g_free);
}

static bool vdi_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    (void)tail;
    return le32(head + 0x40) == VDI_SIGNATURE;
}

static bool vdi_check(struct vd *vd, struct vd_report *report, GError **error)
{
    int rc = vdi_survey(vd, report);

    if (rc)
        fio_error(error, rc, "Cannot check '%s'", vd->path);
    return rc == 0;
}

const struct vd_format vdi_format = {
    .quick = vd_always_quick,
    .probe = vdi_probe,
    .open = vdi_open,
    .close = vdi_close,
    .map = vdi_map,
    .touch = touch,
    .write = vdi_write,
    .discard = vdi_discard,
    .flush = vdi_flush,
    .create = vdi_create,
    .resize = vdi_resize,
    .compact = vdi_compact,
    .check = vdi_check,
    .set_parent = vdi_set_parent,
    .set_ids = vdi_set_ids,
};
