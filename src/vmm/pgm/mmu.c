/*
 * mmu.c - the translation cache of one vCPU.
 *
 * Sources: SDM vol. 3 section 4.10 (caching: PCIDs 4.10.1, global pages 4.10.2.4, invalidation 4.10.4), INVLPG, INVPCID
 * in vol. 2.
 * A flush takes a new generation number: older entries stop matching. A PCID keeps its number while others run, so a
 * MOV to CR3 that keeps finds its entries again. When the numbers are used up everything is wiped.
 * A large page is cached in pieces of 4 KiB; INVLPG of any of its addresses has to find all of them (large_filter).
 * Invariant 3: known and the tags carry the same generation, or a tag is NEVER.
 * Invariant 4: every entry was made under the pgm map of map_gen; a lookup off the fast path checks it first.
 */
#include "vmm/pgm/mmu.h"

#include <string.h>

#include "vmm/pgm/flat.h"
#include "vmm/pgm/pgm_int.h"
#include "vmm/pgm/walk_int.h"
#include "vmm/stam/stam.h"

#define NEVER       UINT64_MAX
#define CR3_PCID    0xfffu
#define WALKS_MAX   1000u /* page tables that change under the walk more often are taken as they are */
#define FLUSH_CR0   (WALK_CR0_PG | WALK_CR0_WP)
#define FLUSH_CR4   (WALK_CR4_PSE | WALK_CR4_PAE | WALK_CR4_PGE | WALK_CR4_PCIDE | WALK_CR4_SMEP | WALK_CR4_SMAP)
#define FLUSH_EFER  (WALK_EFER_LMA | WALK_EFER_NXE)
#define ALL_ENTRIES (PGM_IDX_COUNT * PGM_TLB_ENTRIES)
#define SHIFT_2M    21
#define SHIFT_4M    22
#define SHIFT_1G    30

