/*
 * mmu_test.c - page walks against a second, naive reading of the manual; the translation cache against no cache.
 *
 * The model below is written straight from SDM vol. 3 tables 4-4 to 4-20 and sections 4.6 to 4.8, one function per
 * paging mode, and shares nothing with walk.c.
 */
#include "vmm/pgm/mmu.h"

#include <string.h>

#define MIB      UINT64_C(0x100000)
#define RAM_MIB  16
#define TABLES   UINT64_C(0x100000) /* 16 pages of page tables */
#define NTABLES  16
#define CR0_WP   (1u << 16)
#define CR0_PG   (1u << 31)
#define CR4_PSE  (1u << 4)
#define CR4_PAE  (1u << 5)
#define CR4_PGE  (1u << 7)
#define CR4_PCID (1u << 17)
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)
#define EFER_LMA (1u << 10)
#define EFER_NXE (1u << 11)
#define NX       (UINT64_C(1) << 63)

struct fixture {
    struct pgm *pgm;
    uint8_t *ram;
    struct pgm_mmu *m;
};

static void fixture_init(struct fixture *f, unsigned maxphyaddr)
{
    uint64_t bytes;

    f->pgm = pgm_new(RAM_MIB * MIB, UINT64_C(0xe0000000), NULL);
    f->ram = pgm_ram_hva(f->pgm, &bytes);
    f->m = g_new0(struct pgm_mmu, 1);
    pgm_mmu_init(f->m, f->pgm, maxphyaddr);
}

static void fixture_fini(struct fixture *f)
{
    g_free(f->m);
    pgm_free(f->pgm);
}

static uint64_t get(struct fixture *f, uint64_t gpa, unsigned bytes)
{
    uint64_t val = bytes == 8 ? UINT64_MAX : UINT32_MAX;

    if (gpa < RAM_MIB * MIB && (gpa < 0xa0000 || gpa >= MIB)) {
        val = 0;
        memcpy(&val, f->ram + gpa, bytes);
    }
    return val;
}

static void put(struct fixture *f, uint64_t gpa, uint64_t val, unsigned bytes)
{
    memcpy(f->ram + gpa, &val, bytes);
}

/* ---- the model ---- */

struct model {
    struct fixture *f;
    uint64_t cr0, cr3, cr4, efer, pdpte[4];
    unsigned m; /* MAXPHYADDR */
    bool has_1g;
    /* result */
    bool fault;
    uint32_t code;
    uint64_t gpa, page_bytes;
    uint64_t used[4]; /* addresses of the entries, the leaf last */
    unsigned nused, entry_bytes;
    bool u, w, nx;
};

static bool any(uint64_t val, unsigned hi, unsigned lo)
{
    for (unsigned b = lo; b <= hi; b++)
        if (val >> b & 1)
            return true;
    return false;
}

static void not_present(struct model *q)
{
    q->fault = true;
    q->code = 0;
}

static void reserved(struct model *q)
{
    q->fault = true;
    q->code = 1 | 8;
}

/* Takes an entry in: P, U/S, R/W, XD. Return: false when the walk is over. */
static bool take(struct model *q, uint64_t ea, uint64_t *ret)
{
    *ret = get(q->f, ea, q->entry_bytes);
    if (!(*ret & 1)) {
        not_present(q);
        return false;
    }
    q->used[q->nused++] = ea;
    q->u &= *ret >> 2 & 1;
    q->w &= *ret >> 1 & 1;
    if (q->entry_bytes == 8 && (q->efer & EFER_NXE) && (*ret & NX))
        q->nx = true;
    return true;
}

