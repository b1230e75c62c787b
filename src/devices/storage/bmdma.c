/*
 * bmdma.c - the PCI IDE bus master: see bmdma.h.
 *
 * Source: Programming Interface for Bus Master IDE Controller, rev. 1.0 (SFF-8038i); Intel 82371AB (PIIX4) data
 * sheet, section 9.2.
 * The direction of a transfer is the drive's; the direction bit only reads back.
 * Invariant 1: one call of bmdma_move() reads at most bytes / 2 + 1 descriptors: each has at least 2 bytes, the
 *              smallest count a descriptor can express.
 */
#include "devices/storage/bmdma.h"

const struct ssm_field bmdma_fields[] = {
    SSM_U8(struct bmdma, command),    SSM_U8(struct bmdma, status),
    SSM_U32(struct bmdma, table_gpa), SSM_U32(struct bmdma, entry_gpa),
    SSM_U32(struct bmdma, addr_gpa),  SSM_U32(struct bmdma, left_bytes),
    SSM_BOOL(struct bmdma, last),     SSM_END,
};

void bmdma_reset(struct bmdma *b)
{
    *b = (struct bmdma){};
}

uint8_t bmdma_read(const struct bmdma *b, unsigned off)
{
    switch (off) {
    case 0: return b->command;
    case 2: return b->status;
    case 4:
    case 5:
    case 6:
    case 7: return (uint8_t)(b->table_gpa >> (off - 4) * 8);
    default: return 0;
    }
}

static void write_command(struct bmdma *b, uint8_t val)
{
    bool was = b->command & BMDMA_START;

    b->command = val & (BMDMA_START | BMDMA_TO_MEMORY);
    if (!was && (val & BMDMA_START)) {
        b->status |= BMDMA_ACTIVE;
        b->entry_gpa = b->table_gpa;
        b->left_bytes = 0;
        b->last = false;
    } else if (was && !(val & BMDMA_START)) {
        b->status &= (uint8_t)~BMDMA_ACTIVE; /* an unfinished transfer is lost */
    }
}

void bmdma_write(struct bmdma *b, unsigned off, uint8_t val)
{
    switch (off) {
    case 0: write_command(b, val); break;
    case 2:
        b->status &= (uint8_t) ~(val & (BMDMA_ERROR | BMDMA_INTERRUPT)); /* written ones clear */
        b->status = (uint8_t)((b->status & ~BMDMA_CAPABLE) | (val & BMDMA_CAPABLE));
        break;
    case 4:
    case 5:
    case 6:
    case 7: {
        unsigned shift = (off - 4) * 8;

        b->table_gpa = ((b->table_gpa & ~(0xffu << shift)) | (uint32_t)val << shift) & ~3u;
        break;
    }
    default: break;
    }
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Takes the next descriptor; the table may not cross a 64 KiB boundary, so the pointer wraps within it. */
static void next_region(struct bmdma *b, const struct bmdma_memory *mem)
{
    uint8_t prd[8];

    mem->read(mem->ctx, b->entry_gpa, prd, sizeof(prd));
    b->addr_gpa = le32(prd) & ~1u;
    b->left_bytes = le32(prd + 4) & 0xfffe;
    if (b->left_bytes == 0)
        b->left_bytes = 65536;
    b->last = prd[7] & 0x80;
    b->entry_gpa = (b->entry_gpa & ~0xffffu) | ((b->entry_gpa + 8) & 0xffff);
}

uint32_t bmdma_move(struct bmdma *b, const struct bmdma_memory *mem, uint8_t *buf, uint32_t bytes, bool to_memory)
{
    uint32_t done = 0;

    while (done < bytes && (b->status & BMDMA_ACTIVE)) {
        uint32_t n;

        if (b->left_bytes == 0)
            next_region(b, mem);
        n = bytes - done < b->left_bytes ? bytes - done : b->left_bytes;
        if (to_memory)
            mem->write(mem->ctx, b->addr_gpa, buf + done, n);
        else
            mem->read(mem->ctx, b->addr_gpa, buf + done, n);
        b->addr_gpa += n;
        b->left_bytes -= n;
        done += n;
        if (b->left_bytes == 0 && b->last)
            b->status &= (uint8_t)~BMDMA_ACTIVE;
    }
    return done;
}
