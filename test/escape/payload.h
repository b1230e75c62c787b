/*
 * payload.h - the tables of what is tried (payloads.def, calls.def), as code and registers.
 */
#ifndef TEST_ESCAPE_PAYLOAD_H
#define TEST_ESCAPE_PAYLOAD_H

#include "rig.h"

#define PAYLOAD_BYTES 64u

/** How it may end. */
enum {
    THROUGH = 1, /* at the UD2 behind it */
    SYS = 2,
    SEGV = 4,
    ILL = 8,
    FPE = 16,
    TRAP = 32,
    BUS = 64,
    FOREVER = 128
};

struct payload {
    const char *name;
    unsigned bits; /* 64, 32 */
    const char *code;
    unsigned ends;
};
extern const struct payload payloads[];
extern const unsigned payload_count;
/** The bytes; @stub: where it is. Return: how many. */
unsigned payload_bytes(const char *code, uint64_t stub, uint8_t ret[PAYLOAD_BYTES]);

/** A way of making a system call. */
struct abi {
    const char *name;
    unsigned bits;    /* of the code */
    bool old_numbers; /* the 32-bit table's, and its registers */
    uint32_t number_bit;
    uint8_t code[2];
    enum { IN_CODE, IN_STUB, IN_BATCH } where;
    unsigned ends;
};
extern const struct abi abis[];
extern const unsigned abi_count, call_count;
const char *call_name(unsigned call);
/** Code, registers, memory for this call. Return: false: there is none. */
bool call_load(struct rig *r, unsigned call, const struct abi *abi);

/** How a run has ended, as one bit of the above; 0: the jail was lost. */
unsigned payload_end(const struct rig *r, unsigned size, enum jail_end end, const struct jail_trap *t);

#endif
