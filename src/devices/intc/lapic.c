/*
 * lapic.c - the local APIC, xAPIC and x2APIC.
 *
 * Source: Intel SDM volume 3A, chapter 11 (Advanced Programmable Interrupt Controller) [SDM].
 * Left out: arbitration (APR, remote read), CMCI, directed EOI. The identification cannot be changed, the base address
 * cannot be moved.
 * Deviation: the boot processor's LINT0 comes up as ExtINT, unmasked, as firmware sets it on every PC ("virtual wire");
 * so a firmware that never touches the APIC gets the 8259's interrupts. Invariant 1: pending => the vector's class is
 * above the processor priority's. [SDM 11.8.3.1] Invariant 2: while software-disabled every LVT entry is masked and
 * nothing is accepted. [SDM 11.4.7.2] Invariant 3: due_ns is what the timer registers say; LAPIC_NEVER when stopped.
 */
#include "devices/intc/lapic.h"

enum { VERSION = (LAPIC_LVTS - 1) << 16 | 0x14, FIRST_VECTOR = 16 };
enum { SVR_ENABLE = 1 << 8, SVR_WRITABLE = 0x3ff, SVR_RESET = 0xff };
enum { TIMER_MODE_SHIFT = 17, MIN_PERIOD_NS = 20000 }; /* a bound on guest-made work */
#define ICR_WRITABLE 0x000ccfffu
#define DFR_FIXED    0x0fffffffu

/* Writable bits by entry; the delivery status and remote IRR always read 0. [SDM figure 11-8] */
static const uint32_t lvt_writable[LAPIC_LVTS] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

void lapic_reset(struct lapic *c, uint32_t id, bool bsp, bool init)
{
    if (!init) {
        c->id = id;
        c->base = LAPIC_BASE_GPA | LAPIC_BASE_ENABLE | (bsp ? LAPIC_BASE_BSP : 0u);
    }
    for (unsigned i = 0; i < 8; i++)
        c->irr[i] = c->tmr[i] = c->isr[i] = 0;
    c->tpr = c->ldr = c->errors = 0;
    c->dfr = UINT32_MAX;
    c->svr = SVR_RESET;
    for (unsigned i = 0; i < LAPIC_LVTS; i++)
        c->lvt[i] = LAPIC_MASKED;
    if (bsp)
        c->lvt[LAPIC_LVT_LINT0 - LAPIC_LVT_TIMER] = LAPIC_EXTINT << 8;
    c->esr = c->icr_low = c->icr_high = c->initial = c->divide = 0;
    c->start_ns = c->tsc_deadline = 0;
    c->due_ns = LAPIC_NEVER;
}

bool lapic_enabled(struct lapic *c)
{
    return (c->base & LAPIC_BASE_ENABLE) && (c->svr & SVR_ENABLE);
}

bool lapic_x2(struct lapic *c)
{
    return (c->base & (LAPIC_BASE_ENABLE | LAPIC_BASE_X2)) == (LAPIC_BASE_ENABLE | LAPIC_BASE_X2);
}

/* ---- vectors ---- */

static int highest(_Atomic uint32_t *bits)
{
    for (int i = 7; i >= 0; i--) {
        const uint32_t word = atomic_load_explicit(&bits[i], memory_order_acquire);

        if (word)
            return i * 32 + 31 - __builtin_clz(word);
    }
    return -1;
}

static bool set_bit(_Atomic uint32_t *bits, uint8_t n)
{
    const uint32_t bit = 1u << (n & 31);

    return atomic_fetch_or(&bits[n >> 5], bit) & bit;
}

static bool clear_bit(_Atomic uint32_t *bits, uint8_t n)
{
    const uint32_t bit = 1u << (n & 31);

    return atomic_fetch_and(&bits[n >> 5], ~bit) & bit;
}

