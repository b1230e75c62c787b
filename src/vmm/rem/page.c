/*
 * page.c - guest pages with translated code: which block stands where, and what happens when the code changes.
 *
 * A change of watched bytes arrives in the inbox. Every block of the page is then compared with the memory it was made
 * from: if the bytes are the same it is watched again and lives on (data beside code, a store of the same value); else
 * the jumps that lead to it are aimed at their stubs again, and its entry becomes a jump out, for a block that loops to
 * itself.
 */
#include "vmm/rem/rem_int.h"

#include <sys/mman.h>

#define JUMP_BYTES    5u
#define PAGES_AT_ONCE 16u /* a sixteenth of all */

/* By address alone: whoever changes a page looks for all kinds of code in it. */
static unsigned hash(uint64_t gpa)
{
    return (unsigned)((gpa >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> (63 - REM_PAGES_BITS));
}

bool rem_pages_init(struct rem *r, unsigned pages)
{
    r->pages_max = pages;
    r->page_room = rem_sparse(pages * sizeof *r->page_room, false);
    r->block_hash = rem_sparse(REM_BLOCK_HASH * sizeof *r->block_hash, false);
    return r->page_room != NULL && r->block_hash != NULL && rem_targets_init(r);
}

void rem_pages_fini(struct rem *r)
{
    rem_unsparse(r->page_room, r->pages_max * sizeof *r->page_room);
    rem_unsparse(r->block_hash, REM_BLOCK_HASH * sizeof *r->block_hash);
    rem_targets_fini(r);
}

struct rem_page *rem_page_find(struct rem *r, uint64_t gpa, uint64_t key)
{
    struct rem_page *p = r->page_hash[hash(gpa)];

    while (p != NULL && (p->gpa != gpa || p->key != key))
        p = p->next;
    return p;
}

struct rem_page *rem_page_get(struct rem *r, uint64_t gpa, uint64_t key)
{
    struct rem_page *p = rem_page_find(r, gpa, key), **slot = &r->page_hash[hash(gpa)];

    if (p != NULL)
        return p;
    if (r->page_free != NULL) {
        p = r->page_free;
        r->page_free = p->next;
    } else if (r->pages < r->pages_max) {
        p = &r->page_room[r->pages];
        p->entry = rem_targets_of(r, r->pages++);
    } else {
        return NULL;
    }
    r->pages_used++;
    p->gpa = gpa;
    p->key = key;
    p->caught = r->patm->used != 0; /* perhaps */
    p->rip = 0;
    p->blocks = 0;
    memset(p->asked, 0, sizeof p->asked);
    p->stale = p->changes = false;
    p->used = p->grown = true;
    p->next = *slot;
    *slot = p;
    return p;
}

/* ---- blocks by page and offset ---- */

static uint32_t *block_slot(const struct rem *r, const struct rem_page *page, unsigned off)
{
    uint64_t key = (uint64_t)(page - r->page_room) * CSAM_PAGE_BYTES + off;

    return &r->block_hash[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - REM_BLOCK_HASH_BITS)];
}

struct rem_block *rem_block_at(struct rem *r, const struct rem_page *page, unsigned off)
{
    for (uint32_t n = *block_slot(r, page, off); n != 0; n = r->block[n - 1].hash_next)
        if (rem_page_of(r, &r->block[n - 1]) == page && r->block[n - 1].off == off)
            return &r->block[n - 1];
    return NULL;
}

void rem_block_keep(struct rem *r, struct rem_block *b)
{
    struct rem_page *page = rem_page_of(r, b);
    uint32_t *slot = block_slot(r, page, b->off);

    b->next = page->blocks;
    page->blocks = rem_number(r, b) + 1;
    page->grown = true;
    if (b->rest)
        return;
    b->hash_next = *slot;
    *slot = rem_number(r, b) + 1;
}

static void hide(struct rem *r, const struct rem_block *b)
{
    uint32_t *at = block_slot(r, rem_page_of(r, b), b->off), number = rem_number(r, b) + 1;

    while (*at != number)
        at = &r->block[*at - 1].hash_next;
    *at = b->hash_next;
    rem_target_hide(r, b);
}

static bool unchanged(struct rem *r, struct rem_block *b)
{
    uint8_t now[CSAM_RUN_BYTES] __attribute__((uninitialized));
    const uint64_t gpa = rem_page_of(r, b)->gpa + b->off;
    uint32_t generation;

    if (pgm_code_watch(r->c->mmu.pgm, gpa, b->length, &generation) == NULL)
        return false;
    pgm_phys_read(r->c->mmu.pgm, gpa, now, b->length);
    return memcmp(now, rem_bytes_of(r, b), b->length) == 0 || rem_patch_constants(r, b, now);
}

static void close_entry(struct rem *r, const struct rem_block *b, uint32_t host)
{
    uint8_t *entry = r->code.rw + host;

    entry[0] = 0xe9;
    e_aim(entry + JUMP_BYTES, r->code.rw + rem_leave_of(r, b));
}

