/*
 * debug.c - single step, debug registers, shadows. SDM vol. 3 chapter 17.
 */
#include "barebox.h"

static volatile u32 watched;

static void set_dr(unsigned n, u32 v)
{
    switch (n) {
    case 0: __asm__ volatile("mov %0, %%dr0" : : "r"(v)); break;
    case 6: __asm__ volatile("mov %0, %%dr6" : : "r"(v)); break;
    default: __asm__ volatile("mov %0, %%dr7" : : "r"(v)); break;
    }
}

static u32 get_dr7(void)
{
    u32 v;

    __asm__ volatile("mov %%dr7, %0" : "=r"(v));
    return v;
}

SNIP(d_tf, "pushf; orl $0x100, (%esp); popf; nop; d_tf_f: nop");
SNIP(d_tf_ss, "pushf; orl $0x100, (%esp); mov %ss, %eax; popf; mov %ax, %ss; nop; d_tf_ss_f: nop");
SNIP(d_exec, "nop; d_exec_f: nop; nop");
SNIP(d_write, "movl $1, watched; d_write_f: nop");
SNIP(d_read, "mov watched, %eax; d_read_f: nop");
SNIP(d_icebp, ".byte 0xf1; d_icebp_f: nop");
SNIP(d_gd, "mov $0x2400, %eax; mov %eax, %dr7; d_gd_f: mov %dr0, %eax");
SNIP(d_dr4, "d_dr4_f: mov %dr4, %eax");
SNIP(d_io, "in $0x80, %al; d_io_f: nop");
SNIP(d_rf, "pushf; orl $0x10000, (%esp); push %cs; push $d_exec_f; iretl");
SNIP(d_user, "d_user_f: mov %dr0, %eax");

static void step(const char *name, void (*fn)(void), u32 eip, u32 dr6)
{
    set_dr(6, 0);
    expect(name, 0, fn, DB, 0, eip);
    is("  DR6", trap.dr6 & 0xe00f, dr6);
}

void check_debug(void)
{
    step("TF", d_tf, AT(d_tf), 0x4000);
    step("TF behind MOV SS", d_tf_ss, AT(d_tf_ss), 0x4000);
    /* vol. 2 INT1: #DB, no DR6 bit */
    step("INT1", d_icebp, AT(d_icebp), 0);
    set_dr(0, AT(d_exec));
    set_dr(7, 0x402);
    step("code breakpoint", d_exec, AT(d_exec), 1);
    is("  RF not pushed", trap.eflags >> 16 & 1, 0);
    expect("RF skips it once", 0, d_rf, NONE, 0, 0);
    set_dr(0, (u32)&watched);
    set_dr(7, 0x402 | 0xd0000);
    step("write breakpoint", d_write, AT(d_write), 1);
    expect("write breakpoint, read", 0, d_read, NONE, 0, 0);
    set_dr(7, 0x402 | 0xf0000);
    step("read breakpoint", d_read, AT(d_read), 1);
    set_dr(0, 0x80);
    set_cr4(cr4() | 8);
    set_dr(7, 0x402 | 0x20000);
    step("I/O breakpoint", d_io, AT(d_io), 1);
    set_dr(7, 0x400);
    expect("DR4 with CR4.DE", 0, d_dr4, UD, 0, AT(d_dr4));
    set_cr4(cr4() & ~8u);
    expect("DR4 without CR4.DE", 0, d_dr4, NONE, 0, 0);
    /* 17.2.4: any MOV DR faults, BD is set; GD is cleared on entry */
    step("DR7.GD", d_gd, AT(d_gd), 0x2000);
    is("  GD cleared on entry", get_dr7() & 0x2000, 0);
    set_dr(7, 0x400);
    expect("MOV DR at CPL 3", 1, d_user, GP, 0, AT(d_user));
}
