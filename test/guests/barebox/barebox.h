/*
 * barebox.h - what the checks of the bare-metal test guest share.
 *
 * A check prints one line: "ok NAME" or "FAIL NAME: what it got". Descriptors 38h and up are the checks' own.
 */
#ifndef BAREBOX_H
#define BAREBOX_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { NONE = -1, DE = 0, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, MF = 16, AC, DONE = 0x30 };
enum { KCODE = 0x08, KDATA = 0x10, UCODE = 0x1b, UDATA = 0x23, KCODE64 = 0x28, TSS_MAIN = 0x38, FREE = 0x40 };

struct trap {
    u32 vector, error, eip, cs, eflags, esp, ss, cr2, frame, eax, ds, dr6, tr;
};
extern volatile struct trap trap;
extern u64 gdt[], idt[];
extern char stubs[], user_done[], trap_return[];
extern u32 real_results;

int try_kernel(void (*fn)(void));
int try_user(void (*fn)(void));

/* ---- output and verdicts (main.c) ---- */
void put(const char *s);
void put_hex(u32 v);
void verdict(const char *name, int good, u32 got, u32 want);
/** Tries @fn and compares vector, error code and, if @eip is not 0, the faulting address. */
void expect(const char *name, int user, void (*fn)(void), int vector, u32 error, u32 eip);
void is(const char *name, u32 got, u32 want);
/** Adds verdicts given elsewhere. */
void count(u32 checks, u32 failures);

/** QEMU's translator: it knows no segment limits and lets CR0.PG be set without PE, which would end the run. */
int is_tcg(void);

/* ---- tables (main.c) ---- */
u64 desc(u32 base, u32 limit, u32 attr); /* attr as in bits 40-55 */
void set_gate(unsigned vector, u16 sel, u32 off, u32 attr);
void reset_tables(void);
struct tss32 {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 t, iobase;
    u8 redirect[32], io[32 + 1];
};
extern struct tss32 tss;

/** A piece of code with a label at the instruction that faults: NAME_f. */
#define SNIP(name, body)                                                                                               \
    extern char name##_f[];                                                                                            \
    void name(void);                                                                                                   \
    __asm__(".text\n" #name ":\n" body "\nret\n")
#define AT(name) ((u32)name##_f)

static inline u32 cr0(void)
{
    u32 v;
    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}
static inline void set_cr0(u32 v)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory");
}
static inline u32 cr4(void)
{
    u32 v;
    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}
static inline void set_cr4(u32 v)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}
static inline void set_cr3(u32 v)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}
static inline void outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "d"(port));
}
static inline u8 inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port));
    return v;
}

void check_exceptions(void);
void check_segments(void);
void check_gates(void);
void check_tasks(void);
void check_v86(void);
void check_debug(void);
void check_paging(void);
void check_code(void);
void check_long(void);
void check_events(void);
/** Triple fault, where somebody starts us again. */
void shut_down(void);

#endif
