/*
 * char_stream.c - a buffered two-way stream between a device and non-blocking descriptors.
 *
 * Out: device thread -> write() -> ring -> kick -> loop thread: drain() -> descriptor.
 * In:  descriptor -> loop thread: fill() -> deliver() -> up.receive(); what is not taken waits in in_buf, the
 *      descriptor unwatched, until accept() kicks.
 * Threads: write() and accept() come from any thread under the device lock; all else runs on the loop's thread.
 * Lock order: device lock, then s->lock. No call up is made with s->lock held.
 * Invariant 1: in.watch is set <=> the input is open, pollable and in_count == 0.
 * Invariant 2: out.watch is set only while a pollable output said it is full.
 * Invariant 3: kicked <=> the eventfd was written and the loop has not looked yet.
 */
#include "drivers/char/char_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_READS_PER_TURN 16

static void in_ready(void *user, int fd, unsigned events);
static void out_ready(void *user, int fd, unsigned events);

void char_end_close(struct char_end *e)
{
    loop_remove(e->watch);
    if (e->fd >= 0)
        close(e->fd);
    *e = (struct char_end){.fd = -1};
}

/* epoll refuses regular files and devices without a poll function */
static bool can_poll(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode) || isatty(fd));
}

static void unwatch(struct char_end *e)
{
    loop_remove(e->watch);
    e->watch = NULL;
}

static void kick(struct char_stream *s)
{
    const uint64_t one = 1;

    if (s->kicked) /* inv 3 */
        return;
    s->kicked = write(s->kick.fd, &one, sizeof one) == sizeof one;
}

/* ---- device side: any thread ---- */

static size_t stream_write(struct pdm_char *line, const void *buf, size_t bytes)
{
    struct char_stream *s = line->drv;
    const uint8_t *p = buf;
    size_t n = 0;

    g_mutex_lock(&s->lock);
    if (!s->connected) {
        n = bytes;
    } else {
        for (; n < bytes && s->count < CHAR_RING_BYTES; n++)
            s->ring[(s->head + s->count++) % CHAR_RING_BYTES] = p[n];
        if (n < bytes)
            s->owed = true;
        kick(s);
    }
    g_mutex_unlock(&s->lock);
    return n;
}

static void stream_accept(struct pdm_char *line)
{
    struct char_stream *s = line->drv;

    g_mutex_lock(&s->lock);
    kick(s);
    g_mutex_unlock(&s->lock);
}

/* ---- output ---- */

static ssize_t put_out(struct char_stream *s, const uint8_t *p, size_t bytes)
{
    return s->is_socket ? send(s->out.fd, p, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) : write(s->out.fd, p, bytes);
}

/* The bytes to write next. Only the loop's thread takes from the ring, so they stay put without the lock. */
static size_t ring_run(struct char_stream *s, const uint8_t **ret_p)
{
    size_t run;

    g_mutex_lock(&s->lock);
    *ret_p = s->ring + s->head;
    run = MIN(s->count, CHAR_RING_BYTES - s->head);
    g_mutex_unlock(&s->lock);
    return run;
}

static void ring_drop(struct char_stream *s, size_t bytes)
{
    g_mutex_lock(&s->lock);
    s->head = (s->head + bytes) % CHAR_RING_BYTES;
    s->count -= bytes;
    g_mutex_unlock(&s->lock);
}

/* Moves ring to descriptor. Return: 0 all, 1 the descriptor is full, -1 the peer is gone. */
static int drain_ring(struct char_stream *s)
{
    const uint8_t *p;
    size_t run;

    while ((run = ring_run(s, &p)) != 0) {
        const ssize_t n = put_out(s, p, run); /* a file may make us wait: not with the lock held */

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 1 : -1;
        ring_drop(s, (size_t)n);
    }
    return 0;
}

static void drain(struct char_stream *s)
{
    const int rc = s->out.fd >= 0 ? drain_ring(s) : 0;
    bool tell = false;

    g_mutex_lock(&s->lock);
    if (s->owed && (rc < 0 || s->count <= CHAR_RING_BYTES / 2)) {
        s->owed = false;
        tell = true;
    }
    g_mutex_unlock(&s->lock);

    if (rc <= 0)
        unwatch(&s->out); /* inv 2 */
    else if (!s->out.watch && s->out.pollable)
        s->out.watch = loop_add(s->loop, s->out.fd, LOOP_OUT, out_ready, s, NULL);
    if (rc < 0)
        char_stream_hang_up(s);
    if (tell)
        s->up.writable(s->up.user);
}

static void out_ready(void *user, int fd, unsigned events)
{
    (void)fd;
    (void)events; /* after a hang-up the write itself fails */
    drain(user);
}

/* ---- input ---- */

/* Offers what waits, if only nothing. Return: true when all of it was taken. */
static bool deliver(struct char_stream *s)
{
    const size_t n = s->up.receive(s->up.user, s->in_buf + s->in_at, s->in_count);

    s->in_at += n;
    s->in_count -= n;
    return s->in_count == 0;
}

/* Reads once and delivers. Return: false when there is nothing more to read now. */
static bool fill(struct char_stream *s)
{
    const ssize_t n = s->in.fd < 0 ? 0 : read(s->in.fd, s->in_buf, sizeof s->in_buf);

    if (n < 0)
        return errno == EINTR;
    if (n == 0) {
        if (s->is_socket)
            char_stream_hang_up(s);
        else
            char_end_close(&s->in); /* end of the typed input; the output stays */
        return false;
    }
    s->in_at = 0;
    s->in_count = (size_t)n;
    return deliver(s);
}

