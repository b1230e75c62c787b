/*
 * i8042_test.c - keyboard controller, keyboard and mouse cores against the PS/2 Hardware Interface Technical
 * Reference ([PS2] controller, [KB] keyboard, [MS] mouse) and Microsoft's IntelliMouse notes [IM].
 */
#include "devices/input/i8042.h"
#include "devices/input/ps2_keyboard.h"
#include "devices/input/ps2_mouse.h"

#include <glib.h>
#include <string.h>

/* ---- controller ---- */

/* [PS2, commands]: what each answers with */
static void test_commands(void)
{
    static const struct {
        uint8_t cmd, answer;
    } rows[] = {{0xaa, 0x55}, {0xab, 0x00}, {0xa9, 0x00}, {0xa4, 0xf1}, {0xc0, 0xb0}, {0xe0, 0x00}};
    struct i8042 c;

    i8042_reset(&c);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpint(i8042_write_cmd(&c, rows[i].cmd, true).kind, ==, I8042_NOTHING);
        g_assert_cmphex(i8042_status(&c) & I8042_ST_OBF, ==, I8042_ST_OBF);
        g_assert_cmphex(i8042_status(&c) & I8042_ST_CMD, ==, I8042_ST_CMD);
        g_assert_cmphex(i8042_data(&c), ==, rows[i].answer);
        g_assert_cmphex(i8042_status(&c) & I8042_ST_OBF, ==, 0);
    }
    g_assert_cmphex(i8042_status(&c) & I8042_ST_SYS, ==, I8042_ST_SYS); /* set by the self-test */
    g_assert_cmpint(i8042_write_cmd(&c, 0x9f, true).kind, ==, I8042_BAD);
}

/* [PS2, 20h-3Fh, 60h-7Fh, A7h-A8h, ADh-AEh]: the command byte and the rest of the RAM */
static void test_command_byte(void)
{
    struct i8042 c;

    i8042_reset(&c);
    i8042_write_cmd(&c, 0x60, true);
    i8042_write_data(&c, 0x47);
    i8042_write_cmd(&c, 0xa7, true);
    i8042_write_cmd(&c, 0xad, true);
    i8042_write_cmd(&c, 0x20, true);
    g_assert_cmphex(i8042_data(&c), ==, 0x77);
    i8042_write_cmd(&c, 0xa8, true);
    i8042_write_cmd(&c, 0xae, true);
    i8042_write_cmd(&c, 0x20, true);
    g_assert_cmphex(i8042_data(&c), ==, 0x47);
    i8042_write_cmd(&c, 0x7f, true);
    i8042_write_data(&c, 0xa5);
    i8042_write_cmd(&c, 0x3f, true);
    g_assert_cmphex(i8042_data(&c), ==, 0xa5);
}

/* [PS2, D1h, F0h-FFh; AT chip sets, DDh/DFh]: A20 and the reset line */
static void test_output_port(void)
{
    static const struct {
        uint8_t cmd;
        int data;
        enum i8042_effect_kind kind;
        uint8_t val;
    } rows[] = {
        {0xd1, 0xdf, I8042_A20, 1}, {0xd1, 0xdd, I8042_A20, 0},   {0xd1, 0xfe, I8042_RESET, 0},
        {0xdd, -1, I8042_A20, 0},   {0xdf, -1, I8042_A20, 1},     {0xfe, -1, I8042_RESET, 0},
        {0xf0, -1, I8042_RESET, 0}, {0xff, -1, I8042_NOTHING, 0}, {0xd4, 0xf4, I8042_TO_AUX, 0xf4},
    };
    struct i8042 c;

    i8042_reset(&c);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct i8042_effect e = i8042_write_cmd(&c, rows[i].cmd, true);

        if (rows[i].data >= 0)
            e = i8042_write_data(&c, (uint8_t)rows[i].data);
        g_assert_cmpint(e.kind, ==, rows[i].kind);
        g_assert_cmphex(e.val, ==, rows[i].val);
    }
    i8042_write_cmd(&c, 0xd0, false);
    g_assert_cmphex(i8042_data(&c), ==, 0xc1);
    i8042_write_cmd(&c, 0xd0, true);
    g_assert_cmphex(i8042_data(&c), ==, 0xc3);
}

