/* vd_qemu_test.c - our images in qemu-img's hands and the other way round. Registered only where qemu-img exists. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/chain.h"
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
    GDir *dir = g_dir_open(p->dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(p->dir, name, NULL);

        g_unlink(path);
    }
    g_dir_close(dir);
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

static void compare_with_raw(struct vd *vd, const char *raw_path)
{
    struct vd *raw = vd_open(fio_system(), "RAW", raw_path, VD_READ_ONLY, NULL);
    g_autofree uint8_t *a = g_malloc(MIB), *b = g_malloc(MIB);

    g_assert_cmpuint(vd_size_bytes(vd), ==, vd_size_bytes(raw));
    for (uint64_t at = 0; at < vd_size_bytes(raw); at += MIB) {
        size_t n = MIN(MIB, vd_size_bytes(raw) - at);
        struct vd_extent x, y;

        g_assert_cmpint(vd_map(vd, at, n, &x), ==, 0);
        g_assert_cmpint(vd_map(raw, at, n, &y), ==, 0);
        if (x.kind == VD_ZERO && y.kind == VD_ZERO && x.bytes == n && y.bytes == n)
            continue;
        g_assert_cmpint(vd_read(vd, at, a, n), ==, 0);
        g_assert_cmpint(vd_read(raw, at, b, n), ==, 0);
        g_assert_cmpint(memcmp(a, b, n), ==, 0);
    }
    vd_close(raw);
}

/* Our format, laid out so; what QEMU calls it and which options make it write the same. */
static const struct kind {
    const char *name, *format;
    enum vd_layout layout;
    bool fixed;
    const char *qemu, *options;
    bool checks, read_only; /* qemu-img check knows it; nobody writes it twice */
} kinds[] = {
    {"vdi", "VDI", VD_PLAIN, false, "vdi", "static=off", true},
    {"vdi-fixed", "VDI", VD_PLAIN, true, "vdi", "static=on", true},
    {"vmdk", "VMDK", VD_PLAIN, false, "vmdk", "subformat=monolithicSparse", true},
    {"vmdk-flat", "VMDK", VD_PLAIN, true, "vmdk", "subformat=monolithicFlat", false},
    {"vmdk-split", "VMDK", VD_SPLIT_2G, false, "vmdk", "subformat=twoGbMaxExtentSparse", true},
    {"vmdk-split-flat", "VMDK", VD_SPLIT_2G, true, "vmdk", "subformat=twoGbMaxExtentFlat", false},
    {"vmdk-stream", "VMDK", VD_STREAM, false, "vmdk", "subformat=streamOptimized", true, true},
    {"vhd", "VHD", VD_PLAIN, false, "vpc", "subformat=dynamic,force_size=on", false},
    {"vhd-fixed", "VHD", VD_PLAIN, true, "vpc", "subformat=fixed,force_size=on", false},
    {"vmdk-esx", "VMDK", VD_ESX, false, "vmdk", "subformat=monolithicFlat", false},
};

static void test_ours_to_theirs(const void *arg)
{
    const struct kind *k = arg;
    struct place *p = place_new();
    const struct vd_create args = {.format = k->format, .path = p->vdi, .layout = k->layout, .fixed = k->fixed};
    g_autoptr(GError) error = NULL;
    struct vd *raw;

    make_raw(p->raw, k->layout == VD_SPLIT_2G && !k->fixed ? 2100ull * MIB + 512 : 37 * MIB + 512);
    raw = vd_open(fio_system(), "RAW", p->raw, VD_READ_ONLY, NULL);
    g_assert_true(vd_copy(raw, fio_system(), &args, NULL, &error));
    g_assert_no_error(error);
    vd_close(raw);
    if (k->checks)
        g_assert_cmpint(run("qemu-img check -f %s %s", k->qemu, p->vdi), ==, 0);
    g_assert_cmpint(run("qemu-img compare -f raw -F %s %s %s", k->qemu, p->raw, p->vdi), ==, 0);
    if (!k->read_only) {
        g_assert_cmpint(run("qemu-io -f %s -c \"write -P 0x41 3M 1536k\" %s", k->qemu, p->vdi), ==, 0);
        g_assert_cmpint(run("qemu-io -f raw -c \"write -P 0x41 3M 1536k\" %s", p->raw), ==, 0);
    }
    raw = vd_open(fio_system(), k->format, p->vdi, VD_READ_ONLY, &error);
    g_assert_no_error(error);
    compare_with_raw(raw, p->raw);
    vd_close(raw);
    place_free(p);
}

