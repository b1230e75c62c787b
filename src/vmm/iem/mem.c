/*
 * mem.c - guest memory as instructions see it: segments, paging, alignment, device memory, self-modified code.
 *
 * Order of checks: segment (type, limit, canonical), alignment (#AC), then paging page by page, lower page first; all
 * of them before the first byte moves. An access over a page boundary, or one that paging sends to a device, is cut
 * into naturally aligned pieces, each seen once and in ascending order.
 *
 * Sources: SDM vol. 3 5.3 (limits), 5.4.1 (null selectors), 6.15 (#AC, #PF), 4.6; vol. 1 3.3.7.1.
 * Left out: atomicity of LOCKed operations over a page boundary.
 * Invariant 1: both pages of a split store are translated for writing before the first is written.
 * Invariant 2: a store that did not go directly to RAM ends the block: it may have changed code or mappings.
 */
#include "vmm/iem/mem_int.h"

#include "vmm/iem/cache_int.h"
#include "vmm/iem/seg_int.h"

#define PAGE_MASK ((uint64_t)PGM_PAGE_BYTES - 1)

/* Up to two pages' worth of one access. */
struct span {
    struct {
        uint64_t gpa;
        uint8_t *hva; /* NULL: by pgm_phys_*_n */
        unsigned bytes;
    } part[2];
    unsigned parts;
};

/* ---- segments ---- */

static _Noreturn void raise_seg(struct vcpu *c, unsigned seg)
{
    iem_raise_error(c, seg == X86_SS ? XCPT_SS : XCPT_GP, 0);
}

/* Type checks of protected mode; real and V86 mode have none (SDM 20.1.1). */
static bool type_allows(const struct cpum_seg *s, enum pgm_access acc)
{
    if (s->attr & CPUM_SEG_UNUSABLE || !(s->attr & CPUM_SEG_P))
        return false;
    if (s->attr & CPUM_SEG_CODE)
        return acc == PGM_EXEC || (acc == PGM_READ && (s->attr & CPUM_SEG_WR));
    return acc == PGM_READ || (s->attr & CPUM_SEG_WR);
}

static bool limit_allows(const struct cpum_seg *s, uint64_t off, unsigned bytes)
{
    uint64_t last = off + bytes - 1;

    if (!(s->attr & CPUM_SEG_CODE) && (s->attr & CPUM_SEG_DC)) /* expand-down */
        return off > s->limit && last <= (s->attr & CPUM_SEG_D ? 0xffffffffull : 0xffffull);
    return last <= s->limit || (s->limit == ~0u && off <= ~0u); /* a 4 GiB segment wraps */
}

uint64_t iem_gla(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, enum pgm_access acc)
{
    const struct cpum_seg *s = &c->ctx.seg[seg];
    uint64_t gla;

    bytes = MAX(bytes, 1);
    if (c->mode.code64) {
        gla = seg < X86_FS ? off : off + s->base;
        if (!iem_canonical(gla) || !iem_canonical(gla + bytes - 1))
            raise_seg(c, seg);
        return gla;
    }
    if (c->mode.pe && !c->mode.v86 && !type_allows(s, acc))
        raise_seg(c, seg);
    if (!limit_allows(s, off, bytes))
        raise_seg(c, seg);
    return (uint32_t)(s->base + off);
}

/* ---- paging ---- */

static void xlat(struct vcpu *c, enum pgm_index idx, uint64_t gla, enum pgm_access acc, struct pgm_xlat *ret)
{
    if (pgm_mmu_xlat(&c->mmu, idx, gla, acc, ret) != PGM_XLAT_OK)
        iem_raise_pf(c, gla, ret->error_code);
}

static void add_part(struct vcpu *c, struct span *s, enum pgm_index idx, uint64_t gla, unsigned bytes,
                     enum pgm_access acc)
{
    struct pgm_xlat x;

    xlat(c, idx, gla, acc, &x);
    s->part[s->parts].gpa = (x.gpa & ~PAGE_MASK) | (gla & PAGE_MASK);
    s->part[s->parts].hva = x.hva;
    s->part[s->parts++].bytes = bytes;
}

/* Translates the one or two pages of an access (inv 1). */
static void span_of(struct vcpu *c, struct span *s, enum pgm_index idx, uint64_t gla, unsigned bytes,
                    enum pgm_access acc)
{
    unsigned first = MIN(bytes, PGM_PAGE_BYTES - (unsigned)(gla & PAGE_MASK));

    s->parts = 0;
    add_part(c, s, idx, gla, first, acc);
    if (first == bytes)
        return;
    gla += first;
    add_part(c, s, idx, c->mode.long_mode ? gla : (uint32_t)gla, bytes - first, acc);
}

