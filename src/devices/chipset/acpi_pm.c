/*
 * acpi_pm.c - the ACPI register block of a PIIX4.
 *
 * Sources: Intel 82371AB (PIIX4) data sheet, order 290562, 7.2 (power management I/O registers) [PIIX4]; ACPI
 * specification 2.0c, 4.7.3 (fixed hardware) [ACPI]. Left out: SMI generation, clock throttling, device traps (stored,
 * without effect). The sleep button's bits are ACPI's; PIIX4 has none. Invariant 1: SCI <=> SCI_EN and some status bit
 * whose enable is set, fixed or general purpose. [ACPI 4.7.3.1] Invariant 2: TMROF_STS rises when timer bit 23 changes,
 * up or down. [PIIX4 7.2.1]
 */
#include "devices/chipset/acpi_pm.h"

#include <string.h>

enum { STATUS_BITS = PM1_TMROF | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC | PM1_WAK };
enum { ENABLE_BITS = PM1_TMROF | PM1_GBL | PM1_PWRBTN | PM1_SLPBTN | PM1_RTC };
enum { CONTROL_BITS = 0x1c03, SLP_TYP_MASK = 7 }; /* SLP_TYP, BRLD_EN_BM, SCI_EN; the rest are triggers */
enum { TIMER_MASK = 0xffffff, TIMER_TOP_SHIFT = 23 };
enum {
    REG_STATUS = 0,
    REG_ENABLE = 2,
    REG_CONTROL = 4,
    REG_TIMER = 8,
    REG_GP_STATUS = 0x0c,
    REG_GP_ENABLE = 0x0e,
    REG_REST = 0x10
};

void acpi_pm_run(struct acpi_pm *c, uint64_t now_ticks)
{
    const uint64_t toggles = now_ticks >> TIMER_TOP_SHIFT;

    if (toggles != c->toggles)
        c->status |= PM1_TMROF; /* inv 2 */
    c->toggles = toggles;
}

void acpi_pm_reset(struct acpi_pm *c, uint64_t now_ticks)
{
    memset(c, 0, sizeof(*c));
    c->toggles = now_ticks >> TIMER_TOP_SHIFT;
}

bool acpi_pm_sci(const struct acpi_pm *c)
{
    return (c->control & PM1_CNT_SCI_EN) && ((c->status & c->enable) || (c->gp_status & c->gp_enable)); /* inv 1 */
}

uint64_t acpi_pm_next(const struct acpi_pm *c)
{
    if (!(c->enable & PM1_TMROF) || c->status & PM1_TMROF || !(c->control & PM1_CNT_SCI_EN))
        return ACPI_PM_NEVER;
    return (c->toggles + 1) << TIMER_TOP_SHIFT;
}

static uint8_t half(uint16_t val, unsigned byte)
{
    return (uint8_t)(val >> 8 * (byte & 1));
}

static uint8_t read_byte(const struct acpi_pm *c, unsigned off, uint64_t now_ticks)
{
    switch (off & ~1u) {
    case REG_STATUS: return half(c->status, off);
    case REG_ENABLE: return half(c->enable, off);
    case REG_CONTROL: return half(c->control, off);
    case REG_TIMER:
    case REG_TIMER + 2: return (uint8_t)((now_ticks & TIMER_MASK) >> 8 * (off & 3));
    case REG_GP_STATUS: return half(c->gp_status, off);
    case REG_GP_ENABLE: return half(c->gp_enable, off);
    default: return off >= REG_REST ? c->rest[off - REG_REST] : 0;
    }
}

uint32_t acpi_pm_read(struct acpi_pm *c, unsigned off, unsigned size, uint64_t now_ticks)
{
    uint32_t val = 0;

    acpi_pm_run(c, now_ticks);
    for (unsigned i = 0; i < size && off + i < ACPI_PM_BLOCK_BYTES; i++)
        val |= (uint32_t)read_byte(c, off + i, now_ticks) << 8 * i;
    return val;
}

static void replace_half(uint16_t *reg, unsigned byte, uint8_t val, uint16_t writable)
{
    const unsigned shift = 8 * (byte & 1);
    const uint16_t mask = (uint16_t)(writable & (0xffu << shift));

    *reg = (uint16_t)((*reg & ~mask) | ((unsigned)val << shift & mask));
}

static int write_byte(struct acpi_pm *c, unsigned off, uint8_t val)
{
    const uint16_t placed = (uint16_t)(val << 8 * (off & 1));

    switch (off & ~1u) {
    case REG_STATUS: c->status &= (uint16_t) ~(placed & STATUS_BITS); break; /* write 1 to clear */
    case REG_ENABLE: replace_half(&c->enable, off, val, ENABLE_BITS); break;
    case REG_CONTROL:
        replace_half(&c->control, off, val, CONTROL_BITS);
        if (placed & PM1_CNT_SLP_EN)
            return c->control >> PM1_CNT_SLP_TYP_SHIFT & SLP_TYP_MASK;
        break;
    case REG_GP_STATUS: c->gp_status &= (uint16_t)~placed; break;
    case REG_GP_ENABLE: replace_half(&c->gp_enable, off, val, 0x0f01); break; /* RI, LID, THRM, USB [PIIX4 7.2.6] */
    default:
        if (off >= REG_REST)
            c->rest[off - REG_REST] = val;
        break;
    }
    return -1;
}

int acpi_pm_write(struct acpi_pm *c, unsigned off, uint32_t val, unsigned size, uint64_t now_ticks)
{
    int sleep_type = -1;

    acpi_pm_run(c, now_ticks);
    for (unsigned i = 0; i < size && off + i < ACPI_PM_BLOCK_BYTES; i++) {
        const int asked = write_byte(c, off + i, (uint8_t)(val >> 8 * i));

        sleep_type = asked >= 0 ? asked : sleep_type;
    }
    return sleep_type;
}

void acpi_pm_event(struct acpi_pm *c, uint16_t status)
{
    c->status |= status & STATUS_BITS;
}

void acpi_pm_sci_mode(struct acpi_pm *c, bool on)
{
    c->control = (uint16_t)(on ? c->control | PM1_CNT_SCI_EN : c->control & ~PM1_CNT_SCI_EN);
}
