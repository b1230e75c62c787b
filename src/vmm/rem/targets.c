/*
 * targets.c - where indirect jumps go by themselves: a table for every page, of which little exists.
 *
 * A table has an entry for each byte of the page, 16 KiB, in four parts of one memory page each (REM_PART_*). Most code
 * is reached by patched jumps, and most of what indirect jumps reach they reach seldom; those leave translated code and
 * ask C code. Only a part that has been asked for REM_PART_ASKED times in all comes into being, which costs a memory
 * page; from then on what is asked for in it gets an entry at once. When as many parts exist as may, all are forgotten:
 * those in use come back soon.
 *
 * Invariant 1: an entry that is not 0 is in a part that exists, and leads to a block that is not stale.
 */
#include "vmm/rem/rem_int.h"

#include <sys/mman.h>

#define ENTRY_BYTES    (CSAM_PAGE_BYTES * sizeof(uint32_t))
#define PARTS_OF_PAGES 32u /* pages for each part that may exist: 4 MiB of parts for all pages there may be */
#define PARTS_LEAST    256u

static size_t table_bytes(const struct rem *r)
{
    return (r->pages_max + 2) * ENTRY_BYTES;
}

bool rem_targets_init(struct rem *r)
{
    r->parts_max = MAX(r->pages_max / PARTS_OF_PAGES, PARTS_LEAST);
    r->entries = rem_sparse(table_bytes(r), true);
    return r->entries != NULL;
}

void rem_targets_fini(struct rem *r)
{
    rem_unsparse(r->entries, table_bytes(r));
}

size_t rem_targets_resident(const struct rem *r)
{
    return r->parts * (size_t)CSAM_PAGE_BYTES;
}

uint32_t *rem_targets_of(const struct rem *r, unsigned n)
{
    size_t over = (uintptr_t)r->entries % ENTRY_BYTES;

    return (uint32_t *)(void *)(r->entries + (ENTRY_BYTES - over) + n * ENTRY_BYTES + CSAM_PAGE_BYTES);
}

const struct rem_page *rem_page_by_place(const struct rem *r, uint64_t place)
{
    return &r->page_room[(place - (uintptr_t)rem_targets_of(r, 0)) / ENTRY_BYTES];
}

void rem_targets_forget(struct rem *r)
{
    madvise(r->entries, table_bytes(r), MADV_DONTNEED);
    for (uint32_t n = 0; n < r->pages; n++) {
        r->page_room[n].parts = 0;
        memset(r->page_room[n].asked, 0, sizeof r->page_room[n].asked);
    }
    r->parts = 0;
}

/* Whether the part exists from now on. */
static bool part_wanted(struct rem *r, struct rem_page *p, unsigned part)
{
    if (++p->asked[part] < REM_PART_ASKED)
        return false;
    if (r->parts >= r->parts_max) {
        rem_targets_forget(r);
        r->stats.targets_forgotten++;
    }
    p->parts |= (uint8_t)(1u << part);
    r->parts++;
    return true;
}

void rem_target_asked(struct rem *r, const struct rem_block *b)
{
    const unsigned part = b->off / REM_PART_ENTRIES;
    struct rem_page *page = rem_page_of(r, b);

    if ((page->parts >> part & 1) != 0 || part_wanted(r, page, part))
        page->entry[b->off] = rem_host_of(r, b) - REM_PROLOGUE_BYTES - r->none;
}

void rem_target_hide(const struct rem *r, const struct rem_block *b)
{
    const struct rem_page *page = rem_page_of(r, b);

    if ((page->parts >> b->off / REM_PART_ENTRIES & 1) != 0)
        page->entry[b->off] = 0;
}
