/*
 * manager.c - IExtPackManager: extension packs that were installed, a folder each below CONFIG/ExtPacks.
 *
 * A pack's modules are for another program: they are kept and listed, never loaded, so no pack is usable. Its folder
 * appears and goes by renaming; what an interruption leaves ("NAME-_-...") "cleanup" removes.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "main/server/extpack/pack.h"
#include "main/server/objects.h"

#define UNFINISHED "-_-"
#define DEPTH_MAX  16u

static char *base_folder(const struct service *s)
{
    return g_build_filename(s->config.home, "ExtPacks", NULL);
}

static char *pack_folder(const struct service *s, const char *name, const char *suffix)
{
    g_autofree char *base = base_folder(s), *folder = pack_folder_name(name);
    g_autofree char *whole = g_strconcat(folder, suffix, NULL);

    return g_build_filename(base, whole, NULL);
}

/* A folder of ours and all in it; links are removed, not followed. */
static void remove_tree(const char *path, unsigned depth)
{
    GDir *dir = depth < DEPTH_MAX && !g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? g_dir_open(path, 0, NULL) : NULL;

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *one = g_build_filename(path, name, NULL);
        remove_tree(one, depth + 1);
    }
    if (dir != NULL)
        g_dir_close(dir);
    g_remove(path);
}

/* ---- what is there ---- */

static GVariant *info_variant(const struct pack_info *i)
{
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert(&d, "Name", "s", i->name);
    g_variant_dict_insert(&d, "Description", "s", i->description);
    g_variant_dict_insert(&d, "Version", "s", i->version);
    g_variant_dict_insert(&d, "Revision", "u", i->revision);
    g_variant_dict_insert(&d, "Edition", "s", i->edition);
    g_variant_dict_insert(&d, "VRDEModule", "s", i->vrde_module);
    g_variant_dict_insert(&d, "CryptoModule", "s", i->crypto_module);
    g_variant_dict_insert(&d, "ShowLicense", "b", i->show_license);
    g_variant_dict_insert(&d, "Usable", "b", FALSE);
    g_variant_dict_insert(&d, "WhyUnusable", "s", "Modules of extension packs are not loaded by this program");
    return g_variant_dict_end(&d);
}

static bool read_installed(const char *folder, struct pack_info *ret)
{
    g_autofree char *path = g_build_filename(folder, "ExtPack.xml", NULL), *text = NULL;
    gsize bytes;

    return g_file_get_contents(path, &text, &bytes, NULL) && pack_info_read(path, text, bytes, ret, NULL);
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of folders in our base; @unfinished: those of interrupted work instead. */
static GPtrArray *folders(const struct service *s, bool unfinished)
{
    g_autofree char *base = base_folder(s);
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = g_dir_open(base, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;)
        if ((strstr(name, UNFINISHED) != NULL) == unfinished)
            g_ptr_array_add(all, g_build_filename(base, name, NULL));
    if (dir != NULL)
        g_dir_close(dir);
    g_ptr_array_sort(all, by_text);
    return all;
}

static bool get_installed(struct bus_call *call, GVariant **ret, GError **error)
{
    g_autoptr(GPtrArray) all = folders(call->user, false);
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned k = 0; k < all->len; k++) {
        struct pack_info info = {0};
        if (read_installed(all->pdata[k], &info))
            g_variant_builder_add_value(&b, info_variant(&info));
        pack_info_fini(&info);
    }
    *ret = g_variant_new("(aa{sv})", &b);
    return true;
}

static bool open_file(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *path;

    g_variant_get(call->args, "(&s)", &path);
    struct pack *p = pack_open(path, error);
    if (p == NULL)
        return false;
    g_autofree char *license = pack_license(p);
    *ret = g_variant_new("(@a{sv}s)", info_variant(&p->info), license);
    pack_free(p);
    return true;
}

/* ---- changes ---- */

