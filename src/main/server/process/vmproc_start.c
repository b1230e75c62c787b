/*
 * vmproc_start.c - a machine's process is started, or one that outlived an earlier service is found again.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "main/server/process/vmproc_int.h"

#define FIRST_LINE_MAX 4096u

/* Also called by process_gone(), which may come first: pid_source is 0 then. */
gboolean vmproc_on_ready(int fd, GIOCondition condition, void *user)
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
        vmproc_connect(vm);
    return G_SOURCE_REMOVE; /* anything else: the process ends, and process_gone() reports the line */
}

static int take_lock(const struct machine *m, GError **error)
{
    g_autofree char *path = vmproc_runtime_path(m, "lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    const bool taken = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

    /* the process writes at the descriptor's position: that stays at the start */
    if (taken && ftruncate(fd, 0) == 0 && pwrite(fd, VMPROC_OFF, strlen(VMPROC_OFF), 0) == (ssize_t)strlen(VMPROC_OFF))
        return fd;
    if (taken)
        api_fail(error, VBOX_E_HOST_ERROR, "Could not write '%s' (%s)", path, g_strerror(errno));
    else
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
    g_autofree char *socket = vmproc_runtime_path(m, "sock");
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
        vmproc_remove_files(m);
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
    vm->ready_source = g_unix_fd_add(vm->ready_fd, G_IO_IN | G_IO_HUP, vmproc_on_ready, vm);
    if (!vmproc_watch(vm, error)) {
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

#define FOUND_MS 1000u /* who comes first waits at most so long until the machines' processes have been heard */

static void adopt(struct machine *m)
{
    m->vm = vmproc_new(m, -1);
    m->state = MachineState_Starting; /* until it says otherwise */
    m->launching = true;
    m->session_name = g_strdup("headless");
    vmproc_connect(m->vm);
}

static bool all_heard(const struct service *s)
{
    for (unsigned k = 0; k < s->machines->len; k++)
        if (((const struct machine *)s->machines->pdata[k])->launching)
            return false;
    return true;
}

static gboolean too_late(void *user)
{
    *(bool *)user = true;
    return G_SOURCE_REMOVE;
}

void vmproc_adopt_all(struct service *s)
{
    bool late = false;

    for (unsigned k = 0; k < s->machines->len; k++) {
        struct machine *m = s->machines->pdata[k];
        g_autofree char *path = vmproc_runtime_path(m, "lock");
        if (vmproc_lock_held(m))
            adopt(m);
        else if (m->settings != NULL && g_file_test(path, G_FILE_TEST_EXISTS))
            vmproc_died_unseen(vmproc_new(m, -1));
    }
    guint timer = g_timeout_add(FOUND_MS, too_late, &late);
    while (!late && !all_heard(s))
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        g_source_remove(timer);
}
