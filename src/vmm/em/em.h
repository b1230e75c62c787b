/*
 * em.h - the execution manager: runs one vCPU with the cheapest engine that is exact, handles its force flags, sleeps
 * when it halts. The interpreter's loop is the master; it hands hot code to the recompiler or to raw mode.
 *
 * Threads: em_run() belongs to the vCPU's thread; em_post() and em_sync() may come from anywhere.
 * Invariant 1: a vCPU uses its TLB only while in_guest is 1; before it uses it again it has looked at FF_TLB_SYNC.
 * Invariant 2: em_post() is never lost: the flag is set before the sleeper's word is looked at.
 */
#ifndef VMM_EM_EM_H
#define VMM_EM_EM_H

#include "vmm/cpum/cpum.h"

enum em_exit {
    EM_EXIT_REQUEST,  /* FF_REQUEST: the machine wants this thread */
    EM_EXIT_SHUTDOWN, /* triple fault */
    EM_EXIT_BREAK,    /* debugger breakpoint at ctx.rip */
    EM_EXIT_FATAL,    /* the engine itself failed, or two engines disagree; em_fatal_text() says how */
};

enum em_exit em_run(struct vcpu *c);
/** Sets force flags and wakes the vCPU if it sleeps. */
void em_post(struct vcpu *c, uint32_t flags);
/**
 * em_sync() - returns when no vCPU but @self (NULL: none) can write memory through a translation made before the call.
 * @self's own pending duty is done meanwhile, so that two callers never wait for each other.
 */
void em_sync(struct vcpu *const *cpus, unsigned count, struct vcpu *self);
/** Before the first em_run(): turns host faults of vCPU threads into EM_EXIT_FATAL. */
void em_rescue_init(void);
/** On @c's thread, after EM_EXIT_FATAL: what happened. */
const char *em_fatal_text(const struct vcpu *c);
/** em_register() - all of a vCPU's counters, the engines' too, into the machine's registry, which goes before @c does.
 */
void em_register(struct vcpu *c, struct stam *stam);

#endif
