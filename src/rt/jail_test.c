/*
 * jail_test.c - what runs in a jail, and what it cannot do; what is tried to get out is in test/escape.
 */
#include "rt/jail_int.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rt/gmem.h"

#define PAGES  64u
#define CODE   UINT64_C(0x400000)
#define DATA   UINT64_C(0x600000)
#define AT(n)  ((uint64_t)(n)*JAIL_PAGE_BYTES)
#define ROUNDS 2000u

struct rig {
    struct gmem ram;
    struct jail *jail;
};

/* Page 0 of the file is code at CODE, page 1 data at DATA. */
static void begin(struct rig *r)
{
    g_autoptr(GError) error = NULL;
    const struct jail_map maps[] = {{CODE, JAIL_PAGE_BYTES, AT(0), JAIL_READ | JAIL_EXEC},
                                    {DATA, JAIL_PAGE_BYTES, AT(1), JAIL_READ | JAIL_WRITE}};

    g_assert_true(gmem_init(&r->ram, "guest", AT(PAGES), &error));
    r->jail = jail_new(r->ram.fd, &error);
    g_assert_no_error(error);
    g_assert_cmpint(jail_map(r->jail, maps, 2), ==, 2);
}

static void end(struct rig *r)
{
    jail_free(r->jail);
    gmem_fini(&r->ram);
}

static void code(struct rig *r, const void *bytes, size_t size)
{
    memcpy(r->ram.hva, bytes, size);
    jail_regs(r->jail)->rip = CODE;
    jail_regs(r->jail)->rsp = DATA + JAIL_PAGE_BYTES;
    jail_regs(r->jail)->eflags = 0x202;
}
#define CODE_OF(r, ...) code(r, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Runs to a trap by @signal in front of, or behind, @rip. */
static void expect(struct rig *r, int signal, uint64_t rip)
{
    struct jail_trap t = {0};

    g_assert_cmpint(jail_run(r->jail, false, &t), ==, JAIL_TRAP);
    g_assert_cmpint(t.signal, ==, signal);
    g_assert_cmphex(jail_regs(r->jail)->rip, ==, rip);
}

