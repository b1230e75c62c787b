/*
 * mmio_ioapic.c - joins the I/O APIC to FEC00000h, the interrupt lines and the local APICs.
 *
 * Source: Intel 82093AA data sheet 3.1 (addresses).
 * Locks: every callback runs under the device lock. Sending calls the local APICs, which take no lock.
 */
#include "devices/intc/ioapic.h"
#include "vmm/pdm/dev.h"

#define IOAPIC_GPA   0xfec00000u
#define IOAPIC_BYTES 0x1000u

struct mmio_ioapic {
    struct ioapic chip;
    uint64_t sent;
    pdm_region region;
};

static void ioapic_drive(struct pdm_dev *dev)
{
    struct mmio_ioapic *s = pdm_state(dev);
    struct ioapic_message m;

    /* Each pin sends at most once: sending clears its edge or sets its remote IRR. */
    for (unsigned i = 0; i < IOAPIC_PINS && ioapic_send(&s->chip, &m); i++) {
        s->sent++;
        pdm_apic_deliver(dev, m.dest, m.logical, (enum pdm_delivery)m.mode, m.vector, m.level);
    }
}

static void set_irq(struct pdm_dev *dev, unsigned pin, bool level)
{
    struct mmio_ioapic *s = pdm_state(dev);

    ioapic_input(&s->chip, pin, level);
    ioapic_drive(dev);
}

static void eoi(struct pdm_dev *dev, uint8_t vector)
{
    struct mmio_ioapic *s = pdm_state(dev);

    ioapic_eoi(&s->chip, vector);
    ioapic_drive(dev);
}

static uint64_t region_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    const struct mmio_ioapic *s = pdm_state(dev);

    (void)size;
    return ioapic_read(&s->chip, (unsigned)off);
}

static void region_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct mmio_ioapic *s = pdm_state(dev);

    (void)size;
    ioapic_write(&s->chip, (unsigned)off, (uint32_t)val);
    ioapic_drive(dev);
}

static void reset(struct pdm_dev *dev)
{
    struct mmio_ioapic *s = pdm_state(dev);

    ioapic_reset(&s->chip);
}

static bool construct(struct pdm_dev *dev, GError **error)
{
    static const struct pdm_ioapic_ops ops = {.set_irq = set_irq, .eoi = eoi};
    const struct pdm_mmio mmio = {.name = "ioapic",
                                  .base_gpa = IOAPIC_GPA,
                                  .size_bytes = IOAPIC_BYTES,
                                  .min_size = 1,
                                  .max_size = 4,
                                  .read = region_read,
                                  .write = region_write};
    struct mmio_ioapic *s = pdm_state(dev);

    if (!pdm_mmio_add(dev, &mmio, &s->region, error))
        return false;
    pdm_ioapic_register(dev, &ops);
    pdm_stat(dev, &s->sent, "Sent", "times");
    return true;
}

static bool state_check(void *state)
{
    const struct mmio_ioapic *s = state;

    return s->chip.lines >> IOAPIC_PINS == 0 && s->chip.edges >> IOAPIC_PINS == 0 && s->chip.id < 16;
}

static const struct ssm_field chip_fields[] = {
    SSM_U32(struct ioapic, lines), SSM_U32(struct ioapic, edges),      SSM_U8(struct ioapic, select),
    SSM_U8(struct ioapic, id),     SSM_UINTS(struct ioapic, redirect), SSM_END,
};
static const struct ssm_field fields[] = {SSM_STRUCT(struct mmio_ioapic, chip, chip_fields), SSM_END};
static const struct ssm_desc desc = {.version = 1, .oldest = 1, .fields = fields, .check = state_check};

const struct pdm_devreg mmio_ioapic_device = {
    .name = "ioapic",
    .desc = "82093AA I/O APIC",
    .max_instances = 1,
    .state_size = sizeof(struct mmio_ioapic),
    .state = &desc,
    .construct = construct,
    .reset = reset,
    .drive = ioapic_drive,
};
