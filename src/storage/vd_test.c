/* vd_test.c - images of every format as arrays of bytes; hostile VDI headers and maps; locks; read-only media. */
#include "storage/vd.h"

#include <fcntl.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"

#define MIB (1u << 20)

static void put32(uint8_t *p, unsigned at, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p + at, &v, 4);
}

static void put64(uint8_t *p, unsigned at, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    memcpy(p + at, &v, 8);
}

static uint32_t get32(const uint8_t *p, unsigned at)
{
    uint32_t v;

    memcpy(&v, p + at, 4);
    return GUINT32_FROM_LE(v);
}

static void poke(const struct fio *io, const char *path, uint64_t at, const void *bytes, size_t size)
{
    int fd = -1;

    g_assert_cmpint(fio_open(io, path, O_RDWR | O_CREAT, 0600, &fd), ==, 0);
    g_assert_cmpint(fio_write(io, fd, bytes, size, at), ==, 0);
    fio_close(io, fd);
}

/* A VDI as some other program writes it: header of 384 bytes, map at 512, small blocks; @extra bytes before each. */
static void make_foreign(const struct fio *io, const char *path, uint32_t blocks, uint32_t block_bytes, uint32_t extra)
{
    uint8_t h[512] = {};
    g_autofree uint8_t *map = g_malloc(512);

    put32(h, 0x40, 0xbeda107f);
    put32(h, 0x44, 0x00010001);
    put32(h, 0x48, 384);
    put32(h, 0x4c, 1);
    put32(h, 0x154, 512);
    put32(h, 0x158, 1024);
    put64(h, 0x170, (uint64_t)blocks * block_bytes);
    put32(h, 0x178, block_bytes);
    put32(h, 0x17c, extra);
    put32(h, 0x180, blocks);
    memset(h + 0x188, 0x11, 16);
    memset(map, 0xff, 512);
    poke(io, path, 0, h, sizeof(h));
    poke(io, path, 512, map, 512);
}

/* Random writes against a model in memory, closing and opening now and then. */
static void play(const struct fio *io, const char *format, const char *path, unsigned ops)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    g_autoptr(GError) error = NULL;
    struct vd *vd = vd_open(io, format, path, 0, &error);
    g_autofree uint8_t *model = NULL, *buf = NULL;
    uint64_t size;

    g_assert_no_error(error);
    size = vd_size_bytes(vd);
    model = g_malloc0(size);
    buf = g_malloc(size);
    for (unsigned i = 0; i < ops; i++) {
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, (int)(size / 512)) * 512;
        uint64_t want = (uint64_t)g_rand_int_range(rand, 1, 300) * 512, n = MIN(want, size - at);
        int what = g_rand_int_range(rand, 0, 10);

        if (what < 6) {
            memset(model + at, what == 0 ? 0 : (int)(i | 1), n);
            g_assert_cmpint(vd_write(vd, at, model + at, n), ==, 0);
        } else if (what < 8) {
            g_assert_cmpint(vd_read(vd, at, buf, n), ==, 0);
            g_assert_cmpint(memcmp(buf, model + at, n), ==, 0);
        } else if (what == 8) {
            g_assert_cmpint(vd_discard(vd, at, n), ==, 0);
            g_assert_cmpint(vd_read(vd, at, model + at, n), ==, 0); /* kept or zero, both are right */
        } else {
            g_assert_cmpint(vd_flush(vd), ==, 0);
            vd_close(vd);
            vd = vd_open(io, format, path, 0, &error);
            g_assert_no_error(error);
        }
    }
    g_assert_cmpint(vd_read(vd, 0, buf, size), ==, 0);
    g_assert_cmpint(memcmp(buf, model, size), ==, 0);
    vd_close(vd);
}

static void test_round_trips(void)
{
    static const struct {
        const char *format;
        bool fixed;
    } cases[] = {{"RAW", false}, {"VDI", false}, {"vdi", true}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct fio_crash *disk = fio_crash_new();
        const struct vd_create args = {
            .format = cases[i].format, .path = "/d", .size_bytes = 5 * MIB + 1024, .fixed = cases[i].fixed};
        g_autoptr(GError) error = NULL;

        g_assert_true(vd_create(fio_crash_io(disk), &args, &error));
        g_assert_no_error(error);
        play(fio_crash_io(disk), cases[i].format, "/d", 300);
        fio_crash_free(disk);
    }
}

