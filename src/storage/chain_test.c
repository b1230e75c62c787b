/*
 * chain_test.c - chains of differencing images against flat models; sizes, compacting, checking; parents that do not
 * fit.
 *
 * Every level of a chain keeps the model of the moment its child was made: opening the chain up to that level must show
 * it for ever.
 */
#include "storage/chain.h"

#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"

#define SIZE       (300u << 10)
#define MAX_LEVELS 24

static const struct subject {
    const char *format;
    uint32_t block_bytes;
} subjects[] = {{"VDI", 8192}, {"VDI", 65536}, {"VMDK", 4096}, {"VMDK", 65536}, {"VHD", 4096}, {"VHD", 65536}};

struct stack {
    struct fio_crash *disk;
    const struct subject *subject;
    unsigned levels;
    char *paths[MAX_LEVELS];
    uint8_t *models[MAX_LEVELS]; /* of levels that have a child: as it was then */
};

static struct vd *open_up_to(const struct stack *k, unsigned levels, unsigned flags)
{
    struct vd_link links[MAX_LEVELS];
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    for (unsigned i = 0; i < levels; i++)
        links[i] = (struct vd_link){k->subject->format, k->paths[i]};
    vd = vd_open_chain(fio_crash_io(k->disk), links, levels, flags, &error);
    g_assert_no_error(error);
    return vd;
}

static void add_level(struct stack *k)
{
    struct vd_create args = {.format = k->subject->format,
                             .path = g_strdup_printf("/level%u", k->levels),
                             .block_bytes = k->subject->block_bytes};
    g_autoptr(GError) error = NULL;

    if (k->levels)
        args.parent = open_up_to(k, k->levels, VD_READ_ONLY);
    else
        args.size_bytes = SIZE;
    k->paths[k->levels++] = (char *)args.path;
    g_assert_true(vd_create(fio_crash_io(k->disk), &args, &error));
    vd_close(args.parent);
}

static void stack_init(struct stack *k, const struct subject *s)
{
    *k = (struct stack){.disk = fio_crash_new(), .subject = s};
    add_level(k);
}

static void stack_fini(struct stack *k)
{
    for (unsigned i = 0; i < MAX_LEVELS; i++) {
        g_free(k->paths[i]);
        g_free(k->models[i]);
    }
    fio_crash_free(k->disk);
}

static void expect(struct vd *vd, const uint8_t *model)
{
    g_autofree uint8_t *buf = g_malloc(SIZE);
    int now;

    g_assert_cmpint(vd_read(vd, 0, buf, SIZE), ==, 0);
    g_assert_cmpint(memcmp(buf, model, SIZE), ==, 0);
    memset(buf, 0xee, SIZE);
    now = vd_read_now(vd, 1000, &(struct iovec){buf, SIZE - 1000}, 1);
    if (now == 0)
        g_assert_cmpint(memcmp(buf, model + 1000, SIZE - 1000), ==, 0);
    else /* of images below tables may not have been read yet */
        g_assert_true(now == VERR_TRY_AGAIN && vd_parent(vd) && strcmp(vd_format(vd), "VDI"));
    for (uint64_t at = 0; at < SIZE;) { /* the map says zero only where there are zeros */
        struct vd_extent e;

        g_assert_cmpint(vd_map(vd, at, SIZE - at, &e), ==, 0);
        g_assert_cmpuint(e.bytes, >, 0);
        for (uint64_t i = at; e.kind == VD_ZERO && i < at + e.bytes; i++)
            g_assert_cmpuint(model[i], ==, 0);
        if (e.kind == VD_DATA && !vd_parent(vd) && !vd_read_only(vd)) { /* the same once more, over what is there */
            memcpy(buf, model + at, e.bytes);
            g_assert_cmpint(vd_write_over(vd, at, &(struct iovec){buf, e.bytes}, 1), ==, 0);
        }
        at += e.bytes;
    }
}

