/*
 * walk_int.h - between the page walk and the translation cache.
 */
#ifndef VMM_PGM_WALK_INT_H
#define VMM_PGM_WALK_INT_H

#include "vmm/pgm/mmu.h"

/* Paging-structure entry bits, SDM vol. 3 tables 4-5 to 4-20. */
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100 };
#define PTE_NX (UINT64_C(1) << 63)

/* The control register bits walks depend on. */
enum {
    WALK_CR0_WP = 1 << 16,
    WALK_CR4_PSE = 1 << 4,
    WALK_CR4_PAE = 1 << 5,
    WALK_CR4_PGE = 1 << 7,
    WALK_CR4_PCIDE = 1 << 17,
    WALK_CR4_SMEP = 1 << 20,
    WALK_CR4_SMAP = 1 << 21,
    WALK_EFER_LMA = 1 << 10,
    WALK_EFER_NXE = 1 << 11
};
#define WALK_CR0_PG (1u << 31)

struct walk {
    uint64_t gpa;        /* of the byte, A20 not applied */
    uint32_t error_code; /* when the walk failed */
    uint64_t flags;      /* size of the page: enum pgm_tlb_flag */
    bool user, write, nx, global, dirty;
    unsigned depth; /* entries below, topmost first */
    unsigned entry_bytes;
    struct {
        uint64_t gpa, val;
    } entry[4];
};

/** Reads the tables, changes nothing. Return: false = fault, with P and RSVD of the error code. */
bool pgm_walk(struct pgm_mmu *m, uint64_t gla, struct walk *ret);
/** Whether @idx may do @acc on the page (SDM 4.6.1). */
bool pgm_walk_allows(const struct pgm_mmu *m, const struct walk *w, enum pgm_index idx, enum pgm_access acc);
/** Sets A everywhere and for writes D (inv 2 of mmu.h). Return: false = an entry changed meanwhile, walk again. */
bool pgm_walk_mark(struct pgm_mmu *m, struct walk *w, bool write);
/** W, U and I of the error code. */
uint32_t pgm_walk_error(const struct pgm_mmu *m, enum pgm_index idx, enum pgm_access acc);
/** MOV CR3 in PAE paging. Return: false = a present entry has reserved bits set. */
bool pgm_walk_load_pdptes(const struct pgm_mmu *m, uint64_t cr3, uint64_t ret_pdpte[4]);

#endif
