/*
 * char_test.c - character drivers over real files, sockets and a pseudo-terminal, with the loop turned by hand.
 */
#include "drivers/char/char.h"

#include <fcntl.h>
#include <poll.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rt/loop.h"

struct rig {
    struct loop *loop;
    struct pdm_char *line;
    GString *got;
    size_t room; /* what the device takes per offer */
    unsigned writable;
    char *dir;
};

static size_t up_receive(void *user, const uint8_t *buf, size_t bytes)
{
    struct rig *r = user;
    const size_t n = MIN(bytes, r->room);

    g_string_append_len(r->got, (const char *)buf, (gssize)n);
    return n;
}

static void up_writable(void *user)
{
    struct rig *r = user;

    r->writable++;
}

static const struct char_up up_calls = {.receive = up_receive, .writable = up_writable};

static void setup(struct rig *r)
{
    *r = (struct rig){.room = 1 << 20, .got = g_string_new(NULL)};
    r->loop = loop_new(NULL);
    g_assert_nonnull(r->loop);
    r->dir = g_dir_make_tmp("char-XXXXXX", NULL);
}

static void teardown(struct rig *r)
{
    char_free(r->line);
    loop_free(r->loop);
    g_string_free(r->got, TRUE);
    g_assert_cmpint(g_rmdir(r->dir), ==, 0); /* a socket file would be left behind here */
    g_free(r->dir);
}

static void open_line(struct rig *r, struct char_conf conf)
{
    g_autoptr(GError) error = NULL;
    struct char_up up = up_calls;

    up.user = r;
    conf.loop = r->loop;
    r->line = char_new(&conf, &up, &error);
    g_assert_no_error(error);
    g_assert_nonnull(r->line);
}

static void turn(struct rig *r)
{
    for (unsigned i = 0; i < 8; i++)
        g_assert_cmpint(loop_turn(r->loop, 0), ==, 0);
}

static void say(struct rig *r, const char *text)
{
    g_assert_cmpuint(r->line->write(r->line, text, strlen(text)), ==, strlen(text));
    turn(r);
}

/* A terminal's bytes arrive by a kernel worker, a little later */
static void await_bytes(struct rig *r, const char *text)
{
    for (unsigned i = 0; i < 100 && r->got->len < strlen(text); i++)
        g_assert_cmpint(loop_turn(r->loop, 50), ==, 0);
    g_assert_cmpstr(r->got->str, ==, text);
}

static void hear(int fd, const char *text)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char buf[64] = "";

    g_assert_cmpint(poll(&p, 1, 5000), ==, 1);
    g_assert_cmpint(read(fd, buf, sizeof buf - 1), ==, (int)strlen(text));
    g_assert_cmpstr(buf, ==, text);
}

static int join_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    g_strlcpy(un.sun_path, path, sizeof un.sun_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof un), ==, 0);
    return fd;
}

static void test_file(void)
{
    struct rig r;
    setup(&r);
    g_autofree char *path = g_build_filename(r.dir, "out", NULL);
    g_autofree char *text = NULL;

    g_assert_true(g_file_set_contents(path, "old", 3, NULL));
    open_line(&r, (struct char_conf){.kind = CHAR_RAW_FILE, .path = path});
    char_begin(r.line);
    say(&r, "hello\n");
    g_assert_cmpuint(r.line->write(r.line, "last", 4), ==, 4); /* not yet moved: char_free() does */
    char_free(r.line);
    r.line = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hello\nlast");
    g_unlink(path);
    teardown(&r);
}

/* A start that is refused leaves a file as it was, and none where there was none. */
static void test_file_untouched(void)
{
    struct rig r;
    setup(&r);
    g_autofree char *path = g_build_filename(r.dir, "out", NULL);
    g_autofree char *text = NULL;

    open_line(&r, (struct char_conf){.kind = CHAR_RAW_FILE, .path = path});
    char_free(r.line);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_set_contents(path, "old", 3, NULL));
    open_line(&r, (struct char_conf){.kind = CHAR_RAW_FILE, .path = path});
    char_free(r.line);
    r.line = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "old");
    g_unlink(path);
    teardown(&r);
}

