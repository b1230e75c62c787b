/*
 * object.c - calls and properties answered from the classes' tables.
 *
 * GDBus has checked a call's signature against the interface before it comes here. An object is looked up anew for
 * every call: it may have gone since the path was learnt, and then the answer is VBOX_E_OBJECT_NOT_FOUND.
 */
#include <string.h>

#include "main/api/api.h"
#include "main/bus/bus_int.h"

struct folder { /* what one subtree's callbacks need */
    struct bus_peer *peer;
    const char *path;
};

static const struct bus_class *class_of(const struct folder *f, const char *node, void **ret_object)
{
    const struct bus_config *config = &f->peer->bus->config;

    if (node == NULL)
        return NULL;
    for (const struct bus_class *const *c = config->classes; *c != NULL; c++) {
        if (strcmp((*c)->folder, f->path) != 0)
            continue;
        *ret_object = (*c)->find(config->user, f->peer, node);
        if (*ret_object != NULL)
            return *c;
    }
    return NULL;
}

static const struct bus_interface *interface_of(const struct bus_class *class, const char *name)
{
    for (unsigned k = 0; class->interfaces[k] != NULL; k++)
        if (strcmp(class->interfaces[k]->info->name, name) == 0)
            return class->interfaces[k];
    return NULL;
}

static const struct bus_method *method_of(const struct bus_interface *i, const char *name)
{
    for (const struct bus_method *m = i->methods; m != NULL && m->name != NULL; m++)
        if (strcmp(m->name, name) == 0)
            return m;
    return NULL;
}

