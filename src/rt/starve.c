/* starve.c - see starve.h. Threads: the child may have several; counts are atomic. */
#include "rt/starve.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define DONE    0
#define REFUSED 1
#define SILENT  2 /* false, and no error */
#define DIED    3

#define NEAR_STACK 65536u

/* The C library's own, behind the names that are replaced here. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);

static struct starve plan;
static unsigned allocations;
static bool *hit; /* shared with the parent; NULL: nothing fails */

static bool fails(size_t bytes)
{
    unsigned n;

    if (!hit || bytes < plan.min_bytes)
        return false;
    n = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    if (plan.for_ever ? n < plan.fail_at : n != plan.fail_at)
        return false;
    *hit = true;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return fails(bytes) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    return fails(bytes && n > SIZE_MAX / bytes ? SIZE_MAX : n * bytes) ? NULL : __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t bytes)
{
    return fails(bytes) ? NULL : __libc_realloc(p, bytes);
}

/* GLib's own handlers would ask for memory. */
static void give_up(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
    (void)domain, (void)message, (void)user;
    if (level & (G_LOG_FLAG_FATAL | G_LOG_LEVEL_ERROR))
        _exit(DIED);
}

/* When nothing at all can be had, g_error() calls itself until the stack ends. Any other fault is a bug. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    const uintptr_t at = (uintptr_t)info->si_addr,
                    stack = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];

    if (MAX(at, stack) - MIN(at, stack) < NEAR_STACK)
        _exit(DIED);
    signal(number, SIG_DFL);
}

static void watch_stack(void)
{
    static uint8_t room[64 << 10];
    const stack_t own = {.ss_sp = room, .ss_size = sizeof(room)};
    const struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigaltstack(&own, NULL);
    sigaction(SIGSEGV, &act, NULL);
}

static G_NORETURN void child(const struct starve *s, bool (*fn)(void *ctx, GError **error), void *ctx, bool *shared)
{
    const struct rlimit none = {0, 0};
    GError *error = NULL;
    bool ok;

    setrlimit(RLIMIT_CORE, &none);
    close(STDERR_FILENO); /* GLib says why it gives up */
    g_log_set_default_handler(give_up, NULL);
    watch_stack();
    plan = *s;
    hit = shared;
    ok = fn(ctx, &error);
    _exit(ok ? DONE : error ? REFUSED : SILENT);
}

enum starve_end starve_run(const struct starve *s, bool (*fn)(void *ctx, GError **error), void *ctx, bool *ret_hit)
{
    bool *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t pid;

    g_assert_true(shared != MAP_FAILED);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        child(s, fn, ctx, shared);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    *ret_hit = *shared;
    munmap(shared, sizeof(*shared));
    if (WIFEXITED(status) && WEXITSTATUS(status) <= REFUSED)
        return WEXITSTATUS(status) == DONE ? STARVE_DONE : STARVE_REFUSED;
    if (!*ret_hit || !((WIFEXITED(status) && WEXITSTATUS(status) == DIED) ||
                       (WIFSIGNALED(status) && (WTERMSIG(status) == SIGTRAP || WTERMSIG(status) == SIGABRT))))
        g_error("allocation %u of %zu bytes and more%s: the child ended with status %x", s->fail_at, s->min_bytes,
                s->for_ever ? " and all behind it" : "", (unsigned)status);
    return STARVE_DIED;
}
