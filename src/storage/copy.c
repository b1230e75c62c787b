/*
 * copy.c - the copy engine: runs of the source's map, in buffers of COPY_BYTES, zeros left out.
 *
 * The target is read once it is complete only by its format's own rules; it is flushed before success is reported, and
 * removed otherwise.
 */
#include "storage/copy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "rt/status.h"
#include "storage/format.h"

#define COPY_BYTES   (2u << 20)
#define ZERO_BYTES   (64u << 10) /* a run of zeros shorter than this is copied */
#define HASTEN_BYTES (16u << 20) /* of these the host's disk hears while more is being copied */

/* Writes what is not zero, in pieces of whole ZERO_BYTES. */
static int write_data(struct vd *to, uint64_t at, const uint8_t *buf, size_t bytes)
{
    size_t done = 0;
    int rc = 0;

    while (rc == 0 && done < bytes) {
        size_t n = MIN(ZERO_BYTES, bytes - done);
        size_t end = done;

        if (vd_all_zero(buf + done, n)) {
            done += n;
            continue;
        }
        while (end < bytes && !vd_all_zero(buf + end, MIN(ZERO_BYTES, bytes - end)))
            end += MIN(ZERO_BYTES, bytes - end);
        rc = vd_write(to, at + done, buf + done, end - done);
        done = end;
    }
    return rc;
}

static int copy_run(struct vd *from, struct vd *to, uint64_t at, uint64_t bytes, uint8_t *buf)
{
    int rc = 0;

    while (rc == 0 && bytes) {
        size_t n = (size_t)MIN(bytes, COPY_BYTES - at % COPY_BYTES);

        rc = vd_read(from, at, buf, n);
        if (rc == 0)
            rc = write_data(to, at, buf, n);
        at += n;
        bytes -= n;
    }
    return rc;
}

/* What was written there goes to the host's disk while more is copied: the flush at the end finds little to wait for.
 */
static void hasten(struct vd *to, uint64_t at, uint64_t bytes)
{
    struct vd_extent e;

    for (; bytes && image_map(to, at, bytes, &e) == 0; at += e.bytes, bytes -= e.bytes)
        if (e.kind == VD_DATA && e.fd >= 0)
            fio_hasten(to->io, e.fd, e.at, e.bytes);
}

static int copy_all(struct vd *from, struct vd *to, const struct vd_progress *progress)
{
    uint64_t size = MIN(vd_size_bytes(from), vd_size_bytes(to)), hastened = 0;
    g_autofree uint8_t *buf = g_malloc(COPY_BYTES);
    int rc = 0;

    for (uint64_t at = 0; rc == 0 && at < size;) {
        struct vd_extent e;

        rc = vd_map(from, at, MIN(size - at, 16 * COPY_BYTES), &e);
        if (rc == 0 && e.kind == VD_DATA)
            rc = copy_run(from, to, at, e.bytes, buf);
        at += rc ? 0 : e.bytes;
        if (at - hastened >= HASTEN_BYTES) {
            hasten(to, hastened, at - hastened);
            hastened = at;
        }
        if (rc == 0 && !vd_keep_going(progress, at, size))
            rc = VERR_CANCELLED;
    }
    return rc ? rc : vd_flush(to);
}

/* Creates the target and opens it for writing. */
static struct vd *make_target(const struct fio *io, const struct vd_create *args, GError **error)
{
    struct vd *to;

    if (!vd_create(io, args, error))
        return NULL;
    to = vd_open(io, args->format, args->path, 0, error);
    if (!to)
        vd_remove_new(io, args);
    return to;
}

static bool finish(struct vd *to, const struct fio *io, const struct vd_create *args, int rc, const char *from,
                   GError **error)
{
    vd_close(to);
    if (rc == 0)
        return true;
    vd_remove_new(io, args);
    fio_error(error, rc, "Cannot copy '%s' to '%s'; nothing was left there", from, args->path);
    return false;
}

bool vd_copy(struct vd *from, const struct fio *io, const struct vd_create *given, const struct vd_progress *progress,
             GError **error)
{
    struct vd_create args = *given;
    struct vd *to;

    if (args.size_bytes == 0)
        args.size_bytes = vd_size_bytes(from);
    to = make_target(io, &args, error);
    return to && finish(to, io, &args, copy_all(from, to, progress), vd_path(from), error);
}

static int copy_own(struct vd *from, struct vd *to)
{
    g_autofree uint8_t *buf = g_malloc(COPY_BYTES);
    int rc = 0;

    for (uint64_t at = 0; rc == 0 && at < from->size_bytes;) {
        struct vd_extent e;

        rc = image_map(from, at, MIN(from->size_bytes - at, COPY_BYTES), &e);
        if (rc == 0 && e.kind != VD_FREE)
            rc = vd_read(from, at, buf, e.bytes);
        if (rc == 0 && e.kind != VD_FREE)
            rc = vd_write(to, at, buf, e.bytes);
        at += rc ? 0 : e.bytes;
    }
    return rc ? rc : vd_flush(to);
}

