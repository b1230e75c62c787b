/*
 * sandbox_test.c - a process enters the sandbox with threads running and tries what it must not be able to do any more,
 * as root and as an ordinary user, and where the kernel or a container lacks parts.
 *
 * Each case is a process of its own: there is no way back. It reports by its exit status: the number of the line of the
 * first check that failed, modulo 255, 0 when all held.
 */
#include "rt/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt/codemem.h"

#define NOBODY  65534
#define THREADS 3u
#define HOLDS(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            failed(__LINE__, #what);                                                                                   \
    } while (0)

static void failed(int line, const char *what)
{
    fprintf(stderr, "# line %d: %s (%s)\n", line, what, strerror(errno));
    _exit(line % 255 ? line % 255 : 1);
}

static char *root, *inside, *pictures; /* folders: nothing allowed, all allowed, no reading */

static char *path_in(const char *folder, const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static int try_open(const char *folder, const char *name, int flags)
{
    g_autofree char *path = path_in(folder, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : errno;
}

/* ---- what is tried, in any thread ---- */

static void files(void)
{
    g_autofree char *a = path_in(inside, "a"), *b = path_in(inside, "b"), *out = path_in(root, "stolen"),
                    *picture = path_in(pictures, "p");

    HOLDS(try_open(inside, "a", O_RDWR | O_CREAT) == 0);
    HOLDS(try_open(inside, "a", O_RDONLY) == 0);
    HOLDS(rename(a, b) == 0 && unlink(b) == 0);
    HOLDS(try_open(inside, ".", O_RDONLY | O_DIRECTORY) == 0);
    HOLDS(try_open(pictures, "p", O_WRONLY | O_CREAT | O_TRUNC) == 0);
    HOLDS(try_open(pictures, "p", O_RDONLY) == EACCES);
    HOLDS(unlink(picture) == 0);
    HOLDS(try_open(root, "secret", O_RDONLY) == EACCES);
    HOLDS(try_open(root, "secret", O_WRONLY) == EACCES);
    HOLDS(try_open(root, "new", O_WRONLY | O_CREAT) == EACCES);
    HOLDS(try_open("/etc", "passwd", O_RDONLY) == EACCES);
    HOLDS(try_open(inside, "a", O_RDWR | O_CREAT) == 0);
    HOLDS(rename(a, out) < 0 && link(a, out) < 0);
    HOLDS(unlink(a) == 0);
}

static void calls(void)
{
    char *const words[] = {(char *)(uintptr_t) "/bin/true", NULL};

    HOLDS(execv(words[0], words) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_execveat, -1, "/bin/true", words, words, 0) < 0 && errno == EPERM);
    HOLDS(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
    HOLDS(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
    HOLDS(fork() < 0 && errno == EPERM);
    HOLDS(syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_ptrace, 16, getppid(), 0, 0) < 0 && errno == EPERM);
    HOLDS(kill(getppid(), SIGTERM) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_tgkill, getppid(), getppid(), SIGTERM) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_bpf, 0, 0, 0) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EPERM);
    HOLDS(syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0) < 0 && errno == EPERM);
    HOLDS(prctl(PR_SET_DUMPABLE, 1) < 0 && errno == EPERM);
}

static void writable_code_mapping(void)
{
    HOLDS(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}

/* MDWE */
static void code_later(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    HOLDS(p != MAP_FAILED);
    HOLDS(mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 && errno == EACCES);
    HOLDS(munmap(p, 4096) == 0);
}

static void rest(void)
{
    struct rlimit core;

    HOLDS(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
}

/* ---- a process with threads ---- */

struct process {
    struct codemem code;
    pthread_barrier_t entered;
    unsigned parts;
};

static void try_all(struct process *p)
{
    static const struct {
        unsigned part;
        void (*attempt)(void);
    } attempts[] = {{SANDBOX_LANDLOCK, files},
                    {SANDBOX_SECCOMP, calls},
                    {SANDBOX_SECCOMP, writable_code_mapping},
                    {SANDBOX_MDWE, writable_code_mapping},
                    {SANDBOX_MDWE, code_later},
                    {SANDBOX_CORE, rest}};

    for (size_t i = 0; i < G_N_ELEMENTS(attempts); i++)
        if (p->parts >> attempts[i].part & 1)
            attempts[i].attempt();
    if (p->parts >> SANDBOX_LANDLOCK & 1) /* of this very thread */
        HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || (p->parts >> SANDBOX_SECCOMP & 1));
}

static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;

static void *bystander(void *user)
{
    struct process *p = user;

    pthread_barrier_wait(&p->entered);
    pthread_mutex_lock(&one_by_one);
    try_all(p);
    pthread_mutex_unlock(&one_by_one);
    return NULL;
}

static void run_code(struct process *p)
{
    static const uint8_t answer[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */

    memcpy(p->code.rw, answer, sizeof answer);
    HOLDS(((int (*)(void))(uintptr_t)p->code.rx)() == 42);
}

#define W_X (PROT_WRITE | PROT_EXEC)
static const struct sandbox_call some_calls[] = {
    SANDBOX_ANY(read),
    SANDBOX_ANY(write),
    SANDBOX_ANY(openat),
    SANDBOX_ANY(open),
    SANDBOX_ANY(close),
    SANDBOX_ANY(rename),
    SANDBOX_ANY(link),
    SANDBOX_ANY(unlink),
    SANDBOX_ANY(newfstatat),
    SANDBOX_ANY(fstat),
    SANDBOX_ANY(futex),
    SANDBOX_ANY(exit),
    SANDBOX_ANY(exit_group),
    SANDBOX_ANY(munmap),
    SANDBOX_ANY(madvise),
    SANDBOX_ANY(brk),
    SANDBOX_ANY(rt_sigprocmask),
    SANDBOX_ANY(rt_sigreturn), /* the handler that was asked last may still be on its way */
    SANDBOX_ANY(set_robust_list),
    SANDBOX_ANY(rseq),
    SANDBOX_ANY(getpid),
    SANDBOX_ANY(getppid),
    SANDBOX_ANY(sigaltstack),
    SANDBOX_ANY(sched_getaffinity),
    SANDBOX_ANY(gettid),
    SANDBOX_ANY(sched_yield),
    {SYS_clone, 0, CLONE_THREAD, CLONE_THREAD},
    {SYS_mmap, 2, W_X, 0},
    {SYS_mmap, 2, W_X, PROT_WRITE},
    {SYS_mmap, 2, W_X, PROT_EXEC},
    {SYS_mprotect, 2, W_X, 0},
    {SYS_mprotect, 2, W_X, PROT_WRITE},
    {SYS_mprotect, 2, W_X, PROT_EXEC},
    {SYS_prctl, 0, UINT32_MAX, PR_GET_NO_NEW_PRIVS},
    {SYS_prlimit64, 2, UINT64_MAX, 0},
    SANDBOX_CALLS_END};

/* What a container without these does: calls that do not exist, and no filter of one's own. */
static void take_away(bool landlock, bool mdwe, bool filters)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int rc = 0;

    if (landlock)
        rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SYS_landlock_create_ruleset, 0);
    if (mdwe)
        rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, 65));
    if (filters)
        rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 0) |
              seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
    HOLDS(rc == 0 && seccomp_load(f) == 0);
    seccomp_release(f);
}

