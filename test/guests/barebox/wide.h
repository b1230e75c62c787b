/*
 * wide.h - what the checks of the 64-bit part share. They are C of their own, linked at 30000h and called in long mode.
 */
#ifndef BAREBOX_WIDE_H
#define BAREBOX_WIDE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { NONE = -1, DE = 0, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, MF = 16, AC, DONE = 0x30 };
enum { KDATA = 0x10, UCODE32 = 0x1b, UDATA = 0x23, KCODE = 0x28, UCODE = 0x33, FREE = 0xc0 };
enum { MSR_SYSENTER_CS = 0x174, MSR_EFER = 0xc0000080, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK };
enum { MSR_FS_BASE = 0xc0000100, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX };
enum { USER_STACK = 0x6f000, FLAG_TF = 0x100, FLAG_RF = 0x10000, FLAG_AC = 0x40000 };

/** What long.c hands over. */
struct wide_tables {
    u64 *gdt, *tss_ist1;
    u64 tcg;              /* QEMU's translator: it would be lost in some checks */
    u64 checks, failures; /* out */
};
extern struct wide_tables *tables;

struct trap {
    u64 vector, error, rip, cs, rflags, rsp, ss, cr2, frame, rax, rcx, rdx, r11, dr6;
};
extern volatile struct trap trap;

u64 try_kernel(void (*fn)(void));
u64 try_user(void (*fn)(void));
extern char stubs[], user_done[];
extern u64 idt[128];
void set_gate(unsigned vector, void *off, u32 attr, unsigned ist);

void put(const char *s);
void verdict(const char *name, int good, u64 got, u64 want);
void is(const char *name, u64 got, u64 want);
/** Tries @fn and compares vector, error code and, if @at is not 0, the faulting address. */
void expect(const char *name, int user, void (*fn)(void), int vector, u64 error, u64 at);

/** A piece of code with a label at the instruction that faults: NAME_f. */
#define SNIP(name, body)                                                                                               \
    extern char name##_f[];                                                                                            \
    void name(void);                                                                                                   \
    __asm__(".text\n" #name ":\n" body "\nret\n")
#define AT(name) ((u64)name##_f)

static inline void wrmsr(u32 msr, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "d"((u32)(v >> 32)), "a"((u32)v));
}
static inline u64 rdmsr(u32 msr)
{
    u32 lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (u64)hi << 32 | lo;
}
static inline u64 cr4(void)
{
    u64 v;
    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}
static inline void set_cr4(u64 v)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}
static inline u64 cr3(void)
{
    u64 v;
    __asm__ volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}
static inline void set_cr3(u64 v)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
int cpu_has(u32 leaf, unsigned reg, unsigned bit);
int is_intel(void);

void check_wide_calls(void);
void check_wide_debug(void);
void check_wide_memory(void);
void check_wide_registers(void);

#endif
