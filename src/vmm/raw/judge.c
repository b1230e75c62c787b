/*
 * judge.c - which pages of code may run natively: those without an instruction whose result would be the host's and not
 * the guest's, and would not trap.
 *
 * The opcode maps know them: X86_RULE_MACHINE marks what shows or changes more than registers and memory. Of these,
 * some trap in the jail (time stamp counter, CPUID where the host can make it fault); some do the same on both. A few
 * that are not marked are refused, too: PUSHF shows IF and IOPL, XSAVE the host's components, SYSENTER and 32-bit
 * SYSCALL lose their place, INT 80h the upper half of RAX, INTO and INT 4 leave no trace of what they were. The whole
 * page is read for them.
 *
 * Instructions the guest's processor does not have would run on a host that has them (AVX-512). Libraries keep them
 * beside what everybody has, and ask CPUID first; so a page is refused for them only if the address it is entered at
 * leads there.
 *
 * Sources: SDM vol. 3 table 2-2 (what ring 3 sees), vol. 2 by instruction.
 * Left out: instructions hidden inside others (csam/sweep.h); what a program that does not ask CPUID does on another
 * way through the page. Such code harms nobody but itself: it sees the host's selectors and CPU number, or computes on.
 */
#include "vmm/raw/raw_int.h"

#include <cpuid.h>
#include <string.h>

#include "vmm/csam/sweep.h"

#define IN_PAGE   ((uint64_t)PGM_PAGE_BYTES - 1)
#define TURNS_MAX 6u                   /* a page that becomes new code more often belongs to the recompiler ... */
#define TURNS_NS  UINT64_C(1000000000) /* ... until it has not for so long */
#define VECTOR_OF 4u
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
    case X86_CPUID: return r->host.cpuid_traps;
    case X86_XGETBV: return r->host.xcr0 == r->c->ctx.xcr0;
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
    case X86_VMMCALL:
    case X86_INTO: return true;
    case X86_SYSCALL: return !r->c->mode.code64;
    case X86_INT: return i->imm[0] == VECTOR_OF || (i->imm[0] == VECTOR_80 && r->c->mode.code64);
    case X86_XSAVE:
    case X86_XSAVEOPT:
    case X86_XSAVEC:
    case X86_XRSTOR: return r->host.xcr0 != r->c->ctx.xcr0;
    default: return false;
    }
}

/* ---- bytes the decoder does not know: data, most of the time, or what a newer host would execute ---- */

/* Return: the bytes behind legacy prefixes and REX. */
static const uint8_t *behind_prefixes(const uint8_t *b)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    const uint8_t *end = b + X86_MAX_LEN - 4;

    while (b < end && ((*b & 0xf0) == 0x40 || memchr(prefixes, *b, sizeof prefixes) != NULL))
        b++;
    return b;
}

/* VEX: AMD's four-operand forms are in libraries and on few hosts; everything else may exist. */
static bool vex_traps(const struct raw *r, const uint8_t *b)
{
    const bool fma4 =
        b[0] == 0xc4 && (b[1] & 0x1f) == 3 &&
        ((b[3] >= 0x5c && b[3] <= 0x5f) || (b[3] >= 0x68 && b[3] <= 0x6f) || (b[3] >= 0x78 && b[3] <= 0x7f));

    return fma4 && !r->host.fma4;
}

static bool two_byte_traps(const struct raw *r, const uint8_t *b)
{
    switch (b[1]) {
    case 0x01:
        return ((b[2] == 0xd5 || b[2] == 0xd6) && !r->host.rtm) || ((b[2] == 0xee || b[2] == 0xef) && !r->host.pku);
    case 0x04:
    case 0x0a:
    case 0x0c:
    case 0x24:
    case 0x25:
    case 0x26:
    case 0x27: return true;                  /* never given to anything that is left */
    case 0xae: return (b[2] & 0xf8) == 0xe8; /* INCSSP: without shadow stacks #UD */
    default: return false;
    }
}

static bool unknown_traps(const struct raw *r, const uint8_t *bytes)
{
    const uint8_t *b = behind_prefixes(bytes);

    switch (b[0]) {
    case 0x62: return !r->host.avx512;
    case 0x8f: return !r->host.xop;
    case 0xc4:
    case 0xc5: return vex_traps(r, b);
    case 0xc6:
    case 0xc7: return b[1] != 0xf8 || !r->host.rtm;
    case 0x0f: return two_byte_traps(r, b);
    default: return true;
    }
}

/* The host would show itself, or its state would, whatever the guest's processor has. */
static bool shows_nothing(void *user, const struct x86_insn *i, const uint8_t *bytes)
{
    const struct raw *r = user;

    (void)bytes;
    return i == NULL || !cpum_has(r->c, i->feature) || (!known_bad(r, i) && known_good(r, i));
}

/* The guest's processor would execute it, too, or the host's does not either. */
static bool is_the_guests(void *user, const struct x86_insn *i, const uint8_t *bytes)
{
    const struct raw *r = user;

    if (i == NULL)
        return unknown_traps(r, bytes);
    return cpum_has(r->c, i->feature) && (!i->vex || (r->c->mode.key & CPUM_KEY_AVX));
}

static bool fits(void *user, const struct x86_insn *i, const uint8_t *bytes)
{
    return shows_nothing(user, i, bytes) && is_the_guests(user, i, bytes);
}

/* ---- pages ---- */

/* Where the guest's bytes of a neighbour are, whether the program has been there or not. */
static const uint8_t *bytes_at(struct raw *r, uint64_t gla)
{
    struct pgm_page page;
    uint64_t gpa;

    if (!pgm_mmu_peek(&r->c->mmu, gla, &gpa))
        return NULL;
    pgm_page_get(r->c->mmu.pgm, gpa, false, &page);
    return page.hva;
}

