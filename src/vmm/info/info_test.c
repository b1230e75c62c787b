/* info_test.c - names, arguments, removal, handlers that run others. */
#include "vmm/info/info.h"

static void echo(void *user, const char *args, GString *out)
{
    g_string_append_printf(out, "<%s|%s>", (const char *)user, args);
}

static void all(void *user, const char *args, GString *out)
{
    g_assert_true(info_run(user, "pic verbose", out));
    info_remove(user, "pit");
    g_string_append(out, args);
}

static void test_info(void)
{
    struct info *i = info_new();
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_true(info_add(i, "pit", "the timer", echo, (void *)"a"));
    g_assert_true(info_add(i, "pic", "interrupt controllers", echo, (void *)"b"));
    g_assert_true(info_add(i, "all", "everything", all, i));
    g_assert_false(info_add(i, "PIC", "again", echo, NULL));
    g_assert_true(info_run(i, "  PIT  x y", out));
    g_assert_true(info_run(i, "pic", out));
    g_assert_cmpstr(out->str, ==, "<a|x y><b|>");
    g_assert_false(info_run(i, "", out));
    g_assert_false(info_run(i, "pitt", out));
    g_string_truncate(out, 0);
    g_assert_true(info_run(i, "all !", out));
    g_assert_cmpstr(out->str, ==, "<b|verbose>!");
    g_assert_false(info_run(i, "pit", out));
    g_string_truncate(out, 0);
    g_assert_true(info_run(i, "help", out));
    g_assert_cmpstr(out->str, ==, "all              everything\npic              interrupt controllers\n");
    info_free(i);
    info_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/info/handlers", test_info);
    return g_test_run();
}
