/*
 * jail_tie.c - takes a jail's two threads the right to make system calls: what is left to each is in its filter.
 *
 * Each step is a system call the owner has the stopped thread make. The guest thread's filter is checked by trying what
 * it forbids before the jail is given out.
 *
 * Sources: seccomp(2), prctl(2) (PR_SET_SYSCALL_USER_DISPATCH), ptrace(2) PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG,
 * arch_prctl(2) ARCH_SET_CPUID. Left out: switching off speculation (PR_SET_SPECULATION_CTRL): side channels are
 * outside what the jail promises.
 */
#include "rt/jail_int.h"

#include <asm/ldt.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID 0x1012
#endif
#ifndef PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG 0x4210
#endif

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif
#ifndef PTRACE_SET_THREAD_AREA
#define PTRACE_SET_THREAD_AREA 26
#endif

#define TLS_ENTRY         12 /* the first a thread may set */
#define REFUSED_BY_FILTER 1  /* si_code: SYS_SECCOMP */
#define NUMBER(n)         ((void *)(uintptr_t)(n))

static int64_t call(struct jail *j, pid_t thread, int64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    return jail_call(j, thread, number, (const uint64_t[6]){a, b, c});
}

static int install(struct jail *j, pid_t thread, const struct sock_filter *program, unsigned length)
{
    const uint64_t table = j->stub + JAIL_PAGE_BYTES;

    memcpy(j->table->program, program, length * sizeof *program);
    j->table->length = (uint16_t)length;
    j->table->at = table + offsetof(struct jail_table, program);
    return (int)-call(j, thread, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, table + offsetof(struct jail_table, length));
}

/*
 * The filter is the boundary. But two calls pass every filter, because the kernel's own trampolines make them
 * (uretprobe and uprobe, Linux 6.11 and 6.17; from elsewhere they do nothing): what the guest gets must be its own
 * kernel's answer. Dispatch catches them. The filter is installed from the stub, so what comes from there has to pass
 * until then: catch_all(). Kernels without all of this have no such calls.
 */
static int tie_guest_thread(struct jail *j)
{
    static const struct sock_filter no[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)};
    int64_t rc = call(j, j->thread, SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0);

    jail_call(j, j->thread, SYS_prctl,
              (const uint64_t[6]){PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, j->stub, JAIL_STUB_BYTES, 0});
    j->cpuid_traps = call(j, j->thread, SYS_arch_prctl, ARCH_SET_CPUID, 0, 0) == 0;
    return rc != 0 ? (int)-rc : install(j, j->thread, no, 1);
}

#define LOAD(field)         BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define HALF(n, high)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]) + 4 * (high))
#define KILL                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define PASS                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skip)

/* munmap; mmap of the file, shared, at a fixed place, never writable and executable. */
static int tie_mapper_thread(struct jail *j)
{
    const struct sock_filter program[] = {
        LOAD(arch),
        UNLESS(AUDIT_ARCH_X86_64, 14),
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 11, 0),
        UNLESS(SYS_mmap, 11),
        HALF(3, 0),
        UNLESS(JAIL_MAP_FLAGS, 9),
        HALF(4, 0),
        UNLESS(JAIL_RAM_FD, 7),
        HALF(2, 1),
        UNLESS(0, 5),
        HALF(2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_READ, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_READ | PROT_WRITE, 1, 0),
        UNLESS(PROT_READ | PROT_EXEC, 1),
        PASS,
        KILL,
    };

    return install(j, j->pid, program, G_N_ELEMENTS(program));
}

/* What the guest thread must never get: asked for once, it has to come back as a refusal. */
static int try_filter(struct jail *j)
{
    struct user_regs_struct *r = &j->regs;
    struct jail_trap trap;

    if (ptrace(PTRACE_GETREGS, j->thread, NULL, r) != 0)
        return errno;
    r->rip = j->stub + JAIL_STUB_CALL;
    r->rax = SYS_getpid;
    if (jail_run(j, false, &trap) != JAIL_TRAP || trap.signal != SIGSYS || trap.code != REFUSED_BY_FILTER ||
        r->rax != SYS_getpid)
        return EPROTO;
    return 0;
}

/*
 * FS and GS of 32-bit code need a descriptor that is not the null one. Its base does not matter where the kernel keeps
 * bases apart from selectors; where it does not there is no such selector.
 */
static int make_segment(struct jail *j)
{
    const struct user_desc flat = {
        .entry_number = TLS_ENTRY, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};

    if ((getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) &&
        ptrace((enum __ptrace_request)PTRACE_SET_THREAD_AREA, j->thread, NUMBER(TLS_ENTRY), &flat) == 0)
        j->based_selector = TLS_ENTRY << 3 | 3;
    return 0;
}

/* From now on dispatch lets nothing pass, the stub's calls neither. The mapper thread has none. */
static int catch_all(struct jail *j)
{
    const struct {
        uint64_t mode, selector, offset, length;
    } all = {PR_SYS_DISPATCH_ON, 0, 0, 0};

    if (ptrace((enum __ptrace_request)PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, j->thread, NUMBER(sizeof all), &all) !=
            0 &&
        errno != EIO && errno != EINVAL)
        return errno;
    return 0;
}

int jail_tie(struct jail *j)
{
    static int (*const steps[])(struct jail * j) = {tie_guest_thread, make_segment, tie_mapper_thread, try_filter,
                                                    catch_all};

    for (size_t n = 0; n < sizeof steps / sizeof steps[0]; n++) {
        int err = steps[n](j);
        if (err != 0)
            return err;
    }
    return 0;
}
