/*
 * chipset_test.c - host bridge, ISA bridge and power management on the rig.
 *
 * Sources: 82441FX data sheet (290549), 82371SB (290550), 82371AB (290562).
 */
#include "devices/registry.h"
#include "vmm/pdm/pdm.h"
#include "vmm/pdm/rig.h"

static uint32_t cfg(struct rig *r, uint32_t address, unsigned size)
{
    rig_out(r, 0xcf8, 0x80000000u | (address & ~3u), 4);
    return rig_in(r, (uint16_t)(0xcfc + (address & 3)), size);
}

/* 82441FX 3.1: CONFADD is a double word; the enable bit; absent functions read ones. */
static void test_mechanism(void)
{
    struct rig *r = rig_new(&i440fx_device, NULL);

    g_assert_cmphex(cfg(r, 0, 4), ==, 0x12378086);
    g_assert_cmphex(cfg(r, 8, 4), ==, 0x06000002);
    g_assert_cmphex(cfg(r, 2, 2), ==, 0x1237);
    g_assert_cmphex(cfg(r, 0x1800, 4), ==, 0xffffffff);
    rig_out(r, 0xcf8, 0, 4);
    g_assert_cmphex(rig_in(r, 0xcfc, 4), ==, 0xffffffff);
    rig_out(r, 0xcf8, 0xffffffff, 4);
    g_assert_cmphex(rig_in(r, 0xcf8, 4), ==, 0x80fffffc);
    rig_out(r, 0xcf8, 0x12, 1);
    g_assert_cmphex(rig_in(r, 0xcf8, 4), ==, 0x80fffffc);
    rig_free(r);
}

/* 82441FX 3.2.16: each PAM nibble's segment and attributes. */
static void test_pam(void)
{
    static const struct {
        uint8_t reg, val;
        uint32_t gpa;
        unsigned shadow;
    } rows[] = {
        {0x59, 0x10, 0xf0000, 1}, {0x59, 0x30, 0xfffff, 3}, {0x5a, 0x02, 0xc0000, 2}, {0x5a, 0x30, 0xc7000, 3},
        {0x5b, 0x01, 0xc8000, 1}, {0x5c, 0x20, 0xd4000, 2}, {0x5d, 0x03, 0xd8000, 3}, {0x5e, 0x03, 0xe3fff, 3},
        {0x5f, 0x33, 0xe8000, 3}, {0x5f, 0x33, 0xeffff, 3}, {0x5f, 0xcc, 0xeffff, 0},
    };
    struct rig *r = rig_new(&i440fx_device, NULL);
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        rig_cfg_write(r, 0, 0, rows[i].reg, rows[i].val, 1);
        g_assert_cmpuint(rig_shadow(r, rows[i].gpa), ==, rows[i].shadow);
    }
    g_assert_true(rig_save_load(r, &error));
    g_assert_cmpuint(rig_shadow(r, 0xf0000), ==, 3);
    rig_reset(r);
    g_assert_cmpuint(rig_shadow(r, 0xf0000), ==, 0);
    rig_free(r);
}

/* 82441FX 3.2.20: D_OPEN shows SMRAM, D_LCK closes it until reset. */
static void test_smram(void)
{
    struct rig *r = rig_new(&i440fx_device, NULL);

    rig_cfg_write(r, 0, 0, 0x72, 0x4a, 1);
    g_assert_cmpuint(rig_shadow(r, 0xa0000), ==, 3);
    rig_cfg_write(r, 0, 0, 0x72, 0x1a, 1);
    rig_cfg_write(r, 0, 0, 0x72, 0x4a, 1);
    g_assert_cmphex(rig_cfg_read(r, 0, 0, 0x72, 1), ==, 0x1a);
    g_assert_cmpuint(rig_shadow(r, 0xa0000), ==, 0);
    rig_reset(r);
    rig_cfg_write(r, 0, 0, 0x72, 0x4a, 1);
    g_assert_cmpuint(rig_shadow(r, 0xa0000), ==, 3);
    rig_free(r);
}

/* 82371SB 2.5.5: only a rising bit 2 resets. 82371SB 2.5.4: so does bit 0 of port 92h; bit 1 is A20. */
static void test_resets(void)
{
    struct rig *r = rig_empty();
    enum pdm_power p[4];

    rig_add(r, &piix3_device, NULL);
    rig_add(r, &port92_device, NULL);
    g_assert_true(rig_start(r, NULL));
    rig_out(r, 0xcf9, 0x02, 1);
    g_assert_cmpuint(rig_power(r, p, 4), ==, 0);
    rig_out(r, 0xcf9, 0x06, 1);
    g_assert_cmpuint(rig_power(r, p, 4), ==, 1);
    rig_out(r, 0x92, 0x02, 1);
    g_assert_true(rig_a20(r));
    g_assert_cmphex(rig_in(r, 0x92, 1), ==, 0x02);
    rig_out(r, 0x92, 0x01, 1);
    g_assert_false(rig_a20(r));
    g_assert_cmpuint(rig_power(r, p, 4), ==, 1);
    g_assert_cmpuint(p[0], ==, PDM_POWER_RESET);
    rig_free(r);
}