static void in_watch(struct char_stream *s)
{
    if (s->in.fd >= 0 && s->in.pollable && !s->in.watch)
        s->in.watch = loop_add(s->loop, s->in.fd, LOOP_IN, in_ready, s, NULL); /* inv 1 */
}

static void in_ready(void *user, int fd, unsigned events)
{
    struct char_stream *s = user;

    (void)fd;
    if (!fill(s) && events & LOOP_HUP && s->in.fd >= 0 && s->in_count == 0)
        char_stream_hang_up(s);
    if (s->in_count)
        unwatch(&s->in); /* inv 1 */
}

/* News of another thread: output waits, or the device takes input again. */
static void kicked(void *user, int fd, unsigned events)
{
    struct char_stream *s = user;
    uint64_t times;

    (void)events;
    g_mutex_lock(&s->lock);
    s->kicked = read(fd, &times, sizeof times) != sizeof times && s->kicked;
    g_mutex_unlock(&s->lock);

    drain(s);
    if (!deliver(s))
        return;
    if (s->in.fd >= 0 && !s->in.pollable)
        for (unsigned i = 0; i < FILE_READS_PER_TURN && fill(s); i++)
            ;
    in_watch(s);
}

/* ---- life ---- */

bool char_stream_connect(struct char_stream *s, int in_fd, int out_fd, GError **error)
{
    s->in = (struct char_end){.fd = in_fd, .pollable = in_fd >= 0 && can_poll(in_fd)};
    s->out = (struct char_end){.fd = out_fd, .pollable = out_fd >= 0 && can_poll(out_fd)};
    s->in_count = 0;
    if (s->in.pollable) {
        s->in.watch = loop_add(s->loop, in_fd, LOOP_IN, in_ready, s, error);
        if (!s->in.watch)
            return false; /* char_free() or the hang-up closes the ends */
    }
    g_mutex_lock(&s->lock);
    s->connected = true;
    if (!s->in.pollable)
        kick(s);
    g_mutex_unlock(&s->lock);
    return true;
}

void char_stream_hang_up(struct char_stream *s)
{
    char_end_close(&s->in);
    char_end_close(&s->out);
    s->in_count = 0;
    g_mutex_lock(&s->lock);
    bool tell = s->owed; /* a device that waits for a peer that is gone would wait for ever */
    s->connected = s->owed = false;
    s->count = 0;
    g_mutex_unlock(&s->lock);
    if (tell)
        s->up.writable(s->up.user);
}

static bool open_kind(struct char_stream *s, const struct char_conf *conf, GError **error)
{
    switch (conf->kind) {
    case CHAR_RAW_FILE: return char_open_file(s, conf, error);
    case CHAR_HOST_PIPE: return char_open_unix(s, conf, error);
    case CHAR_HOST_DEVICE: return char_open_tty(s, conf, error);
    case CHAR_TCP: return char_open_tcp(s, conf, error);
    case CHAR_STDIO: return char_open_stdio(s, conf, error);
    }
    g_set_error(error, CHAR_ERROR, 0, "unknown kind of serial line %d", (int)conf->kind);
    return false;
}

struct pdm_char *char_new(const struct char_conf *conf, const struct char_up *up, GError **error)
{
    struct char_stream *s = g_new0(struct char_stream, 1);

    s->line = (struct pdm_char){.drv = s, .write = stream_write, .accept = stream_accept};
    s->loop = conf->loop;
    s->up = *up;
    s->in.fd = s->out.fd = s->listener.fd = s->out_flags_fd = -1;
    s->ring = g_malloc(CHAR_RING_BYTES);
    g_mutex_init(&s->lock);
    s->kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->kick.fd < 0)
        g_set_error(error, CHAR_ERROR, 0, "cannot make an event descriptor: %s", g_strerror(errno));
    else
        s->kick.watch = loop_add(s->loop, s->kick.fd, LOOP_IN, kicked, s, error);
    if (!s->kick.watch || !open_kind(s, conf, error)) {
        char_free(&s->line);
        return NULL;
    }
    return &s->line;
}

void char_begin(struct pdm_char *line)
{
    struct char_stream *s = line->drv;
    struct stat st;

    if (!s->is_file)
        return;
    s->is_file = false;
    g_clear_pointer(&s->unlink_path, g_free);
    if (fstat(s->out.fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(s->out.fd, 0) < 0)
        g_warning("cannot empty a serial output file: %s", g_strerror(errno));
}

/* The last words of a guest: what the peer takes within a moment. */
static void flush(struct char_stream *s)
{
    struct pollfd p = {.fd = s->out.fd, .events = POLLOUT};

    while (s->out.fd >= 0 && drain_ring(s) == 1)
        if (poll(&p, 1, 200) <= 0)
            return;
}

void char_free(struct pdm_char *line)
{
    struct char_stream *s;

    if (!line)
        return;
    s = line->drv;
    flush(s);
    if (s->tty_saved && s->out.fd >= 0)
        tcsetattr(s->out.fd, TCSANOW, s->tty_saved);
    if (s->out_flags_fd >= 0)
        (void)fcntl(s->out_flags_fd, F_SETFL, s->out_flags);
    char_end_close(&s->in);
    char_end_close(&s->out);
    char_end_close(&s->listener);
    char_end_close(&s->kick);
    if (s->unlink_path)
        unlink(s->unlink_path);
    g_free(s->unlink_path);
    g_free(s->tty_saved);
    g_free(s->ring);
    g_mutex_clear(&s->lock);
    g_free(s);
}
