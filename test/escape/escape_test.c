/*
 * escape_test.c - everything in the tables is tried in a jail, each twice: as raw mode runs it, and with system calls
 * watched. It may end in ways that are known, and nothing else may have changed (rig_picture).
 *
 * The tables are followed by what is better counted than named: every interrupt number, every selector, every byte of
 * the stub.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "payload.h"

#define SHORT_US 20000   /* what never ends by itself is kicked by then */
#define LONG_US  5000000 /* and what should end is not over because the host is busy */

static struct rig rig;

/* ---- a run, and what is checked about each ---- */

static void kick(int signal)
{
    (void)signal;
    jail_kick(rig.jail);
}

static void alarm_in(long us)
{
    const struct itimerval t = {.it_value = {us / 1000000, us % 1000000}};

    g_assert_cmpint(setitimer(ITIMER_REAL, &t, NULL), ==, 0);
}

#define STUB_CODE   80u /* bytes, and some of what is behind them */
#define FAILED(...) (g_test_message(__VA_ARGS__), g_test_fail())

/* What was refused is where the answer would be, and nothing else has moved. */
static void check_refused(const char *name, const struct user_regs_struct *before, bool wide)
{
    const struct user_regs_struct *u = jail_regs(rig.jail);
    const uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;

    if ((u->rax & mask) != (before->rax & mask))
        FAILED("%s: was answered: %lld", name, (long long)u->rax);
}

/* Return: how it ended; anything outside has stayed as it was. */
static unsigned attempt(const char *name, unsigned size, bool watched, long patience_us)
{
    g_autofree char *before = rig_picture(&rig), *after = NULL, *what = NULL;
    const uint64_t counted = rig_executed(&rig);
    unsigned executed = 0, how;
    struct jail_trap t = {0};
    enum jail_end end;

    alarm_in(patience_us);
    end = watched ? rig_run_watched(&rig, &t, &executed) : rig_run(&rig, &t);
    alarm_in(0);
    how = payload_end(&rig, size, end, &t);
    if (how == 0)
        FAILED("%s: the jail is gone", name), rig_renew(&rig);
    if (executed != 0 || rig_executed(&rig) != counted)
        FAILED("%s: a system call was executed", name);
    if (!rig_code_intact(&rig))
        FAILED("%s: the code has changed", name);
    after = rig_picture(&rig);
    what = rig_difference(before, after);
    if (what != NULL)
        FAILED("%s: something has changed\n%s", name, what);
    return how;
}

static void must_end(const char *name, unsigned how, unsigned ends)
{
    if (!(how & ends))
        FAILED("%s: ended with %#x, not with one of %#x", name, how, ends);
}

/* ---- the tables ---- */

static void test_payloads(void)
{
    rig_begin(&rig);
    for (unsigned n = 0; n < 2 * payload_count; n++) {
        const struct payload *p = &payloads[n / 2];
        uint8_t bytes[PAYLOAD_BYTES];
        unsigned size = payload_bytes(p->code, jail_stub(rig.jail), bytes), how;

        memset(rig.ram.hva + 2 * JAIL_PAGE_BYTES, 0, 2 * JAIL_PAGE_BYTES);
        rig_code(&rig, bytes, size, p->bits);
        how = attempt(p->name, size, n & 1, p->ends & FOREVER ? SHORT_US : LONG_US);
        must_end(p->name, how, p->ends);
    }
    g_test_message("%u payloads", payload_count);
    rig_end(&rig);
}

static void try_call(unsigned call, const struct abi *abi, bool watched)
{
    g_autofree char *name = g_strdup_printf("%s by %s", call_name(call), abi->name);
    struct user_regs_struct before;
    unsigned how;

    if (!call_load(&rig, call, abi))
        return;
    before = *jail_regs(rig.jail);
    how = attempt(name, sizeof abi->code, watched, LONG_US);
    must_end(name, how, abi->ends);
    if (how == SYS)
        check_refused(name, abi->where == IN_BATCH ? jail_regs(rig.jail) : &before, !abi->old_numbers);
}

static void test_calls(void)
{
    rig_begin(&rig);
    for (unsigned a = 0; a < abi_count; a++)
        for (unsigned n = 0; n < 2 * call_count; n++)
            try_call(n / 2, &abis[a], n & 1);
    g_test_message("%u calls, each in %u ways", call_count, abi_count);
    rig_end(&rig);
}

/* ---- counted ---- */

/* Every interrupt number from 64-bit and from 32-bit code. */
static void test_interrupts(void)
{
    rig_begin(&rig);
    for (unsigned n = 0; n < 512; n++) {
        const uint8_t code[] = {0xcd, (uint8_t)n};
        g_autofree char *name = g_strdup_printf("int %02xh of %u-bit code", n & 255, n < 256 ? 64 : 32);

        rig_code(&rig, code, sizeof code, n < 256 ? 64 : 32);
        must_end(name, attempt(name, sizeof code, false, LONG_US),
                 (n & 255) == 3      ? TRAP
                 : (n & 255) == 0x80 ? SYS | SEGV
                                     : SEGV);
    }
    rig_end(&rig);
}

/* Runs what is loaded without looking around: for loops of tens of thousands. */
static unsigned quick(unsigned size)
{
    struct jail_trap t = {0};

    return payload_end(&rig, size, rig_run(&rig, &t), &t);
}

static void check_around(const char *before, const char *name)
{
    g_autofree char *after = rig_picture(&rig), *what = rig_difference(before, after);

    if (what != NULL || rig_executed(&rig) != 0)
        FAILED("%s: %s", name, what != NULL ? what : "a system call was executed");
}

