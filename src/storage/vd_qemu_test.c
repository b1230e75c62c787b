/* vd_qemu_test.c - our images in qemu-img's hands and the other way round. Registered only where qemu-img exists. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/status.h"
#include "storage/copy.h"

#define MIB (1u << 20)

struct place {
    char *dir, *raw, *vdi, *back;
};

static struct place *place_new(void)
{
    struct place *p = g_new0(struct place, 1);

    p->dir = g_dir_make_tmp("vd-qemu-XXXXXX", NULL);
    p->raw = g_build_filename(p->dir, "a.raw", NULL);
    p->vdi = g_build_filename(p->dir, "b.vdi", NULL);
    p->back = g_build_filename(p->dir, "c.raw", NULL);
    return p;
}

static void place_free(struct place *p)
{
    g_unlink(p->raw);
    g_unlink(p->vdi);
    g_unlink(p->back);
    g_rmdir(p->dir);
    g_free(p->raw);
    g_free(p->vdi);
    g_free(p->back);
    g_free(p->dir);
    g_free(p);
}

/* Exit status of a command; -1 when it cannot run. */
static int run(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static int run(const char *fmt, ...)
{
    g_autofree char *cmd = NULL, *out = NULL, *err = NULL;
    int status = -1;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (!g_spawn_command_line_sync(cmd, &out, &err, &status, NULL))
        return -1;
    if (status)
        g_test_message("%s\n%s%s", cmd, out, err);
    return g_spawn_check_wait_status(status, NULL) ? 0 : status;
}

/* A sparse raw disk with data at its start, its end and some places between. */
static void make_raw(const char *path, uint64_t size)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    FILE *f = g_fopen(path, "wb");

    g_assert_nonnull(f);
    g_assert_cmpint(ftruncate(fileno(f), (off_t)size), ==, 0);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t buf[3000];
        uint64_t at = i == 0 ? 0 : i == 1 ? size - sizeof(buf) : g_rand_int(rand) % (size - sizeof(buf));

        memset(buf, (int)(i + 1), sizeof(buf));
        g_assert_cmpint(pwrite(fileno(f), buf, sizeof(buf), (off_t)at), ==, sizeof(buf));
    }
    fclose(f);
}

static void test_ours_to_theirs(void)
{
    struct place *p = place_new();
    g_autoptr(GError) error = NULL;

    make_raw(p->raw, 37 * MIB + 512);
    g_assert_true(vd_convert_from_raw(fio_system(), p->raw, p->vdi, &error));
    g_assert_no_error(error);
    g_assert_cmpint(run("qemu-img check -f vdi %s", p->vdi), ==, 0);
    g_assert_cmpint(run("qemu-img compare -f raw -F vdi %s %s", p->raw, p->vdi), ==, 0);
    g_assert_cmpint(run("qemu-img convert -f vdi -O raw %s %s", p->vdi, p->back), ==, 0);
    g_assert_cmpint(run("cmp %s %s", p->raw, p->back), ==, 0);
    place_free(p);
}

static void compare_with_raw(struct vd *vd, const char *raw_path)
{
    struct vd *raw = vd_open(fio_system(), "RAW", raw_path, VD_READ_ONLY, NULL);
    g_autofree uint8_t *a = g_malloc(MIB), *b = g_malloc(MIB);

    g_assert_cmpuint(vd_size_bytes(vd), ==, vd_size_bytes(raw));
    for (uint64_t at = 0; at < vd_size_bytes(raw); at += MIB) {
        size_t n = MIN(MIB, vd_size_bytes(raw) - at);

        g_assert_cmpint(vd_read(vd, at, a, n), ==, 0);
        g_assert_cmpint(vd_read(raw, at, b, n), ==, 0);
        g_assert_cmpint(memcmp(a, b, n), ==, 0);
    }
    vd_close(raw);
}

