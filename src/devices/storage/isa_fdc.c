/*
 * isa_fdc.c - joins the floppy controller to ports 3f0h-3f5h and 3f7h, one interrupt line, one DMA channel and up to
 * two drives on LUN 0 and 1.
 *
 * Source: IBM PC/AT Technical Reference, diskette adapter; Intel 82078 data sheet. Port 3f6h is the IDE channel's.
 * The media answer on their drivers' threads; one request at a time, told from dropped ones by its number.
 * Locks: every callback, also the completions, runs under the device lock.
 */
#include <string.h>

#include "devices/storage/i82078.h"
#include "vmm/pdm/dev.h"

#define LUNS 2

struct isa_fdc {
    struct i82078 chip;
    struct pdm_block *block[LUNS];
    struct pdm_block_req req;
    bool in_flight, suspended;
    pdm_irq irq;
    pdm_timer event;
    unsigned dma;
    uint8_t buf[FDC_BUF_BYTES];
};

static void fdc_sync(struct pdm_dev *dev);

static void answered(struct pdm_dev *dev, struct pdm_block_req *req)
{
    struct isa_fdc *s = pdm_state(dev);

    s->in_flight = false;
    if (s->chip.io.op != FDC_IO_NONE && s->chip.io_serial == req->generation) {
        if (req->op == PDM_BLOCK_READ && req->status == 0)
            memcpy(s->chip.buf, s->buf, req->bytes);
        i82078_io_done(&s->chip, req->status);
    }
    fdc_sync(dev);
}

static void submit(struct isa_fdc *s)
{
    const struct fdc_io *io = &s->chip.io;
    struct pdm_block *b = io->drive < LUNS ? s->block[io->drive] : NULL;

    if (!b) {
        i82078_io_done(&s->chip, -1);
        return;
    }
    s->req = (struct pdm_block_req){.op = io->op == FDC_IO_READ ? PDM_BLOCK_READ : PDM_BLOCK_WRITE,
                                    .offset_bytes = io->offset_bytes,
                                    .buf = s->buf,
                                    .bytes = io->bytes,
                                    .done = answered,
                                    .generation = s->chip.io_serial};
    if (io->op == FDC_IO_WRITE)
        memcpy(s->buf, s->chip.buf, io->bytes);
    s->in_flight = true;
    b->submit(b, &s->req);
}

/* Hands out the request, drives pin, DREQ and timer; the only place that does. */
static void fdc_sync(struct pdm_dev *dev)
{
    struct isa_fdc *s = pdm_state(dev);

    if (s->chip.io.op != FDC_IO_NONE && !s->in_flight && !s->suspended)
        submit(s);
    pdm_irq_set(dev, s->irq, i82078_pin(&s->chip));
    pdm_dma_dreq(dev, s->dma, i82078_dreq(&s->chip));
    pdm_timer_at(dev, s->event, i82078_next_ns(&s->chip));
}

static uint32_t fdc_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_fdc *s = pdm_state(dev);
    uint8_t val = i82078_read(&s->chip, off);

    (void)size; /* 1, by max_size */
    fdc_sync(dev);
    return val;
}

static void fdc_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_fdc *s = pdm_state(dev);

    (void)size;
    i82078_write(&s->chip, off, (uint8_t)val, pdm_now_ns(dev));
    fdc_sync(dev);
}

static void fdc_event(struct pdm_dev *dev)
{
    struct isa_fdc *s = pdm_state(dev);

    i82078_expire(&s->chip, pdm_now_ns(dev));
    fdc_sync(dev);
}

/* The controller gives the channel: everything there is moves at once. */
static uint32_t fdc_transfer(struct pdm_dev *dev, unsigned channel, uint8_t mode, uint32_t pos, uint32_t size)
{
    struct isa_fdc *s = pdm_state(dev);
    uint8_t *p = NULL;
    uint32_t n = i82078_dma(&s->chip, &p);

    (void)mode; /* the command says which way */
    n = n < size - pos ? n : size - pos;
    if (n == 0)
        return pos;
    if (s->chip.phase == FDC_DATA_IN)
        pdm_dma_write(dev, channel, pos, p, n);
    else
        pdm_dma_read(dev, channel, pos, p, n);
    i82078_dma_moved(&s->chip, n, pos + n == size);
    fdc_sync(dev);
    return pos + n;
}

/* ---- life ---- */

