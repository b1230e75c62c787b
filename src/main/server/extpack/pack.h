/*
 * pack.h - an extension pack as an archive: read whole, checked whole, then taken or refused.
 *
 * A pack is a tar file, perhaps compressed by gzip: ExtPack.xml says what it is, ExtPack.manifest has the digests of
 * all its files. It may come from anywhere: plain files and folders below it only, bounded sizes, every file listed and
 * right. Nothing in it is ever executed or loaded.
 */
#ifndef MAIN_SERVER_EXTPACK_PACK_H
#define MAIN_SERVER_EXTPACK_PACK_H

#include <glib.h>
#include <stdbool.h>

#define PACK_FILES_MAX 1024u
#define PACK_BYTES_MAX (256u << 20)

/* What ExtPack.xml says. */
struct pack_info {
    char *name, *description, *version, *edition, *vrde_module, *crypto_module;
    unsigned revision;
    bool show_license;
};
void pack_info_fini(struct pack_info *info);
/** pack_info_read() - @path is for messages. */
bool pack_info_read(const char *path, const char *text, gsize bytes, struct pack_info *ret, GError **error);
/** The name as a folder's: blanks become underscores; g_free. */
char *pack_folder_name(const char *name);

struct pack {
    struct pack_info info;
    GHashTable *files; /* relative path -> GBytes */
};
struct pack *pack_open(const char *path, GError **error);
void pack_free(struct pack *p); /* NULL is fine */
/** The license as text; "" if it has none. g_free */
char *pack_license(const struct pack *p);
/** pack_write() - its files into the new folder @folder; on failure what was written is still there. */
bool pack_write(const struct pack *p, const char *folder, GError **error);

#endif
