/*
 * i440fx.c - the 82441FX host bridge: configuration mechanism 1, shadow RAM and SMRAM.
 *
 * Sources: Intel 82441FX (PMC) data sheet, order 290549 [PMC] 3.1 (CONFADD, CONFDATA) and 3.2 (configuration
 * registers); PCI Local Bus Specification 3.0 [PCI] 3.2.2.3.2. Left out: DRAM timing and error registers (they read
 * back what was written), bus arbitration, real SMM: SMRAM is the RAM under the VGA window, visible while D_OPEN says
 * so. Locks: every callback runs under the device lock. Invariant 1: what PAM says and what pdm_shadow_set() was told
 * agree, for each of the 13 segments.
 */
#include "devices/chipset/pci_reg.h"

enum { CONFADD = 0xcf8, CONFDATA = 0xcfc };
#define CONFADD_ENABLE   0x80000000u
#define CONFADD_WRITABLE 0x80fffffcu
enum { PAM0 = 0x59, PAM_LAST = 0x5f, PAM_READ = 0x01, PAM_WRITE = 0x02, PAM_BITS = 0x33 };
enum { SMRAM = 0x72, SMRAM_OPEN = 0x40, SMRAM_LOCK = 0x10, SMRAM_ENABLE = 0x08, SMRAM_BASE = 0x02 };
#define SMRAM_GPA   0xa0000u
#define SMRAM_BYTES 0x20000u

struct i440fx {
    uint32_t address; /* CONFADD */
};

/* [PMC 3.2]: offset, reset value, writable bits. PAM0's low nibble is reserved. */
static const struct pci_reg regs[] = {
    {0x50, 0x00, 0xff}, {0x51, 0x01, 0xff}, /* PMCCFG */
    {0x52, 0x00, 0xff},                     /* DETURBO */
    {0x53, 0x80, 0xff},                     /* DBC */
    {0x54, 0x00, 0xff}, {0x55, 0x00, 0xff}, /* AXC, DRT */
    {0x57, 0x01, 0xff}, {0x58, 0x10, 0xff}, /* DRAMC, DRAMT */
    {0x59, 0x00, 0x30}, {0x5a, 0x00, 0x33}, {0x5b, 0x00, 0x33}, {0x5c, 0x00, 0x33},
    {0x5d, 0x00, 0x33}, {0x5e, 0x00, 0x33}, {0x5f, 0x00, 0x33}, /* PAM0-6 */
    {0x60, 0x01, 0xff}, {0x61, 0x01, 0xff}, {0x62, 0x01, 0xff}, {0x63, 0x01, 0xff},
    {0x64, 0x01, 0xff}, {0x65, 0x01, 0xff}, {0x66, 0x01, 0xff}, {0x67, 0x01, 0xff}, /* DRB0-7 */
    {0x68, 0x00, 0xc0},                                                             /* FDHC */
    {0x70, 0x00, 0xff}, {0x71, 0x10, 0x7f},                                         /* MTT, CLT */
    {0x72, 0x02, 0x78},                                                             /* SMRAM */
    {0x90, 0x00, 0xff}, {0x93, 0x00, 0x03},                                         /* ERRCMD, TRC */
};

/* What each PAM nibble, low first from PAM0's high one on, covers. [PMC 3.2.16, table 5] */
static void shadow_segment(struct pdm_dev *dev, unsigned pam, unsigned nibble, uint8_t attr)
{
    const unsigned shadow =
        (attr & PAM_READ ? PDM_SHADOW_READ_RAM : 0u) | (attr & PAM_WRITE ? PDM_SHADOW_WRITE_RAM : 0u);

    if (pam == 0)
        pdm_shadow_set(dev, 0xf0000, 0x10000, shadow);
    else
        pdm_shadow_set(dev, 0xc0000 + ((pam - 1) * 2 + nibble) * 0x4000u, 0x4000, shadow);
}

static void drive_pam(struct pdm_dev *dev, unsigned pam)
{
    const uint8_t val = pdm_pci_config(dev)[PAM0 + pam] & PAM_BITS;

    if (pam)
        shadow_segment(dev, pam, 0, val & 15);
    shadow_segment(dev, pam, 1, val >> 4);
}

static void drive_smram(struct pdm_dev *dev)
{
    const uint8_t val = pdm_pci_config(dev)[SMRAM];
    const bool open = (val & SMRAM_ENABLE) && (val & SMRAM_OPEN);

    pdm_shadow_set(dev, SMRAM_GPA, SMRAM_BYTES, open ? PDM_SHADOW_READ_RAM | PDM_SHADOW_WRITE_RAM : PDM_SHADOW_ROM);
}

