/*
 * internal_disks.c - internalcommands about image files and disks of the host.
 *
 * Locks of the storage layer keep off what a machine has open. A format that is not given is guessed from the contents:
 * a person has named the file.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/internal.h"
#include "storage/chain.h"
#include "storage/copy.h"
#include "storage/hostdisk.h"
#include "storage/partitions.h"

static int failed(const char *what, GError *error)
{
    int rc = cmd_error("%s: %s", what, error->message);

    g_error_free(error);
    return rc;
}

/* @format NULL: what it looks like. NULL: said. */
static struct vd *open_image(const char *path, const char *format, unsigned flags)
{
    GError *error = NULL;
    const char *guess = format != NULL ? format : vd_probe(fio_system(), path, &error);

    if (guess == NULL) {
        failed("Format autodetect failed", error);
        return NULL;
    }
    struct vd *vd = vd_open(fio_system(), guess, path, flags | VD_ALONE, &error);
    if (vd == NULL)
        failed("Cannot open the image", error);
    return vd;
}

/* ---- UUIDs ---- */

static int set_uuid(struct cmd *c, const struct internal *n, bool of_parent)
{
    g_autofree char *random = g_uuid_string_random();
    const char *text = n->words > 1 ? n->word[1] : random;
    uint8_t bytes[VD_UUID_BYTES];
    GError *error = NULL;
    char id[API_UUID_SIZE];

    if (!api_uuid_parse(text, id))
        return internal_syntax(c, "Invalid UUID parameter");
    api_uuid_to_bytes(id, bytes);
    struct vd *vd = open_image(n->word[0], NULL, VD_KEEP_MODIFY);
    if (vd == NULL)
        return RC_FAILURE;
    bool ok = vd_set_uuids(vd, of_parent ? NULL : bytes, of_parent ? bytes : NULL, &error);
    vd_close(vd);
    if (!ok)
        return failed("Cannot set a new UUID", error);
    printf("UUID changed to: %s\n", id);
    return RC_OK;
}

int internal_set_uuid(struct cmd *c, const struct internal *n)
{
    return set_uuid(c, n, false);
}

int internal_set_parent_uuid(struct cmd *c, const struct internal *n)
{
    return set_uuid(c, n, true);
}

static void print_uuid(const char *label, const uint8_t bytes[VD_UUID_BYTES])
{
    char id[API_UUID_SIZE];

    api_uuid_from_bytes(bytes, id);
    printf("Header: %s={%s}\n", label, id);
}

int internal_dump_info(struct cmd *c, const struct internal *n)
{
    struct vd *vd = open_image(n->word[0], NULL, VD_READ_ONLY | VD_RAW_DEVICES);

    (void)c;
    if (vd == NULL)
        return RC_FAILURE;
    const struct vd_ids *ids = vd_ids(vd);
    printf("--- Dumping VD Disk, Images=1\nDumping VD image \"%s\" (Backend=%s)\n", n->word[0], vd_format(vd));
    printf("Header: Size=%" G_GUINT64_FORMAT " cbSector=512\n", vd_size_bytes(vd));
    print_uuid("uuidCreation", ids->image);
    print_uuid("uuidModification", ids->modify);
    print_uuid("uuidParent", ids->parent);
    print_uuid("uuidParentModification", ids->parent_modify);
    if (vd_parent_hint(vd) != NULL)
        printf("Header: parentName=\"%s\"\n", vd_parent_hint(vd));
    vd_close(vd);
    return RC_OK;
}

/* ---- disks of the host ---- */

int internal_list_partitions(struct cmd *c, const struct internal *n)
{
    const char *disk = n->text[INTERNAL_RAWDISK];
    g_autofree struct partitions *all = g_new0(struct partitions, 1);
    GError *error = NULL;

    if (disk == NULL)
        return internal_syntax(c, "Mandatory parameter -rawdisk missing");
    struct vd *vd = vd_open(fio_system(), "RAW", disk, VD_READ_ONLY, &error);
    if (vd == NULL)
        return failed("Cannot open the raw disk", error);
    bool ok = partitions_read(vd, all, &error);
    vd_close(vd);
    if (!ok)
        return failed("Cannot read the partition information", error);
    printf("Number  Type   StartCHS       EndCHS      Size (MiB)  Start (Sect)\n");
    for (unsigned k = 0; k < all->count; k++) {
        const struct partition *p = &all->all[k];
        printf("%-7u %#04x  %-4u/%-3u/%-2u  %-4u/%-3u/%-2u    %10" G_GUINT64_FORMAT "   %10" G_GUINT64_FORMAT "\n",
               p->number, p->type, partition_cylinder(p->first_chs), p->first_chs[0], p->first_chs[1] & 0x3fu,
               partition_cylinder(p->last_chs), p->last_chs[0], p->last_chs[1] & 0x3fu, p->sectors / 2048,
               p->first_sector);
    }
    return RC_OK;
}

