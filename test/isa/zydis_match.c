/*
 * zydis_match.c - compares the decoder with Zydis 4 on one byte string.
 *
 * Compared: whether it is an instruction, length, mnemonic, operands (kind, register, size, address, immediate, read
 * and write), EFLAGS. Not compared: which of several reasons makes a string invalid.
 */
#include "zydis_match.h"

#include <string.h>
#include <strings.h>

void zydis_init(ZydisDecoder decoders[3])
{
    static const ZydisDecoderMode off[] = {ZYDIS_DECODER_MODE_KNC, ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET,
                                           ZYDIS_DECODER_MODE_CLDEMOTE, ZYDIS_DECODER_MODE_WBNOINVD};

    ZydisDecoderInit(&decoders[X86_MODE_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoders[X86_MODE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[X86_MODE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < sizeof(off) / sizeof(off[0]); k++)
            ZydisDecoderEnableMode(&decoders[i], off[k], ZYAN_FALSE);
}

/* Mnemonics Zydis spells by size: [0] 1 or 2 bytes ... see spelling() */
static const struct {
    enum x86_mnem mnem;
    bool by_element;      /* size of the element, else operand size */
    const char *names[4]; /* for 1, 2, 4, 8 bytes */
} sized[] = {
    {X86_CBW, false, {NULL, "cbw", "cwde", "cdqe"}},
    {X86_CWD, false, {NULL, "cwd", "cdq", "cqo"}},
    {X86_IRET, false, {NULL, "iret", "iretd", "iretq"}},
    {X86_PUSHA, false, {NULL, "pusha", "pushad", NULL}},
    {X86_POPA, false, {NULL, "popa", "popad", NULL}},
    {X86_PUSHF, false, {NULL, "pushf", "pushfd", "pushfq"}},
    {X86_POPF, false, {NULL, "popf", "popfd", "popfq"}},
    {X86_MOVS, true, {"movsb", "movsw", "movsd", "movsq"}},
    {X86_CMPS, true, {"cmpsb", "cmpsw", "cmpsd", "cmpsq"}},
    {X86_STOS, true, {"stosb", "stosw", "stosd", "stosq"}},
    {X86_LODS, true, {"lodsb", "lodsw", "lodsd", "lodsq"}},
    {X86_SCAS, true, {"scasb", "scasw", "scasd", "scasq"}},
    {X86_INS, true, {"insb", "insw", "insd", NULL}},
    {X86_OUTS, true, {"outsb", "outsw", "outsd", NULL}},
    {X86_FXSAVE, false, {NULL, "fxsave", "fxsave", "fxsave64"}},
    {X86_FXRSTOR, false, {NULL, "fxrstor", "fxrstor", "fxrstor64"}},
    {X86_XSAVE, false, {NULL, "xsave", "xsave", "xsave64"}},
    {X86_XRSTOR, false, {NULL, "xrstor", "xrstor", "xrstor64"}},
    {X86_XSAVEOPT, false, {NULL, "xsaveopt", "xsaveopt", "xsaveopt64"}},
    {X86_XSAVEC, false, {NULL, "xsavec", "xsavec", "xsavec64"}},
    {X86_XSAVES, false, {NULL, "xsaves", "xsaves", "xsaves64"}},
    {X86_XRSTORS, false, {NULL, "xrstors", "xrstors", "xrstors64"}},
};

/* One mnemonic of ours, several spellings of the same behaviour */
static const struct {
    enum x86_mnem mnem;
    const char *name;
} aliases[] = {
    {X86_MOV_SREG, "mov"},
    {X86_MOV_CR, "mov"},
    {X86_MOV_DR, "mov"},
    {X86_PUSH_SREG, "push"},
    {X86_POP_SREG, "pop"},
    {X86_CALLF, "call"},
    {X86_JMPF, "jmp"},
    {X86_RETF, "ret"},
    {X86_SALC, "salc"},
    {X86_INT1, "int1"},
    {X86_FNOP, "feni8087_nop"},
    {X86_FNOP, "fdisi8087_nop"},
    {X86_FNOP, "fsetpm287_nop"},
    {X86_FSTP, "fstpnce"},
    {X86_FWAIT, "fwait"},
    {X86_NOP, "endbr32"},
    {X86_NOP, "endbr64"},
    {X86_PREFETCH, "prefetchw"},
    {X86_PREFETCH, "prefetcht0"},
    {X86_PREFETCH, "prefetcht1"},
    {X86_PREFETCH, "prefetcht2"},
    {X86_PREFETCH, "prefetchnta"},
    {X86_PREFETCH, "prefetchwt1"},
};

static const char *const conditions[16] = {"o", "no", "b", "nb", "z", "nz", "be", "nbe",
                                           "s", "ns", "p", "np", "l", "nl", "le", "nle"};

static unsigned log2_bytes(unsigned bytes)
{
    return bytes >= 8 ? 3 : bytes / 2;
}

static bool conditional(const struct x86_insn *insn, const char *name)
{
    const char *stem = insn->mnem == X86_Jcc ? "j" : insn->mnem == X86_SETcc ? "set" : "cmov";
    size_t n = strlen(stem);

    return strncmp(name, stem, n) == 0 && strcmp(name + n, conditions[insn->cond]) == 0;
}

static bool same_mnemonic(const struct x86_insn *insn, const char *name)
{
    const char *of_counter[] = {"jcxz", "jcxz", "jecxz", "jrcxz"};

    if (strcasecmp(x86_mnem_name(insn->mnem), name) == 0)
        return true;
    if (insn->mnem == X86_Jcc || insn->mnem == X86_SETcc || insn->mnem == X86_CMOVcc)
        return conditional(insn, name);
    if (insn->mnem == X86_JCXZ)
        return strcmp(name, of_counter[log2_bytes(insn->addrsize)]) == 0;
    for (unsigned i = 0; i < sizeof(sized) / sizeof(sized[0]); i++) {
        unsigned element =
            insn->op[0].kind == X86_OP_SRC || insn->op[0].kind == X86_OP_DST ? insn->op[0].bytes : insn->op[1].bytes;
        const char *ours;

        if (sized[i].mnem != insn->mnem)
            continue;
        ours = sized[i].names[log2_bytes(sized[i].by_element ? element : insn->opsize)];
        return ours && strcmp(name, ours) == 0;
    }
    for (unsigned i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (aliases[i].mnem == insn->mnem && strcmp(aliases[i].name, name) == 0)
            return true;
    return false;
}

static ZydisRegister gpr(unsigned reg, unsigned bytes)
{
    if (reg == X86_REG_NONE)
        return ZYDIS_REGISTER_NONE;
    switch (bytes) {
    case 1:
        if (reg >= X86_AH)
            return ZYDIS_REGISTER_AH + (reg - X86_AH);
        return reg < 4   ? ZYDIS_REGISTER_AL + reg
               : reg < 8 ? ZYDIS_REGISTER_SPL + (reg - 4)
                         : ZYDIS_REGISTER_R8B + (reg - 8);
    case 2: return ZYDIS_REGISTER_AX + reg;
    case 4: return ZYDIS_REGISTER_EAX + reg;
    default: return ZYDIS_REGISTER_RAX + reg;
    }
}

static ZydisRegister as_register(const struct x86_operand *op)
{
    switch (op->kind) {
    case X86_OP_GPR: return gpr(op->reg, op->bytes);
    case X86_OP_SREG: return ZYDIS_REGISTER_ES + op->reg;
    case X86_OP_CR: return ZYDIS_REGISTER_CR0 + op->reg;
    case X86_OP_DR: return ZYDIS_REGISTER_DR0 + op->reg;
    case X86_OP_ST: return ZYDIS_REGISTER_ST0 + op->reg;
    case X86_OP_MM: return ZYDIS_REGISTER_MM0 + op->reg;
    case X86_OP_VEC: return (op->bytes == 32 ? ZYDIS_REGISTER_YMM0 : ZYDIS_REGISTER_XMM0) + op->reg;
    default: return ZYDIS_REGISTER_NONE;
    }
}

static bool same_memory(const struct x86_insn *insn, const ZydisDecodedOperand *z)
{
    ZydisRegister base = gpr(insn->base, insn->addrsize), index = gpr(insn->index, insn->addrsize);
    uint64_t mask = insn->addrsize == 8 ? ~0ull : (1ull << 8 * insn->addrsize) - 1;

    if (insn->base == X86_BASE_RIP)
        base = insn->addrsize == 8 ? ZYDIS_REGISTER_RIP : ZYDIS_REGISTER_EIP;
    if (insn->vsib)
        index = (insn->vsib == 32 ? ZYDIS_REGISTER_YMM0 : ZYDIS_REGISTER_XMM0) + insn->index;
    return z->type == ZYDIS_OPERAND_TYPE_MEMORY && z->mem.base == base && z->mem.index == index &&
           (index == ZYDIS_REGISTER_NONE || z->mem.scale == insn->scale) &&
           (((uint64_t)z->mem.disp.value ^ (uint64_t)insn->disp) & mask) == 0 &&
           (insn->mnem == X86_LEA || z->mem.segment == (ZydisRegister)(ZYDIS_REGISTER_ES + insn->seg));
}

static bool same_string(const struct x86_insn *insn, const struct x86_operand *op, const ZydisDecodedOperand *z)
{
    bool source = op->kind == X86_OP_SRC;
    unsigned seg = !source ? X86_ES : insn->seg_override != X86_SREG_NONE ? insn->seg_override : X86_DS;

    return z->type == ZYDIS_OPERAND_TYPE_MEMORY && z->mem.base == gpr(source ? X86_RSI : X86_RDI, insn->addrsize) &&
           z->mem.segment == (ZydisRegister)(ZYDIS_REGISTER_ES + seg);
}

static bool same_value(const struct x86_insn *insn, const struct x86_operand *op, const ZydisDecodedOperand *z)
{
    uint64_t ours = insn->imm[op->reg];
    uint64_t mask = op->bytes < 8 && op->kind == X86_OP_IMM ? (1ull << 8 * op->bytes) - 1 : ~0ull;

    if (op->kind == X86_OP_FAR)
        return z->type == ZYDIS_OPERAND_TYPE_POINTER && z->ptr.offset == insn->imm[0] && z->ptr.segment == insn->imm[1];
    return z->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && ((z->imm.value.u ^ ours) & mask) == 0 &&
           z->imm.is_relative == (op->kind == X86_OP_REL) && (ours & ~mask) == 0;
}

/* NULL if the operands are the same, else what is not */
static const char *operand_difference(const struct x86_insn *insn, const struct x86_operand *op,
                                      const ZydisDecodedOperand *z)
{
    switch (op->kind) {
    case X86_OP_MEM:
        if (!same_memory(insn, z))
            return "address";
        break;
    case X86_OP_SRC:
    case X86_OP_DST:
        if (!same_string(insn, op, z))
            return "string operand";
        break;
    case X86_OP_IMM:
    case X86_OP_REL:
    case X86_OP_FAR: return same_value(insn, op, z) ? NULL : "immediate";
    default:
        if (z->type != ZYDIS_OPERAND_TYPE_REGISTER || z->reg.value != as_register(op))
            return "register";
        break;
    }
    /* Zydis gives vector registers now their own size, now what is used of them; ours is compared by XMM or YMM */
    if (op->kind == X86_OP_VEC || op->kind == X86_OP_MM)
        return NULL;
    return op->bytes && z->size != 8 * op->bytes ? "size" : NULL;
}

static bool same_access(const struct x86_operand *op, const ZydisDecodedOperand *z)
{
    bool reads = z->actions & ZYDIS_OPERAND_ACTION_MASK_READ, writes = z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

    /* an operand written under a condition keeps its value otherwise: that is a read for us */
    if ((z->actions & ZYDIS_OPERAND_ACTION_CONDWRITE) && op->kind != X86_OP_MEM)
        reads = true;
    return reads == !!(op->flags & X86_OPF_READ) && writes == !!(op->flags & X86_OPF_WRITE);
}

/*
 * Our operands must be Zydis's visible ones, in order. Hidden ones (flags, stack, counters) may stand between; we name
 * some of them (string operands).
 */
static enum difference match_operands(struct zydis_pair *p)
{
    const struct x86_insn *insn = &p->insn;
    unsigned k = 0;
    enum difference diff = DIFF_NONE;

    for (unsigned i = 0; i < insn->nops; i++, k++) {
        const char *what = "number of operands";

        for (; k < p->z.operand_count; k++) {
            what = operand_difference(insn, &insn->op[i], &p->zop[k]);
            if (!what || p->zop[k].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN)
                break;
        }
        p->detail = what;
        if (what)
            return DIFF_OPERANDS;
        if (!same_access(&insn->op[i], &p->zop[k]))
            diff = DIFF_ACCESS;
    }
    for (; k < p->z.operand_count; k++)
        if (p->zop[k].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
            p->detail = "number of operands";
            return DIFF_OPERANDS;
        }
    p->detail = "access";
    return diff;
}

static bool match_flags(struct zydis_pair *p)
{
    static const ZydisAccessedFlags none;
    const ZydisAccessedFlags *f = p->z.cpu_flags ? p->z.cpu_flags : &none;
    const struct x86_row *row = p->insn.row;
    unsigned mask = 0xcd5; /* status flags and DF: Zydis calls IOPL read wherever a privilege is checked */

    p->detail = (f->tested & mask) != (row->flags_read & mask)       ? "flags read"
                : (f->undefined & mask & ~row->flags_undefined) != 0 ? "flags undefined"
                                                                     : "flags written";
    return (f->tested & mask) == (row->flags_read & mask) && (f->undefined & mask) == row->flags_undefined &&
           ((f->modified | f->set_0 | f->set_1) & mask) == (row->flags_written & mask);
}

enum difference zydis_match(const ZydisDecoder decoders[3], struct zydis_pair *p)
{
    enum difference diff;

    p->len = x86_decode(p->bytes, p->size, p->mode, &p->insn);
    p->status = ZydisDecoderDecodeFull(&decoders[p->mode], p->bytes, p->size, &p->z, p->zop);
    p->detail = "validity";
    if (ZYAN_SUCCESS(p->status) != (p->len > 0))
        return p->len > 0 ? DIFF_OURS_ONLY : DIFF_ZYDIS_ONLY;
    if (p->len <= 0)
        return DIFF_NONE;
    p->detail = "length";
    if (p->len != p->z.length)
        return DIFF_LENGTH;
    p->detail = "mnemonic";
    if (!same_mnemonic(&p->insn, ZydisMnemonicGetString(p->z.mnemonic)))
        return DIFF_MNEMONIC;
    diff = match_operands(p);
    if (diff)
        return diff;
    return match_flags(p) ? DIFF_NONE : DIFF_FLAGS;
}
