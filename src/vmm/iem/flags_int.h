/*
 * flags_int.h - arithmetic with exact flags: the host CPU runs the guest's own instruction on plain values.
 *
 * Flags come back by LAHF (SF ZF AF PF CF at their EFLAGS places) and SETO: an eighth of the price of PUSHF. What the
 * manual leaves undefined is thereby what this host leaves. Each function takes operands of @bytes 1, 2, 4 or 8 (a
 * constant folds the switch away) and updates *fl, which holds the guest's flags.
 */
#ifndef VMM_IEM_FLAGS_INT_H
#define VMM_IEM_FLAGS_INT_H

#include "vmm/cpum/cpum.h"

#define IEM_INLINE static inline __attribute__((always_inline))

/* Merges what LAHF and SETO left in AX into the guest's flags. */
IEM_INLINE uint64_t iem_fl_merge(uint64_t fl, uint16_t ax)
{
    return (fl & ~(uint64_t)CPUM_FL_ARITH) | (uint64_t)(ax >> 8) | (uint64_t)(ax & 1) << 11;
}
IEM_INLINE uint64_t iem_fl_merge_mask(uint64_t fl, uint16_t ax, uint64_t mask)
{
    return (fl & ~mask) | (((uint64_t)(ax >> 8) | (uint64_t)(ax & 1) << 11) & mask);
}

typedef uint64_t iem_alu_fn(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl);
/** The LOCKed form on guest memory at @p. */
typedef void iem_lock_fn(void *p, uint64_t b, unsigned bytes, uint64_t *fl);

#define IEM_GET_FLAGS "\n\tlahf\n\tseto %%al"
#define IEM_PUT_CF    "bt $0, %[f]\n\t"

/* r = r OP s on one width. */
#define IEM_ASM2(T, pre, insn)                                                                                         \
    {                                                                                                                  \
        T r_ = (T)a, s_ = (T)b;                                                                                        \
        uint16_t ax_;                                                                                                  \
        __asm__(pre insn " %[s], %[r]" IEM_GET_FLAGS                                                                   \
                : "=&a"(ax_), [r] "+&q"(r_)                                                                            \
                : [s] "q"(s_), [f] "r"((uint32_t)*fl)                                                                  \
                : "cc");                                                                                               \
        *fl = iem_fl_merge(*fl, ax_);                                                                                  \
        return r_;                                                                                                     \
    }
#define IEM_ASM2_LOCK(T, pre, insn)                                                                                    \
    {                                                                                                                  \
        uint16_t ax_;                                                                                                  \
        __asm__ volatile(pre "lock; " insn " %[s], %[m]" IEM_GET_FLAGS                                                 \
                         : "=&a"(ax_), [m] "+m"(*(T *)p)                                                               \
                         : [s] "q"((T)b), [f] "r"((uint32_t)*fl)                                                       \
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
#define IEM_ALU2(name, pre, insn)                                                                                      \
    IEM_INLINE uint64_t iem_alu_##name(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl){IEM_BY_WIDTH(             \
        IEM_ASM2, pre, insn)} IEM_INLINE void iem_lock_##name(void *p, uint64_t b, unsigned bytes, uint64_t *fl)       \
    {                                                                                                                  \
        IEM_BY_WIDTH(IEM_ASM2_LOCK, pre, insn)                                                                         \
    }

IEM_ALU2(add, "", "add")
IEM_ALU2(or, "", "or")
IEM_ALU2(adc, IEM_PUT_CF, "adc")
IEM_ALU2(sbb, IEM_PUT_CF, "sbb")
IEM_ALU2(and, "", "and")
IEM_ALU2(sub, "", "sub")
IEM_ALU2(xor, "", "xor")

/* CMP and TEST: flags only. */
IEM_INLINE void iem_alu_cmp(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    (void)iem_alu_sub(a, b, bytes, fl);
}
IEM_INLINE void iem_alu_test(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    (void)iem_alu_and(a, b, bytes, fl);
}

/* One operand: INC and DEC keep CF, NOT keeps everything. @b is not used. */
IEM_INLINE uint64_t iem_keep_cf(uint64_t old, uint64_t new)
{
    return (new & ~(uint64_t)CPUM_FL_CF) | (old & CPUM_FL_CF);
}
IEM_INLINE uint64_t iem_alu_inc(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    uint64_t old = *fl, r = iem_alu_add(a, 1, bytes, fl);

    (void)b;
    *fl = iem_keep_cf(old, *fl);
    return r;
}
IEM_INLINE uint64_t iem_alu_dec(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    uint64_t old = *fl, r = iem_alu_sub(a, 1, bytes, fl);

    (void)b;
    *fl = iem_keep_cf(old, *fl);
    return r;
}
IEM_INLINE uint64_t iem_alu_neg(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)
{
    (void)b;
    return iem_alu_sub(0, a, bytes, fl);
}
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
                : "c"((uint8_t)b), [f] "r"((uint32_t)*fl)                                                              \
                : "cc");                                                                                               \
        *fl = iem_fl_merge_mask(*fl, ax_, mask_);                                                                      \
        return r_;                                                                                                     \
    }
#define IEM_SHIFT(name, pre, insn, mask)                                                                               \
    IEM_INLINE uint64_t iem_alu_##name(uint64_t a, uint64_t b, unsigned bytes, uint64_t *fl)                           \
    {                                                                                                                  \
        const uint64_t mask_ = (mask);                                                                                 \
        IEM_BY_WIDTH(IEM_ASM_SHIFT, pre, insn)                                                                         \
    }

IEM_SHIFT(shl, "", "shl", CPUM_FL_ARITH)
IEM_SHIFT(shr, "", "shr", CPUM_FL_ARITH)
IEM_SHIFT(sar, "", "sar", CPUM_FL_ARITH)
IEM_SHIFT(rol, "", "rol", CPUM_FL_CF | CPUM_FL_OF)
IEM_SHIFT(ror, "", "ror", CPUM_FL_CF | CPUM_FL_OF)
IEM_SHIFT(rcl, IEM_PUT_CF, "rcl", CPUM_FL_CF | CPUM_FL_OF)
IEM_SHIFT(rcr, IEM_PUT_CF, "rcr", CPUM_FL_CF | CPUM_FL_OF)

/** Condition code 0-15 as in Jcc, SETcc, CMOVcc. */
IEM_INLINE bool iem_cond(uint64_t fl, unsigned cc)
{
    bool t;

    switch (cc >> 1) {
    case 0: t = (fl & CPUM_FL_OF) != 0; break;
    case 1: t = (fl & CPUM_FL_CF) != 0; break;
    case 2: t = (fl & CPUM_FL_ZF) != 0; break;
    case 3: t = (fl & (CPUM_FL_CF | CPUM_FL_ZF)) != 0; break;
    case 4: t = (fl & CPUM_FL_SF) != 0; break;
    case 5: t = (fl & CPUM_FL_PF) != 0; break;
    case 6: t = ((fl >> 7 ^ fl >> 11) & 1) != 0; break;
    default: t = (fl & CPUM_FL_ZF) || ((fl >> 7 ^ fl >> 11) & 1); break;
    }
    return t != (cc & 1);
}

#endif
