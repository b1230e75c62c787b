/*
 * pci_ahci.c - the SATA controller of ICH8M: an AHCI host bus adapter on PCI with up to 30 ports.
 *
 * Source: Intel ICH8 family data sheet (document 313056), section 12.1 (configuration of D31:F2); AHCI 1.3.1, 2.1.
 * Drives: a letter per port in the configuration - H hard disk, h one that may come and go, D DVD drive, - nothing;
 * without any, what hangs on the LUNs decides. A DVD drive may be empty, a port of kind h, too.
 * A drive's own request is an ata_slot.h; queued commands are transfers of disk_io.h.
 * Left out: the index/data pair, power management capability, IDE mode (SeaBIOS and OVMF drive AHCI).
 * Locks: every callback, also the completions, runs under the device lock.
 * Invariant 1: at most one request per drive is with its driver, besides queued commands.
 */
#include <string.h>

#include "devices/pci/pci_cap.h"
#include "devices/storage/ahci.h"
#include "devices/storage/ata_slot.h"
#include "devices/storage/disk_io.h"

#define TRANSFERS   64u
#define CFG_MSI     0x80u
#define PRDS_ATONCE 128u

struct pci_ahci {
    struct ahci hba;
    struct disk_pool pool;
    struct ata_slot slot[AHCI_PORTS_MAX];
    bool hotplug[AHCI_PORTS_MAX];
    pdm_region region;
    uint64_t events_sent;
    bool suspended;
};

/* ---- bringing the outside up to date ---- */

static void irq_sync(struct pdm_dev *dev)
{
    struct pci_ahci *s = pdm_state(dev);
    const bool level = ahci_irq(&s->hba), msi = pci_msi_enabled(dev, CFG_MSI);

    if (msi && level && s->hba.events != s->events_sent)
        pci_msi_send(dev, CFG_MSI);
    s->events_sent = s->hba.events;
    pdm_pci_irq_set(dev, level && !msi);
}

static void port_sync(struct pdm_dev *dev, unsigned port);

static void answered(struct pdm_dev *dev, struct pdm_block_req *req)
{
    struct pci_ahci *s = pdm_state(dev);
    struct ata_slot *slot = req->user;
    const unsigned port = (unsigned)(slot - s->slot);

    ata_slot_answered(slot, &s->hba.port[port].drive);
    port_sync(dev, port);
    irq_sync(dev);
}

/* Gives the drive's request to its driver; false = it is answered already. */
static bool submit(struct pdm_dev *dev, unsigned port)
{
    struct pci_ahci *s = pdm_state(dev);
    struct ata_slot *slot = &s->slot[port];

    if (!ata_slot_request(slot, &s->hba.port[port].drive, answered))
        return false;
    s->pool.bytes_read += slot->req.op == PDM_BLOCK_READ ? slot->req.bytes : 0;
    s->pool.bytes_written += slot->req.op == PDM_BLOCK_WRITE ? slot->req.bytes : 0;
    s->pool.flushes += slot->req.op == PDM_BLOCK_FLUSH;
    if (!pdm_block_start(slot->block, &slot->req))
        return true;
    ata_slot_answered(slot, &s->hba.port[port].drive);
    return false;
}

/* ---- queued commands ---- */

static void more_prds(struct pdm_dev *dev, struct disk_io *io)
{
    const struct ahci_memory mem = {dev, disk_mem_read, disk_mem_write};
    struct ahci_prd prds[PRDS_ATONCE];
    unsigned n = MIN(io->list_count - io->list_next, PRDS_ATONCE);

    n = ahci_prds(&mem, io->list_gpa, io->list_next, n, prds);
    io->list_next += n;
    for (unsigned i = 0; i < n; i++)
        disk_io_run(io, prds[i].gpa, prds[i].bytes);
}

static void queued_end(struct pdm_dev *dev, const struct disk_io *io, int status)
{
    const struct ahci_memory mem = {dev, disk_mem_read, disk_mem_write};
    struct pci_ahci *s = pdm_state(dev);
    const uint64_t lba = (io->offset_bytes + io->moved) / ATA_SECTOR_BYTES;

    if (status == DISK_PARKED)
        ahci_untake(&s->hba, io->unit, io->tag);
    else if (status == DISK_SHORT)
        ahci_queued_short(&s->hba, io->unit, io->tag);
    else
        ahci_queued_done(&s->hba, io->unit, io->tag, status && io->op == PDM_BLOCK_READ ? AHCI_MEDIUM_READ : status,
                         lba, &mem);
}

