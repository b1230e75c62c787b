/*
 * patm.c - see patm.h. Sites one behind the other, so that few take little memory, found by an open hash table of
 * their numbers; they are not removed one by one.
 */
#include "vmm/patm/patm.h"

#include <stddef.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

/* Catches until a site is marked: a host fault is dear, an access the interpreter makes is not. */
static const uint8_t catches[PATM_KINDS] = {[PATM_MISALIGNED] = 1, [PATM_ODD] = 1, [PATM_DEVICE] = 4, [PATM_APART] = 3};

static unsigned slot_of(enum patm_kind kind, uint64_t gpa, uint64_t key)
{
    uint64_t all = gpa ^ key * 0x10001 ^ (uint64_t)kind << 60;

    return (unsigned)(all * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PATM_SITES_BITS));
}

/* The place with the site's number, or the free one where it would be. */
static unsigned find(const struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key)
{
    unsigned at = slot_of(kind, gpa, key);

    for (;; at = (at + 1) & (PATM_SITES - 1)) {
        const struct patm_site *s;
        if (p->number[at] == 0)
            return at;
        s = &p->site[p->number[at] - 1];
        if (s->gpa == gpa && s->key == key && s->kind == kind)
            return at;
    }
}

static struct patm_site *get(struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key)
{
    uint32_t *number;

    if (p->used == PATM_SITES_MAX)
        patm_forget(p);
    number = &p->number[find(p, kind, gpa, key)];
    if (*number == 0) {
        p->site[p->used] = (struct patm_site){.gpa = gpa, .key = key, .kind = (uint8_t)kind};
        *number = ++p->used;
    }
    return &p->site[*number - 1];
}

void patm_forget(struct patm *p)
{
    memset(p->number, 0, sizeof p->number);
    p->used = p->cursor = 0;
    p->stat_forgotten++;
}

bool patm_catch(struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key, uint64_t now)
{
    struct patm_site *s = get(p, kind, gpa, key);

    p->stat_caught[kind]++;
    if (s->marked)
        return false;
    s->seen++;
    if (s->seen < catches[kind] << s->released)
        return false;
    s->until = now + (PATM_TERM_NS << s->terms);
    if (s->terms < PATM_TERMS_MAX)
        s->terms++;
    s->marked = true;
    p->stat_marked[kind]++;
    return true;
}

bool patm_marked(const struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key)
{
    const uint32_t number = p->number[find(p, kind, gpa, key)];

    return number != 0 && p->site[number - 1].marked;
}

static void unmark(struct patm_site *s)
{
    s->marked = false;
    s->seen = 1;
}

void patm_release(struct patm *p, enum patm_kind kind, uint64_t gpa, uint64_t key)
{
    struct patm_site *s;

    if (!patm_marked(p, kind, gpa, key))
        return;
    s = &p->site[p->number[find(p, kind, gpa, key)] - 1];
    unmark(s);
    if (s->released < PATM_TERMS_MAX)
        s->released++;
}

void patm_expire(struct patm *p, uint64_t now, unsigned max, void (*expired)(void *user, const struct patm_site *site),
                 void *user)
{
    unsigned told = 0;

    for (unsigned n = 0; n < PATM_LOOKED_AT && n < p->used && told < max; n++) {
        struct patm_site *s = &p->site[p->cursor];
        p->cursor = (p->cursor + 1) % p->used;
        if (!s->marked || s->until > now)
            continue;
        unmark(s);
        p->stat_expired++;
        told++;
        expired(user, s);
    }
}

void patm_faults(struct patm *p, uint64_t now, uint64_t faults)
{
    uint64_t ns = now - p->faults_since;

    if (ns < SECOND_NS)
        return;
    if (p->faults_since != 0) {
        p->stat_faults_rate = (uint64_t)((double)(faults - p->faults_before) * 1e9 / (double)ns);
        if (p->stat_faults_rate > p->stat_faults_worst)
            p->stat_faults_worst = p->stat_faults_rate;
        p->stat_over_budget += p->stat_faults_rate > PATM_FAULTS_BUDGET;
    }
    p->faults_before = faults;
    p->faults_since = now;
}
