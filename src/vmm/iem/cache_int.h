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
    uint32_t heat;       /* executions until the other engine is asked */
    const uint8_t *code; /* the bytes it was made from */
    struct iem_block *next;
    struct iem_op ops[] __attribute__((aligned(64))); /* and one more, up to its .i: what follows the last one */
};

bool iem_cache_new(struct vcpu *c, GError **error);
void iem_cache_free(struct vcpu *c);
/** Forgets every block. */
void iem_cache_clear(struct vcpu *c);
/** Linear address of the next instruction. */
static inline uint64_t iem_code_gla(const struct vcpu *c)
{
    return c->mode.code64 ? c->ctx.rip : (uint32_t)(c->ctx.seg[X86_CS].base + c->ctx.rip);
}
static inline bool iem_canonical(uint64_t gla)
{
    return (uint64_t)((int64_t)(gla << 16) >> 16) == gla;
}

/* ---- the lookup before every block ---- */

#define IEM_JUMPS (1u << 13)
static inline struct iem_jump *iem_jump_slot(struct vcpu *c, uint64_t gla)
{
    return &c->iem->jump[(gla ^ gla >> 13) & (IEM_JUMPS - 1)];
}
static inline bool iem_block_is_current(const struct iem_block *b)
{
    return atomic_load_explicit(b->gen, memory_order_acquire) == b->generation &&
           (!b->gen2 || atomic_load_explicit(b->gen2, memory_order_acquire) == b->generation2);
}
/** The TLB's word that this page may be executed now and still is the block's page. */
static inline bool iem_block_is_mapped(const struct vcpu *c, uint64_t gla, const struct iem_block *b)
{
    const uint64_t in_page = PGM_PAGE_BYTES - 1;
    const struct pgm_tlb_entry *e = &c->mmu.tlb[c->mode.idx][(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];

    return e->tag[PGM_EXEC] == ((gla & ~in_page) | c->mmu.gen) && ((e->gpa ^ b->gpa) & ~in_page) == 0;
}
/** The current block at CS:RIP; raises what fetching its first instruction raises. */
struct iem_block *iem_block_find(struct vcpu *c, uint64_t gla);
static inline struct iem_block *iem_block_get(struct vcpu *c)
{
    uint64_t gla = iem_code_gla(c);
    const struct iem_jump *j = iem_jump_slot(c, gla);
    struct iem_block *b = j->block;

    if (__builtin_expect(
            j->gla == gla && b->key == c->mode.key && iem_block_is_mapped(c, gla, b) && iem_block_is_current(b), 1))
        return b;
    return iem_block_find(c, gla);
}

#endif
