/*
 * profile.c - makes a CPUID profile: a named classic model or the host, cut down to what the engine runs.
 *
 * A profile is a list of leaves plus bitmaps made from it, so that asking for a feature is one test. First every
 * feature word is masked with what x86/feature.def and sysfeature.def know, then topology is written for N vCPUs as N
 * single-thread cores in one package.
 *
 * Sources: SDM vol. 2 CPUID; AMD APM vol. 3 appendix E; VirtualBox's profile names.
 * Left out: AVX-512, MPX, CET, performance monitoring, thermal and power leaves, hypervisor leaves.
 * Thread: made before the vCPUs run, constant after that.
 * Invariant 1: a bit shown in leaf 1, 7, Dh.1, 8000_0001h/07h/08h/21h has a row in one of the two tables, or is a
 *   topology bit set here.
 */
#include "vmm/cpum/cpum_int.h"

#include <cpuid.h>
#include <string.h>

#include <gio/gio.h>

enum { EAX, EBX, ECX, EDX };
enum source { ENGINE, HOST, AMDONLY, INTELONLY };
enum { P_NO_CPUID = 1, P_NO_AC = 2, P_OLD = 4 };

struct feature_bit {
    uint32_t leaf;
    uint8_t subleaf, reg, bit, source;
};

static const struct feature_bit insn_bits[X86_FEAT_COUNT] = {
#define F(name, leaf, subleaf, reg, bit) [X86_FEAT_##name] = {leaf, subleaf, reg, bit, HOST},
#include "x86/feature.def"
#undef F
};
static const struct feature_bit sys_bits[CPUM_SYS_COUNT] = {
#define S(name, leaf, subleaf, reg, bit, source) [CPUM_SYS_##name] = {leaf, subleaf, reg, bit, source},
#include "vmm/cpum/sysfeature.def"
#undef S
};

/* Instruction bits no profile shows: no nested virtualisation; XSAVES has no state to save; MWAIT would only spin. */
static const uint8_t insn_hidden[] = {X86_FEAT_VMX, X86_FEAT_SVM, X86_FEAT_XSAVES, X86_FEAT_MONITOR};

static const struct classic {
    const char *name, *also;
    enum cpum_vendor vendor;
    uint32_t signature, flags, max_basic, max_ext, phys_bits;
    uint32_t f1_ecx, f1_edx, f7_ebx, x1_ecx, x1_edx;
    const char *brand;
} classics[] = {
#define P(name, also, vendor, sig, ...) {name, also, CPUM_VENDOR_##vendor, sig, __VA_ARGS__},
#include "vmm/cpum/profiles.def"
#undef P
};

static const char *const names[] = {"host",
#define P(name, ...) name,
#include "vmm/cpum/profiles.def"
#undef P
                                    NULL};

const char *const *cpum_profile_names(void)
{
    return names;
}

struct cpum_cpuid *cpum_profile_leaf(struct cpum_profile *p, uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < p->leaf_count; i++)
        if (p->leaves[i].leaf == leaf && p->leaves[i].subleaf == subleaf)
            return &p->leaves[i].r;
    return NULL;
}

static struct cpum_cpuid *leaf_add(struct cpum_profile *p, uint32_t leaf, uint32_t subleaf)
{
    struct cpum_cpuid *r = cpum_profile_leaf(p, leaf, subleaf);

    if (r)
        return r;
    g_assert(p->leaf_count < CPUM_MAX_LEAVES); /* the number of leaves is this file's choice */
    p->leaves[p->leaf_count] = (struct cpum_leaf){.leaf = leaf, .subleaf = subleaf};
    return &p->leaves[p->leaf_count++].r;
}

static uint32_t *leaf_reg(struct cpum_cpuid *r, unsigned reg)
{
    uint32_t *const regs[] = {&r->eax, &r->ebx, &r->ecx, &r->edx};

    return regs[reg];
}

/* ---- where the leaves come from ---- */

