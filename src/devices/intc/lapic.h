/*
 * lapic.h - one local APIC as a state machine: registers, priorities, timer arithmetic. Messages between APICs, clocks
 * and the processor are its owner's business (apic.c).
 *
 * Threads: lapic_accept(), lapic_matches() and lapic_priority() may be called by any thread at any time;
 * lapic_pending(), lapic_acknowledge() and lapic_eoi() by the processor's own thread; all else under the owner's lock
 * for this APIC.
 */
#ifndef DEVICES_INTC_LAPIC_H
#define DEVICES_INTC_LAPIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum lapic_reg { /* offset / 16, = MSR - 800h */
                 LAPIC_ID = 0x02,
                 LAPIC_VERSION = 0x03,
                 LAPIC_TPR = 0x08,
                 LAPIC_APR = 0x09,
                 LAPIC_PPR = 0x0a,
                 LAPIC_EOI = 0x0b,
                 LAPIC_RRD = 0x0c,
                 LAPIC_LDR = 0x0d,
                 LAPIC_DFR = 0x0e,
                 LAPIC_SVR = 0x0f,
                 LAPIC_ISR = 0x10,
                 LAPIC_TMR = 0x18,
                 LAPIC_IRR = 0x20,
                 LAPIC_ESR = 0x28,
                 LAPIC_ICR_LOW = 0x30,
                 LAPIC_ICR_HIGH = 0x31,
                 LAPIC_LVT_TIMER = 0x32,
                 LAPIC_LVT_THERMAL = 0x33,
                 LAPIC_LVT_PERF = 0x34,
                 LAPIC_LVT_LINT0 = 0x35,
                 LAPIC_LVT_LINT1 = 0x36,
                 LAPIC_LVT_ERROR = 0x37,
                 LAPIC_INITIAL = 0x38,
                 LAPIC_CURRENT = 0x39,
                 LAPIC_DIVIDE = 0x3e,
                 LAPIC_SELF_IPI = 0x3f,
};
enum { LAPIC_LVTS = 6, LAPIC_MASKED = 1 << 16, LAPIC_EXTINT = 7 };
enum { LAPIC_BASE_BSP = 1 << 8, LAPIC_BASE_X2 = 1 << 10, LAPIC_BASE_ENABLE = 1 << 11 };
enum { LAPIC_ERROR_SEND_VECTOR = 1 << 5, LAPIC_ERROR_RECEIVE_VECTOR = 1 << 6, LAPIC_ERROR_REGISTER = 1 << 7 };
/* What lapic_write() leaves to the owner. */
enum {
    LAPIC_DO_NOTHING = 0,
    LAPIC_DO_EOI = 1,
    LAPIC_DO_IPI = 2,
    LAPIC_DO_TIMER = 4,
    LAPIC_DO_LOOK = 8,

};
#define LAPIC_NEVER    UINT64_MAX
#define LAPIC_BASE_GPA UINT64_C(0xfee00000)
#define LAPIC_TIMER_HZ 1000000000u /* a tick of the undivided timer is a nanosecond */

struct lapic {
    uint32_t id;
    _Atomic uint64_t base; /* IA32_APIC_BASE */
    _Atomic uint32_t irr[8], tmr[8], isr[8];
    _Atomic uint32_t tpr, ldr, dfr, svr;
    _Atomic uint32_t lvt[LAPIC_LVTS];
    _Atomic uint32_t errors; /* not yet latched into esr */
    uint32_t esr, icr_low, icr_high;
    uint32_t initial, divide;
    uint64_t start_ns;     /* when the count was initial */
    uint64_t tsc_deadline; /* 0 = not armed */
    uint64_t due_ns;       /* when the timer fires next, or LAPIC_NEVER */
};

/** lapic_reset() - @init: an INIT, which keeps identification and base. */
void lapic_reset(struct lapic *c, uint32_t id, bool bsp, bool init);
bool lapic_enabled(struct lapic *c); /* hardware and software enable */
bool lapic_x2(struct lapic *c);
/** lapic_read() - false: there is no such register. */
bool lapic_read(struct lapic *c, unsigned reg, uint64_t now_ns, uint32_t *ret);
/** lapic_write() - Return: LAPIC_DO_ bits; false in *@ret_exists for no such or a read-only register. */
unsigned lapic_write(struct lapic *c, unsigned reg, uint32_t val, uint64_t now_ns, bool *ret_exists);

/** lapic_accept() - a fixed interrupt arrives. Return: true when the processor should look. */
bool lapic_accept(struct lapic *c, uint8_t vector, bool level);
bool lapic_matches(struct lapic *c, uint32_t dest, bool logical);
uint8_t lapic_priority(struct lapic *c); /* PPR */
int lapic_pending(struct lapic *c);
int lapic_acknowledge(struct lapic *c);
/** lapic_eoi() - Return: the vector when the I/O APICs must hear of it, or -1. */
int lapic_eoi(struct lapic *c);

enum lapic_timer_mode { LAPIC_ONE_SHOT, LAPIC_PERIODIC, LAPIC_TSC_DEADLINE };
enum lapic_timer_mode lapic_timer_mode(struct lapic *c);
/** lapic_timer_fire() - due_ns has come: sets the next. Return: the vector to accept, or -1 when masked. */
int lapic_timer_fire(struct lapic *c, uint64_t now_ns);
/** lapic_valid() - whether a loaded state is possible. */
bool lapic_valid(struct lapic *c);

#endif
