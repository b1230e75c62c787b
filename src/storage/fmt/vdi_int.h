/* vdi_int.h - the VDI header as numbers, and the open image's state. Only for fmt/vdi*.c. */
#ifndef STORAGE_FMT_VDI_INT_H
#define STORAGE_FMT_VDI_INT_H

#include "storage/format.h"

enum vdi_type { VDI_DYNAMIC = 1, VDI_FIXED = 2, VDI_UNDO = 3, VDI_DIFF = 4 };

#define VDI_FREE           0xffffffffu /* never written: zeros, or the parent's */
#define VDI_ZERO           0xfffffffeu /* zeros whatever the parent has */
#define VDI_HEADER_BYTES   1024        /* more than any header */
#define VDI_SIGNATURE      0xbeda107fu
#define VDI_BLOCK_BYTES    (1u << 20) /* of images we make, if not told otherwise */
#define VDI_MIN_BLOCK      4096u
#define VDI_MAX_BLOCK      (64u << 20)
#define VDI_MAX_BLOCKS     (8u << 20) /* a map of 32 MiB; 8 TiB with blocks of 1 MiB */
#define VDI_AT_BLOCKS_USED 0x184
#define VDI_AT_UUID_MODIFY 0x198
#define VDI_PAGE_ENTRIES   1024 /* map entries written together */

struct vdi_header {
    bool old; /* version 0.1 */
    enum vdi_type type;
    uint64_t map_at, data_at; /* file offsets, bytes */
    uint64_t disk_bytes;
    uint32_t block_bytes, extra_bytes;
    uint32_t blocks, blocks_used;
    struct vd_ids ids; /* RFC 4122 order */
};

struct vdi {
    struct vdi_header h;
    uint32_t *map;      /* host byte order */
    uint32_t slots;     /* entries from here on are damaged; more than blocks only in the middle of a resize */
    uint32_t used;      /* slots 0 .. used-1 are named or in a list below: the next new one is slot @used */
    uint64_t stale_end; /* file offset: before it a slot beyond @used may hold old bytes on the disk */
    uint64_t file_end;  /* size of the file as we know it */
    bool touched;       /* the modification UUID was renewed */
    /* slots below @used that no entry names */
    GArray *clean;   /* uint32_t: zeros on the disk, and no entry on the disk names them */
    GArray *stale;   /* no entry on the disk names them, contents unknown */
    GArray *pending; /* punched; an entry on the disk may still name them until the next sync */
    /* differencing images: map entries in memory only until vdi_commit() */
    uint8_t *dirty; /* a bit per VDI_PAGE_ENTRIES */
    uint32_t uncommitted;
};

static inline uint64_t vdi_slot_at(const struct vdi *v, uint32_t slot)
{
    return v->h.data_at + (uint64_t)slot * (v->h.block_bytes + v->h.extra_bytes) + v->h.extra_bytes;
}

static inline uint64_t vdi_slot_end(const struct vdi *v, uint32_t slot)
{
    return vdi_slot_at(v, slot) + v->h.block_bytes;
}

static inline bool vdi_allocated(uint32_t entry)
{
    return entry < VDI_ZERO;
}

/** vdi_header_parse() - checks every field; @path is for the error text. */
bool vdi_header_parse(const uint8_t raw[VDI_HEADER_BYTES], uint64_t file_bytes, const char *path,
                      struct vdi_header *ret, GError **error);
/** vdi_header_init() - the header of a new image; false when it cannot have such a size or such blocks. */
bool vdi_header_init(struct vdi_header *h, uint64_t disk_bytes, uint32_t block_bytes, enum vdi_type type);
void vdi_header_build(const struct vdi_header *h, uint8_t raw[VDI_HEADER_BYTES]);
/** vdi_header_patch() - puts the fields into a header's first sector and leaves the rest, e.g. the comment. */
void vdi_header_patch(const struct vdi_header *h, uint8_t raw[VD_SECTOR_BYTES]);

/* ---- vdi_map.c: the map and the counts in the file ---- */

int vdi_put_used(struct vd *vd);
/** vdi_put_entry() - map[block] = entry, in the file at once, or with a parent at the next commit. */
int vdi_put_entry(struct vd *vd, uint32_t block, uint32_t entry);
/** vdi_put_header() - writes v->h's fields into the header sector in one piece and syncs. */
int vdi_put_header(struct vd *vd);
/** vdi_commit() - data of new slots synced, then their map entries written. Not yet synced themselves. */
int vdi_commit(struct vd *vd);
int vdi_flush(struct vd *vd);
bool vdi_load_map(struct vd *vd, GError **error);

/* ---- vdi_slots.c: slots that became free ---- */

/** vdi_take_slot() - a free slot; *@ret_stale: it may hold old bytes on the disk. */
int vdi_take_slot(struct vd *vd, uint32_t *ret_slot, bool *ret_stale);
/** vdi_free_slot() - no entry in memory names @slot any more. */
int vdi_free_slot(struct vd *vd, uint32_t slot);
/** vdi_after_sync() - what was pending is clean now. */
void vdi_after_sync(struct vdi *v);
/** vdi_pack() - moves the last slots into free ones and shortens the file, if that takes at most @most moves. */
int vdi_pack(struct vd *vd, uint32_t most);
/** vdi_survey() - finds unnamed slots and damage when opening; with @report tells, without it downgrades. */
int vdi_survey(struct vd *vd, struct vd_report *report);
bool vdi_compact(struct vd *vd, const struct vd_progress *progress, GError **error);

/* ---- vdi_resize.c ---- */

bool vdi_resize(struct vd *vd, uint64_t size_bytes, GError **error);
bool vdi_set_parent(struct vd *vd, struct vd *parent, GError **error);
int vdi_set_ids(struct vd *vd, const struct vd_ids *ids);

/* ---- vdi_create.c ---- */

bool vdi_create(const struct fio *io, int fd, const struct vd_create *args, GError **error);

#endif
