/*
 * rig.c - makes the jail, the canaries beside it and the counter; runs it.
 *
 * Sources: ptrace(2) PTRACE_SYSCALL, PTRACE_GET_SYSCALL_INFO; perf_event_open(2) with the tracepoint
 * raw_syscalls:sys_enter, which counts calls that seccomp has let pass.
 */
#include "rig.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <linux/elf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT(n) ((uint64_t)(n)*JAIL_PAGE_BYTES)

/* ---- canaries ---- */

static uint32_t *signals_seen;

static void seen(int signal)
{
    (void)signal;
    __atomic_fetch_add(signals_seen, 1, __ATOMIC_SEQ_CST);
}

static void canary_process(struct rig *r)
{
    r->canary_signals = mmap(NULL, JAIL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(r->canary_signals != MAP_FAILED);
    r->canary = fork();
    g_assert_cmpint(r->canary, >=, 0);
    if (r->canary > 0)
        return;
    signals_seen = r->canary_signals;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int n = 1; n < 32; n++)
        signal(n, seen);
    for (;;)
        pause();
}

static void canary_file(struct rig *r)
{
    int fd = g_file_open_tmp("escape-XXXXXX", &r->canary_file, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "untouched", 9), ==, 9);
    close(fd);
}

/* ---- the counter ---- */

static long tracepoint(const char *root)
{
    g_autofree char *path = g_build_filename(root, "events/raw_syscalls/sys_enter/id", NULL), *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? strtol(text, NULL, 10) : -1;
}

/* Where nobody has mounted tracefs a process of its own does, for itself, if it may. */
static long tracepoint_by_mounting(void)
{
    long id = -1;
    int p[2];
    pid_t pid;

    if (pipe(p) != 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
            mount("none", "/mnt", "tracefs", 0, NULL) == 0)
            id = tracepoint("/mnt");
        _exit(write(p[1], &id, sizeof id) == (ssize_t)sizeof id ? 0 : 1);
    }
    close(p[1]);
    if (read(p[0], &id, sizeof id) != (ssize_t)sizeof id)
        id = -1;
    close(p[0]);
    waitpid(pid, NULL, 0);
    return id;
}

int rig_counter(pid_t thread)
{
    long id = tracepoint("/sys/kernel/tracing");

    if (id < 0)
        id = tracepoint_by_mounting();
    if (id < 0)
        return -1;
    struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof attr, .config = (uint64_t)id};
    return (int)syscall(SYS_perf_event_open, &attr, thread, -1, -1, 0);
}

uint64_t rig_executed(const struct rig *r)
{
    uint64_t count = 0;

    if (r->counter >= 0)
        g_assert_cmpint(read(r->counter, &count, sizeof count), ==, sizeof count);
    return count;
}

/* ---- the jail ---- */

static void make_jail(struct rig *r)
{
    g_autoptr(GError) error = NULL;
    const struct jail_map maps[] = {
        {RIG_CODE, 2 * JAIL_PAGE_BYTES, AT(0), JAIL_READ | JAIL_EXEC},
        {RIG_DATA, 2 * JAIL_PAGE_BYTES, AT(2), JAIL_READ | JAIL_WRITE},
        {RIG_READ_ONLY, JAIL_PAGE_BYTES, AT(4), JAIL_READ},
    };

    r->jail = jail_new(r->ram.fd, &error);
    g_assert_no_error(error);
    g_assert_cmpint(jail_map(r->jail, maps, G_N_ELEMENTS(maps)), ==, G_N_ELEMENTS(maps));
    r->counter = rig_counter(jail_thread(r->jail));
    g_assert_true(jail_xstate_get(r->jail));
    r->xstate = g_memdup2(jail_xstate(r->jail), jail_xstate_bytes(r->jail));
}

static void unmake_jail(struct rig *r)
{
    if (r->counter >= 0)
        close(r->counter);
    g_free(r->xstate);
    jail_free(r->jail);
}

void rig_begin(struct rig *r)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(gmem_init(&r->ram, "guest", AT(RIG_PAGES), &error));
    g_assert_no_error(error);
    memset(r->ram.hva + AT(4), 0x5a, AT(RIG_PAGES - 4));
    canary_process(r);
    canary_file(r);
    make_jail(r);
}

