/*
 * jail_make.c - how a jail comes to be.
 *
 *   owner                                      child (a fork; nothing of the owner's memory survives below)
 *   fork ------------------------------------> own namespaces, limits, no core, no new privileges, no way to gain
 *                                              executable memory, not to be looked into; descriptors: the file and the
 *                                              stub's; stub mapped; asks to be traced, jumps into the stub, traps
 *   it unmaps everything but the stub
 *   it makes the guest thread
 *   guest thread: no time stamp counter, no CPUID, no system calls            (jail_tie.c)
 *   mapper thread: nothing but mapping the file and unmapping                 (jail_tie.c)
 *
 * From the unmapping on no instruction of ours runs in there but the stub's: each step is a system call the owner has a
 * stopped thread make (jail_call).
 *
 * Sources: ptrace(2), prctl(2), rseq(2), set_robust_list(2), clone(2) CLONE_PTRACE, SDM vol. 1 13.4 (XSAVE area's size
 * in CPUID 0Dh).
 */
#include "rt/jail_int.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rt/status.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define TABLE_FD   1
#define CODE_FD    2
#define STUB_LOW   UINT64_C(0x100000000000) /* between where programs and where libraries lie */
#define STUB_RANGE UINT64_C(0x200000000000)
#define STUB_TRIES 64u

/* ---- the stub ---- */

/* clang-format off */
static const uint8_t stub_code[] = {
    [JAIL_STUB_CALL] = 0x0f, 0x05,             /*       syscall            */
    [JAIL_STUB_TRAP] = 0xcc,                   /*       int3               */
    [JAIL_STUB_BATCH] = 0x48, 0x8b, 0x03,      /* next: mov  rax, [rbx]    */
    0x48, 0x8b, 0x7b, 0x08,                    /*       mov  rdi, [rbx+8]  */
    0x48, 0x8b, 0x73, 0x10,                    /*       mov  rsi, [rbx+16] */
    0x48, 0x8b, 0x53, 0x18,                    /*       mov  rdx, [rbx+24] */
    0x4c, 0x8b, 0x53, 0x20,                    /*       mov  r10, [rbx+32] */
    0x4c, 0x8b, 0x43, 0x28,                    /*       mov  r8, [rbx+40]  */
    0x4c, 0x8b, 0x4b, 0x30,                    /*       mov  r9, [rbx+48]  */
    0x0f, 0x05,                                /*       syscall            */
    0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,        /*       cmp  rax, -4095    */
    0x73, 0x09,                                /*       jae  done          */
    0x48, 0x83, 0xc3, 0x40,                    /*       add  rbx, 64       */
    0x48, 0x39, 0xeb,                          /*       cmp  rbx, rbp      */
    0x72, 0xd2,                                /*       jb   next          */
    0xcc,                                      /* done: int3               */
    0x49, 0xff, 0xc4,                          /*       inc  r12           */
    0x48, 0x8d, 0x1d, 0xb7, 0x0f, 0x00, 0x00,  /*       lea  rbx, [table]  */
    0x48, 0x8b, 0x6b, 0x38,                    /*       mov  rbp, [rbx+56] */
    0xeb, 0xc1,                                /*       jmp  next          */
};
/* clang-format on */

/* ---- the child: async-signal-safe, on a copy of the owner's memory ---- */

struct plan {
    int ram_fd, table_fd, code_fd;
    pid_t owner;
    uint64_t stub;
    struct jail_table *table;
};

static _Noreturn void fail(const struct plan *p)
{
    p->table->failed_errno = errno != 0 ? errno : EPROTO;
    _exit(1);
}

static void own_namespaces(const struct plan *p)
{
    const int rest = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

    if (unshare(CLONE_NEWUSER | rest) != 0 && unshare(rest) != 0)
        p->table->missing_errno = errno;
}

