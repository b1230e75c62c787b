/*
 * ata_slot.h - a drive's own request on its way to its medium, for the controllers that hold ATA drives.
 *
 * One request and one buffer per drive, so a drive that was reset while its medium worked never sees the old answer:
 * the request's number is no longer the drive's. Locks: the controller's device lock.
 */
#ifndef DEVICES_STORAGE_ATA_SLOT_H
#define DEVICES_STORAGE_ATA_SLOT_H

#include "devices/storage/ata.h"
#include "vmm/pdm/dev.h"

struct ata_slot {
    struct pdm_block *block; /* NULL: no medium */
    struct pdm_block_req req;
    struct pdm_block_packet packet;
    bool in_flight;
    uint8_t buf[ATA_BUF_BYTES];
};

/** ata_slot_connect() - what is at the drive now: its size, and whether it is a drive of the host's. */
void ata_slot_connect(struct ata_slot *slot, struct ata *d, struct pdm_block *block, bool changed);
/** The same of a drive without a slot; @block may be NULL. */
void ata_connect(struct ata *d, const struct pdm_block *block, bool changed);
/** ata_packet_begin() - the drive's command for the host's drive. */
void ata_packet_begin(const struct ata *d, struct pdm_block_packet *p);
/** ata_packet_end() - what came of it. */
void ata_packet_end(struct ata *d, const struct pdm_block_packet *p);
/**
 * ata_slot_request() - makes slot->req of what @d wants of its medium; then it is in flight, and the caller submits it.
 *   @done gets the slot as the request's user. False: answered at once (no medium, or a place it has not; a flush of
 *   nothing succeeds).
 */
bool ata_slot_request(struct ata_slot *slot, struct ata *d, void (*done)(struct pdm_dev *, struct pdm_block_req *));
/** ata_slot_answered() - the medium's answer to @d, unless the drive no longer waits for it. */
void ata_slot_answered(struct ata_slot *slot, struct ata *d);

#endif
