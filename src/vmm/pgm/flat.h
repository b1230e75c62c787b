/*
 * flat.h - translations as translated code wants them: a table indexed by the page of the linear address, no compare.
 *
 * A set holds three tables of 2^36 entries of 8 bytes (sparse: only what is touched exists) for one address space,
 * privilege and kind of code. R and W hold "what to add to a linear address to get the host address", 0 = look closer.
 * X belongs to the recompiler: an opaque word per executable page. FLAT_HEAD_BYTES in front of R are the recompiler's
 * too. R, W and X are some pages more than a table's size apart: AMD's first-level cache predicts its way by a hash of
 * address bits 12 to 27, and of two entries for the same page that agree in them only one would ever be found there.
 *
 * The index takes bits 12 to 47 of the address and nothing else, so no address leaves the table. A non-canonical
 * address finds the entry of another one; adding gives a host address that is non-canonical too and faults.
 * X words are added to four times the address, which loses bits 62 and 63; so the index of X takes these in the place
 * of 46 and 47. Two canonical addresses that differ in bit 46 alone share an entry of X, whose word tells them apart.
 *
 * A supervisor's set serves all address spaces: what it holds of global pages stays over generations, the rest is taken
 * out when the generation changes. A user's set belongs to one generation.
 *
 * Thread: everything belongs to the vCPU's thread.
 * Invariant 1: an entry exists only while the TLB entry it was copied from could: everything that kills a TLB entry
 *   kills it in every set (flat_kill*), a new generation takes a set of its own.
 * Invariant 2: W holds only pages of which pgm allows direct writes and whose D bit is set.
 */
#ifndef VMM_PGM_FLAT_H
#define VMM_PGM_FLAT_H

#include "vmm/pgm/mmu.h"

#define FLAT_TABLE_BYTES (UINT64_C(1) << 39)
#define FLAT_HEAD_BYTES  4096u /* in front of R, the user's: what translated code wants in reach of the table */
#define FLAT_INDEX_MASK  UINT64_C(0x0000fffffffff000)
#define FLAT_X_MASK      UINT64_C(0xc0003ffffffff000)
#define FLAT_SETS_MAX    8u
#define FLAT_LOG         8192u /* entries remembered one by one; more of them are wiped by table page */
#define FLAT_LOCAL       1024u
#define FLAT_PAGES       4096u /* table pages in use; power of two */
#define FLAT_PAGES_KEPT  64u   /* when another address space takes a set over */

enum flat_table { FLAT_R, FLAT_W, FLAT_X, FLAT_TABLES };

struct flat_set {
    uint64_t *table[FLAT_TABLES];
    uint64_t gen; /* the TLB's generation; 0 = free */
    uint64_t global_gen;
    uint32_t key; /* caller's: kind of code */
    uint8_t idx;  /* enum pgm_index */
    uint64_t used_at;
    uint32_t logged[FLAT_TABLES];
    uint32_t log[FLAT_TABLES][FLAT_LOG]; /* low 32 bits of the index ... */
    uint8_t log_high[FLAT_TABLES][FLAT_LOG];
    uint64_t page[FLAT_TABLES][FLAT_PAGES]; /* table pages touched, + 1; open hash */
    uint32_t pages[FLAT_TABLES];
    uint64_t
        local[FLAT_LOCAL]; /* entries of pages that are not global, if the set outlives generations: table, index */
    unsigned locals;
};

struct flat {
    uint8_t *memory;
    uint64_t bytes;
    unsigned sets;
    uint64_t clock;
    struct flat_set *set; /* [sets] */
    uint64_t x_epoch;     /* goes up whenever an X entry may have been taken out */
    uint64_t stat_fills, stat_wipes, stat_kills;
};

/** @sets: how many address spaces are kept; clamped. NULL and error if the host has no room. */
struct flat *flat_new(unsigned sets, GError **error);
void flat_free(struct flat *f);
/** The set for the TLB's present generation; takes over the least recently used one. */
struct flat_set *flat_select(struct flat *f, const struct pgm_mmu *m, enum pgm_index idx, uint32_t key);
static inline void flat_used(struct flat *f, struct flat_set *s)
{
    s->used_at = ++f->clock;
}
/** Copies what the TLB knows about @gla into R and W. */
void flat_fill(struct flat *f, struct flat_set *s, const struct pgm_mmu *m, uint64_t gla);
void flat_set_x(struct flat *f, struct flat_set *s, const struct pgm_mmu *m, uint64_t gla, uint64_t word);

/* ---- called by mmu.c ---- */
void flat_kill(struct flat *f, uint64_t gla);
/** [gla, +bytes), both aligned to 2 MiB. */
void flat_kill_large(struct flat *f, uint64_t gla, uint64_t bytes);
/** Every set, its memory too; every W entry only. */
void flat_kill_all(struct flat *f);
void flat_kill_writes(struct flat *f);
/** W entries that lead to the host page @hva. */
void flat_kill_writes_to(struct flat *f, const uint8_t *hva);
/** Every X entry; called by the recompiler. */
void flat_kill_x(struct flat *f);

static inline uint64_t flat_index(uint64_t gla)
{
    return (gla & FLAT_INDEX_MASK) >> PGM_PAGE_SHIFT;
}

static inline uint64_t flat_x_index(uint64_t gla)
{
    return (gla & FLAT_X_MASK & FLAT_INDEX_MASK) >> PGM_PAGE_SHIFT | gla >> 62 << 34;
}

/** The word may be another address's: above. */
static inline uint64_t flat_x(const struct flat_set *s, uint64_t gla)
{
    return s->table[FLAT_X][flat_x_index(gla)];
}

#endif
