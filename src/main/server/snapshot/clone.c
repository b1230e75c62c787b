/*
 * clone.c - IMachine.CloneTo: a machine like this one, with disks of its own.
 *
 * MachineState: each disk becomes one image with all it shows; linked: a differencing image on what a snapshot froze.
 * AllStates: every image of the machine is copied, parents first, with its snapshots and their saved states.
 * MachineAndChildStates: a snapshot and those below it; what it froze becomes images that need none below them. The
 * current state comes along if it is one of them, otherwise the clone stands where the snapshot does.
 * The target is a machine in memory until the images are there; what was made goes again if one cannot be.
 */
#include <string.h>

#include "main/server/snapshot/snapshot_int.h"
#include "storage/copy.h"

/* One image to be made. */
struct item {
    struct medium *from, *to;
    bool own;       /* only what the image itself holds, on top of the parent's copy */
    bool fresh;     /* empty, on another copy; no copy itself */
    GArray *source; /* chains, for the thread */
    GArray *parent;
    char *format, *path, *id;
};

struct cloning {
    struct machine *from, *to;
    struct progress *progress;
    struct settings_machine *next; /* of the target */
    GPtrArray *items;
    GPtrArray *states;                    /* pairs of paths: saved states to be copied */
    char *snapshot;                       /* id; NULL: the current state */
    const struct settings_snapshot *root; /* of the snapshots that are cloned; NULL: all of them, or none */
    bool children;
    bool current; /* the machine's current state is cloned */
    bool link, all, keep_macs, keep_nat_macs, keep_names, keep_hardware;
    unsigned done; /* items; the thread's */
};

static void item_free(void *p)
{
    struct item *i = p;

    g_clear_pointer(&i->source, g_array_unref);
    g_clear_pointer(&i->parent, g_array_unref);
    g_free(i->format);
    g_free(i->path);
    g_free(i->id);
    g_free(i);
}

static void cloning_free(struct cloning *c)
{
    settings_machine_free(c->next);
    g_ptr_array_unref(c->items);
    g_ptr_array_unref(c->states);
    g_free(c->snapshot);
    g_free(c);
}

/* ---- the images ---- */

static struct medium *copy_of(const struct cloning *c, const struct medium *from)
{
    for (unsigned k = 0; k < c->items->len; k++)
        if (((const struct item *)c->items->pdata[k])->from == from &&
            !((const struct item *)c->items->pdata[k])->fresh)
            return ((const struct item *)c->items->pdata[k])->to;
    return NULL;
}

static char *new_path(const struct cloning *c, const struct medium *from, const char *format)
{
    g_autofree char *low = g_ascii_strdown(format, -1);
    unsigned bases = 0;

    for (unsigned k = 0; k < c->items->len; k++)
        bases += ((const struct item *)c->items->pdata[k])->to->parent == NULL;
    g_autofree char *old = g_path_get_basename(from->location);
    g_autofree char *name =
        c->keep_names ? g_steal_pointer(&old) : g_strdup_printf("%s-disk%u.%s", c->next->name, bases + 1, low);
    return g_build_filename(c->next->file.folder, name, NULL);
}

static bool add_item(struct cloning *c, struct medium *from, bool own, GError **error)
{
    const char *format = medium_diff_format(from);
    struct medium *parent = c->link ? from : own && from->parent != NULL ? copy_of(c, from->parent) : NULL;
    struct medium *to;

    if (parent != NULL) {
        to = medium_new_diff(parent, c->next);
        to->auto_reset = from->auto_reset && !c->link;
    } else {
        g_autofree char *path = new_path(c, from, format);
        g_autofree char *id = g_uuid_string_random();
        if (g_file_test(path, G_FILE_TEST_EXISTS) || medium_at(from->service, path) != NULL)
            return api_fail(error, VBOX_E_FILE_ERROR, "The disk of the clone '%s' exists already (VERR_ALREADY_EXISTS)",
                            path);
        to = medium_new(from->service, id, DEVICE_HARD_DISK, path, format);
        to->type = medium_base(from)->type == MEDIUM_SHAREABLE ? MEDIUM_NORMAL : medium_base(from)->type;
        to->logical_bytes = from->logical_bytes;
        medium_copy_encryption(to, from);
    }
    to->state = MediumState_Creating;
    struct item *i = g_new0(struct item, 1);
    i->from = from;
    i->to = to;
    i->own = own && parent != NULL;
    i->source = c->link ? NULL : medium_links(from);
    i->parent = parent != NULL ? medium_links(parent) : NULL;
    i->format = g_strdup(to->format);
    i->path = g_strdup(to->location);
    i->id = g_strdup(to->id);
    g_ptr_array_add(c->items, i);
    return true;
}

