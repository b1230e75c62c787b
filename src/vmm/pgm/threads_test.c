/* threads_test.c - code watches and dirty pages while several threads write: pgm.h inv 1 to 3. */
#include "vmm/pgm/pgm.h"

#include <string.h>

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

static struct pgm *machine(void)
{
    struct pgm *pgm = pgm_new(4 * MIB, 3 * GIB + GIB / 2, NULL);

    g_assert_nonnull(pgm);
    return pgm;
}

/* ---- threads: writers with and without direct translations, a watcher, a chipset; see pgm.h inv 1 and 2 ---- */

#define HAMMER_GPA     (2 * MIB)
#define HAMMER_TURNS   5000
#define HAMMER_WRITERS 2

struct hammer {
    struct pgm *pgm;
    GMutex in_guest[HAMMER_WRITERS]; /* held by a writer while it may use a translation */
    gint stop, next, stale;
};

static void hammer_stop_all(struct hammer *h)
{
    for (int i = 0; i < HAMMER_WRITERS; i++)
        g_mutex_lock(&h->in_guest[i]);
}

static void hammer_let_go(struct hammer *h)
{
    for (int i = 0; i < HAMMER_WRITERS; i++)
        g_mutex_unlock(&h->in_guest[i]);
}

static void hammer_sync(void *user, uint64_t gpa)
{
    (void)gpa;
    hammer_stop_all(user);
    hammer_let_go(user);
}

static gpointer hammer_writer(gpointer user)
{
    struct hammer *h = user;
    GMutex *mine = &h->in_guest[g_atomic_int_add(&h->next, 1)];

    for (uint32_t i = 0; !g_atomic_int_get(&h->stop); i++) {
        struct pgm_page page;
        g_mutex_lock(mine);
        pgm_page_get(h->pgm, HAMMER_GPA, true, &page);
        if (page.write_direct)
            __atomic_store_n((uint32_t *)(void *)page.hva, i, __ATOMIC_RELAXED);
        else
            pgm_phys_write_n(h->pgm, HAMMER_GPA, i, 4);
        g_mutex_unlock(mine);
        g_thread_yield();
    }
    return NULL;
}

static gpointer hammer_mapper(gpointer user)
{
    struct hammer *h = user;

    for (uint32_t i = 0; !g_atomic_int_get(&h->stop); i++) {
        pgm_shadow_set(h->pgm, 0xf0000, 0x10000, i & 3);
        g_thread_yield();
    }
    return NULL;
}

/* Watch, read; while the generation stays and nobody is between store and report, the bytes must stay. */
static void hammer_watch(struct hammer *h)
{
    uint32_t gen, code, now;
    _Atomic uint32_t *counter = pgm_code_watch(h->pgm, HAMMER_GPA, 4, &gen);

    code = (uint32_t)pgm_phys_read_n(h->pgm, HAMMER_GPA, 4);
    g_thread_yield();
    hammer_stop_all(h);
    now = (uint32_t)pgm_phys_read_n(h->pgm, HAMMER_GPA, 4);
    if (atomic_load(counter) == gen && now != code)
        h->stale++;
    hammer_let_go(h);
}

static void test_hammer(void)
{
    struct hammer h = {.pgm = machine()};
    GThread *t[3];

    pgm_sync_callback(h.pgm, hammer_sync, &h);
    t[0] = g_thread_new("writer", hammer_writer, &h);
    t[1] = g_thread_new("writer", hammer_writer, &h);
    t[2] = g_thread_new("mapper", hammer_mapper, &h);
    for (int i = 0; i < HAMMER_TURNS; i++)
        hammer_watch(&h);
    g_atomic_int_set(&h.stop, 1);
    for (int i = 0; i < 3; i++)
        g_thread_join(t[i]);
    g_assert_cmpint(h.stale, ==, 0);
    pgm_free(h.pgm);
}

/* ---- threads: writers that keep translations to device RAM, and a collector; pgm.h inv 3 ---- */

#define CANVAS_PAGES 8u
#define CANVAS_GPA   UINT64_C(0xe0000000)
#define CANVAS_FOUND 6000u /* pages, so that writers and collector have met often enough */
#define CANVAS_S     120.0
#define DIRTY_RAM    512u /* page where the canvas lies in RAM */

struct canvas {
    struct pgm *pgm;
    GMutex in_guest[HAMMER_WRITERS];
    uint8_t *direct[HAMMER_WRITERS][CANVAS_PAGES]; /* the writers' translations; under in_guest */
    bool frozen;                                   /* the collector holds all in_guest */
    gint stop, next;
    uint64_t stores[HAMMER_WRITERS];
    uint64_t gpa;
    bool ram;
};

