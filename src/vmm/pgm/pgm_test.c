/* pgm_test.c - the physical map, accesses by physical address, code watches and dirty pages. */
#include "vmm/pgm/pgm.h"

#include <string.h>

#include "rt/status.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

struct mmio_log {
    uint64_t off, val;
    unsigned size, reads, writes, flushes, syncs;
    uint64_t sync_gpa;
};

static uint64_t mmio_read(void *user, uint64_t off, unsigned size)
{
    struct mmio_log *l = user;

    l->off = off, l->size = size, l->reads++;
    return UINT64_C(0x1122334455667788) + off;
}

static void mmio_write(void *user, uint64_t off, uint64_t val, unsigned size)
{
    struct mmio_log *l = user;

    l->off = off, l->size = size, l->val = val, l->writes++;
}

static const struct pgm_mmio_ops mmio_ops = {mmio_read, mmio_write};

static void count_flush(void *user)
{
    ((struct mmio_log *)user)->flushes++;
}

static void count_sync(void *user, uint64_t gpa)
{
    ((struct mmio_log *)user)->syncs++;
    ((struct mmio_log *)user)->sync_gpa = gpa;
}

static struct pgm *machine(uint64_t ram_mib, struct mmio_log *log)
{
    struct pgm *pgm = pgm_new(ram_mib * MIB, 3 * GIB + GIB / 2, NULL);

    g_assert_nonnull(pgm);
    memset(log, 0, sizeof(*log));
    pgm_flush_callback(pgm, count_flush, log);
    pgm_sync_callback(pgm, count_sync, log);
    return pgm;
}

static void test_sizes(void)
{
    static const uint64_t bad[][2] = {{0, GIB}, {MIB + 4096, GIB}, {MIB, 0}, {MIB, 5 * GIB}, {UINT64_C(1) << 50, GIB}};
    struct pgm *pgm = pgm_new(5 * GIB, 3 * GIB, NULL);
    uint64_t bytes;
    uint8_t *hva;

    g_assert_cmpuint(pgm_ram_low_bytes(pgm), ==, 3 * GIB);
    g_assert_cmpuint(pgm_ram_high_bytes(pgm), ==, 2 * GIB);
    hva = pgm_ram_hva(pgm, &bytes);
    g_assert_cmpuint(bytes, ==, 5 * GIB);
    pgm_phys_write_n(pgm, 4 * GIB + 5, 0xab, 1);
    g_assert_cmphex(hva[3 * GIB + 5], ==, 0xab);
    g_assert_cmphex(pgm_phys_read_n(pgm, 6 * GIB - 4, 8), ==, 0xffffffff00000000);
    g_assert_cmphex(pgm_phys_read_n(pgm, 3 * GIB, 4), ==, 0xffffffff);
    pgm_free(pgm);
    pgm_free(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(pgm_new(bad[i][0], bad[i][1], &error));
        g_assert_error(error, STATUS_ERROR, VERR_OUT_OF_RANGE);
    }
}

static void test_mmio(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(16, &l);
    uint8_t buf[16] = {0};
    pgm_range r;

    g_assert_true(pgm_mmio_add(pgm, "dev", 0x400, &mmio_ops, &l, &r, NULL));
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xfed00000, 4), ==, 0xffffffff);
    pgm_map(pgm, r, 0xfed00000);
    g_assert_cmpuint(l.flushes, ==, 1);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xfed00010, 4), ==, 0x55667798);
    g_assert_cmpuint(l.size, ==, 4);
    pgm_phys_write_n(pgm, 0xfed003ff, 0x1234, 1);
    g_assert_cmphex(l.val, ==, 0x34);
    g_assert_cmphex(l.off, ==, 0x3ff);
    /* across the end: what is behind it reads ones */
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xfed003fe, 4), ==, 0xffff0000 | 0x7b86);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xfed00400, 4), ==, 0xffffffff);
    /* long accesses come in naturally aligned pieces: 1 2 4 8 1 */
    l.reads = 0;
    pgm_phys_read(pgm, 0xfed00001, buf, 16);
    g_assert_cmpuint(l.reads, ==, 5);
    l.writes = 0;
    pgm_phys_write(pgm, 0xfed00006, buf, 3);
    g_assert_cmpuint(l.writes, ==, 2);
    pgm_map(pgm, r, 0xfed01000);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xfed00010, 4), ==, 0xffffffff);
    pgm_map(pgm, r, UINT64_MAX - 0x100); /* impossible: unmapped */
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xfed01010, 4), ==, 0xffffffff);
    pgm_free(pgm);
}

