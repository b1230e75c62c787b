/* block_test.c - order, flush, errors and waiting for the host. The device's side is a list of completions. */
#include "drivers/block/block_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "rt/status.h"
#include "storage/crypt.h"

static void complete(void *ctx, struct pdm_block_req *req)
{
    struct world *w = ctx;

    g_mutex_lock(&w->lock);
    if (req->op == PDM_BLOCK_FLUSH)
        w->unsynced_at_flush = fio_crash_unsynced(w->disk, "/d");
    w->order[w->done++] = req;
    g_cond_broadcast(&w->changed);
    g_mutex_unlock(&w->lock);
}

static void world_begin(struct world *w, bool past_cache)
{
    const struct vd_create args = {.format = "VDI", .path = "/d", .size_bytes = 4u << 20};
    const struct block_up up = {.ctx = w,
                                .complete = complete,
                                .host_error = rig_host_error,
                                .host_well = rig_host_well,
                                .past_cache = past_cache};

    memset(w, 0, sizeof(*w));
    g_mutex_init(&w->lock);
    g_cond_init(&w->changed);
    w->disk = fio_crash_new();
    g_assert_true(vd_create(fio_crash_io(w->disk), &args, NULL));
    fio_fault_init(&w->fault, fio_crash_io(w->disk));
    w->vd = vd_open(&w->fault.io, "VDI", "/d", 0, NULL);
    w->b = block_new(w->vd, &up, NULL);
    g_assert_nonnull(w->b);
}

static void world_init(struct world *w)
{
    world_begin(w, false);
}

static void world_fini(struct world *w)
{
    block_free(w->b);
    vd_close(w->vd);
    fio_crash_free(w->disk);
    g_mutex_clear(&w->lock);
    g_cond_clear(&w->changed);
}

/* Writes, reads of what was just written, and flushes: in order, and flushed means synced. */
static void test_order(void)
{
    static struct pdm_block_req reqs[COUNT];
    static uint8_t bufs[COUNT][512];
    struct world w;

    world_init(&w);
    g_assert_cmpuint(strlen(w.b->serial), ==, 19);
    g_assert_cmpuint(w.b->size_bytes, ==, 4u << 20);
    for (unsigned i = 0; i < COUNT; i++) {
        reqs[i] = (struct pdm_block_req){.offset_bytes = i / 3 * 512, .buf = bufs[i], .bytes = 512};
        reqs[i].op = i % 3 == 0 ? PDM_BLOCK_WRITE : i % 3 == 1 ? PDM_BLOCK_READ : PDM_BLOCK_FLUSH;
        memset(bufs[i], i % 3 == 0 ? (int)(i / 3 + 1) : 0, 512);
        w.b->submit(w.b, &reqs[i]);
        if (i % 3 == 2) {
            rig_wait_done(&w, i + 1);
            g_assert_cmpuint(w.unsynced_at_flush, ==, 0);
        }
    }
    rig_wait_done(&w, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        g_assert_true(w.order[i] == &reqs[i]);
        g_assert_cmpint(reqs[i].status, ==, 0);
        if (i % 3 == 1)
            g_assert_cmpuint(bufs[i][511], ==, (i / 3 + 1) & 0xff);
    }
    world_fini(&w);
}

/* A read of what is in memory needs no hand-over; it never overtakes, and never waits. */
static void test_now(void)
{
    struct pdm_block_req write = {.op = PDM_BLOCK_WRITE, .bytes = 512}, read = {.op = PDM_BLOCK_READ, .bytes = 512};
    uint8_t out[512], in[512] = {0};
    struct world w;

    world_init(&w);
    memset(out, 7, sizeof(out));
    write.buf = out;
    read.buf = in;
    g_assert_false(w.b->now(w.b, &write));
    w.b->submit(w.b, &write);
    rig_wait_done(&w, 1);
    while (!block_idle(w.b))
        g_thread_yield();
    g_assert_true(w.b->now(w.b, &read));
    g_assert_cmpint(read.status, ==, 0);
    g_assert_cmpint(memcmp(in, out, sizeof(in)), ==, 0);

    w.fault.fail_at = w.fault.calls + 1; /* not in memory */
    w.fault.err = EAGAIN;
    g_assert_false(w.b->now(w.b, &read));
    read.offset_bytes = 4u << 20; /* errors are told by the driver's thread */
    g_assert_false(w.b->now(w.b, &read));

    w.wait = true; /* a write waits for room: what is read may be older */
    w.fault.fail_at = w.fault.calls + 1;
    w.fault.err = ENOSPC;
    w.fault.for_ever = true;
    write.offset_bytes = 2u << 20;
    w.b->submit(w.b, &write);
    g_mutex_lock(&w.lock);
    while (w.host_errors == 0)
        g_cond_wait(&w.changed, &w.lock);
    g_mutex_unlock(&w.lock);
    read.offset_bytes = 0;
    g_assert_false(w.b->now(w.b, &read));
    world_fini(&w);
}

