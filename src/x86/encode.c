/*
 * encode.c - see encode.h.
 *
 * Sources: SDM vol. 2 chapter 2 (instruction format, REX, VEX), appendix A.
 * Invariant 1: what x86_decode() makes of the bytes in 64-bit mode has the row, widths and immediates of the original.
 */
#include "x86/encode.h"

#include <string.h>

#include "x86/tables_int.h"

enum x86_field x86_operand_field(const struct x86_insn *i, unsigned n)
{
    static const uint8_t fields[HOW_XMM0 + 1] = {
        [HOW_G] = X86_FIELD_REG, [HOW_P] = X86_FIELD_REG, [HOW_V] = X86_FIELD_REG,  [HOW_E] = X86_FIELD_RM,
        [HOW_R] = X86_FIELD_RM,  [HOW_Q] = X86_FIELD_RM,  [HOW_N] = X86_FIELD_RM,   [HOW_W] = X86_FIELD_RM,
        [HOW_U] = X86_FIELD_RM,  [HOW_Z] = X86_FIELD_RM,  [HOW_B] = X86_FIELD_VVVV, [HOW_H] = X86_FIELD_VVVV};
    uint8_t letter = i->row->opnd[n], kind = i->op[n].kind;

    if (kind == X86_OP_MEM || kind == X86_OP_IMM || (i->op[n].flags & X86_OPF_IMPLICIT))
        return X86_FIELD_NONE;
    if (i->row->opnd[0] == 0) /* the operands are the group's */
        return i->vex ? (n == 0 ? X86_FIELD_VVVV : X86_FIELD_RM) : n == 0 ? X86_FIELD_RM : X86_FIELD_NONE;
    return (enum x86_field)fields[x86_letters[letter].how];
}

unsigned x86_immediate_bytes(const struct x86_insn *i)
{
    unsigned z = i->opsize == 2 ? 2 : 4;
    unsigned op = i->opcode;

    if (i->map != 0 || i->vex)
        return 1;
    if (op >= 0xb8 && op <= 0xbf)
        return i->opsize;
    if (op == 0x81 || op == 0xc7 || op == 0x69 || op == 0x68 || op == 0xa9 || op == 0xf7 ||
        (op < 0x40 && (op & 7) == 5))
        return z;
    return op == 0xc2 || op == 0xca ? 2 : 1;
}

static bool is_x87(const struct x86_insn *i)
{
    return i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf;
}

/* An operand-size prefix that is not part of the opcode: an integer instruction on 16 bits. */
static bool wants_66(const struct x86_insn *i)
{
    bool word = false;

    if (i->opsize != 2 || i->vex || i->pp == 0x66 || is_x87(i))
        return false;
    for (unsigned n = 0; n < i->nops; n++) {
        if (i->op[n].kind == X86_OP_VEC || i->op[n].kind == X86_OP_MM)
            return false;
        word |= i->op[n].bytes == 2;
    }
    return word || i->mnem == X86_CBW || i->mnem == X86_CWD;
}

static bool high_byte(const struct x86_insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_GPR && i->op[n].reg >= X86_AH)
            return true;
    return false;
}

uint8_t *x86_put_memory(uint8_t *out, unsigned reg, const struct x86_place *p)
{
    static const uint8_t scales[9] = {[2] = 1 << 6, [4] = 2 << 6, [8] = 3 << 6};
    unsigned field = (reg & 7) << 3, base = p->base & 7, mod;

    if (p->base == X86_REG_NONE) {
        *out++ = (uint8_t)(field | 4u);
        *out++ = (uint8_t)(p->index == X86_REG_NONE ? 0x25u : scales[p->scale] | (p->index & 7u) << 3 | 5u);
        memcpy(out, &p->disp, 4);
        return out + 4;
    }
    mod = p->disp == 0 && base != 5 ? 0 : p->disp == (int8_t)p->disp ? 0x40 : 0x80;
    if (p->index != X86_REG_NONE) {
        *out++ = (uint8_t)(mod | field | 4u);
        *out++ = (uint8_t)(scales[p->scale] | (p->index & 7u) << 3 | base);
    } else {
        *out++ = (uint8_t)(mod | field | base);
        if (base == 4)
            *out++ = 0x24;
    }
    if (mod == 0)
        return out;
    memcpy(out, &p->disp, 4); /* X86_ENCODE_MAX has room */
    return out + (mod == 0x40 ? 1 : 4);
}

/* The encoding of this instruction: opcode byte and whether it has ModRM, after the twins of encode.h. */
struct form {
    uint8_t opcode;
    bool modrm, low_bits; /* low_bits: the opcode holds the register */
    uint8_t reg, rm;      /* numbers of ModRM.reg and of the register operand */
};

static struct form form_of(const struct x86_insn *i)
{
    struct form f = {.opcode = i->opcode, .modrm = i->has_modrm};

