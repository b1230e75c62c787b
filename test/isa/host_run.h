/*
 * host_run.h - runs one instruction on the host CPU with all general, x87 and vector registers and flags given, in
 * 64-bit, 32-bit or 16-bit code.
 */
#ifndef TEST_ISA_HOST_RUN_H
#define TEST_ISA_HOST_RUN_H

#include <stddef.h>

#include "world.h"

/** Maps code and window and makes the segments. NULL, or what the host lacks. */
const char *host_run_init(void);
/** Makes @insn the instruction to run in @w; it, and a branch to WORLD_TAKEN, leave to us by themselves. */
void host_run_load(const struct world *w, const uint8_t *insn, size_t bytes);
/** Runs it: *r in and out. */
void host_run(struct cpu_state *r, struct cpu_fault *ret_fault);

#endif
