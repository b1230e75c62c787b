/*
 * vdi_resize.c - another size, another parent: changes of the header that must not be torn.
 *
 * All fields that say where things are lie in the first sector, which is written in one piece: it is the switch. What
 * it will point at is complete and synced before, what it points at now stays untouched until then.
 *
 * A map that needs more room than there is before the data takes the place of the first slots: their blocks move to the
 * end first; then the new map, whose slots count from the new beginning of the data, is written where they were.
 */
#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vdi_int.h"

#define CHUNK_BYTES (256u << 10)

/* Slot @from is copied behind the last one; *@ret_to is its number. */
static int copy_to_end(struct vd *vd, uint32_t from, uint32_t to)
{
    struct vdi *v = vd->priv;
    g_autofree uint8_t *buf = g_try_malloc(CHUNK_BYTES);
    int rc = buf ? 0 : VERR_NO_MEMORY;

    for (uint32_t done = 0; rc == 0 && done < v->h.block_bytes; done += CHUNK_BYTES) {
        uint32_t n = MIN(CHUNK_BYTES, v->h.block_bytes - done);

        rc = fio_read_some(vd->io, vd->fd, buf, n, vdi_slot_at(v, from) + done);
        if (rc == 0)
            rc = fio_write(vd->io, vd->fd, buf, n, vdi_slot_at(v, to) + done);
    }
    return rc;
}

/* Makes slots 0 .. @n-1 nobody's. @h: how many blocks there will be, so slots beyond the old number may be used. */
static int clear_front(struct vd *vd, uint32_t n)
{
    struct vdi *v = vd->priv;
    uint32_t end = MAX(v->used, n), first_new = end;
    int rc = 0;

    v->slots = MAX(v->slots, end + n);
    for (uint32_t b = 0; rc == 0 && b < v->h.blocks; b++)
        if (vdi_allocated(v->map[b]) && v->map[b] < n)
            rc = copy_to_end(vd, v->map[b], end++);
    if (rc == 0)
        rc = vd_sync(vd);
    for (uint32_t b = 0; rc == 0 && b < v->h.blocks; b++)
        if (vdi_allocated(v->map[b]) && v->map[b] < n)
            rc = vdi_put_entry(vd, b, first_new++);
    if (first_new > v->used && first_new > n) { /* something moved */
        v->used = first_new;
        v->file_end = MAX(v->file_end, vdi_slot_end(v, first_new - 1));
    }
    return rc ? rc : vdi_flush(vd);
}

/* The map for header @to, slots counted from @shift on; new blocks are free, or in a fixed image have the next slots.
 */
static uint32_t *build_map(const struct vdi *v, const struct vdi_header *to, uint32_t shift)
{
    uint32_t *map = g_try_malloc_n(to->blocks, sizeof(uint32_t));
    uint32_t next = MAX(v->used, shift) - shift;

    for (uint32_t b = 0; map && b < to->blocks; b++) {
        if (b < v->h.blocks)
            map[b] = vdi_allocated(v->map[b]) ? v->map[b] - shift : v->map[b];
        else
            map[b] = to->type == VDI_FIXED ? next++ : VDI_FREE;
    }
    return map;
}

static int write_map(struct vd *vd, const struct vdi_header *to, const uint32_t *map, uint32_t from)
{
    uint32_t page[VDI_PAGE_ENTRIES];
    int rc = 0;

    for (uint32_t b = from; rc == 0 && b < to->blocks;) {
        uint32_t n = MIN(VDI_PAGE_ENTRIES, to->blocks - b);

        for (uint32_t i = 0; i < n; i++)
            page[i] = GUINT32_TO_LE(map[b + i]);
        rc = fio_write(vd->io, vd->fd, page, 4ull * n, to->map_at + 4ull * b);
        b += n;
    }
    return rc;
}

/* Writes the new map where no reader looks yet, then switches to @to. Takes @map. */
static int switch_to(struct vd *vd, struct vdi_header *to, uint32_t *map, uint32_t shift)
{
    struct vdi *v = vd->priv;
    uint64_t slot_bytes = (uint64_t)to->block_bytes + to->extra_bytes, end;
    bool same_place = to->map_at == v->h.map_at;
    int rc = write_map(vd, to, map, same_place ? MIN(v->h.blocks, to->blocks) : 0);

    to->blocks_used = to->type == VDI_FIXED ? to->blocks : MAX(v->used, shift) - shift;
    end = to->data_at + to->blocks_used * slot_bytes;
    if (rc == 0 && v->file_end < end)
        rc = fio_truncate(vd->io, vd->fd, end);
    if (rc == 0)
        rc = vd_sync(vd);
    if (rc) {
        g_free(map);
        return rc;
    }
    v->h = *to;
    v->file_end = MAX(v->file_end, end);
    v->used = to->blocks_used;
    v->slots = to->blocks;
    v->stale_end = v->file_end;
    g_free(v->map);
    v->map = map;
    g_free(v->dirty);
    v->dirty = g_malloc0(v->h.blocks / VDI_PAGE_ENTRIES / 8 + 1);
    vd->size_bytes = v->h.disk_bytes;
    rc = vdi_put_header(vd);
    if (rc)
        vd_downgrade(vd, "its new header may not be on the disk");
    return rc;
}

