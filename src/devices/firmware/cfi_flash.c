/*
 * cfi_flash.c - a NOR flash with the Intel command set.
 *
 * Source: Intel StrataFlash 28F128J3A data sheet, order 290667 [DS]: 4.0 (command definitions), 4.4 (status register).
 * Left out: write buffer, suspend, lock bits, and the CFI query: firmware that knows the part does not ask. Programming
 * and erasing take no time, so the part is always ready.
 * Deviation: the status register reads 00h after a clear (the ready bit too), and 80h after an operation: EDK II tells
 * flash from RAM and ROM by exactly that.
 */
#include "devices/firmware/cfi_flash.h"

#include <string.h>

enum {
    CMD_PROGRAM = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM_ALT = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_CONFIRM = 0xd0,
    CMD_READ_ARRAY = 0xff
};
enum { STATUS_READY = 0x80, STATUS_ERASE_ERROR = 0x20, STATUS_PROGRAM_ERROR = 0x10, ID_MAKER = 0x89, ID_DEVICE = 0x18 };

void cfi_flash_reset(struct cfi_flash *c)
{
    c->mode = CMD_READ_ARRAY;
    c->armed = 0;
    c->status = 0;
}

static bool inside(const struct cfi_flash *c, uint64_t off, unsigned size)
{
    return off < c->size && size <= c->size - off;
}

uint64_t cfi_flash_read(const struct cfi_flash *c, uint64_t off, unsigned size)
{
    uint64_t val = 0;

    if (c->mode == CMD_READ_STATUS)
        return c->status;
    if (c->mode == CMD_READ_ID)
        return (off & 1) ? ID_DEVICE : ID_MAKER;
    if (!inside(c, off, size))
        return UINT64_MAX;
    memcpy(&val, c->bytes + off, size);
    return val;
}

/* Programming only clears bits. [DS 4.6] */
static void program(struct cfi_flash *c, uint64_t off, uint64_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        c->bytes[off + i] &= (uint8_t)(val >> 8 * i);
    c->dirty = true;
    c->status |= STATUS_READY;
}

static void second_cycle(struct cfi_flash *c, uint64_t off, uint64_t val, unsigned size)
{
    const uint8_t command = c->armed;

    c->armed = 0;
    c->mode = CMD_READ_STATUS;
    if (command == CMD_PROGRAM) {
        program(c, off, val, size);
    } else if ((uint8_t)val == CMD_CONFIRM) {
        memset(c->bytes + (off & ~(uint64_t)(CFI_FLASH_BLOCK_BYTES - 1)), 0xff, CFI_FLASH_BLOCK_BYTES);
        c->dirty = true;
        c->status |= STATUS_READY;
    } else {
        c->status |= STATUS_READY | STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR; /* command sequence error [DS 4.4] */
    }
}

bool cfi_flash_settled(const struct cfi_flash *c)
{
    return c->mode == CMD_READ_ARRAY;
}

void cfi_flash_write(struct cfi_flash *c, uint64_t off, uint64_t val, unsigned size)
{
    if (!inside(c, off, size))
        return;
    if (c->armed) {
        second_cycle(c, off, val, size);
        return;
    }
    switch ((uint8_t)val) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
        c->armed = CMD_PROGRAM;
        c->mode = CMD_READ_STATUS;
        break;
    case CMD_ERASE:
        c->armed = CMD_ERASE;
        c->mode = CMD_READ_STATUS;
        break;
    case CMD_CLEAR_STATUS:
        c->status = 0;
        c->mode = CMD_READ_ARRAY;
        break;
    case CMD_READ_STATUS: c->mode = CMD_READ_STATUS; break;
    case CMD_READ_ID: c->mode = CMD_READ_ID; break;
    default: c->mode = CMD_READ_ARRAY; break;
    }
}
