/*
 * cfi_flash.h - a NOR flash with the Intel command set as a pure state machine round a block of bytes.
 */
#ifndef DEVICES_FIRMWARE_CFI_FLASH_H
#define DEVICES_FIRMWARE_CFI_FLASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CFI_FLASH_BLOCK_BYTES = 4096 };

struct cfi_flash {
    uint8_t *bytes; /* the array; the owner's */
    size_t size;    /* a multiple of CFI_FLASH_BLOCK_BYTES */
    uint8_t mode;   /* what reads give: the command that chose it */
    uint8_t armed;  /* first cycle of a two-cycle command, 0 = none */
    uint8_t status;
    bool dirty; /* the array changed since the owner cleared this */
};

void cfi_flash_reset(struct cfi_flash *c);
/** cfi_flash_read(), cfi_flash_write() - @size 1-8 bytes; offsets beyond the array read ones and write nothing. */
uint64_t cfi_flash_read(const struct cfi_flash *c, uint64_t off, unsigned size);
void cfi_flash_write(struct cfi_flash *c, uint64_t off, uint64_t val, unsigned size);
/** cfi_flash_settled() - the last command is done with: reads give the array. */
bool cfi_flash_settled(const struct cfi_flash *c);

#endif
