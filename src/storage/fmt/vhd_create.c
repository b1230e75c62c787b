/*
 * vhd_create.c - new VHDs; another size, another parent.
 *
 * The switch to a new dynamic header or table is one sector: the footer at the end of the file, or the header's first
 * sector. What it points at was written behind the data and synced before.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vhd_int.h"

#define EPOCH_S        946684800 /* 2000-01-01 */
#define PATH_MAX_BYTES 512

static uint32_t now_s(void)
{
    return (uint32_t)(g_get_real_time() / G_USEC_PER_SEC - EPOCH_S);
}

static int write_table(const struct fio *io, int fd, const uint32_t *bat, uint32_t used, uint32_t entries, uint64_t at)
{
    uint64_t bytes = align_up(4ull * entries, 512);
    g_autofree uint8_t *raw = g_try_malloc(bytes);

    if (!raw)
        return VERR_NO_MEMORY;
    memset(raw, 0xff, bytes);
    for (uint32_t i = 0; i < used; i++)
        put_be32(raw + 4ull * i, bat[i]);
    return fio_write(io, fd, raw, bytes, at);
}

/* ".\name" as UTF-16LE, in @to; its length in bytes. */
static uint32_t relative_name(const char *path, uint8_t to[PATH_MAX_BYTES])
{
    g_autofree char *name = g_path_get_basename(path), *relative = g_strconcat(".\\", name, NULL);
    glong n = 0;
    g_autofree gunichar2 *units = g_utf8_to_utf16(relative, -1, NULL, &n, NULL);

    n = units ? MIN(n, PATH_MAX_BYTES / 2) : 0;
    for (glong i = 0; i < n; i++)
        put_le16(to + 2 * i, units[i]);
    return (uint32_t)(2 * n);
}

/* Header and locator for @h at @at, the locator behind the header. */
static int write_header(const struct fio *io, int fd, struct vhd_header *h, const char *parent_path, uint64_t at)
{
    uint8_t raw[VHD_HEADER_BYTES + PATH_MAX_BYTES] = {};

    h->locator_at = parent_path ? at + VHD_HEADER_BYTES : 0;
    h->locator_bytes = parent_path ? relative_name(parent_path, raw + VHD_HEADER_BYTES) : 0;
    vhd_header_build(h, raw);
    return fio_write(io, fd, raw, sizeof(raw), at);
}

static int create_dynamic(const struct fio *io, int fd, const struct vd_create *args, struct vhd_footer *f)
{
    struct vhd_header h = {.block_bytes = args->block_bytes ? args->block_bytes : VHD_BLOCK_BYTES};
    uint64_t entries = args->size_bytes / h.block_bytes + (args->size_bytes % h.block_bytes != 0);
    g_autofree char *name = NULL;
    uint8_t raw[VHD_FOOTER_BYTES];
    uint64_t end;
    int rc;

    if (!power_of_two(h.block_bytes) || h.block_bytes < 4096 || entries > VHD_MAX_ENTRIES)
        return VERR_VD_INVALID_SIZE;
    f->type = args->parent ? VHD_DIFF : VHD_DYNAMIC;
    f->header_at = VHD_FOOTER_BYTES;
    h.entries = (uint32_t)entries;
    h.bat_at = f->header_at + VHD_HEADER_BYTES + PATH_MAX_BYTES;
    if (args->parent) {
        memcpy(h.parent, args->parent->ids.image, VD_UUID_BYTES);
        h.parent_name = name = g_path_get_basename(args->parent->path);
    }
    end = h.bat_at + align_up(4 * entries, 512);
    vhd_footer_build(f, raw);
    rc = fio_write(io, fd, raw, sizeof(raw), 0);
    if (rc == 0)
        rc = write_header(io, fd, &h, args->parent ? args->parent->path : NULL, f->header_at);
    if (rc == 0)
        rc = write_table(io, fd, NULL, 0, h.entries, h.bat_at);
    return rc ? rc : fio_write(io, fd, raw, sizeof(raw), end);
}