static void test_foreign_layouts(void)
{
    static const uint32_t extras[] = {0, 512, 4096};

    for (size_t i = 0; i < G_N_ELEMENTS(extras); i++) {
        struct fio_crash *disk = fio_crash_new();

        make_foreign(fio_crash_io(disk), "/d", 100, 8192, extras[i]);
        play(fio_crash_io(disk), "VDI", "/d", 400);
        fio_crash_free(disk);
    }
}

/* Fields of an image we made, byte by byte (doc/storage.md, the layout table). */
static void test_created_fields(void)
{
    struct fio_crash *disk = fio_crash_new();
    uint8_t uuid[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x46, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    static const uint8_t in_file[8] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x46};
    const struct vd_create args = {.format = "VDI", .path = "/d", .size_bytes = 3 * MIB + 512, .uuid = uuid};
    g_autoptr(GBytes) bytes = NULL;
    const uint8_t *p;
    struct vd *vd;

    g_assert_true(vd_create(fio_crash_io(disk), &args, NULL));
    bytes = fio_crash_bytes(disk, "/d");
    p = g_bytes_get_data(bytes, NULL);
    g_assert_cmpuint(g_bytes_get_size(bytes), ==, 2 * MIB);
    g_assert_cmpuint(get32(p, 0x40), ==, 0xbeda107f);
    g_assert_cmpuint(get32(p, 0x44), ==, 0x00010001);
    g_assert_cmpuint(get32(p, 0x48), ==, 400);
    g_assert_cmpuint(get32(p, 0x4c), ==, 1);
    g_assert_cmpuint(get32(p, 0x154), ==, MIB);
    g_assert_cmpuint(get32(p, 0x158), ==, 2 * MIB);
    g_assert_cmpuint(get32(p, 0x168), ==, 512);
    g_assert_cmpuint(get32(p, 0x170), ==, 3 * MIB + 512);
    g_assert_cmpuint(get32(p, 0x178), ==, MIB);
    g_assert_cmpuint(get32(p, 0x180), ==, 4);
    g_assert_cmpuint(get32(p, 0x184), ==, 0);
    g_assert_cmpmem(p + 0x188, 8, in_file, 8);
    g_assert_cmpmem(p + 0x190, 8, uuid + 8, 8);
    g_assert_cmpuint(get32(p, 0x1d4), ==, 512);
    g_assert_cmpuint(get32(p, MIB + 12), ==, 0xffffffff);

    vd = vd_open(fio_crash_io(disk), "VDI", "/d", VD_READ_ONLY, NULL);
    memset(uuid, 0, sizeof(uuid));
    g_assert_true(vd_uuid(vd, uuid));
    g_assert_cmpuint(uuid[0], ==, 0x00);
    g_assert_cmpuint(uuid[3], ==, 0x33);
    vd_close(vd);
    fio_crash_free(disk);
}

/* Version 0.1: other offsets, map behind the header, read only. */
static void test_version_01(void)
{
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    uint8_t h[428] = {}, sector[512], got[512];
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    put32(h, 0x40, 0xbeda107f);
    put32(h, 0x44, 0x00000001);
    put32(h, 72, 1);
    put64(h, 352, 8192);
    put32(h, 360, 4096);
    put32(h, 364, 2);
    put32(h, 368, 1);
    memset(h + 372, 0x22, 32);
    put32(h, 420, 0xffffffff);
    put32(h, 424, 0);
    memset(sector, 0x77, sizeof(sector));
    poke(io, "/d", 0, h, sizeof(h));
    poke(io, "/d", 428, sector, sizeof(sector));
    vd = vd_open(io, "VDI", "/d", 0, &error);
    g_assert_no_error(error);
    g_assert_true(vd_read_only(vd));
    g_assert_nonnull(strstr(vd_read_only_reason(vd), "0.1"));
    g_assert_cmpint(vd_read(vd, 4096, got, 512), ==, 0);
    g_assert_cmpmem(got, 512, sector, 512);
    g_assert_cmpint(vd_read(vd, 0, got, 512), ==, 0);
    g_assert_cmpuint(got[0], ==, 0);
    g_assert_cmpint(vd_write(vd, 0, sector, 512), ==, VERR_VD_IMAGE_READ_ONLY);
    vd_close(vd);
    fio_crash_free(disk);
}