static void be_somebody(void)
{
    if (geteuid() != 0)
        return;
    HOLDS(chown(root, NOBODY, NOBODY) == 0 && chown(inside, NOBODY, NOBODY) == 0 &&
          chown(pictures, NOBODY, NOBODY) == 0);
    HOLDS(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

struct test_case {
    const char *name;
    bool user, no_landlock, no_mdwe, no_filters;
    unsigned at_least; /* parts that must be in force */
    const char *missing;
};

static void child(const struct test_case *t)
{
    const struct sandbox_folder folders[] = {
        {inside, true}, {pictures, false}, {"/no/such/folder", true}, {NULL, false}};
    const struct sandbox_conf conf = {.calls = some_calls, .folders = folders};
    g_autoptr(GString) words = g_string_new(NULL);
    pthread_t thread[THREADS], later;
    struct process p = {0};

    HOLDS(codemem_init(&p.code, 4096, NULL));
    if (t->user)
        be_somebody();
    if (t->no_landlock || t->no_mdwe || t->no_filters)
        take_away(t->no_landlock, t->no_mdwe, t->no_filters);
    pthread_barrier_init(&p.entered, NULL, THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++)
        HOLDS(pthread_create(&thread[i], NULL, bystander, &p) == 0);
    p.parts = sandbox_enter(&conf, words);
    fprintf(stderr, "# %s\n", words->str);
    HOLDS((p.parts & t->at_least) == t->at_least);
    HOLDS(t->missing == NULL || strstr(strstr(words->str, "; missing:"), t->missing));
    run_code(&p);
    try_all(&p);
    pthread_barrier_wait(&p.entered);
    for (unsigned i = 0; i < THREADS; i++)
        HOLDS(pthread_join(thread[i], NULL) == 0);
    pthread_barrier_init(&p.entered, NULL, 2);
    HOLDS(pthread_create(&later, NULL, bystander, &p) == 0);
    pthread_barrier_wait(&p.entered);
    HOLDS(pthread_join(later, NULL) == 0);
    _exit(0);
}

static void test_one(gconstpointer user)
{
    g_autofree char *secret = NULL;
    int status;
    pid_t pid;

    root = g_dir_make_tmp("sandbox_test-XXXXXX", NULL);
    inside = path_in(root, "inside");
    pictures = path_in(root, "pictures");
    secret = path_in(root, "secret");
    g_assert_true(g_file_set_contents(secret, "x", 1, NULL));
    g_assert_cmpint(chmod(secret, 0666) | mkdir(inside, 0777) | mkdir(pictures, 0777), ==, 0);
    pid = fork();
    if (pid == 0)
        child(user);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    g_assert_cmpint(remove(secret) | remove(inside) | remove(pictures) | remove(root), ==, 0);
    g_free(root);
    g_free(inside);
    g_free(pictures);
}

#define BIT(part) (1u << SANDBOX_##part)

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {.name = "/sandbox/as-we-are", .at_least = BIT(CORE) | BIT(PRIVILEGES)},
        {.name = "/sandbox/user", .user = true, .at_least = BIT(CORE) | BIT(PRIVILEGES)},
        {.name = "/sandbox/no-landlock",
         .no_landlock = true,
         .at_least = BIT(CORE),
         .missing = " Landlock (Function not"},
        {.name = "/sandbox/no-mdwe", .user = true, .no_mdwe = true, .at_least = BIT(CORE), .missing = " MDWE (Invalid"},
        {.name = "/sandbox/no-seccomp",
         .user = true,
         .no_filters = true,
         .at_least = BIT(CORE),
         .missing = " seccomp (Invalid"},
        {.name = "/sandbox/nothing",
         .user = true,
         .no_landlock = true,
         .no_mdwe = true,
         .no_filters = true,
         .at_least = BIT(CORE) | BIT(PRIVILEGES),
         .missing = " seccomp ("},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        g_test_add_data_func(cases[i].name, &cases[i], test_one);
    return g_test_run();
}