static struct cpum_cpuid host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpum_cpuid r;

    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

static void host_copy(struct cpum_profile *p, uint32_t leaf, uint32_t subleaf)
{
    *leaf_add(p, leaf, subleaf) = host_cpuid(leaf, subleaf);
}

/* Cache leaves 4 and 8000_001Dh: subleaves until type 0. */
static void host_copy_caches(struct cpum_profile *p, uint32_t leaf)
{
    for (uint32_t sub = 0; sub < 6; sub++) {
        host_copy(p, leaf, sub);
        if (!(cpum_profile_leaf(p, leaf, sub)->eax & 0x1f))
            return;
    }
}

/* Leaf numbers copied as they are; whatever is not here reads zero. */
static const uint32_t host_basic[] = {0, 1, 2};
static const uint32_t host_extended[] = {0x80000000u, 0x80000001u, 0x80000002u, 0x80000003u, 0x80000004u,
                                         0x80000005u, 0x80000006u, 0x80000007u, 0x80000008u, 0x80000021u};

static void fill_from_host(struct cpum_profile *p)
{
    uint32_t max_basic = host_cpuid(0, 0).eax, max_ext = host_cpuid(0x80000000u, 0).eax;
    const uint32_t top_basic = p->vendor == CPUM_VENDOR_INTEL ? 0x16 : 0xd;

    for (unsigned i = 0; i < G_N_ELEMENTS(host_basic); i++)
        if (host_basic[i] <= max_basic)
            host_copy(p, host_basic[i], 0);
    if (max_basic >= 4 && p->vendor == CPUM_VENDOR_INTEL)
        host_copy_caches(p, 4);
    host_copy(p, 7, 0);
    if (max_basic >= 0xd)
        host_copy(p, 0xd, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(host_extended); i++)
        if (host_extended[i] <= max_ext)
            host_copy(p, host_extended[i], 0);
    if (max_ext >= 0x8000001du && p->vendor == CPUM_VENDOR_AMD)
        host_copy_caches(p, 0x8000001du);
    cpum_profile_leaf(p, 0, 0)->eax = MAX(MIN(max_basic, top_basic), 0xd);
    leaf_add(p, 0x80000000u, 0)->eax = p->vendor == CPUM_VENDOR_AMD ? 0x80000021u : 0x80000008u;
    leaf_add(p, 7, 0)->eax = p->vendor == CPUM_VENDOR_INTEL ? 2 : 0; /* subleaf 2: BHI_CTRL */
    p->signature = cpum_model_shown(p->vendor, host_cpuid(1, 0).eax, host_cpuid(7, 0).ebx >> 16 & 1);
    cpum_profile_leaf(p, 1, 0)->eax = p->signature;
    p->phys_bits = 40;
}

static void fill_brand(struct cpum_profile *p, const char *brand)
{
    char text[48] = {};

    memcpy(text, brand, MIN(strlen(brand), sizeof(text)));
    for (uint32_t i = 0; i < 3; i++)
        memcpy(leaf_add(p, 0x80000002u + i, 0), text + 16 * i, 16);
}

static void fill_from_classic(struct cpum_profile *p, const struct classic *m)
{
    static const char *const ids[] = {[CPUM_VENDOR_INTEL] = "GenuntelineI", [CPUM_VENDOR_AMD] = "AuthcAMDenti"};
    struct cpum_cpuid *r = leaf_add(p, 0, 0);

    r->eax = m->max_basic;
    memcpy(&r->ebx, ids[m->vendor], 12); /* EBX, ECX, EDX in memory order */
    p->signature = m->signature;
    p->phys_bits = m->phys_bits;
    *leaf_add(p, 1, 0) = (struct cpum_cpuid){.eax = m->signature, .ecx = m->f1_ecx, .edx = m->f1_edx};
    if (m->max_basic >= 7)
        leaf_add(p, 7, 0)->ebx = m->f7_ebx;
    if (m->max_ext) {
        leaf_add(p, 0x80000000u, 0)->eax = m->max_ext;
        *leaf_add(p, 0x80000001u, 0) = (struct cpum_cpuid){.ecx = m->x1_ecx, .edx = m->x1_edx};
        leaf_add(p, 0x80000008u, 0);
    }
    if (m->brand)
        fill_brand(p, m->brand);
}

