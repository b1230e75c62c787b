/*
 * raw_test.c - user code in a jail: results, page tables, changing code, and what must not run there. Data instructions
 * are compared with the host CPU by test/isa/host_compare --engine raw.
 */
#include "vmm/raw/raw.h"

#include <string.h>

#include "harness.h"
#include "rt/jail.h"
#include "vmm/csam/sweep.h"
#include "vmm/raw/raw_int.h"

enum { VECTOR_DE = 0, VECTOR_BP = 3, VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_PF = 14 };
#define PTE_A    0x20u
#define PTE_D    0x40u
#define PAGE     4096u
#define PML4     0x4000u /* the harness's */
#define USER_PTE 7u
/* SDM vol. 1 13.4 */
#define XSTATE_BV   512u
#define XSAVE_UPPER 576u
#define XCR0_AVX    4u

static struct isa *begin(void)
{
    struct isa *t = isa_new();
    g_autoptr(GError) error = NULL;

    isa_native(t, &error);
    g_assert_no_error(error);
    isa_mode(t, X86_MODE_64);
    isa_user(t);
    t->c->ctx.rflags |= CPUM_FL_IF;
    return t;
}

static uint64_t enters(const struct isa *t)
{
    return raw_stats(t->c)->enters;
}

static uint64_t pte(const struct isa *t, unsigned n)
{
    uint64_t val;

    memcpy(&val, t->ram + ISA_PT + 8 * n, 8);
    return val;
}

static void set_pte(struct isa *t, unsigned n, uint64_t val)
{
    memcpy(t->ram + ISA_PT + 8 * n, &val, 8);
}

static void user_again(struct isa *t)
{
    isa_user(t);
    t->c->ctx.rflags = CPUM_FL_1 | CPUM_FL_IF;
    t->c->ctx.gpr[X86_RSP] = t->stack;
}

/* mov ecx, 1000000; xor eax, eax; 1: add eax, ecx; dec ecx; jnz 1 */
static void test_loop(void)
{
    struct isa *t = begin();

    g_assert_cmpint(ISA_RUN(t, 0xb9, 0x40, 0x42, 0x0f, 0x00, 0x31, 0xc0, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa), ==,
                    VECTOR_GP);
    g_assert_cmpuint((uint32_t)t->c->ctx.gpr[X86_RAX], ==, (uint32_t)(500000ull * 1000001));
    g_assert_cmpuint(enters(t), >, 0);
    g_assert_cmpuint(enters(t), <, 20); /* code, data, the end: not an instruction at a time */
    isa_free(t);
}

static struct jail *present_jail(const struct isa *t)
{
    const struct raw *r = t->c->raw;
    unsigned n = 0;

    while (r->space[n].root == UINT64_MAX)
        n++;
    return r->space[n].jail;
}

/* Whether the host thinks that upper halves are in use after movaps xmm0, xmm1 with @upper in one of them. */
static bool upper_in_use(struct isa *t, uint8_t upper)
{
    user_again(t);
    t->c->ctx.fpu.area[XSAVE_UPPER] = upper;
    g_assert_cmpint(ISA_RUN(t, 0x0f, 0x28, 0xc1), ==, VECTOR_GP);
    g_assert_cmpuint(t->c->ctx.fpu.area[XSAVE_UPPER], ==, upper);
    return jail_xstate(present_jail(t))[XSTATE_BV] & XCR0_AVX;
}

/* While they are, each instruction of SSE waits for its old destination. */
static void test_upper_halves(void)
{
    struct isa *t = begin();

    g_assert_false(upper_in_use(t, 0));
    g_assert_true(upper_in_use(t, 1));
    g_assert_false(upper_in_use(t, 0));
    isa_free(t);
}

/* mov eax, [rdi]; mov [rsi], eax: A of the one, A and D of the other, and nothing else's. */
static void test_accessed_dirty(void)
{
    struct isa *t = begin();

    t->c->ctx.gpr[X86_RDI] = ISA_DATA + 3 * PAGE;
    t->c->ctx.gpr[X86_RSI] = ISA_DATA + 5 * PAGE;
    g_assert_cmpint(ISA_RUN(t, 0x8b, 0x07, 0x89, 0x06), ==, VECTOR_GP);
    for (unsigned n = 0; n < 16; n++)
        g_assert_cmphex(pte(t, n) & (PTE_A | PTE_D), ==, n == 3 ? PTE_A : n == 5 ? PTE_A | PTE_D : 0);
    g_assert_cmpuint(enters(t), >, 0);
    isa_free(t);
}

