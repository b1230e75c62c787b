/*
 * snapshot_take.c - IMachine.TakeSnapshot.
 *
 * The images the machine writes are frozen and get children. At rest the service makes those; of a running machine its
 * process stops it, writes the state and makes them (main/vmproc/media_chain.c), and lets it go on when the settings
 * say so: whatever the guest is told is on disk from then on lies in images that the settings name.
 */
#include <string.h>

#include "main/server/snapshot/snapshot_int.h"
#include "main/settings/tree.h"

struct taking {
    struct machine *m;
    struct progress *progress;
    char *id, *name, *description;
    GPtrArray *images;
    char *state_path; /* the machine runs */
    int64_t time_s;
};

static void taking_free(struct taking *t)
{
    g_ptr_array_unref(t->images);
    g_free(t->id);
    g_free(t->name);
    g_free(t->description);
    g_free(t->state_path);
    g_free(t);
}

/* What the process may need for its state: all of its memory. */
static uint64_t state_bytes(const struct settings_machine *s)
{
    return ((uint64_t)s->hardware.ram_mib + s->hardware.vram_mib + 16) << 20;
}

/* ---- the end ---- */

static void add_snapshot(const struct taking *t, struct settings_machine *next)
{
    struct settings_snapshot *s = settings_snapshot_new();
    guint parent =
        next->current_snapshot != NULL ? settings_snapshot_find(next, next->current_snapshot) : SETTINGS_NO_PARENT;

    settings_snapshot_take(s, next);
    g_free(s->uuid);
    g_free(s->name);
    s->uuid = g_strdup_printf("{%s}", t->id);
    s->name = g_strdup(t->name);
    s->description = g_strdup(t->description);
    s->time_s = t->time_s;
    s->state_file = t->state_path != NULL ? machine_relative(next, t->state_path) : g_strdup(next->state_file);
    g_free(next->current_snapshot);
    next->current_snapshot = g_strdup(s->uuid);
    next->current_state_modified = false;
    settings_tree_add(next->snapshots, parent, s);
}

static bool make_it_so(const struct taking *t, GError **error)
{
    struct settings_machine *next = settings_machine_copy(t->m->settings);

    add_snapshot(t, next); /* with the images as they are; the machine gets the new ones */
    new_images_put(t->m->service, t->images, next);
    if (t->state_path != NULL)
        pending_drop(next, PENDING_REMOVE_FILE, NULL, t->state_path);
    return machine_replace(t->m, next, error);
}

static void undo(const struct taking *t)
{
    struct settings_machine *next = settings_machine_copy(t->m->settings);

    new_images_drop(t->m->service, t->images);
    for (unsigned k = 0; k < t->images->len; k++) {
        g_autofree char *braced = g_strdup_printf("{%s}", ((const struct new_image *)t->images->pdata[k])->id);
        pending_drop(next, PENDING_REMOVE_IMAGE, braced, NULL);
    }
    if (t->state_path != NULL) {
        fio_system()->unlink(fio_system()->ctx, t->state_path);
        pending_drop(next, PENDING_REMOVE_FILE, NULL, t->state_path);
    }
    machine_replace(t->m, next, NULL);
}

/* The files are there, or @error says why not. */
static bool finish(struct taking *t, GError **error)
{
    bool ok = *error == NULL && make_it_so(t, error);
    struct machine *m = t->m;

    if (m->vm != NULL && t->state_path != NULL)
        vmproc_call(m->vm, API_PREFIX "IInternalSessionControl", "EndSnapshot", g_variant_new("(b)", ok), NULL, NULL);
    if (!ok)
        undo(t);
    snapshot_end(m);
    if (ok)
        service_emit(m->service, "SnapshotTaken", g_variant_new("(ss)", m->id, t->id));
    return ok;
}

/* ---- at rest ---- */

static bool make(void *data, GError **error)
{
    return new_images_make(((struct taking *)data)->images, error);
}

static bool made(void *data, bool ok, GError **error)
{
    struct taking *t = data;
    GError *failed = NULL;

    if (!ok)
        api_fail(&failed, VBOX_E_FILE_ERROR, "The snapshot was not taken");
    bool good = finish(t, &failed);
    taking_free(t);
    if (failed != NULL)
        g_propagate_error(error, failed);
    return good;
}

/* ---- running ---- */

static void process_did(void *user, GVariant *ret, GError *error)
{
    struct taking *t = user;
    struct progress *progress = t->progress;

    g_clear_pointer(&ret, g_variant_unref);
    finish(t, &error);
    taking_free(t);
    progress_end(progress, error);
}

static void ask_process(struct taking *t)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(ssss)"));
    for (unsigned k = 0; k < t->images->len; k++) {
        const struct new_image *n = t->images->pdata[k];
        g_variant_builder_add(&b, "(ssss)", n->parent, n->format, n->path, n->id);
    }
    vmproc_call(t->m->vm, API_PREFIX "IInternalSessionControl", "TakeSnapshot",
                g_variant_new("(sa(ssss))", t->state_path, &b), process_did, t);
}

/* ---- the beginning ---- */

static bool note(const struct taking *t, GError **error)
{
    struct settings_machine *next = settings_machine_copy(t->m->settings);

    new_images_note(t->images, next);
    if (t->state_path != NULL)
        pending_add(next, PENDING_REMOVE_FILE, NULL, NULL, NULL, t->state_path);
    return machine_replace(t->m, next, error);
}

static bool prepare(struct taking *t, GError **error)
{
    struct machine *m = t->m;

    t->images = new_images_plan(m, &m->settings->hardware, error);
    if (t->images == NULL)
        return false;
    uint64_t bytes = new_images_bytes(t->images) + (t->state_path != NULL ? state_bytes(m->settings) : 0);
    if (snapshot_room(m->settings, bytes, error) && note(t, error))
        return true;
    new_images_drop(m->service, t->images);
    g_clear_pointer(&t->images, g_ptr_array_unref);
    return false;
}

bool snapshot_take(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    struct machine *m = p->machine;
    const char *name, *description;
    gboolean pause;

    g_variant_get(call->args, "(&s&sb)", &name, &description, &pause);
    if (*name == '\0')
        return api_fail(error, E_INVALIDARG, "A snapshot needs a name");
    bool runs = m->vm != NULL;
    if (runs && m->state != MachineState_Running && m->state != MachineState_Paused)
        return api_fail(error, VBOX_E_INVALID_VM_STATE,
                        "Cannot take a snapshot of the machine '%s' while it is changing the state (machine state: %s)",
                        machine_name(m), api_enum_name("MachineState", m->state));
    if (!snapshot_begin(p, runs ? MachineState_OnlineSnapshotting : MachineState_Snapshotting, error))
        return false;
    struct taking *t = g_new0(struct taking, 1);
    t->m = m;
    t->id = g_uuid_string_random();
    t->name = g_strdup(name);
    t->description = *description != '\0' ? g_strdup(description) : NULL;
    t->time_s = g_get_real_time() / G_USEC_PER_SEC;
    t->state_path = runs ? machine_new_state_path(m->settings) : NULL;
    if (!prepare(t, error)) {
        t->images = g_ptr_array_new();
        taking_free(t);
        snapshot_end(m);
        return false;
    }
    t->progress = progress_new(m->service, call->peer, "Taking a snapshot of the virtual machine");
    g_autofree char *path = progress_path(t->progress);
    *ret = g_variant_new("(so)", t->id, path);
    if (runs)
        ask_process(t);
    else
        progress_thread(t->progress, make, made, t);
    return true;
}
