/*
 * file_read.c - verifies a saved-state file and hands out its units.
 *
 * The file is hostile: it is read, never mapped; every size is bounded by what the file has left; a unit is checked
 * again when it is handed out, as the file may have changed since it was verified.
 */
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "rt/status.h"
#include "vmm/ssm/file_int.h"

#define CHUNK_BYTES (1u << 20)

struct ssm_in {
    const struct fio *io;
    char *path;
    int fd;
    uint64_t size, at, end; /* end: where the trailer starts */
    uint32_t units, seen;
    uint8_t *payload;
};

static bool damaged(const struct ssm_in *in, GError **error, const char *what)
{
    g_set_error(error, SSM_ERROR, SSM_CORRUPT,
                "The saved state '%s' is damaged: %s (VERR_SSM_INTEGRITY). Discard it to start the machine afresh",
                in->path, what);
    return false;
}

static bool read_at(struct ssm_in *in, uint64_t at, void *p, size_t bytes, GError **error)
{
    const int rc = fio_read(in->io, in->fd, p, bytes, at);

    if (rc)
        fio_error(error, rc, "Cannot read the saved state '%s'", in->path);
    return rc == 0;
}

static bool check_header(struct ssm_in *in, const char *config_sha256, GError **error)
{
    struct ssm_header h;
    g_autoptr(GString) hex = g_string_new(NULL);

    if (!read_at(in, 0, &h, sizeof(h), error))
        return false;
    if (memcmp(h.magic, SSM_FILE_MAGIC, sizeof(SSM_FILE_MAGIC)))
        return damaged(in, error, "it does not begin as a saved state");
    if (h.crc != ssm_crc32c(0, &h, offsetof(struct ssm_header, crc)))
        return damaged(in, error, "its header");
    if (h.format != SSM_FORMAT || h.flags) {
        g_set_error(error, SSM_ERROR, SSM_VERSION, "The saved state '%s' has format %u; this program reads format %u",
                    in->path, h.format, SSM_FORMAT);
        return false;
    }
    for (unsigned i = 0; i < SSM_DIGEST_BYTES; i++)
        g_string_append_printf(hex, "%02x", h.config[i]);
    if (config_sha256 && g_ascii_strcasecmp(hex->str, config_sha256)) {
        g_set_error(error, SSM_ERROR, SSM_MISMATCH,
                    "The saved state '%s' belongs to another configuration of the machine "
                    "(VERR_SSM_LOAD_CONFIG_MISMATCH). Undo the change of its settings, or discard the state",
                    in->path);
        return false;
    }
    return true;
}

static bool check_digest(struct ssm_in *in, GError **error)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree uint8_t *chunk = g_malloc(CHUNK_BYTES);
    const uint64_t covered = in->end + offsetof(struct ssm_trailer, digest);
    struct ssm_trailer t;
    uint8_t digest[SSM_DIGEST_BYTES];
    gsize digest_bytes = sizeof(digest);

    if (!read_at(in, in->end, &t, sizeof(t), error))
        return false;
    if (memcmp(t.magic, SSM_TRAILER_MAGIC, sizeof(SSM_TRAILER_MAGIC)))
        return damaged(in, error, "its end is missing");
    for (uint64_t at = 0; at < covered;) {
        const size_t n = (size_t)MIN(covered - at, CHUNK_BYTES);

        if (!read_at(in, at, chunk, n, error))
            return false;
        g_checksum_update(sum, chunk, (gssize)n);
        at += n;
    }
    g_checksum_get_digest(sum, digest, &digest_bytes);
    if (memcmp(digest, t.digest, sizeof(digest)))
        return damaged(in, error, "its contents do not match its digest");
    in->units = t.units;
    return true;
}

static bool open_file(struct ssm_in *in, GError **error)
{
    struct fio_stat st;
    int rc = fio_open(in->io, in->path, O_RDONLY, 0, &in->fd);

    if (rc == 0)
        rc = fio_stat(in->io, in->fd, &st);
    if (rc == 0 && !st.regular)
        rc = VERR_NOT_A_FILE;
    if (rc) {
        fio_error(error, rc, "Cannot open the saved state '%s'", in->path);
        return false;
    }
    if (st.size_bytes < sizeof(struct ssm_header) + sizeof(struct ssm_trailer))
        return damaged(in, error, "it is too short");
    in->size = st.size_bytes;
    in->end = in->size - sizeof(struct ssm_trailer);
    in->at = sizeof(struct ssm_header);
    return true;
}