/* Reads a page 100 times, then writes it: D comes with the first write although the page is mapped. */
static void test_dirty_later(void)
{
    struct isa *t = begin();

    t->c->ctx.gpr[X86_RDI] = ISA_DATA + 7 * PAGE;
    /* mov ecx, 100; 1: mov eax, [rdi]; dec ecx; jnz 1; hlt */
    g_assert_cmpint(ISA_RUN(t, 0xb9, 100, 0, 0, 0, 0x8b, 0x07, 0xff, 0xc9, 0x75, 0xfa), ==, VECTOR_GP);
    g_assert_cmphex(pte(t, 7) & (PTE_A | PTE_D), ==, PTE_A);
    user_again(t);
    g_assert_cmpint(ISA_RUN(t, 0xb9, 100, 0, 0, 0, 0xff, 0x07, 0xff, 0xc9, 0x75, 0xfa), ==, VECTOR_GP); /* inc [rdi] */
    g_assert_cmphex(pte(t, 7) & (PTE_A | PTE_D), ==, PTE_A | PTE_D);
    g_assert_cmpuint(t->ram[ISA_DATA + 7 * PAGE], ==, 100);
    isa_free(t);
}

/* What the guest's kernel does to a page that is mapped in the jail. */
static void test_page_changes(void)
{
    static const struct {
        const char *what;
        uint64_t clear, set;
        uint8_t code[2];
        uint32_t error;
    } rows[] = {
        {"not present, read", 1, 0, {0x8b, 0x07}, PGM_PF_U},
        {"not present, write", 1, 0, {0x89, 0x07}, PGM_PF_U | PGM_PF_W},
        {"read only", 2, 0, {0x89, 0x07}, PGM_PF_P | PGM_PF_U | PGM_PF_W},
        {"supervisor's", 4, 0, {0x8b, 0x07}, PGM_PF_P | PGM_PF_U},
        {"no execution: jmp rdi", 0, UINT64_C(1) << 63, {0xff, 0xe7}, PGM_PF_P | PGM_PF_U | PGM_PF_I},
    };
    struct isa *t = begin();

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        const uint64_t gla = ISA_DATA + 9 * PAGE;

        user_again(t);
        set_pte(t, 9, gla | USER_PTE);
        pgm_mmu_invlpg(&t->c->mmu, gla);
        t->c->ctx.gpr[X86_RDI] = gla;
        g_assert_cmpint(ISA_RUN(t, 0x89, 0x07, 0x8b, 0x07), ==, VECTOR_GP);
        user_again(t);
        set_pte(t, 9, (pte(t, 9) & ~rows[n].clear) | rows[n].set);
        pgm_mmu_invlpg(&t->c->mmu, gla);
        g_test_message("%s", rows[n].what);
        g_assert_cmpint(isa_run(t, rows[n].code, 2), ==, VECTOR_PF);
        g_assert_cmphex(t->c->ctx.cr2, ==, gla);
        g_assert_cmphex(isa_frame(t, 0), ==, rows[n].error);
    }
    g_assert_cmpuint(enters(t), >, G_N_ELEMENTS(rows));
    isa_free(t);
}

/* The same linear page leads elsewhere after a flush; and back. */
static void test_remapped(void)
{
    struct isa *t = begin();

    for (unsigned n = 0; n < 20; n++) {
        const unsigned page = 20 + n % 3;

        t->ram[ISA_DATA + page * PAGE] = (uint8_t)(page + n);
        set_pte(t, 11, (ISA_DATA + page * PAGE) | USER_PTE);
        pgm_mmu_flush(&t->c->mmu, n % 2 == 0);
        user_again(t);
        t->c->ctx.gpr[X86_RDI] = ISA_DATA + 11 * PAGE;
        g_assert_cmpint(ISA_RUN(t, 0x0f, 0xb6, 0x07), ==, VECTOR_GP); /* movzx eax, byte [rdi] */
        g_assert_cmpuint(t->c->ctx.gpr[X86_RAX], ==, (uint8_t)(page + n));
    }
    isa_free(t);
}

/* Code that writes its own immediate and runs it, many times: mov [rip+1], cl; mov al, imm; add edx, eax; dec ecx; jnz
 */
