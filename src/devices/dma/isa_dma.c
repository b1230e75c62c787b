/*
 * isa_dma.c - joins the two 8237A of a PC and their page registers to the ports, to memory and to the devices that use
 * DMA.
 *
 * Sources: Intel 82371SB (PIIX3) data sheet 4.2 (DMA controller, page registers) [PIIX]; IBM PC/AT Technical Reference,
 * DMA page registers [AT]. Channels 0-3 move bytes, address bits 16-23 from the page register; 5-7 move words, the page
 * register gives bits 17-23. Channel 4 cascades the first controller. A block stays in its 64 KiB (128 KiB) page:
 * addresses wrap there. Left out: scatter-gather and type F timing of PIIX; port 80h's diagnostic code is stored only.
 * Locks: every callback runs under the device lock; PDM releases it while a device transfers.
 * Invariant 1: a granted channel is served from the task; while progress is made and DREQ is up, the task runs again.
 */
#include "devices/dma/i8237.h"

#include <string.h>

#include "vmm/pdm/dev.h"

enum { CONTROLLERS = 2, CASCADE = 4, CHANNELS = 8, PAGES = 16 };

struct isa_dma {
    struct i8237 chip[CONTROLLERS];
    uint8_t page[PAGES]; /* ports 80h-8Fh */
    pdm_timer task;
};

/* Page register of each channel: port - 80h. [AT] */
static const uint8_t page_of[CHANNELS] = {7, 3, 1, 2, 0xf, 0xb, 9, 0xa};

static struct i8237 *chip_of(struct isa_dma *s, unsigned channel)
{
    return &s->chip[channel >> 2];
}

static unsigned unit_shift(unsigned channel)
{
    return channel > CASCADE ? 1 : 0;
}

/* ---- moving ---- */

static uint64_t address_of(struct isa_dma *s, unsigned channel, uint32_t unit)
{
    const uint16_t address = i8237_address(chip_of(s, channel), channel & 3, unit);
    const uint8_t page = s->page[page_of[channel]];

    if (unit_shift(channel))
        return (uint64_t)(page & 0xfe) << 16 | (uint64_t)address << 1;
    return (uint64_t)page << 16 | address;
}

/* Bytes from @pos on whose addresses ascend without a wrap. */
static uint32_t run_bytes(struct isa_dma *s, unsigned channel, uint32_t pos, uint32_t bytes)
{
    const unsigned shift = unit_shift(channel);
    const struct i8237 *c = chip_of(s, channel);
    const uint16_t address = i8237_address(c, channel & 3, pos >> shift);
    const uint32_t unit_rest = (1u << shift) - (pos & ((1u << shift) - 1));
    uint32_t run = ((0x10000u - address) << shift) - (pos & ((1u << shift) - 1));

    if (c->ch[channel & 3].mode & I8237_MODE_DOWN)
        run = unit_rest;
    return MIN(run, bytes);
}

static void move(struct pdm_dev *dev, unsigned channel, uint32_t pos, void *buf, uint32_t bytes, bool to_memory)
{
    struct isa_dma *s = pdm_state(dev);
    const unsigned shift = unit_shift(channel & 7);
    uint8_t *p = buf;

    channel &= 7;
    if ((chip_of(s, channel)->ch[channel & 3].mode & I8237_MODE_TYPE) == I8237_MODE_VERIFY) {
        if (!to_memory)
            memset(buf, 0, bytes); /* a verify moves nothing */
        return;
    }
    while (bytes) {
        const uint32_t n = run_bytes(s, channel, pos, bytes);
        const uint64_t gpa = address_of(s, channel, pos >> shift) + (pos & ((1u << shift) - 1));

        if (to_memory)
            pdm_mem_write(dev, gpa, p, n);
        else
            pdm_mem_read(dev, gpa, p, n);
        p += n;
        pos += n;
        bytes -= n;
    }
}

/* Serves @channel once; Return: whether it moved and wants more. */
static bool serve(struct pdm_dev *dev, unsigned channel)
{
    struct isa_dma *s = pdm_state(dev);
    struct i8237 *c = chip_of(s, channel);
    struct i8237_channel *ch = &c->ch[channel & 3];
    const unsigned shift = unit_shift(channel);
    const uint32_t size = i8237_size(c, channel & 3) << shift;
    const uint32_t before = i8237_position(c, channel & 3) << shift;
    const uint32_t generation = ch->generation;
    const uint32_t after = pdm_dmac_transfer(dev, channel, (uint8_t)(ch->mode | (channel & 3)), before, size);

    if (ch->generation != generation || after == before || after > size)
        return false; /* reprogrammed meanwhile, or nothing moved */
    i8237_advance(c, channel & 3, after >> shift);
    return i8237_ready(c, channel & 3);
}

