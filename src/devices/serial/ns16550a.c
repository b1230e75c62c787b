/*
 * ns16550a.c - the 16450 / 16550A / 16750 UART core.
 *
 * Sources: National Semiconductor PC16550D data sheet, June 1995 [DS]; Texas Instruments TL16C750 data sheet [TI]
 * for the 64-byte FIFOs, FCR bit 5 and the IER and MCR bits only that part has.
 * Left out: RXRDY/TXRDY pins (not wired on a PC, FCR bit 3 is ignored), the 16550's one-character delay of the THRE
 * interrupt [DS 8.4.2 B], parity of sent characters, TI sleep and low-power modes and automatic flow control (their
 * bits read back, do nothing). A divisor of 0 counts as 65536.
 * Deviation: with pacing off a character is on the wire in no time, so THRE follows a write of THR at once.
 *
 * Transmitter: THR or FIFO -> tx_load() -> shift register -> (one character time) -> SOUT, or the receiver in
 * loopback. Receiver: SIN -> ns16550a_rx() -> FIFO or RBR.
 *
 * Invariant 1: fifo.head < depth, fifo.count <= depth; depth is 1 with FIFOs off.
 * Invariant 2: LSR DR <=> rx.count != 0; LSR THRE <=> tx.count == 0; LSR TEMT <=> THRE and the shift register empty.
 * Invariant 3: thre_pending is set when THR becomes empty and when IER bit 1 rises with THR empty; cleared by a write
 *   of THR and by a read of IIR that shows it.    [DS table IV]
 */
#include "devices/serial/ns16550a.h"

#include <string.h>

#define FCR_ENABLE 0x01
#define FCR_RX_CLR 0x02
#define FCR_TX_CLR 0x04
#define FCR_64     0x20
#define LSR_ERRORS (NS16550A_LSR_OE | NS16550A_LSR_PE | NS16550A_LSR_FE | NS16550A_LSR_BI)

static bool fifo_on(const struct ns16550a *c)
{
    return c->fcr & FCR_ENABLE;
}

static unsigned depth(const struct ns16550a *c)
{
    if (!fifo_on(c))
        return 1;
    return c->fcr & FCR_64 ? 64 : 16;
}

/* The receiver's interrupt level [DS 8.4; TI table 5] */
static unsigned trigger(const struct ns16550a *c)
{
    static const uint8_t level[2][4] = {{1, 4, 8, 14}, {1, 16, 32, 56}};

    return fifo_on(c) ? level[(c->fcr & FCR_64) != 0][c->fcr >> 6] : 1;
}

static void fifo_clear(struct ns16550a_fifo *f)
{
    memset(f, 0, sizeof *f);
}

/* Inv 1: the caller has checked count < depth; returns the place used. */
static unsigned fifo_put(struct ns16550a_fifo *f, unsigned size, uint8_t ch)
{
    unsigned at = (f->head + f->count) % size;

    f->data[at] = ch;
    f->count++;
    return at;
}

static uint8_t fifo_get(struct ns16550a_fifo *f, unsigned size)
{
    uint8_t ch = f->data[f->head];

    f->head = (uint8_t)((f->head + 1) % size);
    f->count--;
    return ch;
}

uint64_t ns16550a_char_ns(const struct ns16550a *c)
{
    const uint64_t divisor = c->divisor ? c->divisor : 65536;
    const unsigned data = 5 + (c->lcr & 3);
    unsigned half_bits = 2 * (1 + data + ((c->lcr & NS16550A_LCR_PARITY) != 0) + 1);

    if (c->lcr & NS16550A_LCR_STOP) /* 1.5 stop bits with 5 data bits, else 2 [DS 8.1] */
        half_bits += data == 5 ? 1 : 2;
    return half_bits * divisor * 8 * 1000000000u / NS16550A_CLOCK_HZ;
}

static uint8_t word_mask(const struct ns16550a *c)
{
    return (uint8_t)(0xff >> (3 - (c->lcr & 3)));
}

/* ---- modem lines ---- */

/* MSR bits 4-7: the pins, or in loopback the MCR outputs [DS 8.6.1, loopback] */
static uint8_t modem_state(const struct ns16550a *c)
{
    const uint8_t m = c->mcr;

    if (!(m & NS16550A_MCR_LOOP))
        return c->lines;
    return (uint8_t)((m & NS16550A_MCR_RTS ? NS16550A_MSR_CTS : 0) | (m & NS16550A_MCR_DTR ? NS16550A_MSR_DSR : 0) |
                     (m & NS16550A_MCR_OUT1 ? NS16550A_MSR_RI : 0) | (m & NS16550A_MCR_OUT2 ? NS16550A_MSR_DCD : 0));
}

