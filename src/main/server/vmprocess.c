/*
 * vmprocess.c - the processes of running machines: started, spoken to, watched, and found again.
 *
 * A machine's process holds a lock on RUNTIME/vm-ID.lock as long as it lives and listens at RUNTIME/vm-ID.sock. It is
 * not a child whose death ends anything here, and the service's death does not end it: the next service tries the
 * locks, connects where one is held, and takes over. A lock file without a holder is a process that died unseen.
 *
 * Start: the lock is taken here and inherited, so there is no instant at which the machine is neither starting nor
 * running. The process writes one line to a pipe: "ok", or why it could not start.
 * Invariant 1: a machine's state is settled (settings saved, vm == NULL) before anybody hears that the process is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/server/service_int.h"

#define FIRST_LINE_MAX 4096u

struct gone_call {
    void (*fn)(void *user);
    void *user;
};

struct attempt;

struct vmproc {
    struct machine *machine;
    int pid;
    bool child;
    int pid_fd, ready_fd;
    guint pid_source, ready_source;
    GString *line; /* from ready_fd */
    struct progress *start;
    struct attempt *attempt; /* connecting */
    GDBusConnection *connection;
    guint subscription;
    bool expect_saved;
    char *node;   /* its object path */
    GArray *gone; /* struct gone_call */
};

static char *runtime_path(const struct machine *m, const char *suffix)
{
    return g_strdup_printf("%s/vm-%s.%s", m->service->config.runtime, m->id, suffix);
}

int vmproc_pid(const struct vmproc *vm)
{
    return vm->pid;
}

void vmproc_when_gone(struct vmproc *vm, void (*fn)(void *user), void *user)
{
    const struct gone_call call = {fn, user};

    g_array_append_val(vm->gone, call);
}

void vmproc_expect_saved(struct vmproc *vm)
{
    vm->expect_saved = true;
}

static void abandon(struct attempt *a);

void vmproc_free(struct vmproc *vm)
{
    if (vm == NULL)
        return;
    if (vm->pid_source != 0)
        g_source_remove(vm->pid_source);
    if (vm->ready_source != 0)
        g_source_remove(vm->ready_source);
    if (vm->pid_fd >= 0)
        close(vm->pid_fd);
    if (vm->ready_fd >= 0)
        close(vm->ready_fd);
    if (vm->attempt != NULL)
        abandon(vm->attempt);
    if (vm->connection != NULL) {
        g_dbus_connection_signal_unsubscribe(vm->connection, vm->subscription);
        g_dbus_connection_close(vm->connection, NULL, NULL, NULL);
        g_object_unref(vm->connection);
    }
    if (vm->line != NULL)
        g_string_free(vm->line, TRUE);
    g_array_unref(vm->gone);
    g_free(vm->node);
    g_free(vm);
}

static struct vmproc *vmproc_new(struct machine *m, int pid)
{
    struct vmproc *vm = g_new0(struct vmproc, 1);

    vm->machine = m;
    vm->pid = pid;
    vm->pid_fd = vm->ready_fd = -1;
    vm->gone = g_array_new(FALSE, FALSE, sizeof(struct gone_call));
    char node[API_UUID_SIZE];
    api_node_from_uuid(m->id, node);
    vm->node = g_strconcat(API_ROOT "/console/", node, NULL);
    return vm;
}

/* ---- the end ---- */

/* inv 1 */
static void settle(struct machine *m, bool clean)
{
    struct settings_machine *s = m->settings;

    if (s != NULL) {
        s->aborted = !clean;
        s->last_state_change_s = g_get_real_time() / G_USEC_PER_SEC;
        g_autoptr(GError) error = NULL;
        if (!machine_save(m, &error))
            g_warning("%s", error->message);
    }
    m->vm = NULL;
    m->launching = false;
    g_clear_pointer(&m->session_name, g_free);
    machine_state_set(m, machine_state_at_rest(m));
}

static void remove_runtime_files(const struct machine *m)
{
    static const char *const suffixes[] = {"sock", "lock"};

    for (unsigned k = 0; k < G_N_ELEMENTS(suffixes); k++) {
        g_autofree char *path = runtime_path(m, suffixes[k]);
        g_unlink(path);
    }
}

