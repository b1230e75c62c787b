/*
 * cpum_test.c - control registers, MSRs, CPUID and the reset state against the manual, as tables.
 */
#include "vmm/cpum/cpum_int.h"

#include <string.h>

#include "harness.h"

struct cr_case {
    const char *why; /* the rule */
    unsigned cr;
    uint64_t val;
    bool ok;
};

/* From long mode, 64-bit code: CR0 = PG WP NE ET MP PE, CR4 = OSXSAVE OSXMMEXCPT OSFXSR PAE. */
static const struct cr_case cr_cases[] = {
    {"CR0 63:32 must be 0, SDM vol. 2 MOV CR", 0, 0x180010033ull, false},
    {"PG without PE, SDM 2.5", 0, 0x80000010, false},
    {"NW without CD, SDM 2.5", 0, 0xa0010033, false},
    {"PG cleared in 64-bit mode, 10.8.5.4", 0, 0x00010033, false},
    {"TS set", 0, 0x8001003b, true},
    {"CR4 reserved bit, SDM 2.5", 4, 0x80040620, false},
    {"PAE cleared in long mode, 2.5", 4, 0x40600, false},
    {"PGE set", 4, 0x406a0, true},
    {"CR3 above the physical width, 4.5", 3, 1ull << 45, false},
    {"CR3", 3, 0x4000, true},
};

static bool cr_write(struct vcpu *c, unsigned cr, uint64_t val)
{
    return cr == 0 ? cpum_cr0_write(c, val) : cr == 3 ? cpum_cr3_write(c, val) : cpum_cr4_write(c, val);
}

static void test_cr(void)
{
    struct isa *t = isa_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(cr_cases); i++) {
        struct cpum_ctx before;
        bool ok;

        isa_mode(t, X86_MODE_64);
        before = t->c->ctx;
        ok = cr_write(t->c, cr_cases[i].cr, cr_cases[i].val);
        if (ok != cr_cases[i].ok)
            g_test_message("%s", cr_cases[i].why);
        g_assert_cmpint(ok, ==, cr_cases[i].ok);
        if (!ok) /* cr.c, invariant 1 */
            g_assert_cmpmem(&before, sizeof(before), &t->c->ctx, sizeof(before));
    }
    isa_free(t);
}

/* SDM 10.8.5.1: LME, then PG sets LMA; LME is fixed while paging is on; PG needs PAE. */
static void test_long_mode_switch(void)
{
    struct isa *t = isa_new();
    struct cpum_ctx *x = &t->c->ctx;

    isa_mode(t, X86_MODE_32);
    x->cr3 = 0x4000;
    g_assert_true(cpum_efer_write(t->c, CPUM_EFER_LME));
    g_assert_true(cpum_cr4_write(t->c, 0));
    g_assert_false(cpum_cr0_write(t->c, x->cr0 | CPUM_CR0_PG));
    g_assert_true(cpum_cr4_write(t->c, CPUM_CR4_PAE));
    g_assert_true(cpum_cr0_write(t->c, x->cr0 | CPUM_CR0_PG));
    g_assert_true(x->efer & CPUM_EFER_LMA);
    g_assert_true(t->c->mode.long_mode);
    g_assert_false(t->c->mode.code64);
    g_assert_false(cpum_efer_write(t->c, 0));
    g_assert_true(cpum_cr0_write(t->c, x->cr0 & ~(uint64_t)CPUM_CR0_PG));
    g_assert_false(x->efer & CPUM_EFER_LMA);
    isa_free(t);
}

static void test_xcr0(void)
{
    static const struct {
        uint64_t val;
        bool ok;
    } cases[] = {{0, false}, {1, true}, {3, true}, {5, false}, {7, true}, {0xf, false}, {2, false}}; /* SDM 2.6 */
    struct isa *t = isa_new();

    isa_mode(t, X86_MODE_64);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++)
        if (!(cases[i].val & 4) || (cpum_xcr0_exist(t->c) & 4))
            g_assert_cmpint(cpum_xcr0_write(t->c, cases[i].val), ==, cases[i].ok);
    isa_free(t);
}

static const struct {
    uint32_t msr;
    uint64_t val;
    bool ok;
} msr_cases[] = {
    {0x12345, 0, false},                       /* unknown */
    {0xc0000082, 0xffff800000000000ull, true}, /* LSTAR canonical */
    {0xc0000082, 0x0000800000000000ull, false},
    {0xc0000101, 0x8000000000000000ull, false},
    {0xc0000084, 1ull << 32, false}, /* SFMASK 63:32 */
    {0x277, 0x0007040600070406ull, true},
    {0x277, 0x0002000000000000ull, false}, /* PAT type 2 */
    {0x277, 0x0800000000000000ull, false},
    {0x200, 0x80000006, true},
    {0x200, 0x80000002, false}, /* MTRR type 2 */
    {0x201, 0x80000800, true},
    {0x201, 0x80000400, false}, /* reserved bit 10 */
    {0x2ff, 0xc06, true},
    {0x2ff, 0x100, false},
    {0xfe, 0, false}, /* MTRRCAP is read-only */
    {0xc0000103, 1ull << 32, false},
};

