/*
 * syscall.c - SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * Where AMD and Intel differ the profile's vendor decides: Intel has SYSCALL in 64-bit mode only, AMD has SYSENTER in
 * legacy mode only; a non-canonical RCX is #GP in SYSRET on Intel and a fault of the next fetch on AMD.
 *
 * Sources: SDM vol. 2 by instruction; APM vol. 3 SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 * SYSRET loads flat attributes into SS on AMD too (there the old ones survive, which system software must undo).
 */
#include "vmm/iem/seg_int.h"

enum { ATTR_CODE64 = 0xa09b, ATTR_CODE32 = 0xc09b, ATTR_DATA = 0xc093, ATTR_DPL3 = 0x60 };

static struct cpum_seg flat(uint16_t sel, uint32_t attr)
{
    return (struct cpum_seg){.sel = sel, .attr = attr, .limit = 0xffffffff};
}

/* CS and SS flat, at @cpl. */
static void load_flat(struct vcpu *c, uint16_t cs, uint16_t ss, bool wide, unsigned cpl)
{
    const uint32_t dpl = cpl == 3 ? ATTR_DPL3 : 0;

    c->ctx.seg[X86_CS] = flat((uint16_t)((cs & ~SEG_RPL) | cpl), (wide ? ATTR_CODE64 : ATTR_CODE32) | dpl);
    c->ctx.seg[X86_SS] = flat((uint16_t)((ss & ~SEG_RPL) | cpl), ATTR_DATA | dpl);
    c->ctx.cpl = (uint8_t)cpl;
}

/* Also SYSRET: on Intel's CPUs 64-bit mode only. */
static void check_syscall(struct vcpu *c)
{
    if (!(c->ctx.efer & CPUM_EFER_SCE) || !c->mode.pe || c->mode.v86)
        iem_ud(c);
    if (!cpum_is_amd(c) && !c->mode.code64)
        iem_ud(c);
}

void iem_SYSCALL(struct vcpu *c, const struct iem_op *op)
{
    struct cpum_ctx *x = &c->ctx;
    uint16_t cs = (uint16_t)(x->star >> 32);

    (void)op;
    check_syscall(c);
    if (c->mode.long_mode) {
        uint64_t target = c->mode.code64 ? x->lstar : x->cstar;

        x->gpr[X86_RCX] = x->rip;
        x->gpr[X86_R11] = x->rflags & ~(uint64_t)CPUM_FL_RF;
        x->rip = target;
        x->rflags = (x->rflags & ~(x->sfmask | CPUM_FL_RF)) | CPUM_FL_1;
        load_flat(c, cs, (uint16_t)(cs + 8), true, 0);
    } else {
        x->gpr[X86_RCX] = (uint32_t)x->rip;
        x->rip = (uint32_t)x->star;
        x->rflags &= ~(uint64_t)(CPUM_FL_VM | CPUM_FL_IF | CPUM_FL_RF);
        load_flat(c, cs, (uint16_t)(cs + 8), false, 0);
    }
    iem_mode_changed(c);
}

void iem_SYSRET(struct vcpu *c, const struct iem_op *op)
{
    const uint64_t restored = 0x3c7fd7; /* all but RF and VM */
    struct cpum_ctx *x = &c->ctx;
    uint16_t cs = (uint16_t)(x->star >> 48);
    bool wide = c->mode.code64 && op->i.opsize == 8;

    check_syscall(c);
    if (x->cpl > 0)
        iem_gp0(c);
    if (wide && !cpum_is_amd(c) && !cpum_canonical(x->gpr[X86_RCX]))
        iem_gp0(c);
    x->rip = wide ? x->gpr[X86_RCX] : (uint32_t)x->gpr[X86_RCX];
    if (c->mode.long_mode)
        x->rflags = (x->gpr[X86_R11] & restored & cpum_flags_exist(c)) | CPUM_FL_1;
    else
        x->rflags |= CPUM_FL_IF;
    load_flat(c, (uint16_t)(cs + (wide ? 16 : 0)), (uint16_t)(cs + 8), wide, 3);
    iem_mode_changed(c);
}

static void check_sysenter(struct vcpu *c)
{
    if (cpum_is_amd(c) && c->mode.long_mode)
        iem_ud(c);
    if (!c->mode.pe || !(c->ctx.sysenter_cs & 0xfffc))
        iem_gp0(c);
}

void iem_SYSENTER(struct vcpu *c, const struct iem_op *op)
{
    struct cpum_ctx *x = &c->ctx;
    uint16_t cs = (uint16_t)x->sysenter_cs;

    (void)op;
    check_sysenter(c);
    x->rflags &= ~(uint64_t)(CPUM_FL_VM | CPUM_FL_IF | CPUM_FL_RF);
    x->gpr[X86_RSP] = c->mode.long_mode ? x->sysenter_esp : (uint32_t)x->sysenter_esp;
    x->rip = c->mode.long_mode ? x->sysenter_eip : (uint32_t)x->sysenter_eip;
    load_flat(c, cs, (uint16_t)(cs + 8), c->mode.long_mode, 0);
    iem_mode_changed(c);
}

void iem_SYSEXIT(struct vcpu *c, const struct iem_op *op)
{
    struct cpum_ctx *x = &c->ctx;
    bool wide = c->mode.code64 && op->i.opsize == 8;
    uint16_t cs = (uint16_t)(x->sysenter_cs + (wide ? 32 : 16));

    check_sysenter(c);
    if (x->cpl > 0)
        iem_gp0(c);
    if (wide && (!cpum_canonical(x->gpr[X86_RCX]) || !cpum_canonical(x->gpr[X86_RDX])))
        iem_gp0(c);
    x->rip = wide ? x->gpr[X86_RDX] : (uint32_t)x->gpr[X86_RDX];
    x->gpr[X86_RSP] = wide ? x->gpr[X86_RCX] : (uint32_t)x->gpr[X86_RCX];
    load_flat(c, cs, (uint16_t)(cs + 8), wide, 3);
    iem_mode_changed(c);
}
