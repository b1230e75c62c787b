/*
 * confine.c - the VM process's system calls and folders after set-up.
 *
 * Each group says what needs it. Paths are limited by Landlock, not here: seccomp cannot read them. What is not in the
 * table fails with EPERM: programs, new processes, sockets, tracing, mounts, keys, BPF, modules, new io_urings (the one
 * there is can only read open files: rt/aio.h) ...
 */
#include "main/vmproc/confine.h"

#include <linux/prctl.h>
#include <sched.h>
#include <scsi/sg.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "rt/log.h"
#include "rt/sandbox.h"

#define EXACT UINT64_C(0xffffffff)
#define W_X   (PROT_WRITE | PROT_EXEC)

/* Kept in a function: the process's own number is one of the values. */
static void enter(const struct sandbox_folder *folders, const struct confine *c, GString *words)
{
    const struct sandbox_call calls[] = {
        /* descriptors that are open: disks, log, terminal, serial lines, event and timer descriptors */
        SANDBOX_ANY(read), SANDBOX_ANY(write), SANDBOX_ANY(readv), SANDBOX_ANY(writev), SANDBOX_ANY(pread64),
        SANDBOX_ANY(pwrite64), SANDBOX_ANY(preadv), SANDBOX_ANY(pwritev), SANDBOX_ANY(preadv2), SANDBOX_ANY(pwritev2),
        SANDBOX_ANY(io_uring_enter), SANDBOX_ANY(lseek), SANDBOX_ANY(fstat), SANDBOX_ANY(close), SANDBOX_ANY(dup),
        SANDBOX_ANY(fcntl), SANDBOX_ANY(poll), SANDBOX_ANY(ppoll),
        /* disk images: flush, grow, discard, hand over to the host's cache */
        SANDBOX_ANY(fsync), SANDBOX_ANY(fdatasync), SANDBOX_ANY(ftruncate), SANDBOX_ANY(fallocate),
        SANDBOX_ANY(fadvise64), SANDBOX_ANY(sync_file_range),
        /* files in the machine's folder: logs, screenshots, saved states, EFI variables */
        SANDBOX_ANY(openat), SANDBOX_ANY(open), SANDBOX_ANY(newfstatat), SANDBOX_ANY(stat), SANDBOX_ANY(lstat),
        SANDBOX_ANY(statx), SANDBOX_ANY(rename), SANDBOX_ANY(renameat), SANDBOX_ANY(renameat2), SANDBOX_ANY(link),
        SANDBOX_ANY(linkat), SANDBOX_ANY(unlink), SANDBOX_ANY(unlinkat), SANDBOX_ANY(mkdir), SANDBOX_ANY(mkdirat),
        SANDBOX_ANY(access), SANDBOX_ANY(faccessat), SANDBOX_ANY(faccessat2), SANDBOX_ANY(readlink),
        SANDBOX_ANY(readlinkat), SANDBOX_ANY(getdents64), SANDBOX_ANY(getcwd), SANDBOX_ANY(umask), SANDBOX_ANY(statfs),
        SANDBOX_ANY(fstatfs),
        /* sockets that are open: the service, a debugger or a serial line's peer comes, talks, goes */
        SANDBOX_ANY(accept), SANDBOX_ANY(accept4), SANDBOX_ANY(recvfrom), SANDBOX_ANY(sendto), SANDBOX_ANY(recvmsg),
        SANDBOX_ANY(sendmsg), SANDBOX_ANY(shutdown), SANDBOX_ANY(getsockopt), SANDBOX_ANY(setsockopt),
        SANDBOX_ANY(getsockname), SANDBOX_ANY(getpeername),
        /* the event loop and timers */
        SANDBOX_ANY(epoll_create1), SANDBOX_ANY(epoll_ctl), SANDBOX_ANY(epoll_wait), SANDBOX_ANY(epoll_pwait),
        SANDBOX_ANY(eventfd2), SANDBOX_ANY(timerfd_create), SANDBOX_ANY(timerfd_settime), SANDBOX_ANY(timerfd_gettime),
        SANDBOX_ANY(timer_create), SANDBOX_ANY(timer_settime), SANDBOX_ANY(timer_delete), SANDBOX_ANY(clock_gettime),
        SANDBOX_ANY(clock_getres), SANDBOX_ANY(clock_nanosleep), SANDBOX_ANY(nanosleep), SANDBOX_ANY(gettimeofday),
        SANDBOX_ANY(time),
        /* memory: guest RAM, generated code, the heap; nothing writable and executable at once */
        SANDBOX_IF(mmap, 2, W_X, 0), SANDBOX_IF(mmap, 2, W_X, PROT_WRITE), SANDBOX_IF(mmap, 2, W_X, PROT_EXEC),
        SANDBOX_IF(mprotect, 2, W_X, 0), SANDBOX_IF(mprotect, 2, W_X, PROT_WRITE),
        SANDBOX_IF(mprotect, 2, W_X, PROT_EXEC), SANDBOX_ANY(munmap), SANDBOX_ANY(mremap), SANDBOX_ANY(madvise),
        SANDBOX_ANY(brk), SANDBOX_ANY(mincore),
        /* threads of this process, no new process: disks' threads come and go; vCPUs sleep and are woken */
        SANDBOX_IF(clone, 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM), SANDBOX_ANY(futex),
        SANDBOX_ANY(set_robust_list), SANDBOX_ANY(get_robust_list), SANDBOX_ANY(rseq), SANDBOX_ANY(set_tid_address),
        SANDBOX_ANY(exit), SANDBOX_ANY(exit_group), SANDBOX_ANY(sched_yield), SANDBOX_ANY(sched_getaffinity),
        SANDBOX_ANY(sched_setaffinity), SANDBOX_ANY(sched_getparam), SANDBOX_ANY(sched_getscheduler),
        SANDBOX_ANY(getcpu), SANDBOX_ANY(gettid), SANDBOX_ANY(getpid), SANDBOX_ANY(membarrier),
        SANDBOX_IF(prctl, 0, EXACT, PR_SET_NAME), SANDBOX_IF(prctl, 0, EXACT, PR_GET_NAME),
        /* signals: host faults of vCPU threads, waking one out of guest code; none to others */
        SANDBOX_ANY(rt_sigaction), SANDBOX_ANY(rt_sigprocmask), SANDBOX_ANY(rt_sigreturn), SANDBOX_ANY(rt_sigtimedwait),
        SANDBOX_ANY(sigaltstack), SANDBOX_ANY(restart_syscall), SANDBOX_IF(tgkill, 0, EXACT, (uint64_t)getpid()),
        SANDBOX_IF(rt_tgsigqueueinfo, 0, EXACT, (uint64_t)getpid()),
        /* a segment base as a register of the recompiler */
        SANDBOX_ANY(arch_prctl),
        /* what libraries ask about themselves */
        SANDBOX_ANY(getrandom), SANDBOX_ANY(uname), SANDBOX_ANY(sysinfo), SANDBOX_ANY(getrusage), SANDBOX_ANY(times),
        SANDBOX_ANY(getuid), SANDBOX_ANY(geteuid), SANDBOX_ANY(getgid), SANDBOX_ANY(getegid),
        SANDBOX_IF(prlimit64, 2, UINT64_MAX, 0),
        /* the terminal's modes and size, a host serial port's lines and speed */
        SANDBOX_IF(ioctl, 1, EXACT, TCGETS), SANDBOX_IF(ioctl, 1, EXACT, TCSETS), SANDBOX_IF(ioctl, 1, EXACT, TCSETSW),
        SANDBOX_IF(ioctl, 1, EXACT, TCSETSF), SANDBOX_IF(ioctl, 1, EXACT, TIOCGWINSZ),
        SANDBOX_IF(ioctl, 1, EXACT, FIONREAD), SANDBOX_IF(ioctl, 1, EXACT, FIONBIO),
        SANDBOX_IF(ioctl, 1, EXACT, TIOCMGET), SANDBOX_IF(ioctl, 1, EXACT, TIOCMSET),
        SANDBOX_IF(ioctl, 1, EXACT, TIOCMBIS), SANDBOX_IF(ioctl, 1, EXACT, TIOCMBIC),
        SANDBOX_IF(ioctl, 1, EXACT, TCSBRK), SANDBOX_IF(ioctl, 1, EXACT, TCFLSH), SANDBOX_IF(ioctl, 1, EXACT, TIOCSBRK),
        SANDBOX_IF(ioctl, 1, EXACT, TIOCCBRK)};
    static const struct sandbox_call end = SANDBOX_CALLS_END;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(struct sandbox_call));

    g_array_append_vals(all, calls, G_N_ELEMENTS(calls));
    if (c->scsi) {
        const struct sandbox_call scsi = SANDBOX_IF(ioctl, 1, EXACT, SG_IO);

        g_array_append_val(all, scsi);
    }
    for (unsigned n = 0; n < c->jail_count; n++) {
        /* raw mode: registers in and out, wait for a stop, make it stop, end it; these processes and no others */
        const uint64_t id = (uint64_t)c->jails[n], group = 0 - id;
        const struct sandbox_call jail[] = {SANDBOX_IF(ptrace, 1, EXACT, id), SANDBOX_IF(wait4, 0, EXACT, id),
                                            SANDBOX_IF(wait4, 0, EXACT, group), SANDBOX_IF(tgkill, 0, EXACT, id)};

        g_array_append_vals(all, jail, G_N_ELEMENTS(jail));
    }
    g_array_append_val(all, end);
    sandbox_enter(&(struct sandbox_conf){.calls = (const struct sandbox_call *)(void *)all->data, .folders = folders},
                  words);
}

static void add(GArray *rules, const char *path, bool file)
{
    const struct sandbox_folder rule = {.path = path, .read = true, .file = file};

    g_array_append_val(rules, rule);
}

void confine(const struct confine *c)
{
    g_autofree char *picture_folder = c->screenshot != NULL ? g_path_get_dirname(c->screenshot) : NULL;
    g_autoptr(GArray) rules = g_array_new(TRUE, TRUE, sizeof(struct sandbox_folder)); /* ends with zeros */
    g_autoptr(GString) words = g_string_new(NULL);

    add(rules, c->machine_folder, false);
    add(rules, c->log_folder, false);
    add(rules, c->snapshot_folder, false);
    for (unsigned k = 0; c->images[k] != NULL; k++)
        add(rules, c->images[k], true);
    if (picture_folder != NULL) {
        add(rules, picture_folder, false);
        g_array_index(rules, struct sandbox_folder, rules->len - 1).read = false;
    }
    enter((const struct sandbox_folder *)(void *)rules->data, c, words);
    log_rel("Sandbox: %s", words->str);
}
