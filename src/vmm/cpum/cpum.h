/*
 * cpum.h - the guest's processor: every register, and the vCPU that owns them.
 *
 * Sources: SDM vol. 3 chapters 2-9, vol. 4 (MSRs); AMD APM vol. 2.
 * Thread: a vCPU's context belongs to its thread while it executes, to whoever paused it otherwise.
 */
#ifndef VMM_CPUM_CPUM_H
#define VMM_CPUM_CPUM_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "vmm/cpum/history.h"
#include "vmm/ff/ff.h"
#include "vmm/pgm/mmu.h"
#include "vmm/stam/stam.h"
#include "x86/insn.h"

/* EFLAGS */
enum {
    CPUM_FL_CF = 1u << 0,
    CPUM_FL_1 = 1u << 1,
    CPUM_FL_PF = 1u << 2,
    CPUM_FL_AF = 1u << 4,
    CPUM_FL_ZF = 1u << 6,
    CPUM_FL_SF = 1u << 7,
    CPUM_FL_TF = 1u << 8,
    CPUM_FL_IF = 1u << 9,
    CPUM_FL_DF = 1u << 10,
    CPUM_FL_OF = 1u << 11,
    CPUM_FL_IOPL = 3u << 12,
    CPUM_FL_NT = 1u << 14,
    CPUM_FL_RF = 1u << 16,
    CPUM_FL_VM = 1u << 17,
    CPUM_FL_AC = 1u << 18,
    CPUM_FL_VIF = 1u << 19,
    CPUM_FL_VIP = 1u << 20,
    CPUM_FL_ID = 1u << 21,
    CPUM_FL_ARITH = CPUM_FL_CF | CPUM_FL_PF | CPUM_FL_AF | CPUM_FL_ZF | CPUM_FL_SF | CPUM_FL_OF,
};
enum {
    CPUM_CR0_PE = 1u << 0,
    CPUM_CR0_MP = 1u << 1,
    CPUM_CR0_EM = 1u << 2,
    CPUM_CR0_TS = 1u << 3,
    CPUM_CR0_ET = 1u << 4,
    CPUM_CR0_NE = 1u << 5,
    CPUM_CR0_WP = 1u << 16,
    CPUM_CR0_AM = 1u << 18,
    CPUM_CR0_NW = 1u << 29,
    CPUM_CR0_CD = 1u << 30
};
#define CPUM_CR0_PG (1u << 31)
enum {
    CPUM_CR4_VME = 1u << 0,
    CPUM_CR4_PVI = 1u << 1,
    CPUM_CR4_TSD = 1u << 2,
    CPUM_CR4_DE = 1u << 3,
    CPUM_CR4_PSE = 1u << 4,
    CPUM_CR4_PAE = 1u << 5,
    CPUM_CR4_MCE = 1u << 6,
    CPUM_CR4_PGE = 1u << 7,
    CPUM_CR4_PCE = 1u << 8,
    CPUM_CR4_OSFXSR = 1u << 9,
    CPUM_CR4_OSXMMEXCPT = 1u << 10,
    CPUM_CR4_UMIP = 1u << 11,
    CPUM_CR4_FSGSBASE = 1u << 16,
    CPUM_CR4_PCIDE = 1u << 17,
    CPUM_CR4_OSXSAVE = 1u << 18,
    CPUM_CR4_SMEP = 1u << 20,
    CPUM_CR4_SMAP = 1u << 21
};
enum { CPUM_EFER_SCE = 1u << 0, CPUM_EFER_LME = 1u << 8, CPUM_EFER_LMA = 1u << 10, CPUM_EFER_NXE = 1u << 11 };

/* Segment attributes: descriptor bits 40-55 shifted down (type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D 14, G 15). */
enum {
    CPUM_SEG_TYPE = 0xf,
    CPUM_SEG_ACCESSED = 1,
    CPUM_SEG_WR = 2 /* data: writable; code: readable */,
    CPUM_SEG_DC = 4 /* expand-down or conforming */,
    CPUM_SEG_CODE = 8,
    CPUM_SEG_S = 0x10,
    CPUM_SEG_DPL = 0x60,
    CPUM_SEG_P = 0x80,
    CPUM_SEG_L = 0x2000,
    CPUM_SEG_D = 0x4000,
    CPUM_SEG_G = 0x8000,
    CPUM_SEG_UNUSABLE = 0x10000 /* null selector loaded */
};
struct cpum_seg {
    uint16_t sel;
    uint32_t attr;
    uint32_t limit; /* in bytes, granularity applied */
    uint64_t base;
};
struct cpum_table {
    uint64_t base;
    uint16_t limit;
};

