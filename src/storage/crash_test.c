/*
 * crash_test.c - what was flushed survives, in every format that is written: power cuts at every point, also in the
 * recovery, and every file operation failing once or for ever.
 *
 * With -m slow every call is failed and every step cut, not a sample of them.
 *
 * A subject is a format as a single image or as a child over a base that holds data, too. The base has sectors of its
 * own generation, so a block that lost its data shows an old generation or zeros and is found.
 */
#include <errno.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/chain.h"
#include "storage/ledger.h"

#define CRASHES_EACH 5

static const struct subject {
    const char *name, *format;
    unsigned depth; /* 1 = a single image */
    enum vd_layout layout;
} subjects[] = {
    {"VDI", "VDI", 1},
    {"VDI child", "VDI", 2},
    {"VDI grandchild", "VDI", 3},
    {"VMDK", "VMDK", 1},
    {"VMDK child", "VMDK", 2},
    {"VHD", "VHD", 1},
    {"VHD child", "VHD", 2},
    {"VMDK split", "VMDK", 1, VD_SPLIT_2G},
};

static const char *const paths[] = {"/d0", "/d1", "/d2"};

static unsigned states; /* checked, of the test that runs */

static struct vd *open_subject(const struct fio *io, const struct subject *s, GError **error)
{
    struct vd_link links[3];

    for (unsigned i = 0; i < s->depth; i++)
        links[i] = (struct vd_link){s->format, paths[i]};
    return vd_open_chain(io, links, s->depth, 0, error);
}

/* Images up to the subject's depth, each with a few flushed writes. Returns the last, open. */
static void make_subject(const struct fio *io, const struct subject *s, struct ledger *l, GRand *rand)
{
    struct subject so_far = *s;

    for (so_far.depth = 1; so_far.depth <= s->depth; so_far.depth++) {
        struct subject below = so_far;
        struct vd_create args = {.format = s->format,
                                 .path = paths[so_far.depth - 1],
                                 .size_bytes = LEDGER_BYTES,
                                 .layout = s->layout,
                                 .block_bytes = LEDGER_BLOCK};
        g_autoptr(GError) error = NULL;
        struct vd *vd;

        below.depth--;
        args.parent = below.depth ? open_subject(io, &below, &error) : NULL;
        g_assert_no_error(error);
        g_assert_true(vd_create(io, &args, &error));
        vd_close(args.parent);
        if (so_far.depth == s->depth)
            break;
        vd = open_subject(io, &so_far, &error);
        g_assert_no_error(error);
        for (unsigned i = 0; i < 8; i++)
            ledger_write(l, vd, rand);
        ledger_flush(l, vd);
        vd_close(vd);
    }
}

static void check(const struct fio *io, const struct subject *s, const struct ledger *l, const char *what)
{
    g_autoptr(GError) error = NULL;
    struct vd *vd = open_subject(io, s, &error);

    if (error)
        g_error("%s: %s: %s", s->name, what, error->message);
    if (vd_read_only(vd))
        g_error("%s: %s: %s", s->name, what, vd_read_only_reason(vd));
    ledger_check(l, vd, what);
    vd_close(vd);
    states++;
}

/* A2: any subset of the un-synced writes, torn at sectors, after every step of several workloads. */
static void test_power_cuts(const void *arg)
{
    const struct subject *s = arg;

    for (uint32_t run = 0; run < (g_test_slow() ? 40 : 3); run++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(run);
        struct fio_crash *disk = fio_crash_new();
        struct ledger l = {};
        struct vd *vd;

        make_subject(fio_crash_io(disk), s, &l, rand);
        vd = open_subject(fio_crash_io(disk), s, NULL);
        for (unsigned i = 0; i < 50; i++) {
            ledger_step(&l, vd, rand);
            for (uint64_t c = 0; c < CRASHES_EACH; c++) {
                struct fio_crash *after = fio_crash_replay(disk, c < 2 ? c : run * 100000 + i * 100 + c);
                g_autofree char *what = g_strdup_printf("run %u step %u crash %u", run, i, (unsigned)c);

                check(fio_crash_io(after), s, &l, what);
                check(fio_crash_io(after), s, &l, what); /* and again after recovery */
                fio_crash_free(after);
            }
        }
        vd_close(vd);
        check(fio_crash_io(disk), s, &l, "closed");
        fio_crash_free(disk);
    }
}

