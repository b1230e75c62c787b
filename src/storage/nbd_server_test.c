/* nbd_server_test.c - our server and our client over a pair of sockets; disks that fail, and clients that lie. */
#include "storage/nbd_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rt/fio_shim.h"
#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/create.h"
#include "storage/nbd_proto.h"

#define DISK_BYTES (4u << 20)

struct world {
    struct fio_crash *disk;
    struct fio_fault fault;
    struct vd *served;
    int pair[2]; /* client, server */
    GThread *thread;
    struct fio given;
};

static void *serve(void *ctx)
{
    struct world *w = ctx;
    const bool bye = nbd_serve(w->served, w->pair[1]);

    close(w->pair[1]);
    return GINT_TO_POINTER(bye);
}

static int open_given(void *ctx, const char *path, int flags, unsigned mode)
{
    const struct world *w = ctx;

    (void)flags, (void)mode;
    g_assert_cmpstr(path, ==, "nbd+socket:the disk");
    return dup(w->pair[0]);
}

static void begin(struct world *w, unsigned flags)
{
    const struct vd_create args = {.format = "RAW", .path = "/d", .size_bytes = DISK_BYTES};

    memset(w, 0, sizeof(*w));
    w->disk = fio_crash_new();
    g_assert_true(vd_create(fio_crash_io(w->disk), &args, NULL));
    fio_fault_init(&w->fault, fio_crash_io(w->disk));
    w->served = vd_open(&w->fault.io, "RAW", "/d", flags, NULL);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, w->pair), ==, 0);
    w->thread = g_thread_new("serve", serve, w);
    w->given = (struct fio){.ctx = w, .open = open_given};
}

/* Whether it went with a good-bye. */
static bool end(struct world *w)
{
    bool bye;

    close(w->pair[0]);
    bye = GPOINTER_TO_INT(g_thread_join(w->thread));
    vd_close(w->served);
    fio_crash_free(w->disk);
    return bye;
}

static struct vd *client(struct world *w)
{
    g_autoptr(GError) error = NULL;
    struct vd *vd = vd_open(&w->given, "NBD", "nbd+socket:the disk", 0, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(vd_path(vd), ==, "the disk");
    g_assert_cmpuint(vd_size_bytes(vd), ==, DISK_BYTES);
    return vd;
}

static void test_play(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    g_autofree uint8_t *model = g_malloc0(DISK_BYTES), *buf = g_malloc(DISK_BYTES);
    struct world w;
    struct vd *vd;

    begin(&w, 0);
    vd = client(&w);
    for (unsigned i = 0; i < 60; i++) {
        const uint64_t at = (uint64_t)g_rand_int_range(rand, 0, DISK_BYTES);
        const size_t want = (size_t)g_rand_int_range(rand, 1, 3 << 20), n = MIN(want, DISK_BYTES - at);

        memset(model + at, g_rand_int_range(rand, 0, 256), n);
        g_assert_cmpint(vd_write(vd, at, model + at, n), ==, 0);
        g_assert_cmpint(vd_read(vd, at / 2, buf, n), ==, 0);
        g_assert_cmpmem(buf, n, model + at / 2, n);
    }
    g_assert_cmpuint(fio_crash_unsynced(w.disk, "/d"), >, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    g_assert_cmpuint(fio_crash_unsynced(w.disk, "/d"), ==, 0);
    g_assert_cmpint(vd_discard(vd, 1 << 20, 1 << 20), ==, 0);
    vd_close(vd);
    g_assert_true(end(&w));
}

static void test_read_only(void)
{
    struct world w;
    struct vd *vd;
    uint8_t byte = 1;

    begin(&w, VD_READ_ONLY);
    vd = client(&w);
    g_assert_true(vd_read_only(vd));
    g_assert_cmpint(vd_read(vd, 0, &byte, 1), ==, 0);
    vd_close(vd);
    g_assert_true(end(&w));
}

/* The disk's errors keep their meaning, and the connection. */
static void test_errors(void)
{
    static const struct {
        int err, status;
    } rows[] = {{ENOSPC, VERR_DISK_FULL},
                {EIO, VERR_DISK_IO_ERROR},
                {EPIPE, VERR_BROKEN_PIPE},
                {ENOMEM, VERR_NO_MEMORY},
                {EROFS, VERR_WRITE_PROTECT}};
    uint8_t page[4096] = {1};
    struct world w;
    struct vd *vd;

    begin(&w, 0);
    vd = client(&w);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        w.fault.err = rows[i].err;
        w.fault.fail_at = w.fault.calls + 1;
        g_assert_cmpint(vd_write(vd, 4096, page, sizeof(page)), ==, rows[i].status);
        g_assert_cmpint(vd_write(vd, 4096, page, sizeof(page)), ==, 0);
    }
    w.fault.err = EIO;
    w.fault.fail_at = w.fault.calls + 1;
    g_assert_cmpint(vd_flush(vd), ==, VERR_DISK_IO_ERROR);
    g_assert_cmpint(vd_flush(vd), ==, VERR_DISK_IO_ERROR); /* never good again (vd.h) */
    vd_close(vd);
    g_assert_true(end(&w));
}

/* Who served it is gone: that is what every request says, and it does not wait. */
static void test_gone(void)
{
    uint8_t page[4096] = {1};
    struct world w;
    struct vd *vd;

    begin(&w, 0);
    vd = client(&w);
    shutdown(w.pair[0], SHUT_RDWR);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpint(vd_read(vd, 0, page, sizeof(page)), ==, VERR_BROKEN_PIPE);
        g_assert_cmpint(vd_write(vd, 0, page, sizeof(page)), ==, VERR_BROKEN_PIPE);
        g_assert_cmpint(vd_flush(vd), ==, VERR_BROKEN_PIPE);
    }
    vd_close(vd);
    g_assert_false(end(&w));
}

