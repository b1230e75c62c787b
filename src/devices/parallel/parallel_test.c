/*
 * parallel_test.c - the parallel port against the PC/AT Technical Reference, "Serial/Parallel Adapter" [AT].
 */
#include <glib.h>

#include "devices/registry.h"
#include "vmm/pdm/rig.h"

#define BASE 0x278

static struct rig *with_printer(struct rig_char **ret)
{
    struct rig *r = rig_empty();

    rig_add(r, &isa_parallel_device, "IOBase=632;IRQ=5");
    *ret = rig_char_new(r);
    rig_char_attach(r, "parallel", 0, 0, *ret);
    g_assert_true(rig_start(r, NULL));
    return r;
}

static void strobe(struct rig *r, uint8_t ch, uint8_t control)
{
    rig_out(r, BASE, ch, 1);
    rig_out(r, BASE + 2, control | 1u, 1);
    rig_out(r, BASE + 2, control, 1);
}

/* [AT]: a byte is taken with the strobe; IRQ follows the acknowledge when control bit 4 is set */
static void test_print(void)
{
    struct rig_char *printer;
    struct rig *r = with_printer(&printer);
    uint8_t got[4] = {0};

    g_assert_cmphex(rig_in(r, BASE + 1, 1), ==, 0xdf);
    strobe(r, 'A', 0x0c);
    g_assert_cmpuint(rig_irq_edges(r, 5), ==, 0);
    strobe(r, 'B', 0x1c);
    g_assert_cmpuint(rig_irq_edges(r, 5), ==, 1);
    g_assert_cmpuint(rig_char_sent(printer, got, sizeof got), ==, 2);
    g_assert_cmpmem(got, 2, "AB", 2);
    g_assert_cmphex(rig_in(r, BASE, 1), ==, 'B'); /* the data latch reads back */
    g_assert_cmphex(rig_in(r, BASE + 2, 1), ==, 0xdc);
    rig_out(r, BASE + 2, 0x3c, 1);
    g_assert_cmphex(rig_in(r, BASE, 1), ==, 0xff); /* direction in: nobody drives the lines */
    rig_free(r);
}

/* [AT]: BUSY while the printer takes nothing; what waits survives a save */
static void test_busy(void)
{
    struct rig_char *printer;
    struct rig *r = with_printer(&printer);
    uint8_t got[4] = {0};

    rig_char_room(printer, 0);
    strobe(r, 'x', 0x1c);
    g_assert_cmphex(rig_in(r, BASE + 1, 1) & 0x80, ==, 0);
    strobe(r, 'y', 0x1c); /* lost: the printer was busy */
    rig_char_room(printer, 10);
    g_assert_cmphex(rig_in(r, BASE + 1, 1) & 0x80, ==, 0x80);
    g_assert_cmpuint(rig_irq_edges(r, 5), ==, 1);
    g_assert_cmpuint(rig_char_sent(printer, got, sizeof got), ==, 1);
    g_assert_cmphex(got[0], ==, 'x');
    rig_free(r);
}

static void test_no_printer(void)
{
    struct rig *r = rig_new(&isa_parallel_device, "IOBase=632;IRQ=5");

    g_assert_cmphex(rig_in(r, BASE + 1, 1), ==, 0x7f);
    strobe(r, 'A', 0x1c);
    g_assert_cmpuint(rig_irq_edges(r, 5), ==, 0);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parallel/print", test_print);
    g_test_add_func("/parallel/busy", test_busy);
    g_test_add_func("/parallel/no-printer", test_no_printer);
    return g_test_run();
}
