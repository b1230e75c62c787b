/*
 * hpet_chip.c - the high precision event timer block.
 *
 * Source: IA-PC HPET specification 1.0a [HPET]: 2.3 (registers), 2.3.9.2.2 (periodic mode), 2.3.4 (legacy replacement).
 * Left out: FSB (message) delivery, which the capability bits say is absent. Timers reach I/O APIC pins 3-7, 9-15 only.
 * Invariant 1: counter == value while halted; else counter + (now - start_ns) / HPET_PERIOD_NS.
 * Invariant 2: status bits are set only by level-triggered timers and cleared by writing 1. [HPET 2.3.6]
 * Invariant 3: a periodic comparator is ahead of seen by at most its period.
 */
#include "devices/timer/hpet_chip.h"

#include <string.h>

enum { REG_CAPABILITIES = 0x000, REG_CONFIG = 0x010, REG_STATUS = 0x020, REG_COUNTER = 0x0f0, REG_TIMERS = 0x100 };
enum { TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08, TIMER_STRIDE = 0x20 };
enum { CONFIG_ENABLE = 1, CONFIG_LEGACY = 2 };
enum {
    T_LEVEL = 1 << 1,
    T_ENABLE = 1 << 2,
    T_PERIODIC = 1 << 3,
    T_PERIODIC_CAPABLE = 1 << 4,
    T_64_CAPABLE = 1 << 5,
    T_SET_VALUE = 1 << 6,
    T_32_BIT = 1 << 8,
    T_ROUTE_SHIFT = 9,
    T_ROUTE_MASK = 31
};
#define T_WRITABLE   UINT64_C(0x3f0e) /* not Tn_VAL_SET_CNF, which reads 0 */
#define ROUTES       UINT64_C(0xfef8)
#define CAPABILITIES (UINT64_C(10000000) << 32 | 0x8086a201) /* period in fs; 3 timers, 64 bits, legacy routes */

static uint64_t counter_at(const struct hpet *c, uint64_t now_ns)
{
    if (!(c->config & CONFIG_ENABLE))
        return c->counter;
    return c->counter + (now_ns > c->start_ns ? now_ns - c->start_ns : 0) / HPET_PERIOD_NS; /* inv 1 */
}

void hpet_reset(struct hpet *c)
{
    memset(c, 0, sizeof(*c));
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        c->timer[n].config = ROUTES << 32 | T_PERIODIC_CAPABLE | T_64_CAPABLE;
        c->timer[n].comparator = UINT64_MAX;
    }
}

static uint64_t width_mask(const struct hpet_timer *t)
{
    return t->config & T_32_BIT ? UINT32_MAX : UINT64_MAX;
}

/* Ticks from @from until the timer matches next, at least 1. */
static uint64_t distance(const struct hpet_timer *t, uint64_t from)
{
    const uint64_t d = (t->comparator - from) & width_mask(t);

    return d ? d : width_mask(t);
}

static void match(struct hpet *c, unsigned n, uint64_t past)
{
    struct hpet_timer *t = &c->timer[n];

    if (t->config & T_PERIODIC && t->period)
        t->comparator = (t->comparator + (past / t->period + 1) * t->period) & width_mask(t); /* inv 3 */
    if (!(t->config & T_ENABLE) && !(t->config & T_LEVEL))
        return;
    if (t->config & T_LEVEL)
        c->status |= UINT64_C(1) << n; /* inv 2 */
    else
        c->fired |= (uint8_t)(1u << n);
}

void hpet_run(struct hpet *c, uint64_t now_ns)
{
    const uint64_t now = counter_at(c, now_ns);
    const uint64_t elapsed = now - c->seen;

    for (unsigned n = 0; n < HPET_TIMERS && elapsed; n++) {
        const uint64_t d = distance(&c->timer[n], c->seen);

        if (d <= elapsed)
            match(c, n, elapsed - d);
    }
    c->seen = now;
}

uint64_t hpet_next_ns(const struct hpet *c, uint64_t now_ns)
{
    uint64_t ticks = UINT64_MAX;

    if (!(c->config & CONFIG_ENABLE))
        return HPET_NEVER;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if (c->timer[n].config & T_ENABLE && distance(&c->timer[n], c->seen) < ticks)
            ticks = distance(&c->timer[n], c->seen);
    if (ticks > INT64_MAX / HPET_PERIOD_NS)
        return HPET_NEVER;
    /* The nanosecond at which the counter comes to seen + ticks. */
    return c->start_ns + (c->seen - c->counter + ticks) * HPET_PERIOD_NS > now_ns
               ? c->start_ns + (c->seen - c->counter + ticks) * HPET_PERIOD_NS
               : now_ns;
}

bool hpet_legacy(const struct hpet *c)
{
    return (c->config & (CONFIG_ENABLE | CONFIG_LEGACY)) == (CONFIG_ENABLE | CONFIG_LEGACY);
}

