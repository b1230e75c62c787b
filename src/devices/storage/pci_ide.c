/*
 * pci_ide.c - the PIIX IDE function: two channels on the ports every PC has, bus master ports in BAR 4.
 *
 * Source: Intel 82371AB (PIIX4) data sheet, section 4.1 (configuration) and 9 (operation); components of the PC at
 * 1f0h-1f7h, 3f6h, IRQ 14 and 170h-177h, 376h, IRQ 15.
 * The drives' kinds come from the configuration, so a DVD drive can be empty; LUN n = 2 * channel + slave.
 * The media answer on their drivers' threads; each drive has one request under way (ata_slot.h).
 * Different from the data sheet: the decode enable bits (IDETIM bit 15) are set after reset and do not gate the ports,
 * because firmware other than SeaBIOS leaves them alone and Linux skips a channel whose bit is clear.
 * Locks: every callback, also the completions, runs under the device lock.
 * Invariant 1: at most one request per drive is with its driver.
 */
#include <string.h>

#include "devices/storage/ata_slot.h"
#include "devices/storage/disk_io.h"
#include "devices/storage/ide.h"

#define CHANNELS 2
#define DRIVES   4

struct pci_ide {
    struct ide_channel channel[CHANNELS];
    struct ata_slot slot[DRIVES];
    pdm_irq irq[CHANNELS];
    struct pdm_io bm_io; /* BAR 4 */
    bool suspended;
    uint64_t bytes_read, bytes_written, flushes;
};

static const struct ide_ports {
    uint16_t command, control;
    uint8_t irq;
} ports[CHANNELS] = {{0x1f0, 0x3f6, 14}, {0x170, 0x376, 15}};

static struct ata *drive_of(struct pci_ide *s, unsigned lun)
{
    return &s->channel[lun / 2].drive[lun % 2];
}

/* ---- bringing the outside up to date ---- */

static void ide_sync(struct pdm_dev *dev);

static void answered(struct pdm_dev *dev, struct pdm_block_req *req)
{
    struct pci_ide *s = pdm_state(dev);
    struct ata_slot *slot = req->user;

    ata_slot_answered(slot, drive_of(s, (unsigned)(slot - s->slot)));
    ide_sync(dev);
}

/* Gives the drive's request to its driver; without one it is answered at once. */
static void submit(struct pdm_dev *dev, unsigned lun)
{
    struct pci_ide *s = pdm_state(dev);
    struct ata_slot *slot = &s->slot[lun];

    if (!ata_slot_request(slot, drive_of(s, lun), answered))
        return;
    s->bytes_read += slot->req.op == PDM_BLOCK_READ ? slot->req.bytes : 0;
    s->bytes_written += slot->req.op == PDM_BLOCK_WRITE ? slot->req.bytes : 0;
    s->flushes += slot->req.op == PDM_BLOCK_FLUSH;
    slot->block->submit(slot->block, &slot->req); /* never at once: old drivers are surprised by a drive without BSY */
}

/* Moves data, hands out requests, drives the lines: after every access and every answer; the only place that does. */
static void ide_sync(struct pdm_dev *dev)
{
    const struct bmdma_memory mem = {dev, disk_mem_read, disk_mem_write};
    struct pci_ide *s = pdm_state(dev);

    for (unsigned c = 0; c < CHANNELS; c++)
        if (pdm_pci_bus_master(dev))
            ide_dma(&s->channel[c], &mem);
    for (unsigned lun = 0; lun < DRIVES; lun++)
        while (drive_of(s, lun)->io.op != ATA_IO_NONE && !s->slot[lun].in_flight && !s->suspended)
            submit(dev, lun); /* again only when there was no driver, and then the command has failed */
    for (unsigned c = 0; c < CHANNELS; c++)
        pdm_irq_set(dev, s->irq[c], ide_update_line(&s->channel[c]));
}

/* ---- ports ---- */

static uint32_t command_read(struct pdm_dev *dev, unsigned c, uint16_t reg, unsigned size)
{
    struct ide_channel *ch = &((struct pci_ide *)pdm_state(dev))->channel[c];
    uint32_t val = 0;

    if (reg == ATA_DATA) {
        val = UINT32_MAX;
        ide_data_in(ch, &val, size);
    } else {
        for (unsigned i = 0; i < size; i++)
            val |= (uint32_t)(reg + i < 8 ? ide_read(ch, reg + i) : 0xff) << 8 * i;
    }
    ide_sync(dev);
    return val;
}

