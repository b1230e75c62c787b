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
#include <gio/gunixfdlist.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "main/server/process/vmproc_int.h"

char *vmproc_runtime_path(const struct machine *m, const char *suffix)
{
    return g_strdup_printf("%s/vm-%s.%s", m->service->config.runtime, m->id, suffix);
}

int vmproc_pid(const struct vmproc *vm)
{
    return vm->pid;
}

unsigned vmproc_leds(const struct vmproc *vm)
{
    return vm->leds;
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

void vmproc_free(struct vmproc *vm)
{
    if (vm == NULL)
        return;
    if (vm->pid_source != 0)
        g_source_remove(vm->pid_source);
    if (vm->ready_source != 0)
        g_source_remove(vm->ready_source);
    if (vm->again_source != 0)
        g_source_remove(vm->again_source);
    if (vm->pid_fd >= 0)
        close(vm->pid_fd);
    if (vm->ready_fd >= 0)
        close(vm->ready_fd);
    if (vm->attempt != NULL)
        vmproc_abandon(vm->attempt);
    if (vm->connection != NULL) {
        g_dbus_connection_signal_unsubscribe(vm->connection, vm->subscription);
        g_dbus_connection_close(vm->connection, NULL, NULL, NULL);
        g_object_unref(vm->connection);
    }
    if (vm->line != NULL)
        g_string_free(vm->line, TRUE);
    g_array_unref(vm->gone);
    g_free(vm->saved);
    g_free(vm->node);
    g_free(vm);
}

struct vmproc *vmproc_new(struct machine *m, int pid)
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

    g_ptr_array_set_size(m->transient_folders, 0);
    if (s != NULL) {
        if (s->state_file == NULL)
            guest_properties_ended(m);
        s->aborted = !clean;
        s->last_state_change_s = g_get_real_time() / G_USEC_PER_SEC;
        g_autoptr(GError) error = NULL;
        if (!machine_save(m, &error))
            g_warning("%s", error->message);
    }
    m->vm = NULL;
    m->launching = m->saving = false;
    g_clear_pointer(&m->session_name, g_free);
    machine_state_set(m, machine_state_at_rest(m));
}

void vmproc_remove_files(const struct machine *m)
{
    static const char *const suffixes[] = {"sock", "lock"};

    for (unsigned k = 0; k < G_N_ELEMENTS(suffixes); k++) {
        g_autofree char *path = vmproc_runtime_path(m, suffixes[k]);
        g_unlink(path);
    }
}

bool vmproc_lock_held(const struct machine *m)
{
    g_autofree char *path = vmproc_runtime_path(m, "lock");
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return false;
    bool held = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return held;
}

bool vmproc_ended_well(const struct machine *m)
{
    g_autofree char *path = vmproc_runtime_path(m, "lock");
    g_autofree char *mark = NULL;

    return g_file_get_contents(path, &mark, NULL, NULL) && g_str_has_prefix(mark, VMPROC_OFF);
}

void vmproc_end_start(struct vmproc *vm, GError *error)
{
    struct progress *start = g_steal_pointer(&vm->start);

    vm->machine->launching = false;
    if (start != NULL)
        progress_end(start, error);
    else
        g_clear_error(&error);
}

