/*
 * char_socket.c - opens the ends that are sockets: Unix ("host pipe") and TCP, listening or connecting.
 *
 * A listener serves one peer at a time; further ones are closed at once. When the peer leaves, the next may come.
 * A connection made by us is not made again after the peer left.
 */
#include "drivers/char/char_int.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCK_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

struct address {
    int family;
    socklen_t len;
    struct sockaddr_storage sa;
};

static bool adopt(struct char_stream *s, int fd, GError **error)
{
    const int in_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails on Unix sockets: no matter */
    return char_stream_connect(s, in_fd, fd, error);
}

static void peer_came(void *user, int fd, unsigned events)
{
    struct char_stream *s = user;
    const int peer = accept4(fd, NULL, NULL, SOCK_FLAGS);

    (void)events;
    if (peer < 0)
        return;
    if (s->out.fd >= 0)
        close(peer);
    else if (!adopt(s, peer, NULL))
        char_stream_hang_up(s);
}

static bool fail(GError **error, int fd, const char *what, const char *path)
{
    g_set_error(error, CHAR_ERROR, 0, "%s \"%s\": %s", what, path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

static bool serve(struct char_stream *s, const struct address *a, const char *path, GError **error)
{
    const int fd = socket(a->family, SOCK_STREAM | SOCK_FLAGS, 0);
    const int one = 1;

    if (fd < 0)
        return fail(error, -1, "cannot make a socket for the serial line", path);
    if (a->family != AF_UNIX)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0 || listen(fd, 1) < 0)
        return fail(error, fd, "cannot listen for the serial line on", path);
    if (a->family == AF_UNIX)
        s->unlink_path = g_strdup(path);
    s->listener.fd = fd;
    s->listener.watch = loop_add(s->loop, fd, LOOP_IN, peer_came, s, error);
    return s->listener.watch != NULL;
}

/* Waits for a connection under way. Return: 0 or an errno. */
static int connect_wait(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int err = 0;
    socklen_t len = sizeof err;

    if (poll(&p, 1, CHAR_CONNECT_MS) <= 0)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? errno : err;
}

static bool join(struct char_stream *s, const struct address *a, const char *path, GError **error)
{
    const int fd = socket(a->family, SOCK_STREAM | SOCK_FLAGS, 0);
    int err = 0;

    if (fd < 0)
        return fail(error, -1, "cannot make a socket for the serial line", path);
    if (connect(fd, (const struct sockaddr *)&a->sa, a->len) < 0)
        err = errno == EINPROGRESS ? connect_wait(fd) : errno;
    if (err) {
        errno = err;
        return fail(error, fd, "cannot connect the serial line to", path);
    }
    return adopt(s, fd, error);
}

/* A socket file nobody listens on any more is in the way of bind(); one in use is left alone. */
static void remove_stale(const struct address *a, const char *path)
{
    struct stat st;
    int fd;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_FLAGS, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&a->sa, a->len) < 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

bool char_open_unix(struct char_stream *s, const struct char_conf *conf, GError **error)
{
    struct address a = {.family = AF_UNIX};
    struct sockaddr_un *un = (struct sockaddr_un *)&a.sa;
    const size_t len = strlen(conf->path);

    s->is_socket = true;
    if (len == 0 || len >= sizeof un->sun_path) {
        g_set_error(error, CHAR_ERROR, 0, "the host pipe's path \"%s\" must have 1 to %zu characters", conf->path,
                    sizeof un->sun_path - 1);
        return false;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, conf->path, len + 1);
    a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (!conf->server)
        return join(s, &a, conf->path, error);
    remove_stale(&a, conf->path);
    return serve(s, &a, conf->path, error);
}

static bool resolve(const struct char_conf *conf, struct address *ret, GError **error)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = conf->server ? AI_PASSIVE | AI_NUMERICSERV : AI_NUMERICSERV};
    const char *colon = strrchr(conf->path, ':');
    const char *port = colon ? colon + 1 : conf->path;
    g_autofree char *host = colon ? g_strndup(conf->path, (size_t)(colon - conf->path)) : NULL;
    struct addrinfo *list = NULL;
    int rc;

    if (!*port || (!colon && !conf->server)) {
        g_set_error(error, CHAR_ERROR, 0, "the serial line's TCP address \"%s\" must be %s", conf->path,
                    conf->server ? "port or host:port" : "host:port");
        return false;
    }
    rc = getaddrinfo(host && *host ? host : conf->server ? "0.0.0.0" : NULL, port, &hints, &list);
    if (rc != 0) {
        g_set_error(error, CHAR_ERROR, 0, "the serial line's TCP address \"%s\" leads nowhere: %s", conf->path,
                    gai_strerror(rc));
        return false;
    }
    ret->family = list->ai_family;
    ret->len = list->ai_addrlen;
    memcpy(&ret->sa, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return true;
}

bool char_open_tcp(struct char_stream *s, const struct char_conf *conf, GError **error)
{
    struct address a = {};

    s->is_socket = true;
    if (!resolve(conf, &a, error))
        return false;
    return conf->server ? serve(s, &a, conf->path, error) : join(s, &a, conf->path, error);
}
