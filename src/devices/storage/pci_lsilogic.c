/*
 * pci_lsilogic.c - LSI Logic parallel SCSI (53C1030) and SAS (SAS1068) on PCI.
 *
 * Source: LSI53C1030 technical manual, 4.1 (configuration registers); MPI 1.2, 2.4 (scatter-gather elements).
 * Parallel: targets 0 to 15 without 7, which is the controller itself; SAS: 0 to 7. BAR 0: registers on ports, BAR 1:
 * in memory.
 * Left out: the diagnostic window (BAR 2), boot ROM (SeaBIOS and OVMF have drivers).
 * Locks: every callback, also the completions, runs under the device lock.
 * Invariant 1: each SCSI request the chip hands over is answered once, or is forgotten by the chip's wish.
 */
#include "devices/storage/lsi53c1030.h"
#include "devices/storage/scsi_bus.h"

#include <string.h>

#define PORTS_BYTES  256u
#define REGS_BYTES   0x4000u
#define ELEMENTS_MAX 4096u /* of a list: more are the guest's mistake */

struct pci_lsi {
    struct lsi chip;
    struct scsi_bus bus;
    struct scsi_unit unit[LSI_TARGETS];
    struct pdm_io ports; /* BAR 0 */
    pdm_region region;
    struct lsi_scsi request[SCSI_TASKS]; /* what each task is for */
};

static struct pci_lsi *of(struct pdm_dev *dev)
{
    return pdm_state(dev);
}

static void irq_sync(struct pdm_dev *dev)
{
    pdm_pci_irq_set(dev, lsi_level(&of(dev)->chip));
}

/* ---- scatter-gather lists ---- */

enum { SGE_LAST_OF_LIST = 0x01, SGE_64BIT = 0x02, SGE_SIMPLE = 0x10, SGE_CHAIN = 0x30, SGE_TYPE = 0x30 };

/* Gathers a request's memory; false = not a list. Chains lead from segment to segment until the end-of-list flag. */
static bool gather(struct pdm_dev *dev, const struct lsi_scsi *s, struct scsi_task *t)
{
    uint64_t at = s->sgl_gpa, chain = s->chain_dwords ? s->frame_gpa + 4u * s->chain_dwords : 0;

    for (unsigned n = 0; n < ELEMENTS_MAX; n++) {
        uint32_t e[3];
        uint8_t flags;
        uint64_t gpa;

        pdm_mem_read(dev, at, e, sizeof(e));
        flags = (uint8_t)(e[0] >> 24);
        gpa = e[1] | (flags & SGE_64BIT ? (uint64_t)e[2] << 32 : 0);
        if (at == chain || (flags & SGE_TYPE) == SGE_CHAIN) {
            const uint8_t next = (uint8_t)(e[0] >> 16);

            at = gpa;
            chain = next ? gpa + 4u * next : 0;
            continue;
        }
        if ((flags & SGE_TYPE) != SGE_SIMPLE)
            return false;
        if ((e[0] & 0xffffff) && !disk_io_run(t->io, gpa, e[0] & 0xffffff))
            return false;
        t->data_bytes += e[0] & 0xffffff;
        if (flags & SGE_LAST_OF_LIST)
            return true;
        at += flags & SGE_64BIT ? 12 : 8;
    }
    return false;
}

/* ---- tasks ---- */

static void task_done(struct pdm_dev *dev, struct scsi_task *t)
{
    struct pci_lsi *s = of(dev);
    const struct lsi_scsi *q = &s->request[t - s->bus.task];
    struct lsi_end e = {.scsi_status = t->cmd.status, .moved = (uint32_t)t->moved};
    uint8_t sense[SCSI_SENSE_BYTES];

    if (t->parked) {
        lsi_again(&s->chip, q->slot);
        return;
    }
    if (t->nobody)
        e = (struct lsi_end){.ioc_status = LSI_NOBODY};
    else if (t->overrun)
        e.ioc_status = LSI_OVERRUN;
    else if (t->cmd.status == 0 && t->moved < t->data_bytes)
        e.ioc_status = LSI_UNDERRUN;
    if (!t->nobody && t->cmd.status == SCSI_CHECK_CONDITION) {
        scsi_sense(&t->cmd.sense, sense);
        e.sense_count = MIN(SCSI_SENSE_BYTES, q->sense_bytes);
        pdm_mem_write(dev, q->sense_gpa, sense, e.sense_count);
    }
    lsi_end(&s->chip, q, &e);
    irq_sync(dev);
}

