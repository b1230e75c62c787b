/*
 * pgm.c - guest RAM, the ranges, and the pgm object.
 *
 * All RAM is one memfd: first what lies below the hole, then what lies from 4 GiB on. ROM and device RAM have memory of
 * their own. Ranges are only ever added; a device that is not mapped has a range that is not mapped.
 * Left out: ballooning, page fusion, large host pages beyond the kernel's own.
 */
#include "vmm/pgm/pgm.h"

#include <string.h>

#include "rt/status.h"
#include "vmm/info/info.h"
#include "vmm/pgm/pgm_int.h"
#include "vmm/stam/stam.h"

#define RAM_MAX_BYTES (UINT64_C(2) << 40)

static struct page_state *pages_new(const char *name, uint64_t bytes, GError **error)
{
    struct page_state *pages = g_try_new0(struct page_state, bytes >> PGM_PAGE_SHIFT);

    if (pages == NULL)
        g_set_error(error, STATUS_ERROR, VERR_NO_MEMORY,
                    "not enough memory to keep track of %s (%" G_GUINT64_FORMAT " MB)", name, bytes >> 20);
    return pages;
}

static void add_ram_ranges(struct pgm *pgm)
{
    uint64_t low_pages = pgm->low_bytes >> PGM_PAGE_SHIFT;

    pgm->range[RANGE_LOW_RAM] = (struct range){.pgm = pgm,
                                               .name = g_strdup("RAM"),
                                               .kind = PGM_KIND_RAM,
                                               .order = 1,
                                               .size_bytes = pgm->low_bytes,
                                               .hva = pgm->ram.hva,
                                               .pages = pgm->ram_pages,
                                               .dirty = pgm->ram_dirty};
    pgm->range[RANGE_HIGH_RAM] = (struct range){.pgm = pgm,
                                                .name = g_strdup("RAM above 4G"),
                                                .kind = PGM_KIND_RAM,
                                                .order = pgm->high_bytes != 0,
                                                .gpa = HIGH_GPA,
                                                .size_bytes = pgm->high_bytes,
                                                .hva = pgm->ram.hva + pgm->low_bytes,
                                                .pages = pgm->ram_pages + low_pages,
                                                .dirty = pgm->ram_dirty + DIRTY_WORD(low_pages)};
    pgm->range_count = 2;
    pgm->order = 1;
}

struct pgm *pgm_new(uint64_t ram_bytes, uint64_t low_limit_gpa, GError **error)
{
    struct pgm *pgm;

    if (ram_bytes < MIB || ram_bytes % MIB != 0 || ram_bytes > RAM_MAX_BYTES || low_limit_gpa < MIB ||
        low_limit_gpa % MIB != 0 || low_limit_gpa > HIGH_GPA) {
        g_set_error(error, STATUS_ERROR, VERR_OUT_OF_RANGE,
                    "guest RAM of %" G_GUINT64_FORMAT " bytes is not possible: whole MB, 1 MB to 2 TB", ram_bytes);
        return NULL;
    }
    pgm = g_new0(struct pgm, 1);
    pgm->low_bytes = MIN(ram_bytes, low_limit_gpa);
    pgm->high_bytes = ram_bytes - pgm->low_bytes;
    if (!gmem_init(&pgm->ram, "guest RAM", ram_bytes, error) ||
        (pgm->ram_pages = pages_new("guest RAM", ram_bytes, error)) == NULL) {
        gmem_fini(&pgm->ram);
        g_free(pgm);
        return NULL;
    }
    pgm->ram_dirty = g_new0(_Atomic uint64_t, DIRTY_WORD(ram_bytes >> PGM_PAGE_SHIFT)); /* whole MB: whole words */
    add_ram_ranges(pgm);
    pgm_map_init(pgm);
    return pgm;
}

void pgm_free(struct pgm *pgm)
{
    if (pgm == NULL)
        return;
    for (uint32_t i = 0; i < pgm->range_count; i++) {
        struct range *r = &pgm->range[i];
        if (i != RANGE_LOW_RAM && i != RANGE_HIGH_RAM) {
            g_free(r->pages);
            g_free((void *)r->dirty);
        }
        gmem_fini(&r->mem);
        g_free(r->name);
    }
    pgm_map_fini(pgm);
    g_free(pgm->ram_pages);
    g_free((void *)pgm->ram_dirty);
    gmem_fini(&pgm->ram);
    g_free(pgm);
}

void pgm_reset(struct pgm *pgm)
{
    pgm_map_reset_shadow(pgm);
    for (uint32_t i = 0; i < pgm->range_count; i++)
        pgm_code_forget(&pgm->range[i], 0, pgm->range[i].size_bytes);
}

uint64_t pgm_ram_low_bytes(const struct pgm *pgm)
{
    return pgm->low_bytes;
}

uint64_t pgm_ram_high_bytes(const struct pgm *pgm)
{
    return pgm->high_bytes;
}

void *pgm_ram_hva(struct pgm *pgm, uint64_t *ret_bytes)
{
    *ret_bytes = pgm->ram.size_bytes;
    return pgm->ram.hva;
}

int pgm_ram_fd(struct pgm *pgm)
{
    return pgm->ram.fd;
}

/* ---- ranges ---- */