/* Delta bits for a change from @old: any edge of CTS, DSR, DCD; the trailing edge of RI [DS 8.7] */
static void modem_changed(struct ns16550a *c, uint8_t old)
{
    const uint8_t now = modem_state(c);
    uint8_t delta = (uint8_t)((old ^ now) & ~NS16550A_MSR_RI);

    delta |= old & ~now & NS16550A_MSR_RI;
    c->msr_delta |= delta >> 4;
}

void ns16550a_modem_in(struct ns16550a *c, uint8_t lines)
{
    const uint8_t old = modem_state(c);

    c->lines = lines & 0xf0;
    modem_changed(c, old);
}

static void mcr_write(struct ns16550a *c, uint8_t val)
{
    const uint8_t old = modem_state(c);

    c->mcr = val & (c->type == NS16550A_16750 ? 0x3f : 0x1f);
    modem_changed(c, old);
}

/* ---- receiver ---- */

static void timeout_arm(struct ns16550a *c, uint64_t now_ns)
{
    c->timeout_ns = fifo_on(c) && c->rx.count ? now_ns + 4 * ns16550a_char_ns(c) : NS16550A_NEVER;
}

/* A character's own errors show in LSR when it becomes the oldest one [DS 8.5, bits 2-4] */
static void rx_reveal(struct ns16550a *c)
{
    if (c->rx.count)
        c->line_error |= c->rx_error[c->rx.head];
}

unsigned ns16550a_rx_room(const struct ns16550a *c)
{
    return c->mcr & NS16550A_MCR_LOOP ? 0 : depth(c) - c->rx.count;
}

static void rx_char(struct ns16550a *c, uint8_t ch, uint8_t error, uint64_t now_ns)
{
    const unsigned size = depth(c);
    unsigned at;

    ch &= word_mask(c);
    error &= NS16550A_LSR_PE | NS16550A_LSR_FE | NS16550A_LSR_BI;
    if (c->rx.count == size) {
        c->line_error |= NS16550A_LSR_OE;
        if (fifo_on(c))
            return; /* the shift register is overwritten, the FIFO is not [DS 8.5, bit 1] */
        c->rx.count = 0;
    }
    at = fifo_put(&c->rx, size, ch);
    c->rx_error[at] = error;
    if (c->rx.count == 1)
        rx_reveal(c);
    timeout_arm(c, now_ns);
}

void ns16550a_rx(struct ns16550a *c, uint8_t ch, uint8_t error, uint64_t now_ns)
{
    if (!(c->mcr & NS16550A_MCR_LOOP))
        rx_char(c, ch, error, now_ns);
}

static uint8_t rbr_read(struct ns16550a *c, uint64_t now_ns)
{
    uint8_t ch = c->rx.data[c->rx.head];

    if (c->rx.count) {
        ch = fifo_get(&c->rx, depth(c));
        rx_reveal(c);
    }
    c->timeout = false;
    timeout_arm(c, now_ns);
    return ch;
}

/* ---- transmitter ---- */

static void tx_load(struct ns16550a *c, uint64_t start_ns)
{
    if (c->tsr_full || !c->tx.count)
        return;
    c->tsr = fifo_get(&c->tx, depth(c)) & word_mask(c);
    c->tsr_full = true;
    c->tsr_done_ns = c->paced ? start_ns + ns16550a_char_ns(c) : start_ns;
    if (!c->tx.count)
        c->thre_pending = true; /* inv 3 */
}

/* In loopback the shift register feeds the receiver and SOUT stays marking [DS 8.6] */
static void tx_loop(struct ns16550a *c, uint64_t now_ns)
{
    while (c->mcr & NS16550A_MCR_LOOP && c->tsr_full && c->tsr_done_ns <= now_ns) {
        const uint64_t done_ns = c->tsr_done_ns;

        c->tsr_full = false;
        rx_char(c, c->tsr, 0, done_ns);
        tx_load(c, done_ns);
    }
}

static void thr_write(struct ns16550a *c, uint8_t val, uint64_t now_ns)
{
    const unsigned size = depth(c);

    c->thre_pending = false;
    if (c->tx.count == size) { /* 16450: THR is overwritten; FIFO: the character is lost */
        if (fifo_on(c))
            return;
        c->tx.count = 0;
    }
    fifo_put(&c->tx, size, val);
    tx_load(c, now_ns);
    tx_loop(c, now_ns);
}

