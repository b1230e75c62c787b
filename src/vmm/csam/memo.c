/*
 * memo.c - see memo.h.
 *
 * Sources: SDM vol. 2 2.1 (prefixes, ModRM, SIB), 2.2.1 (REX), appendix A (opcodes whose ModRM.rm is part of them).
 * Invariant 1: a form that is known has the length and the flow of every instruction of that form (memo_test.c tries
 *   each with each ModRM).
 */
#include "vmm/csam/memo.h"

#include <string.h>

#define TWO       0x0fu
#define REX_W     8u
#define PREFIXES  4u    /* more are decoded */
#define IMMEDIATE 0x0fu /* of a form: bytes behind the operand, plus one; 0: not known */
#define HAS_MODRM 0x10u
#define IS_DIRECT 0x20u
#define ENDS      0x40u

/* Where an instruction's parts are. */
struct parts {
    unsigned prefix; /* 0, or P66, PF3, PF2 */
    bool rex_w;
    unsigned map, opcode, behind; /* offset of what follows the opcode */
};

/*
 * Bytes as prefixes, and as opcodes that have no form: ModRM.rm or something else behind them is a part of them, they
 * are escapes, or LOCK and 67h.
 */
enum { P66 = 1, PF3, PF2, PREFIX = 3, SEGMENT = 4 /* nothing to length and flow */, NO_ONE = 8, NO_TWO = 16 };
static const uint8_t kind[256] = {[0x00] = NO_TWO,
                                  [0x01] = NO_TWO,
                                  [0x0f] = NO_TWO,
                                  [0x1e] = NO_TWO,
                                  [0x38] = NO_TWO,
                                  [0x3a] = NO_TWO,
                                  [0xae] = NO_TWO,
                                  [0xc7] = NO_ONE | NO_TWO,
                                  [0x62] = NO_ONE,
                                  [0x67] = NO_ONE,
                                  [0x8f] = NO_ONE,
                                  [0xc4 ... 0xc6] = NO_ONE,
                                  [0xd8 ... 0xdf] = NO_ONE,
                                  [0xf0] = NO_ONE,
                                  [0x66] = P66,
                                  [0xf3] = PF3,
                                  [0xf2] = PF2,
                                  [0x26] = SEGMENT,
                                  [0x2e] = SEGMENT,
                                  [0x36] = SEGMENT,
                                  [0x3e] = SEGMENT,
                                  [0x64 ... 0x65] = SEGMENT};

/* Return: false: more, or others, than a form knows. */
static bool read_prefixes(const uint8_t *b, unsigned *at, struct parts *p)
{
    for (; *at < PREFIXES; ++*at) {
        const unsigned k = kind[b[*at]] & (PREFIX | SEGMENT);

        if (k == 0)
            return true;
        if ((k & PREFIX) && p->prefix != 0)
            return false;
        p->prefix |= k & PREFIX;
    }
    return false;
}

static bool has_form(const struct parts *p)
{
    if (p->map == 1)
        return !(kind[p->opcode] & NO_TWO);
    if (p->rex_w && (p->prefix != 0 || (p->opcode & 0xf8) == 0xb8)) /* the immediate's size */
        return false;
    return !(kind[p->opcode] & ~NO_TWO) && (p->opcode & 0xf0) != 0x40; /* a prefix behind REX takes its meaning */
}

static bool take_apart(const uint8_t *b, struct parts *ret)
{
    struct parts p = {0};
    unsigned at = 0;

    if (!read_prefixes(b, &at, &p))
        return false;
    if ((b[at] & 0xf0) == 0x40)
        p.rex_w = b[at++] & REX_W;
    if (b[at] == TWO) {
        p.map = 1;
        at++;
    }
    p.opcode = b[at];
    p.behind = at + 1;
    *ret = p;
    return has_form(ret);
}

static unsigned form_of(const struct parts *p, uint8_t modrm)
{
    return ((p->prefix * 2 + p->map) * 256 + p->opcode) * 16 + (modrm >> 3 & 7) * 2 + (modrm >> 6 == 3);
}

unsigned csam_operand_bytes(const uint8_t *modrm)
{
    const unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7;
    const bool sib = mod != 3 && rm == 4;

    if (mod == 3)
        return 1;
    if (mod == 0 && (rm == 5 || (sib && (modrm[1] & 7) == 5)))
        return 1u + sib + 4;
    return 1u + sib + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static int32_t displacement(const uint8_t *b, unsigned bytes)
{
    int32_t wide;

    if (bytes == 1)
        return (int8_t)b[0];
    memcpy(&wide, b, sizeof wide);
    return wide;
}

bool csam_memo_recall(const struct csam_memo *m, const uint8_t *b, struct csam_step *ret)
{
    struct parts p;
    unsigned known, immediate;

    if (!take_apart(b, &p))
        return false;
    known = m->form[form_of(&p, b[p.behind])];
    if (known == 0)
        return false;
    immediate = (known & IMMEDIATE) - 1;
    ret->bytes = p.behind + (known & HAS_MODRM ? csam_operand_bytes(b + p.behind) : 0) + immediate;
    ret->direct = known & IS_DIRECT;
    ret->ends = known & ENDS;
    ret->rel = ret->direct ? displacement(b + p.behind, immediate) : 0;
    return true;
}

static bool is_direct(const struct x86_insn *i)
{
    return i->nops > 0 && i->op[0].kind == X86_OP_REL;
}

void csam_memo_learn(struct csam_memo *m, const uint8_t *b, const struct x86_insn *i)
{
    const uint8_t flow = i->row->flow;
    const bool direct = is_direct(i);
    unsigned immediate, known;
    struct parts p;

    if (i->mode != X86_MODE_64 || flow == X86_FLOW_INT || flow == X86_FLOW_STOP || (i->row->rules & X86_RULE_MOD3) ||
        !take_apart(b, &p))
        return;
    immediate = i->len - p.behind - (i->has_modrm ? csam_operand_bytes(b + p.behind) : 0);
    if (direct && (p.prefix != 0 || (immediate != 1 && immediate != 4)))
        return;
    known = (immediate + 1) | (i->has_modrm ? HAS_MODRM : 0) | (direct ? IS_DIRECT : 0);
    if (flow == X86_FLOW_JUMP || flow == X86_FLOW_RET)
        known |= ENDS;
    m->form[form_of(&p, b[p.behind])] = (uint8_t)known;
}
