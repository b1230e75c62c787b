/*
 * em.c - the loop of a vCPU thread: force flags, engine, sleep.
 *
 * Sleeping is a futex wait on the force-flag word itself: whoever sets a bit changes the word, so a wake-up cannot be
 * missed, and an idle guest costs no host time.
 */
#include "vmm/em/em.h"

#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/em/rescue.h"
#include "vmm/iem/iem.h"
#include "vmm/raw/raw.h"
#include "vmm/rem/rem.h"

#define BUDGET_INSNS (1u << 22)
/* What ends a sleep even when interrupts are off. */
#define WAKE_FLAGS (FF_REQUEST | FF_INIT | FF_SIPI | FF_SMI | FF_NMI)

static void futex(_Atomic uint32_t *word, int op, uint32_t val)
{
    (void)syscall(SYS_futex, word, op, val, NULL, NULL, 0);
}

void em_post(struct vcpu *c, uint32_t flags)
{
    uint32_t old = ff_raise(&c->ff, flags);

    if ((old & flags) == flags)
        return;
    if (!atomic_load(&c->in_guest))
        futex(&c->ff.bits, FUTEX_WAKE_PRIVATE, INT_MAX);
    raw_kick(c);
}

/* The duty behind FF_TLB_SYNC. The flag is cleared first: a request made meanwhile sets it again. */
static void sync_duty(struct vcpu *c)
{
    if (!(ff_get(&c->ff) & FF_TLB_SYNC))
        return;
    ff_clear(&c->ff, FF_TLB_SYNC);
    pgm_mmu_drop_writes(&c->mmu, UINT64_MAX);
    atomic_fetch_add(&c->tlb_sync_done, 1);
}

void em_sync(struct vcpu *const *cpus, unsigned count, struct vcpu *self)
{
    uint32_t seen[64];
    uint64_t waiting = 0;

    for (unsigned k = 0; k < count && k < 64; k++) {
        if (cpus[k] == self)
            continue;
        seen[k] = atomic_load(&cpus[k]->tlb_sync_done);
        ff_set(&cpus[k]->ff, FF_TLB_SYNC);
        raw_kick(cpus[k]);
        if (atomic_load(&cpus[k]->in_guest))
            waiting |= UINT64_C(1) << k;
    }
    while (waiting != 0) {
        for (unsigned k = 0; k < count && k < 64; k++) {
            bool done = atomic_load(&cpus[k]->tlb_sync_done) != seen[k] || !atomic_load(&cpus[k]->in_guest);
            if (((waiting >> k) & 1) && done)
                waiting &= ~(UINT64_C(1) << k);
        }
        if (self != NULL)
            sync_duty(self);
        if (waiting != 0)
            sched_yield();
    }
}

static void enter_guest(struct vcpu *c)
{
    atomic_store(&c->in_guest, 1);
    sync_duty(c);
}

static bool can_wake(struct vcpu *c)
{
    uint32_t ff = ff_get(&c->ff);

    if (ff & (c->ctx.activity == CPUM_WAIT_SIPI ? (FF_REQUEST | FF_SIPI | FF_INIT) : WAKE_FLAGS))
        return true;
    return c->ctx.activity == CPUM_HALTED && (c->ctx.rflags & CPUM_FL_IF) &&
           c->outside->interrupt_pending(c->outside_user, c->id) >= 0;
}

static uint64_t host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Sleeps until the halted vCPU has a reason to go on. */
static void halt(struct vcpu *c)
{
    uint64_t since_ns = host_ns();

    atomic_store(&c->in_guest, 0);
    cpum_note(c, CPUM_EVENT_HALT, 0, 0);
    for (;;) {
        ff_clear(&c->ff, FF_INTR | FF_TLB_SYNC);
        /* from here on a new interrupt or request changes the word again */
        uint32_t word = ff_get(&c->ff);
        if (can_wake(c))
            break;
        if (word & FF_INTR) /* set again already: the next one would not change the word and not wake us */
            continue;
        futex(&c->ff.bits, FUTEX_WAIT_PRIVATE, word);
    }
    stam_profile_add(&c->stat_halted, host_ns() - since_ns);
    pgm_mmu_drop_writes(&c->mmu, UINT64_MAX); /* for the sync requests slept through */
    enter_guest(c);
    if (c->ctx.activity == CPUM_HALTED && !(ff_get(&c->ff) & FF_REQUEST)) {
        c->ctx.activity = CPUM_RUNNING;
        ff_set(&c->ff, FF_INTR);
    } else if (c->ctx.activity == CPUM_HALTED) {
        ff_set(&c->ff, FF_INTR);
    }
}

