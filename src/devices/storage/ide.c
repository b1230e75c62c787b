/*
 * ide.c - an IDE channel: see ide.h.
 *
 * Source: ATA/ATAPI-6 sections 7.1 (both devices see every register write), 9.16 (channels with one device), 9.10
 * (EXECUTE DEVICE DIAGNOSTIC goes to both), SFF-8038i for the interrupt latch.
 * An empty channel reads 7fh: the bus floats high but for D7, which the host pulls down.
 */
#include "devices/storage/ide.h"

#include <string.h>

#define FLOATING       0x7f
#define CMD_DIAGNOSTIC 0x90

const struct ssm_field ide_fields[] = {
    SSM_STRUCTS(struct ide_channel, drive, ata_fields),
    SSM_STRUCT(struct ide_channel, bm, bmdma_fields),
    SSM_U8(struct ide_channel, selected),
    SSM_BOOL(struct ide_channel, line),
    SSM_END,
};

bool ide_check(const struct ide_channel *c)
{
    return c->selected <= 1 && ata_check(&c->drive[0]) && ata_check(&c->drive[1]);
}

static bool present(const struct ata *d)
{
    return d->id.kind != ATA_KIND_NONE;
}

static bool empty(const struct ide_channel *c)
{
    return !present(&c->drive[0]) && !present(&c->drive[1]);
}

void ide_reset(struct ide_channel *c)
{
    ata_reset(&c->drive[0], true);
    ata_reset(&c->drive[1], true);
    bmdma_reset(&c->bm);
    c->selected = 0;
    c->line = false;
}

uint8_t ide_read(struct ide_channel *c, unsigned reg)
{
    struct ata *d = &c->drive[c->selected];

    if (empty(c) || (c->selected == 0 && !present(d)))
        return FLOATING;
    if (present(d))
        return ata_read(d, reg);
    /* 9.16.1: device 0 answers for the missing device 1; status reads 00h */
    if (reg == ATA_COMMAND)
        return 0;
    return reg == ATA_DEVICE ? ata_read(&c->drive[0], reg) | ATA_DEV : ata_read(&c->drive[0], reg);
}

uint8_t ide_read_alternate(const struct ide_channel *c)
{
    const struct ata *d = &c->drive[c->selected];

    if (empty(c) || (c->selected == 0 && !present(d)))
        return FLOATING;
    return present(d) ? ata_status(d) : 0;
}

void ide_write(struct ide_channel *c, unsigned reg, uint8_t val)
{
    if (reg == ATA_COMMAND && val != CMD_DIAGNOSTIC) {
        ata_write(&c->drive[c->selected], reg, val);
        return;
    }
    if (reg == ATA_DEVICE)
        c->selected = val & ATA_DEV ? 1 : 0;
    ata_write(&c->drive[0], reg, val);
    ata_write(&c->drive[1], reg, val);
    if (reg == ATA_COMMAND) { /* both ran their diagnostics; device 0 speaks for both */
        c->selected = 0;
        c->drive[1].intrq = false;
    }
}

void ide_write_control(struct ide_channel *c, uint8_t val)
{
    bool reset = c->drive[0].control & ATA_SRST;

    ata_write_control(&c->drive[0], val);
    ata_write_control(&c->drive[1], val);
    if (reset && !(val & ATA_SRST))
        c->selected = 0;
}

size_t ide_data_in(struct ide_channel *c, void *to, size_t bytes)
{
    return ata_data_in(&c->drive[c->selected], to, bytes);
}

size_t ide_data_out(struct ide_channel *c, const void *from, size_t bytes)
{
    return ata_data_out(&c->drive[c->selected], from, bytes);
}

void ide_dma(struct ide_channel *c, const struct bmdma_memory *mem)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *buf = NULL;
        bool to_memory = false;
        uint32_t want = ata_dma_want(&c->drive[i], &buf, &to_memory);

        if (want && (c->bm.status & BMDMA_ACTIVE))
            ata_dma_moved(&c->drive[i], bmdma_move(&c->bm, mem, buf, want, to_memory));
    }
}

bool ide_update_line(struct ide_channel *c)
{
    const struct ata *d = &c->drive[c->selected];
    bool level = d->intrq && !(d->control & ATA_NIEN);

    if (level && !c->line)
        c->bm.status |= BMDMA_INTERRUPT;
    c->line = level;
    return level;
}
