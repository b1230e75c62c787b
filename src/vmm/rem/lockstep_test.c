/*
 * lockstep_test.c - lockstep notices when translated code does something else than the guest's: each case runs code
 * that is translated right, then changes a byte or two of the translation.
 */
#include "vmm/rem/rem_int.h"

#include "harness.h"

#define BYTES(...) {__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

struct bytes {
    uint8_t byte[24];
    size_t count;
};

static const struct wrong {
    const char *name;
    struct bytes code, right, wrong; /* the guest's; what is looked for in the translation, and what it becomes */
    int ends;                        /* isa_go() of the right one */
    const char *difference;          /* what the report names first */
} wrongs[] = {
    {"register", {BYTES(0x01, 0xf3)}, {BYTES(0x01, 0xf3)}, {BYTES(0x29, 0xf3)}, ISA_DONE, ": rbx: "},
    {"flags", {BYTES(0x83, 0xfe, 0x05)}, {BYTES(0x83, 0xfe, 0x05)}, {BYTES(0x83, 0xfe, 0x03)}, ISA_DONE, ": rflags: "},
    {"memory", /* mov [rdi], esi as a store of DH */
     {BYTES(0x89, 0x37)},
     {BYTES(0x89, 0x34, 0x0f)},
     {BYTES(0x88, 0x34, 0x0f)},
     ISA_DONE,
     ": memory at 0000000000200100"},
    {"stored too much", /* mov [rdi], sil as a store of ESI */
     {BYTES(0x40, 0x88, 0x37)},
     {BYTES(0x40, 0x88, 0x34, 0x0f)},
     {BYTES(0x40, 0x89, 0x34, 0x0f)},
     ISA_DONE,
     ": memory at 0000000000200101"},
    {"stored, not read", /* add esi, [rdi] as add [rdi], esi */
     {BYTES(0x03, 0x37)},
     {BYTES(0x03, 0x34, 0x0f)},
     {BYTES(0x01, 0x34, 0x0f)},
     ISA_DONE,
     ": rsi: "},
    {"vector",
     {BYTES(0x66, 0x0f, 0xfe, 0xc1)},
     {BYTES(0x66, 0x0f, 0xfe, 0xc1)},
     {BYTES(0x66, 0x0f, 0xfa, 0xc1)},
     ISA_DONE,
     ": xmm0: "},
    {"x87", /* fninit; fld1; fldpi; fadd st, st(1) */
     {BYTES(0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xeb, 0xd8, 0xc1)},
     {BYTES(0xd8, 0xc1)},
     {BYTES(0xd8, 0xe1)},
     ISA_DONE,
     ": x87 control, status, tags"},
    {"jump", /* test esi, esi; jz over inc eax */
     {BYTES(0x85, 0xf6, 0x74, 0x02, 0xff, 0xc0)},
     {BYTES(0x0f, 0x84)},
     {BYTES(0x0f, 0x85)},
     ISA_DONE,
     ": rax: "},
    {"exception", {BYTES(0xf7, 0xf2)}, {BYTES(0xf7, 0xf2)}, {BYTES(0xf7, 0xe2)}, 0, ": rip: "},
};

/* As isa_go(), but a difference is what is wanted. */
static enum iem_exit run(struct isa *t)
{
    t->c->ctx.rip = t->code;
    t->c->ctx.activity = CPUM_RUNNING;
    return iem_run(t->c, 1000000);
}

/* Not isa_mode(), which empties the TLB: then the interpreter makes the first access to every page. */
static void prepare(struct isa *t)
{
    static const uint8_t ones[16] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    struct cpum_ctx *x = &t->c->ctx;

    x->rflags = CPUM_FL_1;
    memcpy(x->fpu.area + 24, &(uint32_t){0x1f80}, 4); /* MXCSR */
    x->gpr[X86_RSP] = t->stack;
    x->gpr[X86_RSI] = 3;
    x->gpr[X86_RBX] = 0x1000;
    x->gpr[X86_RDX] = 0;
    x->gpr[X86_RDI] = ISA_DATA + 0x100;
    memset(t->ram + ISA_DATA + 0x100, 0xaa, 16);
    memcpy(x->fpu.area + 160 + 16, ones, sizeof ones);
}

static struct isa *lockstep_isa(uint32_t trust)
{
    struct isa *t = isa_new();

    isa_lockstep(t, trust);
    return t;
}

