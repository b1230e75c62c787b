/*
 * ps2.c - the byte queue of a PS/2 device.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard": a command is answered before further scan codes.
 */
#include "devices/input/ps2.h"

#include <string.h>

unsigned ps2_room(const struct ps2_out *o)
{
    return PS2_QUEUE - o->count;
}

void ps2_put(struct ps2_out *o, uint8_t val)
{
    if (o->count == PS2_QUEUE)
        return;
    o->queue[(o->head + o->count++) % PS2_QUEUE] = val;
}

void ps2_answer(struct ps2_out *o, uint8_t val)
{
    if (o->answer_count == PS2_ANSWER)
        return;
    o->answer[(o->answer_head + o->answer_count++) % PS2_ANSWER] = val;
}

void ps2_clear(struct ps2_out *o)
{
    const uint8_t last = o->last;

    memset(o, 0, sizeof *o);
    o->last = last;
}

bool ps2_pending(const struct ps2_out *o)
{
    return o->count || o->answer_count;
}

bool ps2_next(struct ps2_out *o, uint8_t *ret_val)
{
    if (o->answer_count) {
        o->last = o->answer[o->answer_head];
        o->answer_head = (uint8_t)((o->answer_head + 1) % PS2_ANSWER);
        o->answer_count--;
    } else if (o->count) {
        o->last = o->queue[o->head];
        o->head = (uint8_t)((o->head + 1) % PS2_QUEUE);
        o->count--;
    } else {
        return false;
    }
    *ret_val = o->last;
    return true;
}

bool ps2_check(const struct ps2_out *o)
{
    return o->head < PS2_QUEUE && o->count <= PS2_QUEUE && o->answer_head < PS2_ANSWER && o->answer_count <= PS2_ANSWER;
}
