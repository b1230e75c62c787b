/*
 * rom_file.c - finds firmware images of the distribution. Runs at set-up only.
 */
#include "devices/firmware/rom_file.h"

#include <sys/stat.h>

#include "vmm/pdm/dev.h"

static const char *first_existing(const struct rom_search *search)
{
    for (unsigned i = 0; search->paths[i]; i++)
        if (g_file_test(search->paths[i], G_FILE_TEST_EXISTS))
            return search->paths[i];
    return NULL;
}

static void set_missing(const struct rom_search *search, GError **error)
{
    g_autofree char *tried = g_strjoinv(", ", (char **)search->paths);

    g_set_error(error, PDM_ERROR, 0, "No image of %s was found; tried %s. Install the package '%s' (apt install %s)",
                search->what, tried, search->package, search->package);
}

static bool size_fits(const struct rom_search *search, uint64_t bytes)
{
    return bytes >= search->min_bytes && bytes <= search->max_bytes && bytes % search->multiple_bytes == 0;
}

uint8_t *rom_file_load(const struct rom_search *search, const char *path, size_t *ret_bytes, GError **error)
{
    g_autoptr(GError) cause = NULL;
    struct stat st;
    char *bytes;
    gsize size;

    if (!path || !*path)
        path = first_existing(search);
    if (!path) {
        set_missing(search, error);
        return NULL;
    }
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && !size_fits(search, (uint64_t)st.st_size)) {
        g_set_error(error, PDM_ERROR, 0,
                    "%s is no image of %s: it has %" G_GUINT64_FORMAT " bytes, expected %zu to %zu in steps of %zu",
                    path, search->what, (guint64)st.st_size, search->min_bytes, search->max_bytes,
                    search->multiple_bytes);
        return NULL;
    }
    if (!g_file_get_contents(path, &bytes, &size, &cause)) {
        g_set_error(error, PDM_ERROR, 0, "Cannot read %s: %s", search->what, cause->message);
        return NULL;
    }
    if (!size_fits(search, size)) {
        g_free(bytes);
        g_set_error(error, PDM_ERROR, 0, "%s is no image of %s: wrong size", path, search->what);
        return NULL;
    }
    *ret_bytes = size;
    return (uint8_t *)bytes;
}
