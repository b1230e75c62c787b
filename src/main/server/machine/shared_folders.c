/*
 * shared_folders.c - ISharedFolder, and IMachine's methods about them. Transient ones live with the machine's process.
 */
#include <string.h>

#include "main/server/machine/machine.h"

#define LIST offsetof(struct settings_machine, hardware.shared_folders)
#define F    struct settings_shared_folder

static bool add_folder(GPtrArray *list, GVariant *args, GError **error)
{
    const char *name, *path, *mount_point;
    gboolean writable, automount;

    g_variant_get(args, "(&s&sbb&s)", &name, &path, &writable, &automount, &mount_point);
    if (*name == '\0' || !g_path_is_absolute(path))
        return api_fail(error, E_INVALIDARG, "Shared folder path '%s' of '%s' is not absolute", path, name);
    if (LIST_FIND(list, settings_shared_folder, name) != G_MAXUINT)
        return list_taken("Shared folder", name, error);
    struct settings_shared_folder *f = settings_shared_folder_new();
    g_free(f->name);
    g_free(f->host_path);
    f->name = g_strdup(name);
    f->host_path = g_strdup(path);
    f->writable = writable;
    f->auto_mount = automount;
    f->auto_mount_point = *mount_point != '\0' ? g_strdup(mount_point) : NULL;
    g_ptr_array_add(list, f);
    return true;
}

bool list_add_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;

    (void)ret;
    return part_change(p, 0, error) && add_folder(p->s->hardware.shared_folders, call->args, error);
}

static bool must_run(const struct machine *m, GError **error)
{
    return (m->vm != NULL && !m->launching) ||
           api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is not currently running.", machine_name(m));
}

bool list_add_transient_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = ((struct part *)call->object)->machine;

    (void)ret;
    if (!must_run(m, error) || !add_folder(m->transient_folders, call->args, error))
        return false;
    service_emit(m->service, "MachineDataChanged", g_variant_new("(s)", m->id));
    return true;
}

bool list_remove_transient_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct machine *m = ((struct part *)call->object)->machine;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&s)", &name);
    if (!must_run(m, error))
        return false;
    guint n = LIST_FIND(m->transient_folders, settings_shared_folder, name);
    if (n == G_MAXUINT)
        return list_missing("shared folder", name, error);
    g_ptr_array_remove_index(m->transient_folders, n);
    service_emit(m->service, "MachineDataChanged", g_variant_new("(s)", m->id));
    return true;
}

bool list_remove_folder(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)ret;
    return list_remove_named(call, LIST, 0, "shared folder", error);
}

/* ---- ISharedFolder ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    return list_item(user, peer, node, LIST);
}

static const F *folder_of(const struct bus_call *call)
{
    return ((const struct part *)call->object)->base;
}

static GVariant *get_accessible(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_boolean(g_file_test(folder_of(call)->host_path, G_FILE_TEST_IS_DIR));
}

static GVariant *get_error(const struct bus_call *call, const struct bus_property *row)
{
    const char *path = folder_of(call)->host_path;

    (void)row;
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        return g_variant_new_string("");
    return g_variant_new_take_string(g_strdup_printf("'%s' is not accessible (VERR_PATH_NOT_FOUND)", path));
}

static const struct bus_property properties[] = {
    {"Name", field_get, NULL, &(const struct field){.kind = FIELD_STR, .offset = offsetof(F, name)}},
    {"HostPath", field_get, NULL, &(const struct field){.kind = FIELD_STR, .offset = offsetof(F, host_path)}},
    {"Accessible", get_accessible, NULL, NULL},
    FIELD_B("Writable", F, writable),
    FIELD_B("AutoMount", F, auto_mount),
    FIELD_T("AutoMountPoint", F, auto_mount_point, NULL),
    FIELD_E("SymlinkPolicy", F, symlinks, symlinks, "SymlinkPolicy"),
    {"LastAccessError", get_error, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
const struct bus_interface shared_folder_interface = {.info = (GDBusInterfaceInfo *)&api_ishared_folder_interface,
                                                      .properties = properties};
const struct bus_class shared_folder_class = {
    .folder = API_ROOT "/sharedfolder", .interfaces = BUS_INTERFACES(&shared_folder_interface), .find = find};
