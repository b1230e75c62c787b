/*
 * vmdk_stream.c - streamOptimized extents: compressed grains, read in any order, written once from front to end.
 *
 * Source: VMware "Virtual Disk Format 1.1", Stream-Optimized Compressed Sparse Extents; RFC 1950.
 * A grain is a marker (first sector of the disk, bytes that follow) and its data, padded to a sector. Behind the grains
 * of each table a marker and the table; at the end the directory, the footer (the header again) and an end marker.
 * While it is written nothing can be read back; vd_flush() completes it. Grains are packed by all processors
 * (vmdk_pack.h) and written by the caller, in order; so an error may show some grains later, and is then final.
 */
#include <string.h>
#include <zlib.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"
#include "storage/fmt/vmdk_pack.h"

#define SECTOR       512u
#define MARKER_BYTES 12u

enum marker { MARKER_EOS, MARKER_GT, MARKER_GD, MARKER_FOOTER };

/* ---- reading ---- */

static int inflate_grain(struct vmdk_extent *e, const uint8_t *packed, uint32_t bytes)
{
    uLongf out = e->h.grain_bytes;

    if (uncompress(e->grain, &out, packed, bytes) != Z_OK)
        return VERR_VD_IMAGE_CORRUPTED;
    memset(e->grain + out, 0, e->h.grain_bytes - out);
    return 0;
}

static int load_grain(struct vd *vd, struct vmdk_extent *e, uint64_t grain)
{
    uint32_t most = (uint32_t)compressBound(e->h.grain_bytes) + 64, entry;
    g_autofree uint8_t *packed = g_malloc(MARKER_BYTES + most);
    uint32_t bytes;
    int rc = vmdk_grain_entry(e, grain, &entry);

    if (rc == 0)
        rc = fio_read_some(vd->io, e->fd, packed, MARKER_BYTES + most, entry * (uint64_t)SECTOR);
    if (rc)
        return rc;
    bytes = le32(packed + 8);
    if (le64(packed) != grain * (e->h.grain_bytes / SECTOR) || bytes == 0 || bytes > most)
        return VERR_VD_IMAGE_CORRUPTED;
    e->grain_no = 0;
    rc = inflate_grain(e, packed + MARKER_BYTES, bytes);
    e->grain_no = rc ? 0 : grain + 1;
    return rc;
}