/* INIT and start-up interrupts, SDM vol. 3 section 8.4. */
static void start_up(struct vcpu *c)
{
    uint32_t ff = ff_get(&c->ff);

    if (ff & FF_INIT) {
        ff_clear(&c->ff, FF_INIT);
        cpum_note(c, CPUM_EVENT_INIT, 0, 0);
        cpum_init(c, false);
        cpum_mode_update(c);
    }
    if (ff & FF_SIPI) {
        ff_clear(&c->ff, FF_SIPI);
        if (c->ctx.activity != CPUM_WAIT_SIPI)
            return;
        struct cpum_seg *cs = &c->ctx.seg[X86_CS];
        cpum_note(c, CPUM_EVENT_SIPI, c->ctx.sipi_vector, 0);
        cs->sel = (uint16_t)(c->ctx.sipi_vector << 8);
        cs->base = (uint64_t)cs->sel << 4;
        c->ctx.rip = 0;
        c->ctx.activity = CPUM_RUNNING;
        cpum_mode_update(c);
    }
}

static enum em_exit loop(struct vcpu *c)
{
    enter_guest(c);
    for (;;) {
        uint32_t ff = ff_get(&c->ff);
        if (raw_lost(c) != NULL || rem_difference(c) != NULL)
            return EM_EXIT_FATAL;
        if (ff & FF_REQUEST) {
            c->stat_requests++;
            cpum_note(c, CPUM_EVENT_REQUEST, 0, 0);
            return EM_EXIT_REQUEST;
        }
        if (ff & (FF_INIT | FF_SIPI))
            start_up(c);
        if (ff & FF_SMI) /* no system-management mode: the firmware does without */
            ff_clear(&c->ff, FF_SMI);
        sync_duty(c);
        if (c->ctx.activity == CPUM_SHUTDOWN)
            return EM_EXIT_SHUTDOWN;
        if (c->ctx.activity != CPUM_RUNNING) {
            halt(c);
            continue;
        }
        switch (iem_run(c, BUDGET_INSNS)) {
        case IEM_EXIT_SHUTDOWN: return EM_EXIT_SHUTDOWN;
        case IEM_EXIT_BREAK: return EM_EXIT_BREAK;
        case IEM_EXIT_BUDGET:
        case IEM_EXIT_FF:
        case IEM_EXIT_HALT: break;
        }
    }
}

enum em_exit em_run(struct vcpu *c)
{
    volatile enum em_exit rc = EM_EXIT_FATAL; /* kept across the jump */

    if (rescue_enter())
        rc = loop(c);
    else
        cpum_note(c, CPUM_EVENT_FATAL, 0, 0);
    rescue_leave();
    atomic_store(&c->in_guest, 0);
    return rc;
}

void em_register(struct vcpu *c, struct stam *stam)
{
    stam_addf(stam, STAM_PROFILE, &c->stat_halted, "ns", "Sleep", "/PROF/CPU%u/EM/Halted", c->id);
    stam_addf(stam, STAM_COUNTER, &c->stat_requests, "times", "The machine wanted the thread", "/EM/CPU%u/Requests",
              c->id);
    cpum_register(c, stam);
    rem_register(c, stam);
    iem_register(c, stam);
}

const char *em_fatal_text(const struct vcpu *c)
{
    if (rem_difference(c) != NULL)
        return rem_difference(c);
    return raw_lost(c) != NULL ? raw_lost(c) : rescue_text();
}

void em_rescue_init(void)
{
    rescue_init();
}
