/*
 * tables_int.h - the opcode maps as the decoder sees them, and how to read a row.
 *
 * A row of a .def file says, from left to right:
 *   opcode or place in a group; prefix: ANY (66/F2/F3 are true prefixes), NP, P66, F3, F2 (mandatory), NOF3, NP66 (true
 *   prefixes, other rows take the rest); W of VEX: WIG, W0, W1;
 *   mnemonic; access: one letter per operand, R read, W written, U both, N neither, _ no operands;
 *   operands (operand.def); rules (x86_rule without its prefix); feature (feature.def); flow (x86_flow);
 *   EFLAGS (eflags.def).
 *
 * How a row is found: map, mandatory prefix and opcode (for VEX also W) give an entry of x86_index[] or
 * x86_vex_index[]. An entry is 0 (no instruction), a row number, or a number of x86_refs[], which names a group
 * (group.def) whose slot holds the next entry. Groups nest at most twice.
 */
#ifndef X86_TABLES_INT_H
#define X86_TABLES_INT_H

#include "x86/insn.h"

/** Entries: the row number, or with X86_ENTRY_GROUP the reference's; CONSUMES = the prefix only selects. */
enum { X86_ENTRY_CONSUMES = 0x8000, X86_ENTRY_GROUP = 0x4000, X86_ENTRY_NUMBER = 0x0fff };

enum x86_map { X86_MAP_one, X86_MAP_two, X86_MAP_0f38, X86_MAP_0f3a, X86_MAP_COUNT };
/** Mandatory prefixes in the order of VEX.pp. */
enum x86_plane { X86_PLANE_NP, X86_PLANE_66, X86_PLANE_F3, X86_PLANE_F2, X86_PLANE_COUNT };

#define X86_INDEX(map, plane, opcode) ((((map)*X86_PLANE_COUNT) + (plane)) * 256 + (opcode))
/* VEX has no one-byte map: map 1-3 */
#define X86_VEX_INDEX(map, plane, w, opcode) (((((map)-1) * X86_PLANE_COUNT + (plane)) * 2 + (w)) * 256 + (opcode))

enum x86_selector { X86_SEL_REG, X86_SEL_RM, X86_SEL_MOD, X86_SEL_W, X86_SEL_L, X86_SEL_B, X86_SEL_M64 };

enum x86_group {
#define GROUP(name, selector) X86_GROUP_##name,
#include "x86/group.def"
#undef GROUP
    X86_GROUP_COUNT
};

/** How an operand letter is decoded; see operand.def. */
enum x86_how {
    HOW_NONE,
    HOW_E,
    HOW_G,
    HOW_R,
    HOW_M,
    HOW_VM,
    HOW_S,
    HOW_C,
    HOW_D,
    HOW_P,
    HOW_Q,
    HOW_N,
    HOW_V,
    HOW_W,
    HOW_U,
    HOW_STI,
    HOW_H,
    HOW_B,
    HOW_L,
    HOW_Z,
    HOW_I,
    HOW_J,
    HOW_A,
    HOW_O,
    HOW_X,
    HOW_Y,
    HOW_RAX,
    HOW_RCX,
    HOW_RDX,
    HOW_ONE,
    HOW_SREG,
    HOW_ST0,
    HOW_XMM0
};

/** Sizes that are no constant; everything below SZ_V is a number of bytes. */
enum x86_size { SZ_V = 0x40, SZ_Z, SZ_Y, SZ_Y64, SZ_X, SZ_X2, SZ_X4, SZ_X8, SZ_P, SZ_A, SZ_S, SZ_ENV, SZ_FP };

struct x86_letter {
    uint8_t how;       /* enum x86_how */
    uint8_t reg_bytes; /* bytes or enum x86_size; HOW_SREG: the register */
    uint8_t mem_bytes; /* bytes or enum x86_size; immediates: bytes in the instruction */
};

/** A way into a group, with the operands its rows take if they have none of their own. */
struct x86_ref {
    uint8_t group;
    uint8_t opnd[4];
};

extern const struct x86_row x86_rows[];
extern const size_t x86_row_count;
extern const struct x86_letter x86_letters[];
extern const struct x86_ref x86_refs[];
extern const uint8_t x86_group_selector[X86_GROUP_COUNT];
extern const uint16_t x86_group_slots[X86_GROUP_COUNT][16];
extern const uint16_t x86_index[X86_MAP_COUNT * X86_PLANE_COUNT * 256];
extern const uint16_t x86_vex_index[3 * X86_PLANE_COUNT * 2 * 256];

#endif