static void test_theirs_to_ours(const void *arg)
{
    const struct kind *k = arg;
    struct place *p = place_new();
    g_autoptr(GError) error = NULL;
    uint8_t buf[5000];
    struct vd *vd;

    make_raw(p->raw, k->layout == VD_SPLIT_2G && !k->fixed ? 2100ull * MIB : 16 * MIB);
    g_assert_cmpint(run("qemu-img convert -f raw -O %s -o %s %s %s", k->qemu, k->options, p->raw, p->vdi), ==, 0);
    vd = vd_open(fio_system(), k->format, p->vdi, k->read_only ? VD_READ_ONLY : 0, &error);
    g_assert_no_error(error);
    compare_with_raw(vd, p->raw);
    if (!k->read_only) {
        g_assert_false(vd_read_only(vd));
        memset(buf, 0xa5, sizeof(buf));
        g_assert_cmpint(vd_write(vd, 9 * MIB - 2500, buf, sizeof(buf)), ==, 0);
        g_assert_cmpint(vd_flush(vd), ==, 0);
    }
    vd_close(vd);
    if (k->checks)
        g_assert_cmpint(run("qemu-img check -f %s %s", k->qemu, p->vdi), ==, 0);
    if (!k->read_only)
        g_assert_cmpint(run("qemu-io -f %s -c \"read -P 0xa5 %u 5000\" %s", k->qemu, 9 * MIB - 2500, p->vdi), ==, 0);
    place_free(p);
}

/* Formats that are only read, as QEMU writes them. */
static const struct foreign {
    const char *name, *format, *command;
} foreigns[] = {
    {"qcow2-v2", "QCOW2", "qemu-img convert -f raw -O qcow2 -o compat=0.10"},
    {"qcow2-v3", "QCOW2", "qemu-img convert -f raw -O qcow2"},
    {"qcow2-512", "QCOW2", "qemu-img convert -f raw -O qcow2 -o cluster_size=512"},
    {"qcow2-2M", "QCOW2", "qemu-img convert -f raw -O qcow2 -o cluster_size=2M"},
    {"qcow2-zlib", "QCOW2", "qemu-img convert -c -f raw -O qcow2"},
    {"qcow2-zstd", "QCOW2", "qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd"},
    {"qcow2-prealloc", "QCOW2", "qemu-img convert -f raw -O qcow2 -o preallocation=metadata"},
    {"qed", "QED", "qemu-img convert -f raw -O qed"},
    {"qed-4K", "QED", "qemu-img convert -f raw -O qed -o cluster_size=4096,table_size=4"},
    {"parallels", "Parallels", "qemu-img convert -f raw -O parallels"},
    {"vhdx", "VHDX", "qemu-img convert -f raw -O vhdx -o subformat=dynamic"},
    {"vhdx-fixed", "VHDX", "qemu-img convert -f raw -O vhdx -o subformat=fixed"},
};

static void test_foreign(const void *arg)
{
    const struct foreign *f = arg;
    struct place *p = place_new();
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    make_raw(p->raw, 24 * MIB);
    g_assert_cmpint(run("%s %s %s", f->command, p->raw, p->vdi), ==, 0);
    g_assert_cmpstr(vd_probe(fio_system(), p->vdi, NULL), ==, f->format);
    vd = vd_open(fio_system(), f->format, p->vdi, 0, &error);
    g_assert_no_error(error);
    g_assert_true(vd_read_only(vd));
    compare_with_raw(vd, p->raw);
    vd_close(vd);
    place_free(p);
}

/* A backing file is named by the caller; the image alone is not opened. */
static void test_backing(void)
{
    static const char *const names[][2] = {{"qcow2", "QCOW2"}, {"qed", "QED"}};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct place *p = place_new();
        g_autofree char *child = g_build_filename(p->dir, "child", NULL);
        const struct vd_link links[] = {{"RAW", p->raw}, {names[i][1], child}};
        g_autoptr(GError) error = NULL;
        struct vd *vd;

        make_raw(p->raw, 8 * MIB);
        g_assert_cmpint(run("qemu-img create -q -f %s -b %s -F raw %s", names[i][0], p->raw, child), ==, 0);
        g_assert_cmpint(run("qemu-io -f %s -c \"write -P 0x41 1M 100k\" -c \"write -z 3M 1M\" %s", names[i][0], child),
                        ==, 0);
        g_assert_cmpint(run("qemu-img convert -f %s -O raw %s %s", names[i][0], child, p->back), ==, 0);
        g_assert_null(vd_open(fio_system(), names[i][1], child, VD_READ_ONLY, &error));
        g_assert_error(error, STATUS_ERROR, VERR_VD_UUID_MISMATCH);
        g_clear_error(&error);
        vd = vd_open_chain(fio_system(), links, 2, VD_READ_ONLY, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(vd_parent_hint(vd), ==, p->raw);
        compare_with_raw(vd, p->back);
        vd_close(vd);
        place_free(p);
    }
}

