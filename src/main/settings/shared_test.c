/*
 * shared_test.c - copies of a machine share their snapshots (shared.h): a change of one shows in no other, and what is
 * written with what was remembered is what would be written without.
 *
 * Oracle: the file read by the loader, which remembers nothing, and written again.
 */
#include <string.h>

#include "main/settings/items.h"
#include "main/settings/machine.h"
#include "main/settings/tree.h"
#include "rt/fio_shim.h"

#define UUID  "{01234567-89ab-cdef-0123-456789abcdef}"
#define PATH  "/home/vm/vm.vbox"
#define DEPTH 40u /* more than are indented */

static struct settings_snapshot *add(struct settings_machine *m, unsigned n, guint parent)
{
    struct settings_snapshot *s = settings_snapshot_new();

    settings_snapshot_take(s, m);
    g_free(s->uuid);
    g_free(s->name);
    s->uuid = g_strdup_printf("{%08x-0000-4000-8000-000000000000}", n + 1);
    s->name = g_strdup_printf("s%u", n);
    s->time_s = n;
    g_free(m->current_snapshot);
    m->current_snapshot = g_strdup(s->uuid);
    settings_tree_add(m->snapshots, parent, s);
    return s;
}

static struct settings_machine *make(const struct fio *io)
{
    struct settings_machine *m = settings_machine_new(io, PATH, UUID, "vm", "Other");

    for (unsigned n = 0; n < DEPTH; n++)
        add(m, n, n > 0 ? n - 1 : SETTINGS_NO_PARENT);
    return m;
}

/* Saves, and the file is what a machine without memories would write. */
static void save(struct settings_machine *m, const char *when)
{
    g_autoptr(GError) error = NULL;

    settings_machine_save(m, &error);
    g_assert_no_error(error);
    struct settings_machine *again = settings_machine_load(m->file.io, PATH, &error);
    g_assert_no_error(error);
    g_autofree char *one = settings_machine_text(m), *two = settings_machine_text(again);
    if (strcmp(one, two) != 0)
        g_error("%s: another text than without what was remembered", when);
    settings_machine_free(again);
}

static const struct settings_snapshot *at(const struct settings_machine *m, guint k)
{
    return m->snapshots->pdata[k];
}

static void test_copies(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct settings_machine *m = make(fio_crash_io(disk)), *copy = settings_machine_copy(m), *third;

    save(m, "new");
    settings_machine_free(copy);
    copy = settings_machine_copy(m);
    for (guint k = 0; k < DEPTH; k++)
        g_assert_true(at(copy, k) == at(m, k));
    struct settings_snapshot *s = settings_snapshot_change(copy, 7);
    g_free(s->name);
    s->name = g_strdup("another");
    s->hardware.ram_mib = 77;
    g_assert_cmpstr(at(m, 7)->name, ==, "s7");
    g_assert_cmpuint(at(m, 7)->hardware.ram_mib, !=, 77);
    g_assert_false(settings_machine_equal(m, copy));
    third = settings_machine_copy(copy);
    settings_machine_free(m); /* what it shared stays */
    save(copy, "one changed");
    s = settings_snapshot_change(copy, 8); /* nobody's but the two copies' */
    s->hardware.ram_mib = 88;
    save(copy, "another changed");
    g_assert_cmpuint(at(third, 8)->hardware.ram_mib, !=, 88);
    s = settings_snapshot_change(copy, 8); /* its own now, and written before */
    s->hardware.ram_mib = 99;
    save(copy, "the same changed again");
    settings_machine_free(third);
    settings_machine_free(copy);
    fio_crash_free(disk);
}

/* Depth is a matter of the snapshots below, too, and of how far they are indented. */
static void test_removed(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct settings_machine *m = make(fio_crash_io(disk));

    save(m, "new");
    for (unsigned n = 0; n < 30; n++) {
        struct settings_machine *next = settings_machine_copy(m);
        settings_snapshot_remove(next, n % 3 == 0 ? 0 : n % 2);
        g_assert_cmpuint(at(m, DEPTH - n - 1)->depth, ==, DEPTH - n - 1);
        g_assert_cmpuint(at(next, DEPTH - n - 2)->depth, ==, DEPTH - n - 2);
        settings_machine_free(m);
        m = next;
        save(m, "removed");
    }
    add(m, DEPTH, 3);
    add(m, DEPTH + 1, 3);
    save(m, "beside each other");
    settings_machine_free(m);
    fio_crash_free(disk);
}

