/* vdi_create.c - new VDI images: header, map of free blocks or of all, room for a fixed image's data. */
#include "rt/status.h"
#include "storage/fmt/vdi_int.h"

static int write_new_map(const struct fio *io, int fd, const struct vdi_header *h)
{
    g_autofree uint32_t *map = g_try_malloc_n(h->blocks, sizeof(uint32_t));

    if (!map)
        return VERR_NO_MEMORY;
    for (uint32_t b = 0; b < h->blocks; b++)
        map[b] = GUINT32_TO_LE(h->type == VDI_FIXED ? b : VDI_FREE);
    return fio_write(io, fd, map, 4ull * h->blocks, h->map_at);
}

static void set_ids(struct vdi_header *h, const struct vd_create *args)
{
    if (args->uuid)
        memcpy(h->ids.image, args->uuid, VD_UUID_BYTES);
    else
        vd_uuid_random(h->ids.image);
    vd_uuid_random(h->ids.modify);
    if (args->parent) {
        memcpy(h->ids.parent, args->parent->ids.image, VD_UUID_BYTES);
        memcpy(h->ids.parent_modify, args->parent->ids.modify, VD_UUID_BYTES);
    }
}

bool vdi_create(const struct fio *io, int fd, const struct vd_create *args, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VDI_HEADER_BYTES);
    enum vdi_type type = args->parent ? VDI_DIFF : args->fixed ? VDI_FIXED : VDI_DYNAMIC;
    struct vdi_header h;
    uint64_t file_bytes;
    int rc;

    if (!vdi_header_init(&h, args->size_bytes, args->block_bytes ? args->block_bytes : VDI_BLOCK_BYTES, type)) {
        fio_error(error, VERR_VD_INVALID_SIZE, "Cannot create '%s' with %" G_GUINT64_FORMAT " bytes in blocks of %u",
                  args->path, args->size_bytes, args->block_bytes);
        return false;
    }
    if (args->parent && !args->parent->has_uuid)
        return vd_refuse(args->path, VERR_NOT_SUPPORTED, error,
                         "its parent '%s' has no UUID to remember; convert it to VDI first", args->parent->path);
    set_ids(&h, args);
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
