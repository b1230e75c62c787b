/* file_int.h - what machine.c and global.c share: a settings file from its bytes to its model and back. */
#ifndef MAIN_SETTINGS_FILE_INT_H
#define MAIN_SETTINGS_FILE_INT_H

#include "main/settings/file.h"
#include "main/settings/map.h"

/** Makes @f that of the file @path (relative to the working directory or absolute) which need not exist. */
void file_init(struct settings_file *f, const struct fio *io, const char *path);
void file_fini(struct settings_file *f);
/** The same file, for a copy of the model. */
void file_copy(struct settings_file *to, const struct settings_file *from);

/** Fills the zeroed @model of @kind, and @f, from the file. */
bool file_load(struct settings_file *f, enum settings_kind kind, void *model, GError **error);
bool file_save(struct settings_file *f, enum settings_kind kind, const void *model, GError **error);
/** The text @model would be saved as; it has been checked. */
char *file_text(const struct settings_file *f, enum settings_kind kind, const void *model, unsigned *ret_version);
bool file_check(const struct settings_file *f, enum settings_kind kind, const void *model, GError **error);
/** Reads @bytes as file_load() would do; @path is for messages. For tests that make their own bytes. */
bool file_parse(struct settings_file *f, enum settings_kind kind, const void *bytes, size_t size, void *model,
                GError **error);

#endif
