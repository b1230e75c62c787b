/*
 * landlock.c - file access confined to some folders, no TCP connections or listeners, for every thread there is.
 *
 * Sources: the kernel's documentation, userspace-api/landlock; landlock_create_ruleset(2), landlock_add_rule(2),
 * landlock_restrict_self(2). Debian 12's header ends at ABI 2; what came later is named here.
 * The kernel restricts one thread at a time. Each other thread is sent a signal whose handler restricts it; lists of
 * threads are read until one brings nothing new, because an unrestricted thread may have made another meanwhile.
 * Descriptors that are open already are not affected.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rt/sandbox_int.h"

#define ACCESS_FS_ALL_1     ((UINT64_C(1) << 13) - 1)
#define ACCESS_FS_REFER     (UINT64_C(1) << 13) /* ABI 2 */
#define ACCESS_FS_TRUNCATE  (UINT64_C(1) << 14) /* ABI 3 */
#define ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define ACCESS_NET_TCP      UINT64_C(3)         /* ABI 4: bind, connect */

#define ACCESS_WRITE                                                                                                   \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                    \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | ACCESS_FS_REFER | ACCESS_FS_TRUNCATE)

#define ACCESS_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)

#define THREAD_TRIES 5000u /* milliseconds a thread may take */
#define PASSES       50u

struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net;
};

/* What signal handlers reach. */
static int ruleset_fd;
static _Atomic unsigned restricted, refused;
static sem_t answered;

static int restrict_this_thread(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, ruleset_fd, 0))
        return errno;
    return 0;
}

static void on_signal(int sig)
{
    int before = errno;

    (void)sig;
    atomic_fetch_add(restrict_this_thread() ? &refused : &restricted, 1);
    sem_post(&answered);
    errno = before;
}

/* Whether a thread answers within a millisecond. */
static bool wait_answer(void)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return sem_timedwait(&answered, &end) == 0;
}

/* Until the thread has answered or is gone. */
static int restrict_thread(pid_t tid, int sig)
{
    if (syscall(SYS_tgkill, getpid(), tid, sig))
        return errno == ESRCH ? 0 : errno;
    for (unsigned n = 0; n < THREAD_TRIES; n++)
        if (wait_answer() || syscall(SYS_tgkill, getpid(), tid, 0))
            return 0;
    return ETIMEDOUT;
}

/* One pass over the threads. @ret_new: how many were not in @known. */
static int restrict_unknown(GHashTable *known, int sig, unsigned *ret_new)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *e;
    int rc = 0;

    *ret_new = 0;
    if (dir == NULL)
        return errno;
    while (rc == 0 && (e = readdir(dir)) != NULL) {
        pid_t tid = atoi(e->d_name);
        if (tid <= 0 || !g_hash_table_add(known, GINT_TO_POINTER(tid)))
            continue;
        ++*ret_new;
        rc = restrict_thread(tid, sig);
    }
    closedir(dir);
    return rc;
}

static int restrict_all(void)
{
    g_autoptr(GHashTable) known = g_hash_table_new(NULL, NULL);
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    int sig = SIGRTMAX - 1, rc;
    unsigned fresh = 1;

    if (sem_init(&answered, 0, 0))
        return errno;
    sigemptyset(&ours.sa_mask);
    g_hash_table_add(known, GINT_TO_POINTER(syscall(SYS_gettid)));
    if (sigaction(sig, &ours, &before))
        return errno;
    rc = 0;
    for (unsigned pass = 0; rc == 0 && fresh && pass < PASSES; pass++)
        rc = restrict_unknown(known, sig, &fresh);
    if (rc == 0)
        rc = restrict_this_thread(); /* last: /proc had to be readable */
    if (rc == 0 && (fresh || atomic_load(&refused)))
        rc = EAGAIN;
    sigaction(sig, &before, NULL);
    return rc;
}

static int add_folder(const struct sandbox_folder *f, uint64_t handled)
{
    uint64_t access = f->file ? ACCESS_FILE : ACCESS_WRITE | (f->read ? LANDLOCK_ACCESS_FS_READ_FILE : 0);
    struct landlock_path_beneath_attr rule = {.allowed_access = access & handled,
                                              .parent_fd =
                                                  open(f->path, O_PATH | (f->file ? 0 : O_DIRECTORY) | O_CLOEXEC)};
    int rc = 0;

    if (rule.parent_fd < 0)
        return errno == ENOENT ? 0 : errno; /* nothing to allow */
    if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
        rc = errno;
    close(rule.parent_fd);
    return rc;
}

int landlock_apply(const struct sandbox_folder *folders, GString *ret_detail)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset_attr attr = {.handled_access_fs = ACCESS_FS_ALL_1, .handled_access_net = ACCESS_NET_TCP};
    int rc = 0;

    if (abi < 1)
        return abi < 0 ? errno : ENOSYS;
    attr.handled_access_fs |= abi >= 2 ? ACCESS_FS_REFER : 0;
    attr.handled_access_fs |= abi >= 3 ? ACCESS_FS_TRUNCATE : 0;
    attr.handled_access_fs |= abi >= 5 ? ACCESS_FS_IOCTL_DEV : 0;
    ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &attr, abi >= 4 ? sizeof attr : sizeof(uint64_t), 0);
    if (ruleset_fd < 0)
        return errno;
    for (; rc == 0 && folders->path != NULL; folders++)
        rc = add_folder(folders, attr.handled_access_fs);
    if (rc == 0)
        rc = restrict_all();
    close(ruleset_fd);
    g_string_append_printf(ret_detail, "ABI %ld, %u threads", abi, atomic_load(&restricted) + 1);
    return rc;
}
