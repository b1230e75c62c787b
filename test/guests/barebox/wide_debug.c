/*
 * wide_debug.c - single step, breakpoints and RF in long mode.
 *
 * SDM vol. 3 17.2 (debug registers; 17.2.6 in 64-bit mode), 17.3.1 (#DB: faults and traps, RF), 17.3.1.4 (single step),
 * 6.8.3 (shadow of MOV SS); vol. 2 SYSCALL, IRET.
 */
#include "wide.h"

enum { DR6_BS = 0x4000, DR7_LE = 0x400, RW_WRITE = 1 };
static volatile u64 watched[4] __attribute__((aligned(32)));
u8 copy_from[64], copy_to[64];

static void set_dr0(u64 v)
{
    __asm__ volatile("mov %0, %%dr0" : : "r"(v));
}

static void set_dr6(u64 v)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(v));
}

static void set_dr7(u64 v)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(v));
}

/* DR7 for breakpoint 0: enabled, kind, length code (0, 1, 3, 2: 1, 2, 4, 8 bytes). */
static u64 dr7(unsigned rw, unsigned len)
{
    return DR7_LE | 2 | (u64)rw << 16 | (u64)len << 18;
}

static void hits(const char *name, void (*fn)(void), u64 at, u64 dr6)
{
    set_dr6(0);
    expect(name, 0, fn, DB, 0, at);
    is("  its DR6", trap.dr6 & 0xe00f, dr6);
}

/* ---- single step ---- */

SNIP(s_rep, "mov $copy_from, %esi; mov $copy_to, %edi; mov $4, %ecx; pushfq; orl $0x100, (%rsp); popfq;"
            "s_rep_f: rep movsb");
SNIP(s_iret,
     "mov %rsp, %rdx; mov %ss, %eax; push %rax; push %rdx; pushfq; orl $0x100, (%rsp); mov %cs, %eax; push %rax;"
     "push $s_iret_f; iretq; s_iret_f: nop; nop");
SNIP(s_ss, "mov %ss, %eax; pushfq; orl $0x100, (%rsp); popfq; mov %eax, %ss; nop; s_ss_f: nop");
SNIP(s_syscall_target, "s_syscall_target_f: int $0x31");
SNIP(s_syscall, "pushfq; orl $0x100, (%rsp); popfq; syscall; s_syscall_f: nop");

static void check_step(void)
{
    hits("single step stops in REP after each iteration", s_rep, AT(s_rep), DR6_BS);
    is("  three iterations are left", trap.rcx, 3);
    hits("single step set by IRET acts behind the next instruction", s_iret, AT(s_iret) + 1, DR6_BS);
    hits("single step is held off by MOV SS", s_ss, AT(s_ss), DR6_BS);
    wrmsr(MSR_LSTAR, (u64)s_syscall_target);
    wrmsr(MSR_SFMASK, 0x100);
    expect("SYSCALL with TF in SFMASK is not stepped", 0, s_syscall, 0x31, 0, AT(s_syscall_target) + 2);
    wrmsr(MSR_SFMASK, 0);
    hits("SYSCALL without it is", s_syscall, AT(s_syscall_target), DR6_BS);
}

/* ---- breakpoints ---- */

SNIP(b_write8, "movq $1, watched; b_write8_f: nop");
SNIP(b_write_last, "movb $1, watched + 7; b_write_last_f: nop");
SNIP(b_write_next, "movb $1, watched + 8; b_write_next_f: nop");
SNIP(b_exec, "nop; b_exec_f: nop; nop");
SNIP(b_rep, "mov $copy_from, %esi; mov $copy_to, %edi; mov $8, %ecx; b_rep_f: rep movsb; b_rep_end: nop");
SNIP(b_dr7_high, "mov $1, %eax; shl $32, %rax; b_dr7_high_f: mov %rax, %dr7");
SNIP(b_dr6_high, "mov $1, %eax; shl $32, %rax; b_dr6_high_f: mov %rax, %dr6");
SNIP(b_dr8, "b_dr8_f: .byte 0x44, 0x0f, 0x21, 0xc0");
SNIP(b_fault, "mov $0x40000000, %edi; mov $copy_from, %esi; mov $4, %ecx; b_fault_f: rep movsb");
extern char b_rep_end[];

static void check_breakpoints(void)
{
    set_dr0((u64)watched);
    set_dr7(dr7(RW_WRITE, 2));
    hits("8-byte breakpoint", b_write8, AT(b_write8), 1);
    hits("8-byte breakpoint, its last byte", b_write_last, AT(b_write_last), 1);
    expect("8-byte breakpoint, the byte behind it", 0, b_write_next, NONE, 0, 0);
    set_dr0(AT(b_exec));
    set_dr7(dr7(0, 0));
    hits("code breakpoint", b_exec, AT(b_exec), 1);
    is("  RF is not pushed", trap.rflags & FLAG_RF, 0);
    set_dr0((u64)&copy_to[2]);
    set_dr7(dr7(RW_WRITE, 0));
    hits("data breakpoint within REP", b_rep, AT(b_rep), 1);
    is("  five iterations are left", trap.rcx, 5);
    is("  RF is pushed: the instruction is not over", trap.rflags & FLAG_RF, FLAG_RF);
    set_dr0((u64)&copy_to[7]);
    hits("data breakpoint in the last iteration", b_rep, (u64)b_rep_end, 1);
    is("  RF is not pushed", trap.rflags & FLAG_RF, 0);
    set_dr7(DR7_LE);
    expect("page fault within REP", 0, b_fault, PF, 2, AT(b_fault));
    is("  RF is pushed", trap.rflags & FLAG_RF, FLAG_RF);
    expect("DR7 with a high bit", 0, b_dr7_high, GP, 0, AT(b_dr7_high));
    expect("DR6 with a high bit", 0, b_dr6_high, GP, 0, AT(b_dr6_high));
    expect("DR8", 0, b_dr8, UD, 0, AT(b_dr8));
}

void check_wide_debug(void)
{
    check_step();
    check_breakpoints();
}
