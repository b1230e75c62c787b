/*
 * pci_cap.h - message-signalled interrupts of PCI functions: the MSI and MSI-X capabilities.
 *
 * A device places a capability when it is constructed, gives it its reset values in reset(), and sends by vector. The
 * registers in configuration space are PDM's to save; the table of MSI-X is the device's, with pci_msix_fields.
 */
#ifndef DEVICES_PCI_PCI_CAP_H
#define DEVICES_PCI_PCI_CAP_H

#include "vmm/pdm/dev.h"

/** pci_cap_first() - the list of capabilities begins at @off; once, from construct(). */
void pci_cap_first(struct pdm_dev *dev, uint8_t off);

#define PCI_MSI_BYTES 14u /* 64-bit address, one message */
/** pci_msi_init() - makes the capability's registers at @off writable. */
void pci_msi_init(struct pdm_dev *dev, uint8_t off);
/** pci_msi_reset() - the capability at @off as after reset; @next: the one behind it, 0 = none. */
void pci_msi_reset(struct pdm_dev *dev, uint8_t off, uint8_t next);
bool pci_msi_enabled(struct pdm_dev *dev, uint8_t off);
void pci_msi_send(struct pdm_dev *dev, uint8_t off);

#define PCI_MSIX_BYTES       12u
#define PCI_MSIX_MAX         64u
#define PCI_MSIX_TABLE_BYTES (16u * PCI_MSIX_MAX)

struct pci_msix {
    /* wiring */
    uint8_t off;
    unsigned vectors;
    /* the table: address low and high, data, control; and what waits for a mask to go */
    uint32_t word[PCI_MSIX_MAX * 4];
    uint64_t pending;
};
extern const struct ssm_field pci_msix_fields[];

/** pci_msix_init() - a table of @vectors; the capability's registers are at @off. */
void pci_msix_init(struct pdm_dev *dev, struct pci_msix *x, uint8_t off, unsigned vectors);
/**
 * pci_msix_reset() - the capability as after reset: the table lies at @table_off of BAR @bar, the pending bits at
 * @pba_off (multiples of 8). The device hands accesses there to the functions below.
 */
void pci_msix_reset(struct pdm_dev *dev, struct pci_msix *x, uint8_t next, uint8_t bar, uint32_t table_off,
                    uint32_t pba_off);
bool pci_msix_enabled(struct pdm_dev *dev, const struct pci_msix *x);
/** @off: from the table's beginning; aligned, @size 4 or 8. */
uint64_t pci_msix_read(const struct pci_msix *x, uint64_t off, unsigned size);
void pci_msix_write(struct pdm_dev *dev, struct pci_msix *x, uint64_t off, uint64_t val, unsigned size);
/** pci_msix_pending() - a dword of the pending bits. */
uint32_t pci_msix_pending(const struct pci_msix *x, uint64_t off);
/** pci_msix_send() - now, or when its mask and the function's go. */
void pci_msix_send(struct pdm_dev *dev, struct pci_msix *x, unsigned vector);
/** pci_msix_configured() - after a write to configuration space: sends what the function mask held back. */
void pci_msix_configured(struct pdm_dev *dev, struct pci_msix *x);

#endif