static void test_changes_itself(void)
{
    struct isa *t = begin();

    g_assert_cmpint(ISA_RUN(t, 0x31, 0xd2, 0x31, 0xc0, 0xb9, 100, 0, 0, 0, 0x88, 0x0d, 0x01, 0, 0, 0, 0xb0, 0x00, 0x01,
                            0xc2, 0xff, 0xc9, 0x75, 0xf2),
                    ==, VECTOR_GP);
    g_assert_cmpuint(t->c->ctx.gpr[X86_RDX], ==, 5050);
    isa_free(t);
}

/* Somebody else - a device, another CPU - writes the code between two runs. */
static void test_changed_by_others(void)
{
    struct isa *t = begin();

    for (unsigned n = 1; n < 30; n++) {
        const uint8_t code[] = {0xb8, (uint8_t)n, 0, 0, 0, 0xf4}; /* mov eax, n; hlt */

        user_again(t);
        pgm_phys_write(t->pgm, ISA_CODE, code, sizeof code);
        g_assert_cmpint(isa_go(t), ==, VECTOR_GP);
        g_assert_cmpuint(t->c->ctx.gpr[X86_RAX], ==, n);
    }
    g_assert_cmpuint(enters(t), >=, 29);
    isa_free(t);
}

/* Each is executed with the guest's answer; on the host it would be the host's, or none. */
static void test_refused(void)
{
    static const struct {
        const char *name;
        uint8_t code[8];
        uint8_t size;
    } rows[] = {
        {"sgdt", {0x0f, 0x01, 0x07}, 3},        {"sidt", {0x0f, 0x01, 0x0f}, 3},
        {"sldt", {0x0f, 0x00, 0xc0}, 3},        {"str", {0x0f, 0x00, 0xc8}, 3},
        {"smsw", {0x0f, 0x01, 0xe0}, 3},        {"lsl", {0x0f, 0x03, 0xc1}, 3},
        {"lar", {0x0f, 0x02, 0xc1}, 3},         {"verr", {0x0f, 0x00, 0xe1}, 3},
        {"mov eax, cs", {0x8c, 0xc8}, 2},       {"pushf; pop", {0x9c, 0x58}, 2},
        {"rdpid", {0xf3, 0x0f, 0xc7, 0xf8}, 4}, {"xgetbv", {0x31, 0xc9, 0x0f, 0x01, 0xd0}, 5},
        {"mov ds, ecx", {0x8e, 0xd9}, 2},       {"push fs; pop", {0x0f, 0xa0, 0x58}, 3},
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        struct isa *native = begin(), *plain = isa_new();
        uint64_t before;
        int a, b;

        isa_mode(plain, X86_MODE_64);
        isa_user(plain);
        for (unsigned k = 0; k < 2; k++) {
            struct isa *t = k == 0 ? native : plain;

            t->c->ctx.rflags |= CPUM_FL_IF;
            t->c->ctx.gpr[X86_RDI] = ISA_DATA;
            t->c->ctx.gpr[X86_RCX] = 0x2b;
            t->c->ctx.tsc_aux = 0x1234;
        }
        before = raw_stats(native->c)->refused;
        a = isa_run(native, rows[n].code, rows[n].size);
        b = isa_run(plain, rows[n].code, rows[n].size);
        g_test_message("%s", rows[n].name);
        g_assert_cmpint(a, ==, b);
        g_assert_cmpmem(native->c->ctx.gpr, sizeof native->c->ctx.gpr, plain->c->ctx.gpr, sizeof plain->c->ctx.gpr);
        g_assert_cmpmem(native->ram + ISA_DATA, 16, plain->ram + ISA_DATA, 16);
        g_assert_cmpuint(raw_stats(native->c)->refused, >, before);
        isa_free(native);
        isa_free(plain);
    }
}

/* Exceptions are the guest's own: vector, place, and the way back over what traps behind itself. */
static void test_exceptions(void)
{
    static const struct {
        uint8_t code[6];
        uint8_t size, at; /* RIP in the frame, from the code's start */
        int vector;
    } rows[] = {
        {{0x31, 0xc9, 0xf7, 0xf1}, 4, 2, VECTOR_DE}, /* xor ecx, ecx; div ecx */
        {{0x90, 0xcc}, 2, 2, VECTOR_BP},             /* int3: behind it */
        {{0x90, 0x0f, 0x0b}, 3, 1, VECTOR_UD},
        {{0x90, 0xfa}, 2, 1, VECTOR_GP}, /* cli */
        {{0x90, 0xcd, 0x40}, 3, 3, 0x40},
        {{0x90, 0xcd, 0x03}, 3, 3, VECTOR_BP},
        {{0xec}, 1, 0, VECTOR_GP}, /* in al, dx */
    };
    struct isa *t = begin();

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        user_again(t);
        g_assert_cmpint(isa_run(t, rows[n].code, rows[n].size), ==, rows[n].vector);
        g_assert_cmphex(isa_frame(t, rows[n].vector == VECTOR_GP ? 1 : 0), ==, t->code + rows[n].at);
    }
    g_assert_cmpuint(enters(t), >=, G_N_ELEMENTS(rows));
    isa_free(t);
}

