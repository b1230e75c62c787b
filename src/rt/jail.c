/*
 * jail.c - runs a jail: registers in, registers out, mappings changed by its mapper thread.
 *
 * Sources: ptrace(2) (PTRACE_CONT with signal 0: the signal that stopped the thread is never delivered, so nothing in
 * there needs or has a handler), wait(2) __WALL, seccomp(2) SECCOMP_RET_TRAP.
 * A stop costs a switch to this thread on the same CPU: the guest thread follows this thread from CPU to CPU, because
 * waking another CPU is an order of magnitude dearer.
 */
#include "rt/jail_int.h"

#include <errno.h>
#include <linux/elf.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KICK SIGUSR1
/* ptrace() is variadic and takes pointers for everything. */
#define NOTHING        ((void *)0)
#define NUMBER(n)      ((void *)(uintptr_t)(n))
#define CPUCLOCK_SCHED 2u /* of a process's clock: clock_getcpuclockid(3) */
#define ERRORS_BELOW   ((uint64_t)-4096)

int jail_wait(struct jail *j, pid_t thread)
{
    /* The end of a process is not reported while its second thread, traced as well, has not been waited for. */
    const pid_t whom = thread == j->pid && j->thread > 0 ? -j->pid : thread;
    int status;
    pid_t got;

    do
        got = waitpid(whom, &status, __WALL);
    while (got < 0 && errno == EINTR);
    if (got == thread && WIFSTOPPED(status))
        return WSTOPSIG(status);
    j->lost = true;
    return -1;
}

static bool go_on(struct jail *j, pid_t thread)
{
    if (ptrace(PTRACE_CONT, thread, NOTHING, NOTHING) == 0)
        return true;
    j->lost = true;
    return false;
}

/* From where it stands to the stub's trap; other signals than that are of no interest to a thread in the stub. */
static bool to_trap(struct jail *j, pid_t thread, struct user_regs_struct *regs)
{
    int sig;

    do {
        if (!go_on(j, thread))
            return false;
        sig = jail_wait(j, thread);
    } while (sig >= 0 && sig != SIGTRAP);
    return sig == SIGTRAP && ptrace(PTRACE_GETREGS, thread, NOTHING, regs) == 0;
}

/* Likewise from the stub's entry in @regs. */
static bool run_stub(struct jail *j, pid_t thread, struct user_regs_struct *regs)
{
    regs->orig_rax = UINT64_MAX; /* no system call to be restarted */
    j->mapper_ready = false;
    if (ptrace(PTRACE_SETREGS, thread, NOTHING, regs) != 0) {
        j->lost = true;
        return false;
    }
    return to_trap(j, thread, regs);
}

int64_t jail_call(struct jail *j, pid_t thread, int64_t number, const uint64_t args[6])
{
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, thread, NOTHING, &regs) != 0)
        return -ESRCH;
    regs.rip = j->stub + JAIL_STUB_CALL;
    regs.rsp = 0;
    regs.rax = (uint64_t)number;
    regs.rdi = args[0], regs.rsi = args[1], regs.rdx = args[2];
    regs.r10 = args[3], regs.r8 = args[4], regs.r9 = args[5];
    return run_stub(j, thread, &regs) ? (int64_t)regs.rax : -ESRCH;
}

/* ---- mappings ---- */

static struct jail_row row_of(const struct jail_map *m)
{
    static const uint8_t prot[8] = {[JAIL_READ] = PROT_READ,
                                    [JAIL_WRITE] = PROT_READ | PROT_WRITE,
                                    [JAIL_READ | JAIL_WRITE] = PROT_READ | PROT_WRITE,
                                    [JAIL_EXEC] = PROT_READ | PROT_EXEC,
                                    [JAIL_READ | JAIL_EXEC] = PROT_READ | PROT_EXEC};

    if (prot[m->rights & 7] == 0)
        return (struct jail_row){.call = SYS_munmap, .arg = {m->address, m->bytes}};
    return (struct jail_row){
        .call = SYS_mmap,
        .arg = {m->address, m->bytes, prot[m->rights & 7], JAIL_MAP_FLAGS, JAIL_RAM_FD, m->file_offset}};
}

static bool outside_stub(const struct jail *j, const struct jail_map *m)
{
    return m->address <= JAIL_TOP && m->bytes <= JAIL_TOP - m->address &&
           (m->address + m->bytes <= j->stub || m->address >= j->stub + JAIL_STUB_BYTES);
}

/*
 * The rows from @table to @end, by the mapper thread; most of the time it waits for just that. A SIGTRAP from outside
 * is not the end: then it has not come to its own trap, or not begun.
 */
static bool run_rows(struct jail *j, uint64_t table, uint64_t end, struct user_regs_struct *regs)
{
    bool ran;

    j->table->row[0].end = end;
    if (j->mapper_ready) {
        j->batches++;
        ran = to_trap(j, j->pid, regs);
    } else {
        if (ptrace(PTRACE_GETREGS, j->pid, NOTHING, regs) != 0)
            return false;
        regs->rip = j->stub + JAIL_STUB_BATCH;
        regs->rbx = table;
        regs->rbp = end;
        regs->r12 = j->batches;
        ran = run_stub(j, j->pid, regs);
    }
    while (ran && (regs->rip != j->stub + JAIL_STUB_MORE || regs->r12 != j->batches))
        ran = to_trap(j, j->pid, regs);
    j->mapper_ready = ran;
    return ran;
}

