/*
 * phys.c - access to guest memory by physical address: DMA, page tables, and what translations cannot reach directly.
 *
 * RAM is shared with vCPUs that run: single aligned accesses are single host accesses; longer ones may be torn as on
 * any bus. What nobody owns reads ones and swallows writes, so does the write side of ROM (both counted).
 */
#include <string.h>

#include "vmm/pgm/pgm_int.h"

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

/* Guests do not align; the compiler must know. */
typedef uint16_t __attribute__((aligned(1), may_alias)) any_u16;
typedef uint32_t __attribute__((aligned(1), may_alias)) any_u32;
typedef uint64_t __attribute__((aligned(1), may_alias)) any_u64;

/* One host access where there is one for it. */
static uint64_t load_n(const uint8_t *p, unsigned size)
{
    uint64_t val = 0;

    switch (size) {
    case 1: return __atomic_load_n(p, __ATOMIC_RELAXED);
    case 2: return *(const volatile any_u16 *)p;
    case 4: return *(const volatile any_u32 *)p;
    case 8: return *(const volatile any_u64 *)p;
    }
    memcpy(&val, p, MIN(size, 8u));
    return val;
}

static void store_n(uint8_t *p, uint64_t val, unsigned size)
{
    switch (size) {
    case 1: *(volatile uint8_t *)p = (uint8_t)val; return;
    case 2: *(volatile any_u16 *)p = (uint16_t)val; return;
    case 4: *(volatile any_u32 *)p = (uint32_t)val; return;
    case 8: *(volatile any_u64 *)p = val; return;
    }
    memcpy(p, &val, MIN(size, 8u));
}

/* How far one access may go: the end of the page, because A20 may wrap there. */
static size_t within(const struct place *p, uint64_t gpa, size_t bytes)
{
    uint64_t to_page_end = PGM_PAGE_BYTES - (gpa & (PGM_PAGE_BYTES - 1));

    return MIN(MIN(bytes, p->bytes), to_page_end);
}

/* The largest naturally aligned access that starts here. */
static unsigned mmio_step(uint64_t off, size_t bytes)
{
    unsigned size = 8;

    while (size > bytes || (off & (size - 1)))
        size /= 2;
    return size;
}

static void mmio_read(struct range *r, uint64_t off, uint8_t *buf, size_t bytes)
{
    while (bytes) {
        unsigned size = mmio_step(off, bytes);
        uint64_t val = r->ops->read(r->user, off, size);
        memcpy(buf, &val, size);
        off += size, buf += size, bytes -= size;
    }
}

static void mmio_write(struct range *r, uint64_t off, const uint8_t *buf, size_t bytes)
{
    while (bytes) {
        unsigned size = mmio_step(off, bytes);
        uint64_t val = 0;
        memcpy(&val, buf, size);
        r->ops->write(r->user, off, val, size);
        off += size, buf += size, bytes -= size;
    }
}

void pgm_phys_read(struct pgm *pgm, uint64_t gpa, void *buf, size_t bytes)
{
    uint8_t *to = buf;

    while (bytes) {
        struct place p;
        size_t n;

        pgm_find(pgm, VIEW_READ, pgm_a20_apply(pgm, gpa), &p);
        n = within(&p, gpa, bytes);
        if (p.range == NULL)
            memset(to, 0xff, n);
        else if (p.range->kind == PGM_KIND_MMIO)
            mmio_read(p.range, p.off, to, n);
        else
            memcpy(to, p.range->hva + p.off, n);
        gpa += n, to += n, bytes -= n;
    }
}

/* Whether bytes may be stored there; counts what vanishes. */
static bool writable(struct pgm *pgm, const struct range *r)
{
    if (r == NULL)
        atomic_fetch_add_explicit(&pgm->stat_unmapped, 1, memory_order_relaxed);
    else if (r->kind == PGM_KIND_ROM)
        atomic_fetch_add_explicit(&pgm->stat_rom_writes, 1, memory_order_relaxed);
    else
        return r->kind != PGM_KIND_MMIO;
    return false;
}

void pgm_phys_write(struct pgm *pgm, uint64_t gpa, const void *buf, size_t bytes)
{
    const uint8_t *from = buf;

    while (bytes) {
        struct place p;
        size_t n;

        pgm_find(pgm, VIEW_WRITE, pgm_a20_apply(pgm, gpa), &p);
        n = within(&p, gpa, bytes);
        if (writable(pgm, p.range)) {
            memcpy(p.range->hva + p.off, from, n);
            pgm_stored(p.range, p.off, n);
        } else if (p.range && p.range->kind == PGM_KIND_MMIO) {
            mmio_write(p.range, p.off, from, n);
        }
        gpa += n, from += n, bytes -= n;
    }
}

size_t pgm_phys_direct(struct pgm *pgm, uint64_t gpa, size_t bytes, bool write, void **ret_hva)
{
    uint8_t *first = NULL;
    size_t done = 0;

    while (done < bytes) {
        struct place p;
        uint8_t *here;

        pgm_find(pgm, write ? VIEW_WRITE : VIEW_READ, pgm_a20_apply(pgm, gpa + done), &p);
        if (!p.range || p.range->kind != PGM_KIND_RAM)
            break;
        here = p.range->hva + p.off;
        if (first && here != first + done)
            break;
        first = first ? first : here;
        done += within(&p, gpa + done, bytes - done);
    }
    *ret_hva = first;
    return done;
}

void pgm_phys_stored(struct pgm *pgm, uint64_t gpa, size_t bytes)
{
    while (bytes) {
        struct place p;
        size_t n;

        pgm_find(pgm, VIEW_WRITE, pgm_a20_apply(pgm, gpa), &p);
        n = within(&p, gpa, bytes);
        if (p.range && p.range->kind == PGM_KIND_RAM)
            pgm_stored(p.range, p.off, n);
        gpa += n, bytes -= n;
    }
}

