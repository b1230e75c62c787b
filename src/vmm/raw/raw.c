/*
 * raw.c - the way into a jail and out of it.
 *
 * Nothing of the guest's processor is imitated here. Whatever stops the jail, the registers come home and the
 * instruction at RIP is executed by the interpreter: that is what raises the guest's exception, makes the system call,
 * sets A and D, reaches the device. Afterwards the page that was missing is mapped and the jail goes on, or the run
 * loop decides what is next. So raw mode can be slow, but it cannot differ, as long as what ran natively is what the
 * guest's processor would have done: state.c and judge.c answer for that.
 *
 * x87 and vector registers stay in the jail while only the other registers are needed (away); they are fetched before
 * anybody may look, also when an exception leaves by the interpreter's longjmp (come_home).
 */
#include "vmm/raw/raw_int.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "vmm/pgm/pgm.h"
#include "vmm/trpm/trpm.h"

#define IN_PAGE   ((uint64_t)PGM_PAGE_BYTES - 1)
#define DR6_STEP  0x40u /* run.c: pending_db */
#define VSYSCALL  UINT64_C(0xffffffffff600000)
#define SIG_BYTES 2u /* SYSCALL, SYSENTER, INT n */
#define XCPT_GP   13

/* ---- eligibility ---- */

/* The guest has something where the stub is. 32-bit code does not reach there. */
static bool stub_in_the_way(struct raw *r, const struct raw_space *s)
{
    const uint64_t stub = jail_stub(s->jail);
    uint64_t gpa;

    if (!r->c->mode.code64)
        return false;
    return pgm_mmu_peek(&r->c->mmu, stub, &gpa) || pgm_mmu_peek(&r->c->mmu, stub + JAIL_PAGE_BYTES, &gpa);
}

/* ---- x87 and vector registers come home ---- */

static void lose(struct raw *r)
{
    r->lost = true;
    r->away = NULL;
    ff_set(&r->c->ff, FF_REQUEST); /* out of the run loop; em.c looks */
}

static void come_home(struct vcpu *c)
{
    struct raw *r = c->raw;
    struct raw_space *s = r->away;

    if (s == NULL)
        return;
    r->away = NULL;
    if (jail_xstate_get(s->jail))
        raw_take_vectors(c, s->jail);
    else
        lose(r);
}

void raw_unwound(struct vcpu *c)
{
    come_home(c);
    raw_policy_shown(c->raw);
    raw_policy_visited(c->raw);
}

/* ---- traps ---- */

static bool uses_vectors(const struct x86_insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_VEC || i->op[n].kind == X86_OP_MM || i->op[n].kind == X86_OP_ST)
            return true;
    switch (i->mnem) {
    case X86_MOV:
    case X86_PUSH:
    case X86_POP:
    case X86_CALL:
    case X86_RET:
    case X86_STOS:
    case X86_MOVS:
    case X86_SYSCALL: return false;
    default: return i->map != 0 || i->vex || (i->opcode >= 0xd8 && i->opcode <= 0xdf) || i->opcode == 0x9b;
    }
}

/*
 * The guest's code at @gla, in one page: copied, another CPU may be writing it. Return: how many bytes, 0 = it cannot
 * be read without side effects.
 */
static unsigned code_bytes(struct raw *r, uint64_t gla, uint8_t ret[X86_MAX_LEN])
{
    const unsigned bytes = (unsigned)MIN(X86_MAX_LEN, PGM_PAGE_BYTES - (gla & IN_PAGE));
    struct pgm_xlat x;

    if (gla >= JAIL_TOP || pgm_mmu_xlat(&r->c->mmu, PGM_IDX_USER, gla, PGM_EXEC, &x) != PGM_XLAT_OK || x.hva == NULL)
        return 0;
    memcpy(ret, x.hva, bytes);
    return bytes;
}

/*
 * The instruction at RIP, in the interpreter. An exception does not come back here.
 * Return: the jail may go on.
 */
