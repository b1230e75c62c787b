/*
 * flat.c - see flat.h.
 *
 * Wiping must cost no more than filling did: each table remembers its entries one by one, and when there are more than
 * FLAT_LOG of them, the table pages (of 512 entries) they lie in. A kill of one address looks whether its table page is
 * in use before touching it, so that nothing is allocated by looking.
 */
#include "vmm/pgm/flat.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "rt/status.h"

#define SKEW_BYTES      (21u * 4096) /* see flat.h */
#define SET_BYTES       (FLAT_HEAD_BYTES + FLAT_TABLES * (FLAT_TABLE_BYTES + SKEW_BYTES))
#define PER_TABLE_PAGE  512u
#define TABLE_PAGE(idx) ((idx) / PER_TABLE_PAGE)

struct flat *flat_new(unsigned sets, GError **error)
{
    struct flat *f = g_new0(struct flat, 1);
    void *p;

    f->sets = CLAMP(sets, 2u, FLAT_SETS_MAX);
    f->bytes = f->sets * SET_BYTES;
    p = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        g_set_error(error, STATUS_ERROR, status_from_errno(errno), "no room for %u GB of (sparse) address tables: %s",
                    (unsigned)(f->bytes >> 30), g_strerror(errno));
        g_free(f);
        return NULL;
    }
    madvise(p, f->bytes, MADV_NOHUGEPAGE);
    madvise(p, f->bytes, MADV_DONTDUMP);
    f->memory = p;
    f->set = g_new0(struct flat_set, f->sets);
    for (unsigned n = 0; n < f->sets; n++)
        for (unsigned t = 0; t < FLAT_TABLES; t++)
            f->set[n].table[t] =
                (uint64_t *)(void *)(f->memory + n * SET_BYTES + FLAT_HEAD_BYTES + t * (FLAT_TABLE_BYTES + SKEW_BYTES));
    return f;
}

void flat_free(struct flat *f)
{
    if (f == NULL)
        return;
    munmap(f->memory, f->bytes);
    g_free(f->set);
    g_free(f);
}

static uint64_t index_in(unsigned t, uint64_t gla)
{
    return t == FLAT_X ? flat_x_index(gla) : flat_index(gla);
}

/* ---- which table pages are in use ---- */

static unsigned page_slot(uint64_t page)
{
    return (unsigned)(page * UINT64_C(0x9e3779b97f4a7c15) >> 52) & (FLAT_PAGES - 1);
}

static bool page_in_use(const struct flat_set *s, unsigned t, uint64_t page)
{
    for (unsigned at = page_slot(page); s->page[t][at] != 0; at = (at + 1) & (FLAT_PAGES - 1))
        if (s->page[t][at] == page + 1)
            return true;
    return false;
}

static void wipe_table(struct flat_set *s, unsigned t)
{
    if (s->logged[t] <= FLAT_LOG) {
        for (unsigned n = 0; n < s->logged[t]; n++)
            s->table[t][(uint64_t)s->log_high[t][n] << 32 | s->log[t][n]] = 0;
    } else {
        for (unsigned at = 0; at < FLAT_PAGES; at++)
            if (s->page[t][at] != 0)
                memset(&s->table[t][(s->page[t][at] - 1) * PER_TABLE_PAGE], 0, PER_TABLE_PAGE * 8);
    }
    s->logged[t] = 0;
}

/* Table pages stay known (and allocated) over wipes; a set that has gathered too many gives them back, in one call.
 * Address spaces are laid out at random: what one leaves behind is of little use to the next. */
static void forget_pages(struct flat *f, struct flat_set *s, unsigned t)
{
    f->x_epoch++;
    madvise(s->table[t], FLAT_TABLE_BYTES, MADV_DONTNEED); /* zeros from here on */
    memset(s->page[t], 0, sizeof s->page[t]);
    s->pages[t] = 0;
    s->logged[t] = 0;
}

