/*
 * event.c - interrupts, NMI and what holds them off; string I/O and the permission bitmap; shutdown.
 *
 * SDM vol. 3 6.7 (NMI, blocked until IRET), 6.8.1 (STI), 6.15 (triple fault); vol. 1 19.5.2 (I/O bitmap); vol.
 * 2 HLT, STI, INS, OUTS. Events come from the local APIC, or from the port of a test bench that has nothing else.
 */
#include "barebox.h"

enum { BENCH = 0x502, BENCH_HERE = 0xba, BENCH_SHUTDOWN = 0xfe, VECTOR = 0x31 };
enum { LAPIC_ID = 0xfee00020, LAPIC_SVR = 0xfee000f0, LAPIC_ICR = 0xfee00300, LAPIC_ICR_HIGH = 0xfee00310 };
enum { LAPIC_EOI = 0xfee000b0, ICR_NMI = 0x400, ICR_ASSERT = 0x4000, SVR_ON = 0x1ff };

static int bench(void)
{
    return inb(BENCH) == BENCH_HERE;
}

static volatile u32 *lapic(u32 reg)
{
    return (volatile u32 *)reg;
}

/* To ourselves: vector 2 is an NMI, others are interrupts. */
static void raise(u8 vector)
{
    if (bench()) {
        outb(BENCH, vector);
        return;
    }
    *lapic(LAPIC_SVR) = SVR_ON;
    *lapic(LAPIC_ICR_HIGH) = *lapic(LAPIC_ID) & 0xff000000;
    *lapic(LAPIC_ICR) = ICR_ASSERT | (vector == NMI ? ICR_NMI : vector);
}

/* ---- maskable interrupts: raised with IF = 0, so that they wait for STI ---- */

SNIP(e_sti, "sti; nop; e_sti_f: nop; nop; cli");
SNIP(e_sti_sti, "sti; sti; e_sti_sti_f: nop; nop; cli");
SNIP(e_sti_cli, "sti; cli; nop; e_sti_cli_f: nop");
SNIP(e_popf, "pushf; orl $0x200, (%esp); popf; e_popf_f: nop; cli");
SNIP(e_hlt, "sti; hlt; e_hlt_f: nop; cli");

static void interrupt(const char *name, void (*fn)(void), int vector, u32 eip)
{
    raise(VECTOR);
    expect(name, 0, fn, vector, 0, eip);
    if (vector == NONE) /* it is still waiting */
        expect("  it waits", 0, e_sti, VECTOR, 0, AT(e_sti));
    if (!bench())
        *lapic(LAPIC_EOI) = 0;
}

static void check_interrupts(void)
{
    interrupt("interrupt behind STI and one instruction", e_sti, VECTOR, AT(e_sti));
    is("  RF is not pushed", trap.eflags >> 16 & 1, 0);
    interrupt("a second STI has no shadow", e_sti_sti, VECTOR, AT(e_sti_sti));
    interrupt("STI, CLI lets nothing through", e_sti_cli, NONE, 0);
    interrupt("POPF has no shadow", e_popf, VECTOR, AT(e_popf));
    interrupt("HLT is left by an interrupt", e_hlt, VECTOR, AT(e_hlt));
}

/* ---- NMI ---- */

volatile u32 nmi_count, nmi_nested;
void nmi_again(void);
void on_nmi(void);
__asm__(".text\n"
        "on_nmi: pushal; incl nmi_count; cmpl $1, nmi_count; jne 1f; call nmi_again; nop; nop\n"
        "movl nmi_count, %eax; movl %eax, nmi_nested\n"
        "1: popal; iretl\n");

void nmi_again(void)
{
    raise(NMI);
}

static void nmi_now(void)
{
    raise(NMI);
    __asm__ volatile("nop; nop; nop");
}

static void check_nmi(void)
{
    set_gate(NMI, KCODE, (u32)on_nmi, 0x8e);
    nmi_count = nmi_nested = 0;
    expect("NMI with IF = 0", 0, nmi_now, NONE, 0, 0);
    is("  a second one waits for IRET", nmi_nested, 1);
    is("  and comes then", nmi_count, 2);
    set_gate(NMI, KCODE, (u32)stubs + 16 * NMI, 0x8e);
    expect("NMI through an ordinary gate", 0, nmi_now, NMI, 0, 0);
    nmi_count = 1;
    set_gate(NMI, KCODE, (u32)on_nmi, 0x8e);
    nmi_now();
    is("  blocked until IRET: we left without one", nmi_count, 1);
    __asm__ volatile("pushfl; push %%cs; push $1f; iretl; 1: nop; nop" : : : "memory");
    is("  any IRET will do", nmi_count, 2);
    set_gate(NMI, KCODE, (u32)stubs + 16 * NMI, 0x8e);
}

/* ---- string I/O at CPL 3 ---- */

u8 io_bytes[8];
SNIP(e_outsb, "mov $io_bytes, %esi; mov $0x80, %edx; mov $3, %ecx; e_outsb_f: rep outsb; mov %ecx, %eax; int $0x30");
SNIP(e_outsw, "mov $io_bytes, %esi; mov $0x80, %edx; mov $3, %ecx; e_outsw_f: rep outsw");
SNIP(e_insb, "mov $io_bytes, %edi; mov $0x80, %edx; mov $3, %ecx; e_insb_f: rep insb");
SNIP(e_inb, "e_inb_f: in $0xf8, %eax");
SNIP(e_end, "mov $0xfff8, %edx; e_end_f: in %dx, %al");

static void check_string_io(void)
{
    tss.io[0x80 / 8] = 0xff;
    expect("OUTSB at CPL 3, bitmap set", 1, e_outsb, GP, 0, AT(e_outsb));
    expect("INSB at CPL 3, bitmap set", 1, e_insb, GP, 0, AT(e_insb));
    tss.io[0x80 / 8] = 0xfe;
    expect("REP OUTSB at CPL 3, bitmap clear", 1, e_outsb, DONE, 0, 0);
    is("  it went to the end", trap.eax, 0);
    expect("REP INSB at CPL 3, bitmap clear", 1, e_insb, NONE, 0, 0);
    expect("OUTSW over a set bit", 1, e_outsw, GP, 0, AT(e_outsw));
    tss.io[0x80 / 8] = 0xff;
    tss.io[0xf8 / 8] = 0;
    tss.io[32] = 0xff; /* the byte that ends the bitmap: all bits must be set (vol. 1 19.5.2) */
    expect("IN of four ports below the bitmap's end", 1, e_inb, NONE, 0, 0);
    expect("IN beyond the bitmap", 1, e_end, GP, 0, AT(e_end));
    tss.io[0xf8 / 8] = 0xff;
}

void check_events(void)
{
    __asm__ volatile("cli");
    check_interrupts();
    check_nmi();
    check_string_io();
}

/* ---- shutdown: the bench starts us again ---- */

void shut_down(void)
{
    static volatile u32 done;
    static const struct __attribute__((packed)) {
        u16 limit;
        u32 base;
    } none = {0, 0};

    if (done) {
        is("triple fault shuts the CPU down", done, 1);
        return;
    }
    if (!bench())
        return;
    done = 1;
    outb(BENCH, BENCH_SHUTDOWN);
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
    done = 2;
}
