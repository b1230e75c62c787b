/*
 * irq.c - interrupt lines, controllers and the processors' side of them.
 *
 * An ISA line is the or of its sources, or of those alone that have wired the others off. PIC and IOAPIC are told every
 * change of a line, in order: the lines' lock is held over the call. While a reset or a load drives all devices,
 * changes are only collected; pdm_irq_push() then tells every line's level once, so that no controller sees an edge
 * that did not happen. Invariant 1: outside quiet times isa_level[n] == line_level(n) == what PIC and IOAPIC were told
 * last.
 */
#include "vmm/pdm/pdm_int.h"

#include <inttypes.h>

/* The timer's line reaches pin 2 of the IOAPIC, where the cascade would be (MP specification 1.4, 3.6.2). */
#define IOAPIC_TIMER_PIN 2u
#define ISA_CASCADE      2u

bool pdm_irq_claim(struct pdm_dev *dev, unsigned isa_irq, pdm_irq *ret, GError **error)
{
    const struct pdm_source source = {.line = isa_irq};

    if (isa_irq >= PDM_ISA_LINES || isa_irq == ISA_CASCADE) {
        g_set_error(error, PDM_ERROR, 0, "%s: there is no ISA interrupt line %u to use", dev->tag, isa_irq);
        return false;
    }
    g_mutex_lock(&dev->pdm->irq_lock);
    ret->id = dev->pdm->sources->len;
    g_array_append_val(dev->pdm->sources, source);
    g_mutex_unlock(&dev->pdm->irq_lock);
    return true;
}

static bool line_level(const struct pdm *pdm, unsigned line)
{
    bool all = false, chosen = false, alone = false;

    for (unsigned i = 0; i < pdm->sources->len; i++) {
        const struct pdm_source *s = &g_array_index(pdm->sources, struct pdm_source, i);

        if (s->line != line)
            continue;
        all |= s->level;
        alone |= s->alone;
        chosen |= s->alone && s->level;
    }
    return alone ? chosen : all;
}

/* The lines' lock is held. */
static void line_out(struct pdm *pdm, unsigned line, bool level)
{
    if (level && !pdm->isa_level[line])
        pdm->isa_rises[line]++;
    pdm->isa_level[line] = level;
    if (pdm->pic) {
        const bool entered = pdm_enter(pdm->pic);

        pdm->pic_ops->set_irq(pdm->pic, line, level);
        pdm_exit(pdm->pic, entered);
    }
    if (pdm->ioapic && line != ISA_CASCADE) {
        const bool entered = pdm_enter(pdm->ioapic);

        pdm->ioapic_ops->set_irq(pdm->ioapic, line ? line : IOAPIC_TIMER_PIN, level);
        pdm_exit(pdm->ioapic, entered);
    }
}

/* A source of the line has changed; the lines' lock is held. */
static void line_changed(struct pdm *pdm, unsigned line)
{
    const bool now = line_level(pdm, line);

    if (!pdm->quiet && now != pdm->isa_level[line])
        line_out(pdm, line, now); /* inv 1 */
}

void pdm_irq_set(struct pdm_dev *dev, pdm_irq irq, bool level)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_source *s;

    g_mutex_lock(&pdm->irq_lock);
    s = irq.id < pdm->sources->len ? &g_array_index(pdm->sources, struct pdm_source, irq.id) : NULL;
    if (s && s->level != level) {
        s->level = level;
        line_changed(pdm, s->line);
    }
    g_mutex_unlock(&pdm->irq_lock);
}

void pdm_irq_alone(struct pdm_dev *dev, pdm_irq irq, bool alone)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_source *s;

    g_mutex_lock(&pdm->irq_lock);
    s = irq.id < pdm->sources->len ? &g_array_index(pdm->sources, struct pdm_source, irq.id) : NULL;
    if (s && s->alone != alone) {
        s->alone = alone;
        line_changed(pdm, s->line);
    }
    g_mutex_unlock(&pdm->irq_lock);
}

void pdm_irq_forget(struct pdm *pdm)
{
    g_mutex_lock(&pdm->irq_lock);
    for (unsigned i = 0; i < pdm->sources->len; i++)
        g_array_index(pdm->sources, struct pdm_source, i).level =
            g_array_index(pdm->sources, struct pdm_source, i).alone = false;
    g_mutex_unlock(&pdm->irq_lock);
}

void pdm_irq_push(struct pdm *pdm)
{
    g_mutex_lock(&pdm->irq_lock);
    for (unsigned line = 0; line < PDM_ISA_LINES; line++)
        line_out(pdm, line, line_level(pdm, line));
    g_mutex_unlock(&pdm->irq_lock);
}

/* ---- controllers ---- */

void pdm_pic_register(struct pdm_dev *dev, const struct pdm_pic_ops *ops)
{
    dev->pdm->pic = dev;
    dev->pdm->pic_ops = ops;
}

void pdm_ioapic_register(struct pdm_dev *dev, const struct pdm_ioapic_ops *ops)
{
    dev->pdm->ioapic = dev;
    dev->pdm->ioapic_ops = ops;
}

void pdm_apic_register(struct pdm_dev *dev, const struct pdm_apic_ops *ops)
{
    dev->pdm->apic = dev;
    dev->pdm->apic_ops = ops;
}

static bool takes_pic(struct pdm *pdm, unsigned cpu)
{
    return pdm->apic ? pdm->apic_ops->accepts_pic(pdm->apic, cpu) : cpu == 0;
}

