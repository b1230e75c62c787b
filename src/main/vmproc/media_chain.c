/*
 * media_chain.c - see media.h: the chains of a machine's disks change while it exists.
 *
 * A disk has one caller, its driver's thread; everything here that touches one goes there and waits (block_call()).
 * Merging moves on in that thread's pauses. Invariant 1: media_push() gives every disk its new image or none.
 */
#include <string.h>

#include "main/api/api.h"
#include "main/settings/medium_path.h"
#include "main/vmproc/media_int.h"
#include "rt/log.h"
#include "rt/status.h"

#define STEP_BYTES (1u << 20)

void media_uuid_bytes(const char *text, uint8_t ret[VD_UUID_BYTES])
{
    char id[API_UUID_SIZE];

    memset(ret, 0, VD_UUID_BYTES);
    if (api_uuid_parse(text, id))
        api_uuid_to_bytes(id, ret);
}

struct medium *media_find(struct media *all, const char *uuid, GError **error)
{
    uint8_t wanted[VD_UUID_BYTES], has[VD_UUID_BYTES];

    media_uuid_bytes(uuid, wanted);
    for (unsigned k = 0; k < all->list->len; k++) {
        struct medium *m = all->list->pdata[k];
        if (m->kind == DEVICE_HARD_DISK && vd_uuid(m->vd, has) && memcmp(has, wanted, sizeof has) == 0)
            return m;
    }
    g_set_error(error, MEDIA_ERROR, 0, "No disk of this machine ends in the image %s", uuid);
    return NULL;
}

const char **media_files(struct media *all)
{
    GPtrArray *files = g_ptr_array_new();

    for (unsigned k = 0; k < all->list->len; k++) {
        struct medium *m = all->list->pdata[k];
        for (struct vd *vd = m->vd; m->kind != DEVICE_DVD && vd != NULL; vd = vd_parent(vd))
            if (!settings_medium_remote(vd_format(vd)))
                g_ptr_array_add(files, (void *)vd_path(vd));
    }
    g_ptr_array_add(files, NULL);
    return (const char **)g_ptr_array_free(files, FALSE);
}

/* ---- new last images ---- */

/* What is done on the driver's thread. */
struct job {
    struct medium *m;
    const struct media_new *image;
    unsigned from, to;
    bool keep, ok;
    GError *error;
};

static void push(void *ctx)
{
    struct job *j = ctx;
    const struct fio *io = fio_system(); /* what it writes is synced */
    const struct vd_link link = {j->image->format, j->image->path};
    uint8_t uuid[VD_UUID_BYTES];

    media_uuid_bytes(j->image->uuid, uuid);
    const struct vd_create args = {.format = link.format, .path = link.path, .parent = j->m->vd, .uuid = uuid};
    int rc = vd_flush(j->m->vd); /* the image below must not change after its child was made */
    if (rc != 0)
        fio_error(&j->error, rc, "Cannot flush disk image '%s'", vd_path(j->m->vd));
    j->ok = rc == 0 && vd_create(io, &args, &j->error);
    if (j->ok && !vd_push(j->m->vd, &link, &j->error)) {
        io->unlink(io->ctx, link.path);
        j->ok = false;
    }
    j->m->pushed = j->ok;
}

static void settle(void *ctx)
{
    struct job *j = ctx;
    const struct fio *io = fio_system();
    g_autofree char *path = g_strdup(vd_path(j->m->vd));

    j->m->pushed = false;
    if (j->keep)
        return;
    if (vd_pop(j->m->vd, &j->error))
        io->unlink(io->ctx, path);
}

void media_settle(struct media *all, bool keep)
{
    for (unsigned k = 0; k < all->list->len; k++) {
        struct job j = {.m = all->list->pdata[k], .keep = keep};
        if (!j.m->pushed)
            continue;
        block_call(j.m->block, settle, &j);
        if (j.error != NULL)
            log_rel("Media: %s", j.error->message);
        g_clear_error(&j.error);
    }
}

char *media_pushed(struct media *all)
{
    uint8_t uuid[VD_UUID_BYTES];
    char id[API_UUID_SIZE];

    for (unsigned k = 0; k < all->list->len; k++) {
        const struct medium *m = all->list->pdata[k];
        if (!m->pushed || !vd_uuid(m->vd, uuid))
            continue;
        api_uuid_from_bytes(uuid, id);
        return g_strdup_printf("{%s}", id);
    }
    return NULL;
}

