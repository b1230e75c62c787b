/*
 * ps2_mouse.h - a PS/2 mouse with the IntelliMouse and IntelliMouse Explorer extensions, as a pure state machine.
 */
#ifndef DEVICES_INPUT_PS2_MOUSE_H
#define DEVICES_INPUT_PS2_MOUSE_H

#include "devices/input/ps2.h"

struct ps2_mouse {
    struct ps2_out out;
    uint8_t id;         /* 0 plain, 3 with wheel, 4 with wheel and five buttons */
    uint8_t rate;       /* samples per second; reported, has no effect */
    uint8_t resolution; /* 0-3 */
    bool scaling;       /* 2:1 */
    bool reporting;
    bool remote;
    bool wrap;
    uint8_t pending;    /* command whose parameter is awaited, or 0 */
    uint8_t knock[2];   /* the two sample rates set last */
    int32_t dx, dy, dz; /* not yet reported; dy up positive */
    uint8_t buttons;    /* bit 0 left, 1 right, 2 middle, 3 and 4 extra */
    uint8_t told;       /* buttons as last reported */
};

void ps2_mouse_reset(struct ps2_mouse *m);
void ps2_mouse_write(struct ps2_mouse *m, uint8_t val);
/** ps2_mouse_move() - motion right and down positive, wheel towards the user positive. */
void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons);
/** ps2_mouse_next() - the next byte to the controller; makes a report first when there is news and nothing waits. */
bool ps2_mouse_next(struct ps2_mouse *m, uint8_t *ret_val);
bool ps2_mouse_pending(const struct ps2_mouse *m);
bool ps2_mouse_check(const struct ps2_mouse *m);

#endif
