/*
 * arena.c - room for translations, in arenas that are used in turn: when all are full the oldest one's blocks are
 * forgotten and its room is used again, while the others go on.
 *
 * Much code is run for a moment and never again, so a few arenas take their turns at first. There is one more of them
 * when of an arena that has been filled too many blocks had been forgotten before (gone_*).
 *
 * An arena is a piece of the code and a piece of every table about it (blocks, sites, links, guest bytes): what stands
 * in it has numbers of that piece, and tables stay in order of host code inside it, for searching.
 *
 * Nothing of an arena may be left anywhere when it is forgotten: in the pages (lists of blocks, entries), in links of
 * other arenas to its blocks, in lists of links other blocks keep, among the decoded instructions, on the stack of
 * calls. X entries lead to pages and stay.
 */
#include "vmm/rem/rem_int.h"

#include <sys/mman.h>

#include "rt/status.h"

#define ARENAS_FIRST 8u
#define AGAIN_SHARE  4u /* one block in so many had been forgotten: there is too little room */
#define GONE_BITS    19u
#define GONE_BYTES   ((1u << GONE_BITS) / 8)

static struct rem_fill start_of(const struct rem *r, uint32_t arena)
{
    return (struct rem_fill){
        .used = arena == 0 ? r->code_first : arena * REM_ARENA_BYTES,
        .blocks = rem_arena_first_block(arena),
        .sites = arena * REM_ARENA_SITES,
        .links = arena == 0 ? REM_NO_LINK + 1 : arena * REM_ARENA_LINKS,
        .bytes = arena * REM_ARENA_GUEST,
    };
}

bool rem_arenas_init(struct rem *r, uint32_t arenas, GError **error)
{
    r->arenas = r->limit = arenas;
    r->block = rem_sparse((size_t)arenas * REM_ARENA_BLOCKS * sizeof *r->block, false);
    r->site = rem_sparse((size_t)arenas * REM_ARENA_SITES, false);
    r->link = rem_sparse((size_t)arenas * REM_ARENA_LINKS * sizeof *r->link, false);
    r->bytes = rem_sparse((size_t)arenas * REM_ARENA_GUEST, false);
    r->ops = rem_sparse(REM_OPS * sizeof *r->ops, false);
    r->gone = rem_sparse(GONE_BYTES, false);
    if (r->gone == NULL || r->block == NULL || r->site == NULL || r->link == NULL || r->bytes == NULL ||
        r->ops == NULL) {
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY, "CPU %u: no memory for the recompiler's tables", r->c->id);
        return false;
    }
    return codemem_init_low(&r->code, (size_t)arenas * REM_ARENA_BYTES, error);
}

void rem_arenas_fini(struct rem *r)
{
    codemem_fini(&r->code);
    rem_unsparse(r->block, (size_t)r->arenas * REM_ARENA_BLOCKS * sizeof *r->block);
    rem_unsparse(r->site, (size_t)r->arenas * REM_ARENA_SITES);
    rem_unsparse(r->link, (size_t)r->arenas * REM_ARENA_LINKS * sizeof *r->link);
    rem_unsparse(r->bytes, (size_t)r->arenas * REM_ARENA_GUEST);
    rem_unsparse(r->ops, REM_OPS * sizeof *r->ops);
    rem_unsparse(r->gone, GONE_BYTES);
}

static void open_arena(struct rem *r, uint32_t arena)
{
    const struct rem_fill from = start_of(r, arena);

    r->arena = arena;
    r->turn[arena] = ++r->turns;
    r->again = 0;
    r->used = from.used;
    r->blocks = from.blocks;
    r->sites = from.sites;
    r->links = from.links;
    r->bytes_used = from.bytes;
    r->end = (struct rem_fill){
        .used = (arena + 1) * REM_ARENA_BYTES,
        .blocks = (arena + 1) * REM_ARENA_BLOCKS,
        .sites = (arena + 1) * REM_ARENA_SITES,
        .links = (arena + 1) * REM_ARENA_LINKS,
        .bytes = (arena + 1) * REM_ARENA_GUEST,
    };
    rem_arena_note(r);
}

void rem_arena_note(struct rem *r)
{
    r->filled[r->arena] = (struct rem_fill){
        .used = r->used, .blocks = r->blocks, .sites = r->sites, .links = r->links, .bytes = r->bytes_used};
}

