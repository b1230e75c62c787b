/*
 * fuzz_test.c - a short, repeatable run of the fuzz target: the samples, and each with pieces changed, doubled, cut out
 * and put elsewhere.
 */
#include <glib.h>
#include <string.h>

#include "main/settings/fuzz.h"

#define ROUNDS_A_FILE 400

/* Words that bring a file near an edge. */
static const char *const words[] = {"\"\"",        "\"-1\"",     "\"4294967296\"", "\"true\"",     "\"0x\"",
                                    "/>",          "<Hardware>", "<Snapshot ",     "&#0;",         "&#xE1;",
                                    "1.2",         "1.7",        "1.20",           "]]>",          "<!--",
                                    "slot=\"35\"", "\xc3",       "<x y=\"z\"/>",   "device=\"1\"", "ALSA"};

static void mutate(GString *s, GRand *rand)
{
    gsize at = s->len > 0 ? (gsize)g_rand_int_range(rand, 0, (gint32)s->len) : 0;
    gsize wanted = (gsize)g_rand_int_range(rand, 1, 80), len = MIN(wanted, s->len - at);
    gsize to = (gsize)g_rand_int_range(rand, 0, (gint32)s->len + 1);
    g_autofree char *piece = g_strndup(s->str + at, len);

    switch (g_rand_int_range(rand, 0, 6)) {
    case 0: s->str[at] = (char)g_rand_int_range(rand, 0, 256); break;
    case 1: g_string_erase(s, (gssize)at, (gssize)len); break;
    case 2: g_string_insert(s, (gssize)to, piece); break;
    case 3: g_string_insert(s, (gssize)at, words[g_rand_int_range(rand, 0, G_N_ELEMENTS(words))]); break;
    case 4: s->str[at] ^= (char)(1 << g_rand_int_range(rand, 0, 8)); break;
    default: s->str[at] = (char)('0' + g_rand_int_range(rand, 0, 10)); break;
    }
}

static void run(const char *name)
{
    g_autofree char *path = g_build_filename(SETTINGS_SAMPLES, name, NULL), *bytes = NULL;
    GRand *rand = g_rand_new_with_seed(g_str_hash(name));
    gsize size;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
    for (unsigned k = 0; k < ROUNDS_A_FILE; k++) {
        g_autoptr(GString) s = g_string_new_len(bytes, (gssize)size);
        for (gint32 n = g_rand_int_range(rand, 1, 5); n > 0; n--)
            mutate(s, rand);
        LLVMFuzzerTestOneInput((const uint8_t *)s->str, s->len);
    }
    g_rand_free(rand);
}

static void test_table(void)
{
    g_autoptr(GDir) dir = g_dir_open(SETTINGS_SAMPLES, 0, NULL);

    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir))
        run(name);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/fuzz/table", test_table);
    return g_test_run();
}