/* Caller fills in the rest before the range is mapped. Return: NULL = no room. */
static struct range *range_new(struct pgm *pgm, const char *name, enum pgm_kind kind, uint64_t size_bytes,
                               GError **error)
{
    struct range *r;

    if (size_bytes == 0 || size_bytes > PHYS_END) {
        g_set_error(error, STATUS_ERROR, VERR_OUT_OF_RANGE, "memory range '%s': impossible size %" G_GUINT64_FORMAT,
                    name, size_bytes);
        return NULL;
    }
    if (pgm->range_count == RANGES_MAX) {
        g_set_error(error, STATUS_ERROR, VERR_OUT_OF_RANGE, "memory range '%s': the machine has %u ranges already",
                    name, RANGES_MAX);
        return NULL;
    }
    r = &pgm->range[pgm->range_count];
    *r = (struct range){.pgm = pgm, .name = g_strdup(name), .kind = kind, .size_bytes = size_bytes};
    return r;
}

static void range_undo(struct range *r)
{
    gmem_fini(&r->mem);
    g_free(r->pages);
    g_free(r->name);
    memset(r, 0, sizeof(*r));
}

static bool range_memory(struct range *r, GError **error)
{
    if (!gmem_init(&r->mem, r->name, r->size_bytes, error))
        return false;
    r->hva = r->mem.hva;
    r->pages = pages_new(r->name, r->size_bytes, error);
    return r->pages != NULL;
}

bool pgm_mmio_add(struct pgm *pgm, const char *name, uint64_t size_bytes, const struct pgm_mmio_ops *ops, void *user,
                  pgm_range *ret, GError **error)
{
    struct range *r;

    g_mutex_lock(&pgm->lock);
    r = range_new(pgm, name, PGM_KIND_MMIO, size_bytes, error);
    if (r != NULL) {
        r->ops = ops;
        r->user = user;
        ret->id = pgm->range_count++;
    }
    g_mutex_unlock(&pgm->lock);
    return r != NULL;
}

bool pgm_devram_add(struct pgm *pgm, const char *name, uint64_t size_bytes, void **ret_hva, pgm_range *ret,
                    GError **error)
{
    struct range *r;
    bool ok = false;

    size_bytes = (size_bytes + PGM_PAGE_BYTES - 1) & PAGE_MASK;
    g_mutex_lock(&pgm->lock);
    r = range_new(pgm, name, PGM_KIND_DEVRAM, size_bytes, error);
    if (r != NULL && range_memory(r, error)) {
        r->dirty = g_new0(_Atomic uint64_t, DIRTY_WORD(size_bytes >> PGM_PAGE_SHIFT) + 1);
        ret->id = pgm->range_count++;
        *ret_hva = r->hva;
        ok = true;
    } else if (r != NULL) {
        range_undo(r);
    }
    g_mutex_unlock(&pgm->lock);
    return ok;
}

bool pgm_rom_add(struct pgm *pgm, const char *name, uint64_t gpa, const void *bytes, uint64_t size_bytes,
                 GError **error)
{
    uint64_t whole = (size_bytes + PGM_PAGE_BYTES - 1) & PAGE_MASK;
    struct range *r;
    pgm_range id = {0};
    bool ok = false;

    g_mutex_lock(&pgm->lock);
    r = range_new(pgm, name, PGM_KIND_ROM, whole, error);
    if (r != NULL && range_memory(r, error)) {
        memcpy(r->hva, bytes, size_bytes);
        memset(r->hva + size_bytes, 0xff, whole - size_bytes); /* unprogrammed */
        id.id = pgm->range_count++;
        ok = true;
    } else if (r != NULL) {
        range_undo(r);
    }
    g_mutex_unlock(&pgm->lock);
    if (ok)
        pgm_map(pgm, id, gpa);
    return ok;
}

/* ---- registries ---- */

static void info_phys(void *user, const char *args, GString *out)
{
    (void)args;
    pgm_info(user, out);
}

void pgm_register(struct pgm *pgm, struct stam *stam, struct info *info)
{
    const struct {
        const char *path;
        enum stam_kind kind;
        const void *value;
        const char *unit, *desc;
    } rows[] = {
        {"/PGM/RamBytes", STAM_U64, &pgm->ram.size_bytes, "bytes", "Guest RAM"},
        {"/PGM/MapChanges", STAM_U64, &pgm->map_gen, "times", "Ranges moved, shadowing and A20 switched"},
        {"/PGM/RomWrites", STAM_COUNTER, &pgm->stat_rom_writes, "times", "Stores to ROM, which vanish"},
        {"/PGM/UnmappedWrites", STAM_COUNTER, &pgm->stat_unmapped, "times", "Stores to where nothing is"},
        {"/PGM/CodeSyncs", STAM_COUNTER, &pgm->stat_code_syncs, "times", "First code watch on a writable page"},
        {"/PGM/DirtyCollects", STAM_COUNTER, &pgm->stat_collects, "times", "Device RAM asked for what changed"},
        {"/PGM/DirtyPages", STAM_COUNTER, &pgm->stat_dirty_pages, "pages", "Device RAM found changed"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        stam_add(stam, rows[i].path, rows[i].kind, rows[i].value, rows[i].unit, rows[i].desc);
    info_add(info, "phys", "the physical memory map", info_phys, pgm);
}
