/* log_test.c - line shape, rotation, groups, rate limit. */
#include "rt/log.h"

#include <glib/gstdio.h>
#include <string.h>

struct box {
    char *dir, *path;
};

static void box_init(struct box *b)
{
    b->dir = g_dir_make_tmp("log-XXXXXX", NULL);
    b->path = g_build_filename(b->dir, "VBox.log", NULL);
}

static char *box_read(const struct box *b, const char *suffix)
{
    g_autofree char *path = g_strconcat(b->path, suffix, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static void box_fini(struct box *b)
{
    for (int i = 0; i < 10; i++) {
        g_autofree char *path = i ? g_strdup_printf("%s.%d", b->path, i) : g_strdup(b->path);
        g_unlink(path);
    }
    g_rmdir(b->dir);
    g_free(b->dir);
    g_free(b->path);
}

static void test_shape(void)
{
    struct box b;
    struct log *log;
    g_autofree char *text = NULL;

    box_init(&b);
    log = log_new(&(struct log_config){.path = b.path, .history = 3}, NULL);
    g_assert_nonnull(log);
    log_header(log, "Ringbox VM 0.1.0 r1", "Jan  1 2024 00:00:00", "LINUX_64BITS_GENERIC");
    log_write(log, "one\ntwo \x1b[31m");
    log_free(log);
    text = box_read(&b, "");
    g_assert_true(g_regex_match_simple(
        "^\\d\\d:\\d\\d:\\d\\d\\.\\d{6} Ringbox VM 0.1.0 r1 linux.amd64 \\(.*\\) release log\n"
        "\\d\\d:\\d\\d:\\d\\d\\.\\d{6} Log opened \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{9}Z\n",
        text, 0, 0));
    g_assert_true(g_regex_match_simple("\n00:\\S+ one\n00:\\S+ two \\?\\[31m\n$", text, 0, 0));
    box_fini(&b);
}

static void test_rotation(void)
{
    struct box b;

    box_init(&b);
    for (int i = 0; i < 6; i++) {
        struct log *log = log_new(&(struct log_config){.path = b.path, .history = 3}, NULL);
        log_write(log, "run %d", i);
        log_free(log);
    }
    for (int i = 0; i < 5; i++) {
        g_autofree char *suffix = i ? g_strdup_printf(".%d", i) : g_strdup("");
        g_autofree char *text = box_read(&b, suffix);
        g_autofree char *want = g_strdup_printf("run %d\n", 5 - i);
        if (i > 3)
            g_assert_null(text);
        else
            g_assert_true(g_str_has_suffix(text, want));
    }
    box_fini(&b);
}

static void test_full(void)
{
    struct box b;
    struct log *log;
    size_t total = 0;

    box_init(&b);
    log = log_new(&(struct log_config){.path = b.path, .history = 2, .max_bytes = 1000}, NULL);
    for (int i = 0; i < 1000; i++)
        log_write(log, "line %d", i);
    log_free(log);
    for (int i = 0; i < 4; i++) {
        g_autofree char *suffix = i ? g_strdup_printf(".%d", i) : g_strdup("");
        g_autofree char *text = box_read(&b, suffix);
        total += text ? strlen(text) : 0;
    }
    g_assert_cmpuint(total, >, 2000);
    g_assert_cmpuint(total, <=, 3000);
    box_fini(&b);
}

static void test_groups(void)
{
    static const char *const bad[] = {"nobody.e", "pgm.x", "pgm.l13", "pgm.l0", "pgm.e +", NULL};
    g_autoptr(GError) error = NULL;

    g_assert_true(log_groups_set("-all +pgm.e.l2 dev", &error));
    g_assert_cmphex(log_masks[LOG_PGM], ==, LOG_ENABLED | 4 | 8);
    g_assert_cmphex(log_masks[LOG_DEV], ==, LOG_ENABLED | 4);
    g_assert_cmphex(log_masks[LOG_TM], ==, 0);
    for (int i = 0; bad[i]; i++) {
        g_assert_false(log_groups_set(bad[i], &error));
        g_clear_error(&error);
        g_assert_cmphex(log_masks[LOG_PGM], ==, LOG_ENABLED | 4 | 8);
    }
    g_assert_true(log_groups_set("-all", &error));
    LOG(PGM, 1, "nothing to write to");
}

static void test_rate(void)
{
    struct log_rate r = {.burst = 3, .interval_ns = 100};
    uint64_t lost = 99, now = 1000000;
    int passed = 0;

    for (int i = 0; i < 50; i++)
        passed += log_rate_ok(&r, now, NULL);
    g_assert_cmpint(passed, ==, 3);
    g_assert_true(log_rate_ok(&r, now + 150, &lost));
    g_assert_cmpuint(lost, ==, 47);
    g_assert_false(log_rate_ok(&r, now + 199, NULL));
    g_assert_true(log_rate_ok(&r, now + 201, &lost));
    g_assert_cmpuint(lost, ==, 1);
}

static void test_no_place(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(log_new(&(struct log_config){.path = "/nowhere/at/all.log"}, &error));
    g_assert_nonnull(strstr(error->message, "/nowhere/at/all.log"));
    log_rel("no default log: nothing happens");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rt/log/shape", test_shape);
    g_test_add_func("/rt/log/rotation", test_rotation);
    g_test_add_func("/rt/log/full", test_full);
    g_test_add_func("/rt/log/groups", test_groups);
    g_test_add_func("/rt/log/rate", test_rate);
    g_test_add_func("/rt/log/no-place", test_no_place);
    return g_test_run();
}
