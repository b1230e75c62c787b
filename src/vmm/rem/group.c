/*
 * group.c - one probe for a group of accesses (access.c): code for its leader, its members and the way without it.
 *
 * The leader asks once whether the group's bytes are in one page, and looks that page up:
 *     lea r14, [lo + chunk]   pext rcx, r14, [chunk's number in the page]   jrcxz out     lo is in the last chunk
 *     pext rcx, r14, [page]   mov rcx, [table + rcx * 8]   jrcxz out   lea r14, [r14 + rcx]   mov [slot], r14
 * From there on T0 is a place on the host and a member is reached at [T0 + constant]. Other uses of T0 lose it; the
 * slot, where one is needed, brings it back.
 *
 * "out" is the interpreter, which fills the table's entry and comes back, or runs the whole stretch (slow.c). Where
 * that has happened too often for reasons that stay (the group lies across two pages, the page cannot be written
 * directly) the block is translated anew, with a copy of the stretch that probes each access for itself.
 *
 * Invariant 1: T0 and the slots are used only in the stretch, and no C code runs between the leader and the last
 *   member that comes back into the stretch.
 */
#include "vmm/rem/segment.h"

static unsigned chunk_bits(uint32_t span)
{
    unsigned bits = REM_CHUNK_MIN;

    while ((1u << bits) < span)
        bits++;
    return bits;
}

/* One of the stretch's groups was found to need it. */
static bool has_copy(const struct rem_tr *t, unsigned k)
{
    const struct rem_groups *g = &t->groups;

    for (unsigned n = g->since[k]; n <= g->until[k]; n++)
        if (rem_marked_at(t, PATM_APART, t->r->run.insn[n].off))
            return true;
    return false;
}

/* T0 = linear address of the present access + @from_here */
static void address(struct rem_tr *t, int32_t from_here)
{
    struct x86_insn i = t->n->i;
    enum rem_kind kind = rem_kind(t);
    int32_t width = t->bits64 ? 8 : 4;
    struct emit *e = &t->e;
    struct rem_gla a;

    if (kind == REM_DATA) {
        i.disp += from_here;
        if (!rem_emit_gla(t, &i, &a)) {
            t->failed = true;
            return;
        }
        struct x86_place sum = e_at(a.reg, a.disp);
        if (a.reg != T0 || a.disp != 0)
            e_lea(e, t->bits64, T0, &sum);
        return;
    }
    bool up = kind == REM_POP || kind == REM_RET || kind == REM_LEAVE;
    struct x86_place stack = e_at(kind == REM_LEAVE ? X86_RBP : HOST_RSP, from_here - (up ? 0 : width));
    e_lea(e, t->bits64, T0, &stack);
}

/* ---- what is left of T0 ---- */

/* Reached as [base + S + disp], by no other register: probe.c. */
static bool plain_address(const struct rem_tr *t, const struct x86_insn *i)
{
    return t->bits64 && i->addrsize == 8 && i->base < X86_AH && rem_host_reg(i->base) != X86_REG_NONE &&
           i->index == X86_REG_NONE && i->seg != X86_FS && i->seg != X86_GS && i->disp == (int32_t)i->disp;
}

/* Whether the code for the instruction leaves T0 alone; in doubt not. */
static bool keeps_t0(const struct rem_tr *t, const struct x86_insn *i)
{
    bool member = t->groups.of[t->k] != REM_NO_GROUP && !t->no_groups;
    bool simple = !rem_is(t, REM_T_IN_CONTEXT | REM_T_HIGH_BYTE);
    enum rem_kind kind = rem_kind(t);

    if (kind >= REM_PUSH && rem_odd_stack(t, i->opsize))
        return false;
    switch (kind) {
    case REM_NOTHING:
    case REM_JCC: return true; /* a jump into another page uses it only when taken */
    case REM_LEA: return simple && i->op[0].bytes != 2 && plain_address(t, i);
    case REM_PUSH: return i->op[0].kind != X86_OP_MEM && (member || (simple && t->bits64));
    case REM_POP:
    case REM_LEAVE: return true;
    case REM_DATA:
        return member || (simple && (rem_memory_of(i) == NULL || (plain_address(t, i) && !rem_is(t, REM_T_RCX))));
    default: return false;
    }
}