static void model_32(struct model *q, uint32_t gla)
{
    uint64_t pde, pte;

    q->entry_bytes = 4;
    if (!take(q, (q->cr3 & 0xfffff000) + 4 * (gla >> 22), &pde))
        return;
    if ((pde & 0x80) && (q->cr4 & CR4_PSE)) { /* table 4-4 */
        unsigned m = MIN(q->m, 40);
        if (any(pde, 21, m - 19)) {
            reserved(q);
            return;
        }
        q->page_bytes = 4 * MIB;
        q->gpa = (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32 | (gla & 0x3fffff);
        return;
    }
    if (!take(q, (pde & 0xfffff000) + 4 * (gla >> 12 & 0x3ff), &pte))
        return;
    q->page_bytes = 4096;
    q->gpa = (pte & 0xfffff000) | (gla & 0xfff);
}

/* Tables 4-9 to 4-11 (PAE) and 4-18 to 4-20 (4-level) share their last two levels but for bits 62:52. */
static bool bad_64(struct model *q, uint64_t e)
{
    bool pae = !(q->efer & EFER_LMA);

    return (q->m < 52 && any(e, 51, q->m)) || (pae && any(e, 62, 52)) || (!(q->efer & EFER_NXE) && (e & NX));
}

static void model_pd(struct model *q, uint64_t pd, uint64_t gla)
{
    uint64_t pde, pte;

    if (!take(q, pd + 8 * (gla >> 21 & 0x1ff), &pde))
        return;
    if (bad_64(q, pde) || ((pde & 0x80) && any(pde, 20, 13))) {
        reserved(q);
        return;
    }
    if (pde & 0x80) {
        q->page_bytes = 2 * MIB;
        q->gpa = (pde & UINT64_C(0xfffffffe00000)) | (gla & 0x1fffff);
        return;
    }
    if (!take(q, (pde & UINT64_C(0xffffffffff000)) + 8 * (gla >> 12 & 0x1ff), &pte))
        return;
    if (bad_64(q, pte)) {
        reserved(q);
        return;
    }
    q->page_bytes = 4096;
    q->gpa = (pte & UINT64_C(0xffffffffff000)) | (gla & 0xfff);
}

static void model_4level(struct model *q, uint64_t gla)
{
    uint64_t e;

    if (!take(q, (q->cr3 & UINT64_C(0xffffffffff000)) + 8 * (gla >> 39 & 0x1ff), &e))
        return;
    if (bad_64(q, e) || (e & 0x80)) {
        reserved(q);
        return;
    }
    if (!take(q, (e & UINT64_C(0xffffffffff000)) + 8 * (gla >> 30 & 0x1ff), &e))
        return;
    if (bad_64(q, e) || ((e & 0x80) && (!q->has_1g || any(e, 29, 13)))) {
        reserved(q);
        return;
    }
    if (e & 0x80) {
        q->page_bytes = 1024 * MIB;
        q->gpa = (e & UINT64_C(0xfffffc0000000)) | (gla & 0x3fffffff);
        return;
    }
    model_pd(q, e & UINT64_C(0xffffffffff000), gla);
}

/* Section 4.6.1, as a list of refusals. */
static bool refused(const struct model *q, enum pgm_index idx, enum pgm_access acc)
{
    bool user_mode = idx == PGM_IDX_USER;

    if (acc == PGM_EXEC && q->nx)
        return true;
    if (user_mode)
        return !q->u || (acc == PGM_WRITE && !q->w);
    if (acc == PGM_EXEC)
        return q->u && (q->cr4 & CR4_SMEP);
    if (q->u && (q->cr4 & CR4_SMAP) && idx != PGM_IDX_KERNEL_AC)
        return true;
    return acc == PGM_WRITE && !q->w && (q->cr0 & CR0_WP);
}

static void model_run(struct model *q, uint64_t gla, enum pgm_index idx, enum pgm_access acc)
{
    q->fault = false;
    q->nused = 0;
    q->u = q->w = true;
    q->nx = false;
    q->entry_bytes = 8;
    if (!(q->cr4 & CR4_PAE))
        model_32(q, (uint32_t)gla);
    else if (q->efer & EFER_LMA)
        model_4level(q, gla);
    else if (!(q->pdpte[gla >> 30 & 3] & 1))
        not_present(q);
    else
        model_pd(q, q->pdpte[gla >> 30 & 3] & UINT64_C(0xffffffffff000), gla);
    if (!q->fault && refused(q, idx, acc)) {
        q->fault = true;
        q->code = 1;
    }
    if (q->fault) { /* section 4.7 */
        q->code |= acc == PGM_WRITE ? 2 : 0;
        q->code |= idx == PGM_IDX_USER ? 4 : 0;
        if (acc == PGM_EXEC && ((q->cr4 & CR4_SMEP) || ((q->cr4 & CR4_PAE) && (q->efer & EFER_NXE))))
            q->code |= 16;
    }
}

/* ---- random tables ---- */

static uint64_t random_entry(GRand *rng, unsigned bytes)
{
    uint64_t e = TABLES + 4096 * (uint64_t)g_rand_int_range(rng, 0, NTABLES);

    if (g_rand_int_range(rng, 0, 4) == 0) /* data page anywhere */
        e = (uint64_t)(g_rand_int(rng) & 0xffff) << 12;
    e |= g_rand_int(rng) & 0xfff;
    if (g_rand_int_range(rng, 0, 8))
        e |= 1;
    if (g_rand_int_range(rng, 0, 2))
        e &= ~UINT64_C(0x80);
    if (g_rand_int_range(rng, 0, 3) == 0) /* so that large pages pass */
        e &= ~UINT64_C(0x3fe000);
    if (g_rand_int_range(rng, 0, 2))
        e |= 6;
    if (bytes == 8 && g_rand_int_range(rng, 0, 8) == 0)
        e |= NX;
    if (bytes == 8 && g_rand_int_range(rng, 0, 8) == 0)
        e |= UINT64_C(1) << g_rand_int_range(rng, 32, 63);
    return e;
}

static void random_tables(struct fixture *f, GRand *rng, unsigned bytes)
{
    for (uint64_t at = 0; at < NTABLES * 4096; at += bytes)
        put(f, TABLES + at, random_entry(rng, bytes), bytes);
}

static void random_mode(struct model *q, GRand *rng)
{
    static const uint64_t bases[] = {0, CR4_PAE, CR4_PAE | EFER_LMA};
    uint64_t base = bases[g_rand_int_range(rng, 0, 3)], r = g_rand_int(rng);

    q->cr0 = CR0_PG | 1 | (r & CR0_WP);
    q->cr4 = (base & CR4_PAE) | (r & (CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP));
    q->efer = (base & EFER_LMA) | (r & EFER_NXE);
    q->cr3 = TABLES + (r >> 3 & 0xfe0 & (base & EFER_LMA || !(base & CR4_PAE) ? 0 : 0xfe0));
}

/* PDPTEs must be loadable: without reserved bits. */
static void fix_pdptes(struct model *q, GRand *rng)
{
    for (unsigned i = 0; i < 4; i++) {
        q->pdpte[i] =
            (TABLES + 4096 * (uint64_t)g_rand_int_range(rng, 1, NTABLES)) | (g_rand_int_range(rng, 0, 4) ? 1 : 0);
        if ((q->cr4 & CR4_PAE) && !(q->efer & EFER_LMA))
            put(q->f, q->cr3 + 8 * i, q->pdpte[i], 8);
    }
}

/* What is in the entries used, before the access. */
static void remember(const struct model *q, uint64_t *ret)
{
    for (unsigned i = 0; i < q->nused; i++)
        ret[i] = get(q->f, q->used[i], q->entry_bytes);
}

/* Section 4.8: A in every entry used, D in the leaf of a write; nothing when the access faults. */
static void check_ad(const struct model *q, const uint64_t *before, enum pgm_access acc)
{
    for (unsigned i = 0; i < q->nused; i++) {
        uint64_t want = before[i];
        for (unsigned k = 0; k < q->nused && !q->fault; k++) /* an entry can be used twice, as a table of itself */
            if (q->used[k] == q->used[i])
                want |= 0x20 | (acc == PGM_WRITE && k + 1 == q->nused ? 0x40u : 0u);
        g_assert_cmphex(get(q->f, q->used[i], q->entry_bytes), ==, want);
    }
}

static uint64_t random_gla(const struct model *q, GRand *rng)
{
    uint64_t gla = (uint64_t)g_rand_int(rng) << 32 | g_rand_int(rng);

    if (!(q->efer & EFER_LMA))
        return (uint32_t)gla;
    return (uint64_t)((int64_t)(gla << 16) >> 16);
}

static void one_access(struct model *q, GRand *rng, unsigned *seen)
{
    enum pgm_index idx = (enum pgm_index)g_rand_int_range(rng, 0, 3);
    enum pgm_access acc = (enum pgm_access)g_rand_int_range(rng, 0, 3);
    uint64_t gla = random_gla(q, rng), before[4] = {0}, peek;
    struct pgm_xlat x = {0};
    int rc;

    model_run(q, gla, idx, acc);
    remember(q, before);
    rc = pgm_mmu_xlat(q->f->m, idx, gla, acc, &x);
    g_assert_cmpint(rc, ==, q->fault ? PGM_XLAT_FAULT : PGM_XLAT_OK);
    check_ad(q, before, acc);
    if (q->fault) {
        g_assert_cmphex(x.error_code, ==, q->code);
        seen[q->code]++;
        return;
    }
    g_assert_cmphex(x.gpa, ==, q->gpa);
    g_assert_true(pgm_mmu_peek(q->f->m, gla, &peek));
    g_assert_cmphex(peek, ==, q->gpa);
    if (q->gpa < RAM_MIB * MIB && q->gpa >= MIB)
        g_assert_true(x.hva == q->f->ram + q->gpa);
    seen[31]++;
}

static void test_matrix(void)
{
    static const unsigned maxphyaddrs[] = {32, 36, 39, 40, 46, 52};
    static const uint32_t codes[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15, 16, 17, 20, 21, 25, 29};
    GRand *rng = g_rand_new_with_seed(1);
    unsigned seen[32] = {0};

    for (unsigned round = 0; round < 3000; round++) {
        struct fixture f;
        struct model q = {.f = &f, .m = maxphyaddrs[round % G_N_ELEMENTS(maxphyaddrs)]};
        fixture_init(&f, q.m);
        q.has_1g = f.m->has_1g = round % 5 != 0;
        random_mode(&q, rng);
        random_tables(&f, rng, q.cr4 & CR4_PAE ? 8 : 4);
        fix_pdptes(&q, rng);
        g_assert_true(pgm_mmu_mode(f.m, q.cr0, q.cr3, q.cr4, q.efer));
        for (unsigned i = 0; i < 100; i++) {
            pgm_mmu_flush(f.m, true);
            one_access(&q, rng, seen);
        }
        fixture_fini(&f);
    }
    g_rand_free(rng);
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
        g_assert_cmpuint(seen[codes[i]], >, 10);
    g_assert_cmpuint(seen[31], >, 5000);
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
    g_test_add_func("/mmu/matrix", test_matrix);
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
