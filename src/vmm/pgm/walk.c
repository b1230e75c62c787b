/*
 * walk.c - from linear to physical addresses through the guest's page tables.
 *
 * Sources: SDM vol. 3 chapter 4: 4.3 (32-bit, PSE-36), 4.4 (PAE, PDPTE registers), 4.5 (4-level), 4.6 (access rights),
 * 4.7 (error codes), 4.8 (accessed and dirty).
 * Reserved bits are checked level by level as the walk meets them, only in present entries. A and D are set only for an
 * access that is allowed; the manual leaves open whether a faulting walk marks the levels it passed.
 * Left out: 5-level paging, protection keys, shadow stacks, hypervisor-managed translation.
 */
#include "vmm/pgm/walk_int.h"

#include "vmm/pgm/pgm_int.h"

#define BITS(hi, lo)   ((UINT64_MAX >> (63 - (hi))) & (UINT64_MAX << (lo)))
#define ADDR_64        BITS(51, 12)
#define CR3_PAE_ADDR   BITS(31, 5)
#define PDPTE_RESERVED (BITS(2, 1) | BITS(8, 5))

static bool paging_32(const struct pgm_mmu *m)
{
    return !(m->cr4 & WALK_CR4_PAE);
}

static bool large_allowed(const struct pgm_mmu *m, unsigned level)
{
    if (paging_32(m))
        return level == 2 && (m->cr4 & WALK_CR4_PSE);
    return level == 2 || (level == 3 && m->has_1g);
}

/* Reserved bits of a 32-bit paging entry: only 4 MiB pages have any, SDM table 4-4. */
static uint64_t reserved_32(const struct pgm_mmu *m, bool leaf, unsigned level)
{
    unsigned bits = MIN(m->maxphyaddr_bits, 40u);

    if (level != 2 || !leaf)
        return 0;
    return BITS(21, 21) | (bits < 40 ? BITS(20, bits - 19) : 0);
}

static uint64_t reserved_64(const struct pgm_mmu *m, bool leaf, unsigned level)
{
    uint64_t rsvd = m->maxphyaddr_mask;

    if (!(m->efer & WALK_EFER_LMA))
        rsvd |= BITS(62, 52); /* SDM table 4-9 and following */
    if (!(m->efer & WALK_EFER_NXE))
        rsvd |= PTE_NX;
    if (level == 4 || (level == 3 && !m->has_1g))
        rsvd |= PTE_PS;
    if (leaf && level == 3)
        rsvd |= BITS(29, 13);
    if (leaf && level == 2)
        rsvd |= BITS(20, 13);
    return rsvd;
}

/* Physical address of a leaf. */
static uint64_t leaf_gpa(const struct pgm_mmu *m, uint64_t pte, uint64_t gla, unsigned level)
{
    unsigned shift = 12 + (paging_32(m) ? 10 : 9) * (level - 1);
    uint64_t frame = pte & ADDR_64;

    if (level == 2 && paging_32(m)) /* bits 20:13 are bits 39:32, SDM 4.3 */
        frame = (pte & BITS(31, 22)) | (pte & BITS(20, 13)) << 19;
    return (frame & ~BITS(shift - 1, 0)) | (gla & BITS(shift - 1, 0));
}

static uint64_t size_flag(const struct pgm_mmu *m, unsigned level)
{
    if (level == 1)
        return 0;
    if (level == 3)
        return PGM_TLB_1G;
    return paging_32(m) ? PGM_TLB_4M : PGM_TLB_2M;
}

/* Where the walk starts. Return: the level, 0 = a PDPTE register that is not present. */
static unsigned walk_root(const struct pgm_mmu *m, uint64_t gla, uint64_t *ret_table)
{
    if (paging_32(m)) {
        *ret_table = m->cr3 & BITS(31, 12);
        return 2;
    }
    if (m->efer & WALK_EFER_LMA) {
        *ret_table = m->cr3 & ADDR_64;
        return 4;
    }
    *ret_table = m->pdpte[gla >> 30 & 3] & ADDR_64;
    return m->pdpte[gla >> 30 & 3] & PTE_P ? 2 : 0;
}

