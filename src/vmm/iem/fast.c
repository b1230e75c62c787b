/*
 * fast.c - specialised steps for the forms that make up most of what runs, and the choice among them.
 *
 * Each does what the general handler of its mnemonic does where operands are registers, constants or plain RAM
 * (step_int.h). Chosen once, at decode: the choice depends on nothing but the decoded form and c->mode.key.
 */
#include "vmm/iem/step_int.h"

IEM_INLINE uint64_t iem_sign(uint64_t val, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (uint64_t)((int64_t)(val << shift) >> shift);
}

#define W 1
#include "vmm/iem/fast_alu.inc"
#undef W
#define W 2
#include "vmm/iem/fast_alu.inc"
#undef W
#define W 4
#include "vmm/iem/fast_alu.inc"
#undef W
#define W 8
#include "vmm/iem/fast_alu.inc"
#undef W

/* ---- moves of two widths, and what has one form only ---- */

static IEM_STEP(movzx1_rr)
{
    *iem_reg(c, op->dst) = (uint8_t)*iem_reg(c, op->src);
    IEM_NEXT(c, op, fl);
}

static IEM_STEP(movzx2_rr)
{
    *iem_reg(c, op->dst) = (uint16_t)*iem_reg(c, op->src);
    IEM_NEXT(c, op, fl);
}

