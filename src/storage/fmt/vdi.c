/*
 * vdi.c - VDI images, fixed and dynamic: the block map, reading, writing, discarding.
 *
 * A map entry names the slot in the data area that holds a block of the disk. Slots are handed out in order, so the
 * next free slot is the number of slots in use; opening restores that order after a crash (vdi_recover()).
 *
 * Order of writes when a block gets a slot: data, file size, count in the header, map entry. There is no barrier
 * between them, and none is needed while inv 1 holds: a map entry that became durable before its data shows zeros,
 * which is what the block showed before. Where it does not hold, the whole slot is written and synced first.
 *
 * Left out: differencing images. Everything a block is made of is decided in block_read() and block_alloc(); a
 * parent's data is one more source there, with the barrier of inv 1.
 * Invariant 1: a slot that the map entry may reach the disk before its data holds nothing but zeros on the disk:
 *              it lies beyond stale_end.
 * Invariant 2: the only copy of a flushed block is never overwritten or cut off before a copy is synced and mapped.
 * Invariant 3: no two map entries name the same slot in an image open for writing.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/fmt/vdi_int.h"

#define CHUNK_BYTES (64u << 10)
#define MAX_HOLES   4096 /* slots moved at opening; a file with more was not left so by a crash of ours */

struct vdi {
    struct vdi_header h;
    uint32_t *map;      /* host byte order */
    uint32_t used;      /* slots 0 .. used-1 are taken: the next new one is slot @used */
    uint64_t stale_end; /* file offset: before it a free slot may hold old bytes on the disk */
    uint64_t file_end;  /* size of the file as we know it */
    bool touched;       /* the modification UUID was renewed */
};

static uint64_t slot_at(const struct vdi *v, uint32_t slot)
{
    return v->h.data_at + (uint64_t)slot * (v->h.block_bytes + v->h.extra_bytes) + v->h.extra_bytes;
}

static uint64_t slot_end(const struct vdi *v, uint32_t slot)
{
    return slot_at(v, slot) + v->h.block_bytes;
}

static bool allocated(uint32_t entry)
{
    return entry < VDI_ZERO;
}

/* ---- metadata in the file ---- */

static int put_map_entry(struct vd *vd, uint32_t block, uint32_t entry)
{
    struct vdi *v = vd->priv;
    uint32_t le = GUINT32_TO_LE(entry);

    return fio_write(vd->io, vd->fd, &le, sizeof(le), v->h.map_at + 4ull * block);
}

static int put_used(struct vd *vd, uint32_t used)
{
    uint32_t le = GUINT32_TO_LE(used);

    return fio_write(vd->io, vd->fd, &le, sizeof(le), VDI_AT_BLOCKS_USED);
}

/* First write of this opening: children made from here on must see that the image changed. */
static int touch(struct vd *vd)
{
    struct vdi *v = vd->priv;
    int rc;

    if (v->touched)
        return 0;
    vdi_uuid_random(v->h.uuid_modify);
    rc = fio_write(vd->io, vd->fd, v->h.uuid_modify, VD_UUID_BYTES, VDI_AT_UUID_MODIFY);
    v->touched = rc == 0;
    return rc;
}

static int set_size(struct vd *vd, uint64_t bytes)
{
    struct vdi *v = vd->priv;
    int rc = fio_truncate(vd->io, vd->fd, bytes);

    if (rc == 0) {
        v->stale_end = MAX(v->stale_end, v->file_end); /* the cut may not reach the disk before new data there */
        v->file_end = bytes;
    }
    return rc;
}

/* ---- blocks ---- */

static int write_zeros(struct vd *vd, uint64_t at, uint64_t bytes)
{
    static const uint8_t zeros[CHUNK_BYTES];
    int rc = 0;

    for (uint64_t done = 0; rc == 0 && done < bytes; done += CHUNK_BYTES)
        rc = fio_write(vd->io, vd->fd, zeros, MIN(CHUNK_BYTES, bytes - done), at + done);
    return rc;
}

