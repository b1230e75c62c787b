/*
 * snapshot.c - snapshots: finding them, ISnapshot, and what taking and restoring have in common.
 */
#include <fcntl.h>
#include <string.h>

#include "main/server/snapshot/snapshot_int.h"
#include "main/settings/tree.h"
#include "rt/status.h"
#include "storage/chain.h"
#include "storage/vd.h"

/* ---- an operation ---- */

bool snapshot_begin(struct part *p, int state, GError **error)
{
    struct machine *m = p->machine;

    if (p->s == NULL)
        return api_fail(error, E_ACCESSDENIED, "The machine '%s' is inaccessible: %s", m->path, m->access_error);
    if (p->session == NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "The machine '%s' is not locked for a session",
                        machine_name(m));
    if (m->busy || m->launching)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Invalid machine state: %s",
                        api_enum_name("MachineState", m->state));
    if (p->session->modified)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                        "The settings of '%s' were changed and not saved; save or discard them first", machine_name(m));
    m->busy = true;
    machine_state_set(m, state);
    return true;
}

void snapshot_end(struct machine *m)
{
    m->busy = false;
    machine_state_set(m, m->vm != NULL ? m->vm_state : machine_state_at_rest(m));
    service_idle_check(m->service);
}

bool snapshot_room(const struct settings_machine *s, uint64_t bytes, GError **error)
{
    const struct fio *io = fio_system();
    g_autofree char *folder = machine_snapshot_folder(s);
    int fd = -1, rc;

    g_mkdir_with_parents(folder, 0700);
    rc = fio_open(io, folder, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (rc != 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not use the snapshot folder '%s' (%s)", folder,
                        status_name(rc));
    int64_t room = io->room(io->ctx, fd);
    fio_close(io, fd);
    if (room < 0 || (uint64_t)room >= bytes)
        return true;
    return api_fail(error, VBOX_E_FILE_ERROR,
                    "There is not enough room in '%s': %" G_GUINT64_FORMAT " bytes are needed and %" G_GINT64_FORMAT
                    " are free (VERR_DISK_FULL)",
                    folder, bytes, room);
}

/* ---- new images ---- */

#define IMAGE_BYTES (3u << 20) /* headers of an empty image, its map aside */

static void new_image_free(void *p)
{
    struct new_image *n = p;

    g_free(n->parent);
    g_free(n->id);
    g_free(n->format);
    g_free(n->path);
    g_free(n->parent_format);
    g_free(n->parent_path);
    g_free(n);
}

static bool plan_one(struct machine *m, const char *braced, GPtrArray *images, GError **error)
{
    char id[API_UUID_SIZE] = "";
    struct medium *parent = api_uuid_parse(braced, id) ? medium_find(m->service, id, DEVICE_HARD_DISK) : NULL;
    int type = parent != NULL ? medium_base(parent)->type : MEDIUM_NORMAL;

    if (parent == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find an open hard disk with UUID %s", braced);
    if (type == MEDIUM_WRITETHROUGH || type == MEDIUM_SHAREABLE || type == MEDIUM_READONLY)
        return true;
    struct new_image *n = g_new0(struct new_image, 1);
    n->parent_format = g_strdup(parent->format);
    n->parent_path = medium_path(parent);
    struct medium *child = medium_new_diff(parent, m->settings);
    child->state = MediumState_Creating;
    n->parent = g_strdup(parent->id);
    n->id = g_strdup(child->id);
    n->format = g_strdup(child->format);
    n->path = g_strdup(child->location);
    n->bytes = IMAGE_BYTES + (parent->logical_bytes >> 18);
    g_ptr_array_add(images, n);
    return true;
}

GPtrArray *new_images_plan(struct machine *m, const struct settings_hardware *h, GError **error)
{
    GPtrArray *images = g_ptr_array_new_with_free_func(new_image_free);

    for (unsigned k = 0; k < h->controllers->len; k++) {
        const struct settings_controller *c = h->controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++) {
            const struct settings_attachment *a = c->attachments->pdata[n];
            if (a->kind != DEVICE_HARD_DISK || plan_one(m, a->image_uuid, images, error))
                continue;
            new_images_drop(m->service, images);
            g_ptr_array_unref(images);
            return NULL;
        }
    }
    return images;
}

uint64_t new_images_bytes(const GPtrArray *images)
{
    uint64_t bytes = 0;

    for (unsigned k = 0; k < images->len; k++)
        bytes += ((const struct new_image *)images->pdata[k])->bytes;
    return bytes;
}

void new_images_note(const GPtrArray *images, struct settings_machine *next)
{
    for (unsigned k = 0; k < images->len; k++) {
        const struct new_image *n = images->pdata[k];
        pending_add(next, PENDING_REMOVE_IMAGE, n->id, NULL, n->format, n->path);
    }
}

static bool make_one(const struct new_image *n, GError **error)
{
    struct vd *parent = medium_open_alone(n->parent_format, n->parent_path, error);
    uint8_t uuid[VD_UUID_BYTES];

    if (parent == NULL)
        return false;
    api_uuid_to_bytes(n->id, uuid);
    const struct vd_create args = {.format = n->format, .path = n->path, .parent = parent, .uuid = uuid};
    bool ok = vd_create(fio_system(), &args, error);
    vd_close(parent);
    return ok;
}

bool new_images_make(const GPtrArray *images, GError **error)
{
    for (unsigned k = 0; k < images->len; k++) {
        if (make_one(images->pdata[k], error))
            continue;
        while (k-- > 0)
            fio_system()->unlink(fio_system()->ctx, ((const struct new_image *)images->pdata[k])->path);
        return false;
    }
    return true;
}

void hardware_replace_image(struct settings_hardware *h, const char *old, const char *new)
{
    for (unsigned k = 0; k < h->controllers->len; k++) {
        const struct settings_controller *c = h->controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++) {
            struct settings_attachment *a = c->attachments->pdata[n];
            if (g_strcmp0(a->image_uuid, old) != 0)
                continue;
            g_free(a->image_uuid);
            a->image_uuid = g_strdup(new);
        }
    }
}

