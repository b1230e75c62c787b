/*
 * merge_test.c - merging forward and backward, at rest and while the guest writes; full disks; crashes at every point.
 *
 * After every crash the new chain or the old one opens (merge.h), shows every flushed sector, and merging again works.
 */
#include "storage/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <glib/gstdio.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/ledger.h"

#define LEVELS 4

static const struct subject {
    const char *format;
    uint32_t block_bytes;
} subjects[] = {{"VDI", LEDGER_BLOCK}, {"VMDK", LEDGER_BLOCK}, {"VHD", LEDGER_BLOCK}};

/* All ways to merge in a chain of four. */
static const struct way {
    unsigned from, to;
} ways[] = {{0, 1}, {0, 3}, {1, 2}, {1, 3}, {2, 3}, {3, 2}, {3, 0}, {3, 1}, {2, 1}, {2, 0}, {1, 0}};

static const char *const paths[LEVELS] = {"/d0", "/d1", "/d2", "/d3"};

static struct vd *open_levels(const struct fio *io, const struct subject *s, unsigned keep, GError **error)
{
    struct vd_link links[LEVELS];
    size_t n = 0;

    for (unsigned i = 0; i < LEVELS; i++)
        if (keep & 1u << i)
            links[n++] = (struct vd_link){s->format, paths[i]};
    return vd_open_chain(io, links, n, 0, error);
}

/* Which images remain. */
static unsigned survivors(const struct way *w)
{
    unsigned keep = (1u << LEVELS) - 1;
    unsigned low = MIN(w->from, w->to), high = MAX(w->from, w->to);

    for (unsigned i = low; i <= high; i++)
        keep &= ~(1u << i);
    return keep | 1u << w->to;
}

static void make_chain(const struct fio *io, const struct subject *s, struct ledger *l, GRand *rand)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        struct vd_create args = {
            .format = s->format, .path = paths[i], .size_bytes = LEDGER_BYTES, .block_bytes = s->block_bytes};
        g_autoptr(GError) error = NULL;
        struct vd *vd;

        args.parent = i ? open_levels(io, s, (1u << i) - 1, &error) : NULL;
        g_assert_no_error(error);
        g_assert_true(vd_create(io, &args, &error));
        vd_close(args.parent);
        vd = open_levels(io, s, (2u << i) - 1, &error);
        g_assert_no_error(error);
        for (unsigned k = 0; k < 10; k++)
            k % 5 == 4 ? ledger_discard(l, vd, rand) : ledger_write(l, vd, rand);
        ledger_flush(l, vd);
        vd_close(vd);
    }
}

static struct vd *open_either(const struct fio *io, const struct subject *s, const struct way *w, bool noted,
                              const char *what)
{
    g_autoptr(GError) error = NULL;
    struct vd *vd = noted ? open_levels(io, s, survivors(w), NULL) : NULL;

    if (!vd)
        vd = open_levels(io, s, (1u << LEVELS) - 1, &error);
    if (error)
        g_error("%s %u to %u: %s", what, w->from, w->to, error->message);
    return vd;
}

/* Merges with @guest steps between the merge's; returns false when something failed. */
static bool merge(struct vd *vd, const struct way *w, struct ledger *l, GRand *rand, unsigned guest, bool *noted)
{
    struct vd_merge *m = vd_merge_start(vd, w->from, w->to, NULL);
    bool done = false;

    if (!m)
        return false;
    while (!done) {
        if (vd_merge_step(m, LEDGER_BLOCK, &done)) {
            vd_merge_cancel(m);
            return false;
        }
        for (unsigned i = 0; i < guest; i++)
            ledger_step(l, vd, rand);
    }
    if (vd_flush(vd)) {
        vd_merge_cancel(m);
        return false;
    }
    *noted = true;
    return vd_merge_finish(m, NULL);
}

static void test_ways(const void *subject)
{
    for (unsigned guest = 0; guest < 3; guest++)
        for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
            g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)(i + 100 * guest));
            struct fio_crash *disk = fio_crash_new();
            const struct fio *io = fio_crash_io(disk);
            g_autoptr(GError) error = NULL;
            struct ledger l = {};
            bool noted = false;
            struct vd *vd;

            make_chain(io, subject, &l, rand);
            vd = open_levels(io, subject, (1u << LEVELS) - 1, &error);
            g_assert_no_error(error);
            g_assert_true(merge(vd, &ways[i], &l, rand, guest, &noted));
            g_assert_cmpuint(vd_depth(vd), ==, (guint)__builtin_popcount(survivors(&ways[i])));
            ledger_check(&l, vd, "after the merge");
            for (unsigned k = 0; k < 20; k++)
                ledger_step(&l, vd, rand);
            ledger_flush(&l, vd);
            vd_close(vd);
            vd = open_levels(io, subject, survivors(&ways[i]), &error);
            g_assert_no_error(error);
            ledger_check(&l, vd, "opened again");
            vd_close(vd);
            fio_crash_free(disk);
        }
}

