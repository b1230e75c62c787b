/*
 * snapshot_restore.c - IMachine.RestoreSnapshot: the machine's hardware, disks and state are the snapshot's again.
 *
 * New images on what the snapshot froze are made first; one save makes them the machine's, with notes to remove the
 * images and the saved state that were current before.
 */
#include <string.h>

#include "main/server/snapshot/snapshot_int.h"

struct restoring {
    struct machine *m;
    struct progress *progress;
    char *id;
    GPtrArray *images;
};

static void restoring_free(struct restoring *r)
{
    g_ptr_array_unref(r->images);
    g_free(r->id);
    g_free(r);
}

/* Whether anything but the machine's current state needs the image. */
static bool needed(const struct medium *image, const struct machine *m)
{
    char braced[40];

    if (image->parent == NULL || image->children->len > 0)
        return true;
    medium_id_braced(image, braced);
    for (unsigned k = 0; k < m->settings->snapshots->len; k++)
        if (medium_hardware_uses(&((const struct settings_snapshot *)m->settings->snapshots->pdata[k])->hardware,
                                 braced))
            return true;
    g_autoptr(GPtrArray) users = medium_users(image);
    for (unsigned k = 0; k < users->len; k++)
        if (users->pdata[k] != m)
            return true;
    return false;
}

/* Images of the state that is given up: out of @next's registry, with a note. */
static GPtrArray *give_up(const struct machine *m, struct settings_machine *next)
{
    const struct settings_hardware *h = &m->settings->hardware;
    GPtrArray *gone = g_ptr_array_new();

    for (unsigned k = 0; k < m->service->media->len; k++) {
        struct medium *image = m->service->media->pdata[k];
        char braced[40];
        if (image->kind != DEVICE_HARD_DISK || !medium_hardware_uses(h, medium_id_braced(image, braced)) ||
            medium_hardware_uses(&next->hardware, braced) || needed(image, m))
            continue;
        pending_add(next, PENDING_REMOVE_IMAGE, image->id, NULL, image->format, image->location);
        medium_drop_from(&next->media, braced);
        g_ptr_array_add(gone, image);
    }
    return gone;
}

static void take_state_over(struct settings_machine *next, const struct settings_snapshot *s)
{
    g_autofree char *old = g_steal_pointer(&next->state_file);

    next->state_file = g_strdup(s->state_file);
    next->aborted = false;
    next->last_state_change_s = g_get_real_time() / G_USEC_PER_SEC;
    if (old == NULL || machine_uses_state(next, old))
        return;
    g_autofree char *path = g_canonicalize_filename(old, next->file.folder);
    pending_add(next, PENDING_REMOVE_FILE, NULL, NULL, NULL, path);
}

static bool make_it_so(const struct restoring *r, GError **error)
{
    struct machine *m = r->m;
    struct settings_machine *next = settings_machine_copy(m->settings);
    const struct settings_snapshot *s = snapshot_by_id(next, r->id);

    settings_snapshot_restore(next, s);
    new_images_put(m->service, r->images, next);
    take_state_over(next, s);
    g_free(next->current_snapshot);
    next->current_snapshot = g_strdup(s->uuid);
    next->current_state_modified = false;
    g_autoptr(GPtrArray) gone = give_up(m, next);
    if (!machine_replace(m, next, error))
        return false;
    for (unsigned k = 0; k < gone->len; k++)
        medium_forget(gone->pdata[k]);
    return true;
}

static void undo(const struct restoring *r)
{
    struct settings_machine *next = settings_machine_copy(r->m->settings);

    new_images_drop(r->m->service, r->images);
    for (unsigned k = 0; k < r->images->len; k++) {
        g_autofree char *braced = g_strdup_printf("{%s}", ((const struct new_image *)r->images->pdata[k])->id);
        pending_drop(next, PENDING_REMOVE_IMAGE, braced, NULL);
    }
    machine_replace(r->m, next, NULL);
}

static void end(struct restoring *r, GError *error)
{
    struct machine *m = r->m;
    struct progress *progress = r->progress;

    snapshot_end(m);
    if (error == NULL)
        service_emit(m->service, "SnapshotRestored", g_variant_new("(ss)", m->id, r->id));
    restoring_free(r);
    progress_end(progress, error);
}

static void cleaned(void *user, GError *error)
{
    if (error != NULL) /* the machine is restored; what could not be removed is tried again at the next start */
        g_warning("%s", error->message);
    g_clear_error(&error);
    end(user, NULL);
}

static void made(GObject *source, GAsyncResult *result, void *user)
{
    struct restoring *r = user;
    GError *error = NULL;

    (void)source;
    if (!g_task_propagate_boolean(G_TASK(result), &error))
        api_wrap(&error, VBOX_E_FILE_ERROR);
    progress_percent(r->progress, 50);
    if (error == NULL && make_it_so(r, &error)) {
        pending_run(r->m, cleaned, r);
        return;
    }
    undo(r);
    end(r, error);
}

static void make(GTask *task, void *source, void *data, GCancellable *cancellable)
{
    const struct restoring *r = data;
    GError *error = NULL;

    (void)source, (void)cancellable;
    if (new_images_make(r->images, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static bool being_deleted(const struct settings_machine *s, const char *uuid)
{
    for (unsigned k = 0; k < s->pending->len; k++) {
        const struct settings_pending *p = s->pending->pdata[k];
        if (p->action == PENDING_DELETE_SNAPSHOT && g_strcmp0(p->uuid, uuid) == 0)
            return true;
    }
    return false;
}

static bool prepare(struct restoring *r, const struct settings_snapshot *s, GError **error)
{
    struct machine *m = r->m;

    r->images = new_images_plan(m, &s->hardware, error);
    if (r->images == NULL)
        return false;
    struct settings_machine *next = settings_machine_copy(m->settings);
    new_images_note(r->images, next);
    bool room = snapshot_room(m->settings, new_images_bytes(r->images), error);
    if (room && machine_replace(m, next, error))
        return true;
    if (!room)
        settings_machine_free(next);
    new_images_drop(m->service, r->images);
    g_clear_pointer(&r->images, g_ptr_array_unref);
    return false;
}

bool snapshot_restore(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    char id[API_UUID_SIZE] = "";
    const char *path;

    g_variant_get(call->args, "(&o)", &path);
    const struct settings_snapshot *s =
        p->s != NULL && api_node_to_uuid(strrchr(path, '/') + 1, id) ? snapshot_by_id(p->s, id) : NULL;
    if (s == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no snapshot '%s' of this machine", path);
    if (m->vm != NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "Cannot delete the current state of the running machine (machine state: %s)",
                        api_enum_name("MachineState", m->state));
    if (being_deleted(m->settings, s->uuid))
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                        "Deleting the snapshot '%s' was interrupted; its disks are no longer whole. Delete it again",
                        s->name);
    if (!snapshot_begin(p, MachineState_RestoringSnapshot, error))
        return false;
    struct restoring *r = g_new0(struct restoring, 1);
    r->m = m;
    r->id = g_strdup(id);
    if (!prepare(r, snapshot_by_id(m->settings, id), error)) {
        r->images = g_ptr_array_new();
        restoring_free(r);
        snapshot_end(m);
        return false;
    }
    r->progress = progress_new(m->service, call->peer, "Restoring snapshot");
    *ret = progress_reply(r->progress);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, made, r);
    g_task_set_task_data(task, r, NULL);
    g_task_run_in_thread(task, make);
    return true;
}
