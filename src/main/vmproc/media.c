/*
 * media.c - see media.h. A medium is opened in the format its registry entry names, never by looking at its contents;
 * the images stay locked as long as the machine exists.
 */
#include "main/vmproc/media.h"

#include <string.h>

#include "drivers/block/block.h"
#include "rt/log.h"
#include "storage/vd.h"

#define MEDIA_ERROR (g_quark_from_static_string("media"))

struct medium {
    struct media *all;
    struct vd *vd;
    struct pdm_block *block;
    const char *device; /* controller's device name */
    unsigned lun;
    enum settings_device kind;
};

struct media {
    GPtrArray *list; /* struct medium */
    void (*host_error)(void *user, const char *text);
    void *user;
};

static void medium_free(void *p)
{
    struct medium *m = p;

    block_free(m->block);
    if (m->vd != NULL && !vd_read_only(m->vd))
        (void)vd_flush(m->vd);
    vd_close(m->vd);
    g_free(m);
}

static bool open_image(struct media *all, const struct settings *s, const struct settings_attachment *a,
                       const char *device, unsigned lun, GError **error)
{
    const struct settings_medium *image = settings_find_medium(s, a->image_uuid);

    if (image == NULL) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "Error in '%s' (line %u) -- The medium %s is attached but not registered in MediaRegistry", s->file,
                    a->line, a->image_uuid);
        return false;
    }
    if (image->kind != a->kind) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "Error in '%s' (line %u) -- The medium '%s' is not of the kind it is attached as", s->file, a->line,
                    image->location);
        return false;
    }
    bool read_only = a->kind == DEVICE_DVD || (image->type != NULL && g_ascii_strcasecmp(image->type, "Readonly") == 0);
    /* the registry calls optical images raw; they differ in not being writable and in their sector size */
    bool raw_disc = a->kind == DEVICE_DVD && g_ascii_strcasecmp(image->format, "RAW") == 0;
    struct vd *vd =
        vd_open(fio_system(), raw_disc ? "ISO" : image->format, image->location, read_only ? VD_READ_ONLY : 0, error);
    if (vd == NULL)
        return false;
    if (!read_only && vd_read_only(vd))
        log_rel("Media: '%s' is used read-only: %s", image->location, vd_read_only_reason(vd));
    struct medium *m = g_new0(struct medium, 1);
    *m = (struct medium){.all = all, .vd = vd, .device = device, .lun = lun, .kind = a->kind};
    g_ptr_array_add(all->list, m);
    return true;
}

static bool open_ide(struct media *all, const struct settings *s, const struct settings_controller *c,
                     struct pc_settings *pc, GError **error)
{
    pc->ide_type = c->type;
    for (unsigned k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *a = &g_array_index(c->attachments, struct settings_attachment, k);
        unsigned lun = 2 * a->port + a->device;
        if (a->port > 1 || (a->kind != DEVICE_HARD_DISK && a->kind != DEVICE_DVD)) {
            g_set_error(
                error, MEDIA_ERROR, 0,
                "Error in '%s' (line %u) -- Controller '%s' has ports 0 and 1 for hard disks and DVD drives only",
                s->file, a->line, c->name);
            return false;
        }
        if (a->host_drive != NULL) {
            g_set_error(error, MEDIA_ERROR, 0,
                        "Error in '%s' (line %u) -- The host drive '%s' cannot be passed through; attach an image",
                        s->file, a->line, a->host_drive);
            return false;
        }
        pc->ide[lun] = a->kind == DEVICE_DVD ? PC_DRIVE_DVD : PC_DRIVE_DISK;
        if (a->image_uuid != NULL && !open_image(all, s, a, "piix3ide", lun, error))
            return false;
    }
    return true;
}

static bool open_floppy(struct media *all, const struct settings *s, const struct settings_controller *c,
                        struct pc_settings *pc, GError **error)
{
    pc->floppy_controller = true;
    for (unsigned k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *a = &g_array_index(c->attachments, struct settings_attachment, k);
        if (a->port != 0 || a->kind != DEVICE_FLOPPY) {
            g_set_error(error, MEDIA_ERROR, 0,
                        "Error in '%s' (line %u) -- Controller '%s' has port 0 for floppy drives only", s->file,
                        a->line, c->name);
            return false;
        }
        pc->floppy[a->device] = true;
        if (a->image_uuid != NULL && !open_image(all, s, a, "i82078", a->device, error))
            return false;
    }
    return true;
}

struct media *media_open(const struct settings *s, struct pc_settings *pc, GError **error)
{
    static const struct {
        const char *type;
        bool (*open)(struct media *, const struct settings *, const struct settings_controller *, struct pc_settings *,
                     GError **);
    } controllers[] = {{"PIIX3", open_ide}, {"PIIX4", open_ide}, {"ICH6", open_ide}, {"I82078", open_floppy}};
    struct media *all = g_new0(struct media, 1);
    bool ide = false;

    all->list = g_ptr_array_new_with_free_func(medium_free);
    for (unsigned k = 0; k < s->controllers->len; k++) {
        const struct settings_controller *c = &g_array_index(s->controllers, struct settings_controller, k);
        unsigned n = 0;
        while (n < G_N_ELEMENTS(controllers) && g_ascii_strcasecmp(controllers[n].type, c->type) != 0)
            n++;
        bool ok = n < G_N_ELEMENTS(controllers);
        if (!ok && c->attachments->len == 0) {
            log_rel("Media: the controller '%s' (%s) has nothing attached and is left out", c->name, c->type);
            continue;
        }
        if (!ok)
            g_set_error(
                error, MEDIA_ERROR, 0,
                "Error in '%s' (line %u) -- Storage controllers of type %s are not available; use PIIX4 or I82078",
                s->file, c->line, c->type);
        if (ok && controllers[n].open == open_ide) {
            if (ide)
                g_set_error(error, MEDIA_ERROR, 0,
                            "Error in '%s' (line %u) -- A machine has one IDE controller at most", s->file, c->line);
            ok = !ide;
            ide = true;
        }
        if (!ok || !controllers[n].open(all, s, c, pc, error)) {
            media_close(all);
            return NULL;
        }
    }
    return all;
}

static void complete(void *ctx, struct pdm_block_req *req)
{
    struct medium *m = ctx;

    pdm_block_done(m->block, req);
}

static bool host_error(void *ctx, const char *id, const char *text)
{
    struct medium *m = ctx;
    g_autofree char *line = g_strdup_printf("%s: %s", id, text);

    m->all->host_error(m->all->user, line);
    return true;
}

bool media_attach(struct media *all, struct pdm *pdm, void (*error_fn)(void *user, const char *text), void *user,
                  GError **error)
{
    all->host_error = error_fn;
    all->user = user;
    for (unsigned k = 0; k < all->list->len; k++) {
        struct medium *m = all->list->pdata[k];
        const struct block_up up = {.ctx = m,
                                    .complete = complete,
                                    .host_error = host_error,
                                    .optical = m->kind == DEVICE_DVD,
                                    .removable = m->kind != DEVICE_HARD_DISK};
        m->block = block_new(m->vd, &up, error);
        if (m->block == NULL || !pdm_attach_block(pdm, m->device, 0, m->lun, m->block, error))
            return false;
    }
    return true;
}

void media_resume(struct media *all)
{
    for (unsigned k = 0; k < all->list->len; k++)
        block_resume(((struct medium *)all->list->pdata[k])->block);
}

void media_close(struct media *all)
{
    if (all == NULL)
        return;
    g_ptr_array_unref(all->list);
    g_free(all);
}