void rem_arenas_reset(struct rem *r)
{
    for (uint32_t n = 0; n < r->arenas; n++) {
        r->filled[n] = start_of(r, n);
        r->turn[n] = 0;
    }
    memset(r->gone, 0, GONE_BYTES);
    r->gone_count = 0;
    r->taking_turns = MIN(ARENAS_FIRST, r->limit);
    for (uint32_t n = 0; n < REM_OPS; n++)
        r->ops[n].site = r->ops[n].constant_site = 0;
    open_arena(r, 0);
}

/* ---- blocks that had to give way: a bit map of where they began ---- */

static uint64_t *gone_word(const struct rem *r, const struct rem_block *b, uint64_t *ret_mask)
{
    const struct rem_page *page = rem_page_of(r, b);
    uint64_t bit = (page->gpa + b->off + (page->key << 48)) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - GONE_BITS);

    *ret_mask = UINT64_C(1) << bit % 64;
    return &r->gone[bit / 64];
}

static void note_gone(struct rem *r, const struct rem_block *b)
{
    uint64_t mask, *word = gone_word(r, b, &mask);

    if ((*word & mask) == 0 && ++r->gone_count > (1u << GONE_BITS) / 4) {
        memset(r->gone, 0, GONE_BYTES);
        r->gone_count = 1;
    }
    *word |= mask;
}

void rem_arena_kept(struct rem *r, const struct rem_block *b)
{
    uint64_t mask, *word = gone_word(r, b, &mask);

    if ((*word & mask) == 0)
        return;
    *word &= ~mask;
    r->gone_count--;
    r->again++;
    r->stats.again++;
}

/* ---- forgetting one ---- */

static void forget_blocks(struct rem *r, uint32_t first, uint32_t end)
{
    for (uint32_t n = first; n < end; n++) {
        struct rem_block *b = &r->block[n];
        if (!b->rest && !b->stale) {
            note_gone(r, b);
            rem_invalidate(r, b);
            r->stats.evicted++;
        }
        b->stale = true;
        rem_page_of(r, b)->stale = true;
    }
    for (uint32_t n = first; n < end; n++)
        if (rem_page_of(r, &r->block[n])->stale)
            rem_drop_stale(r, rem_page_of(r, &r->block[n]));
}

/* Takes the arena's links out of the list of a block of another one. */
static void strip(struct rem *r, struct rem_block *to, uint32_t first, uint32_t end)
{
    struct rem_link *before = NULL;

    for (uint32_t n = to->links, next; n != REM_NO_LINK; n = next) {
        next = r->link[n].next;
        if (n < first || n >= end) {
            before = &r->link[n];
            continue;
        }
        r->link[n].to = 0;
        if (before != NULL)
            before->next = next & REM_LINK_MASK;
        else
            to->links = next;
    }
}

static void forget_ops(struct rem *r, uint32_t first, uint32_t end)
{
    for (uint32_t n = 0; n < REM_OPS; n++) {
        struct rem_op *o = &r->ops[n];
        if (o->site > first && o->site <= end)
            o->site = 0;
        if (o->constant_site > first && o->constant_site <= end)
            o->constant_site = 0;
    }
}

static void forget(struct rem *r, uint32_t arena)
{
    const struct rem_fill from = start_of(r, arena), to = r->filled[arena];

    if (from.blocks == to.blocks)
        return;
    forget_blocks(r, from.blocks, to.blocks);
    for (uint32_t n = from.links; n < to.links; n++)
        if (r->link[n].to != 0)
            strip(r, &r->block[r->link[n].to - 1], from.links, to.links);
    forget_ops(r, from.blocks << REM_SITES_BITS, to.blocks << REM_SITES_BITS);
    rem_pairs_forget(r);
    r->stats.evictions++;
}

/* Whose turn it is: the oldest one's, unless all are needed. */
static uint32_t next_arena(struct rem *r)
{
    uint32_t oldest = 0, blocks = r->blocks - rem_arena_first_block(r->arena);

    for (uint32_t n = 1; n < r->taking_turns; n++)
        if (r->turn[n] < r->turn[oldest])
            oldest = n;
    if (r->turn[oldest] != 0 && r->taking_turns < r->limit && r->again > blocks / AGAIN_SHARE)
        return r->taking_turns++;
    return oldest;
}

void rem_arena_room(struct rem *r)
{
    uint32_t next;

    if (r->used + REM_BLOCK_ROOM <= r->end.used && r->blocks + 2 <= r->end.blocks &&
        r->sites + REM_SITES_ROOM <= r->end.sites && r->links + 4 * CSAM_RUN_MAX <= r->end.links &&
        r->bytes_used + CSAM_PAGE_BYTES <= r->end.bytes)
        return;
    next = next_arena(r);
    forget(r, next);
    open_arena(r, next);
}
