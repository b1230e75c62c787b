/*
 * media_drive.c - drives of a running machine: another disc or floppy, or none; a hard disk that comes or goes.
 *
 * A disk comes as one image, without a parent, to a port that was empty, and goes from a hot-pluggable one.
 *
 * The process may not open files any more, so the service opens the image and sends the descriptor; it becomes the one
 * file the image's format opens.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "main/vmproc/media_int.h"
#include "rt/fio_direct.h"
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

static bool same_place(const struct media_place *a, const struct media_place *b)
{
    return strcmp(a->device, b->device) == 0 && a->instance == b->instance && a->lun == b->lun;
}

static struct medium *medium_at(const struct media *all, const struct media_place *place)
{
    for (unsigned k = 0; k < all->list->len; k++)
        if (same_place(&((struct medium *)all->list->pdata[k])->place, place))
            return all->list->pdata[k];
    return NULL;
}

static const struct settings_attachment *attached_at(const struct settings_controller *one,
                                                     const struct media_change *c)
{
    for (guint n = 0; n < one->attachments->len; n++) {
        const struct settings_attachment *a = one->attachments->pdata[n];
        if (a->port == (uint32_t)c->port && a->device == (uint32_t)c->device)
            return a;
    }
    return NULL;
}

/* What the drive is that may change, by what the machine was started with; NONE: it may not. */
static enum settings_device drive_at(const struct settings_machine *s, const struct media_change *c,
                                     struct media_place *ret)
{
    for (guint k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *one = s->hardware.controllers->pdata[k];
        const struct settings_attachment *a = strcmp(one->name, c->controller) == 0 ? attached_at(one, c) : NULL;

        if (strcmp(one->name, c->controller) != 0)
            continue;
        if (c->port < 0 || c->device < 0 || !media_place_of(one, (unsigned)c->port, (unsigned)c->device, ret))
            return DEVICE_NONE;
        if (a != NULL && a->kind != DEVICE_HARD_DISK)
            return a->kind;
        const bool plugs = media_hot_plug(one) && (a != NULL ? a->hotpluggable : (uint32_t)c->port < one->port_count);
        return plugs ? DEVICE_HARD_DISK : DEVICE_NONE;
    }
    return DEVICE_NONE;
}

static bool host_drive_at(const struct settings_machine *s, const struct media_change *c)
{
    for (guint k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *one = s->hardware.controllers->pdata[k];
        const struct settings_attachment *a = strcmp(one->name, c->controller) == 0 ? attached_at(one, c) : NULL;

        if (a != NULL && a->host_drive != NULL)
            return true;
    }
    return false;
}

static struct medium *open_given_image(struct media *all, const struct media_change *c, enum settings_device kind,
                                       const struct media_place *place, GError **error)
{
    const bool writable = (fcntl(c->fd, F_GETFL) & O_ACCMODE) == O_RDWR;
    struct medium *m = g_new0(struct medium, 1);

    m->all = all;
    m->kind = kind;
    m->place = *place;
    m->given = *media_files_of(kind, place); /* its functions use no context */
    m->through_cache = media_files_of(kind, place) == fio_direct() && !fio_direct_set(c->fd, true);
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

static void take_out(struct media *all, struct pdm *pdm, const struct media_place *place)
{
    struct medium *m = medium_at(all, place);

    if (m == NULL)
        return;
    media_unplug(m, pdm);
    g_ptr_array_remove(all->list, m);
}

/* Whether the disk that is there may go, or the port is free for one that comes. */
static bool disk_may_change(const struct media *all, const struct media_change *c, const struct media_place *place,
                            GError **error)
{
    const struct medium *m = medium_at(all, place);
    const char *why = NULL;

    if (m != NULL && *c->path != '\0')
        why = "there is a hard disk already";
    else if (m != NULL && (m->merge.merge != NULL || m->pushed))
        why = "a snapshot of the disk is being made or deleted";
    if (why != NULL)
        g_set_error(error, MEDIA_ERROR, 0, "Controller '%s', port %d: %s", c->controller, c->port, why);
    return why == NULL;
}

bool media_change(struct media *all, struct pdm *pdm, const struct media_change *c, GError **error)
{
    struct media_place place = {0};
    const enum settings_device kind = drive_at(all->settings, c, &place);
    struct medium *m = NULL;

    if (kind == DEVICE_NONE) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "Controller '%s' has no removable drive at port %d, device %d, and no hard disk can come or go "
                    "there while the machine runs",
                    c->controller, c->port, c->device);
        return false;
    }
    if (host_drive_at(all->settings, c)) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "Controller '%s', port %d, device %d is a drive of the host: eject the disc there, or change the "
                    "attachment when the machine is off",
                    c->controller, c->port, c->device);
        return false;
    }
    if (kind == DEVICE_HARD_DISK && !disk_may_change(all, c, &place, error))
        return false;
    if (!c->force && pdm_media_locked(pdm, place.device, place.instance, place.lun)) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "The guest has locked the drive at port %d, device %d of controller '%s'; unmount the medium in "
                    "the guest, or force it",
                    c->port, c->device, c->controller);
        return false;
    }
    if (*c->path != '\0' && (m = open_given_image(all, c, kind, &place, error)) == NULL)
        return false;
    take_out(all, pdm, &place);
    log_rel("Media: controller '%s', port %d, device %d: %s", c->controller, c->port, c->device,
            m != NULL ? c->path : "no medium");
    if (m == NULL)
        return true;
    g_ptr_array_add(all->list, m);
    return media_plug(m, pdm, error);
}
