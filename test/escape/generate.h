/*
 * generate.h - a random try: code, registers, data.
 */
#ifndef TEST_ESCAPE_GENERATE_H
#define TEST_ESCAPE_GENERATE_H

#include "../isa/rng.h"
#include "payload.h"

struct
try {
    uint8_t code[PAYLOAD_BYTES];
    unsigned size, bits;
    struct user_regs_struct regs;
};

/** @stub: where it is in the jail the try is for. */
void generate(struct rng *g, uint64_t stub, struct try *ret);

#endif