/* [HPET 2.3.4]: legacy replacement gives timer 0 IRQ 0 and timer 1 IRQ 8, whatever their routes say. */
int hpet_line(const struct hpet *c, unsigned n)
{
    const unsigned route = c->timer[n].config >> T_ROUTE_SHIFT & T_ROUTE_MASK;

    if (!(c->timer[n].config & T_ENABLE) || !(c->config & CONFIG_ENABLE))
        return -1;
    if (hpet_legacy(c) && n < 2)
        return n ? 8 : 0;
    return ROUTES >> route & 1 ? (int)route : -1;
}

bool hpet_level_triggered(const struct hpet *c, unsigned n)
{
    return c->timer[n].config & T_LEVEL;
}

bool hpet_level(const struct hpet *c, unsigned n)
{
    return c->timer[n].config & T_LEVEL && c->status >> n & 1;
}

bool hpet_take_edge(struct hpet *c, unsigned n)
{
    const bool fired = c->fired >> n & 1;

    c->fired &= (uint8_t) ~(1u << n);
    return fired;
}

/* ---- registers: 64 bits each, accessed whole or by halves ---- */

static uint64_t read_reg(const struct hpet *c, unsigned reg, uint64_t now_ns)
{
    const unsigned n = (reg - REG_TIMERS) / TIMER_STRIDE;

    switch (reg) {
    case REG_CAPABILITIES: return CAPABILITIES;
    case REG_CONFIG: return c->config;
    case REG_STATUS: return c->status;
    case REG_COUNTER: return counter_at(c, now_ns);
    default: break;
    }
    if (reg < REG_TIMERS || n >= HPET_TIMERS)
        return 0;
    switch ((reg - REG_TIMERS) % TIMER_STRIDE) {
    case TIMER_CONFIG: return c->timer[n].config;
    case TIMER_COMPARATOR: return c->timer[n].comparator;
    default: return 0;
    }
}

uint64_t hpet_read(struct hpet *c, unsigned off, unsigned size, uint64_t now_ns)
{
    const uint64_t val = read_reg(c, off & ~7u, now_ns) >> 8 * (off & 7);

    hpet_run(c, now_ns);
    return size >= 8 ? val : val & ((UINT64_C(1) << 8 * size) - 1);
}

static void write_config(struct hpet *c, uint64_t val, uint64_t now_ns)
{
    const uint64_t now = counter_at(c, now_ns);

    c->counter = c->seen = now;
    c->start_ns = now_ns;
    c->config = val & (CONFIG_ENABLE | CONFIG_LEGACY);
}

static void write_timer_config(struct hpet *c, unsigned n, uint64_t val)
{
    struct hpet_timer *t = &c->timer[n];

    t->config = (t->config & ~T_WRITABLE) | (val & T_WRITABLE);
    t->set_next = val & T_SET_VALUE;
    if (t->config & T_32_BIT) {
        t->comparator &= UINT32_MAX;
        t->period &= UINT32_MAX;
    }
    if (!(t->config & T_LEVEL))
        c->status &= ~(UINT64_C(1) << n);
}

/* [HPET 2.3.9.2.2]: in periodic mode a write is the period, and the comparator too if the set bit was written before.
 */
static void write_comparator(struct hpet_timer *t, uint64_t val)
{
    val &= width_mask(t);
    if (!(t->config & T_PERIODIC) || t->set_next)
        t->comparator = val;
    if (t->config & T_PERIODIC)
        t->period = val;
    t->set_next = false;
}

void hpet_write(struct hpet *c, unsigned off, uint64_t val, unsigned size, uint64_t now_ns)
{
    const unsigned reg = off & ~7u;
    const unsigned n = (reg - REG_TIMERS) / TIMER_STRIDE;
    const uint64_t mask = (size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1) << 8 * (off & 7);
    uint64_t whole;

    hpet_run(c, now_ns);
    whole = (read_reg(c, reg, now_ns) & ~mask) | (val << 8 * (off & 7) & mask);
    if (reg == REG_CONFIG)
        write_config(c, whole, now_ns);
    else if (reg == REG_STATUS)
        c->status &= ~(val << 8 * (off & 7) & mask);
    else if (reg == REG_COUNTER) {
        c->counter = c->seen = whole;
        c->start_ns = now_ns;
    } else if (reg >= REG_TIMERS && n < HPET_TIMERS && (reg - REG_TIMERS) % TIMER_STRIDE == TIMER_CONFIG)
        write_timer_config(c, n, whole);
    else if (reg >= REG_TIMERS && n < HPET_TIMERS && (reg - REG_TIMERS) % TIMER_STRIDE == TIMER_COMPARATOR)
        write_comparator(&c->timer[n], whole);
}

bool hpet_valid(const struct hpet *c)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if ((c->timer[n].config & ~T_WRITABLE) != (ROUTES << 32 | T_PERIODIC_CAPABLE | T_64_CAPABLE))
            return false;
    return c->start_ns < INT64_MAX && c->fired < 1 << HPET_TIMERS && c->status < 1 << HPET_TIMERS &&
           (c->config & ~(uint64_t)(CONFIG_ENABLE | CONFIG_LEGACY)) == 0;
}
