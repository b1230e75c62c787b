/* track_test.c - what requests change is noted, on every way a request can take, and what they only read is not. */
#include <string.h>

#include "drivers/block/block_rig.h"

#define SIZE_BYTES (4u << 20)

static void start(void *ctx)
{
    struct world *w = ctx;

    g_assert_true(block_track(w->b, true));
}

static void stop(void *ctx)
{
    struct world *w = ctx;

    g_assert_true(block_track(w->b, false));
}

/* Word by word, and what the disk shows with it: all that was written before is there. */
struct look {
    struct world *w;
    uint64_t bits[4];
    uint8_t disk[SIZE_BYTES];
};

static void look(void *ctx)
{
    struct look *l = ctx;

    for (unsigned n = 0; n < G_N_ELEMENTS(l->bits); n++)
        l->bits[n] = block_tracked(l->w->b, n);
    g_assert_cmpint(vd_read(l->w->vd, 0, l->disk, SIZE_BYTES), ==, 0);
}

static void init(struct world *w)
{
    static const struct vd_create args = {.format = "VDI", .path = "/d", .size_bytes = SIZE_BYTES};
    const struct block_up up = {.ctx = w, .complete = rig_note, .host_error = rig_host_error};

    memset(w, 0, sizeof *w);
    g_mutex_init(&w->lock);
    g_cond_init(&w->changed);
    w->disk = fio_crash_new();
    g_assert_true(vd_create(fio_crash_io(w->disk), &args, NULL));
    w->vd = vd_open(fio_crash_io(w->disk), "VDI", "/d", 0, NULL);
    w->b = block_new(w->vd, &up, NULL);
    g_assert_nonnull(w->b);
}

static void fini(struct world *w)
{
    block_free(w->b);
    vd_close(w->vd);
    fio_crash_free(w->disk);
    g_mutex_clear(&w->lock);
    g_cond_clear(&w->changed);
}

static void test_bits(void)
{
    static uint8_t buf[3 * BLOCK_TRACK_BYTES];
    static struct look l;
    struct world w;
    static const struct {
        enum pdm_block_op op;
        uint64_t at;
        size_t bytes;
        uint64_t word, bits; /* what it leaves */
    } rows[] = {
        {PDM_BLOCK_WRITE, 0, 512, 0, 1},
        {PDM_BLOCK_WRITE, BLOCK_TRACK_BYTES - 512, 1024, 0, 3},
        {PDM_BLOCK_WRITE, (1u << 20) - 512, 512, 0, UINT64_C(1) << 63},
        {PDM_BLOCK_WRITE, (1u << 20) + BLOCK_TRACK_BYTES, sizeof buf, 1, 0xe},
        {PDM_BLOCK_DISCARD, (3u << 20), 1u << 20, 3, UINT64_MAX},
        {PDM_BLOCK_WRITE, SIZE_BYTES - 512, 1024, 3, UINT64_C(1) << 63}, /* fails: beyond the end */
        {PDM_BLOCK_READ, 0, 512, 0, 0},
        {PDM_BLOCK_FLUSH, 0, 0, 0, 0},
    };

    init(&w);
    l.w = &w;
    block_call(w.b, start, &w);
    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        struct pdm_block_req req = {.op = rows[n].op, .offset_bytes = rows[n].at, .buf = buf, .bytes = rows[n].bytes};

        w.b->submit(w.b, &req);
        rig_wait_done(&w, n + 1);
        g_assert_cmpuint(block_tracked_count(w.b), ==, (unsigned)__builtin_popcountll(rows[n].bits));
        g_assert_cmpuint(block_tracked_next(w.b, 0), ==, rows[n].bits != 0 ? rows[n].word : UINT64_MAX);
        block_look(w.b, look, &l);
        for (unsigned k = 0; k < G_N_ELEMENTS(l.bits); k++)
            g_assert_cmpuint(l.bits[k], ==, k == rows[n].word ? rows[n].bits : 0);
    }
    block_call(w.b, stop, &w);
    g_assert_cmpuint(block_tracked_next(w.b, 0), ==, UINT64_MAX);
    fini(&w);
}

/* A copy that is renewed by the bits alone while sectors are written, and is right in the end. */
static void test_copy(void)
{
    static uint8_t copy[SIZE_BYTES], bufs[COUNT][512];
    static struct pdm_block_req reqs[COUNT];
    static struct look l;
    struct world w;
    GRand *rand = g_rand_new_with_seed(5);
    unsigned seen = 0;

    init(&w);
    l.w = &w;
    block_call(w.b, start, &w);
    for (unsigned i = 0; i < COUNT; i++) {
        reqs[i] = (struct pdm_block_req){.op = PDM_BLOCK_WRITE,
                                         .offset_bytes = 512 * (uint64_t)g_rand_int_range(rand, 0, SIZE_BYTES / 512),
                                         .buf = bufs[i],
                                         .bytes = 512};
        memset(bufs[i], (int)i + 1, 512);
        if (i > 100 && w.b->now(w.b, &reqs[i]))
            rig_note(&w, &reqs[i]);
        else
            w.b->submit(w.b, &reqs[i]);
        if (i % 7 == 6 || i + 1 == COUNT) {
            if (i + 1 == COUNT)
                rig_wait_done(&w, COUNT);
            block_look(w.b, look, &l);
            for (unsigned n = 0; n < SIZE_BYTES / BLOCK_TRACK_BYTES; n++)
                if (l.bits[n / 64] >> (n % 64) & 1) {
                    memcpy(copy + n * BLOCK_TRACK_BYTES, l.disk + n * BLOCK_TRACK_BYTES, BLOCK_TRACK_BYTES);
                    seen++;
                }
        }
    }
    g_assert_cmpint(vd_read(w.vd, 0, l.disk, SIZE_BYTES), ==, 0);
    g_assert_cmpint(memcmp(copy, l.disk, SIZE_BYTES), ==, 0);
    g_assert_cmpuint(seen, >, 0);
    g_rand_free(rand);
    fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/track/bits", test_bits);
    g_test_add_func("/block/track/copy", test_copy);
    return g_test_run();
}