/* An image the first of the cloned snapshots froze: its copy needs none below it. */
static bool is_root(const struct cloning *c, const struct medium *m)
{
    char braced[40];

    return c->root != NULL && medium_hardware_uses(&c->root->hardware, medium_id_braced(m, braced));
}

/* The image, and if snapshots are cloned before it those below it. */
static bool add_image(struct cloning *c, struct medium *from, GError **error)
{
    g_autoptr(GPtrArray) chain = g_ptr_array_new();

    if (!c->all)
        return copy_of(c, from) != NULL || add_item(c, from, false, error);
    for (struct medium *m = from; m != NULL; m = is_root(c, m) ? NULL : m->parent)
        g_ptr_array_add(chain, m);
    for (guint k = chain->len; k-- > 0;) {
        struct medium *m = chain->pdata[k];
        if (copy_of(c, m) == NULL && !add_item(c, m, !is_root(c, m), error))
            return false;
    }
    return true;
}

/* The clone's current state begins where the snapshot it was made of does: an empty image on each copy. */
static void add_fresh(struct cloning *c)
{
    const guint count = c->items->len;

    for (guint k = 0; k < count; k++) {
        const struct item *copy = c->items->pdata[k];
        if (!is_root(c, copy->from))
            continue;
        struct item *i = g_new0(struct item, 1);
        i->from = copy->from;
        i->to = medium_new_diff(copy->to, c->next);
        i->to->state = MediumState_Creating;
        i->fresh = true;
        i->parent = medium_links(copy->to);
        i->format = g_strdup(i->to->format);
        i->path = g_strdup(i->to->location);
        i->id = g_strdup(i->to->id);
        g_ptr_array_add(c->items, i);
    }
}

static struct medium *disk_of(const struct cloning *c, const struct settings_attachment *a)
{
    char id[API_UUID_SIZE];

    return a->kind == DEVICE_HARD_DISK && api_uuid_parse(a->image_uuid, id)
               ? medium_find(c->from->service, id, DEVICE_HARD_DISK)
               : NULL;
}

static bool shared(const struct medium *m)
{
    int type = medium_base(m)->type;

    return type == MEDIUM_READONLY || type == MEDIUM_SHAREABLE;
}

static bool add_hardware(struct cloning *c, const struct settings_hardware *h, GError **error)
{
    for (unsigned k = 0; k < h->controllers->len; k++) {
        const struct settings_controller *one = h->controllers->pdata[k];
        for (unsigned n = 0; n < one->attachments->len; n++) {
            struct medium *m = disk_of(c, one->attachments->pdata[n]);
            if (m != NULL && !shared(m) && !add_image(c, m, error))
                return false;
        }
    }
    return true;
}

/* ---- the settings ---- */

static void put_images(const struct cloning *c, struct settings_hardware *h)
{
    for (unsigned k = 0; k < h->controllers->len; k++) {
        const struct settings_controller *one = h->controllers->pdata[k];
        for (unsigned n = 0; n < one->attachments->len; n++) {
            struct settings_attachment *a = one->attachments->pdata[n];
            char id[API_UUID_SIZE], braced[40];
            struct medium *m = a->image_uuid != NULL && api_uuid_parse(a->image_uuid, id)
                                   ? medium_find(c->from->service, id, a->kind)
                                   : NULL;
            struct medium *copy = m != NULL ? copy_of(c, m) : NULL;
            if (copy != NULL) {
                g_free(a->image_uuid);
                a->image_uuid = g_strdup(medium_id_braced(copy, braced));
            }
            if (m != NULL)
                medium_register_in(copy != NULL ? copy : m, c->next);
        }
    }
}

