/*
 * jump.c - near jumps to known targets; call.c has the others.
 *
 * Inside a page a jump is a host jump, patched when its target is translated. Into another page it is checked each
 * time that the linear page still leads to the page the target block belongs to (X table). An indirect jump looks the
 * page up in X and the block up in the page.
 *
 * The X word is chosen so that word + address * 4 is the place of the entry. Bits 12 to 45, 62 and 63 of the address
 * are X's index, all others but 62 and 63 are in the sum: any other address that finds the entry, as a non-canonical
 * one may, gives a place no host address can be, and faults (fault.c). Words are odd, so that an empty X entry never
 * looks like one.
 *
 * Segmented code: RIP and linear address differ by CS's base. A target inside the page is in CS if it is among the
 * bytes the block was translated for; any other target is cut to the operand size and compared with CS's limit, before
 * anything changes.
 */
#include "vmm/rem/jump_int.h"

#define PAGE_MASK (CSAM_PAGE_BYTES - 1)

void rem_load_x(struct rem_tr *t)
{
    struct x86_place entry = e_at_index(RB, S, 8, 0), page = e_at(RB, REM_MASK_X);
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

uint32_t rem_new_link(struct rem_tr *t, bool poll)
{
    if (t->r->links == t->r->end.links) {
        t->failed = true;
        return REM_NO_LINK;
    }
    t->r->link[t->r->links] = (struct rem_link){.vec = t->vec && !t->returning, .poll = poll};
    return t->r->links++;
}

void rem_link_at(struct rem_tr *t, uint32_t link, const uint8_t *end, uint32_t imm)
{
    struct rem_link *l = &t->r->link[link];

    l->rel = rem_off(t->r, end) & (REM_ARENA_BYTES - 1);
    l->imm = imm == 0 ? 0 : (rem_off(t->r, end) - imm) & 0x7ff;
}

void rem_aim_within(struct rem_tr *t, uint8_t *from, unsigned off, bool poll)
{
    if (t->e.full)
        return;
    if (off == t->r->run.from && !t->returning) { /* this block itself */
        e_aim(from, t->r->code.rw + t->polled);
        return;
    }
    uint32_t link = rem_new_link(t, poll);
    t->r->link[link].rel = rem_off(t->r, from) & (REM_ARENA_BYTES - 1);
    rem_stub_add(t, (struct rem_stub){.kind = STUB_LINK, .from = from, .link = link, .off = (uint16_t)off});
}

void rem_rip_into_t0(struct rem_tr *t, int64_t off)
{
    struct x86_place at = e_at(T0, (int32_t)off);
    struct emit *e = &t->e;

    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, t->bits64, T0, &at);
    if (t->segmented && t->n->i.opsize == 2)
        rem_emit_cut_t0(e);
}

void rem_add_base(struct rem_tr *t, const uint64_t *base, int32_t more)
{
    struct x86_place sum = e_at_index(T0, S, 1, more);

    e_load(&t->e, S, base);
    e_lea(&t->e, false, T0, &sum);
}

/* T0 is the target's RIP. */
static void across_segmented(struct rem_tr *t, int64_t target, bool poll)
{
    int32_t off = (int32_t)(target & PAGE_MASK);
    struct x86_place place = e_at_index(S, T0, 4, REM_X_NOWHERE);
    uint32_t link = rem_new_link(t, poll), imm;
    struct emit *e = &t->e;
    uint8_t *hit;

    rem_islands(t, REM_FAR, true);
    rem_add_base(t, &t->c->ctx.seg[X86_CS].base, -off);
    rem_load_x(t);
    e_lea(e, true, S, &place);
    imm = rem_off(t->r, e->p);
    hit = e_jrcxz(e);
    rem_add_base(t, &t->r->hot.minus_cs, off);
    leave(t, link);
    e_here8(e, hit);
    rem_add_base(t, &t->r->hot.minus_cs, 0);
    e_store(e, &t->r->hot.pcbase, T0);
    rem_link_at(t, link, e_jmp(e), imm);
}

