/*
 * policy.c - when raw mode pays.
 *
 * In translated code a program runs s times slower than natively; natively each trap costs c more, and a page that is
 * mapped for the first time f. c and f are measured when the machine starts. s is not known for a given program: it is
 * 3 and more for compilers and interpreters, less than 2 for simple loops. A program is let in while its traps would
 * cost less than ENTER_PERCENT of its time, and sent out when they cost more than LEAVE_PERCENT. Where they cost enough
 * that a small s would matter (DOUBT_PERCENT) and are for new pages it is measured which side gets on faster: a program
 * touches as many new pages on either side, so the processor time from one to the next tells.
 *
 * Outside, a trap is each time the run loop asks: it does so after every way through the guest's kernel. The thread's
 * own processor time counts, which neither a sleeping guest nor a busy host lets pass, as far as no other address space
 * asked in between. Inside, the time it computes is the processor time of the jail, less its part of the traps.
 *
 * Whoever is sent out because outside seemed faster is looked at there for one window: if it is not, it comes back at
 * once, else after a pause. Pauses double for those whose traps are too many; a program that begins to use memory pays
 * for its pages once: it waits outside while it touches page after page and does little with them.
 */
#include "vmm/raw/raw_int.h"

#include <time.h>

#define MS               UINT64_C(1000000)
#define PAE_SHIFT        5u /* roots of PAE are not pages */
#define ENTER_WINDOW_NS  (5 * MS)
#define LEAVE_WINDOW_NS  (4 * MS)
#define LEAVE_TRAPS      256u             /* or so many traps */
#define ENTER_PERCENT    40u              /* of the time, as much as traps may cost to come in ... */
#define LEAVE_PERCENT    60u              /* ... and to stay ... */
#define FILL_PERCENT     80u              /* ... with those for new pages */
#define DOUBT_PERCENT    15u              /* less than this is right in any case */
#define GAPS_MIN         16u              /* traps in a window that tell how fast it gets on */
#define NO_GAP           (UINT64_MAX / 8) /* outside: other things than new pages stopped it */
#define HASTE_MAX        24u              /* pages touched one after the other, with nearly nothing in between */
#define BAD_WINDOWS      3u               /* filling pages alone: so many windows */
#define BACK_OFF_NS      (20 * MS)
#define BACK_OFF_DOUBLES 7u

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

uint64_t raw_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t thread_spent_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

const struct raw_times raw_host_times = {raw_now_ns, thread_spent_ns, jail_used_ns};

static struct raw_policy *policy_of(struct raw *r, uint64_t root)
{
    struct raw_policy *p = &r->policy[(root >> PGM_PAGE_SHIFT ^ root >> PAE_SHIFT) & (RAW_POLICIES - 1)];

    if (p->root != root)
        *p = (struct raw_policy){.root = root, .faults_at = r->c->stat_xcpts};
    return p;
}

/* ---- outside ---- */

static void begin_outside(const struct raw *r, struct raw_policy *p)
{
    p->busy_ns = 0;
    p->asks = 0;
    p->faults_at = r->c->stat_xcpts;
}

static void let_in(struct raw *r, struct raw_policy *p)
{
    p->in = true;
    p->compares = false;
    p->not_before_ns = 0;
    p->jail = NULL;
    p->bad = p->haste = 0;
    r->stats.admitted++;
}

/* The thread's processor time since it was asked the last time, if that was for this address space as well. */
static void count_outside(struct raw *r, struct raw_policy *p)
{
    const uint64_t spent = r->times->spent_ns();

    if (r->last_asked == p)
        p->busy_ns += spent - p->last_ns;
    p->last_ns = spent;
    p->asks++;
    r->last_asked = p;
}

/* Its traps would cost little. */
static bool seems_worth(const struct raw *r, const struct raw_policy *p)
{
    return p->asks * r->cost_ns * 100 < p->busy_ns * ENTER_PERCENT;
}

/* @a is clearly more than @b. */
static bool clearly_more(uint64_t a, uint64_t b)
{
    return a * 4 > b * 5;
}

/* Nobody counts until it is over. */
static void pause_outside(struct raw *r, struct raw_policy *p, uint64_t now, bool longer)
{
    r->last_asked = NULL;
    p->not_before_ns = now + (BACK_OFF_NS << p->back_off);
    if (longer)
        p->back_off = MIN(p->back_off + 1, BACK_OFF_DOUBLES);
}

/* What stopped it were nearly all page faults. Code that is not translated yet asks far more often. */
static bool mostly(uint64_t faults, uint64_t all)
{
    return faults * 4 >= all * 3 && faults * 4 <= all * 5;
}

/* The window after it was sent out for being slower inside. */
static bool was_wrong(const struct raw_policy *p)
{
    return p->asks < GAPS_MIN || clearly_more(p->gap_outside_ns, p->gap_inside_ns);
}

