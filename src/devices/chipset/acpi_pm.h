/*
 * acpi_pm.h - the ACPI register block of a PIIX4 as a pure state machine: events, control, timer, general purpose
 * events.
 */
#ifndef DEVICES_CHIPSET_ACPI_PM_H
#define DEVICES_CHIPSET_ACPI_PM_H

#include <stdbool.h>
#include <stdint.h>

#define ACPI_PM_HZ    3579545u
#define ACPI_PM_NEVER UINT64_MAX

enum { ACPI_PM_BLOCK_BYTES = 64 };
enum {
    PM1_TMROF = 1 << 0,
    PM1_GBL = 1 << 5,
    PM1_PWRBTN = 1 << 8,
    PM1_SLPBTN = 1 << 9,
    PM1_RTC = 1 << 10,
    PM1_WAK = 1 << 15
};
enum { PM1_CNT_SCI_EN = 1 << 0, PM1_CNT_SLP_EN = 1 << 13, PM1_CNT_SLP_TYP_SHIFT = 10 };

struct acpi_pm {
    uint16_t status, enable, control;
    uint16_t gp_status, gp_enable;
    uint64_t toggles;                         /* how often the timer's top bit had changed when last looked */
    uint8_t rest[ACPI_PM_BLOCK_BYTES - 0x10]; /* clock control, traps: stored only */
};

void acpi_pm_reset(struct acpi_pm *c, uint64_t now_ticks);
/** acpi_pm_read() - @size bytes (1, 2, 4) at @off of the block; @now_ticks at ACPI_PM_HZ. */
uint32_t acpi_pm_read(struct acpi_pm *c, unsigned off, unsigned size, uint64_t now_ticks);
/** acpi_pm_write() - Return: the sleep type asked for (SLP_EN written with 1), or -1. */
int acpi_pm_write(struct acpi_pm *c, unsigned off, uint32_t val, unsigned size, uint64_t now_ticks);
/** acpi_pm_event() - sets status bits, as a button does. */
void acpi_pm_event(struct acpi_pm *c, uint16_t status);
/** acpi_pm_sci_mode() - what the ACPI enable and disable commands do. */
void acpi_pm_sci_mode(struct acpi_pm *c, bool on);
/** acpi_pm_run() - lets time pass. acpi_pm_sci(): the interrupt output. acpi_pm_next(): tick of its next possible rise.
 */
void acpi_pm_run(struct acpi_pm *c, uint64_t now_ticks);
bool acpi_pm_sci(const struct acpi_pm *c);
uint64_t acpi_pm_next(const struct acpi_pm *c);

#endif