static void queued_done(struct pdm_dev *dev, struct disk_io *io, int status)
{
    queued_end(dev, io, status);
    irq_sync(dev);
}

static void start_queued(struct pdm_dev *dev, unsigned port)
{
    const struct ahci_memory mem = {dev, disk_mem_read, disk_mem_write};
    struct pci_ahci *s = pdm_state(dev);
    struct ahci_queued q;
    struct disk_io *io;
    int status;

    while ((s->hba.port[port].queued & ~s->hba.port[port].running) && (io = disk_io_get(&s->pool))) {
        if (!ahci_take(&s->hba, port, &mem, &q)) {
            disk_io_put(&s->pool, io);
            return;
        }
        io->op = q.op == ATA_IO_WRITE ? PDM_BLOCK_WRITE : PDM_BLOCK_READ;
        io->offset_bytes = q.offset_bytes;
        io->bytes = q.bytes;
        io->durable = q.durable;
        io->unit = port;
        io->tag = q.slot;
        io->list_gpa = q.prd_gpa;
        io->list_count = q.prds;
        io->more = more_prds;
        io->done = queued_done;
        status = disk_io_start(dev, &s->pool, io, s->slot[port].block);
        if (status)
            queued_end(dev, io, status); /* its fields stay until it is taken again */
    }
}

/* All a port can do now. A drive's request that is answered at once has failed, so its command ends. */
static void port_sync(struct pdm_dev *dev, unsigned port)
{
    const struct ahci_memory mem = {dev, disk_mem_read, disk_mem_write};
    struct pci_ahci *s = pdm_state(dev);
    const struct ata_slot *slot = &s->slot[port];
    bool again = pdm_pci_bus_master(dev);

    while (again) {
        ahci_run(&s->hba, port, &mem);
        again = s->hba.port[port].drive.io.op != ATA_IO_NONE && !slot->in_flight && !s->suspended && !submit(dev, port);
    }
    if (pdm_pci_bus_master(dev))
        start_queued(dev, port);
}

static void ahci_sync(struct pdm_dev *dev)
{
    struct pci_ahci *s = pdm_state(dev);

    for (unsigned port = 0; port < s->hba.port_count; port++)
        port_sync(dev, port);
    irq_sync(dev);
}

/* A transfer is free again: queued commands may wait for it. */
static void pump(struct pdm_dev *dev)
{
    struct pci_ahci *s = pdm_state(dev);

    for (unsigned port = 0; port < s->hba.port_count; port++)
        if (s->hba.port[port].queued & ~s->hba.port[port].running)
            port_sync(dev, port);
    irq_sync(dev);
}

/* ---- registers ---- */

static uint64_t regs_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    struct pci_ahci *s = pdm_state(dev);

    (void)size;
    return ahci_read(&s->hba, (uint32_t)off);
}

static void regs_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct pci_ahci *s = pdm_state(dev);
    const uint32_t port = ((uint32_t)off - 0x100) / AHCI_PORT_BYTES;
    const uint32_t dropped = ahci_write(&s->hba, (uint32_t)off, (uint32_t)val);

    (void)size;
    for (unsigned i = 0; i < s->hba.port_count; i++)
        if (dropped >> i & 1)
            disk_pool_drop(&s->pool, i);
    if (off >= 0x100 && port < s->hba.port_count)
        port_sync(dev, port);
    irq_sync(dev);
}

static void cfg_written(struct pdm_dev *dev, uint8_t off, unsigned size)
{
    (void)off, (void)size;
    irq_sync(dev);
}

/* ---- drives ---- */

static void put_text(char *to, size_t room, const char *text, const char *otherwise)
{
    g_strlcpy(to, *text ? text : otherwise, room);
}

