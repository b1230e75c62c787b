/*
 * vmproc_int.h - shared by the files about machines' processes; vmprocess.c says how it works.
 */
#ifndef MAIN_SERVER_PROCESS_VMPROC_INT_H
#define MAIN_SERVER_PROCESS_VMPROC_INT_H

#include "main/server/objects.h"

/* What the lock file begins with before anything ran and after a good end; the process empties it in between. */
#define VMPROC_OFF "off\n"

struct attempt; /* vmproc_connect.c */

struct gone_call {
    void (*fn)(void *user);
    void *user;
};

struct vmproc {
    struct machine *machine;
    int pid;
    bool child;
    int pid_fd, ready_fd;
    guint pid_source, ready_source;
    GString *line; /* from ready_fd */
    struct progress *start;
    struct attempt *attempt; /* connecting */
    GDBusConnection *connection;
    guint subscription;
    guint again_source;
    char *saved; /* the state it had written and waited with when it was found */
    bool expect_saved;
    unsigned leds; /* of its keyboard; IInternalSessionControl's KeyboardLEDs */
    char *node;    /* its object path */
    GArray *gone;  /* struct gone_call */
};

/* ---- vmprocess.c ---- */
struct vmproc *vmproc_new(struct machine *m, int pid);
/** The file RUNTIME/vm-ID.SUFFIX; g_free */
char *vmproc_runtime_path(const struct machine *m, const char *suffix);
void vmproc_remove_files(const struct machine *m);
/** Nothing ran, or it ended in good order: the lock file says; its last message may still be on the way. */
bool vmproc_ended_well(const struct machine *m);
bool vmproc_watch(struct vmproc *vm, GError **error);
/** A process lives that has the machine. */
bool vmproc_lock_held(const struct machine *m);
/** It is gone, and nobody has seen how: its lock file says. Frees @vm. */
void vmproc_died_unseen(struct vmproc *vm);
/** The start's progress ends; @error is taken. */
void vmproc_end_start(struct vmproc *vm, GError *error);

/* ---- vmproc_connect.c ---- */
void vmproc_connect(struct vmproc *vm);
void vmproc_abandon(struct attempt *a);

/* ---- vmproc_start.c ---- */
/** The process's first line; also called when it has ended, which may come first: pid_source is 0 then. */
gboolean vmproc_on_ready(int fd, GIOCondition condition, void *user);

#endif
