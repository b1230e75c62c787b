/*
 * medium_chain.c - differencing images as the service sees them: their chains, and those that attaching makes.
 *
 * A medium whose contents must stay (it has children, is in a snapshot, is immutable or multi-attach) is attached by a
 * new child of its own. The child's file is made at once; until the settings are saved it is "implicit": it goes with
 * the session, or with what was attached.
 */
#include <string.h>

#include "main/server/objects.h"
#include "storage/chain.h"
#include "storage/vd.h"

static void clear_link(void *p)
{
    struct vd_link *l = p;

    g_free((char *)l->format);
    g_free((char *)l->path);
}

GArray *medium_links(const struct medium *m)
{
    GArray *links = g_array_new(FALSE, FALSE, sizeof(struct vd_link));

    g_array_set_clear_func(links, clear_link);
    for (; m != NULL; m = m->parent) {
        const struct vd_link link = {g_strdup(m->format), medium_path(m)};
        g_array_append_val(links, link);
    }
    for (guint a = 0, b = links->len; a + 1 < b; a++) { /* base first */
        struct vd_link *x = &g_array_index(links, struct vd_link, a), *y = &g_array_index(links, struct vd_link, --b);
        struct vd_link t = *x;
        *x = *y;
        *y = t;
    }
    return links;
}

struct vd *medium_open_links(const GArray *links, unsigned flags, GError **error)
{
    return vd_open_chain(fio_system(), (const struct vd_link *)(void *)links->data, links->len, flags, error);
}

struct vd *medium_open_alone(const char *format, const char *path, GError **error)
{
    return vd_open(fio_system(), format, path, VD_READ_ONLY | VD_ALONE, error);
}

struct vd *medium_open(const struct medium *m, unsigned flags, GError **error)
{
    GArray *links = medium_links(m);
    struct vd *vd = medium_open_links(links, flags, error);

    g_array_unref(links);
    return vd;
}

const char *medium_diff_format(const struct medium *parent)
{
    static const char *const able[] = {"VDI", "VMDK", "VHD"};

    for (unsigned k = 0; k < G_N_ELEMENTS(able); k++)
        if (g_ascii_strcasecmp(able[k], parent->format) == 0)
            return able[k];
    return "VDI";
}

struct medium *medium_new_diff(struct medium *parent, const struct settings_machine *owner)
{
    const char *format = medium_diff_format(parent);
    g_autofree char *low = g_ascii_strdown(format, -1);
    g_autofree char *id = g_uuid_string_random();
    g_autofree char *name = g_strdup_printf("{%s}.%s", id, low);
    g_autofree char *folder = machine_snapshot_folder(owner);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    struct medium *m = medium_new(parent->service, id, DEVICE_HARD_DISK, path, format);

    g_mkdir_with_parents(folder, 0700);
    medium_set_parent(m, parent);
    m->auto_reset = parent->parent == NULL && parent->type == MEDIUM_IMMUTABLE;
    m->logical_bytes = parent->logical_bytes;
    return m;
}

struct medium *medium_implicit_diff(struct medium *parent, const struct settings_machine *owner, GError **error)
{
    g_autofree char *file = medium_path(parent);
    struct vd *below = medium_open_alone(parent->format, file, error);
    uint8_t uuid[VD_UUID_BYTES];

    if (below == NULL) {
        api_wrap(error, VBOX_E_FILE_ERROR);
        return NULL;
    }
    struct medium *m = medium_new_diff(parent, owner);
    api_uuid_to_bytes(m->id, uuid);
    const struct vd_create args = {.format = m->format, .path = m->location, .parent = below, .uuid = uuid};
    bool ok = vd_create(fio_system(), &args, error) || api_wrap(error, VBOX_E_FILE_ERROR);
    vd_close(below);
    if (!ok) {
        medium_forget(m);
        return NULL;
    }
    m->implicit = true;
    m->state = MediumState_Created;
    service_emit(m->service, "MediumRegistered", g_variant_new("(ssb)", m->id, "HardDisk", TRUE));
    return m;
}

static bool in_snapshot(const struct medium *m)
{
    char braced[40];

    medium_id_braced(m, braced);
    for (unsigned k = 0; k < m->service->machines->len; k++) {
        const struct machine *one = m->service->machines->pdata[k];
        for (unsigned n = 0; one->settings != NULL && n < one->settings->snapshots->len; n++) {
            const struct settings_snapshot *s = one->settings->snapshots->pdata[n];
            if (medium_hardware_uses(&s->hardware, braced))
                return true;
        }
    }
    return false;
}

bool medium_needs_diff(const struct medium *m)
{
    int type = medium_base(m)->type;

    if (m->kind != DEVICE_HARD_DISK || type == MEDIUM_WRITETHROUGH || type == MEDIUM_SHAREABLE ||
        type == MEDIUM_READONLY)
        return false;
    if (m->parent == NULL && (type == MEDIUM_IMMUTABLE || type == MEDIUM_MULTIATTACH))
        return true;
    return m->children->len > 0 || in_snapshot(m);
}

void medium_sweep(struct service *s, const struct settings_machine *saved)
{
    for (unsigned k = s->media->len; k-- > 0;) {
        struct medium *m = s->media->pdata[k];
        char braced[40];
        if (!m->implicit)
            continue;
        if (saved != NULL && medium_settings_uses(saved, medium_id_braced(m, braced))) {
            m->implicit = false;
            continue;
        }
        g_autoptr(GPtrArray) users = medium_users(m);
        if (users->len > 0 || m->children->len > 0)
            continue;
        fio_system()->unlink(fio_system()->ctx, m->location);
        medium_unregister(m, NULL);
        medium_forget(m);
    }
}