static bool start(void *ctx, const struct lsi_scsi *q)
{
    struct pdm_dev *dev = ctx;
    struct pci_lsi *s = of(dev);
    struct scsi_task *t = pdm_pci_bus_master(dev) ? scsi_task_get(&s->bus) : NULL;

    if (!t)
        return false;
    s->request[t - s->bus.task] = *q;
    t->unit = q->bus ? UINT32_MAX : q->target;
    t->lun = q->lun;
    t->tag = q->slot;
    t->to_guest = q->to_guest;
    memcpy(t->cmd.cdb, q->cdb, MIN(q->cdb_bytes, sizeof(q->cdb)));
    if (!q->no_data && q->data_bytes && !gather(dev, q, t)) {
        scsi_task_put(&s->bus, t);
        lsi_end(&s->chip, q, &(struct lsi_end){.ioc_status = LSI_INVALID_SGL});
        return true;
    }
    t->data_bytes = MIN(t->data_bytes, q->data_bytes);
    scsi_task_run(dev, &s->bus, t);
    return true;
}

static void terminate(void *ctx, unsigned target)
{
    struct pci_lsi *s = of(ctx);

    for (unsigned i = 0; i < SCSI_TASKS; i++) {
        struct scsi_task *t = &s->bus.task[i];

        if (!t->used || (target != LSI_ALL && s->request[i].target != target))
            continue;
        scsi_task_drop(&s->bus, t);
        lsi_end(&s->chip, &s->request[i], &(struct lsi_end){.ioc_status = LSI_TERMINATED});
    }
}

static void forget(void *ctx)
{
    scsi_bus_drop(&of(ctx)->bus, DISK_ALL);
}

static void reset_target(void *ctx, unsigned target)
{
    struct pci_lsi *s = of(ctx);

    for (unsigned i = 0; i < LSI_TARGETS; i++)
        if (target == LSI_ALL || target == i)
            s->unit[i].attention = (struct ata_sense){0x06, 0x29, 0x00};
}

static bool present(void *ctx, unsigned target)
{
    const struct pci_lsi *s = of(ctx);

    return target < s->bus.units && s->unit[target].kind != SCSI_NONE;
}

static const struct lsi_host host = {.read = disk_mem_read,
                                     .write = disk_mem_write,
                                     .start = start,
                                     .terminate = terminate,
                                     .forget = forget,
                                     .reset_target = reset_target,
                                     .guest_error = disk_guest_error,
                                     .present = present};

static void pump(struct pdm_dev *dev)
{
    struct pci_lsi *s = of(dev);

    if (!s->bus.pool.suspended)
        lsi_work(&s->chip);
    irq_sync(dev);
}

/* ---- registers ---- */

static uint32_t ports_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const uint32_t val = lsi_read(&of(dev)->chip, off);

    (void)size;
    irq_sync(dev);
    return val;
}

static void ports_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    (void)size;
    lsi_write(&of(dev)->chip, off, val);
    irq_sync(dev);
}

static uint64_t regs_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    return off < PORTS_BYTES ? ports_read(dev, (uint16_t)off, size) : 0;
}

static void regs_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    if (off < PORTS_BYTES)
        ports_write(dev, (uint16_t)off, (uint32_t)val, size);
}

/* ---- life ---- */

static bool construct(struct pdm_dev *dev, bool sas, GError **error)
{
    static const struct scsi_bus_ops bus_ops = {.done = task_done, .pump = pump};
    struct pci_lsi *s = of(dev);
    const struct pdm_mmio regs = {.name = "lsilogic",
                                  .size_bytes = REGS_BYTES,
                                  .base_unmapped = true,
                                  .min_size = 4,
                                  .max_size = 4,
                                  .read = regs_read,
                                  .write = regs_write};
    struct pdm_pci pci = {.vendor = 0x1000,
                          .device = sas ? 0x0054 : 0x0030,
                          .subsys_vendor = 0x1000,
                          .subsys = 0x8000,
                          .sub_class = 0x00,
                          .base_class = 0x01,
                          .int_pin = 1,
                          .bus_default_slot = sas ? 22 : 20};

    s->chip.host = &host;
    s->chip.ctx = dev;
    s->chip.sas = sas;
    s->bus.unit = s->unit;
    s->ports =
        (struct pdm_io){.name = "lsilogic-io", .min_size = 4, .max_size = 4, .read = ports_read, .write = ports_write};
    if (!scsi_bus_init(dev, &s->bus, (unsigned)pdm_cfg_u64(dev, "PortCount"), pdm_cfg_str(dev, "Drives"), &bus_ops,
                       error) ||
        !pdm_mmio_add(dev, &regs, &s->region, error))
        return false;
    pci.bars[0] = (struct pdm_pci_bar){.kind = PDM_BAR_IO, .size_bytes = PORTS_BYTES, .io = &s->ports};
    pci.bars[1] = (struct pdm_pci_bar){.kind = PDM_BAR_MMIO, .size_bytes = REGS_BYTES, .region = s->region};
    return pdm_pci_register(dev, &pci, error);
}

