/*
 * apic.c - the local APICs of all processors as one device: messages between them, their registers by memory and MSR,
 * their timers.
 *
 * Source: Intel SDM volume 3A, chapter 11 [SDM]: 11.4.1 (register page), 11.6 (interprocessor interrupts), 11.12
 * (x2APIC). Left out: SMI messages (no SMM here) and ExtINT messages (the 8259's INTR reaches the processors directly,
 * see accepts_pic). Threads and locks: a processor's registers and timer are under its own lock, because MSR accesses
 * come without the device's; it is a leaf but for arming the timer. Delivery, pending and acknowledge take no lock:
 * IRR, ISR, TMR and what decides destinations are atomics. Invariant 1: a vector that enters an IRR is followed by a
 * post to that processor. Invariant 2: each timer stands at its processor's due_ns.
 */
#include "devices/intc/lapic.h"
#include "vmm/pdm/dev.h"

enum { MAX_CPUS = 32, MSR_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2_FIRST = 0x800, MSR_X2_LAST = 0x8ff };
enum { ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15, ICR_SHORTHAND_SHIFT = 18 };
enum { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };
#define REGION_BYTES  0x1000u
#define NS_PER_S      1000000000u
#define BASE_RESERVED (~UINT64_C(0xffffffd00)) /* 36 address bits and the four flags */

struct apic_cpu {
    struct lapic chip;
    GMutex lock;
    pdm_timer timer;
};
struct apic {
    struct apic_cpu cpu[MAX_CPUS];
    unsigned cpus;
    _Atomic unsigned turn; /* where the search for a lowest-priority processor begins */
    uint64_t ipis;
    pdm_region region;
};
struct message {
    uint32_t dest;
    bool logical, level;
    uint8_t mode, vector;
};

static void look(struct pdm_dev *dev, unsigned cpu)
{
    pdm_cpu_post(dev, cpu, PDM_CPU_INTR, 0);
}

/* ---- delivery: no locks ---- */

static void raise_error(struct pdm_dev *dev, unsigned cpu)
{
    struct lapic *c = &((struct apic *)pdm_state(dev))->cpu[cpu].chip;
    const uint32_t lvt = c->lvt[LAPIC_LVT_ERROR - LAPIC_LVT_TIMER];

    if (!(lvt & LAPIC_MASKED) && lapic_accept(c, (uint8_t)lvt, false))
        look(dev, cpu);
}

static void deliver_fixed(struct pdm_dev *dev, unsigned cpu, uint8_t vector, bool level)
{
    struct lapic *c = &((struct apic *)pdm_state(dev))->cpu[cpu].chip;

    if (lapic_accept(c, vector, level))
        look(dev, cpu); /* inv 1 */
    else if (vector < 16)
        raise_error(dev, cpu);
}

static void deliver_to(struct pdm_dev *dev, unsigned cpu, const struct message *m)
{
    switch (m->mode) {
    case PDM_DELIVER_FIXED:
    case PDM_DELIVER_LOWEST: deliver_fixed(dev, cpu, m->vector, m->level); break;
    case PDM_DELIVER_NMI: pdm_cpu_post(dev, cpu, PDM_CPU_NMI, 0); break;
    case PDM_DELIVER_INIT: pdm_cpu_post(dev, cpu, PDM_CPU_INIT, 0); break;
    case PDM_DELIVER_SIPI: pdm_cpu_post(dev, cpu, PDM_CPU_SIPI, m->vector); break;
    default: break;
    }
}

/* [SDM 11.6.2.4]: of those addressed, the one whose processor priority is lowest; equals take turns. */
static void deliver_lowest(struct pdm_dev *dev, const struct message *m)
{
    struct apic *s = pdm_state(dev);
    const unsigned first = atomic_fetch_add(&s->turn, 1) % s->cpus;
    int best = -1, best_priority = 256;

    for (unsigned i = 0; i < s->cpus; i++) {
        const unsigned cpu = (first + i) % s->cpus;
        struct lapic *c = &s->cpu[cpu].chip;

        if (lapic_enabled(c) && lapic_matches(c, m->dest, m->logical) && lapic_priority(c) < best_priority) {
            best = (int)cpu;
            best_priority = lapic_priority(c);
        }
    }
    if (best >= 0)
        deliver_to(dev, (unsigned)best, m);
}

