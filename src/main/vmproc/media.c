/*
 * media.c - see media.h. A medium is opened in the format its registry entry names, never by looking at its contents;
 * the images stay locked as long as the machine exists.
 */
#include "main/vmproc/media.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "main/settings/medium_path.h"
#include "main/settings/tree.h"
#include "main/vmproc/media_int.h"
#include "rt/fio_direct.h"
#include "rt/log.h"
#include "rt/status.h"
#include "storage/crypt.h"

#define FILES_BESIDE 256u /* descriptors a machine needs besides its images */

static void medium_free(void *p)
{
    struct medium *m = p;

    block_free(m->block);
    vd_merge_cancel(m->merge.merge);
    if (m->vd != NULL && !vd_read_only(m->vd))
        (void)vd_flush(m->vd);
    vd_close(m->vd);
    media_links_free(m);
    g_free(m->key_store);
    g_free(m->key_id);
    g_free(m);
}

/* ---- one medium ---- */

/* A disk's guest has a cache of its own; firmware reads discs and floppies sector by sector. */
static bool past_cache(enum settings_device kind, const struct media_place *place)
{
    return place->past_cache && kind == DEVICE_HARD_DISK;
}

const struct fio *media_files_of(enum settings_device kind, const struct media_place *place)
{
    return past_cache(kind, place) ? fio_direct() : fio_system();
}

/* What is attached, and the images from its base to it. */
struct plan {
    const struct fio *io;
    const struct settings_machine *s;
    const struct settings_attachment *a;
    const struct settings_medium *image, *base;
    GArray *links; /* struct vd_link; paths are owned */
};

static void clear_link(void *p)
{
    g_free((char *)((struct vd_link *)p)->path);
}

static bool refuse(const struct plan *p, GError **error, const char *what)
{
    const char *name = p->image != NULL ? p->image->location : p->a->image_uuid;

    g_set_error(error, MEDIA_ERROR, 0, "Error in '%s' (line %u) -- The medium '%s' %s", p->s->file.path, p->a->line,
                name, what);
    return false;
}

/* The registry calls optical images raw; they differ in not being writable and in their sector size. */
static const char *image_format(const struct settings_medium *image, enum settings_device kind)
{
    bool raw = image->format == NULL || g_ascii_strcasecmp(image->format, "RAW") == 0;

    return !raw ? image->format : kind == DEVICE_DVD ? "ISO" : "RAW";
}

/* Base first; @p->image is the last. */
static void find_chain(struct plan *p)
{
    const GPtrArray *disks = p->s->media.disks;
    guint at = 0;

    while (p->a->kind == DEVICE_HARD_DISK && disks->pdata[at] != p->image)
        at++;
    p->base = p->image;
    for (const struct settings_medium *m = p->image; m != NULL;) {
        char *path = settings_medium_path(m->format, m->location, m->properties, p->s->file.folder);
        const struct vd_link link = {image_format(m, p->a->kind), path};
        g_array_prepend_val(p->links, link);
        p->base = m;
        at = p->a->kind == DEVICE_HARD_DISK ? settings_tree_parent(disks, at) : SETTINGS_NO_PARENT;
        m = at != SETTINGS_NO_PARENT ? disks->pdata[at] : NULL;
    }
}

static bool has_children(const struct plan *p)
{
    const GPtrArray *disks = p->s->media.disks;
    guint at = 0;

    while (at < disks->len && disks->pdata[at] != p->image)
        at++;
    return at < disks->len && settings_tree_end(disks, at) > at + 1;
}

/* How the last image is opened; -1: it cannot be used. */
static int open_flags(const struct plan *p, GError **error)
{
    bool direct = p->image == p->base;

    if (p->a->kind == DEVICE_DVD || (p->a->kind == DEVICE_HARD_DISK && p->base->type == MEDIUM_READONLY))
        return VD_READ_ONLY;
    if (p->a->kind != DEVICE_HARD_DISK)
        return 0;
    if (direct && (p->base->type == MEDIUM_IMMUTABLE || p->base->type == MEDIUM_MULTIATTACH))
        return VD_READ_ONLY;
    if (has_children(p)) {
        refuse(p, error, "has differencing images that a change of it would break; attach one of them");
        return -1;
    }
    return p->base->type == MEDIUM_SHAREABLE ? VD_SHAREABLE : 0;
}

