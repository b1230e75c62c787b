/*
 * gate.c - interrupt, trap and call gates, stack switches, double faults. SDM vol. 3 5.8, 6.12, table 6-5.
 */
#include "barebox.h"

enum { CALL_GATE = FREE, BASE_CODE = FREE + 8, BAD = FREE + 16, BIG = 0x10000 };
static volatile u32 seen[4];

/* Ring 0 side of a call gate with two parameters. */
SNIP(g_target32, "mov 8(%esp), %eax; mov 12(%esp), %ecx; mov $0x10, %edx; mov %dx, %ds;"
                 "mov %eax, seen; mov %ecx, seen+4; mov %cs, seen+8; mov %esp, seen+12; mov $0x23, %edx; mov %dx, %ds;"
                 "lret $8");
SNIP(g_call32, "mov %esp, %ebx; push $0x1111; push $0x2222; lcall $0x43, $0; sub %esp, %ebx; int $0x30; g_call32_f:");
SNIP(g_target16, "mov 4(%esp), %eax; mov $0x10, %edx; mov %dx, %ds; mov %eax, seen; mov %esp, seen+12;"
                 "int $0x30"); /* the 16-bit return address has lost its upper half */
SNIP(g_call16, "mov %esp, %ebx; .byte 0x66, 0x68, 0x11, 0x11; .byte 0x66, 0x68, 0x22, 0x22; lcall $0x43, $0;"
               "int $0x30; g_call16_f:");
SNIP(g_fault, "g_fault_f: lcall $0x43, $0");
SNIP(g_fault_k, "g_fault_k_f: lcall $0x40, $0");
SNIP(g_int, "g_int_f: int $0x31");
SNIP(g_sti_int, "sti; int $0x31");
SNIP(g_ud, "g_ud_f: ud2");
SNIP(g_gp, "mov $0xfff8, %eax; g_gp_f: mov %ax, %es");
SNIP(g_retf_outer_bad, "push $0x10; push $0x6f000; push $0x1b; push $0x20000; g_retf_outer_bad_f: lret");
SNIP(g_iret_null, "push $2; push $0; push $0; g_iret_null_f: iretl");
SNIP(g_jmp_conf, "ljmp $0x50, $g_conf_in; g_jmp_conf_f: g_conf_in: mov %cs, %eax; ljmp $8, $1f; 1:");

static void gate(u16 sel, u32 off, u32 attr, u32 params)
{
    gdt[CALL_GATE / 8] =
        (u64)(off & 0xffff0000) << 32 | (u64)attr << 40 | (u64)params << 32 | (u64)sel << 16 | (off & 0xffff);
}

static void check_call_gates(void)
{
    gate(KCODE, (u32)g_target32, 0xec, 2);
    expect("call gate 32, CPL 3 to 0", 1, g_call32, NONE, 0, 0);
    is("first parameter", seen[0], 0x2222);
    is("second parameter", seen[1], 0x1111);
    is("CS inside", seen[2] & 0xffff, KCODE);
    is("inner stack holds SS ESP 2 parameters CS EIP", seen[3], tss.esp0 - 24);
    gdt[BASE_CODE / 8] = desc(BIG, 0xfffff, 0xc09b);
    gate(BASE_CODE, (u32)g_target16 - BIG, 0xe4, 2);
    expect("call gate 16, CPL 3 to 0", 1, g_call16, NONE, 0, 0);
    is("inner stack of words", seen[3], tss.esp0 - 12);
    gate(KCODE, (u32)g_target32, 0x8c, 0);
    expect("call gate DPL 0 at CPL 3", 1, g_fault, GP, CALL_GATE, AT(g_fault));
    gate(KCODE, (u32)g_target32, 0x6c, 0);
    expect("call gate not present", 1, g_fault, NP, CALL_GATE, AT(g_fault));
    gate(KDATA, (u32)g_target32, 0xec, 0);
    expect("call gate to data", 1, g_fault, GP, KDATA, AT(g_fault));
    gate(0, (u32)g_target32, 0xec, 0);
    expect("call gate to null", 1, g_fault, GP, 0, AT(g_fault));
    gdt[BAD / 8] = desc(0, 0xfffff, 0xc01b);
    gate(BAD, (u32)g_target32, 0xec, 0);
    expect("call gate to absent code", 1, g_fault, NP, BAD, AT(g_fault));
    gdt[BAD / 8] = desc(0, 0xfffff, 0xc0fb);
    gate(BAD, (u32)g_target32, 0x8c, 0);
    expect("call gate to outer code", 0, g_fault_k, GP, BAD, AT(g_fault_k));
    gate(KCODE, (u32)g_target32, 0x83, 0);
    expect("far call to a busy TSS", 0, g_fault_k, GP, CALL_GATE, AT(g_fault_k));
    gdt[BAD / 8] = desc(0, 0xfffff, 0xc09f);
    expect("far jump to conforming code", 0, g_jmp_conf, NONE, 0, 0);
}

static void check_idt(void)
{
    u32 stub = (u32)stubs + 16 * 0x31;

    set_gate(0x31, KCODE, stub, 0x8e);
    expect("interrupt gate", 0, g_sti_int, 0x31, 0, 0);
    set_gate(0x31, KCODE, stub, 0x0e);
    expect("interrupt gate not present", 0, g_int, NP, 0x31 * 8 + 2, AT(g_int));
    set_gate(0x31, KCODE, stub, 0x8c);
    expect("IDT entry of a wrong type", 0, g_int, GP, 0x31 * 8 + 2, AT(g_int));
    set_gate(0x31, KDATA, stub, 0x8e);
    expect("interrupt gate to data", 0, g_int, GP, KDATA, AT(g_int));
    set_gate(0x31, 0, stub, 0x8e);
    expect("interrupt gate to null", 0, g_int, GP, 0, AT(g_int));
    set_gate(UD, KCODE, (u32)stubs + 16 * UD, 0x0e);
    /* 6.13: EXT, for the event was no INT n */
    expect("EXT set when an exception's gate is absent", 0, g_ud, NP, UD * 8 + 3, AT(g_ud));
    set_gate(UD, KCODE, (u32)stubs + 16 * UD, 0x8e);
    set_gate(GP, KCODE, (u32)stubs + 16 * GP, 0x0e);
    expect("#GP then #NP is #DF", 0, g_gp, DF, 0, AT(g_gp));
    set_gate(GP, KCODE, (u32)stubs + 16 * GP, 0x8e);
}

void check_gates(void)
{
    check_call_gates();
    check_idt();
    expect("RETF outward to SS of CPL 0", 0, g_retf_outer_bad, GP, KDATA, 0);
    expect("IRET to null", 0, g_iret_null, GP, 0, AT(g_iret_null));
    reset_tables();
}
