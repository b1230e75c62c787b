/*
 * file_read.c - verifies a saved-state file and hands out its units.
 *
 * The file is hostile: it is read, never mapped; every size is bounded by what the file has left; a unit is checked
 * when it is handed out, whether the file was verified before or still is being.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "rt/status.h"
#include "vmm/ssm/file_int.h"

#define CHUNK_BYTES       (192u << 10) /* stays in a processor's cache between reading and summing */
#define THREADS_MAX       4u
#define PIECES_PER_THREAD 8u /* fewer are not worth another thread */

/* The payloads' CRCs, summed by several threads. */
struct check {
    GArray *pieces;     /* struct piece */
    _Atomic guint next; /* piece nobody has taken */
    GThread *thread[THREADS_MAX];
    unsigned threads;
};

struct ssm_in {
    const struct fio *io;
    char *path;
    int fd;
    uint64_t size, at, end; /* end: where the trailer starts */
    uint32_t units, seen;
    uint8_t *payload;
    struct check check;
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

static bool read_unit_header(struct ssm_in *in, uint64_t at, struct ssm_unit_header *h, GError **error)
{
    const uint64_t left = in->end - at;

    if (left < sizeof(*h))
        return damaged(in, error, "bytes too many before its end");
    if (!read_at(in, at, h, sizeof(*h), error))
        return false;
    if (memcmp(h->magic, SSM_UNIT_MAGIC, sizeof(h->magic)) ||
        h->crc != ssm_crc32c(0, h, offsetof(struct ssm_unit_header, crc)))
        return damaged(in, error, "a unit's header");
    if (!memchr(h->name, 0, sizeof(h->name)) || h->size > SSM_UNIT_MAX ||
        left < sizeof(*h) + (uint64_t)h->size + sizeof(uint32_t))
        return damaged(in, error, "a unit's size");
    return true;
}

/* A unit's payload and its CRC, for one of the threads of check_payloads(). */
struct piece {
    uint64_t at;
    uint32_t bytes, crc;
};

static bool check_piece(struct ssm_in *in, const struct piece *p, uint8_t *chunk, GError **error)
{
    uint32_t crc = 0;

    for (uint64_t at = p->at, end = p->at + p->bytes; at < end;) {
        const size_t n = (size_t)MIN(end - at, CHUNK_BYTES);

        if (!read_at(in, at, chunk, n, error))
            return false;
        crc = ssm_crc32c(crc, chunk, n);
        at += n;
    }
    return crc == p->crc || damaged(in, error, "a unit's contents");
}

/* Return: what is wrong, a GError or NULL. */
static gpointer checking_thread(gpointer user)
{
    struct ssm_in *in = user;
    struct check *c = &in->check;
    g_autofree uint8_t *chunk = g_malloc(CHUNK_BYTES);
    GError *error = NULL;
    guint n;

    while (!error && (n = atomic_fetch_add(&c->next, 1)) < c->pieces->len)
        check_piece(in, &g_array_index(c->pieces, struct piece, n), chunk, &error);
    return error;
}

/* All processors read: a machine waits for this. */
static void begin_check(struct ssm_in *in)
{
    struct check *c = &in->check;

    c->threads = MIN(MIN(g_get_num_processors(), THREADS_MAX), c->pieces->len / PIECES_PER_THREAD);
    for (unsigned i = 0; i < c->threads; i++)
        c->thread[i] = g_thread_new("check", checking_thread, in);
}

/* Return: the first of what the threads have found, a GError or NULL; none is left. */
static GError *join_threads(struct check *c)
{
    GError *first = NULL;

    for (; c->threads > 0; c->threads--) {
        GError *other = g_thread_join(c->thread[c->threads - 1]);

        if (first)
            g_clear_error(&other);
        else
            first = other;
    }
    return first;
}

/* Headers and CRCs of all units, as the digest has seen them. */
static bool sum_units(struct ssm_in *in, GChecksum *sum, GError **error)
{
    struct ssm_unit_header h;
    struct piece p;

    for (uint64_t at = in->at; at != in->end; at = p.at + p.bytes + sizeof(p.crc)) {
        if (!read_unit_header(in, at, &h, error))
            return false;
        p = (struct piece){.at = at + sizeof(h), .bytes = h.size};
        if (!read_at(in, p.at + p.bytes, &p.crc, sizeof(p.crc), error))
            return false;
        g_checksum_update(sum, (const guchar *)&h, sizeof(h));
        g_checksum_update(sum, (const guchar *)&p.crc, sizeof(p.crc));
        g_array_append_val(in->check.pieces, p);
    }
    return true;
}

static bool check_digest(struct ssm_in *in, GError **error)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    struct ssm_header h;
    struct ssm_trailer t;
    uint8_t digest[SSM_DIGEST_BYTES];
    gsize digest_bytes = sizeof(digest);

