/*
 * snapshot_delete.c - IMachine.DeleteSnapshot: the snapshot goes, what its images hold stays where it is needed.
 *
 * An image a snapshot froze has at most one child that this machine needs. The two become one: the child takes what it
 * does not hold (forward), or the frozen image takes all the child holds and its place (backward): a base always, so
 * that the disk keeps its name, another if it is the larger one. Images nobody needs are removed.
 *
 * Order: a note; the merges; one save with the shorter chains and notes of what is to be linked and removed; the
 * process, if there is one, goes over to them; the files. Backward merging changes what the snapshot shows, hence the
 * note: such a snapshot cannot be restored any more, only deleted.
 */
#include <string.h>
#include <sys/stat.h>

#include "main/server/snapshot/snapshot_int.h"
#include "main/settings/tree.h"

struct deleting {
    struct machine *m;
    struct progress *progress; /* NULL: after an interruption */
    char *id;
    GPtrArray *merges;
    GPtrArray *unneeded; /* struct medium */
};

static void deleting_free(struct deleting *d)
{
    g_ptr_array_unref(d->merges);
    g_ptr_array_unref(d->unneeded);
    g_free(d->id);
    g_free(d);
}

/* ---- what is to be done ---- */

static bool used_by(const struct machine *m, const struct medium *image)
{
    g_autoptr(GPtrArray) users = medium_users(image);

    return g_ptr_array_find(users, m, NULL);
}

/* Whether this machine needs the image or one on top of it. */
static bool machine_needs(const struct machine *m, const struct medium *image)
{
    for (unsigned k = 0; k < m->service->media->len; k++) {
        const struct medium *one = m->service->media->pdata[k], *up = one;
        while (up != NULL && up != image)
            up = up->parent;
        if (up != NULL && used_by(m, one))
            return true;
    }
    return false;
}

/* The running machine's disk whose chain has @image in it. */
static const struct medium *leaf_over(const struct machine *m, const struct medium *image)
{
    for (unsigned k = 0; m->vm != NULL && k < m->service->media->len; k++) {
        const struct medium *leaf = m->service->media->pdata[k], *up = leaf;
        char braced[40];
        while (up != NULL && up != image)
            up = up->parent;
        if (up != NULL && medium_hardware_uses(&m->settings->hardware, medium_id_braced(leaf, braced)))
            return leaf;
    }
    return NULL;
}

static unsigned number_of(const struct medium *image)
{
    unsigned n = 0;

    for (image = image->parent; image != NULL; image = image->parent)
        n++;
    return n;
}

static int64_t file_bytes(const struct medium *image)
{
    struct stat st;

    return stat(image->location, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
}

static void add_merge(struct deleting *d, const struct medium *frozen, const struct medium *child)
{
    bool backward = frozen->parent == NULL || (child->children->len <= 1 && file_bytes(frozen) > file_bytes(child));
    const struct medium *from = backward ? child : frozen, *to = backward ? frozen : child;
    const struct medium *leaf = leaf_over(d->m, child);
    struct merge *g = g_new0(struct merge, 1);

    g->from = g_strdup(from->id);
    g->to = g_strdup(to->id);
    g->leaf = leaf != NULL ? g_strdup(leaf->id) : NULL;
    g->links = leaf == NULL ? medium_links(child) : NULL;
    g->from_at = number_of(from);
    g->to_at = number_of(to);
    g->format = g_strdup(from->format);
    g->file = g_strdup(from->location);
    g_ptr_array_add(d->merges, g);
}

/* Whether something besides snapshot @s uses the image itself. */
static bool used_elsewhere(const struct machine *m, const struct settings_snapshot *s, const char *braced)
{
    if (medium_hardware_uses(&m->settings->hardware, braced))
        return true;
    for (unsigned k = 0; k < m->settings->snapshots->len; k++) {
        const struct settings_snapshot *one = m->settings->snapshots->pdata[k];
        if (one != s && medium_hardware_uses(&one->hardware, braced))
            return true;
    }
    return false;
}

static bool plan_image(struct deleting *d, const struct settings_snapshot *s, const char *braced, GError **error)
{
    char id[API_UUID_SIZE] = "";
    struct medium *frozen = api_uuid_parse(braced, id) ? medium_find(d->m->service, id, DEVICE_HARD_DISK) : NULL;
    struct medium *child = NULL;

    if (frozen == NULL || used_elsewhere(d->m, s, braced))
        return true;
    g_autoptr(GPtrArray) users = medium_users(frozen);
    if (users->len > 1) /* another machine's, too */
        return true;
    for (unsigned k = 0; k < frozen->children->len; k++)
        if (machine_needs(d->m, frozen->children->pdata[k]))
            child = frozen->children->pdata[k];
    if (child != NULL && frozen->children->len > 1)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "Hard disk '%s' has more than one child hard disk (%u)",
                        frozen->location, frozen->children->len);
    if (child != NULL)
        add_merge(d, frozen, child);
    else if (frozen->children->len == 0 && frozen->parent != NULL)
        g_ptr_array_add(d->unneeded, frozen);
    return true;
}