static int create_fixed(const struct fio *io, int fd, const struct vd_create *args, struct vhd_footer *f)
{
    uint8_t raw[VHD_FOOTER_BYTES];
    int rc = status_from_errno(io->fallocate(io->ctx, fd, 0, 0, args->size_bytes + VHD_FOOTER_BYTES));

    f->type = VHD_FIXED;
    f->header_at = UINT64_MAX;
    vhd_footer_build(f, raw);
    if (rc == 0 || rc == VERR_NOT_SUPPORTED)
        rc = fio_write(io, fd, raw, sizeof(raw), args->size_bytes);
    return rc;
}

bool vhd_create(const struct fio *io, int fd, const struct vd_create *args, GError **error)
{
    struct vhd_footer f = {.size_bytes = args->size_bytes, .timestamp = now_s()};
    int rc;

    if (args->size_bytes > VHD_MAX_BYTES)
        return vd_refuse(args->path, VERR_VD_INVALID_SIZE, error, "a VHD cannot be larger than 2040 GiB");
    if (args->parent && !args->parent->has_uuid)
        return vd_refuse(args->path, VERR_NOT_SUPPORTED, error,
                         "its parent '%s' has no UUID to remember; convert it to VHD first", args->parent->path);
    if (args->uuid)
        memcpy(f.uuid, args->uuid, VD_UUID_BYTES);
    else
        vd_uuid_random(f.uuid);
    rc = args->fixed ? create_fixed(io, fd, args, &f) : create_dynamic(io, fd, args, &f);
    if (rc)
        fio_error(error, rc, "Cannot create disk image '%s'", args->path);
    return rc == 0;
}

/* ---- another size ---- */

static int resize_fixed(struct vd *vd, uint64_t size_bytes)
{
    static const uint8_t zeros[VHD_FOOTER_BYTES];
    struct vhd *v = vd->priv;
    uint64_t old_end = v->end_bytes, old_size = v->f.size_bytes;
    int rc;

    if (size_bytes < old_size)
        return VERR_VD_INVALID_SIZE;
    v->f.size_bytes = size_bytes;
    v->end_bytes = size_bytes;
    rc = vhd_put_footer(vd);
    if (rc == 0)
        rc = fio_write(vd->io, vd->fd, zeros, MIN(sizeof(zeros), size_bytes - old_end), old_end);
    return rc ? rc : vd_sync(vd);
}

/* A larger table goes behind the data; the header's first sector switches to it. */
static int move_table(struct vd *vd, uint32_t entries)
{
    struct vhd *v = vd->priv;
    uint64_t at = v->end_bytes;
    uint8_t raw[VHD_HEADER_BYTES], footer[VHD_FOOTER_BYTES];
    uint32_t *bat = g_try_realloc_n(v->bat, entries, sizeof(uint32_t));
    struct vhd_header h;
    int rc;

    if (!bat)
        return VERR_NO_MEMORY;
    v->bat = bat;
    for (uint32_t b = v->h.entries; b < entries; b++)
        bat[b] = VHD_FREE;
    rc = write_table(vd->io, vd->fd, bat, entries, entries, at);
    v->end_bytes = at + align_up(4ull * entries, 512);
    v->stale_bytes = MAX(v->stale_bytes, v->end_bytes + VHD_FOOTER_BYTES);
    vhd_footer_build(&v->f, footer);
    if (rc == 0)
        rc = fio_write(vd->io, vd->fd, footer, sizeof(footer), v->end_bytes);
    if (rc == 0)
        rc = vd_sync(vd);
    if (rc == 0)
        rc = fio_read(vd->io, vd->fd, raw, sizeof(raw), v->f.header_at);
    if (rc)
        return rc;
    h = v->h;
    h.bat_at = at;
    h.entries = entries;
    vhd_header_repoint(raw, at, entries);
    rc = fio_write(vd->io, vd->fd, raw, 512, v->f.header_at);
    if (rc == 0)
        rc = vd_sync(vd);
    if (rc == 0)
        v->h = h;
    else
        vd_downgrade(vd, "its new header may not be on the disk");
    return rc;
}

