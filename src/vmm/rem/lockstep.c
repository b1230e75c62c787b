/*
 * lockstep.c - the interpreter and translated code run the same instructions on the same state; a difference stops the
 * machine.
 *
 * A stretch is what translated code runs between two calls of the interpreter for something only it can do:
 *
 *   predict()    the interpreter runs the stretch, keeps what it led to, and everything is put back
 *   (enter)      translated code runs it on the same state: with its tables, links to nothing, one block
 *   verify()     registers, flags, vector and x87 state, memory around every operand, RIP, exception: the same?
 *
 * A stretch ends in front of an instruction the translator left to the interpreter, or whose memory is not plain RAM
 * (devices, watched code): that one runs once, in the interpreter (slow.c), and the next stretch begins behind it. So
 * no device is read twice. Memory is put back operand by operand; it is compared with a margin on both sides.
 *
 * Devices store while a stretch runs: a difference counts only if nobody else stored meanwhile (pgm_stores()).
 * Left out: STI, time stamps and REP, which the interpreter runs here; x87 instruction and data pointers, flags the
 * instruction set leaves undefined and everything that depends on them, stores of translated code that hit memory no
 * operand is near to, more than one vCPU.
 *
 * Invariant 1: while `armed`, c->ctx and memory are what they were before the stretch, and `expect` what it leads to.
 */
#include "vmm/rem/lockstep_int.h"

#include <stdlib.h>
#include <time.h>

#include "rt/status.h"

#define PAGE_MASK    ((uint64_t)CSAM_PAGE_BYTES - 1)
#define SETTLE_NS    100000000 /* a store by somebody else is counted within this time, unless the host is stuck */
#define FL_TRANSIENT ((uint64_t)CPUM_FL_RF)

/* ---- what a stretch will touch ---- */

static bool note_part(struct rem_lockstep *ls, uint64_t gla, uint8_t *hva, unsigned bytes, bool write)
{
    unsigned off = (unsigned)(gla & PAGE_MASK), from = off > LOCKSTEP_MARGIN ? off - LOCKSTEP_MARGIN : 0;
    unsigned to = MIN(off + bytes + LOCKSTEP_MARGIN, CSAM_PAGE_BYTES);
    struct lockstep_touch *t;

    if (ls->touches == LOCKSTEP_TOUCHES)
        return false;
    t = &ls->touch[ls->touches++];
    t->hva = hva - (off - from);
    t->gla = gla - (off - from);
    t->bytes = (uint16_t)(to - from);
    t->operand = (uint16_t)(off - from);
    t->written = write ? (uint16_t)bytes : 0;
    memcpy(t->before, t->hva, t->bytes);
    return true;
}

enum reach { REACH_PLAIN, REACH_FAULT, REACH_OTHER };

/* The operand [gla, +bytes), page by page. */
static enum reach note_touch(struct rem *r, const struct iem_touch *m)
{
    unsigned in_page = CSAM_PAGE_BYTES - (unsigned)(m->gla & PAGE_MASK), first = MIN(m->bytes, in_page);
    const unsigned part[2] = {first, m->bytes - first};
    struct vcpu *c = r->c;
    uint64_t gla = m->gla;

    if (m->bytes > LOCKSTEP_OPERAND)
        return REACH_OTHER;
    if (!cpum_canonical(gla) || !cpum_canonical(gla + m->bytes - 1))
        return REACH_FAULT;
    for (unsigned n = 0; n < 2 && part[n] != 0; n++, gla += first) {
        struct pgm_xlat x;
        if (pgm_mmu_xlat(&c->mmu, c->mode.idx, gla, m->write ? PGM_WRITE : PGM_READ, &x) != PGM_XLAT_OK)
            return REACH_FAULT;
        if (x.hva == NULL || !note_part(r->lockstep, gla, x.hva, part[n], m->write))
            return REACH_OTHER;
    }
    return REACH_PLAIN;
}

/* False: the instruction reaches something else than memory, or it cannot be told what. */
static bool note_touches(struct rem *r, const struct iem_op *op)
{
    struct iem_touch m[IEM_TOUCHES];
    int count = iem_op_touches(r->c, op, m);

    for (int n = 0; n < count; n++) {
        enum reach reach = note_touch(r, &m[n]);
        if (reach == REACH_FAULT)
            return true; /* the interpreter says which fault */
        if (reach == REACH_OTHER)
            return false;
    }
    return count >= 0;
}

