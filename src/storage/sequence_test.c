/*
 * sequence_test.c - every sequence of up to three of eight things that happen to a disk, with a power cut after each of
 * them, and a kill at calls inside the last: what was flushed is there, in every format that is written.
 *
 * Found by others to be enough: three operations reproduce nearly all crash bugs of file systems (CrashMonkey, ACE).
 * With -m slow more subsets of what was not synced, and a kill at every call.
 */
#include <string.h>

#include "rt/fio_shim.h"
#include "storage/chain.h"
#include "storage/ledger.h"
#include "storage/merge.h"

#define LENGTH 3
#define IMAGES (LENGTH + 1)

struct world {
    const char *format;
    const struct fio *io;
    struct ledger l;
    struct vd *vd;
    unsigned chain[IMAGES], count, made; /* what the settings name; images that exist */
    bool shorter;                        /* or the chain without its second image: a merge was under way */
};

static const char *const paths[IMAGES] = {"/d0", "/d1", "/d2", "/d3"};
static unsigned states;

static struct vd *open_images(const struct world *w, const struct fio *io, bool shorter, GError **error)
{
    struct vd_link links[IMAGES];
    unsigned n = 0;

    for (unsigned i = 0; i < w->count; i++)
        if (i != 1 || !shorter)
            links[n++] = (struct vd_link){w->format, paths[w->chain[i]]};
    return vd_open_chain(io, links, n, 0, error);
}

/* As after a start: what the settings named last, or before (merge.h). */
static struct vd *open_chain(const struct world *w, const struct fio *io, GError **error)
{
    struct vd *vd = w->shorter ? open_images(w, io, true, NULL) : NULL;

    return vd ? vd : open_images(w, io, false, error);
}

/* ---- what happens: false = it failed, or the format does not do it ---- */

static void write_by(struct world *w, guint32 seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    ledger_write(&w->l, w->vd, rand);
}

static void write_new(struct world *w)
{
    write_by(w, 100 + (guint32)w->l.gen);
}

static void overwrite(struct world *w)
{
    write_by(w, 1); /* where begin() has written */
}

static void trim(struct world *w)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    ledger_discard(&w->l, w->vd, rand);
}

static void flush(struct world *w)
{
    ledger_flush(&w->l, w->vd);
}

static void snapshot(struct world *w)
{
    const struct vd_link link = {w->format, paths[w->made]};
    const struct vd_create args = {.format = w->format,
                                   .path = link.path,
                                   .size_bytes = vd_size_bytes(w->vd),
                                   .block_bytes = LEDGER_BLOCK,
                                   .parent = w->vd};

    if (vd_create(w->io, &args, NULL) && vd_push(w->vd, &link, NULL))
        w->chain[w->count++] = w->made++;
}

/* The first snapshot: its image goes into the base. */
static void delete_snapshot(struct world *w)
{
    if (w->count < 2)
        return;
    w->shorter = true;
    if (!vd_merge_run(w->vd, 1, 0, NULL, NULL))
        return;
    w->shorter = false;
    w->count--;
    memmove(&w->chain[1], &w->chain[2], (w->count - 1) * sizeof(w->chain[0]));
}

static void resize(struct world *w)
{
    vd_resize(w->vd, vd_size_bytes(w->vd) + 8 * LEDGER_BLOCK, NULL);
}

static void compact(struct world *w)
{
    vd_compact(w->vd, NULL, NULL);
}

static void (*const operations[])(struct world *) = {write_new, overwrite,       trim,   flush,
                                                     snapshot,  delete_snapshot, resize, compact};
#define OPERATIONS G_N_ELEMENTS(operations)

/* ---- crashes ---- */

static void check_state(const struct world *w, struct fio_crash *after, const char *what)
{
    for (unsigned again = 0; again < 2; again++) {
        g_autoptr(GError) error = NULL;
        struct vd *vd = open_chain(w, fio_crash_io(after), &error);

        if (error)
            g_error("%s: %s: %s", w->format, what, error->message);
        if (vd_read_only(vd))
            g_error("%s: %s: %s", w->format, what, vd_read_only_reason(vd));
        ledger_check(&w->l, vd, what);
        vd_close(vd);
    }
    states++;
}

static void cut_power(const struct world *w, const struct fio_crash *disk, const char *what)
{
    for (uint64_t seed = 0; seed < (g_test_slow() ? 24u : 3u); seed++) {
        struct fio_crash *after = fio_crash_replay(disk, seed);

        check_state(w, after, what);
        fio_crash_free(after);
    }
}

static void begin(struct world *w, const char *format, const struct fio *io)
{
    const struct vd_create args = {
        .format = format, .path = paths[0], .size_bytes = LEDGER_BYTES, .block_bytes = LEDGER_BLOCK};

    *w = (struct world){.format = format, .io = io, .count = 1, .made = 1};
    g_assert_true(vd_create(io, &args, NULL));
    w->vd = open_chain(w, io, NULL);
    overwrite(w);
    write_by(w, 2);
    flush(w);
}

/* All of it; power cuts after each. */
static void play(const char *format, const unsigned *sequence, unsigned length, const char *what)
{
    struct fio_crash *disk = fio_crash_new();
    struct world w;

    begin(&w, format, fio_crash_io(disk));
    for (unsigned i = 0; i < length; i++) {
        operations[sequence[i]](&w);
        if (i == length - 1)
            cut_power(&w, disk, what);
    }
    vd_close(w.vd);
    check_state(&w, disk, what);
    fio_crash_free(disk);
}

/* The process dies at call @n of the last one: the chain of before it or behind it. Return: it came so far. */
static bool play_killed(const char *format, const unsigned *sequence, unsigned length, unsigned n, const char *what)
{
    struct fio_crash *disk = fio_crash_new(), *after;
    struct fio_fault f;
    struct world w;

    fio_fault_init(&f, fio_crash_io(disk));
    begin(&w, format, &f.io);
    for (unsigned i = 0; i < length; i++) {
        if (i == length - 1) {
            f.fail_at = f.calls + n;
            f.for_ever = true;
        }
        operations[sequence[i]](&w);
    }
    vd_close(w.vd);
    after = fio_crash_replay(disk, n);
    check_state(&w, after, what);
    fio_crash_free(after);
    fio_crash_free(disk);
    return f.hit;
}

static void test_format(const void *format)
{
    states = 0;
    for (unsigned length = 1; length <= LENGTH; length++) {
        unsigned all = 1;

        for (unsigned i = 0; i < length; i++)
            all *= OPERATIONS;
        for (unsigned number = 0; number < all; number++) {
            const unsigned sequence[LENGTH] = {number % OPERATIONS, number / OPERATIONS % OPERATIONS,
                                               number / OPERATIONS / OPERATIONS};
            g_autofree char *what = g_strdup_printf("sequence %u %u %u", sequence[0], sequence[1], sequence[2]);

            play(format, sequence, length, what);
            for (unsigned n = 1 + number % 3; play_killed(format, sequence, length, n, what);)
                n += g_test_slow() ? 1 : 7;
        }
    }
    g_test_message("%u states", states);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/sequence/VDI", "VDI", test_format);
    g_test_add_data_func("/sequence/VMDK", "VMDK", test_format);
    g_test_add_data_func("/sequence/VHD", "VHD", test_format);
    return g_test_run();
}