int vmdk_grain_read(struct vd *vd, struct vmdk_extent *e, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    while (bytes) {
        uint64_t grain = off_bytes / e->h.grain_bytes, off = off_bytes % e->h.grain_bytes;
        size_t n = (size_t)MIN(bytes, e->h.grain_bytes - off);
        int rc = e->grain_no == grain + 1 ? 0 : load_grain(vd, e, grain);

        if (rc)
            return rc;
        memcpy(buf, e->grain + off, n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return 0;
}

/* ---- writing ---- */

struct vmdk_stream {
    struct vmdk_extent *e;
    uint64_t at;    /* file offset of what comes next */
    uint64_t grain; /* the one being filled */
    bool dirty, finished;
    int failed;
    uint32_t gt_no;
    bool gt_used;
    struct vmdk_pack *pack;
    uint32_t *gt, *gd; /* little-endian */
};

struct vmdk_stream *vmdk_stream_new(struct vd *vd, struct vmdk_extent *e)
{
    struct vmdk_stream *s = g_new0(struct vmdk_stream, 1);

    (void)vd;
    s->e = e;
    s->at = e->h.overhead_bytes;
    s->pack = vmdk_pack_new(e->h.grain_bytes, MARKER_BYTES, SECTOR);
    s->failed = s->pack ? 0 : VERR_NO_MEMORY;
    s->gt = g_malloc0(vmdk_gt_bytes(&e->h));
    s->gd = g_malloc0(align_up(4ull * vmdk_gts(&e->h), SECTOR));
    return s;
}

void vmdk_stream_free(struct vmdk_stream *s)
{
    if (!s)
        return;
    vmdk_pack_free(s->pack);
    g_free(s->gt);
    g_free(s->gd);
    g_free(s);
}

static int put(struct vd *vd, struct vmdk_stream *s, const void *p, uint64_t bytes)
{
    int rc = fio_write(vd->io, s->e->fd, p, bytes, s->at);

    s->at += rc ? 0 : bytes;
    return rc;
}

/* A marker's sector, then @bytes of @p, whole sectors. */
static int put_marked(struct vd *vd, struct vmdk_stream *s, enum marker kind, const void *p, uint64_t bytes)
{
    uint8_t raw[SECTOR] = {};
    int rc;

    put_le64(raw, bytes / SECTOR);
    put_le32(raw + MARKER_BYTES, kind);
    rc = put(vd, s, raw, SECTOR);
    return rc || bytes == 0 ? rc : put(vd, s, p, bytes);
}

static int end_table(struct vd *vd, struct vmdk_stream *s)
{
    int rc;

    if (!s->gt_used)
        return 0;
    s->gd[s->gt_no] = GUINT32_TO_LE((uint32_t)(s->at / SECTOR + 1));
    rc = put_marked(vd, s, MARKER_GT, s->gt, vmdk_gt_bytes(&s->e->h));
    memset(s->gt, 0, vmdk_gt_bytes(&s->e->h));
    s->gt_used = false;
    return rc;
}

static int put_grain(struct vd *vd, struct vmdk_stream *s, const struct vmdk_grain *g)
{
    const struct vmdk_header *h = &s->e->h;
    const uint32_t table = (uint32_t)(g->number / h->gt_entries);
    const uint64_t padded = align_up(MARKER_BYTES + g->bytes, SECTOR);
    uint8_t *raw = g->packed - MARKER_BYTES;
    int rc = 0;

    if (g->status || g->bytes == 0)
        return g->status;
    if (table != s->gt_no)
        rc = end_table(vd, s);
    if (rc == 0 && s->at / SECTOR > UINT32_MAX)
        rc = VERR_FILE_TOO_BIG;
    if (rc)
        return rc;
    s->gt_no = table;
    s->gt_used = true;
    s->gt[g->number % h->gt_entries] = GUINT32_TO_LE((uint32_t)(s->at / SECTOR));
    put_le64(raw, g->number * (h->grain_bytes / SECTOR));
    put_le32(raw + 8, (uint32_t)g->bytes);
    memset(g->packed + g->bytes, 0, padded - MARKER_BYTES - g->bytes);
    return put(vd, s, raw, padded);
}

/* Writes what is packed; @all: waits for all of it, otherwise until the next grain has room. */
static int put_packed(struct vd *vd, struct vmdk_stream *s, bool all)
{
    struct vmdk_grain *g;

    while (s->failed == 0 && (g = vmdk_pack_take(s->pack, all || vmdk_pack_full(s->pack)))) {
        s->failed = put_grain(vd, s, g);
        vmdk_pack_done(s->pack);
    }
    return s->failed;
}

static int end_grain(struct vd *vd, struct vmdk_stream *s)
{
    if (!s->dirty)
        return 0;
    vmdk_pack_queue(s->pack, s->grain);
    s->dirty = false;
    return put_packed(vd, s, false);
}

int vmdk_stream_write(struct vd *vd, struct vmdk_stream *s, uint64_t off_bytes, const uint8_t *buf, size_t bytes)
{
    uint64_t grain_bytes = s->e->h.grain_bytes;

    while (bytes) {
        uint64_t grain = off_bytes / grain_bytes, off = off_bytes % grain_bytes;
        size_t n = (size_t)MIN(bytes, grain_bytes - off);
        int rc = 0;

        if (s->failed)
            return s->failed;
        if (s->finished || grain < s->grain)
            return VERR_VD_IMAGE_READ_ONLY;
        if (grain > s->grain)
            rc = end_grain(vd, s);
        if (rc)
            return rc;
        s->grain = grain;
        s->dirty = true;
        memcpy(vmdk_pack_plain(s->pack) + off, buf, n);
        off_bytes += n;
        buf += n;
        bytes -= n;
    }
    return 0;
}

int vmdk_stream_finish(struct vd *vd, struct vmdk_stream *s)
{
    struct vmdk_header footer = s->e->h;
    uint8_t raw[VMDK_HEADER_BYTES];
    int rc;

    if (s->finished || s->failed)
        return s->failed;
    rc = end_grain(vd, s);
    if (rc == 0)
        rc = put_packed(vd, s, true);
    if (rc == 0)
        rc = end_table(vd, s);
    footer.gd_at = s->at + SECTOR;
    if (rc == 0)
        rc = put_marked(vd, s, MARKER_GD, s->gd, align_up(4ull * vmdk_gts(&footer), SECTOR));
    vmdk_header_build(&footer, raw);
    if (rc == 0)
        rc = put_marked(vd, s, MARKER_FOOTER, raw, sizeof(raw));
    if (rc == 0)
        rc = put_marked(vd, s, MARKER_EOS, NULL, 0);
    s->failed = rc;
    s->finished = rc == 0;
    return rc;
}
