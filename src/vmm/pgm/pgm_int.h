/*
 * pgm_int.h - inside PGM: ranges, the published map, the state of a page.
 *
 * The map is two sorted lists of segments without gaps, one for reads and one for writes (shadowing makes them differ).
 * A reader searches a list, copies the segment out, and starts again if the sequence counter moved meanwhile.
 */
#ifndef VMM_PGM_PGM_INT_H
#define VMM_PGM_PGM_INT_H

#include "rt/gmem.h"
#include "vmm/pgm/pgm.h"

#define RANGES_MAX       256u
#define SEGS_MAX         1024u /* two per range and one per shadowed page, and some */
#define PHYS_END         (UINT64_C(1) << 52)
#define MIB              UINT64_C(0x100000)
#define HIGH_GPA         (UINT64_C(4) << 30)
#define SHADOW_GPA       UINT64_C(0xa0000)
#define SHADOW_PAGES     96u /* A0000h-FFFFFh */
#define A20_BIT          (UINT64_C(1) << 20)
#define PAGE_MASK        (~(uint64_t)(PGM_PAGE_BYTES - 1))
#define VIEW_READ        0u
#define VIEW_WRITE       1u
#define RANGE_LOW_RAM    0u
#define RANGE_HIGH_RAM   1u
#define DIRTY_WORD(page) ((page) / 64)

/* Why five words: code.c. */
struct page_state {
    _Atomic uint64_t watch; /* a bit per 64-byte chunk */
    _Atomic uint32_t gen, grant, synced, busy;
};

struct range {
    struct pgm *pgm;
    char *name;
    enum pgm_kind kind;
    uint64_t size_bytes, gpa;
    uint64_t order; /* of mapping: the highest is on top; 0 = not mapped */
    uint8_t *hva;   /* NULL for MMIO */
    struct page_state *pages;
    _Atomic uint64_t *dirty; /* RAM, device RAM */
    struct gmem mem;         /* device RAM, ROM */
    const struct pgm_mmio_ops *ops;
    void *user;
};

struct seg {
    uint64_t start, end; /* end exclusive */
    struct range *range; /* NULL: nothing there */
    uint64_t off;        /* of start in the range */
};

struct view {
    uint32_t count;
    struct seg seg[SEGS_MAX];
};

struct pgm {
    struct gmem ram;
    uint64_t low_bytes, high_bytes;
    struct page_state *ram_pages;
    _Atomic uint64_t *ram_dirty; /* a bit per page; the RAM ranges' dirty point into it */

    /* The map; see map.c. */
    GMutex lock; /* of writers */
    _Atomic uint32_t seq;
    struct view view[2];
    _Atomic uint64_t fast_low_bytes, fast_high_bytes; /* RAM with nothing over it, from 1 MiB and from 4 GiB on */
    _Atomic uint64_t a20_mask;
    _Atomic uint64_t map_gen;
    uint8_t shadow[SHADOW_PAGES];
    struct range range[RANGES_MAX];
    uint32_t range_count;
    uint64_t order;

    void (*sync)(void *user, uint64_t gpa);
    void *sync_user;
    void (*_Atomic need)(void *user, uint64_t off); /* fast_*_bytes are 0 while there is one */
    void *need_user;
    void (*flush)(void *user);
    void *flush_user;
    _Atomic uint64_t stat_rom_writes, stat_unmapped, stat_code_syncs, stat_collects, stat_dirty_pages;
    void (*changed)(void *user, uint64_t gpa);
    void *changed_user;
    _Atomic uint64_t stores; /* pgm_stores() */
};

/* What one end of an access reaches: @bytes from here on are in the same place. */
struct place {
    struct range *range; /* NULL: nothing */
    uint64_t off, bytes;
};

void pgm_map_init(struct pgm *pgm);
void pgm_map_fini(struct pgm *pgm);
/** Takes the lock. */
void pgm_map_reset_shadow(struct pgm *pgm);
/** @gpa with A20 applied. RAM's bytes are there when it returns. */
void pgm_find(struct pgm *pgm, unsigned view, uint64_t gpa, struct place *ret);
/** After bytes of a range changed: dirty bits and code watches; contains the full fence both need. */
void pgm_stored(struct range *r, uint64_t off, uint64_t bytes);
/** Sets a page's dirty bit. */
void pgm_dirty_mark(_Atomic uint64_t *dirty, uint64_t page);
void pgm_code_forget(struct range *r, uint64_t off, uint64_t bytes);
/** May direct writes to this page be handed out now? */
bool pgm_code_grant(struct page_state *page);

static inline uint64_t pgm_a20_apply(const struct pgm *pgm, uint64_t gpa)
{
    return gpa & atomic_load_explicit(&pgm->a20_mask, memory_order_relaxed);
}

/** Ordinary RAM found without a search, or NULL. The bytes up to the end of the page are there too. */
static inline uint8_t *pgm_ram_fast(struct pgm *pgm, uint64_t gpa, struct page_state **ret_page)
{
    uint64_t off = gpa;

    if (gpa - MIB >= atomic_load_explicit(&pgm->fast_low_bytes, memory_order_relaxed)) {
        if (gpa - HIGH_GPA >= atomic_load_explicit(&pgm->fast_high_bytes, memory_order_relaxed))
            return NULL;
        off = gpa - HIGH_GPA + pgm->low_bytes;
    }
    *ret_page = &pgm->ram_pages[off >> PGM_PAGE_SHIFT];
    return pgm->ram.hva + off;
}

#endif
