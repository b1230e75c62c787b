/*
 * insn.h - one decoded x86 instruction, and the function that makes it.
 *
 * The opcode maps (map_*.def) are the only place where an instruction is known; everybody (decoder, IEM, REM, CSAM,
 * tests) is driven by a row of them, reached through x86_insn.row, and by the enumeration of mnemonics made from
 * mnem.def. This header knows no VM and no host.
 *
 * Sources: Intel SDM vol. 2 chapters 2-5 and appendix A [SDM]; AMD APM vol. 3.
 * Invariant 1: x86_decode() reads nothing outside bytes[0..size-1] and writes nothing but *ret.
 * Invariant 2: for a returned length n > 0, decoding the first n bytes alone gives the same result.
 */
#ifndef X86_INSN_H
#define X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_MAX_LEN 15

/** The code segment's kind: default operand and address size. */
enum x86_mode { X86_MODE_16, X86_MODE_32, X86_MODE_64 };

/** Mnemonics, one per row of mnem.def: X86_ADD, X86_MOV, ... ; handlers and tests index by them. */
enum x86_mnem {
#define M(name, engine) X86_##name,
#include "x86/mnem.def"
#undef M
    X86_MNEM_COUNT
};

/** General registers by number; the high-byte registers of 8086 encoding follow at 16. */
/* clang-format off */
enum x86_gpr {
    X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI,
    X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15,
    X86_AH, X86_CH, X86_DH, X86_BH,
    X86_REG_NONE = 0xff
};
/* clang-format on */

enum x86_sreg { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SREG_COUNT, X86_SREG_NONE = 0xff };

/** What one operand is. Implicit operands (AL, DX, CL, 1, ...) are listed where the manual's operand list has them. */
enum x86_opkind {
    X86_OP_NONE,
    X86_OP_GPR,  /* reg = enum x86_gpr */
    X86_OP_SREG, /* reg = enum x86_sreg */
    X86_OP_CR,   /* reg = 0-15 */
    X86_OP_DR,   /* reg = 0-15 */
    X86_OP_ST,   /* reg = 0-7, relative to TOP */
    X86_OP_MM,   /* reg = 0-7 */
    X86_OP_VEC,  /* reg = 0-15; bytes = 4 (ss), 8 (sd), 16 (xmm), 32 (ymm), or what the row's letter says */
    X86_OP_MEM,  /* see base/index/scale/disp/seg below; bytes = access size, 0 = none or variable (LEA, XSAVE) */
    X86_OP_IMM,  /* value in x86_insn.imm[reg], already sign- or zero-extended as the instruction uses it */
    X86_OP_REL,  /* branch displacement, sign-extended, in x86_insn.imm[0] */
    X86_OP_FAR,  /* far pointer: offset in imm[0], selector in imm[1] */
    X86_OP_SRC,  /* string source, seg:[rSI]; bytes = element size, seg_override applies */
    X86_OP_DST,  /* string destination, ES:[rDI]; bytes = element size */
};

/* What an instruction does with an operand. LEA, INVLPG, prefetches: neither; CMOVcc, BSF and the like: both. */
enum { X86_OPF_READ = 1, X86_OPF_WRITE = 2, X86_OPF_IMPLICIT = 4 };

struct x86_operand {
    uint8_t kind;  /* enum x86_opkind */
    uint8_t reg;   /* register number or immediate's index */
    uint8_t bytes; /* size: 1 2 4 6 8 10 14 16 28 32; 0 where the size is not an operand's property */
    uint8_t flags; /* X86_OPF_* */
};

/** Control flow of a row, for block building and code scanning. */
enum x86_flow { X86_FLOW_NEXT, X86_FLOW_COND, X86_FLOW_JUMP, X86_FLOW_CALL, X86_FLOW_RET, X86_FLOW_INT, X86_FLOW_STOP };

