/*
 * pci.c - PCI bus 0: configuration space, interrupt pins, reset and saved state of the functions.
 *
 * Source: PCI Local Bus Specification 3.0 [PCI]: 6.1 and 6.2 (configuration header), 2.2.6 (interrupt pins); Intel
 * 82371SB (PIIX3): pins are swizzled over PIRQA#-PIRQD# by slot. Left out: other busses, bridges (header type 1),
 * message-signalled interrupts, parity. Locks: a function's configuration space is under its device's lock; a host
 * bridge's lock is released while it reaches another function. The lines' lock is held while the router is told (lock
 * order: pdm_int.h). Invariant 1: irq_out == irq_level and not command.INTx-disable; pirq_level[n] == or of irq_out of
 * the functions wired to n. Invariant 2: guest writes change only bits of writable and clear_on_1.
 */
#include "vmm/pdm/pdm_int.h"

#include <inttypes.h>
#include <string.h>

enum { PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_BAR0 = 0x10, PCI_ROM = 0x30, PCI_HEADER_END = 0x40 };
#define PCI_COMMAND_BITS    0x0547u /* I/O, memory, master, PERR, SERR, INTx disable [PCI 6.2.2] */
#define PCI_STATUS_CLEAR    0xf900u /* the error bits are written with 1 to clear [PCI 6.2.3] */
#define PCI_STATUS_INTX     0x08u
#define PCI_COMMAND_NO_INTX 0x04u /* of the high byte */

static void put16(uint8_t *p, uint16_t val)
{
    p[0] = (uint8_t)val;
    p[1] = (uint8_t)(val >> 8);
}

/* ---- joining the bus ---- */

static void header_init(struct pdm_pci_func *f)
{
    const struct pdm_pci *d = &f->desc;

    put16(f->cfg + 0x00, d->vendor);
    put16(f->cfg + 0x02, d->device);
    f->cfg[0x08] = d->revision;
    f->cfg[0x09] = d->prog_if;
    f->cfg[0x0a] = d->sub_class;
    f->cfg[0x0b] = d->base_class;
    f->cfg[0x0e] = d->header_type;
    put16(f->cfg + 0x2c, d->subsys_vendor);
    put16(f->cfg + 0x2e, d->subsys);
    f->cfg[0x3d] = d->int_pin;
    put16(f->writable + PCI_COMMAND, PCI_COMMAND_BITS);
    put16(f->clear_on_1 + PCI_STATUS, PCI_STATUS_CLEAR);
    f->writable[0x0c] = 0xff; /* cache line size */
    f->writable[0x0d] = 0xff; /* latency timer */
    f->writable[0x3c] = 0xff; /* interrupt line */
}

bool pdm_pci_register(struct pdm_dev *dev, const struct pdm_pci *pci, GError **error)
{
    struct pdm *pdm = dev->pdm;
    const uint64_t slot = cfgm_integer(dev->node, "PCIDeviceNo", pci->bus_default_slot);
    const uint64_t func = cfgm_integer(dev->node, "PCIFunctionNo", pci->bus_default_func);
    struct pdm_pci_func *f;

    if (slot >= PDM_PCI_SLOTS || func >= 8 || pdm->pci_at[slot][func] || dev->pci) {
        g_set_error(error, PDM_ERROR, 0, "%s: PCI slot %" PRIu64 ", function %" PRIu64 " %s%s", dev->tag, slot, func,
                    slot < PDM_PCI_SLOTS && func < 8 ? "is taken by " : "does not exist",
                    slot < PDM_PCI_SLOTS && func < 8 && pdm->pci_at[slot][func] ? pdm->pci_at[slot][func]->tag : "");
        return false;
    }
    f = g_new0(struct pdm_pci_func, 1);
    f->desc = *pci;
    f->slot = (uint8_t)slot;
    f->func = (uint8_t)func;
    dev->pci = f;
    header_init(f);
    if (!pdm_pci_bars_init(dev, error))
        return false;
    pdm->pci_at[slot][func] = dev;
    return true;
}

