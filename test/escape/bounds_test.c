/*
 * bounds_test.c - what holds a jail together: the mapper thread's filter, its end, and that the checks see anything.
 */
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rig.h"
#include "rt/jail_int.h"

#define SHARED_FIXED (MAP_SHARED | MAP_FIXED | MAP_POPULATE)
#define FAILED(...)  (g_test_message(__VA_ARGS__), g_test_fail())

static struct rig rig;

/* ---- the mapper thread's filter ---- */

struct row {
    int64_t call;
    uint64_t arg[6];
};

/* Return: the mapper thread survives asking for it. */
static bool mapper_may(const struct row *row)
{
    g_autoptr(GError) error = NULL;
    struct jail *j = jail_new(rig.ram.fd, &error);
    int64_t rc;

    g_assert_no_error(error);
    rc = jail_call(j, jail_pid(j), row->call, row->arg);
    const bool alive = !j->lost;
    jail_free(j);
    return alive && rc >= 0;
}

/* What it is for passes; with any argument changed, or for anything else, the process ends. */
static void test_mapper(void)
{
    static const struct {
        struct row row;
        bool passes;
    } rows[] = {
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ, SHARED_FIXED, 0, 0}}, true},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ | PROT_WRITE, SHARED_FIXED, 0, 4096}}, true},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ | PROT_EXEC, SHARED_FIXED, 0, 8192}}, true},
        {{SYS_munmap, {RIG_CODE, 4096}}, true},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_NONE, SHARED_FIXED, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_WRITE, SHARED_FIXED, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_EXEC, SHARED_FIXED, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_WRITE | PROT_EXEC, SHARED_FIXED, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, SHARED_FIXED, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ | PROT_GROWSDOWN, SHARED_FIXED, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, UINT64_C(0x100000001), SHARED_FIXED, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ, MAP_SHARED | MAP_POPULATE, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ, SHARED_FIXED | MAP_ANONYMOUS, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ, SHARED_FIXED | MAP_GROWSDOWN, 0, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ, SHARED_FIXED, 1, 0}}, false},
        {{SYS_mmap, {RIG_CODE, 4096, PROT_READ, SHARED_FIXED, UINT32_MAX, 0}}, false},
        {{SYS_mmap | 0x40000000, {RIG_CODE, 4096, PROT_READ, SHARED_FIXED, 0, 0}}, false},
        {{SYS_munmap | 0x40000000, {RIG_CODE, 4096}}, false},
    };

    rig_begin(&rig);
    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++)
        if (mapper_may(&rows[n].row) != rows[n].passes)
            FAILED("rule %u", n);
    for (int n = 0; n < 512; n++)
        if (n != SYS_mmap && n != SYS_munmap && mapper_may(&(struct row){.call = n}))
            FAILED("the mapper thread may make system call %d", n);
    rig_end(&rig);
}

/* ---- the end of a jail, and the checks themselves ---- */

/*
 * What the C library asked the kernel to do when a thread ends is not done with what the guest has there: a list of
 * locks the thread holds, which are to be marked.
 */
static void test_end_writes_nothing(void)
{
    struct robust_list_head *head;
    size_t size;

    g_assert_cmpint(syscall(SYS_get_robust_list, 0, &head, &size), ==, 0);
    const uint64_t there = (uint64_t)(uintptr_t)head, page = there / JAIL_PAGE_BYTES * JAIL_PAGE_BYTES,
                   entry = page == there ? page + 256 : page, lock = 16;
    const struct jail_map pages = {page, 2 * JAIL_PAGE_BYTES, 8 * JAIL_PAGE_BYTES, JAIL_READ | JAIL_WRITE};

    rig_begin(&rig);
    g_assert_cmpint(jail_map(rig.jail, &pages, 1), ==, 1);
    uint8_t *hva = rig.ram.hva + 8 * JAIL_PAGE_BYTES;
    const uint64_t list[] = {entry, lock, 0}, one[] = {there, 0, (uint64_t)jail_pid(rig.jail)};
    memcpy(hva + (there - page), list, sizeof list);
    memcpy(hva + (entry - page), one, sizeof one);
    g_autofree uint8_t *before = g_memdup2(hva, 2 * JAIL_PAGE_BYTES);
    rig_renew(&rig);
    g_assert_cmpmem(hva, 2 * JAIL_PAGE_BYTES, before, 2 * JAIL_PAGE_BYTES);
    rig_end(&rig);
}

/* Each thing that must not happen is made to happen from outside, and seen. */
static void test_controls(void)
{
    const struct jail_map page = {0x10000000, JAIL_PAGE_BYTES, 0, JAIL_READ};
    const int here = rig_counter(0);
    uint64_t count = 0;

    rig_begin(&rig);
    for (unsigned n = 0; n < 5; n++) {
        g_autofree char *before = rig_picture(&rig), *after = NULL, *what = NULL;

        switch (n) {
        case 0: g_assert_cmpint(jail_map(rig.jail, &page, 1), ==, 1); break;
        case 1: rig.ram.hva[9 * JAIL_PAGE_BYTES] ^= 1; break;
        case 2: kill(rig.canary, SIGWINCH), g_usleep(100000); break;
        case 3: syscall(SYS_tgkill, jail_pid(rig.jail), jail_pid(rig.jail), SIGUSR2); break;
        default: g_file_set_contents(rig.canary_file, "touched", -1, NULL); break;
        }
        after = rig_picture(&rig);
        what = rig_difference(before, after);
        g_assert_nonnull(what);
        g_test_message("%s", what);
    }
    rig_end(&rig);
    if (here < 0)
        return;
    for (unsigned n = 0; n < 100; n++)
        syscall(SYS_getppid);
    g_assert_cmpint(read(here, &count, sizeof count), ==, sizeof count);
    g_assert_cmpuint(count, >=, 100);
    close(here);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bounds/mapper", test_mapper);
    g_test_add_func("/bounds/end", test_end_writes_nothing);
    g_test_add_func("/bounds/controls", test_controls);
    return g_test_run();
}
