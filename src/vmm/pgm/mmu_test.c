/*
 * mmu_test.c - the translation cache against no cache; what walks do without paging, and when PDPTEs are loaded.
 */
#include <string.h>

#include "vmm/pgm/mmu_test.h"

void fixture_init(struct fixture *f, unsigned maxphyaddr)
{
    uint64_t bytes;

    f->pgm = pgm_new(RAM_MIB * MIB, UINT64_C(0xe0000000), NULL);
    f->ram = pgm_ram_hva(f->pgm, &bytes);
    f->m = g_new0(struct pgm_mmu, 1);
    pgm_mmu_init(f->m, f->pgm, maxphyaddr);
}

void fixture_fini(struct fixture *f)
{
    g_free(f->m);
    pgm_free(f->pgm);
}

uint64_t get(struct fixture *f, uint64_t gpa, unsigned bytes)
{
    uint64_t val = bytes == 8 ? UINT64_MAX : UINT32_MAX;

    if (gpa < RAM_MIB * MIB && (gpa < 0xa0000 || gpa >= MIB)) {
        val = 0;
        memcpy(&val, f->ram + gpa, bytes);
    }
    return val;
}

void put(struct fixture *f, uint64_t gpa, uint64_t val, unsigned bytes)
{
    memcpy(f->ram + gpa, &val, bytes);
}

static void test_no_paging(void)
{
    struct fixture f;
    struct pgm_xlat x;

    fixture_init(&f, 36);
    g_assert_cmpint(pgm_mmu_xlat(f.m, PGM_IDX_USER, 0x123456, PGM_WRITE, &x), ==, PGM_XLAT_OK);
    g_assert_true(x.gpa == 0x123456 && x.hva == f.ram + 0x123456);
    g_assert_true(pgm_mmu_fast(f.m, PGM_IDX_USER, 0x123ffc, 4, PGM_WRITE) == f.ram + 0x123ffc);
    g_assert_null(pgm_mmu_fast(f.m, PGM_IDX_USER, 0x123ffd, 4, PGM_WRITE));
    g_assert_null(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, 0x123ffc, 4, PGM_WRITE));
    g_assert_cmpint(pgm_mmu_xlat(f.m, PGM_IDX_USER, 0xfee00000, PGM_READ, &x), ==, PGM_XLAT_OK);
    g_assert_null(x.hva);
    fixture_fini(&f);
}

/* SDM 4.4.1: reserved bits in a present PDPTE make the MOV fault and change nothing. */
static void test_pdpte_load(void)
{
    static const uint64_t bad[] = {2, 4, 0x20, 0x100, UINT64_C(1) << 36, UINT64_C(1) << 52, NX};
    struct fixture f;
    struct pgm_xlat x;

    fixture_init(&f, 36);
    put(&f, TABLES + 0x20, (TABLES + 0x1000) | 1, 8);
    put(&f, TABLES + 0x1000, 0x80 | 7, 8); /* 2 MiB at 0 */
    g_assert_true(pgm_mmu_mode(f.m, CR0_PG | 1, TABLES + 0x20, CR4_PAE, 0));
    put(&f, TABLES + 0x20, 0, 8); /* the registers do not notice */
    g_assert_cmpint(pgm_mmu_xlat(f.m, PGM_IDX_USER, 0x5000, PGM_READ, &x), ==, PGM_XLAT_OK);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        put(&f, TABLES + 0x38, TABLES | 1 | bad[i], 8);
        g_assert_false(pgm_mmu_mode(f.m, CR0_PG | 1, TABLES + 0x20, CR4_PAE, 0));
        g_assert_cmpint(pgm_mmu_xlat(f.m, PGM_IDX_USER, 0x6000, PGM_READ, &x), ==, PGM_XLAT_OK);
        put(&f, TABLES + 0x38, bad[i] & ~UINT64_C(1), 8); /* not present: nothing is reserved */
        g_assert_true(pgm_mmu_mode(f.m, CR0_PG | 1, TABLES + 0x20, CR4_PAE, 0));
        put(&f, TABLES + 0x20, (TABLES + 0x1000) | 1, 8);
        g_assert_true(pgm_mmu_mode(f.m, CR0_PG | 1, TABLES + 0x20, CR4_PAE, 0));
    }
    fixture_fini(&f);
}

/* ---- the cache: 4-level, one table chain, page i of the last table at 4 MiB + i pages ---- */

#define PT  (TABLES + 0x3000)
#define GLA UINT64_C(0x400000)

static void chain(struct fixture *f)
{
    fixture_init(f, 40);
    put(f, TABLES, (TABLES + 0x1000) | 7, 8);
    put(f, TABLES + 0x1000, (TABLES + 0x2000) | 7, 8);
    put(f, TABLES + 0x2000 + 8 * 2, PT | 7, 8);
    for (uint64_t i = 0; i < 512; i++)
        put(f, PT + 8 * i, (4 * MIB + 4096 * i) | 7 | (i & 1 ? 0x100u : 0u), 8); /* odd ones global */
}

