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

static bool install(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->user;
    const char *path;
    gboolean replace;

    g_variant_get(call->args, "(&sb)", &path, &replace);
    struct pack *p = pack_open(path, error);
    if (p == NULL)
        return false;
    g_autofree char *place = pack_folder(s, p->info.name, ""), *fresh = pack_folder(s, p->info.name, UNFINISHED "inst");
    g_autofree char *old = pack_folder(s, p->info.name, UNFINISHED "uninst");
    bool ok = replace || !g_file_test(place, G_FILE_TEST_EXISTS) ||
              api_fail(error, E_FAIL,
                       "Extension pack '%s' is already installed. In case of a reinstallation, please uninstall it "
                       "first",
                       p->info.name);
    remove_tree(fresh, 0);
    remove_tree(old, 0);
    ok = ok && pack_write(p, fresh, error) && put_in_place(fresh, place, old, error);
    remove_tree(fresh, 0);
    remove_tree(old, 0);
    *ret = ok ? g_variant_new("(s)", p->info.name) : NULL;
    pack_free(p);
    return ok;
}

static bool uninstall(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->user;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(&sb)", &name, NULL);
    g_autofree char *plain = pack_folder_name(name);
    g_autofree char *place = pack_folder(s, name, ""), *old = pack_folder(s, name, UNFINISHED "uninst");
    const bool named = *plain != '\0' && strchr(plain, '/') == NULL && *plain != '.' && !strstr(plain, UNFINISHED);
    if (!named || !g_file_test(place, G_FILE_TEST_IS_DIR))
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "No extension pack by the name '%s' was found", name);
    remove_tree(old, 0);
    if (g_rename(place, old) != 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not remove '%s': %s", place, g_strerror(errno));
    remove_tree(old, 0);
    return true;
}

static bool cleanup(struct bus_call *call, GVariant **ret, GError **error)
{
    g_autoptr(GPtrArray) all = folders(call->user, true);

    (void)ret, (void)error;
    for (unsigned k = 0; k < all->len; k++)
        remove_tree(all->pdata[k], 0);
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
                                            {"Install", install},
                                            {"Uninstall", uninstall},
                                            {"Cleanup", cleanup},
                                            {NULL, NULL}};
static const struct bus_property properties[] = {{NULL, NULL, NULL, NULL}};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_iext_pack_manager_interface, .methods = methods, .properties = properties};
const struct bus_class extpack_class = {
    .folder = API_ROOT, .interfaces = BUS_INTERFACES(&interface), .find = find, .list = list};