void new_images_put(struct service *s, const GPtrArray *images, struct settings_machine *next)
{
    for (unsigned k = 0; k < images->len; k++) {
        const struct new_image *n = images->pdata[k];
        struct medium *m = medium_find(s, n->id, DEVICE_HARD_DISK);
        g_autofree char *old = g_strdup_printf("{%s}", n->parent), *new = g_strdup_printf("{%s}", n->id);
        hardware_replace_image(&next->hardware, old, new);
        medium_register_in(m, next);
        m->state = MediumState_Created;
        pending_drop(next, PENDING_REMOVE_IMAGE, new, NULL);
    }
}

void new_images_drop(struct service *s, const GPtrArray *images)
{
    for (unsigned k = 0; k < images->len; k++) {
        const struct new_image *n = images->pdata[k];
        struct medium *m = medium_find(s, n->id, DEVICE_HARD_DISK);
        fio_system()->unlink(fio_system()->ctx, n->path);
        if (m != NULL)
            medium_forget(m);
    }
}

/* ---- finding ---- */

const char *snapshot_id(const struct settings_snapshot *s, char ret[API_UUID_SIZE])
{
    if (!api_uuid_parse(s->uuid, ret))
        *ret = '\0';
    return ret;
}

static guint index_of(const struct settings_machine *s, const char *id)
{
    char has[API_UUID_SIZE];

    for (guint k = 0; k < s->snapshots->len; k++)
        if (strcmp(snapshot_id(s->snapshots->pdata[k], has), id) == 0)
            return k;
    return G_MAXUINT;
}

const struct settings_snapshot *snapshot_by_id(const struct settings_machine *s, const char *id)
{
    guint k = index_of(s, id);

    return k != G_MAXUINT ? s->snapshots->pdata[k] : NULL;
}

guint snapshot_child_count(const struct settings_machine *s, guint index)
{
    guint count = 0, end = settings_tree_end(s->snapshots, index);
    uint32_t depth = ((const struct settings_snapshot *)s->snapshots->pdata[index])->depth;

    for (guint k = index + 1; k < end; k++)
        count += ((const struct settings_snapshot *)s->snapshots->pdata[k])->depth == depth + 1;
    return count;
}

static char *object_path(const struct settings_snapshot *s)
{
    char id[API_UUID_SIZE], node[API_UUID_SIZE];

    api_node_from_uuid(snapshot_id(s, id), node);
    return g_strconcat(API_ROOT "/snapshot/", node, NULL);
}

bool snapshot_find(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct part *p = call->object;
    const struct settings_snapshot *found = NULL;
    char id[API_UUID_SIZE];
    const char *name;

    g_variant_get(call->args, "(&s)", &name);
    if (p->s == NULL || p->s->snapshots->len == 0)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "This machine does not have any snapshots");
    if (*name == '\0')
        found = p->s->snapshots->pdata[0];
    else if (api_uuid_parse(name, id))
        found = snapshot_by_id(p->s, id);
    for (guint k = 0; found == NULL && k < p->s->snapshots->len; k++)
        if (strcmp(((const struct settings_snapshot *)p->s->snapshots->pdata[k])->name, name) == 0)
            found = p->s->snapshots->pdata[k];
    if (found == NULL && api_uuid_parse(name, id))
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a snapshot with UUID {%s}", id);
    if (found == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a snapshot named '%s'", name);
    g_autofree char *path = object_path(found);
    *ret = g_variant_new("(o)", path);
    return true;
}

/* ---- ISnapshot ---- */

