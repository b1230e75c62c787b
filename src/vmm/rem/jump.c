/*
 * jump.c - near jumps, calls and returns.
 *
 * Inside a page a jump is a host jump, patched when its target is translated. Into another page it is checked each
 * time that the linear page still leads to the page the target block belongs to (X table). An indirect jump looks the
 * page up in X and the block up in the page.
 *
 * The X word is chosen so that word + address * 4 is the place of the entry: a non-canonical address, which X would
 * find the entry of another one for, gives a place no host address can be, and faults (fault.c). No page's entries
 * begin at a multiple of 16 KiB, so that an empty X entry never looks like one.
 *
 * Segmented code: RIP and linear address differ by CS's base. A target inside the page is in CS if it is among the
 * bytes the block was translated for; any other target is cut to the operand size and compared with CS's limit, before
 * anything changes.
 */
#include "vmm/rem/segment.h"

#define PAGE_MASK (CSAM_PAGE_BYTES - 1)

static bool in_page(int64_t off)
{
    return off >= 0 && off < CSAM_PAGE_BYTES;
}

/* In the page, but not in CS. */
static bool is_out(const struct rem_tr *t, int64_t off)
{
    return in_page(off) && (off < t->first || off > t->last);
}

/* S = X entry of the page of T0. */
static void load_x(struct rem_tr *t)
{
    struct x86_place entry = e_at_index(RB, S, 8, 0), page = e_at(RB, REM_MASK_PAGE);
    struct emit *e = &t->e;

    e_pext_at(e, S, T0, &page);
    e_load(e, RB, &t->r->hot.xbase);
    e_mem(e, true, 0x8b, S, &entry);
    e_load(e, RB, &t->r->hot.rbase);
}

static void leave(struct rem_tr *t, uint32_t link)
{
    struct emit *e = &t->e;

    e_store(e, &t->c->ctx.rip, T0);
    e_store_imm32(e, &t->r->hot.link, link);
    e_jmp_to(e, t->r->code.rw + t->r->exit);
}

/* @poll: a jump that could be part of a loop without another question. */
static uint32_t new_link(struct rem_tr *t, bool poll)
{
    if (t->r->links == t->r->end.links) {
        t->failed = true;
        return REM_NO_LINK;
    }
    t->r->link[t->r->links] = (struct rem_link){.vec = t->vec && !t->returning, .poll = poll};
    return t->r->links++;
}

/* @from: end of a jump or call. */
static void aim_within(struct rem_tr *t, uint8_t *from, unsigned off, bool poll)
{
    if (t->e.full)
        return;
    if (off == t->r->run.from && !t->returning) { /* this block itself */
        e_aim(from, t->r->code.rw + t->polled);
        return;
    }
    uint32_t link = new_link(t, poll);
    t->r->link[link].rel = rem_off(t->r, from);
    rem_stub_add(t, (struct rem_stub){.kind = STUB_LINK, .from = from, .link = link, .off = (uint16_t)off});
}

/* T0 = RIP @off behind the running page's first byte, as a jump would have it. */
static void rip_into_t0(struct rem_tr *t, int64_t off)
{
    struct x86_place at = e_at(T0, (int32_t)off);
    struct emit *e = &t->e;

    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, t->bits64, T0, &at);
    if (t->segmented && t->n->i.opsize == 2)
        rem_emit_cut_t0(e);
}

/* T0 += what lies between RIP and linear address, or less that, and @more. S is lost. */
static void add_base(struct rem_tr *t, const uint64_t *base, int32_t more)
{
    struct x86_place sum = e_at_index(T0, S, 1, more);

    e_load(&t->e, S, base);
    e_lea(&t->e, false, T0, &sum);
}

/* T0 is the target's RIP. */
static void across_segmented(struct rem_tr *t, int64_t target, bool poll)
{
    int32_t off = (int32_t)(target & PAGE_MASK);
    struct x86_place place = e_at_index(S, T0, 4, INT32_MAX);
    uint32_t link = new_link(t, poll);
    struct emit *e = &t->e;
    uint8_t *hit;

    rem_islands(t, REM_FAR, true);
    add_base(t, &t->c->ctx.seg[X86_CS].base, -off);
    load_x(t);
    e_lea(e, true, S, &place);
    t->r->link[link].imm = rem_off(t->r, e->p);
    hit = e_jrcxz(e);
    add_base(t, &t->r->hot.minus_cs, off);
    leave(t, link);
    e_here8(e, hit);
    add_base(t, &t->r->hot.minus_cs, 0);
    e_store(e, &t->r->hot.pcbase, T0);
    t->r->link[link].rel = rem_off(t->r, e_jmp(e));
}