static void command_write(struct pdm_dev *dev, unsigned c, uint16_t reg, uint32_t val, unsigned size)
{
    struct ide_channel *ch = &((struct pci_ide *)pdm_state(dev))->channel[c];

    if (reg == ATA_DATA)
        ide_data_out(ch, &val, size);
    else
        for (unsigned i = 0; i < size && reg + i < 8; i++)
            ide_write(ch, reg + i, (uint8_t)(val >> 8 * i));
    ide_sync(dev);
}

static uint32_t primary_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    return command_read(dev, 0, off, size);
}

static uint32_t secondary_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    return command_read(dev, 1, off, size);
}

static void primary_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    command_write(dev, 0, off, val, size);
}

static void secondary_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    command_write(dev, 1, off, val, size);
}

/* REP INS and OUTS on the data register: as far as the DRQ block goes, in whole elements. */
static size_t block_in(struct pdm_dev *dev, unsigned c, void *buf, unsigned size, size_t count)
{
    struct ide_channel *ch = &((struct pci_ide *)pdm_state(dev))->channel[c];
    const struct ata *d = &ch->drive[ch->selected];
    size_t most = (d->drq_end - d->buf_pos) / size;

    if (d->phase != ATA_DRQ_IN || most == 0)
        return 0;
    count = count < most ? count : most;
    ide_data_in(ch, buf, count * size);
    ide_sync(dev);
    return count;
}

static size_t block_out(struct pdm_dev *dev, unsigned c, const void *buf, unsigned size, size_t count)
{
    struct ide_channel *ch = &((struct pci_ide *)pdm_state(dev))->channel[c];
    const struct ata *d = &ch->drive[ch->selected];
    size_t most = (d->drq_end - d->buf_pos) / size;

    if (d->phase != ATA_DRQ_OUT || most == 0)
        return 0;
    count = count < most ? count : most;
    ide_data_out(ch, buf, count * size);
    ide_sync(dev);
    return count;
}

static size_t primary_in(struct pdm_dev *dev, uint16_t off, void *buf, unsigned size, size_t count)
{
    return off == ATA_DATA ? block_in(dev, 0, buf, size, count) : 0;
}

static size_t secondary_in(struct pdm_dev *dev, uint16_t off, void *buf, unsigned size, size_t count)
{
    return off == ATA_DATA ? block_in(dev, 1, buf, size, count) : 0;
}

static size_t primary_out(struct pdm_dev *dev, uint16_t off, const void *buf, unsigned size, size_t count)
{
    return off == ATA_DATA ? block_out(dev, 0, buf, size, count) : 0;
}

static size_t secondary_out(struct pdm_dev *dev, uint16_t off, const void *buf, unsigned size, size_t count)
{
    return off == ATA_DATA ? block_out(dev, 1, buf, size, count) : 0;
}

/* off_base tells the channels apart: 0 primary, 1 secondary. */
static uint32_t control_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct pci_ide *s = pdm_state(dev);

    (void)size;
    return ide_read_alternate(&s->channel[off & 1]);
}

static void control_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct pci_ide *s = pdm_state(dev);

    (void)size;
    ide_write_control(&s->channel[off & 1], (uint8_t)val);
    ide_sync(dev);
}

static uint32_t bm_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct pci_ide *s = pdm_state(dev);
    uint32_t val = 0;

    for (unsigned i = 0; i < size; i++, off++)
        val |= (uint32_t)bmdma_read(&s->channel[off >> 3 & 1].bm, off & 7) << 8 * i;
    return val;
}

static void bm_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct pci_ide *s = pdm_state(dev);

    for (unsigned i = 0; i < size; i++, off++)
        bmdma_write(&s->channel[off >> 3 & 1].bm, off & 7, (uint8_t)(val >> 8 * i));
    ide_sync(dev);
}

/* ---- life ---- */

/* What is on the LUN now. A disk's size is its power-on size; a disc may come and go. */
static void connect(struct pdm_dev *dev, unsigned lun, bool changed)
{
    struct pci_ide *s = pdm_state(dev);
    struct ata *d = drive_of(s, lun);
    struct pdm_block *b = pdm_lun_block(dev, lun);

    if (d->id.kind == ATA_KIND_NONE)
        s->slot[lun].block = b;
    else
        ata_slot_connect(&s->slot[lun], d, b, changed);
}

static void pci_ide_media_changed(struct pdm_dev *dev, unsigned lun)
{
    struct pci_ide *s = pdm_state(dev);

    if (lun < DRIVES && drive_of(s, lun)->id.kind == ATA_KIND_CDROM)
        connect(dev, lun, true);
    else if (lun < DRIVES)
        s->slot[lun].block = pdm_lun_block(dev, lun); /* a disk's size stays; without a driver its commands fail */
}

static bool pci_ide_media_locked(struct pdm_dev *dev, unsigned lun)
{
    return lun < DRIVES && drive_of(pdm_state(dev), lun)->locked;
}

