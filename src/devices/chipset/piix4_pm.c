/*
 * piix4_pm.c - the power management function of a PIIX4: joins the ACPI block and the SMBus host to PCI, and the APM
 * ports.
 *
 * Sources: Intel 82371AB (PIIX4) data sheet, order 290562 [PIIX4]: 7.1 (configuration), 7.2.8 (APMC, APMS at B2h,
 * B3h), 7.3 (SMBus host); ACPI specification 2.0c, 4.7.3.2.5 (ACPI enable command) [ACPI]. Left out: SMIs: a command at
 * B2h is carried out at once, the status at B3h says done. DEVACTB.APMC_EN comes up set, which tells firmware that
 * nobody waits for one. No device answers on the SMBus. Locks: every callback runs under the device lock. Time: virtual
 * nanoseconds from PDM, turned into ticks here only. Invariant 1: IRQ 9 follows the block's SCI; the timer stands at
 * its next possible rise. Invariant 2: the block is mapped at PMBA <=> PMREGMISC bit 0; the SMBus at SMBBA <=>
 * SMBHSTCFG bit 0.
 */
#include "devices/chipset/acpi_pm.h"

#include <string.h>

#include "devices/chipset/pci_reg.h"

enum { SCI_IRQ = 9, APM_PORT = 0xb2, CMD_ACPI_ENABLE = 0xf1, CMD_ACPI_DISABLE = 0xf0, SLEEP_TYPE_OFF = 0 };
enum { PMBA = 0x40, PMREGMISC = 0x80, SMBBA = 0x90, SMBHSTCFG = 0xd2, INTERRUPT_LINE = 0x3c, DECODE = 0x01 };
enum { SMB_PORTS = 16, SMB_STATUS = 0, SMB_CONTROL = 2, SMB_BLOCK = 7, SMB_START = 0x40 };
enum { SMB_DEVICE_ERROR = 0x04, SMB_STATUS_CLEAR = 0x1e };
#define NS_PER_S 1000000000u

struct piix4_pm {
    struct acpi_pm block;
    uint8_t apm_command, apm_status;
    uint8_t smb[SMB_PORTS];
    pdm_irq sci;
    pdm_timer overflow;
    pdm_io_range block_ports, smb_ports;
};

/* [PIIX4 7.1]: offset, reset value, writable bits. */
static const struct pci_reg regs[] = {
    {0x40, 0x01, 0xc0}, {0x41, 0x40, 0xff},                                         /* PMBA: 4000h */
    {0x44, 0x00, 0xff}, {0x45, 0x00, 0xff}, {0x46, 0x00, 0xff},                     /* CNTA */
    {0x48, 0x00, 0xff}, {0x49, 0x00, 0xff}, {0x4a, 0x00, 0xff},                     /* CNTB */
    {0x4c, 0x00, 0xff}, {0x4d, 0x00, 0xff}, {0x4e, 0x00, 0x7f},                     /* GPICTL */
    {0x50, 0x00, 0xff}, {0x51, 0x00, 0xff}, {0x52, 0x00, 0x07},                     /* DEVRESD */
    {0x54, 0x00, 0xff}, {0x55, 0x00, 0xff}, {0x56, 0x00, 0xff}, {0x57, 0x00, 0xff}, /* DEVACTA */
    {0x58, 0x00, 0xff}, {0x59, 0x00, 0xff}, {0x5a, 0x00, 0xff}, {0x5b, 0x02, 0x03}, /* DEVACTB: APMC_EN */
    {0x80, 0x00, 0x01},                                                             /* PMREGMISC */
    {0x90, 0x01, 0xf0}, {0x91, 0x41, 0xff},                                         /* SMBBA: 4100h */
    {0xd2, 0x09, 0x0f},                                                             /* SMBHSTCFG: enabled, IRQ 9 */
    {0xd3, 0x00, 0xff}, {0xd4, 0x00, 0xff}, {0xd5, 0x00, 0xff},                     /* SMBSLVC, SMBSHDW1-2 */
};

