/*
 * call.c - near calls, returns and indirect jumps.
 *
 * A call is a host call that leaves a pair, a return finds it there (pairs.c). An indirect jump expects the target it
 * had last (link.c); what another leads to is looked up: the page in X, the block in the page. Segmented code compares
 * a target with CS's limit before anything changes.
 */
#include "vmm/rem/jump_int.h"

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

/*
 * The jump to the target that is expected. What is patched stands at fixed distances: REM_LINK_*.
 *     lea rcx, [X word + r14 * 4 - place]   jrcxz 1f   jmp others   1: lea r14, [r14 - offset]   mov [pcbase], r14 jmp
 */
static void emit_expected(struct rem_tr *t, int32_t pop)
{
    struct x86_place place = e_at_index(S, T0, 4, REM_X_NOWHERE);
    uint32_t link = rem_new_link(t, true), imm;
    struct emit *e = &t->e;
    uint8_t *other;

    rem_islands(t, REM_FAR, true);
    rem_load_x(t);
    e_align_jump(e, 8 + REM_LINK_OTHER);
    e_lea(e, true, S, &place);
    imm = rem_off(t->r, e->p);
    E_BYTES(e, 0xe3, 5, 0xe9, 0, 0, 0, 0); /* jrcxz over the jump; jmp */
    other = e->p;
    E_BYTES(e, 0x4d, 0x8d, 0xb6, 0, 0, 0, 0); /* lea r14, [r14 + 0] */
    e_store(e, &t->r->hot.pcbase, T0);
    adjust_rsp(t, pop, S);
    rem_link_at(t, link, e_jmp(e), imm);
    t->r->link[link].kind = REM_LINK_INDIRECT;
    rem_stub_add(t, (struct rem_stub){.kind = STUB_EXPECT, .from = other, .site = t->site, .link = link});
}

/* It is one whose target may well be the same next time; the interpreter can run it, for it to be found out. */
static bool expects(const struct rem_tr *t)
{
    enum rem_kind kind = rem_kind(t);

    return (kind == REM_JMP_TO || kind == REM_CALL_TO) && !t->segmented && t->r->lockstep == NULL;
}

void rem_emit_to_t0(struct rem_tr *t, int32_t pop, bool drop_pair)
{
    struct emit *e = &t->e;
    struct x86_place entry = e_at_index(S, T0, 4, -REM_X_ODD), none = e_at(S, (int32_t)rem_address(t->r, t->r->none));

    if (expects(t))
        emit_expected(t, pop);
    rem_islands(t, 110, true);
    if (drop_pair)
        drop(t);
    if (t->segmented) {
        rem_emit_in_code(t);
        e_store(e, &t->r->hot.tmp, T0);
        rem_add_base(t, &t->c->ctx.seg[X86_CS].base, 0);
    }
    rem_load_x(t);
    rem_miss(t, STUB_SLOW); /* the interpreter runs the jump: it may have to raise #GP for it */
    e_mem(e, false, 0x8b, S, &entry);
    e_lea(e, false, S, &none);
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
    int64_t target = rem_target_of(t, i);

    if (rem_is_out(t, target) || !may_come_back(t, i))
        return false;
    if (!rem_within_reach(t, target))
        return true;
    if (t->segmented && !rem_in_page(target)) {
        rem_rip_into_t0(t, target);
        rem_emit_in_code(t);
    }
    push_return(t, i);
    adjust_rsp(t, -(int32_t)i->opsize, S);
    rem_islands(t, REM_FAR, true); /* nobody comes by behind the call */
    uint8_t *from = e_call(&t->e);
    if (rem_in_page(target))
        rem_aim_within(t, from, (unsigned)target, true);
    else
        rem_stub_add(t, (struct rem_stub){.kind = STUB_ACROSS, .from = from, .target = target, .k = (uint8_t)t->k});
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
    rem_stub_add(
        t, (struct rem_stub){.kind = STUB_TO_T0, .from = e_jmp(e), .target = pop, .drop = true, .k = (uint8_t)t->k});
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
    rem_stub_add(t, (struct rem_stub){
                        .kind = STUB_TO_T0, .from = e_call(&t->e), .target = -(int64_t)i->opsize, .k = (uint8_t)t->k});
    return_point(t, i);
    return true;
}
