/*
 * vmdk_host.c - see storage/hostdisk.h.
 *
 * The extents of a partitionedDevice, in the disk's order: tables from NAME-pt.vmdk (FLAT), partitions that are given
 * (FLAT, the device or the partition's own), the rest (ZERO).
 */
#include "storage/hostdisk.h"

#include <fcntl.h>
#include <string.h>

#include "rt/status.h"
#include "storage/fmt/vmdk_int.h"
#include "storage/partitions.h"

#define SECTOR     512u
#define BOOT_CODE  440u        /* bytes of an MBR that are no table: disk signature and entries follow */
#define MAX_TABLES (64u << 20) /* bytes before the first partition, or behind the last */
#define NEW_FILE   (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)

struct builder {
    const struct hostdisk *args;
    const struct fio *io;
    struct vd *disk;
    struct partitions table;
    GString *lines;
    char *copy_path; /* NAME-pt.vmdk */
    int copy_fd;
    uint64_t copied; /* sectors in it */
    uint64_t at;     /* sector of the disk that comes next */
};

static bool is_given(const struct hostdisk *args, unsigned number)
{
    for (unsigned k = 0; k < args->count; k++)
        if (args->partitions[k] == number)
            return true;
    return false;
}

static void add_zeros(struct builder *b, uint64_t end)
{
    if (end > b->at)
        g_string_append_printf(b->lines, "RW %" G_GUINT64_FORMAT " ZERO\n", end - b->at);
    b->at = MAX(b->at, end);
}

/* The sectors up to @end are copied. */
static int add_tables(struct builder *b, uint64_t end)
{
    const uint64_t sectors = end - b->at;
    g_autofree char *name = g_path_get_basename(b->copy_path);

    if (end <= b->at)
        return 0;
    if (sectors * SECTOR > MAX_TABLES)
        return VERR_TOO_MUCH_DATA;
    g_autofree uint8_t *buf = g_malloc((size_t)sectors * SECTOR);
    int rc = vd_read(b->disk, b->at * SECTOR, buf, (size_t)sectors * SECTOR);
    if (rc == 0)
        rc = fio_write(b->io, b->copy_fd, buf, (size_t)sectors * SECTOR, b->copied * SECTOR);
    g_string_append_printf(b->lines, "RW %" G_GUINT64_FORMAT " FLAT \"%s\" %" G_GUINT64_FORMAT "\n", sectors, name,
                           b->copied);
    b->copied += sectors;
    b->at = end;
    return rc;
}

/* "/dev/sda" and 3: "/dev/sda3"; a name that ends in a digit gets a p between, as the kernel does it. */
static char *partition_device(const char *device, unsigned number)
{
    const bool digit = g_ascii_isdigit(device[strlen(device) - 1]);

    return g_strdup_printf("%s%s%u", device, digit ? "p" : "", number);
}

static void add_partition(struct builder *b, const struct partition *p)
{
    g_autofree char *own = partition_device(b->args->device, p->number);

    if (!is_given(b->args, p->number)) {
        add_zeros(b, p->first_sector + p->sectors);
        return;
    }
    g_string_append_printf(b->lines, "RW %" G_GUINT64_FORMAT " FLAT \"%s\" %" G_GUINT64_FORMAT "\n", p->sectors,
                           b->args->relative ? own : b->args->device, b->args->relative ? 0 : p->first_sector);
    b->at = p->first_sector + p->sectors;
}

static int add_all(struct builder *b)
{
    const uint64_t end = b->disk->size_bytes / SECTOR;
    int rc = add_tables(b, b->table.count > 0 ? MIN(b->table.all[0].first_sector, MAX_TABLES / SECTOR) : 1);

    for (unsigned k = 0; rc == 0 && k < b->table.count; k++) {
        const struct partition *p = &b->table.all[k];
        if (p->table_sector > b->at)
            add_zeros(b, p->table_sector);
        if (p->table_sector != 0 && p->table_sector == b->at)
            rc = add_tables(b, p->first_sector);
        add_zeros(b, p->first_sector);
        if (rc == 0)
            add_partition(b, p);
    }
    if (rc == 0 && b->table.gpt && b->table.backup_sector >= b->at) {
        add_zeros(b, b->table.backup_sector);
        rc = add_tables(b, end);
    }
    add_zeros(b, end);
    return rc;
}

