/*
 * run.c - the interpreter's run loop: blocks, events between instructions, traps after them.
 *
 * Before each block one test decides whether anything wants care: a force flag, single step, RF, a debug or
 * debugger breakpoint, a CPU that is not running. With care, events are delivered in the order of SDM table 6-2 and,
 * where something must be seen at every instruction, exactly one instruction runs. Faults come back through
 * iem->unwind and are delivered at the top of iem_run().
 *
 * Sources: SDM vol. 3 6.8.3 (STI and MOV SS shadows), 6.9 (priorities), 17.3 (debug exceptions), 17.3.1.1 (RF).
 * Invariant 1: ctx.pending_db holds DR6.B0-B3 in bits 0-3 and BS in bit 6, and FF_TRAP is set while it is not 0.
 * Invariant 2: the shadow ends before the one instruction it covers runs, so that it cannot cover a second one.
 */
#include "vmm/iem/host_int.h"
#include "vmm/iem/step_int.h"

#include <string.h>

enum { DB_STEP = 0x40, DB_BREAKS = 0x0f };
#define DR6_BS      0x4000u
#define DR7_ENABLES 0xffu
#define FF_LEAVE    (FF_REQUEST | FF_TLB_SYNC | FF_INIT | FF_SIPI | FF_SMI)

enum care { CARE_NONE, CARE_SINGLE, CARE_EVENT, CARE_EXIT };

bool iem_init(struct vcpu *c, GError **error)
{
    c->iem = g_new0(struct iem, 1);
    trpm_init(c);
    c->iem->op = &iem_no_op;
    c->iem->hot_at = UINT32_MAX;
    if (iem_cache_new(c, error) && host_init(c, error))
        return true;
    iem_cache_free(c);
    trpm_fini(c);
    g_clear_pointer(&c->iem, g_free);
    return false;
}

void iem_fini(struct vcpu *c)
{
    if (!c->iem)
        return;
    iem_cache_free(c);
    host_fini(c);
    trpm_fini(c);
    g_clear_pointer(&c->iem, g_free);
}

void iem_flush(struct vcpu *c)
{
    iem_cache_clear(c);
}

