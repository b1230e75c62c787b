/*
 * piix3.c - the 82371SB ISA bridge: PCI interrupt routing, reset control, coprocessor errors.
 *
 * A rising FERR# raises IRQ 13. A write to port F0h takes it back, and asserts IGNNE# until FERR# goes, so that the
 * handler can use the coprocessor.
 *
 * Source: Intel 82371SB (PIIX3) data sheet, order 290550 [PIIX]: 2.2 (configuration registers), 2.5 (reset control and
 * coprocessor error register).
 * Left out: X-bus chip selects and timing registers (they read back what was written), SMI, USB and IDE (own devices),
 * the MIRQ and APIC chip select pins; XBCS's enable of the coprocessor error (on whatever it says: SeaBIOS leaves it
 * off). Locks: every callback runs under the device lock; route() comes along the interrupt path. Invariant 1: ISA line
 * n has this device's source high <=> some PIRQ that is high is routed to n; line 13: .error. Invariant 2: .ignne only
 * while .ferr.
 */
#include "devices/chipset/pci_reg.h"

enum { PIRQ_ROUTE = 0x60, PIRQS = 4, ROUTE_DISABLED = 0x80, ISA_LINES = 16 };
enum { RESET_PORT = 0xcf9, RESET_CPU = 0x04, RESET_WRITABLE = 0x06 };
enum { ERROR_PORT = 0xf0, ERROR_IRQ = 13 };
#define ROUTABLE 0xdef8u /* IRQ 3-7, 9-12, 14, 15 [PIIX 2.2.10] */

struct piix3 {
    uint8_t pirq;    /* levels of PIRQA-D */
    uint8_t control; /* port CF9h */
    uint8_t ferr;    /* the processor's pin, asserted */
    uint8_t error;   /* IRQ 13 asked for */
    uint8_t ignne;   /* the processor's other pin */
    pdm_irq line[ISA_LINES];
};

static const struct pci_reg regs[] = {
    {0x4c, 0x4d, 0xff},                                                             /* IORT */
    {0x4e, 0x03, 0xff}, {0x4f, 0x00, 0xff},                                         /* XBCS */
    {0x60, 0x80, 0x8f}, {0x61, 0x80, 0x8f}, {0x62, 0x80, 0x8f}, {0x63, 0x80, 0x8f}, /* PIRQRC A-D */
    {0x69, 0x02, 0xfe},                                                             /* TOM */
    {0x6a, 0x00, 0xff}, {0x6b, 0x00, 0x80},                                         /* MSTAT */
    {0x70, 0x80, 0xef}, {0x71, 0x80, 0xef},                                         /* MBIRQ0-1 */
    {0x76, 0x0c, 0x8f}, {0x77, 0x0c, 0x8f},                                         /* MBDMA0-1 */
    {0x78, 0x02, 0xff}, {0x79, 0x00, 0xff},                                         /* PCSC */
    {0x80, 0x00, 0x7f},                                                             /* APICBASE */
    {0x82, 0x00, 0x0f},                                                             /* DLC */
    {0xa0, 0x08, 0x1f}, {0xa2, 0x00, 0xff}, {0xa3, 0x00, 0xff},                     /* SMICNTL, SMIEN */
    {0xa4, 0x00, 0xff}, {0xa5, 0x00, 0xff}, {0xa6, 0x00, 0xff}, {0xa7, 0x00, 0xff}, /* SEE */
    {0xa8, 0x0f, 0xff}, {0xaa, 0x00, 0xff}, {0xab, 0x00, 0xff},                     /* FTMR, SMIREQ */
};

static bool line_level(struct pdm_dev *dev, unsigned irq)
{
    const struct piix3 *s = pdm_state(dev);
    const uint8_t *route = pdm_pci_config(dev) + PIRQ_ROUTE;

    for (unsigned pirq = 0; pirq < PIRQS; pirq++)
        if (s->pirq >> pirq & 1 && !(route[pirq] & ROUTE_DISABLED) && (route[pirq] & 15) == irq)
            return true;
    return false;
}

/* inv 1 */
static void piix3_drive(struct pdm_dev *dev)
{
    struct piix3 *s = pdm_state(dev);

    for (unsigned irq = 0; irq < ISA_LINES; irq++)
        if (ROUTABLE >> irq & 1)
            pdm_irq_set(dev, s->line[irq], line_level(dev, irq));
    pdm_irq_set(dev, s->line[ERROR_IRQ], s->error);
    pdm_ignne_set(dev, s->ignne);
}