static void identify(struct pdm_dev *dev, unsigned port, enum ata_kind kind)
{
    struct pci_ahci *s = pdm_state(dev);
    struct ata_identity *id = &s->hba.port[port].drive.id;
    const struct pdm_block *b = pdm_lun_block(dev, port);
    char serial[sizeof(id->serial)];

    g_snprintf(serial, sizeof(serial), "VB00000000-%08x", port + 1);
    *id = (struct ata_identity){.kind = kind, .sata = true};
    if (b && kind == ATA_KIND_DISK) {
        id->trim = b->discard;
        id->non_rotational = b->non_rotational;
    }
    put_text(id->serial, sizeof(id->serial), b ? b->serial : "", serial);
    put_text(id->firmware, sizeof(id->firmware), "1.0", "");
    put_text(id->model, sizeof(id->model), b && kind == ATA_KIND_DISK ? b->model : "",
             kind == ATA_KIND_DISK ? "VBOX HARDDISK" : "VBOX CD-ROM");
}

static void connect(struct pdm_dev *dev, unsigned port, bool changed)
{
    struct pci_ahci *s = pdm_state(dev);
    struct ata *d = &s->hba.port[port].drive;

    ata_slot_connect(&s->slot[port], d, pdm_lun_block(dev, port), changed);
}

static void pci_ahci_media_changed(struct pdm_dev *dev, unsigned lun)
{
    struct pci_ahci *s = pdm_state(dev);
    struct ata *d;

    if (lun >= s->hba.port_count)
        return;
    d = &s->hba.port[lun].drive;
    disk_pool_drop(&s->pool, lun);
    if (s->hotplug[lun]) {
        d->io_serial++; /* what is under way was the old drive's */
        identify(dev, lun, pdm_lun_block(dev, lun) ? ATA_KIND_DISK : ATA_KIND_NONE);
        connect(dev, lun, false);
        ahci_plug(&s->hba, lun);
        irq_sync(dev);
    } else if (d->id.kind == ATA_KIND_CDROM) {
        connect(dev, lun, true);
    } else {
        s->slot[lun].block = pdm_lun_block(dev, lun); /* without a driver a disk's commands fail */
    }
}

static bool pci_ahci_media_locked(struct pdm_dev *dev, unsigned lun)
{
    const struct pci_ahci *s = pdm_state(dev);

    return lun < s->hba.port_count && s->hba.port[lun].drive.locked;
}

/* ---- life ---- */

static bool add_drive(struct pdm_dev *dev, unsigned port, char letter, GError **error)
{
    struct pci_ahci *s = pdm_state(dev);
    const struct pdm_block *b = pdm_lun_block(dev, port);
    enum ata_kind kind = ATA_KIND_NONE;

    switch (letter) {
    case '-': break;
    case 'D': kind = ATA_KIND_CDROM; break;
    case 'H':
    case 'h':
        s->hotplug[port] = letter == 'h';
        kind = b ? ATA_KIND_DISK : ATA_KIND_NONE;
        break;
    default:
        g_set_error(error, PDM_ERROR, 0, "ahci: Drives names port %u '%c'; it can be H, h, D or -", port, letter);
        return false;
    }
    if (letter == 'H' && !b) {
        g_set_error(error, PDM_ERROR, 0, "ahci: port %u is a hard disk, but no medium is attached", port);
        return false;
    }
    identify(dev, port, kind);
    return true;
}

static bool add_drives(struct pdm_dev *dev, GError **error)
{
    struct pci_ahci *s = pdm_state(dev);
    const char *letters = pdm_cfg_str(dev, "Drives");
    const size_t n = strlen(letters);

    if (n > s->hba.port_count) {
        g_set_error(error, PDM_ERROR, 0, "ahci: Drives names %zu ports, there are %u", n, s->hba.port_count);
        return false;
    }
    for (unsigned port = 0; port < s->hba.port_count; port++) {
        const struct pdm_block *b = pdm_lun_block(dev, port);
        const char found = !b ? '-' : b->sector_bytes == ATA_CD_BYTES ? 'D' : 'H';

        if (!add_drive(dev, port, n == 0 ? found : port < n ? letters[port] : '-', error))
            return false;
        connect(dev, port, false);
    }
    return true;
}

