/*
 * rem_test.c - what only translated code does in its own way: paired calls and returns, instructions in two pages,
 * loops.
 *
 * Every block is translated when it first runs; every program runs several times, linked and unlinked.
 */
#include "harness.h"

#include "vmm/rem/rem_int.h"

#define RUNS 3

static struct isa *fresh(void)
{
    struct isa *t = isa_new();

    isa_faults();
    isa_recompile(t, 0);
    isa_mode(t, X86_MODE_64);
    return t;
}

static void done(struct isa *t)
{
    g_assert_cmpuint(rem_stats(t->c)->blocks, >, 0);
    isa_free(t);
}

static uint64_t *reg(struct isa *t, unsigned n)
{
    return &t->c->ctx.gpr[n];
}

/* f(ecx): returns at 0, else calls itself and counts in EAX; deeper than the stack of pairs. */
static void test_deep(void)
{
    static const uint8_t code[] = {0xb9, 0xa0, 0x86, 0x01, 0x00, 0x31, 0xc0, 0xe8, 0x02, 0x00, 0x00, 0x00, 0xeb, 0x0e,
                                   0x85, 0xc9, 0x74, 0x09, 0xff, 0xc9, 0xe8, 0xf5, 0xff, 0xff, 0xff, 0xff, 0xc0, 0xc3};
    struct isa *t = fresh();

    for (unsigned n = 0; n < RUNS; n++) {
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, 100000);
        g_assert_cmpuint(*reg(t, X86_RSP), ==, t->stack);
    }
    done(t);
}

/* xor eax, eax; call f; inc eax; jmp end; f: add qword [rsp], 2; ret: comes back behind the INC. */
static void test_elsewhere(void)
{
    struct isa *t = fresh();

    for (unsigned n = 0; n < RUNS; n++) {
        g_assert_cmpint(ISA_RUN(t, 0x31, 0xc0, 0xe8, 0x04, 0x00, 0x00, 0x00, 0xff, 0xc0, 0xeb, 0x06, 0x48, 0x83, 0x04,
                                0x24, 0x02, 0xc3),
                        ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, 0);
    }
    done(t);
}

/* lea rdx, target; call a; pause; jmp -4; a: mov [rsp], rdx; ret; hlt; target: mov al, 7 - as kernels jump indirectly.
 */
static void test_retpoline(void)
{
    struct isa *t = fresh();

    for (unsigned n = 0; n < RUNS; n++) {
        *reg(t, X86_RAX) = 0;
        g_assert_cmpint(ISA_RUN(t, 0x48, 0x8d, 0x15, 0x0f, 0x00, 0x00, 0x00, 0xe8, 0x04, 0x00, 0x00, 0x00, 0xf3, 0x90,
                                0xeb, 0xfc, 0x48, 0x89, 0x14, 0x24, 0xc3, 0xf4, 0xb0, 0x07),
                        ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, 7);
        g_assert_cmpuint(*reg(t, X86_RSP), ==, t->stack);
    }
    done(t);
}

/* lea rax, end; push rax; lea rdx, r; mov ecx, 9000; l: push rdx; dec ecx; jnz l; r: ret; end: - nobody called. */
static void test_uncalled(void)
{
    struct isa *t = fresh();

    for (unsigned n = 0; n < RUNS; n++) {
        g_assert_cmpint(ISA_RUN(t, 0x48, 0x8d, 0x05, 0x13, 0x00, 0x00, 0x00, 0x50, 0x48, 0x8d, 0x15, 0x0a, 0x00, 0x00,
                                0x00, 0xb9, 0x28, 0x23, 0x00, 0x00, 0x52, 0xff, 0xc9, 0x75, 0xfb, 0xc3),
                        ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RSP), ==, t->stack);
    }
    done(t);
}

/* BT, BTS, BTR, BTC r12-r15, rax: the bit is counted modulo the register's width (SDM vol. 2 BT), wherever REM keeps
 * it. */
