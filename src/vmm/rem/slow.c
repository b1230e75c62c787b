/*
 * slow.c - what translated code cannot do by itself: one instruction in the interpreter, and on.
 *
 * Everything of the guest is in the context when rem_slow() is called. An exception leaves by the interpreter's
 * longjmp; the host stack frame of translated code is dropped with it.
 */
#include "vmm/rem/segment.h"

const struct iem_op *rem_op_make(struct rem *r, const struct rem_site *s)
{
    const struct rem_block *b = rem_block_of(r, s);
    struct rem_op *o = rem_op_room(r, s->id);

    o->site = s->id + 1;
    o->at = *s;
    o->ready = iem_op_make(r->c, rem_bytes_of(r, b) + (s->off - b->off), s->len, o->op);
    return o->ready ? (const struct iem_op *)(const void *)o->op : NULL;
}

/* True if translated code may go on in this block: same address space, privilege and kind of code. */
static bool same_world(const struct rem *r)
{
    const struct vcpu *c = r->c;

    return r->set->gen == c->mmu.gen && r->set->idx == c->mode.idx && r->set->key == c->mode.key;
}

static uint64_t stop(struct rem *r)
{
    r->care = true;
    r->hot.vec_reload = 0;
    return 0;
}

static uint64_t go_on_at(struct rem *r, uint32_t host)
{
    rem_put_flags(r);
    if (r->pairs_epoch != r->flat->x_epoch)
        rem_pairs_forget(r);
    return (uint64_t)(uintptr_t)(r->code.rx + host);
}

/* The second page of an instruction that lies in two has no X entry, or has become another page. */
static uint64_t second_page(struct rem *r, const struct rem_site *s)
{
    const struct rem_block *rest = rem_block_of(r, s) - 1;
    struct rem_page *now = rem_next_page(r, false);
    uint64_t gla = rem_next_gla(r);

    if (now == rem_page_of(r, rest)) {
        flat_set_x(r->flat, r->set, &r->c->mmu, gla, rem_x_word(now, gla));
        return go_on_at(r, s->start);
    }
    rem_translate_anew(r, rem_number(r, rem_block_of(r, s)));
    return stop(r);
}

static bool vectors_usable(const struct vcpu *c)
{
    return !(c->ctx.cr0 & CPUM_CR0_TS);
}

/* A jump that is not taken is no jump. */
static bool follows(const struct iem_op *op)
{
    uint8_t flow = iem_op_insn(op)->row->flow;

    return flow == X86_FLOW_NEXT || flow == X86_FLOW_COND;
}

/* The instruction is done and wants a look at everything; if nothing is found it is as if it had not asked. The page it
 * is in must still be the one X leads to (rem_int.h inv 2); a block's question for vector registers is still open. */
static bool nothing_wanted(struct rem *r, const struct rem_site *s, const struct iem_op *op, bool vectors)
{
    struct vcpu *c = r->c;

    if ((s->flags & REM_S_VEC) || (vectors && !vectors_usable(c)))
        return false;
    return !rem_block_of(r, s)->stale && c->ctx.rip == rem_rip(r, s->off + s->len) && follows(op) && same_world(r) &&
           r->rewrites == 0 && !r->full && cpum_quiet(c) && iem_op_quiet(c) &&
           rem_x_of(r->set, rem_gla_of(c, r->hot.pcbase)) != 0;
}

/* A unit's registers are wanted: vector registers are simply loaded, x87 registers come with the first instruction. */
static bool unit_ready(struct rem *r, const struct rem_site *s)
{
    if (!(s->flags & REM_S_VEC) || !vectors_usable(r->c) || r->hot.vec_reload)
        return false;
    r->hot.vec_reload = 1;
    return true;
}

/* What the instruction reached, translated code will reach by itself next time; but devices. */
static void fill(struct rem *r, const struct rem_site *s, const uint64_t *gla, unsigned glas)
{
    for (unsigned n = 0; n < glas; n++)
        flat_fill(r->flat, r->set, &r->c->mmu, gla[n]);
    if (glas != 1)
        return;
    if (!(s->flags & REM_S_DEVICE) && pgm_mmu_no_memory(&r->c->mmu, r->set->idx, gla[0]))
        rem_caught_device(r, s);
    else if ((s->flags & REM_S_DEVICE) && !pgm_mmu_no_memory(&r->c->mmu, r->set->idx, gla[0]))
        rem_not_device(r, s);
}

/* ---- groups (group.c) ---- */

static uint64_t *entry_of(struct rem *r, const struct rem_site *s, uint64_t gla)
{
    return &r->set->table[s->leads == REM_LEADS_READ ? FLAT_R : FLAT_W][flat_index(gla)];
}

/* The leader's access itself is what the entry is for: it can be filled before the access, with all that entails. */
static bool fill_ahead(struct rem *r, const struct rem_site *s, uint64_t gla)
{
    enum pgm_access access = s->leads == REM_LEADS_READ ? PGM_READ : PGM_WRITE;
    struct pgm_xlat x;

    if (s->leads == REM_LEADS_LATER || !cpum_canonical(gla) ||
        pgm_mmu_xlat(&r->c->mmu, r->c->mode.idx, gla, access, &x) != PGM_XLAT_OK)
        return false;
    flat_fill(r->flat, r->set, &r->c->mmu, gla);
    return *entry_of(r, s, gla) != 0;
}

