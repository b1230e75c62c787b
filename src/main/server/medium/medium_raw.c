/*
 * medium_raw.c - IMedium.CreateBaseStorage() of the variant VmdkRawDisk: an image that stands for a disk of the host.
 *
 * What it stands for is said by properties, with VirtualBox's names; they are of the making and are not kept: the image
 * has it all. Making one gives nobody the disk: who opens the image asks for that (storage/hostdisk.h).
 */
#include <string.h>

#include "main/server/medium/medium_int.h"
#include "rt/status.h"
#include "storage/hostdisk.h"
#include "storage/partitions.h"

#define DRIVE       "RawDrive"
#define PARTITIONS  "Partitions" /* "1,5,6"; none: the whole disk */
#define RELATIVE    "Relative"   /* "1": partitions by their own device names */
#define BOOT_SECTOR "BootSector" /* a file's name */

static bool is_yes(const char *text)
{
    return text != NULL && (strcmp(text, "1") == 0 || g_ascii_strcasecmp(text, "true") == 0);
}

static bool parts_of(const struct medium *m, struct hostdisk *disk, unsigned numbers[PARTITIONS_MAX], GError **error)
{
    const char *list = settings_property_get(m->properties, PARTITIONS);

    disk->path = m->location;
    disk->device = settings_property_get(m->properties, DRIVE);
    disk->mbr = settings_property_get(m->properties, BOOT_SECTOR);
    disk->relative = is_yes(settings_property_get(m->properties, RELATIVE));
    if (disk->device == NULL || !g_path_is_absolute(disk->device))
        return api_fail(error, E_INVALIDARG, "The property '" DRIVE "' has to name the host's disk '%s' stands for",
                        m->location);
    if (list == NULL && (disk->mbr != NULL || disk->relative))
        return api_fail(error, E_INVALIDARG,
                        "'" BOOT_SECTOR "' and '" RELATIVE "' are only for an image of partitions ('" PARTITIONS "')");
    if (list != NULL && !partitions_numbers(list, numbers, &disk->count))
        return api_fail(error, E_INVALIDARG, "'%s' is no list of partitions such as 1,5", list);
    disk->partitions = list != NULL ? numbers : NULL;
    return true;
}

bool medium_create_raw(struct bus_call *call, GVariant **ret, GError **error)
{
    static const char *const names[] = {DRIVE, PARTITIONS, RELATIVE, BOOT_SECTOR};
    struct medium *m = call->object;
    unsigned numbers[PARTITIONS_MAX];
    struct hostdisk disk = {0};
    uint8_t uuid[VD_UUID_BYTES];
    GError *failed = NULL;

    if (g_ascii_strcasecmp(m->format, "VMDK") != 0)
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "Only images of the format VMDK can stand for a disk of the host");
    if (m->state != MediumState_NotCreated)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Storage for the medium '%s' is already created",
                        m->location);
    if (!parts_of(m, &disk, numbers, error))
        return false;
    api_uuid_to_bytes(m->id, uuid);
    disk.uuid = uuid;
    struct progress *p = progress_new(m->service, call->peer, "Creating medium");
    if (hostdisk_create(fio_system(), &disk, &failed)) {
        for (unsigned k = 0; k < G_N_ELEMENTS(names); k++)
            settings_property_set(m->properties, names[k], NULL);
        m->state = MediumState_Created;
        medium_refresh(m);
    } else {
        api_wrap(&failed, VBOX_E_FILE_ERROR);
    }
    progress_end(p, failed);
    *ret = progress_reply(p);
    return true;
}
