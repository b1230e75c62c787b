/*
 * flags_int.h - arithmetic with exact flags: the host CPU runs the guest's own instruction on plain values.
 *
 * Flags come back by LAHF (SF ZF AF PF CF at their EFLAGS places) and SETO: an eighth of the price of PUSHF. What the
 * manual leaves undefined is thereby what this host leaves. Each function takes operands of @bytes 1, 2, 4 or 8 (a
 * constant folds the switch away). iem_raw_*() keep the flags as LAHF and SETO left them in AX, which is what a block
 * of specialised handlers hands on; iem_alu_*() update *fl, which holds EFLAGS.
 */
#ifndef VMM_IEM_FLAGS_INT_H
#define VMM_IEM_FLAGS_INT_H

#include "vmm/cpum/cpum.h"

#define IEM_INLINE static inline __attribute__((always_inline))

/* Raw flags: LAHF's byte in bits 8-15, OF in bit 0. */
#define IEM_RAW_OF  0x0001u
#define IEM_RAW_CF  0x0100u
#define IEM_RAW_PF  0x0400u
#define IEM_RAW_ZF  0x4000u
#define IEM_RAW_SF  0x8000u
#define IEM_RAW_ALL 0xffffu

IEM_INLINE uint64_t iem_raw_flags(uint64_t fl)
{
    return (fl & CPUM_FL_ARITH & 0xff) << 8 | (fl >> 11 & 1);
}
/* EFLAGS with the arithmetic flags of @raw. */
IEM_INLINE uint64_t iem_fl_merge(uint64_t fl, uint64_t raw)
{
    return (fl & ~(uint64_t)CPUM_FL_ARITH) | raw >> 8 | (raw & IEM_RAW_OF) << 11;
}

typedef uint64_t iem_alu_fn(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl);
/** The LOCKed form on guest memory at @p. */
typedef void iem_lock_fn(void *p, uint64_t b, unsigned bytes, uint64_t *fl);

#define IEM_GET_FLAGS "\n\tlahf\n\tseto %%al"
#define IEM_PUT_CF    "bt $8, %[f]\n\t"

/* r = r OP s on one width. */
#define IEM_ASM2(T, pre, insn)                                                                                         \
    {                                                                                                                  \
        T r_ = (T)a, s_ = (T)b;                                                                                        \
        uint16_t ax_;                                                                                                  \
        __asm__(pre insn " %[s], %[r]" IEM_GET_FLAGS                                                                   \
                : "=&a"(ax_), [r] "+&q"(r_)                                                                            \
                : [s] "q"(s_), [f] "r"((uint32_t)*raw)                                                                 \
                : "cc");                                                                                               \
        *raw = ax_;                                                                                                    \
        return r_;                                                                                                     \
    }
/* r = OP r */
#define IEM_ASM1(T, pre, insn)                                                                                         \
    {                                                                                                                  \
        T r_ = (T)a;                                                                                                   \
        uint16_t ax_;                                                                                                  \
        __asm__(pre insn " %[r]" IEM_GET_FLAGS : "=&a"(ax_), [r] "+&q"(r_) : [f] "r"((uint32_t)*raw) : "cc");          \
        *raw = ax_;                                                                                                    \
        return r_;                                                                                                     \
    }
#define IEM_ASM2_LOCK(T, pre, insn)                                                                                    \
    {                                                                                                                  \
        uint16_t ax_;                                                                                                  \
        __asm__ volatile(pre "lock; " insn " %[s], %[m]" IEM_GET_FLAGS                                                 \
                         : "=&a"(ax_), [m] "+m"(*(T *)p)                                                               \
                         : [s] "q"((T)b), [f] "r"((uint32_t)*fl << 8)                                                  \
                         : "cc", "memory");                                                                            \
        *fl = iem_fl_merge(*fl, ax_);                                                                                  \
        return;                                                                                                        \
    }
#define IEM_BY_WIDTH(BODY, pre, insn)                                                                                  \
    switch (bytes) {                                                                                                   \
    case 1: BODY(uint8_t, pre, insn)                                                                                   \
    case 2: BODY(uint16_t, pre, insn)                                                                                  \
    case 4: BODY(uint32_t, pre, insn)                                                                                  \
    default: BODY(uint64_t, pre, insn)                                                                                 \
    }
/* The raw function, and the one on EFLAGS made of it. */
#define IEM_RAW(name, BODY, pre, insn)                                                                                 \
    IEM_INLINE uint64_t iem_raw_##name(uint64_t a, uint64_t b, unsigned bytes, uint64_t *raw)                          \
    {                                                                                                                  \
        (void)b;                                                                                                       \
        IEM_BY_WIDTH(BODY, pre, insn)                                                                                  \
    }                                                                                                                  \
    IEM_INLINE uint64_t iem_alu_##name(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)                           \
    {                                                                                                                  \
        uint64_t raw = iem_raw_flags(*fl), r = iem_raw_##name(a, b, bytes, &raw);                                      \
                                                                                                                       \
        *fl = iem_fl_merge(*fl, raw);                                                                                  \
        return r;                                                                                                      \
    }
