/*
 * begin.c - raw mode of a vCPU begins and ends; what is asked from outside about it.
 *
 * Sources: SDM vol. 1 13.4 (the registers a jail carries need XSAVE and AVX).
 */
#include <string.h>

#include "rt/status.h"
#include "vmm/pgm/pgm.h"
#include "vmm/raw/raw_int.h"
#include "vmm/stam/stam.h"

#define HEAT  16u /* executions in the interpreter before a block asks, if there is no recompiler */
#define TRIES 64u /* round trips measured */

/* What a trap and a mapping cost, at least. */
static void measure(struct raw *r)
{
    const struct jail_map there = {RAW_LOWEST, PGM_PAGE_BYTES, 0, JAIL_READ}, gone = {RAW_LOWEST, PGM_PAGE_BYTES, 0, 0};
    const uint64_t begin_ns = raw_now_ns(), begin_tick = __builtin_ia32_rdtsc();
    struct jail *j = r->space[0].jail;
    struct jail_trap t;

    r->cost_ns = r->map_ns = UINT32_MAX;
    for (unsigned n = 0; n < TRIES; n++) {
        uint64_t since = raw_now_ns();

        if (jail_map(j, &there, 1) != 1)
            return;
        r->map_ns = MIN(r->map_ns, raw_now_ns() - since);
        if (jail_map(j, &gone, 1) != 1)
            return;
        since = raw_now_ns();
        jail_regs(j)->rip = jail_stub(j); /* a system call: refused */
        if (jail_run(j, false, &t) != JAIL_TRAP || !jail_xstate_get(j))
            return;
        r->cost_ns = MIN(r->cost_ns, raw_now_ns() - since);
    }
    raw_policy_calibrate(r, __builtin_ia32_rdtsc() - begin_tick, raw_now_ns() - begin_ns);
}

static bool make_spaces(struct raw *r, GError **error)
{
    for (unsigned n = 0; n < RAW_SPACES; n++) {
        struct raw_space *s = &r->space[n];

        s->root = UINT64_MAX;
        s->jail = jail_new(pgm_ram_fd(r->c->mmu.pgm), error);
        if (s->jail == NULL)
            return false;
    }
    r->based_selector = jail_based_selector(r->space[0].jail);
    r->host.cpuid_traps = jail_cpuid_traps(r->space[0].jail);
    return true;
}

bool raw_init(struct vcpu *c, enum raw_will will, GError **error)
{
    struct raw *r;

    if (!__builtin_cpu_supports("avx")) {
        g_set_error(error, STATUS_ERROR, VERR_NOT_SUPPORTED, "CPU %u: raw mode needs a host with XSAVE and AVX", c->id);
        return false;
    }
    r = g_new0(struct raw, 1);
    r->c = c;
    r->will = will;
    r->times = &raw_host_times;
    r->pending_root = UINT64_MAX;
    raw_judge_init(r);
    r->ram = pgm_ram_hva(c->mmu.pgm, &r->ram_bytes);
    r->space = g_new0(struct raw_space, RAW_SPACES);
    c->raw = r;
    if (!make_spaces(r, error)) {
        raw_fini(c);
        return false;
    }
    measure(r);
    raw_space_listen(r);
    iem_set_native(c, raw_run, raw_unwound, will == RAW_WHENEVER_POSSIBLE ? 0 : HEAT);
    return true;
}

void raw_fini(struct vcpu *c)
{
    struct raw *r = c->raw;

    if (r == NULL)
        return;
    if (c->iem != NULL)
        iem_set_native(c, NULL, NULL, 0);
    c->mmu.shadow = NULL;
    for (unsigned n = 0; n < RAW_SPACES; n++)
        jail_free(r->space[n].jail);
    g_free(r->space);
    g_free(r);
    c->raw = NULL;
}

void raw_flush(struct vcpu *c)
{
    struct raw *r = c->raw;

    if (r == NULL)
        return;
    for (unsigned n = 0; n < RAW_SPACES; n++)
        r->space[n].root = UINT64_MAX; /* cleared when it gets an address space */
    memset(r->judgement, 0, sizeof r->judgement);
    memset(r->policy, 0, sizeof r->policy);
}

void raw_kick(struct vcpu *c)
{
    struct jail *j = c->raw != NULL ? atomic_load(&c->raw->running) : NULL;

    if (j != NULL)
        jail_kick(j);
}

void raw_code_changed(struct vcpu *c)
{
    if (c->raw != NULL)
        atomic_fetch_add(&c->raw->changes, 1);
}

const char *raw_lost(const struct vcpu *c)
{
    return c->raw != NULL && c->raw->lost ? "a process with the guest's registers (raw mode) was killed" : NULL;
}

unsigned raw_threads(const struct vcpu *c, pid_t *ret, unsigned max)
{
    unsigned count = 0;

    for (unsigned n = 0; c->raw != NULL && n < RAW_SPACES && count + 2 <= max; n++) {
        ret[count++] = jail_pid(c->raw->space[n].jail);
        ret[count++] = jail_thread(c->raw->space[n].jail);
    }
    return count;
}

const char *raw_missing(const struct vcpu *c)
{
    return c->raw != NULL ? jail_missing(c->raw->space[0].jail) : "";
}

uint64_t raw_cost_ns(const struct vcpu *c)
{
    return c->raw != NULL ? c->raw->cost_ns : 0;
}

const struct raw_stats *raw_stats(const struct vcpu *c)
{
    static const struct raw_stats none;

    return c->raw != NULL ? &c->raw->stats : &none;
}

void raw_register(struct vcpu *c, struct stam *stam)
{
    if (c->raw == NULL)
        return;
    const struct raw_stats *s = &c->raw->stats;
    const struct {
        const char *name, *unit, *desc;
        const uint64_t *value;
    } rows[] = {
        {"Enters", "times", "The jail ran", &s->enters},
        {"Syscalls", "times", "Stopped by a system call", &s->syscalls},
        {"Faults", "times", "Stopped by a page fault", &s->faults},
        {"Exceptions", "times", "Stopped by another exception", &s->exceptions},
        {"Kicks", "times", "Stopped from outside", &s->kicks},
        {"Pages/Filled", "pages", "Mapped because they were touched", &s->filled},
        {"Pages/Prefilled", "pages", "Mapped beside one that was touched", &s->prefilled},
        {"Pages/Dropped", "pages", "Unmapped one by one", &s->dropped},
        {"Pages/Compared", "times", "All pages of a jail compared with the guest's page tables", &s->revalidated},
        {"Pages/Cleared", "times", "A jail emptied", &s->cleared},
        {"Code/Judged", "pages", "Read for instructions that would show the host", &s->judged},
        {"Code/JudgedTime", "ns", "Spent with it", &s->judged_ns},
        {"Code/Refused", "pages", "With such instructions", &s->refused},
        {"Strange", "times", "Selectors nobody gave it: #GP", &s->strange},
        {"Admitted", "times", "An address space began to run natively", &s->admitted},
        {"Expelled", "times", "One trapped too often", &s->expelled},
        {"Cost", "ns", "One way in and out, measured at the start", &c->raw->cost_ns},
        {"MapCost", "ns", "One page mapped, likewise", &c->raw->map_ns},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        stam_addf(stam, STAM_COUNTER, rows[i].value, rows[i].unit, rows[i].desc, "/RAW/CPU%u/%s", c->id, rows[i].name);
}