/* A7: killed after every N-th operation, power cut there; opened, checked, merged again. */
static void test_crashes(const void *subject)
{
    const struct subject *s = subject;
    unsigned kills = 0, cuts = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        unsigned stride = g_test_slow() ? 1 : 61;

        for (unsigned n = 1 + (unsigned)i, hit = 1; hit; n += stride) {
            g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)i);
            struct fio_crash *disk = fio_crash_new();
            struct ledger l = {};
            bool noted = false;
            struct fio_fault f;
            struct vd *vd;

            make_chain(fio_crash_io(disk), s, &l, rand);
            fio_fault_init(&f, fio_crash_io(disk));
            f.fail_at = n;
            f.for_ever = true;
            vd = open_levels(&f.io, s, (1u << LEVELS) - 1, NULL);
            if (vd)
                merge(vd, &ways[i], &l, rand, 1, &noted);
            vd_close(vd);
            hit = f.hit;
            kills++;
            for (uint64_t c = 0; c < 4; c++, cuts++) {
                struct fio_crash *after = fio_crash_replay(disk, c < 2 ? c : n * 7 + c);
                const struct fio *io = fio_crash_io(after);
                struct ledger copy = l;
                bool noted_then = false;

                vd = open_either(io, s, &ways[i], noted, "crash");
                ledger_check(&l, vd, "after a crash");
                if (vd_depth(vd) == LEVELS) {
                    g_assert_true(merge(vd, &ways[i], &copy, rand, 0, &noted_then));
                    ledger_check(&l, vd, "merged again");
                }
                vd_close(vd);
                fio_crash_free(after);
            }
            fio_crash_free(disk);
        }
    }
    g_test_message("%u kills, %u states a power cut leaves there", kills, cuts);
}

/* A8: call N fails once; the step is tried again and the merge completes. */
static void test_faults(const void *subject)
{
    static const int errs[] = {ENOSPC, EIO, EINTR};

    for (unsigned n = 1; n < 200; n += g_test_slow() ? 1 : 23) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(n);
        struct fio_crash *disk = fio_crash_new();
        const struct way *w = &ways[n % G_N_ELEMENTS(ways)];
        struct ledger l = {};
        struct vd_merge *m;
        struct fio_fault f;
        bool done = false, noted;
        struct vd *vd;

        make_chain(fio_crash_io(disk), subject, &l, rand);
        fio_fault_init(&f, fio_crash_io(disk));
        vd = open_levels(&f.io, subject, (1u << LEVELS) - 1, NULL);
        m = vd_merge_start(vd, w->from, w->to, NULL);
        g_assert_nonnull(m);
        f.fail_at = f.calls + n;
        f.err = errs[n % 3];
        for (unsigned tries = 0; !done && tries < 200; tries++)
            vd_merge_step(m, LEDGER_BLOCK, &done);
        f.fail_at = 0;
        ledger_check(&l, vd, "after a fault");
        noted = done && vd_flush(vd) == 0;
        if (noted)
            vd_merge_finish(m, NULL); /* a sync that failed stays failed */
        else
            vd_merge_cancel(m);
        vd_close(vd);
        vd = open_either(fio_crash_io(disk), subject, w, noted, "fault");
        ledger_check(&l, vd, "opened after a fault");
        vd_close(vd);
        fio_crash_free(disk);
    }
}

static int64_t no_room(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    return 4096;
}

/* What cannot fit is refused before the first byte, and so is nonsense. */
static void test_refused(const void *subject)
{
    static const struct way nonsense[] = {{0, 0}, {1, 1}, {0, 4}, {4, 0}, {17, 3}};
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    struct fio_crash *disk = fio_crash_new();
    struct fio small = *fio_crash_io(disk);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) before = NULL, after = NULL;
    struct ledger l = {};
    struct vd_merge *m;
    struct vd *vd;

    make_chain(fio_crash_io(disk), subject, &l, rand);
    before = fio_crash_bytes(disk, paths[3]);
    small.room = no_room;
    vd = open_levels(&small, subject, 15, NULL);
    g_assert_null(vd_merge_start(vd, 0, 3, &error));
    g_assert_error(error, STATUS_ERROR, VERR_DISK_FULL);
    vd_close(vd);
    after = fio_crash_bytes(disk, paths[3]);
    g_assert_true(g_bytes_equal(before, after));
    vd = open_levels(fio_crash_io(disk), subject, 15, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(nonsense); i++)
        g_assert_null(vd_merge_start(vd, nonsense[i].from, nonsense[i].to, NULL));
    m = vd_merge_start(vd, 0, 3, NULL);
    g_assert_cmpuint(vd_merge_room_bytes(m), >, 0);
    g_assert_null(vd_merge_start(vd, 0, 3, NULL)); /* one at a time */
    g_assert_false(vd_resize(vd, 1u << 20, NULL));
    vd_merge_cancel(m);
    ledger_check(&l, vd, "refused");
    vd_close(vd);
    fio_crash_free(disk);
}