static bool step(struct raw *r)
{
    struct vcpu *c = r->c;
    struct iem_op *op = (struct iem_op *)(void *)r->op;
    uint8_t bytes[X86_MAX_LEN];
    unsigned n = code_bytes(r, c->ctx.rip, bytes);
    bool care;

    if (n == 0 || !iem_op_make(c, bytes, n, op))
        return false;
    if (uses_vectors(iem_op_insn(op)))
        come_home(c);
    care = iem_op_run(c, op);
    iem_op_none(c);
    if (r->away == NULL)
        iem_fpu_home(c);
    return !care && raw_possible(c);
}

/* Behind the system call, where the host's SIGSYS leaves it; in front of it is where the interpreter wants it. */
static bool back_over_call(struct raw *r, uint64_t behind)
{
    struct cpum_ctx *x = &r->c->ctx;

    if ((behind & ~IN_PAGE) == VSYSCALL) { /* the host's own page of that name: it has returned already */
        x->rip = behind;
        x->gpr[X86_RSP] -= 8;
        return false;
    }
    x->rip -= SIG_BYTES;
    return true;
}

/* A trap that comes after its instruction. */
static void back_over_trap(struct raw *r)
{
    struct vcpu *c = r->c;
    uint8_t bytes[X86_MAX_LEN];

    if (code_bytes(r, c->ctx.rip - 1, bytes) > 0 && (bytes[0] == 0xcc || bytes[0] == 0xf1)) {
        c->ctx.rip -= 1;
        return;
    }
    if (code_bytes(r, c->ctx.rip - 2, bytes) >= 2 && bytes[0] == 0xcd) {
        c->ctx.rip -= 2;
        return;
    }
    c->ctx.pending_db |= DR6_STEP; /* TF */
    ff_set(&c->ff, FF_TRAP);
}

/* Selectors the guest cannot have got by code that was judged: hidden instructions. Its own processor would likely
 * refuse. */
static bool stranger(struct raw *r, const struct user_regs_struct *u)
{
    const struct trpm_event gp = {.vector = XCPT_GP, .kind = TRPM_FAULT, .has_error = true};

    if (raw_own_selectors(r->c, u))
        return false;
    r->stats.strange++;
    trpm_inject(r->c, &gp);
    return true;
}

/* The host would have to fetch at @gla and the jail has no code there. */
static bool fetch_fault(const struct raw *r, const struct raw_space *s, uint64_t gla)
{
    return gla - r->c->ctx.rip < X86_MAX_LEN && !(raw_space_rights(s, gla) & JAIL_EXEC);
}

static bool fetch(struct raw *r, struct raw_space *s, uint64_t gla)
{
    struct pgm_xlat x;

    if (gla >= JAIL_TOP || pgm_mmu_xlat(&r->c->mmu, PGM_IDX_USER, gla, PGM_EXEC, &x) != PGM_XLAT_OK)
        return false; /* the run loop finds the fault again and raises it */
    return raw_space_fill_code(r, s, gla);
}

/* A store into a page the jail executes: it is data from now on, until it is executed again. */
static void code_becomes_data(struct raw *r, uint64_t gla)
{
    uint64_t gpa;

    if (pgm_mmu_known(&r->c->mmu, PGM_IDX_USER, gla, &gpa) & 1u << PGM_WRITE)
        pgm_code_written(r->c->mmu.pgm, gpa, PGM_PAGE_BYTES);
}

/*
 * The program had the page, and now the jail has it, for reading and writing: the instruction may begin again there, a
 * long REP above all. Not if the jail has just been emptied, because the host refuses pages: so there is an instruction
 * between two times.
 */
static bool had_already(struct raw *r, struct raw_space *s, uint64_t gla)
{
    const bool emptied = r->stats.cleared != r->cleared_seen;

    r->cleared_seen = r->stats.cleared;
    return !emptied && raw_space_fill(r, s, gla) && (raw_space_rights(s, gla) & JAIL_WRITE);
}

