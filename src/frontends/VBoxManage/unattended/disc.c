/*
 * disc.c - a copy of an installation disc that starts its installer with our answers.
 *
 * xorriso copies the disc as it boots, and puts three files on top: the answers, and menus of ISOLINUX and GRUB with
 * one entry. (Debian GNU/Linux Installation Guide, 5.3: auto, priority, file.)
 */
#include "frontends/VBoxManage/unattended/unattended.h"

#include <glib/gstdio.h>
#include <string.h>

#define SCRIPT "preseed.cfg"
#define BOOT   "auto=true priority=critical file=/cdrom/" SCRIPT

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

/* "/install.amd"; g_free. */
static char *kernel_folder(const char *iso, GError **error)
{
    static const char *const known[] = {"/install.amd", "/install.386", "/install.a64"};
    char *argv[] = {"xorriso", "-osirrox",  "on", "-indev", (char *)iso, "-find",
                    "/",       "-maxdepth", "2",  "-name",  "vmlinuz",   NULL};
    g_autofree char *out = NULL;

    if (!run(argv, &out, error))
        return NULL;
    for (unsigned k = 0; k < G_N_ELEMENTS(known); k++) {
        g_autofree char *file = g_strdup_printf("'%s/vmlinuz'", known[k]);
        if (strstr(out, file) != NULL)
            return g_strdup(known[k]);
    }
    g_set_error(error, UNATTENDED_ERROR, 0, "'%s' has no kernel of the Debian installer; use an installation disc",
                iso);
    return NULL;
}

static bool put(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error);
}

static bool write_files(const char *folder, const char *script, const char *kernel, const char *more, GError **error)
{
    g_autofree char *isolinux =
        g_strdup_printf("default unattended\nprompt 0\ntimeout 10\nlabel unattended\n  kernel %s/vmlinuz\n"
                        "  append initrd=%s/initrd.gz " BOOT "%s%s --- quiet\n",
                        kernel, kernel, *more != '\0' ? " " : "", more);
    g_autofree char *grub = g_strdup_printf("set timeout=1\nmenuentry 'Unattended installation' {\n"
                                            "  linux %s/vmlinuz " BOOT "%s%s --- quiet\n  initrd %s/initrd.gz\n}\n",
                                            kernel, *more != '\0' ? " " : "", more, kernel);

    return put(folder, SCRIPT, script, error) && put(folder, "isolinux.cfg", isolinux, error) &&
           put(folder, "grub.cfg", grub, error);
}

static bool make(const char *iso, const char *path, const char *folder, GError **error)
{
    g_autofree char *script = g_build_filename(folder, SCRIPT, NULL);
    g_autofree char *isolinux = g_build_filename(folder, "isolinux.cfg", NULL);
    g_autofree char *grub = g_build_filename(folder, "grub.cfg", NULL);
    char *argv[] = {"xorriso",
                    "-return_with",
                    "FAILURE",
                    "32",
                    "-indev",
                    (char *)iso,
                    "-outdev",
                    (char *)path,
                    "-map",
                    script,
                    "/" SCRIPT,
                    "-map",
                    isolinux,
                    "/isolinux/isolinux.cfg",
                    "-map",
                    grub,
                    "/boot/grub/grub.cfg",
                    "-chmod_r",
                    "a+r",
                    "/" SCRIPT,
                    "/isolinux/isolinux.cfg",
                    "/boot/grub/grub.cfg",
                    "--",
                    "-boot_image",
                    "any",
                    "replay",
                    "-commit_eject",
                    "none",
                    NULL};
    g_autofree char *out = NULL;

    return run(argv, &out, error);
}

static void clean(const char *folder)
{
    static const char *const names[] = {SCRIPT, "isolinux.cfg", "grub.cfg"};

    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++) {
        g_autofree char *path = g_build_filename(folder, names[k], NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}

bool unattended_disc(const char *iso, const char *path, const char *script, const char *kernel_parameters,
                     GError **error)
{
    g_autofree char *kernel = kernel_folder(iso, error);
    g_autofree char *folder = kernel != NULL ? g_dir_make_tmp("unattended-XXXXXX", error) : NULL;

    if (folder == NULL)
        return false;
    bool ok = write_files(folder, script, kernel, kernel_parameters, error) && make(iso, path, folder, error);
    clean(folder);
    if (!ok)
        g_unlink(path);
    return ok;
}
