/*
 * remote_test.c - disks over NBD, against the server others wrote: qemu-nbd over a socket file; and a server that
 * answers nonsense. Registered only where qemu-nbd exists.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt/status.h"
#include "storage/bytes.h"
#include "storage/remote_server.h"

static void wait_for(const char *path)
{
    for (int i = 0; i < 500 && !g_file_test(path, G_FILE_TEST_EXISTS); i++)
        g_usleep(10000);
}

static void start_nbd(struct server *s, bool read_only)
{
    char *argv[] = {"qemu-nbd",
                    "-f",
                    "raw",
                    "-x",
                    "disk",
                    "-t",
                    "-k",
                    s->socket,
                    read_only ? "-r" : s->image,
                    read_only ? s->image : NULL,
                    NULL};

    server_start(s, argv);
    wait_for(s->socket);
}

static void test_nbd(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *uri = NULL, *wrong = NULL;
    uint8_t byte = 1;
    struct server s;
    struct vd *vd;

    server_init(&s);
    start_nbd(&s, false);
    uri = g_strdup_printf("nbd+unix:///disk?socket=%s", s.socket);
    wrong = g_strdup_printf("nbd+unix:///other?socket=%s", s.socket);
    vd = vd_open(fio_system(), "NBD", uri, 0, &error);
    g_assert_no_error(error);
    server_play(&s, vd);
    server_stop(&s); /* and now the cable is pulled */
    g_assert_cmpint(vd_write(vd, 0, &byte, 1), !=, 0);
    g_assert_cmpint(vd_flush(vd), !=, 0);
    g_assert_cmpint(vd_flush(vd), !=, 0);
    vd_close(vd);
    g_assert_null(vd_open(fio_system(), "NBD", uri, 0, &error));
    g_assert_error(error, STATUS_ERROR, VERR_OPEN_FAILED);
    g_clear_error(&error);
    g_unlink(s.socket);
    start_nbd(&s, true);
    g_assert_null(vd_open(fio_system(), "NBD", wrong, 0, &error));
    g_assert_error(error, STATUS_ERROR, VERR_NOT_FOUND);
    vd = vd_open(fio_system(), "NBD", uri, 0, NULL);
    g_assert_true(vd_read_only(vd));
    g_assert_cmpint(vd_write(vd, 0, &byte, 1), ==, VERR_VD_IMAGE_READ_ONLY);
    vd_close(vd);
    server_fini(&s);
}

static void test_addresses(void)
{
    static const char *const bad[] = {
        "", "nbd", "nbd://", "http://x/y", "nbd+unix:///x", "nbd://127.0.0.1:1/x", "nbd://127.0.0.1:99999/x"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(vd_open(fio_system(), "NBD", bad[i], 0, &error));
        g_assert_error(error, STATUS_ERROR, VERR_OPEN_FAILED);
    }
}

/* One connection gets these bytes as the server's greeting, and the end. */
struct liar {
    int listener;
    const uint8_t *bytes;
    size_t n;
};

static void *lie(void *arg)
{
    struct liar *l = arg;
    int s = accept(l->listener, NULL, NULL);
    uint8_t heard[4096];

    g_assert_cmpint(send(s, l->bytes, l->n, MSG_NOSIGNAL), ==, (gssize)l->n);
    shutdown(s, SHUT_WR);
    while (recv(s, heard, sizeof(heard), 0) > 0)
        ;
    close(s);
    return NULL;
}

/* A good greeting and answer, damaged in each of its fields, and cut at each byte. */
static void test_nbd_liars(void)
{
    static const struct {
        unsigned at, bytes;
        uint64_t value;
    } rows[] = {{0, 8, 1},           {8, 8, 1},      {16, 2, 0}, {18, 8, 1}, {26, 4, 1},         {30, 4, 0x80000006},
                {34, 4, 0xffffffff}, {34, 4, 65537}, {40, 8, 0}, {40, 8, 1}, {40, 8, 1ull << 63}};
    uint8_t good[18 + 20 + 12 + 20] = {};
    struct server s;
    g_autofree char *uri = NULL;

    server_init(&s);
    uri = g_strdup_printf("nbd+unix:///disk?socket=%s", s.socket);
    put_be64(good, 0x4e42444d41474943);
    put_be64(good + 8, 0x49484156454f5054);
    put_be16(good + 16, 3);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *r = good + (i ? 50 : 18);

        put_be64(r, 0x0003e889045565a9);
        put_be32(r + 8, 7);
        put_be32(r + 12, i ? 1 : 3);
        put_be32(r + 16, i ? 0 : 12);
    }
    put_be64(good + 40, SERVER_DISK_BYTES);
    for (size_t i = 0; i <= G_N_ELEMENTS(rows) + sizeof(good); i++) {
        bool whole = i == G_N_ELEMENTS(rows) + sizeof(good);
        uint8_t bytes[sizeof(good)];
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        struct liar l = {socket(AF_UNIX, SOCK_STREAM, 0), bytes, sizeof(good)};
        GThread *t;
        struct vd *vd;

        memcpy(bytes, good, sizeof(good));
        if (i < G_N_ELEMENTS(rows)) {
            uint8_t raw[8];

            put_be64(raw, rows[i].value);
            memcpy(bytes + rows[i].at, raw + 8 - rows[i].bytes, rows[i].bytes);
        } else {
            l.n = i - G_N_ELEMENTS(rows);
        }
        g_strlcpy(a.sun_path, s.socket, sizeof(a.sun_path));
        g_unlink(s.socket);
        g_assert_cmpint(bind(l.listener, (struct sockaddr *)&a, sizeof(a)), ==, 0);
        g_assert_cmpint(listen(l.listener, 1), ==, 0);
        t = g_thread_new("liar", lie, &l);
        vd = vd_open(fio_system(), "NBD", uri, 0, NULL);
        g_assert_cmpint(vd != NULL, ==, whole);
        vd_close(vd);
        g_thread_join(t);
        close(l.listener);
    }
    server_fini(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote/nbd", test_nbd);
    g_test_add_func("/remote/addresses", test_addresses);
    g_test_add_func("/remote/nbd-liars", test_nbd_liars);
    return g_test_run();
}
