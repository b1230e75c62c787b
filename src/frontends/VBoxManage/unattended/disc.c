/*
 * disc.c - a copy of an installation disc that starts its installer with our answers.
 *
 * xorriso copies the disc as it boots, and puts a few files on top: the answers, and menus of ISOLINUX and GRUB with
 * one entry.
 */
#include "frontends/VBoxManage/unattended/unattended.h"

#include <glib/gstdio.h>
#include <string.h>

static bool run(char **argv, char **ret_out, GError **error)
{
    g_autofree char *said = NULL;
    int status;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, ret_out, &said, &status, error))
        return false;
    if (g_spawn_check_wait_status(status, NULL))
        return true;
    char *last = g_strrstr(g_strchomp(said), "\n");
    g_set_error(error, UNATTENDED_ERROR, 0, "xorriso could not make the disc: %s", last != NULL ? last + 1 : said);
    return false;
}

/* The kernel and initial ramdisk that are there; NULL: none. */
static const char *const *find_kernel(const struct unattended_installer *i, const char *iso, GError **error)
{
    char *argv[] = {"xorriso", "-osirrox",  "on", "-indev", (char *)iso, "-find",
                    "/",       "-maxdepth", "4",  "-type",  "f",         NULL};
    g_autofree char *out = NULL;

    if (!run(argv, &out, error))
        return NULL;
    for (unsigned k = 0; k < UNATTENDED_KERNELS && i->kernels[k][0] != NULL; k++) {
        g_autofree char *file = g_strdup_printf("'%s'", i->kernels[k][0]);
        if (strstr(out, file) != NULL)
            return i->kernels[k];
    }
    g_set_error(error, UNATTENDED_ERROR, 0,
                "'%s' has no kernel of the installer (%s); use an installation disc, no live one", iso, i->name);
    return NULL;
}

static bool put(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error);
}

/* What the copy gets: files of ours, and their places on the disc. */
static const char *const ours[] = {"script", "beside", "isolinux.cfg", "grub.cfg"};

static const char *place_of(const struct unattended_installer *i, unsigned file)
{
    const char *const places[G_N_ELEMENTS(ours)] = {i->file, i->beside, i->isolinux, i->grub};

    return places[file];
}

static bool write_files(const char *folder, const struct unattended_installer *i, const char *script,
                        const char *const kernel[2], const char *more, GError **error)
{
    g_autofree char *words = g_strconcat(i->boot, *more != '\0' ? " " : "", more, i->last, NULL);
    g_auto(GStrv) bare = g_strsplit(words, "\"", -1); /* ISOLINUX knows no quotes */
    g_autofree char *unquoted = g_strjoinv("", bare);
    g_autofree char *isolinux = g_strdup_printf(
        "default unattended\nprompt 0\ntimeout 10\nlabel unattended\n  kernel %s\n  append initrd=%s %s\n", kernel[0],
        kernel[1], unquoted);
    g_autofree char *grub =
        g_strdup_printf("set timeout=1\nmenuentry 'Unattended installation' {\n  linux %s %s\n  initrd %s\n}\n",
                        kernel[0], words, kernel[1]);

    return put(folder, "script", script, error) && put(folder, "beside", "", error) &&
           put(folder, "isolinux.cfg", isolinux, error) && put(folder, "grub.cfg", grub, error);
}

static bool make(const struct unattended_installer *i, const char *iso, const char *path, const char *folder,
                 GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *out = NULL;
    const char *const first[] = {"xorriso", "-return_with", "FAILURE", "32", "-indev", iso, "-outdev", path};
    const char *const last[] = {"--", "-boot_image", "any", "replay", "-commit_eject", "none"};

    for (unsigned k = 0; k < G_N_ELEMENTS(first); k++)
        g_ptr_array_add(argv, g_strdup(first[k]));
    for (unsigned k = 0; k < G_N_ELEMENTS(ours); k++) {
        if (place_of(i, k) == NULL)
            continue;
        g_ptr_array_add(argv, g_strdup("-map"));
        g_ptr_array_add(argv, g_build_filename(folder, ours[k], NULL));
        g_ptr_array_add(argv, g_strdup(place_of(i, k)));
    }
    g_ptr_array_add(argv, g_strdup("-chmod_r"));
    g_ptr_array_add(argv, g_strdup("a+r"));
    for (unsigned k = 0; k < G_N_ELEMENTS(ours); k++)
        if (place_of(i, k) != NULL)
            g_ptr_array_add(argv, g_strdup(place_of(i, k)));
    for (unsigned k = 0; k < G_N_ELEMENTS(last); k++)
        g_ptr_array_add(argv, g_strdup(last[k]));
    g_ptr_array_add(argv, NULL);
    return run((char **)argv->pdata, &out, error);
}

static void clean(const char *folder)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(ours); k++) {
        g_autofree char *path = g_build_filename(folder, ours[k], NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}

bool unattended_disc(const struct unattended_installer *i, const char *iso, const char *path, const char *script,
                     const char *kernel_parameters, GError **error)
{
    const char *const *kernel = find_kernel(i, iso, error);
    g_autofree char *folder = kernel != NULL ? g_dir_make_tmp("unattended-XXXXXX", error) : NULL;

    if (folder == NULL)
        return false;
    bool ok = write_files(folder, i, script, kernel, kernel_parameters, error) && make(i, iso, path, folder, error);
    clean(folder);
    if (!ok)
        g_unlink(path);
    return ok;
}
