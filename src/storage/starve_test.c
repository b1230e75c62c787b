/*
 * starve_test.c - memory runs out while images are made, opened, written, snapshot, merged, resized, compacted (A6):
 * each ends with an error or like a kill, and the disk opens and shows what it did before or should afterwards.
 *
 * With -m slow every allocation fails, not a sample.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/starve.h"
#include "rt/status.h"
#include "storage/merge.h"

#define BYTES    (2u << 20)
#define BLOCK    8192u
#define PIECE    (64u << 10)
#define LEVELS   3u
#define BIG      (128u << 10) /* what guests and files decide the size of, and buffers */
#define TERABYTE (UINT64_C(1) << 40)

static const char *const formats[] = {"VDI", "VMDK", "VHD"};
static const char *const names[LEVELS + 1] = {"starve-0", "starve-1", "starve-2", "starve-new"};

struct disk {
    const char *format;
    uint8_t before[BYTES], after[BYTES];
    GBytes *files[LEVELS];
};

static void links_of(const struct disk *d, unsigned count, struct vd_link ret[LEVELS + 1])
{
    for (unsigned i = 0; i < count; i++)
        ret[i] = (struct vd_link){d->format, names[i]};
}

static struct vd *open_levels(const struct disk *d, unsigned count, GError **error)
{
    struct vd_link links[LEVELS + 1];

    links_of(d, count, links);
    return vd_open_chain(fio_system(), links, count, 0, error);
}

static bool create(const struct disk *d, unsigned level, struct vd *parent, GError **error)
{
    const struct vd_create args = {
        .format = d->format, .path = names[level], .size_bytes = BYTES, .block_bytes = BLOCK, .parent = parent};

    return vd_create(fio_system(), &args, error);
}

/* A chain of three, each with something in every third piece. */
static struct disk *disk_new(const char *format)
{
    struct disk *d = g_new0(struct disk, 1);

    d->format = format;
    for (unsigned level = 0; level < LEVELS; level++) {
        struct vd *parent = level ? open_levels(d, level, NULL) : NULL, *vd;

        g_unlink(names[level]);
        g_assert_true(create(d, level, parent, NULL));
        vd_close(parent);
        vd = open_levels(d, level + 1, NULL);
        for (unsigned at = level * PIECE; at < BYTES; at += 3 * PIECE) {
            memset(d->before + at, (int)(0x11 * (level + 1)), PIECE);
            g_assert_cmpint(vd_write(vd, at, d->before + at, PIECE), ==, 0);
        }
        g_assert_cmpint(vd_flush(vd), ==, 0);
        vd_close(vd);
    }
    for (unsigned level = 0; level < LEVELS; level++) {
        char *bytes;
        gsize size;

        g_assert_true(g_file_get_contents(names[level], &bytes, &size, NULL));
        d->files[level] = g_bytes_new_take(bytes, size);
    }
    return d;
}

static void put_back(const struct disk *d)
{
    g_unlink(names[LEVELS]);
    for (unsigned level = 0; level < LEVELS; level++) {
        gsize size;
        const char *bytes = g_bytes_get_data(d->files[level], &size);

        g_unlink(names[level]);
        g_assert_true(
            g_file_set_contents_full(names[level], bytes, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    }
}

static void disk_free(struct disk *d)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        g_unlink(names[level]);
        g_bytes_unref(d->files[level]);
    }
    g_unlink(names[LEVELS]);
    g_free(d);
}

/* ---- what runs short of memory ---- */

static bool worked(int rc, GError **error)
{
    if (rc)
        fio_error(error, rc, "it");
    return rc == 0;
}

static bool do_create(void *ctx, GError **error)
{
    return create(ctx, LEVELS, NULL, error);
}

static bool do_open(void *ctx, GError **error)
{
    struct vd *vd = open_levels(ctx, LEVELS, error);

    vd_close(vd);
    return vd != NULL;
}

static bool do_write(void *ctx, GError **error)
{
    struct disk *d = ctx;
    struct vd *vd = open_levels(d, LEVELS, error);
    bool ok = vd != NULL;

    for (unsigned at = 512; ok && at + PIECE < BYTES; at += 5 * PIECE)
        ok = worked(vd_write(vd, at, d->after + at, PIECE), error);
    ok = ok && worked(vd_discard(vd, 3 * PIECE, PIECE), error) && worked(vd_flush(vd), error);
    vd_close(vd);
    return ok;
}

static bool do_snapshot(void *ctx, GError **error)
{
    struct disk *d = ctx;
    const struct vd_link link = {d->format, names[LEVELS]};
    struct vd *vd = open_levels(d, LEVELS, error);
    bool ok = vd && create(d, LEVELS, vd, error) && vd_push(vd, &link, error);

    vd_close(vd);
    return ok;
}

static bool do_merge(void *ctx, GError **error)
{
    struct vd *vd = open_levels(ctx, LEVELS, error);
    bool ok = vd && vd_merge_run(vd, LEVELS - 1, LEVELS - 2, NULL, error);

    vd_close(vd);
    return ok;
}

static bool do_resize(void *ctx, GError **error)
{
    const struct disk *d = ctx;
    struct vd *vd = vd_open(fio_system(), d->format, names[LEVELS - 1], VD_ALONE, error);
    bool ok = vd && vd_resize(vd, 64 * BYTES, error);

    vd_close(vd);
    return ok;
}

static bool do_compact(void *ctx, GError **error)
{
    const struct disk *d = ctx;
    struct vd *vd = vd_open(fio_system(), d->format, names[0], 0, error);
    bool ok = vd && vd_compact(vd, NULL, error);

    vd_close(vd);
    return ok;
}

