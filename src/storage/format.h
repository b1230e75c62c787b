/* format.h - what a format (fmt/) implements, and what it sees of an open disk. */
#ifndef STORAGE_FORMAT_H
#define STORAGE_FORMAT_H

#include "storage/chain.h"
#include "storage/vd.h"

#define VD_SECTOR_BYTES 512
#define VD_PROBE_BYTES  34816 /* up to the first descriptor of an ISO 9660 disc */

/*
 * One record per format. NULL entries: probe = never guessed; read = by map(); write, discard, create, resize, compact,
 * check, set_parent, set_ids = not possible; flush = one sync of the file.
 */
struct vd_format {
    bool read_only; /* never opened for writing */
    bool remote;    /* "path" is no file: open() connects */
    bool (*probe)(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES]); /* zero-padded */
    /**
     * Reads the header; sets size_bytes, unit_bytes, diff, ids, has_uuid, hint, priv; may downgrade.
     * @file_bytes: size of the file.
     */
    bool (*open)(struct vd *vd, uint64_t file_bytes, GError **error);
    void (*close)(struct vd *vd); /* also after a failed open */
    /* Ranges are inside the disk, not empty; write and discard come only when not read-only. */
    int (*map)(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret);
    /** Whether map() and read() of the range need no table that is not in memory, and all data lies as it is in files.
     *  NULL = never. */
    bool (*quick)(struct vd *vd, uint64_t off_bytes, uint64_t bytes);
    /** Like map() of data, but finds holes, too, at more cost; for copying. NULL = there are none. */
    int (*holes)(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret);
    int (*read)(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes);
    /** What the first write of an opening does besides writing; again and again. NULL entry: nothing. */
    int (*touch)(struct vd *vd);
    /** With a parent: into units that are free only whole ones (the last may be short). */
    int (*write)(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
    int (*discard)(struct vd *vd, uint64_t off_bytes, uint64_t bytes);
    int (*flush)(struct vd *vd);
    /** Locks the files the image has besides vd->fd. */
    int (*lock)(struct vd *vd, enum fio_lock kind);
    /** Fills the new, empty file @fd, opened under args->path; a failure leaves no other file behind. */
    bool (*create)(const struct fio *io, int fd, const struct vd_create *args, GError **error);
    /** The next file the open image has besides its own, from *@at = 0 on; NULL: no more. NULL entry: there are none.
     */
    const char *(*file)(const struct vd *vd, unsigned *at);
    /** Removes what a good create() made besides the file itself. */
    void (*uncreate)(const struct fio *io, const struct vd_create *args);
    bool (*resize)(struct vd *vd, uint64_t size_bytes, GError **error);
    bool (*compact)(struct vd *vd, const struct vd_progress *progress, GError **error);
    bool (*check)(struct vd *vd, struct vd_report *report, GError **error);
    bool (*set_parent)(struct vd *vd, struct vd *parent, GError **error);
    /** Writes @ids and syncs; the contents and the rest of the header stay. */
    int (*set_ids)(struct vd *vd, const struct vd_ids *ids);
    /** What keeps @vd from being a child of @parent, or NULL. NULL entry: the UUIDs decide. */
    const char *(*parent_fault)(struct vd *vd, struct vd *parent);
};

struct vd {
    const struct fio *io;
    const struct vd_format *format;
    const char *format_name;
    char *path;
    int fd;
    unsigned flags; /* enum vd_flags as given */
    uint64_t size_bytes;
    uint32_t unit_bytes; /* a power of two: what is allocated at once; 0 = any range */
    bool read_only, opened;
    char *ro_reason;
    bool diff; /* needs a parent */
    bool has_uuid;
    struct vd_ids ids;
    char *hint;
    int sync_failed; /* vd.h inv 1 */
    void *priv;

    struct vd *parent;
    struct chain_index *index; /* of the last image of a chain */
    struct vd_merge *merge;    /* of the last image: going on */
    struct vd_crypt *crypt;    /* of the last image: unlocked */
    bool locked;               /* of the last image: encrypted, and waits for its password */
};

#define FORMAT(name, descriptor) extern const struct vd_format descriptor;
#include "storage/formats.def"
#undef FORMAT

/** vd_downgrade() - the open image must not be written; the first reason given stays. After opening, flushes fail, too.
 */
void vd_downgrade(struct vd *vd, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/** vd_sync() - syncs the file; remembers failure for ever. */
int vd_sync(struct vd *vd);
bool vd_all_zero(const void *p, size_t bytes);
/** vd_uuid_random() - a version 4 UUID. */
void vd_uuid_random(uint8_t ret[VD_UUID_BYTES]);
/** vd_uuid_swap() - between RFC 4122's order and the one with three little-endian fields; its own inverse. */
void vd_uuid_swap(uint8_t to[VD_UUID_BYTES], const uint8_t from[VD_UUID_BYTES]);
/** vd_refuse() - sets "Disk image 'PATH': <text>" with @status; returns false. */
bool vd_refuse(const char *path, int status, GError **error, const char *fmt, ...) G_GNUC_PRINTF(4, 5);
/** vd_report_add() - a line of a report. */
void vd_report_add(struct vd_report *r, uint64_t *counter, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
/** vd_remove_new() - removes all files of an image that vd_create() made and that is not wanted. */
void vd_remove_new(const struct fio *io, const struct vd_create *args);
/** vd_keep_going() - tells @progress (may be NULL) how far; false = cancelled. */
bool vd_keep_going(const struct vd_progress *progress, uint64_t done, uint64_t all);
/** vd_always_quick() - for formats whose tables are all in memory. */
bool vd_always_quick(struct vd *vd, uint64_t off_bytes, uint64_t bytes);
/** vd_extent_data(), vd_extent_plain() - fill an extent: in @fd at @at, or a kind without a place. Return 0. */
int vd_extent_data(struct vd_extent *ret, uint64_t bytes, int fd, uint64_t at);
int vd_extent_plain(struct vd_extent *ret, uint64_t bytes, enum vd_extent_kind kind);

/* ---- one image of a chain, for chain.c and merge.c ---- */

int image_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret);
int image_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes);
int image_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
int image_flush(struct vd *vd);
struct vd *image_open(const struct fio *io, const char *format, const char *path, unsigned flags, GError **error);
void image_close(struct vd *vd);
/** Why @parent is not the one @vd remembers by its UUIDs; NULL: it is. */
const char *image_uuid_fault(struct vd *vd, struct vd *parent);
int image_lock(struct vd *vd, enum fio_lock kind);
/** vd_write_plain() - vd_write() below the encryption; the range was checked. */
int vd_write_plain(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);

/* ---- a chain seen from its last image ---- */

int chain_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes);
int chain_read_now(struct vd *vd, uint64_t off_bytes, const struct iovec *iov, unsigned n);
bool chain_place(struct vd *vd, uint64_t off_bytes, size_t bytes, struct vd_place *ret);
int chain_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
int chain_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret);
/** chain_reindex() - after images were added or removed. */
void chain_reindex(struct vd *vd);
void chain_forget(struct vd *vd, uint64_t off_bytes, uint64_t bytes);
void chain_index_free(struct vd *vd);

/* ---- while vd->merge is set: the guest's requests, already done in the chain, and the merge ---- */

int merge_mirror_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
int merge_mirror_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes);
int merge_mirror_flush(struct vd *vd);

#endif
