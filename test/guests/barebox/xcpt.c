/*
 * xcpt.c - exceptions, their error codes and addresses. SDM vol. 3 6.15.
 */
#include "barebox.h"

SNIP(x_de, "xor %ecx, %ecx; x_de_f: div %ecx");
SNIP(x_ovf, "mov $0x80000000, %eax; cdq; mov $-1, %ecx; x_ovf_f: idiv %ecx");
SNIP(x_ud, "x_ud_f: ud2");
SNIP(x_lock, "x_lock_f: .byte 0xf0, 0x90");
SNIP(x_bp, "int3; x_bp_f: nop");
SNIP(x_into, "mov $0x7fffffff, %eax; inc %eax; into; x_into_f: nop");
SNIP(x_bound, "push $2; push $1; mov $3, %eax; x_bound_f: bound %eax, (%esp)");
SNIP(x_bound_in, "push $2; push $1; mov $2, %eax; bound %eax, (%esp); x_bound_in_f: add $8, %esp");
SNIP(x_int, "int $0x31; x_int_f: nop");
SNIP(x_int_beyond, "x_int_beyond_f: int $0x77");
SNIP(x_null, "xor %eax, %eax; mov %ax, %es; x_null_f: mov %es:0, %al");
SNIP(x_load_rpl, "mov $0x13, %eax; x_load_rpl_f: mov %ax, %ss");
SNIP(x_beyond, "mov $0xfff8, %eax; x_beyond_f: mov %ax, %es");
SNIP(x_code_write, "x_code_write_f: movb $0, %cs:0x500");
SNIP(x_hlt, "x_hlt_f: hlt");
SNIP(x_cli, "x_cli_f: cli");
SNIP(x_in, "x_in_f: in $0x80, %al");
SNIP(x_cr0, "x_cr0_f: mov %cr0, %eax");
SNIP(x_lgdt, "x_lgdt_f: lgdt gdtr");
SNIP(x_cr0_bad, "mov %cr0, %eax; or $0x80000000, %eax; and $~1, %eax; x_cr0_bad_f: mov %eax, %cr0");
SNIP(x_cr0_nw, "mov %cr0, %eax; or $0x20000000, %eax; and $0xbfffffff, %eax; x_cr0_nw_f: mov %eax, %cr0");
SNIP(x_cr4_bad, "mov $0x80000000, %eax; x_cr4_bad_f: mov %eax, %cr4");
SNIP(x_msr, "mov $0x12345, %ecx; x_msr_f: rdmsr");
SNIP(x_fpu, "x_fpu_f: fnop");
SNIP(x_wait, "x_wait_f: fwait");
SNIP(x_ldtr, "mov $0x0c, %eax; x_ldtr_f: mov %ax, %es");
SNIP(x_ac, "push $0x40002; popf; mov $0x60001, %eax; x_ac_f: mov (%eax), %ecx");
SNIP(x_long, "x_long_f: .byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90");
SNIP(x_popf, "push $0x3202; popf; pushf; pop %eax; int $0x30; x_popf_f: nop");

static void with_cr0(const char *name, u32 bits, void (*fn)(void), int vector, u32 at)
{
    u32 old = cr0();

    set_cr0((old & ~0xeu) | bits);
    expect(name, 0, fn, vector, 0, at);
    set_cr0(old);
}

