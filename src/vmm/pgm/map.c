/*
 * map.c - the physical map: who lies where, shadowing, A20.
 *
 * Sources: 82441FX data sheet, section 3.2.18 (PAM: C0000h-FFFFFh) and 4.1 (system address map); A20M#: SDM vol. 3
 * section 21.30.
 * Invariant 1: seq is odd while the lists are being rewritten; a reader that saw it odd or changed reads again.
 * Invariant 2: map_gen grows after every change, before the flush callback: a vCPU that flushes because of the flag has
 *   seen the new map.
 * Invariant 3: pages that became visible or invisible by a change lose their code watches, with a new generation: code
 *   cached under that address is not run any more.
 */
#include <string.h>

#include "vmm/pgm/pgm_int.h"

#define BOUNDS_MAX (2 * RANGES_MAX + SHADOW_PAGES + 3)

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Every address where something may begin or end, sorted. */
static unsigned collect_bounds(const struct pgm *pgm, uint64_t *bounds)
{
    unsigned n = 0;

    bounds[n++] = 0;
    bounds[n++] = PHYS_END;
    for (unsigned i = 0; i <= SHADOW_PAGES; i++)
        bounds[n++] = SHADOW_GPA + i * PGM_PAGE_BYTES;
    for (uint32_t i = 0; i < pgm->range_count; i++) {
        const struct range *r = &pgm->range[i];
        if (r->order == 0)
            continue;
        bounds[n++] = r->gpa;
        bounds[n++] = r->gpa + r->size_bytes;
    }
    qsort(bounds, n, sizeof(*bounds), compare_u64);
    return n;
}

/* What is on top at @gpa, as seen by one view; between two bounds it is the same everywhere. */
static struct range *top_at(struct pgm *pgm, unsigned view, uint64_t gpa)
{
    bool shadowed = gpa - SHADOW_GPA < SHADOW_PAGES * PGM_PAGE_BYTES;
    struct range *best = NULL;

    if (shadowed && (pgm->shadow[(gpa - SHADOW_GPA) >> PGM_PAGE_SHIFT] & (1u << view)))
        return &pgm->range[RANGE_LOW_RAM];
    for (uint32_t i = shadowed ? RANGE_HIGH_RAM + 1 : 0; i < pgm->range_count; i++) {
        struct range *r = &pgm->range[i];
        if (gpa - r->gpa < r->size_bytes && r->order > (best ? best->order : 0))
            best = r;
    }
    return best;
}

/* Readers may be looking: every word is whole, seq tells them to look again. */
static void seg_publish(struct seg *to, const struct seg *s)
{
    __atomic_store_n(&to->start, s->start, __ATOMIC_RELAXED);
    __atomic_store_n(&to->end, s->end, __ATOMIC_RELAXED);
    __atomic_store_n(&to->range, s->range, __ATOMIC_RELAXED);
    __atomic_store_n(&to->off, s->off, __ATOMIC_RELAXED);
}

static void build_view(struct pgm *pgm, unsigned v, const uint64_t *bounds, unsigned n)
{
    struct view *view = &pgm->view[v];
    struct seg last = {0};
    uint32_t count = 0;

    for (unsigned i = 0; i + 1 < n; i++) {
        struct range *r;
        uint64_t off;

        if (bounds[i] == bounds[i + 1])
            continue;
        r = top_at(pgm, v, bounds[i]);
        off = r ? bounds[i] - r->gpa : 0;
        if (count && last.range == r && (r == NULL || last.off + (last.end - last.start) == off)) {
            last.end = bounds[i + 1];
        } else {
            last = (struct seg){bounds[i], bounds[i + 1], r, off};
            count++;
        }
        seg_publish(&view->seg[count - 1], &last);
    }
    __atomic_store_n(&view->count, count, __ATOMIC_RELAXED);
}