static void jump_across(struct rem_tr *t, int64_t target, bool poll)
{
    if (t->segmented) {
        rip_into_t0(t, target);
        rem_emit_in_code(t);
        across_segmented(t, target, poll);
        return;
    }
    struct emit *e = &t->e;
    int64_t delta = target & ~(int64_t)PAGE_MASK;
    struct x86_place page = e_at(T0, (int32_t)delta), off = e_at(T0, (int32_t)(target & PAGE_MASK)),
                     place = e_at_index(S, T0, 4, INT32_MAX); /* room for the page's address, negated */
    uint32_t link = new_link(t, poll);
    uint8_t *hit;

    rem_islands(t, REM_FAR, true);
    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, t->bits64, T0, &page);
    load_x(t);
    e_lea(e, true, S, &place);
    t->r->link[link].imm = rem_off(t->r, e->p);
    hit = e_jrcxz(e);
    e_lea(e, t->bits64, T0, &off);
    leave(t, link);
    e_here8(e, hit);
    e_store(e, &t->r->hot.pcbase, T0);
    t->r->link[link].rel = rem_off(t->r, e_jmp(e));
}

void rem_emit_second_page(struct rem_tr *t, const struct rem_page *second)
{
    struct x86_place page = e_at(T0, CSAM_PAGE_BYTES),
                     difference = e_at_index(S, T0, 4, -(int32_t)(uint32_t)(uintptr_t)second->entry);
    struct emit *e = &t->e;
    uint8_t *same;

    rem_site_open(t, REM_S_SECOND);
    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, t->bits64, T0, &page);
    if (t->segmented)
        add_base(t, &t->c->ctx.seg[X86_CS].base, 0);
    load_x(t);
    e_lea(e, true, S, &difference);
    same = e_jrcxz(e);
    rem_stub_add(t, (struct rem_stub){.kind = STUB_SLOW, .from = e_jmp(e), .site = t->site});
    e_here8(e, same);
    t->r->site[t->site].next = rem_off(t->r, e->p);
}

void rem_emit_across(struct rem_tr *t, int64_t target)
{
    if (t->segmented) { /* the call has compared it with the limit */
        rip_into_t0(t, target);
        across_segmented(t, target, true);
    } else {
        jump_across(t, target, true);
    }
}

static bool within_reach(struct rem_tr *t, int64_t target)
{
    if (target != (int32_t)target)
        t->failed = true;
    return !t->failed;
}

bool rem_emit_jump(struct rem_tr *t, uint8_t *from, int64_t target)
{
    bool poll = target <= t->n->off;

    if (is_out(t, target))
        return false;
    if (!within_reach(t, target))
        return true;
    if (in_page(target)) {
        aim_within(t, from != NULL ? from : e_jmp(&t->e), (unsigned)target, poll);
        return true;
    }
    if (from != NULL)
        e_here(&t->e, from);
    jump_across(t, target, poll);
    return true;
}

/* S = 0 if T0 is inside CS's limit, else not. */
static void compare_with_limit(struct rem_tr *t)
{
    struct x86_place sum = e_at_index(T0, S, 1, 0), sign = e_at(RB, REM_MASK_SIGN), less_one = e_at(S, -1);
    struct emit *e = &t->e;

    e_load(e, S, &t->r->hot.code_room);
    e_lea(e, true, S, &sum);
    e_pext_at(e, S, S, &sign);
    e_lea(e, true, S, &less_one);
}