    if (i->has_modrm) {
        f.reg = (uint8_t)((i->modrm >> 3 & 7) | (i->rex & 4) << 1);
        f.rm = (uint8_t)((i->modrm & 7) | (i->rex & 1) << 3);
        return f;
    }
    if (i->map == 0 && i->mode != X86_MODE_64 && (i->opcode & 0xf0) == 0x40) { /* INC, DEC */
        return (struct form){.opcode = 0xff, .modrm = true, .reg = i->opcode >> 3 & 1, .rm = i->opcode & 7};
    }
    if (i->map == 0 && (i->opcode & 0xfc) == 0xa0) /* MOV moffs: 88h-8bh with the accumulator */
        return (struct form){.opcode = (uint8_t)(0x88 | ((i->opcode & 3) ^ 2)), .modrm = true};
    for (unsigned n = 0; n < i->nops; n++)
        if (i->row->opnd[n] != 0 && x86_letters[i->row->opnd[n]].how == HOW_Z) {
            f.low_bits = true;
            f.rm = (uint8_t)((i->opcode & 7) | (i->rex & 1) << 3);
        }
    return f;
}

/* VEX.W as a size of general registers does nothing outside 64-bit mode; there it may only choose the row. */
unsigned x86_vex_w(const struct x86_insn *i)
{
    static const uint16_t sized[] = {X86_VMOVD,   X86_VCVTSI2SS,  X86_VCVTSI2SD, X86_VPINSRD,
                                     X86_VPEXTRD, X86_VPCMPESTRI, X86_VPCMPESTRM};

    if (i->mode == X86_MODE_64)
        return i->rex & 8u;
    for (unsigned n = 0; n < sizeof sized / sizeof sized[0]; n++)
        if (sized[n] == i->mnem)
            return 0;
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_GPR)
            return 0;
    return i->rex & 8u;
}

static uint8_t *put_vex(uint8_t *out, const struct x86_insn *i, const struct x86_place *p, unsigned reg, unsigned rm)
{
    unsigned vvvv = p->vvvv == X86_KEEP ? i->vvvv : p->vvvv;
    unsigned pp = i->pp == 0x66 ? 1 : i->pp == 0xf3 ? 2 : i->pp == 0xf2 ? 3 : 0;
    bool index = p->memory && p->index != X86_REG_NONE && p->index >= 8;

    *out++ = 0xc4;
    *out++ = (uint8_t)((reg >= 8 ? 0u : 0x80u) | (index ? 0u : 0x40u) | (rm >= 8 ? 0u : 0x20u) | i->map);
    *out++ = (uint8_t)((x86_vex_w(i) ? 0x80u : 0u) | (~vvvv & 15u) << 3 | (i->vex == 32 ? 4u : 0u) | pp);
    return out;
}

static uint8_t *put_legacy(uint8_t *out, const struct x86_insn *i, const struct x86_place *p, unsigned reg, unsigned rm)
{
    static const uint8_t escape[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    bool index = p->memory && p->index != X86_REG_NONE && p->index >= 8;
    unsigned rex = (i->rex & 8u) | (reg >= 8 ? 4u : 0u) | (index ? 2u : 0u) | (rm >= 8 ? 1u : 0u);

    if (i->lock)
        *out++ = 0xf0;
    if (wants_66(i))
        *out++ = 0x66;
    if (i->pp != 0)
        *out++ = i->pp;
    if ((rex || i->rex) && high_byte(i))
        return NULL;
    if (rex || i->rex)
        *out++ = (uint8_t)(0x40 | rex);
    memcpy(out, escape[i->map], 2);
    return out + (i->map == 0 ? 0 : i->map == 1 ? 1 : 2);
}

static uint8_t *put_immediates(uint8_t *out, const struct x86_insn *i)
{
    if (!(i->kinds & 1u << X86_OP_IMM) && i->nops < 4)
        return out;
    for (unsigned n = 0; n < i->nops; n++) {
        if (i->op[n].kind == X86_OP_IMM && !(i->op[n].flags & X86_OPF_IMPLICIT)) {
            unsigned bytes = x86_immediate_bytes(i);
            memcpy(out, &i->imm[i->op[n].reg], bytes);
            out += bytes;
        } else if (n == 3 && i->op[n].kind == X86_OP_VEC) { /* a register in the immediate's high half */
            *out++ = (uint8_t)(i->op[n].reg << 4);
        }
    }
    return out;
}

size_t x86_encode(uint8_t *out, const struct x86_insn *i, const struct x86_place *p)
{
    struct form f = form_of(i);
    unsigned reg = p->reg == X86_KEEP ? f.reg : p->reg;
    unsigned rm = p->memory ? (p->base == X86_REG_NONE ? 0 : p->base) : p->rm == X86_KEEP ? f.rm : p->rm;
    uint8_t *q;

    q = i->vex ? put_vex(out, i, p, reg, rm) : put_legacy(out, i, p, reg, rm);
    if (q == NULL)
        return 0;
    *q++ = (uint8_t)(f.low_bits ? (f.opcode & ~7u) | (rm & 7u) : f.opcode);
    if (f.modrm && p->memory)
        q = x86_put_memory(q, reg, p);
    else if (f.modrm)
        *q++ = (uint8_t)(0xc0u | (reg & 7u) << 3 | (rm & 7u));
    q = put_immediates(q, i);
    return (size_t)(q - out);
}
