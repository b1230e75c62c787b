/*
 * pci_nvme.c - an NVM Express controller on PCI: a namespace per port, MSI-X or INTA#.
 *
 * Source: NVM Express 1.2 [N] 2.1 (PCI header), 4.3 (PRP lists). Identity as VirtualBox's: 80ee:4e56.
 * Namespace n + 1 is what hangs on LUN n; there are 32 ports at most. BAR 0: registers and doorbells, the table of
 * MSI-X at 2000h, its pending bits at 3000h. Left out: hot-plug (a namespace is as large as its disk was at power-on),
 * SGLs, the controller memory buffer. Locks: every callback, also the completions, runs under the device lock.
 */
#include "devices/pci/pci_cap.h"
#include "devices/storage/disk_io.h"
#include "devices/storage/nvme.h"

#include <string.h>

#define CFG_MSIX    0x40u
#define TABLE_OFF   0x2000u
#define PENDING_OFF 0x3000u
#define RANGE_BYTES 16u
#define RANGES_MAX  256u

struct pci_nvme {
    struct nvme chip;
    struct disk_pool pool;
    struct pci_msix msix;
    pdm_region region;
    struct pdm_block *block[NVME_NAMESPACES];
    /* Dataset Management: the ranges of each slot, and the next one */
    struct ranges {
        uint8_t bytes[RANGES_MAX * RANGE_BYTES];
        unsigned count, next;
    } ranges[NVME_SLOTS];
};

static struct pci_nvme *of(struct pdm_dev *dev)
{
    return pdm_state(dev);
}

static void irq_sync(struct pdm_dev *dev)
{
    struct pci_nvme *s = of(dev);

    pdm_pci_irq_set(dev, !pci_msix_enabled(dev, &s->msix) && nvme_level(&s->chip));
}

/* ---- memory of a command ---- */

/* [N 4.3]: the first page may begin anywhere, the others at their beginning; more than two are listed. */
static bool add_prps(struct pdm_dev *dev, const struct nvme_io *cmd, struct disk_io *io)
{
    uint64_t left = cmd->bytes, list = cmd->prp[1];
    uint64_t n = MIN(left, NVME_PAGE_BYTES - (cmd->prp[0] & (NVME_PAGE_BYTES - 1)));

    if (!disk_io_run(io, cmd->prp[0] & ~UINT64_C(3), (uint32_t)n))
        return false;
    left -= n;
    if (left && left <= NVME_PAGE_BYTES)
        return disk_io_run(io, cmd->prp[1] & ~UINT64_C(0xfff), (uint32_t)left);
    list &= ~UINT64_C(7);
    while (left) { /* each turn takes a page, or is followed by one that does */
        uint64_t entry;

        pdm_mem_read(dev, list, &entry, sizeof(entry));
        if ((list & (NVME_PAGE_BYTES - 1)) == NVME_PAGE_BYTES - sizeof(entry) && left > NVME_PAGE_BYTES) {
            list = entry & ~UINT64_C(0xfff); /* the list goes on there */
            pdm_mem_read(dev, list, &entry, sizeof(entry));
        }
        list += sizeof(entry);
        n = MIN(left, NVME_PAGE_BYTES);
        if (!disk_io_run(io, entry & ~UINT64_C(0xfff), (uint32_t)n))
            return false;
        left -= n;
    }
    return true;
}

/* ---- commands ---- */

static bool next_range(struct pdm_dev *dev, struct disk_io *io, unsigned slot, unsigned nsid);

static void end(struct pdm_dev *dev, const struct disk_io *io, int status)
{
    struct pci_nvme *s = of(dev);

    if (status == DISK_PARKED)
        nvme_again(&s->chip, io->tag);
    else if (status == DISK_SHORT)
        nvme_end(&s->chip, io->tag, NVME_INVALID_FIELD);
    else if (status)
        nvme_end(&s->chip, io->tag, io->op == PDM_BLOCK_READ ? NVME_READ_FAULT : NVME_WRITE_FAULT);
    else
        nvme_end(&s->chip, io->tag, NVME_OK);
}

static void done(struct pdm_dev *dev, struct disk_io *io, int status)
{
    struct pci_nvme *s = of(dev);
    struct disk_io *more;

    if (io->op != PDM_BLOCK_DISCARD || status || s->ranges[io->tag].next == s->ranges[io->tag].count) {
        end(dev, io, status);
    } else {
        more = disk_io_get(&s->pool);
        if (!more || !next_range(dev, more, io->tag, io->unit + 1))
            nvme_again(&s->chip, io->tag); /* all its ranges once more: nothing is lost by that */
    }
    irq_sync(dev);
}

static bool start_io(struct pdm_dev *dev, struct disk_io *io, unsigned slot, unsigned nsid)
{
    struct pci_nvme *s = of(dev);
    int status;

    io->unit = nsid - 1;
    io->tag = slot;
    io->done = done;
    status = disk_io_start(dev, &s->pool, io, s->block[nsid - 1]);
    if (status)
        end(dev, io, status); /* its fields stay until it is taken again */
    return true;
}

