/*
 * vmdk_create.c - new VMDKs: one sparse file, a descriptor with one or many flat or sparse extents, or a stream.
 *
 * Extents are made beside the descriptor under its name with -flat, -f001 or -s001; a name that exists is an error.
 */
#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/fmt/vmdk_int.h"

#define SPLIT_BYTES     (2047ull << 20)
#define STREAM_OVERHEAD (128u * 512u)
#define STREAM_FLAGS    (VMDK_FLAG_NEWLINES | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS)

static const char *type_of(const struct vd_create *args)
{
    switch (args->layout) {
    case VD_STREAM: return "streamOptimized";
    case VD_ESX: return "vmfs";
    case VD_SPLIT_2G: return args->fixed ? "twoGbMaxExtentFlat" : "twoGbMaxExtentSparse";
    case VD_PLAIN: break;
    }
    return args->fixed ? "monolithicFlat" : "monolithicSparse";
}

static bool is_flat(const struct vd_create *args)
{
    return args->fixed || args->layout == VD_ESX;
}

static bool is_single(const struct vd_create *args)
{
    return args->layout == VD_STREAM || (args->layout == VD_PLAIN && !args->fixed);
}

static uint64_t extent_count(const struct vd_create *args)
{
    return args->layout == VD_SPLIT_2G ? (args->size_bytes + SPLIT_BYTES - 1) / SPLIT_BYTES : 1;
}

/* "disk.vmdk" -> "disk-s001.vmdk"; only the name, or with the descriptor's folder. */
static char *extent_name(const struct vd_create *args, uint64_t i, bool with_folder)
{
    g_autofree char *base = with_folder ? g_strdup(args->path) : g_path_get_basename(args->path);
    size_t n = strlen(base);

    if (g_str_has_suffix(base, ".vmdk"))
        base[n - 5] = 0;
    if (args->layout != VD_SPLIT_2G)
        return g_strdup_printf("%s-flat.vmdk", base);
    return g_strdup_printf("%s-%c%03u.vmdk", base, args->fixed ? 'f' : 's', (unsigned)(i + 1));
}

static uint64_t extent_bytes(const struct vd_create *args, uint64_t i)
{
    return args->layout == VD_SPLIT_2G ? MIN(SPLIT_BYTES, args->size_bytes - i * SPLIT_BYTES) : args->size_bytes;
}

static char *extent_lines(const struct vd_create *args)
{
    GString *s = g_string_new(NULL);

    for (uint64_t i = 0; i < extent_count(args); i++) {
        g_autofree char *name = is_single(args) ? g_path_get_basename(args->path) : extent_name(args, i, false);
        const char *kind = !is_flat(args) ? "SPARSE" : args->layout == VD_ESX ? "VMFS" : "FLAT";

        g_string_append_printf(s, "RW %" G_GUINT64_FORMAT " %s \"%s\"%s\n", extent_bytes(args, i) / 512, kind, name,
                               strcmp(kind, "FLAT") == 0 ? " 0" : "");
    }
    return g_string_free(s, FALSE);
}

static char *build_text(const struct vd_create *args)
{
    struct vmdk_descriptor d = {.cid = g_random_int() & 0x7fffffff, .parent_cid = VMDK_NO_PARENT};
    g_autofree char *lines = extent_lines(args), *hint = NULL;
    struct vd *parent = args->parent;

    if (args->uuid)
        memcpy(d.ids.image, args->uuid, VD_UUID_BYTES);
    else
        vd_uuid_random(d.ids.image);
    vd_uuid_random(d.ids.modify);
    if (parent) {
        memcpy(d.ids.parent, parent->ids.image, VD_UUID_BYTES);
        memcpy(d.ids.parent_modify, parent->ids.modify, VD_UUID_BYTES);
        d.parent_cid = parent->format == &vmdk_format ? ((struct vmdk *)parent->priv)->d.cid : 0;
        d.hint = hint = g_path_get_basename(parent->path);
    }
    return vmdk_descriptor_build(type_of(args), lines, args->size_bytes, &d);
}

static int write_directory(const struct fio *io, int fd, const struct vmdk_header *h, uint64_t at)
{
    uint64_t gd_bytes = align_up(4ull * vmdk_gts(h), 512);
    g_autofree uint8_t *gd = g_malloc0(gd_bytes);

    for (uint32_t i = 0; i < vmdk_gts(h); i++)
        put_le32(gd + 4 * i, (uint32_t)((at + gd_bytes + i * vmdk_gt_bytes(h)) / 512));
    return fio_write(io, fd, gd, gd_bytes, at);
}

