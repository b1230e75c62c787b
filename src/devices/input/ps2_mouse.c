/*
 * ps2_mouse.c - the PS/2 mouse core.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference, "Mouse" [MS]; Microsoft, "Intellimouse Explorer PS/2
 * programming": the sample rates 200-100-80 make the device answer id 3 and send a wheel byte, 200-200-80 id 4 with
 * two more buttons [IM].
 * Left out: the sample rate as a limit (the serial line's speed is the limit), resolution scaling.
 * Motion that was not yet sent adds up, so a slow guest sees one long movement, never a backlog; a button change
 * makes a report at once, so a short click is not lost.
 */
#include "devices/input/ps2_mouse.h"

#include <string.h>

enum {
    CMD_SCALING_1 = 0xe6,
    CMD_SCALING_2 = 0xe7,
    CMD_RESOLUTION = 0xe8,
    CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea,
    CMD_READ = 0xeb,
    CMD_UNWRAP = 0xec,
    CMD_WRAP = 0xee,
    CMD_REMOTE = 0xf0,
    CMD_ID = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};

#define MOTION_MAX 0x100000 /* further motion of a guest that never looks is dropped */

static void defaults(struct ps2_mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->scaling = m->reporting = m->remote = m->wrap = false;
    m->dx = m->dy = m->dz = 0;
}

void ps2_mouse_reset(struct ps2_mouse *m)
{
    memset(m, 0, sizeof *m);
    defaults(m);
}

/* ---- reports ---- */

static int32_t clip(int32_t v, int32_t lo, int32_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static int32_t take(int32_t *sum, int32_t lo, int32_t hi)
{
    const int32_t part = clip(*sum, lo, hi);

    *sum -= part;
    return part;
}

/* 2:1 scaling works on stream mode reports only [MS, scaling] */
static int32_t scale(const struct ps2_mouse *m, int32_t v, bool stream)
{
    static const uint8_t curve[] = {0, 1, 1, 3, 6, 9};
    const int32_t mag = v < 0 ? -v : v;
    int32_t scaled;

    if (!m->scaling || !stream)
        return v;
    scaled = mag < 6 ? curve[mag] : 2 * mag;
    return clip(v < 0 ? -scaled : scaled, -256, 255);
}

static void report(struct ps2_mouse *m, bool stream, void (*put)(struct ps2_out *o, uint8_t val))
{
    const int32_t x = scale(m, take(&m->dx, -255, 255), stream);
    const int32_t y = scale(m, take(&m->dy, -255, 255), stream);

    put(&m->out, (uint8_t)((m->buttons & 7) | 8 | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0)));
    put(&m->out, (uint8_t)x);
    put(&m->out, (uint8_t)y);
    m->told = m->buttons;
    if (m->id == 0) {
        m->dz = 0;
        return;
    }
    const uint8_t z = (uint8_t)take(&m->dz, m->id == 4 ? -8 : -128, m->id == 4 ? 7 : 127);
    put(&m->out, m->id == 4 ? (uint8_t)((z & 0xf) | (m->buttons & 0x18) << 1) : z);
}

static bool streaming(const struct ps2_mouse *m)
{
    return m->reporting && !m->remote && !m->wrap;
}

static bool news(const struct ps2_mouse *m)
{
    return streaming(m) && (m->dx || m->dy || (m->dz && m->id) || m->buttons != m->told);
}

void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int dz, unsigned buttons)
{
    dx = clip(dx, -MOTION_MAX, MOTION_MAX);
    dy = clip(dy, -MOTION_MAX, MOTION_MAX);
    dz = clip(dz, -MOTION_MAX, MOTION_MAX);
    m->dx = clip(m->dx + dx, -MOTION_MAX, MOTION_MAX);
    m->dy = clip(m->dy - dy, -MOTION_MAX, MOTION_MAX);
    m->dz = clip(m->dz + dz, -MOTION_MAX, MOTION_MAX);
    m->buttons = (uint8_t)(buttons & (m->id == 4 ? 0x1f : 0x07));
    if (streaming(m) && m->buttons != m->told && ps2_room(&m->out) >= 4)
        report(m, true, ps2_put);
}

