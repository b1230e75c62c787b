/*
 * ova.c - see ova.h. libarchive reads and writes tar (ustar, GNU and pax forms).
 */
#include "main/ovf/ova.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/ovf/ovf.h"

#define CHUNK_BYTES      (1u << 18)
#define DESCRIPTOR_BYTES (16u << 20)

static bool fail(const char *path, const char *what, GError **error)
{
    g_set_error(error, OVF_ERROR, 0, "Could not read the appliance '%s': %s", path, what);
    return false;
}

static struct archive *open_tar(const char *path, GError **error)
{
    struct archive *a = archive_read_new();

    archive_read_support_format_tar(a);
    if (archive_read_open_filename(a, path, CHUNK_BYTES) == ARCHIVE_OK)
        return a;
    fail(path, archive_error_string(a), error);
    archive_read_free(a);
    return NULL;
}

/* The next file, or NULL: the end (*ret_ok) or an archive we do not take. */
static struct archive_entry *next_file(struct archive *a, const char *path, bool *ret_ok, GError **error)
{
    struct archive_entry *e;
    int rc = archive_read_next_header(a, &e);

    *ret_ok = rc == ARCHIVE_EOF;
    if (rc == ARCHIVE_EOF)
        return NULL;
    if (rc != ARCHIVE_OK)
        return fail(path, archive_error_string(a), error), NULL;
    const char *name = archive_entry_pathname(e);
    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) != NULL ||
        archive_entry_symlink(e) != NULL || name == NULL || !ovf_plain_name(name))
        return fail(path, "it holds something else than files with plain names", error), NULL;
    return e;
}

bool ova_descriptor(const char *path, char **ret_name, char **ret_text, gsize *ret_size, GError **error)
{
    struct archive *a = open_tar(path, error);
    bool ok = false;

    if (a == NULL)
        return false;
    struct archive_entry *e = next_file(a, path, &ok, error);
    gint64 size = e != NULL ? archive_entry_size(e) : 0;
    if (e == NULL) {
        ok = ok ? fail(path, "it is empty", error) : false;
    } else if (!g_str_has_suffix(archive_entry_pathname(e), ".ovf") || size <= 0 || size > DESCRIPTOR_BYTES) {
        ok = fail(path, "its first file is no OVF descriptor", error);
    } else {
        *ret_text = g_malloc((gsize)size + 1);
        ok = archive_read_data(a, *ret_text, (size_t)size) == size || fail(path, "it ends early", error);
        (*ret_text)[size] = '\0';
        *ret_size = (gsize)size;
        *ret_name = g_strdup(archive_entry_pathname(e));
        if (!ok) {
            g_clear_pointer(ret_text, g_free);
            g_clear_pointer(ret_name, g_free);
        }
    }
    archive_read_free(a);
    return ok;
}

struct extraction {
    const char *path, *folder;
    ova_progress_fn progress;
    void *user;
    uint64_t bytes, limit; /* written, at most */
};

static bool extract_one(struct extraction *x, struct archive *a, struct archive_entry *e, GError **error)
{
    g_autofree char *target = g_build_filename(x->folder, archive_entry_pathname(e), NULL);
    int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    g_autofree char *buf = g_malloc(CHUNK_BYTES);
    la_ssize_t n = 0;
    bool ok = fd >= 0;

    if (!ok)
        fail(x->path, errno == EEXIST ? "it holds a file twice" : g_strerror(errno), error);
    while (ok && (n = archive_read_data(a, buf, CHUNK_BYTES)) > 0) {
        x->bytes += (uint64_t)n;
        if (x->bytes > x->limit)
            ok = fail(x->path, "its files are larger than it is", error);
        else if (write(fd, buf, (size_t)n) != n)
            ok = fail(x->path, g_strerror(errno), error);
        else if (!x->progress(x->user, (unsigned)(x->bytes * 1000 / MAX(x->limit, 1))))
            ok = fail(x->path, "canceled", error);
    }
    if (ok && n < 0)
        ok = fail(x->path, archive_error_string(a), error);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool ova_extract(const char *path, const char *folder, ova_progress_fn progress, void *user, GError **error)
{
    struct archive *a = open_tar(path, error);
    struct stat st = {0};
    bool ok = a != NULL && stat(path, &st) == 0, end = false;
    struct extraction x = {.path = path, .folder = folder, .progress = progress, .user = user};

    x.limit = (uint64_t)st.st_size;
    for (unsigned k = 0; ok && !end; k++) {
        struct archive_entry *e = next_file(a, path, &end, error);
        ok = e != NULL ? k < OVA_FILES_MAX || fail(path, "it holds too many files", error) : end;
        ok = ok && (e == NULL || extract_one(&x, a, e, error));
    }
    if (a != NULL)
        archive_read_free(a);
    return ok;
}

/* ---- packing ---- */

static bool pack_failed(const char *path, const char *why, GError **error)
{
    g_set_error(error, OVF_ERROR, 0, "Could not write the appliance '%s': %s", path, why);
    return false;
}

static bool pack_one(struct archive *a, const char *path, const char *folder, const char *name, GError **error)
{
    g_autofree char *source = g_build_filename(folder, name, NULL);
    g_autofree char *buf = g_malloc(CHUNK_BYTES);
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    struct archive_entry *e = archive_entry_new();
    struct stat st;
    ssize_t n = 0;
    bool ok = fd >= 0 && fstat(fd, &st) == 0;

    if (ok) {
        archive_entry_set_pathname(e, name);
        archive_entry_set_size(e, st.st_size);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0640);
        archive_entry_set_mtime(e, st.st_mtime, 0);
        ok = archive_write_header(a, e) == ARCHIVE_OK;
    }
    while (ok && (n = read(fd, buf, CHUNK_BYTES)) > 0)
        ok = archive_write_data(a, buf, (size_t)n) == n;
    if (!ok || n < 0)
        ok = pack_failed(path, archive_error_string(a) != NULL ? archive_error_string(a) : g_strerror(errno), error);
    archive_entry_free(e);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool ova_pack(const char *path, const char *folder, char *const *files, GError **error)
{
    g_autofree char *temporary = g_strdup_printf("%s-tmp", path);
    struct archive *a = archive_write_new();
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    bool ok = fd >= 0 && archive_write_set_format_gnutar(a) == ARCHIVE_OK && archive_write_open_fd(a, fd) == ARCHIVE_OK;

    if (!ok)
        pack_failed(path, fd < 0 ? g_strerror(errno) : archive_error_string(a), error);
    for (unsigned k = 0; ok && files[k] != NULL; k++)
        ok = pack_one(a, path, folder, files[k], error);
    if (ok && (archive_write_close(a) != ARCHIVE_OK || fsync(fd) != 0 || g_rename(temporary, path) != 0))
        ok = pack_failed(path, g_strerror(errno), error);
    archive_write_free(a);
    if (fd >= 0)
        close(fd);
    if (!ok)
        g_unlink(temporary);
    return ok;
}
