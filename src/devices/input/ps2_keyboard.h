/*
 * ps2_keyboard.h - a 101/102-key PS/2 keyboard as a pure state machine.
 */
#ifndef DEVICES_INPUT_PS2_KEYBOARD_H
#define DEVICES_INPUT_PS2_KEYBOARD_H

#include <stddef.h>

#include "devices/input/ps2.h"

struct ps2_keyboard {
    struct ps2_out out;
    uint8_t set;          /* 1-3 */
    uint8_t leds;         /* bit 0 scroll, 1 num, 2 caps */
    uint8_t rate;         /* typematic byte; kept, has no effect */
    bool scanning;        /* F4h; F5h stops it */
    uint8_t pending;      /* command whose parameter is awaited, or 0 */
    uint8_t prefix;       /* host input for set 3: e0 or e1 seen; e2 after the second byte of e1 */
    uint8_t no_break[32]; /* set 3: bitmap of codes that send no break code */
};

void ps2_keyboard_reset(struct ps2_keyboard *k);
/** ps2_keyboard_write() - a byte from the controller. */
void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t val);
/** ps2_keyboard_put() - set 1 codes of the host; false = no room, nothing taken. Lost while scanning is off. */
bool ps2_keyboard_put(struct ps2_keyboard *k, const uint8_t *codes, size_t count);
bool ps2_keyboard_check(const struct ps2_keyboard *k);

#endif