static struct {
    GMutex lock;
    GCond changed;
    unsigned done;
} beside;

static void beside_complete(void *ctx, struct pdm_block_req *req)
{
    (void)ctx;
    g_mutex_lock(&beside.lock);
    req->user = req; /* once */
    beside.done++;
    g_cond_broadcast(&beside.changed);
    g_mutex_unlock(&beside.lock);
}

static void wait_beside(unsigned count)
{
    g_mutex_lock(&beside.lock);
    while (beside.done < count)
        g_cond_wait(&beside.changed, &beside.lock);
    g_mutex_unlock(&beside.lock);
}

/* A write of whole pages over what is there needs no hand-over; one that has to read, or makes the file grow, does. */
static void test_write_now(void)
{
    const struct vd_create args = {.format = "VDI", .path = "block-test.vdi", .size_bytes = 4u << 20};
    const struct block_up up = {.complete = beside_complete};
    struct pdm_block_req req = {.op = PDM_BLOCK_WRITE, .bytes = 4096};
    uint8_t out[4096], in[4096] = {0};
    struct pdm_block *b;
    struct vd *vd;

    memset(out, 7, sizeof(out));
    req.buf = out;
    unlink(args.path);
    g_assert_true(vd_create(fio_system(), &args, NULL));
    vd = vd_open(fio_system(), "VDI", args.path, 0, NULL);
    b = block_new(vd, &up, NULL);
    g_assert_false(b->now(b, &req)); /* a new block */
    beside.done = 0;
    b->submit(b, &req);
    wait_beside(1);
    while (!block_idle(b))
        g_thread_yield();
    req.offset_bytes = 8192;
    g_assert_true(b->now(b, &req));
    g_assert_cmpint(req.status, ==, 0);
    g_assert_cmpint(vd_read(vd, 8192, in, sizeof(in)), ==, 0);
    g_assert_cmpint(memcmp(in, out, sizeof(in)), ==, 0);
    const struct iovec pieces[] = {{in, 100}, {out, sizeof(out) - 100}};
    req.iov = pieces;
    req.iov_count = 2;
    memset(in, 9, sizeof(in));
    g_assert_true(b->now(b, &req));
    g_assert_cmpint(vd_read(vd, 8192, in, sizeof(in)), ==, 0);
    g_assert_cmpuint(in[99] << 8 | in[100], ==, 0x0907);
    req.iov = NULL;
    req.bytes = 512;
    g_assert_false(b->now(b, &req));
    req.op = PDM_BLOCK_FLUSH;
    g_assert_false(b->now(b, &req));
    block_free(b);
    vd_close(vd);
    unlink(args.path);
}

