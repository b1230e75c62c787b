/*
 * wide_register.c - register state and what tells about the processor: XSAVE, FSGSBASE, UMIP, RDTSCP, MONITOR.
 *
 * SDM vol. 1 chapter 13 (13.4 area, 13.6 init, 13.7-13.8 XSAVE, XRSTOR); vol. 2 by instruction; vol. 3 2.5 (UMIP, TSD),
 * 2.6 (XCR0), 8.10.4 (MONITOR).
 */
#include "wide.h"

enum { EAX, EBX, ECX, EDX };
enum { CR4_TSD = 4, CR4_OSFXSR = 1 << 9, CR4_UMIP = 1 << 11, CR4_FSGSBASE = 1 << 16, CR4_OSXSAVE = 1 << 18 };

/* ---- XSAVE ---- */

u8 area[1024] __attribute__((aligned(64)));
static u64 *const header = (u64 *)(area + 512);

SNIP(x_save, "mov $7, %eax; xor %edx, %edx; x_save_f: xsave area");
SNIP(x_save_off, "mov $7, %eax; xor %edx, %edx; x_save_off_f: xsave area + 8");
SNIP(x_rstor, "mov $7, %eax; xor %edx, %edx; x_rstor_f: xrstor area");
SNIP(x_opt, "mov $7, %eax; xor %edx, %edx; xsaveopt area");
SNIP(x_dirty, "movl $0x12345678, %eax; movd %eax, %xmm1; xor %eax, %eax");
SNIP(x_setbv_0, "xor %ecx, %ecx; xor %edx, %edx; xor %eax, %eax; x_setbv_0_f: xsetbv");
SNIP(x_setbv_avx, "xor %ecx, %ecx; xor %edx, %edx; mov $5, %eax; x_setbv_avx_f: xsetbv");
SNIP(x_setbv_ecx, "mov $1, %ecx; xor %edx, %edx; mov $7, %eax; x_setbv_ecx_f: xsetbv");
SNIP(x_setbv_user, "xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax; x_setbv_user_f: xsetbv");
SNIP(x_setbv, "xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax; xsetbv");
SNIP(x_avx, "x_avx_f: vpxor %ymm0, %ymm0, %ymm0");

static void clear_area(u8 with)
{
    for (unsigned n = 0; n < sizeof area; n++)
        area[n] = n >= 512 && n < 576 ? 0 : with;
    area[0] = 0x7f; /* FCW, MXCSR: what may be loaded */
    area[1] = 3;
    area[24] = 0x80;
    area[25] = 0x1f;
    area[26] = area[27] = 0;
}

static void bad_header(const char *name, unsigned word, u64 v)
{
    clear_area(0);
    header[word] = v;
    expect(name, 0, x_rstor, GP, 0, AT(x_rstor));
}

