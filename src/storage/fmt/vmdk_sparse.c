/*
 * vmdk_sparse.c - sparse extents: grain directory, grain tables, grains.
 *
 * New grains go to the end of the file, so the rules of vdi.c hold: without a parent a table entry needs no barrier,
 * because a grain that did not reach the disk shows zeros, as before; with one, entries stay in the cached tables until
 * the data was synced. Both copies of the tables are written, the redundant one first. Reading uses the primary one.
 * A discarded grain is punched out and its place in the file not used again.
 * Invariant 1: a table entry is read as a place only if it lies behind the metadata.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define CACHED_TABLES 4096 /* 8 MiB */
#define COMMIT_GRAINS 1024
#define CHUNK_BYTES   (64u << 10)

/* ---- opening ---- */

static bool read_directory(struct vd *vd, struct vmdk_extent *e, uint64_t at, uint64_t file_bytes, uint32_t **ret,
                           GError **error)
{
    uint64_t bytes = 4ull * e->gts;
    uint32_t *gd;
    int rc;

    if (at > file_bytes || bytes > file_bytes - at)
        return vd_refuse(e->path, VERR_VD_VMDK_INVALID_HEADER, error, "its grain directory lies beyond its end");
    gd = g_try_malloc(bytes);
    rc = gd ? fio_read(vd->io, e->fd, gd, bytes, at) : VERR_NO_MEMORY;
    for (uint32_t i = 0; rc == 0 && i < e->gts; i++) {
        gd[i] = GUINT32_FROM_LE(gd[i]);
        if (gd[i] * 512ull + vmdk_gt_bytes(&e->h) > file_bytes)
            rc = VERR_VD_IMAGE_CORRUPTED;
    }
    if (rc == 0) {
        *ret = gd;
        return true;
    }
    g_free(gd);
    fio_error(error, rc, "Cannot read the grain directory of '%s'", e->path);
    return false;
}

/* A stream's header stands at its end again, with the place of the directory. */
static bool read_footer(struct vd *vd, struct vmdk_extent *e, uint64_t file_bytes, GError **error)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    struct vmdk_header footer;
    int rc;

    if (file_bytes < 3 * VMDK_HEADER_BYTES)
        return vd_refuse(e->path, VERR_VD_VMDK_INVALID_HEADER, error, "it ends before its footer");
    rc = fio_read(vd->io, e->fd, raw, sizeof(raw), file_bytes - 2 * VMDK_HEADER_BYTES);
    if (rc) {
        fio_error(error, rc, "Cannot read the footer of '%s'", e->path);
        return false;
    }
    if (!vmdk_header_parse(e->path, raw, &footer, error))
        return false;
    if (footer.gd_at == VMDK_GD_AT_END || footer.capacity_bytes != e->h.capacity_bytes ||
        footer.grain_bytes != e->h.grain_bytes || footer.gt_entries != e->h.gt_entries)
        return vd_refuse(e->path, VERR_VD_VMDK_INVALID_HEADER, error, "its footer contradicts its header");
    e->h = footer;
    return true;
}

static bool load_directories(struct vd *vd, struct vmdk_extent *e, uint64_t file_bytes, GError **error)
{
    if (e->h.gd_at == VMDK_GD_AT_END && !read_footer(vd, e, file_bytes, error))
        return false;
    e->gts = vmdk_gts(&e->h);
    if (!read_directory(vd, e, e->h.gd_at, file_bytes, &e->gd, error))
        return false;
    if ((e->h.flags & VMDK_FLAG_RGD) && !vd->read_only &&
        !read_directory(vd, e, e->h.rgd_at, file_bytes, &e->rgd, error))
        return false;
    for (uint32_t i = 0; i < e->gts && !vd->read_only; i++)
        if (e->gd[i] == 0 || (e->rgd && e->rgd[i] == 0))
            vd_downgrade(vd, "grain table %u of '%s' is missing", i, e->path);
    return true;
}

