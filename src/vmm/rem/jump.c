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
 */
#include "vmm/rem/rem_int.h"

#define PAGE_MASK (CSAM_PAGE_BYTES - 1)

static bool in_page(int64_t off)
{
    return off >= 0 && off < CSAM_PAGE_BYTES;
}

/* S = X entry of the page of T0; WB is lost. */
static void load_x(struct rem_tr *t)
{
    struct x86_place entry = e_at_index(WB, S, 8, 0);
    struct emit *e = &t->e;

    e_pext(e, S, T0, &t->r->hot.mask_page);
    e_load(e, WB, &t->r->hot.xbase);
    e_mem(e, true, 0x8b, S, &entry);
}

static void leave(struct rem_tr *t, uint32_t link)
{
    struct emit *e = &t->e;

    e_store(e, &t->c->ctx.rip, T0);
    e_store_imm32(e, &t->r->hot.link, link);
    e_jmp_to(e, t->r->code.rw + t->r->exit);
}

static uint32_t new_link(struct rem_tr *t)
{
    if (t->r->links == REM_LINKS_MAX) {
        t->failed = true;
        return REM_NO_LINK;
    }
    t->r->link[t->r->links] = (struct rem_link){0};
    return t->r->links++;
}

static void jump_within(struct rem_tr *t, uint8_t *from, unsigned off)
{
    if (from == NULL)
        from = e_jmp(&t->e);
    if (t->e.full)
        return;
    if (off == t->r->run.from) { /* this block itself */
        e_aim(from, t->r->code.rw + t->host);
        return;
    }
    uint32_t link = new_link(t);
    t->r->link[link].rel = rem_off(t->r, from);
    rem_stub_add(t, (struct rem_stub){.kind = STUB_LINK, .from = from, .link = link, .off = (uint16_t)off});
}

static void jump_across(struct rem_tr *t, int64_t target)
{
    struct emit *e = &t->e;
    int64_t delta = target & ~(int64_t)PAGE_MASK;
    struct x86_place page = e_at(T0, (int32_t)delta), off = e_at(T0, (int32_t)(target & PAGE_MASK)),
                     place = e_at_index(S, T0, 4, INT32_MAX); /* room for the page's address, negated */
    uint32_t link = new_link(t);
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
    e_load(e, WB, &t->r->hot.wbase);
    t->r->link[link].rel = rem_off(t->r, e_jmp(e));
}

void rem_emit_jump(struct rem_tr *t, uint8_t *from, int64_t target)
{
    if (target != (int32_t)target) {
        t->failed = true;
        return;
    }
    if (in_page(target)) {
        jump_within(t, from, (unsigned)target);
        return;
    }
    if (from != NULL)
        e_here(&t->e, from);
    jump_across(t, target);
}

static int64_t target_of(const struct rem_tr *t, const struct x86_insn *i)
{
    return (int64_t)t->n->off + i->len + (int64_t)i->imm[0];
}

bool rem_emit_jcc(struct rem_tr *t, const struct x86_insn *i)
{
    int64_t target = target_of(t, i);

    if (in_page(target)) {
        jump_within(t, e_jcc(&t->e, i->cond), (unsigned)target);
        return true;
    }
    uint8_t *over = e_jcc(&t->e, i->cond ^ 1u);
    rem_emit_jump(t, NULL, target);
    e_here(&t->e, over);
    return true;
}

/* ---- indirect: T0 is the target; RSP moves by @pop at the very end (the fault path runs the instruction again) ----
 */

static void adjust_rsp(struct rem_tr *t, int32_t pop)
{
    struct x86_place sp = e_at(HOST_RSP, pop);

    if (pop != 0)
        e_lea(&t->e, t->bits64, HOST_RSP, &sp);
}

static void jump_to_t0(struct rem_tr *t, int32_t pop)
{
    struct emit *e = &t->e;
    struct x86_place entry = e_at_index(S, T0, 4, 0), base = e_at_index(T0, WB, 1, 1), sum = e_at_index(WB, S, 1, 0);

    load_x(t);
    rem_islands(t, 110, true);
    rem_miss(t, false); /* the interpreter runs the jump: it may have to raise #GP for it */
    e_mem(e, false, 0x8b, S, &entry);
    e_pext(e, WB, T0, &t->r->hot.mask_off);
    E_BYTES(e, 0x49, 0xf7, 0xd7); /* not r15 */
    e_lea(e, t->bits64, WB, &base);
    e_store(e, &t->r->hot.pcbase, WB);
    E_BYTES(e, 0x4c, 0x8d, 0x3d); /* lea r15, [rip + code] */
    e32(e, (uint32_t)(t->r->code.rw - (e->p + 4)));
    e_lea(e, true, S, &sum);
    e_load(e, WB, &t->r->hot.wbase);
    adjust_rsp(t, pop);
    E_BYTES(e, 0xff, 0xe1); /* jmp rcx */
}

/* Stores the address behind the instruction below the stack pointer, which stays. */
static void push_return(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned bytes = t->bits64 ? 8 : 4;
    struct emit *e = &t->e;
    struct x86_place sp = e_at(HOST_RSP, -(int32_t)bytes), sum = e_at_index(T0, S, 1, 0),
                     next = e_at(S, t->n->off + i->len), at = e_at(T0, 0);

    e_lea(e, t->bits64, T0, &sp);
    rem_emit_probe(t, T0, bytes, true);
    e_lea(e, true, T0, &sum);
    e_load(e, S, &t->r->hot.pcbase);
    e_lea(e, t->bits64, S, &next);
    e_mem(e, t->bits64, 0x89, S, &at);
}

bool rem_emit_call(struct rem_tr *t, const struct x86_insn *i)
{
    push_return(t, i);
    adjust_rsp(t, t->bits64 ? -8 : -4);
    rem_emit_jump(t, NULL, target_of(t, i));
    return true;
}

bool rem_emit_ret(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned bytes = t->bits64 ? 8 : 4;
    struct x86_place top = e_at_index(HOST_RSP, S, 1, 0);

    rem_emit_probe(t, HOST_RSP, bytes, false);
    e_mem(&t->e, t->bits64, 0x8b, T0, &top);
    jump_to_t0(t, (int32_t)(bytes + (i->nops ? (uint16_t)i->imm[0] : 0)));
    return true;
}

/* The target into T0. */
static bool load_target(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *o = &i->op[0];
    struct emit *e = &t->e;

    if (o->kind == X86_OP_MEM) {
        int reg = rem_emit_gla(t, i);
        if (reg < 0)
            return false;
        rem_emit_probe(t, (unsigned)reg, o->bytes, false);
        struct x86_place at = e_at_index((unsigned)reg, S, 1, 0);
        e_mem(e, t->bits64, 0x8b, T0, &at);
        return true;
    }
    unsigned reg = rem_host_reg(o->reg);
    if (reg == X86_REG_NONE)
        e_load(e, T0, &t->c->ctx.gpr[o->reg]);
    else
        e_mov(e, t->bits64, T0, reg);
    return true;
}

bool rem_emit_jump_to(struct rem_tr *t, const struct x86_insn *i, bool call)
{
    if (i->op[0].bytes != (t->bits64 ? 8 : 4) || !load_target(t, i))
        return false;
    if (call) {
        e_store(&t->e, &t->r->hot.tmp, T0);
        push_return(t, i);
        e_load(&t->e, T0, &t->r->hot.tmp);
    }
    jump_to_t0(t, !call ? 0 : t->bits64 ? -8 : -4);
    return true;
}
