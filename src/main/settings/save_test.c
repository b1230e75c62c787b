/*
 * save_test.c - saving survives: power cuts and failing calls at every step,
 * other programs' changes, corrupt files.
 *
 * Oracle: the file found afterwards is read by the loader and must be exactly
 * the machine before or after the change.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/settings/machine.h"
#include "rt/fio_shim.h"

#define UUID  "{01234567-89ab-cdef-0123-456789abcdef}"
#define PATH  "/home/vm/vm.vbox"
#define SEEDS 24

static const char first_text[] =
    "<VirtualBox version=\"1.12-linux\"><Machine uuid=\"" UUID "\" name=\"vm\"><Hardware><Memory "
    "RAMSize=\"64\"/></Hardware></Machine></VirtualBox>";

static struct fio_crash *disk_new(const char *text)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = fio_crash_new();

    if (text != NULL)
        g_assert_true(fio_atomic_replace(fio_crash_io(disk), PATH, text, strlen(text), 0, &error));
    g_assert_no_error(error);
    return disk;
}

static struct settings_machine *load(const struct fio *io)
{
    g_autoptr(GError) error = NULL;
    struct settings_machine *m = settings_machine_load(io, PATH, &error);

    g_assert_no_error(error);
    return m;
}

static uint32_t ram_on(struct fio_crash *disk)
{
    struct settings_machine *m = load(fio_crash_io(disk));
    uint32_t ram = m->hardware.ram_mib;

    settings_machine_free(m);
    return ram;
}

/* ---- power cuts ---- */

/* A table that looks, after each call passed on, at everything the disk could
 * hold if the power failed now. */
struct watch {
    struct fio io;
    struct fio_crash *disk;
    unsigned states;
};

static void look(struct watch *w)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fio_crash *found = fio_crash_replay(w->disk, seed);
        uint32_t ram = ram_on(found);
        g_assert_true(ram == 64 || ram == 128);
        g_autoptr(GBytes) backup = fio_crash_bytes(found, "/home/vm/vm-1.12-linux.vbox");
        if (ram == 128) {
            g_assert_nonnull(backup);
            g_assert_cmpmem(g_bytes_get_data(backup, NULL), g_bytes_get_size(backup), first_text, strlen(first_text));
        }
        fio_crash_free(found);
        w->states++;
    }
}

#define WATCHED(call, ...)                                                                                             \
    struct watch *w = ctx;                                                                                             \
    const struct fio *below = fio_crash_io(w->disk);                                                                   \
    __auto_type rc = below->call(below->ctx, __VA_ARGS__);                                                             \
    look(w);                                                                                                           \
    return rc;

static int64_t watch_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    WATCHED(pwrite, fd, buf, bytes, off_bytes)
}
static int watch_open(void *ctx, const char *path, int flags, unsigned mode)
{
    WATCHED(open, path, flags, mode)
}
static int watch_fsync(void *ctx, int fd)
{
    WATCHED(fsync, fd)
}
static int watch_fdatasync(void *ctx, int fd)
{
    WATCHED(fdatasync, fd)
}
static int watch_rename(void *ctx, const char *from, const char *to)
{
    WATCHED(rename, from, to)
}
static int watch_link(void *ctx, const char *from, const char *to)
{
    WATCHED(link, from, to)
}
static int watch_unlink(void *ctx, const char *path)
{
    WATCHED(unlink, path)
}
static int watch_dir_sync(void *ctx, const char *dir)
{
    WATCHED(dir_sync, dir)
}
static int watch_close(void *ctx, int fd)
{
    WATCHED(close, fd)
}
static int64_t watch_pread(void *ctx, int fd, void *buf, size_t bytes, uint64_t off_bytes)
{
    WATCHED(pread, fd, buf, bytes, off_bytes)
}
static int watch_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    WATCHED(ftruncate, fd, size_bytes)
}
static int watch_lock(void *ctx, int fd, enum fio_lock kind)
{
    WATCHED(lock, fd, kind)
}
static int watch_stat(void *ctx, int fd, struct fio_stat *ret)
{
    WATCHED(stat, fd, ret)
}

/* The version rises too, so that the copy of the old file is part of what is
 * cut. */
