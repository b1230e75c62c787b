/*
 * pckbd.c - joins the keyboard controller, a keyboard and a mouse to ports 60h and 64h, IRQ 1 and IRQ 12.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference [PS2]; see the cores.
 * A device's byte takes LINE_BYTE_NS on its serial line. So port 60h keeps its value for a while after it was read,
 * which programs rely on that chain keyboard interrupt handlers, each of them reading it.
 * Left out: the devices' unasked self-test results after power-on (AAh; AAh 00h): every firmware resets them itself.
 * Locks: every callback runs under the device lock.
 * Invariant 1: IRQ 1 and IRQ 12 follow i8042_irq(); a read of port 60h lowers them before the next byte raises them,
 * so each byte is an edge.
 */
#include "devices/input/i8042.h"
#include "devices/input/ps2_keyboard.h"
#include "devices/input/ps2_mouse.h"
#include "vmm/pdm/dev.h"

#define LINE_BYTE_NS 660000u /* 11 bits at 16.7 kHz, the fastest clock [PS2, keyboard interface timings] */

struct pckbd {
    struct i8042 ctl;
    struct ps2_keyboard kbd;
    struct ps2_mouse mouse;
    uint64_t line_free_ns; /* no device byte arrives before */
    pdm_irq irq[2];
    pdm_timer arrival;
    uint64_t dropped;
};

/* A byte of the device on @port, when the controller takes one */
static bool fetch(struct pckbd *s, unsigned port)
{
    uint8_t val;

    if (!i8042_accepts(&s->ctl, port))
        return false;
    if (!(port == I8042_AUX ? ps2_mouse_next(&s->mouse, &val) : ps2_next(&s->kbd.out, &val)))
        return false;
    i8042_from_device(&s->ctl, port, val);
    return true;
}

static bool waiting(const struct pckbd *s)
{
    return (i8042_accepts(&s->ctl, I8042_KBD) && ps2_pending(&s->kbd.out)) ||
           (i8042_accepts(&s->ctl, I8042_AUX) && ps2_mouse_pending(&s->mouse));
}

/* Takes what has arrived, drives the lines, arms the timer: the only place that talks to the outside (inv 1). */
static void pckbd_sync(struct pdm_dev *dev)
{
    struct pckbd *s = pdm_state(dev);
    const uint64_t now_ns = pdm_now_ns(dev);

    if (now_ns >= s->line_free_ns)
        while (fetch(s, I8042_KBD) || fetch(s, I8042_AUX)) /* more than once only past a translated F0 */
            ;
    pdm_irq_set(dev, s->irq[I8042_KBD], i8042_irq(&s->ctl, I8042_KBD));
    pdm_irq_set(dev, s->irq[I8042_AUX], i8042_irq(&s->ctl, I8042_AUX));
    pdm_timer_at(dev, s->arrival, waiting(s) ? s->line_free_ns : PDM_NEVER);
    pdm_keyboard_leds(dev, s->kbd.leds);
}

static void line_busy(struct pdm_dev *dev, struct pckbd *s)
{
    s->line_free_ns = pdm_now_ns(dev) + LINE_BYTE_NS;
}

static uint32_t pckbd_read_data(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct pckbd *s = pdm_state(dev);
    const bool full = s->ctl.obf;
    const uint8_t val = i8042_data(&s->ctl);

    (void)off;
    (void)size;
    if (full)
        line_busy(dev, s);
    pckbd_sync(dev);
    return val;
}

static uint32_t pckbd_read_status(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct pckbd *s = pdm_state(dev);

    (void)off;
    (void)size;
    return i8042_status(&s->ctl);
}

static void carry_out(struct pdm_dev *dev, struct i8042_effect e)
{
    struct pckbd *s = pdm_state(dev);

    switch (e.kind) {
    case I8042_NOTHING: break;
    case I8042_TO_KBD:
        ps2_keyboard_write(&s->kbd, e.val);
        line_busy(dev, s);
        break;
    case I8042_TO_AUX:
        ps2_mouse_write(&s->mouse, e.val);
        line_busy(dev, s);
        break;
    case I8042_A20: pdm_a20_set(dev, e.val); break;
    case I8042_RESET: pdm_power_request(dev, PDM_POWER_RESET, "keyboard controller reset line"); break;
    case I8042_BAD: pdm_guest_error(dev, "unknown controller command %02x", e.val); break;
    }
    pckbd_sync(dev);
}

static void pckbd_write_data(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct pckbd *s = pdm_state(dev);

    (void)off;
    (void)size;
    carry_out(dev, i8042_write_data(&s->ctl, (uint8_t)val));
}

static void pckbd_write_cmd(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct pckbd *s = pdm_state(dev);

    (void)off;
    (void)size;
    carry_out(dev, i8042_write_cmd(&s->ctl, (uint8_t)val, pdm_a20(dev)));
}

static bool pckbd_put(struct pdm_dev *dev, const uint8_t *codes, size_t count)
{
    struct pckbd *s = pdm_state(dev);
    const bool taken = ps2_keyboard_put(&s->kbd, codes, count);

    if (!taken)
        s->dropped += count;
    pckbd_sync(dev);
    return taken;
}

