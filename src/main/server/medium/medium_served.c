/*
 * medium_served.c - a medium on the network for a machine that runs: its process may make no sockets, so a process of
 * its own (frontends/VBoxRemoteDisk) holds the connection and serves the disk over a socket, which is handed on.
 *
 * The helper lives as long as the other end of that socket, and survives this service. Its address, which may hold a
 * secret, goes through the socket. The service waits ANSWER_S at most, and nobody is served meanwhile.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "main/server/medium/medium_int.h"

#define ANSWER_S   10
#define ANSWER_MAX 4096u

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

/* The helper, with @sock as its standard input; 0: it cannot be started. */
static GPid start(const struct service *s, int sock, GError **error)
{
    const char *argv[] = {s->config.disk_program, NULL};
    GPid pid = 0;

    if (!g_spawn_async_with_fds("/", (char **)argv, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                                in_child, NULL, &pid, sock, -1, -1, error)) {
        api_wrap(error, VBOX_E_HOST_ERROR);
        return 0;
    }
    g_child_watch_add(pid, reap, NULL);
    return pid;
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

static bool receive(int sock, void *p, size_t bytes)
{
    return recv(sock, p, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static bool hear(int sock, const struct medium *m, GError **error)
{
    const struct timeval limit = {.tv_sec = ANSWER_S}, none = {0};
    char why[ANSWER_MAX + 1];
    uint32_t length;

    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (!receive(sock, &length, sizeof length))
        return api_fail(error, VBOX_E_FILE_ERROR, "The medium '%s' cannot be opened: there is no answer within %d s",
                        m->location, ANSWER_S);
    length = MIN(GUINT32_FROM_BE(length), ANSWER_MAX);
    if (length > 0 && receive(sock, why, length)) {
        why[length] = '\0';
        return api_fail(error, VBOX_E_FILE_ERROR, "%s", why);
    }
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    return length == 0 ||
           api_fail(error, VBOX_E_FILE_ERROR, "The medium '%s' cannot be opened: its process ended", m->location);
}

int medium_serve(struct medium *m, bool writable, GError **error)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        api_fail(error, VBOX_E_HOST_ERROR, "Could not make a pair of sockets: %s", g_strerror(errno));
        return -1;
    }
    const GPid pid = start(m->service, pair[1], error);
    close(pair[1]);
    if (pid != 0 && !send_order(pair[0], m, writable))
        api_fail(error, VBOX_E_HOST_ERROR, "'%s' did not start", m->service->config.disk_program);
    else if (pid != 0 && hear(pair[0], m, error))
        return pair[0];
    close(pair[0]);
    if (pid != 0)
        kill(pid, SIGKILL); /* not reaped before the loop runs again: it is still ours */
    return -1;
}
