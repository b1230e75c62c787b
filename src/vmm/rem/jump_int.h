/*
 * jump_int.h - what jump.c and call.c share.
 */
#ifndef VMM_REM_JUMP_INT_H
#define VMM_REM_JUMP_INT_H

#include "vmm/rem/segment.h"

static inline bool rem_in_page(int64_t off)
{
    return off >= 0 && off < CSAM_PAGE_BYTES;
}

/* In the page, but not in CS. */
static inline bool rem_is_out(const struct rem_tr *t, int64_t off)
{
    return rem_in_page(off) && (off < t->first || off > t->last);
}

static inline int64_t rem_target_of(const struct rem_tr *t, const struct x86_insn *i)
{
    return (int64_t)t->n->off + i->len + (int64_t)i->imm[0];
}

/** S = X entry of the page of T0. */
void rem_load_x(struct rem_tr *t);
/** T0 = RIP @off behind the running page's first byte, as a jump would have it. */
void rem_rip_into_t0(struct rem_tr *t, int64_t off);
/** T0 += what lies between RIP and linear address, or less that, and @more. S is lost. */
void rem_add_base(struct rem_tr *t, const uint64_t *base, int32_t more);
/** A link of the block; @poll: of a jump that could be part of a loop without another question. */
uint32_t rem_new_link(struct rem_tr *t, bool poll);
/** The link's jump ends at @end, the place it expects at @imm, 0: none. */
void rem_link_at(struct rem_tr *t, uint32_t link, const uint8_t *end, uint32_t imm);
/** Aims the jump or call that ends at @from at @off in the page. */
void rem_aim_within(struct rem_tr *t, uint8_t *from, unsigned off, bool poll);
/** False, and the translation fails: a constant cannot hold it. */
bool rem_within_reach(struct rem_tr *t, int64_t target);

#endif