static bool chain_mode(struct fixture *f, uint64_t cr3_bits, uint64_t cr4_bits)
{
    return pgm_mmu_mode(f->m, CR0_PG | CR0_WP | 1, TABLES | cr3_bits, CR4_PAE | CR4_PGE | cr4_bits,
                        EFER_LMA | EFER_NXE);
}

/* Loads page @i and says what the next access would use. */
static uint64_t page_of(struct fixture *f, unsigned i)
{
    struct pgm_xlat x;

    g_assert_cmpint(pgm_mmu_xlat(f->m, PGM_IDX_KERNEL, GLA + 4096 * i, PGM_READ, &x), ==, PGM_XLAT_OK);
    return x.gpa;
}

static void move_pages(struct fixture *f, uint64_t to)
{
    for (unsigned i = 0; i < 2; i++)
        put(f, PT + 8 * i, (to + 4096 * i) | 0x67 | (i & 1 ? 0x100u : 0u), 8);
}

/* What is kept and what is dropped by each way of flushing; page 0 is local, page 1 global. SDM 4.10.4.1 */
static void test_flushes(void)
{
    static const struct {
        const char *what;
        int kind;
        bool local_fresh, global_fresh;
    } cases[] = {
        {"nothing", 0, false, false},
        {"MOV CR3", 1, true, false},
        {"invlpg of both", 2, true, true},
        {"CR4.PGE toggled", 3, true, true},
        {"CR4.SMEP set", 4, true, true},
        {"INVPCID 0 of both", 5, true, false},
        {"INVPCID 1", 6, true, false},
        {"INVPCID 2", 7, true, true},
        {"INVPCID 3", 8, true, false},
        {"5000 times MOV CR3", 9, true, true},
        {"invlpg of another", 10, false, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct fixture f;
        chain(&f);
        g_assert_true(chain_mode(&f, 0, 0));
        page_of(&f, 0), page_of(&f, 1);
        move_pages(&f, 8 * MIB);
        switch (cases[i].kind) {
        case 1: chain_mode(&f, 0, 0); break;
        case 2: pgm_mmu_invlpg(f.m, GLA + 5), pgm_mmu_invlpg(f.m, GLA + 0x1fff); break;
        case 3:
            pgm_mmu_mode(f.m, CR0_PG | CR0_WP | 1, TABLES, CR4_PAE, EFER_LMA | EFER_NXE), chain_mode(&f, 0, 0);
            break;
        case 4: chain_mode(&f, 0, CR4_SMEP); break;
        case 5: pgm_mmu_invpcid(f.m, 0, 0, GLA), pgm_mmu_invpcid(f.m, 0, 0, GLA + 0x1000); break;
        case 6:
        case 7:
        case 8: pgm_mmu_invpcid(f.m, (unsigned)cases[i].kind - 5, 0, 0); break;
        case 9:
            for (unsigned n = 0; n < 5000; n++)
                chain_mode(&f, 0, 0);
            break;
        case 10: pgm_mmu_invlpg(f.m, GLA + 0x2000); break;
        }
        g_test_message("%s", cases[i].what);
        g_assert_cmphex(page_of(&f, 0), ==, cases[i].local_fresh ? 8 * MIB : 4 * MIB);
        g_assert_cmphex(page_of(&f, 1), ==, (cases[i].global_fresh ? 8 * MIB : 4 * MIB) + 4096);
        fixture_fini(&f);
    }
}

static void test_pcid(void)
{
    struct fixture f;
    uint64_t walks;

    chain(&f);
    g_assert_true(chain_mode(&f, 1, CR4_PCID));
    page_of(&f, 0);
    move_pages(&f, 8 * MIB);
    chain_mode(&f, 2 | PGM_CR3_KEEP, CR4_PCID);
    g_assert_cmphex(page_of(&f, 0), ==, 8 * MIB); /* never cached under PCID 2 */
    walks = f.m->stat_walks;
    chain_mode(&f, 1 | PGM_CR3_KEEP, CR4_PCID); /* one slot for both: at worst walked again, never wrong */
    page_of(&f, 2);
    chain_mode(&f, 2 | PGM_CR3_KEEP, CR4_PCID);
    chain_mode(&f, 1 | PGM_CR3_KEEP, CR4_PCID);
    walks = f.m->stat_walks;
    page_of(&f, 2); /* kept */
    g_assert_cmpuint(f.m->stat_walks, ==, walks);
    chain_mode(&f, 2 | PGM_CR3_KEEP, CR4_PCID);
    pgm_mmu_invpcid(f.m, 1, 1, 0);
    chain_mode(&f, 1 | PGM_CR3_KEEP, CR4_PCID);
    page_of(&f, 2);
    g_assert_cmpuint(f.m->stat_walks, ==, walks + 1);
    chain_mode(&f, 1, CR4_PCID); /* bit 63 clear: flushed */
    page_of(&f, 2);
    g_assert_cmpuint(f.m->stat_walks, ==, walks + 2);
    g_assert_cmphex(f.m->cr3 & PGM_CR3_KEEP, ==, 0);
    fixture_fini(&f);
}

/* A global page survives MOV CR3 without a walk. */
static void test_revalidate(void)
{
    struct fixture f;
    uint64_t walks;

    chain(&f);
    chain_mode(&f, 0, 0);
    page_of(&f, 1);
    walks = f.m->stat_walks;
    chain_mode(&f, 0, 0);
    g_assert_null(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA + 0x1000, 8, PGM_READ));
    page_of(&f, 1);
    g_assert_nonnull(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA + 0x1000, 8, PGM_READ));
    g_assert_cmpuint(f.m->stat_walks, ==, walks);
    g_assert_cmpuint(f.m->stat_revalidated, ==, 1);
    fixture_fini(&f);
}

