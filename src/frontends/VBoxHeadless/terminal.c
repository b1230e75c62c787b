/* terminal.c - see terminal.h. */
#include "frontends/VBoxHeadless/terminal.h"

#include <unistd.h>

#define ESCAPE 0x1d /* Ctrl-] */

void terminal_start(struct terminal *t)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &t->before) != 0)
        return;
    raw = t->before;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST; /* our own messages still end lines; the guest's CR LF passes unchanged */
    t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void terminal_stop(struct terminal *t)
{
    if (t->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
    t->raw = false;
}

size_t terminal_filter(void *terminal, const char *bytes, size_t size, char *ret_bytes)
{
    struct terminal *t = terminal;
    size_t n = 0;

    for (size_t k = 0; k < size; k++) {
        if (t->escaped) {
            t->escaped = false;
            if (bytes[k] == ESCAPE)
                ret_bytes[n++] = ESCAPE;
            else
                t->key(t->user, bytes[k]);
        } else if (bytes[k] == ESCAPE) {
            t->escaped = true;
        } else {
            ret_bytes[n++] = bytes[k];
        }
    }
    return n;
}
