/*
 * i8042.c - the PC/AT and PS/2 keyboard controller core.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller" [PS2];
 * IBM PC/AT Technical Reference, "Keyboard" [AT]; DDh/DFh (A20 off/on) as in most AT chip sets.
 * Left out: the password commands (A4h says none is installed), the input buffer's busy time (IBF reads 0),
 * time-out and parity errors, A2h/A3h and the diagnostic dump ACh.
 *
 * Invariant 1: at most one byte waits in outbuf; obf tells; from_aux is false while it is empty.
 * Invariant 2: IRQ1 = obf, not from_aux, command byte bit 0; IRQ12 = obf, from_aux, command byte bit 1.
 */
#include "devices/input/i8042.h"

#include <string.h>

enum {
    CMD_READ_RAM = 0x20,  /* -3Fh */
    CMD_WRITE_RAM = 0x60, /* -7Fh */
    CMD_PASSWORD = 0xa4,
    CMD_AUX_OFF = 0xa7,
    CMD_AUX_ON = 0xa8,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KBD_TEST = 0xab,
    CMD_KBD_OFF = 0xad,
    CMD_KBD_ON = 0xae,
    CMD_READ_IN = 0xc0,
    CMD_READ_OUT = 0xd0,
    CMD_WRITE_OUT = 0xd1,
    CMD_PUT_KBD = 0xd2,
    CMD_PUT_AUX = 0xd3,
    CMD_TO_AUX = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_TEST_IN = 0xe0,
    CMD_PULSE = 0xf0, /* -FFh */
};

#define OUT_RESET_N 0x01 /* output port: processor reset, active low */
#define OUT_A20     0x02
#define OUT_KBD_IRQ 0x10
#define OUT_AUX_IRQ 0x20
#define IN_PORT     0xb0 /* keyboard not locked, no manufacturing jumper, RAM on board, colour display [AT] */

/* Scan code set 2 -> set 1, 00h-7Fh [PS2, translation table] */
static const uint8_t xlat[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 00 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 10 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 20 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 30 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 40 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 50 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 60 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 70 */
};
#define SET2_F7    0x83 /* the two set 2 codes above 7Fh that are translated */
#define SET2_SYSRQ 0x84

uint8_t i8042_translate(uint8_t set2)
{
    if (set2 < 128)
        return xlat[set2];
    if (set2 == SET2_F7)
        return 0x41;
    return set2 == SET2_SYSRQ ? 0x54 : set2;
}

uint8_t i8042_untranslate(uint8_t set1)
{
    if (set1 == 0x41)
        return SET2_F7;
    if (set1 == 0x54)
        return SET2_SYSRQ;
    for (unsigned i = 0; i < 128; i++)
        if (xlat[i] == set1)
            return (uint8_t)i;
    return 0;
}

static const struct i8042_effect nothing = {I8042_NOTHING, 0};

static struct i8042_effect effect(enum i8042_effect_kind kind, uint8_t val)
{
    return (struct i8042_effect){kind, val};
}

static void put(struct i8042 *c, uint8_t val, bool aux)
{
    c->outbuf = val;
    c->obf = true;
    c->from_aux = aux;
}

static struct i8042_effect reply(struct i8042 *c, uint8_t val)
{
    put(c, val, false);
    return nothing;
}

uint8_t i8042_status(const struct i8042 *c)
{
    uint8_t st = I8042_ST_UNLOCKED | (c->ram[0] & I8042_CB_SYS);

    if (c->obf)
        st |= c->from_aux ? I8042_ST_OBF | I8042_ST_AUX : I8042_ST_OBF;
    return c->cmd_last ? st | I8042_ST_CMD : st;
}

uint8_t i8042_data(struct i8042 *c)
{
    c->obf = false;
    c->from_aux = false;
    return c->outbuf;
}

bool i8042_accepts(const struct i8042 *c, unsigned port)
{
    return !c->obf && !(c->ram[0] & (port == I8042_AUX ? I8042_CB_AUX_OFF : I8042_CB_KBD_OFF));
}

