/*
 * cache_int.h - decoded code: blocks, and how the run loop gets the one at CS:RIP.
 */
#ifndef VMM_IEM_CACHE_INT_H
#define VMM_IEM_CACHE_INT_H

#include "vmm/iem/iem_int.h"

/** Straight code inside one page, or a single instruction that crosses into a second page. */
struct iem_block {
    uint64_t gpa;          /* of the first byte */
    uint64_t gpa2;         /* second page, if crossing */
    _Atomic uint32_t *gen; /* pgm's generation counters of the pages; NULL: not cached, good for one pass */
    _Atomic uint32_t *gen2;
    uint32_t generation, generation2; /* ... when this was decoded */
    uint32_t key;                     /* c->mode.key */
    uint16_t nops;
    uint16_t bytes;
    const uint8_t *code; /* the bytes it was made from */
    struct iem_block *next;
    struct iem_op ops[];
};

bool iem_cache_new(struct vcpu *c, GError **error);
void iem_cache_free(struct vcpu *c);
/** Forgets every block. */
void iem_cache_clear(struct vcpu *c);
/** The current block at CS:RIP; raises what fetching its first instruction raises. */
const struct iem_block *iem_block_get(struct vcpu *c);

/** Linear address of the next instruction. */
static inline uint64_t iem_code_gla(const struct vcpu *c)
{
    return c->mode.code64 ? c->ctx.rip : (uint32_t)(c->ctx.seg[X86_CS].base + c->ctx.rip);
}
static inline bool iem_canonical(uint64_t gla)
{
    return (uint64_t)((int64_t)(gla << 16) >> 16) == gla;
}

#endif
