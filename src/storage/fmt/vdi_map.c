/*
 * vdi_map.c - the block map and the header's counts as they stand in the file.
 *
 * With a parent, entries change in memory first; a dirty bit per page of the map says what vdi_commit() has to write.
 * Invariant: a page of the map is written only when the data of all slots it names was synced before.
 */
#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vdi_int.h"

int vdi_put_used(struct vd *vd)
{
    struct vdi *v = vd->priv;
    uint8_t raw[4];
    int rc;

    put_le32(raw, v->used);
    rc = fio_write(vd->io, vd->fd, raw, sizeof(raw), VDI_AT_BLOCKS_USED);
    if (rc == 0)
        v->h.blocks_used = v->used;
    return rc;
}

int vdi_put_entry(struct vd *vd, uint32_t block, uint32_t entry)
{
    struct vdi *v = vd->priv;
    uint32_t page = block / VDI_PAGE_ENTRIES;
    uint8_t raw[4];
    int rc;

    if (vd->diff) {
        v->map[block] = entry;
        v->dirty[page / 8] |= (uint8_t)(1u << page % 8);
        v->uncommitted += v->uncommitted == 0;
        return 0;
    }
    put_le32(raw, entry);
    rc = fio_write(vd->io, vd->fd, raw, sizeof(raw), v->h.map_at + 4ull * block);
    if (rc == 0)
        v->map[block] = entry;
    return rc;
}

int vdi_put_header(struct vd *vd)
{
    struct vdi *v = vd->priv;
    uint8_t raw[VD_SECTOR_BYTES];
    int rc = fio_read(vd->io, vd->fd, raw, sizeof(raw), 0);

    if (rc)
        return rc;
    vdi_header_patch(&v->h, raw);
    rc = fio_write(vd->io, vd->fd, raw, sizeof(raw), 0);
    return rc ? rc : vd_sync(vd);
}

static int write_page(struct vd *vd, uint32_t page)
{
    struct vdi *v = vd->priv;
    uint32_t first = page * VDI_PAGE_ENTRIES, n = MIN(VDI_PAGE_ENTRIES, v->h.blocks - first);
    uint32_t raw[VDI_PAGE_ENTRIES];

    for (uint32_t i = 0; i < n; i++)
        raw[i] = GUINT32_TO_LE(v->map[first + i]);
    return fio_write(vd->io, vd->fd, raw, 4ull * n, v->h.map_at + 4ull * first);
}

int vdi_commit(struct vd *vd)
{
    struct vdi *v = vd->priv;
    uint32_t pages = (v->h.blocks + VDI_PAGE_ENTRIES - 1) / VDI_PAGE_ENTRIES;
    int rc;

    if (v->uncommitted == 0)
        return 0;
    rc = vd_sync(vd);
    if (rc == 0 && v->used > v->h.blocks_used)
        rc = vdi_put_used(vd);
    for (uint32_t p = 0; rc == 0 && p < pages; p++) {
        if (!(v->dirty[p / 8] & 1u << p % 8))
            continue;
        rc = write_page(vd, p);
        if (rc == 0)
            v->dirty[p / 8] &= (uint8_t) ~(1u << p % 8);
    }
    if (rc == 0)
        v->uncommitted = 0;
    return rc;
}

int vdi_flush(struct vd *vd)
{
    int rc = vdi_commit(vd);

    if (rc == 0)
        rc = vd_sync(vd);
    if (rc == 0)
        vdi_after_sync(vd->priv);
    return rc;
}

bool vdi_load_map(struct vd *vd, GError **error)
{
    struct vdi *v = vd->priv;
    int rc = VERR_NO_MEMORY;

    v->map = g_try_malloc_n(v->h.blocks, sizeof(uint32_t));
    v->dirty = g_malloc0(v->h.blocks / VDI_PAGE_ENTRIES / 8 + 1);
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
