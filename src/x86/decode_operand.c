/*
 * decode_operand.c - operands and immediates, by the letters of operand.def.
 *
 * Source: SDM vol. 2 appendix A.2; which register numbers are #UD: MOV (control, debug, segment registers).
 */
#include "x86/decode_int.h"

/*
 * Bytes by size, by operand size, 64-bit mode and vector length: the constants operand.def has, and from SZ_V on, in
 * the order of enum x86_size, V Z Y Y64 X X2 X4 X8 P A S ENV FP.
 */
#define CONSTANTS 0, 1, 2, 3, 4, 5, 6, 7, 8, [10] = 10, [16] = 16, [32] = 32
#define SIZES(v, z, y, y64, s, env, fp, x)                                                                             \
    {                                                                                                                  \
        CONSTANTS, [SZ_V] = v, z, y, y64, x, x / 2, x / 4, x / 8, v + 2, v * 2, s, env, fp                             \
    }
#define LENGTHS(v, z, y, y64, s, env, fp)                                                                              \
    {                                                                                                                  \
        SIZES(v, z, y, y64, s, env, fp, 16), SIZES(v, z, y, y64, s, env, fp, 32)                                       \
    }
#define MODES(v, z, y, env, fp)                                                                                        \
    {                                                                                                                  \
        LENGTHS(v, z, y, 4, 6, env, fp), LENGTHS(v, z, y, 8, 10, env, fp)                                              \
    }
static const uint8_t sizes[3][2][2][SZ_FP + 1] = {MODES(2, 2, 4, 14, 94), MODES(4, 4, 4, 28, 108),
                                                  MODES(8, 4, 8, 28, 108)};

static const uint8_t *sizes_of(const struct x86_insn *i)
{
    return sizes[i->opsize >> 2][i->mode == X86_MODE_64][i->vex >> 5];
}

static uint8_t size_in_bytes(const struct x86_dec *d, uint8_t size)
{
    return d->sizes[size];
}

/* The next operand is of this kind. */
static void set(struct x86_dec *d, uint8_t kind, unsigned reg, uint8_t bytes)
{
    struct x86_operand *op = &d->insn->op[d->insn->nops];

    d->insn->kinds |= (uint16_t)(1u << kind);
    op->kind = kind;
    op->reg = (uint8_t)reg;
    op->bytes = bytes;
}

/* Register numbers with their REX extension */
static uint8_t modrm_reg(const struct x86_dec *d)
{
    return (uint8_t)((d->insn->modrm >> 3 & 7) | (d->insn->rex & 4) << 1);
}

static uint8_t modrm_rm(const struct x86_dec *d)
{
    return (uint8_t)((d->insn->modrm & 7) | (d->insn->rex & 1) << 3);
}

/* Byte registers 4-7 are AH-BH unless there is a REX prefix of whatever value. */
static void set_gpr(struct x86_dec *d, uint8_t reg, uint8_t bytes)
{
    bool high = bytes == 1 && d->insn->rex == 0 && reg >= 4;

    set(d, X86_OP_GPR, high ? X86_AH + reg - 4 : reg, bytes);
}

static void set_memory(struct x86_dec *d, const struct x86_letter *letter)
{
    d->insn->memory = d->insn->nops;
    set(d, X86_OP_MEM, 0, size_in_bytes(d, letter->mem_bytes));
}

/* CR0, CR2, CR3, CR4 and CR8, DR0-DR7, ES-GS exist; CS cannot be loaded. */
static void read_special(struct x86_dec *d, uint8_t how, uint8_t bytes, uint8_t access)
{
    uint8_t reg = modrm_reg(d);
    bool ok = true;

    if (how == HOW_C) {
        set(d, X86_OP_CR, reg, bytes);
        ok = reg < 16 && (1u << reg & 0x11d);
    } else if (how == HOW_D) {
        set(d, X86_OP_DR, reg, bytes);
        ok = reg < 8;
    } else {
        reg &= 7;
        set(d, X86_OP_SREG, reg, bytes);
        ok = reg < X86_SREG_COUNT && !(reg == X86_CS && (access & X86_OPF_WRITE));
    }
    if (!ok)
        x86_fail(d, X86_INVALID);
}

/* Letters that are a register in the register form and memory otherwise, or only one of the two */
static void read_rm(struct x86_dec *d, const struct x86_letter *letter)
{
    uint8_t bytes = size_in_bytes(d, letter->reg_bytes);
    bool memory_ok = letter->how != HOW_R && letter->how != HOW_N && letter->how != HOW_U;
    bool register_ok = letter->how != HOW_M && letter->how != HOW_VM;

    if (d->mod != 3) {
        if (!memory_ok)
            x86_fail(d, X86_INVALID);
        if (letter->how == HOW_VM)
            d->insn->vsib = bytes;
        set_memory(d, letter);
        return;
    }
    if (!register_ok)
        x86_fail(d, X86_INVALID);
    if (letter->how == HOW_E || letter->how == HOW_R)
        set_gpr(d, modrm_rm(d), bytes);
    else if (letter->how == HOW_Q || letter->how == HOW_N)
        set(d, X86_OP_MM, d->insn->modrm & 7, bytes);
    else
        set(d, X86_OP_VEC, modrm_rm(d), bytes);
}

