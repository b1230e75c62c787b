/*
 * v86.c - virtual-8086 mode: what traps, what goes to the program's own vectors (VME). SDM vol. 3 20.2, 20.3.
 */
#include "barebox.h"

enum { IOPL3 = 0x3000, VM = 0x20000, VIF = 0x80000, VIP = 0x100000, SEG = 0x3000 };

int try_v86(u32 eflags);
__asm__(".text; try_v86: pushal; pushfl; movl $-1, trap; movl %esp, try_esp; movl 40(%esp), %eax;"
        "push $0x3300; push $0x3300; push $0x3300; push $0x3300; push $0x3400; push $0x0ff0; push %eax; push $0x3000;"
        "push $0; iretl");

static int run(const u8 *code, unsigned bytes, u32 flags)
{
    u8 *at = (u8 *)(SEG << 4);

    for (unsigned n = 0; n < bytes; n++)
        at[n] = code[n];
    at[bytes] = 0xf4;
    return try_v86(flags | VM | 2);
}

#define V86(name, flags, want, code_, ip, ...)                                                                         \
    do {                                                                                                               \
        static const u8 code[] = {__VA_ARGS__};                                                                        \
        int got = run(code, sizeof(code), flags);                                                                      \
                                                                                                                       \
        if (got != (want) || trap.error != (code_))                                                                    \
            verdict(name, 0, (u32)got << 16 | trap.error, (u32)(want) << 16 | (code_));                                \
        else                                                                                                           \
            is(name, trap.eip, ip);                                                                                    \
    } while (0)

static void check_plain(void)
{
    V86("V86: HLT", 0, GP, 0, 0, 0xf4);
    is("V86: CS pushed", trap.cs, SEG);
    is("V86: VM in the pushed flags", trap.eflags >> 17 & 1, 1);
    is("V86: DS is null in the handler", trap.ds, 0);
    V86("V86: CLI, IOPL 0", 0, GP, 0, 0, 0xfa);
    V86("V86: CLI, IOPL 3", IOPL3, GP, 0, 1, 0xfa);
    V86("V86: PUSHF, IOPL 0", 0, GP, 0, 0, 0x9c);
    V86("V86: INT 31h, IOPL 0", 0, GP, 0, 0, 0xcd, 0x31);
    set_gate(0x31, KCODE, (u32)stubs + 16 * 0x31, 0xee);
    V86("V86: INT 31h, IOPL 3", IOPL3, 0x31, 0, 2, 0xcd, 0x31);
    set_gate(0x31, KCODE, (u32)stubs + 16 * 0x31, 0x8e);
    V86("V86: INT 31h, IOPL 3, gate DPL 0", IOPL3, GP, 0x31 * 8 + 2, 0, 0xcd, 0x31);
    V86("V86: INT3, IOPL 0", 0, BP, 0, 1, 0xcc);
    V86("V86: IRET, IOPL 0", 0, GP, 0, 0, 0xcf);
    V86("V86: IN, bitmap set", IOPL3, GP, 0, 0, 0xe4, 0x80);
    tss.io[0x10] = 0xfe;
    V86("V86: IN, bitmap clear", 0, GP, 0, 2, 0xe4, 0x80);
    tss.io[0x10] = 0xff;
    V86("V86: LTR is #UD", 0, UD, 0, 0, 0x0f, 0x00, 0xd8);
    V86("V86: MOV CR0", 0, GP, 0, 0, 0x0f, 0x20, 0xc0);
    /* mov ax,3500h; mov ds,ax; mov word [0],1234h; hlt */
    *(volatile u16 *)0x35000 = 0;
    V86("V86: segments by paragraph", 0, GP, 0, 11, 0xb8, 0, 0x35, 0x8e, 0xd8, 0xc7, 6, 0, 0, 0x34, 0x12);
    is("V86: store arrived", *(volatile u16 *)0x35000, 0x1234);
    /* pushf; popf; far call and return within */
    V86("V86: PUSHF, POPF, IOPL 3", IOPL3, GP, 0, 2, 0x9c, 0x9d);
    V86("V86: far call and RETF", 0, GP, 0, 5, 0x9a, 6, 0, 0, 0x30, 0xf4, 0xcb);
}

static void check_vme(void)
{
    volatile u32 *ivt = (volatile u32 *)(4 * 0x60);
    u32 old = *ivt;
    u8 *handler = (u8 *)(SEG << 4) + 0x100;

    *ivt = SEG << 16 | 0x100;
    handler[0] = 0xcf; /* IRET */
    tss.redirect[0x60 / 8] = 0;
    set_cr4(cr4() | 1);
    /* 20.3.3.4, table 20-2 method 5: by the program's own vector, VIF for IF */
    V86("VME: INT 60h redirected, IOPL 0", VIF, GP, 0, 2, 0xcd, 0x60);
    is("VME: VIF came back", trap.eflags & VIF, VIF);
    /* 20.3.2, 20.4: CLI and STI act on VIF */
    V86("VME: CLI clears VIF", VIF, GP, 0, 1, 0xfa);
    is("VME: VIF", trap.eflags & VIF, 0);
    V86("VME: STI with VIP", VIP, GP, 0, 0, 0xfb);
    V86("VME: STI sets VIF", 0, GP, 0, 1, 0xfb);
    is("VME: VIF set", trap.eflags & VIF, VIF);
    tss.redirect[0x60 / 8] = 0xff;
    V86("VME: INT 60h not redirected, IOPL 0", 0, GP, 0, 0, 0xcd, 0x60);
    set_cr4(cr4() & ~1u);
    *ivt = old;
}

void check_v86(void)
{
    check_plain();
    check_vme();
    reset_tables();
}
