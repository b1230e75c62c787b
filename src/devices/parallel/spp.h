/*
 * spp.h - the standard parallel port with a printer on its cable, as a pure state machine.
 */
#ifndef DEVICES_PARALLEL_SPP_H
#define DEVICES_PARALLEL_SPP_H

#include <stdbool.h>
#include <stdint.h>

/* Registers by offset; control and status bits as the processor sees them [AT] */
enum { SPP_DATA, SPP_STATUS, SPP_CONTROL };
enum {
    SPP_ST_ERROR_N = 0x08,
    SPP_ST_SELECT = 0x10,
    SPP_ST_PAPER_OUT = 0x20,
    SPP_ST_ACK_N = 0x40,
    SPP_ST_BUSY_N = 0x80
};
enum {
    SPP_CT_STROBE = 0x01,
    SPP_CT_AUTO_FEED = 0x02,
    SPP_CT_INIT_N = 0x04,
    SPP_CT_SELECT = 0x08,
    SPP_CT_IRQ = 0x10,
    SPP_CT_INPUT = 0x20,
};

struct spp {
    bool printer; /* wiring: somebody is on the cable */
    uint8_t data, control;
    uint8_t print; /* the byte strobed last, while busy */
    bool busy;     /* the printer has not taken it yet */
};

void spp_reset(struct spp *c);
uint8_t spp_read(const struct spp *c, unsigned reg);
/** spp_write() - Return: true when a byte was strobed; take it from spp.print and call spp_taken() when it is. */
bool spp_write(struct spp *c, unsigned reg, uint8_t val);
/** spp_taken() - the printer acknowledges. Return: true when that is to pulse the interrupt line. */
bool spp_taken(struct spp *c);
bool spp_check(const struct spp *c);

#endif