bool ns16550a_tx_ready(const struct ns16550a *c, uint64_t now_ns, uint8_t *ret_ch)
{
    if (c->mcr & NS16550A_MCR_LOOP || !c->tsr_full || c->tsr_done_ns > now_ns)
        return false;
    *ret_ch = c->tsr;
    return true;
}

void ns16550a_tx_taken(struct ns16550a *c, uint64_t now_ns)
{
    if (!c->tsr_full)
        return;
    c->tsr_full = false;
    /* A character taken late (the peer had no room) starts the next one late. */
    tx_load(c, now_ns);
}

/* ---- interrupts ---- */

/* The highest pending enabled source [DS table IV] */
static uint8_t iir_id(const struct ns16550a *c)
{
    if (c->ier & NS16550A_IER_LINE && c->line_error)
        return NS16550A_IIR_LINE;
    if (c->ier & NS16550A_IER_RX && c->rx.count >= trigger(c))
        return NS16550A_IIR_RX;
    if (c->ier & NS16550A_IER_RX && c->timeout)
        return NS16550A_IIR_TIMEOUT;
    if (c->ier & NS16550A_IER_THRE && c->thre_pending)
        return NS16550A_IIR_THRE;
    if (c->ier & NS16550A_IER_MODEM && c->msr_delta)
        return NS16550A_IIR_MODEM;
    return NS16550A_IIR_NONE;
}

bool ns16550a_intr(const struct ns16550a *c)
{
    return iir_id(c) != NS16550A_IIR_NONE;
}

bool ns16550a_out2(const struct ns16550a *c)
{
    return (c->mcr & (NS16550A_MCR_OUT2 | NS16550A_MCR_LOOP)) == NS16550A_MCR_OUT2;
}

void ns16550a_run(struct ns16550a *c, uint64_t now_ns)
{
    tx_loop(c, now_ns);
    if (c->timeout_ns <= now_ns) {
        c->timeout = true;
        c->timeout_ns = NS16550A_NEVER;
    }
}

uint64_t ns16550a_next_ns(const struct ns16550a *c, uint64_t now_ns)
{
    const uint64_t tx_ns = c->tsr_full && c->tsr_done_ns > now_ns ? c->tsr_done_ns : NS16550A_NEVER;

    return tx_ns < c->timeout_ns ? tx_ns : c->timeout_ns;
}

/* ---- registers ---- */

static uint8_t iir_read(struct ns16550a *c)
{
    const uint8_t id = iir_id(c);

    if (id == NS16550A_IIR_THRE)
        c->thre_pending = false; /* inv 3 */
    if (!fifo_on(c))
        return id;
    return (uint8_t)(id | 0xc0 | (c->fcr & FCR_64));
}

static uint8_t lsr_now(const struct ns16550a *c)
{
    uint8_t v = c->line_error;

    if (c->rx.count)
        v |= NS16550A_LSR_DR;
    if (!c->tx.count)
        v |= c->tsr_full ? NS16550A_LSR_THRE : NS16550A_LSR_THRE | NS16550A_LSR_TEMT;
    for (unsigned i = 0; fifo_on(c) && i < c->rx.count; i++)
        if (c->rx_error[(c->rx.head + i) % depth(c)])
            v |= NS16550A_LSR_FIFO;
    return v;
}

static uint8_t lsr_read(struct ns16550a *c)
{
    const uint8_t v = lsr_now(c);

    c->line_error = 0;
    if (c->rx.count)
        c->rx_error[c->rx.head] = 0;
    return v;
}

static void ier_write(struct ns16550a *c, uint8_t val)
{
    const uint8_t old = c->ier;

    c->ier = val & (c->type == NS16550A_16750 ? 0x3f : 0x0f);
    if (~old & c->ier & NS16550A_IER_THRE && !c->tx.count)
        c->thre_pending = true; /* inv 3 */
}

static void rx_clear(struct ns16550a *c)
{
    fifo_clear(&c->rx);
    memset(c->rx_error, 0, sizeof c->rx_error);
    c->timeout = false;
    c->timeout_ns = NS16550A_NEVER;
}

static void tx_clear(struct ns16550a *c)
{
    if (c->tx.count)
        c->thre_pending = true;
    fifo_clear(&c->tx);
}

