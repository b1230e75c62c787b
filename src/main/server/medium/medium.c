/*
 * medium.c - the media this service knows: from registries, opened by path, or just made.
 *
 * A medium is in the registry of a machine (settings since 4.0) or in the global one, or in none as long as nothing
 * uses it; then it is known only while the service runs. Children refer to their parents by pointer.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "main/server/medium/medium_int.h"
#include "main/settings/medium_path.h"
#include "main/settings/tree.h"
#include "rt/status.h"

struct medium *medium_at(struct service *s, const char *location)
{
    for (unsigned k = 0; k < s->media->len; k++) {
        struct medium *m = s->media->pdata[k];
        if (strcmp(m->location, location) == 0)
            return m;
    }
    return NULL;
}

struct medium *medium_from_path(struct service *s, const char *object_path)
{
    char id[API_UUID_SIZE];
    const char *node = strrchr(object_path, '/') + 1;

    if (!g_str_has_prefix(object_path, API_ROOT "/medium/") || !api_node_to_uuid(node, id))
        return NULL;
    return medium_find(s, id, DEVICE_NONE);
}

char *medium_object_path(const struct medium *m)
{
    char node[API_UUID_SIZE];

    if (m == NULL)
        return g_strdup("/");
    api_node_from_uuid(m->id, node);
    return g_strconcat(API_ROOT "/medium/", node, NULL);
}

const char *medium_id_braced(const struct medium *m, char ret[40])
{
    g_snprintf(ret, 40, "{%s}", m->id);
    return ret;
}

char *medium_path(const struct medium *m)
{
    return settings_medium_path(m->format, m->location, m->properties, "/");
}

void medium_free(struct medium *m)
{
    g_ptr_array_unref(m->children);
    g_ptr_array_unref(m->properties);
    g_free(m->location);
    g_free(m->format);
    g_free(m->description);
    g_free(m->access_error);
    g_free(m);
}

struct medium *medium_new(struct service *s, const char *id, enum settings_device kind, const char *location,
                          const char *format)
{
    struct medium *m = g_new0(struct medium, 1);

    m->service = s;
    g_strlcpy(m->id, id, sizeof m->id);
    m->kind = kind;
    m->location = g_strdup(location);
    m->format = g_strdup(format);
    m->type = kind == DEVICE_DVD ? MEDIUM_READONLY : kind == DEVICE_FLOPPY ? MEDIUM_WRITETHROUGH : MEDIUM_NORMAL;
    m->state = MediumState_Inaccessible; /* until somebody looks */
    m->children = g_ptr_array_new();
    m->properties = g_ptr_array_new_with_free_func((GDestroyNotify)settings_property_free);
    g_ptr_array_add(s->media, m);
    medium_table_add(s, m);
    return m;
}

void medium_set_parent(struct medium *m, struct medium *parent)
{
    if (m->parent != NULL)
        g_ptr_array_remove(m->parent->children, m);
    m->parent = parent;
    if (parent != NULL)
        g_ptr_array_add(parent->children, m);
}

const struct medium *medium_base(const struct medium *m)
{
    while (m->parent != NULL)
        m = m->parent;
    return m;
}

void medium_forget(struct medium *m)
{
    struct service *s = m->service;

    service_emit(s, "MediumRegistered", g_variant_new("(ssb)", m->id, settings_device_names[m->kind], FALSE));
    medium_set_parent(m, NULL);
    for (unsigned k = 0; k < m->children->len; k++)
        ((struct medium *)m->children->pdata[k])->parent = NULL;
    medium_table_drop(s, m);
    g_ptr_array_remove(s->media, m);
}

/* ---- registries ---- */

static void copy_properties(GPtrArray *to, const GPtrArray *from)
{
    for (unsigned k = 0; k < from->len; k++) {
        const struct settings_property *one = from->pdata[k];
        settings_property_set(to, one->name, one->value);
    }
}

