/*
 * world.h - where a compared instruction runs: the kinds of code and the segments, the same for host and guest.
 *
 * Linear addresses are the same on both sides. One page of code, a window of data; nothing else below 4 GiB is mapped.
 * The segments are chosen so that limits end inside the window: 64 KiB segments end with it, WORLD_SEG_SHORT ends
 * before it, WORLD_SEG_DOWN begins behind its start.
 */
#ifndef TEST_ISA_WORLD_H
#define TEST_ISA_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "x86/insn.h"

#define WORLD_CODE         0x2d0000u
#define WORLD_WINDOW       0x2f8000u
#define WORLD_WINDOW_BYTES 0x2000u
#define WORLD_WINDOW_END   (WORLD_WINDOW + WORLD_WINDOW_BYTES)
#define WORLD_TAKEN        0x80u /* where a branch leads to, behind WORLD_CODE */
#define WORLD_FPU_BYTES    832u  /* standard XSAVE layout of components 0-2 */

/** Registers; fpu[] has FXSAVE64's x87 pointers (no selectors). */
struct cpu_state {
    uint8_t fpu[WORLD_FPU_BYTES] __attribute__((aligned(64)));
    uint64_t gpr[16]; /* enum x86_gpr */
    uint64_t flags;
    uint64_t rip; /* out: offset of the next instruction, or of the one that faulted */
};

struct cpu_fault {
    int vector; /* -1: none */
    uint64_t error;
    uint64_t address; /* CR2 */
};

enum world_segment {
    WORLD_SEG_NULL,
    WORLD_SEG_CODE64,
    WORLD_SEG_CODE32,
    WORLD_SEG_FLAT,
    WORLD_SEG_LDT, /* the following are entries of an LDT, in this order */
    WORLD_SEG_CODE16 = WORLD_SEG_LDT,
    WORLD_SEG_CODE32_BASE,
    WORLD_SEG_DATA16,
    WORLD_SEG_SHORT,
    WORLD_SEG_DOWN,
    WORLD_SEG_READ,
    WORLD_SEG_COUNT
};

struct world_segment_spec {
    uint16_t sel;
    uint32_t base, limit; /* limit in bytes */
    uint32_t attr;        /* as in struct cpum_seg: descriptor bits 40-55 */
};
extern const struct world_segment_spec world_segments[WORLD_SEG_COUNT];

struct world {
    const char *name;
    enum x86_mode mode;
    uint8_t seg[6]; /* enum world_segment by enum x86_sreg */
};
#define WORLDS 7u
extern const struct world worlds[WORLDS];

/** Base that counts for an access by @sreg: none in 64-bit mode but those of FS and GS. */
uint32_t world_base(const struct world *w, unsigned sreg);
/** Where the code page lies in CS. */
uint32_t world_code_offset(const struct world *w);

#endif