static void end_outside(struct raw *r, struct raw_policy *p, uint64_t now)
{
    if (mostly(r->c->stat_xcpts - p->faults_at, p->asks))
        p->gap_outside_ns = p->busy_ns / p->asks;
    else
        p->gap_outside_ns = p->compares ? NO_GAP : 0;
    if (p->compares ? was_wrong(p) : seems_worth(r, p))
        let_in(r, p);
    else if (p->compares)
        pause_outside(r, p, now, false);
    p->compares = false;
    begin_outside(r, p);
}

bool raw_policy_enter(struct raw *r, uint64_t root)
{
    struct raw_policy *p = policy_of(r, root);
    uint64_t now;

    if (r->will == RAW_WHENEVER_POSSIBLE)
        return true;
    if (p->in) {
        p->alone &= r->last_asked == p;
        r->last_asked = p;
        return true;
    }
    now = r->times->now_ns();
    if (p->not_before_ns != 0) {
        if (now >= p->not_before_ns)
            let_in(r, p);
        return p->in;
    }
    count_outside(r, p);
    if (p->busy_ns >= ENTER_WINDOW_NS)
        end_outside(r, p, now);
    return p->in;
}

/* ---- inside ---- */

enum why { WAYS, PAGES, SLOWER }; /* traps; pages mapped for the first time; outside seems faster */

static void send_out(struct raw *r, struct raw_policy *p, enum why why)
{
    p->in = false;
    p->compares = why == SLOWER;
    if (why != SLOWER)
        pause_outside(r, p, r->times->now_ns(), why == WAYS);
    begin_outside(r, p);
    r->last_asked = NULL; /* what it has spent since it came in does not count */
    r->stats.expelled++;
}

/* The window begins: in a jail that has used @used_ns so far. */
static void begin_inside(struct raw *r, struct raw_policy *p, const struct jail *j, uint64_t used_ns)
{
    p->jail = j;
    p->used_ns = used_ns;
    p->spent_ns = r->times->spent_ns();
    p->inside_ns = 0;
    p->traps = p->fills = 0;
    p->alone = true;
}

/* Traps cost more than @percent of the time. @computed_ns: of the jail; half of what a trap costs is in there. */
static bool too_dear(const struct raw *r, uint64_t traps, uint64_t fills, uint64_t computed_ns, unsigned percent)
{
    const uint64_t costs = (traps + fills) * r->cost_ns + fills * r->map_ns;
    const uint64_t useful = computed_ns > costs / 2 ? computed_ns - costs / 2 : 0;

    return costs * (100 - percent) > useful * percent;
}

/* It is not worth much if at all, and gets on slower than it did outside, or has not been looked at there. */
static bool slower(const struct raw *r, struct raw_policy *p, uint64_t computed_ns)
{
    const uint32_t stops = p->traps + p->fills;

    if (stops < GAPS_MIN || !mostly(p->fills, stops) || !p->alone ||
        !too_dear(r, p->traps, p->fills, computed_ns, DOUBT_PERCENT))
        return false;
    p->gap_inside_ns = (computed_ns + r->times->spent_ns() - p->spent_ns) / stops;
    return p->gap_outside_ns == 0 || clearly_more(p->gap_inside_ns, p->gap_outside_ns);
}

bool raw_policy_stay(struct raw *r, uint64_t root, const struct jail *j, uint64_t ran_ns)
{
    struct raw_policy *p = policy_of(r, root);
    uint64_t used, computed;
    bool ways_bad, all_bad;

    if (r->will == RAW_WHENEVER_POSSIBLE)
        return true;
    if (p->jail != j)
        begin_inside(r, p, j, r->times->used_ns(j));
    p->traps++;
    p->ran_ns = ran_ns;
    p->inside_ns += ran_ns;
    if (p->inside_ns < LEAVE_WINDOW_NS && p->traps + p->fills < LEAVE_TRAPS)
        return true;
    used = r->times->used_ns(j);
    computed = used - p->used_ns;
    ways_bad = too_dear(r, p->traps, 0, computed, LEAVE_PERCENT);
    all_bad = too_dear(r, p->traps, p->fills, computed, FILL_PERCENT);
    p->bad = all_bad ? p->bad + 1 : 0;
    if (ways_bad || p->bad >= BAD_WINDOWS || slower(r, p, computed)) {
        send_out(r, p, ways_bad ? WAYS : p->bad >= BAD_WINDOWS ? PAGES : SLOWER);
        return false;
    }
    if (!all_bad && p->back_off > 0)
        p->back_off--;
    begin_inside(r, p, j, used);
    return true;
}

bool raw_policy_filled(struct raw *r, uint64_t root)
{
    struct raw_policy *p = policy_of(r, root);

    if (r->will == RAW_WHENEVER_POSSIBLE || !p->in)
        return r->will == RAW_WHENEVER_POSSIBLE;
    if (p->traps > 0) {
        p->traps--;
        p->fills++;
    }
    p->haste = p->ran_ns < r->cost_ns * 3 / 4 ? p->haste + 1 : 0;
    if (p->haste < HASTE_MAX)
        return true;
    send_out(r, p, PAGES);
    return false;
}