void pdm_pci_undo(struct pdm_dev *dev)
{
    struct pdm_pci_func *f = dev->pci;

    if (!f)
        return;
    pdm_pci_irq_set(dev, false);
    pdm_pci_unmap_all(dev);
    if (dev->pdm->pci_at[f->slot][f->func] == dev)
        dev->pdm->pci_at[f->slot][f->func] = NULL;
}

uint8_t *pdm_pci_config(struct pdm_dev *dev)
{
    return dev->pci->cfg;
}

void pdm_pci_writable(struct pdm_dev *dev, uint8_t off, const uint8_t *mask, size_t bytes)
{
    for (size_t i = 0; i < bytes && off + i < sizeof(dev->pci->writable); i++)
        dev->pci->writable[off + i] = mask[i];
}

bool pdm_pci_bus_master(struct pdm_dev *dev)
{
    return (dev->pci->cfg[PCI_COMMAND] & 4) != 0;
}

/* ---- interrupt pins ---- */

static unsigned pirq_of(const struct pdm_pci_func *f)
{
    return (f->slot + f->desc.int_pin + 2u) % PDM_PIRQS; /* slot + pin - 2 */
}

static bool pirq_wanted(const struct pdm *pdm, unsigned pirq)
{
    for (unsigned i = 0; i < pdm->devs->len; i++) {
        const struct pdm_dev *dev = g_ptr_array_index(pdm->devs, i);

        if (dev->pci && dev->pci->irq_out && pirq_of(dev->pci) == pirq)
            return true;
    }
    return false;
}

/* The lines' lock is held. */
static void pirq_out(struct pdm *pdm, unsigned pirq, bool level)
{
    bool entered;

    pdm->pirq_level[pirq] = level;
    if (!pdm->router)
        return;
    entered = pdm_enter(pdm->router);
    pdm->route(pdm->router, pirq, level);
    pdm_exit(pdm->router, entered);
}

static void pins_follow(struct pdm_dev *dev) /* inv 1 */
{
    struct pdm *pdm = dev->pdm;
    struct pdm_pci_func *f = dev->pci;
    const bool out = f->irq_level && !(f->cfg[PCI_COMMAND + 1] & PCI_COMMAND_NO_INTX) && f->desc.int_pin;
    unsigned pirq;
    bool level;

    if (out == f->irq_out)
        return;
    pirq = pirq_of(f);
    g_mutex_lock(&pdm->pirq_lock);
    f->irq_out = out;
    level = out || pirq_wanted(pdm, pirq);
    if (!pdm->quiet && level != pdm->pirq_level[pirq])
        pirq_out(pdm, pirq, level);
    g_mutex_unlock(&pdm->pirq_lock);
}

void pdm_pci_irq_set(struct pdm_dev *dev, bool level)
{
    struct pdm_pci_func *f = dev->pci;

    f->irq_level = level;
    f->cfg[PCI_STATUS] = (uint8_t)((f->cfg[PCI_STATUS] & ~PCI_STATUS_INTX) | (level ? PCI_STATUS_INTX : 0));
    pins_follow(dev);
}

void pdm_pirq_push(struct pdm *pdm)
{
    g_mutex_lock(&pdm->pirq_lock);
    for (unsigned pirq = 0; pirq < PDM_PIRQS; pirq++)
        pirq_out(pdm, pirq, pirq_wanted(pdm, pirq));
    g_mutex_unlock(&pdm->pirq_lock);
}

void pdm_pci_router(struct pdm_dev *dev, void (*route)(struct pdm_dev *dev, unsigned pirq, bool level))
{
    dev->pdm->router = dev;
    dev->pdm->route = route;
}

/* ---- configuration cycles ---- */

static struct pdm_dev *function_at(struct pdm *pdm, uint8_t bus, uint8_t devfn)
{
    return bus == 0 ? pdm->pci_at[devfn >> 3][devfn & 7] : NULL;
}

uint32_t pdm_pci_bus_read(struct pdm_dev *bridge, uint8_t bus, uint8_t devfn, uint8_t off, unsigned size)
{
    struct pdm_dev *dev = function_at(bridge->pdm, bus, devfn);
    uint32_t val = 0;
    bool left, entered;

    if (!dev)
        return UINT32_MAX;
    left = dev != bridge && pdm_leave(bridge);
    entered = pdm_enter(dev);
    for (unsigned i = 0; i < size; i++)
        val |= (uint32_t)(off + i < 256 ? dev->pci->cfg[off + i] : 0xff) << (8 * i);
    pdm_exit(dev, entered);
    pdm_return(bridge, left);
    return val;
}

