/*
 * ns16550a_test.c - the UART core against the PC16550D data sheet [DS] and the TL16C750 one [TI].
 */
#include "devices/serial/ns16550a.h"

#include <glib.h>

#define R(c, reg)      ns16550a_read(c, NS16550A_##reg, t_ns)
#define W(c, reg, val) ns16550a_write(c, NS16550A_##reg, val, t_ns)

static uint64_t t_ns; /* the tests' clock, stepped by hand */

static void fresh(struct ns16550a *c, enum ns16550a_type type, bool paced)
{
    t_ns = 1000;
    ns16550a_init(c, type, paced);
    W(c, LCR, NS16550A_LCR_DLAB);
    W(c, RBR_THR, 1); /* 115200 baud */
    W(c, IER, 0);
    W(c, LCR, 3);
}

static char sent(struct ns16550a *c)
{
    uint8_t ch = 0;

    if (!ns16550a_tx_ready(c, t_ns, &ch))
        return 0;
    ns16550a_tx_taken(c, t_ns);
    return (char)ch;
}

/* [DS table I]: state after master reset */
static void test_reset(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16550A, false);
    W(&c, IER, 0xff);
    W(&c, SCR, 0x5a);
    W(&c, MCR, 0xff);
    g_assert_cmphex(R(&c, IER), ==, 0x0f);
    g_assert_cmphex(R(&c, MCR), ==, 0x1f);
    ns16550a_reset(&c);
    g_assert_cmphex(R(&c, IER), ==, 0);
    g_assert_cmphex(R(&c, IIR_FCR), ==, 1);
    g_assert_cmphex(R(&c, LCR), ==, 0);
    g_assert_cmphex(R(&c, MCR), ==, 0);
    g_assert_cmphex(R(&c, LSR), ==, 0x60);
    g_assert_cmphex(R(&c, SCR), ==, 0x5a);
    g_assert_false(ns16550a_intr(&c));
}

/* The probe every driver does: FIFO bits of IIR tell the parts apart [DS 8.6 bits 6-7; TI, IIR bit 5] */
static void test_identify(void)
{
    static const struct {
        enum ns16550a_type type;
        uint8_t plain, dlab;
    } rows[] = {
        {NS16550A_16450, 0x01, 0x01},
        {NS16550A_16550A, 0xc1, 0xc1},
        {NS16550A_16750, 0xc1, 0xe1},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct ns16550a c;

        fresh(&c, rows[i].type, false);
        W(&c, IIR_FCR, 0x21);
        g_assert_cmphex(R(&c, IIR_FCR), ==, rows[i].plain);
        W(&c, LCR, NS16550A_LCR_DLAB);
        W(&c, IIR_FCR, 0x21);
        g_assert_cmphex(R(&c, IIR_FCR), ==, rows[i].dlab);
        g_assert_true(ns16550a_check(&c));
    }
}

/* [DS 8.6 loopback]: MCR outputs appear on the MSR inputs; sent characters are received; OUT2 goes inactive */
static void test_loopback(void)
{
    static const struct {
        uint8_t mcr, msr;
    } rows[] = {{0x11, 0x20}, {0x12, 0x10}, {0x14, 0x40}, {0x18, 0x80}, {0x1a, 0x90}};
    struct ns16550a c;

    fresh(&c, NS16550A_16550A, false);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        W(&c, MCR, rows[i].mcr);
        g_assert_cmphex(R(&c, MSR) & 0xf0, ==, rows[i].msr);
        g_assert_false(ns16550a_out2(&c));
        W(&c, RBR_THR, (uint8_t)(0x80 + i));
        g_assert_cmpint(sent(&c), ==, 0);
        g_assert_cmphex(R(&c, LSR), ==, 0x61);
        g_assert_cmphex(R(&c, RBR_THR), ==, 0x80 + i);
    }
    W(&c, LCR, 3 | NS16550A_LCR_BREAK); /* [DS 8.1 bit 6] */
    g_assert_cmphex(R(&c, LSR) & 0x1f, ==, 0x19);
    g_assert_cmphex(R(&c, RBR_THR), ==, 0);
    g_assert_cmpuint(ns16550a_rx_room(&c), ==, 0);
    W(&c, MCR, NS16550A_MCR_OUT2);
    g_assert_true(ns16550a_out2(&c));
}

