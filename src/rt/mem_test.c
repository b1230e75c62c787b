/* mem_test.c - guest memory and code memory: aliases, guards, seals, refusals, W^X. */
#include "rt/codemem.h"
#include "rt/gmem.h"
#include "rt/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rt/status.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* Pages that were written, but not those that were read; not what is no whole page. */
static void test_resident(void)
{
    const size_t bytes = 64u << 20;
    volatile uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    g_assert_true(p != MAP_FAILED);
    g_assert_cmpuint(resident_bytes((const void *)p, bytes), ==, 0);
    g_assert_cmpuint(p[5 * 4096] + p[bytes - 1], ==, 0);
    g_assert_cmpuint(resident_bytes((const void *)p, bytes), ==, 0);
    p[4095] = 1;
    p[33u << 20] = 1;
    p[bytes - 1] = 1;
    g_assert_cmpuint(resident_bytes((const void *)p, bytes), ==, 3 * 4096);
    g_assert_cmpuint(resident_bytes((const void *)(p + 1), bytes - 2), ==, 4096);
    g_assert_cmpuint(resident_bytes((const void *)(p + 1), 100), ==, 0);
    g_assert_cmpuint(resident_bytes(NULL, 0), ==, 0);
    munmap((void *)(uintptr_t)p, bytes);
}

static void test_alias(void)
{
    struct gmem g = {0};
    uint8_t *two;

    g_assert_true(gmem_init(&g, "ram", 64 << 20, NULL));
    two = gmem_alias(&g, 0x10000, 0x2000, PROT_READ, NULL);
    g_assert_nonnull(two);
    g_assert_cmpint(two[5], ==, 0);
    g.hva[0x10005] = 0x5a;
    g_assert_cmpint(two[5], ==, 0x5a);
    g_assert_true(gmem_discard(&g, 0x10000, 0x1000));
    g_assert_cmpint(two[5], ==, 0);
    g_assert_false(gmem_discard(&g, 64 << 20, 0x1000));
    g_assert_cmpint(ftruncate(g.fd, 4096), ==, -1);
    g_assert_cmpint(errno, ==, EPERM);
    gmem_fini(&g);
    gmem_fini(&g);
    gmem_alias_free(two, 0x2000);
}

static void test_guard(void)
{
    if (g_test_subprocess()) {
        struct gmem g = {0};
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        g_assert_true(gmem_init(&g, "ram", 1 << 20, NULL));
        ((volatile uint8_t *)g.hva)[g.size_bytes + 0x7fffffff] = 1;
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
}

static void test_too_much(void)
{
    struct gmem g = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(gmem_init(&g, "guest RAM", UINT64_C(1) << 45, &error));
    g_assert_error(error, STATUS_ERROR, VERR_NO_MEMORY);
    g_assert_true(g_str_has_prefix(error->message, "not enough memory for guest RAM"));
    g_assert_null(g.hva);
}

/* mov eax, 42; ret - written through one view, run through the other, in a process that may never gain PROT_EXEC. */
static int run_code(void)
{
    static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    struct codemem c = {0};
    int (*fn)(void);
    int64_t distance;

    prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
    if (!codemem_init(&c, 256 << 20, NULL))
        return 1;
    memcpy(c.rw + 0x1000, code, sizeof(code));
    *(const void **)&fn = codemem_rx(&c, c.rw + 0x1000);
    distance = (int64_t)((uintptr_t)fn - (uintptr_t)run_code);
    if (distance > INT32_MAX || distance < INT32_MIN)
        return 2;
    if (codemem_rw(&c, c.rx + 7) != c.rw + 7 || codemem_has_rx(&c, c.rw) || !codemem_has_rx(&c, c.rx + 5))
        return 3;
    return fn();
}

static void test_code(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(run_code());
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 42);
}

static void test_code_not_writable(void)
{
    if (g_test_subprocess()) {
        struct codemem c = {0};
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        g_assert_true(codemem_init(&c, 1 << 20, NULL));
        *(volatile uint8_t *)(uintptr_t)c.rx = 1;
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rt/resident", test_resident);
    g_test_add_func("/rt/gmem/alias", test_alias);
    g_test_add_func("/rt/gmem/guard", test_guard);
    g_test_add_func("/rt/gmem/too-much", test_too_much);
    g_test_add_func("/rt/codemem/run", test_code);
    g_test_add_func("/rt/codemem/not-writable", test_code_not_writable);
    return g_test_run();
}