#define IEM_LOCKED(name, pre, insn)                                                                                    \
    IEM_INLINE void iem_lock_##name(void *p, uint64_t b, unsigned bytes, uint64_t *fl)                                 \
    {                                                                                                                  \
        IEM_BY_WIDTH(IEM_ASM2_LOCK, pre, insn)                                                                         \
    }
#define IEM_ALU2(name, pre, insn)                                                                                      \
    IEM_RAW(name, IEM_ASM2, pre, insn)                                                                                 \
    IEM_LOCKED(name, pre, insn)

IEM_ALU2(add, "", "add")
IEM_ALU2(or, "", "or")
IEM_ALU2(adc, IEM_PUT_CF, "adc")
IEM_ALU2(sbb, IEM_PUT_CF, "sbb")
IEM_ALU2(and, "", "and")
IEM_ALU2(sub, "", "sub")
IEM_ALU2(xor, "", "xor")

/* INC and DEC keep CF. */
IEM_RAW(inc, IEM_ASM1, IEM_PUT_CF, "inc")
IEM_RAW(dec, IEM_ASM1, IEM_PUT_CF, "dec")
IEM_RAW(neg, IEM_ASM1, "", "neg")

/* CMP and TEST: flags only. */
IEM_INLINE void iem_alu_cmp(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    (void)iem_alu_sub(a, b, bytes, fl);
}
IEM_INLINE void iem_alu_test(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    (void)iem_alu_and(a, b, bytes, fl);
}

/* NOT keeps every flag. */
IEM_INLINE uint64_t iem_alu_not(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    (void)b;
    (void)bytes;
    (void)fl;
    return ~a;
}

/* Shifts and rotates by 1 .. 31 (63): the caller has masked the count and left on 0. @a value, @b count. */
#define IEM_ASM_SHIFT(T, pre, insn)                                                                                    \
    {                                                                                                                  \
        T r_ = (T)a;                                                                                                   \
        uint16_t ax_;                                                                                                  \
        __asm__(pre insn " %%cl, %[r]" IEM_GET_FLAGS                                                                   \
                : "=&a"(ax_), [r] "+&q"(r_)                                                                            \
                : "c"((uint8_t)b), [f] "r"((uint32_t)*raw)                                                             \
                : "cc");                                                                                               \
        *raw = ax_;                                                                                                    \
        return r_;                                                                                                     \
    }
/* Rotates change CF and OF only. */
#define IEM_ASM_ROTATE(T, pre, insn)                                                                                   \
    {                                                                                                                  \
        const uint64_t mask_ = IEM_RAW_CF | IEM_RAW_OF;                                                                \
        T r_ = (T)a;                                                                                                   \
        uint16_t ax_;                                                                                                  \
        __asm__(pre insn " %%cl, %[r]" IEM_GET_FLAGS                                                                   \
                : "=&a"(ax_), [r] "+&q"(r_)                                                                            \
                : "c"((uint8_t)b), [f] "r"((uint32_t)*raw)                                                             \
                : "cc");                                                                                               \
        *raw = (*raw & ~mask_) | (ax_ & mask_);                                                                        \
        return r_;                                                                                                     \
    }

IEM_RAW(shl, IEM_ASM_SHIFT, "", "shl")
IEM_RAW(shr, IEM_ASM_SHIFT, "", "shr")
IEM_RAW(sar, IEM_ASM_SHIFT, "", "sar")
IEM_RAW(rol, IEM_ASM_ROTATE, "", "rol")
IEM_RAW(ror, IEM_ASM_ROTATE, "", "ror")
IEM_RAW(rcl, IEM_ASM_ROTATE, IEM_PUT_CF, "rcl")
IEM_RAW(rcr, IEM_ASM_ROTATE, IEM_PUT_CF, "rcr")

/* A condition as data: the raw flags it looks at, bit 1 standing for SF != OF; bit 16: holds if none of them is set. */
#define IEM_RAW_LESS 0x0002u
#define IEM_TEST_NOT 0x10000u
IEM_INLINE uint32_t iem_raw_test_of(unsigned cc)
{
    static const uint16_t flags[8] = {IEM_RAW_OF, IEM_RAW_CF, IEM_RAW_ZF,   IEM_RAW_CF | IEM_RAW_ZF,
                                      IEM_RAW_SF, IEM_RAW_PF, IEM_RAW_LESS, IEM_RAW_LESS | IEM_RAW_ZF};

    return flags[cc >> 1 & 7] | (cc & 1 ? IEM_TEST_NOT : 0);
}
IEM_INLINE bool iem_raw_test(uint64_t raw, uint32_t test)
{
    uint64_t less = (raw >> 15 ^ raw) << 1 & IEM_RAW_LESS;

    return (((raw | less) & test & IEM_RAW_ALL) != 0) != ((test & IEM_TEST_NOT) != 0);
}

/** Condition code 0-15 as in Jcc, SETcc, CMOVcc. */
IEM_INLINE bool iem_cond(uint64_t fl, unsigned cc)
{
    return iem_raw_test(iem_raw_flags(fl), iem_raw_test_of(cc));
}

#endif
