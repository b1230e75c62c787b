/*
 * mmu.h - one vCPU's view of memory: page walks and the translation cache (TLB).
 *
 * Three indexes exist side by side, chosen by privilege: user (CPL 3), supervisor, and supervisor allowed to touch user
 * pages (SMAP off or EFLAGS.AC set). An entry's tags hold page address | generation, so that a flush is one increment;
 * a global page's entry of an older generation is revalidated when it is next looked up, instead of being lost.
 *
 * Sources: SDM vol. 3 chapter 4 (walks, A/D bits, access rights, PCID, error code 4.7), AMD APM vol. 2 chapter 5.
 * Thread: everything here belongs to the vCPU's own thread.
 * Invariant 1: an entry grants direct write only if D was set in the page table and pgm allows direct write.
 * Invariant 2: A and D bits are set exactly when the manual says, by compare-and-swap, before the access.
 */
#ifndef VMM_PGM_MMU_H
#define VMM_PGM_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/pgm/pgm.h"

enum pgm_access { PGM_READ, PGM_WRITE, PGM_EXEC };
enum pgm_index { PGM_IDX_USER, PGM_IDX_KERNEL, PGM_IDX_KERNEL_AC, PGM_IDX_COUNT };

#define PGM_TLB_ENTRIES 1024u               /* per index; power of two */
#define PGM_GEN_MAX     4094u               /* 4095 with the topmost page would be ~0, the tag that never matches */
#define PGM_CR3_KEEP    (UINT64_C(1) << 63) /* MOV to CR3 with CR4.PCIDE: keep what the PCID has cached */

/* Page-fault error code bits, SDM 4.7. */
enum { PGM_PF_P = 1, PGM_PF_W = 2, PGM_PF_U = 4, PGM_PF_RSVD = 8, PGM_PF_I = 16 };

struct pgm_tlb_entry {
    uint64_t tag[3];     /* by enum pgm_access: linear page | generation, or ~0: not allowed directly */
    intptr_t addend;     /* hva = gla + addend */
    uint64_t gpa;        /* page, A20 applied | enum pgm_tlb_flag */
    uint64_t global_gen; /* generation of globals this was made in; 0 = not global */
    uint64_t gla;        /* page, for revalidation */
    uint64_t known;      /* as a tag: the translation holds, directly reachable or not */
};
/* Bits 0-2 of .gpa: access by enum pgm_access allowed (for write: and D is set); the size of the guest's page. */
enum pgm_tlb_flag { PGM_TLB_MEMORY = 8, PGM_TLB_2M = 16, PGM_TLB_4M = 32, PGM_TLB_1G = 64 };

struct flat;

/** Copies of translations that somebody keeps elsewhere (raw mode), told what the TLB is told; on the vCPU's thread. */
struct pgm_shadow {
    void (*page)(struct pgm_shadow *s, uint64_t gla, uint64_t bytes); /* all address spaces; aligned */
    void (*writes)(struct pgm_shadow *s, uint64_t gpa);               /* as pgm_mmu_drop_writes() */
    void (*all)(struct pgm_shadow *s); /* everything has to be looked up again, even if the generation is the same */
};

struct pgm_mmu {
    struct pgm *pgm;
    struct flat *flat; /* flat.h: translations for translated code; NULL = none. Killed together with the TLB's */
    struct pgm_shadow *shadow; /* NULL = none */
    uint64_t gen;              /* low 12 bits of the tags; 1..PGM_GEN_MAX */
    uint64_t global_gen;       /* from 1 */
    uint64_t last_gen;         /* last one given out; after PGM_GEN_MAX everything is wiped */
    uint64_t map_gen;          /* pgm's when the TLB was filled */
    /* copies of what the walk needs, set by pgm_mmu_mode() */
    uint64_t cr0, cr3, cr4, efer;
    uint64_t maxphyaddr_mask; /* reserved physical bits, up to bit 51 */
    unsigned maxphyaddr_bits;
    bool has_1g;       /* 1 GiB pages, CPUID 80000001h EDX 26; set by pgm_mmu_init() */
    uint64_t pdpte[4]; /* PAE: loaded by MOV CR3, SDM 4.4.1 */
    uint64_t stat_walks, stat_flushes, stat_revalidated;
    uint64_t large_filter[64]; /* which large pages may have entries: a Bloom filter, so that INVLPG rarely searches */
    uint16_t pcid_gen[4096];   /* generation a PCID's entries live under; 0 = none */
    struct pgm_tlb_entry tlb[PGM_IDX_COUNT][PGM_TLB_ENTRIES];
};