bool media_push(struct media *all, const struct media_new *images, unsigned count, GError **error)
{
    for (unsigned k = 0; k < count; k++) {
        struct job j = {.m = media_find(all, images[k].image, error), .image = &images[k]};
        if (j.m != NULL)
            block_call(j.m->block, push, &j);
        if (j.m != NULL && j.ok)
            continue;
        if (j.error != NULL)
            g_propagate_error(error, j.error);
        media_settle(all, false); /* inv 1 */
        return false;
    }
    return true;
}

/* ---- merging ---- */

/* Room may come; but a flush that failed is final, and it is all that is left at the end. */
static bool wants_room(int status, unsigned permille)
{
    return (status == VERR_DISK_FULL || status == VERR_FILE_TOO_BIG) && permille < 1000;
}

static enum block_more step(void *ctx)
{
    struct medium *m = ctx;
    bool done = false;
    int status = vd_merge_step(m->merge.merge, STEP_BYTES, &done);
    const unsigned permille = vd_merge_permille(m->merge.merge);
    const bool waits = wants_room(status, permille);

    g_atomic_int_set(&m->merge.permille, permille);
    if (waits != m->merge.waits)
        log_rel("Media: merging images of '%s' %s", vd_path(m->vd),
                waits ? "waits until the host's file system has room" : "goes on: there is room");
    m->merge.waits = waits;
    m->merge.status = waits ? 0 : status;
    if (done)
        m->merge.done = true;
    return waits ? BLOCK_LATER : done || status != 0 ? BLOCK_DONE : BLOCK_MORE;
}

static void start(void *ctx)
{
    struct job *j = ctx;
    struct media_merge *g = &j->m->merge;

    if (g->merge == NULL) {
        g->merge = vd_merge_start(j->m->vd, j->from, j->to, &j->error);
        g->from = j->from;
        g->to = j->to;
        g->done = g->waits = false;
        g_atomic_int_set(&g->permille, 0);
    }
    g->status = 0;
    j->ok = g->merge != NULL && g->from == j->from && g->to == j->to;
    if (g->merge != NULL && !j->ok)
        g_set_error(&j->error, MEDIA_ERROR, 0, "The disk '%s' is being merged already", vd_path(j->m->vd));
    if (j->ok && !g->done)
        block_background(j->m->block, step, j->m);
}

bool media_merge(struct media *all, const char *image, unsigned from, unsigned to, GError **error)
{
    struct job j = {.m = media_find(all, image, error), .from = from, .to = to};

    if (j.m == NULL)
        return false;
    block_call(j.m->block, start, &j);
    if (j.error != NULL)
        g_propagate_error(error, j.error);
    return j.ok;
}

static void look(void *ctx)
{
    struct job *j = ctx;

    j->keep = j->m->merge.done;
    j->ok = j->m->merge.status == 0;
    if (!j->ok)
        fio_error(&j->error, j->m->merge.status, "Merging images of '%s' stopped; the disk is unchanged",
                  vd_path(j->m->vd));
}

bool media_merge_state(struct media *all, unsigned *ret_permille, bool *ret_done, GError **error)
{
    unsigned sum = 0, count = 0;

    *ret_done = true;
    for (unsigned k = 0; k < all->list->len; k++) {
        struct job j = {.m = all->list->pdata[k]};
        if (j.m->merge.merge == NULL)
            continue;
        block_call(j.m->block, look, &j);
        *ret_done &= j.keep;
        sum += (unsigned)g_atomic_int_get(&j.m->merge.permille);
        count++;
        if (!j.ok) {
            g_propagate_error(error, j.error);
            return false;
        }
    }
    *ret_permille = count > 0 ? sum / count : 1000;
    return true;
}

static void end(void *ctx)
{
    struct job *j = ctx;
    struct media_merge *g = &j->m->merge;
    struct vd_merge *merge = g->merge;

    block_background(j->m->block, NULL, NULL);
    g->merge = NULL;
    j->ok = true;
    if (!j->keep)
        vd_merge_cancel(merge);
    else
        j->ok = vd_merge_finish(merge, &j->error);
}

bool media_merge_end(struct media *all, bool keep, GError **error)
{
    bool ok = true;

    for (unsigned k = 0; k < all->list->len; k++) {
        struct job j = {.m = all->list->pdata[k], .keep = keep};
        if (j.m->merge.merge == NULL)
            continue;
        block_call(j.m->block, end, &j);
        if (j.error != NULL && ok)
            g_propagate_error(error, j.error);
        else
            g_clear_error(&j.error);
        ok &= j.ok;
    }
    return ok;
}