static void route(struct pdm_dev *dev, const struct message *m)
{
    struct apic *s = pdm_state(dev);

    if (m->mode == PDM_DELIVER_LOWEST) {
        deliver_lowest(dev, m);
        return;
    }
    for (unsigned cpu = 0; cpu < s->cpus; cpu++)
        if (lapic_matches(&s->cpu[cpu].chip, m->dest, m->logical))
            deliver_to(dev, cpu, m);
}

static void apic_deliver(struct pdm_dev *dev, uint8_t dest, bool logical, enum pdm_delivery mode, uint8_t vector,
                         bool level)
{
    const struct message m = {
        .dest = dest, .logical = logical, .level = level, .mode = (uint8_t)mode, .vector = vector};

    route(dev, &m);
}

/* The processor @from wrote @icr with @dest. [SDM 11.6.1] */
static void send_ipi(struct pdm_dev *dev, unsigned from, uint32_t icr, uint32_t dest)
{
    struct apic *s = pdm_state(dev);
    const struct message m = {
        .dest = dest, .logical = icr & ICR_LOGICAL, .mode = (uint8_t)(icr >> 8 & 7), .vector = (uint8_t)icr};
    const unsigned to = icr >> ICR_SHORTHAND_SHIFT & 3;

    s->ipis++;
    if (m.mode == PDM_DELIVER_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
        return; /* INIT level de-assert: nothing since the Pentium 4 */
    if (m.mode <= PDM_DELIVER_LOWEST && m.vector < 16) {
        atomic_fetch_or(&s->cpu[from].chip.errors, LAPIC_ERROR_SEND_VECTOR);
        raise_error(dev, from);
        return;
    }
    if (to == TO_DEST) {
        route(dev, &m);
        return;
    }
    for (unsigned cpu = 0; cpu < s->cpus; cpu++)
        if (to == TO_ALL || (cpu == from) == (to == TO_SELF))
            deliver_to(dev, cpu, &m);
}

/* ---- timers ---- */

static uint64_t ticks_to_ns(uint64_t ticks, uint64_t hz)
{
    const unsigned __int128 ns = ((unsigned __int128)ticks * NS_PER_S + hz - 1) / hz;

    return ns > INT64_MAX / 2 ? INT64_MAX / 2 : (uint64_t)ns;
}

/* When the time stamp counter reaches the deadline; 0 stops. The processor's lock is held. [SDM 11.5.4.1] */
static void plan_deadline(struct pdm_dev *dev, unsigned cpu, uint64_t now_ns)
{
    struct lapic *c = &((struct apic *)pdm_state(dev))->cpu[cpu].chip;
    const uint64_t tsc = pdm_cpu_tsc(dev, cpu);

    if (!c->tsc_deadline)
        c->due_ns = LAPIC_NEVER;
    else if (c->tsc_deadline <= tsc)
        c->due_ns = now_ns;
    else
        c->due_ns = now_ns + ticks_to_ns(c->tsc_deadline - tsc, pdm_tsc_hz(dev));
}

static void arm(struct pdm_dev *dev, unsigned cpu)
{
    struct apic *s = pdm_state(dev);
    const uint64_t due_ns = s->cpu[cpu].chip.due_ns;

    pdm_timer_at(dev, s->cpu[cpu].timer, due_ns == LAPIC_NEVER ? PDM_NEVER : due_ns); /* inv 2 */
}

/* Return: the vector to deliver, or -1. The processor's lock is held. */
static int timer_due(struct pdm_dev *dev, unsigned cpu, uint64_t now_ns)
{
    struct lapic *c = &((struct apic *)pdm_state(dev))->cpu[cpu].chip;

    if (c->due_ns > now_ns)
        return -1;
    if (lapic_timer_mode(c) == LAPIC_TSC_DEADLINE && c->tsc_deadline > pdm_cpu_tsc(dev, cpu)) {
        plan_deadline(dev, cpu, now_ns); /* the counter lags behind the clock */
        return -1;
    }
    return lapic_timer_fire(c, now_ns);
}

/* One callback for all timers: looks whose time has come. */
static void apic_expired(struct pdm_dev *dev)
{
    struct apic *s = pdm_state(dev);
    const uint64_t now_ns = pdm_now_ns(dev);

    for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
        int vector = -1;

        g_mutex_lock(&s->cpu[cpu].lock);
        if (s->cpu[cpu].chip.due_ns <= now_ns) {
            vector = timer_due(dev, cpu, now_ns);
            arm(dev, cpu);
        }
        g_mutex_unlock(&s->cpu[cpu].lock);
        if (vector >= 0)
            deliver_fixed(dev, cpu, (uint8_t)vector, false);
    }
}