static void store_imm(struct x86_dec *d, uint8_t kind, uint8_t bytes, uint64_t value)
{
    set(d, kind, d->imms, bytes);
    d->insn->imm[d->imms++ & 1] = value;
}

/* Immediates are extended to the operand's size and no further; branch displacements to 64 bits. */
static void read_imm(struct x86_dec *d, const struct x86_letter *letter)
{
    uint8_t bytes = size_in_bytes(d, letter->reg_bytes);
    uint8_t stored = size_in_bytes(d, letter->mem_bytes);
    uint64_t value = x86_next_le(d, stored);

    if (letter->how == HOW_J) {
        store_imm(d, X86_OP_REL, bytes, (uint64_t)x86_sign_extend(value, stored));
    } else if (letter->how == HOW_A) {
        store_imm(d, X86_OP_FAR, bytes, value);
        d->insn->imm[1] = x86_next_le(d, 2);
    } else {
        if (stored < bytes)
            value = (uint64_t)x86_sign_extend(value, stored) & (bytes < 8 ? (1ull << 8 * bytes) - 1 : ~0ull);
        store_imm(d, X86_OP_IMM, bytes, value);
    }
}

static void read_moffs(struct x86_dec *d, const struct x86_letter *letter)
{
    struct x86_insn *insn = d->insn;

    insn->scale = 1;
    insn->seg = insn->seg_override != X86_SREG_NONE ? insn->seg_override : X86_DS;
    insn->disp = x86_sign_extend(x86_next_le(d, insn->addrsize), insn->addrsize);
    set_memory(d, letter);
}

/* Operands no byte of the instruction chooses */
static void read_fixed(struct x86_dec *d, const struct x86_letter *letter)
{
    uint8_t bytes = size_in_bytes(d, letter->reg_bytes);

    d->insn->op[d->insn->nops].flags |= X86_OPF_IMPLICIT;
    switch (letter->how) {
    case HOW_X: set(d, X86_OP_SRC, 0, size_in_bytes(d, letter->mem_bytes)); break;
    case HOW_Y: set(d, X86_OP_DST, 0, size_in_bytes(d, letter->mem_bytes)); break;
    case HOW_RAX: set(d, X86_OP_GPR, X86_RAX, bytes); break;
    case HOW_RCX: set(d, X86_OP_GPR, X86_RCX, bytes); break;
    case HOW_RDX: set(d, X86_OP_GPR, X86_RDX, bytes); break;
    case HOW_ONE: store_imm(d, X86_OP_IMM, 1, 1); break;
    case HOW_SREG: set(d, X86_OP_SREG, letter->reg_bytes, 2); break;
    case HOW_ST0: set(d, X86_OP_ST, 0, bytes); break;
    case HOW_XMM0: set(d, X86_OP_VEC, 0, bytes); break;
    default: break;
    }
}

static void read_operand(struct x86_dec *d, uint8_t number, uint8_t access)
{
    const struct x86_letter *letter = &x86_letters[number];
    uint8_t bytes = size_in_bytes(d, letter->reg_bytes);

    d->insn->op[d->insn->nops].flags = access;
    switch (letter->how) {
    case HOW_E:
    case HOW_R:
    case HOW_M:
    case HOW_VM:
    case HOW_Q:
    case HOW_N:
    case HOW_W:
    case HOW_U: read_rm(d, letter); break;
    case HOW_G: set_gpr(d, modrm_reg(d), bytes); break;
    case HOW_Z: set_gpr(d, (uint8_t)((d->insn->opcode & 7) | (d->insn->rex & 1) << 3), bytes); break;
    case HOW_P: set(d, X86_OP_MM, d->insn->modrm >> 3 & 7, bytes); break;
    case HOW_V: set(d, X86_OP_VEC, modrm_reg(d), bytes); break;
    case HOW_STI: set(d, X86_OP_ST, d->insn->modrm & 7, bytes); break;
    case HOW_S:
    case HOW_C:
    case HOW_D: read_special(d, letter->how, bytes, access); break;
    case HOW_H:
    case HOW_B:
        d->vvvv_used = true;
        set(d, letter->how == HOW_H ? X86_OP_VEC : X86_OP_GPR, d->insn->vvvv, bytes);
        break;
    case HOW_L: set(d, X86_OP_VEC, x86_next(d) >> 4 & (d->insn->mode == X86_MODE_64 ? 15 : 7), bytes); break;
    case HOW_I:
    case HOW_J:
    case HOW_A: read_imm(d, letter); break;
    case HOW_O: read_moffs(d, letter); break;
    default: read_fixed(d, letter); break;
    }
    d->insn->nops++;
}

void x86_read_operands(struct x86_dec *d, const uint8_t letters[4], unsigned access)
{
    d->sizes = sizes_of(d->insn);
    for (unsigned n = 0; n < 4 && letters[n] != 0; n++)
        read_operand(d, letters[n], access >> (2 * n) & 3);
}