/* A server: nobody there, a peer, a second one refused, the peer gone, the next one */
static void test_pipe_server(void)
{
    struct rig r;
    setup(&r);
    g_autofree char *path = g_build_filename(r.dir, "pipe", NULL);

    open_line(&r, (struct char_conf){.kind = CHAR_HOST_PIPE, .path = path, .server = true});
    say(&r, "lost");
    int peer = join_unix(path);
    turn(&r);
    const int second = join_unix(path);
    turn(&r);
    say(&r, "login: ");
    hear(peer, "login: ");
    g_assert_cmpint(write(peer, "root\n", 5), ==, 5);
    turn(&r);
    g_assert_cmpstr(r.got->str, ==, "root\n");
    char c;
    g_assert_cmpint(read(second, &c, 1), ==, 0);
    close(second);
    close(peer);
    turn(&r);
    say(&r, "lost too");
    peer = join_unix(path);
    turn(&r);
    say(&r, "again");
    hear(peer, "again");
    close(peer);
    teardown(&r);
}

/* The device takes a few bytes at a time; the rest waits until it asks */
static void test_slow_device(void)
{
    struct rig r;
    setup(&r);
    g_autofree char *path = g_build_filename(r.dir, "pipe", NULL);

    open_line(&r, (struct char_conf){.kind = CHAR_HOST_PIPE, .path = path, .server = true});
    const int peer = join_unix(path);
    turn(&r);
    r.room = 3;
    g_assert_cmpint(write(peer, "abcdefgh", 8), ==, 8);
    turn(&r);
    g_assert_cmpstr(r.got->str, ==, "abc");
    r.line->accept(r.line);
    turn(&r);
    g_assert_cmpstr(r.got->str, ==, "abcdef");
    r.line->accept(r.line);
    turn(&r);
    g_assert_cmpint(write(peer, "ij", 2), ==, 2);
    turn(&r);
    g_assert_cmpstr(r.got->str, ==, "abcdefghij");
    close(peer);
    teardown(&r);
}

/* The peer does not read: write() comes up short, and writable() tells when there is room */
static void test_slow_peer(void)
{
    struct rig r;
    setup(&r);
    g_autofree char *path = g_build_filename(r.dir, "pipe", NULL);
    g_autofree char *block = g_malloc0(4096);
    unsigned long sent = 0, seen = 0;

    open_line(&r, (struct char_conf){.kind = CHAR_HOST_PIPE, .path = path, .server = true});
    const int peer = join_unix(path);
    turn(&r);
    for (;;) {
        const size_t n = r.line->write(r.line, block, 4096);

        sent += n;
        if (n < 4096 && loop_turn(r.loop, 0) == 0 && r.line->write(r.line, block, 1) == 0)
            break;
    }
    const unsigned before = r.writable;
    for (unsigned i = 0; i < 1000 && r.writable == before; i++) {
        const ssize_t n = read(peer, block, 4096);

        seen += n > 0 ? (unsigned long)n : 0;
        turn(&r);
    }
    g_assert_cmpuint(r.writable, >, before);
    g_assert_cmpuint(seen, <=, sent + 4096);
    close(peer);
    teardown(&r);
}

/* A device that waits for a slow peer is told when the peer leaves: what it writes from then on goes nowhere */
static void test_slow_peer_leaves(void)
{
    struct rig r;
    setup(&r);
    g_autofree char *path = g_build_filename(r.dir, "pipe", NULL);
    g_autofree char *block = g_malloc0(4096);

    open_line(&r, (struct char_conf){.kind = CHAR_HOST_PIPE, .path = path, .server = true});
    const int peer = join_unix(path);
    turn(&r);
    while (r.line->write(r.line, block, 4096) == 4096 || loop_turn(r.loop, 0) != 0 ||
           r.line->write(r.line, block, 1) != 0)
        ;
    const unsigned before = r.writable;
    g_assert_cmpint(shutdown(peer, SHUT_WR), ==, 0); /* seen on the input; the output is still full */
    turn(&r);
    g_assert_cmpuint(r.writable, ==, before + 1);
    g_assert_cmpuint(r.line->write(r.line, block, 4096), ==, 4096);
    close(peer);
    teardown(&r);
}

