/*
 * unattended.h - unattended installation: what a disc holds, the answers for its installer, the disc made of both.
 *
 * The system's own installer does the work; it is told everything by a file of answers, on a copy of its disc or, for
 * Windows, on a floppy.
 */
#ifndef FRONTENDS_VBOXMANAGE_UNATTENDED_UNATTENDED_H
#define FRONTENDS_VBOXMANAGE_UNATTENDED_UNATTENDED_H

#include <glib.h>
#include <stdbool.h>

/* ---- detect.c ---- */

struct unattended_system {
    const char *id, *type, *version; /* libosinfo's, a guest type's, "12" */
    const char *installer;           /* what reads the answers: "debian"; NULL: none we can write for */
};
/** unattended_detect() - libosinfo's word, else the disc's own label. NULL: not known. */
const struct unattended_system *unattended_detect(const char *iso);

/* ---- installers.c ---- */

struct unattended_values;
enum unattended_escape { ESCAPE_NONE, ESCAPE_QUOTES, ESCAPE_XML }; /* how free text stands in a script */
#define UNATTENDED_KERNELS 3
struct unattended_installer {
    const char *name;
    const char *script; /* the template */
    enum unattended_escape escape;
    const char *file;                           /* where the script is on the disc */
    const char *beside;                         /* an empty file the installer looks for, or NULL */
    const char *boot, *last;                    /* the kernel's words that lead to it, and what follows the user's */
    const char *kernels[UNATTENDED_KERNELS][2]; /* kernel and initial ramdisk, one of them is on the disc */
    const char *isolinux, *grub;                /* the menus that are replaced */
    bool floppy; /* the script is alone on a floppy, the disc stays as it is; nothing above is used */
    /** More values than all scripts have; NULL: none. */
    bool (*fill)(GHashTable *values, const struct unattended_values *v, GError **error);
};
const struct unattended_installer *unattended_installer_find(const char *name);

/* ---- script.c ---- */

/* What the installed system is to be; all texts are set. */
struct unattended_values {
    char *user, *password, *admin_password, *full_name, *locale, *country, *time_zone, *hostname, *proxy, *packages,
        *post_command, *kernel_parameters, *product_key, *language, *image_index;
    bool clock_utc, efi, is_64_bit, windows_11;
};
void unattended_values_fini(struct unattended_values *v);
/** Whether every value can stand in a script; the first that cannot is named. */
bool unattended_values_check(const struct unattended_values *v, GError **error);
/** unattended_script() - @template's text with each @@VBOX_INSERT_NAME@@ replaced; NULL: the installer's own. g_free */
char *unattended_script(const struct unattended_installer *i, const char *template, const struct unattended_values *v,
                        GError **error);

/* ---- windows.c ---- */

extern const char unattended_windows_script[];
bool unattended_windows_fill(GHashTable *values, const struct unattended_values *v, GError **error);

/* ---- disc.c ---- */

/** unattended_disc() - @path, a copy of @iso whose boot menu starts the installer with the script; by xorriso. */
bool unattended_disc(const struct unattended_installer *i, const char *iso, const char *path, const char *script,
                     const char *kernel_parameters, GError **error);

#define UNATTENDED_ERROR (g_quark_from_static_string("unattended"))

#endif
