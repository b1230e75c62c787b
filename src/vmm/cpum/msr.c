/*
 * msr.c - model-specific registers, as one table of rows; a register without a row is #GP(0).
 *
 * Sources: SDM vol. 4 tables 2-2 and following; AMD PPR family 17h, APM vol. 2 appendix A.
 * Left out: machine-check banks (MCG_CAP says none), performance counters (architectural version 0; AMD's four read 0),
 *   last-branch records (read 0), SMM ranges.
 * Threads: the vCPU's own.
 * Invariant 1: a refused write changes nothing.
 * Invariant 2: base addresses that are later used as linear addresses are canonical.
 */
#include "vmm/cpum/cpum_int.h"

#include <stddef.h>

enum msr_kind {
    FIELD, /* 64-bit member(s) of cpum_ctx from @offset on; bits in @reserved: #GP */
    CANON, /* FIELD, and the value must be canonical */
    CONST, /* reads @offset's place: value; writes #GP */
    NOP,   /* reads value; writes are ignored */
    CMD,   /* write-only command without effect here; reads #GP */
    CALL,  /* read and write functions */
};
enum { INTEL = CPUM_VENDOR_INTEL, AMD = CPUM_VENDOR_AMD, BOTH = INTEL | AMD };

struct msr_row {
    uint32_t first, last;
    uint8_t vendors;
    uint8_t kind;
    uint16_t offset;
    uint64_t arg; /* FIELD: reserved bits; CONST, NOP: value */
    bool (*read)(struct vcpu *c, uint32_t msr, uint64_t *ret);
    bool (*write)(struct vcpu *c, uint32_t msr, uint64_t val);
};

/* ---- registers with behaviour ---- */

static bool efer_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = c->ctx.efer;
    return true;
}

static bool efer_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    (void)msr;
    return cpum_efer_write(c, val);
}

static uint64_t tsc_now(struct vcpu *c)
{
    return c->outside && c->outside->tsc ? c->outside->tsc(c->outside_user, c->id) : 0;
}

static void tsc_put(struct vcpu *c, uint64_t val)
{
    if (c->outside && c->outside->tsc_set)
        c->outside->tsc_set(c->outside_user, c->id, val);
}

static bool tsc_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = tsc_now(c);
    return true;
}

/* SDM 17.17.3: a write to the TSC adds the same difference to TSC_ADJUST, and the other way round. */
static bool tsc_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    (void)msr;
    c->ctx.tsc_adjust += val - tsc_now(c);
    tsc_put(c, val);
    return true;
}

static bool adjust_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = c->ctx.tsc_adjust;
    return cpum_sys(c, CPUM_SYS_TSC_ADJUST);
}

static bool adjust_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    (void)msr;
    if (!cpum_sys(c, CPUM_SYS_TSC_ADJUST))
        return false;
    tsc_put(c, tsc_now(c) + val - c->ctx.tsc_adjust);
    c->ctx.tsc_adjust = val;
    return true;
}

/* APIC base, TSC deadline and the x2APIC registers live in the local APIC. */
static bool apic_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    return c->outside && c->outside->apic_msr_read && c->outside->apic_msr_read(c->outside_user, c->id, msr, ret);
}

static bool apic_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    return c->outside && c->outside->apic_msr_write && c->outside->apic_msr_write(c->outside_user, c->id, msr, val);
}

/* PAT and MTRR types: 0, 1, 4, 5, 6 and, for PAT, 7; SDM tables 11-8 and 11-10. */
static bool memory_types_ok(uint64_t val, unsigned allowed)
{
    for (unsigned i = 0; i < 8; i++, val >>= 8)
        if ((val & 0xff) > 7 || !(allowed >> (val & 7) & 1))
            return false;
    return true;
}

static bool pat_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = c->ctx.pat;
    return true;
}

static bool pat_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    (void)msr;
    if (!memory_types_ok(val, 0xf3))
        return false;
    c->ctx.pat = val;
    return true;
}

/* Fixed-range MTRRs 250h, 258h, 259h, 268h-26Fh -> 0-10; the row allows no other number. */
static unsigned mtrr_fixed_index(uint32_t msr)
{
    if (msr == 0x250)
        return 0;
    return msr < 0x268 ? msr - 0x258 + 1 : msr - 0x268 + 3;
}

static bool mtrr_fixed_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    *ret = c->ctx.mtrr_fixed[mtrr_fixed_index(msr)];
    return true;
}

