/*
 * policy.c - when raw mode pays.
 *
 * In translated code a program runs s times slower than natively; natively each trap costs c more. So raw mode wins
 * while traps * c < (s - 1) * the time it computes. c is measured when the machine starts. s is not known for a given
 * program, but is 3 and more for compilers and interpreters: they win until traps take two thirds of their time. A
 * program is let in while its traps would cost less than ENTER_PERCENT of its time, and sent out when they cost more
 * than LEAVE_PERCENT.
 *
 * Outside, a trap is each time the run loop asks: it does so after every way through the guest's kernel. The thread's
 * own processor time counts, which neither a sleeping guest nor a busy host lets pass, as far as no other address space
 * asked in between. Inside, the time it computes is the processor time of the jail, less its part of the traps. Pages
 * that are mapped for the first time are counted apart: they cost more (FILL_COSTS), but a program that begins to use
 * memory pays for it once; while it touches page after page and does little with them, it waits outside.
 */
#include "vmm/raw/raw_int.h"

#include <time.h>

#define MS               UINT64_C(1000000)
#define PAE_SHIFT        5u /* roots of PAE are not pages */
#define ENTER_WINDOW_NS  (5 * MS)
#define LEAVE_WINDOW_NS  (4 * MS)
#define ENTER_PERCENT    40u /* of the time, as much as traps may cost to come in ... */
#define LEAVE_PERCENT    60u /* ... and to stay */
#define FILL_COSTS       3u  /* of a trap: another to have the page mapped, and what the host does for it */
#define HASTE_COSTS      3u  /* a program that computes less between two of them is better off outside ... */
#define HASTE_MAX        24u /* ... if it does so often */
#define BAD_WINDOWS      3u  /* filling pages alone: so many windows */
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

static struct raw_policy *policy_of(struct raw *r, uint64_t root)
{
    struct raw_policy *p = &r->policy[(root >> PGM_PAGE_SHIFT ^ root >> PAE_SHIFT) & (RAW_POLICIES - 1)];

    if (p->root != root)
        *p = (struct raw_policy){.root = root};
    return p;
}

static void begin_window(struct raw_policy *p)
{
    p->busy_ns = 0;
    p->asks = 0;
}

static void let_in(struct raw *r, struct raw_policy *p)
{
    p->in = true;
    p->inside_ns = 0;
    p->jail = NULL;
    p->traps = p->fills = p->bad = p->haste = 0;
    r->stats.admitted++;
}

/* @for_good: the program's ways, not its beginning, are the reason. */
static void send_out(struct raw *r, struct raw_policy *p, uint64_t now, bool for_good)
{
    p->in = false;
    p->not_before_ns = now + (BACK_OFF_NS << p->back_off);
    if (for_good)
        p->back_off = MIN(p->back_off + 1, BACK_OFF_DOUBLES);
    begin_window(p);
    r->stats.expelled++;
}

bool raw_policy_enter(struct raw *r, uint64_t root)
{
    struct raw_policy *p = policy_of(r, root);
    uint64_t now = raw_now_ns(), spent;

    if (r->will == RAW_WHENEVER_POSSIBLE)
        return true;
    if (p->in || now < p->not_before_ns)
        return p->in;
    spent = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (r->last_asked == p)
        p->busy_ns += spent - p->last_ns;
    p->last_ns = spent;
    r->last_asked = p;
    p->asks++;
    if (p->busy_ns < ENTER_WINDOW_NS)
        return false;
    if (p->asks * r->cost_ns * 100 < p->busy_ns * ENTER_PERCENT)
        let_in(r, p);
    else
        begin_window(p);
    return p->in;
}

/* The window begins: in a jail that has used @used_ns so far. */
static void begin_inside(struct raw_policy *p, const struct jail *j, uint64_t used_ns)
{
    p->jail = j;
    p->used_ns = used_ns;
    p->inside_ns = 0;
    p->traps = p->fills = 0;
}

/* Traps cost more than they may. @computed_ns: of the jail; half of what a trap costs is in there. */
static bool too_dear(const struct raw *r, uint64_t traps, uint64_t fills, uint64_t computed_ns)
{
    const uint64_t costs = (traps + fills * FILL_COSTS) * r->cost_ns, inside = (traps + fills * 2) * r->cost_ns / 2;
    const uint64_t useful = computed_ns > inside ? computed_ns - inside : 0;

    return costs * (100 - LEAVE_PERCENT) > useful * LEAVE_PERCENT;
}

bool raw_policy_stay(struct raw *r, const struct raw_space *s, uint64_t ran_ns)
{
    struct raw_policy *p = policy_of(r, s->root);
    uint64_t used;
    bool traps_bad, all_bad;

    if (r->will == RAW_WHENEVER_POSSIBLE)
        return true;
    if (p->jail != s->jail)
        begin_inside(p, s->jail, jail_used_ns(s->jail));
    p->traps++;
    p->ran_ns = ran_ns;
    p->inside_ns += ran_ns;
    if (p->inside_ns < LEAVE_WINDOW_NS)
        return true;
    used = jail_used_ns(s->jail);
    traps_bad = too_dear(r, p->traps, 0, used - p->used_ns);
    all_bad = too_dear(r, p->traps, p->fills, used - p->used_ns);
    p->bad = all_bad ? p->bad + 1 : 0;
    if (traps_bad || p->bad >= BAD_WINDOWS) {
        send_out(r, p, raw_now_ns(), traps_bad);
        return false;
    }
    if (!all_bad && p->back_off > 0)
        p->back_off--;
    begin_inside(p, s->jail, used);
    return true;
}

bool raw_policy_filled(struct raw *r, uint64_t root)
{
    struct raw_policy *p = policy_of(r, root);

    if (r->will == RAW_WHENEVER_POSSIBLE)
        return true;
    if (p->traps > 0) {
        p->traps--;
        p->fills++;
    }
    p->haste = p->ran_ns < r->cost_ns * HASTE_COSTS ? p->haste + 1 : 0;
    if (p->haste < HASTE_MAX)
        return true;
    p->haste = 0;
    send_out(r, p, raw_now_ns(), false);
    return false;
}
