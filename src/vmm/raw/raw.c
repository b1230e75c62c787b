/*
 * raw.c - the way into a jail and out of it.
 *
 * Nothing of the guest's processor is imitated here. Whatever stops the jail, the registers come home and the
 * instruction at RIP is executed by the interpreter: that is what raises the guest's exception, makes the system call,
 * sets A and D, reaches the device. Afterwards the page that was missing is mapped and the jail goes on, or the run
 * loop decides what is next. So raw mode can be slow, but it cannot differ, as long as what ran natively is what the
 * guest's processor would have done: possible() and judge.c answer for that.
 *
 * x87 and vector registers stay in the jail while only the other registers are needed (away); they are fetched before
 * anybody may look, also when an exception leaves by the interpreter's longjmp (come_home).
 */
#include "vmm/raw/raw_int.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "rt/status.h"
#include "vmm/pgm/pgm.h"
#include "vmm/stam/stam.h"
#include "vmm/trpm/trpm.h"

#define HEAT       16u /* executions in the interpreter before a block asks, if there is no recompiler */
#define IN_PAGE    ((uint64_t)PGM_PAGE_BYTES - 1)
#define TRIES      64u /* round trips measured */
#define XCR0_BASIC 7u
#define FX_FOP     6u /* FOP, FIP, FDP: 18 bytes */
#define XSTATE_BV  512u
#define DR6_STEP   0x40u /* run.c: pending_db */
#define VSYSCALL   UINT64_C(0xffffffffff600000)
#define SIG_BYTES  2u /* SYSCALL, SYSENTER, INT n */
#define XCPT_GP    13
#define FL_CARRIED ((uint64_t)(CPUM_FL_ARITH | CPUM_FL_DF | CPUM_FL_TF | CPUM_FL_NT | CPUM_FL_AC))
#define FL_FORBIDDEN                                                                                                   \
    ((uint64_t)(CPUM_FL_TF | CPUM_FL_IOPL | CPUM_FL_NT | CPUM_FL_RF | CPUM_FL_VM | CPUM_FL_AC | CPUM_FL_VIF |          \
                CPUM_FL_VIP))

/* ---- eligibility ---- */

/* FS or GS of 32-bit code: null, or the whole of the address space from its base on. */
static bool segment_possible(const struct raw *r, const struct cpum_seg *s)
{
    const uint32_t wanted = CPUM_SEG_P | CPUM_SEG_S | CPUM_SEG_WR;

    if (s->attr & CPUM_SEG_UNUSABLE)
        return true;
    return r->based_selector != 0 && s->limit == UINT32_MAX &&
           (s->attr & (wanted | CPUM_SEG_CODE | CPUM_SEG_DC)) == wanted;
}

static bool segments_possible(const struct vcpu *c)
{
    const struct cpum_seg *fs = &c->ctx.seg[X86_FS], *gs = &c->ctx.seg[X86_GS];

    if (c->mode.code64)
        return fs->base < JAIL_TOP && gs->base < JAIL_TOP;
    return c->mode.flat && c->mode.code == X86_MODE_32 && c->mode.stack_bytes == 4 && segment_possible(c->raw, fs) &&
           segment_possible(c->raw, gs);
}

/* The vCPU is in a state in which the host CPU in ring 3 behaves as the guest's. */
static bool possible(const struct vcpu *c)
{
    const struct cpum_ctx *x = &c->ctx;
    const uint32_t wanted = CPUM_KEY_SSE | CPUM_KEY_PE, excluded = CPUM_KEY_EM | CPUM_KEY_ALIGN | CPUM_KEY_V86;

    return x->cpl == 3 && c->mode.paging && (c->mode.key & (wanted | excluded)) == wanted && !(x->cr0 & CPUM_CR0_TS) &&
           (x->rflags & (FL_FORBIDDEN | CPUM_FL_IF)) == CPUM_FL_IF && x->rip < JAIL_TOP && segments_possible(c) &&
           pgm_a20(c->mmu.pgm);
}

