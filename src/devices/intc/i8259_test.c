/*
 * i8259_test.c - scripts of pin changes, accesses and acknowledges, each proving a passage of the 8259A data sheet.
 *
 * A step is a letter and two numbers: 'w' write a0,val; 'r' read a0 expecting val; 'u'/'d' input up/down; 'a'
 * acknowledge expecting input (or SPURIOUS); 'o' output expecting level.
 */
#include "devices/intc/i8259.h"

#include <glib.h>

enum { SPURIOUS = 0x100 };

struct step {
    char op;
    unsigned a, b;
};
struct script {
    const char *proves;
    struct step steps[32];
};

/* ICW1-4 of a PC: edge, cascade, 8086 mode, base 08h */
#define PC_INIT                                                                                                        \
    {'w', 0, 0x11}, {'w', 1, 0x08}, {'w', 1, 0x04},                                                                    \
    {                                                                                                                  \
        'w', 1, 0x01                                                                                                   \
    }

static const struct script scripts[] = {
    {"fixed priority: IR0 highest, IR7 lowest (Fully Nested Mode)",
     {PC_INIT,
      {'u', 5},
      {'u', 3},
      {'a', 3},
      {'o', 0},
      {'u', 1},
      {'a', 1},
      {'w', 0, 0x20},
      {'o', 0},
      {'w', 0, 0x20},
      {'a', 5}}},
    {"an edge is served once while the line stays high (Edge Triggered Mode)",
     {PC_INIT, {'u', 4}, {'a', 4}, {'w', 0, 0x20}, {'o', 0}, {'d', 4}, {'u', 4}, {'o', 1}, {'a', 4}}},
    {"an input that drops before INTA gives the default IR7, ISR stays clear",
     {PC_INIT, {'u', 4}, {'o', 1}, {'d', 4}, {'o', 0}, {'a', 7, SPURIOUS}, {'w', 0, 0x0b}, {'r', 0, 0}}},
    {"a level input keeps its request until it drops (Level Triggered Mode; PIIX ELCR)",
     {PC_INIT,
      {'l', 0x20},
      {'u', 5},
      {'a', 5},
      {'w', 0, 0x20},
      {'o', 1},
      {'a', 5},
      {'d', 5},
      {'w', 0, 0x65},
      {'o', 0}}},
    {"IMR masks the output, not IRR (OCW1)",
     {PC_INIT,
      {'w', 1, 0x02},
      {'u', 1},
      {'o', 0},
      {'w', 0, 0x0a},
      {'r', 0, 0x02},
      {'r', 1, 0x02},
      {'w', 1, 0},
      {'o', 1}}},
    {"specific EOI clears the level named (OCW2 011)",
     {PC_INIT, {'u', 5}, {'a', 5}, {'u', 2}, {'a', 2}, {'w', 0, 0x65}, {'w', 0, 0x0b}, {'r', 0, 0x04}}},
    {"rotate on non-specific EOI puts the served level last (OCW2 101)",
     {PC_INIT, {'u', 4}, {'u', 6}, {'a', 4}, {'w', 0, 0xa0}, {'d', 4}, {'u', 4}, {'a', 6}, {'w', 0, 0xa0}, {'a', 4}}},
    {"set priority names the bottom level (OCW2 110)",
     {PC_INIT, {'w', 0, 0xc5}, {'u', 0}, {'u', 6}, {'a', 6}, {'w', 0, 0x20}, {'a', 0}}},
    {"automatic EOI leaves ISR clear; with rotation the level goes last (OCW2 100)",
     {{'w', 0, 0x11},
      {'w', 1, 0x08},
      {'w', 1, 0x04},
      {'w', 1, 0x03},
      {'w', 0, 0x80},
      {'u', 3},
      {'a', 3},
      {'w', 0, 0x0b},
      {'r', 0, 0},
      {'d', 3},
      {'u', 3},
      {'u', 7},
      {'a', 7},
      {'a', 3}}},
    {"special mask mode lets lower levels through a masked one in service; EOI spares it (OCW3)",
     {PC_INIT,
      {'u', 2},
      {'a', 2},
      {'u', 6},
      {'o', 0},
      {'w', 1, 0x04},
      {'w', 0, 0x68},
      {'o', 1},
      {'a', 6},
      {'w', 0, 0x20},
      {'w', 0, 0x0b},
      {'r', 0, 0x04}}},
    {"a poll read acknowledges and returns 80h + level, then reads are normal (Poll Command)",
     {PC_INIT, {'u', 6}, {'w', 0, 0x0c}, {'r', 0, 0x86}, {'w', 0, 0x0b}, {'r', 0, 0x40}, {'w', 0, 0x0c}, {'r', 0, 0}}},
    {"special fully nested mode: a slave may interrupt itself, others may not (ICW4 SFNM)",
     {{'w', 0, 0x11},
      {'w', 1, 0x08},
      {'w', 1, 0x04},
      {'w', 1, 0x11},
      {'u', 2},
      {'a', 2},
      {'d', 2},
      {'u', 2},
      {'o', 1},
      {'a', 2},
      {'u', 3},
      {'o', 0}}},
    {"ICW1 clears IMR and the edge latches: a new edge is needed",
     {PC_INIT,
      {'w', 1, 0xff},
      {'u', 3},
      PC_INIT,
      {'r', 1, 0},
      {'o', 0},
      {'w', 0, 0x0a},
      {'r', 0, 0},
      {'d', 3},
      {'u', 3},
      {'a', 3}}},
    {"without IC4 and with SNGL, ICW2 ends the sequence (figure 6)",
     {{'w', 0, 0x12}, {'w', 1, 0x40}, {'w', 1, 0xfe}, {'r', 1, 0xfe}, {'u', 0}, {'a', 0}}},
    {"no output before initialization is complete", {{'u', 0}, {'w', 0, 0x11}, {'o', 0}, {'w', 1, 8}, {'o', 0}}},
};

static void run_step(struct i8259 *c, const struct step *s)
{
    bool spurious;

    switch (s->op) {
    case 'w': i8259_write(c, s->a, (uint8_t)s->b); break;
    case 'r': g_assert_cmphex(i8259_read(c, s->a), ==, s->b); break;
    case 'u': i8259_input(c, s->a, true); break;
    case 'd': i8259_input(c, s->a, false); break;
    case 'l': c->level = (uint8_t)s->a; break;
    case 'o': g_assert_cmpuint(i8259_output(c), ==, s->a); break;
    case 'a':
        g_assert_cmpuint(i8259_acknowledge(c, &spurious), ==, s->a);
        g_assert_cmpuint(spurious, ==, s->b == SPURIOUS);
        break;
    default: g_assert_not_reached();
    }
}

static void test_script(gconstpointer data)
{
    const struct script *s = data;
    struct i8259 c = {.master = true};

    g_test_message("%s", s->proves);
    i8259_reset(&c);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->steps) && s->steps[i].op; i++)
        run_step(&c, &s->steps[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(scripts); i++) {
        g_autofree char *path = g_strdup_printf("/i8259/%02u", i);

        g_test_add_data_func(path, &scripts[i], test_script);
    }
    return g_test_run();
}
