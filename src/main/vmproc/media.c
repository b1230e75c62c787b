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
    bool has_ide;
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

/* The registry calls optical images raw; they differ in not being writable and in their sector size. */
static const char *image_format(const struct settings_medium *image, enum settings_device kind)
{
    bool raw = image->format == NULL || g_ascii_strcasecmp(image->format, "RAW") == 0;

    return !raw ? image->format : kind == DEVICE_DVD ? "ISO" : "RAW";
}

static bool open_image(struct media *all, const struct settings_machine *s, const struct settings_attachment *a,
                       const char *device, unsigned lun, GError **error)
{
    enum settings_device kind = DEVICE_NONE;
    const struct settings_medium *image = settings_media_find(&s->media, a->image_uuid, &kind);

    if (image == NULL) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "Error in '%s' (line %u) -- The medium %s is attached but not registered in MediaRegistry",
                    s->file.path, a->line, a->image_uuid);
        return false;
    }
    g_autofree char *location = g_canonicalize_filename(image->location, s->file.folder);
    if (kind != a->kind) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "Error in '%s' (line %u) -- The medium '%s' is not of the kind it is attached as", s->file.path,
                    a->line, location);
        return false;
    }
    bool read_only = kind == DEVICE_DVD || image->type == MEDIUM_READONLY;
    struct vd *vd = vd_open(fio_system(), image_format(image, kind), location, read_only ? VD_READ_ONLY : 0, error);
    if (vd == NULL)
        return false;
    if (!read_only && vd_read_only(vd))
        log_rel("Media: '%s' is used read-only: %s", location, vd_read_only_reason(vd));
    struct medium *m = g_new0(struct medium, 1);
    *m = (struct medium){.all = all, .vd = vd, .device = device, .lun = lun, .kind = a->kind};
    g_ptr_array_add(all->list, m);
    return true;
}

static bool open_ide(struct media *all, const struct settings_machine *s, const struct settings_controller *c,
                     struct pc_settings *pc, GError **error)
{
    all->has_ide = true;
    pc->ide_type = settings_controller_type_names[c->type];
    for (unsigned k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *a = c->attachments->pdata[k];
        unsigned lun = 2 * a->port + a->device;
        if (a->port > 1 || (a->kind != DEVICE_HARD_DISK && a->kind != DEVICE_DVD)) {
            g_set_error(
                error, MEDIA_ERROR, 0,
                "Error in '%s' (line %u) -- Controller '%s' has ports 0 and 1 for hard disks and DVD drives only",
                s->file.path, a->line, c->name);
            return false;
        }
        if (a->host_drive != NULL) {
            g_set_error(error, MEDIA_ERROR, 0,
                        "Error in '%s' (line %u) -- The host drive '%s' cannot be passed through; attach an image",
                        s->file.path, a->line, a->host_drive);
            return false;
        }
        pc->ide[lun] = a->kind == DEVICE_DVD ? PC_DRIVE_DVD : PC_DRIVE_DISK;
        if (a->image_uuid != NULL && !open_image(all, s, a, "piix3ide", lun, error))
            return false;
    }
    return true;
}

static bool open_floppy(struct media *all, const struct settings_machine *s, const struct settings_controller *c,
                        struct pc_settings *pc, GError **error)
{
    pc->floppy_controller = true;
    for (unsigned k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *a = c->attachments->pdata[k];
        if (a->port != 0 || a->kind != DEVICE_FLOPPY) {
            g_set_error(error, MEDIA_ERROR, 0,
                        "Error in '%s' (line %u) -- Controller '%s' has port 0 for floppy drives only", s->file.path,
                        a->line, c->name);
            return false;
        }
        pc->floppy[a->device] = true;
        if (a->image_uuid != NULL && !open_image(all, s, a, "i82078", a->device, error))
            return false;
    }
    return true;
}

/* A controller of a kind this machine has. */
typedef bool opener(struct media *, const struct settings_machine *, const struct settings_controller *,
                    struct pc_settings *, GError **);

static bool open_controller(struct media *all, const struct settings_machine *s, const struct settings_controller *c,
                            struct pc_settings *pc, GError **error)
{
    static opener *const open[] = {[CONTROLLER_PIIX3] = open_ide,
                                   [CONTROLLER_PIIX4] = open_ide,
                                   [CONTROLLER_ICH6] = open_ide,
                                   [CONTROLLER_I82078] = open_floppy};
    opener *f = c->type < G_N_ELEMENTS(open) ? open[c->type] : NULL;

    if (f == NULL && c->attachments->len == 0) {
        log_rel("Media: the controller '%s' (%s) has nothing attached and is left out", c->name,
                settings_controller_type_names[c->type]);
        return true;
    }
    if (f == NULL) {
        g_set_error(error, MEDIA_ERROR, 0,
                    "Error in '%s' (line %u) -- Storage controllers of type %s are not available; use PIIX4 or I82078",
                    s->file.path, c->line, settings_controller_type_names[c->type]);
        return false;
    }
    if (f == open_ide && all->has_ide) {
        g_set_error(error, MEDIA_ERROR, 0, "Error in '%s' (line %u) -- A machine has one IDE controller at most",
                    s->file.path, c->line);
        return false;
    }
    return f(all, s, c, pc, error);
}

struct media *media_open(const struct settings_machine *s, struct pc_settings *pc, GError **error)
{
    struct media *all = g_new0(struct media, 1);

    all->list = g_ptr_array_new_with_free_func(medium_free);
    for (guint k = 0; k < s->hardware.controllers->len; k++) {
        if (!open_controller(all, s, s->hardware.controllers->pdata[k], pc, error)) {
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