static void check_xsave(void)
{
    expect("XSAVE without OSXSAVE", 0, x_save, UD, 0, AT(x_save));
    set_cr4(cr4() | CR4_OSXSAVE | CR4_OSFXSR);
    __asm__ volatile("clts");
    expect("XSETBV without x87", 0, x_setbv_0, GP, 0, AT(x_setbv_0));
    expect("XSETBV of AVX without SSE", 0, x_setbv_avx, GP, 0, AT(x_setbv_avx));
    expect("XSETBV of XCR1", 0, x_setbv_ecx, GP, 0, AT(x_setbv_ecx));
    expect("XSETBV at CPL 3", 1, x_setbv_user, GP, 0, AT(x_setbv_user));
    expect("AVX without its XCR0 bit", 0, x_avx, UD, 0, AT(x_avx));
    expect("XSETBV", 0, x_setbv, NONE, 0, 0);
    clear_area(0);
    expect("XRSTOR of nothing initialises", 0, x_rstor, NONE, 0, 0);
    clear_area(0x5a);
    try_kernel(x_save);
    if (!tables->tcg) /* 13.6 lets a processor track less */
        is("  XSTATE_BV of initial SSE and AVX", header[0] & 6, 0);
    is("  the init image is written all the same", *(u64 *)(area + 160) | *(u64 *)(area + 576), 0);
    try_kernel(x_dirty);
    clear_area(0x5a);
    try_kernel(x_save);
    is("  XSTATE_BV of SSE in use", header[0] & 2, 2);
    is("  XMM1", *(u64 *)(area + 176), 0x12345678);
    clear_area(0);
    try_kernel(x_rstor);
    clear_area(0x5a);
    if (cpu_has(0xd, EAX, 0) && cpu_has(1, ECX, 26)) {
        u32 r[4];

        cpuid(0xd, 1, r);
        if ((r[EAX] & 1) && !tables->tcg) {
            try_kernel(x_opt);
            is("XSAVEOPT writes no initial state", *(u64 *)(area + 160), 0x5a5a5a5a5a5a5a5a);
        }
    }
    bad_header("XRSTOR with an unknown component", 0, 1ull << 62);
    bad_header("XRSTOR standard form, XCOMP_BV not 0", 1, 1);
    bad_header("XRSTOR with reserved header bytes", 2, 1);
    clear_area(0);
    area[27] = 1;
    header[0] = 2;
    expect("XRSTOR with a reserved MXCSR bit", 0, x_rstor, GP, 0, AT(x_rstor));
    expect("XSAVE misplaced", 0, x_save_off, GP, 0, AT(x_save_off));
    clear_area(0);
    try_kernel(x_rstor);
    set_cr4(cr4() & ~(u64)CR4_OSXSAVE);
}

/* ---- FS and GS ---- */

SNIP(f_rd, "f_rd_f: rdfsbase %rax");
SNIP(f_wr_bad, "mov $1, %eax; shl $47, %rax; f_wr_bad_f: wrgsbase %rax");
SNIP(f_wr, "mov $0x123456789, %rax; wrfsbase %rax; rdfsbase %rcx; int $0x31");
SNIP(f_wr32, "mov $0x923456789, %rax; wrgsbase %eax; rdgsbase %rcx; int $0x31");
SNIP(f_swap, "swapgs; rdgsbase %rcx; swapgs; int $0x31");

static void check_fsgsbase(void)
{
    expect("RDFSBASE without FSGSBASE", 0, f_rd, UD, 0, AT(f_rd));
    set_cr4(cr4() | CR4_FSGSBASE);
    expect("WRGSBASE non-canonical", 0, f_wr_bad, GP, 0, AT(f_wr_bad));
    try_kernel(f_wr);
    is("WRFSBASE, RDFSBASE", trap.rcx, 0x123456789);
    try_kernel(f_wr32);
    is("WRGSBASE of 32 bits clears the upper half", trap.rcx, 0x23456789);
    wrmsr(MSR_KERNEL_GS_BASE, 0x777);
    try_kernel(f_swap);
    is("SWAPGS", trap.rcx, 0x777);
    set_cr4(cr4() & ~(u64)CR4_FSGSBASE);
    expect("WRFSBASE at CPL 3 without FSGSBASE", 1, f_wr, UD, 0, 0);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_GS_BASE, 0);
}

/* ---- UMIP ---- */

SNIP(u_sgdt, "u_sgdt_f: sgdt -64(%rsp)");
SNIP(u_sidt, "u_sidt_f: sidt -64(%rsp)");
SNIP(u_sldt, "u_sldt_f: sldt %eax");
SNIP(u_str, "u_str_f: str %eax");
SNIP(u_smsw, "u_smsw_f: smsw %eax");