/* The owner's word that images may stand for disks of the host. (storage/hostdisk.h) */
static bool host_disks(const struct settings_machine *s)
{
    return g_strcmp0(settings_property_get(s->extra_data, "VBoxInternal2/HostDisks"), "1") == 0;
}

/* An image that is to be empty at every start: a new one takes its name, in one step. */
static bool empty_last(const struct plan *p, GError **error)
{
    const struct vd_link *last = &g_array_index(p->links, struct vd_link, p->links->len - 1);
    struct vd *parent = vd_open_chain(fio_system(), (const struct vd_link *)(void *)p->links->data, p->links->len - 1,
                                      VD_READ_ONLY, error);
    g_autofree char *fresh = g_strconcat(last->path, ".new", NULL);
    g_autofree char *bare = g_strndup(p->image->uuid + 1, strlen(p->image->uuid) - 2);
    const struct fio *io = fio_system();
    uint8_t uuid[VD_UUID_BYTES];

    if (parent == NULL)
        return false;
    media_uuid_bytes(bare, uuid);
    io->unlink(io->ctx, fresh); /* of a start that was cut off */
    const struct vd_create args = {.format = last->format, .path = fresh, .parent = parent, .uuid = uuid};
    bool ok = vd_create(io, &args, error);
    int rc = ok ? status_from_errno(io->rename(io->ctx, fresh, last->path)) : 0;
    if (rc != 0) {
        fio_error(error, rc, "Cannot replace the disk image '%s'", last->path);
        io->unlink(io->ctx, fresh);
    }
    vd_close(parent);
    return ok && rc == 0;
}

static struct vd *open_plan(const struct plan *p, enum media_start start, unsigned *ret_flags, GError **error)
{
    int flags = open_flags(p, error);
    unsigned look = start == MEDIA_MOVES_IN && p->a->kind != DEVICE_DVD ? VD_LOOK | VD_READ_ONLY : 0u;

    if (flags < 0)
        return NULL;
    if (start == MEDIA_FRESH && p->image != p->base && p->image->auto_reset && !empty_last(p, error))
        return NULL;
    *ret_flags = (unsigned)flags | (host_disks(p->s) ? VD_RAW_DEVICES : 0u);
    return vd_open_chain(p->io, (const struct vd_link *)(void *)p->links->data, p->links->len, *ret_flags | look,
                         error);
}

/* An encrypted disk is locked until its password comes (media_crypt.c). */
static void note_key(struct medium *m, const struct plan *p)
{
    m->key_store = g_strdup(settings_property_get(p->base->properties, "CRYPT/KeyStore"));
    m->key_id = g_strdup(settings_property_get(p->base->properties, "CRYPT/KeyId"));
    if (m->key_store == NULL)
        return;
    vd_lock(m->vd);
    log_rel("Media: '%s' is encrypted; it waits for the password '%s'", vd_path(m->vd),
            m->key_id != NULL ? m->key_id : "");
}

static bool open_image(void *ctx, const struct settings_attachment *a, const struct media_place *place, GError **error)
{
    struct media *all = ctx;
    const struct settings_machine *s = all->settings;
    enum settings_device kind = DEVICE_NONE;
    if (a->host_drive != NULL)
        return media_drive_open(all, a, place, error);
    struct plan p = {.s = s, .a = a, .image = settings_media_find(&s->media, a->image_uuid, &kind)};

    if (p.image == NULL)
        return refuse(&p, error, "is attached but not registered in MediaRegistry");
    if (kind != a->kind)
        return refuse(&p, error, "is not of the kind it is attached as");
    p.io = media_files_of(a->kind, place);
    p.links = g_array_new(FALSE, FALSE, sizeof(struct vd_link));
    g_array_set_clear_func(p.links, clear_link);
    find_chain(&p);
    unsigned flags = 0;
    const unsigned refused = fio_direct_refused();
    struct vd *vd = open_plan(&p, all->start, &flags, error);
    g_array_unref(p.links);
    if (vd == NULL)
        return false;
    struct medium *m = g_new0(struct medium, 1);
    *m = (struct medium){.all = all, .vd = vd, .place = *place, .kind = a->kind, .flags = flags};
    m->through_cache = fio_direct_refused() != refused;
    m->discard = a->discard;
    m->non_rotational = a->non_rotational;
    note_key(m, &p);
    g_ptr_array_add(all->list, m);
    return true;
}

