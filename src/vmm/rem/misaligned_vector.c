/*
 * misaligned_vector.c - vector operands that were caught misaligned, on processors whose EFLAGS.AC covers them.
 *
 * Most are misaligned by half: doubles and pointers are 8-byte aligned, words of a hash 4-byte aligned. So 16 bytes
 * move as two halves, and 8 as two quarters, each aligned; they have a site of their own (REM_S_HALVES), and one that
 * is caught there too is marked PATM_ODD and moves byte by byte (PEXTRB and PINSRB) or by VPMASKMOV, which no processor
 * checks. Measured on a Milan: a VPMASKMOV of 16 bytes is read in 2 cycles and written in 5, 16 PEXTRB take 12, but
 * what a masked store has written is not forwarded to loads, nor are bytes to a load of them all (23 cycles).
 *
 * Invariant 1: no upper half of a vector register that was 0 is written, unless the instruction writes it: legacy
 *   instructions then wait for their destination each time, which makes code without AVX many times slower. So 32-byte
 *   registers are only borrowed for instructions that move 32 bytes.
 */
#include "vmm/rem/translate_int.h"

#define HALF     8u
#define YMM      32u
#define MASK_REG 15u
#define OTHER    14u

enum { NP, P66, F3 };

/* [66|f3] [rex] 0f xx of register @v and [T0 + @at]; with VEX, of 128 bits, @from = vvvv (0: none). */
static void move(struct emit *e, bool vex, unsigned pp, unsigned opcode, unsigned v, unsigned from, unsigned at)
{
    static const uint8_t prefix[] = {[P66] = 0x66, [F3] = 0xf3};
    struct x86_place m = e_at(T0, (int32_t)at);
    uint8_t code[16], *q = code;

    if (vex) {
        *q++ = 0xc4;
        *q++ = (uint8_t)((v >= 8 ? 0u : 0x80u) | 0x41u);
        *q++ = (uint8_t)((~from & 15u) << 3 | pp);
    } else {
        if (pp != NP)
            *q++ = prefix[pp];
        *q++ = (uint8_t)(0x41u | (v >= 8 ? 4u : 0u));
        *q++ = 0x0f;
    }
    *q++ = (uint8_t)opcode;
    e_bytes(e, code, (size_t)(x86_put_memory(q, v, &m) - code));
}

/* pextrb, pextrd [T0 + at], v, n; pinsrb, pinsrd v, [T0 + at], n */
static void element(struct emit *e, bool vex, unsigned opcode, unsigned v, unsigned at, unsigned n)
{
    struct x86_place m = e_at(T0, (int32_t)at);
    uint8_t code[16], *q = code;

    if (vex) {
        *q++ = 0xc4;
        *q++ = (uint8_t)((v >= 8 ? 0u : 0x80u) | 0x43u);
        *q++ = 0x79;
    } else {
        *q++ = 0x66;
        *q++ = (uint8_t)(0x41u | (v >= 8 ? 4u : 0u));
        *q++ = 0x0f;
        *q++ = 0x3a;
    }
    *q++ = (uint8_t)opcode;
    q = x86_put_memory(q, v, &m);
    *q++ = (uint8_t)n;
    e_bytes(e, code, (size_t)(q - code));
}
enum { PEXTRB = 0x14, PEXTRD = 0x16, PINSRB = 0x20, PINSRD = 0x22 };

/* ---- masks ---- */

/* VEX prefix of an instruction with 66h; @map 1: 0f, 2: 0f 38; @rm_high: rm is register 8-15. */
static void prefix_of(struct emit *e, unsigned map, bool w, unsigned reg, unsigned vvvv, bool rm_high, unsigned bytes)
{
    E_BYTES(e, 0xc4, (uint8_t)((reg >= 8 ? 0u : 0x80u) | 0x40u | (rm_high ? 0u : 0x20u) | map),
            (uint8_t)((w ? 0x80u : 0u) | (~vvvv & 15u) << 3 | (bytes == YMM ? 4u : 0u) | 1u));
}

static void ones(struct emit *e, unsigned reg, unsigned bytes) /* vpcmpeqd reg, reg, reg */
{
    prefix_of(e, 1, false, reg, reg, reg >= 8, bytes);
    E_BYTES(e, 0x76, (uint8_t)(0xc0u | (reg & 7u) << 3 | (reg & 7u)));
}

/* vpmaskmovq reg, mask, [T0]; or back */
static void masked(struct emit *e, bool load, unsigned reg, unsigned mask, unsigned bytes)
{
    struct x86_place m = e_at(T0, 0);
    uint8_t code[16];

    prefix_of(e, 2, true, reg, mask, true, bytes);
    code[0] = load ? 0x8c : 0x8e;
    e_bytes(e, code, (size_t)(x86_put_memory(code + 1, reg, &m) - code));
}