/* The largest natural piece at the head of [gpa, +bytes). */
static unsigned piece_bytes(uint64_t gpa, unsigned bytes)
{
    unsigned n = 8;

    while (n > bytes || (gpa & (n - 1)))
        n >>= 1;
    return n;
}

static void part_read(struct vcpu *c, uint64_t gpa, const uint8_t *hva, uint8_t *buf, unsigned bytes)
{
    if (hva) {
        memcpy(buf, hva, bytes);
        return;
    }
    for (unsigned n; bytes; gpa += n, buf += n, bytes -= n) {
        n = piece_bytes(gpa, bytes);
        iem_host_store(buf, pgm_phys_read_n(c->mmu.pgm, gpa, n), n);
    }
}

static void part_write(struct vcpu *c, uint64_t gpa, uint8_t *hva, const uint8_t *buf, unsigned bytes)
{
    if (hva) {
        memcpy(hva, buf, bytes);
        return;
    }
    c->iem->end_block = true; /* inv 2 */
    for (unsigned n; bytes; gpa += n, buf += n, bytes -= n) {
        n = piece_bytes(gpa, bytes);
        pgm_phys_write_n(c->mmu.pgm, gpa, iem_host_load(buf, n), n);
    }
}

static void span_read(struct vcpu *c, const struct span *s, uint8_t *buf)
{
    for (unsigned n = 0; n < s->parts; buf += s->part[n].bytes, n++)
        part_read(c, s->part[n].gpa, s->part[n].hva, buf, s->part[n].bytes);
}

static void span_write(struct vcpu *c, const struct span *s, const uint8_t *buf)
{
    for (unsigned n = 0; n < s->parts; buf += s->part[n].bytes, n++)
        part_write(c, s->part[n].gpa, s->part[n].hva, buf, s->part[n].bytes);
}

/* One scalar within a page: a device sees exactly this access, RAM a single host access. */
static uint64_t scalar_read(struct vcpu *c, enum pgm_index idx, uint64_t gla, unsigned bytes)
{
    struct pgm_xlat x;
    struct span s;
    uint64_t val = 0;

    if ((gla & PAGE_MASK) + bytes <= PGM_PAGE_BYTES) {
        xlat(c, idx, gla, PGM_READ, &x);
        return x.hva ? iem_host_load(x.hva, bytes)
                     : pgm_phys_read_n(c->mmu.pgm, (x.gpa & ~PAGE_MASK) | (gla & PAGE_MASK), bytes);
    }
    span_of(c, &s, idx, gla, bytes, PGM_READ);
    span_read(c, &s, (uint8_t *)&val);
    return val;
}

static void scalar_write(struct vcpu *c, enum pgm_index idx, uint64_t gla, uint64_t val, unsigned bytes)
{
    struct pgm_xlat x;
    struct span s;

    if ((gla & PAGE_MASK) + bytes > PGM_PAGE_BYTES) {
        span_of(c, &s, idx, gla, bytes, PGM_WRITE);
        span_write(c, &s, (const uint8_t *)&val);
        return;
    }
    xlat(c, idx, gla, PGM_WRITE, &x);
    if (x.hva) {
        iem_host_store(x.hva, val, bytes);
        return;
    }
    c->iem->end_block = true; /* inv 2 */
    pgm_phys_write_n(c->mmu.pgm, (x.gpa & ~PAGE_MASK) | (gla & PAGE_MASK), val, bytes);
}

/* Table 6-7: what EFLAGS.AC asks of an operand of @bytes. Vectors may lie anywhere on the CPUs there are. */
static unsigned natural_alignment(unsigned bytes)
{
    enum { REAL80 = 10, ENV16 = 14, ENV32 = 28, SAVE16 = 94, SAVE32 = 108 }; /* of x87 */

    switch (bytes) {
    case 2:
    case 4:
    case 8: return bytes;
    case REAL80: return 8;
    case ENV32:
    case SAVE32: return 4;
    case ENV16:
    case SAVE16: return 2;
    default: return 1;
    }
}

/* Everything before paging: segment and alignment. A misplaced vector is #GP(0) even beyond the segment's limit. */
static uint64_t checked_gla(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, enum pgm_access acc,
                            enum iem_align align)
{
    uint64_t base = c->mode.code64 && seg < X86_FS ? 0 : c->ctx.seg[seg].base;
    uint64_t gla;

    if (align == IEM_ALIGN_GP && ((base + off) & (bytes - 1)))
        iem_gp0(c);
    gla = iem_gla(c, seg, off, bytes, acc);
    if (c->mode.align_check && align == IEM_ALIGN_AC && (gla & (natural_alignment(bytes) - 1)))
        iem_raise_error(c, XCPT_AC, 0);
    return gla;
}

