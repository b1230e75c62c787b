/*
 * ps2.h - the byte queue of a PS/2 device: answers go before what was typed or moved.
 *
 * Invariant 1: head < PS2_QUEUE, count <= PS2_QUEUE; the same for the answers.
 */
#ifndef DEVICES_INPUT_PS2_H
#define DEVICES_INPUT_PS2_H

#include <stdbool.h>
#include <stdint.h>

#define PS2_QUEUE  64u
#define PS2_ANSWER 8u

enum { PS2_ACK = 0xfa, PS2_BAT_OK = 0xaa, PS2_RESEND = 0xfe, PS2_ECHO = 0xee };

struct ps2_out {
    uint8_t queue[PS2_QUEUE];
    uint8_t head, count;
    uint8_t answer[PS2_ANSWER];
    uint8_t answer_head, answer_count;
    uint8_t last; /* sent last, for FEh */
};

unsigned ps2_room(const struct ps2_out *o);
/** ps2_put() - data; dropped when there is no room (callers ask first). */
void ps2_put(struct ps2_out *o, uint8_t val);
void ps2_answer(struct ps2_out *o, uint8_t val);
void ps2_clear(struct ps2_out *o);
bool ps2_pending(const struct ps2_out *o);
bool ps2_next(struct ps2_out *o, uint8_t *ret_val);
bool ps2_check(const struct ps2_out *o);

#endif