static void test_power(void)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = disk_new(first_text);
    struct watch w = {.disk = disk};

    w.io = (struct fio){.ctx = &w,
                        .open = watch_open,
                        .close = watch_close,
                        .pread = watch_pread,
                        .pwrite = watch_pwrite,
                        .ftruncate = watch_ftruncate,
                        .fdatasync = watch_fdatasync,
                        .fsync = watch_fsync,
                        .rename = watch_rename,
                        .link = watch_link,
                        .unlink = watch_unlink,
                        .dir_sync = watch_dir_sync,
                        .lock = watch_lock,
                        .stat = watch_stat};
    struct settings_machine *m = load(&w.io);
    m->hardware.ram_mib = 128;
    m->hardware.cpu.x2apic = true;
    g_assert_true(settings_machine_save(m, &error));
    g_assert_no_error(error);
    g_test_message("%u states looked at", w.states);
    g_assert_cmpuint(w.states, >, 10 * SEEDS);
    struct fio_crash *found = fio_crash_replay(disk, 0); /* saved means durable */
    g_assert_cmpuint(ram_on(found), ==, 128);
    g_autoptr(GBytes) previous = fio_crash_bytes(found, PATH "-prev");
    g_assert_cmpmem(g_bytes_get_data(previous, NULL), g_bytes_get_size(previous), first_text, strlen(first_text));
    fio_crash_free(found);
    settings_machine_free(m);
    fio_crash_free(disk);
}

/* ---- failing calls ---- */

static bool fail_at(unsigned call, int err, bool for_ever)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = disk_new(first_text);
    struct fio_fault fault;

    fio_fault_init(&fault, fio_crash_io(disk));
    struct settings_machine *m = load(&fault.io);
    m->hardware.ram_mib = 128;
    m->hardware.cpu.x2apic = true;
    fault.fail_at = fault.calls + call;
    fault.err = err;
    fault.for_ever = for_ever;
    fault.short_write = true;
    bool saved = settings_machine_save(m, &error);
    g_assert_cmpint(saved, ==, error == NULL);
    fault.fail_at = 0;
    if (!saved)
        g_assert_nonnull(strstr(error->message, PATH) != NULL ? PATH : strstr(error->message, "vm-1.12-linux.vbox"));
    uint32_t ram = ram_on(disk);
    g_assert_true(ram == 128 || (!saved && ram == 64));
    /* and the next attempt works, whatever this one left */
    g_clear_error(&error);
    settings_machine_save(m, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(ram_on(disk), ==, 128);
    g_assert_null(fio_crash_bytes(disk, PATH ".tmp"));
    settings_machine_free(m);
    fio_crash_free(disk);
    return fault.hit;
}

static void test_faults(void)
{
    static const int errors[] = {ENOSPC, EIO, EROFS, EDQUOT};
    unsigned points = 0;

    for (unsigned e = 0; e < G_N_ELEMENTS(errors); e++)
        for (unsigned n = 1; fail_at(n, errors[e], false); n++)
            points += fail_at(n, errors[e], true);
    g_test_message("%u points of failure", points);
    g_assert_cmpuint(points, >, 20);
}

/* ---- others ---- */

static void put(struct fio_crash *disk, const char *path, const char *text)
{
    g_assert_true(fio_atomic_replace(fio_crash_io(disk), path, text, strlen(text), 0, NULL));
}

static void test_changed(void)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = disk_new(first_text);
    struct settings_machine *a = load(fio_crash_io(disk)), *b = load(fio_crash_io(disk));

    a->hardware.ram_mib = 128;
    b->hardware.ram_mib = 256;
    g_assert_false(settings_file_changed(&b->file));
    g_assert_true(settings_machine_save(a, &error));
    g_assert_true(settings_file_changed(&b->file));
    g_assert_false(settings_machine_save(b, &error)); /* the other service was first */
    g_assert_error(error, SETTINGS_ERROR, SETTINGS_ERROR_CHANGED);
    g_assert_nonnull(strstr(error->message, "changed by another program"));
    g_assert_cmpuint(ram_on(disk), ==, 128);
    a->hardware.ram_mib = 192; /* who knows the file may go on */
    g_clear_error(&error);
    g_assert_true(settings_machine_save(a, &error));
    fio_crash_io(disk)->unlink(fio_crash_io(disk)->ctx, PATH);
    a->hardware.ram_mib = 200;
    g_assert_false(settings_machine_save(a, &error));
    g_assert_error(error, SETTINGS_ERROR, SETTINGS_ERROR_CHANGED);
    settings_machine_free(a);
    settings_machine_free(b);
    fio_crash_free(disk);
}

/* Processes that count up as fast as they can: each save that succeeds must be
 * in the end result. */
static void count_up(const char *path, unsigned times)
{
    for (unsigned done = 0; done < times;) {
        struct settings_machine *m = settings_machine_load(fio_system(), path, NULL);
        if (m == NULL)
            _exit(2); /* never a moment without a whole file */
        m->hardware.ram_mib++;
        g_autoptr(GError) error = NULL;
        if (settings_machine_save(m, &error))
            done++;
        else if (!g_error_matches(error, SETTINGS_ERROR, SETTINGS_ERROR_CHANGED))
            _exit(3);
        settings_machine_free(m);
    }
    _exit(0);
}

