/*
 * iem.h - the interpreter: complete, exact, the reference every other engine is compared with.
 */
#ifndef VMM_IEM_IEM_H
#define VMM_IEM_IEM_H

#include "vmm/cpum/cpum.h"

/** Why iem_run() came back; the vCPU stands between two instructions in every case. */
enum iem_exit {
    IEM_EXIT_BUDGET,   /* budget used up */
    IEM_EXIT_FF,       /* a force flag that em must handle is set (REQUEST, TLB_SYNC, INIT, SIPI, SMI) */
    IEM_EXIT_HALT,     /* HLT or MWAIT: nothing to do until an interrupt; ctx.activity = CPUM_HALTED */
    IEM_EXIT_SHUTDOWN, /* triple fault; ctx.activity = CPUM_SHUTDOWN */
    IEM_EXIT_BREAK,    /* debugger breakpoint at ctx.rip */
};

bool iem_init(struct vcpu *c, GError **error);
void iem_fini(struct vcpu *c);
/** Forgets all decoded code (save-state load, debugger patch of ROM ...). */
void iem_flush(struct vcpu *c);
/**
 * iem_run() - execute guest code until a reason above, at most about @max_insns instructions. Delivers exceptions,
 * and interrupts and NMIs between instructions when the flags, shadows and priorities allow (asks c->outside).
 */
enum iem_exit iem_run(struct vcpu *c, uint64_t max_insns);
/** Exactly one instruction (or one delivered event); for the debugger and tests. */
enum iem_exit iem_step(struct vcpu *c);
/** Debugger breakpoints by linear address; iem_run() stops in front of one, and steps over it when called again. */
#define IEM_BREAKS 32
bool iem_break_add(struct vcpu *c, uint64_t gla);
void iem_break_remove(struct vcpu *c, uint64_t gla);
/** Debugger access by linear address with the vCPU's current paging; false if not mapped. No side effects on the guest.
 */
bool iem_debug_read(struct vcpu *c, uint64_t gla, void *buf, size_t bytes);
bool iem_debug_write(struct vcpu *c, uint64_t gla, const void *buf, size_t bytes);
/** Bytes of decoded code that are kept. */
size_t iem_cache_resident(const struct vcpu *c);
/** iem_register() - a vCPU's counters as /IEM/CPU<n>/... into the machine's registry, which goes before @c does. */
void iem_register(struct vcpu *c, struct stam *stam);

#endif