/* The next range that is not empty; @io is used or given back. */
static bool next_range(struct pdm_dev *dev, struct disk_io *io, unsigned slot, unsigned nsid)
{
    struct pci_nvme *s = of(dev);
    struct ranges *r = &s->ranges[slot];

    while (r->next < r->count) {
        const uint8_t *raw = r->bytes + RANGE_BYTES * r->next++;
        uint32_t count;
        uint64_t lba;

        memcpy(&count, raw + 4, sizeof(count));
        memcpy(&lba, raw + 8, sizeof(lba));
        if (lba > s->chip.sectors[nsid - 1] || count > s->chip.sectors[nsid - 1] - lba) {
            disk_io_put(&s->pool, io);
            nvme_end(&s->chip, slot, NVME_LBA_RANGE);
            return true;
        }
        if (count == 0)
            continue;
        io->op = PDM_BLOCK_DISCARD;
        io->offset_bytes = lba * NVME_LBA_BYTES;
        io->bytes = (uint64_t)count * NVME_LBA_BYTES;
        return start_io(dev, io, slot, nsid);
    }
    disk_io_put(&s->pool, io);
    nvme_end(&s->chip, slot, NVME_OK);
    return true;
}

static bool start_ranges(struct pdm_dev *dev, const struct nvme_io *cmd, struct disk_io *io)
{
    struct ranges *r = &of(dev)->ranges[cmd->slot];

    r->count = (unsigned)(cmd->bytes / RANGE_BYTES);
    r->next = 0;
    if (!add_prps(dev, cmd, io) || disk_io_move(dev, io, r->bytes, (size_t)cmd->bytes, false) < cmd->bytes)
        r->count = 0;
    return next_range(dev, io, cmd->slot, cmd->nsid);
}

static bool start(void *ctx, const struct nvme_io *cmd)
{
    static const enum pdm_block_op ops[] = {[NVME_READ] = PDM_BLOCK_READ,
                                            [NVME_WRITE] = PDM_BLOCK_WRITE,
                                            [NVME_FLUSH] = PDM_BLOCK_FLUSH,
                                            [NVME_ZERO] = PDM_BLOCK_WRITE,
                                            [NVME_DISCARD] = PDM_BLOCK_DISCARD};
    struct pdm_dev *dev = ctx;
    struct pci_nvme *s = of(dev);
    struct disk_io *io = pdm_pci_bus_master(dev) ? disk_io_get(&s->pool) : NULL;

    if (!io)
        return false;
    if (cmd->op == NVME_DISCARD)
        return start_ranges(dev, cmd, io);
    io->op = ops[cmd->op];
    io->offset_bytes = cmd->offset_bytes;
    io->bytes = cmd->bytes;
    io->durable = cmd->durable;
    io->zeros = cmd->op == NVME_ZERO;
    if ((cmd->op == NVME_READ || cmd->op == NVME_WRITE) && !add_prps(dev, cmd, io)) {
        disk_io_put(&s->pool, io);
        nvme_end(&s->chip, cmd->slot, NVME_INVALID_FIELD);
        return true;
    }
    return start_io(dev, io, cmd->slot, cmd->nsid);
}

/* ---- the chip's other wishes ---- */

static void interrupt(void *ctx, unsigned vector)
{
    struct pci_nvme *s = of(ctx);

    if (pci_msix_enabled(ctx, &s->msix))
        pci_msix_send(ctx, &s->msix, vector);
}

static void drop(void *ctx)
{
    disk_pool_drop(&of(ctx)->pool, DISK_ALL);
}

static const struct nvme_host host = {.read = disk_mem_read,
                                      .write = disk_mem_write,
                                      .start = start,
                                      .interrupt = interrupt,
                                      .drop = drop,
                                      .guest_error = disk_guest_error};

static void pump(struct pdm_dev *dev)
{
    struct pci_nvme *s = of(dev);

    if (!s->pool.suspended)
        nvme_work(&s->chip);
    irq_sync(dev);
}

/* ---- registers ---- */

static uint64_t regs_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    struct pci_nvme *s = of(dev);

    if (off >= PENDING_OFF)
        return pci_msix_pending(&s->msix, off - PENDING_OFF);
    if (off >= TABLE_OFF)
        return pci_msix_read(&s->msix, off - TABLE_OFF, size);
    return nvme_read(&s->chip, off, size);
}

static void regs_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct pci_nvme *s = of(dev);

    if (off >= TABLE_OFF && off < PENDING_OFF)
        pci_msix_write(dev, &s->msix, off - TABLE_OFF, val, size);
    else if (off < TABLE_OFF)
        nvme_write(&s->chip, off, val, size);
    irq_sync(dev);
}

static void cfg_written(struct pdm_dev *dev, uint8_t off, unsigned size)
{
    (void)off, (void)size;
    pci_msix_configured(dev, &of(dev)->msix);
    irq_sync(dev);
}

/* ---- life ---- */

