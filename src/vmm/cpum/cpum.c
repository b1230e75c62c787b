/*
 * cpum.c - the processor's state after RESET and INIT, and the mode that follows from its registers.
 *
 * Sources: SDM vol. 3 table 9-1 (state after power-up, reset, INIT), 4.6 (access rights), vol. 1 3.3.5 (address sizes).
 * Left out: BIST result (EAX is 0: passed). The TSC belongs to the time manager: a reset does not touch it.
 * Threads: the vCPU's own, or whoever paused it.
 * Invariant 1: mode is a pure function of ctx; nothing else may be remembered in it.
 */
#include "vmm/cpum/cpum_int.h"

#include <string.h>
#include <sys/mman.h>

enum { ATTR_DATA = 0x93, ATTR_LDT = 0x82, ATTR_TSS_BUSY32 = 0x8b };

static void reset_segments(struct cpum_ctx *x)
{
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        x->seg[i] = (struct cpum_seg){.attr = ATTR_DATA, .limit = 0xffff};
    x->seg[X86_CS].sel = 0xf000;
    x->seg[X86_CS].base = 0xffff0000;
    x->ldtr = (struct cpum_seg){.attr = ATTR_LDT, .limit = 0xffff};
    x->tr = (struct cpum_seg){.attr = ATTR_TSS_BUSY32, .limit = 0xffff};
    x->gdtr = x->idtr = (struct cpum_table){.limit = 0xffff};
}

/* x87 and SSE after power-up: FCW 0040h, every register +0 and valid (table 9-1), MXCSR 1f80h. */
static void reset_fpu(struct cpum_ctx *x)
{
    static const struct {
        uint16_t fcw, fsw;
        uint8_t ftw, rsvd;
        uint16_t fop;
        uint64_t fip, fdp;
        uint32_t mxcsr, mxcsr_mask;
    } head = {.fcw = 0x0040, .ftw = 0xff, .mxcsr = 0x1f80, .mxcsr_mask = 0xffff};

    memset(&x->fpu, 0, sizeof(x->fpu));
    memcpy(x->fpu.area, &head, sizeof(head));
    x->fip = x->fdp = 0;
    x->fcs = x->fds = x->fop = 0;
}

/* What RESET and INIT have in common. */
static void reset_common(struct vcpu *c, bool bsp)
{
    struct cpum_ctx *x = &c->ctx;

    memset(x->gpr, 0, sizeof(x->gpr));
    x->gpr[X86_RDX] = c->profile ? c->profile->signature : 0;
    x->rip = 0xfff0;
    x->rflags = CPUM_FL_1;
    reset_segments(x);
    x->cr2 = x->cr3 = x->cr4 = x->efer = 0;
    memset(x->dr, 0, sizeof(x->dr));
    x->dr[6] = 0xffff0ff0;
    x->dr[7] = 0x400;
    x->cpl = 0;
    x->activity = bsp ? CPUM_RUNNING : CPUM_WAIT_SIPI;
    x->nmi_blocked = 0;
    x->smm = 0;
    x->shadow_rip = 0;
    x->shadow_is_ss = 0;
    x->pending_db = 0;
    ff_clear(&c->ff, FF_TRAP | FF_SHADOW | FF_INIT | FF_SIPI | FF_NMI | FF_SMI);
}

static void reset_mmu(struct vcpu *c)
{
    struct cpum_ctx *x = &c->ctx;

    pgm_mmu_mode(&c->mmu, x->cr0, x->cr3, x->cr4, x->efer);
    pgm_mmu_flush(&c->mmu, true);
    cpum_mode_update(c);
}

void cpum_reset(struct vcpu *c, bool bsp)
{
    struct cpum_ctx *x = &c->ctx;
    int64_t tsc_offset = x->tsc_offset;

    memset(x, 0, sizeof(*x));
    x->tsc_offset = tsc_offset;
    x->cr0 = CPUM_CR0_CD | CPUM_CR0_NW | CPUM_CR0_ET;
    reset_common(c, bsp);
    reset_fpu(x);
    x->xcr0 = 1;
    x->pat = 0x0007040600070406ull;
    x->misc_enable = 1; /* fast strings */
    x->microcode_rev = cpum_is_amd(c) ? 0x01000065 : 0x100000000ull;
    x->hwcr = 1ull << 24; /* the TSC runs at P0 frequency */
    x->amd_de_cfg = 2;    /* LFENCE is serialising */
    reset_mmu(c);
}

/* INIT keeps caches' state (CR0.CD/NW), x87, SSE, XCR0, MSRs but EFER, TSC and CR0's other bits go. */
void cpum_init(struct vcpu *c, bool bsp)
{
    c->ctx.cr0 = (c->ctx.cr0 & (CPUM_CR0_CD | CPUM_CR0_NW)) | CPUM_CR0_ET;
    reset_common(c, bsp);
    reset_mmu(c);
}