static void test_theirs_to_ours(void)
{
    static const char *options[] = {"static=off", "static=on"};

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        struct place *p = place_new();
        g_autoptr(GError) error = NULL;
        uint8_t buf[5000];
        struct vd *vd;

        make_raw(p->raw, 16 * MIB);
        g_assert_cmpint(run("qemu-img convert -f raw -O vdi -o %s %s %s", options[i], p->raw, p->vdi), ==, 0);
        vd = vd_open(fio_system(), "VDI", p->vdi, 0, &error);
        g_assert_no_error(error);
        compare_with_raw(vd, p->raw);
        memset(buf, 0xa5, sizeof(buf));
        g_assert_cmpint(vd_write(vd, 9 * MIB - 2500, buf, sizeof(buf)), ==, 0);
        g_assert_cmpint(vd_flush(vd), ==, 0);
        vd_close(vd);
        g_assert_cmpint(run("qemu-img check -f vdi %s", p->vdi), ==, 0);
        g_assert_cmpint(run("qemu-io -f vdi -c \"read -P 0xa5 %u 5000\" %s", 9 * MIB - 2500, p->vdi), ==, 0);
        place_free(p);
    }
}

static void test_created(void)
{
    for (int fixed = 0; fixed < 2; fixed++) {
        struct place *p = place_new();
        const struct vd_create args = {
            .format = "VDI", .path = p->vdi, .size_bytes = 20 * MIB + 1536, .fixed = fixed != 0};
        g_autoptr(GError) error = NULL;
        struct vd *vd;

        g_assert_true(vd_create(fio_system(), &args, &error));
        g_assert_no_error(error);
        g_assert_cmpint(run("qemu-img check -f vdi %s", p->vdi), ==, 0);
        g_assert_cmpint(run("qemu-io -f vdi -c \"write -P 0x41 3M 1536k\" %s", p->vdi), ==, 0);
        vd = vd_open(fio_system(), "VDI", p->vdi, 0, &error);
        g_assert_no_error(error);
        for (uint64_t at = 3 * MIB; at < 4 * MIB + MIB / 2; at += MIB / 4) {
            uint8_t byte = 0;

            g_assert_cmpint(vd_read(vd, at, &byte, 1), ==, 0);
            g_assert_cmpint(byte, ==, 0x41);
        }
        g_assert_cmpint(vd_discard(vd, 0, 4 * MIB), ==, 0);
        g_assert_cmpint(vd_flush(vd), ==, 0);
        vd_close(vd);
        g_assert_cmpint(run("qemu-img check -f vdi %s", p->vdi), ==, 0);
        place_free(p);
    }
}

/* A12: while we write, nobody else may; while somebody else writes, we may not. */
static void test_second_writer(void)
{
    struct place *p = place_new();
    const struct vd_create args = {.format = "VDI", .path = p->vdi, .size_bytes = 4 * MIB};
    g_autoptr(GError) error = NULL;
    struct vd *vd, *reader;

    g_assert_true(vd_create(fio_system(), &args, NULL));
    vd = vd_open(fio_system(), "VDI", p->vdi, 0, NULL);
    g_assert_nonnull(vd);
    g_assert_null(vd_open(fio_system(), "VDI", p->vdi, 0, &error));
    g_assert_error(error, STATUS_ERROR, VERR_SHARING_VIOLATION);
    g_assert_nonnull(strstr(error->message, p->vdi));
    g_assert_cmpint(run("qemu-io -f vdi -c \"write 0 512\" %s", p->vdi), !=, 0);
    g_assert_cmpint(run("qemu-img check -f vdi %s", p->vdi), !=, 0);
    vd_close(vd);
    vd = vd_open(fio_system(), "VDI", p->vdi, VD_READ_ONLY, NULL);
    reader = vd_open(fio_system(), "VDI", p->vdi, VD_READ_ONLY, NULL);
    g_assert_nonnull(reader);
    g_assert_cmpint(run("qemu-img check -f vdi %s", p->vdi), ==, 0);
    g_assert_cmpint(run("qemu-io -f vdi -c \"write 0 512\" %s", p->vdi), !=, 0);
    vd_close(reader);
    vd_close(vd);
    place_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vd-qemu/ours-to-theirs", test_ours_to_theirs);
    g_test_add_func("/vd-qemu/theirs-to-ours", test_theirs_to_ours);
    g_test_add_func("/vd-qemu/created", test_created);
    g_test_add_func("/vd-qemu/second-writer", test_second_writer);
    return g_test_run();
}
