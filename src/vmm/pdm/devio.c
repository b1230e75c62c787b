/*
 * devio.c - ports, memory-mapped ranges, device RAM and DMA of devices.
 *
 * Every guest access enters a device here: size rules were applied by iom, the device's lock is taken, one callback
 * runs.
 */
#include "vmm/pdm/pdm_int.h"

#include <inttypes.h>
#include <string.h>

/* ---- ports ---- */

static uint16_t port_off(const struct pdm_ports *p, uint16_t off)
{
    return (uint16_t)(p->io.off_base + off);
}

static uint32_t port_read(void *user, uint16_t off, unsigned size)
{
    struct pdm_ports *p = user;
    uint32_t val;

    if (!p->io.read)
        return UINT32_MAX;
    pdm_lock(p->dev);
    val = p->io.read(p->dev, port_off(p, off), size);
    pdm_unlock(p->dev);
    return val;
}

static void port_write(void *user, uint16_t off, uint32_t val, unsigned size)
{
    struct pdm_ports *p = user;

    if (!p->io.write)
        return;
    pdm_lock(p->dev);
    p->io.write(p->dev, port_off(p, off), val, size);
    pdm_unlock(p->dev);
}

static size_t port_read_block(void *user, uint16_t off, void *buf, unsigned size, size_t count)
{
    struct pdm_ports *p = user;
    size_t moved;

    if (!p->io.read_block)
        return 0;
    pdm_lock(p->dev);
    moved = p->io.read_block(p->dev, port_off(p, off), buf, size, count);
    pdm_unlock(p->dev);
    return moved;
}

static size_t port_write_block(void *user, uint16_t off, const void *buf, unsigned size, size_t count)
{
    struct pdm_ports *p = user;
    size_t moved;

    if (!p->io.write_block)
        return 0;
    pdm_lock(p->dev);
    moved = p->io.write_block(p->dev, port_off(p, off), buf, size, count);
    pdm_unlock(p->dev);
    return moved;
}

static const struct iom_port_ops port_ops = {port_read, port_write, port_read_block, port_write_block};

iom_range pdm_io_make(struct pdm_dev *dev, const struct pdm_io *io, uint16_t count, GError **error)
{
    struct pdm_ports *p = g_new0(struct pdm_ports, 1);
    const struct iom_port_desc desc = {.name = io->name,
                                       .count = count,
                                       .min_size = io->min_size,
                                       .max_size = io->max_size,
                                       .ops = &port_ops,
                                       .user = p};

    p->dev = dev;
    p->io = *io;
    if (!iom_port_add(dev->pdm->iom, &desc, &p->range, error)) {
        g_free(p);
        return (iom_range){0};
    }
    g_ptr_array_add(dev->pdm->ports, p);
    return p->range;
}

bool pdm_io_add(struct pdm_dev *dev, const struct pdm_io *io, GError **error)
{
    iom_range range;

    if ((unsigned)io->base + io->count > 0x10000) {
        g_set_error(error, PDM_ERROR, 0, "%s: port range \"%s\" at %04xh leaves the 64 Ki ports", dev->tag, io->name,
                    io->base);
        return false;
    }
    range = pdm_io_make(dev, io, io->count, error);
    if (range.id)
        iom_port_map(dev->pdm->iom, range, io->base);
    return range.id != 0;
}

bool pdm_io_claim(struct pdm_dev *dev, const struct pdm_io *io, pdm_io_range *ret, GError **error)
{
    ret->id = pdm_io_make(dev, io, io->count, error).id;
    return ret->id != 0;
}

void pdm_io_map(struct pdm_dev *dev, pdm_io_range range, uint16_t base)
{
    iom_port_map(dev->pdm->iom, (iom_range){range.id}, base);
}

void pdm_io_unmap(struct pdm_dev *dev, pdm_io_range range)
{
    iom_port_unmap(dev->pdm->iom, (iom_range){range.id});
}

/* ---- memory-mapped ranges ---- */

static uint64_t range_read(void *user, uint64_t off, unsigned size)
{
    struct pdm_range *r = user;
    uint64_t val;

    if (!r->mmio.read)
        return UINT64_MAX;
    if (pdm_nested()) {
        pdm_guest_error(r->dev, "DMA read of memory-mapped range %s refused", r->mmio.name);
        return UINT64_MAX;
    }
    pdm_lock(r->dev);
    val = r->mmio.read(r->dev, off, size);
    pdm_unlock(r->dev);
    return val;
}

static void range_write(void *user, uint64_t off, uint64_t val, unsigned size)
{
    struct pdm_range *r = user;

    if (!r->mmio.write)
        return;
    if (pdm_nested()) {
        pdm_guest_error(r->dev, "DMA write to memory-mapped range %s refused", r->mmio.name);
        return;
    }
    pdm_lock(r->dev);
    r->mmio.write(r->dev, off, val, size);
    pdm_unlock(r->dev);
}

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + PGM_PAGE_BYTES - 1) & ~(uint64_t)(PGM_PAGE_BYTES - 1);
}