static int resize_dynamic(struct vd *vd, uint64_t size_bytes)
{
    struct vhd *v = vd->priv;
    uint64_t entries = size_bytes / v->h.block_bytes + (size_bytes % v->h.block_bytes != 0);
    int rc = vhd_flush(vd);

    if (entries > VHD_MAX_ENTRIES)
        return VERR_VD_INVALID_SIZE;
    for (uint64_t b = entries; b < v->h.entries; b++)
        if (v->bat[b] != VHD_FREE)
            return VERR_VD_INVALID_SIZE;
    if (rc == 0 && entries > v->h.entries)
        rc = move_table(vd, (uint32_t)entries);
    if (rc)
        return rc;
    v->f.size_bytes = size_bytes;
    rc = vhd_put_footer(vd);
    return rc ? rc : vd_sync(vd);
}

bool vhd_resize(struct vd *vd, uint64_t size_bytes, GError **error)
{
    struct vhd *v = vd->priv;
    int rc;

    if (size_bytes > VHD_MAX_BYTES)
        return vd_refuse(vd->path, VERR_VD_INVALID_SIZE, error, "a VHD cannot be larger than 2040 GiB");
    rc = v->f.type == VHD_FIXED ? resize_fixed(vd, size_bytes) : resize_dynamic(vd, size_bytes);
    if (rc) {
        fio_error(error, rc, "Cannot resize '%s' to %" G_GUINT64_FORMAT " bytes%s", vd->path, size_bytes,
                  size_bytes < vd->size_bytes ? "; the end must hold no data" : "");
        return false;
    }
    vd->size_bytes = size_bytes;
    return true;
}

/* ---- another parent ---- */

bool vhd_set_parent(struct vd *vd, struct vd *parent, GError **error)
{
    struct vhd *v = vd->priv;
    struct vhd_header h = v->h;
    struct vhd_footer f = v->f;
    uint64_t at;
    int rc;

    if (v->f.type == VHD_FIXED)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "a fixed image has no parent");
    rc = vhd_flush(vd);
    at = v->end_bytes;
    memset(h.parent, 0, VD_UUID_BYTES);
    h.parent_name = NULL;
    if (parent) {
        memcpy(h.parent, parent->ids.image, VD_UUID_BYTES);
        h.parent_name = g_path_get_basename(parent->path);
    }
    f.type = parent ? VHD_DIFF : VHD_DYNAMIC;
    f.header_at = at;
    if (rc == 0)
        rc = write_header(vd->io, vd->fd, &h, parent ? parent->path : NULL, at);
    if (rc == 0)
        rc = vd_sync(vd);
    v->end_bytes = at + VHD_HEADER_BYTES + PATH_MAX_BYTES;
    v->stale_bytes = MAX(v->stale_bytes, v->end_bytes + VHD_FOOTER_BYTES);
    if (rc == 0) {
        v->f = f;
        rc = vhd_put_footer(vd);
    }
    if (rc == 0)
        rc = vd_sync(vd);
    if (rc) {
        vd_downgrade(vd, "its new header may not be on the disk");
        g_free(h.parent_name);
        fio_error(error, rc, "Cannot change the parent of '%s'", vd->path);
        return false;
    }
    g_free(v->h.parent_name);
    v->h = h;
    g_free(vd->hint);
    vd->hint = g_strdup(h.parent_name);
    memcpy(vd->ids.parent, h.parent, VD_UUID_BYTES);
    vd->diff = parent != NULL;
    vd->unit_bytes = vd->diff ? 512 : h.block_bytes;
    return true;
}

int vhd_set_ids(struct vd *vd, const struct vd_ids *ids)
{
    struct vhd *v = vd->priv;
    uint8_t raw[VHD_HEADER_BYTES];
    int rc = vhd_flush(vd);

    if (rc == 0 && v->f.type != VHD_FIXED)
        rc = fio_read(vd->io, vd->fd, raw, sizeof(raw), v->f.header_at);
    if (rc == 0 && v->f.type != VHD_FIXED) {
        vhd_header_reparent(raw, ids->parent);
        rc = fio_write(vd->io, vd->fd, raw, VD_SECTOR_BYTES, v->f.header_at);
    }
    if (rc)
        return rc;
    memcpy(v->h.parent, ids->parent, VD_UUID_BYTES);
    memcpy(v->f.uuid, ids->image, VD_UUID_BYTES);
    rc = vhd_put_footer(vd);
    return rc ? rc : vd_sync(vd);
}
