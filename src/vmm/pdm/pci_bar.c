/*
 * pci_bar.c - base address registers: sizing, and what they map.
 *
 * Source: PCI Local Bus Specification 3.0, 6.2.5.1 (sizing by writing ones), 6.2.5.2 (expansion ROM), 6.2.2 (decode
 * enable). A memory BAR takes at least 4 KiB of address space, so that it always covers whole pages. A BAR at 0, at the
 * end of its space (as while being sized) or with decoding off maps nothing. Invariant 1: what is mapped is a function
 * of cfg alone; pdm_pci_remap() establishes it after every change.
 */
#include "vmm/pdm/pdm_int.h"

#include <string.h>

#define BAR_ROM        6u /* index of the expansion ROM in the arrays */
#define CFG_ROM        0x30u
#define COMMAND_IO     1u
#define COMMAND_MEMORY 2u

static unsigned bar_off(unsigned bar)
{
    return bar == BAR_ROM ? CFG_ROM : 0x10 + 4 * bar;
}

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

static bool bad_size(const struct pdm_pci_bar *b)
{
    const uint32_t least = b->kind == PDM_BAR_IO ? 4 : 16;

    return b->size_bytes < least || (b->size_bytes & (b->size_bytes - 1)) ||
           (b->kind == PDM_BAR_IO && (b->size_bytes > 256 || !b->io)); /* 256 ports at most [PCI 6.2.5.1] */
}

static bool bar_init(struct pdm_dev *dev, unsigned bar, GError **error)
{
    struct pdm_pci_func *f = dev->pci;
    struct pdm_pci_bar *b = &f->desc.bars[bar];
    const unsigned off = bar_off(bar);

    if (bad_size(b)) {
        g_set_error(error, PDM_ERROR, 0, "%s: PCI BAR %u cannot have %u bytes", dev->tag, bar, b->size_bytes);
        return false;
    }
    if (b->kind == PDM_BAR_IO) {
        put32(f->cfg + off, 1);
        put32(f->writable + off, ~(b->size_bytes - 1) & ~3u);
        f->bar_ports[bar] = pdm_io_make(dev, b->io, (uint16_t)b->size_bytes, error);
        return f->bar_ports[bar].id != 0;
    }
    b->size_bytes = MAX(b->size_bytes, PGM_PAGE_BYTES);
    put32(f->cfg + off, b->prefetchable ? 8 : 0);
    put32(f->writable + off, ~(b->size_bytes - 1));
    return true;
}

static uint64_t rom_read(void *user, uint64_t off, unsigned size)
{
    const struct pdm_pci_func *f = user;
    uint64_t val = UINT64_MAX;

    if (off + size <= f->desc.rom_bytes)
        memcpy(&val, f->desc.rom + off, size);
    return val;
}

static uint32_t rom_window(const struct pdm_pci_func *f)
{
    uint32_t bytes = PGM_PAGE_BYTES;

    while (bytes < f->desc.rom_bytes)
        bytes <<= 1;
    return bytes;
}

static bool rom_init(struct pdm_dev *dev, GError **error)
{
    struct pdm_pci_func *f = dev->pci;
    struct pdm *pdm = dev->pdm;
    const uint32_t window = f->desc.rom_bytes <= 1u << 24 ? rom_window(f) : 0;
    const struct iom_mmio_desc desc = {
        .name = "rom", .size_bytes = window, .min_size = 1, .max_size = 8, .read = rom_read, .user = f};
    struct iom_mmio *m = iom_mmio_add(pdm->iom, &desc, error);
    void *copy;

    if (!m)
        return false;
    copy = g_memdup2(f->desc.rom, f->desc.rom_bytes);
    g_ptr_array_add(pdm->blobs, copy);
    f->desc.rom = copy;
    put32(f->writable + CFG_ROM, ~(window - 1) | 1);
    return pdm->host.mmio_add(pdm->host.user, "rom", window, m, &f->rom_range, error);
}

bool pdm_pci_bars_init(struct pdm_dev *dev, GError **error)
{
    for (unsigned bar = 0; bar < 6; bar++)
        if (dev->pci->desc.bars[bar].kind != PDM_BAR_NONE && !bar_init(dev, bar, error))
            return false;
    return !dev->pci->desc.rom_bytes || rom_init(dev, error);
}

/* ---- mapping ---- */

/* Whether the BAR maps something now, and where. */
static bool bar_wanted(const struct pdm_pci_func *f, unsigned bar, uint32_t *ret_base)
{
    const uint32_t raw = get32(f->cfg + bar_off(bar));
    const uint8_t command = f->cfg[4];
    uint32_t size, base;

    if (bar == BAR_ROM) {
        size = rom_window(f);
        base = raw & ~(size - 1);
        if (!f->desc.rom_bytes || !(raw & 1) || !(command & COMMAND_MEMORY))
            return false;
    } else {
        const struct pdm_pci_bar *b = &f->desc.bars[bar];

        size = b->size_bytes;
        if (b->kind == PDM_BAR_NONE || !(command & (b->kind == PDM_BAR_IO ? COMMAND_IO : COMMAND_MEMORY)))
            return false;
        base = raw & ~(size - 1);
        if (b->kind == PDM_BAR_IO && base + (size - 1) > 0xffff)
            return false;
    }
    *ret_base = base;
    return base != 0 && base + (size - 1) != UINT32_MAX;
}

static void bar_unmap(struct pdm_dev *dev, unsigned bar)
{
    struct pdm_pci_func *f = dev->pci;

    if (!f->bar_mapped[bar])
        return;
    f->bar_mapped[bar] = 0;
    if (bar == BAR_ROM)
        dev->pdm->host.range_unmap(dev->pdm->host.user, f->rom_range);
    else if (f->desc.bars[bar].kind == PDM_BAR_IO)
        iom_port_unmap(dev->pdm->iom, f->bar_ports[bar]);
    else
        pdm_mmio_unmap(dev, f->desc.bars[bar].region);
}

static void bar_map(struct pdm_dev *dev, unsigned bar, uint32_t base)
{
    struct pdm_pci_func *f = dev->pci;

    f->bar_mapped[bar] = 1;
    f->bar_base[bar] = base;
    if (bar == BAR_ROM)
        dev->pdm->host.range_map(dev->pdm->host.user, f->rom_range, base);
    else if (f->desc.bars[bar].kind == PDM_BAR_IO)
        iom_port_map(dev->pdm->iom, f->bar_ports[bar], (uint16_t)base);
    else
        pdm_mmio_map(dev, f->desc.bars[bar].region, base);
}

void pdm_pci_remap(struct pdm_dev *dev)
{
    struct pdm_pci_func *f = dev->pci;

    for (unsigned bar = 0; bar < 7; bar++) {
        uint32_t base = 0;
        const bool wanted = bar_wanted(f, bar, &base);

        if (wanted && f->bar_mapped[bar] && f->bar_base[bar] == base)
            continue;
        bar_unmap(dev, bar);
        if (wanted)
            bar_map(dev, bar, base);
    }
}

void pdm_pci_unmap_all(struct pdm_dev *dev)
{
    for (unsigned bar = 0; bar < 7; bar++)
        bar_unmap(dev, bar);
}
