/*
 * memory.c - "info memory": what a vCPU's engines take of the host's memory, part by part.
 *
 * Parts are mappings, or pieces of them, and what counts is which of their pages exist; the address tables, whose
 * mappings are terabytes, know theirs. Translated code itself is a memory file and not among them.
 */
#include "rt/resident.h"
#include "vmm/iem/iem.h"
#include "vmm/rem/rem_int.h"

struct part {
    const char *name;
    size_t bytes;
};

static size_t flat_bytes(const struct flat *f)
{
    size_t pages = f->sets; /* in front of R */

    for (unsigned n = 0; n < f->sets; n++)
        for (unsigned t = 0; t < FLAT_TABLES; t++)
            pages += f->set[n].pages[t];
    return pages * PGM_PAGE_BYTES;
}

static void put(GString *out, unsigned cpu, const struct part *parts, size_t count)
{
    for (size_t n = 0; n < count; n++)
        g_string_append_printf(out, "VCPU%u: %6zu KiB  %s\n", cpu, parts[n].bytes >> 10, parts[n].name);
}

void rem_info_memory(const struct vcpu *c, GString *out)
{
    const struct rem *r = c->rem;
    const struct part decoded = {"decoded instructions", iem_cache_resident(c)};

    put(out, c->id, &decoded, 1);
    if (r == NULL)
        return;
    const struct part parts[] = {
        {"blocks", resident_bytes(r->block, (size_t)r->arenas * REM_ARENA_BLOCKS * sizeof *r->block)},
        {"sites", resident_bytes(r->site, (size_t)r->arenas * REM_ARENA_SITES)},
        {"links", resident_bytes(r->link, (size_t)r->arenas * REM_ARENA_LINKS * sizeof *r->link)},
        {"guest code", resident_bytes(r->bytes, (size_t)r->arenas * REM_ARENA_GUEST)},
        {"blocks by address", resident_bytes(r->block_hash, REM_BLOCK_HASH * sizeof *r->block_hash)},
        {"pages", resident_bytes(r->page_room, r->pages_max * sizeof *r->page_room)},
        {"targets of indirect jumps", rem_targets_resident(r)},
        {"decoded sites", resident_bytes(r->ops, REM_OPS * sizeof *r->ops)},
        {"marks", resident_bytes(r->patm, sizeof *r->patm)},
        {"recompiler", resident_bytes(r, sizeof *r)},
        {"address tables", flat_bytes(r->flat)},
        {"lists of them", resident_bytes(r->flat->set, r->flat->sets * sizeof *r->flat->set)},
    };
    put(out, c->id, parts, G_N_ELEMENTS(parts));
}