static void put_text(char *to, size_t room, const char *text, const char *otherwise)
{
    size_t n;

    text = *text ? text : otherwise;
    n = strlen(text);
    n = n < room - 1 ? n : room - 1;
    memcpy(to, text, n);
    to[n] = '\0';
}

/* The configuration's word for the drive; without one, what hangs on the LUN. */
static bool identify(struct pdm_dev *dev, unsigned lun, GError **error)
{
    static const char *const keys[DRIVES] = {"Drive0", "Drive1", "Drive2", "Drive3"};
    struct pci_ide *s = pdm_state(dev);
    struct ata_identity *id = &drive_of(s, lun)->id;
    const struct pdm_block *b = pdm_lun_block(dev, lun);
    const char *kind = pdm_cfg_str(dev, keys[lun]);
    char serial[sizeof(id->serial)] = "VB00000000-0000000x";

    if (*kind == '\0')
        kind = !b ? "None" : b->sector_bytes == ATA_CD_BYTES ? "DVD" : "HardDisk";
    if (!strcmp(kind, "HardDisk") && b) {
        id->kind = ATA_KIND_DISK;
    } else if (!strcmp(kind, "DVD")) {
        id->kind = ATA_KIND_CDROM;
    } else if (strcmp(kind, "None") && strcmp(kind, "HardDisk")) {
        g_set_error(error, PDM_ERROR, 0, "piix3ide: %s is '%s'; it can be HardDisk, DVD or None", keys[lun], kind);
        return false;
    } else if (!strcmp(kind, "HardDisk")) {
        g_set_error(error, PDM_ERROR, 0, "piix3ide: %s is a hard disk, but no medium is attached", keys[lun]);
        return false;
    }
    id->slave = lun % 2;
    id->trim = b && b->discard;
    id->non_rotational = b && b->non_rotational;
    serial[sizeof("VB00000000-0000000x") - 2] = (char)('1' + lun);
    put_text(id->serial, sizeof(id->serial), b ? b->serial : "", serial);
    put_text(id->firmware, sizeof(id->firmware), "1.0", "");
    put_text(id->model, sizeof(id->model), b && id->kind == ATA_KIND_DISK ? b->model : "",
             id->kind == ATA_KIND_DISK ? "VBOX HARDDISK" : "VBOX CD-ROM");
    return true;
}

static bool claim(struct pdm_dev *dev, unsigned c, GError **error)
{
    const struct pdm_io command = {.name = c ? "ide1" : "ide0",
                                   .base = ports[c].command,
                                   .count = 8,
                                   .min_size = 1,
                                   .max_size = 4,
                                   .read = c ? secondary_read : primary_read,
                                   .write = c ? secondary_write : primary_write,
                                   .read_block = c ? secondary_in : primary_in,
                                   .write_block = c ? secondary_out : primary_out};
    const struct pdm_io control = {.name = c ? "ide1 control" : "ide0 control",
                                   .base = ports[c].control,
                                   .count = 1,
                                   .off_base = (uint16_t)c,
                                   .min_size = 1,
                                   .max_size = 1,
                                   .read = control_read,
                                   .write = control_write};
    struct pci_ide *s = pdm_state(dev);

    return pdm_io_add(dev, &command, error) && pdm_io_add(dev, &control, error) &&
           pdm_irq_claim(dev, ports[c].irq, &s->irq[c], error);
}

static bool join_bus(struct pdm_dev *dev, GError **error)
{
    static const struct chip {
        const char *type;
        uint16_t device;
        uint8_t revision;
    } chips[] = {{"PIIX4", 0x7111, 0x01}, {"PIIX3", 0x7010, 0x00}, {"ICH6", 0x269e, 0x00}};
    static const uint8_t timing[] = {0xff, 0xff, 0xff, 0xff, 0xff}; /* 40h-43h IDETIM, 44h SIDETIM */
    static const uint8_t udma[] = {0x0f, 0x00, 0x33, 0x33};         /* 48h UDMACTL, 4ah-4bh UDMATIM */
    static const uint8_t config[] = {0xff, 0xf0};                   /* 54h-55h: cable and speed (ICH) */
    struct pci_ide *s = pdm_state(dev);
    const char *type = pdm_cfg_str(dev, "Type");
    struct pdm_pci pci = {.vendor = 0x8086,
                          .prog_if = 0x80, /* both channels legacy, bus master */
                          .sub_class = 0x01,
                          .base_class = 0x01,
                          .bus_default_slot = 1,
                          .bus_default_func = 1,
                          .bars = {[4] = {.kind = PDM_BAR_IO, .size_bytes = 16, .io = &s->bm_io}}};

    s->bm_io =
        (struct pdm_io){.name = "ide bus master", .min_size = 1, .max_size = 4, .read = bm_read, .write = bm_write};
    for (unsigned i = 0; i < sizeof(chips) / sizeof(chips[0]) && !pci.device; i++)
        if (!strcmp(type, chips[i].type)) {
            pci.device = chips[i].device;
            pci.revision = chips[i].revision;
        }
    if (!pci.device) {
        g_set_error(error, PDM_ERROR, 0, "piix3ide: Type is '%s'; it can be PIIX3, PIIX4 or ICH6", type);
        return false;
    }
    if (!pdm_pci_register(dev, &pci, error))
        return false;
    pdm_pci_writable(dev, 0x40, timing, sizeof(timing));
    pdm_pci_writable(dev, 0x48, udma, sizeof(udma));
    if (pci.device == 0x269e)
        pdm_pci_writable(dev, 0x54, config, sizeof(config));
    return true;
}

