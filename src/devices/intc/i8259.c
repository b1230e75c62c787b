/*
 * i8259.c - the 8259A programmable interrupt controller.
 *
 * Sources: Intel 8259A data sheet, order 231468 [DS]; Intel 82371SB (PIIX3) data sheet 4.5 for the edge/level register
 * [PIIX].
 * Left out: MCS-80/85 mode (three-byte CALL) and buffered mode, which no PC wires; ICW1.LTIM does nothing, as on PIIX,
 * where ELCR replaces it.
 * Invariant 1: IRR = (lines & level) | (latch & ~level); a latch falls with its input [DS, Edge and Level Triggered
 *              Modes: the input must stay high until the first INTA, else IR7 is given].
 * Invariant 2: INT is high <=> some unmasked request beats everything in service.
 */
#include "devices/intc/i8259.h"

#include <string.h>

enum { ICW1_IC4 = 0x01, ICW1_SNGL = 0x02, ICW1_INIT = 0x10 };
enum { ICW4_AEOI = 0x02, ICW4_SFNM = 0x10 };
enum { OCW3_RIS = 0x01, OCW3_RR = 0x02, OCW3_POLL = 0x04, OCW3_SELECT = 0x08, OCW3_SMM = 0x20, OCW3_ESMM = 0x40 };
enum { OCW2_EOI = 0x20, OCW2_SPECIFIC = 0x40, OCW2_ROTATE = 0x80 };
enum { NO_PRIORITY = 8 };

void i8259_reset(struct i8259 *c)
{
    const struct i8259 keep = {.lines = c->lines, .master = c->master};

    *c = keep;
    c->lowest = 7;
    c->imr = 0xff;
}

void i8259_input(struct i8259 *c, unsigned n, bool level)
{
    const uint8_t bit = (uint8_t)(1u << (n & 7));

    if (!level) {
        c->lines &= (uint8_t)~bit;
        c->latch &= (uint8_t)~bit; /* inv 1 */
        return;
    }
    if (!(c->lines & bit))
        c->latch |= bit;
    c->lines |= bit;
}

uint8_t i8259_request(const struct i8259 *c)
{
    return (uint8_t)((c->lines & c->level) | (c->latch & ~c->level)); /* inv 1 */
}

/* Distance of the best bit from the top of the rotating order: 0 best, NO_PRIORITY = none set. */
static unsigned best_priority(const struct i8259 *c, uint8_t bits)
{
    for (unsigned i = 0; i < 8; i++)
        if (bits >> ((c->lowest + 1 + i) & 7) & 1)
            return i;
    return NO_PRIORITY;
}

static unsigned input_of(const struct i8259 *c, unsigned priority)
{
    return (c->lowest + 1 + priority) & 7;
}

/* The input that would be acknowledged now, or -1. */
static int winner(const struct i8259 *c)
{
    const uint8_t in_service = c->special_mask ? (uint8_t)(c->isr & ~c->imr) : c->isr;
    const unsigned request = best_priority(c, (uint8_t)(i8259_request(c) & ~c->imr));
    const unsigned serving = best_priority(c, in_service);
    const unsigned input = input_of(c, request);

    if (!c->initialized || request == NO_PRIORITY || request > serving)
        return -1;
    /* A slave's input may interrupt itself, but only in special fully nested mode. [DS, The Special Fully Nested Mode]
     */
    if (request == serving && !(c->fully_nested && c->master && c->icw3 >> input & 1))
        return -1;
    return (int)input;
}

bool i8259_output(const struct i8259 *c)
{
    return winner(c) >= 0; /* inv 2 */
}

unsigned i8259_acknowledge(struct i8259 *c, bool *ret_spurious)
{
    const int input = winner(c);
    uint8_t bit;

    *ret_spurious = input < 0;
    if (input < 0)
        return 7; /* [DS, Edge and Level Triggered Modes]: the default IR7, its ISR bit stays clear */
    bit = (uint8_t)(1u << input);
    c->latch &= (uint8_t)~bit;
    if (!c->auto_eoi)
        c->isr |= bit;
    else if (c->rotate_aeoi)
        c->lowest = (uint8_t)input;
    return (unsigned)input;
}

