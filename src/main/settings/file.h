/*
 * file.h - the settings file as a file: which version, which bytes were read, how it is replaced.
 *
 * Saving. The new text goes to a temporary file, is synced and renamed over the old one, which stays as FILE-prev: a
 * complete file of that name exists at every instant. A file that is not the one that was read (another service, an
 * editor) is not overwritten: SETTINGS_ERROR_CHANGED. When the version has to rise, the old file is copied to
 * NAME-<old version>.<ext> first, unless that exists.
 */
#ifndef MAIN_SETTINGS_FILE_H
#define MAIN_SETTINGS_FILE_H

#include <glib.h>
#include <stdbool.h>

#include "rt/fio.h"

#define SETTINGS_ERROR (g_quark_from_static_string("settings"))
enum settings_error {
    SETTINGS_ERROR_FILE,    /* cannot be opened, read or written */
    SETTINGS_ERROR_XML,     /* not XML, or more than a settings file may be */
    SETTINGS_ERROR_VALUE,   /* XML, but not valid settings; text names file and line */
    SETTINGS_ERROR_VERSION, /* too old to be read, or written by a later version and therefore not saved */
    SETTINGS_ERROR_CHANGED, /* somebody else has changed the file since it was read */
};

/* Settings versions are 1.MINOR; only MINOR is kept. */
#define SETTINGS_OLDEST_READ    2
#define SETTINGS_OLDEST_WRITTEN 7
#define SETTINGS_NEW            12 /* of a new file; more only if something needs it */
#define SETTINGS_NEWEST         20

struct kept;
struct settings_file {
    const struct fio *io;
    char *path, *folder; /* absolute */
    unsigned version;    /* minor version read, raised by saving; later than SETTINGS_NEWEST = cannot be saved */
    char *version_text;  /* as read, e.g. "1.16-linux"; NULL = there was no file */
    char *checksum;      /* of the bytes read or last saved; NULL = there was no file */
    char *attempted;     /* of the bytes a failed save may have left in place after all; NULL = none */
    bool backed_up;      /* the version has risen since it was read */
    struct kept *kept;
};

enum settings_kind { SETTINGS_MACHINE, SETTINGS_GLOBAL };

/**
 * settings_previous() - the path of a readable FILE-prev, or NULL. To be offered when FILE itself cannot be read.
 */
char *settings_previous(const struct fio *io, const char *path, enum settings_kind kind);
/**
 * settings_restore_previous() - puts FILE-prev in FILE's place. The bad file is kept as FILE.corrupt-<number>.
 */
bool settings_restore_previous(const struct fio *io, const char *path, enum settings_kind kind, GError **error);
/** settings_file_changed() - whether the file is no longer the one that was read or saved last. */
bool settings_file_changed(const struct settings_file *f);

#endif
