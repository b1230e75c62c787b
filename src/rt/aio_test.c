/* aio_test.c - reads under way side by side: through the kernel's ring, through threads, and where a ring is forbidden.
 */
#include "rt/aio.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#include "rt/status.h"

#define BLOCKS      1000u
#define BLOCK_BYTES 1536u

static struct {
    int fd;
    char *path;
    GMutex lock;
    GCond changed;
    unsigned done;
} t;

static void make_file(void)
{
    uint8_t block[BLOCK_BYTES];

    t.path = g_strdup("aio-test-XXXXXX");
    t.fd = g_mkstemp(t.path);
    g_assert_cmpint(t.fd, >=, 0);
    for (unsigned i = 0; i < BLOCKS; i++) {
        memset(block, (int)i, sizeof(block));
        g_assert_cmpint(write(t.fd, block, sizeof(block)), ==, sizeof(block));
    }
    t.done = 0;
}

static void remove_file(void)
{
    close(t.fd);
    unlink(t.path);
    g_free(t.path);
}

static void done(struct aio_op *op)
{
    g_assert_true(op->ctx == op);
    g_mutex_lock(&t.lock);
    t.done++;
    g_cond_broadcast(&t.changed);
    g_mutex_unlock(&t.lock);
}

static void start(struct aio *aio, struct aio_op *op, int fd, void *buf, uint64_t off_bytes)
{
    *op = (struct aio_op){
        .fd = fd, .buf = buf, .bytes = BLOCK_BYTES, .off_bytes = off_bytes, .status = 1, .done = done, .ctx = op};
    aio_start(aio, op);
}

/* More than fit at once; the end of the file; a descriptor that cannot be read. */
static void use(struct aio *aio)
{
    g_autofree struct aio_op *ops = g_new0(struct aio_op, BLOCKS + 3);
    g_autofree uint8_t *bufs = g_malloc((BLOCKS + 3) * BLOCK_BYTES);

    make_file();
    memset(bufs, 0xee, (BLOCKS + 3) * BLOCK_BYTES);
    for (unsigned i = 0; i < BLOCKS; i++)
        start(aio, &ops[i], t.fd, bufs + i * BLOCK_BYTES, (uint64_t)(i * 7 % BLOCKS) * BLOCK_BYTES);
    start(aio, &ops[BLOCKS], t.fd, bufs + BLOCKS * BLOCK_BYTES, BLOCKS * BLOCK_BYTES - 512);
    start(aio, &ops[BLOCKS + 1], t.fd, bufs + (BLOCKS + 1) * BLOCK_BYTES, UINT64_C(1) << 40);
    start(aio, &ops[BLOCKS + 2], -1, bufs + (BLOCKS + 2) * BLOCK_BYTES, 0);
    aio_free(aio); /* waits: inv 1 */
    g_assert_cmpuint(t.done, ==, BLOCKS + 3);
    for (unsigned i = 0; i < BLOCKS; i++) {
        g_assert_cmpint(ops[i].status, ==, 0);
        for (unsigned k = 0; k < BLOCK_BYTES; k++)
            g_assert_cmphex(bufs[i * BLOCK_BYTES + k], ==, (i * 7 % BLOCKS) & 0xff);
    }
    g_assert_cmpint(ops[BLOCKS].status, ==, 0);
    g_assert_cmphex(bufs[BLOCKS * BLOCK_BYTES + 511], ==, (BLOCKS - 1) & 0xff);
    g_assert_cmphex(bufs[BLOCKS * BLOCK_BYTES + 512], ==, 0);
    g_assert_cmpint(ops[BLOCKS + 1].status, ==, 0);
    g_assert_cmphex(bufs[(BLOCKS + 1) * BLOCK_BYTES], ==, 0);
    g_assert_cmpint(ops[BLOCKS + 2].status, ==, status_from_errno(-EBADF));
    remove_file();
}

/* Writes, more than fit at once; a descriptor that cannot be written. */
static void use_writing(struct aio *aio)
{
    g_autofree struct aio_op *ops = g_new0(struct aio_op, BLOCKS + 1);
    g_autofree uint8_t *bufs = g_malloc(BLOCKS * BLOCK_BYTES), *back = g_malloc(BLOCKS * BLOCK_BYTES);

    make_file();
    for (unsigned i = 0; i <= BLOCKS; i++) {
        uint8_t *buf = bufs + i % BLOCKS * BLOCK_BYTES;

        ops[i] = (struct aio_op){.fd = i < BLOCKS ? t.fd : -1,
                                 .write = true,
                                 .buf = buf,
                                 .bytes = BLOCK_BYTES,
                                 .off_bytes = (uint64_t)(i % BLOCKS) * BLOCK_BYTES,
                                 .done = done,
                                 .ctx = &ops[i]};
        if (i < BLOCKS)
            memset(buf, (int)(i * 3 + 1), BLOCK_BYTES);
        aio_start(aio, &ops[i]);
    }
    aio_free(aio);
    g_assert_cmpuint(t.done, ==, BLOCKS + 1);
    for (unsigned i = 0; i < BLOCKS; i++)
        g_assert_cmpint(ops[i].status, ==, 0);
    g_assert_cmpint(ops[BLOCKS].status, ==, status_from_errno(-EBADF));
    g_assert_cmpint(pread(t.fd, back, BLOCKS * BLOCK_BYTES, 0), ==, BLOCKS * BLOCK_BYTES);
    g_assert_cmpint(memcmp(back, bufs, BLOCKS * BLOCK_BYTES), ==, 0);
    remove_file();
}

static void test_best(void)
{
    use_writing(aio_new(AIO_BEST));
    use(aio_new(AIO_BEST));
}

static void test_threads(void)
{
    struct aio *aio = aio_new(AIO_THREADS);

    g_assert_cmpint(aio_kind_of(aio), ==, AIO_THREADS);
    use(aio);
    use_writing(aio_new(AIO_THREADS));
}

/* As in many containers: the call is refused. */
static void test_forbidden(void)
{
    if (g_test_subprocess()) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        struct aio *aio;

        g_assert_cmpint(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0), ==, 0);
        g_assert_cmpint(seccomp_load(filter), ==, 0);
        seccomp_release(filter);
        g_assert_null(aio_new(AIO_RING));
        aio = aio_new(AIO_BEST);
        g_assert_cmpint(aio_kind_of(aio), ==, AIO_THREADS);
        use(aio);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/aio/best", test_best);
    g_test_add_func("/aio/threads", test_threads);
    g_test_add_func("/aio/forbidden", test_forbidden);
    return g_test_run();
}
