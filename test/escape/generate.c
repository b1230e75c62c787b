/*
 * generate.c - random code that is likelier than noise to do something: pieces of the named payloads, instructions that
 * enter the kernel or load what decides about rights, moves of interesting values, and noise. Registers point into the
 * stub, the maps, the kernel, or are numbers of system calls and selectors.
 */
#include "generate.h"

#include <string.h>

#include "rt/jail_int.h"

#define FL_USER UINT64_C(0x247fd5) /* what POPF can change in ring 3, and ID */

/* Two to four bytes each, padded by NOPs. */
static const uint8_t pieces[][4] = {
    {0x0f, 0x05, 0x90, 0x90}, {0x0f, 0x34, 0x90, 0x90}, {0xcd, 0x80, 0x90, 0x90}, {0x48, 0xcb, 0x90, 0x90},
    {0x48, 0xcf, 0x90, 0x90}, {0xcb, 0x90, 0x90, 0x90}, {0xcf, 0x90, 0x90, 0x90}, {0xff, 0x28, 0x90, 0x90},
    {0x48, 0xff, 0x2f, 0x90}, {0xff, 0x1e, 0x90, 0x90}, {0x9d, 0x90, 0x90, 0x90}, {0x9c, 0x9d, 0x90, 0x90},
    {0xc3, 0x90, 0x90, 0x90}, {0xff, 0xe0, 0x90, 0x90}, {0xff, 0xd7, 0x90, 0x90}, {0xff, 0xe6, 0x90, 0x90},
    {0x8e, 0xd8, 0x90, 0x90}, {0x8e, 0xe1, 0x90, 0x90}, {0x8e, 0xe9, 0x90, 0x90}, {0x8e, 0xd1, 0x90, 0x90},
    {0xf3, 0x48, 0x0f, 0xae}, {0x0f, 0xae, 0x2f, 0x90}, {0x0f, 0xae, 0x27, 0x90}, {0x0f, 0xae, 0x16, 0x90},
    {0x0f, 0x01, 0xef, 0x90}, {0x0f, 0x01, 0xd0, 0x90}, {0x0f, 0x01, 0xf9, 0x90}, {0x0f, 0x01, 0xf8, 0x90},
    {0x0f, 0x01, 0x07, 0x90}, {0x0f, 0x00, 0xc8, 0x90}, {0x0f, 0x32, 0x90, 0x90}, {0x0f, 0x30, 0x90, 0x90},
    {0x0f, 0x22, 0xd8, 0x90}, {0xcc, 0x90, 0x90, 0x90}, {0xf1, 0x90, 0x90, 0x90}, {0xcd, 0x03, 0x90, 0x90},
    {0xf4, 0x90, 0x90, 0x90}, {0xfa, 0x90, 0x90, 0x90}, {0xfd, 0x90, 0x90, 0x90}, {0xf3, 0xa4, 0x90, 0x90},
    {0xf3, 0x48, 0xab, 0x90}, {0xf0, 0x48, 0x01, 0x07}, {0x0f, 0xc7, 0x0f, 0x90}, {0x50, 0x90, 0x90, 0x90},
    {0x5c, 0x90, 0x90, 0x90}, {0x48, 0x89, 0xc4, 0x90}, {0x48, 0x89, 0x07, 0x90}, {0xc6, 0x06, 0xcc, 0x90},
    {0xd9, 0x2f, 0x90, 0x90}, {0xde, 0xf9, 0x9b, 0x90}, {0xdd, 0x27, 0x90, 0x90}, {0x0f, 0x77, 0x90, 0x90},
    {0x0f, 0xa2, 0x90, 0x90}, {0x0f, 0x31, 0x90, 0x90}, {0x0f, 0x33, 0x90, 0x90}, {0xc7, 0xf8, 0x00, 0x00},
    {0x0f, 0x01, 0xd5, 0x90}, {0x0f, 0xc7, 0xf8, 0x90}, {0x0f, 0x07, 0x90, 0x90}, {0x0f, 0x35, 0x90, 0x90},
};

