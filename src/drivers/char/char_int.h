/*
 * char_int.h - the stream every character driver is made of; openers fill its ends.
 */
#ifndef DRIVERS_CHAR_CHAR_INT_H
#define DRIVERS_CHAR_CHAR_INT_H

#include <termios.h>

#include "drivers/char/char.h"
#include "rt/loop.h"

#define CHAR_RING_BYTES 65536u /* power of two */
#define CHAR_IN_BYTES   1024u

struct char_end {
    int fd; /* -1: closed */
    struct loop_watch *watch;
    bool pollable; /* false: a regular file or /dev/null, always ready */
};

struct char_stream {
    struct pdm_char line;
    struct loop *loop;
    struct char_up up;
    struct char_end in, out; /* descriptors of their own, even for one socket */
    struct char_end kick;    /* eventfd: other threads have news */
    struct char_end listener;
    bool is_socket;
    bool is_file;              /* RAW_FILE, before char_begin() */
    char *unlink_path;         /* file to remove in the end */
    struct termios *tty_saved; /* modes to put back on out.fd */
    int out_flags_fd;          /* descriptor whose O_NONBLOCK was changed, or -1 */
    int out_flags;

    uint8_t in_buf[CHAR_IN_BYTES]; /* loop thread only */
    size_t in_at, in_count;

    GMutex lock; /* guards what follows */
    uint8_t *ring;
    size_t head, count;
    bool connected; /* false: writes vanish */
    bool kicked;
    bool owed; /* a write() was cut short: writable() is due */
};

/** char_stream_connect() - the ends are open: @in_fd or @out_fd may be -1. Takes the descriptors over, also on error.
 */
bool char_stream_connect(struct char_stream *s, int in_fd, int out_fd, GError **error);
/** char_stream_hang_up() - the peer is gone: closes both ends, drops what waits. */
void char_stream_hang_up(struct char_stream *s);

bool char_open_file(struct char_stream *s, const struct char_conf *conf, GError **error);
bool char_open_tty(struct char_stream *s, const struct char_conf *conf, GError **error);
bool char_open_stdio(struct char_stream *s, const struct char_conf *conf, GError **error);
bool char_open_unix(struct char_stream *s, const struct char_conf *conf, GError **error);
bool char_open_tcp(struct char_stream *s, const struct char_conf *conf, GError **error);
void char_end_close(struct char_end *e);

#endif
