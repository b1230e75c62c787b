/*
 * file_write.c - writes a saved-state file.
 *
 * Invariant 1: the path itself is touched only by the rename in ssm_out_commit(), after everything was synced.
 * Invariant 2: sum has seen the bytes [0, at) of the new file except payloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "vmm/ssm/file_int.h"

#define HASTEN_BYTES (16u << 20) /* of these the disk hears while more is being packed */

struct ssm_out {
    const struct fio *io;
    char *path, *new_path;
    int fd;
    uint64_t at, hastened;
    uint32_t units;
    GChecksum *sum;
};

static void out_free(struct ssm_out *out)
{
    fio_close(out->io, out->fd);
    g_checksum_free(out->sum);
    g_free(out->path);
    g_free(out->new_path);
    g_free(out);
}

void ssm_out_abandon(struct ssm_out *out)
{
    if (!out)
        return;
    out->io->unlink(out->io->ctx, out->new_path);
    out_free(out);
}

static bool write_raw(struct ssm_out *out, const void *p, size_t bytes, GError **error)
{
    const int rc = fio_write(out->io, out->fd, p, bytes, out->at);

    if (rc) {
        fio_error(error, rc, "Cannot write the saved state '%s'; an older state is unchanged", out->path);
        return false;
    }
    out->at += bytes;
    if (out->at - out->hastened >= HASTEN_BYTES) {
        fio_hasten(out->io, out->fd, out->hastened, out->at - out->hastened);
        out->hastened = out->at;
    }
    return true;
}

static bool write_summed(struct ssm_out *out, const void *p, size_t bytes, GError **error)
{
    g_checksum_update(out->sum, p, (gssize)bytes); /* inv 2 */
    return write_raw(out, p, bytes, error);
}

static void config_put(uint8_t *to, const char *hex)
{
    for (unsigned i = 0; i < SSM_DIGEST_BYTES && g_ascii_isxdigit(hex[0]) && g_ascii_isxdigit(hex[1]); i++, hex += 2)
        to[i] = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
}

static bool write_header(struct ssm_out *out, const char *config_sha256, GError **error)
{
    struct ssm_header h = {.magic = SSM_FILE_MAGIC, .format = SSM_FORMAT};

    config_put(h.config, config_sha256);
    h.crc = ssm_crc32c(0, &h, offsetof(struct ssm_header, crc));
    return write_summed(out, &h, sizeof(h), error);
}

struct ssm_out *ssm_out_new(const struct fio *io, const char *path, const char *config_sha256, GError **error)
{
    struct ssm_out *out = g_new0(struct ssm_out, 1);
    int rc;

    out->io = io;
    out->path = g_strdup(path);
    out->new_path = g_strdup_printf("%s.new", path);
    out->fd = -1;
    out->sum = g_checksum_new(G_CHECKSUM_SHA256);
    io->unlink(io->ctx, out->new_path); /* left by a crash */
    rc = fio_open(io, out->new_path, O_WRONLY | O_CREAT | O_EXCL, 0600, &out->fd);
    if (rc) {
        fio_error(error, rc, "Cannot create the saved state '%s'", path);
        out_free(out);
        return NULL;
    }
    if (!write_header(out, config_sha256, error)) {
        ssm_out_abandon(out);
        return NULL;
    }
    return out;
}

bool ssm_out_unit(struct ssm_out *out, const char *name, uint32_t instance, uint32_t version, const void *bytes,
                  size_t size, GError **error)
{
    struct ssm_unit_header h = {
        .magic = SSM_UNIT_MAGIC, .instance = instance, .version = version, .size = (uint32_t)size};
    const uint32_t crc = ssm_crc32c(0, bytes, size);

    if (size > SSM_UNIT_MAX || strlen(name) >= sizeof(h.name) || out->units == SSM_UNITS_MAX) {
        g_set_error(error, SSM_ERROR, SSM_IMPOSSIBLE, "Saved state unit \"%s\" with %zu bytes cannot be written", name,
                    size);
        return false;
    }
    memcpy(h.name, name, strlen(name));
    h.crc = ssm_crc32c(0, &h, offsetof(struct ssm_unit_header, crc));
    out->units++;
    return write_summed(out, &h, sizeof(h), error) && (!size || write_raw(out, bytes, size, error)) &&
           write_summed(out, &crc, sizeof(crc), error);
}

/* ---- end ---- */

static bool write_trailer(struct ssm_out *out, GError **error)
{
    struct ssm_trailer t = {.magic = SSM_TRAILER_MAGIC, .units = out->units};
    gsize digest_bytes = sizeof(t.digest);

    g_checksum_update(out->sum, (const guchar *)&t, offsetof(struct ssm_trailer, digest));
    g_checksum_get_digest(out->sum, t.digest, &digest_bytes);
    return fio_write(out->io, out->fd, &t, sizeof(t), out->at) == 0
               ? true
               : (fio_error(error, VERR_WRITE_ERROR, "Cannot write the saved state '%s'", out->path), false);
}

static gpointer closing_thread(gpointer fd)
{
    fio_close(fio_system(), GPOINTER_TO_INT(fd));
    return NULL;
}

/* Gives an older state's space back, which takes a file system as long as writing it did: nobody waits for that. */
static void let_go(const struct fio *io, int old_fd)
{
    GThread *thread =
        io->kernel && old_fd >= 0 ? g_thread_try_new("forget", closing_thread, GINT_TO_POINTER(old_fd), NULL) : NULL;

    if (thread)
        g_thread_unref(thread);
    else
        fio_close(io, old_fd);
}

static int publish(struct ssm_out *out) /* inv 1 */
{
    g_autofree char *dir = g_path_get_dirname(out->path);
    int rc = fio_sync(out->io, out->fd), old_fd = -1;

    if (rc)
        return rc;
    (void)fio_open(out->io, out->path, O_RDONLY, 0, &old_fd); /* held: renaming over it does not free it yet */
    rc = status_from_errno(out->io->rename(out->io->ctx, out->new_path, out->path));
    if (rc == 0)
        rc = status_from_errno(out->io->dir_sync(out->io->ctx, dir));
    let_go(out->io, old_fd);
    return rc;
}

bool ssm_out_written(struct ssm_out *out, const char *name, uint32_t instance, uint32_t version,
                     const struct ssm_writer *w, GError **error)
{
    if (!w->starved)
        return ssm_out_unit(out, name, instance, version, w->data, w->len, error);
    g_set_error(error, SSM_ERROR, SSM_NO_MEMORY,
                "No memory for the state of '%s' %u; an older state is unchanged. Make some free and save again", name,
                instance);
    return false;
}

bool ssm_out_commit(struct ssm_out *out, GError **error)
{
    int rc;

    if (!write_trailer(out, error)) {
        ssm_out_abandon(out);
        return false;
    }
    rc = publish(out);
    if (rc) {
        fio_error(error, rc, "Cannot make the saved state '%s' durable", out->path);
        ssm_out_abandon(out);
        return false;
    }
    out_free(out);
    return true;
}
