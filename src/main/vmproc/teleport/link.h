/*
 * link.h - the connection between the two processes of a teleport: TLS 1.3 with a key both know, and frames in it.
 *
 * The key is made from the password (its SHA-256, as the settings keep it), so each side proves to the other that it
 * knows the password, and there are no certificates. Whoever guesses a weak password may still try it: choose a long
 * one. Numbers of frames are little-endian: type, size of what follows.
 * Threads: one at a time; link_stop() from any.
 */
#ifndef MAIN_VMPROC_TELEPORT_LINK_H
#define MAIN_VMPROC_TELEPORT_LINK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define LINK_FRAME_MAX (768u << 20)
#define LINK_PIECE_MAX (2u << 20) /* of all but LINK_STATE */

enum link_type {
    LINK_HELLO = 1, /* to the target: config digest, RAM size, list of media */
    LINK_YES,       /* to the source: go on; a byte for each medium: 1 = its contents are to come, too */
    LINK_NO,        /* either: why not (text); the end */
    LINK_MEMORY,    /* to the target: struct link_memory, packed pages */
    LINK_STATE,     /* to the target: everything but RAM */
    LINK_FREE,      /* to the target: all is sent, the disks are closed */
    LINK_LOADED,    /* to the source: all is there, the disks are locked */
    LINK_GO,        /* to the target: it is yours; one byte: whether it is to run */
    LINK_RUNNING,   /* to the source: taken */
    LINK_DISK,      /* to the target: struct link_disk, packed pages */
    LINK_SYNC,      /* to the target: so far; say when the disks have it */
    LINK_SYNCED     /* to the source: they have */
};

struct link_memory {
    uint32_t chunk, reserved; /* number of the MiB */
    uint64_t pages[4];        /* which of its 256 pages are told; those not in the packed bytes are zeros */
};

struct link_disk {
    uint32_t disk;  /* number in the list of media */
    uint32_t zeros; /* not 0: so many MiB from here are zeros, and no pages follow */
    uint64_t chunk; /* number of the MiB */
    uint64_t pages[4];
};

struct link;
/** link_new() - @fd is taken over. The other side's answers are waited for no longer than @patience_s. */
struct link *link_new(int fd, bool server, const char *password_hash, unsigned patience_s, GError **error);
/** From now on so long. */
void link_patience(struct link *l, unsigned patience_s);
void link_free(struct link *l);
bool link_send(struct link *l, enum link_type type, const void *head, size_t head_bytes, const void *body,
               size_t body_bytes, GError **error);
/**
 * link_receive() - the next frame. @ret_bytes: its payload, g_bytes_unref.
 * @error LINK_CLOSED (domain LINK_ERROR): the other process has closed the connection, or is gone. A connection to
 *        another host that was reset, perhaps by something in between, is none of the two.
 */
bool link_receive(struct link *l, enum link_type *ret_type, GBytes **ret_bytes, GError **error);
/** link_expect() - the next frame must be a @type; LINK_NO becomes the error, as LINK_CLOSED: it is over there. */
GBytes *link_expect(struct link *l, enum link_type type, GError **error);
/** link_stop() - what waits fails. */
void link_stop(struct link *l);
/** teleport_cpu_us() - processor time of this process until now. */
gint64 teleport_cpu_us(void);
uint64_t link_sent_bytes(const struct link *l);

#define LINK_ERROR (g_quark_from_static_string("teleport"))
enum link_code { LINK_FAILED, LINK_CLOSED };

#endif