/* ---- flags nobody defines ---- */

/* What an instruction with a condition looks at; by condition / 2. */
static const uint16_t cond_flags[8] = {
    CPUM_FL_OF,
    CPUM_FL_CF,
    CPUM_FL_ZF,
    CPUM_FL_CF | CPUM_FL_ZF,
    CPUM_FL_SF,
    CPUM_FL_PF,
    CPUM_FL_SF | CPUM_FL_OF,
    CPUM_FL_SF | CPUM_FL_OF | CPUM_FL_ZF,
};

/* CR0.NE = 0: an x87 instruction may tell the world outside of an error (FERR#), which cannot be taken back. */
static bool tells_outside(const struct vcpu *c, const struct x86_insn *i)
{
    bool x87 = i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf;

    for (unsigned n = 0; n < i->nops; n++)
        x87 |= i->op[n].kind == X86_OP_MM;
    return (x87 || i->mnem == X86_EMMS) && !(c->ctx.cr0 & CPUM_CR0_NE);
}

static bool reads_undefined(const struct rem_lockstep *ls, const struct x86_insn *i)
{
    bool cond = i->mnem == X86_Jcc || i->mnem == X86_SETcc || i->mnem == X86_CMOVcc;

    return ((cond ? cond_flags[i->cond / 2 & 7] : i->row->flags_read) & ls->undefined) != 0;
}

static void follow_undefined(struct rem_lockstep *ls, const struct x86_insn *i)
{
    if (!(i->row->rules & X86_RULE_FLMAY))
        ls->undefined &= ~(uint64_t)i->row->flags_written;
    ls->undefined |= i->row->flags_undefined;
}

/* ---- the interpreter ahead ---- */

struct ahead {
    struct rem *r;
    uint32_t site;
};

/* The first site behind that of @site that belongs to another instruction; UINT32_MAX: the block ends. */
static uint32_t next_insn(struct rem *r, uint32_t site)
{
    const struct rem_site s = rem_site_get(r, site);
    uint32_t next = site + s.same + 1;

    return next < rem_sites_end(r, rem_block_of(r, &s)) ? next : UINT32_MAX;
}

/* A jump to the next instruction: RIP does not tell whether it was taken, and translated code goes different ways. */
static bool jumps_to_next(const struct x86_insn *i)
{
    return i->row->flow == X86_FLOW_COND && i->nops > 0 && i->op[0].kind == X86_OP_REL && i->imm[0] == 0;
}

static bool unpredictable(const struct rem *r, const struct x86_insn *i)
{
    return jumps_to_next(i) || reads_undefined(r->lockstep, i) || tells_outside(r->c, i);
}

/* Runs until the stretch ends, noting; called under a guard. */
static void run_ahead(void *user)
{
    const struct ahead *a = user;
    struct rem *r = a->r;
    struct rem_lockstep *ls = r->lockstep;

    for (uint32_t n = a->site; n != UINT32_MAX; n = next_insn(r, n)) {
        const struct rem_site site = rem_site_get(r, n), *s = &site;
        const struct iem_op *op = rem_op_of(r, s);
        uint64_t next = r->hot.pcbase + s->off + s->len;
        if (op == NULL || unpredictable(r, iem_op_insn(op))) {
            ls->abandoned = true;
            if (op != NULL)
                iem_op_run(r->c, op);
            return;
        }
        if (s->slow == REM_SLOW_ALWAYS || !note_touches(r, op)) {
            ls->stop = s->off;
            return;
        }
        ls->last = s->off;
        iem_op_run(r->c, op);
        follow_undefined(ls, iem_op_insn(op));
        if (r->c->ctx.rip != (r->c->mode.code64 ? next : (uint32_t)next))
            return;
    }
}

/* Backwards: what two instructions wrote ends up as the first one found it. */
static void undo(struct rem *r)
{
    struct rem_lockstep *ls = r->lockstep;

    for (unsigned n = 0; n < ls->touches; n++)
        memcpy(ls->touch[n].after, ls->touch[n].hva, ls->touch[n].bytes);
    for (unsigned n = ls->touches; n-- > 0;) {
        const struct lockstep_touch *t = &ls->touch[n];
        memcpy(t->hva + t->operand, t->before + t->operand, t->written);
    }
    r->c->ctx = ls->before;
}

