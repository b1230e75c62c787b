/*
 * ata_slot.c - see ata_slot.h.
 */
#include "devices/storage/ata_slot.h"

#include <string.h>

/* A loaded state may ask for anything. */
static bool inside(const struct pdm_block *b, const struct ata_io *io)
{
    return io->offset_bytes <= b->size_bytes && io->bytes <= b->size_bytes - io->offset_bytes &&
           (io->op == ATA_IO_READ || !b->read_only);
}

bool ata_slot_request(struct ata_slot *slot, struct ata *d, void (*done)(struct pdm_dev *, struct pdm_block_req *))
{
    static const enum pdm_block_op ops[ATA_IO_OPS] = {[ATA_IO_READ] = PDM_BLOCK_READ,
                                                      [ATA_IO_WRITE] = PDM_BLOCK_WRITE,
                                                      [ATA_IO_FLUSH] = PDM_BLOCK_FLUSH,
                                                      [ATA_IO_DISCARD] = PDM_BLOCK_DISCARD};

    if (!slot->block || (d->io.op != ATA_IO_FLUSH && !inside(slot->block, &d->io))) {
        ata_io_done(d, d->io.op == ATA_IO_FLUSH ? 0 : -1);
        return false;
    }
    slot->req = (struct pdm_block_req){.op = ops[d->io.op],
                                       .offset_bytes = d->io.offset_bytes,
                                       .buf = slot->buf,
                                       .bytes = d->io.bytes,
                                       .done = done,
                                       .user = slot,
                                       .generation = d->io_serial};
    if (d->io.op == ATA_IO_WRITE)
        memcpy(slot->buf, d->buf, d->io.bytes);
    slot->in_flight = true;
    return true;
}

void ata_slot_answered(struct ata_slot *slot, struct ata *d)
{
    const struct pdm_block_req *req = &slot->req;

    slot->in_flight = false;
    if (d->io.op == ATA_IO_NONE || d->io_serial != req->generation)
        return;
    if (req->op == PDM_BLOCK_READ && req->status == 0)
        memcpy(d->buf, slot->buf, req->bytes);
    ata_io_done(d, req->status);
}