/* ---- masking ---- */

static bool bit_allowed(const struct cpum_profile *p, const struct feature_bit *b)
{
    return b->source == ENGINE || b->source == HOST || (b->source == AMDONLY && p->vendor == CPUM_VENDOR_AMD) ||
           (b->source == INTELONLY && p->vendor == CPUM_VENDOR_INTEL);
}

static bool insn_runs_here(enum x86_feature f, const struct cpum_cpuid *host)
{
    if (memchr(insn_hidden, (int)f, sizeof(insn_hidden)))
        return false;
    return *leaf_reg((struct cpum_cpuid *)(uintptr_t)host, insn_bits[f].reg) >> insn_bits[f].bit & 1;
}

/* Feature registers: everything in them is masked; the other registers of these leaves are left alone. */
static const struct feature_reg {
    uint32_t leaf;
    uint8_t subleaf, reg;
} feature_regs[] = {
    {1, 0, ECX},           {1, 0, EDX},           {6, 0, EAX},           {7, 0, EBX},           {7, 0, ECX},
    {7, 0, EDX},           {7, 2, EDX},           {0xd, 1, EAX},         {0x80000001u, 0, ECX}, {0x80000001u, 0, EDX},
    {0x80000007u, 0, EDX}, {0x80000008u, 0, EBX}, {0x80000021u, 0, EAX}, {0x80000021u, 0, ECX},
};

/* What the engine can run of one register; @forced: bits it provides whether the model had them or not. */
static uint32_t engine_mask(const struct cpum_profile *p, const struct feature_reg *fr, uint32_t *forced)
{
    struct cpum_cpuid host = host_cpuid(fr->leaf, fr->subleaf);
    uint32_t mask = 0;

    *forced = 0;
    for (unsigned f = 1; f < X86_FEAT_COUNT; f++) {
        const struct feature_bit *b = &insn_bits[f];

        if (b->leaf == fr->leaf && b->subleaf == fr->subleaf && b->reg == fr->reg && insn_runs_here(f, &host))
            mask |= 1u << b->bit;
    }
    for (unsigned s = 0; s < CPUM_SYS_COUNT; s++) {
        const struct feature_bit *b = &sys_bits[s];

        if (b->leaf != fr->leaf || b->subleaf != fr->subleaf || b->reg != fr->reg || !bit_allowed(p, b))
            continue;
        mask |= 1u << b->bit;
        if (b->source != HOST)
            *forced |= 1u << b->bit;
    }
    return mask;
}

/* Bits of 8000_0001h EDX that AMD repeats from leaf 1. */
#define AMD_REPEATED 0x0183f3ffu

static uint32_t max_of(struct cpum_profile *p, uint32_t leaf)
{
    struct cpum_cpuid *r = cpum_profile_leaf(p, leaf & 0x80000000u, 0);

    return r ? r->eax : 0;
}

static void mask_features(struct cpum_profile *p, bool is_host)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(feature_regs); i++) {
        const struct feature_reg *fr = &feature_regs[i];
        uint32_t forced, mask, *reg;

        if (max_of(p, fr->leaf) < fr->leaf)
            continue;
        reg = leaf_reg(leaf_add(p, fr->leaf, fr->subleaf), fr->reg);
        mask = engine_mask(p, fr, &forced);
        *reg &= mask;
        if (is_host)
            *reg |= forced;
    }
}

