/* vd_whole.c - what is done with an image as a whole: sizes, compacting, checking, identities. What a format cannot do
 * is said by name; what may not be done now, with the reason. */
#include <string.h>

#include "rt/status.h"
#include "storage/format.h"

static bool can(struct vd *vd, bool possible, const char *what, GError **error)
{
    if (!possible)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "%s images of this kind cannot be %s", vd->format_name,
                         what);
    if (vd->read_only)
        return vd_refuse(vd->path, VERR_VD_IMAGE_READ_ONLY, error, "it cannot be %s: %s", what,
                         vd->ro_reason ? vd->ro_reason : "it was opened read-only");
    if (vd->merge)
        return vd_refuse(vd->path, VERR_INVALID_STATE, error, "it cannot be %s while its images are merged", what);
    return true;
}

bool vd_resize(struct vd *vd, uint64_t size_bytes, GError **error)
{
    if (!can(vd, vd->format->resize != NULL, "resized", error))
        return false;
    if (size_bytes == 0 || size_bytes % VD_SECTOR_BYTES || size_bytes > INT64_MAX)
        return vd_refuse(vd->path, VERR_VD_INVALID_SIZE, error, "a size must be a multiple of 512 bytes");
    if (size_bytes == vd->size_bytes)
        return true;
    if (!vd->format->resize(vd, size_bytes, error))
        return false;
    if (vd->parent)
        chain_reindex(vd);
    return true;
}

bool vd_compact(struct vd *vd, const struct vd_progress *progress, GError **error)
{
    if (!can(vd, vd->format->compact != NULL, "compacted", error))
        return false;
    chain_forget(vd, 0, vd->size_bytes);
    return vd->format->compact(vd, progress, error);
}

bool vd_check(struct vd *vd, struct vd_report *ret, GError **error)
{
    *ret = (struct vd_report){.text = g_string_new(NULL)};
    if (!vd->format->check)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "%s images have no structure to check", vd->format_name);
    return vd->format->check(vd, ret, error);
}

bool vd_set_parent(struct vd *vd, struct vd *parent, GError **error)
{
    return can(vd, vd->format->set_parent != NULL, "given another parent", error) &&
           vd->format->set_parent(vd, parent, error);
}

bool vd_set_uuids(struct vd *vd, const uint8_t *image, const uint8_t *parent, GError **error)
{
    struct vd_ids ids = vd->ids;

    if (!can(vd, vd->format->set_ids != NULL && vd->has_uuid, "given another UUID", error))
        return false;
    if (parent && !vd->diff)
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "it is no differencing image: it has no parent");
    if (image)
        memcpy(ids.image, image, VD_UUID_BYTES);
    if (parent) {
        memcpy(ids.parent, parent, VD_UUID_BYTES);
        memset(ids.parent_modify, 0, VD_UUID_BYTES);
    }
    int rc = vd->format->set_ids(vd, &ids);
    if (rc) {
        fio_error(error, rc, "Cannot change the UUID of '%s'", vd->path);
        return false;
    }
    vd->ids = ids;
    return true;
}