static void dmg_chunk(GByteArray *table, uint32_t type, uint64_t sector, uint64_t sectors, uint64_t at, uint64_t bytes)
{
    uint8_t e[40] = {};

    put_be32(e, type);
    put_be64(e + 8, sector);
    put_be64(e + 16, sectors);
    put_be64(e + 24, at);
    put_be64(e + 32, bytes);
    g_byte_array_append(table, e, sizeof(e));
}

/* Nothing at hand writes DMG files: one is put together here, and QEMU says what it holds. */
static void test_dmg(void)
{
    struct place *p = place_new();
    GByteArray *table = g_byte_array_new();
    g_autofree uint8_t *data = g_malloc(64 * 512), *packed = g_malloc(40000);
    uint8_t head[204] = {}, trailer[512] = {};
    g_autofree char *base64 = NULL, *xml = NULL;
    g_autoptr(GError) error = NULL;
    uLongf zlib_bytes = 40000;
    FILE *f = g_fopen(p->vdi, "wb");
    struct vd *vd;

    for (unsigned i = 0; i < 64 * 512; i++)
        data[i] = (uint8_t)(i * 7 >> 4);
    g_assert_cmpint(compress2(packed, &zlib_bytes, data, 64 * 512, 9), ==, Z_OK);
    memcpy(head, "mish", 4);
    put_be32(head + 4, 1);
    put_be64(head + 16, 256);
    put_be32(head + 32, 64 + 8);
    put_be32(head + 200, 5);
    g_byte_array_append(table, head, sizeof(head));
    dmg_chunk(table, 1, 0, 64, 0, 64 * 512);
    dmg_chunk(table, 0, 64, 64, 0, 0);
    dmg_chunk(table, 0x80000005, 128, 64, 64 * 512, zlib_bytes);
    dmg_chunk(table, 2, 192, 64, 0, 0);
    dmg_chunk(table, 0xffffffff, 256, 0, 0, 0);
    base64 = g_base64_encode(table->data, table->len);
    xml = g_strdup_printf("<plist><dict><key>resource-fork</key><dict><key>blkx</key><array><dict><key>Data</key>\n"
                          "<data>%s</data></dict></array></dict></dict></plist>",
                          base64);
    memcpy(trailer, "koly", 4);
    put_be32(trailer + 4, 4);
    put_be32(trailer + 8, 512);
    put_be64(trailer + 32, 64 * 512 + zlib_bytes);
    put_be64(trailer + 0xd8, 64 * 512 + zlib_bytes);
    put_be64(trailer + 0xe0, strlen(xml));
    put_be64(trailer + 0x1ec, 256);
    fwrite(data, 1, 64 * 512, f);
    fwrite(packed, 1, zlib_bytes, f);
    fwrite(xml, 1, strlen(xml), f);
    fwrite(trailer, 1, sizeof(trailer), f);
    fclose(f);
    g_byte_array_unref(table);
    g_assert_cmpint(run("qemu-img convert -f dmg -O raw %s %s", p->vdi, p->back), ==, 0);
    g_assert_cmpstr(vd_probe(fio_system(), p->vdi, NULL), ==, "DMG");
    vd = vd_open(fio_system(), "DMG", p->vdi, 0, &error);
    g_assert_no_error(error);
    compare_with_raw(vd, p->back);
    vd_close(vd);
    place_free(p);
}