bool vmdk_sparse_open(struct vd *vd, struct vmdk_extent *e, uint64_t file_bytes, GError **error)
{
    if (e->h.capacity_bytes < e->bytes)
        return vd_refuse(e->path, VERR_VD_VMDK_INVALID_FORMAT, error, "it is smaller than its descriptor says");
    if (!load_directories(vd, e, file_bytes, error))
        return false;
    e->tables = tcache_new(vd->io, e->fd, (uint32_t)vmdk_gt_bytes(&e->h), CACHED_TABLES);
    e->end_bytes = align_up(file_bytes, e->h.grain_bytes);
    e->stale_bytes = file_bytes;
    if (e->h.flags & VMDK_FLAG_COMPRESSED) {
        e->grain = g_malloc(e->h.grain_bytes);
        vd_downgrade(vd, "compressed images are written once, from front to end");
    }
    return true;
}

/* ---- looking up ---- */

static int table_of(struct vmdk_extent *e, uint64_t grain, uint64_t *ret_at, uint8_t **ret)
{
    uint32_t gt = e->gd[grain / e->h.gt_entries];

    *ret = NULL;
    *ret_at = gt * 512ull;
    return gt ? tcache_get(e->tables, *ret_at, ret) : 0;
}

int vmdk_grain_entry(struct vmdk_extent *e, uint64_t grain, uint32_t *ret)
{
    uint8_t *table;
    uint64_t at;
    int rc = table_of(e, grain, &at, &table);

    if (rc)
        return rc;
    *ret = table ? le32(table + 4 * (grain % e->h.gt_entries)) : 0;
    if (*ret == 0 || (*ret == VMDK_ZERO_ENTRY && (e->h.flags & VMDK_FLAG_ZERO_GRAIN)))
        return 0;
    if (*ret * 512ull < e->h.overhead_bytes && !(e->h.flags & VMDK_FLAG_COMPRESSED))
        return VERR_VD_IMAGE_CORRUPTED; /* inv 1 */
    return 0;
}

static enum vd_extent_kind kind_of(uint32_t entry)
{
    return entry == 0 ? VD_FREE : entry == VMDK_ZERO_ENTRY ? VD_ZERO : VD_DATA;
}

int vmdk_sparse_map(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    uint64_t grain = off_bytes / e->h.grain_bytes, off = off_bytes % e->h.grain_bytes;
    uint64_t n = e->h.grain_bytes - off;
    bool packed = e->h.flags & VMDK_FLAG_COMPRESSED;
    uint32_t first, next;
    int rc = vmdk_grain_entry(e, grain, &first);

    (void)vd;
    if (rc)
        return rc;
    for (uint64_t i = 1; n < bytes; i++, n += e->h.grain_bytes) {
        if (vmdk_grain_entry(e, grain + i, &next) || kind_of(next) != kind_of(first))
            break;
        if (kind_of(first) == VD_DATA && !packed && next != first + i * (e->h.grain_bytes / 512))
            break;
    }
    n = MIN(n, bytes);
    if (kind_of(first) != VD_DATA)
        return vd_extent_plain(ret, n, kind_of(first));
    return packed ? vd_extent_plain(ret, n, VD_DATA) : vd_extent_data(ret, n, e->fd, first * 512ull + off);
}

bool vmdk_sparse_quick(struct vmdk_extent *e, uint64_t off_bytes, uint64_t bytes)
{
    const uint64_t table_bytes = (uint64_t)e->h.gt_entries * e->h.grain_bytes;

    if (e->h.flags & VMDK_FLAG_COMPRESSED)
        return false;
    for (uint64_t i = off_bytes / table_bytes; i <= (off_bytes + bytes - 1) / table_bytes; i++)
        if (e->gd[i] && !tcache_has(e->tables, e->gd[i] * 512ull))
            return false;
    return true;
}

/* ---- writing ---- */

int vmdk_extent_sync(struct vd *vd, const struct vmdk_extent *e)
{
    if (!e->own_fd)
        return vd_sync(vd);
    if (vd->sync_failed == 0)
        vd->sync_failed = fio_sync(vd->io, e->fd);
    return vd->sync_failed;
}

