/*
 * pending.c - what was begun with snapshots and images, noted in the settings, and how it ends after an interruption.
 *
 * RemoveImage, RemoveFile: a file that belongs to nothing; it goes. MergedImage: an image whose contents another one
 * has by now; images that still refer to it in their headers learn the parent the registry gives them, then it goes.
 * DeleteSnapshot: the snapshot's images may be half merged; deleting it is done again from the beginning, which is
 *     always right (storage/merge.h).
 * Every step can be done twice. A note goes when its step is done, with one save for all.
 */
#include <errno.h>
#include <string.h>

#include "main/server/snapshot/snapshot_int.h"
#include "rt/status.h"
#include "storage/chain.h"

void pending_add(struct settings_machine *s, enum settings_pending_action action, const char *uuid, const char *into,
                 const char *format, const char *file)
{
    struct settings_pending *p = settings_pending_new();

    p->action = action;
    p->uuid = uuid == NULL || *uuid == '{' ? g_strdup(uuid) : g_strdup_printf("{%s}", uuid);
    p->into = into == NULL || *into == '{' ? g_strdup(into) : g_strdup_printf("{%s}", into);
    p->format = g_strdup(format);
    p->file = g_strdup(file);
    g_ptr_array_add(s->pending, p);
}

void pending_drop(struct settings_machine *s, enum settings_pending_action action, const char *uuid, const char *file)
{
    for (guint k = s->pending->len; k-- > 0;) {
        const struct settings_pending *p = s->pending->pdata[k];
        if (p->action == action && g_strcmp0(p->uuid, uuid) == 0 && (file == NULL || g_strcmp0(p->file, file) == 0))
            g_ptr_array_remove_index(s->pending, k);
    }
}

/* ---- files, on a thread ---- */

struct link {
    char *format, *path, *parent_format, *parent_path; /* no parent: a base image */
};

struct step {
    struct settings_pending *note;
    GPtrArray *links; /* MergedImage: struct link, to be looked at */
};

struct job {
    struct machine *m;
    GPtrArray *steps;
    void (*done)(void *user, GError *error);
    void *user;
};

static void link_free(void *p)
{
    struct link *l = p;

    g_free(l->format);
    g_free(l->path);
    g_free(l->parent_format);
    g_free(l->parent_path);
    g_free(l);
}

static void step_free(void *p)
{
    struct step *s = p;

    settings_pending_free(s->note);
    g_ptr_array_unref(s->links);
    g_free(s);
}

/* Whether the file still says that @merged is its parent. */
static bool refers_to(const struct link *l, const uint8_t merged[VD_UUID_BYTES], bool *ret, GError **error)
{
    struct vd *vd = vd_open(fio_system(), l->format, l->path, VD_READ_ONLY | VD_ALONE, error);

    if (vd == NULL)
        return false;
    *ret = memcmp(vd_ids(vd)->parent, merged, VD_UUID_BYTES) == 0;
    vd_close(vd);
    return true;
}

static bool relink(const struct link *l, const uint8_t merged[VD_UUID_BYTES], GError **error)
{
    bool stale = false;

    if (!refers_to(l, merged, &stale, error))
        return false;
    if (!stale)
        return true;
    struct vd *parent = l->parent_path != NULL
                            ? vd_open(fio_system(), l->parent_format, l->parent_path, VD_READ_ONLY | VD_ALONE, error)
                            : NULL;
    if (parent == NULL && l->parent_path != NULL)
        return false;
    struct vd *vd = vd_open(fio_system(), l->format, l->path, VD_ALONE | VD_KEEP_MODIFY, error);
    bool ok = vd != NULL && vd_set_parent(vd, parent, error);
    vd_close(vd);
    vd_close(parent);
    return ok;
}

static bool carry_out(const struct step *s, GError **error)
{
    const struct fio *io = fio_system();
    uint8_t merged[VD_UUID_BYTES];
    char id[API_UUID_SIZE];

    if (s->note->action == PENDING_MERGED_IMAGE && s->note->uuid != NULL && api_uuid_parse(s->note->uuid, id)) {
        api_uuid_to_bytes(id, merged);
        for (unsigned k = 0; k < s->links->len; k++)
            if (!relink(s->links->pdata[k], merged, error))
                return false;
    }
    int rc = s->note->file != NULL ? io->unlink(io->ctx, s->note->file) : 0;
    return rc == 0 || rc == -ENOENT ||
           api_fail(error, VBOX_E_FILE_ERROR, "Could not delete '%s' (%s)", s->note->file,
                    status_name(status_from_errno(rc)));
}

