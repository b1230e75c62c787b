/* vmdk_int.h - a VMDK's descriptor and extents. Only for fmt/vmdk*.c. */
#ifndef STORAGE_FMT_VMDK_INT_H
#define STORAGE_FMT_VMDK_INT_H

#include "storage/format.h"
#include "storage/tcache.h"

#define VMDK_HEADER_BYTES   512
#define VMDK_SIGNATURE      0x564d444bu /* "KDMV" */
#define VMDK_GRAIN_BYTES    (64u << 10) /* of images we make */
#define VMDK_GT_ENTRIES     512u
#define VMDK_EMBEDDED_BYTES (20u * 512u) /* room for the descriptor in images we make */
#define VMDK_NO_PARENT      0xffffffffu
#define VMDK_MAX_EXTENTS    1024
#define VMDK_UUID_CHARS     36

enum vmdk_kind { VMDK_ZERO, VMDK_FLAT, VMDK_SPARSE };

enum vmdk_id { VMDK_ID_IMAGE, VMDK_ID_MODIFY, VMDK_ID_PARENT, VMDK_ID_PARENT_MODIFY }; /* as in struct vd_ids */

/* A line of the descriptor: RW 4192256 SPARSE "name" 0 */
struct vmdk_line {
    enum vmdk_kind kind;
    uint64_t sectors, offset_sectors;
    char *name; /* NULL for ZERO */
};

struct vmdk_descriptor {
    char *text;
    uint32_t cid, parent_cid;
    char *create_type, *hint;
    struct vd_ids ids;
    bool has_uuid;
    GArray *lines;     /* struct vmdk_line */
    size_t cid_at;     /* where the value stands in the text; 0 = nowhere */
    size_t uuid_at[4]; /* the same, in the order of struct vd_ids */
};

/* "KDMV" header; bytes where the file has sectors */
struct vmdk_header {
    uint32_t version, flags, gt_entries;
    uint64_t capacity_bytes, grain_bytes, descriptor_at, descriptor_bytes, rgd_at, gd_at, overhead_bytes;
    uint16_t compress;
};
#define VMDK_FLAG_NEWLINES   (1u << 0)
#define VMDK_FLAG_RGD        (1u << 1)
#define VMDK_FLAG_ZERO_GRAIN (1u << 2)
#define VMDK_FLAG_COMPRESSED (1u << 16)
#define VMDK_FLAG_MARKERS    (1u << 17)
#define VMDK_GD_AT_END       UINT64_MAX

struct vmdk_extent {
    enum vmdk_kind kind;
    int fd;
    bool own_fd, shared_fd; /* not the descriptor's file; an earlier extent's */
    char *path;
    uint64_t first_bytes, bytes; /* its part of the disk */
    uint64_t flat_at;
    /* sparse */
    struct vmdk_header h;
    uint32_t gts;
    uint32_t *gd, *rgd; /* sectors, host byte order; rgd may be NULL */
    struct tcache *tables;
    uint64_t end_bytes;   /* where the next grain goes */
    uint64_t stale_bytes; /* before it a new grain may meet old bytes */
    uint8_t *grain;       /* compressed: the last one read */
    uint64_t grain_no;    /* its number plus one; 0 = none */
};

struct vmdk_stream;

struct vmdk {
    struct vmdk_descriptor d;
    uint64_t descriptor_at; /* in vd->fd */
    bool embedded, touched;
    struct vmdk_extent *extents;
    unsigned n;
    unsigned uncommitted;       /* grain table entries in memory only */
    struct vmdk_stream *stream; /* being written */
};

/* ---- vmdk_descriptor.c ---- */

bool vmdk_descriptor_parse(const char *path, const char *text, size_t bytes, bool allow_devices,
                           struct vmdk_descriptor *ret, GError **error);
void vmdk_descriptor_fini(struct vmdk_descriptor *d);
/** vmdk_descriptor_build() - the text of a new image. @names: "RW n KIND \"name\" 0" lines. */
char *vmdk_descriptor_build(const char *create_type, const char *lines, uint64_t size_bytes,
                            const struct vmdk_descriptor *d);

/* ---- vmdk_header.c ---- */