int vmdk_grain_put(struct vd *vd, struct vmdk_extent *e, uint64_t grain, uint32_t entry)
{
    struct vmdk *v = vd->priv;
    uint64_t at, index = 4 * (grain % e->h.gt_entries);
    uint8_t *table, raw[4];
    int rc = table_of(e, grain, &at, &table);

    if (rc || !table)
        return rc ? rc : VERR_VD_IMAGE_CORRUPTED;
    put_le32(raw, entry);
    if (vd->diff) {
        memcpy(table + index, raw, 4);
        tcache_dirty(e->tables, at);
        v->uncommitted++;
        return 0;
    }
    if (e->rgd)
        rc = fio_write(vd->io, e->fd, raw, 4, e->rgd[grain / e->h.gt_entries] * 512ull + index);
    if (rc == 0)
        rc = fio_write(vd->io, e->fd, raw, 4, at + index);
    if (rc == 0)
        memcpy(table + index, raw, 4);
    return rc;
}

static int write_zeros(struct vd *vd, int fd, uint64_t at, uint64_t bytes)
{
    static const uint8_t zeros[CHUNK_BYTES];
    int rc = 0;

    for (uint64_t done = 0; rc == 0 && done < bytes; done += CHUNK_BYTES)
        rc = fio_write(vd->io, fd, zeros, MIN(CHUNK_BYTES, bytes - done), at + done);
    return rc;
}

/* Writes a new grain at the end; all of it, and synced, where the file may hold old bytes. */
static int fill_grain(struct vd *vd, struct vmdk_extent *e, uint64_t off, const uint8_t *buf, size_t bytes)
{
    uint64_t at = e->end_bytes, end = at + e->h.grain_bytes;
    bool stale = at < e->stale_bytes;
    int rc = 0;

    e->stale_bytes = MAX(e->stale_bytes, end); /* until it is done */
    if (stale)
        rc = write_zeros(vd, e->fd, at, off);
    if (rc == 0)
        rc = fio_write(vd->io, e->fd, buf, bytes, at + off);
    if (rc == 0 && stale)
        rc = write_zeros(vd, e->fd, at + off + bytes, e->h.grain_bytes - off - bytes);
    else if (rc == 0 && off + bytes < e->h.grain_bytes)
        rc = fio_truncate(vd->io, e->fd, end);
    if (rc == 0 && stale && !vd->diff)
        rc = vmdk_extent_sync(vd, e);
    if (rc == 0)
        e->end_bytes = end;
    return rc;
}

static int alloc_grain(struct vd *vd, struct vmdk_extent *e, uint64_t grain, uint64_t off, const uint8_t *buf,
                       size_t bytes)
{
    uint64_t at = e->end_bytes;
    struct vmdk *v = vd->priv;
    int rc;

    if (at / 512 > UINT32_MAX)
        return VERR_FILE_TOO_BIG;
    rc = fill_grain(vd, e, off, buf, bytes);
    if (rc)
        return rc;
    rc = vmdk_grain_put(vd, e, grain, (uint32_t)(at / 512));
    if (rc)
        vd_downgrade(vd, "a grain table entry could not be written");
    else if (v->uncommitted >= COMMIT_GRAINS)
        rc = vmdk_sparse_commit(vd, e);
    return rc;
}

static int write_grain(struct vd *vd, struct vmdk_extent *e, uint64_t grain, uint64_t off, const uint8_t *buf,
                       size_t bytes)
{
    uint32_t entry;
    int rc = vmdk_grain_entry(e, grain, &entry);

    if (rc)
        return rc;
    if (kind_of(entry) == VD_DATA)
        return fio_write(vd->io, e->fd, buf, bytes, entry * 512ull + off);
    if (!vd_all_zero(buf, bytes))
        return alloc_grain(vd, e, grain, off, buf, bytes);
    if (!vd->diff || entry == VMDK_ZERO_ENTRY)
        return 0;
    if (e->h.flags & VMDK_FLAG_ZERO_GRAIN)
        return vmdk_grain_put(vd, e, grain, VMDK_ZERO_ENTRY);
    return alloc_grain(vd, e, grain, off, buf, bytes);
}

