/*
 * events.c - IEventSource: IVirtualBox's signals for clients that ask for them one by one.
 *
 * Invariant 1: a listener goes with its connection, and at most one GetEvent of it waits.
 */
#include <string.h>

#include "main/server/virtualbox/virtualbox.h"

#define LISTENERS_MAX 16u /* of one connection */
#define EVENTS_MAX    1000u

struct listener {
    struct service *service;
    struct bus_peer *peer;
    guint32 number;
    bool registered;
    GStrv interesting;              /* NULL: all */
    GQueue events;                  /* "(sav)", floating: an answer takes it */
    GDBusMethodInvocation *waiting; /* GetEvent */
    guint timeout;
};

/* @args: a tuple, or NULL */
static GVariant *event_new(const char *name, GVariant *args)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("av"));
    for (gsize k = 0; args != NULL && k < g_variant_n_children(args); k++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(args, k);
        g_variant_builder_add(&b, "v", one);
    }
    return g_variant_new("(sav)", name, &b);
}

static void answer(struct listener *l, GVariant *event)
{
    GDBusMethodInvocation *invocation = g_steal_pointer(&l->waiting);

    if (l->timeout != 0)
        g_source_remove(l->timeout);
    l->timeout = 0;
    bus_answer(invocation, event, NULL);
}

void listener_free(struct listener *l)
{
    if (l->waiting != NULL)
        answer(l, event_new("", NULL));
    g_queue_clear_full(&l->events, (GDestroyNotify)g_variant_unref);
    g_strfreev(l->interesting);
    g_free(l);
}

void events_peer_gone(struct service *s, struct bus_peer *peer)
{
    for (unsigned k = s->listeners->len; k-- > 0;)
        if (((const struct listener *)s->listeners->pdata[k])->peer == peer)
            g_ptr_array_remove_index(s->listeners, k);
}

void events_add(struct service *s, const char *name, GVariant *args)
{
    for (unsigned k = 0; k < s->listeners->len; k++) {
        struct listener *l = s->listeners->pdata[k];
        if (!l->registered || (l->interesting != NULL && !g_strv_contains((const char *const *)l->interesting, name)))
            continue;
        GVariant *event = event_new(name, args);
        if (l->waiting != NULL) {
            answer(l, event);
            continue;
        }
        g_queue_push_tail(&l->events, event);
        if (g_queue_get_length(&l->events) > EVENTS_MAX)
            g_variant_unref(g_queue_pop_head(&l->events));
    }
}

/* ---- IEventSource ---- */

static struct listener *listener_of(const struct bus_call *call, guint32 number, GError **error)
{
    const struct service *s = call->object;

    for (unsigned k = 0; k < s->listeners->len; k++) {
        struct listener *l = s->listeners->pdata[k];
        if (l->peer == call->peer && l->number == number)
            return l;
    }
    api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Listener %u was never registered", number);
    return NULL;
}

static bool create(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    unsigned count = 0;

    for (unsigned k = 0; k < s->listeners->len; k++)
        count += ((const struct listener *)s->listeners->pdata[k])->peer == call->peer;
    if (count >= LISTENERS_MAX)
        return api_fail(error, VBOX_E_MAXIMUM_REACHED, "This connection has %u listeners already", count);
    struct listener *l = g_new0(struct listener, 1);
    l->service = s;
    l->peer = call->peer;
    l->number = ++s->next_listener;
    g_ptr_array_add(s->listeners, l);
    *ret = g_variant_new("(u)", l->number);
    return true;
}

static bool register_listener(struct bus_call *call, GVariant **ret, GError **error)
{
    g_auto(GStrv) names = NULL;
    guint32 number;

    (void)ret;
    g_variant_get(call->args, "(u^as)", &number, &names);
    struct listener *l = listener_of(call, number, error);
    if (l == NULL)
        return false;
    for (unsigned k = 0; names[k] != NULL; k++)
        if (g_dbus_interface_info_lookup_signal((GDBusInterfaceInfo *)&api_ivirtual_box_interface, names[k]) == NULL)
            return api_fail(error, E_INVALIDARG, "There is no event '%s'", names[k]);
    g_strfreev(l->interesting);
    l->interesting = names[0] != NULL ? g_steal_pointer(&names) : NULL;
    l->registered = true;
    return true;
}

static bool unregister_listener(struct bus_call *call, GVariant **ret, GError **error)
{
    guint32 number;

    (void)ret;
    g_variant_get(call->args, "(u)", &number);
    struct listener *l = listener_of(call, number, error);
    if (l == NULL)
        return false;
    g_ptr_array_remove(((struct service *)call->object)->listeners, l);
    return true;
}

static gboolean timed_out(void *user)
{
    struct listener *l = user;

    l->timeout = 0;
    answer(l, event_new("", NULL));
    return G_SOURCE_REMOVE;
}

static bool get_event(struct bus_call *call, GVariant **ret, GError **error)
{
    guint32 number;
    gint32 ms;

    g_variant_get(call->args, "(ui)", &number, &ms);
    struct listener *l = listener_of(call, number, error);
    if (l == NULL)
        return false;
    if (!l->registered || l->waiting != NULL)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "Listener %u %s", number,
                        l->registered ? "is waiting already" : "was never registered");
    GVariant *event = g_queue_pop_head(&l->events);
    if (event != NULL || ms == 0) {
        *ret = event != NULL ? event : event_new("", NULL);
        return true;
    }
    call->later = true;
    l->waiting = call->invocation;
    if (ms > 0)
        l->timeout = g_timeout_add((guint)ms, timed_out, l);
    return true;
}

static const struct bus_method methods[] = {{"CreateListener", create},
                                            {"RegisterListener", register_listener},
                                            {"UnregisterListener", unregister_listener},
                                            {"GetEvent", get_event},
                                            {NULL, NULL}};
const struct bus_interface event_source_interface = {.info = (GDBusInterfaceInfo *)&api_ievent_source_interface,
                                                     .methods = methods};
