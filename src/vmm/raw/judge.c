/*
 * judge.c - which pages of code may run natively: those without an instruction whose result would be the host's and not
 * the guest's, and would not trap.
 *
 * The opcode maps know them: X86_RULE_MACHINE marks what shows or changes more than registers and memory. Of these,
 * some trap in the jail (time stamp counter, CPUID where the host can make it fault); some do the same on both. A few
 * that are not marked are refused, too: PUSHF shows IF and IOPL, XSAVE the host's components, SYSENTER loses its place,
 * INT 80h the upper half of RAX. Instructions the guest's processor does not have would run on a host that has them.
 *
 * Sources: SDM vol. 3 table 2-2 (what ring 3 sees), vol. 2 by instruction.
 * Left out: instructions hidden inside others (csam/sweep.h). Such code harms nobody but itself: it sees the host's
 * selectors and CPU number.
 */
#include "vmm/raw/raw_int.h"

#include <string.h>

#include "vmm/csam/sweep.h"

#define IN_PAGE   ((uint64_t)PGM_PAGE_BYTES - 1)
#define TURNS_MAX 16u /* a page that becomes new code more often belongs to the recompiler */
#define EVEX      0x62
#define XOP       0x8f
#define VECTOR_80 0x80u

/* Marked or not, this one may run. */
static bool known_good(const struct raw *r, const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_RDTSC:
    case X86_RDTSCP:
    case X86_RDPMC:
    case X86_MONITOR:
    case X86_MWAIT: return true; /* they trap */
    case X86_RDRAND:
    case X86_RDSEED: return true; /* nobody can tell */
    case X86_RDFSBASE:
    case X86_RDGSBASE:
    case X86_WRFSBASE:
    case X86_WRGSBASE: return (r->c->ctx.cr4 & CPUM_CR4_FSGSBASE) != 0; /* the bases are the guest's */
    case X86_CPUID: return r->cpuid_traps;
    default: return !(i->row->rules & X86_RULE_MACHINE);
    }
}

static bool known_bad(const struct raw *r, const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_PUSHF:
    case X86_POPF:
    case X86_PUSH_SREG:
    case X86_MOV_SREG:
    case X86_SYSENTER:
    case X86_VMCALL:
    case X86_VMMCALL: return true;
    case X86_INT: return i->imm[0] == VECTOR_80;
    case X86_XGETBV:
    case X86_XSAVE:
    case X86_XSAVEOPT:
    case X86_XSAVEC:
    case X86_XRSTOR: return r->host_xcr0 != r->c->ctx.xcr0;
    default: return i->vex && !(r->c->mode.key & CPUM_KEY_AVX);
    }
}

/* Bytes the decoder does not know: data, most of the time. What a newer host might execute is refused. */
static bool harmless_bytes(const uint8_t *bytes)
{
    unsigned n = 0;

    while (n < 4 && (bytes[n] == 0x66 || bytes[n] == 0xf2 || bytes[n] == 0xf3 || bytes[n] == 0xf0 ||
                     (bytes[n] & 0xf0) == 0x40 || bytes[n] == 0x64 || bytes[n] == 0x65 || bytes[n] == 0x67))
        n++;
    switch (bytes[n]) {
    case EVEX:
    case XOP:
    case 0xc4: /* VEX */
    case 0xc5:
    case 0xc6: /* TSX */
    case 0xc7:
    case 0x0f: return false;
    default: return true;
    }
}

static bool harmless(void *user, const struct x86_insn *i, const uint8_t *bytes)
{
    const struct raw *r = user;

    if (i == NULL)
        return harmless_bytes(bytes);
    if (i->mnem == X86_XGETBV)
        return !known_bad(r, i);
    return cpum_has(r->c, i->feature) && !known_bad(r, i) && known_good(r, i);
}

/* ---- pages ---- */

/* Where the guest's bytes of a page are, if it is accessible code. */
static const uint8_t *code_at(struct raw *r, uint64_t gla)
{
    struct pgm_page page;
    uint64_t gpa;

    if (!(pgm_mmu_known(&r->c->mmu, PGM_IDX_USER, gla, &gpa) & 1u << PGM_EXEC))
        return NULL;
    pgm_page_get(r->c->mmu.pgm, gpa, false, &page);
    return page.hva;
}

static bool sweep(struct raw *r, uint64_t gla, uint64_t gpa)
{
    const uint8_t *before = code_at(r, (gla & ~IN_PAGE) - PGM_PAGE_BYTES), *after;
    struct csam_window w = {.has_lead = before != NULL};
    struct pgm_page page;

    after = code_at(r, (gla & ~IN_PAGE) + PGM_PAGE_BYTES);
    w.has_tail = after != NULL;
    pgm_page_get(r->c->mmu.pgm, gpa, false, &page);
    if (page.hva == NULL)
        return false;
    if (before != NULL)
        memcpy(w.bytes, before + PGM_PAGE_BYTES - CSAM_LEAD_BYTES, CSAM_LEAD_BYTES);
    memcpy(w.bytes + CSAM_LEAD_BYTES, page.hva, PGM_PAGE_BYTES);
    if (after != NULL)
        memcpy(w.bytes + CSAM_LEAD_BYTES + PGM_PAGE_BYTES, after, CSAM_TAIL_BYTES);
    return csam_sweep(&w, (unsigned)(gla & IN_PAGE), r->c->mode.code, harmless, r);
}

static struct raw_judgement *judgement_of(const struct raw *r, uint64_t gpa)
{
    return (struct raw_judgement *)&r->judgement[(gpa >> PGM_PAGE_SHIFT) & (RAW_JUDGEMENTS - 1)];
}

/* The verdict, if it is about the bytes that are there now. */
static enum raw_verdict verdict(const struct raw_judgement *e, uint64_t gpa)
{
    if (e->gpa != ((gpa & ~IN_PAGE) | 1) || atomic_load(e->gen) != e->seen)
        return RAW_UNKNOWN;
    return (enum raw_verdict)e->verdict;
}

bool raw_judged_unfit(const struct raw *r, uint64_t gpa)
{
    const struct raw_judgement *e = judgement_of(r, gpa);

    return verdict(e, gpa) == RAW_UNFIT || (e->gpa == ((gpa & ~IN_PAGE) | 1) && e->turns >= TURNS_MAX);
}

bool raw_judge(struct raw *r, uint64_t gla, uint64_t gpa, _Atomic uint32_t **ret_gen, uint32_t *ret_seen)
{
    struct raw_judgement *e = judgement_of(r, gpa);
    enum raw_verdict known = verdict(e, gpa);

    gpa &= ~IN_PAGE;
    if (known == RAW_UNFIT || raw_judged_unfit(r, gpa))
        return false;
    if (known == RAW_UNKNOWN) {
        uint8_t turns = e->gpa == (gpa | 1) ? (uint8_t)(e->turns + 1) : 0;

        *e = (struct raw_judgement){.turns = turns};
        e->gen = pgm_code_watch(r->c->mmu.pgm, gpa, PGM_PAGE_BYTES, &e->seen); /* inv 2: before reading */
        if (e->gen == NULL)
            return false;
        e->gpa = gpa | 1;
        e->verdict = sweep(r, gla, gpa) ? RAW_FIT : RAW_UNFIT;
        r->stats.judged++;
        r->stats.refused += e->verdict == RAW_UNFIT;
    }
    *ret_gen = e->gen;
    *ret_seen = e->seen;
    return e->verdict == RAW_FIT;
}