/* Random writes of all alignments, zeros, discards; reads compared each time. */
static void play(struct vd *vd, uint8_t *model, GRand *rand, unsigned ops)
{
    g_autofree uint8_t *buf = g_malloc(SIZE);

    for (unsigned i = 0; i < ops; i++) {
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, SIZE);
        size_t n = (size_t)g_rand_int_range(rand, 1, 40000);
        int what = g_rand_int_range(rand, 0, 8);

        if (what % 2) {
            at = at / 512 * 512;
            n = (n + 511) / 512 * 512;
        }
        n = MIN(n, SIZE - at);
        if (what < 5) {
            memset(model + at, what == 0 ? 0 : g_rand_int_range(rand, 1, 256), n);
            g_assert_cmpint(vd_write(vd, at, model + at, n), ==, 0);
        } else if (what == 5) {
            g_assert_cmpint(vd_discard(vd, at, n), ==, 0);
            g_assert_cmpint(vd_read(vd, at, model + at, n), ==, 0); /* kept or zero, both are right */
        }
        g_assert_cmpint(vd_read(vd, at, buf, n), ==, 0);
        g_assert_cmpint(memcmp(buf, model + at, n), ==, 0);
    }
}

static void check_clean(struct vd *vd)
{
    g_autoptr(GError) error = NULL;
    struct vd_report r;

    g_assert_true(vd_check(vd, &r, &error));
    if (r.errors + r.leaks)
        g_error("%s: %s", vd_path(vd), r.text->str);
    g_string_free(r.text, TRUE);
}

static void test_levels(const void *subject)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    g_autofree uint8_t *model = g_malloc0(SIZE);
    struct stack k;

    stack_init(&k, subject);
    for (;;) {
        struct vd *vd = open_up_to(&k, k.levels, 0);

        g_assert_cmpuint(vd_depth(vd), ==, k.levels);
        play(vd, model, rand, 60);
        g_assert_cmpint(vd_flush(vd), ==, 0);
        vd_close(vd);
        vd = open_up_to(&k, k.levels, VD_READ_ONLY);
        check_clean(vd);
        vd_close(vd);
        for (unsigned i = 1; i < k.levels; i++) {
            vd = open_up_to(&k, i, VD_READ_ONLY);
            expect(vd, k.models[i - 1]);
            vd_close(vd);
        }
        vd = open_up_to(&k, k.levels, 0);
        expect(vd, model);
        vd_close(vd);
        if (k.levels == 8)
            break;
        k.models[k.levels - 1] = g_memdup2(model, SIZE);
        add_level(&k);
    }
    stack_fini(&k);
}

