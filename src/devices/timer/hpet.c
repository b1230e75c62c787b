/*
 * hpet.c - joins the high precision event timers to FED00000h and the interrupt lines.
 *
 * Source: IA-PC HPET specification 1.0a [HPET] 2.3.4 (legacy replacement), 3.2.4 (base address).
 * In legacy replacement mode the 8254 and the RTC are wired off their lines (inv 3). Locks: every callback runs under
 * the device lock. Time: virtual nanoseconds from PDM. Invariant 1: the timer stands at the chip's next match.
 * Invariant 2: edge-triggered timers rest with their line high between pulses, low before the first and when off.
 * Invariant 3: lines 0 and 8 carry the HPET alone <=> legacy mode.
 */
#include "devices/timer/hpet_chip.h"
#include "vmm/pdm/dev.h"

enum { LINES = 16, MIN_WAIT_NS = 10000 }; /* a bound on guest-made work */
#define HPET_GPA   0xfed00000u
#define HPET_BYTES 0x400u
#define CLAIMABLE  0xfffbu /* all but the cascade */

struct hpet_dev {
    struct hpet chip;
    uint32_t resting; /* lines an edge-triggered timer holds high (inv 2) */
    pdm_irq line[LINES];
    pdm_timer match;
    pdm_region region;
};

struct outputs {
    uint32_t level, edge, pulse; /* by line: driven by a level, belongs to an edge-triggered timer, to be pulsed */
};

static struct outputs gather(struct hpet *c)
{
    struct outputs o = {0};

    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        const int line = hpet_line(c, n);
        const bool fired = hpet_take_edge(c, n);
        const uint32_t bit = line < 0 ? 0 : 1u << line;

        if (hpet_level_triggered(c, n))
            o.level |= hpet_level(c, n) ? bit : 0;
        else
            o.edge |= bit;
        o.pulse |= fired ? bit : 0;
    }
    return o;
}

static void drive_lines(struct pdm_dev *dev)
{
    struct hpet_dev *s = pdm_state(dev);
    const struct outputs o = gather(&s->chip);

    s->resting = (s->resting & o.edge) | o.pulse;          /* inv 2 */
    pdm_irq_alone(dev, s->line[0], hpet_legacy(&s->chip)); /* inv 3 */
    pdm_irq_alone(dev, s->line[8], hpet_legacy(&s->chip));
    for (unsigned line = 0; line < LINES; line++) {
        if (!(CLAIMABLE >> line & 1))
            continue;
        if (o.pulse >> line & 1)
            pdm_irq_set(dev, s->line[line], false);
        pdm_irq_set(dev, s->line[line], (o.level | s->resting) >> line & 1);
    }
}

static void hpet_drive(struct pdm_dev *dev)
{
    struct hpet_dev *s = pdm_state(dev);
    const uint64_t now_ns = pdm_now_ns(dev);
    uint64_t next_ns;

    hpet_run(&s->chip, now_ns);
    drive_lines(dev);
    next_ns = hpet_next_ns(&s->chip, now_ns);
    if (next_ns != HPET_NEVER && next_ns < now_ns + MIN_WAIT_NS)
        next_ns = now_ns + MIN_WAIT_NS;
    pdm_timer_at(dev, s->match, next_ns == HPET_NEVER ? PDM_NEVER : next_ns); /* inv 1 */
}

static uint64_t region_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    struct hpet_dev *s = pdm_state(dev);

    return hpet_read(&s->chip, (unsigned)off, size, pdm_now_ns(dev));
}

static void region_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct hpet_dev *s = pdm_state(dev);

    hpet_write(&s->chip, (unsigned)off, val, size, pdm_now_ns(dev));
    hpet_drive(dev);
}

static void reset(struct pdm_dev *dev)
{
    struct hpet_dev *s = pdm_state(dev);

    hpet_reset(&s->chip);
    s->resting = 0;
}

static bool construct(struct pdm_dev *dev, GError **error)
{
    const struct pdm_mmio mmio = {.name = "hpet",
                                  .base_gpa = HPET_GPA,
                                  .size_bytes = HPET_BYTES,
                                  .min_size = 4,
                                  .max_size = 8,
                                  .read = region_read,
                                  .write = region_write};
    struct hpet_dev *s = pdm_state(dev);

    for (unsigned line = 0; line < LINES; line++)
        if (CLAIMABLE >> line & 1 && !pdm_irq_claim(dev, line, &s->line[line], error))
            return false;
    return pdm_timer_new(dev, "hpet.match", hpet_drive, &s->match, error) &&
           pdm_mmio_add(dev, &mmio, &s->region, error);
}

static bool state_check(void *state)
{
    const struct hpet_dev *s = state;

    return hpet_valid(&s->chip) && (s->resting & ~CLAIMABLE) == 0;
}

static const struct ssm_field timer_fields[] = {
    SSM_U64(struct hpet_timer, config),
    SSM_U64(struct hpet_timer, comparator),
    SSM_U64(struct hpet_timer, period),
    SSM_BOOL(struct hpet_timer, set_next),
    SSM_END,
};
static const struct ssm_field chip_fields[] = {
    SSM_U64(struct hpet, config),  SSM_U64(struct hpet, status),
    SSM_U64(struct hpet, counter), SSM_U64(struct hpet, start_ns),
    SSM_U64(struct hpet, seen),    SSM_STRUCTS(struct hpet, timer, timer_fields),
    SSM_U8(struct hpet, fired),    SSM_END,
};
static const struct ssm_field fields[] = {
    SSM_STRUCT(struct hpet_dev, chip, chip_fields),
    SSM_U32(struct hpet_dev, resting),
    SSM_END,
};
static const struct ssm_desc desc = {.version = 1, .oldest = 1, .fields = fields, .check = state_check};

const struct pdm_devreg hpet_device = {
    .name = "hpet",
    .desc = "high precision event timers",
    .max_instances = 1,
    .state_size = sizeof(struct hpet_dev),
    .state = &desc,
    .construct = construct,
    .reset = reset,
    .drive = hpet_drive,
};
