/*
 * trial.h - one instruction with everything it works on: made from a form by chance.
 */
#ifndef TEST_ISA_TRIAL_H
#define TEST_ISA_TRIAL_H

#include "forms.h"
#include "rng.h"
#include "world.h"

#define SPOT_BYTES 2048u /* around the memory operand; images of XSAVE fit */

struct trial {
    const struct world *world;
    const struct form *form;
    uint8_t code[X86_MAX_LEN];
    struct x86_insn i;
    uint64_t spot;  /* linear: where the memory operand is meant to be */
    uint64_t start; /* linear: of memory[] */
    unsigned bytes; /* of memory[] */
    uint8_t memory[SPOT_BYTES];
    struct cpu_state in;
};

/** Addressing, immediates, segment override, place of the memory operand. False: this throw gives no instruction. */
bool trial_code(struct trial *t, struct rng *r);
/** Registers, flags and memory for it. False: this throw would reach memory it must not. */
bool trial_operands(struct trial *t, struct rng *r);

/** FXSAVE, XSAVE, FSAVE, FSTENV and the like: the operand is an image of registers. */
bool trial_is_image(const struct trial *t);
/** MASKMOVQ, MASKMOVDQU: bytes at [rDI]. */
bool trial_is_masked_store(const struct trial *t);
/** These and VMASKMOV, VPMASKMOV, gathers: memory element by element. */
bool trial_is_masked(const struct trial *t);

#endif
