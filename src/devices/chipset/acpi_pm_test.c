/*
 * acpi_pm_test.c - the PIIX4's ACPI block against its data sheet (order 290562, 7.2) and ACPI 2.0c, 4.7.3.
 */
#include "devices/chipset/acpi_pm.h"

#include <glib.h>

#define TOGGLE (UINT64_C(1) << 23)

/* 7.2.4: a 24-bit counter at 3.579545 MHz. */
static void test_timer_reads(void)
{
    struct acpi_pm c;

    acpi_pm_reset(&c, 0);
    g_assert_cmphex(acpi_pm_read(&c, 8, 4, 0x123456), ==, 0x123456);
    g_assert_cmphex(acpi_pm_read(&c, 8, 4, 0x1fffffe), ==, 0xfffffe);
    g_assert_cmphex(acpi_pm_read(&c, 9, 2, 0x123456), ==, 0x1234);
    g_assert_cmphex(acpi_pm_read(&c, 0xa, 1, 0x123456), ==, 0x12);
}

/* 7.2.1 TMROF_STS: set whenever bit 23 changes; 7.2.2: the enable lets it raise SCI. */
static void test_timer_overflow(void)
{
    struct acpi_pm c;

    acpi_pm_reset(&c, 0);
    acpi_pm_sci_mode(&c, true);
    acpi_pm_write(&c, 2, PM1_TMROF, 2, 0);
    g_assert_cmpuint(acpi_pm_next(&c), ==, TOGGLE);
    acpi_pm_run(&c, TOGGLE - 1);
    g_assert_false(acpi_pm_sci(&c));
    acpi_pm_run(&c, TOGGLE);
    g_assert_true(acpi_pm_sci(&c));
    g_assert_cmpuint(acpi_pm_next(&c), ==, ACPI_PM_NEVER);
    acpi_pm_write(&c, 0, PM1_TMROF, 2, TOGGLE);
    g_assert_false(acpi_pm_sci(&c));
    g_assert_cmpuint(acpi_pm_next(&c), ==, 2 * TOGGLE);
}

/* ACPI 4.7.2.2.1: buttons set a status bit, write 1 clears it, SCI only with SCI_EN. */
static void test_buttons(void)
{
    struct acpi_pm c;

    acpi_pm_reset(&c, 0);
    acpi_pm_write(&c, 2, PM1_PWRBTN | PM1_SLPBTN, 2, 0);
    acpi_pm_event(&c, PM1_PWRBTN);
    g_assert_false(acpi_pm_sci(&c));
    acpi_pm_sci_mode(&c, true);
    g_assert_true(acpi_pm_sci(&c));
    g_assert_cmphex(acpi_pm_read(&c, 0, 2, 0), ==, PM1_PWRBTN);
    acpi_pm_write(&c, 0, PM1_SLPBTN, 2, 0);
    g_assert_true(acpi_pm_sci(&c));
    acpi_pm_write(&c, 1, PM1_PWRBTN >> 8, 1, 0);
    g_assert_false(acpi_pm_sci(&c));
}

/* 7.2.3: SUS_EN with SUS_TYP starts the transition; the bit reads zero. */
static void test_sleep(void)
{
    struct acpi_pm c;

    acpi_pm_reset(&c, 0);
    g_assert_cmpint(acpi_pm_write(&c, 4, 0x0001, 2, 0), ==, -1);
    g_assert_cmpint(acpi_pm_write(&c, 4, 0x2001, 2, 0), ==, 0);
    g_assert_cmpint(acpi_pm_write(&c, 4, 5 << 10 | 0x2001, 2, 0), ==, 5);
    g_assert_cmphex(acpi_pm_read(&c, 4, 2, 0), ==, 5 << 10 | 1);
    g_assert_cmpint(acpi_pm_write(&c, 5, 0x20, 1, 0), ==, 0);
}

/* Reserved bits stay zero; accesses at the end of the block do not leave it. */
static void test_bounds(void)
{
    struct acpi_pm c;

    acpi_pm_reset(&c, 0);
    for (unsigned off = 0; off < ACPI_PM_BLOCK_BYTES; off++)
        acpi_pm_write(&c, off, 0xffffffff, 4, 0);
    g_assert_cmphex(acpi_pm_read(&c, 2, 2, 0), ==, 0x0721);
    g_assert_cmphex(acpi_pm_read(&c, 4, 2, 0), ==, 0x1c03);
    g_assert_cmphex(acpi_pm_read(&c, 0x3f, 4, 0), ==, 0xff);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi_pm/timer-reads", test_timer_reads);
    g_test_add_func("/acpi_pm/timer-overflow", test_timer_overflow);
    g_test_add_func("/acpi_pm/buttons", test_buttons);
    g_test_add_func("/acpi_pm/sleep", test_sleep);
    g_test_add_func("/acpi_pm/bounds", test_bounds);
    return g_test_run();
}
