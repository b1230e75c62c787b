/*
 * i8237_test.c - scripts against the 8237A data sheet, order 231466.
 *
 * Steps: 'w' register,value; 'r' register,expected; 'q' channel,DREQ level; 'y' channel, expected readiness; 'a'
 * channel, position reached; 'm' channel, expected address register at the current position.
 */
#include "devices/dma/i8237.h"

#include <glib.h>

struct step {
    char op;
    unsigned a, b;
};
struct script {
    const char *proves;
    struct step steps[32];
};

/* Channel 2: address 1234h, count 01FFh, unmasked */
#define SETUP(mode)                                                                                                    \
    {'w', 12, 0}, {'w', 4, 0x34}, {'w', 4, 0x12}, {'w', 5, 0xff}, {'w', 5, 0x01}, {'w', 11, mode},                     \
    {                                                                                                                  \
        'w', 10, 2                                                                                                     \
    }

static const struct script scripts[] = {
    {"master clear masks all channels and clears the flip-flop (Master Clear)",
     {{'w', 0, 1}, {'w', 13, 0}, {'r', 15, 0xff}, {'w', 0, 0x34}, {'w', 0, 0x12}, {'r', 0, 0x34}, {'r', 0, 0x12}}},
    {"the flip-flop orders low and high byte; command 0Ch clears it",
     {SETUP(0x46), {'r', 4, 0x34}, {'w', 12, 0}, {'r', 4, 0x34}, {'r', 4, 0x12}, {'r', 5, 0xff}, {'r', 5, 0x01}}},
    {"a channel is served when DREQ is up, unmasked, controller enabled (Mask, Command Register)",
     {SETUP(0x46),
      {'y', 2, 0},
      {'q', 2, 1},
      {'y', 2, 1},
      {'w', 8, 4},
      {'y', 2, 0},
      {'w', 8, 0},
      {'w', 10, 6},
      {'y', 2, 0},
      {'w', 14, 0},
      {'y', 2, 1},
      {'w', 15, 4},
      {'y', 2, 0}}},
    {"a cascade channel is never served (Cascade Mode)", {SETUP(0xc2), {'q', 2, 1}, {'y', 2, 0}}},
    {"addresses count up, the word count down (Current Registers)",
     {SETUP(0x46), {'a', 2, 0x10}, {'r', 4, 0x44}, {'r', 4, 0x12}, {'r', 5, 0xef}, {'r', 5, 0x01}}},
    {"address decrement (Mode Register bit 5)", {SETUP(0x66), {'a', 2, 0x10}, {'m', 2, 0x1224}}},
    {"terminal count: status bit, count FFFFh, channel masked; reading clears (Status Register)",
     {SETUP(0x46),
      {'q', 2, 1},
      {'a', 2, 0x200},
      {'y', 2, 0},
      {'r', 8, 0x44},
      {'r', 8, 0x40},
      {'r', 5, 0xff},
      {'r', 5, 0xff},
      {'r', 15, 0xff}}},
    {"autoinitialize reloads and stays unmasked (Autoinitialize)",
     {SETUP(0x56),
      {'q', 2, 1},
      {'a', 2, 0x200},
      {'y', 2, 1},
      {'r', 8, 0x44},
      {'r', 4, 0x34},
      {'r', 4, 0x12},
      {'r', 5, 0xff},
      {'r', 5, 0x01}}},
    {"a software request serves a masked channel, terminal count ends it (Request Register)",
     {SETUP(0x86), {'w', 10, 6}, {'w', 9, 6}, {'y', 2, 1}, {'a', 2, 0x200}, {'y', 2, 0}}},
};

static void run_step(struct i8237 *c, const struct step *s)
{
    switch (s->op) {
    case 'w': i8237_write(c, s->a, (uint8_t)s->b); break;
    case 'r': g_assert_cmphex(i8237_read(c, s->a), ==, s->b); break;
    case 'q': i8237_dreq(c, s->a, s->b); break;
    case 'y': g_assert_cmpuint(i8237_ready(c, s->a), ==, s->b); break;
    case 'a': i8237_advance(c, s->a, s->b); break;
    case 'm': g_assert_cmphex(c->ch[s->a].address, ==, s->b); break;
    default: g_assert_not_reached();
    }
}

static void test_script(gconstpointer data)
{
    const struct script *s = data;
    struct i8237 c = {0};

    g_test_message("%s", s->proves);
    i8237_reset(&c);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->steps) && s->steps[i].op; i++)
        run_step(&c, &s->steps[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(scripts); i++) {
        g_autofree char *path = g_strdup_printf("/i8237/%02u", i);

        g_test_add_data_func(path, &scripts[i], test_script);
    }
    return g_test_run();
}
