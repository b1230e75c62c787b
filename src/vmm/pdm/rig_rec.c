/*
 * rig_rec.c - the device that takes the place of partners missing on the rig: PIC, IOAPIC, APICs, DMA controller.
 *
 * It is constructed first, so that a real partner registers after it and wins.
 */
#include <string.h>

#include "vmm/pdm/rig_int.h"

static struct rig *rig_of(struct pdm_dev *dev)
{
    return dev->pdm->host.user;
}

/* Levels are read from the lines themselves. */
static void note_irq(struct pdm_dev *dev, unsigned irq, bool level)
{
    (void)dev;
    (void)irq;
    (void)level;
}

static int pic_acknowledge(struct pdm_dev *dev)
{
    (void)dev;
    return -1;
}

static void ioapic_eoi(struct pdm_dev *dev, uint8_t vector)
{
    g_array_append_val(rig_of(dev)->eois, vector);
}

static void apic_deliver(struct pdm_dev *dev, uint8_t dest, bool logical, enum pdm_delivery mode, uint8_t vector,
                         bool level)
{
    const struct rig_message m = {.dest = dest, .vector = vector, .logical = logical, .level = level, .mode = mode};

    g_array_append_val(rig_of(dev)->messages, m);
}

static int apic_none(struct pdm_dev *dev, unsigned cpu)
{
    (void)dev;
    (void)cpu;
    return -1;
}

static bool apic_accepts_pic(struct pdm_dev *dev, unsigned cpu)
{
    (void)dev;
    return cpu == 0;
}

static uint8_t apic_tpr_get(struct pdm_dev *dev, unsigned cpu)
{
    (void)dev;
    (void)cpu;
    return 0;
}

static void apic_tpr_set(struct pdm_dev *dev, unsigned cpu, uint8_t tpr)
{
    (void)dev;
    (void)cpu;
    (void)tpr;
}

static bool apic_msr_read(struct pdm_dev *dev, unsigned cpu, uint32_t msr, uint64_t *ret)
{
    (void)dev;
    (void)cpu;
    (void)msr;
    (void)ret;
    return false;
}

static bool apic_msr_write(struct pdm_dev *dev, unsigned cpu, uint32_t msr, uint64_t val)
{
    (void)dev;
    (void)cpu;
    (void)msr;
    (void)val;
    return false;
}

static void apic_cpu_reset(struct pdm_dev *dev, unsigned cpu, bool init_only)
{
    (void)dev;
    (void)cpu;
    (void)init_only;
}

/* ---- DMA ---- */

static void dmac_dreq(struct pdm_dev *dev, unsigned channel, bool level)
{
    rig_of(dev)->channels[channel].dreq = level;
}

static void dmac_move(struct pdm_dev *dev, unsigned channel, uint32_t pos, void *buf, uint32_t bytes, bool to_memory)
{
    const struct rig_channel *c = &rig_of(dev)->channels[channel];

    g_assert_cmpuint(pos, <=, c->bytes); /* a device never leaves the block it was offered */
    g_assert_cmpuint(bytes, <=, c->bytes - pos);
    if (to_memory)
        memcpy(c->buf + pos, buf, bytes);
    else
        memcpy(buf, c->buf + pos, bytes);
}

void rig_dma_buffer(struct rig *r, unsigned channel, void *buf, uint32_t bytes, uint8_t mode)
{
    r->channels[channel].buf = buf;
    r->channels[channel].bytes = bytes;
    r->channels[channel].mode = mode;
}

bool rig_dma_dreq(struct rig *r, unsigned channel)
{
    return r->channels[channel].dreq;
}

uint32_t rig_dma_run(struct rig *r, unsigned channel)
{
    const struct rig_channel *c = &r->channels[channel];

    if (!c->dreq)
        return 0;
    return pdm_dmac_transfer(pdm_find(r->pdm, RIG_RECORDER, 0), channel, c->mode, 0, c->bytes);
}

/* ---- the device ---- */

static bool construct(struct pdm_dev *dev, GError **error)
{
    static const struct pdm_pic_ops pic = {.set_irq = note_irq, .acknowledge = pic_acknowledge};
    static const struct pdm_ioapic_ops ioapic = {.set_irq = note_irq, .eoi = ioapic_eoi};
    static const struct pdm_apic_ops apic = {.deliver = apic_deliver,
                                             .pending = apic_none,
                                             .acknowledge = apic_none,
                                             .accepts_pic = apic_accepts_pic,
                                             .tpr_get = apic_tpr_get,
                                             .tpr_set = apic_tpr_set,
                                             .msr_read = apic_msr_read,
                                             .msr_write = apic_msr_write,
                                             .cpu_reset = apic_cpu_reset};
    static const struct pdm_dmac_ops dmac = {.dreq = dmac_dreq, .move = dmac_move};
    struct rig *r = rig_of(dev);

    pdm_pic_register(dev, &pic);
    pdm_ioapic_register(dev, &ioapic);
    pdm_apic_register(dev, &apic);
    pdm_dmac_register(dev, &dmac);
    for (unsigned line = 0; line < PDM_ISA_LINES; line++)
        if (line != 2 && !pdm_irq_claim(dev, line, &r->lines[line], error))
            return false;
    return true;
}

const struct pdm_devreg rig_recorder = {
    .name = RIG_RECORDER, .desc = "recorder of the test rig", .max_instances = 1, .construct = construct};
