/*
 * lockstep_int.h - what lockstep.c compares and lockstep_report.c tells.
 */
#ifndef VMM_REM_LOCKSTEP_INT_H
#define VMM_REM_LOCKSTEP_INT_H

#include "vmm/rem/rem_int.h"

#define LOCKSTEP_MARGIN  32u /* compared on both sides of an operand */
#define LOCKSTEP_OPERAND 64u /* the longest looked at; longer ones end a stretch */
#define LOCKSTEP_WINDOW  (LOCKSTEP_OPERAND + 2 * LOCKSTEP_MARGIN)
#define LOCKSTEP_TOUCHES (CSAM_RUN_MAX * 2 * IEM_TOUCHES)
#define LOCKSTEP_NOWHERE 0xffffu
#define LOCKSTEP_EVERY   64u /* how often a trusted block is still compared */

/** Memory around an operand. */
struct lockstep_touch {
    uint8_t *hva;
    uint64_t gla;
    uint16_t bytes;            /* of the window */
    uint16_t operand, written; /* where in it the operand begins, and its size if it is written, else 0 */
    uint8_t before[LOCKSTEP_WINDOW], after[LOCKSTEP_WINDOW];
};

struct rem_lockstep {
    bool armed;     /* a stretch was predicted and is being run by translated code */
    bool abandoned; /* ... could not be predicted */
    bool failed;
    bool resting;   /* a trusted block runs, nothing is compared */
    uint32_t trust; /* runs after which a block is; 0: never */
    uint32_t *runs; /* of every block: how often it was entered */
    bool raises;    /* the stretch ends with ... */
    struct trpm_event event;
    uint16_t stop;      /* offset of the instruction in front of which it ends; NOWHERE: at the block's end */
    uint16_t last;      /* offset of its last instruction */
    uint16_t left;      /* translated code gave up behind this instruction */
    uint32_t left_site; /* ... which is this */
    uint64_t undefined; /* flags */
    uint64_t stores;    /* pgm_stores() before */
    struct cpum_ctx before, expect;
    unsigned touches;
    struct lockstep_touch touch[LOCKSTEP_TOUCHES];
    /* the report: made when it failed */
    struct cpum_ctx got;
    bool got_raise;
    struct trpm_event got_event;
    char text[160];
    char differences[4096];
};

bool lockstep_same_fpu(const struct cpum_fpu *a, const struct cpum_fpu *b);
/** Keeps what rem_difference() and rem_lockstep_info() say. @event: raised by translated code, or NULL. */
void lockstep_report(struct rem *r, const struct trpm_event *event);

#endif