static void user_only(void)
{
    set_gate(0x31, KCODE, (u32)stubs + 16 * 0x31, 0x8e);
    expect("INT n through a DPL 0 gate at CPL 3", 1, x_int, GP, 0x31 * 8 + 2, AT(x_int) - 2);
    expect("HLT at CPL 3", 1, x_hlt, GP, 0, AT(x_hlt));
    expect("CLI at CPL 3, IOPL 0", 1, x_cli, GP, 0, AT(x_cli));
    expect("IN at CPL 3, bitmap set", 1, x_in, GP, 0, AT(x_in));
    expect("MOV CR0 at CPL 3", 1, x_cr0, GP, 0, AT(x_cr0));
    expect("LGDT at CPL 3", 1, x_lgdt, GP, 0, AT(x_lgdt));
    tss.io[0x80 / 8] = 0xfe;
    expect("IN at CPL 3, bitmap clear", 1, x_in, NONE, 0, 0);
    tss.io[0x80 / 8] = 0xff;
    expect("INT3 at CPL 3", 1, x_bp, BP, 0, AT(x_bp));
    expect("UD2 at CPL 3", 1, x_ud, UD, 0, AT(x_ud));
    is("CS pushed from CPL 3", trap.cs, UCODE);
    is("SS pushed from CPL 3", trap.ss & 0xffff, UDATA);
    /* 17.3.1.1 */
    is("RF pushed by a fault", trap.eflags >> 16 & 1, 1);
    expect("POPF at CPL 3", 1, x_popf, DONE, 0, AT(x_popf));
    is("POPF at CPL 3 leaves IF and IOPL", trap.eax & 0x3200, 0);
    set_cr0(cr0() | 0x40000);
    /* 6.15, interrupt 17: AM, AC and CPL 3 */
    expect("#AC at CPL 3", 1, x_ac, AC, 0, AT(x_ac));
    expect("no #AC at CPL 0", 0, x_ac, NONE, 0, 0);
    set_cr0(cr0() & ~0x40000u);
}

void check_exceptions(void)
{
    expect("DIV by 0", 0, x_de, DE, 0, AT(x_de));
    expect("IDIV overflow", 0, x_ovf, DE, 0, AT(x_ovf));
    expect("UD2", 0, x_ud, UD, 0, AT(x_ud));
    expect("LOCK NOP", 0, x_lock, UD, 0, AT(x_lock));
    expect("INT3", 0, x_bp, BP, 0, AT(x_bp));
    is("RF not pushed by INT3", trap.eflags >> 16 & 1, 0);
    expect("INTO", 0, x_into, OF, 0, AT(x_into));
    expect("BOUND", 0, x_bound, BR, 0, AT(x_bound));
    expect("BOUND in range", 0, x_bound_in, NONE, 0, 0);
    expect("INT 31h", 0, x_int, 0x31, 0, AT(x_int));
    expect("INT beyond the IDT", 0, x_int_beyond, GP, 0x77 * 8 + 2, AT(x_int_beyond));
    /* 5.4.1 */
    expect("use of a null segment", 0, x_null, GP, 0, AT(x_null));
    expect("SS with RPL 3 at CPL 0", 0, x_load_rpl, GP, 0x10, AT(x_load_rpl));
    expect("selector beyond the GDT", 0, x_beyond, GP, 0xfff8, AT(x_beyond));
    expect("selector in no LDT", 0, x_ldtr, GP, 0x0c, AT(x_ldtr));
    /* 5.5: code is never writable */
    expect("write through CS", 0, x_code_write, GP, 0, AT(x_code_write));
    if (!is_tcg()) {
        expect("CR0 PG without PE", 0, x_cr0_bad, GP, 0, AT(x_cr0_bad));
        expect("CR0 NW without CD", 0, x_cr0_nw, GP, 0, AT(x_cr0_nw));
        expect("CR4 reserved bit", 0, x_cr4_bad, GP, 0, AT(x_cr4_bad));
    }
    /* vol. 2 RDMSR: unimplemented */
    expect("unknown MSR", 0, x_msr, GP, 0, AT(x_msr));
    expect("16 bytes of instruction", 0, x_long, GP, 0, AT(x_long));
    with_cr0("x87 with TS", 8, x_fpu, NM, AT(x_fpu));
    with_cr0("x87 with EM", 4, x_fpu, NM, AT(x_fpu));
    with_cr0("FWAIT with TS alone", 8, x_wait, NONE, 0);
    with_cr0("FWAIT with TS and MP", 0xa, x_wait, NM, AT(x_wait));
    user_only();
}
