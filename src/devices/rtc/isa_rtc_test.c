/*
 * isa_rtc_test.c - the clock on its ports: what the guest's clock shows after the machine stood still.
 */
#include <glib.h>

#include "devices/registry.h"
#include "vmm/pdm/rig.h"

#define SECOND_NS INT64_C(1000000000)
#define DAY_NS    (86400 * SECOND_NS)
#define START_NS  (INT64_C(1700000000) * SECOND_NS) /* 2023-11-14 22:13:20 */

static unsigned reg(struct rig *r, unsigned index)
{
    rig_out(r, 0x70, index, 1);
    return rig_in(r, 0x71, 1);
}

/* day, hour, minute, second as the BCD bytes say */
static void shows(struct rig *r, unsigned day_hms)
{
    g_assert_cmphex(reg(r, 7) << 24 | reg(r, 4) << 16 | reg(r, 2) << 8 | reg(r, 0), ==, day_hms);
}

static struct rig *start(void)
{
    struct rig *r = rig_empty();

    rig_set_utc_ns(r, START_NS);
    rig_add(r, &isa_rtc_device, NULL);
    g_assert_true(rig_start(r, NULL));
    return r;
}

/* The rig's wall clock is what was set plus the machine's own time; it moves on here while the machine stands. */
static void stop_for(struct rig *r, int64_t *utc_ns, int64_t ns)
{
    pdm_suspend(rig_pdm(r));
    rig_set_utc_ns(r, *utc_ns += ns);
    pdm_resume(rig_pdm(r));
}

static void test_pause(void)
{
    struct rig *r = start();
    int64_t utc_ns = START_NS;
    unsigned before, after;

    before = reg(r, 0);
    stop_for(r, &utc_ns, 5 * SECOND_NS);
    after = reg(r, 0);
    g_assert_cmpuint((after >> 4) * 10 + (after & 15), ==, ((before >> 4) * 10 + (before & 15) + 5) % 60);
    for (unsigned i = 0; i < 4; i++) /* four quarters make a second */
        stop_for(r, &utc_ns, SECOND_NS / 4);
    g_assert_cmphex(reg(r, 0), !=, after);
    after = reg(r, 0);
    stop_for(r, &utc_ns, -DAY_NS); /* the host's clock was set: ours never goes back */
    g_assert_cmphex(reg(r, 0), ==, after);
    rig_free(r);
}

/* What the guest wrote into the clock stays its own: only the time that passed is added. */
static void test_guests_own_time(void)
{
    struct rig *r = start();
    int64_t utc_ns = START_NS;
    static const struct {
        unsigned index, val;
    } set[] = {{7, 0x31}, {8, 0x12}, {9, 0x99}, {0x32, 0x19}, {4, 0x23}, {2, 0x59}, {0, 0x50}};

    for (unsigned i = 0; i < G_N_ELEMENTS(set); i++) {
        rig_out(r, 0x70, set[i].index, 1);
        rig_out(r, 0x71, set[i].val, 1);
    }
    stop_for(r, &utc_ns, 2 * DAY_NS + 15 * SECOND_NS);
    shows(r, 0x03000005);
    g_assert_cmphex(reg(r, 9), ==, 0x00);
    g_assert_cmphex(reg(r, 0x32), ==, 0x20);
    rig_out(r, 0x70, 11, 1);
    rig_out(r, 0x71, 0x82, 1); /* SET: the guest holds the clock */
    stop_for(r, &utc_ns, DAY_NS);
    shows(r, 0x03000005);
    rig_free(r);
}

/* An alarm that lay in the time the machine was away is there when it is back. */
static void test_missed_alarm(void)
{
    struct rig *r = start();
    int64_t utc_ns = START_NS;

    for (unsigned i = 1; i <= 5; i += 2) { /* at 00:00:00 */
        rig_out(r, 0x70, i, 1);
        rig_out(r, 0x71, 0, 1);
    }
    rig_out(r, 0x70, 11, 1);
    rig_out(r, 0x71, 0x22, 1);
    (void)reg(r, 12);
    g_assert_false(rig_irq(r, 8));
    stop_for(r, &utc_ns, DAY_NS);
    g_assert_true(rig_irq(r, 8));
    g_assert_cmphex(reg(r, 12) & 0xa0, ==, 0xa0);
    rig_free(r);
}

/* Saved, and loaded a day later: the stop begins where the state was saved, not where it was loaded. */
static void test_saved_state(void)
{
    struct rig *r = start();
    int64_t utc_ns = START_NS;
    unsigned before;

    before = reg(r, 7);
    pdm_suspend(rig_pdm(r));
    rig_set_utc_ns(r, utc_ns += DAY_NS);
    g_assert_true(rig_save_load(r, NULL));
    pdm_suspend(rig_pdm(r));
    pdm_resume(rig_pdm(r));
    g_assert_cmphex(reg(r, 7), ==, before + 1);
    pdm_resume(rig_pdm(r)); /* nothing is counted twice */
    g_assert_cmphex(reg(r, 7), ==, before + 1);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/isa-rtc/pause", test_pause);
    g_test_add_func("/isa-rtc/guests-own-time", test_guests_own_time);
    g_test_add_func("/isa-rtc/missed-alarm", test_missed_alarm);
    g_test_add_func("/isa-rtc/saved-state", test_saved_state);
    return g_test_run();
}