static void cfg_write(struct pdm_dev *dev, uint8_t off, uint32_t val, unsigned size)
{
    struct pdm_pci_func *f = dev->pci;

    for (unsigned i = 0; i < size && off + i < 256; i++) { /* inv 2 */
        uint8_t *byte = &f->cfg[off + i];
        const uint8_t in = (uint8_t)(val >> (8 * i)), mask = f->writable[off + i];

        *byte = (uint8_t)((*byte & ~mask) | (in & mask));
        *byte &= (uint8_t) ~(in & f->clear_on_1[off + i]);
    }
    if (off < PCI_HEADER_END) {
        pdm_pci_remap(dev);
        pins_follow(dev);
    } else if (f->desc.cfg_written) {
        f->desc.cfg_written(dev, off, size);
    }
}

void pdm_pci_bus_write(struct pdm_dev *bridge, uint8_t bus, uint8_t devfn, uint8_t off, uint32_t val, unsigned size)
{
    struct pdm_dev *dev = function_at(bridge->pdm, bus, devfn);
    bool left, entered;

    if (!dev)
        return;
    left = dev != bridge && pdm_leave(bridge);
    entered = pdm_enter(dev);
    cfg_write(dev, off, val, size);
    pdm_exit(dev, entered);
    pdm_return(bridge, left);
}

/* ---- reset and saved state ---- */

void pdm_pci_reset(struct pdm_dev *dev)
{
    struct pdm_pci_func *f = dev->pci;

    f->irq_level = false;
    f->irq_out = false;
    for (unsigned i = 0; i < PCI_HEADER_END; i++)
        f->cfg[i] &= (uint8_t) ~(f->writable[i] | f->clear_on_1[i]);
    f->cfg[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTX;
}

void pdm_pci_save(struct pdm_dev *dev, struct ssm_writer *w)
{
    ssm_put_bytes(w, dev->pci->cfg, sizeof(dev->pci->cfg));
}

/* Header bits no guest can write must be what they are; the device's own registers are taken over. */
void pdm_pci_load(struct pdm_dev *dev, struct ssm_reader *r)
{
    struct pdm_pci_func *f = dev->pci;
    uint8_t cfg[256];

    ssm_get_bytes(r, cfg, sizeof(cfg));
    if (!ssm_reader_ok(r))
        return;
    cfg[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTX; /* follows from the device's drive() */
    for (unsigned i = 0; i < PCI_HEADER_END; i++) {
        const uint8_t free_bits = f->writable[i] | f->clear_on_1[i];

        if ((cfg[i] ^ f->cfg[i]) & ~free_bits & ~(i == PCI_STATUS ? PCI_STATUS_INTX : 0u)) {
            ssm_get_fail(r, "the PCI configuration header is another device's");
            return;
        }
    }
    memcpy(f->cfg, cfg, sizeof(cfg));
}

void pdm_info_pci(struct pdm *pdm, GString *out)
{
    for (unsigned slot = 0; slot < PDM_PCI_SLOTS; slot++)
        for (unsigned func = 0; func < 8; func++) {
            const struct pdm_dev *dev = pdm->pci_at[slot][func];
            const struct pdm_pci_func *f = dev ? dev->pci : NULL;

            if (!f)
                continue;
            g_string_append_printf(out, "00:%02x.%u %04x-%04x %s", slot, func, f->desc.vendor, f->desc.device,
                                   dev->tag);
            if (f->desc.int_pin)
                g_string_append_printf(out, " INT%c# -> PIRQ%c#, line %u", '@' + f->desc.int_pin, 'A' + (int)pirq_of(f),
                                       f->cfg[0x3c]);
            g_string_append_c(out, '\n');
            for (unsigned bar = 0; bar < 7; bar++)
                if (f->bar_mapped[bar])
                    g_string_append_printf(out, "    %s%u at %08x\n", bar < 6 ? "BAR" : "ROM", bar < 6 ? bar : 0,
                                           f->bar_base[bar]);
        }
}