/* 82371SB 2.5.6: FERR# raises IRQ 13; port F0h takes it back and asserts IGNNE# for as long as FERR# is. */
static void test_coprocessor(void)
{
    struct rig *r = rig_new(&piix3_device, NULL);
    g_autoptr(GError) error = NULL;

    rig_out(r, 0xf0, 0, 1); /* no error: nothing to ignore */
    g_assert_false(pdm_ignne(rig_pdm(r)));
    pdm_ferr(rig_pdm(r), true);
    g_assert_true(rig_irq(r, 13));
    g_assert_false(pdm_ignne(rig_pdm(r)));
    g_assert_true(rig_save_load(r, &error));
    g_assert_true(rig_irq(r, 13));
    rig_out(r, 0xf0, 0, 1);
    g_assert_false(rig_irq(r, 13));
    g_assert_true(pdm_ignne(rig_pdm(r)));
    g_assert_true(rig_save_load(r, &error));
    g_assert_true(pdm_ignne(rig_pdm(r)));
    pdm_ferr(rig_pdm(r), false);
    g_assert_false(pdm_ignne(rig_pdm(r)));
    pdm_ferr(rig_pdm(r), true);
    pdm_ferr(rig_pdm(r), false); /* IRQ 13 stays until it is taken back */
    g_assert_true(rig_irq(r, 13));
    rig_reset(r);
    g_assert_false(rig_irq(r, 13));
    rig_free(r);
}

/* 82371AB 7.1, 7.2: PMBA and PMREGMISC place the block; SCI on IRQ 9; soft off. */
static void test_pm(void)
{
    struct rig *r = rig_new(&piix4_pm_device, NULL);
    g_autoptr(GError) error = NULL;
    enum pdm_power p[4];

    g_assert_cmphex(rig_cfg_read(r, 7, 0, 0, 4), ==, 0x71138086);
    g_assert_cmphex(rig_cfg_read(r, 7, 0, 0x5b, 1), ==, 0x02);
    g_assert_cmphex(rig_in(r, 0x4000, 2), ==, 0xffff);
    rig_cfg_write(r, 7, 0, 0x40, 0x601, 4);
    rig_cfg_write(r, 7, 0, 0x80, 1, 1);
    g_assert_cmphex(rig_in(r, 0x604, 2), ==, 0);
    rig_step_ns(r, 1000000);
    g_assert_cmpuint(rig_in(r, 0x608, 4), ==, 3579);
    rig_out(r, 0xb2, 0xf1, 1);
    g_assert_cmphex(rig_in(r, 0x604, 2), ==, 1);
    g_assert_cmphex(rig_in(r, 0xb3, 1), ==, 0);
    rig_out(r, 0x602, 1, 2);
    rig_step_ns(r, UINT64_C(2400000000));
    g_assert_true(rig_irq(r, 9));
    g_assert_true(rig_save_load(r, &error));
    g_assert_true(rig_irq(r, 9));
    rig_out(r, 0x600, 1, 2);
    g_assert_false(rig_irq(r, 9));
    rig_out(r, 0x604, 0x2001, 2);
    g_assert_cmpuint(rig_power(r, p, 4), ==, 1);
    g_assert_cmpuint(p[0], ==, PDM_POWER_OFF);
    rig_free(r);
}

/* 82371AB 7.3: nobody answers on the SMBus: device error, cleared by writing 1. */
static void test_smbus(void)
{
    struct rig *r = rig_new(&piix4_pm_device, NULL);

    g_assert_cmphex(rig_in(r, 0x4100, 1), ==, 0);
    rig_out(r, 0x4104, 0xa1, 1);
    rig_out(r, 0x4102, 0x48, 1);
    g_assert_cmphex(rig_in(r, 0x4100, 1), ==, 0x04);
    g_assert_cmphex(rig_in(r, 0x4102, 1), ==, 0x08);
    rig_out(r, 0x4100, 0x04, 1);
    g_assert_cmphex(rig_in(r, 0x4100, 1), ==, 0);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i440fx/mechanism", test_mechanism);
    g_test_add_func("/i440fx/pam", test_pam);
    g_test_add_func("/i440fx/smram", test_smram);
    g_test_add_func("/chipset/resets", test_resets);
    g_test_add_func("/piix3/coprocessor", test_coprocessor);
    g_test_add_func("/piix4_pm/pm", test_pm);
    g_test_add_func("/piix4_pm/smbus", test_smbus);
    return g_test_run();
}
