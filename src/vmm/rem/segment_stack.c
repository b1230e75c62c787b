/*
 * segment_stack.c - PUSH, POP, LEAVE on stacks with base, limit or a 16-bit pointer, and in another width than the kind
 * of code's own. The stack pointer changes last (rem_int.h inv 1).
 *
 * Sources: SDM vol. 2 by instruction; vol. 1 6.2 (a 16-bit stack leaves the upper half of ESP alone).
 */
#include "vmm/rem/segment.h"

void rem_emit_move(struct emit *e, bool store, unsigned bytes, unsigned reg, const struct x86_place *m)
{
    if (bytes == 2)
        e8(e, 0x66);
    e_mem(e, bytes == 8, store ? 0x89 : 0x8b, reg, m);
}

static bool short_pointer(const struct rem_tr *t)
{
    return t->c->mode.stack_bytes == 2;
}

/* SP = @reg + @by, in the pointer's width. */
static void set_sp(struct rem_tr *t, unsigned reg, int32_t by, unsigned scratch)
{
    struct x86_place sp = e_at(reg, by);

    if (!short_pointer(t)) {
        e_lea(&t->e, false, HOST_RSP, &sp);
        return;
    }
    e_lea(&t->e, false, scratch, &sp);
    E_BYTES(&t->e, 0x66, (uint8_t)(0x41u | (scratch >= 8 ? 4u : 0u)), 0x89, (uint8_t)(0xc5u | (scratch & 7u) << 3));
}

void rem_emit_move_sp(struct rem_tr *t, int32_t by, unsigned scratch)
{
    set_sp(t, HOST_RSP, by, scratch);
}

/* T0 = linear address of the offset @reg + @by on the stack. */
static void stack_gla(struct rem_tr *t, unsigned reg, int32_t by, unsigned bytes, enum rem_room kind)
{
    struct x86_place at = e_at(reg, by);

    e_lea(&t->e, false, T0, &at);
    if (short_pointer(t))
        rem_emit_cut_t0(&t->e);
    if (t->segmented)
        rem_emit_in_segment(t, X86_SS, bytes, kind);
}

void rem_emit_stack_gla(struct rem_tr *t, int32_t by, unsigned bytes, enum rem_room kind)
{
    stack_gla(t, HOST_RSP, by, bytes, kind);
}

/* [T0 + S] is where @bytes are pushed to. */
static void reach_top(struct rem_tr *t, unsigned bytes)
{
    rem_emit_stack_gla(t, -(int32_t)bytes, bytes, REM_ROOM_WRITE);
    rem_emit_probe(t, rem_gla_in(T0), bytes, true);
}

void rem_emit_odd_push_from(struct rem_tr *t, const void *from)
{
    struct x86_place sum = e_at_index(T0, S, 1, 0), top = e_at(T0, 0);
    unsigned bytes = t->n->i.opsize;
    struct emit *e = &t->e;

    reach_top(t, bytes);
    e_lea(e, true, T0, &sum);
    e_load(e, S, from);
    rem_emit_move(e, true, bytes, S, &top);
    rem_emit_move_sp(t, -(int32_t)bytes, S);
}

static bool push_memory(struct rem_tr *t, const struct x86_insn *i)
{
    struct emit *e = &t->e;
    struct rem_gla a;

    if (!rem_emit_gla(t, i, &a))
        return false;
    rem_emit_probe(t, a, i->opsize, false);
    struct x86_place at = rem_place(a);
    rem_emit_move(e, false, i->opsize, T0, &at);
    e_store(e, &t->r->hot.tmp, T0);
    rem_emit_odd_push_from(t, &t->r->hot.tmp);
    return true;
}

bool rem_emit_odd_push(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *o = &i->op[0];
    struct x86_place top = e_at_index(T0, S, 1, 0);
    struct emit *e = &t->e;

    if (t->bits64 || (o->bytes != i->opsize && o->kind != X86_OP_IMM))
        return false;
    if (o->kind == X86_OP_MEM)
        return push_memory(t, i);
    if (o->kind != X86_OP_GPR && o->kind != X86_OP_IMM)
        return false;
    reach_top(t, i->opsize);
    if (o->kind == X86_OP_GPR) {
        rem_emit_move(e, true, i->opsize, rem_host_reg(o->reg), &top);
    } else {
        if (i->opsize == 2)
            e8(e, 0x66);
        e_mem(e, false, 0xc7, 0, &top);
        e_bytes(e, &i->imm[o->reg], i->opsize);
    }
    rem_emit_move_sp(t, -(int32_t)i->opsize, S);
    return true;
}

bool rem_emit_odd_pop(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *o = &i->op[0];
    struct x86_place top = e_at_index(T0, S, 1, 0);

    if (t->bits64 || o->kind != X86_OP_GPR || o->bytes != i->opsize || o->reg == X86_RSP)
        return false;
    rem_emit_stack_gla(t, 0, i->opsize, REM_ROOM_READ);
    rem_emit_probe(t, rem_gla_in(T0), i->opsize, false);
    rem_emit_move(&t->e, false, i->opsize, rem_host_reg(o->reg), &top);
    rem_emit_move_sp(t, (int32_t)i->opsize, S);
    return true;
}

bool rem_emit_odd_leave(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place top = e_at_index(T0, S, 1, 0);
    struct emit *e = &t->e;

    if (t->bits64)
        return false;
    stack_gla(t, X86_RBP, 0, i->opsize, REM_ROOM_READ);
    rem_emit_probe(t, rem_gla_in(T0), i->opsize, false);
    rem_emit_move(e, false, i->opsize, S, &top);
    set_sp(t, X86_RBP, (int32_t)i->opsize, T0);
    if (i->opsize == 2)
        rem_emit_from_s16(e, X86_RBP);
    else
        e_mov(e, false, X86_RBP, S);
    return true;
}
