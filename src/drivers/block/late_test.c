/* late_test.c - disks past the host's cache: writes beside the queue, the cache of what was read. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "drivers/block/block_rig.h"
#include "rt/fio_direct.h"
#include "rt/status.h"

/* Writes under way side by side: what meets is done in order, and a flush ends behind all before it. */
static void test_late_writes(gconstpointer kind)
{
    static struct pdm_block_req reqs[COUNT];
    struct world w = {};
    const struct block_up up = {
        .ctx = &w, .complete = rig_note, .aio = aio_new((enum aio_kind)GPOINTER_TO_INT(kind)), .past_cache = true};
    uint8_t *bufs = g_aligned_alloc(COUNT, 4096, 4096);
    g_autofree char *path = rig_cold_image();
    struct vd *vd = vd_open(fio_direct(), "RAW", path, 0, NULL);
    struct pdm_block *b = block_new(vd, &up, NULL);
    uint32_t last[16] = {0};

    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t block = i * 7 % 16;

        reqs[i] = (struct pdm_block_req){
            .op = PDM_BLOCK_WRITE, .offset_bytes = UINT64_C(4096) * block, .buf = bufs + 4096 * i, .bytes = 4096};
        memset(reqs[i].buf, (int)i, 4096);
        if (i % 5 == 4)
            reqs[i].op = PDM_BLOCK_READ, reqs[i].generation = last[block];
        else if (i % 25 == 23)
            reqs[i].op = PDM_BLOCK_FLUSH, reqs[i].bytes = 0;
        else if (i % 10 == 7) /* a part of a page goes through the cache */
            reqs[i].bytes = 512, reqs[i].offset_bytes += 512, last[block] = (last[block] & 0xffff) | i << 16;
        else
            last[block] = i | i << 16;
        b->submit(b, &reqs[i]);
    }
    rig_wait_done(&w, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint8_t *bytes = reqs[i].buf;

        g_assert_cmpint(reqs[i].status, ==, 0);
        if (reqs[i].op == PDM_BLOCK_READ && (reqs[i].generation & 0xffff)) {
            g_assert_cmpuint(bytes[0], ==, reqs[i].generation & 0xff);
            g_assert_cmpuint(bytes[512], ==, reqs[i].generation >> 16 & 0xff);
        }
        for (uint32_t k = 0; reqs[i].op == PDM_BLOCK_FLUSH && k < i; k++)
            g_assert_cmpuint(rig_place_of(&w, &reqs[k]), <, rig_place_of(&w, &reqs[i]));
    }
    block_free(b);
    vd_close(vd);
    aio_free(up.aio);
    g_aligned_free(bufs);
    unlink(path);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

/* Read again, or read after a write, needs no disk; a call may have changed it. */
static void test_cache(void)
{
    struct world w = {};
    const struct block_up up = {.ctx = &w, .complete = rig_note, .aio = aio_new(AIO_BEST), .past_cache = true};
    const struct block_up shared = {.ctx = &w, .complete = rig_note, .aio = up.aio, .past_cache = true, .shared = true};
    uint8_t *buf = g_aligned_alloc(1, 8192, 4096), in[512];
    struct pdm_block_req write = {.op = PDM_BLOCK_WRITE, .offset_bytes = 8192, .buf = buf, .bytes = 8192};
    struct pdm_block_req read = {.op = PDM_BLOCK_READ, .offset_bytes = 8192 + 512, .buf = in, .bytes = 512};
    struct pdm_block_req discard = {.op = PDM_BLOCK_DISCARD, .offset_bytes = 12288, .bytes = 4096};
    g_autofree char *path = rig_cold_image();
    struct vd *vd = vd_open(fio_direct(), "RAW", path, 0, NULL);
    struct pdm_block *b = block_new(vd, &up, NULL);

    memset(buf, 0x5c, 8192);
    g_assert_false(b->now(b, &read));
    g_assert_false(b->now(b, &write));
    b->submit(b, &write);
    rig_wait_done(&w, 1);
    while (!block_idle(b))
        g_thread_yield();
    g_assert_true(b->now(b, &read));
    g_assert_cmpint(in[0], ==, 0x5c);
    b->submit(b, &discard);
    rig_wait_done(&w, 2);
    while (!block_idle(b))
        g_thread_yield();
    g_assert_true(b->now(b, &read));
    read.offset_bytes = 12288;
    g_assert_false(b->now(b, &read));
    read.offset_bytes = 8192;
    block_call(b, nothing, NULL);
    g_assert_false(b->now(b, &read));
    block_free(b);
    b = block_new(vd, &shared, NULL);
    b->submit(b, &write);
    rig_wait_done(&w, 3);
    while (!block_idle(b))
        g_thread_yield();
    g_assert_false(b->now(b, &read));
    block_free(b);
    vd_close(vd);
    aio_free(up.aio);
    g_aligned_free(buf);
    unlink(path);
}