static void jump_across(struct rem_tr *t, int64_t target, bool poll)
{
    if (t->segmented) {
        rem_rip_into_t0(t, target);
        rem_emit_in_code(t);
        across_segmented(t, target, poll);
        return;
    }
    struct emit *e = &t->e;
    int64_t delta = target & ~(int64_t)PAGE_MASK;
    struct x86_place page = e_at(T0, (int32_t)delta), place = e_at_index(S, T0, 4, REM_X_NOWHERE);
    uint32_t link = rem_new_link(t, poll), imm;
    uint8_t *hit;

    rem_islands(t, REM_FAR, true);
    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, t->bits64, T0, &page);
    rem_load_x(t);
    e_lea(e, true, S, &place);
    imm = rem_off(t->r, e->p);
    hit = e_jrcxz(e);
    rem_emit_out(t, t->r->across_at, link, (unsigned)(target & PAGE_MASK));
    e_here8(e, hit);
    e_store(e, &t->r->hot.pcbase, T0);
    rem_link_at(t, link, e_jmp(e), imm);
}

void rem_emit_second_page(struct rem_tr *t, const struct rem_page *second)
{
    struct x86_place page = e_at(T0, CSAM_PAGE_BYTES), difference = e_at_index(S, T0, 4, rem_x_place(second, 0));
    struct emit *e = &t->e;
    uint8_t *same;

    rem_site_open(t, REM_S_SECOND);
    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, t->bits64, T0, &page);
    if (t->segmented)
        rem_add_base(t, &t->c->ctx.seg[X86_CS].base, 0);
    rem_load_x(t);
    e_lea(e, true, S, &difference);
    same = e_jrcxz(e);
    rem_stub_add(t, (struct rem_stub){.kind = STUB_SLOW, .from = e_jmp(e), .site = t->site});
    e_here8(e, same);
    rem_goes_on_at(t, t->site, e->p);
}

void rem_emit_across(struct rem_tr *t, int64_t target)
{
    if (t->segmented) { /* the call has compared it with the limit */
        rem_rip_into_t0(t, target);
        across_segmented(t, target, true);
    } else {
        jump_across(t, target, true);
    }
}

bool rem_within_reach(struct rem_tr *t, int64_t target)
{
    if (target != (int32_t)target)
        t->failed = true;
    return !t->failed;
}

bool rem_emit_jump(struct rem_tr *t, uint8_t *from, int64_t target)
{
    bool poll = target <= t->n->off;

    if (rem_is_out(t, target))
        return false;
    if (!rem_within_reach(t, target))
        return true;
    if (rem_in_page(target)) {
        rem_aim_within(t, from != NULL ? from : e_jmp(&t->e), (unsigned)target, poll);
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

    if (!t->segmented || (rem_in_page(off) && !rem_is_out(t, off))) {
        rem_emit_jump(t, NULL, off);
        return;
    }
    rem_islands(t, REM_FAR, true);
    e_load(e, T0, &t->r->hot.pcbase);
    e_lea(e, false, T0, &at);
    if (rem_is_out(t, off)) {
        leave(t, REM_NO_LINK);
        return;
    }
    compare_with_limit(t);
    inside = e_jrcxz(e);
    leave(t, REM_NO_LINK);
    e_here8(e, inside);
    across_segmented(t, off, false);
}

bool rem_emit_jcc(struct rem_tr *t, const struct x86_insn *i)
{
    int64_t target = rem_target_of(t, i);

    if (rem_is_out(t, target))
        return false;
    if (rem_in_page(target)) {
        rem_aim_within(t, e_jcc(&t->e, i->cond), (unsigned)target, target <= t->n->off);
        return true;
    }
    uint8_t *over = e_jcc(&t->e, i->cond ^ 1u);
    rem_emit_jump(t, NULL, target);
    e_here(&t->e, over);
    return true;
}