static void limits(const struct plan *p)
{
    static const int nothing[] = {RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE};
    const struct rlimit none = {0, 0}, few = {3, 3};

    for (size_t n = 0; n < sizeof nothing / sizeof nothing[0]; n++)
        if (setrlimit((__rlimit_resource_t)nothing[n], &none) != 0)
            fail(p);
    if (setrlimit(RLIMIT_NOFILE, &few) != 0)
        fail(p);
}

static void privileges(const struct plan *p)
{
    prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); /* Linux 6.3; the filters do not need it */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        fail(p);
    if (getppid() != p->owner)
        _exit(1);
}

/* Descriptors 0, 1, 2 are the three; the copies are out of the way first. */
static void descriptors(const struct plan *p)
{
    int ram = fcntl(p->ram_fd, F_DUPFD, 10), table = fcntl(p->table_fd, F_DUPFD, 10),
        code = fcntl(p->code_fd, F_DUPFD, 10);

    if (ram < 0 || table < 0 || code < 0 || dup2(ram, (int)JAIL_RAM_FD) < 0 || dup2(table, TABLE_FD) < 0 ||
        dup2(code, CODE_FD) < 0 || syscall(SYS_close_range, 3u, ~0u, 0u) != 0)
        fail(p);
}

static void stub(const struct plan *p)
{
    void *code = (void *)(uintptr_t)p->stub, *table = (void *)(uintptr_t)(p->stub + JAIL_PAGE_BYTES);

    if (mmap(code, JAIL_PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, CODE_FD, 0) != code ||
        mmap(table, JAIL_PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, TABLE_FD, 0) != table)
        fail(p);
    close(CODE_FD);
    close(TABLE_FD);
}

/* The kernel writes there when the thread is preempted, and kills it if it cannot. */
static void no_rseq(const struct plan *p)
{
    const unsigned signature = 0x53053053;
    char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

    if (__rseq_size != 0 && syscall(SYS_rseq, area, 32u, 1, signature) != 0)
        fail(p);
}

static _Noreturn void child(const struct plan *p)
{
    sigset_t none;

    setpgid(0, 0); /* for jail_wait() */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    own_namespaces(p);
    descriptors(p);
    limits(p);
    stub(p);
    no_rseq(p);
    privileges(p);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        fail(p);
    ((void (*)(void))(uintptr_t)(p->stub + JAIL_STUB_TRAP))();
    _exit(1);
}

/* ---- the owner ---- */

static int64_t call(struct jail *j, pid_t thread, int64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    return jail_call(j, thread, number, (const uint64_t[6]){a, b, c});
}

static int unmap_all(struct jail *j)
{
    int64_t rc = call(j, j->pid, SYS_munmap, 0, j->stub, 0);

    if (rc == 0)
        rc = call(j, j->pid, SYS_munmap, j->stub + JAIL_STUB_BYTES, JAIL_TOP - j->stub - JAIL_STUB_BYTES, 0);
    return (int)-rc;
}

/*
 * What the C library has told the kernel about this thread: when the thread ends the kernel would clear its number and
 * mark locks it holds, at addresses where the guest's memory is now.
 */
static int forget_library(struct jail *j)
{
    int64_t rc = call(j, j->pid, SYS_set_tid_address, 0, 0, 0);

    if (rc >= 0)
        rc = call(j, j->pid, SYS_set_robust_list, 0, sizeof(struct robust_list_head), 0);
    return rc < 0 ? (int)-rc : 0;
}

/* It begins behind the system call that made it, where the stub's trap is; traced from its first instruction on. */
static int make_thread(struct jail *j)
{
    const uint64_t flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PTRACE;
    int64_t rc = call(j, j->pid, SYS_clone, flags, 0, 0);
    int sig;

    if (rc < 0)
        return (int)-rc;
    j->thread = (pid_t)rc;
    while ((sig = jail_wait(j, j->thread)) >= 0 && sig != SIGTRAP)
        ptrace(PTRACE_CONT, j->thread, NULL, NULL);
    return sig == SIGTRAP ? 0 : ESRCH;
}