/* Data segment needs no check: base 0, 4 GiB, usable, writable, expand-up. */
static bool flat_data(const struct cpum_seg *s)
{
    const uint32_t want = CPUM_SEG_P | CPUM_SEG_S | CPUM_SEG_WR;
    const uint32_t care = want | CPUM_SEG_DC | CPUM_SEG_CODE | CPUM_SEG_UNUSABLE;

    return s->base == 0 && s->limit == 0xffffffff && (s->attr & care) == want;
}

/* CS must be readable too: constants are read through CS overrides. */
static bool flat_code(const struct cpum_seg *s)
{
    const uint32_t want = CPUM_SEG_P | CPUM_SEG_S | CPUM_SEG_WR | CPUM_SEG_CODE;

    return s->base == 0 && s->limit == 0xffffffff && (s->attr & (want | CPUM_SEG_UNUSABLE)) == want;
}

static enum pgm_index mode_index(const struct cpum_ctx *x)
{
    if (x->cpl == 3)
        return PGM_IDX_USER;
    return !(x->cr4 & CPUM_CR4_SMAP) || (x->rflags & CPUM_FL_AC) ? PGM_IDX_KERNEL_AC : PGM_IDX_KERNEL;
}

static uint32_t mode_key(const struct cpum_ctx *x, const struct cpum_mode *m)
{
    const uint64_t avx = 6; /* XCR0: SSE and YMM */
    uint32_t key = m->code | (uint32_t)(m->stack_bytes >> 2) << 2 | (uint32_t)x->cpl << 4;

    key |= (m->flat ? CPUM_KEY_FLAT : 0) | (m->pe ? CPUM_KEY_PE : 0) | (m->v86 ? CPUM_KEY_V86 : 0);
    key |= (m->long_mode ? CPUM_KEY_LMA : 0) | (m->align_check ? CPUM_KEY_ALIGN : 0);
    key |= (x->cr0 & CPUM_CR0_EM ? CPUM_KEY_EM : 0) | (x->cr4 & CPUM_CR4_OSFXSR ? CPUM_KEY_SSE : 0);
    if ((x->cr4 & CPUM_CR4_OSXSAVE) && (x->xcr0 & avx) == avx)
        key |= CPUM_KEY_AVX;
    return key;
}

void cpum_mode_update(struct vcpu *c)
{
    const struct cpum_ctx *x = &c->ctx;
    const struct cpum_seg *cs = &x->seg[X86_CS];
    struct cpum_mode m = {};

    m.pe = x->cr0 & CPUM_CR0_PE;
    m.paging = x->cr0 & CPUM_CR0_PG;
    m.v86 = m.pe && (x->rflags & CPUM_FL_VM);
    m.long_mode = x->efer & CPUM_EFER_LMA;
    m.code64 = m.long_mode && (cs->attr & CPUM_SEG_L);
    if (m.code64)
        m.code = X86_MODE_64;
    else
        m.code = (cs->attr & CPUM_SEG_D) && !m.v86 ? X86_MODE_32 : X86_MODE_16;
    if (m.code64)
        m.stack_bytes = 8;
    else
        m.stack_bytes = (x->seg[X86_SS].attr & CPUM_SEG_D) && !m.v86 ? 4 : 2;
    m.flat = m.code64 || (m.pe && !m.v86 && flat_code(cs) && flat_data(&x->seg[X86_DS]) && flat_data(&x->seg[X86_ES]) &&
                          flat_data(&x->seg[X86_SS]));
    m.idx = mode_index(x);
    m.tlb = c->mmu.tlb[m.idx];
    m.align_check = (x->cr0 & CPUM_CR0_AM) && (x->rflags & CPUM_FL_AC) && x->cpl == 3;
    m.key = mode_key(x, &m);
    c->mode = m;
}

void cpum_register(struct vcpu *c, struct stam *stam)
{
    const struct {
        const char *name, *desc;
        const uint64_t *value;
    } rows[] = {
        {"MsrReads", "RDMSR", &c->stat_msr_reads},
        {"MsrWrites", "WRMSR", &c->stat_msr_writes},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        stam_addf(stam, STAM_COUNTER, rows[i].value, "times", rows[i].desc, "/CPUM/CPU%u/%s", c->id, rows[i].name);
    pgm_mmu_register(&c->mmu, stam, c->id);
}

struct vcpu *cpum_vcpu_new(void)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *p = mmap(NULL, sizeof(struct vcpu), PROT_READ | PROT_WRITE, flags | MAP_32BIT, -1, 0);

    if (p == MAP_FAILED)
        p = mmap(NULL, sizeof(struct vcpu), PROT_READ | PROT_WRITE, flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void cpum_vcpu_free(struct vcpu *c)
{
    if (c != NULL)
        munmap(c, sizeof *c);
}