static void test_msr(void)
{
    struct isa *t = isa_new();
    uint64_t back;

    isa_mode(t, X86_MODE_64);
    for (unsigned i = 0; i < G_N_ELEMENTS(msr_cases); i++) {
        g_test_message("MSR %x", msr_cases[i].msr);
        g_assert_cmpint(cpum_msr_write(t->c, msr_cases[i].msr, msr_cases[i].val), ==, msr_cases[i].ok);
        if (!msr_cases[i].ok)
            continue;
        g_assert_true(cpum_msr_read(t->c, msr_cases[i].msr, &back));
        g_assert_cmphex(back, ==, msr_cases[i].val);
    }
    isa_free(t);
}

/* SDM table 9-1. */
static void test_reset(void)
{
    struct isa *t = isa_new();
    const struct cpum_ctx *x = &t->c->ctx;

    cpum_reset(t->c, true);
    g_assert_cmphex(x->cr0, ==, 0x60000010);
    g_assert_cmphex(x->rip, ==, 0xfff0);
    g_assert_cmphex(x->rflags, ==, 2);
    g_assert_cmphex(x->seg[X86_CS].base, ==, 0xffff0000);
    g_assert_cmphex(x->dr[6], ==, 0xffff0ff0);
    g_assert_cmphex(x->dr[7], ==, 0x400);
    g_assert_cmphex(x->pat, ==, 0x0007040600070406ull);
    t->c->ctx.cr0 = 0x20000011 | CPUM_CR0_CD;
    t->c->ctx.sysenter_cs = 8;
    cpum_init(t->c, false);
    g_assert_cmphex(x->cr0, ==, 0x60000010); /* INIT keeps CD and NW */
    g_assert_cmphex(x->sysenter_cs, ==, 8);
    g_assert_cmpint(x->activity, ==, CPUM_WAIT_SIPI);
    isa_free(t);
}

/* Topology is @n single-thread cores; leaf Dh follows XCR0; nothing the engine lacks is shown. */
static void test_cpuid(void)
{
    struct isa *t = isa_new();
    struct cpum_cpuid r;

    isa_mode(t, X86_MODE_64);
    for (unsigned n = 1; n <= 32; n = n * 2 + 1) {
        struct cpum_profile *p = cpum_profile_new("host", n, true, true, NULL);

        t->c->profile = p;
        cpum_cpuid(t->c, 1, 0, &r);
        g_assert_cmpuint(r.ebx >> 16 & 0xff, ==, n);
        g_assert_cmpint(r.edx >> 28 & 1, ==, n > 1);
        g_assert_false(r.ecx & 1u << 5); /* VMX */
        cpum_cpuid(t->c, 7, 0, &r);
        g_assert_false(r.ebx & (1u << 16 | 1u << 14)); /* AVX-512, MPX */
        g_assert_false(r.ecx & 1u << 7);               /* CET */
        if (!cpum_is_amd(t->c)) {
            g_assert_cmpuint(r.eax, ==, 2);
            cpum_cpuid(t->c, 7, 2, &r);
            g_assert_cmphex(r.edx, ==, 1u << 4); /* BHI_CTRL, SDM vol. 2 */
        }
        cpum_cpuid(t->c, 0xd, 0, &r);
        g_assert_cmphex(r.eax, ==, cpum_xcr0_exist(t->c));
        g_assert_cmpuint(r.ebx, <=, r.ecx);
        t->c->profile = t->profile;
        cpum_profile_free(p);
    }
    isa_free(t);
}

static void test_model(void)
{
    static const struct {
        enum cpum_vendor vendor;
        uint32_t host;
        bool avx512;
        uint32_t shown;
    } rows[] = {
        {CPUM_VENDOR_INTEL, 0x00050657, true, 0x000406f1},  /* Cascade Lake -> Broadwell */
        {CPUM_VENDOR_INTEL, 0x000806f8, true, 0x000406f1},  /* Sapphire Rapids */
        {CPUM_VENDOR_INTEL, 0x000306f2, false, 0x000306f2}, /* Haswell stays */
        {CPUM_VENDOR_AMD, 0x00a10f11, true, 0x00a00f11},    /* Zen 4 -> Zen 3 */
        {CPUM_VENDOR_AMD, 0x00830f10, false, 0x00830f10},   /* Zen 2 stays */
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++)
        g_assert_cmphex(cpum_model_shown(rows[n].vendor, rows[n].host, rows[n].avx512), ==, rows[n].shown);
}

static void test_profiles(void)
{
    g_autoptr(GError) error = NULL;

    for (const char *const *name = cpum_profile_names(); *name; name++) {
        struct cpum_profile *p = cpum_profile_new(*name, 4, true, true, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(cpum_profile_phys_bits(p), >=, 32);
        cpum_profile_free(p);
    }
    g_assert_null(cpum_profile_new("Zilog Z80", 1, true, true, &error));
    g_assert_nonnull(strstr(error->message, "Zilog Z80"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpum/reset", test_reset);
    g_test_add_func("/cpum/cr", test_cr);
    g_test_add_func("/cpum/long-mode", test_long_mode_switch);
    g_test_add_func("/cpum/xcr0", test_xcr0);
    g_test_add_func("/cpum/msr", test_msr);
    g_test_add_func("/cpum/cpuid", test_cpuid);
    g_test_add_func("/cpum/model", test_model);
    g_test_add_func("/cpum/profiles", test_profiles);
    return g_test_run();
}