static void pckbd_move(struct pdm_dev *dev, int dx, int dy, int dz, unsigned buttons)
{
    struct pckbd *s = pdm_state(dev);

    ps2_mouse_move(&s->mouse, dx, dy, dz, buttons);
    pckbd_sync(dev);
}

static void pckbd_reset(struct pdm_dev *dev)
{
    struct pckbd *s = pdm_state(dev);

    i8042_reset(&s->ctl);
    ps2_keyboard_reset(&s->kbd);
    ps2_mouse_reset(&s->mouse);
    s->line_free_ns = 0;
}

static void pckbd_drive(struct pdm_dev *dev)
{
    struct pckbd *s = pdm_state(dev);
    const uint64_t latest_ns = pdm_now_ns(dev) + LINE_BYTE_NS;

    if (s->line_free_ns > latest_ns) /* only a forged saved state says so */
        s->line_free_ns = latest_ns;
    pckbd_sync(dev);
}

static bool pckbd_check(void *state)
{
    const struct pckbd *s = state;

    return i8042_check(&s->ctl) && ps2_keyboard_check(&s->kbd) && ps2_mouse_check(&s->mouse);
}

static bool pckbd_construct(struct pdm_dev *dev, GError **error)
{
    struct pckbd *s = pdm_state(dev);
    const struct pdm_io data = {.name = "kbd-data",
                                .base = 0x60,
                                .count = 1,
                                .min_size = 1,
                                .max_size = 1,
                                .read = pckbd_read_data,
                                .write = pckbd_write_data};
    const struct pdm_io cmd = {.name = "kbd-command",
                               .base = 0x64,
                               .count = 1,
                               .min_size = 1,
                               .max_size = 1,
                               .read = pckbd_read_status,
                               .write = pckbd_write_cmd};

    pdm_stat(dev, &s->dropped, "Dropped", "count");
    return pdm_io_add(dev, &data, error) && pdm_io_add(dev, &cmd, error) &&
           pdm_irq_claim(dev, 1, &s->irq[I8042_KBD], error) && pdm_irq_claim(dev, 12, &s->irq[I8042_AUX], error) &&
           pdm_timer_new(dev, "pckbd.arrival", pckbd_sync, &s->arrival, error);
}

static const struct ssm_field out_fields[] = {
    SSM_U8S(struct ps2_out, queue),      SSM_U8(struct ps2_out, head),
    SSM_U8(struct ps2_out, count),       SSM_U8S(struct ps2_out, answer),
    SSM_U8(struct ps2_out, answer_head), SSM_U8(struct ps2_out, answer_count),
    SSM_U8(struct ps2_out, last),        SSM_END,
};
static const struct ssm_field pckbd_fields[] = {
    SSM_U8S(struct pckbd, ctl.ram),          SSM_U8(struct pckbd, ctl.outbuf),
    SSM_BOOL(struct pckbd, ctl.obf),         SSM_BOOL(struct pckbd, ctl.from_aux),
    SSM_BOOL(struct pckbd, ctl.cmd_last),    SSM_U8(struct pckbd, ctl.pending),
    SSM_BOOL(struct pckbd, ctl.xlat_break),  SSM_STRUCT(struct pckbd, kbd.out, out_fields),
    SSM_U8(struct pckbd, kbd.set),           SSM_U8(struct pckbd, kbd.leds),
    SSM_U8(struct pckbd, kbd.rate),          SSM_BOOL(struct pckbd, kbd.scanning),
    SSM_U8(struct pckbd, kbd.pending),       SSM_U8(struct pckbd, kbd.prefix),
    SSM_U8S(struct pckbd, kbd.no_break),     SSM_STRUCT(struct pckbd, mouse.out, out_fields),
    SSM_U8(struct pckbd, mouse.id),          SSM_U8(struct pckbd, mouse.rate),
    SSM_U8(struct pckbd, mouse.resolution),  SSM_BOOL(struct pckbd, mouse.scaling),
    SSM_BOOL(struct pckbd, mouse.reporting), SSM_BOOL(struct pckbd, mouse.remote),
    SSM_BOOL(struct pckbd, mouse.wrap),      SSM_U8(struct pckbd, mouse.pending),
    SSM_U8S(struct pckbd, mouse.knock),      SSM_U32(struct pckbd, mouse.dx),
    SSM_U32(struct pckbd, mouse.dy),         SSM_U32(struct pckbd, mouse.dz),
    SSM_U8(struct pckbd, mouse.buttons),     SSM_U8(struct pckbd, mouse.told),
    SSM_U64(struct pckbd, line_free_ns),     SSM_END,
};
static const struct ssm_desc pckbd_state = {.version = 1, .oldest = 1, .fields = pckbd_fields, .check = pckbd_check};

static const struct pdm_keyboard_port keyboard_port = {.put = pckbd_put};
static const struct pdm_mouse_port mouse_port = {.move = pckbd_move};

const struct pdm_devreg pckbd_device = {
    .name = "pckbd",
    .desc = "PS/2 keyboard controller, keyboard and mouse",
    .info_name = "ps2",
    .max_instances = 1,
    .state_size = sizeof(struct pckbd),
    .state = &pckbd_state,
    .construct = pckbd_construct,
    .reset = pckbd_reset,
    .drive = pckbd_drive,
    .keyboard_port = &keyboard_port,
    .mouse_port = &mouse_port,
};
