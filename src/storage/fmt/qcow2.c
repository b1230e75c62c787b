/*
 * qcow2.c - QCOW2 images, versions 2 and 3, for reading: two levels of tables, compressed clusters, backing files.
 *
 * Source: QEMU docs/interop/qcow2.txt.
 * A backing file is named by the caller like any parent (vd_open_chain()); its name in the image is for people to read.
 * Left out: encryption, external data files, extended (sub-cluster) entries, internal snapshots, version 1.
 */
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"
#include "storage/tcache.h"

#define MAGIC            0x514649fbu
#define HEADER_BYTES     112
#define MAX_L1           (4u << 20)
#define CACHE_BYTES      (8u << 20)
#define OFFSET_MASK      UINT64_C(0x00fffffffffffe00)
#define ENTRY_PACKED     (UINT64_C(1) << 62)
#define ENTRY_ZERO       1u
#define FEATURE_DIRTY    1u /* reference counts may be wrong: no matter for reading */
#define FEATURE_PACKING  8u
#define PACKED_WITH_ZSTD 1

struct qcow2 {
    uint32_t cluster_bits, cluster_bytes, l1_entries;
    uint64_t *l1; /* host byte order, offsets of second-level tables; 0 = none */
    struct tcache *l2;
    uint64_t file_bytes;
    bool zstd, zero_flag;
    uint8_t *cluster;    /* the last compressed one */
    uint64_t cluster_no; /* its number plus one */
};

/* What is wrong with the header, or NULL. */
static const char *header_fault(const uint8_t *raw, const struct qcow2 *q, uint64_t size)
{
    uint32_t version = be32(raw + 4);
    uint64_t features = version >= 3 ? be64(raw + 72) : 0;
    uint64_t per_l1 = (uint64_t)q->cluster_bytes * (q->cluster_bytes / 8);

    if (version != 2 && version != 3)
        return "its version is neither 2 nor 3";
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return "its cluster size is not between 512 bytes and 2 MiB";
    if (be32(raw + 32))
        return "it is encrypted";
    if (features & ~(uint64_t)(FEATURE_DIRTY | FEATURE_PACKING))
        return "it needs features that are not known (external data, sub-clusters), or is marked as damaged";
    if (version >= 3 && be32(raw + 100) > 104 && raw[104] > PACKED_WITH_ZSTD)
        return "its kind of compression is not known";
    if (size == 0 || size % VD_SECTOR_BYTES || size > INT64_MAX)
        return "the disk size is zero, odd or too large";
    if (q->l1_entries == 0 || q->l1_entries > MAX_L1 || (size - 1) / per_l1 >= q->l1_entries)
        return "its first-level table does not fit its size";
    return NULL;
}

static bool load_l1(struct vd *vd, struct qcow2 *q, uint64_t at, GError **error)
{
    uint64_t bytes = 8ull * q->l1_entries;
    int rc;

    if (at % 8 || at > q->file_bytes || bytes > q->file_bytes - at)
        return vd_refuse(vd->path, VERR_VD_GEN_INVALID_HEADER, error, "its first-level table lies beyond its end");
    q->l1 = g_try_malloc(bytes);
    rc = q->l1 ? fio_read(vd->io, vd->fd, q->l1, bytes, at) : VERR_NO_MEMORY;
    if (rc) {
        fio_error(error, rc, "Cannot read the first-level table of '%s'", vd->path);
        return false;
    }
    for (uint32_t i = 0; i < q->l1_entries; i++)
        q->l1[i] = GUINT64_FROM_BE(q->l1[i]) & OFFSET_MASK;
    return true;
}

