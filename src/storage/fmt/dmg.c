/*
 * dmg.c - Apple disk images (UDIF) for reading: chunks that are stored, zero, or packed with ADC, zlib or bzip2.
 *
 * Source: the UDIF trailer and block tables as described in QEMU's and libdmg's public documentation of the format.
 * A trailer at the end names a property list; its "blkx" array holds block tables in base64. Only that array is looked
 * for in the text; everything in the tables is checked against the file and each other when opening.
 * Left out: LZFSE and LZMA chunks (refused when opening), encryption, images in parts.
 */
#include <bzlib.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/format.h"

#define TRAILER_BYTES   512
#define MAX_XML_BYTES   (16u << 20)
#define MAX_CHUNKS      (1u << 20)
#define MAX_CHUNK_BYTES (16u << 20) /* packed and unpacked lie in memory; makers use 1 MiB */
#define TABLE_HEAD      204
#define TABLE_ENTRY     40

enum chunk_type {
    CHUNK_ZERO = 0,
    CHUNK_RAW = 1,
    CHUNK_IGNORE = 2,
    CHUNK_ADC = 0x80000004,
    CHUNK_ZLIB = 0x80000005,
    CHUNK_BZIP2 = 0x80000006,
    CHUNK_COMMENT = 0x7ffffffe,
    CHUNK_END = 0xffffffff
};

struct chunk {
    uint32_t type;
    uint64_t first, bytes;     /* of the disk */
    uint64_t at, packed_bytes; /* of the file */
};

struct dmg {
    GArray *chunks; /* struct chunk, sorted, without gaps or overlaps */
    uint8_t *buf;
    guint loaded; /* the chunk in buf plus one */
};

static bool refuse(struct vd *vd, GError **error, const char *why)
{
    return vd_refuse(vd->path, VERR_VD_DMG_INVALID_HEADER, error, "%s", why);
}

/* ---- opening ---- */

static const char *chunk_fault(const struct chunk *c, uint64_t file_bytes)
{
    bool packed = c->type == CHUNK_ADC || c->type == CHUNK_ZLIB || c->type == CHUNK_BZIP2;

    if (!packed && c->type != CHUNK_ZERO && c->type != CHUNK_RAW && c->type != CHUNK_IGNORE)
        return "a chunk is packed in a way that is not supported";
    if (packed && (c->bytes > MAX_CHUNK_BYTES || c->packed_bytes > MAX_CHUNK_BYTES))
        return "a packed chunk is too large";
    if ((packed || c->type == CHUNK_RAW) && (c->at > file_bytes || c->packed_bytes > file_bytes - c->at))
        return "a chunk lies beyond its end";
    if (c->type == CHUNK_RAW && c->packed_bytes < c->bytes)
        return "a chunk is too short";
    return NULL;
}

static const char *add_table(struct dmg *d, const uint8_t *t, size_t bytes, uint64_t data_at, uint64_t file_bytes)
{
    uint64_t first = bytes >= TABLE_HEAD ? be64(t + 8) : 0;
    uint32_t n = bytes >= TABLE_HEAD ? be32(t + 200) : 0;

    if (bytes < TABLE_HEAD || memcmp(t, "mish", 4) != 0 || n > (bytes - TABLE_HEAD) / TABLE_ENTRY)
        return "a block table is damaged";
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *e = t + TABLE_HEAD + TABLE_ENTRY * i;
        uint64_t sector = be64(e + 8), sectors = be64(e + 16);
        struct chunk c = {.type = be32(e), .at = be64(e + 24), .packed_bytes = be64(e + 32)};
        const char *fault;

        if (c.type == CHUNK_COMMENT || c.type == CHUNK_END || sectors == 0)
            continue;
        if (sector > INT64_MAX / 1024 || sectors > INT64_MAX / 1024 || first > INT64_MAX / 1024 ||
            c.at > INT64_MAX / 2 || data_at > INT64_MAX / 2)
            return "a block table is damaged";
        c.first = (first + sector) * 512;
        c.bytes = sectors * 512;
        c.at += data_at;
        fault = d->chunks->len < MAX_CHUNKS ? chunk_fault(&c, file_bytes) : "it has too many chunks";
        if (fault)
            return fault;
        g_array_append_val(d->chunks, c);
    }
    return NULL;
}