static void connect(struct pdm_dev *dev, unsigned lun, bool changed)
{
    struct isa_fdc *s = pdm_state(dev);
    struct pdm_block *b = pdm_lun_block(dev, lun);

    s->block[lun] = b;
    i82078_insert(&s->chip, lun, b ? b->size_bytes : 0, b && b->read_only, changed);
}

static void fdc_media_changed(struct pdm_dev *dev, unsigned lun)
{
    if (lun < LUNS)
        connect(dev, lun, true);
}

static bool find_drive(struct pdm_dev *dev, unsigned lun, GError **error)
{
    static const char *const keys[LUNS] = {"Drive0", "Drive1"};
    struct isa_fdc *s = pdm_state(dev);
    const char *kind = pdm_cfg_str(dev, keys[lun]);

    if (*kind && strcmp(kind, "Floppy") && strcmp(kind, "None")) {
        g_set_error(error, PDM_ERROR, 0, "i82078: %s is '%s'; it can be Floppy or None", keys[lun], kind);
        return false;
    }
    s->chip.drive[lun].present = *kind ? !strcmp(kind, "Floppy") : pdm_lun_block(dev, lun) != NULL;
    connect(dev, lun, false);
    return true;
}

static bool fdc_construct(struct pdm_dev *dev, GError **error)
{
    struct isa_fdc *s = pdm_state(dev);
    const uint16_t base = (uint16_t)pdm_cfg_u64(dev, "IOBase");
    struct pdm_io io = {
        .name = "fdc", .base = base, .count = 6, .min_size = 1, .max_size = 1, .read = fdc_read, .write = fdc_write};
    struct pdm_io dir = io;

    dir.name = "fdc dir";
    dir.base = (uint16_t)(base + FDC_DIR);
    dir.count = 1;
    dir.off_base = FDC_DIR;
    s->dma = (unsigned)pdm_cfg_u64(dev, "DMA");
    return find_drive(dev, 0, error) && find_drive(dev, 1, error) && pdm_io_add(dev, &io, error) &&
           pdm_io_add(dev, &dir, error) && pdm_irq_claim(dev, (unsigned)pdm_cfg_u64(dev, "IRQ"), &s->irq, error) &&
           pdm_dma_claim(dev, &(struct pdm_dma){.channel = s->dma, .transfer = fdc_transfer}, error) &&
           pdm_timer_new(dev, "fdc.event", fdc_event, &s->event, error);
}

static void fdc_reset(struct pdm_dev *dev)
{
    struct isa_fdc *s = pdm_state(dev);

    i82078_reset(&s->chip);
}

static void fdc_suspend(struct pdm_dev *dev)
{
    struct isa_fdc *s = pdm_state(dev);

    s->suspended = true;
}

static void fdc_resume(struct pdm_dev *dev)
{
    struct isa_fdc *s = pdm_state(dev);

    s->suspended = false;
    fdc_sync(dev);
}

static bool fdc_busy(struct pdm_dev *dev)
{
    const struct isa_fdc *s = pdm_state(dev);

    return s->in_flight;
}

static const struct ssm_field fdc_fields[] = {
    SSM_STRUCT(struct isa_fdc, chip, i82078_fields),
    SSM_END,
};

static bool fdc_state_check(void *state)
{
    const struct isa_fdc *s = state;

    return i82078_check(&s->chip);
}

static const struct ssm_desc fdc_state = {.version = 1, .oldest = 1, .fields = fdc_fields, .check = fdc_state_check};

static const struct pdm_cfg_key fdc_config[] = {
    {.name = "IOBase", .type = PDM_CFG_U64, .min = 0x100, .max = 0xfff8, .def = 0x3f0},
    {.name = "IRQ", .type = PDM_CFG_U64, .min = 1, .max = 15, .def = 6},
    {.name = "DMA", .type = PDM_CFG_U64, .min = 0, .max = 3, .def = 2},
    {.name = "Drive0", .type = PDM_CFG_STR}, /* Floppy, None; empty: by what is attached */
    {.name = "Drive1", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg isa_fdc_device = {
    .name = "i82078",
    .desc = "floppy disk controller",
    .info_name = "fdc",
    .max_instances = 1,
    .state_size = sizeof(struct isa_fdc),
    .config = fdc_config,
    .state = &fdc_state,
    .construct = fdc_construct,
    .reset = fdc_reset,
    .drive = fdc_sync,
    .suspend = fdc_suspend,
    .resume = fdc_resume,
    .busy = fdc_busy,
    .media_changed = fdc_media_changed,
};
