/*
 * patm.h - what is known about single instructions ("sites") that did not do as they were translated at first: PATM's
 * memory of which form a site should have.
 *
 * A site is translated in its quickest form. When it is caught at what that form is bad at (the host traps on a
 * misaligned operand, the operand is a device's register, a group's probe misses for good), often enough, it is marked,
 * and its block translated anew with the form that suits. The mark has a term: then the first form is tried again,
 * because data move and programs go. A site that is caught again is marked for twice as long, so that the catches of a
 * machine's life grow with the logarithm of time only. Sites are known by physical address and kind of code; marks stay
 * when translations are forgotten.
 *
 * Thread: a vCPU's own. Time is what the caller counts, in ns, and only goes up.
 * Invariant 1: a site's term never shrinks while it is remembered; patm_forget() is the way back to the beginning.
 */
#ifndef VMM_PATM_PATM_H
#define VMM_PATM_PATM_H

#include <stdbool.h>
#include <stdint.h>

#define PATM_SITES_BITS 17u
#define PATM_SITES      (1u << PATM_SITES_BITS) /* places in the hash table; with 3/4 of them everything is forgotten */
#define PATM_SITES_MAX  (PATM_SITES / 4 * 3)
#define PATM_LOOKED_AT  1024u /* sites patm_expire() looks at */
#define PATM_TERM_NS    (UINT64_C(16) << 30)
#define PATM_TERMS_MAX  10u /* doublings of the first term, and of the catches after a release */

enum patm_kind {
    PATM_MISALIGNED,
    PATM_ODD, /* ... and its halves were misaligned too */
    PATM_DEVICE,
    PATM_APART, /* a group's accesses lie in two pages */
    PATM_KINDS
};

struct patm_site {
    uint64_t gpa, until;
    uint64_t key;  /* kind of code */
    uint16_t seen; /* catches since it lost its mark */
    uint8_t kind, terms, released;
    bool marked;
};

struct patm {
    uint32_t number[PATM_SITES]; /* a site's number + 1; 0: free */
    struct patm_site site[PATM_SITES_MAX];
    unsigned used, cursor; /* sites; where to look next for terms that are over */
    uint64_t stat_caught[PATM_KINDS], stat_marked[PATM_KINDS], stat_expired, stat_forgotten;
    /* host faults, told by patm_faults() */
    uint64_t faults_before, faults_since;
    uint64_t stat_faults_rate, stat_faults_worst, stat_over_budget;
};
#define PATM_FAULTS_BUDGET 500u /* a second */

/** The site was caught at @now. Return: it is marked from now on, and was not before. */
bool patm_catch(struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key, uint64_t now);
bool patm_marked(const struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key);
/** The site's form no longer suits: its mark ends at once, and the next one takes twice as many catches. */
void patm_release(struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key);
/**
 * patm_expire() - takes the marks away whose term is over, looking at a part of the sites each time; tells each.
 * @max: no more than that many.
 */
void patm_expire(struct patm *p, uint64_t now, unsigned max, void (*expired)(void *user, const struct patm_site *site),
                 void *user);
/** @faults so far: once a second or later, how many a second, and whether that was more than the budget. */
void patm_faults(struct patm *p, uint64_t now, uint64_t faults);
void patm_forget(struct patm *p);

#endif
