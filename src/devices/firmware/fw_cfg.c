/*
 * fw_cfg.c - the firmware configuration device both SeaBIOS and OVMF ask about the machine.
 *
 * Source: QEMU documentation, docs/specs/fw_cfg: selector 510h, data 511h, DMA 514h, item numbers, file directory. What
 * is in the items: fw_content.c. Left out: writing items. The guest's DMA write operation fails with the error bit.
 * Locks: every callback runs under the device lock.
 * Invariant 1: reads past an item's end give zeros; offset never wraps.
 * Invariant 2: a transfer moves at most MAX_DMA_BYTES, a bound on guest-made work; more fails with the error bit.
 */
#include "devices/firmware/fw_content.h"

#include <string.h>

enum { SELECTOR_PORT = 0x510, DMA_PORT = 0x514, CHUNK_BYTES = 4096, MAX_DMA_BYTES = 64 << 20 };
enum { DMA_ERROR = 0x01, DMA_READ = 0x02, DMA_SKIP = 0x04, DMA_SELECT = 0x08, DMA_WRITE = 0x10 };

struct fw_cfg {
    struct fw_items items;
    uint16_t selected;
    uint32_t offset;
    uint32_t dma_high; /* of the descriptor's address */
};
struct dma_request {
    uint32_t control, bytes;
    uint64_t gpa;
} __attribute__((packed)); /* big-endian in memory */

static void select_item(struct pdm_dev *dev, uint16_t key)
{
    struct fw_cfg *s = pdm_state(dev);

    s->selected = key;
    s->offset = 0;
    fw_content_selected(dev, &s->items, key);
}

/* Copies the next bytes and moves on; inv 1. */
static void take(struct fw_cfg *s, uint8_t *buf, uint32_t bytes)
{
    const struct fw_item *item = fw_items_find(&s->items, s->selected);
    const uint32_t left = item && s->offset < item->bytes->len ? item->bytes->len - s->offset : 0;
    const uint32_t real = MIN(left, bytes);

    memset(buf, 0, bytes);
    if (real)
        memcpy(buf, item->bytes->data + s->offset, real);
    s->offset = s->offset > UINT32_MAX - bytes ? UINT32_MAX : s->offset + bytes;
}

static uint32_t data_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    uint8_t val;

    if (off != 1 || size != 1)
        return UINT32_MAX;
    take(pdm_state(dev), &val, 1);
    return val;
}

static size_t data_read_block(struct pdm_dev *dev, uint16_t off, void *buf, unsigned size, size_t count)
{
    if (off != 1 || size != 1)
        return 0;
    count = MIN(count, (size_t)CHUNK_BYTES);
    take(pdm_state(dev), buf, (uint32_t)count);
    return count;
}

static void selector_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    if (off == 0 && size == 2)
        select_item(dev, (uint16_t)val);
}

static void dma_copy(struct pdm_dev *dev, uint64_t gpa, uint32_t bytes)
{
    uint8_t chunk[CHUNK_BYTES];

    while (bytes) {
        const uint32_t n = MIN(bytes, (uint32_t)sizeof(chunk));

        take(pdm_state(dev), chunk, n);
        pdm_mem_write(dev, gpa, chunk, n);
        gpa += n;
        bytes -= n;
    }
}

static void dma_run(struct pdm_dev *dev, uint64_t gpa)
{
    struct fw_cfg *s = pdm_state(dev);
    struct dma_request r;
    uint32_t control, bytes, result = 0;

    pdm_mem_read(dev, gpa, &r, sizeof(r));
    control = GUINT32_FROM_BE(r.control);
    bytes = GUINT32_FROM_BE(r.bytes);
    if (control & DMA_SELECT)
        select_item(dev, (uint16_t)(control >> 16));
    if (control & DMA_READ && bytes <= MAX_DMA_BYTES) /* inv 2 */
        dma_copy(dev, GUINT64_FROM_BE(r.gpa), bytes);
    else if (control & (DMA_READ | DMA_WRITE))
        result = GUINT32_TO_BE(DMA_ERROR);
    else if (control & DMA_SKIP)
        s->offset = s->offset > UINT32_MAX - bytes ? UINT32_MAX : s->offset + bytes;
    pdm_mem_write(dev, gpa, &result, sizeof(result));
}

/* The ports hold a big-endian address; writing its low half starts. Reading gives the signature "QEMU CFG". */
static uint32_t dma_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    (void)dev, (void)size;
    return GUINT32_SWAP_LE_BE(off == 0 ? 0x51454d55u : 0x20434647u);
}

static void dma_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct fw_cfg *s = pdm_state(dev);
    const uint32_t word = GUINT32_SWAP_LE_BE(val);

    (void)size;
    if (off == 0) {
        s->dma_high = word;
    } else if (off == 4) {
        dma_run(dev, (uint64_t)s->dma_high << 32 | word);
        s->dma_high = 0;
    }
}

static void fw_reset(struct pdm_dev *dev)
{
    struct fw_cfg *s = pdm_state(dev);

    s->selected = 0;
    s->offset = 0;
    s->dma_high = 0;
}

static bool fw_construct(struct pdm_dev *dev, GError **error)
{
    const struct pdm_io data = {.name = "fw-cfg",
                                .base = SELECTOR_PORT,
                                .count = 2,
                                .min_size = 1,
                                .max_size = 2,
                                .read = data_read,
                                .write = selector_write,
                                .read_block = data_read_block};
    const struct pdm_io dma = {.name = "fw-cfg-dma",
                               .base = DMA_PORT,
                               .count = 8,
                               .min_size = 4,
                               .max_size = 4,
                               .read = dma_read,
                               .write = dma_write};
    struct fw_cfg *s = pdm_state(dev);

    fw_items_init(&s->items);
    if (!fw_content_make(dev, &s->items, error))
        return false;
    fw_items_seal(&s->items);
    return pdm_io_add(dev, &data, error) && pdm_io_add(dev, &dma, error);
}

static void fw_destruct(struct pdm_dev *dev)
{
    struct fw_cfg *s = pdm_state(dev);

    fw_items_fini(&s->items);
}

static const struct ssm_field fw_fields[] = {
    SSM_U16(struct fw_cfg, selected),
    SSM_U32(struct fw_cfg, offset),
    SSM_U32(struct fw_cfg, dma_high),
    SSM_END,
};
static const struct ssm_desc fw_desc = {.version = 1, .oldest = 1, .fields = fw_fields};

const struct pdm_devreg fw_cfg_device = {
    .name = "qemu-fw-cfg",
    .desc = "firmware configuration",
    .info_name = "fwcfg",
    .max_instances = 1,
    .state_size = sizeof(struct fw_cfg),
    .config = fw_content_config,
    .state = &fw_desc,
    .construct = fw_construct,
    .destruct = fw_destruct,
    .reset = fw_reset,
};
