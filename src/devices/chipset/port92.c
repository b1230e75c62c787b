/*
 * port92.c - system control port A: fast A20 gate and fast CPU reset.
 *
 * Source: Intel 82371SB (PIIX3) data sheet 2.5.4, "Port 92 Register"; IBM PS/2 Technical Reference, system control port
 * A. Locks: every callback runs under the device lock.
 */
#include "vmm/pdm/dev.h"

enum { PORT = 0x92, FAST_INIT = 0x01, FAST_A20 = 0x02 };

struct port92 {
    uint8_t control; /* but for A20, which the keyboard controller may change too */
};

static uint32_t port92_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct port92 *s = pdm_state(dev);

    (void)off, (void)size;
    return (uint32_t)(s->control | (pdm_a20(dev) ? FAST_A20 : 0));
}

static void port92_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct port92 *s = pdm_state(dev);

    (void)off, (void)size;
    pdm_a20_set(dev, val & FAST_A20);
    if (val & FAST_INIT & ~s->control)
        pdm_power_request(dev, PDM_POWER_RESET, "fast reset through port 92h");
    s->control = val & FAST_INIT;
}

static void port92_reset(struct pdm_dev *dev)
{
    struct port92 *s = pdm_state(dev);

    s->control = 0;
}

static bool port92_construct(struct pdm_dev *dev, GError **error)
{
    const struct pdm_io io = {.name = "port92",
                              .base = PORT,
                              .count = 1,
                              .min_size = 1,
                              .max_size = 1,
                              .read = port92_read,
                              .write = port92_write};

    return pdm_io_add(dev, &io, error);
}

static const struct ssm_field port92_fields[] = {SSM_U8(struct port92, control), SSM_END};
static const struct ssm_desc port92_desc = {.version = 1, .oldest = 1, .fields = port92_fields};

const struct pdm_devreg port92_device = {
    .name = "port92",
    .desc = "system control port A",
    .max_instances = 1,
    .state_size = sizeof(struct port92),
    .state = &port92_desc,
    .construct = port92_construct,
    .reset = port92_reset,
};
