/*
 * pci_reg.h - tables of a chipset function's own configuration registers: offset, reset value, writable bits.
 */
#ifndef DEVICES_CHIPSET_PCI_REG_H
#define DEVICES_CHIPSET_PCI_REG_H

#include "vmm/pdm/dev.h"

struct pci_reg {
    uint8_t off, reset, writable;
};

/** pci_regs_declare() - in construct(): tells PDM which bits the guest may change. */
static inline void pci_regs_declare(struct pdm_dev *dev, const struct pci_reg *regs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pdm_pci_writable(dev, regs[i].off, &regs[i].writable, 1);
}

/** pci_regs_reset() - in reset(): puts the reset values. */
static inline void pci_regs_reset(struct pdm_dev *dev, const struct pci_reg *regs, size_t count)
{
    uint8_t *cfg = pdm_pci_config(dev);

    for (size_t i = 0; i < count; i++)
        cfg[regs[i].off] = regs[i].reset;
}

#endif
