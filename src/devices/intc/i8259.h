/*
 * i8259.h - one 8259A interrupt controller as a pure state machine: bytes in, bytes out, eight inputs, one output.
 */
#ifndef DEVICES_INTC_I8259_H
#define DEVICES_INTC_I8259_H

#include <stdbool.h>
#include <stdint.h>

struct i8259 {
    uint8_t lines; /* levels of IR0-IR7 */
    uint8_t latch; /* rising edges not yet acknowledged */
    uint8_t level; /* inputs that are level triggered (ELCR) */
    uint8_t isr, imr;
    uint8_t base; /* vector of IR0, ICW2 */
    uint8_t icw3;
    uint8_t lowest;   /* input with the lowest priority */
    uint8_t icw_next; /* initialization word expected at A0=1: 2, 3, 4; 0 = operational */
    bool single, wants_icw4, initialized;
    bool auto_eoi, rotate_aeoi, special_mask, fully_nested;
    bool poll, read_isr;
    bool master; /* strapping: the SP/EN# pin, not state */
};

/** i8259_reset() - power-on; inputs and the strapping stay. */
void i8259_reset(struct i8259 *c);
/** i8259_input() - drives IR@n. */
void i8259_input(struct i8259 *c, unsigned n, bool level);
/** i8259_read(), i8259_write() - CPU accesses; @a0: address line 0. */
uint8_t i8259_read(struct i8259 *c, bool a0);
void i8259_write(struct i8259 *c, bool a0, uint8_t val);
/** i8259_output() - the INT pin. */
bool i8259_output(const struct i8259 *c);
/** i8259_request() - IRR as a guest reads it. */
uint8_t i8259_request(const struct i8259 *c);
/** i8259_acknowledge() - an INTA cycle. Return: the input served; 7 with *@ret_spurious set when there was none. */
unsigned i8259_acknowledge(struct i8259 *c, bool *ret_spurious);

#endif