/* Where the guest has something of its own under the stub, nothing runs natively, and the guest finds what it has. */
static void test_stub_in_the_way(void)
{
    struct isa *t = begin();
    uint64_t entry = 0x20000u | USER_PTE;

    for (unsigned n = 0; n < RAW_SPACES; n++) { /* whichever is chosen */
        const uint64_t stub = jail_stub(t->c->raw->space[n].jail);
        const uint64_t tables[] = {0x20000, 0x21000, 0x22000};

        memcpy(t->ram + PML4 + 8 * (stub >> 39 & 511), &entry, 8);
        for (unsigned k = 0; k < 3; k++) {
            const unsigned shift = 30 - 9 * k;
            const uint64_t next = (k < 2 ? tables[k + 1] : ISA_DATA) | USER_PTE;

            memcpy(t->ram + tables[k] + 8 * (stub >> shift & 511), &next, 8);
        }
    }
    pgm_mmu_flush(&t->c->mmu, true);
    t->ram[ISA_DATA] = 77;
    t->c->ctx.gpr[X86_RDI] = jail_stub(t->c->raw->space[0].jail);
    g_assert_cmpint(ISA_RUN(t, 0x0f, 0xb6, 0x07), ==, VECTOR_GP);
    g_assert_cmpuint(t->c->ctx.gpr[X86_RAX], ==, 77);
    g_assert_cmpuint(enters(t), ==, 0);
    isa_free(t);
}

/* ---- the judge's eyes ---- */

static bool no_cpuid(void *user, const struct x86_insn *i, const uint8_t *bytes)
{
    (void)user, (void)bytes;
    return i == NULL || i->mnem != X86_CPUID;
}

static bool no_unknown(void *user, const struct x86_insn *i, const uint8_t *bytes)
{
    (void)user, (void)bytes;
    return i != NULL;
}

static void test_sweep(void)
{
    static const struct {
        const char *what;
        uint8_t bytes[24];
        unsigned at;   /* in the window's page, may be negative as unsigned: in the page before */
        bool swept;    /* CPUID is found by reading the page */
        bool followed; /* ... by following from offset 0 */
    } rows[] = {
        {"in the open", {0x0f, 0xa2}, 0, true, true},
        {"behind a jump over it", {0xeb, 0x02, 0x0f, 0xa2}, 0, true, false},
        {"where a jump leads", {0xeb, 0x02, 0xcc, 0xcc, 0x0f, 0xa2}, 0, true, true},
        {"where a branch may lead", {0x74, 0x02, 0xc3, 0xcc, 0x0f, 0xa2}, 0, true, true},
        {"in a function that is called", {0xe8, 0x01, 0, 0, 0, 0xc3, 0x0f, 0xa2}, 0, true, true},
        {"in an immediate", {0xb8, 0x0f, 0xa2, 0x00, 0x00, 0xc3}, 0, false, false},
        {"behind EVEX", {0x62, 0xf1, 0x7c, 0x48, 0x10, 0x44, 0x24, 0x01, 0x0f, 0xa2}, 0, true, false},
        {"across the border", {0x0f, 0xa2}, (unsigned)-1, true, false},
        {"an immediate begun before the page, entered",
         {0xb8, 0x0f, 0xa2, 0x00, 0x00, 0xc3},
         (unsigned)-1,
         false,
         true},
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++) {
        struct csam_window w = {.has_lead = true, .has_tail = true};

        memset(w.bytes, 0xc3, sizeof w.bytes);
        memcpy(w.bytes + CSAM_LEAD_BYTES + (int)rows[n].at, rows[n].bytes, sizeof rows[n].bytes);
        for (unsigned k = sizeof rows[n].bytes; k > 1 && rows[n].bytes[k - 1] == 0; k--)
            w.bytes[CSAM_LEAD_BYTES + (int)rows[n].at + (int)k - 1] = 0xc3;
        g_test_message("%s", rows[n].what);
        g_assert_cmpint(!csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL), ==, rows[n].swept);
        g_assert_cmpint(!csam_follow(&w, 0, X86_MODE_64, no_cpuid, NULL, NULL), ==, rows[n].followed);
    }
}