struct pgm_xlat {
    uint64_t gpa;
    uint8_t *hva;        /* NULL: go through pgm_phys_read_n/write_n (MMIO, ROM, watched) */
    uint32_t error_code; /* with PGM_XLAT_FAULT */
};
enum { PGM_XLAT_OK = 0, PGM_XLAT_FAULT = 1 };

void pgm_mmu_init(struct pgm_mmu *m, struct pgm *pgm, unsigned maxphyaddr_bits);
/**
 * pgm_mmu_mode() - after any change of CR0, CR3, CR4 or EFER that matters to paging, and every MOV to CR3.
 *
 * Flushes what the change has to flush; a call with the values of before is a MOV to CR3. @cr3 may carry PGM_CR3_KEEP.
 * Return: false if PAE PDPTEs are invalid (#GP): nothing has changed then.
 */
bool pgm_mmu_mode(struct pgm_mmu *m, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer);
void pgm_mmu_flush(struct pgm_mmu *m, bool globals_too);
void pgm_mmu_invlpg(struct pgm_mmu *m, uint64_t gla);
void pgm_mmu_invpcid(struct pgm_mmu *m, unsigned type, uint16_t pcid, uint64_t gla);
/** Drops direct write translations of a physical page (~0 = all), and everything if pgm's map changed: the FF_TLB_SYNC
 * duty. */
void pgm_mmu_drop_writes(struct pgm_mmu *m, uint64_t gpa);

/**
 * pgm_mmu_xlat() - translate for an access within one page, setting A/D, filling the TLB.
 * Return: PGM_XLAT_OK, or PGM_XLAT_FAULT with the #PF error code; CR2 is the caller's.
 */
int pgm_mmu_xlat(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, enum pgm_access acc, struct pgm_xlat *ret);
/**
 * pgm_mmu_known() - what a TLB could hold of the page at @gla without A or D having to be set anywhere: nothing
 * changes. Return: 1 << enum pgm_access for each access that is possible then; 0 = none, or it would have to be marked
 * first.
 */
unsigned pgm_mmu_known(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, uint64_t *ret_gpa);
/** A page of a device's registers, as it was found; all zero at first. */
struct pgm_device {
    uint64_t page; /* | enum pgm_access + 1 */
    uint64_t map_gen;
    const struct pgm_mmio_ops *ops; /* NULL: the page is not wholly one device's */
    void *user;
    uint64_t off; /* of the page in the device's range */
};
/**
 * pgm_mmu_device() - whether the TLB knows @gla as a page of a device's registers that @acc may go to; nothing changes.
 * @d: what an earlier call found: the same page is not looked for again. False: go the long way.
 */
bool pgm_mmu_device(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, enum pgm_access acc, struct pgm_device *d);
/** The TLB knows the page, that it is memory which may be written, and that stores have to be reported. */
bool pgm_mmu_watched(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, uint64_t *ret_gpa);
/** The TLB knows the page, and that no memory is there. */
static inline bool pgm_mmu_no_memory(const struct pgm_mmu *m, enum pgm_index idx, uint64_t gla)
{
    const struct pgm_tlb_entry *e = &m->tlb[idx][(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];

    return e->known == ((gla & ~(uint64_t)(PGM_PAGE_BYTES - 1)) | m->gen) && !(e->gpa & PGM_TLB_MEMORY);
}
/** The walk without side effects (no A/D, no TLB), for debuggers. Return: false if not present. */
bool pgm_mmu_peek(struct pgm_mmu *m, uint64_t gla, uint64_t *ret_gpa);

/** pgm_mmu_register() - the cache's counters as /PGM/CPU<cpu>/... */
void pgm_mmu_register(struct pgm_mmu *m, struct stam *stam, unsigned cpu);

/** The hot path: host address for an access wholly inside one page, or NULL (then pgm_mmu_xlat). */
static inline uint8_t *pgm_mmu_fast(struct pgm_mmu *m, enum pgm_index idx, uint64_t gla, unsigned size,
                                    enum pgm_access acc)
{
    const struct pgm_tlb_entry *e = &m->tlb[idx][(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];
    uint64_t want = (gla & ~(uint64_t)(PGM_PAGE_BYTES - 1)) | m->gen;

    if (__builtin_expect(e->tag[acc] != want || (gla & (PGM_PAGE_BYTES - 1)) + size > PGM_PAGE_BYTES, 0))
        return NULL;
    return (uint8_t *)(uintptr_t)(gla + (uint64_t)e->addend);
}

#endif
