/*
 * insn.c - data instructions: the guest's own encoding with its registers and its memory where they are on the host.
 *
 * Guest registers that live in the context (R12-R15) are brought into a scratch register and taken back, or addressed
 * there. The scratch register is still good for the next instruction: what is read anew are registers it never held. An
 * instruction that means RCX without naming it (shifts by CL, CMPXCHG8B) gets a copy of it in RCX. High byte registers
 * cannot stand beside a REX prefix: their register's two low bytes change places around the instruction; CH's do so in
 * the copy.
 */
#include "vmm/rem/translate_int.h"

#define JCC_BYTES 6u

/* What is to be done around the instruction. */
struct plan {
    const struct x86_insn *i; /* the guest's, or: */
    struct x86_insn changed;  /* set by plan_swap() alone */
    struct x86_place place;
    struct {
        uint8_t guest, scratch;
        bool load, store;
    } spill[2];
    unsigned spills;
    bool rcx, rcx_back; /* guest RCX is in RCX before, and taken back after */
    int swapped;        /* register whose low bytes change places; -1 none */
};

static uint8_t *field_of(struct plan *p, enum x86_field field)
{
    return field == X86_FIELD_REG ? &p->place.reg : field == X86_FIELD_RM ? &p->place.rm : &p->place.vvvv;
}

/* XCHG and XADD of CL and CH: each in a register of its own, and both come back. */
static bool writes_cl_and_ch(const struct x86_insn *i)
{
    bool cl = false, ch = false;

    for (unsigned n = 0; n < i->nops; n++) {
        const struct x86_operand *o = &i->op[n];
        bool written = o->kind == X86_OP_GPR && (o->flags & X86_OPF_WRITE);
        cl |= written && o->reg == X86_RCX && o->bytes == 1;
        ch |= written && o->reg == X86_CH;
    }
    return cl && ch;
}

/* High byte registers stay as they are unless something else needs a REX prefix. */
static void plan_swap(struct plan *p, const struct x86_operand *memory)
{
    unsigned high = p->i->nops;
    bool rex = memory != NULL;

    for (unsigned n = 0; n < p->i->nops; n++) {
        const struct x86_operand *o = &p->i->op[n];
        if (o->kind != X86_OP_GPR || (o->flags & X86_OPF_IMPLICIT))
            continue;
        if (o->reg >= X86_AH)
            high = n;
        else if (rem_host_reg(o->reg) >= 8)
            rex = true;
    }
    if (high == p->i->nops || !rex)
        return;
    p->changed = *p->i;
    p->swapped = p->i->op[high].reg - X86_AH;
    p->changed.op[high].reg = (uint8_t)p->swapped;
    p->i = &p->changed;
}

/* In a register bits are counted modulo its width, in memory they are not. */
static bool bit_by_register(const struct x86_insn *i)
{
    bool bt = i->mnem == X86_BT || i->mnem == X86_BTS || i->mnem == X86_BTR || i->mnem == X86_BTC;

    return bt && i->op[1].kind == X86_OP_GPR;
}

/* ---- registers that live in the context ---- */

static const uint8_t scratch[REM_SCRATCH] = {S, T0};

void rem_forget_held(struct rem_tr *t)
{
    memset(t->held, X86_REG_NONE, sizeof t->held);
}

static unsigned number_of(unsigned reg)
{
    return reg == S ? 0 : 1;
}

/* Of a scratch register that holds the guest's; REM_SCRATCH: none. */
static unsigned holder(const struct rem_tr *t, unsigned guest)
{
    unsigned n = 0;

    while (n < REM_SCRATCH && t->held[n] != guest)
        n++;
    return n;
}

static bool names(const struct x86_insn *i, unsigned guest)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_GPR && i->op[n].reg == guest)
            return true;
    return false;
}

/* The scratch register for a guest register: the one that holds it, or whose loss matters least. REM_SCRATCH: none is
 * free. */