/* In the current state the empty images stand for the copies below them. */
static void put_fresh(const struct cloning *c)
{
    for (unsigned k = 0; k < c->items->len; k++) {
        const struct item *i = c->items->pdata[k];
        char old[40], new[40];
        if (!i->fresh)
            continue;
        hardware_replace_image(&c->next->hardware, medium_id_braced(i->to->parent, old), medium_id_braced(i->to, new));
        medium_register_in(i->to, c->next);
    }
}

static void put_identity(const struct cloning *c, struct settings_hardware *h)
{
    if (!c->keep_hardware)
        g_clear_pointer(&h->uuid, g_free);
    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++) {
        struct settings_adapter *a = &h->adapter[k];
        if (a->mac == NULL || c->keep_macs || (c->keep_nat_macs && a->attachment == ATTACH_NAT))
            continue;
        g_free(a->mac);
        a->mac = g_strdup_printf("080027%06X", g_random_int() & 0xffffff);
    }
}

/* A saved state's copy lies in the clone's snapshot folder. */
static char *copy_state(struct cloning *c, const char *file)
{
    g_autofree char *old = g_canonicalize_filename(file, c->from->settings->file.folder);
    g_autofree char *name = g_path_get_basename(old);
    g_autofree char *folder = machine_snapshot_folder(c->next);
    g_autofree char *new = g_build_filename(folder, name, NULL);

    g_ptr_array_add(c->states, g_strdup(old));
    g_ptr_array_add(c->states, g_strdup(new));
    return machine_relative(c->next, new);
}

static void put_snapshot(struct cloning *c, const struct settings_snapshot *old, unsigned depth)
{
    struct settings_snapshot *new = settings_snapshot_new();
    g_autofree char *id = g_uuid_string_random();

    settings_snapshot_copy(new, old);
    g_free(new->uuid);
    new->uuid = g_strdup_printf("{%s}", id);
    new->depth = depth;
    put_images(c, &new->hardware);
    put_identity(c, &new->hardware);
    if (old->state_file != NULL) {
        g_free(new->state_file);
        new->state_file = copy_state(c, old->state_file);
    }
    const char *current = c->current ? c->from->settings->current_snapshot : c->root->uuid;
    if (g_strcmp0(current, old->uuid) == 0) {
        g_free(c->next->current_snapshot);
        c->next->current_snapshot = g_strdup(new->uuid);
    }
    g_ptr_array_add(c->next->snapshots, new);
}

/* The snapshots to be cloned are neighbours in the list: one, and those below it. */
static void snapshot_range(const struct cloning *c, unsigned *ret_first, unsigned *ret_end)
{
    const GPtrArray *list = c->from->settings->snapshots;
    guint first = 0, end = c->all ? list->len : 0;

    if (c->root != NULL && g_ptr_array_find(c->from->settings->snapshots, c->root, &first))
        for (end = first + 1; end < list->len; end++)
            if (((const struct settings_snapshot *)list->pdata[end])->depth <= c->root->depth)
                break;
    *ret_first = first;
    *ret_end = end;
}

