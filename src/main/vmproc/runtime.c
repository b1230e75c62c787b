/*
 * runtime.c - see runtime.h: the socket's thread, the objects on it, and the news that peers hear.
 *
 * What is done with a call is in runtime_calls.c; the commands are in the other files of that name.
 */
#include "main/vmproc/runtime.h"

#include <string.h>

#include "main/api/api.h"
#include "main/api/infos.h"
#include "main/bus/bus.h"
#include "main/vmproc/console.h"
#include "main/vmproc/runtime_int.h"
#include "rt/loop.h"

struct console *runtime_console(struct runtime *r)
{
    return r->console;
}

void runtime_set_saved(struct runtime *r, const char *path)
{
    g_mutex_lock(&r->lock);
    g_free(r->saved);
    r->saved = g_strdup(path);
    g_mutex_unlock(&r->lock);
}

/* ---- the bus's thread ---- */

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    struct runtime *r = user;

    (void)peer;
    return strcmp(node, r->node) == 0 ? r : NULL;
}

static GVariant *get_id(const struct bus_call *call, const struct bus_property *row)
{
    const struct runtime *r = call->object;
    char id[API_UUID_SIZE];

    (void)row;
    return g_variant_new_string(api_node_to_uuid(r->node, id) ? id : "");
}

static GVariant *get_state(const struct bus_call *call, const struct bus_property *row)
{
    struct runtime *r = call->object;

    (void)row;
    g_mutex_lock(&r->lock);
    const char *state = r->state;
    g_mutex_unlock(&r->lock);
    return g_variant_new_string(state);
}

static GVariant *get_start(const struct bus_call *call, const struct bus_property *row)
{
    (void)row;
    return g_variant_new_uint64((guint64)((const struct runtime *)call->object)->started_ns);
}

static GVariant *get_saved(const struct bus_call *call, const struct bus_property *row)
{
    struct runtime *r = call->object;

    (void)row;
    g_mutex_lock(&r->lock);
    GVariant *saved = g_variant_new_string(r->saved != NULL ? r->saved : "");
    g_mutex_unlock(&r->lock);
    return saved;
}

static GVariant *get_leds(const struct bus_call *call, const struct bus_property *row)
{
    struct runtime *r = call->object;

    (void)row;
    return g_variant_new_uint32((guint32)g_atomic_int_get(&r->leds));
}

static const struct bus_property control_properties[] = {
    {"MachineId", get_id, NULL, NULL},    {"State", get_state, NULL, NULL},       {"SavedState", get_saved, NULL, NULL},
    {"StartTime", get_start, NULL, NULL}, {"KeyboardLEDs", get_leds, NULL, NULL}, {NULL, NULL, NULL, NULL}};
static const struct bus_method control_methods[] = {{"EndSave", runtime_call},          {"TakeSnapshot", runtime_call},
                                                    {"EndSnapshot", runtime_call},      {"StartMerge", runtime_call},
                                                    {"GetMergeState", runtime_call},    {"EndMerge", runtime_call},
                                                    {"ChangeMedium", runtime_call},     {"Teleport", runtime_call},
                                                    {"GetTeleportState", runtime_call}, {NULL, NULL}};
static const struct bus_interface control = {.info = (GDBusInterfaceInfo *)&api_iinternal_session_control_interface,
                                             .methods = control_methods,
                                             .properties = control_properties};
static const struct bus_interface console = {.info = (GDBusInterfaceInfo *)&api_iconsole_interface,
                                             .any = runtime_call};
static const struct bus_interface keyboard = {.info = (GDBusInterfaceInfo *)&api_ikeyboard_interface,
                                              .any = runtime_call};
static const struct bus_interface mouse = {.info = (GDBusInterfaceInfo *)&api_imouse_interface, .any = runtime_call};
static const struct bus_interface display = {.info = (GDBusInterfaceInfo *)&api_idisplay_interface,
                                             .any = runtime_call};
static const struct bus_interface debugger = {.info = (GDBusInterfaceInfo *)&api_imachine_debugger_interface,
                                              .any = runtime_call};
static const struct bus_interface guest = {.info = (GDBusInterfaceInfo *)&api_iguest_interface, .any = runtime_call};
static const struct bus_class class = {
    .folder = API_ROOT "/console",
    .interfaces = BUS_INTERFACES(&control, &console, &keyboard, &mouse, &display, &debugger, &guest),
    .find = find};

static void snapshot_orphaned(void *user)
{
    console_snapshot_orphaned(((struct runtime *)user)->console);
}

static void save_orphaned(void *user)
{
    struct runtime *r = user;

    console_save_orphaned(r->console);
    runtime_set_saved(r, NULL);
}

