/*
 * code.c - which 64-byte chunks of memory somebody keeps translated code of, and who writes there.
 *
 * A page's five words:
 *   watch   a bit per chunk. Set by pgm_code_watch(), cleared by the store that hits the chunk: the owners of the code
 *           see the new generation and watch again when they read again.
 *   gen     what cached code is compared with.
 *   grant   odd: direct writing became possible since the last synchronisation began; that makes it even again. synced:
 *           what it was then, plus one, stored when the synchronisation is over. synced == grant + 1 means nobody can
 *           write directly.
 *   busy    stores between clearing watch and increasing gen.
 * Why it is right (all operations sequentially consistent, and a store is followed by a full fence before watch is
 * read):
 *   - Watch against a slow store: either the store sees the bit, or the watcher reads the bytes after the store.
 *   - Watch against a grant (Dekker): grant is raised before watch is read a last time, watch is set before grant is
 *     read; one of them sees the other. If the grant wins, the watcher synchronises.
 *   - A synchronisation that began before a later grant, even one of somebody it was waiting for, stores a value that
 *     cannot equal that grant plus one.
 *   - The generation handed to the watcher is older than its watch: a store that clears the watch again before the
 *     watcher got to read is not missed.
 *   - Two stores to one chunk: the second finds the bit cleared, but busy raised (or gen raised already), and raises
 *     gen itself; so no processor runs code it has just overwritten.
 */
#include <string.h>

#include "vmm/pgm/pgm_int.h"

