/*
 * iem_test.h - what the interpreter's tests share: one machine with its helpers, and a table of cases per file.
 *
 * Numbers in brackets in these files are sections of SDM vol. 3 unless said otherwise.
 */
#ifndef TEST_ISA_IEM_TEST_H
#define TEST_ISA_IEM_TEST_H

#include "harness.h"

enum { DE = 0, DB = 1, BP = 3, OF = 4, BR = 5, UD = 6, SS = 12, GP = 13, PF = 14, AC = 17 };

extern struct isa *t;
extern uint64_t *g; /* the general registers */

#define FLAGS (t->c->ctx.rflags & CPUM_FL_ARITH)

/** The state every case begins with. */
void fresh(enum x86_mode mode);

void poke(uint64_t gpa, uint64_t val, unsigned bytes);
uint64_t peek(uint64_t gpa, unsigned bytes);

/** Takes a 4 KiB page of the data area away; gives it back. */
void unmap(uint64_t gla);
void map(uint64_t gla);

struct iem_case {
    const char *name;
    void (*run)(void);
};

/** Each ends with an entry without a name. */
extern const struct iem_case iem_fault_cases[], iem_smc_cases[], iem_mode_cases[], iem_event_cases[];

#endif