/* False: the interpreter could not say where translated code would go; it has run the stretch up to there itself. */
static bool predict(struct rem *r, uint32_t site)
{
    struct rem_lockstep *ls = r->lockstep;
    struct ahead a = {r, site};
    struct vcpu *c = r->c;
    bool live = iem_x87_park(c);

    ls->before = c->ctx;
    ls->touches = 0;
    ls->undefined = 0;
    ls->abandoned = false;
    ls->stop = ls->last = ls->left = LOCKSTEP_NOWHERE;
    ls->stores = pgm_stores(c->mmu.pgm);
    ls->raises = site != UINT32_MAX && !iem_guard(c, run_ahead, &a, &ls->event);
    if (ls->abandoned) {
        r->stats.unverified++;
        if (ls->raises)
            iem_pass_on(c, &ls->event);
        return false;
    }
    iem_x87_park(c);
    ls->expect = c->ctx;
    undo(r);
    if (live)
        iem_x87_unpark(c);
    ls->armed = true;
    return true;
}

/* ---- comparing ---- */

static bool same_event(const struct trpm_event *a, const struct trpm_event *b)
{
    return a->vector == b->vector && a->kind == b->kind && a->has_error == b->has_error && a->error == b->error;
}

/* The parts of an XSAVE image that are registers. */
static const struct {
    uint16_t at, bytes;
} fpu_parts[] = {{0, 5}, {24, 4}, {32, 384}, {576, 256}};

bool lockstep_same_fpu(const struct cpum_fpu *a, const struct cpum_fpu *b)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(fpu_parts); n++)
        if (memcmp(a->area + fpu_parts[n].at, b->area + fpu_parts[n].at, fpu_parts[n].bytes) != 0)
            return false;
    return true;
}

/* Field by field: what lies between the fields is nobody's. */
static bool same_segments(const struct cpum_seg *a, const struct cpum_seg *b)
{
    for (unsigned n = 0; n < X86_SREG_COUNT; n++)
        if (a[n].sel != b[n].sel || a[n].attr != b[n].attr || a[n].limit != b[n].limit || a[n].base != b[n].base)
            return false;
    return true;
}

static bool same_memory(const struct rem_lockstep *ls)
{
    for (unsigned n = 0; n < ls->touches; n++)
        if (memcmp(ls->touch[n].hva, ls->touch[n].after, ls->touch[n].bytes) != 0)
            return false;
    return true;
}

static bool same(const struct rem_lockstep *ls, const struct cpum_ctx *now, const struct trpm_event *event)
{
    const struct cpum_ctx *x = &ls->expect;
    uint64_t flags = (x->rflags ^ now->rflags) & ~(ls->undefined | FL_TRANSIENT);

    if (ls->raises != (event != NULL) || (event != NULL && !same_event(event, &ls->event)))
        return false;
    return memcmp(x->gpr, now->gpr, sizeof x->gpr) == 0 && x->rip == now->rip && flags == 0 && x->cr2 == now->cr2 &&
           same_segments(x->seg, now->seg) && x->kernel_gs_base == now->kernel_gs_base &&
           lockstep_same_fpu(&x->fpu, &now->fpu) && same_memory(ls);
}

/* Translated code left early: the interpreter runs the rest of the stretch. Called under a guard. */
static void run_rest(void *user)
{
    const struct ahead *a = user;
    struct rem *r = a->r;
    uint32_t n = a->site;

    while (n != UINT32_MAX && rem_site_get(r, n).off != r->lockstep->last) {
        const struct iem_op *op = NULL;
        n = next_insn(r, n);
        if (n != UINT32_MAX) {
            const struct rem_site s = rem_site_get(r, n);
            op = rem_op_of(r, &s);
        }
        if (op != NULL)
            iem_op_run(r->c, op);
    }
}

/* Somebody else's store may have happened and not been counted yet. */
static bool others_stored(struct rem *r)
{
    const struct timespec settle = {.tv_nsec = SETTLE_NS};

    if (pgm_stores(r->c->mmu.pgm) == r->lockstep->stores)
        nanosleep(&settle, NULL);
    return pgm_stores(r->c->mmu.pgm) != r->lockstep->stores;
}

