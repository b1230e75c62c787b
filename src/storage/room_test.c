/*
 * room_test.c - a merge whose host has 4 KiB more room each time (A8): it stops where the room ends, the disk and the
 * old chain show what they did, and with room again it goes on and completes. What new blocks reserve of it.
 */
#include <errno.h>
#include <string.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/ledger.h"
#include "storage/merge.h"

#define LEVELS 3
#define STEP   4096u
#define PLENTY (INT64_C(1) << 40)

static const char *const paths[LEVELS] = {"/d0", "/d1", "/d2"};

/* Forward and backward, also into the image the guest writes, and over more than one. */
static const struct way {
    unsigned from, to, keep; /* images that remain, as bits */
} ways[] = {{0, 1, 6}, {1, 0, 5}, {1, 2, 5}, {2, 1, 3}, {0, 2, 4}, {2, 0, 1}};

struct small {
    struct fio_fault f; /* first: its context is ours */
    int64_t left;       /* bytes by which files may still grow */
    int64_t reserved;   /* bytes by which they grew without being written */
    bool full;          /* it was met */
};

static int64_t growth(const struct fio *below, int fd, uint64_t end_bytes)
{
    struct fio_stat st;

    g_assert_cmpint(below->stat(below->ctx, fd, &st), ==, 0);
    return MAX((int64_t)end_bytes - (int64_t)st.size_bytes, 0);
}

static int64_t small_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    struct small *s = ctx;
    const struct fio *below = s->f.below;
    const int64_t grows = growth(below, fd, off_bytes + bytes);

    if (grows > s->left) {
        s->full = true;
        return -ENOSPC;
    }
    s->left -= grows;
    return below->pwrite(below->ctx, fd, buf, bytes, off_bytes);
}

static int small_fallocate(void *ctx, int fd, int mode, uint64_t off_bytes, uint64_t bytes)
{
    struct small *s = ctx;
    const struct fio *below = s->f.below;
    const int64_t grows = mode ? 0 : growth(below, fd, off_bytes + bytes);

    if (grows > s->left)
        return -ENOSPC;
    s->left -= grows;
    s->reserved += grows;
    return below->fallocate(below->ctx, fd, mode, off_bytes, bytes);
}

/* What others take meanwhile is not to be seen beforehand. */
static int64_t small_room(void *ctx, int fd)
{
    (void)ctx, (void)fd;
    return PLENTY;
}

static void small_init(struct small *s, const struct fio *below)
{
    *s = (struct small){.left = PLENTY};
    fio_fault_init(&s->f, below);
    s->f.io.pwrite = small_pwrite;
    s->f.io.pwritev = NULL;
    s->f.io.fallocate = small_fallocate;
    s->f.io.room = small_room;
}

static struct vd *open_images(const struct fio *io, const char *format, unsigned keep)
{
    struct vd_link links[LEVELS];
    g_autoptr(GError) error = NULL;
    struct vd *vd;
    size_t n = 0;

    for (unsigned i = 0; i < LEVELS; i++)
        if (keep & 1u << i)
            links[n++] = (struct vd_link){format, paths[i]};
    vd = vd_open_chain(io, links, n, 0, &error);
    g_assert_no_error(error);
    return vd;
}

static void make_images(const struct fio *io, const char *format, struct ledger *l, GRand *rand)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        struct vd_create args = {
            .format = format, .path = paths[i], .size_bytes = LEDGER_BYTES, .block_bytes = LEDGER_BLOCK};
        struct vd *vd;

        args.parent = i ? open_images(io, format, (1u << i) - 1) : NULL;
        g_assert_true(vd_create(io, &args, NULL));
        vd_close(args.parent);
        vd = open_images(io, format, (2u << i) - 1);
        for (unsigned k = 0; k < 8; k++)
            ledger_write(l, vd, rand);
        ledger_flush(l, vd);
        vd_close(vd);
    }
}

