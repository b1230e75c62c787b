/*
 * mem_int.h - the part of guest memory access that must be inline: effective addresses, and direct access to RAM.
 */
#ifndef VMM_IEM_MEM_INT_H
#define VMM_IEM_MEM_INT_H

#include <string.h>

#include "vmm/iem/iem_int.h"

static inline uint64_t iem_wrap(uint64_t off, unsigned addrsize)
{
    return addrsize == 8 ? off : addrsize == 4 ? (uint32_t)off : (uint16_t)off;
}

static inline uint64_t iem_ea_inl(const struct vcpu *c, const struct x86_insn *i)
{
    uint64_t ea = (uint64_t)i->disp;

    if (i->base == X86_BASE_RIP)
        ea += c->ctx.rip;
    else if (i->base != X86_REG_NONE)
        ea += c->ctx.gpr[i->base];
    if (i->index != X86_REG_NONE)
        ea += c->ctx.gpr[i->index] * i->scale;
    return iem_wrap(ea, i->addrsize);
}

/** Where in the host a plain access goes, or NULL: something needs a closer look (mem.c). */
static inline uint8_t *iem_direct(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, enum pgm_access acc)
{
    uint64_t gla;

    if (__builtin_expect(c->mode.code64, 1))
        gla = seg < X86_FS ? off : off + c->ctx.seg[seg].base;
    else if (c->mode.flat && seg < X86_FS && (acc == PGM_READ || seg != X86_CS))
        gla = (uint32_t)off;
    else
        return NULL;
    if (__builtin_expect(c->mode.align_check | ((c->ctx.dr[7] & 0xff) != 0), 0))
        return NULL;
    return pgm_mmu_fast(&c->mmu, c->mode.idx, gla, bytes, acc);
}

/* Slow halves. */
uint64_t iem_rd_slow(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes);
void iem_wr_slow(struct vcpu *c, unsigned seg, uint64_t off, uint64_t val, unsigned bytes);

/* One host access of 1, 2, 4 or 8 bytes; a constant size folds away. */
static inline uint64_t iem_host_load(const void *p, unsigned bytes)
{
    uint8_t b;
    uint16_t w;
    uint32_t d;
    uint64_t q;

    switch (bytes) {
    case 1: memcpy(&b, p, 1); return b;
    case 2: memcpy(&w, p, 2); return w;
    case 4: memcpy(&d, p, 4); return d;
    default: memcpy(&q, p, 8); return q;
    }
}

static inline void iem_host_store(void *p, uint64_t val, unsigned bytes)
{
    switch (bytes) {
    case 1: *(uint8_t *)p = (uint8_t)val; break;
    case 2: memcpy(p, &(uint16_t){(uint16_t)val}, 2); break;
    case 4: memcpy(p, &(uint32_t){(uint32_t)val}, 4); break;
    default: memcpy(p, &val, 8); break;
    }
}

static inline uint64_t iem_rd_inl(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes)
{
    const uint8_t *p = iem_direct(c, seg, off, bytes, PGM_READ);

    if (__builtin_expect(p == NULL, 0))
        return iem_rd_slow(c, seg, off, bytes);
    return iem_host_load(p, bytes);
}

static inline void iem_wr_inl(struct vcpu *c, unsigned seg, uint64_t off, uint64_t val, unsigned bytes)
{
    uint8_t *p = iem_direct(c, seg, off, bytes, PGM_WRITE);

    if (__builtin_expect(p == NULL, 0))
        iem_wr_slow(c, seg, off, val, bytes);
    else
        iem_host_store(p, val, bytes);
}

#endif