void iem_register(struct vcpu *c, struct stam *stam)
{
    const struct {
        const char *name, *desc;
        const uint64_t *value;
    } rows[] = {
        {"Instructions", "Executed", &c->stat_insns},
        {"Blocks", "Executed from the decode cache", &c->stat_blocks},
        {"Exceptions", "Raised by instructions, INT n included", &c->stat_xcpts},
        {"Interrupts", "Taken from the interrupt controllers", &c->stat_irqs},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        stam_addf(stam, STAM_COUNTER, rows[i].value, "times", rows[i].desc, "/IEM/CPU%u/%s", c->id, rows[i].name);
}

bool iem_break_add(struct vcpu *c, uint64_t gla)
{
    if (c->iem->nbreaks == IEM_BREAKS)
        return false;
    c->iem->breaks[c->iem->nbreaks++] = gla;
    return true;
}

void iem_break_remove(struct vcpu *c, uint64_t gla)
{
    for (unsigned n = 0; n < c->iem->nbreaks; n++)
        if (c->iem->breaks[n] == gla) {
            c->iem->breaks[n] = c->iem->breaks[--c->iem->nbreaks];
            return;
        }
}

static bool at_break(const struct vcpu *c)
{
    uint64_t gla = iem_code_gla(c);

    for (unsigned n = 0; n < c->iem->nbreaks; n++)
        if (c->iem->breaks[n] == gla)
            return true;
    return false;
}

/* ---- events between instructions ---- */

static void deliver(struct vcpu *c, unsigned vector, enum trpm_kind kind)
{
    const struct trpm_event e = {.vector = (uint8_t)vector, .kind = (uint8_t)kind};

    c->iem->op = &iem_no_op;
    iem_deliver(c, &e);
}

/* #DB collected by the last instruction (inv 1). MOV SS holds it off for one more. */
static bool deliver_trap(struct vcpu *c)
{
    unsigned hits = c->ctx.pending_db;

    ff_clear(&c->ff, FF_TRAP);
    c->ctx.pending_db = 0;
    if (!hits)
        return false;
    c->ctx.dr[6] |= (hits & DB_BREAKS) | (hits & DB_STEP ? DR6_BS : 0);
    deliver(c, XCPT_DB, TRPM_TRAP);
    return true;
}

static bool deliver_irq(struct vcpu *c)
{
    int vector;

    ff_clear(&c->ff, FF_INTR); /* before asking: what comes later sets it again */
    vector = c->outside->interrupt_pending(c->outside_user, c->id);
    if (vector >= 0)
        vector = c->outside->interrupt_acknowledge(c->outside_user, c->id);
    if (vector < 0)
        return false;
    ff_set(&c->ff, FF_INTR); /* there may be another one behind it */
    c->ctx.activity = CPUM_RUNNING;
    c->stat_irqs++;
    deliver(c, (unsigned)vector, TRPM_IRQ);
    return true;
}

static bool deliver_nmi(struct vcpu *c)
{
    ff_clear(&c->ff, FF_NMI);
    c->ctx.activity = CPUM_RUNNING;
    deliver(c, XCPT_NMI, TRPM_NMI);
    c->ctx.nmi_blocked = 1;
    return true;
}

static bool deliver_injected(struct vcpu *c, bool irqs)
{
    struct trpm_event e;

    if (!trpm_take(c, irqs, &e))
        return false;
    c->iem->op = &iem_no_op;
    c->ctx.activity = CPUM_RUNNING;
    iem_deliver(c, &e);
    return true;
}

/* SDM table 6-2, from the traps on the previous instruction down to maskable interrupts. */
static bool events(struct vcpu *c, uint32_t flags, bool shadow)
{
    bool ss = shadow && c->ctx.shadow_is_ss;

    if ((flags & FF_TRAP) && !ss && deliver_trap(c))
        return true;
    if ((flags & FF_NMI) && !c->ctx.nmi_blocked && !ss)
        return deliver_nmi(c);
    if ((flags & FF_EVENT) && !ss && deliver_injected(c, (c->ctx.rflags & CPUM_FL_IF) && !shadow))
        return true;
    return (flags & FF_INTR) && (c->ctx.rflags & CPUM_FL_IF) && !shadow && deliver_irq(c);
}

static enum care take_care(struct vcpu *c, enum iem_exit *ret_why)
{
    uint32_t flags = ff_get(&c->ff);
    bool shadow = (flags & FF_SHADOW) && c->ctx.rip == c->ctx.shadow_rip;

    if (flags & FF_LEAVE) {
        *ret_why = IEM_EXIT_FF;
        return CARE_EXIT;
    }
    if (c->ctx.activity == CPUM_SHUTDOWN || c->ctx.activity == CPUM_WAIT_SIPI) {
        *ret_why = c->ctx.activity == CPUM_SHUTDOWN ? IEM_EXIT_SHUTDOWN : IEM_EXIT_HALT;
        return CARE_EXIT;
    }
    if ((flags & FF_SHADOW) && !shadow)
        ff_clear(&c->ff, FF_SHADOW);
    if (flags & FF_CODE) /* the other engine looks when it is asked next */
        ff_clear(&c->ff, FF_CODE);
    if (events(c, flags, shadow))
        return CARE_EVENT;
    if (c->ctx.activity == CPUM_HALTED) {
        *ret_why = IEM_EXIT_HALT;
        return CARE_EXIT;
    }
    if (c->iem->nbreaks && !c->iem->resumed && at_break(c)) {
        *ret_why = IEM_EXIT_BREAK;
        return CARE_EXIT;
    }
    if (shadow || c->iem->nbreaks || (c->ctx.dr[7] & DR7_ENABLES) || (c->ctx.rflags & (CPUM_FL_TF | CPUM_FL_RF)))
        return CARE_SINGLE;
    return CARE_NONE;
}

static inline bool wants_care(struct vcpu *c)
{
    return cpum_wanted(c) | ((c->ctx.rflags & (CPUM_FL_TF | CPUM_FL_RF)) != 0) | ((c->ctx.dr[7] & DR7_ENABLES) != 0) |
           (c->ctx.activity != CPUM_RUNNING) | (c->iem->nbreaks != 0);
}

bool iem_op_quiet(struct vcpu *c)
{
    return !wants_care(c);
}

/* ---- instructions ---- */

/* True if the whole of the next @bytes lies inside CS's limit. */
static inline bool within_limit(const struct vcpu *c, unsigned bytes)
{
    return c->mode.code64 || c->ctx.rip + bytes - 1 <= c->ctx.seg[X86_CS].limit;
}

/* A code breakpoint comes before everything the instruction itself may raise; RF is spent on this one instruction. */
static void code_breakpoint(struct vcpu *c)
{
    unsigned hits = c->ctx.rflags & CPUM_FL_RF ? 0 : iem_watch_code(c, iem_code_gla(c));

    if (!hits)
        return;
    c->iem->op = &iem_no_op;
    c->ctx.dr[6] |= hits;
    iem_raise(c, XCPT_DB);
}

static void run_one(struct vcpu *c)
{
    struct iem *iem = c->iem;
    bool step = (c->ctx.rflags & CPUM_FL_TF) != 0;
    const struct iem_block *b;

    code_breakpoint(c);
    b = iem_block_get(c);
    iem->end_block = IEM_GO_ON;
    iem->resumed = false;
    if (ff_get(&c->ff) & FF_SHADOW)
        ff_clear(&c->ff, FF_SHADOW); /* inv 2 */
    if (!within_limit(c, MAX(b->ops[0].i.len, 1))) {
        iem->op = &iem_no_op;
        iem_gp0(c);
    }
    c->ctx.rflags &= ~(uint64_t)CPUM_FL_RF;
    iem->op = &b->ops[0];
    c->ctx.rip += iem->op->i.len;
    iem->op->fn(c, iem->op);
    c->stat_insns++;
    if (step && (b->ops[0].i.mnem != X86_SYSCALL || (c->ctx.rflags & CPUM_FL_TF))) {
        c->ctx.pending_db |= DB_STEP;
        ff_set(&c->ff, FF_TRAP);
    }
}

/* A hot block belongs to another engine. False: none wants it, interpret. */
static bool run_fast(struct vcpu *c, struct iem_block *b, bool *ret_go_on)
{
    enum iem_fast_result result = IEM_FAST_COLD;

    if (b->gen == NULL) {
        b->heat = 0;
        return false;
    }
    if (c->iem->native != NULL && b->gen2 == NULL)
        result = c->iem->native(c, b->gpa);
    if (result == IEM_FAST_COLD && c->iem->fast != NULL)
        result = c->iem->fast(c, b->gpa);
    if (result == IEM_FAST_COLD)
        b->heat = 0;
    if (result == IEM_FAST_COLD || result == IEM_FAST_BUSY)
        return false;
    c->stat_insns++; /* not counted over there, but the budget must end some time */
    *ret_go_on = result == IEM_FAST_JUMP;
    return true;
}

/* Step inv 2: from the op that left @from the way to @to stays in a page. */
static void link_blocks(const struct vcpu *c, struct iem_block *from, unsigned n, struct iem_block *to)
{
    uint64_t start = c->ctx.rip - from->ops[n].imm;

    if (c->mode.flat && from->gen != NULL && to->gen != NULL && to->gen2 == NULL &&
        (start ^ c->ctx.rip) < PGM_PAGE_BYTES - (start & (PGM_PAGE_BYTES - 1)))
        from->ops[n].link = to;
}

/* The block at CS:RIP, everything of the guest in its place meanwhile. NULL: an instruction has been run alone. */
static struct iem_block *look_up(struct vcpu *c, struct iem_block *from, uint64_t fl)
{
    struct iem *iem = c->iem;
    struct iem_block *b;

    iem_put_flags(c, fl);
    if (!c->mode.code64)
        c->ctx.rip = (uint32_t)c->ctx.rip; /* code that runs over the end of 4 GiB */
    b = iem_block_get(c);
    if (G_UNLIKELY(!within_limit(c, b->bytes))) {
        run_one(c);
        return NULL;
    }
    if (iem->unlinked != IEM_NO_LINK)
        link_blocks(c, from, iem->unlinked, b);
    iem->unlinked = IEM_NO_LINK;
    iem->end_block = IEM_GO_ON;
    return b;
}

/* Block after block while nothing but force flags can ask for care: TF, RF, DR7 and the activity change with IEM_END.
 */
static void run_blocks(struct vcpu *c)
{
    struct iem *iem = c->iem;
    struct iem_next next = {NULL, iem_raw_flags(c->ctx.rflags)};
    struct iem_block *b = NULL;
    bool go_on;

    iem->unlinked = IEM_NO_LINK;
    iem->end_block = IEM_GO_ON;
    do {
        if (next.block == NULL && (iem->end_block == IEM_END || (next.block = look_up(c, b, next.fl)) == NULL))
            break;
        b = next.block;
        if (b->heat++ >= iem->hot_at && iem->until - c->stat_insns >= IEM_FAST_BUDGET) {
            iem_put_flags(c, next.fl);
            if (run_fast(c, b, &go_on)) {
                next = (struct iem_next){NULL, iem_raw_flags(c->ctx.rflags)};
                if (go_on)
                    continue;
                break;
            }
        }
        c->stat_blocks++;
        next = iem_step_next(c, b->ops, next.fl);
    } while (!cpum_wanted(c) && c->stat_insns < iem->until);
    iem_put_flags(c, next.fl);
    if (!c->mode.code64)
        c->ctx.rip = (uint32_t)c->ctx.rip;
}

static enum iem_exit run(struct vcpu *c)
{
    enum iem_exit why;

    while (c->stat_insns < c->iem->until) {
        bool single = c->iem->stepping;

        if (G_UNLIKELY(wants_care(c))) {
            switch (take_care(c, &why)) {
            case CARE_EXIT: return why;
            case CARE_EVENT:
                if (c->iem->stepping)
                    return IEM_EXIT_BUDGET;
                continue;
            case CARE_SINGLE: single = true; break;
            case CARE_NONE: break;
            }
        }
        if (G_UNLIKELY(single))
            run_one(c);
        else
            run_blocks(c);
    }
    return IEM_EXIT_BUDGET;
}

/* A handler left: what of its block ran before it counts, once. */
static void unwound(struct vcpu *c)
{
    if (c->iem->native_home != NULL)
        c->iem->native_home(c);
    if (!c->trpm->delivering)
        c->stat_insns += c->iem->op->before;
    host_x87_end(c);
}

/* ... by iem_raise(): breakpoints it met do not count, then the exception is delivered. The instruction's length has
 * been taken back. A fault executes nothing, but uses up the budget: its handler may begin with the same fault. */
static void raised(struct vcpu *c)
{
    struct trpm_event e = c->trpm->raised;

    if (e.kind == TRPM_FAULT) {
        c->ctx.pending_db = 0;
        if (c->iem->until > c->stat_insns)
            c->iem->until--;
    } else {
        c->stat_insns++; /* INT n and the like are executed by being delivered */
    }
    c->stat_xcpts++;
    iem_deliver(c, &e);
}

static enum iem_exit run_guarded(struct vcpu *c, uint64_t max_insns)
{
    struct iem *iem = c->iem;
    jmp_buf unwind;
    int how;

    iem->unwind = &unwind;
    iem->until = c->stat_insns + max_insns;
    iem->resumed = true;
    iem->op = &iem_no_op;
    how = setjmp(unwind);
    if (how != 0) {
        unwound(c);
        if (how == IEM_UNWIND_EVENT)
            raised(c);
        else
            iem->op = &iem_no_op;
        if (iem->stepping)
            return c->ctx.activity == CPUM_SHUTDOWN ? IEM_EXIT_SHUTDOWN : IEM_EXIT_BUDGET;
    }
    return run(c);
}

enum iem_exit iem_run(struct vcpu *c, uint64_t max_insns)
{
    enum iem_exit why = run_guarded(c, max_insns);

    iem_fpu_sync(c); /* outside, everybody sees the registers where they belong */
    return why;
}

enum iem_exit iem_step(struct vcpu *c)
{
    enum iem_exit why;

    c->iem->stepping = true;
    why = iem_run(c, 1);
    c->iem->stepping = false;
    return why;
}
