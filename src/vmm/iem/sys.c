/*
 * sys.c - HLT and waiting, time stamps, MSRs, CPUID, XCR0, segment bases, interrupt flag, and what does nothing here.
 *
 * Sources: SDM vol. 2 by instruction; vol. 3 6.8.1 (STI's shadow), 20.3-20.4 (VME, PVI).
 * MONITOR arms nothing and MWAIT returns at once, which is always allowed (SDM vol. 2 MWAIT: "may be treated as NOP").
 * Left out: SMM (RSM is #UD outside it), performance counters (read 0).
 */
#include "vmm/iem/seg_int.h"

/* EDX:EAX, both zero-extended. */
static void set_edx_eax(struct vcpu *c, uint64_t val)
{
    c->ctx.gpr[X86_RAX] = (uint32_t)val;
    c->ctx.gpr[X86_RDX] = val >> 32;
}

static uint64_t edx_eax(const struct vcpu *c)
{
    return c->ctx.gpr[X86_RDX] << 32 | (uint32_t)c->ctx.gpr[X86_RAX];
}

/* ---- waiting ---- */

void iem_HLT(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    c->ctx.activity = CPUM_HALTED;
    c->iem->end_block = true;
}

void iem_MONITOR(struct vcpu *c, const struct iem_op *op)
{
    unsigned seg = op->i.seg_override == X86_SREG_NONE ? X86_DS : op->i.seg_override;
    uint64_t off = iem_gpr(c, X86_RAX, op->i.addrsize);

    if (c->ctx.cpl > 0)
        iem_ud(c);
    if ((uint32_t)c->ctx.gpr[X86_RCX] != 0)
        iem_gp0(c);
    iem_rd8(c, seg, off);
}

void iem_MWAIT(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (c->ctx.cpl > 0)
        iem_ud(c);
    if ((uint32_t)c->ctx.gpr[X86_RCX] > 1)
        iem_gp0(c);
    c->iem->end_block = true;
}

/* ---- time stamps and counters ---- */

static uint64_t tsc_read(struct vcpu *c)
{
    if ((c->ctx.cr4 & CPUM_CR4_TSD) && c->ctx.cpl > 0)
        iem_gp0(c);
    return c->outside->tsc(c->outside_user, c->id);
}

void iem_RDTSC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    set_edx_eax(c, tsc_read(c));
}

void iem_RDTSCP(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    set_edx_eax(c, tsc_read(c));
    c->ctx.gpr[X86_RCX] = (uint32_t)c->ctx.tsc_aux;
}

void iem_RDPID(struct vcpu *c, const struct iem_op *op)
{
    iem_set_gpr(c, op->i.op[0].reg, (uint32_t)c->ctx.tsc_aux, c->mode.code64 ? 8 : 4);
}

/* AMD's four counters exist and stand still; Intel's architectural version 0 has none. */
void iem_RDPMC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (!(c->ctx.cr4 & CPUM_CR4_PCE) && c->ctx.cpl > 0)
        iem_gp0(c);
    if (!cpum_is_amd(c) || (uint32_t)c->ctx.gpr[X86_RCX] > 3)
        iem_gp0(c);
    set_edx_eax(c, 0);
}

/* ---- MSRs, CPUID, XCR0 ---- */

void iem_RDMSR(struct vcpu *c, const struct iem_op *op)
{
    uint64_t val;

    (void)op;
    if (!cpum_msr_read(c, (uint32_t)c->ctx.gpr[X86_RCX], &val))
        iem_gp0(c);
    set_edx_eax(c, val);
}

void iem_WRMSR(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (!cpum_msr_write(c, (uint32_t)c->ctx.gpr[X86_RCX], edx_eax(c)))
        iem_gp0(c);
    iem_mode_changed(c);
}

void iem_CPUID(struct vcpu *c, const struct iem_op *op)
{
    struct cpum_cpuid r;

    (void)op;
    if (!cpum_has_cpuid(c))
        iem_ud(c);
    cpum_cpuid(c, (uint32_t)c->ctx.gpr[X86_RAX], (uint32_t)c->ctx.gpr[X86_RCX], &r);
    c->ctx.gpr[X86_RAX] = r.eax;
    c->ctx.gpr[X86_RBX] = r.ebx;
    c->ctx.gpr[X86_RCX] = r.ecx;
    c->ctx.gpr[X86_RDX] = r.edx;
}

void iem_XGETBV(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (!(c->ctx.cr4 & CPUM_CR4_OSXSAVE))
        iem_ud(c);
    if ((uint32_t)c->ctx.gpr[X86_RCX] != 0)
        iem_gp0(c);
    set_edx_eax(c, c->ctx.xcr0);
}

void iem_XSETBV(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (!(c->ctx.cr4 & CPUM_CR4_OSXSAVE))
        iem_ud(c);
    if (c->ctx.cpl > 0 || (uint32_t)c->ctx.gpr[X86_RCX] != 0 || !cpum_xcr0_write(c, edx_eax(c)))
        iem_gp0(c);
    iem_mode_changed(c);
}

/* ---- random numbers: the host's; shown only where the host has them ---- */

static void random_result(struct vcpu *c, const struct iem_op *op, bool ok, uint64_t val)
{
    iem_set_gpr(c, op->i.op[0].reg, ok ? val : 0, op->i.opsize);
    iem_set_arith(c, ok ? CPUM_FL_CF : 0, CPUM_FL_ARITH);
}

