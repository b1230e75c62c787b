/*
 * pckbd_test.c - keyboard controller, keyboard and mouse as a guest drives them.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference [PS2].
 */
#include <glib.h>

#include "devices/registry.h"
#include "vmm/pdm/rig.h"

#define BYTE_NS 660000u

static void cmd(struct rig *r, unsigned val)
{
    rig_out(r, 0x64, val, 1);
}

static void data(struct rig *r, unsigned val)
{
    rig_out(r, 0x60, val, 1);
}

/* Waits as long as a device's byte takes, then reads it */
static unsigned next(struct rig *r)
{
    rig_step_ns(r, BYTE_NS);
    g_assert_cmphex(rig_in(r, 0x64, 1) & 1, ==, 1);
    return rig_in(r, 0x60, 1);
}

static void configure(struct rig *r, unsigned command_byte)
{
    cmd(r, 0x60);
    data(r, command_byte);
}

static bool key(struct rig *r, const uint8_t *codes, size_t n)
{
    return pckbd_device.keyboard_port->put(rig_dev(r), codes, n);
}

/* What firmware does: self-test, keyboard reset, translated keys with IRQ 1 */
static void test_keyboard(void)
{
    struct rig *r = rig_new(&pckbd_device, NULL);

    cmd(r, 0xaa);
    g_assert_cmphex(rig_in(r, 0x60, 1), ==, 0x55); /* the controller's own answers are there at once */
    configure(r, 0x45);
    data(r, 0xff);
    g_assert_cmphex(rig_in(r, 0x64, 1) & 1, ==, 0); /* a device's take their time */
    g_assert_cmphex(next(r), ==, 0xfa);
    g_assert_cmphex(next(r), ==, 0xaa);
    rig_irq_edges(r, 1);
    rig_step_ns(r, BYTE_NS);
    g_assert_true(key(r, (const uint8_t[]){0x1e, 0x9e}, 2));
    g_assert_true(rig_irq(r, 1));
    g_assert_cmphex(rig_in(r, 0x60, 1), ==, 0x1e);
    g_assert_false(rig_irq(r, 1));
    g_assert_cmphex(rig_in(r, 0x60, 1), ==, 0x1e); /* a chained handler reads it again */
    rig_step_ns(r, BYTE_NS);
    g_assert_true(rig_irq(r, 1));
    g_assert_cmphex(rig_in(r, 0x60, 1), ==, 0x9e);
    g_assert_cmpuint(rig_irq_edges(r, 1), ==, 2);
    rig_free(r);
}

/* [PS2, A8h, D4h]: mouse behind the controller, IRQ 12, status bit 5 */
static void test_mouse(void)
{
    struct rig *r = rig_new(&pckbd_device, NULL);

    configure(r, 0x02);
    cmd(r, 0xd4);
    data(r, 0xf4);
    rig_step_ns(r, BYTE_NS);
    g_assert_cmphex(rig_in(r, 0x64, 1) & 0x21, ==, 0x21);
    g_assert_true(rig_irq(r, 12));
    g_assert_false(rig_irq(r, 1));
    g_assert_cmphex(rig_in(r, 0x60, 1), ==, 0xfa);
    pckbd_device.mouse_port->move(rig_dev(r), 2, -3, 0, 1);
    g_assert_cmphex(next(r), ==, 0x09);
    g_assert_cmphex(next(r), ==, 0x02);
    g_assert_cmphex(next(r), ==, 0x03);
    rig_step_ns(r, BYTE_NS);
    g_assert_cmphex(rig_in(r, 0x64, 1) & 1, ==, 0);
    rig_free(r);
}

/* [PS2, D1h, FEh; AT chip sets, DDh, DFh] */
static void test_lines(void)
{
    enum pdm_power what[2];
    struct rig *r = rig_new(&pckbd_device, NULL);

    cmd(r, 0xd1);
    data(r, 0xdf);
    g_assert_true(rig_a20(r));
    cmd(r, 0xdd);
    g_assert_false(rig_a20(r));
    cmd(r, 0xd0);
    g_assert_cmphex(rig_in(r, 0x60, 1) & 2, ==, 0);
    cmd(r, 0xdf);
    g_assert_true(rig_a20(r));
    g_assert_cmpuint(rig_power(r, what, 2), ==, 0);
    cmd(r, 0xfe);
    g_assert_cmpuint(rig_power(r, what, 2), ==, 1);
    g_assert_cmpint(what[0], ==, PDM_POWER_RESET);
    cmd(r, 0x9f);
    g_assert_cmpuint(rig_guest_errors(r), ==, 1);
    rig_free(r);
}

/* With its clock held down a device keeps its bytes [PS2, ADh, AEh]; saving keeps them too */
static void test_held(void)
{
    struct rig *r = rig_new(&pckbd_device, NULL);

    configure(r, 0x51);
    g_assert_true(key(r, (const uint8_t[]){0x1e}, 1));
    rig_step_ns(r, 10 * BYTE_NS);
    g_assert_false(rig_irq(r, 1));
    g_assert_true(rig_save_load(r, NULL));
    cmd(r, 0xae);
    g_assert_true(rig_irq(r, 1));
    g_assert_cmphex(rig_in(r, 0x60, 1), ==, 0x1e);
    rig_free(r);
}

static void note_leds(void *user, unsigned leds)
{
    g_string_append_printf(user, "%u ", leds);
}

/* Who watches hears of each change once [KB, Set/Reset Status Indicators (EDh)], of resets', too */
static void test_leds(void)
{
    static const uint8_t told[] = {0xed,
                                   PDM_LED_NUM,
                                   0xed,
                                   PDM_LED_NUM,
                                   0xed,
                                   PDM_LED_ALL,
                                   0xed,
                                   0xf8 /* a command, no parameter */,
                                   0xff /* reset */,
                                   0xed,
                                   PDM_LED_CAPS};
    g_autoptr(GString) heard = g_string_new(NULL);
    struct rig *r = rig_new(&pckbd_device, NULL);

    pdm_keyboard_watch(rig_pdm(r), note_leds, heard);
    for (unsigned i = 0; i < sizeof told; i++)
        data(r, told[i]);
    g_assert_cmpstr(heard->str, ==, "2 7 0 4 ");
    pdm_reset(rig_pdm(r));
    g_assert_cmpstr(heard->str, ==, "2 7 0 4 0 ");
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pckbd/keyboard", test_keyboard);
    g_test_add_func("/pckbd/mouse", test_mouse);
    g_test_add_func("/pckbd/lines", test_lines);
    g_test_add_func("/pckbd/held", test_held);
    g_test_add_func("/pckbd/leds", test_leds);
    return g_test_run();
}
