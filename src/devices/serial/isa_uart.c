/*
 * isa_uart.c - joins a 16450/16550A/16750 to eight ports and one ISA interrupt line: COM1-COM4.
 *
 * Sources: PC16550D data sheet [DS]; IBM PC/AT Technical Reference, serial/parallel adapter: OUT2 gates INTRPT onto
 * the bus.
 * The line: LUN 0 is a character driver. With one attached CTS, DSR and DCD are up, without they are down and sent
 * characters vanish. A driver that has no room holds the character in the shift register, so a guest that
 * heeds THRE loses nothing; the driver is offered it again by writable().
 * Left out: break, parity and baud rate are not passed to the driver; RI never rings.
 * Locks: every callback runs under the device lock.
 * Invariant 1: IRQ line = INTRPT and OUT2.
 * Invariant 2: the driver is owed an accept() <=> starved; it is paid when the receiver has room again.
 */
#include "devices/serial/ns16550a.h"

#include <string.h>

#include "vmm/pdm/dev.h"

struct isa_uart {
    struct ns16550a chip;
    bool starved; /* inv 2 */
    bool held;    /* the driver had no room for the character in the shift register */
    pdm_irq irq;
    pdm_timer event;
    struct pdm_char *line;
    uint64_t sent, received;
};

static void uart_pump(struct isa_uart *s, uint64_t now_ns)
{
    uint8_t ch;

    while (!s->held && ns16550a_tx_ready(&s->chip, now_ns, &ch)) { /* at most the FIFO and one */
        if (s->line && s->line->write(s->line, &ch, 1) == 0) {
            s->held = true;
            return;
        }
        s->sent++;
        ns16550a_tx_taken(&s->chip, now_ns);
    }
}

/* Brings the outside up to date: characters out, pin, timer, driver; the only place that does (inv 1, 2). */
static void uart_sync(struct pdm_dev *dev)
{
    struct isa_uart *s = pdm_state(dev);
    const uint64_t now_ns = pdm_now_ns(dev);

    uart_pump(s, now_ns);
    pdm_irq_set(dev, s->irq, ns16550a_intr(&s->chip) && ns16550a_out2(&s->chip));
    pdm_timer_at(dev, s->event, ns16550a_next_ns(&s->chip, now_ns));
    if (s->starved && s->line && ns16550a_rx_room(&s->chip)) {
        s->starved = false;
        s->line->accept(s->line);
    }
}

static uint32_t uart_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_uart *s = pdm_state(dev);
    const uint8_t val = ns16550a_read(&s->chip, off, pdm_now_ns(dev));

    (void)size; /* 1, by max_size */
    uart_sync(dev);
    return val;
}

static void uart_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_uart *s = pdm_state(dev);

    (void)size;
    ns16550a_write(&s->chip, off, (uint8_t)val, pdm_now_ns(dev));
    uart_sync(dev);
}

static void uart_event(struct pdm_dev *dev)
{
    struct isa_uart *s = pdm_state(dev);

    ns16550a_run(&s->chip, pdm_now_ns(dev));
    uart_sync(dev);
}

static size_t uart_receive(struct pdm_dev *dev, unsigned lun, const uint8_t *buf, size_t bytes)
{
    struct isa_uart *s = pdm_state(dev);
    const unsigned room = ns16550a_rx_room(&s->chip);
    const size_t take = bytes < room ? bytes : room;

    (void)lun;
    for (size_t i = 0; i < take; i++)
        ns16550a_rx(&s->chip, buf[i], 0, pdm_now_ns(dev));
    s->received += take;
    if (take < bytes)
        s->starved = true;
    if (take)
        uart_sync(dev);
    return take;
}

static void uart_writable(struct pdm_dev *dev, unsigned lun)
{
    struct isa_uart *s = pdm_state(dev);

    (void)lun;
    s->held = false;
    uart_sync(dev);
}

static void uart_reset(struct pdm_dev *dev)
{
    struct isa_uart *s = pdm_state(dev);

    ns16550a_reset(&s->chip);
    s->chip.lines = s->line ? NS16550A_MSR_CTS | NS16550A_MSR_DSR | NS16550A_MSR_DCD : 0;
    s->held = false;
    s->starved = true; /* the driver may have something from before the machine ran */
}

static bool uart_check(void *state)
{
    struct isa_uart *s = state;

    s->held = false; /* the first write after the load finds out */
    return ns16550a_check(&s->chip);
}