struct shared {
    GMutex lock;
    struct vd *vd;
    struct ledger l;
    GRand *rand;
    bool stop;
};

static void *guest(void *arg)
{
    struct shared *s = arg;

    for (unsigned i = 0; i < 100000; i++) {
        bool stop;

        g_mutex_lock(&s->lock);
        ledger_step(&s->l, s->vd, s->rand);
        stop = s->stop;
        g_mutex_unlock(&s->lock);
        if (stop)
            break;
        g_thread_yield();
    }
    return NULL;
}

static int lock_of_another(const char *path)
{
    int fd, rc = fio_open(fio_system(), path, O_RDONLY, 0, &fd);

    g_assert_cmpint(rc, ==, 0);
    rc = fio_lock(fio_system(), fd, FIO_LOCK_SHARED);
    fio_close(fio_system(), fd);
    return rc;
}

/* What is below the last image may be read by others when a merge is over, whether it was completed or given up. */
static void test_locks(const void *subject)
{
    g_autofree char *folder = g_dir_make_tmp("merge-XXXXXX", NULL);
    const struct subject *s = subject;
    struct vd_link links[LEVELS];
    g_autoptr(GError) error = NULL;
    struct vd *vd;

    for (unsigned i = 0; i < LEVELS; i++) {
        struct vd_create args = {.format = s->format,
                                 .path = g_strdup_printf("%s%s", folder, paths[i]),
                                 .size_bytes = LEDGER_BYTES,
                                 .block_bytes = s->block_bytes};

        links[i] = (struct vd_link){s->format, args.path};
        args.parent = i ? vd_open_chain(fio_system(), links, i, 0, &error) : NULL;
        g_assert_true(vd_create(fio_system(), &args, &error));
        vd_close(args.parent);
    }
    vd = vd_open_chain(fio_system(), links, LEVELS, 0, &error);
    g_assert_no_error(error);
    vd_merge_cancel(vd_merge_start(vd, 1, 0, &error));
    g_assert_no_error(error);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < LEVELS; i++)
            if (i != 1 || round == 0) /* it is no longer of the chain */
                g_assert_cmpint(lock_of_another(links[i].path), ==, i < LEVELS - 1 ? 0 : VERR_SHARING_VIOLATION);
        if (round == 0)
            g_assert_true(vd_merge_run(vd, 1, 0, NULL, &error));
    }
    vd_close(vd);
    for (unsigned i = 0; i < LEVELS; i++) {
        g_unlink(links[i].path);
        g_free((char *)links[i].path);
    }
    g_rmdir(folder);
}

/* A guest on another thread, and all images merged away under it. */
static void test_threads(const void *subject)
{
    for (unsigned round = 0; round < (g_test_slow() ? 20u : 2u); round++) {
        struct shared s = {.rand = g_rand_new_with_seed(round)};
        struct fio_crash *disk = fio_crash_new();
        const struct way *order = (const struct way[]){{round % 2 ? 3 : 0, round % 2 ? 0 : 3}};
        struct vd_merge *m;
        bool done = false;
        GThread *t;

        g_mutex_init(&s.lock);
        make_chain(fio_crash_io(disk), subject, &s.l, s.rand);
        s.vd = open_levels(fio_crash_io(disk), subject, 15, NULL);
        t = g_thread_new("guest", guest, &s);
        g_mutex_lock(&s.lock);
        m = vd_merge_start(s.vd, order->from, order->to, NULL);
        g_mutex_unlock(&s.lock);
        while (!done) {
            g_mutex_lock(&s.lock);
            g_assert_cmpint(vd_merge_step(m, LEDGER_BLOCK, &done), ==, 0);
            if (done)
                g_assert_true(vd_merge_finish(m, NULL));
            g_mutex_unlock(&s.lock);
            g_thread_yield();
        }
        g_mutex_lock(&s.lock);
        s.stop = true;
        g_mutex_unlock(&s.lock);
        g_thread_join(t);
        g_assert_cmpuint(vd_depth(s.vd), ==, 1);
        ledger_flush(&s.l, s.vd);
        ledger_check(&s.l, s.vd, "threads");
        vd_close(s.vd);
        s.vd = open_levels(fio_crash_io(disk), subject, survivors(order), NULL);
        ledger_check(&s.l, s.vd, "threads, opened again");
        vd_close(s.vd);
        g_rand_free(s.rand);
        g_mutex_clear(&s.lock);
        fio_crash_free(disk);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const void *subject);
    } tests[] = {{"ways", test_ways},       {"crashes", test_crashes}, {"faults", test_faults},
                 {"refused", test_refused}, {"locks", test_locks},     {"threads", test_threads}};

    g_test_init(&argc, &argv, NULL);
    for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++)
        for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
            g_autofree char *path = g_strdup_printf("/merge/%s/%s", subjects[s].format, tests[t].name);

            g_test_add_data_func(path, &subjects[s], tests[t].run);
        }
    return g_test_run();
}