/* A process that ended in good order wrote that into its lock file; its last message may still be on the way. */
static bool ended_well(const struct machine *m)
{
    g_autofree char *path = runtime_path(m, "lock");
    g_autofree char *mark = NULL;

    return g_file_get_contents(path, &mark, NULL, NULL) && g_str_has_prefix(mark, "off\n");
}

static void end_start(struct vmproc *vm, GError *error)
{
    struct progress *start = g_steal_pointer(&vm->start);

    vm->machine->launching = false;
    if (start != NULL)
        progress_end(start, error);
    else
        g_clear_error(&error);
}

static gboolean on_ready(int fd, GIOCondition condition, void *user);

static gboolean process_gone(int fd, GIOCondition condition, void *user)
{
    struct vmproc *vm = user;
    struct machine *m = vm->machine;
    GError *error = NULL;
    int status = 0;

    (void)fd, (void)condition;
    vm->pid_source = 0;
    if (vm->child)
        waitpid(vm->pid, &status, WNOHANG);
    while (vm->ready_fd >= 0 && on_ready(vm->ready_fd, G_IO_IN, vm) == G_SOURCE_CONTINUE)
        ;
    bool never_ran = vm->connection == NULL && vm->child;
    settle(m, never_ran || vm->expect_saved || ended_well(m));
    remove_runtime_files(m);
    if (vm->start != NULL) {
        if (vm->line != NULL && vm->line->len > 0 && strcmp(vm->line->str, "ok") != 0)
            api_fail(&error, E_FAIL, "%s", vm->line->str);
        else
            api_fail(&error, E_FAIL,
                     "The virtual machine '%s' has terminated unexpectedly during startup with exit code %d",
                     machine_name(m), WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    end_start(vm, error);
    service_emit(m->service, "SessionStateChanged", g_variant_new("(ss)", m->id, "Unlocked"));
    for (unsigned k = 0; k < vm->gone->len; k++) {
        const struct gone_call call = g_array_index(vm->gone, struct gone_call, k);
        call.fn(call.user);
    }
    struct service *s = m->service;
    vmproc_free(vm);
    service_idle_check(s);
    return G_SOURCE_REMOVE;
}

static bool watch(struct vmproc *vm, GError **error)
{
    vm->pid_fd = (int)syscall(SYS_pidfd_open, vm->pid, 0);
    if (vm->pid_fd < 0)
        return api_fail(error, VBOX_E_HOST_ERROR, "Could not watch process %d: %s", vm->pid, g_strerror(errno));
    vm->pid_source = g_unix_fd_add(vm->pid_fd, G_IO_IN, process_gone, vm);
    return true;
}

/* ---- while it runs ---- */

static void take_state(struct vmproc *vm, const char *name)
{
    struct machine *m = vm->machine;
    int state = api_enum_value("MachineState", name);

    if (state == MachineState_PoweredOff || state == MachineState_Saved || state == MachineState_Aborted) {
        machine_state_set(m, MachineState_Stopping); /* until the process is gone */
        return;
    }
    bool ours = m->state == MachineState_Saving || m->state == MachineState_Stopping;
    if (state >= 0 && !ours)
        machine_state_set(m, state);
}

static void on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *args, void *user)
{
    const char *state, *detail;

    (void)connection, (void)sender, (void)path, (void)interface, (void)signal;
    if (!g_variant_is_of_type(args, G_VARIANT_TYPE("(ss)")))
        return;
    g_variant_get(args, "(&s&s)", &state, &detail);
    take_state(user, state);
}

/* ---- connecting: two steps, given up when the process ends or does not answer in time ---- */

#define CONNECT_MS 20000u

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
        g_variant_get(reply, "(v)", &state);
        if (g_variant_is_of_type(state, G_VARIANT_TYPE_STRING))
            take_state(a->vm, g_variant_get_string(state, NULL));
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
        g_dbus_connection_signal_subscribe(connection, NULL, API_PREFIX "IInternalSessionControl", "StateChanged",
                                           vm->node, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, vm, NULL);
    g_dbus_connection_call(connection, NULL, vm->node, "org.freedesktop.DBus.Properties", "Get",
                           g_variant_new("(ss)", API_PREFIX "IInternalSessionControl", "State"), G_VARIANT_TYPE("(v)"),
                           G_DBUS_CALL_FLAGS_NONE, G_MAXINT, a->cancel, got_state, a);
}

