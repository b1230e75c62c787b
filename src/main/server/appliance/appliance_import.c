/*
 * appliance_import.c - IAppliance.ImportMachines: disks are copied on a thread, then the machines are made.
 *
 * What an import that fails made is removed again. An archive is unpacked beside the first machine's folder.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "main/ovf/manifest.h"
#include "main/ovf/ova.h"
#include "main/server/appliance/appliance.h"
#include "main/server/virtualbox/virtualbox.h"
#include "storage/copy.h"

#define TICK_MS 200u

struct copied {
    struct description *disk;
    unsigned system;
    char *source, *target; /* source: plain name in the appliance's folder */
    const char *format;
    int64_t capacity_bytes;
    bool made;
};

struct importing {
    struct appliance *appliance;
    struct progress *progress;
    GPtrArray *disks;   /* struct copied */
    GPtrArray *folders; /* made by us, outermost first */
    GStrv options;
    char *source_folder, *unpack_folder; /* unpack_folder NULL: not an archive */
    gint percent;                        /* atomic: told by a timer */
    guint timer;
    int64_t total_bytes, done_bytes, now_bytes;
};

static void copied_free(void *p)
{
    struct copied *c = p;

    g_free(c->source);
    g_free(c->target);
    g_free(c);
}

static void importing_free(struct importing *i)
{
    if (i->timer != 0)
        g_source_remove(i->timer);
    g_ptr_array_unref(i->disks);
    g_ptr_array_unref(i->folders);
    g_strfreev(i->options);
    g_free(i->source_folder);
    g_free(i->unpack_folder);
    g_free(i);
}

static gboolean tick(void *user)
{
    struct importing *i = user;

    progress_percent(i->progress, (unsigned)g_atomic_int_get(&i->percent));
    return G_SOURCE_CONTINUE;
}

/* ---- on the thread: files only ---- */

static bool unpacked(void *user, unsigned permille)
{
    struct importing *i = user;

    g_atomic_int_set(&i->percent, (gint)(permille / 40));
    return true;
}

static bool copy_report(void *user, unsigned permille)
{
    struct importing *i = user;
    int64_t done = i->done_bytes + i->now_bytes / 1000 * permille;

    g_atomic_int_set(&i->percent, (gint)(25 + done * 74 / MAX(i->total_bytes, 1)));
    return true;
}