/* The chunks of [off, off + bytes) that lie in the page of @off. */
static uint64_t chunk_mask(uint64_t off, uint64_t bytes)
{
    uint64_t first = (off & (PGM_PAGE_BYTES - 1)) / PGM_CHUNK_BYTES, last;

    if (bytes == 0)
        return 0;
    last = MIN((off & (PGM_PAGE_BYTES - 1)) + bytes - 1, PGM_PAGE_BYTES - 1) / PGM_CHUNK_BYTES;
    return (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

/* Clears watches and announces it, in the order that loses nothing (see above). */
static void announce(struct pgm *pgm, struct page_state *page, uint64_t gpa, uint64_t mask)
{
    atomic_fetch_add(&page->busy, 1);
    atomic_fetch_and(&page->watch, ~mask);
    atomic_fetch_add(&page->gen, 1);
    atomic_fetch_sub(&page->busy, 1);
    if (pgm->changed)
        pgm->changed(pgm->changed_user, gpa & PAGE_MASK);
}

static void page_stored(struct pgm *pgm, struct page_state *page, uint64_t gpa, uint64_t mask)
{
    uint64_t watch = atomic_load(&page->watch);

    if ((watch & mask) || atomic_load(&page->busy))
        announce(pgm, page, gpa, mask);
}

void pgm_stored(struct range *r, uint64_t off, uint64_t bytes)
{
    atomic_fetch_add_explicit(&r->pgm->stores, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    while (bytes) {
        uint64_t n = MIN(bytes, PGM_PAGE_BYTES - (off & (PGM_PAGE_BYTES - 1))), page = off >> PGM_PAGE_SHIFT;
        if (r->dirty)
            pgm_dirty_mark(r->dirty, page);
        page_stored(r->pgm, &r->pages[page], r->gpa + off, chunk_mask(off, n));
        off += n, bytes -= n;
    }
}

bool pgm_code_grant(struct page_state *page)
{
    uint32_t grant;

    if (atomic_load(&page->watch) != 0)
        return false;
    grant = atomic_load(&page->grant);
    while ((grant & 1) == 0 && !atomic_compare_exchange_weak(&page->grant, &grant, grant + 1))
        ;
    return atomic_load(&page->watch) == 0;
}

void pgm_code_forget(struct range *r, uint64_t off, uint64_t bytes)
{
    if (r->pages == NULL || bytes == 0)
        return;
    for (uint64_t p = off >> PGM_PAGE_SHIFT; p <= (off + bytes - 1) >> PGM_PAGE_SHIFT; p++)
        if (atomic_load_explicit(&r->pages[p].watch, memory_order_relaxed))
            announce(r->pgm, &r->pages[p], r->gpa + (p << PGM_PAGE_SHIFT), UINT64_MAX);
}

static struct page_state *page_at(struct pgm *pgm, unsigned view, uint64_t gpa)
{
    struct page_state *page;
    struct place p;

    gpa = pgm_a20_apply(pgm, gpa);
    if (pgm_ram_fast(pgm, gpa, &page))
        return page;
    pgm_find(pgm, view, gpa, &p);
    if (p.range == NULL || p.range->pages == NULL || (p.off & (PGM_PAGE_BYTES - 1)) != (gpa & (PGM_PAGE_BYTES - 1)))
        return NULL;
    return &p.range->pages[p.off >> PGM_PAGE_SHIFT];
}

static uint32_t begin_sync(struct page_state *page)
{
    uint32_t grant = atomic_load(&page->grant);

    while (grant & 1)
        if (atomic_compare_exchange_weak(&page->grant, &grant, grant + 1))
            grant++;
    return grant;
}

_Atomic uint32_t *pgm_code_watch(struct pgm *pgm, uint64_t gpa, unsigned bytes, uint32_t *ret_gen)
{
    struct page_state *page = page_at(pgm, VIEW_READ, gpa);
    uint64_t mask = chunk_mask(gpa, bytes);
    uint32_t grant;

    if (page == NULL)
        return NULL;
    *ret_gen = atomic_load(&page->gen);
    if ((atomic_load(&page->watch) & mask) != mask)
        atomic_fetch_or(&page->watch, mask);
    grant = atomic_load(&page->grant);
    if (atomic_load(&page->synced) != grant + 1) {
        atomic_fetch_add_explicit(&pgm->stat_code_syncs, 1, memory_order_relaxed);
        grant = begin_sync(page);
        if (pgm->sync)
            pgm->sync(pgm->sync_user, pgm_a20_apply(pgm, gpa) & PAGE_MASK);
        atomic_store(&page->synced, grant + 1);
    }
    return &page->gen;
}

bool pgm_code_is_watched(struct pgm *pgm, uint64_t gpa, unsigned bytes)
{
    struct page_state *page = page_at(pgm, VIEW_WRITE, gpa);

    return page && ((atomic_load(&page->watch) & chunk_mask(gpa, bytes)) || atomic_load(&page->busy));
}

/* RAM that was stored to directly although nobody had a grant (pgm.h inv 3). */
static void mark_ram(struct pgm *pgm, const struct page_state *page)
{
    if (page >= pgm->ram_pages && page < pgm->ram_pages + (pgm->ram.size_bytes >> PGM_PAGE_SHIFT))
        pgm_dirty_mark(pgm->ram_dirty, (uint64_t)(page - pgm->ram_pages));
}

void pgm_code_written(struct pgm *pgm, uint64_t gpa, unsigned bytes)
{
    struct page_state *page = page_at(pgm, VIEW_WRITE, gpa);

    atomic_thread_fence(memory_order_seq_cst);
    if (page)
        mark_ram(pgm, page);
    if (page)
        page_stored(pgm, page, pgm_a20_apply(pgm, gpa), chunk_mask(gpa, bytes));
}

uint64_t pgm_stores(struct pgm *pgm)
{
    return atomic_load(&pgm->stores);
}

void pgm_sync_callback(struct pgm *pgm, void (*sync)(void *user, uint64_t gpa), void *user)
{
    pgm->sync = sync;
    pgm->sync_user = user;
}

void pgm_changed_callback(struct pgm *pgm, void (*changed)(void *user, uint64_t gpa), void *user)
{
    pgm->changed = changed;
    pgm->changed_user = user;
}