static bool mtrr_fixed_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    if (!cpum_is_amd(c) && !memory_types_ok(val, 0x73)) /* AMD: bits 3-4 of each are RdMem/WrMem when SYSCFG says so */
        return false;
    c->ctx.mtrr_fixed[mtrr_fixed_index(msr)] = val;
    return true;
}

static bool mtrr_var_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    *ret = c->ctx.mtrr_phys[msr - 0x200];
    return true;
}

static bool mtrr_var_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    const uint64_t low_reserved = msr & 1 ? 0x7ff : 0xf00;

    if ((val & low_reserved) || val >> c->profile->phys_bits || (!(msr & 1) && !(0x73u >> (val & 7) & 1)))
        return false;
    c->ctx.mtrr_phys[msr - 0x200] = val;
    return true;
}

/* Reads as fetched by CPUID(1): SDM 9.11.7. The revision is constant here. */
static bool patch_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = c->ctx.microcode_rev;
    return true;
}

static bool patch_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    (void)c, (void)msr, (void)val;
    return true;
}

static bool tsc_aux_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = c->ctx.tsc_aux;
    return cpum_has(c, X86_FEAT_RDTSCP) || cpum_has(c, X86_FEAT_RDPID);
}

static bool tsc_aux_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    (void)msr;
    if (val >> 32 || !(cpum_has(c, X86_FEAT_RDTSCP) || cpum_has(c, X86_FEAT_RDPID)))
        return false;
    c->ctx.tsc_aux = val;
    return true;
}

/*
 * What a guest would otherwise work round: none of these leaks exists across a translated or interpreted instruction.
 * RDCL_NO IBRS_ALL SKIP_L1DFL SSB_NO MDS_NO PSCHANGE_MC_NO TAA_NO SBDR_SSDP_NO FBSDP_NO PSDP_NO BHI_NO PBRSB_NO GDS_NO
 * RFDS_NO ITS_NO. Linux still empties the branch history at every system call of a virtual machine, unless there is
 * SPEC_CTRL.BHI_DIS_S, which it sets once and which means nothing here.
 */
#define ARCH_CAPABILITIES                                                                                              \
    (1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 4 | 1ull << 5 | 1ull << 6 | 1ull << 8 | 1ull << 13 | 1ull << 14 |     \
     1ull << 15 | 1ull << 20 | 1ull << 24 | 1ull << 26 | 1ull << 27 | 1ull << 62)

static bool arch_cap_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = ARCH_CAPABILITIES;
    return cpum_sys(c, CPUM_SYS_ARCH_CAP);
}

static bool read_only(struct vcpu *c, uint32_t msr, uint64_t val)
{
    (void)c, (void)msr, (void)val;
    return false;
}

/* PLATFORM_INFO: maximum non-turbo ratio in bits 15:8, in units of 100 MHz. */
static bool platform_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    (void)msr;
    *ret = (c->profile->tsc_hz / 100000000 & 0xff) << 8;
    return true;
}

/* ---- the table, ascending ---- */

#define AT(m) (uint16_t) offsetof(struct cpum_ctx, m)
#define FN(a, b, v, rd, wr)                                                                                            \
    {                                                                                                                  \
        a, b, v, CALL, 0, 0, rd, wr                                                                                    \
    }
#define VAL(a, v, k, m, r)                                                                                             \
    {                                                                                                                  \
        a, a, v, k, AT(m), r, NULL, NULL                                                                               \
    }
#define FIX(a, b, v, k, value)                                                                                         \
    {                                                                                                                  \
        a, b, v, k, 0, value, NULL, NULL                                                                               \
    }
#define HIGH32 0xffffffff00000000ull

