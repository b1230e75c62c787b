/*
 * qed.c - QED images for reading: two levels of tables of 64-bit offsets.
 *
 * Source: QEMU docs/interop/qed_spec.txt. Backing files as in qcow2.c: named by the caller.
 */
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"
#include "storage/tcache.h"

#define MAGIC           0x00444551u /* "QED\0" */
#define HEADER_BYTES    64
#define CACHE_BYTES     (16u << 20)
#define FEATURE_BACKING 1u
#define FEATURES_KNOWN  7u /* backing file, needs a check, backing file is raw */
#define ENTRY_ZERO      1u
#define MAX_TABLE_BYTES (16u << 20)

struct qed {
    uint32_t cluster_bytes, table_bytes;
    uint64_t file_bytes;
    uint8_t *l1; /* as in the file */
    struct tcache *l2;
};

static const char *header_fault(const uint8_t *raw, const struct qed *q, uint64_t size)
{
    uint64_t entries = q->table_bytes / 8;

    if (!power_of_two(q->cluster_bytes) || q->cluster_bytes < 4096 || q->cluster_bytes > (64u << 20))
        return "its cluster size is not a power of two between 4 KiB and 64 MiB";
    if (!power_of_two(le32(raw + 8)) || le32(raw + 8) > 16 ||
        (uint64_t)q->cluster_bytes * le32(raw + 8) > MAX_TABLE_BYTES)
        return "the size of its tables is impossible";
    if (le64(raw + 16) & ~(uint64_t)FEATURES_KNOWN)
        return "it needs features that are not known";
    if (size == 0 || size % VD_SECTOR_BYTES || size > INT64_MAX)
        return "the disk size is zero, odd or too large";
    if ((size - 1) / q->cluster_bytes / entries >= entries)
        return "it is larger than its tables can describe";
    if (le64(raw + 40) > q->file_bytes || q->table_bytes > q->file_bytes - le64(raw + 40))
        return "its first-level table lies beyond its end";
    return NULL;
}

static bool read_backing_name(struct vd *vd, const uint8_t *raw, GError **error)
{
    uint32_t at = le32(raw + 56), bytes = le32(raw + 60);

    if (!(le64(raw + 16) & FEATURE_BACKING))
        return true;
    if (bytes == 0 || bytes > 1023)
        return vd_refuse(vd->path, VERR_VD_GEN_INVALID_HEADER, error, "the name of its backing file is too long");
    vd->diff = true;
    vd->hint = g_malloc0(bytes + 1);
    if (fio_read_some(vd->io, vd->fd, vd->hint, bytes, at))
        return vd_refuse(vd->path, VERR_READ_ERROR, error, "the name of its backing file cannot be read");
    return true;
}

static bool qed_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    uint8_t raw[HEADER_BYTES];
    struct qed *q = g_new0(struct qed, 1);
    int rc = fio_read_some(vd->io, vd->fd, raw, sizeof(raw), 0);
    const char *fault;

    vd->priv = q;
    if (rc) {
        fio_error(error, rc, "Cannot read the header of '%s'", vd->path);
        return false;
    }
    q->file_bytes = file_bytes;
    q->cluster_bytes = le32(raw + 4);
    q->table_bytes = q->cluster_bytes * le32(raw + 8);
    fault = le32(raw) == MAGIC ? header_fault(raw, q, le64(raw + 48)) : "it is not in QED format";
    if (fault)
        return vd_refuse(vd->path, VERR_VD_GEN_INVALID_HEADER, error, "%s", fault);
    vd->size_bytes = le64(raw + 48);
    vd->unit_bytes = q->cluster_bytes;
    q->l1 = g_malloc(q->table_bytes);
    q->l2 = tcache_new(vd->io, vd->fd, q->table_bytes, MAX(4, CACHE_BYTES / q->table_bytes));
    rc = fio_read(vd->io, vd->fd, q->l1, q->table_bytes, le64(raw + 40));
    if (rc) {
        fio_error(error, rc, "Cannot read the first-level table of '%s'", vd->path);
        return false;
    }
    return read_backing_name(vd, raw, error);
}

static void qed_close(struct vd *vd)
{
    struct qed *q = vd->priv;

    if (!q)
        return;
    tcache_free(q->l2);
    g_free(q->l1);
    g_clear_pointer(&vd->priv, g_free);
}

static bool qed_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    (void)tail;
    return le32(head) == MAGIC;
}

static int qed_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct qed *q = vd->priv;
    uint64_t entries = q->table_bytes / 8, cluster = off_bytes / q->cluster_bytes, off = off_bytes % q->cluster_bytes;
    uint64_t l2 = le64(q->l1 + 8 * (cluster / entries)), at;
    uint8_t *table;
    int rc;

    bytes = MIN(bytes, q->cluster_bytes - off);
    if (l2 == 0)
        return vd_extent_plain(ret, bytes, VD_FREE);
    if (l2 % q->cluster_bytes || l2 >= q->file_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    rc = tcache_get(q->l2, l2, &table);
    if (rc)
        return rc;
    at = le64(table + 8 * (cluster % entries));
    if (at <= ENTRY_ZERO)
        return vd_extent_plain(ret, bytes, at == ENTRY_ZERO ? VD_ZERO : VD_FREE);
    if (at % q->cluster_bytes || at >= q->file_bytes)
        return VERR_VD_IMAGE_CORRUPTED;
    return vd_extent_data(ret, bytes, vd->fd, at + off);
}

static const char *no_fault(struct vd *vd, struct vd *parent)
{
    (void)vd;
    (void)parent;
    return NULL;
}

const struct vd_format qed_format = {
    .read_only = true,
    .probe = qed_probe,
    .open = qed_open,
    .close = qed_close,
    .map = qed_map,
    .parent_fault = no_fault,
};