uint64_t pgm_phys_read_n(struct pgm *pgm, uint64_t gpa, unsigned size)
{
    struct page_state *page;
    struct place p;
    uint64_t val = 0;
    const uint8_t *hva;

    gpa = pgm_a20_apply(pgm, gpa);
    if ((gpa & (PGM_PAGE_BYTES - 1)) + size <= PGM_PAGE_BYTES && (hva = pgm_ram_fast(pgm, gpa, &page)) != NULL)
        return load_n(hva, size);
    pgm_find(pgm, VIEW_READ, gpa, &p);
    if (p.bytes < size || size > 8 || (size & (size - 1)) || (p.range && within(&p, gpa, size) < size)) {
        pgm_phys_read(pgm, gpa, &val, MIN(size, 8u));
        return val;
    }
    if (p.range == NULL)
        return ones(size);
    if (p.range->kind == PGM_KIND_MMIO)
        return p.range->ops->read(p.range->user, p.off, size) & ones(size);
    return load_n(p.range->hva + p.off, size);
}

void pgm_phys_write_n(struct pgm *pgm, uint64_t gpa, uint64_t val, unsigned size)
{
    struct place p;

    gpa = pgm_a20_apply(pgm, gpa);
    pgm_find(pgm, VIEW_WRITE, gpa, &p);
    if (size > 8 || (size & (size - 1)) || within(&p, gpa, size) < size) {
        pgm_phys_write(pgm, gpa, &val, MIN(size, 8u));
    } else if (writable(pgm, p.range)) {
        store_n(p.range->hva + p.off, val, size);
        pgm_stored(p.range, p.off, size);
    } else if (p.range && p.range->kind == PGM_KIND_MMIO) {
        p.range->ops->write(p.range->user, p.off, val & ones(size), size);
    }
}

static bool swap_n(uint8_t *p, uint64_t old, uint64_t val, unsigned size)
{
    uint8_t old1 = (uint8_t)old;
    uint16_t old2 = (uint16_t)old;
    uint32_t old4 = (uint32_t)old;

    switch (size) {
    case 1: return __atomic_compare_exchange_n(p, &old1, (uint8_t)val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_compare_exchange_n((uint16_t *)(void *)p, &old2, (uint16_t)val, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    case 4:
        return __atomic_compare_exchange_n((uint32_t *)(void *)p, &old4, (uint32_t)val, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    return __atomic_compare_exchange_n((uint64_t *)(void *)p, &old, val, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool pgm_phys_cmpxchg(struct pgm *pgm, uint64_t gpa, uint64_t old, uint64_t val, unsigned size)
{
    struct place p;

    gpa = pgm_a20_apply(pgm, gpa);
    pgm_find(pgm, VIEW_WRITE, gpa, &p);
    if (p.range && p.range->kind == PGM_KIND_MMIO) { /* no lock reaches a device: a read and a write */
        if (pgm_phys_read_n(pgm, gpa, size) != (old & ones(size)))
            return false;
        pgm_phys_write_n(pgm, gpa, val, size);
        return true;
    }
    if (!writable(pgm, p.range) || within(&p, gpa, size) < size)
        return true;
    if (!swap_n(p.range->hva + p.off, old, val, size))
        return false;
    pgm_stored(p.range, p.off, size);
    return true;
}

/* Whether writes may go where reads go, directly. @dirty: the marks of what @n counts the page in, or NULL. */
static bool write_grant(struct page_state *page, _Atomic uint64_t *dirty, uint64_t n, bool for_write)
{
    if (!for_write)
        return atomic_load(&page->watch) == 0;
    if (!pgm_code_grant(page))
        return false;
    if (dirty)
        pgm_dirty_mark(dirty, n); /* pgm.h inv 3 */
    return true;
}

void pgm_page_get(struct pgm *pgm, uint64_t gpa, bool for_write, struct pgm_page *ret)
{
    struct page_state *page;
    struct place rd, wr;

    gpa = pgm_a20_apply(pgm, gpa) & PAGE_MASK;
    *ret = (struct pgm_page){.kind = PGM_KIND_RAM, .gpa = gpa, .hva = pgm_ram_fast(pgm, gpa, &page)};
    if (ret->hva != NULL) {
        ret->write_direct = write_grant(page, pgm->ram_dirty, (uint64_t)(page - pgm->ram_pages), for_write);
        return;
    }
    pgm_find(pgm, VIEW_READ, gpa, &rd);
    if (rd.bytes < PGM_PAGE_BYTES) { /* several things share the page: each access finds its own */
        ret->kind = PGM_KIND_MMIO;
        return;
    }
    ret->kind = rd.range ? rd.range->kind : PGM_KIND_NONE;
    if (rd.range == NULL || rd.range->hva == NULL || (rd.off & (PGM_PAGE_BYTES - 1)))
        return;
    ret->hva = rd.range->hva + rd.off;
    if (rd.range->kind == PGM_KIND_ROM)
        return;
    pgm_find(pgm, VIEW_WRITE, gpa, &wr);
    if (wr.range == rd.range && wr.off == rd.off && wr.bytes >= PGM_PAGE_BYTES)
        ret->write_direct = write_grant(&rd.range->pages[rd.off >> PGM_PAGE_SHIFT], rd.range->dirty,
                                        rd.off >> PGM_PAGE_SHIFT, for_write);
    else
        ret->kind = PGM_KIND_ROM; /* write-protected shadow RAM */
}
