/*
 * host_quirks.h - where the host CPU may do otherwise than our engines: what manuals leave open, what hosts do not
 * tell, and what Intel's processors, which the engines follow, and AMD's do differently.
 */
#ifndef TEST_ISA_HOST_QUIRKS_H
#define TEST_ISA_HOST_QUIRKS_H

#include "trial.h"

struct host_quirks {
    bool amd;      /* or one that follows AMD's manual */
    bool fdp_rare; /* CPUID 7 EBX bit 6: FDP is written by unmasked x87 exceptions only */
};
struct host_quirks host_quirks(void);

/** Which byte of an operand of many parts is tried first is the CPU's choice. */
bool host_same_address(const struct trial *t, uint64_t host, uint64_t ours);
/** Vectors, -1 for none, differ as they may: there is no more to compare. */
bool host_may_fault(const struct host_quirks *q, const struct trial *t, int host, int ours);
/** The part of the host's register area @fpu at @at is not what the instruction alone has made. */
bool host_hides(const struct host_quirks *q, const struct trial *t, const uint8_t *fpu, int vector, unsigned at,
                unsigned bytes);
/** The byte of memory at @address likewise. */
bool host_hides_memory(const struct host_quirks *q, const struct trial *t, uint64_t address);
/** Flags are those of some step of a string instruction before it faulted. */
bool host_hides_flags(const struct host_quirks *q, const struct trial *t, int vector);
/** Memory may have been written in part before the fault. */
bool host_stores_in_parts(const struct trial *t, int vector);
/** The instruction goes elsewhere there: not a case. */
bool host_branches_otherwise(const struct host_quirks *q, const struct trial *t);

#endif
