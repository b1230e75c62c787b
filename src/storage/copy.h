/*
 * copy.h - whole disks from one place to another: cloning, converting, reading a stream.
 *
 * A target that was not completed is removed. Zeros take no room in the target where its format can leave them out.
 */
#ifndef STORAGE_COPY_H
#define STORAGE_COPY_H

#include "storage/vd.h"

/** vd_copy() - what @from shows, into a new image; @to->size_bytes 0 = as large as @from. @progress may be NULL. */
bool vd_copy(struct vd *from, const struct fio *io, const struct vd_create *to, const struct vd_progress *progress,
             GError **error);
/**
 * vd_copy_own() - what the last image of @from holds itself, into a new differencing image of @to->parent, which shows
 * what the parent of @from shows.
 */
bool vd_copy_own(struct vd *from, const struct fio *io, const struct vd_create *to, GError **error);
/** vd_copy_over() - the same into an open disk: all of it becomes what @from shows, zeros behind its end. */
bool vd_copy_over(struct vd *from, struct vd *to, const struct vd_progress *progress, GError **error);
/** vd_copy_out() - what @from shows, from end to end, to descriptor @fd. */
bool vd_copy_out(struct vd *from, int fd, GError **error);
/** vd_convert_from_raw() - a new dynamic VDI with the contents of @raw_path. */
bool vd_convert_from_raw(const struct fio *io, const char *raw_path, const char *vdi_path, GError **error);
/** vd_copy_stream() - a new image from what comes out of descriptor @fd: @to->size_bytes of it, zeros if it ends early.
 */
bool vd_copy_stream(int fd, const struct fio *io, const struct vd_create *to, const struct vd_progress *progress,
                    GError **error);

#endif
