/*
 * stack.c - PUSH, POP, LEAVE. The stack pointer changes last (rem_int.h inv 1).
 */
#include "vmm/rem/segment.h"

static unsigned width(const struct rem_tr *t)
{
    return t->bits64 ? 8 : 4;
}

struct x86_place rem_emit_push_place(struct rem_tr *t, unsigned bytes)
{
    struct rem_gla a = {.reg = HOST_RSP, .disp = -(int32_t)bytes};
    struct x86_place sp = e_at(HOST_RSP, -(int32_t)bytes);

    if (t->segmented) {
        rem_emit_stack_gla(t, -(int32_t)bytes, bytes, REM_ROOM_WRITE);
        a = rem_gla_in(T0);
    } else if (!t->bits64) { /* the address is cut first */
        e_lea(&t->e, false, T0, &sp);
        a = rem_gla_in(T0);
    }
    rem_emit_probe(t, a, bytes, true);
    return rem_place(a);
}

struct x86_place rem_emit_without_s(struct rem_tr *t, struct x86_place at)
{
    if (at.index != S)
        return at;
    e_lea(&t->e, true, T0, &at);
    return e_at(T0, 0);
}

struct x86_place rem_emit_pop_place(struct rem_tr *t, unsigned reg, unsigned bytes)
{
    struct rem_gla a = rem_gla_in(t->segmented ? (unsigned)T0 : reg);

    if (t->segmented)
        rem_emit_stack_gla(t, 0, bytes, REM_ROOM_READ);
    rem_emit_probe(t, a, bytes, false);
    return rem_place(a);
}

/* Where the present instruction pushes to. */
static struct x86_place push_place(struct rem_tr *t)
{
    struct x86_place at;

    return rem_in_group(t, &at) ? at : rem_emit_push_place(t, width(t));
}

static struct x86_place pop_place(struct rem_tr *t, unsigned reg)
{
    struct x86_place at;

    return rem_in_group(t, &at) ? at : rem_emit_pop_place(t, reg, width(t));
}

static void move_down(struct rem_tr *t)
{
    struct x86_place sp = e_at(HOST_RSP, -(int32_t)width(t));

    e_lea(&t->e, t->bits64, HOST_RSP, &sp);
}

/* Pushes what is in memory at @from (ours, or the guest's by way of hot.tmp). */
void rem_emit_push_from(struct rem_tr *t, const void *from)
{
    struct emit *e = &t->e;

    if (rem_odd_stack(t, t->n->i.opsize)) {
        rem_emit_odd_push_from(t, from);
        return;
    }
    struct x86_place top = rem_emit_without_s(t, push_place(t));
    e_load(e, S, from);
    e_mem(e, t->bits64, 0x89, S, &top);
    move_down(t);
}

static bool push_memory(struct rem_tr *t, const struct x86_insn *i)
{
    struct emit *e = &t->e;
    struct rem_gla a;

    t->in_t0 = REM_NO_GROUP;
    if (!rem_emit_gla(t, i, &a))
        return false;
    rem_emit_probe(t, a, width(t), false);
    struct x86_place at = rem_place(a);
    e_mem(e, t->bits64, 0x8b, T0, &at);
    e_store(e, &t->r->hot.tmp, T0);
    rem_emit_push_from(t, &t->r->hot.tmp);
    return true;
}

bool rem_emit_push(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *o = &i->op[0];
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
    struct x86_place top = push_place(t);
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
    struct x86_place top, sp = e_at(HOST_RSP, (int32_t)width(t));
    struct emit *e = &t->e;

    if (rem_odd_stack(t, i->opsize))
        return rem_emit_odd_pop(t, i);
    if (o->kind != X86_OP_GPR || o->bytes != width(t))
        return false;
    unsigned to = rem_host_reg(o->reg);
    top = pop_place(t, HOST_RSP);
    e_mem(e, t->bits64, 0x8b, to == X86_REG_NONE ? S : to, &top);
    if (to == X86_REG_NONE)
        e_store(e, &t->c->ctx.gpr[o->reg], S);
    if (to != HOST_RSP)
        e_lea(e, t->bits64, HOST_RSP, &sp);
    return true;
}

bool rem_emit_leave(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place top, sp = e_at(X86_RBP, (int32_t)width(t));
    struct emit *e = &t->e;

    if (rem_odd_stack(t, i->opsize))
        return rem_emit_odd_leave(t, i);
    top = pop_place(t, X86_RBP);
    e_mem(e, t->bits64, 0x8b, S, &top);
    e_lea(e, t->bits64, HOST_RSP, &sp);
    e_mov(e, t->bits64, X86_RBP, S);
    return true;
}