/* Each row changes one field of a good image; opening must say no, with this code. */
static void test_hostile_headers(void)
{
    static const struct {
        unsigned at, size;
        uint64_t val;
        int status;
    } rows[] = {
        {0x40, 4, 0x12345678, VERR_VD_VDI_INVALID_SIGNATURE},
        {0x44, 4, 0x00020000, VERR_VD_VDI_UNSUPPORTED_VERSION},
        {0x44, 4, 0x00010002, VERR_VD_VDI_UNSUPPORTED_VERSION},
        {0x48, 4, 0, VERR_VD_VDI_INVALID_HEADER},
        {0x48, 4, 383, VERR_VD_VDI_INVALID_HEADER},
        {0x48, 4, 0xffffffff, VERR_VD_VDI_INVALID_HEADER},
        {0x4c, 4, 0, VERR_VD_VDI_INVALID_HEADER},
        {0x4c, 4, 3, VERR_VD_VDI_INVALID_HEADER},
        {0x4c, 4, 4, VERR_VD_VDI_INVALID_HEADER},
        {0x4c, 4, 5, VERR_VD_VDI_INVALID_HEADER},
        {0x50, 4, 2, VERR_VD_VDI_INVALID_HEADER},
        {0x154, 4, 0, VERR_VD_VDI_INVALID_HEADER},
        {0x154, 4, 513, VERR_VD_VDI_INVALID_HEADER},
        {0x154, 4, 0xfffffe00, VERR_VD_VDI_INVALID_HEADER},
        {0x158, 4, 0, VERR_VD_VDI_INVALID_HEADER},
        {0x158, 4, 516, VERR_VD_VDI_INVALID_HEADER},
        {0x170, 8, 0, VERR_VD_VDI_INVALID_HEADER},
        {0x170, 8, 1, VERR_VD_VDI_INVALID_HEADER},
        {0x170, 8, UINT64_C(1) << 63, VERR_VD_VDI_INVALID_HEADER},
        {0x170, 8, UINT64_MAX - 511, VERR_VD_VDI_INVALID_HEADER},
        {0x170, 8, 101 * 8192, VERR_VD_VDI_INVALID_HEADER},
        {0x178, 4, 0, VERR_VD_VDI_INVALID_HEADER},
        {0x178, 4, 3, VERR_VD_VDI_INVALID_HEADER},
        {0x178, 4, 512, VERR_VD_VDI_INVALID_HEADER},
        {0x178, 4, 0x80000000, VERR_VD_VDI_INVALID_HEADER},
        {0x17c, 4, 3, VERR_VD_VDI_INVALID_HEADER},
        {0x17c, 4, 0x80000000, VERR_VD_VDI_INVALID_HEADER},
        {0x180, 4, 0, VERR_VD_VDI_INVALID_HEADER},
        {0x180, 4, 99, VERR_VD_VDI_INVALID_HEADER},
        {0x180, 4, 0x00800000, VERR_VD_VDI_INVALID_HEADER},
        {0x180, 4, 0xffffffff, VERR_VD_VDI_INVALID_HEADER},
        {0x184, 4, 101, VERR_VD_VDI_INVALID_HEADER},
        {0x184, 4, 0xffffffff, VERR_VD_VDI_INVALID_HEADER},
        {0x188, 16, 0, VERR_VD_VDI_INVALID_HEADER},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct fio_crash *disk = fio_crash_new();
        const struct fio *io = fio_crash_io(disk);
        g_autoptr(GError) error = NULL;
        uint8_t val[16] = {};

        make_foreign(io, "/evil.vdi", 100, 8192, 0);
        put64(val, 0, rows[i].val);
        poke(io, "/evil.vdi", rows[i].at, val, rows[i].size);
        g_assert_null(vd_open(io, "VDI", "/evil.vdi", 0, &error));
        g_assert_error(error, STATUS_ERROR, rows[i].status);
        g_assert_nonnull(strstr(error->message, "/evil.vdi"));
        fio_crash_free(disk);
    }
}