bool pdm_mmio_add(struct pdm_dev *dev, const struct pdm_mmio *mmio, pdm_region *ret, GError **error)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_range *r = g_new0(struct pdm_range, 1);
    const struct iom_mmio_desc desc = {.name = mmio->name,
                                       .size_bytes = mmio->size_bytes,
                                       .min_size = mmio->min_size,
                                       .max_size = mmio->max_size,
                                       .read = range_read,
                                       .write = range_write,
                                       .user = r};
    struct iom_mmio *m = iom_mmio_add(pdm->iom, &desc, error);
    const uint64_t size_bytes = page_up(mmio->size_bytes);

    *r = (struct pdm_range){.dev = dev, .mmio = *mmio, .size_bytes = size_bytes, .mapped_gpa = PDM_NEVER};
    if (!m || !pdm->host.mmio_add(pdm->host.user, mmio->name, size_bytes, m, &r->range, error)) {
        g_ptr_array_add(pdm->blobs, r); /* iom keeps pointing at it */
        return false;
    }
    ret->id = pdm->ranges->len;
    g_ptr_array_add(pdm->ranges, r);
    if (!mmio->base_unmapped)
        pdm_mmio_map(dev, *ret, mmio->base_gpa);
    return true;
}

static struct pdm_range *range_of(struct pdm_dev *dev, pdm_region region)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_range *r = region.id < pdm->ranges->len ? g_ptr_array_index(pdm->ranges, region.id) : NULL;

    return r && r->dev == dev ? r : NULL;
}

void pdm_mmio_map(struct pdm_dev *dev, pdm_region region, uint64_t gpa)
{
    struct pdm_range *r = range_of(dev, region);

    gpa &= ~(uint64_t)(PGM_PAGE_BYTES - 1);
    if (!r || r->mapped_gpa == gpa)
        return;
    r->mapped_gpa = gpa;
    dev->pdm->host.range_map(dev->pdm->host.user, r->range, gpa);
}

void pdm_mmio_unmap(struct pdm_dev *dev, pdm_region region)
{
    struct pdm_range *r = range_of(dev, region);

    if (!r || r->mapped_gpa == PDM_NEVER)
        return;
    r->mapped_gpa = PDM_NEVER;
    dev->pdm->host.range_unmap(dev->pdm->host.user, r->range);
}

bool pdm_ram_add(struct pdm_dev *dev, const char *name, uint64_t size_bytes, pdm_region *ret, void **ret_hva,
                 GError **error)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_range *r = g_new0(struct pdm_range, 1);

    r->dev = dev;
    r->is_ram = true;
    r->size_bytes = page_up(size_bytes);
    r->mapped_gpa = PDM_NEVER;
    if (!pdm->host.ram_add(pdm->host.user, name, r->size_bytes, ret_hva, &r->range, error)) {
        g_free(r);
        return false;
    }
    ret->id = pdm->ranges->len;
    g_ptr_array_add(pdm->ranges, r);
    return true;
}

unsigned pdm_ram_dirty(struct pdm_dev *dev, pdm_region region, uint64_t *ret_bits, unsigned pages)
{
    const struct pdm_range *r = range_of(dev, region);
    unsigned found;
    bool left;

    if (!r || !r->is_ram) {
        memset(ret_bits, 0, (pages + 63) / 64 * sizeof *ret_bits);
        return 0;
    }
    left = pdm_leave(dev); /* vCPUs are waited for, and they may wait for the device */
    found = dev->pdm->host.dirty_collect(dev->pdm->host.user, r->range, ret_bits, pages);
    pdm_return(dev, left);
    return found;
}

bool pdm_rom_add(struct pdm_dev *dev, const char *name, uint64_t gpa, const void *bytes, size_t size, GError **error)
{
    return dev->pdm->host.rom_add(dev->pdm->host.user, name, gpa, bytes, size, error);
}

void pdm_shadow_set(struct pdm_dev *dev, uint64_t gpa, uint64_t size_bytes, unsigned shadow)
{
    dev->pdm->host.shadow_set(dev->pdm->host.user, gpa, size_bytes, shadow);
}

void pdm_a20_set(struct pdm_dev *dev, bool enabled)
{
    dev->pdm->host.a20_set(dev->pdm->host.user, enabled);
}

bool pdm_a20(struct pdm_dev *dev)
{
    return dev->pdm->host.a20(dev->pdm->host.user);
}