static uint64_t now_ticks(struct pdm_dev *dev)
{
    return (uint64_t)((unsigned __int128)pdm_now_ns(dev) * ACPI_PM_HZ / NS_PER_S);
}

static void pm_drive_sci(struct pdm_dev *dev)
{
    struct piix4_pm *s = pdm_state(dev);
    uint64_t next;

    acpi_pm_run(&s->block, now_ticks(dev));
    next = acpi_pm_next(&s->block);
    pdm_irq_set(dev, s->sci, acpi_pm_sci(&s->block)); /* inv 1 */
    if (next != ACPI_PM_NEVER)
        next = (uint64_t)(((unsigned __int128)next * NS_PER_S + ACPI_PM_HZ - 1) / ACPI_PM_HZ);
    pdm_timer_at(dev, s->overflow, next == ACPI_PM_NEVER ? PDM_NEVER : next);
}

/* inv 2 */
static void pm_map(struct pdm_dev *dev)
{
    struct piix4_pm *s = pdm_state(dev);
    const uint8_t *cfg = pdm_pci_config(dev);

    pdm_io_unmap(dev, s->block_ports);
    pdm_io_unmap(dev, s->smb_ports);
    if (cfg[PMREGMISC] & DECODE)
        pdm_io_map(dev, s->block_ports, (uint16_t)((cfg[PMBA] & 0xc0) | cfg[PMBA + 1] << 8));
    if (cfg[SMBHSTCFG] & DECODE)
        pdm_io_map(dev, s->smb_ports, (uint16_t)((cfg[SMBBA] & 0xf0) | cfg[SMBBA + 1] << 8));
}

static void pm_cfg_written(struct pdm_dev *dev, uint8_t off, unsigned size)
{
    static const uint8_t watched[] = {PMBA, PMBA + 1, PMREGMISC, SMBBA, SMBBA + 1, SMBHSTCFG};

    for (unsigned i = 0; i < G_N_ELEMENTS(watched); i++)
        if (watched[i] >= off && watched[i] < off + size) {
            pm_map(dev);
            return;
        }
}

static void pm_drive(struct pdm_dev *dev)
{
    pm_map(dev);
    pm_drive_sci(dev);
}

/* ---- ports ---- */

static uint32_t block_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct piix4_pm *s = pdm_state(dev);

    return acpi_pm_read(&s->block, off, size, now_ticks(dev));
}

static void block_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct piix4_pm *s = pdm_state(dev);
    const int sleep_type = acpi_pm_write(&s->block, off, val, size, now_ticks(dev));

    if (sleep_type == SLEEP_TYPE_OFF)
        pdm_power_request(dev, PDM_POWER_OFF, "ACPI soft off (S5)");
    else if (sleep_type > 0)
        pdm_guest_error(dev, "sleep type %d does not exist on this machine", sleep_type);
    pm_drive_sci(dev);
}

static uint32_t apm_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct piix4_pm *s = pdm_state(dev);

    (void)size;
    return off ? s->apm_status : s->apm_command;
}

static void apm_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct piix4_pm *s = pdm_state(dev);

    (void)size;
    if (off) {
        s->apm_status = (uint8_t)val;
        return;
    }
    s->apm_command = (uint8_t)val;
    s->apm_status = 0; /* done */
    if (val == CMD_ACPI_ENABLE || val == CMD_ACPI_DISABLE)
        acpi_pm_sci_mode(&s->block, val == CMD_ACPI_ENABLE);
    pm_drive_sci(dev);
}

/* Reading the control register puts the block data index back, which nobody can observe without data. [PIIX4 7.3.3] */
static uint32_t smb_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct piix4_pm *s = pdm_state(dev);

    (void)size;
    return s->smb[off & (SMB_PORTS - 1)];
}

static void smb_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct piix4_pm *s = pdm_state(dev);

    (void)size;
    if (off == SMB_STATUS)
        s->smb[SMB_STATUS] &= (uint8_t) ~(val & SMB_STATUS_CLEAR);
    else if (off <= SMB_BLOCK && off != 1)
        s->smb[off] = (uint8_t)(off == SMB_CONTROL ? val & ~SMB_START : val);
    if (off == SMB_CONTROL && val & SMB_START)
        s->smb[SMB_STATUS] |= SMB_DEVICE_ERROR; /* no acknowledge [PIIX4 7.3.1] */
}