/* Short files, and maps that name one slot twice or a slot that cannot be. */
static void test_hostile_maps(void)
{
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    static const struct {
        uint32_t first, second;
        bool ro;
        int read_second;
    } rows[] = {
        {0, 1, false, 0},
        {5, 5, true, 0},
        {0, 100, true, VERR_VD_IMAGE_CORRUPTED},
        {0, 0xfffffffd, true, VERR_VD_IMAGE_CORRUPTED},
        {0, 0xfffffffe, false, 0},
        {99, 0, false, 0}, /* slots far beyond the end of the file: moved down when opened */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        uint8_t map[8], sector[512];
        struct vd *vd;

        make_foreign(io, "/evil.vdi", 100, 8192, 0);
        put32(map, 0, rows[i].first);
        put32(map, 4, rows[i].second);
        poke(io, "/evil.vdi", 512, map, 8);
        vd = vd_open(io, "VDI", "/evil.vdi", 0, &error);
        g_assert_no_error(error);
        g_assert_cmpint(vd_read_only(vd), ==, rows[i].ro);
        g_assert_cmpint(rows[i].ro, ==, vd_read_only_reason(vd) != NULL);
        g_assert_cmpint(vd_read(vd, 8192, sector, 512), ==, rows[i].read_second);
        g_assert_cmpint(vd_write(vd, 16384, sector, 512), ==, rows[i].ro ? VERR_VD_IMAGE_READ_ONLY : 0);
        vd_close(vd);
    }
    fio_crash_free(disk);
}

static void test_truncated(void)
{
    for (unsigned bytes = 0; bytes < 912; bytes += 7) {
        struct fio_crash *disk = fio_crash_new();
        const struct fio *io = fio_crash_io(disk);
        g_autoptr(GError) error = NULL;
        int fd = -1;

        make_foreign(io, "/cut.vdi", 100, 8192, 0);
        g_assert_cmpint(fio_open(io, "/cut.vdi", O_RDWR, 0, &fd), ==, 0);
        g_assert_cmpint(fio_truncate(io, fd, bytes), ==, 0);
        fio_close(io, fd);
        g_assert_null(vd_open(io, "VDI", "/cut.vdi", 0, &error));
        g_assert_nonnull(error);
        fio_crash_free(disk);
    }
}

static void test_bounds(void)
{
    struct fio_crash *disk = fio_crash_new();
    const struct vd_create args = {.format = "VDI", .path = "/d", .size_bytes = MIB + 512};
    uint8_t sector[1024] = {1};
    struct vd *vd;

    g_assert_true(vd_create(fio_crash_io(disk), &args, NULL));
    g_assert_false(vd_create(fio_crash_io(disk), &args, NULL)); /* it exists */
    vd = vd_open(fio_crash_io(disk), "VDI", "/d", 0, NULL);
    g_assert_cmpint(vd_write(vd, MIB, sector, 512), ==, 0);
    g_assert_cmpint(vd_write(vd, MIB, sector, 513), ==, VERR_OUT_OF_RANGE);
    g_assert_cmpint(vd_read(vd, UINT64_MAX, sector, 1), ==, VERR_OUT_OF_RANGE);
    g_assert_cmpint(vd_read(vd, 512, sector, SIZE_MAX), ==, VERR_OUT_OF_RANGE);
    g_assert_cmpint(vd_read(vd, MIB + 512, sector, 0), ==, 0);
    vd_close(vd);
    fio_crash_free(disk);
}

/* A guest wrote a VDI header into its raw disk: it stays raw (the format is given). */
static void test_format_is_pinned(void)
{
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    make_foreign(io, "/d.raw", 100, 8192, 0);
    vd = vd_open(io, "RAW", "/d.raw", 0, NULL);
    g_assert_cmpuint(vd_size_bytes(vd), ==, 1024);
    vd_close(vd);
    g_assert_cmpstr(vd_probe(io, "/d.raw", NULL), ==, "VDI");
    g_assert_null(vd_open(io, "QCOW2", "/d.raw", 0, NULL));
    g_assert_null(vd_open(io, "qcow9", "/d.raw", 0, &error));
    g_assert_error(error, STATUS_ERROR, VERR_NOT_SUPPORTED);
    fio_crash_free(disk);
}

