/*
 * ova.h - appliances in one file: a tar archive of the descriptor, the disks and the manifest.
 *
 * Reading is for archives from anywhere: only regular files with plain names, none twice, at most OVA_FILES_MAX of
 * them, and never more bytes than the archive has.
 */
#ifndef MAIN_OVF_OVA_H
#define MAIN_OVF_OVA_H

#include <glib.h>
#include <stdbool.h>

#define OVA_FILES_MAX 512u

/** 1/1000 of the work done; false: stop. */
typedef bool (*ova_progress_fn)(void *user, unsigned permille);
/** ova_descriptor() - the first file, which is the descriptor: its name and contents. g_free both. */
bool ova_descriptor(const char *path, char **ret_name, char **ret_text, gsize *ret_size, GError **error);
/** ova_extract() - everything into @folder, which is new and empty. */
bool ova_extract(const char *path, const char *folder, ova_progress_fn progress, void *user, GError **error);
/** ova_pack() - @files of @folder, in that order; the file at @path appears whole or not at all. */
bool ova_pack(const char *path, const char *folder, char *const *files, GError **error);

#endif
