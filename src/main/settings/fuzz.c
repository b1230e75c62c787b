/*
 * fuzz.c - libFuzzer target for the readers of both kinds of settings files. fuzz_test.c runs a short table through it,
 * test/long/settings-fuzz a campaign.
 *
 * Property: what is read can be written, and what is written reads back equal.
 */
#include "main/settings/fuzz.h"

#include <string.h>

#include "main/settings/file_int.h"
#include "main/settings/map_diff.h"
#include "main/settings/map_rows.h"

static const struct {
    enum settings_kind kind;
    const struct map_type *type;
} readers[] = {{SETTINGS_MACHINE, &map_machine}, {SETTINGS_GLOBAL, &map_global}};

static bool parse(struct settings_file *f, unsigned n, const void *bytes, size_t size, void *model)
{
    g_autoptr(GError) error = NULL;

    file_init(f, fio_system(), "/x/settings");
    bool ok = file_parse(f, readers[n].kind, bytes, size, model, &error);
    g_assert(ok == (error == NULL));
    return ok;
}

/*
 * Writes @model and reads it; the two must be equal. Up to 1.18 an old layout may have put what it has no order or
 * number for (drives, recorded screens) in a way of its own: then that must be stable.
 */
static void read_back(const struct settings_file *f, unsigned n, const void *model, bool again)
{
    g_autofree char *bad = map_check(readers[n].type, model, "model");
    struct settings_file second_file = {0};
    void *second = g_malloc0(readers[n].type->size);
    unsigned version = 0;

    g_assert(bad == NULL);
    g_autofree char *text = file_text(f, readers[n].kind, model, &version);
    if (!parse(&second_file, n, text, strlen(text), second))
        g_error("cannot be read back:\n%s", text);
    g_autofree char *differs = map_difference(readers[n].type, model, second);
    bool equal = map_equal(readers[n].type, model, second);
    if (!equal && (again || version >= 19))
        g_error("differs after reading back: %s\n%s", differs != NULL ? differs : "what was kept", text);
    if (!equal)
        read_back(&second_file, n, second, true);
    file_fini(&second_file);
    map_free(readers[n].type, second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(readers); n++) {
        struct settings_file f = {0};
        void *model = g_malloc0(readers[n].type->size);
        if (parse(&f, n, data, size, model) && f.version <= SETTINGS_NEWEST)
            read_back(&f, n, model, false);
        file_fini(&f);
        map_free(readers[n].type, model);
    }
    return 0;
}
