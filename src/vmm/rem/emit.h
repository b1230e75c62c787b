/*
 * emit.h - host code, byte by byte: the few forms the recompiler inserts around the guest's own instructions.
 *
 * Nothing here touches flags but what has "_fl" in its name. Memory of ours is reached by 32-bit absolute addresses
 * (the vCPU and struct rem live below 2 GiB).
 */
#ifndef VMM_REM_EMIT_H
#define VMM_REM_EMIT_H

#include <string.h>

#include "x86/encode.h"

struct emit {
    uint8_t *p, *start, *end; /* writing stops short of end: full is set, the bytes are lost */
    bool full;
};

static inline void e_bytes(struct emit *e, const void *bytes, size_t n)
{
    if ((size_t)(e->end - e->p) < n) {
        e->full = true;
        return;
    }
    memcpy(e->p, bytes, n);
    e->p += n;
}
static inline void e8(struct emit *e, unsigned b)
{
    uint8_t byte = (uint8_t)b;

    e_bytes(e, &byte, 1);
}
static inline void e32(struct emit *e, uint32_t v)
{
    e_bytes(e, &v, 4);
}
static inline void e64(struct emit *e, uint64_t v)
{
    e_bytes(e, &v, 8);
}
/** The first @n of 16 bytes. */
static inline void e_code(struct emit *e, const uint8_t code[16], size_t n)
{
    if ((size_t)(e->end - e->p) < 16) {
        e_bytes(e, code, n);
        return;
    }
    memcpy(e->p, code, 16); /* of any length costs a call */
    e->p += n;
}
#define E_BYTES(e, ...) e_bytes(e, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/** A one-byte-opcode instruction (or 0f xx with 0x0f00 | xx) on @reg and memory. @w: REX.W. */
static inline void e_mem(struct emit *e, bool w, unsigned opcode, unsigned reg, const struct x86_place *m)
{
    uint8_t code[16] __attribute__((uninitialized)), *q = code;
    bool index = m->index != X86_REG_NONE && m->index >= 8, base = m->base != X86_REG_NONE && m->base >= 8;
    unsigned rex = (w ? 8u : 0u) | (reg >= 8 ? 4u : 0u) | (index ? 2u : 0u) | (base ? 1u : 0u);

    if (rex)
        *q++ = (uint8_t)(0x40 | rex);
    if (opcode > 0xff)
        *q++ = 0x0f;
    *q++ = (uint8_t)opcode;
    q = x86_put_memory(q, reg, m);
    e_code(e, code, (size_t)(q - code));
}
static inline struct x86_place e_at(unsigned base, int32_t disp)
{
    return (struct x86_place){.base = (uint8_t)base, .index = X86_REG_NONE, .scale = 1, .disp = disp};
}
static inline struct x86_place e_at_index(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (struct x86_place){.base = (uint8_t)base, .index = (uint8_t)index, .scale = (uint8_t)scale, .disp = disp};
}
/** Memory of ours. */
static inline struct x86_place e_abs(const void *p)
{
    return (struct x86_place){
        .base = X86_REG_NONE, .index = X86_REG_NONE, .scale = 1, .disp = (int32_t)(uint32_t)(uintptr_t)p};
}
static inline void e_load(struct emit *e, unsigned reg, const void *p) /* 64 bits */
{
    struct x86_place m = e_abs(p);

    e_mem(e, true, 0x8b, reg, &m);
}
static inline void e_load32(struct emit *e, unsigned reg, const void *p)
{
    struct x86_place m = e_abs(p);

    e_mem(e, false, 0x8b, reg, &m);
}
static inline void e_store(struct emit *e, const void *p, unsigned reg)
{
    struct x86_place m = e_abs(p);

    e_mem(e, true, 0x89, reg, &m);
}
static inline void e_store_imm32(struct emit *e, const void *p, uint32_t v) /* mov dword [p], v */
{
    struct x86_place m = e_abs(p);

    e_mem(e, false, 0xc7, 0, &m);
    e32(e, v);
}
static inline void e_mov(struct emit *e, bool w, unsigned to, unsigned from)
{
    E_BYTES(e, (uint8_t)(0x40u | (w ? 8u : 0u) | (from >= 8 ? 4u : 0u) | (to >= 8 ? 1u : 0u)), 0x89,
            (uint8_t)(0xc0u | (from & 7u) << 3 | (to & 7u)));
}
static inline void e_lea(struct emit *e, bool w, unsigned to, const struct x86_place *m)
{
    e_mem(e, w, 0x8d, to, m);
}
static inline void e_mov_imm(struct emit *e, unsigned to, uint64_t v)
{
    if (v == (uint64_t)(int64_t)(int32_t)v && v >> 31 != 0) {
        E_BYTES(e, (uint8_t)(0x48u | (to >= 8 ? 1u : 0u)), 0xc7, (uint8_t)(0xc0u | (to & 7u)));
        e32(e, (uint32_t)v);
    } else if (v <= UINT32_MAX) {
        if (to >= 8)
            e8(e, 0x41);
        e8(e, 0xb8u | (to & 7u));
        e32(e, (uint32_t)v);
    } else {
        E_BYTES(e, (uint8_t)(0x48u | (to >= 8 ? 1u : 0u)), (uint8_t)(0xb8u | (to & 7u)));
        e64(e, v);
    }
}
/** pext or pdep to, from, [mask]: BMI2, no flags. */
static inline void e_bits_at(struct emit *e, bool deposit, unsigned to, unsigned from, const struct x86_place *mask)
{
    uint8_t code[16] __attribute__((uninitialized)), *q = code;

    *q++ = 0xc4;
    *q++ =
        (uint8_t)((to >= 8 ? 0u : 0x80u) | 0x40u | (mask->base != X86_REG_NONE && mask->base >= 8 ? 0u : 0x20u) | 2u);
    *q++ = (uint8_t)(0x80u | (~from & 15u) << 3 | (deposit ? 3u : 2u));
    *q++ = 0xf5;
    q = x86_put_memory(q, to, mask);
    e_code(e, code, (size_t)(q - code));
}
static inline void e_pext_at(struct emit *e, unsigned to, unsigned from, const struct x86_place *mask)
{
    e_bits_at(e, false, to, from, mask);
}
static inline void e_bits(struct emit *e, bool deposit, unsigned to, unsigned from, const void *mask)
{
    struct x86_place m = e_abs(mask);

    e_bits_at(e, deposit, to, from, &m);
}
/** cmp byte [p], imm8: flags! */
static inline void e_cmp8_fl(struct emit *e, const void *p, unsigned imm)
{
    struct x86_place m = e_abs(p);

    e_mem(e, false, 0x80, 7, &m);
    e8(e, imm);
}
/**
 * Jumps of @bytes (with a compare the processor fuses with them) that cross or end at a multiple of 32 bytes are slow
 * on Intel's processors before Ice Lake (erratum SKX102): this one will not.
 */