void rig_end(struct rig *r)
{
    unmake_jail(r);
    gmem_fini(&r->ram);
    kill(r->canary, SIGKILL);
    waitpid(r->canary, NULL, 0);
    munmap(r->canary_signals, JAIL_PAGE_BYTES);
    g_unlink(r->canary_file);
    g_free(r->canary_file);
}

void rig_renew(struct rig *r)
{
    unmake_jail(r);
    make_jail(r);
}

void rig_code(struct rig *r, const uint8_t *bytes, unsigned size, unsigned bits)
{
    for (unsigned n = 0; n < sizeof r->code; n++) /* UD2, whatever the size is */
        r->code[n] = (n - size) & 1 ? 0x0b : 0x0f;
    if (size > 0)
        memcpy(r->code, bytes, size);
    memcpy(r->ram.hva, r->code, sizeof r->code);
    *jail_regs(r->jail) = (struct user_regs_struct){.rip = RIG_CODE,
                                                    .cs = bits == 32 ? JAIL_CS32 : JAIL_CS64,
                                                    .ss = JAIL_DATA,
                                                    .ds = JAIL_DATA,
                                                    .es = JAIL_DATA,
                                                    .rsp = RIG_STACK,
                                                    .eflags = 0x202};
}

bool rig_code_intact(const struct rig *r)
{
    return memcmp(r->ram.hva, r->code, sizeof r->code) == 0;
}

enum jail_end rig_run(struct rig *r, struct jail_trap *ret)
{
    memcpy(jail_xstate(r->jail), r->xstate, jail_xstate_bytes(r->jail));
    return jail_run(r->jail, true, ret);
}

/* ---- watched ---- */

/* Return: the signal @thread stopped for; 0: a system call, before or behind it; -1: it is gone. */
static int next_stop(pid_t thread)
{
    int status;

    if (ptrace(PTRACE_SYSCALL, thread, NULL, NULL) != 0)
        return -1;
    while (waitpid(thread, &status, __WALL) < 0)
        if (errno != EINTR)
            return -1;
    if (!WIFSTOPPED(status))
        return -1;
    return WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
}

static bool is_entry(pid_t thread)
{
    struct __ptrace_syscall_info info = {0};

    return ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof info, &info) > 0 &&
           info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

static enum jail_end describe(struct rig *r, int sig, struct jail_trap *ret)
{
    const pid_t thread = jail_thread(r->jail);
    siginfo_t info;

    if (ptrace(PTRACE_GETREGS, thread, NULL, jail_regs(r->jail)) != 0 ||
        ptrace(PTRACE_GETSIGINFO, thread, NULL, &info) != 0)
        return JAIL_LOST;
    *ret = (struct jail_trap){.signal = sig, .code = info.si_code};
    return info.si_code > 0 ? JAIL_TRAP : JAIL_KICKED;
}

enum jail_end rig_run_watched(struct rig *r, struct jail_trap *ret, unsigned *ret_executed)
{
    const pid_t thread = jail_thread(r->jail);
    const struct iovec clean = {r->xstate, jail_xstate_bytes(r->jail)};
    bool looked_at = false;
    int sig;

    *ret_executed = 0;
    jail_regs(r->jail)->orig_rax = UINT64_MAX;
    if (ptrace(PTRACE_SETOPTIONS, thread, NULL, (void *)(uintptr_t)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)) != 0 ||
        ptrace(PTRACE_SETREGSET, thread, (void *)(uintptr_t)NT_X86_XSTATE, &clean) != 0 ||
        ptrace(PTRACE_SETREGS, thread, NULL, jail_regs(r->jail)) != 0)
        return JAIL_LOST;
    while ((sig = next_stop(thread)) == 0) {
        if (!is_entry(thread))
            continue;
        *ret_executed += looked_at; /* the one before was not followed by a refusal */
        looked_at = true;
    }
    *ret_executed += looked_at && sig != SIGSYS;
    return sig < 0 ? JAIL_LOST : describe(r, sig, ret);
}