/* Good until the next call. */
static void *find(void *user, struct bus_peer *peer, const char *node)
{
    struct service *s = user;
    char id[API_UUID_SIZE];

    (void)peer;
    for (unsigned k = 0; api_node_to_uuid(node, id) && k < s->machines->len; k++) {
        struct machine *m = s->machines->pdata[k];
        guint at = m->settings != NULL ? index_of(m->settings, id) : G_MAXUINT;
        if (at == G_MAXUINT)
            continue;
        s->part = (struct part){.service = s, .machine = m, .s = m->settings, .slot = at};
        s->part.base = m->settings->snapshots->pdata[at];
        return &s->part;
    }
    return NULL;
}

enum { IS_ID, IS_NAME, IS_DESCRIPTION, IS_TIME, IS_ONLINE, IS_MACHINE, IS_PARENT, IS_CHILDREN, IS_COUNT };

static GVariant *children(const struct part *p)
{
    guint end = settings_tree_end(p->s->snapshots, p->slot);
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("ao"));
    for (guint k = p->slot + 1; k < end; k++) {
        if (settings_tree_parent(p->s->snapshots, k) != p->slot)
            continue;
        g_autofree char *path = object_path(p->s->snapshots->pdata[k]);
        g_variant_builder_add(&b, "o", path);
    }
    return g_variant_builder_end(&b);
}

static GVariant *get(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = call->object;
    const struct settings_snapshot *s = p->base;
    char id[API_UUID_SIZE];
    guint parent;

    switch (GPOINTER_TO_INT(row->data)) {
    case IS_ID: return g_variant_new_string(snapshot_id(s, id));
    case IS_NAME: return g_variant_new_string(s->name);
    case IS_DESCRIPTION: return g_variant_new_string(s->description != NULL ? s->description : "");
    case IS_TIME: return g_variant_new_int64(s->time_s * 1000);
    case IS_ONLINE: return g_variant_new_boolean(s->state_file != NULL);
    case IS_MACHINE: return g_variant_new_string(p->machine->id);
    case IS_PARENT: {
        parent = settings_tree_parent(p->s->snapshots, p->slot);
        g_autofree char *path =
            parent != SETTINGS_NO_PARENT ? object_path(p->s->snapshots->pdata[parent]) : g_strdup("/");
        return g_variant_new_object_path(path);
    }
    case IS_CHILDREN: return children(p);
    default: return g_variant_new_uint32(snapshot_child_count(p->s, p->slot));
    }
}

static bool set(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const struct part *p = call->object;
    const char *text = g_variant_get_string(val, NULL);
    char id[API_UUID_SIZE];

    snapshot_id(p->base, id);
    if (GPOINTER_TO_INT(row->data) == IS_NAME && *text == '\0')
        return api_fail(error, E_INVALIDARG, "A snapshot needs a name");
    if (p->machine->busy)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Invalid machine state: %s",
                        api_enum_name("MachineState", p->machine->state));
    struct machine *m = p->machine;
    struct settings_machine *next = settings_machine_copy(m->settings);
    struct settings_snapshot *s = settings_snapshot_change(next, index_of(next, id));
    char **to = GPOINTER_TO_INT(row->data) == IS_NAME ? &s->name : &s->description;
    g_free(*to);
    *to = *text != '\0' ? g_strdup(text) : NULL;
    if (!machine_replace(m, next, error))
        return false;
    service_emit(m->service, "SnapshotChanged", g_variant_new("(ss)", m->id, id));
    return true;
}

/* The machine as it would be with the snapshot's hardware. */
static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part p = *(struct part *)call->object;
    const struct settings_snapshot *s = p.base;

    (void)error;
    p.s = settings_machine_copy(p.machine->settings);
    settings_snapshot_restore(p.s, s);
    g_free(p.s->current_snapshot);
    p.s->current_snapshot = NULL;
    g_ptr_array_set_size(p.s->snapshots, 0);
    p.base = p.s;
    *ret = g_variant_new("(@a{sv})", machine_describe(&p));
    settings_machine_free(p.s);
    return true;
}

#define IS(what) GINT_TO_POINTER(what)
static const struct bus_method methods[] = {{"Describe", describe}, {NULL, NULL}};
static const struct bus_property properties[] = {
    {"Id", get, NULL, IS(IS_ID)},
    {"Name", get, set, IS(IS_NAME)},
    {"Description", get, set, IS(IS_DESCRIPTION)},
    {"TimeStamp", get, NULL, IS(IS_TIME)},
    {"Online", get, NULL, IS(IS_ONLINE)},
    {"Machine", get, NULL, IS(IS_MACHINE)},
    {"Parent", get, NULL, IS(IS_PARENT)},
    {"Children", get, NULL, IS(IS_CHILDREN)},
    {"ChildrenCount", get, NULL, IS(IS_COUNT)},
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface snapshot_interface = {
    .info = (GDBusInterfaceInfo *)&api_isnapshot_interface, .methods = methods, .properties = properties};
const struct bus_class snapshot_class = {
    .folder = API_ROOT "/snapshot", .interfaces = BUS_INTERFACES(&snapshot_interface), .find = find};
