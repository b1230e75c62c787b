/*
 * scsi_cd.c - DVD drives behind a SCSI adapter: the packet commands of atapi.c with another way for their data.
 *
 * A drive is a struct ata that only ever gets PACKET with DMA; its data phases become moves to and from the task's
 * memory, its requests go to the driver with a buffer of the drive's. What outlives a command - sense, attention, lock,
 * tray - is copied into the unit after each, so that it is saved with it.
 * Sources: see atapi.c. Invariant 1: at most one request per drive is with its driver.
 */
#include "devices/storage/ata_slot.h"
#include "devices/storage/scsi_bus_int.h"

#include <string.h>

struct scsi_drive {
    struct scsi_task *now, *first, *last;
    struct pdm_block_req req;
    struct pdm_block_packet packet;
    bool in_flight;
    uint8_t *buf; /* ATA_BUF_BYTES; NULL: no drive */
    struct scsi_bus *bus;
};

struct scsi_drive *scsi_cd_drives(unsigned units)
{
    return g_new0(struct scsi_drive, units);
}

void scsi_cd_new(struct scsi_bus *bus, unsigned unit)
{
    struct ata *d = g_new0(struct ata, 1);

    d->id.kind = ATA_KIND_CDROM;
    g_strlcpy(d->id.model, "VBOX CD-ROM", sizeof(d->id.model));
    g_strlcpy(d->id.firmware, "1.0", sizeof(d->id.firmware));
    bus->unit[unit].cd = d;
    bus->drive[unit].buf = g_malloc0(ATA_BUF_BYTES);
    bus->drive[unit].bus = bus;
    ata_reset(d, true);
}

void scsi_cd_free(struct scsi_bus *bus)
{
    for (unsigned i = 0; bus->drive && i < bus->units; i++) {
        g_clear_pointer(&bus->unit[i].cd, g_free);
        g_free(bus->drive[i].buf);
    }
    g_clear_pointer(&bus->drive, g_free);
}

bool scsi_cd_busy(const struct scsi_bus *bus)
{
    for (unsigned i = 0; i < bus->units; i++)
        if (bus->drive[i].in_flight)
            return true;
    return false;
}

/* ---- what outlives a command ---- */

static void keep(struct scsi_unit *u)
{
    u->sense = u->cd->sense;
    u->attention = u->cd->attention;
    u->locked = u->cd->locked;
    u->tray_open = u->cd->tray_open;
    u->media_event = u->cd->media_event;
}

void scsi_cd_reset(struct scsi_bus *bus, unsigned unit)
{
    if (!bus->unit[unit].cd)
        return;
    ata_reset(bus->unit[unit].cd, true);
    bus->unit[unit].cd->io_serial++;
    keep(&bus->unit[unit]);
}

void scsi_cd_connect(struct scsi_bus *bus, unsigned unit, bool changed)
{
    struct scsi_unit *u = &bus->unit[unit];

    ata_connect(u->cd, u->block, changed);
    keep(u);
}

void scsi_cd_loaded(struct scsi_bus *bus, unsigned unit)
{
    struct scsi_unit *u = &bus->unit[unit];

    if (!u->cd)
        return;
    ata_reset(u->cd, false);
    u->cd->sense = u->sense;
    u->cd->attention = u->attention;
    u->cd->locked = u->locked;
    u->cd->tray_open = u->tray_open;
    u->cd->media_event = u->media_event;
    if (u->tray_open)
        u->cd->sectors = 0; /* the guest ejected it before the state was saved */
}

/* ---- commands ---- */

static void work(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit);

static void end_now(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit, bool parked)
{
    struct scsi_drive *drive = &bus->drive[unit];
    struct scsi_task *t = drive->now;

    drive->now = NULL;
    t->parked = parked;
    scsi_task_end(dev, bus, t);
}

static void finish(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit)
{
    struct scsi_unit *u = &bus->unit[unit];
    struct scsi_task *t = bus->drive[unit].now;

    t->cmd.status = u->cd->status & ATA_ERR ? SCSI_CHECK_CONDITION : SCSI_GOOD;
    if (t->cmd.status)
        t->cmd.sense = u->cd->sense;
    keep(u);
    end_now(dev, bus, unit, false);
}

static void answered(struct pdm_dev *dev, struct pdm_block_req *req)
{
    struct scsi_drive *drive = req->user;
    struct scsi_bus *bus = drive->bus;
    const unsigned unit = (unsigned)(drive - bus->drive);
    struct ata *d = bus->unit[unit].cd;

    drive->in_flight = false;
    if (d->io.op != ATA_IO_NONE && d->io_serial == req->generation) {
        ata_packet_end(d, &drive->packet);
        if (!drive->packet.to_drive && req->status == 0)
            memcpy(d->buf, drive->buf, req->bytes);
        ata_io_done(d, req->status);
    }
    work(dev, bus, unit);
    bus->pool.pump(dev);
}