/* FXSAVE image + XSAVE header + YMM high halves: exactly the standard XSAVE layout (components 0-2), 832 bytes. */
#define CPUM_XSAVE_BYTES 832
struct cpum_fpu {
    uint8_t area[CPUM_XSAVE_BYTES] __attribute__((aligned(64)));
};

enum cpum_activity { CPUM_RUNNING, CPUM_HALTED, CPUM_WAIT_SIPI, CPUM_SHUTDOWN /* triple fault */ };

/** Everything the guest can observe of its processor. */
struct cpum_ctx {
    uint64_t gpr[16]; /* enum x86_gpr */
    uint64_t rip;
    uint64_t zero;   /* always 0: an address's base or index that is not there */
    uint64_t rflags; /* always current, bit 1 set */
    struct cpum_seg seg[X86_SREG_COUNT];
    struct cpum_seg ldtr, tr;
    struct cpum_table gdtr, idtr;
    uint64_t cr0, cr2, cr3, cr4, xcr0;
    uint64_t dr[8]; /* 4, 5 unused */
    uint64_t efer, star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, mtrr_def_type, mtrr_fixed[11], mtrr_phys[16], misc_enable, feature_control, debugctl, tsc_adjust,
        spec_ctrl;
    uint64_t microcode_rev, mcg_status, hwcr, amd_de_cfg;
    int64_t tsc_offset; /* guest TSC = tm's TSC + this */
    struct cpum_fpu fpu;
    /* x87 pointers: kept here because the host's own are ours, not the guest's */
    uint64_t fip, fdp;
    uint16_t fcs, fds, fop;
    uint8_t cpl;
    uint8_t activity;    /* enum cpum_activity */
    uint8_t nmi_blocked; /* until IRET */
    uint8_t smm;
    uint64_t shadow_rip;  /* interrupts held off while rip == this and FF_SHADOW is set */
    uint8_t shadow_is_ss; /* MOV SS/POP SS: also holds off debug traps */
    uint8_t sipi_vector;
    uint8_t pending_db; /* DR6 B0-B3 collected for a trap after this instruction */
    uint8_t ferr;       /* FERR# is asserted: an x87 error with CR0.NE = 0 has been met */
};

/* Everything the CPU modes boil down to, recomputed by cpum_mode_update() whenever an input changes. */
struct cpum_mode {
    enum x86_mode code;        /* decoder mode */
    enum pgm_index idx;        /* TLB index for ordinary accesses at this CPL */
    struct pgm_tlb_entry *tlb; /* ... and its part of the TLB */
    bool pe, v86, long_mode, code64, paging;
    bool flat; /* CS, DS, ES, SS base 0, limit 4 GiB, usable, readable (+ writable data): no segment checks needed */
    uint8_t stack_bytes; /* width of SP: 2, 4, 8 */
    bool align_check;    /* CR0.AM && EFLAGS.AC && CPL 3 */
    uint32_t key;        /* what decoded code may depend on: CPUM_KEY_*; part of the block key */
};
/* Fields of cpum_mode.key. Decoded code that depends on anything else must test it when it runs (CR0.TS, IOPL ...). */
enum {
    CPUM_KEY_CODE = 3u << 0,  /* enum x86_mode */
    CPUM_KEY_STACK = 3u << 2, /* 0, 1, 2: SP of 2, 4, 8 bytes */
    CPUM_KEY_CPL = 3u << 4,
    CPUM_KEY_FLAT = 1u << 6,
    CPUM_KEY_PE = 1u << 7,
    CPUM_KEY_V86 = 1u << 8,
    CPUM_KEY_LMA = 1u << 9,
    CPUM_KEY_EM = 1u << 10,    /* CR0.EM */
    CPUM_KEY_SSE = 1u << 11,   /* CR4.OSFXSR */
    CPUM_KEY_AVX = 1u << 12,   /* CR4.OSXSAVE and XCR0 has SSE and YMM */
    CPUM_KEY_ALIGN = 1u << 13, /* align_check */
};