static void test_bits(void)
{
    static const int64_t bits[] = {0, 3, 31, 32, 63, 64, 67, 130, 64 * 70 + 5, -1, -67, INT64_MIN};
    static const uint8_t opcodes[] = {0xa3, 0xab, 0xb3, 0xbb};
    const uint64_t was = 0x5a5aa5a5c3c33c3cu;
    struct isa *t = fresh();

    for (unsigned r = X86_R12; r <= X86_R15; r++)
        for (unsigned k = 0; k < G_N_ELEMENTS(bits) * 4 * 2; k++) {
            unsigned op = k % 4, wide = k / 4 % 2;
            int64_t bit = bits[k / 8];
            uint64_t mask = UINT64_C(1) << (bit & (wide ? 63 : 31));
            uint64_t val = wide || op == 0 ? was : was & UINT32_MAX;
            uint64_t want = op == 0 ? val : op == 1 ? val | mask : op == 2 ? val & ~mask : val ^ mask;
            uint8_t code[] = {(uint8_t)(wide ? 0x49 : 0x41), 0x0f, opcodes[op], (uint8_t)(0xc0 | (r & 7))};

            for (unsigned n = X86_R12; n <= X86_R15; n++)
                *reg(t, n) = was;
            *reg(t, X86_RAX) = (uint64_t)bit;
            g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
            g_assert_cmphex(*reg(t, r), ==, want);
            g_assert_cmpint(t->c->ctx.rflags & 1, ==, (was & mask) != 0);
            for (unsigned n = X86_R12; n <= X86_R15; n++)
                g_assert_true(n == r || *reg(t, n) == was);
        }
    done(t);
}

/* mov eax, imm32 with two bytes of the immediate in the next page; then HLT. */
static void test_two_pages(void)
{
    static const uint8_t first[] = {0xb8, 0x11, 0x22}, second[] = {0x33, 0x44, 0xf4}, other[] = {0x55, 0x66, 0xf4};
    struct isa *t = fresh();
    uint64_t *pte = (uint64_t *)(void *)(t->ram + ISA_PT);

    t->code = ISA_DATA + 0xffd;
    pgm_phys_write(t->pgm, ISA_DATA + 0xffd, first, sizeof first);
    pgm_phys_write(t->pgm, ISA_DATA + 0x1000, second, sizeof second);
    pgm_phys_write(t->pgm, ISA_DATA + 0x2000, other, sizeof other);
    for (unsigned n = 0; n < RUNS; n++) {
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmphex(*reg(t, X86_RAX), ==, 0x44332211);
    }
    pte[1] += 0x1000; /* the second page is another one now */
    pgm_mmu_flush(&t->c->mmu, true);
    for (unsigned n = 0; n < RUNS; n++) {
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmphex(*reg(t, X86_RAX), ==, 0x66552211);
    }
    pgm_phys_write(t->pgm, ISA_DATA + 0x2000, second, sizeof second); /* changes */
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmphex(*reg(t, X86_RAX), ==, 0x44332211);
    pgm_phys_write(t->pgm, ISA_DATA + 0xffe, "\x77", 1);
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmphex(*reg(t, X86_RAX), ==, 0x44332277);
    pte[1] = 0; /* and is gone */
    pgm_mmu_flush(&t->c->mmu, true);
    g_assert_cmpint(isa_go(t), ==, 14);
    g_assert_cmphex(t->c->ctx.cr2, ==, ISA_DATA + 0x1000);
    done(t);
}

/* Code and data of two pages that take each other's place in the TLB are linked all the same. */
static void test_same_place(void)
{
    static const uint64_t far = ISA_DATA + ((uint64_t)PGM_TLB_ENTRIES << PGM_PAGE_SHIFT);
    uint8_t here[] = {0xff, 0xc9, 0x0f, 0x85, 0, 0, 0, 0, 0xf4}, there[] = {0xe9, 0, 0, 0, 0};
    int32_t to = (int32_t)(far - (ISA_DATA + 8)), back = (int32_t)(ISA_DATA - (far + 5));
    struct isa *t = fresh();

    memcpy(here + 4, &to, 4); /* dec ecx; jnz there; hlt */
    memcpy(there + 1, &back, 4);
    pgm_phys_write(t->pgm, ISA_DATA, here, sizeof here);
    uint64_t *pd = (uint64_t *)(void *)(t->ram + ISA_PD);
    pd[far >> 21] = pd[2]; /* any memory: 400000h */
    pgm_phys_write(t->pgm, 0x400000 + (far & 0x1fffff), there, sizeof there);
    t->code = ISA_DATA;
    *reg(t, X86_RCX) = 100000;
    g_assert_cmpint(isa_go(t), ==, ISA_DONE);
    g_assert_cmpuint(rem_stats(t->c)->enters, <, 100);
    done(t);
}

/*
 * pcmpeqd xmm9, xmm9; pcmpeqd xmm2, xmm2; movq xmm9, [rsi + 3]; movq [rsi + 43h], xmm9; movsd xmm2, [rsi + 3];
 * movlps [rsi + 53h], xmm2; movsd [rsi + 63h], xmm2; movhlps xmm3, xmm9; movq rax, xmm3; movhlps xmm4, xmm2; movq rdx,
 * xmm4
 */
