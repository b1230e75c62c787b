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

#define ANY(call)                                                                                                      \
    {                                                                                                                  \
        .number = SYS_##call                                                                                           \
    }
#define IF(call, n, bits, val)                                                                                         \
    {                                                                                                                  \
        .number = SYS_##call, .arg = n, .mask = bits, .value = val                                                     \
    }
#define EXACT UINT64_C(0xffffffff)
#define W_X   (PROT_WRITE | PROT_EXEC)

/* Kept in a function: the process's own number is one of the values. */
static void enter(const struct sandbox_folder *folders, const struct confine *c, GString *words)
{
    const struct sandbox_call calls[] = {
        /* descriptors that are open: disks, log, terminal, serial lines, event and timer descriptors */
        ANY(read), ANY(write), ANY(readv), ANY(writev), ANY(pread64), ANY(pwrite64), ANY(preadv), ANY(pwritev),
        ANY(preadv2), ANY(pwritev2), ANY(io_uring_enter), ANY(lseek), ANY(fstat), ANY(close), ANY(dup), ANY(fcntl),
        ANY(poll), ANY(ppoll),
        /* disk images: flush, grow, discard, hand over to the host's cache */
        ANY(fsync), ANY(fdatasync), ANY(ftruncate), ANY(fallocate), ANY(fadvise64), ANY(sync_file_range),
        /* files in the machine's folder: logs, screenshots, saved states, EFI variables */
        ANY(openat), ANY(open), ANY(newfstatat), ANY(stat), ANY(lstat), ANY(statx), ANY(rename), ANY(renameat),
        ANY(renameat2), ANY(link), ANY(linkat), ANY(unlink), ANY(unlinkat), ANY(mkdir), ANY(mkdirat), ANY(access),
        ANY(faccessat), ANY(faccessat2), ANY(readlink), ANY(readlinkat), ANY(getdents64), ANY(getcwd), ANY(umask),
        ANY(statfs), ANY(fstatfs),
        /* sockets that are open: the service, a debugger or a serial line's peer comes, talks, goes */
        ANY(accept), ANY(accept4), ANY(recvfrom), ANY(sendto), ANY(recvmsg), ANY(sendmsg), ANY(shutdown),
        ANY(getsockopt), ANY(setsockopt), ANY(getsockname), ANY(getpeername),
        /* the event loop and timers */
        ANY(epoll_create1), ANY(epoll_ctl), ANY(epoll_wait), ANY(epoll_pwait), ANY(eventfd2), ANY(timerfd_create),
        ANY(timerfd_settime), ANY(timerfd_gettime), ANY(timer_create), ANY(timer_settime), ANY(timer_delete),
        ANY(clock_gettime), ANY(clock_getres), ANY(clock_nanosleep), ANY(nanosleep), ANY(gettimeofday), ANY(time),
        /* memory: guest RAM, generated code, the heap; nothing writable and executable at once */
        IF(mmap, 2, W_X, 0), IF(mmap, 2, W_X, PROT_WRITE), IF(mmap, 2, W_X, PROT_EXEC), IF(mprotect, 2, W_X, 0),
        IF(mprotect, 2, W_X, PROT_WRITE), IF(mprotect, 2, W_X, PROT_EXEC), ANY(munmap), ANY(mremap), ANY(madvise),
        ANY(brk), ANY(mincore),
        /* threads of this process, no new process: disks' threads come and go; vCPUs sleep and are woken */
        IF(clone, 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM), ANY(futex), ANY(set_robust_list),
        ANY(get_robust_list), ANY(rseq), ANY(set_tid_address), ANY(exit), ANY(exit_group), ANY(sched_yield),
        ANY(sched_getaffinity), ANY(sched_setaffinity), ANY(sched_getparam), ANY(sched_getscheduler), ANY(getcpu),
        ANY(gettid), ANY(getpid), ANY(membarrier), IF(prctl, 0, EXACT, PR_SET_NAME), IF(prctl, 0, EXACT, PR_GET_NAME),
        /* signals: host faults of vCPU threads, waking one out of guest code; none to others */
        ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(rt_sigtimedwait), ANY(sigaltstack),
        ANY(restart_syscall), IF(tgkill, 0, EXACT, (uint64_t)getpid()),
        IF(rt_tgsigqueueinfo, 0, EXACT, (uint64_t)getpid()),
        /* a segment base as a register of the recompiler */
        ANY(arch_prctl),
        /* what libraries ask about themselves */
        ANY(getrandom), ANY(uname), ANY(sysinfo), ANY(getrusage), ANY(times), ANY(getuid), ANY(geteuid), ANY(getgid),
        ANY(getegid), IF(prlimit64, 2, UINT64_MAX, 0),
        /* the terminal's modes and size, a host serial port's lines and speed */
        IF(ioctl, 1, EXACT, TCGETS), IF(ioctl, 1, EXACT, TCSETS), IF(ioctl, 1, EXACT, TCSETSW),
        IF(ioctl, 1, EXACT, TCSETSF), IF(ioctl, 1, EXACT, TIOCGWINSZ), IF(ioctl, 1, EXACT, FIONREAD),
        IF(ioctl, 1, EXACT, FIONBIO), IF(ioctl, 1, EXACT, TIOCMGET), IF(ioctl, 1, EXACT, TIOCMSET),
        IF(ioctl, 1, EXACT, TIOCMBIS), IF(ioctl, 1, EXACT, TIOCMBIC), IF(ioctl, 1, EXACT, TCSBRK),
        IF(ioctl, 1, EXACT, TCFLSH), IF(ioctl, 1, EXACT, TIOCSBRK), IF(ioctl, 1, EXACT, TIOCCBRK)};
    static const struct sandbox_call end = SANDBOX_CALLS_END;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(struct sandbox_call));

    g_array_append_vals(all, calls, G_N_ELEMENTS(calls));
    if (c->scsi) {
        const struct sandbox_call scsi = IF(ioctl, 1, EXACT, SG_IO);

        g_array_append_val(all, scsi);
    }
    for (unsigned n = 0; n < c->jail_count; n++) {
        /* raw mode: registers in and out, wait for a stop, make it stop, end it; these processes and no others */
        const uint64_t id = (uint64_t)c->jails[n], group = 0 - id;
        const struct sandbox_call jail[] = {IF(ptrace, 1, EXACT, id), IF(wait4, 0, EXACT, id),
                                            IF(wait4, 0, EXACT, group), IF(tgkill, 0, EXACT, id)};

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
