/*
 * seg.c - loading segment registers: every type, DPL, RPL and CPL against the rules of SDM vol. 2 MOV, and LAR, LSL,
 * VERR, VERW, ARPL. Only the first difference of a matrix is printed.
 */
#include "barebox.h"

static volatile u32 arg_sel, result;

SNIP(s_ds, "mov arg_sel, %eax; s_ds_f: mov %ax, %ds");
SNIP(s_es, "mov arg_sel, %eax; s_es_f: mov %ax, %es");
SNIP(s_ss, "mov arg_sel, %eax; mov %ss, %ecx; s_ss_f: mov %ax, %ss; mov %cx, %ss");

/* Vector expected, or NONE. */
static int model_data(u32 attr, unsigned cpl, unsigned rpl)
{
    unsigned dpl = attr >> 5 & 3;
    int conforming = (attr & 0x1c) == 0x1c, code = (attr & 0x18) == 0x18;

    if (!(attr & 0x10) || (code && !(attr & 2)))
        return GP;
    if (!conforming && (rpl > dpl || cpl > dpl))
        return GP;
    return attr & 0x80 ? NONE : NP;
}

static int model_ss(u32 attr, unsigned cpl, unsigned rpl)
{
    if (rpl != cpl || (attr & 0x1a) != 0x12 || (attr >> 5 & 3) != cpl)
        return GP;
    return attr & 0x80 ? NONE : SS;
}

static void matrix(const char *name, void (*fn)(void), int (*model)(u32, unsigned, unsigned))
{
    for (u32 attr = 0; attr < 256; attr++)
        for (unsigned cpl = 0; cpl < 4; cpl += 3)
            for (unsigned rpl = 0; rpl < 4; rpl++) {
                int want = model(attr, cpl, rpl), got;

                gdt[FREE / 8] = desc(0, 0xfffff, attr | 0xc000);
                arg_sel = FREE | rpl;
                got = cpl ? try_user(fn) : try_kernel(fn);
                if (cpl && want == NONE)
                    want = DONE;
                if (got != want || (got >= 10 && got <= 13 && trap.error != FREE)) {
                    put_hex(attr), put(" rpl "), put_hex(rpl), put(" cpl "), put_hex(cpl), put(" ");
                    verdict(name, 0, (u32)got, (u32)want);
                    return;
                }
            }
    verdict(name, 1, 0, 0);
}

static void check_accessed(void)
{
    gdt[FREE / 8] = desc(0, 0xfffff, 0xc092);
    arg_sel = FREE;
    try_kernel(s_es);
    is("loading sets the accessed bit", (u32)(gdt[FREE / 8] >> 40) & 0xff, 0x93);
}

SNIP(l_down, "mov $0x40, %eax; mov %ax, %es; mov %es:0x2000, %al; l_down_f: mov %es:0x1000, %al");
SNIP(l_up, "mov $0x40, %eax; mov %ax, %es; mov %es:0xffc, %eax; l_up_f: mov %es:0xffd, %eax");
SNIP(l_ss, "mov %esp, %ecx; mov $0x43, %eax; mov %ax, %ss; l_ss_f: mov %ss:0x1000, %al");
SNIP(l_ro, "mov $0x40, %eax; mov %ax, %es; l_ro_f: movb $0, %es:0");
SNIP(l_xo, "mov $0x40, %eax; mov %ax, %es; l_xo_f: nop");

static void check_limits(void)
{
    gdt[FREE / 8] = desc(0, 0x1000, 0x4097);
    /* 5.3: up to and with the limit is outside */
    expect("expand-down limit", 0, l_down, GP, 0, AT(l_down));
    gdt[FREE / 8] = desc(0, 0xfff, 0x4093);
    /* 5.3 */
    expect("expand-up limit", 0, l_up, GP, 0, AT(l_up));
    gdt[FREE / 8] = desc(0, 0xfff, 0x40f3);
    /* 5.3, 6.15: #SS for the stack segment */
    expect("stack limit", 1, l_ss, SS, 0, AT(l_ss));
    gdt[FREE / 8] = desc(0, 0xfff, 0x4091);
    /* 5.5 */
    expect("write to read-only data", 0, l_ro, GP, 0, AT(l_ro));
}

static u32 lar(u32 sel, u32 *value)
{
    u32 zf;

    *value = 0x55555555;
    __asm__ volatile("lar %2, %1; sete %b0; movzbl %b0, %0" : "=&q"(zf), "+r"(*value) : "r"(sel) : "cc");
    return zf;
}

static u32 lsl(u32 sel, u32 *value)
{
    u32 zf;

    *value = 0x55555555;
    __asm__ volatile("lsl %2, %1; sete %b0; movzbl %b0, %0" : "=&q"(zf), "+r"(*value) : "r"(sel) : "cc");
    return zf;
}

static u32 verr_verw(u32 sel)
{
    u32 r, w;

    __asm__ volatile("verr %w2; sete %b0; verw %w2; sete %b1" : "=&q"(r), "=&q"(w) : "r"(sel) : "cc");
    return (r & 1) << 1 | (w & 1);
}

static void check_asking(void)
{
    const u32 lar_ok = 0x1a3e | 0xffff0000, lsl_ok = 0x0a0e | 0xffff0000; /* over S and type */
    u32 value, bad_lar = 0, bad_lsl = 0, bad_ver = 0;

    for (u32 type = 0; type < 32; type++) {
        u32 attr = 0xc080 | type;
        u32 want = type < 16 ? 0 : ((type & 8) ? (type & 2) : 2 | (type >> 1 & 1));

        gdt[FREE / 8] = desc(0x12345678, 0xabcde, attr);
        if (lar(FREE, &value) != (lar_ok >> type & 1) || value != ((lar_ok >> type & 1) ? attr << 8 : 0x55555555))
            bad_lar |= 1u << type;
        if (lsl(FREE, &value) != (lsl_ok >> type & 1) || value != ((lsl_ok >> type & 1) ? 0xabcdefff : 0x55555555))
            bad_lsl |= 1u << type;
        if (type >= 16 && (type & 8))
            want = type & 2;
        if (verr_verw(FREE) != want)
            bad_ver |= 1u << type;
    }
    is("LAR by type", bad_lar, 0);
    is("LSL by type", bad_lsl, 0);
    is("VERR and VERW by type", bad_ver, 0);
}

void check_segments(void)
{
    (void)result;
    matrix("load ES: all types, DPL, RPL, CPL", s_es, model_data);
    matrix("load SS: all types, DPL, RPL, CPL", s_ss, model_ss);
    check_accessed();
    check_limits();
    check_asking();
    gdt[FREE / 8] = 0;
}