static void piix3_route(struct pdm_dev *dev, unsigned pirq, bool level)
{
    struct piix3 *s = pdm_state(dev);
    const uint8_t bit = (uint8_t)(1u << (pirq & 3));

    s->pirq = (uint8_t)(level ? s->pirq | bit : s->pirq & ~bit);
    piix3_drive(dev);
}

static void piix3_cfg_written(struct pdm_dev *dev, uint8_t off, unsigned size)
{
    if (off < PIRQ_ROUTE + PIRQS && off + size > PIRQ_ROUTE)
        piix3_drive(dev);
}

static uint32_t reset_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct piix3 *s = pdm_state(dev);

    (void)off, (void)size;
    return s->control;
}

/* Bit 2 from 0 to 1 resets; bit 1 says hard or soft, which differ only in what a real CPU keeps. [PIIX 2.5.5] */
static void reset_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct piix3 *s = pdm_state(dev);

    (void)off, (void)size;
    if (val & RESET_CPU & ~s->control)
        pdm_power_request(dev, PDM_POWER_RESET, "reset control register CF9h");
    s->control = val & RESET_WRITABLE;
}

static void piix3_ferr(struct pdm_dev *dev, bool asserted)
{
    struct piix3 *s = pdm_state(dev);

    s->ferr = asserted;
    s->error |= s->ferr;
    s->ignne &= s->ferr;
    piix3_drive(dev);
}

/* [PIIX 2.5.6] Any value; reads find nobody. */
static void error_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct piix3 *s = pdm_state(dev);

    (void)off, (void)val, (void)size;
    s->error = 0;
    s->ignne = s->ferr;
    piix3_drive(dev);
}

static void piix3_reset(struct pdm_dev *dev)
{
    struct piix3 *s = pdm_state(dev);

    s->control = s->ferr = s->error = s->ignne = 0;
    pci_regs_reset(dev, regs, G_N_ELEMENTS(regs));
}

static bool piix3_construct(struct pdm_dev *dev, GError **error)
{
    static const struct pdm_pci pci = {.vendor = 0x8086,
                                       .device = 0x7000,
                                       .sub_class = 1,
                                       .base_class = 6,
                                       .header_type = 0x80,
                                       .bus_default_slot = 1,
                                       .cfg_written = piix3_cfg_written};
    const struct pdm_io reset = {.name = "reset-control",
                                 .base = RESET_PORT,
                                 .count = 1,
                                 .min_size = 1,
                                 .max_size = 1,
                                 .read = reset_read,
                                 .write = reset_write};
    const struct pdm_io coprocessor = {.name = "coprocessor-error",
                                       .base = ERROR_PORT,
                                       .count = 1,
                                       .min_size = 1,
                                       .max_size = 1,
                                       .write = error_write};
    struct piix3 *s = pdm_state(dev);

    if (!pdm_pci_register(dev, &pci, error))
        return false;
    pci_regs_declare(dev, regs, G_N_ELEMENTS(regs));
    for (unsigned irq = 0; irq < ISA_LINES; irq++)
        if (ROUTABLE >> irq & 1 && !pdm_irq_claim(dev, irq, &s->line[irq], error))
            return false;
    pdm_pci_router(dev, piix3_route);
    pdm_ferr_register(dev, piix3_ferr);
    return pdm_irq_claim(dev, ERROR_IRQ, &s->line[ERROR_IRQ], error) && pdm_io_add(dev, &coprocessor, error) &&
           pdm_io_add(dev, &reset, error);
}

static bool piix3_state_check(void *state)
{
    const struct piix3 *s = state;

    return s->pirq < 1 << PIRQS && (s->control & ~RESET_WRITABLE) == 0 && s->ferr <= 1 && s->error <= 1 &&
           s->ignne <= s->ferr;
}

static const struct ssm_field piix3_fields[] = {
    SSM_U8(struct piix3, pirq),
    SSM_U8(struct piix3, control),
    SSM_FIELD_(struct piix3, ferr, SSM_KIND_UINT, 1, 1, 2, NULL), /* since 2, with the next two */
    SSM_FIELD_(struct piix3, error, SSM_KIND_UINT, 1, 1, 2, NULL),
    SSM_FIELD_(struct piix3, ignne, SSM_KIND_UINT, 1, 1, 2, NULL),
    SSM_END,
};
static const struct ssm_desc piix3_desc = {
    .version = 2, .oldest = 1, .fields = piix3_fields, .check = piix3_state_check};

const struct pdm_devreg piix3_device = {
    .name = "piix3",
    .desc = "82371SB PCI-to-ISA bridge",
    .max_instances = 1,
    .state_size = sizeof(struct piix3),
    .state = &piix3_desc,
    .construct = piix3_construct,
    .reset = piix3_reset,
    .drive = piix3_drive,
};
