/*
 * tables.c - turns the .def files into the arrays the decoder walks. No code.
 *
 * maps.inc is included once per array, each time with other row macros. An opcode given twice is an error by itself:
 * its row number would be declared twice (and its place in the index initialised twice). Invariant 1: row 0, reference
 * 0 and letter 0 mean "none"; every other one is reachable from an index.
 */
#include "x86/tables_int.h"

/* The vocabulary of the .def files. Plain names are safe here: this file includes nothing else. */
enum letters {
    LETTER_NONE,
#define O(name, how, reg_bytes, mem_bytes) name,
#include "x86/operand.def"
#undef O
};

enum rules {
    LOCK = X86_RULE_LOCK,
    NO64 = X86_RULE_NO64,
    ONLY64 = X86_RULE_ONLY64,
    CPL0 = X86_RULE_CPL0,
    IOPL = X86_RULE_IOPL,
    REP = X86_RULE_REP,
    DEF64 = X86_RULE_DEF64,
    FORCE64 = X86_RULE_FORCE64,
    PROT = X86_RULE_PROT,
    VEX = X86_RULE_VEX,
    ALIGN = X86_RULE_ALIGN,
    SERIAL = X86_RULE_SERIAL,
    MXCSR = X86_RULE_MXCSR,
    FLMAY = X86_RULE_FLMAY,
    OLDER = X86_RULE_OLDER,
    L0 = X86_RULE_L0,
    L1 = X86_RULE_L1,
    Y2 = X86_RULE_Y2,
    DISTINCT = X86_RULE_DISTINCT,
    MOD3 = X86_RULE_MOD3,
    NP = X86_RULE_NP,
    X87 = X86_RULE_X87,
    MACHINE = X86_RULE_MACHINE
};

enum access {
    ACC__ = 0,
    ACC_N = 0,
    ACC_R = 1,
    ACC_W = 2,
    ACC_U = 3,
#define PAIR(a, b) ACC_##a##b = ACC_##a | ACC_##b << 2
    PAIR(N, N),
    PAIR(R, R),
    PAIR(R, W),
    PAIR(W, N),
    PAIR(W, R),
    PAIR(W, W),
    PAIR(U, R),
    PAIR(U, U),
#undef PAIR
    ACC_RRR = ACC_RR | ACC_R << 4,
    ACC_WRR = ACC_WR | ACC_R << 4,
    ACC_WWR = ACC_WW | ACC_R << 4,
    ACC_URR = ACC_UR | ACC_R << 4,
    ACC_URU = ACC_UR | ACC_U << 4,
    ACC_WRRR = ACC_WRR | ACC_R << 6,
    ACC_URRR = ACC_URR | ACC_R << 6
};

enum flags {
    C = 1 << 0,
    P = 1 << 2,
    A = 1 << 4,
    Z = 1 << 6,
    S = 1 << 7,
    T = 1 << 8,
    I = 1 << 9,
    D = 1 << 10,
    O = 1 << 11,
    IOPL_NT = 7 << 12,
    NT = 1 << 14,
    STATUS = C | P | A | Z | S | O,
    ALL = STATUS | T | I | D | IOPL_NT,
#define E(name, read, written, undefined) FR_##name = (read), FW_##name = (written), FU_##name = (undefined),
#include "x86/eflags.def"
#undef E
};

const struct x86_letter x86_letters[] = {
    [LETTER_NONE] = {HOW_NONE, 0, 0},
#define O(name, how, reg_bytes, mem_bytes) [name] = {HOW_##how, reg_bytes, mem_bytes},
#include "x86/operand.def"
#undef O
};

const uint8_t x86_group_selector[X86_GROUP_COUNT] = {
#define GROUP(name, selector) [X86_GROUP_##name] = X86_SEL_##selector,
#include "x86/group.def"
#undef GROUP
};

/* Names of rows and references: ROW_<map>_<opcode>_<prefix>, ROW_<group>_<slot>_<form> ... */
#define PASTE4(a, b, c, d)    a##_##b##_##c##_##d
#define NAME4(a, b, c, d)     PASTE4(a, b, c, d)
#define PASTE5(a, b, c, d, e) a##_##b##_##c##_##d##_##e
#define NAME5(a, b, c, d, e)  PASTE5(a, b, c, d, e)
#define ROW(op, pp)           NAME4(ROW, MAP, op, pp)
#define REF(op, pp)           NAME4(REF, MAP, op, pp)
#define VROW(op, pp, w)       NAME5(VROW, MAP, op, pp, w)
#define VREF(op, pp, w)       NAME5(VREF, MAP, op, pp, w)

