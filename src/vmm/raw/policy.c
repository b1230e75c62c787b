/*
 * policy.c - when raw mode pays.
 *
 * In translated code a program runs s times slower than natively; natively each trap costs c more, and each page that
 * has to be mapped m. So raw mode wins while what it costs is less than (s - 1) * the time it computes. c and m are
 * measured when the machine starts. s is not known for a given program, but is 3 and more for compilers and
 * interpreters: they win until traps take two thirds of their time. A program is let in while its traps would cost less
 * than ENTER_PERCENT of its time, and sent out when they cost more than LEAVE_PERCENT.
 *
 * Outside, what would be a trap is seen when the run loop asks, which it does after every way through the guest's
 * kernel: an exception, which most likely made a page that would have to be mapped, an interrupt, or a return from a
 * system call. It also asks between two pieces of code that is not translated yet; that is no trap. The thread's own
 * processor time counts, which neither a sleeping guest nor a busy host lets pass, as far as no other address space
 * asked in between.
 *
 * Inside, costs are measured: what the thread spends from the way in (raw_policy_visit) to the way out, and half as
 * much in the jail, which has less to do for each trap. What is left of the jail's time is the program's. Pages that
 * the program had before it came, and new code, are paid for once: if the costs are too high without them it is sent
 * out at once; if only with them, after BAD_WINDOWS.
 *
 * Outside it is looked at anew at once: programs change their ways every few milliseconds. It has to wait only if it
 * was wrong to let it in, and longer each time; not for long, since one wrong window in so much time is cheap, and a
 * compiler that waits is not. If what made it dear is seen outside as well (system calls, new pages), it hardly has to
 * wait at all. An address space whose pages have nearly all become others is another program and begins anew.
 */
#include "vmm/raw/raw_int.h"

#include <time.h>

#define MS              UINT64_C(1000000)
#define PAE_SHIFT       5u /* roots of PAE are not pages */
#define ENTER_WINDOW_NS (5 * MS)
#define LEAVE_WINDOW_NS (4 * MS)
#define SHORT_NS        UINT64_C(30000) /* nothing else runs on a CPU for less */
#define ENTER_PERCENT   40u             /* of the time, as much as traps may cost to come in ... */
#define LEAVE_PERCENT   60u             /* ... and to stay */
#define BAD_WINDOWS     3u              /* filling pages alone: so many windows */
#define PROOF_WINDOWS   4u              /* stayed for so many: it was right to let it in */
#define VAIN_COSTS      3u  /* a program that computes less between two surprises is better off outside ... */
#define VAIN_MAX        16u /* ... if they are so many in a row */
#define BACK_OFF_NS     (5 * MS)
#define SHOWN_DOUBLES   1u /* of the wait, if its traps are such as are seen outside ... */
#define HIDDEN_DOUBLES  5u /* ... and if not */

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

/* The time stamp counter: asked so often that a clock would be felt. */
static uint64_t counter_ns(const struct raw *r)
{
    return (uint64_t)((unsigned __int128)__builtin_ia32_rdtsc() * r->tick_ns >> 32);
}

void raw_policy_calibrate(struct raw *r, uint64_t ticks, uint64_t ns)
{
    r->tick_ns = (uint64_t)(((unsigned __int128)ns << 32) / MAX(ticks, 1));
}

static uint64_t thread_spent_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

const struct raw_times raw_host_times = {counter_ns, thread_spent_ns, jail_used_ns};

static struct raw_policy *policy_of(struct raw *r, uint64_t root)
{
    struct raw_policy *p = &r->policy[(root >> PGM_PAGE_SHIFT ^ root >> PAE_SHIFT) & (RAW_POLICIES - 1)];

    if (p->root != root)
        *p = (struct raw_policy){.root = root};
    return p;
}

/* ---- outside ---- */

static void begin_outside(struct raw_policy *p)
{
    p->busy_ns = 0;
    p->traps_out = p->pages = 0;
}

static void let_in(struct raw *r, struct raw_policy *p)
{
    p->in = true;
    p->jail = NULL;
    p->bad = p->stayed = p->vain = 0;
    r->stats.admitted++;
}

/*
 * The thread's processor time since anybody was asked the last time. Most of the time that was just now, and nothing
 * else can have run meanwhile.
 */
static uint64_t busy_since(struct raw *r, uint64_t now)
{
    const uint64_t passed = now - r->asked_ns;
    uint64_t spent, known;

    r->asked_ns = now;
    if (passed < SHORT_NS) {
        r->short_ns += passed;
        return passed;
    }
    spent = r->times->spent_ns();
    known = r->spent_ns + r->short_ns;
    r->spent_ns = spent;
    r->short_ns = 0;
    return spent > known ? MIN(spent - known, passed) : 0;
}

/* SYSCALL and SYSENTER leave no other trace than where SYSRET and SYSEXIT come back from. */
static bool back_from_call(const struct cpum_ctx *x, bool code64)
{
    return x->rip == x->gpr[X86_RCX] || (!code64 && x->rip == x->gpr[X86_RDX]);
}

/* What would have been a trap since anybody was asked the last time. */
static void count_outside(struct raw *r, struct raw_policy *p, uint64_t now)
{
    const struct vcpu *c = r->c;
    const uint64_t busy = busy_since(r, now);
    const bool faulted = c->stat_xcpts != r->xcpts, interrupted = c->stat_irqs != r->irqs;

    if (r->last_asked == p)
        p->busy_ns += busy;
    p->pages += faulted;
    p->traps_out += faulted || interrupted || back_from_call(&c->ctx, c->mode.code64);
    r->xcpts = c->stat_xcpts;
    r->irqs = c->stat_irqs;
    r->last_asked = p;
}

