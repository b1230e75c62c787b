/*
 * wide_main.c - output, IDT and the order of the 64-bit checks.
 */
#include "wide.h"

struct wide_tables *tables;
u64 idt[128] __attribute__((aligned(16)));

static void outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "d"(port));
}

static u8 inb(u16 port)
{
    u8 v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port));
    return v;
}

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

static void put_hex(u64 v)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[v >> shift & 15]);
}

void verdict(const char *name, int good, u64 got, u64 want)
{
    tables->checks++;
    put(good ? "ok long: " : "FAIL long: ");
    put(name);
    if (!good) {
        tables->failures++;
        put(": got ");
        put_hex(got);
        put(" want ");
        put_hex(want);
    }
    put("\n");
}

void is(const char *name, u64 got, u64 want)
{
    verdict(name, got == want, got, want);
}

void expect(const char *name, int user, void (*fn)(void), int vector, u64 error, u64 at)
{
    int got = (int)(user ? try_user(fn) : try_kernel(fn));

    if (user && vector == NONE)
        vector = DONE;
    if (got != vector)
        verdict(name, 0, (u64)got << 32 | (trap.error & 0xffff), (u64)vector << 32 | error);
    else if (got != NONE && trap.error != error)
        verdict(name, 0, trap.error, error);
    else if (at)
        verdict(name, trap.rip == at, trap.rip, at);
    else
        verdict(name, 1, 0, 0);
}

void set_gate(unsigned vector, void *off, u32 attr, unsigned ist)
{
    u64 at = (u64)off;

    idt[2 * vector] = (at >> 16 & 0xffff) << 48 | (u64)attr << 40 | (u64)ist << 32 | (u64)KCODE << 16 | (at & 0xffff);
    idt[2 * vector + 1] = at >> 32;
}

int cpu_has(u32 leaf, unsigned reg, unsigned bit)
{
    u32 r[4];

    cpuid(leaf & 0x80000000u, 0, r);
    if (r[0] < leaf)
        return 0;
    cpuid(leaf, 0, r);
    return r[reg] >> bit & 1;
}

int is_intel(void)
{
    u32 r[4];

    cpuid(0, 0, r);
    return r[1] == 0x756e6547; /* "Genu" */
}

void wide_main(struct wide_tables *t)
{
    struct __attribute__((packed)) {
        u16 limit;
        u64 base;
    } old, ours = {sizeof idt - 1, (u64)idt};

    tables = t;
    for (unsigned v = 0; v < 64; v++)
        set_gate(v, stubs + 16 * v, 0x8e, 0);
    set_gate(BP, stubs + 16 * BP, 0xee, 0);
    set_gate(DONE, stubs + 16 * DONE, 0xee, 0);
    __asm__ volatile("sidt %0\n\tlidt %1" : "=m"(old) : "m"(ours));
    check_wide_calls();
    check_wide_debug();
    check_wide_memory();
    check_wide_registers();
    __asm__ volatile("lidt %0" : : "m"(old));
}