bool lapic_accept(struct lapic *c, uint8_t vector, bool level)
{
    if (!lapic_enabled(c))
        return false; /* inv 2 */
    if (vector < FIRST_VECTOR) {
        atomic_fetch_or(&c->errors, LAPIC_ERROR_RECEIVE_VECTOR);
        return false;
    }
    if (level)
        set_bit(c->tmr, vector);
    else
        clear_bit(c->tmr, vector);
    return !set_bit(c->irr, vector);
}

uint8_t lapic_priority(struct lapic *c)
{
    const int serving = highest(c->isr);
    const uint32_t tpr = c->tpr;

    if (serving < 0 || (tpr >> 4) >= (uint32_t)serving >> 4)
        return (uint8_t)tpr;
    return (uint8_t)(serving & 0xf0);
}

int lapic_pending(struct lapic *c)
{
    const int vector = lapic_enabled(c) ? highest(c->irr) : -1;

    return vector >= 0 && vector >> 4 > lapic_priority(c) >> 4 ? vector : -1; /* inv 1 */
}

int lapic_acknowledge(struct lapic *c)
{
    const int vector = lapic_pending(c);

    if (vector < 0)
        return -1;
    set_bit(c->isr, (uint8_t)vector);
    clear_bit(c->irr, (uint8_t)vector);
    return vector;
}

int lapic_eoi(struct lapic *c)
{
    const int vector = highest(c->isr);

    if (vector < 0)
        return -1;
    clear_bit(c->isr, (uint8_t)vector);
    return c->tmr[vector >> 5] >> (vector & 31) & 1 ? vector : -1;
}

/* [SDM 11.6.2]: destination modes. */
bool lapic_matches(struct lapic *c, uint32_t dest, bool logical)
{
    const uint32_t ldr = c->ldr >> 24;

    if (!(c->base & LAPIC_BASE_ENABLE))
        return false;
    if (lapic_x2(c)) {
        const uint32_t own = c->id >> 4 << 16 | 1u << (c->id & 15);

        if (dest == 0xff || dest == UINT32_MAX) /* the I/O APIC's broadcast has 8 bits */
            return true;
        return logical ? dest >> 16 == own >> 16 && (dest & own & 0xffff) : dest == c->id;
    }
    dest &= 0xff;
    if (!logical)
        return dest == 0xff || dest == c->id;
    if (c->dfr >> 28 == 0xf)
        return ldr & dest;
    return (dest >> 4 == 0xf || dest >> 4 == ldr >> 4) && (ldr & dest & 0xf);
}

/* ---- timer [SDM 11.5.4] ---- */

enum lapic_timer_mode lapic_timer_mode(struct lapic *c)
{
    const uint32_t mode = c->lvt[0] >> TIMER_MODE_SHIFT & 3;

    return mode == 1 ? LAPIC_PERIODIC : mode == 2 ? LAPIC_TSC_DEADLINE : LAPIC_ONE_SHOT;
}

static uint32_t divisor(const struct lapic *c)
{
    const uint32_t code = (c->divide & 3) | (c->divide >> 1 & 4);

    return code == 7 ? 1 : 2u << code;
}

static uint64_t period_ns(const struct lapic *c)
{
    return (uint64_t)c->initial * divisor(c);
}

static void timer_start(struct lapic *c, uint64_t now_ns)
{
    c->start_ns = now_ns;
    if (lapic_timer_mode(c) != LAPIC_TSC_DEADLINE)
        c->due_ns = c->initial ? now_ns + period_ns(c) : LAPIC_NEVER; /* inv 3 */
}

static uint32_t timer_count(struct lapic *c, uint64_t now_ns)
{
    const uint64_t elapsed = (now_ns > c->start_ns ? now_ns - c->start_ns : 0) / divisor(c);

    if (!c->initial || lapic_timer_mode(c) == LAPIC_TSC_DEADLINE)
        return 0;
    if (lapic_timer_mode(c) == LAPIC_PERIODIC)
        return c->initial - (uint32_t)(elapsed % c->initial);
    return elapsed >= c->initial ? 0 : c->initial - (uint32_t)elapsed;
}