enum {
    ROW_NONE,
#define I(op, ...)     ROW(op, ANY),
#define P(op, pp, ...) ROW(op, pp),
#define D(op, pp, ...) ROW(op, pp),
#define G(op, pp, ...)
#define V(op, pp, w, ...) VROW(op, pp, w),
#define VG(op, pp, w, ...)
#define RA(group, n, ...) ROW_##group##_##n##_A,
#define RM(group, n, ...) ROW_##group##_##n##_M,
#define RR(group, n, ...) ROW_##group##_##n##_R,
#define S(group, n, ...)  ROW_##group##_##n##_S,
#define NM(group, n, ...)
#define NR(group, n, ...)
#define NS(group, n, ...)
#include "x86/maps.inc"
    ROW_COUNT
};
_Static_assert((int)ROW_COUNT <= (int)X86_ENTRY_NUMBER, "row numbers fit an entry");

#define UNPAREN(...)            __VA_ARGS__
#define IN_MODRM(letter)        ((letter + 0) > 0 && (letter + 0) < MODRM_LAST)
#define ANY_IN_MODRM(a, b, ...) (IN_MODRM(a) || IN_MODRM(b) ? X86_RULE_MODRM : 0)
#define MODRM_RULE(...)         ANY_IN_MODRM(__VA_ARGS__, 0, 0)
#define FULL_ROW(id, name, acc, ops, rule, feat, fl, ef)                                                               \
    [id] = {.mnem = X86_##name,                                                                                        \
            .rules = (rule) | MODRM_RULE(UNPAREN ops),                                                                 \
            .flow = X86_FLOW_##fl,                                                                                     \
            .feature = X86_FEAT_##feat,                                                                                \
            .access = ACC_##acc,                                                                                       \
            .opnd = {UNPAREN ops},                                                                                     \
            .flags_read = FR_##ef,                                                                                     \
            .flags_written = FW_##ef,                                                                                  \
            .flags_undefined = FU_##ef},

const struct x86_row x86_rows[ROW_COUNT] = {
#define I(op, ...)                            FULL_ROW(ROW(op, ANY), __VA_ARGS__)
#define P(op, pp, ...)                        FULL_ROW(ROW(op, pp), __VA_ARGS__)
#define D(op, pp, name, acc, ops, rule, feat) FULL_ROW(ROW(op, pp), name, acc, ops, rule, feat, NEXT, NONE)
#define G(op, pp, ...)
#define V(op, pp, w, name, acc, ops, rule, feat, ef) FULL_ROW(VROW(op, pp, w), name, acc, ops, rule, feat, NEXT, ef)
#define VG(op, pp, w, ...)
#define RA(group, n, ...) FULL_ROW(ROW_##group##_##n##_A, __VA_ARGS__)
#define RM(group, n, ...) FULL_ROW(ROW_##group##_##n##_M, __VA_ARGS__)
#define RR(group, n, ...) FULL_ROW(ROW_##group##_##n##_R, __VA_ARGS__)
#define S(group, n, ...)  FULL_ROW(ROW_##group##_##n##_S, __VA_ARGS__)
#define NM(group, n, ...)
#define NR(group, n, ...)
#define NS(group, n, ...)
#include "x86/maps.inc"
};
const size_t x86_row_count = ROW_COUNT;

enum {
    REF_NONE,
#define I(op, ...)
#define P(op, pp, ...)
#define D(op, pp, ...)
#define G(op, pp, ...) REF(op, pp),
#define V(op, pp, w, ...)
#define VG(op, pp, w, ...) VREF(op, pp, w),
#define RA(group, n, ...)
#define RM(group, n, ...)
#define RR(group, n, ...)
#define S(group, n, ...)
#define NM(group, n, ...) REF_##group##_##n##_M,
#define NR(group, n, ...) REF_##group##_##n##_R,
#define NS(group, n, ...) REF_##group##_##n##_S,
#include "x86/maps.inc"
    REF_COUNT
};

#define FULL_REF(id, sub, ops) [id] = {.group = X86_GROUP_##sub, .opnd = {UNPAREN ops}},

const struct x86_ref x86_refs[REF_COUNT] = {
#define I(op, ...)
#define P(op, pp, ...)
#define D(op, pp, ...)
#define G(op, pp, sub, ops) FULL_REF(REF(op, pp), sub, ops)
#define V(op, pp, w, ...)
#define VG(op, pp, w, sub, ops) FULL_REF(VREF(op, pp, w), sub, ops)
#define RA(group, n, ...)
#define RM(group, n, ...)
#define RR(group, n, ...)
#define S(group, n, ...)
#define NM(group, n, sub, ops) FULL_REF(REF_##group##_##n##_M, sub, ops)
#define NR(group, n, sub, ops) FULL_REF(REF_##group##_##n##_R, sub, ops)
#define NS(group, n, sub, ops) FULL_REF(REF_##group##_##n##_S, sub, ops)
#include "x86/maps.inc"
};

/* Places of a row in the index, by its prefix column */
#define MAP_NUMBER_PASTE(map) X86_MAP_##map
#define MAP_NUMBER(map)       MAP_NUMBER_PASTE(map)
#define AT(plane, op)         [X86_INDEX(MAP_NUMBER(MAP), X86_PLANE_##plane, op)]
#define FILL_NP(op, e)        AT(NP, op) = e,
#define FILL_P66(op, e)       AT(66, op) = (e) | X86_ENTRY_CONSUMES,
#define FILL_F3(op, e)        AT(F3, op) = (e) | X86_ENTRY_CONSUMES,
#define FILL_F2(op, e)        AT(F2, op) = (e) | X86_ENTRY_CONSUMES,
#define FILL_NP66(op, e)      AT(NP, op) = e, AT(66, op) = e,
#define FILL_NOF3(op, e)      FILL_NP66(op, e) AT(F2, op) = e,
#define FILL_ANY(op, e)       FILL_NOF3(op, e) AT(F3, op) = e,

const uint16_t x86_index[X86_MAP_COUNT * X86_PLANE_COUNT * 256] = {
#define I(op, ...)     FILL_ANY(op, ROW(op, ANY))
#define P(op, pp, ...) FILL_##pp(op, ROW(op, pp))
#define D(op, pp, ...) FILL_##pp(op, ROW(op, pp))
#define G(op, pp, ...) FILL_##pp(op, REF(op, pp) | X86_ENTRY_GROUP)
#define V(op, pp, w, ...)
#define VG(op, pp, w, ...)
#define RA(group, n, ...)
#define RM(group, n, ...)
#define RR(group, n, ...)
#define S(group, n, ...)
#define NM(group, n, ...)
#define NR(group, n, ...)
#define NS(group, n, ...)
#include "x86/maps.inc"
};

enum { X86_PLANE_P66 = X86_PLANE_66 };
#define VAT(pp, w, op)      [X86_VEX_INDEX(MAP_NUMBER(MAP), X86_PLANE_##pp, w, op)]
#define FILL_W0(op, pp, e)  VAT(pp, 0, op) = e,
#define FILL_W1(op, pp, e)  VAT(pp, 1, op) = e,
#define FILL_WIG(op, pp, e) FILL_W0(op, pp, e) FILL_W1(op, pp, e)

const uint16_t x86_vex_index[3 * X86_PLANE_COUNT * 2 * 256] = {
#define I(op, ...)
#define P(op, pp, ...)
#define D(op, pp, ...)
#define G(op, pp, ...)
#define V(op, pp, w, ...)  FILL_##w(op, pp, VROW(op, pp, w))
#define VG(op, pp, w, ...) FILL_##w(op, pp, VREF(op, pp, w) | X86_ENTRY_GROUP)
#define RA(group, n, ...)
#define RM(group, n, ...)
#define RR(group, n, ...)
#define S(group, n, ...)
#define NM(group, n, ...)
#define NR(group, n, ...)
#define NS(group, n, ...)
#include "x86/maps.inc"
};

#define SLOT(group, n) [X86_GROUP_##group][n]

const uint16_t x86_group_slots[X86_GROUP_COUNT][16] = {
#define I(op, ...)
#define P(op, pp, ...)
#define D(op, pp, ...)
#define G(op, pp, ...)
#define V(op, pp, w, ...)
#define VG(op, pp, w, ...)
#define RA(group, n, ...) SLOT(group, n) = ROW_##group##_##n##_A, SLOT(group, n + 8) = ROW_##group##_##n##_A,
#define RM(group, n, ...) SLOT(group, n) = ROW_##group##_##n##_M,
#define RR(group, n, ...) SLOT(group, n + 8) = ROW_##group##_##n##_R,
#define S(group, n, ...)  SLOT(group, n) = ROW_##group##_##n##_S,
#define NM(group, n, ...) SLOT(group, n) = REF_##group##_##n##_M | X86_ENTRY_GROUP,
#define NR(group, n, ...) SLOT(group, n + 8) = REF_##group##_##n##_R | X86_ENTRY_GROUP,
#define NS(group, n, ...) SLOT(group, n) = REF_##group##_##n##_S | X86_ENTRY_GROUP,
#include "x86/maps.inc"
};
