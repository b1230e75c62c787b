/*
 * i8237.c - the 8237A DMA controller.
 *
 * Source: Intel 8237A data sheet, order 231466 [DS]: register description, software commands, autoinitialize, terminal
 * count. Left out: memory-to-memory transfers (channel 0 refreshes or is wired out on a PC), compressed timing,
 * rotating priority: channels are served in order, and a block is moved in as many pieces as the device makes of it.
 * Invariant 1: base_count - count is the number of transfers done, modulo 65536.
 */
#include "devices/dma/i8237.h"

#include <string.h>

enum {
    REG_COMMAND = 8,
    REG_REQUEST,
    REG_MASK_ONE,
    REG_MODE,
    REG_CLEAR_FLIP_FLOP,
    REG_MASTER_CLEAR,
    REG_CLEAR_MASK,
    REG_MASK_ALL
};
enum { COMMAND_DISABLE = 0x04, SET_BIT = 0x04 };

void i8237_reset(struct i8237 *c)
{
    c->command = c->status = c->request = c->temporary = 0;
    c->mask = 0x0f; /* [DS, Master Clear] */
    c->high_byte = false;
    for (unsigned n = 0; n < I8237_CHANNELS; n++)
        c->ch[n].generation++;
}

void i8237_dreq(struct i8237 *c, unsigned n, bool level)
{
    c->dreq = (uint8_t)(level ? c->dreq | 1u << n : c->dreq & ~(1u << n));
}

bool i8237_ready(const struct i8237 *c, unsigned n)
{
    const uint8_t wanted = (uint8_t)((c->dreq & ~c->mask) | c->request);

    return !(c->command & COMMAND_DISABLE) && wanted >> n & 1 &&
           (c->ch[n].mode & I8237_MODE_CASCADE) != I8237_MODE_CASCADE;
}

uint32_t i8237_position(const struct i8237 *c, unsigned n)
{
    return (uint16_t)(c->ch[n].base_count - c->ch[n].count); /* inv 1 */
}

uint32_t i8237_size(const struct i8237 *c, unsigned n)
{
    return c->ch[n].base_count + 1u;
}

uint16_t i8237_address(const struct i8237 *c, unsigned n, uint32_t position)
{
    const uint16_t base = c->ch[n].base_address;

    return (uint16_t)(c->ch[n].mode & I8237_MODE_DOWN ? base - position : base + position);
}

void i8237_advance(struct i8237 *c, unsigned n, uint32_t position)
{
    struct i8237_channel *ch = &c->ch[n];

    if (position < i8237_size(c, n)) {
        ch->count = (uint16_t)(ch->base_count - position);
        ch->address = i8237_address(c, n, position);
        return;
    }
    /* Terminal count: status bit; then reload, or mask the channel. [DS, Autoinitialize] */
    c->status |= (uint8_t)(1u << n);
    c->request &= (uint8_t) ~(1u << n);
    if (ch->mode & I8237_MODE_AUTO) {
        ch->address = ch->base_address;
        ch->count = ch->base_count;
    } else {
        ch->address = i8237_address(c, n, position);
        ch->count = 0xffff;
        c->mask |= (uint8_t)(1u << n);
    }
}

/* ---- registers ---- */

static uint8_t read_channel(struct i8237 *c, unsigned reg)
{
    const struct i8237_channel *ch = &c->ch[reg >> 1];
    const uint16_t val = reg & 1 ? ch->count : ch->address;
    const bool high = c->high_byte;

    c->high_byte = !high;
    return (uint8_t)(high ? val >> 8 : val);
}

uint8_t i8237_read(struct i8237 *c, unsigned reg)
{
    uint8_t val;

    if (reg < REG_COMMAND)
        return read_channel(c, reg);
    switch (reg) {
    case REG_COMMAND:
        val = (uint8_t)(c->status | (c->dreq | c->request) << 4);
        c->status = 0; /* [DS, Status Register]: reading clears the terminal counts */
        return val;
    case REG_MASTER_CLEAR: return c->temporary;
    case REG_MASK_ALL: return (uint8_t)(0xf0 | c->mask);
    default: return 0xff; /* write only */
    }
}

/* Current and base registers are written together. [DS, Base Address and Base Word Count] */
static void write_channel(struct i8237 *c, unsigned reg, uint8_t val)
{
    struct i8237_channel *ch = &c->ch[reg >> 1];
    uint16_t *base = reg & 1 ? &ch->base_count : &ch->base_address;

    *base = (uint16_t)(c->high_byte ? (*base & 0x00ff) | val << 8 : (*base & 0xff00) | val);
    c->high_byte = !c->high_byte;
    if (reg & 1)
        ch->count = ch->base_count;
    else
        ch->address = ch->base_address;
    ch->generation++;
}

static void write_bit(uint8_t *reg, uint8_t val)
{
    const uint8_t bit = (uint8_t)(1u << (val & 3));

    *reg = (uint8_t)(val & SET_BIT ? *reg | bit : *reg & ~bit);
}

void i8237_write(struct i8237 *c, unsigned reg, uint8_t val)
{
    if (reg < REG_COMMAND) {
        write_channel(c, reg, val);
        return;
    }
    switch (reg) {
    case REG_COMMAND: c->command = val; break;
    case REG_REQUEST: write_bit(&c->request, val); break;
    case REG_MASK_ONE: write_bit(&c->mask, val); break;
    case REG_MODE:
        c->ch[val & 3].mode = val & 0xfc;
        c->ch[val & 3].generation++;
        break;
    case REG_CLEAR_FLIP_FLOP: c->high_byte = false; break;
    case REG_MASTER_CLEAR: i8237_reset(c); break;
    case REG_CLEAR_MASK: c->mask = 0; break;
    default: c->mask = val & 0x0f; break;
    }
}