/* A1: the process is killed after N operations: what it wrote is there, in order, and no more. */
static void test_kills(const void *arg)
{
    const struct subject *s = arg;

    for (unsigned n = 1, hit = 1; hit; n += g_test_slow() ? 1 : 17) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(9);
        struct fio_crash *disk = fio_crash_new();
        struct ledger l = {};
        struct fio_fault f;
        struct vd *vd;

        make_subject(fio_crash_io(disk), s, &l, rand);
        fio_fault_init(&f, fio_crash_io(disk));
        f.fail_at = n;
        f.for_ever = true;
        vd = open_subject(&f.io, s, NULL);
        for (unsigned i = 0; vd && i < 40 && !f.hit; i++)
            ledger_step(&l, vd, rand);
        vd_close(vd);
        hit = f.hit;
        check(fio_crash_io(disk), s, &l, "kill");
        fio_crash_free(disk);
    }
}

/* A crash while recovering from a crash (A4): cut the power after each operation of the opening. */
static void test_power_cut_in_recovery(const void *arg)
{
    const struct subject *s = arg;

    for (uint32_t run = 0; run < (g_test_slow() ? 40 : 4); run++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(1000 + run);
        struct fio_crash *disk = fio_crash_new();
        struct ledger l = {};
        struct vd *vd;

        make_subject(fio_crash_io(disk), s, &l, rand);
        vd = open_subject(fio_crash_io(disk), s, NULL);
        for (unsigned i = 0; i < 40; i++)
            ledger_step(&l, vd, rand);
        for (unsigned stop = 1, hit = 1; hit && stop < 80; stop++) {
            struct fio_crash *first = fio_crash_replay(disk, 77 + run), *second;
            struct fio_fault f;

            fio_fault_init(&f, fio_crash_io(first));
            f.fail_at = stop;
            f.for_ever = true;
            vd_close(open_subject(&f.io, s, NULL)); /* dies in the middle, or not */
            second = fio_crash_replay(first, stop);
            check(fio_crash_io(second), s, &l, "crash in recovery");
            fio_crash_free(first);
            fio_crash_free(second);
            hit = f.hit;
        }
        vd_close(vd);
        fio_crash_free(disk);
    }
}

/* A5: call N fails, once or for ever, for all N; nothing flushed is lost and the image opens again. */
static void test_faults(const void *arg)
{
    static const int errs[] = {ENOSPC, EIO, EFBIG, EINTR, EAGAIN};
    const struct subject *s = arg;

    for (unsigned kind = 0; kind < 3 * G_N_ELEMENTS(errs); kind++) {
        bool hit = true;

        for (unsigned n = 1; hit; n += g_test_slow() ? 1 : 29 + kind % 3) {
            g_autoptr(GRand) rand = g_rand_new_with_seed(5);
            struct fio_crash *disk = fio_crash_new();
            struct ledger l = {};
            struct fio_fault f;
            struct vd *vd;

            make_subject(fio_crash_io(disk), s, &l, rand);
            fio_fault_init(&f, fio_crash_io(disk));
            f.fail_at = n;
            f.err = errs[kind / 3];
            f.for_ever = kind % 3 == 1;
            f.short_write = kind % 3 == 2;
            vd = open_subject(&f.io, s, NULL);
            for (unsigned i = 0; vd && i < 20; i++)
                ledger_step(&l, vd, rand);
            vd_close(vd);
            hit = f.hit;
            check(fio_crash_io(disk), s, &l, "fault");
            fio_crash_free(disk);
        }
    }
}

static const struct test {
    const char *name;
    void (*run)(const void *subject);
} tests[] = {{"power-cuts", test_power_cuts},
             {"kills", test_kills},
             {"power-cut-in-recovery", test_power_cut_in_recovery},
             {"faults", test_faults}};

struct test_case {
    const struct subject *subject;
    const struct test *test;
};

static void run(const void *arg)
{
    const struct test_case *c = arg;

    states = 0;
    c->test->run(c->subject);
    g_test_message("%u states", states);
}

int main(int argc, char **argv)
{
    static struct test_case cases[G_N_ELEMENTS(subjects)][G_N_ELEMENTS(tests)];

    g_test_init(&argc, &argv, NULL);
    for (size_t s = 0; s < G_N_ELEMENTS(subjects); s++)
        for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
            g_autofree char *path = g_strdup_printf("/crash/%s/%s", subjects[s].name, tests[t].name);

            cases[s][t] = (struct test_case){&subjects[s], &tests[t]};
            g_test_add_data_func(path, &cases[s][t], run);
        }
    return g_test_run();
}
