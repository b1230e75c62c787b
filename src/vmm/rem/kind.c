/*
 * kind.c - which instructions the recompiler translates, and how; whatever is not named here the interpreter runs.
 *
 * An instruction whose state may forbid it at run time (CR0.TS) is checked when it runs; what mode.key says
 * (CR4.OSFXSR, XCR0, CR0.EM, CPL) is settled here.
 */
#include "vmm/rem/segment.h"

/* Instructions the interpreter has handlers for and the host can do as they stand. The host-executed ones follow by
 * themselves (x86_mnem_engine). */
static const uint8_t kinds[X86_MNEM_COUNT] = {
    [X86_ADD] = REM_DATA,      [X86_OR] = REM_DATA,      [X86_ADC] = REM_DATA,         [X86_SBB] = REM_DATA,
    [X86_AND] = REM_DATA,      [X86_SUB] = REM_DATA,     [X86_XOR] = REM_DATA,         [X86_CMP] = REM_DATA,
    [X86_TEST] = REM_DATA,     [X86_INC] = REM_DATA,     [X86_DEC] = REM_DATA,         [X86_NOT] = REM_DATA,
    [X86_NEG] = REM_DATA,      [X86_MUL] = REM_DATA,     [X86_IMUL] = REM_DATA,        [X86_DIV] = REM_DATA,
    [X86_IDIV] = REM_DATA,     [X86_ROL] = REM_DATA,     [X86_ROR] = REM_DATA,         [X86_RCL] = REM_DATA,
    [X86_RCR] = REM_DATA,      [X86_SHL] = REM_DATA,     [X86_SHR] = REM_DATA,         [X86_SAR] = REM_DATA,
    [X86_SHLD] = REM_DATA,     [X86_SHRD] = REM_DATA,    [X86_BT] = REM_DATA,          [X86_BTS] = REM_DATA,
    [X86_BTR] = REM_DATA,      [X86_BTC] = REM_DATA,     [X86_BSF] = REM_DATA,         [X86_BSR] = REM_DATA,
    [X86_LZCNT] = REM_DATA,    [X86_TZCNT] = REM_DATA,   [X86_CBW] = REM_DATA,         [X86_CWD] = REM_DATA,
    [X86_XADD] = REM_DATA,     [X86_CMPXCHG] = REM_DATA, [X86_CMPXCHG8B] = REM_DATA,   [X86_CMPXCHG16B] = REM_DATA,
    [X86_MOV] = REM_DATA,      [X86_MOVZX] = REM_DATA,   [X86_MOVSX] = REM_DATA,       [X86_MOVSXD] = REM_DATA,
    [X86_MOVBE] = REM_DATA,    [X86_MOVNTI] = REM_DATA,  [X86_XCHG] = REM_DATA,        [X86_BSWAP] = REM_DATA,
    [X86_CMOVcc] = REM_DATA,   [X86_SETcc] = REM_DATA,   [X86_LAHF] = REM_DATA,        [X86_SAHF] = REM_DATA,
    [X86_CLC] = REM_DATA,      [X86_STC] = REM_DATA,     [X86_CMC] = REM_DATA,         [X86_PAUSE] = REM_DATA,
    [X86_LFENCE] = REM_DATA,   [X86_MFENCE] = REM_DATA,  [X86_SFENCE] = REM_DATA,      [X86_VZEROUPPER] = REM_DATA,
    [X86_VZEROALL] = REM_DATA, [X86_NOP] = REM_NOTHING,  [X86_PREFETCH] = REM_NOTHING, [X86_LEA] = REM_LEA,
    [X86_Jcc] = REM_JCC,       [X86_JMP] = REM_JMP,      [X86_CALL] = REM_CALL,        [X86_RET] = REM_RET,
    [X86_LDMXCSR] = REM_DATA,  [X86_STMXCSR] = REM_DATA, [X86_VLDMXCSR] = REM_DATA,    [X86_VSTMXCSR] = REM_DATA,
    [X86_PUSH] = REM_PUSH,     [X86_POP] = REM_POP,      [X86_LEAVE] = REM_LEAVE,      [X86_LOOP] = REM_LOOP,
    [X86_LOOPE] = REM_LOOP,    [X86_LOOPNE] = REM_LOOP,  [X86_JCXZ] = REM_LOOP,
};