int lapic_timer_fire(struct lapic *c, uint64_t now_ns)
{
    const uint32_t lvt = c->lvt[0];
    const uint64_t period = period_ns(c);

    c->due_ns = LAPIC_NEVER;
    c->tsc_deadline = 0;
    if (lapic_timer_mode(c) == LAPIC_PERIODIC && period) {
        c->start_ns += (now_ns - c->start_ns) / period * period;
        c->due_ns = c->start_ns + period;
        if (c->due_ns < now_ns + MIN_PERIOD_NS && period < MIN_PERIOD_NS)
            c->due_ns = now_ns + MIN_PERIOD_NS;
    }
    return lvt & LAPIC_MASKED ? -1 : (int)(lvt & 0xff);
}

static void write_timer_lvt(struct lapic *c, uint32_t val, uint64_t now_ns)
{
    const enum lapic_timer_mode before = lapic_timer_mode(c);

    c->lvt[0] = val;
    if ((before == LAPIC_TSC_DEADLINE) == (lapic_timer_mode(c) == LAPIC_TSC_DEADLINE))
        return;
    /* Changing to or from deadline mode disarms the timer. [SDM 11.5.4.1] */
    c->initial = 0;
    c->tsc_deadline = 0;
    timer_start(c, now_ns);
    c->due_ns = LAPIC_NEVER;
}

/* ---- registers ---- */

static uint32_t read_icr_id(struct lapic *c, unsigned reg)
{
    if (reg == LAPIC_ID)
        return lapic_x2(c) ? c->id : c->id << 24;
    return lapic_x2(c) ? c->id >> 4 << 16 | 1u << (c->id & 15) : c->ldr;
}

bool lapic_read(struct lapic *c, unsigned reg, uint64_t now_ns, uint32_t *ret)
{
    switch (reg) {
    case LAPIC_ID:
    case LAPIC_LDR: *ret = read_icr_id(c, reg); return true;
    case LAPIC_VERSION: *ret = VERSION; return true;
    case LAPIC_TPR: *ret = c->tpr; return true;
    case LAPIC_PPR: *ret = lapic_priority(c); return true;
    case LAPIC_DFR: *ret = c->dfr; return !lapic_x2(c);
    case LAPIC_APR:
    case LAPIC_RRD: *ret = 0; return !lapic_x2(c);
    case LAPIC_SVR: *ret = c->svr; return true;
    case LAPIC_ESR: *ret = c->esr; return true;
    case LAPIC_ICR_LOW: *ret = c->icr_low; return true;
    case LAPIC_ICR_HIGH: *ret = c->icr_high; return !lapic_x2(c);
    case LAPIC_INITIAL: *ret = lapic_timer_mode(c) == LAPIC_TSC_DEADLINE ? 0 : c->initial; return true;
    case LAPIC_CURRENT: *ret = timer_count(c, now_ns); return true;
    case LAPIC_DIVIDE: *ret = c->divide; return true;
    default: break;
    }
    if (reg >= LAPIC_ISR && reg < LAPIC_ESR) {
        _Atomic uint32_t *const sets[] = {c->isr, c->tmr, c->irr};

        *ret = sets[(reg - LAPIC_ISR) >> 3][reg & 7];
        return true;
    }
    *ret = reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR ? c->lvt[reg - LAPIC_LVT_TIMER] : 0;
    return reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR;
}

static void write_svr(struct lapic *c, uint32_t val)
{
    c->svr = val & SVR_WRITABLE;
    for (unsigned i = 0; i < LAPIC_LVTS && !(val & SVR_ENABLE); i++)
        c->lvt[i] |= LAPIC_MASKED; /* inv 2 */
}

