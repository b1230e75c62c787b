/*
 * decode_int.h - what the parts of the decoder share: one instruction in the making.
 *
 * Each part stops at the first byte it cannot have; d->status then says why (0 while all is well) and later reads give
 * 0.
 */
#ifndef X86_DECODE_INT_H
#define X86_DECODE_INT_H

#include <string.h>

#include "x86/tables_int.h"

struct x86_dec {
    struct x86_insn *insn; /* the caller's */
    const uint8_t *bytes;
    size_t size;          /* readable at bytes */
    size_t limit;         /* ... and allowed */
    int status;           /* 0, or the negative result; DEC_SHORT = bytes ran out */
    const uint8_t *sizes; /* decode_operand.c */
    uint8_t pos;          /* bytes consumed */
    bool prefix66;        /* operand-size prefix seen and not (yet) taken as mandatory */
    bool prefix67;
    uint8_t vex_raw;  /* c4 or c5: a VEX prefix was read */
    uint8_t vex_l;    /* VEX.L */
    uint8_t vvvv_raw; /* VEX.vvvv, not inverted: 15 = no register */
    bool vvvv_used;
    uint8_t mod;  /* of ModRM, valid if insn.has_modrm */
    uint8_t imms; /* immediates stored so far */
};

enum { DEC_SHORT = -100 };

/* The next byte(s); little-endian, zero-extended. */
static inline uint8_t x86_next(struct x86_dec *d)
{
    if (d->pos < d->limit)
        return d->bytes[d->pos++];
    if (d->status == 0)
        d->status = d->pos >= X86_MAX_LEN ? X86_TOO_LONG : DEC_SHORT;
    return 0;
}

/* @bytes: 1 to 8; the host is little-endian, too */
static inline uint64_t x86_next_le(struct x86_dec *d, unsigned bytes)
{
    uint64_t value = 0;

    if (d->pos + 8u <= d->size && d->pos + bytes <= X86_MAX_LEN) { /* the usual case, in one load */
        memcpy(&value, d->bytes + d->pos, 8);
        d->pos = (uint8_t)(d->pos + bytes);
        return value & (~0ull >> (64 - 8 * bytes));
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)x86_next(d) << (8 * i);
    return value;
}

static inline int64_t x86_sign_extend(uint64_t value, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (int64_t)(value << shift) >> shift;
}

static inline void x86_fail(struct x86_dec *d, int why)
{
    if (d->status == 0)
        d->status = why;
}

/** Prefixes, REX, VEX, escapes: up to and including the opcode byte (insn.map, .opcode, .rex, .vex, .rep, .lock ...).
 */
void x86_read_prefixes(struct x86_dec *d);

/** Reads ModRM once (insn.modrm, d->mod). */
void x86_read_modrm(struct x86_dec *d);

/** SIB and displacement of a memory form. @vsib: the index is a vector register. */
void x86_read_memory(struct x86_dec *d, bool vsib);

/** The operands, immediates included, by their letters; @access: X86_OPF_READ/WRITE, two bits each. */
void x86_read_operands(struct x86_dec *d, const uint8_t letters[4], unsigned access);

#endif
