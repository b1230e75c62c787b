/*
 * fast.c - specialised handlers for the forms that make up most of what runs.
 *
 * Each does what the general handler of its mnemonic does, with operand kinds and width known in advance. Chosen once,
 * at decode; nothing here depends on anything but the decoded form.
 */
#include "vmm/iem/fast_int.h"

#include "vmm/iem/branch_int.h"
#include "vmm/iem/flags_int.h"

#define W 1
#include "vmm/iem/fast_alu.inc"
#undef W
#define W 4
#include "vmm/iem/fast_alu.inc"
#undef W
#define W 8
#include "vmm/iem/fast_alu.inc"
#undef W

/* ---- moves of two widths ---- */

static void movzx_r8(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = (uint8_t)c->ctx.gpr[op->i.op[1].reg];
}

static void movzx_r16(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = (uint16_t)c->ctx.gpr[op->i.op[1].reg];
}

static void movzx_m8(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = iem_rd_inl(c, op->i.seg, iem_ea_inl(c, &op->i), 1);
}

static void movzx_m16(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = iem_rd_inl(c, op->i.seg, iem_ea_inl(c, &op->i), 2);
}

static void movsxd_r(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = (uint64_t)(int32_t)c->ctx.gpr[op->i.op[1].reg];
}

static void movsxd_m(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = (uint64_t)(int32_t)iem_rd_inl(c, op->i.seg, iem_ea_inl(c, &op->i), 4);
}

static void lea4(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = (uint32_t)iem_ea_inl(c, &op->i);
}

static void lea8(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = iem_ea_inl(c, &op->i);
}

/* base + displacement with 64-bit addresses */
static void lea8_base(struct vcpu *c, const struct iem_op *op)
{
    c->ctx.gpr[op->i.op[0].reg] = c->ctx.gpr[op->i.base] + (uint64_t)op->i.disp;
}

/* ---- the stack in 64-bit mode ---- */

static void push8_r(struct vcpu *c, const struct iem_op *op)
{
    uint64_t sp = c->ctx.gpr[X86_RSP] - 8;

    iem_wr_inl(c, X86_SS, sp, c->ctx.gpr[op->i.op[0].reg], 8);
    c->ctx.gpr[X86_RSP] = sp;
}

static void pop8_r(struct vcpu *c, const struct iem_op *op)
{
    uint64_t val = iem_rd_inl(c, X86_SS, c->ctx.gpr[X86_RSP], 8);

    c->ctx.gpr[X86_RSP] += 8;
    c->ctx.gpr[op->i.op[0].reg] = val;
}

static void call8_rel(struct vcpu *c, const struct iem_op *op)
{
    uint64_t target = iem_checked_target(c, c->ctx.rip + op->i.imm[0], 8), sp = c->ctx.gpr[X86_RSP] - 8;

    iem_wr_inl(c, X86_SS, sp, c->ctx.rip, 8);
    c->ctx.gpr[X86_RSP] = sp;
    iem_go_to(c, target);
}

static void ret8(struct vcpu *c, const struct iem_op *op)
{
    uint64_t target = iem_checked_target(c, iem_rd_inl(c, X86_SS, c->ctx.gpr[X86_RSP], 8), 8);

    (void)op;
    c->ctx.gpr[X86_RSP] += 8;
    iem_go_to(c, target);
}

/* ---- branches ---- */

static void jmp_rel(struct vcpu *c, const struct iem_op *op)
{
    iem_go_to(c, iem_checked_target(c, c->ctx.rip + op->i.imm[0], op->i.opsize));
}

#define JCC(cc)                                                                                                        \
    static void jcc_##cc(struct vcpu *c, const struct iem_op *op)                                                      \
    {                                                                                                                  \
        if (iem_cond(c->ctx.rflags, cc))                                                                               \
            jmp_rel(c, op);                                                                                            \
    }
JCC(0)
JCC(1)
JCC(2)
JCC(3)
JCC(4)
JCC(5)
JCC(6)
JCC(7)
JCC(8)
JCC(9)
JCC(10)
JCC(11)
JCC(12)
JCC(13)
JCC(14)
JCC(15)

static iem_fn *const jcc[16] = {jcc_0, jcc_1, jcc_2,  jcc_3,  jcc_4,  jcc_5,  jcc_6,  jcc_7,
                                jcc_8, jcc_9, jcc_10, jcc_11, jcc_12, jcc_13, jcc_14, jcc_15};

/* ---- choice ---- */

/* Operand forms of a two-operand instruction; the columns of the table below. */
enum form { FORM_RR, FORM_RI, FORM_RM, FORM_MR, FORM_MI, FORM_COUNT };

#define WIDTH(name, w)                                                                                                 \
    {                                                                                                                  \
        fast_##name##w##_rr, fast_##name##w##_ri, fast_##name##w##_rm, fast_##name##w##_mr, fast_##name##w##_mi        \
    }
#define WIDTHS(name)                                                                                                   \
    {                                                                                                                  \
        WIDTH(name, 1), WIDTH(name, 4), WIDTH(name, 8)                                                                 \
    }