static bool plan(struct cloning *c, GError **error)
{
    const struct settings_machine *s = c->from->settings;
    struct settings_snapshot *now = c->current ? settings_snapshot_new() : NULL;
    const struct settings_snapshot *frozen = now != NULL ? now : snapshot_by_id(s, c->snapshot);
    unsigned first, end;

    snapshot_range(c, &first, &end);
    if (now != NULL)
        settings_snapshot_take(now, s);
    settings_snapshot_restore(c->next, frozen);
    bool ok = true;
    for (unsigned k = first; ok && k < end; k++)
        ok = add_hardware(c, &((const struct settings_snapshot *)s->snapshots->pdata[k])->hardware, error);
    ok = ok && add_hardware(c, &frozen->hardware, error);
    settings_snapshot_free(now);
    if (!ok)
        return false;
    put_images(c, &c->next->hardware);
    put_identity(c, &c->next->hardware);
    g_free(c->next->description);
    c->next->description = g_strdup(s->description);
    for (unsigned k = first; k < end; k++) {
        const struct settings_snapshot *one = s->snapshots->pdata[k];
        put_snapshot(c, one, one->depth - (c->root != NULL ? c->root->depth : 0));
    }
    if (c->root != NULL && !c->current) {
        add_fresh(c);
        put_fresh(c);
    }
    c->next->current_state_modified = c->current && end > first && s->current_state_modified;
    return true;
}

/* ---- making ---- */

static bool report(void *ctx, unsigned permille)
{
    const struct cloning *c = ctx;

    return progress_tell(c->progress, (c->done * 1000 + permille) / MAX(c->items->len, 1) / 11);
}

static bool make_item(struct cloning *c, const struct item *i, GError **error)
{
    const struct vd_progress progress = {.report = report, .ctx = c};
    struct vd *from = i->source != NULL ? medium_open_links(i->source, VD_READ_ONLY, error) : NULL;
    unsigned flags = i->own ? VD_KEEP_MODIFY : VD_READ_ONLY;
    struct vd *parent = i->parent != NULL ? medium_open_links(i->parent, flags, error) : NULL;
    bool ok = (i->source == NULL || from != NULL) && (i->parent == NULL || parent != NULL);
    uint8_t uuid[VD_UUID_BYTES];

    api_uuid_to_bytes(i->id, uuid);
    const struct vd_create args = {.format = i->format, .path = i->path, .uuid = uuid, .parent = parent};
    if (ok && i->own)
        ok = vd_copy_own(from, fio_system(), &args, error);
    else if (ok && parent != NULL)
        ok = vd_create(fio_system(), &args, error);
    else if (ok)
        ok = vd_copy(from, fio_system(), &args, &progress, error);
    vd_close(from);
    vd_close(parent);
    return ok;
}

static bool copy_states(const struct cloning *c, GError **error)
{
    for (unsigned k = 0; k + 1 < c->states->len; k += 2) {
        g_autoptr(GFile) from = g_file_new_for_path(c->states->pdata[k]);
        g_autoptr(GFile) to = g_file_new_for_path(c->states->pdata[k + 1]);
        g_autofree char *folder = g_path_get_dirname(c->states->pdata[k + 1]);
        g_mkdir_with_parents(folder, 0700);
        if (!g_file_copy(from, to, G_FILE_COPY_NONE, NULL, NULL, NULL, error))
            return false;
    }
    return true;
}

static bool make(void *data, GError **error)
{
    struct cloning *c = data;
    const struct fio *io = fio_system();

    for (; c->done < c->items->len; c->done++) {
        if (make_item(c, c->items->pdata[c->done], error))
            continue;
        while (c->done-- > 0)
            io->unlink(io->ctx, ((const struct item *)c->items->pdata[c->done])->path);
        return false;
    }
    return copy_states(c, error);
}

static void forget(const struct cloning *c)
{
    for (guint k = c->items->len; k-- > 0;)
        medium_forget(((const struct item *)c->items->pdata[k])->to);
}

static bool made(void *data, bool ok, GError **error)
{
    struct cloning *c = data;

    for (unsigned k = 0; ok && k < c->items->len; k++)
        ((const struct item *)c->items->pdata[k])->to->state = MediumState_Created;
    c->from->busy = false;
    c->to->busy = false;
    if (ok)
        ok = machine_replace(c->to, g_steal_pointer(&c->next), error);
    if (!ok)
        forget(c);
    cloning_free(c);
    return ok;
}

/* ---- the call ---- */