static bool plan(struct deleting *d, GError **error)
{
    const struct settings_snapshot *s = snapshot_by_id(d->m->settings, d->id);

    for (unsigned k = 0; k < s->hardware.controllers->len; k++) {
        const struct settings_controller *c = s->hardware.controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++) {
            const struct settings_attachment *a = c->attachments->pdata[n];
            if (a->kind == DEVICE_HARD_DISK && !plan_image(d, s, a->image_uuid, error))
                return false;
        }
    }
    return true;
}

/* ---- the settings without the snapshot ---- */

/* The merged image's place is the target's; its children in the registry follow. */
static void put_merge(const struct merge *g, struct settings_machine *next)
{
    g_autofree char *from = g_strdup_printf("{%s}", g->from), *to = g_strdup_printf("{%s}", g->to);

    hardware_replace_image(&next->hardware, from, to);
    for (unsigned k = 0; k < next->snapshots->len; k++)
        if (medium_hardware_uses(&((const struct settings_snapshot *)next->snapshots->pdata[k])->hardware, from))
            hardware_replace_image(&settings_snapshot_change(next, k)->hardware, from, to);
    const struct settings_medium *old = settings_media_find(&next->media, from, NULL);
    struct settings_medium *into = settings_media_find(&next->media, to, NULL);
    if (old != NULL && into != NULL && old->depth > 0 && into->depth > 0)
        into->auto_reset = old->auto_reset || into->auto_reset;
    medium_drop_from(&next->media, from);
    pending_add(next, PENDING_MERGED_IMAGE, g->from, g->to, g->format, g->file);
}

static void drop_snapshot(const struct deleting *d, struct settings_machine *next)
{
    g_autofree char *uuid = g_strdup_printf("{%s}", d->id);
    guint at = settings_snapshot_find(next, uuid);
    guint parent = settings_tree_parent(next->snapshots, at);
    const struct settings_snapshot *above = parent != SETTINGS_NO_PARENT ? next->snapshots->pdata[parent] : NULL;
    g_autofree char *state = g_strdup(((const struct settings_snapshot *)next->snapshots->pdata[at])->state_file);

    if (g_strcmp0(next->current_snapshot, uuid) == 0) {
        g_free(next->current_snapshot);
        next->current_snapshot = above != NULL ? g_strdup(above->uuid) : NULL;
        next->current_state_modified = true;
    }
    settings_snapshot_remove(next, at);
    if (state != NULL && !machine_uses_state(next, state)) {
        g_autofree char *path = g_canonicalize_filename(state, next->file.folder);
        pending_add(next, PENDING_REMOVE_FILE, NULL, NULL, NULL, path);
    }
    pending_drop(next, PENDING_DELETE_SNAPSHOT, uuid, NULL);
}

/* What the service knows of the media follows the settings. */
static void media_follow(const struct deleting *d)
{
    struct service *s = d->m->service;

    for (unsigned k = 0; k < d->merges->len; k++) {
        const struct merge *g = d->merges->pdata[k];
        struct medium *from = medium_find(s, g->from, DEVICE_HARD_DISK), *to = medium_find(s, g->to, DEVICE_HARD_DISK);
        if (from == NULL || to == NULL)
            continue;
        struct medium *parent = from->parent;
        while (from->children->len > 0) {
            struct medium *child = from->children->pdata[0];
            medium_set_parent(child, child == to ? parent : to);
        }
        medium_forget(from);
    }
    for (unsigned k = 0; k < d->unneeded->len; k++)
        medium_forget(d->unneeded->pdata[k]);
}

static bool make_it_so(const struct deleting *d, GError **error)
{
    struct settings_machine *next = settings_machine_copy(d->m->settings);

    drop_snapshot(d, next);
    for (unsigned k = 0; k < d->merges->len; k++)
        put_merge(d->merges->pdata[k], next);
    for (unsigned k = 0; k < d->unneeded->len; k++) {
        const struct medium *one = d->unneeded->pdata[k];
        char braced[40];
        medium_drop_from(&next->media, medium_id_braced(one, braced));
        pending_add(next, PENDING_REMOVE_IMAGE, one->id, NULL, one->format, one->location);
    }
    if (!machine_replace(d->m, next, error))
        return false;
    media_follow(d);
    return true;
}

/* ---- the steps ---- */

static void end(struct deleting *d, GError *error)
{
    struct machine *m = d->m;
    struct progress *progress = d->progress;

    snapshot_end(m);
    deleting_free(d);
    if (progress != NULL)
        progress_end(progress, error);
    else if (error != NULL)
        g_warning("%s", error->message);
    if (progress == NULL)
        g_clear_error(&error);
}

static void cleaned(void *user, GError *error)
{
    if (error != NULL) /* the snapshot is gone; its files go at the next start */
        g_warning("%s", error->message);
    g_clear_error(&error);
    end(user, NULL);
}