static void test_wrong(gconstpointer data)
{
    const struct wrong *w = data;
    struct isa *t = lockstep_isa(0);
    struct rem *r = t->c->rem;
    g_autoptr(GString) report = g_string_new(NULL);
    unsigned found = 0;

    isa_mode(t, X86_MODE_64);
    isa_load(t, w->code.byte, w->code.count);
    for (unsigned n = 0; n < 3; n++) {
        prepare(t);
        g_assert_cmpint(isa_go(t), ==, w->ends);
    }
    g_assert_cmpuint(r->stats.verified, >, 0);
    g_assert_null(rem_difference(t->c));
    for (uint8_t *p = r->code.rw + r->code_first; p < r->code.rw + r->used; p++)
        if (memcmp(p, w->right.byte, w->right.count) == 0) {
            memcpy(p, w->wrong.byte, w->wrong.count);
            found++;
        }
    g_assert_cmpuint(found, >, 0);
    rem_serialize();
    prepare(t);
    g_assert_cmpint(run(t), ==, IEM_EXIT_FF);
    g_assert_nonnull(rem_difference(t->c));
    if (strstr(rem_difference(t->c), w->difference) == NULL)
        g_error("not '%s': %s", w->difference, rem_difference(t->c));
    g_assert_cmpuint(rem_lockstep_info(t->c, report), ==, t->code);
    g_assert_nonnull(strstr(report->str, "After, recompiler"));
    isa_free(t);
}

/* Code that was translated, or compared, wrong once. */
static const struct right {
    const char *name;
    struct bytes code;
} rights[] = {
    {"xchg cl, ch", {BYTES(0xb9, 0x42, 0x56, 0x00, 0x00, 0x86, 0xe9)}},
    {"cvttsd2si rax, [rdi]", {BYTES(0xf2, 0x48, 0x0f, 0x2c, 0x07)}},
    {"endbr64", {BYTES(0xf3, 0x0f, 0x1e, 0xfa, 0x01, 0xf3)}},
    {"rep ret", {BYTES(0xe8, 0x01, 0x00, 0x00, 0x00, 0xf4, 0xf3, 0xc3)}},
    {"xadd cl, ch", {BYTES(0xb9, 0x42, 0x56, 0x00, 0x00, 0x0f, 0xc0, 0xe9)}},
};

static void test_right(gconstpointer data)
{
    const struct right *w = data;
    struct isa *t = lockstep_isa(0);

    isa_mode(t, X86_MODE_64);
    isa_load(t, w->code.byte, w->code.count);
    for (unsigned n = 0; n < 3; n++) {
        prepare(t);
        g_assert_cmpint(isa_go(t), ==, ISA_DONE); /* or the difference is printed */
    }
    isa_free(t);
}

/* A block that is trusted leaves where it has to: RET to a page nobody has looked up yet. */
static void test_trusted(void)
{
    static const uint8_t code[] = {0xe8, 0x01, 0x00, 0x00, 0x00, 0xf4, 0xc3}; /* call 1f; hlt; 1: ret */
    struct isa *t = lockstep_isa(1);

    isa_mode(t, X86_MODE_64);
    isa_load(t, code, sizeof code);
    for (unsigned n = 0; n < 8; n++) {
        pgm_mmu_flush(&t->c->mmu, true);
        prepare(t);
        g_assert_cmpint(isa_go(t), ==, ISA_DONE);
        g_assert_cmphex(t->c->ctx.rip, ==, t->code + 6);
        g_assert_cmphex(t->c->ctx.gpr[X86_RSP], ==, t->stack);
    }
    isa_free(t);
}

/* More instructions than are kept decoded, over and over: none is taken for another. */
static void test_many_ops(void)
{
    static const uint8_t one[] = {0x01, 0xf3}, other[] = {0x29, 0xf2}, end[] = {0xf4};
    struct isa *t = lockstep_isa(0);
    uint64_t at = ISA_DATA;
    uint32_t sites = 0;

    isa_mode(t, X86_MODE_64);
    for (unsigned n = 0; n < REM_OPS / 2 + 200; n++, at += 4) {
        pgm_phys_write(t->pgm, at, n & 1 ? one : other, 2);
        pgm_phys_write(t->pgm, at + 2, n & 2 ? one : other, 2);
    }
    pgm_phys_write(t->pgm, at, end, sizeof end);
    t->code = ISA_DATA;
    for (unsigned n = 0; n < 4; n++) {
        prepare(t);
        g_assert_cmpint(isa_go(t), ==, ISA_DONE); /* or the difference is printed */
    }
    for (uint32_t n = 0; n < t->c->rem->filled[0].blocks; n++)
        sites += t->c->rem->block[n].sites;
    g_assert_cmpuint(sites, >, REM_OPS);
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t k = 0; k < G_N_ELEMENTS(wrongs); k++) {
        g_autofree char *path = g_strdup_printf("/lockstep/wrong/%s", wrongs[k].name);
        g_test_add_data_func(path, &wrongs[k], test_wrong);
    }
    for (size_t k = 0; k < G_N_ELEMENTS(rights); k++) {
        g_autofree char *path = g_strdup_printf("/lockstep/right/%s", rights[k].name);
        g_test_add_data_func(path, &rights[k], test_right);
    }
    g_test_add_func("/lockstep/many-ops", test_many_ops);
    g_test_add_func("/lockstep/trusted", test_trusted);
    return g_test_run();
}
