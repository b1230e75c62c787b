/*
 * segment_load.c - PUSH of segment registers; MOV to and POP of DS, ES, FS and GS in real and virtual-8086 mode, where
 * a selector is its base and nothing else changes.
 *
 * Left out (interpreter): loads in protected mode, and of SS, which hold off interrupts; a segment without room, whose
 * attributes the load may have to mend (iem/seg.c).
 *
 * Sources: SDM vol. 3 20.1.1; vol. 2 MOV, POP, PUSH (a 32-bit push stores the selector only).
 */
#include "vmm/rem/segment.h"

static bool has_paragraphs(const struct rem_tr *t)
{
    return !(t->c->mode.key & CPUM_KEY_PE) || (t->c->mode.key & CPUM_KEY_V86);
}

static bool loadable(const struct rem_tr *t, unsigned sreg)
{
    return has_paragraphs(t) && (sreg == X86_DS || sreg == X86_ES || sreg == X86_FS || sreg == X86_GS);
}

static void unless_room_miss(struct rem_tr *t, unsigned sreg)
{
    e_load(&t->e, S, &t->r->hot.room[REM_ROOM_READ][sreg]);
    rem_miss(t, STUB_SLOW);
}

/* The selector in S; only its low half counts. */
static void set_segment(struct rem_tr *t, unsigned sreg)
{
    struct x86_place sel = e_abs(&t->c->ctx.seg[sreg].sel);
    struct emit *e = &t->e;

    rem_emit_move(e, true, 2, S, &sel);
    e_bits(e, true, S, S, &t->r->hot.mask_paragraph);
    e_store(e, &t->c->ctx.seg[sreg].base, S);
}

bool rem_emit_load_sreg(struct rem_tr *t, const struct x86_insn *i)
{
    unsigned sreg = i->op[0].reg;

    if (!loadable(t, sreg) || i->op[1].kind != X86_OP_GPR)
        return false;
    unless_room_miss(t, sreg);
    e_mov(&t->e, false, S, rem_host_reg(i->op[1].reg));
    set_segment(t, sreg);
    return true;
}

bool rem_emit_pop_sreg(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place top = e_at_index(T0, S, 1, 0);

    if (!loadable(t, i->op[0].reg))
        return false;
    unless_room_miss(t, i->op[0].reg);
    rem_emit_stack_gla(t, 0, i->opsize, REM_ROOM_READ);
    rem_emit_probe(t, rem_gla_in(T0), i->opsize, false);
    rem_emit_move(&t->e, false, i->opsize, S, &top);
    set_segment(t, i->op[0].reg);
    rem_emit_move_sp(t, (int32_t)i->opsize, S);
    return true;
}

bool rem_emit_push_sreg(struct rem_tr *t, const struct x86_insn *i)
{
    struct x86_place top = e_at(T0, 0), sum = e_at_index(T0, S, 1, 0), sel = e_abs(&t->c->ctx.seg[i->op[0].reg].sel);
    struct emit *e = &t->e;

    if (t->bits64)
        return false;
    rem_emit_stack_gla(t, -(int32_t)i->opsize, 2, REM_ROOM_WRITE);
    rem_emit_probe(t, rem_gla_in(T0), 2, true);
    e_lea(e, true, T0, &sum);
    e_mem(e, false, 0x0fb7, S, &sel); /* movzx */
    rem_emit_move(e, true, 2, S, &top);
    rem_emit_move_sp(t, -(int32_t)i->opsize, S);
    return true;
}