/* A parent that was written to, a stranger, a complete image as child, a child alone, one image twice, none at all. */
static void test_wrong_parents(const void *subject)
{
    const struct subject *s = subject;
    struct stack k, other;
    const struct fio *io;
    uint8_t sector[512] = {1};
    struct vd *vd;

    stack_init(&k, s);
    stack_init(&other, s);
    io = fio_crash_io(k.disk);
    add_level(&k);
    add_level(&k);
    {
        const struct {
            struct vd_link links[4];
            size_t n;
            int code;
        } rows[] = {
            {{{s->format, "/level1"}, {s->format, "/level0"}}, 2, VERR_VD_UUID_MISMATCH},
            {{{s->format, "/level0"}, {s->format, "/level2"}}, 2, VERR_VD_UUID_MISMATCH},
            {{{s->format, "/level0"}, {s->format, "/level0"}}, 2, VERR_VD_UUID_MISMATCH},
            {{{s->format, "/level1"}}, 1, VERR_VD_UUID_MISMATCH},
            {{{s->format, "/level0"}, {s->format, "/level1"}, {s->format, "/level1"}}, 3, VERR_VD_UUID_MISMATCH},
            {{{s->format, "/level0"}, {"RAW", "/level1"}}, 2, VERR_VD_UUID_MISMATCH},
            {{{s->format, "/nowhere"}, {s->format, "/level1"}}, 2, VERR_FILE_NOT_FOUND},
            {{{s->format, "/level0"}}, 0, VERR_INVALID_PARAMETER},
            {{{s->format, "/level0"}}, VD_MAX_DEPTH + 1, VERR_INVALID_PARAMETER},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            g_autoptr(GError) error = NULL;

            g_assert_null(vd_open_chain(io, rows[i].links, rows[i].n, 0, &error));
            g_assert_error(error, STATUS_ERROR, rows[i].code);
        }
        g_assert_null(vd_open(io, s->format, "/level1", 0, NULL));
        vd = vd_open(io, s->format, "/level1", VD_ALONE | VD_READ_ONLY, NULL);
        g_assert_nonnull(vd);
        vd_close(vd);
    }
    if (strcmp(s->format, "VHD") == 0) { /* has no modification UUID to tell by */
        stack_fini(&k);
        stack_fini(&other);
        return;
    }
    vd = open_up_to(&k, 1, 0); /* writing to a base breaks its children, and they say so */
    g_assert_cmpint(vd_write(vd, 0, sector, 512), ==, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    vd_close(vd);
    {
        const struct vd_link links[] = {{s->format, "/level0"}, {s->format, "/level1"}};
        g_autoptr(GError) error = NULL;

        g_assert_null(vd_open_chain(io, links, 2, 0, &error));
        g_assert_error(error, STATUS_ERROR, VERR_VD_UUID_MISMATCH);
        g_assert_nonnull(strstr(error->message, "changed"));
    }
    stack_fini(&k);
    stack_fini(&other);
}

/* Growing in place, also where the map has to move; shrinking; both keep every byte. */
static void test_resize(const void *subject)
{
    static const uint64_t sizes[] = {SIZE + 512, 4u << 20, 64u << 20, 300u << 20, 64u << 20, SIZE};
    const bool shrinks = strcmp(((const struct subject *)subject)->format, "VMDK") != 0;
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    for (int depth = 1; depth <= 2; depth++) {
        g_autofree uint8_t *model = g_malloc0(SIZE);
        uint8_t byte = 1;
        struct stack k;
        struct vd *vd;

        stack_init(&k, subject);
        if (depth == 2) {
            vd = open_up_to(&k, 1, 0);
            play(vd, model, rand, 20);
            vd_close(vd);
            add_level(&k);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
            g_autoptr(GError) error = NULL;

            vd = open_up_to(&k, k.levels, 0);
            play(vd, model, rand, 30);
            if (!shrinks && sizes[i] < vd_size_bytes(vd)) {
                g_assert_false(vd_resize(vd, sizes[i], &error));
                g_assert_error(error, STATUS_ERROR, VERR_NOT_SUPPORTED);
                vd_close(vd);
                break;
            }
            g_assert_true(vd_resize(vd, sizes[i], &error));
            g_assert_no_error(error);
            g_assert_cmpuint(vd_size_bytes(vd), ==, sizes[i]);
            expect(vd, model);
            play(vd, model, rand, 30);
            g_assert_cmpint(vd_read(vd, sizes[i] - 1, &byte, 1), ==, 0);
            g_assert_cmpuint(byte, ==, sizes[i] == SIZE ? model[SIZE - 1] : 0);
            g_assert_cmpint(vd_flush(vd), ==, 0);
            check_clean(vd);
            vd_close(vd);
            vd = open_up_to(&k, k.levels, 0);
            expect(vd, model);
            vd_close(vd);
        }
        stack_fini(&k);
    }
}

/* An end that holds data is not cut off. */
static void test_shrink_refused(void)
{
    g_autoptr(GError) error = NULL;
    uint8_t byte = 7;
    struct stack k;
    struct vd *vd;

    stack_init(&k, &subjects[0]);
    vd = open_up_to(&k, 1, 0);
    g_assert_cmpint(vd_write(vd, SIZE - 1, &byte, 1), ==, 0);
    g_assert_false(vd_resize(vd, 8192, &error));
    g_assert_error(error, STATUS_ERROR, VERR_VD_INVALID_SIZE);
    byte = 0;
    g_assert_cmpint(vd_read(vd, SIZE - 1, &byte, 1), ==, 0);
    g_assert_cmpuint(byte, ==, 7);
    vd_close(vd);
    stack_fini(&k);
}

static size_t file_bytes(const struct stack *k, unsigned level)
{
    g_autoptr(GBytes) bytes = fio_crash_bytes(k->disk, k->paths[level]);

    return g_bytes_get_size(bytes);
}

static bool stop_at_once(void *ctx, unsigned permille)
{
    (void)permille;
    ++*(unsigned *)ctx;
    return false;
}

static void test_compact(void)
{
    g_autofree uint8_t *model = g_malloc0(SIZE);

    for (int depth = 1; depth <= 2; depth++) {
        unsigned calls = 0;
        const struct vd_progress stop = {stop_at_once, &calls};
        g_autoptr(GError) error = NULL;
        size_t before;
        struct stack k;
        struct vd *vd;

        stack_init(&k, &subjects[0]);
        if (depth == 2)
            add_level(&k);
        vd = open_up_to(&k, k.levels, 0);
        memset(model, 0x33, SIZE);
        g_assert_cmpint(vd_write(vd, 0, model, SIZE), ==, 0);
        memset(model, 0, SIZE / 2);
        g_assert_cmpint(vd_write(vd, 0, model, SIZE / 2), ==, 0);
        g_assert_cmpint(vd_flush(vd), ==, 0);
        before = file_bytes(&k, k.levels - 1);
        g_assert_false(vd_compact(vd, &stop, &error));
        g_assert_error(error, STATUS_ERROR, VERR_CANCELLED);
        g_assert_cmpuint(calls, ==, 1);
        expect(vd, model);
        g_clear_error(&error);
        g_assert_true(vd_compact(vd, NULL, &error));
        g_assert_no_error(error);
        expect(vd, model);
        check_clean(vd);
        g_assert_cmpuint(file_bytes(&k, k.levels - 1), <=, before - SIZE / 2 + 8192);
        vd_close(vd);
        vd = open_up_to(&k, k.levels, 0);
        expect(vd, model);
        vd_close(vd);
        stack_fini(&k);
    }
}

/* A disk in use gets a new last image: nobody sees a difference, and what was there is written no more. */
static void test_push(const void *subject)
{
    struct stack k;
    g_autoptr(GError) error = NULL;
    uint8_t *model = g_malloc0(SIZE);
    struct vd *vd, *first;

    stack_init(&k, subject);
    first = vd = open_up_to(&k, 1, 0);
    for (unsigned n = 0; n < 4; n++) {
        struct vd_create args = {.format = k.subject->format,
                                 .path = g_strdup_printf("/push%u", n),
                                 .block_bytes = k.subject->block_bytes,
                                 .parent = vd};
        const struct vd_link link = {args.format, args.path}, bad = {args.format, "/no/such"};
        g_autoptr(GBytes) before = NULL, after = NULL;
        const char *below = n ? k.paths[k.levels - 1] : k.paths[0];

        memset(model + n * 20000, (int)n + 1, 30000);
        g_assert_cmpint(vd_write(vd, n * 20000, model + n * 20000, 30000), ==, 0);
        g_assert_true(vd_create(fio_crash_io(k.disk), &args, &error));
        g_assert_false(vd_push(vd, &bad, &error));
        g_clear_error(&error);
        g_assert_true(vd_push(vd, &link, &error));
        g_assert_no_error(error);
        g_assert_true(vd == first);
        g_assert_true(vd_pop(vd, &error)); /* back, and once more */
        expect(vd, model);
        g_assert_cmpint(vd_write(vd, SIZE - 512, model + SIZE - 512, 512), ==, 0);
        g_assert_cmpint(vd_flush(vd), ==, 0);
        g_assert_true(vd_push(vd, &link, &error));
        before = fio_crash_bytes(k.disk, below);
        expect(vd, model);
        memset(model + n * 10000, 0x80 + (int)n, 5000);
        g_assert_cmpint(vd_write(vd, n * 10000, model + n * 10000, 5000), ==, 0);
        expect(vd, model);
        after = fio_crash_bytes(k.disk, below);
        g_assert_true(g_bytes_equal(before, after));
        k.paths[k.levels++] = (char *)args.path;
    }
    g_assert_cmpuint(vd_depth(vd), ==, 5);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    vd_close(vd);
    vd = open_up_to(&k, k.levels, 0);
    expect(vd, model);
    vd_close(vd);
    g_free(model);
    stack_fini(&k);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++) {
        g_autofree char *levels = g_strdup_printf("/chain/%zu-%s/levels", s, subjects[s].format);
        g_autofree char *wrong = g_strdup_printf("/chain/%zu-%s/wrong-parents", s, subjects[s].format);

        g_test_add_data_func(levels, &subjects[s], test_levels);
        g_test_add_data_func(wrong, &subjects[s], test_wrong_parents);
        g_autofree char *push = g_strdup_printf("/chain/%zu-%s/push", s, subjects[s].format);
        g_test_add_data_func(push, &subjects[s], test_push);
    }
    g_test_add_data_func("/chain/VDI/resize", &subjects[0], test_resize);
    g_test_add_data_func("/chain/VHD/resize", &subjects[4], test_resize);
    g_test_add_data_func("/chain/VMDK/resize", &subjects[3], test_resize);
    g_test_add_func("/chain/shrink-refused", test_shrink_refused);
    g_test_add_func("/chain/compact", test_compact);
    return g_test_run();
}
