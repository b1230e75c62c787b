/*
 * mc146818.c - the MC146818A real-time clock.
 *
 * Source: Motorola MC146818A data sheet [DS]: registers A-D, update cycle, alarm, periodic rates of the 32.768 kHz
 * base. Left out: daylight saving and the square-wave pin (B.DSE and B.SQWE read back, do nothing). All divider
 * settings but reset (11x) run from 32.768 kHz. Values no clock can show (month 0, hour 99) count from the nearest they
 * could mean; they stay as written until the next update. Invariant 1: the time is what the bytes say; run() moves it
 * by whole seconds since second_ns. Invariant 2: C.IRQF <=> (B & C & 70h) != 0.   [DS, register C]
 */
#include "devices/rtc/mc146818.h"

#include <string.h>

#define SECOND_NS 1000000000ull
enum { UPDATE_NS = 2228000 }; /* UIP: 244 us ahead plus 1984 us of update [DS, figure 14] */
enum { CRYSTAL_HZ = 32768 };
enum { DAY_S = 86400, ALARM_ANY = 0xc0 };
enum { DIVIDER_RESET = 0x60 };
enum { FLAGS = RTC_C_PF | RTC_C_AF | RTC_C_UF };

/* ---- number formats ---- */

static unsigned decode(const struct mc146818 *c, uint8_t v)
{
    return c->cmos[RTC_REG_B] & RTC_B_BINARY ? v : (unsigned)(v >> 4) * 10 + (v & 15);
}

static uint8_t encode(const struct mc146818 *c, unsigned v)
{
    return (uint8_t)(c->cmos[RTC_REG_B] & RTC_B_BINARY ? v : v / 10 << 4 | v % 10);
}

