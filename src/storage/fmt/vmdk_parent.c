/*
 * vmdk_parent.c - what a VMDK remembers of its parent, and another descriptor for an image that has it inside.
 *
 * A new descriptor goes to the end of the file and is synced; then the header points there. Both copies are complete
 * whenever they are looked at.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

const char *vmdk_parent_fault(struct vd *vd, struct vd *parent)
{
    struct vmdk *v = vd->priv;

    if (!vd_all_zero(vd->ids.parent, VD_UUID_BYTES))
        return image_uuid_fault(vd, parent);
    if (parent->format != vd->format)
        return "it has no UUID of its parent to compare";
    return v->d.parent_cid == ((struct vmdk *)parent->priv)->d.cid
               ? NULL
               : "its parent's content ID has changed; its contents fit no longer";
}

int vmdk_put_descriptor(struct vd *vd, const struct vmdk_descriptor *d, uint64_t size_bytes,
                        const struct vmdk_header *h)
{
    struct vmdk *v = vd->priv;
    struct vmdk_extent *e = &v->extents[0];
    g_autofree char *name = g_path_get_basename(vd->path), *text = NULL;
    g_autofree char *line = g_strdup_printf("RW %" G_GUINT64_FORMAT " SPARSE \"%s\"", size_bytes / 512, name);
    g_autofree uint8_t *raw = g_malloc0(VMDK_EMBEDDED_BYTES);
    uint8_t header[VMDK_HEADER_BYTES];
    const uint64_t at = e->end_bytes;
    int rc;

    text = vmdk_descriptor_build("monolithicSparse", line, size_bytes, d);
    if (strlen(text) >= VMDK_EMBEDDED_BYTES)
        return VERR_TOO_MUCH_DATA;
    memcpy(raw, text, strlen(text));
    rc = fio_write(vd->io, vd->fd, raw, VMDK_EMBEDDED_BYTES, at);
    if (rc == 0)
        rc = vd_sync(vd);
    e->end_bytes = align_up(at + VMDK_EMBEDDED_BYTES, e->h.grain_bytes);
    e->stale_bytes = MAX(e->stale_bytes, e->end_bytes);
    if (rc == 0)
        rc = fio_read(vd->io, vd->fd, header, sizeof(header), 0);
    if (rc)
        return rc;
    put_le64(header + 12, h->capacity_bytes / 512);
    put_le64(header + 28, at / 512);
    put_le64(header + 36, VMDK_EMBEDDED_BYTES / 512);
    put_le64(header + 48, h->rgd_at / 512);
    put_le64(header + 56, h->gd_at / 512);
    rc = fio_write(vd->io, vd->fd, header, sizeof(header), 0);
    if (rc == 0)
        v->descriptor_at = at;
    return rc ? rc : vd_sync(vd);
}

bool vmdk_set_parent(struct vd *vd, struct vd *parent, GError **error)
{
    struct vmdk *v = vd->priv;
    struct vmdk_descriptor d = {.cid = v->d.cid, .parent_cid = VMDK_NO_PARENT, .ids = vd->ids};
    g_autofree char *hint = NULL;
    int rc;

    if (!v->embedded || v->stream || (v->extents[0].h.flags & VMDK_FLAG_COMPRESSED))
        return vd_refuse(vd->path, VERR_NOT_SUPPORTED, error, "only monolithicSparse images can change their parent");
    memset(d.ids.parent, 0, VD_UUID_BYTES);
    memset(d.ids.parent_modify, 0, VD_UUID_BYTES);
    if (parent) {
        d.ids.parent[0] = 0;
        memcpy(d.ids.parent, parent->ids.image, VD_UUID_BYTES);
        memcpy(d.ids.parent_modify, parent->ids.modify, VD_UUID_BYTES);
        d.parent_cid = parent->format == vd->format ? ((struct vmdk *)parent->priv)->d.cid : 0;
        d.hint = hint = g_path_get_basename(parent->path);
    }
    rc = vmdk_flush(vd);
    if (rc == 0)
        rc = vmdk_put_descriptor(vd, &d, vd->size_bytes, &v->extents[0].h);
    if (rc) {
        fio_error(error, rc, "Cannot change the parent of '%s'", vd->path);
        return false;
    }
    vd->diff = parent != NULL;
    return vmdk_take_descriptor(vd, error);
}
