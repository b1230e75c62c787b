/*
 * guest_run.h - runs the same instruction on an engine of ours, from the same registers.
 */
#ifndef TEST_ISA_GUEST_RUN_H
#define TEST_ISA_GUEST_RUN_H

#include "harness.h"
#include "world.h"

/** An engine is its entry: runs until HLT, at most about @max_insns instructions. */
struct engine {
    const char *name;
    enum iem_exit (*run)(struct vcpu *c, uint64_t max_insns);
    bool recompile; /* every block through the recompiler */
    bool native;    /* every block of 64-bit code in a jail */
};
/** NULL: no such engine; *ret_names then lists those there are. */
const struct engine *engine_find(const char *name, const char **ret_names);

struct guest {
    struct isa *t;
    const struct engine *engine;
    const struct world *world;
    struct cpum_ctx fresh[WORLDS]; /* long mode, CPL 3 */
    uint8_t *window;
};

void guest_init(struct guest *g, const struct engine *engine);
void guest_fini(struct guest *g);
/** Makes @insn the instruction to run in @w. */
void guest_load(struct guest *g, const struct world *w, const uint8_t *insn, size_t bytes);
/** Runs it: *r in and out. False: the engine never came back to where it must. */
bool guest_run(struct guest *g, struct cpu_state *r, size_t insn_bytes, struct cpu_fault *ret_fault);

#endif
