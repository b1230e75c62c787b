/*
 * session.c - what one client holds: a machine and, with a write lock, a copy of its settings.
 *
 * A session is as old as its connection and goes with it, so a client that dies gives everything back at once.
 */
#include <stdlib.h>
#include <string.h>

#include "main/server/objects.h"

struct session *session_of(struct service *s, struct bus_peer *peer)
{
    for (unsigned k = 0; k < s->sessions->len; k++) {
        struct session *one = s->sessions->pdata[k];
        if (one->peer == peer)
            return one;
    }
    struct session *new = g_new0(struct session, 1);
    new->service = s;
    new->peer = peer;
    new->number = (unsigned)strtoul(strchr(bus_peer_name(peer), '.') + 1, NULL, 10);
    g_ptr_array_add(s->sessions, new);
    return new;
}

static void tell(struct machine *m)
{
    bool locked = m->writer != NULL || m->vm != NULL;

    service_emit(m->service, "SessionStateChanged", g_variant_new("(ss)", m->id, locked ? "Locked" : "Unlocked"));
}

static void unlock(struct session *s)
{
    struct machine *m = s->machine;

    settings_machine_free(s->copy);
    s->copy = NULL;
    s->machine = NULL;
    s->type = SessionType_Null;
    s->modified = false;
    medium_sweep(s->service, NULL);
    if (m != NULL && m->writer == s) {
        m->writer = NULL;
        if (m->service->bus != NULL)
            tell(m);
    }
}

void session_close(struct session *s)
{
    unlock(s);
    g_ptr_array_remove(s->service->sessions, s);
    g_free(s->name);
    g_free(s);
}

void session_machine_gone(struct machine *m)
{
    struct service *s = m->service;

    for (unsigned k = 0; k < s->sessions->len; k++) {
        struct session *one = s->sessions->pdata[k];
        if (one->machine == m)
            unlock(one);
    }
}

static bool already(const struct machine *m, GError **error)
{
    return api_fail(error, VBOX_E_INVALID_OBJECT_STATE,
                    "The machine '%s' is already locked for a session (or being unlocked)", machine_name(m));
}

bool session_lock(struct session *s, struct machine *m, const char *lock_type, GError **error)
{
    bool shared = g_ascii_strcasecmp(lock_type, "Shared") == 0;

    if (s->machine != NULL)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The given session is busy");
    if (m->settings == NULL)
        return api_fail(error, E_ACCESSDENIED, "The machine '%s' is inaccessible: %s", m->path, m->access_error);
    if (!m->registered)
        return api_fail(error, E_UNEXPECTED, "The machine '%s' is not registered", machine_name(m));
    if (m->launching)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The machine '%s' already has a lock request pending",
                        machine_name(m));
    if ((m->writer != NULL && !shared) || (m->busy && !shared))
        return already(m, error);
    if (!shared && m->vm != NULL)
        return already(m, error);
    if (shared && m->writer == NULL && m->vm == NULL && !m->busy)
        shared = false; /* the first one holds it for real */
    s->machine = m;
    s->type = shared ? SessionType_Shared : SessionType_WriteLock;
    s->copy = settings_machine_copy(m->settings);
    if (!shared) {
        m->writer = s;
        tell(m);
    }
    return true;
}

/* ---- ISession ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    struct session *s = session_of(user, peer);
    g_autofree char *number = g_strdup_printf("%u", s->number);

    return strcmp(node, "self") == 0 || strcmp(node, number) == 0 ? s : NULL;
}

static GVariant *get_state(const struct bus_call *call, const struct bus_property *row)
{
    const struct session *s = call->object;

    (void)row;
    return g_variant_new_string(s->machine != NULL ? "Locked" : "Unlocked");
}

static GVariant *get_type(const struct bus_call *call, const struct bus_property *row)
{
    const struct session *s = call->object;

    (void)row;
    return g_variant_new_string(api_enum_name("SessionType", s->type));
}

static GVariant *get_name(const struct bus_call *call, const struct bus_property *row)
{
    const struct session *s = call->object;

    (void)row;
    return g_variant_new_string(s->name != NULL ? s->name : "");
}

static bool set_name(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct session *s = call->object;

    (void)row;
    if (s->machine != NULL)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The session is not unlocked (session state: Locked)");
    g_free(s->name);
    s->name = g_variant_dup_string(val, NULL);
    return true;
}

static GVariant *get_machine(const struct bus_call *call, const struct bus_property *row)
{
    struct session *s = call->object;
    const struct part part = {.service = s->service, .machine = s->machine, .session = s};

    (void)row;
    g_autofree char *path = s->machine != NULL ? part_path(&part, "machine", NULL) : g_strdup("/");
    return g_variant_new_object_path(path);
}

static GVariant *get_console(const struct bus_call *call, const struct bus_property *row)
{
    struct session *s = call->object;
    const struct part part = {.service = s->service, .machine = s->machine};

    (void)row;
    g_autofree char *path =
        s->machine != NULL && s->machine->vm != NULL ? part_path(&part, "console", NULL) : g_strdup("/");
    return g_variant_new_object_path(path);
}

static bool unlock_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct session *s = call->object;

    (void)ret;
    if (s->machine == NULL)
        return api_fail(error, E_UNEXPECTED, "The session is not locked (session state: Unlocked)");
    unlock(s);
    return true;
}

static const struct bus_method methods[] = {{"UnlockMachine", unlock_machine}, {NULL, NULL}};
static const struct bus_property properties[] = {
    {"State", get_state, NULL, NULL},     {"Type", get_type, NULL, NULL},       {"Name", get_name, set_name, NULL},
    {"Machine", get_machine, NULL, NULL}, {"Console", get_console, NULL, NULL}, {NULL, NULL, NULL, NULL},
};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_isession_interface, .methods = methods, .properties = properties};
const struct bus_class session_class = {
    .folder = API_ROOT "/session", .interfaces = BUS_INTERFACES(&interface), .find = find};