/* clang-format off */
static const struct msr_row msrs[] = {
    FIX(0x0, 0x1, BOTH, NOP, 0),                              /* P5_MC_ADDR, P5_MC_TYPE */
    FN (0x10, 0x10, BOTH, tsc_read, tsc_write),
    FIX(0x17, 0x17, INTEL, CONST, 0),                         /* PLATFORM_ID */
    FN (0x1b, 0x1b, BOTH, apic_read, apic_write),             /* APIC_BASE */
    FIX(0x2a, 0x2a, INTEL, NOP, 0),                           /* EBL_CR_POWERON */
    FIX(0x2c, 0x2c, INTEL, CONST, 0),                         /* EBC_FREQUENCY_ID */
    VAL(0x3a, INTEL, FIELD, feature_control, ~0x7ull),
    FN (0x3b, 0x3b, BOTH, adjust_read, adjust_write),
    VAL(0x48, INTEL, FIELD, spec_ctrl, ~0x407ull),
    FIX(0x49, 0x49, INTEL, CMD, 0),                            /* PRED_CMD */
    FIX(0x79, 0x79, INTEL, CMD, 0),                           /* BIOS_UPDT_TRIG */
    FN (0x8b, 0x8b, BOTH, patch_read, patch_write),           /* BIOS_SIGN_ID, PATCH_LEVEL */
    FN (0xce, 0xce, INTEL, platform_read, read_only),
    FIX(0xe7, 0xe8, BOTH, NOP, 0),                            /* MPERF, APERF */
    FIX(0xfe, 0xfe, BOTH, CONST, 0x508),                      /* MTRRCAP: 8 variable, fixed, WC */
    FN (0x10a, 0x10a, INTEL, arch_cap_read, read_only),
    FIX(0x10b, 0x10b, INTEL, CMD, 0),                         /* FLUSH_CMD */
    FIX(0x119, 0x119, INTEL, NOP, 0),                         /* BBL_CR_CTL (serial number disabled) */
    FIX(0x11e, 0x11e, INTEL, NOP, 0),                         /* BBL_CR_CTL3 */
    FIX(0x140, 0x140, INTEL, NOP, 0),                         /* MISC_FEATURES_ENABLES */
    VAL(0x174, BOTH, FIELD, sysenter_cs, HIGH32),
    VAL(0x175, BOTH, CANON, sysenter_esp, 0),
    VAL(0x176, BOTH, CANON, sysenter_eip, 0),
    FIX(0x179, 0x179, BOTH, CONST, 0),                        /* MCG_CAP: no banks */
    VAL(0x17a, BOTH, FIELD, mcg_status, ~0x7ull),
    FIX(0x186, 0x187, INTEL, NOP, 0),                         /* PERFEVTSEL0-1 */
    FIX(0x198, 0x198, INTEL, CONST, 0),                       /* PERF_STATUS */
    FIX(0x199, 0x199, INTEL, NOP, 0),                         /* PERF_CTL */
    FIX(0x19a, 0x19c, INTEL, NOP, 0),                         /* CLOCK_MODULATION, THERM_INTERRUPT, THERM_STATUS */
    VAL(0x1a0, INTEL, FIELD, misc_enable, 0),
    FIX(0x1a2, 0x1a2, INTEL, CONST, 0),                       /* TEMPERATURE_TARGET */
    FIX(0x1c9, 0x1c9, INTEL, CONST, 0),                       /* LASTBRANCH_TOS */
    VAL(0x1d9, BOTH, FIELD, debugctl, ~0x3full),              /* kept, without effect */
    FIX(0x1db, 0x1de, BOTH, CONST, 0),                        /* LAST_BRANCH/INT_FROM/TO_IP */
    FN (0x200, 0x20f, BOTH, mtrr_var_read, mtrr_var_write),
    FN (0x250, 0x250, BOTH, mtrr_fixed_read, mtrr_fixed_write),
    FN (0x258, 0x259, BOTH, mtrr_fixed_read, mtrr_fixed_write),
    FN (0x268, 0x26f, BOTH, mtrr_fixed_read, mtrr_fixed_write),
    FN (0x277, 0x277, BOTH, pat_read, pat_write),
    VAL(0x2ff, BOTH, FIELD, mtrr_def_type, ~0xcffull),
    FN (0x6e0, 0x6e0, BOTH, apic_read, apic_write),           /* TSC_DEADLINE */
    FN (0x800, 0x8ff, BOTH, apic_read, apic_write),           /* x2APIC */
    FN (0xc0000080, 0xc0000080, BOTH, efer_read, efer_write),
    VAL(0xc0000081, BOTH, FIELD, star, 0),
    VAL(0xc0000082, BOTH, CANON, lstar, 0),
    VAL(0xc0000083, BOTH, CANON, cstar, 0),
    VAL(0xc0000084, BOTH, FIELD, sfmask, HIGH32),
    VAL(0xc0000100, BOTH, CANON, seg[X86_FS].base, 0),
    VAL(0xc0000101, BOTH, CANON, seg[X86_GS].base, 0),
    VAL(0xc0000102, BOTH, CANON, kernel_gs_base, 0),
    FN (0xc0000103, 0xc0000103, BOTH, tsc_aux_read, tsc_aux_write),
    FIX(0xc0000104, 0xc0000104, AMD, NOP, 0x100000000ull),    /* TSC_RATIO: 1.0 */
    FIX(0xc0010000, 0xc0010007, AMD, NOP, 0),                 /* PERF_CTL0-3, PERF_CTR0-3 */
    FIX(0xc0010010, 0xc0010010, AMD, NOP, 0),                 /* SYSCFG: no TOM2, no encryption */
    VAL(0xc0010015, AMD, FIELD, hwcr, 0),
    FIX(0xc0010016, 0xc001001a, AMD, NOP, 0),                 /* IORR, TOP_MEM */
    FIX(0xc001001d, 0xc001001d, AMD, NOP, 0),                 /* TOP_MEM2 */
    FIX(0xc001001f, 0xc001001f, AMD, NOP, 0),                 /* NB_CFG */
    FIX(0xc0010020, 0xc0010020, AMD, CMD, 0),                 /* PATCH_LOADER */
    FIX(0xc0010022, 0xc0010022, AMD, NOP, 0),                 /* MC_EXP_REDIR */
    FIX(0xc0010055, 0xc0010055, AMD, NOP, 0),                 /* INT_PENDING_MSG */
    FIX(0xc0010058, 0xc0010058, AMD, NOP, 0),                 /* MMIO_CONF_BASE */
    FIX(0xc0010112, 0xc0010113, AMD, NOP, 0),                 /* SMM_ADDR, SMM_MASK */
    FIX(0xc0010114, 0xc0010114, AMD, NOP, 0x10),              /* VM_CR: SVM disabled */
    FIX(0xc0010117, 0xc0010117, AMD, NOP, 0),                 /* VM_HSAVE_PA */
    FIX(0xc0010140, 0xc0010141, AMD, NOP, 0),                 /* OSVW */
    FIX(0xc0011004, 0xc0011005, AMD, NOP, 0),                 /* CPUID feature overrides */
    FIX(0xc0011019, 0xc001101b, AMD, NOP, 0),                 /* DR1-3 address masks */
    FIX(0xc0011020, 0xc0011023, AMD, NOP, 0),                 /* LS_CFG IC_CFG DC_CFG BU_CFG */
    FIX(0xc0011027, 0xc0011027, AMD, NOP, 0),                 /* DR0 address mask */
    FIX(0xc0011028, 0xc0011028, AMD, NOP, 0),                 /* FP_CFG */
    VAL(0xc0011029, AMD, FIELD, amd_de_cfg, 0),
    FIX(0xc001102a, 0xc001102d, AMD, NOP, 0),                 /* BU_CFG2 .. LS_CFG2 */
    FIX(0xc00110e3, 0xc00110e3, AMD, NOP, 0),                 /* BP_CFG family 17h */
};
/* clang-format on */

