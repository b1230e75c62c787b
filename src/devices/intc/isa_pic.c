/*
 * isa_pic.c - joins the two 8259A of a PC to ports 20h, A0h and 4D0h, to the ISA interrupt lines and to the CPU.
 *
 * Sources: Intel 82371SB (PIIX3) data sheet 4.5 (ports, cascade on IRQ2, ELCR) [PIIX]; 8259A data sheet [DS].
 * Locks: every callback runs under the device lock.
 * Invariant 1: the master's IR2 is the slave's INT; INTR to the CPU is the master's INT.
 * Invariant 2: the system timer, keyboard, cascade, clock and coprocessor lines are never level triggered. [PIIX, ELCR]
 */
#include "devices/intc/i8259.h"
#include "vmm/pdm/dev.h"

enum { MASTER, SLAVE, CHIPS };
enum { CASCADE_INPUT = 2 };

struct isa_pic {
    struct i8259 chip[CHIPS];
    uint64_t spurious; /* statistics */
};

static const uint8_t elcr_writable[CHIPS] = {0xf8, 0xde}; /* inv 2 */

static void pic_drive(struct pdm_dev *dev)
{
    struct isa_pic *s = pdm_state(dev);

    i8259_input(&s->chip[MASTER], CASCADE_INPUT, i8259_output(&s->chip[SLAVE]));
    pdm_pic_intr(dev, i8259_output(&s->chip[MASTER])); /* inv 1 */
}

static void pic_set_irq(struct pdm_dev *dev, unsigned irq, bool level)
{
    struct isa_pic *s = pdm_state(dev);

    if (irq > 15 || irq == CASCADE_INPUT)
        return;
    i8259_input(&s->chip[irq >> 3], irq & 7, level);
    pic_drive(dev);
}

static int pic_acknowledge(struct pdm_dev *dev)
{
    struct isa_pic *s = pdm_state(dev);
    struct i8259 *c = &s->chip[MASTER];
    bool spurious;
    unsigned input = i8259_acknowledge(c, &spurious);

    if (!spurious && input == CASCADE_INPUT) {
        c = &s->chip[SLAVE];
        input = i8259_acknowledge(c, &spurious);
    }
    s->spurious += spurious;
    pic_drive(dev);
    return c->base + (int)input;
}

static uint32_t pic_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_pic *s = pdm_state(dev);
    const uint8_t val = i8259_read(&s->chip[off >> 1 & 1], off & 1);

    (void)size;
    pic_drive(dev); /* a poll read acknowledges */
    return val;
}

static void pic_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_pic *s = pdm_state(dev);

    (void)size;
    i8259_write(&s->chip[off >> 1 & 1], off & 1, (uint8_t)val);
    pic_drive(dev);
}

static uint32_t elcr_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct isa_pic *s = pdm_state(dev);

    (void)size;
    return s->chip[off & 1].level;
}

static void elcr_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct isa_pic *s = pdm_state(dev);

    (void)size;
    s->chip[off & 1].level = (uint8_t)val & elcr_writable[off & 1];
    pic_drive(dev);
}

static void pic_reset(struct pdm_dev *dev)
{
    struct isa_pic *s = pdm_state(dev);

    for (unsigned i = 0; i < CHIPS; i++)
        i8259_reset(&s->chip[i]);
}

/* After load: what no sequence of writes can make. */
static bool pic_state_check(void *state)
{
    const struct isa_pic *s = state;

    for (unsigned i = 0; i < CHIPS; i++) {
        const struct i8259 *c = &s->chip[i];

        if (c->lowest > 7 || c->icw_next > 4 || c->icw_next == 1 || (c->base & 7) || (c->latch & ~c->lines))
            return false;
        if (c->level & ~elcr_writable[i])
            return false;
    }
    return true;
}

static const struct ssm_field chip_fields[] = {
    SSM_U8(struct i8259, lines),
    SSM_U8(struct i8259, latch),
    SSM_U8(struct i8259, level),
    SSM_U8(struct i8259, isr),
    SSM_U8(struct i8259, imr),
    SSM_U8(struct i8259, base),
    SSM_U8(struct i8259, icw3),
    SSM_U8(struct i8259, lowest),
    SSM_U8(struct i8259, icw_next),
    SSM_BOOL(struct i8259, single),
    SSM_BOOL(struct i8259, wants_icw4),
    SSM_BOOL(struct i8259, initialized),
    SSM_BOOL(struct i8259, auto_eoi),
    SSM_BOOL(struct i8259, rotate_aeoi),
    SSM_BOOL(struct i8259, special_mask),
    SSM_BOOL(struct i8259, fully_nested),
    SSM_BOOL(struct i8259, poll),
    SSM_BOOL(struct i8259, read_isr),
    SSM_END,
};
static const struct ssm_field pic_fields[] = {SSM_STRUCTS(struct isa_pic, chip, chip_fields), SSM_END};
static const struct ssm_desc pic_desc = {.version = 1, .oldest = 1, .fields = pic_fields, .check = pic_state_check};

static const struct pdm_pic_ops pic_ops = {.set_irq = pic_set_irq, .acknowledge = pic_acknowledge};

static bool pic_construct(struct pdm_dev *dev, GError **error)
{
    struct isa_pic *s = pdm_state(dev);
    const struct pdm_io ports[] = {
        {.name = "pic-master", .base = 0x20, .count = 2, .off_base = 0, .read = pic_read, .write = pic_write},
        {.name = "pic-slave", .base = 0xa0, .count = 2, .off_base = 2, .read = pic_read, .write = pic_write},
        {.name = "pic-elcr", .base = 0x4d0, .count = 2, .read = elcr_read, .write = elcr_write},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        struct pdm_io io = ports[i];

        io.min_size = io.max_size = 1;
        if (!pdm_io_add(dev, &io, error))
            return false;
    }
    s->chip[MASTER].master = true;
    pdm_pic_register(dev, &pic_ops);
    pdm_stat(dev, &s->spurious, "Spurious", "times");
    return true;
}

const struct pdm_devreg isa_pic_device = {
    .name = "i8259",
    .desc = "8259A interrupt controller pair",
    .info_name = "pic",
    .max_instances = 1,
    .state_size = sizeof(struct isa_pic),
    .state = &pic_desc,
    .construct = pic_construct,
    .reset = pic_reset,
    .drive = pic_drive,
};