/* ---- registers ---- */

static void do_eoi(struct pdm_dev *dev, unsigned cpu)
{
    struct lapic *c = &((struct apic *)pdm_state(dev))->cpu[cpu].chip;
    const int vector = lapic_eoi(c);

    if (vector >= 0)
        pdm_apic_eoi_broadcast(dev, (uint8_t)vector);
    if (lapic_pending(c) >= 0)
        look(dev, cpu);
}

static bool read_reg(struct pdm_dev *dev, unsigned cpu, unsigned reg, uint32_t *ret)
{
    struct apic_cpu *p = &((struct apic *)pdm_state(dev))->cpu[cpu];
    bool exists;

    g_mutex_lock(&p->lock);
    exists = lapic_read(&p->chip, reg, pdm_now_ns(dev), ret);
    g_mutex_unlock(&p->lock);
    return exists;
}

static bool write_reg(struct pdm_dev *dev, unsigned cpu, unsigned reg, uint32_t val)
{
    struct apic_cpu *p = &((struct apic *)pdm_state(dev))->cpu[cpu];
    uint32_t icr, dest;
    unsigned todo;
    bool exists;

    g_mutex_lock(&p->lock);
    todo = lapic_write(&p->chip, reg, val, pdm_now_ns(dev), &exists);
    icr = p->chip.icr_low;
    dest = lapic_x2(&p->chip) ? p->chip.icr_high : p->chip.icr_high >> 24;
    if (todo & LAPIC_DO_TIMER)
        arm(dev, cpu);
    g_mutex_unlock(&p->lock);
    if (todo & LAPIC_DO_EOI)
        do_eoi(dev, cpu);
    if (todo & LAPIC_DO_IPI)
        send_ipi(dev, cpu, icr, dest);
    if (todo & LAPIC_DO_LOOK)
        look(dev, cpu);
    return exists;
}

static void register_error(struct pdm_dev *dev, unsigned cpu)
{
    struct apic *s = pdm_state(dev);

    atomic_fetch_or(&s->cpu[cpu].chip.errors, LAPIC_ERROR_REGISTER);
    raise_error(dev, cpu);
}

/* The processor whose page is accessed, or NULL when nobody answers: not a processor, or its page is off. */
static struct lapic *page_of(struct pdm_dev *dev, unsigned *ret_cpu)
{
    struct apic *s = pdm_state(dev);
    const int cpu = pdm_cpu_current(dev);

    if (cpu < 0 || (unsigned)cpu >= s->cpus)
        return NULL;
    *ret_cpu = (unsigned)cpu;
    if (!(s->cpu[cpu].chip.base & LAPIC_BASE_ENABLE) || lapic_x2(&s->cpu[cpu].chip))
        return NULL;
    return &s->cpu[cpu].chip;
}

static uint64_t page_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    unsigned cpu;
    uint32_t val = 0;

    (void)size;
    if (!page_of(dev, &cpu))
        return UINT64_MAX;
    if (off & 15)
        return 0; /* [SDM 11.4.1]: registers are at multiples of 16; else undefined */
    if (!read_reg(dev, cpu, (unsigned)off >> 4, &val))
        register_error(dev, cpu);
    return val;
}

static void page_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    unsigned cpu;

    (void)size;
    if (!page_of(dev, &cpu) || off & 15)
        return;
    if (!write_reg(dev, cpu, (unsigned)off >> 4, (uint32_t)val))
        register_error(dev, cpu);
}

/* ---- MSRs ---- */

static bool base_write(struct pdm_dev *dev, unsigned cpu, uint64_t val)
{
    struct apic_cpu *p = &((struct apic *)pdm_state(dev))->cpu[cpu];
    const uint64_t before = p->chip.base;
    const bool was_x2 = lapic_x2(&p->chip);
    const bool on = val & LAPIC_BASE_ENABLE, x2 = val & LAPIC_BASE_X2;

    /* [SDM figure 11-27]: x2APIC needs the APIC on, and is left only through off. */
    if (val & BASE_RESERVED || (x2 && !on) || (was_x2 && on && !x2) || (x2 && !(before & LAPIC_BASE_ENABLE)))
        return false;
    if ((val & ~UINT64_C(0xfff)) != LAPIC_BASE_GPA)
        pdm_guest_error(dev, "the local APIC page cannot be moved");
    g_mutex_lock(&p->lock);
    if (!on && before & LAPIC_BASE_ENABLE) {
        lapic_reset(&p->chip, p->chip.id, cpu == 0, true);
        arm(dev, cpu);
    }
    p->chip.base = LAPIC_BASE_GPA | (before & LAPIC_BASE_BSP) | (val & (LAPIC_BASE_ENABLE | LAPIC_BASE_X2));
    g_mutex_unlock(&p->lock);
    look(dev, cpu);
    return true;
}