/* Code that runs over CS's limit leaves: the interpreter faults when it fetches what is there. */
void rem_emit_go_on(struct rem_tr *t, int64_t off)
{
    struct x86_place at = e_at(T0, (int32_t)off);
    struct emit *e = &t->e;
    uint8_t *inside;

    if (!t->segmented || (in_page(off) && !is_out(t, off))) {
        rem_emit_jump(t, NULL, off);
        return;
    }
    rem_islands(t, REM_FAR, true);
    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, false, T0, &at);
    if (is_out(t, off)) {
        leave(t, REM_NO_LINK);
        return;
    }
    compare_with_limit(t);
    inside = e_jrcxz(e);
    leave(t, REM_NO_LINK);
    e_here8(e, inside);
    across_segmented(t, off, false);
}

static int64_t target_of(const struct rem_tr *t, const struct x86_insn *i)
{
    return (int64_t)t->n->off + i->len + (int64_t)i->imm[0];
}

bool rem_emit_jcc(struct rem_tr *t, const struct x86_insn *i)
{
    int64_t target = target_of(t, i);

    if (is_out(t, target))
        return false;
    if (in_page(target)) {
        aim_within(t, e_jcc(&t->e, i->cond), (unsigned)target, target <= t->n->off);
        return true;
    }
    uint8_t *over = e_jcc(&t->e, i->cond ^ 1u);
    rem_emit_jump(t, NULL, target);
    e_here(&t->e, over);
    return true;
}

/* ---- indirect: T0 is the target; RSP moves by @pop at the very end (the fault path runs the instruction again) ----
 */

static void adjust_rsp(struct rem_tr *t, int32_t pop, unsigned scratch)
{
    struct x86_place sp = e_at(HOST_RSP, pop);

    if (pop != 0 && t->segmented)
        rem_emit_move_sp(t, pop, scratch);
    else if (pop != 0)
        e_lea(&t->e, t->bits64, HOST_RSP, &sp);
}

/* Takes a pair away, but not the first one (pairs.c inv 3). S is lost. */
static void drop(struct rem_tr *t)
{
    struct x86_place sum = e_at_index(X86_RSP, S, 1, 0);
    struct emit *e = &t->e;
    uint8_t *first;

    e_load(e, S, &t->r->hot.minus_pair_first);
    e_lea(e, true, S, &sum);
    first = e_jrcxz(e);
    E_BYTES(e, 0x48, 0x8d, 0x64, 0x24, 16); /* lea rsp, [rsp + 16] */
    e_here8(e, first);
}

void rem_emit_to_t0(struct rem_tr *t, int32_t pop, bool drop_pair)
{
    struct emit *e = &t->e;
    struct x86_place entry = e_at_index(S, T0, 4, 0);

    rem_islands(t, 100, true);
    if (drop_pair)
        drop(t);
    if (t->segmented) {
        rem_emit_in_code(t);
        e_store(e, &t->r->hot.tmp, T0);
        add_base(t, &t->c->ctx.seg[X86_CS].base, 0);
    }
    load_x(t);
    rem_miss(t, STUB_SLOW); /* the interpreter runs the jump: it may have to raise #GP for it */
    e_mem(e, false, 0x8b, S, &entry);
    adjust_rsp(t, pop, T0);
    if (t->segmented)
        e_load(e, T0, &t->r->hot.tmp);
    e_align_jump(e, 2);
    E_BYTES(e, 0xff, 0xe1); /* jmp rcx */
}

/* T0 = the @bytes at @m. */
static void load_rip(struct rem_tr *t, unsigned bytes, const struct x86_place *m)
{
    if (bytes == 2)
        e_mem(&t->e, false, 0x0fb7, T0, m); /* movzx */
    else
        e_mem(&t->e, bytes == 8, 0x8b, T0, m);
}

/* Stores the address behind the instruction below the stack pointer, which stays, and its complement on the stack of
 * pairs. */
static void push_return(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned bytes = i->opsize;
    struct emit *e = &t->e;
    struct x86_place next = e_at(S, t->n->off + i->len), at;

    if (!rem_in_group(t, &at))
        at = rem_emit_without_s(t, rem_emit_push_place(t, bytes));
    e_load(e, S, &t->r->hot.pcbase);
    e_lea(e, t->bits64, S, &next);
    rem_emit_move(e, true, bytes, S, &at);
    E_BYTES(e, 0x48, 0xf7, 0xd1, 0x51); /* not rcx; push rcx */
}

