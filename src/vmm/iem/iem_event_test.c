/*
 * iem_event_test.c - debug exceptions, interrupts, x87 errors, and system instructions around them.
 */
#include "iem_test.h"

/* ---- debug (17.3) ---- */

static void test_single_step(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.rflags |= CPUM_FL_TF;
    g_assert_cmpint(ISA_RUN(t, 0x90, 0x90), ==, DB);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 1);
    g_assert_true(t->c->ctx.dr[6] & 0x4000);
}

static void test_code_breakpoint(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.dr[0] = t->code + 1;
    t->c->ctx.dr[7] = 0x402;
    g_assert_cmpint(ISA_RUN(t, 0x90, 0x90), ==, DB);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 1);
    g_assert_true(t->c->ctx.dr[6] & 1);
    fresh(X86_MODE_64);
    t->c->ctx.dr[0] = t->code;
    t->c->ctx.dr[7] = 0x402;
    t->c->ctx.rflags |= CPUM_FL_RF; /* resume: not again */
    g_assert_cmpint(ISA_RUN(t, 0x90, 0x90), ==, ISA_DONE);
    g_assert_false(t->c->ctx.rflags & CPUM_FL_RF);
}

static void test_data_breakpoint(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.dr[1] = ISA_DATA + 4;
    t->c->ctx.dr[7] = 0x408 | 0xdull << 20; /* write, 4 bytes */
    g[X86_RSI] = ISA_DATA;
    g_assert_cmpint(ISA_RUN(t, 0x8b, 0x46, 0x04, 0x89, 0x46, 0x06, 0x90), ==, DB); /* reads do not hit */
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 6);
    g_assert_true(t->c->ctx.dr[6] & 2);
}

/* ---- interrupts ---- */

/* STI holds interrupts off for one more instruction (6.8.3). */
static void test_sti_shadow(void)
{
    fresh(X86_MODE_64);
    isa_load(t, (const uint8_t[]){0xfb, 0x90, 0x90}, 3);
    t->irq = 0x41;
    ff_set(&t->c->ff, FF_INTR);
    g_assert_cmpint(isa_go(t), ==, 0x41);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 2);
}

/* An interrupt that came while IF was 0, in the middle of running code. */
static void test_sti_pending(void)
{
    fresh(X86_MODE_64);
    g[X86_RAX] = 0x44;
    g_assert_cmpint(ISA_RUN(t, 0xfa, 0xe6, 0xf1, 0x90, 0xfb, 0x90, 0x90), ==, 0x44); /* cli; out f1h; nop; sti; nop */
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 6);
    g_assert_cmphex(isa_frame(t, 2) & CPUM_FL_IF, !=, 0);
}

/* PUSHF, reads of control and segment registers, SWAPGS, time stamps. */
static void test_system_reads(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.cr2 = 0x123456789a;
    t->c->ctx.seg[X86_GS].base = 0x1111;
    t->c->ctx.kernel_gs_base = 0x2222;
    t->c->ctx.tsc_aux = 77;
    g[X86_RBX] = 0x7fffffffffffffff;
    g[X86_R13] = ~0ull;
    /* sti; nop; add rbx,1; pushf; pop r8; cli; stc; pushf; pop r9; mov r10,cr2; mov r13d,ss; mov edi,cs; swapgs; rdtscp
     */
    g_assert_cmpint(ISA_RUN(t, 0xfb, 0x90, 0x48, 0x83, 0xc3, 0x01, 0x9c, 0x41, 0x58, 0xfa, 0xf9, 0x9c, 0x41, 0x59, 0x41,
                            0x0f, 0x20, 0xd2, 0x41, 0x8c, 0xd5, 0x8c, 0xcf, 0x0f, 0x01, 0xf8, 0x0f, 0x01, 0xf9),
                    ==, ISA_DONE);
    g_assert_cmphex(g[X86_R8], ==, CPUM_FL_1 | CPUM_FL_OF | CPUM_FL_SF | CPUM_FL_AF | CPUM_FL_PF | CPUM_FL_IF);
    g_assert_cmphex(g[X86_R9], ==, CPUM_FL_1 | CPUM_FL_OF | CPUM_FL_SF | CPUM_FL_AF | CPUM_FL_PF | CPUM_FL_CF);
    g_assert_cmphex(g[X86_R10], ==, 0x123456789a);
    g_assert_cmphex(g[X86_R13], ==, t->c->ctx.seg[X86_SS].sel);
    g_assert_cmphex(g[X86_RDI], ==, t->c->ctx.seg[X86_CS].sel);
    g_assert_cmphex(t->c->ctx.seg[X86_GS].base, ==, 0x2222);
    g_assert_cmphex(t->c->ctx.kernel_gs_base, ==, 0x1111);
    g_assert_cmpuint(g[X86_RCX], ==, 77);
}

