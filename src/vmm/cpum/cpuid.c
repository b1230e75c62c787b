/*
 * cpuid.c - CPUID as the guest sees it now: the profile's leaves plus what depends on the vCPU and its registers.
 *
 * Sources: SDM vol. 2 CPUID (leaves above the maximum give the highest basic leaf), APM vol. 3 appendix E (they give
 * 0). Threads: reads the profile, which is constant.
 */
#include "vmm/cpum/cpum_int.h"

bool cpum_has(const struct vcpu *c, enum x86_feature feature)
{
    return c->profile->features[feature / 64] >> (feature % 64) & 1;
}

bool cpum_is_amd(const struct vcpu *c)
{
    return c->profile && c->profile->vendor == CPUM_VENDOR_AMD;
}

bool cpum_has_cpuid(const struct vcpu *c)
{
    return c->profile->has_cpuid;
}

uint64_t cpum_xcr0_exist(const struct vcpu *c)
{
    return c->profile->xcr0_mask;
}

uint64_t cpum_flags_exist(const struct vcpu *c)
{
    uint64_t fl = CPUM_FL_ARITH | CPUM_FL_TF | CPUM_FL_IF | CPUM_FL_DF | CPUM_FL_IOPL | CPUM_FL_NT | CPUM_FL_RF |
                  CPUM_FL_VM | CPUM_FL_1;

    if (c->profile->has_ac)
        fl |= CPUM_FL_AC;
    if (cpum_sys(c, CPUM_SYS_VME))
        fl |= CPUM_FL_VIF | CPUM_FL_VIP;
    if (c->profile->has_cpuid)
        fl |= CPUM_FL_ID;
    return fl;
}

/* Intel: above the maximum lies the highest basic leaf again; AMD: zeros. */
static uint32_t clamp_leaf(const struct cpum_profile *p, uint32_t leaf)
{
    uint32_t max = 0, max_basic = 0;

    for (unsigned i = 0; i < p->leaf_count; i++) {
        if (p->leaves[i].leaf == (leaf & 0x80000000u))
            max = p->leaves[i].r.eax;
        if (p->leaves[i].leaf == 0)
            max_basic = p->leaves[i].r.eax;
    }
    if (leaf <= max || p->vendor == CPUM_VENDOR_AMD || (leaf >= 0x40000000u && leaf < 0x50000000u))
        return leaf;
    return max_basic;
}

static uint32_t xsave_bytes(uint64_t xcr0)
{
    return xcr0 & 4 ? CPUM_XSAVE_BYTES : 576;
}

/* What varies at run time: local APIC id, CR4.OSXSAVE, APIC base enable, XCR0, 64-bit mode. */
static void vary(struct vcpu *c, uint32_t leaf, uint32_t subleaf, struct cpum_cpuid *r)
{
    const uint32_t syscall_bit = 1u << 11;
    uint64_t apic_base;

    switch (leaf) {
    case 1:
        r->ebx = (r->ebx & 0x00ffffffu) | (uint32_t)c->id << 24;
        if (c->ctx.cr4 & CPUM_CR4_OSXSAVE)
            r->ecx |= 1u << 27;
        if (c->outside && c->outside->apic_msr_read &&
            c->outside->apic_msr_read(c->outside_user, c->id, 0x1b, &apic_base) && !(apic_base & (1u << 11)))
            r->edx &= ~(1u << 9);
        break;
    case 0xb:
        r->ecx = (r->ecx & 0xff00u) | (subleaf & 0xff);
        r->edx = c->id;
        break;
    case 0xd:
        if (subleaf == 0)
            r->ebx = xsave_bytes(c->ctx.xcr0);
        else if (subleaf == 1)
            r->ebx = xsave_bytes(c->ctx.xcr0); /* compacted: the same without gaps, there are none */
        break;
    case 0x80000001u:
        if (!cpum_is_amd(c) && !c->mode.code64)
            r->edx &= ~syscall_bit; /* SDM: SYSCALL is reported in 64-bit mode only */
        break;
    case 0x8000001eu: *r = (struct cpum_cpuid){.eax = c->id, .ebx = c->id & 0xff}; break;
    default: break;
    }
}

void cpum_cpuid(struct vcpu *c, uint32_t leaf, uint32_t subleaf, struct cpum_cpuid *ret)
{
    const struct cpum_profile *p = c->profile;
    const struct cpum_cpuid *found = NULL;
    bool by_subleaf;

    leaf = clamp_leaf(p, leaf);
    by_subleaf = leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd || leaf == 0x8000001du;
    if (!by_subleaf)
        subleaf = 0;
    for (unsigned i = 0; i < p->leaf_count && !found; i++)
        if (p->leaves[i].leaf == leaf && p->leaves[i].subleaf == subleaf)
            found = &p->leaves[i].r;
    *ret = found ? *found : (struct cpum_cpuid){};
    if (found || leaf == 0xb)
        vary(c, leaf, subleaf, ret);
}

void cpum_info_cpuid(struct vcpu *c, GString *out)
{
    for (unsigned i = 0; i < c->profile->leaf_count; i++) {
        const struct cpum_leaf *l = &c->profile->leaves[i];
        struct cpum_cpuid r;

        cpum_cpuid(c, l->leaf, l->subleaf, &r);
        g_string_append_printf(out, "Gst: %08x/%04x  %08x %08x %08x %08x\n", l->leaf, l->subleaf, r.eax, r.ebx, r.ecx,
                               r.edx);
    }
}