static void test_misaligned_halves(void)
{
    static const uint8_t value[] = {1, 2, 3, 4, 5, 6, 7, 0x88};
    struct isa *t = fresh();

    for (unsigned n = 0; n < RUNS; n++) {
        uint8_t *data = t->ram + ISA_DATA, expect[0x80];
        memset(data, 0x5a, sizeof expect);
        memcpy(data + 3, value, sizeof value);
        memcpy(expect, data, sizeof expect);
        for (unsigned at = 0x43; at <= 0x63; at += 0x10)
            memcpy(expect + at, value, sizeof value);
        *reg(t, X86_RSI) = ISA_DATA;
        g_assert_cmpint(ISA_RUN(t, 0x66, 0x45, 0x0f, 0x76, 0xc9, 0x66, 0x0f, 0x76, 0xd2, 0xf3, 0x44, 0x0f, 0x7e, 0x4e,
                                0x03, 0x66, 0x44, 0x0f, 0xd6, 0x4e, 0x43, 0xf2, 0x0f, 0x10, 0x56, 0x03, 0x0f, 0x13,
                                0x56, 0x53, 0xf2, 0x0f, 0x11, 0x56, 0x63, 0x41, 0x0f, 0x12, 0xd9, 0x66, 0x48, 0x0f,
                                0x7e, 0xd8, 0x0f, 0x12, 0xe2, 0x66, 0x48, 0x0f, 0x7e, 0xe2),
                        ==, ISA_DONE);
        g_assert_cmpmem(data, sizeof expect, expect, sizeof expect);
        g_assert_cmpuint(*reg(t, X86_RAX), ==, 0);
        g_assert_cmpuint(*reg(t, X86_RDX), ==, 0);
    }
    done(t);
}

/* Returns nobody called do not make room above the first pair, where a later call would leave a pair for ever. */
static void test_above(void)
{
    static const uint8_t to_next[] = {0x48, 0x8d, 0x05, 0x02, 0x00, 0x00, 0x00, 0x50, 0xc3}; /* lea; push; ret: here */
    static const uint8_t call[] = {0xe8, 0x01, 0x00, 0x00, 0x00, 0xf4, 0xc3};
    uint8_t code[3 * sizeof to_next + sizeof call];
    struct isa *t = fresh();
    const uint64_t *first = (const uint64_t *)(uintptr_t)t->c->rem->hot.pair_first;

    for (unsigned n = 0; n < 3; n++)
        memcpy(code + n * sizeof to_next, to_next, sizeof to_next);
    memcpy(code + 3 * sizeof to_next, call, sizeof call);
    for (unsigned n = 0; n < 2 * RUNS; n++) {
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, ISA_DONE);
        g_assert_cmpuint(*reg(t, X86_RSP), ==, t->stack);
    }
    g_assert_cmpuint(t->c->rem->hot.pair_sp, <=, t->c->rem->hot.pair_first);
    for (unsigned n = 0; n < 64; n += 2)
        g_assert_cmphex(first[n + 1], ==, UINT64_C(1) << 62);
    done(t);
}

/*
 * add [rdi], rbx all over PAGES pages, dec ecx, jnz back to the first, hlt; runs three rounds. Return: what [rdi] must
 * be in the end.
 */
#define ROOM_PAGES 480u
static uint64_t long_way(struct isa *t)
{
    static const uint8_t add[] = {0x48, 0x01, 0x1f};
    uint64_t at = ISA_DATA, adds = 0;
    uint8_t end[] = {0xff, 0xc9, 0x0f, 0x85, 0, 0, 0, 0, 0xf4};
    int32_t back;

    for (; at < ISA_DATA + ROOM_PAGES * CSAM_PAGE_BYTES; at += sizeof add, adds++)
        pgm_phys_write(t->pgm, at, add, sizeof add);
    back = (int32_t)(ISA_DATA - (at + 8));
    memcpy(end + 4, &back, 4);
    pgm_phys_write(t->pgm, at, end, sizeof end);
    t->code = ISA_DATA;
    *reg(t, X86_RDI) = ISA_STACK - 0x10000;
    *reg(t, X86_RBX) = 3;
    *reg(t, X86_RCX) = 3;
    memset(t->ram + *reg(t, X86_RDI), 0, 8);
    return 3 * 3 * adds;
}

static uint64_t sum(struct isa *t)
{
    uint64_t v;

    memcpy(&v, t->ram + *reg(t, X86_RDI), 8);
    return v;
}

/* More code than the cache has room for: it goes on, nothing is ever forgotten as a whole, and what is in the cache
 * runs translated. */
