/*
 * compact_test.c - compacting gives back what is not used, and may end, fail or lose power at every operation.
 */
#include <errno.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/vd.h"

#define BLOCK   65536u
#define BLOCKS  16u
#define SIZE    (BLOCK * BLOCKS - 512) /* the last one is short */
#define CRASHES 4u

static const char *const formats[] = {"VDI", "VHD", "VMDK"};

/* Blocks in an order of their own, half of them overwritten with zeros, one discarded. */
static void make(const struct fio *io, const char *format, uint8_t *model)
{
    const struct vd_create args = {.format = format, .path = "/d", .size_bytes = SIZE, .block_bytes = BLOCK};
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    g_assert_true(vd_create(io, &args, &error));
    vd = vd_open(io, format, "/d", 0, &error);
    g_assert_no_error(error);
    memset(model, 0, SIZE);
    for (unsigned n = 0; n < BLOCKS; n++) {
        const unsigned b = n * 7 % BLOCKS;
        const size_t bytes = MIN(BLOCK, SIZE - b * BLOCK);

        memset(model + b * BLOCK, (int)b + 1, bytes);
        g_assert_cmpint(vd_write(vd, b * BLOCK, model + b * BLOCK, bytes), ==, 0);
    }
    for (unsigned b = 0; b < BLOCKS; b += 2) {
        memset(model + b * BLOCK, 0, BLOCK);
        g_assert_cmpint(vd_write(vd, b * BLOCK, model + b * BLOCK, BLOCK), ==, 0);
    }
    memset(model + 5 * BLOCK, 0, BLOCK);
    g_assert_cmpint(vd_discard(vd, 5 * BLOCK, BLOCK), ==, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    vd_close(vd);
}

static void check(struct fio_crash *disk, const char *format, const uint8_t *model, const char *when)
{
    struct vd *vd = vd_open(fio_crash_io(disk), format, "/d", 0, NULL);
    g_autofree uint8_t *buf = g_malloc(SIZE);
    struct vd_report report;

    g_assert_nonnull(vd);
    g_assert_null(vd_read_only_reason(vd));
    g_assert_cmpint(vd_read(vd, 0, buf, SIZE), ==, 0);
    if (memcmp(buf, model, SIZE) != 0)
        g_error("%s: the disk shows something else", when);
    g_assert_true(vd_check(vd, &report, NULL));
    for (char *line = strtok(report.text->str, "\n"); line; line = strtok(NULL, "\n")) /* two sectors, not one */
        g_assert_nonnull(strstr(line, "copies of grain table"));
    g_assert_true(report.errors == 0 || !strcmp(format, "VMDK"));
    g_string_free(report.text, TRUE);
    memset(buf, 0x77, BLOCK); /* it can still be written */
    g_assert_cmpint(vd_write(vd, 2 * BLOCK, buf, BLOCK), ==, 0);
    g_assert_cmpint(vd_read(vd, 2 * BLOCK + 5, buf, 1), ==, 0);
    g_assert_cmphex(buf[0], ==, 0x77);
    vd_close(vd);
}

static size_t file_bytes(struct fio_crash *disk)
{
    g_autoptr(GBytes) bytes = fio_crash_bytes(disk, "/d");

    return g_bytes_get_size(bytes);
}

static void test_compact(const void *format)
{
    struct fio_crash *disk = fio_crash_new();
    g_autofree uint8_t *model = g_malloc(SIZE);
    g_autoptr(GError) error = NULL;
    size_t before;
    struct vd *vd;

    make(fio_crash_io(disk), format, model);
    before = file_bytes(disk);
    vd = vd_open(fio_crash_io(disk), format, "/d", 0, NULL);
    g_assert_true(vd_compact(vd, NULL, &error));
    g_assert_no_error(error);
    vd_close(vd);
    g_assert_cmpuint(file_bytes(disk) + (BLOCKS / 2) * BLOCK, <=, before + BLOCK);
    before = file_bytes(disk);
    vd = vd_open(fio_crash_io(disk), format, "/d", 0, NULL); /* again: nothing left to do */
    g_assert_true(vd_compact(vd, NULL, &error));
    vd_close(vd);
    g_assert_cmpuint(file_bytes(disk), ==, before);
    check(disk, format, model, "compacted");
    fio_crash_free(disk);
}

/* ---- how often it waits for the disk ---- */

static unsigned syncs;
static int (*real_sync)(void *ctx, int fd);

static int counted_sync(void *ctx, int fd)
{
    syncs++;
    return real_sync(ctx, fd);
}

/* Half of 64 blocks go, and as many move: nothing is waited for block by block. */
static void test_syncs(const void *format)
{
    enum { COUNT = 64 };
    const struct vd_create args = {
        .format = format, .path = "/d", .size_bytes = (uint64_t)COUNT * BLOCK, .block_bytes = BLOCK};
    struct fio_crash *disk = fio_crash_new();
    struct fio io = *fio_crash_io(disk);
    g_autofree uint8_t *buf = g_malloc0(BLOCK);
    struct vd *vd;

    g_assert_true(vd_create(&io, &args, NULL));
    real_sync = io.fdatasync;
    io.fdatasync = counted_sync;
    vd = vd_open(&io, format, "/d", 0, NULL);
    for (unsigned b = 0; b < COUNT; b++) {
        memset(buf, (int)b + 1, BLOCK);
        g_assert_cmpint(vd_write(vd, (uint64_t)b * BLOCK, buf, BLOCK), ==, 0);
    }
    memset(buf, 0, BLOCK);
    for (unsigned b = 0; b < COUNT / 2; b++)
        g_assert_cmpint(vd_write(vd, (uint64_t)b * BLOCK, buf, BLOCK), ==, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    syncs = 0;
    g_assert_true(vd_compact(vd, NULL, NULL));
    g_assert_cmpuint(syncs, >, 0);
    g_assert_cmpuint(syncs, <, COUNT / 4);
    vd_close(vd);
    fio_crash_free(disk);
}

static void test_crashes(const void *format)
{
    bool hit = true;

    for (unsigned at = 1; hit; at++) {
        struct fio_crash *disk = fio_crash_new();
        g_autofree uint8_t *model = g_malloc(SIZE);
        struct fio_fault fault;
        struct vd *vd;

        make(fio_crash_io(disk), format, model);
        fio_fault_init(&fault, fio_crash_io(disk));
        fault.fail_at = at;
        fault.err = EIO;
        fault.for_ever = at % 2 != 0;
        vd = vd_open(&fault.io, format, "/d", 0, NULL);
        if (vd)
            vd_compact(vd, NULL, NULL);
        for (uint64_t seed = 0; seed < CRASHES; seed++) {
            struct fio_crash *after = fio_crash_replay(disk, seed);
            g_autofree char *when = g_strdup_printf("cut at %u, seed %u", at, (unsigned)seed);

            check(after, format, model, when);
            fio_crash_free(after);
        }
        vd_close(vd);
        check(disk, format, model, "failed");
        hit = fault.hit;
        fio_crash_free(disk);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t k = 0; k < G_N_ELEMENTS(formats); k++) {
        g_autofree char *one = g_strdup_printf("/compact/%s/space", formats[k]);
        g_autofree char *two = g_strdup_printf("/compact/%s/crashes", formats[k]);
        g_autofree char *three = g_strdup_printf("/compact/%s/syncs", formats[k]);

        g_test_add_data_func(one, formats[k], test_compact);
        g_test_add_data_func(two, formats[k], test_crashes);
        g_test_add_data_func(three, formats[k], test_syncs);
    }
    return g_test_run();
}