static void test_together(void)
{
    enum { PROCESSES = 4, TIMES = 25 };
    g_autofree char *folder = g_dir_make_tmp("settings-save-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "vm.vbox", NULL), *previous = g_strconcat(path, "-prev", NULL);
    pid_t children[PROCESSES];

    g_assert_true(g_file_set_contents(path, first_text, -1, NULL));
    for (unsigned k = 0; k < PROCESSES; k++) {
        children[k] = fork();
        g_assert_cmpint(children[k], >=, 0);
        if (children[k] == 0)
            count_up(path, TIMES);
    }
    for (unsigned k = 0; k < PROCESSES; k++) {
        int status = -1;
        g_assert_cmpint(waitpid(children[k], &status, 0), ==, children[k]);
        g_assert_cmpint(status, ==, 0);
    }
    struct settings_machine *m = settings_machine_load(fio_system(), path, NULL);
    g_assert_cmpuint(m->hardware.ram_mib, ==, 64 + PROCESSES * TIMES);
    settings_machine_free(m);
    unlink(path);
    unlink(previous);
    g_assert_cmpint(rmdir(folder), ==, 0); /* nothing else was left */
}

static void test_exists(void)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = disk_new(first_text);
    struct settings_machine *m = settings_machine_new(fio_crash_io(disk), PATH, UUID, "vm", "Other");

    g_assert_false(settings_machine_save(m, &error));
    g_assert_cmpstr(error->message, ==, "Machine settings file '" PATH "' already exists");
    g_assert_cmpuint(ram_on(disk), ==, 64);
    settings_machine_free(m);
    fio_crash_free(disk);
}

/* Nothing to say: nothing is written, the previous file stays the previous one.
 */
static void test_unchanged(void)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = disk_new(first_text);
    struct settings_machine *m = load(fio_crash_io(disk));

    m->hardware.ram_mib = 128;
    g_assert_true(settings_machine_save(m, &error));
    g_assert_true(settings_machine_save(m, &error));
    g_autoptr(GBytes) previous = fio_crash_bytes(disk, PATH "-prev");
    g_assert_cmpmem(g_bytes_get_data(previous, NULL), g_bytes_get_size(previous), first_text, strlen(first_text));
    settings_machine_free(m);
    fio_crash_free(disk);
}

static void test_invalid(void)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = disk_new(first_text);
    struct settings_machine *m = load(fio_crash_io(disk));

    m->hardware.ram_mib = 3;
    g_assert_false(settings_machine_save(m, &error));
    g_assert_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VALUE);
    g_clear_error(&error);
    m->hardware.ram_mib = 64;
    g_free(m->name);
    m->name = g_strdup("a\x01"
                       "b");
    g_assert_false(settings_machine_save(m, &error));
    g_assert_error(error, SETTINGS_ERROR, SETTINGS_ERROR_VALUE);
    g_clear_error(&error);
    g_free(m->name);
    m->name = g_strdup("\xff");
    g_assert_false(settings_machine_save(m, &error));
    g_clear_error(&error);
    g_free(m->name);
    m->name = g_strdup("n \" < > & ' \n \t \xc3\xa1 \xf0\x9f\x98\x80 ..");
    g_assert_true(settings_machine_save(m, &error));
    struct settings_machine *again = load(fio_crash_io(disk));
    g_assert_cmpstr(m->name, ==, again->name);
    settings_machine_free(again);
    settings_machine_free(m);
    fio_crash_free(disk);
}

static void test_previous(void)
{
    g_autoptr(GError) error = NULL;
    struct fio_crash *disk = disk_new("<VirtualBox version=");
    const struct fio *io = fio_crash_io(disk);

    g_assert_null(settings_machine_load(io, PATH, &error));
    g_assert_null(strstr(error->message, "-prev"));
    g_clear_error(&error);
    g_assert_false(settings_restore_previous(io, PATH, SETTINGS_MACHINE, &error));
    g_clear_error(&error);
    put(disk, PATH "-prev", first_text);
    g_assert_null(settings_machine_load(io, PATH, &error));
    g_assert_nonnull(strstr(error->message, "Its previous version '" PATH "-prev' can be read"));
    g_clear_error(&error);
    g_assert_true(settings_restore_previous(io, PATH, SETTINGS_MACHINE, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(ram_on(disk), ==, 64);
    g_autoptr(GBytes) bad = fio_crash_bytes(disk, PATH ".corrupt-1");
    g_assert_cmpmem(g_bytes_get_data(bad, NULL), g_bytes_get_size(bad), "<VirtualBox version=", 20);
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/save/power", test_power);
    g_test_add_func("/settings/save/faults", test_faults);
    g_test_add_func("/settings/save/changed", test_changed);
    g_test_add_func("/settings/save/together", test_together);
    g_test_add_func("/settings/save/exists", test_exists);
    g_test_add_func("/settings/save/unchanged", test_unchanged);
    g_test_add_func("/settings/save/invalid", test_invalid);
    g_test_add_func("/settings/save/previous", test_previous);
    return g_test_run();
}