/* The slot's contents are complete in the file, and on the disk where inv 1 asks for it. */
static int fill_slot(struct vd *vd, uint32_t slot, uint32_t off, const uint8_t *buf, uint32_t bytes)
{
    struct vdi *v = vd->priv;
    uint64_t at = slot_at(v, slot);
    bool stale = at - v->h.extra_bytes < v->stale_end;
    int rc = 0;

    if (stale)
        rc = write_zeros(vd, at, off);
    if (rc == 0)
        rc = fio_write(vd->io, vd->fd, buf, bytes, at + off);
    if (rc == 0 && stale)
        rc = write_zeros(vd, at + off + bytes, v->h.block_bytes - off - bytes);
    if (rc == 0 && v->file_end < slot_end(v, slot)) {
        rc = fio_truncate(vd->io, vd->fd, slot_end(v, slot));
        if (rc == 0)
            v->file_end = slot_end(v, slot);
    }
    if (rc == 0 && stale)
        rc = vd_sync(vd);
    if (rc) /* some of it may be there */
        v->stale_end = MAX(v->stale_end, slot_end(v, slot));
    return rc;
}

static int block_alloc(struct vd *vd, uint32_t block, uint32_t off, const uint8_t *buf, uint32_t bytes)
{
    struct vdi *v = vd->priv;
    uint32_t slot = v->used;
    int rc;

    if (slot >= v->h.blocks)
        return VERR_VD_IMAGE_CORRUPTED;
    rc = fill_slot(vd, slot, off, buf, bytes);
    if (rc == 0)
        rc = put_used(vd, slot + 1);
    if (rc) {
        v->stale_end = MAX(v->stale_end, slot_end(v, slot));
        return rc;
    }
    v->used = slot + 1; /* taken even when the entry's write fails: it may have reached the file (inv 3) */
    rc = put_map_entry(vd, block, slot);
    if (rc == 0)
        v->map[block] = slot;
    else
        vd_downgrade(vd, "a block map entry could not be written");
    return rc;
}

static int block_read(struct vd *vd, uint32_t block, uint32_t off, uint8_t *buf, uint32_t bytes)
{
    struct vdi *v = vd->priv;
    uint32_t entry = v->map[block];

    if (!allocated(entry)) {
        memset(buf, 0, bytes);
        return 0;
    }
    if (entry >= v->h.blocks)
        return VERR_VD_IMAGE_CORRUPTED;
    return fio_read_some(vd->io, vd->fd, buf, bytes, slot_at(v, entry) + off);
}

static int block_write(struct vd *vd, uint32_t block, uint32_t off, const uint8_t *buf, uint32_t bytes)
{
    struct vdi *v = vd->priv;

    if (allocated(v->map[block]))
        return fio_write(vd->io, vd->fd, buf, bytes, slot_at(v, v->map[block]) + off);
    return vd_all_zero(buf, bytes) ? 0 : block_alloc(vd, block, off, buf, bytes);
}

