/*
 * remote_test.c - disks over the network, against the servers others wrote: qemu-nbd over a socket file and TCP, tgt
 * over iSCSI with CHAP; and a server that answers nonsense.
 *
 * Registered only where qemu-nbd exists; the iSCSI part needs tgtd and root and says so when it cannot run.
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
#include "storage/copy.h"

#define SIZE (8u << 20)

struct server {
    char *dir, *image, *socket;
    GPid pid;
};

static void wait_for(const char *path)
{
    for (int i = 0; i < 500 && !g_file_test(path, G_FILE_TEST_EXISTS); i++)
        g_usleep(10000);
}

static void start(struct server *s, char **argv)
{
    GError *error = NULL;

    g_spawn_async(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                  NULL, &s->pid, &error);
    g_assert_no_error(error);
}

static void server_init(struct server *s)
{
    *s = (struct server){.dir = g_dir_make_tmp("vd-remote-XXXXXX", NULL)};
    s->image = g_build_filename(s->dir, "disk.raw", NULL);
    s->socket = g_build_filename(s->dir, "sock", NULL);
    g_assert_true(
        vd_create(fio_system(), &(struct vd_create){.format = "RAW", .path = s->image, .size_bytes = SIZE}, NULL));
}

static void server_stop(struct server *s)
{
    if (s->pid) {
        kill(s->pid, SIGKILL); /* tgtd does not listen to less */
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

static void server_fini(struct server *s)
{
    server_stop(s);
    g_unlink(s->image);
    g_unlink(s->socket);
    g_rmdir(s->dir);
    g_free(s->image);
    g_free(s->socket);
    g_free(s->dir);
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

    start(s, argv);
    wait_for(s->socket);
}

/* Writes of all alignments against a model; then the server's file is compared. */
static void play(struct vd *vd, const char *image)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    g_autofree uint8_t *model = g_malloc0(SIZE), *buf = g_malloc(SIZE);
    g_autofree char *file = NULL;
    gsize bytes;

    g_assert_cmpuint(vd_size_bytes(vd), ==, SIZE);
    for (unsigned i = 0; i < 25; i++) {
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, SIZE);
        size_t want = (size_t)g_rand_int_range(rand, 1, 3 << 20), n = MIN(want, SIZE - at);

        memset(model + at, g_rand_int_range(rand, 0, 256), n);
        g_assert_cmpint(vd_write(vd, at, model + at, n), ==, 0);
        g_assert_cmpint(vd_read(vd, at / 2, buf, n), ==, 0);
        g_assert_cmpint(memcmp(buf, model + at / 2, n), ==, 0);
    }
    g_assert_cmpint(vd_discard(vd, 1 << 20, 1 << 20), ==, 0);
    g_assert_cmpint(vd_read(vd, 1 << 20, model + (1 << 20), 1 << 20), ==, 0);
    g_assert_cmpint(vd_flush(vd), ==, 0);
    g_assert_true(g_file_get_contents(image, &file, &bytes, NULL));
    g_assert_cmpuint(bytes, ==, SIZE);
    g_assert_cmpint(memcmp(file, model, SIZE), ==, 0);
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
    play(vd, s.image);
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
    put_be64(good + 40, SIZE);
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

static int run(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static int run(const char *fmt, ...)
{
    g_autofree char *cmd = NULL;
    int status = -1;
    va_list ap;

    va_start(ap, fmt);
    cmd = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return g_spawn_command_line_sync(cmd, NULL, NULL, &status, NULL) ? status : -1;
}

/* A target with one disk and one user, made the way its administrator would. */
static bool start_target(struct server *s, unsigned port, unsigned control)
{
    g_autofree char *portal = g_strdup_printf("portal=127.0.0.1:%u", port), *number = g_strdup_printf("%u", control);
    char *argv[] = {"tgtd", "-f", "-C", number, "--iscsi", portal, NULL};
    const char *const set_up[] = {
        "--op new --mode target --tid 1 -T iqn.2026-01.test:disk",
        "--op new --mode account --user alice --password secretsecret12",
        "--op bind --mode account --tid 1 --user alice",
        "--op bind --mode target --tid 1 -I ALL",
    };
    int rc = -1;

    start(s, argv);
    for (int i = 0; i < 100 && rc; i++) {
        g_usleep(50000);
        rc = run("tgtadm -C %u --lld iscsi %s", control, set_up[0]);
    }
    if (rc == 0)
        rc = run("tgtadm -C %u --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 -b %s", control, s->image);
    for (size_t i = 1; rc == 0 && i < G_N_ELEMENTS(set_up); i++)
        rc = run("tgtadm -C %u --lld iscsi %s", control, set_up[i]);
    return rc == 0;
}

static void test_iscsi(void)
{
    g_autofree char *tgtd = g_find_program_in_path("tgtd"), *uri = NULL, *wrong = NULL;
    unsigned port = 20000 + (unsigned)getpid() % 20000, control = 1000 + (unsigned)getpid() % 30000;
    g_autoptr(GError) error = NULL;
    struct server s;
    struct vd *vd;

    if (!tgtd || geteuid() != 0) {
        g_test_message("tgtd is missing, or we are not root: iSCSI was not tried");
        return;
    }
    server_init(&s);
    g_assert_true(start_target(&s, port, control));
    uri = g_strdup_printf("iscsi://alice%%secretsecret12@127.0.0.1:%u/iqn.2026-01.test:disk/1", port);
    wrong = g_strdup_printf("iscsi://alice%%wrongwrongwro@127.0.0.1:%u/iqn.2026-01.test:disk/1", port);
    g_assert_null(vd_open(fio_system(), "iSCSI", wrong, 0, &error));
    g_assert_error(error, STATUS_ERROR, VERR_OPEN_FAILED);
    g_assert_null(strstr(error->message, "wrongwrong"));
    g_clear_error(&error);
    vd = vd_open(fio_system(), "iSCSI", uri, 0, &error);
    g_assert_no_error(error);
    g_assert_null(strstr(vd_path(vd), "secretsecret"));
    play(vd, s.image);
    vd_close(vd);
    server_fini(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote/nbd", test_nbd);
    g_test_add_func("/remote/addresses", test_addresses);
    g_test_add_func("/remote/nbd-liars", test_nbd_liars);
    g_test_add_func("/remote/iscsi", test_iscsi);
    return g_test_run();
}
