/*
 * zydis_match.h - one byte string, decoded by us and by Zydis, and what differs.
 */
#ifndef ZYDIS_MATCH_H
#define ZYDIS_MATCH_H

#include <Zydis/Zydis.h>

#include "x86/insn.h"

/** Kinds of difference; a set in known.mask. */
enum difference {
    DIFF_NONE = 0,
    DIFF_OURS_ONLY = 1 << 0,  /* we decode, Zydis refuses */
    DIFF_ZYDIS_ONLY = 1 << 1, /* Zydis decodes, we refuse */
    DIFF_LENGTH = 1 << 2,
    DIFF_MNEMONIC = 1 << 3,
    DIFF_OPERANDS = 1 << 4, /* number, kind, register, size, address, immediate */
    DIFF_ACCESS = 1 << 5,   /* operand read or written */
    DIFF_FLAGS = 1 << 6,    /* EFLAGS read, written, undefined */
};

struct zydis_pair {
    const uint8_t *bytes;
    size_t size;
    enum x86_mode mode;
    int len; /* x86_decode()'s result */
    struct x86_insn insn;
    ZyanStatus status; /* Zydis's */
    ZydisDecodedInstruction z;
    ZydisDecodedOperand zop[ZYDIS_MAX_OPERAND_COUNT];
    const char *detail; /* what differs, for the report */
};

/** Decoders for X86_MODE_16, _32, _64, with the extensions we do not have switched off as far as Zydis can. */
void zydis_init(ZydisDecoder decoders[3]);

/** Decodes pair->bytes both ways and compares. */
enum difference zydis_match(const ZydisDecoder decoders[3], struct zydis_pair *pair);

/** The number of the explanation of a difference in the table of zydis_known.c, or -1. */
int zydis_explain(enum difference diff, const struct zydis_pair *pair);

/** The reason with that number, NULL behind the last. */
const char *zydis_reason(int number);

#endif
