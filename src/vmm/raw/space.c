/*
 * space.c - which of the guest's pages a jail has mapped, and with which rights.
 *
 * A jail shows one address space of the guest at a time. Its pages are remembered in an array with a hash over it; what
 * changes is queued, neighbours joined, and carried out in one go before the jail runs the next time (raw_space_ready),
 * so everything that happens to the guest's TLB meanwhile costs little more than a look into the hash.
 *
 * When the generation of the TLB is another one than everything was compared with - the guest has flushed, or was away
 * and has come back - each page is looked up in the guest's page tables again and stays if it still is what it was. A
 * processor would walk the tables as well, only later.
 */
#include "vmm/raw/raw_int.h"

#include <string.h>

#define IN_PAGE       ((uint64_t)PGM_PAGE_BYTES - 1)
#define PROGRAM_PAGES 16u /* no program runs in fewer: if most of them are others, so is the program */

/* ---- the hash ---- */

static unsigned home_of(uint64_t gla)
{
    return (unsigned)((gla >> PGM_PAGE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (RAW_SLOTS - 1);
}

/* The slot @gla is in, or the free one it would go to. */
static unsigned slot_of(const struct raw_space *s, uint64_t gla)
{
    unsigned at = home_of(gla);

    while (s->slot[at] != 0 && s->page[s->slot[at] - 1].gla != gla)
        at = (at + 1) & (RAW_SLOTS - 1);
    return at;
}

struct raw_page *raw_space_find(const struct raw_space *s, uint64_t gla)
{
    unsigned at = slot_of(s, gla & ~IN_PAGE);

    return s->slot[at] != 0 ? (struct raw_page *)&s->page[s->slot[at] - 1] : NULL;
}

/* Takes a slot out; what was pushed past it moves back. */
static void free_slot(struct raw_space *s, unsigned at)
{
    unsigned next = at;

    for (;;) {
        s->slot[at] = 0;
        do {
            next = (next + 1) & (RAW_SLOTS - 1);
            if (s->slot[next] == 0)
                return;
        } while (((next - home_of(s->page[s->slot[next] - 1].gla)) & (RAW_SLOTS - 1)) <
                 ((next - at) & (RAW_SLOTS - 1)));
        s->slot[at] = s->slot[next];
        at = next;
    }
}

static void forget(struct raw_space *s, struct raw_page *p)
{
    unsigned n = (unsigned)(p - s->page);
    struct raw_page *last = &s->page[s->pages - 1];

    free_slot(s, slot_of(s, p->gla));
    s->pages--;
    if (p == last)
        return;
    s->slot[slot_of(s, last->gla)] = (uint16_t)(n + 1);
    *p = *last;
}

/* ---- the queue ---- */

static bool carry_out(struct raw *r, struct raw_space *s)
{
    unsigned done = 0;

    while (done < s->queued) {
        unsigned want = MIN(s->queued - done, JAIL_MAPS_MAX);
        int n = jail_map(s->jail, s->queue + done, want);

        if (n < 0)
            return false;
        done += (unsigned)n;
        if ((unsigned)n == want)
            continue;
        /* The host refuses one, most likely because there are too many: begin anew, once. */
        s->queued = 0;
        if (s->pages == 0)
            return false;
        raw_space_clear(r, s);
        done = 0;
    }
    s->queued = 0;
    return true;
}

static bool joins(const struct jail_map *last, const struct jail_map *m)
{
    return last->rights == m->rights && last->address + last->bytes == m->address &&
           (m->rights == 0 || last->file_offset + last->bytes == m->file_offset);
}

/* Taken away from the end to the beginning. */
static bool goes_before(const struct jail_map *last, const struct jail_map *m)
{
    return last->rights == 0 && m->rights == 0 && m->address + m->bytes == last->address;
}

static void queue(struct raw *r, struct raw_space *s, const struct jail_map *m)
{
    if (s->queued > 0 && joins(&s->queue[s->queued - 1], m)) {
        s->queue[s->queued - 1].bytes += m->bytes;
        return;
    }
    if (s->queued > 0 && goes_before(&s->queue[s->queued - 1], m)) {
        s->queue[s->queued - 1].address = m->address;
        s->queue[s->queued - 1].bytes += m->bytes;
        return;
    }
    if (s->queued == RAW_QUEUE && !carry_out(r, s))
        return; /* lost: found out before the jail runs */
    s->queue[s->queued++] = *m;
}

void raw_space_clear(struct raw *r, struct raw_space *s)
{
    const uint64_t stub = jail_stub(s->jail);

    s->pages = 0;
    memset(s->slot, 0, sizeof s->slot);
    memset(s->region, 0, sizeof s->region);
    s->queued = 2;
    s->queue[0] = (struct jail_map){.address = 0, .bytes = stub};
    s->queue[1] = (struct jail_map){.address = stub + JAIL_STUB_BYTES, .bytes = JAIL_TOP - stub - JAIL_STUB_BYTES};
    r->stats.cleared++;
}

static void drop(struct raw *r, struct raw_space *s, struct raw_page *p)
{
    const struct jail_map m = {.address = p->gla, .bytes = PGM_PAGE_BYTES};

    forget(s, p);
    queue(r, s, &m);
    r->stats.dropped++;
}

void raw_space_put(struct raw *r, struct raw_space *s, const struct raw_page *p)
{
    const struct jail_map m = {p->gla, PGM_PAGE_BYTES, p->offset, p->rights};
    unsigned at = slot_of(s, p->gla);

    if (s->slot[at] != 0) {
        s->page[s->slot[at] - 1] = *p;
    } else {
        if (s->pages == RAW_PAGES_MAX) {
            raw_space_clear(r, s);
            at = home_of(p->gla);
        }
        s->page[s->pages++] = *p;
        s->slot[at] = (uint16_t)s->pages;
    }
    queue(r, s, &m);
}

unsigned raw_space_rights(const struct raw_space *s, uint64_t gla)
{
    const struct raw_page *p = raw_space_find(s, gla);

    return p != NULL ? p->rights : 0;
}

/* ---- what has happened ---- */

/* The page is still what it was when it was mapped. */
static bool still_right(struct raw *r, const struct raw_page *p)
{
    struct raw_page now;
    uint64_t gpa;
    unsigned bits = pgm_mmu_known(&r->c->mmu, PGM_IDX_USER, p->gla, &gpa);

    if (p->rights & JAIL_EXEC)
        return (bits & 1u << PGM_EXEC) && gpa == p->gpa && atomic_load(p->gen) == p->seen;
    return raw_page_as_data(r, p->gla, bits, gpa, &now) && now.gpa == p->gpa && now.offset == p->offset &&
           (now.rights & p->rights) == p->rights;
}

static bool writes_still_right(struct raw *r, const struct raw_page *p)
{
    struct pgm_page page;

    if (!(p->rights & JAIL_WRITE))
        return true;
    pgm_page_get(r->c->mmu.pgm, p->gpa, true, &page);
    return page.write_direct;
}

static bool code_still_right(struct raw *r, const struct raw_page *p)
{
    (void)r;
    return !(p->rights & JAIL_EXEC) || atomic_load(p->gen) == p->seen;
}

static void keep_if(struct raw *r, struct raw_space *s, bool (*right)(struct raw *r, const struct raw_page *p))
{
    for (unsigned n = s->pages; n > 0; n--)
        if (n <= s->pages && !right(r, &s->page[n - 1]))
            drop(r, s, &s->page[n - 1]);
}

static void compare_all(struct raw *r, struct raw_space *s)
{
    const unsigned before = s->pages;

    s->stale = s->writes_stale = false;
    s->gen = r->c->mmu.gen;
    keep_if(r, s, still_right);
    r->stats.revalidated++;
    if (before >= PROGRAM_PAGES && s->pages < before / 4)
        raw_policy_forget(r, s->root);
}

bool raw_space_ready(struct raw *r, struct raw_space *s)
{
    uint32_t changes = atomic_load(&r->changes);

    if (s->stale || s->gen != r->c->mmu.gen)
        compare_all(r, s);
    if (s->changes != changes)
        keep_if(r, s, code_still_right);
    s->changes = changes;
    if (s->writes_stale) {
        s->writes_stale = false;
        keep_if(r, s, writes_still_right);
    }
    return s->queued == 0 || carry_out(r, s);
}

struct raw_space *raw_space_get(struct raw *r)
{
    const uint64_t root = raw_root(r->c);
    struct raw_space *oldest = &r->space[0];

    r->clock++;
    for (unsigned n = 0; n < RAW_SPACES; n++) {
        struct raw_space *s = &r->space[n];
        if (s->root == root) {
            s->used_at = r->clock;
            return s;
        }
        if (s->used_at < oldest->used_at)
            oldest = s;
    }
    oldest->root = root;
    oldest->used_at = r->clock;
    raw_space_clear(r, oldest);
    return oldest;
}

/* ---- the TLB's news ---- */

static struct raw *raw_of(struct pgm_shadow *shadow)
{
    return (struct raw *)(void *)((char *)shadow - offsetof(struct raw, shadow));
}

/* Also what was learnt of it: it is filled by and by again. */
static void kill_range(struct raw *r, struct raw_space *s, uint64_t gla, uint64_t bytes)
{
    for (uint64_t n = 0; n < MIN(bytes >> RAW_REGION_SHIFT, RAW_REGIONS); n++)
        s->region[((gla >> RAW_REGION_SHIFT) + n) & (RAW_REGIONS - 1)].name = 0;
    for (unsigned n = s->pages; n > 0; n--)
        if (n <= s->pages && s->page[n - 1].gla - gla < bytes)
            drop(r, s, &s->page[n - 1]);
}

static void hear_page(struct pgm_shadow *shadow, uint64_t gla, uint64_t bytes)
{
    struct raw *r = raw_of(shadow);

    for (unsigned n = 0; n < RAW_SPACES; n++) {
        struct raw_space *s = &r->space[n];
        struct raw_page *p;

        if (bytes > PGM_PAGE_BYTES)
            kill_range(r, s, gla, bytes);
        else if (s->pages != 0 && (p = raw_space_find(s, gla)) != NULL)
            drop(r, s, p);
    }
}

static void hear_writes(struct pgm_shadow *shadow, uint64_t gpa)
{
    struct raw *r = raw_of(shadow);

    for (unsigned n = 0; n < RAW_SPACES; n++) {
        struct raw_space *s = &r->space[n];

        for (unsigned k = 0; k < s->pages && !s->writes_stale; k++)
            s->writes_stale =
                (s->page[k].rights & JAIL_WRITE) && (gpa == UINT64_MAX || s->page[k].gpa == (gpa & ~IN_PAGE));
    }
}

static void hear_all(struct pgm_shadow *shadow)
{
    struct raw *r = raw_of(shadow);

    for (unsigned n = 0; n < RAW_SPACES; n++)
        r->space[n].stale = true;
}

void raw_space_listen(struct raw *r)
{
    r->shadow = (struct pgm_shadow){.page = hear_page, .writes = hear_writes, .all = hear_all};
    r->c->mmu.shadow = &r->shadow;
}