bool rem_uses_vectors(const struct x86_insn *i)
{
    switch (i->mnem) {
    case X86_VZEROUPPER:
    case X86_VZEROALL:
    case X86_LDMXCSR:
    case X86_STMXCSR:
    case X86_VLDMXCSR:
    case X86_VSTMXCSR: return true;
    default: break;
    }
    if (i->row->rules & X86_RULE_MXCSR) /* CVTTSD2SI from memory names no vector register */
        return true;
    return i->kinds & 1u << X86_OP_VEC;
}

/* The mode lets the guest use these registers at all; CR0.TS is looked at when it runs. */
static bool registers_allowed(const struct vcpu *c, const struct x86_insn *i)
{
    if ((i->row->rules & X86_RULE_VEX) || i->vex)
        return (c->mode.key & CPUM_KEY_AVX) && (c->mode.key & CPUM_KEY_PE) && !(c->mode.key & CPUM_KEY_V86);
    if (rem_uses_vectors(i))
        return (c->mode.key & CPUM_KEY_SSE) && !(c->mode.key & CPUM_KEY_EM);
    return !(c->mode.key & CPUM_KEY_EM) || !(i->kinds & (1u << X86_OP_MM | 1u << X86_OP_ST));
}

/* Bit strings in memory reach beyond the operand. */
static bool bit_string(const struct x86_insn *i)
{
    bool bt = i->mnem == X86_BT || i->mnem == X86_BTS || i->mnem == X86_BTR || i->mnem == X86_BTC;

    return bt && i->op[0].kind == X86_OP_MEM && i->op[1].kind == X86_OP_GPR;
}

/* Outside 64-bit mode a code segment cannot be written; flat code does not look at the segment an access is by. */
static bool writes_code_segment(const struct vcpu *c, const struct x86_insn *i, const struct x86_operand *m)
{
    return m && (m->flags & X86_OPF_WRITE) && i->seg == X86_CS && !c->mode.code64 && !rem_segmented(c);
}

static bool data_allowed(const struct vcpu *c, const struct x86_insn *i)
{
    const struct x86_operand *m = rem_memory_of(i);

    if (writes_code_segment(c, i, m))
        return false;
    if (!registers_allowed(c, i) || (m && m->bytes == 0) || bit_string(i) || i->rep)
        return false;
    if (i->mnem == X86_BSWAP && i->opsize == 2)
        return false;
    return !(i->row->rules & (X86_RULE_SERIAL | X86_RULE_CPL0 | X86_RULE_IOPL)) &&
           (!(i->row->rules & X86_RULE_PROT) || ((c->mode.key & CPUM_KEY_PE) && !(c->mode.key & CPUM_KEY_V86)));
}

/* Near branches that cut EIP to 16 bits only in 16-bit code; the stack in all widths outside 64-bit code. */
static bool known_width(const struct vcpu *c, const struct x86_insn *i, enum rem_kind kind)
{
    if (c->mode.code64)
        return i->opsize == 8;
    return kind >= REM_PUSH || i->opsize == 4 || c->mode.code == X86_MODE_16;
}

enum rem_kind rem_kind_of(const struct vcpu *c, const struct x86_insn *i)
{
    enum rem_kind kind = kinds[i->mnem];
    bool rel = i->kinds & 1u << X86_OP_REL;

    if (kind == REM_OPAQUE && x86_mnem_engine(i->mnem) == X86_BY_HOST)
        kind = REM_DATA;
    if ((i->feature != X86_FEAT_NONE && !cpum_has(c, i->feature)) || (i->lock && !rem_memory_of(i)))
        return REM_OPAQUE;
    if (kind == REM_DATA)
        return data_allowed(c, i) ? REM_DATA : REM_OPAQUE;
    if ((kind == REM_JCC || kind == REM_LOOP) && c->mode.code64)
        return kind;
    if (kind >= REM_JCC && !known_width(c, i, kind))
        return REM_OPAQUE;
    if ((kind == REM_JMP || kind == REM_CALL) && !rel)
        return kind == REM_JMP ? REM_JMP_TO : REM_CALL_TO;
    return kind;
}