static int vdi_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    struct vdi *v = vd->priv;
    int rc = 0;

    while (rc == 0 && bytes) {
        uint32_t off = (uint32_t)(off_bytes % v->h.block_bytes);
        uint32_t n = (uint32_t)MIN(bytes, v->h.block_bytes - off);

        rc = block_read(vd, (uint32_t)(off_bytes / v->h.block_bytes), off, buf, n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
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

/* ---- slots that became free ---- */

static uint32_t block_of_slot(const struct vdi *v, uint32_t slot)
{
    for (uint32_t b = 0; b < v->h.blocks; b++)
        if (v->map[b] == slot)
            return b;
    return VDI_FREE;
}

/* Copies slot @from to the unused slot @to and makes the copy the block's only one (inv 2). */
static int move_slot(struct vd *vd, uint32_t block, uint32_t from, uint32_t to)
{
    struct vdi *v = vd->priv;
    g_autofree uint8_t *buf = g_malloc(CHUNK_BYTES);
    int rc = 0;

    for (uint32_t done = 0; rc == 0 && done < v->h.block_bytes; done += CHUNK_BYTES) {
        uint32_t n = MIN(CHUNK_BYTES, v->h.block_bytes - done);

        rc = fio_read_some(vd->io, vd->fd, buf, n, slot_at(v, from) + done);
        if (rc == 0)
            rc = fio_write(vd->io, vd->fd, buf, n, slot_at(v, to) + done);
    }
    if (rc == 0)
        rc = vd_sync(vd);
    if (rc)
        return rc;
    rc = put_map_entry(vd, block, to);
    if (rc == 0)
        rc = vd_sync(vd);
    if (rc == 0)
        v->map[block] = to;
    else
        vd_downgrade(vd, "a block map entry could not be written");
    return rc;
}

/* Slot @hole holds nothing any more: the last slot goes there and the file becomes one slot shorter. */
static int close_hole(struct vd *vd, uint32_t hole)
{
    struct vdi *v = vd->priv;
    uint32_t last = v->used - 1;
    uint32_t block = hole == last ? VDI_FREE : block_of_slot(v, last);
    int rc = 0;

    if (block != VDI_FREE)
        rc = move_slot(vd, block, last, hole);
    if (rc)
        return rc;
    v->used = last;
    v->stale_end = MAX(v->stale_end, slot_end(v, last));
    rc = put_used(vd, v->used);
    if (rc == 0)
        rc = set_size(vd, slot_at(v, last) - v->h.extra_bytes);
    return rc;
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

        if (!allocated(slot))
            continue;
        rc = put_map_entry(vd, (uint32_t)b, VDI_ZERO);
        if (rc == 0)
            rc = vd_sync(vd);
        if (rc)
            break;
        v->map[b] = VDI_ZERO;
        rc = close_hole(vd, slot);
    }
    return rc;
}

/* ---- opening ---- */

/* Marks the slots in use; a damaged map makes the image read-only (inv 3). Returns the bitmap of blocks bits. */
static uint8_t *survey(struct vd *vd, uint32_t *ret_count, uint32_t *ret_top)
{
    struct vdi *v = vd->priv;
    uint8_t *taken = g_try_malloc0(v->h.blocks / 8 + 1);

    *ret_count = *ret_top = 0;
    for (uint32_t b = 0; taken && b < v->h.blocks; b++) {
        uint32_t slot = v->map[b];

        if (!allocated(slot))
            continue;
        if (slot >= v->h.blocks) {
            vd_downgrade(vd, "map entry of block %u names slot %u, which does not exist", b, slot);
            continue;
        }
        if (taken[slot / 8] & 1u << slot % 8)
            vd_downgrade(vd, "two blocks (one is %u) share slot %u", b, slot);
        taken[slot / 8] |= (uint8_t)(1u << slot % 8);
        *ret_count += 1;
        *ret_top = MAX(*ret_top, slot + 1);
    }
    return taken;
}

/*
 * After a crash there may be slots between the used ones that no entry names, and a wrong count in the header.
 * Restores "the next free slot is the count" for every program that will ever open the file.
 */
static int vdi_recover(struct vd *vd, uint8_t *taken, uint32_t count, uint32_t top)
{
    struct vdi *v = vd->priv;
    uint32_t hole = 0;
    int rc = 0;

    if (top - count > MAX_HOLES) {
        vd_downgrade(vd, "%u slots of the file belong to no block", top - count);
        return 0;
    }
    v->used = top;
    v->stale_end = MAX(v->file_end, top ? slot_end(v, top - 1) : 0);
    while (rc == 0 && v->used > count) {
        uint32_t last = v->used - 1;

        while (taken[hole / 8] & 1u << hole % 8)
            hole++;
        if (!(taken[last / 8] & 1u << last % 8)) {
            v->used = last; /* nobody's: dropped */
            continue;
        }
        taken[hole / 8] |= (uint8_t)(1u << hole % 8);
        taken[last / 8] &= (uint8_t) ~(1u << last % 8);
        rc = close_hole(vd, hole);
    }
    if (rc == 0 && v->used != v->h.blocks_used)
        rc = put_used(vd, v->used);
    return rc;
}

static bool load_map(struct vd *vd, GError **error)
{
    struct vdi *v = vd->priv;
    int rc = VERR_NO_MEMORY;

    v->map = g_try_malloc_n(v->h.blocks, sizeof(uint32_t));
    if (v->map)
        rc = fio_read(vd->io, vd->fd, v->map, 4ull * v->h.blocks, v->h.map_at);
    if (rc) {
        fio_error(error, rc, "Cannot read the block map of '%s'", vd->path);
        return false;
    }
    for (uint32_t b = 0; b < v->h.blocks; b++)
        v->map[b] = GUINT32_FROM_LE(v->map[b]);
    return true;
}

static bool check_map(struct vd *vd, GError **error)
{
    uint32_t count, top;
    g_autofree uint8_t *taken = survey(vd, &count, &top);
    int rc = taken ? 0 : VERR_NO_MEMORY;

    if (rc == 0 && !vd->read_only)
        rc = vdi_recover(vd, taken, count, top);
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
    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", vd->path);
        return false;
    }
    if (!vdi_header_parse(raw, file_bytes, vd->path, &v->h, error))
        return false;
    v->file_end = file_bytes;
    if (v->h.old)
        vd_downgrade(vd, "images of version 0.1 are only read");
    vd->size_bytes = v->h.disk_bytes;
    vd->has_uuid = true;
    vdi_uuid_swap(vd->uuid, v->h.uuid_create);
    return load_map(vd, error) && check_map(vd, error);
}

