/*
 * zydis_known.c - every difference from Zydis that stays, with its reason.
 */
#include "zydis_match.h"

#include <glib.h>

enum { ANY_MNEM = -1, ANY_ENC = -1, ANY_EXT = 0 };

#define EXT(ext, reason)                                                                                               \
    {                                                                                                                  \
        DIFF_ZYDIS_ONLY, ANY_MNEM, ZYDIS_ISA_EXT_##ext, ANY_ENC, NULL, reason                                          \
    }
#define ENCODING(enc, reason)                                                                                          \
    {                                                                                                                  \
        DIFF_ZYDIS_ONLY, ANY_MNEM, ANY_EXT, ZYDIS_INSTRUCTION_ENCODING_##enc, NULL, reason                             \
    }
#define OURS(mask, mnem, reason)                                                                                       \
    {                                                                                                                  \
        mask, X86_##mnem, ANY_EXT, ANY_ENC, NULL, reason                                                               \
    }
#define OURS_IF(mask, mnem, when, reason)                                                                              \
    {                                                                                                                  \
        mask, X86_##mnem, ANY_EXT, ANY_ENC, when, reason                                                               \
    }
#define WHEN(mask, when, reason)                                                                                       \
    {                                                                                                                  \
        mask, ANY_MNEM, ANY_EXT, ANY_ENC, when, reason                                                                 \
    }

static bool has_rep(const struct zydis_pair *p)
{
    return p->insn.rep != 0;
}

static bool has_small_operands(const struct zydis_pair *p)
{
    return p->insn.opsize == 2;
}

/* Only what the row leaves undefined differs, or what it says is read. */
static bool undefined_differs(const struct zydis_pair *p)
{
    return p->detail && g_str_equal(p->detail, "flags undefined");
}

static bool read_differs(const struct zydis_pair *p)
{
    return p->detail && g_str_equal(p->detail, "flags read");
}

/* 67h, REX.B and a SIB byte without a base: Zydis takes R13D for the base; a CPU does not (measured on Zen 4). */
static bool sib_without_base(const struct zydis_pair *p)
{
    return p->z.raw.sib.offset && p->insn.mode == X86_MODE_64 && p->insn.addrsize == 4 && p->z.raw.modrm.mod == 0 &&
           p->z.raw.sib.base == 5 && (p->insn.rex & 1);
}