void iem_RDRAND(struct vcpu *c, const struct iem_op *op)
{
    unsigned long val;
    bool ok;

    __asm__ volatile("rdrand %0" : "=r"(val), "=@ccc"(ok));
    random_result(c, op, ok, val);
}

void iem_RDSEED(struct vcpu *c, const struct iem_op *op)
{
    unsigned long val;
    bool ok;

    __asm__ volatile("rdseed %0" : "=r"(val), "=@ccc"(ok));
    random_result(c, op, ok, val);
}

/* ---- FS and GS base ---- */

static uint64_t *fsgs_base(struct vcpu *c, unsigned sreg)
{
    if (!(c->ctx.cr4 & CPUM_CR4_FSGSBASE))
        iem_ud(c);
    return &c->ctx.seg[sreg].base;
}

static void write_base(struct vcpu *c, const struct iem_op *op, unsigned sreg)
{
    uint64_t *base = fsgs_base(c, sreg), val = iem_gpr(c, op->i.op[0].reg, op->i.opsize);

    if (!cpum_canonical(val))
        iem_gp0(c);
    *base = val;
}

void iem_RDFSBASE(struct vcpu *c, const struct iem_op *op)
{
    iem_set_gpr(c, op->i.op[0].reg, *fsgs_base(c, X86_FS), op->i.opsize);
}

void iem_RDGSBASE(struct vcpu *c, const struct iem_op *op)
{
    iem_set_gpr(c, op->i.op[0].reg, *fsgs_base(c, X86_GS), op->i.opsize);
}

void iem_WRFSBASE(struct vcpu *c, const struct iem_op *op)
{
    write_base(c, op, X86_FS);
}

void iem_WRGSBASE(struct vcpu *c, const struct iem_op *op)
{
    write_base(c, op, X86_GS);
}

void iem_SWAPGS(struct vcpu *c, const struct iem_op *op)
{
    uint64_t gs = c->ctx.seg[X86_GS].base;

    (void)op;
    c->ctx.seg[X86_GS].base = c->ctx.kernel_gs_base;
    c->ctx.kernel_gs_base = gs;
}

/* ---- IF and AC ---- */

enum if_rule { IF_REAL_FLAG, IF_VIRTUAL_FLAG };

/* Which flag CLI and STI act on; #GP(0) if neither may be touched. */
static enum if_rule if_rule(struct vcpu *c)
{
    unsigned iopl = (unsigned)(c->ctx.rflags >> 12) & 3;

    if (!c->mode.pe || (c->mode.v86 ? iopl == 3 : iopl >= c->ctx.cpl))
        return IF_REAL_FLAG;
    if (c->mode.v86 ? c->ctx.cr4 & CPUM_CR4_VME : (c->ctx.cr4 & CPUM_CR4_PVI) && c->ctx.cpl == 3)
        return IF_VIRTUAL_FLAG;
    iem_gp0(c);
}

void iem_CLI(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (if_rule(c) == IF_REAL_FLAG)
        c->ctx.rflags &= ~(uint64_t)CPUM_FL_IF;
    else
        c->ctx.rflags &= ~(uint64_t)CPUM_FL_VIF;
}

void iem_STI(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    if (if_rule(c) == IF_VIRTUAL_FLAG) {
        if (c->ctx.rflags & CPUM_FL_VIP)
            iem_gp0(c);
        c->ctx.rflags |= CPUM_FL_VIF;
        return;
    }
    if (c->ctx.rflags & CPUM_FL_IF)
        return;
    c->ctx.rflags |= CPUM_FL_IF;
    c->ctx.shadow_rip = c->ctx.rip;
    c->ctx.shadow_is_ss = 0;
    ff_set(&c->ff, FF_SHADOW);
    c->iem->end_block = true;
}

static void set_ac(struct vcpu *c, bool on)
{
    if (c->ctx.cpl > 0)
        iem_ud(c);
    c->ctx.rflags = on ? c->ctx.rflags | CPUM_FL_AC : c->ctx.rflags & ~(uint64_t)CPUM_FL_AC;
    iem_mode_changed(c);
}

void iem_CLAC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    set_ac(c, false);
}

void iem_STAC(struct vcpu *c, const struct iem_op *op)
{
    (void)op;
    set_ac(c, true);
}

/* ---- #UD and nothing ---- */

#define UNDEFINED(NAME)                                                                                                \
    void iem_##NAME(struct vcpu *c, const struct iem_op *op)                                                           \
    {                                                                                                                  \
        (void)op;                                                                                                      \
        iem_ud(c);                                                                                                     \
    }
UNDEFINED(RSM)    /* outside SMM */
UNDEFINED(VMCALL) /* no VMX, no SVM */
UNDEFINED(VMMCALL)

/* Loads and stores are carried out in program order by the host, one by one; fences order them for other vCPUs. */
#define FENCE(NAME)                                                                                                    \
    void iem_##NAME(struct vcpu *c, const struct iem_op *op)                                                           \
    {                                                                                                                  \
        (void)c, (void)op;                                                                                             \
        atomic_thread_fence(memory_order_seq_cst);                                                                     \
    }
FENCE(LFENCE)
FENCE(MFENCE)
FENCE(SFENCE)