static const struct bus_property *property_of(const struct bus_interface *i, const char *name)
{
    for (const struct bus_property *p = i->properties; p != NULL && p->name != NULL; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* Finds who answers @path; the last element of the path is the node. */
static const struct bus_interface *enter(const struct folder *f, const char *path, const char *interface,
                                         struct bus_call *call, GError **error)
{
    const char *node = strrchr(path, '/') + 1;
    const struct bus_class *class = f->peer->gone ? NULL : class_of(f, node, &call->object);
    const struct bus_interface *i = class != NULL ? interface_of(class, interface) : NULL;

    call->bus = f->peer->bus;
    call->peer = f->peer;
    call->user = f->peer->bus->config.user;
    call->node = node;
    if (i == NULL)
        api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no object '%s' with interface %s (any more)", path,
                 interface);
    return i;
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *name, GVariant *args, GDBusMethodInvocation *invocation, void *user)
{
    struct bus_call call = {.args = args, .invocation = invocation};
    GError *error = NULL;
    GVariant *ret = NULL;
    const struct bus_interface *i = enter(user, path, interface, &call, &error);

    (void)connection, (void)sender;
    if (i != NULL) {
        const struct bus_method *m = method_of(i, name);
        bus_method_fn run = i->any != NULL ? i->any : m != NULL ? m->run : NULL;
        if (run == NULL)
            api_fail(&error, E_NOTIMPL, "%s.%s is not available", interface, name);
        else if (run(&call, &ret, &error) && call.later)
            return;
    }
    bus_answer(invocation, ret, error);
}

static GVariant *on_get(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                        const char *name, GError **error, void *user)
{
    struct bus_call call = {0};
    const struct bus_interface *i = enter(user, path, interface, &call, error);
    const struct bus_property *p = i != NULL ? property_of(i, name) : NULL;

    (void)connection, (void)sender;
    if (p == NULL && i != NULL)
        api_fail(error, E_NOTIMPL, "%s.%s is not available", interface, name);
    return p != NULL ? g_variant_ref_sink(p->get(&call, p)) : NULL;
}

static gboolean on_set(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                       const char *name, GVariant *val, GError **error, void *user)
{
    struct bus_call call = {0};
    const struct bus_interface *i = enter(user, path, interface, &call, error);
    const struct bus_property *p = i != NULL ? property_of(i, name) : NULL;

    (void)connection, (void)sender;
    if (i != NULL && (p == NULL || p->set == NULL))
        return api_fail(error, E_NOTIMPL, "%s.%s cannot be changed", interface, name);
    return p != NULL && p->set(&call, p, val, error);
}

static char **on_enumerate(GDBusConnection *connection, const char *sender, const char *path, void *user)
{
    struct folder *f = user;
    const struct bus_config *config = &f->peer->bus->config;
    GPtrArray *nodes = g_ptr_array_new();

    (void)connection, (void)sender, (void)path;
    for (const struct bus_class *const *c = config->classes; *c != NULL; c++)
        if (strcmp((*c)->folder, f->path) == 0 && (*c)->list != NULL)
            (*c)->list(config->user, nodes);
    g_ptr_array_add(nodes, NULL);
    return (char **)g_ptr_array_free(nodes, FALSE);
}

static GDBusInterfaceInfo **on_introspect(GDBusConnection *connection, const char *sender, const char *path,
                                          const char *node, void *user)
{
    void *object;
    const struct bus_class *class = class_of(user, node, &object);

    (void)connection, (void)sender, (void)path;
    if (class == NULL)
        return NULL;
    unsigned count = 0;
    while (class->interfaces[count] != NULL)
        count++;
    GDBusInterfaceInfo **infos = g_new0(GDBusInterfaceInfo *, count + 1);
    for (unsigned k = 0; class->interfaces[k] != NULL; k++)
        infos[k] = g_dbus_interface_info_ref(class->interfaces[k]->info);
    return infos;
}

static const GDBusInterfaceVTable *on_dispatch(GDBusConnection *connection, const char *sender, const char *path,
                                               const char *interface, const char *node, void **ret_user, void *user)
{
    static const GDBusInterfaceVTable vtable = {.method_call = on_call, .get_property = on_get, .set_property = on_set};

    (void)connection, (void)sender, (void)path, (void)interface, (void)node;
    *ret_user = user;
    return &vtable;
}

static bool known_before(const struct bus_class *const *classes, const struct bus_class *const *c)
{
    for (; classes != c; classes++)
        if (strcmp((*classes)->folder, (*c)->folder) == 0)
            return true;
    return false;
}

bool objects_register(struct bus_peer *peer, GError **error)
{
    static const GDBusSubtreeVTable vtable = {
        .enumerate = on_enumerate, .introspect = on_introspect, .dispatch = on_dispatch};
    const struct bus_class *const *classes = peer->bus->config.classes;

    for (const struct bus_class *const *c = classes; *c != NULL; c++) {
        if (known_before(classes, c))
            continue;
        struct folder *f = g_new0(struct folder, 1);
        f->peer = peer;
        f->path = (*c)->folder;
        if (g_dbus_connection_register_subtree(peer->connection, f->path, &vtable,
                                               G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, f, g_free,
                                               error) == 0)
            return false;
    }
    return true;
}

void bus_describe(struct bus *bus, const struct bus_interface *interface, void *object, const char *prefix,
                  GVariantDict *dict)
{
    const struct bus_call call = {.bus = bus, .user = bus->config.user, .object = object, .node = ""};

    for (const struct bus_property *p = interface->properties; p != NULL && p->name != NULL; p++) {
        g_autofree char *key = g_strconcat(g_str_has_prefix(p->name, prefix) ? "" : prefix, p->name, NULL);
        g_variant_dict_insert_value(dict, key, p->get(&call, p));
    }
}

/* ---- are the tables complete? ---- */

static char *check_interface(const struct bus_interface *i)
{
    for (GDBusMethodInfo **m = i->info->methods; m != NULL && *m != NULL; m++)
        if (i->any == NULL && method_of(i, (*m)->name) == NULL)
            return g_strdup_printf("%s.%s has no row", i->info->name, (*m)->name);
    for (GDBusPropertyInfo **p = i->info->properties; p != NULL && *p != NULL; p++) {
        const struct bus_property *row = property_of(i, (*p)->name);
        bool writable = ((*p)->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE) != 0;
        if (row == NULL)
            return g_strdup_printf("%s.%s has no row", i->info->name, (*p)->name);
        if (writable != (row->set != NULL))
            return g_strdup_printf("%s.%s: table and interface disagree on writing", i->info->name, (*p)->name);
    }
    for (const struct bus_method *m = i->methods; m != NULL && m->name != NULL; m++)
        if (g_dbus_interface_info_lookup_method(i->info, m->name) == NULL)
            return g_strdup_printf("%s has no method %s", i->info->name, m->name);
    for (const struct bus_property *p = i->properties; p != NULL && p->name != NULL; p++)
        if (g_dbus_interface_info_lookup_property(i->info, p->name) == NULL)
            return g_strdup_printf("%s has no property %s", i->info->name, p->name);
    return NULL;
}

char *bus_check(const struct bus_class *class)
{
    char *wrong = NULL;

    for (unsigned k = 0; wrong == NULL && class->interfaces[k] != NULL; k++)
        wrong = check_interface(class->interfaces[k]);
    return wrong;
}