/* @event: what translated code raised, NULL nothing. False: it went wrong, the machine has to stop. */
static bool verify(struct rem *r, struct trpm_event *event)
{
    struct rem_lockstep *ls = r->lockstep;
    struct trpm_event late;
    struct vcpu *c = r->c;
    bool live;

    if (!ls->armed)
        return true;
    ls->armed = false;
    if (event == NULL && ls->left != LOCKSTEP_NOWHERE && ls->left != ls->last) {
        struct ahead a = {r, ls->left_site};
        if (!iem_guard(c, run_rest, &a, &late))
            event = &late;
    }
    live = iem_x87_park(c);
    r->stats.verified++;
    if (!same(ls, &c->ctx, event)) {
        if (!others_stored(r))
            ls->failed = true;
        else
            r->stats.unverified++;
    }
    if (ls->failed)
        lockstep_report(r, event);
    if (live)
        iem_x87_unpark(c);
    return !ls->failed;
}

/* ---- called by translate.c and slow.c ---- */

bool rem_lockstep_hands_over(const struct rem *r, const struct x86_insn *i)
{
    bool time = i->mnem == X86_RDTSC || i->mnem == X86_RDTSCP, shadow = i->mnem == X86_STI;

    return r->lockstep != NULL && (time || shadow || i->rep);
}

bool rem_lockstep_before(struct rem *r, const struct rem_site *s)
{
    return !r->lockstep->armed || r->lockstep->stop != s->off || verify(r, NULL);
}

bool rem_lockstep_after(struct rem *r, const struct rem_site *s, bool leaving)
{
    struct rem_lockstep *ls = r->lockstep;

    if (ls->resting)
        return leaving;
    if (leaving) {
        ls->left = s->off;
        ls->left_site = s->id;
        return true;
    }
    return !ls->armed && !predict(r, next_insn(r, s->id));
}

/* ---- one block ---- */

struct entry {
    struct rem *r;
    const struct rem_block *block;
};

static void enter(void *user)
{
    const struct entry *e = user;

    rem_enter(e->r, rem_host_of(e->r, e->block));
}

/* The machine is stopped by em: it looks at rem_difference() when a request brings it out of the interpreter. */
static enum iem_fast_result stop_machine(struct rem *r)
{
    ff_set(&r->c->ff, FF_REQUEST);
    return IEM_FAST_CARE;
}

/* A block that has agreed often enough is compared now and then. */
static bool trusted(const struct rem_lockstep *ls, uint32_t block)
{
    uint32_t runs = ++ls->runs[block];

    return ls->trust != 0 && runs > ls->trust && runs % LOCKSTEP_EVERY != 0;
}

void rem_lockstep_kept(struct rem *r, uint32_t block)
{
    if (r->lockstep != NULL)
        r->lockstep->runs[block] = 0;
}

uint32_t rem_lockstep_runs(const struct rem *r, uint32_t block)
{
    return r->lockstep->runs[block];
}

enum iem_fast_result rem_lockstep_run(struct rem *r, struct rem_block *b)
{
    struct rem_lockstep *ls = r->lockstep;
    struct entry e = {r, b};
    struct trpm_event event;

    if (ls->failed)
        return stop_machine(r);
    ls->resting = trusted(ls, rem_number(r, b));
    if (!ls->resting && !predict(r, rem_sites_of(r, b)))
        return IEM_FAST_CARE;
    r->hot.once = 1;
    if (!iem_guard(r->c, enter, &e, &event)) {
        if (!verify(r, &event))
            return stop_machine(r);
        iem_pass_on(r->c, &event);
    }
    if (!r->care)
        rem_note_flags(r);
    if (!verify(r, NULL))
        return stop_machine(r);
    return r->care ? IEM_FAST_CARE : IEM_FAST_JUMP;
}

static size_t runs_bytes(const struct rem *r)
{
    return (size_t)r->arenas * REM_ARENA_BLOCKS * sizeof(uint32_t);
}

bool rem_set_lockstep(struct vcpu *c, uint32_t trust, GError **error)
{
    struct rem *r = c->rem;
    void *p = rem_sparse(sizeof *r->lockstep, false), *runs = rem_sparse(runs_bytes(r), false);

    if (p == NULL || runs == NULL) {
        rem_unsparse(p, sizeof *r->lockstep);
        rem_unsparse(runs, runs_bytes(r));
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY, "CPU %u: no memory for lockstep", c->id);
        return false;
    }
    r->lockstep = p;
    r->lockstep->trust = trust;
    r->lockstep->runs = runs;
    rem_set_threshold(c, 0);
    return true;
}

void rem_lockstep_fini(struct rem *r)
{
    if (r->lockstep == NULL)
        return;
    rem_unsparse(r->lockstep->runs, runs_bytes(r));
    rem_unsparse(r->lockstep, sizeof *r->lockstep);
}
