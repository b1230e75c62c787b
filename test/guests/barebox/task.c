/*
 * task.c - hardware task switches: JMP, CALL, interrupt, IRET, 32- and 16-bit TSS. SDM vol. 3 7.3, table 7-2.
 */
#include "barebox.h"

enum { TSS_B = FREE, GATE_B = FREE + 8, TSS_16 = FREE + 16 };
static struct tss32 tss_b __attribute__((aligned(128)));
static u16 tss_16[22];
static volatile u32 b_flags, b_tr, b_cr0, b_eax;

__asm__(".text; task_b: pushf; pop b_flags; mov %eax, b_eax; str %ax; mov %ax, b_tr; mov %cr0, %eax; mov %eax, b_cr0;"
        "clts; iretl; jmp task_b;"
        "task_b_jump: str %ax; mov %ax, b_tr; clts; ljmp $0x38, $0; jmp task_b_jump;"
        "task_error: pop %eax; mov %eax, b_eax; str %ax; mov %ax, b_tr; clts; mov $0xff, %eax; mov %eax, trap;"
        "mov $0x38, %ecx; ljmp $0x38, $0; jmp task_error");
extern char task_b[], task_b_jump[], task_error[];

SNIP(t_call, "lcall $0x40, $0; t_call_f:");
SNIP(t_jmp, "ljmp $0x40, $0; t_jmp_f:");
SNIP(t_gate, "lcall $0x48, $0; t_gate_f:");
SNIP(t_int, "int $0x31; t_int_f:");
SNIP(t_call16, "lcall $0x50, $0; t_call16_f:");
SNIP(t_bad, "t_bad_f: lcall $0x40, $0");
SNIP(t_ltr_busy, "mov $0x38, %eax; t_ltr_busy_f: ltr %ax");

static void task_new(void *entry)
{
    tss_b = (struct tss32){.eip = (u32)entry,
                           .eflags = 2,
                           .eax = 0xb0b,
                           .esp = 0x7a000,
                           .cs = KCODE,
                           .ss = KDATA,
                           .ds = KDATA,
                           .es = KDATA,
                           .fs = KDATA,
                           .gs = KDATA,
                           .iobase = 104};
    gdt[TSS_B / 8] = desc((u32)&tss_b, 103, 0x89);
    gdt[GATE_B / 8] = (u64)0xe5 << 40 | (u64)TSS_B << 16;
}

static u32 type_of(u32 sel)
{
    return (u32)(gdt[sel / 8] >> 40) & 0xf;
}

static void check_round_trip(const char *name, void (*fn)(void))
{
    task_new(task_b);
    expect(name, 0, fn, NONE, 0, 0);
    is("  TR inside", b_tr & 0xffff, TSS_B);
    is("  NT inside", b_flags >> 14 & 1, 1);
    is("  EAX from the TSS", b_eax, 0xb0b);
    is("  CR0.TS inside", b_cr0 >> 3 & 1, 1);
    is("  link", tss_b.link & 0xffff, TSS_MAIN);
    is("  not busy afterwards", type_of(TSS_B), 9);
    is("  the caller stays busy", type_of(TSS_MAIN), 0xb);
    is("  NT gone from the image saved by IRET", tss_b.eflags >> 14 & 1, 0);
}

static void check_errors(void)
{
    task_new(task_b);
    gdt[TSS_B / 8] = desc((u32)&tss_b, 103, 0x09);
    expect("call to an absent TSS", 0, t_bad, NP, TSS_B, AT(t_bad));
    gdt[TSS_B / 8] = desc((u32)&tss_b, 102, 0x89);
    expect("call to a TSS too short", 0, t_bad, TS, TSS_B, AT(t_bad));
    gdt[TSS_B / 8] = desc((u32)&tss_b, 103, 0x8b);
    expect("call to a busy TSS", 0, t_bad, GP, TSS_B, AT(t_bad));
    expect("LTR of a busy TSS", 0, t_ltr_busy, GP, TSS_MAIN, AT(t_ltr_busy));
}

/* A bad segment in the new TSS is the new task's fault; the handler runs in it. */
static void check_new_task_fault(void)
{
    task_new(task_b);
    tss_b.ds = 0xfff8;
    tss_b.esp0 = 0x7a000, tss_b.ss0 = KDATA;
    /* 7.3: in the new task, before its first instruction */
    expect("bad DS in the new TSS", 0, t_call, TS, 0xfff8, (u32)task_b);
    is("  faults in the new task", trap.tr, TSS_B);
    reset_tables();
}

static void check_task16(void)
{
    tss_16[7] = 0, tss_16[8] = 2;
    gdt[FREE / 8 + 3] = desc((u32)task_b, 0xffff, 0x409b);
    tss_16[9] = 0xb0b; /* AX */
    tss_16[13] = 0xa000;
    tss_16[17] = KDATA, tss_16[18] = FREE + 24, tss_16[19] = FREE + 32, tss_16[20] = KDATA;
    gdt[FREE / 8 + 4] = desc(0x70000, 0xffff, 0x0093);
    gdt[TSS_16 / 8] = desc((u32)tss_16, 43, 0x81);
    expect("CALL a 16-bit TSS", 0, t_call16, NONE, 0, 0);
    is("  AX from the TSS", b_eax & 0xffff, 0xb0b);
    is("  TR inside", b_tr & 0xffff, TSS_16);
}

void check_tasks(void)
{
    check_round_trip("CALL a TSS", t_call);
    check_round_trip("CALL a task gate", t_gate);
    set_gate(0x31, TSS_B, 0, 0x85);
    check_round_trip("INT through a task gate", t_int);
    task_new(task_b_jump);
    expect("JMP to a TSS and back", 0, t_jmp, NONE, 0, 0);
    is("  TR inside", b_tr & 0xffff, TSS_B);
    is("  no link by JMP", tss_b.link, 0);
    check_task16();
    check_errors();
    check_new_task_fault();
    reset_tables();
}