/* A read-only medium's file is not touched, whatever is asked; an ISO is padded to its sector size. */
static void test_read_only(void)
{
    struct fio_crash *disk = fio_crash_new();
    const struct fio *io = fio_crash_io(disk);
    struct fio_fault counter;
    uint8_t sector[512] = {9};
    struct vd *vd;

    poke(io, "/cd.iso", 33 * 1024 + 100, "x", 1);
    poke(io, "/cd.iso", 32769, "CD001", 5);
    fio_fault_init(&counter, io);
    g_assert_cmpstr(vd_probe(io, "/cd.iso", NULL), ==, "ISO");
    vd = vd_open(&counter.io, "ISO", "/cd.iso", 0, NULL);
    g_assert_true(vd_read_only(vd));
    g_assert_cmpuint(vd_size_bytes(vd), ==, 17 * 2048);
    g_assert_cmpint(vd_read(vd, 17 * 2048 - 512, sector, 512), ==, 0);
    g_assert_cmpint(vd_write(vd, 0, sector, 512), ==, VERR_VD_IMAGE_READ_ONLY);
    g_assert_cmpint(vd_discard(vd, 0, 512), ==, VERR_VD_IMAGE_READ_ONLY);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    vd_close(vd);

    make_foreign(io, "/d.vdi", 100, 8192, 0);
    {
        uint8_t map[4] = {7}; /* a hole a writer would close */
        g_autoptr(GBytes) before = NULL, after = NULL;

        poke(io, "/d.vdi", 512, map, 4);
        before = fio_crash_bytes(disk, "/d.vdi");
        vd = vd_open(io, "VDI", "/d.vdi", VD_READ_ONLY, NULL);
        g_assert_cmpint(vd_write(vd, 0, sector, 512), ==, VERR_VD_IMAGE_READ_ONLY);
        vd_close(vd);
        after = fio_crash_bytes(disk, "/d.vdi");
        g_assert_true(g_bytes_equal(before, after));
    }
    fio_crash_free(disk);
}

/* Flush says yes only after the sync said yes, and never again after it said no. */
static void test_flush_failure_sticks(void)
{
    struct fio_crash *disk = fio_crash_new();
    const struct vd_create args = {.format = "VDI", .path = "/d", .size_bytes = MIB};
    struct fio_fault f;
    uint8_t sector[512] = {1};
    struct vd *vd;

    g_assert_true(vd_create(fio_crash_io(disk), &args, NULL));
    fio_fault_init(&f, fio_crash_io(disk));
    vd = vd_open(&f.io, "VDI", "/d", 0, NULL);
    g_assert_cmpint(vd_write(vd, 0, sector, 512), ==, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    g_assert_cmpuint(fio_crash_unsynced(disk, "/d"), ==, 0);
    f.fail_at = f.calls + 1;
    g_assert_cmpint(vd_flush(vd), ==, VERR_DEV_IO_ERROR);
    g_assert_cmpint(vd_flush(vd), ==, VERR_DEV_IO_ERROR);
    vd_close(vd);
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vd/round-trips", test_round_trips);
    g_test_add_func("/vd/foreign-layouts", test_foreign_layouts);
    g_test_add_func("/vd/created-fields", test_created_fields);
    g_test_add_func("/vd/version-0.1", test_version_01);
    g_test_add_func("/vd/hostile-headers", test_hostile_headers);
    g_test_add_func("/vd/hostile-maps", test_hostile_maps);
    g_test_add_func("/vd/truncated", test_truncated);
    g_test_add_func("/vd/bounds", test_bounds);
    g_test_add_func("/vd/format-is-pinned", test_format_is_pinned);
    g_test_add_func("/vd/read-only", test_read_only);
    g_test_add_func("/vd/flush-failure-sticks", test_flush_failure_sticks);
    return g_test_run();
}