static unsigned choose(const struct rem_tr *t, const struct plan *p, unsigned guest, bool memory)
{
    unsigned best = REM_SCRATCH;

    for (unsigned n = 0; n < REM_SCRATCH; n++) {
        if ((scratch[n] == S && p->rcx) || (scratch[n] == T0 && memory) ||
            (p->spills != 0 && p->spill[0].scratch == scratch[n]))
            continue;
        if (t->held[n] == guest)
            return n;
        if (best == REM_SCRATCH || (t->held[best] != X86_REG_NONE && names(p->i, t->held[best])) ||
            (t->held[best] != X86_REG_NONE && t->held[n] == X86_REG_NONE))
            best = n;
    }
    return best;
}

/* An operand that lives in the context: addressed there if it is only read, and the form allows; else by way of a
 * scratch register, which holds it from then on. */
static bool place_in_context(struct rem_tr *t, struct plan *p, const struct x86_operand *o, enum x86_field field,
                             bool memory)
{
    bool zero_extends = o->bytes == 4 && (o->flags & X86_OPF_WRITE);
    bool load = (o->flags & X86_OPF_READ) || o->bytes < 4, store = (o->flags & X86_OPF_WRITE) != 0;
    unsigned n = choose(t, p, o->reg, memory);

    if (field == X86_FIELD_RM && !memory && !p->place.memory && !zero_extends && p->i->mnem != X86_XCHG &&
        p->i->has_modrm && !p->i->vex && !bit_by_register(p->i) &&
        (n == REM_SCRATCH || (!store && t->held[n] != o->reg))) {
        if (store && holder(t, o->reg) != REM_SCRATCH)
            t->held[holder(t, o->reg)] = X86_REG_NONE;
        p->place = (struct x86_place){.reg = p->place.reg, .rm = p->place.rm, .vvvv = p->place.vvvv, .memory = true};
        struct x86_place m = e_abs(&t->c->ctx.gpr[o->reg]);
        p->place.base = m.base, p->place.index = m.index, p->place.scale = m.scale, p->place.disp = m.disp;
        return true;
    }
    for (unsigned k = 0; k < p->spills; k++)
        if (p->spill[k].guest == o->reg) { /* the same register in two fields */
            p->spill[k].load |= load;
            p->spill[k].store |= store;
            *field_of(p, field) = p->spill[k].scratch;
            return true;
        }
    if (n == REM_SCRATCH)
        return false;
    p->spill[p->spills].guest = o->reg;
    p->spill[p->spills].scratch = scratch[n];
    p->spill[p->spills].load = load;
    p->spill[p->spills++].store = store;
    *field_of(p, field) = scratch[n];
    return true;
}

static bool place_registers(struct rem_tr *t, struct plan *p, bool memory)
{
    for (unsigned n = 0; n < p->i->nops; n++) {
        const struct x86_operand *o = &p->i->op[n];
        enum x86_field field;
        if (o->kind != X86_OP_GPR || (field = x86_operand_field(p->i, n)) == X86_FIELD_NONE)
            continue;
        unsigned number = o->reg >= X86_AH ? o->reg - X86_AH + 4u : rem_host_reg(o->reg);
        if (p->swapped == X86_RCX && o->reg == X86_RCX && o->bytes == 1 && t->n->i.op[n].reg == X86_CH)
            number = X86_RCX; /* CH of the copy */
        if (number != X86_REG_NONE)
            *field_of(p, field) = (uint8_t)number;
        else if (!place_in_context(t, p, o, field, memory))
            return false;
    }
    return true;
}

static void swap_bytes(struct emit *e, int reg) /* xchg high, low */
{
    E_BYTES(e, 0x86, (uint8_t)(0xe0u | (unsigned)reg << 3 | (unsigned)reg));
}

/* Address and check of the memory operand; then the place is on the host, by T0 alone if S has other duties. */
static bool reach_memory(struct rem_tr *t, struct plan *p, const struct x86_operand *m)
{
    struct x86_place at;
    struct rem_gla a;

    if (!rem_in_group(t, &at)) {
        if (!rem_emit_gla(t, p->i, &a))
            return false;
        /* what has to be aligned cannot go over the end of a page: the host traps */
        rem_emit_probe(t, a, p->i->row->rules & X86_RULE_ALIGN ? 1 : m->bytes, (m->flags & X86_OPF_WRITE) != 0);
        at = rem_place(a);
        if (p->spills != 0 || p->swapped >= 0 || p->rcx)
            at = rem_emit_without_s(t, at);
    }
    p->place.memory = true;
    p->place.base = at.base;
    p->place.index = at.index;
    p->place.scale = at.scale;
    p->place.disp = at.disp;
    return true;
}

