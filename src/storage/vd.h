/*
 * vd.h - a virtual disk as an array of bytes: an image file of some format, or a chain of differencing images.
 *
 * Formats are given, never guessed, when a medium is opened: a guest can write anything into a raw disk, also the
 * header of another format. vd_probe() exists for the moment a person names a file for the first time.
 *
 *     struct vd *vd = vd_open(fio_system(), "VDI", "/home/me/disk.vdi", 0, &error);
 *     rc = vd_write(vd, 0, sector, 512);
 *     rc = vd_flush(vd);      // 0: everything written before is on stable storage
 *     vd_close(vd);
 *
 * Locks: every file is locked while open (fio_lock()): shared when opened read-only or VD_SHAREABLE, exclusive
 *        otherwise.
 * Threads: one caller at a time; any thread.
 * Invariant 1: after a flush failed, no later flush of this opening succeeds: the kernel may have dropped the data.
 * Invariant 2: a read-only medium's file is never written, not even its header.
 * Invariant 3: no file is opened that the caller did not name, but the extents of a VMDK, which are plain names beside
 *              their descriptor.
 * Further operations: chain.h (parents, merging), copy.h (cloning, converting, compacting).
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

enum vd_flags {
    VD_READ_ONLY = 1,
    VD_ALONE = 2,       /* a differencing image without its parent: what it does not hold reads as zeros */
    VD_KEEP_MODIFY = 4, /* writing does not renew the modification UUID: for merging, where the disk stays the same */
    VD_RAW_DEVICES = 8, /* a VMDK descriptor may name host devices and files elsewhere */
    VD_LOOK = 32,       /* with VD_READ_ONLY: not locked, somebody else writes it; only to know what it is */
    VD_SHAREABLE = 16,  /* others may write it at the same time; only for images whose space is all there */
};

/** vd_open() - @format is a name from formats.def, in any case. Errors have domain STATUS_ERROR and a VERR_* code. */
struct vd *vd_open(const struct fio *io, const char *format, const char *path, unsigned flags, GError **error);
/** vd_close() - closes a chain from its last image; NULL is fine. What was not flushed may be lost. */
void vd_close(struct vd *vd);

/* 0 or a negative VERR_*. Ranges beyond the end are VERR_OUT_OF_RANGE; any byte alignment is accepted. */
int vd_read(struct vd *vd, uint64_t off_bytes, void *buf, size_t bytes);
/**
 * vd_read_now() - vd_read() into @n pieces of memory (FIO_PIECES at most) if all of it is in memory; VERR_TRY_AGAIN: it
 * is not, or finding out might wait. Some bytes may have come then.
 */
int vd_read_now(struct vd *vd, uint64_t off_bytes, const struct iovec *iov, unsigned n);
/* A piece of one file. */
struct vd_place {
    const struct fio *io;
    int fd;
    uint64_t at;
};
/**
 * vd_place() - where all of the range lies unchanged in one piece of one file, for whoever reads files himself; false =
 * it does not, or finding out might wait. Valid until the disk is discarded from, merged, or gets another last image.
 */
bool vd_place(struct vd *vd, uint64_t off_bytes, size_t bytes, struct vd_place *ret);
/**
 * vd_place_over() - where a write of the range goes if it does nothing but overwrite one piece of the last image's
 * file: 0, after what the first write of an opening brings with it. VERR_TRY_AGAIN: vd_write() has more to do.
 */
int vd_place_over(struct vd *vd, uint64_t off_bytes, size_t bytes, struct vd_place *ret);
/**
 * vd_write_over() - writes @n pieces of memory there; VERR_TRY_AGAIN: as above, or finding out might wait; nothing
 * happened. The bytes may change meanwhile: nothing is derived from them.
 */
int vd_write_over(struct vd *vd, uint64_t off_bytes, const struct iovec *iov, unsigned n);
int vd_write(struct vd *vd, uint64_t off_bytes, const void *buf, size_t bytes);
int vd_flush(struct vd *vd);
/** vd_discard() - the range's contents are no longer needed; what can be given back reads zero from now on. */
int vd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes);

/* What an image holds of a range. */
enum vd_extent_kind {
    VD_FREE, /* nothing: the parent's, zeros without one */
    VD_ZERO, /* zeros, whatever the parent has */
    VD_DATA
};
struct vd_extent {
    enum vd_extent_kind kind;
    uint64_t bytes; /* the run has this kind; 1 .. what was asked */
    int fd;         /* VD_DATA: where it lies unchanged, or -1 = only reading brings it out */
    uint64_t at;    /* file offset */
};
/** vd_map() - the run at @off_bytes in the whole chain; VD_FREE does not occur. */
int vd_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret);

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

enum vd_layout { VD_PLAIN, VD_SPLIT_2G, VD_STREAM, VD_ESX }; /* how a VMDK lies in its files */
struct vd_create {
    const char *format, *path;
    uint64_t size_bytes; /* multiple of 512 */
    bool fixed;          /* all space taken now */
    enum vd_layout layout;
    uint32_t block_bytes; /* a power of two; 0 = what the format usually has */
    const uint8_t *uuid;  /* NULL = a random one */
    struct vd *parent;    /* not NULL: a differencing image to this open disk; size_bytes 0 = the parent's size */
};
/** vd_create() - a new image of zeros, or of what @parent shows; the file must not exist. All or nothing. */
bool vd_create(const struct fio *io, const struct vd_create *args, GError **error);

/** vd_remove() - all files of an image nobody has open; its own goes last. What was not there is no error. */
bool vd_remove(const struct fio *io, const char *format, const char *path, GError **error);

/* 1/1000 of the work done; false = stop, the operation fails with VERR_CANCELLED and leaves things as they were. */
struct vd_progress {
    bool (*report)(void *ctx, unsigned permille);
    void *ctx;
};
/** vd_resize() - cuts off or appends zeros, in place. Cutting needs the end to hold no blocks. */
bool vd_resize(struct vd *vd, uint64_t size_bytes, GError **error);
/** vd_compact() - gives back blocks of zeros and free space inside the file. @progress may be NULL. */
bool vd_compact(struct vd *vd, const struct vd_progress *progress, GError **error);

struct vd_report {
    uint64_t errors, leaks; /* damage; lost space */
    GString *text;          /* a line each, the first 100 */
};
/** vd_check() - examines the image's structure without changing it. @ret->text is made here, freed by the caller. */
bool vd_check(struct vd *vd, struct vd_report *ret, GError **error);

#endif