int vmdk_sparse_write(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        uint64_t off = off_bytes % e->h.grain_bytes;
        size_t n = (size_t)MIN(bytes, e->h.grain_bytes - off);

        rc = write_grain(vd, e, off_bytes / e->h.grain_bytes, off, buf, n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return rc;
}

int vmdk_sparse_discard(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, uint64_t bytes)
{
    bool can_zero = e->h.flags & VMDK_FLAG_ZERO_GRAIN;
    uint64_t first = (off_bytes + e->h.grain_bytes - 1) / e->h.grain_bytes;
    uint64_t end = (off_bytes + bytes) / e->h.grain_bytes;
    int rc = 0;

    for (uint64_t g = first; rc == 0 && (can_zero || !vd->diff) && g < end; g++) {
        uint32_t entry;

        rc = vmdk_grain_entry(e, g, &entry);
        if (rc || kind_of(entry) != VD_DATA)
            continue;
        rc = vmdk_grain_put(vd, e, g, can_zero ? VMDK_ZERO_ENTRY : 0);
        if (rc == 0)
            rc = fio_punch(vd->io, e->fd, entry * 512ull, e->h.grain_bytes);
        if (rc == VERR_NOT_SUPPORTED)
            rc = 0;
    }
    return rc;
}

static uint64_t copy_of(void *ctx, uint64_t at)
{
    struct vmdk_extent *e = ctx;

    for (uint32_t i = 0; e->rgd && i < e->gts; i++)
        if (e->gd[i] * 512ull == at)
            return e->rgd[i] * 512ull;
    return 0;
}

int vmdk_tables_write(struct vmdk_extent *e)
{
    return tcache_write(e->tables, copy_of, e);
}

int vmdk_grain_note(struct vmdk_extent *e, uint64_t grain, uint32_t entry)
{
    uint8_t *table;
    uint64_t at;
    int rc = table_of(e, grain, &at, &table);

    if (rc || !table)
        return rc ? rc : VERR_VD_IMAGE_CORRUPTED;
    put_le32(table + 4 * (grain % e->h.gt_entries), entry);
    tcache_dirty(e->tables, at);
    return tcache_dirty_count(e->tables) < CACHED_TABLES / 2 ? 0 : vmdk_tables_write(e);
}

int vmdk_sparse_commit(struct vd *vd, struct vmdk_extent *e)
{
    int rc = 0;

    if (tcache_dirty_count(e->tables) == 0)
        return 0;
    rc = vd_sync(vd); /* with a parent there is one extent, in the image's own file */
    if (rc == 0)
        rc = vmdk_tables_write(e);
    if (rc == 0)
        ((struct vmdk *)vd->priv)->uncommitted = 0;
    return rc;
}

/* ---- checking ---- */

static void check_entry(struct vmdk_extent *e, uint64_t grain, uint32_t entry, uint64_t file_bytes, GHashTable *seen,
                        struct vd_report *r)
{
    if (entry * 512ull >= file_bytes)
        vd_report_add(r, &r->errors, "%s: grain %" G_GUINT64_FORMAT " lies beyond the end of the file", e->path, grain);
    else if (!g_hash_table_add(seen, GUINT_TO_POINTER(entry)))
        vd_report_add(r, &r->errors, "%s: grain %" G_GUINT64_FORMAT " shares its place with another one", e->path,
                      grain);
}

static int check_copy(struct vd *vd, struct vmdk_extent *e, uint32_t gt, const uint8_t *table, struct vd_report *r)
{
    uint64_t bytes = 4ull * e->h.gt_entries;
    g_autofree uint8_t *copy = g_malloc(bytes);
    int rc = e->rgd ? fio_read_some(vd->io, e->fd, copy, bytes, e->rgd[gt] * 512ull) : 0;

    if (rc == 0 && e->rgd && memcmp(copy, table, bytes) != 0)
        vd_report_add(r, &r->errors, "%s: the two copies of grain table %u differ", e->path, gt);
    return rc;
}

int vmdk_sparse_check(struct vd *vd, struct vmdk_extent *e, struct vd_report *report)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    struct fio_stat st;
    int rc = fio_stat(vd->io, e->fd, &st);

    for (uint32_t gt = 0; rc == 0 && gt < e->gts; gt++) {
        uint8_t *table;
        uint64_t at;

        rc = table_of(e, (uint64_t)gt * e->h.gt_entries, &at, &table);
        if (rc || !table)
            continue;
        for (uint32_t i = 0; i < e->h.gt_entries; i++)
            if (kind_of(le32(table + 4 * i)) == VD_DATA)
                check_entry(e, (uint64_t)gt * e->h.gt_entries + i, le32(table + 4 * i), st.size_bytes, seen, report);
        rc = check_copy(vd, e, gt, table, report);
    }
    return rc;
}
