/*
 * runtime.c - see runtime.h.
 */
#include "main/vmproc/runtime.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#include "main/api/api.h"
#include "main/api/infos.h"
#include "main/bus/bus.h"
#include "main/vmproc/console.h"
#include "main/vmproc/runtime_int.h"
#include "rt/loop.h"

struct runtime {
    GMainContext *context;
    GMainLoop *main;
    GThread *thread;
    struct bus *bus;
    struct console *console;
    struct loop *loop;
    GDBusMethodInvocation *now; /* the command that runs; the loop's thread */
    bool kept;                  /* it is answered later */
    char *node, *path;
    GMutex lock;
    const char *state; /* a MachineState's name; under the lock */
    gint64 started_ns;
    char *saved; /* the state that was written, not yet known to be kept; under the lock */
    /* who asked last for a snapshot, and for the state to be saved; the bus's thread */
    struct bus_peer *snapshot_peer, *save_peer;
};

/* A call on its way to the loop's thread. */
struct request {
    struct runtime *runtime;
    GDBusMethodInvocation *invocation;
};

struct console *runtime_console(struct runtime *r)
{
    return r->console;
}

/* ---- commands; on the loop's thread ---- */

static bool must_be(struct runtime *r, const char *state, GError **error)
{
    const char *is = console_state(r->console);

    return strcmp(is, state) == 0 ||
           api_fail(error, VBOX_E_INVALID_VM_STATE, "Invalid machine state: %s (must be %s)", is, state);
}

bool runtime_must_live(struct runtime *r, GError **error)
{
    const char *is = console_state(r->console);

    return strcmp(is, "Running") == 0 || strcmp(is, "Paused") == 0 ||
           api_fail(error, VBOX_E_INVALID_VM_STATE, "Invalid machine state: %s (must be Running or Paused)", is);
}

static void set_saved(struct runtime *r, const char *path)
{
    g_mutex_lock(&r->lock);
    g_free(r->saved);
    r->saved = g_strdup(path);
    g_mutex_unlock(&r->lock);
}

static GVariant *pause_machine(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error))
        console_pause(r->console);
    return NULL;
}

static GVariant *resume_machine(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Paused", error)) {
        console_resume(r->console);
        set_saved(r, NULL);
    }
    return NULL;
}

static GVariant *reset_machine(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (runtime_must_live(r, error))
        console_reset(r->console);
    return NULL;
}

static GVariant *power_down(struct runtime *r, GVariant *args, GError **error)
{
    (void)args, (void)error;
    console_power_off(r->console);
    return NULL;
}

static GVariant *save_state(struct runtime *r, GVariant *args, GError **error)
{
    const char *path;

    g_variant_get(args, "(&s)", &path);
    if (!runtime_must_live(r, error))
        return NULL;
    if (console_save(r->console, path, error))
        set_saved(r, path);
    else
        api_wrap(error, VBOX_E_FILE_ERROR);
    return NULL;
}

static GVariant *save_end(struct runtime *r, GVariant *args, GError **error)
{
    gboolean keep;

    (void)error;
    g_variant_get(args, "(b)", &keep);
    console_save_end(r->console, keep);
    set_saved(r, NULL);
    return NULL;
}

static GVariant *power_button(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error) && !console_power_button(r->console, false))
        api_fail(error, VBOX_E_PDM_ERROR, "Controlled power off failed (the machine has no ACPI)");
    return NULL;
}

static GVariant *sleep_button(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error) && !console_power_button(r->console, true))
        api_fail(error, VBOX_E_PDM_ERROR, "Sending sleep button event failed (the machine has no ACPI)");
    return NULL;
}

/* Nothing in a guest has a way to this process yet. */
static GVariant *guest_session(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (must_be(r, "Running", error))
        api_fail(error, VBOX_E_GSTCTL_GUEST_ERROR, "The guest execution service is not ready (yet)");
    return NULL;
}

