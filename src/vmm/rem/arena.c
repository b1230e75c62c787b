/*
 * arena.c - room for translations, in arenas that are used in turn: when all are full the oldest one's blocks are
 * forgotten and its room is used again, while the others go on.
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
    r->site = rem_sparse((size_t)arenas * REM_ARENA_SITES * sizeof *r->site, false);
    r->link = rem_sparse((size_t)arenas * REM_ARENA_LINKS * sizeof *r->link, false);
    r->bytes = rem_sparse((size_t)arenas * REM_ARENA_GUEST, false);
    r->ops = rem_sparse(REM_OPS * sizeof *r->ops, false);
    if (r->block == NULL || r->site == NULL || r->link == NULL || r->bytes == NULL || r->ops == NULL) {
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY, "CPU %u: no memory for the recompiler's tables", r->c->id);
        return false;
    }
    return codemem_init_low(&r->code, (size_t)arenas * REM_ARENA_BYTES, error);
}

void rem_arenas_fini(struct rem *r)
{
    codemem_fini(&r->code);
    rem_unsparse(r->block, (size_t)r->arenas * REM_ARENA_BLOCKS * sizeof *r->block);
    rem_unsparse(r->site, (size_t)r->arenas * REM_ARENA_SITES * sizeof *r->site);
    rem_unsparse(r->link, (size_t)r->arenas * REM_ARENA_LINKS * sizeof *r->link);
    rem_unsparse(r->bytes, (size_t)r->arenas * REM_ARENA_GUEST);
    rem_unsparse(r->ops, REM_OPS * sizeof *r->ops);
}

static void open_arena(struct rem *r, uint32_t arena)
{
    const struct rem_fill from = start_of(r, arena);

    r->arena = arena;
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
    for (uint32_t n = 0; n < r->arenas; n++)
        r->filled[n] = start_of(r, n);
    for (uint32_t n = 0; n < REM_OPS; n++)
        r->ops[n].site = r->ops[n].constant_site = 0;
    open_arena(r, 0);
}

/* ---- forgetting one ---- */

static void forget_blocks(struct rem *r, uint32_t first, uint32_t end)
{
    for (uint32_t n = first; n < end; n++) {
        struct rem_block *b = &r->block[n];
        if (!b->rest && !b->stale) {
            rem_invalidate(r, b);
            r->stats.evicted++;
        }
        b->stale = true;
        b->page->stale = true;
    }
    for (uint32_t n = first; n < end; n++)
        if (r->block[n].page->stale)
            rem_drop_stale(r->block[n].page);
}

/* Takes the arena's links out of the list of a block of another one. */
static void strip(struct rem *r, struct rem_block *to, uint32_t first, uint32_t end)
{
    uint32_t *at = &to->links;

    while (*at != REM_NO_LINK) {
        struct rem_link *link = &r->link[*at];
        if (*at >= first && *at < end) {
            *at = link->next;
            link->to = 0;
        } else {
            at = &link->next;
        }
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
    forget_ops(r, from.sites, to.sites);
    rem_pairs_forget(r);
    r->stats.evictions++;
}

void rem_arena_room(struct rem *r)
{
    uint32_t next = (r->arena + 1) % r->limit;

    if (r->used + REM_BLOCK_ROOM <= r->end.used && r->blocks + 2 <= r->end.blocks &&
        r->sites + 8 * CSAM_RUN_MAX <= r->end.sites && r->links + 4 * CSAM_RUN_MAX <= r->end.links &&
        r->bytes_used + CSAM_PAGE_BYTES <= r->end.bytes)
        return;
    forget(r, next);
    open_arena(r, next);
}