/* A later range hides earlier ones; moving it away uncovers them. */
static void test_overlap(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(16, &l);
    struct pgm_page page;
    pgm_range a, b;

    g_assert_true(pgm_mmio_add(pgm, "a", 0x2000, &mmio_ops, &l, &a, NULL));
    g_assert_true(pgm_mmio_add(pgm, "b", 0x100, &mmio_ops, &l, &b, NULL));
    pgm_phys_write_n(pgm, 5 * MIB + 0x800, 0x77, 1);
    pgm_page_get(pgm, 5 * MIB, true, &page);
    g_assert_true(page.kind == PGM_KIND_RAM && page.write_direct);
    pgm_map(pgm, a, 5 * MIB);
    pgm_page_get(pgm, 5 * MIB, true, &page);
    g_assert_true(page.kind == PGM_KIND_MMIO && page.hva == NULL);
    pgm_phys_read_n(pgm, 5 * MIB + 0x800, 1);
    g_assert_cmphex(l.off, ==, 0x800);
    pgm_map(pgm, b, 5 * MIB + 0x800);
    pgm_phys_read_n(pgm, 5 * MIB + 0x8ff, 1);
    g_assert_cmphex(l.off, ==, 0xff);
    pgm_phys_read_n(pgm, 5 * MIB + 0x900, 1);
    g_assert_cmphex(l.off, ==, 0x900);
    pgm_unmap(pgm, a);
    pgm_page_get(pgm, 5 * MIB, true, &page); /* RAM and b share it */
    g_assert_true(page.kind == PGM_KIND_MMIO && page.hva == NULL);
    g_assert_cmphex(pgm_phys_read_n(pgm, 5 * MIB + 0x7ff, 1), ==, 0);
    pgm_unmap(pgm, b);
    g_assert_cmphex(pgm_phys_read_n(pgm, 5 * MIB + 0x800, 1), ==, 0x77);
    pgm_page_get(pgm, 5 * MIB, true, &page);
    g_assert_true(page.write_direct);
    pgm_free(pgm);
}

/* 82441FX, PAM registers: read enable and write enable, each on its own. */
static void test_shadow(void)
{
    static const struct {
        unsigned bits;
        uint8_t read, ram; /* read back after writing 22h; what RAM holds then. ROM is 11h, RAM was 33h */
    } cases[] = {{0, 0x11, 0x33}, {1, 0x33, 0x33}, {2, 0x11, 0x22}, {3, 0x22, 0x22}};
    struct mmio_log l;
    struct pgm *pgm = machine(16, &l);
    uint8_t rom[0x1234];
    struct pgm_page page;

    memset(rom, 0x11, sizeof(rom));
    g_assert_true(pgm_rom_add(pgm, "rom", 0xf0000, rom, sizeof(rom), NULL));
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xf1233, 2), ==, 0xff11);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xc0000, 1), ==, 0xff);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        pgm_shadow_set(pgm, 0xf0000, 0x1000, 3);
        pgm_phys_write_n(pgm, 0xf0800, 0x33, 1);
        pgm_shadow_set(pgm, 0xf0000, 0x1000, cases[i].bits);
        pgm_phys_write_n(pgm, 0xf0800, 0x22, 1);
        g_assert_cmphex(pgm_phys_read_n(pgm, 0xf0800, 1), ==, cases[i].read);
        pgm_page_get(pgm, 0xf0800, true, &page);
        g_assert_cmphex(page.hva[0x800], ==, cases[i].read);
        g_assert_cmpint(page.write_direct, ==, cases[i].bits == 3);
        g_assert_cmpint(page.kind, ==, cases[i].bits == 3 ? PGM_KIND_RAM : PGM_KIND_ROM);
        pgm_shadow_set(pgm, 0xf0000, 0x1000, 1);
        g_assert_cmphex(pgm_phys_read_n(pgm, 0xf0800, 1), ==, cases[i].ram);
    }
    pgm_shadow_set(pgm, 0, UINT64_MAX, 3);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xc0000, 1), ==, 0);
    pgm_reset(pgm);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xf0800, 1), ==, 0x11);
    pgm_free(pgm);
}

