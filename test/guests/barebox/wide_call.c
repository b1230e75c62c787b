/*
 * wide_call.c - the ways into CPL 0 and back in long mode: SYSCALL, SYSENTER, call gates, interrupt stacks.
 *
 * SDM vol. 2 SYSCALL, SYSRET, SYSENTER, SYSEXIT; vol. 3 5.8.3.1 and 5.8.5.1 (call gates and their stack), 6.14.
 */
#include "wide.h"

enum { GATE = FREE };
static u64 star, sfmask;
u64 saved_rsp;

/* ---- SYSCALL, SYSRET ---- */

/* Entered from CPL 3: reports what it finds and returns through INT 31h's stub. */
SNIP(on_syscall, "mov saved_rsp, %rsp; on_syscall_f: int $0x31");
SNIP(c_syscall, "mov $0x40cd7, %eax; push %rax; popfq; mov %rsp, saved_rsp; c_syscall_f: syscall");
SNIP(c_syscall_off, "c_syscall_off_f: syscall");
SNIP(c_sysret_bad, "mov $1, %ecx; shl $47, %rcx; mov $2, %r11d; c_sysret_bad_f: sysretq");
SNIP(c_sysret_32, "mov $user_done32, %ecx; mov $0x10cd7, %r11d; mov %rsp, saved_rsp; mov $0x6f000, %esp; sysretl;"
                  ".code32; user_done32: int $0x30; .code64; c_sysret_32_f: nop");
SNIP(c_sysret_64, "mov $user_done, %ecx; mov $0x10cd7, %r11d; mov $0x6f000, %esp; sysretq; c_sysret_64_f: nop");
SNIP(c_lstar_bad, "mov $0xc0000082, %ecx; mov $0x8000, %edx; xor %eax, %eax; c_lstar_bad_f: wrmsr");
SNIP(c_sysret_user, "c_sysret_user_f: sysretq");

static void check_syscall(void)
{
    star = rdmsr(MSR_STAR);
    sfmask = rdmsr(MSR_SFMASK);
    wrmsr(MSR_STAR, 0x00230028ull << 32);
    wrmsr(MSR_LSTAR, (u64)on_syscall);
    wrmsr(MSR_SFMASK, 0x40700); /* TF IF DF AC */
    expect("SYSCALL arrives at LSTAR", 1, c_syscall, 0x31, 0, AT(on_syscall) + 2);
    is("SYSCALL: RCX is the next instruction", trap.rcx, AT(c_syscall) + 2);
    is("SYSCALL: R11 is RFLAGS without RF", trap.r11 & 0x50fd5, 0x40cd5 & 0x50fd5);
    is("SYSCALL: SFMASK's bits are clear", trap.rflags & 0x40700, 0);
    is("SYSCALL: CS and SS from STAR", trap.cs << 16 | trap.ss, 0x280030);
    expect("SYSRETQ", 0, c_sysret_64, DONE, 0, (u64)user_done + 2);
    is("SYSRETQ: CS and SS from STAR", trap.cs << 16 | trap.ss, 0x33002b);
    is("SYSRETQ: RFLAGS from R11, RF cleared", trap.rflags & 0x10cd5, 0x00cd5);
    expect("SYSRETL", 0, c_sysret_32, DONE, 0, 0);
    is("SYSRETL: CS and SS from STAR", trap.cs << 16 | trap.ss, 0x23002b);
    if (is_intel())
        expect("SYSRETQ to a non-canonical address", 0, c_sysret_bad, GP, 0, AT(c_sysret_bad));
    expect("SYSRET at CPL 3", 1, c_sysret_user, GP, 0, AT(c_sysret_user));
    expect("LSTAR non-canonical", 0, c_lstar_bad, GP, 0, AT(c_lstar_bad));
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~1ull);
    expect("SYSCALL without EFER.SCE", 1, c_syscall_off, UD, 0, AT(c_syscall_off));
    expect("SYSRET without EFER.SCE", 0, c_sysret_bad, UD, 0, AT(c_sysret_bad));
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
    wrmsr(MSR_STAR, star);
    wrmsr(MSR_SFMASK, sfmask);
}

/* ---- SYSENTER, SYSEXIT: Intel has them in long mode, AMD #UD ---- */

SNIP(on_sysenter, "on_sysenter_f: int $0x31");
SNIP(c_sysenter, "c_sysenter_f: sysenter");
SNIP(c_sysexit, "mov $user_done, %edx; mov $0x6f000, %ecx; .byte 0x48, 0x0f, 0x35; c_sysexit_f: nop");
SNIP(c_sysexit_bad, "mov $user_done, %edx; mov $1, %ecx; shl $47, %rcx; c_sysexit_bad_f: .byte 0x48, 0x0f, 0x35");
SNIP(c_sysexit_user, "c_sysexit_user_f: .byte 0x48, 0x0f, 0x35");

