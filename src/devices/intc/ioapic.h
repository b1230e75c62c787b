/*
 * ioapic.h - the 82093AA I/O APIC as a pure state machine: lines in, interrupt messages out.
 */
#ifndef DEVICES_INTC_IOAPIC_H
#define DEVICES_INTC_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

enum { IOAPIC_PINS = 24 };

struct ioapic {
    uint32_t lines; /* levels of the pins */
    uint32_t edges; /* edge-triggered pins with an edge not yet sent */
    uint8_t select; /* IOREGSEL */
    uint8_t id;
    uint64_t redirect[IOAPIC_PINS];
};
struct ioapic_message {
    uint8_t dest, mode, vector;
    bool logical, level;
};

void ioapic_reset(struct ioapic *c);
void ioapic_input(struct ioapic *c, unsigned pin, bool level);
/** ioapic_read(), ioapic_write() - memory-mapped registers by byte offset, 32 bits wide. */
uint32_t ioapic_read(const struct ioapic *c, unsigned off);
void ioapic_write(struct ioapic *c, unsigned off, uint32_t val);
/** ioapic_eoi() - an EOI message for @vector arrived. */
void ioapic_eoi(struct ioapic *c, uint8_t vector);
/** ioapic_send() - takes the next message to send after any of the calls above; false = nothing more. */
bool ioapic_send(struct ioapic *c, struct ioapic_message *ret);

#endif
