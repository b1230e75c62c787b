/*
 * i8254_test.c - scripts against the 8254 data sheet, order 231164. Time is a tick number the script sets.
 *
 * Steps: 't' set the tick; 'w' register,value; 'r' register,expected; 'g' channel,level; 'o' channel,expected OUT;
 * 'n' channel, expected next rise.
 */
#include "devices/timer/i8254.h"

#include <glib.h>

#define NEVER 0xffffffffu

struct step {
    char op;
    unsigned a, b;
};
struct script {
    const char *proves;
    struct step steps[40];
};

static const struct script scripts[] = {
    {"mode 0: OUT low from the control word, high N + 1 clocks after the count (figure 15)",
     {{'w', 3, 0x10},
      {'o', 0, 0},
      {'t', 10},
      {'w', 0, 4},
      {'n', 0, 15},
      {'t', 14},
      {'o', 0, 0},
      {'t', 15},
      {'o', 0, 1},
      {'n', 0, NEVER},
      {'r', 0, 0},
      {'t', 16},
      {'r', 0, 0xff}}},
    {"mode 0: the gate holds the count, OUT is unaffected (figure 15)",
     {{'w', 3, 0x10},
      {'w', 0, 4},
      {'t', 3},
      {'r', 0, 2},
      {'g', 0, 0},
      {'t', 9},
      {'r', 0, 2},
      {'o', 0, 0},
      {'n', 0, NEVER},
      {'g', 0, 1},
      {'n', 0, 11},
      {'t', 11},
      {'o', 0, 1}}},
    {"mode 0: with two-byte access the first byte stops counting and OUT goes low (Mode 0)",
     {{'w', 3, 0x30},
      {'w', 0, 2},
      {'w', 0, 0},
      {'t', 5},
      {'o', 0, 1},
      {'w', 0, 9},
      {'o', 0, 0},
      {'n', 0, NEVER},
      {'w', 0, 1},
      {'n', 0, 5 + 1 + 0x109}}},
    {"mode 1: triggered one-shot, OUT low for N clocks, retriggerable (figure 16)",
     {{'g', 1, 0},
      {'w', 3, 0x52},
      {'o', 1, 1},
      {'w', 1, 3},
      {'o', 1, 1},
      {'t', 2},
      {'g', 1, 1},
      {'t', 3},
      {'o', 1, 0},
      {'n', 1, 6},
      {'t', 4},
      {'g', 1, 0},
      {'g', 1, 1},
      {'n', 1, 8},
      {'t', 7},
      {'o', 1, 0},
      {'t', 8},
      {'o', 1, 1}}},
    {"mode 2: OUT low for one clock every N (figure 17)",
     {{'w', 3, 0x14},
      {'o', 0, 1},
      {'w', 0, 3},
      {'t', 2},
      {'o', 0, 1},
      {'t', 3},
      {'o', 0, 0},
      {'r', 0, 1},
      {'t', 4},
      {'o', 0, 1},
      {'r', 0, 3},
      {'n', 0, 7},
      {'t', 6},
      {'o', 0, 0}}},
    {"mode 2: a new count is used from the end of the current cycle (Mode 2)",
     {{'w', 3, 0x14},
      {'w', 0, 10},
      {'t', 5},
      {'w', 0, 4},
      {'r', 0, 6},
      {'n', 0, 11},
      {'t', 11},
      {'n', 0, 15},
      {'r', 0, 4}}},
    {"mode 2: gate low sets OUT high at once and stops; the rise reloads (figure 17)",
     {{'w', 3, 0x14},
      {'w', 0, 3},
      {'t', 3},
      {'o', 0, 0},
      {'g', 0, 0},
      {'o', 0, 1},
      {'n', 0, NEVER},
      {'t', 20},
      {'g', 0, 1},
      {'n', 0, 24}}},
    {"mode 3: even counts, half and half, counting by two (figure 18)",
     {{'w', 3, 0x16},
      {'w', 0, 4},
      {'t', 1},
      {'o', 0, 1},
      {'r', 0, 4},
      {'t', 2},
      {'r', 0, 2},
      {'o', 0, 1},
      {'t', 3},
      {'o', 0, 0},
      {'r', 0, 4},
      {'n', 0, 5},
      {'t', 5},
      {'o', 0, 1}}},
    {"mode 3: odd counts, high for (N+1)/2, low for (N-1)/2 (figure 18)",
     {{'w', 3, 0x16},
      {'w', 0, 5},
      {'t', 1},
      {'r', 0, 4},
      {'t', 3},
      {'r', 0, 0},
      {'o', 0, 1},
      {'t', 4},
      {'o', 0, 0},
      {'r', 0, 4},
      {'t', 5},
      {'r', 0, 2},
      {'o', 0, 0},
      {'t', 6},
      {'o', 0, 1}}},
    {"mode 3: a new count is used from the end of the current half-cycle (Mode 3)",
     {{'w', 3, 0x16},
      {'w', 0, 10},
      {'t', 2},
      {'w', 0, 4},
      {'n', 0, 8},
      {'t', 6},
      {'o', 0, 0},
      {'t', 8},
      {'o', 0, 1},
      {'n', 0, 12}}},
    {"mode 4: a one-clock strobe N + 1 clocks after the count (figure 19)",
     {{'w', 3, 0x18},
      {'w', 0, 3},
      {'o', 0, 1},
      {'t', 3},
      {'o', 0, 1},
      {'t', 4},
      {'o', 0, 0},
      {'n', 0, 5},
      {'t', 5},
      {'o', 0, 1},
      {'n', 0, NEVER}}},
    {"mode 5: the strobe follows the trigger (figure 20)",
     {{'g', 1, 0},
      {'w', 3, 0x5a},
      {'w', 1, 2},
      {'t', 9},
      {'o', 1, 1},
      {'g', 1, 1},
      {'n', 1, 13},
      {'t', 12},
      {'o', 1, 0},
      {'t', 13},
      {'o', 1, 1}}},
    {"modes 6 and 7 are 2 and 3 (figure 7)", {{'w', 3, 0x1c}, {'w', 3, 0xe2}, {'r', 0, 0xd4}}},
    {"BCD counts decimal digits and zero is 10000 (Control Word)",
     {{'w', 3, 0x31}, {'w', 0, 0}, {'w', 0, 0}, {'t', 2}, {'r', 0, 0x99}, {'r', 0, 0x99}}},
    {"a count of zero is 65536 (Write Operations)",
     {{'w', 3, 0x34}, {'w', 0, 0}, {'w', 0, 0}, {'n', 0, 65537}, {'t', 2}, {'r', 0, 0xff}, {'r', 0, 0xff}}},
    {"the latch holds until read; a second latch command is ignored (Counter Latch Command)",
     {{'w', 3, 0x34},
      {'w', 0, 0},
      {'w', 0, 0x10},
      {'t', 2},
      {'w', 3, 0},
      {'t', 300},
      {'w', 3, 0},
      {'r', 0, 0xff},
      {'r', 0, 0x0f},
      {'r', 0, 0xd5},
      {'r', 0, 0x0e}}},
    {"read-back latches the count and status of several counters; status is read first (Read-Back Command)",
     {{'w', 3, 0x34},
      {'w', 0, 0x34},
      {'w', 0, 0x12},
      {'w', 3, 0x56},
      {'w', 1, 7},
      {'t', 1},
      {'w', 3, 0xc6},
      {'r', 0, 0xb4},
      {'r', 0, 0x34},
      {'r', 0, 0x12},
      {'r', 1, 0x96},
      {'r', 1, 6}}},
    {"null count is set by the control word and cleared by the load (figure 13)",
     {{'w', 3, 0x34},
      {'w', 3, 0xe2},
      {'r', 0, 0xf4},
      {'w', 0, 1},
      {'w', 0, 1},
      {'w', 3, 0xe2},
      {'r', 0, 0xf4},
      {'t', 1},
      {'w', 3, 0xe2},
      {'r', 0, 0xb4}}},
    {"high-byte access writes and reads the high byte only (Control Word, RW)",
     {{'w', 3, 0x24}, {'w', 0, 2}, {'n', 0, 513}, {'t', 1}, {'r', 0, 2}, {'r', 0, 2}}},
};

