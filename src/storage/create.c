/* create.c - the formats there are: finding one by name, guessing one for a person, making a new image. */
#include "storage/create.h"

#include <fcntl.h>

#include "rt/status.h"

static const struct format_row formats[] = {
#define FORMAT(name, descriptor) {name, &descriptor},
#include "storage/formats.def"
#undef FORMAT
};

const struct format_row *format_find(const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (g_ascii_strcasecmp(formats[i].name, name) == 0)
            return &formats[i];
        g_string_append_printf(known, "%s%s", i ? ", " : "", formats[i].name);
    }
    fio_error(error, VERR_NOT_SUPPORTED, "Disk image format '%s' is not known; use one of %s", name, known->str);
    return NULL;
}

const char *vd_probe(const struct fio *io, const char *path, GError **error)
{
    g_autofree uint8_t *head = g_malloc(VD_PROBE_BYTES);
    uint8_t tail[VD_SECTOR_BYTES] = {};
    struct fio_stat st = {};
    int fd = -1;
    int rc = fio_open(io, path, O_RDONLY, 0, &fd);

    if (rc == 0)
        rc = fio_read_some(io, fd, head, VD_PROBE_BYTES, 0);
    if (rc == 0)
        rc = fio_stat(io, fd, &st);
    if (rc == 0 && st.size_bytes >= VD_SECTOR_BYTES)
        rc = fio_read_some(io, fd, tail, VD_SECTOR_BYTES, st.size_bytes - VD_SECTOR_BYTES);
    fio_close(io, fd);
    if (rc) {
        fio_error(error, rc, "Cannot read '%s'", path);
        return NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (formats[i].format->probe && formats[i].format->probe(head, tail))
            return formats[i].name;
    return NULL; /* not reached: raw takes anything */
}

static bool check_args(const struct format_row *row, const struct vd_create *args, GError **error)
{
    if (!row->format->create) {
        fio_error(error, VERR_NOT_SUPPORTED, "Cannot create '%s': %s images can only be read", args->path, row->name);
        return false;
    }
    if (args->size_bytes == 0 || args->size_bytes % VD_SECTOR_BYTES || args->size_bytes > INT64_MAX) {
        fio_error(error, VERR_VD_INVALID_SIZE, "Cannot create a %s image of %" G_GUINT64_FORMAT " bytes", row->name,
                  args->size_bytes);
        return false;
    }
    if (args->parent && (!row->format->set_parent || args->fixed)) {
        fio_error(error, VERR_NOT_SUPPORTED, "Cannot create '%s' as a differencing image: use VDI, VMDK or VHD",
                  args->path);
        return false;
    }
    return true;
}

static bool make_durable(const struct fio *io, int fd, const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    int rc = fio_sync(io, fd);

    if (rc == 0)
        rc = status_from_errno(io->dir_sync(io->ctx, dir));
    if (rc)
        fio_error(error, rc, "Cannot make disk image '%s' durable", path);
    return rc == 0;
}

void vd_remove_new(const struct fio *io, const struct vd_create *args)
{
    const struct format_row *row = format_find(args->format, NULL);

    if (row && row->format->uncreate)
        row->format->uncreate(io, args);
    io->unlink(io->ctx, args->path);
}

bool vd_create(const struct fio *io, const struct vd_create *given, GError **error)
{
    const struct format_row *row = format_find(given->format, error);
    struct vd_create args = *given;
    int fd = -1;
    bool ok;
    int rc;

    if (args.parent && args.size_bytes == 0)
        args.size_bytes = vd_size_bytes(args.parent);
    if (!row || !check_args(row, &args, error))
        return false;
    rc = fio_open(io, args.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);
    if (rc) {
        fio_error(error, rc, "Cannot create disk image '%s'", args.path);
        return false;
    }
    ok = row->format->create(io, fd, &args, error);
    if (!ok)
        io->unlink(io->ctx, args.path);
    else if (!(ok = make_durable(io, fd, args.path, error)))
        vd_remove_new(io, &args);
    fio_close(io, fd);
    return ok;
}

/* Names before files go: the image is closed when they do. */
static GPtrArray *other_files(const struct fio *io, const char *format, const char *path)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    struct vd *vd = vd_open(io, format, path, VD_READ_ONLY | VD_ALONE, NULL); /* damaged: it has only its own */
    unsigned at = 0;

    if (vd != NULL && vd->format->file != NULL)
        for (const char *file; (file = vd->format->file(vd, &at)) != NULL;)
            g_ptr_array_add(files, g_strdup(file));
    vd_close(vd);
    return files;
}

bool vd_remove(const struct fio *io, const char *format, const char *path, GError **error)
{
    g_autoptr(GPtrArray) files = other_files(io, format, path);

    g_ptr_array_add(files, g_strdup(path));
    for (unsigned k = 0; k < files->len; k++) {
        int rc = io->unlink(io->ctx, files->pdata[k]);
        if (rc != 0 && rc != -ENOENT) {
            fio_error(error, status_from_errno(rc), "Cannot remove '%s'", (const char *)files->pdata[k]);
            return false;
        }
    }
    return true;
}