static bool parallel_construct(struct pdm_dev *dev, GError **error)
{
    return construct(dev, false, error);
}

static bool sas_construct(struct pdm_dev *dev, GError **error)
{
    return construct(dev, true, error);
}

static void pci_lsi_destruct(struct pdm_dev *dev)
{
    scsi_bus_fini(&of(dev)->bus);
}

static void pci_lsi_reset(struct pdm_dev *dev)
{
    struct pci_lsi *s = of(dev);

    scsi_bus_reset(dev, &s->bus);
    lsi_reset(&s->chip);
}

static void pci_lsi_suspend(struct pdm_dev *dev)
{
    scsi_bus_suspend(&of(dev)->bus);
}

static void pci_lsi_resume(struct pdm_dev *dev)
{
    scsi_bus_resume(&of(dev)->bus);
    pump(dev);
}

static bool pci_lsi_busy(struct pdm_dev *dev)
{
    return scsi_bus_busy(&of(dev)->bus);
}

/* No event tells of units that come and go: guests look when they are told to. */
static void pci_lsi_media_changed(struct pdm_dev *dev, unsigned lun)
{
    struct pci_lsi *s = of(dev);

    if (lun < s->bus.units && s->unit[lun].kind == SCSI_DISK)
        terminate(dev, lun);
    scsi_bus_media_changed(dev, &s->bus, lun);
    pump(dev);
}

static const struct ssm_field pci_lsi_fields[] = {
    SSM_STRUCT(struct pci_lsi, chip, lsi_fields),
    SSM_STRUCTS(struct pci_lsi, unit, scsi_unit_fields),
    SSM_END,
};

static bool pci_lsi_check(void *state)
{
    struct pci_lsi *s = state;

    scsi_bus_loaded(&s->bus);
    return lsi_check(&s->chip);
}

static const struct ssm_desc pci_lsi_state = {
    .version = 1, .oldest = 1, .fields = pci_lsi_fields, .check = pci_lsi_check};

static const struct pdm_cfg_key pci_lsi_config[] = {
    {.name = "PortCount", .type = PDM_CFG_U64, .min = 1, .max = LSI_TARGETS, .def = LSI_TARGETS},
    {.name = "Drives", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

static const struct pdm_cfg_key sas_config[] = {
    {.name = "PortCount", .type = PDM_CFG_U64, .min = 1, .max = LSI_SAS_PHYS, .def = LSI_SAS_PHYS},
    {.name = "Drives", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg pci_lsilogic_device = {
    .name = "lsilogicscsi",
    .desc = "LSI Logic 53C1030 SCSI controller",
    .max_instances = 1,
    .state_size = sizeof(struct pci_lsi),
    .config = pci_lsi_config,
    .state = &pci_lsi_state,
    .construct = parallel_construct,
    .destruct = pci_lsi_destruct,
    .reset = pci_lsi_reset,
    .drive = irq_sync,
    .suspend = pci_lsi_suspend,
    .resume = pci_lsi_resume,
    .busy = pci_lsi_busy,
    .media_changed = pci_lsi_media_changed,
};

const struct pdm_devreg pci_lsisas_device = {
    .name = "lsilogicsas",
    .desc = "LSI Logic SAS1068 SAS controller",
    .max_instances = 1,
    .state_size = sizeof(struct pci_lsi),
    .config = sas_config,
    .state = &pci_lsi_state,
    .construct = sas_construct,
    .destruct = pci_lsi_destruct,
    .reset = pci_lsi_reset,
    .drive = irq_sync,
    .suspend = pci_lsi_suspend,
    .resume = pci_lsi_resume,
    .busy = pci_lsi_busy,
    .media_changed = pci_lsi_media_changed,
};