static bool pci_ahci_construct(struct pdm_dev *dev, GError **error)
{
    struct pci_ahci *s = pdm_state(dev);
    const struct pdm_mmio regs = {.name = "ahci",
                                  .size_bytes = AHCI_BAR_BYTES,
                                  .base_unmapped = true,
                                  .min_size = 4,
                                  .max_size = 4,
                                  .read = regs_read,
                                  .write = regs_write};
    struct pdm_pci pci = {.vendor = 0x8086,
                          .device = 0x2829,
                          .revision = 0x02,
                          .prog_if = 0x01,
                          .sub_class = 0x06,
                          .base_class = 0x01,
                          .int_pin = 1,
                          .bus_default_slot = 13,
                          .cfg_written = cfg_written};

    s->hba.port_count = (unsigned)pdm_cfg_u64(dev, "PortCount");
    disk_pool_init(dev, &s->pool, TRANSFERS, pump);
    if (!add_drives(dev, error) || !pdm_mmio_add(dev, &regs, &s->region, error))
        return false;
    pci.bars[5] = (struct pdm_pci_bar){.kind = PDM_BAR_MMIO, .size_bytes = AHCI_BAR_BYTES, .region = s->region};
    if (!pdm_pci_register(dev, &pci, error))
        return false;
    pci_cap_first(dev, CFG_MSI);
    pci_msi_init(dev, CFG_MSI);
    return true;
}

static void pci_ahci_destruct(struct pdm_dev *dev)
{
    disk_pool_fini(&((struct pci_ahci *)pdm_state(dev))->pool);
}

static void pci_ahci_reset(struct pdm_dev *dev)
{
    struct pci_ahci *s = pdm_state(dev);

    disk_pool_drop(&s->pool, DISK_ALL);
    for (unsigned port = 0; port < s->hba.port_count; port++)
        connect(dev, port, false);
    pci_msi_reset(dev, CFG_MSI, 0);
    ahci_reset(&s->hba);
}

static void pci_ahci_suspend(struct pdm_dev *dev)
{
    struct pci_ahci *s = pdm_state(dev);

    s->suspended = true;
    disk_pool_suspend(&s->pool);
}

static void pci_ahci_resume(struct pdm_dev *dev)
{
    struct pci_ahci *s = pdm_state(dev);

    s->suspended = false;
    disk_pool_resume(&s->pool);
    ahci_sync(dev);
}

static bool pci_ahci_busy(struct pdm_dev *dev)
{
    const struct pci_ahci *s = pdm_state(dev);

    for (unsigned port = 0; port < s->hba.port_count; port++)
        if (s->slot[port].in_flight)
            return true;
    return disk_pool_busy(&s->pool);
}

/* After reset and load: lines only. Loaded commands go on when the machine resumes. */
static void pci_ahci_drive(struct pdm_dev *dev)
{
    irq_sync(dev);
}

static const struct ssm_field pci_ahci_fields[] = {
    SSM_STRUCT(struct pci_ahci, hba, ahci_fields),
    SSM_END,
};

static bool pci_ahci_state_check(void *state)
{
    struct pci_ahci *s = state;

    disk_pool_drop(&s->pool, DISK_ALL);
    for (unsigned port = 0; port < AHCI_PORTS_MAX; port++) {
        struct ata *d = &s->hba.port[port].drive;

        s->hba.port[port].running = 0;
        d->io_serial++;
        if (d->tray_open)
            d->sectors = 0; /* the guest ejected it before the state was saved */
    }
    return ahci_check(&s->hba);
}

static const struct ssm_desc pci_ahci_state = {
    .version = 1, .oldest = 1, .fields = pci_ahci_fields, .check = pci_ahci_state_check};

static const struct pdm_cfg_key pci_ahci_config[] = {
    {.name = "PortCount", .type = PDM_CFG_U64, .min = 1, .max = AHCI_PORTS_MAX, .def = AHCI_PORTS_MAX},
    {.name = "Drives", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg pci_ahci_device = {
    .name = "ahci",
    .desc = "ICH8M SATA controller (AHCI)",
    .info_name = "sata",
    .max_instances = 1,
    .state_size = sizeof(struct pci_ahci),
    .config = pci_ahci_config,
    .state = &pci_ahci_state,
    .construct = pci_ahci_construct,
    .destruct = pci_ahci_destruct,
    .reset = pci_ahci_reset,
    .drive = pci_ahci_drive,
    .suspend = pci_ahci_suspend,
    .resume = pci_ahci_resume,
    .busy = pci_ahci_busy,
    .media_changed = pci_ahci_media_changed,
    .media_locked = pci_ahci_media_locked,
};