static void i440fx_drive(struct pdm_dev *dev)
{
    for (unsigned pam = 0; pam <= PAM_LAST - PAM0; pam++)
        drive_pam(dev, pam); /* inv 1 */
    drive_smram(dev);
}

/* D_LCK freezes the register until reset and closes SMRAM for good. [PMC 3.2.20] */
static void smram_written(struct pdm_dev *dev)
{
    static const uint8_t frozen = 0;
    uint8_t *cfg = pdm_pci_config(dev);

    if (cfg[SMRAM] & SMRAM_LOCK) {
        cfg[SMRAM] &= (uint8_t)~SMRAM_OPEN;
        pdm_pci_writable(dev, SMRAM, &frozen, 1);
    }
    drive_smram(dev);
}

static void i440fx_cfg_written(struct pdm_dev *dev, uint8_t off, unsigned size)
{
    for (unsigned i = off; i < off + size; i++) {
        if (i >= PAM0 && i <= PAM_LAST)
            drive_pam(dev, i - PAM0);
        else if (i == SMRAM)
            smram_written(dev);
    }
}

/* CONFADD is a double word or nothing: narrower accesses are for whoever sits below it. [PMC 3.1.1] */
static uint32_t address_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct i440fx *s = pdm_state(dev);

    return off == 0 && size == 4 ? s->address : UINT32_MAX;
}

static void address_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct i440fx *s = pdm_state(dev);

    if (off == 0 && size == 4)
        s->address = val & CONFADD_WRITABLE;
}

static uint32_t data_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct i440fx *s = pdm_state(dev);
    const uint32_t a = s->address;

    if (!(a & CONFADD_ENABLE) || (off & 3) + size > 4)
        return UINT32_MAX;
    return pdm_pci_bus_read(dev, (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)((a & 0xfc) | (off & 3)), size);
}

static void data_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    const struct i440fx *s = pdm_state(dev);
    const uint32_t a = s->address;

    if (!(a & CONFADD_ENABLE) || (off & 3) + size > 4)
        return;
    pdm_pci_bus_write(dev, (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)((a & 0xfc) | (off & 3)), val, size);
}

static void i440fx_reset(struct pdm_dev *dev)
{
    struct i440fx *s = pdm_state(dev);

    s->address = 0;
    pci_regs_declare(dev, regs, G_N_ELEMENTS(regs)); /* unlocks SMRAM */
    pci_regs_reset(dev, regs, G_N_ELEMENTS(regs));
}

static bool i440fx_construct(struct pdm_dev *dev, GError **error)
{
    static const struct pdm_pci pci = {.vendor = 0x8086,
                                       .device = 0x1237,
                                       .revision = 2,
                                       .base_class = 6,
                                       .bus_default_slot = 0,
                                       .cfg_written = i440fx_cfg_written};
    const struct pdm_io address = {.name = "pci-address",
                                   .base = CONFADD,
                                   .count = 4,
                                   .min_size = 1,
                                   .max_size = 4,
                                   .read = address_read,
                                   .write = address_write};
    const struct pdm_io data = {.name = "pci-data",
                                .base = CONFDATA,
                                .count = 4,
                                .min_size = 1,
                                .max_size = 4,
                                .read = data_read,
                                .write = data_write};

    if (!pdm_pci_register(dev, &pci, error))
        return false;
    pci_regs_declare(dev, regs, G_N_ELEMENTS(regs));
    return pdm_io_add(dev, &address, error) && pdm_io_add(dev, &data, error);
}

static bool i440fx_state_check(void *state)
{
    const struct i440fx *s = state;

    return (s->address & ~CONFADD_WRITABLE) == 0;
}

static const struct ssm_field i440fx_fields[] = {SSM_U32(struct i440fx, address), SSM_END};
static const struct ssm_desc i440fx_desc = {
    .version = 1, .oldest = 1, .fields = i440fx_fields, .check = i440fx_state_check};

const struct pdm_devreg i440fx_device = {
    .name = "i440fx",
    .desc = "82441FX host bridge",
    .max_instances = 1,
    .state_size = sizeof(struct i440fx),
    .state = &i440fx_desc,
    .construct = i440fx_construct,
    .reset = i440fx_reset,
    .drive = i440fx_drive,
};