static bool make_folder(struct importing *i, const char *folder, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(folder);

    if (g_file_test(folder, G_FILE_TEST_IS_DIR))
        return true;
    if (strcmp(parent, folder) != 0 && !make_folder(i, parent, error))
        return false;
    if (g_mkdir(folder, 0700) != 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not create the folder '%s': %s", folder, g_strerror(errno));
    g_ptr_array_add(i->folders, g_strdup(folder));
    return true;
}

static bool copy_disk(struct importing *i, struct copied *c, GError **error)
{
    g_autofree char *source = g_build_filename(i->source_folder, c->source, NULL);
    g_autofree char *folder = g_path_get_dirname(c->target);
    const struct vd_progress report = {.report = copy_report, .ctx = i};
    const struct vd_create to = {.format = c->format, .path = c->target};

    if (g_file_test(c->target, G_FILE_TEST_EXISTS))
        return api_fail(error, VBOX_E_FILE_ERROR, "Destination file '%s' exists already (VERR_ALREADY_EXISTS)",
                        c->target);
    if (!make_folder(i, folder, error))
        return false;
    const char *format = vd_probe(fio_system(), source, error);
    struct vd *vd = format != NULL ? vd_open(fio_system(), format, source, VD_READ_ONLY, error) : NULL;
    if (vd != NULL && c->capacity_bytes >= 0 && vd_size_bytes(vd) > (uint64_t)c->capacity_bytes + (1 << 20))
        api_fail(error, VBOX_E_FILE_ERROR, "The disk '%s' is larger than the appliance says", c->source);
    else if (vd != NULL)
        c->made = vd_copy(vd, fio_system(), &to, &report, error);
    vd_close(vd);
    i->done_bytes += i->now_bytes;
    return c->made;
}

static bool unpack(struct importing *i, GError **error)
{
    const struct appliance *a = i->appliance;
    g_autofree char *parent = g_path_get_dirname(i->unpack_folder);

    return make_folder(i, parent, error) && make_folder(i, i->unpack_folder, error) &&
           ova_extract(a->path, i->unpack_folder, unpacked, i, error);
}

/* An archive's manifest is known only now. */
static bool check_manifest(struct importing *i, GError **error)
{
    const struct appliance *a = i->appliance;
    g_autofree char *found = NULL;

    for (GDir *dir = a->archive ? g_dir_open(i->source_folder, 0, NULL) : NULL; dir != NULL;) {
        const char *name = g_dir_read_name(dir);
        g_autofree char *path = name != NULL ? g_build_filename(i->source_folder, name, NULL) : NULL;
        if (name != NULL && g_str_has_suffix(name, ".mf") && found == NULL)
            g_file_get_contents(path, &found, NULL, NULL);
        if (name == NULL) {
            g_dir_close(dir);
            break;
        }
    }
    const char *text = a->archive ? found : a->manifest;
    return text == NULL || manifest_check(a->path, text, i->source_folder, error);
}

static bool work(void *data, GError **error)
{
    struct importing *i = data;
    bool ok = (i->unpack_folder == NULL || unpack(i, error)) && check_manifest(i, error);

    for (unsigned k = 0; ok && k < i->disks->len; k++) {
        struct copied *c = i->disks->pdata[k];
        i->now_bytes = MAX(c->capacity_bytes, 0);
        ok = copy_disk(i, c, error);
    }
    return ok || api_wrap(error, VBOX_E_FILE_ERROR);
}

/* ---- afterwards, in the main thread ---- */

static void remove_unpacked(struct importing *i)
{
    GDir *dir = i->unpack_folder != NULL ? g_dir_open(i->unpack_folder, 0, NULL) : NULL;

    if (dir == NULL)
        return;
    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(i->unpack_folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(i->unpack_folder);
}

static void remove_made(struct importing *i)
{
    for (unsigned k = 0; k < i->disks->len; k++) {
        const struct copied *c = i->disks->pdata[k];
        if (c->made)
            g_unlink(c->target);
    }
    for (unsigned k = i->folders->len; k-- > 0;)
        g_rmdir(i->folders->pdata[k]); /* only those that are empty */
}

static struct medium *know_disk(struct importing *i, const struct copied *c, GError **error)
{
    struct service *s = i->appliance->service;
    uint8_t bytes[VD_UUID_BYTES];
    char id[API_UUID_SIZE];
    struct vd *vd = vd_open(fio_system(), c->format, c->target, VD_READ_ONLY, error);

    if (vd == NULL)
        return NULL;
    bool has = vd_uuid(vd, bytes);
    vd_close(vd);
    g_autofree char *made = g_uuid_string_random();
    if (has)
        api_uuid_from_bytes(bytes, id);
    else
        g_strlcpy(id, made, sizeof id);
    return medium_new(s, id, DEVICE_HARD_DISK, c->target, c->format);
}

static bool make_machine(struct importing *i, unsigned n, GError **error)
{
    struct appliance *a = i->appliance;
    const GPtrArray *list = a->systems->pdata[n];
    g_autofree char *folder = g_path_get_dirname(description_value(list, "SettingsFile"));
    char id[API_UUID_SIZE];

    if (!make_folder(i, folder, error))
        return false;
    struct settings_machine *s = appliance_machine(a, n, (const char *const *)i->options, error);
    bool ok = s != NULL;
    for (unsigned k = 0; ok && k < i->disks->len; k++) {
        const struct copied *c = i->disks->pdata[k];
        struct medium *m = c->system == n ? know_disk(i, c, error) : NULL;
        ok = c->system != n || (m != NULL && appliance_attach(s, list, c->disk, m, error));
        if (ok && m != NULL)
            medium_register_in(m, s);
        if (!ok && m != NULL)
            medium_forget(m);
    }
    if (!ok) {
        settings_machine_free(s);
        return false;
    }
    api_uuid_parse(s->uuid, id);
    struct machine *m = machine_new(a->service, description_value(list, "SettingsFile"), s, id);
    if (!virtualbox_add_machine(m, error)) {
        g_ptr_array_remove(a->service->machines, m);
        return false;
    }
    g_ptr_array_add(a->machines, g_strdup(id));
    return true;
}

static bool done(void *data, bool ok, GError **error)
{
    struct importing *i = data;
    struct appliance *a = i->appliance;

    for (unsigned k = 0; ok && k < a->systems->len; k++)
        ok = make_machine(i, k, error);
    remove_unpacked(i);
    if (!ok && a->machines->len == 0)
        remove_made(i);
    a->busy = false;
    if (a->peer == NULL)
        appliances_peer_gone(a->service, NULL);
    importing_free(i);
    return ok;
}

/* ---- the start ---- */

static bool check_system(struct appliance *a, const GPtrArray *list, GError **error)
{
    const char *path = description_value(list, "SettingsFile"), *name = description_value(list, "Name");

    if (*name == '\0' || !g_path_is_absolute(path))
        return api_fail(error, E_INVALIDARG, "A machine needs a name and a settings file; not '%s' and '%s'", name,
                        path);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return api_fail(error, VBOX_E_FILE_ERROR, "Machine settings file '%s' already exists", path);
    if (machine_find_name(a->service, name) != NULL)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "A machine named '%s' already exists", name);
    return true;
}

static void add_disk(struct importing *i, unsigned system, struct description *d)
{
    bool to_vdi = g_strv_contains((const char *const *)i->options, "ImportToVDI");
    struct copied *c = g_new0(struct copied, 1);
    const GPtrArray *list = i->appliance->systems->pdata[system];
    g_autofree char *folder = g_path_get_dirname(description_value(list, "SettingsFile"));
    const char *dot = strrchr(d->value, '.');

    c->disk = d;
    c->system = system;
    c->source = g_strdup(d->item->disk->file);
    c->capacity_bytes = d->item->disk->capacity_bytes;
    c->target = g_canonicalize_filename(d->value, folder);
    if (to_vdi && dot != NULL && g_ascii_strcasecmp(dot, ".vdi") != 0) {
        g_autofree char *stem = g_strndup(c->target, strlen(c->target) - strlen(dot));
        g_free(c->target);
        c->target = g_strconcat(stem, ".vdi", NULL);
    }
    c->format = g_str_has_suffix(c->target, ".vdi") ? "VDI" : g_str_has_suffix(c->target, ".vhd") ? "VHD" : "VMDK";
    i->total_bytes += MAX(c->capacity_bytes, 0);
    g_ptr_array_add(i->disks, c);
}

bool appliance_import(struct bus_call *call, GVariant **ret, GError **error)
{
    struct appliance *a = call->object;
    char **options = NULL;

    if (a->ovf == NULL || a->systems->len != a->ovf->systems->len)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The appliance was not interpreted");
    for (unsigned k = 0; k < a->systems->len; k++)
        if (!check_system(a, a->systems->pdata[k], error))
            return false;
    g_variant_get(call->args, "(^as)", &options);
    struct importing *i = g_new0(struct importing, 1);
    i->appliance = a;
    i->options = options;
    i->disks = g_ptr_array_new_with_free_func(copied_free);
    i->folders = g_ptr_array_new_with_free_func(g_free);
    for (unsigned k = 0; k < a->systems->len; k++) {
        const GPtrArray *list = a->systems->pdata[k];
        for (unsigned n = 0; n < list->len; n++) {
            struct description *d = list->pdata[n];
            if (d->enabled && strcmp(d->type, "HardDiskImage") == 0)
                add_disk(i, k, d);
        }
    }
    i->source_folder = g_path_get_dirname(a->path);
    if (a->archive) {
        g_autofree char *folder = g_path_get_dirname(description_value(a->systems->pdata[0], "SettingsFile"));
        g_autofree char *random = g_uuid_string_random();
        i->unpack_folder = g_strdup_printf("%s/.import-%.8s", folder, random);
        g_free(i->source_folder);
        i->source_folder = g_strdup(i->unpack_folder);
    }
    a->busy = true;
    g_ptr_array_set_size(a->machines, 0);
    i->progress = progress_new(a->service, call->peer, "Importing appliance");
    i->timer = g_timeout_add(TICK_MS, tick, i);
    *ret = progress_reply(i->progress);
    progress_thread(i->progress, work, done, i);
    return true;
}