/* The guest has something where the stub is. 32-bit code does not reach there. */
static bool stub_in_the_way(struct raw *r, const struct raw_space *s)
{
    const uint64_t stub = jail_stub(s->jail);
    uint64_t gpa;

    if (!r->c->mode.code64)
        return false;
    return pgm_mmu_peek(&r->c->mmu, stub, &gpa) || pgm_mmu_peek(&r->c->mmu, stub + JAIL_PAGE_BYTES, &gpa);
}

/* ---- registers ---- */

static uint16_t based(const struct vcpu *c, enum x86_sreg n)
{
    return c->ctx.seg[n].attr & CPUM_SEG_UNUSABLE ? 0 : c->raw->based_selector;
}

/* The host's selectors that stand for the guest's. */
static void put_selectors(const struct vcpu *c, struct user_regs_struct *u)
{
    u->ss = JAIL_DATA;
    if (c->mode.code64) {
        u->cs = JAIL_CS64;
        u->ds = u->es = u->fs = u->gs = 0;
        return;
    }
    u->cs = JAIL_CS32;
    u->ds = u->es = JAIL_DATA;
    u->fs = based(c, X86_FS);
    u->gs = based(c, X86_GS);
}

static void put_registers(const struct vcpu *c, struct user_regs_struct *u)
{
    const struct cpum_ctx *x = &c->ctx;
    const uint64_t *g = x->gpr;

    *u = (struct user_regs_struct){.rax = g[X86_RAX],
                                   .rcx = g[X86_RCX],
                                   .rdx = g[X86_RDX],
                                   .rbx = g[X86_RBX],
                                   .rsp = g[X86_RSP],
                                   .rbp = g[X86_RBP],
                                   .rsi = g[X86_RSI],
                                   .rdi = g[X86_RDI],
                                   .r8 = g[X86_R8],
                                   .r9 = g[X86_R9],
                                   .r10 = g[X86_R10],
                                   .r11 = g[X86_R11],
                                   .r12 = g[X86_R12],
                                   .r13 = g[X86_R13],
                                   .r14 = g[X86_R14],
                                   .r15 = g[X86_R15],
                                   .rip = x->rip,
                                   .eflags = (x->rflags & FL_CARRIED) | CPUM_FL_1 | CPUM_FL_IF,
                                   .fs_base = x->seg[X86_FS].base,
                                   .gs_base = x->seg[X86_GS].base};
    put_selectors(c, u);
}

static void take_registers(struct vcpu *c, const struct user_regs_struct *u)
{
    struct cpum_ctx *x = &c->ctx;
    const uint64_t g[16] = {[X86_RAX] = u->rax, [X86_RCX] = u->rcx, [X86_RDX] = u->rdx, [X86_RBX] = u->rbx,
                            [X86_RSP] = u->rsp, [X86_RBP] = u->rbp, [X86_RSI] = u->rsi, [X86_RDI] = u->rdi,
                            [X86_R8] = u->r8,   [X86_R9] = u->r9,   [X86_R10] = u->r10, [X86_R11] = u->r11,
                            [X86_R12] = u->r12, [X86_R13] = u->r13, [X86_R14] = u->r14, [X86_R15] = u->r15};

    memcpy(x->gpr, g, sizeof g);
    x->rip = u->rip;
    x->rflags = (x->rflags & ~FL_CARRIED) | (u->eflags & FL_CARRIED);
    if (c->mode.code64) {
        x->seg[X86_FS].base = u->fs_base;
        x->seg[X86_GS].base = u->gs_base;
    }
    if (x->rflags & (CPUM_FL_AC | CPUM_FL_TF | CPUM_FL_NT))
        cpum_mode_update(c);
}

/* Parts of the XSAVE area that the context keeps in the same place. */
static const struct {
    uint16_t at, bytes;
} vector_parts[] = {{0, 5}, {24, 4}, {32, 384}, {576, 256}};

/* x87 pointers, which the context keeps elsewhere. Older AMD processors save them with a pending exception only. */
static bool put_pointers(const struct vcpu *c, uint8_t *to)
{
    const struct cpum_ctx *x = &c->ctx;
    uint8_t now[18];

    memcpy(now, &x->fop, 2);
    memcpy(now + 2, &x->fip, 8);
    memcpy(now + 10, &x->fdp, 8);
    if (!c->raw->host.x87_pointers || memcmp(to + FX_FOP, now, sizeof now) == 0)
        return false;
    memcpy(to + FX_FOP, now, sizeof now);
    return true;
}

