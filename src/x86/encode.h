/*
 * encode.h - a decoded instruction back into bytes for 64-bit mode, with other registers and another memory operand.
 *
 * The guest's instruction keeps its opcode, width, prefixes and immediates; only what its fields name changes. Forms
 * that 64-bit mode lacks (INC 40h, MOV moffs with 32-bit addresses) become their longer twins.
 */
#ifndef X86_ENCODE_H
#define X86_ENCODE_H

#include "x86/insn.h"

/** Where in the encoding an operand is named. */
enum x86_field {
    X86_FIELD_NONE, /* implicit, immediate or memory */
    X86_FIELD_REG,  /* ModRM.reg */
    X86_FIELD_RM,   /* ModRM.rm as a register, or the opcode's low bits */
    X86_FIELD_VVVV, /* VEX.vvvv */
};
enum x86_field x86_operand_field(const struct x86_insn *i, unsigned n);

#define X86_KEEP 0xfe /* the number the instruction has */

/** What the encoded instruction names. */
struct x86_place {
    uint8_t reg, rm, vvvv; /* register numbers 0-15, or X86_KEEP */
    bool memory;           /* rm is memory: [base + index * scale + disp], base X86_REG_NONE: [disp] alone */
    uint8_t base, index, scale;
    int32_t disp;
};
#define X86_ENCODE_MAX 16

/** Bytes of the immediate at the end of an instruction that has one. */
unsigned x86_immediate_bytes(const struct x86_insn *i);
/**
 * x86_encode() - writes at most X86_ENCODE_MAX bytes.
 * Return: length; 0 if the form cannot be encoded (a high byte register beside one that needs REX).
 */
size_t x86_encode(uint8_t *out, const struct x86_insn *i, const struct x86_place *p);

/** ModRM, SIB and displacement for @reg and the memory of @p; returns the end. */
uint8_t *x86_put_memory(uint8_t *out, unsigned reg, const struct x86_place *p);

/** x86_vex_w() - VEX.W for @i re-encoded in 64-bit code: outside it the bit does not size general registers. 0 or 8. */
unsigned x86_vex_w(const struct x86_insn *i);

#endif