#define MOVSX(s, d, T)                                                                                                 \
    static IEM_STEP(movsx##s##_##d##_rr)                                                                               \
    {                                                                                                                  \
        *iem_reg(c, op->dst) = (T)iem_sign(*iem_reg(c, op->src), s);                                                   \
        IEM_NEXT(c, op, fl);                                                                                           \
    }
MOVSX(1, 4, uint32_t)
MOVSX(1, 8, uint64_t)
MOVSX(2, 4, uint32_t)
MOVSX(2, 8, uint64_t)
MOVSX(4, 8, uint64_t)

#define LEA(name, T, ea)                                                                                               \
    static IEM_STEP(name)                                                                                              \
    {                                                                                                                  \
        *iem_reg(c, op->dst) = (T)ea(c, op);                                                                           \
        IEM_NEXT(c, op, fl);                                                                                           \
    }
LEA(lea8_base, uint64_t, iem_ea_base)
LEA(lea8_full, uint64_t, iem_ea_full)
LEA(lea4_full, uint32_t, iem_ea_full)
LEA(lea4_flat, uint32_t, iem_ea_flat)

static IEM_STEP(setcc)
{
    *iem_reg(c, op->dst) = (*iem_reg(c, op->dst) & ~0xffull) | iem_raw_test(fl, (uint32_t)op->disp);
    IEM_NEXT(c, op, fl);
}

static IEM_STEP(nop)
{
    IEM_NEXT(c, op, fl);
}

/* ---- choice ---- */

enum ea { EA_BASE, EA_FULL, EA_FLAT, EA_COUNT };

/* Operand forms of a two-operand instruction; the columns of the table below. */
enum form { FORM_RR, FORM_RI, FORM_RM, FORM_MR, FORM_MI, FORM_NONE };

struct forms {
    iem_step_fn *rr, *ri, *mem[EA_COUNT][3]; /* rm, mr, mi */
};
#define MEM(name, w, e)                                                                                                \
    {                                                                                                                  \
        fast_##name##w##_rm_##e, fast_##name##w##_mr_##e, fast_##name##w##_mi_##e                                      \
    }
#define WIDTH(name, w)                                                                                                 \
    {                                                                                                                  \
        fast_##name##w##_rr, fast_##name##w##_ri,                                                                      \
        {                                                                                                              \
            MEM(name, w, base), MEM(name, w, full), MEM(name, w, flat)                                                 \
        }                                                                                                              \
    }
#define WIDTHS(name)                                                                                                   \
    {                                                                                                                  \
        WIDTH(name, 1), WIDTH(name, 2), WIDTH(name, 4), WIDTH(name, 8)                                                 \
    }
static const struct {
    uint16_t mnem;
    struct forms by_width[4]; /* 1 << index bytes */
} two_operands[] = {
    {X86_ADD, WIDTHS(add)},   {X86_OR, WIDTHS(or)},   {X86_ADC, WIDTHS(adc)}, {X86_SBB, WIDTHS(sbb)},
    {X86_AND, WIDTHS(and)},   {X86_SUB, WIDTHS(sub)}, {X86_XOR, WIDTHS(xor)}, {X86_CMP, WIDTHS(cmp)},
    {X86_TEST, WIDTHS(test)}, {X86_MOV, WIDTHS(mov)},
};

static int width_index(unsigned bytes)
{
    return bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : bytes == 8 ? 3 : -1;
}

/* How the memory operand is addressed, and the op's fields for it; EA_COUNT: not in a way that has steps. */
static enum ea address(const struct vcpu *c, struct iem_op *op)
{
    const struct x86_insn *i = &op->i;
    bool rip = i->base == X86_BASE_RIP, segment = i->seg >= X86_FS;
    int64_t disp = i->disp + (rip ? op->end : 0);

    if (disp != (int32_t)disp || i->vsib != 0 || i->addrsize != (c->mode.code64 ? 8 : 4) || !c->mode.flat ||
        c->mode.align_check || (!c->mode.code64 && (segment || i->seg == X86_CS)))
        return EA_COUNT;
    op->disp = (int32_t)disp;
    op->base = i->base == X86_REG_NONE ? IEM_R_ZERO : rip ? IEM_R_RIP : i->base;
    op->index = i->index == X86_REG_NONE ? IEM_R_ZERO : i->index;
    op->scale = i->index == X86_REG_NONE ? 1 : i->scale;
    op->segbase = (uint16_t)(segment && i->mnem != X86_LEA ? offsetof(struct vcpu, ctx.seg[i->seg].base)
                                                           : offsetof(struct vcpu, ctx.zero));
    if (!c->mode.code64)
        return EA_FLAT;
    return op->index == IEM_R_ZERO && (!segment || i->mnem == X86_LEA) ? EA_BASE : EA_FULL;
}

static enum form form_of(struct iem_op *op)
{
    const struct x86_operand *a = &op->i.op[0], *b = &op->i.op[1];
    bool imm = b->kind == X86_OP_IMM && b->reg == 0;

    if (op->i.nops != 2 || op->i.lock)
        return FORM_NONE;
    op->dst = a->reg;
    op->src = b->reg;
    op->imm = op->i.imm[0];
    if (iem_is_plain_reg(a))
        return iem_is_plain_reg(b) ? FORM_RR : imm ? FORM_RI : b->kind == X86_OP_MEM ? FORM_RM : FORM_NONE;
    if (a->kind != X86_OP_MEM)
        return FORM_NONE;
    return iem_is_plain_reg(b) ? FORM_MR : imm ? FORM_MI : FORM_NONE;
}

static iem_step_fn *of_forms(const struct vcpu *c, struct iem_op *op, const struct forms *f, enum form form)
{
    enum ea ea;

    if (form == FORM_RR)
        return f->rr;
    if (form == FORM_RI)
        return f->ri;
    ea = address(c, op);
    return ea == EA_COUNT ? NULL : f->mem[ea][form - FORM_RM];
}

static iem_step_fn *select_two(const struct vcpu *c, struct iem_op *op)
{
    enum form form = form_of(op);
    int width = width_index(op->i.op[0].bytes);

    if (form == FORM_NONE || width < 0)
        return NULL;
    for (size_t n = 0; n < G_N_ELEMENTS(two_operands); n++)
        if (two_operands[n].mnem == op->i.mnem)
            return of_forms(c, op, &two_operands[n].by_width[width], form);
    return NULL;
}

#define FOUR(name, form)                                                                                               \
    {                                                                                                                  \
        fast_##name##1_##form, fast_##name##2_##form, fast_##name##4_##form, fast_##name##8_##form                     \
    }
static iem_step_fn *select_shift(struct iem_op *op)
{
    static iem_step_fn *const shl[4] = FOUR(shl, ri), *const shr[4] = FOUR(shr, ri), *const sar[4] = FOUR(sar, ri),
                              *const rol[4] = FOUR(rol, ri), *const ror[4] = FOUR(ror, ri);
    int width = width_index(op->i.op[0].bytes);

    if (form_of(op) != FORM_RI || width < 0)
        return NULL;
    op->imm &= width == 3 ? 63 : 31;
    if (op->imm == 0)
        return NULL;
    switch (op->i.mnem) {
    case X86_SHL: return shl[width];
    case X86_SHR: return shr[width];
    case X86_SAR: return sar[width];
    case X86_ROL: return rol[width];
    default: return ror[width];
    }
}

static iem_step_fn *select_unary(struct iem_op *op)
{
    static iem_step_fn *const inc[4] = FOUR(inc, r), *const dec[4] = FOUR(dec, r), *const neg[4] = FOUR(neg, r),
                              *const not [4] = FOUR(not, r);
    int width = width_index(op->i.op[0].bytes);

    op->dst = op->i.op[0].reg;
    if (!iem_is_plain_reg(&op->i.op[0]) || width < 0)
        return NULL;
    switch (op->i.mnem) {
    case X86_INC: return inc[width];
    case X86_DEC: return dec[width];
    case X86_NEG: return neg[width];
    default: return not [width];
    }
}

/* The memory forms of MOVZX, and MOVSX to 4 and to 8 bytes: [source width][way of addressing]. */
#define THREE(name)                                                                                                    \
    {                                                                                                                  \
        fast_##name##_rm_base, fast_##name##_rm_full, fast_##name##_rm_flat                                            \
    }
static iem_step_fn *const movzx_m[2][EA_COUNT] = {THREE(movzx1), THREE(movzx2)};
static iem_step_fn *const movsx4_m[2][EA_COUNT] = {THREE(movsx41), THREE(movsx42)};
static iem_step_fn *const movsx8_m[3][EA_COUNT] = {THREE(movsx81), THREE(movsx82), THREE(movsx84)};
static iem_step_fn *const movzx_r[2] = {movzx1_rr, movzx2_rr};
static iem_step_fn *const movsx4_r[2] = {movsx1_4_rr, movsx2_4_rr};
static iem_step_fn *const movsx8_r[3] = {movsx1_8_rr, movsx2_8_rr, movsx4_8_rr};

static iem_step_fn *select_extend(const struct vcpu *c, struct iem_op *op)
{
    unsigned to = op->i.op[0].bytes, from = op->i.op[1].bytes;
    int width = width_index(from);
    enum form form = form_of(op);
    enum ea ea;

    if (to < 4 || width < 0 || from >= to || (from == 4 && op->i.mnem != X86_MOVSXD))
        return NULL;
    if (form == FORM_RR)
        return op->i.mnem == X86_MOVZX ? movzx_r[width] : to == 4 ? movsx4_r[width] : movsx8_r[width];
    if (form != FORM_RM || (ea = address(c, op)) == EA_COUNT)
        return NULL;
    return op->i.mnem == X86_MOVZX ? movzx_m[width][ea] : to == 4 ? movsx4_m[width][ea] : movsx8_m[width][ea];
}

static iem_step_fn *select_lea(const struct vcpu *c, struct iem_op *op)
{
    enum ea ea = address(c, op);

    op->dst = op->i.op[0].reg;
    if (ea == EA_COUNT || op->i.op[0].bytes < 4)
        return NULL;
    if (op->i.op[0].bytes == 4)
        return ea == EA_FLAT ? lea4_flat : lea4_full;
    return ea == EA_BASE ? lea8_base : lea8_full;
}

static iem_step_fn *select_imul(const struct vcpu *c, struct iem_op *op)
{
    static iem_step_fn *const m[2][EA_COUNT] = {THREE(imul4), THREE(imul8)};
    const struct x86_operand *d = &op->i.op[0], *s = &op->i.op[1];
    unsigned wide = d->bytes == 8;
    enum ea ea;

    if (op->i.nops < 2 || d->bytes < 4 || !(d->flags & X86_OPF_WRITE) || (d->flags & X86_OPF_IMPLICIT))
        return NULL;
    op->dst = d->reg;
    op->src = s->reg;
    op->imm = op->i.imm[0];
    if (op->i.nops == 3)
        return iem_is_plain_reg(s) && op->i.op[2].reg == 0 ? (wide ? fast_imul8_rri : fast_imul4_rri) : NULL;
    if (iem_is_plain_reg(s))
        return wide ? fast_imul8_rr : fast_imul4_rr;
    ea = address(c, op);
    return ea == EA_COUNT ? NULL : m[wide][ea];
}

static iem_step_fn *select_cond(struct iem_op *op)
{
    bool registers = form_of(op) == FORM_RR;

    op->disp = (int32_t)iem_raw_test_of(op->i.cond);
    op->dst = op->i.op[0].reg;
    if (op->i.mnem == X86_SETcc)
        return iem_is_plain_reg(&op->i.op[0]) ? setcc : NULL;
    if (!registers || op->i.op[0].bytes < 4)
        return NULL;
    return op->i.op[0].bytes == 8 ? fast_cmov8_rr : fast_cmov4_rr;
}

iem_step_fn *iem_fast_select(const struct vcpu *c, struct iem_op *op)
{
    switch (op->i.mnem) {
    case X86_SHL:
    case X86_SHR:
    case X86_SAR:
    case X86_ROL:
    case X86_ROR: return select_shift(op);
    case X86_INC:
    case X86_DEC:
    case X86_NEG:
    case X86_NOT: return select_unary(op);
    case X86_MOVZX:
    case X86_MOVSX:
    case X86_MOVSXD: return select_extend(c, op);
    case X86_LEA: return select_lea(c, op);
    case X86_IMUL: return select_imul(c, op);
    case X86_CMOVcc:
    case X86_SETcc: return select_cond(op);
    case X86_NOP: return nop;
    case X86_Jcc:
    case X86_JMP:
    case X86_CALL:
    case X86_RET:
    case X86_PUSH:
    case X86_POP: return iem_flow_select(c, op);
    default: return select_two(c, op);
    }
}

/* ---- the way from one to the next ---- */

/* The steps that make up most of a kernel's boot and of compiled programs. */
/* clang-format off */
#define HOT(X) \
    X(fast_mov8_rr) X(fast_mov4_rr) X(fast_mov4_ri) X(fast_mov8_rm_base) X(fast_mov8_rm_full) \
    X(fast_mov4_rm_base) X(fast_mov8_mr_base) X(fast_mov4_mr_base) X(fast_movzx1_rm_base) \
    X(movzx1_rr) X(lea8_base) X(lea8_full) X(fast_add8_rr) X(fast_add4_rr) X(fast_add8_ri) \
    X(fast_add4_ri) X(fast_add4_mi_base) X(fast_sub8_rr) X(fast_sub4_rr) X(fast_and8_rr) \
    X(fast_and4_rr) X(fast_and4_ri) X(fast_or4_rr) X(fast_xor8_rr) X(fast_xor4_rr) X(fast_adc8_rr) \
    X(fast_cmp8_rr) X(fast_cmp4_rr) X(fast_cmp8_ri) X(fast_cmp4_ri) X(fast_cmp8_rm_base) \
    X(fast_test8_rr) X(fast_test4_rr) X(fast_test1_rr) X(fast_test1_ri) X(fast_inc8_r) \
    X(fast_dec8_r) X(fast_imul8_rr) X(fast_shl8_ri) X(fast_shr8_ri) X(fast_cmov8_rr) X(nop) \
    X(iem_jcc) X(iem_jmp) X(iem_push8_r) X(iem_pop8_r) X(iem_call8) X(iem_ret8) X(iem_step_general) \
    X(iem_step_over)
/* clang-format on */

enum {
    HOT_NONE,
#define NUMBER(name) HOT_##name,
    HOT(NUMBER)
#undef NUMBER
        HOT_COUNT
};
static iem_step_fn *const hot_steps[HOT_COUNT] = {
#define ROW(name) [HOT_##name] = name,
    HOT(ROW)
#undef ROW
};

void iem_step_set(struct iem_op *op, iem_step_fn *step)
{
    op->step = step;
    op->hot = HOT_COUNT - 1;
    while (op->hot != HOT_NONE && hot_steps[op->hot] != step)
        op->hot--;
}

struct iem_next iem_step_next(struct vcpu *c, const struct iem_op *op, uint64_t fl)
{
    switch (op->hot) {
#define CASE(name)                                                                                                     \
    case HOT_##name: return name(c, op, fl);
        HOT(CASE)
#undef CASE
    default: return op->step(c, op, fl);
    }
}