/* [DS 8.4]: bits stick only while bit 0 is written as 1; a change of bit 0 clears both FIFOs */
static void fcr_write(struct ns16550a *c, uint8_t val)
{
    const bool change = (val ^ c->fcr) & FCR_ENABLE;
    uint8_t wide = c->fcr & FCR_64;

    if (c->type == NS16550A_16450)
        return;
    if (c->type == NS16550A_16750 && c->lcr & NS16550A_LCR_DLAB)
        wide = val & FCR_64; /* writable only with DLAB = 1 [TI, FCR bit 5] */
    if (change || val & FCR_RX_CLR || wide != (c->fcr & FCR_64))
        rx_clear(c);
    if (change || val & FCR_TX_CLR || wide != (c->fcr & FCR_64))
        tx_clear(c);
    c->fcr = val & FCR_ENABLE ? (uint8_t)((val & 0xc1) | wide) : 0;
}

static void lcr_write(struct ns16550a *c, uint8_t val, uint64_t now_ns)
{
    const uint8_t old = c->lcr;

    c->lcr = val;
    if (~old & val & NS16550A_LCR_BREAK && c->mcr & NS16550A_MCR_LOOP)
        rx_char(c, 0, NS16550A_LSR_BI | NS16550A_LSR_FE,
                now_ns); /* a spacing line received: one zero character [DS 8.5, bit 4] */
}

uint8_t ns16550a_read(struct ns16550a *c, unsigned reg, uint64_t now_ns)
{
    const bool dlab = c->lcr & NS16550A_LCR_DLAB;

    ns16550a_run(c, now_ns);
    switch (reg & 7) {
    case NS16550A_RBR_THR: return dlab ? (uint8_t)c->divisor : rbr_read(c, now_ns);
    case NS16550A_IER: return dlab ? (uint8_t)(c->divisor >> 8) : c->ier;
    case NS16550A_IIR_FCR: return iir_read(c);
    case NS16550A_LCR: return c->lcr;
    case NS16550A_MCR: return c->mcr;
    case NS16550A_LSR: return lsr_read(c);
    case NS16550A_SCR: return c->scr;
    default: break;
    }
    const uint8_t msr = modem_state(c) | c->msr_delta;
    c->msr_delta = 0;
    return msr;
}

void ns16550a_write(struct ns16550a *c, unsigned reg, uint8_t val, uint64_t now_ns)
{
    const bool dlab = c->lcr & NS16550A_LCR_DLAB;

    ns16550a_run(c, now_ns);
    switch (reg & 7) {
    case NS16550A_RBR_THR:
        if (dlab)
            c->divisor = (uint16_t)((c->divisor & 0xff00) | val);
        else
            thr_write(c, val, now_ns);
        break;
    case NS16550A_IER:
        if (dlab)
            c->divisor = (uint16_t)((c->divisor & 0x00ff) | val << 8);
        else
            ier_write(c, val);
        break;
    case NS16550A_IIR_FCR: fcr_write(c, val); break;
    case NS16550A_LCR: lcr_write(c, val, now_ns); break;
    case NS16550A_MCR:
        mcr_write(c, val);
        ns16550a_run(c, now_ns);
        break;
    case NS16550A_SCR: c->scr = val; break;
    default: break; /* LSR and MSR are read-only; writing them is for factory tests [DS 8.5] */
    }
}

void ns16550a_reset(struct ns16550a *c)
{
    c->ier = c->fcr = c->lcr = c->mcr = 0;
    c->msr_delta = c->line_error = 0;
    c->thre_pending = c->tsr_full = false;
    c->tsr = 0;
    c->tsr_done_ns = 0;
    fifo_clear(&c->tx);
    rx_clear(c);
}

void ns16550a_init(struct ns16550a *c, enum ns16550a_type type, bool paced)
{
    memset(c, 0, sizeof *c);
    c->type = type;
    c->paced = paced;
    c->divisor = 12; /* undefined after power-up [DS table I]: 9600 baud is as good as any */
    ns16550a_reset(c);
}

bool ns16550a_check(const struct ns16550a *c)
{
    const unsigned size = depth(c);

    if (c->type == NS16550A_16450 && c->fcr)
        return false;
    if (c->type != NS16550A_16750 && (c->fcr & FCR_64 || c->ier & 0x30 || c->mcr & 0x20))
        return false;
    if (c->fcr & ~(0xc1 | FCR_64) || (c->fcr && !(c->fcr & FCR_ENABLE)) || c->ier & 0xc0 || c->mcr & 0xc0)
        return false;
    if (c->lines & 0x0f || c->msr_delta & 0xf0 || c->line_error & ~LSR_ERRORS)
        return false;
    for (unsigned i = 0; i < NS16550A_FIFO_MAX; i++)
        if (c->rx_error[i] & ~(NS16550A_LSR_PE | NS16550A_LSR_FE | NS16550A_LSR_BI))
            return false;
    return c->rx.head < size && c->rx.count <= size && c->tx.head < size && c->tx.count <= size;
}
