/*
 * ide.h - an IDE channel: two drives on one set of registers, the bus master, one interrupt line.
 */
#ifndef DEVICES_STORAGE_IDE_H
#define DEVICES_STORAGE_IDE_H

#include "devices/storage/ata.h"
#include "devices/storage/bmdma.h"

struct ide_channel {
    struct ata drive[2];
    struct bmdma bm;
    uint8_t selected;
    bool line; /* the interrupt line as it was last */
};

extern const struct ssm_field ide_fields[];
bool ide_check(const struct ide_channel *c);

void ide_reset(struct ide_channel *c);
uint8_t ide_read(struct ide_channel *c, unsigned reg);
void ide_write(struct ide_channel *c, unsigned reg, uint8_t val);
uint8_t ide_read_alternate(const struct ide_channel *c);
void ide_write_control(struct ide_channel *c, uint8_t val);
size_t ide_data_in(struct ide_channel *c, void *to, size_t bytes);
size_t ide_data_out(struct ide_channel *c, const void *from, size_t bytes);
/** ide_dma() - lets the bus master move what a drive has ready. */
void ide_dma(struct ide_channel *c, const struct bmdma_memory *mem);
/** ide_update_line() - computes the interrupt line; its rising edge latches in the bus master's status. */
bool ide_update_line(struct ide_channel *c);

#endif