static void test_a20(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(16, &l);
    uint8_t buf[0x20];
    struct pgm_page page;

    pgm_phys_write_n(pgm, 0x500, 0x11, 1);
    pgm_phys_write_n(pgm, MIB + 0x500, 0x22, 1);
    g_assert_true(pgm_a20(pgm));
    pgm_a20_set(pgm, false);
    g_assert_false(pgm_a20(pgm));
    g_assert_cmpuint(l.flushes, ==, 1);
    g_assert_cmphex(pgm_phys_read_n(pgm, MIB + 0x500, 1), ==, 0x11);
    pgm_page_get(pgm, 3 * MIB, false, &page);
    g_assert_cmphex(page.gpa, ==, 2 * MIB);
    pgm_phys_write(pgm, 0xffff0 + 0x10, "0123456789abcdef", 16); /* wraps to 0 */
    pgm_phys_read(pgm, 0, buf, 16);
    g_assert_cmpmem(buf, 16, "0123456789abcdef", 16);
    pgm_a20_set(pgm, true);
    g_assert_cmphex(pgm_phys_read_n(pgm, MIB + 0x500, 1), ==, 0x22);
    pgm_free(pgm);
}

static void test_cmpxchg(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(4, &l);

    for (unsigned size = 1; size <= 8; size *= 2) {
        uint64_t ones = size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
        pgm_phys_write_n(pgm, 0x1000, UINT64_C(0x8877665544332211), 8);
        g_assert_false(pgm_phys_cmpxchg(pgm, 0x1000, 0, 1, size));
        g_assert_true(pgm_phys_cmpxchg(pgm, 0x1000, UINT64_C(0x8877665544332211) & ones, 0x42, size));
        g_assert_cmphex(pgm_phys_read_n(pgm, 0x1000, size), ==, 0x42);
    }
    g_assert_true(pgm_phys_cmpxchg(pgm, 0xe0000000, 0, 1, 8)); /* nothing there */
    pgm_free(pgm);
}

static void test_watch(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(4, &l);
    _Atomic uint32_t *gen;
    static const uint8_t block[0x1000];
    struct pgm_page page;
    uint32_t before;

    pgm_page_get(pgm, 0x5000, true, &page);
    g_assert_true(page.write_direct);
    gen = pgm_code_watch(pgm, 0x5050, 0x20, &before);
    g_assert_nonnull(gen);
    g_assert_cmpuint(l.syncs, ==, 1);
    g_assert_cmphex(l.sync_gpa, ==, 0x5000);
    g_assert_true(pgm_code_watch(pgm, 0x5800, 1, &before) == gen);
    g_assert_cmpuint(l.syncs, ==, 1); /* inv 1 holds already */
    pgm_page_get(pgm, 0x5000, true, &page);
    g_assert_false(page.write_direct);
    g_assert_cmpuint(*gen, ==, before);
    pgm_phys_write_n(pgm, 0x5080, 1, 4); /* next chunk */
    pgm_phys_write_n(pgm, 0x503f, 1, 1); /* the one before */
    g_assert_cmpuint(*gen, ==, before);
    g_assert_true(pgm_code_is_watched(pgm, 0x503f, 2));
    pgm_phys_write_n(pgm, 0x503e, 1, 4); /* reaches into it */
    g_assert_cmpuint(*gen, !=, before);
    g_assert_false(pgm_code_is_watched(pgm, 0x5040, 0x40));
    g_assert_true(pgm_code_is_watched(pgm, 0x5800, 1));
    before = *gen;
    pgm_phys_write(pgm, 0x4ff0, block, 0x1000); /* DMA over both pages */
    g_assert_cmpuint(*gen, !=, before);
    pgm_page_get(pgm, 0x5000, true, &page);
    g_assert_true(page.write_direct);
    pgm_code_watch(pgm, 0x5050, 1, &before);
    g_assert_cmpuint(l.syncs, ==, 2);
    pgm_reset(pgm);
    g_assert_cmpuint(*gen, !=, before);
    g_assert_null(pgm_code_watch(pgm, 0xe0000000, 4, &before));
    pgm_free(pgm);
}

/* A vCPU that has answered, while the watcher still waits for another: its store takes the watch away, its next one
 * goes to the page directly. */
static void answered_and_stored(void *user, uint64_t gpa)
{
    struct pgm_page page;

    pgm_phys_write_n(user, gpa, 1, 4);
    pgm_page_get(user, gpa, true, &page);
    g_assert_true(page.write_direct);
}

static void test_watch_raced(void)
{
    struct pgm *pgm = pgm_new(4 * MIB, 3 * GIB, NULL);
    struct mmio_log l = {0};
    struct pgm_page page;
    uint32_t before;

    pgm_page_get(pgm, 0x5000, true, &page);
    pgm_sync_callback(pgm, answered_and_stored, pgm);
    _Atomic uint32_t *gen = pgm_code_watch(pgm, 0x5000, 4, &before);
    g_assert_cmpuint(*gen, !=, before);
    pgm_sync_callback(pgm, count_sync, &l);
    pgm_code_watch(pgm, 0x5000, 4, &before);
    g_assert_cmpuint(l.syncs, ==, 1); /* somebody can write directly */
    g_assert_true(pgm_code_watch(pgm, 0x5000, 4, &before) == gen);
    g_assert_cmpuint(l.syncs, ==, 1);
    pgm_free(pgm);
}

