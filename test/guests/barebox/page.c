/*
 * page.c - paging: rights matrix, error codes, accessed and dirty bits, reserved bits, PAE, NX, SMEP, SMAP. SDM vol. 3
 * chapter 4.
 */
#include "barebox.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, LINEAR = 0x400000, TARGET = 0x50000 };
#define PD  ((volatile u32 *)0x40000)
#define PT0 ((volatile u32 *)0x41000)
#define PT1 ((volatile u32 *)0x42000)
#define NX  (1ull << 63)

static volatile u32 dummy;

SNIP(p_read, "p_read_f: mov 0x400000, %eax");
SNIP(p_write, "p_write_f: movl $0x12345678, 0x400000");
SNIP(p_exec, "mov $0x400000, %eax; call *%eax; p_exec_f:");
SNIP(p_cross, "p_cross_f: movl $0x12345678, 0x400ffe");

static void paging_on(void)
{
    for (u32 n = 0; n < 1024; n++) {
        PD[n] = 0;
        PT0[n] = n << 12 | P | W | U;
        PT1[n] = 0;
    }
    PD[0] = 0x41000 | P | W | U;
    PD[1] = 0x42000 | P | W | U;
    PT1[0] = TARGET | P | W | U;
    set_cr3(0x40000);
    set_cr0(cr0() | 0x80000000);
}

static void paging_off(void)
{
    set_cr0(cr0() & 0x7fffffff);
}

static void flush(void)
{
    set_cr3(0x40000);
}

/* Error code expected, or -1: allowed. */
static int model(u32 pde, u32 pte, int user, int write, int wp)
{
    u32 error = (write ? 2u : 0) | (user ? 4u : 0), both = pde & pte;

    if (!(both & P))
        return (int)error;
    if (user && (!(both & U) || (write && !(both & W))))
        return (int)(error | 1);
    if (!user && write && wp && !(both & W))
        return (int)(error | 1);
    return -1;
}

static void check_matrix(void)
{
    u32 bad = 0, first_got = 0, first_want = 0;

    for (u32 n = 0; n < 512; n++) {
        u32 pde = n & 7, pte = n >> 3 & 7;
        int user = n >> 6 & 1, write = n >> 7 & 1, wp = n >> 8 & 1, want = model(pde, pte, user, write, wp), got;

        PD[1] = 0x42000 | pde;
        PT1[0] = TARGET | pte;
        set_cr0((cr0() & ~0x10000u) | (wp ? 0x10000u : 0));
        flush();
        got = user ? try_user(write ? p_write : p_read) : try_kernel(write ? p_write : p_read);
        got = got == PF ? (int)trap.error : got == NONE || got == DONE ? -1 : 0x1000 + got;
        if (got == want && want >= 0 && trap.cr2 != LINEAR)
            got = 0x2000;
        if (got != want && !bad++)
            first_got = (u32)got | n << 16, first_want = (u32)want;
    }
    verdict("rights: PDE, PTE, CPL, write, CR0.WP", !bad, first_got, first_want);
    PD[1] = 0x42000 | P | W | U;
}

static void check_ad(void)
{
    PD[1] = 0x42000 | P | W | U;
    PT1[0] = TARGET | P | W | U;
    flush();
    try_kernel(p_read);
    is("read sets A", PT1[0] & (A | D), A);
    is("A in the PDE", PD[1] & (A | D), A);
    try_kernel(p_write);
    is("write sets D", PT1[0] & (A | D), A | D);
    PT1[0] = TARGET | P;
    flush();
    set_cr0(cr0() | 0x10000);
    try_kernel(p_write);
    is("refused write leaves D", PT1[0] & D, 0);
    set_cr0(cr0() & ~0x10000u);
    PT1[0] = TARGET | P | W | U;
    PT1[1] = 0;
    flush();
    *(volatile u16 *)(TARGET + 0xffe) = 0xabcd;
    expect("write over a page end", 0, p_cross, PF, 2, AT(p_cross));
    is("CR2 is the second page", trap.cr2, LINEAR + 0x1000);
    is("nothing was written", *(volatile u16 *)(TARGET + 0xffe), 0xabcd);
}