static bool read_backing_name(struct vd *vd, const uint8_t *raw, GError **error)
{
    uint64_t at = be64(raw + 8);
    uint32_t bytes = be32(raw + 16);

    if (at == 0)
        return true;
    if (bytes == 0 || bytes > 1023)
        return vd_refuse(vd->path, VERR_VD_GEN_INVALID_HEADER, error, "the name of its backing file is too long");
    vd->diff = true;
    vd->hint = g_malloc0(bytes + 1);
    if (fio_read_some(vd->io, vd->fd, vd->hint, bytes, at))
        return vd_refuse(vd->path, VERR_READ_ERROR, error, "the name of its backing file cannot be read");
    return true;
}

static bool qcow2_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    uint8_t raw[HEADER_BYTES];
    struct qcow2 *q = g_new0(struct qcow2, 1);
    int rc = fio_read_some(vd->io, vd->fd, raw, sizeof(raw), 0);
    const char *fault;

    vd->priv = q;
    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", vd->path);
        return false;
    }
    q->file_bytes = file_bytes;
    q->cluster_bits = be32(raw + 20);
    q->cluster_bytes = q->cluster_bits < 32 ? 1u << q->cluster_bits : 0;
    q->l1_entries = be32(raw + 36);
    fault = be32(raw) == MAGIC ? header_fault(raw, q, be64(raw + 24)) : "it is not in QCOW2 format";
    if (fault)
        return vd_refuse(vd->path, VERR_VD_GEN_INVALID_HEADER, error, "%s", fault);
    q->zero_flag = be32(raw + 4) >= 3;
    q->zstd = q->zero_flag && be32(raw + 100) > 104 && raw[104] == PACKED_WITH_ZSTD;
    vd->size_bytes = be64(raw + 24);
    vd->unit_bytes = q->cluster_bytes;
    q->l2 = tcache_new(vd->io, vd->fd, q->cluster_bytes, MAX(8, CACHE_BYTES / q->cluster_bytes));
    return load_l1(vd, q, be64(raw + 40), error) && read_backing_name(vd, raw, error);
}

static void qcow2_close(struct vd *vd)
{
    struct qcow2 *q = vd->priv;

    if (!q)
        return;
    tcache_free(q->l2);
    g_free(q->l1);
    g_free(q->cluster);
    g_clear_pointer(&vd->priv, g_free);
}

static bool qcow2_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    (void)tail;
    return be32(head) == MAGIC && be32(head + 4) >= 2;
}