/* Where the host's return comes: T0 is the guest's address, RSP at the rest of the pair. */
static void return_point(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place base = e_at(T0, -(int32_t)(t->n->off + i->len));
    struct emit *e = &t->e;

    E_BYTES(e, 0x48, 0x8d, 0x64, 0x24, 8); /* lea rsp, [rsp + 8] */
    e_lea(e, t->bits64, T0, &base);
    e_store(e, &t->r->hot.pcbase, T0);
    t->returning = true;
    rem_emit_go_on(t, (int64_t)t->n->off + i->len);
    t->returning = false;
}

/* The return will be inside CS's limit for certain. */
static bool may_come_back(const struct rem_tr *t, const struct x86_insn *i)
{
    return !t->segmented || (unsigned)t->n->off + i->len <= t->last;
}

bool rem_emit_call(struct rem_tr *t, const struct x86_insn *i)
{
    int64_t target = target_of(t, i);

    if (is_out(t, target) || !may_come_back(t, i))
        return false;
    if (!within_reach(t, target))
        return true;
    if (t->segmented && !in_page(target)) {
        rip_into_t0(t, target);
        rem_emit_in_code(t);
    }
    push_return(t, i);
    adjust_rsp(t, -(int32_t)i->opsize, S);
    rem_islands(t, REM_FAR, true); /* nobody comes by behind the call */
    uint8_t *from = e_call(&t->e);
    if (in_page(target))
        aim_within(t, from, (unsigned)target, true);
    else
        rem_stub_add(t, (struct rem_stub){.kind = STUB_ACROSS, .from = from, .target = target, .n = t->n});
    return_point(t, i);
    return true;
}

bool rem_emit_ret(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned bytes = i->opsize;
    int32_t pop = (int32_t)(bytes + (i->nops ? (uint16_t)i->imm[0] : 0));
    struct x86_place top, difference = e_at_index(S, T0, 1, 1);
    struct emit *e = &t->e;
    uint8_t *hit;

    if (!rem_in_group(t, &top))
        top = rem_emit_pop_place(t, HOST_RSP, bytes);
    load_rip(t, bytes, &top);
    E_BYTES(e, 0x48, 0x8b, 0x4c, 0x24, 8); /* mov rcx, [rsp + 8] */
    e_lea(e, true, S, &difference);
    hit = e_jrcxz(e);
    rem_stub_add(t, (struct rem_stub){.kind = STUB_TO_T0, .from = e_jmp(e), .target = pop, .drop = true, .n = t->n});
    e_here8(e, hit);
    adjust_rsp(t, pop, S);
    e_align_jump(e, 1);
    e8(e, 0xc3);
    return true;
}

/* The target into T0. */
static bool load_target(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *o = &i->op[0];
    struct emit *e = &t->e;

    t->in_t0 = REM_NO_GROUP;
    if (o->kind == X86_OP_MEM) {
        struct rem_gla a;
        if (!rem_emit_gla(t, i, &a))
            return false;
        rem_emit_probe(t, a, o->bytes, false);
        struct x86_place at = rem_place(a);
        load_rip(t, o->bytes, &at);
        return true;
    }
    unsigned reg = rem_host_reg(o->reg);
    if (reg == X86_REG_NONE)
        e_load(e, T0, &t->c->ctx.gpr[o->reg]);
    else
        e_mov(e, t->bits64, T0, reg);
    if (o->bytes == 2)
        rem_emit_cut_t0(e);
    return true;
}

bool rem_emit_jump_to(struct rem_tr *t, const struct x86_insn *i, bool call)
{
    if (i->op[0].bytes != i->opsize || (call && !may_come_back(t, i)) || !load_target(t, i))
        return false;
    if (!call) {
        rem_emit_to_t0(t, 0, false);
        return true;
    }
    if (t->segmented)
        rem_emit_in_code(t);
    e_store(&t->e, &t->r->hot.tmp, T0);
    push_return(t, i);
    e_load(&t->e, T0, &t->r->hot.tmp);
    rem_islands(t, REM_FAR, true);
    rem_stub_add(
        t, (struct rem_stub){.kind = STUB_TO_T0, .from = e_call(&t->e), .target = -(int64_t)i->opsize, .n = t->n});
    return_point(t, i);
    return true;
}
