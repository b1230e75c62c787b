/*
 * misaligned.c - instructions that were caught at a misaligned operand, in a form the host does not trap on.
 *
 * On Intel's processors EFLAGS.AC does not cover 16-byte vector moves: the operand is read by one, into a vector
 * register that is given back, and the instruction runs on a general register. It is written byte by byte, with RORX,
 * which leaves flags alone. AMD's check vector moves too (APM vol. 4, #AC of MOVUPS): there scalars are read byte by
 * byte as well, and vectors are caught (misaligned_vector.c).
 * Left out: that a misaligned store inside a cache line is seen whole by other processors (x86 promises it on some
 * processors only); LOCKed instructions, which the interpreter runs.
 */
#include "vmm/rem/translate_int.h"

#define VECTOR_BYTES 16u
#define XMM15        15u

/* Instructions that do the same with a register in place of the memory operand. */
static bool has_register_form(const struct x86_insn *i)
{
    static const uint16_t mnems[] = {X86_ADD, X86_OR,    X86_ADC,   X86_SBB,    X86_AND,    X86_SUB, X86_XOR,
                                     X86_CMP, X86_TEST,  X86_INC,   X86_DEC,    X86_NOT,    X86_NEG, X86_IMUL,
                                     X86_MUL, X86_MOVZX, X86_MOVSX, X86_MOVSXD, X86_CMOVcc, X86_BT};

    for (unsigned n = 0; n < sizeof mnems / sizeof mnems[0]; n++)
        if (i->mnem == mnems[n])
            return true;
    return false;
}

bool rem_emit_reach(struct rem_tr *t, const struct x86_insn *i, unsigned bytes, bool write)
{
    struct rem_gla a;

    if (!rem_emit_gla(t, i, &a))
        return false;
    struct x86_place sum = rem_place(a);
    rem_emit_crossing_check(t, a, bytes);
    rem_emit_probe(t, a, bytes >= VECTOR_BYTES ? 1 : bytes, write);
    e_lea(&t->e, true, T0, &sum);
    rem_islands(t, REM_FAR, true); /* what follows is long */
    return true;
}

void rem_emit_load_bytes(struct emit *e, unsigned from, unsigned bytes)
{
    struct x86_place at = e_at(T0, (int32_t)(from + bytes) - 1);

    e_mem(e, false, 0x0fb6, S, &at); /* movzx */
    for (unsigned n = bytes - 1; n-- > 0;) {
        E_BYTES(e, 0xc4, 0xe3, bytes == 8 ? 0xfb : 0x7b, 0xf0, 0xc9, bytes == 8 ? 56 : 24); /* rorx rcx, rcx, -8 */
        at = e_at(T0, (int32_t)(from + n));
        e_mem(e, false, 0x8a, S, &at); /* mov cl */
    }
}

static void load_s(struct rem_tr *t, unsigned bytes)
{
    struct emit *e = &t->e;
    struct x86_place keep = e_abs(t->r->hot.vector[0]), from = e_at(T0, 0);

    if (t->r->checks_vectors) {
        rem_emit_load_bytes(e, 0, bytes);
        return;
    }
    e_mem(e, false, 0x0f11, XMM15, &keep);
    e_mem(e, false, 0x0f10, XMM15, &from);
    E_BYTES(e, 0x66, 0x4c, 0x0f, 0x7e, 0xf9); /* movq rcx, xmm15 */
    e_mem(e, false, 0x0f10, XMM15, &keep);
}

/* How much load_s() reads for @bytes. */
static unsigned span(const struct rem_tr *t, unsigned bytes)
{
    return t->r->checks_vectors ? bytes : VECTOR_BYTES;
}

void rem_emit_store_bytes(struct rem_tr *t, unsigned to, unsigned bytes)
{
    struct emit *e = &t->e;

    for (unsigned n = 0; n < bytes; n++) {
        struct x86_place at = e_at(T0, (int32_t)(to + n));
        e_mem(e, false, 0x88, S, &at);
        if (n + 1 < bytes) /* rorx rcx, rcx, 8 */
            E_BYTES(e, 0xc4, 0xe3, bytes == 8 ? 0xfb : 0x7b, 0xf0, 0xc9, 8);
    }
}