/* Children: ours in QEMU's hands and QEMU's in ours; each writes a part, both must see the same disk. */
static void test_children(void)
{
    struct place *p = place_new();
    g_autofree char *child = g_build_filename(p->dir, "child.vmdk", NULL);
    g_autofree char *base = g_build_filename(p->dir, "base.vmdk", NULL);
    const struct vd_link links[] = {{"VMDK", base}, {"VMDK", child}};

    for (int theirs = 0; theirs < 2; theirs++) {
        g_autoptr(GError) error = NULL;
        uint8_t buf[3000];
        struct vd *vd;

        make_raw(p->raw, 8 * MIB);
        g_assert_cmpint(run("qemu-img convert -f raw -O vmdk %s %s", p->raw, base), ==, 0);
        if (theirs) {
            g_assert_cmpint(run("qemu-img create -q -f vmdk -b %s -F vmdk %s", base, child), ==, 0);
        } else {
            struct vd_create args = {.format = "VMDK", .path = child};

            args.parent = vd_open(fio_system(), "VMDK", base, VD_READ_ONLY, NULL);
            g_assert_true(vd_create(fio_system(), &args, &error));
            vd_close(args.parent);
        }
        vd = vd_open_chain(fio_system(), links, 2, 0, &error);
        g_assert_no_error(error);
        compare_with_raw(vd, p->raw);
        memset(buf, 0x77, sizeof(buf));
        g_assert_cmpint(vd_write(vd, 5 * MIB + 123, buf, sizeof(buf)), ==, 0);
        g_assert_cmpint(vd_flush(vd), ==, 0);
        vd_close(vd);
        g_assert_cmpint(run("qemu-io -f vmdk -c \"write -P 0x41 1M 100k\" %s", child), ==, 0);
        g_assert_cmpint(run("qemu-img check -f vmdk %s", child), ==, 0);
        g_assert_cmpint(run("qemu-img convert -f vmdk -O raw %s %s", child, p->back), ==, 0);
        vd = vd_open_chain(fio_system(), links, 2, 0, &error);
        g_assert_no_error(error);
        compare_with_raw(vd, p->back);
        vd_close(vd);
        g_unlink(child);
        g_unlink(base);
    }
    place_free(p);
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

/* Sizes and compacting of a VMDK, in one file and with a flat one: QEMU finds nothing wrong with the result. */
static void test_vmdk_whole(void)
{
    for (int fixed = 0; fixed < 2; fixed++) {
        struct place *p = place_new();
        g_autofree char *path = g_build_filename(p->dir, "whole.vmdk", NULL);
        const struct vd_create args = {.format = "VMDK", .path = path, .size_bytes = 5 * MIB, .fixed = fixed != 0};
        g_autofree uint8_t *buf = g_malloc(MIB);
        g_autoptr(GError) error = NULL;
        struct vd *vd;

        g_assert_true(vd_create(fio_system(), &args, &error));
        for (unsigned round = 0; round < 3; round++) {
            vd = vd_open(fio_system(), "VMDK", path, 0, &error);
            g_assert_no_error(error);
            memset(buf, 0x31 + (int)round, MIB);
            g_assert_cmpint(vd_write(vd, round * 2 * MIB + 4096, buf, MIB), ==, 0);
            memset(buf, 0, MIB / 2);
            g_assert_cmpint(vd_write(vd, round * 2 * MIB, buf, MIB / 2), ==, 0);
            g_assert_true(vd_resize(vd, (40 + 100 * round) * MIB + 512, &error));
            g_assert_no_error(error);
            g_assert_true(vd_compact(vd, NULL, &error));
            g_assert_no_error(error);
            g_assert_true(vd_resize(vd, vd_size_bytes(vd) + MIB, &error)); /* right behind what was cut */
            g_assert_cmpint(vd_write(vd, vd_size_bytes(vd) - 512, buf + MIB - 512, 512), ==, 0);
            g_assert_false(vd_resize(vd, MIB, &error));
            g_assert_error(error, STATUS_ERROR, VERR_NOT_SUPPORTED);
            g_clear_error(&error);
            vd_close(vd);
            if (!fixed)
                g_assert_cmpint(run("qemu-img check -f vmdk %s", path), ==, 0);
            g_assert_cmpint(run("qemu-img convert -f vmdk -O raw %s %s", path, p->back), ==, 0);
            vd = vd_open(fio_system(), "VMDK", path, 0, &error);
            g_assert_no_error(error);
            compare_with_raw(vd, p->back);
            vd_close(vd);
        }
        g_unlink(path);
        g_autofree char *flat = g_build_filename(p->dir, "whole-flat.vmdk", NULL);
        g_unlink(flat);
        place_free(p);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *ours = g_strdup_printf("/vd-qemu/%s/ours-to-theirs", kinds[i].name);
        g_autofree char *theirs = g_strdup_printf("/vd-qemu/%s/theirs-to-ours", kinds[i].name);

        g_test_add_data_func(ours, &kinds[i], test_ours_to_theirs);
        g_test_add_data_func(theirs, &kinds[i], test_theirs_to_ours);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(foreigns); i++) {
        g_autofree char *path = g_strdup_printf("/vd-qemu/foreign/%s", foreigns[i].name);

        g_test_add_data_func(path, &foreigns[i], test_foreign);
    }
    g_test_add_func("/vd-qemu/backing", test_backing);
    g_test_add_func("/vd-qemu/dmg", test_dmg);
    g_test_add_func("/vd-qemu/children", test_children);
    g_test_add_func("/vd-qemu/created", test_created);
    g_test_add_func("/vd-qemu/vmdk-whole", test_vmdk_whole);
    g_test_add_func("/vd-qemu/second-writer", test_second_writer);
    return g_test_run();
}