/* [PS2, status bit 5; command byte bits 0-1]: whose byte it is, and its interrupt */
static void test_irq(void)
{
    struct i8042 c;

    i8042_reset(&c);
    i8042_write_cmd(&c, 0x60, true);
    i8042_write_data(&c, 0x03);
    g_assert_true(i8042_accepts(&c, I8042_KBD));
    i8042_from_device(&c, I8042_KBD, 0x1c);
    g_assert_true(i8042_irq(&c, I8042_KBD));
    g_assert_false(i8042_irq(&c, I8042_AUX));
    g_assert_false(i8042_accepts(&c, I8042_AUX));
    g_assert_cmphex(i8042_data(&c), ==, 0x1c); /* not translated */
    g_assert_false(i8042_irq(&c, I8042_KBD));
    g_assert_cmphex(i8042_data(&c), ==, 0x1c); /* and again: the buffer keeps it */
    i8042_write_cmd(&c, 0xd3, true);
    i8042_write_data(&c, 0x77);
    g_assert_true(i8042_irq(&c, I8042_AUX));
    g_assert_cmphex(i8042_status(&c) & (I8042_ST_AUX | I8042_ST_CMD), ==, I8042_ST_AUX);
    i8042_write_cmd(&c, 0x60, true);
    i8042_write_data(&c, 0x30);
    (void)i8042_data(&c);
    g_assert_false(i8042_accepts(&c, I8042_KBD));
    i8042_write_data(&c, 0xf4); /* sending to the keyboard enables its clock */
    g_assert_true(i8042_accepts(&c, I8042_KBD));
}

/* ---- keyboard ---- */

struct key_case {
    uint8_t set1[6], len;
    uint8_t set2[8], len2;
    uint8_t set3[2], len3;
};
/* [KB, scan code tables]: A, F7, right Ctrl, keypad Enter, up, Print Screen, Pause; releases of A and right Ctrl */
static const struct key_case keys[] = {
    {{0x1e}, 1, {0x1c}, 1, {0x1c}, 1},
    {{0x41}, 1, {0x83}, 1, {0x37}, 1},
    {{0xe0, 0x1d}, 2, {0xe0, 0x14}, 2, {0x58}, 1},
    {{0xe0, 0x1c}, 2, {0xe0, 0x5a}, 2, {0x79}, 1},
    {{0xe0, 0x48}, 2, {0xe0, 0x75}, 2, {0x63}, 1},
    {{0xe0, 0x2a, 0xe0, 0x37}, 4, {0xe0, 0x12, 0xe0, 0x7c}, 4, {0x57}, 1},
    {{0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5}, 6, {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}, 8, {0x62}, 1},
    {{0x9e}, 1, {0xf0, 0x1c}, 2, {0}, 0},
    {{0xe0, 0x9d}, 2, {0xe0, 0xf0, 0x14}, 3, {0}, 0},
    {{0xaa}, 1, {0xf0, 0x12}, 2, {0xf0, 0x12}, 2},
};

static void drain(struct ps2_out *o, const uint8_t *want, unsigned len)
{
    uint8_t got;

    for (unsigned i = 0; i < len; i++) {
        g_assert_true(ps2_next(o, &got));
        g_assert_cmphex(got, ==, want[i]);
    }
    g_assert_false(ps2_next(o, &got));
}

static void select_set(struct ps2_keyboard *k, uint8_t set)
{
    static const uint8_t acks[2] = {PS2_ACK, PS2_ACK};

    ps2_keyboard_write(k, 0xf0);
    ps2_keyboard_write(k, set);
    drain(&k->out, acks, 2);
}

static void test_scan_codes(void)
{
    struct ps2_keyboard k;

    ps2_keyboard_reset(&k);
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        const struct key_case *t = &keys[i];

        select_set(&k, 1);
        g_assert_true(ps2_keyboard_put(&k, t->set1, t->len));
        drain(&k.out, t->set1, t->len);
        select_set(&k, 2);
        g_assert_true(ps2_keyboard_put(&k, t->set1, t->len));
        drain(&k.out, t->set2, t->len2);
        select_set(&k, 3);
        g_assert_true(ps2_keyboard_put(&k, t->set1, t->len));
        drain(&k.out, t->set3, t->len3);
    }
}