/* INVLPG of one address of a large page drops all of its pieces. */
static void test_large_invlpg(void)
{
    struct fixture f;

    chain(&f);
    put(&f, TABLES + 0x2000 + 8 * 2, (4 * MIB) | 0x1e7, 8); /* 2 MiB, global */
    chain_mode(&f, 0, 0);
    g_assert_cmphex(page_of(&f, 0x10), ==, 4 * MIB + 0x10000);
    g_assert_cmphex(page_of(&f, 0x1f0), ==, 4 * MIB + 0x1f0000);
    put(&f, TABLES + 0x2000 + 8 * 2, (8 * MIB) | 0x1e7, 8);
    pgm_mmu_invlpg(f.m, GLA + 0x123456);
    g_assert_cmphex(page_of(&f, 0x10), ==, 8 * MIB + 0x10000);
    g_assert_cmphex(page_of(&f, 0x1f0), ==, 8 * MIB + 0x1f0000);
    fixture_fini(&f);
}

/* inv 1: no direct write before D is set, none to watched code; the fast path follows. */
static void test_direct_write(void)
{
    struct fixture f;
    struct pgm_xlat x;
    uint32_t gen;
    _Atomic uint32_t *counter;

    chain(&f);
    chain_mode(&f, 0, 0);
    page_of(&f, 4);
    g_assert_nonnull(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA + 0x4000, 8, PGM_READ));
    g_assert_null(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA + 0x4000, 8, PGM_WRITE));
    g_assert_cmphex(get(&f, PT + 32, 8) & 0x60, ==, 0x20);
    pgm_mmu_xlat(f.m, PGM_IDX_KERNEL, GLA + 0x4000, PGM_WRITE, &x);
    g_assert_cmphex(get(&f, PT + 32, 8) & 0x60, ==, 0x60);
    g_assert_nonnull(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA + 0x4000, 8, PGM_WRITE));
    counter = pgm_code_watch(f.pgm, 4 * MIB + 0x4000, 64, &gen);
    pgm_mmu_drop_writes(f.m, 4 * MIB + 0x4000);
    g_assert_null(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA + 0x4000, 8, PGM_WRITE));
    g_assert_nonnull(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA + 0x4000, 8, PGM_READ));
    pgm_mmu_xlat(f.m, PGM_IDX_KERNEL, GLA + 0x4000, PGM_WRITE, &x);
    g_assert_null(x.hva);
    pgm_phys_write_n(f.pgm, x.gpa, 0x90, 1);
    g_assert_cmpuint(atomic_load(counter), !=, gen);
    pgm_mmu_xlat(f.m, PGM_IDX_KERNEL, GLA + 0x4000, PGM_WRITE, &x);
    g_assert_nonnull(x.hva);
    fixture_fini(&f);
}

/* A20 and remapping reach the cache at the next drop or miss. */
static void test_map_change(void)
{
    struct fixture f;

    chain(&f);
    put(&f, PT, (5 * MIB) | 7, 8);
    chain_mode(&f, 0, 0);
    g_assert_cmphex(page_of(&f, 0), ==, 5 * MIB);
    pgm_a20_set(f.pgm, false);
    pgm_mmu_drop_writes(f.m, UINT64_MAX);
    g_assert_null(pgm_mmu_fast(f.m, PGM_IDX_KERNEL, GLA, 8, PGM_READ));
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mmu/matrix", mmu_model_test);
    g_test_add_func("/mmu/no-paging", test_no_paging);
    g_test_add_func("/mmu/pdpte-load", test_pdpte_load);
    g_test_add_func("/mmu/flushes", test_flushes);
    g_test_add_func("/mmu/pcid", test_pcid);
    g_test_add_func("/mmu/revalidate", test_revalidate);
    g_test_add_func("/mmu/large-invlpg", test_large_invlpg);
    g_test_add_func("/mmu/direct-write", test_direct_write);
    g_test_add_func("/mmu/map-change", test_map_change);
    return g_test_run();
}