static bool pci_ide_construct(struct pdm_dev *dev, GError **error)
{
    struct pci_ide *s = pdm_state(dev);

    for (unsigned lun = 0; lun < DRIVES; lun++) {
        if (!identify(dev, lun, error))
            return false;
        connect(dev, lun, false);
    }
    pdm_stat(dev, &s->bytes_read, "ReadBytes", "bytes");
    pdm_stat(dev, &s->bytes_written, "WrittenBytes", "bytes");
    pdm_stat(dev, &s->flushes, "Flushes", "times");
    return join_bus(dev, error) && claim(dev, 0, error) && claim(dev, 1, error);
}

static void pci_ide_reset(struct pdm_dev *dev)
{
    struct pci_ide *s = pdm_state(dev);
    uint8_t *config = pdm_pci_config(dev);

    memset(config + 0x40, 0, 0x18);
    config[0x41] = config[0x43] = 0x80; /* see the head */
    config[0x54] = 0xf0;                /* 80-wire cables (ICH) */
    for (unsigned lun = 0; lun < DRIVES; lun++)
        connect(dev, lun, false);
    for (unsigned c = 0; c < CHANNELS; c++)
        ide_reset(&s->channel[c]);
}

static void pci_ide_suspend(struct pdm_dev *dev)
{
    struct pci_ide *s = pdm_state(dev);

    s->suspended = true;
}

static void pci_ide_resume(struct pdm_dev *dev)
{
    struct pci_ide *s = pdm_state(dev);

    s->suspended = false;
    ide_sync(dev);
}

static bool pci_ide_busy(struct pdm_dev *dev)
{
    const struct pci_ide *s = pdm_state(dev);

    for (unsigned lun = 0; lun < DRIVES; lun++)
        if (s->slot[lun].in_flight)
            return true;
    return false;
}

/* After reset and load: lines only. A loaded request goes out when the machine resumes or is accessed. */
static void pci_ide_drive(struct pdm_dev *dev)
{
    ide_sync(dev);
}

static const struct ssm_field pci_ide_fields[] = {
    SSM_STRUCTS(struct pci_ide, channel, ide_fields),
    SSM_END,
};

static bool pci_ide_state_check(void *state)
{
    struct pci_ide *s = state;

    for (unsigned lun = 0; lun < DRIVES; lun++) {
        struct ata *d = drive_of(s, lun);

        if (d->tray_open)
            d->sectors = 0; /* the guest ejected it before the state was saved */
    }
    return ide_check(&s->channel[0]) && ide_check(&s->channel[1]);
}

static const struct ssm_desc pci_ide_state = {
    .version = 2, .oldest = 2, .fields = pci_ide_fields, .check = pci_ide_state_check};

static const struct pdm_cfg_key pci_ide_config[] = {
    {.name = "Type", .type = PDM_CFG_STR, .def_str = "PIIX4"},
    {.name = "Drive0", .type = PDM_CFG_STR}, /* HardDisk, DVD, None; empty: by what is attached */
    {.name = "Drive1", .type = PDM_CFG_STR},
    {.name = "Drive2", .type = PDM_CFG_STR},
    {.name = "Drive3", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg pci_ide_device = {
    .name = "piix3ide",
    .desc = "PIIX IDE controller with two channels",
    .info_name = "ata",
    .max_instances = 1,
    .state_size = sizeof(struct pci_ide),
    .config = pci_ide_config,
    .state = &pci_ide_state,
    .construct = pci_ide_construct,
    .reset = pci_ide_reset,
    .drive = pci_ide_drive,
    .suspend = pci_ide_suspend,
    .resume = pci_ide_resume,
    .busy = pci_ide_busy,
    .media_changed = pci_ide_media_changed,
    .media_locked = pci_ide_media_locked,
};
