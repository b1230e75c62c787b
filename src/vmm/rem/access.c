/*
 * access.c - which memory accesses of a run lie so close together that one probe serves them all: groups.
 *
 * Compiled code reaches its frame and its structures by one register and many displacements. Here every general
 * register is followed through the run as "what it was at some time, plus a constant"; accesses whose addresses are
 * the same thing plus a constant, not far apart, are a group. The first of them leads it: in front of it the group is
 * probed once (group.c).
 *
 * Reads join a group of either kind. A write joins one that would be probed for reading, and is probed for writing
 * then; where that has failed, because a branch lies between and pages are only read in the end, it begins one of its
 * own.
 *
 * Groups that overlap make a stretch. Whatever in a stretch needs the interpreter runs there to the stretch's end, for
 * C code may take away what the groups were told (rem_group.until).
 *
 * Invariant 1: no instruction of a stretch is one the interpreter always runs.
 * Invariant 2: a group's accesses lie in [lo, lo + span); a group that is not `fixed` is used only if the page of lo
 *   holds all of it, a fixed one is inside one page whatever happens (relative to RIP, or absolute).
 */
#include "vmm/rem/segment.h"

#define SPAN_MAX   256u
#define OPEN_MAX   24u
#define WORTH      3u /* plain accesses a group must save to pay */
#define WORTH_SURE 2u /* ... if it needs no question for the page's end */

enum { ID_RIP, ID_ABSOLUTE, ID_NONE, ID_FIRST };

/* What it was, and how far it has moved since. */
struct value {
    uint32_t id;
    int32_t add;
};

struct access {
    uint64_t thing; /* what the address is but for a constant: thing_of() */
    int64_t at;
    uint8_t bytes;
    bool read, write, fixed;
    uint8_t cost; /* of a probe of its own */
};

struct open {
    uint64_t thing; /* CLOSED: nothing joins any more */
    struct rem_group g;
    unsigned branches, cost;
};
#define CLOSED UINT64_MAX

struct scan {
    const struct rem_tr *t;
    struct value reg[16];
    uint32_t ids;
    unsigned branches, opens;
    struct open open[OPEN_MAX];
    uint8_t of[CSAM_RUN_MAX]; /* open's number, or 0xff */
    int64_t at[CSAM_RUN_MAX];
};

static void lose(struct scan *s, unsigned reg)
{
    s->reg[reg & 15] = (struct value){.id = s->ids++, .add = 0};
}

static void lose_all(struct scan *s)
{
    for (unsigned n = 0; n < 16; n++)
        lose(s, n);
}

/* ---- what an instruction touches ---- */

/* Of a run's registers, each lost and found a few times: names are small. */
static uint64_t thing_of(uint32_t base, uint32_t index, unsigned scale)
{
    return base | (uint64_t)index << 28 | (uint64_t)scale << 56;
}

static bool fixed(uint32_t base)
{
    return base == ID_RIP || base == ID_ABSOLUTE;
}

static bool explicit_access(const struct scan *s, const struct x86_insn *i, struct access *ret)
{
    const struct x86_operand *m = rem_memory_of(i);
    const struct value none = {.id = ID_NONE, .add = 0};
    struct value base = none, index = none;

    if (m == NULL || m->bytes == 0 || i->vsib || i->addrsize != (s->t->bits64 ? 8 : 4) || rem_is_segmented(s->t, i) ||
        i->seg == X86_FS || i->seg == X86_GS || i->disp > INT32_MAX - (int32_t)SPAN_MAX * 2 ||
        i->disp < INT32_MIN + (int32_t)SPAN_MAX * 2)
        return false;
    if (i->base == X86_BASE_RIP)
        base = (struct value){.id = ID_RIP, .add = s->t->n->off + i->len};
    else if (i->base != X86_REG_NONE)
        base = s->reg[i->base & 15];
    if (i->index != X86_REG_NONE)
        index = s->reg[i->index & 15];
    if (base.id == ID_NONE && index.id == ID_NONE)
        base.id = ID_ABSOLUTE;
    bool natural = m->bytes == 1 || m->bytes == 2 || m->bytes == 4 || m->bytes == 8;
    *ret = (struct access){.thing = thing_of(base.id, index.id, index.id == ID_NONE ? 1 : i->scale),
                           .bytes = m->bytes,
                           .read = (m->flags & X86_OPF_READ) != 0,
                           .write = (m->flags & X86_OPF_WRITE) != 0,
                           .fixed = fixed(base.id),
                           .at = base.add + (int64_t)index.add * i->scale + i->disp,
                           .cost = natural || (i->row->rules & X86_RULE_ALIGN) ? 1 : 2};
    return ret->read || ret->write;
}

