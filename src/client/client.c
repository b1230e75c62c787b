/*
 * client.c - see client.h.
 *
 * Start: whoever finds no service takes the start lock, looks again, and only then starts one; so of any number of
 * clients that come at once one starts it and the others find it. The service closes its inherited descriptors.
 */
#include "client/client.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client/place.h"

#define START_MS 20000u /* of a service, on a slow and busy machine */
#define TRIES    5u     /* a service may go just when we come */

struct client {
    GDBusConnection *connection;
    const char *interface;
    int patience_ms;
};

/* ---- connecting ---- */

static bool hello(GDBusConnection *connection, GError **error)
{
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_sync(connection, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", NULL,
                                    G_VARIANT_TYPE("(s)"), G_DBUS_CALL_FLAGS_NONE, (int)START_MS, NULL, error);

    return reply != NULL;
}

static GDBusConnection *try_connect(const struct place *p, GError **error)
{
    g_autofree char *escaped = g_dbus_address_escape_value(p->socket);
    g_autofree char *address = g_strdup_printf("unix:path=%s", escaped);
    GDBusConnection *c = g_dbus_connection_new_for_address_sync(address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
                                                                NULL, NULL, error);

    if (c != NULL && hello(c, error))
        return c;
    g_clear_object(&c);
    return NULL;
}

/* Reads the service's first line: "ok" or why not. */
static bool read_ready(int fd, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char buf[512];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0 && line->len < 4096 && strchr(line->str, '\n') == NULL)
        g_string_append_len(line, buf, n);
    char *end = strchr(line->str, '\n');
    if (end != NULL)
        g_string_truncate(line, (gsize)(end - line->str));
    if (strcmp(line->str, "ok") == 0)
        return true;
    return api_fail(error, E_FAIL, "Failed to start VBoxSVC: %s",
                    line->len > 0 ? line->str : "it ended without saying why");
}

static void in_service(void *user)
{
    setsid();
    fcntl(GPOINTER_TO_INT(user), F_SETFD, 0);
}

static bool start(GError **error)
{
    g_autofree char *program = place_program("VBoxSVC");
    char fd_text[16];
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return api_fail(error, VBOX_E_HOST_ERROR, "Could not make a pipe");
    g_snprintf(fd_text, sizeof fd_text, "%d", fds[1]);
    char *argv[] = {program, (char *)"--auto-shutdown", (char *)"--inherit-startup-pipe", fd_text, NULL};
    bool ok = g_spawn_async("/", argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, in_service,
                            GINT_TO_POINTER(fds[1]), NULL, error);
    close(fds[1]);
    if (ok)
        ok = read_ready(fds[0], error);
    close(fds[0]);
    return ok || api_wrap(error, VBOX_E_HOST_ERROR);
}

static GDBusConnection *connect_or_start(const struct place *p, GError **error)
{
    GDBusConnection *c = try_connect(p, NULL);

    if (c != NULL)
        return c;
    int lock = place_lock(p->start_lock, START_MS, error);
    if (lock < 0)
        return NULL;
    c = try_connect(p, NULL);
    if (c == NULL && start(error))
        c = try_connect(p, error);
    place_unlock(p->start_lock, lock);
    return c;
}

struct client *client_connect(GError **error)
{
    struct place place = {0};
    GDBusConnection *connection = NULL;
    GError *last = NULL;

    api_error_quark(); /* registers the errors' names */
    if (place_find(&place, error)) {
        for (unsigned k = 0; connection == NULL && k < TRIES; k++) {
            g_clear_error(&last);
            connection = connect_or_start(&place, &last);
        }
        if (connection == NULL)
            g_propagate_error(error, last);
        else
            g_clear_error(&last);
    }
    place_fini(&place);
    if (connection == NULL) {
        api_wrap(error, VBOX_E_HOST_ERROR);
        return NULL;
    }
    struct client *c = g_new0(struct client, 1);
    c->connection = connection;
    c->interface = "IVirtualBox";
    c->patience_ms = G_MAXINT;
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    return c;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    g_dbus_connection_close_sync(c->connection, NULL, NULL);
    g_object_unref(c->connection);
    g_free(c);
}

/* ---- calls ---- */

void client_patience(struct client *c, unsigned ms)
{
    c->patience_ms = ms > 0 ? (int)ms : G_MAXINT;
}