int jail_map(struct jail *j, const struct jail_map *maps, unsigned count)
{
    const uint64_t table = j->stub + JAIL_PAGE_BYTES;
    struct user_regs_struct regs;
    unsigned rows = 0, done;

    if (j->lost)
        return -1;
    while (rows < count && rows < JAIL_MAPS_MAX && outside_stub(j, &maps[rows])) {
        j->table->row[rows] = row_of(&maps[rows]);
        rows++;
    }
    if (rows == 0)
        return 0;
    if (!run_rows(j, table, table + rows * sizeof(struct jail_row), &regs))
        return -1;
    done = (unsigned)((regs.rbx - table) / sizeof(struct jail_row));
    memset(j->table->row, 0, rows * sizeof(struct jail_row)); /* the guest can read it and need not know */
    return (int)MIN(done, rows);
}

/* ---- running ---- */

static void follow(struct jail *j)
{
    int here = sched_getcpu();
    cpu_set_t set;

    if (here == j->cpu || here < 0 || here >= CPU_SETSIZE)
        return;
    CPU_ZERO(&set);
    CPU_SET((unsigned)here, &set);
    sched_setaffinity(j->thread, sizeof set, &set);
    sched_setaffinity(j->pid, sizeof set, &set);
    j->cpu = here;
}

/* Only the host CPU's exceptions and the filter's refusal are the guest's own doing. */
static bool own_doing(int sig, const siginfo_t *info)
{
    switch (sig) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS: return info->si_code > 0;
    default: return false;
    }
}

static void describe(int sig, const siginfo_t *info, struct jail_trap *ret)
{
    bool page_fault = (sig == SIGSEGV || sig == SIGBUS) && info->si_code != SI_KERNEL;

    ret->signal = sig;
    ret->code = info->si_code;
    ret->address = page_fault ? (uint64_t)(uintptr_t)info->si_addr : 0;
    if (sig == SIGSYS)
        ret->address = (uint64_t)(uintptr_t)info->si_call_addr;
}

static bool put_xstate(struct jail *j)
{
    struct iovec v = {j->xstate, j->xstate_bytes};

    return ptrace(PTRACE_SETREGSET, j->thread, NUMBER(NT_X86_XSTATE), &v) == 0;
}

bool jail_xstate_get(struct jail *j)
{
    struct iovec v = {j->xstate, j->xstate_bytes};

    return !j->lost && ptrace(PTRACE_GETREGSET, j->thread, NUMBER(NT_X86_XSTATE), &v) == 0;
}

static enum jail_end lost(struct jail *j)
{
    j->lost = true;
    return JAIL_LOST;
}

enum jail_end jail_run(struct jail *j, bool new_xstate, struct jail_trap *ret)
{
    siginfo_t info;
    int sig;

    if (j->lost)
        return JAIL_LOST;
    follow(j);
    j->regs.orig_rax = UINT64_MAX;
    if ((new_xstate && !put_xstate(j)) || ptrace(PTRACE_SETREGS, j->thread, NOTHING, &j->regs) != 0 ||
        !go_on(j, j->thread))
        return lost(j);
    sig = jail_wait(j, j->thread);
    if (sig < 0 || ptrace(PTRACE_GETREGS, j->thread, NOTHING, &j->regs) != 0)
        return lost(j);
    if (ptrace(PTRACE_GETSIGINFO, j->thread, NOTHING, &info) != 0 || !own_doing(sig, &info))
        return JAIL_KICKED;
    describe(sig, &info, ret);
    return JAIL_TRAP;
}

void jail_kick(const struct jail *j)
{
    syscall(SYS_tgkill, j->pid, j->thread, KICK);
}

void jail_kill(struct jail *j)
{
    int status;

    if (j->pid <= 0)
        return;
    syscall(SYS_tgkill, j->pid, j->pid, SIGKILL); /* takes the whole process; kill() would need a rule of its own */
    while (j->thread > 0 && waitpid(j->thread, &status, __WALL) == j->thread && !WIFEXITED(status) &&
           !WIFSIGNALED(status))
        ;
    while (waitpid(j->pid, &status, __WALL) == j->pid && !WIFEXITED(status) && !WIFSIGNALED(status))
        ;
    j->lost = true;
}

/* ---- what is known about it ---- */

uint64_t jail_stub(const struct jail *j)
{
    return j->stub;
}

pid_t jail_pid(const struct jail *j)
{
    return j->pid;
}

pid_t jail_thread(const struct jail *j)
{
    return j->thread;
}

uint64_t jail_used_ns(const struct jail *j)
{
    const clockid_t clock = (clockid_t)((unsigned)~j->pid << 3 | CPUCLOCK_SCHED);
    struct timespec t;

    return clock_gettime(clock, &t) == 0 ? (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec : 0;
}

const char *jail_missing(const struct jail *j)
{
    return j->missing;
}

uint16_t jail_based_selector(const struct jail *j)
{
    return j->based_selector;
}

bool jail_cpuid_traps(const struct jail *j)
{
    return j->cpuid_traps;
}

struct user_regs_struct *jail_regs(struct jail *j)
{
    return &j->regs;
}

uint8_t *jail_xstate(struct jail *j)
{
    return j->xstate;
}

size_t jail_xstate_bytes(const struct jail *j)
{
    return j->xstate_bytes;
}
