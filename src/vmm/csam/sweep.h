/*
 * sweep.h - CSAM's look at a whole page of code: every instruction that straight reading finds in it.
 *
 * Where instructions begin is not written anywhere. Reading starts so far in front of the page that it has fallen into
 * step when the page begins, and once more at an address that is known to be executed. Bytes that are no instruction
 * are shown and skipped one by one. What is not seen: instructions that begin inside others, which compilers do not
 * make.
 */
#ifndef VMM_CSAM_SWEEP_H
#define VMM_CSAM_SWEEP_H

#include "vmm/csam/scan.h"

#define CSAM_LEAD_BYTES 192u /* of the page before: enough to fall into step */
#define CSAM_TAIL_BYTES 16u  /* of the page after: the last instruction may reach there */

/** The bytes around a page; a missing neighbour has no bytes. */
struct csam_window {
    uint8_t bytes[CSAM_LEAD_BYTES + CSAM_PAGE_BYTES + CSAM_TAIL_BYTES];
    bool has_lead, has_tail;
};

/**
 * csam_sweep() - calls @look(user, i, bytes) for each instruction that has a byte in the page, until it returns false.
 * i is NULL for bytes that are none.
 * @entry: offset in the page of an instruction that is executed.
 * Return: false as soon as @look returned false.
 */
bool csam_sweep(const struct csam_window *w, unsigned entry, enum x86_mode mode,
                bool (*look)(void *user, const struct x86_insn *i, const uint8_t *bytes), void *user);

#endif
