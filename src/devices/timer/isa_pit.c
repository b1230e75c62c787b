/*
 * isa_pit.c - joins the 8254 to ports 40h-43h, IRQ 0 and the system control port B, 61h.
 *
 * Sources: Intel 82371SB (PIIX3) data sheet 4.3 and "NMI Status and Control Register" [PIIX]; 8254 data sheet [DS].
 * Left out: sound; channel 1 (refresh) runs but drives nothing. Parity and IOCHK# never fail.
 * Locks: every callback runs under the device lock. Time: virtual nanoseconds from PDM, turned into ticks here only.
 * Invariant 1: channels 0 and 1 have GATE tied high; channel 2's is port 61h bit 0.
 * Invariant 2: the timer stands at OUT0's next rise; each rise is one edge on IRQ 0. Falls are shown with the next
 * rise: no controller acts on them, and a slow guest keeps its pending request until then.
 */
#include "devices/timer/i8254.h"
#include "vmm/pdm/dev.h"

enum { GATE2 = 0x01, SPEAKER_DATA = 0x02, CONTROL_WRITABLE = 0x0f, REFRESH_TOGGLE = 0x10, OUT2 = 0x20 };
enum { REFRESH_NS = 15085 }; /* half period of the refresh toggle [PIIX, SC port bit 4] */
enum { MIN_TICKS = 24 };     /* 20 us: edges closer than that are merged, a bound on guest-made work */
#define NS_PER_S 1000000000u
/* What the chip's clock says at time 0: a half period it looks back on never lies before its beginning. */
#define TICKS_AT_START 0x10000u

struct isa_pit {
    struct i8254 chip;
    uint8_t control; /* port 61h bits 0-3 */
    pdm_irq irq;
    pdm_timer tick;
};

static uint64_t now_ticks(struct pdm_dev *dev)
{
    return TICKS_AT_START + (uint64_t)((unsigned __int128)pdm_now_ns(dev) * I8254_HZ / NS_PER_S);
}

/* The first nanosecond of @ticks. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
    ticks = ticks > TICKS_AT_START ? ticks - TICKS_AT_START : 0;
    return (uint64_t)(((unsigned __int128)ticks * NS_PER_S + I8254_HZ - 1) / I8254_HZ);
}

static void arm(struct pdm_dev *dev, uint64_t now)
{
    struct isa_pit *s = pdm_state(dev);
    uint64_t next = i8254_next_rise(&s->chip, 0, now);

    if (next != I8254_NEVER && next < now + MIN_TICKS)
        next = now + MIN_TICKS;
    pdm_timer_at(dev, s->tick, next == I8254_NEVER ? PDM_NEVER : ticks_to_ns(next));
}

static void pit_expired(struct pdm_dev *dev)
{
    struct isa_pit *s = pdm_state(dev);

    pdm_irq_set(dev, s->irq, false); /* inv 2 */
    pdm_irq_set(dev, s->irq, true);
    arm(dev, now_ticks(dev));
}

static void pit_drive(struct pdm_dev *dev)
{
    struct isa_pit *s = pdm_state(dev);
    const uint64_t now = now_ticks(dev);

    pdm_irq_set(dev, s->irq, i8254_out(&s->chip, 0, now));
    arm(dev, now);
}

static uint32_t pit_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_pit *s = pdm_state(dev);

    (void)size;
    return i8254_read(&s->chip, off & 3, now_ticks(dev));
}

static void pit_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_pit *s = pdm_state(dev);

    (void)size;
    i8254_write(&s->chip, off & 3, (uint8_t)val, now_ticks(dev));
    pit_drive(dev);
}

static uint32_t control_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_pit *s = pdm_state(dev);
    const bool refresh = pdm_now_ns(dev) / REFRESH_NS & 1;

    (void)off, (void)size;
    return (uint32_t)(s->control | (refresh ? REFRESH_TOGGLE : 0) |
                      (i8254_out(&s->chip, 2, now_ticks(dev)) ? OUT2 : 0));
}

static void control_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_pit *s = pdm_state(dev);

    (void)off, (void)size;
    s->control = val & CONTROL_WRITABLE;
    i8254_gate(&s->chip, 2, s->control & GATE2, now_ticks(dev)); /* inv 1 */
}

static void pit_reset(struct pdm_dev *dev)
{
    struct isa_pit *s = pdm_state(dev);

    s->control = 0;
    s->chip.ch[0].gate = s->chip.ch[1].gate = true; /* inv 1 */
    s->chip.ch[2].gate = false;
    i8254_reset(&s->chip);
}

static bool pit_state_check(void *state)
{
    const struct isa_pit *s = state;

    for (unsigned i = 0; i < 3; i++)
        if (!i8254_valid(&s->chip.ch[i]))
            return false;
    return (s->control & ~CONTROL_WRITABLE) == 0;
}

static const struct ssm_field channel_fields[] = {
    SSM_U8(struct i8254_channel, mode),
    SSM_U8(struct i8254_channel, access),
    SSM_BOOL(struct i8254_channel, bcd),
    SSM_BOOL(struct i8254_channel, gate),
    SSM_BOOL(struct i8254_channel, high_next_write),
    SSM_BOOL(struct i8254_channel, high_next_read),
    SSM_U8(struct i8254_channel, low_byte),
    SSM_BOOL(struct i8254_channel, loaded),
    SSM_BOOL(struct i8254_channel, armed),
    SSM_BOOL(struct i8254_channel, frozen),
    SSM_BOOL(struct i8254_channel, pending),
    SSM_U32(struct i8254_channel, next),
    SSM_U32(struct i8254_channel, count),
    SSM_U64(struct i8254_channel, start),
    SSM_U64(struct i8254_channel, elapsed),
    SSM_U64(struct i8254_channel, reload),
    SSM_U8(struct i8254_channel, latched),
    SSM_U16(struct i8254_channel, latch),
    SSM_BOOL(struct i8254_channel, status_latched),
    SSM_U8(struct i8254_channel, status),
    SSM_END,
};
static const struct ssm_field chip_fields[] = {SSM_STRUCTS(struct i8254, ch, channel_fields), SSM_END};
static const struct ssm_field pit_fields[] = {
    SSM_STRUCT(struct isa_pit, chip, chip_fields),
    SSM_U8(struct isa_pit, control),
    SSM_END,
};
static const struct ssm_desc pit_desc = {.version = 1, .oldest = 1, .fields = pit_fields, .check = pit_state_check};

static bool pit_construct(struct pdm_dev *dev, GError **error)
{
    struct isa_pit *s = pdm_state(dev);
    const struct pdm_io timer = {
        .name = "pit", .base = 0x40, .count = 4, .min_size = 1, .max_size = 1, .read = pit_read, .write = pit_write};
    const struct pdm_io control = {.name = "port61",
                                   .base = 0x61,
                                   .count = 1,
                                   .min_size = 1,
                                   .max_size = 1,
                                   .read = control_read,
                                   .write = control_write};

    return pdm_io_add(dev, &timer, error) && pdm_io_add(dev, &control, error) &&
           pdm_irq_claim(dev, 0, &s->irq, error) && pdm_timer_new(dev, "pit.out0", pit_expired, &s->tick, error);
}

const struct pdm_devreg isa_pit_device = {
    .name = "i8254",
    .desc = "8254 interval timer and system control port B",
    .info_name = "pit",
    .max_instances = 1,
    .state_size = sizeof(struct isa_pit),
    .state = &pit_desc,
    .construct = pit_construct,
    .reset = pit_reset,
    .drive = pit_drive,
};