static bool emit_store(struct rem_tr *t, const struct x86_insn *i, const struct x86_operand *from, unsigned bytes)
{
    struct emit *e = &t->e;

    if (from->kind == X86_OP_GPR && from->reg >= X86_AH)
        return false;
    if (!rem_emit_reach(t, i, bytes, true))
        return false;
    if (from->kind == X86_OP_IMM)
        e_mov_imm(e, S, i->imm[from->reg]);
    else if (rem_host_reg(from->reg) == X86_REG_NONE)
        e_load(e, S, &t->c->ctx.gpr[from->reg]);
    else
        e_mov(e, true, S, rem_host_reg(from->reg));
    rem_emit_store_bytes(t, 0, bytes);
    return true;
}

static bool emit_load(struct rem_tr *t, const struct x86_insn *i, const struct x86_operand *to)
{
    unsigned reg = rem_host_reg(to->reg);
    struct emit *e = &t->e;

    if (to->bytes < 4 || !rem_emit_reach(t, i, span(t, to->bytes), false))
        return false;
    load_s(t, to->bytes);
    if (reg != X86_REG_NONE) {
        e_mov(e, to->bytes == 8, reg, S);
        return true;
    }
    if (to->bytes == 4)
        e_mov(e, false, S, S);
    e_store(e, &t->c->ctx.gpr[to->reg], S);
    return true;
}

/* The instruction itself, its memory operand replaced by S. Only registers that are on the host. */
static bool emit_on_register(struct rem_tr *t, const struct x86_insn *i, const struct x86_operand *m)
{
    struct x86_place place = {.reg = X86_KEEP, .rm = S, .vvvv = X86_KEEP, .index = X86_REG_NONE};
    uint8_t code[X86_ENCODE_MAX];
    size_t n;

    for (unsigned k = 0; k < i->nops; k++) {
        const struct x86_operand *o = &i->op[k];
        if (o->kind != X86_OP_GPR || (o->flags & X86_OPF_IMPLICIT))
            continue;
        if (o->reg >= X86_AH || rem_host_reg(o->reg) == X86_REG_NONE)
            return false;
        place.reg = (uint8_t)rem_host_reg(o->reg);
    }
    if (!rem_emit_reach(t, i, span(t, m->bytes), (m->flags & X86_OPF_WRITE) != 0))
        return false;
    load_s(t, m->bytes);
    n = x86_encode(code, i, &place);
    t->failed |= n == 0;
    e_bytes(&t->e, code, n);
    if (m->flags & X86_OPF_WRITE)
        rem_emit_store_bytes(t, 0, m->bytes);
    return true;
}

void rem_emit_there(struct rem_tr *t, const struct x86_insn *i, const struct x86_place *at)
{
    struct x86_place place = {.reg = X86_KEEP,
                              .rm = X86_KEEP,
                              .vvvv = X86_KEEP,
                              .memory = true,
                              .base = at->base,
                              .index = at->index,
                              .scale = at->scale,
                              .disp = at->disp};
    uint8_t code[X86_ENCODE_MAX];
    size_t n = x86_encode(code, i, &place);

    t->failed |= n == 0;
    e_bytes(&t->e, code, n);
}

/* Vector and x87 registers: the instruction itself reads a copy that is aligned, or writes one. */
static bool emit_on_copy(struct rem_tr *t, const struct x86_insn *i, const struct x86_operand *m)
{
    struct x86_place copy = e_abs(&t->r->hot.tmp);
    bool write = m->flags & X86_OPF_WRITE;

    if (rem_wants_gpr(t, i) || (write && (m->flags & X86_OPF_READ)) ||
        !rem_emit_reach(t, i, write ? m->bytes : span(t, m->bytes), write))
        return false;
    if (write) {
        rem_emit_there(t, i, &copy);
        e_load(&t->e, S, &t->r->hot.tmp);
        rem_emit_store_bytes(t, 0, m->bytes);
        return true;
    }
    load_s(t, m->bytes);
    e_store(&t->e, &t->r->hot.tmp, S);
    rem_emit_there(t, i, &copy);
    return true;
}

