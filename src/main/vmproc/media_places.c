/*
 * media_places.c - see media_places.h. A row of `kinds` is a type of controller: its device, what fits its ports.
 */
#include "main/vmproc/media_places.h"

#include <string.h>

#include "rt/log.h"

#define PLACES_ERROR (g_quark_from_static_string("media"))

enum {
    FITS_DISK = 1,
    FITS_DVD = 2,
    FITS_FLOPPY = 4,
    HOT_PLUG = 8,
    APART = 16 /* a device per port */,
    TARGET_7 = 32 /* is the adapter itself */
};

static const struct kind {
    const char *device; /* NULL: there is none */
    unsigned ports, devices;
    unsigned fits;
    enum pc_storage storage;
    const char *what; /* the ports, for a person */
} kinds[] = {
    [CONTROLLER_PIIX3] = {"piix3ide", 2, 2, FITS_DISK | FITS_DVD, PC_IDE, "0 and 1 for hard disks and DVD drives"},
    [CONTROLLER_PIIX4] = {"piix3ide", 2, 2, FITS_DISK | FITS_DVD, PC_IDE, "0 and 1 for hard disks and DVD drives"},
    [CONTROLLER_ICH6] = {"piix3ide", 2, 2, FITS_DISK | FITS_DVD, PC_IDE, "0 and 1 for hard disks and DVD drives"},
    [CONTROLLER_AHCI] = {"ahci", 30, 1, FITS_DISK | FITS_DVD | HOT_PLUG, PC_AHCI,
                         "0 to 29 for hard disks and DVD drives"},
    [CONTROLLER_VIRTIO_SCSI] = {"virtio-scsi", 256, 1, FITS_DISK | FITS_DVD | HOT_PLUG, PC_VIRTIO_SCSI,
                                "0 to 255 for hard disks and DVD drives"},
    [CONTROLLER_LSILOGIC] = {"lsilogicscsi", 16, 1, FITS_DISK | FITS_DVD | TARGET_7, PC_LSILOGIC,
                             "0 to 6 and 8 to 15 for hard disks and DVD drives"},
    [CONTROLLER_LSILOGIC_SAS] = {"lsilogicsas", 8, 1, FITS_DISK | FITS_DVD, PC_LSILOGIC_SAS,
                                 "0 to 7 for hard disks and DVD drives"},
    [CONTROLLER_BUSLOGIC] = {"buslogic", 16, 1, FITS_DISK | FITS_DVD | TARGET_7, PC_BUSLOGIC,
                             "0 to 6 and 8 to 15 for hard disks and DVD drives"},
    [CONTROLLER_NVME] = {"nvme", 32, 1, FITS_DISK, PC_NVME, "0 to 31 for hard disks"},
    [CONTROLLER_VIRTIO_BLK] = {"virtio-blk", 8, 1, FITS_DISK | APART, PC_VIRTIO_BLK, "0 to 7 for hard disks"},
    [CONTROLLER_I82078] = {"i82078", 1, 2, FITS_FLOPPY, PC_FLOPPY, "0 for floppy drives"},
};

struct walk {
    const struct settings_machine *s;
    struct pc_settings *pc;
    media_place_fn *place;
    void *ctx;
    bool taken[PC_STORAGES];
};

static const struct kind *kind_of(const struct settings_controller *c)
{
    return c->type < G_N_ELEMENTS(kinds) && kinds[c->type].device != NULL ? &kinds[c->type] : NULL;
}

static unsigned lun_of(const struct kind *k, unsigned port, unsigned device)
{
    return port * k->devices + device;
}

static struct media_place place_of(const struct kind *k, const struct settings_controller *c, unsigned port,
                                   unsigned device)
{
    struct media_place place = {.device = k->device, .lun = lun_of(k, port, device), .past_cache = !c->host_io_cache};

    if (!(k->fits & APART))
        return place;
    place.lun = 0;
    for (unsigned n = 0; n < c->attachments->len; n++)
        place.instance += ((const struct settings_attachment *)c->attachments->pdata[n])->port < port;
    return place;
}

bool media_place_of(const struct settings_controller *c, unsigned port, unsigned device, struct media_place *ret)
{
    const struct kind *k = kind_of(c);

    if (k == NULL || port >= k->ports || device >= k->devices)
        return false;
    *ret = place_of(k, c, port, device);
    return true;
}

bool media_hot_plug(const struct settings_controller *c)
{
    const struct kind *k = kind_of(c);

    return k != NULL && (k->fits & HOT_PLUG);
}

