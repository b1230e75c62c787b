/*
 * mc146818_test.c - scripts against the MC146818A data sheet. Time is microseconds the script sets.
 *
 * Steps: 't' to this time; 'w' register,value; 'r' register,expected; 'p' expected pin; 'n' expected next event in
 * microseconds, rounded up; 's' set the clock to seconds since 1970.
 */
#include "devices/rtc/mc146818.h"

#include <glib.h>

#define NEVER 0xffffffffu
#define S     1000000u

struct step {
    char op;
    unsigned a, b;
};
struct script {
    const char *proves;
    struct step steps[40];
};

static const struct script scripts[] = {
    {"time, calendar and century in BCD, 24 hours",
     {{'s', 1700000000},
      {'r', 0, 0x20},
      {'r', 2, 0x13},
      {'r', 4, 0x22},
      {'r', 6, 3},
      {'r', 7, 0x14},
      {'r', 8, 0x11},
      {'r', 9, 0x23},
      {'r', 0x32, 0x20}}},
    {"binary data mode and 12 hours: PM is bit 7 (register B, DM and 24/12)",
     {{'w', 11, 0x04}, {'s', 1700000000}, {'r', 0, 20}, {'r', 4, 0x8a}, {'r', 9, 23}, {'s', 1700006400}, {'r', 4, 12}}},
    {"an update rolls over seconds to years; leap day (2024-02-28 23:59:59)",
     {{'s', 1709164799},
      {'t', S},
      {'r', 0, 0},
      {'r', 4, 0},
      {'r', 7, 0x29},
      {'r', 8, 2},
      {'r', 6, 5},
      {'s', 1704067199},
      {'t', 2 * S},
      {'r', 9, 0x24},
      {'r', 7, 1},
      {'r', 8, 1}}},
    {"UIP rises 2228 us before the end of the update cycle (figure 14)",
     {{'s', 0}, {'t', S - 2300}, {'r', 10, 0x26}, {'t', S - 2000}, {'r', 10, 0xa6}, {'t', S}, {'r', 10, 0x26}}},
    {"SET holds the time and clears UIE (register B)",
     {{'s', 0},
      {'w', 11, 0x12},
      {'w', 11, 0x92},
      {'r', 11, 0x82},
      {'t', 5 * S},
      {'r', 0, 0},
      {'w', 11, 2},
      {'t', 6 * S},
      {'r', 0, 1}}},
    {"the first update comes half a second after the divider is released (Divider Control)",
     {{'s', 0},
      {'t', S},
      {'w', 10, 0x76},
      {'t', 9 * S},
      {'r', 0, 1},
      {'w', 10, 0x26},
      {'t', 9 * S + 499999},
      {'r', 0, 1},
      {'t', 9 * S + 500000},
      {'r', 0, 2}}},
    {"update-ended interrupt; register C says why and is cleared by reading (registers B, C)",
     {{'s', 0},
      {'w', 11, 0x12},
      {'n', S},
      {'t', S},
      {'p', 1},
      {'n', NEVER},
      {'r', 12, 0xd0},
      {'p', 0},
      {'r', 12, 0},
      {'n', 2 * S}}},
    {"flags are set without their enables, IRQF is not (register C)",
     {{'s', 0}, {'t', 2 * S}, {'p', 0}, {'r', 12, 0x50}}},
    {"alarm at an exact time (Alarm)",
     {{'s', 0},
      {'w', 1, 0x05},
      {'w', 3, 0x01},
      {'w', 5, 0x00},
      {'w', 11, 0x22},
      {'n', 65 * S},
      {'t', 64 * S},
      {'p', 0},
      {'t', 65 * S},
      {'p', 1},
      {'r', 12, 0xf0}}},
    {"alarm don't-care codes C0-FF: every minute at second 5 (Alarm)",
     {{'s', 0},
      {'w', 1, 0x05},
      {'w', 3, 0xc0},
      {'w', 5, 0xff},
      {'w', 11, 0x22},
      {'n', 5 * S},
      {'t', 6 * S},
      {'r', 12, 0xf0},
      {'n', 65 * S}}},
    {"an alarm no clock reaches never comes", {{'s', 0}, {'w', 1, 0x75}, {'w', 11, 0x22}, {'n', NEVER}}},
    {"periodic rates: 6 is 976.562 us, 1 is 3.90625 ms, 0 none (table 5)",
     {{'w', 11, 0x42},
      {'n', 977},
      {'w', 10, 0x21},
      {'n', 3907},
      {'w', 10, 0x23},
      {'n', 123},
      {'w', 10, 0x2f},
      {'n', 500000},
      {'w', 10, 0x20},
      {'n', NEVER}}},
    {"the periodic interrupt repeats after register C is read",
     {{'w', 11, 0x42}, {'t', 980}, {'p', 1}, {'r', 12, 0xc0}, {'p', 0}, {'n', 1954}, {'t', 1954}, {'r', 12, 0xc0}}},
    {"registers C and D are read only, VRT is set", {{'w', 12, 0xff}, {'w', 13, 0}, {'r', 12, 0}, {'r', 13, 0x80}}},
    {"memory of both banks", {{'w', 14, 0x5a}, {'w', 0xff, 0xa5}, {'r', 14, 0x5a}, {'r', 0xff, 0xa5}}},
    {"impossible values still count",
     {{'w', 11, 0x82},
      {'w', 8, 0},
      {'w', 7, 0xff},
      {'w', 4, 0xff},
      {'w', 0x32, 0},
      {'w', 11, 2},
      {'t', S},
      {'r', 8, 1}}},
};

