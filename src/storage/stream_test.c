/*
 * stream_test.c - streamOptimized VMDKs are packed by all processors: the same bytes as by one, and errors come
 * through.
 *
 * The threads are as many as the processors the process may use, so the test gives some of them up for a while.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/copy.h"

#define DISK_BYTES  (24u << 20)
#define GRAIN_BYTES (64u << 10)

/* Noise, text, holes, grains of which a sector is used, and an end that is no whole grain. */
static struct vd *make_source(const struct fio *io)
{
    const struct vd_create args = {.format = "RAW", .path = "/raw", .size_bytes = DISK_BYTES - 3 * 512};
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    g_autofree uint8_t *grain = g_malloc(GRAIN_BYTES);
    struct vd *vd;

    g_assert_true(vd_create(io, &args, NULL));
    vd = vd_open(io, "RAW", "/raw", 0, NULL);
    for (uint64_t at = 0; at + GRAIN_BYTES <= args.size_bytes; at += GRAIN_BYTES) {
        const int kind = g_rand_int_range(rand, 0, 4);

        for (unsigned i = 0; i < GRAIN_BYTES; i++)
            grain[i] = kind == 0 ? (uint8_t)g_rand_int(rand) : (uint8_t)("some text "[i % 10] + (i / 4096 + at) % 7);
        if (kind == 2)
            g_assert_cmpint(vd_write(vd, at + 4096, grain, 512), ==, 0);
        else if (kind != 3)
            g_assert_cmpint(vd_write(vd, at, grain, GRAIN_BYTES), ==, 0);
    }
    g_assert_cmpint(vd_write(vd, args.size_bytes - 512, grain, 512), ==, 0);
    return vd;
}

static bool convert(struct vd *from, const struct fio *io, const char *path, GError **error)
{
    const struct vd_create args = {
        .format = "VMDK", .path = path, .size_bytes = vd_size_bytes(from), .layout = VD_STREAM};

    return vd_copy(from, io, &args, NULL, error);
}

static cpu_set_t first_of(const cpu_set_t *all)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (unsigned i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, all))
            CPU_SET(i, &one);
    return one;
}

/* All behind the descriptor, which has random numbers in it. */
static GBytes *contents(const struct fio_crash *disk, const char *path)
{
    g_autoptr(GBytes) whole = fio_crash_bytes(disk, path);
    gsize bytes;
    const uint8_t *p = g_bytes_get_data(whole, &bytes);
    const uint64_t head = le64(p + 64) * 512;

    g_assert_cmpuint(head, <, bytes);
    return g_bytes_new_from_bytes(whole, head, bytes - head);
}

static void test_same(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct vd *from = make_source(fio_crash_io(disk)), *back;
    const uint64_t size = vd_size_bytes(from);
    g_autofree uint8_t *a = g_malloc(size), *b = g_malloc(size);
    g_autoptr(GError) error = NULL;
    cpu_set_t all, one;

    g_assert_cmpint(sched_getaffinity(0, sizeof(all), &all), ==, 0);
    one = first_of(&all);
    g_assert_cmpint(sched_setaffinity(0, sizeof(one), &one), ==, 0);
    g_assert_true(convert(from, fio_crash_io(disk), "/one", &error));
    g_assert_cmpint(sched_setaffinity(0, sizeof(all), &all), ==, 0);
    g_test_message("%d processors", CPU_COUNT(&all));
    g_assert_true(convert(from, fio_crash_io(disk), "/all", &error));
    {
        g_autoptr(GBytes) by_one = contents(disk, "/one"), by_all = contents(disk, "/all");

        g_assert_cmpuint(g_bytes_get_size(by_one), ==, g_bytes_get_size(by_all));
        g_assert_true(g_bytes_equal(by_one, by_all));
    }
    back = vd_open(fio_crash_io(disk), "VMDK", "/all", VD_READ_ONLY, &error);
    g_assert_no_error(error);
    g_assert_cmpint(vd_read(from, 0, a, size), ==, 0);
    g_assert_cmpint(vd_read(back, 0, b, size), ==, 0);
    g_assert_cmpmem(a, size, b, size);
    vd_close(back);
    vd_close(from);
    fio_crash_free(disk);
}

/* Each call and all behind it fail: the copy ends with an error, at once or some grains later, and never hangs. */
static void test_errors(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct vd *from = make_source(fio_crash_io(disk));
    unsigned refused = 0;
    bool hit = true;

    for (unsigned n = 1; hit; n += 1 + n / 8) {
        g_autoptr(GError) error = NULL;
        struct fio_fault fault;
        bool ok;

        fio_fault_init(&fault, fio_crash_io(disk));
        fault.fail_at = n;
        fault.err = ENOSPC;
        fault.for_ever = true;
        ok = convert(from, &fault.io, "/out", &error);
        hit = fault.hit;
        g_assert_true(ok == (error == NULL));
        refused += !ok;
        g_assert_true(!(ok && hit));
        fio_crash_io(disk)->unlink(fio_crash_io(disk)->ctx, "/out"); /* for ever: it cannot be removed either */
    }
    g_assert_cmpuint(refused, >, 10);
    vd_close(from);
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stream/same", test_same);
    g_test_add_func("/stream/errors", test_errors);
    return g_test_run();
}
