/*
 * medium.c - the media this service knows: from registries, opened by path, or just made.
 *
 * A medium is in the registry of a machine (settings since 4.0) or in the global one, or in none as long as nothing
 * uses it; then it is known only while the service runs. Children refer to their parents by pointer.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "main/server/service_int.h"
#include "main/settings/tree.h"
#include "rt/status.h"
#include "storage/vd.h"

struct medium *medium_find(struct service *s, const char *id, enum settings_device kind)
{
    for (unsigned k = 0; k < s->media->len; k++) {
        struct medium *m = s->media->pdata[k];
        if ((kind == DEVICE_NONE || m->kind == kind) && strcmp(m->id, id) == 0)
            return m;
    }
    return NULL;
}

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

void medium_free(struct medium *m)
{
    g_ptr_array_unref(m->children);
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
    g_ptr_array_add(s->media, m);
    return m;
}

void medium_forget(struct medium *m)
{
    struct service *s = m->service;

    service_emit(s, "MediumRegistered", g_variant_new("(ssb)", m->id, settings_device_names[m->kind], FALSE));
    if (m->parent != NULL)
        g_ptr_array_remove(m->parent->children, m);
    g_ptr_array_remove(s->media, m);
}

/* ---- registries ---- */

static void load_list(struct service *s, const GPtrArray *list, enum settings_device kind, const char *folder)
{
    for (unsigned k = 0; k < list->len; k++) {
        const struct settings_medium *from = list->pdata[k];
        g_autofree char *location = g_canonicalize_filename(from->location, folder);
        char id[API_UUID_SIZE], parent[API_UUID_SIZE];
        if (!api_uuid_parse(from->uuid, id) || medium_find(s, id, kind) != NULL)
            continue;
        struct medium *m = medium_new(s, id, kind, location, from->format != NULL ? from->format : "RAW");
        m->description = g_strdup(from->description);
        m->auto_reset = from->auto_reset;
        if (kind == DEVICE_HARD_DISK)
            m->type = (int)from->type;
        guint above = settings_tree_parent(list, k);
        if (above == SETTINGS_NO_PARENT)
            continue;
        api_uuid_parse(((const struct settings_medium *)list->pdata[above])->uuid, parent);
        m->parent = medium_find(s, parent, kind);
        if (m->parent != NULL)
            g_ptr_array_add(m->parent->children, m);
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

static guint add_to(const struct settings_media *media, const struct medium *m, const char *folder)
{
    GPtrArray *list = list_of(media, m->kind);
    char braced[40];
    guint here = index_in(list, medium_id_braced(m, braced));

    if (here != SETTINGS_NO_PARENT)
        return here;
    guint parent = m->parent != NULL ? add_to(media, m->parent, folder) : SETTINGS_NO_PARENT;
    g_autofree char *prefix = g_strconcat(folder, "/", NULL);
    struct settings_medium *to = settings_medium_new();
    g_free(to->uuid);
    g_free(to->location);
    to->uuid = g_strdup(braced);
    to->location = g_strdup(g_str_has_prefix(m->location, prefix) ? m->location + strlen(prefix) : m->location);
    if (m->kind == DEVICE_HARD_DISK) {
        g_free(to->format);
        to->format = g_strdup(m->format);
        to->type = (enum settings_medium_type)m->type;
    }
    to->auto_reset = m->auto_reset;
    to->description = g_strdup(m->description);
    return settings_tree_add(list, parent, to);
}

void medium_register_in(struct medium *m, struct settings_machine *settings)
{
    char braced[40];

    if (settings_media_find(&m->service->global->media, medium_id_braced(m, braced), NULL) == NULL)
        add_to(&settings->media, m, settings->file.folder);
}

/* ---- use ---- */

static bool hardware_uses(const struct settings_hardware *h, const char *braced)
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
    bool used = hardware_uses(&s->hardware, braced);

    for (unsigned k = 0; !used && k < s->snapshots->len; k++)
        used = hardware_uses(&((const struct settings_snapshot *)s->snapshots->pdata[k])->hardware, braced);
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

static bool in_use_by_vm(const struct medium *m)
{
    g_autoptr(GPtrArray) users = medium_users(m);

    for (unsigned k = 0; k < users->len; k++)
        if (machine_running(users->pdata[k]))
            return true;
    return false;
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
    if (stat(m->location, &st) != 0) {
        g_autofree char *text =
            g_strdup_printf("Could not find file for the medium '%s' (%s)", m->location,
                            errno == ENOENT ? "VERR_FILE_NOT_FOUND" : status_name(status_from_errno(errno)));
        fail_access(m, text);
        return;
    }
    m->size_bytes = (uint64_t)st.st_size;
    if (m->kind != DEVICE_HARD_DISK) {
        m->logical_bytes = (uint64_t)st.st_size;
    } else if (in_use_by_vm(m)) {
        m->state = MediumState_LockedWrite; /* sizes stay as they were */
        return;
    } else {
        struct vd *vd = vd_open(fio_system(), m->format, m->location, VD_READ_ONLY, &error);
        if (vd == NULL) {
            fail_access(m, error->message);
            return;
        }
        m->logical_bytes = vd_size_bytes(vd);
        m->fixed = m->parent == NULL && m->size_bytes >= m->logical_bytes;
        vd_close(vd);
    }
    m->state = MediumState_Created;
    g_clear_pointer(&m->access_error, g_free);
}