static void drop_bits(struct cpum_profile *p, uint32_t leaf, unsigned reg, uint32_t bits)
{
    struct cpum_cpuid *r = cpum_profile_leaf(p, leaf, 0);

    if (r)
        *leaf_reg(r, reg) &= ~bits;
}

/* The machine's own switches: no long mode, no PAE (and with it no NX). */
static void apply_switches(struct cpum_profile *p, bool long_mode, bool pae)
{
    if (!long_mode || !pae) {
        drop_bits(p, 0x80000001u, EDX, 1u << 29 | 1u << 26);
        drop_bits(p, 0x80000001u, ECX, 1u << 0);
        drop_bits(p, 1, ECX, 1u << 17);
    }
    if (!pae) {
        drop_bits(p, 1, EDX, 1u << 6);
        drop_bits(p, 0x80000001u, EDX, 1u << 20);
    }
}

/* ---- topology ---- */

static unsigned log2_ceil(unsigned n)
{
    unsigned bits = 0;

    while ((1u << bits) < n)
        bits++;
    return bits;
}

/* Caches below the last level belong to one core, the last to all. Leaf 4 EAX 25:14, 31:26; 8000_001Dh EAX 25:14. */
static void topology_caches(struct cpum_profile *p, uint32_t leaf)
{
    const uint32_t all = (1u << log2_ceil(p->cpus)) - 1;

    for (uint32_t sub = 0; sub < 6; sub++) {
        struct cpum_cpuid *r = cpum_profile_leaf(p, leaf, sub);
        uint32_t level;

        if (!r || !(r->eax & 0x1f))
            continue;
        level = r->eax >> 5 & 7;
        r->eax = (r->eax & 0x3fff) | (level >= 3 ? (p->vendor == CPUM_VENDOR_AMD ? p->cpus - 1 : all) << 14 : 0);
        if (leaf == 4)
            r->eax |= all << 26;
    }
}

static void topology_amd(struct cpum_profile *p)
{
    struct cpum_cpuid *r = cpum_profile_leaf(p, 0x80000008u, 0);

    if (r)
        r->ecx = (p->cpus - 1) | log2_ceil(p->cpus) << 12;
    if (p->cpus > 1) {
        r = cpum_profile_leaf(p, 0x80000001u, 0);
        if (r)
            r->ecx |= 1u << 1; /* CmpLegacy */
    }
    if (max_of(p, 0x8000001eu) >= 0x8000001eu)
        leaf_add(p, 0x8000001eu, 0); /* ids per vCPU: cpuid.c */
    topology_caches(p, 0x8000001du);
}

static void topology(struct cpum_profile *p)
{
    struct cpum_cpuid *r = cpum_profile_leaf(p, 1, 0);

    if (!r)
        return;
    r->ebx = 8u << 8 /* CLFLUSH: 64 bytes */ | p->cpus << 16;
    if (!(r->edx & (1u << 19)))
        r->ebx &= 0xff0000u;
    if (p->cpus > 1)
        r->edx |= 1u << 28; /* HTT: more than one logical processor per package */
    if (p->vendor == CPUM_VENDOR_AMD) {
        topology_amd(p);
    } else {
        topology_caches(p, 4);
    }
    if (max_of(p, 0xb) >= 0xb) {
        *leaf_add(p, 0xb, 0) = (struct cpum_cpuid){.eax = 0, .ebx = 1, .ecx = 1 << 8};
        *leaf_add(p, 0xb, 1) = (struct cpum_cpuid){.eax = log2_ceil(p->cpus), .ebx = p->cpus, .ecx = 2 << 8 | 1};
        *leaf_add(p, 0xb, 2) = (struct cpum_cpuid){.ecx = 2};
    }
}

/* ---- what follows from the leaves ---- */