void i8042_from_device(struct i8042 *c, unsigned port, uint8_t val)
{
    if (port == I8042_AUX || !(c->ram[0] & I8042_CB_XLAT)) {
        put(c, val, port == I8042_AUX);
        return;
    }
    if (val == 0xf0) {
        c->xlat_break = true;
        return;
    }
    val = i8042_translate(val);
    put(c, c->xlat_break ? val | 0x80 : val, false);
    c->xlat_break = false;
}

bool i8042_irq(const struct i8042 *c, unsigned port)
{
    const uint8_t enable = port == I8042_AUX ? I8042_CB_AUX_IRQ : I8042_CB_KBD_IRQ;

    return c->obf && c->from_aux == (port == I8042_AUX) && c->ram[0] & enable; /* inv 2 */
}

static uint8_t out_port(const struct i8042 *c, bool a20)
{
    return (uint8_t)(0xc0 | OUT_RESET_N | (a20 ? OUT_A20 : 0) | (i8042_irq(c, I8042_KBD) ? OUT_KBD_IRQ : 0) |
                     (i8042_irq(c, I8042_AUX) ? OUT_AUX_IRQ : 0));
}

static struct i8042_effect out_port_write(uint8_t val)
{
    if (!(val & OUT_RESET_N))
        return effect(I8042_RESET, 0);
    return effect(I8042_A20, (val & OUT_A20) != 0);
}

struct i8042_effect i8042_write_data(struct i8042 *c, uint8_t val)
{
    const uint8_t cmd = c->pending;

    c->cmd_last = false;
    c->pending = 0;
    switch (cmd) {
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31: c->ram[cmd & 31] = val; return nothing;
    case CMD_WRITE_OUT: return out_port_write(val);
    case CMD_PUT_KBD: return reply(c, val);
    case CMD_PUT_AUX: put(c, val, true); return nothing;
    case CMD_TO_AUX: return effect(I8042_TO_AUX, val);
    default:
        c->ram[0] &= (uint8_t)~I8042_CB_KBD_OFF; /* sending to the keyboard enables its clock [PS2] */
        c->xlat_break = false;
        return effect(I8042_TO_KBD, val);
    }
}

struct i8042_effect i8042_write_cmd(struct i8042 *c, uint8_t cmd, bool a20)
{
    c->cmd_last = true;
    c->pending = 0;
    switch (cmd) {
    case CMD_READ_RAM ... CMD_READ_RAM + 31: return reply(c, c->ram[cmd & 31]);
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31:
    case CMD_WRITE_OUT ... CMD_TO_AUX: c->pending = cmd; return nothing;
    case CMD_PASSWORD: return reply(c, 0xf1);
    case CMD_AUX_OFF: c->ram[0] |= I8042_CB_AUX_OFF; return nothing;
    case CMD_AUX_ON: c->ram[0] &= (uint8_t)~I8042_CB_AUX_OFF; return nothing;
    case CMD_AUX_TEST: return reply(c, 0x00);
    case CMD_SELF_TEST: c->ram[0] |= I8042_CB_SYS; return reply(c, 0x55);
    case CMD_KBD_TEST: return reply(c, 0x00);
    case CMD_KBD_OFF: c->ram[0] |= I8042_CB_KBD_OFF; return nothing;
    case CMD_KBD_ON: c->ram[0] &= (uint8_t)~I8042_CB_KBD_OFF; return nothing;
    case CMD_READ_IN: return reply(c, IN_PORT);
    case CMD_READ_OUT: return reply(c, out_port(c, a20));
    case CMD_A20_OFF: return effect(I8042_A20, 0);
    case CMD_A20_ON: return effect(I8042_A20, 1);
    case CMD_TEST_IN: return reply(c, 0x00);
    case CMD_PULSE ... CMD_PULSE + 15: /* a 0 bit pulses that output line low; bit 0 is reset [PS2] */
        return cmd & 1 ? nothing : effect(I8042_RESET, 0);
    default: return effect(I8042_BAD, cmd);
    }
}

void i8042_reset(struct i8042 *c)
{
    memset(c, 0, sizeof *c);
    c->ram[0] = I8042_CB_KBD_OFF | I8042_CB_AUX_OFF;
}

bool i8042_check(const struct i8042 *c)
{
    return c->obf || !c->from_aux; /* inv 1; every value of the bytes can be written by a guest */
}
