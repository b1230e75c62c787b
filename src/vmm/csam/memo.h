/*
 * memo.h - what the decoder has said about instructions, for the next one of the same form.
 *
 * Reading a page of code is mostly decoding, and most of what is in it differs from what was there before in registers
 * and displacements only. A form is what the length and the nature of an instruction depend on: prefix, opcode, ModRM's
 * reg and whether its mod is 3. What depends on more has no form and is decoded each time. 64-bit code only.
 */
#ifndef VMM_CSAM_MEMO_H
#define VMM_CSAM_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "x86/insn.h"

#define CSAM_MEMO_FORMS (4u * 2 * 256 * 16) /* prefix, map, opcode, reg and mod */

/** All zero: knows nothing. */
struct csam_memo {
    uint8_t form[CSAM_MEMO_FORMS];
};

/** Where reading goes from an instruction. */
struct csam_step {
    unsigned bytes; /* 0: not all of it is there */
    bool direct;    /* a branch or a call, @rel from its end */
    bool ends;      /* does not go on behind it */
    int32_t rel;
};

/** csam_memo_recall() - @b: X86_MAX_LEN bytes. Return: false: ask the decoder. */
bool csam_memo_recall(const struct csam_memo *m, const uint8_t *b, struct csam_step *ret);
/** csam_memo_learn() - @i was decoded from @b, and whoever asks wants nothing else of its form. */
void csam_memo_learn(struct csam_memo *m, const uint8_t *b, const struct x86_insn *i);
/** csam_operand_bytes() - ModRM with SIB and displacement. */
unsigned csam_operand_bytes(const uint8_t *modrm);

#endif
