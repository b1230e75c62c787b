/*
 * rem.h - the recompiler: hot guest code as host code, same instruction set to same instruction set.
 *
 * The interpreter's run loop stays the master (iem/assist.h): it asks here when a block is hot. Translated code runs
 * until something else is needed - a force flag, an instruction only the interpreter knows, code not translated yet.
 * What it does in detail is in doc/rem.md.
 *
 * Thread: one struct rem per vCPU, used by the vCPU's thread; rem_code_changed() comes from anywhere.
 */
#ifndef VMM_REM_REM_H
#define VMM_REM_REM_H

#include "vmm/cpum/cpum.h"

#define REM_HEAT_DEFAULT 16u /* executions in the interpreter before a block is translated */

/**
 * rem_init() - @cpus: vCPUs of the machine, which share the host's address space.
 * False: this host cannot (no BMI2, no FSGSBASE, no address space): the vCPU goes on with the interpreter alone.
 */
bool rem_init(struct vcpu *c, unsigned cpus, GError **error);
void rem_fini(struct vcpu *c);
/** Forgets all translations: reset, loaded state. */
void rem_flush(struct vcpu *c);
/** No more than @arenas (of 2 MiB of code) are used from now on; what is translated is forgotten. At least 2. */
void rem_set_arenas(struct vcpu *c, unsigned arenas);
/** Executions in the interpreter before a block is translated; UINT32_MAX switches the recompiler off. */
void rem_set_threshold(struct vcpu *c, uint32_t executions);
/**
 * rem_set_lockstep() - from now on every block is run by the interpreter as well, and a difference stops the machine:
 * FF_REQUEST is set and rem_difference() says so. Before the first block; one vCPU only. @trust: a block that ran so
 * often is from then on compared at some of its runs only; 0: at every one.
 */
bool rem_set_lockstep(struct vcpu *c, uint32_t trust, GError **error);
/** One line about the difference that stopped the machine; NULL: there was none. */
const char *rem_difference(const struct vcpu *c);
/** All about it. Return: the RIP it began at, 0 = no difference. */
uint64_t rem_lockstep_info(const struct vcpu *c, GString *out);
/** Watched code in the page at @gpa changed; any thread. The caller then sets FF_CODE. */
void rem_code_changed(struct vcpu *c, uint64_t gpa);

/**
 * rem_fault() - a host exception at @context (a ucontext_t) on this thread: if translated code raised it, the context
 * is changed so that the interpreter executes that guest instruction.
 * Return: false if it is none of ours. Async-signal-safe.
 * @sig 0: it was none (a signal somebody sent); only what translated code has set for itself is taken back.
 */
bool rem_fault(int sig, void *context);

/** Why code was not translated: alignment checks or an odd code segment, no memory, no form. */
enum rem_refusal { REM_REFUSED_MODE, REM_REFUSED_MEMORY, REM_REFUSED_FORM, REM_REFUSALS };
/** What has happened, for STAM. */
struct rem_stats {
    uint64_t blocks, insns, guest_bytes, host_bytes, flushes, invalidated, revived, enters, links, slow, elsewhere,
        faults, groups, copies, bulks, opaque_insns, verified, unverified, evictions, evicted, pages_evicted,
        targets_forgotten, again;
    uint64_t refused[REM_REFUSALS];
    uint64_t scans, scanned_insns, rescans, changes;                                 /* CSAM's */
    uint64_t rewritten, constants, code_stores, ports, device_accesses, not_devices; /* PATM's */
    uint64_t ticks;                                                                  /* with rem_set_profile() */
};
const struct rem_stats *rem_stats(const struct vcpu *c);
struct stam;
/** "/REM/CPUn/...", "/CSAM/CPUn/...", "/PATM/CPUn/..." */
void rem_register(struct vcpu *c, struct stam *stam);
/** From now on runs of blocks are counted, and the time in translated code. Before the first block. */
bool rem_set_profile(struct vcpu *c, GError **error);
/** rem_perf_map_open() - makes /tmp/perf-PID.map, where perf looks for names. */
bool rem_perf_map_open(int *ret_fd, GError **error);
/** A line for every block that is translated from now on goes to @fd, which stays open. */
void rem_set_perf_map(struct vcpu *c, int fd);
/** "info rem": numbers, instructions left to the interpreter, the hottest blocks. */
void rem_info(const struct vcpu *c, GString *out);
/** "info memory": what the vCPU's engines take. */
void rem_info_memory(const struct vcpu *c, GString *out);
/** "info csam": pages with code. */
void rem_info_code(const struct vcpu *c, GString *out);

#endif