struct tm_machine;
struct iem;
struct raw;
struct rem;
struct trpm;
struct cpum_profile;
struct vm;
struct pdm_cpu_ops;

/** A virtual CPU. ctx first: handlers reach registers with small displacements. */
struct vcpu {
    struct cpum_ctx ctx;
    struct cpum_mode mode;
    struct ff ff;
    unsigned id;
    struct vm *vm; /* opaque below vm/ */
    struct tm_machine *tm;
    const struct cpum_profile *profile; /* CPUID leaves and features */
    struct iem *iem;                    /* interpreter's own state */
    struct trpm *trpm;                  /* events on their way */
    struct rem *rem;                    /* recompiler's; NULL = none */
    struct raw *raw;                    /* raw mode's; NULL = none */
    const struct cpum_outside *outside; /* how the engine reaches ports, APIC, PIC */
    void *outside_user;
    _Atomic uint32_t tlb_sync_done; /* last FF_TLB_SYNC request carried out */
    _Atomic uint32_t in_guest;      /* 1 while the thread may use its TLB */
    uint64_t stat_insns, stat_blocks, stat_xcpts, stat_irqs, stat_msr_reads, stat_msr_writes, stat_requests;
    struct stam_profile stat_halted; /* ns */
    struct pgm_mmu mmu;
    struct cpum_history history;
};

/** Whether a force flag wants a look. An interrupt does not while IF is clear: the guest's own handlers run so. */
static inline bool cpum_wanted(struct vcpu *c)
{
    return ff_any(&c->ff, (c->ctx.rflags & CPUM_FL_IF) != 0);
}
/** Translated code may run: ff_quiet(). */
static inline bool cpum_quiet(struct vcpu *c)
{
    return ff_quiet(&c->ff, (c->ctx.rflags & CPUM_FL_IF) != 0);
}

/** Something happened to @c just now, at its current CS:RIP. */
static inline void cpum_note(struct vcpu *c, enum cpum_event_kind kind, unsigned vector, uint32_t error)
{
    struct cpum_event *e = &c->history.event[c->history.count % CPUM_HISTORY_EVENTS];

    *e = (struct cpum_event){.insns = c->stat_insns,
                             .rip = c->ctx.rip,
                             .data = kind == CPUM_EVENT_FAULT && vector == 14 ? c->ctx.cr2 : 0,
                             .error = error,
                             .cs = c->ctx.seg[X86_CS].sel,
                             .kind = (uint8_t)kind,
                             .vector = (uint8_t)vector};
    c->history.count++;
}

/** What a CPU needs of the machine; filled by vm/ from IOM, PDM and TM. */
struct cpum_outside {
    uint32_t (*port_read)(void *user, unsigned cpu, uint16_t port, unsigned size);
    void (*port_write)(void *user, unsigned cpu, uint16_t port, uint32_t val, unsigned size);
    /* String I/O: moves up to @count elements, returns those moved; 0 = do it one by one. */
    size_t (*port_read_block)(void *user, unsigned cpu, uint16_t port, void *buf, unsigned size, size_t count);
    size_t (*port_write_block)(void *user, unsigned cpu, uint16_t port, const void *buf, unsigned size, size_t count);
    int (*interrupt_pending)(void *user, unsigned cpu);     /* vector deliverable now by TPR/priority, or -1 */
    int (*interrupt_acknowledge)(void *user, unsigned cpu); /* takes it; -1 = none after all */
    uint8_t (*tpr_get)(void *user, unsigned cpu);           /* CR8: TPR >> 4 */
    void (*tpr_set)(void *user, unsigned cpu, uint8_t cr8);
    bool (*apic_msr_read)(void *user, unsigned cpu, uint32_t msr, uint64_t *ret);
    bool (*apic_msr_write)(void *user, unsigned cpu, uint32_t msr, uint64_t val);
    uint64_t (*tsc)(void *user, unsigned cpu); /* guest TSC now, offset applied */
    void (*tsc_set)(void *user, unsigned cpu, uint64_t val);
    /* Guest TSC = host TSC less what stands there, while the vCPU executes; NULL: not so, ask tsc(). */
    const _Atomic uint64_t *(*tsc_offset)(void *user, unsigned cpu);
    void (*triple_fault)(void *user, unsigned cpu);
    void (*ferr)(void *user, unsigned cpu, bool asserted); /* FERR# changes: the board asks for IRQ 13 */
    bool (*ignne)(void *user);                             /* IGNNE#: x87 instructions run in spite of an error */
};

