/*
 * media_drive.c - removable drives of a running machine: another disc or floppy, or none.
 *
 * The process may not open files any more, so the service opens the image and sends the descriptor; it becomes the one
 * file the image's format opens.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "main/vmproc/media_int.h"
#include "rt/log.h"

/* A file table's open(): the descriptor that was given, whatever the name. */
static int open_given(void *ctx, const char *path, int flags, unsigned mode)
{
    struct medium *m = ctx;
    const int fd = m->given_fd;

    (void)path, (void)flags, (void)mode;
    m->given_fd = -1;
    return fd >= 0 ? fd : -ENOENT;
}

static const struct settings_attachment *drive_at(const struct settings_machine *s, const struct media_change *c,
                                                  struct media_place *ret)
{
    for (guint k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *one = s->hardware.controllers->pdata[k];

        if (strcmp(one->name, c->controller) != 0)
            continue;
        for (guint n = 0; n < one->attachments->len; n++) {
            const struct settings_attachment *a = one->attachments->pdata[n];
            if (a->port == (uint32_t)c->port && a->device == (uint32_t)c->device && a->kind != DEVICE_HARD_DISK &&
                media_place_of(one, a->port, a->device, ret))
                return a;
        }
    }
    return NULL;
}

static struct medium *open_given_image(struct media *all, const struct media_change *c, enum settings_device kind,
                                       GError **error)
{
    const bool writable = (fcntl(c->fd, F_GETFL) & O_ACCMODE) == O_RDWR;
    struct medium *m = g_new0(struct medium, 1);

    m->all = all;
    m->kind = kind;
    m->given = *fio_system(); /* its functions use no context */
    m->given.ctx = m;
    m->given.open = open_given;
    m->given_fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    m->vd = vd_open(&m->given, c->format, c->path, writable ? 0 : VD_READ_ONLY, error);
    if (m->vd != NULL)
        return m;
    if (m->given_fd >= 0)
        close(m->given_fd);
    g_free(m);
    return NULL;
}

static bool same_place(const struct media_place *a, const struct media_place *b)
{
    return strcmp(a->device, b->device) == 0 && a->instance == b->instance && a->lun == b->lun;
}

static void take_out(struct media *all, struct pdm *pdm, const struct media_place *place)
{
    for (unsigned k = 0; k < all->list->len; k++) {
        struct medium *m = all->list->pdata[k];

        if (!same_place(&m->place, place))
            continue;
        media_unplug(m, pdm);
        g_ptr_array_remove_index(all->list, k);
        return;
    }
}

bool media_change(struct media *all, struct pdm *pdm, const struct media_change *c, GError **error)
{
    struct media_place place;
    const struct settings_attachment *drive = drive_at(all->settings, c, &place);
    struct medium *m = NULL;

    if (drive == NULL) {
        g_set_error(error, MEDIA_ERROR, 0, "Controller '%s' has no removable drive at port %d, device %d",
                    c->controller, c->port, c->device);
        return false;
    }
    if (!c->force && pdm_media_locked(pdm, place.device, place.instance, place.lun)) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "The guest has locked the drive at port %d, device %d of controller '%s'; unmount the medium in "
                    "the guest, or force it",
                    c->port, c->device, c->controller);
        return false;
    }
    if (*c->path != '\0' && (m = open_given_image(all, c, drive->kind, error)) == NULL)
        return false;
    take_out(all, pdm, &place);
    log_rel("Media: controller '%s', port %d, device %d: %s", c->controller, c->port, c->device,
            m != NULL ? c->path : "no medium");
    if (m == NULL)
        return true;
    m->place = place;
    g_ptr_array_add(all->list, m);
    return media_plug(m, pdm, error);
}
