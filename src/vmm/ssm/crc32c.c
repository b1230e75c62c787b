/*
 * crc32c.c - CRC with Castagnoli's polynomial.
 *
 * Source: RFC 3720 appendix B.4 (test vectors); SDM vol. 2, CRC32 instruction (the same polynomial, reflected
 * 82F63B78h).
 */
#include <string.h>

#include "vmm/ssm/file.h"

/* By nibbles: entry i is the remainder of i, reflected polynomial 82F63B78h. */
#define POLYNOMIAL   0x82f63b78u
#define STRIPE_BYTES 8192u
#define STRIPE_SHIFT 0x28461564u /* x^(8 * STRIPE_BYTES) modulo the polynomial */

static uint32_t soft(uint32_t crc, const uint8_t *p, size_t bytes)
{
    static const uint32_t nibble[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

    for (; bytes; bytes--, p++) {
        crc = nibble[(crc ^ *p) & 15] ^ crc >> 4;
        crc = nibble[(crc ^ (uint32_t)*p >> 4) & 15] ^ crc >> 4;
    }
    return crc;
}

__attribute__((target("sse4.2"))) static uint32_t hard(uint32_t crc, const uint8_t *p, size_t bytes)
{
    uint64_t wide = crc;

    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        wide = __builtin_ia32_crc32di(wide, v);
    }
    for (; bytes; bytes--, p++)
        wide = __builtin_ia32_crc32qi((uint32_t)wide, *p);
    return (uint32_t)wide;
}

/* a * b modulo Castagnoli's polynomial; bit 31 is x^0, as in the CRC itself. */
static uint32_t times(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ POLYNOMIAL : b >> 1;
    }
    return product;
}

/*
 * The instruction's result comes three cycles after it began, but one can begin in every cycle: three stripes at once.
 * What stands in front of a stripe counts as much more as the stripe is long.
 */
__attribute__((target("sse4.2"))) static uint32_t three(uint32_t crc, const uint8_t *p)
{
    uint64_t a = crc, b = 0, c = 0;

    for (size_t i = 0; i < STRIPE_BYTES; i += 8) {
        uint64_t v[3];

        memcpy(&v[0], p + i, 8);
        memcpy(&v[1], p + STRIPE_BYTES + i, 8);
        memcpy(&v[2], p + 2 * STRIPE_BYTES + i, 8);
        a = __builtin_ia32_crc32di(a, v[0]);
        b = __builtin_ia32_crc32di(b, v[1]);
        c = __builtin_ia32_crc32di(c, v[2]);
    }
    return times(times((uint32_t)a, STRIPE_SHIFT) ^ (uint32_t)b, STRIPE_SHIFT) ^ (uint32_t)c;
}

static uint32_t wide(uint32_t crc, const uint8_t *p, size_t bytes)
{
    for (; bytes >= 3 * STRIPE_BYTES; bytes -= 3 * STRIPE_BYTES, p += 3 * STRIPE_BYTES)
        crc = three(crc, p);
    return hard(crc, p, bytes);
}

uint32_t ssm_crc32c(uint32_t crc, const void *p, size_t bytes)
{
    return ~(__builtin_cpu_supports("sse4.2") ? wide(~crc, p, bytes) : soft(~crc, p, bytes));
}