    if (!read_at(in, in->end, &t, sizeof(t), error) || !read_at(in, 0, &h, sizeof(h), error))
        return false;
    if (memcmp(t.magic, SSM_TRAILER_MAGIC, sizeof(SSM_TRAILER_MAGIC)))
        return damaged(in, error, "its end is missing");
    g_checksum_update(sum, (const guchar *)&h, sizeof(h));
    if (!sum_units(in, sum, error))
        return false;
    g_checksum_update(sum, (const guchar *)&t, offsetof(struct ssm_trailer, digest));
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

struct ssm_in *ssm_in_begin(const struct fio *io, const char *path, const char *config_sha256, GError **error)
{
    struct ssm_in *in = g_new0(struct ssm_in, 1);

    in->io = io;
    in->path = g_strdup(path);
    in->fd = -1;
    in->check.pieces = g_array_new(FALSE, FALSE, sizeof(struct piece));
    if (open_file(in, error) && check_header(in, config_sha256, error) && check_digest(in, error)) {
        begin_check(in);
        return in;
    }
    ssm_in_close(in);
    return NULL;
}

bool ssm_in_verify(struct ssm_in *in, GError **error)
{
    GError *first = checking_thread(in), *other = join_threads(&in->check);

    if (first)
        g_clear_error(&other);
    else
        first = other;
    if (first)
        g_propagate_error(error, first);
    return !first;
}

struct ssm_in *ssm_in_open(const struct fio *io, const char *path, const char *config_sha256, GError **error)
{
    struct ssm_in *in = ssm_in_begin(io, path, config_sha256, error);

    if (in && ssm_in_verify(in, error))
        return in;
    ssm_in_close(in);
    return NULL;
}

void ssm_in_close(struct ssm_in *in)
{
    if (!in)
        return;
    atomic_store(&in->check.next, in->check.pieces->len); /* nobody wants to know any more */
    GError *unread = join_threads(&in->check);
    g_clear_error(&unread);
    g_array_unref(in->check.pieces);
    fio_close(in->io, in->fd);
    g_free(in->payload);
    g_free(in->path);
    g_free(in);
}

bool ssm_in_read_at(struct ssm_in *in, uint64_t at, void *to, uint32_t size, GError **error)
{
    uint32_t crc;

    if (!read_at(in, at, to, (size_t)size + sizeof(crc), error))
        return false;
    memcpy(&crc, (uint8_t *)to + size, sizeof(crc));
    return crc == ssm_crc32c(0, to, size) || damaged(in, error, "a unit's contents");
}

bool ssm_in_read(struct ssm_in *in, struct ssm_unit *unit, GError **error)
{
    uint8_t *payload = g_try_realloc(in->payload, unit->size + sizeof(uint32_t));

    if (!payload) {
        g_set_error(error, SSM_ERROR, SSM_NO_MEMORY, "The saved state '%s': no memory for a unit of %zu bytes",
                    in->path, unit->size);
        return false;
    }
    unit->bytes = in->payload = payload;
    return ssm_in_read_at(in, unit->at, payload, (uint32_t)unit->size, error);
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
    if (!read_unit_header(in, in->at, &h, error))
        return SSM_NEXT_ERROR;
    *ret = (struct ssm_unit){.instance = h.instance, .version = h.version, .size = h.size, .at = in->at + sizeof(h)};
    memcpy(ret->name, h.name, sizeof(ret->name));
    in->at += sizeof(h) + h.size + sizeof(uint32_t);
    in->seen++;
    return SSM_NEXT_UNIT;
}
