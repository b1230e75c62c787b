/*
 * mc146818.h - the MC146818A clock and CMOS memory as a pure state machine over a nanosecond number.
 */
#ifndef DEVICES_RTC_MC146818_H
#define DEVICES_RTC_MC146818_H

#include <stdbool.h>
#include <stdint.h>

enum mc146818_reg {
    RTC_SECONDS,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_WEEKDAY,
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_REG_A,
    RTC_REG_B,
    RTC_REG_C,
    RTC_REG_D,
    RTC_CENTURY = 0x32, /* memory to the chip; the AT's and ACPI's century byte */
};
enum { RTC_A_UIP = 0x80, RTC_A_DIVIDER = 0x70, RTC_A_RATE = 0x0f };
enum {
    RTC_B_SET = 0x80,
    RTC_B_PIE = 0x40,
    RTC_B_AIE = 0x20,
    RTC_B_UIE = 0x10,
    RTC_B_SQWE = 0x08,
    RTC_B_BINARY = 0x04,
    RTC_B_24H = 0x02
};
enum { RTC_C_IRQF = 0x80, RTC_C_PF = 0x40, RTC_C_AF = 0x20, RTC_C_UF = 0x10 };
#define RTC_NEVER UINT64_MAX

struct mc146818 {
    uint8_t cmos[256];  /* 0-Dh are the registers, the rest memory; 80h up is the second bank */
    uint64_t second_ns; /* when the current second began */
    uint64_t period;    /* number of the current periodic interval */
};

/** mc146818_init() - factory contents: BCD, 24 hours, 1024 Hz. mc146818_reset(): the RESET# pin; time and memory stay.
 */
void mc146818_init(struct mc146818 *c);
void mc146818_reset(struct mc146818 *c);
/** mc146818_set_time() - @utc_s seconds since 1970 are now, in the format register B selects; a second begins now. */
void mc146818_set_time(struct mc146818 *c, int64_t utc_s, uint64_t now_ns);
/** mc146818_skip() - @seconds pass at once; an alarm that lay in them is flagged. A clock the guest has stopped stands.
 */
void mc146818_skip(struct mc146818 *c, uint64_t seconds);
/** mc146818_time() - what the registers say, seconds since 1970. */
int64_t mc146818_time(const struct mc146818 *c);
uint8_t mc146818_read(struct mc146818 *c, uint8_t index, uint64_t now_ns);
void mc146818_write(struct mc146818 *c, uint8_t index, uint8_t val, uint64_t now_ns);
/** mc146818_run() - lets time pass up to @now_ns. */
void mc146818_run(struct mc146818 *c, uint64_t now_ns);
/** mc146818_pin() - the IRQ# output, true = asserted. */
bool mc146818_pin(const struct mc146818 *c);
/** mc146818_next_ns() - when the pin can rise next without an access, or RTC_NEVER. */
uint64_t mc146818_next_ns(const struct mc146818 *c);

#endif