static inline void watch(struct vcpu *c, uint64_t gla, unsigned bytes, enum pgm_access acc)
{
    if (G_UNLIKELY(c->ctx.dr[7] & 0xff))
        iem_watch_data(c, gla, bytes, acc);
}

uint64_t iem_rd_slow(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes)
{
    uint64_t gla = checked_gla(c, seg, off, bytes, PGM_READ, IEM_ALIGN_AC);
    const uint8_t *p = pgm_mmu_fast(&c->mmu, c->mode.idx, gla, bytes, PGM_READ);
    uint64_t val = p ? iem_host_load(p, bytes) : scalar_read(c, c->mode.idx, gla, bytes);

    watch(c, gla, bytes, PGM_READ);
    return val;
}

void iem_wr_slow(struct vcpu *c, unsigned seg, uint64_t off, uint64_t val, unsigned bytes)
{
    uint64_t gla = checked_gla(c, seg, off, bytes, PGM_WRITE, IEM_ALIGN_AC);
    uint8_t *p = pgm_mmu_fast(&c->mmu, c->mode.idx, gla, bytes, PGM_WRITE);

    if (p)
        iem_host_store(p, val, bytes);
    else
        scalar_write(c, c->mode.idx, gla, val, bytes);
    watch(c, gla, bytes, PGM_WRITE);
}

/* ---- the accessors ---- */

uint64_t iem_ea(const struct vcpu *c, const struct x86_insn *i)
{
    return iem_ea_inl(c, i);
}

uint8_t iem_rd8(struct vcpu *c, unsigned seg, uint64_t off)
{
    return (uint8_t)iem_rd_inl(c, seg, off, 1);
}

uint16_t iem_rd16(struct vcpu *c, unsigned seg, uint64_t off)
{
    return (uint16_t)iem_rd_inl(c, seg, off, 2);
}

uint32_t iem_rd32(struct vcpu *c, unsigned seg, uint64_t off)
{
    return (uint32_t)iem_rd_inl(c, seg, off, 4);
}

uint64_t iem_rd64(struct vcpu *c, unsigned seg, uint64_t off)
{
    return iem_rd_inl(c, seg, off, 8);
}

uint64_t iem_rd(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes)
{
    return iem_rd_inl(c, seg, off, bytes);
}

void iem_wr(struct vcpu *c, unsigned seg, uint64_t off, uint64_t val, unsigned bytes)
{
    iem_wr_inl(c, seg, off, val, bytes);
}

void iem_rd_bytes(struct vcpu *c, unsigned seg, uint64_t off, void *buf, unsigned bytes, enum iem_align align)
{
    const uint8_t *p = iem_direct(c, seg, off, bytes, PGM_READ);
    struct span s;
    uint64_t gla;

    if (G_LIKELY(p && !(align == IEM_ALIGN_GP && ((uintptr_t)p & (bytes - 1))))) {
        memcpy(buf, p, bytes);
        return;
    }
    gla = checked_gla(c, seg, off, bytes, PGM_READ, align);
    span_of(c, &s, c->mode.idx, gla, bytes, PGM_READ);
    span_read(c, &s, buf);
    watch(c, gla, bytes, PGM_READ);
}

void iem_wr_bytes(struct vcpu *c, unsigned seg, uint64_t off, const void *buf, unsigned bytes, enum iem_align align)
{
    uint8_t *p = iem_direct(c, seg, off, bytes, PGM_WRITE);
    struct span s;
    uint64_t gla;

    if (G_LIKELY(p && !(align == IEM_ALIGN_GP && ((uintptr_t)p & (bytes - 1))))) {
        memcpy(p, buf, bytes);
        return;
    }
    gla = checked_gla(c, seg, off, bytes, PGM_WRITE, align);
    span_of(c, &s, c->mode.idx, gla, bytes, PGM_WRITE);
    span_write(c, &s, buf);
    watch(c, gla, bytes, PGM_WRITE);
}

void iem_probe_write(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, enum iem_align align)
{
    uint64_t gla = checked_gla(c, seg, off, bytes, PGM_WRITE, align);
    struct span s;

    span_of(c, &s, c->mode.idx, gla, bytes, PGM_WRITE);
}

/* Implicit accesses are supervisor accesses whatever the CPL; SMAP then forbids user pages, EFLAGS.AC or not
 * (SDM 4.6.1). */
static enum pgm_index sys_index(const struct vcpu *c)
{
    return c->ctx.cr4 & CPUM_CR4_SMAP ? PGM_IDX_KERNEL : PGM_IDX_KERNEL_AC;
}