static void take_entry(const struct pgm_mmu *m, struct walk *w, uint64_t ea, uint64_t pte)
{
    w->entry[w->depth].gpa = ea;
    w->entry[w->depth++].val = pte;
    w->user = w->user && (pte & PTE_U);
    w->write = w->write && (pte & PTE_W);
    w->nx = w->nx || (w->entry_bytes == 8 && (m->efer & WALK_EFER_NXE) && (pte & PTE_NX));
}

bool pgm_walk(struct pgm_mmu *m, uint64_t gla, struct walk *w)
{
    unsigned bits = paging_32(m) ? 10 : 9, level;
    uint64_t table;

    *w = (struct walk){.user = true, .write = true, .entry_bytes = paging_32(m) ? 4 : 8};
    if (!(m->cr0 & WALK_CR0_PG)) {
        w->gpa = gla & UINT32_MAX;
        w->dirty = true;
        return true;
    }
    for (level = walk_root(m, gla, &table); level != 0; level--) {
        uint64_t index = gla >> (12 + bits * (level - 1)) & ((UINT64_C(1) << bits) - 1);
        uint64_t ea = table + index * w->entry_bytes;
        uint64_t pte = pgm_phys_read_n(m->pgm, ea, w->entry_bytes);
        bool leaf = level == 1 || ((pte & PTE_PS) && large_allowed(m, level));

        if (!(pte & PTE_P))
            return false;
        if (pte & (paging_32(m) ? reserved_32(m, leaf, level) : reserved_64(m, leaf, level))) {
            w->error_code = PGM_PF_P | PGM_PF_RSVD;
            return false;
        }
        take_entry(m, w, ea, pte);
        if (leaf) {
            w->gpa = leaf_gpa(m, pte, gla, level);
            w->flags = size_flag(m, level);
            w->global = (pte & PTE_G) && (m->cr4 & WALK_CR4_PGE);
            w->dirty = pte & PTE_D;
            return true;
        }
        table = pte & (paging_32(m) ? BITS(31, 12) : ADDR_64);
    }
    return false;
}

bool pgm_walk_allows(const struct pgm_mmu *m, const struct walk *w, enum pgm_index idx, enum pgm_access acc)
{
    bool user = idx == PGM_IDX_USER;

    if (w->depth == 0) /* no paging */
        return true;
    if (user && !w->user)
        return false;
    if (acc == PGM_EXEC)
        return !w->nx && (user || !w->user || !(m->cr4 & WALK_CR4_SMEP));
    if (idx == PGM_IDX_KERNEL && w->user && (m->cr4 & WALK_CR4_SMAP))
        return false;
    return acc == PGM_READ || w->write || (!user && !(m->cr0 & WALK_CR0_WP));
}

bool pgm_walk_mark(struct pgm_mmu *m, struct walk *w, bool write)
{
    for (unsigned i = 0; i < w->depth; i++) {
        uint64_t old = w->entry[i].val, val = old | PTE_A | (write && i + 1 == w->depth ? PTE_D : 0u);
        if (val == old)
            continue;
        if (!pgm_phys_cmpxchg(m->pgm, w->entry[i].gpa, old, val, w->entry_bytes))
            return false;
        w->entry[i].val = val;
    }
    w->dirty = w->dirty || write;
    return true;
}

uint32_t pgm_walk_error(const struct pgm_mmu *m, enum pgm_index idx, enum pgm_access acc)
{
    bool tells_fetch = (m->cr4 & WALK_CR4_SMEP) || ((m->cr4 & WALK_CR4_PAE) && (m->efer & WALK_EFER_NXE));

    return (acc == PGM_WRITE ? PGM_PF_W : 0u) | (idx == PGM_IDX_USER ? PGM_PF_U : 0u) |
           (acc == PGM_EXEC && tells_fetch ? PGM_PF_I : 0u);
}

bool pgm_walk_load_pdptes(const struct pgm_mmu *m, uint64_t cr3, uint64_t ret_pdpte[4])
{
    uint64_t rsvd = PDPTE_RESERVED | m->maxphyaddr_mask | BITS(63, 52);
    uint64_t pdpte[4];

    for (unsigned i = 0; i < 4; i++) {
        pdpte[i] = pgm_phys_read_n(m->pgm, (cr3 & CR3_PAE_ADDR) + 8 * i, 8);
        if ((pdpte[i] & PTE_P) && (pdpte[i] & rsvd))
            return false;
    }
    for (unsigned i = 0; i < 4; i++)
        ret_pdpte[i] = pdpte[i];
    return true;
}