/* The process may end while it waits: the old chain opens then. */
static void check_waiting(const struct fio_crash *disk, const char *format, const struct ledger *l, struct vd *vd)
{
    struct fio_crash *killed = fio_crash_replay(disk, 1);
    struct vd *old = open_images(fio_crash_io(killed), format, (1u << LEVELS) - 1);

    ledger_check(l, vd, "while it waits for room");
    ledger_check(l, old, "killed while it waits for room");
    vd_close(old);
    fio_crash_free(killed);
}

/* Return: the room did not suffice at first. */
static bool merge_with_room(const char *format, const struct way *w, int64_t room_bytes)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(w->from * 10 + w->to);
    struct fio_crash *disk = fio_crash_new();
    g_autoptr(GError) error = NULL;
    struct ledger l = {};
    struct vd_merge *m;
    struct small s;
    bool done = false;
    struct vd *vd;
    int rc;

    small_init(&s, fio_crash_io(disk));
    make_images(&s.f.io, format, &l, rand);
    vd = open_images(&s.f.io, format, (1u << LEVELS) - 1);
    m = vd_merge_start(vd, w->from, w->to, &error);
    g_assert_no_error(error);
    s.left = room_bytes;
    while ((rc = vd_merge_step(m, LEDGER_BLOCK, &done)) == 0 && !done)
        ;
    g_assert_cmpint(rc, ==, s.full ? VERR_DISK_FULL : 0);
    if (rc)
        check_waiting(disk, format, &l, vd);
    s.left = PLENTY;
    for (unsigned k = 0; k < 4; k++) /* the guest goes on, too */
        ledger_write(&l, vd, rand);
    while (!done)
        g_assert_cmpint(vd_merge_step(m, LEDGER_BLOCK, &done), ==, 0);
    g_assert_true(vd_merge_finish(m, &error));
    ledger_flush(&l, vd);
    ledger_check(&l, vd, "merged");
    vd_close(vd);
    vd = open_images(fio_crash_io(disk), format, w->keep);
    ledger_check(&l, vd, "merged, opened again");
    vd_close(vd);
    fio_crash_free(disk);
    return s.full;
}

static void test_room(gconstpointer format)
{
    unsigned waits = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        int64_t room_bytes = 0;

        for (; merge_with_room(format, &ways[i], room_bytes); waits++)
            room_bytes += STEP;
    }
    g_test_message("%u merges waited for room", waits);
    g_assert_cmpuint(waits, >, 2 * G_N_ELEMENTS(ways));
}

/* Only what is going to be filled; where there is no room for all of it, what is written is enough. */
static void test_reserve(void)
{
    static const struct {
        size_t bytes;
        int64_t left, reserved;
        int rc;
    } rows[] = {{4 << 10, PLENTY, 0, 0},       {60 << 10, PLENTY, 0, 0},   {64 << 10, PLENTY, 1 << 20, 0},
                {1 << 20, PLENTY, 1 << 20, 0}, {64 << 10, 64 << 10, 0, 0}, {64 << 10, 60 << 10, 0, VERR_DISK_FULL}};
    const struct vd_create args = {.format = "VDI", .path = paths[0], .size_bytes = 16 << 20};
    static uint8_t data[1 << 20];
    struct fio_crash *disk = fio_crash_new();
    struct small s;
    struct vd *vd;

    memset(data, 0x5a, sizeof(data));
    small_init(&s, fio_crash_io(disk));
    g_assert_true(vd_create(&s.f.io, &args, NULL));
    vd = vd_open(&s.f.io, "VDI", paths[0], 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        s.left = rows[i].left;
        s.reserved = 0;
        g_assert_cmpint(vd_write(vd, i << 20, data, rows[i].bytes), ==, rows[i].rc);
        g_assert_cmpint(s.reserved, ==, rows[i].reserved);
    }
    vd_close(vd);
    fio_crash_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/room/VDI", "VDI", test_room);
    g_test_add_data_func("/room/VMDK", "VMDK", test_room);
    g_test_add_data_func("/room/VHD", "VHD", test_room);
    g_test_add_func("/room/reserve", test_reserve);
    return g_test_run();
}