static void dma_run(struct pdm_dev *dev)
{
    struct isa_dma *s = pdm_state(dev);
    bool more = false;

    for (unsigned channel = 0; channel < CHANNELS; channel++)
        if (channel != CASCADE && i8237_ready(chip_of(s, channel), channel & 3))
            more |= serve(dev, channel);
    if (more)
        pdm_task_post(dev, s->task); /* inv 1 */
}

static void dma_drive(struct pdm_dev *dev)
{
    struct isa_dma *s = pdm_state(dev);

    for (unsigned channel = 0; channel < CHANNELS; channel++)
        if (channel != CASCADE && i8237_ready(chip_of(s, channel), channel & 3)) {
            pdm_task_post(dev, s->task); /* inv 1 */
            return;
        }
}

static void dreq(struct pdm_dev *dev, unsigned channel, bool level)
{
    struct isa_dma *s = pdm_state(dev);

    i8237_dreq(chip_of(s, channel & 7), channel & 3, level);
    dma_drive(dev);
}

/* ---- ports: offsets 0-0Fh the first controller, 10h-1Fh the second ---- */

static uint32_t chip_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_dma *s = pdm_state(dev);

    (void)size;
    return i8237_read(&s->chip[off >> 4 & 1], off & 15);
}

static void chip_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_dma *s = pdm_state(dev);

    (void)size;
    i8237_write(&s->chip[off >> 4 & 1], off & 15, (uint8_t)val);
    dma_drive(dev);
}

/* The second controller's registers are two ports apart. [AT] */
static uint32_t wide_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    return off & 1 ? 0xff : chip_read(dev, (uint16_t)(0x10 | off >> 1), size);
}

static void wide_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    if (!(off & 1))
        chip_write(dev, (uint16_t)(0x10 | off >> 1), val, size);
}

static uint32_t page_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct isa_dma *s = pdm_state(dev);

    (void)size;
    return s->page[off & (PAGES - 1)];
}

static void page_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_dma *s = pdm_state(dev);
    const unsigned n = off & (PAGES - 1);

    (void)size;
    s->page[n] = (uint8_t)val;
    for (unsigned channel = 0; channel < CHANNELS; channel++)
        if (page_of[channel] == n)
            chip_of(s, channel)->ch[channel & 3].generation++;
}

static void dma_reset(struct pdm_dev *dev)
{
    struct isa_dma *s = pdm_state(dev);

    for (unsigned i = 0; i < CONTROLLERS; i++)
        i8237_reset(&s->chip[i]);
    memset(s->page, 0, sizeof(s->page));
}

static bool dma_construct(struct pdm_dev *dev, GError **error)
{
    static const struct pdm_dmac_ops ops = {.dreq = dreq, .move = move};
    const struct pdm_io ports[] = {
        {.name = "dma-byte", .base = 0x00, .count = 16, .read = chip_read, .write = chip_write},
        {.name = "dma-word", .base = 0xc0, .count = 32, .read = wide_read, .write = wide_write},
        {.name = "dma-page", .base = 0x80, .count = PAGES, .read = page_read, .write = page_write},
    };
    struct isa_dma *s = pdm_state(dev);

    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        struct pdm_io io = ports[i];

        io.min_size = io.max_size = 1;
        if (!pdm_io_add(dev, &io, error))
            return false;
    }
    pdm_dmac_register(dev, &ops);
    return pdm_task_new(dev, "dma.run", dma_run, &s->task, error);
}

static const struct ssm_field channel_fields[] = {
    SSM_U16(struct i8237_channel, base_address),
    SSM_U16(struct i8237_channel, base_count),
    SSM_U16(struct i8237_channel, address),
    SSM_U16(struct i8237_channel, count),
    SSM_U8(struct i8237_channel, mode),
    SSM_U32(struct i8237_channel, generation),
    SSM_END,
};
static const struct ssm_field chip_fields[] = {
    SSM_STRUCTS(struct i8237, ch, channel_fields),
    SSM_U8(struct i8237, command),
    SSM_U8(struct i8237, status),
    SSM_U8(struct i8237, mask),
    SSM_U8(struct i8237, request),
    SSM_U8(struct i8237, temporary),
    SSM_U8(struct i8237, dreq),
    SSM_BOOL(struct i8237, high_byte),
    SSM_END,
};
static const struct ssm_field dma_fields[] = {
    SSM_STRUCTS(struct isa_dma, chip, chip_fields),
    SSM_U8S(struct isa_dma, page),
    SSM_END,
};
static const struct ssm_desc dma_desc = {.version = 1, .oldest = 1, .fields = dma_fields};

const struct pdm_devreg isa_dma_device = {
    .name = "8237A",
    .desc = "8237A DMA controller pair",
    .info_name = "dmac",
    .max_instances = 1,
    .state_size = sizeof(struct isa_dma),
    .state = &dma_desc,
    .construct = dma_construct,
    .reset = dma_reset,
    .drive = dma_drive,
};
