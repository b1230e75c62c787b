/*
 * i8254.h - the 8254 interval timer as a pure state machine: three counters evaluated from a tick number on demand.
 *
 * Time is in ticks of the counters' common clock; it never runs back.
 */
#ifndef DEVICES_TIMER_I8254_H
#define DEVICES_TIMER_I8254_H

#include <stdbool.h>
#include <stdint.h>

#define I8254_HZ    1193182u
#define I8254_NEVER UINT64_MAX

struct i8254_channel {
    uint8_t mode;   /* 0-5 */
    uint8_t access; /* 1 low byte, 2 high byte, 3 low then high */
    bool bcd;
    bool gate;
    bool high_next_write; /* access 3: the low byte is in low_byte */
    bool high_next_read;
    uint8_t low_byte;
    bool loaded;      /* a full count has been written since the control word */
    bool armed;       /* the counting element counts, or will from start on */
    bool frozen;      /* the gate holds it at elapsed */
    bool pending;     /* next waits for the end of the (half) cycle */
    uint32_t next;    /* count register: 1-65536 (10000 in BCD) */
    uint32_t count;   /* initial value of the running cycle */
    uint64_t start;   /* tick at which the counting element held count */
    uint64_t elapsed; /* while frozen */
    uint64_t reload;  /* while pending: the tick at which next is loaded */
    uint8_t latched;  /* bytes of latch still to be read */
    uint16_t latch;
    bool status_latched;
    uint8_t status;
};

struct i8254 {
    struct i8254_channel ch[3];
};

void i8254_reset(struct i8254 *c);
/** i8254_read(), i8254_write() - registers 0-3 at tick @now. */
uint8_t i8254_read(struct i8254 *c, unsigned reg, uint64_t now);
void i8254_write(struct i8254 *c, unsigned reg, uint8_t val, uint64_t now);
/** i8254_gate() - drives GATE of channel @n. */
void i8254_gate(struct i8254 *c, unsigned n, bool level, uint64_t now);
/** i8254_out() - the OUT pin of channel @n. */
bool i8254_out(struct i8254 *c, unsigned n, uint64_t now);
/** i8254_next_rise() - the first tick after @now at which OUT goes high, or I8254_NEVER. */
uint64_t i8254_next_rise(struct i8254 *c, unsigned n, uint64_t now);
/** i8254_valid() - whether a loaded state could have been reached (indexes and divisors in range). */
bool i8254_valid(const struct i8254_channel *ch);

#endif
