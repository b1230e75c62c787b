/*
 * isa_parallel.c - joins a standard parallel port to three ports and an ISA interrupt line: LPT1, LPT2.
 *
 * Source: IBM PC/AT Technical Reference, "Serial/Parallel Adapter".
 * The printer is the character driver of LUN 0, usually a file; while it has no room the printer is busy.
 * Locks: every callback runs under the device lock.
 */
#include "devices/parallel/spp.h"
#include "vmm/pdm/dev.h"

struct isa_parallel {
    struct spp chip;
    pdm_irq irq;
    struct pdm_char *printer;
    uint64_t printed;
};

/* Hands the waiting byte on; the acknowledge is a pulse, the PIC keeps its edge */
static void parallel_print(struct pdm_dev *dev)
{
    struct isa_parallel *s = pdm_state(dev);

    if (!s->chip.busy || !s->printer || s->printer->write(s->printer, &s->chip.print, 1) == 0)
        return;
    s->printed++;
    if (spp_taken(&s->chip)) {
        pdm_irq_set(dev, s->irq, true);
        pdm_irq_set(dev, s->irq, false);
    }
}

static uint32_t parallel_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct isa_parallel *s = pdm_state(dev);

    (void)size; /* 1, by max_size */
    return spp_read(&s->chip, off);
}

static void parallel_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_parallel *s = pdm_state(dev);

    (void)size;
    if (spp_write(&s->chip, off, (uint8_t)val))
        parallel_print(dev);
}

static void parallel_writable(struct pdm_dev *dev, unsigned lun)
{
    (void)lun;
    parallel_print(dev);
}

/* A printer on a cable sends nothing */
static size_t parallel_receive(struct pdm_dev *dev, unsigned lun, const uint8_t *buf, size_t bytes)
{
    (void)dev;
    (void)lun;
    (void)buf;
    return bytes;
}

static void parallel_reset(struct pdm_dev *dev)
{
    struct isa_parallel *s = pdm_state(dev);

    s->chip.printer = s->printer != NULL;
    spp_reset(&s->chip);
}

static bool parallel_check(void *state)
{
    const struct isa_parallel *s = state;

    return spp_check(&s->chip);
}

static bool parallel_construct(struct pdm_dev *dev, GError **error)
{
    struct isa_parallel *s = pdm_state(dev);
    const struct pdm_io io = {.name = "parallel",
                              .base = (uint16_t)pdm_cfg_u64(dev, "IOBase"),
                              .count = 3,
                              .min_size = 1,
                              .max_size = 1,
                              .read = parallel_read,
                              .write = parallel_write};

    s->printer = pdm_lun_char(dev, 0);
    pdm_stat(dev, &s->printed, "Printed", "bytes");
    return pdm_io_add(dev, &io, error) && pdm_irq_claim(dev, (unsigned)pdm_cfg_u64(dev, "IRQ"), &s->irq, error);
}

static const struct ssm_field parallel_fields[] = {
    SSM_U8(struct isa_parallel, chip.data),
    SSM_U8(struct isa_parallel, chip.control),
    SSM_U8(struct isa_parallel, chip.print),
    SSM_BOOL(struct isa_parallel, chip.busy),
    SSM_END,
};
static const struct ssm_desc parallel_state = {
    .version = 1, .oldest = 1, .fields = parallel_fields, .check = parallel_check};

static const struct pdm_cfg_key parallel_config[] = {
    {.name = "IOBase", .type = PDM_CFG_U64, .min = 0x100, .max = 0xfffc, .def = 0x378},
    {.name = "IRQ", .type = PDM_CFG_U64, .min = 1, .max = 15, .def = 7},
    PDM_CFG_END,
};
static const struct pdm_char_port parallel_port = {.receive = parallel_receive, .writable = parallel_writable};

const struct pdm_devreg isa_parallel_device = {
    .name = "parallel",
    .desc = "standard parallel port",
    .max_instances = 2,
    .state_size = sizeof(struct isa_parallel),
    .config = parallel_config,
    .state = &parallel_state,
    .construct = parallel_construct,
    .reset = parallel_reset,
    .drive = parallel_print,
    .char_port = &parallel_port,
};
