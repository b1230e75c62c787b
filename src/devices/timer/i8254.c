/*
 * i8254.c - the 8254 programmable interval timer.
 *
 * Source: Intel 8254 data sheet, order 231164 [DS]: control word, read-back command, mode definitions 0-5, gate
 * summary. A counter is not stepped: its value and output are functions of the ticks elapsed since the count was
 * loaded. Where the sheet leaves it open: a count of 1 in modes 2 and 3 (illegal there) counts as 2; BCD digits above 9
 * weigh as they stand. A count written in mode 2 or 3 while the gate is low is loaded by the trigger. Invariant 1:
 * frozen => elapsed is valid; else elapsed is now - start (0 before start). Invariant 2: armed => 1 <= count <= 65536;
 * pending only in modes 2 and 3.
 */
#include "devices/timer/i8254.h"

#include <string.h>

enum { CONTROL_REG = 3, READ_BACK = 3, ACCESS_LATCH = 0, ACCESS_LOW = 1, ACCESS_HIGH = 2, ACCESS_BOTH = 3 };
enum { READ_BACK_NO_COUNT = 0x20, READ_BACK_NO_STATUS = 0x10, STATUS_OUT = 0x80, STATUS_NULL = 0x40 };

void i8254_reset(struct i8254 *c)
{
    for (unsigned i = 0; i < 3; i++) {
        struct i8254_channel *ch = &c->ch[i];
        const bool gate = ch->gate;

        memset(ch, 0, sizeof(*ch));
        ch->gate = gate;
        ch->access = ACCESS_BOTH;
        ch->mode = 3; /* undefined in hardware [DS, Programming]: idle, output high */
        ch->next = ch->count = 0x10000;
    }
}

static bool is_periodic(const struct i8254_channel *ch)
{
    return ch->mode == 2 || ch->mode == 3;
}

static bool is_triggered(const struct i8254_channel *ch)
{
    return ch->mode == 1 || ch->mode == 5;
}

static uint64_t elapsed_at(const struct i8254_channel *ch, uint64_t now)
{
    if (ch->frozen)
        return ch->elapsed; /* inv 1 */
    return now > ch->start ? now - ch->start : 0;
}

/* Mode 3: clocks of the high half; the low half is the rest. */
static uint32_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

/* The tick at which a pending count is loaded, were it armed at @now. [DS, Modes 2 and 3] */
static uint64_t reload_tick(const struct i8254_channel *ch, uint64_t now)
{
    const uint64_t e = elapsed_at(ch, now);
    const uint64_t cycle = ch->start + e / ch->count * ch->count;

    if (ch->mode == 3 && e % ch->count < high_half(ch->count))
        return cycle + high_half(ch->count);
    return cycle + ch->count;
}

/* Applies a pending count once its tick is reached. */
static void settle(struct i8254_channel *ch, uint64_t now)
{
    const uint64_t at = ch->reload;

    if (!ch->pending || ch->frozen || now < at)
        return;
    /* Mode 3 in mid-cycle: the new count starts with its low half. */
    const bool low_half = ch->mode == 3 && (at - ch->start) % ch->count != 0;

    ch->count = ch->next;
    ch->start = low_half ? at - high_half(ch->count) : at;
    ch->pending = false;
}

static bool out_at(const struct i8254_channel *ch, uint64_t now)
{
    const uint64_t e = elapsed_at(ch, now);
    const bool started = ch->armed && (ch->frozen || now >= ch->start);

    switch (ch->mode) {
    case 0: return started && e >= ch->count;
    case 1: return !started || e >= ch->count;
    case 2: return !started || ch->frozen || e % ch->count != ch->count - 1;
    case 3: return !started || ch->frozen || e % ch->count < high_half(ch->count);
    default: return !started || e != ch->count;
    }
}

bool i8254_out(struct i8254 *c, unsigned n, uint64_t now)
{
    settle(&c->ch[n], now);
    return out_at(&c->ch[n], now);
}

