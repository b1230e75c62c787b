/*
 * isa_uart_test.c - serial ports and debug ports as a guest drives them.
 *
 * Sources: PC16550D data sheet [DS]; PC/AT Technical Reference [AT]; Linux's 8250 probe is retold, not copied.
 */
#include <glib.h>
#include <string.h>

#include "devices/registry.h"
#include "vmm/pdm/rig.h"

#define COM1 0x3f8u

static struct rig *with_line(const char *config, struct rig_char **ret)
{
    struct rig *r = rig_empty();

    rig_add(r, &isa_uart_device, config);
    *ret = rig_char_new(r);
    rig_char_attach(r, "serial", 0, 0, *ret);
    g_assert_true(rig_start(r, NULL));
    return r;
}

static void out(struct rig *r, unsigned reg, unsigned val)
{
    rig_out(r, (uint16_t)(COM1 + reg), val, 1);
}

static unsigned in(struct rig *r, unsigned reg)
{
    return rig_in(r, (uint16_t)(COM1 + reg), 1);
}

/* The steps by which a driver recognises a 16550A, with the answers that lead to it [DS 8.4, 8.6, table IV] */
static void test_probe(void)
{
    struct rig *r = rig_new(&isa_uart_device, NULL);

    out(r, 1, 0);
    g_assert_cmphex(in(r, 1) & 0x0f, ==, 0);
    out(r, 1, 0x0f);
    g_assert_cmphex(in(r, 1), ==, 0x0f);
    out(r, 1, 0);
    out(r, 4, 0x1a); /* loopback, OUT2, RTS */
    g_assert_cmphex(in(r, 6) & 0xf0, ==, 0x90);
    out(r, 4, 0);
    out(r, 3, 0xbf); /* a 16650 would show its EFR here */
    g_assert_cmphex(in(r, 2), !=, 0);
    out(r, 3, 0);
    out(r, 2, 1);
    g_assert_cmphex(in(r, 2) >> 6, ==, 3);
    out(r, 2, 0x41 | 0x20); /* a 16750 would show bit 5 with DLAB */
    g_assert_cmphex(in(r, 2) & 0xe0, ==, 0xc0);
    out(r, 3, 0x80);
    out(r, 2, 0x41 | 0x20);
    g_assert_cmphex(in(r, 2) & 0xe0, ==, 0xc0);
    out(r, 3, 0);
    out(r, 1, 0x40); /* an XScale port has a unit enable bit here */
    g_assert_cmphex(in(r, 1), ==, 0);
    out(r, 1, 2); /* THRE interrupt comes back each time it is enabled */
    g_assert_cmphex(in(r, 2) & 0xf, ==, 2);
    g_assert_cmphex(in(r, 2) & 0xf, ==, 1);
    out(r, 1, 0);
    out(r, 1, 2);
    g_assert_cmphex(in(r, 2) & 0xf, ==, 2);
    rig_free(r);
}

/* OUT2 gates the interrupt onto the bus [AT]; characters reach the line, and the guest in order */
static void test_lines(void)
{
    struct rig_char *line;
    struct rig *r = with_line(NULL, &line);
    uint8_t got[8] = {0};

    g_assert_cmphex(in(r, 6) & 0xf0, ==, 0xb0); /* somebody is there: CTS, DSR, DCD */
    out(r, 3, 3);
    out(r, 2, 1);
    out(r, 0, 'h');
    out(r, 0, 'i');
    g_assert_cmpuint(rig_char_sent(line, got, sizeof got), ==, 2);
    g_assert_cmpmem(got, 2, "hi", 2);
    out(r, 1, 1);
    g_assert_cmpuint(rig_char_push(line, "ok", 2), ==, 2);
    g_assert_false(rig_irq(r, 4));
    out(r, 4, 8);
    g_assert_true(rig_irq(r, 4));
    g_assert_cmphex(in(r, 0), ==, 'o');
    g_assert_cmphex(in(r, 0), ==, 'k');
    g_assert_false(rig_irq(r, 4));
    rig_free(r);
}

