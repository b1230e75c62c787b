/*
 * misaligned_test.c - instructions whose operand the host finds misaligned: the forms they get then do what the
 * interpreter does, and do not come back to it.
 *
 * On Intel's processors vector operands are not caught: there their first form is tried.
 */
#include "harness.h"

#include "vmm/rem/rem_int.h"

#define RUNS 12 /* enough to be caught, twice, and to run in the last form */

static struct isa *fresh(bool translated)
{
    struct isa *t = isa_new();

    isa_faults();
    if (translated)
        isa_recompile(t, 0);
    isa_mode(t, X86_MODE_64);
    return t;
}

#define BYTES(...) {__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
/* Instructions with a misaligned operand at [rdi], and its bytes: as the interpreter does them, at every distance from
 * where they would be aligned, and soon without it. */
static const struct odd {
    const char *name;
    uint8_t code[10];
    size_t bytes;
    unsigned slow; /* this many ways through the interpreter remain, if it has no form */
} odds[] = {
    {"movups xmm3, [rdi]", BYTES(0x0f, 0x10, 0x1f), 0},
    {"movdqu [rdi], xmm14", BYTES(0xf3, 0x44, 0x0f, 0x7f, 0x37), 0},
    {"movq xmm15, [rdi]", BYTES(0xf3, 0x44, 0x0f, 0x7e, 0x3f), 0},
    {"movsd [rdi], xmm2", BYTES(0xf2, 0x0f, 0x11, 0x17), 0},
    {"movhps [rdi], xmm9", BYTES(0x44, 0x0f, 0x17, 0x0f), 0},
    {"movss [rdi], xmm9", BYTES(0xf3, 0x44, 0x0f, 0x11, 0x0f), 0},
    {"vmovdqu xmm7, [rdi]", BYTES(0xc5, 0xfa, 0x6f, 0x3f), 0},
    {"vmovups xmm15, [rdi]", BYTES(0xc5, 0x78, 0x10, 0x3f), 0},
    {"vmovdqu [rdi], xmm15", BYTES(0xc5, 0x7a, 0x7f, 0x3f), 0},
    {"vmovdqu ymm5, [rdi]", BYTES(0xc5, 0xfe, 0x6f, 0x2f), 0},
    {"vmovups [rdi], ymm15", BYTES(0xc5, 0x7c, 0x11, 0x3f), 0},
    {"vmovupd [rdi], ymm6", BYTES(0xc5, 0xfd, 0x11, 0x37), 0},
    {"vpaddd ymm5, ymm6, [rdi]", BYTES(0xc5, 0xcd, 0xfe, 0x2f), 0},
    {"vpxor xmm5, xmm6, [rdi]", BYTES(0xc5, 0xc9, 0xef, 0x2f), 0},
    {"vextracti128 [rdi], ymm6, 1", BYTES(0xc4, 0xe3, 0x7d, 0x39, 0x37, 0x01), 0},
    {"vpcmpistri xmm5, [rdi], 8", BYTES(0xc4, 0xe3, 0x79, 0x63, 0x2f, 0x08), RUNS},
    {"mov rax, [rdi]", BYTES(0x48, 0x8b, 0x07), 0},
    {"add [rdi], edx", BYTES(0x01, 0x17), 0},
    {"fld qword [rdi]; fstp st0", BYTES(0xdd, 0x07, 0xdd, 0xd8), 0},
    {"fldpi; fstp qword [rdi]", BYTES(0xd9, 0xeb, 0xdd, 0x1f), 0},
};

static void prepare_odd(struct isa *t, unsigned off, unsigned run)
{
    uint8_t *data = t->ram + ISA_DATA, *fpu = t->c->ctx.fpu.area;

    for (unsigned n = 0; n < 128; n++)
        data[n] = (uint8_t)(n * 7 + run);
    memcpy(fpu, "\x7f\x03\0\0\0", 5); /* exceptions masked, no register in use */
    for (unsigned n = 0; n < 256; n++) {
        fpu[160 + n] = (uint8_t)(n * 3 + run);
        fpu[576 + n] = (uint8_t)(n * 5 + run);
    }
    memset(t->c->ctx.gpr, 0x11, sizeof t->c->ctx.gpr);
    t->c->ctx.gpr[X86_RSP] = t->stack;
    t->c->ctx.gpr[X86_RDI] = ISA_DATA + 32 + off;
}

static void test_odd(gconstpointer user)
{
    const struct odd *o = user;
    struct isa *t = fresh(true), *plain = fresh(false);
    const uint64_t first = t->code_gla;

    for (unsigned off = 1; off < 16; off++) {
        uint64_t slow = 0;

        t->code = plain->code = t->code_gla = plain->code_gla = first + off * 16u; /* a site of its own */
        isa_load(t, o->code, o->bytes);
        isa_load(plain, o->code, o->bytes);
        for (unsigned run = 0; run < 2 * RUNS; run++) {
            struct cpum_ctx *a = &t->c->ctx, *b = &plain->c->ctx;
            if (run == RUNS)
                slow = rem_stats(t->c)->slow;
            prepare_odd(t, off, run);
            prepare_odd(plain, off, run);
            g_assert_cmpint(isa_go(t), ==, ISA_DONE);
            g_assert_cmpint(isa_go(plain), ==, ISA_DONE);
            g_assert_cmpmem(t->ram + ISA_DATA, 128, plain->ram + ISA_DATA, 128);
            g_assert_cmpmem(a->gpr, sizeof a->gpr, b->gpr, sizeof b->gpr);
            g_assert_cmpmem(a->fpu.area + 160, 256, b->fpu.area + 160, 256);
            g_assert_cmpmem(a->fpu.area + 576, 256, b->fpu.area + 576, 256);
        }
        g_assert_cmpuint(rem_stats(t->c)->slow - slow, <=, 2 * RUNS + o->slow); /* HLT, vector registers */
    }
    isa_free(t);
    isa_free(plain);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned n = 0; n < G_N_ELEMENTS(odds); n++) {
        g_autofree char *path = g_strdup_printf("/misaligned/%s", odds[n].name);
        g_strdelimit(path + strlen("/misaligned/"), " [],;", '-');
        g_test_add_data_func(path, &odds[n], test_odd);
    }
    return g_test_run();
}