/* The probe in front of a group's leader has missed: true if it is to be tried again. */
static bool probe_again(struct rem *r, const struct rem_site *s)
{
    const struct iem_op *op;
    uint64_t gla[IEM_OP_GLAS];

    if (r->lockstep != NULL || (op = rem_op_of(r, s)) == NULL || iem_op_glas(r->c, op, gla) == 0)
        return false;
    if (*entry_of(r, s, gla[0]) != 0) /* not all in that page, or another fault */
        rem_caught_apart(r, s);
    else if (fill_ahead(r, s, gla[0]))
        return true;
    return false;
}

/* The site of the next instruction, if it is in the same stretch. */
static bool next_in_stretch(struct rem *r, struct rem_site *s)
{
    if (s->until == 0)
        return false;
    *s = rem_site_get(r, s->id + s->same + 1);
    return true;
}

/* ---- one instruction, or a stretch from it on ---- */

enum went { WENT_ON, WENT_AWAY, WENT_WRONG };

/* Runs the instruction of @s. @vectors: their registers are the guest's on the host when translated code goes on. */
static enum went run_one(struct rem *r, const struct rem_site *s, const struct iem_op *op, bool vectors)
{
    uint64_t gla[IEM_OP_GLAS];
    struct vcpu *c = r->c;
    unsigned glas;
    bool care;

    if (r->lockstep == NULL && !(s->flags & REM_S_VEC) && rem_bulk(r, iem_op_insn(op)))
        return WENT_ON;
    r->slow_by[iem_op_insn(op)->mnem]++;
    glas = iem_op_glas(c, op, gla);
    care = iem_op_run(c, op);
    /* the block's question stays unanswered: CR0.TS */
    care |= r->rewrites != 0 || !same_world(r) || (s->flags & REM_S_VEC);
    if (care) {
        rem_follow_segments(r);
        if (rem_follow_code(r) && glas == 1)
            rem_caught_device(r, s);
    }
    if (r->lockstep != NULL) {
        if (rem_lockstep_after(r, s, care))
            return WENT_WRONG;
    } else if (care && !nothing_wanted(r, s, op, vectors)) {
        fill(r, s, gla, glas); /* a jump through memory comes here every time */
        return WENT_AWAY;
    }
    fill(r, s, gla, glas);
    if (s->leads != REM_LEADS_NOT && glas != 0 && *entry_of(r, s, gla[0]) == 0) /* and never will be directly */
        rem_caught_apart(r, s);
    return WENT_ON;
}

static uint64_t elsewhere(struct rem *r)
{
    uint64_t host = rem_elsewhere(r);

    return host != 0 ? host : stop(r);
}

/* Runs the instruction of @s and what follows it in its stretch. */
static uint64_t run_on(struct rem *r, struct rem_site *s, bool vectors)
{
    for (;;) {
        const struct iem_op *op;
        const uint32_t behind = s->behind;
        struct rem_site before;

        if (r->lockstep != NULL && !rem_lockstep_before(r, s))
            return stop(r);
        op = rem_op_of(r, s);
        if (op == NULL)
            return stop(r);
        switch (run_one(r, s, op, vectors)) {
        case WENT_ON: break;
        case WENT_AWAY: return elsewhere(r);
        case WENT_WRONG: return stop(r);
        }
        before = *s;
        if (!next_in_stretch(r, s)) {
            r->hot.vec_reload = vectors;
            return go_on_at(r, behind);
        }
        if (r->c->ctx.rip != rem_rip(r, s->off)) /* a branch was taken */
            return r->lockstep != NULL && rem_lockstep_after(r, &before, true) ? stop(r) : elsewhere(r);
    }
}

static uint64_t slow(struct rem *r)
{
    struct rem_site site = rem_site_get(r, r->hot.site & ~(REM_SITE_FPU | REM_SITE_LINK)), *s = &site;
    bool vectors, unit = r->hot.site & REM_SITE_FPU, misaligned = r->misaligned == s->id + 1;

    r->stats.slow++;
    r->misaligned = 0;
    rem_note_flags(r);
    r->c->ctx.rip = rem_rip(r, s->off);
    if (misaligned)
        rem_caught_misaligned(r, s);
    if (s->flags & REM_S_SECOND)
        return second_page(r, s);
    if (unit && unit_ready(r, s))
        return go_on_at(r, s->next);
    if (s->leads != REM_LEADS_NOT && !misaligned && !unit && probe_again(r, s))
        return go_on_at(r, s->start);
    vectors = r->hot.vec_reload;
    r->hot.vec_reload = 0; /* in case the instruction does not come back */
    return run_on(r, s, vectors);
}

/* Behind the call of a stub stands the site's number, and perhaps a link's. */
static uint32_t called_by(struct rem *r)
{
    uint32_t numbers[2] = {r->hot.site, REM_NO_LINK};

    if (r->hot.from != 0)
        memcpy(numbers, (const void *)(uintptr_t)r->hot.from, sizeof numbers);
    r->hot.from = 0;
    r->hot.site = numbers[0];
    return numbers[0] & REM_SITE_LINK ? numbers[1] : REM_NO_LINK;
}

uint64_t rem_slow(struct rem *r)
{
    uint32_t link;
    uint64_t host;

    rem_clock_stop(r);
    link = called_by(r);
    if (r->hot.access == 0 || !rem_device(r, &host)) {
        host = slow(r);
        if (host != 0 && link != REM_NO_LINK)
            rem_link_here(r, link);
    }
    rem_clock_start(r);
    return host;
}