void pdm_pic_intr(struct pdm_dev *dev, bool level)
{
    struct pdm *pdm = dev->pdm;
    const unsigned cpus = pdm->host.cpu_count(pdm->host.user);

    atomic_store(&pdm->pic_intr, level);
    for (unsigned cpu = 0; level && cpu < cpus; cpu++)
        if (takes_pic(pdm, cpu))
            pdm->host.cpu_post(pdm->host.user, cpu, PDM_CPU_INTR, 0);
}

void pdm_apic_deliver(struct pdm_dev *dev, uint8_t dest, bool logical, enum pdm_delivery mode, uint8_t vector,
                      bool level)
{
    struct pdm *pdm = dev->pdm;

    if (pdm->apic)
        pdm->apic_ops->deliver(pdm->apic, dest, logical, mode, vector, level);
}

/* SDM volume 3A, 10.11: the address names the destination, the data vector, delivery mode and trigger. */
void pdm_msi_send(struct pdm_dev *dev, uint64_t addr, uint32_t data)
{
    if (addr >> 20 != 0xfee)
        return;
    pdm_apic_deliver(dev, (uint8_t)(addr >> 12), (addr & 4) != 0, (enum pdm_delivery)(data >> 8 & 7), (uint8_t)data,
                     (data & 0x8000) != 0);
}

void pdm_apic_eoi_broadcast(struct pdm_dev *dev, uint8_t vector)
{
    struct pdm *pdm = dev->pdm;
    bool entered;

    if (!pdm->ioapic)
        return;
    entered = pdm_enter(pdm->ioapic);
    pdm->ioapic_ops->eoi(pdm->ioapic, vector);
    pdm_exit(pdm->ioapic, entered);
}

void pdm_cpu_post(struct pdm_dev *dev, unsigned cpu, enum pdm_cpu_event event, unsigned arg)
{
    struct pdm *pdm = dev->pdm;

    if (cpu < pdm->host.cpu_count(pdm->host.user))
        pdm->host.cpu_post(pdm->host.user, cpu, event, arg);
}

/* ---- processors ---- */

void pdm_ferr_register(struct pdm_dev *dev, void (*ferr)(struct pdm_dev *dev, bool asserted))
{
    dev->pdm->coprocessor = dev;
    dev->pdm->ferr = ferr;
}

void pdm_ignne_set(struct pdm_dev *dev, bool asserted)
{
    atomic_store(&dev->pdm->ignne, asserted);
}

void pdm_ferr(struct pdm *pdm, bool asserted)
{
    if (!pdm->coprocessor)
        return;
    pdm_lock(pdm->coprocessor);
    pdm->ferr(pdm->coprocessor, asserted);
    pdm_unlock(pdm->coprocessor);
}

bool pdm_ignne(const struct pdm *pdm)
{
    return atomic_load(&pdm->ignne);
}

int pdm_interrupt_pending(struct pdm *pdm, unsigned cpu)
{
    if (atomic_load(&pdm->pic_intr) && takes_pic(pdm, cpu))
        return PDM_VECTOR_PIC;
    return pdm->apic ? pdm->apic_ops->pending(pdm->apic, cpu) : -1;
}

int pdm_interrupt_acknowledge(struct pdm *pdm, unsigned cpu)
{
    int vector = -1;

    if (pdm->pic && atomic_load(&pdm->pic_intr) && takes_pic(pdm, cpu)) {
        pdm_lock(pdm->pic);
        vector = pdm->pic_ops->acknowledge(pdm->pic);
        pdm_unlock(pdm->pic);
    }
    if (vector < 0 && pdm->apic)
        vector = pdm->apic_ops->acknowledge(pdm->apic, cpu);
    return vector;
}

uint8_t pdm_tpr_get(struct pdm *pdm, unsigned cpu)
{
    return pdm->apic ? pdm->apic_ops->tpr_get(pdm->apic, cpu) : 0;
}

void pdm_tpr_set(struct pdm *pdm, unsigned cpu, uint8_t tpr)
{
    if (pdm->apic)
        pdm->apic_ops->tpr_set(pdm->apic, cpu, tpr);
}

bool pdm_apic_msr_read(struct pdm *pdm, unsigned cpu, uint32_t msr, uint64_t *ret)
{
    return pdm->apic && pdm->apic_ops->msr_read(pdm->apic, cpu, msr, ret);
}

bool pdm_apic_msr_write(struct pdm *pdm, unsigned cpu, uint32_t msr, uint64_t val)
{
    return pdm->apic && pdm->apic_ops->msr_write(pdm->apic, cpu, msr, val);
}

void pdm_cpu_reset(struct pdm *pdm, unsigned cpu, bool init_only)
{
    if (pdm->apic)
        pdm->apic_ops->cpu_reset(pdm->apic, cpu, init_only);
}

void pdm_info_irq(struct pdm *pdm, GString *out)
{
    g_mutex_lock(&pdm->irq_lock);
    for (unsigned line = 0; line < PDM_ISA_LINES; line++)
        g_string_append_printf(out, "ISA line %2u: %-4s %12" PRIu64 " times raised\n", line,
                               pdm->isa_level[line] ? "high" : "low", pdm->isa_rises[line]);
    g_mutex_unlock(&pdm->irq_lock);
    for (unsigned pirq = 0; pirq < PDM_PIRQS; pirq++)
        g_string_append_printf(out, "PIRQ%c#:     %s\n", 'A' + (int)pirq, pdm->pirq_level[pirq] ? "asserted" : "idle");
    g_string_append_printf(out, "PIC INTR:    %s\n", atomic_load(&pdm->pic_intr) ? "high" : "low");
}
