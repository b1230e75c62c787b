/* format.h - what a format (fmt/) implements, and what it sees of an open disk. */
#ifndef STORAGE_FORMAT_H
#define STORAGE_FORMAT_H

#include "storage/vd.h"

#define VD_SECTOR_BYTES 512
#define VD_PROBE_BYTES  34816 /* up to the first descriptor of an ISO 9660 disc */

struct vd_format {
    bool read_only;                                    /* never opened for writing */
    bool (*probe)(const uint8_t head[VD_PROBE_BYTES]); /* short files are padded with zeros */
    /** Reads the header, sets size_bytes, uuid, priv; may set read_only with ro_reason. @file_bytes: size of the file.
     */
    bool (*open)(struct vd *vd, uint64_t file_bytes, GError **error);
    void (*close)(struct vd *vd); /* also after a failed open */
    /* Ranges are inside the disk, not empty; write and discard come only when not read-only. */
    int (*read)(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes);
    int (*write)(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
    int (*discard)(struct vd *vd, uint64_t off_bytes, uint64_t bytes);
    /** Fills the new, empty, locked file @fd. NULL = cannot create. */
    bool (*create)(const struct fio *io, int fd, const struct vd_create *args, GError **error);
};

struct vd {
    const struct fio *io;
    const struct vd_format *format;
    const char *format_name;
    char *path;
    int fd;
    uint64_t size_bytes;
    bool read_only;
    char *ro_reason;
    bool has_uuid;
    uint8_t uuid[VD_UUID_BYTES];
    int sync_failed; /* vd.h inv 1 */
    void *priv;
};

#define FORMAT(name, descriptor) extern const struct vd_format descriptor;
#include "storage/formats.def"
#undef FORMAT

/** vd_downgrade() - the open image must not be written; the first reason given stays. */
void vd_downgrade(struct vd *vd, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/** vd_sync() - syncs the file; remembers failure for ever. */
int vd_sync(struct vd *vd);
bool vd_all_zero(const uint8_t *p, size_t bytes);

#endif