void rem_drop_stale(struct rem *r, struct rem_page *p)
{
    uint32_t *link = &p->blocks;

    p->stale = false;
    while (*link != 0)
        if (r->block[*link - 1].stale)
            *link = r->block[*link - 1].next;
        else
            link = &r->block[*link - 1].next;
}

void rem_invalidate(struct rem *r, struct rem_block *b)
{
    b->stale = true;
    if (b->rest) {
        struct rem_block *whole = b + 1;
        if (!whole->stale) {
            rem_invalidate(r, whole);
            rem_drop_stale(r, rem_page_of(r, whole));
        }
        return;
    }
    hide(r, b);
    for (uint32_t n = b->links; n != REM_NO_LINK; n = r->link[n].next)
        rem_unlink(r, n);
    b->links = REM_NO_LINK;
    close_entry(r, b, rem_host_of(r, b));
    close_entry(r, b, rem_polled_of(r, b));
}

void rem_rewrite(struct rem *r)
{
    for (unsigned n = 0; n < r->rewrites; n++)
        if (!r->block[r->rewrite[n]].stale) {
            rem_invalidate(r, &r->block[r->rewrite[n]]);
            r->stats.rewritten++;
            rem_drop_stale(r, rem_page_of(r, &r->block[r->rewrite[n]]));
        }
    r->rewrites = 0;
    rem_serialize();
}

static void check_page(struct rem *r, struct rem_page *p)
{
    for (struct rem_block *b = rem_numbered(r, p->blocks); b != NULL; b = rem_numbered(r, b->next)) {
        if (b->stale)
            continue;
        if (unchanged(r, b)) {
            r->stats.revived++;
            continue;
        }
        rem_invalidate(r, b);
        p->changes = true;
        r->stats.invalidated++;
    }
    rem_drop_stale(r, p);
}

static void check_gpa(struct rem *r, uint64_t gpa)
{
    for (struct rem_page *p = r->page_hash[hash(gpa)]; p != NULL; p = p->next)
        if (p->gpa == gpa)
            check_page(r, p);
}

static void check_all(struct rem *r)
{
    for (uint32_t n = 0; n < r->pages; n++)
        if (r->page_room[n].used)
            check_page(r, &r->page_room[n]);
}

void rem_follow_changes(struct rem *r)
{
    bool lost;

    if (!atomic_load_explicit(&r->inbox_any, memory_order_acquire))
        return;
    atomic_store(&r->inbox_any, false);
    lost = atomic_exchange(&r->inbox_lost, false);
    for (unsigned n = 0; n < REM_INBOX; n++) {
        uint64_t gpa = atomic_load_explicit(&r->inbox[n], memory_order_relaxed);
        if (gpa == 0)
            continue;
        gpa = atomic_exchange(&r->inbox[n], 0);
        r->stats.changes++;
        if (!lost)
            check_gpa(r, gpa & ~UINT64_C(1));
    }
    if (lost)
        check_all(r);
    rem_serialize();
}

bool rem_follow_code(struct rem *r)
{
    if (r->lockstep != NULL || ff_get(&r->c->ff) != FF_CODE)
        return false;
    ff_clear(&r->c->ff, FF_CODE);
    rem_follow_changes(r);
    return true;
}

/* ---- pages whose room is wanted ---- */

/* All its entries lead nowhere afterwards. */
static void give_away(struct rem *r, struct rem_page *p)
{
    struct rem_page **at = &r->page_hash[hash(p->gpa)];

    for (struct rem_block *b = rem_numbered(r, p->blocks); b != NULL; b = rem_numbered(r, b->next))
        if (!b->stale)
            rem_invalidate(r, b);
    p->blocks = 0;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->used = false;
    p->next = r->page_free;
    r->page_free = p;
    r->pages_used--;
    r->stats.pages_evicted++;
}

/* One that has grown since the last time round is passed by once. */
static void next_page_away(struct rem *r)
{
    for (;;) {
        struct rem_page *p = &r->page_room[r->page_hand];
        r->page_hand = (r->page_hand + 1) % r->pages;
        if (p->used && (p->blocks == 0 || !p->grown)) {
            give_away(r, p);
            return;
        }
        p->grown = false;
    }
}

void rem_page_room(struct rem *r)
{
    if (r->pages_max - r->pages_used >= 2)
        return;
    for (unsigned n = 0; n < MAX(2u, r->pages_max / PAGES_AT_ONCE); n++)
        next_page_away(r);
    flat_kill_x(r->flat);
    rem_pairs_forget(r);
}

void rem_forget_all(struct rem *r)
{
    memset(r->page_hash, 0, sizeof r->page_hash);
    madvise(r->block_hash, REM_BLOCK_HASH * sizeof *r->block_hash, MADV_DONTNEED);
    rem_targets_forget(r);
    r->pages = r->pages_used = r->page_hand = 0;
    r->page_free = NULL;
    rem_arenas_reset(r);
    r->full = false;
    r->rewrites = 0;
    rem_pairs_forget(r);
    r->set = NULL;
    memset(r->last, 0, sizeof r->last);
    flat_kill_all(r->flat);
    r->stats.flushes++;
}
