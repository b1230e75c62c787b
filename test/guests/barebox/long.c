/*
 * long.c - into long mode and back, and the report of longmode.S.
 */
#include "barebox.h"

enum { TSS64 = 0xa0, WIDE = 0x30000 };
extern u32 long_results[2], long_is_tcg;
extern u8 long_tss[112];
extern u64 long_idt[128];
extern char long_stubs[];
extern char wide_image[], wide_image_end[];
void long_run(void);
struct wide_tables { /* as in wide.h */
    u64 gdt, tss_ist1, tcg, checks, failures;
};
void wide_run(struct wide_tables *t);

static void wrmsr(u32 msr, u32 hi, u32 lo)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "d"(hi), "a"(lo));
}

static u32 rdmsr(u32 msr)
{
    u32 lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo;
}

static void tables(void)
{
    volatile u64 *pml4 = (volatile u64 *)0x48000, *pdpt = (volatile u64 *)0x49000, *pd = (volatile u64 *)0x4a000;

    for (u32 n = 0; n < 512; n++)
        pml4[n] = pdpt[n] = 0, pd[n] = (u64)n << 21 | 0x87;
    pd[1] |= 1ull << 63;
    pml4[0] = 0x49007;
    pdpt[0] = 0x4a007;
    for (u32 v = 0; v < 64; v++) {
        u32 off = (u32)long_stubs + 16 * v;

        long_idt[2 * v] = (u64)(off & 0xffff0000) << 32 | (u64)0xee << 40 |
                          (u64)(v == 0x32 || v == SS || v == GP) << 32 | (u64)KCODE64 << 16 | (off & 0xffff);
        long_idt[2 * v + 1] = 0;
    }
    *(u32 *)(long_tss + 4) = 0x7e000;  /* RSP0 */
    *(u32 *)(long_tss + 36) = 0x7c000; /* IST1 */
    gdt[TSS64 / 8] = desc((u32)long_tss, 103, 0x89);
    gdt[TSS64 / 8 + 1] = 0;
}

static int has_long_mode(void)
{
    u32 eax = 0x80000000, ebx, ecx, edx = 0;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    if (eax < 0x80000001)
        return 0;
    eax = 0x80000001;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return edx >> 29 & 1;
}

static void run(void)
{
    struct wide_tables wide = {.gdt = (u32)gdt, .tss_ist1 = (u32)long_tss + 36, .tcg = (u32)is_tcg()};
    static struct __attribute__((packed)) {
        u16 limit;
        void *base;
        u32 high;
    } idtr;
    u32 efer = rdmsr(0xc0000080);

    idtr.limit = sizeof(u64) * 128 - 1;
    idtr.base = long_idt;
    tables();
    set_cr4(cr4() | 0x20);
    set_cr3(0x48000);
    wrmsr(0xc0000080, 0, efer | 0x901); /* SCE LME NXE */
    wrmsr(0xc0000081, 0x00230028, 0);   /* SYSRET: CS 33h, SS 2bh; SYSCALL: CS 28h, SS 30h */
    wrmsr(0xc0000084, 0, 0x700);        /* SFMASK: TF IF DF */
    set_cr0(cr0() | 0x80000000);
    __asm__ volatile("lidt %0; ltr %w1" : : "m"(idtr), "r"(TSS64));
    long_is_tcg = is_tcg();
    long_run();
    for (char *from = wide_image, *to = (char *)WIDE; from < wide_image_end;)
        *to++ = *from++;
    wide_run(&wide);
    set_cr0(cr0() & 0x7fffffff);
    wrmsr(0xc0000080, 0, efer);
    set_cr4(cr4() & ~0x20u);
    reset_tables();
    count(wide.checks, wide.failures);
}

void check_long(void)
{
    static const char *const names[] = {"long: UD2",
                                        "long: non-canonical read",
                                        "long: non-canonical stack is #SS",
                                        "long: frame",
                                        "long: IST",
                                        0,
                                        "long: selector",
                                        "long: null SS at CPL 0",
                                        "long: IRETQ",
                                        "long: SYSRET, SYSCALL",
                                        "long: INT from CPL 3",
                                        "long: compatibility mode",
                                        "long: SWAPGS",
                                        "long: GS base non-canonical",
                                        "long: PG cannot be cleared",
                                        "long: PAE cannot be cleared",
                                        "long: NX"};

    if (!has_long_mode()) {
        put("skip long mode\n");
        return;
    }
    run();
    for (u32 n = 0; n < sizeof(names) / sizeof(names[0]); n++)
        if (names[n] && !(is_tcg() && (n == 14 || n == 15)))
            is(names[n], long_results[0] >> n & 1, 1);
}