static void before(struct rem_tr *t, const struct plan *p)
{
    struct emit *e = &t->e;

    for (unsigned k = 0; k < p->spills; k++)
        if (p->spill[k].load && t->held[number_of(p->spill[k].scratch)] != p->spill[k].guest)
            e_load(e, p->spill[k].scratch, &t->c->ctx.gpr[p->spill[k].guest]);
    if (p->rcx)
        e_mov(e, true, S, HOST_RCX);
    if (p->swapped < 0)
        return;
    swap_bytes(e, p->swapped);
    if (p->swapped != X86_RCX) /* that one is a copy */
        rem_site_open(t, REM_S_SWAP | (unsigned)p->swapped << 2);
}

static void after(struct rem_tr *t, const struct plan *p)
{
    struct emit *e = &t->e;

    if (p->swapped >= 0)
        swap_bytes(e, p->swapped);
    if (p->rcx_back)
        e_mov(e, true, HOST_RCX, S);
    for (unsigned k = 0; k < p->spills; k++)
        if (p->spill[k].store)
            e_store(e, &t->c->ctx.gpr[p->spill[k].guest], p->spill[k].scratch);
}

/* What scratch registers hold behind the instruction. */
static void hold(struct rem_tr *t, const struct plan *p)
{
    if (p->rcx)
        t->held[number_of(S)] = X86_REG_NONE;
    for (unsigned k = 0; k < p->spills; k++)
        t->held[number_of(p->spill[k].scratch)] = p->spill[k].guest;
    if (p->swapped >= 0)
        rem_forget_held(t);
}

static bool jcc_follows(const struct rem_tr *t)
{
    return t->k + 1 < t->r->run.count && t->n[1].i.row->flow == X86_FLOW_COND;
}

/* The instruction itself; the processor makes one of it and a conditional jump behind it. */
static void put(struct rem_tr *t, const uint8_t *code, size_t n)
{
    if (jcc_follows(t))
        e_align_jump(&t->e, (unsigned)n + JCC_BYTES);
    e_bytes(&t->e, code, n);
}

/* It ends with its immediate, and a site is there to say so. */
static void note_constant(struct rem_tr *t)
{
    if (rem_is(t, REM_T_CONSTANT) && t->site != REM_NO_SITE)
        rem_made(t, t->site)->flags |= REM_S_CONSTANT;
}

bool rem_emit_data(struct rem_tr *t, const struct x86_insn *i)
{
    struct plan p __attribute__((uninitialized));
    const struct x86_operand *m;
    uint8_t code[X86_ENCODE_MAX] __attribute__((uninitialized)), *begin = t->e.p;
    size_t n;

    if (rem_is(t, REM_T_VERBATIM)) {
        put(t, t->code + (t->n->off - t->r->run.from), i->len);
        note_constant(t);
        return true;
    }
    if (rem_is(t, REM_T_HIGH_BYTE) && writes_cl_and_ch(i))
        return false;
    p.i = i;
    p.place = (struct x86_place){.reg = X86_KEEP, .rm = X86_KEEP, .vvvv = X86_KEEP, .index = X86_REG_NONE};
    p.spills = 0;
    p.rcx = rem_is(t, REM_T_RCX);
    p.rcx_back = rem_is(t, REM_T_RCX_BACK);
    p.swapped = -1;
    m = rem_memory_of(i);
    if (rem_is(t, REM_T_HIGH_BYTE))
        plan_swap(&p, m);
    if (!place_registers(t, &p, m != NULL) || (m && !reach_memory(t, &p, m))) {
        t->e.p = begin;
        return false;
    }
    before(t, &p);
    n = x86_encode(code, p.i, &p.place);
    if (n == 0)
        t->failed = true;
    put(t, code, n);
    begin = t->e.p;
    after(t, &p);
    hold(t, &p);
    if (t->e.p == begin)
        note_constant(t);
    return true;
}