/* Reads, writes, discards and calls in any mixture: each read shows its block, a call finds no read under way. */
static void test_beside(gconstpointer kind)
{
    static struct pdm_block_req reqs[COUNT];
    static uint8_t bufs[COUNT][4096];
    const struct block_up up = {.complete = beside_complete, .aio = aio_new((enum aio_kind)GPOINTER_TO_INT(kind))};
    g_autofree char *path = rig_cold_image();
    struct vd *vd = vd_open(fio_system(), "RAW", path, 0, NULL);
    struct pdm_block *b = block_new(vd, &up, NULL);

    g_assert_nonnull(up.aio);
    beside.done = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t at = i * 977 % (IMAGE_BYTES / 8192); /* writes go to the upper half */

        reqs[i] = (struct pdm_block_req){
            .op = PDM_BLOCK_READ, .offset_bytes = UINT64_C(4096) * at, .buf = bufs[i], .bytes = 4096};
        memset(bufs[i], 0xee, 4096);
        if (i % 5 == 3)
            reqs[i].op = PDM_BLOCK_WRITE, reqs[i].offset_bytes += IMAGE_BYTES / 2;
        if (i % 50 == 49)
            reqs[i].op = PDM_BLOCK_DISCARD, reqs[i].offset_bytes += IMAGE_BYTES / 2;
        b->submit(b, &reqs[i]);
    }
    wait_beside(COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t number = 0;

        g_assert_cmpint(reqs[i].status, ==, 0);
        g_assert_true(reqs[i].user == &reqs[i]);
        memcpy(&number, bufs[i], sizeof(number));
        if (reqs[i].op == PDM_BLOCK_READ)
            g_assert_cmpuint(number, ==, reqs[i].offset_bytes / 4096);
    }
    reqs[0].user = NULL; /* one that may be under way when the driver goes */
    b->submit(b, &reqs[0]);
    block_free(b);
    g_assert_true(reqs[0].user == &reqs[0]);
    vd_close(vd);
    aio_free(up.aio);
    unlink(path);
}

static void test_errors(void)
{
    struct pdm_block_req reqs[3] = {};
    uint8_t buf[512] = {1};
    struct world w;

    world_init(&w);
    reqs[0] = (struct pdm_block_req){.op = PDM_BLOCK_READ, .offset_bytes = 4u << 20, .buf = buf, .bytes = 512};
    w.b->submit(w.b, &reqs[0]);
    rig_wait_done(&w, 1);
    g_assert_cmpint(reqs[0].status, ==, VERR_OUT_OF_RANGE);

    w.fault.fail_at = w.fault.calls + 1;
    reqs[1] = (struct pdm_block_req){.op = PDM_BLOCK_FLUSH};
    w.b->submit(w.b, &reqs[1]);
    rig_wait_done(&w, 2);
    g_assert_cmpint(reqs[1].status, ==, VERR_DEV_IO_ERROR);
    world_fini(&w);
}

/* Disk full: the request waits, and is done again after the machine went on; or the guest hears of it. */
static void test_disk_full(void)
{
    for (int waits = 0; waits < 2; waits++) {
        struct pdm_block_req req = {.op = PDM_BLOCK_WRITE, .bytes = 512};
        uint8_t buf[512] = {1};
        struct world w;

        world_init(&w);
        w.wait = waits != 0;
        w.fault.fail_at = w.fault.calls + 2;
        w.fault.err = ENOSPC;
        req.buf = buf;
        w.b->submit(w.b, &req);
        g_mutex_lock(&w.lock);
        while (w.host_errors == 0)
            g_cond_wait(&w.changed, &w.lock);
        g_mutex_unlock(&w.lock);
        if (waits) {
            g_assert_false(block_idle(w.b));
            block_resume(w.b);
        }
        rig_wait_done(&w, 1);
        g_assert_cmpint(req.status, ==, waits ? 0 : VERR_DISK_FULL);
        world_fini(&w);
    }
}

/* Room comes back: the request goes through without anybody's asking, and that is told once. */
static void test_room_again(void)
{
    struct pdm_block_req req = {.op = PDM_BLOCK_WRITE, .bytes = 512};
    uint8_t buf[512] = {1};
    struct world w;

    world_init(&w);
    w.wait = true;
    w.fault.fail_at = w.fault.calls + 2;
    w.fault.err = ENOSPC;
    req.buf = buf;
    w.b->submit(w.b, &req);
    rig_wait_done(&w, 1);
    g_assert_cmpint(req.status, ==, 0);
    g_assert_cmpint(w.host_errors, ==, 1);
    g_assert_cmpuint(w.well, ==, 1);
    world_fini(&w);
}

#define FILLS     100u
#define NEW_BYTES 4096u