static void check_invlpg(void)
{
    *(volatile u32 *)TARGET = 1;
    *(volatile u32 *)(TARGET + 0x1000) = 2;
    PT1[0] = TARGET | P | W | U;
    flush();
    dummy = *(volatile u32 *)LINEAR;
    PT1[0] = (TARGET + 0x1000) | P | W | U;
    __asm__ volatile("invlpg (%0)" : : "r"(LINEAR) : "memory");
    is("INVLPG", *(volatile u32 *)LINEAR, 2);
}

static void check_large(void)
{
    set_cr4(cr4() | 0x10);
    PD[1] = 0 | P | W | U | PS;
    flush();
    *(volatile u32 *)TARGET = 0x77;
    is("4 MiB page", *(volatile u32 *)(LINEAR + TARGET), 0x77);
    is("D in a 4 MiB entry after read", PD[1] & (A | D), A);
    PD[1] = 0x200000 | P | W | U | PS;
    flush();
    /* 4.7: RSVD comes with P */
    expect("reserved bit 21 of a 4 MiB entry", 0, p_read, PF, 9, AT(p_read));
    PD[1] = 0x42000 | P | W | U;
    set_cr4(cr4() & ~0x10u);
}

static void check_smep_smap(void)
{
    u32 ebx = 0, eax = 7, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    PT1[0] = TARGET | P | W | U;
    *(volatile u8 *)TARGET = 0xc3;
    flush();
    expect("fetch from a user page at CPL 0", 0, p_exec, NONE, 0, 0);
    if (ebx & 1 << 7) {
        for (u32 n = 0; n < 256; n++)
            PT0[n] &= ~(u32)U;
        flush();
        set_cr4(cr4() | 1 << 20);
        expect("SMEP", 0, p_exec, PF, 0x11, LINEAR);
        set_cr4(cr4() & ~(1u << 20));
    }
}

/* PAE tables for the same layout. */
static void check_pae(void)
{
    volatile u64 *pdpt = (volatile u64 *)0x44000, *pd = (volatile u64 *)0x45000, *pt0 = (volatile u64 *)0x46000,
                 *pt1 = (volatile u64 *)0x47000;
    u32 lo, hi;

    for (u32 n = 0; n < 512; n++) {
        pd[n] = 0;
        pt0[n] = (n << 12) | P | W | U;
        pt1[n] = 0;
    }
    pdpt[0] = 0x45000 | P;
    pdpt[1] = pdpt[2] = pdpt[3] = 0;
    pd[0] = 0x46000 | P | W | U;
    pd[2] = 0x47000 | P | W | U;
    pt1[0] = TARGET | P | W | U | NX;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0xc0000080));
    __asm__ volatile("wrmsr" : : "a"(lo | 0x800), "d"(hi), "c"(0xc0000080));
    set_cr4(cr4() | 0x20);
    set_cr3(0x44000);
    set_cr0(cr0() | 0x80000000);
    expect("PAE: read of an NX page", 0, p_read, NONE, 0, 0);
    expect("PAE: fetch from an NX page", 0, p_exec, PF, 0x11, LINEAR);
    expect("PAE: fetch from an NX page, CPL 3", 1, p_exec, PF, 0x15, LINEAR);
    pt1[0] = TARGET | P | W | U | 1ull << 55;
    set_cr3(0x44000);
    /* 4.7, table 4-20 */
    expect("PAE: reserved bit 55", 0, p_read, PF, 9, AT(p_read));
    pt1[0] = 0;
    set_cr3(0x44000);
    expect("PAE: fetch from an absent page", 0, p_exec, PF, 0x10, LINEAR);
    paging_off();
    set_cr4(cr4() & ~0x20u);
    __asm__ volatile("wrmsr" : : "a"(lo), "d"(hi), "c"(0xc0000080));
}

void check_paging(void)
{
    paging_on();
    check_matrix();
    check_ad();
    check_invlpg();
    check_large();
    check_smep_smap();
    paging_off();
    check_pae();
}