bool ps2_mouse_pending(const struct ps2_mouse *m)
{
    return ps2_pending(&m->out) || news(m);
}

bool ps2_mouse_next(struct ps2_mouse *m, uint8_t *ret_val)
{
    if (!ps2_pending(&m->out) && news(m))
        report(m, true, ps2_put);
    return ps2_next(&m->out, ret_val);
}

/* ---- commands ---- */

static void rate_write(struct ps2_mouse *m, uint8_t rate)
{
    if (m->knock[0] == 200 && rate == 80) { /* [IM] */
        if (m->knock[1] == 100)
            m->id = 3;
        else if (m->knock[1] == 200)
            m->id = 4;
    }
    m->knock[0] = m->knock[1];
    m->knock[1] = rate;
    m->rate = rate;
}

static void status(struct ps2_mouse *m)
{
    ps2_answer(&m->out, (uint8_t)((m->remote ? 0x40 : 0) | (m->reporting ? 0x20 : 0) | (m->scaling ? 0x10 : 0) |
                                  (m->buttons & 1) << 2 | (m->buttons & 4) >> 1 | (m->buttons & 2) >> 1));
    ps2_answer(&m->out, m->resolution);
    ps2_answer(&m->out, m->rate);
}

static void command(struct ps2_mouse *m, uint8_t cmd)
{
    switch (cmd) {
    case CMD_SCALING_1: m->scaling = false; break;
    case CMD_SCALING_2: m->scaling = true; break;
    case CMD_RESOLUTION:
    case CMD_RATE: m->pending = cmd; break;
    case CMD_STATUS: break;
    case CMD_STREAM: m->remote = false; break;
    case CMD_READ: break;
    case CMD_UNWRAP: m->wrap = false; break;
    case CMD_WRAP: m->wrap = true; break;
    case CMD_REMOTE: m->remote = true; break;
    case CMD_ID: break;
    case CMD_ENABLE:
        m->reporting = true;
        m->dx = m->dy = m->dz = 0;
        break;
    case CMD_DISABLE: m->reporting = false; break;
    case CMD_DEFAULTS: defaults(m); break;
    case CMD_RESEND: ps2_answer(&m->out, m->out.last); return;
    case CMD_RESET: ps2_mouse_reset(m); break;
    default: ps2_answer(&m->out, PS2_RESEND); return;
    }
    ps2_answer(&m->out, PS2_ACK);
    if (cmd == CMD_STATUS)
        status(m);
    else if (cmd == CMD_READ)
        report(m, false, ps2_answer);
    else if (cmd == CMD_ID)
        ps2_answer(&m->out, m->id);
    else if (cmd == CMD_RESET) {
        ps2_answer(&m->out, PS2_BAT_OK);
        ps2_answer(&m->out, 0x00);
    }
}

void ps2_mouse_write(struct ps2_mouse *m, uint8_t val)
{
    const uint8_t cmd = m->pending;

    if (m->wrap && val != CMD_RESET && val != CMD_UNWRAP) { /* echo mode [MS, set wrap mode] */
        ps2_answer(&m->out, val);
        return;
    }
    ps2_clear(&m->out); /* a command ends the report under way [MS] */
    m->pending = 0;
    if (cmd == CMD_RATE && val < CMD_SCALING_1) {
        ps2_answer(&m->out, PS2_ACK);
        rate_write(m, val);
    } else if (cmd == CMD_RESOLUTION && val < CMD_SCALING_1) {
        ps2_answer(&m->out, PS2_ACK);
        m->resolution = val & 3;
    } else {
        command(m, val);
    }
}

bool ps2_mouse_check(const struct ps2_mouse *m)
{
    const int32_t motion[] = {m->dx, m->dy, m->dz};

    for (unsigned i = 0; i < 3; i++)
        if (motion[i] < -MOTION_MAX || motion[i] > MOTION_MAX)
            return false;
    return ps2_check(&m->out) && (m->id == 0 || m->id == 3 || m->id == 4) && m->resolution <= 3;
}