static void resume_when_told(struct world *w, int host_errors)
{
    g_mutex_lock(&w->lock);
    while (w->host_errors < host_errors)
        g_cond_wait(&w->changed, &w->lock);
    g_mutex_unlock(&w->lock);
    w->fault.fail_at = 0; /* there is room again */
    block_resume(w->b);
}

/* A9: the host's disk is full at every new block, at another of its calls each time; one event, no error, no byte lost.
 */
static void test_fills(void)
{
    const struct vd_create args = {
        .format = "VDI", .path = "/fills", .size_bytes = FILLS * NEW_BYTES, .block_bytes = NEW_BYTES};
    struct block_up up = {.complete = complete, .host_error = rig_host_error};
    uint8_t out[NEW_BYTES], in[NEW_BYTES];
    struct world w;

    world_init(&w);
    block_free(w.b);
    vd_close(w.vd);
    g_assert_true(vd_create(fio_crash_io(w.disk), &args, NULL));
    w.vd = vd_open(&w.fault.io, "VDI", "/fills", 0, NULL);
    up.ctx = &w;
    w.b = block_new(w.vd, &up, NULL);
    w.wait = true;
    for (unsigned i = 0; i < FILLS; i++) {
        struct pdm_block_req req = {.op = PDM_BLOCK_WRITE,
                                    .offset_bytes = (uint64_t)i * 37 % FILLS * NEW_BYTES,
                                    .buf = out,
                                    .bytes = NEW_BYTES};

        memset(out, (int)(i + 1), sizeof(out));
        w.fault.err = ENOSPC;
        w.fault.for_ever = true;
        w.fault.fail_at = w.fault.calls + 1 + i % 2;
        w.b->submit(w.b, &req);
        resume_when_told(&w, (int)i + 1);
        g_mutex_lock(&w.lock);
        while (w.done == 0)
            g_cond_wait(&w.changed, &w.lock);
        w.done = 0;
        g_mutex_unlock(&w.lock);
        g_assert_cmpint(req.status, ==, 0);
        g_assert_cmpint(w.host_errors, ==, (int)i + 1);
    }
    for (unsigned i = 0; i < FILLS; i++) {
        memset(out, (int)(i + 1), sizeof(out));
        g_assert_cmpint(vd_read(w.vd, (uint64_t)i * 37 % FILLS * NEW_BYTES, in, sizeof(in)), ==, 0);
        g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    }
    g_test_message("%u times full", FILLS);
    world_fini(&w);
}

static void unlock(void *ctx)
{
    struct world *w = ctx;
    g_autofree char *store = vd_keystore_new("pw", VD_AES_256, NULL);

    g_assert_true(vd_unlock(w->vd, store, "pw", NULL));
}

/* A locked disk: requests wait for the password, then go on without anybody's asking; a flush does not wait. */
static void test_locked(void)
{
    struct pdm_block_req write = {.op = PDM_BLOCK_WRITE, .bytes = 512}, read = {.op = PDM_BLOCK_READ, .bytes = 512};
    struct pdm_block_req flush = {.op = PDM_BLOCK_FLUSH};
    uint8_t out[512] = {1, 2, 3}, in[512] = {0};
    struct world w;

    world_init(&w);
    w.wait = true;
    w.trouble = "DrvVD_DEKMISSING";
    w.says = "DEK";
    vd_lock(w.vd);
    write.buf = out;
    read.buf = in;
    w.b->submit(w.b, &flush);
    rig_wait_done(&w, 1);
    g_assert_cmpint(flush.status, ==, 0);
    w.b->submit(w.b, &write);
    w.b->submit(w.b, &read);
    g_mutex_lock(&w.lock);
    while (w.host_errors == 0)
        g_cond_wait(&w.changed, &w.lock);
    g_mutex_unlock(&w.lock);
    g_assert_cmpuint(w.done, ==, 1);
    block_call(w.b, unlock, &w);
    rig_wait_done(&w, 3);
    g_assert_cmpint(write.status, ==, 0);
    g_assert_cmpint(read.status, ==, 0);
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    g_assert_cmpuint(w.well, ==, 1);
    world_fini(&w);
}

static void wait_told(struct world *w, int host_errors)
{
    g_mutex_lock(&w->lock);
    while (w->host_errors < host_errors)
        g_cond_wait(&w->changed, &w->lock);
    g_mutex_unlock(&w->lock);
}

