/*
 * terminal.h - the user's terminal as a serial line: raw mode while the machine runs, and the escape key.
 *
 * Ctrl-] then q leaves, Ctrl-] then Ctrl-] sends Ctrl-], Ctrl-] then s takes a screenshot, p pauses or resumes,
 * r resets.
 */
#ifndef FRONTENDS_VBOXHEADLESS_TERMINAL_H
#define FRONTENDS_VBOXHEADLESS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
    struct termios before;
    bool raw, escaped;
    void *user;
    void (*key)(void *user, char key); /* the key after Ctrl-] */
};

/** Raw mode if descriptor 0 is a terminal. */
void terminal_start(struct terminal *t);
void terminal_stop(struct terminal *t);
/** What of @bytes the guest gets, in @ret_bytes (same capacity); a struct console_options serial_filter. */
size_t terminal_filter(void *terminal, const char *bytes, size_t size, char *ret_bytes);

#endif
