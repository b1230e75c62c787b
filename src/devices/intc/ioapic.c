/*
 * ioapic.c - the 82093AA I/O APIC.
 *
 * Source: Intel 82093AA data sheet, order 290566 [DS] 3.0 (registers); the EOI register of version 20h: Intel 82801BA
 * (ICH2) data sheet 9.5.5 [ICH]. Left out: the APIC bus and its arbitration (the arbitration register reads the
 * identification), input polarity: lines are logical levels here, high = asserted. Invariant 1: a level pin sends when
 * its line is high, it is not masked and its remote IRR is clear, which sending sets. Invariant 2: an edge while masked
 * is lost. [DS 3.2.4, interrupt mask]
 */
#include "devices/intc/ioapic.h"

#include <string.h>

enum { WINDOW_SELECT = 0x00, WINDOW_DATA = 0x10, WINDOW_EOI = 0x40 };
enum { REG_ID = 0, REG_VERSION = 1, REG_ARBITRATION = 2, REG_REDIRECT = 0x10 };
enum { VERSION = 0x20 };
#define REDIR_VECTOR     UINT64_C(0xff)
#define REDIR_LOGICAL    (UINT64_C(1) << 11)
#define REDIR_REMOTE_IRR (UINT64_C(1) << 14)
#define REDIR_LEVEL      (UINT64_C(1) << 15)
#define REDIR_MASKED     (UINT64_C(1) << 16)
#define REDIR_WRITABLE   (UINT64_C(0xff0000000001afff))

void ioapic_reset(struct ioapic *c)
{
    const uint32_t lines = c->lines;

    memset(c, 0, sizeof(*c));
    c->lines = lines;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        c->redirect[pin] = REDIR_MASKED;
}

void ioapic_input(struct ioapic *c, unsigned pin, bool level)
{
    const uint32_t bit = 1u << pin;

    if (pin >= IOAPIC_PINS)
        return;
    if (level && !(c->lines & bit) && !(c->redirect[pin] & (REDIR_LEVEL | REDIR_MASKED)))
        c->edges |= bit; /* inv 2 */
    c->lines = level ? c->lines | bit : c->lines & ~bit;
}

static bool wants_to_send(const struct ioapic *c, unsigned pin)
{
    const uint64_t r = c->redirect[pin];
    const uint32_t bit = 1u << pin;

    if (r & REDIR_MASKED)
        return false;
    if (r & REDIR_LEVEL)
        return (c->lines & bit) && !(r & REDIR_REMOTE_IRR); /* inv 1 */
    return c->edges & bit;
}

bool ioapic_send(struct ioapic *c, struct ioapic_message *ret)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        const uint64_t r = c->redirect[pin];

        if (!wants_to_send(c, pin))
            continue;
        *ret = (struct ioapic_message){.dest = (uint8_t)(r >> 56),
                                       .mode = (uint8_t)(r >> 8 & 7),
                                       .vector = (uint8_t)(r & REDIR_VECTOR),
                                       .logical = r & REDIR_LOGICAL,
                                       .level = r & REDIR_LEVEL};
        c->edges &= ~(1u << pin);
        if (r & REDIR_LEVEL)
            c->redirect[pin] |= REDIR_REMOTE_IRR;
        return true;
    }
    return false;
}

void ioapic_eoi(struct ioapic *c, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        if (c->redirect[pin] & REDIR_LEVEL && (c->redirect[pin] & REDIR_VECTOR) == vector)
            c->redirect[pin] &= ~REDIR_REMOTE_IRR;
}

static uint32_t read_reg(const struct ioapic *c)
{
    const unsigned pin = (unsigned)(c->select - REG_REDIRECT) / 2;

    switch (c->select) {
    case REG_ID:
    case REG_ARBITRATION: return (uint32_t)c->id << 24;
    case REG_VERSION: return (IOAPIC_PINS - 1) << 16 | VERSION;
    default: break;
    }
    if (c->select < REG_REDIRECT || pin >= IOAPIC_PINS)
        return 0;
    return (uint32_t)(c->redirect[pin] >> (c->select & 1 ? 32 : 0));
}

static void write_redirect(struct ioapic *c, unsigned pin, bool high, uint32_t val)
{
    const unsigned shift = high ? 32 : 0;
    const uint64_t mask = REDIR_WRITABLE & UINT64_C(0xffffffff) << shift;
    uint64_t r = (c->redirect[pin] & ~mask) | ((uint64_t)val << shift & mask);

    if (!(r & REDIR_LEVEL))
        r &= ~REDIR_REMOTE_IRR; /* [DS 3.2.4]: undefined for edge; guests use it to clear a stuck one */
    else
        c->edges &= ~(1u << pin);
    if (r & REDIR_MASKED)
        c->edges &= ~(1u << pin);
    c->redirect[pin] = r;
}

uint32_t ioapic_read(const struct ioapic *c, unsigned off)
{
    if (off == WINDOW_SELECT)
        return c->select;
    return off == WINDOW_DATA ? read_reg(c) : 0;
}

void ioapic_write(struct ioapic *c, unsigned off, uint32_t val)
{
    const unsigned pin = (unsigned)(c->select - REG_REDIRECT) / 2;

    if (off == WINDOW_SELECT)
        c->select = (uint8_t)val;
    else if (off == WINDOW_EOI)
        ioapic_eoi(c, (uint8_t)val); /* [ICH 9.5.5] */
    else if (off != WINDOW_DATA)
        return;
    else if (c->select == REG_ID)
        c->id = val >> 24 & 15;
    else if (c->select >= REG_REDIRECT && pin < IOAPIC_PINS)
        write_redirect(c, pin, c->select & 1, val);
}
