/*
 * manifest.c - see manifest.h. Source: DSP0243, 5.1: digests SHA1, SHA256.
 */
#include "main/ovf/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "main/ovf/ovf.h"

#define CHUNK_BYTES (1u << 20)
#define LINES_MAX   1024u

static const struct {
    const char *name;
    GChecksumType type;
} digests[] = {{"SHA1", G_CHECKSUM_SHA1}, {"SHA256", G_CHECKSUM_SHA256}, {"SHA512", G_CHECKSUM_SHA512}};

char *manifest_digest(const char *path, GChecksumType type, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    g_autofree guchar *buf = g_malloc(CHUNK_BYTES);
    g_autoptr(GChecksum) sum = g_checksum_new(type);
    ssize_t n = -1;

    while (fd >= 0 && (n = read(fd, buf, CHUNK_BYTES)) > 0)
        g_checksum_update(sum, buf, n);
    if (n < 0)
        g_set_error(error, OVF_ERROR, 0, "Could not read '%s': %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return n == 0 ? g_strdup(g_checksum_get_string(sum)) : NULL;
}

/* "SHA1 (name) = hex" with or without blanks. */
static bool split_line(char *line, GChecksumType *ret_type, const char **ret_name, const char **ret_hex)
{
    char *open = strchr(line, '('), *close = strrchr(line, ')');
    char *equals = close != NULL ? strchr(close, '=') : NULL;

    if (open == NULL || close == NULL || close < open || equals == NULL)
        return false;
    *open = *close = '\0';
    g_strstrip(line);
    for (unsigned k = 0; k < G_N_ELEMENTS(digests); k++) {
        if (g_ascii_strcasecmp(digests[k].name, line) != 0)
            continue;
        *ret_type = digests[k].type;
        *ret_name = open + 1;
        *ret_hex = g_strstrip(equals + 1);
        return ovf_plain_name(*ret_name);
    }
    return false;
}

static bool check_line(const char *path, char *line, const char *folder, GError **error)
{
    GChecksumType type;
    const char *name, *wanted;
    g_autofree char *whole = g_strdup(line);

    if (!split_line(line, &type, &name, &wanted)) {
        g_set_error(error, OVF_ERROR, 0, "The manifest '%s' has a line that is none: '%s'", path, whole);
        return false;
    }
    g_autofree char *file = g_build_filename(folder, name, NULL);
    g_autofree char *digest = manifest_digest(file, type, error);
    if (digest == NULL)
        return false;
    if (g_ascii_strcasecmp(digest, wanted) == 0)
        return true;
    g_set_error(error, OVF_ERROR, 0,
                "The digest of '%s' does not match the one in '%s' (VERR_MANIFEST_DIGEST_MISMATCH)", name, path);
    return false;
}

bool manifest_check(const char *path, const char *text, const char *folder, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", LINES_MAX);

    for (unsigned k = 0; lines[k] != NULL; k++) {
        g_strstrip(lines[k]);
        if (*lines[k] != '\0' && !check_line(path, lines[k], folder, error))
            return false;
    }
    return true;
}

char *manifest_text(const char *folder, char *const *files, GChecksumType type, GError **error)
{
    GString *text = g_string_new(NULL);

    for (unsigned k = 0; files[k] != NULL; k++) {
        g_autofree char *path = g_build_filename(folder, files[k], NULL);
        g_autofree char *digest = manifest_digest(path, type, error);
        if (digest == NULL) {
            g_string_free(text, TRUE);
            return NULL;
        }
        g_string_append_printf(text, "%s(%s)= %s\n", type == G_CHECKSUM_SHA1 ? "SHA1" : "SHA256", files[k], digest);
    }
    return g_string_free(text, FALSE);
}