/* The second-level entry of a cluster. */
static int entry_of(struct qcow2 *q, uint64_t cluster, uint64_t *ret)
{
    uint64_t per_l2 = q->cluster_bytes / 8, at = q->l1[cluster / per_l2];
    uint8_t *table;
    int rc;

    *ret = 0;
    if (at == 0)
        return 0;
    if (at % q->cluster_bytes || at >= q->file_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    rc = tcache_get(q->l2, at, &table);
    if (rc == 0)
        *ret = be64(table + 8 * (cluster % per_l2));
    return rc;
}

static enum vd_extent_kind kind_of(const struct qcow2 *q, uint64_t entry)
{
    if (entry & ENTRY_PACKED)
        return VD_DATA;
    if (q->zero_flag && (entry & ENTRY_ZERO))
        return VD_ZERO;
    return entry & OFFSET_MASK ? VD_DATA : VD_FREE;
}

static int qcow2_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct qcow2 *q = vd->priv;
    uint64_t cluster = off_bytes / q->cluster_bytes, off = off_bytes % q->cluster_bytes;
    uint64_t n = q->cluster_bytes - off, first, next;
    enum vd_extent_kind kind;
    int rc = entry_of(q, cluster, &first);

    if (rc)
        return rc;
    kind = kind_of(q, first);
    for (uint64_t i = 1; n < bytes; i++, n += q->cluster_bytes) {
        if (entry_of(q, cluster + i, &next) || kind_of(q, next) != kind || ((next ^ first) & ENTRY_PACKED))
            break;
        if (kind == VD_DATA && !(first & ENTRY_PACKED) &&
            (next & OFFSET_MASK) != (first & OFFSET_MASK) + i * q->cluster_bytes)
            break;
    }
    n = MIN(n, bytes);
    if (kind != VD_DATA || (first & ENTRY_PACKED))
        return vd_extent_plain(ret, n, kind);
    if ((first & OFFSET_MASK) % q->cluster_bytes || (first & OFFSET_MASK) >= q->file_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    return vd_extent_data(ret, n, vd->fd, (first & OFFSET_MASK) + off);
}

static bool unpack_zlib(uint8_t *to, uint32_t bytes, const uint8_t *from, uint32_t from_bytes)
{
    z_stream z = {.next_in = (Bytef *)from, .avail_in = from_bytes, .next_out = to, .avail_out = bytes};
    int rc;

    if (inflateInit2(&z, -12) != Z_OK)
        return false;
    rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (rc == Z_STREAM_END || rc == Z_BUF_ERROR) && z.avail_out == 0;
}

/* The length in the entry is in whole sectors: what follows the frame is another cluster's. */
static bool unpack_zstd(uint8_t *to, uint32_t bytes, const uint8_t *from, uint32_t from_bytes)
{
    size_t frame = ZSTD_findFrameCompressedSize(from, from_bytes);

    return !ZSTD_isError(frame) && ZSTD_decompress(to, bytes, from, frame) == bytes;
}

static int load_cluster(struct vd *vd, uint64_t cluster)
{
    struct qcow2 *q = vd->priv;
    unsigned x = 62 - (q->cluster_bits - 8);
    uint64_t entry, at;
    uint32_t bytes;
    g_autofree uint8_t *packed = NULL;
    bool ok;
    int rc = entry_of(q, cluster, &entry);

    if (rc)
        return rc;
    at = entry & ((UINT64_C(1) << x) - 1);
    bytes = (uint32_t)(((entry & (ENTRY_PACKED - 1)) >> x) + 1) * 512 - at % 512;
    if (at >= q->file_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    packed = g_malloc(bytes);
    if (!q->cluster)
        q->cluster = g_malloc(q->cluster_bytes);
    rc = fio_read_some(vd->io, vd->fd, packed, bytes, at);
    if (rc)
        return rc;
    q->cluster_no = 0;
    ok = q->zstd ? unpack_zstd(q->cluster, q->cluster_bytes, packed, bytes)
                 : unpack_zlib(q->cluster, q->cluster_bytes, packed, bytes);
    if (!ok)
        return VERR_VD_IMAGE_CORRUPTED;
    q->cluster_no = cluster + 1;
    return 0;
}

static int qcow2_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    struct qcow2 *q = vd->priv;
    int rc = 0;

    while (rc == 0 && bytes) {
        uint64_t cluster = off_bytes / q->cluster_bytes, off = off_bytes % q->cluster_bytes;
        struct vd_extent e;

        rc = qcow2_map(vd, off_bytes, bytes, &e);
        if (rc)
            break;
        if (e.kind == VD_DATA && e.fd < 0)
            e.bytes = MIN(e.bytes, q->cluster_bytes - off);
        if (e.kind != VD_DATA)
            memset(buf, 0, e.bytes);
        else if (e.fd >= 0)
            rc = fio_read_some(vd->io, e.fd, buf, e.bytes, e.at);
        else if ((rc = q->cluster_no == cluster + 1 ? 0 : load_cluster(vd, cluster)) == 0)
            memcpy(buf, q->cluster + off, e.bytes);
        off_bytes += e.bytes;
        buf += e.bytes;
        bytes -= e.bytes;
    }
    return rc;
}

/* The image remembers a name and nothing else; the caller's word counts. */
static const char *no_fault(struct vd *vd, struct vd *parent)
{
    (void)vd;
    (void)parent;
    return NULL;
}

const struct vd_format qcow2_format = {
    .read_only = true,
    .probe = qcow2_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .map = qcow2_map,
    .read = qcow2_read,
    .parent_fault = no_fault,
};