/** Rules of a row, checked by the decoder (D) or by whoever executes (E). */
enum x86_rule {
    X86_RULE_LOCK = 1 << 0,    /* D: LOCK allowed with a memory destination */
    X86_RULE_NO64 = 1 << 1,    /* D: invalid in 64-bit mode */
    X86_RULE_ONLY64 = 1 << 2,  /* D: 64-bit mode only */
    X86_RULE_CPL0 = 1 << 3,    /* E: #GP(0) unless CPL = 0 */
    X86_RULE_IOPL = 1 << 4,    /* E: IOPL-sensitive */
    X86_RULE_REP = 1 << 5,     /* REP/REPE/REPNE is meaningful */
    X86_RULE_DEF64 = 1 << 6,   /* operand size defaults to 64 in 64-bit mode */
    X86_RULE_FORCE64 = 1 << 7, /* operand size is 64 in 64-bit mode whatever the prefixes */
    X86_RULE_PROT = 1 << 8,    /* E: #UD in real and V86 mode */
    X86_RULE_VEX = 1 << 9,    /* E: AVX: #UD in real and V86 mode, and unless CR4.OSXSAVE and XCR0.AVX (BMI has PROT) */
    X86_RULE_ALIGN = 1 << 10, /* E: memory operand must be naturally aligned (SSE), #GP(0) */
    X86_RULE_SERIAL = 1 << 11,   /* ends a block: changes mode, mapping or code */
    X86_RULE_MXCSR = 1 << 12,    /* E: may raise SIMD floating-point exceptions (#XM) */
    X86_RULE_FLMAY = 1 << 13,    /* flags_written and flags_undefined may stay unchanged (count 0, REP with rCX = 0) */
    X86_RULE_OLDER = 1 << 14,    /* E: without its feature not #UD but x86_insn_older(): LZCNT TZCNT */
    X86_RULE_L0 = 1 << 15,       /* D: VEX.L must be 0 */
    X86_RULE_L1 = 1 << 16,       /* D: VEX.L must be 1 */
    X86_RULE_Y2 = 1 << 17,       /* D: the 256-bit form needs AVX2 (x86_insn.feature) */
    X86_RULE_DISTINCT = 1 << 18, /* D: gathers: destination, index and mask must differ */
    X86_RULE_MOD3 = 1 << 19,     /* D: ModRM.mod is not looked at, the form is always register (MOV CR, DR) */
    X86_RULE_NP = 1 << 20,       /* D: #UD with 66, F2 or F3 */
    X86_RULE_MODRM = 1 << 21,    /* D: an operand is in ModRM (rows whose operands come from a G() row lack it) */
    X86_RULE_X87 = 1 << 22,      /* E: x87: #NM if CR0.EM or CR0.TS, pending exceptions; FWAIT is not marked */
    X86_RULE_MACHINE = 1 << 23,  /* reads or changes more than operands, registers, flags and memory: descriptors,
                                  * segment  registers, time, entropy, the CPU's model; two machines may disagree */
};

/** One row of an opcode map. flags_*: EFLAGS bits (CF 1, PF 4, AF 10h, ZF 40h, SF 80h, TF, IF, DF 400h, OF 800h). */
struct x86_row {
    uint32_t rules;                                      /* enum x86_rule */
    uint16_t mnem;                                       /* enum x86_mnem */
    uint8_t flow;                                        /* enum x86_flow */
    uint8_t feature;                                     /* enum x86_feature; look at x86_insn.feature instead */
    uint8_t access;                                      /* X86_OPF_READ/WRITE of op[0] in bits 0-1, op[1] in 2-3 ... */
    uint8_t opnd[4];                                     /* operand letters, private to the decoder */
    uint16_t flags_read, flags_written, flags_undefined; /* written = given a defined value */
};

enum x86_feature {
#define F(name, leaf, subleaf, reg, bit) X86_FEAT_##name,
#include "x86/feature.def"
#undef F
    X86_FEAT_COUNT
};