bool vmdk_header_parse(const char *path, const uint8_t raw[VMDK_HEADER_BYTES], struct vmdk_header *ret, GError **error);
void vmdk_header_build(const struct vmdk_header *h, uint8_t raw[VMDK_HEADER_BYTES]);
/** vmdk_header_plan() - lays out header, descriptor, tables of an extent of @bytes. */
void vmdk_header_plan(struct vmdk_header *h, uint64_t bytes, uint32_t grain_bytes, bool embedded);
static inline uint32_t vmdk_gts(const struct vmdk_header *h)
{
    uint64_t per_gt = h->grain_bytes * h->gt_entries;

    return (uint32_t)(h->capacity_bytes / per_gt + (h->capacity_bytes % per_gt != 0));
}
/** vmdk_gt_bytes() - a grain table in the file: whole sectors. */
static inline uint64_t vmdk_gt_bytes(const struct vmdk_header *h)
{
    return (4ull * h->gt_entries + 511) / 512 * 512;
}

/* ---- vmdk_sparse.c: off_bytes counts from the beginning of the extent ---- */

bool vmdk_sparse_open(struct vd *vd, struct vmdk_extent *e, uint64_t file_bytes, GError **error);
/** vmdk_sparse_quick() - what struct vd_format's quick() asks. */
bool vmdk_sparse_quick(struct vmdk_extent *e, uint64_t off_bytes, uint64_t bytes);
int vmdk_sparse_map(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret);
int vmdk_sparse_write(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
int vmdk_sparse_discard(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, uint64_t bytes);
int vmdk_sparse_commit(struct vd *vd, struct vmdk_extent *e);
int vmdk_sparse_check(struct vd *vd, struct vmdk_extent *e, struct vd_report *report);
int vmdk_grain_entry(struct vmdk_extent *e, uint64_t grain, uint32_t *ret);

/** vmdk_grain_note() - changes it in memory; vmdk_tables_write() puts what was noted into both copies, without a sync.
 */
int vmdk_grain_note(struct vmdk_extent *e, uint64_t grain, uint32_t entry);
int vmdk_tables_write(struct vmdk_extent *e);
/** vmdk_grain_put() - changes a grain's table entry, in both copies. */
int vmdk_grain_put(struct vd *vd, struct vmdk_extent *e, uint64_t grain, uint32_t entry);
int vmdk_extent_sync(struct vd *vd, const struct vmdk_extent *e);
#define VMDK_ZERO_ENTRY 1u

/* ---- vmdk.c, vmdk_open.c, vmdk_parent.c, vmdk_resize.c, vmdk_compact.c: what the format's record names ---- */

int vmdk_flush(struct vd *vd);
bool vmdk_open(struct vd *vd, uint64_t file_bytes, GError **error);
void vmdk_close(struct vd *vd);
int vmdk_lock(struct vd *vd, enum fio_lock kind);
bool vmdk_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES]);
const char *vmdk_parent_fault(struct vd *vd, struct vd *parent);
bool vmdk_set_parent(struct vd *vd, struct vd *parent, GError **error);
bool vmdk_resize(struct vd *vd, uint64_t size_bytes, GError **error);
bool vmdk_compact(struct vd *vd, const struct vd_progress *progress, GError **error);
/** vmdk_take_descriptor() - reads the descriptor again, which was changed. */
bool vmdk_take_descriptor(struct vd *vd, GError **error);
/** vmdk_put_descriptor() - a new one at the end of the file, and the size and directories of @h, in one step. */
int vmdk_put_descriptor(struct vd *vd, const struct vmdk_descriptor *d, uint64_t size_bytes,
                        const struct vmdk_header *h);

/* ---- vmdk_stream.c ---- */

/** vmdk_grain_read() - part of a compressed grain. */
int vmdk_grain_read(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, uint8_t *buf, size_t bytes);
/** vmdk_stream_new() - the open image, empty so far, is going to be written from front to end. */
struct vmdk_stream *vmdk_stream_new(struct vd *vd, struct vmdk_extent *e);
int vmdk_stream_write(struct vd *vd, struct vmdk_stream *s, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
/** vmdk_stream_finish() - tables, footer, end; nothing can be written after it. */
int vmdk_stream_finish(struct vd *vd, struct vmdk_stream *s);
void vmdk_stream_free(struct vmdk_stream *s);

/* ---- vmdk_create.c ---- */

bool vmdk_create(const struct fio *io, int fd, const struct vd_create *args, GError **error);
void vmdk_uncreate(const struct fio *io, const struct vd_create *args);

#endif
