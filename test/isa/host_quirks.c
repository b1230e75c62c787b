/*
 * host_quirks.c - see host_quirks.h.
 *
 * Sources: SDM vol. 1 8.1.8 (x87 pointers), vol. 3 6.15 (#AC); APM vol. 2 chapter 8 (#AC) and vol. 3 (near branches
 * with a 66h prefix in 64-bit mode, MOVSXD); for the rest, what a Milan does.
 */
#include "host_quirks.h"

#include <cpuid.h>

#define FSW_ES     0x80u
#define FX_FOP     6u
#define FX_FDP     16u
#define FX_MXCSR   24u
#define IMAGE_HEAD 32u /* of an image: in front of the registers; pointers are behind byte 5 in every form */
#define MXCSR_OE   0x08u
#define MXCSR_UE   0x10u
#define FLAG_AC    0x40000u
#define VEC_BYTES  10u /* from here on the operand is a vector, or 80 bits */

enum { VECTOR_UD = 6, VECTOR_SS = 12, VECTOR_GP = 13, VECTOR_PF = 14, VECTOR_AC = 17, VECTOR_XM = 19 };

struct host_quirks host_quirks(void)
{
    uint32_t a, b, c, d;

    return (struct host_quirks){.amd = !__builtin_cpu_is("intel"),
                                .fdp_rare = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 6)};
}

/* Which byte of an operand of many parts is tried first is the CPU's choice. */
bool host_same_address(const struct trial *t, uint64_t host, uint64_t ours)
{
    uint64_t bytes = trial_is_image(t) ? WORLD_FPU_BYTES : trial_is_masked(t) ? 32 : 1;

    return host == ours || (host - ours < bytes || ours - host < bytes);
}

static bool is_dot_product(const struct trial *t) /* DPPS, DPPD */
{
    return t->i.op[0].kind == X86_OP_VEC && t->i.map == 3 && (t->i.opcode & 0xfe) == 0x40;
}

/* ---- faults ---- */

static bool is_x87(const struct x86_insn *i)
{
    return i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf;
}

static bool is_sha(const struct x86_insn *i)
{
    return i->feature == X86_FEAT_SHA;
}

static bool converts_half(const struct x86_insn *i)
{
    return i->mnem == X86_VCVTPS2PH || i->mnem == X86_VCVTPH2PS;
}

/* AMD's:
 * - #AC covers operands of more than 8 bytes and halves, and comes before what is found later; SHA's need no
 *   alignment; MOVSXD of 16 bits reads 32; a masked move is looked at element by element;
 * - #UD for NOP 0f 0d with a register, and for VEX.W outside 64-bit mode where that bit chooses a general register;
 * - MXCSR has bit 17, MM;
 * - x87 stores look at memory although an unmasked exception keeps them from storing. */
static bool fault_of_amd(const struct trial *t, int host, int ours)
{
    const struct x86_operand *m = t->i.memory != X86_NO_MEMORY ? &t->i.op[t->i.memory] : NULL;

    if (host == VECTOR_AC && (t->in.flags & FLAG_AC) && m != NULL &&
        (m->bytes >= VEC_BYTES || is_x87(&t->i) || converts_half(&t->i)))
        return true;
    if (host == VECTOR_UD)
        return (t->i.map == 1 && t->i.opcode == 0x0d) || (t->i.vex && (t->i.rex & 8) && t->i.mode != X86_MODE_64);
    if (t->i.mnem == X86_VCVTPS2PH)
        return ours == VECTOR_XM;
    if (t->i.mnem == X86_MOVSXD && t->i.opsize == 2)
        return host == VECTOR_AC;
    if (trial_is_masked(t))
        return host == VECTOR_PF && ours == VECTOR_GP;
    if (t->i.mnem == X86_LDMXCSR || t->i.mnem == X86_VLDMXCSR || trial_is_image(t))
        return host < 0 && ours == VECTOR_GP;
    if (is_sha(&t->i))
        return ours == VECTOR_GP;
    return is_x87(&t->i) && m != NULL && (m->flags & X86_OPF_WRITE) && host >= 0 && ours < 0;
}

