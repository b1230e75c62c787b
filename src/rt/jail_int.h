/*
 * jail_int.h - between jail.c (runs it), jail_make.c (makes it) and jail_tie.c (takes it its rights).
 */
#ifndef RT_JAIL_INT_H
#define RT_JAIL_INT_H

#include <sys/mman.h>

#include "rt/jail.h"

#define JAIL_RAM_FD    0u /* the only descriptor in there */
#define JAIL_MAP_FLAGS (MAP_SHARED | MAP_FIXED | MAP_POPULATE)

/* Entries of the stub's code page. */
enum {
    JAIL_STUB_CALL,       /* one system call, then a trap */
    JAIL_STUB_TRAP = 2,   /* where the process waits at first */
    JAIL_STUB_BATCH = 16, /* RBX to RBP: rows of a table, a system call each; ends with a trap at the end or an error */
    JAIL_STUB_MORE = 63   /* behind that trap: R12 counts, on with the table in the second page */
};

/* The second page: the owner writes it, the jail reads it. */
struct jail_row {
    uint64_t call, arg[6], end; /* of the first row: where the rows end */
};
struct jail_table {
    struct jail_row row[JAIL_MAPS_MAX];
    uint8_t program[512 - 64]; /* a BPF program, while there is something to install */
    uint16_t length;           /* its struct sock_fprog */
    uint64_t at;
    int32_t failed_errno;  /* the new process's: what went wrong before it was tied up */
    int32_t missing_errno; /* why there are no namespaces */
};
_Static_assert(sizeof(struct jail_table) <= JAIL_PAGE_BYTES, "one page");

struct jail {
    pid_t pid, thread; /* the process with its mapper thread, the guest thread */
    bool lost, cpuid_traps;
    bool mapper_ready; /* stopped at JAIL_STUB_MORE ... */
    uint64_t batches;  /* ... with this in R12 */
    uint16_t based_selector;
    int cpu; /* where the guest thread was sent last */
    uint64_t stub;
    struct jail_table *table;
    struct user_regs_struct regs;
    uint8_t *xstate;
    size_t xstate_bytes;
    char missing[96];
};

/** A random place for a stub between @low and @low + @range, where this process has nothing. */
uint64_t jail_choose_stub(uint64_t low, uint64_t range);
/** Waits until @thread has stopped. Return: the signal it stopped for; -1: it is gone. */
int jail_wait(struct jail *j, pid_t thread);
/** @thread, which is stopped, makes a system call. Return: its result, or -errno; the jail may be lost afterwards. */
int64_t jail_call(struct jail *j, pid_t thread, int64_t number, const uint64_t args[6]);
/** The last step of making it: from here on neither thread does what it must not. Return: 0, or an errno. */
int jail_tie(struct jail *j);
/** Ends the process and waits for it. */
void jail_kill(struct jail *j);

#endif
