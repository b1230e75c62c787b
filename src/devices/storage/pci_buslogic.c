/*
 * pci_buslogic.c - BusLogic BT-958 parallel SCSI on PCI.
 *
 * Source: [BT] 1 (configuration registers), 4 (scatter-gather lists). Targets 0 to 15 without 7, which is the adapter
 * itself. BAR 0: registers on ports, BAR 1: in memory. Left out: the ports of the AHA-154x and the boot ROM, so that
 * firmware cannot boot from its disks. That ROM lets the adapter be bus master, and Linux's driver relies on it: the
 * bit in its command register says nothing here.
 * Locks: every callback, also the completions, runs under the device lock.
 * Invariant 1: each request the chip hands over is answered once, or is forgotten by the chip's wish.
 */
#include "devices/storage/bt958.h"
#include "devices/storage/scsi_bus.h"

#include <string.h>

#define BAR_BYTES    32u
#define ELEMENTS_MAX 8192u
#define AT_ONCE      64u /* elements read at a time */

struct pci_bt {
    struct bt958 chip;
    struct scsi_bus bus;
    struct scsi_unit unit[BT_TARGETS];
    struct pdm_io ports; /* BAR 0 */
    pdm_region region;
    struct bt_request request[SCSI_TASKS]; /* what each task is for */
};

static struct pci_bt *of(struct pdm_dev *dev)
{
    return pdm_state(dev);
}

static void irq_sync(struct pdm_dev *dev)
{
    pdm_pci_irq_set(dev, bt_level(&of(dev)->chip));
}

/* ---- memory ---- */

/* An element is a length and an address, of 4 bytes each, or of 3 in the other order. */
static void element(const uint8_t *e, bool is_short, uint32_t *ret_bytes, uint32_t *ret_gpa)
{
    if (is_short) {
        *ret_bytes = (uint32_t)e[0] << 16 | (uint32_t)e[1] << 8 | e[2];
        *ret_gpa = (uint32_t)e[3] << 16 | (uint32_t)e[4] << 8 | e[5];
    } else {
        memcpy(ret_bytes, e, 4);
        memcpy(ret_gpa, e + 4, 4);
    }
}

/* Gathers a request's memory; false = its list cannot be one. */
static bool gather(struct pdm_dev *dev, const struct bt_request *q, struct scsi_task *t)
{
    const uint32_t size = q->short_addresses ? 6 : 8, count = q->data_bytes / size;
    uint8_t raw[8 * AT_ONCE];

    if (!q->list) {
        t->data_bytes = q->data_bytes;
        return disk_io_run(t->io, q->data_gpa, q->data_bytes);
    }
    if (count > ELEMENTS_MAX || q->data_bytes % size)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bytes, gpa;

        if (i % AT_ONCE == 0)
            pdm_mem_read(dev, (uint64_t)q->data_gpa + i * size, raw, (size_t)size * MIN(AT_ONCE, count - i));
        element(raw + i % AT_ONCE * size, q->short_addresses, &bytes, &gpa);
        if (bytes && !disk_io_run(t->io, gpa, bytes))
            return false;
        t->data_bytes += bytes;
    }
    return true;
}

/* ---- tasks ---- */

static void task_done(struct pdm_dev *dev, struct scsi_task *t)
{
    struct pci_bt *s = of(dev);
    const struct bt_request *q = &s->request[t - s->bus.task];
    struct bt_end e = {.status = t->cmd.status};
    uint8_t sense[SCSI_SENSE_BYTES];

    if (t->parked) {
        bt_again(&s->chip, q->slot);
        return;
    }
    if (t->nobody)
        e = (struct bt_end){.adapter = BT_NOBODY};
    else if (t->overrun)
        e.adapter = BT_OVERRUN;
    e.left = (uint32_t)MIN(t->data_bytes - MIN(t->moved, t->data_bytes), UINT32_MAX);
    if (!t->nobody && t->cmd.status == SCSI_CHECK_CONDITION) {
        scsi_sense(&t->cmd.sense, sense);
        pdm_mem_write(dev, q->sense_gpa, sense, MIN(SCSI_SENSE_BYTES, q->sense_bytes));
    }
    bt_end(&s->chip, q, &e);
    irq_sync(dev);
}

static bool start(void *ctx, const struct bt_request *q)
{
    struct pdm_dev *dev = ctx;
    struct pci_bt *s = of(dev);
    struct scsi_task *t = scsi_task_get(&s->bus);

    if (!t)
        return false;
    s->request[t - s->bus.task] = *q;
    t->unit = q->target == BT_INITIATOR ? UINT32_MAX : q->target;
    t->lun = q->lun;
    t->tag = q->slot;
    t->to_guest = q->to_guest;
    memcpy(t->cmd.cdb, q->cdb, q->cdb_bytes);
    if (q->data && !gather(dev, q, t)) {
        scsi_task_put(&s->bus, t);
        bt_end(&s->chip, q, &(struct bt_end){.adapter = BT_BAD_PARAMETER});
        return true;
    }
    scsi_task_run(dev, &s->bus, t);
    return true;
}

static void forget(void *ctx, unsigned slot)
{
    struct pci_bt *s = of(ctx);

    for (unsigned i = 0; i < SCSI_TASKS; i++)
        if (s->bus.task[i].used && (slot == BT_ALL || s->request[i].slot == slot))
            scsi_task_drop(&s->bus, &s->bus.task[i]);
}

static void reset_target(void *ctx, unsigned target)
{
    struct pci_bt *s = of(ctx);

    for (unsigned i = 0; i < BT_TARGETS; i++)
        if (target == BT_ALL || target == i)
            s->unit[i].attention = (struct ata_sense){0x06, 0x29, 0x00};
}