/* An answer as it came; @failed is taken. */
static GVariant *answered(GVariant *ret, GError *failed, GError **error)
{
    if (failed == NULL)
        return ret;
    g_dbus_error_strip_remote_error(failed);
    if (failed->domain == G_DBUS_ERROR && (g_error_matches(failed, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
                                           g_error_matches(failed, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT)))
        api_wrap(&failed, VBOX_E_OBJECT_NOT_FOUND);
    g_propagate_error(error, failed);
    api_wrap(error, E_UNEXPECTED);
    return NULL;
}

static GVariant *call(struct client *c, const char *path, const char *interface, const char *method, GVariant *args,
                      const char *reply_type, GError **error)
{
    GError *failed = NULL;
    GVariant *ret = g_dbus_connection_call_sync(c->connection, NULL, path, interface, method, args,
                                                reply_type != NULL ? G_VARIANT_TYPE(reply_type) : NULL,
                                                G_DBUS_CALL_FLAGS_NONE, c->patience_ms, NULL, &failed);

    return answered(ret, failed, error);
}

GVariant *client_call(struct client *c, const char *path, const char *interface, const char *method, GVariant *args,
                      const char *reply_type, GError **error)
{
    g_autofree char *full = g_strconcat(API_PREFIX, interface, NULL);

    c->interface = interface;
    return call(c, path, full, method, args, reply_type, error);
}

GVariant *client_get(struct client *c, const char *path, const char *interface, const char *property, GError **error)
{
    g_autofree char *full = g_strconcat(API_PREFIX, interface, NULL);
    GVariant *val = NULL;

    c->interface = interface;
    g_autoptr(GVariant) ret =
        call(c, path, "org.freedesktop.DBus.Properties", "Get", g_variant_new("(ss)", full, property), "(v)", error);
    if (ret != NULL)
        g_variant_get(ret, "(v)", &val);
    return val;
}

bool client_set(struct client *c, const char *path, const char *interface, const char *property, GVariant *val,
                GError **error)
{
    g_autofree char *full = g_strconcat(API_PREFIX, interface, NULL);

    c->interface = interface;
    g_autoptr(GVariant) ret = call(c, path, "org.freedesktop.DBus.Properties", "Set",
                                   g_variant_new("(ssv)", full, property, val), "()", error);
    return ret != NULL;
}

const char *client_last_interface(const struct client *c)
{
    return c->interface;
}

/* ---- progress ---- */

struct waiting {
    struct client *client;
    const char *progress;
    GMainLoop *loop;
    GVariant *ret;
    GError *failed;
};

static void on_change(GObject *source, GAsyncResult *result, void *user)
{
    struct waiting *w = user;

    w->ret = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &w->failed);
    g_main_loop_quit(w->loop);
}

/* Waits in the main loop, so that a signal is heard meanwhile. */
static GVariant *next_change(struct waiting *w, guint32 percent, GError **error)
{
    g_dbus_connection_call(w->client->connection, NULL, w->progress, API_PREFIX "IProgress", "WaitForChange",
                           g_variant_new("(u)", percent), G_VARIANT_TYPE("(ubis)"), G_DBUS_CALL_FLAGS_NONE,
                           w->client->patience_ms, NULL, on_change, w);
    g_main_loop_run(w->loop);
    return answered(g_steal_pointer(&w->ret), g_steal_pointer(&w->failed), error);
}

/* The answer is the progress's own end: canceled, or done by then. */
static gboolean on_interrupt(void *user)
{
    const struct waiting *w = user;

    g_dbus_connection_call(w->client->connection, NULL, w->progress, API_PREFIX "IProgress", "Cancel", NULL, NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
    return G_SOURCE_CONTINUE; /* removed by its id */
}

static bool cancelable(struct client *c, const char *progress)
{
    g_autoptr(GVariant) is = client_get(c, progress, "IProgress", "Cancelable", NULL);

    return is != NULL && g_variant_is_of_type(is, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean(is);
}

bool client_wait(struct client *c, const char *progress, void (*changed)(void *user, unsigned percent), void *user,
                 GError **error)
{
    struct waiting w = {.client = c, .progress = progress, .loop = g_main_loop_new(NULL, FALSE)};
    const guint interrupt = cancelable(c, progress) ? g_unix_signal_add(SIGINT, on_interrupt, &w) : 0;
    guint32 percent = 0;
    gboolean done = FALSE;
    bool ok = false;

    c->interface = "IProgress";
    while (!done) {
        gint32 result;
        const char *text;
        g_autoptr(GVariant) ret = next_change(&w, percent, error);
        if (ret == NULL)
            break;
        g_variant_get(ret, "(ubi&s)", &percent, &done, &result, &text);
        if (changed != NULL && (!done || result == 0))
            changed(user, percent);
        if (done)
            ok = result == 0 || api_fail(error, (enum api_result)result, "%s", text);
    }
    if (interrupt != 0)
        g_source_remove(interrupt);
    g_main_loop_unref(w.loop);
    return ok;
}

/* ---- signals ---- */

struct listening {
    GMainLoop *loop;
    client_signal_fn fn;
    void *user;
    bool ended;
};

static void on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                      const char *name, GVariant *args, void *user)
{
    struct listening *l = user;

    (void)connection, (void)sender, (void)path, (void)interface;
    if (l->ended || l->fn(l->user, name, args))
        return;
    l->ended = true;
    g_main_loop_quit(l->loop);
}

static gboolean on_timeout(void *user)
{
    g_main_loop_quit(((struct listening *)user)->loop);
    return G_SOURCE_CONTINUE; /* removed by its id */
}

bool client_listen(struct client *c, client_signal_fn fn, void *user, unsigned timeout_ms)
{
    struct listening l = {g_main_loop_new(NULL, FALSE), fn, user, false};
    guint id = g_dbus_connection_signal_subscribe(c->connection, NULL, API_PREFIX "IVirtualBox", NULL, API_PATH, NULL,
                                                  G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &l, NULL);
    guint timer = timeout_ms > 0 ? g_timeout_add(timeout_ms, on_timeout, &l) : 0;

    g_main_loop_run(l.loop);
    if (timer != 0)
        g_source_remove(timer);
    g_dbus_connection_signal_unsubscribe(c->connection, id);
    g_main_loop_unref(l.loop);
    return l.ended;
}
