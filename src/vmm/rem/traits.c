/*
 * traits.c - what is asked about each instruction of a run several times, found out once.
 */
#include "vmm/rem/translate_int.h"

/* RCX in the host's RCX though no operand says so. */
static unsigned unnamed_rcx(const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_CMPXCHG8B:
    case X86_CMPXCHG16B: return REM_T_RCX;
    case X86_PCMPESTRI:
    case X86_PCMPISTRI:
    case X86_VPCMPESTRI:
    case X86_VPCMPISTRI: return REM_T_RCX | REM_T_RCX_BACK;
    default: return 0;
    }
}

static unsigned of_register(const struct x86_operand *o)
{
    static const uint8_t where[X86_BH + 1] = {
        [X86_RCX] = REM_T_MOVED,
        [X86_RSP] = REM_T_MOVED,
        [X86_R12... X86_R15] = REM_T_MOVED | REM_T_IN_CONTEXT,
        [X86_AH... X86_BH] = REM_T_HIGH_BYTE,
    };

    if (o->reg == X86_CH || (o->reg == X86_RCX && (o->flags & X86_OPF_IMPLICIT)))
        return where[o->reg] | (o->flags & X86_OPF_WRITE ? REM_T_RCX | REM_T_RCX_BACK : REM_T_RCX);
    return where[o->reg];
}

static unsigned of_operands(const struct x86_insn *i)
{
    unsigned traits = 0;

    for (unsigned n = 0; n < i->nops; n++) {
        const struct x86_operand *o = &i->op[n];
        if (o->kind == X86_OP_GPR)
            traits |= of_register(o);
        else if (o->kind == X86_OP_IMM && !(o->flags & X86_OPF_IMPLICIT))
            traits |= REM_T_CONSTANT;
    }
    return traits;
}

static bool divides(const struct x86_insn *i)
{
    return i->mnem == X86_DIV || i->mnem == X86_IDIV;
}

uint16_t rem_traits_of(const struct x86_insn *i, enum rem_kind kind, bool bits64)
{
    unsigned traits = of_operands(i) | unnamed_rcx(i);

    if ((i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf) || (i->kinds & 1u << X86_OP_MM) || i->mnem == X86_EMMS)
        traits |= REM_T_X87;
    if (rem_uses_vectors(i))
        traits |= REM_T_VECTOR;
    if (i->memory != X86_NO_MEMORY)
        return (uint16_t)traits;
    if (!(traits & (REM_T_X87 | REM_T_VECTOR)) && !divides(i))
        traits |= REM_T_PLAIN;
    if (kind == REM_DATA && bits64 && !(traits & (REM_T_MOVED | REM_T_RCX)))
        traits |= REM_T_VERBATIM;
    return (uint16_t)traits;
}