static bool stack_access(const struct scan *s, const struct x86_insn *i, enum rem_kind kind, struct access *ret)
{
    int width = s->t->bits64 ? 8 : 4;
    bool down = kind == REM_PUSH || kind == REM_CALL || kind == REM_CALL_TO;
    struct value v = s->reg[kind == REM_LEAVE ? X86_RBP : X86_RSP];

    if (!down && kind != REM_POP && kind != REM_RET && kind != REM_LEAVE)
        return false;
    if (s->t->segmented || i->opsize != width)
        return false;
    *ret = (struct access){.thing = thing_of(v.id, ID_NONE, 1),
                           .bytes = (uint8_t)width,
                           .read = !down,
                           .write = down,
                           .at = v.add - (down ? width : 0),
                           .cost = 1};
    return true;
}

/* ---- what becomes of registers ---- */

static bool by_constant(const struct x86_insn *i, int64_t *ret_add)
{
    bool imm = i->nops > 1 && i->op[1].kind == X86_OP_IMM;

    switch (i->mnem) {
    case X86_ADD: *ret_add = imm ? (int64_t)i->imm[i->op[1].reg] : 0; return imm;
    case X86_SUB: *ret_add = imm ? -(int64_t)i->imm[i->op[1].reg] : 0; return imm;
    case X86_INC: *ret_add = 1; return true;
    case X86_DEC: *ret_add = -1; return true;
    default: return false;
    }
}

static void moved(struct scan *s, unsigned to, struct value from, int64_t add)
{
    int64_t sum = from.add + add;

    if (add != (int32_t)add || sum != (int32_t)sum) {
        lose(s, to);
        return;
    }
    s->reg[to] = (struct value){.id = from.id, .add = (int32_t)sum};
}

/* MOV, LEA, ADD, SUB, INC, DEC of whole registers by constants. True: all that changes has been followed. */
static bool follow_exactly(struct scan *s, const struct x86_insn *i)
{
    unsigned to = i->op[0].reg, width = s->t->bits64 ? 8 : 4;
    int64_t add;

    if (i->nops == 0 || i->op[0].kind != X86_OP_GPR || i->op[0].bytes != width || to >= X86_AH)
        return false;
    if (i->mnem == X86_MOV && i->op[1].kind == X86_OP_GPR) {
        moved(s, to, s->reg[i->op[1].reg & 15], 0);
        return true;
    }
    if (i->mnem == X86_LEA && i->addrsize == width && i->index == X86_REG_NONE && i->base < X86_AH) {
        moved(s, to, s->reg[i->base], i->disp);
        return true;
    }
    if (!by_constant(i, &add))
        return false;
    moved(s, to, s->reg[to], add);
    return true;
}

/* Of those translated as data, the only ones that write a register they do not name: RAX, RDX, RCX. */
static bool writes_unnamed(const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_MUL:
    case X86_IMUL: return i->nops == 1;
    case X86_DIV:
    case X86_IDIV:
    case X86_CBW:
    case X86_CWD:
    case X86_LAHF:
    case X86_CMPXCHG:
    case X86_CMPXCHG8B:
    case X86_CMPXCHG16B:
    case X86_PCMPESTRI:
    case X86_PCMPISTRI:
    case X86_VPCMPESTRI:
    case X86_VPCMPISTRI: return true;
    default: return false;
    }
}

