/*
 * spp.c - the standard parallel port core.
 *
 * Sources: IBM PC/AT Technical Reference, "Serial/Parallel Adapter" [AT]; IEEE 1284-1994, compatibility mode; the
 * direction bit as on the PS/2 [PS2].
 * Left out: EPP, ECP and their registers; the width of the acknowledge pulse (it is an instant); nothing ever drives
 * the data lines towards the port, so input reads FFh.
 */
#include "devices/parallel/spp.h"

#define STATUS_LOW 0x07 /* unused bits float high */

static uint8_t status(const struct spp *c)
{
    if (!c->printer) /* open inputs read high; BUSY is inverted */
        return STATUS_LOW | SPP_ST_ERROR_N | SPP_ST_SELECT | SPP_ST_PAPER_OUT | SPP_ST_ACK_N;
    return STATUS_LOW | SPP_ST_ERROR_N | SPP_ST_SELECT | SPP_ST_ACK_N | (c->busy ? 0 : SPP_ST_BUSY_N);
}

uint8_t spp_read(const struct spp *c, unsigned reg)
{
    switch (reg) {
    case SPP_DATA: return c->control & SPP_CT_INPUT ? 0xff : c->data;
    case SPP_STATUS: return status(c);
    case SPP_CONTROL: return 0xc0 | c->control;
    default: return 0xff;
    }
}

bool spp_write(struct spp *c, unsigned reg, uint8_t val)
{
    const uint8_t old = c->control;

    if (reg == SPP_DATA)
        c->data = val;
    if (reg != SPP_CONTROL)
        return false;
    c->control = val & 0x3f;
    if (!(~old & val & SPP_CT_STROBE) || c->busy || !c->printer)
        return false;
    c->print = c->data; /* latched on the leading edge of STROBE# [AT] */
    c->busy = true;
    return true;
}

bool spp_taken(struct spp *c)
{
    c->busy = false;
    return c->control & SPP_CT_IRQ;
}

void spp_reset(struct spp *c)
{
    *c = (struct spp){.printer = c->printer};
}

bool spp_check(const struct spp *c)
{
    return !(c->control & 0xc0);
}