/* Header, descriptor (may be NULL), directories; the tables are a hole of zeros. */
static int write_sparse(const struct fio *io, int fd, const struct vmdk_header *h, const char *text)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    int rc = fio_truncate(io, fd, h->overhead_bytes);

    if (rc == 0 && text)
        rc = strlen(text) < VMDK_EMBEDDED_BYTES ? fio_write(io, fd, text, strlen(text), h->descriptor_at)
                                                : VERR_TOO_MUCH_DATA;
    if (rc == 0 && h->rgd_at)
        rc = write_directory(io, fd, h, h->rgd_at);
    if (rc == 0 && h->gd_at != VMDK_GD_AT_END)
        rc = write_directory(io, fd, h, h->gd_at);
    vmdk_header_build(h, raw);
    return rc ? rc : fio_write(io, fd, raw, sizeof(raw), 0);
}

static void plan(const struct vd_create *args, struct vmdk_header *h, uint64_t bytes)
{
    uint32_t grain = args->block_bytes ? args->block_bytes : VMDK_GRAIN_BYTES;

    vmdk_header_plan(h, align_up(bytes, 512), grain, is_single(args));
    if (args->layout != VD_STREAM)
        return;
    h->version = 3;
    h->flags = STREAM_FLAGS;
    h->compress = 1;
    h->rgd_at = 0;
    h->gd_at = VMDK_GD_AT_END;
    h->overhead_bytes = STREAM_OVERHEAD;
}

static int make_extent(const struct fio *io, const struct vd_create *args, uint64_t i)
{
    g_autofree char *path = extent_name(args, i, true);
    uint64_t bytes = extent_bytes(args, i);
    int fd = -1;
    int rc = fio_open(io, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &fd);

    if (rc)
        return rc;
    if (is_flat(args)) {
        rc = args->fixed ? status_from_errno(io->fallocate(io->ctx, fd, 0, 0, bytes)) : VERR_NOT_SUPPORTED;
        if (rc == VERR_NOT_SUPPORTED)
            rc = fio_truncate(io, fd, bytes);
    } else {
        struct vmdk_header h;

        plan(args, &h, bytes);
        rc = write_sparse(io, fd, &h, NULL);
    }
    if (rc == 0)
        rc = fio_sync(io, fd);
    fio_close(io, fd);
    if (rc)
        io->unlink(io->ctx, path);
    return rc;
}

static void remove_extents(const struct fio *io, const struct vd_create *args, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        g_autofree char *path = extent_name(args, i, true);

        io->unlink(io->ctx, path);
    }
}

void vmdk_uncreate(const struct fio *io, const struct vd_create *args)
{
    if (!is_single(args))
        remove_extents(io, args, extent_count(args));
}

static bool check_args(const struct vd_create *args, GError **error)
{
    uint64_t block = args->block_bytes ? args->block_bytes : VMDK_GRAIN_BYTES;
    g_autofree char *name = g_path_get_basename(args->path);

    if (extent_count(args) > VMDK_MAX_EXTENTS || args->size_bytes > UINT32_MAX * 512ull)
        return vd_refuse(args->path, VERR_VD_INVALID_SIZE, error, "a VMDK cannot be that large; 2 TiB is the most");
    if (!power_of_two(block) || block < 4096 || block > (8u << 20))
        return vd_refuse(args->path, VERR_INVALID_PARAMETER, error, "a VMDK cannot have grains of %u bytes",
                         (unsigned)block);
    if (args->parent && (args->layout != VD_PLAIN || (!args->parent->has_uuid && args->parent->format != &vmdk_format)))
        return vd_refuse(args->path, VERR_NOT_SUPPORTED, error,
                         "a differencing VMDK is one sparse file over an image with a UUID");
    if (strpbrk(name, "\"\\\r\n"))
        return vd_refuse(args->path, VERR_INVALID_NAME, error,
                         "a VMDK's name must have no quotes, backslashes or lines");
    return true;
}

bool vmdk_create(const struct fio *io, int fd, const struct vd_create *args, GError **error)
{
    g_autofree char *text = NULL;
    uint64_t made = 0;
    int rc = 0;

    if (!check_args(args, error))
        return false;
    text = build_text(args);
    if (is_single(args)) {
        struct vmdk_header h;

        plan(args, &h, args->size_bytes);
        rc = write_sparse(io, fd, &h, text);
    } else {
        while (rc == 0 && made < extent_count(args)) {
            rc = make_extent(io, args, made);
            made += rc == 0;
        }
        if (rc == 0)
            rc = fio_write(io, fd, text, strlen(text), 0);
        if (rc)
            remove_extents(io, args, made); /* one that could not be made may be somebody else's */
    }
    if (rc)
        fio_error(error, rc, "Cannot create disk image '%s'", args->path);
    return rc == 0;
}