static void use_page(struct flat *f, struct flat_set *s, unsigned t, uint64_t page)
{
    unsigned at = page_slot(page);

    for (; s->page[t][at] != 0; at = (at + 1) & (FLAT_PAGES - 1))
        if (s->page[t][at] == page + 1)
            return;
    if (s->pages[t] >= FLAT_PAGES / 2) {
        forget_pages(f, s, t);
        at = page_slot(page);
    }
    s->page[t][at] = page + 1;
    s->pages[t]++;
}

#define LOCAL_TABLE 60 /* shift of the table's number in flat_set.local */

static bool outlives_generations(const struct flat_set *s)
{
    return s->idx != PGM_IDX_USER;
}

static void drop_locals(struct flat_set *s)
{
    if (s->locals > FLAT_LOCAL) {
        for (unsigned t = 0; t < FLAT_TABLES; t++)
            wipe_table(s, t);
    } else {
        for (unsigned n = 0; n < s->locals; n++)
            s->table[s->local[n] >> LOCAL_TABLE][s->local[n] & ((UINT64_C(1) << LOCAL_TABLE) - 1)] = 0;
    }
    s->locals = 0;
}

static void note_local(struct flat_set *s, unsigned t, uint64_t idx)
{
    if (s->locals < FLAT_LOCAL)
        s->local[s->locals] = (uint64_t)t << LOCAL_TABLE | idx;
    if (s->locals <= FLAT_LOCAL)
        s->locals++;
}

static void put(struct flat *f, struct flat_set *s, unsigned t, uint64_t idx, uint64_t val, bool global)
{
    if (!global && outlives_generations(s))
        note_local(s, t, idx);
    use_page(f, s, t, TABLE_PAGE(idx));
    if (s->logged[t] < FLAT_LOG) {
        s->log[t][s->logged[t]] = (uint32_t)idx;
        s->log_high[t][s->logged[t]] = (uint8_t)(idx >> 32);
    }
    if (s->logged[t] <= FLAT_LOG)
        s->logged[t]++;
    if (t == FLAT_X && s->table[t][idx] != 0)
        f->x_epoch++;
    s->table[t][idx] = val;
    f->stat_fills++;
}

/* ---- sets ---- */

/* @kept: how many table pages of each table the set may keep. */
static void wipe(struct flat *f, struct flat_set *s, unsigned kept)
{
    for (unsigned t = 0; t < FLAT_TABLES; t++)
        if (s->pages[t] > kept)
            forget_pages(f, s, t);
        else
            wipe_table(s, t);
    s->gen = 0;
    s->locals = 0;
    f->x_epoch++;
    f->stat_wipes++;
}

/* Brings a set that serves all address spaces to the present one. */
static bool follow(struct flat *f, struct flat_set *s, const struct pgm_mmu *m)
{
    if (!outlives_generations(s) || s->global_gen != m->global_gen)
        return false;
    if (s->gen != m->gen) {
        drop_locals(s);
        f->x_epoch++;
    }
    s->gen = m->gen;
    return true;
}

struct flat_set *flat_select(struct flat *f, const struct pgm_mmu *m, enum pgm_index idx, uint32_t key)
{
    struct flat_set *oldest = &f->set[0];

    f->clock++;
    for (unsigned n = 0; n < f->sets; n++) {
        struct flat_set *s = &f->set[n];
        if (s->gen != 0 && s->idx == idx && s->key == key && (s->gen == m->gen || follow(f, s, m))) {
            s->used_at = f->clock;
            return s;
        }
        if (s->gen == 0 ? oldest->gen != 0 : oldest->gen != 0 && s->used_at < oldest->used_at)
            oldest = s;
    }
    wipe(f, oldest, FLAT_PAGES_KEPT);
    oldest->gen = m->gen;
    oldest->global_gen = m->global_gen;
    oldest->idx = (uint8_t)idx;
    oldest->key = key;
    oldest->used_at = f->clock;
    return oldest;
}