static inline void e_align_jump(struct emit *e, unsigned bytes)
{
    static const uint8_t nops[9][9] = {{0},
                                       {0x90},
                                       {0x66, 0x90},
                                       {0x0f, 0x1f, 0x00},
                                       {0x0f, 0x1f, 0x40, 0x00},
                                       {0x0f, 0x1f, 0x44, 0x00, 0x00},
                                       {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
                                       {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
                                       {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}};
    unsigned left = 32u - ((uintptr_t)e->p & 31u);

    if (bytes < left || bytes >= 32)
        return;
    for (; left > 8; left -= 8)
        e_bytes(e, nops[8], 8);
    e_bytes(e, nops[left], left);
}
/* ---- jumps: the place to patch is returned, e_here() aims it at the present end ---- */
static inline uint8_t *e_jmp(struct emit *e)
{
    e_align_jump(e, 5);
    e8(e, 0xe9);
    e32(e, 0);
    return e->p;
}
static inline uint8_t *e_call(struct emit *e)
{
    e_align_jump(e, 5);
    e8(e, 0xe8);
    e32(e, 0);
    return e->p;
}
static inline uint8_t *e_jcc(struct emit *e, unsigned cond)
{
    e_align_jump(e, 6);
    E_BYTES(e, 0x0f, (uint8_t)(0x80u | cond));
    e32(e, 0);
    return e->p;
}
static inline uint8_t *e_jrcxz(struct emit *e) /* 8-bit distance */
{
    e_align_jump(e, 2);
    E_BYTES(e, 0xe3, 0);
    return e->p;
}
/** @from: end of a jump with a 32-bit distance. */
static inline void e_aim(uint8_t *from, const uint8_t *to)
{
    int32_t distance = (int32_t)(to - from);

    memcpy(from - 4, &distance, 4);
}
static inline void e_here(struct emit *e, uint8_t *from)
{
    if (!e->full)
        e_aim(from, e->p);
}
static inline void e_here8(struct emit *e, uint8_t *from)
{
    if (e->p - from > 127)
        e->full = true; /* out of reach: what was made is not used */
    else if (!e->full)
        from[-1] = (uint8_t)(e->p - from);
}
static inline void e_jmp_to(struct emit *e, const uint8_t *to)
{
    uint8_t *from = e_jmp(e);

    if (!e->full)
        e_aim(from, to);
}
enum { E_CC_E = 4, E_CC_NE = 5 };

#endif