/* Gives the request to the driver, or answers it at once. */
static void submit(struct scsi_bus *bus, unsigned unit)
{
    struct scsi_unit *u = &bus->unit[unit];
    struct scsi_drive *drive = &bus->drive[unit];
    struct ata *d = u->cd;
    const bool host = u->block && u->block->packets != PDM_PACKETS_NONE;
    const bool inside = u->block && d->io.offset_bytes <= u->block->size_bytes &&
                        d->io.bytes <= u->block->size_bytes - d->io.offset_bytes;

    if (!(d->io.op == ATA_IO_READ && (inside || host)) &&
        !(d->io.op == ATA_IO_PACKET && host)) { /* nothing is ever written, so a flush succeeds */
        ata_io_done(d, d->io.op == ATA_IO_FLUSH ? 0 : -1);
        return;
    }
    ata_packet_begin(d, &drive->packet);
    if (drive->packet.to_drive)
        memcpy(drive->buf, d->buf, d->io.bytes);
    drive->req = (struct pdm_block_req){.op = d->io.op == ATA_IO_READ ? PDM_BLOCK_READ : PDM_BLOCK_PACKET,
                                        .packet = host ? &drive->packet : NULL,
                                        .offset_bytes = d->io.offset_bytes,
                                        .buf = drive->buf,
                                        .bytes = d->io.bytes,
                                        .done = answered,
                                        .user = drive,
                                        .generation = d->io_serial};
    drive->in_flight = true; /* inv 1 */
    bus->pool.bytes_read += d->io.bytes;
    u->block->submit(u->block, &drive->req);
}

static void move(struct pdm_dev *dev, struct scsi_task *t, struct ata *d)
{
    uint8_t *buf = NULL;
    bool to_host = false;
    const uint32_t want = ata_dma_want(d, &buf, &to_host);
    const uint64_t room = t->data_bytes - t->moved;
    const size_t n = t->to_guest == to_host ? disk_io_move(dev, t->io, buf, (size_t)MIN(want, room), to_host) : 0;

    t->moved += n;
    t->overrun |= n < want;
    ata_dma_moved(d, want);
}

/* The drive's queue, as far as it comes without its medium. */
static void work(struct pdm_dev *dev, struct scsi_bus *bus, unsigned unit)
{
    struct scsi_drive *drive = &bus->drive[unit];
    struct ata *d = bus->unit[unit].cd;

    while (!drive->in_flight && (drive->now || drive->first)) {
        if (!drive->now) {
            drive->now = drive->first;
            drive->first = drive->now->next;
            d->feature[0] = 1; /* DMA */
            d->lba_mid[0] = 0xfe;
            d->lba_high[0] = 0xff;
            ata_write(d, ATA_COMMAND, 0xa0);
        }
        if (bus->pool.suspended && d->phase == ATA_MEDIA) {
            ata_reset(d, false);
            end_now(dev, bus, unit, true);
            continue;
        }
        switch (d->phase) {
        case ATA_PACKET: ata_data_out(d, drive->now->cmd.cdb, sizeof(d->packet)); break;
        case ATA_MEDIA: submit(bus, unit); break;
        case ATA_DMA_IN:
        case ATA_DMA_OUT: move(dev, drive->now, d); break;
        default: finish(dev, bus, unit); break;
        }
    }
}

void scsi_cd_run(struct pdm_dev *dev, struct scsi_bus *bus, struct scsi_task *t)
{
    struct scsi_drive *drive = &bus->drive[t->unit];

    t->next = NULL;
    if (drive->first)
        drive->last->next = t;
    else
        drive->first = t;
    drive->last = t;
    work(dev, bus, t->unit);
}

void scsi_cd_drop(struct scsi_bus *bus, struct scsi_task *t)
{
    struct scsi_drive *drive = &bus->drive[t->unit];
    struct scsi_task *before = NULL;

    if (drive->now == t) {
        drive->now = NULL;
        bus->unit[t->unit].cd->io_serial++; /* the answer will be nobody's, and start the next one */
        ata_reset(bus->unit[t->unit].cd, false);
        return;
    }
    for (struct scsi_task *at = drive->first; at; before = at, at = at->next) {
        if (at != t)
            continue;
        if (before)
            before->next = t->next;
        else
            drive->first = t->next;
        if (drive->last == t)
            drive->last = before;
        return;
    }
}
