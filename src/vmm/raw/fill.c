/*
 * fill.c - which pages a jail gets when one is missing: that page and, since a stop is dear, what is around it.
 *
 * Around it is a block of 16 pages. A program that has come back to the same 2 MiB often gets all of it, so one that
 * goes through all of its memory, in whatever order, stops a few times for each 2 MiB. Pages that follow each other in
 * the guest's memory are one mapping on the host, which is what counts: of others there are fewer.
 */
#include "vmm/raw/raw_int.h"

#define IN_PAGE      ((uint64_t)PGM_PAGE_BYTES - 1)
#define NEIGHBOURS   16u /* pages tried around one that was touched; power of two */
#define REGION_PAGES (1u << (RAW_REGION_SHIFT - PGM_PAGE_SHIFT))
#define VISITS       8u  /* after so many blocks of a region it is all of it */
#define MAPPINGS     16u /* of the host, at a time: about as dear as the stop itself */

/* ---- what a page may be ---- */

static bool in_ram(const struct raw *r, const struct pgm_page *page)
{
    return page->kind == PGM_KIND_RAM && page->hva != NULL && page->hva >= r->ram && page->hva < r->ram + r->ram_bytes;
}

static bool can_be_shown(const struct raw_space *s, uint64_t gla)
{
    return gla >= RAW_LOWEST && gla < JAIL_TOP &&
           (gla < jail_stub(s->jail) || gla >= jail_stub(s->jail) + JAIL_STUB_BYTES);
}

bool raw_page_as_data(struct raw *r, uint64_t gla, unsigned bits, uint64_t gpa, struct raw_page *ret)
{
    bool writes = bits & 1u << PGM_WRITE;
    struct pgm_page page;

    if (!(bits & 1u << PGM_READ))
        return false;
    pgm_page_get(r->c->mmu.pgm, gpa, writes, &page);
    if (!in_ram(r, &page))
        return false;
    *ret = (struct raw_page){.gla = gla,
                             .gpa = gpa,
                             .offset = (uint64_t)(page.hva - r->ram),
                             .rights = JAIL_READ | (writes && page.write_direct ? JAIL_WRITE : 0)};
    return true;
}

/* Inv 2: the page as code, of which the instruction at @entry is the next. */
static bool as_code(struct raw *r, uint64_t gla, uint64_t entry, unsigned bits, uint64_t gpa, struct raw_page *ret)
{
    if (!(bits & 1u << PGM_EXEC) || !raw_page_as_data(r, gla, bits & ~(1u << PGM_WRITE), gpa, ret) ||
        !raw_judge(r, gla, entry, gpa, &ret->gen, &ret->seen))
        return false;
    ret->rights = JAIL_READ | JAIL_EXEC;
    return true;
}

static bool fill_data(struct raw *r, struct raw_space *s, uint64_t gla, unsigned bits, uint64_t gpa)
{
    struct raw_page page;

    if (!raw_page_as_data(r, gla, bits, gpa, &page) || page.rights == raw_space_rights(s, gla))
        return false;
    raw_space_put(r, s, &page);
    return true;
}

/* A neighbour is mapped if nothing has to be judged for it; one that may be executed is code, most likely. */
static void fill_neighbour(struct raw *r, struct raw_space *s, uint64_t gla)
{
    uint64_t gpa;
    unsigned bits;

    if (raw_space_find(s, gla) != NULL || !can_be_shown(s, gla))
        return;
    bits = pgm_mmu_known(&r->c->mmu, PGM_IDX_USER, gla, &gpa);
    if (!(bits & 1u << PGM_EXEC))
        r->stats.prefilled += fill_data(r, s, gla, bits, gpa);
}

/* Pages around @gla, as far as they are not too many mappings. Return: how many were mapped. */
static unsigned fill_around(struct raw *r, struct raw_space *s, uint64_t gla, unsigned pages)
{
    const uint64_t first = gla & ~((uint64_t)pages * PGM_PAGE_BYTES - 1), before = r->stats.prefilled;
    const unsigned queued = s->queued;

    for (unsigned n = 0; n < pages && s->queued - queued < MAPPINGS; n++)
        fill_neighbour(r, s, first + n * (uint64_t)PGM_PAGE_BYTES);
    return (unsigned)(r->stats.prefilled - before);
}

static struct raw_region *region_of(struct raw_space *s, uint64_t gla)
{
    struct raw_region *g = &s->region[gla >> RAW_REGION_SHIFT & (RAW_REGIONS - 1)];
    const uint32_t name = (uint32_t)(gla >> RAW_REGION_SHIFT) + 1;

    if (g->name != name)
        *g = (struct raw_region){.name = name};
    return g;
}

/* Neighbours of a page that has just been mapped: those closest first. */
static void fill_neighbours(struct raw *r, struct raw_space *s, uint64_t gla)
{
    struct raw_region *g = region_of(s, gla);

    if (fill_around(r, s, gla, NEIGHBOURS) > 0)
        g->visits = (uint8_t)MIN(g->visits + 1u, VISITS);
    if (g->visits == VISITS)
        fill_around(r, s, gla, REGION_PAGES);
}

bool raw_space_fill(struct raw *r, struct raw_space *s, uint64_t gla)
{
    const uint64_t page = gla & ~IN_PAGE;
    const unsigned before = raw_space_rights(s, page);
    uint64_t gpa;
    unsigned bits;

    if ((before & JAIL_EXEC) || !can_be_shown(s, page))
        return false;
    bits = pgm_mmu_known(&r->c->mmu, PGM_IDX_USER, page, &gpa);
    if (!fill_data(r, s, page, bits, gpa))
        return false;
    r->stats.filled++;
    fill_neighbours(r, s, page);
    return (raw_space_rights(s, page) & ~before) != 0;
}

/* A neighbour that is known to be fit. */
static void fill_code_neighbour(struct raw *r, struct raw_space *s, uint64_t gla)
{
    struct raw_page page;
    uint64_t gpa;
    unsigned bits;

    if (!can_be_shown(s, gla) || (raw_space_rights(s, gla) & ~(unsigned)JAIL_READ))
        return;
    bits = pgm_mmu_known(&r->c->mmu, PGM_IDX_USER, gla, &gpa);
    if (!(bits & 1u << PGM_EXEC) || !raw_judged_fit(r, gpa) || !as_code(r, gla, gla, bits, gpa, &page))
        return;
    raw_space_put(r, s, &page);
    r->stats.prefilled++;
}

bool raw_space_fill_code(struct raw *r, struct raw_space *s, uint64_t gla)
{
    const uint64_t at = gla & ~IN_PAGE, around = gla & ~(NEIGHBOURS * PGM_PAGE_BYTES - 1ull);
    struct raw_page page;
    uint64_t gpa;
    unsigned bits = pgm_mmu_known(&r->c->mmu, PGM_IDX_USER, gla, &gpa);

    if (!can_be_shown(s, at) || !as_code(r, at, r->c->ctx.rip, bits, gpa, &page))
        return false;
    raw_space_put(r, s, &page);
    r->stats.filled++;
    for (unsigned n = 0; n < NEIGHBOURS; n++)
        fill_code_neighbour(r, s, around + n * PGM_PAGE_BYTES);
    return true;
}