static void take_pointers(struct vcpu *c, const uint8_t *from)
{
    if (!c->raw->host.x87_pointers)
        return;
    memcpy(&c->ctx.fop, from + FX_FOP, 2);
    memcpy(&c->ctx.fip, from + FX_FOP + 2, 8);
    memcpy(&c->ctx.fdp, from + FX_FOP + 10, 8);
}

/* Return: the jail has something else. */
static bool put_vectors(const struct vcpu *c, struct jail *j)
{
    const uint64_t components = XCR0_BASIC;
    uint8_t *to = jail_xstate(j);
    bool differs = put_pointers(c, to);

    for (unsigned n = 0; n < G_N_ELEMENTS(vector_parts); n++) {
        const unsigned at = vector_parts[n].at, bytes = vector_parts[n].bytes;

        if (memcmp(to + at, c->ctx.fpu.area + at, bytes) == 0)
            continue;
        memcpy(to + at, c->ctx.fpu.area + at, bytes);
        differs = true;
    }
    if (memcmp(to + XSTATE_BV, &components, sizeof components) != 0) {
        memset(to + XSTATE_BV, 0, 64);
        memcpy(to + XSTATE_BV, &components, sizeof components);
        differs = true;
    }
    return differs;
}

static void take_vectors(struct vcpu *c, struct jail *j)
{
    const uint8_t *from = jail_xstate(j);

    for (unsigned n = 0; n < G_N_ELEMENTS(vector_parts); n++)
        memcpy(c->ctx.fpu.area + vector_parts[n].at, from + vector_parts[n].at, vector_parts[n].bytes);
    take_pointers(c, from);
}

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
        take_vectors(c, s->jail);
    else
        lose(r);
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

/* The guest's code at @gla, in one page. Return: how many bytes, 0 = it cannot be read without side effects. */
static unsigned code_bytes(struct raw *r, uint64_t gla, const uint8_t **ret)
{
    struct pgm_xlat x;

    if (gla >= JAIL_TOP || pgm_mmu_xlat(&r->c->mmu, PGM_IDX_USER, gla, PGM_EXEC, &x) != PGM_XLAT_OK || x.hva == NULL)
        return 0;
    *ret = x.hva;
    return (unsigned)MIN(X86_MAX_LEN, PGM_PAGE_BYTES - (gla & IN_PAGE));
}

/*
 * The instruction at RIP, in the interpreter. An exception does not come back here.
 * Return: the jail may go on.
 */