/* Other faults than ours that a CPU may raise by the manual, or a quirk of this one:
 * - an image, or 80 bits, wrong in two ways: what the part that is tried first finds (SDM, FXSAVE);
 * - MASKMOVQ, MASKMOVDQU: for bytes that are masked off (SDM);
 * - MOVBE with 66 and REX.W: no #AC here;
 * - CALL: #SS of the push before #GP of the target, the other way round than in the manual;
 * - DPPS, DPPD: #XM for a tiny product, which the interpreter leaves out. */
bool host_may_fault(const struct host_quirks *q, const struct trial *t, int host, int ours)
{
    if (q->amd && fault_of_amd(t, host, ours))
        return true;
    if (trial_is_image(t) || t->i.op[0].bytes == 10)
        return host >= 0 && ours >= 0;
    if (trial_is_masked_store(t))
        return host >= 0;
    if (t->i.row->flow == X86_FLOW_CALL)
        return host == VECTOR_SS && ours == VECTOR_GP;
    if (is_dot_product(t))
        return host == VECTOR_XM && ours < 0;
    return t->i.mnem == X86_MOVBE && t->i.opsize == 8 && ours == VECTOR_AC;
}

/* ---- registers and memory ---- */

static bool has_mmx(const struct x86_insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == X86_OP_MM)
            return true;
    return false;
}

/* What the host does not tell:
 * - FDP, where it is only updated by unmasked exceptions (CPUID 7 EBX bit 6), which our CPUID does not show;
 * - AMD's: FOP, FIP and FDP, which are kept for unmasked exceptions only; how far a gather had come at a fault, and
 *   whether a conversion to half precision had rounded;
 * - x87 after an MMX instruction that faults: this host may have set TOP already;
 * - what a faulting XRSTOR has loaded before it came to a reserved bit of MXCSR;
 * - inexact beside an unmasked overflow or underflow, and what a DPPS or DPPD that raises #XM had met by then, which
 * the interpreter leaves out in part. */
bool host_hides(const struct host_quirks *q, const struct trial *t, const uint8_t *fpu, int vector, unsigned at,
                unsigned bytes)
{
    if (t->i.mnem == X86_XRSTOR && vector >= 0)
        return true;
    if (q->amd && ((at >= FX_FOP && at < FX_MXCSR) || (vector >= 0 && (t->i.vsib || converts_half(&t->i)))))
        return true;
    if (at == FX_FDP)
        return q->fdp_rare && !(fpu[2] & FSW_ES);
    if (at < FX_MXCSR || bytes == 10)
        return vector >= 0 && has_mmx(&t->i);
    if (at != FX_MXCSR || vector != VECTOR_XM)
        return false;
    return is_dot_product(t) || (fpu[FX_MXCSR] & (MXCSR_OE | MXCSR_UE));
}

/* This host's stores of 10 bytes, and MOVBE with 66 and REX.W, may have stored some when others fault; its CALL the
 * return address below the stack when the target faults. */
bool host_stores_in_parts(const struct trial *t, int vector)
{
    bool movbe = t->i.mnem == X86_MOVBE && t->i.opsize == 8;

    return vector >= 0 && (t->i.op[0].bytes == 10 || movbe || t->i.row->flow == X86_FLOW_CALL);
}

bool host_hides_memory(const struct host_quirks *q, const struct trial *t, uint64_t address)
{
    if (!q->amd)
        return false;
    if (t->i.mnem == X86_PUSH_SREG) /* AMD's write the whole slot */
        return true;
    return trial_is_image(t) && address - t->spot >= FX_FOP && address - t->spot < IMAGE_HEAD;
}

bool host_hides_flags(const struct host_quirks *q, const struct trial *t, int vector)
{
    return q->amd && vector >= 0 && t->i.rep != 0;
}

static bool has_prefix(const struct trial *t, uint8_t prefix)
{
    for (unsigned n = 0; n < t->i.len && t->code[n] != t->i.opcode; n++)
        if (t->code[n] == prefix)
            return true;
    return false;
}

bool host_branches_otherwise(const struct host_quirks *q, const struct trial *t)
{
    if (!q->amd || t->i.row->flow == X86_FLOW_NEXT)
        return false;
    if (t->i.mnem == X86_LOOPE || t->i.mnem == X86_LOOPNE) /* F2 makes the one of the other, F3 the other way round */
        if (has_prefix(t, 0xf2) || has_prefix(t, 0xf3))
            return true;
    return t->i.mode == X86_MODE_64 && has_prefix(t, 0x66); /* the target is cut to 16 bits */
}