static void xsave_leaf(struct cpum_profile *p)
{
    struct cpum_cpuid *one = cpum_profile_leaf(p, 1, 0), *r;

    p->xcr0_mask = 1;
    if (!one || !(one->ecx & (1u << 26)) || max_of(p, 0xd) < 0xd) {
        drop_bits(p, 1, ECX, 1u << 26 | 1u << 28 | 1u << 29 | 1u << 12); /* no XSAVE: no AVX, F16C, FMA either */
        drop_bits(p, 7, EBX, 1u << 5);
        return;
    }
    p->xcr0_mask = one->ecx & (1u << 28) ? 7 : 3;
    r = leaf_add(p, 0xd, 0);
    *r = (struct cpum_cpuid){.eax = (uint32_t)p->xcr0_mask, .ecx = p->xcr0_mask & 4 ? CPUM_XSAVE_BYTES : 576};
    r = leaf_add(p, 0xd, 1);
    r->ebx = r->ecx = r->edx = 0;
    if (p->xcr0_mask & 4)
        *leaf_add(p, 0xd, 2) = (struct cpum_cpuid){.eax = 256, .ebx = 576};
}

static bool bit_shown(struct cpum_profile *p, const struct feature_bit *b)
{
    struct cpum_cpuid *r = cpum_profile_leaf(p, b->leaf, b->subleaf);

    return r && (*leaf_reg(r, b->reg) >> b->bit & 1);
}

static bool sys_shown(const struct cpum_profile *p, enum cpum_sysfeature f)
{
    return p->sys >> f & 1;
}

static bool insn_shown(const struct cpum_profile *p, enum x86_feature f)
{
    return p->features[f / 64] >> (f % 64) & 1;
}

static void make_bitmaps(struct cpum_profile *p)
{
    p->features[0] |= 1; /* X86_FEAT_NONE: always there */
    for (unsigned f = 1; f < X86_FEAT_COUNT; f++)
        if (bit_shown(p, &insn_bits[f]))
            p->features[f / 64] |= 1ull << (f % 64);
    for (unsigned s = 0; s < CPUM_SYS_COUNT; s++)
        if (bit_shown(p, &sys_bits[s]))
            p->sys |= 1ull << s;
}

static void make_masks(struct cpum_profile *p)
{
    const struct {
        bool shown;
        uint32_t bits;
    } cr4[] = {
        {sys_shown(p, CPUM_SYS_VME), CPUM_CR4_VME | CPUM_CR4_PVI},
        {insn_shown(p, X86_FEAT_TSC), CPUM_CR4_TSD},
        {sys_shown(p, CPUM_SYS_DE), CPUM_CR4_DE},
        {sys_shown(p, CPUM_SYS_PSE), CPUM_CR4_PSE},
        {sys_shown(p, CPUM_SYS_PAE), CPUM_CR4_PAE},
        {sys_shown(p, CPUM_SYS_MCE), CPUM_CR4_MCE},
        {sys_shown(p, CPUM_SYS_PGE), CPUM_CR4_PGE},
        {insn_shown(p, X86_FEAT_MMX), CPUM_CR4_PCE},
        {insn_shown(p, X86_FEAT_FXSR), CPUM_CR4_OSFXSR},
        {insn_shown(p, X86_FEAT_SSE), CPUM_CR4_OSXMMEXCPT},
        {sys_shown(p, CPUM_SYS_UMIP), CPUM_CR4_UMIP},
        {insn_shown(p, X86_FEAT_FSGSBASE), CPUM_CR4_FSGSBASE},
        {sys_shown(p, CPUM_SYS_PCID), CPUM_CR4_PCIDE},
        {insn_shown(p, X86_FEAT_XSAVE), CPUM_CR4_OSXSAVE},
        {sys_shown(p, CPUM_SYS_SMEP), CPUM_CR4_SMEP},
        {insn_shown(p, X86_FEAT_SMAP), CPUM_CR4_SMAP},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cr4); i++)
        p->cr4_mask |= cr4[i].shown ? cr4[i].bits : 0;
    p->efer_mask |= insn_shown(p, X86_FEAT_SYSCALL) ? CPUM_EFER_SCE : 0;
    p->efer_mask |= insn_shown(p, X86_FEAT_LM) ? CPUM_EFER_LME : 0;
    p->efer_mask |= sys_shown(p, CPUM_SYS_NX) ? CPUM_EFER_NXE : 0;
    p->efer_mask |= sys_shown(p, CPUM_SYS_AUTOIBRS) ? 1ull << 21 : 0;
}

