/*
 * char.h - host ends of serial lines: files, Unix and TCP sockets, terminals.
 *
 * A driver takes what the device writes into a buffer and moves it out on the event loop's thread; what comes in is
 * offered to the device from that thread. While nobody is connected, characters of the guest vanish.
 *
 *     struct char_conf conf = {.kind = CHAR_TCP, .path = "2023", .server = true, .loop = loop};
 *     struct pdm_char *line = char_new(&conf, &up, &error);
 *
 * A front end that wants to see keys first (an escape sequence) passes an @up of its own and hands the rest on.
 * The process must ignore SIGPIPE.
 */
#ifndef DRIVERS_CHAR_CHAR_H
#define DRIVERS_CHAR_CHAR_H

#include <glib.h>

#include "vmm/pdm/ifs.h"

struct loop;

/** VirtualBox's UART modes RawFile, HostPipe, HostDevice, TCP, and the process's own terminal. */
enum char_kind { CHAR_RAW_FILE, CHAR_HOST_PIPE, CHAR_HOST_DEVICE, CHAR_TCP, CHAR_STDIO };

struct char_conf {
    enum char_kind kind;
    /**
     * RAW_FILE: output file, emptied by char_begin(). HOST_PIPE: Unix socket. HOST_DEVICE: a tty.
     * TCP: "host:port"; a server may say only "port" and then listens on every address, as VirtualBox does.
     */
    const char *path;
    bool server;       /* HOST_PIPE, TCP: wait for a peer (one at a time) instead of connecting to one */
    int in_fd, out_fd; /* STDIO: stay the caller's; terminal modes are the caller's business */
    struct loop *loop;
};

/** Calls up, on the loop's thread, no lock of the driver held. The implementation takes the device lock. */
struct char_up {
    void *user;
    /**
     * Returns the number taken; if that is less than @bytes, the device owes an accept(). After accept() it is called
     * even when nothing waits (@bytes 0), so that a filter in between can pass on what it keeps.
     */
    size_t (*receive)(void *user, const uint8_t *buf, size_t bytes);
    void (*writable)(void *user); /* room again after a short write() */
};

/** On the loop's thread, or before it runs. A client connects now, or fails after CHAR_CONNECT_MS. */
struct pdm_char *char_new(const struct char_conf *conf, const struct char_up *up, GError **error);
/** The machine starts: from here on the output file is the new one's. Before the first write. */
void char_begin(struct pdm_char *line);
/** On the loop's thread, or after it ended, when no device calls any more. Sends what is left if that goes at once. */
void char_free(struct pdm_char *line);

#define CHAR_CONNECT_MS 5000
#define CHAR_ERROR      (g_quark_from_static_string("char"))

#endif