/* Set 2 through the controller's translation is set 1 again, for every key and its release [PS2, translation] */
static void test_translation(void)
{
    for (unsigned code = 1; code < 0x80; code++) {
        const uint8_t both[2] = {(uint8_t)code, (uint8_t)(code | 0x80)};
        struct ps2_keyboard k;
        struct i8042 c;
        uint8_t val;

        if (!i8042_untranslate((uint8_t)code))
            continue;
        ps2_keyboard_reset(&k);
        i8042_reset(&c);
        i8042_write_cmd(&c, 0x60, true);
        i8042_write_data(&c, I8042_CB_XLAT);
        g_assert_true(ps2_keyboard_put(&k, both, 2));
        for (unsigned i = 0; i < 2; i++) {
            while (!c.obf && ps2_next(&k.out, &val))
                i8042_from_device(&c, I8042_KBD, val);
            g_assert_cmphex(i8042_data(&c), ==, both[i]);
        }
    }
}

/* [KB, commands] */
static void test_keyboard_commands(void)
{
    static const struct {
        uint8_t in[2], in_len, out[4], out_len;
    } rows[] = {
        {{0xff}, 1, {0xfa, 0xaa}, 2},
        {{0xf2}, 1, {0xfa, 0xab, 0x83}, 3},
        {{0xee}, 1, {0xee}, 1},
        {{0xfe}, 1, {0xee}, 1},
        {{0xed, 7}, 2, {0xfa, 0xfa}, 2},
        {{0xf3, 0x20}, 2, {0xfa, 0xfa}, 2},
        {{0xf0, 0}, 2, {0xfa, 0xfa, 2}, 3},
        {{0xf5}, 1, {0xfa}, 1},
        {{0xf4}, 1, {0xfa}, 1},
        {{0x12}, 1, {0xfe}, 1},
        {{0xed, 0xf4}, 2, {0xfa}, 1},
    };
    struct ps2_keyboard k;

    ps2_keyboard_reset(&k);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (unsigned j = 0; j < rows[i].in_len; j++)
            ps2_keyboard_write(&k, rows[i].in[j]);
        drain(&k.out, rows[i].out, rows[i].out_len);
    }
    g_assert_cmphex(k.leds, ==, 7);
    ps2_keyboard_write(&k, 0xf5); /* scanning off: keys are lost */
    g_assert_true(ps2_keyboard_put(&k, (const uint8_t[]){0x1e}, 1));
    drain(&k.out, (const uint8_t[]){0xfa}, 1);
    g_assert_true(ps2_keyboard_check(&k));
}

/* A full queue takes nothing */
static void test_keyboard_full(void)
{
    struct ps2_keyboard k;
    unsigned taken = 0;

    ps2_keyboard_reset(&k);
    while (ps2_keyboard_put(&k, (const uint8_t[]){0x9e}, 1))
        taken++;
    g_assert_cmpuint(taken, ==, PS2_QUEUE / 2);
    ps2_keyboard_write(&k, 0xee); /* an answer still gets through, and first */
    uint8_t val;
    g_assert_true(ps2_next(&k.out, &val));
    g_assert_cmphex(val, ==, 0xee);
}

/* ---- mouse ---- */

static void mouse_cmd(struct ps2_mouse *m, const uint8_t *in, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        ps2_mouse_write(m, in[i]);
    ps2_clear(&m->out);
}

static void mouse_drain(struct ps2_mouse *m, const uint8_t *want, unsigned len)
{
    uint8_t got;

    for (unsigned i = 0; i < len; i++) {
        g_assert_true(ps2_mouse_next(m, &got));
        g_assert_cmphex(got, ==, want[i]);
    }
    g_assert_false(ps2_mouse_next(m, &got));
}