static bool seems_worth(const struct raw *r, const struct raw_policy *p)
{
    return (p->traps_out * r->cost_ns + p->pages * r->map_ns) * 100 < p->busy_ns * ENTER_PERCENT;
}

bool raw_policy_enter(struct raw *r, uint64_t root)
{
    struct raw_policy *p = policy_of(r, root);
    uint64_t now;

    if (r->will == RAW_WHENEVER_POSSIBLE || p->in)
        return true;
    now = r->times->now_ns(r);
    if (now < p->not_before_ns)
        return false;
    count_outside(r, p, now);
    if (p->busy_ns < ENTER_WINDOW_NS)
        return false;
    if (seems_worth(r, p))
        let_in(r, p);
    begin_outside(p);
    return p->in;
}

/* ---- inside ---- */

/* Most of the traps could not have been foreseen outside: time stamps, code that is no longer fit. */
static bool surprises(const struct raw_policy *p)
{
    return p->shown * 2 < p->traps;
}

/* @was_wrong: what it did outside told nothing about inside. */
static void send_out(struct raw *r, struct raw_policy *p, bool was_wrong)
{
    p->in = false;
    if (was_wrong) {
        p->back_off = MIN(p->back_off, surprises(p) ? HIDDEN_DOUBLES : SHOWN_DOUBLES);
        p->not_before_ns = r->times->now_ns(r) + (BACK_OFF_NS << p->back_off);
        p->back_off++;
    }
    begin_outside(p);
    r->last_asked = NULL; /* what the thread has spent since does not count */
    r->stats.expelled++;
}

void raw_policy_visit(struct raw *r, uint64_t root)
{
    if (r->will == RAW_WHENEVER_POSSIBLE)
        return;
    r->visits = policy_of(r, root);
    r->visits->warms = false;
    r->since_ns = r->times->spent_ns();
}

void raw_policy_visited(struct raw *r)
{
    if (r->visits != NULL)
        r->visits->spent_ns += r->times->spent_ns() - r->since_ns;
    r->visits = NULL;
}

/* The window begins: in a jail that has used @used_ns so far. */
static void begin_inside(struct raw *r, struct raw_policy *p, const struct jail *j, uint64_t used_ns)
{
    p->jail = j;
    p->used_ns = used_ns;
    p->judged_ns = r->stats.judged_ns;
    p->inside_ns = p->spent_ns = p->once_ns = 0;
    p->traps = p->shown = 0;
    r->since_ns = p->stop_ns;
}

static bool too_dear(uint64_t costs_ns, uint64_t computed_ns)
{
    return costs_ns * (100 - LEAVE_PERCENT) > computed_ns * LEAVE_PERCENT;
}

/* At the end of a window. Return: it may stay. */
static bool look_back(struct raw *r, struct raw_policy *p, uint64_t used_ns)
{
    const uint64_t spent = p->spent_ns + p->stop_ns - r->since_ns, used = used_ns - p->used_ns;
    const uint64_t judged = r->stats.judged_ns - p->judged_ns, jails = (spent - MIN(judged, spent)) / 2;
    const uint64_t computed = used > jails ? used - jails : 0;
    const uint64_t always = spent > p->once_ns ? spent - p->once_ns : 0;
    const bool ways_bad = too_dear(always + always / 2, computed), all_bad = too_dear(spent + jails, computed);

    p->bad = all_bad ? p->bad + 1 : 0;
    if (ways_bad || p->bad >= BAD_WINDOWS) {
        send_out(r, p, ways_bad && p->stayed < PROOF_WINDOWS);
        return false;
    }
    if (++p->stayed >= PROOF_WINDOWS)
        p->back_off = 0;
    return true;
}

/* The last stop was a surprise. Return: so have been too many. */
static bool in_vain(const struct raw *r, struct raw_policy *p, uint64_t ran_ns)
{
    p->vain = p->surprised && ran_ns < r->cost_ns * VAIN_COSTS ? p->vain + 1 : 0;
    p->surprised = true; /* until somebody says what it was */
    return p->vain >= VAIN_MAX;
}

bool raw_policy_stay(struct raw *r, uint64_t root, const struct jail *j, uint64_t ran_ns)
{
    struct raw_policy *p = policy_of(r, root);
    uint64_t now, used;

    if (r->will == RAW_WHENEVER_POSSIBLE)
        return true;
    now = r->times->spent_ns();
    if (p->warms)
        p->once_ns += now - p->stop_ns;
    p->warms = false;
    p->stop_ns = now;
    if (p->jail != j)
        begin_inside(r, p, j, r->times->used_ns(j));
    p->traps++;
    if (in_vain(r, p, ran_ns)) {
        send_out(r, p, p->stayed < PROOF_WINDOWS);
        return false;
    }
    p->inside_ns += ran_ns;
    if (p->inside_ns + p->traps * r->cost_ns < LEAVE_WINDOW_NS)
        return true;
    used = r->times->used_ns(j);
    if (!look_back(r, p, used))
        return false;
    begin_inside(r, p, j, used);
    return true;
}

void raw_policy_filled(struct raw *r)
{
    if (r->visits == NULL)
        return;
    r->visits->warms = true;
    r->visits->surprised = false;
}

void raw_policy_shown(struct raw *r)
{
    if (r->visits == NULL)
        return;
    r->visits->shown++;
    r->visits->surprised = false;
}

void raw_policy_forget(struct raw *r, uint64_t root)
{
    *policy_of(r, root) = (struct raw_policy){.root = root};
}