/* A TCP server and a TCP client talk to each other */
static void test_tcp(void)
{
    struct rig server, client;
    char port[16] = "";

    setup(&server);
    setup(&client);
    for (unsigned n = 0; n < 50 && !server.line; n++) {
        struct char_up up = up_calls;

        up.user = &server;
        g_snprintf(port, sizeof port, "127.0.0.1:%d", g_test_rand_int_range(20000, 60000));
        server.line = char_new(&(struct char_conf){.kind = CHAR_TCP, .path = port, .server = true, .loop = server.loop},
                               &up, NULL);
    }
    g_assert_nonnull(server.line);
    open_line(&client, (struct char_conf){.kind = CHAR_TCP, .path = port});
    turn(&server);
    say(&server, "ping");
    turn(&client);
    g_assert_cmpstr(client.got->str, ==, "ping");
    say(&client, "pong");
    turn(&server);
    g_assert_cmpstr(server.got->str, ==, "pong");
    teardown(&client);
    turn(&server);
    say(&server, "nobody"); /* the peer left: nothing breaks */
    teardown(&server);
}

static int open_pty(char *name, size_t size)
{
    const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(grantpt(fd), ==, 0);
    g_assert_cmpint(unlockpt(fd), ==, 0);
    g_assert_cmpint(ptsname_r(fd, name, size), ==, 0);
    return fd;
}

static void test_tty(void)
{
    struct rig r;
    char name[64];
    const int master = open_pty(name, sizeof name);

    setup(&r);
    open_line(&r, (struct char_conf){.kind = CHAR_HOST_DEVICE, .path = name});
    say(&r, "a\nb");
    hear(master, "a\nb"); /* raw: no carriage return added */
    g_assert_cmpint(write(master, "\x03z", 2), ==, 2);
    await_bytes(&r, "\x03z");
    teardown(&r);
    close(master);
}

/* The process's own terminal keeps its flags */
static void test_stdio(void)
{
    struct rig r;
    char name[64];
    const int master = open_pty(name, sizeof name);
    const int slave = open(name, O_RDWR | O_NOCTTY);

    setup(&r);
    open_line(&r, (struct char_conf){.kind = CHAR_STDIO, .in_fd = slave, .out_fd = slave});
    say(&r, "# ");
    hear(master, "# ");
    g_assert_cmpint(fcntl(slave, F_GETFL) & O_NONBLOCK, ==, 0);
    g_assert_cmpint(write(master, "ls\n", 3), ==, 3);
    await_bytes(&r, "ls\n");
    teardown(&r);
    close(slave);
    close(master);
}

/* Input from a regular file: read to its end, then only output remains */
static void test_stdio_file(void)
{
    struct rig r;
    setup(&r);
    g_autofree char *path = g_build_filename(r.dir, "in", NULL);
    g_assert_true(g_file_set_contents(path, "script", 6, NULL));
    const int in_fd = open(path, O_RDONLY);
    const int out_fd = open("/dev/null", O_WRONLY);

    open_line(&r, (struct char_conf){.kind = CHAR_STDIO, .in_fd = in_fd, .out_fd = out_fd});
    turn(&r);
    g_assert_cmpstr(r.got->str, ==, "script");
    say(&r, "output");
    close(in_fd);
    close(out_fd);
    g_unlink(path);
    teardown(&r);
}

/* ---- two threads: a guest that prints and reads while the loop runs ---- */

#define FLOOD_BYTES 400000u

struct flood {
    struct rig rig; /* .writable and .got are the loop's */
    GMutex lock;
    GCond cond;
    bool room;
    unsigned taken; /* bytes of the guest's input so far, in order */
};

static size_t flood_receive(void *user, const uint8_t *buf, size_t bytes)
{
    struct flood *f = user;
    const size_t n = MIN(bytes, 13);

    for (size_t i = 0; i < n; i++)
        g_assert_cmphex(buf[i], ==, f->taken++ & 0xff);
    if (n < bytes)
        f->rig.line->accept(f->rig.line);
    return n;
}

static void flood_writable(void *user)
{
    struct flood *f = user;

    g_mutex_lock(&f->lock);
    f->room = true;
    g_cond_signal(&f->cond);
    g_mutex_unlock(&f->lock);
}