static struct {
    unsigned fail; /* so many writes ... */
    int held;      /* atomic: ... but not before this is 0 */
    int fd;        /* where the others go */
} narrow;

static int narrow_open(void *ctx, const char *path, int flags, unsigned mode)
{
    return fio_system()->open(ctx, path, (flags & ~O_ACCMODE) | O_RDONLY, mode);
}

static int64_t narrow_pwrite(void *ctx, int fd, const void *buf, size_t bytes, uint64_t off_bytes)
{
    (void)fd;
    while (narrow.fail && g_atomic_int_get(&narrow.held))
        g_usleep(1000);
    if (narrow.fail) {
        narrow.fail--;
        return -ENOSPC;
    }
    return fio_system()->pwrite(ctx, narrow.fd, buf, bytes, off_bytes);
}

static int narrow_lock(void *ctx, int fd, enum fio_lock kind)
{
    (void)ctx, (void)fd, (void)kind;
    return 0;
}

static struct vd *narrow_disk(const char *path, unsigned fail)
{
    static struct fio io;

    io = *fio_system();
    io.open = narrow_open;
    io.pwrite = narrow_pwrite;
    io.pwritev = NULL;
    io.lock = narrow_lock;
    narrow.fd = open(path, O_RDWR | O_CLOEXEC);
    narrow.fail = fail;
    return vd_open(&io, "RAW", path, 0, NULL);
}

/* A late write that finds the host's disk full waits like any other, and is done again: before what came after it. */
static void test_late_disk_full(void)
{
    struct world w = {.wait = true};
    const struct block_up up = {.ctx = &w,
                                .complete = rig_note,
                                .host_error = rig_host_error,
                                .host_well = rig_host_well,
                                .aio = aio_new(AIO_BEST),
                                .past_cache = true};
    struct pdm_block_req reqs[] = {{.op = PDM_BLOCK_WRITE, .offset_bytes = 8192, .bytes = 4096},
                                   {.op = PDM_BLOCK_WRITE, .offset_bytes = 8192 + 512, .bytes = 512},
                                   {.op = PDM_BLOCK_FLUSH}};
    g_autofree uint8_t *first = g_malloc(4096), *second = g_malloc(512), *in = g_malloc0(4096);
    g_autofree char *path = rig_cold_image();
    struct vd *vd = narrow_disk(path, 2); /* the late one, and once more */
    struct pdm_block *b = block_new(vd, &up, NULL);

    reqs[0].buf = memset(first, 0x77, 4096);
    reqs[1].buf = memset(second, 0x88, 512);
    g_atomic_int_set(&narrow.held, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(reqs); i++)
        b->submit(b, &reqs[i]);
    g_usleep(50000); /* the second has most likely been taken, and waits for the first */
    g_atomic_int_set(&narrow.held, 0);
    rig_wait_done(&w, G_N_ELEMENTS(reqs));
    for (unsigned i = 0; i < G_N_ELEMENTS(reqs); i++) {
        g_assert_cmpint(reqs[i].status, ==, 0);
        g_assert_cmpuint(rig_place_of(&w, &reqs[i]), ==, i);
    }
    g_assert_cmpint(w.host_errors, ==, 1);
    g_assert_cmpuint(narrow.fail, ==, 0);
    g_assert_cmpint(pread(narrow.fd, in, 4096, 8192), ==, 4096);
    memcpy(first + 512, second, 512);
    g_assert_cmpmem(in, 4096, first, 4096);
    block_free(b);
    vd_close(vd);
    aio_free(up.aio);
    close(narrow.fd);
    unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/block/late-writes/best", GINT_TO_POINTER(AIO_BEST), test_late_writes);
    g_test_add_data_func("/block/late-writes/threads", GINT_TO_POINTER(AIO_THREADS), test_late_writes);
    g_test_add_func("/block/late-disk-full", test_late_disk_full);
    g_test_add_func("/block/cache", test_cache);
    return g_test_run();
}