/* vmovapd ymm, [p]; or back */
static void ours(struct emit *e, bool load, unsigned reg, const void *p)
{
    struct x86_place m = e_abs(p);
    uint8_t code[16];

    prefix_of(e, 1, false, reg, 0, false, YMM);
    code[0] = load ? 0x28 : 0x29;
    e_bytes(e, code, (size_t)(x86_put_memory(code + 1, reg, &m) - code));
}

static void store_ymm(struct rem_tr *t, unsigned reg)
{
    unsigned mask = reg == MASK_REG ? OTHER : MASK_REG;
    struct emit *e = &t->e;

    ours(e, false, mask, t->r->hot.vector[0]);
    ones(e, mask, YMM);
    masked(e, false, reg, mask, YMM);
    ours(e, true, mask, t->r->hot.vector[0]);
}

/* ---- moves ---- */

static void halves_site(struct rem_tr *t)
{
    rem_site_open(t, REM_S_HALVES);
}

void rem_emit_low_halves(struct rem_tr *t, unsigned reg, bool store)
{
    struct emit *e = &t->e;

    halves_site(t);
    if (store) {
        move(e, false, P66, 0x7e, reg, 0, 0); /* movd */
        element(e, false, PEXTRD, reg, HALF / 2, 1);
    } else {
        move(e, false, P66, 0x6e, reg, 0, 0);
        element(e, false, PINSRD, reg, HALF / 2, 1);
    }
}

static void xmm_halves(struct rem_tr *t, bool vex, unsigned v, bool store)
{
    struct emit *e = &t->e;

    halves_site(t);
    if (store) {
        move(e, vex, NP, 0x13, v, 0, 0); /* movlps */
        move(e, vex, NP, 0x17, v, 0, HALF);
    } else {
        if (vex)
            move(e, true, F3, 0x7e, v, 0, 0); /* vmovq */
        else
            move(e, false, NP, 0x12, v, 0, 0);
        move(e, vex, NP, 0x16, v, v, HALF); /* movhps */
    }
}

static void xmm_bytes(struct rem_tr *t, bool vex, unsigned v, bool store)
{
    struct emit *e = &t->e;

    if (vex && !store) {
        ones(e, v, 2 * HALF);
        masked(e, true, v, v, 2 * HALF);
        return;
    }
    for (unsigned n = 0; n < 2 * HALF; n++)
        element(e, vex, store ? PEXTRB : PINSRB, v, n, n);
}

static void ymm(struct rem_tr *t, unsigned v, bool store)
{
    if (store) {
        store_ymm(t, v);
        return;
    }
    ones(&t->e, v, YMM);
    masked(&t->e, true, v, v, YMM);
}

/* Moves of whole registers, which say that any address will do. */
static bool is_move(const struct x86_insn *i)
{
    static const uint16_t mnems[] = {X86_MOVUPS,  X86_MOVUPD,  X86_MOVDQU,  X86_LDDQU,
                                     X86_VMOVUPS, X86_VMOVUPD, X86_VMOVDQU, X86_VLDDQU};

    for (unsigned n = 0; n < sizeof mnems / sizeof mnems[0]; n++)
        if (i->mnem == mnems[n])
            return true;
    return false;
}

static void emit_move(struct rem_tr *t, const struct x86_insn *i, unsigned bytes, bool store)
{
    unsigned v = i->op[store ? 1 : 0].reg;

    if (bytes == YMM)
        ymm(t, v, store);
    else if (rem_marked(t, PATM_ODD))
        xmm_bytes(t, i->vex, v, store);
    else
        xmm_halves(t, i->vex, v, store);
}

/* Others run on an aligned copy, which is made by general registers. */
static void emit_on_copy(struct rem_tr *t, const struct x86_insn *i, unsigned bytes, bool store)
{
    uint8_t *copy = t->r->hot.vector[1];
    struct x86_place at = e_abs(copy);
    struct emit *e = &t->e;

    if (store)
        rem_emit_there(t, i, &at);
    for (unsigned n = 0; n < bytes; n += HALF) {
        if (store) {
            e_load(e, S, copy + n);
            rem_emit_store_bytes(t, n, HALF);
        } else {
            rem_emit_load_bytes(e, n, HALF);
            e_store(e, copy + n, S);
        }
    }
    if (!store)
        rem_emit_there(t, i, &at);
}

bool rem_emit_misaligned_vector(struct rem_tr *t, const struct x86_insn *i, const struct x86_operand *m)
{
    bool store = m->flags & X86_OPF_WRITE, load = m->flags & X86_OPF_READ;

    if (!i->has_modrm || !rem_is(t, REM_T_VECTOR) || (i->row->rules & X86_RULE_ALIGN) || rem_wants_gpr(t, i) ||
        (store && load) || !rem_emit_reach(t, i, m->bytes, store))
        return false;
    if (is_move(i))
        emit_move(t, i, m->bytes, store);
    else
        emit_on_copy(t, i, m->bytes, store);
    return true;
}