static const struct msr_row *row_of(struct vcpu *c, uint32_t msr)
{
    unsigned lo = 0, hi = G_N_ELEMENTS(msrs);

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (msr < msrs[mid].first)
            hi = mid;
        else if (msr > msrs[mid].last)
            lo = mid + 1;
        else
            return msrs[mid].vendors & c->profile->vendor ? &msrs[mid] : NULL;
    }
    return NULL;
}

static uint64_t *row_field(struct vcpu *c, const struct msr_row *row)
{
    return (uint64_t *)(void *)((char *)&c->ctx + row->offset);
}

bool cpum_msr_read(struct vcpu *c, uint32_t msr, uint64_t *ret)
{
    const struct msr_row *row = row_of(c, msr);

    c->stat_msr_reads++;
    if (!row)
        return false;
    switch ((enum msr_kind)row->kind) {
    case FIELD:
    case CANON: *ret = *row_field(c, row); return true;
    case CONST:
    case NOP: *ret = row->arg; return true;
    case CMD: return false;
    case CALL: return row->read(c, msr, ret);
    }
    return false;
}

bool cpum_msr_write(struct vcpu *c, uint32_t msr, uint64_t val)
{
    const struct msr_row *row = row_of(c, msr);

    c->stat_msr_writes++;
    if (!row)
        return false;
    switch ((enum msr_kind)row->kind) {
    case FIELD:
        if (val & row->arg)
            return false;
        *row_field(c, row) = val;
        return true;
    case CANON:
        if (!cpum_canonical(val))
            return false;
        *row_field(c, row) = val;
        return true;
    case NOP:
    case CMD: return true;
    case CALL: return row->write(c, msr, val);
    case CONST: return false;
    }
    return false;
}
