/*
 * manifest.h - manifests of appliances: "SHA256(disk.vmdk)= 0123..." a line.
 */
#ifndef MAIN_OVF_MANIFEST_H
#define MAIN_OVF_MANIFEST_H

#include <glib.h>
#include <stdbool.h>

/** manifest_check() - every line's file in @folder has that digest; @text is hostile. @path is for messages. */
bool manifest_check(const char *path, const char *text, const char *folder, GError **error);
/** manifest_text() - of @files (plain names, end: NULL) in @folder. g_free; NULL with @error. */
char *manifest_text(const char *folder, char *const *files, GChecksumType type, GError **error);
/** The digest of a file in hexadecimal; g_free. */
char *manifest_digest(const char *path, GChecksumType type, GError **error);

#endif