static int grow(struct vd *vd, struct vdi_header *to)
{
    struct vdi *v = vd->priv;
    uint64_t map_bytes = 4ull * to->blocks, slot_bytes = (uint64_t)to->block_bytes + to->extra_bytes;
    uint32_t shift = 0, *map;
    int rc = 0;

    if (to->map_at + map_bytes > to->data_at) {
        shift = (uint32_t)((map_bytes + slot_bytes - 1) / slot_bytes);
        to->map_at = v->h.data_at;
        to->data_at = v->h.data_at + shift * slot_bytes;
        if (to->data_at > UINT32_MAX || to->map_at % VD_SECTOR_BYTES)
            return VERR_VD_INVALID_SIZE;
        rc = clear_front(vd, shift);
    }
    if (rc)
        return rc;
    map = build_map(v, to, shift);
    return map ? switch_to(vd, to, map, shift) : VERR_NO_MEMORY;
}

static int shrink(struct vd *vd, struct vdi_header *to)
{
    struct vdi *v = vd->priv;
    uint32_t *map;

    for (uint32_t b = to->blocks; b < v->h.blocks; b++)
        if (vdi_allocated(v->map[b]))
            return VERR_VD_INVALID_SIZE;
    map = g_memdup2(v->map, 4ull * to->blocks);
    return switch_to(vd, to, map, 0);
}

bool vdi_resize(struct vd *vd, uint64_t size_bytes, GError **error)
{
    struct vdi *v = vd->priv;
    struct vdi_header to = v->h;
    uint64_t blocks = size_bytes / to.block_bytes + (size_bytes % to.block_bytes != 0);
    int rc;

    if (blocks > VDI_MAX_BLOCKS)
        return vd_refuse(vd->path, VERR_VD_INVALID_SIZE, error, "it would have too many blocks");
    to.disk_bytes = size_bytes;
    to.blocks = (uint32_t)blocks;
    rc = vdi_flush(vd);
    if (rc == 0)
        rc = vdi_pack(vd, UINT32_MAX);
    if (rc == 0)
        rc = size_bytes > vd->size_bytes ? grow(vd, &to) : shrink(vd, &to);
    if (rc)
        fio_error(error, rc, "Cannot resize '%s' to %" G_GUINT64_FORMAT " bytes%s", vd->path, size_bytes,
                  size_bytes < vd->size_bytes ? "; the end must hold no data: discard it and compact the image first"
                                              : "");
    return rc == 0;
}

bool vdi_set_parent(struct vd *vd, struct vd *parent, GError **error)
{
    struct vdi *v = vd->priv;
    struct vdi_header before = v->h;
    int rc = vdi_flush(vd);

    if (v->h.type == VDI_FIXED && parent)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "a fixed image has no parent");
    v->h.type = parent ? VDI_DIFF : VDI_DYNAMIC;
    memset(v->h.ids.parent, 0, VD_UUID_BYTES);
    memset(v->h.ids.parent_modify, 0, VD_UUID_BYTES);
    if (parent) {
        memcpy(v->h.ids.parent, parent->ids.image, VD_UUID_BYTES);
        memcpy(v->h.ids.parent_modify, parent->ids.modify, VD_UUID_BYTES);
    }
    if (rc == 0)
        rc = vdi_put_header(vd);
    if (rc) {
        v->h = before;
        fio_error(error, rc, "Cannot change the parent of '%s'", vd->path);
        return false;
    }
    vd->ids = v->h.ids;
    vd->diff = parent != NULL;
    return true;
}

int vdi_set_ids(struct vd *vd, const struct vd_ids *ids)
{
    struct vdi *v = vd->priv;
    const struct vd_ids before = v->h.ids;
    int rc = vdi_flush(vd);

    v->h.ids = *ids;
    if (rc == 0)
        rc = vdi_put_header(vd);
    if (rc)
        v->h.ids = before;
    return rc;
}