/* [DS 8.7]: delta bits, cleared by reading; RI only on its trailing edge */
static void test_modem(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16550A, false);
    W(&c, IER, NS16550A_IER_MODEM);
    ns16550a_modem_in(&c, NS16550A_MSR_CTS | NS16550A_MSR_DCD);
    g_assert_true(ns16550a_intr(&c));
    g_assert_cmphex(R(&c, IIR_FCR), ==, NS16550A_IIR_MODEM);
    g_assert_cmphex(R(&c, MSR), ==, 0x99);
    g_assert_cmphex(R(&c, MSR), ==, 0x90);
    g_assert_false(ns16550a_intr(&c));
    ns16550a_modem_in(&c, 0xd0);
    g_assert_cmphex(R(&c, MSR), ==, 0xd0);
    ns16550a_modem_in(&c, 0x90);
    g_assert_cmphex(R(&c, MSR), ==, 0x94);
}

/* [DS table IV]: THRE is raised by the empty register and by enabling it, cleared by IIR and by THR */
static void test_thre(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16450, true);
    W(&c, IER, NS16550A_IER_THRE);
    g_assert_true(ns16550a_intr(&c));
    g_assert_cmphex(R(&c, IIR_FCR), ==, NS16550A_IIR_THRE);
    g_assert_cmphex(R(&c, IIR_FCR), ==, NS16550A_IIR_NONE);
    W(&c, IER, 0);
    W(&c, IER, NS16550A_IER_THRE);
    g_assert_true(ns16550a_intr(&c)); /* a rising enable raises it again */
    W(&c, RBR_THR, 'a');              /* straight into the shift register: THR is empty again */
    g_assert_true(ns16550a_intr(&c));
    g_assert_cmphex(R(&c, LSR), ==, 0x20);
    W(&c, RBR_THR, 'b');
    g_assert_false(ns16550a_intr(&c));
    g_assert_cmphex(R(&c, LSR), ==, 0);

    const uint64_t char_ns = ns16550a_char_ns(&c);
    g_assert_cmpuint(char_ns, ==, 86805); /* 10 bits at 115200 */
    g_assert_cmpint(sent(&c), ==, 0);
    g_assert_cmpuint(ns16550a_next_ns(&c, t_ns), ==, t_ns + char_ns);
    t_ns += char_ns;
    g_assert_cmpint(sent(&c), ==, 'a');
    g_assert_true(ns16550a_intr(&c));
    t_ns += char_ns;
    g_assert_cmpint(sent(&c), ==, 'b');
    g_assert_cmphex(R(&c, LSR), ==, 0x60);
}

/* [DS 8.1 bits 0-3]: character times; 1.5 stop bits with 5 data bits */
static void test_char_time(void)
{
    static const struct {
        uint8_t lcr;
        unsigned half_bits;
    } rows[] = {{0, 14}, {3, 20}, {4, 15}, {7, 22}, {0x0b, 22}, {0x0e, 22}};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct ns16550a c;

        fresh(&c, NS16550A_16550A, true);
        W(&c, LCR, rows[i].lcr);
        g_assert_cmpuint(ns16550a_char_ns(&c), ==, rows[i].half_bits * 8000000000u / NS16550A_CLOCK_HZ);
    }
}

/* [DS 8.4 bits 6-7, 8.4.2]: trigger levels; the interrupt drops below them; time-out after 4 character times */
static void test_fifo_trigger(void)
{
    static const uint8_t level[4] = {1, 4, 8, 14};

    for (unsigned i = 0; i < 4; i++) {
        struct ns16550a c;

        fresh(&c, NS16550A_16550A, true);
        W(&c, IIR_FCR, (uint8_t)(0x01 | i << 6));
        W(&c, IER, NS16550A_IER_RX);
        for (unsigned n = 1; n <= level[i]; n++) {
            g_assert_false(ns16550a_intr(&c));
            ns16550a_rx(&c, (uint8_t)n, 0, t_ns);
        }
        g_assert_cmphex(R(&c, IIR_FCR), ==, 0xc4);
        g_assert_cmphex(R(&c, RBR_THR), ==, 1);
        g_assert_false(ns16550a_intr(&c));
        if (level[i] == 1)
            continue;
        g_assert_cmpuint(ns16550a_next_ns(&c, t_ns), ==, t_ns + 4 * ns16550a_char_ns(&c));
        t_ns = ns16550a_next_ns(&c, t_ns);
        ns16550a_run(&c, t_ns);
        g_assert_cmphex(R(&c, IIR_FCR), ==, 0xcc);
        g_assert_cmphex(R(&c, RBR_THR), ==, 2); /* a read clears it */
        g_assert_cmphex(R(&c, IIR_FCR), ==, 0xc1);
    }
}