/* Whether T0 is another's when a later access of the group that instruction @k leads is reached. */
static bool comes_back(struct rem_tr *t, unsigned k)
{
    const struct rem_groups *all = &t->groups;
    unsigned g = all->of[k], in = g;
    bool lost = false;

    for (unsigned n = k; n <= all->group[g].last && !lost; n++) {
        rem_at(t, n);
        lost = n != k && all->of[n] == g && in != g;
        if (all->of[n] != REM_NO_GROUP)
            in = all->of[n];
        if (!keeps_t0(t, &t->n->i))
            in = REM_NO_GROUP;
    }
    rem_at(t, k);
    return lost;
}

/* ---- the leader and its members ---- */

/* T0 is so far ahead of lo: what wraps around to the page's beginning would not lie in the page as a whole. */
static int32_t ahead(const struct rem_group *g)
{
    return g->fixed ? 0 : 1 << chunk_bits(g->span);
}

void rem_emit_group(struct rem_tr *t)
{
    unsigned k = t->k;
    const struct rem_groups *all = &t->groups;
    struct emit *e = &t->e;

    if (t->no_groups || !all->leads[k])
        return;
    const struct rem_group *g = &all->group[all->of[k]];
    const struct rem_gla place = rem_gla_in(T0);
    unsigned bits = chunk_bits(g->span), out = has_copy(t, k) ? STUB_COPY : STUB_SLOW;
    struct x86_place chunk = e_at(RB, REM_MASK_CHUNK - 8 * (int32_t)(bits - REM_CHUNK_MIN)),
                     sum = e_at_index(T0, S, 1, 0);

    address(t, ahead(g) - all->at[k]);
    if (!g->fixed) {
        e_pext_at(e, S, T0, &chunk);
        rem_miss(t, out);
    }
    rem_emit_entry(t, place, g->write);
    rem_miss(t, out);
    e_lea(e, true, T0, &sum);
    t->in_t0 = all->of[k];
    if (comes_back(t, k)) {
        e_store(e, &t->r->hot.group[all->of[k]], T0);
        t->in_slot |= 1u << all->of[k];
    }
    t->r->stats.groups++;
}

bool rem_in_group(struct rem_tr *t, struct x86_place *ret)
{
    unsigned k = t->k, g = t->groups.of[k];

    if (t->no_groups || g == REM_NO_GROUP)
        return false;
    if (t->in_t0 != g) {
        t->failed |= (t->in_slot >> g & 1) == 0;
        e_load(&t->e, T0, &t->r->hot.group[g]);
    }
    t->in_t0 = g;
    *ret = e_at(T0, t->groups.at[k] - ahead(&t->groups.group[g]));
    return true;
}

void rem_group_passed(struct rem_tr *t)
{
    if (t->in_t0 != REM_NO_GROUP &&
        (rem_misaligned_at(t, t->n->off) || rem_marked(t, PATM_DEVICE) || !keeps_t0(t, &t->n->i)))
        t->in_t0 = REM_NO_GROUP;
}

/* ---- stretches ---- */

static unsigned leads_for(const struct rem_group *g)
{
    return !g->write ? REM_LEADS_READ : g->leader_writes ? REM_LEADS_WRITE : REM_LEADS_LATER;
}

void rem_group_sites(struct rem_tr *t, uint32_t first)
{
    unsigned k = t->k, end = t->groups.until[k];

    if (t->no_groups || end == REM_NO_GROUP)
        return;
    for (uint32_t s = first; s < t->r->made_count; s++)
        t->r->made[s].until = (uint16_t)(t->r->run.insn[end].off - t->n->off);
    if (t->groups.leads[k])
        t->r->made[first].leads = (uint8_t)leads_for(&t->groups.group[t->groups.of[k]]);
}

static void emit_copy(struct rem_tr *t, unsigned from, unsigned to)
{
    bool x87_seen = t->x87_seen;

    t->x87_seen = false;
    rem_forget_held(t);
    for (unsigned k = from; k <= to && !t->failed; k++) {
        t->copy[k] = t->e.p;
        rem_emit_insn(t, k);
    }
    t->x87_seen = x87_seen;
    e_jmp_to(&t->e, t->after[to]);
    rem_islands(t, 0, false);
    t->copies = true;
    t->r->stats.copies++;
}

void rem_emit_copies(struct rem_tr *t)
{
    const struct rem_groups *g = &t->groups;

    if (t->no_groups)
        return;
    t->no_groups = true;
    for (unsigned k = 0; k < g->run; k++) {
        if (g->until[k] == REM_NO_GROUP)
            continue;
        if (has_copy(t, k))
            emit_copy(t, k, g->until[k]);
        k = g->until[k];
    }
    t->no_groups = false;
}
