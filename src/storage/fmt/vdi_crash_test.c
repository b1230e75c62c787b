/*
 * vdi_crash_test.c - what was flushed survives: power cuts at every point, and every file operation failing once or
 * for ever.
 *
 * The disk's sectors carry (sector number, generation). After a crash a sector must show a generation between the
 * last flushed and the last written one, or zeros where nothing was flushed or a discard came later; never another
 * sector's number.
 */
#include <errno.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/fmt/vdi_int.h"
#include "storage/vd.h"

#define BLOCKS       24u
#define BLOCK_BYTES  8192u
#define DISK_BYTES   (BLOCKS * BLOCK_BYTES)
#define SECTORS      (DISK_BYTES / 512)
#define CRASHES_EACH 6

struct stamp {
    uint64_t sector, gen;
};

struct ledger {
    uint64_t gen;
    uint64_t written[SECTORS]; /* newest generation the guest wrote */
    uint64_t flushed[SECTORS]; /* newest one a good flush covered */
    bool discarded[SECTORS];   /* since that flush, or before it with nothing written after */
};

static void make_image(const struct fio *io)
{
    g_autofree uint8_t *raw = g_malloc(VDI_HEADER_BYTES);
    struct vdi_header h;
    uint32_t map[BLOCKS];
    int fd = -1;

    g_assert_true(vdi_header_init(&h, DISK_BYTES, false));
    h.block_bytes = BLOCK_BYTES;
    h.blocks = BLOCKS;
    h.map_at = 1024;
    h.data_at = 2048;
    memset(h.uuid_create, 1, sizeof(h.uuid_create));
    memset(map, 0xff, sizeof(map));
    vdi_header_build(&h, raw);
    g_assert_cmpint(fio_open(io, "/d", 0x42 /* O_RDWR | O_CREAT */, 0600, &fd), ==, 0);
    g_assert_cmpint(fio_write(io, fd, raw, VDI_HEADER_BYTES, 0), ==, 0);
    g_assert_cmpint(fio_write(io, fd, map, sizeof(map), h.map_at), ==, 0);
    g_assert_cmpint(fio_truncate(io, fd, h.data_at), ==, 0);
    g_assert_cmpint(fio_sync(io, fd), ==, 0);
    fio_close(io, fd);
    io->dir_sync(io->ctx, "/");
}

static void fill(uint8_t *buf, uint64_t sector, uint64_t gen)
{
    struct stamp s = {sector, gen};

    for (unsigned i = 0; i < 512; i += sizeof(s))
        memcpy(buf + i, &s, sizeof(s));
}

/* Every sector of the image against the ledger. @what names the case in a failure. */
static void check_disk(const struct fio *io, const struct ledger *l, const char *what)
{
    g_autoptr(GError) error = NULL;
    struct vd *vd = vd_open(io, "VDI", "/d", 0, &error);

    g_assert_no_error(error);
    if (vd_read_only(vd))
        g_error("%s: %s", what, vd_read_only_reason(vd));
    for (uint64_t i = 0; i < SECTORS; i++) {
        uint8_t buf[512], expect[512];
        struct stamp s;
        bool ok;

        g_assert_cmpint(vd_read(vd, i * 512, buf, 512), ==, 0);
        memcpy(&s, buf, sizeof(s));
        if (s.gen == 0)
            ok = l->flushed[i] == 0 || l->discarded[i];
        else
            ok = s.sector == i && s.gen >= l->flushed[i] && s.gen <= l->written[i];
        if (!ok)
            g_error("%s: sector %" G_GUINT64_FORMAT " shows sector %" G_GUINT64_FORMAT " generation %" G_GUINT64_FORMAT
                    ", flushed was %" G_GUINT64_FORMAT,
                    what, i, s.sector, s.gen, l->flushed[i]);
        if (s.gen)
            fill(expect, s.sector, s.gen);
        else
            memset(expect, 0, sizeof(expect));
        g_assert_cmpmem(buf, 512, expect, 512);
    }
    vd_close(vd);
}

static void op_write(struct vd *vd, struct ledger *l, GRand *rand)
{
    uint64_t at = (uint64_t)g_rand_int_range(rand, 0, SECTORS);
    uint64_t want = (uint64_t)g_rand_int_range(rand, 1, 24), n = MIN(want, SECTORS - at);
    g_autofree uint8_t *buf = g_malloc(n * 512);

    l->gen++;
    for (uint64_t i = 0; i < n; i++) {
        fill(buf + i * 512, at + i, l->gen);
        l->written[at + i] = l->gen;
    }
    vd_write(vd, at * 512, buf, n * 512); /* may fail: then old and new are both right until flushed */
}