static bool deadline_write(struct pdm_dev *dev, unsigned cpu, uint64_t val)
{
    struct apic_cpu *p = &((struct apic *)pdm_state(dev))->cpu[cpu];

    g_mutex_lock(&p->lock);
    if (lapic_timer_mode(&p->chip) == LAPIC_TSC_DEADLINE) { /* else ignored [SDM 11.5.4.1] */
        p->chip.tsc_deadline = val;
        plan_deadline(dev, cpu, pdm_now_ns(dev));
        arm(dev, cpu);
    }
    g_mutex_unlock(&p->lock);
    return true;
}

static bool apic_msr_read(struct pdm_dev *dev, unsigned cpu, uint32_t msr, uint64_t *ret)
{
    struct apic *s = pdm_state(dev);
    struct lapic *c = &s->cpu[cpu].chip;
    uint32_t low;

    if (cpu >= s->cpus)
        return false;
    if (msr == MSR_BASE || msr == MSR_TSC_DEADLINE) {
        *ret = msr == MSR_BASE ? c->base : c->tsc_deadline;
        return true;
    }
    if (msr < MSR_X2_FIRST || msr > MSR_X2_LAST || !lapic_x2(c) || !read_reg(dev, cpu, msr - MSR_X2_FIRST, &low))
        return false;
    *ret = low;
    if (msr - MSR_X2_FIRST == LAPIC_ICR_LOW)
        *ret |= (uint64_t)c->icr_high << 32;
    return true;
}

static bool apic_msr_write(struct pdm_dev *dev, unsigned cpu, uint32_t msr, uint64_t val)
{
    struct apic *s = pdm_state(dev);
    struct lapic *c = &s->cpu[cpu].chip;
    const unsigned reg = msr - MSR_X2_FIRST;

    if (cpu >= s->cpus)
        return false;
    if (msr == MSR_BASE)
        return base_write(dev, cpu, val);
    if (msr == MSR_TSC_DEADLINE)
        return deadline_write(dev, cpu, val);
    if (msr < MSR_X2_FIRST || msr > MSR_X2_LAST || !lapic_x2(c))
        return false;
    /* [SDM 11.12.1.3]: reserved bits are checked; EOI and ESR take only 0 */
    if ((reg != LAPIC_ICR_LOW && val >> 32) || ((reg == LAPIC_EOI || reg == LAPIC_ESR) && val))
        return false;
    if (reg == LAPIC_ICR_LOW)
        c->icr_high = (uint32_t)(val >> 32);
    return write_reg(dev, cpu, reg, (uint32_t)val);
}

/* ---- what the processor asks ---- */

static struct lapic *chip_of(struct pdm_dev *dev, unsigned cpu)
{
    return &((struct apic *)pdm_state(dev))->cpu[cpu % MAX_CPUS].chip;
}

static int apic_pending(struct pdm_dev *dev, unsigned cpu)
{
    return lapic_pending(chip_of(dev, cpu));
}

static int apic_acknowledge(struct pdm_dev *dev, unsigned cpu)
{
    return lapic_acknowledge(chip_of(dev, cpu));
}

static bool apic_accepts_pic(struct pdm_dev *dev, unsigned cpu)
{
    struct lapic *c = chip_of(dev, cpu);
    const uint32_t lint0 = c->lvt[LAPIC_LVT_LINT0 - LAPIC_LVT_TIMER];

    if (!(c->base & LAPIC_BASE_ENABLE))
        return cpu == 0; /* LINT0 is INTR then [SDM 11.4.3] */
    return !(lint0 & LAPIC_MASKED) && (lint0 >> 8 & 7) == LAPIC_EXTINT;
}

static uint8_t apic_tpr_get(struct pdm_dev *dev, unsigned cpu)
{
    return (uint8_t)chip_of(dev, cpu)->tpr;
}

static void apic_tpr_set(struct pdm_dev *dev, unsigned cpu, uint8_t tpr)
{
    struct lapic *c = chip_of(dev, cpu);

    c->tpr = tpr;
    if (lapic_pending(c) >= 0)
        look(dev, cpu);
}