struct x86_insn {
    const struct x86_row *row;
    uint16_t mnem;    /* = row->mnem */
    uint8_t len;      /* whole instruction, 1-15 */
    uint8_t mode;     /* enum x86_mode */
    uint8_t opsize;   /* effective operand size: 2, 4, 8 */
    uint8_t addrsize; /* effective address size: 2, 4, 8 */
    uint8_t rep;      /* 0, f2h or f3h as a true (non-mandatory) prefix */
    uint8_t lock;     /* 1 = LOCK present (and allowed) */
    uint8_t nops;     /* operands used in op[] */
    uint8_t rex;      /* 0 or 40h-4fh (VEX.RXBW are folded in) */
    uint8_t vex;      /* 0, or vector length in bytes: 16, 32 */
    uint8_t map;      /* 0 one-byte, 1 0f, 2 0f38, 3 0f3a */
    uint8_t pp;       /* mandatory prefix used for selection: 0, 66h, f2h, f3h */
    uint8_t opcode;   /* last opcode byte */
    uint8_t modrm;    /* valid if has_modrm */
    uint8_t has_modrm;
    uint8_t vvvv; /* VEX.vvvv register, 0-15 */
    uint8_t cond; /* Jcc/SETcc/CMOVcc: condition code 0-15 */
    struct x86_operand op[4];
    /* memory operand (at most one; string and stack operands are implicit in the mnemonic) */
    uint8_t base;  /* enum x86_gpr, X86_REG_NONE; 0x10 = RIP-relative (X86_BASE_RIP) */
    uint8_t index; /* enum x86_gpr or X86_REG_NONE; a VEC register for gathers (vsib) */
    uint8_t scale; /* 1, 2, 4, 8 */
    uint8_t seg;  /* effective segment: default (DS/SS) or override already applied; in 64-bit mode only FS/GS differ */
    uint8_t vsib; /* gathers: bytes of the index register, 16 or 32; else 0 */
    uint8_t seg_override; /* enum x86_sreg or X86_SREG_NONE; string instructions and XLAT need it */
    uint8_t feature;      /* enum x86_feature: CPUID bit this form needs, else #UD (but see X86_RULE_OLDER) */
    uint8_t memory;       /* number of the operand that is X86_OP_MEM, or X86_NO_MEMORY */
    uint16_t kinds;       /* of operands there are: bits 1 << enum x86_opkind */
    int64_t disp;         /* displacement, sign-extended; moffs for A0h-A3h */
    uint64_t imm[2];
};
#define X86_BASE_RIP  0x10
#define X86_NO_MEMORY 0xff

/** Results of x86_decode() that are not a length. */
enum { X86_NEED_MORE = 0, X86_INVALID = -1, X86_TOO_LONG = -2 };

/**
 * x86_decode() - decode one instruction.
 * @bytes: first byte of the instruction.
 * @size:  bytes readable at @bytes; fewer than needed gives X86_NEED_MORE (fetch the next page, call again).
 * @mode:  kind of the code segment.
 * @ret:   the instruction, if a length is returned; undefined otherwise.
 *
 * Return: length 1-15; X86_NEED_MORE; X86_INVALID (#UD); X86_TOO_LONG (more than 15 bytes, #GP(0)).
 * CPUID features and CPL are not looked at here; see row->feature and row->rules.
 */
int x86_decode(const uint8_t *bytes, size_t size, enum x86_mode mode, struct x86_insn *ret);

/**
 * x86_insn_older() - what a CPU without row->feature makes of it: LZCNT is BSR there, TZCNT is BSF (the F3 is ignored).
 * @insn: decoded, its row carries X86_RULE_OLDER; changed in place. Call it where the feature test fails.
 */
void x86_insn_older(struct x86_insn *insn);

/** Mnemonic as mnem.def spells it, for logs and tests: "ADD", "Jcc". */
const char *x86_mnem_name(enum x86_mnem mnem);

/** Who executes a mnemonic in IEM: a C handler iem_NAME (X86_BY_C) or the host CPU in a thunk (X86_BY_HOST). */
enum x86_engine { X86_BY_C, X86_BY_HOST };
enum x86_engine x86_mnem_engine(enum x86_mnem mnem);

#endif