static void follow_data(struct scan *s, const struct x86_insn *i)
{
    if (follow_exactly(s, i))
        return;
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_GPR && (i->op[n].flags & X86_OPF_WRITE))
            lose(s, i->op[n].reg >= X86_AH ? i->op[n].reg - X86_AH : i->op[n].reg);
    if (writes_unnamed(i)) {
        lose(s, X86_RAX);
        lose(s, X86_RCX);
        lose(s, X86_RDX);
    }
}

static void follow(struct scan *s, const struct x86_insn *i, enum rem_kind kind)
{
    int width = s->t->bits64 ? 8 : 4;

    if (kind >= REM_PUSH && i->opsize != width) {
        lose_all(s);
        return;
    }
    switch (kind) {
    case REM_DATA:
    case REM_LEA: follow_data(s, i); break;
    case REM_PUSH: moved(s, X86_RSP, s->reg[X86_RSP], -width); break;
    case REM_POP:
        moved(s, X86_RSP, s->reg[X86_RSP], width);
        lose(s, i->op[0].reg);
        break;
    case REM_LEAVE:
        moved(s, X86_RSP, s->reg[X86_RBP], width);
        lose(s, X86_RBP);
        break;
    case REM_LOOP: lose(s, X86_RCX); break;
    default: break;
    }
}

/* ---- groups ---- */

static bool one_page(int64_t lo, int64_t hi)
{
    return (lo & ~(int64_t)(CSAM_PAGE_BYTES - 1)) == ((hi - 1) & ~(int64_t)(CSAM_PAGE_BYTES - 1));
}

/* Room for the access in the group? Then @ret_lo and @ret_hi are the group's bounds with it. */
static bool fits(const struct open *o, const struct access *a, int64_t *ret_lo, int64_t *ret_hi)
{
    *ret_lo = MIN(o->g.lo, a->at);
    *ret_hi = MAX(o->g.lo + o->g.span, a->at + a->bytes);
    return a->fixed ? one_page(*ret_lo, *ret_hi) : *ret_hi - *ret_lo <= SPAN_MAX;
}

/* Its leader was told so: adapt.c. */
static bool failed(const struct rem_tr *t, const struct open *o)
{
    return rem_marked_at(t, PATM_APART, t->r->run.insn[o->g.leader].off);
}

static bool join(struct scan *s, struct open *o, const struct access *a, unsigned k)
{
    int64_t lo, hi;

    if (!fits(o, a, &lo, &hi) || (a->write && !o->g.write && o->branches != s->branches && failed(s->t, o))) {
        o->thing = CLOSED;
        return false;
    }
    o->g.write |= a->write;
    o->g.lo = lo;
    o->g.span = (uint32_t)(hi - lo);
    o->g.last = (uint8_t)k;
    o->cost += a->cost;
    return true;
}

static void enter(struct scan *s, const struct access *a, unsigned k)
{
    unsigned n = 0;

    while (n < s->opens && (s->open[n].thing != a->thing || !join(s, &s->open[n], a, k)))
        n++;
    if (n == OPEN_MAX || (a->fixed && !one_page(a->at, a->at + a->bytes)))
        return;
    if (n == s->opens) {
        s->open[s->opens++] = (struct open){.thing = a->thing,
                                            .g = {.leader = (uint8_t)k,
                                                  .last = (uint8_t)k,
                                                  .lo = a->at,
                                                  .span = a->bytes,
                                                  .write = a->write,
                                                  .leader_writes = a->write,
                                                  .fixed = a->fixed},
                                            .branches = s->branches,
                                            .cost = a->cost};
    }
    s->of[k] = (uint8_t)n;
    s->at[k] = a->at;
}

static void close_all(struct scan *s)
{
    for (unsigned n = 0; n < s->opens; n++)
        s->open[n].thing = CLOSED;
}

