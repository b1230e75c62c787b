/*
 * chain.h - differencing images: a disk's state is a chain of images, the base first, and only the last is written.
 *
 *     const struct vd_link links[] = {{"VDI", "base.vdi"}, {"VDI", "snap.vdi"}};
 *     struct vd *disk = vd_open_chain(io, links, 2, 0, &error);
 *
 * A child remembers its parent's UUID and the parent's modification UUID; both are compared when a chain is opened.
 * Where a parent lies is the caller's knowledge: images are never searched for (vd.h inv 3).
 */
#ifndef STORAGE_CHAIN_H
#define STORAGE_CHAIN_H

#include "storage/vd.h"

#define VD_MAX_DEPTH 2048

struct vd_link {
    const char *format, *path;
};
/** vd_open_chain() - base first; all but the last are opened read-only. Returns the last. */
struct vd *vd_open_chain(const struct fio *io, const struct vd_link *links, size_t n, unsigned flags, GError **error);
/**
 * vd_push() - @link, a differencing image made for @disk (vd_create() with it as the parent), becomes the last image;
 * the pointer stays the disk's. The image below is flushed, and only read and locked as such from now on. On failure
 * the disk is as before.
 */
bool vd_push(struct vd *disk, const struct vd_link *link, GError **error);
/** vd_pop() - undoes the last vd_push() of this opening, before anything was written; the image is closed, not removed.
 */
bool vd_pop(struct vd *disk, GError **error);
/** vd_parent() - the image below, NULL for a base. Borrowed. */
struct vd *vd_parent(struct vd *vd);
size_t vd_depth(struct vd *vd);

/* RFC 4122 byte order; all zeros = none. */
struct vd_ids {
    uint8_t image[VD_UUID_BYTES], modify[VD_UUID_BYTES];
    uint8_t parent[VD_UUID_BYTES], parent_modify[VD_UUID_BYTES];
};
const struct vd_ids *vd_ids(const struct vd *vd);
/** vd_parent_hint() - the parent's file name as the image remembers it, for a person to read; NULL = none. */
const char *vd_parent_hint(const struct vd *vd);
/**
 * vd_set_parent() - @vd, open for writing, becomes a child of @parent, or a base when that is NULL; in one step that a
 * power cut does not split. The contents of both must be such that the disk stays the same.
 */
bool vd_set_parent(struct vd *vd, struct vd *parent, GError **error);
/**
 * vd_set_uuids() - another UUID for @vd, open for writing, and another one it remembers of its parent; NULL: as it is.
 * Nobody compares the parent's modification UUID afterwards.
 */
bool vd_set_uuids(struct vd *vd, const uint8_t *image, const uint8_t *parent, GError **error);

#endif
