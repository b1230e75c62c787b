/*
 * gdb_int.h - the two halves of the gdb stub: gdb.c moves bytes, gdb_command.c understands them.
 */
#ifndef VMM_DBGF_GDB_INT_H
#define VMM_DBGF_GDB_INT_H

#include "vmm/dbgf/dbgf.h"

#define GDB_PACKET_BYTES 16384u

/** One debugging session's state. */
struct gdb_session {
    const struct dbgf_machine *machine;
    unsigned cpu;   /* chosen by Hg */
    bool running;   /* the guest runs: no answer until it stops */
    bool quit;      /* detach or kill */
    GArray *breaks; /* uint64_t linear addresses set by us */
    /* sends a packet that is not the answer yet: a part of a long text */
    void (*part)(void *user, const GString *packet);
    void *part_user;
};

/** Answers @packet (without framing) into @reply; an empty reply means "not supported". */
void gdb_command(struct gdb_session *s, const char *packet, GString *reply);
/** The stop reply for @cpu. */
void gdb_stop_reply(unsigned cpu, GString *reply);
void gdb_clear_breaks(struct gdb_session *s);
extern const char gdb_target_xml[];

#endif