static const struct op {
    const char *name;
    bool (*run)(void *ctx, GError **error);
    unsigned links[2]; /* of the chain before and after; 0 = the same */
    bool writes, all_or_nothing /* there is no fourth file, or it opens */, not_vmdk;
} ops[] = {
    {"create", do_create, {LEVELS}, false, true, false},
    {"open", do_open, {LEVELS}, false, false, false},
    {"write", do_write, {LEVELS}, true, false, false},
    {"snapshot", do_snapshot, {LEVELS, LEVELS + 1}, false, false, false},
    {"merge", do_merge, {LEVELS, LEVELS - 1}, false, false, false},
    {"resize", do_resize, {LEVELS}, false, false, true},
    {"compact", do_compact, {LEVELS}, false, false, true},
};

/* The chain of before, or behind it if all went well; where a write fell, old or new, sector by sector. */
static void check(const struct disk *d, const struct op *op, enum starve_end end, const char *what)
{
    static uint8_t now[BYTES];
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    vd = open_levels(d, end == STARVE_DONE && op->links[1] ? op->links[1] : op->links[0], &error);
    if (error || vd_read_only(vd))
        g_error("%s: %s", what, error ? error->message : vd_read_only_reason(vd));
    g_assert_cmpint(vd_read(vd, 0, now, BYTES), ==, 0);
    for (unsigned at = 0; at < BYTES; at += 512)
        if (memcmp(now + at, d->before + at, 512) && !(op->writes && !memcmp(now + at, d->after + at, 512)))
            g_error("%s: sector %u shows something else", what, at / 512);
    vd_close(vd);
    if (op->all_or_nothing && g_file_test(names[LEVELS], G_FILE_TEST_EXISTS) && end != STARVE_DIED) {
        g_assert_cmpint(end, ==, STARVE_DONE);
        vd = vd_open(fio_system(), d->format, names[LEVELS], 0, &error);
        g_assert_no_error(error);
        vd_close(vd);
    }
}

/* What do_write() leaves when it comes to its end. */
static void make_after(struct disk *d)
{
    memcpy(d->after, d->before, BYTES);
    for (unsigned at = 512; at + PIECE < BYTES; at += 5 * PIECE)
        memset(d->after + at, 0xaa, PIECE);
}

static void starve(struct disk *d, const struct op *op, struct starve s, unsigned step, unsigned ends[3])
{
    for (bool hit = true; hit; s.fail_at += step) {
        g_autofree char *what = g_strdup_printf("%s %s, allocation %u of %zu bytes and more%s", d->format, op->name,
                                                s.fail_at, s.min_bytes, s.for_ever ? " and all behind it" : "");
        enum starve_end end;

        put_back(d);
        end = starve_run(&s, op->run, d, &hit);
        if (s.min_bytes && end == STARVE_DIED)
            g_error("%s: it died", what);
        if (!hit)
            g_assert_cmpint(end, ==, STARVE_DONE);
        check(d, op, end, what);
        ends[end]++;
    }
}

static void test_op(gconstpointer arg)
{
    const struct op *op = arg;
    unsigned ends[3] = {0};

    for (unsigned f = 0; f < G_N_ELEMENTS(formats); f++) {
        struct disk *d = disk_new(formats[f]);

        make_after(d);
        if (op->writes) /* the discarded piece shows nothing, or what it did */
            memset(d->after + 3 * PIECE, 0, PIECE);
        for (unsigned kind = 0; kind < 4 && !(op->not_vmdk && f == 1); kind++) {
            const struct starve s = {.fail_at = 1 + f, .min_bytes = kind < 2 ? 0 : BIG, .for_ever = kind % 2};

            starve(d, op, s, g_test_slow() || s.min_bytes ? 1 : 13, ends);
        }
        disk_free(d);
    }
    g_test_message("%u done all the same, %u refused, %u died", ends[STARVE_DONE], ends[STARVE_REFUSED],
                   ends[STARVE_DIED]);
}

/* ---- large disks: what their maps take is refused, the process lives ---- */

static bool open_large(void *format, GError **error)
{
    struct vd *vd = vd_open(fio_system(), format, names[0], 0, error);
    uint8_t byte = 1;
    bool ok = vd && worked(vd_write(vd, TERABYTE - 512, &byte, 1), error) && worked(vd_flush(vd), error);

    vd_close(vd);
    return ok;
}

static void test_large(void)
{
    unsigned ends[3] = {0};

    for (unsigned f = 0; f < G_N_ELEMENTS(formats); f++) {
        const struct vd_create args = {.format = formats[f], .path = names[0], .size_bytes = TERABYTE};

        g_unlink(names[0]);
        g_assert_true(vd_create(fio_system(), &args, NULL));
        for (unsigned kind = 0; kind < 2; kind++) {
            struct starve s = {.fail_at = 1, .min_bytes = BIG, .for_ever = kind};

            for (bool hit = true; hit; s.fail_at++) {
                const enum starve_end end = starve_run(&s, open_large, (void *)formats[f], &hit);

                g_assert_cmpint(end, !=, STARVE_DIED);
                ends[end]++;
            }
        }
        g_unlink(names[0]);
    }
    g_test_message("%u done all the same, %u refused", ends[STARVE_DONE], ends[STARVE_REFUSED]);
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("starve-XXXXXX", NULL);
    int rc;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(chdir(folder), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
        g_autofree char *path = g_strdup_printf("/starve/%s", ops[i].name);

        g_test_add_data_func(path, &ops[i], test_op);
    }
    g_test_add_func("/starve/large", test_large);
    rc = g_test_run();
    g_assert_cmpint(chdir("/"), ==, 0);
    g_rmdir(folder);
    return rc;
}
