/*
 * round_test.c - what is read, written and read again is the same, byte for byte where the writer was VirtualBox 5.1 or
 * later; unknown parts stay where they were.
 *
 * RB_SETTINGS_CORPUS names a folder of real settings files; *-machine* and *-global* in a name say what they are.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "main/settings/global.h"
#include "main/settings/machine.h"

static char *folder;

/* One model of either kind. */
struct any {
    struct settings_machine *machine;
    struct settings_global *global;
};

static bool any_load(struct any *a, const char *path, bool global, GError **error)
{
    *a = (struct any){0};
    if (global)
        a->global = settings_global_load(fio_system(), path, error);
    else
        a->machine = settings_machine_load(fio_system(), path, error);
    return a->global != NULL || a->machine != NULL;
}

static char *any_text(const struct any *a)
{
    return a->global != NULL ? settings_global_text(a->global) : settings_machine_text(a->machine);
}

static bool any_equal(const struct any *a, const struct any *b)
{
    return a->global != NULL ? settings_global_equal(a->global, b->global)
                             : settings_machine_equal(a->machine, b->machine);
}

static void any_copy(struct any *to, const struct any *from)
{
    to->global = from->global != NULL ? settings_global_copy(from->global) : NULL;
    to->machine = from->machine != NULL ? settings_machine_copy(from->machine) : NULL;
}

static void any_free(struct any *a)
{
    settings_global_free(a->global);
    settings_machine_free(a->machine);
}

/* From the root element on: comments before it are the program's own. */
static const char *body(const char *text)
{
    const char *root = strstr(text, "<VirtualBox");

    return root != NULL ? strchr(root, '>') : text;
}

/* Reads @path, writes it, reads that: equal models, and the same text the second time. Returns the first text. */
static char *round_trip(const char *path, bool global)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *again = g_build_filename(folder, "again.vbox", NULL);
    struct any first, second, copy;

    any_load(&first, path, global, &error);
    g_assert_no_error(error);
    char *text = any_text(&first);
    g_assert_nonnull(text);
    g_assert_true(g_file_set_contents(again, text, -1, NULL));
    any_load(&second, again, global, &error);
    g_assert_no_error(error);
    g_autofree char *twice = any_text(&second);
    g_assert_cmpstr(text, ==, twice);
    g_assert_true(any_equal(&first, &second));
    any_copy(&copy, &first);
    g_autofree char *copied = any_text(&copy);
    g_assert_cmpstr(text, ==, copied);
    g_assert_true(any_equal(&first, &copy));
    any_free(&first);
    any_free(&second);
    any_free(&copy);
    return text;
}

/* ---- real files ---- */

static bool is_bad(const char *name)
{
    return strstr(name, "truncated") != NULL || strstr(name, "22-") == name;
}

static bool corpus_file(const char *path, const char *name, unsigned *same)
{
    bool global = strstr(name, "-global") != NULL;
    g_autofree char *bytes = NULL;
    struct any a;

    g_test_message("%s", name);
    g_assert_true(g_file_get_contents(path, &bytes, NULL, NULL));
    if (is_bad(name)) {
        g_autoptr(GError) error = NULL;
        g_assert_false(any_load(&a, path, global, &error));
        g_test_message("%s: refused: %s", name, error->message);
        return false;
    }
    g_autofree char *text = round_trip(path, global);
    bool identical = strcmp(body(bytes), body(text)) == 0;
    *same += identical;
    g_test_message("%s: round trip%s", name, identical ? ", byte-identical" : "");
    const char *keep = g_getenv("RB_SETTINGS_OUT");
    if (keep != NULL) {
        g_autofree char *to = g_build_filename(keep, name, NULL);
        g_file_set_contents(to, text, -1, NULL);
    }
    return true;
}

static void test_corpus(void)
{
    const char *corpus = g_getenv("RB_SETTINGS_CORPUS");
    unsigned good = 0, bad = 0, same = 0;

    if (corpus == NULL)
        return;
    g_autoptr(GDir) dir = g_dir_open(corpus, 0, NULL);
    g_assert_nonnull(dir);
    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(corpus, name, NULL);
        if (strstr(name, "-machine") == NULL && strstr(name, "-global") == NULL)
            continue;
        if (corpus_file(path, name, &same))
            good++;
        else
            bad++;
    }
    g_test_message("%u files read and written, %u of them byte-identical, %u refused", good, same, bad);
    g_assert_cmpuint(good, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("settings-round-XXXXXX", NULL);
    g_test_add_func("/settings/round/corpus", test_corpus);
    int rc = g_test_run();
    g_autofree char *again = g_build_filename(folder, "again.vbox", NULL);
    g_unlink(again);
    g_rmdir(folder);
    g_free(folder);
    return rc;
}