struct ssm_in *ssm_in_open(const struct fio *io, const char *path, const char *config_sha256, GError **error)
{
    struct ssm_in *in = g_new0(struct ssm_in, 1);

    in->io = io;
    in->path = g_strdup(path);
    in->fd = -1;
    if (open_file(in, error) && check_header(in, config_sha256, error) && check_digest(in, error))
        return in;
    ssm_in_close(in);
    return NULL;
}

void ssm_in_close(struct ssm_in *in)
{
    if (!in)
        return;
    fio_close(in->io, in->fd);
    g_free(in->payload);
    g_free(in->path);
    g_free(in);
}

static bool check_unit_header(struct ssm_in *in, const struct ssm_unit_header *h, GError **error)
{
    const uint64_t left = in->end - in->at;

    if (memcmp(h->magic, SSM_UNIT_MAGIC, sizeof(h->magic)) ||
        h->crc != ssm_crc32c(0, h, offsetof(struct ssm_unit_header, crc)))
        return damaged(in, error, "a unit's header");
    if (!memchr(h->name, 0, sizeof(h->name)) || h->size > SSM_UNIT_MAX ||
        left < sizeof(*h) + (uint64_t)h->size + sizeof(uint32_t))
        return damaged(in, error, "a unit's size");
    return true;
}

/* Payload and the CRC behind it. */
static bool read_payload(struct ssm_in *in, const struct ssm_unit_header *h, GError **error)
{
    const size_t bytes = (size_t)h->size + sizeof(uint32_t);
    uint8_t *payload = g_try_realloc(in->payload, bytes);
    uint32_t crc;

    if (!payload) {
        g_set_error(error, SSM_ERROR, SSM_NO_MEMORY, "The saved state '%s': no memory for a unit of %u bytes", in->path,
                    h->size);
        return false;
    }
    in->payload = payload;
    if (!read_at(in, in->at + sizeof(*h), payload, bytes, error))
        return false;
    memcpy(&crc, payload + h->size, sizeof(crc));
    return crc == ssm_crc32c(0, payload, h->size) || damaged(in, error, "a unit's contents");
}

enum ssm_next ssm_in_next(struct ssm_in *in, struct ssm_unit *ret, GError **error)
{
    struct ssm_unit_header h;

    if (in->at == in->end) {
        if (in->seen == in->units)
            return SSM_NEXT_END;
        damaged(in, error, "units are missing");
        return SSM_NEXT_ERROR;
    }
    if (in->end - in->at < sizeof(h)) {
        damaged(in, error, "bytes too many before its end");
        return SSM_NEXT_ERROR;
    }
    if (!read_at(in, in->at, &h, sizeof(h), error) || !check_unit_header(in, &h, error) || !read_payload(in, &h, error))
        return SSM_NEXT_ERROR;
    in->at += sizeof(h) + h.size + sizeof(uint32_t);
    in->seen++;
    *ret = (struct ssm_unit){.instance = h.instance, .version = h.version, .bytes = in->payload, .size = h.size};
    memcpy(ret->name, h.name, sizeof(ret->name));
    return SSM_NEXT_UNIT;
}

/* ---- memory ---- */

static bool unpack(uint8_t *to, size_t plain, uint32_t coding, const uint8_t *from, size_t bytes)
{
    uLongf size = (uLongf)plain;

    if (coding == SSM_MEMORY_PLAIN && bytes == plain) {
        memcpy(to, from, plain);
        return true;
    }
    return coding == SSM_MEMORY_ZLIB && uncompress(to, &size, from, (uLong)bytes) == Z_OK && size == plain;
}

bool ssm_memory_unit(struct ssm_memory *m, const struct ssm_unit *unit, GError **error)
{
    const uint64_t pages = m->bytes / SSM_PAGE_BYTES;
    struct ssm_memory_head h;
    bool ok = unit->size >= sizeof(h) && unit->version == 1;

    if (ok) {
        memcpy(&h, unit->bytes, sizeof(h));
        ok = h.pages && h.pages <= SSM_MEMORY_PAGES && h.first_page >= m->next_page && h.first_page < pages &&
             h.pages <= pages - h.first_page;
    }
    if (ok) {
        ok = unpack(m->base + h.first_page * SSM_PAGE_BYTES, (size_t)h.pages * SSM_PAGE_BYTES, h.coding,
                    unit->bytes + sizeof(h), unit->size - sizeof(h));
        m->next_page = h.first_page + h.pages;
    }
    if (!ok)
        g_set_error(error, SSM_ERROR, SSM_IMPOSSIBLE, "Saved state unit \"%s\": pages that this memory has not",
                    unit->name);
    return ok;
}
