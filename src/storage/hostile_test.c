/*
 * hostile_test.c - images made to harm: refused at once, by name, without opening any other file.
 *
 * A row changes a good image in a few places (or is a descriptor's text). A row that opens must be read-only or give
 * errors where it is damaged. Behind the rows every format gets random damage: nothing may crash, loop or write.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/chain.h"
#include "storage/hostile.h"

#define PATH "/dir/evil"
#ifdef __SANITIZE_ADDRESS__
#define MAX_MS  1000
#define MAX_MIB 1024 /* it keeps what was freed */
#else
#define MAX_MS  100 /* of the processor: a busy host is no reason */
#define MAX_MIB 64
#endif

#define LOOP  64u /* images, at most, until the first comes again */
#define CHAIN 4096u

/* A table of file operations that keeps a record of what was opened and written. */
struct spy {
    struct fio_fault f; /* first: its context is ours */
    unsigned opened_others, writes;
};

static int spy_open(void *ctx, const char *path, int flags, unsigned mode)
{
    struct spy *s = ctx;

    if (strcmp(path, PATH) != 0)
        s->opened_others++;
    return s->f.below->open(s->f.below->ctx, path, flags, mode);
}

static int64_t spy_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    struct spy *s = ctx;

    s->writes++;
    return s->f.below->pwrite(s->f.below->ctx, fd, buf, bytes, off_bytes);
}

static void spy_init(struct spy *s, const struct fio *below)
{
    *s = (struct spy){};
    fio_fault_init(&s->f, below);
    s->f.io.open = spy_open;
    s->f.io.pwrite = spy_pwrite;
}

static void poke(const struct fio *io, const char *path, uint64_t at, const void *p, size_t bytes)
{
    int fd = -1;

    g_assert_cmpint(fio_open(io, path, O_RDWR | O_CREAT, 0600, &fd), ==, 0);
    g_assert_cmpint(fio_write(io, fd, p, bytes, at), ==, 0);
    fio_close(io, fd);
}

static uint64_t size_of(struct fio_crash *disk)
{
    g_autoptr(GBytes) b = fio_crash_bytes(disk, PATH);

    return g_bytes_get_size(b);
}

static const struct hostile_base *base_named(const char *name)
{
    for (size_t i = 0; i < hostile_base_count; i++)
        if (strcmp(hostile_bases[i].name, name) == 0)
            return &hostile_bases[i];
    g_error("no image '%s'", name);
}