static void load_list(struct service *s, const GPtrArray *list, enum settings_device kind, const char *folder)
{
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_medium *from = list->pdata[k];
        g_autofree char *location = settings_medium_remote(from->format)
                                        ? g_strdup(from->location)
                                        : g_canonicalize_filename(from->location, folder);
        char id[API_UUID_SIZE], parent[API_UUID_SIZE];
        if (!api_uuid_parse(from->uuid, id) || medium_find(s, id, kind) != NULL)
            continue;
        struct medium *m = medium_new(s, id, kind, location, from->format != NULL ? from->format : "RAW");
        m->description = g_strdup(from->description);
        m->auto_reset = from->auto_reset;
        copy_properties(m->properties, from->properties);
        if (kind == DEVICE_HARD_DISK)
            m->type = (int)from->type;
        guint above = settings_tree_parent(list, k);
        if (above == SETTINGS_NO_PARENT)
            continue;
        api_uuid_parse(((const struct settings_medium *)list->pdata[above])->uuid, parent);
        medium_set_parent(m, medium_find(s, parent, kind));
    }
}

void medium_load(struct service *s, const struct settings_media *media, const char *folder)
{
    load_list(s, media->disks, DEVICE_HARD_DISK, folder);
    load_list(s, media->dvds, DEVICE_DVD, folder);
    load_list(s, media->floppies, DEVICE_FLOPPY, folder);
}

static GPtrArray *list_of(const struct settings_media *media, enum settings_device kind)
{
    return kind == DEVICE_HARD_DISK ? media->disks : kind == DEVICE_DVD ? media->dvds : media->floppies;
}

static guint index_in(const GPtrArray *list, const char *braced)
{
    for (guint k = 0; k < list->len; k++)
        if (strcmp(((const struct settings_medium *)list->pdata[k])->uuid, braced) == 0)
            return k;
    return SETTINGS_NO_PARENT;
}

static struct settings_medium *entry_of(const struct medium *m, const char *folder)
{
    g_autofree char *prefix = g_strconcat(folder, "/", NULL);
    struct settings_medium *to = settings_medium_new();
    char braced[40];

    g_free(to->uuid);
    g_free(to->location);
    to->uuid = g_strdup(medium_id_braced(m, braced));
    to->location = g_strdup(g_str_has_prefix(m->location, prefix) ? m->location + strlen(prefix) : m->location);
    if (m->kind == DEVICE_HARD_DISK) {
        g_free(to->format);
        to->format = g_strdup(m->format);
        to->type = (enum settings_medium_type)m->type;
    }
    to->auto_reset = m->auto_reset;
    to->description = g_strdup(m->description);
    copy_properties(to->properties, m->properties);
    return to;
}

void medium_register_in(struct medium *m, struct settings_machine *settings)
{
    GPtrArray *list = list_of(&settings->media, m->kind);
    g_autoptr(GPtrArray) missing = g_ptr_array_new(); /* the last one first */
    guint above = SETTINGS_NO_PARENT;
    char braced[40];

    for (; m != NULL && above == SETTINGS_NO_PARENT; m = m->parent) {
        above = index_in(list, medium_id_braced(m, braced));
        if (above == SETTINGS_NO_PARENT)
            g_ptr_array_add(missing, m);
    }
    for (guint k = missing->len; k-- > 0;)
        above = settings_tree_add(list, above, entry_of(missing->pdata[k], settings->file.folder));
}

static void drop_entry(GPtrArray *list, const char *braced)
{
    guint k = index_in(list, braced);

    if (k != SETTINGS_NO_PARENT)
        settings_tree_remove(list, k);
}

bool medium_drop_from(struct settings_media *media, const char *braced)
{
    if (settings_media_find(media, braced, NULL) == NULL)
        return false;
    drop_entry(media->disks, braced);
    drop_entry(media->dvds, braced);
    drop_entry(media->floppies, braced);
    return true;
}

bool medium_unregister(struct medium *m, GError **error)
{
    struct service *s = m->service;
    char braced[40];

    medium_id_braced(m, braced);
    if (medium_drop_from(&s->global->media, braced) && !service_save(s, error))
        return false;
    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *one = s->machines->pdata[k];
        if (one->settings != NULL && medium_drop_from(&one->settings->media, braced) && one->registered &&
            !machine_save(one, error))
            return false;
    }
    for (unsigned k = 0; k < s->sessions->len; k++) {
        struct session *one = s->sessions->pdata[k];
        if (one->copy != NULL)
            medium_drop_from(&one->copy->media, braced);
    }
    return true;
}

/* ---- use ---- */

bool medium_hardware_uses(const struct settings_hardware *h, const char *braced)
{
    for (unsigned k = 0; k < h->controllers->len; k++) {
        const struct settings_controller *c = h->controllers->pdata[k];
        for (unsigned n = 0; n < c->attachments->len; n++)
            if (g_strcmp0(((const struct settings_attachment *)c->attachments->pdata[n])->image_uuid, braced) == 0)
                return true;
    }
    return false;
}