static void process_followed(void *user, GVariant *ret, GError *error)
{
    struct deleting *d = user;

    g_clear_pointer(&ret, g_variant_unref);
    if (error != NULL)
        g_warning("%s", error->message);
    g_clear_error(&error);
    pending_run(d->m, cleaned, d);
}

static bool online(const struct deleting *d)
{
    for (unsigned k = 0; d->m->vm != NULL && k < d->merges->len; k++)
        if (((const struct merge *)d->merges->pdata[k])->leaf != NULL)
            return true;
    return false;
}

/* Once more without the process that was merging and is gone. */
static bool again(struct deleting *d)
{
    struct machine *m = d->m;
    bool lost = false;

    for (unsigned k = 0; m->vm == NULL && k < d->merges->len; k++)
        lost |= ((const struct merge *)d->merges->pdata[k])->leaf != NULL;
    if (!lost)
        return false;
    struct progress *progress = d->progress;
    g_autofree char *id = g_steal_pointer(&d->id);
    GError *error = NULL;
    deleting_free(d);
    if (!snapshot_delete_run(m, id, progress, &error)) {
        snapshot_end(m);
        if (progress != NULL)
            progress_end(progress, error);
        else
            g_clear_error(&error);
    }
    return true;
}

static void merged(void *user, GError *error)
{
    struct deleting *d = user;
    struct machine *m = d->m;

    if (error != NULL && again(d)) {
        g_clear_error(&error);
        return;
    }
    bool ok = error == NULL && make_it_so(d, &error);
    if (ok)
        service_emit(m->service, "SnapshotDeleted", g_variant_new("(ss)", m->id, d->id));
    if (online(d)) {
        vmproc_call(m->vm, API_PREFIX "IInternalSessionControl", "EndMerge", g_variant_new("(b)", ok),
                    ok ? process_followed : NULL, d);
        if (ok)
            return;
    } else if (ok) {
        pending_run(m, cleaned, d);
        return;
    }
    end(d, error);
}

bool snapshot_delete_run(struct machine *m, const char *id, struct progress *progress, GError **error)
{
    struct deleting *d = g_new0(struct deleting, 1);

    d->m = m;
    d->progress = progress;
    d->id = g_strdup(id);
    d->merges = g_ptr_array_new_with_free_func(merge_free);
    d->unneeded = g_ptr_array_new();
    if (snapshot_by_id(m->settings, id) == NULL) {
        deleting_free(d);
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a snapshot with UUID {%s}", id);
    }
    struct settings_machine *next = NULL;
    if (plan(d, error)) {
        g_autofree char *uuid = g_strdup_printf("{%s}", id);
        next = settings_machine_copy(m->settings);
        pending_drop(next, PENDING_DELETE_SNAPSHOT, uuid, NULL);
        pending_add(next, PENDING_DELETE_SNAPSHOT, uuid, NULL, NULL, NULL);
    }
    if (next == NULL || !machine_replace(m, next, error)) {
        deleting_free(d);
        return false;
    }
    merge_all(m, d->merges, progress, merged, d);
    return true;
}

/* ---- the call ---- */

static bool may_go(const struct settings_machine *s, const struct machine *m, const char *id, GError **error)
{
    g_autofree char *uuid = g_strdup_printf("{%s}", id);
    guint at = settings_snapshot_find(s, uuid);

    if (at == G_MAXUINT)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a snapshot with UUID {%s}", id);
    const struct settings_snapshot *one = s->snapshots->pdata[at];
    guint children = snapshot_child_count(s, at);
    if (children > 1)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                        "Snapshot '%s' of the machine '%s' cannot be deleted, because it has %u child snapshots, which "
                        "is more than the one snapshot allowed for deletion",
                        one->name, machine_name(m), children);
    if (children == 1 && g_strcmp0(s->current_snapshot, uuid) == 0)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                        "Snapshot '%s' of the machine '%s' cannot be deleted, because it is the current snapshot and "
                        "has one child snapshot",
                        one->name, machine_name(m));
    return true;
}

bool snapshot_delete(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    char id[API_UUID_SIZE] = "";
    const char *text;

    g_variant_get(call->args, "(&s)", &text);
    if (!api_uuid_parse(text, id))
        return api_fail(error, E_INVALIDARG, "Invalid UUID '%s'", text);
    if (p->s != NULL && !may_go(m->settings, m, id, error))
        return false;
    if (m->vm != NULL && m->state != MachineState_Running && m->state != MachineState_Paused)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Cannot delete a snapshot now (machine state: %s)",
                        api_enum_name("MachineState", m->state));
    int state = m->vm == NULL                      ? MachineState_DeletingSnapshot
                : m->state == MachineState_Running ? MachineState_DeletingSnapshotOnline
                                                   : MachineState_DeletingSnapshotPaused;
    if (!snapshot_begin(p, state, error))
        return false;
    struct progress *progress = progress_new(m->service, call->peer, "Deleting snapshot");
    if (!snapshot_delete_run(m, id, progress, error)) {
        progress_end(progress, g_error_copy(*error));
        snapshot_end(m);
        return false;
    }
    *ret = progress_reply(progress);
    return true;
}
