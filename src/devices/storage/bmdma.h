/*
 * bmdma.h - one channel of the PCI IDE bus master: three registers and the walk through the descriptor table.
 */
#ifndef DEVICES_STORAGE_BMDMA_H
#define DEVICES_STORAGE_BMDMA_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/ssm/field.h"

enum { BMDMA_START = 0x01, BMDMA_TO_MEMORY = 0x08 };
enum { BMDMA_ACTIVE = 0x01, BMDMA_ERROR = 0x02, BMDMA_INTERRUPT = 0x04, BMDMA_CAPABLE = 0x60 };

struct bmdma {
    uint8_t command, status;
    uint32_t table_gpa;
    /* the region under way */
    uint32_t entry_gpa, addr_gpa, left_bytes;
    bool last;
};

/** Guest memory as the bus master sees it. */
struct bmdma_memory {
    void *ctx;
    void (*read)(void *ctx, uint64_t gpa, void *buf, size_t bytes);
    void (*write)(void *ctx, uint64_t gpa, const void *buf, size_t bytes);
};

extern const struct ssm_field bmdma_fields[];

void bmdma_reset(struct bmdma *b);
uint8_t bmdma_read(const struct bmdma *b, unsigned off);
void bmdma_write(struct bmdma *b, unsigned off, uint8_t val);
/** bmdma_move() - up to @bytes between @buf and the regions; returns how many: fewer when the table ended. */
uint32_t bmdma_move(struct bmdma *b, const struct bmdma_memory *mem, uint8_t *buf, uint32_t bytes, bool to_memory);

#endif