/* MOVQ, MOVSD (the rest of the register becomes 0) and MOVLPS: 8 bytes of memory are the register's low half. */
static bool loads_low_half(const struct x86_insn *i)
{
    return (i->pp == 0xf3 && i->opcode == 0x7e) || (i->pp == 0xf2 && i->opcode == 0x10);
}

static bool stores_low_half(const struct x86_insn *i)
{
    return (i->pp == 0x66 && i->opcode == 0xd6) || (i->pp == 0xf2 && i->opcode == 0x11) ||
           ((i->pp == 0 || i->pp == 0x66) && i->opcode == 0x13);
}

static bool emit_low_half(struct rem_tr *t, const struct x86_insn *i, const struct x86_operand *m)
{
    bool store = m == &i->op[0];
    unsigned v = i->op[store ? 1 : 0].reg;
    struct x86_place at = e_at(T0, 0);
    struct emit *e = &t->e;

    if (i->map != 1 || i->vex || m->bytes != 8 || !(store ? stores_low_half(i) : loads_low_half(i)))
        return false;
    if (!rem_emit_reach(t, i, store ? 8 : span(t, 8), store))
        return false;
    if (t->r->checks_vectors && !rem_marked(t, PATM_ODD)) {
        rem_emit_low_halves(t, v, store);
        return true;
    }
    if (store) {
        E_BYTES(e, 0x66, v >= 8 ? 0x4c : 0x48, 0x0f, 0x7e, (uint8_t)(0xc1u | (v & 7) << 3)); /* movq rcx, xmm */
        rem_emit_store_bytes(t, 0, 8);
        return true;
    }
    if (t->r->checks_vectors) {
        load_s(t, 8);
        E_BYTES(e, 0x66, v >= 8 ? 0x4c : 0x48, 0x0f, 0x6e, (uint8_t)(0xc1u | (v & 7) << 3)); /* movq xmm, rcx */
        return true;
    }
    e_mem(e, false, 0x0f10, v, &at);
    E_BYTES(e, 0xf3, v >= 8 ? 0x45 : 0x40, 0x0f, 0x7e, (uint8_t)(0xc0u | (v & 7) << 3 | (v & 7))); /* movq xmm, xmm */
    return true;
}

static bool emit_push(struct rem_tr *t, const struct x86_insn *i)
{
    if (!rem_emit_reach(t, i, span(t, i->opsize), false))
        return false;
    load_s(t, i->opsize);
    e_store(&t->e, &t->r->hot.tmp, S);
    rem_emit_push_from(t, &t->r->hot.tmp);
    return true;
}

bool rem_emit_misaligned(struct rem_tr *t, const struct x86_insn *i)
{
    const struct x86_operand *m = rem_memory_of(i);

    if (m != NULL && i->mnem == X86_PUSH && rem_kind_of(t->c, i) == REM_PUSH && m->bytes == i->opsize)
        return emit_push(t, i);
    if (m != NULL && (m->bytes == 16 || m->bytes == 32) && rem_kind_of(t->c, i) == REM_DATA &&
        x86_mnem_engine(i->mnem) == X86_BY_HOST)
        return t->r->checks_vectors && rem_emit_misaligned_vector(t, i, m);
    if (m == NULL || i->lock || rem_kind_of(t->c, i) != REM_DATA || (m->bytes != 2 && m->bytes != 4 && m->bytes != 8))
        return false;
    if (i->mnem == X86_MOV && i->op[0].kind == X86_OP_MEM)
        return emit_store(t, i, &i->op[1], m->bytes);
    if (i->mnem == X86_MOV)
        return emit_load(t, i, &i->op[0]);
    if (emit_low_half(t, i, m))
        return true;
    if (x86_mnem_engine(i->mnem) == X86_BY_HOST)
        return i->has_modrm && emit_on_copy(t, i, m);
    return i->has_modrm && has_register_form(i) && emit_on_register(t, i, m);
}