static void find(const struct pgm *pgm, unsigned v, uint64_t gpa, struct place *ret)
{
    const struct view *view = &pgm->view[v];
    uint32_t seq;

    gpa &= PHYS_END - 1;
    do {
        struct seg s;
        uint32_t lo = 0, hi;

        while ((seq = atomic_load_explicit(&pgm->seq, memory_order_acquire)) & 1)
            __builtin_ia32_pause();
        hi = __atomic_load_n(&view->count, __ATOMIC_RELAXED);
        while (hi - lo > 1) {
            uint32_t mid = lo + (hi - lo) / 2;
            if (__atomic_load_n(&view->seg[mid].start, __ATOMIC_RELAXED) <= gpa)
                lo = mid;
            else
                hi = mid;
        }
        s.start = __atomic_load_n(&view->seg[lo].start, __ATOMIC_RELAXED);
        s.end = __atomic_load_n(&view->seg[lo].end, __ATOMIC_RELAXED);
        s.range = __atomic_load_n(&view->seg[lo].range, __ATOMIC_RELAXED);
        s.off = __atomic_load_n(&view->seg[lo].off, __ATOMIC_RELAXED);
        *ret = (struct place){.range = s.range, .off = s.off + (gpa - s.start), .bytes = s.end - gpa};
        atomic_thread_fence(memory_order_acquire);
    } while (seq != atomic_load_explicit(&pgm->seq, memory_order_relaxed));
}

/* Length of plain RAM from @gpa on, in whole pages. None while its bytes are still to come. */
static uint64_t plain_ram_bytes(struct pgm *pgm, uint64_t gpa, unsigned range)
{
    struct place p;

    find(pgm, VIEW_WRITE, gpa, &p);
    return p.range == &pgm->range[range] && atomic_load(&pgm->need) == NULL ? p.bytes & PAGE_MASK : 0;
}

/* Caller holds the lock. */
static void rebuild(struct pgm *pgm)
{
    uint64_t bounds[BOUNDS_MAX];
    unsigned n = collect_bounds(pgm, bounds);

    atomic_store(&pgm->fast_low_bytes, 0);
    atomic_store(&pgm->fast_high_bytes, 0);
    atomic_fetch_add(&pgm->seq, 1); /* inv 1 */
    build_view(pgm, VIEW_READ, bounds, n);
    build_view(pgm, VIEW_WRITE, bounds, n);
    atomic_fetch_add(&pgm->seq, 1);
    atomic_store(&pgm->fast_low_bytes, plain_ram_bytes(pgm, MIB, RANGE_LOW_RAM));
    atomic_store(&pgm->fast_high_bytes, plain_ram_bytes(pgm, HIGH_GPA, RANGE_HIGH_RAM));
    atomic_fetch_add(&pgm->map_gen, 1); /* inv 2 */
}

/* inv 3 */
static void forget_code(struct pgm *pgm, uint64_t gpa, uint64_t bytes)
{
    for (uint32_t i = 0; i < pgm->range_count; i++) {
        struct range *r = &pgm->range[i];
        uint64_t from = MAX(gpa, r->gpa), to = MIN(gpa + bytes, r->gpa + r->size_bytes);
        if (r->order != 0 && from < to)
            pgm_code_forget(r, from - r->gpa, to - from);
    }
}

static void flush_vcpus(struct pgm *pgm)
{
    if (pgm->flush)
        pgm->flush(pgm->flush_user);
}

void pgm_map_init(struct pgm *pgm)
{
    g_mutex_init(&pgm->lock);
    atomic_store(&pgm->a20_mask, UINT64_MAX);
    rebuild(pgm);
}

void pgm_map_fini(struct pgm *pgm)
{
    g_mutex_clear(&pgm->lock);
}

void pgm_find(struct pgm *pgm, unsigned v, uint64_t gpa, struct place *ret)
{
    void (*need)(void *user, uint64_t off) = atomic_load_explicit(&pgm->need, memory_order_acquire);

    find(pgm, v, gpa, ret);
    if (need != NULL && ret->range != NULL && ret->range->kind == PGM_KIND_RAM)
        need(pgm->need_user, (uint64_t)(ret->range->hva - pgm->ram.hva) + ret->off);
}

void pgm_fill_set(struct pgm *pgm, void (*need)(void *user, uint64_t off), void *user)
{
    g_mutex_lock(&pgm->lock);
    if (need != NULL)
        pgm->need_user = user;
    atomic_store(&pgm->need, need);
    rebuild(pgm);
    g_mutex_unlock(&pgm->lock);
}

