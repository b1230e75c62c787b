/*
 * main.c - output, descriptor tables, and the order of the checks.
 */
#include "barebox.h"

u64 idt[64] __attribute__((aligned(8)));
struct tss32 tss __attribute__((aligned(256)));
static u32 failures, checks;

static void put_char(char ch)
{
    outb(0xe9, (u8)ch);
    for (int n = 0; n < 10000 && !(inb(0x3fd) & 0x20); n++)
        ;
    outb(0x3f8, (u8)ch);
}

void put(const char *s)
{
    for (; *s; s++)
        put_char(*s);
}

void put_hex(u32 v)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[v >> shift & 15]);
}

void verdict(const char *name, int good, u32 got, u32 want)
{
    checks++;
    put(good ? "ok " : "FAIL ");
    put(name);
    if (!good) {
        failures++;
        put(": got ");
        put_hex(got);
        put(" want ");
        put_hex(want);
    }
    put("\n");
}

void count(u32 more, u32 failed)
{
    checks += more;
    failures += failed;
}

void is(const char *name, u32 got, u32 want)
{
    verdict(name, got == want, got, want);
}

void expect(const char *name, int user, void (*fn)(void), int vector, u32 error, u32 eip)
{
    int got = user ? try_user(fn) : try_kernel(fn);

    if (user && vector == NONE)
        vector = DONE;
    if (got != vector)
        verdict(name, 0, (u32)got << 16 | (trap.error & 0xffff), (u32)vector << 16 | error);
    else if (got != NONE && trap.error != error)
        verdict(name, 0, trap.error, error);
    else if (eip)
        verdict(name, trap.eip == eip, trap.eip, eip);
    else
        verdict(name, 1, 0, 0);
}

u64 desc(u32 base, u32 limit, u32 attr)
{
    return (u64)(base & 0xff000000) << 32 | (u64)(attr & 0xf0ff) << 40 | (u64)(limit & 0xf0000) << 32 |
           (u64)(base & 0xffffff) << 16 | (limit & 0xffff);
}

void set_gate(unsigned vector, u16 sel, u32 off, u32 attr)
{
    idt[vector] = (u64)(off & 0xffff0000) << 32 | (u64)attr << 40 | (u64)sel << 16 | (off & 0xffff);
}

void reset_tables(void)
{
    static const struct __attribute__((packed)) {
        u16 limit;
        void *base;
    } idtr = {sizeof(idt) - 1, idt};

    for (unsigned v = 0; v < 64; v++)
        set_gate(v, KCODE, (u32)stubs + 16 * v, 0x8e);
    set_gate(BP, KCODE, (u32)stubs + 16 * BP, 0xee);
    set_gate(OF, KCODE, (u32)stubs + 16 * OF, 0xee);
    set_gate(DONE, KCODE, (u32)stubs + 16 * DONE, 0xee);
    __asm__ volatile("lidt %0" : : "m"(idtr));
    for (unsigned n = FREE / 8; n < 64; n++)
        gdt[n] = 0;
    tss.esp0 = 0x7e000;
    tss.ss0 = KDATA;
    tss.iobase = (u16)((u32)tss.io - (u32)&tss);
    for (unsigned n = 0; n < sizeof(tss.io); n++)
        tss.io[n] = 0xff;
    for (unsigned n = 0; n < sizeof(tss.redirect); n++)
        tss.redirect[n] = 0xff;
    gdt[TSS_MAIN / 8] = desc((u32)&tss, sizeof(tss) - 1, 0x89);
    __asm__ volatile("lldt %w1; ltr %w0" : : "r"(TSS_MAIN), "r"(0)); /* LDTR after reset is not null */
}

int is_tcg(void)
{
    u32 eax = 0x40000000, ebx, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ebx == 0x54474354; /* "TCGT" */
}

/* 20.1.1: beyond offset ffffh is #GP, on the stack #SS; 20.1.4: LTR and the like are #UD; 9.9.2: limits survive. */
static void check_real(void)
{
    static const char *const names[] = {"real: #DE",        "real: word at ffff",       "real: UD2",
                                        "real: LTR is #UD", "real: stack word at ffff", "real: big real mode"};

    for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++)
        is(names[n], real_results >> n & 1, 1);
}

static void check_all(void)
{
    check_real();
    reset_tables();
    check_exceptions();
    check_segments();
    check_gates();
    check_tasks();
    check_v86();
    check_debug();
    check_code();
    check_paging();
    check_events();
    check_long();
}

int main(void)
{
    static int started;

    outb(0x3fb, 3);   /* 8 data bits; after reset the line has 5 */
    outb(0x21, 0xff); /* no interrupts from the PICs */
    outb(0xa1, 0xff);
    if (!started++) {
        put("barebox\n");
        check_all();
    }
    shut_down();
    put("checks ");
    put_hex(checks);
    put(" failures ");
    put_hex(failures);
    put(failures ? "\nbarebox: FAILED\n" : "\nbarebox: passed\n");
    return 0;
}