static bool put_in_place(const char *fresh, const char *place, const char *old, GError **error)
{
    const bool replace = g_file_test(place, G_FILE_TEST_EXISTS);

    if (replace && g_rename(place, old) != 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not move '%s' away: %s", place, g_strerror(errno));
    if (g_rename(fresh, place) == 0)
        return true;
    api_fail(error, VBOX_E_FILE_ERROR, "Could not create '%s': %s", place, g_strerror(errno));
    if (replace)
        g_rename(old, place);
    return false;
}

/* Work on a thread of its own; it reads nothing of the service but its folder. */
struct job {
    const struct service *service;
    unsigned number; /* of its folders */
    char *name;      /* the pack's, or its file */
    bool replace;
};

static char *side_folder(const struct job *j, const char *name, const char *what)
{
    g_autofree char *suffix = g_strdup_printf(UNFINISHED "%s-%u", what, j->number);

    return pack_folder(j->service, name, suffix);
}

static bool install_work(void *data, GError **error)
{
    const struct job *j = data;
    struct pack *p = pack_open(j->name, error);

    if (p == NULL)
        return false;
    g_autofree char *place = pack_folder(j->service, p->info.name, "");
    g_autofree char *fresh = side_folder(j, p->info.name, "inst"), *old = side_folder(j, p->info.name, "uninst");
    bool ok = j->replace || !g_file_test(place, G_FILE_TEST_EXISTS) ||
              api_fail(error, E_FAIL,
                       "Extension pack '%s' is already installed. In case of a reinstallation, please uninstall it "
                       "first",
                       p->info.name);
    ok = ok && pack_write(p, fresh, error) && put_in_place(fresh, place, old, error);
    remove_tree(fresh, 0);
    remove_tree(old, 0);
    pack_free(p);
    return ok;
}

static bool uninstall_work(void *data, GError **error)
{
    const struct job *j = data;
    g_autofree char *place = pack_folder(j->service, j->name, ""), *old = side_folder(j, j->name, "uninst");

    if (g_rename(place, old) != 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not remove '%s': %s", place, g_strerror(errno));
    remove_tree(old, 0);
    return true;
}

static bool cleanup_work(void *data, GError **error)
{
    const struct job *j = data;
    g_autoptr(GPtrArray) all = folders(j->service, true);

    (void)error;
    for (unsigned k = 0; k < all->len; k++)
        remove_tree(all->pdata[k], 0);
    return true;
}

static bool job_done(void *data, bool ok, GError **error)
{
    struct job *j = data;

    (void)ok, (void)error;
    g_free(j->name);
    g_free(j);
    return true;
}

/* @name: copied. Return: the call's answer. */
static GVariant *job_start(struct bus_call *call, const char *description, progress_work_fn work, const char *name,
                           bool replace)
{
    struct service *s = call->user;
    struct progress *p = progress_new(s, call->peer, description);
    struct job *j = g_new0(struct job, 1);

    *j = (struct job){s, s->next_progress, g_strdup(name), replace};
    progress_thread(p, work, job_done, j);
    return progress_reply(p);
}

static bool install(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *path;
    gboolean replace;

    (void)error;
    g_variant_get(call->args, "(&sb)", &path, &replace);
    g_autofree char *text = g_strdup_printf("Installing extension pack '%s'", path);
    *ret = job_start(call, text, install_work, path, replace);
    return true;
}

static bool uninstall(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->user;
    const char *name;

    g_variant_get(call->args, "(&sb)", &name, NULL);
    g_autofree char *plain = pack_folder_name(name), *place = pack_folder(s, name, "");
    const bool named = *plain != '\0' && strchr(plain, '/') == NULL && *plain != '.' && !strstr(plain, UNFINISHED);
    if (!named || !g_file_test(place, G_FILE_TEST_IS_DIR))
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "No extension pack by the name '%s' was found", name);
    g_autofree char *text = g_strdup_printf("Uninstalling extension pack '%s'", name);
    *ret = job_start(call, text, uninstall_work, name, false);
    return true;
}

static bool cleanup(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    *ret = job_start(call, "Cleaning up extension packs", cleanup_work, NULL, false);
    return true;
}

/* One of them by its name, with everything about it; E_* as VirtualBox has it for a pack that is not there. */
static bool find_pack(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name;
    struct pack_info info = {0};

    g_variant_get(call->args, "(&s)", &name);
    g_autofree char *folder = pack_folder(call->user, name, "");
    const bool found = strstr(name, "..") == NULL && strchr(name, '/') == NULL && read_installed(folder, &info);
    if (found)
        *ret = g_variant_new("(@a{sv})", info_variant(&info));
    pack_info_fini(&info);
    return found || api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "No extension pack by the name '%s' was found", name);
}

static bool is_usable(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)call, (void)error;
    *ret = g_variant_new("(b)", FALSE); /* no module is ever loaded */
    return true;
}

/* ---- the object ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    (void)peer;
    return root_find(user, node, "ExtPackManager");
}

static void list(void *user, GPtrArray *nodes)
{
    (void)user;
    g_ptr_array_add(nodes, g_strdup("ExtPackManager"));
}

static const struct bus_method methods[] = {{"GetInstalledExtPacks", get_installed},
                                            {"OpenExtPackFile", open_file},
                                            {"Find", find_pack},
                                            {"IsExtPackUsable", is_usable},
                                            {"Install", install},
                                            {"Uninstall", uninstall},
                                            {"Cleanup", cleanup},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {{NULL, NULL, NULL, NULL}};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_iext_pack_manager_interface, .methods = methods, .properties = properties};
const struct bus_class extpack_class = {
    .folder = API_ROOT, .interfaces = BUS_INTERFACES(&interface), .find = find, .list = list};
