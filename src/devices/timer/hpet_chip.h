/*
 * hpet_chip.h - the high precision event timer block as a pure state machine over a nanosecond number.
 */
#ifndef DEVICES_TIMER_HPET_CHIP_H
#define DEVICES_TIMER_HPET_CHIP_H

#include <stdbool.h>
#include <stdint.h>

enum { HPET_TIMERS = 3, HPET_PERIOD_NS = 10 }; /* 100 MHz */
#define HPET_NEVER UINT64_MAX

struct hpet_timer {
    uint64_t config, comparator;
    uint64_t period; /* periodic mode: what is added at each match */
    bool set_next;   /* Tn_VAL_SET_CNF was written: the next comparator write sets the comparator too */
};
struct hpet {
    uint64_t config, status;
    uint64_t counter;  /* value while halted, and at start_ns */
    uint64_t start_ns; /* when it began to run from counter */
    uint64_t seen;     /* counter value up to which matches have been found */
    struct hpet_timer timer[HPET_TIMERS];
    uint8_t fired; /* bit n: timer n matched and hpet_take_edge() has not taken it */
};

void hpet_reset(struct hpet *c);
uint64_t hpet_read(struct hpet *c, unsigned off, unsigned size, uint64_t now_ns);
void hpet_write(struct hpet *c, unsigned off, uint64_t val, unsigned size, uint64_t now_ns);
/** hpet_run() - lets time pass: finds matches. */
void hpet_run(struct hpet *c, uint64_t now_ns);
/** hpet_next_ns() - when the next match of an enabled timer comes, or HPET_NEVER. */
uint64_t hpet_next_ns(const struct hpet *c, uint64_t now_ns);
/** hpet_legacy() - whether lines 0 and 8 are the HPET's, and not the 8254's and the RTC's. */
bool hpet_legacy(const struct hpet *c);
/** hpet_line() - ISA line timer @n drives, or -1: none. hpet_level(): the level of a level-triggered timer. */
int hpet_line(const struct hpet *c, unsigned n);
bool hpet_level(const struct hpet *c, unsigned n);
bool hpet_level_triggered(const struct hpet *c, unsigned n);
/** hpet_take_edge() - whether edge-triggered timer @n has matched since the last call. */
bool hpet_take_edge(struct hpet *c, unsigned n);
bool hpet_valid(const struct hpet *c);

#endif