static void run_step(struct mc146818 *c, const struct step *s, uint64_t *now_ns)
{
    uint64_t next;

    switch (s->op) {
    case 't': *now_ns = s->a * UINT64_C(1000); break;
    case 's': mc146818_set_time(c, s->a, *now_ns); break;
    case 'w': mc146818_write(c, (uint8_t)s->a, (uint8_t)s->b, *now_ns); break;
    case 'r': g_assert_cmphex(mc146818_read(c, (uint8_t)s->a, *now_ns), ==, s->b); break;
    case 'p':
        mc146818_run(c, *now_ns);
        g_assert_cmpuint(mc146818_pin(c), ==, s->a);
        break;
    case 'n':
        next = mc146818_next_ns(c);
        g_assert_cmpuint(next == RTC_NEVER ? NEVER : (next + 999) / 1000, ==, s->a);
        break;
    default: g_assert_not_reached();
    }
}

static void test_script(gconstpointer data)
{
    const struct script *s = data;
    struct mc146818 c;
    uint64_t now_ns = 0;

    g_test_message("%s", s->proves);
    mc146818_init(&c);
    mc146818_set_time(&c, 0, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->steps) && s->steps[i].op; i++)
        run_step(&c, &s->steps[i], &now_ns);
}

/* Calendar against GLib's, a day of each month over four centuries. */
static void test_calendar(void)
{
    struct mc146818 c;

    mc146818_init(&c);
    for (int64_t t = 0; t < INT64_C(12622780800); t += 2629743) {
        g_autoptr(GDateTime) d = g_date_time_new_from_unix_utc(t);

        mc146818_set_time(&c, t, 0);
        g_assert_cmpint(mc146818_time(&c), ==, t);
        g_assert_cmphex(c.cmos[RTC_DAY], ==,
                        (g_date_time_get_day_of_month(d) / 10) << 4 | g_date_time_get_day_of_month(d) % 10);
        g_assert_cmpuint(c.cmos[RTC_WEEKDAY], ==, g_date_time_get_day_of_week(d) % 7 + 1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(scripts); i++) {
        g_autofree char *path = g_strdup_printf("/mc146818/%02u", i);

        g_test_add_data_func(path, &scripts[i], test_script);
    }
    g_test_add_func("/mc146818/calendar", test_calendar);
    return g_test_run();
}