/* Its USB controllers are not there yet: nothing is attached, nothing came over a remote display. */
static GVariant *usb_devices(struct runtime *r, GVariant *args, GError **error)
{
    (void)r, (void)args, (void)error;
    return g_variant_new("(aa{sv})", NULL);
}

int runtime_fd(struct runtime *r)
{
    GUnixFDList *list = g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(r->now));

    return list != NULL && g_unix_fd_list_get_length(list) > 0 ? g_unix_fd_list_get(list, 0, NULL) : -1;
}

static const struct command {
    const char *interface, *method;
    command_fn run;
} commands[] = {
    {"IConsole", "Pause", pause_machine},
    {"IConsole", "Resume", resume_machine},
    {"IConsole", "Reset", reset_machine},
    {"IConsole", "PowerDown", power_down},
    {"IConsole", "SaveState", save_state},
    {"IConsole", "PowerButton", power_button},
    {"IConsole", "SleepButton", sleep_button},
    {"IConsole", "Teleport", teleport_machine},
    {"IConsole", "GetUSBDevices", usb_devices},
    {"IConsole", "GetRemoteUSBDevices", usb_devices},
    {"IConsole", "AddEncryptionPassword", storage_add_password},
    {"IConsole", "RemoveEncryptionPassword", storage_remove_password},
    {"IConsole", "ClearAllEncryptionPasswords", storage_clear_passwords},
    {"IKeyboard", "PutScancodes", input_scancodes},
    {"IKeyboard", "PutCAD", input_cad},
    {"IMouse", "PutMouseEvent", input_mouse},
    {"IMouse", "PutMouseEventAbsolute", input_tablet},
    {"IMouse", "GetCapabilities", input_mouse_capabilities},
    {"IDisplay", "GetScreenResolution", screen_resolution},
    {"IDisplay", "TakeScreenShotToArray", screen_shot},
    {"IDisplay", "GetScreenText", screen_text},
    {"IGuest", "CreateSession", guest_session},
    {"IMachineDebugger", "Info", debug_info},
    {"IMachineDebugger", "GetStats", debug_stats},
    {"IMachineDebugger", "ResetStats", debug_reset_stats},
    {"IMachineDebugger", "Command", debug_command},
    {"IMachineDebugger", "SetRegister", debug_set_register},
    {"IMachineDebugger", "InjectNMI", debug_inject_nmi},
    {"IMachineDebugger", "DumpGuestCore", debug_dump_core},
    {"IMachineDebugger", "DetectOS", debug_detect_os},
    {"IMachineDebugger", "QueryOSInfo", debug_os_info},
    {"IMachineDebugger", "QueryOSKernelLog", debug_os_log},
    {"IMachineDebugger", "ModifyLogGroups", debug_log_groups},
    {"IMachineDebugger", "ModifyLogFlags", debug_log_flags},
    {"IMachineDebugger", "ModifyLogDestinations", debug_log_destinations},
    {"IMachineDebugger", "GetLogSettings", debug_log_settings},
    {"IInternalSessionControl", "EndSave", save_end},
    {"IInternalSessionControl", "TakeSnapshot", storage_snapshot},
    {"IInternalSessionControl", "EndSnapshot", storage_snapshot_end},
    {"IInternalSessionControl", "StartMerge", storage_merge},
    {"IInternalSessionControl", "GetMergeState", storage_merge_state},
    {"IInternalSessionControl", "EndMerge", storage_merge_end},
    {"IInternalSessionControl", "ChangeMedium", storage_change_medium},
};

static const struct command *command_find(const char *interface, const char *method)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(commands); k++)
        if (strcmp(commands[k].interface, interface + strlen(API_PREFIX)) == 0 &&
            strcmp(commands[k].method, method) == 0)
            return &commands[k];
    return NULL;
}

/* An answer goes through the bus's thread, behind the state changes that led to it. */
struct answer {
    GDBusMethodInvocation *invocation;
    GVariant *ret;
    GError *error;
};