static void run_step(struct i8254 *c, const struct step *s, uint64_t *now)
{
    switch (s->op) {
    case 't': *now = s->a; break;
    case 'w': i8254_write(c, s->a, (uint8_t)s->b, *now); break;
    case 'r': g_assert_cmphex(i8254_read(c, s->a, *now), ==, s->b); break;
    case 'g': i8254_gate(c, s->a, s->b, *now); break;
    case 'o': g_assert_cmpuint(i8254_out(c, s->a, *now), ==, s->b); break;
    case 'n': g_assert_cmpuint(i8254_next_rise(c, s->a, *now), ==, s->b == NEVER ? I8254_NEVER : s->b); break;
    default: g_assert_not_reached();
    }
}

static void test_script(gconstpointer data)
{
    const struct script *s = data;
    struct i8254 c = {0};
    uint64_t now = 0;

    g_test_message("%s", s->proves);
    for (unsigned i = 0; i < 3; i++)
        c.ch[i].gate = true;
    i8254_reset(&c);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->steps) && s->steps[i].op; i++) {
        run_step(&c, &s->steps[i], &now);
        for (unsigned n = 0; n < 3; n++)
            g_assert_true(i8254_valid(&c.ch[n]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(scripts); i++) {
        g_autofree char *path = g_strdup_printf("/i8254/%02u", i);

        g_test_add_data_func(path, &scripts[i], test_script);
    }
    return g_test_run();
}