static const struct known {
    int mask;                                 /* enum difference */
    int mnem;                                 /* ours */
    int isa_ext;                              /* Zydis's */
    int encoding;                             /* Zydis's */
    bool (*when)(const struct zydis_pair *p); /* or NULL */
    const char *reason;
} known[] = {
    /* Extensions we leave out: #UD for us */
    ENCODING(3DNOW, "left out: 3DNow!"),
    ENCODING(XOP, "left out: XOP, TBM, LWP"),
    ENCODING(EVEX, "left out: AVX-512"),
    EXT(FMA4, "left out: FMA4"),
    EXT(VTX, "left out: VMX but VMCALL"),
    EXT(SVM, "left out: SVM but VMMCALL"),
    EXT(CET, "left out: CET"),
    EXT(AMD3DNOW, "left out: 3DNow! (FEMMS)"),
    EXT(AVX512VEX, "left out: AVX-512 mask instructions"),
    EXT(KNC, "left out: Knights Corner"),
    EXT(KNCE, "left out: Knights Corner"),
    EXT(KNCV, "left out: Knights Corner"),
    EXT(SMX, "left out: SMX (GETSEC)"),
    EXT(KEYLOCKER, "left out: key locker"),
    EXT(KEYLOCKER_WIDE, "left out: key locker"),
    EXT(MOVDIR, "left out: MOVDIRI, MOVDIR64B"),
    EXT(MONITORX, "left out: MONITORX, MWAITX"),
    EXT(GFNI, "left out: GFNI"),
    EXT(AVX_VNNI, "left out: AVX-VNNI"),
    EXT(VAES, "left out: VAES (256-bit)"),
    EXT(VPCLMULQDQ, "left out: VPCLMULQDQ (256-bit)"),
    EXT(XOP, "left out: XOP"),
    EXT(RTM, "left out: TSX"),
    EXT(PT, "left out: PTWRITE"),
    EXT(PADLOCK, "left out: VIA PadLock"),
    EXT(AMD_INVLPGB, "left out: INVLPGB, TLBSYNC"),
    EXT(AMX_BF16, "left out: AMX"),
    EXT(AMX_INT8, "left out: AMX"),
    EXT(AMX_TILE, "left out: AMX"),
    EXT(CLZERO, "left out: CLZERO"),
    EXT(ENQCMD, "left out: ENQCMD"),
    EXT(HRESET, "left out: HRESET"),
    EXT(MCOMMIT, "left out: MCOMMIT"),
    EXT(PCONFIG, "left out: PCONFIG"),
    EXT(PKU, "left out: protection keys"),
    EXT(RDPRU, "left out: RDPRU"),
    EXT(SERIALIZE, "left out: SERIALIZE"),
    EXT(SGX, "left out: SGX"),
    EXT(SGX_ENCLV, "left out: SGX"),
    EXT(SNP, "left out: SEV-SNP"),
    EXT(TBM, "left out: TBM"),
    EXT(TDX, "left out: TDX"),
    EXT(TSX_LDTRK, "left out: TSX"),
    EXT(UINTR, "left out: user interrupts"),
    EXT(VMFUNC, "left out: VMFUNC"),
    EXT(WAITPKG, "left out: WAITPKG"),
    EXT(MPX, "left out: MPX"),

    /* Zydis's operand actions and sizes */
    OURS(DIFF_OPERANDS | DIFF_ACCESS, NOP, "hint NOPs use none of their operands; Zydis lists and reads them"),
    OURS(DIFF_ACCESS, PREFETCH, "hints do not read their operand"),
    OURS(DIFF_ACCESS, CLFLUSH, "cache line instructions do not read their operand"),
    OURS(DIFF_ACCESS, CLFLUSHOPT, "cache line instructions do not read their operand"),
    OURS(DIFF_ACCESS, CLWB, "cache line instructions do not read their operand"),
    OURS(DIFF_ACCESS, INVLPG, "INVLPG does not read its operand"),
    OURS(DIFF_ACCESS, UD0, "UD0 and UD1 use none of their operands"),
    OURS(DIFF_ACCESS, UD1, "UD0 and UD1 use none of their operands"),
    OURS(DIFF_ACCESS, FFREE, "FFREE changes the tag, not the register"),
    OURS(DIFF_ACCESS, FFREEP, "FFREE changes the tag, not the register"),
    OURS(DIFF_ACCESS, BSF, "BSF and BSR keep the destination if the source is 0"),
    OURS(DIFF_ACCESS, BSR, "BSF and BSR keep the destination if the source is 0"),
    OURS(DIFF_OPERANDS, LAR, "LAR and LSL use 16 bits of the source register (SDM)"),
    OURS(DIFF_OPERANDS, LSL, "LAR and LSL use 16 bits of the source register (SDM)"),
    OURS_IF(DIFF_OPERANDS, MOVSXD, has_small_operands, "MOVSXD with 66 reads 16 bits (SDM; AMD reads 32)"),
    OURS_IF(DIFF_ACCESS, MOVS, has_rep, "with REP every access is conditional for Zydis"),
    OURS_IF(DIFF_ACCESS, STOS, has_rep, "with REP every access is conditional for Zydis"),
    OURS_IF(DIFF_ACCESS, LODS, has_rep, "with REP every access is conditional for Zydis"),
    OURS_IF(DIFF_ACCESS, INS, has_rep, "with REP every access is conditional for Zydis"),
    OURS(DIFF_ACCESS, INSERTQ, "EXTRQ and INSERTQ read their destination (AMD APM)"),
    OURS(DIFF_ACCESS, EXTRQ, "EXTRQ and INSERTQ read their destination (AMD APM)"),
    OURS(DIFF_MNEMONIC, XCHG, "F3 REX.B 90 exchanges rAX and R8 (measured on Zen 4), Zydis calls it PAUSE"),
    WHEN(DIFF_OPERANDS, sib_without_base, "67, REX.B and SIB base 5 with mod 0: no base (SDM table 2-3)"),

    /* EFLAGS */
    OURS(DIFF_FLAGS, VMCALL, "what VMCALL changes is the hypervisor's business"),
    OURS(DIFF_FLAGS, VTESTPS, "Zydis forgets that VTESTPx and VPTEST clear OF SF AF PF (SDM)"),
    OURS(DIFF_FLAGS, VTESTPD, "Zydis forgets that VTESTPx and VPTEST clear OF SF AF PF (SDM)"),
    OURS(DIFF_FLAGS, VPTEST, "Zydis forgets that VTESTPx and VPTEST clear OF SF AF PF (SDM)"),
    OURS_IF(DIFF_FLAGS, SBB, undefined_differs, "Zydis: AF undefined after SBB; it is defined (SDM)"),
    OURS_IF(DIFF_FLAGS, SCAS, has_rep, "Zydis: REPE/REPNE reads ZF; that is the ZF of its own comparison"),
    OURS_IF(DIFF_FLAGS, CMPS, has_rep, "Zydis: REPE/REPNE reads ZF; that is the ZF of its own comparison"),
    OURS_IF(DIFF_FLAGS, ROL, undefined_differs, "Zydis does not know that OF is defined for a count of 1"),
    OURS_IF(DIFF_FLAGS, ROR, undefined_differs, "Zydis does not know that OF is defined for a count of 1"),
    OURS_IF(DIFF_FLAGS, RCL, undefined_differs, "Zydis does not know that OF is defined for a count of 1"),
    OURS_IF(DIFF_FLAGS, RCR, undefined_differs, "Zydis does not know that OF is defined for a count of 1"),
    OURS_IF(DIFF_FLAGS, SHL, undefined_differs, "Zydis does not know that OF is defined for a count of 1"),
    OURS_IF(DIFF_FLAGS, SHR, undefined_differs, "Zydis does not know that OF is defined for a count of 1"),
    OURS_IF(DIFF_FLAGS, SAR, undefined_differs, "Zydis does not know that OF is defined for a count of 1"),
    OURS_IF(DIFF_FLAGS, INT, read_differs, "interrupts push EFLAGS: all flags are read"),
    OURS_IF(DIFF_FLAGS, INT1, read_differs, "interrupts push EFLAGS: all flags are read"),
    OURS_IF(DIFF_FLAGS, INT3, read_differs, "interrupts push EFLAGS: all flags are read"),
    OURS_IF(DIFF_FLAGS, INTO, read_differs, "interrupts push EFLAGS: all flags are read"),
    OURS_IF(DIFF_FLAGS, SYSCALL, read_differs, "SYSCALL saves EFLAGS in R11: all flags are read"),
    OURS(DIFF_FLAGS, MOV_CR, "status flags are undefined after MOV CR and MOV DR (SDM)"),
    OURS(DIFF_FLAGS, MOV_DR, "status flags are undefined after MOV CR and MOV DR (SDM)"),
    OURS_IF(DIFF_FLAGS, BEXTR, undefined_differs, "Zydis: CF and OF undefined after BEXTR; they are 0 (SDM)"),
    {0, 0, 0, 0, NULL, NULL},
};

int zydis_explain(enum difference diff, const struct zydis_pair *p)
{
    for (int i = 0; known[i].reason; i++)
        if ((known[i].mask & diff) && (known[i].mnem == ANY_MNEM || (p->len > 0 && known[i].mnem == p->insn.mnem)) &&
            (known[i].isa_ext == ANY_EXT || (ZYAN_SUCCESS(p->status) && known[i].isa_ext == (int)p->z.meta.isa_ext)) &&
            (!known[i].when || known[i].when(p)) &&
            (known[i].encoding == ANY_ENC || (ZYAN_SUCCESS(p->status) && known[i].encoding == (int)p->z.encoding)))
            return i;
    return -1;
}

const char *zydis_reason(int number)
{
    return known[number].reason;
}
