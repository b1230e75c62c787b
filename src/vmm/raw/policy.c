/*
 * policy.c - when raw mode pays.
 *
 * In translated code a program runs s times slower than natively; natively each trap costs c more. So raw mode wins
 * while traps per second * c < s - 1. c is measured when the machine starts. s is not known for a given program, but is
 * 3 and more for compilers and interpreters: they win until traps take two thirds of their time. A program is let in
 * while its traps would cost less than ENTER_PERCENT of its time, and sent out when they cost more than LEAVE_PERCENT.
 *
 * Outside, a trap is each time the run loop asks: it does so after every way through the guest's kernel. The thread's
 * own processor time counts, which neither a sleeping guest nor a busy host lets pass. Inside, pages that are mapped
 * for the first time are counted apart: a program that begins to use memory pays for it once.
 */
#include "vmm/raw/raw_int.h"

#include <time.h>

#define MS               UINT64_C(1000000)
#define PAE_SHIFT        5u /* roots of PAE are not pages */
#define ENTER_WINDOW_NS  (5 * MS)
#define LEAVE_WINDOW_NS  (4 * MS)
#define ELSEWHERE_NS     (20 * MS) /* of processor time between two questions: something else ran */
#define ENTER_PERCENT    40u       /* of the time, as much as traps may cost to come in ... */
#define LEAVE_PERCENT    60u       /* ... and to stay */
#define BAD_WINDOWS      5u        /* filling pages alone: so many windows */
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

static void let_in(struct raw *r, struct raw_policy *p, uint64_t now)
{
    p->in = true;
    p->window_ns = now;
    p->traps = p->fills = p->bad = 0;
    r->stats.admitted++;
}

static void send_out(struct raw *r, struct raw_policy *p, uint64_t now)
{
    p->in = false;
    p->not_before_ns = now + (BACK_OFF_NS << p->back_off);
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
    if (spent - p->last_ns < ELSEWHERE_NS)
        p->busy_ns += spent - p->last_ns;
    p->last_ns = spent;
    p->asks++;
    if (p->busy_ns < ENTER_WINDOW_NS)
        return false;
    if (p->asks * r->cost_ns * 100 < p->busy_ns * ENTER_PERCENT)
        let_in(r, p, now);
    else
        begin_window(p);
    return p->in;
}

bool raw_policy_stay(struct raw *r, uint64_t root)
{
    struct raw_policy *p = policy_of(r, root);
    uint64_t now, passed;
    bool traps_bad, all_bad;

    if (r->will == RAW_WHENEVER_POSSIBLE)
        return true;
    p->traps++;
    now = raw_now_ns();
    passed = now - p->window_ns;
    if (passed < LEAVE_WINDOW_NS)
        return true;
    traps_bad = p->traps * r->cost_ns * 100 > passed * LEAVE_PERCENT;
    all_bad = (p->traps + p->fills) * r->cost_ns * 100 > passed * LEAVE_PERCENT;
    p->bad = all_bad ? p->bad + 1 : 0;
    if (traps_bad || p->bad >= BAD_WINDOWS) {
        send_out(r, p, now);
        return false;
    }
    if (!all_bad && p->back_off > 0 && passed > BACK_OFF_NS)
        p->back_off--;
    p->window_ns = now;
    p->traps = p->fills = 0;
    return true;
}

void raw_policy_filled(struct raw *r, uint64_t root)
{
    struct raw_policy *p = policy_of(r, root);

    if (p->traps > 0) {
        p->traps--;
        p->fills++;
    }
}