bool vd_copy_own(struct vd *from, const struct fio *io, const struct vd_create *args, GError **error)
{
    const struct vd_link link = {args->format, args->path};
    struct vd *to = args->parent;
    int rc;

    if (!vd_create(io, args, error))
        return false;
    if (!vd_push(to, &link, error)) {
        vd_remove_new(io, args);
        return false;
    }
    rc = copy_own(from, to);
    if (rc) {
        fio_error(error, rc, "Cannot copy '%s' to '%s'; nothing was left there", vd_path(from), args->path);
        vd_pop(to, NULL);
        vd_remove_new(io, args);
    }
    return rc == 0;
}

/* The whole range, zeros too: what was there before must go. */
static int overwrite(struct vd *from, struct vd *to, const struct vd_progress *progress)
{
    uint64_t size = vd_size_bytes(to), have = MIN(vd_size_bytes(from), size);
    g_autofree uint8_t *buf = g_malloc(COPY_BYTES);
    int rc = 0;

    for (uint64_t at = 0; rc == 0 && at < size; at += COPY_BYTES) {
        size_t n = (size_t)MIN(COPY_BYTES, size - at), source = at < have ? (size_t)MIN(n, have - at) : 0;

        memset(buf + source, 0, n - source);
        if (source)
            rc = vd_read(from, at, buf, source);
        if (rc == 0)
            rc = vd_write(to, at, buf, n);
        if (rc == 0 && !vd_keep_going(progress, at, size))
            rc = VERR_CANCELLED;
    }
    return rc ? rc : vd_flush(to);
}

bool vd_copy_over(struct vd *from, struct vd *to, const struct vd_progress *progress, GError **error)
{
    int rc = vd_size_bytes(from) > vd_size_bytes(to) ? VERR_VD_INVALID_SIZE : overwrite(from, to, progress);

    if (rc)
        fio_error(error, rc, "Cannot copy '%s' over '%s'", vd_path(from), vd_path(to));
    return rc == 0;
}

bool vd_convert_from_raw(const struct fio *io, const char *raw_path, const char *vdi_path, GError **error)
{
    struct vd *raw = vd_open(io, "RAW", raw_path, VD_READ_ONLY, error);
    const struct vd_create args = {.format = "VDI", .path = vdi_path};
    bool ok = raw && vd_copy(raw, io, &args, NULL, error);

    vd_close(raw);
    return ok;
}

static int write_all(int fd, const uint8_t *buf, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, buf + done, bytes - done);
        if (n < 0 && errno != EINTR)
            return status_from_errno(errno);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

bool vd_copy_out(struct vd *from, int fd, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(COPY_BYTES);
    int rc = 0;

    for (uint64_t at = 0; rc == 0 && at < from->size_bytes; at += COPY_BYTES) {
        const size_t n = (size_t)MIN(COPY_BYTES, from->size_bytes - at);
        rc = vd_read(from, at, buf, n);
        if (rc == 0)
            rc = write_all(fd, buf, n);
    }
    if (rc != 0)
        fio_error(error, rc, "Cannot write out '%s'", from->path);
    return rc == 0;
}

/* Reads until @bytes or the end; what is missing is zeros. *@ret_done = what came. */
static int read_stream(int fd, uint8_t *buf, size_t bytes, size_t *ret_done)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t n = read(fd, buf + done, bytes - done);

        if (n < 0 && errno != EINTR)
            return status_from_errno(errno);
        if (n == 0)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    memset(buf + done, 0, bytes - done);
    *ret_done = done;
    return 0;
}

bool vd_copy_stream(int fd, const struct fio *io, const struct vd_create *args, const struct vd_progress *progress,
                    GError **error)
{
    g_autofree uint8_t *buf = g_malloc(COPY_BYTES);
    struct vd *to = make_target(io, args, error);
    size_t came = 1;
    int rc = 0;

    if (!to)
        return false;
    for (uint64_t at = 0; rc == 0 && came && at < args->size_bytes; at += COPY_BYTES) {
        size_t n = (size_t)MIN(COPY_BYTES, args->size_bytes - at);

        rc = read_stream(fd, buf, n, &came);
        if (rc == 0)
            rc = write_data(to, at, buf, n);
        if (rc == 0 && !vd_keep_going(progress, at, args->size_bytes))
            rc = VERR_CANCELLED;
    }
    return finish(to, io, args, rc ? rc : vd_flush(to), "the stream", error);
}
