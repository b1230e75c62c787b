/* vhd_int.h - a VHD's footer and header as numbers, and the open image's state. Only for fmt/vhd*.c. */
#ifndef STORAGE_FMT_VHD_INT_H
#define STORAGE_FMT_VHD_INT_H

#include "storage/format.h"
#include "storage/tcache.h"

#define VHD_FOOTER_BYTES 512
#define VHD_HEADER_BYTES 1024
#define VHD_BLOCK_BYTES  (2u << 20) /* of images we make, if not told otherwise */
#define VHD_MAX_ENTRIES  (8u << 20)
#define VHD_MAX_BYTES    (2040ull << 30)
#define VHD_FREE         0xffffffffu
#define VHD_NAME_UNITS   256

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFF = 4 };

struct vhd_footer {
    enum vhd_type type;
    uint64_t header_at; /* dynamic header; UINT64_MAX in fixed images */
    uint64_t size_bytes;
    uint32_t timestamp;
    uint8_t uuid[VD_UUID_BYTES]; /* RFC 4122 order */
};

struct vhd_header {
    uint64_t bat_at;
    uint32_t entries, block_bytes;
    uint8_t parent[VD_UUID_BYTES];
    char *parent_name;
    uint64_t locator_at; /* when built: where the relative name stands, as UTF-16LE; 0 = none */
    uint32_t locator_bytes;
};

struct vhd {
    struct vhd_footer f;
    struct vhd_header h;
    uint32_t *bat; /* host byte order: sector of a block's bitmap */
    uint32_t bitmap_bytes;
    struct tcache *bitmaps;
    uint64_t end_bytes;   /* where the next block goes and the footer stands */
    uint64_t stale_bytes; /* before it new data may meet old bytes */
    GArray *new_blocks;   /* uint32_t: BAT entries in memory only */
};

/* ---- vhd_header.c ---- */

bool vhd_footer_valid(const uint8_t raw[VHD_FOOTER_BYTES]);
bool vhd_footer_parse(const char *path, const uint8_t raw[VHD_FOOTER_BYTES], struct vhd_footer *ret, GError **error);
void vhd_footer_build(const struct vhd_footer *f, uint8_t raw[VHD_FOOTER_BYTES]);
/** vhd_header_parse() - sizes against each other and the file; @ret->parent_name is new. */
bool vhd_header_parse(const char *path, const uint8_t raw[VHD_HEADER_BYTES], uint64_t size_bytes, uint64_t file_bytes,
                      struct vhd_header *ret, GError **error);
void vhd_header_build(const struct vhd_header *h, uint8_t raw[VHD_HEADER_BYTES]);
/** vhd_header_repoint() - another table; only the first sector changes. */
void vhd_header_reparent(uint8_t raw[VHD_HEADER_BYTES], const uint8_t parent[VD_UUID_BYTES]); /* the same */
void vhd_header_repoint(uint8_t raw[VHD_HEADER_BYTES], uint64_t bat_at, uint32_t entries);

static inline uint32_t vhd_bitmap_bytes(uint32_t block_bytes)
{
    return (block_bytes / 512 / 8 + 511) / 512 * 512;
}

/* Where a block's data is, its bitmap before it. */
static inline uint64_t vhd_block_at(const struct vhd *v, uint32_t entry)
{
    return entry * 512ull + v->bitmap_bytes;
}

static inline bool vhd_bit(const uint8_t *bitmap, uint64_t sector)
{
    return bitmap[sector / 8] & 0x80u >> sector % 8;
}

/* ---- vhd_write.c ---- */

int vhd_write(struct vd *vd, uint64_t off_bytes, const uint8_t *buf, size_t bytes);
int vhd_discard(struct vd *vd, uint64_t off_bytes, uint64_t bytes);
int vhd_flush(struct vd *vd);
/** vhd_put_footer() - at the end of the file, where it counts, and its copy at the beginning. Syncs between. */
int vhd_put_footer(struct vd *vd);

/** vhd_put_entry() - a block's entry of the table to the file; not synced. */
int vhd_put_entry(struct vd *vd, uint32_t b);

/* ---- vhd.c ---- */

/** vhd_forget_bitmaps() - blocks have moved; nothing may be changed in memory alone. */
void vhd_forget_bitmaps(struct vd *vd);

/* ---- vhd_compact.c ---- */

bool vhd_compact(struct vd *vd, const struct vd_progress *progress, GError **error);

/* ---- vhd_create.c ---- */

bool vhd_create(const struct fio *io, int fd, const struct vd_create *args, GError **error);
bool vhd_resize(struct vd *vd, uint64_t size_bytes, GError **error);
bool vhd_set_parent(struct vd *vd, struct vd *parent, GError **error);
int vhd_set_ids(struct vd *vd, const struct vd_ids *ids);

#endif
