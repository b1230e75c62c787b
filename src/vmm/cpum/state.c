/*
 * state.c - saved state of a vCPU's registers, as a field table, and the checks after loading one.
 *
 * Threads: the vCPU is stopped.
 * Invariant 1: nothing in a loaded state is trusted: whatever another file indexes or shifts with is checked here.
 */
#include "vmm/cpum/cpum_int.h"
#include "vmm/ssm/field.h"

#include <string.h>

static const struct ssm_field seg_fields[] = {SSM_U16(struct cpum_seg, sel), SSM_U32(struct cpum_seg, attr),
                                              SSM_U32(struct cpum_seg, limit), SSM_U64(struct cpum_seg, base), SSM_END};
static const struct ssm_field table_fields[] = {SSM_U64(struct cpum_table, base), SSM_U16(struct cpum_table, limit),
                                                SSM_END};
static const struct ssm_field fpu_fields[] = {SSM_U8S(struct cpum_fpu, area), SSM_END};

/* clang-format off */
static const struct ssm_field ctx_fields[] = {
    SSM_UINTS(struct cpum_ctx, gpr),
    SSM_U64(struct cpum_ctx, rip),
    SSM_U64(struct cpum_ctx, rflags),
    SSM_STRUCTS(struct cpum_ctx, seg, seg_fields),
    SSM_STRUCT(struct cpum_ctx, ldtr, seg_fields),
    SSM_STRUCT(struct cpum_ctx, tr, seg_fields),
    SSM_STRUCT(struct cpum_ctx, gdtr, table_fields),
    SSM_STRUCT(struct cpum_ctx, idtr, table_fields),
    SSM_U64(struct cpum_ctx, cr0),
    SSM_U64(struct cpum_ctx, cr2),
    SSM_U64(struct cpum_ctx, cr3),
    SSM_U64(struct cpum_ctx, cr4),
    SSM_U64(struct cpum_ctx, xcr0),
    SSM_UINTS(struct cpum_ctx, dr),
    SSM_U64(struct cpum_ctx, efer),
    SSM_U64(struct cpum_ctx, star),
    SSM_U64(struct cpum_ctx, lstar),
    SSM_U64(struct cpum_ctx, cstar),
    SSM_U64(struct cpum_ctx, sfmask),
    SSM_U64(struct cpum_ctx, kernel_gs_base),
    SSM_U64(struct cpum_ctx, tsc_aux),
    SSM_U64(struct cpum_ctx, sysenter_cs),
    SSM_U64(struct cpum_ctx, sysenter_esp),
    SSM_U64(struct cpum_ctx, sysenter_eip),
    SSM_U64(struct cpum_ctx, pat),
    SSM_U64(struct cpum_ctx, mtrr_def_type),
    SSM_UINTS(struct cpum_ctx, mtrr_fixed),
    SSM_UINTS(struct cpum_ctx, mtrr_phys),
    SSM_U64(struct cpum_ctx, misc_enable),
    SSM_U64(struct cpum_ctx, feature_control),
    SSM_U64(struct cpum_ctx, debugctl),
    SSM_U64(struct cpum_ctx, tsc_adjust),
    SSM_U64(struct cpum_ctx, spec_ctrl),
    SSM_U64(struct cpum_ctx, microcode_rev),
    SSM_U64(struct cpum_ctx, mcg_status),
    SSM_U64(struct cpum_ctx, hwcr),
    SSM_U64(struct cpum_ctx, amd_de_cfg),
    SSM_U64(struct cpum_ctx, tsc_offset),
    SSM_STRUCT(struct cpum_ctx, fpu, fpu_fields),
    SSM_U64(struct cpum_ctx, fip),
    SSM_U64(struct cpum_ctx, fdp),
    SSM_U16(struct cpum_ctx, fcs),
    SSM_U16(struct cpum_ctx, fds),
    SSM_U16(struct cpum_ctx, fop),
    SSM_U8(struct cpum_ctx, cpl),
    SSM_U8(struct cpum_ctx, activity),
    SSM_U8(struct cpum_ctx, nmi_blocked),
    SSM_U8(struct cpum_ctx, smm),
    SSM_U64(struct cpum_ctx, shadow_rip),
    SSM_U8(struct cpum_ctx, shadow_is_ss),
    SSM_U8(struct cpum_ctx, sipi_vector),
    SSM_U8(struct cpum_ctx, pending_db),
    SSM_FIELD_(struct cpum_ctx, ferr, SSM_KIND_UINT, 1, 1, 2, NULL), /* since 2 */
    SSM_END,
};
/* clang-format on */

static bool modes_possible(const struct cpum_ctx *x)
{
    const bool pg = x->cr0 & CPUM_CR0_PG, lma = x->efer & CPUM_EFER_LMA;

    if (pg && !(x->cr0 & CPUM_CR0_PE))
        return false;
    if (lma != (pg && (x->efer & CPUM_EFER_LME)) || (lma && !(x->cr4 & CPUM_CR4_PAE)))
        return false;
    if (lma && (x->rflags & CPUM_FL_VM))
        return false;
    if ((x->rflags & CPUM_FL_VM) && x->cpl != 3)
        return false;
    return !(!(x->cr0 & CPUM_CR0_PE) && x->cpl != 0);
}

static bool ctx_check(void *state)
{
    struct cpum_ctx *x = state;
    uint32_t mxcsr;

    if (x->cpl > 3 || x->activity > CPUM_SHUTDOWN || x->ferr > 1 || !(x->rflags & CPUM_FL_1) || x->rflags >> 22)
        return false;
    if (x->cr0 >> 32 || !(x->xcr0 & 1) || x->xcr0 > 7 || x->xcr0 == 5)
        return false;
    memcpy(&mxcsr, x->fpu.area + 24, sizeof(mxcsr));
    if (mxcsr & ~0xffffu) /* would fault on the host when part of the state is loaded there */
        return false;
    return modes_possible(x);
}

const struct ssm_desc cpum_state = {.version = 2, .oldest = 1, .fields = ctx_fields, .check = ctx_check};

bool cpum_loaded(struct vcpu *c)
{
    const struct cpum_ctx *x = &c->ctx;

    if ((x->cr4 & ~c->profile->cr4_mask) || (x->xcr0 & ~c->profile->xcr0_mask))
        return false;
    if (!pgm_mmu_mode(&c->mmu, x->cr0, x->cr3, x->cr4, x->efer))
        return false;
    pgm_mmu_flush(&c->mmu, true);
    cpum_mode_update(c);
    return true;
}
