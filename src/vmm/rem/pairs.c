/*
 * pairs.c - the stack on which translated calls and returns meet.
 *
 * A guest call is a host call too: it pushes the complement of the return address and calls, so that the host predicts
 * the return. A guest return compares the address it finds with the complement on top; if they belong together it is a
 * host return, else an indirect jump, which takes the pair away. RSP is this stack while translated code runs; C code
 * has its own.
 *
 * Layout, upwards: a guard; the stack; a pair that matches nothing and is never taken away, for returns nobody called.
 * Running into a guard starts afresh (rem_pairs_fault()). Invariant 1: RSP is a multiple of 16 between guest
 * instructions, so a pair never lies half in a guard. Invariant 2: a pair is used only while no X entry of the set has
 * been killed since it was made: whoever goes on in translated code after C code ran compares flat's epoch and forgets
 * all pairs. Invariant 3: RSP is never above the first pair, so nothing at or above it is overwritten, and what is
 * found there after everything was forgotten is no pair of before.
 */
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "vmm/rem/rem_int.h"

#define GUARD_BYTES (64u << 10)
#define STACK_BYTES (1u << 20)
#define EMPTY_BYTES (64u << 10)
#define ALL_BYTES   (2 * GUARD_BYTES + STACK_BYTES + EMPTY_BYTES)

bool rem_pairs_init(struct rem *r)
{
    uint8_t *p = mmap(NULL, ALL_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return false;
    r->pairs = p;
    if (mprotect(p + GUARD_BYTES, STACK_BYTES + EMPTY_BYTES, PROT_READ | PROT_WRITE) != 0)
        return false;
    uint64_t *empty = (uint64_t *)(void *)(p + GUARD_BYTES + STACK_BYTES);
    for (unsigned n = 0; n < EMPTY_BYTES / 8; n += 2) {
        empty[n] = (uint64_t)(uintptr_t)(r->code.rx + r->none);
        empty[n + 1] = UINT64_C(1) << 62; /* complement of no canonical address */
    }
    r->hot.pair_first = (uint64_t)(uintptr_t)empty;
    r->hot.minus_pair_first = 0 - r->hot.pair_first;
    rem_pairs_forget(r);
    return true;
}

void rem_pairs_fini(struct rem *r)
{
    if (r->pairs != NULL)
        munmap(r->pairs, ALL_BYTES);
    r->pairs = NULL;
}

void rem_pairs_forget(struct rem *r)
{
    r->hot.pair_sp = r->hot.pair_first;
    r->pairs_epoch = r->flat->x_epoch;
}

bool rem_pairs_fault(const struct rem *r, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t at = (uint64_t)regs[REG_CR2] - (uint64_t)(uintptr_t)r->pairs;

    if (at >= ALL_BYTES || (at >= GUARD_BYTES && at < ALL_BYTES - GUARD_BYTES))
        return false;
    regs[REG_RSP] = (greg_t)r->hot.pair_first;
    return true;
}