uint64_t iem_sys_rd(struct vcpu *c, uint64_t gla, unsigned bytes)
{
    return scalar_read(c, sys_index(c), c->mode.long_mode ? gla : (uint32_t)gla, bytes);
}

void iem_sys_wr(struct vcpu *c, uint64_t gla, uint64_t val, unsigned bytes)
{
    scalar_write(c, sys_index(c), c->mode.long_mode ? gla : (uint32_t)gla, val, bytes);
}

/* Explicit accesses of another privilege level: the stack an interrupt or call is about to switch to. */
static enum pgm_index cpl_index(const struct vcpu *c, unsigned cpl)
{
    if (cpl == 3)
        return PGM_IDX_USER;
    return (c->ctx.cr4 & CPUM_CR4_SMAP) && !(c->ctx.rflags & CPUM_FL_AC) ? PGM_IDX_KERNEL : PGM_IDX_KERNEL_AC;
}

uint64_t iem_cpl_rd(struct vcpu *c, unsigned cpl, uint64_t gla, unsigned bytes)
{
    return scalar_read(c, cpl_index(c, cpl), c->mode.long_mode ? gla : (uint32_t)gla, bytes);
}

void iem_cpl_wr(struct vcpu *c, unsigned cpl, uint64_t gla, uint64_t val, unsigned bytes)
{
    scalar_write(c, cpl_index(c, cpl), c->mode.long_mode ? gla : (uint32_t)gla, val, bytes);
}

/* ---- read-modify-write ---- */

/* RAM whose stores must be reported is changed in place all the same: other CPUs' LOCKed operations go there too. */
static void *watched_ram(struct vcpu *c, uint64_t gpa)
{
    struct pgm_page page;

    pgm_page_get(c->mmu.pgm, gpa, true, &page);
    return page.kind == PGM_KIND_RAM && page.hva ? page.hva + (gpa & PAGE_MASK) : NULL;
}

void iem_map(struct vcpu *c, unsigned seg, uint64_t off, unsigned bytes, struct iem_map *ret)
{
    struct span s;

    ret->bytes = (uint8_t)bytes;
    ret->watched = false;
    ret->p = iem_direct(c, seg, off, bytes, PGM_WRITE);
    if (G_LIKELY(ret->p)) {
        ret->direct = true;
        return;
    }
    ret->gla = checked_gla(c, seg, off, bytes, PGM_WRITE, IEM_ALIGN_AC);
    span_of(c, &s, c->mode.idx, ret->gla, bytes, PGM_WRITE);
    watch(c, ret->gla, bytes, PGM_WRITE);
    if (s.parts == 1 && !s.part[0].hva) {
        s.part[0].hva = watched_ram(c, s.part[0].gpa);
        ret->watched = s.part[0].hva != NULL;
        ret->gpa = s.part[0].gpa;
    }
    ret->direct = s.parts == 1 && s.part[0].hva;
    ret->p = ret->direct ? s.part[0].hva : ret->bounce;
    if (!ret->direct)
        span_read(c, &s, ret->bounce);
}

void iem_commit(struct vcpu *c, struct iem_map *m)
{
    struct span s;

    if (G_LIKELY(m->direct && !m->watched))
        return;
    c->iem->end_block = true; /* inv 2 */
    if (m->watched) {
        pgm_code_written(c->mmu.pgm, m->gpa, m->bytes);
        return;
    }
    span_of(c, &s, c->mode.idx, m->gla, m->bytes, PGM_WRITE);
    span_write(c, &s, m->bounce);
}

/* ---- debugger ---- */

static bool debug_access(struct vcpu *c, uint64_t gla, uint8_t *rd, const uint8_t *wr, size_t bytes)
{
    while (bytes) {
        size_t n = MIN(bytes, PGM_PAGE_BYTES - (size_t)(gla & PAGE_MASK));
        uint64_t gpa;

        if (!pgm_mmu_peek(&c->mmu, gla, &gpa))
            return false;
        gpa = (gpa & ~PAGE_MASK) | (gla & PAGE_MASK);
        if (wr)
            pgm_phys_write(c->mmu.pgm, gpa, wr, n);
        else
            pgm_phys_read(c->mmu.pgm, gpa, rd, n);
        gla += n;
        bytes -= n;
        rd = rd ? rd + n : NULL;
        wr = wr ? wr + n : NULL;
    }
    return true;
}

bool iem_debug_read(struct vcpu *c, uint64_t gla, void *buf, size_t bytes)
{
    return debug_access(c, gla, buf, NULL, bytes);
}

bool iem_debug_write(struct vcpu *c, uint64_t gla, const void *buf, size_t bytes)
{
    return debug_access(c, gla, NULL, buf, bytes);
}
