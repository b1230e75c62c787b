/*
 * world.c - see world.h. Selectors are Linux's: the host runs under them.
 */
#include "world.h"

#define LDT_SEL(segment) ((uint16_t)(((segment)-WORLD_SEG_LDT) << 3 | 7))
#define LIMIT_4G         0xffffffffu

enum {
    CODE = 0xfb, /* present, DPL 3, readable, accessed */
    DATA = 0xf3,
    DATA_DOWN = 0xf7,
    DATA_READ = 0xf1,
    L = 0x2000,
    D = 0x4000,
    G = 0x8000
};

const struct world_segment_spec world_segments[WORLD_SEG_COUNT] = {
    [WORLD_SEG_NULL] = {0},
    [WORLD_SEG_CODE64] = {0x33, 0, LIMIT_4G, CODE | L | G},
    [WORLD_SEG_CODE32] = {0x23, 0, LIMIT_4G, CODE | D | G},
    [WORLD_SEG_FLAT] = {0x2b, 0, LIMIT_4G, DATA | D | G},
    [WORLD_SEG_CODE16] = {LDT_SEL(WORLD_SEG_CODE16), WORLD_CODE - 0x7a10, 0x8a0f, CODE},
    [WORLD_SEG_CODE32_BASE] = {LDT_SEL(WORLD_SEG_CODE32_BASE), WORLD_CODE - 0x1000, 0x2ffff, CODE | D},
    [WORLD_SEG_DATA16] = {LDT_SEL(WORLD_SEG_DATA16), WORLD_WINDOW_END - 0x10000, 0xffff, DATA},
    [WORLD_SEG_SHORT] = {LDT_SEL(WORLD_SEG_SHORT), WORLD_WINDOW - 0x10000, 0x10000 + WORLD_WINDOW_BYTES - 65, DATA | D},
    [WORLD_SEG_DOWN] = {LDT_SEL(WORLD_SEG_DOWN), WORLD_WINDOW - 0x8000, 0x8000 + 63, DATA_DOWN | D},
    [WORLD_SEG_READ] = {LDT_SEL(WORLD_SEG_READ), WORLD_WINDOW - 0x20000, LIMIT_4G, DATA_READ | D | G},
};

/* Order of enum x86_sreg: ES CS SS DS FS GS. FS is the host's own in 64-bit code, null and unusable elsewhere. */
const struct world worlds[WORLDS] = {
    {"64", X86_MODE_64, {WORLD_SEG_FLAT, WORLD_SEG_CODE64, WORLD_SEG_FLAT, WORLD_SEG_FLAT, 0, WORLD_SEG_READ}},
    {"32", X86_MODE_32, {WORLD_SEG_FLAT, WORLD_SEG_CODE32, WORLD_SEG_FLAT, WORLD_SEG_FLAT, 0, WORLD_SEG_READ}},
    {"32 without a limit", /* as kernels make it: what raw mode takes */
     X86_MODE_32,
     {WORLD_SEG_FLAT, WORLD_SEG_CODE32, WORLD_SEG_FLAT, WORLD_SEG_FLAT, 0, WORLD_SEG_FLAT}},
    {"32 with limits",
     X86_MODE_32,
     {WORLD_SEG_SHORT, WORLD_SEG_CODE32_BASE, WORLD_SEG_SHORT, WORLD_SEG_DOWN, 0, WORLD_SEG_DATA16}},
    {"32 on a 16-bit stack",
     X86_MODE_32,
     {WORLD_SEG_DOWN, WORLD_SEG_CODE32, WORLD_SEG_DATA16, WORLD_SEG_FLAT, 0, WORLD_SEG_SHORT}},
    {"16", X86_MODE_16, {WORLD_SEG_DATA16, WORLD_SEG_CODE16, WORLD_SEG_DATA16, WORLD_SEG_DATA16, 0, WORLD_SEG_SHORT}},
    {"16 on a 32-bit stack",
     X86_MODE_16,
     {WORLD_SEG_SHORT, WORLD_SEG_CODE16, WORLD_SEG_SHORT, WORLD_SEG_DATA16, 0, WORLD_SEG_DOWN}},
};

uint32_t world_base(const struct world *w, unsigned sreg)
{
    if (w->mode == X86_MODE_64 && sreg < X86_FS)
        return 0;
    return world_segments[w->seg[sreg]].base;
}

uint32_t world_code_offset(const struct world *w)
{
    return WORLD_CODE - world_base(w, X86_CS);
}