static const struct classic *classic_find(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(classics); i++)
        if (!strcmp(name, classics[i].name) || (classics[i].also && !strcmp(name, classics[i].also)))
            return &classics[i];
    return NULL;
}

static bool profile_fill(struct cpum_profile *p, const char *name, GError **error)
{
    const struct classic *m;

    p->has_cpuid = p->has_ac = p->has_wp = true;
    if (!strcmp(name, "host")) {
        p->vendor = host_cpuid(0, 0).ebx == 0x68747541 /* "Auth" */ ? CPUM_VENDOR_AMD : CPUM_VENDOR_INTEL;
        fill_from_host(p);
        mask_features(p, true);
        return true;
    }
    m = classic_find(name);
    if (!m) {
        g_autofree char *list = g_strjoinv(", ", (char **)(uintptr_t)names);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "CPU profile '%s' is not known; choose one of: %s", name,
                    list);
        return false;
    }
    p->vendor = m->vendor;
    p->has_cpuid = !(m->flags & P_NO_CPUID);
    p->has_ac = !(m->flags & P_NO_AC);
    p->has_wp = !(m->flags & P_NO_AC); /* AC, WP, AM came together with the 80486 */
    fill_from_classic(p, m);
    mask_features(p, false);
    return true;
}

struct cpum_profile *cpum_profile_new(const char *name, unsigned cpus, bool long_mode, bool pae, GError **error)
{
    struct cpum_profile *p = g_new0(struct cpum_profile, 1);
    struct cpum_cpuid *r;

    name = name ? name : "host";
    p->cpus = CLAMP(cpus, 1, 255);
    if (!profile_fill(p, name, error)) {
        g_free(p);
        return NULL;
    }
    p->name = g_strdup(name);
    apply_switches(p, long_mode, pae);
    xsave_leaf(p);
    topology(p);
    make_bitmaps(p);
    make_masks(p);
    if (p->vendor == CPUM_VENDOR_AMD && (r = cpum_profile_leaf(p, 0x80000001u, 0))) {
        r->eax = p->signature;
        r->edx |= cpum_profile_leaf(p, 1, 0)->edx & AMD_REPEATED;
    }
    if (!insn_shown(p, X86_FEAT_LM) && p->phys_bits > 36)
        p->phys_bits = 36;
    r = cpum_profile_leaf(p, 0x80000008u, 0);
    if (r)
        r->eax = p->phys_bits | (insn_shown(p, X86_FEAT_LM) ? 48u : 32u) << 8;
    return p;
}

void cpum_profile_free(struct cpum_profile *p)
{
    if (!p)
        return;
    g_free(p->name);
    g_free(p);
}

void cpum_profile_tsc_hz(struct cpum_profile *p, uint64_t tsc_hz)
{
    const uint32_t crystal_hz = 1000000;
    const uint32_t mhz = (uint32_t)(tsc_hz / crystal_hz);

    p->tsc_hz = tsc_hz;
    if (!mhz || p->vendor != CPUM_VENDOR_INTEL || max_of(p, 0x16) < 0x16)
        return;
    *leaf_add(p, 0x15, 0) = (struct cpum_cpuid){.eax = 1000, .ebx = (uint32_t)(tsc_hz / 1000), .ecx = crystal_hz};
    *leaf_add(p, 0x16, 0) = (struct cpum_cpuid){.eax = mhz, .ebx = mhz, .ecx = 100};
}

unsigned cpum_profile_phys_bits(const struct cpum_profile *p)
{
    return p->phys_bits;
}