static void check_umip(void)
{
    expect("SGDT at CPL 3 without UMIP", 1, u_sgdt, NONE, 0, 0);
    set_cr4(cr4() | CR4_UMIP);
    expect("UMIP: SGDT", 1, u_sgdt, GP, 0, AT(u_sgdt));
    expect("UMIP: SIDT", 1, u_sidt, GP, 0, AT(u_sidt));
    expect("UMIP: SLDT", 1, u_sldt, GP, 0, AT(u_sldt));
    expect("UMIP: STR", 1, u_str, GP, 0, AT(u_str));
    expect("UMIP: SMSW", 1, u_smsw, GP, 0, AT(u_smsw));
    expect("UMIP: SGDT at CPL 0", 0, u_sgdt, NONE, 0, 0);
    set_cr4(cr4() & ~(u64)CR4_UMIP);
}

/* ---- time and place ---- */

SNIP(t_rdtscp, "t_rdtscp_f: rdtscp; int $0x31");
SNIP(t_rdpid, "xor %ecx, %ecx; .byte 0xf3, 0x0f, 0xc7, 0xf9; int $0x31"); /* rdpid %rcx */
SNIP(t_rdtsc, "t_rdtsc_f: rdtsc; int $0x31");

static void check_time(void)
{
    set_gate(0x31, stubs + 16 * 0x31, 0xee, 0);
    if (cpu_has(0x80000001, EDX, 27)) {
        wrmsr(MSR_TSC_AUX, 0x1234);
        expect("RDTSCP", 1, t_rdtscp, 0x31, 0, 0);
        is("  ECX is TSC_AUX", trap.rcx, 0x1234);
        set_cr4(cr4() | CR4_TSD);
        expect("RDTSCP at CPL 3 with TSD", 1, t_rdtscp, GP, 0, AT(t_rdtscp));
        set_cr4(cr4() & ~(u64)CR4_TSD);
    }
    if (cpu_has(7, ECX, 22)) {
        expect("RDPID", 1, t_rdpid, 0x31, 0, 0);
        is("  TSC_AUX", trap.rcx, 0x1234);
    }
    set_cr4(cr4() | CR4_TSD);
    expect("RDTSC at CPL 3 with TSD", 1, t_rdtsc, GP, 0, AT(t_rdtsc));
    expect("RDTSC at CPL 0 with TSD", 0, t_rdtsc, 0x31, 0, 0);
    set_cr4(cr4() & ~(u64)CR4_TSD);
    set_gate(0x31, stubs + 16 * 0x31, 0x8e, 0);
}

/* ---- MONITOR, MWAIT ---- */

u64 monitored;
SNIP(w_monitor, "mov $monitored, %eax; xor %ecx, %ecx; xor %edx, %edx; w_monitor_f: monitor");
SNIP(w_monitor_user, "mov $monitored, %eax; xor %ecx, %ecx; xor %edx, %edx; w_monitor_user_f: monitor");
SNIP(w_monitor_ecx, "mov $monitored, %eax; mov $1, %ecx; xor %edx, %edx; w_monitor_ecx_f: monitor");
SNIP(w_mwait,
     "mov $monitored, %eax; xor %ecx, %ecx; xor %edx, %edx; monitor; movq $1, monitored; xor %eax, %eax; mwait");

static void check_monitor(void)
{
    if (!cpu_has(1, ECX, 3)) {
        expect("MONITOR without its CPUID bit", 0, w_monitor, UD, 0, AT(w_monitor));
        return;
    }
    expect("MONITOR at CPL 3", 1, w_monitor_user, UD, 0, AT(w_monitor_user));
    expect("MONITOR with an extension", 0, w_monitor_ecx, GP, 0, AT(w_monitor_ecx));
    if (!tables->tcg) /* it waits for an interrupt */
        expect("MWAIT after a store returns", 0, w_mwait, NONE, 0, 0);
}

void check_wide_registers(void)
{
    if (cpu_has(1, ECX, 26) && cpu_has(1, ECX, 28))
        check_xsave();
    if (cpu_has(7, EBX, 0))
        check_fsgsbase();
    if (cpu_has(7, ECX, 2))
        check_umip();
    check_time();
    check_monitor();
}
