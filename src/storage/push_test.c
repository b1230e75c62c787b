/*
 * push_test.c - a new last image under a disk that is written to, as an online snapshot does: the process ends, or the
 * power fails, at every file operation of it and of what is written then.
 *
 * Whatever happens the old chain opens; it shows what was flushed, and after a push that went well exactly what the
 * disk showed then, for ever: the snapshot. The new chain opens from then on and loses nothing that was flushed. With
 * -m slow several disks and every operation, not a sample.
 */
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/chain.h"
#include "storage/ledger.h"

#define AFTER 12 /* steps of the guest's on the new image */

static unsigned states;

struct run {
    const char *format;
    struct ledger disk, snapshot; /* what the disk may show; what it showed at the push */
    bool pushed;
};

static void check(const struct run *r, const struct fio *io, const char *what)
{
    const struct vd_link links[] = {{r->format, "/d0"}, {r->format, "/d1"}};

    for (size_t depth = 1; depth <= (r->pushed ? 2u : 1u); depth++) {
        g_autoptr(GError) error = NULL;
        struct vd *vd = vd_open_chain(io, links, depth, depth == 1 && r->pushed ? VD_READ_ONLY : 0, &error);

        if (error)
            g_error("%s: %s: %s", r->format, what, error->message);
        ledger_check(depth == 1 && r->pushed ? &r->snapshot : &r->disk, vd, what);
        vd_close(vd);
        states++;
    }
}

/* As push() of the machine's process: flush, make the child, put it on; the guest goes on writing. */
static void snapshot(struct run *r, const struct fio *io, struct vd *vd, GRand *rand)
{
    const struct vd_link link = {r->format, "/d1"};
    const struct vd_create args = {
        .format = r->format, .path = link.path, .size_bytes = LEDGER_BYTES, .block_bytes = LEDGER_BLOCK, .parent = vd};

    if (vd_flush(vd))
        return;
    ledger_flush(&r->disk, vd);
    r->snapshot = r->disk;
    memcpy(r->snapshot.written, r->snapshot.flushed, sizeof(r->snapshot.written));
    r->pushed = vd_create(io, &args, NULL) && vd_push(vd, &link, NULL);
    for (unsigned i = 0; r->pushed && i < AFTER; i++)
        ledger_step(&r->disk, vd, rand);
}

/* Whether operation @n was met. */
static bool end_at(const char *format, guint32 seed, unsigned n)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    const struct vd_create args = {
        .format = format, .path = "/d0", .size_bytes = LEDGER_BYTES, .block_bytes = LEDGER_BLOCK};
    struct run r = {.format = format};
    struct fio_crash *disk = fio_crash_new();
    struct fio_fault f;
    struct vd *vd;

    g_assert_true(vd_create(fio_crash_io(disk), &args, NULL));
    fio_fault_init(&f, fio_crash_io(disk));
    vd = vd_open(&f.io, format, "/d0", 0, NULL);
    for (unsigned i = 0; i < 10; i++)
        ledger_step(&r.disk, vd, rand);
    f.fail_at = f.calls + n;
    f.for_ever = true;
    snapshot(&r, &f.io, vd, rand);
    for (uint64_t subset = 0; subset < 4; subset++) {
        struct fio_crash *after = fio_crash_replay(disk, subset < 2 ? subset : n * 10 + subset);
        g_autofree char *what = g_strdup_printf("power cut %u at %u", (unsigned)subset, n);

        check(&r, fio_crash_io(after), what);
        fio_crash_free(after);
    }
    vd_close(vd);
    check(&r, fio_crash_io(disk), "kill");
    fio_crash_free(disk);
    return f.hit;
}

static void test_push(gconstpointer format)
{
    unsigned points = 0;

    states = 0;
    for (guint32 seed = 0; seed < (g_test_slow() ? 10 : 2); seed++)
        for (unsigned n = 1; end_at(format, seed, n); n += g_test_slow() ? 1 : 3)
            points++;
    g_test_message("%u kill points, %u states", points, states);
    g_assert_cmpuint(points, >, 20);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/push/VDI", "VDI", test_push);
    g_test_add_data_func("/push/VMDK", "VMDK", test_push);
    g_test_add_data_func("/push/VHD", "VHD", test_push);
    return g_test_run();
}