static void put_request(uint8_t raw[NBD_REQUEST_BYTES], uint16_t flags, uint16_t command, uint64_t at, uint32_t bytes)
{
    put_be32(raw, NBD_MAGIC_REQUEST);
    put_be16(raw + 4, flags);
    put_be16(raw + 6, command);
    put_be64(raw + 8, 4711);
    put_be64(raw + 16, at);
    put_be32(raw + 24, bytes);
}

static void greet(const struct world *w)
{
    uint8_t raw[4 + NBD_OPTION_BYTES + 6] = {0}, heard[18 + NBD_REPLY_BYTES + 12 + NBD_REPLY_BYTES];

    put_be32(raw, NBD_HAS_FIXED | NBD_NO_ZEROES);
    put_be64(raw + 4, NBD_MAGIC_OPTION);
    put_be32(raw + 12, NBD_OPT_GO);
    put_be32(raw + 16, 6);
    g_assert_cmpint(send(w->pair[0], raw, sizeof(raw), 0), ==, sizeof(raw));
    g_assert_cmpint(recv(w->pair[0], heard, sizeof(heard), MSG_WAITALL), ==, sizeof(heard));
}

/* What lies outside the disk, or is unknown, is refused; what cannot be skipped ends the connection. */
static void test_liars(void)
{
    static const struct row {
        uint16_t flags, command;
        uint64_t at;
        uint32_t bytes, says;
    } rows[] = {{0, NBD_CMD_READ, DISK_BYTES, 1, NBD_EINVAL},
                {0, NBD_CMD_READ, DISK_BYTES - 1, 2, NBD_EINVAL},
                {0, NBD_CMD_READ, UINT64_MAX, 2, NBD_EINVAL},
                {0, NBD_CMD_READ, 0, NBD_MAX_REQUEST + 1, NBD_EINVAL},
                {0, NBD_CMD_READ, 0, UINT32_MAX, NBD_EINVAL},
                {0, NBD_CMD_TRIM, 512, UINT32_MAX, NBD_EINVAL},
                {0, 77, 0, 0, NBD_EINVAL},
                {0xffff, NBD_CMD_FLUSH, 0, 0, NBD_EINVAL},
                {0, NBD_CMD_FLUSH, 0, 0, 0}};
    uint8_t raw[NBD_REQUEST_BYTES], heard[NBD_ANSWER_BYTES];
    struct world w;

    begin(&w, 0);
    greet(&w);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        put_request(raw, rows[i].flags, rows[i].command, rows[i].at, rows[i].bytes);
        g_assert_cmpint(send(w.pair[0], raw, sizeof(raw), 0), ==, sizeof(raw));
        g_assert_cmpint(recv(w.pair[0], heard, sizeof(heard), MSG_WAITALL), ==, sizeof(heard));
        g_assert_cmpuint(be32(heard + 4), ==, rows[i].says);
        g_assert_cmpuint(be64(heard + 8), ==, 4711);
    }
    put_request(raw, 0, NBD_CMD_WRITE, 0, NBD_MAX_REQUEST + 1);
    g_assert_cmpint(send(w.pair[0], raw, sizeof(raw), 0), ==, sizeof(raw));
    g_assert_cmpint(recv(w.pair[0], heard, 1, 0), ==, 0);
    g_assert_false(end(&w));
}

/* Any bytes, greeted and not, also cut off: it ends, and has written nothing it was not told to. */
static void test_noise(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(6);

    for (unsigned i = 0; i < 300; i++) {
        uint8_t bytes[512];
        struct world w;

        begin(&w, VD_READ_ONLY);
        if (i % 2)
            greet(&w);
        for (unsigned k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)g_rand_int_range(rand, 0, 256);
        for (unsigned at = 0; at + NBD_REQUEST_BYTES <= sizeof(bytes) && i % 4 > 1; at += NBD_REQUEST_BYTES)
            put_be32(bytes + at, NBD_MAGIC_REQUEST);
        if (i % 4 == 0)
            put_be32(bytes, NBD_HAS_FIXED), put_be64(bytes + 4, NBD_MAGIC_OPTION), bytes[16] = bytes[17] = 0;
        send(w.pair[0], bytes, (size_t)g_rand_int_range(rand, 0, sizeof(bytes)), MSG_NOSIGNAL);
        end(&w);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd-server/play", test_play);
    g_test_add_func("/nbd-server/read-only", test_read_only);
    g_test_add_func("/nbd-server/errors", test_errors);
    g_test_add_func("/nbd-server/gone", test_gone);
    g_test_add_func("/nbd-server/liars", test_liars);
    g_test_add_func("/nbd-server/noise", test_noise);
    return g_test_run();
}
