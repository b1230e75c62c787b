/*
 * sweep.h - CSAM's look at a page of code as a whole: what straight reading finds in it, and what runs from an address.
 *
 * Where instructions begin is not written anywhere. Straight reading starts so far in front of the page that it has
 * fallen into step when the page begins; if that is not there, each of the first bytes may be where one begins. Bytes
 * the decoder does not know are shown, and skipped by the length they would have if they are newer vector instructions,
 * else one by one. Libraries keep tables between their functions: what is undefined or privileged shows data, and in
 * 64-bit code what is close to it is not taken for code by straight reading. What is not seen: instructions that begin
 * inside others, which compilers do not make.
 */
#ifndef VMM_CSAM_SWEEP_H
#define VMM_CSAM_SWEEP_H

#include "vmm/csam/memo.h"
#include "vmm/csam/scan.h"

#define CSAM_LEAD_BYTES 192u /* of the page before: enough to fall into step */
#define CSAM_TAIL_BYTES 16u  /* of the page after: the last instruction may reach there */

/** The bytes around a page; a missing neighbour has no bytes. */
struct csam_window {
    uint8_t bytes[CSAM_LEAD_BYTES + CSAM_PAGE_BYTES + CSAM_TAIL_BYTES];
    bool has_lead, has_tail;
};

/** @i: NULL if @bytes are no instruction the decoder knows. Return: false ends it. */
typedef bool csam_look(void *user, const struct x86_insn *i, const uint8_t *bytes);

/**
 * csam_sweep() - every instruction with a byte in the page.
 * Return: false if @look returned false for one that is not among data; without a lead, if it does from every place the
 * first one may begin.
 * @memo: forms that need not be shown any more; @look must not look at their registers and displacements. NULL: none.
 */
bool csam_sweep(const struct csam_window *w, enum x86_mode mode, csam_look *look, void *user, struct csam_memo *memo);
/**
 * csam_follow() - every instruction in the page that @entry leads to by falling through and direct jumps.
 * Return: false as soon as @look returned false.
 * @entry: an offset in the page; negative: of an instruction that begins in the lead, which must be there.
 */
bool csam_follow(const struct csam_window *w, int entry, enum x86_mode mode, csam_look *look, void *user,
                 struct csam_memo *memo);

#endif
