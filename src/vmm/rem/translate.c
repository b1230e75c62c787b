/*
 * translate.c - one run of guest code becomes one block of host code: entry, instructions, way out, stubs out of line.
 */
#include "vmm/rem/segment.h"

#include <stddef.h>

#define MARGIN 512u /* the longest thing emitted without looking at the room left */

void rem_site_open(struct rem_tr *t, unsigned flags)
{
    struct rem *r = t->r;

    if (r->made_count == REM_BLOCK_SITES) {
        t->failed = true;
        return;
    }
    t->site = (t->block << REM_SITES_BITS) + r->made_count;
    r->made[r->made_count++] = (struct rem_site){.id = t->site,
                                                 .start = rem_off(r, t->e.p),
                                                 .off = t->n->off & (CSAM_PAGE_BYTES - 1),
                                                 .len = t->n->i.len & 15u,
                                                 .flags = (uint8_t)flags};
}

/* ---- instructions ---- */

static void jrcxz_back(struct emit *e, const uint8_t *to)
{
    uint8_t *from = e_jrcxz(e);

    if (!e->full)
        from[-1] = (uint8_t)(to - from);
}

/* In front of the entry, for a jump with T0 = RIP: pcbase = T0 - offset. REM_PROLOGUE_BYTES. */
static void emit_prologue(struct rem_tr *t)
{
    E_BYTES(&t->e, 0x4d, 0x8d, 0xb6); /* lea r14, [r14 - offset] */
    e32(&t->e, -(uint32_t)t->r->run.from);
    e_store(&t->e, &t->r->hot.pcbase, T0);
}

/* The question whether vector registers are the guest's, and what happens if they are not: a site of its own. */
static void emit_vec_slow(struct rem_tr *t)
{
    rem_site_open(t, REM_S_VEC);
    rem_emit_slow_stub(t, t->site | REM_SITE_FPU);
    rem_made(t, t->site)->slow = REM_SLOW_ALWAYS; /* nothing here faults */
}

/*
 * In front of the block: the way out if somebody wants the vCPU, the way to vector registers; then the entries: one
 * that asks for them, one that asks whether somebody wants the vCPU, the instructions.
 */
static void emit_entry(struct rem_tr *t)
{
    struct emit *e = &t->e;
    struct x86_place live = e_abs(&t->r->hot.vec_live);
    uint8_t *out = e->p, *slow;

    rem_emit_out(t, t->r->link_at, REM_NO_LINK, t->r->run.from);
    rem_at(t, 0);
    slow = e->p;
    if (t->vec)
        emit_vec_slow(t);
    rem_first_slots(t);
    emit_prologue(t);
    t->host = rem_off(t->r, e->p);
    if (t->vec) {
        e_mem(e, false, 0x0fb6, S, &live); /* movzx ecx, byte [live] */
        jrcxz_back(e, slow);
        rem_goes_on_at(t, t->site, e->p);
    }
    t->polled = rem_off(t->r, e->p);
    e_load32(e, S, t->r->lockstep != NULL ? (const void *)&t->r->hot.once : &t->c->ff.quiet);
    jrcxz_back(e, out);
    if (t->r->lockstep != NULL)
        e_store_imm32(e, &t->r->hot.once, 0);
    t->body = rem_off(t->r, e->p);
    rem_emit_count(t);
}

/* The x87 unit must be the guest's; once per block. */
static void want_x87(struct rem_tr *t)
{
    struct x86_place m = e_abs(&t->r->hot.x87_ok);

    e_mem(&t->e, false, 0x0fb6, S, &m); /* movzx ecx, byte [ok] */
    rem_miss(t, STUB_FPU);
    rem_goes_on_at(t, t->site, t->e.p);
    rem_site_open(t, 0); /* the check's site ends here */
}

static void want_units(struct rem_tr *t)
{
    if (rem_is(t, REM_T_X87) && !t->x87_seen) {
        want_x87(t);
        t->x87_seen = true;
    }
}

static bool wants_vec(const struct rem_tr *t, const struct csam_run *run)
{
    for (unsigned k = 0; k < run->count; k++)
        if (t->kind[k] == REM_DATA && (t->traits[k] & REM_T_VECTOR))
            return true;
    return false;
}

