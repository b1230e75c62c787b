/*
 * mmu_test.h - what the tests of page walks share: a machine's memory with tables in it.
 */
#ifndef VMM_PGM_MMU_TEST_H
#define VMM_PGM_MMU_TEST_H

#include "vmm/pgm/mmu.h"

#define MIB      UINT64_C(0x100000)
#define RAM_MIB  16
#define TABLES   UINT64_C(0x100000) /* 16 pages of page tables */
#define NTABLES  16
#define CR0_WP   (1u << 16)
#define CR0_PG   (1u << 31)
#define CR4_PSE  (1u << 4)
#define CR4_PAE  (1u << 5)
#define CR4_PGE  (1u << 7)
#define CR4_PCID (1u << 17)
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)
#define EFER_LMA (1u << 10)
#define EFER_NXE (1u << 11)
#define NX       (UINT64_C(1) << 63)

struct fixture {
    struct pgm *pgm;
    uint8_t *ram;
    struct pgm_mmu *m;
};

void fixture_init(struct fixture *f, unsigned maxphyaddr);
void fixture_fini(struct fixture *f);

/** An entry of a table; all ones where there is no memory. */
uint64_t get(struct fixture *f, uint64_t gpa, unsigned bytes);
void put(struct fixture *f, uint64_t gpa, uint64_t val, unsigned bytes);

/** Random tables, modes and accesses: mmu_model_test.c. */
void mmu_model_test(void);

#endif