static void apic_cpu_reset(struct pdm_dev *dev, unsigned cpu, bool init_only)
{
    struct apic *s = pdm_state(dev);

    if (cpu >= s->cpus)
        return;
    g_mutex_lock(&s->cpu[cpu].lock);
    lapic_reset(&s->cpu[cpu].chip, cpu, cpu == 0, init_only);
    arm(dev, cpu);
    g_mutex_unlock(&s->cpu[cpu].lock);
}

/* ---- the device ---- */

static void apic_reset(struct pdm_dev *dev)
{
    struct apic *s = pdm_state(dev);

    for (unsigned cpu = 0; cpu < s->cpus; cpu++)
        lapic_reset(&s->cpu[cpu].chip, cpu, cpu == 0, false);
}

static void apic_drive(struct pdm_dev *dev)
{
    struct apic *s = pdm_state(dev);

    for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
        arm(dev, cpu);
        look(dev, cpu);
    }
}

static bool apic_construct(struct pdm_dev *dev, GError **error)
{
    static const struct pdm_apic_ops ops = {
        .deliver = apic_deliver,
        .pending = apic_pending,
        .acknowledge = apic_acknowledge,
        .accepts_pic = apic_accepts_pic,
        .tpr_get = apic_tpr_get,
        .tpr_set = apic_tpr_set,
        .msr_read = apic_msr_read,
        .msr_write = apic_msr_write,
        .cpu_reset = apic_cpu_reset,
    };
    const struct pdm_mmio page = {.name = "lapic",
                                  .base_gpa = LAPIC_BASE_GPA,
                                  .size_bytes = REGION_BYTES,
                                  .min_size = 4,
                                  .max_size = 4,
                                  .read = page_read,
                                  .write = page_write};
    struct apic *s = pdm_state(dev);

    s->cpus = pdm_cpu_count(dev);
    if (s->cpus < 1 || s->cpus > MAX_CPUS) {
        g_set_error(error, PDM_ERROR, 0, "apic: %u processors; there can be 1 to %d", s->cpus, MAX_CPUS);
        return false;
    }
    for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
        g_mutex_init(&s->cpu[cpu].lock);
        if (!pdm_timer_new(dev, "apic.timer", apic_expired, &s->cpu[cpu].timer, error))
            return false;
    }
    apic_reset(dev);
    pdm_stat(dev, &s->ipis, "Ipis", "times");
    pdm_apic_register(dev, &ops);
    return pdm_mmio_add(dev, &page, &s->region, error);
}

static bool apic_state_check(void *state)
{
    struct apic *s = state;

    for (unsigned cpu = 0; cpu < s->cpus; cpu++)
        if (!lapic_valid(&s->cpu[cpu].chip) || s->cpu[cpu].chip.id != cpu)
            return false;
    return true;
}

static const struct ssm_field chip_fields[] = {
    SSM_U32(struct lapic, id),       SSM_U64(struct lapic, base),
    SSM_UINTS(struct lapic, irr),    SSM_UINTS(struct lapic, tmr),
    SSM_UINTS(struct lapic, isr),    SSM_U32(struct lapic, tpr),
    SSM_U32(struct lapic, ldr),      SSM_U32(struct lapic, dfr),
    SSM_U32(struct lapic, svr),      SSM_UINTS(struct lapic, lvt),
    SSM_U32(struct lapic, errors),   SSM_U32(struct lapic, esr),
    SSM_U32(struct lapic, icr_low),  SSM_U32(struct lapic, icr_high),
    SSM_U32(struct lapic, initial),  SSM_U32(struct lapic, divide),
    SSM_U64(struct lapic, start_ns), SSM_U64(struct lapic, tsc_deadline),
    SSM_U64(struct lapic, due_ns),   SSM_END,
};
static const struct ssm_field cpu_fields[] = {SSM_STRUCT(struct apic_cpu, chip, chip_fields), SSM_END};
static const struct ssm_field fields[] = {SSM_STRUCTS(struct apic, cpu, cpu_fields), SSM_END};
static const struct ssm_desc desc = {.version = 1, .oldest = 1, .fields = fields, .check = apic_state_check};

const struct pdm_devreg apic_device = {
    .name = "apic",
    .desc = "local APICs",
    .max_instances = 1,
    .state_size = sizeof(struct apic),
    .state = &desc,
    .construct = apic_construct,
    .reset = apic_reset,
    .drive = apic_drive,
};