/* Takes away everything @dev has claimed: nothing calls it any more when this returns. */
void pdm_io_undo(struct pdm_dev *dev)
{
    struct pdm *pdm = dev->pdm;

    for (unsigned i = 0; i < pdm->clocks->len; i++) {
        struct pdm_clock *c = g_ptr_array_index(pdm->clocks, i);

        if (c->dev == dev && c->timer) {
            pdm->host.timer_free(pdm->host.user, c->timer);
            c->timer = NULL;
        }
    }
    for (unsigned i = 0; i < pdm->ports->len; i++) {
        struct pdm_ports *p = g_ptr_array_index(pdm->ports, i);

        if (p->dev == dev)
            iom_port_unmap(pdm->iom, p->range);
    }
    for (unsigned i = 0; i < pdm->ranges->len; i++)
        pdm_mmio_unmap(dev, (pdm_region){i}); /* only its own */
    for (unsigned i = pdm->counters->len; i-- > 0;)
        if (((struct pdm_counter *)g_ptr_array_index(pdm->counters, i))->dev == dev)
            g_ptr_array_remove_index(pdm->counters, i);
}

/* ---- guest memory ---- */

void pdm_mem_read(struct pdm_dev *dev, uint64_t gpa, void *buf, size_t bytes)
{
    dev->pdm->host.mem_read(dev->pdm->host.user, gpa, buf, bytes);
}

void pdm_mem_write(struct pdm_dev *dev, uint64_t gpa, const void *buf, size_t bytes)
{
    dev->pdm->host.mem_write(dev->pdm->host.user, gpa, buf, bytes);
}

size_t pdm_mem_direct(struct pdm_dev *dev, uint64_t gpa, size_t bytes, bool write, void **ret_hva)
{
    return dev->pdm->host.mem_direct(dev->pdm->host.user, gpa, bytes, write, ret_hva);
}

void pdm_mem_stored(struct pdm_dev *dev, uint64_t gpa, size_t bytes)
{
    dev->pdm->host.mem_stored(dev->pdm->host.user, gpa, bytes);
}

void pdm_ram_sizes(struct pdm_dev *dev, uint64_t *ret_low_bytes, uint64_t *ret_high_bytes)
{
    dev->pdm->host.ram_sizes(dev->pdm->host.user, ret_low_bytes, ret_high_bytes);
}

/* ---- DMA channels ---- */

bool pdm_dma_claim(struct pdm_dev *dev, const struct pdm_dma *dma, GError **error)
{
    struct pdm *pdm = dev->pdm;

    if (dma->channel >= PDM_DMA_CHANNELS || dma->channel == 4 || pdm->dma_dev[dma->channel]) {
        g_set_error(error, PDM_ERROR, 0, "%s: DMA channel %u %s", dev->tag, dma->channel,
                    dma->channel < PDM_DMA_CHANNELS && pdm->dma_dev[dma->channel] ? "is taken" : "does not exist");
        return false;
    }
    pdm->dma[dma->channel] = *dma;
    pdm->dma_dev[dma->channel] = dev;
    return true;
}

void pdm_dmac_register(struct pdm_dev *dev, const struct pdm_dmac_ops *ops)
{
    dev->pdm->dmac = dev;
    dev->pdm->dmac_ops = ops;
}

void pdm_dma_dreq(struct pdm_dev *dev, unsigned channel, bool level)
{
    struct pdm *pdm = dev->pdm;
    bool entered;

    if (!pdm->dmac || channel >= PDM_DMA_CHANNELS || pdm->dma_dev[channel] != dev)
        return;
    entered = pdm_enter(pdm->dmac);
    pdm->dmac_ops->dreq(pdm->dmac, channel, level);
    pdm_exit(pdm->dmac, entered);
}

uint32_t pdm_dmac_transfer(struct pdm_dev *dev, unsigned channel, uint8_t mode, uint32_t pos, uint32_t size)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_dev *target = channel < PDM_DMA_CHANNELS ? pdm->dma_dev[channel] : NULL;
    bool left;

    if (!target || pos >= size)
        return pos;
    left = pdm_leave(dev);
    pdm_lock(target);
    pos = pdm->dma[channel].transfer(target, channel, mode, pos, size);
    pdm_unlock(target);
    pdm_return(dev, left);
    return MIN(pos, size);
}

static void dma_move(struct pdm_dev *dev, unsigned channel, uint32_t pos, void *buf, uint32_t bytes, bool to_memory)
{
    struct pdm *pdm = dev->pdm;
    bool entered;

    if (!pdm->dmac || channel >= PDM_DMA_CHANNELS || pdm->dma_dev[channel] != dev) {
        if (!to_memory)
            memset(buf, 0xff, bytes);
        return;
    }
    entered = pdm_enter(pdm->dmac);
    pdm->dmac_ops->move(pdm->dmac, channel, pos, buf, bytes, to_memory);
    pdm_exit(pdm->dmac, entered);
}

void pdm_dma_read(struct pdm_dev *dev, unsigned channel, uint32_t pos, void *buf, uint32_t bytes)
{
    dma_move(dev, channel, pos, buf, bytes, false);
}

void pdm_dma_write(struct pdm_dev *dev, unsigned channel, uint32_t pos, const void *buf, uint32_t bytes)
{
    dma_move(dev, channel, pos, (void *)(uintptr_t)buf, bytes, true);
}