/* Every selector into every segment register, and asked about. */
static void test_selectors(void)
{
    static const struct {
        const char *name;
        uint8_t code[3];
    } rows[] = {
        {"mov es", {0x8e, 0xc1, 0x90}}, {"mov ss", {0x8e, 0xd1, 0x90}}, {"mov ds", {0x8e, 0xd9, 0x90}},
        {"mov fs", {0x8e, 0xe1, 0x90}}, {"mov gs", {0x8e, 0xe9, 0x90}}, {"lar", {0x0f, 0x02, 0xc1}},
        {"lsl", {0x0f, 0x03, 0xc1}},    {"verr", {0x0f, 0x00, 0xe1}},   {"verw", {0x0f, 0x00, 0xe9}},
    };
    g_autofree char *before = NULL;

    rig_begin(&rig);
    before = rig_picture(&rig);
    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++)
        for (unsigned selector = 0; selector < 0x400; selector++)
            for (unsigned bits = 32; bits <= 64; bits += 32) {
                rig_code(&rig, rows[n].code, 3, bits);
                jail_regs(rig.jail)->rcx = selector;
                must_end(rows[n].name, quick(3), THROUGH | SEGV);
            }
    check_around(before, "selectors");
    rig_end(&rig);
}

/* A far return to every selector: only the two of user code are there, and nothing with more rights. */
static void test_far(void)
{
    static const uint8_t code[] = {0x48, 0xcb}; /* retfq */
    g_autofree char *before = NULL;

    rig_begin(&rig);
    before = rig_picture(&rig);
    for (uint64_t selector = 0; selector < 0x10000; selector++) {
        const uint64_t frame[] = {RIG_CODE + sizeof code, selector};

        if (selector == 0)
            rig_code(&rig, code, sizeof code, 64);
        *jail_regs(rig.jail) = (struct user_regs_struct){
            .rip = RIG_CODE, .rsp = RIG_DATA, .cs = JAIL_CS64, .ss = JAIL_DATA, .eflags = 0x202};
        memcpy(rig.ram.hva + 2 * JAIL_PAGE_BYTES, frame, sizeof frame);
        const unsigned how = quick(sizeof code);
        g_assert_cmpuint(how, ==, selector == JAIL_CS32 || selector == JAIL_CS64 ? THROUGH : SEGV);
        g_assert_cmphex(jail_regs(rig.jail)->cs, ==, selector == JAIL_CS32 ? JAIL_CS32 : JAIL_CS64);
    }
    check_around(before, "far returns");
    rig_end(&rig);
}

static uint64_t random64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static uint64_t random_value(void)
{
    switch (g_test_rand_int_range(0, 4)) {
    case 0: return random64();
    case 1: return jail_stub(rig.jail) + (uint64_t)g_test_rand_int_range(0, JAIL_STUB_BYTES);
    case 2: return RIG_DATA + (uint64_t)g_test_rand_int_range(0, JAIL_PAGE_BYTES);
    default: return (uint64_t)g_test_rand_int_range(0, 512);
    }
}

/* Each byte of the stub is an entry, with random registers; sometimes with what the mapper thread would do. */
static void test_stub(void)
{
    g_autofree char *before = NULL;

    rig_begin(&rig);
    before = rig_picture(&rig);
    for (unsigned n = 0; n < 100 * STUB_CODE; n++) {
        struct user_regs_struct *u = jail_regs(rig.jail);
        uint64_t *words = (uint64_t *)(void *)u;
        struct jail_trap t;

        rig_code(&rig, NULL, 0, 64);
        for (unsigned k = 0; k < 15; k++) /* R15 to RDI */
            words[k] = random_value();
        u->rip = jail_stub(rig.jail) + n % STUB_CODE;
        if (n % 3 == 0)
            u->rax = SYS_mmap, u->rdi = RIG_CODE, u->rsi = JAIL_PAGE_BYTES, u->rdx = PROT_READ | PROT_EXEC,
            u->r10 = MAP_SHARED | MAP_FIXED | MAP_POPULATE, u->r8 = 0, u->r9 = 2 * JAIL_PAGE_BYTES;
        alarm_in(SHORT_US);
        g_assert_cmpint(jail_run(rig.jail, false, &t), !=, JAIL_LOST);
    }
    alarm_in(0);
    check_around(before, "the stub");
    rig_end(&rig);
}

/* Nothing wears out: breakpoints, and signals from outside, by the ten thousand. */
static void test_storms(void)
{
    static const uint8_t code[] = {0xcc, 0xeb, 0xfd};
    g_autofree char *before = NULL;
    struct jail_trap t;

    rig_begin(&rig);
    before = rig_picture(&rig);
    rig_code(&rig, code, sizeof code, 64);
    for (unsigned n = 0; n < 20000; n++) {
        g_assert_cmpint(jail_run(rig.jail, false, &t), ==, JAIL_TRAP);
        g_assert_cmphex(jail_regs(rig.jail)->rip, ==, RIG_CODE + 1);
    }
    for (unsigned n = 0; n < 20000; n++) {
        jail_kick(rig.jail);
        g_assert_cmpint(jail_run(rig.jail, false, &t), ==, JAIL_KICKED);
    }
    check_around(before, "storms");
    rig_end(&rig);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*fn)(void);
    } tests[] = {
        {"/escape/payloads", test_payloads},   {"/escape/calls", test_calls}, {"/escape/interrupts", test_interrupts},
        {"/escape/selectors", test_selectors}, {"/escape/far", test_far},     {"/escape/stub", test_stub},
        {"/escape/storms", test_storms},
    };

    g_test_init(&argc, &argv, NULL);
    signal(SIGALRM, kick);
    for (unsigned n = 0; n < G_N_ELEMENTS(tests); n++)
        g_test_add_func(tests[n].path, tests[n].fn);
    return g_test_run();
}