/* Something raises the file's version: all is written anew, of snapshots as well. */
static void test_version(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct settings_machine *m = make(fio_crash_io(disk));

    save(m, "new");
    g_assert_cmpuint(m->file.version, <, 17);
    m->priority = PRIORITY_LOW;
    save(m, "1.17");
    g_assert_cmpuint(m->file.version, ==, 17);
    struct settings_snapshot *s = settings_snapshot_change(m, 5);
    s->debugging.port = 5000;
    s->debugging.io = DEBUG_IO_TCP;
    save(m, "a snapshot that needs 1.19");
    g_assert_cmpuint(m->file.version, ==, 19);
    settings_machine_free(m);
    fio_crash_free(disk);
}

/* What is wrong with a changed one is found though it was good before. */
static void test_checked(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct settings_machine *m = make(fio_crash_io(disk));
    g_autoptr(GError) error = NULL;

    save(m, "new");
    struct settings_snapshot *s = settings_snapshot_change(m, 9);
    g_free(s->uuid);
    s->uuid = g_strdup("{nonsense}");
    g_assert_false(settings_machine_save(m, &error));
    g_assert_nonnull(strstr(error->message, "no valid UUID"));
    settings_machine_free(m);
    fio_crash_free(disk);
}

/* Elements nobody knows, behind the children and in them. */
static void test_unknown(void)
{
    static const char text[] = "<VirtualBox version=\"1.16-linux\"><Machine uuid=\"" UUID "\" name=\"vm\" "
                               "currentSnapshot=\"{00000002-0000-4000-8000-000000000000}\"><Snapshot "
                               "uuid=\"{00000001-0000-4000-8000-000000000000}\" name=\"a\" "
                               "timeStamp=\"2024-01-31T23:59:59Z\"><Hardware><Memory "
                               "RAMSize=\"64\"/><Strange why=\"1\"/></Hardware><Snapshots odd=\"2\"><Snapshot "
                               "uuid=\"{00000002-0000-4000-8000-000000000000}\" name=\"b\" "
                               "timeStamp=\"2024-01-31T23:59:59Z\"><Hardware><Memory "
                               "RAMSize=\"64\"/></Hardware></Snapshot></Snapshots><After/></Snapshot><Hardware><Memory "
                               "RAMSize=\"64\"/></Hardware></Machine></VirtualBox>";
    struct fio_crash *disk = fio_crash_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(fio_atomic_replace(fio_crash_io(disk), PATH, text, strlen(text), 0, &error));
    struct settings_machine *m = settings_machine_load(fio_crash_io(disk), PATH, &error);
    g_assert_no_error(error);
    m->hardware.ram_mib = 128;
    save(m, "unknown");
    m->hardware.ram_mib = 192;
    save(m, "again");
    g_autofree char *out = settings_machine_text(m);
    g_assert_nonnull(strstr(out, "<Strange why=\"1\"/>"));
    g_assert_nonnull(strstr(out, "<Snapshots odd=\"2\">"));
    g_assert_nonnull(strstr(out, "<After/>"));
    settings_machine_free(m);
    fio_crash_free(disk);
}

/* 1,000 are one on the other and no more: the file could not be read again. */
static void test_too_deep(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct settings_machine *m = settings_machine_new(fio_crash_io(disk), PATH, UUID, "vm", "Other");
    g_autoptr(GError) error = NULL;

    for (unsigned n = 0; n < SETTINGS_MAX_DEPTH; n++)
        add(m, n, n > 0 ? n - 1 : SETTINGS_NO_PARENT);
    save(m, "1,000");
    add(m, SETTINGS_MAX_DEPTH, SETTINGS_MAX_DEPTH - 1);
    g_assert_false(settings_machine_save(m, &error));
    g_assert_nonnull(strstr(error->message, "deeper than 1000 snapshots"));
    settings_machine_free(m);
    m = settings_machine_load(fio_crash_io(disk), PATH, NULL);
    g_assert_cmpuint(m->snapshots->len, ==, SETTINGS_MAX_DEPTH);
    g_clear_error(&error);
    g_free(m->description);
    m->description = g_strnfill(17 << 20, 'x'); /* nor is a file that is too large saved */
    g_assert_false(settings_machine_save(m, &error));
    g_assert_nonnull(strstr(error->message, "larger than 16 MiB"));
    settings_machine_free(m);
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/shared/copies", test_copies);
    g_test_add_func("/settings/shared/removed", test_removed);
    g_test_add_func("/settings/shared/version", test_version);
    g_test_add_func("/settings/shared/checked", test_checked);
    g_test_add_func("/settings/shared/unknown", test_unknown);
    g_test_add_func("/settings/shared/too-deep", test_too_deep);
    return g_test_run();
}
