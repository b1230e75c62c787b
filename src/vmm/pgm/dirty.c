/*
 * dirty.c - which pages of RAM and device RAM were written.
 *
 * Stores are direct while the page's bit is set: the bit was set when the translation was made (phys.c), so that a page
 * somebody can write to always counts as written. A collector clears the bits of all pages first, then has every vCPU
 * drop its direct write translations, once for all of them, and reads the bytes last. Why nothing is lost (pgm.h inv
 * 3):
 *   - A store through a translation made before the bit was cleared happened before the synchronisation ended: its
 * bytes are read this time.
 *   - A translation made after that set the bit again: the next collection finds it.
 *   - The synchronisation also covers a vCPU that has set the bit and is still making the translation, because a vCPU
 *     acknowledges between instructions.
 * Synchronising pages with code watches uses the same callback; the two do not know of each other.
 */
#include "vmm/pgm/pgm_int.h"

void pgm_dirty_mark(_Atomic uint64_t *dirty, uint64_t page)
{
    _Atomic uint64_t *word = &dirty[DIRTY_WORD(page)];
    uint64_t bit = UINT64_C(1) << (page % 64);

    if (!(atomic_load(word) & bit))
        atomic_fetch_or(word, bit);
}

/* The pages of word @n that are asked for. */
static uint64_t wanted(unsigned n, unsigned pages)
{
    return pages - n * 64 >= 64 ? UINT64_MAX : (UINT64_C(1) << (pages % 64)) - 1;
}

/* Counts, and waits for the vCPUs if there is something to wait for. */
static unsigned collected(struct pgm *pgm, unsigned found)
{
    atomic_fetch_add_explicit(&pgm->stat_collects, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pgm->stat_dirty_pages, found, memory_order_relaxed);
    if (found && pgm->sync)
        pgm->sync(pgm->sync_user, UINT64_MAX);
    return found;
}

unsigned pgm_dirty_collect(struct pgm *pgm, pgm_range id, uint64_t *ret_bits, unsigned pages)
{
    unsigned words = (pages + 63) / 64, found = 0;
    struct range *r = id.id < pgm->range_count ? &pgm->range[id.id] : NULL;
    unsigned have = r && r->dirty ? (unsigned)MIN(pages, r->size_bytes >> PGM_PAGE_SHIFT) : 0;

    for (unsigned n = 0; n < words; n++) {
        uint64_t mask = n * 64 < have ? wanted(n, have) : 0;

        ret_bits[n] = mask && (atomic_load(&r->dirty[n]) & mask) ? atomic_fetch_and(&r->dirty[n], ~mask) & mask : 0;
        found += (unsigned)__builtin_popcountll(ret_bits[n]);
    }
    return collected(pgm, found);
}

unsigned pgm_ram_dirty_collect(struct pgm *pgm, uint64_t *ret_bits)
{
    const uint64_t words = DIRTY_WORD(pgm->ram.size_bytes >> PGM_PAGE_SHIFT);
    unsigned found = 0;

    for (uint64_t n = 0; n < words; n++) {
        ret_bits[n] = atomic_load(&pgm->ram_dirty[n]) ? atomic_exchange(&pgm->ram_dirty[n], 0) : 0;
        found += (unsigned)__builtin_popcountll(ret_bits[n]);
    }
    return collected(pgm, found);
}
