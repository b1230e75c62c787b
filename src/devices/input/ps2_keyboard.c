/*
 * ps2_keyboard.c - the 101/102-key keyboard core.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-Key)" [KB]: commands, scan code
 * sets 1-3.
 * The host gives set 1 codes. Set 2 is their inverse through the controller's translation table, byte for byte, which
 * also makes the e1 sequence of Pause and the e0 2a sequences of Print Screen come out right. Set 3 has one code per
 * key and no prefixes, from the tables below.
 * Left out: typematic repeat (the host repeats), the time a self-test takes.
 */
#include "devices/input/ps2_keyboard.h"

#include <string.h>

#include "devices/input/i8042.h"

/* Set 3 by set 1 make code [KB, scan code set 3]; 0 = no such key */
static const uint8_t set3_plain[128] = {
    [0x01] = 0x08, [0x02] = 0x16, [0x03] = 0x1e, [0x04] = 0x26, [0x05] = 0x25, [0x06] = 0x2e, [0x07] = 0x36,
    [0x08] = 0x3d, [0x09] = 0x3e, [0x0a] = 0x46, [0x0b] = 0x45, [0x0c] = 0x4e, [0x0d] = 0x55, [0x0e] = 0x66,
    [0x0f] = 0x0d, [0x10] = 0x15, [0x11] = 0x1d, [0x12] = 0x24, [0x13] = 0x2d, [0x14] = 0x2c, [0x15] = 0x35,
    [0x16] = 0x3c, [0x17] = 0x43, [0x18] = 0x44, [0x19] = 0x4d, [0x1a] = 0x54, [0x1b] = 0x5b, [0x1c] = 0x5a,
    [0x1d] = 0x11, [0x1e] = 0x1c, [0x1f] = 0x1b, [0x20] = 0x23, [0x21] = 0x2b, [0x22] = 0x34, [0x23] = 0x33,
    [0x24] = 0x3b, [0x25] = 0x42, [0x26] = 0x4b, [0x27] = 0x4c, [0x28] = 0x52, [0x29] = 0x0e, [0x2a] = 0x12,
    [0x2b] = 0x5c, [0x2c] = 0x1a, [0x2d] = 0x22, [0x2e] = 0x21, [0x2f] = 0x2a, [0x30] = 0x32, [0x31] = 0x31,
    [0x32] = 0x3a, [0x33] = 0x41, [0x34] = 0x49, [0x35] = 0x4a, [0x36] = 0x59, [0x37] = 0x7e, [0x38] = 0x19,
    [0x39] = 0x29, [0x3a] = 0x14, [0x3b] = 0x07, [0x3c] = 0x0f, [0x3d] = 0x17, [0x3e] = 0x1f, [0x3f] = 0x27,
    [0x40] = 0x2f, [0x41] = 0x37, [0x42] = 0x3f, [0x43] = 0x47, [0x44] = 0x4f, [0x45] = 0x76, [0x46] = 0x5f,
    [0x47] = 0x6c, [0x48] = 0x75, [0x49] = 0x7d, [0x4a] = 0x84, [0x4b] = 0x6b, [0x4c] = 0x73, [0x4d] = 0x74,
    [0x4e] = 0x7c, [0x4f] = 0x69, [0x50] = 0x72, [0x51] = 0x7a, [0x52] = 0x70, [0x53] = 0x71, [0x54] = 0x57,
    [0x56] = 0x13, [0x57] = 0x56, [0x58] = 0x5e,
};
/* ... and by the code behind an e0 prefix */
static const uint8_t set3_e0[128] = {
    [0x1c] = 0x79, [0x1d] = 0x58, [0x35] = 0x77, [0x37] = 0x57, [0x38] = 0x39, [0x46] = 0x62 /* Break */,
    [0x47] = 0x6e, [0x48] = 0x63, [0x49] = 0x6f, [0x4b] = 0x61, [0x4d] = 0x6a, [0x4f] = 0x65,
    [0x50] = 0x60, [0x51] = 0x6d, [0x52] = 0x67, [0x53] = 0x64, [0x5b] = 0x8b, [0x5c] = 0x8c,
    [0x5d] = 0x8d,
};
#define SET3_PAUSE 0x62

/* Make/break keys by default: shifts, Ctrl, Alt, Caps Lock [KB, key types]; all others send no break code */
static const uint8_t set3_break[] = {0x11, 0x12, 0x14, 0x19, 0x59};

enum {
    CMD_LEDS = 0xed,
    CMD_ECHO = 0xee,
    CMD_SET = 0xf0,
    CMD_ID = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_ALL_TYPEMATIC = 0xf7,
    CMD_ALL_MAKE_BREAK = 0xf8,
    CMD_ALL_MAKE = 0xf9,
    CMD_ALL_BOTH = 0xfa,
    CMD_KEY_TYPEMATIC = 0xfb,
    CMD_KEY_MAKE_BREAK = 0xfc,
    CMD_KEY_MAKE = 0xfd,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};

static void key_break(struct ps2_keyboard *k, uint8_t code, bool sends)
{
    const uint8_t bit = (uint8_t)(1 << (code & 7));

    if (sends)
        k->no_break[code >> 3] &= (uint8_t)~bit;
    else
        k->no_break[code >> 3] |= bit;
}

