/*
 * gdb.c - the wire side of the gdb stub: one listening socket, one debugger at a time, one thread.
 *
 * Framing: $data#checksum, acknowledged by +; byte 3 interrupts a running guest. A debugger that attaches halts the
 * machine; one that leaves (detach, kill, or its connection breaks) lets it run on with all breakpoints removed.
 * Everything from the socket is bounded by GDB_PACKET_BYTES; a malformed packet is answered with '-'. A debugger that
 * does not read its answers for SEND_S seconds has left.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/dbgf/gdb_int.h"

#define SEND_S    5
#define GDB_ERROR (g_quark_from_static_string("gdb"))

struct gdb {
    struct dbgf_machine machine;
    struct gdb_session session;
    GThread *thread;
    int listener, client, wake; /* wake: eventfd, stop notices and the end */
    char *unix_path;
    _Atomic int stopped_cpu; /* cpu + 1, 0 = none */
    _Atomic bool quit;
    GString *in;
};

static int listen_tcp(const char *address, GError **error)
{
    const char *colon = strrchr(address, ':');
    g_autofree char *host = colon == address ? g_strdup("127.0.0.1") : g_strndup(address, (gsize)(colon - address));
    struct sockaddr_in sa = {.sin_family = AF_INET};
    guint64 port;
    int one = 1;

    if (!g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &port, NULL) ||
        inet_pton(AF_INET, host, &sa.sin_addr) != 1) {
        g_set_error(error, GDB_ERROR, 0, "'%s' is not a debugger address; use HOST:PORT, :PORT or the path of a socket",
                    address);
        return -1;
    }
    sa.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, 1) != 0) {
        g_set_error(error, GDB_ERROR, 0, "Could not listen for a debugger at '%s': %s", address, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* A socket nobody listens on any more, left by a process that could not remove it, is in the way; one in use stays. */
static void remove_stale(const struct sockaddr_un *sa)
{
    struct stat st;
    int fd;

    if (lstat(sa->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0 && errno == ECONNREFUSED)
        unlink(sa->sun_path);
    if (fd >= 0)
        close(fd);
}

static int listen_unix(const char *path, GError **error)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof sa.sun_path) {
        g_set_error(error, GDB_ERROR, 0, "The debugger socket's path '%s' is longer than %zu bytes", path,
                    sizeof sa.sun_path - 1);
        return -1;
    }
    strcpy(sa.sun_path, path);
    remove_stale(&sa);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&sa, sizeof sa);
    umask(old);
    if (rc != 0 || listen(fd, 1) != 0) {
        g_set_error(error, GDB_ERROR, 0, "Could not listen for a debugger at '%s': %s", path, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static void send_all(struct gdb *g, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(g->client, bytes, size, MSG_NOSIGNAL);
        if (n <= 0) {
            g->session.quit = true;
            return;
        }
        bytes += n;
        size -= (size_t)n;
    }
}

static void send_packet(struct gdb *g, const GString *text)
{
    g_autoptr(GString) framed = g_string_new("$");
    uint8_t sum = 0;

    for (gsize k = 0; k < text->len; k++) {
        char ch = text->str[k];
        if (ch == '$' || ch == '#' || ch == '}' || ch == '*') { /* escaped, as binary data may need */
            g_string_append_c(framed, '}');
            sum = (uint8_t)(sum + '}');
            ch ^= 0x20;
        }
        g_string_append_c(framed, ch);
        sum = (uint8_t)(sum + (uint8_t)ch);
    }
    g_string_append_printf(framed, "#%02x", sum);
    send_all(g, framed->str, framed->len);
}

static void send_part(void *user, const GString *text)
{
    send_packet(user, text);
}

static void leave(struct gdb *g)
{
    if (g->client < 0)
        return;
    close(g->client);
    g->client = -1;
    if (g->session.running)
        g->machine.halt(g->machine.user); /* breakpoints belong to standing vCPUs */
    gdb_clear_breaks(&g->session);
    g->session.running = false;
    g->machine.resume(g->machine.user);
}

static void attach(struct gdb *g)
{
    const struct timeval patience = {.tv_sec = SEND_S};
    int fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (g->client >= 0) { /* one at a time */
        close(fd);
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    g->client = fd;
    g->session.running = g->session.quit = false;
    g->session.cpu = 0;
    atomic_store(&g->stopped_cpu, 0);
    g_string_truncate(g->in, 0);
    g->machine.halt(g->machine.user);
}

static void stop_now(struct gdb *g, unsigned cpu)
{
    g_autoptr(GString) reply = g_string_new(NULL);

    g->session.running = false;
    g->session.cpu = cpu;
    gdb_stop_reply(cpu, reply);
    send_packet(g, reply);
}

static void packet(struct gdb *g, const char *text)
{
    g_autoptr(GString) reply = g_string_new(NULL);

    if (g->session.running)
        return; /* nothing but the interrupt byte is expected now */
    gdb_command(&g->session, text, reply);
    if (!g->session.running)
        send_packet(g, reply);
}

/* Consumes whole packets of what has arrived. */
static void parse(struct gdb *g)
{
    gsize at = 0;

    while (at < g->in->len && !g->session.quit) {
        char ch = g->in->str[at];
        if (ch == 3) {
            at++;
            if (g->session.running) {
                g->machine.halt(g->machine.user);
                stop_now(g, g->session.cpu);
            }
            continue;
        }
        if (ch != '$') { /* acknowledgements, noise */
            at++;
            continue;
        }
        const char *hash = memchr(g->in->str + at, '#', g->in->len - at);
        if (hash == NULL || (gsize)(hash - g->in->str) + 2 >= g->in->len)
            break;
        g_autofree char *text = g_strndup(g->in->str + at + 1, (gsize)(hash - g->in->str) - at - 1);
        uint8_t sum = 0;
        for (const char *p = text; *p != '\0'; p++)
            sum = (uint8_t)(sum + (uint8_t)*p);
        bool good = g_ascii_xdigit_value(hash[1]) * 16 + g_ascii_xdigit_value(hash[2]) == sum;
        send_all(g, good ? "+" : "-", 1);
        at = (gsize)(hash - g->in->str) + 3;
        if (good)
            packet(g, text);
    }
    g_string_erase(g->in, 0, (gssize)at);
    if (g->session.quit || g->in->len > GDB_PACKET_BYTES)
        leave(g);
}

/* Everything there is, the end included: a debugger that has left makes room for one that waits already. */
static void receive(struct gdb *g)
{
    char buf[4096];

    while (g->client >= 0) {
        ssize_t n = recv(g->client, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            leave(g);
            return;
        }
        g_string_append_len(g->in, buf, n);
        parse(g);
    }
}

static gpointer serve(gpointer user)
{
    struct gdb *g = user;

    while (!atomic_load(&g->quit)) {
        struct pollfd p[3] = {{.fd = g->listener, .events = POLLIN},
                              {.fd = g->wake, .events = POLLIN},
                              {.fd = g->client, .events = POLLIN}};
        uint64_t count;
        if (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno != EINTR)
            break;
        if (p[1].revents != 0 && read(g->wake, &count, sizeof count) > 0) {
            int cpu = atomic_exchange(&g->stopped_cpu, 0);
            if (cpu > 0 && g->client >= 0 && g->session.running)
                stop_now(g, (unsigned)cpu - 1);
        }
        if (p[2].revents != 0 && g->client >= 0)
            receive(g);
        if (p[0].revents != 0)
            attach(g);
    }
    if (g->client >= 0)
        close(g->client);
    return NULL;
}

static void wake(struct gdb *g)
{
    uint64_t one = 1;

    if (write(g->wake, &one, sizeof one) < 0)
        return; /* full means awake already */
}

struct gdb *gdb_new(const char *address, const struct dbgf_machine *machine, GError **error)
{
    bool tcp = strchr(address, '/') == NULL && strchr(address, ':') != NULL;
    int fd = tcp ? listen_tcp(address, error) : listen_unix(address, error);

    if (fd < 0)
        return NULL;
    struct gdb *g = g_new0(struct gdb, 1);
    g->machine = *machine;
    g->session.machine = &g->machine;
    g->session.part = send_part;
    g->session.part_user = g;
    g->session.breaks = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g->listener = fd;
    g->client = -1;
    g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g->unix_path = tcp ? NULL : g_strdup(address);
    g->in = g_string_new(NULL);
    g->thread = g_thread_new("gdb", serve, g);
    return g;
}

void gdb_stopped(struct gdb *g, unsigned cpu)
{
    atomic_store(&g->stopped_cpu, (int)cpu + 1);
    wake(g);
}

void gdb_free(struct gdb *g)
{
    if (g == NULL)
        return;
    atomic_store(&g->quit, true);
    wake(g);
    g_thread_join(g->thread);
    close(g->listener);
    close(g->wake);
    if (g->unix_path != NULL)
        unlink(g->unix_path);
    g_array_unref(g->session.breaks);
    g_string_free(g->in, TRUE);
    g_free(g->unix_path);
    g_free(g);
}