static unsigned decode_hour(const struct mc146818 *c, uint8_t v)
{
    if (c->cmos[RTC_REG_B] & RTC_B_24H)
        return decode(c, v) % 24;
    return decode(c, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static uint8_t encode_hour(const struct mc146818 *c, unsigned h)
{
    if (c->cmos[RTC_REG_B] & RTC_B_24H)
        return encode(c, h);
    return (uint8_t)(encode(c, h % 12 ? h % 12 : 12) | (h >= 12 ? 0x80 : 0));
}

/* ---- calendar (proleptic Gregorian; days since 1970-01-01) ---- */

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    const int64_t y = month <= 2 ? year - 1 : year; /* years begin in March: the leap day comes last */
    const int64_t era = y / 400;
    const int64_t yoe = y - era * 400;
    const int64_t doy = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    const int64_t z = days + 719468;
    const int64_t era = z / 146097;
    const int64_t doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;

    *ret_day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = yoe + era * 400 + (*ret_month <= 2);
}

static unsigned clamp(unsigned v, unsigned low, unsigned high)
{
    return v < low ? low : v > high ? high : v;
}

static uint32_t time_of_day(const struct mc146818 *c)
{
    return decode_hour(c, c->cmos[RTC_HOURS]) * 3600 + decode(c, c->cmos[RTC_MINUTES]) % 60 * 60 +
           decode(c, c->cmos[RTC_SECONDS]) % 60;
}

int64_t mc146818_time(const struct mc146818 *c)
{
    const unsigned century = decode(c, c->cmos[RTC_CENTURY]);
    const int64_t year = (century >= 19 && century < 100 ? century : 20) * 100 + decode(c, c->cmos[RTC_YEAR]) % 100;
    const unsigned month = clamp(decode(c, c->cmos[RTC_MONTH]), 1, 12);
    const unsigned day = clamp(decode(c, c->cmos[RTC_DAY]), 1, 31);

    return days_of(year, month, day) * DAY_S + time_of_day(c);
}

static void store_time(struct mc146818 *c, int64_t utc_s)
{
    const int64_t days = utc_s / DAY_S - (utc_s % DAY_S < 0);
    const unsigned tod = (unsigned)(utc_s - days * DAY_S);
    int64_t year;
    unsigned month, day;

    date_of(days, &year, &month, &day);
    c->cmos[RTC_SECONDS] = encode(c, tod % 60);
    c->cmos[RTC_MINUTES] = encode(c, tod / 60 % 60);
    c->cmos[RTC_HOURS] = encode_hour(c, tod / 3600);
    c->cmos[RTC_DAY] = encode(c, day);
    c->cmos[RTC_MONTH] = encode(c, month);
    c->cmos[RTC_YEAR] = encode(c, (unsigned)(year % 100));
    c->cmos[RTC_CENTURY] = encode(c, (unsigned)(year / 100 % 100));
}

void mc146818_set_time(struct mc146818 *c, int64_t utc_s, uint64_t now_ns)
{
    const int64_t limit = days_of(9999, 12, 31) * DAY_S; /* four digits is all the registers have */

    utc_s = utc_s < 0 ? 0 : utc_s > limit ? limit : utc_s;
    store_time(c, utc_s);
    c->cmos[RTC_WEEKDAY] = (uint8_t)((utc_s / DAY_S + 4) % 7 + 1); /* 1970-01-01 was a Thursday; Sunday is 1 */
    c->second_ns = now_ns;
}

/* ---- the chip's cycles ---- */

static bool divider_held(const struct mc146818 *c)
{
    return (c->cmos[RTC_REG_A] & DIVIDER_RESET) == DIVIDER_RESET;
}

/* Ticks of the crystal per periodic interrupt, 0 = none. [DS, table 5: rates 1 and 2 are those of 8 and 9] */
static uint32_t period_ticks(const struct mc146818 *c)
{
    const unsigned rate = c->cmos[RTC_REG_A] & RTC_A_RATE;

    if (rate == 0 || divider_held(c))
        return 0;
    return 1u << (rate <= 2 ? rate + 6 : rate - 1);
}

static uint64_t period_at(const struct mc146818 *c, uint64_t now_ns)
{
    const uint32_t ticks = period_ticks(c);

    return ticks ? (uint64_t)((unsigned __int128)now_ns * CRYSTAL_HZ / SECOND_NS / ticks) : 0;
}

static bool alarm_field(const struct mc146818 *c, unsigned reg, unsigned value)
{
    const uint8_t v = c->cmos[reg];

    if (v >= ALARM_ANY)
        return true;
    return (reg == RTC_HOURS_ALARM ? decode_hour(c, v) : decode(c, v)) == value;
}

/* Seconds until the alarm matches, 1-86400, or 0 = it never does. Skips whole hours and minutes: 144 steps at most. */
static uint32_t alarm_delay(const struct mc146818 *c)
{
    const uint32_t from = time_of_day(c);
    uint32_t t = from + 1;

    while (t <= from + DAY_S) {
        if (!alarm_field(c, RTC_HOURS_ALARM, t / 3600 % 24))
            t = (t / 3600 + 1) * 3600;
        else if (!alarm_field(c, RTC_MINUTES_ALARM, t / 60 % 60))
            t = (t / 60 + 1) * 60;
        else if (!alarm_field(c, RTC_SECONDS_ALARM, t % 60))
            t++;
        else
            return t - from;
    }
    return 0;
}

/* inv 2 */
static void update_irqf(struct mc146818 *c)
{
    uint8_t *flags = &c->cmos[RTC_REG_C];

    *flags &= FLAGS;
    if (*flags & c->cmos[RTC_REG_B])
        *flags |= RTC_C_IRQF;
}

static void update_seconds(struct mc146818 *c, uint64_t elapsed_s)
{
    const int64_t before = mc146818_time(c);
    const int64_t after = before + (int64_t)elapsed_s;
    const uint32_t delay = alarm_delay(c);
    const unsigned weekday = clamp(c->cmos[RTC_WEEKDAY], 1, 7);
    const int64_t days = after / DAY_S - before / DAY_S;

    store_time(c, after);
    c->cmos[RTC_WEEKDAY] = (uint8_t)((weekday - 1 + (uint64_t)days) % 7 + 1);
    c->cmos[RTC_REG_C] |= RTC_C_UF;
    if (delay && delay <= elapsed_s)
        c->cmos[RTC_REG_C] |= RTC_C_AF;
}

void mc146818_run(struct mc146818 *c, uint64_t now_ns)
{
    const uint64_t period = period_at(c, now_ns);
    const uint64_t elapsed_s = now_ns > c->second_ns ? (now_ns - c->second_ns) / SECOND_NS : 0;

    if (period != c->period)
        c->cmos[RTC_REG_C] |= RTC_C_PF;
    c->period = period;
    if (divider_held(c)) {
        c->second_ns = now_ns;
    } else if (elapsed_s) {
        c->second_ns += elapsed_s * SECOND_NS;
        if (!(c->cmos[RTC_REG_B] & RTC_B_SET))
            update_seconds(c, elapsed_s);
    }
    update_irqf(c);
}

void mc146818_skip(struct mc146818 *c, uint64_t seconds)
{
    if (seconds && !divider_held(c) && !(c->cmos[RTC_REG_B] & RTC_B_SET))
        update_seconds(c, seconds);
    update_irqf(c);
}

static bool update_in_progress(const struct mc146818 *c, uint64_t now_ns)
{
    if (divider_held(c) || c->cmos[RTC_REG_B] & RTC_B_SET)
        return false;
    return now_ns - c->second_ns >= SECOND_NS - UPDATE_NS;
}

static uint8_t read_flags(struct mc146818 *c)
{
    const uint8_t flags = c->cmos[RTC_REG_C];

    c->cmos[RTC_REG_C] = 0;
    return flags;
}

uint8_t mc146818_read(struct mc146818 *c, uint8_t index, uint64_t now_ns)
{
    mc146818_run(c, now_ns);
    switch (index) {
    case RTC_REG_A: return (uint8_t)(c->cmos[RTC_REG_A] | (update_in_progress(c, now_ns) ? RTC_A_UIP : 0));
    case RTC_REG_C: return read_flags(c);
    case RTC_REG_D: return 0x80; /* VRT: the battery is good */
    default: return c->cmos[index];
    }
}

static void write_a(struct mc146818 *c, uint8_t val, uint64_t now_ns)
{
    const bool was_held = divider_held(c);

    c->cmos[RTC_REG_A] = val & (RTC_A_DIVIDER | RTC_A_RATE);
    c->period = period_at(c, now_ns); /* a new rate is no interrupt */
    if (was_held && !divider_held(c)) /* [DS, Divider Control]: the first update comes half a second later */
        c->second_ns = now_ns > SECOND_NS / 2 ? now_ns - SECOND_NS / 2 : 0;
}

void mc146818_write(struct mc146818 *c, uint8_t index, uint8_t val, uint64_t now_ns)
{
    mc146818_run(c, now_ns);
    switch (index) {
    case RTC_REG_A: write_a(c, val, now_ns); break;
    case RTC_REG_B:
        if (val & RTC_B_SET)
            val &= (uint8_t)~RTC_B_UIE; /* [DS, register B, SET] */
        c->cmos[RTC_REG_B] = val;
        break;
    case RTC_REG_C:
    case RTC_REG_D: break; /* read only */
    default: c->cmos[index] = val; break;
    }
    update_irqf(c);
}

bool mc146818_pin(const struct mc146818 *c)
{
    return c->cmos[RTC_REG_C] & RTC_C_IRQF;
}

uint64_t mc146818_next_ns(const struct mc146818 *c)
{
    const uint8_t b = c->cmos[RTC_REG_B];
    const bool updates = !(b & RTC_B_SET) && !divider_held(c);
    const uint32_t ticks = period_ticks(c);
    uint64_t next = RTC_NEVER, at;

    if (mc146818_pin(c))
        return RTC_NEVER; /* it stays up until register C is read */
    if (updates && b & RTC_B_UIE)
        next = c->second_ns + SECOND_NS;
    if (updates && b & RTC_B_AIE && alarm_delay(c)) {
        at = c->second_ns + alarm_delay(c) * SECOND_NS;
        next = at < next ? at : next;
    }
    if (b & RTC_B_PIE && ticks) {
        at = (uint64_t)(((unsigned __int128)(c->period + 1) * ticks * SECOND_NS + CRYSTAL_HZ - 1) / CRYSTAL_HZ);
        next = at < next ? at : next;
    }
    return next;
}

void mc146818_init(struct mc146818 *c)
{
    memset(c, 0, sizeof(*c));
    c->cmos[RTC_REG_A] = 0x26; /* 32.768 kHz, 976.6 us */
    c->cmos[RTC_REG_B] = RTC_B_24H;
}

void mc146818_reset(struct mc146818 *c)
{
    c->cmos[RTC_REG_B] &= (uint8_t) ~(RTC_B_PIE | RTC_B_AIE | RTC_B_UIE | RTC_B_SQWE); /* [DS, RESET# pin] */
    c->cmos[RTC_REG_C] = 0;
}
