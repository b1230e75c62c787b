/*
 * pack.c - see pack.h. libarchive reads the archive: tar and gzip, nothing else.
 */
#include "main/server/extpack/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "main/api/api.h"
#include "main/settings/xml.h"

#define CHUNK_BYTES (1u << 18)
#define NAME_MIN    3u
#define NAME_MAX_   64u
#define PATH_MAX_   200u
#define INFO_FILE   "ExtPack.xml"
#define DIGESTS     "ExtPack.manifest"
#define SIGNATURE   "ExtPack.signature"
#define LICENSE     "ExtPack-license.txt"

static bool fail(const char *path, GError **error, const char *what, const char *which)
{
    return api_fail(error, E_FAIL, "Failed to open the extension pack '%s': %s%s%s%s", path, what,
                    which != NULL ? " '" : "", which != NULL ? which : "", which != NULL ? "'" : "");
}

/* ---- ExtPack.xml ---- */

void pack_info_fini(struct pack_info *info)
{
    g_free(info->name);
    g_free(info->description);
    g_free(info->version);
    g_free(info->edition);
    g_free(info->vrde_module);
    g_free(info->crypto_module);
    *info = (struct pack_info){0};
}

static bool is_name(const char *name)
{
    const size_t length = name != NULL ? strlen(name) : 0;

    for (size_t k = 0; k < length; k++)
        if (!g_ascii_isalnum(name[k]) && name[k] != ' ')
            return false;
    return length >= NAME_MIN && length <= NAME_MAX_ && name[0] != ' ' && name[length - 1] != ' ';
}

/* One line for a terminal. */
static char *line_of(const struct xml_node *root, const char *element)
{
    const struct xml_node *n = xml_child(root, element);
    char *text = g_strdup(n != NULL && n->text != NULL ? n->text : "");

    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    return g_strstrip(text);
}

bool pack_info_read(const char *path, const char *text, gsize bytes, struct pack_info *ret, GError **error)
{
    g_autoptr(GError) why = NULL;
    struct xml_doc *doc = xml_parse(path, text, bytes, &why);

    if (doc == NULL)
        return fail(path, error, why->message, NULL);
    const struct xml_node *root = xml_root(doc), *version = xml_child(root, "Version");
    const char *revision = xml_get(version, "revision"), *edition = xml_get(version, "edition");
    struct pack_info info = {.name = line_of(root, "Name"),
                             .description = line_of(root, "Description"),
                             .version = line_of(root, "Version"),
                             .edition = g_strdup(edition != NULL ? edition : ""),
                             .vrde_module = line_of(root, "VRDEModule"),
                             .crypto_module = line_of(root, "CryptoModule"),
                             .revision = revision != NULL ? (unsigned)g_ascii_strtoull(revision, NULL, 10) : 0,
                             .show_license = xml_child(root, "ShowLicense") != NULL};
    bool ok = g_strcmp0(root->name, "VirtualBoxExtensionPack") == 0 ||
              fail(path, error, INFO_FILE " describes no extension pack", NULL);
    ok = ok && (is_name(info.name) || fail(path, error, "this is no name of an extension pack:", info.name));
    xml_unref(doc);
    if (ok)
        *ret = info;
    else
        pack_info_fini(&info);
    return ok;
}

char *pack_folder_name(const char *name)
{
    return g_strdelimit(g_strdup(name), " ", '_');
}

/* ---- the archive ---- */

/* "linux.amd64/VBoxX.so", "./ExtPack.xml": components of a portable set, no ".."; the name without "./". NULL: no. */
static const char *plain_path(const char *name)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+/";

    if (name == NULL)
        return NULL;
    if (g_str_has_prefix(name, "./"))
        name += 2;
    if (strlen(name) > PATH_MAX_ || name[0] == '/' || strspn(name, allowed) != strlen(name))
        return NULL;
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    for (unsigned k = 0; parts[k] != NULL; k++) {
        const bool last = parts[k + 1] == NULL;
        if ((*parts[k] == '\0' && !last) || *parts[k] == '.')
            return NULL;
    }
    return name;
}

static GBytes *read_file(const char *path, struct archive *a, gsize *total, GError **error)
{
    GByteArray *bytes = g_byte_array_new();
    g_autofree guint8 *buf = g_malloc(CHUNK_BYTES);
    la_ssize_t n;

    while ((n = archive_read_data(a, buf, CHUNK_BYTES)) > 0 && *total + (gsize)n <= PACK_BYTES_MAX) {
        g_byte_array_append(bytes, buf, (guint)n);
        *total += (gsize)n;
    }
    if (n == 0)
        return g_byte_array_free_to_bytes(bytes);
    g_byte_array_unref(bytes);
    fail(path, error, n < 0 ? archive_error_string(a) : "it is larger than 256 MB", NULL);
    return NULL;
}

static bool take_entry(const char *path, struct pack *p, struct archive *a, struct archive_entry *e, gsize *total,
                       GError **error)
{
    const char *whole = archive_entry_pathname(e), *name = plain_path(whole);

    if (name == NULL)
        return fail(path, error, "it holds a file with a name that is not allowed", NULL);
    if (archive_entry_filetype(e) == AE_IFDIR)
        return true;
    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) != NULL || *name == '\0' ||
        g_str_has_suffix(name, "/"))
        return fail(path, error, "it holds something else than files and folders:", whole);
    if (g_hash_table_contains(p->files, name))
        return fail(path, error, "it holds a file twice:", name);
    if (g_hash_table_size(p->files) == PACK_FILES_MAX)
        return fail(path, error, "it holds too many files", NULL);
    GBytes *bytes = read_file(path, a, total, error);
    if (bytes != NULL)
        g_hash_table_insert(p->files, g_strdup(name), bytes);
    return bytes != NULL;
}

