/*
 * mmu_model_test.c - page walks against a second, naive reading of the manual.
 *
 * The model is written straight from SDM vol. 3 tables 4-4 to 4-20 and sections 4.6 to 4.8, one function per paging
 * mode, and shares nothing with walk.c.
 */
#include "vmm/pgm/mmu_test.h"

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

void mmu_model_test(void)
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