/* No character is lost either way: the FIFO fills, the driver waits; the driver is full, the guest waits [DS 8.5] */
static void test_flow(void)
{
    struct rig_char *line;
    struct rig *r = with_line(NULL, &line);
    uint8_t data[40], got[40];

    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(0x40 + i);
    g_assert_cmpuint(rig_char_accepts(line), ==, 1); /* power-on: what came earlier is asked for */
    out(r, 3, 3);
    out(r, 2, 1);
    g_assert_cmpuint(rig_char_push(line, data, 40), ==, 16);
    g_assert_cmpuint(rig_char_accepts(line), ==, 1);
    g_assert_cmphex(in(r, 0), ==, 0x40);
    g_assert_cmpuint(rig_char_accepts(line), ==, 2);
    g_assert_cmphex(in(r, 5) & 2, ==, 0);

    rig_char_room(line, 3);
    for (unsigned i = 0; i < 20; i++)
        out(r, 0, data[i]); /* 3 gone, 1 in the shift register, 16 in the FIFO */
    g_assert_cmphex(in(r, 5) & 0x60, ==, 0);
    g_assert_cmpuint(rig_char_sent(line, got, sizeof got), ==, 3);
    rig_char_room(line, 100);
    g_assert_cmphex(in(r, 5) & 0x60, ==, 0x60);
    g_assert_cmpuint(rig_char_sent(line, got, sizeof got), ==, 17);
    g_assert_cmpmem(got, 17, data + 3, 17);
    rig_free(r);
}

/* Paced: characters leave at the line's speed; the time-out interrupt comes after four character times [DS 8.4.2] */
static void test_paced(void)
{
    struct rig_char *line;
    struct rig *r = with_line("Paced=1", &line);
    uint8_t got[8];

    out(r, 3, 0x80);
    out(r, 0, 12); /* 9600 baud: 1.0417 ms a character */
    out(r, 1, 0);
    out(r, 3, 3);
    out(r, 2, 0xc1);
    out(r, 4, 8);
    out(r, 0, 'a');
    out(r, 0, 'b');
    rig_step_ns(r, 1000000);
    g_assert_cmpuint(rig_char_sent(line, got, sizeof got), ==, 0);
    rig_step_ns(r, 100000);
    g_assert_cmpuint(rig_char_sent(line, got, sizeof got), ==, 1);
    rig_step_ns(r, 1100000);
    g_assert_cmpuint(rig_char_sent(line, got, sizeof got), ==, 1);
    out(r, 1, 1);
    g_assert_cmpuint(rig_char_push(line, "x", 1), ==, 1);
    rig_step_ns(r, 4100000);
    g_assert_false(rig_irq(r, 4));
    rig_step_ns(r, 100000);
    g_assert_true(rig_irq(r, 4));
    g_assert_cmphex(in(r, 2), ==, 0xcc);
    rig_free(r);
}

static void test_config(void)
{
    g_autoptr(GError) error = NULL;
    struct rig *r = rig_new(&isa_uart_device, "IOBase=744;IRQ=3;UartType=16750");

    rig_out(r, 0x2e8 + 3, 0x80, 1);
    rig_out(r, 0x2e8 + 2, 0x21, 1);
    g_assert_cmphex(rig_in(r, 0x2e8 + 2, 1), ==, 0xe1);
    rig_free(r);
    g_assert_null(rig_try(&isa_uart_device, "UartType=8250", &error));
    g_assert_nonnull(strstr(error->message, "16550A"));
}

static void say(struct rig *r, uint16_t port, const char *text)
{
    for (; *text; text++)
        rig_out(r, port, (uint8_t)*text, 1);
}

/* Debug ports: detection, a line per port, a bound on lines per second */
static void test_debugcon(void)
{
    struct rig *r = rig_new(&debugcon_device, NULL);

    g_assert_cmphex(rig_in(r, 0x402, 1), ==, 0xe9);
    g_assert_cmphex(rig_in(r, 0xe9, 1), ==, 0xe9);
    g_assert_cmphex(rig_in(r, 0x504, 1), ==, 0xff);
    say(r, 0x402, "SeaBIOS (ver");
    say(r, 0xe9, "kernel\n");
    say(r, 0x402, "sion 1)\r\n");
    say(r, 0x504,
        "back\x1b"
        "door\n");
    g_assert_nonnull(strstr(rig_log(r), "firmware: SeaBIOS (version 1)"));
    g_assert_nonnull(strstr(rig_log(r), "guest: kernel"));
    g_assert_nonnull(strstr(rig_log(r), "guest log: back.door"));
    for (unsigned i = 0; i < 3000; i++)
        say(r, 0xe9, "x\n");
    g_assert_cmpuint(strlen(rig_log(r)), <, 60000);
    rig_step_ns(r, 1000000000);
    say(r, 0xe9, "later\n");
    g_assert_nonnull(strstr(rig_log(r), "2003 lines of the guest left out"));
    g_assert_nonnull(strstr(rig_log(r), "guest: later"));
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/isa-uart/probe", test_probe);
    g_test_add_func("/isa-uart/lines", test_lines);
    g_test_add_func("/isa-uart/flow", test_flow);
    g_test_add_func("/isa-uart/paced", test_paced);
    g_test_add_func("/isa-uart/config", test_config);
    g_test_add_func("/debugcon/lines", test_debugcon);
    return g_test_run();
}