static bool step(struct raw *r)
{
    struct vcpu *c = r->c;
    struct iem_op *op = (struct iem_op *)(void *)r->op;
    const uint8_t *bytes;
    unsigned n = code_bytes(r, c->ctx.rip, &bytes);
    bool care;

    if (n == 0 || !iem_op_make(c, bytes, n, op))
        return false;
    if (uses_vectors(iem_op_insn(op)))
        come_home(c);
    care = iem_op_run(c, op);
    iem_op_none(c);
    if (r->away == NULL)
        iem_fpu_home(c);
    return !care && possible(c);
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
    const uint8_t *bytes;

    if (code_bytes(r, c->ctx.rip - 1, &bytes) > 0 && (bytes[0] == 0xcc || bytes[0] == 0xf1)) {
        c->ctx.rip -= 1;
        return;
    }
    if (code_bytes(r, c->ctx.rip - 2, &bytes) >= 2 && bytes[0] == 0xcd) {
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
    struct user_regs_struct own;

    put_selectors(r->c, &own);
    if (u->cs == own.cs && u->ss == own.ss &&
        (r->c->mode.code64 || (u->ds == own.ds && u->es == own.es && u->fs == own.fs && u->gs == own.gs)))
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

static bool page_fault(struct raw *r, struct raw_space *s, uint64_t gla)
{
    bool code;

    r->stats.faults++;
    if (fetch_fault(r, s, gla))
        return fetch(r, s, gla);
    code = raw_space_rights(s, gla) & JAIL_EXEC;
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
    case SIGSYS: r->stats.syscalls++; return back_over_call(r, t->address) && step(r);
    case SIGTRAP: back_over_trap(r); break;
    default: break;
    }
    r->stats.exceptions++;
    return step(r);
}

/* ---- asked by the run loop ---- */

static enum jail_end run_jail(struct raw *r, struct raw_space *s, struct jail_trap *t)
{
    bool vectors = r->away == NULL && put_vectors(r->c, s->jail);

    put_registers(r->c, jail_regs(s->jail));
    r->away = s;
    r->stats.enters++;
    return jail_run(s->jail, vectors, t);
}

static enum iem_fast_result leave(struct raw *r, enum iem_fast_result result)
{
    atomic_store(&r->running, NULL);
    come_home(r->c);
    return result;
}

/* One way in and out. Return: IEM_FAST_COLD: and in again. */
static enum iem_fast_result round_trip(struct raw *r, struct raw_space *s)
{
    struct vcpu *c = r->c;
    struct jail_trap t = {0};
    enum jail_end end = run_jail(r, s, &t);
    uint64_t filled;
    bool stays;

    atomic_store(&r->running, NULL);
    if (end == JAIL_LOST) {
        lose(r);
        return IEM_FAST_CARE;
    }
    take_registers(c, jail_regs(s->jail));
    if (stranger(r, jail_regs(s->jail)))
        return IEM_FAST_CARE;
    if (end == JAIL_KICKED) {
        r->stats.kicks++;
        return cpum_wanted(c) ? IEM_FAST_JUMP : IEM_FAST_COLD;
    }
    filled = r->stats.filled;
    stays = raw_policy_stay(r, s->root); /* first: an exception does not come back */
    if (!handle(r, s, &t))
        stays = false;
    if (r->stats.filled != filled)
        raw_policy_filled(r, s->root);
    return stays ? IEM_FAST_COLD : IEM_FAST_CARE;
}

static enum iem_fast_result run(struct vcpu *c, uint64_t gpa)
{
    struct raw *r = c->raw;
    struct raw_space *s;
    bool entered = false;

    if (r->lost || !possible(c) || !raw_policy_enter(r, raw_root(c)) || raw_judged_unfit(r, gpa))
        return IEM_FAST_COLD;
    s = raw_space_get(r);
    if (stub_in_the_way(r, s))
        return IEM_FAST_COLD;
    iem_fpu_home(c);
    if (r->pending_root == s->root) /* the guest's kernel has most likely made the page that was missing */
        raw_space_fill(r, s, r->pending_gla);
    r->pending_root = UINT64_MAX;
    for (;;) {
        enum iem_fast_result result;

        if (!raw_space_ready(r, s)) {
            lose(r);
            return IEM_FAST_CARE;
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

/* ---- beginning and end ---- */

static void measure(struct raw *r)
{
    struct jail *j = r->space[0].jail;
    struct jail_trap t;

    r->cost_ns = UINT64_MAX;
    for (unsigned n = 0; n < TRIES; n++) {
        uint64_t since = raw_now_ns();

        jail_regs(j)->rip = jail_stub(j); /* a system call: refused */
        if (jail_run(j, false, &t) != JAIL_TRAP || !jail_xstate_get(j))
            return;
        r->cost_ns = MIN(r->cost_ns, raw_now_ns() - since);
    }
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
    iem_set_native(c, run, come_home, will == RAW_WHENEVER_POSSIBLE ? 0 : HEAT);
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
        {"Code/Refused", "pages", "With such instructions", &s->refused},
        {"Strange", "times", "Selectors nobody gave it: #GP", &s->strange},
        {"Admitted", "times", "An address space began to run natively", &s->admitted},
        {"Expelled", "times", "One trapped too often", &s->expelled},
        {"Cost", "ns", "One way in and out, measured at the start", &c->raw->cost_ns},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        stam_addf(stam, STAM_COUNTER, rows[i].value, rows[i].unit, rows[i].desc, "/RAW/CPU%u/%s", c->id, rows[i].name);
}