static int tie_up(struct jail *j)
{
    static int (*const steps[])(struct jail * j) = {unmap_all, forget_library, make_thread, jail_tie};

    for (size_t n = 0; n < sizeof steps / sizeof steps[0]; n++) {
        int err = steps[n](j);
        if (err != 0)
            return err;
    }
    memset(j->table, 0, sizeof *j->table);
    return 0;
}

static size_t xstate_size(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(0xd, 0, &a, &b, &c, &d) ? b : 0;
}

static int code_file(void)
{
    int fd = memfd_create("jail stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, JAIL_PAGE_BYTES) == 0 &&
        pwrite(fd, stub_code, sizeof stub_code, 0) == (ssize_t)sizeof stub_code &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -1;
}

static int table_file(struct jail *j)
{
    int fd = memfd_create("jail table", MFD_CLOEXEC);
    void *p = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, JAIL_PAGE_BYTES) == 0)
        p = mmap(NULL, JAIL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED) {
        j->table = p;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Return: 0, or why it did not work. */
static int start(struct jail *j, const struct plan *p)
{
    pid_t pid;

    if (p->table_fd < 0 || p->code_fd < 0 || j->xstate_bytes == 0)
        return j->xstate_bytes == 0 ? ENOSYS : errno;
    pid = fork();
    if (pid == 0)
        child(p);
    if (pid < 0)
        return errno;
    j->pid = pid;
    setpgid(pid, pid); /* whoever comes first */
    if (jail_wait(j, pid) != SIGTRAP)
        return j->table->failed_errno != 0 ? j->table->failed_errno : EPROTO;
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(uintptr_t)PTRACE_O_EXITKILL) != 0)
        return errno;
    if (j->table->missing_errno != 0)
        g_snprintf(j->missing, sizeof j->missing, "namespaces (%s)", g_strerror(j->table->missing_errno));
    return tie_up(j);
}

/* The child begins as a copy of this process: nothing may lie there. */
static bool is_free(uint64_t stub)
{
    void *at = (void *)(uintptr_t)stub;
    void *p =
        mmap(at, JAIL_STUB_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (p != MAP_FAILED)
        munmap(p, JAIL_STUB_BYTES);
    return p == at;
}

uint64_t jail_choose_stub(uint64_t low, uint64_t range)
{
    uint64_t stub = low;

    for (unsigned n = 0; n < STUB_TRIES; n++) {
        uint64_t random = 0;

        if (getrandom(&random, sizeof random, 0) == (ssize_t)sizeof random)
            stub = low + random % range / JAIL_PAGE_BYTES * JAIL_PAGE_BYTES;
        if (is_free(stub))
            break;
    }
    return stub;
}

struct jail *jail_new(int fd, GError **error)
{
    struct jail *j = g_new0(struct jail, 1);
    struct plan plan = {.ram_fd = fd, .owner = getpid(), .stub = j->stub = jail_choose_stub(STUB_LOW, STUB_RANGE)};
    int err;

    j->cpu = -1;
    j->xstate_bytes = xstate_size();
    j->xstate = g_aligned_alloc0(1, j->xstate_bytes + 64, 64);
    plan.table_fd = table_file(j);
    plan.code_fd = code_file();
    plan.table = j->table;
    err = start(j, &plan);
    if (plan.table_fd >= 0)
        close(plan.table_fd);
    if (plan.code_fd >= 0)
        close(plan.code_fd);
    if (err == 0)
        return j;
    g_set_error(error, STATUS_ERROR, status_from_errno(err), "this host allows no jail: %s", g_strerror(err));
    jail_free(j);
    return NULL;
}

void jail_free(struct jail *j)
{
    if (j == NULL)
        return;
    jail_kill(j);
    if (j->table != NULL)
        munmap(j->table, JAIL_PAGE_BYTES);
    g_aligned_free(j->xstate);
    g_free(j);
}