/* An instruction nothing is known of: groups end in front of it. */
static bool barrier(const struct rem_tr *t, const struct csam_insn *n, enum rem_kind kind)
{
    return kind == REM_OPAQUE || rem_misaligned_at(t, n->off) || rem_marked_at(t, PATM_DEVICE, n->off);
}

static void scan_insn(struct scan *s, unsigned k)
{
    const struct x86_insn *i = &s->t->n->i;
    enum rem_kind kind = rem_kind(s->t);
    struct access a;

    s->of[k] = 0xff;
    if (barrier(s->t, s->t->n, kind)) {
        close_all(s);
        lose_all(s);
        return;
    }
    if (kind == REM_DATA ? explicit_access(s, i, &a) : stack_access(s, i, kind, &a))
        enter(s, &a, k);
    s->branches += kind == REM_JCC || kind == REM_LOOP;
    follow(s, i, kind);
}

/* ---- what is kept ---- */

static bool worth_it(const struct open *o)
{
    return o->cost >= (o->g.fixed ? WORTH_SURE : WORTH);
}

/* False: no group is worth it, and nothing was written. */
static bool keep(struct rem_groups *g, struct scan *s, unsigned count)
{
    uint8_t number[OPEN_MAX];

    for (unsigned n = 0; n < s->opens; n++) {
        number[n] = REM_NO_GROUP;
        if (worth_it(&s->open[n]) && g->count < REM_GROUPS_MAX) {
            number[n] = (uint8_t)g->count;
            g->group[g->count++] = s->open[n].g;
        }
    }
    if (g->count == 0)
        return false;
    for (unsigned k = 0; k < count; k++) {
        if (s->of[k] == 0xff || number[s->of[k]] == REM_NO_GROUP)
            continue;
        g->of[k] = number[s->of[k]];
        g->at[k] = (int32_t)(s->at[k] - g->group[g->of[k]].lo);
        if (k == g->group[g->of[k]].leader)
            g->leads[k] = true;
    }
    return true;
}

static void make_stretches(struct rem_groups *g)
{
    for (unsigned k = 0; k < g->run; k++) {
        unsigned end = k;
        if (!g->leads[k])
            continue;
        for (unsigned n = k; n <= end; n++)
            if (g->leads[n])
                end = MAX(end, g->group[g->of[n]].last);
        for (unsigned n = k; n <= end; n++) {
            g->until[n] = (uint8_t)end;
            g->since[n] = (uint8_t)k;
        }
        k = end;
    }
}

/* There is no group in a run with less than two accesses, or one of more than a register's bytes. */
static bool too_few(const struct rem_tr *t, const struct csam_run *run)
{
    unsigned count = 0;

    for (unsigned k = 0; k < run->count && count < WORTH_SURE; k++) {
        const struct x86_operand *m = t->kind[k] == REM_DATA ? rem_memory_of(&run->insn[k].i) : NULL;
        count += m != NULL ? (m->bytes > 8 ? 2 : 1) : t->kind[k] >= REM_CALL;
    }
    return count < WORTH_SURE;
}

void rem_find_groups(struct rem_tr *t)
{
    const struct csam_run *run = &t->r->run;
    struct rem_groups *g = &t->groups;
    struct scan s __attribute__((uninitialized));

    s.t = t;
    s.ids = ID_FIRST;
    s.branches = s.opens = 0;
    g->count = 0;
    g->run = run->count;
    memset(g->leads, 0, sizeof g->leads);
    memset(g->until, REM_NO_GROUP, sizeof g->until);
    memset(g->of, REM_NO_GROUP, sizeof g->of);
    if (too_few(t, run))
        return;
    lose_all(&s);
    for (unsigned k = 0; k < run->count; k++) {
        rem_at(t, k);
        scan_insn(&s, k);
    }
    if (keep(g, &s, run->count))
        make_stretches(g);
}