static bool uart_type(struct pdm_dev *dev, enum ns16550a_type *ret_type, GError **error)
{
    static const char *const names[] = {
        [NS16550A_16450] = "16450", [NS16550A_16550A] = "16550A", [NS16550A_16750] = "16750"};
    const char *name = pdm_cfg_str(dev, "UartType");

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        if (!strcmp(name, names[i])) {
            *ret_type = (enum ns16550a_type)i;
            return true;
        }
    g_set_error(error, PDM_ERROR, 0, "serial port %u: UART type \"%s\" is unknown; choose 16450, 16550A or 16750",
                pdm_instance(dev) + 1, name);
    return false;
}

static bool uart_construct(struct pdm_dev *dev, GError **error)
{
    struct isa_uart *s = pdm_state(dev);
    const struct pdm_io io = {.name = "uart",
                              .base = (uint16_t)pdm_cfg_u64(dev, "IOBase"),
                              .count = 8,
                              .min_size = 1,
                              .max_size = 1,
                              .read = uart_read,
                              .write = uart_write};
    enum ns16550a_type type;

    if (!uart_type(dev, &type, error))
        return false;
    ns16550a_init(&s->chip, type, pdm_cfg_bool(dev, "Paced"));
    s->line = pdm_lun_char(dev, 0);
    pdm_stat(dev, &s->sent, "Sent", "bytes");
    pdm_stat(dev, &s->received, "Received", "bytes");
    return pdm_io_add(dev, &io, error) && pdm_irq_claim(dev, (unsigned)pdm_cfg_u64(dev, "IRQ"), &s->irq, error) &&
           pdm_timer_new(dev, "uart.event", uart_event, &s->event, error);
}

static const struct ssm_field fifo_fields[] = {
    SSM_U8S(struct ns16550a_fifo, data),
    SSM_U8(struct ns16550a_fifo, head),
    SSM_U8(struct ns16550a_fifo, count),
    SSM_END,
};
static const struct ssm_field uart_fields[] = {
    SSM_U8(struct isa_uart, chip.ier),
    SSM_U8(struct isa_uart, chip.fcr),
    SSM_U8(struct isa_uart, chip.lcr),
    SSM_U8(struct isa_uart, chip.mcr),
    SSM_U8(struct isa_uart, chip.scr),
    SSM_U16(struct isa_uart, chip.divisor),
    SSM_U8(struct isa_uart, chip.lines),
    SSM_U8(struct isa_uart, chip.msr_delta),
    SSM_U8(struct isa_uart, chip.line_error),
    SSM_BOOL(struct isa_uart, chip.thre_pending),
    SSM_BOOL(struct isa_uart, chip.timeout),
    SSM_BOOL(struct isa_uart, chip.tsr_full),
    SSM_U8(struct isa_uart, chip.tsr),
    SSM_STRUCT(struct isa_uart, chip.rx, fifo_fields),
    SSM_STRUCT(struct isa_uart, chip.tx, fifo_fields),
    SSM_U8S(struct isa_uart, chip.rx_error),
    SSM_U64(struct isa_uart, chip.tsr_done_ns),
    SSM_U64(struct isa_uart, chip.timeout_ns),
    SSM_BOOL(struct isa_uart, starved),
    SSM_END,
};
static const struct ssm_desc uart_state = {.version = 1, .oldest = 1, .fields = uart_fields, .check = uart_check};

static const struct pdm_cfg_key uart_config[] = {
    {.name = "IOBase", .type = PDM_CFG_U64, .min = 0x100, .max = 0xfff8, .def = 0x3f8},
    {.name = "IRQ", .type = PDM_CFG_U64, .min = 1, .max = 15, .def = 4},
    {.name = "UartType", .type = PDM_CFG_STR, .def_str = "16550A"},
    {.name = "Paced", .type = PDM_CFG_BOOL},
    PDM_CFG_END,
};

static const struct pdm_char_port uart_port = {.receive = uart_receive, .writable = uart_writable};

const struct pdm_devreg isa_uart_device = {
    .name = "serial",
    .desc = "16550A serial port",
    .info_name = "uart",
    .max_instances = 4,
    .state_size = sizeof(struct isa_uart),
    .config = uart_config,
    .state = &uart_state,
    .construct = uart_construct,
    .reset = uart_reset,
    .drive = uart_sync,
    .char_port = &uart_port,
};
