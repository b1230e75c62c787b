/*
 * names.c - answers what every D-Bus client asks a message bus first, so that gdbus, busctl and the language bindings
 * work on the private socket: Hello, names, match rules.
 *
 * Source: D-Bus Specification 0.41, "Message Bus Messages".
 * Left out: activation (there is one service, and it runs), name ownership by peers, monitoring.
 */
#include <string.h>

#include "main/api/api.h"
#include "main/bus/bus_int.h"

#define BUS_NAME   "org.freedesktop.DBus"
#define OWNER_NAME ":1.0" /* this service */

static const char introspection[] =
    "<node><interface name='org.freedesktop.DBus'>"
    "<method name='Hello'><arg type='s' direction='out'/></method>"
    "<method name='AddMatch'><arg type='s' direction='in'/></method>"
    "<method name='RemoveMatch'><arg type='s' direction='in'/></method>"
    "<method name='NameHasOwner'><arg type='s' direction='in'/><arg type='b' direction='out'/></method>"
    "<method name='GetNameOwner'><arg type='s' direction='in'/><arg type='s' direction='out'/></method>"
    "<method name='GetConnectionUnixProcessID'><arg type='s' direction='in'/><arg type='u' direction='out'/></method>"
    "<method name='GetConnectionUnixUser'><arg type='s' direction='in'/><arg type='u' direction='out'/></method>"
    "<method name='GetConnectionCredentials'><arg type='s' direction='in'/><arg type='a{sv}' direction='out'/></method>"
    "<method name='StartServiceByName'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='out'/></method>"
    "<method name='GetId'><arg type='s' direction='out'/></method>"
    "<method name='ListNames'><arg type='as' direction='out'/></method>"
    "<method name='ListActivatableNames'><arg type='as' direction='out'/></method>"
    "<signal name='NameOwnerChanged'><arg type='s'/><arg type='s'/><arg type='s'/></signal>"
    "<signal name='NameAcquired'><arg type='s'/></signal>"
    "</interface></node>";

static bool known(const struct bus_peer *peer, const char *name)
{
    return strcmp(name, BUS_NAME) == 0 || strcmp(name, OWNER_NAME) == 0 || strcmp(name, API_NAME) == 0 ||
           strcmp(name, peer->name) == 0;
}

static GVariant *names_list(const struct bus_peer *peer)
{
    const char *const names[] = {BUS_NAME, API_NAME, OWNER_NAME, peer->name, NULL};

    return g_variant_new("(^as)", names);
}

static GVariant *owner_of(const struct bus_peer *peer, const char *name)
{
    if (strcmp(name, peer->name) == 0 || strcmp(name, BUS_NAME) == 0)
        return g_variant_new("(s)", name);
    return g_variant_new("(s)", OWNER_NAME);
}

static guint32 process_of(const struct bus_peer *peer, const char *name)
{
    return (guint32)(strcmp(name, peer->name) == 0 ? peer->pid : getpid());
}

static GVariant *credentials_of(const struct bus_peer *peer, const char *name)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&b, "{sv}", "UnixUserID", g_variant_new_uint32(getuid()));
    g_variant_builder_add(&b, "{sv}", "ProcessID", g_variant_new_uint32(process_of(peer, name)));
    return g_variant_new("(a{sv})", &b);
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *args, GDBusMethodInvocation *invocation, void *user)
{
    const struct bus_peer *peer = user;
    const char *name = "";
    GVariant *ret = NULL;

    (void)connection, (void)sender, (void)path, (void)interface;
    if (g_variant_n_children(args) > 0)
        g_variant_get_child(args, 0, "&s", &name);
    bool about_name = strncmp(method, "Get", 3) == 0 && strcmp(method, "GetId") != 0;
    if (about_name && !known(peer, name)) {
        g_dbus_method_invocation_return_dbus_error(invocation, BUS_NAME ".Error.NameHasNoOwner",
                                                   "There is only one service on this socket: " API_NAME);
        return;
    }
    if (strcmp(method, "Hello") == 0)
        ret = g_variant_new("(s)", peer->name);
    else if (strcmp(method, "NameHasOwner") == 0)
        ret = g_variant_new("(b)", known(peer, name));
    else if (strcmp(method, "GetNameOwner") == 0)
        ret = owner_of(peer, name);
    else if (strcmp(method, "GetConnectionUnixProcessID") == 0)
        ret = g_variant_new("(u)", process_of(peer, name));
    else if (strcmp(method, "GetConnectionUnixUser") == 0)
        ret = g_variant_new("(u)", getuid());
    else if (strcmp(method, "GetConnectionCredentials") == 0)
        ret = credentials_of(peer, name);
    else if (strcmp(method, "StartServiceByName") == 0)
        ret = g_variant_new("(u)", 2); /* already running */
    else if (strcmp(method, "GetId") == 0)
        ret = g_variant_new("(s)", peer->bus->guid);
    else if (strcmp(method, "ListNames") == 0 || strcmp(method, "ListActivatableNames") == 0)
        ret = names_list(peer);
    g_dbus_method_invocation_return_value(invocation, ret); /* match rules: every signal goes to every peer anyway */
}

/* Clients of a bus expect a sender in what they get. */
static GDBusMessage *stamp(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, void *user)
{
    (void)connection, (void)user;
    if (incoming || g_dbus_message_get_sender(message) != NULL)
        return message;
    GDBusMessage *copy = g_dbus_message_copy(message, NULL);
    if (copy == NULL)
        return message;
    bool from_bus = g_strcmp0(g_dbus_message_get_path(message), "/org/freedesktop/DBus") == 0;
    g_dbus_message_set_sender(copy, from_bus ? BUS_NAME : OWNER_NAME);
    g_object_unref(message);
    return copy;
}

bool names_register(struct bus_peer *peer, GError **error)
{
    static const GDBusInterfaceVTable vtable = {.method_call = on_call};
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(introspection, error);

    if (node == NULL)
        return false;
    g_dbus_connection_add_filter(peer->connection, stamp, NULL, NULL);
    return g_dbus_connection_register_object(peer->connection, "/org/freedesktop/DBus", node->interfaces[0], &vtable,
                                             peer, NULL, error) != 0;
}
