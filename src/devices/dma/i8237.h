/*
 * i8237.h - one 8237A DMA controller as a pure state machine: registers, four channels, positions. Moving the bytes is
 * the adapter's business.
 */
#ifndef DEVICES_DMA_I8237_H
#define DEVICES_DMA_I8237_H

#include <stdbool.h>
#include <stdint.h>

enum { I8237_CHANNELS = 4 };
enum {
    I8237_MODE_TYPE = 0x0c,
    I8237_MODE_VERIFY = 0x00,
    I8237_MODE_WRITE = 0x04,
    I8237_MODE_READ = 0x08,
    I8237_MODE_AUTO = 0x10,
    I8237_MODE_DOWN = 0x20,
    I8237_MODE_CASCADE = 0xc0
};

struct i8237_channel {
    uint16_t base_address, base_count; /* as written */
    uint16_t address, count;           /* current; count runs to FFFFh */
    uint8_t mode;
    uint32_t generation; /* changes when the guest changes the channel */
};
struct i8237 {
    struct i8237_channel ch[I8237_CHANNELS];
    uint8_t command, status, mask, request, temporary;
    uint8_t dreq;   /* input levels */
    bool high_byte; /* the flip-flop */
};

void i8237_reset(struct i8237 *c);
uint8_t i8237_read(struct i8237 *c, unsigned reg);
void i8237_write(struct i8237 *c, unsigned reg, uint8_t val);
void i8237_dreq(struct i8237 *c, unsigned n, bool level);
/** i8237_ready() - whether channel @n would be granted the bus. */
bool i8237_ready(const struct i8237 *c, unsigned n);
/** i8237_position() - transfers done of the block, 0 to i8237_size() - 1. */
uint32_t i8237_position(const struct i8237 *c, unsigned n);
uint32_t i8237_size(const struct i8237 *c, unsigned n);
/** i8237_address() - current address register as it was or will be at @position of the block. */
uint16_t i8237_address(const struct i8237 *c, unsigned n, uint32_t position);
/** i8237_advance() - the block has come to @position; i8237_size() = terminal count. */
void i8237_advance(struct i8237 *c, unsigned n, uint32_t position);

#endif
