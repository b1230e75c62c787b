/*
 * cr.c - writes to control registers: their #GP rules and what they cause.
 *
 * Sources: SDM vol. 3 2.5 (control registers), 2.6 (XCR0), 4.1.2 and 4.10.4 (paging modes, what flushes the TLB),
 *   10.8.5 (entering and leaving IA-32e mode), vol. 2 MOV CR; APM vol. 2 3.1.
 * Left out: CR4.LA57, CET, PKE, SMXE, VMXE (not shown by any profile, so reserved).
 * Invariant 1: a refused write changes nothing.
 * Invariant 2: EFER.LMA = EFER.LME && CR0.PG.
 */
#include "vmm/cpum/cpum_int.h"

enum { CR0_OLD = CPUM_CR0_PE | CPUM_CR0_MP | CPUM_CR0_EM | CPUM_CR0_TS | CPUM_CR0_ET };
#define CR0_ALL (CR0_OLD | CPUM_CR0_NE | CPUM_CR0_WP | CPUM_CR0_AM | CPUM_CR0_NW | CPUM_CR0_CD | (uint64_t)CPUM_CR0_PG)

/* Publishes cr0/cr3/cr4/efer to the MMU; false (PDPTEs invalid): the old values stay in force. */
static bool apply(struct vcpu *c, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    struct cpum_ctx *x = &c->ctx;

    if (!pgm_mmu_mode(&c->mmu, cr0, cr3, cr4, efer)) {
        /* The old state was valid when it was set; its PDPTEs are read again, which SDM 4.4.1 allows. */
        pgm_mmu_mode(&c->mmu, x->cr0, x->cr3, x->cr4, x->efer);
        return false;
    }
    x->cr0 = cr0;
    x->cr3 = cr3;
    x->cr4 = cr4;
    x->efer = efer;
    return true;
}

/* Long mode's conditions for a change of CR0.PG, SDM 10.8.5. */
static bool paging_change_ok(const struct cpum_ctx *x, bool on)
{
    if (on)
        return !(x->efer & CPUM_EFER_LME) || ((x->cr4 & CPUM_CR4_PAE) && !(x->seg[X86_CS].attr & CPUM_SEG_L));
    if (x->cr4 & CPUM_CR4_PCIDE)
        return false;
    return !((x->efer & CPUM_EFER_LMA) && (x->seg[X86_CS].attr & CPUM_SEG_L));
}

bool cpum_cr0_write(struct vcpu *c, uint64_t val)
{
    const uint64_t pg = CPUM_CR0_PG;
    struct cpum_ctx *x = &c->ctx;
    uint64_t diff, efer = x->efer;

    if (val >> 32)
        return false;
    val &= c->profile->has_wp ? CR0_ALL : CR0_OLD | pg;
    val |= CPUM_CR0_ET;
    if ((val & pg) && !(val & CPUM_CR0_PE))
        return false;
    if ((val & CPUM_CR0_NW) && !(val & CPUM_CR0_CD))
        return false;
    diff = val ^ x->cr0;
    if (diff & pg) {
        if (!paging_change_ok(x, val & pg))
            return false;
        efer &= ~(uint64_t)CPUM_EFER_LMA;
        if ((val & pg) && (efer & CPUM_EFER_LME))
            efer |= CPUM_EFER_LMA;
    }
    if (!(diff & (pg | CPUM_CR0_WP | CPUM_CR0_PE | CPUM_CR0_CD | CPUM_CR0_NW))) {
        x->cr0 = val; /* TS, MP, EM ...: nothing of paging */
    } else {
        if (!apply(c, val, x->cr3, x->cr4, efer))
            return false;
        if (diff & (pg | CPUM_CR0_WP | CPUM_CR0_PE))
            pgm_mmu_flush(&c->mmu, true);
    }
    cpum_mode_update(c);
    return true;
}

bool cpum_cr3_write(struct vcpu *c, uint64_t val)
{
    struct cpum_ctx *x = &c->ctx;

    uint64_t keep = 0;

    if (x->efer & CPUM_EFER_LMA) {
        if (x->cr4 & CPUM_CR4_PCIDE) {
            keep = val & PGM_CR3_KEEP;
            val &= ~keep;
        }
        if (val >> c->profile->phys_bits)
            return false;
    } else {
        val &= 0xffffffff;
    }
    if (!apply(c, x->cr0, val | keep, x->cr4, x->efer))
        return false;
    x->cr3 = val;
    return true;
}

bool cpum_cr4_write(struct vcpu *c, uint64_t val)
{
    const uint64_t flushing =
        CPUM_CR4_PSE | CPUM_CR4_PAE | CPUM_CR4_PGE | CPUM_CR4_PCIDE | CPUM_CR4_SMEP | CPUM_CR4_SMAP;
    struct cpum_ctx *x = &c->ctx;
    uint64_t diff = val ^ x->cr4;

    if (val & ~c->profile->cr4_mask)
        return false;
    if ((x->efer & CPUM_EFER_LMA) && !(val & CPUM_CR4_PAE))
        return false;
    if ((diff & val & CPUM_CR4_PCIDE) && (!(x->efer & CPUM_EFER_LMA) || (x->cr3 & 0xfff)))
        return false;
    if (diff & flushing) {
        if (!apply(c, x->cr0, x->cr3, val, x->efer))
            return false;
        pgm_mmu_flush(&c->mmu, true);
    } else {
        x->cr4 = val;
    }
    cpum_mode_update(c);
    return true;
}

bool cpum_xcr0_write(struct vcpu *c, uint64_t val)
{
    if (!(val & 1) || (val & ~c->profile->xcr0_mask) || ((val & 4) && !(val & 2)))
        return false;
    c->ctx.xcr0 = val;
    cpum_mode_update(c);
    return true;
}

bool cpum_efer_write(struct vcpu *c, uint64_t val)
{
    struct cpum_ctx *x = &c->ctx;
    uint64_t diff;

    val = (val & ~(uint64_t)CPUM_EFER_LMA) | (x->efer & CPUM_EFER_LMA); /* writes to LMA are ignored, APM 3.1.7 */
    diff = val ^ x->efer;
    if (val & ~(c->profile->efer_mask | CPUM_EFER_LMA))
        return false;
    if ((diff & CPUM_EFER_LME) && (x->cr0 & CPUM_CR0_PG))
        return false;
    if (!apply(c, x->cr0, x->cr3, x->cr4, val))
        return false;
    if (diff & CPUM_EFER_NXE)
        pgm_mmu_flush(&c->mmu, true);
    cpum_mode_update(c);
    return true;
}