static bool emit_kind(struct rem_tr *t, const struct x86_insn *i)
{
    if (rem_marked(t, PATM_DEVICE)) {
        if (rem_emit_device(t, i))
            return true;
        rem_no_form(t, PATM_DEVICE);
    }
    if (rem_misaligned_at(t, t->n->off)) { /* the host would trap again */
        if (rem_kind(t) == REM_DATA)
            want_units(t);
        return rem_emit_misaligned(t, i);
    }
    switch (rem_kind(t)) {
    case REM_OPAQUE: return !rem_lockstep_hands_over(t->r, i) && rem_emit_system(t, i);
    case REM_DATA: want_units(t); return rem_emit_data(t, i);
    case REM_NOTHING: return true;
    case REM_LEA: return rem_emit_lea(t, i);
    case REM_JCC: return rem_emit_jcc(t, i);
    case REM_LOOP: return rem_emit_loop(t, i);
    case REM_JMP: return rem_emit_jump(t, NULL, (int64_t)t->n->off + i->len + (int64_t)i->imm[0]);
    case REM_CALL: return rem_emit_call(t, i);
    case REM_RET: return rem_emit_ret(t, i);
    case REM_JMP_TO: return rem_emit_jump_to(t, i, false);
    case REM_CALL_TO: return rem_emit_jump_to(t, i, true);
    case REM_PUSH: return rem_emit_push(t, i);
    case REM_POP: return rem_emit_pop(t, i);
    case REM_LEAVE: return rem_emit_leave(t, i);
    }
    return false;
}

/* Nothing of it can fault or ask for the interpreter, and code that changes its own constants does not reach it, or is
 * not in this page. The interpreter goes by sites in a stretch and in lockstep. */
static bool needs_no_site(const struct rem_tr *t)
{
    if (t->r->lockstep != NULL || t->segmented || (!t->no_groups && t->groups.until[t->k] != REM_NO_GROUP))
        return false;
    switch (rem_kind(t)) {
    case REM_NOTHING:
    case REM_LEA:
    case REM_JCC:
    case REM_JMP: return true;
    case REM_DATA: return rem_is(t, REM_T_PLAIN) && !(t->page->changes && rem_is(t, REM_T_CONSTANT));
    default: return false;
    }
}

/* What scratch registers hold outlasts it, and it may use that: translated code never goes on behind it from C. */
static bool leaves_held(const struct rem_tr *t)
{
    switch (rem_kind(t)) {
    case REM_NOTHING: return true;
    case REM_JCC: return !t->segmented;
    case REM_DATA: return rem_is(t, REM_T_PLAIN);
    default: return false;
    }
}

static void emit_opaque(struct rem_tr *t)
{
    t->failed |= !t->no_groups && t->groups.until[t->k] != REM_NO_GROUP; /* access.c inv 1 */
    if (t->site == REM_NO_SITE)
        rem_site_open(t, 0);
    rem_emit_opaque(t);
    rem_forget_held(t);
}

void rem_emit_insn(struct rem_tr *t, unsigned k)
{
    uint32_t first = t->r->made_count;
    bool held;

    rem_islands(t, 64, true);
    rem_at(t, k);
    held = leaves_held(t);
    t->site = REM_NO_SITE;
    if (!needs_no_site(t))
        rem_site_open(t, 0);
    rem_emit_group(t);
    if (!held)
        rem_forget_held(t);
    if (!emit_kind(t, &t->n->i))
        emit_opaque(t);
    if (!held)
        rem_forget_held(t);
    rem_group_passed(t);
    for (uint32_t s = first; s < t->r->made_count; s++)
        if (t->r->made[s].next == 0)
            rem_goes_on_at(t, s, t->e.p);
    rem_group_sites(t, first);
    if (t->e.end - t->e.p < (ptrdiff_t)MARGIN)
        t->failed = true;
}

static bool ends_here(const struct csam_insn *n)
{
    uint8_t flow = n->i.row->flow;

    return flow == X86_FLOW_JUMP || flow == X86_FLOW_RET || flow == X86_FLOW_CALL;
}

static void classify(struct rem_tr *t, const struct csam_run *run)
{
    for (unsigned k = 0; k < run->count; k++) {
        t->kind[k] = (uint8_t)rem_kind_of(t->c, &run->insn[k].i);
        t->traits[k] = rem_traits_of(&run->insn[k].i, (enum rem_kind)t->kind[k], t->bits64);
    }
}

static void emit_run(struct rem_tr *t, const struct csam_run *run, const struct rem_page *second)
{
    t->vec = wants_vec(t, run);
    emit_entry(t);
    if (second != NULL)
        rem_emit_second_page(t, second);
    t->first_site = t->r->made_count;
    for (unsigned k = 0; k < run->count && !t->failed; k++) {
        rem_emit_insn(t, k);
        t->after[k] = t->e.p;
    }
    rem_at(t, run->count - 1);
    if (!ends_here(t->n) || rem_kind(t) == REM_OPAQUE) {
        rem_emit_go_on(t, run->to);
    }
    rem_islands(t, 0, false);
    rem_emit_copies(t);
    for (unsigned k = 0; k < t->stubs && !t->failed; k++) {
        if (t->e.end - t->e.p < (ptrdiff_t)MARGIN)
            t->failed = true;
        else
            rem_emit_stub(t, &t->stub[k]);
    }
}