static struct pgm_tlb_entry *slot(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla)
{
    return &m->tlb[idx][(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];
}

static void entry_kill(struct pgm_tlb_entry *e)
{
    e->tag[PGM_READ] = e->tag[PGM_WRITE] = e->tag[PGM_EXEC] = e->known = NEVER;
    e->global_gen = 0;
}

static void wipe(struct pgm_mmu *m)
{
    struct pgm_tlb_entry *e = &m->tlb[0][0];

    for (unsigned i = 0; i < ALL_ENTRIES; i++)
        entry_kill(&e[i]);
    memset(m->pcid_gen, 0, sizeof(m->pcid_gen));
    memset(m->large_filter, 0, sizeof(m->large_filter));
    if (m->flat)
        flat_kill_all(m->flat); /* generations begin anew */
    if (m->shadow)
        m->shadow->all(m->shadow);
    m->last_gen = m->gen = 1;
    m->pcid_gen[m->cr4 & WALK_CR4_PCIDE ? m->cr3 & CR3_PCID : 0] = 1;
}

static unsigned current_pcid(const struct pgm_mmu *m)
{
    return m->cr4 & WALK_CR4_PCIDE ? (unsigned)(m->cr3 & CR3_PCID) : 0;
}

/* A generation nothing was cached under yet, for the current PCID. */
static void new_gen(struct pgm_mmu *m)
{
    m->stat_flushes++;
    if (m->last_gen == PGM_GEN_MAX) {
        wipe(m);
        return;
    }
    m->gen = ++m->last_gen;
    m->pcid_gen[current_pcid(m)] = (uint16_t)m->gen;
}

void pgm_mmu_init(struct pgm_mmu *m, struct pgm *pgm, unsigned maxphyaddr_bits)
{
    memset(m, 0, sizeof(*m));
    m->pgm = pgm;
    m->maxphyaddr_bits = CLAMP(maxphyaddr_bits, 32u, 52u);
    m->maxphyaddr_mask = (PHYS_END - 1) & ~((UINT64_C(1) << m->maxphyaddr_bits) - 1);
    m->has_1g = true;
    m->global_gen = 1;
    m->map_gen = atomic_load(&pgm->map_gen);
    wipe(m);
}

void pgm_mmu_flush(struct pgm_mmu *m, bool globals_too)
{
    if (globals_too) { /* of all PCIDs */
        memset(m->pcid_gen, 0, sizeof(m->pcid_gen));
        memset(m->large_filter, 0, sizeof(m->large_filter));
        m->global_gen++;
        if (m->shadow)
            m->shadow->all(m->shadow);
    }
    new_gen(m);
}

/* MOV to CR3 with nothing else changed: SDM 4.10.4.1. */
static void switch_cr3(struct pgm_mmu *m, uint64_t cr3)
{
    bool keep = (cr3 & PGM_CR3_KEEP) && (m->cr4 & WALK_CR4_PCIDE);

    m->cr3 = cr3 & ~PGM_CR3_KEEP;
    if (keep && m->pcid_gen[current_pcid(m)])
        m->gen = m->pcid_gen[current_pcid(m)];
    else
        new_gen(m);
}

bool pgm_mmu_mode(struct pgm_mmu *m, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    bool pae = (cr0 & WALK_CR0_PG) && (cr4 & WALK_CR4_PAE) && !(efer & WALK_EFER_LMA);
    bool rules_changed =
        ((m->cr0 ^ cr0) & FLUSH_CR0) || ((m->cr4 ^ cr4) & FLUSH_CR4) || ((m->efer ^ efer) & FLUSH_EFER);

    if (pae && !pgm_walk_load_pdptes(m, cr3, m->pdpte))
        return false;
    m->cr0 = cr0;
    m->cr4 = cr4;
    m->efer = efer;
    if (rules_changed) {
        m->cr3 = cr3 & ~PGM_CR3_KEEP;
        pgm_mmu_flush(m, true);
    } else {
        switch_cr3(m, cr3);
    }
    return true;
}

/* ---- large pages ---- */

/* A bit of the filter for the large page at @gla. */
static unsigned filter_bit(uint64_t gla, unsigned shift)
{
    return (unsigned)(((gla >> shift) + shift) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

static unsigned size_shift(uint64_t flags)
{
    return flags & PGM_TLB_1G   ? SHIFT_1G
           : flags & PGM_TLB_4M ? SHIFT_4M
           : flags & PGM_TLB_2M ? SHIFT_2M
                                : PGM_PAGE_SHIFT;
}

static void filter_add(struct pgm_mmu *m, uint64_t gla, uint64_t flags)
{
    unsigned bit = filter_bit(gla, size_shift(flags));

    m->large_filter[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool filter_has(const struct pgm_mmu *m, uint64_t gla, unsigned shift)
{
    unsigned bit = filter_bit(gla, shift);

    return m->large_filter[bit / 64] >> (bit % 64) & 1;
}

static void kill_large(struct pgm_mmu *m, uint64_t gla)
{
    struct pgm_tlb_entry *e = &m->tlb[0][0];

    for (unsigned i = 0; i < ALL_ENTRIES; i++) {
        unsigned shift = size_shift(e[i].gpa);
        if (shift != PGM_PAGE_SHIFT && e[i].gla >> shift == gla >> shift)
            entry_kill(&e[i]);
    }
}

/* What is kept outside the TLB. */
static void copies_kill(struct pgm_mmu *m, uint64_t gla)
{
    static const unsigned shifts[] = {SHIFT_2M, SHIFT_4M, SHIFT_1G};

    if (m->flat)
        flat_kill(m->flat, gla);
    if (m->shadow)
        m->shadow->page(m->shadow, gla & PAGE_MASK, PGM_PAGE_BYTES);
    for (unsigned i = 0; i < G_N_ELEMENTS(shifts); i++) {
        uint64_t bytes = UINT64_C(1) << shifts[i], from = gla & ~(bytes - 1);

        if (!filter_has(m, gla, shifts[i]))
            continue;
        if (m->flat)
            flat_kill_large(m->flat, from, bytes);
        if (m->shadow)
            m->shadow->page(m->shadow, from, bytes);
    }
}

/* ---- invalidation by address ---- */

/* Entries of @gen and global ones. */
static void kill_address(struct pgm_mmu *m, uint64_t gla, uint64_t gen, bool globals_too)
{
    uint64_t page = gla & PAGE_MASK;

    for (unsigned idx = 0; idx < PGM_IDX_COUNT; idx++) {
        struct pgm_tlb_entry *e = slot(m, (enum pgm_index)idx, gla);
        bool global = e->global_gen != 0;
        if (e->gla == page && (global ? globals_too : e->known == (page | gen)))
            entry_kill(e);
    }
    if (filter_has(m, gla, SHIFT_2M) || filter_has(m, gla, SHIFT_4M) || filter_has(m, gla, SHIFT_1G))
        kill_large(m, gla);
    copies_kill(m, gla);
}

void pgm_mmu_invlpg(struct pgm_mmu *m, uint64_t gla)
{
    kill_address(m, gla, m->gen, true);
}

void pgm_mmu_invpcid(struct pgm_mmu *m, unsigned type, uint16_t pcid, uint64_t gla)
{
    pcid &= CR3_PCID;
    switch (type) {
    case 0: /* one address of one PCID, globals stay */
        if (m->pcid_gen[pcid])
            kill_address(m, gla, m->pcid_gen[pcid], false);
        break;
    case 1: /* one PCID */
        if (pcid == current_pcid(m))
            new_gen(m);
        else
            m->pcid_gen[pcid] = 0;
        break;
    case 2: /* everything */ pgm_mmu_flush(m, true); break;
    case 3: /* everything but globals */
        memset(m->pcid_gen, 0, sizeof(m->pcid_gen));
        new_gen(m);
        break;
    }
}

/* inv 4 */
static void follow_map(struct pgm_mmu *m)
{
    uint64_t map_gen = atomic_load_explicit(&m->pgm->map_gen, memory_order_acquire);

    if (m->map_gen == map_gen)
        return;
    m->map_gen = map_gen;
    pgm_mmu_flush(m, true);
}

static void flat_drop_page_writes(struct pgm_mmu *m, uint64_t gpa)
{
    struct pgm_page page;

    pgm_page_get(m->pgm, gpa & PAGE_MASK, false, &page);
    if (page.hva)
        flat_kill_writes_to(m->flat, page.hva);
}

void pgm_mmu_drop_writes(struct pgm_mmu *m, uint64_t gpa)
{
    struct pgm_tlb_entry *e = &m->tlb[0][0];

    follow_map(m);
    for (unsigned i = 0; i < ALL_ENTRIES; i++)
        if (gpa == UINT64_MAX || (e[i].gpa & PAGE_MASK) == (gpa & PAGE_MASK))
            e[i].tag[PGM_WRITE] = NEVER;
    if (m->flat && gpa == UINT64_MAX)
        flat_kill_writes(m->flat);
    else if (m->flat)
        flat_drop_page_writes(m, gpa);
    if (m->shadow)
        m->shadow->writes(m->shadow, gpa);
}

/* ---- lookup ---- */

/* The entry of another generation, if it may be used in this one: a live global's. */
static bool revalidate(struct pgm_mmu *m, struct pgm_tlb_entry *e, uint64_t want)
{
    if (e->global_gen != m->global_gen || e->gla != (want & PAGE_MASK))
        return false;
    for (unsigned acc = 0; acc < 3; acc++)
        if (e->tag[acc] != NEVER)
            e->tag[acc] = want;
    e->known = want; /* inv 3 */
    m->stat_revalidated++;
    return true;
}

static uint64_t access_bits(const struct pgm_mmu *m, const struct walk *w, enum pgm_index idx)
{
    uint64_t bits = 0;

    for (unsigned acc = 0; acc < 3; acc++)
        if (pgm_walk_allows(m, w, idx, (enum pgm_access)acc) && (acc != PGM_WRITE || w->dirty))
            bits |= UINT64_C(1) << acc;
    return bits;
}

/* Which accesses may go to the host address without asking; raises the grant for writes (pgm.h inv 1). */
static void set_tags(struct pgm_mmu *m, struct pgm_tlb_entry *e, uint64_t want, enum pgm_access acc)
{
    struct pgm_page page;
    bool writes = e->gpa & 1u << PGM_WRITE;

    pgm_page_get(m->pgm, e->gpa & PAGE_MASK, writes && acc == PGM_WRITE, &page);
    e->gpa = (e->gpa & ~(uint64_t)PGM_TLB_MEMORY) | (page.hva ? PGM_TLB_MEMORY : 0);
    e->tag[PGM_READ] = page.hva && (e->gpa & 1u << PGM_READ) ? want : NEVER;
    e->tag[PGM_EXEC] = page.hva && (e->gpa & 1u << PGM_EXEC) ? want : NEVER;
    e->tag[PGM_WRITE] = page.write_direct && writes && acc == PGM_WRITE ? want : NEVER;
    e->addend = page.hva ? (intptr_t)((uintptr_t)page.hva - (want & PAGE_MASK)) : 0;
}

static void result(const struct pgm_tlb_entry *e, uint64_t gla, enum pgm_access acc, struct pgm_xlat *ret)
{
    ret->gpa = (e->gpa & PAGE_MASK) | (gla & (PGM_PAGE_BYTES - 1));
    ret->hva = e->tag[acc] == NEVER ? NULL : (uint8_t *)(uintptr_t)(gla + (uint64_t)e->addend);
    ret->error_code = 0;
}

/* Walk, mark, and walk again while the tables change. Return: as pgm_mmu_xlat(). */
static int walk_and_mark(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, enum pgm_access acc, struct walk *w,
                         uint32_t *ret_error_code)
{
    for (unsigned i = 0; i < WALKS_MAX; i++) {
        m->stat_walks++;
        if (!pgm_walk(m, gla, w)) {
            *ret_error_code = w->error_code | pgm_walk_error(m, idx, acc);
            return PGM_XLAT_FAULT;
        }
        if (!pgm_walk_allows(m, w, idx, acc)) {
            *ret_error_code = PGM_PF_P | pgm_walk_error(m, idx, acc);
            return PGM_XLAT_FAULT;
        }
        if (pgm_walk_mark(m, w, acc == PGM_WRITE))
            break;
    }
    return PGM_XLAT_OK;
}

int pgm_mmu_xlat(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, enum pgm_access acc, struct pgm_xlat *ret)
{
    struct pgm_tlb_entry *e = slot(m, idx, gla);
    uint64_t want;
    struct walk w;
    int rc;

    follow_map(m);
    want = (gla & PAGE_MASK) | m->gen;
    if ((e->known == want || revalidate(m, e, want)) && (e->gpa >> acc & 1)) {
        if (acc == PGM_WRITE && e->tag[PGM_WRITE] == NEVER && (e->gpa & PGM_TLB_MEMORY))
            set_tags(m, e, want, acc);
        result(e, gla, acc, ret);
        return PGM_XLAT_OK;
    }
    rc = walk_and_mark(m, idx, gla, acc, &w, &ret->error_code);
    if (rc != PGM_XLAT_OK)
        return rc;
    e->gpa = (pgm_a20_apply(m->pgm, w.gpa) & PAGE_MASK) | w.flags | access_bits(m, &w, idx);
    e->gla = gla & PAGE_MASK;
    e->global_gen = w.global ? m->global_gen : 0;
    e->known = want;
    set_tags(m, e, want, acc);
    if (w.flags)
        filter_add(m, gla, w.flags);
    result(e, gla, acc, ret);
    return PGM_XLAT_OK;
}

static void find_device(struct pgm_mmu *m, uint64_t page, enum pgm_access acc, struct pgm_device *d)
{
    struct place p;

    pgm_find(m->pgm, acc == PGM_WRITE ? VIEW_WRITE : VIEW_READ, page, &p);
    *d = (struct pgm_device){.page = page | (acc + 1u), .map_gen = m->map_gen};
    if (p.range == NULL || p.range->kind != PGM_KIND_MMIO || p.bytes < PGM_PAGE_BYTES)
        return;
    d->ops = p.range->ops;
    d->user = p.range->user;
    d->off = p.off;
}

bool pgm_mmu_device(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, enum pgm_access acc, struct pgm_device *d)
{
    const struct pgm_tlb_entry *e = slot(m, idx, gla);

    if (e->known != ((gla & PAGE_MASK) | m->gen) || (e->gpa & (PGM_TLB_MEMORY | 1u << acc)) != 1u << acc ||
        m->map_gen != atomic_load_explicit(&m->pgm->map_gen, memory_order_acquire))
        return false;
    if (d->page != ((e->gpa & PAGE_MASK) | (acc + 1u)) || d->map_gen != m->map_gen)
        find_device(m, e->gpa & PAGE_MASK, acc, d);
    return d->ops != NULL;
}

bool pgm_mmu_watched(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, uint64_t *ret_gpa)
{
    const unsigned want = PGM_TLB_MEMORY | 1u << PGM_WRITE;
    const struct pgm_tlb_entry *e = slot(m, idx, gla);

    if (e->known != ((gla & PAGE_MASK) | m->gen) || (e->gpa & want) != want || e->tag[PGM_WRITE] != NEVER ||
        m->map_gen != atomic_load_explicit(&m->pgm->map_gen, memory_order_acquire))
        return false;
    *ret_gpa = (e->gpa & PAGE_MASK) | (gla & (PGM_PAGE_BYTES - 1));
    return true;
}

/* A is set all the way down. */
static bool accessed(const struct walk *w)
{
    for (unsigned i = 0; i < w->depth; i++)
        if (!(w->entry[i].val & PTE_A))
            return false;
    return true;
}

unsigned pgm_mmu_known(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, uint64_t *ret_gpa)
{
    struct walk w;

    if (!pgm_walk(m, gla, &w) || !accessed(&w))
        return 0;
    *ret_gpa = pgm_a20_apply(m->pgm, w.gpa) & PAGE_MASK;
    if (w.flags)
        filter_add(m, gla, w.flags);
    return (unsigned)access_bits(m, &w, idx);
}

bool pgm_mmu_peek(struct pgm_mmu *m, uint64_t gla, uint64_t *ret_gpa)
{
    struct walk w;

    if (!pgm_walk(m, gla, &w))
        return false;
    *ret_gpa = pgm_a20_apply(m->pgm, w.gpa);
    return true;
}

void pgm_mmu_register(struct pgm_mmu *m, struct stam *stam, unsigned cpu)
{
    stam_addf(stam, STAM_COUNTER, &m->stat_walks, "times", "Page walks", "/PGM/CPU%u/Walks", cpu);
    stam_addf(stam, STAM_COUNTER, &m->stat_flushes, "times", "New generations of translations", "/PGM/CPU%u/Flushes",
              cpu);
    stam_addf(stam, STAM_COUNTER, &m->stat_revalidated, "times", "Global entries that outlived a flush",
              "/PGM/CPU%u/Revalidated", cpu);
}
