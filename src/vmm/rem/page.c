/*
 * page.c - guest pages with translated code: which block stands where, and what happens when the code changes.
 *
 * A change of watched bytes arrives in the inbox. Every block of the page is then compared with the memory it was made
 * from: if the bytes are the same it is watched again and lives on (data beside code, a store of the same value); else
 * its first bytes become a jump to code that leaves, and, once the place is translated anew, to the new block. So
 * nobody who ever jumped to a block has to be found.
 */
#include "vmm/rem/rem_int.h"

#define STALE_JUMP_BYTES 5u

static unsigned hash(uint64_t gpa, uint32_t key)
{
    return (unsigned)((gpa ^ (uint64_t)key << 44) * UINT64_C(0x9e3779b97f4a7c15) >> 51) & (REM_PAGES_MAX * 2 - 1);
}

struct rem_page *rem_page_find(struct rem *r, uint64_t gpa, uint32_t key)
{
    struct rem_page *p = r->page_hash[hash(gpa, key)];

    while (p != NULL && (p->gpa != gpa || p->key != key))
        p = p->next;
    return p;
}

struct rem_page *rem_page_get(struct rem *r, uint64_t gpa, uint32_t key)
{
    struct rem_page *p = rem_page_find(r, gpa, key), **slot = &r->page_hash[hash(gpa, key)];

    if (p != NULL)
        return p;
    if (r->pages == r->pages_max) {
        r->full = true;
        return NULL;
    }
    p = &r->page_room[r->pages++];
    p->gpa = gpa;
    p->key = key;
    memset(p->misaligned, 0, sizeof p->misaligned);
    p->blocks = NULL;
    for (unsigned n = 0; n < CSAM_PAGE_BYTES; n++)
        p->entry[n] = r->none;
    p->next = *slot;
    *slot = p;
    return p;
}

struct rem_block *rem_block_at(struct rem *r, const struct rem_page *page, unsigned off)
{
    if (page->entry[off] == r->none)
        return NULL;
    for (struct rem_block *b = page->blocks; b != NULL; b = b->next)
        if (b->off == off && !b->stale)
            return b;
    return NULL;
}

static void aim_entry(struct rem *r, const struct rem_block *b, uint32_t host)
{
    uint8_t *at = r->code.rw + b->host;

    at[0] = 0xe9;
    e_aim(at + STALE_JUMP_BYTES, r->code.rw + host);
}

void rem_block_keep(struct rem *r, struct rem_block *b)
{
    struct rem_page *p = b->page;

    for (struct rem_block *old = p->blocks; old != NULL; old = old->next)
        if (old->off == b->off)
            aim_entry(r, old, b->host);
    b->next = p->blocks;
    p->blocks = b;
    p->entry[b->off] = b->host;
}

static bool unchanged(struct rem *r, const struct rem_block *b)
{
    uint8_t now[CSAM_PAGE_BYTES];
    unsigned bytes = b->to - b->off;
    uint32_t generation;

    if (pgm_code_watch(r->c->mmu.pgm, b->page->gpa + b->off, bytes, &generation) == NULL)
        return false;
    pgm_phys_read(r->c->mmu.pgm, b->page->gpa + b->off, now, bytes);
    return memcmp(now, b->bytes, bytes) == 0;
}

static void invalidate(struct rem *r, struct rem_block *b)
{
    uint32_t out = rem_emit_leave_at(r, b->off);

    b->stale = true;
    b->page->entry[b->off] = r->none;
    r->stats.invalidated++;
    if (out == 0)
        r->full = true;
    else
        aim_entry(r, b, out);
}

void rem_rewrite(struct rem *r)
{
    for (unsigned n = 0; n < r->rewrites; n++)
        if (!r->block[r->rewrite[n]].stale)
            invalidate(r, &r->block[r->rewrite[n]]);
    r->rewrites = 0;
    rem_serialize();
}

static void check_page(struct rem *r, struct rem_page *p)
{
    for (struct rem_block *b = p->blocks; b != NULL; b = b->next) {
        if (b->stale)
            continue;
        if (unchanged(r, b))
            r->stats.revived++;
        else
            invalidate(r, b);
    }
}

static void check_gpa(struct rem *r, uint64_t gpa)
{
    for (unsigned n = 0; n < REM_PAGES_MAX * 2; n++)
        for (struct rem_page *p = r->page_hash[n]; p != NULL; p = p->next)
            if (p->gpa == gpa)
                check_page(r, p);
}

static void check_all(struct rem *r)
{
    for (uint32_t n = 0; n < r->pages; n++)
        check_page(r, &r->page_room[n]);
}

void rem_follow_changes(struct rem *r)
{
    bool lost = atomic_exchange(&r->inbox_lost, false);

    for (unsigned n = 0; n < REM_INBOX; n++) {
        uint64_t gpa = atomic_load_explicit(&r->inbox[n], memory_order_relaxed);
        if (gpa == 0)
            continue;
        gpa = atomic_exchange(&r->inbox[n], 0);
        if (!lost)
            check_gpa(r, gpa & ~UINT64_C(1));
    }
    if (lost)
        check_all(r);
    rem_serialize();
}

void rem_forget_all(struct rem *r)
{
    memset(r->page_hash, 0, sizeof r->page_hash);
    for (uint32_t n = 0; n < r->sites; n++)
        r->site[n].op = NULL;
    r->pages = r->blocks = r->sites = r->bytes_used = 0;
    r->ops_used = 0;
    r->links = 1; /* REM_NO_LINK */
    r->used = r->code_first;
    r->full = false;
    r->rewrites = 0;
    r->set = NULL;
    flat_kill_all(r->flat);
    r->stats.flushes++;
}
