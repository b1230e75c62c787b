/*
 * i8042.h - the PC/AT and PS/2 keyboard controller as a pure state machine.
 *
 * The controller owns the output buffer, the command byte and the output port. The two PS/2 devices behind it are
 * separate cores; the owner passes bytes from them in with i8042_from_device() when i8042_accepts() says so, and
 * carries out the one effect a write can have.
 */
#ifndef DEVICES_INPUT_I8042_H
#define DEVICES_INPUT_I8042_H

#include <stdbool.h>
#include <stdint.h>

enum { I8042_KBD, I8042_AUX };

/* Status register [PS2, status] */
enum {
    I8042_ST_OBF = 0x01,
    I8042_ST_SYS = 0x04,
    I8042_ST_CMD = 0x08,
    I8042_ST_UNLOCKED = 0x10,
    I8042_ST_AUX = 0x20,
};
/* Command byte [PS2, controller command byte] */
enum {
    I8042_CB_KBD_IRQ = 0x01,
    I8042_CB_AUX_IRQ = 0x02,
    I8042_CB_SYS = 0x04,
    I8042_CB_KBD_OFF = 0x10,
    I8042_CB_AUX_OFF = 0x20,
    I8042_CB_XLAT = 0x40,
};

struct i8042 {
    uint8_t ram[32]; /* ram[0] is the command byte */
    uint8_t outbuf;
    bool obf;        /* output buffer full */
    bool from_aux;   /* whose byte it holds */
    bool cmd_last;   /* the last write went to the command port */
    uint8_t pending; /* command whose data byte is awaited, or 0 */
    bool xlat_break; /* F0 seen: the next translated code is a break code */
};

enum i8042_effect_kind {
    I8042_NOTHING,
    I8042_TO_KBD, /* val: the byte */
    I8042_TO_AUX, /* val: the byte */
    I8042_A20,    /* val: 0 or 1 */
    I8042_RESET,  /* the processor's reset line was pulsed */
    I8042_BAD,    /* val: a command this controller does not have */
};
struct i8042_effect {
    enum i8042_effect_kind kind;
    uint8_t val;
};

void i8042_reset(struct i8042 *c);
uint8_t i8042_status(const struct i8042 *c);
/** i8042_data() - port 60h read: takes the byte; an empty buffer gives the last one again. */
uint8_t i8042_data(struct i8042 *c);
/** i8042_write_data() - port 60h. i8042_write_cmd() - port 64h; @a20: the line's level now, for D0h. */
struct i8042_effect i8042_write_data(struct i8042 *c, uint8_t val);
struct i8042_effect i8042_write_cmd(struct i8042 *c, uint8_t cmd, bool a20);

/** i8042_accepts() - the buffer is empty and the device's clock is not held down. */
bool i8042_accepts(const struct i8042 *c, unsigned port);
/** i8042_from_device() - a byte from a device, translated when the command byte says so; a lone F0 is swallowed. */
void i8042_from_device(struct i8042 *c, unsigned port, uint8_t val);
/** i8042_irq() - IRQ1 (I8042_KBD) and IRQ12 (I8042_AUX). */
bool i8042_irq(const struct i8042 *c, unsigned port);

/** i8042_translate() - scan code set 2 to set 1; i8042_untranslate() - back, for make codes below 80h. */
uint8_t i8042_translate(uint8_t set2);
uint8_t i8042_untranslate(uint8_t set1);

bool i8042_check(const struct i8042 *c);

#endif
