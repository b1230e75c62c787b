/*
 * teleport.h - a running machine moves to another process, on this host or another one. A disk that both have is
 * handed over; the contents of any other go along.
 *
 *     source                                            target (settings: Teleporter/@enabled)
 *     HELLO what I am, what disks it has                the same machine? YES, and which disks are not there; or NO
 *     DISK of these, SYNC: in rounds                    writes them to its own images, flushes: SYNCED
 *     MEMORY, in rounds, while the guest runs           into its RAM
 *     -- the guest stands still
 *     MEMORY and DISK of the rest, STATE of devices     loads it
 *     shared disks flushed and closed: FREE             opens and locks them, flushes copies: LOADED
 *     GO                                                RUNNING, and goes on
 *     ends
 *
 * Invariant 1: at most one side runs, and only who has the disks locked: the source ends only after RUNNING, the target
 *              runs only after GO, and says RUNNING before its first instruction. A disk whose contents are copied is
 *              the source's, open and locked, until it ends; its copy is worth nothing before LOADED.
 * Invariant 2: whatever fails before RUNNING, the source opens its disks again and goes on. If the connection broke
 *              between GO and RUNNING, and the other process may live, the locks of shared disks decide; without such
 *              a disk the source stays paused.
 */
#ifndef MAIN_VMPROC_TELEPORT_TELEPORT_H
#define MAIN_VMPROC_TELEPORT_TELEPORT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define TELEPORT_PATIENCE_S 30u

struct vm;
struct media;

/* ---- source ---- */

struct teleport_out;
struct teleport_out_config {
    struct vm *vm;
    struct media *media;
    int fd;                    /* connected to the target; taken over */
    const char *password_hash; /* SHA-256 in hex, "" = none */
    unsigned max_pause_ms;
    unsigned timeout_ms; /* in which the guest must have come to its pause; 0: any time */
    void *user;
    /* From its thread, the last thing it does: NULL: the machine is gone from here. @error is the callee's. */
    void (*done)(void *user, GError *error);
};
struct teleport_out *teleport_out_start(const struct teleport_out_config *config);
/** teleport_out_permille() - how far it is: of all disks that are copied and memory, the first time; any thread. */
unsigned teleport_out_permille(const struct teleport_out *o);
/** teleport_out_free() - breaks it off if it still goes on, waits for its thread. NULL is fine. */
void teleport_out_free(struct teleport_out *o);

/* ---- target ---- */

struct teleport_in;
/** teleport_in_listen() - before the process is confined. Without a password only on this host's own address. */
struct teleport_in *teleport_in_listen(const char *address, unsigned port, const char *password_hash, GError **error);
struct teleport_in_config {
    struct vm *vm;
    struct media *media;
    void *user;
    void (*arrived)(void *user, bool run); /* the machine is suspended, its disks are open */
    void (*failed)(void *user);            /* it will not come any more; the log says why */
};
/** teleport_in_start() - after the process was confined: waits on a thread. Both callbacks come from there, once. */
void teleport_in_start(struct teleport_in *in, const struct teleport_in_config *config);
void teleport_in_free(struct teleport_in *in);

#endif