/** Zeroed, below 2 GiB where the host has room there (translated code then reaches it by 32-bit addresses). */
struct vcpu *cpum_vcpu_new(void);
void cpum_vcpu_free(struct vcpu *c);
/** Reset state of a PC's processor (SDM table 9-1); @bsp false: wait for SIPI. INIT keeps what INIT keeps. */
void cpum_reset(struct vcpu *c, bool bsp);
void cpum_init(struct vcpu *c, bool bsp);
/** After any change of a segment, CPL, CR0, CR4, EFER, XCR0 or EFLAGS.VM/AC. */
void cpum_mode_update(struct vcpu *c);
/** Brings mode and MMU in line with a context that was just loaded. False: no guest can be in that state. */
bool cpum_loaded(struct vcpu *c);

struct ssm_desc;
extern const struct ssm_desc cpum_state; /* saved state of struct cpum_ctx */

/* ---- CPUID and MSRs ---- */
struct cpum_cpuid {
    uint32_t eax, ebx, ecx, edx;
};
/** @name: "host" (what the host has and the engine runs), "Intel 486", "Intel Pentium 4", "AMD EPYC" ... NULL = host.
 */
struct cpum_profile *cpum_profile_new(const char *name, unsigned cpus, bool long_mode, bool pae, GError **error);
void cpum_profile_free(struct cpum_profile *p);
/** Names cpum_profile_new() knows, NULL-terminated; static. */
const char *const *cpum_profile_names(void);
/** Guest TSC frequency, for leaves 15h and 16h; 0 = not told. Before the first CPUID. */
void cpum_profile_tsc_hz(struct cpum_profile *p, uint64_t tsc_hz);
/** Physical address width shown to the guest; what pgm_mmu_init() wants. */
unsigned cpum_profile_phys_bits(const struct cpum_profile *p);
/** AMD's answer where AMD and Intel differ: SYSENTER in long mode, SYSRET, MSRs ... */
bool cpum_is_amd(const struct vcpu *c);
bool cpum_has_cpuid(const struct vcpu *c); /* false: the instruction does not exist (80386) */
/** EFLAGS bits that exist in this model: a 80386 has no AC, VIF, VIP, ID. */
uint64_t cpum_flags_exist(const struct vcpu *c);
/** XCR0 bits the model supports. */
uint64_t cpum_xcr0_exist(const struct vcpu *c);
bool cpum_has(const struct vcpu *c, enum x86_feature feature); /* constant time: a bitmap */
void cpum_cpuid(struct vcpu *c, uint32_t leaf, uint32_t subleaf, struct cpum_cpuid *ret);
/** Every leaf the guest sees now, a line each. */
void cpum_info_cpuid(struct vcpu *c, GString *out);
/** cpum_register() - a vCPU's counters into the machine's registry, which goes before @c does. */
void cpum_register(struct vcpu *c, struct stam *stam);
/** False = #GP(0). */
bool cpum_msr_read(struct vcpu *c, uint32_t msr, uint64_t *ret);
bool cpum_msr_write(struct vcpu *c, uint32_t msr, uint64_t val);
/** Register writes with all their rules and side effects (TLB, mode). False = #GP(0). */
bool cpum_cr0_write(struct vcpu *c, uint64_t val);
bool cpum_cr3_write(struct vcpu *c, uint64_t val);
bool cpum_cr4_write(struct vcpu *c, uint64_t val);
bool cpum_xcr0_write(struct vcpu *c, uint64_t val);
bool cpum_efer_write(struct vcpu *c, uint64_t val);
/** Canonical for 48-bit linear addresses. */
static inline bool cpum_canonical(uint64_t gla)
{
    return (uint64_t)((int64_t)(gla << 16) >> 16) == gla;
}

#endif