static void run(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    const struct job *j = data;
    GError *error = NULL;

    (void)source, (void)cancellable;
    for (unsigned k = 0; k < j->steps->len && error == NULL; k++)
        carry_out(j->steps->pdata[k], &error);
    if (error != NULL)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

static void ran(GObject *source, GAsyncResult *result, void *user)
{
    struct job *j = user;
    GError *error = NULL;

    (void)source;
    if (g_task_propagate_boolean(G_TASK(result), &error)) {
        struct settings_machine *next = settings_machine_copy(j->m->settings);
        for (unsigned k = 0; k < j->steps->len; k++) {
            const struct settings_pending *note = ((const struct step *)j->steps->pdata[k])->note;
            pending_drop(next, note->action, note->uuid, note->file);
        }
        machine_replace(j->m, next, &error);
    } else {
        api_wrap(&error, VBOX_E_FILE_ERROR);
    }
    if (j->done != NULL)
        j->done(j->user, error);
    else
        g_clear_error(&error);
    g_ptr_array_unref(j->steps);
    g_free(j);
}

/* ---- planning ---- */

static bool in_use(const struct machine *m, const struct medium *image)
{
    for (unsigned k = 0; m->vm != NULL && k < m->service->media->len; k++) {
        const struct medium *leaf = m->service->media->pdata[k], *up = leaf;
        char braced[40];
        while (up != NULL && up != image)
            up = up->parent;
        if (up != NULL && medium_hardware_uses(&m->settings->hardware, medium_id_braced(leaf, braced)))
            return true; /* the process has it open, and has linked it itself */
    }
    return false;
}

static void add_link(const struct machine *m, GPtrArray *links, const struct medium *image)
{
    if (in_use(m, image))
        return;
    struct link *l = g_new0(struct link, 1);
    l->format = g_strdup(image->format);
    l->path = medium_path(image);
    if (image->parent != NULL) {
        l->parent_format = g_strdup(image->parent->format);
        l->parent_path = medium_path(image->parent);
    }
    g_ptr_array_add(links, l);
}

static struct step *plan(const struct machine *m, const struct settings_pending *note)
{
    struct step *s = g_new0(struct step, 1);
    char id[API_UUID_SIZE];

    s->note = settings_pending_new();
    s->note->action = note->action;
    s->note->uuid = g_strdup(note->uuid);
    s->note->file = g_strdup(note->file);
    s->links = g_ptr_array_new_with_free_func(link_free);
    const struct medium *into =
        note->into != NULL && api_uuid_parse(note->into, id) ? medium_find(m->service, id, DEVICE_HARD_DISK) : NULL;
    if (note->action == PENDING_MERGED_IMAGE && into != NULL) {
        add_link(m, s->links, into);
        for (unsigned k = 0; k < into->children->len; k++)
            add_link(m, s->links, into->children->pdata[k]);
    }
    return s;
}

void pending_run(struct machine *m, void (*done)(void *user, GError *error), void *user)
{
    struct job *j = g_new0(struct job, 1);

    j->m = m;
    j->steps = g_ptr_array_new_with_free_func(step_free);
    j->done = done;
    j->user = user;
    for (unsigned k = 0; k < m->settings->pending->len; k++) {
        const struct settings_pending *note = m->settings->pending->pdata[k];
        if (note->action != PENDING_DELETE_SNAPSHOT)
            g_ptr_array_add(j->steps, plan(m, note));
    }
    g_autoptr(GTask) task = g_task_new(NULL, NULL, ran, j);
    g_task_set_task_data(task, j, NULL);
    g_task_run_in_thread(task, run);
}

/* ---- after an interruption ---- */

static void recovered(void *user, GError *error)
{
    struct machine *m = user;

    if (error != NULL)
        g_warning("What was begun with the snapshots of '%s' could not be ended: %s", machine_name(m), error->message);
    bool failed = error != NULL;
    g_clear_error(&error);
    for (unsigned k = 0; !failed && k < m->settings->pending->len; k++) {
        const struct settings_pending *note = m->settings->pending->pdata[k];
        char id[API_UUID_SIZE] = "";
        if (note->action != PENDING_DELETE_SNAPSHOT || !api_uuid_parse(note->uuid, id))
            continue;
        if (snapshot_delete_run(m, id, NULL, &error))
            return; /* ends the operation itself */
        g_warning("%s", error->message);
        g_clear_error(&error);
    }
    snapshot_end(m);
}

static void process_linked(void *user, GVariant *ret, GError *error)
{
    struct machine *m = user;

    g_clear_pointer(&ret, g_variant_unref);
    g_clear_error(&error);
    pending_run(m, recovered, m);
}

static bool merged_noted(const struct settings_machine *s)
{
    for (unsigned k = 0; k < s->pending->len; k++)
        if (((const struct settings_pending *)s->pending->pdata[k])->action == PENDING_MERGED_IMAGE)
            return true;
    return false;
}

void pending_recover(struct machine *m)
{
    if (m->settings == NULL || m->settings->pending->len == 0 || m->busy || m->launching)
        return;
    m->busy = true;
    if (m->vm != NULL && merged_noted(m->settings)) /* the new chains were noted; the process may not know it yet */
        vmproc_call(m->vm, API_PREFIX "IInternalSessionControl", "EndMerge", g_variant_new("(b)", TRUE), process_linked,
                    m);
    else
        pending_run(m, recovered, m);
}