/* Return: NULL = no such range, or one that cannot be moved. */
static struct range *movable(struct pgm *pgm, pgm_range id)
{
    g_return_val_if_fail(id.id > RANGE_HIGH_RAM && id.id < pgm->range_count, NULL);
    return &pgm->range[id.id];
}

static void place_range(struct pgm *pgm, pgm_range id, uint64_t gpa, bool mapped)
{
    struct range *r;
    bool changed = false;

    g_mutex_lock(&pgm->lock);
    r = movable(pgm, id);
    if (r != NULL) {
        uint64_t old_gpa = r->gpa;
        mapped = mapped && gpa < PHYS_END && r->size_bytes <= PHYS_END - gpa;
        changed = (r->order != 0) != mapped || (mapped && old_gpa != gpa);
        if (changed && r->order != 0)
            forget_code(pgm, old_gpa, r->size_bytes);
        if (changed) {
            r->gpa = mapped ? gpa : 0;
            r->order = mapped ? ++pgm->order : 0;
            rebuild(pgm);
        }
        if (changed && mapped)
            forget_code(pgm, gpa, r->size_bytes);
    }
    g_mutex_unlock(&pgm->lock);
    if (changed)
        flush_vcpus(pgm);
}

void pgm_map(struct pgm *pgm, pgm_range r, uint64_t gpa)
{
    place_range(pgm, r, gpa, true);
}

void pgm_unmap(struct pgm *pgm, pgm_range r)
{
    place_range(pgm, r, 0, false);
}

void pgm_shadow_set(struct pgm *pgm, uint64_t gpa, uint64_t size_bytes, unsigned bits)
{
    uint64_t from = MAX(gpa, SHADOW_GPA) & PAGE_MASK, to = MIN(MIB, size_bytes > MIB ? MIB : gpa + size_bytes);
    bool changed = false;

    if (gpa >= MIB)
        return;
    g_mutex_lock(&pgm->lock);
    for (uint64_t at = from; at < to; at += PGM_PAGE_BYTES) {
        uint8_t *s = &pgm->shadow[(at - SHADOW_GPA) >> PGM_PAGE_SHIFT];
        changed |= *s != (bits & 3);
        *s = bits & 3;
    }
    if (changed) {
        rebuild(pgm);
        forget_code(pgm, from, to - from);
    }
    g_mutex_unlock(&pgm->lock);
    if (changed)
        flush_vcpus(pgm);
}

void pgm_map_reset_shadow(struct pgm *pgm)
{
    pgm_shadow_set(pgm, SHADOW_GPA, MIB - SHADOW_GPA, 0);
}

void pgm_a20_set(struct pgm *pgm, bool enabled)
{
    uint64_t mask = enabled ? UINT64_MAX : ~A20_BIT;

    if (atomic_exchange(&pgm->a20_mask, mask) == mask)
        return;
    atomic_fetch_add(&pgm->map_gen, 1);
    flush_vcpus(pgm);
}

bool pgm_a20(const struct pgm *pgm)
{
    return atomic_load(&pgm->a20_mask) == UINT64_MAX;
}

void pgm_flush_callback(struct pgm *pgm, void (*flush)(void *user), void *user)
{
    pgm->flush = flush;
    pgm->flush_user = user;
}

static void info_view(struct pgm *pgm, unsigned v, GString *out)
{
    static const char *const kinds[] = {"-", "RAM", "ROM", "MMIO", "device RAM"};

    for (uint32_t i = 0; i < pgm->view[v].count; i++) {
        const struct seg *s = &pgm->view[v].seg[i];
        if (s->range)
            g_string_append_printf(
                out, "%016" G_GINT64_MODIFIER "x-%016" G_GINT64_MODIFIER "x  %-10s  %s +%#" G_GINT64_MODIFIER "x\n",
                s->start, s->end - 1, kinds[s->range->kind], s->range->name, s->off);
    }
}

void pgm_info(struct pgm *pgm, GString *out)
{
    g_mutex_lock(&pgm->lock);
    g_string_append(out, "Reads reach:\n");
    info_view(pgm, VIEW_READ, out);
    g_string_append(out, "Writes reach:\n");
    info_view(pgm, VIEW_WRITE, out);
    g_string_append_printf(out, "A20: %s\n", pgm_a20(pgm) ? "enabled" : "disabled");
    g_mutex_unlock(&pgm->lock);
}