static void connect(struct pdm_dev *dev, unsigned port)
{
    struct pci_nvme *s = of(dev);
    struct pdm_block *b = pdm_lun_block(dev, port);

    s->block[port] = b;
    s->chip.sectors[port] = b ? b->size_bytes / NVME_LBA_BYTES : 0;
    s->chip.read_only[port] = b && b->read_only;
    s->chip.discard[port] = b && b->discard;
}

/* Without a driver a namespace's commands fail. */
static void pci_nvme_media_changed(struct pdm_dev *dev, unsigned lun)
{
    struct pci_nvme *s = of(dev);

    if (lun >= NVME_NAMESPACES)
        return;
    disk_pool_drop(&s->pool, lun);
    for (unsigned i = 0; i < NVME_SLOTS; i++) {
        uint32_t nsid;

        memcpy(&nsid, s->chip.slot[i].command + 4, sizeof(nsid));
        if (s->chip.slot[i].used && s->chip.slot[i].running && nsid == lun + 1)
            nvme_again(&s->chip, i);
    }
    s->block[lun] = pdm_lun_block(dev, lun);
    pump(dev);
}

static bool pci_nvme_construct(struct pdm_dev *dev, GError **error)
{
    struct pci_nvme *s = of(dev);
    const struct pdm_mmio regs = {.name = "nvme",
                                  .size_bytes = NVME_BAR_BYTES,
                                  .base_unmapped = true,
                                  .min_size = 4,
                                  .max_size = 8,
                                  .read = regs_read,
                                  .write = regs_write};
    struct pdm_pci pci = {.vendor = 0x80ee,
                          .device = 0x4e56,
                          .subsys_vendor = 0x80ee,
                          .subsys = 0x4e56,
                          .prog_if = 0x02,
                          .sub_class = 0x08,
                          .base_class = 0x01,
                          .int_pin = 1,
                          .bus_default_slot = 14,
                          .cfg_written = cfg_written};
    const struct pdm_block *first;

    disk_pool_init(dev, &s->pool, NVME_SLOTS, pump);
    s->chip.host = &host;
    s->chip.ctx = dev;
    for (unsigned port = 0; port < NVME_NAMESPACES; port++)
        connect(dev, port);
    first = s->block[0];
    g_strlcpy(s->chip.serial, first && *first->serial ? first->serial : "VB00000000-00000001", sizeof(s->chip.serial));
    if (!pdm_mmio_add(dev, &regs, &s->region, error))
        return false;
    pci.bars[0] = (struct pdm_pci_bar){.kind = PDM_BAR_MMIO, .size_bytes = NVME_BAR_BYTES, .region = s->region};
    if (!pdm_pci_register(dev, &pci, error))
        return false;
    pci_cap_first(dev, CFG_MSIX);
    pci_msix_init(dev, &s->msix, CFG_MSIX, NVME_QUEUES);
    return true;
}

static void pci_nvme_destruct(struct pdm_dev *dev)
{
    disk_pool_fini(&of(dev)->pool);
}

static void pci_nvme_reset(struct pdm_dev *dev)
{
    struct pci_nvme *s = of(dev);

    pci_msix_reset(dev, &s->msix, 0, 0, TABLE_OFF, PENDING_OFF);
    nvme_reset(&s->chip);
    for (unsigned port = 0; port < NVME_NAMESPACES; port++)
        connect(dev, port);
}

static void pci_nvme_suspend(struct pdm_dev *dev)
{
    disk_pool_suspend(&of(dev)->pool);
}

static void pci_nvme_resume(struct pdm_dev *dev)
{
    disk_pool_resume(&of(dev)->pool);
    pump(dev);
}

static bool pci_nvme_busy(struct pdm_dev *dev)
{
    return disk_pool_busy(&of(dev)->pool);
}

static const struct ssm_field pci_nvme_fields[] = {
    SSM_STRUCT(struct pci_nvme, chip, nvme_fields),
    SSM_STRUCT(struct pci_nvme, msix, pci_msix_fields),
    SSM_END,
};

static bool pci_nvme_check(void *state)
{
    struct pci_nvme *s = state;

    disk_pool_drop(&s->pool, DISK_ALL);
    return nvme_check(&s->chip);
}

static const struct ssm_desc pci_nvme_state = {
    .version = 1, .oldest = 1, .fields = pci_nvme_fields, .check = pci_nvme_check};

/* PortCount and Drives are what the board says of every controller; a namespace is there if a medium is. */
static const struct pdm_cfg_key pci_nvme_config[] = {
    {.name = "PortCount", .type = PDM_CFG_U64, .min = 1, .max = NVME_NAMESPACES, .def = NVME_NAMESPACES},
    {.name = "Drives", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg pci_nvme_device = {
    .name = "nvme",
    .desc = "NVM Express controller",
    .max_instances = 1,
    .state_size = sizeof(struct pci_nvme),
    .config = pci_nvme_config,
    .state = &pci_nvme_state,
    .construct = pci_nvme_construct,
    .destruct = pci_nvme_destruct,
    .reset = pci_nvme_reset,
    .drive = irq_sync,
    .suspend = pci_nvme_suspend,
    .resume = pci_nvme_resume,
    .busy = pci_nvme_busy,
    .media_changed = pci_nvme_media_changed,
};