void flat_fill(struct flat *f, struct flat_set *s, const struct pgm_mmu *m, uint64_t gla)
{
    const uint64_t page = gla & ~(uint64_t)(PGM_PAGE_BYTES - 1), want = page | m->gen, idx = flat_index(gla);
    const struct pgm_tlb_entry *e = &m->tlb[s->idx][(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];

    bool global = e->global_gen == m->global_gen;

    if (s->gen != m->gen)
        return;
    if (e->tag[PGM_READ] == want && s->table[FLAT_R][idx] == 0)
        put(f, s, FLAT_R, idx, (uint64_t)e->addend, global);
    if (e->tag[PGM_WRITE] == want && s->table[FLAT_W][idx] == 0)
        put(f, s, FLAT_W, idx, (uint64_t)e->addend, global);
}

void flat_set_x(struct flat *f, struct flat_set *s, const struct pgm_mmu *m, uint64_t gla, uint64_t word)
{
    const struct pgm_tlb_entry *e = &m->tlb[s->idx][(gla >> PGM_PAGE_SHIFT) & (PGM_TLB_ENTRIES - 1)];
    const uint64_t page = gla & ~(uint64_t)(PGM_PAGE_BYTES - 1);

    put(f, s, FLAT_X, flat_x_index(gla), word, e->gla == page && e->global_gen == m->global_gen);
}

/* ---- killing ---- */

void flat_kill(struct flat *f, uint64_t gla)
{
    f->stat_kills++;
    for (unsigned n = 0; n < f->sets; n++)
        for (unsigned t = 0; t < FLAT_TABLES; t++) {
            const uint64_t idx = index_in(t, gla);
            if (page_in_use(&f->set[n], t, TABLE_PAGE(idx))) {
                f->x_epoch += t == FLAT_X && f->set[n].table[t][idx] != 0;
                f->set[n].table[t][idx] = 0;
            }
        }
}

void flat_kill_large(struct flat *f, uint64_t gla, uint64_t bytes)
{
    const uint64_t count = bytes >> PGM_PAGE_SHIFT >> 9;

    f->x_epoch++;
    for (unsigned n = 0; n < f->sets; n++)
        for (unsigned t = 0; t < FLAT_TABLES; t++) {
            const uint64_t first = TABLE_PAGE(index_in(t, gla));
            for (uint64_t page = first; page < first + count; page++)
                if (page_in_use(&f->set[n], t, page))
                    memset(&f->set[n].table[t][page * PER_TABLE_PAGE], 0, PER_TABLE_PAGE * 8);
        }
}

void flat_kill_all(struct flat *f)
{
    for (unsigned n = 0; n < f->sets; n++)
        wipe(f, &f->set[n], 0);
}

void flat_kill_writes(struct flat *f)
{
    for (unsigned n = 0; n < f->sets; n++)
        wipe_table(&f->set[n], FLAT_W);
}

void flat_kill_x(struct flat *f)
{
    f->x_epoch++;
    for (unsigned n = 0; n < f->sets; n++)
        wipe_table(&f->set[n], FLAT_X);
}

/* The linear page an entry stands for; bit 47 is the sign. */
static uint64_t page_of_index(uint64_t idx)
{
    return (uint64_t)((int64_t)(idx << 28) >> 16);
}

static void kill_range_to(struct flat_set *s, uint64_t first, uint64_t count, const uint8_t *hva)
{
    for (uint64_t idx = first; idx < first + count; idx++) {
        uint64_t *entry = &s->table[FLAT_W][idx];
        if (*entry != 0 && *entry + page_of_index(idx) == (uintptr_t)hva)
            *entry = 0;
    }
}

void flat_kill_writes_to(struct flat *f, const uint8_t *hva)
{
    for (unsigned n = 0; n < f->sets; n++) {
        struct flat_set *s = &f->set[n];
        if (s->logged[FLAT_W] <= FLAT_LOG) {
            for (unsigned k = 0; k < s->logged[FLAT_W]; k++)
                kill_range_to(s, (uint64_t)s->log_high[FLAT_W][k] << 32 | s->log[FLAT_W][k], 1, hva);
            continue;
        }
        for (unsigned at = 0; at < FLAT_PAGES; at++)
            if (s->page[FLAT_W][at] != 0)
                kill_range_to(s, (s->page[FLAT_W][at] - 1) * PER_TABLE_PAGE, PER_TABLE_PAGE, hva);
    }
}