static void check_sysenter(void)
{
    if (!is_intel()) {
        expect("SYSENTER in long mode (AMD)", 1, c_sysenter, UD, 0, AT(c_sysenter));
        return;
    }
    wrmsr(MSR_SYSENTER_CS, 0);
    expect("SYSENTER with CS null", 1, c_sysenter, GP, 0, AT(c_sysenter));
    expect("SYSEXIT with CS null", 0, c_sysexit_bad, GP, 0, AT(c_sysexit_bad));
    wrmsr(MSR_SYSENTER_CS, KCODE);
    wrmsr(MSR_SYSENTER_CS + 1, 0x7d000);
    wrmsr(MSR_SYSENTER_CS + 2, (u64)on_sysenter);
    expect("SYSENTER", 1, c_sysenter, 0x31, 0, AT(on_sysenter) + 2);
    is("SYSENTER: RSP", trap.rsp, 0x7d000);
    is("SYSENTER: CS and SS", trap.cs << 16 | trap.ss, 0x280030);
    expect("SYSEXIT to a non-canonical stack", 0, c_sysexit_bad, GP, 0, AT(c_sysexit_bad));
    expect("SYSEXIT at CPL 3", 1, c_sysexit_user, GP, 0, AT(c_sysexit_user));
    wrmsr(MSR_SYSENTER_CS, 0x10); /* + 32, + 40: 33h and 3bh */
    tables->gdt[0x38 / 8] = tables->gdt[UDATA / 8];
    expect("SYSEXIT with REX.W", 0, c_sysexit, DONE, 0, (u64)user_done + 2);
    is("SYSEXIT: CS and SS", trap.cs << 16 | trap.ss, 0x33003b);
    is("SYSEXIT: RSP", trap.rsp, 0x6f000);
    wrmsr(MSR_SYSENTER_CS, 0);
}

/* ---- call gates ---- */

struct __attribute__((packed)) far {
    u64 off;
    u16 sel;
} gate_pointer = {0, GATE | 3};

SNIP(on_gate, "on_gate_f: int $0x31");
SNIP(c_gate, "c_gate_f: .byte 0x48; lcall *gate_pointer");
SNIP(on_gate_return, "pop %rax; pop %rcx; pop %rdx; push %rdx; push %rcx; push %rax; on_gate_return_f: lretq");

static void set_call_gate(void *to, u32 attr, u64 high)
{
    u64 at = (u64)to;

    tables->gdt[GATE / 8] = (at >> 16 & 0xffff) << 48 | (u64)attr << 40 | (u64)KCODE << 16 | (at & 0xffff);
    tables->gdt[GATE / 8 + 1] = at >> 32 | high;
}

static void check_gates(void)
{
    const u64 *frame = (const u64 *)(0x7e000 - 32);

    set_call_gate(on_gate, 0xec, 0);
    expect("call gate to CPL 0", 1, c_gate, 0x31, 0, AT(on_gate) + 2);
    is("call gate: RSP0 less four words", trap.rsp, 0x7e000 - 32);
    is("call gate: SS is null", trap.ss, 0);
    is("call gate: return address", frame[0], AT(c_gate) + 8);
    is("call gate: old CS and SS", frame[1] << 16 | frame[3], 0x330023);
    is("call gate: old RSP", frame[2], USER_STACK);
    set_call_gate(on_gate_return, 0xec, 0);
    expect("far return to CPL 3", 1, c_gate, DONE, 0, (u64)user_done + 2);
    is("far return: CS and SS", trap.cs << 16 | trap.ss, 0x330023);
    set_call_gate(on_gate, 0x8c, 0);
    expect("call gate of DPL 0 at CPL 3", 1, c_gate, GP, GATE, AT(c_gate));
    set_call_gate(on_gate, 0x6c, 0);
    expect("call gate not present", 1, c_gate, NP, GATE, AT(c_gate));
    set_call_gate(on_gate, 0xec, 0xcull << 40); /* bits 8-12 of its third double word are not 0 */
    expect("call gate with a type in its upper half", 1, c_gate, GP, GATE, AT(c_gate));
    set_call_gate(on_gate, 0xe4, 0);
    expect("16-bit call gate in long mode", 1, c_gate, GP, GATE, AT(c_gate));
    tables->gdt[GATE / 8] = tables->gdt[GATE / 8 + 1] = 0;
}

/* ---- interrupt stacks ---- */

SNIP(c_int, "c_int_f: int $0x32");
SNIP(c_int_dpl, "c_int_dpl_f: int $0x33");

static void check_stacks(void)
{
    u64 ist1 = *tables->tss_ist1;

    *tables->tss_ist1 = 0x7c00b; /* not aligned: 6.14.2 aligns it */
    set_gate(0x32, stubs + 16 * 0x32, 0xee, 1);
    expect("INT through an IST", 0, c_int, 0x32, 0, AT(c_int) + 2);
    is("IST: aligned to 16 bytes", trap.frame, 0x7c000 - 40);
    expect("INT through an IST from CPL 3", 1, c_int, 0x32, 0, AT(c_int) + 2);
    is("IST: the same from CPL 3", trap.frame, 0x7c000 - 40);
    expect("INT through a gate of DPL 0", 1, c_int_dpl, GP, 0x33 * 8 + 2, AT(c_int_dpl));
    *tables->tss_ist1 = 1ull << 47;
    expect("IST non-canonical", 0, c_int, SS, 0, AT(c_int));
    *tables->tss_ist1 = ist1;
    set_gate(0x32, stubs + 16 * 0x32, 0x8e, 0);
}

void check_wide_calls(void)
{
    check_syscall();
    check_sysenter();
    check_gates();
    check_stacks();
}
