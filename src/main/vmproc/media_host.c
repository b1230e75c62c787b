/*
 * media_host.c - optical drives of the host's in drives of the machine (drivers/block/optical.h): <HostDrive
 * src="/dev/sr0"/> in the settings, with passthrough="true" for commands that write, too.
 *
 * They are opened before the process confines itself, which then keeps SG_IO and nothing else for them. Left out:
 * coming and going while the machine runs.
 */
#include "drivers/block/optical.h"
#include "main/vmproc/media_int.h"
#include "rt/log.h"

struct media_drive {
    struct optical *optical;
    struct media_place place;
    char *path;
    bool passthrough;
};

void media_drive_free(void *p)
{
    struct media_drive *d = p;

    optical_free(d->optical);
    g_free(d->path);
    g_free(d);
}

bool media_drive_open(struct media *all, const struct settings_attachment *a, const struct media_place *place,
                      GError **error)
{
    struct optical *optical = optical_open(a->host_drive, a->passthrough, error);
    struct media_drive *d;

    if (optical == NULL)
        return false;
    d = g_new0(struct media_drive, 1);
    *d = (struct media_drive){
        .optical = optical, .place = *place, .path = g_strdup(a->host_drive), .passthrough = a->passthrough};
    g_ptr_array_add(all->drives, d);
    return true;
}

bool media_drives_attach(struct media *all, struct pdm *pdm, GError **error)
{
    for (unsigned k = 0; k < all->drives->len; k++) {
        const struct media_drive *d = all->drives->pdata[k];

        log_rel("Media: the host drive '%s' takes commands that %s", d->path,
                d->passthrough ? "read and write (pass-through)" : "read");
        if (!pdm_attach_block(pdm, d->place.device, d->place.instance, d->place.lun, optical_block(d->optical), error))
            return false;
    }
    return true;
}

void media_drives_detach(struct media *all, struct pdm *pdm)
{
    for (unsigned k = 0; k < all->drives->len; k++) {
        const struct media_drive *d = all->drives->pdata[k];

        pdm_attach_block(pdm, d->place.device, d->place.instance, d->place.lun, NULL, NULL);
    }
    g_ptr_array_set_size(all->drives, 0);
}

bool media_has_drives(struct media *all)
{
    return all->drives->len > 0;
}