static void op_discard(struct vd *vd, struct ledger *l, GRand *rand)
{
    uint64_t block = (uint64_t)g_rand_int_range(rand, 0, BLOCKS);

    vd_discard(vd, block * BLOCK_BYTES, BLOCK_BYTES);
    for (uint64_t i = block * (BLOCK_BYTES / 512); i < (block + 1) * (BLOCK_BYTES / 512); i++)
        l->discarded[i] = true;
}

/* What the disk shows right after a good flush is what must stay. */
static void op_flush(struct vd *vd, struct ledger *l)
{
    if (vd_flush(vd))
        return;
    for (uint64_t i = 0; i < SECTORS; i++) {
        uint8_t buf[512];
        struct stamp s;

        if (vd_read(vd, i * 512, buf, 512))
            continue;
        memcpy(&s, buf, sizeof(s));
        l->flushed[i] = s.gen;
        l->discarded[i] = false;
    }
}

static void step(struct vd *vd, struct ledger *l, GRand *rand)
{
    int what = g_rand_int_range(rand, 0, 10);

    if (what < 7)
        op_write(vd, l, rand);
    else if (what == 7)
        op_discard(vd, l, rand);
    else
        op_flush(vd, l);
}

/* A2: any subset of the un-synced writes, torn at sectors, after every step of several workloads. */
static void test_power_cuts(void)
{
    for (uint32_t run = 0; run < 12; run++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(run);
        struct fio_crash *disk = fio_crash_new();
        struct ledger l = {};
        struct vd *vd;

        make_image(fio_crash_io(disk));
        vd = vd_open(fio_crash_io(disk), "VDI", "/d", 0, NULL);
        for (unsigned i = 0; i < 60; i++) {
            step(vd, &l, rand);
            for (uint64_t c = 0; c < CRASHES_EACH; c++) {
                struct fio_crash *after = fio_crash_replay(disk, c < 2 ? c : run * 100000 + i * 100 + c);
                g_autofree char *what = g_strdup_printf("run %u step %u crash %u", run, i, (unsigned)c);

                check_disk(fio_crash_io(after), &l, what);
                check_disk(fio_crash_io(after), &l, what); /* and again after recovery */
                fio_crash_free(after);
            }
        }
        vd_close(vd);
        fio_crash_free(disk);
    }
}

/* A crash while recovering from a crash (A4): cut the power after each operation of the opening. */
static void test_power_cut_in_recovery(void)
{
    for (uint32_t run = 0; run < 20; run++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(1000 + run);
        struct fio_crash *disk = fio_crash_new();
        struct ledger l = {};
        struct vd *vd;

        make_image(fio_crash_io(disk));
        vd = vd_open(fio_crash_io(disk), "VDI", "/d", 0, NULL);
        for (unsigned i = 0; i < 40; i++)
            step(vd, &l, rand);
        vd_close(vd);
        for (unsigned stop = 1; stop < 60; stop++) {
            struct fio_crash *first = fio_crash_replay(disk, 77 + run), *second;
            struct fio_fault f;

            fio_fault_init(&f, fio_crash_io(first));
            f.fail_at = stop;
            f.for_ever = true;
            vd = vd_open(&f.io, "VDI", "/d", 0, NULL); /* dies in the middle, or not */
            vd_close(vd);
            second = fio_crash_replay(first, stop);
            check_disk(fio_crash_io(second), &l, "crash in recovery");
            fio_crash_free(first);
            fio_crash_free(second);
            if (!f.hit)
                break;
        }
        fio_crash_free(disk);
    }
}

/* A5: call N fails, once or for ever, for all N; nothing flushed is lost and the image opens again. */
static void test_faults(void)
{
    static const int errs[] = {ENOSPC, EIO, EFBIG, EINTR, EAGAIN};

    for (unsigned kind = 0; kind < 3 * G_N_ELEMENTS(errs); kind++) {
        bool hit = true;

        for (unsigned n = 1; hit; n += 2 + kind % 3 * 2) {
            g_autoptr(GRand) rand = g_rand_new_with_seed(5);
            struct fio_crash *disk = fio_crash_new();
            struct ledger l = {};
            struct fio_fault f;
            struct vd *vd;

            make_image(fio_crash_io(disk));
            fio_fault_init(&f, fio_crash_io(disk));
            f.fail_at = n;
            f.err = errs[kind / 3];
            f.for_ever = kind % 3 == 1;
            f.short_write = kind % 3 == 2;
            vd = vd_open(&f.io, "VDI", "/d", 0, NULL);
            for (unsigned i = 0; vd && i < 30; i++)
                step(vd, &l, rand);
            vd_close(vd);
            hit = f.hit;
            check_disk(fio_crash_io(disk), &l, "fault");
            fio_crash_free(disk);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vdi/power-cuts", test_power_cuts);
    g_test_add_func("/vdi/power-cut-in-recovery", test_power_cut_in_recovery);
    g_test_add_func("/vdi/faults", test_faults);
    return g_test_run();
}