static void test_overrun(void)
{
    static const uint8_t loop[] = {0xb9, 0xe8, 0x03, 0x00, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0xf4}; /* 1000 times */
    struct isa *t = fresh();
    const struct rem_stats *s = rem_stats(t->c);
    struct rem_stats before;

    rem_set_arenas(t->c, 2);
    for (unsigned n = 0; n < RUNS; n++) {
        uint64_t expect = long_way(t), evictions = s->evictions;
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmpuint(sum(t), ==, expect);
        g_assert_cmpuint(s->evictions, >, evictions + 3);
        t->code = ISA_CODE;
        pgm_phys_write(t->pgm, ISA_CODE, loop, sizeof loop);
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        before = *s;
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmpuint(s->blocks, ==, before.blocks);
        g_assert_cmpuint(s->enters - before.enters, <, 5);
    }
    g_assert_cmpuint(s->evicted, >, 1000);
    g_assert_cmpuint(s->flushes, ==, 1); /* rem_set_arenas() */
    g_assert_cmpuint(t->c->rem->code_first, >, 0);
    for (unsigned n = 2; n < t->c->rem->arenas; n++)
        g_assert_cmpuint(t->c->rem->filled[n].used, ==, n * REM_ARENA_BYTES);
    done(t);
}

/* Code that is wanted again after it had to give way gets more room, until it fits; and no more than it needs. */
static void test_more_room(void)
{
    struct isa *t = fresh();
    struct rem *r = t->c->rem;
    uint64_t expect, blocks = 0;

    rem_set_arenas(t->c, 64);
    g_assert_cmpint(isa_run(t, (const uint8_t[]){0x90}, 1), ==, ISA_DONE);
    r->taking_turns = 2;
    for (unsigned n = 0; n < 12; n++) {
        expect = long_way(t);
        blocks = r->stats.blocks;
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmpuint(sum(t), ==, expect);
    }
    g_assert_cmpuint(r->stats.again, >, 1000);
    g_assert_cmpuint(r->stats.blocks, ==, blocks);
    g_assert_cmpuint(r->taking_turns, >, 2);
    g_assert_cmpuint(r->taking_turns, <, 16);
    done(t);
}

/* Code in more pages than there is room for. */
static void test_many_pages(void)
{
    struct isa *t = fresh();
    struct rem *r = t->c->rem;
    uint32_t pages_max = r->pages_max;

    r->pages_max = ROOM_PAGES / 4;
    for (unsigned n = 0; n < RUNS; n++) {
        uint64_t expect = long_way(t);
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmpuint(sum(t), ==, expect);
    }
    g_assert_cmpuint(r->pages, <=, ROOM_PAGES / 4);
    g_assert_cmpuint(r->stats.pages_evicted, >, ROOM_PAGES);
    g_assert_cmpuint(r->stats.flushes, ==, 0);
    r->pages_max = pages_max;
    done(t);
}

/*
 * An interrupt that waits for STI leaves translated code alone until then, and comes behind STI's shadow:
 * cli; out f1h, al (asks for it); mov ecx, 10000; l: dec ecx; jnz l; sti; nop; nop
 */
static void test_interrupt_waits(void)
{
    static const uint8_t code[] = {0xfa, 0xe6, 0xf1, 0xb9, 0x10, 0x27, 0x00, 0x00,
                                   0xff, 0xc9, 0x75, 0xfc, 0xfb, 0x90, 0x90};
    struct isa *t = fresh();

    for (unsigned n = 0; n < RUNS; n++) {
        const uint64_t before = t->c->stat_insns;

        *reg(t, X86_RAX) = 0x44;
        g_assert_cmpint(isa_run(t, code, sizeof code), ==, 0x44);
        g_assert_cmphex(isa_frame(t, 0), ==, t->code + sizeof code - 1);
        g_assert_cmpuint(*reg(t, X86_RCX), ==, 0);
        g_assert_cmpuint(t->c->stat_insns - before, <, 100);
    }
    done(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rem/bits", test_bits);
    g_test_add_func("/rem/pairs/deep", test_deep);
    g_test_add_func("/rem/pairs/elsewhere", test_elsewhere);
    g_test_add_func("/rem/pairs/retpoline", test_retpoline);
    g_test_add_func("/rem/pairs/uncalled", test_uncalled);
    g_test_add_func("/rem/pairs/above", test_above);
    g_test_add_func("/rem/pages/two", test_two_pages);
    g_test_add_func("/rem/pages/same-place", test_same_place);
    g_test_add_func("/rem/misaligned/halves", test_misaligned_halves);
    g_test_add_func("/rem/interrupt-waits", test_interrupt_waits);
    g_test_add_func("/rem/room/code", test_overrun);
    g_test_add_func("/rem/room/more", test_more_room);
    g_test_add_func("/rem/room/pages", test_many_pages);
    return g_test_run();
}