/* ---- the whole ---- */

/* Enters a block in the tables; @first: bytes of it that lie in its page. */
static struct rem_block *keep(struct rem_tr *t, uint32_t bytes, unsigned first)
{
    struct rem *r = t->r;
    struct rem_block *b = &r->block[r->blocks++];

    *b = (struct rem_block){.page = (uint16_t)(t->page - r->page_room),
                            .bytes = bytes & (REM_ARENA_GUEST - 1),
                            .leave = r->used & (REM_ARENA_BYTES - 1),
                            .host = (uint16_t)(t->host - r->used),
                            .polled = (uint8_t)(t->polled - t->host),
                            .body = (uint8_t)(t->body - t->polled),
                            .vec = t->vec,
                            .copies = t->copies,
                            .first = t->first_site & 3,
                            .off = r->run.from,
                            .length = first & 0x1fff};
    if (t->page->rip == 0)
        t->page->rip = r->c->ctx.rip - r->run.from;
    rem_sites_keep(r, b, r->made, r->made_count);
    rem_block_keep(r, b);
    return b;
}

/* The part in the second page: in front of the block, which follows, because blocks are found by their host code. */
static void keep_rest(struct rem_tr *t, struct rem_page *second, uint32_t bytes)
{
    struct rem *r = t->r;
    struct rem_block *b = &r->block[r->blocks++];

    *b = (struct rem_block){.page = (uint16_t)(second - r->page_room),
                            .bytes = bytes & (REM_ARENA_GUEST - 1),
                            .leave = r->used & (REM_ARENA_BYTES - 1),
                            .rest = true,
                            .length = (r->run.to - CSAM_PAGE_BYTES) & 0x1fff};
    rem_block_keep(r, b);
}

static struct rem_block *keep_all(struct rem_tr *t, struct rem_page *second, const uint8_t *code)
{
    struct rem *r = t->r;
    uint32_t bytes = r->bytes_used;
    unsigned all = r->run.to - r->run.from, first = second != NULL ? CSAM_PAGE_BYTES - r->run.from : all;

    memcpy(r->bytes + bytes, code, all);
    r->bytes_used += all;
    if (second != NULL)
        keep_rest(t, second, bytes + first);
    struct rem_block *b = keep(t, bytes, first);
    rem_arena_kept(r, b);
    rem_lockstep_kept(r, t->block);
    r->stats.host_bytes += rem_off(r, t->e.p) - r->used;
    r->used = (rem_off(r, t->e.p) + 15u) & ~15u;
    r->stats.blocks++;
    r->stats.insns += r->run.count;
    r->stats.scanned_insns += r->run.count;
    r->stats.guest_bytes += all;
    rem_arena_note(r);
    rem_perf_line(r, t->block);
    rem_serialize();
    return b;
}

/* Emits the block; false: it did not work out. */
static bool attempt(struct rem_tr *t, const struct rem_page *second, bool groups)
{
    struct rem *r = t->r;
    uint8_t *at = r->code.rw + r->used;
    uint32_t links = r->links;

    t->e = (struct emit){.p = at, .start = at, .end = at + REM_BLOCK_ROOM};
    t->x87_seen = t->failed = t->returning = t->copies = false;
    r->made_count = 0;
    t->stubs = t->misses = t->slots = t->slots_used = 0;
    t->in_t0 = REM_NO_GROUP;
    t->in_slot = 0;
    rem_forget_held(t);
    t->no_groups = !groups;
    classify(t, &r->run);
    if (groups)
        rem_find_groups(t);
    emit_run(t, &r->run, second);
    if (!t->failed && !t->e.full)
        return true;
    r->links = links;
    return false;
}

struct rem_block *rem_translate(struct rem *r, struct rem_page *page, unsigned off)
{
    uint8_t code[CSAM_RUN_BYTES] __attribute__((uninitialized));
    struct rem_tr t __attribute__((uninitialized));
    struct rem_page *second;

    memset(&t, 0, offsetof(struct rem_tr, stub));
    t.r = r;
    t.c = r->c;
    t.page = page;
    t.code = code;
    t.bits64 = r->c->mode.code64;
    t.segmented = rem_segmented(r->c);
    t.first = (uint16_t)rem_key_first(page->key);
    t.last = (uint16_t)rem_key_last(page->key);
    if (!rem_read_code(r, page, off, code, &second)) {
        r->stats.refused[REM_REFUSED_MEMORY]++;
        return NULL;
    }
    t.block = r->blocks + (second != NULL);
    bool groups = second == NULL && !t.segmented;
    if (!(groups && attempt(&t, second, true)) && !attempt(&t, second, false)) {
        r->stats.refused[REM_REFUSED_FORM]++;
        return NULL;
    }
    return keep_all(&t, second, code);
}
