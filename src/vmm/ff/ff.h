/*
 * ff.h - force flags: how anybody asks a vCPU thread to look up from executing guest code.
 *
 * Anyone may set a bit (release order: whatever the bit announces was stored before); only the vCPU's own thread
 * clears. The executing engine tests the word at every block boundary.
 */
#ifndef VMM_FF_FF_H
#define VMM_FF_FF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum ff_bit {
    FF_INTR = 1u << 0, /* APIC or PIC may have an interrupt: ask again */
    FF_NMI = 1u << 1,
    FF_SMI = 1u << 2,
    FF_INIT = 1u << 3,
    FF_SIPI = 1u << 4,
    FF_TLB_SYNC = 1u << 5, /* drop write translations of pages that became watched; then acknowledge */
    FF_REQUEST = 1u << 6,  /* the VM wants this vCPU out of its loop: pause, reset, power off, debugger */
    FF_TRAP = 1u << 7,     /* single step or data breakpoint hit: deliver #DB after this instruction */
    FF_EVENT = 1u << 9,    /* a debugger injected an event: trpm_take() */
    FF_CODE = 1u << 10,    /* translated code has changed: leave it and look (the recompiler's inbox) */
    FF_SHADOW = 1u << 8,   /* one-instruction interrupt shadow (STI, MOV SS) is active */
};

struct ff {
    _Atomic uint32_t bits;
    _Atomic uint32_t quiet; /* for translated code: 0 if a bit has been set since ff_quiet() */
    uint32_t no_interrupt;  /* the owner's, for translated code's STI: 0 if one waited for it at the last ff_quiet() */
};

/** Sets bits; returns the word as it was. */
static inline uint32_t ff_raise(struct ff *f, uint32_t bits)
{
    uint32_t old = atomic_fetch_or(&f->bits, bits);

    atomic_store_explicit(&f->quiet, 0, memory_order_release);
    return old;
}
static inline void ff_set(struct ff *f, uint32_t bits)
{
    (void)ff_raise(f, bits);
}
/** Whether one of @bits wants a look. An interrupt has to wait while the guest has them off (@open false). */
static inline bool ff_wanted(uint32_t bits, bool open)
{
    return bits != 0 && (bits != FF_INTR || open);
}
/** The owner's: from here on a bit that is set clears quiet. False: one that wants a look is set already. */
static inline bool ff_quiet(struct ff *f, bool open)
{
    uint32_t bits;

    if (atomic_load_explicit(&f->quiet, memory_order_relaxed) == 0)
        atomic_store(&f->quiet, 1); /* in front of the look at the bits, in everybody's eyes */
    bits = atomic_load_explicit(&f->bits, memory_order_relaxed);
    f->no_interrupt = !(bits & FF_INTR);
    return !ff_wanted(bits, open);
}
static inline void ff_clear(struct ff *f, uint32_t bits)
{
    atomic_fetch_and_explicit(&f->bits, ~bits, memory_order_acquire);
}
static inline uint32_t ff_get(struct ff *f)
{
    return atomic_load_explicit(&f->bits, memory_order_acquire);
}
/** Relaxed look for the inner loop; a set bit is then read again with ff_get(). */
static inline bool ff_any(struct ff *f, bool open)
{
    return ff_wanted(atomic_load_explicit(&f->bits, memory_order_relaxed), open);
}

#endif
