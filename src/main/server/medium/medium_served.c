/*
 * medium_served.c - a medium on the network for a machine that runs: its process may make no sockets, so a process of
 * its own (frontends/VBoxRemoteDisk) holds the connection and serves the disk over a socket, which is handed on.
 *
 * The helper lives as long as the other end of that socket, and survives this service. Its address, which may hold a
 * secret, goes through the socket. Its answer is waited for ANSWER_S at most, while others are served.
 *
 * Invariant 1: a helper is killed by its descriptor, as its number may be another's by then; and never once its disk
 * has been handed on.
 */
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "main/server/medium/medium_int.h"

#define ANSWER_S   10
#define ANSWER_MAX 4096u
#define HEAD_BYTES 4u /* the length of the reason why not */

struct serving {
    char *location;
    medium_served_fn done;
    void *user;
    int sock;
    int pid_fd; /* -1: it cannot be killed, and ends when it finds nobody to answer to */
    guint sock_source, limit_source;
    size_t have;
    char answer[HEAD_BYTES + ANSWER_MAX];
};

static void in_child(void *unused)
{
    (void)unused;
    setsid();
}

static void reap(GPid pid, gint status, void *user)
{
    (void)status, (void)user;
    g_spawn_close_pid(pid);
}

/* The helper, with @sock as its standard input; @ret_pid_fd may be -1. */
static bool start(const struct service *s, int sock, int *ret_pid_fd, GError **error)
{
    const char *argv[] = {s->config.disk_program, NULL};
    GPid pid = 0;

    if (!g_spawn_async_with_fds("/", (char **)argv, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                                in_child, NULL, &pid, sock, -1, -1, error))
        return api_wrap(error, VBOX_E_HOST_ERROR);
    *ret_pid_fd = (int)syscall(SYS_pidfd_open, pid, 0); /* nobody has reaped it yet */
    g_child_watch_add(pid, reap, NULL);
    return true;
}

/* Access, format and address; the secret is in the bytes. */
static bool send_order(int sock, const struct medium *m, bool writable)
{
    char *address = medium_path(m);
    const size_t format = strlen(m->format) + 1, bytes = 1 + format + strlen(address);
    uint8_t *order = g_malloc(4 + bytes);
    const uint32_t length = GUINT32_TO_BE((uint32_t)bytes);

    memcpy(order, &length, 4);
    order[4] = writable ? 'w' : 'r';
    memcpy(order + 5, m->format, format);
    memcpy(order + 5 + format, address, strlen(address));
    const bool ok = send(sock, order, 4 + bytes, MSG_NOSIGNAL) == (ssize_t)(4 + bytes);
    explicit_bzero(order, 4 + bytes);
    explicit_bzero(address, strlen(address));
    g_free(order);
    g_free(address);
    return ok;
}

/* ---- the answer ---- */

/* What has come of it. @ret_whole: all of it. false: no more comes. */
static bool hear(struct serving *v, bool *ret_whole)
{
    *ret_whole = false;
    for (;;) {
        uint32_t length = 0;

        if (v->have >= HEAD_BYTES)
            memcpy(&length, v->answer, HEAD_BYTES);
        const size_t want = HEAD_BYTES + MIN(GUINT32_FROM_BE(length), ANSWER_MAX);
        *ret_whole = v->have >= HEAD_BYTES && v->have == want;
        if (*ret_whole)
            return true;
        const size_t part = v->have < HEAD_BYTES ? HEAD_BYTES - v->have : want - v->have; /* then it talks NBD */
        const ssize_t n = recv(v->sock, v->answer + v->have, part, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        v->have += (size_t)n;
    }
}

static void end(struct serving *v, GError *error)
{
    if (error != NULL && v->pid_fd >= 0)
        syscall(SYS_pidfd_send_signal, v->pid_fd, SIGKILL, NULL, 0); /* inv 1 */
    if (v->pid_fd >= 0)
        close(v->pid_fd);
    if (v->sock_source != 0)
        g_source_remove(v->sock_source);
    if (v->limit_source != 0)
        g_source_remove(v->limit_source);
    v->done(v->user, error == NULL ? v->sock : -1, error);
    close(v->sock);
    g_free(v->location);
    g_free(v);
}

/* In the helper's words, of which some may be the target's. */
static void refuse(const struct serving *v, GError **error)
{
    g_autofree char *why = g_utf8_make_valid(v->answer + HEAD_BYTES, (gssize)(v->have - HEAD_BYTES));

    api_fail(error, VBOX_E_FILE_ERROR, "%s", why);
}

static gboolean on_answer(int sock, GIOCondition condition, void *user)
{
    struct serving *v = user;
    GError *error = NULL;
    bool whole;

    (void)sock, (void)condition;
    const bool more = hear(v, &whole);
    if (more && !whole)
        return G_SOURCE_CONTINUE;
    if (!more)
        api_fail(&error, VBOX_E_FILE_ERROR, "The medium '%s' cannot be opened: its process ended", v->location);
    else if (v->have > HEAD_BYTES)
        refuse(v, &error);
    v->sock_source = 0;
    end(v, error);
    return G_SOURCE_REMOVE;
}

static gboolean on_limit(void *user)
{
    struct serving *v = user;
    GError *error = NULL;

    v->limit_source = 0;
    api_fail(&error, VBOX_E_FILE_ERROR, "The medium '%s' cannot be opened: there is no answer within %d s", v->location,
             ANSWER_S);
    end(v, error);
    return G_SOURCE_REMOVE;
}

bool medium_serve(struct medium *m, bool writable, medium_served_fn done, void *user, GError **error)
{
    int pair[2], pid_fd = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return api_fail(error, VBOX_E_HOST_ERROR, "Could not make a pair of sockets: %s", g_strerror(errno));
    bool ok = start(m->service, pair[1], &pid_fd, error);
    close(pair[1]);
    if (ok && !send_order(pair[0], m, writable))
        ok = api_fail(error, VBOX_E_HOST_ERROR, "'%s' did not start", m->service->config.disk_program);
    if (!ok) {
        if (pid_fd >= 0)
            close(pid_fd);
        close(pair[0]); /* which ends the helper */
        return false;
    }
    struct serving *v = g_new0(struct serving, 1);
    v->location = g_strdup(m->location);
    v->done = done;
    v->user = user;
    v->sock = pair[0];
    v->pid_fd = pid_fd;
    v->sock_source = g_unix_fd_add(v->sock, G_IO_IN | G_IO_HUP, on_answer, v);
    v->limit_source = g_timeout_add_seconds(ANSWER_S, on_limit, v);
    return true;
}