static void make_base(struct fio_crash *disk, const struct hostile_base *b)
{
    const struct vd_create args = {.format = b->format,
                                   .path = PATH,
                                   .size_bytes = 3u << 20,
                                   .fixed = b->fixed,
                                   .layout = b->layout,
                                   .block_bytes = b->block_bytes};
    g_autofree uint8_t *data = g_malloc(1u << 20);
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    if (b->make) {
        g_autoptr(GByteArray) image = b->make();

        poke(fio_crash_io(disk), PATH, 0, image->data, image->len);
        return;
    }
    if (b->text) {
        poke(fio_crash_io(disk), PATH, 0, b->text, strlen(b->text));
        return;
    }
    g_assert_true(vd_create(fio_crash_io(disk), &args, &error));
    memset(data, 0x5a, 1u << 20);
    vd = vd_open(fio_crash_io(disk), b->format, PATH, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpint(vd_write(vd, 1u << 20, data, 1u << 20), ==, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    vd_close(vd);
}

static void apply(struct fio_crash *disk, const struct hostile_patch *p)
{
    uint64_t at = p->at >= 0 ? (uint64_t)p->at : size_of(disk) - (uint64_t)-p->at;
    uint8_t raw[8];

    if (p->bytes == 0)
        return;
    for (unsigned i = 0; i < p->bytes; i++)
        raw[i] = (uint8_t)(p->value >> 8 * (p->big ? p->bytes - 1 - i : i));
    poke(fio_crash_io(disk), PATH, at, raw, p->bytes);
}

/* Reads all of it; the first error. */
static int read_all(struct vd *vd)
{
    g_autofree uint8_t *buf = g_malloc(1u << 20);
    uint64_t size = MIN(vd_size_bytes(vd), 16u << 20);
    int rc = 0;

    for (uint64_t at = 0; rc == 0 && at < size; at += 1u << 20)
        rc = vd_read(vd, at, buf, (size_t)MIN(1u << 20, size - at));
    return rc;
}

static gint64 cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * G_USEC_PER_SEC + t.tv_nsec / 1000;
}

static long peak_mib(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss >> 10;
}

/* What the rows spoil is good before. */
static void test_bases(void)
{
    for (size_t i = 0; i < hostile_base_count; i++) {
        const struct hostile_base *b = &hostile_bases[i];
        g_autoptr(GError) error = NULL;
        struct fio_crash *disk;
        struct vd *vd;

        if (b->text || b->bad)
            continue;
        disk = fio_crash_new();
        make_base(disk, b);
        vd = vd_open(fio_crash_io(disk), b->format, PATH, VD_ALONE, &error);
        g_assert_no_error(error);
        g_assert_cmpint(read_all(vd), ==, 0);
        vd_close(vd);
        fio_crash_free(disk);
    }
}

static void test_rows(void)
{
    for (size_t i = 0; i < hostile_row_count; i++) {
        const struct hostile_row *r = &hostile_rows[i];
        const struct hostile_base *b = base_named(r->base);
        struct fio_crash *disk = fio_crash_new();
        g_autoptr(GError) error = NULL;
        struct spy spy;
        gint64 started;
        struct vd *vd;
        long before;
        int rc = 0;

        make_base(disk, b);
        for (size_t k = 0; k < G_N_ELEMENTS(r->patches); k++)
            apply(disk, &r->patches[k]);
        if (r->fix)
            r->fix(disk, PATH);
        spy_init(&spy, fio_crash_io(disk));
        before = peak_mib();
        started = cpu_us();
        vd = vd_open(&spy.f.io, b->format, PATH, VD_ALONE, &error);
        if (vd)
            rc = read_all(vd);
        if (cpu_us() - started > MAX_MS * 1000)
            g_error("%s: took %d ms", r->what, (int)((cpu_us() - started) / 1000));
        if (peak_mib() - before > MAX_MIB)
            g_error("%s: took %ld MiB", r->what, peak_mib() - before);
        if (spy.opened_others)
            g_error("%s: another file was opened", r->what);
        if (r->expect == HOSTILE_ALONE && !vd)
            g_error("%s: %s", r->what, error->message);
        if (r->expect == HOSTILE_REFUSED && vd)
            g_error("%s: was opened", r->what);
        if (!vd && !strstr(error->message, PATH))
            g_error("%s: '%s' does not name the image", r->what, error->message);
        if (r->expect == HOSTILE_READ_FAILS && (!vd || rc == 0))
            g_error("%s: should open and then fail to read: %s", r->what, error ? error->message : "it reads");
        if (r->expect == HOSTILE_READ_ONLY && (!vd || !vd_read_only(vd)))
            g_error("%s: should be read-only", r->what);
        vd_close(vd);
        fio_crash_free(disk);
    }
}

/* Parents that come again, and chains that are too long, refused by name (the chain is the caller's: settings say so).
 */
static void test_parents(void)
{
    struct fio_crash *disk = fio_crash_new();
    struct vd_link links[CHAIN];
    struct spy spy;

    make_base(disk, base_named("vdi"));
    spy_init(&spy, fio_crash_io(disk));
    for (unsigned n = 0; n < CHAIN; n++)
        links[n] = (struct vd_link){"VDI", PATH};
    for (unsigned images = 2; images <= LOOP + 2; images++) {
        const unsigned n = images > LOOP + 1 ? CHAIN : images;
        const gint64 started = cpu_us();
        g_autoptr(GError) error = NULL;

        g_assert_null(vd_open_chain(&spy.f.io, links, n, 0, &error));
        g_assert_nonnull(strstr(error->message, n == CHAIN ? "images" : PATH));
        g_assert_cmpint(cpu_us() - started, <, MAX_MS * 1000);
    }
    g_assert_cmpuint(spy.opened_others, ==, 0);
    g_assert_cmpuint(spy.writes, ==, 0);
    fio_crash_free(disk);
}

/* Random damage, mostly where the metadata is: opened for reading, read, checked; then for writing and written to. */
static void test_damage(void)
{
    unsigned rounds = g_test_slow() ? 20000 : 150;

    for (size_t i = 0; i < hostile_base_count; i++)
        for (unsigned seed = 0; seed < rounds && !hostile_bases[i].bad; seed++) {
            const struct hostile_base *b = &hostile_bases[i];
            g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
            struct fio_crash *disk = fio_crash_new();
            uint64_t size;
            struct spy spy;
            struct vd *vd;

            make_base(disk, b);
            size = size_of(disk);
            for (int k = g_rand_int_range(rand, 1, 6); k > 0; k--) {
                const uint64_t part = g_rand_boolean(rand) ? 1536 : 70000, range = MIN(size, part);
                uint64_t at = g_rand_int(rand) % range;
                uint8_t byte = (uint8_t)(g_rand_boolean(rand) ? g_rand_int(rand) : 0u - g_rand_boolean(rand));

                if (g_rand_int_range(rand, 0, 4) == 0)
                    at = size - 1 - at;
                poke(fio_crash_io(disk), PATH, at, &byte, 1);
            }
            spy_init(&spy, fio_crash_io(disk));
            vd = vd_open(&spy.f.io, b->format, PATH, VD_READ_ONLY | VD_ALONE, NULL);
            if (vd) {
                struct vd_report report;

                read_all(vd);
                vd_check(vd, &report, NULL);
                g_string_free(report.text, TRUE);
            }
            vd_close(vd);
            g_assert_cmpuint(spy.writes, ==, 0);
            vd = vd_open(fio_crash_io(disk), b->format, PATH, VD_ALONE, NULL);
            if (vd) {
                uint8_t data[5000] = {1};

                vd_write(vd, MIN(vd_size_bytes(vd), 2u << 20) / 2, data,
                         (size_t)MIN(sizeof(data), vd_size_bytes(vd) / 2));
                vd_discard(vd, 0, vd_size_bytes(vd) / 4);
                vd_flush(vd);
            }
            vd_close(vd);
            fio_crash_free(disk);
        }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hostile/rows", test_rows);
    g_test_add_func("/hostile/bases", test_bases);
    g_test_add_func("/hostile/parents", test_parents);
    g_test_add_func("/hostile/damage", test_damage);
    return g_test_run();
}
