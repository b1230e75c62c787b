/*
 * dbgf.h - looking at a stopped vCPU: registers, stack and code as text, and the gdb remote stub.
 */
#ifndef VMM_DBGF_DBGF_H
#define VMM_DBGF_DBGF_H

#include <glib.h>

#include "vmm/cpum/cpum.h"

/** Registers in the shape of VirtualBox's "info cpumguest". */
void dbgf_regs(struct vcpu *c, GString *out);
/** @count instructions from linear address @gla; the current one is marked. Unreadable memory ends the listing. */
void dbgf_disasm(struct vcpu *c, uint64_t gla, unsigned count, GString *out);
/** The top of the stack: @words entries of the stack's width. */
void dbgf_stack(struct vcpu *c, unsigned words, GString *out);
/** dbgf_set_register() - "rax" or "cpu0.rax"; nothing has changed when it is refused. */
bool dbgf_set_register(struct vcpu *c, const char *name, const char *value, GError **error);
/** What happened to the vCPU last, oldest first. */
void dbgf_history(struct vcpu *c, GString *out);

/* ---- gdb remote serial protocol ---- */

/** What the stub needs of the machine. halt() returns when every vCPU stands still. */
struct dbgf_machine {
    void *user;
    unsigned cpus;
    struct vcpu *(*cpu)(void *user, unsigned id);
    void (*halt)(void *user);
    void (*resume)(void *user);
    void (*step)(void *user, unsigned cpu);            /* machine is halted: one instruction of one vCPU */
    char *(*monitor)(void *user, const char *command); /* "monitor WORDS": answer, g_free */
};

/**
 * dbgf_named() - the vCPU whose number is the first word of @args; 0 if there is none, or another word (VirtualBox's
 *   "verbose"). NULL: the machine has no such vCPU, which @out says now.
 */
struct vcpu *dbgf_named(const struct dbgf_machine *m, const char *args, GString *out);

struct info;
/** dbgf_register() - the info handlers of vCPUs, whose argument is the vCPU's number; @m must stay where it is. */
void dbgf_register(const struct dbgf_machine *m, struct info *info);

struct gdb;
/** gdb_new() - listens at @address: "HOST:PORT", ":PORT" (loopback) or the path of a Unix socket. Its thread does the
 * rest. */
struct gdb *gdb_new(const char *address, const struct dbgf_machine *machine, GError **error);
void gdb_free(struct gdb *g);
/** The machine stopped by itself: breakpoint on @cpu. Any thread. */
void gdb_stopped(struct gdb *g, unsigned cpu);

#endif