static bool page_fault(struct raw *r, struct raw_space *s, uint64_t gla)
{
    bool code;

    r->stats.faults++;
    if (fetch_fault(r, s, gla))
        return fetch(r, s, gla);
    code = raw_space_rights(s, gla) & JAIL_EXEC;
    if (had_already(r, s, gla))
        return true;
    r->pending_gla = gla;
    r->pending_root = s->root;
    if (!step(r))
        return false;
    r->pending_root = UINT64_MAX;
    if (code)
        code_becomes_data(r, gla);
    raw_space_fill(r, s, gla);
    return true;
}

/* What stopped the jail. Return: it may go on. */
static bool handle(struct raw *r, struct raw_space *s, const struct jail_trap *t)
{
    switch (t->signal) {
    case SIGSEGV:
        if (t->address != 0)
            return page_fault(r, s, t->address);
        break;
    case SIGSYS:
        r->stats.syscalls++;
        raw_policy_shown(r);
        return back_over_call(r, t->address) && step(r);
    case SIGTRAP: back_over_trap(r); break;
    default: break;
    }
    r->stats.exceptions++;
    return step(r);
}

/* ---- asked by the run loop ---- */

static enum jail_end run_jail(struct raw *r, struct raw_space *s, struct jail_trap *t)
{
    bool vectors = r->away == NULL && raw_put_vectors(r->c, s->jail);

    raw_put_registers(r->c, jail_regs(s->jail));
    r->away = s;
    r->stats.enters++;
    return jail_run(s->jail, vectors, t);
}

static enum iem_fast_result leave(struct raw *r, enum iem_fast_result result)
{
    atomic_store(&r->running, NULL);
    come_home(r->c);
    raw_policy_visited(r);
    return result;
}

/* One way in and out. Return: IEM_FAST_COLD: and in again. */
static enum iem_fast_result round_trip(struct raw *r, struct raw_space *s)
{
    struct vcpu *c = r->c;
    const uint64_t since = raw_now_ns();
    struct jail_trap t = {0};
    enum jail_end end = run_jail(r, s, &t);
    const uint64_t ran_ns = raw_now_ns() - since;
    uint64_t filled;
    bool stays;

    atomic_store(&r->running, NULL);
    if (end == JAIL_LOST) {
        lose(r);
        return IEM_FAST_CARE;
    }
    raw_take_registers(c, jail_regs(s->jail));
    if (stranger(r, jail_regs(s->jail)))
        return IEM_FAST_CARE;
    if (end == JAIL_KICKED) {
        r->stats.kicks++;
        return cpum_wanted(c) ? IEM_FAST_JUMP : IEM_FAST_COLD;
    }
    filled = r->stats.filled;
    stays = raw_policy_stay(r, s->root, s->jail, ran_ns); /* first: an exception does not come back */
    if (!handle(r, s, &t))
        stays = false;
    if (r->stats.filled != filled)
        raw_policy_filled(r);
    return stays ? IEM_FAST_COLD : IEM_FAST_CARE;
}

enum iem_fast_result raw_run(struct vcpu *c, uint64_t gpa)
{
    struct raw *r = c->raw;
    struct raw_space *s;
    bool entered = false;

    if (r->lost || !raw_possible(c) || !raw_policy_enter(r, raw_root(c)) || raw_judged_unfit(r, gpa))
        return IEM_FAST_COLD;
    s = raw_space_get(r);
    if (stub_in_the_way(r, s))
        return IEM_FAST_COLD;
    raw_policy_visit(r, s->root);
    iem_fpu_home(c);
    if (r->pending_root == s->root) /* the guest's kernel has most likely made the page that was missing */
        raw_space_fill(r, s, r->pending_gla);
    r->pending_root = UINT64_MAX;
    for (;;) {
        enum iem_fast_result result;

        if (!raw_space_ready(r, s)) {
            lose(r);
            return leave(r, IEM_FAST_CARE);
        }
        atomic_store(&r->running, s->jail);
        if (ff_get(&c->ff) != 0) /* set before, or there will be a kick */
            return leave(r, entered ? IEM_FAST_JUMP : IEM_FAST_BUSY);
        entered = true;
        result = round_trip(r, s);
        if (result != IEM_FAST_COLD)
            return leave(r, result);
    }
}
