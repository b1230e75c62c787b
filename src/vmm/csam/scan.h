/*
 * scan.h - CSAM's scanner: from an address in a page to the instructions that run from there.
 *
 * A run is straight code inside one page: it goes on behind conditional branches and ends at a jump, at an instruction
 * that changes more than data, at the page's end or after CSAM_RUN_MAX instructions.
 */
#ifndef VMM_CSAM_SCAN_H
#define VMM_CSAM_SCAN_H

#include "x86/insn.h"

#define CSAM_PAGE_BYTES 4096u
#define CSAM_RUN_MAX    64u
#define CSAM_RUN_BYTES  (CSAM_RUN_MAX * 15u) /* no run is longer */

struct csam_insn {
    struct x86_insn i;
    uint16_t off; /* in the page */
};

struct csam_run {
    unsigned count;
    uint16_t from, to; /* bytes of the run */
    struct csam_insn insn[CSAM_RUN_MAX];
};

/**
 * csam_scan() - @code: guest code from offset @off of its page on, to offset @end or
 * CSAM_RUN_BYTES of it.
 * Return: false if not one whole instruction is there.
 */
bool csam_scan(const uint8_t *code, unsigned off, unsigned end, enum x86_mode mode, struct csam_run *ret);

#endif