/* The boot code of @args->mbr over the copy's. */
static bool put_boot_code(struct builder *b, GError **error)
{
    g_autofree char *code = NULL;
    gsize bytes;

    if (b->args->mbr == NULL)
        return true;
    if (!g_file_get_contents(b->args->mbr, &code, &bytes, error))
        return false;
    int rc = bytes >= SECTOR ? fio_write(b->io, b->copy_fd, code, BOOT_CODE, 0) : VERR_EOF;
    if (rc != 0)
        fio_error(error, rc, "'%s' holds no master boot record of 512 bytes", b->args->mbr);
    return rc == 0;
}

static bool known(const struct builder *b, GError **error)
{
    for (unsigned k = 0; k < b->args->count; k++) {
        bool found = false;
        for (unsigned n = 0; n < b->table.count; n++)
            found |= b->table.all[n].number == b->args->partitions[k];
        if (!found) {
            fio_error(error, VERR_NOT_FOUND, "'%s' has no partition %u", b->args->device, b->args->partitions[k]);
            return false;
        }
    }
    return true;
}

static bool partitioned(struct builder *b, GError **error)
{
    g_autofree char *stem = g_strdup(b->args->path);

    if (!partitions_read(b->disk, &b->table, error) || !known(b, error))
        return false;
    if (g_str_has_suffix(stem, ".vmdk"))
        stem[strlen(stem) - strlen(".vmdk")] = '\0';
    b->copy_path = g_strconcat(stem, "-pt.vmdk", NULL);
    int rc = fio_open(b->io, b->copy_path, NEW_FILE, 0600, &b->copy_fd);
    if (rc != 0) {
        fio_error(error, rc, "Cannot create '%s'", b->copy_path);
        g_clear_pointer(&b->copy_path, g_free); /* not ours */
        return false;
    }
    rc = add_all(b);
    bool ok = rc == 0 && put_boot_code(b, error);
    if (ok && (rc = fio_sync(b->io, b->copy_fd)) != 0)
        ok = false;
    if (rc != 0)
        fio_error(error, rc, "Cannot copy the partition tables of '%s'", b->args->device);
    return ok;
}

static bool write_descriptor(struct builder *b, GError **error)
{
    struct vmdk_descriptor d = {.cid = g_random_int() & INT32_MAX, .parent_cid = VMDK_NO_PARENT};

    vd_uuid_random(d.ids.image);
    if (b->args->uuid != NULL)
        memcpy(d.ids.image, b->args->uuid, VD_UUID_BYTES);
    vd_uuid_random(d.ids.modify);
    g_autofree char *text = vmdk_descriptor_build(b->args->partitions != NULL ? "partitionedDevice" : "fullDevice",
                                                  b->lines->str, b->disk->size_bytes, &d);
    int fd = -1, rc = fio_open(b->io, b->args->path, NEW_FILE, 0600, &fd);
    if (rc == 0)
        rc = fio_write(b->io, fd, text, strlen(text), 0);
    if (rc == 0)
        rc = fio_sync(b->io, fd);
    fio_close(b->io, fd);
    if (fd >= 0 && rc != 0)
        b->io->unlink(b->io->ctx, b->args->path);
    if (rc != 0)
        fio_error(error, rc, "Cannot create '%s'", b->args->path);
    return rc == 0;
}

bool hostdisk_create(const struct fio *io, const struct hostdisk *args, GError **error)
{
    struct builder b = {.args = args, .io = io, .lines = g_string_new(NULL), .copy_fd = -1};
    bool ok = false;

    if (strpbrk(args->device, "\"\r\n") != NULL)
        fio_error(error, VERR_INVALID_NAME, "'%s' cannot stand in a descriptor", args->device);
    else
        b.disk = vd_open(io, "RAW", args->device, VD_READ_ONLY, error);
    if (b.disk != NULL) {
        if (args->partitions == NULL)
            g_string_append_printf(b.lines, "RW %" G_GUINT64_FORMAT " FLAT \"%s\" 0\n", b.disk->size_bytes / SECTOR,
                                   args->device);
        ok = (args->partitions == NULL || partitioned(&b, error)) && write_descriptor(&b, error);
    }
    fio_close(io, b.copy_fd);
    if (!ok && b.copy_path != NULL)
        io->unlink(io->ctx, b.copy_path);
    vd_close(b.disk);
    g_free(b.copy_path);
    g_string_free(b.lines, TRUE);
    return ok;
}