void vmproc_died_unseen(struct vmproc *vm)
{
    struct machine *m = vm->machine;

    settle(m, vmproc_ended_well(m));
    vmproc_remove_files(m);
    vmproc_free(vm);
    pending_recover(m);
    service_idle_check(m->service);
}

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
    while (vm->ready_fd >= 0 && vmproc_on_ready(vm->ready_fd, G_IO_IN, vm) == G_SOURCE_CONTINUE)
        ;
    bool never_ran = vm->connection == NULL && vm->child;
    settle(m, never_ran || vm->expect_saved || vmproc_ended_well(m));
    vmproc_remove_files(m);
    if (vm->start != NULL) {
        if (vm->line != NULL && vm->line->len > 0 && strcmp(vm->line->str, "ok") != 0)
            api_fail(&error, E_FAIL, "%s", vm->line->str);
        else
            api_fail(&error, E_FAIL,
                     "The virtual machine '%s' has terminated unexpectedly during startup with exit code %d",
                     machine_name(m), WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    vmproc_end_start(vm, error);
    service_emit(m->service, "SessionStateChanged", g_variant_new("(ss)", m->id, "Unlocked"));
    for (unsigned k = 0; k < vm->gone->len; k++) {
        const struct gone_call call = g_array_index(vm->gone, struct gone_call, k);
        call.fn(call.user);
    }
    struct service *s = m->service;
    vmproc_free(vm);
    pending_recover(m);
    service_idle_check(s);
    return G_SOURCE_REMOVE;
}

bool vmproc_watch(struct vmproc *vm, GError **error)
{
    vm->pid_fd = (int)syscall(SYS_pidfd_open, vm->pid, 0);
    if (vm->pid_fd < 0)
        return api_fail(error, VBOX_E_HOST_ERROR, "Could not watch process %d: %s", vm->pid, g_strerror(errno));
    vm->pid_source = g_unix_fd_add(vm->pid_fd, G_IO_IN, process_gone, vm);
    return true;
}

/* ---- calls ---- */

struct pending {
    vmproc_reply_fn reply;
    void *user;
    char *name; /* the machine's: its process may be gone when the answer comes */
};

/* The process ended before it answered: what that means to who asked. */
static void say_ended(GError **error, const char *name)
{
    const bool ended = g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_CLOSED) ||
                       g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE) ||
                       g_error_matches(*error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED);

    if (!ended)
        return;
    g_clear_error(error);
    api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is not currently running.", name);
}

static void on_reply(GObject *source, GAsyncResult *result, void *user)
{
    struct pending *p = user;
    GError *error = NULL;
    GVariant *ret = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), NULL, result, &error);

    if (error != NULL && error->domain == API_ERROR)
        g_dbus_error_strip_remote_error(error);
    say_ended(&error, p->name);
    api_wrap(&error, VBOX_E_VM_ERROR);
    if (p->reply != NULL) {
        p->reply(p->user, ret, error);
    } else {
        g_clear_pointer(&ret, g_variant_unref);
        g_clear_error(&error);
    }
    g_free(p->name);
    g_free(p);
}

void vmproc_call_fd(struct vmproc *vm, const char *interface, const char *method, GVariant *args, int fd,
                    vmproc_reply_fn reply, void *user)
{
    g_autoptr(GUnixFDList) fds = fd >= 0 ? g_unix_fd_list_new() : NULL;
    struct pending *p = g_new0(struct pending, 1);

    p->reply = reply;
    p->user = user;
    p->name = g_strdup(machine_name(vm->machine));
    if (fds != NULL)
        g_unix_fd_list_append(fds, fd, NULL); /* one that cannot be duplicated is missed by the process */
    g_dbus_connection_call_with_unix_fd_list(vm->connection, NULL, vm->node, interface, method, args, NULL,
                                             G_DBUS_CALL_FLAGS_NONE, G_MAXINT, fds, NULL, on_reply, p);
}

void vmproc_call(struct vmproc *vm, const char *interface, const char *method, GVariant *args, vmproc_reply_fn reply,
                 void *user)
{
    vmproc_call_fd(vm, interface, method, args, -1, reply, user);
}

bool vmproc_call_now(struct vmproc *vm, const char *method, GVariant *args, int fd, GError **error)
{
    g_autoptr(GUnixFDList) fds = fd >= 0 ? g_unix_fd_list_new() : NULL;
    g_autoptr(GVariant) call = g_variant_ref_sink(args);
    g_autoptr(GVariant) ret = NULL;

    if (vm->connection == NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "The machine's process does not listen yet");
    if (fds != NULL && g_unix_fd_list_append(fds, fd, error) < 0)
        return false;
    ret = g_dbus_connection_call_with_unix_fd_list_sync(vm->connection, NULL, vm->node,
                                                        API_PREFIX "IInternalSessionControl", method, call, NULL,
                                                        G_DBUS_CALL_FLAGS_NONE, 5000, fds, NULL, NULL, error);
    if (ret == NULL && error != NULL)
        say_ended(error, machine_name(vm->machine));
    return ret != NULL;
}