static const struct {
    uint16_t mnem;
    iem_fn *fn[3][FORM_COUNT]; /* by width_index() */
} two_operands[] = {
    {X86_ADD, WIDTHS(add)},   {X86_OR, WIDTHS(or)},   {X86_ADC, WIDTHS(adc)}, {X86_SBB, WIDTHS(sbb)},
    {X86_AND, WIDTHS(and)},   {X86_SUB, WIDTHS(sub)}, {X86_XOR, WIDTHS(xor)}, {X86_CMP, WIDTHS(cmp)},
    {X86_TEST, WIDTHS(test)}, {X86_MOV, WIDTHS(mov)},
};

static int width_index(unsigned bytes)
{
    return bytes == 1 ? 0 : bytes == 4 ? 1 : bytes == 8 ? 2 : -1;
}

static bool is_reg(const struct x86_operand *o)
{
    return o->kind == X86_OP_GPR && o->reg < X86_AH;
}

static enum form form_of(const struct x86_insn *i)
{
    const struct x86_operand *a = &i->op[0], *b = &i->op[1];
    bool imm = b->kind == X86_OP_IMM && b->reg == 0;

    if (i->nops != 2 || i->lock)
        return FORM_COUNT;
    if (is_reg(a))
        return is_reg(b) ? FORM_RR : imm ? FORM_RI : b->kind == X86_OP_MEM ? FORM_RM : FORM_COUNT;
    if (a->kind != X86_OP_MEM)
        return FORM_COUNT;
    return is_reg(b) ? FORM_MR : imm ? FORM_MI : FORM_COUNT;
}

static iem_fn *select_two(const struct x86_insn *i)
{
    enum form form = form_of(i);
    int width = width_index(i->op[0].bytes);

    if (form == FORM_COUNT || width < 0)
        return NULL;
    for (size_t n = 0; n < G_N_ELEMENTS(two_operands); n++)
        if (two_operands[n].mnem == i->mnem)
            return two_operands[n].fn[width][form];
    return NULL;
}

static iem_fn *select_shift(const struct x86_insn *i)
{
    static iem_fn *const fn[3][3] = {{fast_shl1_ri, fast_shl4_ri, fast_shl8_ri},
                                     {fast_shr1_ri, fast_shr4_ri, fast_shr8_ri},
                                     {fast_sar1_ri, fast_sar4_ri, fast_sar8_ri}};
    int width = width_index(i->op[0].bytes);

    if (form_of(i) != FORM_RI || width < 0 || (i->imm[0] & (width == 2 ? 63 : 31)) == 0)
        return NULL;
    return fn[i->mnem == X86_SHL ? 0 : i->mnem == X86_SHR ? 1 : 2][width];
}

static iem_fn *select_step(const struct x86_insn *i)
{
    static iem_fn *const fn[2][3] = {{fast_inc1_r, fast_inc4_r, fast_inc8_r}, {fast_dec1_r, fast_dec4_r, fast_dec8_r}};
    int width = width_index(i->op[0].bytes);

    return is_reg(&i->op[0]) && width >= 0 ? fn[i->mnem == X86_DEC][width] : NULL;
}

static iem_fn *select_extend(const struct x86_insn *i)
{
    const struct x86_operand *s = &i->op[1];

    if (i->op[0].bytes < 4 || !(is_reg(s) || s->kind == X86_OP_MEM))
        return NULL;
    if (i->mnem == X86_MOVSXD)
        return i->op[0].bytes != 8 || s->bytes != 4 ? NULL : is_reg(s) ? movsxd_r : movsxd_m;
    if (s->bytes == 1)
        return is_reg(s) ? movzx_r8 : movzx_m8;
    return is_reg(s) ? movzx_r16 : movzx_m16;
}

static iem_fn *select_lea(const struct x86_insn *i)
{
    if (i->op[0].bytes == 4)
        return lea4;
    if (i->op[0].bytes != 8)
        return NULL;
    return i->addrsize == 8 && i->index == X86_REG_NONE && i->base < X86_AH ? lea8_base : lea8;
}

static iem_fn *select_stack(const struct x86_insn *i)
{
    if (i->mode != X86_MODE_64 || i->opsize != 8)
        return NULL;
    switch (i->mnem) {
    case X86_PUSH: return is_reg(&i->op[0]) ? push8_r : NULL;
    case X86_POP: return is_reg(&i->op[0]) ? pop8_r : NULL;
    case X86_CALL: return i->op[0].kind == X86_OP_REL ? call8_rel : NULL;
    default: return i->nops == 0 ? ret8 : NULL;
    }
}

iem_fn *iem_fast_select(const struct iem_op *op)
{
    const struct x86_insn *i = &op->i;

    switch (i->mnem) {
    case X86_SHL:
    case X86_SHR:
    case X86_SAR: return select_shift(i);
    case X86_INC:
    case X86_DEC: return select_step(i);
    case X86_MOVZX:
    case X86_MOVSXD: return select_extend(i);
    case X86_LEA: return select_lea(i);
    case X86_PUSH:
    case X86_POP:
    case X86_CALL:
    case X86_RET: return select_stack(i);
    case X86_Jcc: return jcc[i->cond & 15];
    case X86_JMP: return i->op[0].kind == X86_OP_REL ? jmp_rel : NULL;
    default: return select_two(i);
    }
}
