/*
 * floppy.h - a floppy image with a few files, for answers that an installer looks for on one.
 */
#ifndef FRONTENDS_VBOXMANAGE_UNATTENDED_FLOPPY_H
#define FRONTENDS_VBOXMANAGE_UNATTENDED_FLOPPY_H

#include <glib.h>
#include <stdbool.h>

struct floppy_file {
    const char *name;  /* as it is seen: letters, digits and dots */
    const char *alias; /* as DOS sees it, "AUTOUN~1XML": eight and three, filled up with blanks */
    const char *text;
};

/** floppy_write() - a new 1.44 MB image; the file must not exist. All or nothing. */
bool floppy_write(const char *path, const struct floppy_file *files, unsigned count, GError **error);

#endif
