/*
 * dbreak.c - debug-register breakpoints.
 *
 * Sources: SDM vol. 3 17.2.4 (DR7), 17.2.5 (lengths and alignment), 17.3.1 (when they are reported).
 * Invariant 1: data and I/O hits are collected in ctx.pending_db and delivered as a trap after the instruction.
 */
#include "vmm/iem/iem_int.h"

enum { RW_EXEC, RW_WRITE, RW_IO, RW_ANY };

static unsigned dr7_rw(uint64_t dr7, unsigned n)
{
    return (unsigned)(dr7 >> (16 + 4 * n)) & 3;
}

static unsigned dr7_bytes(uint64_t dr7, unsigned n)
{
    static const uint8_t bytes[4] = {1, 2, 8, 4};

    return bytes[(dr7 >> (18 + 4 * n)) & 3];
}

static bool dr7_enabled(uint64_t dr7, unsigned n)
{
    return (dr7 >> (2 * n) & 3) != 0;
}

static bool overlaps(const struct vcpu *c, unsigned n, uint64_t addr, unsigned bytes)
{
    uint64_t len = dr7_bytes(c->ctx.dr[7], n);
    uint64_t start = c->ctx.dr[n] & ~(len - 1);

    return addr < start + len && start < addr + bytes;
}

static void note(struct vcpu *c, unsigned n)
{
    c->ctx.pending_db |= (uint8_t)(1u << n);
    c->iem->end_block = true;
    ff_set(&c->ff, FF_TRAP);
}

void iem_watch_data(struct vcpu *c, uint64_t gla, unsigned bytes, enum pgm_access acc)
{
    for (unsigned n = 0; n < 4; n++) {
        unsigned rw = dr7_rw(c->ctx.dr[7], n);

        if (!dr7_enabled(c->ctx.dr[7], n) || !(rw == RW_ANY || (rw == RW_WRITE && acc == PGM_WRITE)))
            continue;
        if (overlaps(c, n, gla, bytes))
            note(c, n);
    }
}

void iem_watch_io(struct vcpu *c, uint16_t port, unsigned bytes)
{
    if (!(c->ctx.cr4 & CPUM_CR4_DE))
        return;
    for (unsigned n = 0; n < 4; n++)
        if (dr7_enabled(c->ctx.dr[7], n) && dr7_rw(c->ctx.dr[7], n) == RW_IO && overlaps(c, n, port, bytes))
            note(c, n);
}

unsigned iem_watch_code(const struct vcpu *c, uint64_t gla)
{
    unsigned hits = 0;

    for (unsigned n = 0; n < 4; n++)
        if (dr7_enabled(c->ctx.dr[7], n) && dr7_rw(c->ctx.dr[7], n) == RW_EXEC && c->ctx.dr[n] == gla)
            hits |= 1u << n;
    return hits;
}
