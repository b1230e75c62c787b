/*
 * vd.h - a virtual disk: an image file of some format as an array of bytes.
 *
 * The format is given, never guessed, when a medium is opened: a guest can write anything into a raw disk, also the
 * header of another format. vd_probe() exists for the moment a person names a file for the first time.
 *
 *     struct vd *vd = vd_open(fio_system(), "VDI", "/home/me/disk.vdi", 0, &error);
 *     rc = vd_write(vd, 0, sector, 512);
 *     rc = vd_flush(vd);      // 0: everything written before is on stable storage
 *     vd_close(vd);
 *
 * Locks: the file is locked while open (fio_lock()): shared when opened read-only, exclusive otherwise.
 * Threads: one caller at a time; any thread.
 * Invariant 1: after a flush failed, no later flush of this opening succeeds: the kernel may have dropped the data.
 * Invariant 2: a read-only medium's file is never written, not even its header.
 */
#ifndef STORAGE_VD_H
#define STORAGE_VD_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rt/fio.h"

#define VD_UUID_BYTES 16

struct vd;

enum vd_flags { VD_READ_ONLY = 1 };

/** vd_open() - @format is a name from formats.def, in any case. Errors have domain STATUS_ERROR and a VERR_* code. */
struct vd *vd_open(const struct fio *io, const char *format, const char *path, unsigned flags, GError **error);
/** vd_close() - NULL is fine. Does not flush. */
void vd_close(struct vd *vd);

/* 0 or a negative VERR_*. Ranges beyond the end are VERR_OUT_OF_RANGE; any byte alignment is accepted. */
int vd_read(struct vd *vd, uint64_t off_bytes, void *buf, size_t bytes);
int vd_write(struct vd *vd, uint64_t off_bytes, const void *buf, size_t bytes);
int vd_flush(struct vd *vd);
/** vd_discard() - the range's contents are no longer needed; what can be given back reads zero from now on. */
int vd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes);

uint64_t vd_size_bytes(const struct vd *vd);
bool vd_read_only(const struct vd *vd);
/** vd_read_only_reason() - why an image opened for writing is read-only all the same; NULL when it is not. */
const char *vd_read_only_reason(const struct vd *vd);
/** vd_uuid() - the image's own UUID in RFC 4122 byte order; false when the format has none. */
bool vd_uuid(const struct vd *vd, uint8_t ret[VD_UUID_BYTES]);
const char *vd_format(const struct vd *vd);
const char *vd_path(const struct vd *vd);

/** vd_probe() - which format the file's contents look like (a static name); NULL and @error when it cannot be read. */
const char *vd_probe(const struct fio *io, const char *path, GError **error);

struct vd_create {
    const char *format, *path;
    uint64_t size_bytes; /* multiple of 512 */
    bool fixed;          /* all space taken now */
    const uint8_t *uuid; /* NULL = a random one */
};
/** vd_create() - a new image of zeros; the file must not exist. Nothing is left behind on failure. */
bool vd_create(const struct fio *io, const struct vd_create *args, GError **error);
/** vd_convert_from_raw() - a new dynamic VDI with the contents of @raw_path; holes and zeros take no space. */
bool vd_convert_from_raw(const struct fio *io, const char *raw_path, const char *vdi_path, GError **error);

#endif