/* A driver's store by the host's address: only RAM has one, and what was told of it reaches watches and dirty bits. */
static void test_direct(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(4, &l);
    _Atomic uint32_t *gen;
    uint64_t bits[4 * 256 / 64];
    uint32_t before;
    void *hva;

    g_assert_cmpuint(pgm_phys_direct(pgm, 0x4ff0, 0x3000, true, &hva), ==, 0x3000);
    g_assert_cmpuint(pgm_phys_direct(pgm, (4u << 20) - 16, 64, true, &hva), ==, 16); /* RAM ends there */
    g_assert_cmpuint(pgm_phys_direct(pgm, 0xe0000000, 64, false, &hva), ==, 0);
    g_assert_cmpuint(pgm_phys_direct(pgm, 0xa0000, 64, false, &hva), ==, 0); /* the bus's */
    pgm_ram_dirty_collect(pgm, bits);
    gen = pgm_code_watch(pgm, 0x5050, 0x20, &before);
    g_assert_cmpuint(pgm_phys_direct(pgm, 0x5050, 2, true, &hva), ==, 2);
    memcpy(hva, "\x90\xf4", 2);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0x5050, 2), ==, 0xf490);
    pgm_phys_stored(pgm, 0x5050, 2);
    g_assert_cmpuint(*gen, !=, before);
    g_assert_cmpuint(pgm_ram_dirty_collect(pgm, bits), ==, 1);
    g_assert_cmphex(bits[0], ==, 1u << 5);
    pgm_a20_set(pgm, false); /* pages of odd megabytes lie where even ones do */
    g_assert_cmpuint(pgm_phys_direct(pgm, 0x300000 - 16, 64, false, &hva), ==, 16);
    pgm_free(pgm);
}

/* Code cached from ROM must not be run once RAM is there instead, and the other way round. */
static void test_watch_shadow(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(4, &l);
    _Atomic uint32_t *rom_gen, *ram_gen;
    uint32_t before;

    g_assert_true(pgm_rom_add(pgm, "rom", 0xf0000, "\xf4", 1, NULL));
    rom_gen = pgm_code_watch(pgm, 0xf0000, 1, &before);
    pgm_phys_write_n(pgm, 0xf0000, 0, 1); /* vanishes */
    g_assert_cmpuint(*rom_gen, ==, before);
    pgm_shadow_set(pgm, 0xf0000, 0x10000, 3);
    g_assert_cmpuint(*rom_gen, !=, before);
    ram_gen = pgm_code_watch(pgm, 0xf0000, 1, &before);
    g_assert_true(ram_gen != rom_gen);
    pgm_shadow_set(pgm, 0xf0000, 0x10000, 0);
    g_assert_cmpuint(*ram_gen, !=, before);
    pgm_free(pgm);
}

/* RAM: by the quick path and by the slow one, below and above 4 GiB; code that is stored to in place. */
static void test_ram_dirty(void)
{
    struct pgm *pgm = pgm_new(8 << 20, 5 << 20, NULL);
    uint64_t bits[8 * 256 / 64];
    struct pgm_page page;

    g_assert_cmpuint(pgm_ram_dirty_collect(pgm, bits), ==, 0);
    pgm_page_get(pgm, 0x200000, false, &page);
    g_assert_cmpuint(pgm_ram_dirty_collect(pgm, bits), ==, 0);
    pgm_page_get(pgm, 0x200000, true, &page);
    g_assert_true(page.write_direct);
    pgm_page_get(pgm, 0x1000, true, &page);
    pgm_phys_write_n(pgm, UINT64_C(0x100000ffe), 0x11223344, 4);
    g_assert_cmpuint(pgm_ram_dirty_collect(pgm, bits), ==, 4);
    g_assert_cmphex(bits[0], ==, 2);
    g_assert_cmphex(bits[0x200 / 64], ==, 1);
    g_assert_cmphex(bits[0x500 / 64], ==, 3);
    pgm_code_watch(pgm, 0x200000, 4, &(uint32_t){0});
    pgm_page_get(pgm, 0x200000, true, &page);
    g_assert_false(page.write_direct);
    g_assert_cmpuint(pgm_ram_dirty_collect(pgm, bits), ==, 0);
    page.hva[0] = 1; /* what the interpreter does with a LOCKed operation */
    pgm_code_written(pgm, 0x200000, 1);
    g_assert_cmpuint(pgm_ram_dirty_collect(pgm, bits), ==, 1);
    g_assert_cmphex(bits[0x200 / 64], ==, 1);
    pgm_free(pgm);
}