/*
 * The disk fails: a write past the host's cache stops the machine as often as it fails, and is done when it goes on;
 * one through it, and every read, is the guest's error. What has lost its connection or file stops it in any case.
 */
static void test_io_error(void)
{
    static const struct row {
        int err, status;
        enum pdm_block_op op;
        bool past_cache, stops;
        const char *id, *says;
    } rows[] = {
        {EIO, VERR_DEV_IO_ERROR, PDM_BLOCK_WRITE, true, true, "BLKCACHE_IOERR", "medium \"/d\", VERR_DEV_IO_ERROR"},
        {ENOMEM, VERR_NO_MEMORY, PDM_BLOCK_WRITE, true, true, "BLKCACHE_IOERR", "VERR_NO_MEMORY"},
        {EIO, VERR_DEV_IO_ERROR, PDM_BLOCK_WRITE, false, false, "", ""},
        {EIO, VERR_DEV_IO_ERROR, PDM_BLOCK_READ, true, false, "", ""},
        {EIO, VERR_DEV_IO_ERROR, PDM_BLOCK_READ, false, false, "", ""},
        {EIO, VERR_DEV_IO_ERROR, PDM_BLOCK_FLUSH, true, false, "", ""},
        {EINVAL, VERR_INVALID_PARAMETER, PDM_BLOCK_WRITE, true, false, "", ""},
        {ESTALE, VERR_STALE_FILE_HANDLE, PDM_BLOCK_READ, false, true, "DrvVD_ISCSIDOWN", "stale"},
        {ESTALE, VERR_STALE_FILE_HANDLE, PDM_BLOCK_WRITE, false, true, "DrvVD_ISCSIDOWN", "stale"},
        {EPIPE, VERR_BROKEN_PIPE, PDM_BLOCK_READ, true, true, "DrvVD_ISCSIDOWN", "stopped responding"},
        {EPIPE, VERR_BROKEN_PIPE, PDM_BLOCK_FLUSH, true, false, "", ""}};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t buf[512] = {1}, in[512] = {2};
        struct pdm_block_req req = {.op = rows[i].op, .buf = buf, .bytes = rows[i].op == PDM_BLOCK_FLUSH ? 0 : 512};
        struct world w;

        world_begin(&w, rows[i].past_cache);
        g_assert_cmpint(vd_write(w.vd, 0, in, sizeof(in)), ==, 0); /* there is a block to read */
        w.wait = true;
        w.trouble = rows[i].id;
        w.says = rows[i].says;
        w.fault.err = rows[i].err;
        w.fault.for_ever = true;
        w.fault.fail_at = w.fault.calls + 1;
        w.b->submit(w.b, &req);
        for (int n = 1; rows[i].stops && n <= 2; n++) { /* resumed too early, it stops again */
            wait_told(&w, n);
            g_assert_false(block_idle(w.b));
            w.fault.fail_at = n == 2 ? 0 : w.fault.fail_at;
            block_resume(w.b);
        }
        rig_wait_done(&w, 1);
        g_assert_cmpint(req.status, ==, rows[i].stops ? 0 : rows[i].status);
        g_assert_cmpint(w.host_errors, ==, rows[i].stops ? 2 : 0);
        w.fault.fail_at = 0;
        if (rows[i].stops && rows[i].op == PDM_BLOCK_WRITE) {
            g_assert_cmpint(vd_read(w.vd, 0, in, sizeof(in)), ==, 0);
            g_assert_cmpmem(in, sizeof(in), buf, sizeof(buf));
        }
        world_fini(&w);
    }
}

static enum block_more step(void *ctx)
{
    struct world *w = ctx;
    bool more;

    g_mutex_lock(&w->lock);
    more = ++w->steps < 20;
    g_cond_broadcast(&w->changed);
    g_mutex_unlock(&w->lock);
    return more ? BLOCK_MORE : BLOCK_DONE;
}

/* Fails twice for want of room. */
static enum block_more patient_step(void *ctx)
{
    struct world *w = ctx;
    unsigned steps;

