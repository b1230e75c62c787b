/*
 * raw.h - raw mode: user code of a 64-bit guest runs as it stands, natively, in a jailed process (doc/raw.md).
 *
 * The interpreter's run loop stays the master: it asks here in front of hot blocks, before it asks the recompiler. The
 * guest's registers go to the jail and come back at the first thing that is not computing - a system call, an
 * exception, a page the jail does not have yet, a force flag.
 *
 * Threads: one struct raw per vCPU; everything on the vCPU's thread but raw_kick() and raw_code_changed().
 */
#ifndef VMM_RAW_RAW_H
#define VMM_RAW_RAW_H

#include <sys/types.h>

#include "vmm/cpum/cpum.h"

/** How willingly: by measurement (costs against gain, per address space), or wherever it is possible (tests). */
enum raw_will { RAW_WHEN_IT_PAYS, RAW_WHENEVER_POSSIBLE };

/**
 * raw_init() - on the vCPU's own thread, whose end is the jails' end.
 * False: the host does not allow jails; the vCPU does without.
 */
bool raw_init(struct vcpu *c, enum raw_will will, GError **error);
/** Accepts a vCPU without raw mode. */
void raw_fini(struct vcpu *c);
/** Forgets what is mapped and what was learnt: reset, loaded state. */
void raw_flush(struct vcpu *c);
/** The vCPU has to look at its force flags, which are set already; any thread. */
void raw_kick(struct vcpu *c);
/** Watched code changed; any thread. The caller then sets FF_CODE and kicks. */
void raw_code_changed(struct vcpu *c);
/** The jail was killed with the guest's registers in it: the machine cannot go on. Why, or NULL. */
const char *raw_lost(const struct vcpu *c);

/** For the sandbox: processes and threads of the jails, at most @max; what is missing, or "". */
unsigned raw_threads(const struct vcpu *c, pid_t *ret, unsigned max);
const char *raw_missing(const struct vcpu *c);
/** Nanoseconds of one way in and out, as measured. */
uint64_t raw_cost_ns(const struct vcpu *c);

struct raw_stats {
    uint64_t enters, syscalls, faults, exceptions, kicks, filled, prefilled, dropped, revalidated, cleared, judged,
        judged_ns, refused, strange, admitted, expelled;
};
const struct raw_stats *raw_stats(const struct vcpu *c);
struct stam;
/** "/RAW/CPUn/..." */
void raw_register(struct vcpu *c, struct stam *stam);

#endif
