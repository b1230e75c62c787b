/*
 * bus.c - see bus.h: the socket and its peers.
 */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "main/api/api.h"
#include "main/bus/bus_int.h"

static void peer_free(void *p)
{
    struct bus_peer *peer = p;

    if (peer->dropping != NULL) {
        g_source_destroy(peer->dropping);
        g_source_unref(peer->dropping);
    }
    g_signal_handlers_disconnect_by_data(peer->connection, peer);
    g_dbus_connection_close(peer->connection, NULL, NULL, NULL);
    g_object_unref(peer->connection);
    g_free(peer->name);
    g_free(peer);
}

/* Runs from an idle call, so that no caller higher up still uses the peer. */
static gboolean drop(void *user)
{
    struct bus_peer *peer = user;

    g_ptr_array_remove(peer->bus->peers, peer);
    return G_SOURCE_REMOVE;
}

static void on_closed(GDBusConnection *connection, gboolean remote_vanished, GError *error, void *user)
{
    struct bus_peer *peer = user;
    struct bus *bus = peer->bus;

    (void)connection, (void)remote_vanished, (void)error;
    if (peer->gone)
        return;
    peer->gone = true; /* inv 2 */
    if (bus->config.peer_gone != NULL)
        bus->config.peer_gone(bus->config.user, peer);
    peer->dropping = g_idle_source_new();
    g_source_set_callback(peer->dropping, drop, peer, NULL);
    g_source_attach(peer->dropping, bus->context);
}

static int pid_of(GDBusConnection *connection)
{
    GCredentials *credentials = g_dbus_connection_get_peer_credentials(connection);

    return credentials != NULL ? (int)g_credentials_get_unix_pid(credentials, NULL) : -1;
}

static void add_peer(struct bus *bus, GDBusConnection *connection)
{
    struct bus_peer *peer = g_new0(struct bus_peer, 1);
    g_autoptr(GError) error = NULL;

    peer->bus = bus;
    peer->connection = g_object_ref(connection);
    peer->name = g_strdup_printf(":1.%" G_GUINT64_FORMAT, ++bus->next_name);
    peer->pid = pid_of(connection);
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    if (!names_register(peer, &error) || !objects_register(peer, &error)) {
        g_warning("A client could not be served: %s", error->message);
        peer_free(peer);
        return;
    }
    g_ptr_array_add(bus->peers, peer);
    g_signal_connect(connection, "closed", G_CALLBACK(on_closed), peer);
    if (bus->config.peer_come != NULL)
        bus->config.peer_come(bus->config.user, peer);
    g_dbus_connection_start_message_processing(connection);
}

/* ---- the socket ---- */

struct newcomer {
    struct bus *bus; /* NULL: it was freed meanwhile */
};

static void authenticated(GObject *source, GAsyncResult *result, void *user)
{
    struct newcomer *n = user;
    g_autoptr(GDBusConnection) connection = g_dbus_connection_new_finish(result, NULL); /* NULL: not one of ours */

    (void)source;
    if (n->bus != NULL) {
        g_ptr_array_remove_fast(n->bus->newcomers, n);
        if (connection != NULL && n->bus->peers->len < BUS_PEERS_MAX)
            add_peer(n->bus, connection);
    }
    g_free(n);
}

static gboolean on_connect(int fd, GIOCondition condition, void *user)
{
    struct bus *bus = user;
    int peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)condition;
    if (peer_fd < 0)
        return G_SOURCE_CONTINUE; /* it went again */
    g_autoptr(GSocket) socket = bus->newcomers->len < NEWCOMERS_MAX ? g_socket_new_from_fd(peer_fd, NULL) : NULL;
    if (socket == NULL) {
        close(peer_fd);
        return G_SOURCE_CONTINUE;
    }
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    struct newcomer *n = g_new0(struct newcomer, 1);
    n->bus = bus;
    g_ptr_array_add(bus->newcomers, n);
    g_dbus_connection_new(G_IO_STREAM(stream), bus->guid,
                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_REQUIRE_SAME_USER | /* inv 1 */
                              G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                          NULL, NULL, authenticated, n);
    return G_SOURCE_CONTINUE;
}

int bus_listen(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        api_fail(error, VBOX_E_HOST_ERROR, "The path '%s' is too long for a socket", path);
        return -1;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        api_fail(error, VBOX_E_HOST_ERROR, "Could not remove the old socket '%s': %s", path, g_strerror(errno));
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    api_fail(error, VBOX_E_HOST_ERROR, "Could not listen on '%s': %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

struct bus *bus_new(const struct bus_config *config)
{
    struct bus *bus = g_new0(struct bus, 1);

    bus->config = *config;
    bus->context = g_main_context_ref_thread_default();
    bus->guid = g_dbus_generate_guid();
    bus->peers = g_ptr_array_new_with_free_func(peer_free);
    bus->newcomers = g_ptr_array_new();
    bus->accept = g_unix_fd_source_new(config->listen_fd, G_IO_IN);
    g_source_set_callback(bus->accept, (GSourceFunc)(void (*)(void))on_connect, bus, NULL);
    g_source_attach(bus->accept, bus->context);
    return bus;
}

void bus_free(struct bus *bus)
{
    if (bus == NULL)
        return;
    g_source_destroy(bus->accept);
    g_source_unref(bus->accept);
    close(bus->config.listen_fd);
    for (unsigned k = 0; k < bus->newcomers->len; k++)
        ((struct newcomer *)bus->newcomers->pdata[k])->bus = NULL;
    g_ptr_array_unref(bus->newcomers);
    for (unsigned k = 0; k < bus->peers->len; k++)
        g_dbus_connection_flush_sync(((struct bus_peer *)bus->peers->pdata[k])->connection, NULL, NULL);
    g_ptr_array_unref(bus->peers);
    g_main_context_unref(bus->context);
    g_free(bus->guid);
    g_free(bus);
}

unsigned bus_peer_count(const struct bus *bus)
{
    unsigned n = 0;

    for (unsigned k = 0; k < bus->peers->len; k++)
        n += !((const struct bus_peer *)bus->peers->pdata[k])->gone;
    return n;
}

const char *bus_peer_name(const struct bus_peer *peer)
{
    return peer->name;
}

int bus_peer_pid(const struct bus_peer *peer)
{
    return peer->pid;
}

void bus_emit(struct bus *bus, struct bus_peer *peer, const char *path, const char *interface, const char *name,
              GVariant *args)
{
    g_autoptr(GVariant) kept = args != NULL ? g_variant_ref_sink(args) : NULL;

    for (unsigned k = 0; k < bus->peers->len; k++) {
        struct bus_peer *p = bus->peers->pdata[k];
        if (!p->gone && (peer == NULL || p == peer))
            g_dbus_connection_emit_signal(p->connection, NULL, path, interface, name, kept, NULL);
    }
}

void bus_answer(GDBusMethodInvocation *invocation, GVariant *ret, GError *error)
{
    if (error != NULL)
        g_dbus_method_invocation_take_error(invocation, error);
    else
        g_dbus_method_invocation_return_value(invocation, ret);
}
