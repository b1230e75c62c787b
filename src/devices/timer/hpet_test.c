/*
 * hpet_test.c - the HPET on the rig, against the IA-PC HPET specification 1.0a.
 */
#include "devices/registry.h"
#include "vmm/pdm/rig.h"

#define BASE 0xfed00000u
enum { CAP = 0, CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0, T0 = 0x100, T1 = 0x120, T2 = 0x140, CMP = 8 };

static uint64_t get(struct rig *r, unsigned off)
{
    return rig_mmio_read(r, BASE + off, 8);
}

static void set(struct rig *r, unsigned off, uint64_t val)
{
    rig_mmio_write(r, BASE + off, val, 8);
}

/* 2.3.4, 2.3.7: the period in femtoseconds tells the counter's rate; it stands until enabled. */
static void test_counter(void)
{
    struct rig *r = rig_new(&hpet_device, NULL);

    g_assert_cmphex(get(r, CAP), ==, UINT64_C(0x009896808086a201));
    rig_step_ns(r, 1000);
    g_assert_cmpuint(get(r, COUNTER), ==, 0);
    set(r, CONFIG, 1);
    rig_step_ns(r, 1000);
    g_assert_cmpuint(get(r, COUNTER), ==, 100);
    g_assert_cmpuint(rig_mmio_read(r, BASE + COUNTER, 4), ==, 100);
    set(r, CONFIG, 0);
    rig_step_ns(r, 1000);
    g_assert_cmpuint(get(r, COUNTER), ==, 100);
    set(r, COUNTER, 5);
    g_assert_cmpuint(get(r, COUNTER), ==, 5);
    rig_free(r);
}

/* 2.3.9.2.1: one-shot, edge, route by the configuration register. */
static void test_one_shot(void)
{
    struct rig *r = rig_new(&hpet_device, NULL);

    set(r, T2, 11 << 9 | 4);
    set(r, T2 + CMP, 2000);
    set(r, CONFIG, 1);
    rig_step_ns(r, 19990);
    g_assert_cmpuint(rig_irq_edges(r, 11), ==, 0);
    rig_step_ns(r, 10);
    g_assert_cmpuint(rig_irq_edges(r, 11), ==, 1);
    g_assert_cmpuint(get(r, STATUS), ==, 0);
    rig_step_ns(r, 1000000);
    g_assert_cmpuint(rig_irq_edges(r, 11), ==, 0);
    rig_free(r);
}

/* 2.3.9.2.2: periodic; the first write after VAL_SET is comparator and period. */
static void test_periodic(void)
{
    struct rig *r = rig_new(&hpet_device, NULL);

    set(r, CONFIG, 3);
    set(r, T0, 4 | 8 | 0x40);
    set(r, T0 + CMP, 5000);
    set(r, T0 + CMP, 4000);
    for (unsigned i = 0; i < 4; i++) {
        rig_step_ns(r, i ? 40000 : 50000);
        g_assert_cmpuint(rig_irq_edges(r, 0), ==, 1);
    }
    rig_free(r);
}

/* 2.3.4 legacy replacement: timer 1 drives IRQ 8; 2.3.6: a level stays until its status bit is written. */
static void test_level(void)
{
    struct rig *r = rig_new(&hpet_device, NULL);
    g_autoptr(GError) error = NULL;

    set(r, CONFIG, 3);
    set(r, T1, 2 | 4);
    set(r, T1 + CMP, 3000);
    rig_step_ns(r, 30000);
    g_assert_true(rig_irq(r, 8));
    g_assert_cmpuint(get(r, STATUS), ==, 2);
    g_assert_true(rig_save_load(r, &error));
    g_assert_true(rig_irq(r, 8));
    set(r, STATUS, 2);
    g_assert_false(rig_irq(r, 8));
    rig_free(r);
}

/* 2.3.8 Tn_32MODE_CNF: the comparator matches the low half only. */
static void test_32_bit(void)
{
    struct rig *r = rig_new(&hpet_device, NULL);

    set(r, COUNTER, 0xfffffff0);
    set(r, T0, 10 << 9 | 4 | 0x100);
    set(r, T0 + CMP, 0x1000);
    set(r, CONFIG, 1);
    rig_step_ns(r, (0x1000 + 0x10) * 10);
    g_assert_cmpuint(rig_irq_edges(r, 10), ==, 1);
    rig_free(r);
}

/* 2.3.4: with legacy replacement timer 0 has line 0 and timer 1 line 8, and the 8254 and the RTC have them not. */
static void test_legacy_replacement(void)
{
    struct rig *r = rig_new(&hpet_device, NULL);

    rig_irq_drive(r, 0, true);
    rig_irq_drive(r, 8, true);
    g_assert_true(rig_irq(r, 0) && rig_irq(r, 8));
    set(r, CONFIG, 2);
    g_assert_true(rig_irq(r, 0) && rig_irq(r, 8)); /* not enabled */
    set(r, T0, 1 << 6 | 1 << 3 | 4);
    set(r, T0 + CMP, 1000);
    set(r, T1, 4);
    set(r, T1 + CMP, 1500);
    set(r, CONFIG, 3);
    g_assert_false(rig_irq(r, 0) || rig_irq(r, 8));
    rig_irq_edges(r, 0);
    rig_irq_edges(r, 8);
    for (unsigned k = 0; k < 10; k++) {
        rig_irq_drive(r, 0, k & 1);
        rig_step_ns(r, 5000);
    }
    g_assert_cmpuint(rig_irq_edges(r, 0), ==, 5);
    g_assert_cmpuint(rig_irq_edges(r, 8), ==, 1);
    set(r, CONFIG, 0);
    rig_irq_drive(r, 0, false);
    g_assert_true(!rig_irq(r, 0) && rig_irq(r, 8)); /* the others are back */
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hpet/counter", test_counter);
    g_test_add_func("/hpet/one-shot", test_one_shot);
    g_test_add_func("/hpet/periodic", test_periodic);
    g_test_add_func("/hpet/level", test_level);
    g_test_add_func("/hpet/32-bit", test_32_bit);
    g_test_add_func("/hpet/legacy-replacement", test_legacy_replacement);
    return g_test_run();
}