static bool present(void *ctx, unsigned target)
{
    const struct pci_bt *s = of(ctx);

    return target < s->bus.units && s->unit[target].kind != SCSI_NONE;
}

static const struct bt_host host = {.read = disk_mem_read,
                                    .write = disk_mem_write,
                                    .start = start,
                                    .forget = forget,
                                    .reset_target = reset_target,
                                    .present = present,
                                    .guest_error = disk_guest_error};

static void pump(struct pdm_dev *dev)
{
    struct pci_bt *s = of(dev);

    if (!s->bus.pool.suspended)
        bt_work(&s->chip);
    irq_sync(dev);
}

/* ---- registers ---- */

static uint32_t ports_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const uint8_t val = bt_read(&of(dev)->chip, off);

    (void)size;
    irq_sync(dev);
    return val;
}

static void ports_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    (void)size;
    bt_write(&of(dev)->chip, off, (uint8_t)val);
    irq_sync(dev);
}

static uint64_t regs_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    return ports_read(dev, (uint16_t)off, size);
}

static void regs_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    ports_write(dev, (uint16_t)off, (uint32_t)val, size);
}

/* ---- life ---- */

static bool pci_bt_construct(struct pdm_dev *dev, GError **error)
{
    static const struct scsi_bus_ops bus_ops = {.done = task_done, .pump = pump};
    struct pci_bt *s = of(dev);
    const struct pdm_mmio regs = {.name = "buslogic",
                                  .size_bytes = BAR_BYTES,
                                  .base_unmapped = true,
                                  .min_size = 1,
                                  .max_size = 1,
                                  .read = regs_read,
                                  .write = regs_write};
    struct pdm_pci pci = {.vendor = 0x104b,
                          .device = 0x1040,
                          .subsys_vendor = 0x104b,
                          .subsys = 0x1040,
                          .revision = 0x01,
                          .sub_class = 0x00,
                          .base_class = 0x01,
                          .int_pin = 1,
                          .bus_default_slot = 21};

    s->chip.host = &host;
    s->chip.ctx = dev;
    s->bus.unit = s->unit;
    s->ports =
        (struct pdm_io){.name = "buslogic-io", .min_size = 1, .max_size = 1, .read = ports_read, .write = ports_write};
    if (!scsi_bus_init(dev, &s->bus, (unsigned)pdm_cfg_u64(dev, "PortCount"), pdm_cfg_str(dev, "Drives"), &bus_ops,
                       error) ||
        !pdm_mmio_add(dev, &regs, &s->region, error))
        return false;
    pci.bars[0] = (struct pdm_pci_bar){.kind = PDM_BAR_IO, .size_bytes = BAR_BYTES, .io = &s->ports};
    pci.bars[1] = (struct pdm_pci_bar){.kind = PDM_BAR_MMIO, .size_bytes = BAR_BYTES, .region = s->region};
    return pdm_pci_register(dev, &pci, error);
}

static void pci_bt_destruct(struct pdm_dev *dev)
{
    scsi_bus_fini(&of(dev)->bus);
}

static void pci_bt_reset(struct pdm_dev *dev)
{
    struct pci_bt *s = of(dev);

    scsi_bus_reset(dev, &s->bus);
    bt_reset(&s->chip);
}

static void pci_bt_suspend(struct pdm_dev *dev)
{
    scsi_bus_suspend(&of(dev)->bus);
}

static void pci_bt_resume(struct pdm_dev *dev)
{
    scsi_bus_resume(&of(dev)->bus);
    pump(dev);
}

static bool pci_bt_busy(struct pdm_dev *dev)
{
    return scsi_bus_busy(&of(dev)->bus);
}

/* Parallel SCSI has no word for units that come and go: what an old disk had to do comes back as failed. */
static void pci_bt_media_changed(struct pdm_dev *dev, unsigned lun)
{
    struct pci_bt *s = of(dev);

    for (unsigned i = 0; i < SCSI_TASKS && lun < s->bus.units && s->unit[lun].kind == SCSI_DISK; i++)
        if (s->bus.task[i].used && s->bus.task[i].unit == lun) {
            scsi_task_drop(&s->bus, &s->bus.task[i]);
            bt_end(&s->chip, &s->request[i], &(struct bt_end){.adapter = BT_NOBODY});
        }
    scsi_bus_media_changed(dev, &s->bus, lun);
    pump(dev);
}

static const struct ssm_field pci_bt_fields[] = {
    SSM_STRUCT(struct pci_bt, chip, bt_fields),
    SSM_STRUCTS(struct pci_bt, unit, scsi_unit_fields),
    SSM_END,
};

static bool pci_bt_check(void *state)
{
    struct pci_bt *s = state;

    scsi_bus_loaded(&s->bus);
    return bt_check(&s->chip);
}

static const struct ssm_desc pci_bt_state = {.version = 1, .oldest = 1, .fields = pci_bt_fields, .check = pci_bt_check};

static const struct pdm_cfg_key pci_bt_config[] = {
    {.name = "PortCount", .type = PDM_CFG_U64, .min = 1, .max = BT_TARGETS, .def = BT_TARGETS},
    {.name = "Drives", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg pci_buslogic_device = {
    .name = "buslogic",
    .desc = "BusLogic BT-958 SCSI controller",
    .max_instances = 1,
    .state_size = sizeof(struct pci_bt),
    .config = pci_bt_config,
    .state = &pci_bt_state,
    .construct = pci_bt_construct,
    .destruct = pci_bt_destruct,
    .reset = pci_bt_reset,
    .drive = irq_sync,
    .suspend = pci_bt_suspend,
    .resume = pci_bt_resume,
    .busy = pci_bt_busy,
    .media_changed = pci_bt_media_changed,
};