static void vdi_close(struct vd *vd)
{
    struct vdi *v = vd->priv;

    if (v)
        g_free(v->map);
    g_free(v);
}

static bool vdi_probe(const uint8_t head[VD_PROBE_BYTES])
{
    uint32_t signature;

    memcpy(&signature, head + 0x40, sizeof(signature));
    return GUINT32_FROM_LE(signature) == VDI_SIGNATURE;
}

/* ---- creating ---- */

static int write_new_map(const struct fio *io, int fd, const struct vdi_header *h)
{
    g_autofree uint32_t *map = g_try_malloc_n(h->blocks, sizeof(uint32_t));

    if (!map)
        return VERR_NO_MEMORY;
    for (uint32_t b = 0; b < h->blocks; b++)
        map[b] = GUINT32_TO_LE(h->type == VDI_FIXED ? b : VDI_FREE);
    return fio_write(io, fd, map, 4ull * h->blocks, h->map_at);
}

static bool vdi_create(const struct fio *io, int fd, const struct vd_create *args, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VDI_HEADER_BYTES);
    struct vdi_header h;
    uint64_t file_bytes;
    int rc;

    if (!vdi_header_init(&h, args->size_bytes, args->fixed)) {
        fio_error(error, VERR_VD_INVALID_SIZE, "Cannot create '%s' with %" G_GUINT64_FORMAT " bytes", args->path,
                  args->size_bytes);
        return false;
    }
    if (args->uuid)
        memcpy(h.uuid_create, args->uuid, VD_UUID_BYTES);
    else
        vdi_uuid_random(h.uuid_create);
    vdi_uuid_swap(h.uuid_create, h.uuid_create);
    vdi_uuid_random(h.uuid_modify);
    vdi_header_build(&h, raw);
    file_bytes = h.data_at + (uint64_t)h.blocks_used * h.block_bytes;

    rc = args->fixed ? status_from_errno(io->fallocate(io->ctx, fd, 0, 0, file_bytes)) : VERR_NOT_SUPPORTED;
    if (rc == VERR_NOT_SUPPORTED)
        rc = fio_truncate(io, fd, file_bytes);
    if (rc == 0)
        rc = write_new_map(io, fd, &h);
    if (rc == 0)
        rc = fio_write(io, fd, raw, VDI_HEADER_BYTES, 0);
    if (rc)
        fio_error(error, rc, "Cannot create disk image '%s'", args->path);
    return rc == 0;
}

const struct vd_format vdi_format = {
    .probe = vdi_probe,
    .open = vdi_open,
    .close = vdi_close,
    .read = vdi_read,
    .write = vdi_write,
    .discard = vdi_discard,
    .create = vdi_create,
};