/* PUSH of a misaligned operand, often enough to be translated in its second form. */
static void test_push_misaligned(void)
{
    fresh(X86_MODE_64);
    poke(ISA_DATA + 4, 0x1122334455667788, 8);
    g[X86_RSI] = ISA_DATA;
    g[X86_RCX] = 5;
    for (unsigned pass = 0; pass < 3; pass++) {
        g[X86_RCX] = 5;
        g_assert_cmpint(ISA_RUN(t, 0xff, 0x76, 0x04, 0x8f, 0xc0, 0xff, 0xc9, 0x75, 0xf7), ==, ISA_DONE);
        g_assert_cmphex(g[X86_RAX], ==, 0x1122334455667788);
        g_assert_cmphex(g[X86_RSP], ==, t->stack);
    }
}

static void test_halt_wakes(void)
{
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xfb), ==, ISA_DONE); /* sti; hlt */
    g_assert_cmpint(t->c->ctx.activity, ==, CPUM_HALTED);
    t->irq = 0x42;
    ff_set(&t->c->ff, FF_INTR);
    g_assert_cmpint(iem_run(t->c, 100), ==, IEM_EXIT_HALT);
    g_assert_cmphex(t->c->ctx.rip, ==, ISA_HANDLERS + 16 * 0x42 + 1);
}

/* x87 errors with CR0.NE = 0 (vol. 1 8.7.2): FERR# at the next waiting instruction, which waits for the interrupt; with
 * IGNNE# it runs, and the error stays; FERR# goes with the error. */
static void fail_division(void)
{
    fresh(X86_MODE_64);
    t->c->ctx.cr0 &= ~(uint64_t)CPUM_CR0_NE;
    t->ferr = t->ignne = false;
    poke(ISA_DATA, 0x037b, 2); /* ZE is not masked */
    g[X86_RSI] = t->data;
    /* fninit; fldcw [rsi]; fld1; fldz; fdivp; fwait */
    isa_load(t, (const uint8_t[]){0xdb, 0xe3, 0xd9, 0x2e, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b}, 11);
    t->c->ctx.rip = t->code;
}

static void test_x87_irq(void)
{
    fail_division();
    t->c->ctx.rflags |= CPUM_FL_IF;
    g_assert_cmpint(isa_go(t), ==, ISA_FERR_VECTOR);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 10);
    g_assert_true(t->ferr);
    t->ignne = true;
    /* fwait; fld1; fnstsw ax; mov ebx, eax; fld dword [-1], which faults */
    unmap(ISA_DATA + 0x1000);
    g[X86_RSI] = ISA_DATA + 0x1000;
    g_assert_cmpint(ISA_RUN(t, 0x9b, 0xd9, 0xe8, 0xdf, 0xe0, 0x89, 0xc3, 0xd9, 0x06), ==, PF);
    map(ISA_DATA + 0x1000);
    g_assert_cmphex(g[X86_RBX] & 0x84, ==, 0x84); /* ES, ZE */
    g_assert_true(t->ferr);
    /* fnstsw ax; mov ebx, eax; fnclex; fnstsw ax; fwait */
    g_assert_cmpint(ISA_RUN(t, 0xdf, 0xe0, 0x89, 0xc3, 0xdb, 0xe2, 0xdf, 0xe0, 0x9b), ==, ISA_DONE);
    g_assert_cmphex(g[X86_RBX] & 0x84, ==, 0x84);
    g_assert_cmphex(g[X86_RAX] & 0x84, ==, 0);
    g_assert_false(t->ferr);
    t->ignne = false;
}

static void test_x87_freeze(void)
{
    fail_division(); /* interrupts are off */
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_HALT);
    g_assert_cmphex(t->c->ctx.rip, ==, t->code + 10);
    g_assert_true(t->ferr);
    g_assert_cmpint(iem_run(t->c, 1000), ==, IEM_EXIT_HALT);
    t->irq = -1;
    g_assert_cmpint(ISA_RUN(t, 0xdb, 0xe3), ==, ISA_DONE); /* fninit does not wait */
    t->irq = -1;
}

static void test_software(void)
{
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xcc), ==, BP);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 1);
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xcd, 0x55), ==, 0x55);
    g_assert_cmphex(isa_frame(t, 0), ==, t->code + 2);
    fresh(X86_MODE_32);
    t->c->ctx.rflags |= CPUM_FL_OF;
    g_assert_cmpint(ISA_RUN(t, 0xce), ==, OF);
    fresh(X86_MODE_64);
    g_assert_cmpint(ISA_RUN(t, 0xf1), ==, DB);
}

const struct iem_case iem_event_cases[] = {
    {"debug/step", test_single_step},
    {"debug/code", test_code_breakpoint},
    {"debug/data", test_data_breakpoint},
    {"event/sti", test_sti_shadow},
    {"event/sti-pending", test_sti_pending},
    {"system/reads", test_system_reads},
    {"memory/push-misaligned", test_push_misaligned},
    {"event/halt", test_halt_wakes},
    {"event/software", test_software},
    {"x87/irq", test_x87_irq},
    {"x87/freeze", test_x87_freeze},
    {NULL, NULL},
};