static void defaults(struct ps2_keyboard *k)
{
    k->set = 2;
    k->rate = 0x2b; /* 10.9 characters/s after 500 ms [KB] */
    k->pending = 0;
    memset(k->no_break, 0xff, sizeof k->no_break);
    for (unsigned i = 0; i < sizeof set3_break; i++)
        key_break(k, set3_break[i], true);
}

void ps2_keyboard_reset(struct ps2_keyboard *k)
{
    memset(k, 0, sizeof *k);
    k->scanning = true;
    defaults(k);
}

/* ---- commands ---- */

/* The byte after a command that takes one; a command byte instead of it is a new command [KB] */
static bool parameter(struct ps2_keyboard *k, uint8_t val)
{
    const uint8_t cmd = k->pending;

    k->pending = 0;
    if (!cmd || val >= CMD_LEDS)
        return false;
    ps2_answer(&k->out, PS2_ACK);
    switch (cmd) {
    case CMD_LEDS: k->leds = val & 7; break;
    case CMD_RATE: k->rate = val & 0x7f; break;
    case CMD_SET:
        if (val == 0)
            ps2_answer(&k->out, k->set);
        else if (val <= 3)
            k->set = val;
        break;
    default: /* FBh-FDh: any number of set 3 codes follow */
        key_break(k, val, cmd == CMD_KEY_MAKE_BREAK);
        k->pending = cmd;
        break;
    }
    return true;
}

static void command(struct ps2_keyboard *k, uint8_t cmd)
{
    if (cmd == CMD_RESEND) {
        ps2_answer(&k->out, k->out.last);
        return;
    }
    if (cmd == CMD_ECHO) {
        ps2_answer(&k->out, PS2_ECHO);
        return;
    }
    if (cmd < CMD_LEDS || cmd == 0xef || cmd == 0xf1) {
        ps2_answer(&k->out, PS2_RESEND);
        return;
    }
    switch (cmd) {
    case CMD_RESET:
        ps2_keyboard_reset(k);
        ps2_answer(&k->out, PS2_ACK);
        ps2_answer(&k->out, PS2_BAT_OK);
        return;
    case CMD_ENABLE:
        ps2_clear(&k->out);
        k->scanning = true;
        break;
    case CMD_DISABLE:
        ps2_clear(&k->out);
        defaults(k);
        k->scanning = false;
        break;
    case CMD_DEFAULTS:
        ps2_clear(&k->out);
        defaults(k);
        break;
    case CMD_ALL_TYPEMATIC:
    case CMD_ALL_MAKE: memset(k->no_break, 0xff, sizeof k->no_break); break;
    case CMD_ALL_MAKE_BREAK:
    case CMD_ALL_BOTH: memset(k->no_break, 0, sizeof k->no_break); break;
    case CMD_ID: break;
    default: k->pending = cmd; break;
    }
    ps2_answer(&k->out, PS2_ACK);
    if (cmd == CMD_ID) {
        ps2_answer(&k->out, 0xab);
        ps2_answer(&k->out, 0x83);
    }
}

void ps2_keyboard_write(struct ps2_keyboard *k, uint8_t val)
{
    if (!parameter(k, val))
        command(k, val);
}

/* ---- keys ---- */

static bool is_prefix(uint8_t code)
{
    return code == 0xe0 || code == 0xe1;
}

static void send_set2(struct ps2_keyboard *k, uint8_t code)
{
    if (is_prefix(code)) {
        ps2_put(&k->out, code);
        return;
    }
    if (code & 0x80)
        ps2_put(&k->out, 0xf0);
    ps2_put(&k->out, i8042_untranslate(code & 0x7f));
}

/* The set 3 code of the key a set 1 byte belongs to; 0 while there is none. Fake shifts behind e0 have none. */
static uint8_t set3_key(struct ps2_keyboard *k, uint8_t code)
{
    const uint8_t prefix = k->prefix;

    k->prefix = is_prefix(code) ? code : 0;
    if (k->prefix)
        return 0;
    switch (prefix) {
    case 0xe0: return set3_e0[code & 0x7f];
    case 0xe1: k->prefix = 0xe2; return 0; /* Pause is e1 1d 45 */
    case 0xe2: return (code & 0x7f) == 0x45 ? SET3_PAUSE : 0;
    default: return set3_plain[code & 0x7f];
    }
}

static void send_set3(struct ps2_keyboard *k, uint8_t code)
{
    const uint8_t key = set3_key(k, code);

    if (!key)
        return;
    if (code & 0x80) {
        if (k->no_break[key >> 3] >> (key & 7) & 1)
            return;
        ps2_put(&k->out, 0xf0);
    }
    ps2_put(&k->out, key);
}

bool ps2_keyboard_put(struct ps2_keyboard *k, const uint8_t *codes, size_t count)
{
    if (!k->scanning)
        return true;
    if (count > PS2_QUEUE || 2 * count > ps2_room(&k->out)) /* a code becomes two bytes at most */
        return false;
    for (size_t i = 0; i < count; i++) {
        if (k->set == 1)
            ps2_put(&k->out, codes[i]);
        else if (k->set == 2)
            send_set2(k, codes[i]);
        else
            send_set3(k, codes[i]);
    }
    return true;
}

bool ps2_keyboard_check(const struct ps2_keyboard *k)
{
    return ps2_check(&k->out) && k->set >= 1 && k->set <= 3 && k->leds <= 7;
}