/* A table between functions, with CPUID in it; the same with nothing but code around. */
static void test_sweep_data(void)
{
    struct csam_window w = {.has_lead = true, .has_tail = true};
    uint8_t *page = w.bytes + CSAM_LEAD_BYTES;

    memset(w.bytes, 0xc3, sizeof w.bytes);
    memcpy(page + 1000, "\x0f\xa2", 2);
    g_assert_false(csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL));
    page[1010] = 0xf4; /* HLT behind it */
    g_assert_true(csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL));
    g_assert_false(csam_sweep(&w, X86_MODE_32, no_cpuid, NULL, NULL)); /* it could be the vdso's SYSENTER */
    page[1010] = 0xc3;
    page[990] = 0x06; /* undefined, in front of it */
    g_assert_true(csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL));
    g_assert_false(csam_follow(&w, 1000, X86_MODE_64, no_cpuid, NULL, NULL));
    page[990] = 0xc3;
    page[900] = 0x06; /* too far away */
    page[1100] = 0xf4;
    g_assert_false(csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL));
}

/* The page was fetched from for the end of an instruction: that is where reading starts, not at the page. */
static void test_follow_from_lead(void)
{
    struct csam_window w = {.has_lead = true, .has_tail = true};

    memset(w.bytes, 0xc3, sizeof w.bytes);
    memcpy(w.bytes + CSAM_LEAD_BYTES - 1, "\xb8\x0f\xa2\x00\x00", 5);
    g_assert_false(csam_follow(&w, 0, X86_MODE_64, no_cpuid, NULL, NULL));
    g_assert_true(csam_follow(&w, -1, X86_MODE_64, no_cpuid, NULL, NULL));
    memcpy(w.bytes + CSAM_LEAD_BYTES + 4, "\x0f\xa2", 2);
    g_assert_false(csam_follow(&w, -1, X86_MODE_64, no_cpuid, NULL, NULL));
}

/* The first bytes of a page whose neighbour is missing may be the rest of an instruction. */
static void test_sweep_without_lead(void)
{
    struct csam_window w = {.has_tail = true};

    memset(w.bytes, 0xc3, sizeof w.bytes);
    memcpy(w.bytes + CSAM_LEAD_BYTES, "\x0f\xa2\x90", 3);
    g_assert_true(csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL));
    memcpy(w.bytes + CSAM_LEAD_BYTES + X86_MAX_LEN, "\x0f\xa2", 2);
    g_assert_false(csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL));
}

/* A whole page of garbage: reading ends, and nothing outside is touched. */
static void test_sweep_garbage(void)
{
    struct csam_window w;

    for (unsigned n = 0; n < 200; n++) {
        for (unsigned k = 0; k < sizeof w.bytes; k++)
            w.bytes[k] = (uint8_t)g_test_rand_int();
        w.has_lead = n & 1;
        w.has_tail = n & 2;
        csam_sweep(&w, X86_MODE_64, no_unknown, NULL, NULL);
        csam_follow(&w, (int)(n * 20 % CSAM_PAGE_BYTES), X86_MODE_64, no_unknown, NULL, NULL);
        csam_sweep(&w, X86_MODE_64, no_cpuid, NULL, NULL);
        csam_follow(&w, (int)(n * 20 % CSAM_PAGE_BYTES), X86_MODE_64, no_cpuid, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*fn)(void);
    } tests[] = {
        {"/raw/loop", test_loop},
        {"/raw/upper-halves", test_upper_halves},
        {"/raw/pages/accessed-dirty", test_accessed_dirty},
        {"/raw/pages/dirty-later", test_dirty_later},
        {"/raw/pages/changes", test_page_changes},
        {"/raw/pages/remapped", test_remapped},
        {"/raw/code/changes-itself", test_changes_itself},
        {"/raw/code/changed-by-others", test_changed_by_others},
        {"/raw/code/refused", test_refused},
        {"/raw/exceptions", test_exceptions},
        {"/raw/stub", test_stub_in_the_way},
        {"/raw/sweep/finds", test_sweep},
        {"/raw/sweep/data", test_sweep_data},
        {"/raw/sweep/from-lead", test_follow_from_lead},
        {"/raw/sweep/without-lead", test_sweep_without_lead},
        {"/raw/sweep/garbage", test_sweep_garbage},
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned n = 0; n < G_N_ELEMENTS(tests); n++)
        g_test_add_func(tests[n].path, tests[n].fn);
    return g_test_run();
}