static unsigned write_lvt(struct lapic *c, unsigned n, uint32_t val, uint64_t now_ns)
{
    val &= lvt_writable[n];
    if (!(c->svr & SVR_ENABLE))
        val |= LAPIC_MASKED; /* inv 2 */
    if (n == 0)
        write_timer_lvt(c, val, now_ns);
    else
        c->lvt[n] = val;
    return n == 0 ? LAPIC_DO_TIMER : LAPIC_DO_LOOK;
}

/* [SDM 11.5.3]: a write latches what has gathered since the last. */
static unsigned write_esr(struct lapic *c)
{
    c->esr = atomic_exchange(&c->errors, 0);
    return LAPIC_DO_NOTHING;
}

static unsigned write_timer(struct lapic *c, unsigned reg, uint32_t val, uint64_t now_ns)
{
    if (reg == LAPIC_DIVIDE) {
        const uint32_t left = timer_count(c, now_ns);

        c->divide = val & 0xb;
        /* The count goes on from where it is at the new rate. */
        c->start_ns = now_ns - (uint64_t)(c->initial - left) * divisor(c);
        if (c->due_ns != LAPIC_NEVER && lapic_timer_mode(c) != LAPIC_TSC_DEADLINE)
            c->due_ns = now_ns + (uint64_t)left * divisor(c);
    } else if (lapic_timer_mode(c) != LAPIC_TSC_DEADLINE) { /* ignored in deadline mode [SDM 11.5.4.1] */
        c->initial = val;
        timer_start(c, now_ns);
    }
    return LAPIC_DO_TIMER;
}

unsigned lapic_write(struct lapic *c, unsigned reg, uint32_t val, uint64_t now_ns, bool *ret_exists)
{
    const bool x2 = lapic_x2(c);

    *ret_exists = true;
    if (reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR)
        return write_lvt(c, reg - LAPIC_LVT_TIMER, val, now_ns);
    switch (reg) {
    case LAPIC_TPR: c->tpr = val & 0xff; return LAPIC_DO_LOOK;
    case LAPIC_EOI: return LAPIC_DO_EOI;
    case LAPIC_SVR: write_svr(c, val); return LAPIC_DO_LOOK;
    case LAPIC_ESR: return write_esr(c);
    case LAPIC_ICR_LOW: c->icr_low = val & ICR_WRITABLE; return LAPIC_DO_IPI;
    case LAPIC_INITIAL:
    case LAPIC_DIVIDE: return write_timer(c, reg, val, now_ns);
    case LAPIC_SELF_IPI:
        *ret_exists = x2;
        c->icr_low = x2 ? (val & 0xff) | 1u << 18 : c->icr_low;
        return x2 ? LAPIC_DO_IPI : LAPIC_DO_NOTHING;
    default: break;
    }
    *ret_exists = !x2 && (reg == LAPIC_ID || reg == LAPIC_LDR || reg == LAPIC_DFR || reg == LAPIC_ICR_HIGH);
    if (!*ret_exists)
        return LAPIC_DO_NOTHING;
    if (reg == LAPIC_LDR)
        c->ldr = val & 0xff000000;
    else if (reg == LAPIC_DFR)
        c->dfr = val | DFR_FIXED;
    else if (reg == LAPIC_ICR_HIGH)
        c->icr_high = val & 0xff000000;
    return LAPIC_DO_NOTHING;
}

bool lapic_valid(struct lapic *c)
{
    const uint64_t fixed = LAPIC_BASE_GPA | LAPIC_BASE_BSP | LAPIC_BASE_X2 | LAPIC_BASE_ENABLE;
    const bool times = c->start_ns < INT64_MAX && (c->due_ns < INT64_MAX || c->due_ns == LAPIC_NEVER);

    return times && (c->base & ~fixed) == 0 && (c->base & LAPIC_BASE_GPA) == LAPIC_BASE_GPA &&
           (c->divide & ~0xbu) == 0 && c->tpr <= 0xff && c->id < 256;
}