bool medium_settings_uses(const struct settings_machine *s, const char *braced)
{
    bool used = medium_hardware_uses(&s->hardware, braced);

    for (unsigned k = 0; !used && k < s->snapshots->len; k++)
        used = medium_hardware_uses(&((const struct settings_snapshot *)s->snapshots->pdata[k])->hardware, braced);
    return used;
}

GPtrArray *medium_users(const struct medium *m)
{
    struct service *s = m->service;
    GPtrArray *users = g_ptr_array_new();
    char braced[40];

    medium_id_braced(m, braced);
    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *one = s->machines->pdata[k];
        if (one->settings != NULL && medium_settings_uses(one->settings, braced))
            g_ptr_array_add(users, one);
    }
    for (unsigned k = 0; k < s->sessions->len; k++) { /* attached, not saved yet */
        const struct session *one = s->sessions->pdata[k];
        if (one->copy != NULL && medium_settings_uses(one->copy, braced) &&
            !g_ptr_array_find(users, one->machine, NULL))
            g_ptr_array_add(users, one->machine);
    }
    return users;
}

/* ---- the file ---- */

/* What running machines do with it: -1 nothing, or a MediumState. */
static int use_by_vms(const struct medium *m)
{
    int state = -1;

    for (unsigned k = 0; k < m->service->machines->len; k++) {
        const struct machine *one = m->service->machines->pdata[k];
        if (one->settings == NULL || !machine_running(one))
            continue;
        for (unsigned n = 0; n < m->service->media->len; n++) { /* itself, and every image on top of it */
            const struct medium *leaf = m->service->media->pdata[n], *up = leaf;
            char braced[40];
            while (up != NULL && up != m)
                up = up->parent;
            if (up == NULL || !medium_hardware_uses(&one->settings->hardware, medium_id_braced(leaf, braced)))
                continue;
            if (leaf == m)
                return MediumState_LockedWrite;
            state = MediumState_LockedRead;
        }
    }
    return state;
}

static void fail_access(struct medium *m, const char *text)
{
    m->state = MediumState_Inaccessible;
    g_free(m->access_error);
    m->access_error = g_strdup(text);
}

void medium_refresh(struct medium *m)
{
    struct stat st;
    g_autoptr(GError) error = NULL;

    if (m->state == MediumState_NotCreated || m->state == MediumState_Creating || m->state == MediumState_Deleting)
        return;
    if (settings_medium_remote(m->format)) {
        const int used = use_by_vms(m);
        m->state = used >= 0 ? used : m->state == MediumState_Inaccessible ? m->state : MediumState_Created;
        if (used < 0)
            medium_look(m);
        return;
    }
    if (stat(m->location, &st) != 0) {
        g_autofree char *text =
            g_strdup_printf("Could not find file for the medium '%s' (%s)", m->location,
                            errno == ENOENT ? "VERR_FILE_NOT_FOUND" : status_name(status_from_errno(errno)));
        fail_access(m, text);
        return;
    }
    m->size_bytes = (uint64_t)st.st_size;
    int use = m->kind == DEVICE_HARD_DISK ? use_by_vms(m) : -1;
    if (m->kind != DEVICE_HARD_DISK) {
        m->logical_bytes = (uint64_t)st.st_size;
    } else if (use == MediumState_LockedWrite) {
        m->state = use; /* sizes stay as they were */
        if (m->logical_bytes == 0 && m->parent != NULL)
            m->logical_bytes = m->parent->logical_bytes;
        return;
    } else {
        /* a host's disk is only looked at here: who uses it asks for the right (storage/hostdisk.h) */
        unsigned alone = m->parent != NULL ? VD_ALONE : VD_RAW_DEVICES;
        struct vd *vd = vd_open(fio_system(), m->format, m->location, VD_READ_ONLY | alone, &error);
        if (vd == NULL) {
            fail_access(m, error->message);
            return;
        }
        m->logical_bytes = vd_size_bytes(vd);
        m->fixed = m->parent == NULL && m->size_bytes >= m->logical_bytes;
        vd_close(vd);
    }
    m->state = use >= 0 ? use : MediumState_Created;
    g_clear_pointer(&m->access_error, g_free);
}