/* [DS 8.5 bit 1]: overrun keeps the FIFO, but overwrites a 16450's buffer */
static void test_overrun(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16550A, false);
    W(&c, IIR_FCR, 1);
    for (unsigned n = 0; n < 16; n++)
        ns16550a_rx(&c, (uint8_t)n, 0, t_ns);
    g_assert_cmpuint(ns16550a_rx_room(&c), ==, 0);
    ns16550a_rx(&c, 99, 0, t_ns);
    g_assert_cmphex(R(&c, LSR), ==, 0x63);
    g_assert_cmphex(R(&c, LSR), ==, 0x61);
    for (unsigned n = 0; n < 16; n++)
        g_assert_cmphex(R(&c, RBR_THR), ==, n);
    g_assert_cmphex(R(&c, LSR), ==, 0x60);

    fresh(&c, NS16550A_16450, false);
    ns16550a_rx(&c, 1, 0, t_ns);
    ns16550a_rx(&c, 2, 0, t_ns);
    g_assert_cmphex(R(&c, LSR), ==, 0x63);
    g_assert_cmphex(R(&c, RBR_THR), ==, 2);
}

/* [DS 8.5 bits 2-4, 7]: errors belong to a character and show when it is the oldest */
static void test_errors(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16550A, false);
    W(&c, IIR_FCR, 1);
    W(&c, IER, NS16550A_IER_LINE);
    ns16550a_rx(&c, 'x', 0, t_ns);
    ns16550a_rx(&c, 'y', NS16550A_LSR_PE, t_ns);
    g_assert_false(ns16550a_intr(&c));
    g_assert_cmphex(R(&c, LSR), ==, 0xe1);
    g_assert_cmphex(R(&c, RBR_THR), ==, 'x');
    g_assert_cmphex(R(&c, IIR_FCR), ==, 0xc6);
    g_assert_cmphex(R(&c, LSR), ==, 0xe5);
    g_assert_cmphex(R(&c, LSR), ==, 0x61);
    g_assert_false(ns16550a_intr(&c));
}

/* [DS table IV]: line status > received data > THRE > modem status */
static void test_priority(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16450, false);
    W(&c, IER, 0x0f);
    ns16550a_modem_in(&c, 0x10);
    ns16550a_rx(&c, 'x', NS16550A_LSR_FE, t_ns);
    g_assert_cmphex(R(&c, IIR_FCR), ==, 6);
    (void)R(&c, LSR);
    g_assert_cmphex(R(&c, IIR_FCR), ==, 4);
    (void)R(&c, RBR_THR);
    g_assert_cmphex(R(&c, IIR_FCR), ==, 2);
    g_assert_cmphex(R(&c, IIR_FCR), ==, 0);
    (void)R(&c, MSR);
    g_assert_cmphex(R(&c, IIR_FCR), ==, 1);
}

/* [DS 8.4 bits 0-2]: FIFO depth on the sending side, clearing */
static void test_tx_fifo(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16550A, true);
    W(&c, IIR_FCR, 1);
    for (unsigned n = 0; n < 20; n++)
        W(&c, RBR_THR, (uint8_t)('a' + n)); /* 1 in the shift register, 16 in the FIFO, 3 lost */
    for (unsigned n = 0; n < 17; n++) {
        t_ns += ns16550a_char_ns(&c);
        g_assert_cmpint(sent(&c), ==, 'a' + (int)n);
    }
    g_assert_cmphex(R(&c, LSR), ==, 0x60);
    W(&c, RBR_THR, '1');
    W(&c, RBR_THR, '2');
    W(&c, IIR_FCR, 5); /* clears the FIFO, not the shift register */
    t_ns += ns16550a_char_ns(&c);
    g_assert_cmpint(sent(&c), ==, '1');
    g_assert_cmpint(sent(&c), ==, 0);
}

/* Words shorter than 8 bits lose their high bits [DS 8.1 bits 0-1] */
static void test_word_length(void)
{
    struct ns16550a c;

    fresh(&c, NS16550A_16550A, false);
    W(&c, LCR, 2);
    W(&c, RBR_THR, 0xff);
    g_assert_cmphex(sent(&c), ==, 0x7f);
    ns16550a_rx(&c, 0xe1, 0, t_ns);
    g_assert_cmphex(R(&c, RBR_THR), ==, 0x61);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ns16550a/reset", test_reset);
    g_test_add_func("/ns16550a/identify", test_identify);
    g_test_add_func("/ns16550a/loopback", test_loopback);
    g_test_add_func("/ns16550a/modem", test_modem);
    g_test_add_func("/ns16550a/thre", test_thre);
    g_test_add_func("/ns16550a/char-time", test_char_time);
    g_test_add_func("/ns16550a/fifo-trigger", test_fifo_trigger);
    g_test_add_func("/ns16550a/overrun", test_overrun);
    g_test_add_func("/ns16550a/errors", test_errors);
    g_test_add_func("/ns16550a/priority", test_priority);
    g_test_add_func("/ns16550a/tx-fifo", test_tx_fifo);
    g_test_add_func("/ns16550a/word-length", test_word_length);
    return g_test_run();
}
