/*
 * pci_cap.c - MSI and MSI-X: see pci_cap.h.
 *
 * Source: PCI Local Bus Specification 3.0 [PCI], 6.7 (capabilities list), 6.8.1 (MSI), 6.8.2 (MSI-X).
 * MSI has one message, a 64-bit address and no mask bits. Bytes of configuration space may come from a saved state:
 * nothing of them is used as an index.
 * Invariant 1: a bit of pending is set only for a vector below the table's size.
 */
#include "devices/pci/pci_cap.h"

#include <string.h>

enum { CAP_MSI = 0x05, CAP_MSIX = 0x11 };
enum { CFG_STATUS = 0x06, CFG_CAP_POINTER = 0x34, STATUS_CAP_LIST = 0x10 };
enum { MSI_CONTROL = 2, MSI_ADDR = 4, MSI_ADDR_HIGH = 8, MSI_DATA = 12, MSI_ENABLE = 0x01, MSI_64 = 0x80 };
enum { MSIX_CONTROL_HIGH = 3, MSIX_ENABLE = 0x80, MSIX_MASK_ALL = 0x40, MSIX_TABLE = 4, MSIX_PBA = 8 };
enum { ENTRY_MASKED = 1 };

const struct ssm_field pci_msix_fields[] = {
    SSM_UINTS(struct pci_msix, word),
    SSM_U64(struct pci_msix, pending),
    SSM_END,
};

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

void pci_cap_first(struct pdm_dev *dev, uint8_t off)
{
    uint8_t *cfg = pdm_pci_config(dev);

    cfg[CFG_STATUS] |= STATUS_CAP_LIST;
    cfg[CFG_CAP_POINTER] = off;
}

/* ---- MSI ---- */

void pci_msi_init(struct pdm_dev *dev, uint8_t off)
{
    static const uint8_t control[] = {MSI_ENABLE};
    static const uint8_t message[] = {0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    pdm_pci_writable(dev, (uint8_t)(off + MSI_CONTROL), control, sizeof(control));
    pdm_pci_writable(dev, (uint8_t)(off + MSI_ADDR), message, sizeof(message));
}

void pci_msi_reset(struct pdm_dev *dev, uint8_t off, uint8_t next)
{
    uint8_t *cap = pdm_pci_config(dev) + off;

    memset(cap, 0, PCI_MSI_BYTES);
    cap[0] = CAP_MSI;
    cap[1] = next;
    cap[MSI_CONTROL] = MSI_64;
}

bool pci_msi_enabled(struct pdm_dev *dev, uint8_t off)
{
    return (pdm_pci_config(dev)[off + MSI_CONTROL] & MSI_ENABLE) != 0;
}

void pci_msi_send(struct pdm_dev *dev, uint8_t off)
{
    const uint8_t *cap = pdm_pci_config(dev) + off;

    pdm_msi_send(dev, (uint64_t)get32(cap + MSI_ADDR_HIGH) << 32 | get32(cap + MSI_ADDR),
                 get32(cap + MSI_DATA) & 0xffff);
}

/* ---- MSI-X ---- */

void pci_msix_init(struct pdm_dev *dev, struct pci_msix *x, uint8_t off, unsigned vectors)
{
    static const uint8_t control[] = {MSIX_ENABLE | MSIX_MASK_ALL};

    x->off = off;
    x->vectors = MIN(vectors, PCI_MSIX_MAX);
    pdm_pci_writable(dev, (uint8_t)(off + MSIX_CONTROL_HIGH), control, sizeof(control));
}

void pci_msix_reset(struct pdm_dev *dev, struct pci_msix *x, uint8_t next, uint8_t bar, uint32_t table_off,
                    uint32_t pba_off)
{
    uint8_t *cap = pdm_pci_config(dev) + x->off;

    memset(cap, 0, PCI_MSIX_BYTES);
    cap[0] = CAP_MSIX;
    cap[1] = next;
    cap[2] = (uint8_t)(x->vectors - 1);
    put32(cap + MSIX_TABLE, table_off | bar);
    put32(cap + MSIX_PBA, pba_off | bar);
    memset(x->word, 0, sizeof(x->word));
    for (unsigned v = 0; v < x->vectors; v++)
        x->word[4 * v + 3] = ENTRY_MASKED; /* [PCI 6.8.2.9] */
    x->pending = 0;
}

bool pci_msix_enabled(struct pdm_dev *dev, const struct pci_msix *x)
{
    return (pdm_pci_config(dev)[x->off + MSIX_CONTROL_HIGH] & MSIX_ENABLE) != 0;
}

static bool open(struct pdm_dev *dev, const struct pci_msix *x, unsigned vector)
{
    return (pdm_pci_config(dev)[x->off + MSIX_CONTROL_HIGH] & (MSIX_ENABLE | MSIX_MASK_ALL)) == MSIX_ENABLE &&
           !(x->word[4 * vector + 3] & ENTRY_MASKED);
}

void pci_msix_send(struct pdm_dev *dev, struct pci_msix *x, unsigned vector)
{
    const uint32_t *entry;

    if (vector >= x->vectors)
        return;
    if (!open(dev, x, vector)) {
        x->pending |= UINT64_C(1) << vector; /* inv 1 */
        return;
    }
    entry = x->word + 4 * vector;
    x->pending &= ~(UINT64_C(1) << vector);
    pdm_msi_send(dev, (uint64_t)entry[1] << 32 | entry[0], entry[2]);
}

void pci_msix_configured(struct pdm_dev *dev, struct pci_msix *x)
{
    for (unsigned v = 0; v < x->vectors; v++)
        if ((x->pending >> v & 1) && open(dev, x, v))
            pci_msix_send(dev, x, v);
}

uint64_t pci_msix_read(const struct pci_msix *x, uint64_t off, unsigned size)
{
    const uint64_t i = off / 4;

    if (i >= 4 * x->vectors)
        return 0;
    return x->word[i] | (size == 8 ? (uint64_t)x->word[i | 1] << 32 : 0);
}

void pci_msix_write(struct pdm_dev *dev, struct pci_msix *x, uint64_t off, uint64_t val, unsigned size)
{
    const uint64_t i = off / 4;

    if (i >= 4 * x->vectors || size < 4)
        return;
    x->word[i] = (uint32_t)(i % 4 == 3 ? val & ENTRY_MASKED : val);
    if (size == 8)
        x->word[i | 1] = (uint32_t)((i | 1) % 4 == 3 ? val >> 32 & ENTRY_MASKED : val >> 32);
    pci_msix_configured(dev, x);
}

uint32_t pci_msix_pending(const struct pci_msix *x, uint64_t off)
{
    return off < 8 ? (uint32_t)(x->pending >> 8 * (off & 4)) : 0;
}