/* [MS, commands; report format] */
static void test_mouse(void)
{
    struct ps2_mouse m;

    ps2_mouse_reset(&m);
    ps2_mouse_write(&m, 0xff);
    mouse_drain(&m, (const uint8_t[]){0xfa, 0xaa, 0x00}, 3);
    ps2_mouse_write(&m, 0xf2);
    mouse_drain(&m, (const uint8_t[]){0xfa, 0x00}, 2);
    ps2_mouse_write(&m, 0xe9);
    mouse_drain(&m, (const uint8_t[]){0xfa, 0x00, 0x02, 100}, 4);
    ps2_mouse_move(&m, 5, 5, 0, 0); /* not reporting yet; the motion stays until enabled or read */
    mouse_drain(&m, NULL, 0);
    mouse_cmd(&m, (const uint8_t[]){0xf6, 0xf4}, 2);
    ps2_mouse_move(&m, 5, 3, 0, 1); /* right 5, down 3, left button */
    mouse_drain(&m, (const uint8_t[]){0x29, 0x05, 0xfd}, 3);
    ps2_mouse_move(&m, -300, 0, 0, 0); /* the button makes a report at once; the rest follows */
    mouse_drain(&m, (const uint8_t[]){0x18, 0x01, 0x00, 0x18, 0xd3, 0x00}, 6);
    ps2_mouse_write(&m, 0xe9);
    mouse_drain(&m, (const uint8_t[]){0xfa, 0x20, 0x02, 100}, 4);
    mouse_cmd(&m, (const uint8_t[]){0xe7}, 1);
    ps2_mouse_move(&m, 3, -4, 0, 0); /* 2:1: 3 -> 3, 4 -> 6 */
    mouse_drain(&m, (const uint8_t[]){0x08, 0x03, 0x06}, 3);
}

/* [MS, remote and wrap modes] */
static void test_mouse_modes(void)
{
    struct ps2_mouse m;

    ps2_mouse_reset(&m);
    mouse_cmd(&m, (const uint8_t[]){0xf0, 0xf4}, 2);
    ps2_mouse_move(&m, 1, -2, 0, 2);
    mouse_drain(&m, NULL, 0);
    ps2_mouse_write(&m, 0xeb);
    mouse_drain(&m, (const uint8_t[]){0xfa, 0x0a, 0x01, 0x02}, 4);
    ps2_mouse_write(&m, 0xee);
    mouse_drain(&m, (const uint8_t[]){0xfa}, 1);
    ps2_mouse_write(&m, 0xf2);
    mouse_drain(&m, (const uint8_t[]){0xf2}, 1);
    ps2_mouse_write(&m, 0xec);
    mouse_drain(&m, (const uint8_t[]){0xfa}, 1);
}

/* [IM]: the knocks, the wheel byte, the extra buttons */
static void test_intellimouse(void)
{
    static const uint8_t knock3[] = {0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf4};
    static const uint8_t knock4[] = {0xf3, 200, 0xf3, 200, 0xf3, 80};
    struct ps2_mouse m;

    ps2_mouse_reset(&m);
    mouse_cmd(&m, knock3, sizeof knock3);
    ps2_mouse_write(&m, 0xf2);
    mouse_drain(&m, (const uint8_t[]){0xfa, 0x03}, 2);
    ps2_mouse_move(&m, 0, 0, -1, 4);
    mouse_drain(&m, (const uint8_t[]){0x0c, 0, 0, 0xff}, 4);
    mouse_cmd(&m, knock4, sizeof knock4);
    ps2_mouse_write(&m, 0xf2);
    mouse_drain(&m, (const uint8_t[]){0xfa, 0x04}, 2);
    ps2_mouse_move(&m, 0, 0, -1, 0x18);
    mouse_drain(&m, (const uint8_t[]){0x08, 0, 0, 0x3f}, 4);
    g_assert_true(ps2_mouse_check(&m));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i8042/commands", test_commands);
    g_test_add_func("/i8042/command-byte", test_command_byte);
    g_test_add_func("/i8042/output-port", test_output_port);
    g_test_add_func("/i8042/irq", test_irq);
    g_test_add_func("/ps2-keyboard/scan-codes", test_scan_codes);
    g_test_add_func("/ps2-keyboard/translation", test_translation);
    g_test_add_func("/ps2-keyboard/commands", test_keyboard_commands);
    g_test_add_func("/ps2-keyboard/full", test_keyboard_full);
    g_test_add_func("/ps2-mouse/reports", test_mouse);
    g_test_add_func("/ps2-mouse/modes", test_mouse_modes);
    g_test_add_func("/ps2-mouse/intellimouse", test_intellimouse);
    return g_test_run();
}