static void canvas_sync(void *user, uint64_t gpa)
{
    struct canvas *v = user;

    g_assert_cmphex(gpa, ==, UINT64_MAX);
    for (int i = 0; i < HAMMER_WRITERS; i++) {
        if (!v->frozen)
            g_mutex_lock(&v->in_guest[i]);
        memset(v->direct[i], 0, sizeof v->direct[i]);
        if (!v->frozen)
            g_mutex_unlock(&v->in_guest[i]);
    }
}

static gpointer canvas_writer(gpointer user)
{
    struct canvas *v = user;
    int me = g_atomic_int_add(&v->next, 1);
    uint32_t x = 1 + (uint32_t)me;

    while (!g_atomic_int_get(&v->stop)) {
        g_mutex_lock(&v->in_guest[me]);
        for (unsigned i = 0; i < 20; i++) {
            x = x * 1664525 + 1013904223;
            unsigned n = (x >> 24) % CANVAS_PAGES, at = (x >> 8 & 0x3ff) * 4;
            if (v->direct[me][n] == NULL) {
                struct pgm_page page;
                pgm_page_get(v->pgm, v->gpa + n * PGM_PAGE_BYTES, true, &page);
                v->direct[me][n] = page.write_direct ? page.hva : NULL;
            }
            g_assert_nonnull(v->direct[me][n]);
            __atomic_store_n((uint32_t *)(void *)(v->direct[me][n] + at), x, __ATOMIC_RELAXED);
            v->stores[me]++;
        }
        g_mutex_unlock(&v->in_guest[me]);
        g_thread_yield();
    }
    return NULL;
}

static void canvas_freeze(struct canvas *v, bool frozen)
{
    if (!frozen)
        v->frozen = false;
    for (int i = 0; i < HAMMER_WRITERS; i++)
        (frozen ? g_mutex_lock : g_mutex_unlock)(&v->in_guest[i]);
    if (frozen)
        v->frozen = true;
}

/* Copies what changed; with the writers frozen what is not marked must be as it was copied last. Return: pages. */
static unsigned canvas_collect(struct canvas *v, pgm_range r, uint8_t *copy, const uint8_t *mem)
{
    uint64_t bits = 0, ram[4 * 256 / 64];
    unsigned found = v->ram ? pgm_ram_dirty_collect(v->pgm, ram) : pgm_dirty_collect(v->pgm, r, &bits, CANVAS_PAGES);

    if (v->ram)
        bits = ram[DIRTY_RAM / 64];

    for (unsigned n = 0; n < CANVAS_PAGES; n++, copy += PGM_PAGE_BYTES, mem += PGM_PAGE_BYTES) {
        if (bits >> n & 1)
            memcpy(copy, mem, PGM_PAGE_BYTES);
        else if (v->frozen)
            g_assert_cmpmem(copy, PGM_PAGE_BYTES, mem, PGM_PAGE_BYTES);
    }
    return found;
}

static void test_canvas(const void *in_ram)
{
    struct canvas v = {.pgm = machine(), .ram = GPOINTER_TO_INT(in_ram) != 0};
    g_autofree uint8_t *copy = g_malloc0(CANVAS_PAGES * PGM_PAGE_BYTES);
    GThread *t[HAMMER_WRITERS];
    unsigned pages = 0;
    uint64_t ram_bytes;
    pgm_range r;
    void *mem;

    pgm_sync_callback(v.pgm, canvas_sync, &v);
    g_assert_true(pgm_devram_add(v.pgm, "canvas", CANVAS_PAGES * PGM_PAGE_BYTES, &mem, &r, NULL));
    pgm_map(v.pgm, r, CANVAS_GPA);
    v.gpa = v.ram ? DIRTY_RAM * PGM_PAGE_BYTES : CANVAS_GPA;
    if (v.ram)
        mem = (uint8_t *)pgm_ram_hva(v.pgm, &ram_bytes) + v.gpa;
    for (int i = 0; i < HAMMER_WRITERS; i++)
        t[i] = g_thread_new("writer", canvas_writer, &v);
    g_test_timer_start();
    while (pages < CANVAS_FOUND) {
        g_assert_cmpfloat(g_test_timer_elapsed(), <, CANVAS_S);
        pages += canvas_collect(&v, r, copy, mem);
        g_usleep(10);
        canvas_freeze(&v, true);
        pages += canvas_collect(&v, r, copy, mem);
        canvas_freeze(&v, false);
        g_usleep(10);
    }
    g_atomic_int_set(&v.stop, 1);
    for (int i = 0; i < HAMMER_WRITERS; i++)
        g_thread_join(t[i]);
    g_test_message("%" G_GUINT64_FORMAT " stores, %u pages collected", v.stores[0] + v.stores[1], pages);
    pgm_free(v.pgm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pgm/hammer", test_hammer);
    g_test_add_data_func("/pgm/canvas/device", GINT_TO_POINTER(0), test_canvas);
    g_test_add_data_func("/pgm/canvas/ram", GINT_TO_POINTER(1), test_canvas);
    return g_test_run();
}