/* When armed and not frozen: the first rise after @now; [DS, figures 15-20]. */
static uint64_t rise_after(const struct i8254_channel *ch, uint64_t now)
{
    const uint64_t e = elapsed_at(ch, now);
    const uint64_t end = ch->start + ch->count;

    switch (ch->mode) {
    case 0:
    case 1: return now < end ? end : I8254_NEVER;
    case 2:
    case 3: return ch->start + (e / ch->count + 1) * ch->count;
    default: return now < end + 1 ? end + 1 : I8254_NEVER;
    }
}

uint64_t i8254_next_rise(struct i8254 *c, unsigned n, uint64_t now)
{
    struct i8254_channel after;

    settle(&c->ch[n], now);
    if (!c->ch[n].armed || c->ch[n].frozen)
        return I8254_NEVER;
    if (!c->ch[n].pending)
        return rise_after(&c->ch[n], now);
    after = c->ch[n];
    settle(&after, after.reload);
    /* A reload at a cycle's end is itself the rise; in mid-cycle the rise ends the new low half. */
    return after.start == after.reload ? after.start : rise_after(&after, after.reload);
}

static uint16_t to_bcd(uint32_t v)
{
    return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint16_t v)
{
    return (v & 15) + (v >> 4 & 15) * 10u + (v >> 8 & 15) * 100u + (v >> 12) * 1000u;
}

/* Mode 3 counts by two, twice per period; an odd count starts one lower. [DS, Mode 3] */
static uint32_t square_count(const struct i8254_channel *ch, uint64_t e)
{
    const uint32_t phase = (uint32_t)(e % ch->count);
    const uint32_t half = high_half(ch->count);

    return (ch->count & ~1u) - 2 * (phase < half ? phase : phase - half);
}

/* The counting element as the guest reads it. */
static uint16_t count_at(const struct i8254_channel *ch, uint64_t now)
{
    const uint64_t e = ch->armed ? elapsed_at(ch, now) : 0;
    const uint32_t modulus = ch->bcd ? 10000 : 0x10000;
    uint32_t value;

    if (ch->mode == 2)
        value = ch->count - (uint32_t)(e % ch->count);
    else if (ch->mode == 3)
        value = square_count(ch, e);
    else
        value = ch->count + modulus - (uint32_t)(e % modulus);
    value %= modulus;
    return ch->bcd ? to_bcd(value) : (uint16_t)value;
}