static uint64_t value(struct rng *g, uint64_t stub)
{
    static const uint16_t selectors[] = {0, 3, 8, 0x10, 0x13, 0x18, 0x1b, 0x23, 0x2b, 0x33, 0x40, 0x43, 0x63, 0x7b};
    static const uint64_t places[] = {0,
                                      UINT64_MAX,
                                      UINT64_C(0xffffffff81000000),
                                      UINT64_C(0xffffffffff600000),
                                      UINT64_C(0xffff888000000000),
                                      UINT64_C(0x800000000000),
                                      JAIL_TOP - 8,
                                      RIG_READ_ONLY,
                                      UINT32_MAX};

    switch (rng_below(g, 10)) {
    case 0: return stub + rng_below(g, 64);
    case 1: return stub + rng_below(g, JAIL_STUB_BYTES);
    case 2: return RIG_CODE + rng_below(g, 2 * JAIL_PAGE_BYTES);
    case 3:
    case 4: return RIG_DATA + rng_below(g, 2 * JAIL_PAGE_BYTES) / 8 * 8;
    case 5: return selectors[rng_below(g, G_N_ELEMENTS(selectors))];
    case 6: return places[rng_below(g, G_N_ELEMENTS(places))];
    case 7: return rng_below(g, 512) | (rng_one_in(g, 4) ? 0x40000000 : 0);
    case 8: return (uint64_t)0 - rng_below(g, 256);
    default: return rng_next(g);
    }
}

static void append(struct try *t, const void *bytes, unsigned size)
{
    if (t->size + size > PAYLOAD_BYTES)
        return;
    memcpy(t->code + t->size, bytes, size);
    t->size += size;
}

/* mov r64, imm64 in 64-bit code; mov r32, imm32 else */
static void append_move(struct rng *g, uint64_t stub, struct try *t)
{
    const uint64_t val = value(g, stub);
    uint8_t bytes[10] = {t->bits == 64 ? 0x48 : 0x90, (uint8_t)(0xb8 + rng_below(g, 8))};

    memcpy(bytes + 2, &val, 8);
    append(t, bytes, t->bits == 64 ? 10 : 6);
}

static void append_payload(struct rng *g, uint64_t stub, struct try *t)
{
    uint8_t bytes[PAYLOAD_BYTES];
    const unsigned size = payload_bytes(payloads[rng_below(g, payload_count)].code, stub, bytes);
    const unsigned from = rng_one_in(g, 2) ? 0 : rng_below(g, size);

    append(t, bytes + from, size - from);
}

static void append_piece(struct rng *g, struct try *t)
{
    uint8_t bytes[4];

    memcpy(bytes, pieces[rng_below(g, G_N_ELEMENTS(pieces))], 4);
    if (rng_one_in(g, 8))
        bytes[rng_below(g, 4)] = (uint8_t)rng_next(g);
    append(t, bytes, 4);
}

static void append_noise(struct rng *g, struct try *t)
{
    const uint64_t noise = rng_next(g);

    append(t, &noise, 1 + rng_below(g, 8));
}

static void registers(struct rng *g, uint64_t stub, struct try *t)
{
    struct user_regs_struct *u = &t->regs;
    uint64_t *words = (uint64_t *)(void *)u;

    *u = (struct user_regs_struct){.ss = JAIL_DATA};
    for (unsigned n = 0; n < 15; n++) /* R15 to RDI */
        words[n] = value(g, stub);
    u->rsp = rng_one_in(g, 4) ? value(g, stub) : RIG_STACK - 8 * rng_below(g, 64);
    u->rip = !rng_one_in(g, 8)  ? RIG_CODE
             : rng_one_in(g, 2) ? stub + rng_below(g, 64)
                                : RIG_CODE + rng_below(g, PAYLOAD_BYTES);
    u->cs = t->bits == 64 ? JAIL_CS64 : JAIL_CS32;
    u->ds = u->es = rng_one_in(g, 2) ? JAIL_DATA : 0;
    u->eflags = rng_one_in(g, 4) ? (rng_next(g) & FL_USER) | 0x202 : 0x202;
    u->fs_base = value(g, stub) % JAIL_TOP;
    u->gs_base = value(g, stub) % JAIL_TOP;
}

void generate(struct rng *g, uint64_t stub, struct try *ret)
{
    const unsigned count = 1 + rng_below(g, 8);

    ret->size = 0;
    ret->bits = rng_one_in(g, 4) ? 32 : 64;
    for (unsigned n = 0; n < count; n++)
        switch (rng_below(g, 8)) {
        case 0: append_payload(g, stub, ret); break;
        case 1:
        case 2: append_move(g, stub, ret); break;
        case 3: append_noise(g, ret); break;
        default: append_piece(g, ret); break;
        }
    registers(g, stub, ret);
}