static void abandon(struct attempt *a)
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

static void connect_to(struct vmproc *vm)
{
    g_autofree char *path = runtime_path(vm->machine, "sock");
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

/* ---- calls ---- */

struct pending {
    vmproc_reply_fn reply;
    void *user;
};

static void on_reply(GObject *source, GAsyncResult *result, void *user)
{
    struct pending *p = user;
    GError *error = NULL;
    GVariant *ret = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (error != NULL && error->domain == API_ERROR)
        g_dbus_error_strip_remote_error(error);
    else if (error != NULL)
        api_wrap(&error, VBOX_E_VM_ERROR);
    if (p->reply != NULL) {
        p->reply(p->user, ret, error);
    } else {
        g_clear_pointer(&ret, g_variant_unref);
        g_clear_error(&error);
    }
    g_free(p);
}

void vmproc_call(struct vmproc *vm, const char *interface, const char *method, GVariant *args, vmproc_reply_fn reply,
                 void *user)
{
    struct pending *p = g_new0(struct pending, 1);

    p->reply = reply;
    p->user = user;
    g_dbus_connection_call(vm->connection, NULL, vm->node, interface, method, args, NULL, G_DBUS_CALL_FLAGS_NONE,
                           G_MAXINT, NULL, on_reply, p);
}

/* ---- start ---- */

/* The machine has gone on from its saved state; the file must not be loaded again: the disks have moved on. */
static void state_used(struct machine *m)
{
    g_autoptr(GError) error = NULL;

    if (m->settings->state_file == NULL)
        return;
    g_autofree char *path = g_canonicalize_filename(m->settings->state_file, m->settings->file.folder);
    g_clear_pointer(&m->settings->state_file, g_free);
    m->settings->aborted = false;
    if (machine_save(m, &error))
        g_unlink(path);
    else
        g_warning("%s", error->message);
}

static void refused(struct vmproc *vm, GError *error)
{
    struct machine *m = vm->machine;

    if (vm->child) { /* process_gone() settles the rest */
        kill(vm->pid, SIGKILL);
        end_start(vm, error);
        return;
    }
    g_warning("The process of '%s' does not answer: %s", machine_name(m), error->message);
    g_error_free(error);
    m->vm = NULL;
    m->state = machine_state_at_rest(m);
    vmproc_free(vm);
    service_idle_check(m->service);
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
        watch(vm, &error);
    }
    if (error != NULL) {
        refused(vm, error);
        return;
    }
    if (vm->start != NULL)
        state_used(m);
    if (m->state == MachineState_Starting || m->state == MachineState_Restoring)
        machine_state_set(m, MachineState_Running);
    service_emit(m->service, "SessionStateChanged", g_variant_new("(ss)", m->id, "Locked"));
    end_start(vm, NULL);
}

/* Also called by process_gone(), which may come first: pid_source is 0 then. */
static gboolean on_ready(int fd, GIOCondition condition, void *user)
{
    struct vmproc *vm = user;
    char buf[512];
    ssize_t n = read(fd, buf, sizeof buf);

    (void)condition;
    if (n > 0 && vm->line->len < FIRST_LINE_MAX)
        g_string_append_len(vm->line, buf, n);
    char *end = strchr(vm->line->str, '\n');
    if (n > 0 && end == NULL)
        return G_SOURCE_CONTINUE;
    if (end != NULL)
        g_string_truncate(vm->line, (gsize)(end - vm->line->str));
    vm->ready_source = 0;
    close(vm->ready_fd);
    vm->ready_fd = -1;
    if (strcmp(vm->line->str, "ok") == 0 && vm->pid_source != 0)
        connect_to(vm);
    return G_SOURCE_REMOVE; /* anything else: the process ends, and process_gone() reports the line */
}