static void peer_gone(void *user, struct bus_peer *peer)
{
    struct runtime *r = user;

    if (r->snapshot_peer == peer)
        loop_post(r->loop, snapshot_orphaned, r);
    if (r->save_peer == peer)
        loop_post(r->loop, save_orphaned, r);
    r->snapshot_peer = r->snapshot_peer == peer ? NULL : r->snapshot_peer;
    r->save_peer = r->save_peer == peer ? NULL : r->save_peer;
}

static gboolean quit_main(void *user)
{
    g_main_loop_quit(user);
    return G_SOURCE_REMOVE;
}

static void *serve(void *user)
{
    struct runtime *r = user;

    g_main_context_push_thread_default(r->context);
    g_main_loop_run(r->main);
    bus_free(r->bus);
    g_main_context_pop_thread_default(r->context);
    return NULL;
}

int runtime_listen(const char *path, GError **error)
{
    return bus_listen(path, error);
}

struct runtime *runtime_new(int listen_fd, struct console *c, struct loop *loop)
{
    static const struct bus_class *const classes[] = {&class, NULL};
    struct runtime *r = g_new0(struct runtime, 1);
    char id[API_UUID_SIZE] = "", node[API_UUID_SIZE];

    api_uuid_parse(console_uuid(c), id);
    api_node_from_uuid(id, node);
    r->node = g_strdup(node);
    r->path = g_strconcat(API_ROOT "/console/", node, NULL);
    r->console = c;
    r->loop = loop;
    r->state = console_state(c);
    r->started_ns = g_get_real_time() * 1000;
    g_mutex_init(&r->lock);
    r->context = g_main_context_new();
    r->main = g_main_loop_new(r->context, FALSE);
    const struct bus_config config = {.listen_fd = listen_fd, .classes = classes, .user = r, .peer_gone = peer_gone};
    g_main_context_push_thread_default(r->context);
    r->bus = bus_new(&config);
    g_main_context_pop_thread_default(r->context);
    r->thread = g_thread_new("runtime", serve, r);
    return r;
}

struct news {
    struct runtime *runtime;
    const char *state;
    char *detail;
};

static gboolean emit(void *user)
{
    struct news *n = user;

    bus_emit(n->runtime->bus, NULL, n->runtime->path, API_PREFIX "IInternalSessionControl", "StateChanged",
             g_variant_new("(ss)", n->state, n->detail));
    return G_SOURCE_REMOVE;
}

static gboolean emit_error(void *user)
{
    struct news *n = user;

    bus_emit(n->runtime->bus, NULL, n->runtime->path, API_PREFIX "IInternalSessionControl", "RuntimeError",
             g_variant_new("(ss)", n->state, n->detail));
    return G_SOURCE_REMOVE;
}

static void news_free(void *user)
{
    struct news *n = user;

    g_free(n->detail);
    g_free(n);
}

void runtime_state(struct runtime *r, const char *state, const char *detail)
{
    g_mutex_lock(&r->lock);
    bool same = strcmp(r->state, state) == 0;
    r->state = state;
    g_mutex_unlock(&r->lock);
    if (same)
        return;
    struct news *n = g_new0(struct news, 1);
    *n = (struct news){r, state, g_strdup(detail != NULL ? detail : "")};
    g_main_context_invoke_full(r->context, G_PRIORITY_HIGH, emit, n, news_free);
}

void runtime_error(struct runtime *r, const char *id, const char *text)
{
    struct news *n = g_new0(struct news, 1);

    *n = (struct news){r, g_intern_string(id), g_strdup(text)};
    g_main_context_invoke_full(r->context, G_PRIORITY_HIGH, emit_error, n, news_free);
}

static gboolean emit_leds(void *user)
{
    struct runtime *r = user;

    bus_emit(r->bus, NULL, r->path, API_PREFIX "IInternalSessionControl", "KeyboardLedsChanged",
             g_variant_new("(u)", (guint32)g_atomic_int_get(&r->leds)));
    return G_SOURCE_REMOVE;
}

void runtime_leds(struct runtime *r, unsigned leds)
{
    g_atomic_int_set(&r->leds, (int)leds);
    g_main_context_invoke_full(r->context, G_PRIORITY_HIGH, emit_leds, r, NULL);
}

void runtime_free(struct runtime *r)
{
    if (r == NULL)
        return;
    g_main_context_invoke_full(r->context, G_PRIORITY_LOW, quit_main, r->main, NULL);
    g_thread_join(r->thread);
    g_main_loop_unref(r->main);
    g_main_context_unref(r->context);
    g_mutex_clear(&r->lock);
    g_free(r->saved);
    g_free(r->node);
    g_free(r->path);
    g_free(r);
}