static bool read_all(const char *path, struct pack *p, GError **error)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    gsize total = 0;
    bool ok;
    int rc;

    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    ok = archive_read_open_filename(a, path, CHUNK_BYTES) == ARCHIVE_OK ||
         fail(path, error, archive_error_string(a), NULL);
    while (ok && (rc = archive_read_next_header(a, &e)) != ARCHIVE_EOF)
        ok = rc == ARCHIVE_OK ? take_entry(path, p, a, e, &total, error)
                              : fail(path, error, archive_error_string(a), NULL);
    archive_read_free(a);
    return ok;
}

/* ---- the manifest: "SHA512 (name) = hex" a line ---- */

static bool check_line(const char *path, const struct pack *p, const char *line, GHashTable *seen, GError **error)
{
    static const struct {
        const char *name;
        GChecksumType type;
    } digests[] = {{"SHA256", G_CHECKSUM_SHA256}, {"SHA384", G_CHECKSUM_SHA384}, {"SHA512", G_CHECKSUM_SHA512}};
    g_autoptr(GRegex) shape = g_regex_new("^(\\w+) ?\\((?:\\./)?([^()]+)\\) ?= ?([0-9a-fA-F]+)$", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!g_regex_match(shape, line, 0, &match))
        return fail(path, error, "its manifest has a line that is none", NULL);
    g_autofree char *digest = g_match_info_fetch(match, 1), *name = g_match_info_fetch(match, 2);
    g_autofree char *wanted = g_match_info_fetch(match, 3);
    GBytes *bytes = g_hash_table_lookup(p->files, name);
    if (bytes == NULL)
        return fail(path, error, "its manifest lists a file it does not hold:", name);
    for (unsigned k = 0; k < G_N_ELEMENTS(digests); k++) {
        if (strcmp(digests[k].name, digest) != 0)
            continue;
        g_autofree char *is = g_compute_checksum_for_bytes(digests[k].type, bytes);
        g_hash_table_add(seen, g_steal_pointer(&name));
        return g_ascii_strcasecmp(is, wanted) == 0 ||
               fail(path, error, "the digest of a file is not what its manifest says (VERR_MANIFEST_DIGEST_MISMATCH)",
                    NULL);
    }
    return true; /* sizes, and digests nobody trusts: another line must be there */
}

static bool check_manifest(const char *path, const struct pack *p, GError **error)
{
    GBytes *manifest = g_hash_table_lookup(p->files, DIGESTS);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter all;
    gpointer name;
    gsize size = 0;
    const char *bytes = manifest != NULL ? g_bytes_get_data(manifest, &size) : NULL;

    if (bytes == NULL)
        return fail(path, error, "it has no file", DIGESTS);
    g_autofree char *text = g_strndup(bytes, size);
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
    for (unsigned k = 0; lines[k] != NULL; k++)
        if (*g_strstrip(lines[k]) != '\0' && !check_line(path, p, lines[k], seen, error))
            return false;
    g_hash_table_iter_init(&all, p->files);
    while (g_hash_table_iter_next(&all, &name, NULL))
        if (strcmp(name, DIGESTS) != 0 && strcmp(name, SIGNATURE) != 0 && !g_hash_table_contains(seen, name))
            return fail(path, error, "its manifest has no digest of", name);
    return true;
}

/* ---- the whole ---- */

static bool read_info(const char *path, struct pack *p, GError **error)
{
    GBytes *bytes = g_hash_table_lookup(p->files, INFO_FILE);
    gsize size = 0;
    const char *text = bytes != NULL ? g_bytes_get_data(bytes, &size) : NULL;

    return text != NULL ? pack_info_read(path, text, size, &p->info, error)
                        : fail(path, error, "it has no file", INFO_FILE);
}

struct pack *pack_open(const char *path, GError **error)
{
    struct pack *p = g_new0(struct pack, 1);

    p->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    if (read_all(path, p, error) && check_manifest(path, p, error) && read_info(path, p, error))
        return p;
    pack_free(p);
    return NULL;
}

void pack_free(struct pack *p)
{
    if (p == NULL)
        return;
    pack_info_fini(&p->info);
    g_hash_table_unref(p->files);
    g_free(p);
}

char *pack_license(const struct pack *p)
{
    GBytes *bytes = g_hash_table_lookup(p->files, LICENSE);
    gsize size = 0;
    const char *text = bytes != NULL ? g_bytes_get_data(bytes, &size) : NULL;

    return text != NULL ? g_utf8_make_valid(text, (gssize)size) : g_strdup("");
}

static bool write_file(const char *target, GBytes *bytes, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(target);
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);

    if (g_mkdir_with_parents(folder, 0700) != 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not create the folder '%s': %s", folder, g_strerror(errno));
    return g_file_set_contents_full(target, data != NULL ? data : "", (gssize)size, G_FILE_SET_CONTENTS_DURABLE, 0600,
                                    error) ||
           api_wrap(error, VBOX_E_FILE_ERROR);
}

bool pack_write(const struct pack *p, const char *folder, GError **error)
{
    gpointer name, bytes;
    GHashTableIter all;

    g_hash_table_iter_init(&all, p->files);
    while (g_hash_table_iter_next(&all, &name, &bytes)) {
        g_autofree char *target = g_build_filename(folder, name, NULL);
        if (!write_file(target, bytes, error))
            return false;
    }
    return true;
}
