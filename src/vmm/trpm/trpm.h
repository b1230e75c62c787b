/*
 * trpm.h - events on their way to the guest: what was raised, what is being delivered, what a debugger injected.
 *
 * iem/xcpt.c delivers; here is only what is pending, so that whoever looks or injects needs to know no engine.
 * Threads: everything but `injected` belongs to the vCPU's thread; trpm_inject() may be called from any.
 */
#ifndef VMM_TRPM_TRPM_H
#define VMM_TRPM_TRPM_H

#include "vmm/cpum/cpum.h"

enum trpm_kind {
    TRPM_FAULT,
    TRPM_TRAP,     /* #DB trap, #BP, #OF */
    TRPM_SOFT_INT, /* INT n */
    TRPM_IRQ,
    TRPM_NMI,
    TRPM_ICEBP
};

struct trpm_event {
    uint8_t vector;
    uint8_t kind; /* enum trpm_kind */
    bool has_error;
    uint32_t error;
};

struct trpm {
    struct trpm_event raised;  /* by the running instruction */
    struct trpm_event current; /* being delivered, if `delivering` */
    bool delivering;           /* a further fault may be a double fault */
    _Atomic uint64_t injected; /* 0 = none; else packed by trpm_inject() */
};

void trpm_init(struct vcpu *c);
void trpm_fini(struct vcpu *c);
/**
 * trpm_inject() - the vCPU shall take this event between two instructions, as if it had been raised there: an interrupt
 * when the flags allow, an exception or NMI at once. Return: false = one is waiting already.
 */
bool trpm_inject(struct vcpu *c, const struct trpm_event *e);
/** The injected event, if it may be delivered now (@irqs: interrupts may); it is taken. */
bool trpm_take(struct vcpu *c, bool irqs, struct trpm_event *ret);
/** What is injected, in a saved state (part of the unit "cpum"); the vCPU is stopped. A hostile reader fails. */
struct ssm_writer;
struct ssm_reader;
void trpm_save(struct vcpu *c, struct ssm_writer *w);
void trpm_load(struct vcpu *c, struct ssm_reader *r);
/** "info trpmevent". */
void trpm_info(struct vcpu *c, GString *out);

#endif