/* ---- all media ---- */

/* A long chain has more files than a process usually may open. */
static void allow_files(unsigned images)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= images + FILES_BESIDE)
        return;
    limit.rlim_cur = MIN(images + FILES_BESIDE, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct media *media_open(const struct settings_machine *s, struct pc_settings *pc, enum media_start start,
                         GError **error)
{
    struct media *all = g_new0(struct media, 1);

    all->aio = aio_new(AIO_BEST);
    all->start = start;
    all->list = g_ptr_array_new_with_free_func(medium_free);
    all->drives = g_ptr_array_new_with_free_func(media_drive_free);
    allow_files(2 * s->media.disks->len); /* merging opens some twice */
    all->settings = s;
    if (media_places(s, pc, open_image, all, error))
        return all;
    media_close(all);
    return NULL;
}

static void complete(void *ctx, struct pdm_block_req *req)
{
    struct medium *m = ctx;

    pdm_block_done(m->block, req);
}

static bool host_error(void *ctx, const char *id, const char *text)
{
    struct medium *m = ctx;

    m->all->events->host_error(m->all->user, id, text);
    return true;
}

static void host_well(void *ctx)
{
    struct medium *m = ctx;

    m->all->events->host_well(m->all->user);
}

bool media_plug(struct medium *m, struct pdm *pdm, GError **error)
{
    const struct block_up up = {.ctx = m,
                                .complete = complete,
                                .host_error = host_error,
                                .host_well = host_well,
                                .aio = m->all->aio,
                                .past_cache = past_cache(m->kind, &m->place),
                                .shared = (m->flags & VD_SHAREABLE) != 0,
                                .optical = m->kind == DEVICE_DVD,
                                .removable = m->kind != DEVICE_HARD_DISK};

    m->block = block_new(m->vd, &up, error);
    if (m->block == NULL)
        return false;
    if (m->all->start == MEDIA_MOVES_IN) /* it was only looked at; the device is to see what it will be */
        m->block->read_only = (m->flags & VD_READ_ONLY) != 0;
    m->block->discard = m->discard;
    m->block->non_rotational = m->non_rotational;
    return pdm_attach_block(pdm, m->place.device, m->place.instance, m->place.lun, m->block, error);
}

void media_unplug(struct medium *m, struct pdm *pdm)
{
    if (m->block != NULL)
        pdm_attach_block(pdm, m->place.device, m->place.instance, m->place.lun, NULL, NULL);
    block_free(m->block); /* its last answers still come through m */
    m->block = NULL;
}

/* There is no log yet when the media are opened. */
static void tell(const struct medium *m)
{
    struct vd *vd = m->vd, *base = vd;
    unsigned images = 1;

    for (; vd_parent(base) != NULL; base = vd_parent(base))
        images++;
    if (vd_read_only_reason(vd) != NULL)
        log_rel("Media: '%s' is used read-only: %s", vd_path(vd), vd_read_only_reason(vd));
    if (m->through_cache)
        log_rel("Media: '%s' goes through the host's cache: its file system has no O_DIRECT", vd_path(vd));
    else if (past_cache(m->kind, &m->place))
        log_rel("Media: '%s' goes past the host's cache", vd_path(vd));
    if (images > 1)
        log_rel("Media: '%s' is the last of %u images, the base is '%s'", vd_path(vd), images, vd_path(base));
}

bool media_attach(struct media *all, struct pdm *pdm, const struct media_events *events, void *user, GError **error)
{
    all->events = events;
    all->user = user;
    log_rel("Media: reads go through %s", aio_kind_of(all->aio) == AIO_RING ? "io_uring" : "threads");
    for (unsigned k = 0; k < all->list->len; k++)
        tell(all->list->pdata[k]);
    for (unsigned k = 0; k < all->list->len; k++)
        if (!media_plug(all->list->pdata[k], pdm, error))
            return false;
    return media_drives_attach(all, pdm, error);
}

void media_detach(struct media *all, struct pdm *pdm)
{
    for (unsigned k = 0; k < all->list->len; k++)
        media_unplug(all->list->pdata[k], pdm);
    media_drives_detach(all, pdm);
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
    g_ptr_array_unref(all->drives);
    aio_free(all->aio);
    g_free(all->met);
    g_free(all);
}