int internal_create_raw(struct cmd *c, const struct internal *n)
{
    const char *partitions = n->text[INTERNAL_PARTITIONS];
    unsigned wanted[PARTITIONS_MAX];
    struct hostdisk disk = {.path = n->text[INTERNAL_FILENAME],
                            .device = n->text[INTERNAL_RAWDISK],
                            .relative = n->text[INTERNAL_RELATIVE] != NULL,
                            .mbr = n->text[INTERNAL_MBR]};
    GError *error = NULL;

    if (disk.path == NULL || *disk.path == '\0')
        return internal_syntax(c, "Mandatory parameter --filename missing");
    if (disk.device == NULL || *disk.device == '\0')
        return internal_syntax(c, "Mandatory parameter --rawdisk missing");
    if (partitions == NULL && disk.mbr != NULL)
        return internal_syntax(c, "The parameter --mbr is only valid when the parameter -partitions is also present");
    if (partitions != NULL && !partitions_numbers(partitions, wanted, &disk.count))
        return internal_syntax(c, "Invalid value for parameter -partitions");
    disk.partitions = partitions != NULL ? wanted : NULL;
    g_autofree char *device = cmd_absolute(disk.device);
    disk.device = device;
    if (!hostdisk_create(fio_system(), &disk, &error))
        return failed("Cannot create the VMDK of a host disk", error);
    printf("RAW host disk access VMDK file %s created successfully.\n", disk.path);
    medium_host_disk_hint();
    return RC_OK;
}

/* ---- copies ---- */

static int copy(struct vd *from, const struct vd_create *to, const char *what)
{
    GError *error = NULL;
    bool ok = vd_copy(from, fio_system(), to, NULL, &error);

    vd_close(from);
    return ok ? RC_OK : failed(what, error);
}

static void announce(struct vd *from, const char *path, const char *end)
{
    const guint64 bytes = vd_size_bytes(from);

    fprintf(stderr, "Converting image \"%s\" with size %" G_GUINT64_FORMAT " bytes (%" G_GUINT64_FORMAT "MB)%s...\n",
            path, bytes, (bytes + (1 << 20) - 1) >> 20, end);
}

int internal_to_raw(struct cmd *c, const struct internal *n)
{
    struct vd *from = open_image(n->word[0], n->text[INTERNAL_FORMAT], VD_READ_ONLY);
    GError *error = NULL;

    (void)c;
    if (from == NULL)
        return RC_FAILURE;
    announce(from, n->word[0], " to raw");
    if (strcmp(n->word[1], "stdout") != 0)
        return copy(from, &(struct vd_create){.format = "RAW", .path = n->word[1]}, "Cannot copy image data");
    bool ok = vd_copy_out(from, STDOUT_FILENO, &error);
    vd_close(from);
    return ok ? RC_OK : failed("Cannot copy image data", error);
}

int internal_convert(struct cmd *c, const struct internal *n)
{
    const char *format = n->text[INTERNAL_DST_FORMAT];
    struct vd *from = open_image(n->word[0], n->text[INTERNAL_SRC_FORMAT], VD_READ_ONLY);

    (void)c;
    if (from == NULL)
        return RC_FAILURE;
    announce(from, n->word[0], "");
    return copy(from, &(struct vd_create){.format = format != NULL ? format : "VDI", .path = n->word[1]},
                "Cannot copy the image");
}

/* Extents have the image's name in theirs, so a new image is made and the old one goes. */
int internal_rename(struct cmd *c, const struct internal *n)
{
    const char *from = n->text[INTERNAL_FROM], *to = n->text[INTERNAL_TO];
    uint8_t uuid[VD_UUID_BYTES];
    GError *error = NULL;

    if (from == NULL || to == NULL)
        return internal_syntax(c, "Mandatory parameter %s missing", from == NULL ? "-from" : "-to");
    struct vd *vd = open_image(from, "VMDK", VD_READ_ONLY);
    if (vd == NULL)
        return RC_FAILURE;
    const struct vd_create args = {.format = "VMDK", .path = to, .uuid = vd_uuid(vd, uuid) ? uuid : NULL};
    int rc = copy(vd, &args, "Cannot rename the image");
    if (rc == RC_OK && !vd_remove(fio_system(), "VMDK", from, &error))
        return failed("The image has its new name, but the old one could not be removed", error);
    return rc;
}

int internal_repair(struct cmd *c, const struct internal *n)
{
    const bool look = n->text[INTERNAL_DRY_RUN] != NULL;
    struct vd *vd = open_image(n->word[0], n->text[INTERNAL_FORMAT], look ? VD_READ_ONLY : VD_KEEP_MODIFY);
    struct vd_report report = {0};
    GError *error = NULL;

    (void)c;
    if (vd == NULL)
        return RC_FAILURE;
    bool ok = vd_check(vd, &report, &error);
    if (ok && !look && report.errors == 0 && report.leaks > 0)
        ok = vd_compact(vd, NULL, &error);
    vd_close(vd);
    fputs(report.text->str, stdout);
    g_string_free(report.text, TRUE);
    if (!ok)
        return failed("Cannot repair the image", error);
    printf("%" G_GUINT64_FORMAT " errors, %" G_GUINT64_FORMAT " leaks\n", report.errors, report.leaks);
    return report.errors == 0
               ? RC_OK
               : cmd_error("The image '%s' is damaged; copy what can be read with converthd", n->word[0]);
}