/* mov eax, 39; mov [DATA], eax; syscall */
static void test_computes(void)
{
    struct rig r;

    begin(&r);
    CODE_OF(&r, 0xb8, 39, 0, 0, 0, 0x89, 0x04, 0x25, 0, 0, 0x60, 0, 0x0f, 0x05);
    expect(&r, SIGSYS, CODE + 14);
    g_assert_cmpint(jail_regs(r.jail)->rax, ==, 39);
    g_assert_cmpint(r.ram.hva[AT(1)], ==, 39);
    end(&r);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void print_cost(struct rig *r, const char *name, bool xstate)
{
    uint64_t best = UINT64_MAX;
    struct jail_trap t;

    for (unsigned batch = 0; batch < 10; batch++) {
        uint64_t since = now_ns();
        for (unsigned n = 0; n < ROUNDS / 10; n++) {
            jail_regs(r->jail)->rip = CODE;
            if (xstate)
                jail_xstate_get(r->jail);
            jail_run(r->jail, xstate, &t);
        }
        best = MIN(best, (now_ns() - since) / (ROUNDS / 10));
    }
    g_test_message("%s: %u ns", name, (unsigned)best);
}

static void test_costs(void)
{
    struct rig r;

    begin(&r);
    CODE_OF(&r, 0x0f, 0x05);
    print_cost(&r, "system call, back and forth", false);
    print_cost(&r, "with vector registers", true);
    CODE_OF(&r, 0x8b, 0x04, 0x25, 0, 0x10, 0, 0); /* mov eax, [1000h] */
    print_cost(&r, "page fault, back and forth", false);
    uint64_t since = now_ns();
    for (unsigned n = 0; n < ROUNDS; n++)
        syscall(SYS_getppid);
    g_test_message("getppid outside: %u ns", (unsigned)((now_ns() - since) / ROUNDS));
    struct jail_map maps[JAIL_MAPS_MAX];
    for (unsigned n = 0; n < JAIL_MAPS_MAX; n++)
        maps[n] = (struct jail_map){0x10000000 + AT(n), JAIL_PAGE_BYTES, AT(PAGES - 1 - n), JAIL_READ | JAIL_WRITE};
    since = now_ns();
    g_assert_cmpint(jail_map(r.jail, maps, JAIL_MAPS_MAX), ==, JAIL_MAPS_MAX);
    g_test_message("a page mapped, %u at once: %u ns", JAIL_MAPS_MAX, (unsigned)((now_ns() - since) / JAIL_MAPS_MAX));
    end(&r);
}

/* ---- what does not get out ---- */

/* Every number a table has, and some that only look like it: x32's bit, negative ones, beyond 32 bits. */
static void test_no_call(void)
{
    static const uint64_t bases[] = {0, 0x40000000, 0xfffffe00, UINT64_C(0x100000000), UINT64_MAX - 600};
    struct rig r;

    begin(&r);
    CODE_OF(&r, 0x0f, 0x05);
    for (unsigned b = 0; b < G_N_ELEMENTS(bases); b++)
        for (unsigned n = 0; n < 600; n++) {
            struct user_regs_struct *u = jail_regs(r.jail);

            u->rip = CODE;
            u->rax = bases[b] + n;
            expect(&r, SIGSYS, CODE + 2);
            g_assert_cmphex(u->rax, ==, bases[b] + n);
        }
    end(&r);
}

/* mov [rdi], eax in a page that may not be written: the code itself, the stub, the table, what was never mapped. */
static void test_no_write(void)
{
    struct rig r;

    begin(&r);
    const uint64_t places[] = {CODE + 64, jail_stub(r.jail), jail_stub(r.jail) + JAIL_PAGE_BYTES,
                               0x10000,   JAIL_TOP - 8,      UINT64_C(0xffffffff81000000),
                               0};
    for (unsigned n = 0; n < G_N_ELEMENTS(places); n++) {
        CODE_OF(&r, 0x89, 0x07);
        jail_regs(r.jail)->rdi = places[n];
        expect(&r, SIGSEGV, CODE);
    }
    end(&r);
}

/* Data is not executed, and becomes executable only by giving up writing. */
static void test_no_exec(void)
{
    struct rig r;
    const struct jail_map both = {DATA, JAIL_PAGE_BYTES, AT(1), JAIL_READ | JAIL_WRITE | JAIL_EXEC};

    begin(&r);
    CODE_OF(&r, 0x0f, 0x05);
    jail_regs(r.jail)->rip = DATA;
    expect(&r, SIGSEGV, DATA);
    g_assert_cmpint(jail_map(r.jail, &both, 1), ==, 1); /* taken as: away with it */
    jail_regs(r.jail)->rip = DATA;
    expect(&r, SIGSEGV, DATA);
    end(&r);
}

/* The owner cannot be made to map over the stub or above everything. */
static void test_no_map(void)
{
    struct rig r;

    begin(&r);
    const struct jail_map wrong[] = {{jail_stub(r.jail), JAIL_PAGE_BYTES, 0, JAIL_READ},
                                     {jail_stub(r.jail) - JAIL_PAGE_BYTES, 3 * JAIL_PAGE_BYTES, 0, 0},
                                     {JAIL_TOP, JAIL_PAGE_BYTES, 0, JAIL_READ},
                                     {UINT64_MAX & ~UINT64_C(4095), JAIL_PAGE_BYTES, 0, JAIL_READ},
                                     {0, UINT64_MAX & ~UINT64_C(4095), 0, 0}};
    for (unsigned n = 0; n < G_N_ELEMENTS(wrong); n++)
        g_assert_cmpint(jail_map(r.jail, &wrong[n], 1), ==, 0);
    end(&r);
}

/* Somebody else's signals to the mapper thread end nothing early: what was asked for is done. */
static void test_mapper_signals(void)
{
    static const int signals[] = {SIGTRAP, SIGUSR1, SIGSEGV, SIGTRAP};
    struct rig r;

    begin(&r);
    for (unsigned n = 0; n < G_N_ELEMENTS(signals); n++) {
        const struct jail_map there = {DATA, JAIL_PAGE_BYTES, AT(1), JAIL_READ}, gone = {DATA, JAIL_PAGE_BYTES, 0, 0};

        syscall(SYS_tgkill, jail_pid(r.jail), jail_pid(r.jail), signals[n]);
        g_assert_cmpint(jail_map(r.jail, &gone, 1), ==, 1);
        CODE_OF(&r, 0x8b, 0x07, 0xcc); /* mov eax, [rdi] */
        jail_regs(r.jail)->rdi = DATA;
        expect(&r, SIGSEGV, CODE);
        syscall(SYS_tgkill, jail_pid(r.jail), jail_pid(r.jail), signals[n]);
        g_assert_cmpint(jail_map(r.jail, &there, 1), ==, 1);
        jail_regs(r.jail)->rdi = DATA;
        expect(&r, SIGTRAP, CODE + 3);
    }
    end(&r);
}

/* ---- what is said about it outside ---- */

static char *proc(const struct rig *r, pid_t thread, const char *file)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/%s", jail_pid(r->jail), thread, file);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static void test_properties(void)
{
    static const char *const wanted[] = {"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n", "\nSigBlk:\t0000000000000000\n"};
    struct rig r;

    begin(&r);
    const pid_t threads[] = {jail_pid(r.jail), jail_thread(r.jail)};
    for (unsigned k = 0; k < G_N_ELEMENTS(threads); k++) {
        g_autofree char *status = proc(&r, threads[k], "status"), *maps = proc(&r, threads[k], "maps");
        g_auto(GStrv) lines = g_strsplit(g_strchomp(maps), "\n", 0);

        for (unsigned n = 0; n < G_N_ELEMENTS(wanted); n++)
            g_assert_nonnull(strstr(status, wanted[n]));
        for (unsigned n = 0; lines[n] != NULL; n++) {
            g_assert_null(strstr(lines[n], "wx"));
            g_assert_true(strstr(lines[n], "memfd:guest") != NULL || strstr(lines[n], "memfd:jail") != NULL ||
                          strstr(lines[n], "[vsyscall]") != NULL);
        }
        g_assert_cmpuint(g_strv_length(lines), <=, 5);
    }
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", jail_pid(r.jail));
    g_autoptr(GDir) dir = g_dir_open(fds, 0, NULL);
    unsigned count = 0;
    while (dir != NULL && g_dir_read_name(dir) != NULL)
        count++;
    g_assert_cmpuint(count, ==, 1);
    end(&r);
}

/* ---- stopping it ---- */

static gpointer kick_later(gpointer user)
{
    g_usleep(20000);
    jail_kick(user);
    return NULL;
}

static void test_kick(void)
{
    struct jail_trap t;
    struct rig r;

    begin(&r);
    for (unsigned n = 0; n < 5; n++) {
        CODE_OF(&r, 0xeb, 0xfe); /* for ever */
        GThread *other = g_thread_new("kick", kick_later, r.jail);
        g_assert_cmpint(jail_run(r.jail, false, &t), ==, JAIL_KICKED);
        g_assert_cmphex(jail_regs(r.jail)->rip, ==, CODE);
        g_thread_join(other);
    }
    jail_kick(r.jail); /* between two runs: the next one returns at once */
    CODE_OF(&r, 0xeb, 0xfe);
    g_assert_cmpint(jail_run(r.jail, false, &t), ==, JAIL_KICKED);
    end(&r);
}

static gpointer stop_later(gpointer user)
{
    g_usleep(20000);
    kill(jail_pid(user), SIGSTOP);
    g_usleep(20000);
    jail_kick(user);
    return NULL;
}

/* Signals from outside are not the guest's; one that stops processes does not stop this one for long. */
static void test_foreign_signals(void)
{
    static const int signals[] = {SIGSEGV, SIGSYS, SIGTERM, SIGUSR2, SIGTRAP};
    struct jail_trap t;
    struct rig r;

    begin(&r);
    for (unsigned n = 0; n < G_N_ELEMENTS(signals); n++) {
        CODE_OF(&r, 0xeb, 0xfe);
        syscall(SYS_tgkill, jail_pid(r.jail), jail_thread(r.jail), signals[n]);
        g_assert_cmpint(jail_run(r.jail, false, &t), ==, JAIL_KICKED);
    }
    CODE_OF(&r, 0xeb, 0xfe);
    GThread *other = g_thread_new("stop", stop_later, r.jail);
    g_assert_cmpint(jail_run(r.jail, false, &t), ==, JAIL_KICKED);
    g_thread_join(other);
    CODE_OF(&r, 0x0f, 0x05);
    while (jail_run(r.jail, false, &t) == JAIL_KICKED)
        ;
    g_assert_cmpint(t.signal, ==, SIGSYS);
    end(&r);
}

static gpointer kill_later(gpointer user)
{
    g_usleep(20000);
    kill(jail_pid(user), SIGKILL);
    return NULL;
}

static void test_killed(void)
{
    struct jail_trap t;
    struct rig r;
    const struct jail_map away = {DATA, JAIL_PAGE_BYTES, 0, 0};

    begin(&r);
    CODE_OF(&r, 0xeb, 0xfe);
    GThread *other = g_thread_new("kill", kill_later, r.jail);
    g_assert_cmpint(jail_run(r.jail, false, &t), ==, JAIL_LOST);
    g_thread_join(other);
    g_assert_cmpint(jail_run(r.jail, false, &t), ==, JAIL_LOST);
    g_assert_cmpint(jail_map(r.jail, &away, 1), ==, -1);
    end(&r);
}

static gpointer make_and_leave(gpointer user)
{
    begin(user);
    return NULL;
}

/* The thread that made it ends: so does the jail. */
static void test_dies_with_owner(void)
{
    struct rig r;
    GThread *owner = g_thread_new("owner", make_and_leave, &r);
    bool gone = false;

    g_thread_join(owner);
    for (unsigned n = 0; n < 200 && !gone; n++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", jail_pid(r.jail)), *stat = NULL;
        gone = !g_file_get_contents(path, &stat, NULL, NULL) || strstr(stat, ") Z") != NULL;
        g_usleep(10000);
    }
    g_assert_true(gone);
    end(&r);
}

/* A jail begins as a copy of this process, whose memory may lie anywhere. */
static void test_free_place(void)
{
    const size_t half = 8 * JAIL_PAGE_BYTES;
    uint8_t *taken = mmap(NULL, 3 * half, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const uint64_t low = (uint64_t)(uintptr_t)taken;

    g_assert_true(taken != MAP_FAILED);
    munmap(taken + half, 2 * half);
    for (unsigned n = 0; n < 100; n++) {
        const uint64_t stub = jail_choose_stub(low, 2 * half);
        g_assert_cmphex(stub, >=, low + half);
        g_assert_cmphex(stub, <, low + 2 * half);
    }
    munmap(taken, half);
}

/* Vector registers go in and come out. */
static void test_vectors(void)
{
    struct rig r;

    begin(&r);
    CODE_OF(&r, 0x0f, 0xfe, 0xc0, 0x66, 0x0f, 0xfe, 0xc0, 0x0f, 0x05); /* paddd mm0, mm0; paddd xmm0, xmm0; syscall */
    g_assert_true(jail_xstate_get(r.jail));
    uint8_t *x = jail_xstate(r.jail);
    x[512] = 7;
    x[32] = 5;  /* MM0 */
    x[160] = 7; /* XMM0 */
    x[576] = 9; /* its upper half */
    struct jail_trap t;
    g_assert_cmpint(jail_run(r.jail, true, &t), ==, JAIL_TRAP);
    g_assert_true(jail_xstate_get(r.jail));
    g_assert_cmpuint(x[32], ==, 10);
    g_assert_cmpuint(x[160], ==, 14);
    g_assert_cmpuint(x[576], ==, 9);
    end(&r);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*fn)(void);
    } tests[] = {
        {"/jail/computes", test_computes},
        {"/jail/vectors", test_vectors},
        {"/jail/escape/call", test_no_call},
        {"/jail/escape/write", test_no_write},
        {"/jail/escape/exec", test_no_exec},
        {"/jail/escape/map", test_no_map},
        {"/jail/mapper-signals", test_mapper_signals},
        {"/jail/properties", test_properties},
        {"/jail/stop/kick", test_kick},
        {"/jail/stop/signals", test_foreign_signals},
        {"/jail/stop/killed", test_killed},
        {"/jail/stop/owner", test_dies_with_owner},
        {"/jail/costs", test_costs},
        {"/jail/stub/free", test_free_place},
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned n = 0; n < G_N_ELEMENTS(tests); n++)
        g_test_add_func(tests[n].path, tests[n].fn);
    return g_test_run();
}
