/*
 * values.c - see values.h. Encodings: SDM vol. 1 4.2 and 4.8; layout: 13.4.
 */
#include "values.h"

#include <string.h>

#define FPU_BYTES   832u
#define FX_ST       32u
#define FX_XMM      160u
#define XSTATE_BV   512u
#define YMM         576u
#define FSW_ES      0x80u
#define FSW_B       0x8000u
#define FSW_FLAGS   0x3fu
#define MXCSR_MASKS 0x1f80u
#define FOP_MASK    0x7ffu
#define CANONICAL   0x7fffffffffffull
#define COUNT(a)    (sizeof(a) / sizeof(a)[0])

uint64_t value_int(struct rng *r)
{
    static const uint64_t corners[] = {0,
                                       1,
                                       2,
                                       0x7f,
                                       0x80,
                                       0xff,
                                       0x7fff,
                                       0x8000,
                                       0xffff,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       0xffffffffffffffff,
                                       0xfffffffffffffffe};
    uint64_t v = rng_next(r);

    switch (rng_next(r) >> 61) {
    case 0:
    case 1: return corners[v >> 60];
    case 2: return v & 0xff;
    case 3: return (uint64_t)(int64_t)(int8_t)v;
    case 4: return v & 0xffffffff;
    default: return v;
    }
}

/* Zero, least and greatest denormal, least normal, 1, 2^23 and 2^31 at the edges of integers, greatest, infinity, quiet
 * and signalling NaN. */
static uint32_t value_float(struct rng *r)
{
    static const uint32_t specials[] = {0,          1,          0x007fffff, 0x00800000, 0x3f800000, 0x4b000000,
                                        0x4f000000, 0x5f000000, 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7f800001};
    uint32_t v = (uint32_t)(rng_next(r) >> 16), sign = v & 0x80000000u;

    switch (rng_below(r, 4)) {
    case 0: return specials[rng_below(r, COUNT(specials))] | sign;
    case 1: return v;
    default: return sign | (v & 0x007fffffu) | (100 + (v >> 23 & 63)) << 23; /* near 1: sums and products stay finite */
    }
}

static uint64_t value_double(struct rng *r)
{
    static const uint64_t specials[] = {0,
                                        1,
                                        0x000fffffffffffff,
                                        0x0010000000000000,
                                        0x3ff0000000000000,
                                        0x41e0000000000000,
                                        0x43e0000000000000,
                                        0x36a0000000000000,
                                        0x47f0000000000000,
                                        0x7fefffffffffffff,
                                        0x7ff0000000000000,
                                        0x7ff8000000000000,
                                        0x7ff0000000000001};
    uint64_t v = rng_next(r), sign = v & 1ull << 63;

    switch (rng_below(r, 4)) {
    case 0: return specials[rng_below(r, COUNT(specials))] | sign;
    case 1: return v;
    default: return sign | (v & 0x000fffffffffffffull) | (1000 + (v >> 52 & 63)) << 52;
    }
}

static void fill(struct rng *r, uint8_t *out, unsigned kind)
{
    for (unsigned n = 0; n < 16; n += 8) {
        uint64_t v = value_int(r);

        if (kind == 0)
            v = value_float(r) | (uint64_t)value_float(r) << 32;
        else if (kind == 1)
            v = value_double(r);
        else if (kind == 2)
            v = rng_next(r) & rng_next(r) & 0x8181818181818181ull; /* masks, small bytes */
        memcpy(out + n, &v, 8);
    }
}

void value_vector(struct rng *r, uint8_t *out, size_t bytes)
{
    unsigned kind = rng_below(r, 5);

    for (size_t n = 0; n + 16 <= bytes; n += 16) {
        if (n && rng_one_in(r, 8))
            memcpy(out + n, out + n - 16, 16); /* equal operands */
        else
            fill(r, out + n, kind);
    }
}

void value_x87(struct rng *r, uint8_t *out)
{
    static const uint16_t exponents[] = {0, 1, 0x3fff, 0x3ffe, 0x4000, 0x401e, 0x403e, 0x7ffe, 0x7fff, 0x3c01, 0x43fe};
    static const uint64_t mantissas[] = {0,          1,          1ull << 63, 3ull << 62,    1ull << 62,
                                         ~0ull >> 1, ~0ull << 1, ~0ull,      1ull << 63 | 1};
    uint64_t v = rng_next(r), mantissa = v | 1ull << 63;
    uint16_t exponent = (uint16_t)(0x3fff - 40 + rng_below(r, 80));

    if (rng_one_in(r, 3))
        exponent = exponents[rng_below(r, COUNT(exponents))];
    if (rng_one_in(r, 3))
        mantissa = mantissas[rng_below(r, COUNT(mantissas))];
    if (rng_one_in(r, 16)) {
        mantissa = rng_next(r);
        exponent = (uint16_t)v;
    }
    exponent = (uint16_t)((exponent & 0x7fff) | (v >> 13 & 0x8000));
    memcpy(out, &mantissa, 8);
    memcpy(out + 8, &exponent, 2);
}

/* Control, status and tag words; if @loose, with reserved bits and an ES and B that agree with no exception. */
static void fill_control(struct rng *r, uint8_t *out, bool loose)
{
    uint16_t fcw = 0x037f, fsw = (uint16_t)rng_next(r) & 0x7f40;
    uint8_t tags = (uint8_t)rng_next(r);
    uint16_t fop = (uint16_t)(rng_next(r) & FOP_MASK);
    uint64_t pointers[2] = {rng_next(r) & CANONICAL, rng_next(r) & CANONICAL};

    if (rng_one_in(r, 2))
        fcw = (uint16_t)((rng_next(r) & 0x0f3f) | 0x40);
    if (rng_one_in(r, 4))
        fsw |= (uint16_t)(rng_next(r) & FSW_FLAGS);
    if (fsw & ~fcw & FSW_FLAGS)
        fsw |= FSW_ES | FSW_B;
    if (loose && rng_one_in(r, 4)) {
        fsw ^= FSW_ES | (uint16_t)(rng_next(r) & FSW_B);
        fcw ^= (uint16_t)(rng_next(r) & 0xe0c0); /* reserved */
    }
    if (rng_one_in(r, 2))
        tags = 0xff;
    memcpy(out, &fcw, 2);
    memcpy(out + 2, &fsw, 2);
    out[4] = tags;
    memcpy(out + 6, &fop, 2);
    memcpy(out + 8, pointers, 16);
}

static uint32_t value_mxcsr(struct rng *r)
{
    uint32_t v = (uint32_t)rng_next(r) & 0xffffu;

    return rng_one_in(r, 3) ? v : v | MXCSR_MASKS;
}

void value_fpu(struct rng *r, uint8_t *out, bool loose)
{
    uint32_t mxcsr = value_mxcsr(r);
    const uint64_t all = 7;

    memset(out, 0, FPU_BYTES);
    fill_control(r, out, loose);
    memcpy(out + 24, &mxcsr, 4);
    for (unsigned n = 0; n < 8; n++)
        value_x87(r, out + FX_ST + 16 * n);
    value_vector(r, out + FX_XMM, 256);
    memcpy(out + XSTATE_BV, &all, 8);
    value_vector(r, out + YMM, 256);
}