static int take_lock(const struct machine *m, GError **error)
{
    g_autofree char *path = runtime_path(m, "lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "The machine '%s' is already running (%s)", machine_name(m),
             g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The child's side of the start: only async-signal-safe calls. */
static void in_child(void *user)
{
    const int *fds = user; /* lock, pipe */

    setsid();
    fcntl(fds[0], F_SETFD, 0);
    fcntl(fds[1], F_SETFD, 0);
}

static bool spawn(struct machine *m, const int fds[2], const char *const *environment, int *ret_pid, GError **error)
{
    char lock_fd[16], ready_fd[16];
    g_auto(GStrv) env = g_get_environ();
    g_autofree char *socket = runtime_path(m, "sock");
    const char *argv[] = {m->service->config.vm_program,
                          "--startvm",
                          m->path,
                          "--comment",
                          machine_name(m),
                          "--runtime-socket",
                          socket,
                          "--runtime-lock",
                          lock_fd,
                          "--runtime-ready",
                          ready_fd,
                          NULL};

    g_snprintf(lock_fd, sizeof lock_fd, "%d", fds[0]);
    g_snprintf(ready_fd, sizeof ready_fd, "%d", fds[1]);
    for (unsigned k = 0; environment[k] != NULL; k++) {
        g_auto(GStrv) pair = g_strsplit(environment[k], "=", 2);
        if (pair[0] != NULL && pair[1] != NULL)
            env = g_environ_setenv(env, pair[0], pair[1], TRUE);
    }
    return g_spawn_async("/", (char **)argv, env,
                         G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, in_child,
                         (void *)fds, ret_pid, error) ||
           api_wrap(error, VBOX_E_HOST_ERROR);
}

bool vmproc_launch(struct machine *m, struct progress *progress, const char *frontend, const char *const *environment,
                   GError **error)
{
    int pipe_fds[2], pid;
    int lock_fd = take_lock(m, error);

    if (lock_fd < 0)
        return false;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        close(lock_fd);
        return api_fail(error, VBOX_E_HOST_ERROR, "Could not make a pipe: %s", g_strerror(errno));
    }
    const int inherited[] = {lock_fd, pipe_fds[1]};
    bool ok = spawn(m, inherited, environment, &pid, error);
    close(lock_fd); /* the process has it now */
    close(pipe_fds[1]);
    if (!ok) {
        close(pipe_fds[0]);
        remove_runtime_files(m);
        return false;
    }
    struct vmproc *vm = vmproc_new(m, pid);
    vm->child = true;
    vm->ready_fd = pipe_fds[0];
    vm->line = g_string_new(NULL);
    vm->start = progress;
    g_free(m->session_name);
    m->session_name = g_strdup(frontend);
    m->launching = true;
    m->vm = vm;
    vm->ready_source = g_unix_fd_add(vm->ready_fd, G_IO_IN | G_IO_HUP, on_ready, vm);
    if (!watch(vm, error)) {
        vm->start = NULL;
        m->launching = false;
        m->vm = NULL;
        kill(pid, SIGKILL);
        vmproc_free(vm);
        return false;
    }
    machine_state_set(m, m->settings->state_file != NULL ? MachineState_Restoring : MachineState_Starting);
    return true;
}

/* ---- adoption ---- */

static void adopt(struct machine *m)
{
    m->vm = vmproc_new(m, -1);
    m->state = MachineState_Running; /* until it says otherwise */
    m->session_name = g_strdup("headless");
    connect_to(m->vm);
}

static void died_unseen(struct machine *m)
{
    g_autoptr(GError) error = NULL;

    m->settings->aborted = !ended_well(m);
    m->settings->last_state_change_s = g_get_real_time() / G_USEC_PER_SEC;
    if (!machine_save(m, &error))
        g_warning("%s", error->message);
    m->state = machine_state_at_rest(m);
    remove_runtime_files(m);
}

void vmproc_adopt_all(struct service *s)
{
    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *m = s->machines->pdata[k];
        g_autofree char *path = runtime_path(m, "lock");
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            continue;
        bool alive = flock(fd, LOCK_EX | LOCK_NB) != 0;
        if (alive)
            adopt(m);
        else if (m->settings != NULL)
            died_unseen(m);
        close(fd);
    }
}