    g_mutex_lock(&w->lock);
    steps = ++w->steps;
    g_cond_broadcast(&w->changed);
    g_mutex_unlock(&w->lock);
    return steps < 3 ? BLOCK_LATER : BLOCK_DONE;
}

static void begin_patiently(void *ctx)
{
    struct world *w = ctx;

    block_background(w->b, patient_step, w);
}

/* A background that waits for the host: it does not spin, and requests and calls go on. */
static void test_background_waits(void)
{
    static struct pdm_block_req reqs[COUNT];
    const gint64 start = g_get_monotonic_time();
    uint8_t buf[512] = {1};
    struct world w;

    world_init(&w);
    block_call(w.b, begin_patiently, &w);
    for (unsigned i = 0; i < COUNT; i++) {
        reqs[i] = (struct pdm_block_req){.op = PDM_BLOCK_WRITE, .buf = buf, .bytes = 512};
        w.b->submit(w.b, &reqs[i]);
    }
    rig_wait_done(&w, COUNT);
    g_mutex_lock(&w.lock);
    while (w.steps < 3)
        g_cond_wait(&w.changed, &w.lock);
    g_mutex_unlock(&w.lock);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 2 * 500000);
    world_fini(&w);
    g_assert_cmpuint(w.steps, ==, 3);
}

static void begin(void *ctx)
{
    struct world *w = ctx;

    block_background(w->b, step, w);
}

/* A call comes between requests, on the driver's thread; the background gets its turn beside a busy guest. */
static void test_background(void)
{
    static struct pdm_block_req reqs[COUNT];
    uint8_t buf[512] = {1};
    struct world w;

    world_init(&w);
    for (unsigned i = 0; i < COUNT / 2; i++) {
        reqs[i] = (struct pdm_block_req){.op = PDM_BLOCK_WRITE, .buf = buf, .bytes = 512};
        w.b->submit(w.b, &reqs[i]);
    }
    block_call(w.b, begin, &w);
    for (unsigned i = COUNT / 2; i < COUNT; i++) {
        reqs[i] = (struct pdm_block_req){.op = PDM_BLOCK_READ, .buf = buf, .bytes = 512};
        w.b->submit(w.b, &reqs[i]);
    }
    rig_wait_done(&w, COUNT);
    g_mutex_lock(&w.lock);
    while (w.steps < 20)
        g_cond_wait(&w.changed, &w.lock);
    g_mutex_unlock(&w.lock);
    block_call(w.b, begin, &w);
    world_fini(&w);
    g_assert_cmpuint(w.steps, >=, 20);
}

/* Going away: what is queued is still done; a request that waits for the host gets its error. */
static void test_free(void)
{
    struct pdm_block_req reqs[2] = {};
    uint8_t buf[512] = {1};
    struct world w;

    world_init(&w);
    w.wait = true;
    w.fault.fail_at = w.fault.calls + 1;
    w.fault.err = ENOSPC;
    w.fault.for_ever = true;
    for (unsigned i = 0; i < 2; i++) {
        reqs[i] = (struct pdm_block_req){.op = PDM_BLOCK_WRITE, .buf = buf, .bytes = 512};
        w.b->submit(w.b, &reqs[i]);
    }
    world_fini(&w);
    g_assert_cmpuint(w.done, ==, 2);
    g_assert_cmpint(reqs[1].status, ==, VERR_DISK_FULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/order", test_order);
    g_test_add_func("/block/now", test_now);
    g_test_add_func("/block/write-now", test_write_now);
    g_test_add_data_func("/block/beside/best", GINT_TO_POINTER(AIO_BEST), test_beside);
    g_test_add_data_func("/block/beside/threads", GINT_TO_POINTER(AIO_THREADS), test_beside);
    g_test_add_func("/block/errors", test_errors);
    g_test_add_func("/block/disk-full", test_disk_full);
    g_test_add_func("/block/room-again", test_room_again);
    g_test_add_func("/block/fills", test_fills);
    g_test_add_func("/block/io-error", test_io_error);
    g_test_add_func("/block/locked", test_locked);
    g_test_add_func("/block/background", test_background);
    g_test_add_func("/block/background-waits", test_background_waits);
    g_test_add_func("/block/free", test_free);
    return g_test_run();
}
