/*
 * ns16550a.h - the 16450 / 16550A / 16750 asynchronous receiver-transmitter as a pure state machine.
 *
 * Time comes in as an argument (virtual nanoseconds); pins come out as functions of the state. The owner calls
 * ns16550a_run() when ns16550a_next_ns() is reached, moves transmitted characters out with ns16550a_tx_ready() and
 * ns16550a_tx_taken(), and feeds received ones in with ns16550a_rx().
 */
#ifndef DEVICES_SERIAL_NS16550A_H
#define DEVICES_SERIAL_NS16550A_H

#include <stdbool.h>
#include <stdint.h>

#define NS16550A_FIFO_MAX 64u
#define NS16550A_NEVER    UINT64_MAX
#define NS16550A_CLOCK_HZ 1843200u

enum ns16550a_type { NS16550A_16450, NS16550A_16550A, NS16550A_16750 };

/* Registers by offset (DLAB = 0; offsets 0 and 1 are the divisor latch with DLAB = 1) [DS table II] */
enum {
    NS16550A_RBR_THR = 0,
    NS16550A_IER = 1,
    NS16550A_IIR_FCR = 2,
    NS16550A_LCR = 3,
    NS16550A_MCR = 4,
    NS16550A_LSR = 5,
    NS16550A_MSR = 6,
    NS16550A_SCR = 7,
};
enum { NS16550A_IER_RX = 1, NS16550A_IER_THRE = 2, NS16550A_IER_LINE = 4, NS16550A_IER_MODEM = 8 };
enum {
    NS16550A_IIR_MODEM = 0,
    NS16550A_IIR_NONE = 1,
    NS16550A_IIR_THRE = 2,
    NS16550A_IIR_RX = 4,
    NS16550A_IIR_LINE = 6,
    NS16550A_IIR_TIMEOUT = 0xc,
};
enum { NS16550A_LCR_STOP = 4, NS16550A_LCR_PARITY = 8, NS16550A_LCR_BREAK = 0x40, NS16550A_LCR_DLAB = 0x80 };
enum {
    NS16550A_MCR_DTR = 1,
    NS16550A_MCR_RTS = 2,
    NS16550A_MCR_OUT1 = 4,
    NS16550A_MCR_OUT2 = 8,
    NS16550A_MCR_LOOP = 0x10,
    NS16550A_MCR_AFE = 0x20,
};
enum {
    NS16550A_LSR_DR = 1,
    NS16550A_LSR_OE = 2,
    NS16550A_LSR_PE = 4,
    NS16550A_LSR_FE = 8,
    NS16550A_LSR_BI = 0x10,
    NS16550A_LSR_THRE = 0x20,
    NS16550A_LSR_TEMT = 0x40,
    NS16550A_LSR_FIFO = 0x80,
};
enum { NS16550A_MSR_CTS = 0x10, NS16550A_MSR_DSR = 0x20, NS16550A_MSR_RI = 0x40, NS16550A_MSR_DCD = 0x80 };

struct ns16550a_fifo {
    uint8_t data[NS16550A_FIFO_MAX];
    uint8_t head, count; /* inv 1 */
};

struct ns16550a {
    /* wiring, fixed at construction */
    enum ns16550a_type type;
    bool paced; /* characters take their time on the wire; otherwise they leave at once */

    uint8_t ier, fcr, lcr, mcr, scr;
    uint16_t divisor;
    uint8_t lines;      /* modem inputs, MSR bits 4-7 */
    uint8_t msr_delta;  /* MSR bits 0-3 */
    uint8_t line_error; /* LSR bits 1-4 */
    bool thre_pending;  /* THRE interrupt latched, inv 3 */
    bool timeout;       /* character timeout interrupt latched */
    bool tsr_full;
    uint8_t tsr;
    struct ns16550a_fifo rx, tx;
    uint8_t rx_error[NS16550A_FIFO_MAX]; /* LSR bits 2-4 of the character in the same place of rx.data */
    uint64_t tsr_done_ns;                /* when the character in the shift register has left; valid with tsr_full */
    uint64_t timeout_ns;                 /* NS16550A_NEVER or when the character timeout fires */
};

void ns16550a_init(struct ns16550a *c, enum ns16550a_type type, bool paced);
/** ns16550a_reset() - the MR pin: divisor, scratch and modem inputs stay as they are [DS table I]. */
void ns16550a_reset(struct ns16550a *c);
uint8_t ns16550a_read(struct ns16550a *c, unsigned reg, uint64_t now_ns);
void ns16550a_write(struct ns16550a *c, unsigned reg, uint8_t val, uint64_t now_ns);

/** ns16550a_run() - lets everything due by @now_ns happen. */
void ns16550a_run(struct ns16550a *c, uint64_t now_ns);
/** ns16550a_next_ns() - when to run again; a character that waits to be taken is no event. */
uint64_t ns16550a_next_ns(const struct ns16550a *c, uint64_t now_ns);

/** ns16550a_intr() - the INTRPT pin. ns16550a_out2() - the OUT2 pin, active; PCs gate INTRPT with it. */
bool ns16550a_intr(const struct ns16550a *c);
bool ns16550a_out2(const struct ns16550a *c);

/** ns16550a_rx_room() - characters the receiver takes without overrun; 0 in loopback, where SIN is cut off. */
unsigned ns16550a_rx_room(const struct ns16550a *c);
/** ns16550a_rx() - a character from SIN; @error: LSR PE, FE, BI bits. */
void ns16550a_rx(struct ns16550a *c, uint8_t ch, uint8_t error, uint64_t now_ns);

/** ns16550a_tx_ready() - true when a character has left the shift register towards SOUT; it waits until taken. */
bool ns16550a_tx_ready(const struct ns16550a *c, uint64_t now_ns, uint8_t *ret_ch);
void ns16550a_tx_taken(struct ns16550a *c, uint64_t now_ns);

/** ns16550a_modem_in() - the modem input pins: MSR CTS, DSR, RI, DCD bits. */
void ns16550a_modem_in(struct ns16550a *c, uint8_t lines);

/** ns16550a_char_ns() - time of one character with its start, parity and stop bits. */
uint64_t ns16550a_char_ns(const struct ns16550a *c);
/** ns16550a_check() - false: a state the chip cannot be in. */
bool ns16550a_check(const struct ns16550a *c);

#endif