static bool refuse(const struct walk *w, unsigned line, GError **error, const char *fmt, ...) G_GNUC_PRINTF(4, 5);
static bool refuse(const struct walk *w, unsigned line, GError **error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_set_error(error, PLACES_ERROR, 0, "Error in '%s' (line %u) -- %s", w->s->file.path, line, text);
    return false;
}

/* The board's word for what is on a port. */
static void note(struct pc_settings *pc, const struct kind *k, const struct settings_attachment *a, unsigned lun)
{
    switch (k->storage) {
    case PC_IDE: pc->ide[lun] = a->kind == DEVICE_DVD ? PC_DRIVE_DVD : PC_DRIVE_DISK; break;
    case PC_FLOPPY: pc->floppy[lun] = true; break;
    default:
        pc->storage[k->storage].drives[lun] = a->kind == DEVICE_DVD                     ? 'D'
                                              : a->hotpluggable && (k->fits & HOT_PLUG) ? 'h'
                                                                                        : 'H';
        break;
    }
}

static bool fits(const struct kind *k, const struct settings_attachment *a)
{
    const unsigned bit = a->kind == DEVICE_HARD_DISK ? FITS_DISK : a->kind == DEVICE_DVD ? FITS_DVD : FITS_FLOPPY;

    if ((k->fits & TARGET_7) && a->port == 7)
        return false;
    return (k->fits & bit) && a->port < k->ports && a->device < k->devices;
}

static bool walk_attachments(struct walk *w, const struct kind *k, const struct settings_controller *c, GError **error)
{
    for (unsigned n = 0; n < c->attachments->len; n++) {
        const struct settings_attachment *a = c->attachments->pdata[n];
        const unsigned lun = lun_of(k, a->port, a->device);

        if (!fits(k, a))
            return refuse(w, a->line, error, "Controller '%s' has port%s %s only", c->name, k->ports > 1 ? "s" : "",
                          k->what);
        if (a->host_drive != NULL && a->kind != DEVICE_DVD)
            return refuse(w, a->line, error, "The host drive '%s' cannot be used: only CD and DVD drives can",
                          a->host_drive);
        note(w->pc, k, a, lun);
        const struct media_place place = place_of(k, c, a->port, a->device);
        if ((a->image_uuid != NULL || a->host_drive != NULL) && !w->place(w->ctx, a, &place, error))
            return false;
    }
    return true;
}

/*
 * Each port of the controller without a drive. Where disks may come and go the board is the same with and without them,
 * so that a saved state fits a machine whose disk came while it ran.
 */
static void note_controller(struct pc_settings *pc, const struct kind *k, const struct settings_controller *c)
{
    struct pc_storage_settings *st = &pc->storage[k->storage];

    st->exists = true;
    st->ports = CLAMP(c->port_count, 1, k->ports);
    memset(st->drives, k->fits & HOT_PLUG ? 'h' : '-', st->ports);
    for (unsigned n = 0; n < c->attachments->len; n++) {
        const struct settings_attachment *a = c->attachments->pdata[n];

        while (a->port < k->ports && a->port >= st->ports)
            st->drives[st->ports++] = k->fits & HOT_PLUG ? 'h' : '-';
    }
    if (k->storage == PC_IDE)
        pc->ide_type = settings_controller_type_names[c->type];
}

static bool walk_controller(struct walk *w, const struct settings_controller *c, GError **error)
{
    const struct kind *k = kind_of(c);
    const char *type = settings_controller_type_names[c->type];

    if (k == NULL && c->attachments->len == 0) {
        log_rel("Media: the controller '%s' (%s) has nothing attached and is left out", c->name, type);
        return true;
    }
    if (k == NULL)
        return refuse(w, c->line, error, "Storage controllers of type %s are not available; use AHCI or PIIX4", type);
    if (w->taken[k->storage])
        return refuse(w, c->line, error, "A machine has one controller of type %s at most", type);
    w->taken[k->storage] = true;
    note_controller(w->pc, k, c);
    return walk_attachments(w, k, c, error);
}

bool media_places(const struct settings_machine *s, struct pc_settings *pc, media_place_fn *place, void *ctx,
                  GError **error)
{
    struct walk w = {.s = s, .pc = pc, .place = place, .ctx = ctx};

    for (guint n = 0; n < s->hardware.controllers->len; n++)
        if (!walk_controller(&w, s->hardware.controllers->pdata[n], error))
            return false;
    return true;
}
