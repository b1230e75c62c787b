/*
 * stack.c - PUSH, POP, LEAVE. The stack pointer changes last (rem_int.h inv 1).
 */
#include "vmm/rem/segment.h"

static unsigned width(const struct rem_tr *t)
{
    return t->bits64 ? 8 : 4;
}

/* [T0 + S] is the new top; T0 the new stack pointer. */
static void probe_push(struct rem_tr *t)
{
    struct x86_place sp = e_at(HOST_RSP, -(int32_t)width(t));

    e_lea(&t->e, t->bits64, T0, &sp);
    rem_emit_probe(t, T0, width(t), true);
}

static void move_down(struct rem_tr *t)
{
    struct x86_place sp = e_at(HOST_RSP, -(int32_t)width(t));

    e_lea(&t->e, t->bits64, HOST_RSP, &sp);
}

/* Pushes what is in memory at @from (ours, or the guest's by way of hot.tmp). */
void rem_emit_push_from(struct rem_tr *t, const void *from)
{
    struct x86_place sum = e_at_index(T0, S, 1, 0), top = e_at(T0, 0);
    struct emit *e = &t->e;

    if (rem_odd_stack(t, t->n->i.opsize)) {
        rem_emit_odd_push_from(t, from);
        return;
    }
    probe_push(t);
    e_lea(e, true, T0, &sum);
    e_load(e, S, from);
    e_mem(e, t->bits64, 0x89, S, &top);
    move_down(t);
}

static bool push_memory(struct rem_tr *t, const struct x86_insn *i)
{
    int reg = rem_emit_gla(t, i);
    struct emit *e = &t->e;

    if (reg < 0)
        return false;
    rem_emit_probe(t, (unsigned)reg, width(t), false);
    struct x86_place at = e_at_index((unsigned)reg, S, 1, 0);
    e_mem(e, t->bits64, 0x8b, T0, &at);
    e_store(e, &t->r->hot.tmp, T0);
    rem_emit_push_from(t, &t->r->hot.tmp);
    return true;
}

bool rem_emit_push(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *o = &i->op[0];
    struct x86_place top = e_at_index(T0, S, 1, 0);
    struct emit *e = &t->e;

    if (rem_odd_stack(t, i->opsize))
        return rem_emit_odd_push(t, i);
    if (o->kind == X86_OP_MEM)
        return o->bytes == width(t) && push_memory(t, i);
    if (o->kind == X86_OP_GPR && o->bytes != width(t))
        return false;
    if (o->kind == X86_OP_GPR && rem_host_reg(o->reg) == X86_REG_NONE) {
        rem_emit_push_from(t, &t->c->ctx.gpr[o->reg]);
        return true;
    }
    if (o->kind != X86_OP_GPR && o->kind != X86_OP_IMM)
        return false;
    probe_push(t);
    if (o->kind == X86_OP_GPR) {
        e_mem(e, t->bits64, 0x89, rem_host_reg(o->reg), &top);
    } else {
        e_mem(e, t->bits64, 0xc7, 0, &top);
        e32(e, (uint32_t)i->imm[o->reg]);
    }
    move_down(t);
    return true;
}

bool rem_emit_pop(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *o = &i->op[0];
    struct x86_place top = e_at_index(HOST_RSP, S, 1, 0), sp = e_at(HOST_RSP, (int32_t)width(t));
    struct emit *e = &t->e;

    if (rem_odd_stack(t, i->opsize))
        return rem_emit_odd_pop(t, i);
    if (o->kind != X86_OP_GPR || o->bytes != width(t))
        return false;
    unsigned to = rem_host_reg(o->reg);
    rem_emit_probe(t, HOST_RSP, width(t), false);
    e_mem(e, t->bits64, 0x8b, to == X86_REG_NONE ? S : to, &top);
    if (to == X86_REG_NONE)
        e_store(e, &t->c->ctx.gpr[o->reg], S);
    if (to != HOST_RSP)
        e_lea(e, t->bits64, HOST_RSP, &sp);
    return true;
}

bool rem_emit_leave(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place top = e_at_index(X86_RBP, S, 1, 0), sp = e_at(X86_RBP, (int32_t)width(t));
    struct emit *e = &t->e;

    if (rem_odd_stack(t, i->opsize))
        return rem_emit_odd_leave(t, i);
    rem_emit_probe(t, X86_RBP, width(t), false);
    e_mem(e, t->bits64, 0x8b, S, &top);
    e_lea(e, t->bits64, HOST_RSP, &sp);
    e_mov(e, t->bits64, X86_RBP, S);
    return true;
}