static bool read_options(struct cloning *c, const char *mode, const char *const *options, GError **error)
{
    int kind = api_enum_value("CloneMode", mode);

    if (kind < 0)
        return api_fail(error, E_INVALIDARG, "Invalid CloneMode: '%s'", mode);
    /* nothing is below the current state */
    c->children = kind == CloneMode_MachineAndChildStates && c->snapshot != NULL;
    c->all = kind == CloneMode_AllStates || c->children;
    for (; *options != NULL; options++) {
        switch (api_enum_value("CloneOptions", *options)) {
        case CloneOptions_Link: c->link = true; break;
        case CloneOptions_KeepAllMACs: c->keep_macs = true; break;
        case CloneOptions_KeepNATMACs: c->keep_nat_macs = true; break;
        case CloneOptions_KeepDiskNames: c->keep_names = true; break;
        case CloneOptions_KeepHwUUIDs: c->keep_hardware = true; break;
        default: return api_fail(error, E_INVALIDARG, "Invalid CloneOptions: '%s'", *options);
        }
    }
    if (c->link && (c->all || c->snapshot == NULL))
        return api_fail(error, E_INVALIDARG, "Linked clone can only be created from a snapshot");
    return true;
}

/* Whether the current state was made from the snapshot or one below it. */
static bool leads_to_current(const struct cloning *c)
{
    const struct settings_machine *s = c->from->settings;
    unsigned first, end;

    snapshot_range(c, &first, &end);
    for (unsigned k = first; k < end; k++)
        if (g_strcmp0(s->current_snapshot, ((const struct settings_snapshot *)s->snapshots->pdata[k])->uuid) == 0)
            return true;
    return false;
}

static bool check(struct cloning *c, const char *snapshot_path, GError **error)
{
    if (c->to == NULL || c->to->registered || c->to->settings == NULL)
        return api_fail(error, E_INVALIDARG, "The target is no machine that is not registered yet");
    if (c->from->settings == NULL)
        return api_fail(error, E_ACCESSDENIED, "The machine '%s' is inaccessible: %s", c->from->path,
                        c->from->access_error);
    if (strcmp(snapshot_path, "/") != 0 &&
        (c->snapshot == NULL || snapshot_by_id(c->from->settings, c->snapshot) == NULL))
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no snapshot '%s' of this machine", snapshot_path);
    c->root = c->children ? snapshot_by_id(c->from->settings, c->snapshot) : NULL;
    c->current = c->snapshot == NULL || (c->all && !c->children) || (c->children && leads_to_current(c));
    if (c->from->busy || c->from->launching || (c->from->vm != NULL && c->current))
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "The machine '%s' cannot be cloned in its state %s",
                        machine_name(c->from), api_enum_name("MachineState", c->from->state));
    return true;
}

bool machine_clone_to(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    const char *target, *mode, *snapshot;
    g_autofree const char **options = NULL;
    char id[API_UUID_SIZE];
    struct cloning *c = g_new0(struct cloning, 1);

    g_variant_get(call->args, "(&o&s^a&s&o)", &target, &mode, &options, &snapshot);
    c->from = p->machine;
    c->to = machine_from_path(c->from->service, target, call->peer);
    c->items = g_ptr_array_new_with_free_func(item_free);
    c->states = g_ptr_array_new_with_free_func(g_free);
    if (strcmp(snapshot, "/") != 0 && api_node_to_uuid(strrchr(snapshot, '/') + 1, id))
        c->snapshot = g_strdup(id);
    if (!read_options(c, mode, options, error) || !check(c, snapshot, error)) {
        cloning_free(c);
        return false;
    }
    c->next = settings_machine_copy(c->to->settings);
    g_mkdir_with_parents(c->next->file.folder, 0700);
    if (!plan(c, error)) {
        forget(c);
        cloning_free(c);
        return false;
    }
    c->from->busy = true; /* its images must stay as they are */
    c->to->busy = true;
    c->progress = progress_new(c->from->service, call->peer, "Cloning machine");
    progress_allow_cancel(c->progress);
    *ret = progress_reply(c->progress);
    progress_thread(c->progress, make, made, c);
    return true;
}
