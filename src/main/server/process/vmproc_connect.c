/*
 * vmproc_connect.c - speaking with a machine's process: two steps to a connection, then its state changes.
 *
 * A process that was started here and does not answer in time is killed. One that was found is tried again as long as
 * it lives: it may be starting still, or stand still.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "main/server/process/vmproc_int.h"

/* ---- while it runs ---- */

static void take_state(struct vmproc *vm, const char *name)
{
    struct machine *m = vm->machine;
    int state = api_enum_value("MachineState", name);

    if (state == MachineState_PoweredOff || state == MachineState_Saved || state == MachineState_Aborted) {
        machine_state_set(m, MachineState_Stopping); /* until the process is gone */
        return;
    }
    bool ours = m->saving || m->state == MachineState_Stopping || m->busy;
    if (state >= 0)
        m->vm_state = state;
    if (state >= 0 && !ours)
        machine_state_set(m, state);
}

static void take_leds(struct vmproc *vm, guint32 leds)
{
    const struct machine *m = vm->machine;

    if (vm->leds == leds)
        return;
    vm->leds = leds;
    service_emit(m->service, "KeyboardLedsChanged",
                 g_variant_new("(sbbb)", m->id, (leds & VMPROC_LED_NUM) != 0, (leds & VMPROC_LED_CAPS) != 0,
                               (leds & VMPROC_LED_SCROLL) != 0));
}

static void on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *args, void *user)
{
    struct machine *m = ((struct vmproc *)user)->machine;
    const char *what, *detail;

    (void)connection, (void)sender, (void)path, (void)interface;
    if (strcmp(signal, "KeyboardLedsChanged") == 0 && g_variant_is_of_type(args, G_VARIANT_TYPE("(u)"))) {
        guint32 leds;
        g_variant_get(args, "(u)", &leds);
        take_leds(user, leds);
    }
    if (!g_variant_is_of_type(args, G_VARIANT_TYPE("(ss)")))
        return;
    g_variant_get(args, "(&s&s)", &what, &detail);
    if (strcmp(signal, "StateChanged") == 0)
        take_state(user, what);
    else if (strcmp(signal, "RuntimeError") == 0)
        service_emit(m->service, "RuntimeErrorRaised", g_variant_new("(sbss)", m->id, FALSE, what, detail));
}

/* ---- connecting: two steps, given up when the process ends or does not answer in time ---- */

#define CONNECT_MS 20000u
#define AGAIN_MS   100u

struct attempt {
    struct vmproc *vm; /* NULL: gone meanwhile */
    GCancellable *cancel;
    guint timeout;
};

static void connected(struct vmproc *vm, GError *error);

static void attempt_end(struct attempt *a, GError *error)
{
    struct vmproc *vm = a->vm;

    if (a->timeout != 0)
        g_source_remove(a->timeout);
    g_object_unref(a->cancel);
    g_free(a);
    if (vm == NULL) {
        g_clear_error(&error);
        return;
    }
    vm->attempt = NULL;
    api_wrap(&error, VBOX_E_VM_ERROR);
    connected(vm, error);
}

static void got_state(GObject *source, GAsyncResult *result, void *user)
{
    struct attempt *a = user;
    GError *error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    g_autoptr(GVariant) state = NULL;

    if (reply != NULL && a->vm != NULL) {
        const char *word = "", *saved = "";
        guint32 leds = 0;
        g_variant_get(reply, "(@a{sv})", &state);
        g_variant_lookup(state, "State", "&s", &word);
        g_variant_lookup(state, "SavedState", "&s", &saved);
        a->vm->saved = g_strdup(saved);
        g_variant_lookup(state, "KeyboardLEDs", "u", &leds);
        take_leds(a->vm, leds);
        take_state(a->vm, word);
    }
    attempt_end(a, error);
}

static void got_connection(GObject *source, GAsyncResult *result, void *user)
{
    struct attempt *a = user;
    GError *error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_for_address_finish(result, &error);

    (void)source;
    if (connection == NULL || a->vm == NULL) {
        g_clear_object(&connection);
        attempt_end(a, error);
        return;
    }
    struct vmproc *vm = a->vm;
    vm->connection = connection;
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    vm->subscription =
        g_dbus_connection_signal_subscribe(connection, NULL, API_PREFIX "IInternalSessionControl", NULL, vm->node, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, vm, NULL);
    g_dbus_connection_call(connection, NULL, vm->node, "org.freedesktop.DBus.Properties", "GetAll",
                           g_variant_new("(s)", API_PREFIX "IInternalSessionControl"), G_VARIANT_TYPE("(a{sv})"),
                           G_DBUS_CALL_FLAGS_NONE, G_MAXINT, a->cancel, got_state, a);
}