/* Each <data> of the blkx array. */
static const char *add_tables(struct dmg *d, char *xml, uint64_t data_at, uint64_t file_bytes)
{
    char *p = strstr(xml, "<key>blkx</key>"), *end;

    if (!p)
        return "it has no block tables";
    end = strstr(p, "</array>");
    if (end)
        *end = 0;
    while ((p = strstr(p, "<data>"))) {
        char *stop = strstr(p, "</data>");
        const char *fault;
        g_autofree uint8_t *table = NULL;
        gsize bytes = 0;

        if (!stop)
            return "its property list is damaged";
        *stop = 0;
        table = g_base64_decode(p + 6, &bytes);
        fault = add_table(d, table, bytes, data_at, file_bytes);
        if (fault)
            return fault;
        p = stop + 1;
    }
    return NULL;
}

static int by_place(const void *a, const void *b)
{
    const struct chunk *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

static const char *check_order(struct dmg *d, uint64_t *ret_size)
{
    uint64_t at = 0;

    g_array_sort(d->chunks, by_place);
    for (guint i = 0; i < d->chunks->len; i++) {
        const struct chunk *c = &g_array_index(d->chunks, struct chunk, i);

        if (c->first != at)
            return "its chunks overlap or leave gaps";
        at += c->bytes;
    }
    *ret_size = at;
    return at ? NULL : "it is empty";
}

static bool dmg_open(struct vd *vd, uint64_t file_bytes, GError **error)
{
    uint8_t raw[TRAILER_BYTES] = {};
    struct dmg *d = g_new0(struct dmg, 1);
    uint64_t xml_at, xml_bytes;
    g_autofree char *xml = NULL;
    const char *fault;
    int rc = 0;

    vd->priv = d;
    d->chunks = g_array_new(FALSE, FALSE, sizeof(struct chunk));
    if (file_bytes >= TRAILER_BYTES)
        rc = fio_read(vd->io, vd->fd, raw, sizeof(raw), file_bytes - TRAILER_BYTES);
    if (rc == 0 && memcmp(raw, "koly", 4) != 0)
        return refuse(vd, error, "it is not an Apple disk image");
    xml_at = be64(raw + 0xd8);
    xml_bytes = be64(raw + 0xe0);
    if (xml_bytes == 0 || xml_bytes > MAX_XML_BYTES || xml_at > file_bytes || xml_bytes > file_bytes - xml_at)
        return refuse(vd, error, "its property list is missing or too large");
    xml = g_malloc0(xml_bytes + 1);
    if (rc == 0)
        rc = fio_read(vd->io, vd->fd, xml, xml_bytes, xml_at);
    if (rc) {
        fio_error(error, rc, "Cannot read the block tables of '%s'", vd->path);
        return false;
    }
    fault = add_tables(d, xml, be64(raw + 24), file_bytes);
    if (!fault)
        fault = check_order(d, &vd->size_bytes);
    return fault ? refuse(vd, error, fault) : true;
}

static void dmg_close(struct vd *vd)
{
    struct dmg *d = vd->priv;

    if (!d)
        return;
    g_array_unref(d->chunks);
    g_free(d->buf);
    g_clear_pointer(&vd->priv, g_free);
}

static bool dmg_probe(const uint8_t head[VD_PROBE_BYTES], const uint8_t tail[VD_SECTOR_BYTES])
{
    (void)head;
    return memcmp(tail, "koly", 4) == 0;
}

/* ---- unpacking ---- */

/*
 * ADC: 1ccccccc literals; 0ccccooo oooooooo short copy; 01cccccc and two bytes of distance, long copy.
 * True when exactly @bytes came out.
 */
static bool unpack_adc(uint8_t *to, size_t bytes, const uint8_t *from, size_t from_bytes)
{
    size_t in = 0, out = 0;

    while (in < from_bytes && out < bytes) {
        uint8_t op = from[in++];
        size_t n, back;

        if (op & 0x80) {
            n = (op & 0x7fu) + 1;
            if (n > from_bytes - in || n > bytes - out)
                return false;
            memcpy(to + out, from + in, n);
            in += n;
            out += n;
            continue;
        }
        if (from_bytes - in < (op & 0x40 ? 2u : 1u))
            return false;
        n = op & 0x40 ? (op & 0x3fu) + 4 : ((op & 0x3fu) >> 2) + 3;
        back = op & 0x40 ? (size_t)from[in] << 8 | from[in + 1] : (size_t)(op & 3) << 8 | from[in];
        in += op & 0x40 ? 2 : 1;
        if (back + 1 > out || n > bytes - out)
            return false;
        for (; n; n--, out++)
            to[out] = to[out - back - 1];
    }
    return out == bytes;
}

static bool unpack(uint8_t *to, size_t bytes, uint32_t type, uint8_t *from, size_t from_bytes)
{
    uLongf zlib_bytes = bytes;
    unsigned bz_bytes = (unsigned)bytes;

    switch (type) {
    case CHUNK_ADC: return unpack_adc(to, bytes, from, from_bytes);
    case CHUNK_ZLIB: return uncompress(to, &zlib_bytes, from, from_bytes) == Z_OK && zlib_bytes == bytes;
    default:
        return BZ2_bzBuffToBuffDecompress((char *)to, &bz_bytes, (char *)from, (unsigned)from_bytes, 0, 0) == BZ_OK &&
               bz_bytes == bytes;
    }
}

static int load_chunk(struct vd *vd, guint i)
{
    struct dmg *d = vd->priv;
    const struct chunk *c = &g_array_index(d->chunks, struct chunk, i);
    g_autofree uint8_t *packed = g_try_malloc(c->packed_bytes + 1);
    int rc;

    d->loaded = 0;
    g_free(d->buf);
    d->buf = g_try_malloc(c->bytes);
    if (!packed || !d->buf)
        return VERR_NO_MEMORY;
    rc = fio_read(vd->io, vd->fd, packed, c->packed_bytes, c->at);
    if (rc == 0 && !unpack(d->buf, c->bytes, c->type, packed, c->packed_bytes))
        rc = VERR_VD_IMAGE_CORRUPTED;
    d->loaded = rc ? 0 : i + 1;
    return rc;
}

/* ---- requests ---- */

static guint chunk_at(const struct dmg *d, uint64_t off_bytes)
{
    guint low = 0, high = d->chunks->len - 1;

    while (low < high) {
        guint mid = (low + high + 1) / 2;

        if (g_array_index(d->chunks, struct chunk, mid).first <= off_bytes)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

static int dmg_map(struct vd *vd, uint64_t off_bytes, uint64_t bytes, struct vd_extent *ret)
{
    struct dmg *d = vd->priv;
    const struct chunk *c = &g_array_index(d->chunks, struct chunk, chunk_at(d, off_bytes));
    uint64_t off = off_bytes - c->first;

    bytes = MIN(bytes, c->bytes - off);
    if (c->type == CHUNK_RAW)
        return vd_extent_data(ret, bytes, vd->fd, c->at + off);
    return vd_extent_plain(ret, bytes, c->type == CHUNK_ZERO || c->type == CHUNK_IGNORE ? VD_ZERO : VD_DATA);
}

static int dmg_read(struct vd *vd, uint64_t off_bytes, uint8_t *buf, size_t bytes)
{
    struct dmg *d = vd->priv;
    int rc = 0;

    while (rc == 0 && bytes) {
        guint i = chunk_at(d, off_bytes);
        struct vd_extent e;

        dmg_map(vd, off_bytes, bytes, &e);
        if (e.kind == VD_ZERO)
            memset(buf, 0, e.bytes);
        else if (e.fd >= 0)
            rc = fio_read_some(vd->io, e.fd, buf, e.bytes, e.at);
        else if ((rc = d->loaded == i + 1 ? 0 : load_chunk(vd, i)) == 0)
            memcpy(buf, d->buf + (off_bytes - g_array_index(d->chunks, struct chunk, i).first), e.bytes);
        off_bytes += e.bytes;
        buf += e.bytes;
        bytes -= e.bytes;
    }
    return rc;
}

const struct vd_format dmg_format = {
    .read_only = true,
    .probe = dmg_probe,
    .open = dmg_open,
    .close = dmg_close,
    .map = dmg_map,
    .read = dmg_read,
};