/* ---- the device ---- */

static void pm_power_button(struct pdm_dev *dev, bool sleep)
{
    struct piix4_pm *s = pdm_state(dev);

    acpi_pm_event(&s->block, sleep ? PM1_SLPBTN : PM1_PWRBTN);
    pm_drive_sci(dev);
}

static void pm_reset(struct pdm_dev *dev)
{
    struct piix4_pm *s = pdm_state(dev);

    acpi_pm_reset(&s->block, now_ticks(dev));
    s->apm_command = s->apm_status = 0;
    memset(s->smb, 0, sizeof(s->smb));
    pci_regs_reset(dev, regs, G_N_ELEMENTS(regs));
    pdm_pci_config(dev)[INTERRUPT_LINE] = SCI_IRQ;
}

static bool pm_construct(struct pdm_dev *dev, GError **error)
{
    static const struct pdm_pci pci = {.vendor = 0x8086,
                                       .device = 0x7113,
                                       .revision = 8,
                                       .sub_class = 0x80,
                                       .base_class = 6,
                                       .int_pin = 1,
                                       .bus_default_slot = 7,
                                       .cfg_written = pm_cfg_written};
    const struct pdm_io block = {.name = "acpi-pm",
                                 .count = ACPI_PM_BLOCK_BYTES,
                                 .min_size = 1,
                                 .max_size = 4,
                                 .read = block_read,
                                 .write = block_write};
    const struct pdm_io smb = {
        .name = "smbus", .count = SMB_PORTS, .min_size = 1, .max_size = 1, .read = smb_read, .write = smb_write};
    const struct pdm_io apm = {.name = "apm",
                               .base = APM_PORT,
                               .count = 2,
                               .min_size = 1,
                               .max_size = 1,
                               .read = apm_read,
                               .write = apm_write};
    struct piix4_pm *s = pdm_state(dev);

    if (!pdm_pci_register(dev, &pci, error))
        return false;
    pci_regs_declare(dev, regs, G_N_ELEMENTS(regs));
    return pdm_io_claim(dev, &block, &s->block_ports, error) && pdm_io_claim(dev, &smb, &s->smb_ports, error) &&
           pdm_io_add(dev, &apm, error) && pdm_irq_claim(dev, SCI_IRQ, &s->sci, error) &&
           pdm_timer_new(dev, "acpi.timer", pm_drive_sci, &s->overflow, error);
}

static bool pm_state_check(void *state)
{
    const struct piix4_pm *s = state;

    return s->block.toggles < UINT64_C(1) << 40;
}

static const struct ssm_field block_fields[] = {
    SSM_U16(struct acpi_pm, status),    SSM_U16(struct acpi_pm, enable),
    SSM_U16(struct acpi_pm, control),   SSM_U16(struct acpi_pm, gp_status),
    SSM_U16(struct acpi_pm, gp_enable), SSM_U64(struct acpi_pm, toggles),
    SSM_U8S(struct acpi_pm, rest),      SSM_END,
};
static const struct ssm_field pm_fields[] = {
    SSM_STRUCT(struct piix4_pm, block, block_fields),
    SSM_U8(struct piix4_pm, apm_command),
    SSM_U8(struct piix4_pm, apm_status),
    SSM_U8S(struct piix4_pm, smb),
    SSM_END,
};
static const struct ssm_desc pm_desc = {.version = 1, .oldest = 1, .fields = pm_fields, .check = pm_state_check};

const struct pdm_devreg piix4_pm_device = {
    .name = "acpi",
    .desc = "PIIX4 power management",
    .max_instances = 1,
    .state_size = sizeof(struct piix4_pm),
    .state = &pm_desc,
    .construct = pm_construct,
    .reset = pm_reset,
    .drive = pm_drive,
    .power_button = pm_power_button,
};