static void end_of_interrupt(struct i8259 *c, uint8_t ocw2)
{
    unsigned input = ocw2 & 7;

    if (!(ocw2 & OCW2_SPECIFIC)) {
        /* [DS, End of Interrupt]: a masked level is not cleared by a non-specific EOI in special mask mode */
        const uint8_t eligible = c->special_mask ? (uint8_t)(c->isr & ~c->imr) : c->isr;
        const unsigned priority = best_priority(c, eligible);

        if (priority == NO_PRIORITY)
            return;
        input = input_of(c, priority);
    }
    c->isr &= (uint8_t) ~(1u << input);
    if (ocw2 & OCW2_ROTATE)
        c->lowest = (uint8_t)input;
}

static void write_ocw2(struct i8259 *c, uint8_t val)
{
    if (val & OCW2_EOI)
        end_of_interrupt(c, val);
    else if (!(val & OCW2_SPECIFIC))
        c->rotate_aeoi = val & OCW2_ROTATE;
    else if (val & OCW2_ROTATE)
        c->lowest = val & 7; /* set priority; without R: no operation [DS, figure 8] */
}

static void write_ocw3(struct i8259 *c, uint8_t val)
{
    if (val & OCW3_ESMM)
        c->special_mask = val & OCW3_SMM;
    if (val & OCW3_POLL)
        c->poll = true;
    else if (val & OCW3_RR)
        c->read_isr = val & OCW3_RIS;
}

/* [DS, Initialization Command Words 1 and 2]: what ICW1 clears, a to f. */
static void write_icw1(struct i8259 *c, uint8_t val)
{
    c->latch = 0;
    c->isr = 0;
    c->imr = 0;
    c->lowest = 7;
    c->icw3 = c->master ? 0 : 7;
    c->special_mask = c->poll = c->read_isr = c->rotate_aeoi = false;
    c->auto_eoi = c->fully_nested = false; /* ICW4 sets them again if it comes */
    c->single = val & ICW1_SNGL;
    c->wants_icw4 = val & ICW1_IC4;
    c->initialized = false;
    c->icw_next = 2;
}

/* Words 2-4 come in order at A0=1; [DS, figure 6] says which are left out. */
static void write_icw(struct i8259 *c, uint8_t val)
{
    switch (c->icw_next) {
    case 2:
        c->base = val & 0xf8;
        c->icw_next = !c->single ? 3 : c->wants_icw4 ? 4 : 0;
        break;
    case 3:
        c->icw3 = val;
        c->icw_next = c->wants_icw4 ? 4 : 0;
        break;
    default:
        c->auto_eoi = val & ICW4_AEOI;
        c->fully_nested = val & ICW4_SFNM;
        c->icw_next = 0;
        break;
    }
    c->initialized = c->icw_next == 0;
}

void i8259_write(struct i8259 *c, bool a0, uint8_t val)
{
    if (a0 && c->icw_next)
        write_icw(c, val);
    else if (a0)
        c->imr = val;
    else if (val & ICW1_INIT)
        write_icw1(c, val);
    else if (val & OCW3_SELECT)
        write_ocw3(c, val);
    else
        write_ocw2(c, val);
}

/* [DS, Poll Command]: the next read is the acknowledge; bit 7 says whether there was a request. */
static uint8_t read_poll(struct i8259 *c)
{
    bool spurious;
    const unsigned input = i8259_acknowledge(c, &spurious);

    c->poll = false;
    return spurious ? 0 : (uint8_t)(0x80 | input);
}

uint8_t i8259_read(struct i8259 *c, bool a0)
{
    if (c->poll)
        return read_poll(c);
    if (a0)
        return c->imr;
    return c->read_isr ? c->isr : i8259_request(c);
}