void raw_judge_init(struct raw *r)
{
    unsigned a, b, c, d;

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        r->host.avx512 = b & 1u << 16;
        r->host.rtm = b & 1u << 11;
        r->host.pku = c & 1u << 4; /* switched on */
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        r->host.fma4 = c & 1u << 16;
        r->host.xop = c & 1u << 11;
    }
    r->host.x87_pointers = __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
    if (__get_cpuid(0x80000008, &a, &b, &c, &d) && (b & 1u << 2)) /* AMD: RstrFpErrPtrs */
        r->host.x87_pointers = true;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    r->host.xcr0 = (uint64_t)d << 32 | a;
}

/* The page and what is around it. Return: false: it cannot be read. */
static bool look_around(struct raw *r, uint64_t gla, uint64_t gpa, struct csam_window *ret)
{
    const uint8_t *before = bytes_at(r, gla - PGM_PAGE_BYTES), *after = bytes_at(r, gla + PGM_PAGE_BYTES);
    struct pgm_page page;

    ret->has_lead = before != NULL;
    ret->has_tail = after != NULL;
    pgm_page_get(r->c->mmu.pgm, gpa, false, &page);
    if (page.hva == NULL)
        return false;
    if (before != NULL)
        memcpy(ret->bytes, before + PGM_PAGE_BYTES - CSAM_LEAD_BYTES, CSAM_LEAD_BYTES);
    memcpy(ret->bytes + CSAM_LEAD_BYTES, page.hva, PGM_PAGE_BYTES);
    if (after != NULL)
        memcpy(ret->bytes + CSAM_LEAD_BYTES + PGM_PAGE_BYTES, after, CSAM_TAIL_BYTES);
    return true;
}

static bool sweep(struct raw *r, uint64_t gla, uint64_t entry, uint64_t gpa)
{
    const int at = (int)(int64_t)(entry - gla);
    struct csam_window w = {0};

    return look_around(r, gla, gpa, &w) && (at >= 0 || w.has_lead) &&
           csam_sweep(&w, r->c->mode.code, shows_nothing, r, &r->shows_nothing) &&
           csam_follow(&w, at, r->c->mode.code, fits, r, &r->fits);
}

static struct raw_judgement *judgement_of(const struct raw *r, uint64_t gpa)
{
    return (struct raw_judgement *)&r->judgement[(gpa >> PGM_PAGE_SHIFT) & (RAW_JUDGEMENTS - 1)];
}

/* A page is judged for one kind of code. Never 0. */
static uint64_t name_of(const struct raw *r, uint64_t gpa)
{
    return (gpa & ~IN_PAGE) | (r->c->mode.code64 ? 1 : 2);
}

/* The verdict, if it is about the bytes that are there now. */
static enum raw_verdict verdict(const struct raw *r, const struct raw_judgement *e, uint64_t gpa)
{
    if (e->gpa != name_of(r, gpa) || atomic_load(e->gen) != e->seen)
        return RAW_UNKNOWN;
    return (enum raw_verdict)e->verdict;
}

/* It becomes other code again and again. */
static bool never_settles(const struct raw *r, const struct raw_judgement *e, uint64_t gpa)
{
    return e->turns >= TURNS_MAX && e->gpa == name_of(r, gpa) && r->will != RAW_WHENEVER_POSSIBLE &&
           r->times->now_ns(r) - e->turned_ns < TURNS_NS;
}

/* How often it has by now, when it has once more. */
static unsigned turns_now(const struct raw *r, const struct raw_judgement *e, uint64_t gpa)
{
    if (e->gpa != name_of(r, gpa) || r->times->now_ns(r) - e->turned_ns >= TURNS_NS)
        return 0;
    return MIN(e->turns + 1u, TURNS_MAX);
}

bool raw_judged_fit(const struct raw *r, uint64_t gpa)
{
    return verdict(r, judgement_of(r, gpa), gpa) == RAW_FIT;
}

bool raw_judged_unfit(const struct raw *r, uint64_t gpa)
{
    const struct raw_judgement *e = judgement_of(r, gpa);

    return verdict(r, e, gpa) == RAW_UNFIT || never_settles(r, e, gpa);
}

/* Of the bytes that are there now. Return: false: not this page. */
static bool judge_anew(struct raw *r, struct raw_judgement *e, uint64_t gla, uint64_t entry, uint64_t gpa)
{
    const uint64_t since_ns = r->times->spent_ns();

    *e = (struct raw_judgement){.turns = (uint8_t)turns_now(r, e, gpa), .turned_ns = r->times->now_ns(r)};
    e->gen = pgm_code_watch(r->c->mmu.pgm, gpa, PGM_PAGE_BYTES, &e->seen); /* inv 2: before reading */
    if (e->gen == NULL)
        return false;
    e->gpa = name_of(r, gpa);
    e->verdict = sweep(r, gla, entry, gpa) ? RAW_FIT : RAW_UNFIT;
    r->stats.judged_ns += r->times->spent_ns() - since_ns;
    r->stats.judged++;
    r->stats.refused += e->verdict == RAW_UNFIT;
    return true;
}

bool raw_judge(struct raw *r, uint64_t gla, uint64_t entry, uint64_t gpa, _Atomic uint32_t **ret_gen,
               uint32_t *ret_seen)
{
    struct raw_judgement *e = judgement_of(r, gpa);

    gla &= ~IN_PAGE;
    gpa &= ~IN_PAGE;
    if (raw_judged_unfit(r, gpa) || (verdict(r, e, gpa) == RAW_UNKNOWN && !judge_anew(r, e, gla, entry, gpa)))
        return false;
    *ret_gen = e->gen;
    *ret_seen = e->seen;
    return e->verdict == RAW_FIT;
}
