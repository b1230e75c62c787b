/*
 * stubs.c - the ways out of a block: short jumps that reach them, and the code out of line they lead to.
 *
 * There are many and few are used, so they are small: a call of a trampoline (entry.c), behind which stands what it is
 * to know, a site's number or a link's and an offset. A JRCXZ reaches 127 bytes only: its stub is in a slot, room
 * that was left in front, or in an island behind it, which the code jumps over.
 *
 * Invariant 1: every pending miss (rem_tr.miss) can still be reached when the next @upcoming bytes have been emitted.
 */
#include "vmm/rem/translate_int.h"

void rem_stub_add(struct rem_tr *t, struct rem_stub s)
{
    if (t->stubs == REM_STUBS_MAX)
        t->failed = true;
    else
        t->stub[t->stubs++] = s;
}

/* ---- ways out: short, because there are many and few are used: a call of a trampoline, and what it is to know ---- */

#define JUMP_BYTES 5u
#define STUB_BYTES 9u /* a call and the site's number */

static void put_call(struct rem_tr *t, uint8_t *at, uint32_t trampoline)
{
    at[0] = 0xe8;
    e_aim(at + JUMP_BYTES, t->r->code.rw + trampoline);
}

static void put_slow_stub(struct rem_tr *t, uint8_t *at, uint32_t site)
{
    put_call(t, at, t->r->slow_at);
    memcpy(at + JUMP_BYTES, &site, sizeof site);
}

void rem_emit_slow_stub(struct rem_tr *t, uint32_t site)
{
    uint8_t *at = t->e.p;

    E_BYTES(&t->e, 0xe8, 0, 0, 0, 0, 0, 0, 0, 0);
    if (!t->e.full)
        put_slow_stub(t, at, site);
}

void rem_emit_out(struct rem_tr *t, uint32_t trampoline, uint32_t link, unsigned off)
{
    uint8_t *at = t->e.p;

    E_BYTES(&t->e, 0xe8, 0, 0, 0, 0);
    if (!t->e.full)
        put_call(t, at, trampoline);
    e32(&t->e, link);
    E_BYTES(&t->e, (uint8_t)off, (uint8_t)(off >> 8));
}

void rem_emit_opaque(struct rem_tr *t)
{
    rem_emit_slow_stub(t, t->site);
    rem_made(t, t->site)->slow = REM_SLOW_ALWAYS; /* no fault leads there */
    t->r->stats.opaque_insns++;
}

/* ---- jumps of short reach ---- */

#define SLOTS_TOGETHER 4u
#define SLOTS_SEEN     8u /* so many instructions are in reach of slots in front of the block, roughly */

static void add_slots(struct rem_tr *t, unsigned count)
{
    for (unsigned n = 0; n < count && t->slots < REM_SLOTS_MAX; n++) {
        t->slot[t->slots++] = t->e.p;
        E_BYTES(&t->e, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc);
    }
}

/* How many misses the block's first instructions may need a slot for. */
static unsigned first_misses(const struct rem_tr *t)
{
    const struct csam_run *run = &t->r->run;
    unsigned count = 0;

    for (unsigned k = 0; k < MIN(run->count, SLOTS_SEEN); k++) {
        bool grouped = !t->no_groups && t->groups.of[k] != REM_NO_GROUP;
        if (grouped)
            count += t->groups.leads[k] ? 2 : 0;
        else
            count += rem_memory_of(&run->insn[k].i) != NULL || t->kind[k] >= REM_CALL;
    }
    return MIN(count, SLOTS_TOGETHER);
}

void rem_first_slots(struct rem_tr *t)
{
    add_slots(t, first_misses(t));
}

/* An unused slot that the jump ending at @from reaches; NULL: none. */
static uint8_t *take_slot(struct rem_tr *t, const uint8_t *from)
{
    while (t->slots_used < t->slots) {
        uint8_t *slot = t->slot[t->slots_used++];
        if (from - slot <= 128)
            return slot;
    }
    return NULL;
}

/* The stub of a miss, or a jump to it, into @at: STUB_BYTES. */
static void put_miss(struct rem_tr *t, const struct rem_miss *m, uint8_t *at)
{
    m->from[-1] = (uint8_t)(at - m->from);
    if (m->kind == STUB_COPY) {
        at[0] = 0xe9;
        rem_stub_add(t, (struct rem_stub){.kind = STUB_COPY, .from = at + JUMP_BYTES, .k = m->k});
        return;
    }
    if (m->kind == STUB_SLOW)
        rem_slow_at(t, m->site, at);
    put_slow_stub(t, at, m->kind == STUB_FPU ? m->site | REM_SITE_FPU : m->site);
}

void rem_miss(struct rem_tr *t, unsigned stub)
{
    struct rem_miss m = {.from = e_jrcxz(&t->e), .k = (uint8_t)t->k, .site = t->site, .kind = (uint8_t)stub};
    uint8_t *slot = t->e.full ? NULL : take_slot(t, m.from);

    if (slot != NULL)
        put_miss(t, &m, slot);
    else if (t->misses == REM_MISSES_MAX)
        t->failed = true;
    else
        t->miss[t->misses++] = m;
    rem_islands(t, 64, true);
}

void rem_islands(struct rem_tr *t, unsigned upcoming, bool over)
{
    struct emit *e = &t->e;
    uint8_t *skip;

    if (t->misses == 0 ||
        (over && (unsigned)(e->p - t->miss[0].from) + upcoming + STUB_BYTES * t->misses + JUMP_BYTES < 127))
        return;
    skip = over ? e_jmp(e) : NULL;
    for (unsigned k = 0; k < t->misses; k++) {
        uint8_t *at = e->p;
        E_BYTES(e, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc);
        if (e->full || at - t->miss[k].from > 127)
            t->failed = true;
        else
            put_miss(t, &t->miss[k], at);
    }
    t->misses = 0;
    if (skip == NULL)
        return;
    add_slots(t, SLOTS_TOGETHER);
    e_here(e, skip);
}

/* ---- stubs ---- */

void rem_emit_stub(struct rem_tr *t, const struct rem_stub *s)
{
    if (s->kind == STUB_COPY) {
        if (!t->e.full)
            e_aim(s->from, t->copy[s->k]);
        return;
    }
    e_here(&t->e, s->from);
    switch (s->kind) {
    case STUB_SLOW:
        rem_slow_at(t, s->site, t->e.p);
        rem_emit_slow_stub(t, s->site);
        break;
    case STUB_LINK:
        rem_stub_at(t, s->link, t->e.p);
        rem_emit_out(t, t->r->link_at, s->link, s->off);
        break;
    case STUB_EXPECT:
        rem_stub_at(t, s->link, t->e.p);
        rem_emit_slow_stub(t, s->site | REM_SITE_LINK);
        e32(&t->e, s->link);
        break;
    case STUB_ACROSS:
        rem_at(t, s->k);
        rem_emit_across(t, s->target);
        break;
    case STUB_TO_T0:
        rem_at(t, s->k);
        rem_site_open(t, 0);
        rem_emit_to_t0(t, (int32_t)s->target, s->drop);
        break;
    case STUB_FPU:
    case STUB_COPY: break;
    }
    rem_islands(t, 0, false);
}
