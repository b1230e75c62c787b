/*
 * rig.h - a jail with something in it to run, and two ways to run it: as raw mode does, or with every system call
 * watched.
 *
 * Layout in the jail (file pages in brackets): CODE [0, 1] executable, DATA [2, 3] writable, RIG_STACK grows down from
 * the end of DATA, READ_ONLY [4]. All other pages of the file are marked and belong to nobody.
 */
#ifndef TEST_ESCAPE_RIG_H
#define TEST_ESCAPE_RIG_H

#include "rt/gmem.h"
#include "rt/jail.h"

#define RIG_PAGES     64u
#define RIG_CODE      UINT64_C(0x400000)
#define RIG_DATA      UINT64_C(0x600000)
#define RIG_STACK     (RIG_DATA + 2 * JAIL_PAGE_BYTES - 512)
#define RIG_READ_ONLY UINT64_C(0x700000)

struct rig {
    struct gmem ram;
    struct jail *jail;
    pid_t canary;             /* a process beside the jail: counts signals */
    uint32_t *canary_signals; /* shared with it */
    char *canary_file;
    uint8_t code[2 * JAIL_PAGE_BYTES]; /* as rig_code() has put it there */
    uint8_t *xstate;                   /* a new jail's */
    int counter; /* of system calls the guest thread gets through with; -1: this host does not tell */
};

void rig_begin(struct rig *r);
void rig_end(struct rig *r);
/** Another jail, and the layout above. */
void rig_renew(struct rig *r);

/** Code at RIG_CODE with UD2 to the end of the page, all registers zero but RSP, x87 and vectors as in a new jail;
 * @bits: 64 or 32. */
void rig_code(struct rig *r, const uint8_t *bytes, unsigned size, unsigned bits);
/** The code is what it was. */
bool rig_code_intact(const struct rig *r);
/** Runs until something stops the jail. */
enum jail_end rig_run(struct rig *r, struct jail_trap *ret);
/**
 * rig_run_watched() - likewise, but stops at every system call that gets as far as being looked at, too.
 * Return: as jail_run(); @ret_executed: system calls that were not refused.
 */
enum jail_end rig_run_watched(struct rig *r, struct jail_trap *ret, unsigned *ret_executed);
/** System calls the guest thread has got through with so far, as the kernel's tracepoint counts them. */
uint64_t rig_executed(const struct rig *r);
/** A counter of the tracepoint for @thread; -1 where the kernel or our rights have none. */
int rig_counter(pid_t thread);

/**
 * rig_picture() - what can be seen from outside: of both threads, the stub, memory that is not the guest thread's to
 * write, processes, files. Two pictures are equal unless something happened that must not. To be freed.
 */
char *rig_picture(const struct rig *r);
/** The first lines that differ, to be freed; NULL: none. */
char *rig_difference(const char *before, const char *after);

#endif
