/*
 * history.h - the last things that happened to a vCPU: exceptions, interrupts, halts, ways out of the engine. A ring
 * that costs a few stores per event, read by the guru report and "info exithistory".
 * Thread: written by the vCPU's own; readers find whole numbers, not whole events, unless it is parked.
 */
#ifndef VMM_CPUM_HISTORY_H
#define VMM_CPUM_HISTORY_H

#include <stdint.h>

#define CPUM_HISTORY_EVENTS 64u /* power of two */

enum cpum_event_kind {
    CPUM_EVENT_FAULT, /* exception that restarts the instruction */
    CPUM_EVENT_TRAP,  /* #DB, #BP, #OF after it */
    CPUM_EVENT_INT,   /* INT n */
    CPUM_EVENT_IRQ,
    CPUM_EVENT_NMI,
    CPUM_EVENT_INIT,
    CPUM_EVENT_SIPI,
    CPUM_EVENT_HALT,     /* sleeps */
    CPUM_EVENT_REQUEST,  /* the machine wanted the thread */
    CPUM_EVENT_SHUTDOWN, /* triple fault */
    CPUM_EVENT_FATAL,    /* the engine itself failed */
    CPUM_EVENT_COUNT
};

struct cpum_event {
    uint64_t insns; /* instructions executed before it */
    uint64_t rip;
    uint64_t data; /* page fault: address */
    uint32_t error;
    uint16_t cs;
    uint8_t kind; /* enum cpum_event_kind */
    uint8_t vector;
};

struct cpum_history {
    uint64_t count; /* of all events so far; the newest is at (count - 1) % CPUM_HISTORY_EVENTS */
    struct cpum_event event[CPUM_HISTORY_EVENTS];
};

#endif
