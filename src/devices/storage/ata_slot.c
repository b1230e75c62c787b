/*
 * ata_slot.c - see ata_slot.h.
 */
#include "devices/storage/ata_slot.h"

#include <string.h>

void ata_connect(struct ata *d, const struct pdm_block *b, bool changed)
{
    const bool disc = d->id.kind == ATA_KIND_CDROM;

    d->host = disc && b && b->packets != PDM_PACKETS_NONE;
    d->host_all = d->host && b->packets == PDM_PACKETS_ALL;
    ata_medium(d, b ? b->size_bytes / (disc ? ATA_CD_BYTES : ATA_SECTOR_BYTES) : 0, b && b->read_only, changed);
}

void ata_slot_connect(struct ata_slot *slot, struct ata *d, struct pdm_block *block, bool changed)
{
    slot->block = block;
    ata_connect(d, block, changed);
}

void ata_packet_begin(const struct ata *d, struct pdm_block_packet *p)
{
    *p = (struct pdm_block_packet){.to_drive = d->io.op == ATA_IO_PACKET && atapi_host_to_drive(d)};
    memcpy(p->cdb, d->packet, sizeof(p->cdb));
}

void ata_packet_end(struct ata *d, const struct pdm_block_packet *p)
{
    d->answer.moved = (uint32_t)p->moved;
    d->answer.sense = (struct ata_sense){p->key, p->asc, p->ascq};
}

/* A loaded state may ask for anything. A drive of the host's knows best what it has. */
static bool inside(const struct pdm_block *b, const struct ata_io *io)
{
    if (b->packets != PDM_PACKETS_NONE)
        return io->op == ATA_IO_READ || io->op == ATA_IO_PACKET;
    return io->op != ATA_IO_PACKET && io->offset_bytes <= b->size_bytes &&
           io->bytes <= b->size_bytes - io->offset_bytes && (io->op == ATA_IO_READ || !b->read_only);
}

bool ata_slot_request(struct ata_slot *slot, struct ata *d, void (*done)(struct pdm_dev *, struct pdm_block_req *))
{
    static const enum pdm_block_op ops[ATA_IO_OPS] = {[ATA_IO_READ] = PDM_BLOCK_READ,
                                                      [ATA_IO_WRITE] = PDM_BLOCK_WRITE,
                                                      [ATA_IO_FLUSH] = PDM_BLOCK_FLUSH,
                                                      [ATA_IO_DISCARD] = PDM_BLOCK_DISCARD,
                                                      [ATA_IO_PACKET] = PDM_BLOCK_PACKET};

    if (!slot->block || (d->io.op != ATA_IO_FLUSH && !inside(slot->block, &d->io))) {
        ata_io_done(d, d->io.op == ATA_IO_FLUSH ? 0 : -1);
        return false;
    }
    slot->req = (struct pdm_block_req){.op = ops[d->io.op],
                                       .offset_bytes = d->io.offset_bytes,
                                       .buf = slot->buf,
                                       .bytes = d->io.bytes,
                                       .packet = slot->block->packets ? &slot->packet : NULL,
                                       .done = done,
                                       .user = slot,
                                       .generation = d->io_serial};
    ata_packet_begin(d, &slot->packet);
    if (d->io.op == ATA_IO_WRITE || slot->packet.to_drive)
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
    ata_packet_end(d, &slot->packet);
    if ((req->op == PDM_BLOCK_READ || (req->op == PDM_BLOCK_PACKET && !slot->packet.to_drive)) && req->status == 0)
        memcpy(d->buf, slot->buf, req->bytes);
    ata_io_done(d, req->status);
}
