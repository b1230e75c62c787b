/*
 * selm_test.c - descriptors and gates by their bits (SDM vol. 3 figures 3-8, 5-8, 6-2, 6-8), and the tables as text.
 */
#include <string.h>

#include "harness.h"
#include "vmm/selm/selm.h"

static void test_segments(void)
{
    static const struct {
        uint64_t d;
        uint32_t base, limit, attr;
        bool code, conforming, writable;
        unsigned dpl;
    } rows[] = {
        {0x00cf9b000000ffff, 0, 0xffffffff, 0xc09b, true, false, false, 0},
        {0x12cff3345678ffff, 0x12345678, 0xffffffff, 0xc0f3, false, false, true, 3},
        {0x00009f0000000fff, 0, 0xfff, 0x9f, true, true, false, 0},
        {0x0040d1000000abcd, 0, 0xabcd, 0x40d1, false, false, false, 2},
    };

    for (size_t n = 0; n < G_N_ELEMENTS(rows); n++) {
        struct cpum_seg s = selm_seg(0x18, rows[n].d);

        g_assert_cmphex(s.base, ==, rows[n].base);
        g_assert_cmphex(s.limit, ==, rows[n].limit);
        g_assert_cmphex(s.attr, ==, rows[n].attr);
        g_assert_cmphex(s.sel, ==, 0x18);
        g_assert_cmpint(desc_is_code(rows[n].d), ==, rows[n].code);
        g_assert_cmpint(desc_is_conforming(rows[n].d), ==, rows[n].conforming);
        g_assert_cmpint(desc_is_writable(rows[n].d), ==, rows[n].writable);
        g_assert_cmpuint(desc_dpl(rows[n].d), ==, rows[n].dpl);
    }
}

static void test_gates(void)
{
    struct selm_gate g;

    selm_gate_decode(&g, 0x1234ee0500085678, 0x9abcdef0, true);
    g_assert_cmphex(g.off, ==, 0x9abcdef012345678);
    g_assert_cmphex(g.sel, ==, 8);
    g_assert_cmpuint(g.ist, ==, 5);
    g_assert_cmpuint(g.dpl, ==, 3);
    g_assert_true(g.present);
    selm_gate_decode(&g, 0xffff840300085678, 0, false); /* 16-bit call gate with 3 parameters */
    g_assert_cmphex(g.off, ==, 0x5678);
    g_assert_cmpuint(g.params, ==, 3);
    g_assert_cmpuint(g.type, ==, SEG_T_CALL16);
}

static void test_limits(void)
{
    struct isa *t = isa_new();
    uint64_t gla;

    isa_mode(t, X86_MODE_32);
    g_assert_true(selm_desc_gla(t->c, 0x48, 8, &gla)); /* limit 4fh */
    g_assert_cmphex(gla, ==, 0x1048);
    g_assert_false(selm_desc_gla(t->c, 0x50, 8, &gla));
    g_assert_false(selm_desc_gla(t->c, 0x48, 16, &gla));
    t->c->ctx.ldtr.attr = CPUM_SEG_UNUSABLE;
    g_assert_false(selm_desc_gla(t->c, 0x0c, 8, &gla));
    isa_free(t);
}

static void test_text(void)
{
    struct isa *t = isa_new();
    g_autoptr(GString) out = g_string_new(NULL);

    isa_mode(t, X86_MODE_64);
    selm_info_gdt(t->c, out);
    selm_info_ldt(t->c, out);
    selm_info_idt(t->c, out);
    selm_info_tss(t->c, out);
    g_assert_nonnull(strstr(out->str, "0008 Code64ERa   Bas=0000000000000000 Lim=ffffffff DPL=0\n"));
    g_assert_nonnull(strstr(out->str, "0020 Data32RWa   Bas=0000000000000000 Lim=ffffffff DPL=3\n"));
    g_assert_nonnull(strstr(out->str, "Guest LDT (Sel=0000): none\n"));
    g_assert_nonnull(strstr(out->str, "0d IntGate64   Sel=0008 Off=00000000000100d0 DPL=3\n"));
    g_assert_nonnull(strstr(out->str, "rsp0=00000000001f8000\n"));
    g_string_truncate(out, 0);
    t->c->ctx.gdtr.base = 1ull << 46; /* not mapped: a listing says so and ends */
    selm_info_gdt(t->c, out);
    g_assert_nonnull(strstr(out->str, "not mapped"));
    isa_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/selm/segments", test_segments);
    g_test_add_func("/selm/gates", test_gates);
    g_test_add_func("/selm/limits", test_limits);
    g_test_add_func("/selm/text", test_text);
    return g_test_run();
}