/* Stores that do not go through a translation, and asking for one: pgm.h inv 3. */
static void test_dirty(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(4, &l);
    struct pgm_page page;
    uint64_t bits[5];
    void *hva;
    pgm_range r;

    g_assert_true(pgm_devram_add(pgm, "vram", 0x100000, &hva, &r, NULL));
    pgm_map(pgm, r, 0xe0000000);
    g_assert_cmpuint(pgm_dirty_collect(pgm, r, bits, 256), ==, 0);
    g_assert_cmpuint(l.syncs, ==, 0); /* nothing to wait for */
    pgm_phys_write_n(pgm, 0xe0001ffe, 0x11223344, 4);
    pgm_phys_write_n(pgm, 0xe00fffff, 0x55, 1);
    g_assert_cmphex(((uint8_t *)hva)[0x2001], ==, 0x11);
    g_assert_cmpuint(pgm_dirty_collect(pgm, r, bits, 2), ==, 1); /* the rest stays */
    g_assert_cmphex(bits[0], ==, 2);
    memset(bits, 0xff, sizeof bits);
    g_assert_cmpuint(pgm_dirty_collect(pgm, r, bits, 300), ==, 2);
    g_assert_cmphex(bits[0], ==, 4);
    g_assert_cmphex(bits[3], ==, UINT64_C(1) << 63);
    g_assert_cmphex(bits[4], ==, 0); /* beyond the end */
    g_assert_cmpuint(l.syncs, ==, 2);
    g_assert_cmphex(l.sync_gpa, ==, UINT64_MAX);
    pgm_page_get(pgm, 0xe0000000, false, &page);
    g_assert_true(page.kind == PGM_KIND_DEVRAM && page.hva == hva);
    g_assert_cmpuint(pgm_dirty_collect(pgm, r, bits, 256), ==, 0);
    pgm_page_get(pgm, 0xe0000000, true, &page);
    g_assert_true(page.write_direct);
    g_assert_cmpuint(pgm_dirty_collect(pgm, r, bits, 256), ==, 1);
    pgm_code_watch(pgm, 0xe0000000, 4, &(uint32_t){0});
    pgm_page_get(pgm, 0xe0000000, true, &page);
    g_assert_false(page.write_direct);
    pgm_map(pgm, r, 0xd0000000);
    g_assert_cmphex(pgm_phys_read_n(pgm, 0xd0002001, 1), ==, 0x11);
    pgm_free(pgm);
}

static void test_many_ranges(void)
{
    struct mmio_log l;
    struct pgm *pgm = machine(4, &l);
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) info = g_string_new(NULL);
    pgm_range r[300];
    unsigned n = 0;

    while (n < 300 && pgm_mmio_add(pgm, "dev", 0x1000, &mmio_ops, &l, &r[n], &error))
        n++;
    g_assert_cmpuint(n, ==, 254);
    g_assert_error(error, STATUS_ERROR, VERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < 20000; i++) /* a guest that plays with its BARs */
        pgm_map(pgm, r[i % 8], (uint64_t)g_test_rand_int() << 8);
    for (unsigned i = 0; i < n; i++)
        pgm_map(pgm, r[i], 0xe0000000 + i * 0x1800);
    pgm_phys_read_n(pgm, 0xe0000000 + 100 * 0x1800 + 4, 4);
    g_assert_cmphex(l.off, ==, 4);
    pgm_info(pgm, info);
    g_assert_nonnull(strstr(info->str, "MMIO"));
    pgm_free(pgm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pgm/sizes", test_sizes);
    g_test_add_func("/pgm/mmio", test_mmio);
    g_test_add_func("/pgm/overlap", test_overlap);
    g_test_add_func("/pgm/shadow", test_shadow);
    g_test_add_func("/pgm/a20", test_a20);
    g_test_add_func("/pgm/cmpxchg", test_cmpxchg);
    g_test_add_func("/pgm/watch", test_watch);
    g_test_add_func("/pgm/watch-raced", test_watch_raced);
    g_test_add_func("/pgm/direct", test_direct);
    g_test_add_func("/pgm/watch-shadow", test_watch_shadow);
    g_test_add_func("/pgm/dirty", test_dirty);
    g_test_add_func("/pgm/ram-dirty", test_ram_dirty);
    g_test_add_func("/pgm/many-ranges", test_many_ranges);
    return g_test_run();
}
