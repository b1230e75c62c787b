/*
 * rng.h - random numbers that are the same in every run with the same seed (xorshift64*).
 */
#ifndef TEST_ISA_RNG_H
#define TEST_ISA_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state; /* never 0 */
};

static inline uint64_t rng_next(struct rng *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state * 0x2545f4914f6cdd1dull;
}

static inline unsigned rng_below(struct rng *r, unsigned n)
{
    return (unsigned)((rng_next(r) >> 33) % n);
}

static inline bool rng_one_in(struct rng *r, unsigned n)
{
    return rng_below(r, n) == 0;
}

#endif