static void *flood_guest(void *user)
{
    struct flood *f = user;
    uint8_t block[100];

    for (unsigned sent = 0; sent < FLOOD_BYTES;) {
        const size_t want = MIN(sizeof block, FLOOD_BYTES - sent);

        for (unsigned i = 0; i < sizeof block; i++)
            block[i] = (uint8_t)((sent + i) % 251);
        const size_t n = f->rig.line->write(f->rig.line, block, want);

        sent += (unsigned)n;
        g_mutex_lock(&f->lock);
        while (n < want && !f->room)
            g_cond_wait(&f->cond, &f->lock);
        f->room = false;
        g_mutex_unlock(&f->lock);
    }
    return NULL;
}

/* Nothing is lost, doubled or reordered in either direction */
static void test_flood(void)
{
    struct flood f = {};
    const struct char_up up = {.user = &f, .receive = flood_receive, .writable = flood_writable};
    unsigned heard = 0, told = 0;
    uint8_t buf[4096];

    setup(&f.rig);
    g_autofree char *path = g_build_filename(f.rig.dir, "pipe", NULL);
    f.rig.line = char_new(&(struct char_conf){.kind = CHAR_HOST_PIPE, .path = path, .server = true, .loop = f.rig.loop},
                          &up, NULL);
    const int peer = join_unix(path);
    turn(&f.rig);
    GThread *guest = g_thread_new("guest", flood_guest, &f);
    for (unsigned rounds = 0; heard < FLOOD_BYTES || f.taken < FLOOD_BYTES; rounds++) {
        const ssize_t n = read(peer, buf, sizeof buf);

        g_assert_cmpuint(rounds, <, 10000000);
        for (ssize_t i = 0; i < n; i++)
            g_assert_cmphex(buf[i], ==, heard++ % 251);
        for (unsigned i = 0; i < 256; i++)
            buf[i] = (uint8_t)(told + i);
        const ssize_t w = told < FLOOD_BYTES ? write(peer, buf, MIN(256, FLOOD_BYTES - told)) : 0;
        told += w > 0 ? (unsigned)w : 0;
        g_assert_cmpint(loop_turn(f.rig.loop, 0), ==, 0);
    }
    g_thread_join(guest);
    g_assert_cmpuint(heard, ==, FLOOD_BYTES);
    g_assert_cmpuint(f.taken, ==, FLOOD_BYTES);
    close(peer);
    teardown(&f.rig);
}

/* Every refusal names the object */
static void test_refusals(void)
{
    const struct char_conf rows[] = {
        {.kind = CHAR_RAW_FILE, .path = "/nonexistent/out"},
        {.kind = CHAR_HOST_PIPE, .path = "/nonexistent/pipe"},
        {.kind = CHAR_HOST_PIPE, .path = ""},
        {.kind = CHAR_HOST_PIPE, .path = "/nonexistent/pipe", .server = true},
        {.kind = CHAR_HOST_DEVICE, .path = "/dev/null"},
        {.kind = CHAR_HOST_DEVICE, .path = "/nonexistent/tty"},
        {.kind = CHAR_TCP, .path = "2023"},
        {.kind = CHAR_TCP, .path = "127.0.0.1:", .server = true},
        {.kind = CHAR_TCP, .path = "127.0.0.1:99999x"},
        {.kind = CHAR_TCP, .path = "127.0.0.1:1"},
    };
    struct rig r;

    setup(&r);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        struct char_conf conf = rows[i];

        conf.loop = r.loop;
        g_assert_null(char_new(&conf, &up_calls, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, conf.path));
    }
    teardown(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/char/file", test_file);
    g_test_add_func("/char/file-untouched", test_file_untouched);
    g_test_add_func("/char/pipe-server", test_pipe_server);
    g_test_add_func("/char/slow-device", test_slow_device);
    g_test_add_func("/char/slow-peer", test_slow_peer);
    g_test_add_func("/char/slow-peer-leaves", test_slow_peer_leaves);
    g_test_add_func("/char/tcp", test_tcp);
    g_test_add_func("/char/tty", test_tty);
    g_test_add_func("/char/stdio", test_stdio);
    g_test_add_func("/char/stdio-file", test_stdio_file);
    g_test_add_func("/char/flood", test_flood);
    g_test_add_func("/char/refusals", test_refusals);
    return g_test_run();
}
