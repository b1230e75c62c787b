/*
 * cpum_int.h - what the files of cpum share: a CPUID profile.
 */
#ifndef VMM_CPUM_CPUM_INT_H
#define VMM_CPUM_CPUM_INT_H

#include "vmm/cpum/cpum.h"

enum cpum_vendor { CPUM_VENDOR_INTEL = 1, CPUM_VENDOR_AMD = 2 };

/** CPUID bits without an instruction of their own, sysfeature.def. */
enum cpum_sysfeature {
#define S(name, leaf, subleaf, reg, bit, source) CPUM_SYS_##name,
#include "vmm/cpum/sysfeature.def"
#undef S
    CPUM_SYS_COUNT
};

#define CPUM_MAX_LEAVES 64u
struct cpum_leaf {
    uint32_t leaf, subleaf;
    struct cpum_cpuid r;
};

struct cpum_profile {
    char *name;
    enum cpum_vendor vendor;
    unsigned cpus, phys_bits;
    bool has_cpuid, has_ac, has_wp; /* has_wp: 80486 and later: CR0.WP/AM/NW/CD/NE */
    uint32_t signature;             /* leaf 1 EAX */
    uint64_t features[(X86_FEAT_COUNT + 63) / 64];
    uint64_t sys; /* by enum cpum_sysfeature */
    uint64_t cr4_mask, efer_mask, xcr0_mask;
    uint64_t tsc_hz;
    unsigned leaf_count;
    struct cpum_leaf leaves[CPUM_MAX_LEAVES]; /* as a freshly reset vCPU 0 sees them; cpuid.c adds what varies */
};

static inline bool cpum_sys(const struct vcpu *c, enum cpum_sysfeature f)
{
    return c->profile->sys >> f & 1;
}

/** The stored leaf, or NULL. */
struct cpum_cpuid *cpum_profile_leaf(struct cpum_profile *p, uint32_t leaf, uint32_t subleaf);

/** Leaf 1 EAX of the "host" profile, which has no AVX-512, on a host with leaf 1 EAX @host that may have it. */
uint32_t cpum_model_shown(enum cpum_vendor vendor, uint32_t host, bool host_avx512);

#endif