static void latch_count(struct i8254_channel *ch, uint64_t now)
{
    if (ch->latched)
        return; /* [DS, Counter Latch Command]: a second latch before reading is ignored */
    ch->latch = count_at(ch, now);
    ch->latched = ch->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(struct i8254_channel *ch, uint64_t now)
{
    const bool null = !ch->loaded || ch->pending || (ch->armed && !ch->frozen && now < ch->start) || !ch->armed;

    if (ch->status_latched)
        return;
    ch->status = (uint8_t)((out_at(ch, now) ? STATUS_OUT : 0) | (null ? STATUS_NULL : 0) | ch->access << 4 |
                           ch->mode << 1 | ch->bcd);
    ch->status_latched = true;
}

uint8_t i8254_read(struct i8254 *c, unsigned reg, uint64_t now)
{
    struct i8254_channel *ch;
    uint16_t value;
    bool high;

    if (reg >= CONTROL_REG)
        return 0xff; /* [DS, figure 6]: no operation, bus floats */
    ch = &c->ch[reg];
    settle(ch, now);
    if (ch->status_latched) {
        ch->status_latched = false;
        return ch->status;
    }
    value = ch->latched ? ch->latch : count_at(ch, now);
    if (ch->access == ACCESS_BOTH) {
        high = ch->high_next_read;
        ch->high_next_read = !high;
    } else {
        high = ch->access == ACCESS_HIGH;
    }
    if (ch->latched)
        ch->latched--;
    return (uint8_t)(high ? value >> 8 : value);
}

/* The (re)load that a trigger or a first count causes: on the next clock. */
static void load(struct i8254_channel *ch, uint64_t now)
{
    ch->count = ch->next;
    ch->start = now + 1;
    ch->elapsed = 0;
    ch->armed = true;
    ch->pending = false;
    ch->frozen = !is_triggered(ch) && !ch->gate;
}

static void count_written(struct i8254_channel *ch, uint16_t raw, uint64_t now)
{
    uint32_t count = ch->bcd ? from_bcd(raw) : raw;

    if (count == 0)
        count = ch->bcd ? 10000 : 0x10000;
    if (count == 1 && is_periodic(ch))
        count = 2;
    ch->next = count;
    ch->loaded = true;
    if (is_triggered(ch))
        return; /* waits for the gate */
    if (!is_periodic(ch) || !ch->armed || ch->frozen || now < ch->start) {
        load(ch, now);
        return;
    }
    if (!ch->pending)
        ch->reload = reload_tick(ch, now);
    ch->pending = true;
}

static void write_count(struct i8254_channel *ch, uint8_t val, uint64_t now)
{
    settle(ch, now);
    if (ch->access == ACCESS_BOTH && !ch->high_next_write) {
        ch->low_byte = val;
        ch->high_next_write = true;
        if (ch->mode == 0)
            ch->armed = false; /* [DS, Mode 0]: the first byte stops counting, OUT goes low */
        return;
    }
    if (ch->access == ACCESS_BOTH) {
        ch->high_next_write = false;
        count_written(ch, (uint16_t)(val << 8 | ch->low_byte), now);
    } else {
        count_written(ch, ch->access == ACCESS_HIGH ? (uint16_t)(val << 8) : val, now);
    }
}

static void write_mode(struct i8254_channel *ch, uint8_t val)
{
    const bool gate = ch->gate;
    const uint32_t count = ch->count;
    uint8_t mode = val >> 1 & 7;

    if (mode > 5)
        mode -= 4; /* [DS, figure 7]: 6 and 7 are 2 and 3 */
    memset(ch, 0, sizeof(*ch));
    ch->access = val >> 4 & 3;
    ch->mode = mode;
    ch->bcd = val & 1;
    ch->gate = gate;
    ch->next = ch->count = count;
}

static void read_back(struct i8254 *c, uint8_t val, uint64_t now)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!(val >> (i + 1) & 1))
            continue;
        settle(&c->ch[i], now);
        if (!(val & READ_BACK_NO_COUNT))
            latch_count(&c->ch[i], now);
        if (!(val & READ_BACK_NO_STATUS))
            latch_status(&c->ch[i], now);
    }
}

void i8254_write(struct i8254 *c, unsigned reg, uint8_t val, uint64_t now)
{
    const unsigned select = val >> 6;

    if (reg < CONTROL_REG) {
        write_count(&c->ch[reg], val, now);
    } else if (select == READ_BACK) {
        read_back(c, val, now);
    } else if ((val >> 4 & 3) == ACCESS_LATCH) {
        settle(&c->ch[select], now);
        latch_count(&c->ch[select], now);
    } else {
        write_mode(&c->ch[select], val);
    }
}

/* [DS, figure 21, Gate Pin Operations Summary] */
void i8254_gate(struct i8254 *c, unsigned n, bool level, uint64_t now)
{
    struct i8254_channel *ch = &c->ch[n];

    settle(ch, now);
    if (level == ch->gate)
        return;
    ch->gate = level;
    if (is_triggered(ch)) {
        if (level && ch->loaded)
            load(ch, now);
    } else if (is_periodic(ch)) {
        if (level && ch->loaded)
            load(ch, now);
        else if (!level && ch->armed) {
            ch->elapsed = elapsed_at(ch, now);
            ch->pending = false; /* the trigger loads next anyway */
            ch->frozen = true;
        }
    } else if (ch->armed && level) {
        ch->start = now - ch->elapsed;
        ch->frozen = false;
    } else if (ch->armed) {
        ch->elapsed = elapsed_at(ch, now);
        ch->frozen = true;
    }
}

bool i8254_valid(const struct i8254_channel *ch)
{
    const bool counts = ch->count >= 1 && ch->count <= 0x10000 && ch->next >= 1 && ch->next <= 0x10000; /* inv 2 */
    const bool times = ch->start < INT64_MAX && ch->elapsed < INT64_MAX && ch->reload < INT64_MAX;

    return counts && times && ch->mode <= 5 && ch->access >= ACCESS_LOW && ch->access <= ACCESS_BOTH &&
           ch->latched <= 2 && (!ch->pending || (is_periodic(ch) && ch->reload >= ch->start));
}