void vmproc_abandon(struct attempt *a)
{
    a->vm = NULL;
    g_cancellable_cancel(a->cancel);
}

static gboolean too_late(void *user)
{
    struct attempt *a = user;

    a->timeout = 0;
    g_cancellable_cancel(a->cancel);
    return G_SOURCE_REMOVE;
}

void vmproc_connect(struct vmproc *vm)
{
    g_autofree char *path = vmproc_runtime_path(vm->machine, "sock");
    g_autofree char *escaped = g_dbus_address_escape_value(path);
    g_autofree char *address = g_strdup_printf("unix:path=%s", escaped);
    struct attempt *a = g_new0(struct attempt, 1);

    a->vm = vm;
    a->cancel = g_cancellable_new();
    a->timeout = g_timeout_add(CONNECT_MS, too_late, a);
    vm->attempt = a;
    g_dbus_connection_new_for_address(address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, a->cancel,
                                      got_connection, a);
}

/*
 * The machine runs: a state it has gone on from must not be loaded again (the disks have moved on), and it is no longer
 * what the current snapshot holds.
 */
static void started(struct machine *m)
{
    struct settings_machine *s = m->settings;
    g_autofree char *file = g_steal_pointer(&s->state_file);
    g_autoptr(GError) error = NULL;

    if (file == NULL && (s->current_snapshot == NULL || s->current_state_modified))
        return;
    s->aborted = false;
    s->current_state_modified = true;
    if (!machine_save(m, &error)) {
        g_warning("%s", error->message);
        return;
    }
    if (file != NULL && !machine_uses_state(s, file)) {
        g_autofree char *path = g_canonicalize_filename(file, s->file.folder);
        g_unlink(path);
    }
}

/* The service that asked for the state noted it and went away before the process could end. */
static bool saved_already(struct vmproc *vm)
{
    const struct settings_machine *s = vm->machine->settings;
    g_autofree char *noted =
        s != NULL && s->state_file != NULL ? g_canonicalize_filename(s->state_file, s->file.folder) : NULL;

    if (g_strcmp0(noted, vm->saved) != 0)
        return false;
    machine_state_set(vm->machine, MachineState_Saving);
    vmproc_call(vm, API_PREFIX "IInternalSessionControl", "EndSave", g_variant_new("(b)", TRUE), NULL, NULL);
    return true;
}

/* ---- found again ---- */

static gboolean again(void *user)
{
    struct vmproc *vm = user;

    vm->again_source = 0;
    if (vmproc_lock_held(vm->machine))
        vmproc_connect(vm);
    else
        vmproc_died_unseen(vm);
    return G_SOURCE_REMOVE;
}

static void refused(struct vmproc *vm, GError *error)
{
    if (vm->child) { /* process_gone() settles the rest */
        kill(vm->pid, SIGKILL);
        vmproc_end_start(vm, error);
        return;
    }
    g_error_free(error);
    if (vm->connection != NULL) {
        g_dbus_connection_signal_unsubscribe(vm->connection, vm->subscription);
        g_dbus_connection_close(vm->connection, NULL, NULL, NULL);
        g_clear_object(&vm->connection);
    }
    vm->again_source = g_timeout_add(AGAIN_MS, again, vm);
}

/* Who listens at the other end; only the accepting side of a D-Bus connection is told by the protocol. */
static int pid_behind(GDBusConnection *connection)
{
    GSocket *socket = g_socket_connection_get_socket(G_SOCKET_CONNECTION(g_dbus_connection_get_stream(connection)));
    g_autoptr(GCredentials) credentials = g_socket_get_credentials(socket, NULL);

    return credentials != NULL ? (int)g_credentials_get_unix_pid(credentials, NULL) : -1;
}

static void connected(struct vmproc *vm, GError *error)
{
    struct machine *m = vm->machine;

    if (error == NULL && vm->pid_fd < 0) {
        vm->pid = pid_behind(vm->connection);
        vmproc_watch(vm, &error);
    }
    if (error != NULL) {
        refused(vm, error);
        return;
    }
    if (!saved_already(vm))
        started(m); /* who launched it may have been killed before it could note that */
    if (m->state == MachineState_Starting || m->state == MachineState_Restoring)
        machine_state_set(m, MachineState_Running);
    service_emit(m->service, "SessionStateChanged", g_variant_new("(ss)", m->id, "Locked"));
    vmproc_end_start(vm, NULL);
    pending_recover(m); /* of a service that went away */
}