static gboolean answer(void *user)
{
    struct answer *a = user;

    bus_answer(a->invocation, a->ret, a->error);
    g_free(a);
    return G_SOURCE_REMOVE;
}

static void carry_out(void *user)
{
    struct request *q = user;
    GDBusMethodInvocation *i = q->invocation;
    const struct command *c =
        command_find(g_dbus_method_invocation_get_interface_name(i), g_dbus_method_invocation_get_method_name(i));
    GError *error = NULL;
    GVariant *ret = NULL;

    q->runtime->now = i;
    q->runtime->kept = false;
    if (c != NULL)
        ret = c->run(q->runtime, g_dbus_method_invocation_get_parameters(i), &error);
    else
        api_fail(&error, E_NOTIMPL, "This virtual machine has nothing that could carry out %s",
                 g_dbus_method_invocation_get_method_name(i));
    if (!q->runtime->kept)
        runtime_answer(q->runtime, i, ret, error);
    g_free(q);
}

GDBusMethodInvocation *runtime_keep(struct runtime *r)
{
    r->kept = true;
    return r->now;
}

void runtime_answer(struct runtime *r, GDBusMethodInvocation *i, GVariant *ret, GError *error)
{
    struct answer *a = g_new0(struct answer, 1);

    *a = (struct answer){i, ret, error};
    g_main_context_invoke_full(r->context, G_PRIORITY_DEFAULT, answer, a, NULL);
}

/* ---- the bus's thread ---- */

static bool on_any(struct bus_call *call, GVariant **ret, GError **error)
{
    struct runtime *r = call->user;
    struct request *q = g_new0(struct request, 1);

    (void)ret;
    q->runtime = r;
    q->invocation = call->invocation;
    const char *method = g_dbus_method_invocation_get_method_name(call->invocation);
    if (strcmp(method, "TakeSnapshot") == 0)
        r->snapshot_peer = call->peer;
    if (strcmp(method, "SaveState") == 0)
        r->save_peer = call->peer;
    call->later = loop_post(r->loop, carry_out, q);
    if (call->later)
        return true;
    g_free(q);
    return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The machine has too much to do; try again");
}

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

static const struct bus_property control_properties[] = {{"MachineId", get_id, NULL, NULL},
                                                         {"State", get_state, NULL, NULL},
                                                         {"SavedState", get_saved, NULL, NULL},
                                                         {"StartTime", get_start, NULL, NULL},
                                                         {NULL, NULL, NULL, NULL}};
static const struct bus_method control_methods[] = {
    {"EndSave", on_any},       {"TakeSnapshot", on_any}, {"EndSnapshot", on_any},  {"StartMerge", on_any},
    {"GetMergeState", on_any}, {"EndMerge", on_any},     {"ChangeMedium", on_any}, {NULL, NULL}};
static const struct bus_interface control = {.info = (GDBusInterfaceInfo *)&api_iinternal_session_control_interface,
                                             .methods = control_methods,
                                             .properties = control_properties};
static const struct bus_interface console = {.info = (GDBusInterfaceInfo *)&api_iconsole_interface, .any = on_any};
static const struct bus_interface keyboard = {.info = (GDBusInterfaceInfo *)&api_ikeyboard_interface, .any = on_any};
static const struct bus_interface mouse = {.info = (GDBusInterfaceInfo *)&api_imouse_interface, .any = on_any};
static const struct bus_interface display = {.info = (GDBusInterfaceInfo *)&api_idisplay_interface, .any = on_any};
static const struct bus_interface debugger = {.info = (GDBusInterfaceInfo *)&api_imachine_debugger_interface,
                                              .any = on_any};
static const struct bus_interface guest = {.info = (GDBusInterfaceInfo *)&api_iguest_interface, .any = on_any};
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
    set_saved(r, NULL);
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
